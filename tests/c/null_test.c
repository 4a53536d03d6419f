/*
 * What the header promises about NULL, for every function: where an object or an output is expected it gives
 * SV2_ERROR_NULL or the value the function documents; {NULL, 0} is an empty input; freeing NULL does nothing.
 * CMakeLists.txt sees to it that no function is forgotten.
 */

#include "peers.h"

#include <math.h>

static const sv2_u256_list no_hashes = {NULL, 0};
static const sv2_bytes_list no_items = {NULL, 0};
static const sv2_transaction_output_list no_outputs = {NULL, 0};

static void freeing_nothing_is_allowed(void) {
    sv2_accounting_free(NULL);
    sv2_connection_free(NULL);
    sv2_decoder_free(NULL);
    sv2_extranonce_allocator_free(NULL);
    sv2_duplicates_free(NULL);
    sv2_extended_job_free(NULL);
    sv2_identity_free(NULL);
    sv2_job_factory_free(NULL);
    sv2_payout_free(NULL);
    sv2_mining_proxy_free(NULL);
    sv2_mining_server_free(NULL);
    sv2_server_channel_free(NULL);
    sv2_group_channel_free(NULL);
    sv2_mining_client_free(NULL);
    sv2_template_client_free(NULL);
    sv2_template_provider_free(NULL);
    sv2_vardiff_free(NULL);
    sv2_wipe(NULL, 7);
}

#ifdef SV2_WITH_NODE_IPC
static void functions_of_the_node(void) {
    sv2_node_options options = SV2_NODE_OPTIONS_INIT;
    const sv2_constraint_key key = {4000, 400, 0}, no_room = {1999, 0, 0}, more_than_a_block = {4000001, 0, 0};
    sv2_template_event asked;
    sv2_solution solution;
    sv2_node_event event;
    sv2_node* node;

    memset(&asked, 0, sizeof asked);
    memset(&solution, 0, sizeof solution);
    RETURNS(SV2_ERROR_NULL, sv2_node_new(NULL, &node));
    RETURNS(SV2_ERROR_NULL, sv2_node_new(&options, NULL));
    LEAVES_ALONE(node, SV2_ERROR_ARGUMENT, sv2_node_new(&options, &node)); /* no path */
    CHECK(sv2_node_fd(NULL) == -1);
    RETURNS(SV2_ERROR_NULL, sv2_node_next_event(NULL, &event));
    RETURNS(SV2_ERROR_NULL, sv2_node_deliver(NULL, &event, NULL, at_start));
    RETURNS(SV2_ERROR_NULL, sv2_node_handle(NULL, &asked));
    RETURNS(SV2_ERROR_NULL, sv2_node_want_template(NULL, key));
    RETURNS(SV2_ERROR_NULL, sv2_node_drop_template(NULL, key));
    RETURNS(SV2_ERROR_NULL, sv2_node_free_template(NULL, 1));
    RETURNS(SV2_ERROR_NULL, sv2_node_want_transactions(NULL, 1, 1));
    RETURNS(SV2_ERROR_NULL, sv2_node_submit(NULL, &solution));
    sv2_node_free(NULL);

    options.socket_path.data = "there/is/no/such.sock";
    options.socket_path.len = strlen(options.socket_path.data);
    RETURNS(SV2_OK, sv2_node_new(&options, &node));
    CHECK(sv2_node_fd(node) >= 0);
    RETURNS(SV2_ERROR_NULL, sv2_node_next_event(node, NULL));
    RETURNS(SV2_ERROR_NULL, sv2_node_deliver(node, NULL, NULL, at_start));
    RETURNS(SV2_ERROR_NULL, sv2_node_handle(node, NULL));
    RETURNS(SV2_NO_EVENT, sv2_node_handle(node, &asked)); /* not for the node */
    RETURNS(SV2_ERROR_NULL, sv2_node_submit(node, NULL));
    RETURNS(SV2_ERROR_ARGUMENT, sv2_node_want_template(node, no_room));
    RETURNS(SV2_ERROR_ARGUMENT, sv2_node_want_template(node, more_than_a_block));
    sv2_node_free(node);
}
#endif

static void functions_of_frames_and_messages(void) {
    sv2_decoder* decoder;
    sv2_frame frame;
    sv2_message message = message_of_type(SV2_MESSAGE_SET_TARGET);
    sv2_bytes value;
    uint8_t out[64];
    char text[64];
    size_t len;

    RETURNS(SV2_ERROR_NULL, sv2_frame_split(no_bytes, NULL));
    LEAVES_ALONE(frame, SV2_NEED_INPUT, sv2_frame_split(no_bytes, &frame));

    RETURNS(SV2_ERROR_NULL, sv2_decoder_new(NULL));
    RETURNS(SV2_OK, sv2_decoder_new(&decoder));
    memset(&frame, 0, sizeof frame);
    frame.message_type = SV2_MESSAGE_SETUP_CONNECTION_SUCCESS;
    RETURNS(SV2_ERROR_NULL, sv2_decoder_decode(NULL, &frame, &message));
    RETURNS(SV2_ERROR_NULL, sv2_decoder_decode(decoder, NULL, &message));
    RETURNS(SV2_ERROR_NULL, sv2_decoder_decode(decoder, &frame, NULL));
    RETURNS(SV2_ERROR_MALFORMED, sv2_decoder_decode(decoder, &frame, &message)); /* an empty payload */
    frame.payload.len = 1000;                                                    /* of NULL: empty all the same */
    RETURNS(SV2_ERROR_MALFORMED, sv2_decoder_decode(decoder, &frame, &message));
    CHECK(strcmp(sv2_decoder_error(NULL), "") == 0);
    sv2_decoder_free(decoder);

    RETURNS(SV2_ERROR_NULL, sv2_message_encode(NULL, out, sizeof out, &len));
    RETURNS(SV2_ERROR_NULL, sv2_message_encode(&message, out, sizeof out, NULL));
    RETURNS(SV2_BUFFER_TOO_SMALL, sv2_message_encode(&message, NULL, 0, &len));
    RETURNS(SV2_BUFFER_TOO_SMALL, sv2_message_encode(&message, NULL, 1000, &len));
    RETURNS(SV2_ERROR_NULL, sv2_message_text(NULL, text, sizeof text, &len));
    RETURNS(SV2_BUFFER_TOO_SMALL, sv2_message_text(&message, NULL, 0, NULL));
    RETURNS(SV2_BUFFER_TOO_SMALL, sv2_message_text(&message, NULL, 1000, &len));
    RETURNS(SV2_BUFFER_TOO_SMALL, sv2_message_name(SV2_MESSAGE_SET_TARGET, NULL, 0, NULL));
    RETURNS(SV2_OK, sv2_message_name(SV2_MESSAGE_SET_TARGET, text, sizeof text, NULL));

    RETURNS(SV2_ERROR_NULL, sv2_tlv_find(no_bytes, NULL, 0, sv2_tlv_user_identity(), NULL));
    LEAVES_ALONE(value, SV2_NOT_FOUND, sv2_tlv_find(no_bytes, NULL, 0, sv2_tlv_user_identity(), &value));
    RETURNS(SV2_ERROR_NULL, sv2_tlv_write(sv2_tlv_user_identity(), no_bytes, 0, out, sizeof out, NULL));
    RETURNS(SV2_BUFFER_TOO_SMALL, sv2_tlv_write(sv2_tlv_user_identity(), no_bytes, 0, NULL, 1000, &len));
    RETURNS(SV2_OK, sv2_tlv_write(sv2_tlv_user_identity(), no_bytes, 0, out, sizeof out, &len));
}

static void functions_of_keys(void) {
    key_pair keys = new_keys();
    sv2_certificate certificate;
    sv2_identity* identity;
    sv2_url url;
    char text[64];
    uint8_t key[SV2_PUBLIC_KEY_LEN];

    RETURNS(SV2_ERROR_NULL, sv2_secret_key_generate(NULL, NULL));
    RETURNS(SV2_ERROR_NULL, sv2_public_key_from_secret(NULL, key));
    RETURNS(SV2_ERROR_NULL, sv2_public_key_from_secret(keys.secret, NULL));
    RETURNS(SV2_ERROR_NULL, sv2_authority_key_to_text(NULL, text, sizeof text, NULL));
    RETURNS(SV2_BUFFER_TOO_SMALL, sv2_authority_key_to_text(keys.public, NULL, 0, NULL));
    RETURNS(SV2_ERROR_NULL, sv2_authority_key_from_text(no_text, NULL));
    LEAVES_ALONE(key, SV2_ERROR_KEY, sv2_authority_key_from_text(no_text, key));
    RETURNS(SV2_ERROR_NULL, sv2_url_parse(no_text, NULL));
    LEAVES_ALONE(url, SV2_ERROR_KEY, sv2_url_parse(no_text, &url));

    RETURNS(SV2_ERROR_NULL, sv2_certificate_sign(NULL, keys.public, 0, 1, NULL, &certificate));
    RETURNS(SV2_ERROR_NULL, sv2_certificate_sign(keys.secret, NULL, 0, 1, NULL, &certificate));
    RETURNS(SV2_ERROR_NULL, sv2_certificate_sign(keys.secret, keys.public, 0, 1, NULL, NULL));
    RETURNS(SV2_OK, sv2_certificate_sign(keys.secret, keys.public, 0, 1, NULL, &certificate));
    RETURNS(SV2_ERROR_NULL, sv2_certificate_check(NULL, keys.public, 0, NULL));
    RETURNS(SV2_ERROR_NULL, sv2_certificate_check(&certificate, NULL, 0, NULL));
    RETURNS(SV2_ERROR_CERTIFICATE, sv2_certificate_check(&certificate, keys.public, 1000, NULL));

    {
        uint8_t bytes[SV2_CERTIFICATE_LEN];
        sv2_certificate copy;
        RETURNS(SV2_ERROR_NULL, sv2_certificate_to_bytes(NULL, bytes));
        RETURNS(SV2_ERROR_NULL, sv2_certificate_to_bytes(&certificate, NULL));
        RETURNS(SV2_OK, sv2_certificate_to_bytes(&certificate, bytes));
        RETURNS(SV2_ERROR_NULL, sv2_certificate_from_bytes(NULL, &copy));
        RETURNS(SV2_ERROR_NULL, sv2_certificate_from_bytes(bytes, NULL));
        RETURNS(SV2_OK, sv2_certificate_from_bytes(bytes, &copy));
        CHECK(copy.valid_from == 0 && copy.not_valid_after == 1);
        CHECK(memcmp(copy.server_public_key, certificate.server_public_key, sizeof copy.server_public_key) == 0);
        CHECK(memcmp(copy.signature, certificate.signature, sizeof copy.signature) == 0);
    }

    RETURNS(SV2_ERROR_NULL, sv2_identity_new(NULL, &certificate, NULL, &identity));
    RETURNS(SV2_ERROR_NULL, sv2_identity_new(keys.secret, NULL, NULL, &identity));
    RETURNS(SV2_ERROR_NULL, sv2_identity_new(keys.secret, &certificate, NULL, NULL));
    RETURNS(SV2_OK, sv2_identity_new(keys.secret, &certificate, NULL, &identity));
    RETURNS(SV2_ERROR_NULL, sv2_identity_certificate(NULL, &certificate));
    RETURNS(SV2_ERROR_NULL, sv2_identity_certificate(identity, NULL));
    sv2_identity_free(identity);
}

static void functions_of_connections(void) {
    sv2_initiator_options initiator = SV2_INITIATOR_OPTIONS_INIT;
    sv2_responder_options responder = SV2_RESPONDER_OPTIONS_INIT;
    sv2_plain_options plain = SV2_PLAIN_OPTIONS_INIT;
    sv2_connection* connection;
    sv2_certificate certificate;
    sv2_message message = message_of_type(SV2_MESSAGE_SET_TARGET);
    sv2_room room = {NULL, 0};

    RETURNS(SV2_ERROR_NULL, sv2_connection_new_initiator(NULL, &connection));
    RETURNS(SV2_ERROR_NULL, sv2_connection_new_initiator(&initiator, NULL));
    RETURNS(SV2_ERROR_NULL, sv2_connection_new_responder(NULL, &connection));
    RETURNS(SV2_ERROR_NULL, sv2_connection_new_responder(&responder, NULL));
    RETURNS(SV2_ERROR_NULL, sv2_connection_new_plain(NULL, &connection));
    RETURNS(SV2_ERROR_NULL, sv2_connection_new_plain(&plain, NULL));
    LEAVES_ALONE(connection, SV2_ERROR_ARGUMENT, sv2_connection_new_initiator(&initiator, &connection)); /* no key */
    LEAVES_ALONE(connection, SV2_ERROR_NULL, sv2_connection_new_responder(&responder, &connection)); /* no identity */

    CHECK(sv2_connection_room(NULL, 10).data == NULL && sv2_connection_room(NULL, 10).len == 0);
    RETURNS(SV2_ERROR_NULL, sv2_connection_received(NULL, 0, at_start));
    RETURNS(SV2_ERROR_NULL, sv2_connection_next(NULL, &message));
    RETURNS(SV2_ERROR_NULL, sv2_connection_next_from(NULL, &room, at_start, &message));
    RETURNS(SV2_ERROR_NULL, sv2_connection_send(NULL, &message));
    CHECK(sv2_connection_output(NULL).data == NULL && sv2_connection_output(NULL).len == 0);
    RETURNS(SV2_ERROR_NULL, sv2_connection_sent(NULL, 0));
    CHECK(sv2_connection_output_len(NULL) == 0);
    RETURNS(SV2_ERROR_NULL, sv2_connection_tick(NULL, at_start));
    CHECK(sv2_connection_next_deadline(NULL) == UINT64_MAX);
    CHECK(!sv2_connection_is_established(NULL));
    CHECK(!sv2_connection_is_authenticated(NULL));
    RETURNS(SV2_ERROR_NULL, sv2_connection_certificate(NULL, &certificate));
    CHECK(strcmp(sv2_connection_error(NULL), "") == 0);

    connection = new_plain(0);
    RETURNS(SV2_ERROR_NULL, sv2_connection_next(connection, NULL));
    RETURNS(SV2_ERROR_NULL, sv2_connection_next_from(connection, NULL, at_start, &message));
    RETURNS(SV2_ERROR_NULL, sv2_connection_next_from(connection, &room, at_start, NULL));
    LEAVES_ALONE(message, SV2_NEED_INPUT, sv2_connection_next_from(connection, &room, at_start, &message));
    RETURNS(SV2_ERROR_NULL, sv2_connection_send(connection, NULL));
    RETURNS(SV2_ERROR_NULL, sv2_connection_certificate(connection, NULL));
    LEAVES_ALONE(certificate, SV2_NOT_FOUND, sv2_connection_certificate(connection, &certificate));
    CHECK(strcmp(sv2_connection_error(connection), "") == 0);
    sv2_connection_free(connection);
}

static void functions_of_hashes_and_headers(void) {
    static const uint8_t of_nothing[] = {0xe3, 0xb0, 0xc4, 0x42}; /* how SHA-256 of no bytes begins */
    sv2_block_header header;
    sv2_u256 hash, other;
    uint8_t out[SV2_BLOCK_HEADER_LEN];
    size_t count;
    uint32_t nbits;

    RETURNS(SV2_ERROR_NULL, sv2_sha256(no_bytes, NULL));
    RETURNS(SV2_ERROR_NULL, sv2_sha256d(no_bytes, NULL));
    RETURNS(SV2_OK, sv2_sha256(no_bytes, &hash));
    CHECK(memcmp(hash.bytes, of_nothing, sizeof of_nothing) == 0);

    memset(&header, 0, sizeof header);
    RETURNS(SV2_ERROR_NULL, sv2_block_header_to_bytes(NULL, out));
    RETURNS(SV2_ERROR_NULL, sv2_block_header_to_bytes(&header, NULL));
    RETURNS(SV2_ERROR_NULL, sv2_block_header_from_bytes(no_bytes, NULL));
    LEAVES_ALONE(header, SV2_ERROR_MALFORMED, sv2_block_header_from_bytes(no_bytes, &header));
    RETURNS(SV2_ERROR_NULL, sv2_block_header_hash(NULL, &hash));
    RETURNS(SV2_ERROR_NULL, sv2_block_header_hash(&header, NULL));

    RETURNS(SV2_ERROR_NULL, sv2_merkle_root(no_hashes, NULL));
    RETURNS(SV2_OK, sv2_merkle_root(no_hashes, &hash));
    RETURNS(SV2_ERROR_NULL, sv2_merkle_path(no_hashes, &hash, 1, NULL));
    RETURNS(SV2_OK, sv2_merkle_path(no_hashes, NULL, 0, &count));
    CHECK(count == 0);
    RETURNS(SV2_ERROR_NULL, sv2_merkle_root_from_path(NULL, no_hashes, &hash));
    RETURNS(SV2_ERROR_NULL, sv2_merkle_root_from_path(&hash, no_hashes, NULL));
    RETURNS(SV2_OK, sv2_merkle_root_from_path(&hash, no_hashes, &other));
    CHECK(memcmp(&hash, &other, sizeof hash) == 0);

    RETURNS(SV2_ERROR_NULL, sv2_target_from_nbits(0x207fffff, NULL));
    LEAVES_ALONE(hash, SV2_ERROR_MALFORMED, sv2_target_from_nbits(0, &hash));
    RETURNS(SV2_ERROR_NULL, sv2_target_to_nbits(NULL, &nbits));
    RETURNS(SV2_ERROR_NULL, sv2_target_to_nbits(&other, NULL));
    CHECK(!sv2_target_is_met(NULL, &other) && !sv2_target_is_met(&other, NULL));
    CHECK(sv2_target_difficulty(NULL) == 0);
    RETURNS(SV2_ERROR_NULL, sv2_target_from_difficulty(1, NULL));
    LEAVES_ALONE(hash, SV2_ERROR_ARGUMENT, sv2_target_from_difficulty(-1, &hash));
}

static void functions_of_the_numbers_of_mining(void) {
    sv2_vardiff_options vardiff_options = SV2_VARDIFF_OPTIONS_INIT;
    sv2_accounting_options accounting_options = SV2_ACCOUNTING_OPTIONS_INIT;
    sv2_extranonce_layout layout = {{NULL, 0}, {NULL, 0}, 1, 0};
    sv2_extranonce_allocator* allocator;
    sv2_extranonce_prefix prefix;
    sv2_vardiff* vardiff;
    sv2_accounting* accounting;
    sv2_submit_shares_success message;
    sv2_share_totals totals;
    sv2_u256 target = SV2_U256_INIT;
    double hashrate;

    CHECK(sv2_target_work(NULL) == 0);
    RETURNS(SV2_ERROR_NULL, sv2_target_from_hashrate(1, 1, NULL));
    RETURNS(SV2_ERROR_NULL, sv2_target_hashrate(NULL, 1, &hashrate));
    RETURNS(SV2_ERROR_NULL, sv2_target_hashrate(&target, 1, NULL));

    RETURNS(SV2_ERROR_NULL, sv2_extranonce_allocator_new(NULL, &allocator));
    RETURNS(SV2_ERROR_NULL, sv2_extranonce_allocator_new(&layout, NULL));
    RETURNS(SV2_ERROR_NULL, sv2_extranonce_allocator_allocate(NULL, &prefix));
    RETURNS(SV2_ERROR_NULL, sv2_extranonce_allocator_prefix(NULL, 0, &prefix));
    RETURNS(SV2_ERROR_NULL, sv2_extranonce_allocator_release(NULL, 0, 0));
    RETURNS(SV2_ERROR_NULL, sv2_extranonce_allocator_reclaim(NULL, 0));
    RETURNS(SV2_ERROR_NULL, sv2_extranonce_allocator_set_upstream_prefix(NULL, no_bytes));
    RETURNS(SV2_ERROR_NULL, sv2_extranonce_allocator_set_server_id(NULL, no_bytes));
    CHECK(sv2_extranonce_allocator_used(NULL) == 0 && sv2_extranonce_allocator_quarantined(NULL) == 0);
    RETURNS(SV2_OK, sv2_extranonce_allocator_new(&layout, &allocator)); /* all parts but the index may be empty */
    RETURNS(SV2_ERROR_NULL, sv2_extranonce_allocator_allocate(allocator, NULL));
    RETURNS(SV2_ERROR_NULL, sv2_extranonce_allocator_prefix(allocator, 0, NULL));
    RETURNS(SV2_OK, sv2_extranonce_allocator_set_upstream_prefix(allocator, no_bytes));
    RETURNS(SV2_OK, sv2_extranonce_allocator_set_server_id(allocator, no_bytes));
    sv2_extranonce_allocator_free(allocator);

    RETURNS(SV2_ERROR_NULL, sv2_vardiff_new(NULL, 1e12, at_start, &vardiff));
    RETURNS(SV2_ERROR_NULL, sv2_vardiff_new(&vardiff_options, 1e12, at_start, NULL));
    RETURNS(SV2_ERROR_NULL, sv2_vardiff_share(NULL, 1, at_start));
    RETURNS(SV2_ERROR_NULL, sv2_vardiff_decide(NULL, 1, at_start, &hashrate));
    RETURNS(SV2_ERROR_NULL, sv2_vardiff_restart(NULL, 1, at_start));
    CHECK(sv2_vardiff_hashrate(NULL) == 0 && sv2_vardiff_estimate(NULL, at_start) == 0);
    RETURNS(SV2_OK, sv2_vardiff_new(&vardiff_options, 1e12, at_start, &vardiff));
    RETURNS(SV2_ERROR_NULL, sv2_vardiff_decide(vardiff, 1, at_start, NULL));
    sv2_vardiff_free(vardiff);

    RETURNS(SV2_ERROR_NULL, sv2_accounting_new(NULL, &accounting));
    RETURNS(SV2_ERROR_NULL, sv2_accounting_new(&accounting_options, NULL));
    RETURNS(SV2_ERROR_NULL, sv2_accounting_accept(NULL, 1, 1, &target, at_start));
    RETURNS(SV2_ERROR_NULL, sv2_accounting_reject(NULL, SV2_SHARE_STALE_SHARE));
    RETURNS(SV2_ERROR_NULL, sv2_accounting_due(NULL, at_start, &message));
    RETURNS(SV2_ERROR_NULL, sv2_accounting_flush(NULL, &message));
    RETURNS(SV2_ERROR_NULL, sv2_accounting_totals(NULL, &totals));
    CHECK(sv2_accounting_deadline(NULL) == UINT64_MAX);
    RETURNS(SV2_OK, sv2_accounting_new(&accounting_options, &accounting));
    RETURNS(SV2_ERROR_NULL, sv2_accounting_accept(accounting, 1, 1, NULL, at_start));
    RETURNS(SV2_ERROR_NULL, sv2_accounting_due(accounting, at_start, NULL));
    RETURNS(SV2_ERROR_NULL, sv2_accounting_flush(accounting, NULL));
    RETURNS(SV2_ERROR_NULL, sv2_accounting_totals(accounting, NULL));
    sv2_accounting_free(accounting);
}

static void functions_of_transactions_and_blocks(void) {
    sv2_transaction_input input;
    sv2_transaction_output output;
    sv2_coinbase_template coinbase;
    sv2_block_header header;
    sv2_bytes transaction;
    sv2_u256 hash;
    uint8_t out[256];
    uint64_t weight;
    uint32_t height;
    size_t len;

    RETURNS(SV2_ERROR_NULL, sv2_transaction_txid(no_bytes, NULL, &len));
    LEAVES_ALONE(hash, SV2_ERROR_MALFORMED, sv2_transaction_txid(no_bytes, &hash, NULL));
    RETURNS(SV2_ERROR_NULL, sv2_transaction_wtxid(no_bytes, NULL, &len));
    LEAVES_ALONE(hash, SV2_ERROR_MALFORMED, sv2_transaction_wtxid(no_bytes, &hash, NULL));
    RETURNS(SV2_ERROR_NULL, sv2_transaction_weight(no_bytes, NULL, &len));
    LEAVES_ALONE(weight, SV2_ERROR_MALFORMED, sv2_transaction_weight(no_bytes, &weight, NULL));
    RETURNS(SV2_ERROR_NULL, sv2_transaction_inputs(no_bytes, &input, 1, NULL));
    LEAVES_ALONE(len, SV2_ERROR_MALFORMED, sv2_transaction_inputs(no_bytes, NULL, 0, &len));
    RETURNS(SV2_ERROR_NULL, sv2_transaction_outputs(no_bytes, &output, 1, NULL));
    LEAVES_ALONE(len, SV2_ERROR_MALFORMED, sv2_transaction_outputs(no_bytes, NULL, 0, &len));

    memset(&coinbase, 0, sizeof coinbase);
    RETURNS(SV2_ERROR_NULL, sv2_coinbase_build(NULL, no_bytes, no_outputs, NULL, out, sizeof out, &len));
    RETURNS(SV2_ERROR_NULL, sv2_coinbase_build(&coinbase, no_bytes, no_outputs, NULL, out, sizeof out, NULL));
    LEAVES_ALONE(len, SV2_ERROR_ARGUMENT, sv2_coinbase_build(&coinbase, no_bytes, no_outputs, NULL, NULL, 0, &len));
    RETURNS(SV2_ERROR_NULL, sv2_coinbase_strip_witness(no_bytes, out, sizeof out, NULL));
    LEAVES_ALONE(len, SV2_ERROR_MALFORMED, sv2_coinbase_strip_witness(no_bytes, NULL, 0, &len));
    RETURNS(SV2_ERROR_NULL, sv2_coinbase_restore_witness(no_bytes, NULL, out, sizeof out, &len));
    RETURNS(SV2_ERROR_NULL, sv2_coinbase_restore_witness(no_bytes, &hash, out, sizeof out, NULL));
    LEAVES_ALONE(len, SV2_ERROR_MALFORMED, sv2_coinbase_restore_witness(no_bytes, &hash, NULL, 0, &len));
    RETURNS(SV2_ERROR_NULL, sv2_coinbase_height(no_bytes, NULL));
    LEAVES_ALONE(height, SV2_ERROR_MALFORMED, sv2_coinbase_height(no_bytes, &height));
    RETURNS(SV2_ERROR_NULL, sv2_coinbase_reserved_value(no_bytes, NULL));
    LEAVES_ALONE(hash, SV2_ERROR_MALFORMED, sv2_coinbase_reserved_value(no_bytes, &hash));
    RETURNS(SV2_ERROR_NULL, sv2_height_push(1, out, sizeof out, NULL));
    RETURNS(SV2_BUFFER_TOO_SMALL, sv2_height_push(1, NULL, 1000, &len));

    RETURNS(SV2_ERROR_NULL, sv2_witness_commitment(no_hashes, NULL, &hash));
    RETURNS(SV2_ERROR_NULL, sv2_witness_commitment(no_hashes, &hash, NULL));
    RETURNS(SV2_ERROR_NULL, sv2_witness_commitment_script(NULL, out));
    RETURNS(SV2_ERROR_NULL, sv2_witness_commitment_script(&hash, NULL));
    RETURNS(SV2_ERROR_NULL, sv2_witness_commitment_find(no_bytes, NULL));
    LEAVES_ALONE(hash, SV2_ERROR_MALFORMED, sv2_witness_commitment_find(no_bytes, &hash));

    memset(&header, 0, sizeof header);
    RETURNS(SV2_ERROR_NULL, sv2_block_assemble(NULL, no_bytes, no_items, out, sizeof out, &len));
    RETURNS(SV2_ERROR_NULL, sv2_block_assemble(&header, no_bytes, no_items, out, sizeof out, NULL));
    RETURNS(SV2_BUFFER_TOO_SMALL, sv2_block_assemble(&header, no_bytes, no_items, NULL, 0, &len));
    RETURNS(SV2_ERROR_NULL, sv2_block_split(no_bytes, NULL, &transaction, 1, &len));
    RETURNS(SV2_ERROR_NULL, sv2_block_split(no_bytes, &header, &transaction, 1, NULL));
    LEAVES_ALONE(header, SV2_ERROR_MALFORMED, sv2_block_split(no_bytes, &header, NULL, 0, &len));
}

static void functions_of_jobs_and_shares(void) {
    static const uint8_t script[] = {0x51}, height[] = {1, 101}, outputs[] = {0};
    sv2_payout_output paid;
    sv2_transaction_output output;
    sv2_coinbase_output_constraints constraints;
    sv2_new_template from;
    sv2_set_custom_mining_job custom;
    sv2_new_extended_mining_job message;
    sv2_option_u32 absent = {0, 0};
    sv2_payout* payout;
    sv2_job_factory* factory;
    sv2_extended_job* job;
    sv2_duplicates* duplicates;
    sv2_job_source source;
    sv2_share_work work;
    sv2_share share;
    sv2_share_verdict verdict;
    sv2_mining_tip tip;
    sv2_insertion insertion;
    sv2_u256 hash;
    uint8_t out[8];
    size_t len;

    memset(&hash, 0, sizeof hash);
    memset(&from, 0, sizeof from);
    memset(&custom, 0, sizeof custom);
    memset(&work, 0, sizeof work);
    memset(&share, 0, sizeof share);
    memset(&message, 0, sizeof message);
    paid.script_pubkey = bytes_of(script, sizeof script);
    paid.parts = 1;
    from.coinbase_prefix = bytes_of(height, sizeof height);
    custom.coinbase_prefix = from.coinbase_prefix;
    custom.coinbase_tx_outputs = bytes_of(outputs, sizeof outputs);

    RETURNS(SV2_ERROR_NULL, sv2_payout_new(NULL, 1, &payout));
    RETURNS(SV2_ERROR_NULL, sv2_payout_new(&paid, 1, NULL));
    RETURNS(SV2_OK, sv2_payout_new(&paid, 1, &payout));
    RETURNS(SV2_ERROR_NULL, sv2_payout_output_at(NULL, 1, 0, &output));
    RETURNS(SV2_ERROR_NULL, sv2_payout_output_at(payout, 1, 0, NULL));
    RETURNS(SV2_ERROR_NULL, sv2_payout_constraints(NULL, &constraints));
    RETURNS(SV2_ERROR_NULL, sv2_payout_constraints(payout, NULL));

    RETURNS(SV2_ERROR_NULL, sv2_job_factory_new(no_text, no_text, 20, 1, NULL));
    LEAVES_ALONE(factory, SV2_ERROR_ARGUMENT, sv2_job_factory_new(no_text, no_text, 0, 1, &factory));
    LEAVES_ALONE(factory, SV2_ERROR_ARGUMENT, sv2_job_factory_new(no_text, no_text, 33, 1, &factory));
    RETURNS(SV2_OK, sv2_job_factory_new(no_text, no_text, 20, 1, &factory));
    RETURNS(SV2_ERROR_NULL, sv2_job_factory_custom(NULL, &custom, &job));
    RETURNS(SV2_ERROR_NULL, sv2_job_factory_custom(factory, NULL, &job));
    RETURNS(SV2_ERROR_NULL, sv2_job_factory_custom(factory, &custom, NULL));
    RETURNS(SV2_OK, sv2_job_factory_custom(factory, &custom, &job));
    sv2_extended_job_free(job);
    RETURNS(SV2_ERROR_NULL, sv2_job_factory_job(NULL, &from, payout, 0, &job));
    RETURNS(SV2_ERROR_NULL, sv2_job_factory_job(factory, NULL, payout, 0, &job));
    RETURNS(SV2_ERROR_NULL, sv2_job_factory_job(factory, &from, NULL, 0, &job));
    RETURNS(SV2_ERROR_NULL, sv2_job_factory_job(factory, &from, payout, 0, NULL));
    RETURNS(SV2_OK, sv2_job_factory_job(factory, &from, payout, 0, &job));
    sv2_job_factory_free(factory);
    sv2_payout_free(payout);

    RETURNS(SV2_ERROR_NULL, sv2_extended_job_message(NULL, 1, 1, absent, &message));
    RETURNS(SV2_ERROR_NULL, sv2_extended_job_message(job, 1, 1, absent, NULL));
    RETURNS(SV2_ERROR_NULL, sv2_extended_job_merkle_root(NULL, no_bytes, no_bytes, &hash));
    RETURNS(SV2_ERROR_NULL, sv2_extended_job_merkle_root(job, no_bytes, no_bytes, NULL));
    RETURNS(SV2_ERROR_NULL, sv2_extended_job_coinbase(NULL, no_bytes, no_bytes, out, sizeof out, &len));
    RETURNS(SV2_ERROR_NULL, sv2_extended_job_coinbase(job, no_bytes, no_bytes, out, sizeof out, NULL));
    RETURNS(SV2_ERROR_NULL, sv2_extended_job_source(NULL, &source));
    RETURNS(SV2_ERROR_NULL, sv2_extended_job_source(job, NULL));
    CHECK(sv2_extended_job_extranonce_len(NULL) == 0);
    {
        sv2_extended_job* other;
        RETURNS(SV2_ERROR_NULL, sv2_extended_job_upstream(NULL, 20, &other));
        RETURNS(SV2_ERROR_NULL, sv2_extended_job_upstream(&message, 20, NULL));
        LEAVES_ALONE(other, SV2_ERROR_MALFORMED, sv2_extended_job_upstream(&message, 20, &other));
    }

    RETURNS(SV2_ERROR_NULL, sv2_mining_tip_init(NULL, 0x207fffff, 0, NULL, 0, &tip));
    RETURNS(SV2_ERROR_NULL, sv2_mining_tip_init(&hash, 0x207fffff, 0, NULL, 0, NULL));
    LEAVES_ALONE(tip, SV2_ERROR_MALFORMED, sv2_mining_tip_init(&hash, 0, 0, NULL, 0, &tip));
    RETURNS(SV2_OK, sv2_mining_tip_init(&hash, 0x207fffff, 0, NULL, 0, &tip));
    RETURNS(SV2_ERROR_NULL, sv2_share_check(NULL, &share, 0, &verdict));
    RETURNS(SV2_ERROR_NULL, sv2_share_check(&work, NULL, 0, &verdict));
    RETURNS(SV2_ERROR_NULL, sv2_share_check(&work, &share, 0, NULL));
    LEAVES_ALONE(verdict, SV2_ERROR_NULL, sv2_share_check(&work, &share, 0, &verdict)); /* nothing in it */
    work.job = job;
    work.tip = &tip;
    LEAVES_ALONE(verdict, SV2_ERROR_NULL, sv2_share_check(&work, &share, 0, &verdict)); /* no target */
    work.target = &hash;
    RETURNS(SV2_OK, sv2_share_check(&work, &share, 0, &verdict));
    RETURNS(SV2_ERROR_NULL, sv2_share_check_many(NULL, &share, 1, 0, &verdict));
    RETURNS(SV2_ERROR_NULL, sv2_share_check_many(&work, NULL, 1, 0, &verdict));
    RETURNS(SV2_ERROR_NULL, sv2_share_check_many(&work, &share, 1, 0, NULL));
    RETURNS(SV2_OK, sv2_share_check_many(NULL, NULL, 0, 0, NULL));
    CHECK(sv2_share_error_code(0).len == 0);
    sv2_extended_job_free(job);

    RETURNS(SV2_ERROR_NULL, sv2_duplicates_new(1, NULL));
    RETURNS(SV2_OK, sv2_duplicates_new(1, &duplicates));
    RETURNS(SV2_ERROR_NULL, sv2_duplicates_insert(NULL, &hash, &insertion));
    RETURNS(SV2_ERROR_NULL, sv2_duplicates_insert(duplicates, NULL, &insertion));
    RETURNS(SV2_ERROR_NULL, sv2_duplicates_insert(duplicates, &hash, NULL));
    sv2_duplicates_free(duplicates);
}

static void functions_of_template_providers(void) {
    sv2_template_provider_options options = SV2_TEMPLATE_PROVIDER_OPTIONS_INIT;
    sv2_template node_template = SV2_TEMPLATE_INIT;
    sv2_new_prev_hash new_prev_hash = SV2_NEW_PREV_HASH_INIT;
    sv2_template_provider* provider;
    sv2_template_event event;
    sv2_solution solution;
    sv2_constraint_key key;
    sv2_u256 prev_hash;
    uint64_t template_id;
    uint8_t bytes[1] = {0};
    memset(&prev_hash, 0, sizeof prev_hash);

    RETURNS(SV2_ERROR_NULL, sv2_constraint_key_from_outputs(0, 0, NULL));
    LEAVES_ALONE(key, SV2_ERROR_ARGUMENT, sv2_constraint_key_from_outputs(UINT32_MAX, 0, &key));
    RETURNS(SV2_OK, sv2_constraint_key_from_outputs(0, 0, &key));
    RETURNS(SV2_ERROR_NULL, sv2_template_provider_new(NULL, &provider));
    RETURNS(SV2_ERROR_NULL, sv2_template_provider_new(&options, NULL));
    LEAVES_ALONE(provider, SV2_ERROR_ARGUMENT, sv2_template_provider_new(&options, &provider)); /* no identity */

    RETURNS(SV2_ERROR_NULL, sv2_template_provider_set_identity(NULL, NULL));
    RETURNS(SV2_ERROR_NULL, sv2_template_provider_connect(NULL, 1, NULL, at_start));
    RETURNS(SV2_ERROR_NULL, sv2_template_provider_receive(NULL, 1, bytes, 1, at_start));
    sv2_template_provider_disconnect(NULL, 1);
    CHECK(sv2_template_provider_output(NULL, 1).data == NULL && sv2_template_provider_output(NULL, 1).len == 0);
    RETURNS(SV2_ERROR_NULL, sv2_template_provider_sent(NULL, 1, 0, at_start));
    RETURNS(SV2_ERROR_NULL, sv2_template_provider_template_ready(NULL, key, &node_template, at_start, &template_id));
    RETURNS(SV2_ERROR_NULL, sv2_template_provider_tip_changed(NULL, &prev_hash, at_start));
    RETURNS(SV2_ERROR_NULL, sv2_template_provider_set_new_prev_hash(NULL, 1, &new_prev_hash, at_start));
    RETURNS(SV2_ERROR_NULL, sv2_template_provider_node_state(NULL, SV2_NODE_DOWN, at_start));
    RETURNS(SV2_ERROR_NULL, sv2_template_provider_submit_result(NULL, &prev_hash, SV2_SUBMIT_TAKEN, at_start));
    RETURNS(SV2_ERROR_NULL, sv2_template_provider_transactions_ready(NULL, 1, &no_items, at_start));
    RETURNS(SV2_ERROR_NULL, sv2_template_provider_tick(NULL, at_start));
    CHECK(sv2_template_provider_next_deadline(NULL) == UINT64_MAX);
    RETURNS(SV2_ERROR_NULL, sv2_template_provider_next_event(NULL, &event));
    RETURNS(SV2_ERROR_NULL, sv2_template_provider_next_solution(NULL, &solution));
    CHECK(sv2_template_provider_clients(NULL) == 0);
    CHECK(strcmp(sv2_template_provider_error(NULL), "") == 0);

    options.plaintext = 1;
    RETURNS(SV2_OK, sv2_template_provider_new(&options, &provider));
    RETURNS(SV2_ERROR_NULL, sv2_template_provider_set_identity(provider, NULL));
    RETURNS(SV2_ERROR_NULL, sv2_template_provider_template_ready(provider, key, NULL, at_start, &template_id));
    LEAVES_ALONE(template_id, SV2_NOT_FOUND,
                 sv2_template_provider_template_ready(provider, key, &node_template, at_start, &template_id));
    RETURNS(SV2_ERROR_NULL, sv2_template_provider_tip_changed(provider, NULL, at_start));
    RETURNS(SV2_ERROR_NULL, sv2_template_provider_set_new_prev_hash(provider, 1, NULL, at_start));
    RETURNS(SV2_NOT_FOUND, sv2_template_provider_set_new_prev_hash(provider, 1, &new_prev_hash, at_start));
    RETURNS(SV2_ERROR_NULL, sv2_template_provider_submit_result(provider, NULL, SV2_SUBMIT_TAKEN, at_start));
    RETURNS(SV2_ERROR_ARGUMENT, sv2_template_provider_submit_result(provider, &prev_hash, 7, at_start));
    RETURNS(SV2_ERROR_ARGUMENT, sv2_template_provider_node_state(provider, 7, at_start));
    RETURNS(SV2_OK,
            sv2_template_provider_transactions_ready(provider, 1, NULL, at_start)); /* an answer: there are none */
    RETURNS(SV2_ERROR_NULL, sv2_template_provider_next_event(provider, NULL));
    LEAVES_ALONE(event, SV2_NO_EVENT, sv2_template_provider_next_event(provider, &event));
    RETURNS(SV2_ERROR_NULL, sv2_template_provider_next_solution(provider, NULL));
    LEAVES_ALONE(solution, SV2_NO_EVENT, sv2_template_provider_next_solution(provider, &solution));
    RETURNS(SV2_NOT_FOUND, sv2_template_provider_receive(provider, 1, NULL, 0, at_start));
    RETURNS(SV2_OK, sv2_template_provider_connect(provider, 1, NULL, at_start));
    RETURNS(SV2_OK, sv2_template_provider_receive(provider, 1, NULL, 0, at_start));
    CHECK(sv2_template_provider_output(provider, 1).len == 0 && sv2_template_provider_clients(provider) == 1);
    sv2_template_provider_free(provider);
}

static void functions_of_mining_clients(void) {
    sv2_mining_client_options options = SV2_MINING_CLIENT_OPTIONS_INIT;
    sv2_mining_client* client;
    sv2_mining_client_event event;
    sv2_client_channel channel;
    sv2_client_job job;
    sv2_unanswered_share unanswered;
    sv2_mining_client_share share;
    sv2_new_extended_mining_job extended;
    sv2_set_custom_mining_job custom;
    sv2_block_header header;
    sv2_u256 target = SV2_U256_INIT;
    sv2_time heard;
    uint32_t id;
    size_t count;
    const sv2_str nobody = {NULL, 0};

    memset(&share, 0, sizeof share);
    memset(&custom, 0, sizeof custom);
    RETURNS(SV2_ERROR_NULL, sv2_mining_client_new(NULL, &client));
    RETURNS(SV2_ERROR_NULL, sv2_mining_client_new(&options, NULL));
    LEAVES_ALONE(client, SV2_ERROR_ARGUMENT, sv2_mining_client_new(&options, &client)); /* nobody to trust */

    RETURNS(SV2_ERROR_NULL, sv2_mining_client_connect(NULL, at_start));
    sv2_mining_client_disconnected(NULL, at_start);
    CHECK(sv2_mining_client_room(NULL).data == NULL && sv2_mining_client_room(NULL).len == 0);
    RETURNS(SV2_ERROR_NULL, sv2_mining_client_received(NULL, 0, at_start));
    RETURNS(SV2_ERROR_NULL, sv2_mining_client_receive(NULL, NULL, 1, at_start));
    CHECK(sv2_mining_client_output(NULL).data == NULL && sv2_mining_client_output(NULL).len == 0);
    RETURNS(SV2_ERROR_NULL, sv2_mining_client_sent(NULL, 0, at_start));
    LEAVES_ALONE(id, SV2_ERROR_NULL, sv2_mining_client_open_standard(NULL, nobody, 0, NULL, at_start, &id));
    LEAVES_ALONE(id, SV2_ERROR_NULL, sv2_mining_client_open_extended(NULL, nobody, 0, NULL, 4, at_start, &id));
    RETURNS(SV2_ERROR_NULL, sv2_mining_client_update_channel(NULL, 2, 0, NULL, at_start));
    RETURNS(SV2_ERROR_NULL, sv2_mining_client_close_channel(NULL, 2, nobody, at_start));
    LEAVES_ALONE(id, SV2_ERROR_NULL, sv2_mining_client_submit(NULL, 2, &share, at_start, &id));
    LEAVES_ALONE(id, SV2_ERROR_NULL, sv2_mining_client_set_custom_job(NULL, &custom, at_start, &id));
    RETURNS(SV2_ERROR_NULL, sv2_mining_client_send_extension_message(NULL, 2, 0, 0, no_bytes, at_start));
    RETURNS(SV2_ERROR_NULL, sv2_mining_client_tick(NULL, at_start));
    CHECK(sv2_mining_client_next_deadline(NULL) == UINT64_MAX);
    LEAVES_ALONE(event, SV2_ERROR_NULL, sv2_mining_client_next_event(NULL, &event));
    LEAVES_ALONE(channel, SV2_ERROR_NULL, sv2_mining_client_channel(NULL, 2, &channel));
    LEAVES_ALONE(count, SV2_ERROR_NULL, sv2_mining_client_channels(NULL, NULL, 0, &count));
    LEAVES_ALONE(job, SV2_ERROR_NULL, sv2_mining_client_job(NULL, 2, 1, &job));
    LEAVES_ALONE(header, SV2_ERROR_NULL, sv2_mining_client_header(NULL, 2, 1, no_bytes, &header));
    LEAVES_ALONE(extended, SV2_ERROR_NULL, sv2_mining_client_extended_job(NULL, 2, 1, &extended));
    LEAVES_ALONE(count, SV2_ERROR_NULL, sv2_mining_client_unanswered(NULL, 2, NULL, 0, &count));
    CHECK(!sv2_mining_client_is_connected(NULL) && !sv2_mining_client_is_ready(NULL));
    CHECK(!sv2_mining_client_is_authenticated(NULL) && !sv2_mining_client_is_negotiated(NULL, 2));
    LEAVES_ALONE(heard, SV2_ERROR_NULL, sv2_mining_client_last_heard(NULL, &heard));
    CHECK(strcmp(sv2_mining_client_error(NULL), "") == 0);

    memset(&header, 0, sizeof header);
    RETURNS(SV2_ERROR_NULL, sv2_block_header_search(NULL, &target, 0, 1, &id));
    RETURNS(SV2_ERROR_NULL, sv2_block_header_search(&header, NULL, 0, 1, &id));
    RETURNS(SV2_ERROR_NULL, sv2_block_header_search(&header, &target, 0, 1, NULL));
    LEAVES_ALONE(id, SV2_NOT_FOUND, sv2_block_header_search(&header, &target, 0, 1, &id));

    options.plaintext = 1;
    options.allow_unauthenticated = 1;
    LEAVES_ALONE(client, SV2_ERROR_ARGUMENT, sv2_mining_client_new(&options, &client));
    options.allow_unauthenticated = 0;
    RETURNS(SV2_OK, sv2_mining_client_new(&options, &client));
    RETURNS(SV2_NOT_FOUND, sv2_mining_client_receive(client, NULL, 0, at_start));
    CHECK(strcmp(sv2_mining_client_error(client), "there is no connection") == 0);
    RETURNS(SV2_ERROR_NULL, sv2_mining_client_submit(client, 2, NULL, at_start, &id));
    RETURNS(SV2_ERROR_NULL, sv2_mining_client_set_custom_job(client, NULL, at_start, &id));
    RETURNS(SV2_ERROR_NULL, sv2_mining_client_next_event(client, NULL));
    LEAVES_ALONE(event, SV2_NO_EVENT, sv2_mining_client_next_event(client, &event));
    RETURNS(SV2_ERROR_NULL, sv2_mining_client_channel(client, 2, NULL));
    LEAVES_ALONE(channel, SV2_NOT_FOUND, sv2_mining_client_channel(client, 2, &channel));
    RETURNS(SV2_ERROR_NULL, sv2_mining_client_channels(client, &id, 1, NULL));
    RETURNS(SV2_OK, sv2_mining_client_channels(client, NULL, 0, &count));
    CHECK(count == 0);
    RETURNS(SV2_ERROR_NULL, sv2_mining_client_job(client, 2, 1, NULL));
    LEAVES_ALONE(job, SV2_NOT_FOUND, sv2_mining_client_job(client, 2, 1, &job));
    RETURNS(SV2_ERROR_NULL, sv2_mining_client_header(client, 2, 1, no_bytes, NULL));
    LEAVES_ALONE(header, SV2_NOT_FOUND, sv2_mining_client_header(client, 2, 1, no_bytes, &header));
    RETURNS(SV2_ERROR_NULL, sv2_mining_client_extended_job(client, 2, 1, NULL));
    LEAVES_ALONE(extended, SV2_NOT_FOUND, sv2_mining_client_extended_job(client, 2, 1, &extended));
    RETURNS(SV2_ERROR_NULL, sv2_mining_client_unanswered(client, 2, &unanswered, 1, NULL));
    LEAVES_ALONE(count, SV2_NOT_FOUND, sv2_mining_client_unanswered(client, 2, &unanswered, 1, &count));
    RETURNS(SV2_ERROR_NULL, sv2_mining_client_last_heard(client, NULL));
    LEAVES_ALONE(heard, SV2_NOT_FOUND, sv2_mining_client_last_heard(client, &heard));
    RETURNS(SV2_OK, sv2_mining_client_connect(client, at_start));
    RETURNS(SV2_OK, sv2_mining_client_receive(client, NULL, 0, at_start));
    RETURNS(SV2_ERROR_STATE, sv2_mining_client_connect(client, at_start));
    RETURNS(SV2_ERROR_STATE, sv2_mining_client_open_standard(client, nobody, 0, NULL, at_start, NULL)); /* too early */
    sv2_mining_client_free(client);
}

static void functions_of_template_clients(void) {
    sv2_template_client_options options = SV2_TEMPLATE_CLIENT_OPTIONS_INIT;
    sv2_template_client* client;
    sv2_template_client_event event;
    sv2_submit_solution solution;
    sv2_new_template shown;
    sv2_set_new_prev_hash_template tip;
    sv2_block_header header;
    sv2_time heard;
    uint64_t template_id;
    uint8_t bytes[1] = {0}, sent;
    size_t len;
    memset(&solution, 0, sizeof solution);

    RETURNS(SV2_ERROR_NULL, sv2_template_client_new(NULL, &client));
    RETURNS(SV2_ERROR_NULL, sv2_template_client_new(&options, NULL));
    LEAVES_ALONE(client, SV2_ERROR_ARGUMENT, sv2_template_client_new(&options, &client)); /* nobody to trust */

    RETURNS(SV2_ERROR_NULL, sv2_template_client_connect(NULL, at_start));
    sv2_template_client_disconnected(NULL, at_start);
    RETURNS(SV2_ERROR_NULL, sv2_template_client_receive(NULL, bytes, 1, at_start));
    CHECK(sv2_template_client_output(NULL).data == NULL && sv2_template_client_output(NULL).len == 0);
    RETURNS(SV2_ERROR_NULL, sv2_template_client_sent(NULL, 0, at_start));
    RETURNS(SV2_ERROR_NULL, sv2_template_client_set_constraints(NULL, 1, 0, at_start));
    RETURNS(SV2_ERROR_NULL, sv2_template_client_request_transaction_data(NULL, 1, at_start));
    LEAVES_ALONE(sent, SV2_ERROR_NULL, sv2_template_client_submit_solution(NULL, &solution, at_start, &sent));
    RETURNS(SV2_ERROR_NULL, sv2_template_client_tick(NULL, at_start));
    CHECK(sv2_template_client_next_deadline(NULL) == UINT64_MAX);
    LEAVES_ALONE(event, SV2_ERROR_NULL, sv2_template_client_next_event(NULL, &event));
    LEAVES_ALONE(template_id, SV2_ERROR_NULL, sv2_template_client_active_template(NULL, &template_id));
    LEAVES_ALONE(shown, SV2_ERROR_NULL, sv2_template_client_template(NULL, 1, &shown));
    LEAVES_ALONE(tip, SV2_ERROR_NULL, sv2_template_client_tip(NULL, 1, &tip));
    LEAVES_ALONE(len, SV2_ERROR_NULL,
                 sv2_template_client_coinbase(NULL, 1, no_bytes, no_outputs, bytes, sizeof bytes, &len));
    LEAVES_ALONE(header, SV2_ERROR_NULL, sv2_template_client_header(NULL, &solution, &header));
    CHECK(!sv2_template_client_is_connected(NULL) && !sv2_template_client_is_ready(NULL));
    CHECK(!sv2_template_client_is_authenticated(NULL) && !sv2_template_client_is_serving(NULL));
    LEAVES_ALONE(heard, SV2_ERROR_NULL, sv2_template_client_last_heard(NULL, &heard));
    CHECK(sv2_template_client_pending_solutions(NULL) == 0);
    CHECK(strcmp(sv2_template_client_error(NULL), "") == 0);

    options.plaintext = 1;
    options.allow_unauthenticated = 1; /* one of them it must be */
    LEAVES_ALONE(client, SV2_ERROR_ARGUMENT, sv2_template_client_new(&options, &client));
    options.allow_unauthenticated = 0;
    RETURNS(SV2_OK, sv2_template_client_new(&options, &client));
    RETURNS(SV2_NOT_FOUND, sv2_template_client_receive(client, NULL, 0, at_start));
    CHECK(strcmp(sv2_template_client_error(client), "there is no connection") == 0);
    RETURNS(SV2_ERROR_NULL, sv2_template_client_submit_solution(client, NULL, at_start, &sent));
    RETURNS(SV2_ERROR_NULL, sv2_template_client_next_event(client, NULL));
    LEAVES_ALONE(event, SV2_NO_EVENT, sv2_template_client_next_event(client, &event));
    RETURNS(SV2_ERROR_NULL, sv2_template_client_active_template(client, NULL));
    LEAVES_ALONE(template_id, SV2_NOT_FOUND, sv2_template_client_active_template(client, &template_id));
    RETURNS(SV2_ERROR_NULL, sv2_template_client_template(client, 1, NULL));
    LEAVES_ALONE(shown, SV2_NOT_FOUND, sv2_template_client_template(client, 1, &shown));
    RETURNS(SV2_ERROR_NULL, sv2_template_client_tip(client, 1, NULL));
    LEAVES_ALONE(tip, SV2_NOT_FOUND, sv2_template_client_tip(client, 1, &tip));
    RETURNS(SV2_ERROR_NULL, sv2_template_client_coinbase(client, 1, no_bytes, no_outputs, bytes, 1, NULL));
    LEAVES_ALONE(len, SV2_NOT_FOUND, sv2_template_client_coinbase(client, 1, no_bytes, no_outputs, NULL, 0, &len));
    RETURNS(SV2_ERROR_NULL, sv2_template_client_header(client, NULL, &header));
    RETURNS(SV2_ERROR_NULL, sv2_template_client_header(client, &solution, NULL));
    LEAVES_ALONE(header, SV2_NOT_FOUND, sv2_template_client_header(client, &solution, &header));
    RETURNS(SV2_ERROR_NULL, sv2_template_client_last_heard(client, NULL));
    LEAVES_ALONE(heard, SV2_NOT_FOUND, sv2_template_client_last_heard(client, &heard));
    RETURNS(SV2_OK, sv2_template_client_submit_solution(client, &solution, at_start, NULL)); /* no coinbase: kept */
    CHECK(sv2_template_client_pending_solutions(client) == 1);
    RETURNS(SV2_OK, sv2_template_client_connect(client, at_start));
    RETURNS(SV2_OK, sv2_template_client_receive(client, NULL, 0, at_start));
    RETURNS(SV2_ERROR_STATE, sv2_template_client_connect(client, at_start));
    sv2_template_client_free(client);
}

static void functions_of_mining_proxies(void) {
    sv2_mining_server_options downstream = SV2_MINING_SERVER_OPTIONS_INIT;
    sv2_mining_proxy_options options = SV2_MINING_PROXY_OPTIONS_INIT;
    sv2_mining_upstream upstream = SV2_MINING_UPSTREAM_INIT;
    const sv2_str no_utf8 = {"\xff", 1};
    sv2_mining_proxy_totals totals;
    sv2_mining_proxy_event event;
    sv2_mining_proxy* proxy;
    uint8_t bytes[1] = {0};

    downstream.plaintext = 1;
    upstream.plaintext = 1;
    RETURNS(SV2_ERROR_NULL, sv2_mining_proxy_new(NULL, &proxy));
    RETURNS(SV2_ERROR_NULL, sv2_mining_proxy_new(&options, NULL));
    LEAVES_ALONE(proxy, SV2_ERROR_NULL, sv2_mining_proxy_new(&options, &proxy)); /* no upstream */
    options.upstreams = &upstream;
    options.upstream_count = 1;
    LEAVES_ALONE(proxy, SV2_ERROR_NULL, sv2_mining_proxy_new(&options, &proxy)); /* no downstream */
    options.downstream = &downstream;
    options.mode = 2;
    LEAVES_ALONE(proxy, SV2_ERROR_ARGUMENT, sv2_mining_proxy_new(&options, &proxy));
    options.mode = SV2_MINING_PROXY_PASS_THROUGH;
    upstream.allow_unauthenticated = 1;
    LEAVES_ALONE(proxy, SV2_ERROR_ARGUMENT, sv2_mining_proxy_new(&options, &proxy));
    upstream.allow_unauthenticated = 0;
    RETURNS(SV2_ERROR_NULL, sv2_mining_proxy_set_identity(NULL, NULL));
    RETURNS(SV2_ERROR_NULL, sv2_mining_proxy_connect(NULL, 1, NULL, at_start));
    RETURNS(SV2_ERROR_NULL, sv2_mining_proxy_receive(NULL, 1, bytes, 1, at_start));
    sv2_mining_proxy_disconnect(NULL, 1, at_start);
    CHECK(sv2_mining_proxy_output(NULL, 1).len == 0);
    RETURNS(SV2_ERROR_NULL, sv2_mining_proxy_sent(NULL, 1, 1, at_start));
    RETURNS(SV2_ERROR_NULL, sv2_mining_proxy_reconnect_miners(NULL, no_text, 0, at_start));
    RETURNS(SV2_ERROR_NULL, sv2_mining_proxy_upstream_connected(NULL, at_start));
    sv2_mining_proxy_upstream_disconnected(NULL, at_start);
    RETURNS(SV2_ERROR_NULL, sv2_mining_proxy_upstream_receive(NULL, bytes, 1, at_start));
    CHECK(sv2_mining_proxy_upstream_output(NULL).len == 0);
    RETURNS(SV2_ERROR_NULL, sv2_mining_proxy_upstream_sent(NULL, 1, at_start));
    RETURNS(SV2_ERROR_NULL, sv2_mining_proxy_tick(NULL, at_start));
    CHECK(sv2_mining_proxy_next_deadline(NULL) == UINT64_MAX);
    RETURNS(SV2_ERROR_NULL, sv2_mining_proxy_next_event(NULL, &event));
    CHECK(sv2_mining_proxy_upstream(NULL) == SIZE_MAX);
    RETURNS(SV2_ERROR_NULL, sv2_mining_proxy_get_totals(NULL, &totals));
    CHECK(strcmp(sv2_mining_proxy_error(NULL), "") == 0);

    RETURNS(SV2_OK, sv2_mining_proxy_new(&options, &proxy));
    RETURNS(SV2_ERROR_NULL, sv2_mining_proxy_set_identity(proxy, NULL));
    RETURNS(SV2_ERROR_NULL, sv2_mining_proxy_next_event(proxy, NULL));
    RETURNS(SV2_ERROR_NULL, sv2_mining_proxy_get_totals(proxy, NULL));
    RETURNS(SV2_ERROR_ARGUMENT, sv2_mining_proxy_reconnect_miners(proxy, no_utf8, 0, at_start));
    RETURNS(SV2_NOT_FOUND, sv2_mining_proxy_receive(proxy, 1, NULL, 0, at_start));
    RETURNS(SV2_NOT_FOUND, sv2_mining_proxy_sent(proxy, 1, 0, at_start));
    RETURNS(SV2_NOT_FOUND, sv2_mining_proxy_upstream_sent(proxy, 0, at_start));
    RETURNS(SV2_NOT_FOUND, sv2_mining_proxy_upstream_receive(proxy, NULL, 0, at_start));
    RETURNS(SV2_OK, sv2_mining_proxy_get_totals(proxy, &totals));
    CHECK(totals.accepted == 0 && totals.upstreams_lost == 0);
    RETURNS(SV2_OK, sv2_mining_proxy_tick(proxy, at_start));
    RETURNS(SV2_OK, sv2_mining_proxy_next_event(proxy, &event));
    CHECK(event.type == SV2_MINING_PROXY_EVENT_CONNECT_UPSTREAM && event.as.connect_upstream.upstream == 0);
    LEAVES_ALONE(event, SV2_NO_EVENT, sv2_mining_proxy_next_event(proxy, &event));
    RETURNS(SV2_OK, sv2_mining_proxy_upstream_connected(proxy, at_start));
    RETURNS(SV2_ERROR_STATE, sv2_mining_proxy_upstream_connected(proxy, at_start));
    CHECK(sv2_mining_proxy_upstream_output(proxy).len > 0);
    RETURNS(SV2_OK, sv2_mining_proxy_upstream_receive(proxy, NULL, 0, at_start));
    sv2_mining_proxy_free(proxy);
}

static void functions_of_mining_servers(void) {
    sv2_mining_server_options options = SV2_MINING_SERVER_OPTIONS_INIT;
    static const sv2_str no_utf8 = {"\xff", 1};
    const sv2_payout_output output = {{NULL, 0}, 1}; /* to the empty script */
    sv2_payout* payout;
    sv2_new_template new_template;
    sv2_set_new_prev_hash_template tip;
    sv2_new_extended_mining_job job;
    sv2_set_new_prev_hash upstream_tip;
    sv2_u256 target = SV2_U256_INIT;
    sv2_mining_server_event event;
    sv2_found_block block;
    sv2_mining_server* server;
    uint8_t bytes[1] = {0};
    uint32_t id;

    memset(&new_template, 0, sizeof new_template);
    memset(&tip, 0, sizeof tip);
    memset(&job, 0, sizeof job);
    memset(&upstream_tip, 0, sizeof upstream_tip);
    upstream_tip.nbits = 0x207fffff;
    RETURNS(SV2_OK, sv2_payout_new(&output, 1, &payout));

    RETURNS(SV2_ERROR_NULL, sv2_mining_server_new(NULL, &server));
    RETURNS(SV2_ERROR_NULL, sv2_mining_server_new(&options, NULL));
    LEAVES_ALONE(server, SV2_ERROR_ARGUMENT, sv2_mining_server_new(&options, &server)); /* no identity */
    RETURNS(SV2_ERROR_NULL, sv2_mining_server_set_identity(NULL, NULL));
    RETURNS(SV2_ERROR_NULL, sv2_mining_server_connect(NULL, 1, NULL, at_start));
    RETURNS(SV2_ERROR_NULL, sv2_mining_server_receive(NULL, 1, bytes, 1, at_start));
    sv2_mining_server_disconnect(NULL, 1);
    CHECK(sv2_mining_server_output(NULL, 1).data == NULL && sv2_mining_server_output(NULL, 1).len == 0);
    RETURNS(SV2_ERROR_NULL, sv2_mining_server_sent(NULL, 1, 0, at_start));
    RETURNS(SV2_ERROR_NULL, sv2_mining_server_close(NULL, 1, at_start));
    RETURNS(SV2_ERROR_NULL, sv2_mining_server_set_payout(NULL, 1, payout, no_text, at_start));
    RETURNS(SV2_ERROR_NULL, sv2_mining_server_remove_work(NULL, 1));
    RETURNS(SV2_ERROR_NULL, sv2_mining_server_new_template(NULL, &new_template, at_start));
    RETURNS(SV2_ERROR_NULL, sv2_mining_server_set_new_prev_hash(NULL, &tip, at_start));
    RETURNS(SV2_ERROR_NULL, sv2_mining_server_set_upstream(NULL, 1, no_bytes, 8, 4, at_start));
    RETURNS(SV2_ERROR_NULL, sv2_mining_server_set_upstream_prefix(NULL, 1, no_bytes, at_start));
    RETURNS(SV2_ERROR_NULL, sv2_mining_server_set_hardest_target(NULL, 1, &target, at_start));
    RETURNS(SV2_ERROR_NULL, sv2_mining_server_new_upstream_job(NULL, 1, &job, at_start));
    RETURNS(SV2_ERROR_NULL, sv2_mining_server_set_upstream_prev_hash(NULL, 1, &upstream_tip, at_start));
    RETURNS(SV2_ERROR_NULL, sv2_mining_server_accept_channel(NULL, 1, 1, 1, NULL, at_start, &id));
    RETURNS(SV2_ERROR_NULL, sv2_mining_server_refuse_channel(NULL, 1, 1, no_text, at_start));
    RETURNS(SV2_ERROR_NULL, sv2_mining_server_set_target(NULL, 1, 1, &target, at_start));
    RETURNS(SV2_ERROR_NULL, sv2_mining_server_renew_extranonce_prefix(NULL, 1, 1, at_start));
    RETURNS(SV2_ERROR_NULL, sv2_mining_server_close_channel(NULL, 1, 1, no_text, at_start));
    RETURNS(SV2_ERROR_NULL, sv2_mining_server_accept_custom_job(NULL, 1, 1, at_start, &id));
    RETURNS(SV2_ERROR_NULL, sv2_mining_server_refuse_custom_job(NULL, 1, 1, no_text, at_start));
    RETURNS(SV2_ERROR_NULL, sv2_mining_server_reconnect(NULL, no_text, 0, at_start));
    RETURNS(SV2_ERROR_NULL, sv2_mining_server_send_extension_message(NULL, 1, 9, 9, no_bytes));
    RETURNS(SV2_ERROR_NULL, sv2_mining_server_tick(NULL, at_start));
    CHECK(sv2_mining_server_next_deadline(NULL) == UINT64_MAX);
    RETURNS(SV2_ERROR_NULL, sv2_mining_server_next_event(NULL, &event));
    RETURNS(SV2_ERROR_NULL, sv2_mining_server_next_block(NULL, &block));
    CHECK(sv2_mining_server_clients(NULL) == 0 && sv2_mining_server_channels(NULL) == 0);
    CHECK(strcmp(sv2_mining_server_error(NULL), "") == 0);

    options.plaintext = 1;
    options.shares_per_minute = -1;
    LEAVES_ALONE(server, SV2_ERROR_ARGUMENT, sv2_mining_server_new(&options, &server)); /* no target is for that */
    options.shares_per_minute = 0;
    options.min_hash_rate = (double)INFINITY;
    LEAVES_ALONE(server, SV2_ERROR_ARGUMENT, sv2_mining_server_new(&options, &server));
    options.min_hash_rate = 0;
    RETURNS(SV2_OK, sv2_mining_server_new(&options, &server));
    RETURNS(SV2_ERROR_NULL, sv2_mining_server_set_identity(server, NULL));
    RETURNS(SV2_ERROR_NULL, sv2_mining_server_set_payout(server, 1, NULL, no_text, at_start));
    RETURNS(SV2_ERROR_ARGUMENT, sv2_mining_server_set_payout(server, 1, payout, no_utf8, at_start));
    RETURNS(SV2_OK, sv2_mining_server_set_payout(server, 1, payout, no_text, at_start));
    RETURNS(SV2_OK, sv2_mining_server_remove_work(server, 1));
    RETURNS(SV2_NOT_FOUND, sv2_mining_server_remove_work(server, 1));
    RETURNS(SV2_ERROR_NULL, sv2_mining_server_new_template(server, NULL, at_start));
    RETURNS(SV2_ERROR_STATE, sv2_mining_server_new_template(server, &new_template, at_start)); /* there is no tip */
    RETURNS(SV2_ERROR_NULL, sv2_mining_server_set_new_prev_hash(server, NULL, at_start));
    RETURNS(SV2_ERROR_ARGUMENT, sv2_mining_server_set_new_prev_hash(server, &tip, at_start)); /* nBits of 0 */
    RETURNS(SV2_ERROR_ARGUMENT, sv2_mining_server_set_upstream(server, 1, no_bytes, 4, 8, at_start)); /* 8 of 4 bytes */
    RETURNS(SV2_NOT_FOUND, sv2_mining_server_set_upstream_prefix(server, 1, no_bytes, at_start));
    RETURNS(SV2_ERROR_NULL, sv2_mining_server_set_hardest_target(server, 1, NULL, at_start));
    RETURNS(SV2_NOT_FOUND, sv2_mining_server_set_hardest_target(server, 1, &target, at_start));
    RETURNS(SV2_ERROR_NULL, sv2_mining_server_new_upstream_job(server, 1, NULL, at_start));
    RETURNS(SV2_NOT_FOUND, sv2_mining_server_new_upstream_job(server, 1, &job, at_start));
    RETURNS(SV2_ERROR_NULL, sv2_mining_server_set_upstream_prev_hash(server, 1, NULL, at_start));
    RETURNS(SV2_NOT_FOUND, sv2_mining_server_set_upstream_prev_hash(server, 1, &upstream_tip, at_start));
    LEAVES_ALONE(id, SV2_NOT_FOUND, sv2_mining_server_accept_channel(server, 1, 1, 1, NULL, at_start, &id));
    RETURNS(SV2_ERROR_ARGUMENT, sv2_mining_server_refuse_channel(server, 1, 1, no_utf8, at_start));
    RETURNS(SV2_ERROR_NULL, sv2_mining_server_set_target(server, 1, 1, NULL, at_start));
    RETURNS(SV2_NOT_FOUND, sv2_mining_server_set_target(server, 1, 1, &target, at_start));
    RETURNS(SV2_NOT_FOUND, sv2_mining_server_renew_extranonce_prefix(server, 1, 1, at_start));
    RETURNS(SV2_NOT_FOUND, sv2_mining_server_close_channel(server, 1, 1, no_text, at_start));
    LEAVES_ALONE(id, SV2_NOT_FOUND, sv2_mining_server_accept_custom_job(server, 1, 1, at_start, &id));
    RETURNS(SV2_NOT_FOUND, sv2_mining_server_refuse_custom_job(server, 1, 1, no_text, at_start));
    RETURNS(SV2_NOT_FOUND, sv2_mining_server_send_extension_message(server, 1, 9, 9, no_bytes));
    RETURNS(SV2_ERROR_NULL, sv2_mining_server_next_event(server, NULL));
    LEAVES_ALONE(event, SV2_NO_EVENT, sv2_mining_server_next_event(server, &event));
    RETURNS(SV2_ERROR_NULL, sv2_mining_server_next_block(server, NULL));
    LEAVES_ALONE(block, SV2_NO_EVENT, sv2_mining_server_next_block(server, &block));
    RETURNS(SV2_NOT_FOUND, sv2_mining_server_receive(server, 1, NULL, 0, at_start));
    RETURNS(SV2_NOT_FOUND, sv2_mining_server_close(server, 1, at_start));
    RETURNS(SV2_OK, sv2_mining_server_connect(server, 1, NULL, at_start));
    RETURNS(SV2_OK, sv2_mining_server_receive(server, 1, NULL, 0, at_start));
    CHECK(sv2_mining_server_output(server, 1).len == 0 && sv2_mining_server_clients(server) == 1);
    RETURNS(SV2_OK, sv2_mining_server_reconnect(server, no_text, 0, at_start));
    sv2_mining_server_free(server);
    sv2_payout_free(payout);
}

static void functions_of_server_channels(void) {
    sv2_server_channel_options options = SV2_SERVER_CHANNEL_OPTIONS_INIT;
    sv2_server_channel* channel;
    sv2_server_channel_info info;
    sv2_submission submission;
    sv2_submission_verdict verdict;
    sv2_submit_shares_success message;
    sv2_share_totals totals;
    sv2_mining_tip tip;
    sv2_extended_job* job;
    sv2_u256 hash = SV2_U256_INIT;
    uint32_t id;
    size_t count;
    memset(&submission, 0, sizeof submission);
    RETURNS(SV2_OK, sv2_mining_tip_init(&hash, 0x207fffff, 0, NULL, 0, &tip));

    RETURNS(SV2_ERROR_NULL, sv2_server_channel_new(NULL, &channel));
    RETURNS(SV2_ERROR_NULL, sv2_server_channel_new(&options, NULL));
    LEAVES_ALONE(channel, SV2_ERROR_ARGUMENT, sv2_server_channel_new(&options, &channel)); /* of no kind */
    options.kind = SV2_CHANNEL_STANDARD;
    RETURNS(SV2_OK, sv2_server_channel_new(&options, &channel));

    RETURNS(SV2_ERROR_NULL, sv2_server_channel_get_info(NULL, &info));
    RETURNS(SV2_ERROR_NULL, sv2_server_channel_get_info(channel, NULL));
    RETURNS(SV2_ERROR_NULL, sv2_server_channel_tip(NULL, &tip));
    RETURNS(SV2_ERROR_NULL, sv2_server_channel_tip(channel, NULL));
    RETURNS(SV2_ERROR_NULL, sv2_server_channel_update(NULL, 1, &hash));
    RETURNS(SV2_ERROR_NULL, sv2_server_channel_update(channel, 1, NULL));
    RETURNS(SV2_ERROR_NULL, sv2_server_channel_set_target(NULL, &hash, NULL));
    RETURNS(SV2_ERROR_NULL, sv2_server_channel_set_target(channel, NULL, NULL));
    RETURNS(SV2_OK, sv2_server_channel_set_target(channel, &hash, NULL));
    RETURNS(SV2_ERROR_NULL, sv2_server_channel_set_extranonce_prefix(NULL, no_bytes));
    RETURNS(SV2_OK, sv2_server_channel_set_extranonce_prefix(channel, no_bytes));
    RETURNS(SV2_ERROR_NULL, sv2_server_channel_add_future_job(channel, 1, NULL, NULL));
    RETURNS(SV2_ERROR_NULL, sv2_server_channel_add_future_job(NULL, 1, NULL, &hash));
    RETURNS(SV2_ERROR_NULL, sv2_server_channel_remove_future_job(NULL, 1));
    RETURNS(SV2_ERROR_NULL, sv2_server_channel_add_job(channel, 1, NULL, 0, NULL));
    RETURNS(SV2_ERROR_NULL, sv2_server_channel_add_job(NULL, 1, NULL, 0, &hash));
    RETURNS(SV2_ERROR_NULL, sv2_server_channel_add_custom_job(channel, 1, NULL, 0, &id));
    RETURNS(SV2_ERROR_NULL, sv2_server_channel_add_custom_job(NULL, 1, NULL, 0, NULL));
    RETURNS(SV2_ERROR_NULL, sv2_server_channel_activate(NULL, 1, &tip));
    RETURNS(SV2_ERROR_NULL, sv2_server_channel_activate(channel, 1, NULL));
    RETURNS(SV2_ERROR_NULL, sv2_server_channel_set_tip(NULL, &tip));
    RETURNS(SV2_ERROR_NULL, sv2_server_channel_set_tip(channel, NULL));
    RETURNS(SV2_ERROR_NULL, sv2_server_channel_live_jobs(NULL, &id, 1, &count));
    RETURNS(SV2_ERROR_NULL, sv2_server_channel_live_jobs(channel, &id, 1, NULL));
    RETURNS(SV2_OK, sv2_server_channel_live_jobs(channel, NULL, 0, &count));
    RETURNS(SV2_ERROR_NULL, sv2_server_channel_future_jobs(NULL, &id, 1, &count));
    RETURNS(SV2_ERROR_NULL, sv2_server_channel_future_jobs(channel, &id, 1, NULL));
    RETURNS(SV2_OK, sv2_server_channel_future_jobs(channel, NULL, 0, &count));
    RETURNS(SV2_ERROR_NULL, sv2_server_channel_job(NULL, 1, &job));
    RETURNS(SV2_ERROR_NULL, sv2_server_channel_job(channel, 1, NULL));
    LEAVES_ALONE(job, SV2_NOT_FOUND, sv2_server_channel_job(channel, 1, &job));
    RETURNS(SV2_ERROR_NULL, sv2_server_channel_submit(NULL, &submission, at_start, &verdict));
    RETURNS(SV2_ERROR_NULL, sv2_server_channel_submit(channel, NULL, at_start, &verdict));
    RETURNS(SV2_ERROR_NULL, sv2_server_channel_submit(channel, &submission, at_start, NULL));
    RETURNS(SV2_OK, sv2_server_channel_submit(channel, &submission, at_start, &verdict));
    CHECK(verdict.error == SV2_SHARE_INVALID_JOB_ID);
    RETURNS(SV2_ERROR_NULL, sv2_server_channel_late_block(NULL, &submission, at_start, &verdict));
    RETURNS(SV2_ERROR_NULL, sv2_server_channel_late_block(channel, NULL, at_start, &verdict));
    RETURNS(SV2_ERROR_NULL, sv2_server_channel_late_block(channel, &submission, at_start, NULL));
    RETURNS(SV2_ERROR_NULL, sv2_server_channel_due(NULL, at_start, &message));
    RETURNS(SV2_ERROR_NULL, sv2_server_channel_due(channel, at_start, NULL));
    RETURNS(SV2_ERROR_NULL, sv2_server_channel_flush(NULL, &message));
    RETURNS(SV2_ERROR_NULL, sv2_server_channel_flush(channel, NULL));
    CHECK(sv2_server_channel_deadline(NULL) == UINT64_MAX);
    RETURNS(SV2_ERROR_NULL, sv2_server_channel_get_totals(NULL, &totals));
    RETURNS(SV2_ERROR_NULL, sv2_server_channel_get_totals(channel, NULL));
    sv2_server_channel_free(channel);
}

static void functions_of_group_channels(void) {
    RETURNS(SV2_ERROR_NULL, sv2_group_channel_new(1, 20, NULL));
    CHECK(sv2_group_channel_id(NULL) == 0 && sv2_group_channel_full_extranonce_len(NULL) == 0);
    RETURNS(SV2_ERROR_NULL, sv2_group_channel_set_full_extranonce_len(NULL, 20));
    RETURNS(SV2_ERROR_NULL, sv2_group_channel_add(NULL, 2, 20));
    RETURNS(SV2_ERROR_NULL, sv2_group_channel_remove(NULL, 2));
    CHECK(sv2_group_channel_members(NULL).items == NULL && sv2_group_channel_members(NULL).count == 0);
}

int main(void) {
    RUN(freeing_nothing_is_allowed);
    RUN(functions_of_frames_and_messages);
    RUN(functions_of_keys);
    RUN(functions_of_connections);
    RUN(functions_of_hashes_and_headers);
    RUN(functions_of_transactions_and_blocks);
    RUN(functions_of_jobs_and_shares);
    RUN(functions_of_the_numbers_of_mining);
    RUN(functions_of_template_providers);
    RUN(functions_of_mining_clients);
    RUN(functions_of_template_clients);
    RUN(functions_of_mining_proxies);
    RUN(functions_of_mining_servers);
    RUN(functions_of_server_channels);
    RUN(functions_of_group_channels);
#ifdef SV2_WITH_NODE_IPC
    RUN(functions_of_the_node);
#endif
    return 0;
}
