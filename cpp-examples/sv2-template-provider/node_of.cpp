#include "node_of.hpp"

#include <utility>

#include "host/bytes.hpp"
#include "host/log.hpp"
#include "regtest_node.hpp"
#if defined(SV2_WITH_NODE_IPC)
#include "ipc_node.hpp"
#endif

namespace {

// The nBits of what one hash in 2^n is not above: n zero bits, and ones.
std::uint32_t nbits_of_work(unsigned n) {
    sv2_u256 target{};
    for (unsigned bit = 0; bit < 256 - n; ++bit) target.bytes[bit / 8] |= static_cast<std::uint8_t>(1U << bit % 8);
    std::uint32_t nbits = 0;
    host::must(sv2_target_to_nbits(&target, &nbits));
    return nbits;
}

}  // namespace

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
    const std::uint32_t nbits = options.block_work > 1 ? nbits_of_work(options.block_work) : host::regtest::nbits;
    auto chain = host::RegtestChain::open(options.directory, error, host::RegtestChain::system_clock, nbits);
    if (!chain) return nullptr;
    if (!chain->notice().empty()) host::log_info(chain->notice());
    return std::make_unique<RegtestNode>(context, std::move(chain),
                                         RegtestNode::Mempool{options.mempool, options.transaction_interval});
}
