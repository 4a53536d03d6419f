/* A mining server with many clients in memory, each with an extended channel: jobs to all of them, and shares of one. */
#include <string.h>

#include "ours.h"

enum {
    PATH_LEN = 12,
    ROLLABLE_LEN = 16,
    NBITS = 0x17020000,
    VERSION = 0x20000000,
    WORK = 1,
    /* Shares that come at once. Fewer than those after which a channel gets another job. */
    SHARES = 1000,
    SEALED_SHARE_LEN = 6 + 16 + 24 + 1 + ROLLABLE_LEN + 16
};

/* A server, the other ends of its connections, and what is on its way to it. */
struct pool {
    sv2_mining_server *engine;
    sv2_time now;
    uint64_t template_id;
    uint64_t clients;
    sv2_connection **ends; /* of clients 1, 2, ... while they are being set up; the first stays */
    uint32_t channel_id;   /* of the first */
    uint32_t job_id;
    uint32_t sequence_number;
    uint64_t accepted;
    uint8_t shares[SHARES * SEALED_SHARE_LEN];
    size_t shares_len;
};

struct pool *pool_new(const struct ours_keys *keys, uint64_t clients);
void pool_free(struct pool *pool);
void pool_idle(struct pool *pool, uint64_t ms);
uint64_t pool_job(struct pool *pool);
void pool_prepare_shares(struct pool *pool);
uint64_t pool_shares(struct pool *pool);

/* ------------------------------------------------------------------------------------------------------------------- the node */

/* The next template on the present tip, or on one to come. */
static void offer(struct pool *pool, int is_future)
{
    static const uint8_t height[] = {3, 0x40, 0x0d, 0x0e};
    /* No satoshis, and a script of 38 bytes with the witness commitment (BIP 141). */
    static const uint8_t commitment[8 + 1 + 38] = {0, 0, 0, 0, 0, 0, 0, 0, 38, 0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed};
    static const sv2_u256 path[PATH_LEN];
    sv2_new_template offered;

    memset(&offered, 0, sizeof offered);
    offered.template_id = ++pool->template_id;
    offered.future_template = is_future != 0;
    offered.version = VERSION;
    offered.coinbase_tx_version = 2;
    offered.coinbase_tx_input_sequence = 0xfffffffe;
    offered.coinbase_tx_outputs_count = 1;
    offered.coinbase_tx_value_remaining = 312500000 + pool->template_id;
    offered.coinbase_prefix = (sv2_bytes){height, sizeof height};
    offered.coinbase_tx_outputs = (sv2_bytes){commitment, sizeof commitment};
    offered.merkle_path = (sv2_u256_list){path, PATH_LEN};
    ok(sv2_mining_server_new_template(pool->engine, &offered, pool->now), "new_template");
}

static void first_tip(struct pool *pool)
{
    sv2_set_new_prev_hash_template tip;

    offer(pool, 1);
    memset(&tip, 0, sizeof tip);
    tip.template_id = pool->template_id;
    tip.header_timestamp = (uint32_t)pool->now.unix_s;
    tip.nbits = NBITS;
    ok(sv2_target_from_nbits(NBITS, &tip.target), "target");
    ok(sv2_mining_server_set_new_prev_hash(pool->engine, &tip, pool->now), "set_new_prev_hash");
}

/* ---------------------------------------------------------------------------------------------------------------- the sockets */

/* The host's loop: sockets take what they are given, and the ends that are still there receive it. Returns how many bytes there
 * were. */
static uint64_t run(struct pool *pool)
{
    sv2_mining_server_event event;
    uint64_t bytes = 0;

    while (sv2_mining_server_next_event(pool->engine, &event) == SV2_OK) {
        if (event.type == SV2_MINING_SERVER_EVENT_WRITABLE) {
            const uint64_t client = event.as.writable;
            const sv2_bytes out = sv2_mining_server_output(pool->engine, client);
            sv2_connection *end = pool->ends ? pool->ends[client - 1] : NULL;

            if (end) {
                sv2_room room = sv2_connection_room(end, out.len);
                memcpy(room.data, out.data, out.len);
                ok(sv2_connection_received(end, out.len, pool->now), "received");
            }
            bytes += out.len;
            ok(sv2_mining_server_sent(pool->engine, client, out.len, pool->now), "sent");
        } else if (event.type == SV2_MINING_SERVER_EVENT_SHARE_ACCEPTED) {
            pool->accepted++;
        } else if (event.type == SV2_MINING_SERVER_EVENT_OPEN_CHANNEL) {
            sv2_u256 easiest;
            memset(&easiest, 0xff, sizeof easiest);
            ok(sv2_mining_server_accept_channel(pool->engine, event.as.open_channel.connection,
                                                event.as.open_channel.request_id, WORK, &easiest, pool->now, NULL),
               "accept_channel");
        } else if (event.type == SV2_MINING_SERVER_EVENT_CLOSE || event.type == SV2_MINING_SERVER_EVENT_SHARE_REJECTED) {
            fprintf(stderr, "closed, or a share rejected\n");
            abort();
        }
    }
    return bytes;
}

/* ---------------------------------------------------------------------------------------------------------------- the clients */

/* What an end has to say goes to the server, which answers. */
static void hand_in(struct pool *pool, uint64_t client)
{
    sv2_connection *end = pool->ends[client - 1];
    uint8_t bytes[READ_LEN];
    sv2_bytes out = sv2_connection_output(end);

    if (out.len > sizeof bytes)
        abort();
    memcpy(bytes, out.data, out.len);
    ok(sv2_mining_server_receive(pool->engine, client, bytes, out.len, pool->now), "receive");
    ok(sv2_connection_sent(end, out.len), "sent");
    run(pool);
}

static void say(struct pool *pool, uint64_t client, const sv2_message *message)
{
    ok(sv2_connection_send(pool->ends[client - 1], message), "send");
    hand_in(pool, client);
}

static sv2_message hear(struct pool *pool, uint64_t client, uint32_t type)
{
    sv2_message message;

    ok(sv2_connection_next(pool->ends[client - 1], &message), "next");
    if (message.type != type)
        abort();
    return message;
}

/* Handshake, SetupConnection, and a channel with its first job. */
static void join(struct pool *pool, uint64_t client, const struct ours_keys *keys)
{
    sv2_initiator_options options = SV2_INITIATOR_OPTIONS_INIT;
    sv2_message message;

    options.authority_key = keys->authority_key;
    ok(sv2_connection_new_initiator(&options, &pool->ends[client - 1]), "initiator");
    ok(sv2_mining_server_connect(pool->engine, client, NULL, pool->now), "connect");
    hand_in(pool, client);
    expect(SV2_NEED_INPUT, sv2_connection_next(pool->ends[client - 1], &message), "act 2");

    memset(&message, 0, sizeof message);
    message.type = SV2_MESSAGE_SETUP_CONNECTION;
    message.as.setup_connection.protocol = SV2_PROTOCOL_MINING;
    message.as.setup_connection.min_version = 2;
    message.as.setup_connection.max_version = 2;
    say(pool, client, &message);
    hear(pool, client, SV2_MESSAGE_SETUP_CONNECTION_SUCCESS);

    memset(&message, 0, sizeof message);
    message.type = SV2_MESSAGE_OPEN_EXTENDED_MINING_CHANNEL;
    message.as.open_extended_mining_channel.request_id = 1;
    message.as.open_extended_mining_channel.nominal_hash_rate = 1e14F;
    memset(&message.as.open_extended_mining_channel.max_target, 0xff, 32);
    message.as.open_extended_mining_channel.min_extranonce_size = 8;
    say(pool, client, &message);
    message = hear(pool, client, SV2_MESSAGE_OPEN_EXTENDED_MINING_CHANNEL_SUCCESS);
    if (message.as.open_extended_mining_channel_success.extranonce_size != ROLLABLE_LEN)
        abort();
    if (client == 1)
        pool->channel_id = message.as.open_extended_mining_channel_success.channel_id;
    hear(pool, client, SV2_MESSAGE_NEW_EXTENDED_MINING_JOB);
    hear(pool, client, SV2_MESSAGE_SET_NEW_PREV_HASH);
}

/* The first end reads all that came. */
static void read_all(struct pool *pool)
{
    sv2_message message;

    while (sv2_connection_next(pool->ends[0], &message) == SV2_OK)
        if (message.type == SV2_MESSAGE_NEW_EXTENDED_MINING_JOB)
            pool->job_id = message.as.new_extended_mining_job.job_id;
}

/* A server and its clients over Noise, all of whom have a channel. Of several clients the ends do not stay. */
struct pool *pool_new(const struct ours_keys *keys, uint64_t clients)
{
    static const uint8_t script[22] = {0, 20};
    sv2_mining_server_options options = SV2_MINING_SERVER_OPTIONS_INIT;
    const sv2_payout_output paid = {{script, sizeof script}, 1};
    const sv2_str nothing = {NULL, 0};
    struct pool *pool = calloc(1, sizeof *pool);
    sv2_payout *payout;
    uint64_t client;

    if (!pool || !(pool->ends = calloc(clients, sizeof *pool->ends)))
        abort();
    pool->now = (sv2_time){1000, keys->unix_s};
    pool->clients = clients;
    options.identity = keys->identity;
    options.no_vardiff = 1;
    options.max_messages_per_second = 1000000;
    options.message_burst = 1000000;
    ok(sv2_mining_server_new(&options, &pool->engine), "server");
    ok(sv2_payout_new(&paid, 1, &payout), "payout");
    ok(sv2_mining_server_set_payout(pool->engine, WORK, payout, nothing, pool->now), "set_payout");
    sv2_payout_free(payout);
    first_tip(pool);
    run(pool);
    for (client = 1; client <= clients; client++)
        join(pool, client, keys);

    /* Every client understands a job as it should. */
    offer(pool, 0);
    run(pool);
    for (client = 1; client <= clients; client++) {
        sv2_message message = hear(pool, client, SV2_MESSAGE_NEW_EXTENDED_MINING_JOB);
        if (!message.as.new_extended_mining_job.min_ntime.present || message.as.new_extended_mining_job.merkle_path.count != PATH_LEN)
            abort();
        if (clients > 1)
            sv2_connection_free(pool->ends[client - 1]);
    }
    if (clients > 1) {
        free(pool->ends);
        pool->ends = NULL;
    }
    return pool;
}

void pool_free(struct pool *pool)
{
    sv2_mining_server_free(pool->engine);
    if (pool->ends)
        sv2_connection_free(pool->ends[0]);
    free(pool->ends);
    free(pool);
}

/* ---------------------------------------------------------------------------------------------------------------------- work */

/* Nothing happens for so long but the clock. */
void pool_idle(struct pool *pool, uint64_t ms)
{
    pool->now.monotonic_ms += ms;
    ok(sv2_mining_server_tick(pool->engine, pool->now), "tick");
    run(pool);
}

/* A job, from the node's template until the sockets of all clients have the last byte; returns how many bytes that were. */
uint64_t pool_job(struct pool *pool)
{
    offer(pool, 0);
    return run(pool);
}

/* The client seals shares of a new job, which wait in the socket. */
void pool_prepare_shares(struct pool *pool)
{
    static const uint8_t extranonce[ROLLABLE_LEN];
    sv2_message message;
    sv2_bytes out;

    pool_idle(pool, 60000);
    offer(pool, 0);
    run(pool);
    read_all(pool);
    memset(&message, 0, sizeof message);
    message.type = SV2_MESSAGE_SUBMIT_SHARES_EXTENDED;
    message.as.submit_shares_extended.channel_id = pool->channel_id;
    message.as.submit_shares_extended.job_id = pool->job_id;
    message.as.submit_shares_extended.ntime = (uint32_t)pool->now.unix_s;
    message.as.submit_shares_extended.version = VERSION;
    message.as.submit_shares_extended.extranonce = (sv2_bytes){extranonce, sizeof extranonce};
    for (uint32_t nonce = 0; nonce < SHARES; nonce++) {
        message.as.submit_shares_extended.nonce = nonce;
        message.as.submit_shares_extended.sequence_number = pool->sequence_number++;
        ok(sv2_connection_send(pool->ends[0], &message), "send");
    }
    out = sv2_connection_output(pool->ends[0]);
    if (out.len > sizeof pool->shares)
        abort();
    memcpy(pool->shares, out.data, out.len);
    pool->shares_len = out.len;
    ok(sv2_connection_sent(pool->ends[0], out.len), "sent");
}

/* The host reads them, as much at a time as a socket gives, and writes what the server answers; returns how many shares are
 * accepted. */
uint64_t pool_shares(struct pool *pool)
{
    const uint64_t before = pool->accepted;

    for (size_t at = 0; at < pool->shares_len;) {
        uint8_t bytes[READ_LEN];
        const size_t len = pool->shares_len - at < sizeof bytes ? pool->shares_len - at : sizeof bytes;

        memcpy(bytes, pool->shares + at, len);
        ok(sv2_mining_server_receive(pool->engine, 1, bytes, len, pool->now), "receive");
        run(pool);
        at += len;
    }
    return pool->accepted - before;
}
