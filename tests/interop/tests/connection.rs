//! A whole connection of ours against codec_sv2: either role, over Noise and without, in pieces of any size.

mod common;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::{Seeded, Theirs};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use stratum_core::codec_sv2::{Decoded, Decoder, Encoder, Handshake};
use stratum_core::framing_sv2::framing::SerializedFrame;
use stratum_core::noise_sv2::{Initiator as TheirInitiator, Responder as TheirResponder};
use sv2_core::Time;
use sv2_core::connection::{Connection, ConnectionError, Limits, Role};
use sv2_core::frame::{self, Frame, FrameError};
use sv2_core::message::{
    CoinbaseOutputConstraints, NewTemplate, PROTOCOL_TEMPLATE_DISTRIBUTION, Payload, RequestTransactionData,
    RequestTransactionDataSuccess, SetNewPrevHashTemplate, SetupConnection, SetupConnectionSuccess, SubmitSolution,
};
use sv2_core::noise::{Authority, AuthorityKeypair, CertificateError, HandshakeError, Identity, SecretKey};
use sv2_core::wire::{EncodeError, List, U256};

/// How often a conversation is cut into pieces anew.
const ROUNDS: u64 = 8;

#[test]
fn our_client_talks_to_their_server_over_noise() {
    for seed in 0..ROUNDS {
        let authority = authority();
        let demand = Authority::Key(authority.public());
        let mut ours =
            Ours::new(Connection::initiator(demand, Limits::default(), &mut Seeded::new(seed)).unwrap(), seed);
        let (act2, theirs) = their_responder(&authority).step_1(ours.written().try_into().unwrap()).unwrap();
        assert!(ours.read(act2.payload()).unwrap().is_empty());
        assert!(ours.connection.is_established() && ours.connection.is_authenticated());
        let mut theirs = Theirs::new(theirs);
        for (client, frame) in conversation() {
            match client {
                true => assert!(theirs.open(&ours.write(&frame)).unwrap() == frame),
                false => assert!(ours.read(&theirs.seal(&frame)).unwrap() == [frame]),
            }
        }
    }
}

#[test]
fn our_server_talks_to_their_client_over_noise() {
    for seed in 0..ROUNDS {
        let authority = authority();
        let mut ours = Ours::new(Connection::responder(identity(&authority), Limits::default()), seed);
        let initiator = TheirInitiator::from_raw_k(authority.public().to_bytes()).unwrap();
        let (act1, initiator) = Handshake::initiator(initiator).step_0().unwrap();
        assert!(ours.read(act1.payload()).unwrap().is_empty());
        let mut theirs = Theirs::new(initiator.step_2(ours.written().try_into().unwrap()).unwrap());
        for (client, frame) in conversation() {
            match client {
                true => assert!(ours.read(&theirs.seal(&frame)).unwrap() == [frame]),
                false => assert!(theirs.open(&ours.write(&frame)).unwrap() == frame),
            }
        }
    }
}

#[test]
fn both_roles_of_ours_talk_to_theirs_without_noise() {
    for seed in 0..ROUNDS {
        for role in [Role::Client, Role::Server] {
            let mut ours = Ours::new(Connection::plain(role, Limits::default()), seed);
            for (client, frame) in conversation() {
                match client == (role == Role::Client) {
                    true => assert!(their_plain_frame(&ours.write(&frame)) == frame),
                    false => {
                        let theirs = SerializedFrame::from_bytes(frame.clone()).unwrap();
                        assert!(ours.read(&Encoder::new().encode(theirs).unwrap()).unwrap() == [frame]);
                    }
                }
            }
        }
    }
}

#[test]
fn many_of_their_frames_in_one_read_come_out_one_by_one() {
    let authority = authority();
    let mut ours = Ours::new(Connection::responder(identity(&authority), Limits::default()), 0);
    let (act1, initiator) = Handshake::initiator(TheirInitiator::without_pk().unwrap()).step_0().unwrap();
    ours.read(act1.payload()).unwrap();
    let mut theirs = Theirs::new(initiator.step_2(ours.written().try_into().unwrap()).unwrap());
    let frames: Vec<_> = conversation().into_iter().filter_map(|(client, frame)| client.then_some(frame)).collect();
    // The server's limits rise once it has answered SetupConnection.
    assert!(ours.read(&theirs.seal(&frames[0])).unwrap() == frames[..1]);
    theirs.open(&ours.write(&conversation()[1].1)).unwrap();
    let sealed: Vec<u8> = frames[1..].iter().flat_map(|frame| theirs.seal(frame)).collect();
    assert!(ours.read(&sealed).unwrap() == frames[1..]);
}

#[test]
fn their_server_of_another_authority_is_refused_for_good() {
    let another = Authority::Key(AuthorityKeypair::generate(&mut Seeded::new(99)).unwrap().public());
    let mut ours = Ours::new(Connection::initiator(another, Limits::default(), &mut Seeded::new(0)).unwrap(), 0);
    let (act2, theirs) = their_responder(&authority()).step_1(ours.written().try_into().unwrap()).unwrap();
    let refused = Err(ConnectionError::Handshake(HandshakeError::Certificate(CertificateError::Signature)));
    assert_eq!(ours.read(act2.payload()), refused);
    let sealed = Theirs::new(theirs).seal(&conversation()[1].1);
    assert_eq!(ours.read(&sealed), refused);
    assert!(!ours.connection.is_established());
}

/// What a client of templates (true) and its provider (false) say to each other, as frames.
fn conversation() -> Vec<(bool, Vec<u8>)> {
    let transactions: Vec<Vec<u8>> = (0..3000).map(|i| vec![(i % 251) as u8; 400]).collect();
    let transactions: Vec<&[u8]> = transactions.iter().map(Vec::as_slice).collect();
    let path = [U256([1; 32]), U256([2; 32])];
    vec![
        (
            true,
            framed(&SetupConnection {
                protocol: PROTOCOL_TEMPLATE_DISTRIBUTION,
                min_version: 2,
                max_version: 2,
                endpoint_host: "localhost".into(),
                ..Default::default()
            }),
        ),
        (false, framed(&SetupConnectionSuccess { used_version: 2, flags: 0 })),
        (
            true,
            framed(&CoinbaseOutputConstraints {
                coinbase_output_max_additional_size: 100,
                coinbase_output_max_additional_sigops: 4,
            }),
        ),
        (
            false,
            framed(&NewTemplate {
                template_id: 1,
                future_template: true,
                coinbase_tx_outputs: &[7; 60_000],
                merkle_path: List::Items(&path),
                ..Default::default()
            }),
        ),
        (false, framed(&SetNewPrevHashTemplate { template_id: 1, ..Default::default() })),
        (true, framed(&RequestTransactionData { template_id: 1 })),
        (
            false,
            framed(&RequestTransactionDataSuccess {
                template_id: 1,
                excess_data: &[],
                transaction_list: List::Items(&transactions),
            }),
        ),
        (true, framed(&SubmitSolution { template_id: 1, coinbase_tx: &[9; 65_535], ..Default::default() })),
        (true, framed(&RequestTransactionData { template_id: 2 })),
    ]
}

fn framed<'a>(message: &impl Payload<'a>) -> Vec<u8> {
    let Err(FrameError::Encode(EncodeError::BufferTooSmall { needed })) = frame::encode(message, &mut []) else {
        panic!("an empty buffer is too small");
    };
    let mut frame = vec![0; needed];
    frame::encode(message, &mut frame).unwrap();
    frame
}

// Our side

fn authority() -> AuthorityKeypair {
    AuthorityKeypair::generate(&mut Seeded::new(1)).unwrap()
}

fn identity(authority: &AuthorityKeypair) -> Arc<Identity> {
    let random = &mut Seeded::new(2);
    let now = u32::try_from(now().unix_s).unwrap();
    let key = SecretKey::generate(random).unwrap();
    Arc::new(Identity::issue(authority, key, now, now + 3600, random).unwrap())
}

fn now() -> Time {
    let unix_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    Time { monotonic_ms: 0, unix_s }
}

/// Our end of a connection, and how its bytes are cut into pieces.
struct Ours {
    connection: Connection,
    random: Seeded,
    pieces: StdRng,
}

impl Ours {
    fn new(connection: Connection, seed: u64) -> Ours {
        Ours { connection, random: Seeded::new(seed + 1000), pieces: StdRng::seed_from_u64(seed) }
    }

    /// Reads bytes in pieces, now in one way and then in the other, and returns the frames that came out.
    fn read(&mut self, mut bytes: &[u8]) -> Result<Vec<Vec<u8>>, ConnectionError> {
        let mut frames = Vec::new();
        let borrowing = self.pieces.r#gen();
        while !bytes.is_empty() {
            let (piece, rest) = bytes.split_at(self.piece(bytes.len()));
            bytes = rest;
            if borrowing {
                let mut piece = piece.to_vec();
                let mut unread = &mut piece[..];
                while let Some(frame) = self.connection.next_from(&mut unread, now(), &mut self.random)? {
                    frames.push(whole(frame));
                }
                assert!(unread.is_empty());
            } else {
                self.connection.room(piece.len())[..piece.len()].copy_from_slice(piece);
                assert!(self.connection.received(piece.len()));
                while let Some(frame) = self.connection.next(now(), &mut self.random)? {
                    frames.push(whole(frame));
                }
            }
        }
        Ok(frames)
    }

    /// Sends a frame, now in one way and then in the other, and returns what was written to the socket.
    fn write(&mut self, frame: &[u8]) -> Vec<u8> {
        if self.pieces.r#gen() {
            self.connection.send_shared(frame.into()).unwrap();
        } else {
            let (Frame { header, payload }, _) = Frame::split(frame).unwrap();
            let fill = |room: &mut [u8]| {
                room.copy_from_slice(payload);
                true
            };
            self.connection.send_with(header, fill).unwrap();
        }
        self.written()
    }

    /// What the connection has to write, taken from it in pieces.
    fn written(&mut self) -> Vec<u8> {
        let mut written = Vec::new();
        loop {
            let len = match self.connection.output() {
                [] => return written,
                output => output.len(),
            };
            let len = self.piece(len);
            written.extend_from_slice(&self.connection.output()[..len]);
            assert!(self.connection.sent(len));
        }
    }

    /// How much of so many bytes goes at once: all of it, about a packet, or a few bytes of few.
    fn piece(&mut self, len: usize) -> usize {
        let most = match self.pieces.gen_range(0..3) {
            0 => len,
            1 => 1500,
            _ => 7 + len / 100,
        };
        self.pieces.gen_range(1..=most.min(len))
    }
}

fn whole(frame: Frame<'_>) -> Vec<u8> {
    [&frame.header.to_bytes(), frame.payload].concat()
}

// Their side

fn their_responder(authority: &AuthorityKeypair) -> Handshake<TheirResponder> {
    let responder = TheirResponder::from_authority_kp(
        &authority.public().to_bytes(),
        &authority.secret_bytes(),
        Duration::from_secs(3600),
    );
    Handshake::responder(responder.unwrap())
}

/// The one plain frame in `bytes`, as their decoder reads it.
fn their_plain_frame(mut bytes: &[u8]) -> Vec<u8> {
    let mut decoder = Decoder::new();
    loop {
        match decoder.next_frame() {
            Ok(Decoded::Frame(frame)) => {
                assert!(bytes.is_empty(), "bytes are left over");
                return frame.as_bytes().to_vec();
            }
            Ok(Decoded::Incomplete(_)) => {
                let room = decoder.writable();
                let (now, later) = bytes.split_at(room.len());
                room.copy_from_slice(now);
                bytes = later;
            }
            Err(error) => panic!("{error}"),
        }
    }
}
