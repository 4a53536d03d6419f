#include "block_check.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace host {
namespace {

constexpr std::uint64_t max_money = 21000000 * 100000000ull;
constexpr std::uint32_t lock_time_threshold = 500000000;  // below it a lock time is a height

sv2_u256_list list(const std::vector<Hash>& hashes) { return {hashes.data(), hashes.size()}; }

std::string check_header(const sv2_block_header& header, const Hash& hash, const Tip& tip) {
    if (!same(header.prev_hash, tip.hash)) return "prev-blk-not-found";
    if (header.nbits != tip.nbits) return "bad-diffbits";
    Hash target;
    must(sv2_target_from_nbits(header.nbits, &target));
    if (!sv2_target_is_met(&target, &hash)) return "high-hash";
    if (header.time <= tip.median_time_past) return "time-too-old";
    if (tip.latest_time && header.time > *tip.latest_time) return "time-too-new";
    // Signed, and 4 since BIP 65, which is active from the start.
    if (static_cast<std::int32_t>(header.version) < 4) return "bad-version";
    return {};
}

std::string check_merkle_root(const BlockView& block) {
    std::vector<Hash> txids;
    for (const TransactionView& transaction : block.transactions) txids.push_back(transaction.txid);
    Hash root;
    must(sv2_merkle_root(list(txids), &root));
    return same(root, block.header.merkle_root) ? "" : "bad-txnmrklroot";
}

std::string check_coinbase(const TransactionView& coinbase, std::uint32_t height) {
    std::uint32_t found = 0;
    const sv2_status status = sv2_coinbase_height(coinbase.bytes, &found);
    if (status == SV2_ERROR_MALFORMED) return "bad-cb-missing";
    if (status != SV2_OK || found != height) return "bad-cb-height";
    return {};
}

// BIP 141: the coinbase commits to all witnesses, or there are none.
std::string check_witnesses(const BlockView& block) {
    const TransactionView& coinbase = block.transactions.front();
    std::vector<Hash> wtxids;
    bool any = false;
    for (const TransactionView& transaction : block.transactions) {
        any = any || !same(transaction.txid, transaction.wtxid);
        if (&transaction != &coinbase) wtxids.push_back(transaction.wtxid);
    }
    Hash found, expected, reserved_value;
    if (sv2_witness_commitment_find(coinbase.bytes, &found) != SV2_OK) return any ? "unexpected-witness" : "";
    if (sv2_coinbase_reserved_value(coinbase.bytes, &reserved_value) != SV2_OK) return "bad-witness-nonce-size";
    must(sv2_witness_commitment(list(wtxids), &reserved_value, &expected));
    return same(found, expected) ? "" : "bad-witness-merkle-match";
}

// BIP 113: a lock time is compared with the height, or with the median of the eleven blocks before.
bool is_final(const TransactionView& transaction, const Tip& tip) {
    const std::uint32_t limit = transaction.lock_time < lock_time_threshold ? tip.height + 1 : tip.median_time_past;
    if (transaction.lock_time == 0 || transaction.lock_time < limit) return true;
    return std::ranges::all_of(transaction.inputs, [](const auto& input) { return input.sequence == 0xffffffff; });
}

// How many signature checks a script counts for, by the rule from before P2SH.
std::uint64_t legacy_sigops(ByteView script) {
    std::uint64_t count = 0;
    while (!script.empty()) {
        const std::uint8_t opcode = script[0];
        script = script.subspan(1);
        if (opcode == 0xac || opcode == 0xad) count += 1;   // OP_CHECKSIG
        if (opcode == 0xae || opcode == 0xaf) count += 20;  // OP_CHECKMULTISIG
        std::size_t push = opcode < 0x4c ? opcode : 0;
        if (opcode >= 0x4c && opcode <= 0x4e) {  // OP_PUSHDATA1, 2 and 4
            const std::size_t size = std::size_t{1} << (opcode - 0x4c);
            if (script.size() < size) break;
            for (std::size_t i = size; i-- > 0;) push = push << 8 | script[i];
            script = script.subspan(size);
        }
        if (script.size() < push) break;
        script = script.subspan(push);
    }
    return count;
}

std::string check_limits(const BlockView& block, const Tip& tip) {
    std::uint64_t weight = 4 * (SV2_BLOCK_HEADER_LEN + compact_size_length(block.transactions.size()));
    std::uint64_t sigops = 0;
    for (const TransactionView& transaction : block.transactions) {
        weight += transaction.weight;
        if (!is_final(transaction, tip)) return "bad-txns-nonfinal";
        for (const auto& input : transaction.inputs) sigops += legacy_sigops(span_of(input.script_sig));
        for (const auto& output : transaction.outputs) sigops += legacy_sigops(span_of(output.script_pubkey));
    }
    if (weight > regtest::max_block_weight) return "bad-blk-weight";
    if (4 * sigops > regtest::max_block_sigops_cost) return "bad-blk-sigops";
    return {};
}

// The sum of a transaction's outputs; nothing if there are none, or they are out of range.
std::optional<std::uint64_t> value_out(const TransactionView& transaction) {
    std::uint64_t sum = 0;
    for (const auto& output : transaction.outputs) {
        if (output.value > max_money) return std::nullopt;
        sum += output.value;
        if (sum > max_money) return std::nullopt;
    }
    return transaction.outputs.empty() ? std::nullopt : std::optional(sum);
}

std::string check_values(const BlockView& block, const Tip& tip) {
    std::map<Outpoint, std::uint64_t> created;
    std::set<Outpoint> spent;
    std::uint64_t fees = 0;
    for (const TransactionView& transaction : block.transactions) {
        const std::optional<std::uint64_t> out = value_out(transaction);
        if (!out) return "bad-txns-vout";
        if (&transaction == &block.transactions.front()) continue;
        std::uint64_t in = 0;
        for (const auto& input : transaction.inputs) {
            const Outpoint outpoint{input.prev_txid, input.prev_index};
            const auto here = created.find(outpoint);
            const auto value = here != created.end() ? here->second : tip.value_of(outpoint);
            if (!value || !spent.insert(outpoint).second) return "bad-txns-inputs-missingorspent";
            in += *value;
        }
        if (in < *out) return "bad-txns-in-belowout";
        fees += in - *out;
        for (std::uint32_t index = 0; index < transaction.outputs.size(); ++index)
            created[{transaction.txid, index}] = transaction.outputs[index].value;
    }
    const std::uint64_t paid = value_out(block.transactions.front()).value_or(0);
    return paid <= regtest::subsidy(tip.height + 1) + fees ? "" : "bad-cb-amount";
}

std::optional<TransactionView> read_transaction(sv2_bytes bytes) {
    TransactionView transaction;
    transaction.bytes = bytes;
    if (sv2_transaction_txid(bytes, &transaction.txid, nullptr) != SV2_OK) return std::nullopt;
    must(sv2_transaction_wtxid(bytes, &transaction.wtxid, nullptr));
    must(sv2_transaction_weight(bytes, &transaction.weight, nullptr));
    auto inputs = filled<sv2_transaction_input>([&](auto* out, std::size_t capacity, std::size_t* count) {
        return sv2_transaction_inputs(bytes, out, capacity, count);
    });
    auto outputs = filled<sv2_transaction_output>([&](auto* out, std::size_t capacity, std::size_t* count) {
        return sv2_transaction_outputs(bytes, out, capacity, count);
    });
    if (!inputs || !outputs) return std::nullopt;
    transaction.inputs = *std::move(inputs);
    transaction.outputs = *std::move(outputs);
    for (std::size_t i = 0; i < 4; ++i)
        transaction.lock_time |= std::uint32_t{bytes.data[bytes.len - 4 + i]} << (8 * i);
    return transaction;
}

}  // namespace

Hash regtest::genesis_hash() {
    return {{0x06, 0x22, 0x6e, 0x46, 0x11, 0x1a, 0x0b, 0x59, 0xca, 0xaf, 0x12, 0x60, 0x43, 0xeb, 0x5b, 0xbf,
             0x28, 0xc3, 0x4f, 0x3a, 0x5e, 0x33, 0x2a, 0x1f, 0xc7, 0xb2, 0xb7, 0x3c, 0xf1, 0x88, 0x91, 0x0f}};
}

std::uint64_t regtest::subsidy(std::uint32_t height) {
    const std::uint32_t halvings = height / halving_interval;
    return halvings >= 64 ? 0 : 50 * 100000000ull >> halvings;
}

std::optional<BlockView> read_block(ByteView bytes) {
    BlockView block;
    const auto transactions = filled<sv2_bytes>([&](auto* out, std::size_t capacity, std::size_t* count) {
        return sv2_block_split(view(bytes), &block.header, out, capacity, count);
    });
    if (!transactions) return std::nullopt;
    must(sv2_block_header_hash(&block.header, &block.hash));
    for (const sv2_bytes& each : *transactions) {
        std::optional<TransactionView> transaction = read_transaction(each);
        if (!transaction) return std::nullopt;
        block.transactions.push_back(*std::move(transaction));
    }
    return block;
}

std::string check_block(const BlockView& block, const Tip& tip) {
    std::string reason = check_header(block.header, block.hash, tip);
    if (reason.empty()) reason = check_merkle_root(block);
    if (reason.empty()) reason = check_coinbase(block.transactions.front(), tip.height + 1);
    if (reason.empty()) reason = check_witnesses(block);
    if (reason.empty()) reason = check_limits(block, tip);
    if (reason.empty()) reason = check_values(block, tip);
    return reason;
}

}  // namespace host
