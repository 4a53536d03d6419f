/* A template provider with many clients in memory: the host's part of a new tip, and of clients that read slowly. */
#include <string.h>

#include "ours.h"

/* Hashes in a template's merkle path: a block of about 3000 transactions. */
enum { PATH_LEN = 12 };

/* A provider, the other ends of its connections, and what is on its way to it. */
struct provider {
    sv2_template_provider *engine;
    sv2_time now;
    sv2_constraint_key key;
    sv2_template next;
    uint64_t template_id;
    uint64_t clients;
    sv2_connection **ends; /* of clients 1, 2, ... while they are being set up */
    struct request *requests;
};

/* RequestTransactionData as it comes from a client's socket. */
struct request {
    uint8_t bytes[64];
    size_t len;
};

struct provider *provider_new(const struct ours_keys *keys, uint64_t clients);
void provider_free_engine(struct provider *provider);
void provider_free(struct provider *provider);
void provider_serve(struct provider *provider, const struct ours_message *transactions);
uint64_t provider_tip_amid(struct provider *provider);
uint64_t provider_tip(struct provider *provider);
uint64_t provider_idle(struct provider *provider, uint64_t ms);

/* ------------------------------------------------------------------------------------------------------------------- the node */

/* A template, without its tip. */
static sv2_template make_template(void)
{
    static const uint8_t height[] = {3, 0x40, 0x0d, 0x0e};
    /* No satoshis, and a script of 38 bytes with the witness commitment (BIP 141). */
    static const uint8_t commitment[8 + 1 + 38] = {0, 0, 0, 0, 0, 0, 0, 0, 38, 0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed};
    static const sv2_u256 path[PATH_LEN];
    sv2_template made = SV2_TEMPLATE_INIT;

    made.version = 0x20000000;
    made.nbits = 0x17034219;
    made.coinbase_tx_version = 2;
    made.coinbase_tx_input_sequence = 0xfffffffe;
    made.coinbase_tx_outputs_count = 1;
    made.coinbase_tx_value_remaining = 312500000;
    made.coinbase_prefix = (sv2_bytes){height, sizeof height};
    made.coinbase_tx_outputs = (sv2_bytes){commitment, sizeof commitment};
    made.merkle_path = (sv2_u256_list){path, PATH_LEN};
    return made;
}

/* A template on the next tip. */
static void offer_next(struct provider *provider)
{
    sv2_template *next = &provider->next;

    next->node_handle++;
    next->header_timestamp = (uint32_t)provider->now.unix_s;
    memcpy(next->prev_hash.bytes, &next->node_handle, sizeof next->node_handle);
    ok(sv2_template_provider_template_ready(provider->engine, provider->key, next, provider->now, &provider->template_id),
       "template_ready");
}

/* ---------------------------------------------------------------------------------------------------------------- the sockets */

/* Hands what is ready for a client to its socket, which takes all of it; returns how much that was. */
static size_t write_to(struct provider *provider, uint64_t client)
{
    sv2_bytes out = sv2_template_provider_output(provider->engine, client);

    if (out.len)
        ok(sv2_template_provider_sent(provider->engine, client, out.len, provider->now), "sent");
    return out.len;
}

/* The same, and the client's end receives it. */
static void deliver_to(struct provider *provider, uint64_t client)
{
    sv2_connection *end = provider->ends[client - 1];
    sv2_bytes out = sv2_template_provider_output(provider->engine, client);
    sv2_room room = sv2_connection_room(end, out.len);

    memcpy(room.data, out.data, out.len);
    ok(sv2_connection_received(end, out.len, provider->now), "received");
    ok(sv2_template_provider_sent(provider->engine, client, out.len, provider->now), "sent");
}

/* The host's loop while clients are being set up. */
static void run(struct provider *provider)
{
    sv2_template_event event;

    while (sv2_template_provider_next_event(provider->engine, &event) == SV2_OK) {
        if (event.type == SV2_TEMPLATE_EVENT_WRITABLE)
            deliver_to(provider, event.as.writable);
        else if (event.type == SV2_TEMPLATE_EVENT_WANT_TEMPLATE)
            provider->key = event.as.want_template;
        else if (event.type == SV2_TEMPLATE_EVENT_CLOSE) {
            fprintf(stderr, "closed: %s\n", event.as.close.reason);
            abort();
        }
    }
}

/* ---------------------------------------------------------------------------------------------------------------- the clients */

/* What an end has to say goes to the provider, which answers. */
static void hand_in(struct provider *provider, uint64_t client)
{
    sv2_connection *end = provider->ends[client - 1];
    uint8_t bytes[READ_LEN];
    sv2_bytes out = sv2_connection_output(end);

    if (out.len > sizeof bytes)
        abort();
    memcpy(bytes, out.data, out.len);
    ok(sv2_template_provider_receive(provider->engine, client, bytes, out.len, provider->now), "receive");
    ok(sv2_connection_sent(end, out.len), "sent");
    run(provider);
}

static void say(struct provider *provider, uint64_t client, const sv2_message *message)
{
    ok(sv2_connection_send(provider->ends[client - 1], message), "send");
    hand_in(provider, client);
}

static sv2_message hear(struct provider *provider, uint64_t client, uint32_t type)
{
    sv2_message message;

    ok(sv2_connection_next(provider->ends[client - 1], &message), "next");
    if (message.type != type)
        abort();
    return message;
}

/* Handshake, SetupConnection and CoinbaseOutputConstraints. */
static void join(struct provider *provider, uint64_t client, const struct ours_keys *keys)
{
    sv2_initiator_options options = SV2_INITIATOR_OPTIONS_INIT;
    sv2_message none, setup, constraints;

    options.authority_key = keys->authority_key;
    ok(sv2_connection_new_initiator(&options, &provider->ends[client - 1]), "initiator");
    ok(sv2_template_provider_connect(provider->engine, client, NULL, provider->now), "connect");
    hand_in(provider, client);
    expect(SV2_NEED_INPUT, sv2_connection_next(provider->ends[client - 1], &none), "act 2");

    memset(&setup, 0, sizeof setup);
    setup.type = SV2_MESSAGE_SETUP_CONNECTION;
    setup.as.setup_connection.protocol = SV2_PROTOCOL_TEMPLATE_DISTRIBUTION;
    setup.as.setup_connection.min_version = 2;
    setup.as.setup_connection.max_version = 2;
    say(provider, client, &setup);
    hear(provider, client, SV2_MESSAGE_SETUP_CONNECTION_SUCCESS);

    memset(&constraints, 0, sizeof constraints);
    constraints.type = SV2_MESSAGE_COINBASE_OUTPUT_CONSTRAINTS;
    constraints.as.coinbase_output_constraints.coinbase_output_max_additional_size = 1000;
    say(provider, client, &constraints);
}

/* What a client will send, for its end does not stay. */
static void prepare_request(struct provider *provider, uint64_t client)
{
    struct request *request = &provider->requests[client - 1];
    sv2_message message;
    sv2_bytes out;

    memset(&message, 0, sizeof message);
    message.type = SV2_MESSAGE_REQUEST_TRANSACTION_DATA;
    message.as.request_transaction_data.template_id = provider->template_id;
    ok(sv2_connection_send(provider->ends[client - 1], &message), "send");
    out = sv2_connection_output(provider->ends[client - 1]);
    if (out.len > sizeof request->bytes)
        abort();
    memcpy(request->bytes, out.data, out.len);
    request->len = out.len;
}

/* Every client understands a tip as it should; after that their ends are not needed. */
static void check_a_tip(struct provider *provider)
{
    uint64_t client;

    offer_next(provider);
    run(provider);
    for (client = 1; client <= provider->clients; client++) {
        sv2_message message = hear(provider, client, SV2_MESSAGE_NEW_TEMPLATE);

        if (!message.as.new_template.future_template || message.as.new_template.template_id != provider->template_id)
            abort();
        message = hear(provider, client, SV2_MESSAGE_SET_NEW_PREV_HASH_TEMPLATE);
        if (message.as.set_new_prev_hash_template.template_id != provider->template_id)
            abort();
        prepare_request(provider, client);
        sv2_connection_free(provider->ends[client - 1]);
    }
    free(provider->ends);
    provider->ends = NULL;
}

/* A provider and its clients over Noise, all of whom have a template. */
struct provider *provider_new(const struct ours_keys *keys, uint64_t clients)
{
    sv2_template_provider_options options = SV2_TEMPLATE_PROVIDER_OPTIONS_INIT;
    struct provider *provider = calloc(1, sizeof *provider);
    uint64_t client;

    if (!provider || !(provider->ends = calloc(clients, sizeof *provider->ends)) ||
        !(provider->requests = calloc(clients, sizeof *provider->requests)))
        abort();
    provider->now = (sv2_time){1000, keys->unix_s};
    provider->clients = clients;
    provider->next = make_template();
    options.identity = keys->identity;
    options.max_clients = clients;
    ok(sv2_template_provider_new(&options, &provider->engine), "provider");
    for (client = 1; client <= clients; client++)
        join(provider, client, keys);
    check_a_tip(provider);
    return provider;
}

void provider_free_engine(struct provider *provider)
{
    sv2_template_provider_free(provider->engine);
    provider->engine = NULL;
}

void provider_free(struct provider *provider)
{
    provider_free_engine(provider);
    free(provider->requests);
    free(provider);
}

/* ---------------------------------------------------------------------------------------------------------------------- work */

/* A template on a new tip, until every client's socket has the last byte of SetNewPrevHash; returns how many bytes that were. */
uint64_t provider_tip(struct provider *provider)
{
    sv2_template_event event;
    uint64_t bytes = 0;

    offer_next(provider);
    while (sv2_template_provider_next_event(provider->engine, &event) == SV2_OK)
        if (event.type == SV2_TEMPLATE_EVENT_WRITABLE)
            bytes += write_to(provider, event.as.writable);
    return bytes;
}

/* The first half of the clients want the transactions of the template they have. Each is given a piece, and its socket takes a
 * part of that. */
void provider_serve(struct provider *provider, const struct ours_message *transactions)
{
    uint64_t client;
    sv2_template_event event;

    for (client = 1; client <= provider->clients / 2; client++) {
        struct request *request = &provider->requests[client - 1];

        ok(sv2_template_provider_receive(provider->engine, client, request->bytes, request->len, provider->now), "receive");
    }
    for (client = 0; client < provider->clients / 2;) {
        ok(sv2_template_provider_next_event(provider->engine, &event), "next_event");
        if (event.type == SV2_TEMPLATE_EVENT_WANT_TRANSACTIONS) {
            ok(sv2_template_provider_transactions_ready(provider->engine, event.as.want_transactions.template_id,
                                                        &transactions->message.as.request_transaction_data_success.transaction_list,
                                                        provider->now),
               "transactions_ready");
        } else if (event.type == SV2_TEMPLATE_EVENT_WRITABLE) {
            if (sv2_template_provider_output(provider->engine, event.as.writable).len < READ_LEN)
                abort();
            ok(sv2_template_provider_sent(provider->engine, event.as.writable, READ_LEN, provider->now), "sent");
            client++;
        }
    }
}

/* A new tip comes while the host writes to one of those; returns how many pieces are handed out to them, that one included, until
 * everybody else's socket has the last byte of SetNewPrevHash. */
uint64_t provider_tip_amid(struct provider *provider)
{
    uint64_t left = provider->clients - provider->clients / 2, pieces = 1;
    sv2_template_event event;
    sv2_bytes piece;

    ok(sv2_template_provider_next_event(provider->engine, &event), "next_event");
    piece = sv2_template_provider_output(provider->engine, event.as.writable);
    offer_next(provider);
    ok(sv2_template_provider_sent(provider->engine, event.as.writable, piece.len, provider->now), "sent");
    while (left) {
        ok(sv2_template_provider_next_event(provider->engine, &event), "next_event");
        if (event.type != SV2_TEMPLATE_EVENT_WRITABLE)
            continue;
        write_to(provider, event.as.writable);
        if (event.as.writable > provider->clients / 2)
            left--;
        else
            pieces++;
    }
    return pieces;
}

/* Nothing happens for so long but the clock; returns how often the provider wanted to be woken. */
uint64_t provider_idle(struct provider *provider, uint64_t ms)
{
    uint64_t wakes = 0, until = provider->now.monotonic_ms + ms, deadline;
    sv2_template_event event;

    while ((deadline = sv2_template_provider_next_deadline(provider->engine)) <= until) {
        provider->now.monotonic_ms = deadline;
        ok(sv2_template_provider_tick(provider->engine, provider->now), "tick");
        while (sv2_template_provider_next_event(provider->engine, &event) == SV2_OK)
            ;
        wakes++;
    }
    provider->now.monotonic_ms = until;
    return wakes;
}
