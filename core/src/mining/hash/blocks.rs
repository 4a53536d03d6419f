//! A message in pieces, cut into blocks.

use super::Block;

/// The blocks of a message that is the concatenation of three parts, the middle one in pieces itself: the rest of what was
/// hashed before, the extranonce, and the end. The last blocks are padded.
pub(in crate::mining) struct Blocks<'a> {
    /// The piece that is being read.
    piece: &'a [u8],
    middle: &'a [&'a [u8]],
    end: Option<&'a [u8]>,
    /// Of the whole message, with what was hashed before, in bits.
    bits: u64,
    padding: Padding,
}

enum Padding {
    /// The message is not at its end.
    Ahead,
    /// The bit after it is written, the length is not.
    Begun,
    /// There are no more blocks.
    Done,
}

/// Where in the last block the length stands.
const LENGTH_OFFSET: usize = 56;

impl<'a> Blocks<'a> {
    /// Blocks of `start | middle | end`, before which `hashed` bytes, a multiple of 64, went into the state.
    pub fn new(hashed: usize, start: &'a [u8], middle: &'a [&'a [u8]], end: &'a [u8]) -> Self {
        let len = hashed + start.len() + middle.iter().map(|piece| piece.len()).sum::<usize>() + end.len();
        Self { piece: start, middle, end: Some(end), bits: 8 * len as u64, padding: Padding::Ahead }
    }

    /// Writes the next block, or says that there is none.
    pub fn next_into(&mut self, block: &mut Block) -> bool {
        let mut len = 0;
        while len < block.len() {
            if self.piece.is_empty() {
                let Some(piece) = self.next_piece() else { return self.pad(block, len) };
                self.piece = piece;
            } else {
                let (now, later) = self.piece.split_at(self.piece.len().min(block.len() - len));
                block[len..len + now.len()].copy_from_slice(now);
                len += now.len();
                self.piece = later;
            }
        }
        true
    }

    fn next_piece(&mut self) -> Option<&'a [u8]> {
        match self.middle.split_first() {
            Some((piece, later)) => {
                self.middle = later;
                Some(piece)
            }
            None => self.end.take(),
        }
    }

    /// Finishes a block that has `len` bytes of the message, fewer than 64: a 1 bit after the message, zeros, its length.
    fn pad(&mut self, block: &mut Block, len: usize) -> bool {
        let (message, rest) = block.split_at_mut(len);
        rest.fill(0);
        let end = match (&self.padding, rest.first_mut()) {
            (Padding::Done, _) => return false,
            (Padding::Ahead, Some(first)) => {
                *first = 0x80;
                message.len() + 1
            }
            _ => message.len(),
        };
        self.padding = if end <= LENGTH_OFFSET {
            block[LENGTH_OFFSET..].copy_from_slice(&self.bits.to_be_bytes());
            Padding::Done
        } else {
            Padding::Begun
        };
        true
    }
}
