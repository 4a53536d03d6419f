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

/* A client that is set up and reserves as little as there is. */
static sv2_connection* new_template_client(sv2_template_provider* provider) {
    sv2_connection* client = new_plain(0);
    sv2_message message = message_of_type(SV2_MESSAGE_SETUP_CONNECTION);
    RETURNS(SV2_OK, sv2_template_provider_connect(provider, 1, NULL, at_start));
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

int main(void) {
    RUN(one_address_cannot_take_all_places);
    RUN(a_connection_that_is_not_set_up_gives_way);
    RUN(a_template_for_the_next_height_waits_for_its_tip);
    return 0;
}
