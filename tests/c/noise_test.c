/* Keys, certificates, URLs, identities. */

#include "peers.h"

/* The specification's own example (spec 4.7). */
static const char spec_key_text[] = "9bXiEd8boQVhq7WddEcERUL5tyyJVFYdU8th3HfbNXK3Yw6GRXh";
static const uint8_t spec_key[SV2_PUBLIC_KEY_LEN] = {118, 99,  112, 0,   151, 156, 28,  17,  175, 12,  48,
                                                     11,  205, 140, 127, 228, 134, 16,  252, 233, 185, 193,
                                                     30,  61,  174, 227, 90,  224, 176, 138, 116, 85};

static void an_authority_key_has_the_text_of_the_specification(void) {
    uint8_t key[SV2_PUBLIC_KEY_LEN];
    char text[64], exact[sizeof spec_key_text];
    size_t len = 0;

    RETURNS(SV2_OK, sv2_authority_key_from_text(str_of(spec_key_text), key));
    CHECK(memcmp(key, spec_key, sizeof key) == 0);
    RETURNS(SV2_OK, sv2_authority_key_to_text(spec_key, text, sizeof text, &len));
    CHECK(len == strlen(spec_key_text) && strcmp(text, spec_key_text) == 0);

    /* A string needs room for its NUL, too. */
    RETURNS(SV2_OK, sv2_authority_key_to_text(spec_key, exact, sizeof exact, NULL));
    mark(exact, sizeof exact);
    len = 0;
    RETURNS(SV2_BUFFER_TOO_SMALL, sv2_authority_key_to_text(spec_key, exact, sizeof exact - 1, &len));
    CHECK(len == strlen(spec_key_text) && is_marked(exact, sizeof exact));
}

static void a_mistyped_authority_key_is_refused(void) {
    char text[sizeof spec_key_text];
    uint8_t key[SV2_PUBLIC_KEY_LEN];
    size_t i;
    for (i = 0; i < strlen(spec_key_text); i++) {
        memcpy(text, spec_key_text, sizeof text);
        text[i] = text[i] == 'x' ? 'y' : 'x';
        LEAVES_ALONE(key, SV2_ERROR_KEY, sv2_authority_key_from_text(str_of(text), key));
        text[i] = '\0';
        LEAVES_ALONE(key, SV2_ERROR_KEY, sv2_authority_key_from_text(str_of(text), key));
    }
}

static void bytes_that_are_no_point_are_no_authority_key(void) {
    uint8_t no_key[SV2_PUBLIC_KEY_LEN];
    char text[64];
    size_t len;
    memset(no_key, 0xff, sizeof no_key);
    LEAVES_ALONE(len, SV2_ERROR_KEY, sv2_authority_key_to_text(no_key, text, sizeof text, &len));
}

static void a_secret_key_out_of_range_is_refused(void) {
    uint8_t zero[SV2_SECRET_KEY_LEN] = {0}, too_large[SV2_SECRET_KEY_LEN], key[SV2_PUBLIC_KEY_LEN];
    sv2_certificate certificate;
    sv2_identity* identity;
    memset(too_large, 0xff, sizeof too_large);
    LEAVES_ALONE(key, SV2_ERROR_KEY, sv2_public_key_from_secret(zero, key));
    LEAVES_ALONE(key, SV2_ERROR_KEY, sv2_public_key_from_secret(too_large, key));
    LEAVES_ALONE(certificate, SV2_ERROR_KEY, sv2_certificate_sign(zero, spec_key, 0, 1, NULL, &certificate));
    memset(&certificate, 0, sizeof certificate);
    LEAVES_ALONE(identity, SV2_ERROR_KEY, sv2_identity_new(too_large, &certificate, NULL, &identity));
}

static void a_url_is_taken_apart_and_borrows_its_host(void) {
    char text[128];
    sv2_url url;
    snprintf(text, sizeof text, "stratum2+tcp://pool.example.com:3336/%s", spec_key_text);
    RETURNS(SV2_OK, sv2_url_parse(str_of(text), &url));
    CHECK(is_text(url.host, "pool.example.com") && url.host.data == text + strlen("stratum2+tcp://"));
    CHECK(url.port == 3336 && url.has_authority_key == 1);
    CHECK(memcmp(url.authority_key, spec_key, sizeof spec_key) == 0);

    RETURNS(SV2_OK, sv2_url_parse(str_of("stratum2+tcp://[::1]:8442"), &url));
    CHECK(is_text(url.host, "::1") && url.port == 8442 && url.has_authority_key == 0);
}

static void what_is_no_url_is_refused(void) {
    static const char* const wrong[] = {
        "",
        "stratum2+tcp://",
        "stratum+tcp://host:1",
        "stratum2+tcp://host",
        "stratum2+tcp://host:0",
        "host:3336",
        "stratum2+tcp://host:65536",
        "stratum2+tcp://:3336",
        "stratum2+tcp://host:1/9bX",
        "\xff\xfe",
    };
    sv2_url url;
    size_t i;
    for (i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        LEAVES_ALONE(url, SV2_ERROR_KEY, sv2_url_parse(str_of(wrong[i]), &url));
    }
}

static void a_certificate_holds_from_its_first_to_its_last_second_give_or_take_ten(void) {
    key_pair authority = new_keys(), server = new_keys(), stranger = new_keys();
    sv2_certificate certificate;
    const char* reason;

    LEAVES_ALONE(certificate, SV2_ERROR_ARGUMENT,
                 sv2_certificate_sign(authority.secret, server.public, 2, 1, NULL, &certificate));
    RETURNS(SV2_OK, sv2_certificate_sign(authority.secret, server.public, 5000, 6000, NULL, &certificate));
    CHECK(certificate.version == 0 && certificate.valid_from == 5000 && certificate.not_valid_after == 6000);
    CHECK(memcmp(certificate.server_public_key, server.public, sizeof server.public) == 0);

    LEAVES_ALONE(reason, SV2_OK, sv2_certificate_check(&certificate, authority.public, 4990, &reason)); /* no reason */
    RETURNS(SV2_OK, sv2_certificate_check(&certificate, authority.public, 6010, &reason));
    RETURNS(SV2_ERROR_CERTIFICATE, sv2_certificate_check(&certificate, authority.public, 4989, &reason));
    CHECK(strstr(reason, "not valid yet") != NULL);
    RETURNS(SV2_ERROR_CERTIFICATE, sv2_certificate_check(&certificate, authority.public, 6011, &reason));
    CHECK(strstr(reason, "expired") != NULL);
    RETURNS(SV2_ERROR_CERTIFICATE, sv2_certificate_check(&certificate, authority.public, UINT64_MAX, &reason));
    RETURNS(SV2_ERROR_CERTIFICATE, sv2_certificate_check(&certificate, stranger.public, 5500, &reason));
    CHECK(strstr(reason, "did not sign") != NULL);

    certificate.version = 1;
    RETURNS(SV2_ERROR_CERTIFICATE, sv2_certificate_check(&certificate, authority.public, 5500, &reason));
    CHECK(strstr(reason, "version") != NULL);
    memset(stranger.public, 0xff, sizeof stranger.public);
    LEAVES_ALONE(reason, SV2_ERROR_KEY, sv2_certificate_check(&certificate, stranger.public, 5500, &reason));
}

static void an_identity_shows_its_certificate_and_takes_no_other_keys(void) {
    key_pair authority = new_keys(), server = new_keys(), stranger = new_keys();
    sv2_certificate certificate, shown;
    sv2_identity* identity;
    RETURNS(SV2_OK, sv2_certificate_sign(authority.secret, server.public, 1, 2, NULL, &certificate));
    LEAVES_ALONE(identity, SV2_ERROR_KEY, sv2_identity_new(stranger.secret, &certificate, NULL, &identity));
    RETURNS(SV2_OK, sv2_identity_new(server.secret, &certificate, NULL, &identity));
    RETURNS(SV2_OK, sv2_identity_certificate(identity, &shown));
    CHECK(shown.version == certificate.version && shown.valid_from == 1 && shown.not_valid_after == 2);
    CHECK(memcmp(shown.server_public_key, server.public, sizeof server.public) == 0);
    CHECK(memcmp(shown.signature, certificate.signature, sizeof shown.signature) == 0);
    sv2_identity_free(identity);
}

/* A source of randomness that counts its calls, and fails once `calls` reaches `good`. */
typedef struct source {
    int calls, good;
} source;

static int fill(void* user_data, uint8_t* bytes, size_t len) {
    source* from = user_data;
    if (from->calls++ >= from->good) return -1;
    memset(bytes, 0x11 * (from->calls & 7), len);
    return 0;
}

static void randomness_comes_from_the_source_that_is_given(void) {
    source from = {0, 1};
    sv2_random random;
    uint8_t key[SV2_SECRET_KEY_LEN], all_0x11[SV2_SECRET_KEY_LEN];
    random.fill = fill;
    random.user_data = &from;
    memset(all_0x11, 0x11, sizeof all_0x11);
    RETURNS(SV2_OK, sv2_secret_key_generate(&random, key));
    CHECK(memcmp(key, all_0x11, sizeof key) == 0 && from.calls == 1);
}

static void without_randomness_nothing_is_made(void) {
    source from = {0, 0};
    key_pair keys = new_keys();
    sv2_initiator_options options = SV2_INITIATOR_OPTIONS_INIT;
    sv2_random random;
    uint8_t key[SV2_SECRET_KEY_LEN];
    sv2_certificate certificate;
    sv2_identity* identity;
    sv2_connection* connection;
    random.fill = fill;
    random.user_data = &from;

    LEAVES_ALONE(key, SV2_ERROR_RANDOMNESS, sv2_secret_key_generate(&random, key));
    LEAVES_ALONE(certificate, SV2_ERROR_RANDOMNESS,
                 sv2_certificate_sign(keys.secret, keys.public, 0, 1, &random, &certificate));
    RETURNS(SV2_OK, sv2_certificate_sign(keys.secret, keys.public, 0, 1, NULL, &certificate));
    LEAVES_ALONE(identity, SV2_ERROR_RANDOMNESS, sv2_identity_new(keys.secret, &certificate, &random, &identity));
    options.authority_key = keys.public;
    options.random = random;
    LEAVES_ALONE(connection, SV2_ERROR_RANDOMNESS, sv2_connection_new_initiator(&options, &connection));
    CHECK(from.calls == 4);
}

int main(void) {
    RUN(an_authority_key_has_the_text_of_the_specification);
    RUN(a_mistyped_authority_key_is_refused);
    RUN(bytes_that_are_no_point_are_no_authority_key);
    RUN(a_secret_key_out_of_range_is_refused);
    RUN(a_url_is_taken_apart_and_borrows_its_host);
    RUN(what_is_no_url_is_refused);
    RUN(a_certificate_holds_from_its_first_to_its_last_second_give_or_take_ten);
    RUN(an_identity_shows_its_certificate_and_takes_no_other_keys);
    RUN(randomness_comes_from_the_source_that_is_given);
    RUN(without_randomness_nothing_is_made);
    return 0;
}
