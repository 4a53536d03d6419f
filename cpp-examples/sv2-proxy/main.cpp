// sv2-proxy: between miners and pools.
#include <sys/stat.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>
#include <system_error>

#include "host/files.hpp"
#include "host/log.hpp"
#include "proxy.hpp"
#include "settings.hpp"

namespace {

int complain(const std::string& sentence) {
    std::fprintf(stderr, "sv2-proxy: %s\n", sentence.c_str());
    return 1;
}

int run(const Settings& settings) {
    ::umask(S_IRWXG | S_IRWXO);  // what is written here is nobody else's
    std::error_code failure;
    std::filesystem::create_directories(settings.directory, failure);
    if (failure) return complain("Cannot create " + settings.directory.string() + ": " + failure.message() + ".");
    if (const std::string error = host::open_log(settings.log); !error.empty()) return complain(error);
    host::log_info("sv2-proxy " SV2_VERSION ", data directory " + settings.directory.string());
    host::raise_open_files_for(settings.max_connections);

    std::string error, notice;
    const auto keys = host::Keys::open(settings.directory, error, notice);
    if (!keys) return complain(error);
    if (!notice.empty()) host::log_warning(notice);
    const auto identity = keys->identity(std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()),
                                         settings.certificate_validity);
    if (!identity) return complain(std::string{"Cannot make a certificate: "} + identity.status().message());
    auto engine = make_engine(settings, settings.plaintext ? nullptr : &*identity);
    if (!engine) return complain(std::string{"These settings do not go together: "} + engine.status().message());

    asio::io_context context{1};
    Proxy proxy{context, settings, *keys, *std::move(engine)};
    if (error = proxy.start(); !error.empty()) return complain(error);
    return proxy.run() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    if (!sv2::is_compatible()) return complain("The library does not fit the headers this program was built with.");
    const auto read = read_settings({argv + 1, argv + argc});
    if (const auto* print = std::get_if<host::Print>(&read)) return print->out();
    const Settings& settings = std::get<Settings>(read);
    // The terminal may go while the program runs on.
    std::signal(SIGPIPE, SIG_IGN);
    int status;
    try {
        status = settings.test_connection ? test_connection(settings) : run(settings);
    } catch (const std::exception& error) {
        status = complain(error.what());
    }
    host::close_log();
    return status;
}
