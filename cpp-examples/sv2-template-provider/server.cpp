#include "server.hpp"

#include <cstdio>
#include <utility>

#include "host/log.hpp"

namespace {

const char* why_refused(std::uint32_t refusal) {
    switch (refusal) {
    case SV2_SOLUTION_HASH_ABOVE_TARGET: return "its hash is above the target";
    case SV2_SOLUTION_NOT_ACTIVE: return "the block before it was not found yet";
    case SV2_SOLUTION_DUPLICATE: return "it was submitted before";
    default: return "for a reason this program does not know";
    }
}

}  // namespace

Server::Server(asio::io_context& context, const Options& options, const host::Keys& keys, Node& node, Solutions& solutions,
               sv2::TemplateProvider provider)
    : context_(context), options_(options), node_(node), solutions_(solutions), provider_(std::move(provider)),
      loop_(context, provider_,
            {
                .handle = [this](const sv2::TemplateEvent& event) { handle(event); },
                .failed = [this] { fail("The template provider has failed: this is an error in the library. Please report it."); },
                .first =
                    [this] {
                        while (const auto solution = provider_.next_solution()) submit(*solution);
                    },
            }),
      sockets_(context, provider_, [this] { loop_.drain(); },
               {.exempt = options.limits.exempt, .log_addresses = options.log_addresses}),
      renewal_(context, provider_, keys, options.certificate_validity) {}

std::string Server::listen() { return sockets_.listen({options_.bind, options_.port}); }

bool Server::run() {
    shut_down_on_signal();
    reopen_log_on_signal();
    node_.start(provider_, {
                               .engine_changed = [this] { loop_.drain(); },
                               .block_ready = [this](const sv2_u256& block_hash, sv2::Bytes block) {
                                   solutions_.whole(block_hash, block);
                               },
                               .failed = [this](const std::string& why) { fail(why); },
                           });
    sockets_.start();
    if (!options_.plaintext) renewal_.start();
    loop_.drain();
    context_.run();
    // What is left waits for the disk. Should that never answer, the next signal ends the program.
    asio::error_code ignored;
    signals_.clear(ignored);
    return !failed_;
}

void Server::fail(const std::string& why) {
    if (failed_) return;
    host::log_error(why);
    std::fprintf(stderr, "sv2-template-provider: %s\n", why.c_str());
    failed_ = true;
    context_.stop();
}

void Server::handle(const sv2::TemplateEvent& event) {
    std::visit(sv2::overloaded{
                   [&](const sv2::SubmitBlock& e) { submit(e.solution); },
                   [&](const sv2::WantTemplate& e) { node_.want_template(e.key); },
                   [&](const sv2::DropTemplate& e) { node_.drop_template(e.key); },
                   [&](const sv2::TemplateExpired& e) { node_.free_template(e.node_handle); },
                   [&](const sv2::WantTransactions& e) { node_.want_transactions(e.template_id, e.node_handle); },
                   [&](const sv2::Writable& e) { sockets_.write(e.connection); },
                   [&](const sv2::Close& e) { sockets_.close(e.connection, e.reason); },
                   [&](const sv2::ClientReady& e) {
                       host::log_of_peers(host::Level::info, "client " + std::to_string(e.connection) +
                                                                 " gets templates with " +
                                                                 std::to_string(e.key.reserved_weight) +
                                                                 " weight units and " + std::to_string(e.key.sigops) +
                                                                 " sigops reserved");
                   },
                   [&](const sv2::BlockAccepted& e) { accepted(e.block_hash); },
                   [&](const sv2::SolutionRefused& e) {
                       // Of this one the engine itself has said so.
                       if (e.refusal == SV2_SOLUTION_UNKNOWN_TEMPLATE) return;
                       host::log_of_peers(host::Level::info, "solution for template " + std::to_string(e.template_id) +
                                                                 " of client " + std::to_string(e.connection) +
                                                                 " refused: " + why_refused(e.refusal));
                   },
               },
               event);
}
