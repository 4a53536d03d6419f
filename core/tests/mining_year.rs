//! A year of a pool, with a clock that is simulated: miners join, leave, change and cheat a little, tips and better templates
//! come as they do, the network retargets, and now and then the engine is gone without notice and begins anew. At the end
//! everybody is credited for just the work he did, and the engine holds no more memory than in the first month.
//!
//! Without optimization it is thirty hours.

mod mining_reader;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeMap;

use sv2_core::bitcoin::{Target, height_push};
use sv2_core::message::{
    CloseChannel, NewTemplate, OpenExtendedMiningChannel, OpenStandardMiningChannel, PROTOCOL_MINING,
    SetNewPrevHashTemplate, SetupConnection, UpdateChannel,
};
use sv2_core::mining::job::Payout;
use sv2_core::mining::server::{Event, Server, ServerOptions};
use sv2_core::wire::{List, Str, U256};
use sv2_core::{OutOfRandomness, Random, Time};

use mining_reader::{Channel, Reader, Rolled, frame};

/// Counts the bytes that the present thread has allocated and not given back: a test is a thread.
struct Counting;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: all is left to the system's allocator; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.with(|held| held.set(held.get().wrapping_add(layout.size())));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.with(|held| held.set(held.get().wrapping_sub(layout.size())));
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const HOURS: u64 = if cfg!(debug_assertions) { 30 } else { 365 * 24 };
/// How often the memory is looked at.
const MONTH: u64 = HOURS / 12;
/// In milliseconds.
const HOUR: u64 = 3_600_000;
/// When it begins.
const BEGIN: u64 = 1_790_000_000;
/// Some tips before the network retargets, which it does every 2016.
const FIRST_HEIGHT: u32 = 2_016 * 500 - 100;
/// The average time between two tips, in milliseconds.
const TIP_MS: f64 = 600_000.0;
/// How many there are; about two thirds of them are connected at a time.
const MINERS: usize = 18;
/// What a miner makes at least, in hashes per second. The fastest make four times as many.
const HASH_RATE: f64 = 0.004;
const SHARES_PER_MINUTE: f64 = 0.1;
/// How much an engine may hold more than in the first month when nobody is connected.
const GROWTH: usize = 16 << 10;

/// Numbers that look random and are the same in every run (xorshift64*).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 16) % end
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// Above 0, at most 1.
    fn unit(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    /// How long something takes that takes this long on average and is as likely at any time, in milliseconds.
    fn wait(&mut self, average_ms: f64) -> u64 {
        (-self.unit().ln() * average_ms) as u64
    }
}

/// Without encryption nothing is random.
struct Nothing;

impl Random for Nothing {
    fn fill(&mut self, _: &mut [u8]) -> Result<(), OutOfRandomness> {
        Err(OutOfRandomness)
    }
}

/// What somebody has earned, by whoever counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Credit {
    shares: u64,
    difficulty: f64,
}

impl Credit {
    fn add(&mut self, difficulty: f64) {
        self.shares += 1;
        self.difficulty += difficulty;
    }

    /// Whether it is the same, but for what is lost when many numbers are added in another order.
    fn agrees(&self, other: &Credit) -> bool {
        self.shares == other.shares && (self.difficulty - other.difficulty).abs() <= self.difficulty * 1e-9
    }
}

struct Miner {
    user: String,
    hash_rate: f64,
    is_standard: bool,
    reader: Option<Reader>,
    channel_id: Option<u32>,
    /// When it finds its next share.
    finds_at: u64,
    /// What it is sure to have earned, as it reckons.
    own: Credit,
    /// How many shares it sent on its channel that must be acknowledged, and how many that must be refused.
    sent: u64,
    bad: u64,
    /// The last share that was good, to be sent again.
    last: Option<Rolled>,
}

struct World {
    dice: Dice,
    server: Server,
    /// How often there was a new engine.
    engines: u16,
    /// Milliseconds since the beginning.
    now: u64,
    miners: Vec<Miner>,
    /// What stands in the pool's log, which outlives the engine.
    log: BTreeMap<usize, Credit>,
    blocks: u64,
    height: u32,
    template_id: u64,
    prev_hash: [u8; 32],
    tip_before: [u8; 32],
    nbits: u32,
    rejected: BTreeMap<&'static str, u64>,
    retargets: u64,
}

fn time(now: u64) -> Time {
    Time { monotonic_ms: now, unix_s: BEGIN + now / 1_000 }
}

/// An engine that shares nothing with those before it: also not their search spaces, since the tip may still be the same.
fn engine(engines: u16) -> Server {
    let mut options = ServerOptions::plaintext();
    options.server_id = engines.to_be_bytes().to_vec();
    options.index_len = 1;
    options.shares_per_minute = SHARES_PER_MINUTE;
    options.min_hash_rate = HASH_RATE / 10.0;
    options.max_shares_per_job = 64;
    let mut server = Server::new(options, Box::new(Nothing)).unwrap();
    server.set_payout(0, Payout::single(&[0x51]).unwrap(), "", time(0)).unwrap();
    server
}

impl World {
    fn new() -> World {
        let miner = |i: usize| Miner {
            user: format!("miner {i}"),
            hash_rate: HASH_RATE * (1 + i % 4) as f64,
            is_standard: i % 3 == 0,
            reader: None,
            channel_id: None,
            finds_at: 0,
            own: Credit::default(),
            sent: 0,
            bad: 0,
            last: None,
        };
        let mut world = World {
            dice: Dice(2026),
            server: engine(0),
            engines: 1,
            now: 0,
            miners: (0..MINERS).map(miner).collect(),
            log: (0..MINERS).map(|i| (i, Credit::default())).collect(),
            blocks: 0,
            height: FIRST_HEIGHT,
            template_id: 0,
            prev_hash: [1; 32],
            tip_before: [1; 32],
            nbits: 0x1f00_ffff,
            rejected: BTreeMap::new(),
            retargets: 0,
        };
        world.template(true);
        world.tip();
        world
    }

    fn time(&self) -> Time {
        time(self.now)
    }

    // ------------------------------------------------------------------------------------------------------------ the node

    fn template(&mut self, future_template: bool) {
        self.template_id += 1;
        let prefix = height_push(self.height + u32::from(future_template));
        // A path of its own each time, as the transactions change.
        let path: Vec<U256> = (0..3).map(|_| U256([self.dice.next() as u8; 32])).collect();
        let message = NewTemplate {
            template_id: self.template_id,
            future_template,
            version: 0x2000_0000,
            coinbase_tx_version: 2,
            coinbase_prefix: &prefix,
            coinbase_tx_input_sequence: 0xffff_fffe,
            coinbase_tx_value_remaining: 312_500_000 + self.dice.below(10_000_000),
            coinbase_tx_outputs_count: 0,
            coinbase_tx_outputs: &[],
            coinbase_tx_locktime: self.height,
            merkle_path: List::Items(&path),
        };
        let now = self.time();
        self.server.new_template(&message, now).unwrap();
        self.serve();
    }

    /// Somebody has found a block: the last template was for what follows it.
    fn tip(&mut self) {
        self.height += 1;
        self.tip_before = self.prev_hash;
        self.prev_hash[..8].copy_from_slice(&self.dice.next().to_le_bytes());
        if self.height % 2_016 == 0 {
            self.retargets += 1;
            self.nbits = [0x1f00_ffff, 0x1f01_ffff, 0x1e7f_ffff][self.dice.below(3) as usize];
        }
        self.announce_tip();
    }

    fn announce_tip(&mut self) {
        let now = self.time();
        let message = SetNewPrevHashTemplate {
            template_id: self.template_id,
            prev_hash: U256(self.prev_hash),
            header_timestamp: now.unix_s as u32,
            nbits: self.nbits,
            target: U256(Target::from_nbits(self.nbits).unwrap().0),
        };
        self.server.set_new_prev_hash(&message, now).unwrap();
        self.serve();
    }

    // ------------------------------------------------------------------------------------------------------------ the host

    /// Does what the engine wants.
    fn serve(&mut self) {
        while let Some(event) = self.server.next_event() {
            let now = self.time();
            match event {
                Event::Writable { connection } => {
                    let bytes = self.server.output(connection).to_vec();
                    if let Some(reader) = &mut self.miners[connection as usize].reader {
                        reader.read(&bytes);
                    }
                    self.server.sent(connection, bytes.len(), now).unwrap();
                }
                Event::OpenChannel(open) => {
                    self.server.accept_channel(open.connection, open.request_id, 0, None, now).unwrap();
                }
                Event::ShareAccepted(share) => {
                    self.log.get_mut(&(share.connection as usize)).unwrap().add(share.difficulty);
                }
                Event::ShareRejected { error, .. } => *self.rejected.entry(error.code()).or_default() += 1,
                Event::BlockFound(block) => {
                    assert_eq!(block.header.hash(), block.share.hash);
                    // A block on the tip before is told as well: it may still win.
                    assert!([self.prev_hash, self.tip_before].contains(&block.header.prev_hash));
                    assert!(block.solution.is_some());
                    self.blocks += 1;
                }
                Event::ChannelClosed(closed) => {
                    let miner = &self.miners[closed.connection as usize];
                    assert_eq!(closed.user_identity, miner.user.as_bytes());
                    assert_eq!((closed.totals.accepted, closed.totals.rejected.iter().sum()), (miner.sent, miner.bad));
                }
                Event::Close { connection, reason } => panic!("{connection}: {reason}"),
                _ => {}
            }
        }
    }

    fn send(&mut self, i: usize, bytes: &[u8]) {
        self.server.receive(i as u64, &mut bytes.to_vec(), self.time()).unwrap();
        self.serve();
    }

    /// The engine is gone, and all connections with it. What was in it and not in the log is lost, but was not acknowledged
    /// either; what was in the log is not.
    fn crash(&mut self) {
        if let Some(i) = (0..MINERS).find(|i| self.miners[*i].channel_id.is_some()) {
            let (job_id, rolled) = self.mine(i);
            let bytes = self.share(i, job_id, &rolled);
            self.server.receive(i as u64, &mut bytes.to_vec(), self.time()).unwrap();
        }
        self.server = engine(self.engines);
        self.engines += 1;
        let connected: Vec<usize> = (0..MINERS).filter(|i| self.miners[*i].reader.take().is_some()).collect();
        // The node gives what it has.
        self.template(true);
        self.announce_tip();
        for i in connected {
            let replay = self.miners[i].last.clone();
            self.join(i);
            // Who sends again what the log has already gets nothing for it, unless it happens to be a share here as well.
            let channel = self.miners[i].channel();
            let job = channel.active().unwrap();
            let replay = replay.filter(|rolled| !job.target.is_met_by(&channel.header(job, rolled).hash()));
            if let Some(rolled) = replay {
                let job_id = job.job_id;
                self.submit(i, job_id, &rolled);
                self.miners[i].bad += 1;
            }
        }
    }

    // ---------------------------------------------------------------------------------------------------------- the miners

    fn join(&mut self, i: usize) {
        let miner = &mut self.miners[i];
        miner.reader = Some(Reader::default());
        (miner.channel_id, miner.sent, miner.bad, miner.last) = (None, 0, 0, None);
        let (user, is_standard, nominal_hash_rate) = (miner.user.clone(), miner.is_standard, miner.hash_rate as f32);
        self.server.connect(i as u64, None, self.time()).unwrap();
        let setup = SetupConnection { protocol: PROTOCOL_MINING, min_version: 2, max_version: 2, ..Default::default() };
        // Some of the standard miners know nothing of groups.
        self.send(i, &frame(&SetupConnection { flags: u32::from(i % 6 == 0), ..setup }));
        let (user_identity, max_target) = (Str(user.as_bytes()), U256([0xff; 32]));
        if is_standard {
            let open = OpenStandardMiningChannel { request_id: 7, user_identity, nominal_hash_rate, max_target };
            self.send(i, &frame(&open));
        } else {
            let open = OpenExtendedMiningChannel {
                request_id: 7,
                user_identity,
                nominal_hash_rate,
                max_target,
                min_extranonce_size: 8,
            };
            self.send(i, &frame(&open));
        }
        let miner = &mut self.miners[i];
        miner.channel_id = Some(miner.reader.as_ref().unwrap().opened[&7]);
        self.schedule(i);
    }

    /// When everything is answered. Half of them say so.
    fn leave(&mut self, i: usize) {
        let channel_id = self.miners[i].channel_id.unwrap();
        while !self.miners[i].is_answered() {
            self.pass(self.now + 1_000);
        }
        if self.dice.one_in(2) {
            let reason_code = Str(b"done");
            self.send(i, &frame(&CloseChannel { channel_id, reason_code }));
            self.miners[i].reader.as_mut().unwrap().close(channel_id);
        }
        self.server.disconnect(i as u64);
        self.serve();
        self.miners[i].reader = None;
        self.miners[i].channel_id = None;
    }

    /// The next share comes when the work for it is done.
    fn schedule(&mut self, i: usize) {
        let miner = &self.miners[i];
        let work = miner.channel().active().map_or(1.0, |job| job.target.work());
        self.miners[i].finds_at = self.now + self.dice.wait(work / self.miners[i].hash_rate * 1e3);
    }

    /// A share for the active job, or sometimes for the one before, and its job_id.
    fn mine(&mut self, i: usize) -> (u32, Rolled) {
        let ntime = self.time().unix_s as u32;
        let (nonce, extranonce) = (self.dice.next() as u32, self.dice.next().to_le_bytes());
        let roll = self.dice.next() as u32 & 0x1fff_ffe0;
        let channel = self.miners[i].channel();
        let back = usize::from(self.dice.one_in(20)).min(channel.live.len() - 1);
        let job = &channel.live[channel.live.len() - 1 - back];
        let extranonce = extranonce.iter().copied().chain([0; 32]).take(channel.extranonce_size).collect();
        let ntime = ntime.clamp(job.min_ntime, job.min_ntime + 7_200);
        let rolled = Rolled { nonce, ntime, version: job.version ^ roll, extranonce };
        let (rolled, _) = channel.mine(job, rolled, u32::MAX).expect("a share");
        (job.job_id, rolled)
    }

    fn find(&mut self, i: usize) {
        let (job_id, rolled) = self.mine(i);
        self.submit(i, job_id, &rolled);
        let miner = &mut self.miners[i];
        let job = miner.channel().live.iter().find(|job| job.job_id == job_id);
        let difficulty = job.expect("it was live before").target.difficulty();
        miner.own.add(difficulty);
        miner.sent += 1;
        // Then what is worth nothing: the same again, or for a tip that is gone, or for a job that never was.
        let stale = miner.channel().stale.last().copied();
        let again = match self.dice.below(40) {
            0 => Some(job_id),
            1 => stale,
            2 => Some(u32::MAX),
            _ => None,
        };
        if let Some(job_id) = again {
            self.submit(i, job_id, &rolled);
            self.miners[i].bad += 1;
        }
        self.miners[i].last = Some(rolled);
        self.schedule(i);
    }

    fn submit(&mut self, i: usize, job_id: u32, rolled: &Rolled) {
        let bytes = self.share(i, job_id, rolled);
        self.send(i, &bytes);
    }

    fn share(&mut self, i: usize, job_id: u32, rolled: &Rolled) -> Vec<u8> {
        self.miners[i].channel_mut().share(job_id, rolled)
    }

    /// Another machine is behind the channel from now on.
    fn update(&mut self, i: usize) {
        let miner = &mut self.miners[i];
        miner.hash_rate = HASH_RATE * (1.0 + 3.0 * self.dice.unit());
        let (channel_id, nominal_hash_rate) = (miner.channel_id.unwrap(), miner.hash_rate as f32);
        let message = UpdateChannel { channel_id, nominal_hash_rate, maximum_target: U256([0xff; 32]) };
        self.send(i, &frame(&message));
    }

    // ------------------------------------------------------------------------------------------------------------ the time

    /// Up to this moment.
    fn pass(&mut self, until: u64) {
        loop {
            let connected = (0..MINERS).filter(|i| self.miners[*i].channel_id.is_some());
            let first = connected.min_by_key(|i| self.miners[*i].finds_at);
            let next = first.map_or(until, |i| self.miners[i].finds_at.min(until));
            while let Some(deadline) = self.server.next_deadline().filter(|deadline| *deadline <= next) {
                self.now = self.now.max(deadline);
                let now = self.time();
                self.server.tick(now);
                assert!(self.server.next_deadline().is_none_or(|deadline| deadline > now.monotonic_ms));
                self.serve();
            }
            self.now = self.now.max(next);
            match first.filter(|i| self.miners[*i].finds_at <= until) {
                Some(i) => self.find(i),
                None => return,
            }
        }
    }

    /// Until the next tip.
    fn next_tip(&mut self) {
        let end = self.now + self.dice.wait(TIP_MS);
        while self.dice.one_in(2) {
            let at = self.now + self.dice.below(end.saturating_sub(self.now) + 1);
            self.pass(at);
            self.template(false);
        }
        if self.dice.one_in(3) {
            let i = self.dice.below(MINERS as u64) as usize;
            match self.miners[i].channel_id {
                None => self.join(i),
                Some(_) if self.dice.one_in(2) => self.leave(i),
                Some(_) => self.update(i),
            }
        }
        self.pass(end);
        if self.dice.one_in(50) {
            self.crash();
        }
        self.template(true);
        self.tip();
    }

    /// Everybody leaves; what the engine then holds.
    fn held_when_alone(&mut self) -> usize {
        for i in 0..MINERS {
            if self.miners[i].channel_id.is_some() {
                self.leave(i);
            }
        }
        self.template(true);
        self.tip();
        let held = HELD.with(Cell::get);
        assert_eq!((self.server.clients(), self.server.channels()), (0, 0));
        for i in 0..MINERS {
            if !self.dice.one_in(3) {
                self.join(i);
            }
        }
        held
    }
}

impl Miner {
    fn channel(&self) -> &Channel {
        &self.reader.as_ref().unwrap().channels[&self.channel_id.unwrap()]
    }

    fn channel_mut(&mut self) -> &mut Channel {
        self.reader.as_mut().unwrap().channels.get_mut(&self.channel_id.unwrap()).unwrap()
    }

    /// Whether every share was answered, and rightly: shares are acknowledged a second later, if not before.
    fn is_answered(&self) -> bool {
        let channel = self.channel();
        assert!(channel.errors.len() as u64 == self.bad, "{}: {:?}", self.user, channel.errors);
        channel.accepted == self.sent
    }
}

#[test]
fn in_a_year_everybody_is_credited_for_his_work_and_nothing_grows() {
    let mut world = World::new();
    (0..MINERS).for_each(|i| world.join(i));
    let (mut month, mut first) = (1, None);
    while world.now < HOURS * HOUR {
        world.next_tip();
        if world.now >= month * MONTH * HOUR {
            let held = world.held_when_alone();
            let first = *first.get_or_insert(held);
            assert!(held <= first + GROWTH, "{held} bytes in month {month}, {first} in the first");
            month += 1;
        }
    }
    for (i, miner) in world.miners.iter().enumerate() {
        assert!(miner.own.agrees(&world.log[&i]), "{}: {:?}, logged {:?}", miner.user, miner.own, world.log[&i]);
    }
    let shares: u64 = world.log.values().map(|credit| credit.shares).sum();
    println!(
        "{HOURS} hours: {} tips, {} templates, {} retargets, {} engines, {shares} shares, {} blocks, refused {:?}",
        world.height - FIRST_HEIGHT,
        world.template_id,
        world.retargets,
        world.engines,
        world.blocks,
        world.rejected,
    );
    assert!(shares > HOURS * 30 && world.engines > 1 && world.retargets > 0);
}
