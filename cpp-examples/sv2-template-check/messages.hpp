// What a template provider says, in memory of its own: what a connection gives out lives only until the next message.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include <sv2.hpp>

#include "host/bytes.hpp"

struct SetupSuccess {
    std::uint16_t used_version = 0;
    std::uint32_t flags = 0;
};

struct SetupError {
    std::uint32_t flags = 0;
    std::string error_code;     // fit to be printed
    bool is_printable = false;  // as it came
};

// The members are NewTemplate's fields (spec 7.2).
struct NewTemplate {
    std::uint64_t template_id = 0;
    bool future_template = false;
    std::uint32_t version = 0;
    std::uint32_t coinbase_tx_version = 0;
    host::Bytes coinbase_prefix;
    std::uint32_t coinbase_tx_input_sequence = 0;
    std::uint64_t coinbase_tx_value_remaining = 0;
    std::uint32_t coinbase_tx_outputs_count = 0;
    host::Bytes coinbase_tx_outputs;
    std::uint32_t coinbase_tx_locktime = 0;
    std::vector<host::Hash> merkle_path;
};

// It has no pointers.
using SetNewPrevHash = sv2_set_new_prev_hash_template;

// RequestTransactionData.Success, without its excess data.
struct TransactionData {
    std::uint64_t template_id = 0;
    std::vector<host::Bytes> transactions;
};

// RequestTransactionData.Error.
struct NoTransactionData {
    std::uint64_t template_id = 0;
    std::string error_code;
    bool is_printable = false;
};

// Something that a client of templates has no use for.
struct Other {
    std::string name;
    bool is_known = false;       // a message of the specification
    bool is_of_servers = false;  // that servers of any protocol may send
};

using Message =
    std::variant<SetupSuccess, SetupError, NewTemplate, SetNewPrevHash, TransactionData, NoTransactionData, Other>;

Message copy(const sv2::Message& message);

// "SetupConnection.Error (unsupported-protocol)", for a report.
std::string describe(const Message& message);
