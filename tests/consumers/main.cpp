// As main.c, in C++.

#include <cstdio>
#include <string_view>

#include "sv2.h"

int main() {
    const bool same = std::string_view{sv2_version()} == SV2_VERSION && sv2_abi_version() == SV2_ABI_VERSION;
    std::printf("libsv2 %s\n", sv2_version());
    return same ? 0 : 1;
}
