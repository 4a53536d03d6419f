// The command line of sv2-template-check: whom to check, and how: -name or -name=value.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <sv2.hpp>

struct Options {
    std::string host;  // without brackets
    std::uint16_t port = 0;
    std::optional<sv2::AuthorityKey> authority_key;
    bool plaintext = false;
    std::chrono::milliseconds timeout{5000};                     // for everything that must happen "immediately"
    std::optional<std::chrono::milliseconds> new_tip_timeout{};  // how long to wait for a block of somebody else
    std::optional<std::chrono::milliseconds> update_timeout{};   // how long to wait for a template with more fees
    std::chrono::milliseconds template_lifetime{10'000};  // of templates of the old tip; 0 not to wait for its end
    bool solve = false;
    bool json = false;
};

// What the command line asks for instead: to print a text, or the list of requirements.
struct Print {
    std::string text;
    bool failure;
};
struct List {};

std::variant<Options, Print, List> parse_options(const std::vector<std::string>& arguments);
