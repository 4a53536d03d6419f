//! Our template provider as a process, among clients that cost others dearly: idle ones, silent ones, ones that do not read,
//! and ones that announce what they never send.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use sv2_core::message::{NewTemplate, RequestTransactionData, RequestTransactionDataSuccess, SetNewPrevHashTemplate};
use sv2_interop::directory::TestDirectory;
use sv2_interop::plain::PlainClient;
use sv2_interop::provider::{self, Provider};
use sv2_interop::{or_skipped, peers, pool};

const MIB: usize = 1 << 20;
/// How much a client that does not read may cost: what the engine keeps for it (its option max_output, 8 MiB), twice while
/// a buffer grows, and what the allocator does not give back.
const A_SLOW_CLIENT: usize = 24 * MIB;

/// How long a client may take for its handshake.
const A_HANDSHAKE: Duration = Duration::from_secs(10);

/// Starts the provider with a chain that stands still, or ends the test.
macro_rules! provider {
    ($directory:expr $(, $option:literal)*) => {
        Provider::start_plain(&or_skipped!(provider::program()), $directory.path(), &["-txinterval=0" $(, $option)*]).unwrap()
    };
}

#[test]
fn a_provider_with_idle_clients_uses_no_processor_time() {
    let directory = TestDirectory::new().unwrap();
    let provider = provider!(directory);
    let mut clients: Vec<_> = (0..20).map(|_| PlainClient::with_templates(&provider.address).unwrap()).collect();
    for client in &mut clients {
        client.read::<SetNewPrevHashTemplate>().unwrap();
    }
    thread::sleep(Duration::from_secs(1));
    let before = provider.process.cpu_time().unwrap();
    thread::sleep(Duration::from_secs(5));
    let used = provider.process.cpu_time().unwrap() - before;
    // One tick of the system's clock can be counted by chance.
    assert!(used <= Duration::from_millis(20), "{used:?} of 5 s");
}

#[test]
fn silent_connections_keep_no_pool_out_and_are_closed() {
    let provider = or_skipped!(provider::program());
    let pool = or_skipped!(peers::program("pool_sv2"));
    let directory = TestDirectory::new().unwrap();
    let provider = Provider::start(&provider, directory.path()).unwrap();
    let before = provider.process.memory().unwrap();
    let silent: Vec<_> = (0..400).map(|_| PlainClient::connect(&provider.address).unwrap()).collect();
    let start = Instant::now();
    let mut pool = pool::start(&pool, directory.path(), &provider.address, &provider.authority_key).unwrap();
    pool.wait_until_ready(A_HANDSHAKE).unwrap();
    let cost = provider.process.memory().unwrap().saturating_sub(before);
    assert!(cost < 8 * MIB, "{cost} bytes for {} silent connections", silent.len());
    for connection in silent {
        connection.wait_until_closed(2 * A_HANDSHAKE).unwrap();
    }
    assert!(start.elapsed() < 2 * A_HANDSHAKE, "they were closed after {:?}", start.elapsed());
    assert!(pool.process.is_running());
}

#[test]
fn a_client_that_does_not_read_costs_a_bounded_amount_and_delays_nobody() {
    let directory = TestDirectory::new().unwrap();
    let mut provider = provider!(directory, "-mempool=5000");
    let mut good = PlainClient::with_templates(&provider.address).unwrap();
    let template_id = template_id(&good.read::<NewTemplate>().unwrap());
    let request = RequestTransactionData { template_id };
    good.send(&request).unwrap();
    let transactions = good.read::<RequestTransactionDataSuccess>().unwrap();
    assert!(transactions.len() > MIB / 2, "{} bytes of transactions", transactions.len());

    let before = provider.process.memory().unwrap();
    let mut slow = PlainClient::with_templates(&provider.address).unwrap();
    slow.read::<SetNewPrevHashTemplate>().unwrap();
    let mut most = 0;
    // Writing fails once the provider has closed the connection.
    for _ in 0..1000 {
        if slow.send(&request).is_err() {
            break;
        }
        most = most.max(provider.process.memory().unwrap());
        thread::sleep(Duration::from_millis(1));
    }
    provider.process.wait_for_text("closed", Duration::from_secs(10)).unwrap();
    assert!(most - before < A_SLOW_CLIENT, "{} bytes", most - before);

    let start = Instant::now();
    good.send(&request).unwrap();
    assert!(good.read::<RequestTransactionDataSuccess>().unwrap() == transactions);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[test]
fn memory_is_not_reserved_for_what_is_merely_announced() {
    let directory = TestDirectory::new().unwrap();
    let provider = provider!(directory);
    let mut clients: Vec<_> = (0..50).map(|_| PlainClient::with_templates(&provider.address).unwrap()).collect();
    for client in &mut clients {
        client.read::<SetNewPrevHashTemplate>().unwrap();
    }
    let before = provider.process.memory().unwrap();
    // A SubmitSolution of so many bytes, of which only the header comes.
    for (client, len) in clients.iter_mut().zip([60_000_u32, 0xff_ffff].into_iter().cycle()) {
        let [low, middle, high, _] = len.to_le_bytes();
        client.stream.write_all(&[0, 0, 0x76, low, middle, high]).unwrap();
    }
    PlainClient::with_templates(&provider.address).unwrap().read::<SetNewPrevHashTemplate>().unwrap();
    let cost = provider.process.memory().unwrap().saturating_sub(before);
    assert!(cost < 8 * MIB, "{cost} bytes for {} announcements", clients.len());
    // What is longer than any message of this protocol that a client sends ends its connection.
    for client in clients.into_iter().skip(1).step_by(2) {
        client.wait_until_closed(Duration::from_secs(10)).unwrap();
    }
}

/// The template_id of a NewTemplate: its first field.
fn template_id(new_template: &[u8]) -> u64 {
    u64::from_le_bytes(new_template[..8].try_into().unwrap())
}
