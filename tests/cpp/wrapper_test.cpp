// sv2.hpp at run time: owners, results, messages, keys, and a whole connection.

#include <array>
#include <chrono>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "check.hpp"
#include "sv2.hpp"

namespace {

using namespace std::chrono_literals;
using Seconds = std::chrono::sys_seconds;

constexpr std::string_view spec_key = "9bXiEd8boQVhq7WddEcERUL5tyyJVFYdU8th3HfbNXK3Yw6GRXh";
constexpr Seconds today{1700000000s};

// The time of all that follows.
const sv2_time now{1000, 1700000000};

template <class T>
T take(sv2::Result<T> result) {
    CHECK_EQUAL(std::string_view{result.status().name()}, std::string_view{"SV2_OK"});
    return *std::move(result);
}

void a_status_knows_its_name_and_whose_fault_it_is() {
    constexpr sv2::Status fine, flow = SV2_NEED_INPUT, error = SV2_ERROR_CERTIFICATE;
    static_assert(fine.ok() && !fine.is_error() && fine == SV2_OK && fine.code() == 0);
    static_assert(!flow.ok() && !flow.is_error() && flow == SV2_NEED_INPUT && flow != fine);
    static_assert(!error.ok() && error.is_error());
    CHECK(error.is_peer_fault() && !error.is_caller_fault() && !error.is_internal());
    CHECK_EQUAL(std::string_view{error.name()}, "SV2_ERROR_CERTIFICATE");
    CHECK(*error.message() != '\0');
}

void a_result_is_a_value_or_the_reason_why_there_is_none() {
    sv2::Result<std::string> good{std::string{"value"}};
    CHECK(good && good.ok() && good.status() == SV2_OK && *good == "value" && good->size() == 5);
    const std::string moved = *std::move(good);
    CHECK_EQUAL(moved, "value");

    const sv2::Result<std::size_t> bad = sv2::Status{SV2_ERROR_KEY};
    CHECK(!bad && bad.status() == SV2_ERROR_KEY);
}

void an_owner_frees_once_and_one_that_was_moved_from_is_empty() {
    auto first = take(sv2::Decoder::create());
    sv2_decoder* const object = first.get();
    sv2::Decoder second = std::move(first);
    CHECK(second && second.get() == object && !first);
    sv2::Message message;
    CHECK(first.decode(sv2_frame{}, message) == SV2_ERROR_NULL);
    first = take(sv2::Decoder::create());
    first = std::move(second);  // frees what it had
    CHECK(first.get() == object);
    sv2_decoder_free(std::move(first).release());
    CHECK(!first);
}

void views_go_there_and_back() {
    const std::vector<std::uint8_t> data{1, 2, 3};
    const auto seen = sv2::view(sv2::bytes(data));
    CHECK(seen.data() == data.data() && seen.size() == 3);
    const std::array<std::byte, 2> raw{std::byte{4}, std::byte{5}};
    CHECK(sv2::view(sv2::bytes(raw))[1] == 5);
    CHECK(sv2::text(sv2::str("text")) == "text");
    CHECK(sv2::view({nullptr, 7}).empty() && sv2::text({nullptr, 7}).empty() && sv2::text(sv2::str("")).empty());

    const std::vector<std::uint32_t> numbers{6, 7};
    CHECK(sv2::list(sv2::list(numbers)).data() == numbers.data() && sv2::list(sv2::list(numbers)).size() == 2);
    CHECK(sv2::list(sv2_bytes_list{}).empty());
    CHECK(sv2::option(sv2::option(5u)) == 5u && !sv2::option(sv2::option(std::nullopt)));

    sv2_u256 number{};
    number.bytes[0] = 0x0f;
    number.bytes[31] = 0xa0;
    CHECK_EQUAL(sv2::to_string(number), "a0" + std::string(60, '0') + "0f");
    std::vector<std::uint8_t> hash(32);
    hash.front() = 0x0f, hash.back() = 0xa0;
    CHECK(std::memcmp(sv2::u256(hash).bytes, number.bytes, 32) == 0);
}

void an_address_is_of_ipv4_or_ipv6() {
    const std::vector<std::uint8_t> v4{127, 0, 0, 1}, v6(16, 0xfe), neither(10);
    CHECK(sv2::address(v4)->len == 4 && sv2::address(v4)->bytes[0] == 127 && sv2::address(v4)->bytes[3] == 1);
    CHECK(sv2::address(v6)->len == 16 && sv2::address(v6)->bytes[15] == 0xfe);
    CHECK(!sv2::address(neither) && !sv2::address({}));
}

void keys_are_ordered_by_weight_then_sigops() {
    const sv2_constraint_key small{2000, 0, 0}, more_sigops{2000, 1, 0}, larger{4000, 0, 0};
    CHECK(small < more_sigops && more_sigops < larger && small == sv2_constraint_key(small) && small != larger);
    std::map<sv2_constraint_key, int> by_key{{larger, 2}, {small, 1}};
    CHECK(by_key.begin()->second == 1 && by_key.at(larger) == 2);
}

void time_is_told_in_the_librarys_units() {
    const auto time = sv2::to_time(std::chrono::steady_clock::time_point{1234567us},
                                   std::chrono::system_clock::time_point{1700000000999ms});
    CHECK(time.monotonic_ms == 1234 && time.unix_s == 1700000000);
    CHECK(sv2::now().unix_s > 1700000000);
}

void an_empty_message_is_no_message() {
    const sv2::Message message;
    CHECK(message.name().empty() && message.get_if<sv2_setup_connection>() == nullptr);
    bool unknown = false;
    sv2::visit(message, sv2::overloaded{[&](const sv2_message&) { unknown = true; }, [](const auto&) {}});
    CHECK(unknown);
}

void frames_are_encoded_into_memory_of_the_caller_or_their_own() {
    sv2_setup_connection_success success{};
    success.used_version = 2;
    const auto message = sv2::message_of(success);
    CHECK_EQUAL(*sv2::encoded_len(message), 12u);
    std::array<std::uint8_t, 12> exact{};
    CHECK_EQUAL(*sv2::encode(message, exact), 12u);
    std::array<std::uint8_t, 11> small{};
    CHECK(sv2::encode(message, small).status() == SV2_BUFFER_TOO_SMALL);
    const auto frame = take(sv2::encode(success));
    CHECK(std::equal(frame.begin(), frame.end(), exact.begin(), exact.end()));

    const std::string too_long(256, 'x');
    sv2_setup_connection_error error{};
    error.error_code = sv2::str(too_long);
    CHECK(sv2::encode(error).status() == SV2_ERROR_ENCODE);
    CHECK(sv2::encoded_len(sv2::message_of(error)).status() == SV2_ERROR_ENCODE);
    CHECK(sv2::to_text(sv2::message_of(error)).status() == SV2_ERROR_ENCODE);
}

void frames_are_split_and_decoded() {
    auto decoder = take(sv2::Decoder::create());
    sv2_close_channel close{};
    close.channel_id = 3;
    close.reason_code = sv2::str("bye");
    auto stream = take(sv2::encode(close));
    sv2::Message message;
    CHECK(decoder.decode(take(sv2::split_frame(stream)), message).ok());
    CHECK(message.name() == "CloseChannel" && message.get_if<sv2_set_target>() == nullptr);
    const auto* decoded = message.get_if<sv2_close_channel>();
    CHECK(decoded && decoded->channel_id == 3 && sv2::text(decoded->reason_code) == "bye");
    CHECK_EQUAL(take(message.text()), "CloseChannel\n  channel_id: 3\n  reason_code: \"bye\"");

    stream.pop_back();
    CHECK(sv2::split_frame(stream).status() == SV2_NEED_INPUT);
    stream[3] -= 1;  // a frame that is shorter by a byte, but its string is not
    CHECK(decoder.decode(take(sv2::split_frame(stream)), message) == SV2_ERROR_MALFORMED);
    CHECK(std::string_view{decoder.error()}.find("reason_code") != std::string_view::npos);
}

void a_tlv_is_made_and_found() {
    const std::array<std::uint8_t, 4> worker{'r', 'i', 'g', '1'};
    constexpr std::array<std::uint16_t, 1> negotiated{SV2_EXTENSION_WORKER_SPECIFIC_HASHRATE_TRACKING};
    for (const auto order : {sv2::TlvOrder::little_endian, sv2::TlvOrder::big_endian}) {
        const auto tlv = take(sv2::make_tlv(sv2_tlv_user_identity(), worker, order));
        CHECK_EQUAL(static_cast<int>(tlv[0]), order == sv2::TlvOrder::little_endian ? 2 : 0);
        const auto found = take(sv2::find_tlv(sv2::bytes(tlv), negotiated, sv2_tlv_user_identity()));
        CHECK(std::equal(found.begin(), found.end(), worker.begin(), worker.end()));
        CHECK(sv2::find_tlv(sv2::bytes(tlv), {}, sv2_tlv_user_identity()).status() == SV2_NOT_FOUND);
    }
    const std::array<std::uint8_t, 33> too_long{};
    CHECK(sv2::make_tlv(sv2_tlv_user_identity(), too_long).status() == SV2_ERROR_ENCODE);
}

void keys_and_urls_are_read_and_written() {
    const auto key = take(sv2::AuthorityKey::parse(spec_key));
    CHECK(key.key.bytes[0] == 118 && key.key.bytes[31] == 85);
    CHECK_EQUAL(take(key.to_text()), spec_key);
    CHECK(sv2::AuthorityKey::parse("9bXi").status() == SV2_ERROR_KEY);
    sv2::AuthorityKey no_point;
    no_point.key.bytes.fill(0xff);
    CHECK(no_point.to_text().status() == SV2_ERROR_KEY);

    const auto url = take(sv2::Url::parse("stratum2+tcp://[::1]:8442/" + std::string{spec_key}));
    CHECK(url.host == "::1" && url.port == 8442 && url.authority_key == key);
    CHECK(!take(sv2::Url::parse("stratum2+tcp://pool:1")).authority_key);
    CHECK(sv2::Url::parse("pool:1").status() == SV2_ERROR_KEY);
}

void a_secret_key_is_one_number_in_one_place() {
    auto key = take(sv2::SecretKey::generate());
    const auto public_key = take(key.public_key());
    std::array<std::uint8_t, SV2_SECRET_KEY_LEN> stored{};
    std::memcpy(stored.data(), key.secret_bytes().data(), stored.size());
    auto loaded = take(sv2::SecretKey::from_bytes(stored));
    CHECK(take(loaded.public_key()) == public_key);

    const auto moved = std::move(loaded);
    CHECK(take(moved.public_key()) == public_key);
    CHECK(loaded.public_key().status() == SV2_ERROR_KEY);  // nothing is left there
    stored.fill(0);
    CHECK(sv2::SecretKey::from_bytes(stored).status() == SV2_ERROR_KEY);
}

void a_certificate_is_signed_and_checked() {
    const auto authority = take(sv2::SecretKey::generate()), server = take(sv2::SecretKey::generate());
    const auto key = take(sv2::AuthorityKey::of(authority));
    const auto server_key = take(server.public_key());
    const auto certificate = take(sv2::sign_certificate(authority, server_key, today, today + 1h));
    CHECK(sv2::check_certificate(certificate, key, today).ok());
    const char* reason = nullptr;
    CHECK(sv2::check_certificate(certificate, key, today + 2h, &reason) == SV2_ERROR_CERTIFICATE);
    CHECK(std::string_view{reason}.find("expired") != std::string_view::npos);
    const auto stranger = take(sv2::AuthorityKey::of(server));
    CHECK(sv2::check_certificate(certificate, stranger, today) == SV2_ERROR_CERTIFICATE);

    CHECK(sv2::sign_certificate(authority, server_key, today, Seconds{1s} - 2s).status() == SV2_ERROR_ARGUMENT);
    CHECK(sv2::sign_certificate(authority, server_key, today, today + 24h * 365 * 100).status() == SV2_ERROR_ARGUMENT);
    CHECK(sv2::Identity::create(authority, certificate).status() == SV2_ERROR_KEY);
    const auto shown = take(take(sv2::Identity::create(server, certificate)).certificate());
    CHECK(std::memcmp(shown.signature, certificate.signature, sizeof shown.signature) == 0);

    const auto issued = take(take(sv2::Identity::issue(authority, server, today, today + 1h)).certificate());
    CHECK(sv2::check_certificate(issued, key, today + 1h).ok());
    CHECK(sv2::check_certificate(issued, key, today + 2h) == SV2_ERROR_CERTIFICATE);
    CHECK(sv2::Identity::issue(authority, server, today, Seconds{1s} - 2s).status() == SV2_ERROR_ARGUMENT);
}

struct Peers {
    sv2::Connection client, server;
};

Peers noise_peers() {
    const auto authority = take(sv2::SecretKey::generate()), server = take(sv2::SecretKey::generate());
    const auto certificate = take(sv2::sign_certificate(authority, take(server.public_key()), today, today + 1h));
    return {take(sv2::Connection::initiator({.authority_key = take(sv2::AuthorityKey::of(authority))})),
            take(sv2::Connection::responder(take(sv2::Identity::create(server, certificate))))};
}

// Everything `from` has to say arrives at `to` and is handed to `handle`.
template <class F>
void talk(sv2::Connection& from, sv2::Connection& to, F handle) {
    sv2::Message message;
    for (auto out = from.output(); !out.empty(); out = from.output()) {
        const auto room = to.room(out.size());
        CHECK(room.size() >= out.size());
        std::memcpy(room.data(), out.data(), out.size());
        CHECK(to.received(out.size(), now).ok());
        CHECK(from.sent(out.size()).ok());
        sv2::Status status;
        while ((status = to.next(message)).ok()) sv2::visit(message, handle);
        CHECK(status == SV2_NEED_INPUT);
    }
}

void two_connections_talk_over_noise() {
    Peers peers = noise_peers();
    sv2::Connection &client = peers.client, &server = peers.server;
    CHECK(client.certificate().status() == SV2_NOT_FOUND && client.next_deadline());
    CHECK(client.tick(now).ok());
    CHECK(client.next_deadline() == std::chrono::steady_clock::time_point{11000ms});

    sv2_setup_connection setup{};
    setup.min_version = setup.max_version = 2;
    setup.vendor = sv2::str("sv2.hpp");
    CHECK(client.send(setup).ok());
    CHECK(client.output_len() > client.output().size());  // it waits for the handshake

    const auto ignore = [](const auto&) {};
    talk(client, server, ignore);
    talk(server, client, ignore);
    CHECK(client.is_established() && client.is_authenticated() && server.is_established());
    CHECK(client.certificate().ok());
    CHECK(client.tick(now).ok() && !client.next_deadline());

    std::string vendor;
    talk(client, server,
         sv2::overloaded{[&](const sv2_setup_connection& got) {
                             CHECK(server.send(sv2_setup_connection_success{2, 0}).ok());
                             vendor = sv2::text(got.vendor);  // still there
                         },
                         ignore});
    CHECK_EQUAL(vendor, "sv2.hpp");
    int successes = 0;
    talk(server, client, sv2::overloaded{[&](const sv2_setup_connection_success&) { ++successes; }, ignore});
    CHECK_EQUAL(successes, 1);
}

void messages_are_taken_out_of_the_callers_memory() {
    auto client = take(sv2::Connection::plain({})), server = take(sv2::Connection::plain({.is_server = true}));
    for (std::uint32_t id = 0; id < 3; ++id) CHECK(client.send(sv2_channel_endpoint_changed{id}).ok());
    std::vector<std::uint8_t> memory(client.output().begin(), client.output().end());
    memory.resize(memory.size() - 1);  // the last one is cut short
    std::span<std::uint8_t> unread = memory;
    sv2::Message message;
    for (std::uint32_t id = 0; id < 2; ++id) {
        CHECK(server.next_from(unread, now, message).ok());
        CHECK_EQUAL(message.get_if<sv2_channel_endpoint_changed>()->channel_id, id);
    }
    CHECK(server.next_from(unread, now, message) == SV2_NEED_INPUT && unread.empty());
    std::uint8_t last = client.output().back();
    unread = {&last, 1};
    CHECK(server.next_from(unread, now, message).ok());
    CHECK_EQUAL(message.get_if<sv2_channel_endpoint_changed>()->channel_id, 2u);
}

void what_is_wrong_is_said() {
    CHECK(sv2::Connection::initiator({}).status() == SV2_ERROR_ARGUMENT);
    CHECK(sv2::Connection::initiator({.allow_unauthenticated = true}).ok());

    auto server = take(sv2::Connection::plain({.is_server = true}));
    std::array<std::uint8_t, 7> malformed{0, 0, SV2_MESSAGE_SETUP_CONNECTION_SUCCESS, 1, 0, 0, 9};
    std::span<std::uint8_t> unread = malformed;
    sv2::Message message;
    CHECK(server.next_from(unread, now, message) == SV2_ERROR_MALFORMED);
    CHECK(std::string_view{server.error()}.find("SetupConnection.Success") != std::string_view::npos);
    CHECK(server.send(sv2_channel_endpoint_changed{1}) == SV2_ERROR_MALFORMED);
}

void the_library_is_the_one_of_the_headers() {
    CHECK_EQUAL(std::string_view{sv2::version()}, SV2_VERSION);
    CHECK(sv2::is_compatible());
}

}  // namespace

int main() {
    return run({
        {"a status knows its name and whose fault it is", a_status_knows_its_name_and_whose_fault_it_is},
        {"a result is a value or the reason why there is none", a_result_is_a_value_or_the_reason_why_there_is_none},
        {"an owner frees once, and one that was moved from is empty",
         an_owner_frees_once_and_one_that_was_moved_from_is_empty},
        {"views go there and back", views_go_there_and_back},
        {"an address is of IPv4 or IPv6", an_address_is_of_ipv4_or_ipv6},
        {"keys are ordered by weight, then sigops", keys_are_ordered_by_weight_then_sigops},
        {"time is told in the library's units", time_is_told_in_the_librarys_units},
        {"an empty message is no message", an_empty_message_is_no_message},
        {"frames are encoded into memory of the caller or their own",
         frames_are_encoded_into_memory_of_the_caller_or_their_own},
        {"frames are split and decoded", frames_are_split_and_decoded},
        {"a TLV is made and found", a_tlv_is_made_and_found},
        {"keys and URLs are read and written", keys_and_urls_are_read_and_written},
        {"a secret key is one number in one place", a_secret_key_is_one_number_in_one_place},
        {"a certificate is signed and checked", a_certificate_is_signed_and_checked},
        {"two connections talk over Noise", two_connections_talk_over_noise},
        {"messages are taken out of the caller's memory", messages_are_taken_out_of_the_callers_memory},
        {"what is wrong is said", what_is_wrong_is_said},
        {"the library is the one of the headers", the_library_is_the_one_of_the_headers},
    });
}
