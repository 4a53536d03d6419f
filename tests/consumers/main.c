/* What every consumer project runs: a call into the library, and one message decoded from its bytes. */

#include <stdio.h>
#include <string.h>

#include "sv2.h"

#define CHECK(condition)                                                    \
    do {                                                                    \
        if (!(condition)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            return 1;                                                       \
        }                                                                   \
    } while (0)

/* SubmitSharesStandard in a frame: extension_type with the channel_msg bit, message type, payload length, six U32. */
static const uint8_t share[] = {
    0x00, 0x80, 0x1a, 0x18, 0x00, 0x00,             /* header */
    0x02, 0x00, 0x00, 0x00, 0x07, 0x00, 0x00, 0x00, /* channel_id, sequence_number */
    0x09, 0x00, 0x00, 0x00, 0xef, 0xbe, 0xad, 0xde, /* job_id, nonce */
    0x80, 0x43, 0x6d, 0x38, 0x00, 0x00, 0x00, 0x20, /* ntime, version */
};

int main(void) {
    sv2_bytes bytes = {share, sizeof share};
    sv2_frame frame;
    sv2_decoder* decoder;
    sv2_message message;

    CHECK(strcmp(sv2_version(), SV2_VERSION) == 0);
    CHECK(sv2_abi_version() == SV2_ABI_VERSION);

    CHECK(sv2_decoder_new(&decoder) == SV2_OK);
    CHECK(sv2_frame_split(bytes, &frame) == SV2_OK);
    CHECK(frame.len == sizeof share);
    CHECK(sv2_decoder_decode(decoder, &frame, &message) == SV2_OK);
    CHECK(message.type == SV2_MESSAGE_SUBMIT_SHARES_STANDARD);
    CHECK(message.as.submit_shares_standard.channel_id == 2);
    CHECK(message.as.submit_shares_standard.nonce == 0xdeadbeef);
    CHECK(message.as.submit_shares_standard.version == 0x20000000);

    frame.payload.len -= 1;
    CHECK(sv2_decoder_decode(decoder, &frame, &message) == SV2_ERROR_MALFORMED);
    CHECK(strstr(sv2_decoder_error(decoder), "version") != NULL);
    sv2_decoder_free(decoder);

    printf("libsv2 %s\n", sv2_version());
    return 0;
}
