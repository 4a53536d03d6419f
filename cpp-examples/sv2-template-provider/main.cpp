// sv2-template-provider: a Stratum V2 template provider with an embedded regtest chain.
#include <chrono>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "server.hpp"

namespace {

int complain(const std::string& sentence) {
    std::fprintf(stderr, "sv2-template-provider: %s\n", sentence.c_str());
    return 1;
}

void log_warning(void*, int level, const char* text, std::size_t len) noexcept {
    if (level <= SV2_LOG_WARNING) say({text, len});
}

void log_all(void*, int, const char* text, std::size_t len) noexcept { say({text, len}); }

sv2_template_provider_options engine_options(const Options& options) {
    sv2_template_provider_options engine = sv2::template_provider_options();
    // To the engine a zero means "as usual"; the least that can be said is one.
    engine.fee_threshold_sat = std::max<std::uint64_t>(options.fee_delta, 1);
    const auto interval = std::chrono::duration_cast<std::chrono::milliseconds>(options.template_interval).count();
    engine.update_interval_ms = std::max<std::uint64_t>(static_cast<std::uint64_t>(interval), 1);
    engine.log.write = options.debug ? log_all : log_warning;
    return engine;
}

int run(const Options& options) {
    std::string error;
    const auto chain = host::RegtestChain::open(options.datadir, error);
    if (!chain) return complain(error);
    if (!chain->notice().empty()) say(chain->notice());
    chain->add_transactions(options.mempool);

    const auto keys = Keys::open(options.datadir, error);
    if (!keys) return complain(error);
    const auto now = std::chrono::time_point_cast<std::chrono::seconds>(std::chrono::system_clock::now());
    auto identity = keys->identity(now);
    const auto authority = sv2::AuthorityKey::of(keys->authority);
    if (!identity || !authority) return complain(std::string{"Cannot make a certificate: "} + identity.status().message());

    auto provider = options.plaintext ? sv2::TemplateProvider::plaintext(engine_options(options))
                                      : sv2::TemplateProvider::create(*identity, engine_options(options));
    if (!provider) return complain(provider.status().message());

    Server server{options, *chain, *keys, *std::move(provider)};
    if (error = server.listen(); !error.empty()) return complain(error);

    const std::string host = options.bind.find(':') == std::string::npos ? options.bind : "[" + options.bind + "]";
    const std::string address = host + ":" + std::to_string(server.port());
    say("regtest chain at height " + std::to_string(chain->height()) + ", " + std::to_string(chain->mempool_size()) +
        " transactions in the mempool");
    if (options.plaintext) {
        say("listening on " + address + " WITHOUT ENCRYPTION");
    } else {
        const auto text = authority->to_text();
        if (!text) return complain(text.status().message());
        say("Template Provider authority key: " + *text);
        say("listening on stratum2+tcp://" + address + "/" + *text);
    }
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
    try {
        return run(std::get<Options>(parsed));
    } catch (const std::exception& error) {
        return complain(error.what());
    }
}
