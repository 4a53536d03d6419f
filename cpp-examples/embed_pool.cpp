// Lesson: a mining pool inside a program of one's own.
//
// The template provider is faked by one template. Around the engine, sv2::MiningServer, stands the loop that every program with
// an engine has: sockets and templates tell it what happens, and it says in events what is to be done. A miner opens a channel,
// gets a job, and finds a block. See also sv2-pool/: the whole program, with template providers and 10,000 miners.

#include <poll.h>

#include <array>
#include <cstdio>
#include <future>
#include <stdexcept>

#include "host/socket.hpp"
#include "sv2.hpp"

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
constexpr auto patience = 5s;             // how long either side waits for the other
constexpr std::uint64_t to_the_pool = 1;  // our name for what all channels here mine: a payout
constexpr std::array<std::uint8_t, 1> op_true{0x51}, height_1{0x51};

void check(sv2::Status status) {
    if (status.is_error()) throw std::runtime_error(status.message());
}
template <class T>
T take(sv2::Result<T> result) {
    check(result.status());
    return *std::move(result);
}

// What a template provider would say: a template that waits for its tip, and then the tip.
void give_work(sv2::MiningServer& pool) {
    sv2_new_template of{};
    of.template_id = 7, of.future_template = 1;
    of.version = 0x20000000, of.coinbase_tx_version = 2;
    of.coinbase_prefix = sv2::bytes(height_1);
    of.coinbase_tx_input_sequence = 0xffffffff;
    of.coinbase_tx_value_remaining = 5'000'000'000;
    check(pool.new_template(of, sv2::now()));
    sv2_set_new_prev_hash_template tip{};
    tip.template_id = of.template_id, tip.prev_hash.bytes[31] = 1;
    tip.header_timestamp = static_cast<std::uint32_t>(sv2::now().unix_s);
    tip.nbits = 0x207fffff;  // regtest's: every other hash meets it
    check(sv2_target_from_nbits(tip.nbits, &tip.target));
    check(pool.set_new_prev_hash(tip, sv2::now()));
}

// Serves until its miner has gone.
void serve(const host::Socket& listener, const sv2::Identity& identity) {
    sv2_mining_server_options options = sv2::mining_server_options();
    options.pool_tag = sv2::str("lesson");
    auto pool = take(sv2::MiningServer::create(identity, options));
    check(pool.set_payout(to_the_pool, take(sv2::Payout::single(op_true)), "", sv2::now()));
    give_work(pool);
    // One socket, and our name for it: embed_template_provider.cpp has a map of them.
    constexpr std::uint64_t miner = 1;
    host::Socket socket = host::accept_from(listener, patience);
    check(pool.connect(miner, std::nullopt, sv2::now()));
    bool is_open = true;
    const sv2::overloaded handle{
        [](const sv2::MiningServer::BlockFound& e) {  // to the template provider with e.solution, before anything else
            std::printf("pool: a block on template %ju\n", std::uintmax_t{e.solution.template_id});
        },
        [&](const sv2::MiningServer::OpenChannel& e) {  // whoever it is: refuse_channel for those who are not welcome
            std::printf("pool: a channel for %.*s\n", static_cast<int>(e.user_identity.len), e.user_identity.data);
            check(pool.accept_channel(e.connection, e.request_id, to_the_pool, sv2::now()).status());
        },
        [](const sv2::MiningServer::ShareAccepted& e) { std::printf("pool: a share of channel %u\n", e.channel_id); },
        [&](const sv2::Writable& e) {
            const sv2::Bytes out = pool.output(e.connection);
            const ssize_t n = send(socket.fd(), out.data(), out.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
            if (n > 0) check(pool.sent(e.connection, static_cast<std::size_t>(n), sv2::now()));
        },
        [&](const sv2::Close&) { is_open = false; },
        [](const auto&) {},  // the others are of interest to those who keep accounts
    };
    for (std::array<std::uint8_t, 4096> bytes; is_open;) {
        const auto wait = pool.next_deadline().value_or(Clock::now() + 1s) - Clock::now();
        const auto ms = std::chrono::ceil<std::chrono::milliseconds>(wait).count();
        pollfd polled{socket.fd(), POLLIN, 0};
        if (poll(&polled, 1, std::max(0, static_cast<int>(ms))) > 0) {
            const std::size_t n = socket.read(bytes);
            check(pool.receive(miner, std::span{bytes}.first(n), sv2::now()));
            if (n == 0) pool.disconnect(miner), is_open = false;
        }
        check(pool.tick(sv2::now()));
        while (const auto event = pool.next_event()) std::visit(handle, *event);
    }
}

// A miner with one standard channel, on the codec alone: it rolls nothing but the nonce.
void mine(std::uint16_t port, const sv2::AuthorityKey& authority) {
    host::Socket socket = host::connect_tcp("127.0.0.1", port);
    auto conn = take(sv2::Connection::initiator({.authority_key = authority}));
    sv2_setup_connection setup{};
    setup.min_version = setup.max_version = 2, setup.flags = SV2_FLAG_REQUIRES_STANDARD_JOBS;  // of the Mining Protocol: 0
    check(conn.send(setup));
    sv2_open_standard_mining_channel open{1, sv2::str("alice.rig1"), 1e6F, {}};
    std::ranges::fill(open.max_target.bytes, 0xff);

    sv2_new_mining_job job{};
    std::uint32_t acknowledged = 0;
    const sv2::overloaded handle{
        [&](const sv2_setup_connection_success&) { check(conn.send(open)); },
        [&](const sv2_new_mining_job& e) { job = e; },
        [&](const sv2_set_new_prev_hash& tip) {
            std::printf("miner: job %u on a new tip\n", tip.job_id);
            sv2_block_header header{job.version, tip.prev_hash, job.merkle_root, tip.min_ntime, tip.nbits, 0};
            sv2_u256 target, hash;
            check(sv2_target_from_nbits(tip.nbits, &target));
            while (sv2_block_header_hash(&header, &hash) == SV2_OK && !sv2_target_is_met(&target, &hash)) ++header.nonce;
            check(conn.send(sv2_submit_shares_standard{tip.channel_id, 0, tip.job_id, header.nonce, header.time, job.version}));
        },
        [&](const sv2_submit_shares_success& e) { acknowledged = e.new_submits_accepted_count; },
        [](const auto&) {},
    };
    for (sv2::Message message; acknowledged == 0;) {
        while (!conn.output().empty()) check(conn.sent(socket.write(conn.output(), patience)));
        const std::size_t n = socket.read(conn.room(4096), patience);
        if (n == 0) throw std::runtime_error("the pool hung up");
        check(conn.received(n, sv2::now()));
        while (conn.next(message).ok()) sv2::visit(message, handle);
    }
    std::printf("miner: %u share acknowledged\n", acknowledged);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc > 1) {
        std::printf("usage: %s\n\nA pool gives work, and a miner finds a block.\n", argv[0]);
        return std::string_view(argv[1]) == "--help" ? 0 : 2;
    }
    try {
        const auto authority = take(sv2::SecretKey::generate()), key = take(sv2::SecretKey::generate());
        const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
        const auto identity = take(sv2::Identity::issue(authority, key, now - 1h, now + 24h));
        const auto listener = host::listen_on_loopback();
        auto pool = std::async(std::launch::async, [&] { serve(listener, identity); });
        mine(host::port_of(listener), take(sv2::AuthorityKey::of(authority)));
        pool.get();
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
