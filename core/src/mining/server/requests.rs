//! What clients ask for, out of the connection's memory.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::events::{ClientInfo, WorkerIdentity};
use crate::bitcoin::Target;
use crate::frame::Frame;
use crate::message::{
    CHANNEL_MSG, CloseChannel, EXTENSION_EXTENSIONS_NEGOTIATION, EXTENSION_WORKER_SPECIFIC_HASHRATE_TRACKING,
    OpenExtendedMiningChannel, OpenStandardMiningChannel, PROTOCOL_MINING, Payload, RequestExtensions,
    SetCustomMiningJob, SetupConnection, SubmitSharesExtended, SubmitSharesStandard, UpdateChannel, error_code, shape,
    tlv,
};
use crate::mining::PROTOCOL_VERSION;
use crate::mining::channel::{ChannelKind, Extranonce, Submission};
use crate::mining::share::Share;
use crate::wire::{DecodeError, DecodeErrorKind, Reader};

/// What a client asks for, in memory of its own: the frame's is the connection's. A share needs none.
#[derive(Debug)]
pub(super) enum Request {
    SetupConnection {
        checked: Result<(), &'static str>,
        info: Box<ClientInfo>,
    },
    Open(Box<Opening>),
    Update {
        channel_id: u32,
        nominal_hash_rate: f32,
        max_target: Target,
    },
    Close {
        channel_id: u32,
        reason_code: Vec<u8>,
    },
    Submit(Submit),
    /// OpenStandardMiningChannel or OpenExtendedMiningChannel with a hash rate that is no number.
    OpenWithoutRate {
        request_id: u32,
    },
    /// The same for UpdateChannel.
    UpdateWithoutRate {
        channel_id: u32,
    },
    CustomJob {
        channel_id: u32,
        request_id: u32,
        payload: Arc<[u8]>,
    },
    Extensions {
        request_id: u16,
        requested: Vec<u16>,
    },
    Extension {
        extension_type: u16,
        message_type: u8,
        payload: Vec<u8>,
    },
    Unknown {
        tag: u32,
        len: usize,
    },
}

/// A channel is to be opened.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) kind: ChannelKind,
    pub(super) request_id: u32,
    pub(super) user_identity: Vec<u8>,
    pub(super) nominal_hash_rate: f32,
    pub(super) max_target: Target,
    pub(super) min_extranonce_size: u16,
}

/// A share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Submit {
    pub(super) kind: ChannelKind,
    pub(super) channel_id: u32,
    pub(super) sequence_number: u32,
    pub(super) job_id: u32,
    pub(super) nonce: u32,
    pub(super) ntime: u32,
    pub(super) version: u32,
    pub(super) extranonce: Extranonce,
    /// An error if the message is invalid for it (spec 3.4.3).
    pub(super) worker_identity: Result<Option<WorkerIdentity>, tlv::TlvError>,
}

impl Submit {
    pub(super) fn submission(&self) -> Submission<'_> {
        Submission {
            sequence_number: self.sequence_number,
            job_id: self.job_id,
            share: Share { nonce: self.nonce, ntime: self.ntime, version: self.version, extranonce: &self.extranonce },
            has_invalid_tlv: self.worker_identity.is_err(),
        }
    }
}

impl Request {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::SetupConnection { .. } => SetupConnection::SHAPE.name,
            Self::Open(opening) if opening.kind == ChannelKind::Standard => OpenStandardMiningChannel::SHAPE.name,
            Self::Open(_) => OpenExtendedMiningChannel::SHAPE.name,
            Self::OpenWithoutRate { .. } => "OpenMiningChannel",
            Self::Update { .. } | Self::UpdateWithoutRate { .. } => UpdateChannel::SHAPE.name,
            Self::Close { .. } => CloseChannel::SHAPE.name,
            Self::Submit(submit) if submit.kind == ChannelKind::Standard => SubmitSharesStandard::SHAPE.name,
            Self::Submit(_) => SubmitSharesExtended::SHAPE.name,
            Self::CustomJob { .. } => SetCustomMiningJob::SHAPE.name,
            Self::Extensions { .. } => RequestExtensions::SHAPE.name,
            Self::Extension { .. } => "a message of an extension",
            Self::Unknown { tag, .. } => shape(*tag).map_or("an unknown message", |shape| shape.name),
        }
    }
}

/// Copies what is needed out of a frame. A hash rate that is no number is one that makes no sense, which has an answer.
pub(super) fn read_request(frame: &Frame<'_>, names_workers: bool) -> Result<Request, DecodeError> {
    let request = read_known(frame, names_workers);
    match (&request, frame.payload.first_chunk()) {
        (Err(error), Some(first)) if error.kind == DecodeErrorKind::NotARate => {
            let first = u32::from_le_bytes(*first);
            Ok(if frame.header.tag() == UpdateChannel::SHAPE.tag {
                Request::UpdateWithoutRate { channel_id: first }
            } else {
                Request::OpenWithoutRate { request_id: first }
            })
        }
        _ => request,
    }
}

fn read_known(frame: &Frame<'_>, names_workers: bool) -> Result<Request, DecodeError> {
    let (tag, payload) = (frame.header.tag(), frame.payload);
    // Shares are by far the most.
    Ok(if tag == SubmitSharesExtended::SHAPE.tag {
        Request::Submit(read_extended(payload, names_workers)?)
    } else if tag == SubmitSharesStandard::SHAPE.tag {
        Request::Submit(read_standard(payload)?)
    } else if tag == SetupConnection::SHAPE.tag {
        let setup = SetupConnection::decode(payload)?;
        let info = ClientInfo {
            connection: 0,
            flags: setup.flags,
            vendor: setup.vendor.0.to_vec(),
            hardware_version: setup.hardware_version.0.to_vec(),
            firmware: setup.firmware.0.to_vec(),
            device_id: setup.device_id.0.to_vec(),
        };
        Request::SetupConnection { checked: check_setup(&setup), info: Box::new(info) }
    } else if tag == OpenStandardMiningChannel::SHAPE.tag {
        let open = OpenStandardMiningChannel::decode(payload)?;
        Request::Open(Box::new(Opening {
            kind: ChannelKind::Standard,
            request_id: open.request_id,
            user_identity: open.user_identity.0.to_vec(),
            nominal_hash_rate: open.nominal_hash_rate,
            max_target: Target(open.max_target.0),
            min_extranonce_size: 0,
        }))
    } else if tag == OpenExtendedMiningChannel::SHAPE.tag {
        let open = OpenExtendedMiningChannel::decode(payload)?;
        Request::Open(Box::new(Opening {
            kind: ChannelKind::Extended,
            request_id: open.request_id,
            user_identity: open.user_identity.0.to_vec(),
            nominal_hash_rate: open.nominal_hash_rate,
            max_target: Target(open.max_target.0),
            min_extranonce_size: open.min_extranonce_size,
        }))
    } else if tag == UpdateChannel::SHAPE.tag {
        let UpdateChannel { channel_id, nominal_hash_rate, maximum_target } = UpdateChannel::decode(payload)?;
        Request::Update { channel_id, nominal_hash_rate, max_target: Target(maximum_target.0) }
    } else if tag == CloseChannel::SHAPE.tag {
        let CloseChannel { channel_id, reason_code } = CloseChannel::decode(payload)?;
        Request::Close { channel_id, reason_code: reason_code.0.to_vec() }
    } else if tag == SetCustomMiningJob::SHAPE.tag {
        let SetCustomMiningJob { channel_id, request_id, .. } = SetCustomMiningJob::decode(payload)?;
        Request::CustomJob { channel_id, request_id, payload: payload.into() }
    } else if tag == RequestExtensions::SHAPE.tag {
        let RequestExtensions { request_id, requested_extensions } = RequestExtensions::decode(payload)?;
        Request::Extensions { request_id, requested: requested_extensions.iter().collect() }
    } else {
        read_unknown(frame)
    })
}

/// A message of an extension may be for somebody behind us, if it says for which channel (spec 3.4.1).
fn read_unknown(frame: &Frame<'_>) -> Request {
    let header = frame.header;
    let (extension_type, is_for_channel) =
        (header.extension_type & !CHANNEL_MSG, header.extension_type & CHANNEL_MSG != 0);
    let is_known =
        [0, EXTENSION_EXTENSIONS_NEGOTIATION, EXTENSION_WORKER_SPECIFIC_HASHRATE_TRACKING].contains(&extension_type);
    if is_for_channel && !is_known && frame.payload.len() >= size_of::<u32>() {
        let payload = frame.payload.to_vec();
        Request::Extension { extension_type, message_type: header.message_type, payload }
    } else {
        Request::Unknown { tag: header.tag(), len: frame.payload.len() }
    }
}

fn read_standard(payload: &[u8]) -> Result<Submit, DecodeError> {
    let share = SubmitSharesStandard::decode(payload)?;
    Ok(Submit {
        kind: ChannelKind::Standard,
        channel_id: share.channel_id,
        sequence_number: share.sequence_number,
        job_id: share.job_id,
        nonce: share.nonce,
        ntime: share.ntime,
        version: share.version,
        extranonce: Extranonce::default(),
        worker_identity: Ok(None),
    })
}

fn read_extended(payload: &[u8], names_workers: bool) -> Result<Submit, DecodeError> {
    let mut reader = Reader::new(SubmitSharesExtended::SHAPE, payload);
    let share = SubmitSharesExtended::read(&mut reader)?;
    let negotiated: &[u16] = if names_workers { &[EXTENSION_WORKER_SPECIFIC_HASHRATE_TRACKING] } else { &[] };
    let worker_identity = tlv::user_identity(reader.rest(), negotiated);
    Ok(Submit {
        kind: ChannelKind::Extended,
        channel_id: share.channel_id,
        sequence_number: share.sequence_number,
        job_id: share.job_id,
        nonce: share.nonce,
        ntime: share.ntime,
        version: share.version,
        extranonce: share.extranonce.into(),
        worker_identity: worker_identity.map(|identity| identity.map(|name| name.0.into())),
    })
}

/// Whether the client can be served, flags aside (spec 3.6.2 and 3.6.3).
fn check_setup(setup: &SetupConnection<'_>) -> Result<(), &'static str> {
    if setup.protocol != PROTOCOL_MINING {
        Err(error_code::UNSUPPORTED_PROTOCOL)
    } else if !(setup.min_version..=setup.max_version).contains(&PROTOCOL_VERSION) {
        Err(error_code::PROTOCOL_VERSION_MISMATCH)
    } else {
        Ok(())
    }
}
