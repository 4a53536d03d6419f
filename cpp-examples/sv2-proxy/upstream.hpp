// The socket to the upstream: where to connect and when, the engine says.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>

#include <asio.hpp>
#include <sv2.hpp>

#include "host/address.hpp"

class UpstreamSocket {
public:
    // The engine outlives the socket. `after_input` is the drain of its loop; `failed` is told why there is no connection.
    UpstreamSocket(asio::io_context& context, sv2::MiningProxy& engine, std::function<void()> after_input,
                   std::function<void(const std::string&)> failed);

    // Connects, and tells the engine whether that worked.
    void connect(const host::HostPort& to);

    // Writes once. If more is left the engine says so again.
    void write();

    // The engine has forgotten the connection.
    void close();

    const host::HostPort& address() const { return to_; }

private:
    using tcp = asio::ip::tcp;
    static constexpr std::chrono::seconds connect_timeout{10};

    void connected();
    void read();
    void lost(const std::string& why);

    sv2::MiningProxy& engine_;
    const std::function<void()> after_input_;
    const std::function<void(const std::string&)> failed_;
    tcp::socket socket_;
    tcp::resolver resolver_;
    asio::steady_timer timer_;
    host::HostPort to_;
    std::uint64_t attempt_ = 0;  // what belongs to an earlier one finds another number here
    bool waiting_to_write_ = false;
    std::array<std::uint8_t, 64 << 10> received_{};
};
