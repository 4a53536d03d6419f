// Ranges of addresses.
#pragma once

#include <asio/ip/address.hpp>

#include <optional>
#include <string_view>

namespace host {

// Addresses with the same first bits.
struct Subnet {
    asio::ip::address address;
    unsigned bits;

    // "192.0.2.0/24", "2001:db8::1"; nothing if it is neither.
    static std::optional<Subnet> parse(std::string_view text);
    bool contains(const asio::ip::address& other) const;
};

}  // namespace host
