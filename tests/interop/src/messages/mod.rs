//! The messages of both sides, field by field, and the exchange of each in both directions.
//!
//! Each line of [`EXCHANGES`] names our struct, their owned struct and their enum's variant; then the fields in the order
//! of the wire, `ours as theirs` where the names differ.

mod data_types;

use rand::rngs::StdRng;
use stratum_core::codec_sv2::Encoder;
use stratum_core::framing_sv2::framing::{MessageFrame, SerializedFrame};
use stratum_core::framing_sv2::header::Header as TheirHeader;
use stratum_core::parsers_sv2::{
    AnyMessage, AnyMessageOwned, CommonMessagesOwned, ExtensionsNegotiationOwned, ExtensionsOwned, JobDeclarationOwned,
    MiningOwned, ParserError, TemplateDistributionOwned,
};
use sv2_core::frame::{self, Frame, FrameError, HEADER_LEN, Header};
use sv2_core::message::*;
use sv2_core::wire::{DecodeError, EncodeError, Shape};

use crate::cpp::Field;
pub use data_types::Draw;
use data_types::*;

/// What is done with one message.
pub struct Exchange {
    /// The message.
    pub shape: &'static Shape,
    /// Draws a value for each field, has each side encode the message and the other decode it.
    pub run: fn(&mut StdRng, Draw),
    /// Draws a value for each field and returns the frame.
    pub encode: fn(&mut StdRng, Draw) -> Vec<u8>,
    /// Draws a value for each field and has them encode the message.
    pub draw: fn(&mut StdRng, Draw) -> Drawn,
    /// The fields that they decode from a frame of this message.
    pub decode: fn(Vec<u8>) -> Vec<Field>,
}

/// A message of random values.
pub struct Drawn {
    /// The values.
    pub fields: Vec<Field>,
    /// The frame as they encode it.
    pub frame: Vec<u8>,
}

/// Their message as one of all, as an expression or as a pattern.
macro_rules! theirs {
    (Common::$message:ident($value:ident)) => {
        AnyMessageOwned::Common(CommonMessagesOwned::$message($value))
    };
    (Mining::$message:ident($value:ident)) => {
        AnyMessageOwned::Mining(MiningOwned::$message($value))
    };
    (JobDeclaration::$message:ident($value:ident)) => {
        AnyMessageOwned::JobDeclaration(JobDeclarationOwned::$message($value))
    };
    (TemplateDistribution::$message:ident($value:ident)) => {
        AnyMessageOwned::TemplateDistribution(TemplateDistributionOwned::$message($value))
    };
    (ExtensionsNegotiation::$message:ident($value:ident)) => {
        AnyMessageOwned::Extensions(ExtensionsOwned::ExtensionsNegotiation(ExtensionsNegotiationOwned::$message(
            $value,
        )))
    };
}

/// One [`Exchange`]. The fields are first brought into the form (our name, their name, data type).
macro_rules! exchange {
    ($message:tt [$($done:tt)*] $ours:ident as $theirs:ident: $type:ident, $($rest:tt)*) => {
        exchange!($message [$($done)* ($ours $theirs $type)] $($rest)*)
    };
    ($message:tt [$($done:tt)*] $field:ident: $type:ident, $($rest:tt)*) => {
        exchange!($message [$($done)* ($field $field $type)] $($rest)*)
    };
    (
        ($ours:ident = $crate_:ident::$theirs:ident, $group:ident::$variant:ident)
        [$(($field:ident $their_field:ident $type:ident))*]
    ) => {
        Exchange {
            shape: $ours::SHAPE,
            run: |random, draw| {
                $( let $field = $type::draw(random, draw); )*
                let our_frame = {
                    $( let $field = $type::back(&$field); )*
                    our_frame(&$ours { $( $field: $type::ours(&$field), )* })
                };
                let theirs = stratum_core::$crate_::$theirs { $( $their_field: $type::theirs(&$field), )* };
                let their_frame = their_frame(theirs!($group::$variant(theirs)));
                assert!(our_frame == their_frame, "{} is not the same bytes ({draw:?})", stringify!($ours));

                let Message::$ours(decoded) = decoded_by_us(&their_frame) else {
                    panic!("we take {} for something else", stringify!($ours));
                };
                $( assert!(
                    $type::of_ours(decoded.$field) == $field,
                    "we misread {}.{}", stringify!($ours), stringify!($field)
                ); )*

                let theirs!($group::$variant(decoded)) = decoded_by_them(our_frame) else {
                    panic!("they take {} for something else", stringify!($ours));
                };
                $( assert!(
                    $type::of_theirs(&decoded.$their_field) == $field,
                    "they misread {}.{}", stringify!($ours), stringify!($field)
                ); )*
            },
            encode: |random, draw| {
                $( let $field = $type::draw(random, draw); )*
                $( let $field = $type::back(&$field); )*
                our_frame(&$ours { $( $field: $type::ours(&$field), )* })
            },
            draw: |random, draw| {
                $( let $field = $type::draw(random, draw); )*
                let theirs = stratum_core::$crate_::$theirs { $( $their_field: $type::theirs(&$field), )* };
                Drawn {
                    fields: vec![$( shown(stringify!($field), &$field) ),*],
                    frame: their_frame(theirs!($group::$variant(theirs))),
                }
            },
            decode: |frame| {
                let theirs!($group::$variant(decoded)) = decoded_by_them(frame) else {
                    panic!("they take {} for something else", stringify!($ours));
                };
                vec![$( shown(stringify!($field), &$type::of_theirs(&decoded.$their_field)) ),*]
            },
        }
    };
}

macro_rules! exchanges {
    ($(
        $ours:ident = $crate_:ident::$theirs:ident, $group:ident::$variant:ident { $($fields:tt)* }
    )*) => {
        /// Every message, in the order of the specification.
        pub const EXCHANGES: &[Exchange] = &[
            $( exchange!(($ours = $crate_::$theirs, $group::$variant) [] $($fields)*), )*
        ];
    };
}

exchanges! {
    SetupConnection = common_messages_sv2::SetupConnectionOwned, Common::SetupConnection {
        protocol: PROTOCOL,
        min_version: U16,
        max_version: U16,
        flags: U32,
        endpoint_host: STR0_255,
        endpoint_port: U16,
        vendor: STR0_255,
        hardware_version: STR0_255,
        firmware: STR0_255,
        device_id: STR0_255,
    }
    SetupConnectionSuccess = common_messages_sv2::SetupConnectionSuccessOwned, Common::SetupConnectionSuccess {
        used_version: U16,
        flags: U32,
    }
    SetupConnectionError = common_messages_sv2::SetupConnectionErrorOwned, Common::SetupConnectionError {
        flags: U32,
        error_code: STR0_255,
    }
    ChannelEndpointChanged = common_messages_sv2::ChannelEndpointChangedOwned, Common::ChannelEndpointChanged {
        channel_id: U32,
    }
    Reconnect = common_messages_sv2::ReconnectOwned, Common::Reconnect {
        new_host: STR0_255,
        new_port: U16,
    }
    RequestExtensions = extensions_sv2::RequestExtensionsOwned, ExtensionsNegotiation::RequestExtensions {
        request_id: U16,
        requested_extensions: SEQ0_64K_U16,
    }
    RequestExtensionsSuccess =
        extensions_sv2::RequestExtensionsSuccessOwned, ExtensionsNegotiation::RequestExtensionsSuccess {
        request_id: U16,
        supported_extensions: SEQ0_64K_U16,
    }
    RequestExtensionsError =
        extensions_sv2::RequestExtensionsErrorOwned, ExtensionsNegotiation::RequestExtensionsError {
        request_id: U16,
        unsupported_extensions: SEQ0_64K_U16,
        required_extensions: SEQ0_64K_U16,
    }
    OpenStandardMiningChannel = mining_sv2::OpenStandardMiningChannelOwned, Mining::OpenStandardMiningChannel {
        request_id: U32,
        user_identity: STR0_255,
        nominal_hash_rate: F32,
        max_target: U256,
    }
    OpenStandardMiningChannelSuccess =
        mining_sv2::OpenStandardMiningChannelSuccessOwned, Mining::OpenStandardMiningChannelSuccess {
        request_id: U32,
        channel_id: U32,
        target: U256,
        extranonce_prefix: B0_32,
        group_channel_id: U32,
    }
    OpenMiningChannelError = mining_sv2::OpenMiningChannelErrorOwned, Mining::OpenMiningChannelError {
        request_id: U32,
        error_code: STR0_255,
    }
    OpenExtendedMiningChannel = mining_sv2::OpenExtendedMiningChannelOwned, Mining::OpenExtendedMiningChannel {
        request_id: U32,
        user_identity: STR0_255,
        nominal_hash_rate: F32,
        max_target: U256,
        min_extranonce_size: U16,
    }
    OpenExtendedMiningChannelSuccess =
        mining_sv2::OpenExtendedMiningChannelSuccessOwned, Mining::OpenExtendedMiningChannelSuccess {
        request_id: U32,
        channel_id: U32,
        target: U256,
        extranonce_size: U16,
        extranonce_prefix: B0_32,
        group_channel_id: U32,
    }
    NewMiningJob = mining_sv2::NewMiningJobOwned, Mining::NewMiningJob {
        channel_id: U32,
        job_id: U32,
        min_ntime: OPTION_U32,
        version: U32,
        merkle_root: U256,
    }
    UpdateChannel = mining_sv2::UpdateChannelOwned, Mining::UpdateChannel {
        channel_id: U32,
        nominal_hash_rate: F32,
        maximum_target: U256,
    }
    UpdateChannelError = mining_sv2::UpdateChannelErrorOwned, Mining::UpdateChannelError {
        channel_id: U32,
        error_code: STR0_255,
    }
    CloseChannel = mining_sv2::CloseChannelOwned, Mining::CloseChannel {
        channel_id: U32,
        reason_code: STR0_255,
    }
    SetExtranoncePrefix = mining_sv2::SetExtranoncePrefixOwned, Mining::SetExtranoncePrefix {
        channel_id: U32,
        extranonce_prefix: B0_32,
    }
    SubmitSharesStandard = mining_sv2::SubmitSharesStandardOwned, Mining::SubmitSharesStandard {
        channel_id: U32,
        sequence_number: U32,
        job_id: U32,
        nonce: U32,
        ntime: U32,
        version: U32,
    }
    SubmitSharesExtended = mining_sv2::SubmitSharesExtendedOwned, Mining::SubmitSharesExtended {
        channel_id: U32,
        sequence_number: U32,
        job_id: U32,
        nonce: U32,
        ntime: U32,
        version: U32,
        extranonce: B0_32,
    }
    SubmitSharesSuccess = mining_sv2::SubmitSharesSuccessOwned, Mining::SubmitSharesSuccess {
        channel_id: U32,
        last_sequence_number: U32,
        new_submits_accepted_count: U32,
        new_shares_sum: U64,
    }
    SubmitSharesError = mining_sv2::SubmitSharesErrorOwned, Mining::SubmitSharesError {
        channel_id: U32,
        sequence_number: U32,
        error_code: STR0_255,
    }
    NewExtendedMiningJob = mining_sv2::NewExtendedMiningJobOwned, Mining::NewExtendedMiningJob {
        channel_id: U32,
        job_id: U32,
        min_ntime: OPTION_U32,
        version: U32,
        version_rolling_allowed: BOOL,
        merkle_path: SEQ0_255_U256,
        coinbase_tx_prefix: B0_64K,
        coinbase_tx_suffix: B0_64K,
    }
    SetNewPrevHash = mining_sv2::SetNewPrevHashOwned, Mining::SetNewPrevHash {
        channel_id: U32,
        job_id: U32,
        prev_hash: U256,
        min_ntime: U32,
        nbits: U32,
    }
    SetTarget = mining_sv2::SetTargetOwned, Mining::SetTarget {
        channel_id: U32,
        maximum_target: U256,
    }
    SetCustomMiningJob = mining_sv2::SetCustomMiningJobOwned, Mining::SetCustomMiningJob {
        channel_id: U32,
        request_id: U32,
        mining_job_token as token: B0_255,
        version: U32,
        prev_hash: U256,
        min_ntime: U32,
        nbits: U32,
        coinbase_tx_version: U32,
        coinbase_prefix: B0_255,
        coinbase_tx_input_nsequence as coinbase_tx_input_n_sequence: U32,
        coinbase_tx_outputs: B0_64K,
        coinbase_tx_locktime: U32,
        merkle_path: SEQ0_255_U256,
    }
    SetCustomMiningJobSuccess = mining_sv2::SetCustomMiningJobSuccessOwned, Mining::SetCustomMiningJobSuccess {
        channel_id: U32,
        request_id: U32,
        job_id: U32,
    }
    SetCustomMiningJobError = mining_sv2::SetCustomMiningJobErrorOwned, Mining::SetCustomMiningJobError {
        channel_id: U32,
        request_id: U32,
        error_code: STR0_255,
    }
    SetGroupChannel = mining_sv2::SetGroupChannelOwned, Mining::SetGroupChannel {
        group_channel_id: U32,
        channel_ids: SEQ0_64K_U32,
    }
    AllocateMiningJobToken =
        job_declaration_sv2::AllocateMiningJobTokenOwned, JobDeclaration::AllocateMiningJobToken {
        user_identifier: STR0_255,
        request_id: U32,
    }
    AllocateMiningJobTokenSuccess =
        job_declaration_sv2::AllocateMiningJobTokenSuccessOwned, JobDeclaration::AllocateMiningJobTokenSuccess {
        request_id: U32,
        mining_job_token: B0_255,
        coinbase_tx_outputs as coinbase_outputs: B0_64K,
    }
    ProvideMissingTransactions =
        job_declaration_sv2::ProvideMissingTransactionsOwned, JobDeclaration::ProvideMissingTransactions {
        request_id: U32,
        unknown_tx_position_list: SEQ0_64K_U16,
    }
    ProvideMissingTransactionsSuccess =
        job_declaration_sv2::ProvideMissingTransactionsSuccessOwned,
        JobDeclaration::ProvideMissingTransactionsSuccess {
        request_id: U32,
        transaction_list: SEQ0_64K_B0_16M,
    }
    DeclareMiningJob = job_declaration_sv2::DeclareMiningJobOwned, JobDeclaration::DeclareMiningJob {
        request_id: U32,
        mining_job_token: B0_255,
        version: U32,
        coinbase_tx_prefix: B0_64K,
        coinbase_tx_suffix: B0_64K,
        wtxid_list: SEQ0_64K_U256,
        excess_data: B0_64K,
    }
    DeclareMiningJobSuccess =
        job_declaration_sv2::DeclareMiningJobSuccessOwned, JobDeclaration::DeclareMiningJobSuccess {
        request_id: U32,
        new_mining_job_token: B0_255,
    }
    DeclareMiningJobError = job_declaration_sv2::DeclareMiningJobErrorOwned, JobDeclaration::DeclareMiningJobError {
        request_id: U32,
        error_code: STR0_255,
        error_details: B0_64K,
    }
    PushSolution = job_declaration_sv2::PushSolutionOwned, JobDeclaration::PushSolution {
        extranonce: B0_32,
        prev_hash: U256,
        nonce: U32,
        ntime: U32,
        nbits: U32,
        version: U32,
    }
    CoinbaseOutputConstraints =
        template_distribution_sv2::CoinbaseOutputConstraintsOwned, TemplateDistribution::CoinbaseOutputConstraints {
        coinbase_output_max_additional_size: U32,
        coinbase_output_max_additional_sigops: U16,
    }
    NewTemplate = template_distribution_sv2::NewTemplateOwned, TemplateDistribution::NewTemplate {
        template_id: U64,
        future_template: BOOL,
        version: U32,
        coinbase_tx_version: U32,
        coinbase_prefix: B0_255,
        coinbase_tx_input_sequence: U32,
        coinbase_tx_value_remaining: U64,
        coinbase_tx_outputs_count: U32,
        coinbase_tx_outputs: B0_64K,
        coinbase_tx_locktime: U32,
        merkle_path: SEQ0_255_U256,
    }
    SetNewPrevHashTemplate = template_distribution_sv2::SetNewPrevHashOwned, TemplateDistribution::SetNewPrevHash {
        template_id: U64,
        prev_hash: U256,
        header_timestamp: U32,
        nbits as n_bits: U32,
        target: U256,
    }
    RequestTransactionData =
        template_distribution_sv2::RequestTransactionDataOwned, TemplateDistribution::RequestTransactionData {
        template_id: U64,
    }
    RequestTransactionDataSuccess =
        template_distribution_sv2::RequestTransactionDataSuccessOwned,
        TemplateDistribution::RequestTransactionDataSuccess {
        template_id: U64,
        excess_data: B0_64K,
        transaction_list: SEQ0_64K_B0_16M,
    }
    RequestTransactionDataError =
        template_distribution_sv2::RequestTransactionDataErrorOwned,
        TemplateDistribution::RequestTransactionDataError {
        template_id: U64,
        error_code: STR0_255,
    }
    SubmitSolution = template_distribution_sv2::SubmitSolutionOwned, TemplateDistribution::SubmitSolution {
        template_id: U64,
        version: U32,
        header_timestamp: U32,
        header_nonce: U32,
        coinbase_tx: B0_64K,
    }
}

/// A frame as we encode it, into a buffer of the size that we ask for.
///
/// # Panics
/// If it cannot be encoded.
pub fn our_frame<'a>(message: &impl Payload<'a>) -> Vec<u8> {
    let Err(FrameError::Encode(EncodeError::BufferTooSmall { needed })) = frame::encode(message, &mut []) else {
        panic!("an empty buffer is too small");
    };
    let mut bytes = vec![0; needed];
    assert_eq!(frame::encode(message, &mut bytes), Ok(needed));
    bytes
}

/// A frame as they encode it.
///
/// # Panics
/// If it cannot be encoded.
pub fn their_frame(message: AnyMessageOwned) -> Vec<u8> {
    Encoder::new().encode(MessageFrame::try_from(message).expect("a message")).expect("a frame")
}

/// A payload after a frame header, as either side judges it: what it means, encoded anew by that side, or why it is
/// refused.
///
/// # Panics
/// If one of them cannot encode what it has decoded.
pub fn judged(header: Header, payload: &[u8]) -> (Result<Vec<u8>, DecodeError>, Result<Vec<u8>, ParserError>) {
    let ours = Message::decode(header.tag(), payload).map(|message| {
        let mut bytes = vec![0; payload.len()];
        let len = message.encode(&mut bytes).expect("not longer than it came");
        bytes.truncate(len);
        bytes
    });
    let their_header = TheirHeader::from_bytes(&header.to_bytes()).expect("six bytes");
    let theirs = AnyMessage::try_from((their_header, &mut payload.to_vec()[..]))
        .map(|message| their_frame(message.into_owned()).split_off(HEADER_LEN));
    (ours, theirs)
}

fn shown(name: &str, value: &impl Shown) -> Field {
    Field { name: name.into(), value: value.shown() }
}

fn decoded_by_us(frame: &[u8]) -> Message<'_> {
    let (Frame { header, payload }, rest) = Frame::split(frame).expect("a whole frame");
    assert!(rest.is_empty());
    let shape = shape(header.tag()).expect("a known message");
    assert_eq!(header.channel_msg(), shape.channel_msg, "{}", shape.name);
    Message::decode(header.tag(), payload).expect("a message")
}

fn decoded_by_them(frame: Vec<u8>) -> AnyMessageOwned {
    let mut frame = SerializedFrame::from_bytes(frame).expect("a whole frame");
    let header = frame.header();
    AnyMessage::try_from((header, frame.payload())).expect("a message").into_owned()
}
