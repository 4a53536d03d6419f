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
};

constexpr Requirement first_template[] = {
    {"template-immediately", "spec 7", "a template answers CoinbaseOutputConstraints", check_template_immediately},
    {"prev-hash-follows", "spec 7.3", "SetNewPrevHash follows the first template", check_prev_hash_follows},
    {"header-version", "spec 7.2", "the version is one that consensus allows", check_header_version},
    {"coinbase-prefix-length", "spec 7.2", "coinbase_prefix has at most 8 bytes", check_coinbase_prefix_length},
    {"coinbase-prefix-height", "spec 7.2", "it begins with the height (BIP 34)", check_coinbase_prefix_height},
    {"coinbase-outputs", "spec 7.2", "coinbase_tx_outputs are as many outputs as counted", check_coinbase_outputs},
    {"coinbase-final", "spec 7.2", "the coinbase's lock time allows it in the block", check_coinbase_final},
    {"value-remaining", "spec 7.2", "coinbase_tx_value_remaining includes the subsidy", check_value_remaining},
    {"target", "spec 7.3", "target is that of nBits, or stricter", check_target},
    {"header-timestamp", "spec 7.3", "header_timestamp is about now", check_header_timestamp},
};

constexpr Requirement transactions[] = {
    {"transaction-data", "spec 7.5", "RequestTransactionData of the template is answered", check_transaction_data},
    {"transactions-readable", "spec 7.5", "its transactions can be read", check_transactions_readable},
    {"transactions-no-coinbase", "spec 7.4", "the coinbase is not among them", check_transactions_no_coinbase},
    {"merkle-path", "spec 7.2", "merkle_path is that of the transactions", check_merkle_path},
    {"witness-commitment", "spec 7.2", "a witness commitment is among the outputs", check_witness_commitment},
    {"witness-commitment-value", "spec 7.2", "it commits to the transactions", check_witness_commitment_value},
    {"block-weight", "spec 7.1", "the block with a coinbase as constrained is not too heavy", check_block_weight},
    {"unknown-template", "spec 7.6", "of an unknown template there is no transaction data", check_unknown_template},
    {"unknown-template-code", "practice", "the error has the code that clients know", check_unknown_template_code},
};

constexpr Requirement constraints[] = {
    {"constraints-changed", "spec 7", "a template answers other constraints", check_constraints_changed},
    {"constraints-respected", "spec 7.1", "room is left even for huge coinbase outputs", check_constraints_respected},
    {"constraints-legacy", "practice", "constraints without sigops, as in earlier drafts", check_legacy_constraints},
};

constexpr Requirement refusals[] = {
    {"setup-wrong-protocol", "spec 3.6.3", "the Mining Protocol is refused", check_setup_wrong_protocol},
    {"setup-wrong-version", "spec 3.6.3", "version 3 is refused", check_setup_wrong_version},
    {"setup-unknown-flags", "spec 3.6.3", "unsupported flags are refused and named", check_setup_unknown_flags},
    {"setup-error-codes", "practice", "the errors have the codes that clients know", check_setup_error_codes},
    {"setup-error-closes", "spec 3.6.3", "SetupConnection.Error ends the connection", check_setup_error_closes},
    {"setup-first", "spec 3.6.1", "who begins without SetupConnection is not served", check_setup_first},
};

constexpr Requirement robustness[] = {
    {"unknown-message", "practice", "a message of an unknown type is ignored", check_unknown_message},
    {"unknown-extension", "spec 3.4.1", "a message of an unknown extension is ignored", check_unknown_extension},
    {"malformed-message", "practice", "a malformed message ends the connection", check_malformed_message},
};

constexpr Requirement tips[] = {
    {"two-clients", "spec 7", "two clients at once both get a template and its tip", check_two_clients},
    {"solution-accepted", "spec 7.7", "a solved template becomes the tip", check_solution_accepted},
    {"new-tip", "spec 7.3", "every client hears of a new tip", check_new_tip},
    {"old-template", "practice", "a template of the old tip still has data, or is stale", check_old_template},
};

constexpr Requirement everything[] = {
    {"template-ids", "spec 7.2", "template_ids strictly increase", check_template_ids},
    {"future-templates", "spec 7.3", "templates before SetNewPrevHash are future templates", check_future_templates},
    {"prev-hash-template", "spec 7.3", "SetNewPrevHash names a template that was sent", check_prev_hash_template},
    {"channel-msg", "spec 7", "the channel_msg bit is never set", check_channel_msg},
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
    {"Tips", tips},
    {"All connections", everything},
};

}  // namespace

std::span<const Group> all_groups() { return groups; }
