//! stratum-core, driven as the roles made of it drive it.

use std::hint::black_box;
use std::time::Duration;

use stratum_core::binary_sv2;
use stratum_core::codec_sv2::{
    Decoded, Decoder, Decrypted, EncodableFrame, Handshake, MessageFrame, NoiseDecoder, NoiseEncoder,
    TransportDecryptState, TransportEncryptState,
};
use stratum_core::mining_sv2::{
    NewExtendedMiningJob, SubmitSharesExtendedOwned, SubmitSharesStandard, SubmitSharesSuccess,
};
use stratum_core::noise_sv2::{Initiator, Responder};
use stratum_core::parsers_sv2::{Mining, TemplateDistribution};
use stratum_core::template_distribution_sv2::RequestTransactionDataSuccess;

use crate::data::Frame;

// Reading

fn sum_share(share: &SubmitSharesStandard) -> u64 {
    [share.channel_id, share.sequence_number, share.job_id, share.nonce, share.ntime, share.version]
        .map(u64::from)
        .iter()
        .sum()
}

fn sum_job(job: &NewExtendedMiningJob<'_>) -> u64 {
    let mut sum = u64::from(job.channel_id) + u64::from(job.job_id) + u64::from(job.version);
    sum += u64::from(job.version_rolling_allowed);
    sum += job.min_ntime.as_ref().map_or(0, |ntime| u64::from(*ntime));
    for node in job.merkle_path.iter() {
        for word in node.as_array().as_chunks::<8>().0 {
            sum = sum.wrapping_add(u64::from_ne_bytes(*word));
        }
    }
    sum.wrapping_add(ends(job.coinbase_tx_prefix.as_bytes())).wrapping_add(ends(job.coinbase_tx_suffix.as_bytes()))
}

fn sum_transactions(data: &RequestTransactionDataSuccess<'_>) -> u64 {
    let mut sum = data.template_id + ends(data.excess_data.as_bytes());
    for transaction in data.transaction_list.iter().map(|transaction| transaction.as_bytes()) {
        sum += transaction.len() as u64 + transaction.first().map_or(0, |first| u64::from(*first));
    }
    sum
}

fn ends(bytes: &[u8]) -> u64 {
    match (bytes.first(), bytes.last()) {
        (Some(first), Some(last)) => bytes.len() as u64 + u64::from(*first) + u64::from(*last),
        _ => 0,
    }
}

/// Parses a payload and reads every field.
fn sum_of(message_type: u8, payload: &mut [u8]) -> u64 {
    if message_type == 0x74 {
        match TemplateDistribution::try_from((message_type, payload)) {
            Ok(TemplateDistribution::RequestTransactionDataSuccess(data)) => sum_transactions(&data),
            _ => panic!("not the message that was sent"),
        }
    } else {
        match Mining::try_from((message_type, payload)) {
            Ok(Mining::SubmitSharesStandard(share)) => sum_share(&share),
            Ok(Mining::NewExtendedMiningJob(job)) => sum_job(&job),
            _ => panic!("not the message that was sent"),
        }
    }
}

// Plain connections

/// The receiving end of a connection without Noise.
pub struct Plain(Decoder);

impl Plain {
    /// A new one.
    pub fn new() -> Self {
        Self(Decoder::new())
    }

    /// The frame, read from a socket so many times, and every field of it.
    pub fn receive(&mut self, frame: &Frame, times: u64) -> u64 {
        (0..times).fold(0, |sum, _| sum.wrapping_add(self.receive_one(black_box(&frame.bytes))))
    }

    fn receive_one(&mut self, mut socket: &[u8]) -> u64 {
        loop {
            let room = self.0.writable();
            let (now, later) = socket.split_at(room.len());
            room.copy_from_slice(now);
            socket = later;
            if let Decoded::Frame(mut frame) = self.0.next_frame().expect("a good frame") {
                return sum_of(frame.header().msg_type(), frame.payload());
            }
        }
    }
}

/// The payload in memory, so many times, and every field of it.
pub fn decode(frame: &Frame, times: u64) -> u64 {
    let mut payload = frame.payload().to_vec();
    (0..times).fold(0, |sum, _| sum.wrapping_add(sum_of(frame.message_type, black_box(&mut payload[..]))))
}

// Noise connections

/// The sending and the receiving half of one end.
struct Ended {
    encoder: NoiseEncoder,
    decoder: NoiseDecoder,
    sealing: TransportEncryptState,
    /// Moves into every call and out again.
    opening: Option<TransportDecryptState>,
}

/// One established end of a connection, on the heap.
pub struct End(Box<Ended>);

/// The keys of a server.
#[derive(Clone, Copy)]
pub struct Keys {
    /// The authority's public key.
    pub authority: [u8; 32],
    /// Its secret key.
    pub authority_secret: [u8; 32],
}

impl Keys {
    /// Both sides of a handshake.
    fn handshake(&self) -> (TheirTransport, TheirTransport) {
        let initiator = Handshake::initiator(Initiator::from_raw_k(self.authority).expect("a key"));
        let validity = Duration::from_secs(3600);
        let responder = Responder::from_authority_kp(&self.authority, &self.authority_secret, validity).expect("keys");
        let (act1, initiator) = initiator.step_0().expect("act 1");
        let act1 = act1.payload().try_into().expect("64 bytes");
        let (act2, server) = Handshake::responder(responder).step_1(act1).expect("act 2");
        let act2 = act2.payload().try_into().expect("234 bytes");
        (initiator.step_2(act2).expect("a good certificate"), server)
    }

    /// Both sides of so many handshakes; returns how many succeeded.
    pub fn handshakes(&self, times: u64) -> u64 {
        (0..times).map(|_| black_box(self.handshake())).map(|_| 1).sum()
    }

    /// A client and its server.
    pub fn connect(&self) -> (End, End) {
        let (client, server) = self.handshake();
        (End::new(client), End::new(server))
    }
}

type TheirTransport = stratum_core::codec_sv2::Transport;

impl End {
    fn new(transport: TheirTransport) -> Self {
        let (sealing, opening) = transport.split();
        let (encoder, decoder) = (NoiseEncoder::new(), NoiseDecoder::new());
        Self(Box::new(Ended { encoder, decoder, sealing, opening: Some(opening) }))
    }

    /// The message, from this end to the other, so many times.
    pub fn pass(&mut self, to: &mut End, message: &Message<'_>, times: u64) -> u64 {
        (0..times).fold(0, |sum, _| sum.wrapping_add(self.pass_one(to, black_box(message))))
    }

    fn pass_one(&mut self, to: &mut End, message: &Message<'_>) -> u64 {
        match message {
            Message::Share(share) => self.pass_frame(to, MessageFrame::from_message(share.clone(), 0x1a, 0, true)),
            Message::Job(job) => self.pass_frame(to, MessageFrame::from_message(job.clone(), 0x1f, 0, true)),
            Message::Transactions(data) => {
                self.pass_frame(to, MessageFrame::from_message(data.clone(), 0x74, 0, false))
            }
        }
    }

    fn pass_frame<F: EncodableFrame, E: std::fmt::Debug>(&mut self, to: &mut End, frame: Result<F, E>) -> u64 {
        let from = &mut *self.0;
        let sealed = from.encoder.encode_transport(frame.expect("short enough"), &mut from.sealing).expect("sealed");
        to.receive(sealed.as_ref())
    }

    fn receive(&mut self, mut socket: &[u8]) -> u64 {
        let this = &mut *self.0;
        loop {
            let room = this.decoder.writable();
            let (now, later) = socket.split_at(room.len());
            room.copy_from_slice(now);
            socket = later;
            let opening = this.opening.take().expect("no error before");
            match this.decoder.next_transport_frame(opening).expect("authentic") {
                Decrypted::Frame(mut frame, opening) => {
                    this.opening = Some(opening);
                    return sum_of(frame.header().msg_type(), frame.payload());
                }
                Decrypted::Incomplete(_, opening) => this.opening = Some(opening),
            }
        }
    }
}

// Shares, as their pool takes them

impl End {
    /// Seals a share into what the other end's socket gives.
    pub fn seal_share(&mut self, share: SubmitSharesExtendedOwned, socket: &mut Vec<u8>) {
        let this = &mut *self.0;
        let frame = MessageFrame::from_message(share, 0x1b, 0, true).expect("short enough");
        socket.extend_from_slice(this.encoder.encode_transport(frame, &mut this.sealing).expect("sealed").as_ref());
    }

    /// Receives shares, hands each to `submit`, and seals the answers; returns how many shares there were.
    pub fn receive_shares(
        &mut self,
        mut socket: &[u8],
        mut submit: impl FnMut(SubmitSharesExtendedOwned) -> Option<SubmitSharesSuccess>,
    ) -> u64 {
        let this = &mut *self.0;
        let mut count = 0;
        loop {
            let room = this.decoder.writable();
            let Some((now, later)) = socket.split_at_checked(room.len()) else { return count };
            room.copy_from_slice(now);
            socket = later;
            let opening = this.opening.take().expect("no error before");
            match this.decoder.next_transport_frame(opening).expect("authentic") {
                Decrypted::Frame(mut frame, opening) => {
                    this.opening = Some(opening);
                    let Ok(Mining::SubmitSharesExtended(share)) =
                        Mining::try_from((frame.header().msg_type(), frame.payload()))
                    else {
                        panic!("not the message that was sent");
                    };
                    count += 1;
                    if let Some(success) = submit(share.into_owned()) {
                        let frame = MessageFrame::from_message(success, 0x1c, 0, true).expect("short enough");
                        black_box(this.encoder.encode_transport(frame, &mut this.sealing).expect("sealed").as_ref());
                    }
                }
                Decrypted::Incomplete(_, opening) => this.opening = Some(opening),
            }
            if socket.is_empty() && count % u64::from(crate::pool::SHARES) == 0 && count > 0 {
                return count;
            }
        }
    }
}

/// A message to send. Their encoder consumes it, so that each time a copy of its struct is made.
pub enum Message<'a> {
    /// SubmitSharesStandard.
    Share(SubmitSharesStandard),
    /// NewExtendedMiningJob.
    Job(NewExtendedMiningJob<'a>),
    /// RequestTransactionData.Success.
    Transactions(RequestTransactionDataSuccess<'a>),
}

impl<'a> Message<'a> {
    /// Decodes a payload.
    pub fn new(message_type: u8, payload: &'a mut [u8]) -> Self {
        match message_type {
            0x1a => Self::Share(binary_sv2::from_bytes(payload).expect("a share")),
            0x1f => Self::Job(binary_sv2::from_bytes(payload).expect("a job")),
            _ => Self::Transactions(binary_sv2::from_bytes(payload).expect("transactions")),
        }
    }
}
