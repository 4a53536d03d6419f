// What sv2-proxy can be told.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "host/address.hpp"
#include "host/log.hpp"
#include "host/options.hpp"
#include "host/subnet.hpp"

struct Settings {
    // Upstream.
    std::vector<host::ServerAddress> upstreams;
    bool upstream_plaintext = false;
    bool pass_through = false;
    std::string user;
    std::uint64_t failback_minutes = 10;
    // Miners.
    host::HostPort listen{"0.0.0.0", 34255};
    bool plaintext = false;
    std::chrono::seconds certificate_validity{};
    double shares_per_minute = 6;
    double min_hash_rate = 1'000'000;
    std::uint32_t rollable_bytes = 12;
    std::size_t max_connections = 10'000;
    std::uint32_t connections_per_minute = 30;
    std::vector<host::Subnet> exempt;
    // Files and figures.
    std::filesystem::path directory;
    std::optional<host::HostPort> metrics;
    host::LogOptions log;
    bool log_addresses = false;
    bool test_connection = false;
};

// The settings of this run, or what to print instead.
std::variant<Settings, host::Print> read_settings(const std::vector<std::string>& arguments);
