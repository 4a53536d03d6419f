#include "clients.hpp"

std::unique_ptr<Peer> serve(Session& s, const sv2_coinbase_output_constraints& constraints) {
    auto peer = s.set_up();
    peer->send(constraints);
    return peer;
}

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

std::optional<std::vector<Transaction>> transactions_of(Peer& peer, std::uint64_t template_id) {
    const Message* answer = request(peer, template_id);
    const auto* data = answer ? std::get_if<TransactionData>(answer) : nullptr;
    return data ? read_all(*data) : std::nullopt;
}

// Every request has an answer, which cannot be taken for anything that the provider says by itself.
bool is_answered(Peer& peer) {
    std::optional<std::uint64_t> latest;
    for (const Message& message : peer.messages()) {
        if (const auto* made = std::get_if<NewTemplate>(&message)) latest = made->template_id;
    }
    return latest && request(peer, *latest);
}

Work latest_work(const Peer& peer) {
    Work work;
    for (const Message& message : peer.messages()) {
        if (const auto* tip = std::get_if<SetNewPrevHash>(&message)) {
            work.tip = tip;
            if (const NewTemplate* made = sent_template(peer, tip->template_id)) work.made = made;
        } else if (const auto* made = std::get_if<NewTemplate>(&message); made && !made->future_template) {
            work.made = made;
        }
    }
    return work;
}

const NewTemplate* sent_template(const Peer& peer, std::uint64_t template_id) {
    const NewTemplate* latest = nullptr;
    for (const Message& message : peer.messages()) {
        const auto* made = std::get_if<NewTemplate>(&message);
        if (made && made->template_id == template_id) latest = made;
    }
    return latest;
}

const SetNewPrevHash* await_tip(Peer& peer, const host::Hash& hash, std::chrono::milliseconds timeout) {
    const Message* found = peer.await_where(0, timeout, [&](const Message& message) {
        const auto* tip = std::get_if<SetNewPrevHash>(&message);
        return tip && host::same(tip->prev_hash, hash);
    });
    return found ? &std::get<SetNewPrevHash>(*found) : nullptr;
}

void submit(Peer& peer, const Solution& solution) {
    peer.send(sv2_submit_solution{
        .template_id = solution.template_id,
        .version = solution.header.version,
        .header_timestamp = solution.header.time,
        .header_nonce = solution.header.nonce,
        .coinbase_tx = host::view(solution.coinbase),
    });
}
