#include "upstream.hpp"

#include <span>
#include <utility>

UpstreamSocket::UpstreamSocket(asio::io_context& context, sv2::MiningProxy& engine, std::function<void()> after_input,
                               std::function<void(const std::string&)> failed)
    : engine_(engine), after_input_(std::move(after_input)), failed_(std::move(failed)), socket_(context),
      resolver_(context), timer_(context) {}

void UpstreamSocket::connect(const host::HostPort& to) {
    close();
    to_ = to;
    const std::uint64_t attempt = attempt_;
    timer_.expires_after(connect_timeout);
    timer_.async_wait([this, attempt](asio::error_code cancelled) {
        if (!cancelled && attempt == attempt_) lost("it does not answer");
    });
    const auto resolved = [this, attempt](asio::error_code error, const tcp::resolver::results_type& found) {
        if (attempt != attempt_) return;
        if (error) return lost(error.message());
        asio::async_connect(socket_, found, [this, attempt](asio::error_code refused, const tcp::endpoint&) {
            if (attempt != attempt_) return;
            if (refused) return lost(refused.message());
            connected();
        });
    };
    resolver_.async_resolve(to_.host, std::to_string(to_.port), resolved);
}

void UpstreamSocket::connected() {
    timer_.cancel();
    asio::error_code ignored;
    socket_.non_blocking(true, ignored);
    socket_.set_option(tcp::no_delay{true}, ignored);
    if (const sv2::Status status = engine_.upstream_connected(sv2::now()); !status.ok()) return lost(status.message());
    read();
    after_input_();
}

void UpstreamSocket::write() {
    if (!socket_.is_open() || waiting_to_write_) return;
    const sv2::Bytes out = engine_.upstream_output();
    if (out.empty()) return;
    asio::error_code error;
    const std::size_t n = socket_.write_some(asio::buffer(out.data(), out.size()), error);
    if (!error) {
        (void)engine_.upstream_sent(n, sv2::now());
    } else if (error == asio::error::would_block) {
        waiting_to_write_ = true;
        socket_.async_wait(tcp::socket::wait_write, [this, attempt = attempt_](asio::error_code) {
            if (attempt != attempt_) return;
            waiting_to_write_ = false;
            write();
            after_input_();
        });
    }
    // Any other error is found by reading, which comes to what the upstream has sent before.
}

void UpstreamSocket::read() {
    socket_.async_wait(tcp::socket::wait_read, [this, attempt = attempt_](asio::error_code error) {
        if (attempt != attempt_) return;
        std::size_t n = 0;
        if (!error) n = socket_.read_some(asio::buffer(received_), error);
        if (error && error != asio::error::would_block) {
            return lost(error == asio::error::eof ? "it closed the connection" : error.message());
        }
        if (n > 0) (void)engine_.upstream_receive(std::span{received_}.first(n), sv2::now());
        read();
        after_input_();
    });
}

void UpstreamSocket::close() {
    ++attempt_;
    waiting_to_write_ = false;
    asio::error_code ignored;
    socket_.close(ignored);
    resolver_.cancel();
    timer_.cancel();
}

void UpstreamSocket::lost(const std::string& why) {
    close();
    failed_(why);
    engine_.upstream_disconnected(sv2::now());
    after_input_();
}
