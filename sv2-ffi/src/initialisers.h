/*
 * Initialisers of option structs: everything as usual. They name every member, so that no compiler warns.
 */

/** The operating system's randomness. */
#define SV2_RANDOM_INIT {NULL, NULL}
/** The usual limits. */
#define SV2_LIMITS_INIT {0, 0, 0, 0, 0, 0, 0, 0, {0, 0, 0, 0, 0, 0, 0, 0}}
/** For sv2_initiator_options: set authority_key. */
#define SV2_INITIATOR_OPTIONS_INIT \
    {sizeof(sv2_initiator_options), NULL, 0, 0, {0, 0, 0, 0, 0, 0}, SV2_LIMITS_INIT, SV2_RANDOM_INIT}
/** For sv2_responder_options: set identity. */
#define SV2_RESPONDER_OPTIONS_INIT {sizeof(sv2_responder_options), NULL, SV2_LIMITS_INIT, SV2_RANDOM_INIT}
/** For sv2_plain_options: a client. */
#define SV2_PLAIN_OPTIONS_INIT {sizeof(sv2_plain_options), 0, {0, 0, 0, 0, 0, 0, 0}, SV2_LIMITS_INIT}
/** No log. */
#define SV2_LOG_INIT {NULL, NULL}
/** For sv2_template_provider_options: set identity. */
#define SV2_TEMPLATE_PROVIDER_OPTIONS_INIT \
    {sizeof(sv2_template_provider_options), NULL, 0, {0, 0, 0, 0, 0, 0, 0}, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, {0, 0, 0}, \
     0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, \
     SV2_LIMITS_INIT, SV2_RANDOM_INIT, SV2_LOG_INIT}
/** For sv2_template_client_options: set authority_key. */
#define SV2_TEMPLATE_CLIENT_OPTIONS_INIT \
    {sizeof(sv2_template_client_options), NULL, 0, 0, 0, 0, 0, 0, 0, 0, {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}, \
     0, 0, 0, 0, 0, 0, 0, 0, 0, SV2_LIMITS_INIT, SV2_RANDOM_INIT, SV2_LOG_INIT}
/** A U256 of zero. */
#define SV2_U256_INIT {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}}
/** For sv2_new_prev_hash: set all. */
#define SV2_NEW_PREV_HASH_INIT {SV2_U256_INIT, 0, 0, 0, {0, 0, 0, 0, 0, 0, 0}, SV2_U256_INIT}
/** For sv2_template: set all that is known. */
#define SV2_TEMPLATE_INIT \
    {sizeof(sv2_template), 0, 0, 0, 0, SV2_U256_INIT, 0, 0, {0, 0}, SV2_U256_INIT, 0, 0, 0, 0, 0, {NULL, 0}, {NULL, 0}, {NULL, 0}}
/** For sv2_mining_server_options: set identity. */
#define SV2_MINING_SERVER_OPTIONS_INIT \
    {sizeof(sv2_mining_server_options), NULL, 0, 0, 0, 0, 0, 0, 0, 0, 0, {0, 0, 0, 0, 0, 0, 0}, {NULL, 0}, {NULL, 0}, \
     0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, SV2_LIMITS_INIT, SV2_RANDOM_INIT, SV2_LOG_INIT}
/** For sv2_mining_client_options: set authority_key. */
#define SV2_MINING_CLIENT_OPTIONS_INIT \
    {sizeof(sv2_mining_client_options), NULL, 0, 0, 0, 0, 0, 0, 0, 0, 0, {0, 0, 0}, \
     {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, SV2_RANDOM_INIT, SV2_LOG_INIT}
/** For sv2_mining_upstream: set host, port, and authority_key. */
#define SV2_MINING_UPSTREAM_INIT {NULL, 0, 0, 0, 0, {NULL, 0}, {NULL, 0}}
/** For sv2_mining_proxy_options: set upstreams, upstream_count and downstream. */
#define SV2_MINING_PROXY_OPTIONS_INIT \
    {sizeof(sv2_mining_proxy_options), NULL, 0, NULL, 0, 0, 0, 0, 0, {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}, \
     0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, {0, 0, 0}, SV2_LIMITS_INIT, SV2_RANDOM_INIT, SV2_LOG_INIT}
/** For sv2_node_options: set socket_path. */
#define SV2_NODE_OPTIONS_INIT {sizeof(sv2_node_options), {NULL, 0}, 0, 0, 0, SV2_LOG_INIT}
/** For sv2_vardiff_options. */
#define SV2_VARDIFF_OPTIONS_INIT {sizeof(sv2_vardiff_options), 0, 0}
/** For sv2_accounting_options. */
#define SV2_ACCOUNTING_OPTIONS_INIT {sizeof(sv2_accounting_options), 0, 0}
/** For sv2_server_channel_options: set all down to max_target. */
#define SV2_SERVER_CHANNEL_OPTIONS_INIT \
    {sizeof(sv2_server_channel_options), 0, 0, {NULL, 0}, 0, SV2_U256_INIT, SV2_U256_INIT, {NULL, 0}, \
     0, 0, 0, 0, 0, 0, 0, 0, 0, {0, 0, 0, 0, 0, 0, 0}}
