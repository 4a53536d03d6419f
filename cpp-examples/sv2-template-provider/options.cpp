#include "options.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <limits>
#include <system_error>
#include <utility>

#include <sv2.h>

#include "reader.hpp"
#include "settings.hpp"

namespace fs = std::filesystem;

namespace {

constexpr std::array<Network, 5> all_networks{{
    {"main", "", "", 8442, 0x1d00ffff},
    {"test", "testnet", "testnet3", 18442, 0x1d00ffff},
    {"testnet4", "testnet4", "testnet4", 48442, 0x1d00ffff},
    {"signet", "signet", "signet", 38442, 0x1e0377ae},
    {"regtest", "regtest", "regtest", 18447, 0x207fffff},
}};

constexpr KnownOption text(std::string_view name) { return {.name = name, .needs_value = true}; }
constexpr KnownOption toggle(std::string_view name) { return {.name = name, .can_be_negated = true}; }
constexpr KnownOption only_command_line(std::string_view name) { return {.name = name, .in_file = false}; }

constexpr auto known_options = std::to_array<KnownOption>({
    only_command_line("help"),
    only_command_line("h"),
    only_command_line("?"),
    only_command_line("version"),
    {.name = "conf", .can_be_negated = true, .needs_value = true, .in_file = false},
    text("chain"),
    toggle("regtest"),
    toggle("testnet"),
    toggle("testnet4"),
    toggle("signet"),
    text("datadir"),
    {.name = "sv2bind", .of_a_network = true, .needs_value = true},
    {.name = "sv2port", .of_a_network = true, .needs_value = true},
    {.name = "ipcconnect", .can_be_negated = true},
    text("templateinterval"),
    text("sv2feedelta"),
    {.name = "pid", .can_be_negated = true, .needs_value = true},
    // The log.
    toggle("debug"),
    text("debugexclude"),
    text("loglevel"),
    {.name = "debuglogfile", .can_be_negated = true, .needs_value = true},
    toggle("printtoconsole"),
    toggle("shrinkdebugfile"),
    toggle("logips"),
    toggle("loglevelalways"),
    toggle("logtimestamps"),
    toggle("logtimemicros"),
    toggle("logthreadnames"),
    toggle("logsourcelocations"),
    // Ours.
    toggle("plaintext"),
    text("mempool"),
    text("txinterval"),
    text("blockwork"),
    text("sv2certvalidity"),
    text("sv2maxclients"),
    text("sv2maxclientsperaddress"),
    text("sv2maxhandshakes"),
    text("sv2maxhandshakesperaddress"),
    text("sv2maxconnectionsperminute"),
    text("sv2maxrequestspersecond"),
    toggle("sv2countloopback"),
    text("sv2exempt"),
});

constexpr std::uint64_t max_interval_s = 24 * 60 * 60;
constexpr std::uint64_t all_bitcoin = std::uint64_t{21'000'000} * 100'000'000;

fs::path home() {
    const char* directory = std::getenv("HOME");
    return directory && *directory ? directory : "/";
}

const Network* find_network(const Settings& settings, std::string& error) {
    const Network* found = nullptr;
    int said = 0;
    Reader reader{settings, error};
    if (const auto chain = settings.get_network("chain")) {
        ++said;
        const auto network = std::ranges::find(all_networks, chain->text, &Network::name);
        if (network == all_networks.end()) {
            reader.wrong(*chain, "there is no such chain: main, test, testnet4, signet, regtest");
        } else {
            found = &*network;
        }
    }
    for (const Network& network : all_networks) {
        const auto value = network.option.empty() ? std::nullopt : settings.get_network(network.option);
        if (!value) continue;
        const auto on = is_on(value->text);
        if (!on) reader.wrong(*value, "this is either 1 or 0");
        if (!on.value_or(false)) continue;
        ++said;
        found = &network;
    }
    if (said > 1) error = "At most one of -chain, -regtest, -testnet, -testnet4 and -signet can be said.";
    return found ? found : &all_networks.front();
}

// <address>, <IPv4>:<port> or [<IPv6>]:<port>, as sv2-tp takes it. False if it is none.
bool split_host_port(std::string_view text, Options& options) {
    const auto colon = text.rfind(':');
    const bool bracketed = text.starts_with('[');
    const bool has_port = colon != text.npos && (bracketed ? text[colon - 1] == ']' : text.find(':') == colon);
    if (has_port) {
        const auto port = number<std::uint16_t>(text.substr(colon + 1), std::numeric_limits<std::uint16_t>::max());
        if (!port || *port == 0) return false;
        options.port = *port;
        text = text.substr(0, colon);
    }
    if (bracketed && text.ends_with(']')) text = text.substr(1, text.size() - 2);
    std::error_code error;
    asio::ip::make_address(std::string{text}, error);
    options.bind = text;
    return !error;
}

void read_limits(const Settings& settings, Reader& reader, Limits& limits) {
    constexpr std::size_t most = 1'000'000;
    reader.take("sv2maxclients", limits.clients, most);
    reader.take("sv2maxclientsperaddress", limits.clients_per_address, most);
    reader.take("sv2maxhandshakes", limits.handshakes, most);
    reader.take("sv2maxhandshakesperaddress", limits.handshakes_per_address, most);
    reader.take("sv2maxconnectionsperminute", limits.connections_per_minute, std::uint32_t{most});
    reader.take("sv2maxrequestspersecond", limits.requests_per_second, std::uint32_t{most});
    limits.count_loopback = reader.on("sv2countloopback", false);
    for (const Settings::Value& value : settings.all("sv2exempt")) {
        if (const auto subnet = host::Subnet::parse(value.text)) {
            limits.exempt.push_back(*subnet);
        } else {
            reader.wrong(value, "this is neither an address nor <address>/<bits>");
        }
    }
}

void read_options(const Settings& settings, Reader& reader, const fs::path& datadir, bool datadir_said,
                  Options& options) {
    const bool is_regtest = options.network->name == "regtest";
    const auto node = settings.get("ipcconnect");
    const bool embedded = node ? node->text == "0" : is_regtest;
    if (embedded && !is_regtest) reader.wrong(*node, "only regtest can be served without a node");

    // The embedded chain keeps away from Bitcoin Core's directory unless it is told to go there.
    const fs::path base = embedded && !datadir_said ? home() / ".sv2-template-provider" : datadir;
    options.directory = base / options.network->directory;
    if (!embedded) {
        const std::string address = node && !node->text.empty() ? node->text : "unix";
        if (address == "unix" || address == "unix:") {
            options.node_socket = options.directory / "node.sock";
        } else if (address.starts_with("unix:")) {
            options.node_socket = options.directory / address.substr(5);
        } else {
            reader.wrong(*node, "this is neither unix nor unix:<path>");
        }
    }

    constexpr auto max_port = std::numeric_limits<std::uint16_t>::max();
    options.port = options.network->port;
    reader.take("sv2port", options.port, max_port);
    if (const auto bind = settings.get("sv2bind"); bind && !split_host_port(bind->text, options)) {
        reader.wrong(*bind, "this is not an address to listen on");
    }
    reader.take("sv2feedelta", options.fee_delta, all_bitcoin);
    std::uint64_t seconds = static_cast<std::uint64_t>(options.template_interval.count());
    reader.take("templateinterval", seconds, max_interval_s);
    options.template_interval = std::chrono::seconds{seconds};
    reader.take("mempool", options.mempool, std::size_t{10'000});
    std::uint64_t milliseconds = static_cast<std::uint64_t>(options.transaction_interval.count());
    reader.take("txinterval", milliseconds, max_interval_s * 1000);
    options.transaction_interval = std::chrono::milliseconds{milliseconds};
    reader.take("blockwork", options.block_work, 64U);
    options.plaintext = reader.on("plaintext", false);
    std::uint64_t validity = static_cast<std::uint64_t>(options.certificate_validity.count());
    const auto certificate = settings.get("sv2certvalidity");
    reader.take("sv2certvalidity", validity, std::uint64_t{10 * 365} * 24 * 60 * 60);
    if (certificate && validity == 0) reader.wrong(*certificate, "at least a second");
    options.certificate_validity = std::chrono::seconds{validity};
    read_limits(settings, reader, options.limits);
    options.pid_file = reader.path("pid", options.directory, "sv2-tp.pid");
    read_log_options(settings, reader, options);
}

}  // namespace

std::span<const Network> networks() { return all_networks; }

std::variant<Options, Print> parse_options(const std::vector<std::string>& arguments) {
    const auto failure = [](const std::string& text) { return Print{text + "\nTry -help.\n", true}; };
    Settings settings{known_options};
    std::string error = settings.read_command_line(arguments);
    if (!error.empty()) return failure(error);
    for (const char* name : {"help", "h", "?"}) {
        if (settings.get(name)) return Print{help_text(), false};
    }
    if (settings.get("version")) return Print{"sv2-template-provider " SV2_VERSION "\n", false};

    const auto datadir = [&] {
        const auto value = settings.get("datadir");
        return value && !value->text.empty() ? fs::absolute(value->text) : home() / ".bitcoin";
    };
    Reader reader{settings, error};
    const fs::path file = reader.path("conf", datadir(), "sv2-tp.conf");
    std::error_code ignored;
    if (!file.empty() && (settings.get("conf") || fs::exists(file, ignored))) {
        std::array<std::string_view, all_networks.size()> sections;
        std::ranges::transform(all_networks, sections.begin(), &Network::name);
        error = settings.read_file(file, sections);
        if (!error.empty()) return failure(error);
    }

    Options options;
    options.network = find_network(settings, error);
    settings.select(options.network->name, options.network == &all_networks.front());
    const auto said = settings.get("datadir");
    if (said && !fs::is_directory(datadir(), ignored)) {
        error = "The data directory " + datadir().string() + " does not exist.";
    }
    read_options(settings, reader, datadir(), said.has_value(), options);
    if (!error.empty()) return failure(error);
    if (!file.empty() && fs::exists(file, ignored)) options.notices.push_back("configuration file: " + file.string());
    for (const std::string& line : settings.unused()) {
        options.notices.push_back(line + " is not used: put it under [" + std::string{options.network->name} + "]");
    }
    return options;
}
