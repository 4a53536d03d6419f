// The program's event loop: sockets and timers of Asio, a node, and between them the library's engine.
//
// One thread does everything but waiting for the node, the disk and the log. An input goes into the engine, and then its events
// are drained, some at a time: that is the whole pattern. Only the embedded chain is written in this thread, too.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <asio.hpp>
#include <sv2.hpp>

#include "keys.hpp"
#include "node.hpp"
#include "options.hpp"
#include "solutions.hpp"

class Server {
public:
    // What is borrowed outlives it.
    Server(asio::io_context& context, const Options& options, const Keys& keys, Node& node, Solutions& solutions,
           sv2::TemplateProvider provider);

    // Opens the listening socket. Empty, or a sentence about why it cannot.
    std::string listen();
    std::uint16_t port() const { return port_; }

    // Serves until a signal ends it, or something that cannot be mended. False in the second case.
    bool run();

private:
    using Id = std::uint64_t;
    struct Client {
        asio::ip::tcp::socket socket;
        bool waiting_to_write = false;
        bool broken = false;  // it takes no more bytes; what it sent before can still be read
    };
    // A block that was handed to the node.
    struct Submitted {
        sv2_u256 block_hash;
        std::uint32_t height;
        std::chrono::steady_clock::time_point since;
        bool warned = false;  // that it takes long
    };

    // Sockets.
    void accept();
    void admit(asio::ip::tcp::socket socket);
    void read(Id id);
    void write(Id id);
    void close(Id id, const std::string& reason);

    // The engine.
    void drain();
    void handle(const sv2::TemplateEvent& event);
    void set_timer();

    // Blocks.
    void submit(const sv2_solution& solution);
    void accepted(const sv2_u256& block_hash);
    void look_after_blocks();

    void renew_identity();

    void shut_down_on_signal();
    void reopen_log_on_signal();
    void fail(const std::string& why);

    asio::io_context& context_;
    const Options& options_;
    const Keys& keys_;
    Node& node_;
    Solutions& solutions_;
    sv2::TemplateProvider provider_;

    asio::ip::tcp::acceptor acceptor_{context_};
    asio::signal_set signals_{context_, SIGINT, SIGTERM};
    asio::signal_set hangups_{context_, SIGHUP};
    asio::steady_timer deadline_{context_};
    asio::steady_timer blocks_{context_};
    asio::steady_timer renewal_{context_};
    asio::steady_timer end_{context_};
    std::uint16_t port_ = 0;

    std::map<Id, Client> clients_;
    Id next_id_ = 1;
    // All sockets are read into the same memory: the engine keeps what it has not finished with.
    std::array<std::uint8_t, 64 << 10> received_{};

    std::vector<Submitted> submitted_;  // not accepted yet
    std::chrono::sys_seconds renewed_{};
    bool goes_on_ = false;  // more events are handled in the next turn
    bool ending_ = false;  // after the last block it ends
    bool failed_ = false;
};
