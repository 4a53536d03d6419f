// What the checks let clients do.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "session.hpp"

// No provider should have come so far.
constexpr std::uint64_t unknown_template_id = 0xffff'ffff'ffff'fff0;

// A client that has said what it needs.
std::unique_ptr<Peer> serve(Session& s, const sv2_coinbase_output_constraints& constraints = small_constraints);

// Asks for a template's transactions and waits for the answer, past whatever else comes. nullptr if there is none.
const Message* request(Peer& peer, std::uint64_t template_id);

// Nothing if they cannot be read.
std::optional<std::vector<Transaction>> read_all(const TransactionData& data);

// A template's transactions, if the provider gives them and they can be read.
std::optional<std::vector<Transaction>> transactions_of(Peer& peer, std::uint64_t template_id);

// Whether the client, which has got a template, still gets answers.
bool is_answered(Peer& peer);

// The template and tip that a client mines on.
struct Work {
    const NewTemplate* made = nullptr;
    const SetNewPrevHash* tip = nullptr;
};
Work latest_work(const Peer& peer);

// A template that the client was sent; nullptr if there is none of this id.
const NewTemplate* sent_template(const Peer& peer, std::uint64_t template_id);

// SetNewPrevHash with this hash, if it comes or has come.
const SetNewPrevHash* await_tip(Peer& peer, const host::Hash& hash, std::chrono::milliseconds timeout);

void submit(Peer& peer, const Solution& solution);
