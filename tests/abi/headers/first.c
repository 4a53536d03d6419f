/* Compiled as C and as C++ of every standard, together with second.c: the header can be included in many places. */
#include "sv2.h"
#include "sv2.h"

const char *version_in_second(void);

int main(void)
{
    sv2_bytes empty = {0, 0};
    sv2_frame frame;
    return sv2_version() == version_in_second() && sv2_frame_split(empty, &frame) == SV2_NEED_INPUT ? 0 : 1;
}
