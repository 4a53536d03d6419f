#include "subnet.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string>
#include <vector>

namespace host {
namespace {

std::vector<std::uint8_t> bytes_of(const asio::ip::address& address) {
    const auto copy = [](const auto& bytes) { return std::vector<std::uint8_t>{bytes.begin(), bytes.end()}; };
    return address.is_v4() ? copy(address.to_v4().to_bytes()) : copy(address.to_v6().to_bytes());
}

// An IPv4 client of a socket that listens on IPv6 is an IPv4 client.
asio::ip::address unmapped(const asio::ip::address& address) {
    if (!address.is_v6() || !address.to_v6().is_v4_mapped()) return address;
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
}

}  // namespace

std::optional<Subnet> Subnet::parse(std::string_view text) {
    const auto slash = text.find('/');
    asio::error_code error;
    const auto address = unmapped(asio::ip::make_address(std::string{text.substr(0, slash)}, error));
    if (error) return std::nullopt;
    const unsigned most = address.is_v4() ? 32 : 128;
    unsigned bits = most;
    if (slash != text.npos) {
        const std::string_view digits = text.substr(slash + 1);
        const auto [end, wrong] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
        if (wrong != std::errc{} || end != digits.data() + digits.size() || bits > most) return std::nullopt;
    }
    return Subnet{address, bits};
}

bool Subnet::contains(const asio::ip::address& other) const {
    const auto ours = bytes_of(address), theirs = bytes_of(unmapped(other));
    if (ours.size() != theirs.size()) return false;
    for (unsigned bit = 0; bit < bits; ++bit) {
        const auto mask = static_cast<std::uint8_t>(0x80 >> bit % 8);
        if ((ours[bit / 8] & mask) != (theirs[bit / 8] & mask)) return false;
    }
    return true;
}

}  // namespace host
