// What the program needs of a Bitcoin node: the events of the library's engine in, and what the node makes of them back
// into the engine.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include <sv2.hpp>

// What a node tells the program, besides what it gives to the engine. All in the thread of the event loop.
struct NodeEvents {
    // The engine was given something by the node's own doing: its events are due.
    std::function<void()> engine_changed;
    // The whole block of a solution; never before `submit` has returned, so that its line can be written first.
    std::function<void(const sv2_u256& block_hash, sv2::Bytes block)> block_ready;
    // The node cannot be used any more; a sentence says why.
    std::function<void(const std::string& why)> failed;
};

// A node. No function of it waits: what takes time comes later, as one of the events.
class Node {
public:
    virtual ~Node() = default;

    // From now on it gives to `engine`: template_ready, tip_changed, node_state, transactions_ready and submit_result.
    virtual void start(sv2::TemplateProvider& engine, NodeEvents events) = 0;

    // Templates for this key are wanted: one on the present tip, and then new and better ones.
    virtual void want_template(const sv2_constraint_key& key) = 0;
    virtual void drop_template(const sv2_constraint_key& key) = 0;

    // A template is not needed any more.
    virtual void free_template(std::uint64_t node_handle) = 0;

    // To be answered with transactions_ready.
    virtual void want_transactions(std::uint64_t template_id, std::uint64_t node_handle) = 0;

    // A block was found. What `solution` points to is valid until this returns.
    virtual void submit(const sv2_solution& solution) = 0;

protected:
    Node() = default;
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;
};
