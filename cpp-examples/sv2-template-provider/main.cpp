// sv2-template-provider: a Stratum V2 template provider, on a Bitcoin node or on an embedded regtest chain.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "host/files.hpp"
#include "host/log.hpp"
#include "node_of.hpp"
#include "server.hpp"

namespace {

int complain(const std::string& sentence) {
    std::fprintf(stderr, "sv2-template-provider: %s\n", sentence.c_str());
    return 1;
}

sv2_template_provider_options engine_options(const Options& options) {
    sv2_template_provider_options engine = sv2::template_provider_options();
    // To the engine a zero means "as usual"; the least that can be said is one.
    engine.fee_threshold_sat = std::max<std::uint64_t>(options.fee_delta, 1);
    const auto interval = std::chrono::duration_cast<std::chrono::milliseconds>(options.template_interval).count();
    engine.update_interval_ms = std::max<std::uint64_t>(static_cast<std::uint64_t>(interval), 1);
    const Limits& limits = options.limits;
    engine.max_clients = limits.clients;
    engine.max_clients_per_address = limits.clients_per_address;
    engine.max_handshakes = limits.handshakes;
    engine.max_handshakes_per_address = limits.handshakes_per_address;
    engine.max_connections_per_minute = limits.connections_per_minute;
    engine.max_requests_per_second = limits.requests_per_second;
    engine.count_loopback = limits.count_loopback;
    engine.log.write = host::log_of_engine;
    return engine;
}

void mention(const Solutions& solutions) {
    for (const Solutions::Unconfirmed& block : solutions.unconfirmed()) {
        const std::string path = solutions.block_path(block.block_hash).string();
        host::log_warning("block " + block.block_hash + " for height " + std::to_string(block.height) + " was found at " +
                          std::to_string(block.found_at) + " (unix time), and not seen accepted before the end of that run; " +
                          (block.whole ? "to hand it in again: bitcoin-cli -stdin submitblock < " + path
                                       : "its header and coinbase are in sv2_solutions"));
    }
}

std::string announce(const Options& options, const host::Keys& keys, std::uint16_t port) {
    const std::string host = options.bind.find(':') == std::string::npos ? options.bind : "[" + options.bind + "]";
    const std::string address = host + ":" + std::to_string(port);
    if (options.plaintext) {
        host::log_info("listening on " + address + " WITHOUT ENCRYPTION");
        return {};
    }
    const auto authority = sv2::AuthorityKey::of(keys.authority);
    if (!authority) return authority.status().message();
    const auto text = authority->to_text();
    if (!text) return text.status().message();
    host::log_info("Template Provider authority key: " + *text);
    host::log_info("listening on stratum2+tcp://" + address + "/" + *text);
    return {};
}

int run(const Options& options) {
    if (const std::string why = why_no_node(options); !why.empty()) return complain(why);
    ::umask(S_IRWXG | S_IRWXO);  // what is written here is nobody else's
    std::error_code failure;
    std::filesystem::create_directories(options.directory, failure);
    if (failure) return complain("Cannot create " + options.directory.string() + ": " + failure.message() + ".");
    // What is in the directory belongs to whoever has the lock on it, log and pid file, too.
    std::string error;
    const auto solutions = Solutions::open(options.directory, error);
    if (!solutions) return complain(error);
    if (error = host::open_log(options.log); !error.empty()) return complain(error);
    host::PidFile pid_file;
    if (error = pid_file.write(options.pid_file); !error.empty()) return complain(error);
    host::log_info("sv2-template-provider " SV2_VERSION " on the network " + std::string{options.network->name} +
                   ", data directory " + options.directory.string());
    for (const std::string& notice : options.notices) host::log_info(notice);

    std::string notice;
    const auto keys = host::Keys::open(options.directory, error, notice);
    if (!keys) return complain(error);
    if (!notice.empty()) host::log_warning(notice);
    auto identity = keys->identity(std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()),
                                   options.certificate_validity);
    if (!identity) return complain(std::string{"Cannot make a certificate: "} + identity.status().message());
    auto provider = options.plaintext ? sv2::TemplateProvider::plaintext(engine_options(options))
                                      : sv2::TemplateProvider::create(*identity, engine_options(options));
    if (!provider) return complain(provider.status().message());

    asio::io_context context{1};
    const auto node = node_of(options, context, error);
    if (!node) return complain(error);
    Server server{context, options, *keys, *node, *solutions, *std::move(provider)};
    if (error = server.listen(); !error.empty()) return complain(error);
    if (error = announce(options, *keys, server.port()); !error.empty()) return complain(error);
    mention(*solutions);
    return server.run() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    if (!sv2::is_compatible()) return complain("The library does not fit the headers this program was built with.");
    const auto parsed = parse_options({argv + 1, argv + argc});
    if (const auto* print = std::get_if<Print>(&parsed)) {
        std::fputs(print->text.c_str(), print->failure ? stderr : stdout);
        return print->failure ? 1 : 0;
    }
    // The terminal may go while the program runs on.
    std::signal(SIGPIPE, SIG_IGN);
    int status;
    try {
        status = run(std::get<Options>(parsed));
    } catch (const std::exception& error) {
        status = complain(error.what());
    }
    host::close_log();
    return status;
}
