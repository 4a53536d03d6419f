//! channels_sv2 as an oracle: the same templates, tips, targets and shares, drawn at random, go into its server channels and
//! into ours, and both say the same of each share, in the same words.
//!
//! Where ours is meant to differ, the tests assert just how:
//!
//! | case | theirs | ours | because |
//! |---|---|---|---|
//! | a future job, after another one became active | `invalid-job-id` | `stale-share` | the miner did nothing wrong: it was told of the job, and a tip came |
//! | a block that is found by a standard channel on a job of its group | its coinbase has the template's outputs twice, and not the hash that the header commits to | the coinbase that was mined | theirs cannot become a block |
//! | a hash that meets nBits, but not the stricter target of SetNewPrevHash (spec 7.3) | a block | a share, or too little | the template provider asked for it |
//! | a block whose hash does not meet the job's target | counts for the job's difficulty | counts for its own | less work was done |
//! | SetNewPrevHash for the block that is the tip already, as from another template provider | all jobs before are stale | they count as before | nothing has ended; core/tests/mining_channel.rs shows it, here no tip comes twice |
//! | a changed version on a standard channel, where versions are fixed | accepted | `version-rolling-not-allowed` | the jobs say so |

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use stratum_core::binary_sv2::U256Owned;
use stratum_core::bitcoin::Transaction;
use stratum_core::bitcoin::consensus::encode::deserialize;
use stratum_core::bitcoin::hashes::{Hash, sha256d};
use stratum_core::channels_sv2::merkle_root::merkle_root_from_path;
use sv2_core::bitcoin::{Header, Target};
use sv2_core::mining::job::{JobFactory, Payout};
use sv2_interop::oracle::ours::OurPool;
use sv2_interop::oracle::theirs::TheirPool;
use sv2_interop::oracle::{Share, Template, Tip, Verdict};
use sv2_interop::role::REWARD_SCRIPT;

/// The time, in seconds since 1970-01-01 UTC. It stands still: neither side lets it matter.
const NOW: u32 = 1_790_000_000;
/// How many jobs both keep that wait for their tip.
const MAX_FUTURE: usize = 16;

#[test]
fn the_same_template_makes_the_same_job() {
    let mut random = StdRng::seed_from_u64(1);
    for template_id in 1..=500 {
        let extranonce_len = random.gen_range(1..=32);
        let tag = &"a pool in a test!"[..random.gen_range(0..=17)];
        let template = Template::draw(&mut random, template_id, true);
        let rolling = random.r#gen();
        let theirs = TheirPool::new(tag, rolling, extranonce_len, &REWARD_SCRIPT).new_template(&template);
        let factory = JobFactory::new(tag, "", extranonce_len).unwrap().with_version_rolling(rolling);
        let payout = Payout::single(&REWARD_SCRIPT).unwrap();
        let ours = template.ours(|message| factory.job(message, &payout, 0)).unwrap();

        assert_eq!(ours.coinbase_tx_prefix(), theirs.get_coinbase_tx_prefix_without_bip141());
        assert_eq!(ours.coinbase_tx_suffix(), theirs.get_coinbase_tx_suffix_without_bip141());
        assert_eq!(ours.version(), theirs.get_version());
        assert_eq!(ours.version_rolling_allowed(), theirs.version_rolling_allowed());

        let extranonce: Vec<u8> = (0..extranonce_len).map(|_| random.r#gen()).collect();
        let (prefix, rolled) = extranonce.split_at(random.gen_range(0..=extranonce_len));
        let whole = [
            theirs.get_coinbase_tx_prefix_with_bip141(),
            extranonce.clone(),
            theirs.get_coinbase_tx_suffix_with_bip141(),
        ]
        .concat();
        assert_eq!(ours.coinbase(&[prefix, rolled]).unwrap(), whole);
        let root = merkle_root_from_path(
            &theirs.get_coinbase_tx_prefix_without_bip141(),
            &theirs.get_coinbase_tx_suffix_without_bip141(),
            &extranonce,
            theirs.get_merkle_path().as_slice(),
        );
        assert_eq!(Some(ours.merkle_root(&[prefix, rolled])), root);
    }
}

/// What both know of a job.
struct Job {
    ours: u32,
    theirs: u32,
    coinbase_tx_prefix: Vec<u8>,
    coinbase_tx_suffix: Vec<u8>,
    merkle_path: Vec<U256Owned>,
    version: u32,
    /// Of each channel, when the job was made.
    extranonce_prefixes: Vec<Vec<u8>>,
    /// Of each channel, when the job became active.
    targets: Vec<[u8; 32]>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Future(u64),
    /// It can be mined on.
    Live,
    /// Another one became active instead.
    Bypassed,
    /// It waited too long, or its tip is gone.
    Gone,
}

/// Both sides, and a miner that knows what they sent.
struct World {
    random: StdRng,
    ours: OurPool,
    theirs: TheirPool,
    /// Whether versions may be rolled.
    rolling: bool,
    extranonce_prefixes: Vec<Vec<u8>>,
    extranonce_sizes: Vec<usize>,
    targets: Vec<[u8; 32]>,
    jobs: Vec<Job>,
    tip: Tip,
    next_template_id: u64,
    /// Shares that were accepted: the channel, the job's place, and the share.
    accepted: Vec<(usize, usize, Share)>,
    /// How many shares only theirs accepts, and how much more it counts for its blocks, in each channel.
    theirs_only: Vec<u32>,
    theirs_more: Vec<f64>,
    weak_blocks: usize,
    verdicts: BTreeMap<String, usize>,
}

impl World {
    fn new(seed: u64) -> World {
        let mut random = StdRng::seed_from_u64(seed);
        let (extranonce_len, rolling) = (random.gen_range(9..=32), random.gen_bool(0.8));
        let mut world = World {
            ours: OurPool::new("a pool", rolling, extranonce_len, &REWARD_SCRIPT, NOW.into()),
            theirs: TheirPool::new("a pool", rolling, extranonce_len, &REWARD_SCRIPT),
            rolling,
            extranonce_prefixes: Vec::new(),
            extranonce_sizes: Vec::new(),
            targets: Vec::new(),
            jobs: Vec::new(),
            tip: Tip { template_id: 0, prev_hash: [0; 32], header_timestamp: 0, nbits: 0, target: [0; 32] },
            next_template_id: 1,
            accepted: Vec::new(),
            theirs_only: Vec::new(),
            theirs_more: Vec::new(),
            weak_blocks: 0,
            verdicts: BTreeMap::new(),
            random,
        };
        for prefix_len in [extranonce_len, 4, 8] {
            let prefix = world.prefix(prefix_len);
            let size = extranonce_len - prefix_len;
            let channels = if size == 0 {
                (world.ours.open_standard(&prefix), world.theirs.open_standard(&prefix))
            } else {
                let size = size as u16;
                (world.ours.open_extended(&prefix, size), world.theirs.open_extended(&prefix, size))
            };
            assert_eq!(channels, (world.targets.len(), world.targets.len()));
            world.extranonce_prefixes.push(prefix);
            world.extranonce_sizes.push(size);
            world.targets.push([0xff; 32]);
            world.theirs_only.push(0);
            world.theirs_more.push(0.0);
            world.set_target(channels.0);
        }
        world.new_template(true);
        world.new_tip();
        world
    }

    fn step(&mut self) {
        let channel = self.random.gen_range(0..self.targets.len());
        match self.random.gen_range(0..100) {
            0..3 => self.new_template(true),
            3 => (0..20).for_each(|_| self.new_template(true)),
            4..9 => self.new_template(false),
            9 => (0..20).for_each(|_| self.new_template(false)),
            10..13 => self.new_tip(),
            13..16 => self.set_target(channel),
            16..18 => self.set_extranonce_prefix(channel),
            _ => self.submit(channel),
        }
    }

    fn prefix(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.random.r#gen()).collect()
    }

    fn new_template(&mut self, future_template: bool) {
        let template = Template::draw(&mut self.random, self.next_template_id, future_template);
        self.next_template_id += 1;
        let theirs = self.theirs.new_template(&template);
        let (job_id, ours) = self.ours.new_template(&template);
        assert_eq!(ours.coinbase_tx_prefix(), theirs.get_coinbase_tx_prefix_without_bip141());
        self.jobs.push(Job {
            ours: job_id,
            theirs: theirs.get_job_id(),
            coinbase_tx_prefix: theirs.get_coinbase_tx_prefix_without_bip141(),
            coinbase_tx_suffix: theirs.get_coinbase_tx_suffix_without_bip141(),
            merkle_path: theirs.get_merkle_path().as_slice().to_vec(),
            version: theirs.get_version(),
            extranonce_prefixes: self.extranonce_prefixes.clone(),
            targets: self.targets.clone(),
            state: if future_template { State::Future(template.template_id) } else { State::Live },
        });
        let waits = |job: &&mut Job| matches!(job.state, State::Future(_));
        if let Some(oldest) = self.jobs.iter_mut().rev().filter(waits).nth(MAX_FUTURE) {
            oldest.state = State::Gone;
        }
    }

    /// A tip for one of the templates that wait.
    fn new_tip(&mut self) {
        let future = self.jobs.iter().filter_map(|job| match job.state {
            State::Future(template_id) => Some(template_id),
            _ => None,
        });
        let future: Vec<u64> = future.collect();
        let Some(template_id) = future.get(self.random.gen_range(0..future.len().max(1))).copied() else {
            self.new_template(true);
            return self.new_tip();
        };
        let nbits = [0x2000_ffff, 0x207f_ffff, 0x1f00_ffff][self.random.gen_range(0..3)];
        self.tip = Tip {
            template_id,
            prev_hash: self.random.r#gen(),
            header_timestamp: NOW - self.random.gen_range(0..3_600),
            nbits,
            target: Target::from_nbits(nbits).unwrap().0,
        };
        if self.random.gen_bool(0.2) {
            self.tip.target[31] /= 4;
        }
        self.theirs.set_new_prev_hash(&self.tip);
        self.ours.set_new_prev_hash(&self.tip);
        for job in &mut self.jobs {
            job.state = match job.state {
                State::Future(waits_for) if waits_for == template_id => {
                    job.targets.clone_from(&self.targets);
                    State::Live
                }
                State::Future(_) => State::Bypassed,
                _ => State::Gone,
            };
        }
    }

    /// Between every hash and one in 500.
    fn set_target(&mut self, channel: usize) {
        let mut target = [0xff; 32];
        (target[31], target[30]) = match self.random.gen_range(0..3) {
            0 => (0, self.random.gen_range(0x80..=0xff)),
            1 => (self.random.gen_range(1..16), self.random.r#gen()),
            _ => (self.random.r#gen(), self.random.r#gen()),
        };
        self.targets[channel] = target;
        self.theirs.set_target(channel, target);
        self.ours.set_target(channel, target);
    }

    fn set_extranonce_prefix(&mut self, channel: usize) {
        let prefix = self.prefix(self.extranonce_prefixes[channel].len());
        self.theirs.set_extranonce_prefix(channel, &prefix);
        self.ours.set_extranonce_prefix(channel, &prefix);
        self.extranonce_prefixes[channel] = prefix;
    }

    /// Submits a share that is good, or bad in one way or several.
    fn submit(&mut self, channel: usize) {
        if self.random.gen_bool(0.1) && !self.accepted.is_empty() {
            // One of the last again; now and then for another job.
            let again = self.accepted.len() - 1 - self.random.gen_range(0..self.accepted.len().min(10));
            let (channel, mut job, share) = self.accepted[again].clone();
            if self.random.gen_bool(0.2) {
                job = self.any_job();
            }
            return self.judge(channel, job, &share);
        }
        let place = self.any_job();
        let job = &self.jobs[place];
        let size = self.extranonce_sizes[channel];
        let size = if size > 0 && self.random.gen_bool(0.05) { self.random.gen_range(0..=32) } else { size };
        let extranonce: Vec<u8> = (0..size).map(|_| self.random.r#gen()).collect();
        let first = self.tip.header_timestamp;
        let ntime = match self.random.gen_range(0..40) {
            0 => first - 1,
            1 => first + 7_201,
            2 => first + 7_200,
            3 => self.random.r#gen(),
            4..10 => first,
            _ => first + self.random.gen_range(0..=7_200),
        };
        let rolled = match self.random.gen_range(0..20) {
            0 => 1 << self.random.gen_range(0..5),
            1 => 1 << self.random.gen_range(29..32),
            2 => self.random.r#gen(),
            3..10 => 0,
            _ => self.random.r#gen::<u32>() & 0x1fff_ffe0,
        };
        let share = Share { nonce: self.random.r#gen(), ntime, version: job.version ^ rolled, extranonce };
        let is_mined = size == self.extranonce_sizes[channel] && self.random.gen_bool(0.8);
        let share = if is_mined { self.mined(channel, &self.jobs[place], share) } else { share };
        self.judge(channel, place, &share);
    }

    /// The place of a job: mostly the last one, or another one that is not long gone.
    fn any_job(&mut self) -> usize {
        let last = self.jobs.len() - 1;
        let live = self.jobs.iter().rposition(|job| job.state == State::Live).unwrap_or(last);
        match self.random.gen_range(0..20) {
            0..12 => live,
            12..16 => live - self.random.gen_range(0..=live.min(3)),
            _ => last - self.random.gen_range(0..=last.min(50)),
        }
    }

    /// The share with a nonce that meets the target, if there is one near.
    fn mined(&self, channel: usize, job: &Job, share: Share) -> Share {
        let extranonce = [&job.extranonce_prefixes[channel][..], &share.extranonce].concat();
        let root =
            merkle_root_from_path(&job.coinbase_tx_prefix, &job.coinbase_tx_suffix, &extranonce, &job.merkle_path);
        let mut header = Header {
            version: share.version,
            prev_hash: self.tip.prev_hash,
            merkle_root: root.unwrap(),
            time: share.ntime,
            nbits: self.tip.nbits,
            nonce: share.nonce,
        };
        let target = Target(job.targets[channel]);
        for _ in 0..2_000 {
            if target.is_met_by(&header.hash()) {
                break;
            }
            header.nonce = header.nonce.wrapping_add(1);
        }
        Share { nonce: header.nonce, ..share }
    }

    /// Has both judge a share.
    fn judge(&mut self, channel: usize, place: usize, share: &Share) {
        let job = &self.jobs[place];
        let ours = self.ours.submit(channel, job.ours, share);
        let theirs = self.theirs.submit(channel, job.theirs, share);
        let said = match &ours {
            Verdict::Share { .. } => "share",
            Verdict::Block { .. } => "block",
            Verdict::Refused(code) => code,
        };
        *self.verdicts.entry(said.into()).or_default() += 1;
        let is_standard = self.extranonce_sizes[channel] == 0;
        match (&ours, &theirs) {
            (ours, theirs) if job.state == State::Bypassed => {
                assert_eq!((ours, theirs), (&refused("stale-share"), &refused("invalid-job-id")));
            }
            (ours, _) if is_standard && *ours == refused("version-rolling-not-allowed") => {
                assert!(!self.rolling && share.version != job.version);
                if !matches!(theirs, Verdict::Refused(_)) {
                    self.theirs_only[channel] += 1;
                    self.theirs_more[channel] += Target(job.targets[channel]).difficulty();
                }
            }
            (_, Verdict::Block { hash, .. }) if !Target(self.tip.target).is_met_by(hash) => {
                let meets = Target(job.targets[channel]).is_met_by(hash);
                let expected = if meets { Verdict::Share { hash: *hash } } else { refused("difficulty-too-low") };
                assert_eq!(ours, expected);
                self.weak_blocks += 1;
                if !meets {
                    self.theirs_only[channel] += 1;
                    self.theirs_more[channel] += Target(job.targets[channel]).difficulty();
                }
            }
            (Verdict::Block { hash, coinbase }, Verdict::Block { hash: theirs, coinbase: their_coinbase })
                if is_standard =>
            {
                assert_eq!(hash, theirs);
                assert_eq!(*hash, self.block_hash(job, share, coinbase));
                assert_ne!(*hash, self.block_hash(job, share, their_coinbase));
            }
            _ => assert_eq!(ours, theirs, "channel {channel}, {:?} {share:?}", job.state),
        }
        if let Verdict::Share { .. } | Verdict::Block { .. } = ours {
            self.accepted.push((channel, place, share.clone()));
        }
        if let Verdict::Block { hash, .. } = ours {
            let target = Target(job.targets[channel]);
            if !target.is_met_by(&hash) {
                self.theirs_more[channel] += target.difficulty() - Target(self.tip.target).difficulty();
            }
        }
    }

    /// The hash of the block that has this coinbase, in BIP 141's form, and the job's transactions.
    fn block_hash(&self, job: &Job, share: &Share, coinbase: &[u8]) -> [u8; 32] {
        let coinbase: Transaction = deserialize(coinbase).unwrap();
        let root = job.merkle_path.iter().fold(coinbase.compute_txid().to_byte_array(), |left, right| {
            sha256d::Hash::hash(&[left, *right.as_array()].concat()).to_byte_array()
        });
        let header = Header {
            version: share.version,
            prev_hash: self.tip.prev_hash,
            merkle_root: root,
            time: share.ntime,
            nbits: self.tip.nbits,
            nonce: share.nonce,
        };
        header.hash()
    }

    fn check_accounts(&self) {
        for channel in 0..self.targets.len() {
            let (ours, our_count) = self.ours.accepted(channel);
            let (theirs, their_count) = self.theirs.accepted(channel);
            assert_eq!(our_count, u64::from(their_count - self.theirs_only[channel]));
            let difference = (ours + self.theirs_more[channel] - theirs).abs();
            assert!(difference <= theirs * 1e-9, "{ours} {theirs}");
        }
    }
}

fn refused(code: &str) -> Verdict {
    Verdict::Refused(code.into())
}

#[test]
fn the_same_shares_get_the_same_verdicts_in_the_same_words() {
    let (mut verdicts, mut weak_blocks) = (BTreeMap::new(), 0);
    for seed in 0..40 {
        let mut world = World::new(seed);
        (0..2_000).for_each(|_| world.step());
        world.check_accounts();
        for (said, count) in world.verdicts {
            *verdicts.entry(said).or_insert(0) += count;
        }
        weak_blocks += world.weak_blocks;
    }
    // All that can be said of a share was said, and often.
    assert_eq!(verdicts.len(), 10);
    assert!(verdicts.values().all(|count| *count > 100));
    assert!(weak_blocks > 100);
}
