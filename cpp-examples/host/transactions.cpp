#include "transactions.hpp"

#include <array>
#include <string_view>

namespace host {
namespace {

constexpr std::uint8_t op_0 = 0x00;
constexpr std::uint8_t op_equal = 0x87;
constexpr std::uint8_t op_sha256 = 0xa8;
constexpr std::uint8_t push_32 = 0x20;

// Below it nodes would not relay an output of this kind.
constexpr std::uint64_t least_value = 330;

Hash sha256(ByteView bytes) {
    Hash hash;
    must(sv2_sha256(view(bytes), &hash));
    return hash;
}

// One input with its witness, and outputs of `value` each behind locks of their own.
Bytes serialize(const Coin& coin, std::size_t outputs, std::uint64_t value) {
    Bytes bytes;
    append_integer(bytes, 2, 4);                       // nVersion
    append(bytes, std::array<std::uint8_t, 2>{0, 1});  // marker and flag of BIP 141
    append_compact_size(bytes, 1);
    append(bytes, coin.outpoint.txid.bytes);
    append_integer(bytes, coin.outpoint.index, 4);
    append_sized(bytes, {});               // scriptSig
    append_integer(bytes, 0xfffffffd, 4);  // nSequence: no relative lock, replaceable
    append_compact_size(bytes, outputs);
    for (std::uint32_t index = 0; index < outputs; ++index) {
        append_integer(bytes, value, 8);
        append_sized(bytes, HashLock(coin.outpoint, index).script_pubkey());
    }
    append_compact_size(bytes, 2);  // witness items
    append_sized(bytes, coin.lock.preimage().bytes);
    append_sized(bytes, coin.lock.witness_script());
    append_integer(bytes, 0, 4);  // nLockTime
    return bytes;
}

}  // namespace

HashLock::HashLock(const Outpoint& source, std::uint32_t index) {
    constexpr std::string_view domain = "libsv2 regtest chain";
    Bytes seed(domain.begin(), domain.end());
    append(seed, source.txid.bytes);
    append_integer(seed, source.index, 4);
    append_integer(seed, index, 4);
    preimage_ = sha256(seed);
}

Bytes HashLock::witness_script() const {
    Bytes script{op_sha256, push_32};
    append(script, sha256(preimage_.bytes).bytes);
    script.push_back(op_equal);
    return script;
}

Bytes HashLock::script_pubkey() const {
    Bytes script{op_0, push_32};
    append(script, sha256(witness_script()).bytes);
    return script;
}

std::optional<Transaction> spend(const Coin& coin, std::size_t outputs, std::uint64_t fee_rate) {
    Transaction transaction;
    // The weight does not depend on the values: a first serialization tells the fee.
    transaction.bytes = serialize(coin, outputs, 0);
    must(sv2_transaction_weight(view(transaction.bytes), &transaction.weight, nullptr));
    const std::uint64_t fee = (transaction.weight * fee_rate + 999) / 1000;
    if (coin.value < fee + outputs * least_value) return std::nullopt;
    const std::uint64_t value = (coin.value - fee) / outputs;
    transaction.fee = coin.value - outputs * value;
    transaction.bytes = serialize(coin, outputs, value);
    must(sv2_transaction_txid(view(transaction.bytes), &transaction.txid, nullptr));
    must(sv2_transaction_wtxid(view(transaction.bytes), &transaction.wtxid, nullptr));
    transaction.spends = coin.outpoint;
    for (std::uint32_t index = 0; index < outputs; ++index)
        transaction.coins.push_back({{transaction.txid, index}, value, HashLock(coin.outpoint, index)});
    return transaction;
}

}  // namespace host
