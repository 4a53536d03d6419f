#include "requirements.hpp"

#include "checks.hpp"

namespace {

constexpr Requirement encryption[] = {
    {"handshake", "spec 4.5", "the Noise handshake is completed", check_handshake},
    {"certificate-version", "spec 4.5.3", "the certificate's version is 0", check_certificate_version},
    {"certificate-validity", "spec 4.5.3", "the certificate is valid now", check_certificate_validity},
    {"certificate-signature", "spec 4.5.3", "the authority signed the certificate", check_certificate_signature},
};

constexpr Requirement setup[] = {
    {"setup-success", "spec 3.6.2", "the first answer is SetupConnection.Success", check_setup_success},
    {"setup-version", "spec 3.6.2", "used_version is 2", check_setup_version},
    {"setup-flags", "spec 3.6.2", "flags are 0, as the protocol has none", check_setup_flags},
    {"setup-version-range", "spec 3.6.2", "of versions 2 to 3, 2 is used", check_setup_version_range},
    {"template-uninvited", "spec 7.1", "no template comes before the constraints are known", check_template_uninvited},
};

constexpr Requirement first_template[] = {
    {"template-immediately", "spec 7", "a template answers CoinbaseOutputConstraints", check_template_immediately},
    {"prev-hash-follows", "spec 7.3", "SetNewPrevHash follows the first template", check_prev_hash_follows},
    {"header-version", "spec 7.2", "the version is one that consensus allows", check_header_version},
    {"coinbase-prefix-length", "spec 7.2", "coinbase_prefix has at most 8 bytes", check_coinbase_prefix_length},
    {"coinbase-prefix-height", "spec 7.2", "coinbase_prefix begins with the height (BIP 34)",
     check_coinbase_prefix_height},
    {"coinbase-outputs-bare", "spec 7.2", "coinbase_tx_outputs has no count of its own", check_coinbase_outputs_bare},
    {"coinbase-outputs", "spec 7.2", "coinbase_tx_outputs are as many outputs as counted", check_coinbase_outputs},
    {"coinbase-final", "spec 7.2", "the coinbase's lock time allows it in the block", check_coinbase_final},
    {"value-remaining", "spec 7.2", "coinbase_tx_value_remaining includes the subsidy", check_value_remaining},
    {"prev-hash", "spec 7.3", "prev_hash is the hash of a block, in its byte order", check_prev_hash},
    {"target", "spec 7.3", "target is that of nBits, or stricter", check_target},
    {"header-timestamp", "spec 7.3", "header_timestamp is about now", check_header_timestamp},
};

constexpr Requirement transactions[] = {
    {"transaction-data", "spec 7.5", "RequestTransactionData of the template is answered", check_transaction_data},
    {"transactions-readable", "spec 7.5", "the transactions can be read", check_transactions_readable},
    {"transactions-no-coinbase", "spec 7.4", "the coinbase is not among the transactions",
     check_transactions_no_coinbase},
    {"transactions-order", "spec 7.1", "no transaction stands before what it spends", check_transactions_order},
    {"transactions-double-spend", "spec 7.1", "no two transactions spend the same", check_transactions_double_spend},
    {"transactions-final", "spec 7.1", "the transactions' lock times allow them in the block",
     check_transactions_final},
    {"merkle-path", "spec 7.2", "merkle_path is that of the transactions", check_merkle_path},
    {"witness-commitment", "spec 7.2", "a witness commitment is among the outputs", check_witness_commitment},
    {"witness-commitment-value", "spec 7.2", "the witness commitment is that of the transactions",
     check_witness_commitment_value},
    {"block-weight", "spec 7.1", "the block with a coinbase as constrained is not too heavy", check_block_weight},
    {"block-sigops", "spec 7.1", "the block with the constrained sigops has not too many", check_block_sigops},
    {"unknown-template", "spec 7.6", "of an unknown template there is no transaction data", check_unknown_template},
    {"unknown-template-code", "practice", "the error code is template-id-not-found", check_unknown_template_code},
    {"foreign-template", "practice", "a request for another client's template is answered", check_foreign_template},
};

constexpr Requirement constraints[] = {
    {"constraints-changed", "spec 7", "a template answers other constraints", check_constraints_changed},
    {"constraints-changed-work", "spec 7.3", "the template for other constraints can be mined on",
     check_constraints_changed_work},
    {"constraints-respected", "spec 7.1", "room is left for none to huge coinbase outputs",
     check_constraints_respected},
    {"constraints-changed-respected", "spec 7.1", "it leaves the room that the other constraints need",
     check_constraints_changed_respected},
    {"sigops-respected", "spec 7.1", "room is left for as many sigops as can be asked for", check_sigops_respected},
    {"constraints-impossible", "spec 7.1", "for more outputs than fit into a block there is no template",
     check_constraints_impossible},
    {"constraints-impossible-closes", "practice", "constraints that no block can meet end the connection",
     check_constraints_impossible_closes},
    {"constraints-legacy", "practice", "constraints without sigops, as in earlier drafts", check_legacy_constraints},
};

constexpr Requirement refusals[] = {
    {"setup-wrong-protocol", "spec 3.6.3", "the Mining Protocol is refused", check_setup_wrong_protocol},
    {"setup-unknown-protocol", "spec 3.6.3", "a protocol that does not exist is refused", check_setup_unknown_protocol},
    {"setup-wrong-version", "spec 3.6.3", "version 3 is refused", check_setup_wrong_version},
    {"setup-unknown-flags", "spec 3.6.3", "unsupported flags are refused and named", check_setup_unknown_flags},
    {"setup-error-codes", "practice", "the errors have the codes that clients know", check_setup_error_codes},
    {"setup-error-closes", "spec 3.6.3", "SetupConnection.Error ends the connection", check_setup_error_closes},
    {"setup-first", "spec 3.6.1", "who begins without SetupConnection is not served", check_setup_first},
};

constexpr Requirement robustness[] = {
    {"unknown-message", "practice", "a message of an unknown type is ignored", check_unknown_message},
    {"unknown-extension", "spec 3.4.1", "a message of an unknown extension is ignored", check_unknown_extension},
    {"extensions-request", "spec 3.4.2", "a request for extensions is ignored or answered", check_extensions_request},
    {"trailing-bytes", "spec 3.4.3", "what extensions add to a message is ignored", check_trailing_bytes},
    {"malformed-message", "practice", "a malformed message ends the connection", check_malformed_message},
    {"altered-message", "spec 4.5", "a message altered on the way ends the connection", check_altered_message},
    {"garbage", "spec 4.5", "garbage instead of a handshake ends the connection", check_garbage},
    {"silent-client", "practice", "a client that says nothing does not hold up others", check_silent_client},
    {"slow-reader", "practice", "a client that does not read does not hold up others", check_slow_reader},
    {"others-served", "practice", "the first client is still served after all this", check_others_served},
};

constexpr Requirement clients[] = {
    {"two-clients", "spec 7", "two clients at once both get a template and its tip", check_two_clients},
    {"other-client", "spec 7", "a client with other constraints gets them, too", check_other_client},
};

constexpr Requirement new_tip[] = {
    {"solution-accepted", "spec 7.7", "a solved template becomes the tip", check_solution_accepted},
    {"new-tip", "spec 7.3", "every client hears of a new tip", check_new_tip},
    {"new-tip-constraints", "spec 7.3", "a client with other constraints hears of a new tip",
     check_new_tip_constraints},
    {"new-tip-height", "spec 7.2", "the template on a new tip is one higher", check_new_tip_height},
    {"new-tip-transactions", "spec 7.1", "a template on a new tip spends nothing that was spent",
     check_new_tip_transactions},
};

constexpr Requirement afterwards[] = {
    {"old-template", "practice", "a template of the old tip still has its transactions", check_old_template},
    {"solution-twice", "spec 7.7", "the same solution once more is no other block", check_solution_twice},
    {"solution-late", "spec 7.7", "a solution that comes too late does no harm", check_solution_late},
    {"solution-unknown", "practice", "a solution of an unknown template does no harm", check_solution_unknown},
    {"solution-rolled", "spec 7.7", "a solution with other version bits becomes the tip", check_solution_rolled},
    {"solution-stripped", "spec 3.7.3", "a solution whose coinbase lacks its witness", check_solution_stripped},
    {"fees-pushed", "spec 7", "a template with more fees is sent unasked", check_fees_pushed},
    {"stale-template", "practice", "in the end the answer for it is stale-template-id", check_stale_template},
};

constexpr Requirement everything[] = {
    {"template-ids", "spec 7.2", "template_ids strictly increase", check_template_ids},
    {"future-templates", "spec 7.3", "templates before SetNewPrevHash are future templates", check_future_templates},
    {"prev-hash-template", "spec 7.3", "SetNewPrevHash names a template that was sent", check_prev_hash_template},
    {"channel-msg", "spec 7", "the channel_msg bit is never set", check_channel_msg},
    {"extension-type", "spec 3.4.2", "no message is of an extension that was not negotiated", check_extension_type},
    {"message-direction", "spec 7", "no message is one that only others send", check_message_direction},
    {"error-codes-printable", "spec 3.5", "error codes are printable", check_error_codes_printable},
    {"messages-readable", "spec 3", "every message could be decrypted and decoded", check_messages_readable},
};

constexpr Group groups[] = {
    {"Encryption", encryption},
    {"SetupConnection", setup},
    {"The first template", first_template, true},
    {"Transactions", transactions, true},
    {"Constraints", constraints},
    {"Refusals", refusals},
    {"Robustness", robustness},
    {"Clients", clients},
    {"A new tip", new_tip, true},
    {"Afterwards", afterwards},
    {"All connections", everything},
};

}  // namespace

std::span<const Group> all_groups() { return groups; }
