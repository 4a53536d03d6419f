/** The server does not serve the protocol that was asked for. (SetupConnection) */
#define SV2_ERROR_CODE_UNSUPPORTED_PROTOCOL "unsupported-protocol"
/** No common protocol version. (SetupConnection) */
#define SV2_ERROR_CODE_PROTOCOL_VERSION_MISMATCH "protocol-version-mismatch"
/** Some flags are not supported; they are in `flags`. (SetupConnection) */
#define SV2_ERROR_CODE_UNSUPPORTED_FEATURE_FLAGS "unsupported-feature-flags"
/** The server demands DECLARE_TX_DATA. (SetupConnection) */
#define SV2_ERROR_CODE_MISSING_DECLARE_TX_DATA_FLAG "missing-declare-tx-data-flag"
/** The user identity is not known. (OpenMiningChannel) */
#define SV2_ERROR_CODE_UNKNOWN_USER "unknown-user"
/** The user identity cannot be read. (OpenMiningChannel) */
#define SV2_ERROR_CODE_INVALID_USER_IDENTITY "invalid-user-identity"
/** The hash rate makes no sense. (OpenMiningChannel, UpdateChannel) */
#define SV2_ERROR_CODE_INVALID_NOMINAL_HASHRATE "invalid-nominal-hashrate"
/** The server cannot give a target as low as max_target. (OpenMiningChannel, UpdateChannel) */
#define SV2_ERROR_CODE_MAX_TARGET_OUT_OF_RANGE "max-target-out-of-range"
/** The server has not so many bytes of extranonce to give. (OpenMiningChannel) */
#define SV2_ERROR_CODE_MIN_EXTRANONCE_SIZE_TOO_LARGE "min-extranonce-size-too-large"
/** The server does not give this size. (OpenMiningChannel) */
#define SV2_ERROR_CODE_UNSUPPORTED_MIN_EXTRANONCE_SIZE "unsupported-min-extranonce-size"
/** No more channels on this connection. (OpenMiningChannel) */
#define SV2_ERROR_CODE_CHANNEL_CAPACITY_EXHAUSTED "channel-capacity-exhausted"
/** The connection selects its own work. (OpenMiningChannel) */
#define SV2_ERROR_CODE_STANDARD_CHANNELS_NOT_SUPPORTED_FOR_CUSTOM_WORK "standard-channels-not-supported-for-custom-work"
/** The connection requires standard jobs. (OpenMiningChannel) */
#define SV2_ERROR_CODE_EXTENDED_CHANNELS_NOT_SUPPORTED_FOR_STANDARD_JOBS "extended-channels-not-supported-for-standard-jobs"
/** There is no such channel. (UpdateChannel, SubmitShares, SetCustomMiningJob) */
#define SV2_ERROR_CODE_INVALID_CHANNEL_ID "invalid-channel-id"
/** There is no such job. (SubmitShares) */
#define SV2_ERROR_CODE_INVALID_JOB_ID "invalid-job-id"
/** The job belongs to a tip that is gone. (SubmitShares) */
#define SV2_ERROR_CODE_STALE_SHARE "stale-share"
/** The share cannot be valid. (SubmitShares) */
#define SV2_ERROR_CODE_INVALID_SHARE "invalid-share"
/** The extranonce has not the channel's size. (SubmitShares) */
#define SV2_ERROR_CODE_BAD_EXTRANONCE_SIZE "bad-extranonce-size"
/** The version differs from that of a job without version rolling. (SubmitShares) */
#define SV2_ERROR_CODE_VERSION_ROLLING_NOT_ALLOWED "version-rolling-not-allowed"
/** The version differs in bits that must not be rolled. (SubmitShares) */
#define SV2_ERROR_CODE_INVALID_NON_ROLLABLE_VERSION_BIT "invalid-non-rollable-version-bit"
/** The hash is above the target. (SubmitShares) */
#define SV2_ERROR_CODE_DIFFICULTY_TOO_LOW "difficulty-too-low"
/** The share was submitted before. (SubmitShares) */
#define SV2_ERROR_CODE_DUPLICATE_SHARE "duplicate-share"
/** The pool takes no custom jobs. (SetCustomMiningJob) */
#define SV2_ERROR_CODE_JD_NOT_SUPPORTED "jd-not-supported"
/** The token is not known. (SetCustomMiningJob, DeclareMiningJob) */
#define SV2_ERROR_CODE_INVALID_MINING_JOB_TOKEN "invalid-mining-job-token"
/** The declaration is not acknowledged yet. (SetCustomMiningJob) */
#define SV2_ERROR_CODE_JOB_NOT_YET_VALIDATED "job-not-yet-validated"
/** The previous hash is not the pool's. (SetCustomMiningJob) */
#define SV2_ERROR_CODE_STALE_CHAIN_TIP "stale-chain-tip"
/** min_ntime is out of range. (SetCustomMiningJob) */
#define SV2_ERROR_CODE_INVALID_MIN_NTIME "invalid-min-ntime"
/** nBits is not the pool's. (SetCustomMiningJob) */
#define SV2_ERROR_CODE_INVALID_NBITS "invalid-nbits"
/** The version is not that of the declaration. (SetCustomMiningJob) */
#define SV2_ERROR_CODE_INVALID_VERSION "invalid-version"
/** The merkle path is not that of the declaration. (SetCustomMiningJob) */
#define SV2_ERROR_CODE_INVALID_MERKLE_PATH "invalid-merkle-path"
/** A value of the job makes no sense; error_details names it. (DeclareMiningJob) */
#define SV2_ERROR_CODE_INVALID_JOB_PARAM_VALUE "invalid-job-param-value"
/** There is no such template. (RequestTransactionData) */
#define SV2_ERROR_CODE_TEMPLATE_ID_NOT_FOUND "template-id-not-found"
/** The template's tip has been gone for more than ten seconds. (RequestTransactionData) */
#define SV2_ERROR_CODE_STALE_TEMPLATE_ID "stale-template-id"
