//! Two connections over Noise or without: their bytes are cut anywhere, and perhaps one is changed. What arrives is what was sent,
//! up to the change; after it, nothing. A third connection is fed the raw input.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use sv2_core::connection::{Connection, Limits, Role};
use sv2_core::message::{Payload, SubmitSolution};
use sv2_core::noise::{Authority, AuthorityKeypair, Identity, SecretKey};
use sv2_core::{OutOfRandomness, Random, Time};

/// Deterministic, and different at every call.
struct Tape(u8);

impl Random for Tape {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), OutOfRandomness> {
        self.0 = self.0.wrapping_add(1).max(1);
        bytes.fill(self.0);
        Ok(())
    }
}

const NOW: Time = Time { monotonic_ms: 0, unix_s: 1000 };

fn pair(noise: bool) -> (Connection, Connection) {
    // Payloads are long here without a SetupConnection.
    let limits = Limits { max_payload_setup: 1 << 20, ..Limits::default() };
    if !noise {
        return (Connection::plain(Role::Client, limits), Connection::plain(Role::Server, limits));
    }
    let random = &mut Tape(0);
    let authority = AuthorityKeypair::generate(random).unwrap();
    let identity = Identity::issue(&authority, SecretKey::generate(random).unwrap(), 0, 2000, random).unwrap();
    let client = Connection::initiator(Authority::Key(authority.public()), limits, random).unwrap();
    (client, Connection::responder(Arc::new(identity), limits))
}

/// Passes bytes on, in the pieces that `cuts` say; the payloads that arrive.
fn pass(
    from: &mut Connection,
    to: &mut Connection,
    cuts: &mut impl Iterator<Item = u8>,
    flip: Option<usize>,
) -> Vec<Vec<u8>> {
    let (mut arrived, mut at) = (Vec::new(), 0);
    while !from.output().is_empty() {
        let wanted = usize::from(cuts.next().unwrap_or(255)) * 8 + 1;
        let mut piece: Vec<u8> = from.output().iter().copied().take(wanted).collect();
        assert!(from.sent(piece.len()));
        if let Some(byte) = flip.and_then(|flip| piece.get_mut(flip.wrapping_sub(at))) {
            *byte ^= 0x40;
        }
        at += piece.len();
        let mut rest = &mut piece[..];
        while let Ok(Some(frame)) = to.next_from(&mut rest, NOW, &mut Tape(9)) {
            arrived.push(frame.payload.to_vec());
        }
        let _ = to.tick(NOW);
    }
    arrived
}

fuzz_target!(|data: &[u8]| {
    // Raw bytes from a stranger.
    for mut connection in [pair(true).1, pair(true).0, pair(false).1] {
        let mut raw = data.to_vec();
        let mut rest = &mut raw[..];
        while let Ok(Some(frame)) = connection.next_from(&mut rest, NOW, &mut Tape(5)) {
            assert!(frame.payload.len() <= data.len());
        }
    }

    let Some((&[mode, flip, messages, ref lengths @ ..], cuts)) = data.split_first_chunk::<8>() else { return };
    let (mut client, mut server) = pair(mode & 1 == 1);
    let mut cuts = cuts.iter().copied();
    pass(&mut client, &mut server, &mut cuts, None);
    pass(&mut server, &mut client, &mut cuts, None);
    assert!(client.is_established() && server.is_established());

    let bytes = vec![mode; 65_535];
    let mut sent = Vec::new();
    for i in 0..usize::from(messages % 5) {
        let message = SubmitSolution { coinbase_tx: &bytes[..usize::from(lengths[i]) * 257], ..Default::default() };
        let mut payload = vec![0; message.encoded_len().unwrap()];
        message.encode(&mut payload).unwrap();
        sent.push(payload);
        client.send(&message).unwrap();
    }
    let flip = (mode & 3 == 3).then_some(usize::from(flip) * 16);
    let changed = flip.is_some_and(|flip| flip < client.output_len());
    let arrived = pass(&mut client, &mut server, &mut cuts, flip);
    if changed {
        assert!(arrived.len() < sent.len() && sent.starts_with(&arrived));
        assert!(!server.is_established());
    } else {
        assert_eq!(arrived, sent);
    }
});
