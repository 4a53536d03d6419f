#include "server.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <utility>
#include <vector>

using asio::ip::tcp;
using std::chrono::system_clock;

namespace {

// The chain's template in the engine's words. It borrows from `of`.
sv2_template for_engine(const host::Template& of, std::uint64_t handle) {
    sv2_template t = sv2::make_template();
    t.node_handle = handle;
    t.version = of.version;
    t.header_timestamp = of.time;
    t.nbits = of.nbits;
    t.prev_hash = of.prev_hash;
    t.coinbase_tx_version = of.coinbase_tx_version;
    t.coinbase_tx_input_sequence = of.coinbase_tx_input_sequence;
    t.coinbase_tx_locktime = of.coinbase_tx_locktime;
    t.coinbase_tx_outputs_count = of.coinbase_tx_outputs_count;
    t.coinbase_tx_value_remaining = of.coinbase_tx_value_remaining;
    t.coinbase_prefix = sv2::bytes(of.coinbase_prefix);
    t.coinbase_tx_outputs = sv2::bytes(of.coinbase_tx_outputs);
    t.merkle_path = sv2::list(of.merkle_path);
    return t;
}

sv2_address for_engine(const asio::ip::address& of) {
    sv2_address address{};
    const auto set = [&](const auto& bytes) {
        address.len = static_cast<std::uint8_t>(bytes.size());
        std::copy(bytes.begin(), bytes.end(), address.bytes);
    };
    of.is_v4() ? set(of.to_v4().to_bytes()) : set(of.to_v6().to_bytes());
    return address;
}

const char* why_refused(std::uint32_t refusal) {
    switch (refusal) {
    case SV2_SOLUTION_UNKNOWN_TEMPLATE: return "its template is not known, or too old";
    case SV2_SOLUTION_HASH_ABOVE_TARGET: return "its hash is above the target";
    case SV2_SOLUTION_NOT_ACTIVE: return "the block before it was not found yet";
    case SV2_SOLUTION_DUPLICATE: return "it was submitted before";
    default: return "for a reason this program does not know";
    }
}

}  // namespace

void say(std::string_view line) noexcept {
    const std::time_t now = std::time(nullptr);
    char when[32];
    std::strftime(when, sizeof when, "%H:%M:%S", std::gmtime(&now));
    std::printf("%s %.*s\n", when, static_cast<int>(line.size()), line.data());
    std::fflush(stdout);
}

Server::Server(const Options& options, host::RegtestChain& chain, const Keys& keys, sv2::TemplateProvider provider)
    : options_(options), chain_(chain), keys_(keys), provider_(std::move(provider)),
      renewed_(std::chrono::floor<std::chrono::seconds>(system_clock::now())) {}

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
    signals_.async_wait([this](asio::error_code error, int) {
        if (error) return;
        say("shutting down");
        context_.stop();
    });
    accept();
    grow_mempool();
    renew_identity();
    drain();
    context_.run();
    return !failed_;
}

void Server::say_of_peers(const std::string& line) {
    constexpr unsigned lines_per_second = 20;
    const auto now = std::chrono::steady_clock::now();
    if (now - lines_since_ >= std::chrono::seconds{1}) {
        if (lines_ > lines_per_second) say(std::to_string(lines_ - lines_per_second) + " more lines about clients are left out");
        lines_since_ = now;
        lines_ = 0;
    }
    if (++lines_ <= lines_per_second) say(line);
}

void Server::fail(const std::string& why) {
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
            say("cannot accept a connection: " + error.message());
            auto pause = std::make_shared<asio::steady_timer>(context_, std::chrono::seconds{1});
            pause->async_wait([this, pause](asio::error_code) { accept(); });
            return;
        }
        asio::error_code ignored;
        socket.non_blocking(true, ignored);
        socket.set_option(tcp::no_delay{true}, ignored);
        const tcp::endpoint remote = socket.remote_endpoint(ignored);
        const Id id = next_id_++;
        if (const sv2::Status status = provider_.connect(id, for_engine(remote.address()), sv2::now()); !status.ok()) {
            say_of_peers("refused " + remote.address().to_string() + ": " + provider_.error());
        } else {
            clients_.emplace(id, Client{std::move(socket), remote.address().to_string() + ":" + std::to_string(remote.port())});
            say_of_peers("client " + std::to_string(id) + " connected from " + clients_.at(id).address);
            read(id);
        }
        drain();
        accept();
    });
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

void Server::write(Id id) {
    const auto found = clients_.find(id);
    if (found == clients_.end() || found->second.waiting_to_write || found->second.broken) return;
    Client& client = found->second;
    for (sv2::Bytes out = provider_.output(id); !out.empty(); out = provider_.output(id)) {
        asio::error_code error;
        const std::size_t n = client.socket.write_some(asio::buffer(out.data(), out.size()), error);
        if (error == asio::error::would_block) {
            client.waiting_to_write = true;
            client.socket.async_wait(tcp::socket::wait_write, [this, id](asio::error_code) {
                if (const auto again = clients_.find(id); again != clients_.end()) {
                    again->second.waiting_to_write = false;
                    write(id);
                    drain();
                }
            });
            return;
        }
        if (error) {
            // The client may have sent a block before it went: reading comes to it, and then to the end.
            client.broken = true;
            return;
        }
        (void)provider_.sent(id, n, sv2::now());
    }
}

void Server::close(Id id, const std::string& reason) {
    const auto client = clients_.find(id);
    if (client == clients_.end()) return;
    say_of_peers("client " + std::to_string(id) + " closed: " + reason);
    asio::error_code ignored;
    client->second.socket.shutdown(tcp::socket::shutdown_both, ignored);
    clients_.erase(client);
}

// ------------------------------------------------------------------------------------------------------------- the engine

void Server::drain() {
    while (auto event = provider_.next_event()) {
        std::visit(sv2::overloaded{
                       [&](const sv2::SubmitBlock& e) { submit(e.solution); },
                       [&](const sv2::WantTemplate& e) {
                           wanted_.insert(e.key);
                           offer_template(e.key);
                       },
                       [&](const sv2::DropTemplate& e) { wanted_.erase(e.key); },
                       [&](const sv2::TemplateExpired& e) { templates_.erase(e.node_handle); },
                       [&](const sv2::WantTransactions& e) { give_transactions(e); },
                       [&](const sv2::Writable& e) { write(e.connection); },
                       [&](const sv2::Close& e) { close(e.connection, e.reason); },
                       [&](const sv2::ClientReady& e) {
                           say_of_peers("client " + std::to_string(e.connection) + " gets templates with " +
                               std::to_string(e.key.reserved_weight) + " weight units and " + std::to_string(e.key.sigops) +
                               " sigops reserved");
                       },
                       [&](const sv2::BlockAccepted& e) {
                           say("block " + sv2::to_string(e.block_hash) + " accepted at height " +
                               std::to_string(chain_.height()));
                       },
                       [&](const sv2::SolutionRefused& e) {
                           say_of_peers("solution for template " + std::to_string(e.template_id) + " of client " +
                               std::to_string(e.connection) + " refused: " + why_refused(e.refusal));
                       },
                   },
                   *event);
    }
    if (provider_.failed()) {
        while (const auto solution = provider_.next_solution()) submit(*solution);
        fail("The template provider has failed: this is an error in the library. Please report it.");
    }
    set_timer();
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

// --------------------------------------------------------------------------------------------------------------- the node

void Server::offer_template(const sv2_constraint_key& key) {
    const auto made = chain_.make_template(key.reserved_weight, key.sigops);
    const std::uint64_t handle = next_handle_++;
    const auto template_id = provider_.template_ready(key, for_engine(*made, handle), sv2::now());
    if (!template_id) {
        say(std::string{"a template was not taken: "} + provider_.error());
        return;
    }
    templates_.emplace(handle, made);
    if (options_.debug) {
        say("template " + std::to_string(*template_id) + " at height " + std::to_string(made->height) + ": " +
            std::to_string(made->transactions.size()) + " transactions, " + std::to_string(made->fees) + " sat in fees");
    }
}

void Server::offer_templates() {
    for (const sv2_constraint_key& key : wanted_) offer_template(key);
}

void Server::give_transactions(const sv2::WantTransactions& wanted) {
    const auto found = templates_.find(wanted.node_handle);
    std::optional<std::span<const sv2_bytes>> answer;
    std::vector<sv2_bytes> transactions;
    if (found != templates_.end()) {
        for (const auto& transaction : found->second->transactions) transactions.push_back(sv2::bytes(transaction->bytes));
        answer = transactions;
    }
    if (const sv2::Status status = provider_.transactions_ready(wanted.template_id, answer, sv2::now()); !status.ok()) {
        say(std::string{"transactions were not taken: "} + provider_.error());
    }
}

void Server::submit(const sv2_solution& solution) {
    const std::string hash = sv2::to_string(solution.block_hash);
    const auto found = templates_.find(solution.node_handle);
    if (found == templates_.end()) {
        say("block " + hash + " is lost: its template " + std::to_string(solution.template_id) + " is gone");
        return;
    }
    const auto& header = solution.header;
    const host::SubmitResult result =
        chain_.submit(*found->second, header.version, header.time, header.nonce, sv2::view(solution.coinbase_tx));
    switch (result.verdict) {
    case host::Verdict::accepted: {
        // The new tip first, with what is in the mempool; more transactions come afterwards.
        (void)provider_.tip_changed(chain_.tip(), sv2::now());
        if (chain_.mempool_size() < options_.mempool) {
            chain_.add_transactions(options_.mempool - chain_.mempool_size());
        }
        break;
    }
    case host::Verdict::duplicate: say("block " + hash + " is known already"); break;
    case host::Verdict::stale: say("block " + hash + " is stale: another block came first"); break;
    case host::Verdict::rejected: say("block " + hash + " rejected: " + result.reason); break;
    case host::Verdict::failed: fail("Block " + hash + " cannot be stored: " + result.reason); break;
    }
}

void Server::grow_mempool() {
    if (options_.transaction_interval.count() == 0) return;
    transactions_.expires_after(options_.transaction_interval);
    transactions_.async_wait([this](asio::error_code error) {
        if (error) return;
        // The mempool may grow to twice what it has after a block, so that a chain nobody mines on does not grow for ever.
        if (chain_.mempool_size() < 2 * options_.mempool && chain_.add_transactions(1) > 0) offer_templates();
        grow_mempool();
        drain();
    });
}

void Server::renew_identity() {
    if (options_.plaintext) return;
    // Looked at every hour by the wall clock: the other one may stand still while the machine sleeps.
    renewal_.expires_after(std::chrono::hours{1});
    renewal_.async_wait([this](asio::error_code error) {
        if (error) return;
        const auto now = std::chrono::floor<std::chrono::seconds>(system_clock::now());
        if (now >= renewed_ + Keys::validity / 2) {
            const auto identity = keys_.identity(now);
            if (identity && provider_.set_identity(*identity).ok()) {
                renewed_ = now;
                say("the certificate was renewed");
            } else {
                say("the certificate could not be renewed; it is tried again in an hour");
            }
        }
        renew_identity();
    });
}
