/*
 * A miner as firmware has it: C99, one channel, no memory of its own but what is static, and a loop that hands in what happens and does
 * what comes out. The library reserves its few kilobytes in sv2_mining_client_connect and when the channel opens, and none afterwards.
 *
 * Instead of a socket there is a pool in the same program, on the other side of `to_pool` and `to_miner`: below the line.
 */
#include <stdio.h>
#include <string.h>

#include "sv2.h"

enum { SHARES = 3, PIECE = 4096, MOST_TURNS = 10000 };

static uint8_t to_pool[512], to_miner[512]; /* what a network driver would hold */
static size_t to_pool_len, to_miner_len;

static sv2_connection* pool;
static sv2_mining_client* miner;
static uint32_t channel_id, job_id, next_nonce, accepted;
static sv2_block_header header; /* what is hashed; no job: job_id is 0 */
static sv2_u256 target;

static sv2_time now(void) { /* a device has a timer; whether it knows the date is its option no_clock */
    static sv2_time time = {0, 1700000000};
    time.monotonic_ms++;
    return time;
}

static void write_output(void) {
    sv2_bytes out = sv2_mining_client_output(miner);
    size_t n = out.len < sizeof to_pool - to_pool_len ? out.len : sizeof to_pool - to_pool_len;
    if (n > 0) memcpy(to_pool + to_pool_len, out.data, n);
    to_pool_len += n;
    (void)sv2_mining_client_sent(miner, n, now());
}

static void read_input(void) {
    sv2_room room = sv2_mining_client_room(miner);
    size_t n = to_miner_len < room.len ? to_miner_len : room.len;
    if (n == 0) return;
    memcpy(room.data, to_miner, n);
    memmove(to_miner, to_miner + n, to_miner_len - n);
    to_miner_len -= n;
    (void)sv2_mining_client_received(miner, n, now());
}

static void take_job(uint32_t channel, uint32_t job) {
    const sv2_bytes no_extranonce = {NULL, 0};
    sv2_client_job details;
    if (sv2_mining_client_job(miner, channel, job, &details) != SV2_OK) return;
    if (sv2_mining_client_header(miner, channel, job, no_extranonce, &header) != SV2_OK) return;
    target = details.target;
    channel_id = channel;
    job_id = job;
    next_nonce = 0;
}

static int handle(const sv2_mining_client_event* event) {
    const sv2_str user = {"lesson.rig1", 11};
    switch (event->type) {
        case SV2_MINING_CLIENT_EVENT_READY:
            return sv2_mining_client_open_standard(miner, user, 1e6f, NULL, now(), NULL) == SV2_OK;
        case SV2_MINING_CLIENT_EVENT_NEW_JOB:
            take_job(event->as.job.channel_id, event->as.job.job_id);
            printf("miner: job %u%s\n", (unsigned)job_id, event->as.job.clean ? ", on a new tip" : "");
            return 1;
        case SV2_MINING_CLIENT_EVENT_TIP_WITHOUT_JOB:
            job_id = 0;
            return 1;
        case SV2_MINING_CLIENT_EVENT_SHARES_ACCEPTED:
            accepted += event->as.shares_accepted.count;
            printf("miner: %u shares accepted\n", (unsigned)accepted);
            return 1;
        case SV2_MINING_CLIENT_EVENT_WRITABLE:
            write_output();
            return 1;
        case SV2_MINING_CLIENT_EVENT_OPEN_REFUSED:
        case SV2_MINING_CLIENT_EVENT_CHANNEL_CLOSED:
            return 0;
        case SV2_MINING_CLIENT_EVENT_CLOSE: /* then: wait a while, and connect again if may_retry */
            fprintf(stderr, "miner: %s\n", event->as.close.reason);
            return 0;
        default:
            return 1;
    }
}

/* Some milliseconds of hashing; hardware does this part. */
static void hash(void) {
    sv2_mining_client_share share;
    uint32_t nonce;
    if (job_id == 0) return;
    if (sv2_block_header_search(&header, &target, next_nonce, PIECE, &nonce) != SV2_OK) {
        next_nonce += PIECE; /* after all nonces: another nTime or version */
        return;
    }
    memset(&share, 0, sizeof share);
    share.job_id = job_id;
    share.nonce = nonce;
    share.ntime = header.time;
    share.version = header.version;
    next_nonce = nonce + 1;
    if (sv2_mining_client_submit(miner, channel_id, &share, now(), NULL) == SV2_OK) {
        printf("miner: nonce %u\n", (unsigned)nonce);
    }
}

static int pool_turn(void);

static int mine(void) {
    sv2_mining_client_event event;
    int turn;
    if (sv2_mining_client_connect(miner, now()) != SV2_OK) return 0;
    for (turn = 0; turn < MOST_TURNS && accepted < SHARES; turn++) {
        read_input();
        while (sv2_mining_client_next_event(miner, &event) == SV2_OK) {
            if (!handle(&event)) return 0;
        }
        if (sv2_mining_client_next_deadline(miner) <= now().monotonic_ms) (void)sv2_mining_client_tick(miner, now());
        hash();
        if (!pool_turn()) return 0;
    }
    return accepted >= SHARES;
}

int main(int argc, char** argv) {
    sv2_mining_client_options options = SV2_MINING_CLIENT_OPTIONS_INIT;
    sv2_plain_options plain = SV2_PLAIN_OPTIONS_INIT;
    int mined = 0;
    if (argc > 1) {
        printf("usage: %s\n\nA miner with static memory finds shares for a pool in the same program.\n", argv[0]);
        return strcmp(argv[1], "--help") == 0 ? 0 : 2;
    }
    options.device = 1;
    options.plaintext = 1; /* a real one: options.authority_key = the pool's key */
    plain.is_server = 1;
    if (sv2_mining_client_new(&options, &miner) == SV2_OK && sv2_connection_new_plain(&plain, &pool) == SV2_OK) mined = mine();
    sv2_mining_client_free(miner); /* NULL is allowed */
    sv2_connection_free(pool);
    return mined ? 0 : 1;
}

/* ---------------------------------------------------------------------------------------------------------------- the pool */

#include "mining_client_pool.h"
