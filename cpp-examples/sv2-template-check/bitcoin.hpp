// Templates and their transactions in terms of blocks.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "host/bytes.hpp"
#include "host/transactions.hpp"
#include "messages.hpp"

constexpr std::uint64_t max_block_weight = 4'000'000;

constexpr std::uint64_t max_block_sigops_cost = 80'000;

// What a sigop that every node can count, one outside of witnesses, costs.
constexpr std::uint64_t legacy_sigop_cost = 4;

// A transaction, as far as a template depends on it.
struct Transaction {
    host::Hash txid{};
    host::Hash wtxid{};
    std::uint64_t weight = 0;
    std::uint64_t legacy_sigops = 0;  // those of its own scripts; what they spend is not known here
    std::uint32_t lock_time = 0;      // 0 if all inputs are final, so that it does not count
    std::vector<host::Outpoint> spends;

    bool is_coinbase() const { return spends.size() == 1 && host::is_zero(spends.front().txid); }
    bool has_witness() const { return !host::same(txid, wtxid); }
};

// Nothing if the bytes are not one transaction.
std::optional<Transaction> read_transaction(host::ByteView bytes);

std::uint64_t total_weight(std::span<const Transaction> transactions);
std::uint64_t total_sigops_cost(std::span<const Transaction> transactions);

// What of a block is not for transactions: header, transaction count, and a coinbase with a scriptSig of 100 bytes, the
// template's own outputs and the client's, in weight units (spec 7.1).
std::uint64_t reserved_weight(const NewTemplate& from, const sv2_coinbase_output_constraints& constraints);

// The merkle path of a coinbase before these transactions.
std::vector<host::Hash> merkle_path(std::span<const Transaction> transactions);

// The witness commitment over these transactions, with a reserved value of zero.
host::Hash witness_commitment(std::span<const Transaction> transactions);

// The coinbase that the template describes, with `outputs` first. Nothing, if the template's own outputs are not what
// their count says or its prefix leaves no room.
std::optional<host::Bytes> build_coinbase(const NewTemplate& from, std::span<const sv2_transaction_output> outputs);

// Whether the template's outputs begin with how many they are, which they must not.
bool has_counted_outputs(const NewTemplate& from);

// The height of the block (BIP 34), if the coinbase prefix begins with one.
std::optional<std::uint32_t> height_of(const NewTemplate& from);

// What the outputs of the template itself pay, in satoshis. Nothing if there is no coinbase to be built.
std::optional<std::uint64_t> own_outputs_value(const NewTemplate& from);

// The witness commitment among the template's outputs.
std::optional<host::Hash> commitment_of(const NewTemplate& from);

// What a block at `height` may create, in satoshis; regtest, which is known by its nBits, halves it sooner.
std::uint64_t subsidy(std::uint32_t height, std::uint32_t nbits);

// A block that solves a template, as far as SubmitSolution tells it.
struct Solution {
    std::uint64_t template_id = 0;
    sv2_block_header header{};
    host::Bytes coinbase;
    host::Hash hash{};
};

// How many hashes it takes on average to meet the target.
double expected_hashes(const host::Hash& target);

// Mines the template on its tip; all its value goes to an output that anyone can spend. `version_bits` are those of the
// version to be other than in the template. Nothing if there is no coinbase to be built, or no nonce to be found.
std::optional<Solution> solve(const NewTemplate& from, const SetNewPrevHash& tip, std::uint32_t version_bits = 0);

// The coinbase without its BIP 141 fields.
host::Bytes without_witness(host::ByteView coinbase);

// Whether there is a network on which a block, with nBits like those of its successor, could have this hash.
bool has_proof_of_work(const host::Hash& block_hash, std::uint32_t nbits);
