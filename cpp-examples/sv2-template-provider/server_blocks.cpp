// What the server does about blocks that were found: to the node, to the disk, and an eye on them until they are accepted.
#include <algorithm>
#include <string>

#include "host/log.hpp"
#include "server.hpp"

using std::chrono::steady_clock;

namespace {

bool is(const sv2_u256& a, const sv2_u256& b) { return std::ranges::equal(a.bytes, b.bytes); }

}  // namespace

void Server::submit(const sv2_solution& solution) {
    // The node first: everything else can wait.
    node_.submit(solution);
    // After the node was away it may be handed out again.
    if (std::ranges::any_of(submitted_, [&](const Submitted& of) { return is(of.block_hash, solution.block_hash); })) return;
    std::uint32_t height = 0;
    (void)sv2_coinbase_height(solution.coinbase_tx, &height);
    solutions_.found(solution, height);
    host::log_info("block " + sv2::to_string(solution.block_hash) + " found by client " + std::to_string(solution.connection) +
                   " for height " + std::to_string(height));
    submitted_.push_back({solution.block_hash, height, steady_clock::now()});
    look_after_blocks();
}

void Server::accepted(const sv2_u256& block_hash) {
    const auto found =
        std::ranges::find_if(submitted_, [&](const Submitted& of) { return is(of.block_hash, block_hash); });
    const std::string where = found == submitted_.end() ? "" : " at height " + std::to_string(found->height);
    host::log_info("block " + sv2::to_string(block_hash) + " accepted" + where);
    solutions_.accepted(block_hash);
    if (found != submitted_.end()) submitted_.erase(found);
    if (ending_ && submitted_.empty()) context_.stop();
}

// Says so when a block is not accepted for long, and forgets it when there is no more hope.
void Server::look_after_blocks() {
    constexpr auto patience = std::chrono::seconds{30};
    constexpr auto hope = std::chrono::hours{1};
    const auto now = steady_clock::now();
    std::erase_if(submitted_, [&](const Submitted& of) { return now - of.since > hope; });
    for (Submitted& of : submitted_) {
        if (of.warned || now - of.since < patience) continue;
        of.warned = true;
        host::log_warning("block " + sv2::to_string(of.block_hash) + " for height " + std::to_string(of.height) +
                          " is not accepted after " + std::to_string(patience.count()) + " s; it is kept in " +
                          solutions_.block_path(sv2::to_string(of.block_hash)).string() + " if the node gave it");
    }
    if (submitted_.empty()) return;
    blocks_.expires_after(std::chrono::seconds{5});
    blocks_.async_wait([this](asio::error_code error) {
        if (!error) look_after_blocks();
    });
}

// As with Bitcoin Core, for whoever rotates the log.
void Server::reopen_log_on_signal() {
    hangups_.async_wait([this](asio::error_code error, int) {
        if (error) return;
        host::reopen_log();
        reopen_log_on_signal();
    });
}

// A block that was just handed to the node is given some seconds to arrive there; a second signal does not wait.
void Server::shut_down_on_signal() {
    signals_.async_wait([this](asio::error_code error, int) {
        if (error) return;
        constexpr auto still_counts = std::chrono::seconds{10};
        constexpr auto patience = std::chrono::seconds{3};
        host::log_info("shutting down");
        const auto now = steady_clock::now();
        const bool is_pending = std::ranges::any_of(
            submitted_, [&](const Submitted& of) { return now - of.since < still_counts; });
        if (ending_ || !is_pending) return context_.stop();
        ending_ = true;
        sockets_.stop_listening();
        host::log_info("waiting for the node to take the last block");
        end_.expires_after(patience);
        end_.async_wait([this](asio::error_code cancelled) {
            if (!cancelled) context_.stop();
        });
        shut_down_on_signal();
    });
}
