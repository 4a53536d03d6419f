/* Prints the templates of a template provider: readme_client <host> <port> <authority key> */
#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sv2.h>
#include <time.h>
#include <unistd.h>

static sv2_time now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (sv2_time){(uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000, (uint64_t)time(NULL)};
}

int main(int argc, char** argv) {
    uint8_t key[SV2_PUBLIC_KEY_LEN];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *at;
    if (argc != 4 || sv2_authority_key_from_text((sv2_str){argv[3], strlen(argv[3])}, key) != SV2_OK) return 2;
    if (getaddrinfo(argv[1], argv[2], &hints, &at) != 0) return 1;
    int fd = socket(at->ai_family, at->ai_socktype, 0);
    if (connect(fd, at->ai_addr, at->ai_addrlen) != 0) return 1;

    sv2_initiator_options options = SV2_INITIATOR_OPTIONS_INIT;
    options.authority_key = key; /* nobody else is talked to */
    sv2_connection* conn;
    if (sv2_connection_new_initiator(&options, &conn) != SV2_OK) return 1;
    sv2_message setup = {.type = SV2_MESSAGE_SETUP_CONNECTION,
                         .as.setup_connection = {.min_version = 2, .max_version = 2}};
    setup.as.setup_connection.protocol = SV2_PROTOCOL_TEMPLATE_DISTRIBUTION;
    sv2_message want = {.type = SV2_MESSAGE_COINBASE_OUTPUT_CONSTRAINTS, .as.coinbase_output_constraints = {1000, 0}};

    sv2_message m;
    sv2_status status = sv2_connection_send(conn, &setup); /* leaves after the handshake */
    while (!sv2_status_is_error(status)) {
        for (sv2_bytes out; (out = sv2_connection_output(conn)).len > 0;)
            if (sv2_connection_sent(conn, (size_t)write(fd, out.data, out.len)) != SV2_OK) return 1;
        sv2_room room = sv2_connection_room(conn, 4096);
        ssize_t n = read(fd, room.data, room.len);
        if (n <= 0) break;
        sv2_connection_received(conn, (size_t)n, now());
        while ((status = sv2_connection_next(conn, &m)) == SV2_OK) {
            const sv2_new_template* t = &m.as.new_template; /* a view: valid until the next message */
            if (m.type == SV2_MESSAGE_SETUP_CONNECTION_SUCCESS) sv2_connection_send(conn, &want);
            if (m.type == SV2_MESSAGE_NEW_TEMPLATE)
                printf("template %" PRIu64 ": %" PRIu64 " satoshis\n", t->template_id, t->coinbase_tx_value_remaining);
        }
    }
    if (sv2_status_is_error(status)) fprintf(stderr, "%s\n", sv2_connection_error(conn));
    sv2_connection_free(conn);
    freeaddrinfo(at);
    return sv2_status_is_error(status);
}
