//! Jobs from recorded templates: what their coinbases are made of, what they pay, and what is refused.

mod bitcoin_data;

use bitcoin_data::{Numbers, Record, records};
use sv2_core::bitcoin::{
    Block, Coinbase, ErrorKind, Hash, Output, Target, assemble, find_witness_commitment, has_witness, height_push,
    merkle_path, merkle_root, root_from_path, strip_witness, witness_commitment,
};
use sv2_core::message::{CoinbaseOutputConstraints, NewExtendedMiningJob, NewTemplate, Payload, SetCustomMiningJob};
use sv2_core::mining::VERSION_ROLLING_MASK;
use sv2_core::mining::job::{ExtendedJob, JobError, JobFactory, JobSource, Payout, PayoutError};
use sv2_core::mining::share::{NtimeRule, Share, ShareWork, Tip, check};
use sv2_core::wire::{List, U256};

const P2WPKH: [u8; 22] = [0, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20];
const P2PKH: [u8; 25] =
    [0x76, 0xa9, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 0x88, 0xac];
const PREFIX: [u8; 4] = [0xaa, 0xbb, 0xcc, 0xdd];
const ROLLED: [u8; 16] = [0x11; 16];

/// What a NewTemplate of a recorded template borrows.
struct Template<'a> {
    record: &'a Record,
    coinbase_prefix: Vec<u8>,
    outputs: Vec<u8>,
    path: Vec<U256>,
}

impl<'a> Template<'a> {
    fn of(record: &'a Record) -> Self {
        let mut outputs = Vec::new();
        outputs.extend(0_u64.to_le_bytes());
        outputs.push(record.commitment_script.len().try_into().unwrap());
        outputs.extend(&record.commitment_script);
        let txids: Vec<Hash> = record.transactions.iter().map(|transaction| transaction.txid).collect();
        let path = merkle_path(&txids).into_iter().map(U256).collect();
        Self { record, coinbase_prefix: height_push(record.height).to_vec(), outputs, path }
    }

    fn message(&self) -> NewTemplate<'_> {
        NewTemplate {
            template_id: 7,
            future_template: true,
            version: 0x2000_0000,
            coinbase_tx_version: 2,
            coinbase_prefix: &self.coinbase_prefix,
            coinbase_tx_input_sequence: 0xffff_fffe,
            coinbase_tx_value_remaining: self.record.coinbase_value,
            coinbase_tx_outputs_count: 1,
            coinbase_tx_outputs: &self.outputs,
            coinbase_tx_locktime: self.record.height - 1,
            merkle_path: List::Items(&self.path),
        }
    }
}

fn payout() -> Payout {
    Payout::new(&[(&P2WPKH, 2), (&P2PKH, 1), (&[0x6a, 1, 42], 0)]).unwrap()
}

fn factory() -> JobFactory {
    JobFactory::new("pool", "miner", 20).unwrap()
}

#[test]
fn a_block_from_template_to_solution_is_what_the_node_gave() {
    for record in &records() {
        let template = Template::of(record);
        let job = factory().job(&template.message(), &payout(), 0).unwrap();
        let tip = Tip::new(record.prev_hash, record.nbits, 1_700_000_000, Some(Target(record.target)), 0).unwrap();
        let work = ShareWork {
            job: &job,
            extranonce_prefix: &PREFIX,
            extranonce_size: 16,
            merkle_root: None,
            tip: &tip,
            ntime_rule: NtimeRule::FutureBlockTime,
            version_mask: VERSION_ROLLING_MASK,
            target: &Target::default(),
        };
        let share = |nonce| Share { nonce, ntime: 1_700_000_001, version: 0x2000_0020, extranonce: &ROLLED };
        let (share, found) = (0..).map(share).find_map(|share| Some((share, check(&work, &share, 0).ok()?))).unwrap();
        assert!(found.is_block);

        let solution = work.solution(&share).unwrap().unwrap();
        assert_eq!((solution.template_id, solution.version), (7, share.version));
        assert_eq!((solution.header_timestamp, solution.header_nonce), (share.ntime, share.nonce));
        let transactions = record.transactions.iter().map(|transaction| transaction.bytes.as_slice());
        let bytes = assemble(&work.header(&share), &solution.coinbase_tx, transactions);
        let block = Block::parse(&bytes).unwrap();
        assert_eq!(block.header.hash(), found.hash);
        let txids: Vec<Hash> = block.transactions.map(|transaction| transaction.txid()).collect();
        assert_eq!(merkle_root(&txids), block.header.merkle_root);
        let coinbase = Coinbase::parse(&solution.coinbase_tx).unwrap();
        let wtxids: Vec<Hash> = record.transactions.iter().map(|transaction| transaction.wtxid).collect();
        let reserved_value = coinbase.witness_reserved_value().unwrap();
        let commitment = find_witness_commitment(coinbase.transaction());
        assert_eq!(commitment, Some(witness_commitment(&wtxids, reserved_value)));
        assert_eq!(coinbase.height(), Some(record.height));
        let paid: u64 = coinbase.transaction().outputs().map(|output| output.value).sum();
        assert_eq!(paid, record.coinbase_value);
    }
}

#[test]
fn the_script_is_prefix_tags_salt_and_extranonce() {
    let records = records();
    let template = Template::of(&records[0]);
    let salted = |salt| {
        let job = factory().job(&template.message(), &payout(), salt).unwrap();
        let coinbase = job.coinbase(&[&PREFIX, &ROLLED]).unwrap();
        Coinbase::parse(&coinbase).unwrap().script_sig().to_vec()
    };
    let height = &template.coinbase_prefix[..];
    let extranonce = [&[20], &PREFIX[..], &ROLLED].concat();
    let tags = b"\x0fSv2/pool/miner/";
    assert_eq!(salted(0), [height, tags, &extranonce].concat());
    assert_eq!(salted(1), [height, tags, &[0x51], &extranonce].concat());
    assert_eq!(salted(17), [height, tags, &[1, 17], &extranonce].concat());
    assert_eq!(salted(128), [height, tags, &[2, 128, 0], &extranonce].concat());
    assert_eq!(salted(u32::MAX), [height, tags, &[5, 255, 255, 255, 255, 0], &extranonce].concat());
}

#[test]
fn outputs_of_the_payout_come_first() {
    let records = records();
    let template = Template::of(&records[0]);
    let job = factory().job(&template.message(), &payout(), 0).unwrap();
    let coinbase = job.coinbase(&[&PREFIX, &ROLLED]).unwrap();
    let coinbase = Coinbase::parse(&coinbase).unwrap();
    let scripts: Vec<&[u8]> = coinbase.transaction().outputs().map(|output| output.script_pubkey).collect();
    assert_eq!(scripts, [&P2WPKH[..], &P2PKH, &[0x6a, 1, 42], &records[0].commitment_script]);
    assert_eq!(coinbase.sequence(), 0xffff_fffe);
    assert_eq!(coinbase.transaction().lock_time(), records[0].height - 1);
    assert_eq!(*job.source(), JobSource::Template(7));
}

#[test]
fn miners_get_the_coinbase_without_witness() {
    let records = records();
    let template = Template::of(&records[1]);
    let job = factory().job(&template.message(), &payout(), 0).unwrap();
    let whole = job.coinbase(&[&PREFIX, &ROLLED]).unwrap();
    assert!(has_witness(&whole));
    let message = job.message(1, 2, None);
    let stripped = [message.coinbase_tx_prefix, &PREFIX, &ROLLED, message.coinbase_tx_suffix].concat();
    assert_eq!(stripped, strip_witness(&whole).unwrap());
    let txid = Coinbase::parse(&stripped).unwrap().transaction().txid();
    let path: Vec<Hash> = message.merkle_path.iter().map(|hash| hash.0).collect();
    assert_eq!(job.merkle_root(&[&PREFIX, &ROLLED]), root_from_path(&txid, path));
    assert_eq!(job.merkle_root(&[&PREFIX, &ROLLED]), job.merkle_root(&[&PREFIX[..1], &PREFIX[1..], &[], &ROLLED]));
    assert_eq!(
        job.standard_message(1, 2, Some(3), job.merkle_root(&[&[0; 20]])).merkle_root.0,
        job.merkle_root(&[&[0; 20]])
    );
}

#[test]
fn a_coinbase_that_commits_to_no_witness_has_none() {
    let records = records();
    let template = Template::of(&records[0]);
    let message = NewTemplate { coinbase_tx_outputs_count: 0, coinbase_tx_outputs: &[], ..template.message() };
    let coinbase = factory().job(&message, &payout(), 0).unwrap().coinbase(&[&PREFIX, &ROLLED]).unwrap();
    assert!(!has_witness(&coinbase));
}

#[test]
fn an_extranonce_of_another_length_makes_no_coinbase() {
    let records = records();
    let job = factory().job(&Template::of(&records[0]).message(), &payout(), 0).unwrap();
    assert_eq!(job.coinbase(&[&PREFIX]), Err(JobError::ExtranonceLength(4)));
    assert_eq!(job.coinbase(&[&[0; 21]]), Err(JobError::ExtranonceLength(21)));
}

#[test]
fn the_longest_tags_leave_room_for_any_prefix_and_salt() {
    let records = records();
    let template = Template::of(&records[0]);
    for extranonce_len in 1..=32 {
        // 8 of the template, 1 + 6 around the tags, 6 of the salt, 1 of the push; and a push of one opcode.
        let longest = (100 - 8 - 7 - 6 - 1 - extranonce_len).min(75 - 6);
        let tag = "x".repeat(longest);
        let factory = JobFactory::new(&tag, "", extranonce_len).unwrap();
        let message = NewTemplate { coinbase_prefix: &[0; 8], ..template.message() };
        let job = factory.job(&message, &payout(), u32::MAX).unwrap();
        let coinbase = job.coinbase(&[&vec![1; extranonce_len]]).unwrap();
        assert!(Coinbase::parse(&coinbase).unwrap().script_sig().len() <= 100);
        let error = JobFactory::new(&tag, "x", extranonce_len).unwrap_err();
        assert_eq!(error, JobError::TagsTooLong(1 + 7 + longest));
    }
    assert_eq!(JobFactory::new("", "", 0).unwrap_err(), JobError::ExtranonceLength(0));
    assert_eq!(JobFactory::new("", "", 33).unwrap_err(), JobError::ExtranonceLength(33));
}

#[test]
fn salts_part_the_search_space() {
    let records = records();
    let template = Template::of(&records[0]);
    let mut roots: Vec<Hash> = (0..300)
        .map(|salt| factory().job(&template.message(), &payout(), salt).unwrap().merkle_root(&[&PREFIX, &ROLLED]))
        .collect();
    roots.sort_unstable();
    roots.dedup();
    assert_eq!(roots.len(), 300);
}

#[test]
fn a_template_whose_outputs_are_not_what_they_say_is_refused() {
    let records = records();
    let template = Template::of(&records[0]);
    let kind = |message: NewTemplate<'_>| match factory().job(&message, &payout(), 0) {
        Err(JobError::Coinbase(error)) => error.kind,
        other => panic!("{other:?}"),
    };
    assert_eq!(kind(NewTemplate { coinbase_tx_outputs_count: 2, ..template.message() }), ErrorKind::UnexpectedEnd);
    assert_eq!(kind(NewTemplate { coinbase_tx_outputs_count: 0, ..template.message() }), ErrorKind::TrailingBytes);
    assert_eq!(kind(NewTemplate { coinbase_prefix: &[0; 80], ..template.message() }), ErrorKind::ScriptSigLength);
    let path = [U256([0; 32]); 256];
    let message = NewTemplate { merkle_path: List::Items(&path), ..template.message() };
    assert_eq!(factory().job(&message, &payout(), 0).unwrap_err(), JobError::MerklePathTooLong(256));
}

#[test]
fn a_job_survives_its_message() {
    let records = records();
    let job = factory().job(&Template::of(&records[1]).message(), &payout(), 5).unwrap();
    let message = job.message(3, 9, Some(1_700_000_000));
    let mut bytes = vec![0; message.encoded_len().unwrap()];
    message.encode(&mut bytes).unwrap();
    let decoded = NewExtendedMiningJob::decode(&bytes).unwrap();
    assert_eq!(decoded, message);
    let theirs = ExtendedJob::upstream(&decoded, 20).unwrap();
    assert_eq!(*theirs.source(), JobSource::Upstream(9));
    assert_eq!(theirs.coinbase(&[&PREFIX, &ROLLED]), job.coinbase(&[&PREFIX, &ROLLED]));
    assert_eq!(theirs.merkle_root(&[&PREFIX, &ROLLED]), job.merkle_root(&[&PREFIX, &ROLLED]));
    assert!(theirs.version_rolling_allowed());
    assert!(
        !factory()
            .with_version_rolling(false)
            .job(&Template::of(&records[1]).message(), &payout(), 0)
            .unwrap()
            .version_rolling_allowed()
    );
}

#[test]
fn an_upstream_job_without_a_whole_coinbase_is_refused() {
    let records = records();
    let job = factory().job(&Template::of(&records[0]).message(), &payout(), 0).unwrap();
    let message = job.message(1, 1, None);
    let with =
        |prefix, suffix| NewExtendedMiningJob { coinbase_tx_prefix: prefix, coinbase_tx_suffix: suffix, ..message };
    let (prefix, suffix) = (message.coinbase_tx_prefix, message.coinbase_tx_suffix);
    for cut in 0..prefix.len() {
        assert!(ExtendedJob::upstream(&with(&prefix[..cut], suffix), 20).is_err(), "prefix cut at {cut}");
    }
    for cut in 0..suffix.len() {
        assert!(ExtendedJob::upstream(&with(prefix, &suffix[..cut]), 20).is_err(), "suffix cut at {cut}");
    }
    for len in (0..20).chain(21..200).chain([usize::MAX]) {
        assert!(ExtendedJob::upstream(&message, len).is_err(), "an extranonce of {len} bytes");
    }
    let after_script = [prefix, &[0; 20], &suffix[..4]].concat();
    let error = ExtendedJob::upstream(&with(&after_script, &suffix[4..]), 0).unwrap_err();
    assert_eq!(error, JobError::ExtranonceOutsideScript);
    let with_witness = job.coinbase(&[&[0; 20]]).unwrap();
    let split = with_witness.len() - suffix.len() - 34;
    let error = ExtendedJob::upstream(&with(&with_witness[..split], &with_witness[split..]), 0).unwrap_err();
    assert!(matches!(error, JobError::Coinbase(error) if error.kind == ErrorKind::WitnessPresent), "{error}");
}

#[test]
fn a_custom_job_is_what_its_message_says() {
    let records = records();
    let template = Template::of(&records[1]);
    let ours = factory().job(&template.message(), &payout(), 0).unwrap();
    // The miner pushes tags and extranonce itself, and names all outputs.
    let coinbase_prefix = [&template.coinbase_prefix[..], b"\x0fSv2/pool/miner/", &[20]].concat();
    let outputs: Vec<Output<'_>> = payout_outputs(&records[1]);
    let mut coinbase_tx_outputs = vec![4];
    outputs.iter().for_each(|output| serialize(output, &mut coinbase_tx_outputs));
    coinbase_tx_outputs.extend(&template.outputs);
    let message = SetCustomMiningJob {
        mining_job_token: &[1, 2, 3],
        version: 0x2000_0000,
        coinbase_tx_version: 2,
        coinbase_prefix: &coinbase_prefix,
        coinbase_tx_input_nsequence: 0xffff_fffe,
        coinbase_tx_outputs: &coinbase_tx_outputs,
        coinbase_tx_locktime: records[1].height - 1,
        merkle_path: List::Items(&template.path),
        ..Default::default()
    };
    let job = factory().custom(&message).unwrap();
    assert_eq!(*job.source(), JobSource::Custom([1, 2, 3].into()));
    assert_eq!(job.coinbase(&[&PREFIX, &ROLLED]), ours.coinbase(&[&PREFIX, &ROLLED]));
    assert_eq!(job.merkle_root(&[&PREFIX, &ROLLED]), ours.merkle_root(&[&PREFIX, &ROLLED]));

    for cut in 0..coinbase_tx_outputs.len() {
        let message = SetCustomMiningJob { coinbase_tx_outputs: &coinbase_tx_outputs[..cut], ..message };
        assert!(matches!(factory().custom(&message), Err(JobError::Coinbase(_))), "cut at {cut}");
    }
    let longest = SetCustomMiningJob { coinbase_prefix: &[0; 80], ..message };
    assert!(factory().custom(&longest).is_ok());
    let too_long = SetCustomMiningJob { coinbase_prefix: &[0; 81], ..message };
    let error = factory().custom(&too_long).unwrap_err();
    assert!(matches!(error, JobError::Coinbase(error) if error.kind == ErrorKind::ScriptSigLength), "{error}");
}

fn payout_outputs(record: &Record) -> Vec<Output<'static>> {
    let third = record.coinbase_value / 3;
    vec![
        Output { value: record.coinbase_value - third, script_pubkey: &P2WPKH },
        Output { value: third, script_pubkey: &P2PKH },
        Output { value: 0, script_pubkey: &[0x6a, 1, 42] },
    ]
}

fn serialize(output: &Output<'_>, to: &mut Vec<u8>) {
    to.extend(output.value.to_le_bytes());
    to.push(output.script_pubkey.len().try_into().unwrap());
    to.extend(output.script_pubkey);
}

#[test]
fn a_payout_divides_everything_and_loses_nothing() {
    let mut numbers = Numbers(0x1234_5678_9abc_def1);
    for _ in 0..2_000 {
        let count = 1 + numbers.below(9);
        let mut outputs: Vec<(&[u8], u32)> = (0..count).map(|_| (&P2WPKH[..], numbers.next() as u32)).collect();
        if numbers.below(3) == 0 {
            outputs[0].1 = 0;
        }
        let total: u64 = outputs.iter().map(|(_, parts)| u64::from(*parts)).sum();
        let Ok(payout) = Payout::new(&outputs) else { continue };
        let value = numbers.next() >> numbers.below(64);
        let paid: Vec<u64> = payout.outputs(value).map(|output| output.value).collect();
        assert_eq!(paid.iter().sum::<u64>(), value);
        let first = outputs.iter().position(|(_, parts)| *parts > 0).unwrap();
        for (i, ((_, parts), paid)) in outputs.iter().zip(&paid).enumerate() {
            let exact = (u128::from(value) * u128::from(*parts) / u128::from(total)) as u64;
            if i == first {
                assert!(*paid >= exact && *paid < exact + count as u64);
            } else {
                assert_eq!(*paid, exact);
            }
        }
    }
}

#[test]
fn a_payout_to_nobody_or_to_too_many_is_refused() {
    assert_eq!(Payout::new(&[]), Err(PayoutError::Nobody));
    assert_eq!(Payout::new(&[(&P2WPKH, 0)]), Err(PayoutError::Nobody));
    let most = vec![(&P2WPKH[..], 1); 60_000 / 31];
    assert_eq!(Payout::new(&most).unwrap().serialized_len(), 31 * most.len());
    let more = vec![(&P2WPKH[..], 1); 60_000 / 31 + 1];
    assert_eq!(Payout::new(&more), Err(PayoutError::TooLarge(31 * more.len())));
}

#[test]
fn a_payout_says_what_a_template_must_leave_free() {
    let size_and_sigops = |constraints: CoinbaseOutputConstraints| {
        (constraints.coinbase_output_max_additional_size, constraints.coinbase_output_max_additional_sigops)
    };
    // Sigops outside a witness cost four each; a bare OP_CHECKMULTISIG is counted as twenty.
    for (script, cost) in [
        (&P2WPKH[..], 0),
        (&P2PKH, 4),
        (&[0xac, 0xad], 8),
        (&[0xae], 80),
        (&[0xaf, 0xac], 84),
        (&[2, 0xac, 0xac], 0),
        (&[0x4c, 1, 0xac, 0xac], 4),
        (&[0x4d, 1, 0, 0xac, 0xac], 4),
        (&[0x4e, 1, 0, 0, 0, 0xac, 0xac], 4),
        (&[0xac, 0x4e, 0xff, 0xff, 0xff, 0xff, 0xac], 4),
        (&[0xac, 75, 0xac], 4),
        (&[0xac, 0x4d, 1], 4),
    ] {
        let constraints = Payout::single(script).unwrap().constraints();
        assert_eq!(size_and_sigops(constraints), (9 + script.len() as u32, cost), "{script:x?}");
    }
    let payouts = [Payout::single(&P2WPKH).unwrap(), Payout::single(&[0xac]).unwrap()];
    assert_eq!(size_and_sigops(Payout::constraints_of_all(&payouts)), (31, 4));
}
