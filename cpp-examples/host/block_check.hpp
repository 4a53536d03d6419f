// Whether a block extends a regtest chain: the consensus rules that a miner or a damaged file can break.
//
// Scripts are not run here. The chain only ever puts transactions of its own making into blocks, whose witnesses the
// block's commitment fixes, and a coinbase has no script to run.
#pragma once

#include "transactions.hpp"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace host {

// What regtest's consensus is made of.
namespace regtest {
constexpr std::uint32_t nbits = 0x207fffff;  // never retargeted
constexpr std::uint32_t genesis_time = 1296688602;
constexpr std::uint32_t halving_interval = 150;
constexpr std::uint32_t coinbase_maturity = 100;
constexpr std::uint64_t max_block_weight = 4000000;
constexpr std::uint64_t max_block_sigops_cost = 80000;

Hash genesis_hash();

// What the coinbase at `height` may create, in satoshis.
std::uint64_t subsidy(std::uint32_t height);
}  // namespace regtest

// A transaction, read in place.
struct TransactionView {
    sv2_bytes bytes{};
    Hash txid{};
    Hash wtxid{};
    std::uint64_t weight = 0;
    std::uint32_t lock_time = 0;
    std::vector<sv2_transaction_input> inputs;
    std::vector<sv2_transaction_output> outputs;
};

// A block, read in place.
struct BlockView {
    sv2_block_header header{};
    Hash hash{};
    std::vector<TransactionView> transactions;  // the coinbase first
};

// Nothing if the bytes are no block.
std::optional<BlockView> read_block(ByteView bytes);

// The end of the chain, where a block must connect.
struct Tip {
    Hash hash{};
    std::uint32_t height = 0;
    std::uint32_t median_time_past = 0;        // of the last eleven blocks
    std::uint32_t nbits = regtest::nbits;      // that the next block must have
    std::optional<std::uint64_t> latest_time;  // that the next block may have, if there is a limit
    // The value of an unspent output in satoshis, if the next block may spend it.
    std::function<std::optional<std::uint64_t>(const Outpoint&)> value_of;
};

// Empty if the block extends the chain, else why not, in the words of Bitcoin Core's reject reasons.
std::string check_block(const BlockView& block, const Tip& tip);

}  // namespace host
