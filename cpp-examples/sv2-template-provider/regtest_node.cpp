#include "regtest_node.hpp"

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "host/log.hpp"

namespace {

// The chain's template in the engine's words. It borrows from `of`.
sv2_template for_engine(const host::Template& of, std::uint64_t handle) {
    sv2_template t = sv2::make_template();
    t.node_handle = handle;
    t.version = of.version;
    t.header_timestamp = of.time;
    t.nbits = of.nbits;
    t.prev_hash = of.prev_hash;
    t.coinbase_tx_version = of.coinbase_tx_version;
    t.coinbase_tx_input_sequence = of.coinbase_tx_input_sequence;
    t.coinbase_tx_locktime = of.coinbase_tx_locktime;
    t.coinbase_tx_outputs_count = of.coinbase_tx_outputs_count;
    t.coinbase_tx_value_remaining = of.coinbase_tx_value_remaining;
    t.coinbase_prefix = sv2::bytes(of.coinbase_prefix);
    t.coinbase_tx_outputs = sv2::bytes(of.coinbase_tx_outputs);
    t.merkle_path = sv2::list(of.merkle_path);
    return t;
}

}  // namespace

RegtestNode::RegtestNode(asio::io_context& context, std::unique_ptr<host::RegtestChain> chain, Mempool mempool)
    : chain_(std::move(chain)), mempool_(mempool), transactions_(context) {}

void RegtestNode::start(sv2::TemplateProvider& engine, NodeEvents events) {
    engine_ = &engine;
    events_ = std::move(events);
    chain_->add_transactions(mempool_.transactions);
    host::log_info("regtest chain at height " + std::to_string(chain_->height()) + ", " +
                   std::to_string(chain_->mempool_size()) + " transactions in the mempool");
    grow_mempool();
}

void RegtestNode::want_template(const sv2_constraint_key& key) {
    wanted_.insert(key);
    offer_template(key);
}

void RegtestNode::drop_template(const sv2_constraint_key& key) { wanted_.erase(key); }

void RegtestNode::free_template(std::uint64_t node_handle) { templates_.erase(node_handle); }

void RegtestNode::offer_template(const sv2_constraint_key& key) {
    const auto made = chain_->make_template(key.reserved_weight, key.sigops);
    const std::uint64_t handle = next_handle_++;
    const auto template_id = engine_->template_ready(key, for_engine(*made, handle), sv2::now());
    if (!template_id) {
        host::log_warning(std::string{"a template was not taken: "} + engine_->error());
        return;
    }
    templates_.emplace(handle, made);
    if (!host::log_takes(host::Level::debug)) return;
    host::log_debug("template " + std::to_string(*template_id) + " at height " + std::to_string(made->height) + ": " +
                    std::to_string(made->transactions.size()) + " transactions, " + std::to_string(made->fees) +
                    " sat in fees");
}

void RegtestNode::want_transactions(std::uint64_t template_id, std::uint64_t node_handle) {
    const auto found = templates_.find(node_handle);
    std::optional<std::span<const sv2_bytes>> answer;
    std::vector<sv2_bytes> transactions;
    if (found != templates_.end()) {
        for (const auto& transaction : found->second->transactions) {
            transactions.push_back(sv2::bytes(transaction->bytes));
        }
        answer = transactions;
    }
    if (const sv2::Status status = engine_->transactions_ready(template_id, answer, sv2::now()); !status.ok()) {
        host::log_warning(std::string{"transactions were not taken: "} + engine_->error());
    }
}

void RegtestNode::submit(const sv2_solution& solution) {
    const std::string hash = sv2::to_string(solution.block_hash);
    const auto found = templates_.find(solution.node_handle);
    if (found == templates_.end()) {
        host::log_error("block " + hash + " is lost: its template " + std::to_string(solution.template_id) + " is gone");
        return;
    }
    const auto& header = solution.header;
    host::SubmitResult result =
        chain_->submit(*found->second, header.version, header.time, header.nonce, sv2::view(solution.coinbase_tx));
    const bool accepted = result.verdict == host::Verdict::accepted;
    const auto taken = accepted || result.verdict == host::Verdict::duplicate ? SV2_SUBMIT_TAKEN : SV2_SUBMIT_REFUSED;
    (void)engine_->submit_result(solution.block_hash, taken, sv2::now());
    switch (result.verdict) {
    case host::Verdict::accepted:
        // The new tip first, with what is in the mempool; more transactions come afterwards.
        (void)engine_->tip_changed(chain_->tip(), sv2::now());
        if (chain_->mempool_size() < mempool_.transactions) {
            chain_->add_transactions(mempool_.transactions - chain_->mempool_size());
        }
        break;
    case host::Verdict::duplicate: host::log_info("block " + hash + " is known already"); break;
    case host::Verdict::stale: host::log_warning("block " + hash + " is stale: another block came first"); break;
    case host::Verdict::rejected: host::log_warning("block " + hash + " rejected: " + result.reason); break;
    case host::Verdict::failed: events_.failed("Block " + hash + " cannot be stored: " + result.reason + "."); break;
    }
    if (result.block.empty()) return;
    asio::post(transactions_.get_executor(), [this, block_hash = solution.block_hash, block = std::move(result.block)] {
        events_.block_ready(block_hash, block);
    });
}

void RegtestNode::grow_mempool() {
    if (mempool_.interval.count() == 0) return;
    transactions_.expires_after(mempool_.interval);
    transactions_.async_wait([this](asio::error_code error) {
        if (error) return;
        // The mempool may grow to twice what it has after a block, so that a chain nobody mines on does not grow for ever.
        if (chain_->mempool_size() < 2 * mempool_.transactions && chain_->add_transactions(1) > 0) {
            for (const sv2_constraint_key& key : wanted_) offer_template(key);
        }
        grow_mempool();
        events_.engine_changed();
    });
}
