// Messages that no correct program sends: a payload under a type it does not fit.
#pragma once

#include <cstdint>

#include <sv2.hpp>

#include "host/bytes.hpp"

// A message with any header and any payload, which it borrows. Of a type that it knows, the library would encode the
// fields; the highest byte of `type`, which is not sent, makes it one that the library does not know.
inline sv2_message raw_message(std::uint16_t extension_type, std::uint8_t message_type, host::ByteView payload) {
    constexpr std::uint32_t unknown = 0x01000000;
    constexpr std::uint16_t channel_msg = 0x8000;
    sv2_message message{};
    message.type = unknown | std::uint32_t{extension_type & ~std::uint32_t{channel_msg}} << 8 | message_type;
    message.extension_type = extension_type;
    message.payload = host::view(payload);
    return message;
}
