// A Stratum V2 template provider inside Bitcoin Core. Belongs into src/node of its tree: see docs/embed-in-a-node.md.
#ifndef BITCOIN_NODE_SV2_TEMPLATE_PROVIDER_H
#define BITCOIN_NODE_SV2_TEMPLATE_PROVIDER_H
#include <util/result.h>

class ArgsManager;
namespace node {
struct NodeContext;

void AddSv2Args(ArgsManager& argsman); //!< Tells of -sv2, -sv2bind and -sv2port.
//! If -sv2 is set: reads or makes the keys, opens the port, starts the threads. To be called when the chainstate is
//! loaded. Fails with a sentence if a key file is damaged or the port cannot be opened.
util::Result<void> StartSv2TemplateProvider(NodeContext& node);
void InterruptSv2TemplateProvider(); //!< Has the threads end soon.
//! Waits for the threads; blocks that were found are submitted before. To be called while `node` is still whole.
void StopSv2TemplateProvider();
} // namespace node

#endif // BITCOIN_NODE_SV2_TEMPLATE_PROVIDER_H
