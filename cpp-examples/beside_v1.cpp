// Lesson 6: a small miner that shows what Stratum V1 would have sent for each message of Stratum V2.
//
//     beside_v1 stratum2+tcp://<host>:<port>/<authority key> [<shares>]
//
// It opens an extended channel, mines with one thread until so many shares are accepted or until SIGINT or SIGTERM, and prints
// how many bytes each side sent. Those of V2 are counted on the socket, with encryption. Those of V1 are the lines of JSON that the
// very same jobs, targets and shares make, without a blank that could be left out and without encryption, which V1 does not have.

#include <poll.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>

#include "host/bytes.hpp"
#include "host/socket.hpp"
#include "sv2.hpp"

namespace {

constexpr std::string_view user = "demo.beside_v1";
constexpr float nominal_hash_rate = 2e6;

volatile std::sig_atomic_t is_over = 0;

void check(sv2::Status status, const char* what) {
    if (status.is_error()) throw std::runtime_error(std::string{what} + ": " + status.message());
}

// Such as 2026-11-20T19:35:05.123456Z.
std::string utc_time() {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    std::tm utc{};
    ::gmtime_r(&now.tv_sec, &utc);
    char text[40];
    const std::size_t len = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    std::snprintf(text + len, sizeof text - len, ".%06ldZ", now.tv_nsec / 1000);
    return text;
}

// ------------------------------------------------------------------------------------------------------- what V1 would say

std::string hex_number(std::uint32_t number) {
    char digits[9];
    std::snprintf(digits, sizeof digits, "%08x", number);
    return digits;
}

std::string quoted(std::string_view text) {
    std::string quoted{'"'};
    quoted.append(text).push_back('"');
    return quoted;
}

// A job as it is kept until it is mined on: messages are only borrowed.
struct Job {
    std::uint32_t job_id = 0, version = 0;
    host::Bytes coinbase_tx_prefix, coinbase_tx_suffix;
    std::vector<sv2_u256> merkle_path;
};

std::string v1_notify(const Job& job, const sv2_set_new_prev_hash& tip, bool clean_jobs) {
    std::string branches;
    for (const sv2_u256& hash : job.merkle_path) {
        if (!branches.empty()) branches += ',';
        branches += quoted(host::hex(hash.bytes));
    }
    return "{\"id\":null,\"method\":\"mining.notify\",\"params\":[" + quoted(std::to_string(job.job_id)) + "," +
           quoted(host::hex(tip.prev_hash.bytes)) + "," + quoted(host::hex(job.coinbase_tx_prefix)) + "," +
           quoted(host::hex(job.coinbase_tx_suffix)) + ",[" + branches + "]," + quoted(hex_number(job.version)) + "," +
           quoted(hex_number(tip.nbits)) + "," + quoted(hex_number(tip.min_ntime)) + "," + (clean_jobs ? "true" : "false") +
           "]}\n";
}

std::string v1_submit(const sv2_submit_shares_extended& share) {
    return "{\"id\":" + std::to_string(share.sequence_number) + ",\"method\":\"mining.submit\",\"params\":[" + quoted(user) + "," +
           quoted(std::to_string(share.job_id)) + "," + quoted(host::hex(sv2::view(share.extranonce))) + "," +
           quoted(hex_number(share.ntime)) + "," + quoted(hex_number(share.nonce)) + "," + quoted(hex_number(share.version)) +
           "]}\n";
}

std::string v1_accepted(std::uint32_t id) { return "{\"id\":" + std::to_string(id) + ",\"result\":true,\"error\":null}\n"; }

std::string v1_rejected(std::uint32_t id, std::string_view why) {
    return "{\"id\":" + std::to_string(id) + ",\"result\":null,\"error\":[20," + quoted(why) + ",null]}\n";
}

std::string v1_difficulty(const sv2_u256& target) {
    char digits[32];
    const auto end = std::to_chars(digits, digits + sizeof digits, sv2_target_difficulty(&target)).ptr;
    return "{\"id\":null,\"method\":\"mining.set_difficulty\",\"params\":[" + std::string(digits, end) + "]}\n";
}

std::string v1_begin(const sv2_open_extended_mining_channel_success& open) {
    return "{\"id\":1,\"method\":\"mining.configure\",\"params\":[[\"version-rolling\"],{\"version-rolling.mask\":\"1fffe000\"}]}\n"
           "{\"id\":1,\"result\":{\"version-rolling\":true,\"version-rolling.mask\":\"1fffe000\"},\"error\":null}\n"
           "{\"id\":2,\"method\":\"mining.subscribe\",\"params\":[\"libsv2 lesson\"]}\n"
           "{\"id\":2,\"result\":[[[\"mining.notify\",\"1\"]]," + quoted(host::hex(sv2::view(open.extranonce_prefix))) + "," +
           std::to_string(open.extranonce_size) + "],\"error\":null}\n"
           "{\"id\":3,\"method\":\"mining.authorize\",\"params\":[" + quoted(user) + ",\"x\"]}\n"
           "{\"id\":3,\"result\":true,\"error\":null}\n" + v1_difficulty(open.target);
}

// What both protocols sent for the same purpose.
struct Tally {
    std::size_t v2_messages = 0, v2_bytes = 0, v1_lines = 0, v1_bytes = 0;

    void v1(const std::string& lines) {
        v1_lines += static_cast<std::size_t>(std::ranges::count(lines, '\n'));
        v1_bytes += lines.size();
    }
};

// Noise: each message is a header of 6 bytes and a payload in pieces of up to 65,519 bytes, each piece with a code of 16 (spec 4.6).
std::size_t encrypted_len(const sv2_message& message) {
    constexpr std::size_t header = 6, code = 16, piece = 65'519;
    const auto len = sv2::encoded_len(message);
    if (!len) throw std::runtime_error("a message cannot be measured");
    const std::size_t payload = *len - header;
    return header + code + payload + (payload + piece - 1) / piece * code;
}

// --------------------------------------------------------------------------------------------------------------- the miner

class Miner {
public:
    explicit Miner(const sv2::Url& url)
        : socket_(host::connect_tcp(url.host, url.port)), connection_(make(url)) {
        sv2_setup_connection setup{};
        setup.protocol = SV2_PROTOCOL_MINING;
        setup.min_version = setup.max_version = 2;
        setup.endpoint_host = sv2::str(url.host);
        setup.endpoint_port = url.port;
        setup.vendor = sv2::str("libsv2 lesson");
        send(opening_, setup);
    }

    // Mines until it is over, or until so many shares are accepted, if that is not 0.
    void run(std::uint64_t shares) {
        while (!is_over && (shares == 0 || accepted_ < shares)) {
            const bool mines = has_tip_ && active_.job_id != 0;
            if (!is_readable(mines ? 0 : 100)) {
                if (mines) search();
                continue;
            }
            const std::size_t n = socket_.read(connection_.room(4096));
            if (n == 0) break;
            socket_bytes_ += n;
            check(connection_.received(n, sv2::now()), "received");
            sv2::Message message;
            sv2::Status status;
            while ((status = connection_.next(message)).ok()) {
                sv2::visit(message, [&](const auto& fields) { handle(message, fields); });
            }
            flush();
            if (status.is_error()) throw std::runtime_error(connection_.error());
        }
    }

    void print() const {
        const auto row = [](const char* what, const Tally& of) {
            std::printf("  %-34s %5zu messages %7zu bytes  %5zu lines %7zu bytes\n", what, of.v2_messages, of.v2_bytes, of.v1_lines,
                        of.v1_bytes);
        };
        std::printf("%llu shares accepted, %llu rejected; of Stratum V2, and of V1 for the same:\n",
                    static_cast<unsigned long long>(accepted_), static_cast<unsigned long long>(rejected_));
        row("set-up, channel, first target", opening_);
        row("jobs and tips", jobs_);
        row("targets", targets_);
        row("shares", shares_);
        row("answers to them", answers_);
        const std::size_t counted = opening_.v2_bytes + jobs_.v2_bytes + targets_.v2_bytes + shares_.v2_bytes + answers_.v2_bytes;
        std::printf("  %-34s       %17zu bytes\n", "Noise handshake, and the rest", socket_bytes_ - counted);
        if (accepted_ + rejected_ == 0) return;
        const auto each = [&](std::size_t bytes) { return static_cast<double>(bytes) / static_cast<double>(accepted_ + rejected_); };
        std::printf("bytes per share, with its answer: %.0f; V1: %.0f\n", each(shares_.v2_bytes + answers_.v2_bytes),
                    each(shares_.v1_bytes + answers_.v1_bytes));
    }

private:
    static sv2::Connection make(const sv2::Url& url) {
        auto connection =
            sv2::Connection::initiator({.authority_key = url.authority_key, .allow_unauthenticated = !url.authority_key});
        if (!connection) throw std::runtime_error(connection.status().message());
        return *std::move(connection);
    }

    bool is_readable(int timeout_ms) const {
        pollfd one{socket_.fd(), POLLIN, 0};
        return ::poll(&one, 1, timeout_ms) > 0;
    }

    void flush() {
        for (auto out = connection_.output(); !out.empty(); out = connection_.output()) {
            const std::size_t n = socket_.write(out);
            socket_bytes_ += n;
            check(connection_.sent(n), "sent");
        }
    }

    template <class M>
    void send(Tally& tally, const M& fields) {
        tally.v2_messages += 1;
        tally.v2_bytes += encrypted_len(sv2::message_of(fields));
        check(connection_.send(fields), "send");
        flush();
    }

    static void count(Tally& tally, const sv2_message& message) {
        tally.v2_messages += 1;
        tally.v2_bytes += encrypted_len(message);
    }

    void handle(const sv2_message& message, const sv2_setup_connection_success&) {
        count(opening_, message);
        sv2_open_extended_mining_channel open{};
        open.user_identity = sv2::str(user);
        open.nominal_hash_rate = nominal_hash_rate;
        std::ranges::fill(open.max_target.bytes, std::uint8_t{0xff});
        open.min_extranonce_size = 4;
        send(opening_, open);
    }

    void handle(const sv2_message& message, const sv2_open_extended_mining_channel_success& open) {
        count(opening_, message);
        opening_.v1(v1_begin(open));
        channel_id_ = open.channel_id;
        target_ = open.target;
        const sv2::Bytes prefix = sv2::view(open.extranonce_prefix);
        prefix_.assign(prefix.begin(), prefix.end());
        extranonce_.assign(open.extranonce_size, 0);
    }

    void handle(const sv2_message& message, const sv2_new_extended_mining_job& of) {
        count(jobs_, message);
        Job job{of.job_id, of.version, {}, {}, {}};
        const sv2::Bytes prefix = sv2::view(of.coinbase_tx_prefix), suffix = sv2::view(of.coinbase_tx_suffix);
        job.coinbase_tx_prefix.assign(prefix.begin(), prefix.end());
        job.coinbase_tx_suffix.assign(suffix.begin(), suffix.end());
        const auto path = sv2::list(of.merkle_path);
        job.merkle_path.assign(path.begin(), path.end());
        if (const auto min_ntime = sv2::option(of.min_ntime)) {
            tip_.min_ntime = std::max(tip_.min_ntime, *min_ntime);
            activate(std::move(job), false);
        } else {
            future_[of.job_id] = std::move(job);
        }
    }

    void handle(const sv2_message& message, const sv2_set_new_prev_hash& tip) {
        count(jobs_, message);
        tip_ = tip;
        has_tip_ = true;
        std::printf("%s new tip %s\n", utc_time().c_str(), sv2::to_string(tip.prev_hash).c_str());
        std::fflush(stdout);
        auto job = future_.extract(tip.job_id);
        future_.clear();
        active_ = {};
        if (!job.empty()) activate(std::move(job.mapped()), true);
    }

    void handle(const sv2_message& message, const sv2_set_target& set) {
        count(targets_, message);
        targets_.v1(v1_difficulty(set.maximum_target));
        target_ = set.maximum_target;
    }

    void handle(const sv2_message& message, const sv2_set_extranonce_prefix& set) {
        count(targets_, message);
        const sv2::Bytes prefix = sv2::view(set.extranonce_prefix);
        prefix_.assign(prefix.begin(), prefix.end());
        targets_.v1("{\"id\":null,\"method\":\"mining.set_extranonce\",\"params\":[" + quoted(host::hex(prefix)) + "," +
                    std::to_string(extranonce_.size()) + "]}\n");
    }

    void handle(const sv2_message& message, const sv2_submit_shares_success& success) {
        count(answers_, message);
        accepted_ += success.new_submits_accepted_count;
        // V1 answers each share.
        for (std::uint32_t i = success.new_submits_accepted_count; i-- > 0;) answers_.v1(v1_accepted(success.last_sequence_number - i));
    }

    void handle(const sv2_message& message, const sv2_submit_shares_error& error) {
        count(answers_, message);
        ++rejected_;
        answers_.v1(v1_rejected(error.sequence_number, sv2::text(error.error_code)));
    }

    void handle(const sv2_message&, const sv2_setup_connection_error& error) {
        throw std::runtime_error("the server refuses: " + std::string{sv2::text(error.error_code)});
    }

    void handle(const sv2_message&, const sv2_open_mining_channel_error& error) {
        throw std::runtime_error("no channel: " + std::string{sv2::text(error.error_code)});
    }

    template <class M>
    void handle(const sv2_message& message, const M&) {
        count(opening_, message);
    }

    void activate(Job job, bool clean_jobs) {
        jobs_.v1(v1_notify(job, tip_, clean_jobs));
        active_ = std::move(job);
        job_target_ = target_;  // a SetTarget is for the jobs after it
        next_extranonce();
    }

    // The next part of the work: another coinbase, and so another merkle root.
    void next_extranonce() {
        for (std::uint8_t& byte : extranonce_) {
            if (++byte != 0) break;
        }
        host::Bytes coinbase = active_.coinbase_tx_prefix;
        for (const host::Bytes* part : {&prefix_, &extranonce_, &active_.coinbase_tx_suffix}) {
            coinbase.insert(coinbase.end(), part->begin(), part->end());
        }
        const host::Hash txid = host::sha256d(coinbase);
        header_ = {};
        header_.version = active_.version;
        header_.prev_hash = tip_.prev_hash;
        header_.nbits = tip_.nbits;
        header_.time = std::max(tip_.min_ntime, static_cast<std::uint32_t>(sv2::now().unix_s));
        host::must(sv2_merkle_root_from_path(&txid, sv2::list(active_.merkle_path), &header_.merkle_root));
        host::must(sv2_block_header_to_bytes(&header_, bytes_.data()));
    }

    void search() {
        constexpr std::uint32_t tries = 20'000;
        constexpr std::size_t nonce_at = 76;
        for (std::uint32_t i = 0; i < tries; ++i) {
            const std::uint32_t nonce = header_.nonce++;
            for (std::size_t byte = 0; byte < 4; ++byte) bytes_[nonce_at + byte] = static_cast<std::uint8_t>(nonce >> (8 * byte));
            const host::Hash hash = host::sha256d(bytes_);
            if (sv2_target_is_met(&job_target_, &hash)) submit(nonce);
            if (header_.nonce == 0) return next_extranonce();
        }
    }

    void submit(std::uint32_t nonce) {
        sv2_submit_shares_extended share{};
        share.channel_id = channel_id_;
        share.sequence_number = ++sequence_number_;
        share.job_id = active_.job_id;
        share.nonce = nonce;
        share.ntime = header_.time;
        share.version = header_.version;
        share.extranonce = sv2::bytes(extranonce_);
        send(shares_, share);
        shares_.v1(v1_submit(share));
    }

    host::Socket socket_;
    sv2::Connection connection_;
    std::size_t socket_bytes_ = 0;
    Tally opening_, jobs_, targets_, shares_, answers_;
    std::uint64_t accepted_ = 0, rejected_ = 0;

    std::uint32_t channel_id_ = 0, sequence_number_ = 0;
    sv2_u256 target_{}, job_target_{};
    host::Bytes prefix_, extranonce_;
    std::map<std::uint32_t, Job> future_;
    Job active_;
    sv2_set_new_prev_hash tip_{};
    bool has_tip_ = false;
    sv2_block_header header_{};
    std::array<std::uint8_t, SV2_BLOCK_HEADER_LEN> bytes_{};
};

}  // namespace

int main(int argc, char** argv) {
    const std::string first = argc > 1 ? argv[1] : "--help";
    const auto url = sv2::Url::parse(first);
    if (!url || argc > 3) {
        std::printf("usage: beside_v1 stratum2+tcp://<host>:<port>/<authority key> [<shares>]\n");
        return first == "--help" ? 0 : 2;
    }
    for (const int signal : {SIGINT, SIGTERM}) std::signal(signal, [](int) { is_over = 1; });
    try {
        Miner miner{*url};
        miner.run(argc == 3 ? std::strtoull(argv[2], nullptr, 10) : 0);
        miner.print();
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "beside_v1: %s\n", error.what());
        return 1;
    }
}
