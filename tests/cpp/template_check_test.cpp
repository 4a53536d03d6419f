// sv2-template-check against a provider with one fault at a time: it must report the requirement that the fault breaks,
// and nothing else.
//
//     template_check_test <sv2-template-check>
//     template_check_test <sv2-template-check> -fault=<name>            one fault, with the whole report
//     template_check_test <sv2-template-check> <sv2-template-provider>  the other way round: our provider, without
//     fault
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "broken_provider/faults.hpp"
#include "broken_provider/provider.hpp"
#include "check.hpp"

namespace {

namespace fs = std::filesystem;

std::string check_program, provider_program;

// A directory that is gone when the case ends.
class Directory {
public:
    Directory() {
        std::string pattern = (fs::temp_directory_path() / "sv2-template-check-XXXXXX").string();
        CHECK(::mkdtemp(pattern.data()) != nullptr);
        path_ = pattern;
    }
    ~Directory() { fs::remove_all(path_); }
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;
    const fs::path& path() const { return path_; }

private:
    fs::path path_;
};

// What sv2-template-check says.
struct Report {
    int status = -1;
    std::string text;

    // The requirements with this outcome, a word of four letters.
    std::vector<std::string> with(std::string_view outcome) const {
        constexpr std::size_t id_at = 17;
        std::vector<std::string> ids;
        std::size_t begin = 0;
        for (std::size_t end; (end = text.find('\n', begin)) != text.npos; begin = end + 1) {
            const std::string_view line{text.data() + begin, end - begin};
            if (line.starts_with(outcome) && line.size() > id_at) {
                ids.emplace_back(line.substr(id_at, line.find(':', id_at) - id_at));
            }
        }
        return ids;
    }
};

Report check(const std::string& arguments) {
    Report report;
    std::FILE* const pipe = ::popen((check_program + " " + arguments + " 2>&1").c_str(), "re");
    CHECK(pipe != nullptr);
    for (int c; (c = std::fgetc(pipe)) != EOF;) report.text += static_cast<char>(c);
    report.status = WEXITSTATUS(::pclose(pipe));
    return report;
}

Report check_broken(Fault fault, bool plaintext = false) {
    const Directory directory;
    const BrokenProvider provider{fault, plaintext, directory.path()};
    return check(provider.arguments() + " -solve -timeout=3 -update-timeout=3 -template-lifetime=0.05");
}

std::vector<std::string> requirements() {
    std::vector<std::string> ids;
    const Report list = check("-list");
    CHECK_EQUAL(list.status, 0);
    std::size_t begin = 0;
    for (std::size_t end; (end = list.text.find('\n', begin)) != list.text.npos; begin = end + 1) {
        const std::string line = list.text.substr(begin, end - begin);
        ids.push_back(line.substr(11, line.find(':', 11) - 11));
    }
    return ids;
}

bool is_right(const FaultEntry& entry, const Report& report) {
    return report.status == 1 && report.with("FAIL") == std::vector{std::string{entry.requirement}};
}

void every_requirement_has_a_fault_that_breaks_it() {
    const std::vector<std::string> ids = requirements();
    CHECK(ids.size() > 80);
    for (const std::string& id : ids) {
        if (id == "constraints-legacy" || id == "solution-stripped") continue;  // not required, and so never failed
        if (std::ranges::find(faults, id, &FaultEntry::requirement) == std::end(faults)) {
            std::cerr << "no fault breaks " << id << std::endl;
            std::exit(1);
        }
    }
    for (const FaultEntry& each : faults) CHECK(std::ranges::find(ids, each.requirement) != ids.end());
}

void every_requirement_stands_in_the_document() {
    std::ifstream file{DOCUMENT};
    const std::string text{std::istreambuf_iterator<char>{file}, {}};
    for (const std::string& id : requirements()) {
        if (text.find("`" + id + "`") == text.npos) {
            std::cerr << DOCUMENT << " does not name " << id << std::endl;
            std::exit(1);
        }
    }
}

void a_provider_without_faults_passes() {
    for (const bool plaintext : {false, true}) {
        const Report report = check_broken(Fault::none, plaintext);
        std::cerr << (report.status == 0 ? "" : report.text);
        CHECK_EQUAL(report.status, 0);
        CHECK(report.with("FAIL").empty());
        // Its transactions have no legacy sigops.
        const std::vector<std::string> skipped{"sigops-respected"};
        const std::vector<std::string> skipped_in_plaintext{"handshake",
                                                            "certificate-version",
                                                            "certificate-validity",
                                                            "certificate-signature",
                                                            "sigops-respected",
                                                            "altered-message",
                                                            "garbage"};
        CHECK(report.with("skip") == (plaintext ? skipped_in_plaintext : skipped));
    }
}

void each_requirement_is_a_line_of_json() {
    const Directory directory;
    const BrokenProvider provider{Fault::used_version_3, false, directory.path()};
    const Report report = check(provider.arguments() + " -json");
    CHECK_EQUAL(report.status, 1);
    std::size_t begin = 0, count = 0;
    const std::vector<std::string> ids = requirements();
    for (std::size_t end; (end = report.text.find('\n', begin)) != report.text.npos; begin = end + 1) {
        const std::string_view line{report.text.data() + begin, end - begin};
        CHECK(count < ids.size());
        CHECK(line.starts_with("{\"group\":\"") && line.ends_with("\"}"));
        CHECK(line.find("\",\"id\":\"" + ids[count++] + "\",\"source\":\"") != line.npos);
    }
    CHECK_EQUAL(count, ids.size());
    const auto says = [&](std::string_view text) { return report.text.find(text) != report.text.npos; };
    CHECK(says(R"({"group":"SetupConnection","id":"setup-version","source":"spec 3.6.2",)"
               R"("requirement":"used_version is 2","verdict":"FAIL","expected":"2","seen":"3"})"));
    CHECK(says(R"("id":"header-version","source":"spec 7.2",)"
               R"("requirement":"the version is one that consensus allows","verdict":"ok","seen":"536870912"})"));
    CHECK(says(R"("verdict":"skip","reason":"-solve was not given"})"));
}

// What was said of each of the faults.
std::array<Report, std::size(faults)> reports;

void each_fault_fails_its_requirement_and_no_other() {
    std::atomic<std::size_t> next = 0;
    std::atomic<bool> all_right = true;
    std::mutex output;
    const auto work = [&] {
        for (std::size_t at; (at = next++) < std::size(faults);) {
            const FaultEntry& entry = faults[at];
            const Report& report = reports[at] = check_broken(entry.fault);
            if (is_right(entry, report)) continue;
            all_right = false;
            const std::lock_guard lock{output};
            std::cerr << entry.name << " should fail " << entry.requirement << ":\n" << report.text << std::endl;
        }
    };
    // Most of the time is waiting for what does not come.
    std::vector<std::thread> threads;
    for (int i = 0; i < 16; ++i) threads.emplace_back(work);
    for (std::thread& thread : threads) thread.join();
    CHECK(all_right);
}

void a_failure_says_what_was_expected_and_what_came() {
    const auto says = [](Fault fault, std::string_view sentence) {
        const auto entry = std::ranges::find(faults, fault, &FaultEntry::fault);
        const Report& report = reports[static_cast<std::size_t>(entry - std::begin(faults))];
        if (report.text.find(sentence) == report.text.npos) std::cerr << report.text << std::endl;
        return report.text.find(sentence) != report.text.npos;
    };
    CHECK(says(Fault::used_version_3, "FAIL spec 3.6.2  setup-version: used_version is 2: expected 2, got 3\n"));
    CHECK(says(Fault::unknown_message_closes, ": expected a template as before, got the connection was closed\n"));
    CHECK(says(Fault::no_prev_hash, ": expected SetNewPrevHash, got SetupConnection.Success, then NewTemplate 1000\n"));
    CHECK(says(Fault::template_cut_off, "got \"NewTemplate.merkle_path at byte"));
    CHECK(says(Fault::certificate_version_1, "skip spec 4.5.3  certificate-signature: "));
}

void a_block_of_somebody_else_is_waited_for() {
    const Directory directory;
    const BrokenProvider provider{Fault::none, false, directory.path()};
    Report report;
    std::atomic<bool> done = false;
    std::thread waiting{[&] {
        report = check(provider.arguments() + " -new-tip-timeout=60 -template-lifetime=0.05");
        done = true;
    }};
    while (!done) CHECK_EQUAL(check(provider.arguments() + " -solve -template-lifetime=0").status, 0);
    waiting.join();
    std::cerr << (report.status == 0 ? "" : report.text);
    CHECK_EQUAL(report.status, 0);
    CHECK(report.with("FAIL").empty());
    const std::vector<std::string> skipped{"sigops-respected", "solution-accepted", "new-tip-transactions",
                                           "solution-twice",   "solution-late",     "solution-unknown",
                                           "solution-rolled",  "solution-stripped", "fees-pushed"};
    CHECK(report.with("skip") == skipped);
}

void nobody_is_no_template_provider() {
    const Report report = check("127.0.0.1:1 -timeout=1");
    CHECK_EQUAL(report.status, 2);
    CHECK(report.with("FAIL").empty());
}

// sv2-template-provider as a process, until the case ends.
class Provider {
public:
    explicit Provider(const std::vector<std::string>& options) {
        const std::string log = (directory_.path() / "log").string();
        std::vector<std::string> arguments{provider_program, "-regtest", "-sv2port=0",
                                           "-datadir=" + directory_.path().string()};
        arguments.insert(arguments.end(), options.begin(), options.end());
        pid_ = ::fork();
        CHECK(pid_ >= 0);
        if (pid_ == 0) {
            std::vector<char*> pointers;
            for (std::string& argument : arguments) pointers.push_back(argument.data());
            pointers.push_back(nullptr);
            if (!std::freopen(log.c_str(), "w", stdout)) ::_exit(127);
            ::execv(pointers[0], pointers.data());
            ::_exit(127);
        }
        constexpr std::string_view before = " listening on ";
        for (int tries = 0; address_.empty() && tries < 200; ++tries) {
            ::usleep(50'000);
            std::ifstream lines{log};
            for (std::string line; std::getline(lines, line) && !lines.eof();) {
                if (const auto at = line.find(before); at != line.npos) {
                    address_ = line.substr(at + before.size());
                    address_.resize(std::min(address_.find(' '), address_.size()));
                }
            }
        }
        CHECK(!address_.empty());
    }
    ~Provider() {
        ::kill(pid_, SIGTERM);
        ::waitpid(pid_, nullptr, 0);
    }
    Provider(const Provider&) = delete;
    Provider& operator=(const Provider&) = delete;
    const std::string& address() const { return address_; }

private:
    Directory directory_;
    pid_t pid_ = -1;
    std::string address_;
};

void our_template_provider_passes() {
    const Provider provider{{}};
    const Report report = check(provider.address() + " -solve -update-timeout=20");
    std::cerr << (report.status == 0 ? "" : report.text);
    CHECK_EQUAL(report.status, 0);
    CHECK(report.with("FAIL").empty());
    CHECK(report.with("skip") == std::vector<std::string>{"sigops-respected"});
    CHECK(report.text.find("constraints-legacy: constraints without sigops, as in earlier drafts: accepted\n") !=
          report.text.npos);
    CHECK(report.text.find("solution-stripped: a solution whose coinbase lacks its witness: accepted\n") !=
          report.text.npos);
}

void our_template_provider_passes_without_encryption_and_transactions() {
    const Provider provider{{"-plaintext", "-mempool=0", "-txinterval=0"}};
    const Report report = check(provider.address() + " -plaintext -solve -template-lifetime=0");
    std::cerr << (report.status == 0 ? "" : report.text);
    CHECK_EQUAL(report.status, 0);
    CHECK(report.with("FAIL").empty());
    const std::vector<std::string> skipped{"handshake",
                                           "certificate-version",
                                           "certificate-validity",
                                           "certificate-signature",
                                           "constraints-respected",
                                           "constraints-changed-respected",
                                           "sigops-respected",
                                           "altered-message",
                                           "garbage",
                                           "slow-reader",
                                           "fees-pushed",
                                           "stale-template"};
    CHECK(report.with("skip") == skipped);
}

// For a person to look at.
int show(const std::string& name) {
    const auto fault = fault_of(name);
    if (!fault) {
        std::cerr << "there is no fault " << name << std::endl;
        return 1;
    }
    const Report report = check_broken(*fault);
    std::cout << report.text;
    return report.status;
}

}  // namespace

int main(int argc, char** argv) {
    constexpr std::string_view one = "-fault=";
    CHECK(argc >= 2);
    check_program = argv[1];
    const std::string second = argc > 2 ? argv[2] : "";
    if (second.starts_with(one)) return show(second.substr(one.size()));
    provider_program = second;
    if (!provider_program.empty()) {
        return run({
            {"our template provider passes", our_template_provider_passes},
            {"our template provider passes without encryption and transactions",
             our_template_provider_passes_without_encryption_and_transactions},
        });
    }
    return run({
        {"every requirement has a fault that breaks it", every_requirement_has_a_fault_that_breaks_it},
        {"every requirement stands in the document", every_requirement_stands_in_the_document},
        {"a provider without faults passes", a_provider_without_faults_passes},
        {"each fault fails its requirement and no other", each_fault_fails_its_requirement_and_no_other},
        {"a failure says what was expected and what came", a_failure_says_what_was_expected_and_what_came},
        {"a block of somebody else is waited for", a_block_of_somebody_else_is_waited_for},
        {"each requirement is a line of JSON", each_requirement_is_a_line_of_json},
        {"nobody is no template provider", nobody_is_no_template_provider},
    });
}
