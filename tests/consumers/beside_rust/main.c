/* libsv2 beside two other Rust libraries in one program: each has a standard library and catches its own panics. */

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "sv2.h"

uint32_t raw_caught_panics(uint32_t times);
uint32_t hidden_caught_panics(uint32_t times);

int main(void) {
    sv2_decoder* decoder = NULL;
    uint32_t raw = raw_caught_panics(3);
    uint32_t hidden = hidden_caught_panics(4);
    sv2_status status = sv2_decoder_new(&decoder);

    sv2_decoder_free(decoder);
    printf("raw %u, hidden %u, %s\n", (unsigned)raw, (unsigned)hidden, sv2_status_name(status));
    return raw == 3 && hidden == 4 && status == SV2_OK && strcmp(sv2_version(), SV2_VERSION) == 0 ? 0 : 1;
}
