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
    std::string text{};  // what was expected and what came, why it was skipped, or what is to be noted
};

inline Verdict failed(const std::string& expected, const std::string& got) {
    return {Outcome::failed, "expected " + expected + ", got " + got};
}

inline Verdict expect(bool met, const std::string& expected, const std::string& got) {
    return met ? Verdict{} : failed(expected, got);
}

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
    bool of_template = false;  // they say whether the first template is worth mining on
};

std::span<const Group> all_groups();
