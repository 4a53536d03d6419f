// The program's event loop: sockets and timers of Asio, a node, and between them the library's engine.
//
// One thread does everything but waiting for the node, the disk and the log. An input goes into the engine, and then its events
// are drained, some at a time: that is the whole pattern. Only the embedded chain is written in this thread, too.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <asio.hpp>
#include <sv2.hpp>

#include "host/certificate_renewal.hpp"
#include "host/engine_loop.hpp"
#include "host/engine_server.hpp"
#include "host/keys.hpp"
#include "node.hpp"
#include "options.hpp"
#include "solutions.hpp"

class Server {
public:
    // What is borrowed outlives it.
    Server(asio::io_context& context, const Options& options, const host::Keys& keys, Node& node, Solutions& solutions,
           sv2::TemplateProvider provider);

    // Opens the listening socket. Empty, or a sentence about why it cannot.
    std::string listen();
    std::uint16_t port() const { return sockets_.port(); }

    // Serves until a signal ends it, or something that cannot be mended. False in the second case.
    bool run();

private:
    // A block that was handed to the node.
    struct Submitted {
        sv2_u256 block_hash;
        std::uint32_t height;
        std::chrono::steady_clock::time_point since;
        bool warned = false;  // that it takes long
    };

    void handle(const sv2::TemplateEvent& event);

    // Blocks.
    void submit(const sv2_solution& solution);
    void accepted(const sv2_u256& block_hash);
    void look_after_blocks();

    void shut_down_on_signal();
    void reopen_log_on_signal();
    void fail(const std::string& why);

    asio::io_context& context_;
    const Options& options_;
    Node& node_;
    Solutions& solutions_;
    sv2::TemplateProvider provider_;

    host::EngineLoop<sv2::TemplateProvider> loop_;
    host::EngineServer<sv2::TemplateProvider> sockets_;
    host::CertificateRenewal<sv2::TemplateProvider> renewal_;
    asio::signal_set signals_{context_, SIGINT, SIGTERM};
    asio::signal_set hangups_{context_, SIGHUP};
    asio::steady_timer blocks_{context_};
    asio::steady_timer end_{context_};

    std::vector<Submitted> submitted_;  // not accepted yet
    bool ending_ = false;  // after the last block it ends
    bool failed_ = false;
};
