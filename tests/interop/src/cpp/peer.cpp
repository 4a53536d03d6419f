#include "sv2-interop/src/cpp/peer.hpp"

#include <algorithm>
#include <bit>
#include <chrono>
#include <concepts>
#include <iterator>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sv2-interop/src/cpp/bridge.rs.h"

namespace interop {
namespace {

// cxx hands what() to Rust.
[[noreturn]] void fail(sv2::Status status) { throw std::runtime_error{status.name()}; }

template <class T>
T value(sv2::Result<T> result) {
    if (!result) {
        fail(result.status());
    }
    return *std::move(result);
}

// How a field's value is shown to Rust: by its C type, as Field in bridge.rs says.

std::string show(std::unsigned_integral auto number) { return std::to_string(number); }

std::string show(float rate) { return show(std::bit_cast<std::uint32_t>(rate)); }

std::string show(const sv2_u256& number) { return sv2::to_string(number); }

std::string show_hex(std::span<const std::uint8_t> bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string hex;
    hex.reserve(2 * bytes.size());
    for (const std::uint8_t byte : bytes) {
        hex.push_back(digits[byte >> 4U]);
        hex.push_back(digits[byte & 15U]);
    }
    return hex;
}

std::string show(sv2_bytes bytes) { return show_hex(sv2::view(bytes)); }

std::string show(sv2_str str) {
    const std::string_view text = sv2::text(str);
    return show_hex({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

std::string show(sv2_option_u32 number) {
    const auto option = sv2::option(number);
    return option ? show(*option) : "-";
}

template <class List>
requires requires(List of) { sv2::list(of); }
std::string show(List of) {
    std::string items;
    for (const auto& item : sv2::list(of)) {
        items += items.empty() ? "[" : ", ";
        items += show(item);
    }
    return items.empty() ? "[]" : items + "]";
}

rust::Vec<std::uint8_t> copy(sv2::Bytes bytes) {
    rust::Vec<std::uint8_t> copy;
    copy.reserve(bytes.size());
    std::ranges::copy(bytes, std::back_inserter(copy));
    return copy;
}

rust::String string(std::string_view text) { return {text.data(), text.size()}; }

// Everything there is to know of a message while it lasts.
Received read(const sv2::Message& message) {
    Received received{};
    received.message_type = message.type;
    received.name = string(message.name());
    received.text = value(message.text());
    received.trailing = copy(sv2::view(message.trailing));
    received.frame = copy(sv2::visit(message, [&]<class M>(const M& fields) {
        if constexpr (sv2::message_struct<M>) {
            sv2::for_each_field(fields, [&](std::string_view name, const auto& field) {
                received.fields.push_back({string(name), show(field)});
            });
            return value(sv2::encode(fields, message.trailing));
        } else {
            return value(sv2::encode(message));
        }
    }));
    return received;
}

sv2_limits limits(Setting setting) {
    constexpr std::size_t most = (1U << 24U) - 1;
    sv2_limits limits = SV2_LIMITS_INIT;
    if (setting.any_payload) {
        limits.max_payload_setup = most;
        limits.max_payload_mining = most;
        limits.max_payload_declaration_client = most;
        limits.max_payload_declaration_server = most;
        limits.max_payload_template_client = most;
        limits.max_payload_template_server = most;
    }
    return limits;
}

std::unique_ptr<Peer> peer(sv2::Result<sv2::Connection> connection, Setting setting) {
    return std::make_unique<Peer>(value(std::move(connection)), value(sv2::Decoder::create()), setting.unix_s);
}

}  // namespace

std::unique_ptr<Peer> initiator(const Demand& demand, Setting setting) {
    sv2::InitiatorOptions options;
    if (!demand.authority_key.empty()) {
        auto& key = options.authority_key.emplace().key.bytes;
        if (demand.authority_key.size() != key.size()) {
            fail(SV2_ERROR_KEY);
        }
        std::ranges::copy(demand.authority_key, key.begin());
    }
    options.allow_unauthenticated = demand.allow_unauthenticated;
    options.no_clock = demand.no_clock;
    options.limits = limits(setting);
    return peer(sv2::Connection::initiator(options), setting);
}

std::unique_ptr<Peer> responder(const std::array<std::uint8_t, 32>& authority_secret, Setting setting) {
    const auto authority = value(sv2::SecretKey::from_bytes(authority_secret));
    const auto key = value(sv2::SecretKey::generate());
    const std::chrono::sys_seconds now{std::chrono::seconds{setting.unix_s}};
    const auto certificate =
        value(sv2::sign_certificate(authority, value(key.public_key()), now, now + std::chrono::hours{1}));
    const auto identity = value(sv2::Identity::create(key, certificate));
    sv2::ResponderOptions options;
    options.limits = limits(setting);
    return peer(sv2::Connection::responder(identity, options), setting);
}

std::unique_ptr<Peer> plain(bool is_server, Setting setting) {
    return peer(sv2::Connection::plain({.is_server = is_server, .limits = limits(setting)}), setting);
}

std::int32_t Peer::receive(rust::Slice<const std::uint8_t> bytes, bool in_place, rust::Vec<Received>& messages) {
    std::vector<std::uint8_t> memory;
    std::span<std::uint8_t> unread;
    if (in_place) {
        memory.assign(bytes.begin(), bytes.end());
        unread = memory;
    } else {
        std::ranges::copy(bytes, connection_.room(bytes.size()).begin());
        if (const sv2::Status status = connection_.received(bytes.size(), now_); !status.ok()) {
            return status.code();
        }
    }
    for (;;) {
        sv2::Message message;
        const sv2::Status status = in_place ? connection_.next_from(unread, now_, message) : connection_.next(message);
        if (!status.ok()) {
            return status.code();
        }
        messages.push_back(read(message));
    }
}

std::int32_t Peer::send(rust::Slice<const std::uint8_t> of) noexcept {
    const std::span bytes{of.data(), of.size()};
    const auto frame = sv2::split_frame(bytes);
    if (!frame) {
        return frame.status().code();
    }
    sv2::Message message;
    if (const sv2::Status status = decoder_.decode(*frame, message); !status.ok()) {
        return status.code();
    }
    const sv2::Status status = sv2::visit(message, [&]<class M>(const M& fields) {
        if constexpr (sv2::message_struct<M>) {
            return connection_.send(fields, message.trailing);
        } else {
            return connection_.send(message);
        }
    });
    return status.code();
}

rust::Slice<const std::uint8_t> Peer::output() noexcept {
    const sv2::Bytes output = connection_.output();
    return {output.data(), output.size()};
}

rust::String worker_identity(rust::Slice<const std::uint8_t> trailing, bool negotiated) {
    constexpr std::array<std::uint16_t, 1> extension{SV2_EXTENSION_WORKER_SPECIFIC_HASHRATE_TRACKING};
    const std::span<const std::uint16_t> extensions{extension.data(), negotiated ? extension.size() : 0};
    const std::span<const std::uint8_t> bytes{trailing.data(), trailing.size()};
    const auto identity = value(sv2::find_tlv(sv2::bytes(bytes), extensions, sv2_tlv_user_identity()));
    return string({reinterpret_cast<const char*>(identity.data()), identity.size()});
}

}  // namespace interop
