#include "embedded_provider.hpp"

#include <utility>

#include "host/log.hpp"

std::unique_ptr<EmbeddedProvider> EmbeddedProvider::open(asio::io_context& context, const std::filesystem::path& directory,
                                                         const TemplateSettings& settings,
                                                         std::function<void(const std::string& why)> failed,
                                                         std::string& error) {
    auto chain = host::RegtestChain::open(directory, error);
    if (!chain) return nullptr;
    if (!chain->notice().empty()) host::log_info(chain->notice());
    sv2_template_provider_options options = sv2::template_provider_options();
    options.log.write = host::log_of_engine;
    auto engine = sv2::TemplateProvider::plaintext(options);
    if (!engine) {
        error = engine.status().message();
        return nullptr;
    }
    std::unique_ptr<EmbeddedProvider> provider{
        new EmbeddedProvider{context, *std::move(engine), std::move(chain), settings, std::move(failed)}};
    error = provider->sockets_.listen({"127.0.0.1", 0});
    return error.empty() ? std::move(provider) : nullptr;
}

EmbeddedProvider::EmbeddedProvider(asio::io_context& context, sv2::TemplateProvider engine,
                                   std::unique_ptr<host::RegtestChain> chain, const TemplateSettings& settings,
                                   std::function<void(const std::string& why)> failed)
    : engine_(std::move(engine)), failed_(std::move(failed)),
      node_(context, std::move(chain),
            RegtestNode::Mempool{settings.mempool, std::chrono::milliseconds{settings.new_transaction_ms}}),
      loop_(context, engine_,
            {
                .handle = [this](const sv2::TemplateEvent& event) { handle(event); },
                .failed =
                    [this] { failed_("The embedded template provider has failed: this is an error in the library."); },
                .first =
                    [this] {
                        while (const auto solution = engine_.next_solution()) node_.submit(*solution);
                    },
            }),
      sockets_(context, engine_, [this] { loop_.drain(); }, {.client = "client of the embedded chain"}) {}

void EmbeddedProvider::start() {
    node_.start(engine_, {
                             .engine_changed = [this] { loop_.drain(); },
                             // The chain keeps all blocks itself.
                             .block_ready = [](const sv2_u256&, sv2::Bytes) {},
                             .failed = failed_,
                         });
    sockets_.start();
    loop_.drain();
}

void EmbeddedProvider::handle(const sv2::TemplateEvent& event) {
    std::visit(sv2::overloaded{
                   [&](const sv2::SubmitBlock& e) { node_.submit(e.solution); },
                   [&](const sv2::WantTemplate& e) { node_.want_template(e.key); },
                   [&](const sv2::DropTemplate& e) { node_.drop_template(e.key); },
                   [&](const sv2::TemplateExpired& e) { node_.free_template(e.node_handle); },
                   [&](const sv2::WantTransactions& e) { node_.want_transactions(e.template_id, e.node_handle); },
                   [&](const sv2::Writable& e) { sockets_.write(e.connection); },
                   [&](const sv2::Close& e) { sockets_.close(e.connection, e.reason); },
                   [&](const sv2::BlockAccepted& e) {
                       host::log_info("block " + sv2::to_string(e.block_hash) + " is the embedded chain's tip");
                   },
                   [](const sv2::ClientReady&) {},
                   [](const sv2::SolutionRefused&) {},  // the engine has said so
               },
               event);
}
