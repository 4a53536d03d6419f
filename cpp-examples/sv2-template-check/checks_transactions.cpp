// The transactions of templates (spec 7.4 to 7.6), what templates say about them (spec 7.2), and the room that they
// leave (spec 7.1).
#include <algorithm>
#include <cstdint>
#include <memory>

#include "checks.hpp"
#include "raw_message.hpp"

namespace {

// No provider should have come so far.
constexpr std::uint64_t unknown_template_id = 0xffff'ffff'ffff'fff0;

// Outputs that leave little room for transactions: a mempool that does not fit besides them is soon found.
constexpr sv2_coinbase_output_constraints huge_constraints{990'000, 1};

constexpr sv2_coinbase_output_constraints other_constraints{10'000, 400};

// Asks for a template's transactions and waits for the answer, past whatever else comes. nullptr if there is none.
const Message* request(Peer& peer, std::uint64_t template_id) {
    const std::size_t mark = peer.mark();
    peer.send(sv2_request_transaction_data{template_id});
    return peer.await_one_of<TransactionData, NoTransactionData>(mark);
}

std::optional<std::vector<Transaction>> read_all(const TransactionData& data) {
    std::vector<Transaction> all;
    for (const host::Bytes& bytes : data.transactions) {
        const auto transaction = read_transaction(bytes);
        if (!transaction) return std::nullopt;
        all.push_back(*transaction);
    }
    return all;
}

std::uint64_t reserved_weight(const sv2_coinbase_output_constraints& constraints) {
    return fixed_weight + 4ull * constraints.coinbase_output_max_additional_size;
}

Verdict check_weight(std::span<const Transaction> transactions, const sv2_coinbase_output_constraints& constraints) {
    const std::uint64_t room = max_block_weight - reserved_weight(constraints);
    const std::uint64_t weight = total_weight(transactions);
    return expect(weight <= room, "at most " + std::to_string(room) + " weight units of transactions",
                  std::to_string(weight));
}

}  // namespace

Verdict check_transaction_data(Session& s) {
    const std::uint64_t id = s.first_template().template_id;
    Peer& peer = s.main();
    const std::size_t mark = peer.mark();
    const Message* answer = request(peer, id);
    if (!answer) return failed("an answer", peer.heard(mark));
    const auto* data = std::get_if<TransactionData>(answer);
    if (!data || data->template_id != id) {
        return failed("RequestTransactionData.Success for template " + std::to_string(id), describe(*answer));
    }
    s.data = *data;
    return {};
}

Verdict check_transactions_readable(Session& s) {
    if (!s.data) throw Skip{"there are no transactions"};
    s.parsed = read_all(*s.data);
    return expect(s.parsed.has_value(), std::to_string(s.data->transactions.size()) + " transactions", "other bytes");
}

Verdict check_transactions_no_coinbase(Session& s) {
    s.transactions();
    // The other checks want to know about the rest.
    const std::size_t erased = std::erase_if(*s.parsed, [](const Transaction& each) { return each.is_coinbase; });
    return expect(erased == 0, "no coinbase", std::to_string(erased));
}

Verdict check_merkle_path(Session& s) {
    const auto& transactions = s.transactions();
    const std::vector<host::Hash>& path = s.first_template().merkle_path;
    const std::vector<host::Hash> expected = merkle_path(transactions);
    const std::string count =
        std::to_string(expected.size()) + " hashes for " + std::to_string(transactions.size()) + " transactions";
    if (path.size() != expected.size()) return failed(count, std::to_string(path.size()));
    const auto [ours, theirs] = std::ranges::mismatch(expected, path, host::same);
    if (theirs == path.end()) return {};
    return failed(host::rpc_hex(*ours), host::rpc_hex(*theirs) + " as hash " + std::to_string(theirs - path.begin()));
}

// Optional as long as no transaction has a witness.
Verdict check_witness_commitment(Session& s) {
    const bool needed = std::ranges::any_of(s.transactions(), &Transaction::has_witness);
    if (!build_coinbase(s.first_template(), {})) throw Skip{"the outputs cannot be read"};
    return expect(!needed || commitment_of(s.first_template()), "a witness commitment", "none");
}

Verdict check_witness_commitment_value(Session& s) {
    const auto& transactions = s.transactions();
    const auto found = commitment_of(s.first_template());
    if (!found) throw Skip{"there is no witness commitment"};
    const host::Hash expected = witness_commitment(transactions);
    return expect(host::same(*found, expected), host::hex(expected.bytes), host::hex(found->bytes));
}

Verdict check_block_weight(Session& s) { return check_weight(s.transactions(), small_constraints); }

Verdict check_unknown_template(Session& s) {
    s.first_template();
    Peer& peer = s.main();
    const std::size_t mark = peer.mark();
    const Message* answer = request(peer, unknown_template_id);
    if (!answer) return failed("an answer", peer.heard(mark));
    const auto* error = std::get_if<NoTransactionData>(answer);
    if (!error || error->template_id != unknown_template_id) {
        return failed("RequestTransactionData.Error for template " + std::to_string(unknown_template_id),
                      describe(*answer));
    }
    return {};
}

Verdict check_unknown_template_code(Session& s) {
    for (const Message& message : s.main().messages()) {
        const auto* error = std::get_if<NoTransactionData>(&message);
        if (!error || error->template_id != unknown_template_id) continue;
        return expect(error->error_code == SV2_ERROR_CODE_TEMPLATE_ID_NOT_FOUND, SV2_ERROR_CODE_TEMPLATE_ID_NOT_FOUND,
                      error->error_code);
    }
    throw Skip{"there was no RequestTransactionData.Error"};
}

Verdict check_constraints_changed(Session& s) {
    s.first_template();
    Peer& peer = s.main();
    const std::size_t mark = peer.mark();
    peer.send(other_constraints);
    const bool came = peer.await<NewTemplate>(mark);
    return expect(came, "NewTemplate", peer.heard(mark));
}

Verdict check_constraints_respected(Session& s) {
    const bool telling = total_weight(s.transactions()) + reserved_weight(huge_constraints) > max_block_weight;
    const auto peer = s.set_up();
    peer->send(huge_constraints);
    const NewTemplate* made = peer->await<NewTemplate>();
    if (!made) return failed("NewTemplate", peer->heard());
    const Message* answer = request(*peer, made->template_id);
    const auto* data = answer ? std::get_if<TransactionData>(answer) : nullptr;
    const auto transactions = data ? read_all(*data) : std::nullopt;
    if (!transactions) throw Skip{"there are no transactions"};
    const Verdict verdict = check_weight(*transactions, huge_constraints);
    if (verdict.outcome == Outcome::ok && !telling)
        throw Skip{"the mempool would fit besides outputs of 990,000 bytes"};
    return verdict;
}

Verdict check_legacy_constraints(Session& s) {
    s.first_template();
    const auto peer = s.set_up();
    const host::Bytes size_only{100, 0, 0, 0};
    peer->send(raw_message(0, SV2_MESSAGE_COINBASE_OUTPUT_CONSTRAINTS, size_only));
    const bool accepted = peer->await<NewTemplate>();
    return {Outcome::noted, accepted ? "accepted" : "not accepted: " + peer->heard(1)};
}

Verdict check_old_template(Session& s) {
    if (!s.old_template) throw Skip{"there was no new tip"};
    const Message* answer = request(*s.alice, *s.old_template);
    const std::string expected = "its data, or stale-template-id";
    if (!answer) return failed(expected, "no answer");
    const auto* error = std::get_if<NoTransactionData>(answer);
    return expect(!error || error->error_code == SV2_ERROR_CODE_STALE_TEMPLATE_ID, expected, describe(*answer));
}
