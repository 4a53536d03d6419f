/* Frames, messages and TLVs, without a connection. */

#include <float.h>
#include <math.h>

#include "check.h"

/* SetupConnection.Success: used_version 2, flags 5. */
static const uint8_t setup_success[] = {0, 0, 0x01, 6, 0, 0, 2, 0, 5, 0, 0, 0};

/* Decodes the only frame in `bytes`. */
static void decode(sv2_decoder* decoder, const uint8_t* bytes, size_t len, sv2_message* message) {
    sv2_frame frame;
    RETURNS(SV2_OK, sv2_frame_split(bytes_of(bytes, len), &frame));
    CHECK(frame.len == len);
    RETURNS(SV2_OK, sv2_decoder_decode(decoder, &frame, message));
}

static sv2_decoder* new_decoder(void) {
    sv2_decoder* decoder;
    RETURNS(SV2_OK, sv2_decoder_new(&decoder));
    return decoder;
}

static void a_frame_is_found_once_all_its_bytes_are_there(void) {
    uint8_t stream[2 * sizeof setup_success];
    sv2_frame frame;
    size_t len;
    memcpy(stream, setup_success, sizeof setup_success);
    memcpy(stream + sizeof setup_success, setup_success, sizeof setup_success);
    for (len = 0; len < sizeof setup_success; len++) {
        LEAVES_ALONE(frame, SV2_NEED_INPUT, sv2_frame_split(bytes_of(stream, len), &frame));
    }
    for (; len <= sizeof stream; len++) {
        RETURNS(SV2_OK, sv2_frame_split(bytes_of(stream, len), &frame));
        CHECK(frame.len == sizeof setup_success && frame.extension_type == 0 && frame.message_type == 1);
        CHECK(frame.reserved == 0 && frame.payload.data == stream + 6 && frame.payload.len == 6);
    }
}

static void fields_are_decoded_and_encoded_to_the_same_bytes(void) {
    sv2_decoder* decoder = new_decoder();
    sv2_message message, again;
    uint8_t out[sizeof setup_success];
    size_t len;

    decode(decoder, setup_success, sizeof setup_success, &message);
    CHECK(message.type == SV2_MESSAGE_SETUP_CONNECTION_SUCCESS && message.extension_type == 0);
    CHECK(message.reserved == 0 && message.trailing.len == 0);
    CHECK(message.payload.data == setup_success + 6 && message.payload.len == 6);
    CHECK(message.as.setup_connection_success.used_version == 2 && message.as.setup_connection_success.flags == 5);

    again = message_of_type(SV2_MESSAGE_SETUP_CONNECTION_SUCCESS);
    again.as.setup_connection_success = message.as.setup_connection_success;
    RETURNS(SV2_OK, sv2_message_encode(&again, out, sizeof out, &len));
    CHECK(len == sizeof out && memcmp(out, setup_success, len) == 0);
    sv2_decoder_free(decoder);
}

static void encoding_says_how_much_room_it_needs(void) {
    sv2_message message = message_of_type(SV2_MESSAGE_SETUP_CONNECTION_SUCCESS);
    uint8_t out[sizeof setup_success + 4];
    size_t capacity, len;
    for (capacity = 0; capacity < sizeof setup_success; capacity++) {
        mark(out, sizeof out);
        len = 0;
        RETURNS(SV2_BUFFER_TOO_SMALL, sv2_message_encode(&message, out, capacity, &len));
        CHECK(len == sizeof setup_success && is_marked(out + capacity, sizeof out - capacity));
    }
    mark(out, sizeof out);
    RETURNS(SV2_OK, sv2_message_encode(&message, out, sizeof out, &len));
    CHECK(len == sizeof setup_success && is_marked(out + len, sizeof out - len));
}

static void a_malformed_message_is_refused_by_name_field_and_offset(void) {
    sv2_decoder* decoder = new_decoder();
    sv2_message message;
    sv2_frame frame;
    RETURNS(SV2_OK, sv2_frame_split(bytes_of(setup_success, sizeof setup_success), &frame));
    frame.payload.len = 5;
    LEAVES_ALONE(message, SV2_ERROR_MALFORMED, sv2_decoder_decode(decoder, &frame, &message));
    CHECK(strstr(sv2_decoder_error(decoder), "SetupConnection.Success") != NULL);
    CHECK(strstr(sv2_decoder_error(decoder), "flags") != NULL);
    CHECK(strstr(sv2_decoder_error(decoder), "2") != NULL); /* where flags begin */

    frame.payload.len = 6; /* the decoder works on */
    RETURNS(SV2_OK, sv2_decoder_decode(decoder, &frame, &message));
    sv2_decoder_free(decoder);
}

static void a_payload_longer_than_any_frame_is_the_callers_mistake(void) {
    size_t len = (1u << 24);
    uint8_t* payload = calloc(len, 1);
    sv2_decoder* decoder = new_decoder();
    sv2_message message;
    sv2_frame frame;
    CHECK(payload != NULL);
    memset(&frame, 0, sizeof frame);
    frame.message_type = SV2_MESSAGE_SETUP_CONNECTION_SUCCESS;
    frame.payload = bytes_of(payload, len);
    LEAVES_ALONE(message, SV2_ERROR_ARGUMENT, sv2_decoder_decode(decoder, &frame, &message));
    frame.payload.len = len - 1;
    RETURNS(SV2_OK, sv2_decoder_decode(decoder, &frame, &message));
    CHECK(message.trailing.len == len - 1 - 6);
    sv2_decoder_free(decoder);
    free(payload);
}

static void a_value_that_does_not_fit_its_type_is_not_encoded(void) {
    char long_text[256];
    uint8_t out[1024];
    sv2_u256 hashes[256];
    size_t len;
    sv2_message message = message_of_type(SV2_MESSAGE_SETUP_CONNECTION);
    memset(long_text, 'x', sizeof long_text);
    memset(hashes, 0, sizeof hashes);

    message.as.setup_connection.vendor.data = long_text;
    message.as.setup_connection.vendor.len = 256;
    LEAVES_ALONE(len, SV2_ERROR_ENCODE, sv2_message_encode(&message, out, sizeof out, &len));
    LEAVES_ALONE(len, SV2_ERROR_ENCODE, sv2_message_text(&message, (char*)out, sizeof out, &len));
    message.as.setup_connection.vendor.len = 255;
    RETURNS(SV2_OK, sv2_message_encode(&message, out, sizeof out, &len));

    message = message_of_type(SV2_MESSAGE_SET_EXTRANONCE_PREFIX);
    message.as.set_extranonce_prefix.extranonce_prefix = bytes_of(long_text, 33);
    RETURNS(SV2_ERROR_ENCODE, sv2_message_encode(&message, out, sizeof out, &len));

    message = message_of_type(SV2_MESSAGE_NEW_TEMPLATE);
    message.as.new_template.merkle_path.items = hashes;
    message.as.new_template.merkle_path.count = 256;
    RETURNS(SV2_ERROR_ENCODE, sv2_message_encode(&message, out, sizeof out, &len));
}

static void a_rate_is_a_number_that_is_not_negative(void) {
    static const float wrong[] = {-1.0f, -FLT_MIN, NAN, INFINITY, -INFINITY};
    sv2_message message = message_of_type(SV2_MESSAGE_OPEN_STANDARD_MINING_CHANNEL);
    uint8_t out[128];
    size_t i, len;
    for (i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        message.as.open_standard_mining_channel.nominal_hash_rate = wrong[i];
        RETURNS(SV2_ERROR_ENCODE, sv2_message_encode(&message, out, sizeof out, &len));
    }
    message.as.open_standard_mining_channel.nominal_hash_rate = FLT_MAX;
    RETURNS(SV2_OK, sv2_message_encode(&message, out, sizeof out, &len));
}

static void lists_of_u16_are_arrays_on_both_sides(void) {
    static const uint16_t requested[] = {2, 0x1234, 0xffff}, required[] = {7};
    sv2_decoder* decoder = new_decoder();
    sv2_message message = message_of_type(SV2_MESSAGE_REQUEST_EXTENSIONS_ERROR);
    const sv2_request_extensions_error* decoded = &message.as.request_extensions_error;
    uint8_t out[64];
    size_t len;
    message.as.request_extensions_error.request_id = 9;
    message.as.request_extensions_error.unsupported_extensions.items = requested;
    message.as.request_extensions_error.unsupported_extensions.count = 3;
    message.as.request_extensions_error.required_extensions.items = required;
    message.as.request_extensions_error.required_extensions.count = 1;
    RETURNS(SV2_OK, sv2_message_encode(&message, out, sizeof out, &len));
    CHECK(len == 6 + 2 + 2 + 6 + 2 + 2);
    decode(decoder, out, len, &message);
    CHECK(message.type == SV2_MESSAGE_REQUEST_EXTENSIONS_ERROR && message.extension_type == 1 &&
          decoded->request_id == 9);
    CHECK(decoded->unsupported_extensions.count == 3 && decoded->required_extensions.count == 1);
    CHECK(memcmp(decoded->unsupported_extensions.items, requested, sizeof requested) == 0);
    CHECK(memcmp(decoded->required_extensions.items, required, sizeof required) == 0);
    sv2_decoder_free(decoder);
}

static void lists_of_u32_are_arrays_on_both_sides(void) {
    static const uint32_t channels[] = {1, 0xdeadbeef, 0};
    sv2_decoder* decoder = new_decoder();
    sv2_message message = message_of_type(SV2_MESSAGE_SET_GROUP_CHANNEL);
    const sv2_set_group_channel* decoded = &message.as.set_group_channel;
    uint8_t out[64];
    size_t len;
    message.as.set_group_channel.group_channel_id = 77;
    message.as.set_group_channel.channel_ids.items = channels;
    message.as.set_group_channel.channel_ids.count = 3;
    RETURNS(SV2_OK, sv2_message_encode(&message, out, sizeof out, &len));
    decode(decoder, out, len, &message);
    CHECK(decoded->group_channel_id == 77 && decoded->channel_ids.count == 3);
    CHECK(memcmp(decoded->channel_ids.items, channels, sizeof channels) == 0);
    sv2_decoder_free(decoder);
}

static void lists_of_u256_point_into_the_payload(void) {
    sv2_decoder* decoder = new_decoder();
    sv2_message message = message_of_type(SV2_MESSAGE_NEW_TEMPLATE);
    const sv2_new_template* decoded = &message.as.new_template;
    sv2_u256 path[2];
    uint8_t out[256];
    size_t len;
    memset(&path[0], 0x0a, sizeof path[0]);
    memset(&path[1], 0x0b, sizeof path[1]);
    message.as.new_template.template_id = UINT64_MAX;
    message.as.new_template.merkle_path.items = path;
    message.as.new_template.merkle_path.count = 2;
    RETURNS(SV2_OK, sv2_message_encode(&message, out, sizeof out, &len));
    decode(decoder, out, len, &message);
    CHECK(decoded->template_id == UINT64_MAX && decoded->merkle_path.count == 2);
    CHECK((const uint8_t*)decoded->merkle_path.items == out + len - sizeof path);
    CHECK(memcmp(decoded->merkle_path.items, path, sizeof path) == 0);
    sv2_decoder_free(decoder);
}

static void lists_of_transactions_point_into_the_payload(void) {
    sv2_decoder* decoder = new_decoder();
    sv2_message message = message_of_type(SV2_MESSAGE_REQUEST_TRANSACTION_DATA_SUCCESS);
    const sv2_request_transaction_data_success* decoded = &message.as.request_transaction_data_success;
    sv2_bytes transactions[3];
    uint8_t out[64];
    size_t len;
    transactions[0] = bytes_of("first", 5);
    transactions[1] = no_bytes;
    transactions[2] = bytes_of("third", 5);
    message.as.request_transaction_data_success.excess_data = bytes_of("excess", 6);
    message.as.request_transaction_data_success.transaction_list.items = transactions;
    message.as.request_transaction_data_success.transaction_list.count = 3;
    RETURNS(SV2_OK, sv2_message_encode(&message, out, sizeof out, &len));
    decode(decoder, out, len, &message);
    CHECK(are_bytes(decoded->excess_data, "excess", 6) && decoded->transaction_list.count == 3);
    CHECK(are_bytes(decoded->transaction_list.items[0], "first", 5));
    CHECK(decoded->transaction_list.items[1].len == 0);
    CHECK(are_bytes(decoded->transaction_list.items[2], "third", 5));
    CHECK(decoded->transaction_list.items[2].data == out + len - 5);
    sv2_decoder_free(decoder);
}

static void empty_lists_and_strings_are_nothing(void) {
    sv2_decoder* decoder = new_decoder();
    sv2_message message = message_of_type(SV2_MESSAGE_DECLARE_MINING_JOB);
    uint8_t out[64];
    size_t len;
    /* A NULL with a length is empty, too. */
    message.as.declare_mining_job.coinbase_tx_prefix.len = 1000;
    RETURNS(SV2_OK, sv2_message_encode(&message, out, sizeof out, &len));
    decode(decoder, out, len, &message);
    CHECK(message.as.declare_mining_job.coinbase_tx_prefix.len == 0);
    CHECK(message.as.declare_mining_job.wtxid_list.count == 0);
    sv2_decoder_free(decoder);
}

static void an_optional_value_is_there_or_not(void) {
    sv2_decoder* decoder = new_decoder();
    sv2_message message = message_of_type(SV2_MESSAGE_NEW_MINING_JOB);
    uint8_t out[128];
    size_t absent, present;
    message.as.new_mining_job.min_ntime.value = 5; /* it does not count */
    RETURNS(SV2_OK, sv2_message_encode(&message, out, sizeof out, &absent));
    decode(decoder, out, absent, &message);
    CHECK(message.as.new_mining_job.min_ntime.present == 0 && message.as.new_mining_job.min_ntime.value == 0);
    message.as.new_mining_job.min_ntime.present = 255;
    message.as.new_mining_job.min_ntime.value = 7;
    RETURNS(SV2_OK, sv2_message_encode(&message, out, sizeof out, &present));
    CHECK(present == absent + 4);
    decode(decoder, out, present, &message);
    CHECK(message.as.new_mining_job.min_ntime.present == 1 && message.as.new_mining_job.min_ntime.value == 7);
    sv2_decoder_free(decoder);
}

static void an_unknown_message_passes_through_with_its_channel_msg_bit(void) {
    static const uint8_t unknown[] = {0x77, 0x87, 0x33, 2, 0, 0, 0xca, 0xfe};
    static const uint8_t unknown_type[] = {0, 0, 0xff, 1, 0, 0, 0x2a};
    sv2_decoder* decoder = new_decoder();
    sv2_message message;
    uint8_t out[sizeof unknown];
    char text[64];
    size_t len;

    decode(decoder, unknown, sizeof unknown, &message);
    CHECK(message.type == 0x077733 && message.extension_type == 0x8777);
    CHECK(are_bytes(message.payload, "\xca\xfe", 2) && message.trailing.len == 0);
    RETURNS(SV2_OK, sv2_message_encode(&message, out, sizeof out, &len)); /* to be forwarded, just as it is */
    CHECK(len == sizeof unknown && memcmp(out, unknown, len) == 0);
    RETURNS(SV2_NOT_FOUND, sv2_message_name(message.type, text, sizeof text, &len));
    RETURNS(SV2_OK, sv2_message_text(&message, text, sizeof text, &len));
    CHECK(strstr(text, "cafe") != NULL);

    decode(decoder, unknown_type, sizeof unknown_type, &message); /* of a known extension */
    CHECK(message.type == 0xff && message.extension_type == 0);
    RETURNS(SV2_OK, sv2_message_encode(&message, out, sizeof out, &len));
    CHECK(len == sizeof unknown_type && memcmp(out, unknown_type, len) == 0);
    sv2_decoder_free(decoder);
}

static void the_channel_msg_bit_of_known_messages_is_set_by_itself(void) {
    sv2_message message = message_of_type(SV2_MESSAGE_SUBMIT_SHARES_STANDARD);
    uint8_t out[64];
    size_t len;
    RETURNS(SV2_OK, sv2_message_encode(&message, out, sizeof out, &len));
    CHECK(out[0] == 0x00 && out[1] == 0x80 && out[2] == SV2_MESSAGE_SUBMIT_SHARES_STANDARD);
    message = message_of_type(SV2_MESSAGE_REQUEST_EXTENSIONS);
    message.extension_type = 0x8000; /* wrong, and it does not count */
    RETURNS(SV2_OK, sv2_message_encode(&message, out, sizeof out, &len));
    CHECK(out[0] == 0x01 && out[1] == 0x00 && out[2] == 0x00);
}

static void a_tlv_survives_a_round_trip_in_both_byte_orders(void) {
    static const uint16_t negotiated[] = {SV2_EXTENSION_WORKER_SPECIFIC_HASHRATE_TRACKING};
    static const uint8_t little[] = {0x02, 0x00, 0x01, 0x05, 0x00, 'r', 'i', 'g', '-', '1'};
    static const uint8_t big[] = {0x00, 0x02, 0x01, 0x00, 0x05, 'r', 'i', 'g', '-', '1'};
    sv2_decoder* decoder = new_decoder();
    const sv2_tlv_kind kind = sv2_tlv_user_identity();
    sv2_bytes value;
    int order;
    CHECK(kind.extension_type == 2 && kind.field_type == SV2_TLV_USER_IDENTITY);
    CHECK(kind.max_len == SV2_TLV_USER_IDENTITY_MAX_LEN && kind.reserved == 0);
    for (order = 0; order < 2; order++) {
        sv2_message message = message_of_type(SV2_MESSAGE_SUBMIT_SHARES_EXTENDED);
        uint8_t tlv[sizeof little], out[64];
        size_t len = 0;
        RETURNS(SV2_BUFFER_TOO_SMALL,
                sv2_tlv_write(kind, bytes_of("rig-1", 5), (uint8_t)order, tlv, sizeof tlv - 1, &len));
        CHECK(len == sizeof tlv);
        RETURNS(SV2_OK, sv2_tlv_write(kind, bytes_of("rig-1", 5), (uint8_t)order, tlv, sizeof tlv, &len));
        CHECK(len == sizeof tlv && memcmp(tlv, order == 0 ? little : big, sizeof tlv) == 0);

        message.as.submit_shares_extended.extranonce = bytes_of("ab", 2);
        message.trailing = bytes_of(tlv, len);
        RETURNS(SV2_OK, sv2_message_encode(&message, out, sizeof out, &len));
        decode(decoder, out, len, &message);
        CHECK(are_bytes(message.as.submit_shares_extended.extranonce, "ab", 2));
        CHECK(are_bytes(message.trailing, tlv, sizeof tlv));
        RETURNS(SV2_OK, sv2_tlv_find(message.trailing, negotiated, 1, kind, &value));
        CHECK(are_bytes(value, "rig-1", 5) && value.data == out + len - 5);
    }
    sv2_decoder_free(decoder);
}

static void a_tlv_that_is_not_there_or_not_negotiated_is_not_found(void) {
    static const uint8_t tlv[] = {0x02, 0x00, 0x01, 0x01, 0x00, 'x'};
    static const uint16_t negotiated[] = {SV2_EXTENSION_WORKER_SPECIFIC_HASHRATE_TRACKING};
    const sv2_tlv_kind kind = sv2_tlv_user_identity();
    sv2_bytes value;
    LEAVES_ALONE(value, SV2_NOT_FOUND, sv2_tlv_find(bytes_of(tlv, sizeof tlv), NULL, 0, kind, &value));
    LEAVES_ALONE(value, SV2_NOT_FOUND, sv2_tlv_find(bytes_of("garbage", 7), negotiated, 1, kind, &value));
    LEAVES_ALONE(value, SV2_NOT_FOUND, sv2_tlv_find(no_bytes, negotiated, 1, kind, &value));
}

static void a_negotiated_tlv_that_is_too_long_or_cut_off_invalidates_the_message(void) {
    static const uint16_t negotiated[] = {SV2_EXTENSION_WORKER_SPECIFIC_HASHRATE_TRACKING};
    const sv2_tlv_kind kind = sv2_tlv_user_identity();
    uint8_t tlv[5 + 33] = {0x02, 0x00, 0x01, 33, 0x00};
    uint8_t out[64];
    sv2_bytes value;
    size_t len;
    LEAVES_ALONE(value, SV2_ERROR_MALFORMED, sv2_tlv_find(bytes_of(tlv, sizeof tlv), negotiated, 1, kind, &value));
    tlv[3] = 32;
    LEAVES_ALONE(value, SV2_ERROR_MALFORMED, sv2_tlv_find(bytes_of(tlv, sizeof tlv - 2), negotiated, 1, kind, &value));
    RETURNS(SV2_OK, sv2_tlv_find(bytes_of(tlv, sizeof tlv - 1), negotiated, 1, kind, &value));
    LEAVES_ALONE(len, SV2_ERROR_ENCODE, sv2_tlv_write(kind, bytes_of(tlv, 33), 0, out, sizeof out, &len));
    RETURNS(SV2_OK, sv2_tlv_write(kind, bytes_of(tlv, 32), 0, out, sizeof out, &len));
    CHECK(len == 37);
}

static void a_message_has_its_name_and_text(void) {
    static const char expected[] =
        "SetupConnection.Error\n"
        "  flags: 3\n"
        "  error_code: \"no\\n\\\"way\\\"\"";
    sv2_message message = message_of_type(SV2_MESSAGE_SETUP_CONNECTION_ERROR);
    char text[sizeof expected], name[sizeof "SetupConnection.Error"];
    size_t len = 0;
    message.as.setup_connection_error.flags = 3;
    message.as.setup_connection_error.error_code = str_of("no\n\"way\"");

    RETURNS(SV2_OK, sv2_message_name(message.type, name, sizeof name, &len));
    CHECK(strcmp(name, "SetupConnection.Error") == 0 && len == strlen(name));
    mark(name, sizeof name);
    RETURNS(SV2_BUFFER_TOO_SMALL, sv2_message_name(message.type, name, sizeof name - 1, &len));
    CHECK(is_marked(name, sizeof name) && len == sizeof name - 1);

    RETURNS(SV2_BUFFER_TOO_SMALL, sv2_message_text(&message, NULL, 0, &len));
    CHECK(len == strlen(expected));
    RETURNS(SV2_OK, sv2_message_text(&message, text, sizeof text, &len));
    CHECK(strcmp(text, expected) == 0);
}

int main(void) {
    RUN(a_frame_is_found_once_all_its_bytes_are_there);
    RUN(fields_are_decoded_and_encoded_to_the_same_bytes);
    RUN(encoding_says_how_much_room_it_needs);
    RUN(a_malformed_message_is_refused_by_name_field_and_offset);
    RUN(a_payload_longer_than_any_frame_is_the_callers_mistake);
    RUN(a_value_that_does_not_fit_its_type_is_not_encoded);
    RUN(a_rate_is_a_number_that_is_not_negative);
    RUN(lists_of_u16_are_arrays_on_both_sides);
    RUN(lists_of_u32_are_arrays_on_both_sides);
    RUN(lists_of_u256_point_into_the_payload);
    RUN(lists_of_transactions_point_into_the_payload);
    RUN(empty_lists_and_strings_are_nothing);
    RUN(an_optional_value_is_there_or_not);
    RUN(an_unknown_message_passes_through_with_its_channel_msg_bit);
    RUN(the_channel_msg_bit_of_known_messages_is_set_by_itself);
    RUN(a_tlv_survives_a_round_trip_in_both_byte_orders);
    RUN(a_tlv_that_is_not_there_or_not_negotiated_is_not_found);
    RUN(a_negotiated_tlv_that_is_too_long_or_cut_off_invalidates_the_message);
    RUN(a_message_has_its_name_and_text);
    return 0;
}
