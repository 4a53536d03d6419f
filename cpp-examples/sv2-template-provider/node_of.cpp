#include "node_of.hpp"

#include <utility>

#include "host/log.hpp"
#include "regtest_node.hpp"
#if defined(SV2_WITH_NODE_IPC)
#include "ipc_node.hpp"
#endif

std::string why_no_node(const Options& options) {
#if !defined(SV2_WITH_NODE_IPC)
    if (options.node_socket) {
        return "This build has no IPC, by which it would talk to Bitcoin Core: build it with cmake -DSV2_NODE_IPC=ON. Without "
               "a node it serves -regtest.";
    }
#else
    (void)options;
#endif
    return {};
}

std::unique_ptr<Node> node_of(const Options& options, asio::io_context& context, std::string& error) {
#if defined(SV2_WITH_NODE_IPC)
    if (options.node_socket) return IpcNode::create(options, context, error);
#endif
    auto chain = host::RegtestChain::open(options.directory, error);
    if (!chain) return nullptr;
    if (!chain->notice().empty()) host::log_info(chain->notice());
    return std::make_unique<RegtestNode>(context, std::move(chain),
                                         RegtestNode::Mempool{options.mempool, options.transaction_interval},
                                         options.block_work);
}
