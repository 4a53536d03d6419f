//! After a channel is open, the mining client allocates nothing: over many tips, jobs and shares, with and without Noise.

mod mining_client_world;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use mining_client_world::*;
use sv2_core::SystemRandom;
use sv2_core::connection::Connection;
use sv2_core::message::*;
use sv2_core::mining::client::{Capacity, Client, Event, Solution};
use sv2_core::wire::{Str, U256};

/// Counts what this thread allocates while it is told to.
struct Counting;

thread_local! {
    static COUNTS: Cell<bool> = const { Cell::new(false) };
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if COUNTS.try_with(Cell::get).unwrap_or(false) {
            let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        }
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn counted<R>(body: impl FnOnce() -> R) -> R {
    COUNTS.set(true);
    let result = body();
    COUNTS.set(false);
    result
}

/// A client and a server that are past opening, and what was seen on the way.
struct Mine<'a> {
    client: &'a mut Client,
    server: &'a mut Connection,
    buffer: Vec<u8>,
    new_jobs: usize,
    accepted: u64,
}

impl Mine<'_> {
    /// The server says something in pieces of `chunk` bytes; the client's part is counted.
    fn say<'m>(&mut self, message: &impl Payload<'m>, chunk: usize) {
        self.server.send(message).unwrap();
        self.buffer.clear();
        self.buffer.extend_from_slice(self.server.output());
        assert!(self.server.sent(self.buffer.len()));
        let Self { client, buffer, new_jobs, accepted, .. } = self;
        counted(|| {
            for piece in buffer.chunks(chunk) {
                client.room()[..piece.len()].copy_from_slice(piece);
                client.received(piece.len(), START).unwrap();
                while let Some(event) = client.next_event() {
                    match event {
                        Event::NewJob { .. } => *new_jobs += 1,
                        Event::SharesAccepted { count, .. } => *accepted += u64::from(count),
                        Event::Close { reason } => panic!("{reason}"),
                        _ => {}
                    }
                }
            }
            client.tick(START);
        });
    }

    fn submit(&mut self, channel_id: u32, solution: &Solution<'_>, is_written_whole: bool) {
        let client = &mut *self.client;
        counted(|| client.submit(channel_id, solution, Some(b"rig"), START).unwrap());
        self.buffer.clear();
        self.buffer.extend_from_slice(client.output());
        let written = if is_written_whole { self.buffer.len() } else { self.buffer.len() / 2 };
        counted(|| client.sent(written, START).unwrap());
        let mut bytes = &mut self.buffer[..written];
        while self.server.next_from(&mut bytes, START, &mut SystemRandom).unwrap().is_some() {}
    }
}

fn mine_a_while(mut world: World) {
    world.open_standard(2);
    world.open_extended(3);
    let (client, server) = (&mut world.client, &mut world.server);
    let mut mine = Mine { client, server, buffer: Vec::with_capacity(1 << 16), new_jobs: 0, accepted: 0 };
    let mut job_id = 0;
    for round in 0..500 {
        let chunk = [1, 7, 64, 1_000][round % 4];
        for _ in 0..3 {
            job_id += 1;
            mine.say(&extended_job(1, job_id, None), chunk);
            mine.say(&standard_job(2, job_id + 1_000_000, None), chunk);
        }
        mine.say(&tip(1, job_id, (round % 200) as u8 + 1), chunk);
        mine.say(&SetTarget { channel_id: 1, maximum_target: U256([round as u8; 32]) }, chunk);
        mine.say(&SetExtranoncePrefix { channel_id: 3, extranonce_prefix: &[round as u8; 4] }, chunk);
        for _ in 0..4 {
            job_id += 1;
            mine.say(&extended_job(1, job_id, Some(NTIME)), chunk);
            let share = Solution { extranonce: &[1, 2, 3, 4], ..solution(job_id) };
            mine.submit(3, &share, false);
            mine.submit(2, &solution(job_id), true);
        }
        for channel_id in [2, 3] {
            let (last_sequence_number, new_shares_sum) = (4 * round as u32 + 4, 1);
            let (new_submits_accepted_count, error_code) = (3, Str(b"stale-share"));
            let sequence_number = last_sequence_number - 1;
            mine.say(&SubmitSharesError { channel_id, sequence_number, error_code }, chunk);
            mine.say(
                &SubmitSharesSuccess { channel_id, last_sequence_number, new_submits_accepted_count, new_shares_sum },
                chunk,
            );
        }
        mine.say(&SubmitSharesError { channel_id: 99, sequence_number: 1, error_code: Str(b"what a log says") }, chunk);
    }
    assert_eq!((mine.new_jobs, mine.accepted), (500 * 5 * 2, 500 * 3 * 2));
    assert_eq!(COUNT.get(), 0, "allocations after opening");
}

fn small(options: &mut sv2_core::mining::client::ClientOptions) {
    options.receive_buffer_len = 2_048;
    options.send_buffer_len = 2_048;
    options.extensions = vec![EXTENSION_WORKER_SPECIFIC_HASHRATE_TRACKING];
    options.capacity =
        Capacity { channels: 2, jobs: 6, extended_jobs: 6, extended_job_len: 512, unanswered_shares: 16 };
}

fn accepted(mut world: World) -> World {
    world.accept();
    let supported_extensions = sv2_core::wire::List::Items(&[EXTENSION_WORKER_SPECIFIC_HASHRATE_TRACKING]);
    world.say(&RequestExtensionsSuccess { request_id: 1, supported_extensions });
    world
}

#[test]
fn nothing_is_allocated_after_opening() {
    mine_a_while(accepted(World::with(small)));
}

#[test]
fn nothing_is_allocated_after_opening_over_noise() {
    mine_a_while(accepted(World::noise_with(small)));
}

#[test]
fn the_counter_counts() {
    counted(|| drop(vec![0_u8; 100]));
    assert_eq!(COUNT.get(), 1);
}
