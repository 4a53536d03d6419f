// Real segwit transactions without a wallet: outputs behind hash locks, and transactions that open them.
#pragma once

#include "bytes.hpp"

#include <compare>
#include <cstdint>
#include <optional>
#include <vector>

namespace host {

// An output of a transaction.
struct Outpoint {
    Hash txid{};
    std::uint32_t index = 0;

    friend bool operator==(const Outpoint& a, const Outpoint& b) { return a.index == b.index && same(a.txid, b.txid); }
    friend std::strong_ordering operator<=>(const Outpoint& a, const Outpoint& b) {
        const int order = std::memcmp(a.txid.bytes, b.txid.bytes, sizeof a.txid.bytes);
        return order != 0 ? order <=> 0 : a.index <=> b.index;
    }
};

// A P2WSH output whose witness script is OP_SHA256 <hash> OP_EQUAL: whoever knows the preimage may spend it, and
// consensus checks that he does.
//
// The preimage follows from where the output stands, so that a chain recognizes and spends its own outputs without
// keeping keys.
class HashLock {
public:
    // The lock of output `index` of the transaction whose first input spends `source`. A coinbase spends nothing: its
    // source is no txid and its height.
    HashLock(const Outpoint& source, std::uint32_t index);

    const Hash& preimage() const { return preimage_; }
    Bytes witness_script() const;
    Bytes script_pubkey() const;

private:
    Hash preimage_;
};

// An output that can be spent.
struct Coin {
    Outpoint outpoint;
    std::uint64_t value = 0;  // satoshis
    HashLock lock;
};

// A transaction of our own making, and what a block template says about it.
struct Transaction {
    Bytes bytes;  // with BIP 141 fields
    Hash txid{};
    Hash wtxid{};
    std::uint64_t weight = 0;
    std::uint64_t fee = 0;  // satoshis
    Outpoint spends;
    std::vector<Coin> coins;  // its outputs
};

// Spends `coin` into `outputs` equal outputs at `fee_rate` satoshis per 1000 weight units; nothing if too little would
// be left for each.
std::optional<Transaction> spend(const Coin& coin, std::size_t outputs, std::uint64_t fee_rate);

}  // namespace host
