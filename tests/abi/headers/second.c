#include "sv2.h"

const char *version_in_second(void);

const char *version_in_second(void)
{
    return sv2_version();
}
