// The sockets of an engine that serves many clients: template provider, mining server, the downstream side of a proxy.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <asio.hpp>
#include <sv2.hpp>

#include "address.hpp"
#include "listen.hpp"
#include "log.hpp"
#include "subnet.hpp"

namespace host {

struct EngineServerOptions {
    std::vector<Subnet> exempt{};  // clients from there do not count for their address
    bool log_addresses = false;
    std::string client = "client";  // what one is called in the log
    // How many bytes the system may keep for a client that does not read; 0 is as it likes, which can be megabytes each. What is
    // sent in small pieces needs little; long answers are slower with little.
    int send_buffer = 0;
};

// `Engine` has connect, receive, output, sent and disconnect, all with the connection's number. The program calls `write` for the
// engine's event "writable", and `close` for "close". All happens in the one thread that runs the context.
template <class Engine>
class EngineServer {
public:
    using Id = std::uint64_t;

    // The engine outlives the server. `after_input` is the drain of its EngineLoop.
    EngineServer(asio::io_context& context, Engine& engine, std::function<void()> after_input,
                 EngineServerOptions options = {})
        : context_(context), engine_(engine), after_input_(std::move(after_input)), options_(std::move(options)) {}
    EngineServer(const EngineServer&) = delete;
    EngineServer& operator=(const EngineServer&) = delete;

    // Opens the listening socket; port 0 is any free one. Empty, or a sentence about why it cannot.
    [[nodiscard]] std::string listen(const HostPort& at) {
        std::string error;
        port_ = listen_on(acceptor_, at, error);
        return error;
    }
    std::uint16_t port() const { return port_; }

    // Accepts clients from now on.
    void start() { accept(); }

    // Accepts no more of them; those that are there stay.
    void stop_listening() {
        asio::error_code ignored;
        acceptor_.close(ignored);
        pause_.cancel();
    }

    // Writes once. If more is left the engine says so again, behind what others wait for.
    void write(Id id) {
        const auto found = clients_.find(id);
        if (found == clients_.end() || found->second.waiting_to_write || found->second.broken) return;
        Client& client = found->second;
        const sv2::Bytes out = engine_.output(id);
        if (out.empty()) return;
        asio::error_code error;
        const std::size_t n = client.socket.write_some(asio::buffer(out.data(), out.size()), error);
        if (!error) {
            (void)engine_.sent(id, n, sv2::now());
        } else if (error == asio::error::would_block) {
            client.waiting_to_write = true;
            client.socket.async_wait(tcp::socket::wait_write, [this, id](asio::error_code) {
                const auto again = clients_.find(id);
                if (again == clients_.end()) return;
                again->second.waiting_to_write = false;
                write(id);
                after_input_();
            });
        } else {
            // The client may have sent a block before it went: reading comes to it, and then to the end.
            client.broken = true;
        }
    }

    // What the engine wants to be closed, and why.
    void close(Id id, std::string_view reason) {
        const auto client = clients_.find(id);
        if (client == clients_.end()) return;
        log_of_peers(Level::info, options_.client + " " + std::to_string(id) + " closed: " + std::string{reason});
        asio::error_code ignored;
        if (client->second.waiting_to_write) {
            // What it has not read until now it need not read later: the system forgets it as well.
            client->second.socket.set_option(tcp::socket::linger{true, 0}, ignored);
        } else {
            client->second.socket.shutdown(tcp::socket::shutdown_both, ignored);
        }
        client->second.socket.close(ignored);  // Asio's destructor would let it linger
        clients_.erase(client);
    }

    std::size_t clients() const { return clients_.size(); }

private:
    using tcp = asio::ip::tcp;
    struct Client {
        tcp::socket socket;
        bool waiting_to_write = false;
        bool broken = false;  // it takes no more bytes; what it sent before can still be read
    };

    // As many are accepted before others are looked at again: each costs a handshake later.
    static constexpr int accepts_per_turn = 16;

    void accept() {
        acceptor_.async_wait(tcp::acceptor::wait_read, [this](asio::error_code error) {
            if (error) return;
            for (int left = accepts_per_turn; left > 0 && !error; --left) {
                tcp::socket socket = acceptor_.accept(context_, error);
                if (!error) admit(std::move(socket));
                // This one went before it was its turn.
                if (error == asio::error::connection_aborted) error.clear();
            }
            after_input_();
            if (!error || error == asio::error::would_block) return accept();
            if (!acceptor_.is_open()) return;
            // Out of descriptors, for example: that may pass, and trying again at once would only burn a core.
            log_warning("cannot accept a connection: " + error.message(), Category::net);
            pause_.expires_after(std::chrono::seconds{1});
            pause_.async_wait([this](asio::error_code cancelled) {
                if (!cancelled) accept();
            });
        });
    }

    void admit(tcp::socket socket) {
        asio::error_code ignored;
        socket.non_blocking(true, ignored);
        socket.set_option(tcp::no_delay{true}, ignored);
        if (options_.send_buffer > 0) {
            socket.set_option(asio::socket_base::send_buffer_size{options_.send_buffer}, ignored);
        }
        const asio::ip::address from = socket.remote_endpoint(ignored).address();
        const std::string at = options_.log_addresses ? " from " + from.to_string() : "";
        const Id id = next_id_++;
        if (const sv2::Status status = engine_.connect(id, counted(from), sv2::now()); !status.ok()) {
            log_of_peers(Level::info, "a " + options_.client + at + " is refused: " + engine_.error());
            return;
        }
        clients_.emplace(id, Client{std::move(socket)});
        log_of_peers(Level::info, options_.client + " " + std::to_string(id) + " connected" + at);
        read(id);
    }

    // For whom the client counts; nothing if it is exempt.
    std::optional<sv2_address> counted(const asio::ip::address& from) const {
        const bool is_exempt =
            std::ranges::any_of(options_.exempt, [&](const Subnet& subnet) { return subnet.contains(from); });
        if (is_exempt) return std::nullopt;
        return from.is_v4() ? sv2::address(from.to_v4().to_bytes()) : sv2::address(from.to_v6().to_bytes());
    }

    void read(Id id) {
        const auto found = clients_.find(id);
        if (found == clients_.end()) return;
        found->second.socket.async_wait(tcp::socket::wait_read, [this, id](asio::error_code error) {
            const auto client = clients_.find(id);
            if (client == clients_.end()) return;
            std::size_t n = 0;
            if (!error) n = client->second.socket.read_some(asio::buffer(received_), error);
            if (error && error != asio::error::would_block) {
                engine_.disconnect(id);
                close(id, error == asio::error::eof ? "it closed the connection" : error.message());
            } else {
                // SV2_NOT_FOUND says that the engine has closed the connection: its event is on the way.
                if (n > 0) (void)engine_.receive(id, std::span{received_}.first(n), sv2::now());
                read(id);
            }
            after_input_();
        });
    }

    asio::io_context& context_;
    Engine& engine_;
    const std::function<void()> after_input_;
    const EngineServerOptions options_;

    tcp::acceptor acceptor_{context_};
    asio::steady_timer pause_{context_};
    std::uint16_t port_ = 0;
    std::unordered_map<Id, Client> clients_;
    Id next_id_ = 1;
    // All sockets are read into the same memory: the engine keeps what it has not finished with.
    std::array<std::uint8_t, 64 << 10> received_{};
};

}  // namespace host
