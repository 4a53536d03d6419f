// sv2-pool: a Stratum V2 mining pool, on template providers or on an embedded regtest chain.
#include <sys/stat.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "host/files.hpp"
#include "host/log.hpp"
#include "pool.hpp"
#include "settings.hpp"
#include "test_connection.hpp"

namespace {

int complain(const std::string& sentence) {
    std::fprintf(stderr, "sv2-pool: %s\n", sentence.c_str());
    return 1;
}

sv2_mining_server_options engine_options(const Settings& settings) {
    sv2_mining_server_options engine = sv2::mining_server_options();
    engine.pool_tag = sv2::str(settings.tag);
    engine.server_id = sv2::bytes(settings.server_id);
    engine.no_server_id = settings.server_id.empty();
    engine.shares_per_minute = settings.shares_per_minute;
    const MinerLimits& limits = settings.limits;
    engine.max_clients = limits.connections;
    engine.max_clients_per_address = limits.connections_per_address;
    engine.max_handshakes = limits.handshakes;
    engine.max_handshakes_per_address = limits.handshakes_per_address;
    engine.max_connections_per_minute = limits.connections_per_minute;
    engine.max_messages_per_second = limits.messages_per_second;
    engine.max_channels = limits.channels;
    engine.count_loopback = limits.count_loopback;
    engine.log.write = host::log_of_engine;
    return engine;
}

void mention(const Solutions& solutions) {
    for (const Solutions::Unconfirmed& block : solutions.unconfirmed()) {
        host::log_warning("block " + block.block_hash + " for height " + std::to_string(block.height) + " was found at " +
                          std::to_string(block.found_at) + " (unix time), and not seen accepted before the end of that "
                          "run; its header and coinbase are in sv2_solutions, and its transactions with its template provider only");
    }
}

int run(const Settings& settings) {
    ::umask(S_IRWXG | S_IRWXO);  // what is written here is nobody else's
    std::error_code failure;
    std::filesystem::create_directories(settings.directory, failure);
    if (failure) return complain("Cannot create " + settings.directory.string() + ": " + failure.message() + ".");
    // What is in the directory belongs to whoever has the lock on it.
    std::string error;
    const auto solutions = Solutions::open(settings.directory, error);
    if (!solutions) return complain(error);
    if (error = host::open_log(settings.log); !error.empty()) return complain(error);
    host::log_info("sv2-pool " SV2_VERSION ", data directory " + settings.directory.string());
    std::unique_ptr<ShareLog> share_log;
    if (settings.share_log && !(share_log = ShareLog::open(settings.directory, error))) return complain(error);
    host::raise_open_files_for(settings.limits.connections);

    std::string notice;
    auto keys = host::Keys::open(settings.directory, error, notice);
    if (!keys) return complain(error);
    if (!notice.empty()) host::log_warning(notice);
    const auto identity = keys->identity(std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()),
                                         settings.certificate_validity);
    if (!identity) return complain(std::string{"Cannot make a certificate: "} + identity.status().message());
    auto engine = settings.plaintext ? sv2::MiningServer::plaintext(engine_options(settings))
                                     : sv2::MiningServer::create(*identity, engine_options(settings));
    if (!engine) {
        return complain("The tag '" + settings.tag + "' does not fit into a coinbase: a shorter one is needed.");
    }

    asio::io_context context{1};
    Pool pool{context, settings, *keys, *solutions, share_log.get(), *std::move(engine)};
    if (error = pool.start(); !error.empty()) return complain(error);
    mention(*solutions);
    return pool.run() ? 0 : 1;
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
