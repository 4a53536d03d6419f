// sv2-miner: mines with the processor for a Stratum V2 pool or proxy.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "host/files.hpp"
#include "host/log.hpp"
#include "sv2-miner/hasher.hpp"
#include "sv2-miner/miner.hpp"
#include "sv2-miner/settings.hpp"

namespace {

int complain(const std::string& sentence) {
    std::fprintf(stderr, "sv2-miner: %s\n", sentence.c_str());
    return 1;
}

// "12.3 MH/s"
std::string readable(double hashrate) {
    constexpr const char* units[] = {"H/s", "kH/s", "MH/s", "GH/s", "TH/s"};
    std::size_t unit = 0;
    for (; hashrate >= 1000 && unit < std::size(units) - 1; ++unit) hashrate /= 1000;
    char text[32];
    std::snprintf(text, sizeof text, "%.2f %s", hashrate, units[unit]);
    return text;
}

class Program {
public:
    explicit Program(const Settings& settings)
        : settings_(settings),
          hasher_(settings.connections, settings.test_connection ? 0 : settings.threads, [this](FoundShare found) {
              asio::post(context_, [this, found = std::move(found)] {
                  hasher_.dealt_with();
                  miners_[found.miner]->submit(found);
              });
          }) {}

    int run() {
        const double measured = settings_.nominal_hashrate > 0 ? settings_.nominal_hashrate
                                                               : Hasher::measure() * settings_.threads / settings_.connections;
        for (std::size_t number = 0; number < settings_.connections; ++number) {
            auto engine = make_engine(settings_);
            if (!engine) return complain(engine.status().message());
            miners_.push_back(std::make_unique<Miner>(context_, settings_, static_cast<float>(measured), number, hasher_, tally_,
                                                      hooks(), *std::move(engine)));
        }
        host::log_info("sv2-miner " SV2_VERSION ": " + settings_.pool.at.text() + ", user " + settings_.user + ", " +
                       std::to_string(settings_.threads) + " threads, " + readable(measured) + " nominal");
        signals_.async_wait([this](asio::error_code error, int) {
            if (!error) end(0);
        });
        for (const auto& miner : miners_) miner->start();
        report_later();
        context_.run();
        return status_;
    }

private:
    Miner::Hooks hooks() {
        return {.works = [this](const std::string& how) { works(how); },
                .failed = [this](const std::string& why) { failed(why); },
                .counted = [this] { counted(); }};
    }

    void works(const std::string& how) {
        if (settings_.connections == 1) host::log_info("connected: " + how);
        if (settings_.test_connection && tally_.mining == settings_.connections) {
            std::printf("The connection works: %s.\n", how.c_str());
            end(0);
        }
    }

    void failed(const std::string& why) {
        if (!settings_.test_connection || ended_) return;
        (void)complain(why);
        end(1);
    }

    void counted() {
        if (settings_.stop_after_shares > 0 && tally_.accepted >= settings_.stop_after_shares) end(0);
    }

    void report_later() {
        timer_.expires_after(std::chrono::seconds{settings_.report_interval_s});
        timer_.async_wait([this](asio::error_code error) {
            if (error) return;
            report();
            report_later();
        });
    }

    void report() {
        const auto now = std::chrono::steady_clock::now();
        const std::uint64_t hashes = hasher_.hashes();
        const double seconds = std::chrono::duration<double>(now - reported_at_).count();
        const double rate = static_cast<double>(hashes - reported_hashes_) / std::max(seconds, 1e-3);
        std::string line = readable(rate) + ", " + std::to_string(tally_.accepted) + " shares accepted, " +
                           std::to_string(tally_.rejected) + " rejected, difficulty " + std::to_string(tally_.difficulty) +
                           " in all, " + std::to_string(tally_.jobs) + " jobs";
        if (settings_.connections > 1) {
            line += ", " + std::to_string(tally_.mining) + " of " + std::to_string(settings_.connections) + " miners at work";
        }
        host::log_info(line);
        reported_at_ = now;
        reported_hashes_ = hashes;
    }

    // Once the present event is dealt with: what the miners still have to say goes out before they close.
    void end(int status) {
        if (std::exchange(ended_, true)) return;
        status_ = status;
        asio::post(context_, [this] {
            if (!settings_.test_connection) report();
            for (const auto& miner : miners_) miner->stop();
            context_.stop();
        });
    }

    const Settings& settings_;
    asio::io_context context_{1};
    asio::signal_set signals_{context_, SIGINT, SIGTERM};
    asio::steady_timer timer_{context_};
    Tally tally_;
    std::vector<std::unique_ptr<Miner>> miners_;
    Hasher hasher_;  // its threads end before what they post to
    std::chrono::steady_clock::time_point reported_at_ = std::chrono::steady_clock::now();
    std::uint64_t reported_hashes_ = 0;
    int status_ = 0;
    bool ended_ = false;
};

int run(const Settings& settings) {
    if (const std::string error = host::open_log(settings.log); !error.empty()) return complain(error);
    host::raise_open_files_for(settings.connections);
    return Program{settings}.run();
}

}  // namespace

int main(int argc, char** argv) {
    if (!sv2::is_compatible()) return complain("The library does not fit the headers this program was built with.");
    const auto read = read_settings({argv + 1, argv + argc});
    if (const auto* print = std::get_if<host::Print>(&read)) return print->out();
    // The terminal may go while the program runs on.
    std::signal(SIGPIPE, SIG_IGN);
    int status;
    try {
        status = run(std::get<Settings>(read));
    } catch (const std::exception& error) {
        status = complain(error.what());
    }
    host::close_log();
    return status;
}
