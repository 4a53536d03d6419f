// What the command line and the configuration file ask for.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "host/address.hpp"
#include "host/bitcoin_address.hpp"
#include "host/bytes.hpp"
#include "host/log.hpp"
#include "host/options.hpp"
#include "host/subnet.hpp"

// Whom the pool pays, and how much of each block: `parts` of the sum of all parts.
struct Beneficiary {
    host::Bytes script_pubkey;
    std::uint32_t parts = 1;
};

struct TemplateSettings {
    // In order of preference. None: a regtest chain inside of this process.
    std::vector<host::ServerAddress> providers;
    bool plaintext = false;         // with all of them; only for those on this machine
    std::size_t mempool = 200;      // of the embedded chain: transactions that wait for a block
    std::uint64_t new_transaction_ms = 500;  // between new ones; 0 for none
};

// What miners may cost; 0 for the engine's own.
struct MinerLimits {
    std::size_t connections = 12'000;
    std::size_t connections_per_address = 0;
    std::size_t handshakes = 0;
    std::size_t handshakes_per_address = 0;
    std::uint32_t connections_per_minute = 0;  // of one address
    std::uint32_t messages_per_second = 0;     // of one connection
    std::uint32_t channels = 0;                // of one connection
    bool count_loopback = false;
    std::vector<host::Subnet> exempt;  // addresses that are not counted
};

struct Settings {
    host::AddressNetwork network = host::AddressNetwork::main;
    host::HostPort listen{"127.0.0.1", 34254};
    bool plaintext = false;
    std::filesystem::path directory;
    std::chrono::seconds certificate_validity{std::chrono::days{30}};

    TemplateSettings templates;

    std::vector<Beneficiary> payout;
    bool pay_to_user = false;
    std::uint32_t fee_parts = 0;  // of 10,000, of what is paid to a user
    std::string tag = "libsv2";

    host::Bytes server_id{0};
    double shares_per_minute = 6;
    MinerLimits limits;

    std::optional<host::HostPort> metrics;
    host::LogOptions log;
    bool log_addresses = false;
    bool share_log = true;
    bool test_connection = false;
};

// Of what a user's fee_parts are parts.
constexpr std::uint32_t all_parts = 10'000;

std::variant<Settings, host::Print> read_settings(const std::vector<std::string>& arguments);

// The script that somebody is paid by: an address of the network, or "script:" and a scriptPubKey in hex. Nothing, with what is
// wrong in `error`, if it is neither.
std::optional<host::Bytes> script_of_payee(std::string_view text, host::AddressNetwork network, std::string& error);
