// What a connection survives, several connections at once, a new tip, and what must hold on all of them.
#include <chrono>

#include "checks.hpp"
#include "raw_message.hpp"

namespace {

constexpr double most_hashes = 1e7;  // a few seconds of a CPU

// A client that is being served.
std::unique_ptr<Peer> serve(Session& s) {
    auto peer = s.set_up();
    peer->send(small_constraints);
    return peer;
}

// Whether `message`, sent before the constraints, leaves the connection as it was.
Verdict is_ignored(Session& s, const sv2_message& message) {
    s.first_template();
    const auto peer = s.set_up();
    peer->send(message);
    const std::size_t mark = peer->mark();
    peer->send(small_constraints);
    const bool came = peer->await<NewTemplate>();
    return expect(came, "a template as before", peer->heard(mark));
}

// The template and tip that a client mines on.
struct Work {
    const NewTemplate* made = nullptr;
    const SetNewPrevHash* tip = nullptr;
};

Work latest_work(const Peer& peer) {
    Work work;
    for (const Message& message : peer.messages()) {
        if (const auto* tip = std::get_if<SetNewPrevHash>(&message)) {
            work.tip = tip;
            for (const Message& earlier : peer.messages()) {
                const auto* made = std::get_if<NewTemplate>(&earlier);
                if (made && made->template_id == tip->template_id) work.made = made;
            }
        } else if (const auto* made = std::get_if<NewTemplate>(&message); made && !made->future_template) {
            work.made = made;
        }
    }
    return work;
}

// Whether SetNewPrevHash comes, or has come, with this hash.
bool gets_tip(Peer& peer, const host::Hash& hash, std::chrono::milliseconds timeout) {
    return peer.await_where(0, timeout, [&](const Message& message) {
        const auto* tip = std::get_if<SetNewPrevHash>(&message);
        return tip && host::same(tip->prev_hash, hash);
    });
}

// Waits for a block of somebody else.
void await_new_tip(Session& s) {
    const auto [made, tip] = latest_work(*s.alice);
    if (!made || !tip || !s.options().new_tip_timeout) return;
    const host::Hash old = tip->prev_hash;
    const auto is_new = [&](const Message& message) {
        const auto* next = std::get_if<SetNewPrevHash>(&message);
        return next && !host::same(next->prev_hash, old);
    };
    if (const Message* next = s.alice->await_where(s.alice->mark(), *s.options().new_tip_timeout, is_new)) {
        s.new_tip = std::get<SetNewPrevHash>(*next).prev_hash;
        s.old_template = made->template_id;
    }
}

}  // namespace

Verdict check_unknown_message(Session& s) {
    constexpr std::uint8_t unknown_type = 0x7f;
    const host::Bytes payload{1, 2, 3};
    return is_ignored(s, raw_message(0, unknown_type, payload));
}

// Its type is that of CoinbaseOutputConstraints in another extension: who looks at the type alone takes it for
// malformed.
Verdict check_unknown_extension(Session& s) {
    constexpr std::uint16_t experimental = 0x7abc;  // spec 3.4
    const host::Bytes payload{1};
    return is_ignored(s, raw_message(experimental, SV2_MESSAGE_COINBASE_OUTPUT_CONSTRAINTS, payload));
}

Verdict check_malformed_message(Session& s) {
    s.first_template();
    const auto peer = serve(s);
    const host::Bytes too_short{1, 2};
    peer->send(raw_message(0, SV2_MESSAGE_COINBASE_OUTPUT_CONSTRAINTS, too_short));
    const bool closed = peer->await_close();
    return expect(closed, "the end of the connection", peer->heard());
}

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
    return {};
}

Verdict check_solution_accepted(Session& s) {
    if (!s.options().solve) throw Skip{"-solve was not given"};
    if (!s.bob) throw Skip{"there are no two clients with templates"};
    if (s.template_is_wrong) throw Skip{"a template that breaks rules is not solved"};
    const auto [made, tip] = latest_work(*s.alice);
    if (!made || !tip) throw Skip{"there is no template to solve"};
    if (expected_hashes(tip->target) > most_hashes) throw Skip{"the difficulty is more than that of regtest"};
    const auto solution = solve(*made, *tip);
    if (!solution) throw Skip{"no solution was found"};
    const std::size_t mark = s.alice->mark();
    s.alice->send(sv2_submit_solution{
        .template_id = solution->template_id,
        .version = solution->header.version,
        .header_timestamp = solution->header.time,
        .header_nonce = solution->header.nonce,
        .coinbase_tx = host::view(solution->coinbase),
    });
    if (!gets_tip(*s.alice, solution->hash, s.options().timeout)) {
        return failed("SetNewPrevHash with prev_hash " + host::rpc_hex(solution->hash), s.alice->heard(mark));
    }
    s.new_tip = solution->hash;
    s.old_template = made->template_id;
    return {};
}

Verdict check_new_tip(Session& s) {
    if (!s.bob) throw Skip{"there are no two clients with templates"};
    if (!s.new_tip) await_new_tip(s);
    if (!s.new_tip) throw Skip{s.options().new_tip_timeout ? "none came" : "see -solve and -new-tip-timeout"};
    const bool told = gets_tip(*s.bob, *s.new_tip, s.options().timeout);
    return expect(told, "SetNewPrevHash with prev_hash " + host::rpc_hex(*s.new_tip) + " for the other client too",
                  s.bob->heard());
}

Verdict check_template_ids(Session& s) {
    if (s.watch().templates == 0) throw Skip{"there was no template"};
    return expect(s.watch().template_id.empty(), "greater ids than before", s.watch().template_id);
}

Verdict check_future_templates(Session& s) {
    if (s.watch().templates == 0) throw Skip{"there was no template"};
    return expect(s.watch().not_future.empty(), "future_template to be set", "it unset in " + s.watch().not_future);
}

Verdict check_prev_hash_template(Session& s) {
    if (s.watch().prev_hashes == 0) throw Skip{"there was no SetNewPrevHash"};
    return expect(s.watch().unknown_template.empty(), "a template sent before", s.watch().unknown_template);
}

Verdict check_channel_msg(Session& s) {
    if (s.watch().messages == 0) throw Skip{"there was no message"};
    return expect(s.watch().channel_msg.empty(), "the bit to be unset", "it set in " + s.watch().channel_msg);
}

Verdict check_messages_readable(Session& s) {
    if (s.watch().messages == 0 && s.watch().unreadable.empty()) throw Skip{"there was no message"};
    return expect(s.watch().unreadable.empty(), "messages of the specification", "\"" + s.watch().unreadable + "\"");
}
