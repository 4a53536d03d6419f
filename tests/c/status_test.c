/* Statuses and versions. */

#include "check.h"

static const sv2_status every_status[] = {
    SV2_OK,
    SV2_NEED_INPUT,
    SV2_NO_EVENT,
    SV2_BUFFER_TOO_SMALL,
    SV2_NOT_FOUND,
    SV2_STALE,
    SV2_ERROR_NULL,
    SV2_ERROR_ARGUMENT,
    SV2_ERROR_STATE,
    SV2_ERROR_ENCODE,
    SV2_ERROR_KEY,
    SV2_ERROR_MALFORMED,
    SV2_ERROR_PAYLOAD_TOO_LARGE,
    SV2_ERROR_HANDSHAKE,
    SV2_ERROR_CERTIFICATE,
    SV2_ERROR_AUTHENTICATION,
    SV2_ERROR_TIMEOUT,
    SV2_ERROR_OUTPUT_FULL,
    SV2_ERROR_TOO_MANY,
    SV2_ERROR_INTERNAL,
    SV2_ERROR_RANDOMNESS,
    SV2_ERROR_OUT_OF_MEMORY,
};

static void every_status_has_a_name_and_a_sentence_of_its_own(void) {
    size_t i, j;
    for (i = 0; i < sizeof every_status / sizeof *every_status; i++) {
        const char* name = sv2_status_name(every_status[i]);
        const char* message = sv2_status_message(every_status[i]);
        CHECK(strncmp(name, "SV2_", 4) == 0 && strcmp(name, "SV2_STATUS_UNKNOWN") != 0);
        CHECK(message[0] != '\0' && message[strlen(message) - 1] == '.');
        for (j = 0; j < i; j++) {
            CHECK(strcmp(name, sv2_status_name(every_status[j])) != 0);
            CHECK(strcmp(message, sv2_status_message(every_status[j])) != 0);
        }
    }
    CHECK(strcmp(sv2_status_name(SV2_ERROR_OUTPUT_FULL), "SV2_ERROR_OUTPUT_FULL") == 0);
}

static void a_status_of_a_later_version_has_a_name_and_is_judged_by_its_sign(void) {
    CHECK(strcmp(sv2_status_name(77), "SV2_STATUS_UNKNOWN") == 0);
    CHECK(*sv2_status_message(-77777) != '\0');
    CHECK(!sv2_status_is_error(77) && sv2_status_is_error(-77777) && sv2_status_is_error(INT32_MIN));
}

static void every_error_is_somebodys_fault_and_nothing_else_is(void) {
    size_t i;
    for (i = 0; i < sizeof every_status / sizeof *every_status; i++) {
        sv2_status status = every_status[i];
        int culprits =
            sv2_status_is_caller_fault(status) + sv2_status_is_peer_fault(status) + sv2_status_is_internal(status);
        CHECK(sv2_status_is_error(status) == (status < 0));
        CHECK(culprits == (status < 0));
    }
    CHECK(sv2_status_is_caller_fault(SV2_ERROR_NULL));
    CHECK(sv2_status_is_peer_fault(SV2_ERROR_CERTIFICATE));
    CHECK(sv2_status_is_internal(SV2_ERROR_INTERNAL));
}

static void the_library_has_the_version_of_the_header(void) {
    char version[32];
    snprintf(version, sizeof version, "%d.%d.%d", SV2_VERSION_MAJOR, SV2_VERSION_MINOR, SV2_VERSION_PATCH);
    CHECK(strcmp(version, SV2_VERSION) == 0);
    CHECK(strcmp(sv2_version(), SV2_VERSION) == 0);
    CHECK(sv2_abi_version() == SV2_ABI_VERSION);
}

static void wiping_overwrites_and_wiping_nothing_is_allowed(void) {
    static const uint8_t zero[8];
    uint8_t secret[8];
    mark(secret, sizeof secret);
    sv2_wipe(secret, 5);
    CHECK(memcmp(secret, zero, 5) == 0 && is_marked(secret + 5, 3));
    sv2_wipe(NULL, 0);
    sv2_wipe(NULL, 5);
}

int main(void) {
    RUN(every_status_has_a_name_and_a_sentence_of_its_own);
    RUN(a_status_of_a_later_version_has_a_name_and_is_judged_by_its_sign);
    RUN(every_error_is_somebodys_fault_and_nothing_else_is);
    RUN(the_library_has_the_version_of_the_header);
    RUN(wiping_overwrites_and_wiping_nothing_is_allowed);
    return 0;
}
