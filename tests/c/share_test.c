/* Payouts, jobs and shares from C, beside the functions for coinbases, merkle paths and headers. */

#include "check.h"

/* The witness commitment that a node puts into every template. */
static uint8_t commitment_output[8 + 1 + SV2_WITNESS_COMMITMENT_SCRIPT_LEN];
static const uint8_t height_101[] = {0x01, 0x65};
static const uint8_t pool_script[] = {0x00, 0x14, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20};
static const uint8_t miner_script[] = {0x51};
static const uint8_t prefix[] = {1, 2, 3, 4};
static const uint8_t extranonce[] = {5, 6, 7, 8, 9, 10, 11, 12};
static sv2_u256 path[2];

enum { REGTEST = 0x207fffff, NOW = 1700000000, VERSION = 0x20000000 };

static sv2_new_template new_template(void) {
    sv2_new_template it;
    sv2_u256 commitment;
    memset(&it, 0, sizeof it);
    memset(&commitment, 7, sizeof commitment);
    memset(path, 9, sizeof path);
    commitment_output[8] = SV2_WITNESS_COMMITMENT_SCRIPT_LEN;
    RETURNS(SV2_OK, sv2_witness_commitment_script(&commitment, commitment_output + 9));
    it.template_id = 77;
    it.version = VERSION;
    it.coinbase_tx_version = 2;
    it.coinbase_prefix = bytes_of(height_101, sizeof height_101);
    it.coinbase_tx_input_sequence = 0xfffffffe;
    it.coinbase_tx_value_remaining = 5000000001;
    it.coinbase_tx_outputs_count = 1;
    it.coinbase_tx_outputs = bytes_of(commitment_output, sizeof commitment_output);
    it.coinbase_tx_locktime = 100;
    it.merkle_path.items = path;
    it.merkle_path.count = 2;
    return it;
}

/* Three quarters to the pool, one to the miner. */
static sv2_payout* new_payout(void) {
    sv2_payout_output outputs[2];
    sv2_payout* payout;
    outputs[0].script_pubkey = bytes_of(pool_script, sizeof pool_script);
    outputs[0].parts = 3;
    outputs[1].script_pubkey = bytes_of(miner_script, sizeof miner_script);
    outputs[1].parts = 1;
    RETURNS(SV2_OK, sv2_payout_new(outputs, 2, &payout));
    return payout;
}

static sv2_job_factory* new_factory(void) {
    sv2_job_factory* factory;
    RETURNS(SV2_OK, sv2_job_factory_new(str_of("pool"), str_of("miner"), sizeof prefix + sizeof extranonce, 1, &factory));
    return factory;
}

static sv2_extended_job* new_job(uint32_t salt) {
    const sv2_new_template from = new_template();
    sv2_job_factory* factory = new_factory();
    sv2_payout* payout = new_payout();
    sv2_extended_job* job;
    RETURNS(SV2_OK, sv2_job_factory_job(factory, &from, payout, salt, &job));
    sv2_payout_free(payout);
    sv2_job_factory_free(factory);
    return job;
}

static void a_payout_pays_everything(void) {
    sv2_payout* payout = new_payout();
    sv2_coinbase_output_constraints constraints;
    sv2_transaction_output output;
    RETURNS(SV2_OK, sv2_payout_output_at(payout, 5000000001, 0, &output));
    CHECK(output.value == 3750000001);
    CHECK(are_bytes(output.script_pubkey, pool_script, sizeof pool_script));
    RETURNS(SV2_OK, sv2_payout_output_at(payout, 5000000001, 1, &output));
    CHECK(output.value == 1250000000);
    LEAVES_ALONE(output, SV2_NOT_FOUND, sv2_payout_output_at(payout, 5000000001, 2, &output));
    RETURNS(SV2_OK, sv2_payout_constraints(payout, &constraints));
    CHECK(constraints.coinbase_output_max_additional_size == 9 + sizeof pool_script + 9 + sizeof miner_script);
    CHECK(constraints.coinbase_output_max_additional_sigops == 0);
    sv2_payout_free(payout);
}

static void a_payout_to_nobody_is_refused(void) {
    sv2_payout_output output;
    sv2_payout* payout;
    output.script_pubkey = bytes_of(miner_script, sizeof miner_script);
    output.parts = 0;
    LEAVES_ALONE(payout, SV2_ERROR_ARGUMENT, sv2_payout_new(&output, 1, &payout));
    LEAVES_ALONE(payout, SV2_ERROR_ARGUMENT, sv2_payout_new(NULL, 0, &payout));
}

static void the_coinbase_of_a_job_is_the_one_that_is_put_together_by_hand(void) {
    /* push("Sv2/pool/miner/"), the push of the extranonce, and the extranonce. */
    static const uint8_t script[] = "\x0fSv2/pool/miner/\x0c\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c";
    const sv2_new_template from = new_template();
    sv2_payout* payout = new_payout();
    sv2_transaction_output outputs[2];
    sv2_transaction_output_list list;
    sv2_coinbase_template by_hand;
    sv2_u256 reserved_value, txid, root, root_by_hand;
    sv2_extended_job* job = new_job(0);
    sv2_job_source source;
    uint8_t expected[512], found[512];
    size_t expected_len, len;

    memset(&reserved_value, 0, sizeof reserved_value);
    memset(&by_hand, 0, sizeof by_hand);
    by_hand.coinbase_tx_version = from.coinbase_tx_version;
    by_hand.coinbase_tx_input_sequence = from.coinbase_tx_input_sequence;
    by_hand.coinbase_prefix = from.coinbase_prefix;
    by_hand.coinbase_tx_outputs = from.coinbase_tx_outputs;
    by_hand.coinbase_tx_outputs_count = 1;
    by_hand.coinbase_tx_locktime = from.coinbase_tx_locktime;
    RETURNS(SV2_OK, sv2_payout_output_at(payout, from.coinbase_tx_value_remaining, 0, &outputs[0]));
    RETURNS(SV2_OK, sv2_payout_output_at(payout, from.coinbase_tx_value_remaining, 1, &outputs[1]));
    list.items = outputs;
    list.count = 2;
    RETURNS(SV2_OK, sv2_coinbase_build(&by_hand, bytes_of(script, sizeof script - 1), list, &reserved_value, expected,
                                       sizeof expected, &expected_len));

    RETURNS(SV2_OK, sv2_extended_job_coinbase(job, bytes_of(prefix, sizeof prefix), bytes_of(extranonce, sizeof extranonce),
                                              found, sizeof found, &len));
    CHECK(are_bytes(bytes_of(found, len), expected, expected_len));
    LEAVES_ALONE(len, SV2_ERROR_ARGUMENT, sv2_extended_job_coinbase(job, no_bytes, no_bytes, found, sizeof found, &len));
    RETURNS(SV2_BUFFER_TOO_SMALL,
            sv2_extended_job_coinbase(job, bytes_of(prefix, sizeof prefix), bytes_of(extranonce, sizeof extranonce), NULL, 0,
                                      &len));
    CHECK(len == expected_len);

    RETURNS(SV2_OK, sv2_transaction_txid(bytes_of(expected, expected_len), &txid, NULL));
    RETURNS(SV2_OK, sv2_merkle_root_from_path(&txid, from.merkle_path, &root_by_hand));
    RETURNS(SV2_OK, sv2_extended_job_merkle_root(job, bytes_of(prefix, sizeof prefix),
                                                 bytes_of(extranonce, sizeof extranonce), &root));
    CHECK(memcmp(&root, &root_by_hand, sizeof root) == 0);

    RETURNS(SV2_OK, sv2_extended_job_source(job, &source));
    CHECK(source.kind == SV2_JOB_SOURCE_TEMPLATE && source.template_id == 77);
    CHECK(source.job_id == 0 && source.mining_job_token.len == 0);
    CHECK(sv2_extended_job_extranonce_len(job) == 12);
    sv2_extended_job_free(job);
    sv2_payout_free(payout);
}

static void the_message_of_a_job_makes_the_same_job_for_whoever_gets_it(void) {
    sv2_extended_job *job = new_job(3), *theirs;
    sv2_new_extended_mining_job message;
    sv2_option_u32 min_ntime;
    sv2_job_source source;
    sv2_u256 root, their_root;
    min_ntime.present = 1;
    min_ntime.value = NOW;
    RETURNS(SV2_OK, sv2_extended_job_message(job, 1, 9, min_ntime, &message));
    CHECK(message.channel_id == 1 && message.job_id == 9 && message.min_ntime.present && message.min_ntime.value == NOW);
    CHECK(message.version == VERSION && message.version_rolling_allowed == 1 && message.merkle_path.count == 2);
    RETURNS(SV2_OK, sv2_extended_job_upstream(&message, 12, &theirs));
    RETURNS(SV2_OK, sv2_extended_job_source(theirs, &source));
    CHECK(source.kind == SV2_JOB_SOURCE_UPSTREAM && source.job_id == 9);
    RETURNS(SV2_OK, sv2_extended_job_merkle_root(job, bytes_of(prefix, 4), bytes_of(extranonce, 8), &root));
    RETURNS(SV2_OK, sv2_extended_job_merkle_root(theirs, bytes_of(prefix, 4), bytes_of(extranonce, 8), &their_root));
    CHECK(memcmp(&root, &their_root, sizeof root) == 0);
    sv2_extended_job_free(theirs);
    message.coinbase_tx_prefix.len = 10;
    LEAVES_ALONE(theirs, SV2_ERROR_MALFORMED, sv2_extended_job_upstream(&message, 12, &theirs));
    sv2_extended_job_free(job);
}

static void a_custom_job_keeps_its_token(void) {
    static const uint8_t token[] = {42, 43};
    static const uint8_t outputs[] = {1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x51};
    sv2_set_custom_mining_job message;
    sv2_job_factory* factory = new_factory();
    sv2_extended_job* job;
    sv2_job_source source;
    memset(&message, 0, sizeof message);
    message.mining_job_token = bytes_of(token, sizeof token);
    message.coinbase_prefix = bytes_of(height_101, sizeof height_101);
    message.coinbase_tx_outputs = bytes_of(outputs, sizeof outputs);
    RETURNS(SV2_OK, sv2_job_factory_custom(factory, &message, &job));
    sv2_job_factory_free(factory);
    RETURNS(SV2_OK, sv2_extended_job_source(job, &source));
    CHECK(source.kind == SV2_JOB_SOURCE_CUSTOM && are_bytes(source.mining_job_token, token, sizeof token));
    sv2_extended_job_free(job);
}

static sv2_share_work work_on(const sv2_extended_job* job, const sv2_mining_tip* tip, const sv2_u256* target) {
    sv2_share_work work;
    memset(&work, 0, sizeof work);
    work.job = job;
    work.tip = tip;
    work.target = target;
    work.extranonce_prefix = bytes_of(prefix, sizeof prefix);
    work.extranonce_size = sizeof extranonce;
    work.version_mask = SV2_VERSION_ROLLING_MASK;
    work.ntime_rule = SV2_NTIME_FUTURE_BLOCK_TIME;
    return work;
}

static sv2_share share_with(uint32_t nonce) {
    sv2_share share;
    memset(&share, 0, sizeof share);
    share.nonce = nonce;
    share.ntime = NOW;
    share.version = VERSION;
    share.extranonce = bytes_of(extranonce, sizeof extranonce);
    return share;
}

static void a_share_is_judged_by_its_header(void) {
    sv2_extended_job* job = new_job(0);
    sv2_duplicates* duplicates;
    sv2_mining_tip tip;
    sv2_u256 prev_hash, hash, none;
    sv2_block_header header;
    sv2_share_verdict verdict;
    sv2_share_work work;
    sv2_insertion insertion;
    unsigned blocks = 0, misses = 0;
    uint32_t nonce;

    memset(&prev_hash, 3, sizeof prev_hash);
    memset(&none, 0, sizeof none);
    RETURNS(SV2_OK, sv2_mining_tip_init(&prev_hash, REGTEST, NOW, NULL, NOW, &tip));
    work = work_on(job, &tip, &none);
    header.version = VERSION;
    header.prev_hash = prev_hash;
    header.time = NOW;
    header.nbits = REGTEST;
    RETURNS(SV2_OK, sv2_extended_job_merkle_root(job, bytes_of(prefix, 4), bytes_of(extranonce, 8), &header.merkle_root));
    RETURNS(SV2_OK, sv2_duplicates_new(100, &duplicates));
    for (nonce = 0; nonce < 40; nonce++) {
        const sv2_share share = share_with(nonce);
        header.nonce = nonce;
        RETURNS(SV2_OK, sv2_block_header_hash(&header, &hash));
        RETURNS(SV2_OK, sv2_share_check(&work, &share, NOW, &verdict));
        if (sv2_target_is_met(&tip.block_target, &hash)) {
            CHECK(verdict.error == SV2_SHARE_OK && verdict.is_block);
            CHECK(memcmp(&verdict.hash, &hash, sizeof hash) == 0);
            RETURNS(SV2_OK, sv2_duplicates_insert(duplicates, &hash, &insertion));
            CHECK(insertion == SV2_INSERTION_NEW);
            RETURNS(SV2_OK, sv2_duplicates_insert(duplicates, &hash, &insertion));
            CHECK(insertion == SV2_INSERTION_DUPLICATE);
            blocks++;
        } else {
            CHECK(verdict.error == SV2_SHARE_DIFFICULTY_TOO_LOW && !verdict.is_block);
            misses++;
        }
    }
    CHECK(blocks > 5 && misses > 5);
    sv2_duplicates_free(duplicates);
    sv2_extended_job_free(job);
}

static void every_refusal_has_its_error_code(void) {
    sv2_extended_job* job = new_job(0);
    sv2_mining_tip tip;
    sv2_u256 prev_hash, none;
    sv2_share_verdict verdict;
    sv2_share_work work;
    sv2_share share;
    memset(&prev_hash, 3, sizeof prev_hash);
    memset(&none, 0, sizeof none);
    RETURNS(SV2_OK, sv2_mining_tip_init(&prev_hash, 0x1d00ffff, NOW, NULL, NOW, &tip));
    work = work_on(job, &tip, &none);

#define REFUSED(reason, text)                                               \
    do {                                                                    \
        RETURNS(SV2_OK, sv2_share_check(&work, &share, NOW + 5, &verdict)); \
        CHECK(verdict.error == (reason) && !verdict.is_block);              \
        CHECK(is_text(sv2_share_error_code(verdict.error), text));          \
    } while (0)

    share = share_with(1);
    REFUSED(SV2_SHARE_DIFFICULTY_TOO_LOW, "difficulty-too-low");
    share.version ^= 1;
    REFUSED(SV2_SHARE_NON_ROLLABLE_VERSION_BIT, "invalid-non-rollable-version-bit");
    share.ntime = NOW - 1;
    REFUSED(SV2_SHARE_NTIME_OUT_OF_RANGE, "invalid-share");
    share.extranonce.len = 7;
    REFUSED(SV2_SHARE_BAD_EXTRANONCE_SIZE, "bad-extranonce-size");
    share = share_with(1);
    share.ntime = NOW + 6;
    REFUSED(SV2_SHARE_DIFFICULTY_TOO_LOW, "difficulty-too-low");
    work.ntime_rule = SV2_NTIME_SINCE_RECEIVED;
    REFUSED(SV2_SHARE_NTIME_OUT_OF_RANGE, "invalid-share");
    work.ntime_rule = 2;
    LEAVES_ALONE(verdict, SV2_ERROR_ARGUMENT, sv2_share_check(&work, &share, NOW, &verdict));
    CHECK(is_text(sv2_share_error_code(SV2_SHARE_DUPLICATE_SHARE), "duplicate-share"));
    CHECK(sv2_share_error_code(SV2_SHARE_OK).len == 0);
    sv2_extended_job_free(job);
}

/* 37 shares: more than are hashed together, and no multiple of anything. */
static void many_shares_get_the_verdicts_of_each(void) {
    enum { COUNT = 37 };
    sv2_extended_job *first = new_job(0), *second = new_job(1);
    sv2_share_work works[COUNT];
    sv2_share shares[COUNT];
    sv2_share_verdict verdicts[COUNT], one;
    sv2_mining_tip tip;
    sv2_u256 prev_hash, none, root;
    uint32_t i;
    memset(&prev_hash, 3, sizeof prev_hash);
    memset(&none, 0, sizeof none);
    RETURNS(SV2_OK, sv2_mining_tip_init(&prev_hash, REGTEST, NOW, NULL, NOW, &tip));
    RETURNS(SV2_OK, sv2_extended_job_merkle_root(first, bytes_of(prefix, 4), bytes_of(extranonce, 8), &root));
    for (i = 0; i < COUNT; i++) {
        works[i] = work_on(i % 7 == 3 ? second : first, &tip, &none);
        shares[i] = share_with(i);
        if (i % 10 == 9) shares[i].version ^= 1;
        if (i % 7 == 5) works[i].merkle_root = &root;
    }
    RETURNS(SV2_OK, sv2_share_check_many(works, shares, COUNT, NOW, verdicts));
    for (i = 0; i < COUNT; i++) {
        RETURNS(SV2_OK, sv2_share_check(&works[i], &shares[i], NOW, &one));
        CHECK(one.error == verdicts[i].error && one.is_block == verdicts[i].is_block);
        CHECK(memcmp(&one.hash, &verdicts[i].hash, sizeof one.hash) == 0);
    }
    RETURNS(SV2_OK, sv2_share_check_many(NULL, NULL, 0, NOW, NULL));
    works[20].tip = NULL;
    RETURNS(SV2_ERROR_NULL, sv2_share_check_many(works, shares, COUNT, NOW, verdicts));
    sv2_extended_job_free(second);
    sv2_extended_job_free(first);
}

static void a_full_set_says_so_before_it_forgets(void) {
    sv2_duplicates* duplicates;
    sv2_insertion insertion;
    sv2_u256 hash;
    memset(&hash, 0, sizeof hash);
    RETURNS(SV2_OK, sv2_duplicates_new(2, &duplicates));
    RETURNS(SV2_OK, sv2_duplicates_insert(duplicates, &hash, &insertion));
    CHECK(insertion == SV2_INSERTION_NEW);
    hash.bytes[0] = 9;
    RETURNS(SV2_OK, sv2_duplicates_insert(duplicates, &hash, &insertion));
    CHECK(insertion == SV2_INSERTION_LAST);
    RETURNS(SV2_OK, sv2_duplicates_insert(duplicates, &hash, &insertion));
    CHECK(insertion == SV2_INSERTION_DUPLICATE);
    hash.bytes[0] = 10;
    RETURNS(SV2_OK, sv2_duplicates_insert(duplicates, &hash, &insertion));
    CHECK(insertion == SV2_INSERTION_FULL);
    sv2_duplicates_free(duplicates);
}

int main(void) {
    check_unused();
    RUN(a_payout_pays_everything);
    RUN(a_payout_to_nobody_is_refused);
    RUN(the_coinbase_of_a_job_is_the_one_that_is_put_together_by_hand);
    RUN(the_message_of_a_job_makes_the_same_job_for_whoever_gets_it);
    RUN(a_custom_job_keeps_its_token);
    RUN(a_share_is_judged_by_its_header);
    RUN(every_refusal_has_its_error_code);
    RUN(many_shares_get_the_verdicts_of_each);
    RUN(a_full_set_says_so_before_it_forgets);
    return 0;
}
