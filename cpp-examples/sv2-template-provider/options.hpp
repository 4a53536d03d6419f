// What the command line and the configuration file ask for. The options are those of sv2-tp, and some more.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "host/log.hpp"
#include "host/subnet.hpp"

// A chain, under the names by which Bitcoin Core knows it.
struct Network {
    std::string_view name;           // -chain=<name>, and a section of the configuration file
    std::string_view option;         // its own option; empty for main
    std::string_view directory;      // under the data directory; empty for main
    std::uint16_t port;              // sv2-tp's
    std::uint32_t easiest_nbits;     // what no block of it may be easier than
};

// All of them, the main network first.
std::span<const Network> networks();

// What clients may cost; 0 for the engine's own.
struct Limits {
    std::size_t clients = 0;
    std::size_t clients_per_address = 0;
    std::size_t handshakes = 0;
    std::size_t handshakes_per_address = 0;
    std::uint32_t connections_per_minute = 0;  // of one address
    std::uint32_t requests_per_second = 0;     // of one client
    bool count_loopback = false;
    std::vector<host::Subnet> exempt;  // addresses that are not counted
};

struct Options {
    const Network* network = nullptr;
    std::filesystem::path directory;  // the network's part of the data directory
    std::optional<std::filesystem::path> node_socket;  // nothing for the embedded chain
    std::string bind = "127.0.0.1";
    std::uint16_t port = 0;  // 0 on the command line asks the system for a free one
    std::uint64_t fee_delta = 1000;  // satoshis
    std::chrono::seconds template_interval{5};
    std::size_t mempool = 200;  // of the embedded chain: transactions that wait for a block
    std::chrono::milliseconds transaction_interval{500};  // between new ones; 0 for none
    unsigned block_work = 0;  // on the embedded chain a block takes about 2^n hashes; 0 for 2, as on regtest
    bool plaintext = false;
    std::chrono::seconds certificate_validity{std::chrono::days{30}};
    Limits limits;
    std::filesystem::path pid_file;  // empty for none
    host::LogOptions log;
    bool log_addresses = false;
    std::vector<std::string> notices;  // for the log, once there is one
};

// What the command line asks for: to run, to print a text and end with a success, or to print one and end with a failure.
struct Print {
    std::string text;
    bool failure;
};

std::variant<Options, Print> parse_options(const std::vector<std::string>& arguments);

// The text of -help.
std::string help_text();
