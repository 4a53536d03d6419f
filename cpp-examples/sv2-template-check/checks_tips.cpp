// Several clients, blocks, and what they make of templates (spec 7.3 and 7.7).
#include <algorithm>
#include <chrono>
#include <set>
#include <thread>

#include "checks.hpp"
#include "clients.hpp"

namespace {

constexpr double most_hashes = 1e7;                         // a few seconds of a CPU
constexpr std::uint32_t rolled_version_bits = 0x1fff'e000;  // all that BIP 320 and BIP 323 have in common
constexpr std::uint32_t late_version_bits = 0x0000'2000;

constexpr sv2_coinbase_output_constraints other_constraints{10'000, 400};

// What a client has to mine on.
Work work_of(const Peer& peer) {
    const Work work = latest_work(peer);
    if (!work.made || !work.tip) throw Skip{"there is no template to solve"};
    return work;
}

Solution solution_of(Session& s, const NewTemplate& made, const SetNewPrevHash& tip, std::uint32_t version_bits = 0) {
    if (!s.options().solve) throw Skip{"-solve was not given"};
    if (s.template_is_wrong) throw Skip{"a template that breaks rules is not solved"};
    if (expected_hashes(tip.target) > most_hashes) throw Skip{"the difficulty is more than that of regtest"};
    auto solution = solve(made, tip, version_bits);
    if (!solution) throw Skip{"no solution was found"};
    return *std::move(solution);
}

TipChange& note_new_tip(Session& s, const Work& before, const host::Hash& hash) {
    TipChange& change = s.tip_change.emplace();
    change.old = *before.made;
    change.old_tip = *before.tip;
    change.hash = hash;
    change.heard = std::chrono::steady_clock::now();
    return change;
}

// Waits for a block of somebody else: one that came after all three clients were served. Blocks may have come since the
// first was, and she has read of them when she has her answer.
void await_new_tip(Session& s) {
    (void)is_answered(*s.alice);
    const Work work = latest_work(*s.alice);
    if (!work.made || !work.tip || !s.options().new_tip_timeout) return;
    const auto is_new = [&](const Message& message) {
        const auto* next = std::get_if<SetNewPrevHash>(&message);
        return next && !host::same(next->prev_hash, work.tip->prev_hash);
    };
    if (const Message* next = s.alice->await_where(s.alice->mark(), *s.options().new_tip_timeout, is_new)) {
        note_new_tip(s, work, std::get<SetNewPrevHash>(*next).prev_hash);
    }
}

const TipChange& tip_change(const Session& s) {
    if (!s.tip_change) throw Skip{"there was no new tip"};
    return *s.tip_change;
}

Verdict hears_of_tip(Session& s, Peer* peer) {
    if (!peer) throw Skip{"there is no such client with a template"};
    if (!s.tip_change) throw Skip{s.options().new_tip_timeout ? "none came" : "see -solve and -new-tip-timeout"};
    const host::Hash& hash = s.tip_change->hash;
    const bool told = await_tip(*peer, hash, s.options().timeout);
    return expect(told, "SetNewPrevHash with prev_hash " + host::rpc_hex(hash) + " for this client too", peer->heard());
}

// Submits a solution of a new tip, for which the provider must say so to the client.
Verdict becomes_tip(Session& s, Peer& peer, const Solution& solution) {
    const std::size_t mark = peer.mark();
    submit(peer, solution);
    const bool told = await_tip(peer, solution.hash, s.options().timeout);
    if (told) s.latest_tip = solution.hash;
    return expect(told, "SetNewPrevHash with prev_hash " + host::rpc_hex(solution.hash), peer.heard(mark));
}

// alice's template on the new tip, which may have been followed by another one since.
const NewTemplate& template_on_new_tip(Session& s) {
    const SetNewPrevHash* tip = await_tip(*s.alice, tip_change(s).hash, s.options().timeout);
    const NewTemplate* made = tip ? sent_template(*s.alice, tip->template_id) : nullptr;
    if (!made) throw Skip{"there is no template on it"};
    return *made;
}

// Whether alice can go on after she has submitted this.
Verdict is_borne(Session& s, const Solution& solution) {
    if (!s.alice->is_open()) throw Skip{"the connection was closed before"};
    const std::size_t mark = s.alice->mark();
    submit(*s.alice, solution);
    return expect(is_answered(*s.alice), "an answer to the next request", s.alice->heard(mark));
}

}  // namespace

Verdict check_two_clients(Session& s) {
    s.first_prev_hash();
    s.alice = serve(s);
    s.bob = serve(s);
    for (Peer* peer : {s.alice.get(), s.bob.get()}) {
        if (!peer->await<SetNewPrevHash>() || !peer->await<NewTemplate>()) {
            s.bob.reset();
            return failed("NewTemplate and SetNewPrevHash for both", peer->heard());
        }
    }
    return ok();
}

Verdict check_other_client(Session& s) {
    if (!s.bob) throw Skip{"there are no two clients with templates"};
    s.carol = serve(s, other_constraints);
    if (s.carol->await<SetNewPrevHash>() && s.carol->await<NewTemplate>()) return ok();
    const std::string heard = s.carol->heard();
    s.carol.reset();
    return failed("NewTemplate and SetNewPrevHash", heard);
}

Verdict check_solution_accepted(Session& s) {
    if (!s.options().solve) throw Skip{"-solve was not given"};
    if (!s.bob) throw Skip{"there are no two clients with templates"};
    if (s.template_is_wrong) throw Skip{"a template that breaks rules is not solved"};
    const Work work = work_of(*s.alice);
    const Solution solution = solution_of(s, *work.made, *work.tip);
    const auto transactions = s.parsed ? transactions_of(*s.alice, work.made->template_id) : std::nullopt;
    const Verdict verdict = becomes_tip(s, *s.alice, solution);
    if (verdict.outcome == Outcome::ok) {
        TipChange& change = note_new_tip(s, work, solution.hash);
        change.old_transactions = transactions;
        change.solution = solution;
    }
    return verdict;
}

Verdict check_new_tip(Session& s) {
    if (s.bob && !s.tip_change) await_new_tip(s);
    return hears_of_tip(s, s.bob.get());
}

Verdict check_new_tip_constraints(Session& s) { return hears_of_tip(s, s.carol.get()); }

Verdict check_new_tip_height(Session& s) {
    const auto before = height_of(tip_change(s).old), after = height_of(template_on_new_tip(s));
    if (!before || !after) throw Skip{"the height is not known"};
    return measure(*after == *before + 1, std::to_string(*before + 1), std::to_string(*after));
}

// What the new block has, the next one cannot have again. Of a block of somebody else it is not known what it has.
Verdict check_new_tip_transactions(Session& s) {
    const TipChange& change = tip_change(s);
    if (!change.solution) throw Skip{"the block is not ours"};
    if (!change.old_transactions) throw Skip{"there are no transactions"};
    const auto transactions = transactions_of(*s.alice, template_on_new_tip(s).template_id);
    if (!transactions) return failed("the transactions of the template on it", s.alice->heard(s.alice->mark()));
    std::set<host::Outpoint> spent;
    for (const Transaction& each : *change.old_transactions) spent.insert(each.spends.begin(), each.spends.end());
    for (const Transaction& each : *transactions) {
        for (const host::Outpoint& outpoint : each.spends) {
            if (spent.contains(outpoint)) return failed("none of the block", host::rpc_hex(each.txid));
        }
    }
    return ok(std::to_string(transactions->size()) + " transactions");
}

Verdict check_old_template(Session& s) {
    const std::uint64_t id = tip_change(s).old.template_id;
    if (!s.parsed) throw Skip{"there were no transactions before"};
    const Message* answer = request(*s.alice, id);
    if (!answer) return failed("its transactions", "no answer");
    return expect(std::holds_alternative<TransactionData>(*answer), "its transactions", describe(*answer));
}

Verdict check_solution_twice(Session& s) {
    const TipChange& change = tip_change(s);
    if (!change.solution) throw Skip{"there was no solution"};
    const Verdict verdict = is_borne(s, *change.solution);
    if (verdict.outcome != Outcome::ok) return verdict;
    const Work work = work_of(*s.alice);
    return expect(host::same(work.tip->prev_hash, change.hash), "one new tip", host::rpc_hex(work.tip->prev_hash));
}

// It must be submitted all the same (spec 7.7); all that is seen of it here is that the client goes on.
Verdict check_solution_late(Session& s) {
    const TipChange& change = tip_change(s);
    return is_borne(s, solution_of(s, change.old, change.old_tip, late_version_bits));
}

Verdict check_solution_unknown(Session& s) {
    const TipChange& change = tip_change(s);
    if (!change.solution) throw Skip{"there was no solution"};
    Solution unknown = *change.solution;
    unknown.template_id = unknown_template_id;
    return is_borne(s, unknown);
}

Verdict check_solution_rolled(Session& s) {
    const TipChange& change = tip_change(s);
    if (!s.bob || !await_tip(*s.bob, change.hash, s.options().timeout)) throw Skip{"there is no template on the tip"};
    const Work work = work_of(*s.bob);
    return becomes_tip(s, *s.bob, solution_of(s, *work.made, *work.tip, rolled_version_bits));
}

// A client must not send it so (spec 3.7.3). A provider that puts the witness back saves the block.
Verdict check_solution_stripped(Session& s) {
    tip_change(s);
    if (!s.carol || !s.latest_tip) throw Skip{"there is no client with a template to solve"};
    if (!await_tip(*s.carol, *s.latest_tip, s.options().timeout)) throw Skip{"there is no template on the tip"};
    const Work work = work_of(*s.carol);
    Solution solution = solution_of(s, *work.made, *work.tip);
    solution.coinbase = without_witness(solution.coinbase);
    const Verdict verdict = becomes_tip(s, *s.carol, solution);
    return noted(verdict.outcome == Outcome::ok ? "accepted" : "not accepted: " + verdict.seen);
}

Verdict check_fees_pushed(Session& s) {
    s.first_prev_hash();
    if (!s.options().update_timeout) throw Skip{"see -update-timeout"};
    const auto peer = serve(s);
    const auto before = peer->await<NewTemplate>();
    if (!before || !peer->await<SetNewPrevHash>()) throw Skip{"there was no template"};
    const auto is_better = [&](const Message& message) {
        const auto* made = std::get_if<NewTemplate>(&message);
        return made && !made->future_template &&
               made->coinbase_tx_value_remaining > before->coinbase_tx_value_remaining;
    };
    const Message* better = peer->await_where(peer->mark(), *s.options().update_timeout, is_better);
    if (!better) return failed("NewTemplate of the same tip with more value", peer->heard(1));
    const std::uint64_t value = std::get<NewTemplate>(*better).coinbase_tx_value_remaining;
    return ok(std::to_string(value - before->coinbase_tx_value_remaining) + " satoshis more");
}

Verdict check_stale_template(Session& s) {
    const TipChange& change = tip_change(s);
    const auto lifetime = s.options().template_lifetime;
    if (lifetime.count() == 0) throw Skip{"-template-lifetime is 0"};
    if (!s.alice->is_open()) throw Skip{"the connection was closed before"};
    std::this_thread::sleep_until(change.heard + lifetime + lifetime / 10);
    const Message* answer = request(*s.alice, change.old.template_id);
    if (!answer) return failed(SV2_ERROR_CODE_STALE_TEMPLATE_ID, "no answer");
    const auto* error = std::get_if<NoTransactionData>(answer);
    if (!error) return noted("it still is");
    return expect(error->error_code == SV2_ERROR_CODE_STALE_TEMPLATE_ID, SV2_ERROR_CODE_STALE_TEMPLATE_ID,
                  describe(*answer));
}
