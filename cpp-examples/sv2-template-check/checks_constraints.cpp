// The room that templates leave (spec 7.1).
#include <algorithm>
#include <cstdint>
#include <memory>

#include "checks.hpp"
#include "clients.hpp"
#include "raw_message.hpp"

namespace {

// Outputs that leave little room for transactions: a mempool that does not fit besides them is soon found.
constexpr sv2_coinbase_output_constraints huge_constraints{990'000, 1};

// From none to huge ones.
constexpr sv2_coinbase_output_constraints several_constraints[] = {
    {0, 0}, {250'000, 1}, {500'000, 1}, huge_constraints};

constexpr sv2_coinbase_output_constraints many_sigops{100, 65'535};

constexpr sv2_coinbase_output_constraints other_constraints{10'000, 400};

// With outputs of so many bytes no block is valid. Of the second, four times as many are less than nothing in 32 bits.
constexpr std::uint32_t impossible_sizes[] = {1'000'000, 0xffff'ffff};

// How the transactions of a template compare with the room for them.
struct Fit {
    std::uint64_t used, room;

    bool fits() const { return used <= room; }
    Verdict verdict(const std::string& unit) const {
        return measure(fits(), "at most " + std::to_string(room) + " " + unit, std::to_string(used) + " " + unit);
    }
};

Fit fit_weight(const NewTemplate& made, std::span<const Transaction> transactions,
               const sv2_coinbase_output_constraints& constraints) {
    const std::uint64_t reserved = reserved_weight(made, constraints);
    return {total_weight(transactions), max_block_weight - std::min(max_block_weight, reserved)};
}

// The client's sigops are counted as in getblocktemplate, where a block may have 80,000.
Fit fit_sigops(std::span<const Transaction> transactions, const sv2_coinbase_output_constraints& constraints) {
    return {total_sigops_cost(transactions), max_block_sigops_cost - constraints.coinbase_output_max_additional_sigops};
}

}  // namespace

Verdict check_block_weight(Session& s) {
    const Fit fit = fit_weight(s.first_template(), s.transactions(), small_constraints);
    s.room_is_wrong = !fit.fits();
    return fit.verdict("weight units");
}

Verdict check_block_sigops(Session& s) {
    return fit_sigops(s.transactions(), small_constraints).verdict("of legacy sigops cost");
}

Verdict check_constraints_changed(Session& s) {
    s.first_template();
    Peer& peer = s.main();
    const std::size_t mark = peer.mark();
    peer.send(other_constraints);
    const bool came = peer.await<NewTemplate>(mark);
    return expect(came, "NewTemplate", peer.heard(mark));
}

// It is either of the tip that the client knows, or followed by SetNewPrevHash.
Verdict check_constraints_changed_work(Session& s) {
    s.first_prev_hash();
    Peer& peer = s.main();
    const std::size_t mark = peer.mark();
    peer.send(small_constraints);
    const NewTemplate* made = peer.await<NewTemplate>(mark);
    if (!made) throw Skip{"there was no template"};
    if (!made->future_template) return ok("it is not a future template");
    return expect(peer.await<SetNewPrevHash>(mark), "SetNewPrevHash after a future template", peer.heard(mark));
}

Verdict check_constraints_respected(Session& s) {
    const auto& all_transactions = s.transactions();
    if (s.room_is_wrong) throw Skip{"the first template leaves too little room"};
    bool telling = false;
    std::string rooms;
    for (const sv2_coinbase_output_constraints& constraints : several_constraints) {
        const auto peer = serve(s, constraints);
        const NewTemplate* made = peer->await<NewTemplate>();
        if (!made) return failed("NewTemplate", peer->heard());
        telling |= !fit_weight(*made, all_transactions, constraints).fits();
        const auto transactions = transactions_of(*peer, made->template_id);
        if (!transactions) throw Skip{"there are no transactions"};
        const Fit fit = fit_weight(*made, *transactions, constraints);
        const std::string size = std::to_string(constraints.coinbase_output_max_additional_size) + " bytes of outputs";
        if (!fit.fits()) {
            s.room_is_wrong = true;
            return fit.verdict("weight units with " + size);
        }
        rooms += (rooms.empty() ? "" : ", ") + std::to_string(fit.used) + " with " + size;
    }
    if (!telling) throw Skip{"the mempool would fit besides outputs of 990,000 bytes"};
    return ok(rooms);
}

Verdict check_constraints_changed_respected(Session& s) {
    if (s.room_is_wrong) throw Skip{"a client that says so at once does not get it either"};
    const bool telling = !fit_weight(s.first_template(), s.transactions(), huge_constraints).fits();
    Peer& peer = s.main();
    const std::size_t mark = peer.mark();
    peer.send(huge_constraints);
    const NewTemplate* made = peer.await<NewTemplate>(mark);
    const auto transactions = made ? transactions_of(peer, made->template_id) : std::nullopt;
    if (!transactions) throw Skip{"there are no transactions"};
    const Fit fit = fit_weight(*made, *transactions, huge_constraints);
    if (fit.fits() && !telling) throw Skip{"the mempool would fit besides outputs of 990,000 bytes"};
    return fit.verdict("weight units");
}

Verdict check_sigops_respected(Session& s) {
    const bool telling = !fit_sigops(s.transactions(), many_sigops).fits();
    const auto peer = serve(s, many_sigops);
    const NewTemplate* made = peer->await<NewTemplate>();
    if (!made) return failed("NewTemplate", peer->heard());
    const auto transactions = transactions_of(*peer, made->template_id);
    if (!transactions) throw Skip{"there are no transactions"};
    const Fit fit = fit_sigops(*transactions, many_sigops);
    if (fit.fits() && !telling) throw Skip{"the mempool's legacy sigops would fit besides 65,535"};
    return fit.verdict("of legacy sigops cost");
}

Verdict check_constraints_impossible(Session& s) {
    s.first_template();
    for (const std::uint32_t size : impossible_sizes) {
        const auto peer = serve(s, {size, 1});
        const bool served = peer->await<NewTemplate>();
        if (served) return failed("none for outputs of " + std::to_string(size) + " bytes", peer->heard(1));
        s.impossible_is_closed.push_back(peer->await_close());
    }
    return ok();
}

Verdict check_constraints_impossible_closes(Session& s) {
    if (s.impossible_is_closed.empty()) throw Skip{"it was served"};
    const bool closed = std::ranges::find(s.impossible_is_closed, false) == s.impossible_is_closed.end();
    return expect(closed, "the end of the connection", "nothing");
}

Verdict check_legacy_constraints(Session& s) {
    s.first_template();
    const auto peer = s.set_up();
    const host::Bytes size_only{100, 0, 0, 0};
    peer->send(raw_message(0, SV2_MESSAGE_COINBASE_OUTPUT_CONSTRAINTS, size_only));
    const bool accepted = peer->await<NewTemplate>();
    return noted(accepted ? "accepted" : "not accepted: " + peer->heard(1));
}
