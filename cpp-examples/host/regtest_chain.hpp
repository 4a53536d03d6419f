// An embedded regtest chain: what a template provider needs of a node, in a directory and without one.
//
// It mines its own past, fills its mempool with real segwit transactions, makes block templates and connects the blocks
// that solve them. It never reorganizes: a block either extends the tip or is refused. Every block stands in
// <datadir>/blocks.hex, one a line, for others to judge. Not thread-safe.
#pragma once

#include "block_check.hpp"
#include "block_file.hpp"
#include "transactions.hpp"

#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace host {

// A block without its coinbase and proof of work. It stays as it is when the chain goes on.
struct Template {
    std::uint32_t height = 0;
    Hash prev_hash{};
    std::uint32_t version = 0;
    std::uint32_t nbits = 0;
    std::uint32_t min_time = 0;  // the earliest time that consensus allows
    std::uint32_t time = 0;      // for the header: now, or min_time if that is later
    Hash target{};

    // For the coinbase; the names are those of NewTemplate (spec 7.2).
    std::uint32_t coinbase_tx_version = 0;
    Bytes coinbase_prefix;  // BIP 34
    std::uint32_t coinbase_tx_input_sequence = 0;
    std::uint64_t coinbase_tx_value_remaining = 0;  // subsidy and fees, in satoshis
    std::uint32_t coinbase_tx_outputs_count = 0;
    Bytes coinbase_tx_outputs;  // the witness commitment
    std::uint32_t coinbase_tx_locktime = 0;

    std::vector<Hash> merkle_path;
    std::vector<std::shared_ptr<const Transaction>> transactions;  // without the coinbase, parents before children
    std::uint64_t fees = 0;                                        // satoshis
    std::uint64_t weight = 0;                                      // of the transactions
};

enum class Verdict {
    accepted,   // it is the tip, and on the disk
    duplicate,  // it is in the chain already
    stale,      // its parent is no longer the tip
    rejected,   // it breaks a rule
    failed,     // it could not be written to the disk, and is not in the chain
};

struct SubmitResult {
    Verdict verdict = Verdict::rejected;
    std::uint32_t height = 0;  // of the block, wherever it would stand
    Hash hash{};
    Bytes block;         // serialized; empty if there are not even bytes to make one of
    std::string reason;  // why it was not accepted
};

class RegtestChain {
public:
    // Seconds since 1970. It may go backwards.
    using Clock = std::function<std::uint64_t()>;
    static std::uint64_t system_clock();

    // How many blocks it mines to begin with: the coinbases of the first ones can then be spent.
    static constexpr std::uint32_t premined = 110;

    // Opens the chain in `datadir`, which is created if need be: replays its blocks, or mines the first ones. NULL,
    // with a sentence in `error`, if the directory cannot be used or blocks.hex is not a chain. With another `nbits` all
    // blocks but these first ones must be as hard as that says: no regtest to others, but a chain on which a share need not
    // be a block.
    static std::unique_ptr<RegtestChain> open(const std::filesystem::path& datadir, std::string& error,
                                              Clock clock = system_clock, std::uint32_t nbits = regtest::nbits);

    std::uint32_t height() const { return static_cast<std::uint32_t>(headers_.size()) - 1; }
    const Hash& tip() const { return headers_.back().hash; }

    // Transactions waiting for a block, and their fees in satoshis.
    std::size_t mempool_size() const { return mempool_.size(); }
    std::uint64_t mempool_fees() const;

    // Something to tell the user about how the chain was opened, or empty.
    const std::string& notice() const { return notice_; }

    // Adds up to `count` transactions to the mempool; some spend outputs of others there. Returns how many it added:
    // fewer if the chain has nothing left to spend.
    std::size_t add_transactions(std::size_t count);

    // A template on the tip. `reserved_weight` is kept free for header, transaction count and coinbase,
    // `reserved_sigops` (counted as BIP 141's cost) for the coinbase's outputs.
    std::shared_ptr<const Template> make_template(std::uint64_t reserved_weight, std::uint64_t reserved_sigops) const;

    // Puts together the block that solves `solved`, and makes it the tip if it is valid. `coinbase` has the BIP 141
    // fields.
    SubmitResult submit(const Template& solved, std::uint32_t version, std::uint32_t time, std::uint32_t nonce,
                        ByteView coinbase);

    // Mines a block with what is in the mempool; its coinbase is the chain's own to spend.
    SubmitResult mine_one();

private:
    struct Header {
        Hash hash;
        std::uint32_t time;
    };
    struct Unspent {
        Coin coin;
        std::uint32_t spendable_from;  // the height of the first block that may spend it
    };

    RegtestChain(Clock clock, std::uint32_t nbits);

    std::string load(const std::filesystem::path& datadir);
    std::string replay(const std::vector<Bytes>& blocks);
    Coin take_coin();
    SubmitResult mine(std::uint32_t time, bool sync);
    SubmitResult submit_block(Bytes block, bool sync);
    Tip tip_to_extend() const;
    void connect(const BlockView& block);
    void collect_spendable();
    std::uint32_t median_time_past() const;
    std::uint32_t next_nbits() const { return height() < premined ? regtest::nbits : nbits_; }

    Clock clock_;
    const std::uint32_t nbits_;
    std::unique_ptr<BlockFile> file_;
    std::string notice_;
    std::vector<Header> headers_;                      // by height, from the genesis block
    std::map<Hash, std::uint32_t, HashLess> heights_;  // of the blocks in the chain
    std::map<Outpoint, Unspent> coins_;                // our unspent outputs in blocks
    std::multimap<std::uint32_t, Outpoint> immature_;  // our coinbases, by the height from which they can be spent
    std::vector<std::shared_ptr<const Transaction>> mempool_;  // parents before children
    std::deque<Coin> spendable_;  // our outputs, in blocks and mempool, that nothing spends yet
    std::uint64_t transactions_made_ = 0;
};

}  // namespace host
