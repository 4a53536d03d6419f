/* The template provider from C: that options reach it, and that what it is told reaches clients. */

#include "peers.h"

static sv2_template_provider* new_provider(sv2_template_provider_options options) {
    sv2_template_provider* provider;
    options.plaintext = 1;
    RETURNS(SV2_OK, sv2_template_provider_new(&options, &provider));
    return provider;
}

/* What the provider has for client 1 arrives there. Other events are nobody's business here. */
static void deliver(sv2_template_provider* provider, sv2_connection* client) {
    sv2_template_event event;
    while (sv2_template_provider_next_event(provider, &event) == SV2_OK) {
        sv2_bytes output = sv2_template_provider_output(provider, 1);
        if (output.len == 0) continue;
        give(client, output.data, output.len);
        RETURNS(SV2_OK, sv2_template_provider_sent(provider, 1, output.len, at_start));
    }
}

static void send_to(sv2_template_provider* provider, sv2_connection* client, const sv2_message* message) {
    uint8_t bytes[256];
    size_t len;
    RETURNS(SV2_OK, sv2_connection_send(client, message));
    len = take_output(client, bytes, sizeof bytes);
    RETURNS(SV2_OK, sv2_template_provider_receive(provider, 1, bytes, len, at_start));
    deliver(provider, client);
}

static sv2_message expect(sv2_connection* client, uint32_t type) {
    sv2_message message;
    RETURNS(SV2_OK, sv2_connection_next(client, &message));
    CHECK(message.type == type);
    return message;
}

static void expect_nothing(sv2_connection* client) {
    sv2_message message;
    RETURNS(SV2_NEED_INPUT, sv2_connection_next(client, &message));
}

/* A client from somewhere that is set up and reserves as little as there is. */
static sv2_connection* new_template_client_from(sv2_template_provider* provider, const sv2_address* address) {
    sv2_connection* client = new_plain(0);
    sv2_message message = message_of_type(SV2_MESSAGE_SETUP_CONNECTION);
    RETURNS(SV2_OK, sv2_template_provider_connect(provider, 1, address, at_start));
    message.as.setup_connection.protocol = SV2_PROTOCOL_TEMPLATE_DISTRIBUTION;
    message.as.setup_connection.min_version = 2;
    message.as.setup_connection.max_version = 2;
    send_to(provider, client, &message);
    expect(client, SV2_MESSAGE_SETUP_CONNECTION_SUCCESS);
    message = message_of_type(SV2_MESSAGE_COINBASE_OUTPUT_CONSTRAINTS);
    send_to(provider, client, &message);
    expect_nothing(client);
    return client;
}

static sv2_connection* new_template_client(sv2_template_provider* provider) {
    return new_template_client_from(provider, NULL);
}

/* Client 1 was closed, for this reason; events before that are nobody's business. */
static void expect_close(sv2_template_provider* provider, const char* reason) {
    sv2_template_event event;
    do {
        RETURNS(SV2_OK, sv2_template_provider_next_event(provider, &event));
    } while (event.type != SV2_TEMPLATE_EVENT_CLOSE);
    CHECK(event.as.close.connection == 1 && strcmp(event.as.close.reason, reason) == 0);
}

/* The template at that height, on the block of that number. */
static sv2_template template_at(uint8_t* height_push, uint8_t height, uint8_t block) {
    sv2_template made = SV2_TEMPLATE_INIT;
    height_push[0] = 1;
    height_push[1] = height;
    made.version = 0x20000000;
    made.nbits = 0x207fffff;
    made.prev_hash.bytes[0] = block;
    made.coinbase_tx_version = 2;
    made.coinbase_prefix = bytes_of(height_push, 2);
    return made;
}

static void one_address_cannot_take_all_places(void) {
    static const char sentence[] = "there are too many connections from this address";
    sv2_template_provider_options options = SV2_TEMPLATE_PROVIDER_OPTIONS_INIT;
    sv2_address address = {4, {127, 0, 0, 1}};
    sv2_template_provider* provider;
    options.max_clients_per_address = 1;
    provider = new_provider(options);
    RETURNS(SV2_OK, sv2_template_provider_connect(provider, 1, &address, at_start));
    RETURNS(SV2_OK, sv2_template_provider_connect(provider, 2, &address, at_start)); /* from this machine */
    sv2_template_provider_free(provider);

    options.count_loopback = 1;
    provider = new_provider(options);
    RETURNS(SV2_OK, sv2_template_provider_connect(provider, 1, &address, at_start));
    RETURNS(SV2_ERROR_TOO_MANY, sv2_template_provider_connect(provider, 2, &address, at_start));
    CHECK(strcmp(sv2_template_provider_error(provider), sentence) == 0);
    RETURNS(SV2_OK, sv2_template_provider_connect(provider, 2, NULL, at_start));
    address.len = 5;
    RETURNS(SV2_ERROR_ARGUMENT, sv2_template_provider_connect(provider, 3, &address, at_start));
    CHECK(sv2_template_provider_clients(provider) == 2);
    sv2_template_provider_free(provider);
}

static void a_connection_that_is_not_set_up_gives_way(void) {
    sv2_template_provider_options options = SV2_TEMPLATE_PROVIDER_OPTIONS_INIT;
    sv2_template_provider* provider;
    sv2_template_event event;
    options.max_handshakes = 1;
    provider = new_provider(options);
    RETURNS(SV2_OK, sv2_template_provider_connect(provider, 1, NULL, at_start));
    RETURNS(SV2_OK, sv2_template_provider_connect(provider, 2, NULL, at_start));
    RETURNS(SV2_OK, sv2_template_provider_next_event(provider, &event));
    CHECK(event.type == SV2_TEMPLATE_EVENT_CLOSE && event.as.close.connection == 1);
    CHECK(strcmp(event.as.close.reason, "it was not served yet and made room for another connection") == 0);
    sv2_template_provider_free(provider);
}

static void a_template_for_the_next_height_waits_for_its_tip(void) {
    sv2_template_provider_options options = SV2_TEMPLATE_PROVIDER_OPTIONS_INIT;
    sv2_template_provider* provider = new_provider(options);
    sv2_connection* client = new_template_client(provider);
    sv2_constraint_key key;
    sv2_new_prev_hash tip = SV2_NEW_PREV_HASH_INIT;
    sv2_template made;
    sv2_message message;
    uint64_t first, next;
    uint8_t height[2];
    RETURNS(SV2_OK, sv2_constraint_key_from_outputs(0, 0, &key));
    made = template_at(height, 20, 1);
    RETURNS(SV2_OK, sv2_template_provider_template_ready(provider, key, &made, at_start, &first));
    deliver(provider, client);
    message = expect(client, SV2_MESSAGE_NEW_TEMPLATE);
    CHECK(message.as.new_template.template_id == first && message.as.new_template.future_template == 1);
    message = expect(client, SV2_MESSAGE_SET_NEW_PREV_HASH_TEMPLATE);
    CHECK(message.as.set_new_prev_hash_template.template_id == first);
    expect_nothing(client);

    made = template_at(height, 21, 0);
    made.nbits = 0;
    made.kind = SV2_TEMPLATE_NEXT_HEIGHT;
    RETURNS(SV2_OK, sv2_template_provider_template_ready(provider, key, &made, at_start, &next));
    deliver(provider, client);
    message = expect(client, SV2_MESSAGE_NEW_TEMPLATE);
    CHECK(message.as.new_template.template_id == next && message.as.new_template.future_template == 1);
    expect_nothing(client);

    RETURNS(SV2_NOT_FOUND, sv2_template_provider_set_new_prev_hash(provider, first, &tip, at_start));
    RETURNS(SV2_ERROR_ARGUMENT, sv2_template_provider_set_new_prev_hash(provider, next, &tip, at_start));
    CHECK(strcmp(sv2_template_provider_error(provider), "nBits 0x00000000 stands for no target") == 0);
    tip.prev_hash.bytes[0] = 2;
    tip.header_timestamp = 1700000001;
    tip.nbits = 0x207fffff;
    tip.has_target = 1;
    tip.target.bytes[31] = 1;
    RETURNS(SV2_OK, sv2_template_provider_set_new_prev_hash(provider, next, &tip, at_start));
    deliver(provider, client);
    message = expect(client, SV2_MESSAGE_SET_NEW_PREV_HASH_TEMPLATE);
    CHECK(message.as.set_new_prev_hash_template.template_id == next);
    CHECK(memcmp(&message.as.set_new_prev_hash_template.prev_hash, &tip.prev_hash, sizeof tip.prev_hash) == 0);
    CHECK(message.as.set_new_prev_hash_template.header_timestamp == tip.header_timestamp);
    CHECK(message.as.set_new_prev_hash_template.nbits == tip.nbits);
    CHECK(memcmp(&message.as.set_new_prev_hash_template.target, &tip.target, sizeof tip.target) == 0);
    expect_nothing(client);
    sv2_connection_free(client);
    sv2_template_provider_free(provider);
}

static void a_template_that_cannot_be_read_is_refused_and_the_sentence_says_why(void) {
    sv2_template_provider_options options = SV2_TEMPLATE_PROVIDER_OPTIONS_INIT;
    sv2_template_provider* provider = new_provider(options);
    sv2_connection* client = new_template_client(provider);
    sv2_bytes_list transactions = {NULL, 1};
    sv2_bytes no_transaction = {NULL, 1};
    sv2_constraint_key key;
    sv2_template made, wrong;
    uint8_t height[2];
    RETURNS(SV2_OK, sv2_constraint_key_from_outputs(0, 0, &key));
    made = template_at(height, 20, 1);

    /* Taken for nothing, this would be a template without its witness commitment. */
    wrong = made;
    wrong.coinbase_tx_outputs.len = 47;
    RETURNS(SV2_ERROR_NULL, sv2_template_provider_template_ready(provider, key, &wrong, at_start, NULL));
    CHECK(strcmp(sv2_template_provider_error(provider), "NULL was given with a length") == 0);
    wrong = made;
    wrong.coinbase_prefix.data = NULL;
    RETURNS(SV2_ERROR_NULL, sv2_template_provider_template_ready(provider, key, &wrong, at_start, NULL));
    wrong = made;
    wrong.merkle_path.count = 1;
    RETURNS(SV2_ERROR_NULL, sv2_template_provider_template_ready(provider, key, &wrong, at_start, NULL));
    wrong = made;
    wrong.coinbase_prefix.len = SIZE_MAX;
    RETURNS(SV2_ERROR_ARGUMENT, sv2_template_provider_template_ready(provider, key, &wrong, at_start, NULL));
    CHECK(strcmp(sv2_template_provider_error(provider), "a length is more than any memory holds") == 0);
    wrong = made;
    wrong.kind = 3;
    RETURNS(SV2_ERROR_ARGUMENT, sv2_template_provider_template_ready(provider, key, &wrong, at_start, NULL));
    CHECK(strcmp(sv2_template_provider_error(provider), "there is no such kind of template") == 0);
    wrong = made;
    wrong.struct_size = 0;
    RETURNS(SV2_ERROR_ARGUMENT, sv2_template_provider_template_ready(provider, key, &wrong, at_start, NULL));
    CHECK(strcmp(sv2_template_provider_error(provider), "the template is NULL, or its struct_size is wrong") == 0);
    RETURNS(SV2_ERROR_ARGUMENT, sv2_template_provider_node_state(provider, 3, at_start));
    CHECK(strcmp(sv2_template_provider_error(provider), "there is no such state of the node") == 0);
    RETURNS(SV2_ERROR_NULL, sv2_template_provider_transactions_ready(provider, 1, &transactions, at_start));
    transactions.items = &no_transaction;
    RETURNS(SV2_ERROR_NULL, sv2_template_provider_transactions_ready(provider, 1, &transactions, at_start));

    RETURNS(SV2_OK, sv2_template_provider_template_ready(provider, key, &made, at_start, NULL));
    deliver(provider, client);
    expect(client, SV2_MESSAGE_NEW_TEMPLATE);
    sv2_connection_free(client);
    sv2_template_provider_free(provider);
}

static void how_often_a_key_may_be_new_is_an_option(void) {
    sv2_address address = {4, {192, 0, 2, 1}};
    int from_address;
    for (from_address = 0; from_address < 2; from_address++) {
        sv2_template_provider_options options = SV2_TEMPLATE_PROVIDER_OPTIONS_INIT;
        sv2_template_provider* provider;
        sv2_connection* client;
        sv2_message message = message_of_type(SV2_MESSAGE_COINBASE_OUTPUT_CONSTRAINTS);
        options.max_keys = from_address ? 0 : 1;
        options.max_new_keys_per_minute = from_address ? 0 : 1;
        options.max_new_keys_per_minute_per_address = from_address ? 1 : 0;
        provider = new_provider(options);
        client = new_template_client_from(provider, from_address ? &address : NULL);
        message.as.coinbase_output_constraints.coinbase_output_max_additional_size = 1000;
        {
            uint8_t bytes[256];
            RETURNS(SV2_OK, sv2_connection_send(client, &message));
            RETURNS(SV2_OK, sv2_template_provider_receive(provider, 1, bytes, take_output(client, bytes, sizeof bytes),
                                                          at_start));
        }
        expect_close(provider, "too many different CoinbaseOutputConstraints are in use");
        sv2_connection_free(client);
        sv2_template_provider_free(provider);
    }
}

static void a_client_that_takes_nothing_is_closed(void) {
    sv2_template_provider_options options = SV2_TEMPLATE_PROVIDER_OPTIONS_INIT;
    sv2_template_provider* provider;
    sv2_connection* client;
    sv2_constraint_key key;
    sv2_time now = at_start;
    sv2_template made;
    uint8_t height[2];
    options.stall_timeout_ms = 20000;
    provider = new_provider(options);
    client = new_template_client(provider);
    RETURNS(SV2_OK, sv2_constraint_key_from_outputs(0, 0, &key));
    made = template_at(height, 20, 1);
    RETURNS(SV2_OK, sv2_template_provider_template_ready(provider, key, &made, at_start, NULL));
    while (sv2_template_provider_clients(provider) == 1 && now.monotonic_ms - at_start.monotonic_ms < 1000000) {
        now.monotonic_ms = sv2_template_provider_next_deadline(provider);
        RETURNS(SV2_OK, sv2_template_provider_tick(provider, now));
    }
    /* Found by a look every 10 s, and then heard for 5 s more. */
    CHECK(now.monotonic_ms - at_start.monotonic_ms == 35000);
    expect_close(provider, "it does not read what it is sent");
    sv2_connection_free(client);
    sv2_template_provider_free(provider);
}

int main(void) {
    RUN(one_address_cannot_take_all_places);
    RUN(a_connection_that_is_not_set_up_gives_way);
    RUN(a_template_for_the_next_height_waits_for_its_tip);
    RUN(a_template_that_cannot_be_read_is_refused_and_the_sentence_says_why);
    RUN(how_often_a_key_may_be_new_is_an_option);
    RUN(a_client_that_takes_nothing_is_closed);
    return 0;
}
