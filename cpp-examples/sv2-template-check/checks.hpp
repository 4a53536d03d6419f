// The checks, one for each requirement: requirements.cpp says which is which.
#pragma once

#include "requirements.hpp"
#include "session.hpp"

// Encryption.
Verdict check_handshake(Session& s);
Verdict check_certificate_version(Session& s);
Verdict check_certificate_validity(Session& s);
Verdict check_certificate_signature(Session& s);

// SetupConnection.
Verdict check_setup_success(Session& s);
Verdict check_setup_version(Session& s);
Verdict check_setup_flags(Session& s);
Verdict check_setup_version_range(Session& s);
Verdict check_template_uninvited(Session& s);

// The first template and its tip.
Verdict check_template_immediately(Session& s);
Verdict check_prev_hash_follows(Session& s);
Verdict check_header_version(Session& s);
Verdict check_coinbase_prefix_length(Session& s);
Verdict check_coinbase_prefix_height(Session& s);
Verdict check_coinbase_outputs_bare(Session& s);
Verdict check_coinbase_outputs(Session& s);
Verdict check_coinbase_final(Session& s);
Verdict check_value_remaining(Session& s);
Verdict check_prev_hash(Session& s);
Verdict check_target(Session& s);
Verdict check_header_timestamp(Session& s);

// Its transactions.
Verdict check_transaction_data(Session& s);
Verdict check_transactions_readable(Session& s);
Verdict check_transactions_no_coinbase(Session& s);
Verdict check_transactions_order(Session& s);
Verdict check_transactions_double_spend(Session& s);
Verdict check_transactions_final(Session& s);
Verdict check_merkle_path(Session& s);
Verdict check_witness_commitment(Session& s);
Verdict check_witness_commitment_value(Session& s);
Verdict check_block_weight(Session& s);
Verdict check_block_sigops(Session& s);
Verdict check_unknown_template(Session& s);
Verdict check_unknown_template_code(Session& s);
Verdict check_foreign_template(Session& s);

// Constraints.
Verdict check_constraints_changed(Session& s);
Verdict check_constraints_changed_work(Session& s);
Verdict check_constraints_changed_respected(Session& s);
Verdict check_constraints_respected(Session& s);
Verdict check_sigops_respected(Session& s);
Verdict check_constraints_impossible(Session& s);
Verdict check_constraints_impossible_closes(Session& s);
Verdict check_legacy_constraints(Session& s);

// Connections that are refused.
Verdict check_setup_wrong_protocol(Session& s);
Verdict check_setup_unknown_protocol(Session& s);
Verdict check_setup_wrong_version(Session& s);
Verdict check_setup_unknown_flags(Session& s);
Verdict check_setup_error_codes(Session& s);
Verdict check_setup_error_closes(Session& s);
Verdict check_setup_first(Session& s);

// What a connection survives, what ends it, and what does not touch the others.
Verdict check_unknown_message(Session& s);
Verdict check_unknown_extension(Session& s);
Verdict check_extensions_request(Session& s);
Verdict check_trailing_bytes(Session& s);
Verdict check_malformed_message(Session& s);
Verdict check_altered_message(Session& s);
Verdict check_garbage(Session& s);
Verdict check_silent_client(Session& s);
Verdict check_slow_reader(Session& s);
Verdict check_others_served(Session& s);

// Several clients, a new tip, and solutions.
Verdict check_two_clients(Session& s);
Verdict check_other_client(Session& s);
Verdict check_solution_accepted(Session& s);
Verdict check_new_tip(Session& s);
Verdict check_new_tip_constraints(Session& s);
Verdict check_new_tip_height(Session& s);
Verdict check_new_tip_transactions(Session& s);
Verdict check_old_template(Session& s);
Verdict check_solution_twice(Session& s);
Verdict check_solution_late(Session& s);
Verdict check_solution_unknown(Session& s);
Verdict check_solution_rolled(Session& s);
Verdict check_solution_stripped(Session& s);
Verdict check_fees_pushed(Session& s);
Verdict check_stale_template(Session& s);

// Everything that came.
Verdict check_template_ids(Session& s);
Verdict check_future_templates(Session& s);
Verdict check_prev_hash_template(Session& s);
Verdict check_channel_msg(Session& s);
Verdict check_extension_type(Session& s);
Verdict check_message_direction(Session& s);
Verdict check_error_codes_printable(Session& s);
Verdict check_messages_readable(Session& s);
