/* Two connections in memory, over Noise or plain, and the network between them. */
#ifndef PEERS_H
#define PEERS_H

#include "check.h"

typedef struct key_pair {
    uint8_t secret[SV2_SECRET_KEY_LEN];
    uint8_t public[SV2_PUBLIC_KEY_LEN];
} key_pair;

typedef struct peers {
    sv2_connection* client;
    sv2_connection* server;
} peers;

static inline key_pair new_keys(void) {
    key_pair keys;
    RETURNS(SV2_OK, sv2_secret_key_generate(NULL, keys.secret));
    RETURNS(SV2_OK, sv2_public_key_from_secret(keys.secret, keys.public));
    return keys;
}

/* An identity certified by `authority` from `valid_from` on, for an hour. */
static inline sv2_identity* new_identity(const key_pair* authority, uint64_t valid_from) {
    key_pair server = new_keys();
    uint32_t from = (uint32_t)valid_from;
    sv2_certificate certificate;
    sv2_identity* identity;
    RETURNS(SV2_OK, sv2_certificate_sign(authority->secret, server.public, from, from + 3600, NULL, &certificate));
    RETURNS(SV2_OK, sv2_identity_new(server.secret, &certificate, NULL, &identity));
    return identity;
}

static inline sv2_connection* new_client(const key_pair* authority) {
    sv2_initiator_options options = SV2_INITIATOR_OPTIONS_INIT;
    sv2_connection* client;
    options.authority_key = authority->public;
    RETURNS(SV2_OK, sv2_connection_new_initiator(&options, &client));
    return client;
}

static inline sv2_connection* new_server(const key_pair* authority) {
    sv2_responder_options options = SV2_RESPONDER_OPTIONS_INIT;
    sv2_identity* identity = new_identity(authority, at_start.unix_s);
    sv2_connection* server;
    options.identity = identity;
    RETURNS(SV2_OK, sv2_connection_new_responder(&options, &server));
    sv2_identity_free(identity); /* before the connection, as the header allows */
    return server;
}

static inline sv2_connection* new_plain(int is_server) {
    sv2_plain_options options = SV2_PLAIN_OPTIONS_INIT;
    sv2_connection* connection;
    options.is_server = (uint8_t)is_server;
    RETURNS(SV2_OK, sv2_connection_new_plain(&options, &connection));
    return connection;
}

/* Takes everything that a connection wants to send into `out`, which must be long enough; returns how much it was. */
static inline size_t take_output(sv2_connection* from, uint8_t* out, size_t capacity) {
    size_t len = 0;
    for (;;) {
        sv2_bytes output = sv2_connection_output(from);
        if (output.len == 0) return len;
        CHECK(output.len <= capacity - len);
        memcpy(out + len, output.data, output.len);
        len += output.len;
        RETURNS(SV2_OK, sv2_connection_sent(from, output.len));
    }
}

/* Gives bytes to a connection through its room. */
static inline void give(sv2_connection* to, const uint8_t* data, size_t len) {
    sv2_room room = sv2_connection_room(to, len);
    CHECK(room.len >= len);
    memcpy(room.data, data, len);
    RETURNS(SV2_OK, sv2_connection_received(to, len, at_start));
}

/* Everything that `from` wants to send arrives at `to`. Returns how many bytes it was. */
static inline size_t carry(sv2_connection* from, sv2_connection* to) {
    size_t carried = 0;
    for (;;) {
        sv2_bytes output = sv2_connection_output(from);
        if (output.len == 0) return carried;
        give(to, output.data, output.len);
        carried += output.len;
        RETURNS(SV2_OK, sv2_connection_sent(from, output.len));
    }
}

/* Sends a SetupConnection for `protocol` with that vendor. */
static inline void send_setup(sv2_connection* client, uint8_t protocol, const char* vendor) {
    sv2_message message = message_of_type(SV2_MESSAGE_SETUP_CONNECTION);
    message.as.setup_connection.protocol = protocol;
    message.as.setup_connection.min_version = 2;
    message.as.setup_connection.max_version = 2;
    message.as.setup_connection.vendor = str_of(vendor);
    RETURNS(SV2_OK, sv2_connection_send(client, &message));
}

static inline void send_setup_success(sv2_connection* server) {
    sv2_message message = message_of_type(SV2_MESSAGE_SETUP_CONNECTION_SUCCESS);
    message.as.setup_connection_success.used_version = 2;
    RETURNS(SV2_OK, sv2_connection_send(server, &message));
}

/* Both acts of the handshake. */
static inline void shake_hands(peers both) {
    sv2_message message;
    carry(both.client, both.server);
    RETURNS(SV2_NEED_INPUT, sv2_connection_next(both.server, &message));
    carry(both.server, both.client);
    RETURNS(SV2_NEED_INPUT, sv2_connection_next(both.client, &message));
    CHECK(sv2_connection_is_established(both.client) && sv2_connection_is_established(both.server));
}

/* SetupConnection and its success, so that the limits of `protocol` hold. */
static inline void set_up(peers both, uint8_t protocol) {
    sv2_message message;
    send_setup(both.client, protocol, "");
    carry(both.client, both.server);
    RETURNS(SV2_OK, sv2_connection_next(both.server, &message));
    CHECK(message.type == SV2_MESSAGE_SETUP_CONNECTION);
    RETURNS(SV2_NEED_INPUT, sv2_connection_next(both.server, &message));
    send_setup_success(both.server);
    carry(both.server, both.client);
    RETURNS(SV2_OK, sv2_connection_next(both.client, &message));
    CHECK(message.type == SV2_MESSAGE_SETUP_CONNECTION_SUCCESS);
    RETURNS(SV2_NEED_INPUT, sv2_connection_next(both.client, &message));
}

/* Two that have shaken hands over Noise and set up `protocol`. */
static inline peers noise_peers(uint8_t protocol) {
    key_pair authority = new_keys();
    peers both;
    both.client = new_client(&authority);
    both.server = new_server(&authority);
    shake_hands(both);
    set_up(both, protocol);
    return both;
}

static inline peers plain_peers(uint8_t protocol) {
    peers both;
    both.client = new_plain(0);
    both.server = new_plain(1);
    set_up(both, protocol);
    return both;
}

static inline void free_peers(peers both) {
    sv2_connection_free(both.client);
    sv2_connection_free(both.server);
}

#endif
