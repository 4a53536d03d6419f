/* Shares on one extended job: one at a time, and in batches. */
#include "ours.h"

enum {
    PATH_LEN = 12,
    PREFIX_LEN = 4,
    ROLLABLE_LEN = 16,
    NTIME = 1785542400,
    VERSION = 0x20000000,
    NBITS = 0x17020000,
    BATCH = 64,
    /* Shares of a job until it is replaced, whose hashes are remembered. */
    SHARES_OF_A_JOB = 2048
};

struct ours_shares {
    sv2_extended_job *job;
    sv2_duplicates *duplicates;
    sv2_mining_tip tip;
    sv2_u256 target;
    sv2_share_work works[BATCH];
    sv2_share shares[BATCH];
    uint32_t nonce;
    uint32_t remembered;
};

struct ours_shares *ours_shares_new(const uint8_t *template_outputs, size_t template_outputs_len, const uint8_t *script,
                                    size_t script_len, const uint8_t *path, const uint8_t *extranonce)
{
    static const uint8_t height[] = {3, 0x40, 0x0d, 0x0e};
    struct ours_shares *it = calloc(1, sizeof *it);
    sv2_payout_output paid = {{script, script_len}, 1};
    sv2_str pool_tag = {"pool", 4}, miner_tag = {NULL, 0};
    sv2_new_template template = {0};
    sv2_job_factory *factory;
    sv2_payout *payout;
    sv2_u256 prev_hash;

    if (!it)
        abort();
    template.version = VERSION;
    template.coinbase_tx_version = 2;
    template.coinbase_prefix = (sv2_bytes){height, sizeof height};
    template.coinbase_tx_input_sequence = 0xfffffffe;
    template.coinbase_tx_value_remaining = 312500000;
    template.coinbase_tx_outputs_count = 1;
    template.coinbase_tx_outputs = (sv2_bytes){template_outputs, template_outputs_len};
    template.coinbase_tx_locktime = 920895;
    template.merkle_path = (sv2_u256_list){(const sv2_u256 *)path, PATH_LEN};
    ok(sv2_payout_new(&paid, 1, &payout), "payout");
    ok(sv2_job_factory_new(pool_tag, miner_tag, PREFIX_LEN + ROLLABLE_LEN, 1, &factory), "factory");
    ok(sv2_job_factory_job(factory, &template, payout, 0, &it->job), "job");
    sv2_job_factory_free(factory);
    sv2_payout_free(payout);

    for (size_t i = 0; i < sizeof prev_hash; i++)
        prev_hash.bytes[i] = 3;
    ok(sv2_mining_tip_init(&prev_hash, NBITS, NTIME, NULL, NTIME, &it->tip), "tip");
    for (size_t i = 0; i < sizeof it->target; i++)
        it->target.bytes[i] = 0xff;
    for (size_t i = 0; i < BATCH; i++) {
        sv2_share_work *work = &it->works[i];
        sv2_share *share = &it->shares[i];
        work->job = it->job;
        work->tip = &it->tip;
        work->target = &it->target;
        work->extranonce_prefix = (sv2_bytes){extranonce, PREFIX_LEN};
        work->extranonce_size = ROLLABLE_LEN;
        work->version_mask = SV2_VERSION_ROLLING_MASK;
        share->ntime = NTIME;
        share->version = VERSION;
        share->extranonce = (sv2_bytes){extranonce + PREFIX_LEN, ROLLABLE_LEN};
    }
    ok(sv2_duplicates_new(SHARES_OF_A_JOB, &it->duplicates), "duplicates");
    return it;
}

/* How many SHA-256 compressions a share takes: what is left of the coinbase after whole blocks of its prefix, and its second
   hash; three for each hash of the merkle path; three for the header. */
uint64_t ours_shares_compressions(const struct ours_shares *it)
{
    const sv2_option_u32 absent = {0, 0};
    sv2_new_extended_mining_job message;
    size_t coinbase, hashed;
    ok(sv2_extended_job_message(it->job, 1, 1, absent, &message), "message");
    coinbase = message.coinbase_tx_prefix.len + PREFIX_LEN + ROLLABLE_LEN + message.coinbase_tx_suffix.len;
    hashed = message.coinbase_tx_prefix.len / 64;
    return (coinbase + 9 + 63) / 64 - hashed + 1 + 3 * PATH_LEN + 3;
}

/* Accepts a share, and returns the first bytes of its hash. */
static uint64_t accept(struct ours_shares *it, const sv2_share_verdict *verdict)
{
    uint64_t read = 0;
    sv2_insertion insertion;
    if (verdict->error != SV2_SHARE_OK)
        abort();
    if (it->remembered++ == SHARES_OF_A_JOB) {
        sv2_duplicates_free(it->duplicates);
        ok(sv2_duplicates_new(SHARES_OF_A_JOB, &it->duplicates), "duplicates");
        it->remembered = 1;
    }
    ok(sv2_duplicates_insert(it->duplicates, &verdict->hash, &insertion), "insert");
    if (insertion > SV2_INSERTION_LAST)
        abort();
    for (size_t i = 0; i < 8; i++)
        read |= (uint64_t)verdict->hash.bytes[i] << 8 * i;
    return read;
}

uint64_t ours_shares_check(struct ours_shares *it, uint64_t times)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < times; i++) {
        sv2_share_verdict verdict;
        it->shares[0].nonce = it->nonce++;
        ok(sv2_share_check(&it->works[0], &it->shares[0], NTIME, &verdict), "check");
        sum += accept(it, &verdict);
    }
    return sum;
}

uint64_t ours_shares_check_many(struct ours_shares *it, uint64_t times)
{
    uint64_t sum = 0;
    while (times > 0) {
        sv2_share_verdict verdicts[BATCH];
        const size_t count = times < BATCH ? (size_t)times : BATCH;
        for (size_t i = 0; i < count; i++)
            it->shares[i].nonce = it->nonce++;
        ok(sv2_share_check_many(it->works, it->shares, count, NTIME, verdicts), "check");
        for (size_t i = 0; i < count; i++)
            sum += accept(it, &verdicts[i]);
        times -= count;
    }
    return sum;
}
