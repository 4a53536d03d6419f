// Lesson 3: what is in these bytes? Reads frames in hex and prints every field by name.
//
//     decode_frame 0080 1a 180000 02000000 07000000 09000000 efbeadde 80436d38 00000020
//     tcpdump -x … | … | decode_frame
//
// The frames are plain: what goes over Noise must be decrypted first.

#include <cctype>
#include <cstdio>
#include <iostream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sv2.hpp"

namespace {

constexpr const char* help =
    "usage: decode_frame [<hex>...]\n"
    "\n"
    "Prints the fields of plain Stratum V2 frames, one after the other. Without arguments the hex digits come from\n"
    "standard input. White space does not matter.\n"
    "\n"
    "Exit status: 0 if everything was decoded, 1 if something is malformed or missing, 2 if it is not hex.\n";

std::optional<unsigned> digit(char c) {
    if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
    if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a') + 10;
    if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A') + 10;
    return std::nullopt;
}

std::optional<std::vector<std::uint8_t>> from_hex(std::string_view text) {
    std::vector<std::uint8_t> bytes;
    std::optional<unsigned> high;
    for (const char c : text) {
        if (std::isspace(static_cast<unsigned char>(c))) continue;
        const auto value = digit(c);
        if (!value) return std::nullopt;
        if (high) {
            bytes.push_back(static_cast<std::uint8_t>(*high << 4U | *value));
            high.reset();
        } else {
            high = value;
        }
    }
    if (high) return std::nullopt;
    return bytes;
}

// What follows the fields: a TLV that we know (spec 3.4.3, extension 0x0002), or bytes that a receiver ignores.
void print_trailing(sv2_bytes trailing) {
    if (trailing.len == 0) return;
    std::printf("  and %zu more bytes", trailing.len);
    constexpr std::uint16_t negotiated[] = {SV2_EXTENSION_WORKER_SPECIFIC_HASHRATE_TRACKING};
    if (const auto worker = sv2::find_tlv(trailing, negotiated, sv2_tlv_user_identity())) {
        std::printf(", the TLV user_identity among them: ");
        for (const std::uint8_t c : *worker) std::putchar(std::isprint(c) ? c : '?');  // a peer may send anything
    }
    std::printf("\n");
}

bool print_frames(sv2::Bytes stream) {
    auto decoder = sv2::Decoder::create();
    if (!decoder) {
        std::fprintf(stderr, "%s\n", decoder.status().message());
        return false;
    }
    sv2::Message message;
    bool good = true;
    while (!stream.empty()) {
        const auto frame = sv2::split_frame(stream);
        if (!frame) {  // SV2_NEED_INPUT is the only reason
            std::fprintf(stderr, "the last %zu bytes are not a whole frame\n", stream.size());
            return false;
        }
        stream = stream.subspan(frame->len);

        std::printf("frame of %zu bytes: extension_type 0x%04x, message_type 0x%02x, payload of %zu bytes\n",
                    frame->len, static_cast<unsigned>(frame->extension_type),
                    static_cast<unsigned>(frame->message_type), frame->payload.len);
        if (const auto status = decoder->decode(*frame, message); !status.ok()) {
            std::fprintf(stderr, "%s: %s\n", status.message(), decoder->error());
            good = false;  // where the next frame begins is known all the same
            continue;
        }
        if (const auto text = message.text()) std::printf("%s\n", text->c_str());
        print_trailing(message.trailing);
    }
    return good;
}

}  // namespace

int main(int argc, char** argv) {
    std::string hex;
    for (int i = 1; i < argc; ++i) {
        if (std::string_view(argv[i]) == "--help") {
            std::fputs(help, stdout);
            return 0;
        }
        hex += argv[i];
    }
    if (argc == 1) hex.assign(std::istreambuf_iterator<char>(std::cin), {});
    const auto bytes = from_hex(hex);
    if (!bytes || bytes->empty()) {
        std::fputs("give an even number of hex digits, see --help\n", stderr);
        return 2;
    }
    return print_frames(*bytes) ? 0 : 1;
}
