#include "settings.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <limits>
#include <utility>

#include <asio/ip/address.hpp>

namespace fs = std::filesystem;

namespace {

using host::AddressNetwork;

constexpr std::array<std::pair<std::string_view, AddressNetwork>, 5> networks{{
    {"main", AddressNetwork::main},
    {"test", AddressNetwork::test},
    {"testnet4", AddressNetwork::test},
    {"signet", AddressNetwork::test},
    {"regtest", AddressNetwork::regtest},
}};

constexpr std::string_view embedded = "embedded";

// Of the parts of --payout and how many there are of it: multiplied by all_parts, their sum is a U32.
constexpr std::uint64_t most_parts = 10'000;
constexpr std::size_t most_beneficiaries = 40;

// What is read as text first, because it depends on something else that is said.
struct Said {
    std::string network;
    std::vector<std::string> providers, provider_keys, payout;
    std::uint64_t certificate_days = 30;
    std::uint32_t server_id = 0, server_id_len = 1;
    std::string log_level = "info";
};

bool is_loopback(const std::string& name) {
    asio::error_code error;
    const auto address = asio::ip::make_address(name, error);
    return name == "localhost" || (!error && address.is_loopback());
}

fs::path usual_directory() {
    const char* home = std::getenv("HOME");
    return fs::path{home && *home ? home : "/"} / ".sv2-pool";
}

host::Options::Take take_address(host::HostPort& to) {
    return [&to](std::string_view text) -> std::string {
        const auto read = host::HostPort::parse(text);
        if (!read) return "this is not ADDRESS:PORT";
        to = *read;
        return {};
    };
}

host::Options::Take take_each(std::vector<std::string>& to) {
    return [&to](std::string_view text) {
        to.emplace_back(text);
        return std::string{};
    };
}

void offer_work(host::Options& options, Settings& settings, Said& said) {
    options.heading("Templates");
    options.values("template-provider", "HOST:PORT",
                   "Where templates come from: HOST:PORT, or stratum2+tcp://HOST:PORT/KEY, or \"embedded\" for a regtest "
                   "chain inside of this process. Given several times, the next one is used while the first fails",
                   take_each(said.providers));
    options.values("template-provider-key", "KEY",
                   "The provider's authority key, which it prints when it starts; one for all providers, or one for each "
                   "in the same order",
                   take_each(said.provider_keys));
    options.flag("template-provider-plaintext",
                 "The providers do not encrypt. Only for those on this machine", settings.templates.plaintext);
    options.value("network", "NAME",
                  "main, test, testnet4, signet or regtest: what the payout's addresses must be of (default: main; "
                  "regtest with the embedded chain)",
                  [&](std::string_view text) -> std::string {
                      said.network = text;
                      const bool is_one = std::ranges::count(networks, text, [](const auto& of) { return of.first; }) > 0;
                      return is_one ? "" : "this is none of main, test, testnet4, signet and regtest";
                  });
    options.number("embedded-mempool", "N", "Transactions in the embedded chain's mempool after every block",
                   settings.templates.mempool, std::size_t{0}, std::size_t{10'000});
    options.number("embedded-interval", "MS", "Time between new ones in it, 0 for none",
                   settings.templates.new_transaction_ms, std::uint64_t{0}, std::uint64_t{86'400'000});

    options.heading("Payout");
    options.values("payout", "ADDRESS",
                   "Who is paid by a block: an address, or script: and a scriptPubKey in hex. Given several times as "
                   "ADDRESS=PARTS, each gets so many parts of the sum",
                   take_each(said.payout));
    options.flag("payout-to-user",
                 "A miner is paid what it finds, to the address that its user_identity is: ADDRESS or ADDRESS.worker. "
                 "One that is no address is refused",
                 settings.pay_to_user);
    options.number("fee", "PARTS",
                   "Parts of 10,000 of such a payment that go to --payout: 100 is one percent", settings.fee_parts,
                   std::uint32_t{0}, all_parts);
    options.text("tag", "TEXT", "What the pool signs its coinbases with", settings.tag);
}

void offer_miners(host::Options& options, Settings& settings, Said& said) {
    options.heading("Miners");
    options.value("listen", "ADDRESS:PORT",
                  "Where miners connect; port 0 is any free one (default: " + settings.listen.text() + ")",
                  take_address(settings.listen));
    options.flag("plaintext", "No encryption. Only with a --listen address of this machine", settings.plaintext);
    options.number("certificate-days", "DAYS",
                   "How long a certificate is good; it is renewed when half of that is over, and at SIGHUP",
                   said.certificate_days, std::uint64_t{1}, std::uint64_t{3'650});
    options.real("shares-per-minute", "N", "How many shares of a channel are aimed at", settings.shares_per_minute, 0.1,
                 600);
    options.number("server-id", "N",
                   "The number of this process among those that mine for the same pool: no two of them search the same "
                   "work. It stands in the first bytes of each extranonce",
                   said.server_id, std::uint32_t{0}, std::uint32_t{65'535});
    options.number("server-id-bytes", "N", "How many bytes: all processes of a pool need the same", said.server_id_len,
                   std::uint32_t{0}, std::uint32_t{2});
    MinerLimits& limits = settings.limits;
    constexpr std::size_t most = 1'000'000;
    options.number("max-connections", "N", "Most miners at once", limits.connections, std::size_t{1}, most);
    options.number("max-channels", "N", "Most channels of one connection; 0 is as the library has it", limits.channels,
                   std::uint32_t{0}, std::uint32_t{most});
    options.number("max-messages-per-second", "N",
                   "How many messages a connection may send in a second, in the long run; 0 is as the library has it",
                   limits.messages_per_second, std::uint32_t{0}, std::uint32_t{most});
    options.number("max-handshakes", "N", "Most connections at once that are not set up; 0 is as the library has it",
                   limits.handshakes, std::size_t{0}, most);
    options.heading("A farm behind one address needs more than others, by these or by --exempt; 0 is as the library has it");
    options.number("max-connections-per-address", "N", "Most connections at once from one address",
                   limits.connections_per_address, std::size_t{0}, most);
    options.number("max-handshakes-per-address", "N", "... that are not set up", limits.handshakes_per_address,
                   std::size_t{0}, most);
    options.number("max-connections-per-minute", "N", "How often one address may connect in a minute",
                   limits.connections_per_minute, std::uint32_t{0}, std::uint32_t{most});
    options.values("exempt", "ADDRESS[/BITS]", "Miners from here do not count for their address",
                   [&limits](std::string_view text) -> std::string {
                       const auto subnet = host::Subnet::parse(text);
                       if (!subnet) return "this is neither an address nor ADDRESS/BITS";
                       limits.exempt.push_back(*subnet);
                       return {};
                   });
    options.flag("count-loopback", "Count connections from this machine for their address, too", limits.count_loopback);
}

void offer_files(host::Options& options, Settings& settings, Said& said) {
    options.heading("Files and figures");
    options.path("data-dir", "DIR",
                 "sv2_authority_key and sv2_static_key, the keys; sv2_solutions, each block that was found; shares.log, "
                 "each share; regtest/, the embedded chain",
                 settings.directory);
    options.flag("share-log", "Write a line for each share to shares.log", settings.share_log);
    options.value("metrics", "ADDRESS:PORT", "Where Prometheus finds figures, under /metrics",
                  [&settings](std::string_view text) { return take_address(settings.metrics.emplace())(text); });
    options.path("log-file", "FILE", "Write the log to a file as well; SIGHUP begins it anew", settings.log.file);
    options.value("log-level", "LEVEL", "error, warning, info, debug or trace (default: info)",
                  [&said](std::string_view text) -> std::string {
                      said.log_level = text;
                      return host::level_of(text) ? "" : "this is none of error, warning, info, debug and trace";
                  });
    options.flag("log-addresses", "Say the miners' addresses in the log", settings.log_addresses);
    options.heading("Other");
    options.command("test-connection", "Look whether a template provider can be reached and gives work, say so, and end",
                    settings.test_connection);
}

// ------------------------------------------------------------------------------------- what depends on more than one option

// Empty, or what is wrong.
std::string read_providers(const Said& said, TemplateSettings& to) {
    if (said.providers.empty()) {
        return "A template provider is needed: --template-provider HOST:PORT --template-provider-key KEY, or "
               "--template-provider embedded for a regtest chain without a node.";
    }
    if (std::ranges::count(said.providers, embedded) > 0) {
        return said.providers.size() == 1 ? "" : "The embedded chain cannot stand beside other template providers.";
    }
    const std::size_t keys = said.provider_keys.size();
    if (keys > 1 && keys != said.providers.size()) {
        return "There are " + std::to_string(said.providers.size()) + " template providers and " + std::to_string(keys) +
               " keys for them: give one key for all, or one for each.";
    }
    for (std::size_t i = 0; i < said.providers.size(); ++i) {
        const std::string& text = said.providers[i];
        auto provider = host::ServerAddress::parse(text);
        if (!provider || provider->at.port == 0) {
            return "'" + text + "' is not where a template provider could be: HOST:PORT, or stratum2+tcp://HOST:PORT/KEY.";
        }
        if (keys > 0) {
            const std::string& key_text = said.provider_keys[keys == 1 ? 0 : i];
            const auto key = sv2::AuthorityKey::parse(key_text);
            if (!key) return "'" + key_text + "' is not an authority key: it is mistyped, or something else.";
            if (provider->authority && *provider->authority != *key) {
                return "The key in '" + text + "' is another one than --template-provider-key.";
            }
            provider->authority = *key;
        }
        if (to.plaintext && !is_loopback(provider->at.host)) {
            return "Without encryption templates can only come from this machine, and " + provider->at.host +
                   " is not an address of it.";
        }
        if (!to.plaintext && !provider->authority) {
            return "The authority key of " + provider->at.text() +
                   " is needed: --template-provider-key KEY. The template provider prints it when it starts.";
        }
        to.providers.push_back(*std::move(provider));
    }
    return {};
}

// "ADDRESS", "ADDRESS=PARTS", "script:HEX", "script:HEX=PARTS".
std::string read_payout(const std::string& text, AddressNetwork network, std::vector<Beneficiary>& to) {
    const auto equals = text.find('=');
    const auto parts = equals == text.npos
                           ? std::optional<std::uint64_t>{1}
                           : host::whole_number(std::string_view{text}.substr(equals + 1), most_parts);
    if (!parts || *parts == 0) return "'" + text + "': behind the = stands a number of parts, from 1 to 10,000.";
    std::string error;
    auto script = script_of_payee(std::string_view{text}.substr(0, equals), network, error);
    if (!script) return "'" + text + "' cannot be paid: " + error + ".";
    to.push_back({*std::move(script), static_cast<std::uint32_t>(*parts)});
    return {};
}

std::string read_rest(const Said& said, Settings& settings) {
    if (std::string error = read_providers(said, settings.templates); !error.empty()) return error;
    const std::string network = !said.network.empty()                    ? said.network
                                : settings.templates.providers.empty() ? "regtest"
                                                                         : "main";
    settings.network = std::ranges::find(networks, network, [](const auto& of) { return of.first; })->second;
    if (settings.templates.providers.empty() && settings.network != AddressNetwork::regtest) {
        return "The embedded chain is of regtest: without a node there is no other network.";
    }
    if (said.payout.empty() && !settings.test_connection) {
        return "Who is to be paid for the blocks? --payout ADDRESS, or --payout script:HEX.";
    }
    if (said.payout.size() > most_beneficiaries) {
        return "At most " + std::to_string(most_beneficiaries) + " can be paid by --payout.";
    }
    for (const std::string& each : said.payout) {
        if (std::string error = read_payout(each, settings.network, settings.payout); !error.empty()) return error;
    }
    if (settings.plaintext && !is_loopback(settings.listen.host)) {
        return "Without encryption miners can only be on this machine: --listen 127.0.0.1:PORT, or leave --plaintext out.";
    }
    if (said.server_id_len < 2 && said.server_id >> (8 * said.server_id_len) != 0) {
        return "The server id " + std::to_string(said.server_id) + " needs more than " + std::to_string(said.server_id_len) +
               " bytes: --server-id-bytes 2.";
    }
    settings.server_id.clear();
    for (std::uint32_t i = said.server_id_len; i-- > 0;) {
        settings.server_id.push_back(static_cast<std::uint8_t>(said.server_id >> (8 * i)));
    }
    settings.certificate_validity = std::chrono::days{said.certificate_days};
    settings.log.levels.fill(*host::level_of(said.log_level));
    return {};
}

}  // namespace

std::optional<host::Bytes> script_of_payee(std::string_view text, AddressNetwork network, std::string& error) {
    constexpr std::string_view prefix = "script:";
    constexpr std::size_t most = 10'000;  // a longer one cannot be spent
    if (!text.starts_with(prefix)) return host::script_of_address(text, network, error);
    auto script = host::from_hex(text.substr(prefix.size()));
    if (!script || script->empty() || script->size() > most) {
        error = "behind script: stands a scriptPubKey in hex";
        return std::nullopt;
    }
    return script;
}

std::variant<Settings, host::Print> read_settings(const std::vector<std::string>& arguments) {
    Settings settings;
    settings.directory = usual_directory();
    Said said;
    host::Options options{"sv2-pool",
                          "A Stratum V2 mining pool: work from a template provider, to any number of miners.\n\n"
                          "  sv2-pool --template-provider HOST:PORT --template-provider-key KEY --payout ADDRESS --listen "
                          "0.0.0.0:34254\n"
                          "  sv2-pool --template-provider embedded --payout script:51      to try it, without a node"};
    offer_work(options, settings, said);
    offer_miners(options, settings, said);
    offer_files(options, settings, said);
    if (auto print = options.read(arguments)) return *std::move(print);
    if (const std::string error = read_rest(said, settings); !error.empty()) return options.failure(error);
    return settings;
}
