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

// The first template and its tip.
Verdict check_template_immediately(Session& s);
Verdict check_prev_hash_follows(Session& s);
Verdict check_header_version(Session& s);
Verdict check_coinbase_prefix_length(Session& s);
Verdict check_coinbase_prefix_height(Session& s);
Verdict check_coinbase_outputs(Session& s);
Verdict check_coinbase_final(Session& s);
Verdict check_value_remaining(Session& s);
Verdict check_target(Session& s);
Verdict check_header_timestamp(Session& s);

// Its transactions.
Verdict check_transaction_data(Session& s);
Verdict check_transactions_readable(Session& s);
Verdict check_transactions_no_coinbase(Session& s);
Verdict check_merkle_path(Session& s);
Verdict check_witness_commitment(Session& s);
Verdict check_witness_commitment_value(Session& s);
Verdict check_block_weight(Session& s);
Verdict check_unknown_template(Session& s);
Verdict check_unknown_template_code(Session& s);

// Constraints.
Verdict check_constraints_changed(Session& s);
Verdict check_constraints_respected(Session& s);
Verdict check_legacy_constraints(Session& s);

// Connections that are refused.
Verdict check_setup_wrong_protocol(Session& s);
Verdict check_setup_wrong_version(Session& s);
Verdict check_setup_unknown_flags(Session& s);
Verdict check_setup_error_codes(Session& s);
Verdict check_setup_error_closes(Session& s);
Verdict check_setup_first(Session& s);

// What a connection survives.
Verdict check_unknown_message(Session& s);
Verdict check_unknown_extension(Session& s);
Verdict check_malformed_message(Session& s);

// Two clients, and a new tip.
Verdict check_two_clients(Session& s);
Verdict check_solution_accepted(Session& s);
Verdict check_new_tip(Session& s);
Verdict check_old_template(Session& s);

// Everything that came.
Verdict check_template_ids(Session& s);
Verdict check_future_templates(Session& s);
Verdict check_prev_hash_template(Session& s);
Verdict check_channel_msg(Session& s);
Verdict check_messages_readable(Session& s);
