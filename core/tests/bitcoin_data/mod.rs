//! What the tests of the bitcoin room share: hex, recorded data, and transactions written out by hand.
#![allow(dead_code)] // each test program uses a part of it

use std::io::Write;
use std::path::PathBuf;

use sv2_core::bitcoin::{Hash, from_rpc_hex};

pub fn hex(digits: &str) -> Vec<u8> {
    assert_eq!(digits.len() % 2, 0, "an odd number of hex digits");
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

pub fn rpc_hash(digits: &str) -> Hash {
    from_rpc_hex(digits).unwrap()
}

/// A file of the recorded data, or `None` and a line that says so where there is none.
pub fn recorded(name: &str) -> Option<Vec<u8>> {
    let bytes = recorded_file(name);
    if bytes.is_none() {
        // Past the test harness, which shows what a passing test prints to nobody.
        std::io::stderr().write_all(b"skipped: SV2_DATA is not set\n").unwrap();
    }
    bytes
}

fn recorded_file(name: &str) -> Option<Vec<u8>> {
    let path = PathBuf::from(std::env::var_os("SV2_DATA")?).join(name);
    Some(std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// Templates of a regtest node, and the blocks that it mined from them.
pub struct Record {
    pub height: u32,
    pub block: Vec<u8>,
    pub hash: Hash,
    pub merkle_root: Hash,
    pub prev_hash: Hash,
    pub nbits: u32,
    pub target: Hash,
    pub coinbase_value: u64,
    pub commitment_script: Vec<u8>,
    pub transactions: Vec<RecordedTransaction>,
}

pub struct RecordedTransaction {
    pub bytes: Vec<u8>,
    pub txid: Hash,
    pub wtxid: Hash,
    pub weight: usize,
}

/// The few records in the repository, or all of them if they are there.
pub fn records() -> Vec<Record> {
    let json = recorded_file("regtest_templates.json")
        .unwrap_or_else(|| include_bytes!("../../../tests/vectors/bitcoin/regtest_templates.json").to_vec());
    let file: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let records: Vec<Record> = file["records"].as_array().unwrap().iter().map(record).collect();
    assert!(records.len() >= 3);
    records
}

fn record(record: &serde_json::Value) -> Record {
    let template = &record["getblocktemplate"];
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    Record {
        height: record["height"].as_u64().unwrap().try_into().unwrap(),
        block: hex(&text(&record["block"])),
        hash: rpc_hash(&text(&record["hash"])),
        merkle_root: rpc_hash(&text(&record["merkleroot"])),
        prev_hash: rpc_hash(&text(&template["previousblockhash"])),
        nbits: u32::from_str_radix(&text(&template["bits"]), 16).unwrap(),
        target: rpc_hash(&text(&template["target"])),
        coinbase_value: template["coinbasevalue"].as_u64().unwrap(),
        commitment_script: hex(&text(&template["default_witness_commitment"])),
        transactions: template["transactions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|transaction| RecordedTransaction {
                bytes: hex(&text(&transaction["data"])),
                txid: rpc_hash(&text(&transaction["txid"])),
                wtxid: rpc_hash(&text(&transaction["hash"])),
                weight: transaction["weight"].as_u64().unwrap().try_into().unwrap(),
            })
            .collect(),
    }
}

/// The first transaction of the block chain: the coinbase of the genesis block.
pub const GENESIS_COINBASE: &str = concat!(
    "01000000",
    "01",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "ffffffff",
    "4d",
    "04ffff001d0104455468652054696d65732030332f4a616e2f32303039204368616e63656c6c6f72206f6e20",
    "6272696e6b206f66207365636f6e64206261696c6f757420666f722062616e6b73",
    "ffffffff",
    "01",
    "00f2052a01000000",
    "43",
    "4104678afdb0fe5548271967f1a67130b7105cd6a828e03909a67962e0ea1f61deb649f6bc3f4cef38c4f35504e51ec1",
    "12de5c384df7ba0b8d578a4c702b6bf11d5fac",
    "00000000",
);

/// The native P2WPKH example of BIP 143: two inputs, of which the first has no witness.
pub const BIP143_P2WPKH: &str = concat!(
    "01000000",
    "0001",
    "02",
    "fff7f7881a8099afa6940d42d1e7f6362bec38171ea3edf433541db4e4ad969f",
    "00000000",
    "49",
    "4830450221008b9d1dc26ba6a9cb62127b02742fa9d754cd3bebf337f7a55d114c8e5cdd30be022040529b194ba3f928",
    "1a99f2b1c0a19c0489bc22ede944ccf4ecbab4cc618ef3ed01",
    "eeffffff",
    "ef51e1b804cc89d182d279655c3aa89e815b1b309fe287d9b2b55d57b90ec68a",
    "01000000",
    "00",
    "ffffffff",
    "02",
    "202cb20600000000",
    "19",
    "76a9148280b37df378db99f66f85c95a783a76ac7a6d5988ac",
    "9093510d00000000",
    "19",
    "76a9143bde42dbee7e4dbe6a21b2d50ce2f0167faa815988ac",
    "00",
    "02",
    "47",
    "304402203609e17b84f6a7d30c80bfa610b5b4542f32a8a0d5447a12fb1366d7f01cc44a0220573a954c451833156140",
    "6f90300e8f3358f51928d43c212a8caed02de67eebee01",
    "21",
    "025476c2e83188368da1ff3e292e7acafcdb3566bb0ad253f62fc70f07aeee6357",
    "11000000",
);

/// Numbers that look random and are the same every time (xorshift).
pub struct Numbers(pub u64);

impl Numbers {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// `bytes` with one to four changes: a bit flipped, a byte set to one that means something, a cut, a doubled part.
    pub fn mutate(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len().max(1));
            match (self.below(4), bytes.get_mut(at)) {
                (0, Some(byte)) => *byte ^= 1 << self.below(8),
                (1, Some(byte)) => *byte = [0, 1, 2, 0x7f, 0xfc, 0xfd, 0xfe, 0xff][self.below(8)],
                (2, _) => bytes.truncate(at),
                _ => {
                    let part = bytes[at..(at + 9).min(bytes.len())].to_vec();
                    bytes.splice(at..at, part);
                }
            }
        }
        bytes
    }
}
