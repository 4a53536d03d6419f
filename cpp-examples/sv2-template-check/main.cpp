// sv2-template-check: says, step by step, whether a template provider follows the specification.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>

#include "options.hpp"
#include "requirements.hpp"
#include "session.hpp"

namespace {

enum Exit : int { all_met = 0, some_failed = 1, not_checked = 2 };

int complain(const std::string& sentence) {
    std::fprintf(stderr, "sv2-template-check: %s\n", sentence.c_str());
    return not_checked;
}

void list() {
    for (const Group& group : all_groups()) {
        for (const Requirement& each : group.requirements) {
            std::printf("%-10.*s %.*s: %.*s\n", static_cast<int>(each.source.size()), each.source.data(),
                        static_cast<int>(each.id.size()), each.id.data(), static_cast<int>(each.sentence.size()),
                        each.sentence.data());
        }
    }
}

const char* word(Outcome outcome) {
    switch (outcome) {
        case Outcome::ok:
            return "ok";
        case Outcome::failed:
            return "FAIL";
        case Outcome::skipped:
            return "skip";
        case Outcome::noted:
            return "note";
    }
    return "";
}

std::string as_text(const Requirement& requirement, const Verdict& verdict) {
    std::string line{word(verdict.outcome)};
    line.resize(5, ' ');
    line += requirement.source;
    line.resize(std::max<std::size_t>(line.size() + 1, 17), ' ');
    line.append(requirement.id).append(": ").append(requirement.sentence);
    if (verdict.outcome == Outcome::failed) line.append(": expected ").append(verdict.expected).append(", got");
    if (!verdict.seen.empty()) line.append(verdict.outcome == Outcome::failed ? " " : ": ").append(verdict.seen);
    return line;
}

std::string json_string(std::string_view text) {
    std::string quoted = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') quoted += '\\';
        quoted += c >= ' ' && c <= '~' ? c : '?';  // what comes from the provider is plain text already
    }
    return quoted + '"';
}

std::string as_json(const Group& group, const Requirement& requirement, const Verdict& verdict) {
    std::string line = "{";
    const auto add = [&](std::string_view name, std::string_view text) {
        line.append(line.size() > 1 ? "," : "").append(json_string(name)).append(":").append(json_string(text));
    };
    add("group", group.name);
    add("id", requirement.id);
    add("source", requirement.source);
    add("requirement", requirement.sentence);
    add("verdict", word(verdict.outcome));
    if (verdict.outcome == Outcome::failed) add("expected", verdict.expected);
    if (!verdict.seen.empty()) add(verdict.outcome == Outcome::skipped ? "reason" : "seen", verdict.seen);
    return line + "}";
}

struct Tally {
    int met = 0, failed = 0, skipped = 0;

    void count(Outcome outcome) {
        met += outcome == Outcome::ok;
        failed += outcome == Outcome::failed;
        skipped += outcome == Outcome::skipped;
    }
};

void check_all(Session& session, Tally& tally) {
    const bool json = session.options().json;
    for (const Group& group : all_groups()) {
        if (!json) std::printf("\n%.*s\n", static_cast<int>(group.name.size()), group.name.data());
        for (const Requirement& requirement : group.requirements) {
            Verdict verdict;
            try {
                verdict = requirement.check(session);
            } catch (const Skip& skip) {
                verdict = {Outcome::skipped, {}, skip.why};
            }
            const std::string line = json ? as_json(group, requirement, verdict) : as_text(requirement, verdict);
            std::puts(line.c_str());
            std::fflush(stdout);
            tally.count(verdict.outcome);
            if (verdict.outcome == Outcome::failed && group.of_template) session.template_is_wrong = true;
        }
    }
}

int run(const Options& options) {
    if (!options.json) {
        std::printf("%s port %u%s\n", options.host.c_str(), unsigned{options.port},
                    options.plaintext        ? ", WITHOUT ENCRYPTION"
                    : !options.authority_key ? ", WITHOUT AUTHENTICATION"
                                             : "");
    }
    Session session{options};
    Tally tally;
    int status = all_met;
    try {
        check_all(session, tally);
    } catch (const Unreachable& error) {
        status = complain(error.what());
    }
    if (!options.json) std::printf("\n%d ok, %d failed, %d skipped\n", tally.met, tally.failed, tally.skipped);
    return tally.failed > 0 ? some_failed : status;
}

}  // namespace

int main(int argc, char** argv) {
    if (!sv2::is_compatible()) return complain("The library does not fit the headers this program was built with.");
    const auto parsed = parse_options({argv + 1, argv + argc});
    if (const auto* print = std::get_if<Print>(&parsed)) {
        std::fputs(print->text.c_str(), print->failure ? stderr : stdout);
        return print->failure ? not_checked : all_met;
    }
    if (std::holds_alternative<List>(parsed)) {
        list();
        return all_met;
    }
    try {
        return run(std::get<Options>(parsed));
    } catch (const std::exception& error) {
        return complain(error.what());
    }
}
