// sv2-template-provider as its operator meets it: its keys, the blocks it keeps, how it begins and ends.
//
//     template_provider_test <sv2-template-provider> <sv2-template-check>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "check.hpp"
#include "directory.hpp"
#include "host/bytes.hpp"
#include "host/socket.hpp"
#include "provider_process.hpp"
#include "host/files.hpp"
#include "host/keys.hpp"
#include "host/log.hpp"
#include "sv2-template-provider/solutions.hpp"

namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

std::string provider_program, check_program;

std::string contents(const fs::path& path) {
    std::ifstream file{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{file}, {}};
}

void write(const fs::path& path, std::string_view bytes) {
    std::ofstream file{path, std::ios::binary};
    file << bytes;
}

unsigned mode(const fs::path& path) {
    struct stat status {};
    CHECK(::stat(path.c_str(), &status) == 0);
    return status.st_mode & 07777;
}

// ------------------------------------------------------------------------------------------------------------------- keys

struct Opened {
    std::optional<host::Keys> keys;
    std::string error, notice;
};

Opened open_keys(const fs::path& directory) {
    Opened opened;
    opened.keys = host::Keys::open(directory, opened.error, opened.notice);
    return opened;
}

std::vector<std::uint8_t> secret(const sv2::SecretKey& key) {
    const auto bytes = key.secret_bytes();
    return {bytes.begin(), bytes.end()};
}

void keys_are_made_once_and_are_nobody_elses() {
    const Directory directory;
    const Opened first = open_keys(directory.path());
    CHECK(first.keys && first.error.empty() && first.notice.empty());
    for (const char* name : {"sv2_authority_key", "sv2_static_key"}) {
        const std::string file = contents(directory.path() / name);
        CHECK_EQUAL(file.size(), 33U);
        CHECK_EQUAL(file[0], '\1');
        CHECK_EQUAL(mode(directory.path() / name), 0600U);
    }
    const Opened second = open_keys(directory.path());
    CHECK(second.keys);
    CHECK(secret(first.keys->authority) == secret(second.keys->authority));
    CHECK(secret(first.keys->static_key) == secret(second.keys->static_key));
    CHECK(secret(first.keys->authority) != secret(first.keys->static_key));
    CHECK_EQUAL(std::distance(fs::directory_iterator{directory.path()}, {}), 2);
}

void the_files_of_sv2_tp_are_read_and_kept_from_others() {
    const Directory directory;
    const std::string key(32, '\x11');
    write(directory.path() / "sv2_authority_key", '\1' + key);
    write(directory.path() / "sv2_static_key", key);  // without the byte that sv2-tp writes first
    ::chmod((directory.path() / "sv2_authority_key").c_str(), 0644);
    ::chmod((directory.path() / "sv2_static_key").c_str(), 0600);
    const Opened opened = open_keys(directory.path());
    CHECK(opened.keys);
    CHECK(secret(opened.keys->authority) == std::vector<std::uint8_t>(32, 0x11));
    CHECK(secret(opened.keys->static_key) == std::vector<std::uint8_t>(32, 0x11));
    CHECK_EQUAL(mode(directory.path() / "sv2_authority_key"), 0600U);
    CHECK_EQUAL(opened.notice, (directory.path() / "sv2_authority_key").string() +
                                   " could be read by others, and now cannot. If somebody did, remove it to get a new key.");
}

void a_corrupt_key_is_an_error_and_left_as_it_is() {
    const std::string key(32, '\x11');
    for (const std::string& corrupt : {std::string{}, key.substr(1), '\2' + key, '\1' + key + '\n', std::string(32, '\0'),
                                       '\1' + std::string(32, '\xff'), std::string(100, '\x11')}) {
        for (const char* name : {"sv2_authority_key", "sv2_static_key"}) {
            const Directory directory;
            write(directory.path() / name, corrupt);
            const Opened opened = open_keys(directory.path());
            CHECK(!opened.keys);
            CHECK_EQUAL(opened.error, (directory.path() / name).string() +
                                          " does not hold a key. Restore it from a backup, or remove it to get a new identity, "
                                          "which clients must then be told.");
            CHECK(contents(directory.path() / name) == corrupt);
        }
    }
}

void a_certificate_is_renewed_at_half_time_and_when_the_clock_was_set_back() {
    const std::chrono::sys_seconds made{1'000'000s};
    CHECK(!host::is_renewal_due(made, made, 100s));
    CHECK(!host::is_renewal_due(made, made + 49s, 100s));
    CHECK(host::is_renewal_due(made, made + 50s, 100s));
    CHECK(host::is_renewal_due(made, made - 1s, 100s));
}

void a_key_that_is_no_file_is_an_error() {
    const Directory directory;
    fs::create_directory(directory.path() / "sv2_authority_key");
    CHECK(open_keys(directory.path()).error.starts_with("Cannot read "));
}

void a_file_that_is_there_is_never_replaced() {
    const Directory directory;
    const std::array<std::uint8_t, 3> bytes{1, 2, 3};
    write(directory.path() / "file", "old");
    CHECK_EQUAL(host::create_file(directory.path() / "file", bytes), EEXIST);
    CHECK_EQUAL(contents(directory.path() / "file"), std::string{"old"});
    CHECK_EQUAL(std::distance(fs::directory_iterator{directory.path()}, {}), 1);
}

void programs_that_start_at_once_get_the_same_keys() {
    for (int round = 0; round < 20; ++round) {
        const Directory directory;
        std::array<Opened, 4> opened;
        std::vector<std::thread> threads;
        for (Opened& one : opened) threads.emplace_back([&] { one = open_keys(directory.path()); });
        for (std::thread& thread : threads) thread.join();
        for (const Opened& one : opened) {
            CHECK_EQUAL(one.error, std::string{});
            CHECK(one.keys && secret(one.keys->authority) == secret(opened[0].keys->authority));
            CHECK(secret(one.keys->static_key) == secret(opened[0].keys->static_key));
        }
    }
}

// -------------------------------------------------------------------------------------------------------------- solutions

const std::vector<std::uint8_t> coinbase{0xc0, 0xff, 0xee};

sv2_solution solution(std::uint8_t hash) {
    sv2_solution found{};
    found.header.version = 0x20000000;
    found.header.nonce = 7;
    std::ranges::fill(found.block_hash.bytes, hash);
    found.coinbase_tx = sv2::bytes(coinbase);
    return found;
}

std::unique_ptr<Solutions> open_solutions(const fs::path& directory) {
    std::string error;
    auto solutions = Solutions::open(directory, error);
    CHECK_EQUAL(error, std::string{});
    return solutions;
}

std::string hash_of(std::uint8_t byte) { return host::hex(std::vector<std::uint8_t>(32, byte)); }

void what_is_found_is_on_the_disk_when_the_program_has_ended() {
    const Directory directory;
    {
        const auto solutions = open_solutions(directory.path());
        solutions->found(solution(0xaa), 101);
        solutions->found(solution(0xbb), 102);
        solutions->whole(solution(0xaa).block_hash, coinbase);
        solutions->accepted(solution(0xbb).block_hash);
    }
    const std::string text = contents(directory.path() / "sv2_solutions");
    CHECK_EQUAL(std::ranges::count(text, '\n'), 3);
    CHECK(text.find(" 101 " + hash_of(0xaa) + " 00000020" + std::string(144, '0') + "07000000 c0ffee\n") != text.npos);
    CHECK_EQUAL(contents(directory.path() / "sv2_blocks" / (hash_of(0xaa) + ".hex")), std::string{"c0ffee\n"});
    const auto unconfirmed = open_solutions(directory.path())->unconfirmed();
    CHECK_EQUAL(unconfirmed.size(), 1U);
    CHECK_EQUAL(unconfirmed[0].block_hash, hash_of(0xaa));
    CHECK_EQUAL(unconfirmed[0].height, 101U);
    CHECK(unconfirmed[0].whole);
}

void a_solution_is_on_the_disk_though_the_program_is_killed_while_it_stores_the_block() {
    const Directory directory;
    const pid_t child = ::fork();
    CHECK(child >= 0);
    if (child == 0) {
        const auto solutions = open_solutions(directory.path());
        const std::vector<std::uint8_t> block(4'000'000, 0x55);
        solutions->found(solution(0xaa), 101);
        for (std::uint8_t i = 0; i < 50; ++i) solutions->whole(solution(i).block_hash, block);
        for (;;) ::pause();
    }
    const fs::path lines = directory.path() / "sv2_solutions";
    while (!fs::exists(lines) || fs::file_size(lines) == 0) ::usleep(1000);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    const auto unconfirmed = open_solutions(directory.path())->unconfirmed();
    CHECK_EQUAL(unconfirmed.size(), 1U);
    CHECK_EQUAL(unconfirmed[0].block_hash, hash_of(0xaa));
    // No block is there in part.
    for (const auto& file : fs::directory_iterator{directory.path() / "sv2_blocks"}) {
        if (file.path().extension() == ".hex") CHECK_EQUAL(file.file_size(), 8'000'001U);
    }
}

void a_line_that_a_crash_left_unfinished_spoils_no_other() {
    const Directory directory;
    write(directory.path() / "sv2_solutions", "found 1 101 " + hash_of(0xaa) + " 00 00\nfound 2 10");
    open_solutions(directory.path())->found(solution(0xbb), 103);
    const auto unconfirmed = open_solutions(directory.path())->unconfirmed();
    CHECK_EQUAL(unconfirmed.size(), 2U);
    CHECK_EQUAL(unconfirmed[0].found_at, 1U);
    CHECK(!unconfirmed[0].whole);
    CHECK_EQUAL(unconfirmed[1].height, 103U);
}

void a_block_that_cannot_be_written_stops_nothing() {
    const Directory directory;
    {
        const auto solutions = open_solutions(directory.path());
        fs::remove_all(directory.path() / "sv2_blocks");
        solutions->whole(solution(0xaa).block_hash, coinbase);
        solutions->found(solution(0xbb), 104);
    }
    CHECK_EQUAL(open_solutions(directory.path())->unconfirmed().size(), 1U);
}

void one_data_directory_is_for_one_program() {
    const Directory directory;
    const auto solutions = open_solutions(directory.path());
    std::string error;
    CHECK(!Solutions::open(directory.path(), error));
    CHECK_EQUAL(error, (directory.path() / "sv2_solutions").string() +
                           " is in use: another template provider runs in this data directory.");
}

// ---------------------------------------------------------------------------------------------------------------- the log

// Where the log goes and nobody reads: it takes no more than its buffer, and then whoever writes waits.
class FullPipe {
public:
    explicit FullPipe(const fs::path& path) {
        CHECK(::mkfifo(path.c_str(), 0600) == 0);
        descriptor_ = ::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
        CHECK(descriptor_ >= 0);
        const std::array<char, 4096> page{};
        while (::write(descriptor_, page.data(), page.size()) > 0) {}
    }
    ~FullPipe() { ::close(descriptor_); }
    FullPipe(const FullPipe&) = delete;
    FullPipe& operator=(const FullPipe&) = delete;

    // Reads until `text` has come.
    bool has(std::string_view text) const {
        std::string end;  // of what was read
        for (int tries = 0; tries < 10'000 && end.find(text) == end.npos; ++tries) {
            std::array<char, 4096> page{};
            const ssize_t n = ::read(descriptor_, page.data(), page.size());
            if (n <= 0) {
                ::usleep(1000);
                continue;
            }
            tries = 0;
            end.erase(0, end.size() - std::min(end.size(), text.size()));
            end.append(page.data(), static_cast<std::size_t>(n));
        }
        return end.find(text) != end.npos;
    }

private:
    int descriptor_;
};

void a_log_that_takes_nothing_keeps_nobody_waiting() {
    const Directory directory;
    const FullPipe pipe{directory.path() / "log"};
    host::LogOptions options;
    options.file = directory.path() / "log";
    options.console = false;
    CHECK_EQUAL(host::open_log(options), std::string{});
    // The writer may hold as many as wait: 4 MiB at most, twice.
    for (int i = 0; i < 10'000; ++i) host::log_info(std::string(1000, 'x'));
    CHECK(pipe.has(" lines were dropped here: the log was not written fast enough"));
    host::log_info("the end");
    host::close_log();
    CHECK(pipe.has("the end\n"));
}

// ------------------------------------------------------------------------------------------------------------ the program

const std::vector<std::string> small{"-mempool=5", "-txinterval=0"};

std::vector<std::string> with(std::vector<std::string> more) {
    more.insert(more.begin(), small.begin(), small.end());
    return more;
}

// The last valid second of the certificate that is shown at `url`.
std::uint32_t certificate_end(const std::string& url) {
    const auto parsed = sv2::Url::parse(url);
    CHECK(parsed.ok());
    auto socket = host::connect_tcp("127.0.0.1", parsed->port, 20s);
    auto connection = sv2::Connection::initiator({.authority_key = parsed->authority_key});
    CHECK(connection.ok());
    while (!connection->certificate().ok()) {
        for (auto out = connection->output(); !out.empty(); out = connection->output()) {
            CHECK(connection->sent(socket.write(out, 20s)).ok());
        }
        CHECK(connection->received(socket.read(connection->room(4096), 20s), sv2::now()).ok());
        sv2::Message message;
        CHECK(!connection->next(message).is_error());
    }
    const auto certificate = connection->certificate();
    return certificate->not_valid_after;
}

void a_signal_ends_it_with_success() {
    for (const int signal : {SIGTERM, SIGINT}) {
        const Directory directory;
        ProviderProcess provider{provider_program, directory.path(), small};
        provider.address();
        CHECK(fs::exists(directory.path() / "regtest/sv2-tp.pid"));
        CHECK_EQUAL(provider.end(signal), 0);
        CHECK(provider.said().find("shutting down\n") != std::string::npos);
        CHECK(!fs::exists(directory.path() / "regtest/sv2-tp.pid"));
    }
}

void a_second_signal_ends_it_though_it_waits_for_a_disk() {
    const Directory directory;
    fs::create_directory(directory.path() / "regtest");
    const FullPipe pipe{directory.path() / "regtest/log"};
    const std::uint16_t port = host::port_of(host::listen_on_loopback());
    ProviderProcess provider{provider_program, directory.path(),
                             with({"-debuglogfile=log", "-sv2port=" + std::to_string(port)})};
    const auto serves = [&] {
        try {
            host::connect_tcp("127.0.0.1", port, 20s);
            return true;
        } catch (const std::exception&) {
            return false;
        }
    };
    for (int tries = 0; tries < 400 && !serves(); ++tries) ::usleep(50'000);
    CHECK(serves());  // though its log is stuck
    provider.signal(SIGTERM);
    while (serves()) ::usleep(50'000);
    CHECK(!provider.has_ended());
    CHECK_EQUAL(provider.end(SIGTERM), -SIGTERM);
}

void it_runs_on_though_nobody_reads_what_it_says() {
    const Directory directory;
    ProviderProcess provider{provider_program, directory.path(), small, ProviderProcess::Says::to_nobody};
    const fs::path log = directory.path() / "regtest/sv2-debug.log";
    for (int tries = 0; tries < 400 && contents(log).find(" listening on ") == std::string::npos; ++tries) ::usleep(50'000);
    CHECK_EQUAL(provider.end(SIGTERM), 0);
    CHECK(contents(log).find("shutting down\n") != std::string::npos);
}

void upon_sighup_it_begins_the_log_anew() {
    const Directory directory;
    ProviderProcess provider{provider_program, directory.path(), small};
    provider.address();
    const fs::path log = directory.path() / "regtest/sv2-debug.log", old = directory.path() / "old.log";
    fs::rename(log, old);
    provider.signal(SIGHUP);
    for (int tries = 0; tries < 400 && !fs::exists(log); ++tries) ::usleep(50'000);
    CHECK_EQUAL(provider.end(SIGTERM), 0);
    CHECK(contents(old).find(" listening on ") != std::string::npos);
    CHECK(contents(old).find("shutting down") == std::string::npos);
    CHECK(contents(log).find("shutting down\n") != std::string::npos);
}

void a_second_start_leaves_the_files_of_the_first_alone() {
    const Directory directory;
    const fs::path log = directory.path() / "regtest/sv2-debug.log", pid = directory.path() / "regtest/sv2-tp.pid";
    fs::create_directory(directory.path() / "regtest");
    write(log, std::string(12'000'000, '\n'));
    ProviderProcess first{provider_program, directory.path(), with({"-shrinkdebugfile=0"})};
    first.address();
    const std::string id = contents(pid);
    ProviderProcess second{provider_program, directory.path(), small};
    CHECK_EQUAL(second.wait(), 1);
    CHECK_EQUAL(contents(pid), id);
    CHECK(!id.empty());
    CHECK(fs::file_size(log) > 12'000'000U);
}

void what_it_cannot_do_it_says_in_a_sentence_and_fails() {
    const auto says = [](const Directory& directory, std::vector<std::string> options, const std::string& sentence) {
        ProviderProcess provider{provider_program, directory.path(), with(std::move(options))};
        CHECK_EQUAL(provider.wait(), 1);
        if (provider.said().find(sentence) == std::string::npos) std::cerr << provider.said();
        CHECK(provider.said().find(sentence) != std::string::npos);
    };
    {
        const Directory directory;
        const host::Socket listener = host::listen_on_loopback();
        const std::string port = std::to_string(host::port_of(listener));
        says(directory, {"-sv2port=" + port}, "Cannot listen on 127.0.0.1 port " + port + ": Address already in use.");
    }
    {
        const Directory directory;
        says(directory, {"-sv2bind=192.0.2.1"}, "Cannot listen on 192.0.2.1 port 0: Cannot assign requested address.");
    }
    {
        const Directory directory;
        fs::create_directory(directory.path() / "regtest");
        write(directory.path() / "regtest/sv2_static_key", "short");
        says(directory, {}, "sv2_static_key does not hold a key.");
    }
    {
        const Directory directory;
        write(directory.path() / "regtest", "a file where a directory should be");
        says(directory, {}, "Cannot create " + (directory.path() / "regtest").string());
    }
#if !defined(SV2_WITH_NODE_IPC)
    {
        const Directory directory;
        says(directory, {"-ipcconnect=unix"}, "This build has no IPC, by which it would talk to Bitcoin Core");
    }
#endif
    {
        const Directory directory;
        ProviderProcess first{provider_program, directory.path(), small};
        first.address();
        says(directory, {}, "is in use: another template provider runs in this data directory.");
    }
}

void its_keys_and_its_blocks_survive_a_kill() {
    const Directory directory;
    std::string url, hash, height;
    {
        ProviderProcess provider{provider_program, directory.path(), small};
        url = provider.address();
        CHECK_EQUAL(provider.word_after("Template Provider authority key: "), url.substr(url.rfind('/') + 1));
        CHECK_EQUAL(std::system((check_program + " " + url + " -solve >/dev/null").c_str()), 0);
        hash = provider.word_after(" block ");
        CHECK_EQUAL(provider.word_after(hash + " accepted at height "), std::string{"111"});
        // The disk is not waited for: it may take a moment.
        const auto is_kept = [&] {
            return contents(directory.path() / "regtest/sv2_solutions").find(" 111 " + hash + " ") != std::string::npos;
        };
        for (int tries = 0; tries < 200 && !is_kept(); ++tries) ::usleep(50'000);
        CHECK(is_kept());
        CHECK_EQUAL(provider.end(SIGKILL), -SIGKILL);
        const std::string said = provider.said(), last = " accepted at height ";
        const auto from = said.rfind(last) + last.size();
        height = said.substr(from, said.find('\n', from) - from);
    }
    ProviderProcess again{provider_program, directory.path(), small};
    const std::string second = again.address();
    CHECK_EQUAL(second.substr(second.rfind('/')), url.substr(url.rfind('/')));
    CHECK_EQUAL(again.word_after("regtest chain at height "), height + ",");
}

void a_block_that_was_not_seen_accepted_is_mentioned_at_the_next_start() {
    const Directory directory;
    fs::create_directories(directory.path() / "regtest/sv2_blocks");
    write(directory.path() / "regtest/sv2_solutions", "found 1 101 " + hash_of(0xaa) + " 00 00\n");
    write(directory.path() / "regtest/sv2_blocks" / (hash_of(0xaa) + ".hex"), "00\n");
    ProviderProcess provider{provider_program, directory.path(), small};
    provider.address();
    CHECK_EQUAL(provider.word_after("block " + hash_of(0xaa) + " for height "), std::string{"101"});
    CHECK_EQUAL(provider.word_after("bitcoin-cli -stdin submitblock < "),
                (directory.path() / "regtest/sv2_blocks" / (hash_of(0xaa) + ".hex")).string());
}

void the_certificate_is_renewed_while_it_runs() {
    const Directory directory;
    ProviderProcess provider{provider_program, directory.path(), with({"-sv2certvalidity=4"})};
    const std::string url = provider.address();
    const std::uint32_t first = certificate_end(url);
    provider.word_after("the certificate was ");
    CHECK(certificate_end(url) > first);
}

#if defined(SV2_WITH_NODE_IPC)
void without_its_node_it_waits_and_has_clients() {
    const Directory directory;
    ProviderProcess provider{provider_program, directory.path(), {"-ipcconnect=unix"}};
    const std::string url = provider.address();
    CHECK_EQUAL(provider.word_after("the node is "), std::string{"away,"});
    CHECK(certificate_end(url) > 0);
    CHECK_EQUAL(provider.end(SIGTERM), 0);
}

void a_socket_whose_path_is_too_long_is_an_error() {
    const Directory directory;
    ProviderProcess provider{provider_program, directory.path(), {"-ipcconnect=unix:" + std::string(200, 'x')}};
    CHECK_EQUAL(provider.wait(), 1);
    CHECK(provider.said().find("The path of the node's socket is too long: ") != std::string::npos);
}
#endif

}  // namespace

int main(int argc, char** argv) {
    CHECK(argc == 3);
    provider_program = argv[1];
    check_program = argv[2];
    return run({
        {"keys are made once and are nobody else's", keys_are_made_once_and_are_nobody_elses},
        {"the files of sv2-tp are read, and kept from others", the_files_of_sv2_tp_are_read_and_kept_from_others},
        {"a corrupt key is an error and left as it is", a_corrupt_key_is_an_error_and_left_as_it_is},
        {"a key that is no file is an error", a_key_that_is_no_file_is_an_error},
        {"a file that is there is never replaced", a_file_that_is_there_is_never_replaced},
        {"programs that start at once get the same keys", programs_that_start_at_once_get_the_same_keys},
        {"what is found is on the disk when the program has ended", what_is_found_is_on_the_disk_when_the_program_has_ended},
        {"a solution is on the disk though the program is killed while it stores the block",
         a_solution_is_on_the_disk_though_the_program_is_killed_while_it_stores_the_block},
        {"a line that a crash left unfinished spoils no other", a_line_that_a_crash_left_unfinished_spoils_no_other},
        {"a block that cannot be written stops nothing", a_block_that_cannot_be_written_stops_nothing},
        {"one data directory is for one program", one_data_directory_is_for_one_program},
        {"a certificate is renewed at half time, and when the clock was set back",
         a_certificate_is_renewed_at_half_time_and_when_the_clock_was_set_back},
        {"a log that takes nothing keeps nobody waiting", a_log_that_takes_nothing_keeps_nobody_waiting},
        {"a signal ends it with success", a_signal_ends_it_with_success},
        {"a second signal ends it though it waits for a disk", a_second_signal_ends_it_though_it_waits_for_a_disk},
        {"it runs on though nobody reads what it says", it_runs_on_though_nobody_reads_what_it_says},
        {"upon SIGHUP it begins the log anew", upon_sighup_it_begins_the_log_anew},
        {"a second start leaves the files of the first alone", a_second_start_leaves_the_files_of_the_first_alone},
        {"what it cannot do it says in a sentence, and fails", what_it_cannot_do_it_says_in_a_sentence_and_fails},
        {"its keys and its blocks survive a kill", its_keys_and_its_blocks_survive_a_kill},
        {"a block that was not seen accepted is mentioned at the next start",
         a_block_that_was_not_seen_accepted_is_mentioned_at_the_next_start},
        {"the certificate is renewed while it runs", the_certificate_is_renewed_while_it_runs},
#if defined(SV2_WITH_NODE_IPC)
        {"without its node it waits, and has clients", without_its_node_it_waits_and_has_clients},
        {"a socket whose path is too long is an error", a_socket_whose_path_is_too_long_is_an_error},
#endif
    });
}
