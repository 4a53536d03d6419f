/* Channels of a server alone, from C: a pool that keeps connections and messages itself. */

#include "check.h"

enum { REGTEST = 0x207fffff, NOW = 1700000000, VERSION = 0x20000000, EXTRANONCE_LEN = 20 };

static const uint8_t prefix[4] = {9, 0, 0, 1};
static const uint8_t rolled[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
static const sv2_u256 easiest = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

static sv2_u256 target_of(uint8_t most_significant) {
    sv2_u256 target = easiest;
    target.bytes[31] = most_significant;
    return target;
}

static sv2_mining_tip tip_on(uint8_t prev_hash, uint32_t nbits) {
    sv2_u256 hash;
    sv2_mining_tip tip;
    memset(&hash, prev_hash, sizeof hash);
    RETURNS(SV2_OK, sv2_mining_tip_init(&hash, nbits, NOW, NULL, NOW, &tip));
    return tip;
}

static sv2_extended_job* new_job(uint32_t salt, size_t extranonce_len) {
    static const uint8_t height_101[] = {0x01, 0x65}, script[] = {0x51};
    sv2_payout_output output;
    sv2_new_template from;
    sv2_payout* payout;
    sv2_job_factory* factory;
    sv2_extended_job* job;
    memset(&from, 0, sizeof from);
    from.template_id = 77;
    from.version = VERSION;
    from.coinbase_prefix = bytes_of(height_101, sizeof height_101);
    from.coinbase_tx_value_remaining = 5000000000;
    output.script_pubkey = bytes_of(script, sizeof script);
    output.parts = 1;
    RETURNS(SV2_OK, sv2_payout_new(&output, 1, &payout));
    RETURNS(SV2_OK, sv2_job_factory_new(str_of("pool"), no_text, extranonce_len, 1, &factory));
    RETURNS(SV2_OK, sv2_job_factory_job(factory, &from, payout, salt, &job));
    sv2_job_factory_free(factory);
    sv2_payout_free(payout);
    return job;
}

static sv2_server_channel_options options_of(uint32_t kind) {
    sv2_server_channel_options options = SV2_SERVER_CHANNEL_OPTIONS_INIT;
    options.channel_id = 2;
    options.kind = kind;
    options.extranonce_prefix = bytes_of(prefix, sizeof prefix);
    options.extranonce_size = sizeof rolled;
    options.target = target_of(0x7f);
    options.max_target = easiest;
    options.user_identity = str_of("alice");
    options.nominal_hash_rate = 1e12f;
    return options;
}

static sv2_server_channel* new_channel(void) {
    const sv2_server_channel_options options = options_of(SV2_CHANNEL_EXTENDED);
    sv2_server_channel* channel;
    RETURNS(SV2_OK, sv2_server_channel_new(&options, &channel));
    return channel;
}

/* Mines: the first nonce from `nonce` on with which the job's hash meets the target, or, with `misses`, does not meet
 * it. */
static sv2_submission mined(const sv2_extended_job* job, uint32_t job_id, const sv2_mining_tip* tip,
                            const sv2_u256* target, int misses, uint32_t nonce) {
    sv2_submission submission;
    sv2_block_header header;
    sv2_u256 hash;
    header.version = VERSION;
    header.prev_hash = tip->prev_hash;
    header.time = NOW;
    header.nbits = tip->nbits;
    header.nonce = nonce;
    RETURNS(SV2_OK, sv2_extended_job_merkle_root(job, bytes_of(prefix, sizeof prefix), bytes_of(rolled, sizeof rolled),
                                                 &header.merkle_root));
    for (;; header.nonce++) {
        RETURNS(SV2_OK, sv2_block_header_hash(&header, &hash));
        if (sv2_target_is_met(target, &hash) != (misses != 0)) break;
    }
    memset(&submission, 0, sizeof submission);
    submission.sequence_number = 5;
    submission.job_id = job_id;
    submission.share.nonce = header.nonce;
    submission.share.ntime = NOW;
    submission.share.version = VERSION;
    submission.share.extranonce = bytes_of(rolled, sizeof rolled);
    return submission;
}

static sv2_submission_verdict judged(sv2_server_channel* channel, const sv2_submission* submission) {
    sv2_submission_verdict verdict;
    RETURNS(SV2_OK, sv2_server_channel_submit(channel, submission, at_start, &verdict));
    return verdict;
}

static void a_share_is_accepted_once_and_stale_after_the_next_tip(void) {
    const sv2_mining_tip first = tip_on(1, 0x1d00ffff), second = tip_on(2, 0x1d00ffff);
    const sv2_u256 target = target_of(0x7f);
    sv2_server_channel* channel = new_channel();
    sv2_extended_job* job = new_job(0, EXTRANONCE_LEN);
    sv2_submission share = mined(job, 10, &first, &target, 0, 0), miss = mined(job, 10, &first, &target, 1, 0);
    sv2_submission_verdict verdict;
    sv2_submit_shares_success message;
    sv2_share_totals totals;

    RETURNS(SV2_OK, sv2_server_channel_add_future_job(channel, 10, job, NULL));
    CHECK(judged(channel, &share).error == SV2_SHARE_INVALID_JOB_ID); /* it waits for its tip */
    RETURNS(SV2_OK, sv2_server_channel_activate(channel, 10, &first));

    verdict = judged(channel, &share);
    CHECK(verdict.error == SV2_SHARE_OK && !verdict.is_block && !verdict.wants_job);
    CHECK(verdict.work > 1.99 && verdict.work < 2.01); /* every second hash meets the target */
    CHECK(sv2_target_is_met(&target, &verdict.hash));
    CHECK(verdict.extranonce.len == EXTRANONCE_LEN && verdict.extranonce_prefix_len == sizeof prefix);
    CHECK(memcmp(verdict.extranonce.data, prefix, sizeof prefix) == 0);
    CHECK(memcmp(verdict.extranonce.data + sizeof prefix, rolled, sizeof rolled) == 0);
    CHECK(sv2_extended_job_extranonce_len(verdict.job) == EXTRANONCE_LEN);

    verdict = judged(channel, &share);
    CHECK(verdict.error == SV2_SHARE_DUPLICATE_SHARE && verdict.job == NULL && verdict.extranonce.len == 0);
    CHECK(judged(channel, &miss).error == SV2_SHARE_DIFFICULTY_TOO_LOW);

    RETURNS(SV2_NOT_FOUND, sv2_server_channel_activate(channel, 11, &second));
    CHECK(judged(channel, &share).error == SV2_SHARE_STALE_SHARE);
    LEAVES_ALONE(verdict, SV2_NOT_FOUND, sv2_server_channel_late_block(channel, &share, at_start, &verdict));
    share.job_id = 12;
    CHECK(judged(channel, &share).error == SV2_SHARE_INVALID_JOB_ID);

    RETURNS(SV2_OK, sv2_server_channel_get_totals(channel, &totals));
    CHECK(totals.accepted == 1 && totals.rejected[SV2_SHARE_DUPLICATE_SHARE] == 1);
    CHECK(totals.rejected[SV2_SHARE_STALE_SHARE] == 1 && totals.rejected[SV2_SHARE_INVALID_JOB_ID] == 2);
    CHECK(totals.rejected[SV2_SHARE_DIFFICULTY_TOO_LOW] == 1 && totals.work > 1.99 && totals.work < 2.01);
    CHECK(sv2_server_channel_deadline(channel) == at_start.monotonic_ms + 1000);
    LEAVES_ALONE(message, SV2_NO_EVENT, sv2_server_channel_due(channel, at_start, &message));
    RETURNS(SV2_OK, sv2_server_channel_flush(channel, &message));
    CHECK(message.channel_id == 2 && message.last_sequence_number == 5 && message.new_submits_accepted_count == 1);
    CHECK(message.new_shares_sum == 0); /* less than one, and kept for the next */
    CHECK(sv2_server_channel_deadline(channel) == UINT64_MAX);
    sv2_server_channel_free(channel);
    sv2_extended_job_free(job);
}

static void a_block_comes_with_all_that_a_node_needs(void) {
    const sv2_mining_tip first = tip_on(1, REGTEST), second = tip_on(2, REGTEST);
    sv2_server_channel* channel = new_channel();
    sv2_extended_job* job = new_job(0, EXTRANONCE_LEN);
    const sv2_submission share = mined(job, 10, &first, &first.block_target, 0, 0);
    const sv2_submission late = mined(job, 10, &first, &first.block_target, 0, share.share.nonce + 1);
    sv2_submission_verdict verdict;
    sv2_u256 hash, txid;
    uint8_t coinbase[512];
    size_t len;

    RETURNS(SV2_OK, sv2_server_channel_set_tip(channel, &first));
    RETURNS(SV2_OK, sv2_server_channel_add_job(channel, 10, job, NOW, NULL));
    sv2_extended_job_free(job); /* the channel has its own */

    verdict = judged(channel, &share);
    CHECK(verdict.error == SV2_SHARE_OK && verdict.is_block);
    RETURNS(SV2_OK, sv2_block_header_hash(&verdict.header, &hash));
    CHECK(memcmp(&hash, &verdict.hash, sizeof hash) == 0);
    RETURNS(SV2_OK,
            sv2_extended_job_coinbase(verdict.job, verdict.extranonce, no_bytes, coinbase, sizeof coinbase, &len));
    RETURNS(SV2_OK, sv2_transaction_txid(bytes_of(coinbase, len), &txid, NULL));
    CHECK(memcmp(&txid, &verdict.header.merkle_root, sizeof txid) == 0); /* the only transaction */

    RETURNS(SV2_OK, sv2_server_channel_set_tip(channel, &second));
    CHECK(judged(channel, &late).error == SV2_SHARE_STALE_SHARE);
    RETURNS(SV2_OK, sv2_server_channel_late_block(channel, &late, at_start, &verdict));
    CHECK(verdict.is_block && verdict.header.nonce == late.share.nonce);
    CHECK(memcmp(&verdict.header.prev_hash, &first.prev_hash, sizeof hash) == 0);
    RETURNS(SV2_NOT_FOUND, sv2_server_channel_late_block(channel, &late, at_start, &verdict)); /* given once */
    sv2_server_channel_free(channel);
}

static void a_target_is_for_jobs_that_become_active_after_it(void) {
    const sv2_mining_tip tip = tip_on(1, 0x1d00ffff);
    const sv2_u256 easy = target_of(0x7f), hard = target_of(0x0f);
    sv2_server_channel* channel = new_channel();
    sv2_extended_job *first = new_job(0, EXTRANONCE_LEN), *second = new_job(1, EXTRANONCE_LEN);
    const sv2_submission old = mined(first, 10, &tip, &easy, 0, 0), good = mined(second, 11, &tip, &hard, 0, 0);
    sv2_submission poor = mined(second, 11, &tip, &hard, 1, 0);
    sv2_server_channel_info info;
    uint8_t changed;

    RETURNS(SV2_OK, sv2_server_channel_set_tip(channel, &tip));
    RETURNS(SV2_OK, sv2_server_channel_add_job(channel, 10, first, NOW, NULL));
    RETURNS(SV2_OK, sv2_server_channel_set_target(channel, &hard, &changed));
    CHECK(changed == 1);
    RETURNS(SV2_OK, sv2_server_channel_set_target(channel, &hard, &changed));
    CHECK(changed == 0);
    RETURNS(SV2_OK, sv2_server_channel_get_info(channel, &info));
    CHECK(info.target.bytes[31] == 0x0f && info.active_target.bytes[31] == 0x7f && info.active_job_id == 10);
    RETURNS(SV2_OK, sv2_server_channel_add_job(channel, 11, second, NOW, NULL));
    CHECK(judged(channel, &old).error == SV2_SHARE_OK); /* past, on the same tip */
    CHECK(judged(channel, &good).error == SV2_SHARE_OK);
    CHECK(judged(channel, &poor).error == SV2_SHARE_DIFFICULTY_TOO_LOW);

    RETURNS(SV2_OK, sv2_server_channel_update(channel, 2e12f, &hard));
    RETURNS(SV2_OK, sv2_server_channel_set_target(channel, &easy, &changed)); /* easier than the client accepts */
    CHECK(changed == 0);
    RETURNS(SV2_OK, sv2_server_channel_get_info(channel, &info));
    CHECK(info.nominal_hash_rate > 1.9e12f && info.max_target.bytes[31] == 0x0f && info.target.bytes[31] == 0x0f);
    sv2_server_channel_free(channel);
    sv2_extended_job_free(second);
    sv2_extended_job_free(first);
}

static void jobs_can_be_looked_at(void) {
    const sv2_mining_tip tip = tip_on(1, 0x1d00ffff);
    sv2_server_channel* channel = new_channel();
    sv2_extended_job *first = new_job(0, EXTRANONCE_LEN), *second = new_job(1, EXTRANONCE_LEN), *found;
    sv2_extended_job* of_another_length = new_job(0, EXTRANONCE_LEN + 1);
    sv2_server_channel_info info;
    sv2_mining_tip present;
    sv2_job_source source;
    uint32_t ids[2];
    size_t count;

    LEAVES_ALONE(present, SV2_NOT_FOUND, sv2_server_channel_tip(channel, &present));
    RETURNS(SV2_ERROR_STATE, sv2_server_channel_add_job(channel, 10, first, NOW, NULL)); /* on which tip? */
    RETURNS(SV2_OK, sv2_server_channel_get_info(channel, &info));
    CHECK(info.channel_id == 2 && info.kind == SV2_CHANNEL_EXTENDED && is_text(info.user_identity, "alice"));
    CHECK(!info.has_active_job && info.extranonce_size == 16 &&
          are_bytes(info.extranonce_prefix, prefix, sizeof prefix));

    RETURNS(SV2_OK, sv2_server_channel_set_tip(channel, &tip));
    RETURNS(SV2_OK, sv2_server_channel_tip(channel, &present));
    CHECK(memcmp(&present, &tip, sizeof tip) == 0);
    RETURNS(SV2_ERROR_ARGUMENT, sv2_server_channel_add_job(channel, 10, of_another_length, NOW, NULL));
    RETURNS(SV2_ERROR_ARGUMENT, sv2_server_channel_add_future_job(channel, 10, of_another_length, NULL));
    RETURNS(SV2_OK, sv2_server_channel_add_job(channel, 10, first, NOW, NULL));
    RETURNS(SV2_OK, sv2_server_channel_add_job(channel, 11, second, NOW, NULL));
    RETURNS(SV2_OK, sv2_server_channel_add_future_job(channel, 12, first, NULL));
    RETURNS(SV2_OK, sv2_server_channel_live_jobs(channel, ids, 2, &count));
    CHECK(count == 2 && ids[0] == 11 && ids[1] == 10);
    RETURNS(SV2_BUFFER_TOO_SMALL, sv2_server_channel_live_jobs(channel, NULL, 0, &count));
    CHECK(count == 2);
    RETURNS(SV2_OK, sv2_server_channel_future_jobs(channel, ids, 2, &count));
    CHECK(count == 1 && ids[0] == 12);
    RETURNS(SV2_OK, sv2_server_channel_job(channel, 10, &found));
    RETURNS(SV2_OK, sv2_extended_job_source(found, &source));
    CHECK(source.kind == SV2_JOB_SOURCE_TEMPLATE && source.template_id == 77);
    RETURNS(SV2_OK, sv2_server_channel_remove_future_job(channel, 12));
    RETURNS(SV2_OK, sv2_server_channel_remove_future_job(channel, 12));
    sv2_server_channel_free(channel);
    CHECK(sv2_extended_job_extranonce_len(found) == EXTRANONCE_LEN); /* it outlives the channel */
    sv2_extended_job_free(found);
    sv2_extended_job_free(of_another_length);
    sv2_extended_job_free(second);
    sv2_extended_job_free(first);
}

static void the_same_custom_job_is_one_job(void) {
    static const uint8_t height_101[] = {0x01, 0x65}, outputs[] = {1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x51};
    const sv2_mining_tip tip = tip_on(1, 0x1d00ffff);
    sv2_server_channel_options options = options_of(SV2_CHANNEL_EXTENDED);
    sv2_server_channel* channel;
    sv2_set_custom_mining_job message;
    sv2_job_factory* factory;
    sv2_extended_job *first, *same, *other;
    uint32_t job_id;

    options.max_custom_jobs = 1;
    RETURNS(SV2_OK, sv2_server_channel_new(&options, &channel));
    memset(&message, 0, sizeof message);
    message.coinbase_prefix = bytes_of(height_101, sizeof height_101);
    message.coinbase_tx_outputs = bytes_of(outputs, sizeof outputs);
    RETURNS(SV2_OK, sv2_job_factory_new(no_text, no_text, EXTRANONCE_LEN, 1, &factory));
    RETURNS(SV2_OK, sv2_job_factory_custom(factory, &message, &first));
    RETURNS(SV2_OK, sv2_job_factory_custom(factory, &message, &same));
    message.coinbase_tx_locktime = 7;
    RETURNS(SV2_OK, sv2_job_factory_custom(factory, &message, &other));
    sv2_job_factory_free(factory);

    LEAVES_ALONE(job_id, SV2_ERROR_STATE, sv2_server_channel_add_custom_job(channel, 10, first, NOW, &job_id));
    RETURNS(SV2_OK, sv2_server_channel_set_tip(channel, &tip));
    RETURNS(SV2_OK, sv2_server_channel_add_custom_job(channel, 10, first, NOW, &job_id));
    CHECK(job_id == 10);
    RETURNS(SV2_OK, sv2_server_channel_add_custom_job(channel, 11, same, NOW, &job_id));
    CHECK(job_id == 10);
    LEAVES_ALONE(job_id, SV2_ERROR_TOO_MANY, sv2_server_channel_add_custom_job(channel, 12, other, NOW, &job_id));
    sv2_extended_job_free(other);
    sv2_extended_job_free(same);
    sv2_extended_job_free(first);
    sv2_server_channel_free(channel);
}

static void a_standard_channel_is_told_the_merkle_root(void) {
    const sv2_mining_tip tip = tip_on(1, 0x1d00ffff);
    uint8_t whole[EXTRANONCE_LEN] = {9, 0, 0, 1};
    sv2_server_channel_options options = options_of(SV2_CHANNEL_STANDARD);
    sv2_server_channel *standard, *extended = new_channel();
    sv2_extended_job* job = new_job(0, EXTRANONCE_LEN);
    sv2_u256 root, expected;

    LEAVES_ALONE(standard, SV2_ERROR_ARGUMENT, sv2_server_channel_new(&options, &standard)); /* nothing to roll */
    options.extranonce_size = 0;
    options.extranonce_prefix = bytes_of(whole, sizeof whole);
    RETURNS(SV2_OK, sv2_server_channel_new(&options, &standard));
    RETURNS(SV2_OK, sv2_extended_job_merkle_root(job, bytes_of(whole, sizeof whole), no_bytes, &expected));
    RETURNS(SV2_OK, sv2_server_channel_add_future_job(standard, 10, job, &root));
    CHECK(memcmp(&root, &expected, sizeof root) == 0);
    RETURNS(SV2_OK, sv2_server_channel_activate(standard, 10, &tip));

    whole[3] = 2; /* for jobs that are sent from now on */
    RETURNS(SV2_OK, sv2_server_channel_set_extranonce_prefix(standard, bytes_of(whole, sizeof whole)));
    RETURNS(SV2_OK, sv2_extended_job_merkle_root(job, bytes_of(whole, sizeof whole), no_bytes, &expected));
    RETURNS(SV2_OK, sv2_server_channel_add_job(standard, 11, job, NOW, &root));
    CHECK(memcmp(&root, &expected, sizeof root) == 0);
    LEAVES_ALONE(root, SV2_OK, sv2_server_channel_add_future_job(extended, 10, job, &root));
    sv2_server_channel_free(extended);
    sv2_server_channel_free(standard);
    sv2_extended_job_free(job);
}

static void what_is_no_channel_is_refused(void) {
    sv2_server_channel_options options = options_of(3);
    uint8_t long_prefix[17] = {0};
    sv2_server_channel* channel;
    LEAVES_ALONE(channel, SV2_ERROR_ARGUMENT, sv2_server_channel_new(&options, &channel));
    options = options_of(SV2_CHANNEL_EXTENDED);
    options.extranonce_prefix = bytes_of(long_prefix, sizeof long_prefix);
    LEAVES_ALONE(channel, SV2_ERROR_ARGUMENT, sv2_server_channel_new(&options, &channel)); /* 33 bytes */
    options = options_of(SV2_CHANNEL_EXTENDED);
    options.extranonce_size = SIZE_MAX;
    LEAVES_ALONE(channel, SV2_ERROR_ARGUMENT, sv2_server_channel_new(&options, &channel));
    options = options_of(SV2_CHANNEL_EXTENDED);
    options.ntime_rule = 2;
    LEAVES_ALONE(channel, SV2_ERROR_ARGUMENT, sv2_server_channel_new(&options, &channel));
    channel = new_channel();
    RETURNS(SV2_ERROR_ARGUMENT,
            sv2_server_channel_set_extranonce_prefix(channel, bytes_of(long_prefix, sizeof long_prefix)));
    sv2_server_channel_free(channel);
}

static void a_group_has_channels_of_one_length(void) {
    sv2_group_channel* group;
    sv2_u32_list members;
    LEAVES_ALONE(group, SV2_ERROR_ARGUMENT, sv2_group_channel_new(1, 33, &group));
    RETURNS(SV2_OK, sv2_group_channel_new(1, EXTRANONCE_LEN, &group));
    CHECK(sv2_group_channel_id(group) == 1 && sv2_group_channel_full_extranonce_len(group) == EXTRANONCE_LEN);
    CHECK(sv2_group_channel_members(group).count == 0);
    RETURNS(SV2_OK, sv2_group_channel_add(group, 3, EXTRANONCE_LEN));
    RETURNS(SV2_OK, sv2_group_channel_add(group, 2, EXTRANONCE_LEN));
    RETURNS(SV2_ERROR_STATE, sv2_group_channel_add(group, 2, EXTRANONCE_LEN));
    RETURNS(SV2_ERROR_ARGUMENT, sv2_group_channel_add(group, 4, EXTRANONCE_LEN - 1));
    members = sv2_group_channel_members(group);
    CHECK(members.count == 2 && members.items[0] == 2 && members.items[1] == 3);
    RETURNS(SV2_OK, sv2_group_channel_remove(group, 2));
    RETURNS(SV2_NOT_FOUND, sv2_group_channel_remove(group, 2));
    RETURNS(SV2_ERROR_ARGUMENT, sv2_group_channel_set_full_extranonce_len(group, 33));
    RETURNS(SV2_OK, sv2_group_channel_set_full_extranonce_len(group, 19));
    RETURNS(SV2_OK, sv2_group_channel_add(group, 4, 19));
    CHECK(sv2_group_channel_members(group).count == 2);
    sv2_group_channel_free(group);
}

int main(void) {
    check_unused();
    RUN(a_share_is_accepted_once_and_stale_after_the_next_tip);
    RUN(a_block_comes_with_all_that_a_node_needs);
    RUN(a_target_is_for_jobs_that_become_active_after_it);
    RUN(jobs_can_be_looked_at);
    RUN(the_same_custom_job_is_one_job);
    RUN(a_standard_channel_is_told_the_merkle_root);
    RUN(what_is_no_channel_is_refused);
    RUN(a_group_has_channels_of_one_length);
    return 0;
}
