// Many miners on one sv2-pool while the tip changes: are all of them served, how soon, and what do they cost?
//
// The pool is a process of its own; its template provider and the miners are in this one. tools/load runs it with 10,000.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "fleet.hpp"
#include "host/files.hpp"
#include "host/log.hpp"
#include "host/options.hpp"
#include "pool_process.hpp"
#include "tips.hpp"

namespace {

using std::chrono::milliseconds;

struct Settings {
    std::string pool;
    std::vector<std::string> pool_options;
    std::size_t connections = 200;
    double per_second = 500;
    std::uint64_t tip_ms = 2000;
    std::uint64_t tips = 10;
    std::size_t transactions = 200;
    std::size_t slow_readers = 0;
    std::uint64_t most_bytes = 0;
};

std::optional<host::Print> read_settings(const std::vector<std::string>& arguments, Settings& settings) {
    host::Options options{"load_test",
                          "Many miners on one pool, each with a connection over Noise and an extended channel, while the tip "
                          "changes.\nSucceeds if none was lost and all got every job and every prev-hash, once."};
    options.argument("<sv2-pool>", "The pool's program", [&](std::string_view text) {
        settings.pool = text;
        return std::string{};
    });
    options.values("pool-option", "OPTION", "One more option for the pool, such as --max-channels=2", [&](std::string_view text) {
        settings.pool_options.emplace_back(text);
        return std::string{};
    });
    options.number("connections", "N", "How many miners", settings.connections, std::size_t{1}, std::size_t{25'000});
    options.real("per-second", "N", "How many of them connect in a second", settings.per_second, 1, 100'000);
    options.number("tip-interval", "MS", "Time between tips", settings.tip_ms, std::uint64_t{50}, std::uint64_t{600'000});
    options.number("tips", "N", "How many tips are watched when all are connected", settings.tips, std::uint64_t{1},
                   std::uint64_t{10'000});
    options.number("transactions", "N", "Transactions in each template: the merkle path is as long as their logarithm",
                   settings.transactions, std::size_t{0}, std::size_t{2'000});
    options.number("slow-readers", "N", "Before that, so many miners stop reading: the pool must close them",
                   settings.slow_readers, std::size_t{0}, std::size_t{1'000});
    options.number("most-bytes", "N", "Fail if a connection costs the pool more memory than this; 0 is not to look",
                   settings.most_bytes, std::uint64_t{0}, std::uint64_t{1} << 30);
    if (auto print = options.read(arguments)) return print;
    if (settings.pool.empty()) return options.failure("Which pool?");
    return std::nullopt;
}

// A directory that goes when the test ends.
struct Directory {
    std::filesystem::path path;
    Directory() {
        std::string pattern = (std::filesystem::temp_directory_path() / "sv2-load-XXXXXX").string();
        if (!::mkdtemp(pattern.data())) throw std::runtime_error("cannot make a directory");
        path = pattern;
    }
    ~Directory() {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    }
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;
};

double ms_between(Clock::time_point from, Clock::time_point to) {
    return std::chrono::duration<double, std::milli>(to - from).count();
}

// "median 3.1 ms, worst 5.2 ms" of some numbers of milliseconds.
std::string spread(std::vector<double> of) {
    if (of.empty()) return "none";
    std::ranges::sort(of);
    char text[80];
    std::snprintf(text, sizeof text, "median %.1f ms, worst %.1f ms", of[of.size() / 2], of.back());
    return text;
}

class Test {
public:
    explicit Test(const Settings& settings)
        : settings_(settings), tips_(context_, (directory_.path / "chain").string(), settings.transactions),
          pool_(settings.pool, directory_.path, pool_options()), address_(pool_.address()) {}

    // Miners that do not read any more must cost no more than their bound, and go.
    void stop_reading() {
        Fleet fleet{context_, address_};
        fleet.open(settings_.slow_readers, settings_.per_second, 4096);
        run_until([&] { return fleet.ready() == settings_.slow_readers; }, milliseconds{60'000}, "connecting the slow readers");
        const auto before = pool_.private_memory();
        const auto begin = Clock::now();
        fleet.stop_reading();
        change_tips(milliseconds{50});
        std::uint64_t most = before;
        run_until(
            [&] {
                most = std::max(most, pool_.private_memory());
                return fleet.lost() == settings_.slow_readers;
            },
            milliseconds{300'000}, "closing the slow readers");
        tip_timer_.cancel();
        say("slow readers", std::to_string(settings_.slow_readers) + ", of which all were closed after " +
                                std::to_string(static_cast<int>(ms_between(begin, Clock::now()) / 1000)) + " s");
        say("the pool's memory for each of them, at most",
            std::to_string((most - before) / settings_.slow_readers / 1024) + " KiB");
    }

    // Many miners, and tips: whether all of them got everything.
    bool serve() {
        const auto memory_before = pool_.private_memory();
        const double processor_before = pool_.processor_seconds();
        Fleet fleet{context_, address_};
        change_tips(milliseconds{settings_.tip_ms});
        const auto begin = Clock::now();
        fleet.open(settings_.connections, settings_.per_second);
        const auto patience = milliseconds{30'000 + static_cast<int>(3000 * static_cast<double>(settings_.connections) / settings_.per_second)};
        run_until([&] { return fleet.ready() + fleet.lost() == settings_.connections; }, patience, "connecting");
        const double ramp_s = ms_between(begin, Clock::now()) / 1000;
        const double ramp_processor = pool_.processor_seconds() - processor_before;
        const auto memory_open = pool_.private_memory();
        made_.clear();
        fleet.watch();
        const auto bytes_before = fleet.bytes_received();
        run_until([&] { return made_.size() >= settings_.tips; },
                  milliseconds{2 * settings_.tip_ms * settings_.tips + 10'000}, "changing the tip");
        tip_timer_.cancel();
        const auto is_complete = [&] {
            return std::ranges::all_of(fleet.broadcasts(), [&](const auto& of) { return !is_watched(of.second) || of.second.received >= settings_.connections; });
        };
        const auto end = Clock::now() + milliseconds{20'000};
        // What is on its way arrives, and what comes once too often as well.
        run_until([&] { return is_complete() || Clock::now() > end; }, milliseconds{30'000}, "the last tip");
        const auto later = Clock::now() + milliseconds{500};
        run_until([&] { return Clock::now() > later; }, milliseconds{10'000}, "");
        report(fleet, ramp_s, ramp_processor, memory_before, memory_open, fleet.bytes_received() - bytes_before);
        return fleet.lost() == 0 && fleet.miners_with_gaps() == 0 && !failed_;
    }

private:
    std::vector<std::string> pool_options() const {
        const std::string room = std::to_string(settings_.connections + settings_.slow_readers + 100);
        std::vector<std::string> options{
            "--listen=127.0.0.1:0", "--network=regtest", "--payout=script:51",
            "--template-provider=" + tips_.address().at.text(),
            "--template-provider-key=" + *tips_.address().authority->to_text(),
            "--data-dir=" + (directory_.path / "pool").string(), "--max-connections=" + room, "--max-handshakes=" + room,
            "--no-share-log"};
        options.insert(options.end(), settings_.pool_options.begin(), settings_.pool_options.end());
        return options;
    }

    void run_until(const std::function<bool()>& is_so, milliseconds limit, const char* what) {
        const auto end = Clock::now() + limit;
        while (!is_so()) {
            if (!pool_.is_running()) throw std::runtime_error("the pool has ended:\n" + pool_.last_words());
            if (Clock::now() > end) throw std::runtime_error(std::string{what} + " takes too long:\n" + pool_.last_words());
            context_.run_one_for(milliseconds{20});
            context_.restart();
        }
    }

    // A tip now, and then one each `interval`.
    void change_tips(milliseconds interval) {
        made_.push_back(tips_.next_tip());
        tip_timer_.expires_after(interval);
        tip_timer_.async_wait([this, interval](asio::error_code error) {
            if (!error) change_tips(interval);
        });
    }

    void say(const char* what, const std::string& figure) { std::printf("%-44s %s\n", what, figure.c_str()); }

    bool is_watched(const Broadcast& of) const { return !made_.empty() && of.first >= made_.front().announced; }

    void report(const Fleet& fleet, double ramp_s, double ramp_processor, std::uint64_t before, std::uint64_t open, std::uint64_t bytes) {
        char text[120];
        std::snprintf(text, sizeof text, "%zu, opened in %.1f s, of which the pool's processor %.1f s", settings_.connections, ramp_s,
                      ramp_processor);
        say("connections with a channel each", text);
        say("lost", std::to_string(fleet.lost()) + (fleet.lost() ? ": " + fleet.why_lost() : ""));
        say("that missed something, or got it twice", std::to_string(fleet.miners_with_gaps()));
        std::vector<double> to_first, prev_hash, jobs, to_last;
        std::size_t prev_hashes = 0, others = 0;
        for (const auto& [contents, of] : fleet.broadcasts()) {
            if (!is_watched(of)) continue;
            (of.is_prev_hash ? prev_hashes : others) += 1;
            (of.is_prev_hash ? prev_hash : jobs).push_back(ms_between(of.first, of.last));
            if (!of.is_prev_hash) continue;
            for (const auto& [hash, announced] : made_) {
                if (!std::ranges::equal(hash.bytes, of.prev_hash.bytes)) continue;
                to_first.push_back(ms_between(announced, of.first));
                to_last.push_back(ms_between(announced, of.last));
            }
        }
        if (prev_hashes != made_.size()) {
            failed_ = true;
            say("tips that nobody was told of", std::to_string(made_.size() - prev_hashes));
        }
        say("tips watched, and jobs", std::to_string(made_.size()) + " every " + std::to_string(settings_.tip_ms) + " ms, " +
                                          std::to_string(others) + " jobs");
        say("new tip to the first miner", spread(to_first));
        say("new tip to the last miner", spread(to_last));
        say("prev-hash, first miner to last", spread(prev_hash));
        say("job, first miner to last", spread(jobs));
        std::snprintf(text, sizeof text, "%.0f", static_cast<double>(bytes) / static_cast<double>(settings_.connections * made_.size()));
        say("bytes for each miner and tip", text);
        const auto each = (open > before ? open - before : 0) / settings_.connections;
        const auto later = pool_.private_memory();
        say("the pool's memory for each connection", std::to_string(each) + " bytes; " + std::to_string((later > before ? later - before : 0) / settings_.connections) +
                                                         " bytes after these tips");
        if (settings_.most_bytes > 0 && each > settings_.most_bytes) {
            failed_ = true;
            say("which is more than", std::to_string(settings_.most_bytes) + " bytes");
        }
    }

    const Settings& settings_;
    asio::io_context context_{1};
    Directory directory_;
    TipMaker tips_;
    PoolProcess pool_;
    const host::ServerAddress address_;
    asio::steady_timer tip_timer_{context_};
    std::vector<TipMaker::Tip> made_;
    bool failed_ = false;
};

}  // namespace

int main(int argc, char** argv) {
    Settings settings;
    if (const auto print = read_settings({argv + 1, argv + argc}, settings)) return print->out();
    host::LogOptions log;
    log.levels.fill(host::Level::warning);
    try {
        if (const std::string error = host::open_log(log); !error.empty()) throw std::runtime_error(error);
        const auto files = host::raise_open_files();
        if (files < settings.connections + settings.slow_readers + 100) {
            throw std::runtime_error("only " + std::to_string(files) + " files can be open: ulimit -n");
        }
        // Each with a pool of its own, so that neither reckons with the other's memory.
        if (settings.slow_readers > 0) Test{settings}.stop_reading();
        const bool is_served = Test{settings}.serve();
        host::close_log();
        std::puts(is_served ? "passed" : "FAILED");
        return is_served ? 0 : 1;
    } catch (const std::exception& error) {
        host::close_log();
        std::fprintf(stderr, "load_test: %s\n", error.what());
        return 1;
    }
}
