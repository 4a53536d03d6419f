// The embedded regtest chain as the node.
#pragma once

#include <asio.hpp>

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <set>

#include "host/regtest_chain.hpp"
#include "node.hpp"

class RegtestNode : public Node {
public:
    // How many transactions wait for a block after each block, and how much time is between new ones, 0 for none.
    struct Mempool {
        std::size_t transactions;
        std::chrono::milliseconds interval;
    };

    RegtestNode(asio::io_context& context, std::unique_ptr<host::RegtestChain> chain, Mempool mempool);

    void start(sv2::TemplateProvider& engine, NodeEvents events) override;
    void want_template(const sv2_constraint_key& key) override;
    void drop_template(const sv2_constraint_key& key) override;
    void free_template(std::uint64_t node_handle) override;
    void want_transactions(std::uint64_t template_id, std::uint64_t node_handle) override;
    void submit(const sv2_solution& solution) override;

private:
    struct Less {
        bool operator()(const sv2_constraint_key& a, const sv2_constraint_key& b) const {
            return a.reserved_weight != b.reserved_weight ? a.reserved_weight < b.reserved_weight : a.sigops < b.sigops;
        }
    };

    void offer_template(const sv2_constraint_key& key);
    void grow_mempool();

    std::unique_ptr<host::RegtestChain> chain_;
    const Mempool mempool_;
    asio::steady_timer transactions_;
    sv2::TemplateProvider* engine_ = nullptr;
    NodeEvents events_;
    std::set<sv2_constraint_key, Less> wanted_;
    std::map<std::uint64_t, std::shared_ptr<const host::Template>> templates_;  // by our name, node_handle
    std::uint64_t next_handle_ = 1;
};
