/* Two connections that talk: messages, lifetimes, limits, options. Failed handshakes are in handshake_test.c. */

#include <stddef.h>

#include "peers.h"

/* Sends a request whose id is `number`, and checks that it arrived. */
static void send_request(sv2_connection* from, uint64_t number) {
    sv2_message message = message_of_type(SV2_MESSAGE_REQUEST_TRANSACTION_DATA);
    message.as.request_transaction_data.template_id = number;
    RETURNS(SV2_OK, sv2_connection_send(from, &message));
}

static int is_request(const sv2_message* message, uint64_t number) {
    return message->type == SV2_MESSAGE_REQUEST_TRANSACTION_DATA &&
           message->as.request_transaction_data.template_id == number;
}

static void messages_arrive_in_order_and_with_their_fields(peers both) {
    sv2_message message;
    uint64_t i;
    for (i = 0; i < 10; i++) send_request(both.client, i);
    carry(both.client, both.server);
    for (i = 0; i < 10; i++) {
        RETURNS(SV2_OK, sv2_connection_next(both.server, &message));
        CHECK(is_request(&message, i));
    }
    LEAVES_ALONE(message, SV2_NEED_INPUT, sv2_connection_next(both.server, &message));
    free_peers(both);
}

static void messages_arrive_plain(void) {
    messages_arrive_in_order_and_with_their_fields(plain_peers(SV2_PROTOCOL_TEMPLATE_DISTRIBUTION));
}

static void messages_arrive_over_noise(void) {
    messages_arrive_in_order_and_with_their_fields(noise_peers(SV2_PROTOCOL_TEMPLATE_DISTRIBUTION));
}

static void a_message_sent_before_the_handshake_waits_for_it(void) {
    key_pair authority = new_keys();
    peers both;
    sv2_message message;
    size_t waiting;
    both.client = new_client(&authority);
    both.server = new_server(&authority);
    send_setup(both.client, SV2_PROTOCOL_MINING, "early");
    waiting = sv2_connection_output_len(both.client);
    CHECK(waiting > 64 && sv2_connection_output(both.client).len == 64); /* act 1 */
    CHECK(!sv2_connection_is_established(both.client));
    shake_hands(both);
    carry(both.client, both.server);
    CHECK(sv2_connection_output_len(both.client) == 0);
    RETURNS(SV2_OK, sv2_connection_next(both.server, &message));
    CHECK(is_text(message.as.setup_connection.vendor, "early"));
    free_peers(both);
}

/* A pair of messages in `sent` bytes is given to the client in two pieces, cut at every position. */
static void two_messages_cut_anywhere(peers both) {
    uint8_t stream[256];
    uint64_t number = 0;
    size_t cut, len;
    do {
        uint64_t first = number++, second = number++, next = first;
        sv2_message message;
        sv2_status status;
        int piece;
        send_request(both.server, first);
        send_request(both.server, second);
        len = take_output(both.server, stream, sizeof stream);
        cut = (size_t)(first / 2);
        for (piece = 0; piece < 2; piece++) {
            if (piece == 0) give(both.client, stream, cut);
            if (piece == 1) give(both.client, stream + cut, len - cut);
            while ((status = sv2_connection_next(both.client, &message)) == SV2_OK) {
                CHECK(is_request(&message, next));
                next++;
            }
            CHECK(status == SV2_NEED_INPUT);
        }
        CHECK(next == second + 1);
    } while (cut < len);
    free_peers(both);
}

static void two_messages_cut_anywhere_arrive_plain(void) {
    two_messages_cut_anywhere(plain_peers(SV2_PROTOCOL_TEMPLATE_DISTRIBUTION));
}

static void two_messages_cut_anywhere_arrive_over_noise(void) {
    two_messages_cut_anywhere(noise_peers(SV2_PROTOCOL_TEMPLATE_DISTRIBUTION));
}

/* As above, but out of memory of the caller. */
static void two_messages_cut_anywhere_in_the_callers_memory(peers both) {
    uint8_t stream[256], piece[256]; /* a piece is overwritten before the next one comes */
    uint64_t number = 0;
    size_t cut, len;
    do {
        uint64_t first = number++, second = number++, next = first;
        sv2_message message;
        sv2_status status;
        sv2_room rest;
        int i;
        send_request(both.server, first);
        send_request(both.server, second);
        len = take_output(both.server, stream, sizeof stream);
        cut = (size_t)(first / 2);
        for (i = 0; i < 2; i++) {
            const size_t from = i == 0 ? 0 : cut, to = i == 0 ? cut : len;
            mark(piece, sizeof piece);
            memcpy(piece, stream + from, to - from);
            rest.data = piece;
            rest.len = to - from;
            while ((status = sv2_connection_next_from(both.client, &rest, at_start, &message)) == SV2_OK) {
                CHECK(is_request(&message, next));
                next++;
            }
            CHECK(status == SV2_NEED_INPUT && rest.len == 0);
            CHECK(is_marked(piece + (to - from), sizeof piece - (to - from)));
        }
        CHECK(next == second + 1);
    } while (cut < len);
    free_peers(both);
}

static void two_messages_cut_anywhere_arrive_plain_in_place(void) {
    two_messages_cut_anywhere_in_the_callers_memory(plain_peers(SV2_PROTOCOL_TEMPLATE_DISTRIBUTION));
}

static void two_messages_cut_anywhere_arrive_over_noise_in_place(void) {
    two_messages_cut_anywhere_in_the_callers_memory(noise_peers(SV2_PROTOCOL_TEMPLATE_DISTRIBUTION));
}

/* A handshake and a message, byte by byte, both ways. */
static void a_peer_that_sends_single_bytes_is_understood(void) {
    key_pair authority = new_keys();
    peers both;
    sv2_message message;
    uint8_t stream[512];
    size_t len, i;
    both.client = new_client(&authority);
    both.server = new_server(&authority);
    send_setup(both.client, SV2_PROTOCOL_MINING, "slow");

    len = take_output(both.client, stream, sizeof stream);
    for (i = 0; i < len; i++) {
        sv2_room byte;
        byte.data = stream + i;
        byte.len = 1;
        RETURNS(SV2_NEED_INPUT, sv2_connection_next_from(both.server, &byte, at_start, &message));
    }
    len = take_output(both.server, stream, sizeof stream);
    for (i = 0; i < len; i++) {
        RETURNS(SV2_NEED_INPUT, sv2_connection_next(both.client, &message));
        give(both.client, stream + i, 1);
    }
    RETURNS(SV2_NEED_INPUT, sv2_connection_next(both.client, &message));
    CHECK(sv2_connection_is_established(both.client));

    len = take_output(both.client, stream, sizeof stream);
    for (i = 0; i < len; i++) {
        RETURNS(SV2_NEED_INPUT, sv2_connection_next(both.server, &message));
        give(both.server, stream + i, 1);
    }
    RETURNS(SV2_OK, sv2_connection_next(both.server, &message));
    CHECK(is_text(message.as.setup_connection.vendor, "slow"));
    free_peers(both);
}

/* Longer than the 65,519 bytes that fit into one Noise message. */
static void a_payload_of_many_noise_messages_arrives_in_any_pieces(void) {
    enum { LEN = 300000, PIECE = 70001 };
    static uint8_t transaction[LEN], stream[2 * LEN];
    peers both = noise_peers(SV2_PROTOCOL_TEMPLATE_DISTRIBUTION);
    sv2_message message = message_of_type(SV2_MESSAGE_REQUEST_TRANSACTION_DATA_SUCCESS);
    sv2_bytes items[2];
    size_t len, at, i;
    for (i = 0; i < LEN; i++) transaction[i] = (uint8_t)(i * 7);
    items[0] = bytes_of(transaction, LEN);
    items[1] = bytes_of(transaction, 5);
    message.as.request_transaction_data_success.transaction_list.items = items;
    message.as.request_transaction_data_success.transaction_list.count = 2;
    RETURNS(SV2_OK, sv2_connection_send(both.server, &message));
    len = take_output(both.server, stream, sizeof stream);
    for (at = 0; at < len; at += PIECE) {
        RETURNS(SV2_NEED_INPUT, sv2_connection_next(both.client, &message));
        give(both.client, stream + at, len - at < PIECE ? len - at : PIECE);
    }
    RETURNS(SV2_OK, sv2_connection_next(both.client, &message));
    CHECK(message.as.request_transaction_data_success.transaction_list.count == 2);
    CHECK(are_bytes(message.as.request_transaction_data_success.transaction_list.items[0], transaction, LEN));
    CHECK(are_bytes(message.as.request_transaction_data_success.transaction_list.items[1], transaction, 5));
    free_peers(both);
}

/* Strings of a message are in the connection's receive buffer, its lists in the connection itself. */
static void a_message_stays_valid_while_replies_are_sent(void) {
    static const uint16_t asked[] = {1, 2, 3};
    peers both = noise_peers(SV2_PROTOCOL_MINING);
    sv2_message request = message_of_type(SV2_MESSAGE_REQUEST_EXTENSIONS), close, message, listed;
    int i;
    request.as.request_extensions.requested_extensions.items = asked;
    request.as.request_extensions.requested_extensions.count = 3;
    close = message_of_type(SV2_MESSAGE_CLOSE_CHANNEL);
    close.as.close_channel.reason_code = str_of("because");
    RETURNS(SV2_OK, sv2_connection_send(both.client, &close));
    RETURNS(SV2_OK, sv2_connection_send(both.client, &request));
    carry(both.client, both.server);

    RETURNS(SV2_OK, sv2_connection_next(both.server, &message));
    for (i = 0; i < 100; i++) {
        RETURNS(SV2_OK, sv2_connection_send(both.server, &message)); /* the very message, from where it is */
        if (i % 10 == 0) carry(both.server, both.client);
        RETURNS(SV2_OK, sv2_connection_tick(both.server, at_start));
    }
    CHECK(is_text(message.as.close_channel.reason_code, "because"));

    RETURNS(SV2_OK, sv2_connection_next(both.server, &listed));
    for (i = 0; i < 100; i++) {
        RETURNS(SV2_OK, sv2_connection_send(both.server, &listed));
        RETURNS(SV2_OK, sv2_connection_tick(both.server, at_start));
    }
    CHECK(listed.as.request_extensions.requested_extensions.count == 3);
    CHECK(memcmp(listed.as.request_extensions.requested_extensions.items, asked, sizeof asked) == 0);

    carry(both.server, both.client);
    for (i = 0; i < 100; i++) {
        RETURNS(SV2_OK, sv2_connection_next(both.client, &message));
        CHECK(is_text(message.as.close_channel.reason_code, "because"));
    }
    for (i = 0; i < 100; i++) {
        RETURNS(SV2_OK, sv2_connection_next(both.client, &message));
        CHECK(message.as.request_extensions.requested_extensions.items[2] == 3);
    }
    RETURNS(SV2_NEED_INPUT, sv2_connection_next(both.client, &message));
    free_peers(both);
}

static void an_unknown_message_passes_through_with_its_channel_msg_bit(void) {
    peers both = noise_peers(SV2_PROTOCOL_MINING);
    sv2_message message = message_of_type(0x077733), received;
    int hop;
    message.extension_type = 0x8777;
    message.payload = bytes_of("\xca\xfe", 2);
    RETURNS(SV2_OK, sv2_connection_send(both.client, &message));
    for (hop = 0; hop < 2; hop++) { /* to the server, which sends it back as it is */
        sv2_connection* from = hop == 0 ? both.client : both.server;
        sv2_connection* to = hop == 0 ? both.server : both.client;
        carry(from, to);
        RETURNS(SV2_OK, sv2_connection_next(to, &received));
        CHECK(received.type == 0x077733 && received.extension_type == 0x8777);
        CHECK(are_bytes(received.payload, "\xca\xfe", 2));
        RETURNS(SV2_OK, sv2_connection_send(to, &received));
    }
    free_peers(both);
}

static void a_malformed_message_ends_the_connection_but_not_its_output(void) {
    static const uint8_t cut_short[] = {0, 0, SV2_MESSAGE_COINBASE_OUTPUT_CONSTRAINTS, 3, 0, 0, 1, 2, 3};
    peers both = plain_peers(SV2_PROTOCOL_TEMPLATE_DISTRIBUTION);
    sv2_message message;
    int i;
    send_request(both.server, 7); /* anything */
    give(both.server, cut_short, sizeof cut_short);
    for (i = 0; i < 2; i++) {
        LEAVES_ALONE(message, SV2_ERROR_MALFORMED, sv2_connection_next(both.server, &message));
        CHECK(strstr(sv2_connection_error(both.server), "CoinbaseOutputConstraints") != NULL);
        CHECK(strstr(sv2_connection_error(both.server), "coinbase_output_max_additional_size") != NULL);
    }
    CHECK(!sv2_connection_is_established(both.server));
    message = message_of_type(SV2_MESSAGE_CHANNEL_ENDPOINT_CHANGED);
    RETURNS(SV2_ERROR_MALFORMED, sv2_connection_send(both.server, &message));
    RETURNS(SV2_ERROR_MALFORMED, sv2_connection_tick(both.server, at_start));

    carry(both.server, both.client);
    RETURNS(SV2_OK, sv2_connection_next(both.client, &message));
    CHECK(is_request(&message, 7));
    free_peers(both);
}

static void a_message_that_cannot_be_encoded_is_not_sent_and_does_no_harm(void) {
    char long_text[256];
    peers both = plain_peers(SV2_PROTOCOL_MINING);
    sv2_message message = message_of_type(SV2_MESSAGE_CLOSE_CHANNEL);
    memset(long_text, 'x', sizeof long_text);
    message.as.close_channel.reason_code.data = long_text;
    message.as.close_channel.reason_code.len = sizeof long_text;
    RETURNS(SV2_ERROR_ENCODE, sv2_connection_send(both.client, &message));
    CHECK(strstr(sv2_connection_error(both.client), "reason_code") != NULL);
    CHECK(sv2_connection_output_len(both.client) == 0 && sv2_connection_is_established(both.client));
    message.as.close_channel.reason_code.len = 255;
    RETURNS(SV2_OK, sv2_connection_send(both.client, &message));
    free_peers(both);
}

/* Gives `to` the header of a message of `len` bytes and says what comes of it. */
static sv2_status announce(sv2_connection* to, uint8_t type, size_t len) {
    uint8_t header[6] = {0};
    sv2_message message;
    header[2] = type;
    header[3] = (uint8_t)len;
    header[4] = (uint8_t)(len >> 8);
    header[5] = (uint8_t)(len >> 16);
    give(to, header, sizeof header);
    return sv2_connection_next(to, &message);
}

static void a_payload_over_the_limit_is_refused_when_it_is_announced(void) {
    peers both;
    int at_limit;
    for (at_limit = 0; at_limit < 2; at_limit++) {
        const size_t over = at_limit ? 0 : 1;
        const sv2_status expected = at_limit ? SV2_NEED_INPUT : SV2_ERROR_PAYLOAD_TOO_LARGE;
        both.server = new_plain(1); /* before SetupConnection */
        RETURNS(expected, announce(both.server, SV2_MESSAGE_SETUP_CONNECTION, 2048 + over));
        sv2_connection_free(both.server);

        both = plain_peers(SV2_PROTOCOL_TEMPLATE_DISTRIBUTION); /* per direction */
        RETURNS(expected, announce(both.server, SV2_MESSAGE_SUBMIT_SOLUTION, 66000 + over));
        RETURNS(SV2_NEED_INPUT, announce(both.client, SV2_MESSAGE_REQUEST_TRANSACTION_DATA_SUCCESS, 0xffffff));
        free_peers(both);

        both = plain_peers(SV2_PROTOCOL_MINING);
        RETURNS(expected, announce(both.server, SV2_MESSAGE_OPEN_EXTENDED_MINING_CHANNEL, (1 << 20) + over));
        RETURNS(expected, announce(both.client, SV2_MESSAGE_NEW_EXTENDED_MINING_JOB, (1 << 20) + over));
        if (!at_limit) CHECK(strstr(sv2_connection_error(both.client), "1048577") != NULL);
        free_peers(both);
    }
}

static void limits_can_be_set(void) {
    sv2_plain_options options = SV2_PLAIN_OPTIONS_INIT;
    sv2_connection* server;
    options.is_server = 1;
    options.limits.max_payload_setup = 100;
    RETURNS(SV2_OK, sv2_connection_new_plain(&options, &server));
    RETURNS(SV2_ERROR_PAYLOAD_TOO_LARGE, announce(server, SV2_MESSAGE_SETUP_CONNECTION, 101));
    sv2_connection_free(server);
}

static void no_more_waits_to_be_sent_than_the_limit(void) {
    sv2_plain_options options = SV2_PLAIN_OPTIONS_INIT;
    sv2_connection* connection;
    sv2_message message = message_of_type(SV2_MESSAGE_CHANNEL_ENDPOINT_CHANGED);
    sv2_status status;
    size_t waiting;
    options.limits.max_output = 1000;
    RETURNS(SV2_OK, sv2_connection_new_plain(&options, &connection));
    while ((status = sv2_connection_send(connection, &message)) == SV2_OK) {
        CHECK(sv2_connection_output_len(connection) <= 1000 + 6);
    }
    CHECK(status == SV2_ERROR_OUTPUT_FULL);
    waiting = sv2_connection_output_len(connection);
    RETURNS(SV2_ERROR_OUTPUT_FULL, sv2_connection_send(connection, &message));
    CHECK(sv2_connection_output_len(connection) == waiting && waiting >= 990);
    RETURNS(SV2_OK, sv2_connection_sent(connection, sv2_connection_output(connection).len));
    RETURNS(SV2_OK, sv2_connection_send(connection, &message));
    sv2_connection_free(connection);
}

static void no_more_can_be_received_or_sent_than_there_is(void) {
    sv2_connection* connection = new_plain(0);
    sv2_room room = sv2_connection_room(connection, 100);
    CHECK(room.len >= 100);
    memset(room.data, 0, room.len);
    RETURNS(SV2_ERROR_ARGUMENT, sv2_connection_received(connection, room.len + 1, at_start));
    RETURNS(SV2_ERROR_ARGUMENT, sv2_connection_received(connection, SIZE_MAX, at_start));
    RETURNS(SV2_OK, sv2_connection_received(connection, 0, at_start));
    send_request(connection, 1);
    RETURNS(SV2_ERROR_ARGUMENT, sv2_connection_sent(connection, sv2_connection_output(connection).len + 1));
    RETURNS(SV2_ERROR_ARGUMENT, sv2_connection_sent(connection, SIZE_MAX));
    CHECK(sv2_connection_output(connection).len == 14);
    RETURNS(SV2_OK, sv2_connection_sent(connection, 4));
    CHECK(sv2_connection_output(connection).len == 10 && sv2_connection_output_len(connection) == 10);
    sv2_connection_free(connection);
}

/* A program that was compiled with an older header gives a shorter struct, one with a newer header a longer one. */
static void option_structs_of_other_versions_are_read(void) {
    struct longer {
        sv2_plain_options known;
        uint64_t unknown;
    } options;
    sv2_connection* connection;
    memset(&options, 0, sizeof options);

    options.known.struct_size = offsetof(sv2_plain_options, limits);
    memset(&options.known.limits, 0xff, sizeof options.known.limits); /* not part of it */
    options.known.is_server = 1;
    RETURNS(SV2_OK, sv2_connection_new_plain(&options.known, &connection));
    RETURNS(SV2_ERROR_PAYLOAD_TOO_LARGE,
            announce(connection, SV2_MESSAGE_SETUP_CONNECTION, 2049)); /* the usual limit */
    sv2_connection_free(connection);
    memset(&options.known.limits, 0, sizeof options.known.limits);

    options.known.struct_size = sizeof options;
    RETURNS(SV2_OK, sv2_connection_new_plain(&options.known, &connection));
    sv2_connection_free(connection);
    options.unknown = 1; /* a wish that this library cannot grant */
    LEAVES_ALONE(connection, SV2_ERROR_ARGUMENT, sv2_connection_new_plain(&options.known, &connection));

    options.known.struct_size = 0;
    LEAVES_ALONE(connection, SV2_ERROR_ARGUMENT, sv2_connection_new_plain(&options.known, &connection));
    options.known.struct_size = SIZE_MAX;
    LEAVES_ALONE(connection, SV2_ERROR_ARGUMENT, sv2_connection_new_plain(&options.known, &connection));
}

static void an_idle_connection_gives_its_memory_back_and_goes_on(void) {
    peers both = noise_peers(SV2_PROTOCOL_TEMPLATE_DISTRIBUTION);
    sv2_message message;
    uint64_t i;
    for (i = 0; i < 3; i++) {
        RETURNS(SV2_OK, sv2_connection_tick(both.server, at_start));
        RETURNS(SV2_OK, sv2_connection_tick(both.client, at_start));
        CHECK(sv2_connection_next_deadline(both.server) == UINT64_MAX);
        send_request(both.client, i);
        carry(both.client, both.server);
        RETURNS(SV2_OK, sv2_connection_next(both.server, &message));
        RETURNS(SV2_NEED_INPUT, sv2_connection_next(both.server, &message));
    }
    free_peers(both);
}

int main(void) {
    RUN(messages_arrive_plain);
    RUN(messages_arrive_over_noise);
    RUN(a_message_sent_before_the_handshake_waits_for_it);
    RUN(two_messages_cut_anywhere_arrive_plain);
    RUN(two_messages_cut_anywhere_arrive_over_noise);
    RUN(two_messages_cut_anywhere_arrive_plain_in_place);
    RUN(two_messages_cut_anywhere_arrive_over_noise_in_place);
    RUN(a_peer_that_sends_single_bytes_is_understood);
    RUN(a_payload_of_many_noise_messages_arrives_in_any_pieces);
    RUN(a_message_stays_valid_while_replies_are_sent);
    RUN(an_unknown_message_passes_through_with_its_channel_msg_bit);
    RUN(a_malformed_message_ends_the_connection_but_not_its_output);
    RUN(a_message_that_cannot_be_encoded_is_not_sent_and_does_no_harm);
    RUN(a_payload_over_the_limit_is_refused_when_it_is_announced);
    RUN(limits_can_be_set);
    RUN(no_more_waits_to_be_sent_than_the_limit);
    RUN(no_more_can_be_received_or_sent_than_there_is);
    RUN(option_structs_of_other_versions_are_read);
    RUN(an_idle_connection_gives_its_memory_back_and_goes_on);
    return 0;
}
