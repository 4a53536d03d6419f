#include "regtest_chain.hpp"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <set>
#include <system_error>
#include <utility>

namespace host {
namespace {

constexpr std::uint32_t block_version = 0x20000000;
constexpr std::uint64_t one_bitcoin = 100000000;

// The witness reserved value (BIP 141) is 32 zero bytes today.
constexpr Hash reserved_value{};

// What header, count and a small coinbase need; never is less kept free (Bitcoin Core has the same floor).
constexpr std::uint64_t least_reserved_weight = 2000;

// Header times may be this far ahead of the clock.
constexpr std::uint64_t max_future_seconds = 2 * 60 * 60;

// What a coinbase "spends", by which its outputs differ from those of all other coinbases.
Outpoint coinbase_source(std::uint32_t height) { return {Hash{}, height}; }

Bytes height_push(std::uint32_t height) {
    Bytes push(SV2_HEIGHT_PUSH_MAX_LEN);
    std::size_t length = 0;
    must(sv2_height_push(height, push.data(), push.size(), &length));
    push.resize(length);
    return push;
}

std::vector<Hash> merkle_path(const std::vector<Hash>& txids) {
    return filled<Hash>([&](Hash* out, std::size_t capacity, std::size_t* count) {
               return sv2_merkle_path({txids.data(), txids.size()}, out, capacity, count);
           })
        .value();
}

// The output that carries the witness commitment.
Bytes commitment_output(const std::vector<Hash>& wtxids) {
    Hash commitment;
    must(sv2_witness_commitment({wtxids.data(), wtxids.size()}, &reserved_value, &commitment));
    Bytes script(SV2_WITNESS_COMMITMENT_SCRIPT_LEN);
    must(sv2_witness_commitment_script(&commitment, script.data()));
    Bytes output;
    append_integer(output, 0, 8);
    append_sized(output, script);
    return output;
}

// The coinbase of `from` that pays everything to the chain itself.
Bytes own_coinbase(const Template& from) {
    const Bytes script_pubkey = HashLock(coinbase_source(from.height), 0).script_pubkey();
    const sv2_transaction_output output{from.coinbase_tx_value_remaining, view(script_pubkey)};
    const Bytes filler{0};  // OP_0: a scriptSig has at least two bytes, and up to height 16 the prefix is one
    const sv2_coinbase_template coinbase{
        .coinbase_tx_version = from.coinbase_tx_version,
        .coinbase_tx_input_sequence = from.coinbase_tx_input_sequence,
        .coinbase_prefix = view(from.coinbase_prefix),
        .coinbase_tx_outputs = view(from.coinbase_tx_outputs),
        .coinbase_tx_outputs_count = from.coinbase_tx_outputs_count,
        .coinbase_tx_locktime = from.coinbase_tx_locktime,
    };
    return filled<std::uint8_t>([&](std::uint8_t* out, std::size_t capacity, std::size_t* length) {
               return sv2_coinbase_build(&coinbase, view(filler), {&output, 1}, &reserved_value, out, capacity, length);
           })
        .value();
}

// The header of the block that `solved` becomes with `coinbase`; nothing if that is no transaction.
std::optional<sv2_block_header> header_of(const Template& solved, ByteView coinbase) {
    Hash txid;
    if (sv2_transaction_txid(view(coinbase), &txid, nullptr) != SV2_OK) return std::nullopt;
    sv2_block_header header{
        .version = solved.version,
        .prev_hash = solved.prev_hash,
        .merkle_root = {},
        .time = solved.time,
        .nbits = solved.nbits,
        .nonce = 0,
    };
    must(sv2_merkle_root_from_path(&txid, {solved.merkle_path.data(), solved.merkle_path.size()}, &header.merkle_root));
    return header;
}

// Finds a nonce: on regtest every second hash will do.
std::uint32_t solve(sv2_block_header header, const Hash& target) {
    for (Hash hash;; ++header.nonce) {
        must(sv2_block_header_hash(&header, &hash));
        if (sv2_target_is_met(&target, &hash)) return header.nonce;
    }
}

Bytes assemble(const sv2_block_header& header, ByteView coinbase, const Template& solved) {
    std::vector<sv2_bytes> transactions;
    for (const auto& transaction : solved.transactions) transactions.push_back(view(transaction->bytes));
    return filled<std::uint8_t>([&](std::uint8_t* out, std::size_t capacity, std::size_t* length) {
               return sv2_block_assemble(&header, view(coinbase), {transactions.data(), transactions.size()}, out,
                                         capacity, length);
           })
        .value();
}

}  // namespace

std::uint64_t RegtestChain::system_clock() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(now).count());
}

RegtestChain::RegtestChain(Clock clock, std::uint32_t nbits)
    : clock_(std::move(clock)), nbits_(nbits),
      headers_{{regtest::genesis_hash(), regtest::genesis_time}},
      heights_{{regtest::genesis_hash(), 0}} {}

// Opening

std::unique_ptr<RegtestChain> RegtestChain::open(const std::filesystem::path& datadir, std::string& error,
                                                 Clock clock, std::uint32_t nbits) {
    std::unique_ptr<RegtestChain> chain(new RegtestChain(std::move(clock), nbits));
    error = chain->load(datadir);
    if (!error.empty()) chain.reset();
    return chain;
}

std::string RegtestChain::load(const std::filesystem::path& datadir) {
    std::error_code failure;
    std::filesystem::create_directories(datadir, failure);
    if (failure) return "creating " + datadir.string() + " failed: " + failure.message();
    std::vector<Bytes> blocks;
    std::string error;
    file_ = BlockFile::open(datadir / "blocks.hex", blocks, error);
    if (!file_) return error;
    if (file_->cut_off() > 0)
        notice_ = "blocks.hex ended in an unfinished line of " + std::to_string(file_->cut_off()) +
                  " bytes, which was cut off";
    error = replay(blocks);
    if (!error.empty()) return (datadir / "blocks.hex").string() + " is corrupt: " + error;
    while (height() < premined) {
        // Long past, ten minutes apart; a chain that a crash left short may have later times.
        const std::uint32_t regular = regtest::genesis_time + 600 * (height() + 1);
        const SubmitResult mined = mine(std::max(regular, median_time_past() + 1), false);
        if (mined.verdict != Verdict::accepted) return "mining the first blocks failed: " + mined.reason;
    }
    collect_spendable();
    return file_->sync();
}

std::string RegtestChain::replay(const std::vector<Bytes>& blocks) {
    for (const Bytes& bytes : blocks) {
        const std::optional<BlockView> block = read_block(bytes);
        Tip tip = tip_to_extend();
        tip.latest_time.reset();  // the clock may have gone back since
        const std::string reason = block ? check_block(*block, tip) : "it is no block";
        if (!reason.empty()) return "line " + std::to_string(height() + 1) + ": " + reason;
        connect(*block);
    }
    return {};
}

// Transactions and templates

std::uint64_t RegtestChain::mempool_fees() const {
    std::uint64_t fees = 0;
    for (const auto& transaction : mempool_) fees += transaction->fee;
    return fees;
}

// Two of three transactions spend what was created last, so that the mempool is full of families.
Coin RegtestChain::take_coin() {
    const bool newest = transactions_made_ % 3 != 0;
    const auto taken = newest ? std::prev(spendable_.end()) : spendable_.begin();
    const Coin coin = *taken;
    spendable_.erase(taken);
    return coin;
}

std::size_t RegtestChain::add_transactions(std::size_t count) {
    std::size_t added = 0;
    while (added < count && !spendable_.empty()) {
        const Coin coin = take_coin();
        // Whole coinbases are spread out, so that there is much to spend; 250 to 12,500 satoshis per 1000 weight units.
        const std::size_t outputs = coin.value > one_bitcoin ? 16 : 2;
        const std::uint64_t fee_rate = 250 * (1 + transactions_made_ * 37 % 50);
        std::optional<Transaction> transaction = spend(coin, outputs, fee_rate);
        if (!transaction) continue;  // too little to go on with
        spendable_.insert(spendable_.end(), transaction->coins.begin(), transaction->coins.end());
        mempool_.push_back(std::make_shared<const Transaction>(*std::move(transaction)));
        ++transactions_made_;
        ++added;
    }
    return added;
}

std::shared_ptr<const Template> RegtestChain::make_template(std::uint64_t reserved_weight,
                                                            std::uint64_t reserved_sigops) const {
    auto made = std::make_shared<Template>();
    made->height = height() + 1;
    made->prev_hash = tip();
    made->version = block_version;
    made->nbits = next_nbits();
    made->min_time = median_time_past() + 1;
    made->time = static_cast<std::uint32_t>(std::max<std::uint64_t>(clock_(), made->min_time));
    must(sv2_target_from_nbits(made->nbits, &made->target));

    // In the order in which they came: parents stand before their children, and a child of one that found no room is
    // left out too. None of them has signature checks, so that a block's budget for those is the coinbase's alone.
    const bool over_budget = reserved_sigops > regtest::max_block_sigops_cost;
    const std::uint64_t room =
        regtest::max_block_weight - std::clamp(reserved_weight, least_reserved_weight, regtest::max_block_weight);
    std::vector<Hash> txids, wtxids;
    std::set<Hash, HashLess> left_out;
    for (const auto& transaction : mempool_) {
        const std::uint64_t weight = made->weight + transaction->weight;
        if (weight > room || over_budget || left_out.contains(transaction->spends.txid)) {
            left_out.insert(transaction->txid);
            continue;
        }
        made->weight = weight;
        made->fees += transaction->fee;
        made->transactions.push_back(transaction);
        txids.push_back(transaction->txid);
        wtxids.push_back(transaction->wtxid);
    }
    made->merkle_path = merkle_path(txids);

    made->coinbase_tx_version = 2;
    made->coinbase_prefix = height_push(made->height);
    made->coinbase_tx_input_sequence = 0xfffffffe;  // not final, so that the lock time counts
    made->coinbase_tx_value_remaining = regtest::subsidy(made->height) + made->fees;
    made->coinbase_tx_outputs = commitment_output(wtxids);
    made->coinbase_tx_outputs_count = 1;
    made->coinbase_tx_locktime = made->height - 1;  // BIP 54: no two coinbases can be alike
    return made;
}

// Blocks

SubmitResult RegtestChain::submit(const Template& solved, std::uint32_t version, std::uint32_t time,
                                  std::uint32_t nonce, ByteView coinbase) {
    std::optional<sv2_block_header> header = header_of(solved, coinbase);
    if (!header) return {Verdict::rejected, solved.height, {}, {}, "the coinbase is no transaction"};
    header->version = version;
    header->time = time;
    header->nonce = nonce;
    SubmitResult result = submit_block(assemble(*header, coinbase, solved), true);
    result.height = solved.height;
    return result;
}

SubmitResult RegtestChain::mine_one() {
    const std::uint64_t earliest = median_time_past() + 1;
    return mine(static_cast<std::uint32_t>(std::max(clock_(), earliest)), true);
}

SubmitResult RegtestChain::mine(std::uint32_t time, bool sync) {
    const auto from = make_template(least_reserved_weight, 0);
    const Bytes coinbase = own_coinbase(*from);
    sv2_block_header header = header_of(*from, coinbase).value();
    header.time = time;
    header.nonce = solve(header, from->target);
    return submit_block(assemble(header, coinbase, *from), sync);
}

SubmitResult RegtestChain::submit_block(Bytes bytes, bool sync) {
    SubmitResult result;
    result.height = height() + 1;
    result.block = std::move(bytes);
    const std::optional<BlockView> block = read_block(result.block);
    if (!block) {
        result.reason = "it is no block";
        return result;
    }
    result.hash = block->hash;
    if (heights_.contains(block->hash)) {
        result.verdict = Verdict::duplicate;
        result.reason = "the block is in the chain already";
        return result;
    }
    if (heights_.contains(block->header.prev_hash) && !same(block->header.prev_hash, tip())) {
        result.verdict = Verdict::stale;
        result.reason = "its parent is no longer the tip";
        return result;
    }
    result.reason = check_block(*block, tip_to_extend());
    if (!result.reason.empty()) return result;
    result.reason = file_->append(result.block);
    if (result.reason.empty() && sync) {
        result.reason = file_->sync();
        if (!result.reason.empty()) file_->forget_unsynced();
    }
    if (!result.reason.empty()) {
        result.verdict = Verdict::failed;
        return result;
    }
    connect(*block);
    result.verdict = Verdict::accepted;
    return result;
}

Tip RegtestChain::tip_to_extend() const {
    const auto value_of = [this](const Outpoint& outpoint) -> std::optional<std::uint64_t> {
        const auto found = coins_.find(outpoint);
        if (found == coins_.end() || found->second.spendable_from > height() + 1) return std::nullopt;
        return found->second.coin.value;
    };
    return {
        .hash = tip(),
        .height = height(),
        .median_time_past = median_time_past(),
        .nbits = next_nbits(),
        .latest_time = clock_() + max_future_seconds,
        .value_of = value_of,
    };
}

void RegtestChain::connect(const BlockView& block) {
    const std::uint32_t at = height() + 1;
    std::set<Hash, HashLess> confirmed;
    for (const TransactionView& transaction : block.transactions) {
        const bool is_coinbase = &transaction == &block.transactions.front();
        const auto& first = transaction.inputs.front();
        const Outpoint source = is_coinbase ? coinbase_source(at) : Outpoint{first.prev_txid, first.prev_index};
        for (const auto& input : transaction.inputs) coins_.erase({input.prev_txid, input.prev_index});
        for (std::uint32_t index = 0; index < transaction.outputs.size(); ++index) {
            const auto& output = transaction.outputs[index];
            const HashLock lock(source, index);
            if (!std::ranges::equal(lock.script_pubkey(), span_of(output.script_pubkey))) continue;
            const Outpoint outpoint{transaction.txid, index};
            const std::uint32_t spendable_from = is_coinbase ? at + regtest::coinbase_maturity : at;
            coins_.insert_or_assign(outpoint, Unspent{{outpoint, output.value, lock}, spendable_from});
            if (is_coinbase) immature_.emplace(spendable_from, outpoint);
        }
        confirmed.insert(transaction.txid);
    }
    std::erase_if(mempool_, [&](const auto& transaction) { return confirmed.contains(transaction->txid); });
    headers_.push_back({block.hash, block.header.time});
    heights_.emplace(block.hash, at);

    // What the next block may spend.
    const auto mature = immature_.upper_bound(height() + 1);
    for (auto each = immature_.begin(); each != mature; ++each) spendable_.push_back(coins_.at(each->second).coin);
    immature_.erase(immature_.begin(), mature);
}

// After opening, when the mempool is empty: all our outputs that the next block may spend.
void RegtestChain::collect_spendable() {
    spendable_.clear();
    for (const auto& [outpoint, unspent] : coins_)
        if (unspent.spendable_from <= height() + 1) spendable_.push_back(unspent.coin);
}

std::uint32_t RegtestChain::median_time_past() const {
    std::vector<std::uint32_t> times;
    const std::size_t count = std::min<std::size_t>(headers_.size(), 11);
    for (auto header = headers_.end() - static_cast<std::ptrdiff_t>(count); header != headers_.end(); ++header)
        times.push_back(header->time);
    std::ranges::sort(times);
    return times[count / 2];
}

}  // namespace host
