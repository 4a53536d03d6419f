//! Connections in pairs, in memory: what one sends must arrive at the other, whatever the network does to it.
#![cfg(feature = "std")]

use std::sync::Arc;

use sv2_core::connection::{Connection, ConnectionError, Limits, Role, SendError};
use sv2_core::frame::{self, FrameError};
use sv2_core::message::*;
use sv2_core::noise::{
    Authority, AuthorityKeypair, CertificateError, CipherError, HandshakeError, Identity, SecretKey,
};
use sv2_core::wire::{List, U256};
use sv2_core::{SystemRandom, Time};

const NOW: Time = Time { monotonic_ms: 1_000, unix_s: 1_700_000_000 };

fn identity(authority: &AuthorityKeypair) -> Arc<Identity> {
    let random = &mut SystemRandom;
    let (from, to) = (NOW.unix_s as u32 - 3600, NOW.unix_s as u32 + 3600);
    Arc::new(Identity::issue(authority, SecretKey::generate(random).unwrap(), from, to, random).unwrap())
}

/// A client and a server over Noise, before the handshake.
fn noise_pair(limits: Limits) -> (Connection, Connection) {
    let random = &mut SystemRandom;
    let authority = AuthorityKeypair::generate(random).unwrap();
    let client = Connection::initiator(Authority::Key(authority.public()), limits, random).unwrap();
    (client, Connection::responder(identity(&authority), limits))
}

fn plain_pair(limits: Limits) -> (Connection, Connection) {
    (Connection::plain(Role::Client, limits), Connection::plain(Role::Server, limits))
}

/// How bytes are handed to a connection.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// Straight from the host's memory.
    From,
    /// Through the connection's own buffer.
    Room,
}

/// Everything that `from` has to send goes to `to`, in pieces of `piece` bytes; gives the frames that arrive.
fn pass(
    from: &mut Connection,
    to: &mut Connection,
    piece: usize,
    way: Way,
) -> Result<Vec<(u32, Vec<u8>)>, ConnectionError> {
    let mut arrived = Vec::new();
    loop {
        let mut bytes = from.output().to_vec();
        if bytes.is_empty() {
            return Ok(arrived);
        }
        assert!(from.sent(bytes.len()));
        for piece in bytes.chunks_mut(piece) {
            match way {
                Way::From => {
                    let mut rest = &mut piece[..];
                    while let Some(frame) = to.next_from(&mut rest, NOW, &mut SystemRandom)? {
                        arrived.push((frame.header.tag(), frame.payload.to_vec()));
                    }
                    assert!(rest.is_empty());
                }
                Way::Room => {
                    to.room(piece.len())[..piece.len()].copy_from_slice(piece);
                    assert!(to.received(piece.len()));
                    while let Some(frame) = to.next(NOW, &mut SystemRandom)? {
                        arrived.push((frame.header.tag(), frame.payload.to_vec()));
                    }
                }
            }
        }
    }
}

fn shake_hands(client: &mut Connection, server: &mut Connection) {
    assert_eq!(pass(client, server, 7, Way::From), Ok(vec![]));
    assert_eq!(pass(server, client, 9, Way::Room), Ok(vec![]));
    assert!(client.is_established() && server.is_established());
}

fn set_up(client: &mut Connection, server: &mut Connection, protocol: u8) {
    client.send(&SetupConnection { protocol, min_version: 2, max_version: 2, ..Default::default() }).unwrap();
    assert_eq!(pass(client, server, 1000, Way::From).unwrap().len(), 1);
    server.send(&SetupConnectionSuccess { used_version: 2, flags: 0 }).unwrap();
    assert_eq!(pass(server, client, 1000, Way::From).unwrap().len(), 1);
}

fn payload_of<'a>(message: &impl Payload<'a>) -> Vec<u8> {
    let mut payload = vec![0; message.encoded_len().unwrap()];
    message.encode(&mut payload).unwrap();
    payload
}

#[test]
fn frames_arrive_whole_however_the_stream_is_cut() {
    let transactions: Vec<Vec<u8>> = (0..40).map(|i| vec![i as u8; 100 * i]).collect();
    let list: Vec<&[u8]> = transactions.iter().map(Vec::as_slice).collect();
    for pair in [noise_pair, plain_pair] {
        for way in [Way::From, Way::Room] {
            for piece in [1, 2, 3, 6, 21, 22, 23, 64, 100, 4096, 1 << 20] {
                let (mut client, mut server) = pair(Limits::default());
                if !client.is_established() {
                    shake_hands(&mut client, &mut server);
                }
                set_up(&mut client, &mut server, PROTOCOL_TEMPLATE_DISTRIBUTION);
                let target = SetTarget { channel_id: 9, maximum_target: U256::MAX };
                let data = RequestTransactionDataSuccess {
                    template_id: 5,
                    transaction_list: List::Items(&list),
                    ..Default::default()
                };
                let id = RequestTransactionData { template_id: 1 };
                server.send(&target).unwrap();
                server.send(&data).unwrap();
                server.send(&id).unwrap();
                let arrived = pass(&mut server, &mut client, piece, way).unwrap();
                let expected = [(0x21, payload_of(&target)), (0x74, payload_of(&data)), (0x73, payload_of(&id))];
                assert_eq!(arrived, expected, "{way:?} in pieces of {piece}");
            }
        }
    }
}

#[test]
fn payloads_around_the_length_of_a_noise_message_arrive() {
    let (mut client, mut server) = noise_pair(Limits::default());
    shake_hands(&mut client, &mut server);
    set_up(&mut client, &mut server, PROTOCOL_TEMPLATE_DISTRIBUTION);
    let bytes: Vec<u8> = (0..400_000u32).map(|i| ((i * 7) >> 3) as u8).collect();
    for len in [65_518, 65_519, 65_520, 65_535, 131_037, 131_038, 131_039, 400_000].map(|len| len - 15) {
        let list = [&bytes[..len]];
        let data = RequestTransactionDataSuccess { transaction_list: List::Items(&list), ..Default::default() };
        let payload = payload_of(&data);
        // Sealed at once, and sealed piece by piece from a shared plaintext: the same arrives.
        server.send(&data).unwrap();
        let mut frame = vec![0; payload.len() + 6];
        frame::encode(&data, &mut frame).unwrap();
        server.send_shared(frame.into()).unwrap();
        server.send(&SetupConnectionSuccess::default()).unwrap();
        let wire = 22 + payload.len() + payload.len().div_ceil(65_519) * 16;
        assert_eq!(server.output_len(), wire + payload.len() + 6 + 6 + 6);
        let arrived = pass(&mut server, &mut client, 50_000, Way::From).unwrap();
        assert_eq!(arrived.len(), 3);
        assert!(arrived[0].1 == payload && arrived[1].1 == payload && arrived[2].0 == 1);
        assert_eq!(server.output_len(), 0);
    }
}

#[test]
fn messages_sent_before_the_handshake_wait_for_it() {
    let (mut client, mut server) = noise_pair(Limits::default());
    client.send(&SetupConnection { vendor: "early".into(), ..Default::default() }).unwrap();
    assert_eq!(client.output().len(), 64, "nothing but the first act");
    assert_eq!(pass(&mut client, &mut server, 64, Way::From), Ok(vec![]));
    assert_eq!(pass(&mut server, &mut client, 234, Way::From), Ok(vec![]));
    let arrived = pass(&mut client, &mut server, 500, Way::From).unwrap();
    assert_eq!(SetupConnection::decode(&arrived[0].1).unwrap().vendor, "early".into());
    assert!(client.is_authenticated() && client.certificate().is_some());
    assert!(!server.is_authenticated());
}

#[test]
fn a_peer_of_another_authority_is_refused() {
    let random = &mut SystemRandom;
    let (right, wrong) = (AuthorityKeypair::generate(random).unwrap(), AuthorityKeypair::generate(random).unwrap());
    let mut client = Connection::initiator(Authority::Key(right.public()), Limits::default(), random).unwrap();
    let mut server = Connection::responder(identity(&wrong), Limits::default());
    pass(&mut client, &mut server, 64, Way::From).unwrap();
    let expected = ConnectionError::Handshake(HandshakeError::Certificate(CertificateError::Signature));
    assert_eq!(pass(&mut server, &mut client, 234, Way::From), Err(expected));
    assert_eq!(client.error(), Some(expected));
    assert!(!client.is_established() && !client.is_authenticated());
    assert_eq!(client.send(&SetTarget::default()), Err(SendError::Failed));

    let mut client = Connection::initiator(Authority::Unauthenticated, Limits::default(), random).unwrap();
    let mut server = Connection::responder(identity(&wrong), Limits::default());
    shake_hands(&mut client, &mut server);
    assert!(!client.is_authenticated(), "encrypted, but by whom is not known");
}

#[test]
fn a_certificate_is_checked_against_the_date_unless_there_is_no_clock() {
    let random = &mut SystemRandom;
    let authority = AuthorityKeypair::generate(random).unwrap();
    for has_clock in [true, false] {
        let key = SecretKey::generate(random).unwrap();
        let expired = Arc::new(Identity::issue(&authority, key, 1, 2, random).unwrap());
        let mut client = Connection::initiator(Authority::Key(authority.public()), Limits::default(), random).unwrap();
        if !has_clock {
            client.assume_no_clock();
        }
        let mut server = Connection::responder(expired, Limits::default());
        pass(&mut client, &mut server, 64, Way::From).unwrap();
        let result = pass(&mut server, &mut client, 234, Way::From);
        assert_eq!(result.is_ok(), !has_clock);
        assert_eq!(client.is_authenticated(), !has_clock);
    }
}

#[test]
fn after_a_forged_byte_the_connection_is_dead_for_good() {
    for position in [0, 21, 22, 30] {
        let (mut client, mut server) = noise_pair(Limits::default());
        shake_hands(&mut client, &mut server);
        client.send(&SetupConnection::default()).unwrap();
        let mut forged = client.output().to_vec();
        let mut genuine = forged.clone();
        forged[position] ^= 1;
        let dead = Err(ConnectionError::Cipher(CipherError::Authentication));
        assert_eq!(server.next_from(&mut &mut forged[..], NOW, &mut SystemRandom), dead);
        assert_eq!(server.next_from(&mut &mut genuine[..], NOW, &mut SystemRandom), dead);
        assert_eq!(server.next(NOW, &mut SystemRandom), dead);
        assert_eq!(server.send(&SetTarget::default()), Err(SendError::Failed));
    }
}

#[test]
fn a_message_cannot_be_replayed() {
    let (mut client, mut server) = noise_pair(Limits::default());
    shake_hands(&mut client, &mut server);
    client.send(&SetupConnection::default()).unwrap();
    let message = client.output().to_vec();
    let (mut first, mut again) = (message.clone(), message);
    assert!(server.next_from(&mut &mut first[..], NOW, &mut SystemRandom).unwrap().is_some());
    let dead = Err(ConnectionError::Cipher(CipherError::Authentication));
    assert_eq!(server.next_from(&mut &mut again[..], NOW, &mut SystemRandom), dead);
}

#[test]
fn a_payload_is_limited_by_state_protocol_and_direction() {
    let limits = Limits::default();
    let cases = [
        (PROTOCOL_MINING, limits.max_payload_mining, limits.max_payload_mining),
        (PROTOCOL_JOB_DECLARATION, limits.max_payload_declaration_client, limits.max_payload_declaration_server),
        (PROTOCOL_TEMPLATE_DISTRIBUTION, limits.max_payload_template_client, limits.max_payload_template_server),
        (99, limits.max_payload_setup, limits.max_payload_setup),
    ];
    let announce = |to: &mut Connection, len: usize| {
        let [a, b, c, ..] = len.to_le_bytes();
        let mut header = [0, 0, 0x76, a, b, c];
        to.next_from(&mut &mut header[..], NOW, &mut SystemRandom).map(|frame| assert!(frame.is_none()))
    };
    for (protocol, client_max, server_max) in cases {
        for (max, of_client) in [(client_max, true), (server_max, false)] {
            for excess in [0, 1] {
                let (mut client, mut server) = plain_pair(limits);
                set_up(&mut client, &mut server, protocol);
                let len = max + excess;
                let expected = match excess {
                    _ if len > frame::MAX_PAYLOAD_LEN => continue,
                    0 => Ok(()),
                    _ => Err(ConnectionError::PayloadTooLarge { tag: 0x76, len, max }),
                };
                assert_eq!(announce(if of_client { &mut client } else { &mut server }, len), expected);
            }
        }
    }
    let (mut client, mut server) = plain_pair(limits);
    assert_eq!(announce(&mut client, 2048), Ok(()));
    assert_eq!(announce(&mut server, 2049), Err(ConnectionError::PayloadTooLarge { tag: 0x76, len: 2049, max: 2048 }));
}

#[test]
fn output_is_bounded_and_a_refused_message_leaves_no_trace() {
    let limits = Limits { max_output: 100, ..Limits::default() };
    for pair in [noise_pair, plain_pair] {
        let (mut client, mut server) = pair(Limits { max_output: 1000, ..limits });
        if !client.is_established() {
            shake_hands(&mut client, &mut server);
        }
        let mut sent = 0;
        while client.send(&SetTarget { channel_id: sent, ..Default::default() }) == Ok(()) {
            sent += 1;
        }
        assert!(sent > 10 && client.output_len() <= 1000 + 80);
        let before = client.output().to_vec();
        assert_eq!(client.send(&SetTarget::default()), Err(SendError::OutputFull));
        assert_eq!(client.output(), before);
        let arrived = pass(&mut client, &mut server, 11, Way::Room).unwrap();
        assert_eq!(arrived.len(), sent as usize);
        assert_eq!(SetTarget::decode(&arrived.last().unwrap().1).unwrap().channel_id, sent - 1);
        client.send(&SetTarget::default()).unwrap();
    }
}

#[test]
fn bytes_that_were_taken_do_not_pile_up_behind_a_peer_that_never_catches_up() {
    let (mut client, mut server) = noise_pair(Limits::default());
    shake_hands(&mut client, &mut server);
    let mut wire = Vec::new();
    for channel_id in 0..20_000 {
        client.send(&SetTarget { channel_id, ..Default::default() }).unwrap();
        let n = client.output().len() - 1;
        wire.extend_from_slice(&client.output()[..n]);
        assert!(client.sent(n));
    }
    wire.extend_from_slice(client.output());
    let mut rest = &mut wire[..];
    for channel_id in 0..20_000 {
        let frame = server.next_from(&mut rest, NOW, &mut SystemRandom).unwrap().unwrap();
        assert_eq!(SetTarget::decode(frame.payload).unwrap().channel_id, channel_id);
    }
    assert!(!client.sent(2), "more than there is");
}

#[test]
fn a_handshake_that_takes_too_long_fails() {
    let (mut client, mut server) = noise_pair(Limits::default());
    for connection in [&mut client, &mut server] {
        assert_eq!(connection.next_deadline(), Some(0), "it wants to be told the time");
        assert_eq!(connection.tick(NOW), Ok(()));
        assert_eq!(connection.next_deadline(), Some(11_000));
        assert_eq!(connection.tick(Time { monotonic_ms: 10_999, ..NOW }), Ok(()));
        let late = connection.tick(Time { monotonic_ms: 11_000, ..NOW });
        assert_eq!(late, Err(ConnectionError::HandshakeTimeout));
        assert_eq!(connection.next(NOW, &mut SystemRandom), Err(ConnectionError::HandshakeTimeout));
    }
    let (mut client, mut server) = noise_pair(Limits::default());
    shake_hands(&mut client, &mut server);
    assert_eq!(client.tick(Time { monotonic_ms: u64::MAX, ..NOW }), Ok(()));
    assert_eq!(client.next_deadline(), None);
}

#[test]
fn what_was_queued_before_a_failure_can_still_be_sent() {
    let (mut client, mut server) = plain_pair(Limits::default());
    let refusal = SetupConnectionError { flags: 0, error_code: "unsupported-protocol".into() };
    server.send(&refusal).unwrap();
    server.fail(ConnectionError::HandshakeTimeout);
    let arrived = pass(&mut server, &mut client, 5, Way::From).unwrap();
    assert_eq!(arrived, [(2, payload_of(&refusal))]);
}

#[test]
fn only_a_whole_frame_can_be_shared() {
    let (mut client, _) = plain_pair(Limits::default());
    for bytes in [&[][..], &[0, 0, 1, 1, 0, 0], &[0, 0, 1, 0, 0, 0, 9]] {
        assert_eq!(client.send_shared(bytes.into()), Err(SendError::Frame(FrameError::NotAFrame)));
    }
    client.send_shared([0, 0, 1, 1, 0, 0, 9][..].into()).unwrap();
    assert_eq!(client.output(), [0, 0, 1, 1, 0, 0, 9]);
}

#[test]
fn memory_that_is_lent_out_survives_a_tick_and_is_given_back_afterwards() {
    let (mut client, mut server) = plain_pair(Limits::default());
    client.send(&SetupConnection { vendor: "split".into(), ..Default::default() }).unwrap();
    let mut bytes = client.output().to_vec();

    // A room stays where it is until it is said what came into it.
    let at = server.room(100).as_ptr();
    server.tick(NOW).unwrap();
    assert_eq!(server.room(100).as_ptr(), at);
    assert!(server.received(0) && !server.received(1 << 20));

    // The beginning of a frame is kept, and given back once the frame was read.
    let (first, second) = bytes.split_at_mut(10);
    assert!(server.next_from(&mut &mut first[..], NOW, &mut SystemRandom).unwrap().is_none());
    server.tick(NOW).unwrap();
    let mut rest = &mut second[..];
    assert!(server.next_from(&mut rest, NOW, &mut SystemRandom).unwrap().is_some());
    assert!(server.next_from(&mut rest, NOW, &mut SystemRandom).unwrap().is_none());
    server.tick(NOW).unwrap();
    assert_eq!(server.input_capacity(), 0);
}

#[test]
fn a_room_that_no_memory_can_hold_is_empty_and_nothing_is_lost() {
    let (_, mut server) = plain_pair(Limits::default());
    assert!(server.room(usize::MAX).is_empty());
    assert!(server.room(isize::MAX as usize - 64).is_empty());
    assert!(server.room(10).len() >= 10 && server.is_established());
}

#[test]
fn a_room_that_is_being_read_into_survives_a_handshake_that_takes_too_long() {
    let (_, mut server) = noise_pair(Limits::default());
    server.tick(NOW).unwrap();
    let len = server.room(4096).len();
    let late = Time { monotonic_ms: NOW.monotonic_ms + 10_000, ..NOW };
    assert_eq!(server.tick(late), Err(ConnectionError::HandshakeTimeout));
    assert!(server.input_capacity() >= len, "somebody may be writing into it");
    assert!(server.received(len));
    assert_eq!(server.next(late, &mut SystemRandom), Err(ConnectionError::HandshakeTimeout));
    assert_eq!(server.input_capacity(), 0);
}
