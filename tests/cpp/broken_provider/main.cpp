// broken_provider <fault> [-plaintext]: serves until it is killed; `none` is a fault, too. To look at by hand.
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>

#include "provider.hpp"

int main(int argc, char** argv) {
    const auto fault = argc > 1 ? fault_of(argv[1]) : std::nullopt;
    if (!fault) {
        std::fputs("usage: broken_provider <fault> [-plaintext]\n\nnone\n", stderr);
        for (const FaultEntry& each : faults) std::fprintf(stderr, "%s\n", std::string{each.name}.c_str());
        return 1;
    }
    try {
        std::string datadir = (std::filesystem::temp_directory_path() / "broken-provider-XXXXXX").string();
        if (!::mkdtemp(datadir.data())) return 1;
        const BrokenProvider provider{*fault, argc > 2 && std::string{argv[2]} == "-plaintext", datadir};
        std::printf("%s\n", provider.arguments().c_str());
        std::fflush(stdout);
        for (;;) ::pause();
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
