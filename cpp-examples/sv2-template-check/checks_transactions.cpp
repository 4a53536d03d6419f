// The transactions of templates (spec 7.4 to 7.6), and what templates say about them (spec 7.2).
#include <algorithm>
#include <cstdint>
#include <set>

#include "checks.hpp"
#include "clients.hpp"

namespace {

constexpr sv2_coinbase_output_constraints foreign_constraints{20'000, 400};
constexpr std::uint32_t lock_time_threshold = 500'000'000;  // below it a lock time is a height

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
    return ok(std::to_string(data->transactions.size()) + " transactions");
}

Verdict check_transactions_readable(Session& s) {
    if (!s.data) throw Skip{"there are no transactions"};
    s.parsed = read_all(*s.data);
    return expect(s.parsed.has_value(), std::to_string(s.data->transactions.size()) + " transactions", "other bytes");
}

Verdict check_transactions_no_coinbase(Session& s) {
    s.transactions();
    // The other checks want to know about the rest.
    const std::size_t erased = std::erase_if(*s.parsed, [](const Transaction& each) { return each.is_coinbase(); });
    return expect(erased == 0, "no coinbase", std::to_string(erased));
}

Verdict check_transactions_order(Session& s) {
    std::set<host::Hash, host::HashLess> later;
    for (const Transaction& each : s.transactions()) later.insert(each.txid);
    for (const Transaction& each : s.transactions()) {
        for (const host::Outpoint& spent : each.spends) {
            if (!later.contains(spent.txid)) continue;
            return failed("parents before their children", host::rpc_hex(each.txid) + " before what it spends");
        }
        later.erase(each.txid);
    }
    return ok();
}

Verdict check_transactions_double_spend(Session& s) {
    std::set<host::Outpoint> spent;
    for (const Transaction& each : s.transactions()) {
        for (const host::Outpoint& outpoint : each.spends) {
            if (spent.insert(outpoint).second) continue;
            return failed("an output to be spent once", "another spender, " + host::rpc_hex(each.txid));
        }
    }
    return ok();
}

// Lock times that are times are compared with a time that has not passed yet; this one is not too early either.
Verdict check_transactions_final(Session& s) {
    const auto height = height_of(s.first_template());
    if (!height) throw Skip{"the height is not known"};
    const std::uint32_t time = s.first_prev_hash().header_timestamp;
    for (const Transaction& each : s.transactions()) {
        const std::uint32_t limit = each.lock_time < lock_time_threshold ? *height : time;
        if (each.lock_time == 0 || each.lock_time < limit) continue;
        return failed("less than " + std::to_string(limit), std::to_string(each.lock_time));
    }
    return ok();
}

Verdict check_merkle_path(Session& s) {
    const auto& transactions = s.transactions();
    const std::vector<host::Hash>& path = s.first_template().merkle_path;
    const std::vector<host::Hash> expected = merkle_path(transactions);
    const std::string count =
        std::to_string(expected.size()) + " hashes for " + std::to_string(transactions.size()) + " transactions";
    if (path.size() != expected.size()) return failed(count, std::to_string(path.size()));
    const auto [ours, theirs] = std::ranges::mismatch(expected, path, host::same);
    if (theirs == path.end()) return ok(count);
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
    return ok();
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

// Whether it is served or not is the provider's affair: what another client was sent is no secret.
Verdict check_foreign_template(Session& s) {
    s.first_template();
    const auto somebody = serve(s, foreign_constraints);
    const NewTemplate* theirs = somebody->await<NewTemplate>();
    if (!theirs) throw Skip{"somebody else got none"};
    if (sent_template(s.main(), theirs->template_id)) throw Skip{"both clients were sent the same template"};
    Peer& peer = s.main();
    const std::size_t mark = peer.mark();
    const Message* answer = request(peer, theirs->template_id);
    return answer ? noted(describe(*answer)) : failed("an answer", peer.heard(mark));
}
