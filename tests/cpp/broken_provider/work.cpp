#include "work.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>

using host::Bytes;
using host::Hash;
using host::must;

namespace {

constexpr std::uint64_t max_block_weight = 4'000'000;
constexpr std::uint64_t fixed_weight = 1168;  // spec 7.1
constexpr std::uint8_t op_return = 0x6a, op_checksig = 0xac;
constexpr std::uint16_t many_sigops = 1'000;

NewTemplate new_template(const host::Template& from, std::uint64_t template_id) {
    return {
        .template_id = template_id,
        .future_template = true,
        .version = from.version,
        .coinbase_tx_version = from.coinbase_tx_version,
        .coinbase_prefix = from.coinbase_prefix,
        .coinbase_tx_input_sequence = from.coinbase_tx_input_sequence,
        .coinbase_tx_value_remaining = from.coinbase_tx_value_remaining,
        .coinbase_tx_outputs_count = from.coinbase_tx_outputs_count,
        .coinbase_tx_outputs = from.coinbase_tx_outputs,
        .coinbase_tx_locktime = from.coinbase_tx_locktime,
        .merkle_path = from.merkle_path,
    };
}

// A transaction that nobody could make, of the given weight, a multiple of four: nothing but one long output, of one
// opcode.
Bytes filler(std::uint64_t weight, std::uint8_t opcode = op_return, std::uint32_t lock_time = 0) {
    const std::uint64_t around = 4 + 1 + 36 + 1 + 4 + 1 + 8 + 5 + 4;
    const Bytes script(weight / 4 - around, opcode);
    Bytes bytes;
    host::append_integer(bytes, 2, 4);
    host::append_compact_size(bytes, 1);
    bytes.resize(bytes.size() + 36, 7);  // the outpoint that it spends
    host::append_sized(bytes, {});
    host::append_integer(bytes, 0xfffffffe, 4);  // not final, so that the lock time counts
    host::append_compact_size(bytes, 1);
    host::append_integer(bytes, 0, 8);
    host::append_sized(bytes, script);
    host::append_integer(bytes, lock_time, 4);
    return bytes;
}

// One whose legacy sigops cost about so much.
Bytes sigops_filler(std::uint64_t cost) { return filler(4 * (cost / 4 + 100), op_checksig); }

// Puts merkle path and witness commitment right again after the transactions were changed.
void commit(Work& work) {
    std::vector<Hash> txids, wtxids;
    for (const Bytes& bytes : work.transactions) {
        must(sv2_transaction_txid(host::view(bytes), &txids.emplace_back(), nullptr));
        must(sv2_transaction_wtxid(host::view(bytes), &wtxids.emplace_back(), nullptr));
    }
    work.made.merkle_path = host::filled<Hash>([&](Hash* out, std::size_t capacity, std::size_t* count) {
                                return sv2_merkle_path({txids.data(), txids.size()}, out, capacity, count);
                            }).value();
    const Hash reserved_value{};
    Hash commitment;
    must(sv2_witness_commitment({wtxids.data(), wtxids.size()}, &reserved_value, &commitment));
    // The chain's only output: value, length of the script, script.
    must(sv2_witness_commitment_script(&commitment, work.made.coinbase_tx_outputs.data() + 9));
}

// Fills the block to the last weight unit, with no room but for the client's outputs.
void fill_up(Work& work, const sv2_coinbase_output_constraints& constraints) {
    const std::uint64_t room = max_block_weight - 4ull * constraints.coinbase_output_max_additional_size;
    const std::uint64_t left = room - std::min(room, work.of_chain->weight);
    if (left < 200'000) return;
    work.transactions.push_back(filler(left / 4 * 4));
    commit(work);
}

void add_if_it_fits(Work& work, const sv2_coinbase_output_constraints& constraints, const Bytes& transaction) {
    const std::uint64_t reserved = fixed_weight + 4ull * constraints.coinbase_output_max_additional_size;
    if (reserved + work.of_chain->weight + 4 * transaction.size() > max_block_weight) return;
    add_transaction(work, transaction);
}

void replace_prefix(Bytes& prefix, std::string_view text) { prefix.assign(text.begin(), text.end()); }

// What a fault does to a template, when everything in it is right.
void spoil(Work& work, const sv2_coinbase_output_constraints& constraints, Fault fault) {
    NewTemplate& made = work.made;
    SetNewPrevHash& tip = work.tip;
    const std::uint32_t size = constraints.coinbase_output_max_additional_size;
    const std::uint16_t sigops = constraints.coinbase_output_max_additional_sigops;
    switch (fault) {
        case Fault::header_version_1:
            made.version = 1;
            break;
        case Fault::long_prefix:
            made.coinbase_prefix.resize(9, 0x51);
            break;
        case Fault::outputs_with_count:
            made.coinbase_tx_outputs.insert(made.coinbase_tx_outputs.begin(), std::uint8_t{1});
            break;
        case Fault::no_height:
            replace_prefix(made.coinbase_prefix, "\x07noblock");
            break;
        case Fault::outputs_miscounted:
            ++made.coinbase_tx_outputs_count;
            break;
        case Fault::outputs_cut_off:
            made.coinbase_tx_outputs.pop_back();
            break;
        case Fault::locked_coinbase:
            ++made.coinbase_tx_locktime;
            break;
        case Fault::fees_only:
            made.coinbase_tx_value_remaining = work.of_chain->fees;
            break;
        case Fault::prev_hash_without_work:
            tip.prev_hash.bytes[31] = 0xff;
            break;
        case Fault::easy_target:
            std::ranges::fill(tip.target.bytes, std::uint8_t{0xff});
            break;
        case Fault::negative_nbits:
            tip.nbits |= 0x00800000;
            break;
        case Fault::timestamp_in_future:
            tip.header_timestamp += 3 * 60 * 60;
            break;
        case Fault::merkle_path_wrong:
            made.merkle_path.back().bytes[0] ^= 1;
            break;
        case Fault::merkle_path_short:
            made.merkle_path.pop_back();
            break;
        case Fault::no_commitment:
            made.coinbase_tx_outputs.clear();
            made.coinbase_tx_outputs_count = 0;
            break;
        case Fault::commitment_wrong:
            made.coinbase_tx_outputs.back() ^= 1;
            break;
        case Fault::children_first:
            std::ranges::reverse(work.transactions);
            commit(work);
            break;
        case Fault::double_spend:
            add_if_it_fits(work, constraints, filler(4'000));
            add_if_it_fits(work, constraints, filler(1'000));
            break;
        case Fault::locked_transaction:
            add_if_it_fits(work, constraints, filler(1'000, op_return, work.of_chain->height));
            break;
        case Fault::fixed_weight_forgotten:
            fill_up(work, constraints);
            break;
        case Fault::half_of_some_sizes:
            if (size > 100'000 && size < 900'000) fill_up(work, {size / 2, 0});
            break;
        case Fault::sigops_forgotten:
            if (sigops < many_sigops) add_if_it_fits(work, constraints, sigops_filler(80'000));
            break;
        case Fault::sigops_ignored:
            if (sigops >= many_sigops) add_if_it_fits(work, constraints, sigops_filler(20'000));
            break;
        default:
            break;
    }
}

std::uint64_t reserved_weight(const sv2_coinbase_output_constraints& constraints, Fault fault) {
    const std::uint64_t size = constraints.coinbase_output_max_additional_size;
    if (fault == Fault::constraints_ignored) return fixed_weight;
    if (fault == Fault::size_as_weight) return fixed_weight + size;
    return fixed_weight + 4 * size;
}

}  // namespace

void add_transaction(Work& work, const Bytes& transaction) {
    work.transactions.insert(work.transactions.begin(), transaction);
    commit(work);
}

Work make_work(const host::RegtestChain& chain, const sv2_coinbase_output_constraints& constraints,
               std::uint64_t template_id, Fault fault) {
    Work work;
    work.of_chain =
        chain.make_template(reserved_weight(constraints, fault), constraints.coinbase_output_max_additional_sigops);
    const host::Template& from = *work.of_chain;
    work.made = new_template(from, template_id);
    work.tip = {
        .template_id = template_id,
        .prev_hash = from.prev_hash,
        .header_timestamp = from.time,
        .nbits = from.nbits,
        .target = from.target,
    };
    for (const auto& transaction : from.transactions) work.transactions.push_back(transaction->bytes);
    spoil(work, constraints, fault);
    return work;
}
