#include "test_connection.hpp"

#include <chrono>
#include <cstdio>
#include <string>

#include <asio.hpp>

#include "host/log.hpp"
#include "payees.hpp"
#include "work_source.hpp"

int test_connection(const Settings& settings) {
    constexpr std::chrono::seconds patience{15};
    if (settings.templates.providers.empty()) {
        std::puts("The embedded chain needs no connection.");
        return 0;
    }
    host::LogOptions quiet;
    quiet.levels.fill(host::Level::error);
    (void)host::open_log(quiet);

    asio::io_context context{1};
    std::string error;
    std::string found;
    const auto source = WorkSource::create(
        context, settings.templates.providers, settings.templates.plaintext, Payees{settings}.reserved(),
        {
            .new_template =
                [&](const sv2_new_template& of) {
                    char coins[32];
                    std::snprintf(coins, sizeof coins, "%.8f", static_cast<double>(of.coinbase_tx_value_remaining) / 1e8);
                    found = std::string{"pays "} + coins + " bitcoin";
                },
            .new_tip =
                [&](const sv2_set_new_prev_hash_template& tip) {
                    found += ", on the block " + sv2::to_string(tip.prev_hash);
                    context.stop();
                },
            .failed = [&](const std::string& why) { error = why, context.stop(); },
        },
        error);
    if (source) {
        source->start();
        asio::steady_timer end{context, patience};
        end.async_wait([&](asio::error_code) { context.stop(); });
        context.run();
        if (const auto followed = source->followed(); followed && !found.empty()) {
            std::printf("The template provider at %s gives work: its template %s.\n", followed->c_str(), found.c_str());
            return 0;
        }
        if (error.empty()) error = source->last_failure();
        if (error.empty()) error = "No template came within " + std::to_string(patience.count()) + " seconds.";
    }
    std::fprintf(stderr, "sv2-pool: %s\n", error.c_str());
    return 1;
}
