// Messages that no correct program sends: a payload under a type it does not fit.
#pragma once

#include <cstdint>

#include <sv2.hpp>

#include "host/bytes.hpp"

// A message with any header and any payload, which it borrows.
inline sv2_message raw_message(std::uint16_t extension_type, std::uint8_t message_type, host::ByteView payload) {
    constexpr std::uint16_t channel_msg = 0x8000;
    sv2_message message{};
    message.type = SV2_MESSAGE_RAW | std::uint32_t{extension_type & ~std::uint32_t{channel_msg}} << 8 | message_type;
    message.extension_type = extension_type;
    message.payload = host::view(payload);
    return message;
}
