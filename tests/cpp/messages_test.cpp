// Every message, with random values, through encoding and decoding: the values, the text and the bytes come back.
//
// The fields are reached by the generated lists of names, so that neither a message nor a field can be forgotten.

#include <array>
#include <cstring>
#include <deque>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "check.hpp"
#include "sv2.hpp"

namespace {

constexpr std::size_t message_count = 5 + 3 + 21 + 8 + 7;  // common, extensions, mining, job declaration, templates
constexpr int rounds = 15;

using Random = std::mt19937_64;

std::size_t below(Random& random, std::size_t n) { return static_cast<std::size_t>(random() % n); }

// What the pointers of a random message point to.
struct Memory {
    std::deque<std::vector<std::uint8_t>> bytes;
    std::deque<std::vector<std::uint16_t>> u16s;
    std::deque<std::vector<std::uint32_t>> u32s;
    std::deque<std::vector<sv2_u256>> u256s;
    std::deque<std::vector<sv2_bytes>> items;
};

// Gives a field a random value of its type.
class Filler {
public:
    Filler(Random& random, Memory& memory) : random_(random), memory_(memory) {}

    void operator()(std::uint8_t& field) { field = static_cast<std::uint8_t>(random_()); }
    void operator()(std::uint16_t& field) { field = static_cast<std::uint16_t>(random_()); }
    void operator()(std::uint32_t& field) { field = static_cast<std::uint32_t>(random_()); }
    void operator()(std::uint64_t& field) { field = random_(); }
    void operator()(float& field) { field = static_cast<float>(random_()); }
    void operator()(sv2_u256& field) {
        for (auto& byte : field.bytes) (*this)(byte);
    }
    void operator()(sv2_option_u32& field) {
        field = sv2::option(random_() % 2 ? std::optional(static_cast<std::uint32_t>(random_())) : std::nullopt);
    }
    // The shortest limits of each kind: B0_32, STR0_255.
    void operator()(sv2_bytes& field) { field = sv2::bytes(random_bytes(33)); }
    void operator()(sv2_str& field) {
        const auto& text = random_bytes(256);
        field = {reinterpret_cast<const char*>(text.data()), text.size()};
    }
    void operator()(sv2_u16_list& field) { field = sv2::list(random_list(memory_.u16s, 300)); }
    void operator()(sv2_u32_list& field) { field = sv2::list(random_list(memory_.u32s, 300)); }
    void operator()(sv2_u256_list& field) { field = sv2::list(random_list(memory_.u256s, 256)); }
    void operator()(sv2_bytes_list& field) {
        auto& items = memory_.items.emplace_back(below(random_, 20));
        for (auto& item : items) item = sv2::bytes(random_bytes(400));
        field = sv2::list(items);
    }

private:
    const std::vector<std::uint8_t>& random_bytes(std::size_t limit) { return random_list(memory_.bytes, limit); }

    template <class T>
    const std::vector<T>& random_list(std::deque<std::vector<T>>& lists, std::size_t limit) {
        auto& list = lists.emplace_back(below(random_, limit));
        for (auto& item : list) (*this)(item);
        return list;
    }

    Random& random_;
    Memory& memory_;
};

// The value of a field as text, for comparison. The two booleans are U8 in C: anything but 0 is true.
std::string shown(std::string_view name, std::uint8_t value) {
    const bool is_boolean = name == "future_template" || name == "version_rolling_allowed";
    return std::to_string(is_boolean ? value != 0 : value);
}
template <class T>
requires std::integral<T> || std::floating_point<T> std::string shown(std::string_view, T value) {
    return std::to_string(value);
}
std::string shown(std::string_view, const sv2_u256& value) { return sv2::to_string(value); }
std::string shown(std::string_view, sv2_option_u32 value) {
    const auto number = sv2::option(value);
    return number ? std::to_string(*number) : "none";
}
std::string shown(std::string_view, sv2_bytes value) {
    return std::string(reinterpret_cast<const char*>(value.data), value.data ? value.len : 0);
}
std::string shown(std::string_view, sv2_str value) { return std::string(sv2::text(value)); }
template <class List>
requires requires(List of) { of.items; }
std::string shown(std::string_view name, List value) {
    std::string text = std::to_string(value.count);
    for (const auto& item : sv2::list(value)) text += "," + shown(name, item);
    return text;
}

// Name and value of every field.
template <class M>
std::vector<std::string> fields_of(const M& message) {
    std::vector<std::string> fields;
    sv2::for_each_field(message, [&](const char* name, const auto& value) {
        fields.push_back(std::string(name) + "=" + shown(name, value));
    });
    return fields;
}

template <class M>
void fill(M& message, Random& random, Memory& memory) {
    // The list of fields is made for reading; the message is not const.
    sv2::for_each_field(message,
                        [&]<class T>(const char*, const T& field) { Filler(random, memory)(const_cast<T&>(field)); });
}

// Calls `f` with a zeroed message struct of every kind.
template <class F>
std::size_t for_each_kind(F f) {
    std::size_t kinds = 0;
    for (std::uint32_t type = 0; type < 0x400; ++type) {
        sv2_message message{};
        message.type = type;
        sv2::visit(message, [&]<class M>(const M&) {
            if constexpr (sv2::message_struct<M>) {
                CHECK(sv2::message_traits<M>::type == type);
                f(M{});
                ++kinds;
            }
        });
    }
    return kinds;
}

void every_message_comes_back_with_its_values_its_text_and_its_bytes() {
    Random random(1);
    auto decoder = sv2::Decoder::create();
    CHECK(decoder.ok());
    const std::size_t kinds = for_each_kind([&]<class M>(M fields) {
        for (int round = 0; round < rounds; ++round) {
            Memory memory;
            fill(fields, random, memory);
            const auto frame_bytes = sv2::encode(fields);
            CHECK(frame_bytes.ok());

            const auto frame = sv2::split_frame(*frame_bytes);
            CHECK(frame.ok() && frame->len == frame_bytes->size());
            sv2::Message message;
            CHECK(decoder->decode(*frame, message).ok());
            const M* decoded = message.get_if<M>();
            CHECK(decoded != nullptr && message.name() == sv2::message_traits<M>::name);
            CHECK(fields_of(*decoded) == fields_of(fields));

            const auto text = message.text(), expected = sv2::to_text(sv2::message_of(fields));
            CHECK(text.ok() && expected.ok() && *text == *expected);

            const auto again = sv2::encode(*decoded);
            CHECK(again.ok() && *again == *frame_bytes);
        }
    });
    CHECK_EQUAL(kinds, message_count);
}

// The text is made from the bytes by core's own codec: were two fields mixed up on the way there, it would say so.
void the_text_names_every_field_in_order_and_says_what_the_numbers_are() {
    Random random(2);
    for_each_kind([&]<class M>(M fields) {
        Memory memory;
        fill(fields, random, memory);
        const auto text = sv2::to_text(sv2::message_of(fields));
        CHECK(text.ok() && text->starts_with(sv2::message_traits<M>::name));
        std::size_t at = 0;
        sv2::for_each_field(fields, [&]<class T>(const char* name, const T& value) {
            std::string line = std::string("\n  ") + name + ": ";
            if constexpr (std::integral<T> && sizeof(T) > 1) line += std::to_string(value);
            if constexpr (std::same_as<T, sv2_u256>) line += sv2::to_string(value);
            at = text->find(line, at);
            CHECK(at != std::string::npos);
        });
    });
}

void every_name_is_that_of_the_library() {
    for (std::uint32_t type = 0; type < 0x400; ++type) {
        char name[64] = "";
        const sv2_status status = sv2_message_name(type, name, sizeof name, nullptr);
        CHECK(sv2::message_name(type) == name);
        CHECK_EQUAL(status, sv2::message_name(type).empty() ? SV2_NOT_FOUND : SV2_OK);
    }
}

// Over a connection, with a TLV behind each message.
void every_message_goes_over_a_connection() {
    Random random(3);
    const std::array<std::uint8_t, 5> worker{'r', 'i', 'g', '-', '1'};
    const auto tlv = sv2::make_tlv(sv2_tlv_user_identity(), worker);
    CHECK(tlv.ok());
    auto client = sv2::Connection::plain({});
    sv2_limits limits = SV2_LIMITS_INIT;
    limits.max_payload_setup = 1 << 20;  // all that arrives before SetupConnection
    auto server = sv2::Connection::plain({.is_server = true, .limits = limits});
    CHECK(client.ok() && server.ok());
    for_each_kind([&]<class M>(M fields) {
        if (std::is_same_v<M, sv2_setup_connection> || std::is_same_v<M, sv2_setup_connection_success>) return;
        Memory memory;
        fill(fields, random, memory);
        CHECK(client->send(fields, sv2::bytes(*tlv)).ok());
        for (auto out = client->output(); !out.empty(); out = client->output()) {
            const auto room = server->room(out.size());
            std::memcpy(room.data(), out.data(), out.size());
            CHECK(server->received(out.size(), sv2::now()).ok());
            CHECK(client->sent(out.size()).ok());
        }
        sv2::Message message;
        CHECK(server->next(message).ok());
        const M* decoded = message.get_if<M>();
        CHECK(decoded != nullptr && fields_of(*decoded) == fields_of(fields));
        CHECK(shown("", message.trailing) == shown("", sv2::bytes(*tlv)));
        CHECK(server->next(message) == SV2_NEED_INPUT);
    });
}

}  // namespace

int main() {
    return run({
        {"every message comes back with its values, its text and its bytes",
         every_message_comes_back_with_its_values_its_text_and_its_bytes},
        {"the text names every field in order and says what the numbers are",
         the_text_names_every_field_in_order_and_says_what_the_numbers_are},
        {"every name is that of the library", every_name_is_that_of_the_library},
        {"every message goes over a connection", every_message_goes_over_a_connection},
    });
}
