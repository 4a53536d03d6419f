//! A whole connection of ours against codec_sv2: either role, over Noise and without, in pieces of any size.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use stratum_core::codec_sv2::{Encoder, Handshake};
use stratum_core::framing_sv2::framing::SerializedFrame;
use stratum_core::noise_sv2::Initiator as TheirInitiator;
use sv2_core::Time;
use sv2_core::connection::{Connection, ConnectionError, Limits, Role};
use sv2_core::frame::Frame;
use sv2_core::noise::{Authority, AuthorityKeypair, CertificateError, HandshakeError, Identity, SecretKey};
use sv2_interop::conversation::{Said, conversation};
use sv2_interop::random::{Pieces, Seeded};
use sv2_interop::theirs::{self, Theirs};

/// How often a conversation is cut into pieces anew.
const ROUNDS: u64 = 8;

#[test]
fn our_client_talks_to_their_server_over_noise() {
    for seed in 0..ROUNDS {
        let authority = authority();
        let demand = Authority::Key(authority.public());
        let mut ours =
            Ours::new(Connection::initiator(demand, Limits::default(), &mut Seeded::new(seed)).unwrap(), seed);
        let (act2, theirs) = theirs::responder(&authority).step_1(ours.written().try_into().unwrap()).unwrap();
        assert!(ours.read(act2.payload()).unwrap().is_empty());
        assert!(ours.connection.is_established() && ours.connection.is_authenticated());
        let mut theirs = Theirs::new(theirs);
        for Said { by_client, frame } in conversation() {
            match by_client {
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
        for Said { by_client, frame } in conversation() {
            match by_client {
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
            for Said { by_client, frame } in conversation() {
                match by_client == (role == Role::Client) {
                    true => assert!(theirs::plain_frame(&ours.write(&frame)) == frame),
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
    let frames: Vec<_> = conversation().into_iter().filter_map(|said| said.by_client.then_some(said.frame)).collect();
    // The server's limits rise once it has answered SetupConnection.
    assert!(ours.read(&theirs.seal(&frames[0])).unwrap() == frames[..1]);
    theirs.open(&ours.write(&conversation()[1].frame)).unwrap();
    let sealed: Vec<u8> = frames[1..].iter().flat_map(|frame| theirs.seal(frame)).collect();
    assert!(ours.read(&sealed).unwrap() == frames[1..]);
}

#[test]
fn their_server_of_another_authority_is_refused_for_good() {
    let another = Authority::Key(AuthorityKeypair::generate(&mut Seeded::new(99)).unwrap().public());
    let mut ours = Ours::new(Connection::initiator(another, Limits::default(), &mut Seeded::new(0)).unwrap(), 0);
    let (act2, theirs) = theirs::responder(&authority()).step_1(ours.written().try_into().unwrap()).unwrap();
    let refused = Err(ConnectionError::Handshake(HandshakeError::Certificate(CertificateError::Signature)));
    assert_eq!(ours.read(act2.payload()), refused);
    let sealed = Theirs::new(theirs).seal(&conversation()[1].frame);
    assert_eq!(ours.read(&sealed), refused);
    assert!(!ours.connection.is_established());
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
    pieces: Pieces,
}

impl Ours {
    fn new(connection: Connection, seed: u64) -> Ours {
        Ours { connection, random: Seeded::new(seed + 1000), pieces: Pieces::new(seed) }
    }

    /// Reads bytes in pieces, now in one way and then in the other, and returns the frames that came out.
    fn read(&mut self, mut bytes: &[u8]) -> Result<Vec<Vec<u8>>, ConnectionError> {
        let mut frames = Vec::new();
        let borrowing = self.pieces.either();
        while !bytes.is_empty() {
            let (piece, rest) = bytes.split_at(self.pieces.next(bytes.len()));
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
        if self.pieces.either() {
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
            let len = self.pieces.next(len);
            written.extend_from_slice(&self.connection.output()[..len]);
            assert!(self.connection.sent(len));
        }
    }
}

fn whole(frame: Frame<'_>) -> Vec<u8> {
    [&frame.header.to_bytes(), frame.payload].concat()
}
