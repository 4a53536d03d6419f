#include "messages.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

using host::Bytes;

namespace {

Bytes bytes_of(sv2_bytes from) {
    const auto view = sv2::view(from);
    return {view.begin(), view.end()};
}

bool is_printable(char c) { return c >= ' ' && c <= '~'; }

// Whatever a peer calls its error, the report stays one line of plain text.
std::string printable(std::string_view text) {
    std::string safe;
    for (const char c : text) safe += is_printable(c) ? c : '?';
    return safe;
}

bool all_printable(std::string_view text) { return std::ranges::all_of(text, is_printable); }

// Those that belong to no protocol in particular (spec 3.6, extension 0x0001).
bool is_of_servers(std::uint32_t type) {
    constexpr std::array types{
        std::uint32_t{SV2_MESSAGE_CHANNEL_ENDPOINT_CHANGED}, std::uint32_t{SV2_MESSAGE_RECONNECT},
        std::uint32_t{SV2_MESSAGE_REQUEST_EXTENSIONS_SUCCESS}, std::uint32_t{SV2_MESSAGE_REQUEST_EXTENSIONS_ERROR}};
    return std::ranges::find(types, type) != types.end();
}

NewTemplate copy_template(const sv2_new_template& from) {
    const auto path = sv2::list(from.merkle_path);
    return {
        .template_id = from.template_id,
        .future_template = from.future_template != 0,
        .version = from.version,
        .coinbase_tx_version = from.coinbase_tx_version,
        .coinbase_prefix = bytes_of(from.coinbase_prefix),
        .coinbase_tx_input_sequence = from.coinbase_tx_input_sequence,
        .coinbase_tx_value_remaining = from.coinbase_tx_value_remaining,
        .coinbase_tx_outputs_count = from.coinbase_tx_outputs_count,
        .coinbase_tx_outputs = bytes_of(from.coinbase_tx_outputs),
        .coinbase_tx_locktime = from.coinbase_tx_locktime,
        .merkle_path = {path.begin(), path.end()},
    };
}

TransactionData copy_transactions(const sv2_request_transaction_data_success& from) {
    TransactionData data{.template_id = from.template_id, .transactions = {}};
    for (const sv2_bytes& transaction : sv2::list(from.transaction_list))
        data.transactions.push_back(bytes_of(transaction));
    return data;
}

}  // namespace

Message copy(const sv2::Message& message) {
    const auto copied = sv2::overloaded{
        [](const sv2_setup_connection_success& m) -> Message {
            return SetupSuccess{m.used_version, m.flags};
        },
        [](const sv2_setup_connection_error& m) -> Message {
            const std::string_view code = sv2::text(m.error_code);
            return SetupError{m.flags, printable(code), all_printable(code)};
        },
        [](const sv2_new_template& m) -> Message { return copy_template(m); },
        [](const sv2_set_new_prev_hash_template& m) -> Message { return m; },
        [](const sv2_request_transaction_data_success& m) -> Message { return copy_transactions(m); },
        [](const sv2_request_transaction_data_error& m) -> Message {
            const std::string_view code = sv2::text(m.error_code);
            return NoTransactionData{m.template_id, printable(code), all_printable(code)};
        },
        [&](const auto&) -> Message {
            const std::string_view name = message.name();
            if (name.empty()) return Other{"an unknown message"};
            return Other{std::string{name}, true, is_of_servers(message.type)};
        },
    };
    return sv2::visit(message, copied);
}

std::string describe(const Message& message) {
    const auto words = sv2::overloaded{
        [](const SetupSuccess&) -> std::string { return "SetupConnection.Success"; },
        [](const SetupError& m) { return "SetupConnection.Error (" + m.error_code + ")"; },
        [](const NewTemplate& m) { return "NewTemplate " + std::to_string(m.template_id); },
        [](const SetNewPrevHash& m) { return "SetNewPrevHash for template " + std::to_string(m.template_id); },
        [](const TransactionData& m) {
            return "RequestTransactionData.Success for template " + std::to_string(m.template_id);
        },
        [](const NoTransactionData& m) {
            return "RequestTransactionData.Error (" + m.error_code + ") for template " + std::to_string(m.template_id);
        },
        [](const Other& m) { return m.name; },
    };
    return std::visit(words, message);
}
