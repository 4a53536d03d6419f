// Addresses as people write them: what a program listens on, and whom it connects to.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <sv2.hpp>

namespace host {

// A name or an IP address, and a port.
struct HostPort {
    std::string host;  // an IPv6 address has no brackets here
    std::uint16_t port = 0;

    // "pool.example:3333", "127.0.0.1:3333", "[::1]:3333"; with `usual_port` the port can be left out. Port 0 is the system's
    // to choose, where that makes sense.
    static std::optional<HostPort> parse(std::string_view text, std::optional<std::uint16_t> usual_port = std::nullopt);
    std::string text() const;
};

// A server to connect to, and by whose authority it must be.
struct ServerAddress {
    HostPort at;
    std::optional<sv2::AuthorityKey> authority;  // none if it was not said

    // "stratum2+tcp://<host>:<port>/<authority key>", the same without the key, or "<host>:<port>".
    static std::optional<ServerAddress> parse(std::string_view text);
    // As a URL; what clients are told.
    std::string url() const;
};

// A whole number in digits, up to `max`.
std::optional<std::uint64_t> whole_number(std::string_view digits, std::uint64_t max);

}  // namespace host
