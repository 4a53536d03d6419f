#include "settings.hpp"

#include <cstdlib>
#include <utility>

#include <asio/ip/address.hpp>

namespace {

// What is read as text first, because it depends on something else that is said.
struct Said {
    std::vector<std::string> upstreams;
    std::uint64_t certificate_days = 30;
    std::string log_level = "info";
};

bool is_loopback(const std::string& name) {
    asio::error_code error;
    const auto address = asio::ip::make_address(name, error);
    return name == "localhost" || (!error && address.is_loopback());
}

std::filesystem::path usual_directory() {
    const char* home = std::getenv("HOME");
    return std::filesystem::path{home && *home ? home : "/"} / ".sv2-proxy";
}

host::Options::Take take_address(host::HostPort& to) {
    return [&to](std::string_view text) -> std::string {
        const auto read = host::HostPort::parse(text);
        if (!read) return "this is not ADDRESS:PORT";
        to = *read;
        return {};
    };
}

void offer_upstream(host::Options& options, Settings& settings, Said& said) {
    options.heading("Upstream:");
    options.values("upstream", "URL",
                   "Where work comes from, a pool or another proxy: stratum2+tcp://HOST:PORT/KEY. Given several times, the "
                   "next one is used when one is lost; miners stay connected",
                   [&said](std::string_view text) {
                       said.upstreams.emplace_back(text);
                       return std::string{};
                   });
    options.flag("upstream-plaintext", "Upstreams do not encrypt: HOST:PORT. Only for those on this machine",
                 settings.upstream_plaintext);
    options.value("mode", "MODE",
                  "aggregate: all miners share one channel of the upstream, and only shares that it wants go up; "
                  "pass-through: each channel of a miner is one of the upstream (default: aggregate)",
                  [&settings](std::string_view text) -> std::string {
                      settings.pass_through = text == "pass-through";
                      return settings.pass_through || text == "aggregate" ? "" : "this is neither aggregate nor pass-through";
                  });
    options.text("user", "NAME",
                 "Whom upstreams pay. Without it: in pass-through each miner's own identity, in aggregation that of the "
                 "first miner",
                 settings.user);
    options.number("failback-minutes", "N",
                   "How long an upstream that is not the first is used before those before it are tried again; longer each time "
                   "that the first one gives no work. 0: it is kept as long as it can be used",
                   settings.failback_minutes, std::uint64_t{0}, std::uint64_t{1'000'000});
}

void offer_miners(host::Options& options, Settings& settings, Said& said) {
    options.heading("Miners:");
    options.value("listen", "ADDRESS:PORT",
                  "Where miners connect; port 0 is any free one (default: " + settings.listen.text() + ")",
                  take_address(settings.listen));
    options.flag("plaintext", "No encryption. Only with a --listen address of this machine", settings.plaintext);
    options.number("certificate-days", "DAYS",
                   "How long a certificate is good; it is renewed when half of that is over, and at SIGHUP",
                   said.certificate_days, std::uint64_t{1}, std::uint64_t{3'650});
    options.real("shares-per-minute", "N", "Aggregation: how many shares of a miner are aimed at", settings.shares_per_minute,
                 0.1, 600);
    options.real("min-hash-rate", "H/S", "Aggregation: the slowest miner's hashes per second, for the easiest target",
                 settings.min_hash_rate, 1, 1e18);
    options.number("rollable-bytes", "N",
                   "Aggregation: most bytes of extranonce that a miner may roll; it gets what the first upstream leaves",
                   settings.rollable_bytes, std::uint32_t{2}, std::uint32_t{28});
    options.number("max-connections", "N", "Most miners at once", settings.max_connections, std::size_t{1},
                   std::size_t{1'000'000});
    options.number("max-connections-per-minute", "N", "How often one address may connect in a minute",
                   settings.connections_per_minute, std::uint32_t{1}, std::uint32_t{1'000'000});
    options.values("exempt", "ADDRESS[/BITS]", "Miners from here do not count for their address",
                   [&settings](std::string_view text) -> std::string {
                       const auto subnet = host::Subnet::parse(text);
                       if (!subnet) return "this is neither an address nor ADDRESS/BITS";
                       settings.exempt.push_back(*subnet);
                       return {};
                   });
}

void offer_files(host::Options& options, Settings& settings, Said& said) {
    options.heading("Files and figures:");
    options.path("data-dir", "DIR", "sv2_authority_key and sv2_static_key, the keys", settings.directory);
    options.value("metrics", "ADDRESS:PORT", "Where Prometheus finds figures, under /metrics",
                  [&settings](std::string_view text) { return take_address(settings.metrics.emplace())(text); });
    options.path("log-file", "FILE", "Write the log to a file as well; SIGHUP begins it anew", settings.log.file);
    options.value("log-level", "LEVEL", "error, warning, info, debug or trace (default: info)",
                  [&said](std::string_view text) -> std::string {
                      said.log_level = text;
                      return host::level_of(text) ? "" : "this is none of error, warning, info, debug and trace";
                  });
    options.flag("log-addresses", "Say the miners' addresses in the log", settings.log_addresses);
    options.heading("Other:");
    options.command("test-connection", "Look whether each upstream can be reached and is who it should be, say so, and end",
                    settings.test_connection);
}

// Empty, or what is wrong.
std::string read_upstreams(const Said& said, Settings& to) {
    if (said.upstreams.empty()) return "An upstream is needed: --upstream stratum2+tcp://HOST:PORT/KEY.";
    for (const std::string& text : said.upstreams) {
        auto upstream = host::ServerAddress::parse(text);
        if (!upstream || upstream->at.port == 0) {
            return "'" + text + "' is not where a pool could be: stratum2+tcp://HOST:PORT/KEY.";
        }
        if (to.upstream_plaintext && !is_loopback(upstream->at.host)) {
            return "Without encryption work can only come from this machine, and " + upstream->at.host +
                   " is not an address of it.";
        }
        if (!to.upstream_plaintext && !upstream->authority) {
            return "The authority key of " + upstream->at.text() + " is needed: stratum2+tcp://" + upstream->at.text() +
                   "/KEY. The pool prints it when it starts.";
        }
        to.upstreams.push_back(*std::move(upstream));
    }
    return {};
}

}  // namespace

std::variant<Settings, host::Print> read_settings(const std::vector<std::string>& arguments) {
    Settings settings;
    Said said;
    settings.directory = usual_directory();
    host::Options options{"sv2-proxy",
                          "A mining proxy: many miners, few connections to the pool, and another pool when one is lost."};
    offer_upstream(options, settings, said);
    offer_miners(options, settings, said);
    offer_files(options, settings, said);
    if (auto print = options.read(arguments)) return *std::move(print);
    if (const std::string error = read_upstreams(said, settings); !error.empty()) return options.failure(error);
    if (settings.plaintext && !is_loopback(settings.listen.host)) {
        return options.wrong("plaintext", "without encryption only miners on this machine can be served, and " +
                                              settings.listen.host + " is not an address of it");
    }
    settings.certificate_validity = std::chrono::days{said.certificate_days};
    settings.log.levels.fill(*host::level_of(said.log_level));
    return settings;
}
