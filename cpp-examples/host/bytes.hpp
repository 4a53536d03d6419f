// Bytes, hashes, hex, and Bitcoin's serialization of integers: what the example programs share.
#pragma once

#include <sv2.h>

#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace host {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;

// 32 bytes in internal byte order, the reverse of what people read.
using Hash = sv2_u256;

inline bool same(const Hash& a, const Hash& b) { return std::memcmp(a.bytes, b.bytes, sizeof a.bytes) == 0; }

inline bool is_zero(const Hash& hash) { return same(hash, Hash{}); }

// Some order, for the keys of maps.
struct HashLess {
    bool operator()(const Hash& a, const Hash& b) const { return std::memcmp(a.bytes, b.bytes, sizeof a.bytes) < 0; }
};

// For calls that fail only if the program or the library is wrong.
inline void must(sv2_status status) {
    if (status != SV2_OK) throw std::logic_error(sv2_status_message(status));
}

inline sv2_bytes view(ByteView bytes) { return {bytes.data(), bytes.size()}; }

inline ByteView span_of(sv2_bytes bytes) { return {bytes.data, bytes.len}; }

inline Hash sha256d(ByteView bytes) {
    Hash hash;
    must(sv2_sha256d(view(bytes), &hash));
    return hash;
}

// Calls `write(out, capacity, &count)` twice, to learn how much room is needed and to fill it; empty if it fails.
template <class T, class Write>
std::optional<std::vector<T>> filled(Write write) {
    std::size_t count = 0;
    if (sv2_status_is_error(write(static_cast<T*>(nullptr), 0, &count))) return std::nullopt;
    std::vector<T> items(count);
    if (write(items.data(), items.size(), &count) != SV2_OK) return std::nullopt;
    return items;
}

inline std::string hex(ByteView bytes) {
    constexpr char digits[] = "0123456789abcdef";
    std::string text;
    text.reserve(2 * bytes.size());
    for (std::uint8_t byte : bytes) {
        text += digits[byte >> 4];
        text += digits[byte & 15];
    }
    return text;
}

inline std::optional<Bytes> from_hex(std::string_view text) {
    const auto digit = [](char c) -> int {
        if (c >= '0' && c <= '9') return c - '0';
        if (c >= 'a' && c <= 'f') return c - 'a' + 10;
        if (c >= 'A' && c <= 'F') return c - 'A' + 10;
        return -1;
    };
    if (text.size() % 2 != 0) return std::nullopt;
    Bytes bytes;
    bytes.reserve(text.size() / 2);
    for (std::size_t i = 0; i < text.size(); i += 2) {
        const int high = digit(text[i]), low = digit(text[i + 1]);
        if (high < 0 || low < 0) return std::nullopt;
        bytes.push_back(static_cast<std::uint8_t>(high << 4 | low));
    }
    return bytes;
}

// A hash as nodes and explorers print it.
inline std::string rpc_hex(const Hash& hash) {
    const Bytes reversed(std::rbegin(hash.bytes), std::rend(hash.bytes));
    return hex(reversed);
}

inline void append(Bytes& to, ByteView bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }

// Little-endian, in `size` bytes.
inline void append_integer(Bytes& to, std::uint64_t value, int size) {
    for (int i = 0; i < size; ++i) to.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

inline std::size_t compact_size_length(std::uint64_t value) {
    return value <= 0xfc ? 1 : value <= 0xffff ? 3 : value <= 0xffffffff ? 5 : 9;
}

inline void append_compact_size(Bytes& to, std::uint64_t value) {
    const std::size_t length = compact_size_length(value);
    if (length > 1) to.push_back(length == 3 ? 0xfd : length == 5 ? 0xfe : 0xff);
    append_integer(to, value, length == 1 ? 1 : static_cast<int>(length) - 1);
}

// A script or witness item: its length, then itself.
inline void append_sized(Bytes& to, ByteView bytes) {
    append_compact_size(to, bytes.size());
    append(to, bytes);
}

}  // namespace host
