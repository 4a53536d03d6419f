// What the checks have in common: the connections they share, and what came over them.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bitcoin.hpp"
#include "peer.hpp"

// How the provider answered a SetupConnection that it must not accept.
struct Refusal {
    std::string name;  // of what was wrong, for a report
    std::optional<SetupError> error;
    bool closed = false;
    std::string heard;
};

// A block on what was the tip before, as alice hears of it.
struct TipChange {
    NewTemplate old{};  // what she mined on before
    SetNewPrevHash old_tip{};
    std::optional<std::vector<Transaction>> old_transactions{};
    std::optional<Solution> solution{};  // if it is her block
    host::Hash hash{};
    std::chrono::steady_clock::time_point heard{};
};

class Session {
public:
    explicit Session(const Options& options) : options_(options) {}
    const Options& options() const { return options_; }
    Watch& watch() { return watch_; }

    // A connection after the handshake. Throws Skip if there is none to be had.
    std::unique_ptr<Peer> connect();
    // ... and after SetupConnection.Success.
    std::unique_ptr<Peer> set_up();

    // The connections and messages below are those of checks that came before; a Skip says which is missing.

    // The first connection.
    std::unique_ptr<Peer> first;
    Peer& main();
    const SetupSuccess& setup_success();
    const NewTemplate& first_template();
    const SetNewPrevHash& first_prev_hash();

    // The certificate that the first connection showed.
    sv2_certificate certificate();

    std::vector<Refusal> refusals;

    // The first template's transactions.
    std::optional<TransactionData> data;
    const std::vector<Transaction>& transactions();
    std::optional<std::vector<Transaction>> parsed;

    // Of each of the connections that asked for more than a block, whether the provider closed it.
    std::vector<bool> impossible_is_closed;

    // Three clients at once; the last has other constraints than the first two.
    std::unique_ptr<Peer> alice, bob, carol;

    std::optional<TipChange> tip_change;   // the first one
    std::optional<host::Hash> latest_tip;  // of blocks of this program

    bool room_is_wrong = false;      // a template left less than the constraints demand
    bool template_is_wrong = false;  // something about a template has failed

private:
    Options options_;
    Watch watch_;
};

// A SetupConnection that a template provider must accept.
sv2_setup_connection setup_connection(const Options& options);

// Room for the outputs that this program adds to a coinbase, and more.
constexpr sv2_coinbase_output_constraints small_constraints{100, 1};
