/* sv2_mining_client from C, against a server made of messages, in memory and over Noise. */

#include "peers.h"

static key_pair authority;
static sv2_connection* server;
static sv2_mining_client* client;

/* The types of the events that came, and the last of them. */
static uint32_t types[16];
static size_t types_len;
static sv2_mining_client_event last;
static char close_reason[200];

static void drain(void) {
    sv2_mining_client_event event;
    while (sv2_mining_client_next_event(client, &event) == SV2_OK) {
        if (event.type == SV2_MINING_CLIENT_EVENT_WRITABLE) continue;
        CHECK(types_len < sizeof types / sizeof *types);
        types[types_len++] = event.type;
        last = event;
        if (event.type == SV2_MINING_CLIENT_EVENT_CLOSE) {
            CHECK(strlen(event.as.close.reason) < sizeof close_reason);
            memcpy(close_reason, event.as.close.reason, strlen(event.as.close.reason) + 1);
        }
    }
}

/* Everything that the client wants to send arrives; the last message of it. */
static sv2_message hear(void) {
    sv2_message message, heard = message_of_type(SV2_MESSAGE_SETUP_CONNECTION);
    sv2_bytes output;
    drain();
    while ((output = sv2_mining_client_output(client)).len > 0) {
        give(server, output.data, output.len);
        RETURNS(SV2_OK, sv2_mining_client_sent(client, output.len, at_start));
    }
    while (sv2_connection_next(server, &message) == SV2_OK) heard = message;
    return heard;
}

/* What the server wants to send arrives, through the memory of the client. */
static void tell(void) {
    sv2_bytes output;
    while ((output = sv2_connection_output(server)).len > 0) {
        sv2_room room = sv2_mining_client_room(client);
        size_t n = output.len < 50 ? output.len : 50;
        CHECK(room.len >= n);
        memcpy(room.data, output.data, n);
        RETURNS(SV2_OK, sv2_mining_client_received(client, n, at_start));
        RETURNS(SV2_OK, sv2_connection_sent(server, n));
        drain();
        if (!sv2_mining_client_is_connected(client)) return;
    }
}

static void say(sv2_message message) {
    types_len = 0;
    RETURNS(SV2_OK, sv2_connection_send(server, &message));
    tell();
}

static void expect_event(uint32_t type) {
    CHECK(types_len == 1);
    CHECK(types[0] == type);
}

static void connect_client(void) {
    sv2_mining_client_options options = SV2_MINING_CLIENT_OPTIONS_INIT;
    options.authority_key = authority.public;
    options.device = 1;
    options.vendor = str_of("tests");
    RETURNS(SV2_OK, sv2_mining_client_new(&options, &client));
    server = new_server(&authority);
    RETURNS(SV2_OK, sv2_mining_client_connect(client, at_start));
    hear();
    tell();
    CHECK(hear().as.setup_connection.flags == SV2_FLAG_REQUIRES_STANDARD_JOBS);
    say((message_of_type(SV2_MESSAGE_SETUP_CONNECTION_SUCCESS))); /* version 0 */
    expect_event(SV2_MINING_CLIENT_EVENT_CLOSE);
    CHECK(strcmp(close_reason, "the server chose version 0, but only 2 was offered") == 0);
    CHECK(last.as.close.may_retry == 0);
    sv2_connection_free(server);

    server = new_server(&authority);
    types_len = 0;
    RETURNS(SV2_OK, sv2_mining_client_connect(client, at_start));
    hear();
    tell();
    hear();
    send_setup_success(server);
    tell();
    expect_event(SV2_MINING_CLIENT_EVENT_READY);
    CHECK(sv2_mining_client_is_ready(client) && sv2_mining_client_is_authenticated(client));
}

static void a_channel_is_opened_and_gets_work(void) {
    sv2_message message = message_of_type(SV2_MESSAGE_OPEN_STANDARD_MINING_CHANNEL_SUCCESS);
    sv2_message opening;
    sv2_client_channel channel;
    sv2_client_job job;
    sv2_block_header header;
    sv2_new_extended_mining_job extended;
    uint32_t request_id, ids[2];
    size_t count;
    static const uint8_t prefix[4] = {1, 2, 3, 4};

    RETURNS(SV2_ERROR_ENCODE,
            sv2_mining_client_open_standard(client, str_of("me"), 1.0f / 0.0f, NULL, at_start, &request_id));
    RETURNS(SV2_OK, sv2_mining_client_open_standard(client, str_of("me"), 1e12f, NULL, at_start, &request_id));
    RETURNS(SV2_ERROR_STATE, sv2_mining_client_open_standard(client, str_of("me"), 1e12f, NULL, at_start, NULL));
    CHECK(strcmp(sv2_mining_client_error(client), "there is no room for another channel") == 0);
    opening = hear();
    CHECK(opening.type == SV2_MESSAGE_OPEN_STANDARD_MINING_CHANNEL);
    CHECK(opening.as.open_standard_mining_channel.request_id == request_id);
    CHECK(opening.as.open_standard_mining_channel.max_target.bytes[31] == 0xff);

    message.as.open_standard_mining_channel_success.request_id = request_id;
    message.as.open_standard_mining_channel_success.channel_id = 2;
    message.as.open_standard_mining_channel_success.group_channel_id = 1;
    memset(message.as.open_standard_mining_channel_success.target.bytes, 0x55, 32);
    message.as.open_standard_mining_channel_success.extranonce_prefix.data = prefix;
    message.as.open_standard_mining_channel_success.extranonce_prefix.len = sizeof prefix;
    say(message);
    expect_event(SV2_MINING_CLIENT_EVENT_CHANNEL_OPENED);
    CHECK(last.as.channel_opened.request_id == request_id && last.as.channel_opened.channel_id == 2);

    message = message_of_type(SV2_MESSAGE_NEW_MINING_JOB);
    message.as.new_mining_job.channel_id = 2;
    message.as.new_mining_job.job_id = 7;
    message.as.new_mining_job.version = 0x20000000;
    memset(message.as.new_mining_job.merkle_root.bytes, 0x77, 32);
    say(message);
    expect_event(SV2_MINING_CLIENT_EVENT_FUTURE_JOB);
    RETURNS(SV2_NOT_FOUND, sv2_mining_client_header(client, 2, 7, no_bytes, &header));

    message = message_of_type(SV2_MESSAGE_SET_NEW_PREV_HASH);
    message.as.set_new_prev_hash.channel_id = 2;
    message.as.set_new_prev_hash.job_id = 7;
    message.as.set_new_prev_hash.min_ntime = 1700000000;
    message.as.set_new_prev_hash.nbits = 0x207fffff;
    memset(message.as.set_new_prev_hash.prev_hash.bytes, 0x88, 32);
    say(message);
    expect_event(SV2_MINING_CLIENT_EVENT_NEW_JOB);
    CHECK(last.as.job.channel_id == 2 && last.as.job.job_id == 7 && last.as.job.clean == 1);

    RETURNS(SV2_OK, sv2_mining_client_channels(client, ids, 2, &count));
    CHECK(count == 1 && ids[0] == 2);
    RETURNS(SV2_BUFFER_TOO_SMALL, sv2_mining_client_channels(client, NULL, 0, &count));
    RETURNS(SV2_OK, sv2_mining_client_channel(client, 2, &channel));
    CHECK(channel.group_channel_id == 1 && channel.extended == 0 && channel.extranonce_size == 0);
    CHECK(channel.has_active_job == 1 && channel.active_job_id == 7 && channel.target.bytes[0] == 0x55);
    CHECK(channel.extranonce_prefix.len == 4 && memcmp(channel.extranonce_prefix.data, prefix, 4) == 0);
    RETURNS(SV2_OK, sv2_mining_client_job(client, 2, 7, &job));
    CHECK(job.state == SV2_MINING_JOB_ACTIVE && job.version == 0x20000000 && job.min_ntime == 1700000000);
    CHECK(job.nbits == 0x207fffff && job.prev_hash.bytes[5] == 0x88 && job.target.bytes[9] == 0x55);
    CHECK(job.version_rolling_allowed == 1);
    RETURNS(SV2_OK, sv2_mining_client_header(client, 2, 7, no_bytes, &header));
    CHECK(header.merkle_root.bytes[0] == 0x77 && header.prev_hash.bytes[0] == 0x88 && header.time == 1700000000);
    RETURNS(SV2_ERROR_ARGUMENT, sv2_mining_client_header(client, 2, 7, channel.extranonce_prefix, &header));
    RETURNS(SV2_NOT_FOUND, sv2_mining_client_extended_job(client, 2, 7, &extended));
}

static void a_share_is_found_and_answered(void) {
    sv2_mining_client_share share;
    sv2_client_job job;
    sv2_client_channel channel;
    sv2_unanswered_share unanswered[4];
    sv2_block_header header;
    sv2_message message;
    sv2_u256 hash;
    uint32_t sequence_number;
    size_t count;

    RETURNS(SV2_OK, sv2_mining_client_job(client, 2, 7, &job));
    RETURNS(SV2_OK, sv2_mining_client_header(client, 2, 7, no_bytes, &header));
    RETURNS(SV2_OK, sv2_block_header_search(&header, &job.target, 0, 1000, &header.nonce));
    RETURNS(SV2_OK, sv2_block_header_hash(&header, &hash));
    CHECK(sv2_target_is_met(&job.target, &hash));

    memset(&share, 0, sizeof share);
    share.job_id = 7;
    share.nonce = header.nonce;
    share.ntime = header.time;
    share.version = header.version;
    RETURNS(SV2_OK, sv2_mining_client_submit(client, 2, &share, at_start, &sequence_number));
    CHECK(sequence_number == 1);
    RETURNS(SV2_OK, sv2_mining_client_submit(client, 2, &share, at_start, NULL));
    message = hear();
    CHECK(message.type == SV2_MESSAGE_SUBMIT_SHARES_STANDARD);
    CHECK(message.as.submit_shares_standard.nonce == header.nonce);
    CHECK(message.as.submit_shares_standard.sequence_number == 2);
    share.ntime--;
    RETURNS(SV2_ERROR_ARGUMENT, sv2_mining_client_submit(client, 2, &share, at_start, NULL));
    share.job_id = 9;
    RETURNS(SV2_NOT_FOUND, sv2_mining_client_submit(client, 2, &share, at_start, NULL));
    CHECK(strcmp(sv2_mining_client_error(client), "invalid-job-id") == 0);

    message = message_of_type(SV2_MESSAGE_SUBMIT_SHARES_ERROR);
    message.as.submit_shares_error.channel_id = 2;
    message.as.submit_shares_error.sequence_number = 2;
    message.as.submit_shares_error.error_code = str_of("duplicate-share");
    say(message);
    expect_event(SV2_MINING_CLIENT_EVENT_SHARE_REJECTED);
    CHECK(last.as.share_rejected.sequence_number == 2 && last.as.share_rejected.error_code.len == 15);
    CHECK(memcmp(last.as.share_rejected.error_code.data, "duplicate-share", 15) == 0);
    RETURNS(SV2_OK, sv2_mining_client_unanswered(client, 2, unanswered, 4, &count));
    CHECK(count == 1 && unanswered[0].sequence_number == 1 && unanswered[0].job_id == 7);

    message = message_of_type(SV2_MESSAGE_SUBMIT_SHARES_SUCCESS);
    message.as.submit_shares_success.channel_id = 2;
    message.as.submit_shares_success.last_sequence_number = 1;
    message.as.submit_shares_success.new_submits_accepted_count = 1;
    message.as.submit_shares_success.new_shares_sum = 3;
    say(message);
    expect_event(SV2_MINING_CLIENT_EVENT_SHARES_ACCEPTED);
    RETURNS(SV2_OK, sv2_mining_client_channel(client, 2, &channel));
    CHECK(channel.totals.submitted == 2 && channel.totals.accepted == 1 && channel.totals.rejected == 1);
    CHECK(channel.totals.difficulty_sum == 3 && channel.totals.unanswered == 0);
}

static void the_channel_and_the_connection_end(void) {
    sv2_time heard;
    RETURNS(SV2_OK, sv2_mining_client_update_channel(client, 2, 2e12f, NULL, at_start));
    CHECK(hear().type == SV2_MESSAGE_UPDATE_CHANNEL);
    RETURNS(SV2_ERROR_STATE, sv2_mining_client_connect(client, at_start));
    RETURNS(SV2_OK, sv2_mining_client_close_channel(client, 2, str_of("bye"), at_start));
    CHECK(hear().type == SV2_MESSAGE_CLOSE_CHANNEL);
    RETURNS(SV2_NOT_FOUND, sv2_mining_client_close_channel(client, 2, str_of("bye"), at_start));
    RETURNS(SV2_OK, sv2_mining_client_last_heard(client, &heard));
    CHECK(heard.unix_s == at_start.unix_s);
    sv2_mining_client_disconnected(client, at_start);
    CHECK(!sv2_mining_client_is_connected(client));
    CHECK(sv2_mining_client_room(client).len == 0 && sv2_mining_client_output(client).len == 0);
    sv2_mining_client_free(client);
    sv2_connection_free(server);
}

int main(void) {
    authority = new_keys();
    RUN(connect_client);
    RUN(a_channel_is_opened_and_gets_work);
    RUN(a_share_is_found_and_answered);
    RUN(the_channel_and_the_connection_end);
    return 0;
}
