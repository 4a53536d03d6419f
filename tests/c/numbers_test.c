/* The numbers of mining from C: hashrates, extranonces, vardiff, accounts. */

#include "check.h"

static sv2_time at(uint64_t monotonic_ms) {
    sv2_time time = at_start;
    time.monotonic_ms = monotonic_ms;
    return time;
}

static int is_near(double value, double other) { return value > other * (1 - 1e-12) && value < other * (1 + 1e-12); }

static void a_hashrate_has_a_target_and_a_target_its_hashrate(void) {
    sv2_u256 target, easiest;
    double hashrate = 0;
    RETURNS(SV2_OK, sv2_target_from_hashrate(1e12, 6, &target));
    CHECK(is_near(sv2_target_work(&target), 1e13));
    RETURNS(SV2_OK, sv2_target_hashrate(&target, 6, &hashrate));
    CHECK(is_near(hashrate, 1e12));
    memset(&easiest, 0xff, sizeof easiest);
    CHECK(sv2_target_work(&easiest) == 1);
    LEAVES_ALONE(target, SV2_ERROR_ARGUMENT, sv2_target_from_hashrate(0, 6, &target));
    LEAVES_ALONE(target, SV2_ERROR_ARGUMENT, sv2_target_from_hashrate(1e12, -6, &target));
    LEAVES_ALONE(target, SV2_ERROR_ARGUMENT, sv2_target_from_hashrate(1e80, 6, &target));
    LEAVES_ALONE(hashrate, SV2_ERROR_ARGUMENT, sv2_target_hashrate(&easiest, 0, &hashrate));
}

static void each_channel_gets_a_prefix_of_its_own(void) {
    static const uint8_t server[] = {7}, upstream[] = {0xaa, 0xbb};
    static const uint8_t first_bytes[] = {7, 0, 0, 0, 0}, second_bytes[] = {0xaa, 0xbb, 7, 1, 0, 0, 0};
    sv2_extranonce_layout layout;
    sv2_extranonce_allocator* allocator;
    sv2_extranonce_prefix first, second, again;
    memset(&layout, 0, sizeof layout);
    layout.server_id = bytes_of(server, sizeof server);
    layout.index_len = 1;
    layout.rollable_len = 3;
    RETURNS(SV2_OK, sv2_extranonce_allocator_new(&layout, &allocator));
    RETURNS(SV2_OK, sv2_extranonce_allocator_allocate(allocator, &first));
    RETURNS(SV2_OK, sv2_extranonce_allocator_allocate(allocator, &second));
    CHECK(first.prefix_len == 2 && first.full_len == 5 && first.index == 0);
    CHECK(memcmp(first.bytes, first_bytes, sizeof first_bytes) == 0);

    RETURNS(SV2_OK, sv2_extranonce_allocator_set_upstream_prefix(allocator, bytes_of(upstream, sizeof upstream)));
    RETURNS(SV2_OK, sv2_extranonce_allocator_prefix(allocator, second.index, &second));
    CHECK(second.prefix_len == 4 && second.full_len == 7);
    CHECK(memcmp(second.bytes, second_bytes, sizeof second_bytes) == 0);
    RETURNS(SV2_OK, sv2_extranonce_allocator_set_server_id(allocator, no_bytes));
    RETURNS(SV2_OK, sv2_extranonce_allocator_prefix(allocator, second.index, &second));
    CHECK(second.prefix_len == 3 && second.bytes[2] == 1);

    RETURNS(SV2_OK, sv2_extranonce_allocator_release(allocator, first.index, 5));
    RETURNS(SV2_NOT_FOUND, sv2_extranonce_allocator_release(allocator, first.index, 5));
    LEAVES_ALONE(again, SV2_NOT_FOUND, sv2_extranonce_allocator_prefix(allocator, first.index, &again));
    CHECK(sv2_extranonce_allocator_used(allocator) == 1 && sv2_extranonce_allocator_quarantined(allocator) == 1);
    RETURNS(SV2_OK, sv2_extranonce_allocator_reclaim(allocator, 5));
    RETURNS(SV2_OK, sv2_extranonce_allocator_allocate(allocator, &again));
    CHECK(again.index == 2);
    RETURNS(SV2_OK, sv2_extranonce_allocator_reclaim(allocator, 6));
    RETURNS(SV2_OK, sv2_extranonce_allocator_allocate(allocator, &again));
    CHECK(again.index == first.index);
    while (sv2_extranonce_allocator_used(allocator) < 256) {
        RETURNS(SV2_OK, sv2_extranonce_allocator_allocate(allocator, &again));
    }
    LEAVES_ALONE(again, SV2_ERROR_TOO_MANY, sv2_extranonce_allocator_allocate(allocator, &again));
    sv2_extranonce_allocator_free(allocator);

    layout.index_len = 5;
    LEAVES_ALONE(allocator, SV2_ERROR_ARGUMENT, sv2_extranonce_allocator_new(&layout, &allocator));
}

static void a_channel_that_is_too_fast_is_moved(void) {
    sv2_vardiff_options options = SV2_VARDIFF_OPTIONS_INIT;
    sv2_vardiff* vardiff;
    double hashrate = 0, work;
    uint64_t ms;
    options.shares_per_minute = 6;
    RETURNS(SV2_OK, sv2_vardiff_new(&options, 1e12, at(0), &vardiff));
    CHECK(sv2_vardiff_hashrate(vardiff) == 1e12);
    work = 1e12 * 10;
    /* It mines 1 PH/s: 100 shares a second. */
    for (ms = 10; ms < 2000; ms += 10) {
        RETURNS(SV2_OK, sv2_vardiff_share(vardiff, work, at(ms)));
        LEAVES_ALONE(hashrate, SV2_NO_EVENT, sv2_vardiff_decide(vardiff, work, at(ms), &hashrate));
    }
    RETURNS(SV2_OK, sv2_vardiff_share(vardiff, work, at(2000)));
    RETURNS(SV2_OK, sv2_vardiff_decide(vardiff, work, at(2000), &hashrate));
    CHECK(hashrate > 0.99e15 && hashrate < 1.01e15);
    CHECK(sv2_vardiff_hashrate(vardiff) == hashrate && sv2_vardiff_estimate(vardiff, at(2000)) > 0.99e15);
    RETURNS(SV2_OK, sv2_vardiff_restart(vardiff, 5e12, at(3000)));
    CHECK(sv2_vardiff_hashrate(vardiff) == 5e12);
    sv2_vardiff_free(vardiff);

    options.shares_per_minute = -1;
    LEAVES_ALONE(vardiff, SV2_ERROR_ARGUMENT, sv2_vardiff_new(&options, 1e12, at(0), &vardiff));
    options.shares_per_minute = 0;
    options.min_hashrate = 0.5;
    LEAVES_ALONE(vardiff, SV2_ERROR_ARGUMENT, sv2_vardiff_new(&options, 1e12, at(0), &vardiff));
}

static void shares_are_acknowledged_in_batches(void) {
    sv2_accounting_options options = SV2_ACCOUNTING_OPTIONS_INIT;
    sv2_accounting* accounting;
    sv2_submit_shares_success message;
    sv2_share_totals totals;
    sv2_u256 hash;
    uint32_t number;
    memset(&hash, 0xff, sizeof hash);
    options.batch_shares = 4;
    RETURNS(SV2_OK, sv2_accounting_new(&options, &accounting));
    CHECK(sv2_accounting_deadline(accounting) == UINT64_MAX);
    for (number = 1; number < 4; number++) {
        RETURNS(SV2_OK, sv2_accounting_accept(accounting, number, 0.4, &hash, at(100)));
        LEAVES_ALONE(message, SV2_NO_EVENT, sv2_accounting_due(accounting, at(100), &message));
    }
    CHECK(sv2_accounting_deadline(accounting) == 1100);
    RETURNS(SV2_OK, sv2_accounting_accept(accounting, 4, 0.4, &hash, at(100)));
    RETURNS(SV2_OK, sv2_accounting_due(accounting, at(100), &message));
    CHECK(message.channel_id == 0 && message.last_sequence_number == 4);
    CHECK(message.new_submits_accepted_count == 4 && message.new_shares_sum == 1);
    /* 0.6 is left of the first batch. */
    RETURNS(SV2_OK, sv2_accounting_accept(accounting, 5, 0.5, &hash, at(200)));
    RETURNS(SV2_OK, sv2_accounting_flush(accounting, &message));
    CHECK(message.new_submits_accepted_count == 1 && message.new_shares_sum == 1);
    RETURNS(SV2_NO_EVENT, sv2_accounting_flush(accounting, &message));

    RETURNS(SV2_OK, sv2_accounting_reject(accounting, SV2_SHARE_DUPLICATE_SHARE));
    RETURNS(SV2_ERROR_ARGUMENT, sv2_accounting_reject(accounting, SV2_SHARE_OK));
    RETURNS(SV2_ERROR_ARGUMENT, sv2_accounting_reject(accounting, 200));
    RETURNS(SV2_ERROR_ARGUMENT, sv2_accounting_accept(accounting, 6, -0.5, &hash, at(200)));
    RETURNS(SV2_OK, sv2_accounting_totals(accounting, &totals));
    CHECK(totals.accepted == 5 && is_near(totals.difficulty, 2.1));
    CHECK(totals.rejected[SV2_SHARE_DUPLICATE_SHARE] == 1 && totals.rejected[SV2_SHARE_STALE_SHARE] == 0);
    CHECK(is_near(totals.work, 2.1 * 4295032833.0) && totals.best_difficulty > 0);
    sv2_accounting_free(accounting);
}

int main(void) {
    RUN(a_hashrate_has_a_target_and_a_target_its_hashrate);
    RUN(each_channel_gets_a_prefix_of_its_own);
    RUN(a_channel_that_is_too_fast_is_moved);
    RUN(shares_are_acknowledged_in_batches);
    check_unused();
    return 0;
}
