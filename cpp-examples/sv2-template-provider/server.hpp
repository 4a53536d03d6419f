// The program's event loop: sockets and timers of Asio, the chain as the node, and between them the library's engine.
//
// One thread does everything. An input goes into the engine, and then its events are drained: that is the whole pattern.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include <asio.hpp>
#include <sv2.hpp>

#include "host/regtest_chain.hpp"
#include "keys.hpp"
#include "options.hpp"

class Server {
public:
    Server(const Options& options, host::RegtestChain& chain, const Keys& keys, sv2::TemplateProvider provider);

    // Opens the listening socket. Empty, or a sentence about why it cannot.
    std::string listen();
    std::uint16_t port() const { return port_; }

    // Serves until a signal ends it, or something that cannot be mended. False in the second case.
    bool run();

private:
    using Id = std::uint64_t;
    struct Client {
        asio::ip::tcp::socket socket;
        std::string address;
        bool waiting_to_write = false;
        bool broken = false;  // it takes no more bytes; what it sent before can still be read
    };
    struct Less {
        bool operator()(const sv2_constraint_key& a, const sv2_constraint_key& b) const {
            return a.reserved_weight != b.reserved_weight ? a.reserved_weight < b.reserved_weight : a.sigops < b.sigops;
        }
    };

    // Sockets.
    void accept();
    void read(Id id);
    void write(Id id);
    void close(Id id, const std::string& reason);

    // The engine.
    void drain();
    void set_timer();

    // The node.
    void offer_template(const sv2_constraint_key& key);
    void offer_templates();
    void give_transactions(const sv2::WantTransactions& wanted);
    void submit(const sv2_solution& solution);
    void grow_mempool();
    void renew_identity();

    // A line about what peers do, of which there are no more than a few each second: nobody fills a disk with them.
    void say_of_peers(const std::string& line);

    void fail(const std::string& why);

    const Options& options_;
    host::RegtestChain& chain_;
    const Keys& keys_;
    sv2::TemplateProvider provider_;

    asio::io_context context_{1};
    asio::ip::tcp::acceptor acceptor_{context_};
    asio::signal_set signals_{context_, SIGINT, SIGTERM};
    asio::steady_timer deadline_{context_};
    asio::steady_timer transactions_{context_};
    asio::steady_timer renewal_{context_};
    std::uint16_t port_ = 0;

    std::map<Id, Client> clients_;
    Id next_id_ = 1;
    // All sockets are read into the same memory: the engine keeps what it has not finished with.
    std::array<std::uint8_t, 64 << 10> received_{};

    std::set<sv2_constraint_key, Less> wanted_;
    std::map<std::uint64_t, std::shared_ptr<const host::Template>> templates_;  // by our name, node_handle
    std::uint64_t next_handle_ = 1;
    std::chrono::steady_clock::time_point lines_since_{};
    unsigned lines_ = 0;
    std::chrono::sys_seconds renewed_{};
    bool failed_ = false;
};

// A line on the terminal, with the time.
void say(std::string_view line) noexcept;
