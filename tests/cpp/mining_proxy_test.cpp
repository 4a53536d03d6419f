// sv2::MiningProxy between a miner and two upstreams made of messages, in memory, in pass-through: what goes up and down, and
// what happens when the upstream is lost.

#include <array>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "check.hpp"
#include "sv2.hpp"

namespace {

using sv2::MiningProxy;

constexpr sv2_time now{1'000, 1'700'000'000};
constexpr std::uint64_t miner_id = 7;
constexpr std::array<std::uint8_t, 4> prefix{1, 2, 3, 4};

template <class T>
T take(sv2::Result<T> result) {
    CHECK_EQUAL(std::string_view{result.status().name()}, std::string_view{"SV2_OK"});
    return *std::move(result);
}

MiningProxy make_proxy() {
    const std::array upstreams{sv2::plaintext_mining_upstream("first", 3333, "operator"),
                               sv2::plaintext_mining_upstream("second", 3334, "operator")};
    sv2_mining_server_options downstream = sv2::mining_server_options();
    downstream.plaintext = 1;
    auto options = sv2::mining_proxy_options();
    options.mode = SV2_MINING_PROXY_PASS_THROUGH;
    options.no_worker_identity = 1;
    return take(MiningProxy::create(upstreams, downstream, options));
}

struct World {
    MiningProxy proxy = make_proxy();
    std::optional<sv2::Connection> pool;
    sv2::Connection miner = take(sv2::Connection::plain({}));
    std::vector<std::string> seen;
    std::vector<std::uint32_t> pool_heard, miner_heard;
    std::uint32_t request_id = 0, channel_id = 0;

    // A peer reads what it is written.
    static void read(sv2::Connection& peer, sv2::Bytes out, std::vector<std::uint32_t>& heard, std::uint32_t* request_id,
                     std::uint32_t* channel_id) {
        std::vector<std::uint8_t> bytes{out.begin(), out.end()};
        std::span<std::uint8_t> rest{bytes};
        sv2::Message message;
        while (peer.next_from(rest, now, message).ok()) {
            heard.push_back(message.type);
            if (message.type == SV2_MESSAGE_OPEN_EXTENDED_MINING_CHANNEL) {
                *request_id = message.as.open_extended_mining_channel.request_id;
            }
            if (message.type == SV2_MESSAGE_OPEN_EXTENDED_MINING_CHANNEL_SUCCESS) {
                *channel_id = message.as.open_extended_mining_channel_success.channel_id;
            }
        }
    }

    void drain() {
        while (const auto event = proxy.next_event()) {
            std::visit([this](const auto& e) { see(e); }, *event);
        }
        CHECK(!proxy.failed());
    }

    template <class M>
    void pool_says(const M& fields) {
        CHECK(pool->send(fields).ok());
        const sv2::Bytes out = pool->output();
        std::vector<std::uint8_t> bytes{out.begin(), out.end()};
        CHECK(pool->sent(bytes.size()).ok());
        CHECK(proxy.upstream_receive(bytes, now).ok());
        drain();
    }

    template <class M>
    void miner_says(const M& fields) {
        CHECK(miner.send(fields).ok());
        const sv2::Bytes out = miner.output();
        std::vector<std::uint8_t> bytes{out.begin(), out.end()};
        CHECK(miner.sent(bytes.size()).ok());
        CHECK(proxy.receive(miner_id, bytes, now).ok());
        drain();
    }

    void connect_pool() {
        pool.emplace(take(sv2::Connection::plain({.is_server = true})));
        CHECK(proxy.upstream_connected(now).ok());
        drain();
        pool_says(sv2_setup_connection_success{2, 0});
    }

    void see(const MiningProxy::ConnectUpstream& e) {
        seen.push_back("connect " + std::string{e.host} + ":" + std::to_string(e.port));
    }
    void see(const MiningProxy::UpstreamWritable&) {
        read(*pool, proxy.upstream_output(), pool_heard, &request_id, nullptr);
        CHECK(proxy.upstream_sent(proxy.upstream_output().size(), now).ok());
    }
    void see(const sv2::Writable& e) {
        CHECK(e.connection == miner_id);
        read(miner, proxy.output(miner_id), miner_heard, nullptr, &channel_id);
        CHECK(proxy.sent(miner_id, proxy.output(miner_id).size(), now).ok());
    }
    void see(const sv2::Close& e) { seen.push_back("close: " + std::string{e.reason}); }
    void see(const MiningProxy::CloseUpstream& e) { seen.push_back("close upstream: " + std::string{e.reason}); }
    void see(const MiningProxy::UpstreamReady& e) { seen.push_back("ready " + std::to_string(e.upstream)); }
    void see(const MiningProxy::UpstreamLost& e) { seen.push_back("lost " + std::to_string(e.upstream)); }
    void see(const MiningProxy::UpstreamAccepted& e) {
        seen.push_back("accepted " + std::to_string(e.count) + " of " + std::to_string(e.channel.connection));
    }
    void see(const MiningProxy::UpstreamRejected& e) { seen.push_back("rejected " + std::string{sv2::text(e.error_code)}); }
    void see(const MiningProxy::ChannelOpened& e) {
        seen.push_back("opened " + std::to_string(e.channel.channel_id) + " " + std::string{sv2::text(e.user_identity)});
    }
    void see(const MiningProxy::ChannelClosed& e) { seen.push_back("closed " + std::to_string(e.channel_id)); }
    void see(const MiningProxy::ShareAccepted&) { seen.emplace_back("share"); }
    void see(const MiningProxy::ShareRejected& e) { seen.push_back("no share: " + std::string{sv2::text(e.error_code)}); }
    void see(const MiningProxy::BlockFound&) { seen.emplace_back("block"); }
};

sv2_u256 u256(std::uint8_t byte) {
    sv2_u256 value;
    std::memset(value.bytes, byte, sizeof value.bytes);
    return value;
}

void a_channel_goes_through_and_stays_when_the_upstream_is_lost() {
    World world;
    CHECK(world.proxy.tick(now).ok());
    world.drain();
    world.connect_pool();
    CHECK(world.proxy.upstream() == 0U);
    CHECK(world.proxy.connect(miner_id, std::nullopt, now).ok());
    world.miner_says(sv2_setup_connection{0, 2, 2, 0, sv2::str("host"), 3333, sv2::str(""), sv2::str(""), sv2::str(""),
                                          sv2::str("")});
    world.miner_says(sv2_open_extended_mining_channel{9, sv2::str("worker"), 1.0F, u256(0xff), 4});
    const auto open = [&](std::uint32_t channel_id) {
        world.pool_says(sv2_open_extended_mining_channel_success{world.request_id, channel_id, u256(0xff), 8,
                                                                 sv2::bytes(prefix), 90});
    };
    open(101);
    CHECK_EQUAL(world.channel_id, 2U);
    world.pool_says(sv2_submit_shares_success{101, 1, 3, 4});
    CHECK(world.proxy.totals().upstream_accepted == 3 && world.proxy.totals().upstream_difficulty == 4);

    world.proxy.upstream_disconnected(now);
    world.drain();
    CHECK(!world.proxy.upstream());
    world.connect_pool();
    open(55);
    const std::vector<std::string> expected{"connect first:3333", "ready 0", "opened 2 worker", "accepted 3 of 7", "lost 0",
                                            "connect second:3334", "ready 1"};
    CHECK(world.seen == expected);
    const std::vector<std::uint32_t> heard{SV2_MESSAGE_SETUP_CONNECTION_SUCCESS,
                                           SV2_MESSAGE_OPEN_EXTENDED_MINING_CHANNEL_SUCCESS,
                                           SV2_MESSAGE_SUBMIT_SHARES_SUCCESS, SV2_MESSAGE_SET_EXTRANONCE_PREFIX,
                                           SV2_MESSAGE_SET_TARGET};
    CHECK(world.miner_heard == heard);
    world.proxy.disconnect(miner_id, now);
    world.drain();
    CHECK_EQUAL(world.seen.back(), std::string{"closed 2"});
    CHECK_EQUAL(world.pool_heard.back(), std::uint32_t{SV2_MESSAGE_CLOSE_CHANNEL});
}

void what_is_missing_is_said() {
    sv2_mining_server_options downstream = sv2::mining_server_options();
    const auto upstream = sv2::plaintext_mining_upstream("first", 3333, "");
    CHECK(MiningProxy::create({&upstream, 1}, downstream).status() == SV2_ERROR_ARGUMENT);  // no identity
    downstream.plaintext = 1;
    CHECK(MiningProxy::create({}, downstream).status() == SV2_ERROR_NULL);
    sv2_mining_upstream nobody = SV2_MINING_UPSTREAM_INIT;
    CHECK(MiningProxy::create({&nobody, 1}, downstream).status() == SV2_ERROR_ARGUMENT);
}

}  // namespace

int main() {
    a_channel_goes_through_and_stays_when_the_upstream_is_lost();
    what_is_missing_is_said();
}
