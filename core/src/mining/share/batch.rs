//! Several shares at once: each step of all of them, before the next step of any.

use core::array::from_fn;
use core::ptr;

use super::{Checked, Share, ShareError, ShareWork};
use crate::bitcoin::Hash;
use crate::mining::hash::{self, Block, Blocks, IV, State};

/// How many shares are taken together, on the stack: a multiple of what the processor hashes side by side.
const LANES: usize = 16;

/// A share and what it is judged against.
type Pair<'a> = (ShareWork<'a>, Share<'a>);

/// Judges shares that do not depend on each other, each as [`check`](super::check) does, at `now`, in seconds since 1970-01-01
/// UTC. Writes one verdict for each share, in order, as far as both slices go. Allocates nothing.
///
/// Fastest are four or more in a row whose jobs have the same merkle path, as all jobs of a template have.
pub fn check_many(shares: &[Pair<'_>], now: u64, verdicts: &mut [Result<Checked, ShareError>]) {
    for (shares, verdicts) in shares.chunks(LANES).zip(verdicts.chunks_mut(LANES)) {
        // Those that are worth hashing, and whose they are.
        let mut lanes: [&Pair<'_>; LANES] = from_fn(|lane| shares.get(lane).unwrap_or(&shares[0]));
        let mut places = [0; LANES];
        let mut len = 0;
        for (place, (pair, verdict)) in shares.iter().zip(&mut *verdicts).enumerate() {
            match pair.0.check_fields(&pair.1, now) {
                Ok(()) => {
                    (lanes[len], places[len]) = (pair, place);
                    len += 1;
                }
                Err(error) => *verdict = Err(error),
            }
        }
        let hashes = header_hashes(&lanes[..len]);
        for ((place, (work, _)), hash) in places.iter().zip(&lanes[..len]).zip(hashes) {
            verdicts[*place] = work.judge(hash);
        }
    }
}

/// The hashes of the headers of at most [`LANES`] shares.
fn header_hashes(shares: &[&Pair<'_>]) -> [Hash; LANES] {
    let roots = merkle_roots(shares);
    let mut blocks = [[[0; 64]; LANES]; 2];
    for (lane, ((work, share), root)) in shares.iter().zip(roots).enumerate() {
        let header = hash::header_blocks(&work.header_with(share, root));
        blocks.iter_mut().zip(header).for_each(|(blocks, block)| blocks[lane] = block);
    }
    let mut states = [IV; LANES];
    let states_of_shares = &mut states[..shares.len()];
    blocks.iter().for_each(|blocks| hash::compress(states_of_shares, blocks));
    hash::climb(states_of_shares, &[]);
    states.map(|state| hash::to_hash(&state))
}

/// The merkle roots of at most [`LANES`] shares.
fn merkle_roots(shares: &[&Pair<'_>]) -> [Hash; LANES] {
    let mut roots = [[0; 32]; LANES];
    let mut free = roots.as_mut_slice();
    for run in shares.chunk_by(|left, right| same_path(&left.0, &right.0)) {
        let (of_run, later) = free.split_at_mut(run.len());
        match run {
            [(ShareWork { merkle_root: None, job, .. }, _), ..] => {
                let mut states = coinbase_states(run);
                hash::climb(&mut states[..run.len()], job.merkle_path());
                of_run.iter_mut().zip(&states).for_each(|(root, state)| *root = hash::to_hash(state));
            }
            _ => {
                let known = run.iter().filter_map(|(work, _)| work.merkle_root);
                of_run.iter_mut().zip(known).for_each(|(root, known)| *root = *known);
            }
        }
        free = later;
    }
    roots
}

/// Whether the way from coinbase to merkle root is the same, or known for both.
fn same_path(left: &ShareWork<'_>, right: &ShareWork<'_>) -> bool {
    match (left.merkle_root, right.merkle_root) {
        (None, None) => ptr::eq(left.job, right.job) || left.job.merkle_path() == right.job.merkle_path(),
        (left, right) => left.is_some() && right.is_some(),
    }
}

/// The states after the coinbases of at most [`LANES`] shares, hashed once.
fn coinbase_states(shares: &[&Pair<'_>]) -> [State; LANES] {
    let extranonces: [[&[u8]; 2]; LANES] =
        from_fn(|lane| shares.get(lane).map(|(work, share)| work.extranonce(share)).unwrap_or_default());
    let mut states = [IV; LANES];
    let mut coinbases: [Option<Blocks<'_>>; LANES] = from_fn(|_| None);
    for (lane, ((work, _), extranonce)) in shares.iter().zip(&extranonces).enumerate() {
        let (state, blocks) = work.job.coinbase_hasher(extranonce);
        (states[lane], coinbases[lane]) = (state, Some(blocks));
    }
    // The next block of each coinbase that has one; with jobs of the same size all of them have, or none.
    loop {
        let mut next: [Block; LANES] = [[0; 64]; LANES];
        let mut lanes = [0; LANES];
        let mut len = 0;
        for (lane, blocks) in coinbases.iter_mut().enumerate() {
            if blocks.as_mut().is_some_and(|blocks| blocks.next_into(&mut next[len])) {
                lanes[len] = lane;
                len += 1;
            }
        }
        if len == 0 {
            return states;
        }
        let mut states_of_next: [State; LANES] = lanes.map(|lane| states[lane]);
        hash::compress(&mut states_of_next[..len], &next);
        lanes.iter().zip(states_of_next).take(len).for_each(|(lane, state)| states[*lane] = state);
    }
}
