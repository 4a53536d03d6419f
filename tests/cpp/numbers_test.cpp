// The numbers of mining from C++: a channel that is given its place, its target, and what it has earned.

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "check.hpp"
#include "sv2.hpp"

namespace {

template <class T>
T take(sv2::Result<T> result) {
    CHECK_EQUAL(std::string_view{result.status().name()}, std::string_view{"SV2_OK"});
    return *std::move(result);
}

constexpr sv2_time at(std::uint64_t monotonic_ms) { return {monotonic_ms, 1'700'000'000}; }

void a_target_is_that_of_a_hashrate() {
    const sv2_u256 target = take(sv2::target_from_hashrate(1e15, 18));
    const double hashrate = take(sv2::hashrate(target, 18));
    CHECK(hashrate > 0.999'999e15 && hashrate < 1.000'001e15);
    CHECK(sv2::target_from_hashrate(0, 18).status() == SV2_ERROR_ARGUMENT);
    CHECK(sv2::hashrate(target, -1).status() == SV2_ERROR_ARGUMENT);
}

void a_prefix_is_not_given_away_twice() {
    const std::array<std::uint8_t, 1> server_id{9};
    sv2_extranonce_layout layout{};
    layout.server_id = sv2::bytes(server_id);
    layout.index_len = 3;
    layout.rollable_len = 16;
    auto allocator = take(sv2::ExtranonceAllocator::create(layout));
    const auto first = take(allocator.allocate());
    const auto second = take(allocator.allocate());
    CHECK(std::ranges::equal(first.extended(), std::array<std::uint8_t, 4>{9, 0, 0, 0}));
    CHECK(std::ranges::equal(second.extended(), std::array<std::uint8_t, 4>{9, 0, 0, 1}));
    CHECK_EQUAL(second.standard().size(), std::size_t{20});
    CHECK_EQUAL(second.extranonce_size(), std::uint16_t{16});
    CHECK(allocator.release(first.index, 1).ok());
    CHECK_EQUAL(take(allocator.allocate()).index, 2U);
    CHECK_EQUAL(allocator.quarantined(), std::size_t{1});
    CHECK(allocator.reclaim(2).ok());
    CHECK_EQUAL(take(allocator.allocate()).index, 0U);
    CHECK_EQUAL(allocator.used(), std::size_t{3});

    const std::array<std::uint8_t, 2> upstream{1, 2};
    CHECK(allocator.set_upstream_prefix(upstream).ok());
    auto present = take(allocator.prefix(1));
    CHECK(std::ranges::equal(present.extended(), std::array<std::uint8_t, 6>{1, 2, 9, 0, 0, 1}));
    CHECK(allocator.set_server_id({}).ok());
    present = take(allocator.prefix(1));
    CHECK(std::ranges::equal(present.extended(), std::array<std::uint8_t, 5>{1, 2, 0, 0, 1}));
    CHECK(allocator.prefix(77).status() == SV2_NOT_FOUND);
}

void a_silent_channel_is_lowered() {
    auto vardiff = take(sv2::Vardiff::create(1e15, at(0)));
    std::optional<double> lowered;
    std::uint64_t second = 0;
    while (!lowered) lowered = vardiff.decide(1e16, at(++second * 1'000));
    CHECK(second < 60 && *lowered < 1e14);
    CHECK_EQUAL(vardiff.hashrate(), *lowered);
    CHECK(vardiff.share(*lowered * 10, at(second * 1'000 + 500)).ok());
    CHECK(vardiff.restart(2e15, at(61'000)).ok());
    CHECK(vardiff.estimate(at(61'000)) > 1.99e15);
}

void an_account_says_when_to_acknowledge() {
    auto options = sv2::accounting_options();
    options.batch_ms = 250;
    auto account = take(sv2::Accounting::create(options));
    CHECK(!account.deadline());
    CHECK(account.accept(1, 1'000, sv2_u256{}, at(0)).ok());
    CHECK(account.deadline().has_value());
    CHECK(!account.due(at(249)));
    const auto message = account.due(at(250));
    CHECK(message && message->new_submits_accepted_count == 1 && message->new_shares_sum == 1'000);
    CHECK(!account.flush());
    CHECK(account.reject(SV2_SHARE_STALE_SHARE).ok());
    const auto totals = take(account.totals());
    CHECK(totals.accepted == 1 && totals.rejected[SV2_SHARE_STALE_SHARE] == 1);
}

void one_that_was_moved_from_is_no_object() {
    auto account = take(sv2::Accounting::create());
    const auto moved = std::move(account);
    CHECK(moved && !account);  // NOLINT(bugprone-use-after-move)
    CHECK(account.reject(SV2_SHARE_STALE_SHARE) == SV2_ERROR_NULL);
}

}  // namespace

int main() {
    return run({
        {"a target is that of a hashrate", a_target_is_that_of_a_hashrate},
        {"a prefix is not given away twice", a_prefix_is_not_given_away_twice},
        {"a silent channel is lowered", a_silent_channel_is_lowered},
        {"an account says when to acknowledge", an_account_says_when_to_acknowledge},
        {"one that was moved from is no object", one_that_was_moved_from_is_no_object},
    });
}
