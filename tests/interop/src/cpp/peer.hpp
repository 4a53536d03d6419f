// One end of a connection, made of what sv2.hpp offers to everybody. What the functions do is said in bridge.rs.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "rust/cxx.h"
#include "sv2.hpp"

namespace interop {

struct Demand;
struct Received;
struct Setting;

class Peer {
public:
    Peer(sv2::Connection connection, sv2::Decoder decoder, std::uint64_t unix_s) noexcept
        : connection_{std::move(connection)}, decoder_{std::move(decoder)}, now_{0, unix_s} {}

    std::int32_t receive(rust::Slice<const std::uint8_t> bytes, bool in_place, rust::Vec<Received>& messages);
    std::int32_t send(rust::Slice<const std::uint8_t> frame) noexcept;
    rust::Slice<const std::uint8_t> output() noexcept;
    std::int32_t sent(std::size_t n) noexcept { return connection_.sent(n).code(); }
    bool is_established() const noexcept { return connection_.is_established(); }
    bool is_authenticated() const noexcept { return connection_.is_authenticated(); }
    rust::String error() { return connection_.error(); }

private:
    sv2::Connection connection_;
    sv2::Decoder decoder_;
    sv2_time now_;
};

std::unique_ptr<Peer> initiator(const Demand& demand, Setting setting);
std::unique_ptr<Peer> responder(const std::array<std::uint8_t, 32>& authority_secret, Setting setting);
std::unique_ptr<Peer> plain(bool is_server, Setting setting);
rust::String worker_identity(rust::Slice<const std::uint8_t> trailing, bool negotiated);

}  // namespace interop
