/* The mining server from C: a channel, a job, shares of it and what the events say; a block that comes before all else. */
#include "peers.h"

enum { miner = 7, pays_the_pool = 3 };

static const uint8_t op_true[] = {0x51}, height_1[] = {0x51};

typedef struct world {
    sv2_mining_server* server;
    sv2_connection* client;
    uint32_t channel_id, job_id, version, acknowledged;
    sv2_block_header header;
} world;

static void give_work(sv2_mining_server* server) {
    sv2_new_template of;
    sv2_set_new_prev_hash_template tip;
    memset(&of, 0, sizeof of);
    memset(&tip, 0, sizeof tip);
    of.template_id = tip.template_id = 42;
    of.future_template = 1;
    of.version = 0x20000000;
    of.coinbase_tx_version = 2;
    of.coinbase_prefix.data = height_1;
    of.coinbase_prefix.len = sizeof height_1;
    of.coinbase_tx_value_remaining = 5000000000u;
    RETURNS(SV2_OK, sv2_mining_server_new_template(server, &of, at_start));
    tip.prev_hash.bytes[31] = 1;
    tip.header_timestamp = (uint32_t)at_start.unix_s;
    tip.nbits = 0x207fffff;
    RETURNS(SV2_OK, sv2_target_from_nbits(tip.nbits, &tip.target));
    RETURNS(SV2_OK, sv2_mining_server_set_new_prev_hash(server, &tip, at_start));
}

static world new_world(void) {
    sv2_mining_server_options options = SV2_MINING_SERVER_OPTIONS_INIT;
    const sv2_payout_output output = {{op_true, sizeof op_true}, 1};
    const sv2_str no_tag = {NULL, 0};
    sv2_payout* payout;
    world of;
    memset(&of, 0, sizeof of);
    options.plaintext = 1;
    RETURNS(SV2_OK, sv2_mining_server_new(&options, &of.server));
    RETURNS(SV2_OK, sv2_payout_new(&output, 1, &payout));
    RETURNS(SV2_OK, sv2_mining_server_set_payout(of.server, pays_the_pool, payout, no_tag, at_start));
    sv2_payout_free(payout); /* before the server, as the header allows */
    give_work(of.server);
    of.client = new_plain(0);
    RETURNS(SV2_OK, sv2_mining_server_connect(of.server, miner, NULL, at_start));
    return of;
}

static void send_message(world* of, const sv2_message* message) {
    uint8_t bytes[512];
    size_t len;
    RETURNS(SV2_OK, sv2_connection_send(of->client, message));
    len = take_output(of->client, bytes, sizeof bytes);
    RETURNS(SV2_OK, sv2_mining_server_receive(of->server, miner, bytes, len, at_start));
}

static void take_message(world* of, const sv2_message* m) {
    if (m->type == SV2_MESSAGE_OPEN_STANDARD_MINING_CHANNEL_SUCCESS) {
        of->channel_id = m->as.open_standard_mining_channel_success.channel_id;
    } else if (m->type == SV2_MESSAGE_NEW_MINING_JOB) {
        of->header.version = m->as.new_mining_job.version;
        of->header.merkle_root = m->as.new_mining_job.merkle_root;
    } else if (m->type == SV2_MESSAGE_SET_NEW_PREV_HASH) {
        of->job_id = m->as.set_new_prev_hash.job_id;
        of->header.prev_hash = m->as.set_new_prev_hash.prev_hash;
        of->header.time = m->as.set_new_prev_hash.min_ntime;
        of->header.nbits = m->as.set_new_prev_hash.nbits;
    } else if (m->type == SV2_MESSAGE_SUBMIT_SHARES_SUCCESS) {
        of->acknowledged += m->as.submit_shares_success.new_submits_accepted_count;
    }
}

/* Does what a WRITABLE asks for: all output goes to the client at once. */
static void write_out(world* of) {
    for (;;) {
        const sv2_bytes out = sv2_mining_server_output(of->server, miner);
        sv2_message message;
        if (out.len == 0) break;
        give(of->client, out.data, out.len);
        RETURNS(SV2_OK, sv2_mining_server_sent(of->server, miner, out.len, at_start));
        while (sv2_connection_next(of->client, &message) == SV2_OK) take_message(of, &message);
    }
}

/* The next event that is not about output; NO_EVENT is the end. */
static sv2_status next_event(world* of, sv2_mining_server_event* event) {
    sv2_status status;
    while ((status = sv2_mining_server_next_event(of->server, event)) == SV2_OK &&
           event->type == SV2_MINING_SERVER_EVENT_WRITABLE) {
        CHECK(event->as.writable == miner);
        write_out(of);
    }
    return status;
}

static void open_channel(world* of) {
    sv2_mining_server_event event;
    sv2_message message;
    uint32_t channel_id = 0;
    memset(&message, 0, sizeof message);
    message.type = SV2_MESSAGE_SETUP_CONNECTION;
    message.as.setup_connection.min_version = message.as.setup_connection.max_version = 2;
    message.as.setup_connection.flags = SV2_FLAG_REQUIRES_STANDARD_JOBS;
    send_message(of, &message);
    RETURNS(SV2_OK, next_event(of, &event));
    CHECK(event.type == SV2_MINING_SERVER_EVENT_CONNECTED && event.as.connected.connection == miner);
    CHECK(event.as.connected.flags == SV2_FLAG_REQUIRES_STANDARD_JOBS);
    RETURNS(SV2_NO_EVENT, next_event(of, &event));

    memset(&message, 0, sizeof message);
    message.type = SV2_MESSAGE_OPEN_STANDARD_MINING_CHANNEL;
    message.as.open_standard_mining_channel.request_id = 5;
    message.as.open_standard_mining_channel.user_identity.data = "alice";
    message.as.open_standard_mining_channel.user_identity.len = 5;
    message.as.open_standard_mining_channel.nominal_hash_rate = 1e6f;
    memset(&message.as.open_standard_mining_channel.max_target, 0xff, 32);
    send_message(of, &message);
    RETURNS(SV2_OK, next_event(of, &event));
    CHECK(event.type == SV2_MINING_SERVER_EVENT_OPEN_CHANNEL);
    CHECK(event.as.open_channel.request_id == 5 && event.as.open_channel.kind == SV2_CHANNEL_STANDARD);
    CHECK(event.as.open_channel.user_identity.len == 5 && memcmp(event.as.open_channel.user_identity.data, "alice", 5) == 0);
    RETURNS(SV2_OK, sv2_mining_server_accept_channel(of->server, miner, 5, pays_the_pool, NULL, at_start, &channel_id));
    RETURNS(SV2_OK, next_event(of, &event));
    CHECK(event.type == SV2_MINING_SERVER_EVENT_CHANNEL_OPENED);
    CHECK(event.as.channel_opened.channel_id == channel_id && event.as.channel_opened.work_id == pays_the_pool);
    CHECK(event.as.channel_opened.extranonce_prefix.len == 20 && event.as.channel_opened.extranonce_size == 0);
    RETURNS(SV2_NO_EVENT, next_event(of, &event));
    CHECK(of->channel_id == channel_id && of->job_id != 0 && sv2_mining_server_channels(of->server) == 1);
}

static void submit_block(world* of) {
    sv2_message message;
    sv2_u256 target, hash;
    RETURNS(SV2_OK, sv2_target_from_nbits(of->header.nbits, &target));
    do {
        of->header.nonce++;
        RETURNS(SV2_OK, sv2_block_header_hash(&of->header, &hash));
    } while (!sv2_target_is_met(&target, &hash));
    memset(&message, 0, sizeof message);
    message.type = SV2_MESSAGE_SUBMIT_SHARES_STANDARD;
    message.as.submit_shares_standard.channel_id = of->channel_id;
    message.as.submit_shares_standard.job_id = of->job_id;
    message.as.submit_shares_standard.nonce = of->header.nonce;
    message.as.submit_shares_standard.ntime = of->header.time;
    message.as.submit_shares_standard.version = of->header.version;
    send_message(of, &message);
}

static void a_block_is_told_before_its_share_and_a_duplicate_does_not_count(void) {
    world of = new_world();
    sv2_mining_server_event event;
    open_channel(&of);
    submit_block(&of);
    RETURNS(SV2_OK, sv2_mining_server_next_event(of.server, &event));
    CHECK(event.type == SV2_MINING_SERVER_EVENT_BLOCK_FOUND && event.as.block_found.has_solution == 1);
    CHECK(event.as.block_found.solution.template_id == 42 && event.as.block_found.share.source == SV2_JOB_OF_TEMPLATE);
    CHECK(event.as.block_found.header.nonce == of.header.nonce && event.as.block_found.coinbase_tx.len > 0);
    RETURNS(SV2_OK, next_event(&of, &event));
    CHECK(event.type == SV2_MINING_SERVER_EVENT_SHARE_ACCEPTED && event.as.share_accepted.is_block == 1);
    CHECK(event.as.share_accepted.extranonce.len == 20 && event.as.share_accepted.difficulty > 0);
    RETURNS(SV2_NO_EVENT, next_event(&of, &event));
    CHECK(of.acknowledged == 1);

    of.header.nonce--; /* the same once more */
    submit_block(&of);
    RETURNS(SV2_OK, next_event(&of, &event));
    CHECK(event.type == SV2_MINING_SERVER_EVENT_SHARE_REJECTED);
    CHECK(event.as.share_rejected.error_code.len == strlen("duplicate-share"));
    CHECK(memcmp(event.as.share_rejected.error_code.data, "duplicate-share", strlen("duplicate-share")) == 0);

    RETURNS(SV2_ERROR_STATE, sv2_mining_server_remove_work(of.server, pays_the_pool)); /* it is mined */
    sv2_mining_server_disconnect(of.server, miner);
    RETURNS(SV2_OK, next_event(&of, &event));
    CHECK(event.type == SV2_MINING_SERVER_EVENT_CHANNEL_CLOSED && event.as.channel_closed.totals.accepted == 1);
    CHECK(event.as.channel_closed.by == SV2_CHANNEL_CLOSED_BY_DISCONNECT && event.as.channel_closed.totals.rejected == 1);
    RETURNS(SV2_OK, sv2_mining_server_remove_work(of.server, pays_the_pool));
    sv2_connection_free(of.client);
    sv2_mining_server_free(of.server);
}

static void a_block_can_be_taken_out_past_the_other_events(void) {
    world of = new_world();
    sv2_mining_server_event event;
    sv2_found_block block;
    open_channel(&of);
    submit_block(&of);
    RETURNS(SV2_OK, sv2_mining_server_next_block(of.server, &block));
    CHECK(block.solution.template_id == 42 && block.solution.header_nonce == of.header.nonce);
    RETURNS(SV2_NO_EVENT, sv2_mining_server_next_block(of.server, &block));
    RETURNS(SV2_OK, next_event(&of, &event));
    CHECK(event.type == SV2_MINING_SERVER_EVENT_SHARE_ACCEPTED);
    sv2_connection_free(of.client);
    sv2_mining_server_free(of.server);
}

int main(void) {
    RUN(a_block_is_told_before_its_share_and_a_duplicate_does_not_count);
    RUN(a_block_can_be_taken_out_past_the_other_events);
    return 0;
}
