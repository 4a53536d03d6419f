//! Shares against their jobs, on recorded blocks: what is a block, a share, or nothing, and why.

mod bitcoin_data;

use bitcoin_data::{Numbers, recorded};
use sv2_core::bitcoin::{Block, Hash, Target, merkle_path, sha256d};
use sv2_core::message::{NewExtendedMiningJob, NewTemplate, error_code};
use sv2_core::mining::job::{ExtendedJob, JobFactory, Payout};
use sv2_core::mining::share::{
    Checked, Duplicates, Insertion, NtimeRule, Share, ShareError, ShareWork, Tip, check, check_many,
};
use sv2_core::mining::{VERSION_ROLLING_MASK, VERSION_ROLLING_MASK_BIP320};
use sv2_core::wire::{List, U256};

/// Where the last eight bytes of the scriptSig begin and end.
fn extranonce_of(coinbase: &[u8]) -> std::ops::Range<usize> {
    let script_sig_len = usize::from(coinbase[41]);
    42 + script_sig_len - 8..42 + script_sig_len
}

const NOW: u32 = 1_700_000_000;
const VERSION: u32 = 0x2000_0000;
const PREFIX: [u8; 4] = [1, 2, 3, 4];
const ROLLED: [u8; 8] = [5; 8];
/// The easiest target of regtest: every second hash or so meets it.
const REGTEST: u32 = 0x207f_ffff;
/// What no hash meets.
const NO_HASH: Target = Target([0; 32]);
/// A target that no test meets.
const HARD: u32 = 0x0300_0001;

/// A job with a full extranonce of 12 bytes; another one for each salt.
fn job(salt: u32, version_rolling: bool) -> ExtendedJob {
    job_with_path(salt, version_rolling, &[U256([7; 32]), U256([8; 32])])
}

fn job_with_path(salt: u32, version_rolling: bool, path: &[U256]) -> ExtendedJob {
    let template = NewTemplate {
        version: VERSION,
        coinbase_prefix: &[1, 101],
        coinbase_tx_value_remaining: 50,
        merkle_path: List::Items(path),
        ..Default::default()
    };
    let factory = JobFactory::new("pool", "", 12).unwrap().with_version_rolling(version_rolling);
    factory.job(&template, &Payout::single(&[0x51]).unwrap(), salt).unwrap()
}

fn tip(nbits: u32) -> Tip {
    Tip::new([3; 32], nbits, NOW, None, u64::from(NOW)).unwrap()
}

fn work<'a>(job: &'a ExtendedJob, tip: &'a Tip, target: &'a Target) -> ShareWork<'a> {
    ShareWork {
        job,
        extranonce_prefix: &PREFIX,
        extranonce_size: 8,
        merkle_root: None,
        tip,
        ntime_rule: NtimeRule::FutureBlockTime,
        version_mask: VERSION_ROLLING_MASK,
        target,
    }
}

fn share() -> Share<'static> {
    Share { nonce: 9, ntime: NOW, version: VERSION, extranonce: &ROLLED }
}

#[test]
fn a_share_that_is_a_block_of_mainnet_is_found_to_be_that_block() {
    let Some(bytes) = recorded("block413567.raw") else { return };
    let block = Block::parse(&bytes).unwrap();
    let txids: Vec<Hash> = block.transactions.skip(1).map(|transaction| transaction.txid()).collect();
    let path: Vec<U256> = merkle_path(&txids).into_iter().map(U256).collect();
    let coinbase = block.transactions.clone().next().unwrap().as_bytes();
    let extranonce = extranonce_of(coinbase);
    let header = block.header;
    let message = NewExtendedMiningJob {
        version: header.version,
        version_rolling_allowed: true,
        merkle_path: List::Items(&path),
        coinbase_tx_prefix: &coinbase[..extranonce.start],
        coinbase_tx_suffix: &coinbase[extranonce.end..],
        ..Default::default()
    };
    let job = ExtendedJob::upstream(&message, 8).unwrap();
    let tip = Tip::new(header.prev_hash, header.nbits, header.time, None, 0).unwrap();
    let work = ShareWork {
        job: &job,
        extranonce_prefix: &coinbase[extranonce.start..][..3],
        extranonce_size: 5,
        merkle_root: None,
        tip: &tip,
        ntime_rule: NtimeRule::FutureBlockTime,
        version_mask: VERSION_ROLLING_MASK,
        target: &NO_HASH,
    };
    let share = Share {
        nonce: header.nonce,
        ntime: header.time,
        version: header.version,
        extranonce: &coinbase[extranonce.start + 3..extranonce.end],
    };
    assert_eq!(work.header(&share), header);
    assert_eq!(check(&work, &share, 0), Ok(Checked { hash: header.hash(), is_block: true }));
    let other = Share { nonce: header.nonce + 1, ..share };
    assert_eq!(check(&work, &other, 0), Err(ShareError::DifficultyTooLow));
}

#[test]
fn the_first_fault_in_the_order_of_checks_is_the_one_that_is_told() {
    let (job, tip) = (job(0, true), tip(HARD));
    let work = work(&job, &tip, &NO_HASH);
    let mut share = Share { nonce: 9, ntime: NOW - 1, version: VERSION ^ 1, extranonce: &ROLLED[1..] };
    assert_eq!(check(&work, &share, 0), Err(ShareError::BadExtranonceSize));
    share.extranonce = &ROLLED;
    assert_eq!(check(&work, &share, 0), Err(ShareError::NtimeOutOfRange));
    share.ntime = NOW;
    assert_eq!(check(&work, &share, 0), Err(ShareError::NonRollableVersionBit));
    share.version = VERSION;
    assert_eq!(check(&work, &share, 0), Err(ShareError::DifficultyTooLow));
    let easy = ShareWork { target: &Target::MAX, ..work };
    assert_eq!(check(&easy, &share, 0), Ok(Checked { hash: work.header(&share).hash(), is_block: false }));
}

#[test]
fn every_error_has_the_string_that_miners_know() {
    for (error, code) in [
        (ShareError::InvalidChannelId, "invalid-channel-id"),
        (ShareError::StaleShare, "stale-share"),
        (ShareError::InvalidJobId, "invalid-job-id"),
        (ShareError::BadExtranonceSize, "bad-extranonce-size"),
        (ShareError::NtimeOutOfRange, "invalid-share"),
        (ShareError::VersionRollingNotAllowed, "version-rolling-not-allowed"),
        (ShareError::NonRollableVersionBit, "invalid-non-rollable-version-bit"),
        (ShareError::DifficultyTooLow, "difficulty-too-low"),
        (ShareError::DuplicateShare, "duplicate-share"),
    ] {
        assert_eq!((error.code(), error.to_string().as_str()), (code, code));
        assert!(ShareError::ALL.contains(&error));
    }
    assert_eq!(error_code::INVALID_SHARE, "invalid-share");
}

#[test]
fn an_extranonce_of_any_other_size_is_refused() {
    let (job, tip) = (job(0, true), tip(HARD));
    let work = work(&job, &tip, &Target::MAX);
    for len in (0..=32).filter(|len| *len != 8) {
        let extranonce = vec![0; len];
        let share = Share { extranonce: &extranonce, ..share() };
        assert_eq!(check(&work, &share, 0), Err(ShareError::BadExtranonceSize), "{len} bytes");
    }
}

#[test]
fn ntime_runs_from_min_ntime_for_two_hours() {
    let (job, tip) = (job(0, true), tip(HARD));
    let work = work(&job, &tip, &Target::MAX);
    let at = |ntime| check(&work, &Share { ntime, ..share() }, 0).map(|_| ());
    for ntime in [NOW, NOW + 1, NOW + 7_200] {
        assert_eq!(at(ntime), Ok(()), "{ntime}");
    }
    for ntime in [0, NOW - 1, NOW + 7_201, u32::MAX] {
        assert_eq!(at(ntime), Err(ShareError::NtimeOutOfRange), "{ntime}");
    }
}

#[test]
fn a_tip_of_more_than_two_hours_goes_on_being_mined() {
    let (job, tip) = (job(0, true), tip(HARD));
    let work = work(&job, &tip, &Target::MAX);
    let at = |ntime, now: u32| check(&work, &Share { ntime, ..share() }, now.into()).map(|_| ());
    for elapsed in [7_200, 7_201, 86_400] {
        assert_eq!(at(NOW + elapsed, NOW + elapsed), Ok(()), "{elapsed}");
        assert_eq!(at(NOW + elapsed + 1, NOW + elapsed), Err(ShareError::NtimeOutOfRange), "{elapsed}");
    }
    // Where min_ntime was in the past when it came, the time of day is allowed nevertheless.
    let tip = Tip { min_ntime: NOW - 3_600, ..tip };
    let work = ShareWork { tip: &tip, ..work };
    assert!(check(&work, &Share { ntime: NOW + 7_000, ..share() }, u64::from(NOW) + 7_000).is_ok());
}

#[test]
fn a_strict_server_lets_ntime_run_with_the_clock() {
    let (job, tip) = (job(0, true), tip(HARD));
    let work = ShareWork { ntime_rule: NtimeRule::SinceReceived, ..work(&job, &tip, &Target::MAX) };
    let at = |ntime, now: u32| check(&work, &Share { ntime, ..share() }, now.into()).map(|_| ());
    assert_eq!(at(NOW, NOW), Ok(()));
    assert_eq!(at(NOW + 1, NOW), Err(ShareError::NtimeOutOfRange));
    assert_eq!(at(NOW + 60, NOW + 60), Ok(()));
    assert_eq!(at(NOW + 61, NOW + 60), Err(ShareError::NtimeOutOfRange));
    assert_eq!(at(NOW - 1, NOW + 60), Err(ShareError::NtimeOutOfRange));
    // A clock that went back allows what it allowed at first.
    assert_eq!(at(NOW, NOW - 100), Ok(()));
}

#[test]
fn the_end_of_time_is_no_overflow() {
    let job = job(0, true);
    let late = Tip { min_ntime: u32::MAX - 5, ..tip(HARD) };
    for rule in [NtimeRule::FutureBlockTime, NtimeRule::SinceReceived] {
        assert_eq!(rule.latest(&late, u64::MAX), u32::MAX);
        let work = ShareWork { ntime_rule: rule, ..work(&job, &late, &Target::MAX) };
        assert!(check(&work, &Share { ntime: u32::MAX, ..share() }, u64::MAX).is_ok());
    }
}

#[test]
fn just_the_bits_of_the_mask_may_be_rolled() {
    let (job, tip) = (job(0, true), tip(HARD));
    for (mask, bits) in [(VERSION_ROLLING_MASK, 5..29), (VERSION_ROLLING_MASK_BIP320, 13..29)] {
        let work = ShareWork { version_mask: mask, ..work(&job, &tip, &Target::MAX) };
        for bit in 0..32 {
            let share = Share { version: VERSION ^ 1 << bit, ..share() };
            let expected = if bits.contains(&bit) { Ok(()) } else { Err(ShareError::NonRollableVersionBit) };
            assert_eq!(check(&work, &share, 0).map(|_| ()), expected, "bit {bit} of {mask:#x}");
        }
        assert!(check(&work, &Share { version: VERSION ^ mask, ..share() }, 0).is_ok());
    }
}

#[test]
fn where_no_version_may_be_rolled_there_is_one_version() {
    let (job, tip) = (job(0, false), tip(HARD));
    let work = work(&job, &tip, &Target::MAX);
    assert!(check(&work, &share(), 0).is_ok());
    for bit in 0..32 {
        let share = Share { version: VERSION ^ 1 << bit, ..share() };
        assert_eq!(check(&work, &share, 0), Err(ShareError::VersionRollingNotAllowed), "bit {bit}");
    }
}

#[test]
fn a_block_is_a_block_whatever_the_target_of_the_share() {
    let (job, tip) = (job(0, true), tip(REGTEST));
    let work = work(&job, &tip, &NO_HASH);
    let verdicts: Vec<_> = (0..50).map(|nonce| check(&work, &Share { nonce, ..share() }, 0)).collect();
    assert!(verdicts.iter().filter_map(|verdict| verdict.ok()).all(|checked| checked.is_block));
    assert!(verdicts.iter().any(Result::is_ok) && verdicts.contains(&Err(ShareError::DifficultyTooLow)));
}

#[test]
fn a_template_may_ask_for_more_than_nbits_does() {
    let job = job(0, true);
    let network = Target::from_nbits(REGTEST).unwrap();
    let easy = tip(REGTEST);
    // A hash that is a block by nBits, and the target just below it.
    let found = (0..).find_map(|nonce| {
        let share = Share { nonce, ..share() };
        let checked = check(&work(&job, &easy, &NO_HASH), &share, 0).ok()?;
        Some((share, checked.hash))
    });
    let (share, hash) = found.unwrap();
    let mut below = hash;
    let lowest = below.iter().position(|byte| *byte > 0).unwrap();
    below[..lowest].fill(0xff);
    below[lowest] -= 1;
    let verdict = |target| {
        let tip = Tip::new([3; 32], REGTEST, NOW, Some(target), 0).unwrap();
        check(&work(&job, &tip, &Target::MAX), &share, 0).map(|checked| checked.is_block)
    };
    assert_eq!(verdict(Target(hash)), Ok(true), "a hash meets the target that it is");
    assert_eq!(verdict(Target(below)), Ok(false));
    assert_eq!(verdict(Target::MAX), Ok(true), "an easier target than that of nBits does not count");
    assert_eq!(Tip::new([3; 32], REGTEST, NOW, Some(Target::MAX), 0).unwrap().block_target, network);
    assert_eq!(Tip::new([3; 32], 0, NOW, None, 0), None, "nBits of zero stand for no target");
}

#[test]
fn a_standard_channel_is_judged_by_the_root_that_it_was_sent() {
    let (job, tip) = (job(0, true), tip(HARD));
    let prefix = [6; 12];
    let root = job.merkle_root(&[&prefix]);
    let hashed = ShareWork { extranonce_prefix: &prefix, extranonce_size: 0, ..work(&job, &tip, &Target::MAX) };
    let known = ShareWork { merkle_root: Some(&root), ..hashed };
    let share = Share { extranonce: &[], ..share() };
    assert_eq!(check(&known, &share, 0), check(&hashed, &share, 0));
    assert_eq!(known.header(&share).merkle_root, root);
    assert_eq!(known.solution(&share).unwrap().unwrap().coinbase_tx, job.coinbase(&[&prefix]).unwrap());
}

#[test]
fn shares_in_a_batch_get_the_verdicts_that_they_get_alone() {
    let long: Vec<U256> = (0..12).map(|i| U256([i; 32])).collect();
    let jobs =
        [job(0, true), job(1, true), job(70_000, false), job_with_path(0, true, &[]), job_with_path(0, true, &long)];
    let root = jobs[0].merkle_root(&[&PREFIX, &ROLLED]);
    let tips = [tip(REGTEST), tip(HARD)];
    let targets = [Target::MAX, Target::default()];
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let rolled: Vec<[u8; 8]> = (0..4).map(|_| numbers.next().to_le_bytes()).collect();
    for count in (0..70).chain([200]) {
        // Runs of one job now and then, as in life, and everything mixed otherwise.
        let steady = numbers.below(2) == 0;
        let shares: Vec<(ShareWork<'_>, Share<'_>)> = (0..count)
            .map(|_| {
                let job = if steady { &jobs[0] } else { &jobs[numbers.below(jobs.len())] };
                let mut work = work(job, &tips[numbers.below(2)], &targets[numbers.below(2)]);
                work.merkle_root = (numbers.below(8) == 0).then_some(&root);
                let mut share =
                    Share { nonce: numbers.next() as u32, extranonce: &rolled[numbers.below(4)], ..share() };
                match numbers.below(12) {
                    0 => share.version ^= 1,
                    1 => share.ntime -= 1,
                    2 => share.extranonce = &[],
                    3 => share.version ^= 1 << 20,
                    _ => {}
                }
                (work, share)
            })
            .collect();
        let alone: Vec<_> = shares.iter().map(|(work, share)| check(work, share, 0)).collect();
        let mut verdicts = vec![Err(ShareError::InvalidChannelId); count];
        check_many(&shares, 0, &mut verdicts);
        assert_eq!(verdicts, alone);
        for ((work, share), verdict) in shares.iter().zip(&verdicts) {
            if let Ok(checked) = verdict {
                assert_eq!(checked.hash, sha256d(&work.header(share).to_bytes()));
            }
        }
        let mut fewer = vec![Err(ShareError::InvalidChannelId); count / 2];
        check_many(&shares, 0, &mut fewer);
        assert_eq!(fewer, alone[..count / 2]);
    }
}

#[test]
fn a_share_that_was_there_is_known_again_until_the_set_is_full() {
    let mut duplicates = Duplicates::new(100_000);
    let mut numbers = Numbers(77);
    let hashes: Vec<Hash> = (0..100_000).map(|_| sha256d(&numbers.next().to_le_bytes())).collect();
    assert!(duplicates.is_empty() && !duplicates.contains(&hashes[0]));
    for (i, hash) in hashes.iter().enumerate() {
        let expected = if i + 1 == hashes.len() { Insertion::Last } else { Insertion::New };
        assert_eq!(duplicates.insert(hash), expected);
        assert_eq!(duplicates.insert(hash), Insertion::Duplicate);
        assert_eq!(duplicates.len(), i + 1);
    }
    assert!(hashes.iter().all(|hash| duplicates.contains(hash)));
    assert_eq!(duplicates.insert(&[1; 32]), Insertion::Full);
    assert!(!duplicates.contains(&[1; 32]) && duplicates.len() == hashes.len());
    assert_eq!(duplicates.insert(&hashes[5]), Insertion::Duplicate);
}

#[test]
fn hashes_that_begin_with_zeros_are_remembered_too() {
    let mut duplicates = Duplicates::new(0);
    assert!(!duplicates.contains(&[0; 32]));
    assert_eq!(duplicates.insert(&[0; 32]), Insertion::Last, "a set takes one hash at least");
    assert!(duplicates.contains(&[0; 32]));
    assert_eq!(duplicates.insert(&[0; 32]), Insertion::Duplicate);
}
