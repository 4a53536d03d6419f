//! libsv2, through its C ABI, beside stratum-core: same data, same program, same run. See README.md.

mod curve;
mod data;
mod heap;
mod measure;
mod ours;
mod pool;
mod provider;
mod seals;
mod shares;
mod table;
mod theirs;

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use curve::Curve;
use data::Frame;
use measure::Prepared;
use ours::End::{Client, Server};
use provider::Provider;
use seals::Seals;
use table::Bar::{AtMost, Context, Faster, Within};
use table::Figure::{Bytes, Count, None, Time};
use table::Table;

const MINING: u8 = 0;
const TEMPLATE_DISTRIBUTION: u8 = 2;

const AUTHORITY_SECRET: [u8; 32] = [7; 32];
const STATIC_SECRET: [u8; 32] = [9; 32];

const USAGE: &str = "usage: sv2-bench [--check] [--rounds=N] [--only=plain|memory|noise|handshake|tip|slow|shares|pool|jobs]
  --check   fail if a bar is missed
  --rounds  turns that each contestant takes
  --only    one part, for a profiler";

fn main() -> ExitCode {
    let (mut check, mut rounds, mut only) = (false, measure::ROUNDS, Option::None);
    for argument in std::env::args().skip(1) {
        match argument.split_once('=') {
            Option::None if argument == "--check" => check = true,
            Some(("--rounds", n)) if n.parse().is_ok_and(|n: u32| n > 0) => rounds = n.parse().unwrap_or(rounds),
            Some(("--only", part)) if PARTS.iter().any(|(name, _)| *name == part) => only = Some(part.to_owned()),
            _ => {
                eprintln!("{USAGE}");
                return ExitCode::from(2);
            }
        }
    }
    heap::assert_everybody_is_counted();
    let mut bench = Bench::new(rounds);
    for (name, run) in PARTS {
        if only.as_ref().is_none_or(|only| only == name) {
            run(&mut bench);
        }
    }
    print!("{}", bench.table.text());
    if check && !bench.table.all_met() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

type Part = (&'static str, fn(&mut Bench));

/// The parts of the table.
const PARTS: [Part; 9] = [
    ("plain", Bench::plain_frames),
    ("memory", Bench::a_large_message_in_memory),
    ("noise", Bench::over_noise),
    ("handshake", Bench::handshakes),
    ("tip", Bench::a_new_tip),
    ("slow", Bench::slow_clients),
    ("shares", Bench::shares),
    ("pool", Bench::shares_in_a_pool),
    ("jobs", Bench::jobs_of_a_pool),
];

struct Bench {
    rounds: u32,
    table: Table,
    share: Frame,
    job: Frame,
    transactions: Frame,
    our_keys: ours::Keys,
    their_keys: theirs::Keys,
}

impl Bench {
    fn new(rounds: u32) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs();
        let authority = secp256k1::SecretKey::from_secret_bytes(AUTHORITY_SECRET).expect("in range");
        let authority = secp256k1::Keypair::from_secret_key(&authority).x_only_public_key().0.to_byte_array();
        Self {
            rounds,
            table: Table::default(),
            share: data::share(),
            job: data::job(),
            transactions: data::transactions(),
            our_keys: ours::Keys::new(&AUTHORITY_SECRET, &STATIC_SECRET, now.try_into().expect("before 2106")),
            their_keys: theirs::Keys { authority, authority_secret: AUTHORITY_SECRET },
        }
    }

    fn plain_frames(&mut self) {
        let mut ours = ours::Pair::plain(MINING);
        let mut theirs = theirs::Plain::new();
        for (name, frame, end, bar) in [
            ("SubmitSharesStandard, decode + parse", &self.share, Server, 20.0),
            ("NewExtendedMiningJob, decode + parse", &self.job, Client, 10.0),
        ] {
            let [our_time, their_time] =
                measure::times(self.rounds, [&mut |n| ours.receive(end, frame, n), &mut |n| theirs.receive(frame, n)]);
            self.table.row(name, Time(our_time), Time(their_time), Faster(bar));
            let [in_place, decode, their_time] = measure::times(
                self.rounds,
                [
                    &mut |n| ours.receive_in_place(end, frame, n),
                    &mut |n| ours::Message::new(frame).decode(frame, n),
                    &mut |n| theirs::decode(frame, n),
                ],
            );
            self.table.row("  in the caller's buffer", Time(in_place), None, Context);
            self.table.row("  payload in memory", Time(decode), Time(their_time), Context);
        }
    }

    fn a_large_message_in_memory(&mut self) {
        let frame = &self.transactions;
        let mut decoder = ours::Message::new(frame);
        let [ours, walk, theirs] = measure::times(
            self.rounds,
            [&mut |n| decoder.decode(frame, n), &mut |n| ours::walk_transactions(frame, n), &mut |n| {
                theirs::decode(frame, n)
            }],
        );
        let name = "3000 transactions, 1.2 MB, in memory, against a bare walk";
        self.table.row(name, Time(ours), Time(walk), Within(1.2));
        self.table.row("  against stratum-core", Time(ours), Time(theirs), Context);
    }

    fn over_noise(&mut self) {
        for (name, frame, protocol, to, bar) in [
            ("SubmitSharesStandard over Noise, both ends", &self.share, MINING, Server, Faster(6.0)),
            ("NewExtendedMiningJob over Noise, both ends", &self.job, MINING, Client, Context),
            ("3000 transactions over Noise, both ends", &self.transactions, TEMPLATE_DISTRIBUTION, Client, Faster(2.0)),
        ] {
            let mut ours = ours::Pair::noise(&self.our_keys, protocol);
            let (mut their_client, mut their_server) = self.their_keys.connect();
            let (their_from, their_to) = match to {
                Server => (&mut their_client, &mut their_server),
                Client => (&mut their_server, &mut their_client),
            };
            let our_message = ours::Message::new(frame);
            let mut payload = frame.payload().to_vec();
            let their_message = theirs::Message::new(frame.message_type, &mut payload);

            let [our_time, their_time] = measure::times(
                self.rounds,
                [&mut |n| ours.pass(to, &our_message, n), &mut |n| their_from.pass(their_to, &their_message, n)],
            );
            self.table.row(name, Time(our_time), Time(their_time), bar);

            // By now both are warm.
            let times = 16;
            let (_, our_allocations, _) = heap::counted(|| ours.pass(to, &our_message, times));
            let (_, their_allocations, _) = heap::counted(|| their_from.pass(their_to, &their_message, times));
            let per_message = |allocations: u64| Count(allocations as f64 / times as f64);
            self.table.row(
                "  allocations per message",
                per_message(our_allocations),
                per_message(their_allocations),
                AtMost(0.0),
            );

            // What freeing an end gives back is what it held. The keys, which all connections share, stay.
            ours.tick();
            let given_back = |end: &mut dyn FnMut()| -heap::counted(end).2;
            let ours = [Client, Server].map(|end| given_back(&mut || ours.free(end)));
            let theirs = [their_client, their_server].map(|end| {
                let mut end = Some(end);
                given_back(&mut || drop(end.take()))
            });
            let most = |[client, server]: [i64; 2]| Bytes(client.max(server));
            self.table.row("  heap of either end, idle", most(ours), most(theirs), AtMost(4096.0));
        }
    }

    fn handshakes(&mut self) {
        let curve = Curve::new(&AUTHORITY_SECRET, &STATIC_SECRET);
        let [ours, curve, theirs] = measure::times(
            self.rounds,
            [&mut |n| self.our_keys.handshakes(n), &mut |n| curve.handshakes(n), &mut |n| {
                self.their_keys.handshakes(n)
            }],
        );
        self.table.row("handshake, both ends, against its curve operations", Time(ours), Time(curve), Within(1.2));
        self.table.row("  against stratum-core", Time(ours), Time(theirs), Context);
    }

    fn a_new_tip(&mut self) {
        for (clients, rounds) in [(1, 100 * self.rounds), (100, self.rounds), (10_000, self.rounds.div_ceil(10))] {
            let (mut provider, mut seals) = (Provider::new(&self.our_keys, clients), Seals::new(clients));
            let [bare, ours] = measure::times_prepared(rounds, [&mut seals, &mut provider]);
            let name = format!("a new tip to {clients} client(s), against as many bare seals");
            self.table.row(&name, Time(ours), Time(bare), Within(1.3));
            if clients == 10_000 {
                provider.prepare();
                let wakes = Count(provider.idle(3_600_000) as f64);
                self.table.row("  wake-ups in an idle hour", wakes, None, AtMost(0.0));
                let held = -heap::counted(|| provider.free_engine()).2;
                self.table.row("  heap for each client, idle", Bytes(held / 10_000), None, AtMost(1536.0));
            }
        }
    }

    fn slow_clients(&mut self) {
        let transactions = ours::Message::new(&self.transactions);
        let mut provider = Provider::new(&self.our_keys, 200);
        let ((), _, held) = heap::counted(|| provider.serve(&transactions));
        let copy = self.transactions.bytes.len() as i64;
        let name = "1.2 MB to each of 100 slow clients: pieces before a new tip to 100 others";
        self.table.row(name, Count(provider.tip_amid() as f64), None, AtMost(1.0));
        let each = Bytes((held - copy) / 100);
        self.table.row("  heap for each of them, beside one copy", each, None, AtMost(66_560.0));
    }

    fn shares(&mut self) {
        let (mut one, mut many, mut theirs) = (shares::Ours::new(), shares::Ours::new(), shares::Theirs::new());
        let sums = [one.check(70), many.check_many(70), theirs.check(70)];
        assert!(sums.iter().all(|sum| *sum == sums[0]), "not the same hashes: {sums:?}");
        let compressions = one.compressions();
        let [bare, one, many, theirs] = measure::times_beside(
            self.rounds,
            [
                &mut |n| {
                    shares::bare_compressions(compressions, n);
                    n
                },
                &mut |n| one.check(n),
                &mut |n| many.check_many(n),
                &mut |n| theirs.check(n),
            ],
        );
        let name = format!("an extended share, path 12, against its {compressions} compressions");
        self.table.row(&name, Time(one), Time(bare), Within(1.15));
        self.table.row("  against stratum-core", Time(one), Time(theirs), Context);
        self.table.row("  in batches of 64, against one at a time", Time(many), Time(one), Faster(2.0));
    }

    fn shares_in_a_pool(&mut self) {
        let (mut ours, mut theirs) = (pool::Shares::new(&self.our_keys), pool::TheirShares::new(&self.their_keys));
        let [ours, theirs] = measure::times_prepared(self.rounds, [&mut ours, &mut theirs]);
        let each = |time: f64| Time(time / f64::from(pool::SHARES));
        self.table.row(
            "a share: receive, decrypt, validate, acknowledge ten at a time",
            each(ours),
            each(theirs),
            Faster(3.0),
        );
    }

    fn jobs_of_a_pool(&mut self) {
        for (clients, rounds) in [(100, self.rounds), (10_000, self.rounds.div_ceil(10))] {
            let mut jobs = pool::Jobs::new(&self.our_keys, clients);
            let mut seals = Seals::of_message(clients, jobs.warm_up() / clients);
            let [bare, ours] = measure::times_prepared(rounds, [&mut seals, &mut jobs]);
            let name = format!("a job to {clients} clients, against as many bare seals");
            self.table.row(&name, Time(ours), Time(bare), Within(1.3));
        }
    }
}
