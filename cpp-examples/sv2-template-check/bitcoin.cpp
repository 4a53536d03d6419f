#include "bitcoin.hpp"

#include <algorithm>
#include <cstddef>
#include <string_view>

using host::Bytes;
using host::ByteView;
using host::Hash;
using host::must;

namespace {

constexpr Hash reserved_value{};
constexpr std::uint32_t regtest_nbits = 0x207fffff;
constexpr std::uint32_t signet_nbits = 0x1e0377ae;  // the easiest of the other networks

// Behind the height in the scriptSig: a push that says who made the block.
constexpr std::string_view signature = "\x12sv2-template-check";

std::optional<std::vector<sv2_transaction_output>> outputs_of(ByteView transaction) {
    return host::filled<sv2_transaction_output>([&](auto* out, std::size_t capacity, std::size_t* count) {
        return sv2_transaction_outputs(host::view(transaction), out, capacity, count);
    });
}

// The sigops of a script as consensus has always counted them: without a look at how many keys there are.
std::uint64_t legacy_sigops(ByteView script) {
    constexpr std::uint8_t pushdata1 = 0x4c, pushdata4 = 0x4e, checksig = 0xac, checksigverify = 0xad,
                           checkmultisig = 0xae, checkmultisigverify = 0xaf;
    std::uint64_t count = 0;
    for (std::size_t at = 0; at < script.size();) {
        const std::uint8_t opcode = script[at++];
        std::size_t pushed = opcode < pushdata1 ? opcode : 0;
        if (opcode >= pushdata1 && opcode <= pushdata4) {
            const std::size_t width = std::size_t{1} << (opcode - pushdata1);
            if (script.size() - at < width) break;
            for (std::size_t i = 0; i < width; ++i) pushed |= std::size_t{script[at + i]} << (8 * i);
            at += width;
        }
        if (script.size() - at < pushed) break;
        at += pushed;
        count += opcode == checksig || opcode == checksigverify             ? 1
                 : opcode == checkmultisig || opcode == checkmultisigverify ? 20
                                                                            : 0;
    }
    return count;
}

}  // namespace

std::optional<Transaction> read_transaction(ByteView bytes) {
    Transaction transaction;
    const sv2_bytes of = host::view(bytes);
    if (sv2_transaction_txid(of, &transaction.txid, nullptr) != SV2_OK) return std::nullopt;
    must(sv2_transaction_wtxid(of, &transaction.wtxid, nullptr));
    must(sv2_transaction_weight(of, &transaction.weight, nullptr));
    const auto inputs = host::filled<sv2_transaction_input>([&](auto* out, std::size_t capacity, std::size_t* count) {
        return sv2_transaction_inputs(of, out, capacity, count);
    });
    const auto outputs = outputs_of(bytes);
    if (!inputs || !outputs) return std::nullopt;
    bool is_final = true;
    for (const auto& input : *inputs) {
        is_final &= input.sequence == 0xffffffff;
        transaction.legacy_sigops += legacy_sigops(host::span_of(input.script_sig));
        transaction.spends.push_back({input.prev_txid, input.prev_index});
    }
    for (const auto& output : *outputs) transaction.legacy_sigops += legacy_sigops(host::span_of(output.script_pubkey));
    if (!is_final) {
        for (std::size_t i = 0; i < 4; ++i)
            transaction.lock_time |= std::uint32_t{bytes[bytes.size() - 4 + i]} << (8 * i);
    }
    return transaction;
}

std::uint64_t total_weight(std::span<const Transaction> transactions) {
    std::uint64_t sum = 0;
    for (const Transaction& transaction : transactions) sum += transaction.weight;
    return sum;
}

std::uint64_t total_sigops_cost(std::span<const Transaction> transactions) {
    std::uint64_t sum = 0;
    for (const Transaction& transaction : transactions) sum += legacy_sigop_cost * transaction.legacy_sigops;
    return sum;
}

std::uint64_t reserved_weight(const NewTemplate& from, const sv2_coinbase_output_constraints& constraints) {
    const std::uint64_t header = 320, transaction_count = 12, script_sig = 400, output_count = 12;
    const std::uint64_t fixed = commitment_of(from) ? 236 : 200;  // with and without BIP 141 fields
    const std::uint64_t outputs =
        from.coinbase_tx_outputs.size() + std::uint64_t{constraints.coinbase_output_max_additional_size};
    return header + transaction_count + fixed + script_sig + output_count + 4 * outputs;
}

std::vector<Hash> merkle_path(std::span<const Transaction> transactions) {
    std::vector<Hash> txids;
    for (const Transaction& transaction : transactions) txids.push_back(transaction.txid);
    return host::filled<Hash>([&](Hash* out, std::size_t capacity, std::size_t* count) {
               return sv2_merkle_path({txids.data(), txids.size()}, out, capacity, count);
           })
        .value();
}

Hash witness_commitment(std::span<const Transaction> transactions) {
    std::vector<Hash> wtxids;
    for (const Transaction& transaction : transactions) wtxids.push_back(transaction.wtxid);
    Hash commitment;
    must(sv2_witness_commitment({wtxids.data(), wtxids.size()}, &reserved_value, &commitment));
    return commitment;
}

std::optional<Bytes> build_coinbase(const NewTemplate& from, std::span<const sv2_transaction_output> outputs) {
    const sv2_coinbase_template coinbase{
        .coinbase_tx_version = from.coinbase_tx_version,
        .coinbase_tx_input_sequence = from.coinbase_tx_input_sequence,
        .coinbase_prefix = host::view(from.coinbase_prefix),
        .coinbase_tx_outputs = host::view(from.coinbase_tx_outputs),
        .coinbase_tx_outputs_count = from.coinbase_tx_outputs_count,
        .coinbase_tx_locktime = from.coinbase_tx_locktime,
    };
    const Bytes script(signature.begin(), signature.end());
    return host::filled<std::uint8_t>([&](std::uint8_t* out, std::size_t capacity, std::size_t* length) {
        return sv2_coinbase_build(&coinbase, host::view(script), {outputs.data(), outputs.size()}, &reserved_value, out,
                                  capacity, length);
    });
}

bool has_counted_outputs(const NewTemplate& from) {
    Bytes count;
    host::append_compact_size(count, from.coinbase_tx_outputs_count);
    const Bytes& outputs = from.coinbase_tx_outputs;
    if (outputs.size() < count.size() || !std::equal(count.begin(), count.end(), outputs.begin())) return false;
    NewTemplate bare = from;
    bare.coinbase_tx_outputs.erase(bare.coinbase_tx_outputs.begin(),
                                   bare.coinbase_tx_outputs.begin() + static_cast<std::ptrdiff_t>(count.size()));
    return !build_coinbase(from, {}) && build_coinbase(bare, {});
}

std::optional<std::uint32_t> height_of(const NewTemplate& from) {
    NewTemplate bare = from;  // wrong outputs do not hide the height
    bare.coinbase_tx_outputs.clear();
    bare.coinbase_tx_outputs_count = 0;
    const auto coinbase = build_coinbase(bare, {});
    std::uint32_t height = 0;
    if (!coinbase || sv2_coinbase_height(host::view(*coinbase), &height) != SV2_OK) return std::nullopt;
    return height;
}

std::optional<std::uint64_t> own_outputs_value(const NewTemplate& from) {
    const auto coinbase = build_coinbase(from, {});
    const auto outputs = coinbase ? outputs_of(*coinbase) : std::nullopt;
    if (!outputs) return std::nullopt;
    std::uint64_t sum = 0;
    for (const auto& output : *outputs) sum += output.value;
    return sum;
}

std::optional<Hash> commitment_of(const NewTemplate& from) {
    const auto coinbase = build_coinbase(from, {});
    Hash commitment;
    if (!coinbase || sv2_witness_commitment_find(host::view(*coinbase), &commitment) != SV2_OK) return std::nullopt;
    return commitment;
}

std::uint64_t subsidy(std::uint32_t height, std::uint32_t nbits) {
    const std::uint32_t halvings = height / (nbits == regtest_nbits ? 150 : 210'000);
    return halvings >= 64 ? 0 : 50 * 100'000'000ull >> halvings;
}

double expected_hashes(const Hash& target) {
    return sv2_target_difficulty(&target) * 4294967296.0;  // a difficulty of 1 takes 2^32
}

std::optional<Solution> solve(const NewTemplate& from, const SetNewPrevHash& tip, std::uint32_t version_bits) {
    const Bytes op_true{0x51};
    const sv2_transaction_output output{from.coinbase_tx_value_remaining, host::view(op_true)};
    auto coinbase = build_coinbase(from, {&output, 1});
    if (!coinbase) return std::nullopt;
    Solution solution{.template_id = from.template_id, .coinbase = *std::move(coinbase)};
    Hash txid;
    must(sv2_transaction_txid(host::view(solution.coinbase), &txid, nullptr));
    sv2_block_header& header = solution.header;
    header.version = from.version ^ version_bits;
    header.prev_hash = tip.prev_hash;
    must(sv2_merkle_root_from_path(&txid, {from.merkle_path.data(), from.merkle_path.size()}, &header.merkle_root));
    header.time = tip.header_timestamp;
    header.nbits = tip.nbits;
    do {
        must(sv2_block_header_hash(&header, &solution.hash));
        if (sv2_target_is_met(&tip.target, &solution.hash)) return solution;
    } while (++header.nonce != 0);
    return std::nullopt;
}

Bytes without_witness(ByteView coinbase) {
    return host::filled<std::uint8_t>([&](std::uint8_t* out, std::size_t capacity, std::size_t* length) {
               return sv2_coinbase_strip_witness(host::view(coinbase), out, capacity, length);
           })
        .value();
}

bool has_proof_of_work(const Hash& block_hash, std::uint32_t nbits) {
    Hash easiest;
    must(sv2_target_from_nbits(nbits == regtest_nbits ? regtest_nbits : signet_nbits, &easiest));
    return !host::is_zero(block_hash) && sv2_target_is_met(&easiest, &block_hash);
}
