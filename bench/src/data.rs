//! The messages that both sides work on, written out by hand so that neither encoder is taken at its word.

/// Elements in the large message.
const TRANSACTIONS: u16 = 3000;
/// Bytes of the large message's transactions, taken together.
const TRANSACTIONS_LEN: usize = 1_200_000;
/// Hashes in a job's merkle path: a block of about 3000 transactions.
const PATH_LEN: u8 = 12;
/// Bytes of a job's coinbase on either side of the extranonce.
const COINBASE_PART_LEN: u16 = 260;

/// One message as it stands on the wire.
pub struct Frame {
    /// Header and payload.
    pub bytes: Vec<u8>,
    /// `msg_type` of the header.
    pub message_type: u8,
}

impl Frame {
    fn new(message_type: u8, channel_msg: bool, payload: &[u8]) -> Self {
        let extension_type = if channel_msg { 0x8000_u16 } else { 0 };
        let len = u32::try_from(payload.len()).expect("short enough").to_le_bytes();
        let header = [&extension_type.to_le_bytes()[..], &[message_type], &len[..3]].concat();
        Self { bytes: [&header, payload].concat(), message_type }
    }

    /// What follows the header.
    pub fn payload(&self) -> &[u8] {
        &self.bytes[6..]
    }
}

/// SubmitSharesStandard: 24 bytes of payload.
pub fn share() -> Frame {
    let fields = [7, 1000, 42, 0xdead_beef, 1_785_542_400, 0x2000_0000_u32];
    Frame::new(0x1a, true, &fields.map(u32::to_le_bytes).concat())
}

/// NewExtendedMiningJob with a whole merkle path.
pub fn job() -> Frame {
    let mut bytes = Bytes::new();
    let mut payload = [7, 42_u32].map(u32::to_le_bytes).concat();
    payload.push(1); // min_ntime is there
    payload.extend(1_785_542_400_u32.to_le_bytes());
    payload.extend(0x2000_0000_u32.to_le_bytes());
    payload.push(1); // version_rolling_allowed
    payload.push(PATH_LEN);
    payload.extend(bytes.take(32 * usize::from(PATH_LEN)));
    for _ in 0..2 {
        payload.extend(COINBASE_PART_LEN.to_le_bytes());
        payload.extend(bytes.take(COINBASE_PART_LEN.into()));
    }
    Frame::new(0x1f, true, &payload)
}

/// RequestTransactionData.Success with a full block's transactions, of lengths that no processor can guess.
pub fn transactions() -> Frame {
    let mut bytes = Bytes::new();
    let mut payload = 5_u64.to_le_bytes().to_vec();
    payload.extend(0_u16.to_le_bytes()); // excess_data
    payload.extend(TRANSACTIONS.to_le_bytes());
    let usual = TRANSACTIONS_LEN / usize::from(TRANSACTIONS);
    let mut left = TRANSACTIONS_LEN;
    for i in 1..=TRANSACTIONS {
        let spread = usize::from(u16::from_le_bytes([bytes.next(), bytes.next()])) % usual;
        let len = if i == TRANSACTIONS { left } else { (usual / 2 + spread).min(left) };
        payload.extend(&u32::try_from(len).expect("short enough").to_le_bytes()[..3]);
        payload.extend(bytes.take(len));
        left -= len;
    }
    Frame::new(0x74, false, &payload)
}

/// Bytes without a pattern, the same in every run: xorshift64*.
struct Bytes(u64);

impl Bytes {
    fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    fn next(&mut self) -> u8 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 56) as u8
    }

    fn take(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next()).collect()
    }
}
