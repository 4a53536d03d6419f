#include "bitcoin_address.hpp"

#include <algorithm>
#include <array>

namespace host {

namespace {

struct Prefixes {
    AddressNetwork network;
    std::string_view name;         // for people
    std::string_view bech32;       // the human-readable part
    std::uint8_t p2pkh, p2sh;      // the first byte in base58check
};

// In this order: what regtest and the other test networks share in base58 is found under the first.
constexpr std::array<Prefixes, 3> all_prefixes{{
    {AddressNetwork::main, "the main network", "bc", 0x00, 0x05},
    {AddressNetwork::test, "testnet or signet", "tb", 0x6f, 0xc4},
    {AddressNetwork::regtest, "regtest", "bcrt", 0x6f, 0xc4},
}};

const Prefixes& prefixes_of(AddressNetwork network) { return all_prefixes[static_cast<std::size_t>(network)]; }

constexpr std::uint8_t op_1 = 0x51, op_dup = 0x76, op_equal = 0x87, op_equalverify = 0x88, op_hash160 = 0xa9,
                       op_checksig = 0xac;

// ---------------------------------------------------------------------------------------------------- bech32 (BIP 173, 350)

constexpr std::string_view bech32_digits = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
constexpr std::size_t checksum_digits = 6;
constexpr std::size_t most_bech32 = 90;
constexpr std::uint32_t bech32_checksum = 1, bech32m_checksum = 0x2bc830a3;

// The remainder of the digits, 5 bits each, by the code's generator polynomial.
class Polymod {
public:
    void add(std::uint32_t digit) {
        constexpr std::array<std::uint32_t, 5> generator{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3};
        const std::uint32_t top = remainder_ >> 25;
        remainder_ = (remainder_ & 0x1ffffff) << 5 ^ digit;
        for (std::size_t i = 0; i < generator.size(); ++i) {
            if ((top >> i & 1) != 0) remainder_ ^= generator[i];
        }
    }
    std::uint32_t remainder() const { return remainder_; }

private:
    std::uint32_t remainder_ = 1;
};

std::string lower(std::string_view text) {
    std::string lowered{text};
    for (char& c : lowered) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return lowered;
}

bool is_mixed_case(std::string_view text) {
    const bool has_lower = std::ranges::any_of(text, [](char c) { return c >= 'a' && c <= 'z'; });
    const bool has_upper = std::ranges::any_of(text, [](char c) { return c >= 'A' && c <= 'Z'; });
    return has_lower && has_upper;
}

// Digits of 5 bits as bytes; nothing unless what is left over is less than 5 bits, and zero.
std::optional<Bytes> bytes_of_digits(std::span<const std::uint8_t> digits) {
    Bytes bytes;
    std::uint32_t bits = 0;
    unsigned held = 0;
    for (const std::uint8_t digit : digits) {
        bits = (bits << 5 | digit) & 0xfff;
        held += 5;
        if (held >= 8) {
            held -= 8;
            bytes.push_back(static_cast<std::uint8_t>(bits >> held));
        }
    }
    if (held >= 5 || (bits & ((1U << held) - 1)) != 0) return std::nullopt;
    return bytes;
}

// A witness program: version, then 2 to 40 bytes (BIP 141).
std::optional<Bytes> witness_script(std::string_view human, std::string_view data, std::string& error) {
    Polymod polymod;
    for (const char c : human) polymod.add(static_cast<std::uint8_t>(c) >> 5);
    polymod.add(0);
    for (const char c : human) polymod.add(static_cast<std::uint8_t>(c) & 31);
    Bytes digits;
    for (const char c : data) {
        const auto digit = bech32_digits.find(c);
        if (digit == bech32_digits.npos) {
            error = std::string{"there is no '"} + c + "' in an address";
            return std::nullopt;
        }
        digits.push_back(static_cast<std::uint8_t>(digit));
        polymod.add(digits.back());
    }
    if (digits.size() <= checksum_digits) {
        error = "it is too short";
        return std::nullopt;
    }
    digits.resize(digits.size() - checksum_digits);
    const std::uint8_t version = digits.front();
    if (polymod.remainder() != (version == 0 ? bech32_checksum : bech32m_checksum)) {
        error = "it is mistyped: its checksum is wrong";
        return std::nullopt;
    }
    const auto program = bytes_of_digits(std::span{digits}.subspan(1));
    if (version > 16 || !program || program->size() < 2 || program->size() > 40 ||
        (version == 0 && program->size() != 20 && program->size() != 32)) {
        error = "it holds no witness program";
        return std::nullopt;
    }
    Bytes script{version == 0 ? std::uint8_t{0} : static_cast<std::uint8_t>(op_1 + version - 1)};
    append_sized(script, *program);
    return script;
}

// ------------------------------------------------------------------------------------------------------------ base58check

constexpr std::string_view base58_digits = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
constexpr std::size_t payload_len = 21, base58_checksum_len = 4;

// The bytes of base58 text; nothing if it is none. A '1' at the beginning is a zero byte.
std::optional<Bytes> from_base58(std::string_view text) {
    Bytes number;  // its least significant byte first
    for (const char c : text) {
        const auto digit = base58_digits.find(c);
        if (digit == base58_digits.npos) return std::nullopt;
        auto carry = static_cast<std::uint32_t>(digit);
        for (std::uint8_t& byte : number) {
            carry += 58U * byte;
            byte = static_cast<std::uint8_t>(carry);
            carry >>= 8;
        }
        if (carry != 0) number.push_back(static_cast<std::uint8_t>(carry));
    }
    const auto zeros = std::min(text.find_first_not_of('1'), text.size());
    number.insert(number.end(), zeros, 0);
    std::ranges::reverse(number);
    return number;
}

// The first byte and the hash of a base58check address.
std::optional<Bytes> base58_payload(std::string_view address, std::string& error) {
    constexpr std::size_t most = 40;  // longer is no address, and costs time that grows with the square
    auto bytes = address.size() <= most ? from_base58(address) : std::nullopt;
    if (!bytes || bytes->size() != payload_len + base58_checksum_len) {
        error = "it is not an address";
        return std::nullopt;
    }
    const Hash checksum = sha256d(std::span{*bytes}.first(payload_len));
    if (!std::equal(bytes->begin() + payload_len, bytes->end(), checksum.bytes)) {
        error = "it is mistyped: its checksum is wrong";
        return std::nullopt;
    }
    bytes->resize(payload_len);
    return bytes;
}

std::string of_another_network(const Prefixes& is, AddressNetwork wanted) {
    return "it is an address of " + std::string{is.name} + ", not of " + std::string{prefixes_of(wanted).name};
}

std::optional<Bytes> base58_script(std::string_view address, AddressNetwork network, std::string& error) {
    const auto payload = base58_payload(address, error);
    if (!payload) return std::nullopt;
    const std::uint8_t kind = payload->front();
    const ByteView hash = std::span{*payload}.subspan(1);
    const Prefixes& wanted = prefixes_of(network);
    Bytes script;
    if (kind == wanted.p2pkh) {
        script = {op_dup, op_hash160};
        append_sized(script, hash);
        append(script, Bytes{op_equalverify, op_checksig});
    } else if (kind == wanted.p2sh) {
        script = {op_hash160};
        append_sized(script, hash);
        script.push_back(op_equal);
    } else {
        const auto other = std::ranges::find_if(
            all_prefixes, [&](const Prefixes& of) { return of.p2pkh == kind || of.p2sh == kind; });
        error = other == all_prefixes.end() ? "it is not an address of Bitcoin" : of_another_network(*other, network);
        return std::nullopt;
    }
    return script;
}

}  // namespace

std::optional<Bytes> script_of_address(std::string_view address, AddressNetwork network, std::string& error) {
    const auto separator = address.rfind('1');
    if (separator != address.npos && separator > 0 && address.size() <= most_bech32) {
        const std::string lowered = lower(address);
        const std::string_view human = std::string_view{lowered}.substr(0, separator);
        if (const auto is = std::ranges::find(all_prefixes, human, &Prefixes::bech32); is != all_prefixes.end()) {
            if (is_mixed_case(address)) {
                error = "an address is all in small letters or all in capitals";
                return std::nullopt;
            }
            if (is->network != network) {
                error = of_another_network(*is, network);
                return std::nullopt;
            }
            return witness_script(human, std::string_view{lowered}.substr(separator + 1), error);
        }
    }
    return base58_script(address, network, error);
}

}  // namespace host
