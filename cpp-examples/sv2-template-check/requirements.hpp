// What a template provider must do: every requirement by name, with the check that judges it.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>

class Session;

enum class Outcome { ok, failed, skipped, noted };

struct Verdict {
    Outcome outcome = Outcome::ok;
    std::string expected{};  // if it failed
    std::string seen{};      // what came, or why it was skipped; may be empty if it is ok
};

inline Verdict ok(std::string seen = {}) { return {Outcome::ok, {}, std::move(seen)}; }

inline Verdict failed(std::string expected, std::string seen) {
    return {Outcome::failed, std::move(expected), std::move(seen)};
}

// For what the specification leaves open.
inline Verdict noted(std::string seen) { return {Outcome::noted, {}, std::move(seen)}; }

// What came is of interest only if it is wrong.
inline Verdict expect(bool met, std::string expected, std::string seen) {
    return met ? ok() : failed(std::move(expected), std::move(seen));
}

// What came is reported in any case.
inline Verdict measure(bool met, std::string expected, std::string seen) {
    return met ? ok(std::move(seen)) : failed(std::move(expected), std::move(seen));
}

inline std::string quoted(std::string_view text) { return std::string{'"'}.append(text).append(1, '"'); }

struct Requirement {
    std::string_view id;      // in reports and tests
    std::string_view source;  // the section of the specification; "practice" where it is silent and others rely on it
    std::string_view sentence;
    Verdict (*check)(Session&);  // may throw Skip
};

// Requirements that are checked together, in the order in which a connection lives. Later ones build on earlier ones.
struct Group {
    std::string_view name;
    std::span<const Requirement> requirements;
    bool of_template = false;  // they say whether templates are worth mining on
};

std::span<const Group> all_groups();
