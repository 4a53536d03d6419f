#include "server.hpp"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <utility>

#include "log.hpp"

using asio::ip::tcp;
using std::chrono::steady_clock;
using std::chrono::system_clock;

namespace {

// As many events are handled before sockets and node are looked at again. Each is one write at most, so that a tip or a block does
// not wait for all that all clients are being sent.
constexpr int events_per_turn = 32;

const char* why_refused(std::uint32_t refusal) {
    switch (refusal) {
    case SV2_SOLUTION_HASH_ABOVE_TARGET: return "its hash is above the target";
    case SV2_SOLUTION_NOT_ACTIVE: return "the block before it was not found yet";
    case SV2_SOLUTION_DUPLICATE: return "it was submitted before";
    default: return "for a reason this program does not know";
    }
}

}  // namespace

Server::Server(asio::io_context& context, const Options& options, const Keys& keys, Node& node, Solutions& solutions,
               sv2::TemplateProvider provider)
    : context_(context), options_(options), keys_(keys), node_(node), solutions_(solutions),
      provider_(std::move(provider)), renewed_(std::chrono::floor<std::chrono::seconds>(system_clock::now())) {}

std::string Server::listen() {
    asio::error_code error;
    const auto address = asio::ip::make_address(options_.bind, error);
    if (error) return "'" + options_.bind + "' is not an address to listen on.";
    const tcp::endpoint endpoint{address, options_.port};
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address{true}, error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (!error) port_ = acceptor_.local_endpoint(error).port();
    if (error) {
        return "Cannot listen on " + options_.bind + " port " + std::to_string(options_.port) + ": " + error.message() + ".";
    }
    return {};
}

bool Server::run() {
    shut_down_on_signal();
    reopen_log_on_signal();
    node_.start(provider_, {
                               .engine_changed = [this] { drain(); },
                               .block_ready = [this](const sv2_u256& block_hash, sv2::Bytes block) {
                                   solutions_.whole(block_hash, block);
                               },
                               .failed = [this](const std::string& why) { fail(why); },
                           });
    accept();
    renew_identity();
    drain();
    context_.run();
    // What is left waits for the disk. Should that never answer, the next signal ends the program.
    asio::error_code ignored;
    signals_.clear(ignored);
    return !failed_;
}

void Server::fail(const std::string& why) {
    if (failed_) return;
    log_error(why);
    std::fprintf(stderr, "sv2-template-provider: %s\n", why.c_str());
    failed_ = true;
    context_.stop();
}

// ---------------------------------------------------------------------------------------------------------------- sockets

void Server::accept() {
    acceptor_.async_accept([this](asio::error_code error, tcp::socket socket) {
        if (error == asio::error::operation_aborted) return;
        if (error) {
            // Out of descriptors, for example: that may pass, and trying again at once would only burn a core.
            log_warning("cannot accept a connection: " + error.message(), Category::net);
            auto pause = std::make_shared<asio::steady_timer>(context_, std::chrono::seconds{1});
            pause->async_wait([this, pause](asio::error_code) { accept(); });
            return;
        }
        admit(std::move(socket));
        drain();
        accept();
    });
}

void Server::admit(tcp::socket socket) {
    asio::error_code ignored;
    socket.non_blocking(true, ignored);
    socket.set_option(tcp::no_delay{true}, ignored);
    const tcp::endpoint remote = socket.remote_endpoint(ignored);
    const std::string from = options_.log_addresses ? " from " + remote.address().to_string() : "";
    const bool is_exempt = std::ranges::any_of(
        options_.limits.exempt, [&](const Subnet& subnet) { return subnet.contains(remote.address()); });
    const auto address_of = [](const asio::ip::address& of) {
        return of.is_v4() ? sv2::address(of.to_v4().to_bytes()) : sv2::address(of.to_v6().to_bytes());
    };
    const auto address = is_exempt ? std::nullopt : address_of(remote.address());
    const Id id = next_id_++;
    if (const sv2::Status status = provider_.connect(id, address, sv2::now()); !status.ok()) {
        log_of_peers(Level::info, "a client" + from + " is refused: " + provider_.error());
        return;
    }
    clients_.emplace(id, Client{std::move(socket)});
    log_of_peers(Level::info, "client " + std::to_string(id) + " connected" + from);
    read(id);
}

void Server::read(Id id) {
    const auto found = clients_.find(id);
    if (found == clients_.end()) return;
    found->second.socket.async_wait(tcp::socket::wait_read, [this, id](asio::error_code error) {
        const auto client = clients_.find(id);
        if (client == clients_.end()) return;
        std::size_t n = 0;
        if (!error) n = client->second.socket.read_some(asio::buffer(received_), error);
        if (error && error != asio::error::would_block) {
            provider_.disconnect(id);
            close(id, error == asio::error::eof ? "the client closed the connection" : error.message());
        } else {
            // SV2_NOT_FOUND says that the engine has closed the connection: its event is on the way.
            (void)provider_.receive(id, std::span{received_}.first(n), sv2::now());
            read(id);
        }
        drain();
    });
}

// Writes once. If more is left the engine says so again, behind what others wait for.
void Server::write(Id id) {
    const auto found = clients_.find(id);
    if (found == clients_.end() || found->second.waiting_to_write || found->second.broken) return;
    Client& client = found->second;
    const sv2::Bytes out = provider_.output(id);
    if (out.empty()) return;
    asio::error_code error;
    const std::size_t n = client.socket.write_some(asio::buffer(out.data(), out.size()), error);
    if (!error) {
        (void)provider_.sent(id, n, sv2::now());
    } else if (error == asio::error::would_block) {
        client.waiting_to_write = true;
        client.socket.async_wait(tcp::socket::wait_write, [this, id](asio::error_code) {
            if (const auto again = clients_.find(id); again != clients_.end()) {
                again->second.waiting_to_write = false;
                write(id);
                drain();
            }
        });
    } else {
        // The client may have sent a block before it went: reading comes to it, and then to the end.
        client.broken = true;
    }
}

void Server::close(Id id, const std::string& reason) {
    const auto client = clients_.find(id);
    if (client == clients_.end()) return;
    log_of_peers(Level::info, "client " + std::to_string(id) + " closed: " + reason);
    asio::error_code ignored;
    client->second.socket.shutdown(tcp::socket::shutdown_both, ignored);
    clients_.erase(client);
}

// ------------------------------------------------------------------------------------------------------------- the engine

// Does what the engine wants, blocks at once. The rest goes on in a turn of its own if there is much of it: what comes in
// meanwhile, a tip or a block, is not kept waiting.
void Server::drain() {
    while (const auto solution = provider_.next_solution()) submit(*solution);
    if (goes_on_) return;
    int left = events_per_turn;
    for (; left > 0; --left) {
        const auto event = provider_.next_event();
        if (!event) break;
        handle(*event);
    }
    if (provider_.failed()) {
        while (const auto solution = provider_.next_solution()) submit(*solution);
        fail("The template provider has failed: this is an error in the library. Please report it.");
    }
    set_timer();
    if (left > 0) return;
    goes_on_ = true;
    asio::post(context_, [this] {
        goes_on_ = false;
        drain();
    });
}

void Server::handle(const sv2::TemplateEvent& event) {
    std::visit(sv2::overloaded{
                   [&](const sv2::SubmitBlock& e) { submit(e.solution); },
                   [&](const sv2::WantTemplate& e) { node_.want_template(e.key); },
                   [&](const sv2::DropTemplate& e) { node_.drop_template(e.key); },
                   [&](const sv2::TemplateExpired& e) { node_.free_template(e.node_handle); },
                   [&](const sv2::WantTransactions& e) { node_.want_transactions(e.template_id, e.node_handle); },
                   [&](const sv2::Writable& e) { write(e.connection); },
                   [&](const sv2::Close& e) { close(e.connection, e.reason); },
                   [&](const sv2::ClientReady& e) {
                       log_of_peers(Level::info, "client " + std::to_string(e.connection) + " gets templates with " +
                                    std::to_string(e.key.reserved_weight) + " weight units and " +
                                    std::to_string(e.key.sigops) + " sigops reserved");
                   },
                   [&](const sv2::BlockAccepted& e) { accepted(e.block_hash); },
                   [&](const sv2::SolutionRefused& e) {
                       // Of this one the engine itself has said so.
                       if (e.refusal == SV2_SOLUTION_UNKNOWN_TEMPLATE) return;
                       log_of_peers(Level::info, "solution for template " + std::to_string(e.template_id) + " of client " +
                                    std::to_string(e.connection) + " refused: " + why_refused(e.refusal));
                   },
               },
               event);
}

void Server::set_timer() {
    const auto deadline = provider_.next_deadline();
    if (!deadline) {
        deadline_.cancel();
        return;
    }
    deadline_.expires_at(*deadline);
    deadline_.async_wait([this](asio::error_code error) {
        if (error) return;
        (void)provider_.tick(sv2::now());
        drain();
    });
}

// ----------------------------------------------------------------------------------------------------------- certificates

void Server::renew_identity() {
    if (options_.plaintext) return;
    // Looked at by the wall clock, every hour or sooner: the other one may stand still while the machine sleeps.
    const auto validity = options_.certificate_validity;
    constexpr std::chrono::milliseconds an_hour = std::chrono::hours{1};
    renewal_.expires_after(std::min<std::chrono::milliseconds>(an_hour, std::chrono::milliseconds{validity} / 4));
    renewal_.async_wait([this, validity](asio::error_code error) {
        if (error) return;
        const auto now = std::chrono::floor<std::chrono::seconds>(system_clock::now());
        if (is_renewal_due(renewed_, now, validity)) {
            const auto identity = keys_.identity(now, validity);
            if (identity && provider_.set_identity(*identity).ok()) {
                renewed_ = now;
                log_info("the certificate was renewed");
            } else {
                log_error("the certificate could not be renewed; it is tried again");
            }
        }
        renew_identity();
    });
}
