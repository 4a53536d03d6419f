// sv2::MiningClient against a server made of messages, in memory: an extended channel, and every kind of event.

#include <array>
#include <cstring>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "check.hpp"
#include "sv2.hpp"

namespace {

using sv2::MiningClient;

constexpr sv2_time now{1'000, 1'700'000'000};
constexpr std::array<std::uint8_t, 4> prefix{1, 2, 3, 4};
constexpr std::array<std::uint8_t, 2> extranonce{5, 6};
const sv2_u256 any_target = [] {
    sv2_u256 target;
    std::memset(target.bytes, 0xff, sizeof target.bytes);
    return target;
}();

template <class T>
T take(sv2::Result<T> result) {
    CHECK_EQUAL(std::string_view{result.status().name()}, std::string_view{"SV2_OK"});
    return *std::move(result);
}

struct World {
    MiningClient client;
    sv2::Connection server;
    std::vector<std::string> seen;
    std::vector<std::uint32_t> heard;

    static World ready() {
        auto options = sv2::mining_client_options();
        constexpr std::array<std::uint16_t, 1> extensions{SV2_EXTENSION_WORKER_SPECIFIC_HASHRATE_TRACKING};
        options.extensions = {extensions.data(), extensions.size()};
        World world{take(MiningClient::plaintext(options)), take(sv2::Connection::plain({.is_server = true})), {}, {}};
        CHECK(world.client.connect(now).ok());
        world.hear();
        world.say(sv2_setup_connection_success{2, 0});
        world.hear();
        return world;
    }

    void hear() {
        drain();
        while (!client.output().empty()) {
            const sv2::Bytes out = client.output();
            std::vector<std::uint8_t> bytes{out.begin(), out.end()};
            CHECK(client.sent(bytes.size(), now).ok());
            std::span<std::uint8_t> rest{bytes};
            sv2::Message message;
            while (server.next_from(rest, now, message).ok()) heard.push_back(message.type);
        }
    }

    template <class M>
    void say(const M& fields) {
        CHECK(server.send(fields).ok());
        const sv2::Bytes out = server.output();
        CHECK(client.receive(out, now).ok());
        CHECK(server.sent(out.size()).ok());
        drain();
    }

    void drain() {
        while (const auto event = client.next_event()) {
            std::visit([this](const auto& e) { see(e); }, *event);
        }
        CHECK(!client.failed());
    }

    void see(const MiningClient::Ready&) { seen.emplace_back("ready"); }
    void see(const MiningClient::Extensions&) { seen.emplace_back("extensions"); }
    void see(const MiningClient::ChannelOpened& e) { seen.push_back("opened " + std::to_string(e.channel_id)); }
    void see(const MiningClient::OpenRefused& e) { seen.push_back("refused " + std::string{sv2::text(e.error_code)}); }
    void see(const MiningClient::FutureJob& e) { seen.push_back("future " + std::to_string(e.job_id)); }
    void see(const MiningClient::NewJob& e) {
        seen.push_back("job " + std::to_string(e.job_id) + (e.clean ? " clean" : ""));
    }
    void see(const MiningClient::TipWithoutJob&) { seen.emplace_back("nothing to mine on"); }
    void see(const MiningClient::TargetChanged&) { seen.emplace_back("target"); }
    void see(const MiningClient::PrefixChanged&) { seen.emplace_back("prefix"); }
    void see(const MiningClient::SharesAccepted& e) { seen.push_back("accepted " + std::to_string(e.count)); }
    void see(const MiningClient::ShareRejected& e) { seen.push_back("rejected " + std::string{sv2::text(e.error_code)}); }
    void see(const MiningClient::UpdateRefused& e) { seen.push_back("no update " + std::string{sv2::text(e.error_code)}); }
    void see(const MiningClient::ChannelClosed& e) { seen.push_back("closed " + std::string{sv2::text(e.reason_code)}); }
    void see(const MiningClient::CustomJobAccepted& e) { seen.push_back("custom " + std::to_string(e.job_id)); }
    void see(const MiningClient::CustomJobRefused& e) { seen.push_back("no custom " + std::string{sv2::text(e.error_code)}); }
    void see(const MiningClient::Reconnect& e) {
        seen.push_back("go to " + std::string{sv2::text(e.host)} + ":" + std::to_string(e.port));
    }
    void see(const MiningClient::ChannelEndpointChanged& e) { seen.push_back("endpoint " + std::to_string(e.channel_id)); }
    void see(const MiningClient::ExtensionMessage& e) { seen.push_back("extension " + std::to_string(e.payload.len)); }
    void see(const MiningClient::Writable&) {}
    void see(const MiningClient::Close& e) { seen.push_back("close: " + std::string{e.reason}); }
};

sv2_u256 u256(std::uint8_t byte) {
    sv2_u256 value;
    std::memset(value.bytes, byte, sizeof value.bytes);
    return value;
}

void everything_that_happens_is_an_event() {
    World world = World::ready();
    MiningClient& client = world.client;
    constexpr std::array<std::uint16_t, 1> supported{SV2_EXTENSION_WORKER_SPECIFIC_HASHRATE_TRACKING};
    world.say(sv2_request_extensions_success{1, {supported.data(), supported.size()}});
    CHECK(client.is_negotiated(SV2_EXTENSION_WORKER_SPECIFIC_HASHRATE_TRACKING) && client.is_ready());
    const std::uint32_t refused = take(client.open_standard("nobody", 1e12F, any_target, now));
    world.say(sv2_open_mining_channel_error{refused, sv2::str("unknown-user")});
    const std::uint32_t request = take(client.open_extended("me", 1e12F, any_target, 2, now));
    world.say(sv2_open_extended_mining_channel_success{request, 2, u256(0x55), 2, sv2::bytes(prefix), 1});

    const std::vector<std::uint8_t> coinbase(60, 0xaa);
    const sv2_u256 path = u256(7);
    sv2_new_extended_mining_job job{1, 5, {0, 0}, 0x20000000, 1, {&path, 1}, sv2::bytes(coinbase), sv2::bytes(coinbase)};
    world.say(job);
    world.say(sv2_set_new_prev_hash{1, 5, u256(1), 1'700'000'000, 0x207fffff});
    job.job_id = 6;
    job.min_ntime = {1, 1'700'000'001};
    world.say(job);
    world.say(sv2_set_target{2, u256(0x22)});
    world.say(sv2_set_extranonce_prefix{2, sv2::bytes(prefix)});
    world.say(sv2_reconnect{sv2::str("other.example"), 3333});
    world.say(sv2_channel_endpoint_changed{2});
    world.say(sv2_update_channel_error{2, sv2::str("invalid-channel-id")});

    CHECK_EQUAL(client.channels().size(), std::size_t{1});
    CHECK_EQUAL(take(client.channel(2)).active_job_id, std::uint32_t{6});
    CHECK_EQUAL(take(client.extended_job(2, 6)).merkle_path.count, std::size_t{1});
    const sv2_block_header header = take(client.header(2, 6, extranonce));
    const std::uint32_t nonce = take(sv2::search(header, take(client.job(2, 6)).target, 0, 1'000));
    const sv2_mining_client_share share{6, nonce, header.time, header.version, sv2::bytes(extranonce), {nullptr, 0}};
    CHECK_EQUAL(take(client.submit(2, share, now)), std::uint32_t{1});
    CHECK_EQUAL(take(client.submit(2, share, now)), std::uint32_t{2});
    CHECK_EQUAL(client.unanswered(2).size(), std::size_t{2});
    world.say(sv2_submit_shares_error{2, 2, sv2::str("duplicate-share")});
    world.say(sv2_submit_shares_success{2, 1, 1, 10});

    sv2_set_custom_mining_job custom{};
    custom.channel_id = 2;
    const std::uint32_t first = take(client.set_custom_job(custom, now));
    const std::uint32_t second = take(client.set_custom_job(custom, now));
    world.say(sv2_set_custom_mining_job_success{2, first, 40});
    world.say(sv2_set_custom_mining_job_error{2, second, sv2::str("stale-chain-tip")});
    world.say(sv2_set_new_prev_hash{1, 99, u256(2), 1'700'000'000, 0x207fffff});
    world.say(sv2_close_channel{2, sv2::str("maintenance")});
    world.say(sv2_setup_connection_error{0, sv2::str("too late")});
    world.say(sv2_set_new_prev_hash{1, 99, u256(2), 1'700'000'000, 0x207fffff});
    CHECK(client.update_channel(2, 1.0F, any_target, now) == SV2_NOT_FOUND);
    CHECK(client.close_channel(2, "bye", now) == SV2_NOT_FOUND);
    CHECK(client.send_extension_message(0x99, 1, false, prefix, now).ok());
    world.hear();

    const std::vector<std::string> expected{
        "ready", "extensions", "refused unknown-user", "opened 2", "future 5", "job 5 clean", "job 6", "target", "prefix",
        "go to other.example:3333", "endpoint 2", "no update invalid-channel-id", "rejected duplicate-share", "accepted 1",
        "custom 40", "no custom stale-chain-tip", "nothing to mine on", "closed maintenance"};
    CHECK(world.seen == expected);
    CHECK_EQUAL(world.heard.front(), std::uint32_t{SV2_MESSAGE_SETUP_CONNECTION});
    CHECK_EQUAL(world.heard.back(), std::uint32_t{0x9901});
}

void a_server_that_is_silent_is_left() {
    World world = World::ready();
    CHECK(world.client.open_standard("me", 1.0F, any_target, now).ok());
    CHECK(world.client.next_deadline().has_value());
    CHECK(world.client.tick({now.monotonic_ms + 30'000, now.unix_s}).ok());
    world.drain();
    CHECK_EQUAL(world.seen.back(), std::string{"close: no answer to a request for a channel in time"});
    CHECK(!world.client.is_connected() && world.client.last_heard().has_value());
}

void who_is_trusted_must_be_said() {
    auto options = sv2::mining_client_options();
    options.receive_buffer_len = 100;
    CHECK(MiningClient::plaintext(options).status() == SV2_ERROR_ARGUMENT);
    CHECK(MiningClient::unauthenticated().ok());
}

}  // namespace

int main() {
    everything_that_happens_is_an_event();
    a_server_that_is_silent_is_left();
    who_is_trusted_must_be_said();
}
