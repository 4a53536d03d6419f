// sv2-pool as a process, on its embedded chain: what miners get, what is on the disk when it is killed, and what it does about
// those who abuse it; its options; and the journal that its share log is written with.
#include <algorithm>
#include <array>
#include <chrono>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "check.hpp"
#include "directory.hpp"
#include "host/journal.hpp"
#include "host/socket.hpp"
#include "provider_process.hpp"
#include "sv2-pool/settings.hpp"
#include "sv2-pool/share_log.hpp"
#include "sv2.hpp"

namespace {

using namespace std::chrono_literals;

std::string program, provider_program;
constexpr auto patience = 20s;

std::string contents_of(const std::filesystem::path& path) {
    std::ostringstream text;
    text << std::ifstream{path}.rdbuf();
    return text.str();
}

std::size_t count(const std::string& text, std::string_view of) {
    std::size_t found = 0;
    for (auto at = text.find(of); at != text.npos; at = text.find(of, at + of.size())) ++found;
    return found;
}

// ------------------------------------------------------------------------------------------------------- a pool and a miner

class PoolProcess : public Process {
public:
    PoolProcess(const std::filesystem::path& directory, const std::vector<std::string>& options = {})
        : Process(program, directory, with(directory, options)) {}

    std::uint16_t port() const {
        const std::string address = this->address();
        return static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
    }

private:
    static std::vector<std::string> with(const std::filesystem::path& directory, const std::vector<std::string>& options) {
        std::vector<std::string> all{"--listen=127.0.0.1:0",         "--plaintext",
                                     "--payout=script:51",           "--embedded-mempool=3",         "--embedded-interval=0",
                                     "--data-dir=" + directory.string()};
        const bool on_a_provider =
            std::ranges::any_of(options, [](const std::string& of) { return of.starts_with("--template-provider="); });
        if (!on_a_provider) all.emplace_back("--template-provider=embedded");
        all.insert(all.end(), options.begin(), options.end());
        return all;
    }
};

// A standard channel over a connection without encryption.
class Miner {
public:
    explicit Miner(std::uint16_t port, std::string_view user = "alice.rig1")
        : socket_(host::connect_tcp("127.0.0.1", port)), connection_(*sv2::Connection::plain({})) {
        sv2_setup_connection setup{};
        setup.protocol = SV2_PROTOCOL_MINING;
        setup.min_version = setup.max_version = 2;
        setup.flags = SV2_FLAG_REQUIRES_STANDARD_JOBS;
        CHECK(connection_.send(setup).ok());
        sv2_open_standard_mining_channel open{1, sv2::str(user), 1e6F, {}};
        std::ranges::fill(open.max_target.bytes, 0xff);
        CHECK(connection_.send(open).ok());
    }

    // Works until `is_done`; false if the pool hung up first.
    template <class F>
    bool until(F is_done) {
        while (!is_done()) {
            while (!connection_.output().empty()) CHECK(connection_.sent(socket_.write(connection_.output(), patience)).ok());
            const std::size_t n = socket_.read(connection_.room(4096), patience);
            if (n == 0) return false;
            CHECK(connection_.received(n, sv2::now()).ok());
            for (sv2::Message message; connection_.next(message).ok();) take(message);
        }
        return true;
    }
    bool open() {
        return until([&] { return has_work_ || !refusal_.empty(); }) && refusal_.empty();
    }

    // Takes what the pool has said, until it says no more for a while.
    void catch_up() {
        try {
            for (;;) {
                const std::size_t n = socket_.read(connection_.room(4096), 500ms);
                CHECK(n > 0 && connection_.received(n, sv2::now()).ok());
                for (sv2::Message message; connection_.next(message).ok();) take(message);
            }
        } catch (const std::system_error& error) {
            CHECK(error.code() == std::errc::timed_out);
        }
    }

    // Hands in the next hash that meets nBits: a block.
    void find_block() {
        sv2_u256 target, hash;
        CHECK(sv2_target_from_nbits(header_.nbits, &target) == SV2_OK);
        do ++header_.nonce;
        while (sv2_block_header_hash(&header_, &hash) == SV2_OK && !sv2_target_is_met(&target, &hash));
        last_block_ = sv2::to_string(hash);
        has_work_ = false;
        CHECK(connection_
                  .send(sv2_submit_shares_standard{channel_id_, sequence_number_++, job_id_, header_.nonce, header_.time,
                                                   header_.version})
                  .ok());
    }
    // Hands in something for a job that there never was.
    void submit_for_unknown_job() {
        CHECK(connection_
                  .send(sv2_submit_shares_standard{channel_id_, sequence_number_++, job_id_ + 1'000, header_.nonce,
                                                   header_.time, header_.version})
                  .ok());
    }

    bool has_work() const { return has_work_; }
    std::uint32_t acknowledged() const { return acknowledged_; }
    const std::string& last_block() const { return last_block_; }
    const std::string& refusal() const { return refusal_; }
    const std::vector<std::string>& rejections() const { return rejections_; }
    bool is_told_to_reconnect() const { return reconnect_; }

private:
    void take(const sv2::Message& message) {
        sv2::visit(message, sv2::overloaded{
                                [&](const sv2_open_standard_mining_channel_success& e) { channel_id_ = e.channel_id; },
                                [&](const sv2_open_mining_channel_error& e) { refusal_ = sv2::text(e.error_code); },
                                [&](const sv2_new_mining_job& e) {
                                    jobs_[e.job_id] = e;
                                    if (e.min_ntime.present) work_on(e.job_id, e.min_ntime.value);
                                },
                                [&](const sv2_set_new_prev_hash& e) {
                                    header_.prev_hash = e.prev_hash;
                                    header_.nbits = e.nbits;
                                    work_on(e.job_id, e.min_ntime);
                                },
                                [&](const sv2_submit_shares_success& e) { acknowledged_ += e.new_submits_accepted_count; },
                                [&](const sv2_submit_shares_error& e) {
                                    rejections_.emplace_back(sv2::text(e.error_code));
                                },
                                [&](const sv2_reconnect&) { reconnect_ = true; },
                                [](const auto&) {},
                            });
    }
    void work_on(std::uint32_t job_id, std::uint32_t ntime) {
        job_id_ = job_id;
        header_.version = jobs_[job_id].version;
        header_.merkle_root = jobs_[job_id].merkle_root;
        header_.time = ntime;
        has_work_ = true;
    }

    host::Socket socket_;
    sv2::Connection connection_;
    std::map<std::uint32_t, sv2_new_mining_job> jobs_;
    sv2_block_header header_{};
    std::uint32_t channel_id_ = 0, job_id_ = 0, sequence_number_ = 0, acknowledged_ = 0;
    std::string last_block_, refusal_;
    std::vector<std::string> rejections_;
    bool has_work_ = false, reconnect_ = false;
};

// ---------------------------------------------------------------------------------------------------------------- the cases

void a_block_goes_to_the_template_provider_and_into_the_logs() {
    const Directory directory;
    PoolProcess pool{directory.path()};
    Miner miner{pool.port()};
    CHECK(miner.open());
    miner.find_block();
    CHECK(miner.until([&] { return miner.acknowledged() == 1 && miner.has_work(); }));
    const std::string block = miner.last_block();
    CHECK_EQUAL(pool.word_after("block " + block + " accepted at height "), "111");
    CHECK_EQUAL(pool.end(SIGTERM), 0);
    const std::string solutions = contents_of(directory.path() / "sv2_solutions");
    CHECK_EQUAL(count(solutions, " 111 " + block + " "), 1u);
    CHECK_EQUAL(count(solutions, "accepted "), 1u);
    const std::string shares = contents_of(directory.path() / "shares.log");
    CHECK(shares.starts_with("accepted "));
    CHECK_EQUAL(count(shares, " alice.rig1 - 1 "), 1u);
    CHECK_EQUAL(count(shares, " " + block + " "), 1u);
}

void a_kill_loses_no_block_and_no_share_that_is_older_than_a_second() {
    const Directory directory;
    PoolProcess pool{directory.path()};
    Miner miner{pool.port()};
    CHECK(miner.open());
    std::set<std::string> blocks;
    constexpr std::uint32_t number = 5;
    for (std::uint32_t i = 1; i <= number; ++i) {
        miner.find_block();
        blocks.insert(miner.last_block());
        CHECK(miner.until([&] { return miner.acknowledged() == i && miner.has_work(); }));
    }
    std::this_thread::sleep_for(1500ms);
    CHECK_EQUAL(pool.end(SIGKILL), -SIGKILL);
    const std::string solutions = contents_of(directory.path() / "sv2_solutions");
    const std::string shares = contents_of(directory.path() / "shares.log");
    for (const std::string& block : blocks) {
        CHECK_EQUAL(count(solutions, " " + block + " "), 1u);
        CHECK_EQUAL(count(shares, " " + block + " "), 1u);
    }
    // The next run goes on behind it.
    PoolProcess again{directory.path()};
    Miner next{again.port()};
    CHECK(next.open());
    next.find_block();
    CHECK(next.until([&] { return next.acknowledged() == 1; }));
    CHECK_EQUAL(again.end(SIGTERM), 0);
    CHECK_EQUAL(count(contents_of(directory.path() / "shares.log"), "accepted "), number + 1u);
}

void a_share_that_does_not_count_is_in_the_share_log_with_its_reason() {
    const Directory directory;
    PoolProcess pool{directory.path()};
    Miner miner{pool.port(), "bob smith%"};
    CHECK(miner.open());
    miner.find_block();
    CHECK(miner.until([&] { return miner.acknowledged() == 1 && miner.has_work(); }));
    miner.submit_for_unknown_job();
    CHECK(miner.until([&] { return !miner.rejections().empty(); }));
    CHECK_EQUAL(miner.rejections().front(), "invalid-job-id");
    CHECK_EQUAL(pool.end(SIGTERM), 0);
    const std::string shares = contents_of(directory.path() / "shares.log");
    CHECK_EQUAL(count(shares, "rejected "), 1u);
    CHECK_EQUAL(count(shares, " bob%20smith%25 - 1 "), 2u);
    CHECK_EQUAL(count(shares, " invalid-job-id\n"), 1u);
}

void at_the_end_miners_are_told_to_reconnect() {
    const Directory directory;
    PoolProcess pool{directory.path()};
    Miner miner{pool.port()};
    CHECK(miner.open());
    pool.signal(SIGTERM);
    CHECK(miner.until([&] { return miner.is_told_to_reconnect(); }));
    CHECK(!miner.until([] { return false; }));
    CHECK_EQUAL(pool.wait(), 0);
}

void a_user_is_paid_by_the_coinbase_or_refused() {
    const Directory directory;
    PoolProcess pool{directory.path(), {"--payout-to-user", "--fee=100"}};
    Miner nobody{pool.port(), "nobody.rig"};
    CHECK(!nobody.open());
    CHECK_EQUAL(nobody.refusal(), "invalid-user-identity");
    Miner miner{pool.port(), "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080.rig"};
    CHECK(miner.open());
    miner.find_block();
    CHECK(miner.until([&] { return miner.acknowledged() == 1 && miner.has_work(); }));
    CHECK_EQUAL(pool.end(SIGTERM), 0);
    // The coinbase's outputs: the user's first, then the pool's.
    const std::string solutions = contents_of(directory.path() / "sv2_solutions");
    const auto user = solutions.find("160014751e76e8199196d454941c45d1b3a323f1433bd6");
    CHECK(user != solutions.npos);
    CHECK(solutions.find("0151", user) != solutions.npos);
}

std::uint16_t port_at(const std::string& address) {
    return static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
}

const std::vector<std::string> provider_options{"-plaintext", "-mempool=3", "-txinterval=0"};

void a_preferred_provider_that_is_behind_is_not_followed() {
    const Directory first, second, third;
    auto preferred = std::make_unique<ProviderProcess>(provider_program, first.path(), provider_options);
    ProviderProcess other{provider_program, second.path(), provider_options};
    const auto port = port_at(preferred->address()), other_port = port_at(other.address());
    const std::string at = "127.0.0.1:" + std::to_string(port), other_at = "127.0.0.1:" + std::to_string(other_port);
    PoolProcess pool{third.path(),
                     {"--template-provider=" + at, "--template-provider=" + other_at, "--template-provider-plaintext",
                      "--network=regtest"}};
    const auto connections = [&] { return count(pool.said(), "connected to the template provider at " + at); };
    const auto wait_until = [](auto is_so) {
        for (int tries = 0; tries < 400 && !is_so(); ++tries) std::this_thread::sleep_for(50ms);
        CHECK(is_so());
    };
    Miner miner{pool.port()};
    CHECK(miner.open());
    wait_until([&] { return connections() == 1; });
    // The other one's chain goes on, while the preferred one is away.
    CHECK_EQUAL(preferred->end(SIGKILL), -SIGKILL);
    wait_until([&] { return count(pool.said(), "work comes from the template provider at " + other_at) == 1; });
    miner.catch_up();
    miner.find_block();
    CHECK(miner.until([&] { return miner.acknowledged() == 1 && miner.has_work(); }));
    CHECK_EQUAL(pool.word_after("block " + miner.last_block() + " accepted at height "), "111");
    auto options = provider_options;
    options.push_back("-sv2port=" + std::to_string(port));
    preferred = std::make_unique<ProviderProcess>(provider_program, first.path(), options);
    wait_until([&] { return connections() == 2; });
    miner.catch_up();
    miner.find_block();
    CHECK(miner.until([&] { return miner.acknowledged() == 2 && miner.has_work(); }));
    CHECK_EQUAL(pool.word_after("block " + miner.last_block() + " accepted at height "), "112");
}

void whoever_connects_too_often_is_refused_and_others_are_served() {
    const Directory directory;
    PoolProcess pool{directory.path(), {"--count-loopback", "--max-connections-per-minute=20"}};
    const std::uint16_t port = pool.port();
    Miner miner{port};
    CHECK(miner.open());
    int refused = 0;
    for (int i = 0; i < 60; ++i) {
        host::Socket socket = host::connect_tcp("127.0.0.1", port, patience);
        std::array<std::uint8_t, 1> bytes{};
        try {
            if (socket.read(bytes, 100ms) == 0) ++refused;
        } catch (const std::system_error& error) {
            if (error.code() != std::errc::timed_out) ++refused;  // reset
        }
    }
    CHECK(refused >= 30);
    miner.find_block();
    CHECK(miner.until([&] { return miner.acknowledged() == 1; }));
}

void garbage_is_hung_up_on_and_the_pool_goes_on() {
    const Directory directory;
    PoolProcess pool{directory.path()};
    const std::uint16_t port = pool.port();
    for (int i = 0; i < 10; ++i) {
        host::Socket socket = host::connect_tcp("127.0.0.1", port, patience);
        std::array<std::uint8_t, 512> bytes;
        bytes.fill(static_cast<std::uint8_t>(0xff - i));
        (void)socket.write(bytes, patience);
        try {
            while (socket.read(bytes, patience) > 0) {
            }
        } catch (const std::system_error& error) {
            CHECK(error.code() != std::errc::timed_out);
        }
    }
    Miner miner{port};
    CHECK(miner.open());
}

// ------------------------------------------------------------------------------------------------------- options and journal

std::string refusal_of(std::vector<std::string> arguments) {
    const auto read = read_settings(arguments);
    const auto* print = std::get_if<host::Print>(&read);
    CHECK(print != nullptr && print->status != 0);
    return print->text;
}

void what_is_wrong_with_an_option_is_said() {
    const auto says = [](const std::vector<std::string>& arguments, std::string_view text) {
        const std::string said = refusal_of(arguments);
        if (said.find(text) == said.npos) std::cerr << said;
        CHECK(said.find(text) != said.npos);
    };
    const std::string key = "9bXiEd8boQVhq7WddEcERUL5tyyJVFYdU8th3HfbNXK3Yw6GRXh";
    says({}, "A template provider is needed");
    says({"--template-provider=embedded"}, "Who is to be paid");
    says({"--template-provider=embedded", "--payout=script:5"}, "a scriptPubKey in hex");
    says({"--template-provider=embedded", "--payout=1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"},
         "it is an address of the main network, not of regtest");
    says({"--template-provider=embedded", "--network=main", "--payout=script:51"}, "The embedded chain is of regtest");
    says({"--template-provider=10.0.0.1:8442", "--payout=script:51"}, "The authority key of 10.0.0.1:8442 is needed");
    says({"--template-provider=10.0.0.1:8442", "--template-provider-plaintext", "--payout=script:51"},
         "Without encryption templates can only come from this machine");
    says({"--template-provider=10.0.0.1:8442", "--template-provider-key=" + key + "x", "--payout=script:51"},
         "is not an authority key");
    says({"--template-provider=embedded", "--payout=script:51", "--plaintext", "--listen=0.0.0.0:1"},
         "Without encryption miners can only be on this machine");
    says({"--template-provider=embedded", "--payout=script:51", "--server-id=300"}, "needs more than 1 bytes");
    says({"--template-provider=embedded", "--payout=script:51=0"}, "a number of parts");
    says({"--template-provider=embedded", "--shares-per-minute=nan"}, "shares-per-minute");
}

void a_file_says_what_the_command_line_can_say() {
    const Directory directory;
    const auto file = directory.path() / "pool.toml";
    std::ofstream{file} << "template-provider = [\"embedded\"]\n"
                           "payout = [\"script:51=3\", \"script:52=1\"]\n"
                           "listen = \"127.0.0.1:0\"\nserver-id = 513\nserver-id-bytes = 2\nshares-per-minute = 18.5\n"
                           "plaintext = true\nexempt = [\"10.0.0.0/8\"]\nmax-connections-per-minute = 5000\n";
    const auto read = read_settings({"--config=" + file.string(), "--shares-per-minute=20"});
    CHECK(std::holds_alternative<Settings>(read));
    const auto& settings = std::get<Settings>(read);
    CHECK(settings.templates.providers.empty());
    CHECK_EQUAL(settings.payout.size(), 2u);
    CHECK_EQUAL(settings.payout[0].parts, 3u);
    CHECK((settings.payout[1].script_pubkey == host::Bytes{0x52}));
    CHECK((settings.server_id == host::Bytes{2, 1}));
    CHECK_EQUAL(settings.shares_per_minute, 20.0);
    CHECK(settings.plaintext && settings.limits.exempt.size() == 1 && settings.limits.connections_per_minute == 5000);
}

void a_journal_that_cannot_begin_anew_goes_on_in_the_old_file() {
    const Directory directory;
    const auto place = directory.path() / "place", away = directory.path() / "away";
    std::filesystem::create_directory(place);
    std::string error;
    auto journal = host::Journal::open({.path = place / "lines", .what = "test", .batch = 10ms}, error);
    CHECK(journal != nullptr);
    const auto has = [](const std::filesystem::path& path, std::string_view text) {
        for (int tries = 0; tries < 500 && contents_of(path) != text; ++tries) std::this_thread::sleep_for(10ms);
        return contents_of(path) == text;
    };
    journal->add("first");
    CHECK(has(place / "lines", "first\n"));
    // No file can be made where a file stands for the directory.
    std::filesystem::rename(place, away);
    std::ofstream{place} << "in the way";
    journal->reopen();
    journal->add("second");
    CHECK(has(away / "lines", "first\nsecond\n"));
    std::filesystem::remove(place);
    std::filesystem::create_directory(place);
    for (int tries = 0; tries < 500 && !std::filesystem::exists(place / "lines"); ++tries) std::this_thread::sleep_for(10ms);
    journal->add("third");
    CHECK(has(place / "lines", "third\n"));
    CHECK_EQUAL(journal->lost(), 0u);
}

void a_journal_goes_on_behind_half_a_line_and_is_written_by_one_only() {
    const Directory directory;
    const auto path = directory.path() / "lines";
    std::ofstream{path} << "whole\nhal";
    {
        std::string error;
        const auto journal = host::Journal::open({.path = path, .what = "test", .batch = 10ms}, error);
        CHECK(journal != nullptr);
        CHECK(host::Journal::open({.path = path, .what = "test"}, error) == nullptr);
        CHECK(error.find("in use") != error.npos);
        journal->add("next");
        std::filesystem::rename(path, directory.path() / "moved");
        journal->reopen();
        for (int tries = 0; tries < 500 && !std::filesystem::exists(path); ++tries) std::this_thread::sleep_for(10ms);
        journal->add("in the new one");
        CHECK_EQUAL(journal->lost(), 0u);
    }
    CHECK_EQUAL(contents_of(directory.path() / "moved"), "whole\nhal\nnext\n");
    CHECK_EQUAL(contents_of(path), "in the new one\n");
}

}  // namespace

int main(int argc, char** argv) {
    CHECK(argc == 3);
    program = argv[1];
    provider_program = argv[2];
    std::signal(SIGPIPE, SIG_IGN);
    return run({
        {"what is wrong with an option is said", what_is_wrong_with_an_option_is_said},
        {"a file says what the command line can say", a_file_says_what_the_command_line_can_say},
        {"a journal goes on behind half a line, and is written by one only",
         a_journal_goes_on_behind_half_a_line_and_is_written_by_one_only},
        {"a journal that cannot begin anew goes on in the old file", a_journal_that_cannot_begin_anew_goes_on_in_the_old_file},
        {"a block goes to the template provider and into the logs", a_block_goes_to_the_template_provider_and_into_the_logs},
        {"a kill loses no block, and no share that is older than a second",
         a_kill_loses_no_block_and_no_share_that_is_older_than_a_second},
        {"a share that does not count is in the share log with its reason",
         a_share_that_does_not_count_is_in_the_share_log_with_its_reason},
        {"at the end miners are told to reconnect", at_the_end_miners_are_told_to_reconnect},
        {"a user is paid by the coinbase or refused", a_user_is_paid_by_the_coinbase_or_refused},
        {"whoever connects too often is refused, and others are served",
         whoever_connects_too_often_is_refused_and_others_are_served},
        {"a preferred provider that is behind is not followed", a_preferred_provider_that_is_behind_is_not_followed},
        {"garbage is hung up on, and the pool goes on", garbage_is_hung_up_on_and_the_pool_goes_on},
    });
}
