//! Hashes, CompactSize, headers and targets.

mod bitcoin_data;

use bitcoin_data::{hex, rpc_hash};
use sv2_core::bitcoin::{ErrorKind, Hash, Header, RpcHex, Sha256d, Target, compact_size, from_rpc_hex, sha256d};

fn genesis() -> Header {
    Header {
        version: 1,
        prev_hash: [0; 32],
        merkle_root: rpc_hash("4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b"),
        time: 1231006505,
        nbits: 0x1d00ffff,
        nonce: 2083236893,
    }
}

#[test]
fn a_hash_is_printed_reversed_and_read_back() {
    let mut hash: Hash = [0; 32];
    hash[0] = 0xab;
    hash[31] = 0x01;
    let printed = RpcHex(hash).to_string();
    assert_eq!(printed, "01000000000000000000000000000000000000000000000000000000000000ab");
    assert_eq!(from_rpc_hex(&printed), Some(hash));
    assert_eq!(from_rpc_hex(&printed.to_uppercase()), Some(hash));
    assert_eq!(from_rpc_hex(&printed[1..]), None);
    assert_eq!(from_rpc_hex(&printed.replace('a', "g")), None);
    assert_eq!(from_rpc_hex(&printed.replacen("00", "é", 1)), None);
}

#[test]
fn hashing_in_pieces_gives_the_same_hash() {
    let bytes: Vec<u8> = (0..=255).collect();
    assert_eq!(RpcHex(sha256d(b"")).to_string(), "56944c5d3f98413ef45cf54545538103cc9f298e0575820ad3591376e2e0f65d");
    for cut in [0, 1, 63, 64, 65, 128, 256] {
        let first = Sha256d::new().with(&bytes[..cut]);
        assert_eq!(first.clone().with(&bytes[cut..]).finish(), sha256d(&bytes));
        assert_eq!(first.finish(), sha256d(&bytes[..cut]));
    }
}

#[test]
fn a_compact_size_takes_its_shortest_form() {
    let forms = [
        (0, "00"),
        (0xfc, "fc"),
        (0xfd, "fdfd00"),
        (0xffff, "fdffff"),
        (0x1_0000, "fe00000100"),
        (0xffff_ffff, "feffffffff"),
        (0x1_0000_0000, "ff0000000001000000"),
        (u64::MAX, "ffffffffffffffffff"),
    ];
    for (value, form) in forms {
        let form = hex(form);
        assert_eq!(*compact_size::write(value), *form);
        assert_eq!(compact_size::size(value), form.len());
        assert_eq!(compact_size::read(&form), Ok((value, form.len())));
        let longer = [form.as_slice(), &[0xaa]].concat();
        assert_eq!(compact_size::read(&longer), Ok((value, form.len())), "what follows is not its business");
        for cut in 0..form.len() {
            assert_eq!(compact_size::read(&form[..cut]).unwrap_err().kind, ErrorKind::UnexpectedEnd);
        }
    }
    for longer in ["fd0000", "fdfc00", "fe00000000", "feffff0000", "ff0000000000000000", "ffffffffff00000000"] {
        let error = compact_size::read(&hex(longer)).unwrap_err();
        assert_eq!((error.kind, error.offset), (ErrorKind::NonMinimalCompactSize, 0), "{longer}");
    }
}

#[test]
fn the_genesis_header_has_its_bytes_and_its_hash() {
    let bytes = hex(concat!(
        "01000000",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "3ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a",
        "29ab5f49",
        "ffff001d",
        "1dac2b7c",
    ));
    let header = genesis();
    assert_eq!(header.to_bytes(), *bytes);
    assert_eq!(Header::from_bytes(&bytes.try_into().unwrap()), header);
    let hash = header.hash();
    assert_eq!(RpcHex(hash).to_string(), "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f");
    assert!(header.target().unwrap().is_met_by(&hash));
    let other = Header { nonce: header.nonce + 1, ..header };
    assert!(!other.target().unwrap().is_met_by(&other.hash()));
}

#[test]
fn nbits_expand_to_the_target_they_stand_for() {
    // nbits, the target's hex from its first digit that is not zero, and the nbits of that target.
    let targets = [
        (0x01123456, "12", 0x01120000),
        (0x02123456, "1234", 0x02123400),
        (0x02008000, "80", 0x02008000),
        (0x03123456, "123456", 0x03123456),
        (0x03000080, "80", 0x02008000),
        (0x04123456, "12345600", 0x04123456),
        (0x05009234, "92340000", 0x05009234),
        (0x04000001, "100", 0x02010000),
        (0x1d00ffff, "ffff0000000000000000000000000000000000000000000000000000", 0x1d00ffff),
        (0x1b0404cb, "404cb000000000000000000000000000000000000000000000000", 0x1b0404cb),
        (0x207fffff, "7fffff0000000000000000000000000000000000000000000000000000000000", 0x207fffff),
        (0x20123456, "1234560000000000000000000000000000000000000000000000000000000000", 0x20123456),
        (0x2100ffff, "ffff000000000000000000000000000000000000000000000000000000000000", 0x2100ffff),
        (0x220000ff, "ff00000000000000000000000000000000000000000000000000000000000000", 0x2100ff00),
    ];
    for (nbits, digits, canonical) in targets {
        let target = Target::from_nbits(nbits).unwrap();
        assert_eq!(target.to_string(), format!("{digits:0>64}"), "{nbits:#010x}");
        assert_eq!(target.to_nbits(), canonical, "{nbits:#010x}");
        assert_eq!(Target::from_nbits(canonical), Some(target), "{nbits:#010x}");
    }
}

#[test]
fn nbits_that_are_zero_negative_or_too_large_stand_for_no_target() {
    let zero = [
        0x00000000, 0x00123456, 0x01003456, 0x02000056, 0x03000000, 0x04000000, 0x00923456, 0x01803456, 0x02800056,
        0x03800000, 0x04800000, 0xff000000, 0xff800000,
    ];
    let negative = [0x01fedcba, 0x02923456, 0x03923456, 0x04923456, 0x20ffffff, 0x03800001];
    let too_large = [0xff123456, 0x23000001, 0x22000100, 0x2200ffff, 0x21010000, 0x2100ffff + (1 << 16), 0xff7fffff];
    for nbits in zero.into_iter().chain(negative).chain(too_large) {
        assert_eq!(Target::from_nbits(nbits), None, "{nbits:#010x}");
    }
}

#[test]
fn nbits_round_a_target_down_to_its_first_three_bytes() {
    let target = |low: &[u8]| {
        let mut bytes = [0; 32];
        bytes[..low.len()].copy_from_slice(low);
        Target(bytes)
    };
    assert_eq!(target(&[]).to_nbits(), 0);
    assert_eq!(target(&[0x80]).to_nbits(), 0x02008000);
    assert_eq!(target(&[0x7f]).to_nbits(), 0x017f0000);
    assert_eq!(target(&[0xff, 0xff, 0xff, 0x7f]).to_nbits(), 0x047fffff);
    assert_eq!(target(&[0xff, 0xff, 0xff, 0x80]).to_nbits(), 0x050080ff);
    assert_eq!(Target::MAX.to_nbits(), 0x2100ffff);
}

#[test]
fn targets_are_compared_as_numbers() {
    let one = |place: usize| {
        let mut bytes = [0; 32];
        bytes[place] = 1;
        Target(bytes)
    };
    for place in 1..32 {
        assert!(one(place - 1) < one(place));
        assert!(one(place).is_met_by(&one(place - 1).0));
        assert!(one(place).is_met_by(&one(place).0), "equal is enough");
        assert!(!one(place - 1).is_met_by(&one(place).0));
    }
    assert!(one(31) < Target::MAX);
    assert!(Target::MAX.is_met_by(&[0xff; 32]));
    assert!(Target::default().is_met_by(&[0; 32]));
}

#[test]
fn difficulty_is_what_a_node_shows() {
    let shown = [
        (0x1d00ffff, 1.0),
        (0x1b0404cb, 16307.420938523983),
        (0x1f111111, 65535.0 / 1118481.0 / 65536.0),
        (0x207fffff, 4.6565423739069247e-10),
        (0x12345678, 5913134931067755359633408.0),
        (0x180526fd, 213398925331.3239),
    ];
    for (nbits, difficulty) in shown {
        let found = Target::from_nbits(nbits).unwrap().difficulty();
        assert!((found / difficulty - 1.0).abs() < 1e-6, "{nbits:#x}: {found} is not {difficulty}");
    }
    assert_eq!(Target::from_nbits(0x1b0404cb).unwrap().difficulty(), 16307.420938523983);
    assert_eq!(Target::default().difficulty(), f64::INFINITY);
}

#[test]
fn a_difficulty_gives_its_target() {
    assert_eq!(Target::from_difficulty(1.0), Target::from_nbits(0x1d00ffff));
    let half = Target::from_difficulty(0.5).unwrap();
    assert_eq!(half.to_string(), format!("{:0>64}", "1fffe".to_owned() + &"0".repeat(52)));
    // Far down, where only a part of the significand is left.
    assert_eq!(Target::from_difficulty(65535.0 * 2_f64.powi(208)), Some(Target::from_nbits(0x01010000).unwrap()));
    assert_eq!(Target::from_difficulty(65535.0 * 2_f64.powi(207) / 3.7).unwrap().to_nbits(), 0x01070000);
    for difficulty in [1e-9, 0.001, 1.0, 3.0, 1234.5678, 1e9, 2.5e14, 1e40, 1e50] {
        let target = Target::from_difficulty(difficulty).unwrap();
        assert!((target.difficulty() / difficulty - 1.0).abs() < 1e-12, "{difficulty}");
    }
    assert_eq!(Target::from_difficulty(1e-30), Some(Target::MAX));
    for none in [0.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e70] {
        assert_eq!(Target::from_difficulty(none), None, "{none}");
    }
}
