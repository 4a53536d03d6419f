// libsv2 for C++20: owners, views and typed messages over sv2.h. Header-only; needs neither exceptions nor RTTI.
//
// What the functions do is said in sv2.h; this header says what C++ adds:
//
// - Objects are owned: they are made by a static function, moved, never copied, and freed by their destructors. Using
//   one that was moved from gives SV2_ERROR_NULL.
// - What can fail returns a Status or a Result, which must be looked at. Nothing here throws, but what makes a
//   std::string or a std::vector fails as those do.
// - Views (std::span, const char*) are given by lvalues only, and made of lvalues and views only, so that none points
//   into a temporary. A Message is filled by the connection it borrows from and cannot be copied away; how long its
//   contents live is said in sv2.h.

#ifndef SV2_HPP
#define SV2_HPP

#if __cplusplus < 202002L && !(defined(_MSVC_LANG) && _MSVC_LANG >= 202002L)
#error "sv2.hpp needs C++20; sv2.h is for everything older"
#endif

#include <algorithm>
#include <array>
#include <cassert>
#include <chrono>
#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "sv2.h"
#include "sv2_messages.hpp"

/// Keys are ordered, so that a program can have a map of them.
[[nodiscard]] constexpr bool operator==(const sv2_constraint_key& a, const sv2_constraint_key& b) noexcept {
    return a.reserved_weight == b.reserved_weight && a.sigops == b.sigops;
}
[[nodiscard]] constexpr std::strong_ordering operator<=>(const sv2_constraint_key& a,
                                                         const sv2_constraint_key& b) noexcept {
    const auto by_weight = a.reserved_weight <=> b.reserved_weight;
    return by_weight != 0 ? by_weight : a.sigops <=> b.sigops;
}

/// Lets clang warn about a view that outlives what it was made of.
#if defined(__clang__)
#define SV2_LIFETIMEBOUND [[clang::lifetimebound]]
#else
#define SV2_LIFETIMEBOUND
#endif

namespace sv2 {

// ------------------------------------------------------------------------------------------------------------ outcomes

/// What a call returned: 0 is success, positive is an ordinary outcome to act on, negative is an error.
class [[nodiscard]] Status {
public:
    constexpr Status(sv2_status code = SV2_OK) noexcept : code_{code} {}

    [[nodiscard]] constexpr sv2_status code() const noexcept { return code_; }
    [[nodiscard]] constexpr bool ok() const noexcept { return code_ == SV2_OK; }
    [[nodiscard]] constexpr bool is_error() const noexcept { return code_ < 0; }
    [[nodiscard]] bool is_caller_fault() const noexcept { return sv2_status_is_caller_fault(code_); }
    [[nodiscard]] bool is_peer_fault() const noexcept { return sv2_status_is_peer_fault(code_); }
    [[nodiscard]] bool is_internal() const noexcept { return sv2_status_is_internal(code_); }

    /// Such as "SV2_NEED_INPUT".
    [[nodiscard]] const char* name() const noexcept { return sv2_status_name(code_); }
    /// A sentence.
    [[nodiscard]] const char* message() const noexcept { return sv2_status_message(code_); }

    friend constexpr bool operator==(Status, Status) noexcept = default;

private:
    sv2_status code_;
};

/// A value, or the status that says why there is none. Look before you take the value.
template <class T>
class [[nodiscard]] Result {
    static_assert(!std::same_as<T, sv2_status> && !std::same_as<T, Status>, "return a Status");

public:
    template <std::same_as<T> U>
    constexpr Result(U value) noexcept(std::is_nothrow_move_constructible_v<T>) : value_{std::move(value)} {}
    constexpr Result(Status status) noexcept : status_{status} { assert(!status.ok()); }

    [[nodiscard]] constexpr bool ok() const noexcept { return value_.has_value(); }
    [[nodiscard]] constexpr explicit operator bool() const noexcept { return ok(); }
    /// SV2_OK if there is a value.
    constexpr Status status() const noexcept { return status_; }

    [[nodiscard]] constexpr T& operator*() & noexcept SV2_LIFETIMEBOUND { return assert(ok()), *value_; }
    [[nodiscard]] constexpr const T& operator*() const& noexcept SV2_LIFETIMEBOUND { return assert(ok()), *value_; }
    /// Out of a temporary the value is moved, so that nothing refers to it.
    [[nodiscard]] constexpr T operator*() && { return assert(ok()), *std::move(value_); }
    [[nodiscard]] constexpr T* operator->() & noexcept SV2_LIFETIMEBOUND { return assert(ok()), &*value_; }
    [[nodiscard]] constexpr const T* operator->() const& noexcept SV2_LIFETIMEBOUND { return assert(ok()), &*value_; }
    void operator->() const&& = delete;

private:
    std::optional<T> value_;
    Status status_;
};
template <class T>
Result(T) -> Result<T>;

// --------------------------------------------------------------------------------------------------------------- views

/// Bytes that somebody else owns.
using Bytes = std::span<const std::uint8_t>;

/// A contiguous array of `T` that is a view or an lvalue: what it shows lives longer than the expression.
template <class R, class T>
concept borrowed_array = std::ranges::contiguous_range<R> && std::ranges::sized_range<R> &&
    std::ranges::borrowed_range<R> && std::same_as<std::ranges::range_value_t<R>, T>;

[[nodiscard]] constexpr Bytes view(sv2_bytes bytes) noexcept {
    return bytes.data ? Bytes{bytes.data, bytes.len} : Bytes{};
}

[[nodiscard]] constexpr std::string_view text(sv2_str str) noexcept {
    return str.data ? std::string_view{str.data, str.len} : std::string_view{};
}

[[nodiscard]] constexpr std::span<const std::uint16_t> list(sv2_u16_list of) noexcept { return {of.items, of.count}; }
[[nodiscard]] constexpr std::span<const std::uint32_t> list(sv2_u32_list of) noexcept { return {of.items, of.count}; }
[[nodiscard]] constexpr std::span<const sv2_u256> list(sv2_u256_list of) noexcept { return {of.items, of.count}; }
[[nodiscard]] constexpr std::span<const sv2_bytes> list(sv2_bytes_list of) noexcept { return {of.items, of.count}; }

[[nodiscard]] constexpr std::optional<std::uint32_t> option(sv2_option_u32 of) noexcept {
    return of.present ? std::optional{of.value} : std::nullopt;
}

/// Bytes to be sent: they are needed until the call they are handed to returns.
template <class R>
requires borrowed_array<R, std::uint8_t>
[[nodiscard]] constexpr sv2_bytes bytes(R&& of SV2_LIFETIMEBOUND) noexcept {
    return {std::ranges::data(of), std::ranges::size(of)};
}

template <class R>
requires borrowed_array<R, std::byte>
[[nodiscard]] inline sv2_bytes bytes(R&& of SV2_LIFETIMEBOUND) noexcept {
    return {reinterpret_cast<const std::uint8_t*>(std::ranges::data(of)), std::ranges::size(of)};
}

/// A hash or number out of its 32 bytes, in the order in which they are sent: for hashes that of Bitcoin, the reverse
/// of what people read. `of` may be a node's own type of hash.
template <std::ranges::contiguous_range R>
requires std::ranges::sized_range<R> && std::same_as<std::ranges::range_value_t<R>, std::uint8_t>
[[nodiscard]] constexpr sv2_u256 u256(const R& of) noexcept {
    sv2_u256 number{};
    assert(std::ranges::size(of) == std::size(number.bytes));
    std::copy_n(std::ranges::data(of), std::min<std::size_t>(std::ranges::size(of), std::size(number.bytes)),
                number.bytes);
    return number;
}

/// Where somebody connected from, in network byte order: 4 bytes of IPv4 or 16 of IPv6. Of anything else nothing, as
/// TemplateProvider::connect wants it.
[[nodiscard]] constexpr std::optional<sv2_address> address(Bytes bytes) noexcept {
    if (bytes.size() != 4 && bytes.size() != 16) return std::nullopt;
    sv2_address address{};
    address.len = static_cast<std::uint8_t>(bytes.size());
    std::ranges::copy(bytes, address.bytes);
    return address;
}

/// A string to be sent.
[[nodiscard]] constexpr sv2_str str(std::string_view of SV2_LIFETIMEBOUND) noexcept { return {of.data(), of.size()}; }
template <std::same_as<std::string> Temporary>
sv2_str str(Temporary&&) = delete;

/// Lists to be sent.
template <class R>
requires borrowed_array<R, std::uint16_t>
[[nodiscard]] constexpr sv2_u16_list list(R&& of SV2_LIFETIMEBOUND) noexcept {
    return {std::ranges::data(of), std::ranges::size(of)};
}

template <class R>
requires borrowed_array<R, std::uint32_t>
[[nodiscard]] constexpr sv2_u32_list list(R&& of SV2_LIFETIMEBOUND) noexcept {
    return {std::ranges::data(of), std::ranges::size(of)};
}

template <class R>
requires borrowed_array<R, sv2_u256>
[[nodiscard]] constexpr sv2_u256_list list(R&& of SV2_LIFETIMEBOUND) noexcept {
    return {std::ranges::data(of), std::ranges::size(of)};
}

template <class R>
requires borrowed_array<R, sv2_bytes>
[[nodiscard]] constexpr sv2_bytes_list list(R&& of SV2_LIFETIMEBOUND) noexcept {
    return {std::ranges::data(of), std::ranges::size(of)};
}

[[nodiscard]] constexpr sv2_option_u32 option(std::optional<std::uint32_t> of) noexcept {
    return {static_cast<std::uint8_t>(of.has_value()), of.value_or(0)};
}

/// A number or hash as it is written: hex, most significant digit first.
[[nodiscard]] inline std::string to_string(const sv2_u256& number) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    text.reserve(2 * sizeof number.bytes);
    for (std::size_t i = sizeof number.bytes; i-- > 0;) {
        text.push_back(digits[number.bytes[i] >> 4U]);
        text.push_back(digits[number.bytes[i] & 15U]);
    }
    return text;
}

// ---------------------------------------------------------------------------------------------------------------- time

/// The two clocks of the program, at one moment.
[[nodiscard]] inline sv2_time to_time(std::chrono::steady_clock::time_point monotonic,
                                      std::chrono::system_clock::time_point system) noexcept {
    using namespace std::chrono;
    return {static_cast<std::uint64_t>(duration_cast<milliseconds>(monotonic.time_since_epoch()).count()),
            static_cast<std::uint64_t>(duration_cast<seconds>(system.time_since_epoch()).count())};
}

/// A deadline as the library gives it, in milliseconds, as a moment of the clock of `now()`; none for "no need". One
/// that is further away than the clock reaches becomes the last moment it has.
[[nodiscard]] inline std::optional<std::chrono::steady_clock::time_point> to_deadline(
    std::uint64_t monotonic_ms) noexcept {
    using namespace std::chrono;
    if (monotonic_ms == UINT64_MAX) {
        return std::nullopt;
    }
    constexpr auto last = duration_cast<milliseconds>(steady_clock::time_point::max().time_since_epoch());
    const auto limited = std::min<std::uint64_t>(monotonic_ms, static_cast<std::uint64_t>(last.count()));
    return steady_clock::time_point{milliseconds{limited}};
}

/// The time, read from the standard library's clocks.
[[nodiscard]] inline sv2_time now() noexcept {
    return to_time(std::chrono::steady_clock::now(), std::chrono::system_clock::now());
}

// ------------------------------------------------------------------------------------------------------------ messages

/// One of the message structs of sv2.h.
template <class M>
concept message_struct = requires {
    message_traits<M>::type;
};

/// Several functions as one, for `visit`.
template <class... F>
struct overloaded : F... {
    using F::operator()...;
};
template <class... F>
overloaded(F...) -> overloaded<F...>;

/// The fields of `message` if it is an `M`, nullptr if it is another message.
template <message_struct M>
[[nodiscard]] const M* get_if(const sv2_message& message SV2_LIFETIMEBOUND) noexcept {
    return message.type == message_traits<M>::type ? &message_traits<M>::of(message) : nullptr;
}
template <message_struct M>
const M* get_if(const sv2_message&&) = delete;

/// A message type's name in the specification, such as "SetupConnection.Success"; empty if it is not known.
[[nodiscard]] inline std::string_view message_name(std::uint32_t type) noexcept {
    sv2_message message;
    message.type = type;
    return visit(message, []<class M>(const M&) -> std::string_view {
        if constexpr (message_struct<M>) {
            return message_traits<M>::name;
        } else {
            return {};
        }
    });
}

/// The message as text, one field a line. An error if it could not be encoded either.
[[nodiscard]] inline Result<std::string> to_text(const sv2_message& message) {
    std::size_t len = 0;
    Status status = sv2_message_text(&message, nullptr, 0, &len);
    if (status != SV2_BUFFER_TOO_SMALL) {
        return status;
    }
    std::string text(len, '\0');
    status = sv2_message_text(&message, text.data(), len + 1, &len);  // data()[size()] is a NUL already
    return status.ok() ? Result{std::move(text)} : status;
}

/// `fields` as a message to be sent, with TLVs behind them. It borrows what `fields` points to.
template <message_struct M>
[[nodiscard]] sv2_message message_of(const M& fields, sv2_bytes trailing = {nullptr, 0}) noexcept {
    sv2_message message;
    message.type = message_traits<M>::type;
    message.extension_type = 0;
    message.reserved = 0;
    message.payload = {nullptr, 0};
    message.trailing = trailing;
    std::construct_at(&message_traits<M>::of(message), fields);
    return message;
}

/// The message that a connection or decoder gave last. It borrows: sv2.h says for how long. Copy what is to be kept.
class Message : public sv2_message {
public:
    /// No message yet.
    Message() noexcept : sv2_message{} { type = UINT32_MAX; }
    Message(const Message&) = delete;
    Message& operator=(const Message&) = delete;

    /// The fields if it is an `M`, nullptr if it is another message.
    template <message_struct M>
    [[nodiscard]] const M* get_if() const& noexcept SV2_LIFETIMEBOUND {
        return sv2::get_if<M>(static_cast<const sv2_message&>(*this));
    }
    template <message_struct M>
    const M* get_if() const&& = delete;

    /// Its name in the specification; empty if this library does not know it.
    [[nodiscard]] std::string_view name() const noexcept { return message_name(type); }

    /// As text, one field a line.
    [[nodiscard]] Result<std::string> text() const { return to_text(*this); }
};

/// Writes a whole frame into `out` and says how long it is. SV2_BUFFER_TOO_SMALL if it does not fit: see `encoded_len`.
[[nodiscard]] inline Result<std::size_t> encode(const sv2_message& message, std::span<std::uint8_t> out) noexcept {
    std::size_t len = 0;
    const Status status = sv2_message_encode(&message, out.data(), out.size(), &len);
    return status.ok() ? Result{len} : status;
}

/// How long the frame of a message is.
[[nodiscard]] inline Result<std::size_t> encoded_len(const sv2_message& message) noexcept {
    std::size_t len = 0;
    const Status status = sv2_message_encode(&message, nullptr, 0, &len);
    return status == SV2_BUFFER_TOO_SMALL ? Result{len} : status;
}

/// A message as a whole frame.
[[nodiscard]] inline Result<std::vector<std::uint8_t>> encode(const sv2_message& message) {
    const auto len = encoded_len(message);
    if (!len) {
        return len.status();
    }
    std::vector<std::uint8_t> frame(*len);
    const auto written = encode(message, frame);
    return written ? Result{std::move(frame)} : written.status();
}

template <message_struct M>
[[nodiscard]] Result<std::vector<std::uint8_t>> encode(const M& fields, sv2_bytes trailing = {nullptr, 0}) {
    return encode(message_of(fields, trailing));
}

/// The frame at the front of `stream`; SV2_NEED_INPUT while bytes are missing. It borrows from the stream.
template <class R>
requires borrowed_array<R, std::uint8_t>
[[nodiscard]] Result<sv2_frame> split_frame(R&& stream SV2_LIFETIMEBOUND) noexcept {
    sv2_frame frame;
    const Status status = sv2_frame_split(bytes(stream), &frame);
    return status.ok() ? Result{frame} : status;
}

/// The TLV of `kind` among the `trailing` bytes of a message; SV2_NOT_FOUND if there is none. It borrows from them.
[[nodiscard]] inline Result<Bytes> find_tlv(sv2_bytes trailing, std::span<const std::uint16_t> negotiated,
                                            sv2_tlv_kind kind) noexcept {
    sv2_bytes value;
    const Status status = sv2_tlv_find(trailing, negotiated.data(), negotiated.size(), kind, &value);
    return status.ok() ? Result{view(value)} : status;
}

/// In which order the bytes of a TLV's header are written.
enum class TlvOrder : std::uint8_t {
    /// As deployed software does.
    little_endian,
    /// As in the specification's example.
    big_endian,
};

/// A TLV, to be sent behind the fields of a message.
[[nodiscard]] inline Result<std::vector<std::uint8_t>> make_tlv(sv2_tlv_kind kind, Bytes value,
                                                                TlvOrder order = TlvOrder::little_endian) {
    const auto big_endian = static_cast<std::uint8_t>(order);
    std::size_t len = 0;
    Status status = sv2_tlv_write(kind, bytes(value), big_endian, nullptr, 0, &len);
    if (status != SV2_BUFFER_TOO_SMALL) {
        return status;
    }
    std::vector<std::uint8_t> tlv(len);
    status = sv2_tlv_write(kind, bytes(value), big_endian, tlv.data(), tlv.size(), &len);
    return status.ok() ? Result{std::move(tlv)} : status;
}

// ---------------------------------------------------------------------------------------------------------------- keys

/// A public key: of a server, or of an authority that is not named to anybody.
struct PublicKey {
    std::array<std::uint8_t, SV2_PUBLIC_KEY_LEN> bytes{};

    friend bool operator==(const PublicKey&, const PublicKey&) noexcept = default;
};

/// A secret key: of an authority, or the static key of a server. It is overwritten when it dies.
class SecretKey {
public:
    /// `random` nullptr is the operating system's.
    [[nodiscard]] static Result<SecretKey> generate(const sv2_random* random = nullptr) noexcept {
        SecretKey key;
        const Status status = sv2_secret_key_generate(random, key.bytes_.data());
        return status.ok() ? Result{std::move(key)} : status;
    }

    /// SV2_ERROR_KEY if the bytes, a big-endian number, are out of range.
    [[nodiscard]] static Result<SecretKey> from_bytes(
        std::span<const std::uint8_t, SV2_SECRET_KEY_LEN> bytes) noexcept {
        PublicKey unused;
        const Status status = sv2_public_key_from_secret(bytes.data(), unused.bytes.data());
        if (!status.ok()) {
            return status;
        }
        SecretKey key;
        std::ranges::copy(bytes, key.bytes_.begin());
        return key;
    }

    SecretKey(SecretKey&& other) noexcept : bytes_{other.bytes_} { other.wipe(); }
    SecretKey& operator=(SecretKey&& other) noexcept {
        if (this != &other) {
            bytes_ = other.bytes_;
            other.wipe();
        }
        return *this;
    }
    ~SecretKey() { wipe(); }

    [[nodiscard]] Result<PublicKey> public_key() const noexcept {
        PublicKey key;
        const Status status = sv2_public_key_from_secret(bytes_.data(), key.bytes.data());
        return status.ok() ? Result{key} : status;
    }

    /// The secret itself, to be stored in a safe place.
    [[nodiscard]] std::span<const std::uint8_t, SV2_SECRET_KEY_LEN> secret_bytes() const& noexcept SV2_LIFETIMEBOUND {
        return bytes_;
    }
    void secret_bytes() const&& = delete;

private:
    SecretKey() noexcept = default;
    void wipe() noexcept { sv2_wipe(bytes_.data(), bytes_.size()); }

    std::array<std::uint8_t, SV2_SECRET_KEY_LEN> bytes_{};
};

/// An authority's public key: what a client must know of a server before it connects (spec 4.7).
struct AuthorityKey {
    PublicKey key;

    /// The authority that has this secret.
    [[nodiscard]] static Result<AuthorityKey> of(const SecretKey& secret) noexcept {
        const auto key = secret.public_key();
        return key ? Result{AuthorityKey{*key}} : key.status();
    }

    /// Reads base58check text; SV2_ERROR_KEY if it is not a key: mistyped, cut or something else.
    [[nodiscard]] static Result<AuthorityKey> parse(std::string_view text) noexcept {
        AuthorityKey parsed;
        const Status status = sv2_authority_key_from_text(str(text), parsed.key.bytes.data());
        return status.ok() ? Result{parsed} : status;
    }

    /// Base58check; SV2_ERROR_KEY if the bytes are not a public key.
    [[nodiscard]] Result<std::string> to_text() const {
        std::array<char, 64> text;
        std::size_t len = 0;
        const Status status = sv2_authority_key_to_text(key.bytes.data(), text.data(), text.size(), &len);
        return status.ok() ? Result{std::string{text.data(), len}} : status;
    }

    friend bool operator==(const AuthorityKey&, const AuthorityKey&) noexcept = default;
};

/// `stratum2+tcp://host:port/authority-key` (spec 4.7).
struct Url {
    /// A name, an IPv4 address, or an IPv6 address without brackets.
    std::string host;
    /// Not 0.
    std::uint16_t port = 0;
    std::optional<AuthorityKey> authority_key;

    /// SV2_ERROR_KEY if it is not such a URL.
    [[nodiscard]] static Result<Url> parse(std::string_view text) {
        sv2_url url;
        const Status status = sv2_url_parse(str(text), &url);
        if (!status.ok()) {
            return status;
        }
        Url parsed{std::string{sv2::text(url.host)}, url.port, std::nullopt};
        if (url.has_authority_key) {
            std::ranges::copy(url.authority_key, parsed.authority_key.emplace().key.bytes.begin());
        }
        return parsed;
    }
};

/// Signs a certificate for a server's static key, valid from the first to the second moment, both included.
[[nodiscard]] inline Result<sv2_certificate> sign_certificate(const SecretKey& authority, const PublicKey& server,
                                                              std::chrono::sys_seconds valid_from,
                                                              std::chrono::sys_seconds not_valid_after,
                                                              const sv2_random* random = nullptr) noexcept {
    const auto from = valid_from.time_since_epoch().count();
    const auto until = not_valid_after.time_since_epoch().count();
    if (!std::in_range<std::uint32_t>(from) || !std::in_range<std::uint32_t>(until)) {
        return Status{SV2_ERROR_ARGUMENT};  // a certificate has 32 bits for them: until the year 2106
    }
    sv2_certificate certificate;
    const Status status =
        sv2_certificate_sign(authority.secret_bytes().data(), server.bytes.data(), static_cast<std::uint32_t>(from),
                             static_cast<std::uint32_t>(until), random, &certificate);
    return status.ok() ? Result{certificate} : status;
}

/// Checks that the authority signed the certificate and that it is valid at that moment, give or take ten seconds. If
/// it does not hold, the status is SV2_ERROR_CERTIFICATE, and `reason` becomes a static sentence.
inline Status check_certificate(const sv2_certificate& certificate, const AuthorityKey& authority,
                                std::chrono::sys_seconds at, const char** reason = nullptr) noexcept {
    const auto unix_s = static_cast<std::uint64_t>(at.time_since_epoch().count());
    return sv2_certificate_check(&certificate, authority.key.bytes.data(), unix_s, reason);
}

// ------------------------------------------------------------------------------------------------------------- objects

/// Owns an object of the C ABI. What all owners have in common.
template <class T, void (*Free)(T*)>
class Handle {
public:
    /// The object, for the functions of sv2.h. It stays owned.
    [[nodiscard]] T* get() const& noexcept SV2_LIFETIMEBOUND { return object_.get(); }
    T* get() const&& = delete;

    /// The object, which the caller frees from now on.
    [[nodiscard]] T* release() && noexcept { return object_.release(); }

    /// False after it was moved from.
    [[nodiscard]] explicit operator bool() const noexcept { return object_ != nullptr; }

protected:
    explicit Handle(T* owned) noexcept : object_{owned} {}

    /// What a `_new` function made: an `Owner`, or its status.
    template <class Owner, class New>
    static Result<Owner> make(New&& new_object) noexcept {
        T* object = nullptr;
        const Status status = new_object(&object);
        return status.ok() ? Result{Owner{object}} : status;
    }

private:
    struct Deleter {
        void operator()(T* object) const noexcept { Free(object); }
    };
    std::unique_ptr<T, Deleter> object_;
};

/// Decodes messages from bytes that came from elsewhere than a connection.
class Decoder : public Handle<sv2_decoder, sv2_decoder_free> {
public:
    [[nodiscard]] static Result<Decoder> create() noexcept { return make<Decoder>(sv2_decoder_new); }
    explicit Decoder(sv2_decoder* owned) noexcept : Handle{owned} {}

    /// Decodes the message in `frame`, which `message` then borrows from, and from the decoder until its next call.
    Status decode(const sv2_frame& frame, Message& message) & noexcept {
        return sv2_decoder_decode(get(), &frame, &message);
    }

    /// What went wrong in the last call that failed, in a sentence; valid until the next call.
    [[nodiscard]] const char* error() & noexcept SV2_LIFETIMEBOUND { return sv2_decoder_error(get()); }
};

/// What a server shows to those who connect. Made once, for all connections.
class Identity : public Handle<sv2_identity, sv2_identity_free> {
public:
    /// SV2_ERROR_KEY if the certificate is for another key.
    [[nodiscard]] static Result<Identity> create(const SecretKey& static_key, const sv2_certificate& certificate,
                                                 const sv2_random* random = nullptr) noexcept {
        return make<Identity>([&](sv2_identity** out) {
            return sv2_identity_new(static_key.secret_bytes().data(), &certificate, random, out);
        });
    }

    /// One with a new certificate, which `authority` signs for the time between the two moments, both included.
    [[nodiscard]] static Result<Identity> issue(const SecretKey& authority, const SecretKey& static_key,
                                                std::chrono::sys_seconds valid_from,
                                                std::chrono::sys_seconds not_valid_after,
                                                const sv2_random* random = nullptr) noexcept {
        const auto server = static_key.public_key();
        if (!server) return server.status();
        const auto signed_for = sign_certificate(authority, *server, valid_from, not_valid_after, random);
        return signed_for ? create(static_key, *signed_for, random) : Result<Identity>{signed_for.status()};
    }

    explicit Identity(sv2_identity* owned) noexcept : Handle{owned} {}

    /// The certificate that it shows.
    [[nodiscard]] Result<sv2_certificate> certificate() const noexcept {
        sv2_certificate shown;
        const Status status = sv2_identity_certificate(get(), &shown);
        return status.ok() ? Result{shown} : status;
    }
};

/// How to connect to a server.
struct InitiatorOptions {
    /// Whom the server must be authorised by. None is an error unless `allow_unauthenticated`.
    std::optional<AuthorityKey> authority_key{};
    /// Encrypt, but connect to anyone who answers.
    bool allow_unauthenticated = false;
    /// This device does not know the date: do not look at when the certificate is valid.
    bool no_clock = false;
    sv2_limits limits = SV2_LIMITS_INIT;
    sv2_random random = SV2_RANDOM_INIT;
};

/// How to answer a client.
struct ResponderOptions {
    sv2_limits limits = SV2_LIMITS_INIT;
    sv2_random random = SV2_RANDOM_INIT;
};

/// How to talk without encryption.
struct PlainOptions {
    /// This is the side that answers SetupConnection.
    bool is_server = false;
    sv2_limits limits = SV2_LIMITS_INIT;
};

/// One peer, with or without Noise; sv2_connection in sv2.h says how it is used.
class Connection : public Handle<sv2_connection, sv2_connection_free> {
public:
    /// A client's connection to a server, over Noise.
    [[nodiscard]] static Result<Connection> initiator(const InitiatorOptions& with) noexcept {
        sv2_initiator_options options = SV2_INITIATOR_OPTIONS_INIT;
        options.authority_key = with.authority_key ? with.authority_key->key.bytes.data() : nullptr;
        options.allow_unauthenticated = with.allow_unauthenticated;
        options.no_clock = with.no_clock;
        options.limits = with.limits;
        options.random = with.random;
        return make<Connection>([&](sv2_connection** out) { return sv2_connection_new_initiator(&options, out); });
    }

    /// A server's connection to a client, over Noise. The identity need not outlive this call.
    [[nodiscard]] static Result<Connection> responder(const Identity& identity,
                                                      const ResponderOptions& with = {}) noexcept {
        sv2_responder_options options = SV2_RESPONDER_OPTIONS_INIT;
        options.identity = identity.get();
        options.limits = with.limits;
        options.random = with.random;
        return make<Connection>([&](sv2_connection** out) { return sv2_connection_new_responder(&options, out); });
    }

    /// A connection without encryption, for a network that can be trusted.
    [[nodiscard]] static Result<Connection> plain(const PlainOptions& with) noexcept {
        sv2_plain_options options = SV2_PLAIN_OPTIONS_INIT;
        options.is_server = with.is_server;
        options.limits = with.limits;
        return make<Connection>([&](sv2_connection** out) { return sv2_connection_new_plain(&options, out); });
    }

    explicit Connection(sv2_connection* owned) noexcept : Handle{owned} {}

    // Receiving. The first way: read into `room`, say `received`, take messages with `next`.

    /// Memory of at least that many bytes to read into, valid until the next call.
    [[nodiscard]] std::span<std::uint8_t> room(std::size_t at_least) & noexcept SV2_LIFETIMEBOUND {
        const sv2_room room = sv2_connection_room(get(), at_least);
        return {room.data, room.len};
    }

    /// `n` bytes were read into `room`, and it is `now`.
    Status received(std::size_t n, sv2_time now) & noexcept { return sv2_connection_received(get(), n, now); }

    /// The next message. SV2_NEED_INPUT if there is none yet; an error ends the connection.
    Status next(Message& message) & noexcept { return sv2_connection_next(get(), &message); }

    /// The second way: the next message out of memory of the caller, which is decrypted where it is. `bytes` shrinks to
    /// what has not been looked at; call again until SV2_NEED_INPUT.
    Status next_from(std::span<std::uint8_t>& bytes, sv2_time now, Message& message) & noexcept {
        sv2_room room{bytes.data(), bytes.size()};
        const Status status = sv2_connection_next_from(get(), &room, now, &message);
        bytes = {room.data, room.len};
        return status;
    }

    // Sending.

    /// Queues a message, with TLVs behind it. What it points to is copied.
    template <message_struct M>
    Status send(const M& fields, sv2_bytes trailing = {nullptr, 0}) & noexcept {
        return send(message_of(fields, trailing));
    }

    /// Queues a message of any type, also one this library does not know.
    Status send(const sv2_message& message) & noexcept { return sv2_connection_send(get(), &message); }

    /// Bytes to write to the socket; empty if there are none. Valid until the next call of any of these functions.
    [[nodiscard]] Bytes output() & noexcept SV2_LIFETIMEBOUND { return view(sv2_connection_output(get())); }

    /// The first `n` bytes of `output` were written.
    Status sent(std::size_t n) & noexcept { return sv2_connection_sent(get(), n); }

    /// How many bytes are waiting to be sent.
    [[nodiscard]] std::size_t output_len() const noexcept { return sv2_connection_output_len(get()); }

    // Time.

    /// It is `now`: SV2_ERROR_TIMEOUT if the handshake takes too long, and memory is given back.
    Status tick(sv2_time now) & noexcept { return sv2_connection_tick(get(), now); }

    /// When `tick` must be called, if the times given were those of `now()` or `to_time`; none if there is no need.
    [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> next_deadline() const noexcept {
        return to_deadline(sv2_connection_next_deadline(get()));
    }

    // State.

    /// The handshake is done and nothing has failed.
    [[nodiscard]] bool is_established() const noexcept { return sv2_connection_is_established(get()); }

    /// The peer proved to be who it should be.
    [[nodiscard]] bool is_authenticated() const noexcept { return sv2_connection_is_authenticated(get()); }

    /// What the server showed; SV2_NOT_FOUND before the handshake is done, and for everybody but an initiator.
    [[nodiscard]] Result<sv2_certificate> certificate() const noexcept {
        sv2_certificate shown;
        const Status status = sv2_connection_certificate(get(), &shown);
        return status.ok() ? Result{shown} : status;
    }

    /// What went wrong in the last call that failed, in a sentence; valid until the next call that fails.
    [[nodiscard]] const char* error() & noexcept SV2_LIFETIMEBOUND { return sv2_connection_error(get()); }
};

// --------------------------------------------------------------------------------------------------- template provider

/// A block was found: submit it before anything else. `solution.coinbase_tx` lives until the next event is taken.
struct SubmitBlock {
    sv2_solution solution;
};

/// Build a template for this key, hand it to `template_ready`, and go on with better ones until DropTemplate.
struct WantTemplate {
    sv2_constraint_key key;
};

/// Nobody needs templates for this key any more.
struct DropTemplate {
    sv2_constraint_key key;
};

/// What belongs to this handle can be freed.
struct TemplateExpired {
    std::uint64_t template_id, node_handle;
};

/// Answer with `transactions_ready`, now or later.
struct WantTransactions {
    std::uint64_t template_id, node_handle;
};

/// There is `output` for this connection.
struct Writable {
    std::uint64_t connection;
};

/// Close the socket. `reason` lives until the next event is taken.
struct Close {
    std::uint64_t connection;
    const char* reason;
};

/// A client has said what it needs.
struct ClientReady {
    std::uint64_t connection;
    sv2_constraint_key key;
};

/// A solution that is not submitted, and why: SV2_SOLUTION_*.
struct SolutionRefused {
    std::uint64_t connection, template_id;
    std::uint32_t refusal;
    sv2_u256 block_hash;
};

/// A block that was submitted is the tip.
struct BlockAccepted {
    std::uint64_t connection, template_id;
    sv2_u256 block_hash;
};

/// Something the host of a template provider must do, or may want to know.
using TemplateEvent = std::variant<SubmitBlock, WantTemplate, DropTemplate, TemplateExpired, WantTransactions, Writable,
                                   Close, ClientReady, SolutionRefused, BlockAccepted>;

/// Options of a template provider, with everything as usual; sv2.h says what they are. `identity` is set by
/// TemplateProvider.
[[nodiscard]] inline sv2_template_provider_options template_provider_options() noexcept {
    return SV2_TEMPLATE_PROVIDER_OPTIONS_INIT;
}

/// A template of the node, with nothing known of it yet; sv2.h says what must be set.
[[nodiscard]] inline sv2_template make_template() noexcept { return SV2_TEMPLATE_INIT; }

/// Serves templates to any number of clients; sv2_template_provider in sv2.h says how it is used.
class TemplateProvider : public Handle<sv2_template_provider, sv2_template_provider_free> {
public:
    /// A provider that encrypts and shows `identity`, which need not outlive this call.
    [[nodiscard]] static Result<TemplateProvider> create(
        const Identity& identity, sv2_template_provider_options options = template_provider_options()) noexcept {
        options.identity = identity.get();
        return make<TemplateProvider>(
            [&](sv2_template_provider** out) { return sv2_template_provider_new(&options, out); });
    }

    /// A provider without encryption, for a network in which everybody is trusted.
    [[nodiscard]] static Result<TemplateProvider> plaintext(
        sv2_template_provider_options options = template_provider_options()) noexcept {
        options.identity = nullptr;
        options.plaintext = 1;
        return make<TemplateProvider>(
            [&](sv2_template_provider** out) { return sv2_template_provider_new(&options, out); });
    }

    explicit TemplateProvider(sv2_template_provider* owned) noexcept : Handle{owned} {}

    /// Shows another identity to clients that connect from now on.
    Status set_identity(const Identity& identity) & noexcept {
        return sv2_template_provider_set_identity(get(), identity.get());
    }

    // Sockets.

    /// Somebody connected, from `address` if it is to be counted; SV2_ERROR_TOO_MANY if there are too many clients.
    Status connect(std::uint64_t connection, const std::optional<sv2_address>& address, sv2_time now) & noexcept {
        return sv2_template_provider_connect(get(), connection, address ? &*address : nullptr, now);
    }

    /// Bytes came. They are decrypted where they are, and mean nothing afterwards.
    Status receive(std::uint64_t connection, std::span<std::uint8_t> bytes, sv2_time now) & noexcept {
        return sv2_template_provider_receive(get(), connection, bytes.data(), bytes.size(), now);
    }

    /// The socket is closed.
    void disconnect(std::uint64_t connection) & noexcept { sv2_template_provider_disconnect(get(), connection); }

    /// Bytes to write, valid until the provider's next call; empty if there are none.
    [[nodiscard]] Bytes output(std::uint64_t connection) & noexcept SV2_LIFETIMEBOUND {
        return view(sv2_template_provider_output(get(), connection));
    }

    /// The first `n` bytes of `output` were written.
    Status sent(std::uint64_t connection, std::size_t n, sv2_time now) & noexcept {
        return sv2_template_provider_sent(get(), connection, n, now);
    }

    // The node.

    /// The node has a template for a key; gives its template_id. What it points to is copied.
    [[nodiscard]] Result<std::uint64_t> template_ready(sv2_constraint_key key, const sv2_template& of,
                                                       sv2_time now) & noexcept {
        std::uint64_t template_id = 0;
        const Status status = sv2_template_provider_template_ready(get(), key, &of, now, &template_id);
        return status.ok() ? Result{template_id} : status;
    }

    /// The node has another tip.
    Status tip_changed(const sv2_u256& prev_hash, sv2_time now) & noexcept {
        return sv2_template_provider_tip_changed(get(), &prev_hash, now);
    }

    /// The block before a template of SV2_TEMPLATE_NEXT_HEIGHT is the tip.
    Status set_new_prev_hash(std::uint64_t template_id, const sv2_new_prev_hash& new_prev_hash, sv2_time now) & noexcept {
        return sv2_template_provider_set_new_prev_hash(get(), template_id, &new_prev_hash, now);
    }

    /// Whether the node can make templates: SV2_NODE_READY, SV2_NODE_SYNCING or SV2_NODE_DOWN.
    Status node_state(std::uint32_t state, sv2_time now) & noexcept {
        return sv2_template_provider_node_state(get(), state, now);
    }

    /// What the node said to a block: SV2_SUBMIT_TAKEN or SV2_SUBMIT_REFUSED.
    Status submit_result(const sv2_u256& block_hash, std::uint32_t result, sv2_time now) & noexcept {
        return sv2_template_provider_submit_result(get(), &block_hash, result, now);
    }

    /// The transactions of a template, without its coinbase; nothing if the node does not have them any more.
    Status transactions_ready(std::uint64_t template_id, std::optional<std::span<const sv2_bytes>> transactions,
                              sv2_time now) & noexcept {
        const sv2_bytes_list items =
            transactions ? sv2_bytes_list{transactions->data(), transactions->size()} : sv2_bytes_list{};
        return sv2_template_provider_transactions_ready(get(), template_id, transactions ? &items : nullptr, now);
    }

    // Time.

    /// It is `now`.
    Status tick(sv2_time now) & noexcept { return sv2_template_provider_tick(get(), now); }

    /// When `tick` must be called, if the times given were those of `now()` or `to_time`; none if there is no need.
    [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> next_deadline() const noexcept {
        return to_deadline(sv2_template_provider_next_deadline(get()));
    }

    // Events.

    /// What must be done next; nothing if there is nothing, or if the provider is unusable: `failed` tells.
    [[nodiscard]] std::optional<TemplateEvent> next_event() & noexcept SV2_LIFETIMEBOUND {
        sv2_template_event event;
        while ((last_ = sv2_template_provider_next_event(get(), &event)) == SV2_OK) {
            switch (event.type) {
                case SV2_TEMPLATE_EVENT_SUBMIT_BLOCK:
                    return SubmitBlock{event.as.submit_block};
                case SV2_TEMPLATE_EVENT_WANT_TEMPLATE:
                    return WantTemplate{event.as.want_template};
                case SV2_TEMPLATE_EVENT_DROP_TEMPLATE:
                    return DropTemplate{event.as.drop_template};
                case SV2_TEMPLATE_EVENT_TEMPLATE_EXPIRED: {
                    const sv2_template_handle& handle = event.as.template_expired;
                    return TemplateExpired{handle.template_id, handle.node_handle};
                }
                case SV2_TEMPLATE_EVENT_WANT_TRANSACTIONS: {
                    const sv2_template_handle& handle = event.as.want_transactions;
                    return WantTransactions{handle.template_id, handle.node_handle};
                }
                case SV2_TEMPLATE_EVENT_WRITABLE:
                    return Writable{event.as.writable};
                case SV2_TEMPLATE_EVENT_CLOSE:
                    return Close{event.as.close.connection, event.as.close.reason};
                case SV2_TEMPLATE_EVENT_CLIENT_READY:
                    return ClientReady{event.as.client_ready.connection, event.as.client_ready.key};
                case SV2_TEMPLATE_EVENT_SOLUTION_REFUSED: {
                    const sv2_solution_refused& refused = event.as.solution_refused;
                    return SolutionRefused{refused.connection, refused.template_id, refused.refusal,
                                           refused.block_hash};
                }
                case SV2_TEMPLATE_EVENT_BLOCK_ACCEPTED: {
                    const sv2_block_accepted& accepted = event.as.block_accepted;
                    return BlockAccepted{accepted.connection, accepted.template_id, accepted.block_hash};
                }
                default:
                    break;  // of a later version: nothing this header knows how to do
            }
        }
        return std::nullopt;
    }

    /// Whether the last `next_event` gave nothing because the provider has become unusable.
    [[nodiscard]] bool failed() const noexcept { return last_.is_error(); }

    /// The next block that was found, also after the provider has become unusable. It lives until the next call.
    [[nodiscard]] std::optional<sv2_solution> next_solution() & noexcept SV2_LIFETIMEBOUND {
        sv2_solution solution;
        const Status status = sv2_template_provider_next_solution(get(), &solution);
        return status.ok() ? std::optional{solution} : std::nullopt;
    }

    // State.

    /// How many clients are connected.
    [[nodiscard]] std::size_t clients() const noexcept { return sv2_template_provider_clients(get()); }

    /// What went wrong in the last call that failed, in a sentence; valid until the next call that fails.
    [[nodiscard]] const char* error() & noexcept SV2_LIFETIMEBOUND { return sv2_template_provider_error(get()); }

private:
    Status last_;
};

#ifdef SV2_WITH_NODE_IPC
// ---------------------------------------------------------------------------------------------------------------- node

/// Options of a node's client, with everything as usual; sv2.h says what they are. `socket_path` is set by Node.
[[nodiscard]] inline sv2_node_options node_options() noexcept { return SV2_NODE_OPTIONS_INIT; }

/// Bitcoin Core over IPC as the node behind a TemplateProvider; sv2_node in sv2.h says how it is used. All that its host does:
///
///     auto node = sv2::Node::create("/home/me/.bitcoin/node.sock");            // poll node->fd()
///
///     while (auto event = node->next_event())                                  // when it is readable
///         (void)node->deliver(*event, provider, sv2::now());                   // and look at what is of interest:
///                                                                              // event->as.state, .submit_result, .block
///     while (auto event = provider.next_event())                               // after every input
///         if (!node->handle(*event))
///             on_socket_event(*event);                                         // Writable, Close, ...
class Node : public Handle<sv2_node, sv2_node_free> {
public:
    /// A client of the node that listens on `socket_path`. It is no error that the node is not there: an event says so.
    [[nodiscard]] static Result<Node> create(std::string_view socket_path,
                                             sv2_node_options options = node_options()) noexcept {
        options.socket_path = str(socket_path);
        return make<Node>([&](sv2_node** out) { return sv2_node_new(&options, out); });
    }

    explicit Node(sv2_node* owned) noexcept : Handle{owned} {}

    /// Readable while there are events: poll it, never read it.
    [[nodiscard]] int fd() const noexcept { return sv2_node_fd(get()); }

    /// What the node did; nothing if there is nothing, or if the client is unusable: `failed` tells. What it points to lives
    /// until the next call.
    [[nodiscard]] std::optional<sv2_node_event> next_event() & noexcept SV2_LIFETIMEBOUND {
        sv2_node_event event;
        last_ = sv2_node_next_event(get(), &event);
        return last_.ok() ? std::optional{event} : std::nullopt;
    }

    /// Gives the provider what concerns it. SV2_STALE and SV2_NOT_FOUND need no action.
    Status deliver(const sv2_node_event& event, TemplateProvider& provider, sv2_time now) & noexcept {
        return sv2_node_deliver(get(), &event, provider.get(), now);
    }

    /// Does what an event of the provider asks of the node; false if it is the host's to handle.
    bool handle(const TemplateEvent& event) & noexcept {
        if (const auto* const found = std::get_if<SubmitBlock>(&event)) {
            (void)submit(found->solution);
        } else if (const auto* const want = std::get_if<WantTemplate>(&event)) {
            (void)want_template(want->key);
        } else if (const auto* const drop = std::get_if<DropTemplate>(&event)) {
            (void)drop_template(drop->key);
        } else if (const auto* const expired = std::get_if<TemplateExpired>(&event)) {
            (void)free_template(expired->node_handle);
        } else if (const auto* const asked = std::get_if<WantTransactions>(&event)) {
            (void)want_transactions(asked->template_id, asked->node_handle);
        } else {
            return false;
        }
        return true;
    }

    // What `handle` calls; none of these waits for the node.

    /// Templates for `key` are wanted, until `drop_template`.
    Status want_template(sv2_constraint_key key) & noexcept { return sv2_node_want_template(get(), key); }
    /// No more templates for `key` are wanted.
    Status drop_template(sv2_constraint_key key) & noexcept { return sv2_node_drop_template(get(), key); }
    /// The node may forget a template.
    Status free_template(std::uint64_t node_handle) & noexcept { return sv2_node_free_template(get(), node_handle); }
    /// The transactions of a template are wanted.
    Status want_transactions(std::uint64_t template_id, std::uint64_t node_handle) & noexcept {
        return sv2_node_want_transactions(get(), template_id, node_handle);
    }
    /// A block was found: `solution` of SubmitBlock.
    Status submit(const sv2_solution& solution) & noexcept { return sv2_node_submit(get(), &solution); }

    /// Whether the last `next_event` gave nothing because the client has become unusable.
    [[nodiscard]] bool failed() const noexcept { return last_.is_error(); }

private:
    Status last_;
};
#endif  // SV2_WITH_NODE_IPC

// ----------------------------------------------------------------------------------------------------- template client

/// Options of a template client, with everything as usual; sv2.h says what they are. Whom it trusts is set by
/// TemplateClient.
[[nodiscard]] inline sv2_template_client_options template_client_options() noexcept {
    return SV2_TEMPLATE_CLIENT_OPTIONS_INIT;
}

/// Gets templates from one provider and gives it solutions; sv2_template_client in sv2.h says how it is used.
class TemplateClient : public Handle<sv2_template_client, sv2_template_client_free> {
public:
    /// The provider has accepted the connection.
    struct Ready {};

    /// A template came. If it is no future one, it is the one to mine on from now on.
    struct NewTemplate {
        std::uint64_t template_id;
        bool future;
    };

    /// A new best block: mine on this template at once.
    struct NewTip {
        sv2_set_new_prev_hash_template tip;
    };

    /// A new best block, and nothing to mine on until a template on it comes.
    struct TipWithoutTemplate {
        sv2_set_new_prev_hash_template tip;
    };

    /// A template is forgotten.
    struct TemplateExpired {
        std::uint64_t template_id;
    };

    /// What `request_transaction_data` asked for. It lives until the next event is taken.
    struct TransactionData {
        sv2_request_transaction_data_success data;
    };

    /// The transactions of a template cannot be had, and why: SV2_TRANSACTION_DATA_*. `error_code` lives until the next
    /// event is taken.
    struct TransactionDataError {
        std::uint64_t template_id;
        std::uint32_t cause;
        std::string_view error_code;
    };

    /// A solution is given up: its block was not seen as the tip in time. If it cannot have arrived, whoever can reach the
    /// network in another way should send the block there. Its coinbase lives until the next event is taken.
    struct SolutionLost {
        sv2_submit_solution solution;
        bool may_have_arrived;
    };

    /// There is `output`.
    struct Writable {};

    /// Close the socket. `reason` lives until the next event is taken.
    struct Close {
        const char* reason;
        bool may_retry;
    };

    /// Something the host must do, or may want to know.
    using Event = std::variant<Ready, NewTemplate, NewTip, TipWithoutTemplate, TemplateExpired, TransactionData,
                               TransactionDataError, SolutionLost, Writable, Close>;

    /// A client that talks to a provider of this authority only.
    [[nodiscard]] static Result<TemplateClient> create(
        const AuthorityKey& authority, sv2_template_client_options options = template_client_options()) noexcept {
        options.authority_key = authority.key.bytes.data();
        return make<TemplateClient>([&](sv2_template_client** out) { return sv2_template_client_new(&options, out); });
    }

    /// A client that encrypts, and takes any provider that answers: who that is cannot be known then.
    [[nodiscard]] static Result<TemplateClient> unauthenticated(
        sv2_template_client_options options = template_client_options()) noexcept {
        options.authority_key = nullptr;
        options.allow_unauthenticated = 1;
        return make<TemplateClient>([&](sv2_template_client** out) { return sv2_template_client_new(&options, out); });
    }

    /// A client without encryption, for a network in which everybody is trusted.
    [[nodiscard]] static Result<TemplateClient> plaintext(
        sv2_template_client_options options = template_client_options()) noexcept {
        options.authority_key = nullptr;
        options.plaintext = 1;
        return make<TemplateClient>([&](sv2_template_client** out) { return sv2_template_client_new(&options, out); });
    }

    explicit TemplateClient(sv2_template_client* owned) noexcept : Handle{owned} {}

    // The socket.

    /// It is connected to the provider. Take all events of the connection before it first.
    Status connect(sv2_time now) & noexcept { return sv2_template_client_connect(get(), now); }

    /// Bytes came. They are decrypted where they are, and mean nothing afterwards.
    Status receive(std::span<std::uint8_t> bytes, sv2_time now) & noexcept {
        return sv2_template_client_receive(get(), bytes.data(), bytes.size(), now);
    }

    /// It is closed, or could not be connected.
    void disconnected(sv2_time now) & noexcept { sv2_template_client_disconnected(get(), now); }

    /// Bytes to write, valid until the client's next call; empty if there are none.
    [[nodiscard]] Bytes output() & noexcept SV2_LIFETIMEBOUND { return view(sv2_template_client_output(get())); }

    /// The first `n` bytes of `output` were written.
    Status sent(std::size_t n, sv2_time now) & noexcept { return sv2_template_client_sent(get(), n, now); }

    // The host.

    /// What templates must leave free for coinbase outputs.
    Status set_constraints(std::uint32_t max_additional_size, std::uint16_t max_additional_sigops,
                           sv2_time now) & noexcept {
        return sv2_template_client_set_constraints(get(), max_additional_size, max_additional_sigops, now);
    }

    /// Asks for the transactions of a template.
    Status request_transaction_data(std::uint64_t template_id, sv2_time now) & noexcept {
        return sv2_template_client_request_transaction_data(get(), template_id, now);
    }

    /// A hash meets the target. True if the solution is in `output`, false if it is kept for the next connection. It is sent
    /// again over each next connection until a tip names its block.
    [[nodiscard]] Result<bool> submit_solution(const sv2_submit_solution& solution, sv2_time now) & noexcept {
        std::uint8_t sent = 0;
        const Status status = sv2_template_client_submit_solution(get(), &solution, now, &sent);
        return status.ok() ? Result{sent != 0} : status;
    }

    // Time.

    /// It is `now`.
    Status tick(sv2_time now) & noexcept { return sv2_template_client_tick(get(), now); }

    /// When `tick` must be called, if the times given were those of `now()` or `to_time`; none if there is no need.
    [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> next_deadline() const noexcept {
        return to_deadline(sv2_template_client_next_deadline(get()));
    }

    // Events.

    /// What must be done next; nothing if there is nothing, or if the client is unusable: `failed` tells.
    [[nodiscard]] std::optional<Event> next_event() & noexcept SV2_LIFETIMEBOUND {
        sv2_template_client_event event;
        while ((last_ = sv2_template_client_next_event(get(), &event)) == SV2_OK) {
            switch (event.type) {
                case SV2_TEMPLATE_CLIENT_EVENT_READY:
                    return Ready{};
                case SV2_TEMPLATE_CLIENT_EVENT_NEW_TEMPLATE:
                    return NewTemplate{event.as.new_template.template_id, event.as.new_template.future_template != 0};
                case SV2_TEMPLATE_CLIENT_EVENT_NEW_TIP:
                    return NewTip{event.as.new_tip};
                case SV2_TEMPLATE_CLIENT_EVENT_TIP_WITHOUT_TEMPLATE:
                    return TipWithoutTemplate{event.as.new_tip};
                case SV2_TEMPLATE_CLIENT_EVENT_TEMPLATE_EXPIRED:
                    return TemplateExpired{event.as.template_expired};
                case SV2_TEMPLATE_CLIENT_EVENT_TRANSACTION_DATA:
                    return TransactionData{event.as.transaction_data};
                case SV2_TEMPLATE_CLIENT_EVENT_TRANSACTION_DATA_ERROR: {
                    const sv2_transaction_data_error& error = event.as.transaction_data_error;
                    return TransactionDataError{error.template_id, error.cause, text(error.error_code)};
                }
                case SV2_TEMPLATE_CLIENT_EVENT_SOLUTION_LOST:
                    return SolutionLost{event.as.solution_lost.solution,
                                        event.as.solution_lost.may_have_arrived != 0};
                case SV2_TEMPLATE_CLIENT_EVENT_WRITABLE:
                    return Writable{};
                case SV2_TEMPLATE_CLIENT_EVENT_CLOSE:
                    return Close{event.as.close.reason, event.as.close.may_retry != 0};
                default:
                    break;  // of a later version: nothing this header knows how to do
            }
        }
        return std::nullopt;
    }

    /// Whether the last `next_event` gave nothing because the client has become unusable.
    [[nodiscard]] bool failed() const noexcept { return last_.is_error(); }

    // Templates.

    /// The template to mine on; SV2_NOT_FOUND if there is none.
    [[nodiscard]] Result<std::uint64_t> active_template() const noexcept {
        std::uint64_t template_id = 0;
        const Status status = sv2_template_client_active_template(get(), &template_id);
        return status.ok() ? Result{template_id} : status;
    }

    /// A template that is not forgotten yet. What it points to is valid until the next call that is told the time, or
    /// `next_event`.
    [[nodiscard]] Result<sv2_new_template> get_template(std::uint64_t template_id) & noexcept SV2_LIFETIMEBOUND {
        sv2_new_template found;
        const Status status = sv2_template_client_template(get(), template_id, &found);
        return status.ok() ? Result{found} : status;
    }

    /// The tip that a template is on; SV2_NOT_FOUND also if it still waits for one.
    [[nodiscard]] Result<sv2_set_new_prev_hash_template> tip(std::uint64_t template_id) const noexcept {
        sv2_set_new_prev_hash_template found;
        const Status status = sv2_template_client_tip(get(), template_id, &found);
        return status.ok() ? Result{found} : status;
    }

    /// The whole coinbase, as a solution wants it.
    [[nodiscard]] Result<std::vector<std::uint8_t>> coinbase(std::uint64_t template_id, Bytes script,
                                                             std::span<const sv2_transaction_output> outputs) const {
        const sv2_transaction_output_list list{outputs.data(), outputs.size()};
        std::size_t len = 0;
        Status status = sv2_template_client_coinbase(get(), template_id, bytes(script), list, nullptr, 0, &len);
        if (status != SV2_BUFFER_TOO_SMALL) {
            return status;
        }
        std::vector<std::uint8_t> made(len);
        status = sv2_template_client_coinbase(get(), template_id, bytes(script), list, made.data(), made.size(), &len);
        return status.ok() ? Result{std::move(made)} : status;
    }

    /// The header of the block that a solution makes.
    [[nodiscard]] Result<sv2_block_header> header(const sv2_submit_solution& solution) const noexcept {
        sv2_block_header made;
        const Status status = sv2_template_client_header(get(), &solution, &made);
        return status.ok() ? Result{made} : status;
    }

    // State.

    /// There is a connection, set up or not.
    [[nodiscard]] bool is_connected() const noexcept { return sv2_template_client_is_connected(get()); }

    /// The provider has accepted the connection.
    [[nodiscard]] bool is_ready() const noexcept { return sv2_template_client_is_ready(get()); }

    /// The provider proved to be who it should be.
    [[nodiscard]] bool is_authenticated() const noexcept { return sv2_template_client_is_authenticated(get()); }

    /// There is work from this provider.
    [[nodiscard]] bool is_serving() const noexcept { return sv2_template_client_is_serving(get()); }

    /// When bytes last came; none if they never did.
    [[nodiscard]] std::optional<sv2_time> last_heard() const noexcept {
        sv2_time heard;
        const Status status = sv2_template_client_last_heard(get(), &heard);
        return status.ok() ? std::optional{heard} : std::nullopt;
    }

    /// How many solutions are kept: not written yet, or only just.
    [[nodiscard]] std::size_t pending_solutions() const noexcept {
        return sv2_template_client_pending_solutions(get());
    }

    /// What went wrong in the last call that failed, in a sentence; valid until the next call that fails.
    [[nodiscard]] const char* error() & noexcept SV2_LIFETIMEBOUND { return sv2_template_client_error(get()); }

private:
    Status last_;
};

// ------------------------------------------------------------------------------------------------------------- version

/// The version of the linked library, such as "0.1.0". That of these headers is SV2_VERSION.
[[nodiscard]] inline const char* version() noexcept { return sv2_version(); }

/// Whether the linked library can be used with these headers; with a shared library it may be another one.
[[nodiscard]] inline bool is_compatible() noexcept { return sv2_abi_version() == SV2_ABI_VERSION; }

}  // namespace sv2

#include "sv2_mining.hpp"
#include "sv2_mining_channel.hpp"
#include "sv2_mining_client.hpp"
#include "sv2_mining_numbers.hpp"
#include "sv2_mining_proxy.hpp"

#endif  // SV2_HPP
