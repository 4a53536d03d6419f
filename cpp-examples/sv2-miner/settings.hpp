// What sv2-miner can be told.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "host/address.hpp"
#include "host/log.hpp"
#include "host/options.hpp"

struct Settings {
    host::ServerAddress pool;
    bool plaintext = false;
    bool allow_unauthenticated = false;
    std::string user = "miner";
    bool extended = false;
    unsigned threads = 1;           // 0: follow the jobs, and hash nothing
    double nominal_hashrate = 0;    // hashes a second of each connection; 0: measured
    unsigned connections = 1;
    unsigned report_interval_s = 10;
    std::uint64_t stop_after_shares = 0;  // accepted ones; 0: never
    bool test_connection = false;
    host::LogOptions log;
};

// Command line and file; or a text to print instead of a run.
std::variant<Settings, host::Print> read_settings(const std::vector<std::string>& arguments);
