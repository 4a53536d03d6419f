/* Who is talked to, and who is not. */

#include "peers.h"

/* Randomness that is the same in every run: what a peer makes of noise does not depend on chance then. */
static int fill(void* user_data, uint8_t* bytes, size_t len) {
    (void)user_data;
    memset(bytes, 0x5a, len);
    return 0;
}

/* Client and server exchange what they have to say until both are silent. What came of the client's last look. */
static sv2_status talk(peers both) {
    sv2_message message;
    sv2_status status = SV2_NEED_INPUT;
    size_t carried;
    do {
        carried = carry(both.client, both.server);
        (void)sv2_connection_next(both.server, &message);
        carried += carry(both.server, both.client);
        status = sv2_connection_next(both.client, &message);
    } while (carried > 0);
    return status;
}

static void both_sides_know_when_the_handshake_is_done_and_the_client_knows_the_server(void) {
    key_pair authority = new_keys();
    sv2_certificate shown;
    peers both;
    both.client = new_client(&authority);
    both.server = new_server(&authority);
    CHECK(!sv2_connection_is_authenticated(both.client));
    RETURNS(SV2_NOT_FOUND, sv2_connection_certificate(both.client, &shown));
    shake_hands(both);
    CHECK(sv2_connection_is_authenticated(both.client) && !sv2_connection_is_authenticated(both.server));
    RETURNS(SV2_OK, sv2_connection_certificate(both.client, &shown));
    RETURNS(SV2_OK, sv2_certificate_check(&shown, authority.public, at_start.unix_s, NULL));
    RETURNS(SV2_NOT_FOUND, sv2_connection_certificate(both.server, &shown));
    free_peers(both);
}

static void a_server_of_another_authority_is_refused_and_learns_nothing(void) {
    key_pair authority = new_keys(), other = new_keys();
    sv2_message message;
    peers both;
    int i;
    both.client = new_client(&authority);
    both.server = new_server(&other);
    send_setup(both.client, SV2_PROTOCOL_MINING, "secret");
    RETURNS(SV2_ERROR_CERTIFICATE, talk(both));
    CHECK(*sv2_connection_error(both.client) != '\0');
    CHECK(!sv2_connection_is_established(both.client) && !sv2_connection_is_authenticated(both.client));
    CHECK(sv2_connection_output(both.client).len == 0); /* SetupConnection never leaves */
    for (i = 0; i < 2; i++) {                           /* and it stays so */
        LEAVES_ALONE(message, SV2_ERROR_CERTIFICATE, sv2_connection_next(both.client, &message));
        RETURNS(SV2_ERROR_CERTIFICATE, sv2_connection_tick(both.client, at_start));
    }
    message = message_of_type(SV2_MESSAGE_SET_TARGET);
    RETURNS(SV2_ERROR_CERTIFICATE, sv2_connection_send(both.client, &message));
    free_peers(both);
}

/* A handshake of which the server's certificate became valid at `valid_from`. */
static sv2_status with_certificate_from(uint64_t valid_from, uint8_t no_clock) {
    key_pair authority = new_keys();
    sv2_initiator_options initiator = SV2_INITIATOR_OPTIONS_INIT;
    sv2_responder_options responder = SV2_RESPONDER_OPTIONS_INIT;
    sv2_identity* identity = new_identity(&authority, valid_from);
    sv2_status status;
    peers both;
    initiator.authority_key = authority.public;
    initiator.no_clock = no_clock;
    RETURNS(SV2_OK, sv2_connection_new_initiator(&initiator, &both.client));
    responder.identity = identity;
    RETURNS(SV2_OK, sv2_connection_new_responder(&responder, &both.server));
    status = talk(both);
    free_peers(both);
    sv2_identity_free(identity);
    return status;
}

static void a_certificate_that_has_expired_is_refused(void) {
    RETURNS(SV2_NEED_INPUT, with_certificate_from(at_start.unix_s - 3600 - 10, 0)); /* the last moment */
    RETURNS(SV2_ERROR_CERTIFICATE, with_certificate_from(at_start.unix_s - 3600 - 11, 0));
    RETURNS(SV2_ERROR_CERTIFICATE, with_certificate_from(at_start.unix_s + 11, 0));
}

static void a_device_without_a_clock_takes_any_time_but_not_any_authority(void) {
    key_pair authority = new_keys(), other = new_keys();
    sv2_initiator_options options = SV2_INITIATOR_OPTIONS_INIT;
    peers both;
    RETURNS(SV2_NEED_INPUT, with_certificate_from(1000, 1));
    options.authority_key = authority.public;
    options.no_clock = 1;
    RETURNS(SV2_OK, sv2_connection_new_initiator(&options, &both.client));
    both.server = new_server(&other);
    RETURNS(SV2_ERROR_CERTIFICATE, talk(both));
    free_peers(both);
}

static void who_does_not_ask_for_an_authority_is_never_told_that_the_server_is_authentic(void) {
    key_pair authority = new_keys();
    sv2_initiator_options options = SV2_INITIATOR_OPTIONS_INIT;
    sv2_certificate shown;
    peers both;
    LEAVES_ALONE(both.client, SV2_ERROR_ARGUMENT, sv2_connection_new_initiator(&options, &both.client));
    options.allow_unauthenticated = 1;
    RETURNS(SV2_OK, sv2_connection_new_initiator(&options, &both.client));
    both.server = new_server(&authority);
    RETURNS(SV2_NEED_INPUT, talk(both));
    CHECK(sv2_connection_is_established(both.client) && !sv2_connection_is_authenticated(both.client));
    RETURNS(SV2_OK, sv2_connection_certificate(both.client, &shown)); /* what it showed, not what is true */
    free_peers(both);
}

static void what_is_no_key_is_no_authority(void) {
    uint8_t no_key[SV2_PUBLIC_KEY_LEN];
    sv2_initiator_options options = SV2_INITIATOR_OPTIONS_INIT;
    sv2_connection* connection;
    memset(no_key, 0xff, sizeof no_key);
    options.authority_key = no_key;
    options.allow_unauthenticated = 1; /* a key that was given counts */
    LEAVES_ALONE(connection, SV2_ERROR_KEY, sv2_connection_new_initiator(&options, &connection));
}

static void bytes_changed_on_the_way_are_noticed_and_end_the_connection(void) {
    static const size_t positions[] = {0, 5, 21, 22, 60}; /* in the header, its MAC, the payload, its MAC */
    size_t i;
    for (i = 0; i < sizeof positions / sizeof *positions; i++) {
        peers both = noise_peers(SV2_PROTOCOL_MINING);
        sv2_message message = message_of_type(SV2_MESSAGE_SET_TARGET);
        uint8_t stream[256];
        size_t len;
        RETURNS(SV2_OK, sv2_connection_send(both.server, &message));
        len = take_output(both.server, stream, sizeof stream);
        CHECK(positions[i] < len);
        stream[positions[i]] ^= 1;
        give(both.client, stream, len);
        LEAVES_ALONE(message, SV2_ERROR_AUTHENTICATION, sv2_connection_next(both.client, &message));
        CHECK(*sv2_connection_error(both.client) != '\0');

        message = message_of_type(SV2_MESSAGE_SET_TARGET); /* an honest message does not mend it */
        RETURNS(SV2_OK, sv2_connection_send(both.server, &message));
        carry(both.server, both.client);
        LEAVES_ALONE(message, SV2_ERROR_AUTHENTICATION, sv2_connection_next(both.client, &message));
        free_peers(both);
    }
}

static void a_handshake_changed_on_the_way_fails(void) {
    static const size_t positions[] = {0, 70, 150, 233};
    size_t i;
    for (i = 0; i < sizeof positions / sizeof *positions; i++) {
        key_pair authority = new_keys();
        sv2_message message;
        uint8_t act2[256];
        peers both;
        both.client = new_client(&authority);
        both.server = new_server(&authority);
        carry(both.client, both.server);
        RETURNS(SV2_NEED_INPUT, sv2_connection_next(both.server, &message));
        CHECK(take_output(both.server, act2, sizeof act2) == 234);
        act2[positions[i]] ^= 1;
        give(both.client, act2, 234);
        RETURNS(SV2_ERROR_HANDSHAKE, sv2_connection_next(both.client, &message));
        free_peers(both);
    }
}

/* Plaintext is never fallen back to. */
static void a_plaintext_client_gets_nowhere_on_a_noise_port(void) {
    key_pair authority = new_keys();
    sv2_responder_options options = SV2_RESPONDER_OPTIONS_INIT;
    sv2_identity* identity = new_identity(&authority, at_start.unix_s);
    sv2_message message;
    peers both;
    options.identity = identity;
    options.random.fill = fill;
    RETURNS(SV2_OK, sv2_connection_new_responder(&options, &both.server));
    sv2_identity_free(identity);
    both.client = new_plain(0);
    send_setup(both.client, SV2_PROTOCOL_MINING, "a vendor with a name that is longer than an act of the handshake");
    carry(both.client, both.server); /* the first 64 bytes are as good as any for an EllSwift key */
    LEAVES_ALONE(message, SV2_ERROR_AUTHENTICATION, sv2_connection_next(both.server, &message));
    CHECK(!sv2_connection_is_established(both.server));
    CHECK(carry(both.server, both.client) == 234);
    RETURNS(SV2_ERROR_PAYLOAD_TOO_LARGE, sv2_connection_next(both.client, &message));
    free_peers(both);
}

static void a_noise_client_gets_nowhere_on_a_plaintext_port(void) {
    key_pair authority = new_keys();
    sv2_initiator_options options = SV2_INITIATOR_OPTIONS_INIT;
    sv2_message message;
    peers both;
    options.authority_key = authority.public;
    options.random.fill = fill;
    RETURNS(SV2_OK, sv2_connection_new_initiator(&options, &both.client));
    both.server = new_plain(1);
    CHECK(carry(both.client, both.server) == 64);
    LEAVES_ALONE(message, SV2_ERROR_PAYLOAD_TOO_LARGE, sv2_connection_next(both.server, &message));
    free_peers(both);
}

static void a_handshake_that_takes_too_long_is_given_up(void) {
    key_pair authority = new_keys();
    sv2_connection* silent = new_server(&authority);
    sv2_time now = at_start;
    sv2_message message;
    CHECK(sv2_connection_next_deadline(silent) == 0); /* it wants to be told the time */
    RETURNS(SV2_OK, sv2_connection_tick(silent, now));
    CHECK(sv2_connection_next_deadline(silent) == now.monotonic_ms + 10000);
    now.monotonic_ms += 9999;
    RETURNS(SV2_OK, sv2_connection_tick(silent, now));
    now.monotonic_ms += 1;
    RETURNS(SV2_ERROR_TIMEOUT, sv2_connection_tick(silent, now));
    RETURNS(SV2_ERROR_TIMEOUT, sv2_connection_next(silent, &message));
    sv2_connection_free(silent);
}

static void the_time_for_a_handshake_can_be_set(void) {
    key_pair authority = new_keys();
    sv2_initiator_options options = SV2_INITIATOR_OPTIONS_INIT;
    sv2_connection* client;
    options.authority_key = authority.public;
    options.limits.handshake_timeout_ms = 50;
    RETURNS(SV2_OK, sv2_connection_new_initiator(&options, &client));
    RETURNS(SV2_OK, sv2_connection_tick(client, at_start));
    CHECK(sv2_connection_next_deadline(client) == at_start.monotonic_ms + 50);
    sv2_connection_free(client);
}

int main(void) {
    RUN(both_sides_know_when_the_handshake_is_done_and_the_client_knows_the_server);
    RUN(a_server_of_another_authority_is_refused_and_learns_nothing);
    RUN(a_certificate_that_has_expired_is_refused);
    RUN(a_device_without_a_clock_takes_any_time_but_not_any_authority);
    RUN(who_does_not_ask_for_an_authority_is_never_told_that_the_server_is_authentic);
    RUN(what_is_no_key_is_no_authority);
    RUN(bytes_changed_on_the_way_are_noticed_and_end_the_connection);
    RUN(a_handshake_changed_on_the_way_fails);
    RUN(a_plaintext_client_gets_nowhere_on_a_noise_port);
    RUN(a_noise_client_gets_nowhere_on_a_plaintext_port);
    RUN(a_handshake_that_takes_too_long_is_given_up);
    RUN(the_time_for_a_handshake_can_be_set);
    return 0;
}
