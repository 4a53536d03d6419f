// The server's side of channels from C++: a job, a tip, a block, and a group.

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "check.hpp"
#include "sv2.hpp"

namespace {

constexpr std::uint32_t regtest = 0x207fffff, time_of_tip = 1'700'000'000;
constexpr sv2_time now{1'000, time_of_tip};
constexpr std::array<std::uint8_t, 4> prefix{9, 0, 0, 1};
constexpr std::array<std::uint8_t, 4> rolled{1, 2, 3, 4};

template <class T>
T take(sv2::Result<T> result) {
    CHECK_EQUAL(std::string_view{result.status().name()}, std::string_view{"SV2_OK"});
    return *std::move(result);
}

sv2::ExtendedJob job(std::uint32_t salt) {
    constexpr std::array<std::uint8_t, 2> height_101{0x01, 0x65};
    constexpr std::array<std::uint8_t, 1> script{0x51};
    sv2_new_template from{};
    from.template_id = 77;
    from.version = 0x20000000;
    from.coinbase_prefix = sv2::bytes(height_101);
    from.coinbase_tx_value_remaining = 5'000'000'000;
    const auto factory = take(sv2::JobFactory::create("pool", "", prefix.size() + rolled.size()));
    return take(factory.job(from, take(sv2::Payout::single(script)), salt));
}

sv2::ServerChannel channel() {
    auto options = sv2::server_channel_options();
    options.channel_id = 2;
    options.kind = SV2_CHANNEL_EXTENDED;
    options.extranonce_prefix = sv2::bytes(prefix);
    options.extranonce_size = rolled.size();
    options.max_target = take(sv2::target_from_hashrate(1, 60));
    options.target = sv2_u256{};  // only blocks count
    return take(sv2::ServerChannel::create(options));
}

sv2_submit_shares_extended share(std::uint32_t job_id, std::uint32_t nonce) {
    sv2_submit_shares_extended message{};
    message.channel_id = 2;
    message.sequence_number = 1;
    message.job_id = job_id;
    message.nonce = nonce;
    message.ntime = time_of_tip;
    message.version = 0x20000000;
    message.extranonce = sv2::bytes(rolled);
    return message;
}

void a_block_is_found_once() {
    auto of = channel();
    const auto work = job(0);
    const auto tip = take(sv2::mining_tip(sv2_u256{}, regtest, time_of_tip, time_of_tip));
    CHECK(of.tip().status() == SV2_NOT_FOUND);
    CHECK(of.add_future_job(10, work).ok() && of.activate(10, tip).ok());
    CHECK(take(of.live_jobs()) == std::vector<std::uint32_t>{10});
    CHECK(take(of.future_jobs()).empty());
    CHECK_EQUAL(take(of.info()).active_job_id, 10U);

    std::uint32_t nonce = 0;
    auto verdict = take(of.submit(sv2::submission(share(10, nonce)), now));
    while (verdict.error == SV2_SHARE_DIFFICULTY_TOO_LOW) {
        verdict = take(of.submit(sv2::submission(share(10, ++nonce)), now));
    }
    CHECK(verdict.error == SV2_SHARE_OK && verdict.is_block);
    CHECK_EQUAL(verdict.header.nonce, nonce);
    const auto coinbase = take(sv2::coinbase(verdict.job, sv2::view(verdict.extranonce)));
    CHECK(std::ranges::equal(coinbase, take(sv2::coinbase(work.get(), prefix, rolled))));
    CHECK_EQUAL(take(of.submit(sv2::submission(share(10, nonce)), now)).error, SV2_SHARE_DUPLICATE_SHARE);
    const auto message = of.flush();
    CHECK(message && message->channel_id == 2 && message->new_submits_accepted_count == 1 && !of.deadline());
    CHECK_EQUAL(take(of.totals()).accepted, std::uint64_t{1});

    CHECK(of.set_tip(take(sv2::mining_tip(sv2_u256{{1}}, regtest, time_of_tip, time_of_tip))).ok());
    CHECK_EQUAL(take(of.submit(sv2::submission(share(10, nonce)), now)).error, SV2_SHARE_STALE_SHARE);
    CHECK(!of.late_block(sv2::submission(share(10, nonce)), now));  // it was given
}

void a_job_is_shared_with_its_channel() {
    auto of = channel();
    CHECK(of.add_job(11, job(1), time_of_tip) == SV2_ERROR_STATE);
    CHECK(of.set_tip(take(sv2::mining_tip(sv2_u256{}, regtest, time_of_tip, time_of_tip))).ok());
    CHECK(of.add_job(11, job(1), time_of_tip).ok());
    const auto found = take(of.job(11));
    CHECK_EQUAL(take(found.source()).template_id, std::uint64_t{77});
    const auto message = take(found.message(2, 11, time_of_tip));
    const auto theirs = take(sv2::ExtendedJob::upstream(message, found.extranonce_len()));
    CHECK(std::ranges::equal(take(theirs.merkle_root(prefix, rolled)).bytes,
                             take(found.merkle_root(prefix, rolled)).bytes));
    CHECK(of.job(12).status() == SV2_NOT_FOUND);
    CHECK(!take(of.set_target(sv2_u256{})) && take(of.set_target(sv2_u256{{1}})));
}

void a_group_has_members_of_one_length() {
    auto group = take(sv2::GroupChannel::create(1, 8));
    CHECK(group.add(3, 8).ok() && group.add(2, 8).ok());
    CHECK(group.add(4, 9) == SV2_ERROR_ARGUMENT);
    CHECK(group.add(3, 8) == SV2_ERROR_STATE);
    CHECK(std::ranges::equal(group.members(), std::array<std::uint32_t, 2>{2, 3}));
    CHECK(group.remove(2).ok() && group.remove(2) == SV2_NOT_FOUND);
    CHECK_EQUAL(group.id(), 1U);
}

}  // namespace

int main() {
    return run({
        {"a block is found once", a_block_is_found_once},
        {"a job is shared with its channel", a_job_is_shared_with_its_channel},
        {"a group has members of one length", a_group_has_members_of_one_length},
    });
}
