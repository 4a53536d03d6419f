#if defined(SV2_WITH_NODE_IPC)
#include "ipc_node.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include "host/log.hpp"

namespace {

void log_node(void*, int level, const char* text, std::size_t len) noexcept {
    const host::Level as = level <= SV2_LOG_ERROR     ? host::Level::error
                           : level == SV2_LOG_WARNING ? host::Level::warning
                           : level == SV2_LOG_INFO    ? host::Level::info
                                                      : host::Level::debug;
    host::log_line(as, host::Category::ipc, {text, len});
}

// Whether blocks of `a` are easier to find than those of `b`, both in compact form: an exponent and three bytes of mantissa.
bool is_easier(std::uint32_t a, std::uint32_t b) {
    sv2_u256 left, right;
    if (sv2_target_from_nbits(a, &left) != SV2_OK || sv2_target_from_nbits(b, &right) != SV2_OK) return false;
    return std::lexicographical_compare(std::rbegin(right.bytes), std::rend(right.bytes), std::rbegin(left.bytes),
                                        std::rend(left.bytes));
}

}  // namespace

std::unique_ptr<IpcNode> IpcNode::create(const Options& options, asio::io_context& context, std::string& error) {
    sv2_node_options node_options = sv2::node_options();
    // To the library a zero means "as usual"; the least that can be said is one.
    node_options.fee_threshold_sat = std::max<std::uint64_t>(options.fee_delta, 1);
    const auto interval = std::chrono::duration_cast<std::chrono::milliseconds>(options.template_interval).count();
    node_options.update_interval_ms = std::max<std::uint64_t>(static_cast<std::uint64_t>(interval), 1);
    node_options.log.write = log_node;
    const std::string path = options.node_socket->string();
    auto node = sv2::Node::create(path, node_options);
    if (!node) {
        error = node.status() == SV2_ERROR_ARGUMENT ? "The path of the node's socket is too long: " + path
                                                    : std::string{"Cannot talk to a node: "} + node.status().message();
        return nullptr;
    }
    return std::unique_ptr<IpcNode>{new IpcNode{options, context, *std::move(node)}};
}

IpcNode::IpcNode(const Options& options, asio::io_context& context, sv2::Node node)
    : network_(*options.network), socket_(options.node_socket->string()), node_(std::move(node)),
      readable_(context, node_.fd()) {}

IpcNode::~IpcNode() { (void)readable_.release(); }

void IpcNode::start(sv2::TemplateProvider& engine, NodeEvents events) {
    engine_ = &engine;
    events_ = std::move(events);
    host::log_info("connecting to the node at " + socket_, host::Category::ipc);
    wait();
}

void IpcNode::want_template(const sv2_constraint_key& key) { (void)node_.want_template(key); }

void IpcNode::drop_template(const sv2_constraint_key& key) { (void)node_.drop_template(key); }

void IpcNode::free_template(std::uint64_t node_handle) { (void)node_.free_template(node_handle); }

void IpcNode::want_transactions(std::uint64_t template_id, std::uint64_t node_handle) {
    (void)node_.want_transactions(template_id, node_handle);
}

void IpcNode::submit(const sv2_solution& solution) { (void)node_.submit(solution); }

void IpcNode::wait() {
    readable_.async_wait(asio::posix::stream_descriptor::wait_read, [this](asio::error_code error) {
        if (error) return;
        take_events();
        wait();
    });
}

void IpcNode::take_events() {
    while (const auto event = node_.next_event()) handle(*event);
    if (node_.failed()) {
        (void)readable_.release();
        events_.failed("The client of the node has failed: this is an error in the library. Please report it.");
    }
    events_.engine_changed();
}

void IpcNode::handle(const sv2_node_event& event) {
    switch (event.type) {
    case SV2_NODE_EVENT_STATE:
        say_state(event.as.state);
        if (is_on_other_chain(event.as.state)) return refuse_chain();
        break;
    case SV2_NODE_EVENT_TEMPLATE_READY:
        if (is_of_other_chain(event.as.template_ready.template_)) return refuse_chain();
        break;
    case SV2_NODE_EVENT_SUBMIT_RESULT: {
        const sv2_submit_result& result = event.as.submit_result;
        const std::string reason = *result.reason ? std::string{": "} + result.reason : "";
        const std::string hash = sv2::to_string(result.block_hash);
        result.accepted ? host::log_info("the node took block " + hash + reason, host::Category::ipc)
                        : host::log_warning("the node did not take block " + hash + reason, host::Category::ipc);
        break;
    }
    case SV2_NODE_EVENT_BLOCK:
        events_.block_ready(event.as.block.block_hash, sv2::view(event.as.block.bytes));
        return;
    default: break;
    }
    const sv2::Status status = node_.deliver(event, *engine_, sv2::now());
    if (status.is_error()) {
        host::log_warning(std::string{"an answer of the node was not taken: "} + engine_->error(), host::Category::ipc);
    }
}

void IpcNode::say_state(const sv2_node_state& state) {
    std::string line;
    if (state.state == SV2_NODE_READY) {
        line = "the node is ready, its mining interface is that of version " + std::to_string(state.version) +
               (state.version >= 32 ? " or newer" : "");
    } else if (state.state == SV2_NODE_SYNCING) {
        line = std::string{"the node is not ready yet: "} + state.reason;
    } else {
        line = std::string{"the node is away, and tried again and again: "} + state.reason +
               "; it must be Bitcoin Core 30 or newer, started with -ipcbind=unix on the network " +
               std::string{network_.name};
    }
    // While it is away the same is said only once.
    if (line == last_state_) return;
    state.state == SV2_NODE_DOWN ? host::log_warning(line, host::Category::ipc) : host::log_info(line, host::Category::ipc);
    last_state_ = std::move(line);
}

// A node does not say which chain it is on, but whether that is the main one.
bool IpcNode::is_on_other_chain(const sv2_node_state& state) const {
    const bool is_test_chain = network_.name != "main";
    return state.state == SV2_NODE_READY && (state.is_test_chain != 0) != is_test_chain;
}

// Of test chains the blocks tell something: none is easier than its chain allows, and on regtest all are equally easy. What
// stays unseen is a test chain other than regtest in place of another one whose blocks may be at least as easy.
bool IpcNode::is_of_other_chain(const sv2_template& of) const {
    return network_.name == "regtest" ? of.nbits != network_.easiest_nbits : is_easier(of.nbits, network_.easiest_nbits);
}

void IpcNode::refuse_chain() {
    events_.failed("The node at " + socket_ + " is not on the network " + std::string{network_.name} +
                   ": say the one it is on, as -chain=<chain>.");
}

#endif
