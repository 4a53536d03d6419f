//! Bytes to be sent: sealed ones that are ready, and behind them frames that are sealed when their turn comes.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::session::{SEALED_HEADER_LEN, sealed_len};
use crate::frame::{HEADER_LEN, Header};
use crate::noise::{CipherError, CipherState, MAC_LEN, MAX_CIPHERTEXT_LEN, MAX_PLAINTEXT_LEN};

/// Of queued frames no more is made ready at once than the longest Noise message and a header before it. Small ones go together.
const READY_LEN: usize = SEALED_HEADER_LEN + MAX_CIPHERTEXT_LEN;

/// Room in the queue that is not given back: what a new tip needs, so that it costs no allocation for each peer.
const QUEUE_KEPT: usize = 4;

#[derive(Default)]
pub(super) struct Output {
    ready: Vec<u8>,
    sent: usize,
    queue: VecDeque<Queued>,
    queued_len: usize,
    cipher: Cipher,
    /// The memory of `ready` stays, and no more is taken while what is sent can make room.
    kept: bool,
}

/// How frames become bytes on the wire.
#[derive(Default)]
enum Cipher {
    /// The handshake is not done: frames must wait.
    #[default]
    Closed,
    Plain,
    Sealed(CipherState),
}

/// A whole plaintext frame, of which the first bytes are already sealed.
struct Queued {
    frame: Arc<[u8]>,
    /// What the payload begins with for this peer, instead of what the frame says.
    own: Option<[u8; OWN_LEN]>,
    done: usize,
}

/// How many bytes of a shared frame's payload can be other ones for each peer: an id.
pub(super) const OWN_LEN: usize = 8;

impl Output {
    /// Frames go out as they are.
    pub(super) fn open(&mut self) {
        self.cipher = Cipher::Plain;
    }

    /// Frames go out sealed.
    pub(super) fn open_sealed(&mut self, send: CipherState) {
        self.cipher = Cipher::Sealed(send);
    }

    /// Reserves memory for `len` bytes of messages, none of them longer than `longest`, and keeps it. False if there is not so much.
    pub(super) fn keep(&mut self, len: usize, longest: usize) -> bool {
        let with_header_and_macs = SEALED_HEADER_LEN + sealed_len(longest).saturating_sub(longest);
        self.kept = self.ready.try_reserve_exact(len.saturating_add(with_header_and_macs)).is_ok();
        self.kept
    }

    /// Bytes that are no frame: the acts of the handshake.
    pub(super) fn push_plain(&mut self, bytes: &[u8]) {
        self.ready.extend_from_slice(bytes);
    }

    pub(super) fn push_shared(&mut self, frame: Arc<[u8]>, own: Option<[u8; OWN_LEN]>) {
        self.queued_len += frame.len();
        self.queue.push_back(Queued { frame, own, done: 0 });
    }

    /// A frame whose payload `write` fills; if it says false, nothing is sent.
    #[inline]
    pub(super) fn push_frame(
        &mut self,
        header: Header,
        write: impl FnOnce(&mut [u8]) -> bool,
    ) -> Result<bool, CipherError> {
        if !self.queue.is_empty() || matches!(self.cipher, Cipher::Closed) {
            return Ok(self.queue_frame(header, write));
        }
        let before = match &self.cipher {
            Cipher::Sealed(_) => HEADER_LEN + MAC_LEN,
            _ => HEADER_LEN,
        };
        self.make_room(before + sealed_len(header.payload_len));
        let base = self.ready.len();
        // The payload is written where its first Noise message will stand.
        self.ready.resize(base + before + header.payload_len, 0);
        let Some((head, payload)) = self.ready.get_mut(base..).and_then(|frame| frame.split_at_mut_checked(before))
        else {
            return Ok(false);
        };
        if !write(payload) {
            self.ready.truncate(base);
            return Ok(false);
        }
        if let Some(plain) = head.first_chunk_mut::<HEADER_LEN>() {
            *plain = header.to_bytes();
        }
        let Cipher::Sealed(cipher) = &mut self.cipher else { return Ok(true) };
        let sealed = cipher.seal_within(head).and_then(|()| seal_payload(cipher, &mut self.ready, base + before));
        if sealed.is_err() {
            self.ready.truncate(base);
        }
        sealed.map(|()| true)
    }

    #[cold]
    fn queue_frame(&mut self, header: Header, write: impl FnOnce(&mut [u8]) -> bool) -> bool {
        let mut frame = Vec::with_capacity(HEADER_LEN + header.payload_len);
        frame.extend_from_slice(&header.to_bytes());
        frame.resize(HEADER_LEN + header.payload_len, 0);
        let written = write(frame.get_mut(HEADER_LEN..).unwrap_or_default());
        if written {
            self.push_shared(frame.into(), None);
        }
        written
    }

    /// Makes more bytes ready if there are few.
    #[inline]
    pub(super) fn fill(&mut self) -> Result<(), CipherError> {
        if self.queue.is_empty() { Ok(()) } else { self.fill_from_queue() }
    }

    fn fill_from_queue(&mut self) -> Result<(), CipherError> {
        let mut sealer = match &mut self.cipher {
            Cipher::Closed => return Ok(()),
            Cipher::Plain => None,
            Cipher::Sealed(cipher) => Some(cipher.sealer()?),
        };
        if self.sent == self.ready.len() {
            self.ready.clear();
            self.sent = 0;
        }
        let room = READY_LEN.saturating_sub(self.ready.len());
        self.ready.reserve_exact(sealed_len_up_to(room, &self.queue));
        while let Some(first) = self.queue.front_mut() {
            let piece = first.piece();
            let start = self.ready.len();
            if start > 0 && start + piece.len() + MAC_LEN > READY_LEN {
                break;
            }
            self.ready.extend_from_slice(piece);
            first.write_own(self.ready.get_mut(start..).unwrap_or_default());
            if let Some(sealer) = &mut sealer {
                match sealer.seal(self.ready.get_mut(start..).unwrap_or_default()) {
                    Ok(mac) => self.ready.extend_from_slice(&mac),
                    Err(error) => {
                        // Nothing goes out that is not sealed.
                        self.ready.truncate(start);
                        return Err(error);
                    }
                }
            }
            let len = piece.len();
            self.queued_len -= len;
            first.done += len;
            if first.done == first.frame.len() {
                self.queue.pop_front();
            }
        }
        Ok(())
    }

    /// Whether all that waits will be ready with the next call of [`Output::fill`].
    pub(super) fn goes_out_at_once(&self) -> bool {
        let Some(room) = READY_LEN.checked_sub(self.ready.len()) else { return self.queue.is_empty() };
        sealed_len_up_to(room + 1, &self.queue) <= room
    }

    pub(super) fn lend(&mut self, memory: &mut Vec<u8>) {
        if self.ready.capacity() == 0 && !self.queue.is_empty() {
            core::mem::swap(&mut self.ready, memory);
        }
    }

    pub(super) fn give_back(&mut self, memory: &mut Vec<u8>) {
        if self.ready().is_empty() {
            let mut unused = core::mem::take(&mut self.ready);
            unused.clear();
            self.sent = 0;
            if memory.capacity() < unused.capacity() {
                *memory = unused;
            }
        }
    }

    #[inline]
    pub(super) fn ready(&self) -> &[u8] {
        self.ready.get(self.sent..).unwrap_or_default()
    }

    #[inline]
    pub(super) fn sent(&mut self, n: usize) -> bool {
        let left = self.ready.len() - self.sent;
        match n.cmp(&left) {
            core::cmp::Ordering::Less => {
                self.sent += n;
                self.forget_sent();
            }
            core::cmp::Ordering::Equal => {
                self.ready.clear();
                self.sent = 0;
            }
            core::cmp::Ordering::Greater => return false,
        }
        true
    }

    /// Bytes that were sent give way before kept memory grows.
    #[inline]
    fn make_room(&mut self, len: usize) {
        if self.kept && self.sent > 0 && self.ready.capacity() - self.ready.len() < len {
            self.ready.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// A peer that never catches up must not make the bytes it took pile up in front of those it did not.
    fn forget_sent(&mut self) {
        if self.sent >= READY_LEN && self.sent >= self.ready.len() - self.sent {
            self.ready.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// Bytes waiting, sealed or not.
    pub(super) fn len(&self) -> usize {
        self.ready.len() - self.sent + self.queued_len
    }

    pub(super) fn release_if_idle(&mut self) {
        if self.ready().is_empty() && !self.kept {
            self.ready = Vec::new();
            self.sent = 0;
        }
        if self.queue.is_empty() {
            self.queue.shrink_to(QUEUE_KEPT);
        }
    }
}

impl Queued {
    /// What becomes the next Noise message (spec 4.6): the header is one of its own, and so is every piece of the payload.
    fn piece(&self) -> &[u8] {
        let end = if self.done == 0 { HEADER_LEN } else { self.done + MAX_PLAINTEXT_LEN };
        self.frame.get(self.done..end.min(self.frame.len())).unwrap_or_default()
    }

    /// Puts what is this peer's own into a copy of [`Queued::piece`].
    fn write_own(&self, piece: &mut [u8]) {
        if let (Some(own), Some(start)) = (&self.own, piece.first_chunk_mut()) {
            if self.done == HEADER_LEN {
                *start = *own;
            }
        }
    }

    /// Bytes on the wire of what is left of it.
    fn sealed_len(&self) -> usize {
        let left = self.frame.len() - self.done;
        match self.done {
            0 => SEALED_HEADER_LEN + sealed_len(left.saturating_sub(HEADER_LEN)),
            _ => sealed_len(left),
        }
    }
}

/// Bytes on the wire of what is queued, or `most` if they are no fewer: a long queue is not counted to its end.
fn sealed_len_up_to(most: usize, queue: &VecDeque<Queued>) -> usize {
    let mut len = 0;
    for queued in queue {
        if len >= most {
            break;
        }
        len += queued.sealed_len();
    }
    len.min(most)
}

/// Seals the payload that stands at the end of `ready`, from `start`, as one or more Noise messages.
#[inline]
fn seal_payload(cipher: &mut CipherState, ready: &mut Vec<u8>, start: usize) -> Result<(), CipherError> {
    let len = ready.len() - start;
    ready.resize(start + sealed_len(len), 0);
    let pieces = len.div_ceil(MAX_PLAINTEXT_LEN);
    // The last piece moves first, so that none is written over.
    for piece in (1..pieces).rev() {
        let from = start + piece * MAX_PLAINTEXT_LEN;
        let to = (start + len).min(from + MAX_PLAINTEXT_LEN);
        ready.copy_within(from..to, start + piece * MAX_CIPHERTEXT_LEN);
    }
    for piece in ready.get_mut(start..).unwrap_or_default().chunks_mut(MAX_CIPHERTEXT_LEN) {
        cipher.seal_within(piece)?;
    }
    Ok(())
}
