/*
 * Lesson 1: two peers talk, without encryption and without a network.
 *
 * The library touches no sockets: a connection takes the bytes that came from its peer and gives the bytes to be sent
 * to it. Here both ends are in one program, and `carry` is the network. The client submits a share ("ping"), the server
 * acknowledges it ("pong"), several times.
 *
 * See also ping_pong_noise_tcp.cpp: the same with encryption, over TCP, in C++.
 */

#include <stdio.h>
#include <string.h>

#include "sv2.h"

enum { ROUNDS = 5, MOST_TURNS = 100 };

/* Strings in messages have a length and no NUL. */
static sv2_str text(const char* string) {
    sv2_str result = {string, strlen(string)};
    return result;
}

/* All bytes zero, then the type: how every message to be sent begins. */
static sv2_message message_of_type(uint32_t type) {
    sv2_message message;
    memset(&message, 0, sizeof message);
    message.type = type;
    return message;
}

/* Reports a call that failed; the connection knows more about it than the status. */
static int failed(const char* what, sv2_status status, sv2_connection* connection) {
    fprintf(stderr, "%s: %s: %s\n", what, sv2_status_name(status), sv2_status_message(status));
    if (connection != NULL && *sv2_connection_error(connection) != '\0') {
        fprintf(stderr, "%s\n", sv2_connection_error(connection));
    }
    return 1;
}

/* The network: everything that `from` wants to send arrives at `to`. With sockets this is a write and a read. */
static sv2_status carry(sv2_connection* from, sv2_connection* to) {
    const sv2_time now = {0, 0}; /* only certificates and time-outs of the handshake need it: there are none here */
    for (;;) {
        sv2_bytes out = sv2_connection_output(from);
        sv2_room room;
        sv2_status status;
        if (out.len == 0) return SV2_OK;
        room = sv2_connection_room(to, out.len);
        if (room.len < out.len) return SV2_ERROR_INTERNAL;
        memcpy(room.data, out.data, out.len);
        status = sv2_connection_received(to, out.len, now);
        if (status != SV2_OK) return status;
        status = sv2_connection_sent(from, out.len);
        if (status != SV2_OK) return status;
    }
}

/* The first message of every client. */
static sv2_status send_setup(sv2_connection* client) {
    sv2_message message = message_of_type(SV2_MESSAGE_SETUP_CONNECTION);
    sv2_setup_connection* setup = &message.as.setup_connection;
    setup->protocol = SV2_PROTOCOL_MINING;
    setup->min_version = 2;
    setup->max_version = 2;
    setup->endpoint_host = text("localhost");
    setup->vendor = text("libsv2 lesson");
    return sv2_connection_send(client, &message);
}

static sv2_status send_ping(sv2_connection* client, uint32_t number) {
    sv2_message message = message_of_type(SV2_MESSAGE_SUBMIT_SHARES_STANDARD);
    message.as.submit_shares_standard.channel_id = 1;
    message.as.submit_shares_standard.sequence_number = number;
    printf("client: ping %u\n", (unsigned)number);
    return sv2_connection_send(client, &message);
}

/* What the server answers. Members of `message` borrow from the connection; sending does not disturb them. */
static sv2_status server_handles(sv2_connection* server, const sv2_message* message) {
    if (message->type == SV2_MESSAGE_SETUP_CONNECTION) {
        const sv2_setup_connection* setup = &message->as.setup_connection;
        sv2_message answer = message_of_type(SV2_MESSAGE_SETUP_CONNECTION_SUCCESS);
        printf("server: a client by \"%.*s\"\n", (int)setup->vendor.len, setup->vendor.data);
        answer.as.setup_connection_success.used_version = 2;
        return sv2_connection_send(server, &answer);
    }
    if (message->type == SV2_MESSAGE_SUBMIT_SHARES_STANDARD) {
        const sv2_submit_shares_standard* share = &message->as.submit_shares_standard;
        sv2_message answer = message_of_type(SV2_MESSAGE_SUBMIT_SHARES_SUCCESS);
        answer.as.submit_shares_success.channel_id = share->channel_id;
        answer.as.submit_shares_success.last_sequence_number = share->sequence_number;
        answer.as.submit_shares_success.new_submits_accepted_count = 1;
        return sv2_connection_send(server, &answer);
    }
    return SV2_OK; /* any other message is ignored (spec 3.4) */
}

/* What the client does with an answer; `*pongs` counts them. */
static sv2_status client_handles(sv2_connection* client, const sv2_message* message, uint32_t* pongs) {
    if (message->type == SV2_MESSAGE_SUBMIT_SHARES_SUCCESS) {
        *pongs += 1;
        printf("client: pong %u\n", (unsigned)message->as.submit_shares_success.last_sequence_number);
        if (*pongs == ROUNDS) return SV2_OK;
    } else if (message->type != SV2_MESSAGE_SETUP_CONNECTION_SUCCESS) {
        return SV2_OK;
    }
    return send_ping(client, *pongs + 1);
}

static int play(sv2_connection* client, sv2_connection* server) {
    uint32_t pongs = 0;
    int turn;
    sv2_message message;
    sv2_status status = send_setup(client);
    if (status != SV2_OK) return failed("SetupConnection", status, client);

    for (turn = 0; turn < MOST_TURNS && pongs < ROUNDS; turn++) {
        status = carry(client, server);
        if (status != SV2_OK) return failed("to the server", status, NULL);
        while ((status = sv2_connection_next(server, &message)) == SV2_OK) {
            status = server_handles(server, &message);
            if (status != SV2_OK) break;
        }
        if (sv2_status_is_error(status)) return failed("server", status, server);

        status = carry(server, client);
        if (status != SV2_OK) return failed("to the client", status, NULL);
        while ((status = sv2_connection_next(client, &message)) == SV2_OK) {
            status = client_handles(client, &message, &pongs);
            if (status != SV2_OK) break;
        }
        if (sv2_status_is_error(status)) return failed("client", status, client);
    }
    if (pongs != ROUNDS) {
        fprintf(stderr, "only %u of %d pings were answered\n", (unsigned)pongs, ROUNDS);
        return 1;
    }
    printf("%d pings, %d pongs\n", ROUNDS, ROUNDS);
    return 0;
}

int main(int argc, char** argv) {
    sv2_plain_options options = SV2_PLAIN_OPTIONS_INIT;
    sv2_connection* client = NULL;
    sv2_connection* server = NULL;
    sv2_status status;
    int result;

    if (argc > 1) {
        printf("usage: %s\n\nTwo peers in one program play ping-pong without encryption.\n", argv[0]);
        return strcmp(argv[1], "--help") == 0 ? 0 : 2;
    }
    status = sv2_connection_new_plain(&options, &client);
    if (status == SV2_OK) {
        options.is_server = 1;
        status = sv2_connection_new_plain(&options, &server);
    }
    result = status == SV2_OK ? play(client, server) : failed("connection", status, NULL);
    sv2_connection_free(client); /* NULL is allowed */
    sv2_connection_free(server);
    return result;
}
