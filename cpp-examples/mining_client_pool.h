/* The other side of the lesson mining_client.c: a pool of one miner that takes every share, on a connection in memory. */

/* Sends a message of this type, of which `fields` are set. */
static int pool_says(uint32_t type, sv2_message message) {
    message.type = type;
    return sv2_connection_send(pool, &message) == SV2_OK;
}

static int pool_opens_a_channel(uint32_t request_id) {
    sv2_message success, job, tip;
    memset(&success, 0, sizeof success);
    memset(&job, 0, sizeof job);
    memset(&tip, 0, sizeof tip);
    success.as.open_standard_mining_channel_success.request_id = request_id;
    success.as.open_standard_mining_channel_success.channel_id = 2;
    success.as.open_standard_mining_channel_success.group_channel_id = 1;
    memset(success.as.open_standard_mining_channel_success.target.bytes, 0xff, 30); /* one hash in 65,536 */
    job.as.new_mining_job.channel_id = 2;
    job.as.new_mining_job.job_id = 7;
    job.as.new_mining_job.version = 0x20000000;
    tip.as.set_new_prev_hash.channel_id = 2;
    tip.as.set_new_prev_hash.job_id = 7;
    tip.as.set_new_prev_hash.min_ntime = 1700000000;
    tip.as.set_new_prev_hash.nbits = 0x1d00ffff;
    return pool_says(SV2_MESSAGE_OPEN_STANDARD_MINING_CHANNEL_SUCCESS, success) && pool_says(SV2_MESSAGE_NEW_MINING_JOB, job) &&
           pool_says(SV2_MESSAGE_SET_NEW_PREV_HASH, tip);
}

static int pool_hears(const sv2_message* heard) {
    sv2_message answer;
    memset(&answer, 0, sizeof answer);
    switch (heard->type) {
        case SV2_MESSAGE_SETUP_CONNECTION:
            answer.as.setup_connection_success.used_version = 2;
            return pool_says(SV2_MESSAGE_SETUP_CONNECTION_SUCCESS, answer);
        case SV2_MESSAGE_OPEN_STANDARD_MINING_CHANNEL:
            printf("pool: a channel for \"%.*s\"\n", (int)heard->as.open_standard_mining_channel.user_identity.len,
                   heard->as.open_standard_mining_channel.user_identity.data);
            return pool_opens_a_channel(heard->as.open_standard_mining_channel.request_id);
        case SV2_MESSAGE_SUBMIT_SHARES_STANDARD:
            answer.as.submit_shares_success.channel_id = 2;
            answer.as.submit_shares_success.last_sequence_number = heard->as.submit_shares_standard.sequence_number;
            answer.as.submit_shares_success.new_submits_accepted_count = 1;
            answer.as.submit_shares_success.new_shares_sum = 1;
            return pool_says(SV2_MESSAGE_SUBMIT_SHARES_SUCCESS, answer);
        default:
            return 1;
    }
}

static int pool_turn(void) {
    sv2_room unread;
    sv2_message heard;
    sv2_bytes out;
    size_t n;
    unread.data = to_pool;
    unread.len = to_pool_len;
    to_pool_len = 0;
    while (sv2_connection_next_from(pool, &unread, now(), &heard) == SV2_OK) {
        if (!pool_hears(&heard)) return 0;
    }
    out = sv2_connection_output(pool);
    n = out.len < sizeof to_miner - to_miner_len ? out.len : sizeof to_miner - to_miner_len;
    if (n > 0) memcpy(to_miner + to_miner_len, out.data, n);
    to_miner_len += n;
    return sv2_connection_sent(pool, n) == SV2_OK;
}
