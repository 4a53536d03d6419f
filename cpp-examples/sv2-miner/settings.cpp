#include "sv2-miner/settings.hpp"

#include <algorithm>
#include <thread>

std::variant<Settings, host::Print> read_settings(const std::vector<std::string>& arguments) {
    Settings settings;
    settings.log.microseconds = true;  // how soon a new tip is here is of interest
    settings.threads = std::max(1U, std::thread::hardware_concurrency());
    std::string pool, log_file, level = "info";

    host::Options options{"sv2-miner", "Mines with the processor for a Stratum V2 pool or proxy: to try one out, and on regtest."};
    const auto take_pool = [&](std::string_view text) -> std::string {
        const auto read = host::ServerAddress::parse(text);
        if (!read) return "this is neither stratum2+tcp://HOST:PORT/KEY nor HOST:PORT";
        settings.pool = *read;
        pool = text;
        return {};
    };
    options.heading("The pool");
    options.argument("URL", "Where the pool is, and its authority's key: stratum2+tcp://HOST:PORT/KEY", take_pool);
    options.value("pool", "URL", "The same, for the file", take_pool);
    options.text("user", "NAME", "Who is paid, as the pool wants it, such as an address or name.worker", settings.user);
    options.flag("plaintext", "Do not encrypt: for a network in which everybody is trusted. The URL has no key then",
                 settings.plaintext);
    options.flag("allow-unauthenticated", "Encrypt, but take whoever answers. The URL has no key then",
                 settings.allow_unauthenticated);
    options.heading("Mining");
    options.flag("extended", "Open an extended channel and roll the extranonce, not a standard one", settings.extended);
    options.number("threads", "N", "How many threads hash; 0: follow the jobs only", settings.threads, 0U, 1'024U);
    options.real("nominal-hashrate", "H/S", "What the pool is told each connection has, in hashes a second (default: measured)",
                 settings.nominal_hashrate, 0, 1e30);
    options.number("connections", "N", "So many miners in one program, each with a connection of its own",
                   settings.connections, 1U, 100'000U);
    options.number("stop-after-shares", "N", "End when so many shares are accepted; 0: never", settings.stop_after_shares,
                   std::uint64_t{0}, std::uint64_t{1} << 53U);
    options.heading("The program");
    options.command("test-connection", "Connect, open a channel, wait for a job, say how that went, and end",
                    settings.test_connection);
    options.number("report-interval", "SECONDS", "How often the hashrate is on the screen", settings.report_interval_s, 1U,
                   86'400U);
    options.path("log-file", "PATH", "Write the log there as well", settings.log.file);
    options.value("log-level", "LEVEL", "error, warning, info, debug or trace (default: info)",
                  [&](std::string_view word) -> std::string {
                      const auto read = host::level_of(word);
                      if (!read) return "this is no level of the log";
                      settings.log.levels.fill(*read);
                      return {};
                  });

    if (auto print = options.read(arguments)) return *std::move(print);
    if (pool.empty()) return options.failure("Whose miner is it? A URL is needed: stratum2+tcp://HOST:PORT/KEY");
    const bool has_key = settings.pool.authority.has_value();
    if (settings.plaintext && settings.allow_unauthenticated) {
        return options.failure("--plaintext and --allow-unauthenticated contradict each other");
    }
    if (has_key && (settings.plaintext || settings.allow_unauthenticated)) {
        return options.failure("The URL has the pool's key, but the key would not be looked at: leave one of them out");
    }
    if (!has_key && !settings.plaintext && !settings.allow_unauthenticated) {
        return options.failure("The URL has no key, so anybody could answer as the pool: stratum2+tcp://HOST:PORT/KEY");
    }
    return settings;
}
