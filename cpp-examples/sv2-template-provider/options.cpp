#include "options.hpp"

#include <charconv>
#include <cstdlib>
#include <optional>
#include <string_view>

#include <sv2.h>

namespace {

constexpr std::uint16_t regtest_port = 18447;  // sv2-tp's
constexpr std::uint64_t max_interval_s = 24 * 60 * 60;

constexpr std::string_view help = R"(sv2-template-provider: hands out block templates over Stratum V2 (version )" SV2_VERSION R"()

  sv2-template-provider -regtest [options]

The chain is an embedded regtest chain: it mines its own first blocks and fills its mempool with real transactions,
so that nothing needs to be installed. Every block of it stands in <datadir>/blocks.hex.

  -regtest, -chain=regtest  The network; no other one can be served without a node.
  -datadir=<dir>            Where the keys and the blocks are kept (default: ~/.sv2-template-provider/regtest)
  -sv2bind=<address>        Address to listen on (default: 127.0.0.1)
  -sv2port=<port>           Port to listen on, 0 for any free one (default: 18447)
  -sv2feedelta=<sat>        Send a better template when its fees rose by so much (default: 1000)
  -templateinterval=<s>     ... but no more often than this, in seconds (default: 5)
  -mempool=<n>              Transactions in the embedded mempool after every block (default: 200)
  -txinterval=<ms>          Time between new transactions, 0 for none (default: 500)
  -plaintext                No encryption, for a network in which everybody is trusted
  -debug                    Say more
  -help, -version

It prints its authority key, which clients must know, and for each solved block "block <hash> accepted at height <n>".
SIGINT and SIGTERM end it.
)";

template <class T> std::optional<T> number(std::string_view text, T max) {
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value > max) return std::nullopt;
    return value;
}

Print failure(std::string text) { return {std::move(text) + "\nTry -help.\n", true}; }

std::filesystem::path default_datadir() {
    const char* home = std::getenv("HOME");
    return std::filesystem::path{home && *home ? home : "."} / ".sv2-template-provider" / "regtest";
}

}  // namespace

std::variant<Options, Print> parse_options(const std::vector<std::string>& arguments) {
    Options options;
    options.datadir = default_datadir();
    options.port = regtest_port;
    bool regtest = false;

    for (const std::string& argument : arguments) {
        std::string_view name = argument;
        if (name.starts_with("--")) name.remove_prefix(1);
        std::optional<std::string_view> value;
        if (const auto equals = name.find('='); equals != name.npos) {
            value = name.substr(equals + 1);
            name = name.substr(0, equals);
        }
        const auto wrong = [&] { return failure("'" + argument + "' has no valid value."); };
        const auto take = [&]<class T>(T& to, T max) {
            const auto read = value ? number<T>(*value, max) : std::nullopt;
            if (read) to = *read;
            return read.has_value();
        };

        if (name == "-help" || name == "-h" || name == "-?") return Print{std::string{help}, false};
        if (name == "-version") return Print{"sv2-template-provider " SV2_VERSION "\n", false};
        if (name == "-regtest" && (!value || value == "1")) {
            regtest = true;
        } else if (name == "-chain" && value == "regtest") {
            regtest = true;
        } else if (name == "-chain" || name == "-testnet" || name == "-testnet4" || name == "-signet") {
            return failure("'" + argument + "': only -regtest can be served without a node.");
        } else if (name == "-datadir") {
            if (!value || value->empty()) return wrong();
            options.datadir = *value;
        } else if (name == "-sv2bind") {
            if (!value || value->empty()) return wrong();
            options.bind = *value;
        } else if (name == "-sv2port") {
            if (!take(options.port, std::uint16_t{UINT16_MAX})) return wrong();
        } else if (name == "-sv2feedelta") {
            if (!take(options.fee_delta, std::uint64_t{21'000'000} * 100'000'000)) return wrong();
        } else if (name == "-templateinterval") {
            std::uint64_t seconds = 0;
            if (!take(seconds, max_interval_s)) return wrong();
            options.template_interval = std::chrono::seconds{seconds};
        } else if (name == "-mempool") {
            if (!take(options.mempool, std::size_t{10'000})) return wrong();
        } else if (name == "-txinterval") {
            std::uint64_t milliseconds = 0;
            if (!take(milliseconds, max_interval_s * 1000)) return wrong();
            options.transaction_interval = std::chrono::milliseconds{milliseconds};
        } else if (name == "-plaintext" && !value) {
            options.plaintext = true;
        } else if (name == "-debug" && (!value || value == "1")) {
            options.debug = true;
        } else {
            return failure("'" + argument + "' is not an option.");
        }
    }
    if (!regtest) return failure("Say -regtest: no other network can be served without a node.");
    return options;
}
