// The socket of an engine that is a client: it is connected again and again, with pauses that grow.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <asio.hpp>
#include <sv2.hpp>

#include "address.hpp"
#include "log.hpp"

namespace host {

struct EngineClientOptions {
    // Where the server is: the first is preferred, the others are tried when it fails. All must be by the authority that the engine
    // trusts.
    std::vector<HostPort> addresses;
    std::string server = "the server";  // what it is called in the log
    std::chrono::milliseconds connect_timeout{10'000};
    // After all addresses have failed: the first pause, which doubles up to the longest. Each is cut by chance to between half and
    // all of it, so that the clients of a server that was away do not come back at the same moment.
    std::chrono::milliseconds first_pause{500};
    std::chrono::milliseconds longest_pause{60'000};
    // Told each time that a connection could not be made or was lost, and why. May be left out: it is in the log as well.
    std::function<void(const std::string& why)> on_failure = nullptr;
};

// `Engine` has connect, receive, output, sent and disconnected. The program calls `write` for the engine's event "writable", `close`
// for "close", and `works` when the server has proved to be one. All happens in the one thread that runs the context.
template <class Engine>
class EngineClient {
public:
    // The engine outlives the client. `after_input` is the drain of its EngineLoop.
    EngineClient(asio::io_context& context, Engine& engine, std::function<void()> after_input, EngineClientOptions options)
        : engine_(engine), after_input_(std::move(after_input)), options_(std::move(options)), socket_(context),
          resolver_(context), timer_(context), pause_(options_.first_pause) {}
    EngineClient(const EngineClient&) = delete;
    EngineClient& operator=(const EngineClient&) = delete;

    // Connects, and stays connected until `stop`.
    void start() {
        stopped_ = false;
        dial();
    }

    // Closes the connection, and makes no more.
    void stop() {
        stopped_ = true;
        hang_up();
        engine_.disconnected(sv2::now());
    }

    // Elsewhere from now on, as a server's Reconnect asks for: the present connection is closed.
    void move_to(std::vector<HostPort> addresses) {
        options_.addresses = std::move(addresses);
        next_ = 0;
        pause_ = options_.first_pause;
        hang_up();
        engine_.disconnected(sv2::now());
        if (!stopped_) dial();
    }

    // The server is what it should be: the next failure begins with the first address and the shortest pause again.
    void works() {
        pause_ = options_.first_pause;
        next_ = 0;
    }

    // Writes once. If more is left the engine says so again.
    void write() {
        if (!connected_ || waiting_to_write_ || broken_) return;
        const sv2::Bytes out = engine_.output();
        if (out.empty()) return;
        asio::error_code error;
        const std::size_t n = socket_.write_some(asio::buffer(out.data(), out.size()), error);
        if (!error) {
            (void)engine_.sent(n, sv2::now());
        } else if (error == asio::error::would_block) {
            waiting_to_write_ = true;
            socket_.async_wait(tcp::socket::wait_write, [this, attempt = attempt_](asio::error_code) {
                if (attempt != attempt_) return;
                waiting_to_write_ = false;
                write();
                after_input_();
            });
        } else {
            // What the server sent before it went is read to the end.
            broken_ = true;
        }
    }

    // What the engine wants to be closed, and why; whether the next attempt may end otherwise.
    void close(std::string_view reason, bool may_retry = true) {
        if (!connected_) return;
        if (!may_retry) pause_ = options_.longest_pause;
        failed(std::string{reason});
    }

    bool is_connected() const { return connected_; }
    // Where it is connected, or tries to be.
    const HostPort& address() const { return options_.addresses[at_]; }

private:
    using tcp = asio::ip::tcp;

    void dial() {
        at_ = next_;
        next_ = (next_ + 1) % options_.addresses.size();
        const std::uint64_t attempt = ++attempt_;
        timer_.expires_after(options_.connect_timeout);
        timer_.async_wait([this, attempt](asio::error_code cancelled) {
            if (!cancelled && attempt == attempt_ && !connected_) failed("it does not answer");
        });
        resolver_.async_resolve(
            address().host, std::to_string(address().port),
            [this, attempt](asio::error_code error, const tcp::resolver::results_type& found) {
                if (attempt != attempt_) return;
                if (error) return failed(error.message());
                asio::async_connect(socket_, found, [this, attempt](asio::error_code refused, const tcp::endpoint&) {
                    if (attempt != attempt_) return;
                    if (refused) return failed(refused.message());
                    connected();
                });
            });
    }

    void connected() {
        timer_.cancel();
        asio::error_code ignored;
        socket_.non_blocking(true, ignored);
        socket_.set_option(tcp::no_delay{true}, ignored);
        after_input_();  // events of the connection before
        connected_ = true;
        if (const sv2::Status status = engine_.connect(sv2::now()); !status.ok()) return failed(status.message());
        read();
        after_input_();
    }

    void read() {
        socket_.async_wait(tcp::socket::wait_read, [this, attempt = attempt_](asio::error_code error) {
            if (attempt != attempt_) return;
            std::size_t n = 0;
            if (!error) n = socket_.read_some(asio::buffer(received_), error);
            if (error && error != asio::error::would_block) {
                failed(error == asio::error::eof ? "it closed the connection" : error.message());
            } else {
                if (n > 0) (void)engine_.receive(std::span{received_}.first(n), sv2::now());
                read();
            }
            after_input_();
        });
    }

    void hang_up() {
        ++attempt_;
        asio::error_code ignored;
        socket_.close(ignored);
        resolver_.cancel();
        timer_.cancel();
        connected_ = waiting_to_write_ = broken_ = false;
    }

    void failed(const std::string& why) {
        const bool was_connected = connected_;
        hang_up();
        engine_.disconnected(sv2::now());
        const std::string sentence = (was_connected ? "the connection to " : "cannot connect to ") + options_.server + " at " +
                                     address().text() + (was_connected ? " is closed: " : ": ") + why;
        // The next address at once; when all have failed, after a while.
        auto wait = std::chrono::milliseconds{0};
        if (next_ == 0) {
            std::uniform_real_distribution<> part{0.5, 1};
            wait = std::chrono::milliseconds{static_cast<std::int64_t>(static_cast<double>(pause_.count()) * part(chance_))};
            pause_ = std::min(2 * pause_, options_.longest_pause);
        }
        log_warning(sentence, Category::net);
        if (options_.on_failure) options_.on_failure(sentence);
        if (stopped_) return;
        timer_.expires_after(wait);
        timer_.async_wait([this, attempt = attempt_](asio::error_code cancelled) {
            if (!cancelled && attempt == attempt_) dial();
        });
    }

    Engine& engine_;
    const std::function<void()> after_input_;
    EngineClientOptions options_;
    tcp::socket socket_;
    tcp::resolver resolver_;
    asio::steady_timer timer_;  // of the attempt, and of the pause after it
    std::chrono::milliseconds pause_;
    std::minstd_rand chance_{std::random_device{}()};
    std::size_t next_ = 0, at_ = 0;  // addresses
    std::uint64_t attempt_ = 0;      // what belongs to an earlier one finds another number here
    bool connected_ = false, waiting_to_write_ = false, broken_ = false;
    bool stopped_ = true;
    std::array<std::uint8_t, 64 << 10> received_{};
};

}  // namespace host
