// What sv2-miner can be told, and what it says to what it cannot.

#include <string>
#include <variant>
#include <vector>

#include "check.hpp"
#include "sv2-miner/settings.hpp"

namespace {

const std::string url = "stratum2+tcp://pool.example:3333/9bXiEd8boQVhq7WddEcERUL5tyyJVFYdU8th3HfbNXK3Yw6GRXh";

Settings settings(std::vector<std::string> arguments) {
    auto read = read_settings(arguments);
    CHECK(std::holds_alternative<Settings>(read));
    return std::get<Settings>(std::move(read));
}

std::string complaint(std::vector<std::string> arguments) {
    const auto read = read_settings(arguments);
    CHECK(std::holds_alternative<host::Print>(read));
    CHECK(std::get<host::Print>(read).status != 0);
    return std::get<host::Print>(read).text;
}

bool says(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

void everything_has_an_option() {
    const Settings read = settings({url, "--user", "bc1q.rig", "--extended", "--threads=3", "--nominal-hashrate", "1.5e6",
                                    "--connections", "7", "--stop-after-shares", "9", "--report-interval", "2"});
    CHECK_EQUAL(read.pool.at.host, std::string{"pool.example"});
    CHECK_EQUAL(read.pool.at.port, std::uint16_t{3333});
    CHECK(read.pool.authority.has_value() && read.extended && !read.plaintext && !read.test_connection);
    CHECK_EQUAL(read.user, std::string{"bc1q.rig"});
    CHECK_EQUAL(read.threads, 3U);
    CHECK(read.nominal_hashrate > 1.49e6 && read.nominal_hashrate < 1.51e6);
    CHECK_EQUAL(read.connections, 7U);
    CHECK_EQUAL(read.stop_after_shares, std::uint64_t{9});
    CHECK_EQUAL(read.report_interval_s, 2U);
}

void whom_to_trust_must_be_said() {
    CHECK(says(complaint({}), "A URL is needed"));
    CHECK(says(complaint({"pool.example:3333"}), "The URL has no key"));
    CHECK(says(complaint({url, "--plaintext"}), "would not be looked at"));
    CHECK(says(complaint({"pool.example:3333", "--plaintext", "--allow-unauthenticated"}), "contradict"));
    CHECK(settings({"pool.example:3333", "--plaintext"}).plaintext);
    CHECK(settings({"pool.example:3333", "--allow-unauthenticated", "--test-connection"}).test_connection);
}

void what_is_wrong_is_named() {
    CHECK(says(complaint({"pool.example"}), "neither stratum2+tcp://HOST:PORT/KEY nor HOST:PORT"));
    CHECK(says(complaint({url, "--threads", "many"}), "--threads"));
    CHECK(says(complaint({url, "--log-level", "loud"}), "no level of the log"));
    CHECK(says(complaint({url, "--minig"}), "--minig"));
}

}  // namespace

int main() {
    everything_has_an_option();
    whom_to_trust_must_be_said();
    what_is_wrong_is_named();
}
