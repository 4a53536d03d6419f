#include "address.hpp"

#include <charconv>
#include <limits>
#include <system_error>

namespace host {
namespace {

constexpr std::string_view scheme = "stratum2+tcp://";

}  // namespace

std::optional<std::uint64_t> whole_number(std::string_view digits, std::uint64_t max) {
    std::uint64_t value{};
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (digits.empty() || error != std::errc{} || end != digits.data() + digits.size() || value > max) return std::nullopt;
    return value;
}

std::optional<HostPort> HostPort::parse(std::string_view text, std::optional<std::uint16_t> usual_port) {
    std::string_view name = text, rest;
    if (text.starts_with('[')) {
        const auto end = text.find(']');
        if (end == text.npos) return std::nullopt;
        name = text.substr(1, end - 1);
        rest = text.substr(end + 1);
        if (name.find(':') == name.npos) return std::nullopt;
    } else if (const auto colon = text.find(':'); colon != text.npos) {
        name = text.substr(0, colon);
        rest = text.substr(colon);
    }
    if (name.empty() || name.find_first_of(" \t/@") != name.npos) return std::nullopt;
    if (rest.empty()) {
        if (!usual_port) return std::nullopt;
        return HostPort{std::string{name}, *usual_port};
    }
    if (rest.front() != ':') return std::nullopt;
    const auto port = whole_number(rest.substr(1), std::numeric_limits<std::uint16_t>::max());
    if (!port) return std::nullopt;
    return HostPort{std::string{name}, static_cast<std::uint16_t>(*port)};
}

std::string HostPort::text() const {
    const bool is_v6 = host.find(':') != host.npos;
    return (is_v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::optional<ServerAddress> ServerAddress::parse(std::string_view text) {
    if (text.starts_with(scheme)) {
        const auto url = sv2::Url::parse(text);
        if (!url) return std::nullopt;
        return ServerAddress{{url->host, url->port}, url->authority_key};
    }
    const auto at = HostPort::parse(text);
    if (!at || at->port == 0) return std::nullopt;
    return ServerAddress{*at, std::nullopt};
}

std::string ServerAddress::url() const {
    std::string url = std::string{scheme} + at.text();
    if (const auto key = authority ? authority->to_text() : sv2::Status{SV2_NOT_FOUND}; key) url += "/" + *key;
    return url;
}

}  // namespace host
