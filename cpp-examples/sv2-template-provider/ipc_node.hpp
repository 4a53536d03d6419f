// Bitcoin Core over IPC as the node: with a library that was built with SV2_NODE_IPC.
#pragma once

#include <asio.hpp>

#include <memory>
#include <string>

#include "node.hpp"
#include "options.hpp"

class IpcNode : public Node {
public:
    // Nothing, with a sentence in `error`, if the library cannot make its client. That the node does not run is no error: it
    // is waited for.
    static std::unique_ptr<IpcNode> create(const Options& options, asio::io_context& context, std::string& error);
    ~IpcNode() override;

    void start(sv2::TemplateProvider& engine, NodeEvents events) override;
    void want_template(const sv2_constraint_key& key) override;
    void drop_template(const sv2_constraint_key& key) override;
    void free_template(std::uint64_t node_handle) override;
    void want_transactions(std::uint64_t template_id, std::uint64_t node_handle) override;
    void submit(const sv2_solution& solution) override;

private:
    IpcNode(const Options& options, asio::io_context& context, sv2::Node node);

    void wait();
    void take_events();
    void handle(const sv2_node_event& event);
    void say_state(const sv2_node_state& state);
    bool is_on_other_chain(const sv2_node_state& state) const;
    bool is_of_other_chain(const sv2_template& of) const;
    void refuse_chain();

    const Network& network_;
    const std::string socket_;
    sv2::Node node_;
    asio::posix::stream_descriptor readable_;  // the library's own descriptor, only lent to Asio
    sv2::TemplateProvider* engine_ = nullptr;
    NodeEvents events_;
    std::string last_state_;
};
