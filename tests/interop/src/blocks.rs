//! Files of raw blocks: one block a line, in hex, the first one of height 1.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

/// The length of a block header.
pub const HEADER_LENGTH: usize = 80;

/// Reads every block of the file.
///
/// # Errors
/// That the file cannot be read, or which of its lines (from 1) is not hex.
pub fn read(file: &Path) -> io::Result<Vec<Vec<u8>>> {
    fs::read_to_string(file)?
        .lines()
        .enumerate()
        .map(|(index, line)| {
            hex::decode(line.trim()).map_err(|error| {
                let message = format!("{}:{}: {error}", file.display(), index + 1);
                io::Error::new(ErrorKind::InvalidData, message)
            })
        })
        .collect()
}

/// A copy of `block` with one bit flipped; bit 0 is the lowest of the first byte.
pub fn with_bit_flipped(block: &[u8], bit: usize) -> Vec<u8> {
    let mut copy = block.to_vec();
    copy[bit / 8] ^= 1 << (bit % 8);
    copy
}

/// Where `needle` begins in `block` for the first time.
pub fn position(block: &[u8], needle: &[u8]) -> Option<usize> {
    block.windows(needle.len()).position(|window| window == needle)
}
