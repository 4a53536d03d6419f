//! The template client's solutions: sent, kept, sent again, and given up.

mod template_client_world;
mod template_world;

use sv2_core::message::SubmitSolution;
use sv2_core::template::SubmittedSolution;
use sv2_core::template::client::{ClientError, Event, Submission};
use sv2_core::wire::EncodeError;

use template_client_world::{Host, plain_setup, solution};
use template_world::CONSTRAINTS;

fn lost(header_nonce: u32, may_have_arrived: bool) -> Event {
    Event::SolutionLost { solution: SubmittedSolution::from(solution(1, header_nonce)), may_have_arrived }
}

#[test]
fn a_solution_is_sent_at_once_also_for_a_template_that_is_forgotten() {
    let mut host = Host::set_up();
    assert_eq!(host.client.submit_solution(&solution(42, 1), host.now), Ok(Submission::Sent));
    host.drain();
    host.expect_written([solution(42, 1).into()]);
}

#[test]
fn solutions_wait_for_setup_and_come_right_after_the_constraints() {
    let mut host = Host::with(|_| {});
    assert_eq!(host.client.submit_solution(&solution(1, 1), host.now), Ok(Submission::Kept));
    host.connect();
    assert_eq!(host.client.submit_solution(&solution(1, 2), host.now), Ok(Submission::Kept));
    host.expect_written([plain_setup().into()]);
    host.accept();
    host.expect_written([CONSTRAINTS.into(), solution(1, 1).into(), solution(1, 2).into()]);
    assert_eq!(host.client.pending_solutions(), 2);
}

#[test]
fn what_is_not_known_to_have_arrived_is_sent_again() {
    let mut host = Host::set_up();
    host.client.submit_solution(&solution(1, 1), host.now).unwrap();
    host.drain();
    host.tick_after(300_000);
    host.client.submit_solution(&solution(1, 2), host.now).unwrap();
    host.drain();
    host.stalled = true;
    host.client.submit_solution(&solution(1, 3), host.now).unwrap();
    host.drain();
    host.lose();
    host.stalled = false;
    host.connect();
    host.accept();
    let [first, second, third] = [1, 2, 3].map(|nonce| solution(1, nonce).into());
    host.expect_written([plain_setup().into(), CONSTRAINTS.into(), first, second, third]);
}

#[test]
fn a_solution_that_is_given_up_says_whether_it_may_have_arrived() {
    let mut host = Host::set_up();
    host.client.submit_solution(&solution(1, 1), host.now).unwrap();
    host.drain();
    host.stalled = true;
    host.client.submit_solution(&solution(1, 2), host.now).unwrap();
    host.drain();
    host.lose();
    host.client.submit_solution(&solution(1, 3), host.now).unwrap();
    host.tick_after(599_999);
    assert_eq!(host.client.pending_solutions(), 3);
    assert_eq!(host.take_events(), []);
    host.tick_after(1);
    assert_eq!(host.client.pending_solutions(), 0);
    assert_eq!(host.take_events(), [lost(1, true), lost(2, false), lost(3, false)]);
}

#[test]
fn a_solution_of_which_the_socket_took_a_part_of_the_output_may_have_arrived() {
    let mut host = Host::set_up();
    host.stalled = true;
    for nonce in [1, 2] {
        host.client.submit_solution(&solution(1, nonce), host.now).unwrap();
    }
    let half = host.client.output().len() / 2;
    host.client.sent(half, host.now).unwrap();
    host.client.submit_solution(&solution(1, 3), host.now).unwrap();
    host.tick_after(600_000);
    assert_eq!(host.take_events(), [lost(1, true), lost(2, true), lost(3, false)]);
}

#[test]
fn a_solution_that_cannot_be_kept_is_not_lost_silently() {
    let mut host = Host::with(|options| options.max_pending_solutions = 2);
    for nonce in 1..=3 {
        assert_eq!(host.client.submit_solution(&solution(1, nonce), host.now), Ok(Submission::Kept));
        host.tick_after(1_000);
    }
    assert_eq!(host.take_events(), [lost(1, false)]);
    host.tick_after(598_000);
    assert_eq!(host.take_events(), [lost(2, false)]);
    assert_eq!(host.client.next_deadline(), Some(host.now.monotonic_ms + 1_000));
    host.tick_after(1_000);
    assert_eq!(host.take_events(), [lost(3, false)]);

    let coinbase_tx = [0; 65_536];
    let too_long =
        host.client.submit_solution(&SubmitSolution { coinbase_tx: &coinbase_tx, ..solution(1, 1) }, host.now);
    assert!(matches!(too_long, Err(ClientError::Encode(EncodeError::TooLong { .. }))), "{too_long:?}");
    assert_eq!(host.client.pending_solutions(), 0);
}

#[test]
fn a_solution_that_was_written_makes_room_before_one_that_was_not() {
    let mut host = Host::set_up_with(|options| options.max_pending_solutions = 2);
    host.stalled = true;
    host.client.submit_solution(&solution(1, 1), host.now).unwrap();
    host.write();
    host.client.submit_solution(&solution(1, 2), host.now).unwrap();
    host.client.submit_solution(&solution(1, 3), host.now).unwrap();
    host.drain();
    assert_eq!(host.take_events(), [lost(1, true)]);
    assert_eq!(host.client.pending_solutions(), 2);
}

#[test]
fn a_solution_that_does_not_fit_into_the_output_goes_out_when_there_is_room() {
    let mut host = Host::set_up_with(|options| options.limits.max_output = 100);
    host.stalled = true;
    let coinbase_tx = [5; 60];
    let long = SubmitSolution { coinbase_tx: &coinbase_tx, ..solution(1, 1) };
    assert_eq!(host.client.submit_solution(&long, host.now), Ok(Submission::Sent));
    assert_eq!(host.client.submit_solution(&long, host.now), Ok(Submission::Kept));
    host.stalled = false;
    host.write();
    host.expect_written([long.into(), long.into()]);
}
