// The embedded regtest chain of the examples.
//
//     regtest_chain_test             runs the cases
//     regtest_chain_test <datadir>   makes a chain of 130 blocks and 300 transactions there, for a node to judge
#include <host/regtest_chain.hpp>

#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <set>
#include <utility>

#include "check.hpp"

namespace {

using host::Bytes;
using host::ByteView;
using host::Hash;
using host::RegtestChain;
using host::SubmitResult;
using host::Template;
using host::Verdict;

namespace fs = std::filesystem;

constexpr std::uint64_t bitcoin = 100000000;

// A directory that is gone when the case ends.
class Directory {
public:
    Directory() {
        std::string pattern = (fs::temp_directory_path() / "sv2-regtest-chain-XXXXXX").string();
        CHECK(::mkdtemp(pattern.data()) != nullptr);
        path_ = pattern;
    }
    ~Directory() { fs::remove_all(path_); }
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;

    const fs::path& path() const { return path_; }
    fs::path blocks() const { return path_ / "blocks.hex"; }

private:
    fs::path path_;
};

// A clock that stands where the case puts it.
std::uint64_t now = 1700000000;

std::unique_ptr<RegtestChain> open(const fs::path& path) {
    std::string error;
    auto chain = RegtestChain::open(path, error, [] { return now; });
    CHECK_EQUAL(error, "");
    return chain;
}

std::string error_of_opening(const fs::path& path) {
    std::string error;
    CHECK(RegtestChain::open(path, error, [] { return now; }) == nullptr);
    return error;
}

std::vector<std::string> lines(const fs::path& file) {
    std::ifstream in(file);
    std::vector<std::string> all;
    for (std::string line; std::getline(in, line);) all.push_back(line);
    return all;
}

void write_lines(const fs::path& file, const std::vector<std::string>& all) {
    std::ofstream out(file, std::ios::trunc);
    for (const std::string& line : all) out << line << '\n';
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != text.npos; }

// A miner: what it puts into the coinbase, and the header it solves. Cases falsify one part or another.
struct Miner {
    std::uint64_t extra_value = 0;
    Bytes script{0x51, 0x52};  // stands for an extranonce
    Bytes script_pubkey{0x51};
    Bytes prefix, outputs;                      // instead of the template's, if not empty
    std::uint32_t lock_time = 0, sequence = 0;  // likewise
    bool with_witness = true;
    std::uint32_t version = 0x20000000;
    std::optional<std::uint32_t> time;
    bool solved = true;

    Bytes coinbase(const Template& from) const {
        const sv2_transaction_output output{from.coinbase_tx_value_remaining + extra_value, host::view(script_pubkey)};
        sv2_coinbase_template coinbase{};
        coinbase.coinbase_tx_version = from.coinbase_tx_version;
        coinbase.coinbase_tx_input_sequence = sequence != 0 ? sequence : from.coinbase_tx_input_sequence;
        coinbase.coinbase_prefix = host::view(prefix.empty() ? from.coinbase_prefix : prefix);
        coinbase.coinbase_tx_outputs = host::view(outputs.empty() ? from.coinbase_tx_outputs : outputs);
        coinbase.coinbase_tx_outputs_count = from.coinbase_tx_outputs_count;
        coinbase.coinbase_tx_locktime = lock_time != 0 ? lock_time : from.coinbase_tx_locktime;
        const Hash reserved_value{};
        return host::filled<std::uint8_t>([&](std::uint8_t* out, std::size_t capacity, std::size_t* length) {
                   return sv2_coinbase_build(&coinbase, host::view(script), {&output, 1},
                                             with_witness ? &reserved_value : nullptr, out, capacity, length);
               })
            .value();
    }

    SubmitResult submit(RegtestChain& chain, const Template& from) const {
        const Bytes bytes = coinbase(from);
        Hash txid, hash;
        host::must(sv2_transaction_txid(host::view(bytes), &txid, nullptr));
        sv2_block_header header{version, from.prev_hash, {}, time.value_or(from.time), from.nbits, 0};
        host::must(
            sv2_merkle_root_from_path(&txid, {from.merkle_path.data(), from.merkle_path.size()}, &header.merkle_root));
        for (;; ++header.nonce) {
            host::must(sv2_block_header_hash(&header, &hash));
            if (sv2_target_is_met(&from.target, &hash) == solved) break;
        }
        const SubmitResult result = chain.submit(from, version, header.time, header.nonce, bytes);
        CHECK(host::same(result.hash, hash));
        return result;
    }
};

// Submits a falsified block: it must be refused for this reason, and the chain stay as it is and accept the true one.
void check_rejected(const Miner& falsified, const std::string& reason) {
    const Directory directory;
    const auto chain = open(directory.path());
    CHECK_EQUAL(chain->add_transactions(3), 3u);
    const Hash tip = chain->tip();
    const auto on_tip = chain->make_template(4000, 400);
    const SubmitResult result = falsified.submit(*chain, *on_tip);
    CHECK_EQUAL(result.reason, reason);
    CHECK(result.verdict == Verdict::rejected);
    CHECK(host::same(chain->tip(), tip));
    CHECK_EQUAL(chain->mempool_size(), 3u);
    CHECK_EQUAL(lines(directory.blocks()).size(), 110u);
    CHECK(Miner{}.submit(*chain, *on_tip).verdict == Verdict::accepted);
}

void a_new_chain_mines_its_past() {
    const Directory directory;
    const auto chain = open(directory.path() / "made" / "on the way");
    CHECK_EQUAL(chain->height(), RegtestChain::premined);
    CHECK_EQUAL(chain->mempool_size(), 0u);
    const auto blocks = lines(directory.path() / "made" / "on the way" / "blocks.hex");
    CHECK_EQUAL(blocks.size(), 110u);
    CHECK(contains(blocks[0], host::hex(host::regtest::genesis_hash().bytes)));
    CHECK_EQUAL(chain->notice(), "");
}

void a_chain_is_the_same_after_opening_it_again() {
    const Directory directory;
    Hash tip;
    {
        const auto chain = open(directory.path());
        CHECK_EQUAL(chain->add_transactions(50), 50u);
        CHECK(chain->mine_one().verdict == Verdict::accepted);
        CHECK_EQUAL(chain->add_transactions(50), 50u);
        CHECK(chain->mine_one().verdict == Verdict::accepted);
        tip = chain->tip();
    }
    const auto chain = open(directory.path());
    CHECK_EQUAL(chain->height(), 112u);
    CHECK(host::same(chain->tip(), tip));
    CHECK_EQUAL(chain->add_transactions(500), 500u);
    CHECK(chain->mine_one().verdict == Verdict::accepted);
}

void transactions_raise_the_fees_and_come_after_what_they_spend() {
    const Directory directory;
    const auto chain = open(directory.path());
    CHECK_EQUAL(chain->make_template(4000, 400)->coinbase_tx_value_remaining, 50 * bitcoin);
    std::uint64_t fees = 0;
    for (const std::size_t count : {1u, 20u, 279u}) {
        CHECK_EQUAL(chain->add_transactions(count), count);
        CHECK(chain->mempool_fees() > fees);
        fees = chain->mempool_fees();
    }
    const auto on_tip = chain->make_template(4000, 400);
    CHECK_EQUAL(on_tip->transactions.size(), 300u);
    CHECK_EQUAL(on_tip->fees, fees);
    CHECK_EQUAL(on_tip->coinbase_tx_value_remaining, 50 * bitcoin + fees);
    std::set<Hash, host::HashLess> all, before;
    for (const auto& transaction : on_tip->transactions) all.insert(transaction->txid);
    std::size_t dependent = 0;
    for (const auto& transaction : on_tip->transactions) {
        CHECK(!host::same(transaction->txid, transaction->wtxid));
        if (all.contains(transaction->spends.txid)) {
            CHECK(before.contains(transaction->spends.txid));
            ++dependent;
        }
        before.insert(transaction->txid);
    }
    CHECK_EQUAL(all.size(), 300u);
    CHECK(dependent > 200);
}

void a_template_has_what_a_miner_needs() {
    const Directory directory;
    const auto chain = open(directory.path());
    const auto on_tip = chain->make_template(4000, 400);
    CHECK_EQUAL(on_tip->height, 111u);
    CHECK(host::same(on_tip->prev_hash, chain->tip()));
    CHECK_EQUAL(on_tip->version, 0x20000000u);
    CHECK_EQUAL(on_tip->nbits, 0x207fffffu);
    CHECK_EQUAL(on_tip->time, now);
    // The sixth of the last eleven blocks, which are ten minutes apart.
    CHECK_EQUAL(on_tip->min_time, host::regtest::genesis_time + 600 * 105 + 1);
    CHECK_EQUAL(host::hex(on_tip->coinbase_prefix), "016f");
    CHECK_EQUAL(on_tip->coinbase_tx_input_sequence, 0xfffffffeu);
    CHECK_EQUAL(on_tip->coinbase_tx_locktime, 110u);
    CHECK(on_tip->merkle_path.empty());
    // Of no transactions but the coinbase: the double hash of 64 zero bytes.
    CHECK_EQUAL(host::hex(on_tip->coinbase_tx_outputs),
                "0000000000000000266a24aa21a9ede2f61c3f71d1defd3fa999dfa36953755c690689799962b48bebd836974e8cf9");
    CHECK_EQUAL(on_tip->coinbase_tx_outputs_count, 1u);
}

void a_block_of_a_miner_becomes_the_tip() {
    const Directory directory;
    const auto chain = open(directory.path());
    CHECK_EQUAL(chain->add_transactions(30), 30u);
    const auto on_tip = chain->make_template(4000, 400);
    CHECK_EQUAL(chain->add_transactions(5), 5u);
    const SubmitResult result = Miner{}.submit(*chain, *on_tip);
    CHECK_EQUAL(result.reason, "");
    CHECK(result.verdict == Verdict::accepted);
    CHECK_EQUAL(result.height, 111u);
    CHECK(host::same(chain->tip(), result.hash));
    CHECK_EQUAL(chain->mempool_size(), 5u);
    CHECK_EQUAL(lines(directory.blocks()).back(), host::hex(result.block));
    CHECK(host::same(chain->make_template(4000, 400)->prev_hash, result.hash));
}

void a_template_can_be_solved_once() {
    const Directory directory;
    const auto chain = open(directory.path());
    const auto on_tip = chain->make_template(4000, 400);
    CHECK(Miner{}.submit(*chain, *on_tip).verdict == Verdict::accepted);
    CHECK(Miner{}.submit(*chain, *on_tip).verdict == Verdict::duplicate);
    Miner other;
    other.script = {0x53, 0x54};
    const SubmitResult late = other.submit(*chain, *on_tip);
    CHECK(late.verdict == Verdict::stale);
    CHECK_EQUAL(late.height, 111u);
    CHECK(!late.block.empty());
    CHECK_EQUAL(chain->height(), 111u);
    CHECK_EQUAL(lines(directory.blocks()).size(), 111u);
}

void a_block_that_breaks_a_rule_is_rejected() {
    Miner miner;
    miner.solved = false;
    check_rejected(miner, "high-hash");
    miner = {};
    miner.extra_value = 1;
    check_rejected(miner, "bad-cb-amount");
    miner = {};
    miner.extra_value = 21000000 * bitcoin;
    check_rejected(miner, "bad-txns-vout");
    miner = {};
    miner.prefix = {0x01, 0x70};
    check_rejected(miner, "bad-cb-height");
    miner = {};
    miner.with_witness = false;
    check_rejected(miner, "bad-witness-nonce-size");
    miner = {};
    miner.outputs = {0, 0, 0, 0, 0, 0, 0, 0, 1, 0x51};
    check_rejected(miner, "unexpected-witness");
    miner = {};
    miner.outputs = *host::from_hex("0000000000000000266a24aa21a9ed" + std::string(64, '7'));
    check_rejected(miner, "bad-witness-merkle-match");
    miner = {};
    miner.version = 3;
    check_rejected(miner, "bad-version");
    miner.version = 0xa0000000;
    check_rejected(miner, "bad-version");
    miner = {};
    miner.lock_time = 111;
    check_rejected(miner, "bad-txns-nonfinal");
    miner.lock_time = 1600000000;
    check_rejected(miner, "bad-txns-nonfinal");
    miner = {};
    miner.script_pubkey = Bytes(1001, 0xae);
    check_rejected(miner, "bad-blk-sigops");
    miner = {};
    miner.time = host::regtest::genesis_time + 600 * 105;
    check_rejected(miner, "time-too-old");
    miner.time = static_cast<std::uint32_t>(now + 7201);
    check_rejected(miner, "time-too-new");
}

// Miners that go to the limit of a rule and not beyond it.
std::vector<Miner> miners_at_the_limit() {
    std::vector<Miner> miners(6);
    miners[1].version = 0x3fffffe0;  // rolled bits
    miners[2].lock_time = 0xfffffffe;
    miners[2].sequence = 0xffffffff;
    miners[3].script_pubkey = Bytes(1000, 0xae);         // as many signature checks as a block may have
    miners[4].script_pubkey = {0x4d, 0xff, 0xff, 0xae};  // a push that runs out
    miners[5].script = Bytes(97, 0x51);                  // with the height it makes 100 bytes, from height 128 on
    return miners;
}

void what_is_allowed_is_not_rejected() {
    const Directory directory;
    const auto chain = open(directory.path());
    const auto check_accepted = [&](const Miner& miner) {
        const SubmitResult result = miner.submit(*chain, *chain->make_template(4000, 400));
        CHECK_EQUAL(result.reason, "");
        CHECK(result.verdict == Verdict::accepted);
    };
    for (const Miner& miner : miners_at_the_limit()) check_accepted(miner);
    Miner miner;
    miner.time = static_cast<std::uint32_t>(now + 7200);
    check_accepted(miner);
    miner.time = chain->make_template(4000, 400)->min_time;
    check_accepted(miner);
}

void a_coinbase_that_is_none_is_rejected() {
    const Directory directory;
    const auto chain = open(directory.path());
    const auto on_tip = chain->make_template(4000, 400);
    const SubmitResult nothing = chain->submit(*on_tip, on_tip->version, on_tip->time, 0, {});
    CHECK(nothing.verdict == Verdict::rejected);
    CHECK_EQUAL(nothing.reason, "the coinbase is no transaction");
    Bytes longer = Miner{}.coinbase(*on_tip);
    longer.push_back(0);
    CHECK_EQUAL(chain->submit(*on_tip, on_tip->version, on_tip->time, 0, longer).reason, nothing.reason);
    CHECK_EQUAL(chain->height(), 110u);
}

void a_template_leaves_the_room_that_was_asked_for() {
    const Directory directory;
    const auto chain = open(directory.path());
    CHECK_EQUAL(chain->add_transactions(9000), 9000u);
    const auto full = chain->make_template(4000, 400);
    CHECK(full->weight > 3980000 && full->weight <= 3996000);
    CHECK(chain->make_template(1000000, 400)->weight <= 3000000);
    CHECK(chain->make_template(0, 400)->weight <= 3998000);
    CHECK(chain->make_template(~std::uint64_t{0}, 400)->transactions.empty());
    CHECK(chain->make_template(4000, 80001)->transactions.empty());
    const SubmitResult result = chain->mine_one();
    CHECK(result.verdict == Verdict::accepted);
    CHECK(result.block.size() > 1000000);
    CHECK(chain->mempool_size() > 0);
    CHECK(chain->mine_one().verdict == Verdict::accepted);
    // In what is left, a transaction may spend what the first block confirmed.
    while (chain->mempool_size() > 0) CHECK(chain->mine_one().verdict == Verdict::accepted);
}

void time_goes_on_when_the_clock_goes_back() {
    const Directory directory;
    const auto chain = open(directory.path());
    for (int i = 0; i < 12; ++i) CHECK(chain->mine_one().verdict == Verdict::accepted);
    const std::uint64_t before = std::exchange(now, 1000);
    const auto on_tip = chain->make_template(4000, 400);
    now = before;
    CHECK_EQUAL(on_tip->time, on_tip->min_time);
    // The first six blocks are of one second, and with them the median; the next six of the second after.
    CHECK_EQUAL(on_tip->min_time, before + 2);
    CHECK(Miner{}.submit(*chain, *on_tip).verdict == Verdict::accepted);
}

void the_subsidy_halves_every_150_blocks() {
    const Directory directory;
    const auto chain = open(directory.path());
    while (chain->height() < 149) {
        CHECK_EQUAL(chain->make_template(4000, 400)->coinbase_tx_value_remaining, 50 * bitcoin);
        CHECK(chain->mine_one().verdict == Verdict::accepted);
    }
    CHECK_EQUAL(chain->make_template(4000, 400)->coinbase_tx_value_remaining, 25 * bitcoin);
    CHECK(chain->mine_one().verdict == Verdict::accepted);
    CHECK_EQUAL(host::regtest::subsidy(300), 1250000000u);
    CHECK_EQUAL(host::regtest::subsidy(64 * 150), 0u);
}

void a_damaged_file_is_named_with_its_line() {
    const Directory directory;
    CHECK(open(directory.path())->mine_one().verdict == Verdict::accepted);
    const auto good = lines(directory.blocks());
    const auto error_with = [&](std::size_t line, std::string text) {
        auto bad = good;
        bad[line - 1] = std::move(text);
        write_lines(directory.blocks(), bad);
        return error_of_opening(directory.path());
    };
    CHECK(contains(error_with(7, good[6] + "g"), "blocks.hex is corrupt: line 7 is not hex"));
    CHECK(contains(error_with(7, good[6] + "00"), "blocks.hex is corrupt: line 7: it is no block"));
    CHECK(contains(error_with(7, ""), "line 7: it is no block"));
    CHECK(contains(error_with(7, good[7]), "line 7: prev-blk-not-found"));
    std::string other_output = good[6];
    other_output[other_output.size() - 100] ^= 1;  // a digit within the coinbase
    CHECK(contains(error_with(7, other_output), "line 7: bad-txnmrklroot"));
    write_lines(directory.blocks(), good);
    CHECK_EQUAL(open(directory.path())->height(), 111u);
}

void a_line_that_a_crash_left_unfinished_is_cut_off() {
    const Directory directory;
    CHECK(open(directory.path())->mine_one().verdict == Verdict::accepted);
    fs::resize_file(directory.blocks(), fs::file_size(directory.blocks()) - 10);
    {
        const auto chain = open(directory.path());
        CHECK_EQUAL(chain->height(), 110u);
        CHECK(contains(chain->notice(), "unfinished line"));
        CHECK(chain->mine_one().verdict == Verdict::accepted);
    }
    CHECK_EQUAL(open(directory.path())->notice(), "");
    // So is the past itself, if the crash came that early.
    fs::resize_file(directory.blocks(), 10000);
    CHECK_EQUAL(open(directory.path())->height(), 110u);
}

void two_programs_cannot_share_a_directory() {
    const Directory directory;
    const auto chain = open(directory.path());
    CHECK(contains(error_of_opening(directory.path()), "blocks.hex is in use by another program"));
}

void a_directory_that_cannot_be_used_is_named() {
    const Directory directory;
    CHECK(contains(error_of_opening("/dev/null/chain"), "/dev/null/chain"));
    fs::create_directory(directory.blocks());
    CHECK(contains(error_of_opening(directory.path()), "blocks.hex failed: Is a directory"));
}

void a_block_that_does_not_fit_on_the_disk_is_not_in_the_chain() {
    const Directory directory;
    const auto chain = open(directory.path());
    CHECK_EQUAL(chain->add_transactions(3), 3u);
    const auto on_tip = chain->make_template(4000, 400);
    // A limit on the size of files stands in for a full disk.
    std::signal(SIGXFSZ, SIG_IGN);
    rlimit unlimited{};
    CHECK(::getrlimit(RLIMIT_FSIZE, &unlimited) == 0);
    const std::uintmax_t size = fs::file_size(directory.blocks());
    const rlimit limited{size + 100, unlimited.rlim_max};
    CHECK(::setrlimit(RLIMIT_FSIZE, &limited) == 0);
    const SubmitResult result = Miner{}.submit(*chain, *on_tip);
    CHECK(::setrlimit(RLIMIT_FSIZE, &unlimited) == 0);
    CHECK(result.verdict == Verdict::failed);
    CHECK(contains(result.reason, "writing") && contains(result.reason, "File too large"));
    CHECK_EQUAL(chain->height(), 110u);
    CHECK_EQUAL(fs::file_size(directory.blocks()), size);
    CHECK(Miner{}.submit(*chain, *on_tip).verdict == Verdict::accepted);
}

void a_chain_can_be_harder_than_regtest() {
    constexpr std::uint32_t nbits = 0x2000ffff;  // one hash in 256
    const Directory directory;
    const auto open_with = [&](std::uint32_t with, std::string& error) {
        return RegtestChain::open(directory.path(), error, [] { return now; }, with);
    };
    std::string error;
    {
        const auto chain = open_with(nbits, error);
        CHECK_EQUAL(error, "");
        CHECK_EQUAL(chain->height(), RegtestChain::premined);
        CHECK_EQUAL(chain->make_template(4000, 400)->nbits, nbits);
        const SubmitResult mined = chain->mine_one();
        CHECK(mined.verdict == Verdict::accepted);
        CHECK_EQUAL(mined.hash.bytes[31], 0);
        auto as_on_regtest = *chain->make_template(4000, 400);
        as_on_regtest.nbits = host::regtest::nbits;
        CHECK_EQUAL(Miner{}.submit(*chain, as_on_regtest).reason, "bad-diffbits");
    }
    CHECK_EQUAL(open_with(nbits, error)->height(), 111u);
    CHECK(contains(error_of_opening(directory.path()), "bad-diffbits"));
}

// For a node to judge: blocks of others and of the chain's own in turn.
int make_chain(const fs::path& datadir) {
    std::string error;
    const auto chain = RegtestChain::open(datadir, error);
    if (!chain) {
        std::cerr << error << '\n';
        return 1;
    }
    const std::vector<Miner> miners = miners_at_the_limit();
    for (std::size_t i = 0; i < 20; ++i) {
        CHECK_EQUAL(chain->add_transactions(15), 15u);
        const Miner& miner = miners[i % miners.size()];
        const SubmitResult result =
            i % 4 != 3 ? miner.submit(*chain, *chain->make_template(4000, 400)) : chain->mine_one();
        CHECK_EQUAL(result.reason, "");
    }
    std::cout << host::rpc_hex(chain->tip()) << ' ' << chain->height() << '\n';
    return 0;
}

}  // namespace

#define CASE(name) \
    { #name, name }

int main(int argc, char** argv) {
    if (argc > 1) return make_chain(argv[1]);
    return run({
        CASE(a_new_chain_mines_its_past),
        CASE(a_chain_is_the_same_after_opening_it_again),
        CASE(transactions_raise_the_fees_and_come_after_what_they_spend),
        CASE(a_template_has_what_a_miner_needs),
        CASE(a_block_of_a_miner_becomes_the_tip),
        CASE(a_template_can_be_solved_once),
        CASE(a_block_that_breaks_a_rule_is_rejected),
        CASE(what_is_allowed_is_not_rejected),
        CASE(a_coinbase_that_is_none_is_rejected),
        CASE(a_template_leaves_the_room_that_was_asked_for),
        CASE(time_goes_on_when_the_clock_goes_back),
        CASE(the_subsidy_halves_every_150_blocks),
        CASE(a_damaged_file_is_named_with_its_line),
        CASE(a_line_that_a_crash_left_unfinished_is_cut_off),
        CASE(two_programs_cannot_share_a_directory),
        CASE(a_directory_that_cannot_be_used_is_named),
        CASE(a_block_that_does_not_fit_on_the_disk_is_not_in_the_chain),
        CASE(a_chain_can_be_harder_than_regtest),
    });
}
