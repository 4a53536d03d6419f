// The command line of sv2-template-provider, in the manner of sv2-tp and Bitcoin Core: -name or -name=value.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <variant>
#include <vector>

struct Options {
    std::filesystem::path datadir;
    std::string bind = "127.0.0.1";
    std::uint16_t port = 0;  // 0 on the command line asks the system for a free one
    std::uint64_t fee_delta = 1000;          // satoshis
    std::chrono::seconds template_interval{5};
    std::size_t mempool = 200;               // transactions that wait for a block
    std::chrono::milliseconds transaction_interval{500};  // between new ones; 0 for none
    bool plaintext = false;
    bool debug = false;
};

// What the command line asks for: to run, to print a text and end with a success, or to print one and end with a failure.
struct Print {
    std::string text;
    bool failure;
};

std::variant<Options, Print> parse_options(const std::vector<std::string>& arguments);
