/* What both C programs of the benchmark need. */
#ifndef OURS_H
#define OURS_H

#include <stdio.h>
#include <stdlib.h>

#include "sv2.h"

/* How much a program reads from a socket at a time. */
enum { READ_LEN = 4096 };

/* A message to send, and the decoder that it borrows from. */
struct ours_message {
    sv2_decoder *decoder;
    sv2_message message;
};

/* What a server and those who know it need for a handshake. */
struct ours_keys {
    uint8_t authority_key[32];
    sv2_identity *identity;
    uint64_t unix_s; /* when the certificate begins */
};

static inline void expect(sv2_status expected, sv2_status status, const char *what)
{
    if (status != expected) {
        fprintf(stderr, "%s: %s\n", what, sv2_status_message(status));
        abort();
    }
}

static inline void ok(sv2_status status, const char *what)
{
    expect(SV2_OK, status, what);
}

#endif
