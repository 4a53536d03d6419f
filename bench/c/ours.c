/* The work that is timed, as a C program does it: through sv2.h and libsv2.so, from bytes received to every field read.
 *
 * Each function that works does so `times` times over and returns the sum of all it read, which the other implementation must
 * arrive at too. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ours.h"

/* The two ends of a connection. */
struct ours_pair {
    sv2_connection *client;
    sv2_connection *server;
};

struct ours_keys *ours_keys_new(const uint8_t *authority_secret, const uint8_t *static_secret, uint32_t unix_s);
struct ours_pair *ours_plain_pair(uint8_t protocol);
struct ours_pair *ours_noise_pair(const struct ours_keys *keys, uint8_t protocol);
void ours_tick(struct ours_pair *pair);
void ours_free_client(struct ours_pair *pair);
void ours_free_server(struct ours_pair *pair);
struct ours_message *ours_message_new(const uint8_t *frame, size_t len);
uint64_t ours_receive(struct ours_pair *pair, int by_server, const uint8_t *frame, size_t len, uint64_t times);
uint64_t ours_receive_in_place(struct ours_pair *pair, int by_server, const uint8_t *frame, size_t len, uint64_t times);
uint64_t ours_pass(struct ours_pair *pair, int to_server, const struct ours_message *message, uint64_t times);
uint64_t ours_decode(const struct ours_message *decoder, const uint8_t *frame, size_t len, uint64_t times);
uint64_t ours_handshake(const struct ours_keys *keys, uint64_t times);
uint64_t walk_transactions(const uint8_t *payload, size_t len, uint64_t times);

static sv2_time now = {1000, 0};

/* ------------------------------------------------------------------------------------------------------------------- reading */

static uint64_t ends(sv2_bytes bytes)
{
    return bytes.len ? bytes.len + bytes.data[0] + bytes.data[bytes.len - 1] : 0;
}

static uint64_t sum_share(const sv2_submit_shares_standard *share)
{
    return (uint64_t)share->channel_id + share->sequence_number + share->job_id + share->nonce + share->ntime + share->version;
}

static uint64_t sum_job(const sv2_new_extended_mining_job *job)
{
    uint64_t sum = (uint64_t)job->channel_id + job->job_id + job->version + job->version_rolling_allowed;
    size_t i;

    if (job->min_ntime.present)
        sum += job->min_ntime.value;
    for (i = 0; i < job->merkle_path.count; i++) {
        uint64_t words[4];
        memcpy(words, job->merkle_path.items[i].bytes, sizeof words);
        sum += words[0] + words[1] + words[2] + words[3];
    }
    return sum + ends(job->coinbase_tx_prefix) + ends(job->coinbase_tx_suffix);
}

static uint64_t sum_transactions(const sv2_request_transaction_data_success *data)
{
    uint64_t sum = data->template_id + ends(data->excess_data);
    const sv2_bytes *transaction = data->transaction_list.items;
    const sv2_bytes *end = transaction + data->transaction_list.count;

    for (; transaction != end; transaction++) {
        sum += transaction->len;
        if (transaction->len)
            sum += transaction->data[0];
    }
    return sum;
}

static uint64_t sum_of(const sv2_message *message)
{
    switch (message->type) {
    case SV2_MESSAGE_SUBMIT_SHARES_STANDARD:
        return sum_share(&message->as.submit_shares_standard);
    case SV2_MESSAGE_NEW_EXTENDED_MINING_JOB:
        return sum_job(&message->as.new_extended_mining_job);
    case SV2_MESSAGE_REQUEST_TRANSACTION_DATA_SUCCESS:
        return sum_transactions(&message->as.request_transaction_data_success);
    default:
        return 0;
    }
}

/* --------------------------------------------------------------------------------------------------------------- connections */

/* Carries what one end wants to send to the other, as a socket would. */
static void carry(sv2_connection *from, sv2_connection *to)
{
    for (;;) {
        sv2_bytes out = sv2_connection_output(from);
        sv2_room room;

        if (!out.len)
            return;
        room = sv2_connection_room(to, out.len < READ_LEN ? READ_LEN : out.len);
        memcpy(room.data, out.data, out.len);
        ok(sv2_connection_received(to, out.len, now), "received");
        ok(sv2_connection_sent(from, out.len), "sent");
    }
}

/* Sends a message from one end to the other and takes it out there. */
static void pass(sv2_connection *from, sv2_connection *to, const sv2_message *message, sv2_message *taken)
{
    ok(sv2_connection_send(from, message), "send");
    carry(from, to);
    ok(sv2_connection_next(to, taken), "next");
}

static void set_up(struct ours_pair *pair, uint8_t protocol)
{
    sv2_message sent, taken;

    memset(&sent, 0, sizeof sent);
    sent.type = SV2_MESSAGE_SETUP_CONNECTION;
    sent.as.setup_connection.protocol = protocol;
    sent.as.setup_connection.min_version = 2;
    sent.as.setup_connection.max_version = 2;
    pass(pair->client, pair->server, &sent, &taken);
    memset(&sent, 0, sizeof sent);
    sent.type = SV2_MESSAGE_SETUP_CONNECTION_SUCCESS;
    sent.as.setup_connection_success.used_version = 2;
    pass(pair->server, pair->client, &sent, &taken);
}

static void shake_hands(struct ours_pair *pair, const struct ours_keys *keys)
{
    sv2_initiator_options initiator = SV2_INITIATOR_OPTIONS_INIT;
    sv2_responder_options responder = SV2_RESPONDER_OPTIONS_INIT;
    sv2_message none;

    initiator.authority_key = keys->authority_key;
    responder.identity = keys->identity;
    ok(sv2_connection_new_initiator(&initiator, &pair->client), "initiator");
    ok(sv2_connection_new_responder(&responder, &pair->server), "responder");
    carry(pair->client, pair->server);
    expect(SV2_NEED_INPUT, sv2_connection_next(pair->server, &none), "act 1");
    carry(pair->server, pair->client);
    expect(SV2_NEED_INPUT, sv2_connection_next(pair->client, &none), "act 2");
}

static struct ours_pair *new_pair(void)
{
    struct ours_pair *pair = malloc(sizeof *pair);

    if (!pair)
        abort();
    return pair;
}

struct ours_keys *ours_keys_new(const uint8_t *authority_secret, const uint8_t *static_secret, uint32_t unix_s)
{
    struct ours_keys *keys = malloc(sizeof *keys);
    uint8_t static_key[32];
    sv2_certificate certificate;

    if (!keys)
        abort();
    now.unix_s = keys->unix_s = unix_s;
    ok(sv2_public_key_from_secret(authority_secret, keys->authority_key), "authority");
    ok(sv2_public_key_from_secret(static_secret, static_key), "static key");
    ok(sv2_certificate_sign(authority_secret, static_key, unix_s, unix_s + 3600, NULL, &certificate), "certificate");
    ok(sv2_identity_new(static_secret, &certificate, NULL, &keys->identity), "identity");
    return keys;
}

struct ours_pair *ours_plain_pair(uint8_t protocol)
{
    struct ours_pair *pair = new_pair();
    sv2_plain_options options = SV2_PLAIN_OPTIONS_INIT;

    ok(sv2_connection_new_plain(&options, &pair->client), "client");
    options.is_server = 1;
    ok(sv2_connection_new_plain(&options, &pair->server), "server");
    set_up(pair, protocol);
    return pair;
}

struct ours_pair *ours_noise_pair(const struct ours_keys *keys, uint8_t protocol)
{
    struct ours_pair *pair = new_pair();

    shake_hands(pair, keys);
    if (!sv2_connection_is_authenticated(pair->client))
        abort();
    set_up(pair, protocol);
    return pair;
}

void ours_tick(struct ours_pair *pair)
{
    sv2_message none;

    expect(SV2_NEED_INPUT, sv2_connection_next(pair->client, &none), "client");
    expect(SV2_NEED_INPUT, sv2_connection_next(pair->server, &none), "server");
    ok(sv2_connection_tick(pair->client, now), "client");
    ok(sv2_connection_tick(pair->server, now), "server");
}

void ours_free_client(struct ours_pair *pair)
{
    sv2_connection_free(pair->client);
    pair->client = NULL;
}

void ours_free_server(struct ours_pair *pair)
{
    sv2_connection_free(pair->server);
    pair->server = NULL;
}

/* ---------------------------------------------------------------------------------------------------------------------- work */

struct ours_message *ours_message_new(const uint8_t *bytes, size_t len)
{
    struct ours_message *message = malloc(sizeof *message);
    sv2_bytes stream = {bytes, len};
    sv2_frame frame;

    if (!message)
        abort();
    ok(sv2_decoder_new(&message->decoder), "decoder");
    ok(sv2_frame_split(stream, &frame), "frame");
    ok(sv2_decoder_decode(message->decoder, &frame, &message->message), "message");
    return message;
}

/* Bytes from a socket to every field. */
uint64_t ours_receive(struct ours_pair *pair, int by_server, const uint8_t *frame, size_t len, uint64_t times)
{
    sv2_connection *connection = by_server ? pair->server : pair->client;
    uint64_t sum = 0;

    while (times--) {
        sv2_room room = sv2_connection_room(connection, READ_LEN);
        sv2_message message;

        if (room.len < len)
            abort();
        memcpy(room.data, frame, len); /* this is the socket's part */
        ok(sv2_connection_received(connection, len, now), "received");
        ok(sv2_connection_next(connection, &message), "next");
        sum += sum_of(&message);
    }
    return sum;
}

/* The same for a program with a buffer of its own. */
uint64_t ours_receive_in_place(struct ours_pair *pair, int by_server, const uint8_t *frame, size_t len, uint64_t times)
{
    sv2_connection *connection = by_server ? pair->server : pair->client;
    uint8_t buffer[READ_LEN];
    uint64_t sum = 0;

    if (sizeof buffer < len)
        abort();
    while (times--) {
        sv2_room bytes = {buffer, len};
        sv2_message message;

        memcpy(buffer, frame, len);
        ok(sv2_connection_next_from(connection, &bytes, now, &message), "next");
        sum += sum_of(&message);
    }
    return sum;
}

/* A message from one end to the other, and every field of it read there. */
uint64_t ours_pass(struct ours_pair *pair, int to_server, const struct ours_message *message, uint64_t times)
{
    sv2_connection *from = to_server ? pair->client : pair->server;
    sv2_connection *to = to_server ? pair->server : pair->client;
    uint64_t sum = 0;

    while (times--) {
        sv2_message taken;

        pass(from, to, &message->message, &taken);
        sum += sum_of(&taken);
    }
    return sum;
}

/* A frame in memory to every field. */
uint64_t ours_decode(const struct ours_message *decoder, const uint8_t *bytes, size_t len, uint64_t times)
{
    sv2_bytes stream = {bytes, len};
    uint64_t sum = 0;

    while (times--) {
        sv2_frame frame;
        sv2_message message;

        ok(sv2_frame_split(stream, &frame), "frame");
        ok(sv2_decoder_decode(decoder->decoder, &frame, &message), "message");
        sum += sum_of(&message);
    }
    return sum;
}

/* Two new connections, until both can send. */
uint64_t ours_handshake(const struct ours_keys *keys, uint64_t times)
{
    uint64_t established = 0;

    while (times--) {
        struct ours_pair pair;

        shake_hands(&pair, keys);
        established += sv2_connection_is_authenticated(pair.client) && sv2_connection_is_established(pair.server);
        sv2_connection_free(pair.client);
        sv2_connection_free(pair.server);
    }
    return established;
}

/* ------------------------------------------------------------------------------------------------------------------ yardstick */

/* The least that can be done with the payload of RequestTransactionData.Success: every length is checked, and every element's
 * length and first byte are read. Written out by hand, with no library. */
uint64_t walk_transactions(const uint8_t *payload, size_t payload_len, uint64_t times)
{
    uint64_t sum = 0;

    while (times--) {
        const uint8_t *at = payload, *end = payload + payload_len;
        uint64_t template_id = 0;
        size_t i, len, count;

        __asm__ volatile("" : "+r"(at)); /* or one round would do for all */
        if (end - at < 10)
            abort();
        memcpy(&template_id, at, sizeof template_id);
        len = (size_t)at[8] | (size_t)at[9] << 8;
        at += 10;
        if ((size_t)(end - at) < len + 2)
            abort();
        sum += template_id;
        if (len)
            sum += len + at[0] + at[len - 1];
        at += len;
        count = (size_t)at[0] | (size_t)at[1] << 8;
        at += 2;
        for (i = 0; i < count; i++) {
            if (end - at < 3)
                abort();
            len = (size_t)at[0] | (size_t)at[1] << 8 | (size_t)at[2] << 16;
            at += 3;
            if ((size_t)(end - at) < len)
                abort();
            sum += len;
            if (len)
                sum += at[0];
            at += len;
        }
    }
    return sum;
}
