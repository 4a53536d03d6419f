//! Base58check for exactly one thing: a 2-byte prefix and a 32-byte key (spec 4.7).
//!
//! Ours and not a crate's because the size is fixed: everything fits on the stack, a hostile string costs at most
//! 52 steps, and one more dependency for a page of code is a bad trade for those who audit the tree.

use bitcoin_hashes::Sha256d;

use super::keys::KeyError;

const ALPHABET: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
/// What the checksum covers: the prefix and the key.
pub(super) const PAYLOAD_LEN: usize = 34;
const CHECKSUM_LEN: usize = 4;
const DECODED_LEN: usize = PAYLOAD_LEN + CHECKSUM_LEN;
/// 38 bytes take at most ceil(38 * log(256) / log(58)) characters.
pub(super) const MAX_ENCODED_LEN: usize = 52;

/// The text of `payload` with its checksum, in the last bytes of the array; the number is where it begins.
pub(super) fn encode(payload: &[u8; PAYLOAD_LEN]) -> ([u8; MAX_ENCODED_LEN], usize) {
    let mut bytes = [0; DECODED_LEN];
    bytes[..PAYLOAD_LEN].copy_from_slice(payload);
    bytes[PAYLOAD_LEN..].copy_from_slice(&checksum(payload));

    let mut digits = [0; MAX_ENCODED_LEN];
    for byte in bytes {
        shift_in(&mut digits, 58, 256, u32::from(byte));
    }
    let start = leading_zeros(&digits) - leading_zeros(&bytes);
    (digits.map(|digit| ALPHABET[usize::from(digit)]), start)
}

/// The payload of `text`, whose checksum must be right.
pub(super) fn decode(text: &str) -> Result<[u8; PAYLOAD_LEN], KeyError> {
    let mut bytes = [0; DECODED_LEN];
    for (at, character) in text.bytes().enumerate() {
        let digit = ALPHABET.iter().position(|&c| c == character).ok_or(KeyError::Character { at })?;
        if at >= MAX_ENCODED_LEN || shift_in(&mut bytes, 256, 58, digit as u32) != 0 {
            return Err(KeyError::Length);
        }
    }
    // A leading zero byte is written as '1', so a number that does not fill the array is a shorter string.
    let ones = text.bytes().take_while(|&c| c == ALPHABET[0]).count();
    if ones != leading_zeros(&bytes) {
        return Err(KeyError::Length);
    }

    let mut payload = [0; PAYLOAD_LEN];
    payload.copy_from_slice(&bytes[..PAYLOAD_LEN]);
    if bytes[PAYLOAD_LEN..] != checksum(&payload) {
        return Err(KeyError::Checksum);
    }
    Ok(payload)
}

/// `number = number * factor + addend` for a big-endian number in the given base; returns what no longer fits.
fn shift_in(number: &mut [u8], base: u32, factor: u32, addend: u32) -> u32 {
    number.iter_mut().rev().fold(addend, |carry, digit| {
        let value = u32::from(*digit) * factor + carry;
        *digit = (value % base) as u8;
        value / base
    })
}

fn leading_zeros(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|&&byte| byte == 0).count()
}

/// The first four bytes of a double SHA-256.
fn checksum(payload: &[u8; PAYLOAD_LEN]) -> [u8; CHECKSUM_LEN] {
    let [a, b, c, d, ..] = Sha256d::hash(payload).to_byte_array();
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_payload_comes_back_also_with_leading_zeros_and_the_largest_one() {
        let mut cases = [[0u8; PAYLOAD_LEN]; 4];
        cases[1] = [0xff; PAYLOAD_LEN];
        cases[2][PAYLOAD_LEN - 1] = 1;
        cases[3][5] = 7;
        for payload in cases {
            let (characters, start) = encode(&payload);
            let string = core::str::from_utf8(&characters[start..]).unwrap();
            assert_eq!(decode(string), Ok(payload), "{string}");
        }
    }

    #[test]
    fn a_leading_one_too_many_or_too_few_is_a_wrong_length() {
        let mut payload = [9; PAYLOAD_LEN];
        payload[0] = 0;
        let (characters, start) = encode(&payload);
        let string = core::str::from_utf8(&characters[start..]).unwrap();
        assert!(string.starts_with('1'));
        assert_eq!(decode(&string[1..]), Err(KeyError::Length));
        let longer = alloc::format!("1{string}");
        assert_eq!(decode(&longer), Err(KeyError::Length));
    }
}
