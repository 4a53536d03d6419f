//! A job from any template, and any share of it: what the fast way says, alone and in a batch, is what the parts of Bitcoin say when
//! the block is put together slowly; and any bytes are an upstream or a custom job, or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sv2_core::bitcoin::{Coinbase, Header, Target, root_from_path, sha256d, strip_witness};
use sv2_core::message::{NewExtendedMiningJob, NewTemplate, Payload, SetCustomMiningJob};
use sv2_core::mining::VERSION_ROLLING_MASK;
use sv2_core::mining::job::{ExtendedJob, JobFactory, Payout};
use sv2_core::mining::share::{NtimeRule, Share, ShareError, ShareWork, Tip, check, check_many};

/// What the bytes begin with: lengths, and the share.
const HEAD: usize = 1 + 1 + 4 + 4 + 4 + 4;

fuzz_target!(|bytes: &[u8]| {
    let Some((&head, rest)) = bytes.split_first_chunk::<HEAD>() else { return };
    let [extranonce_len, prefix_len, numbers @ ..] = head;
    let number = |place: usize| u32::from_le_bytes(std::array::from_fn(|i| numbers[4 * place + i]));
    let (salt, nonce, ntime, version) = (number(0), number(1), number(2), number(3));
    let extranonce_len = usize::from(extranonce_len % 34);
    let Ok(factory) = JobFactory::new("pool", "miner", extranonce_len) else {
        assert!(!(1..=32).contains(&extranonce_len));
        return;
    };
    let jobs = [
        NewTemplate::decode(rest).ok().and_then(|template| {
            let payout = Payout::new(&[(&[0x51], 2), (&[0x52], 1)]).expect("a payout");
            factory.job(&template, &payout, salt).ok()
        }),
        SetCustomMiningJob::decode(rest).ok().and_then(|message| factory.custom(&message).ok()),
        NewExtendedMiningJob::decode(rest)
            .ok()
            .and_then(|message| ExtendedJob::upstream(&message, extranonce_len).ok()),
    ];
    for job in jobs.into_iter().flatten() {
        judge(&job, usize::from(prefix_len), nonce, ntime, version);
    }
});

fn judge(job: &ExtendedJob, prefix_len: usize, nonce: u32, ntime: u32, version: u32) {
    let extranonce: Vec<u8> = (0..job.extranonce_len()).map(|i| nonce.rotate_left(i as u32) as u8).collect();
    let (prefix, rolled) = extranonce.split_at(prefix_len.min(extranonce.len()));
    let tip = Tip::new([3; 32], 0x207f_ffff, 1_000, None, 0).expect("a target");
    let work = ShareWork {
        job,
        extranonce_prefix: prefix,
        extranonce_size: rolled.len(),
        merkle_root: None,
        tip: &tip,
        ntime_rule: NtimeRule::FutureBlockTime,
        version_mask: VERSION_ROLLING_MASK,
        target: &Target([0; 32]),
    };
    let share = Share { nonce, ntime, version, extranonce: rolled };

    // Slowly: the whole coinbase, its txid, the root, the header, its hash.
    let coinbase = job.coinbase(&[&extranonce]).expect("an extranonce of this length");
    let parsed = Coinbase::parse(&coinbase).expect("a job has a coinbase");
    let stripped = strip_witness(&coinbase).expect("a coinbase can be stripped");
    assert_eq!(stripped, [job.coinbase_tx_prefix(), &extranonce, job.coinbase_tx_suffix()].concat());
    let path: Vec<[u8; 32]> = job.merkle_path().iter().map(|hash| hash.0).collect();
    let merkle_root = root_from_path(&parsed.transaction().txid(), &path);
    assert_eq!(merkle_root, job.merkle_root(&[prefix, rolled]));
    let header = Header { version, prev_hash: [3; 32], merkle_root, time: ntime, nbits: 0x207f_ffff, nonce };
    let hash = sha256d(&header.to_bytes());
    let changed = version ^ job.version();
    let expected = if !(1_000..=8_200).contains(&ntime) {
        Err(ShareError::NtimeOutOfRange)
    } else if changed != 0 && !job.version_rolling_allowed() {
        Err(ShareError::VersionRollingNotAllowed)
    } else if changed & !VERSION_ROLLING_MASK != 0 {
        Err(ShareError::NonRollableVersionBit)
    } else if tip.block_target.is_met_by(&hash) {
        Ok(hash)
    } else {
        Err(ShareError::DifficultyTooLow)
    };

    let alone = check(&work, &share, 0);
    assert_eq!(alone.map(|checked| checked.hash), expected);
    let mut verdicts = [Err(ShareError::InvalidJobId); 5];
    check_many(&[(work, share); 5], 0, &mut verdicts);
    assert_eq!(verdicts, [alone; 5]);
}
