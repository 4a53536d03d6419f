/*
 * Lesson 4: how a server proves who it is (spec 4.5).
 *
 * An authority (a pool, say) has a key pair; its public key is known to the miners, as base58 text in the pool's URL.
 * Every server has a key pair of its own, and a certificate: the authority's signature over the server's public key and
 * over the time it is valid. Secret keys never meet: the authority signs on a safe machine, and the server needs
 * nothing but its own key and the certificate.
 */

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "sv2.h"

enum { ONE_DAY = 24 * 60 * 60 };

typedef struct key_pair {
    uint8_t secret[SV2_SECRET_KEY_LEN];
    uint8_t public[SV2_PUBLIC_KEY_LEN];
} key_pair;

static int failed(const char* what, sv2_status status) {
    fprintf(stderr, "%s: %s: %s\n", what, sv2_status_name(status), sv2_status_message(status));
    return 1;
}

static sv2_status generate(key_pair* keys) {
    sv2_status status = sv2_secret_key_generate(NULL, keys->secret); /* NULL: the operating system's randomness */
    return status == SV2_OK ? sv2_public_key_from_secret(keys->secret, keys->public) : status;
}

static void print_hex(const char* name, const uint8_t* bytes, size_t len) {
    size_t i;
    printf("  %s: ", name);
    for (i = 0; i < len; i++) printf("%02x", bytes[i]);
    printf("\n");
}

static void print_certificate(const sv2_certificate* certificate) {
    printf("certificate\n  version: %u\n  valid_from: %lu\n  not_valid_after: %lu\n", (unsigned)certificate->version,
           (unsigned long)certificate->valid_from, (unsigned long)certificate->not_valid_after);
    print_hex("server_public_key", certificate->server_public_key, sizeof certificate->server_public_key);
    print_hex("signature", certificate->signature, sizeof certificate->signature);
}

/* Checks the certificate and says what came of it. 0 if that is what the lesson expects. */
static int check(const char* when, const sv2_certificate* certificate, const uint8_t* authority_key, uint64_t unix_s,
                 sv2_status expected) {
    const char* reason = "It holds.";
    sv2_status status = sv2_certificate_check(certificate, authority_key, unix_s, &reason);
    printf("%s: %s: %s\n", when, sv2_status_name(status), reason);
    return status == expected ? 0 : failed(when, status);
}

static int lesson(key_pair* authority, key_pair* server, key_pair* stranger) {
    const time_t clock = time(NULL);
    const uint64_t now = (uint64_t)clock;
    const uint32_t valid_from = (uint32_t)now, not_valid_after = valid_from + ONE_DAY;
    sv2_certificate certificate, forged;
    sv2_identity* identity = NULL;
    uint8_t read_back[SV2_PUBLIC_KEY_LEN];
    char text[64];
    size_t len = 0;
    sv2_str str;
    int wrong = 0;

    sv2_status status = generate(authority);
    if (status == SV2_OK) status = generate(server);
    if (status == SV2_OK) status = generate(stranger);
    if (status != SV2_OK) return failed("keys", status);

    /* What goes into the pool's URL: stratum2+tcp://host:port/<this>. A mistyped one is noticed. */
    status = sv2_authority_key_to_text(authority->public, text, sizeof text, &len);
    if (status != SV2_OK) return failed("authority key", status);
    printf("authority key: %s\n", text);
    str.data = text;
    str.len = len;
    status = sv2_authority_key_from_text(str, read_back);
    if (status != SV2_OK || memcmp(read_back, authority->public, sizeof read_back) != 0) {
        return failed("authority key as text", status);
    }
    text[len / 2] = text[len / 2] == 'a' ? 'b' : 'a';
    status = sv2_authority_key_from_text(str, read_back);
    printf("the same, mistyped: %s: %s\n", sv2_status_name(status), sv2_status_message(status));
    if (status != SV2_ERROR_KEY) return failed("a mistyped key", status);

    /* The authority signs; the server makes of it what it shows to everyone who connects. */
    status = sv2_certificate_sign(authority->secret, server->public, valid_from, not_valid_after, NULL, &certificate);
    if (status != SV2_OK) return failed("sign", status);
    print_certificate(&certificate);
    status = sv2_identity_new(server->secret, &certificate, NULL, &identity);
    if (status != SV2_OK) return failed("identity", status);
    sv2_identity_free(identity);

    /* A client does this during the handshake. Clocks may differ by ten seconds. */
    wrong += check("now", &certificate, authority->public, now, SV2_OK);
    wrong +=
        check("ten seconds after its end", &certificate, authority->public, (uint64_t)not_valid_after + 10, SV2_OK);
    wrong +=
        check("a second later", &certificate, authority->public, (uint64_t)not_valid_after + 11, SV2_ERROR_CERTIFICATE);
    wrong += check("a minute before it was signed", &certificate, authority->public, now - 60, SV2_ERROR_CERTIFICATE);
    wrong += check("by another authority", &certificate, stranger->public, now, SV2_ERROR_CERTIFICATE);
    forged = certificate;
    forged.not_valid_after += ONE_DAY;
    wrong += check("extended by its owner", &forged, authority->public, now, SV2_ERROR_CERTIFICATE);
    return wrong != 0;
}

int main(int argc, char** argv) {
    key_pair authority, server, stranger;
    int result;
    if (argc > 1) {
        printf("usage: %s\n\nMakes keys, signs a certificate and checks it under several circumstances.\n", argv[0]);
        return strcmp(argv[1], "--help") == 0 ? 0 : 2;
    }
    result = lesson(&authority, &server, &stranger);
    sv2_wipe(authority.secret, sizeof authority.secret); /* memset might be left out by the compiler */
    sv2_wipe(server.secret, sizeof server.secret);
    sv2_wipe(stranger.secret, sizeof stranger.secret);
    return result;
}
