//! The calls of the node's Mining interface, each through the schema of the node's version.
//!
//! The same method has another ordinal in another version, and what an ordinal means to the wrong node may do harm: so there is
//! one type for each schema, and no call is made with a schema that was not found to be the node's.

use std::sync::Arc;

use bitcoin_capnp_types_30 as v30;
use bitcoin_capnp_types_31 as v31;
use bitcoin_capnp_types_newer as newer;
use capnp::capability::{FromClientHook, RemotePromise};
use futures::future::{join, join3};
use sv2_core::bitcoin::{Coinbase, Hash, Header, Output, height_push};
use sv2_core::template::ConstraintKey;

use super::error::CallError;
use super::threads::Threads;

/// Runs the same code, whatever the version; each arm is compiled with the types of its schema.
macro_rules! any_version {
    ($this:expr, $type:ident($client:ident) => $code:expr) => {
        match $this {
            $type::V30($client) => $code,
            $type::V31($client) => $code,
            $type::Newer($client) => $code,
        }
    };
}

/// Sends a request on a server thread of its own and waits for the answer.
macro_rules! call {
    ($threads:expr, $request:expr) => {{
        let thread = $threads.lease();
        let mut request = $request;
        request.get().init_context().set_thread(thread.client());
        let promise = request.send().promise;
        $threads.answer(Some(thread), promise).await
    }};
}

/// The node's Mining interface.
#[derive(Clone)]
pub(super) enum Mining {
    V30(v30::mining_capnp::mining::Client),
    V31(v31::mining_capnp::mining::Client),
    Newer(newer::mining_capnp::mining::Client),
}

/// A template that the node holds for us.
#[derive(Clone)]
pub(super) enum Template {
    V30(v30::mining_capnp::block_template::Client),
    V31(v31::mining_capnp::block_template::Client),
    Newer(newer::mining_capnp::block_template::Client),
}

/// What is read of a template: all that miners need, without its transactions.
pub(super) struct Contents {
    pub(super) header: Header,
    pub(super) coinbase: CoinbaseParts,
    pub(super) merkle_path: Vec<Hash>,
}

/// What the node says about the coinbase.
pub(super) struct CoinbaseParts {
    pub(super) version: u32,
    pub(super) sequence: u32,
    pub(super) script_sig_prefix: Vec<u8>,
    pub(super) value_remaining: u64,
    pub(super) outputs_count: u32,
    pub(super) outputs: Vec<u8>,
    pub(super) lock_time: u32,
}

/// What a submission gave.
pub(super) struct Submitted {
    pub(super) accepted: bool,
    /// BIP 22's reason. Empty if the node's version gives none.
    pub(super) reason: String,
}

/// Makes the connection's Mining interface, and finds out which version the node speaks.
///
/// makeMining has had the ordinal 3 since version 31; version 30 knows no such method. In 31 the Mining interface ends before
/// getTransactionsByTxID, which does nothing when asked for nothing.
pub(super) async fn make_mining(bootstrap: &capnp::capability::Client, threads: &Threads) -> Result<Mining, CallError> {
    let init: newer::init_capnp::init::Client = cast(bootstrap);
    let made = match call!(threads, init.make_mining_request()) {
        Err(CallError::Unimplemented) => {
            let init: v30::init_capnp::init::Client = cast(bootstrap);
            let made = call!(threads, init.make_mining_request())?;
            return Ok(Mining::V30(made.get()?.get_result()?));
        }
        made => made?,
    };
    let mining: newer::mining_capnp::mining::Client = made.get()?.get_result()?;
    let probe = || {
        let mut request = mining.get_transactions_by_tx_i_d_request();
        request.get().init_txids(0);
        request
    };
    match call!(threads, probe()) {
        Ok(_) => Ok(Mining::Newer(mining)),
        Err(CallError::Unimplemented) => Ok(Mining::V31(cast(&mining.client))),
        Err(error) => Err(error),
    }
}

/// The same object, seen through another schema.
fn cast<T: FromClientHook>(client: &capnp::capability::Client) -> T {
    T::new(client.hook.add_ref())
}

impl Mining {
    /// 30, 31, or 32 for everything newer.
    pub(super) fn version(&self) -> u32 {
        match self {
            Self::V30(_) => 30,
            Self::V31(_) => 31,
            Self::Newer(_) => 32,
        }
    }

    /// Whether a wait for a new tip can be ended early.
    pub(super) fn can_interrupt(&self) -> bool {
        !matches!(self, Self::V30(_))
    }

    pub(super) async fn is_test_chain(&self, threads: &Threads) -> Result<bool, CallError> {
        any_version!(self, Self(mining) => Ok(call!(threads, mining.is_test_chain_request())?.get()?.get_result()))
    }

    pub(super) async fn is_initial_block_download(&self, threads: &Threads) -> Result<bool, CallError> {
        any_version!(self, Self(mining) => {
            Ok(call!(threads, mining.is_initial_block_download_request())?.get()?.get_result())
        })
    }

    /// The hash of the tip; `None` while there is none.
    pub(super) async fn tip(&self, threads: &Threads) -> Result<Option<Hash>, CallError> {
        any_version!(self, Self(mining) => {
            let answer = call!(threads, mining.get_tip_request())?;
            let answer = answer.get()?;
            if !answer.get_has_result() {
                return Ok(None);
            }
            to_hash(answer.get_result()?.get_hash()?).map(Some)
        })
    }

    /// Waits until the tip is another than `known`, or `timeout_ms` are over: gives the tip. `None` if the node shuts down.
    pub(super) async fn wait_tip_changed(
        &self,
        threads: &Threads,
        known: &Hash,
        timeout_ms: f64,
    ) -> Result<Option<Hash>, CallError> {
        any_version!(self, Self(mining) => {
            let mut request = mining.wait_tip_changed_request();
            request.get().set_current_tip(known);
            request.get().set_timeout(timeout_ms);
            let answer = call!(threads, request)?;
            let answer = answer.get()?;
            if !answer.has_result() {
                return Ok(None);
            }
            match answer.get_result()?.get_hash()? {
                [] => Ok(None),
                hash => to_hash(hash).map(Some),
            }
        })
    }

    /// Ends the wait for a new tip. Version 30 cannot, and so does not wait for long.
    pub(super) async fn interrupt(&self, threads: &Threads) -> Result<(), CallError> {
        match self {
            Self::V30(_) => Ok(()),
            Self::V31(mining) => threads.answer(None, mining.interrupt_request().send().promise).await.map(|_| ()),
            Self::Newer(mining) => threads.answer(None, mining.interrupt_request().send().promise).await.map(|_| ()),
        }
    }

    /// Makes a template and reads it. The reads are sent together with the request for it: one round trip.
    ///
    /// `cooldown` is off where there is one: it waits without an end for a chain that has no recent block.
    pub(super) async fn create(
        &self,
        threads: &Threads,
        key: ConstraintKey,
        use_mempool: bool,
    ) -> Result<(Template, Contents), CallError> {
        macro_rules! fill {
            ($options:expr) => {{
                let mut options = $options;
                options.set_use_mempool(use_mempool);
                options.set_block_reserved_weight(key.reserved_weight.into());
                options.set_coinbase_output_max_additional_sigops(key.sigops.into());
            }};
        }
        macro_rules! create {
            ($mining:expr, $template:path) => {{
                let thread = threads.lease();
                let mut request = $mining.create_new_block_request();
                request.get().init_context().set_thread(thread.client());
                request.get().set_cooldown(false);
                fill!(request.get().init_options());
                let RemotePromise { promise, pipeline } = request.send();
                let template = $template(pipeline.get_result());
                let (made, contents) = join(threads.answer(Some(thread), promise), template.read(threads)).await;
                if !made?.get()?.has_result() {
                    return Err(CallError::NoTemplate);
                }
                Ok((template, contents?))
            }};
        }
        match self {
            Self::V30(mining) => {
                // Without a Context, this runs in the node's own event loop.
                let mut request = mining.create_new_block_request();
                fill!(request.get().init_options());
                let RemotePromise { promise, pipeline } = request.send();
                let template = Template::V30(pipeline.get_result());
                let (made, contents) = join(threads.answer(None, promise), template.read(threads)).await;
                if !made?.get()?.has_result() {
                    return Err(CallError::NoTemplate);
                }
                Ok((template, contents?))
            }
            Self::V31(mining) => create!(mining, Template::V31),
            Self::Newer(mining) => create!(mining, Template::Newer),
        }
    }

    /// Hands in a whole block. `Unimplemented` in versions up to 31.
    pub(super) async fn submit_block(&self, threads: &Threads, block: &[u8]) -> Result<Submitted, CallError> {
        let Self::Newer(mining) = self else { return Err(CallError::Unimplemented) };
        let mut request = mining.submit_block_request();
        request.get().set_block(block);
        let answer = call!(threads, request)?;
        let answer = answer.get()?;
        Ok(Submitted { accepted: answer.get_result(), reason: answer.get_reason()?.to_string()? })
    }
}

impl Template {
    /// Header, coinbase and merkle path, asked for at once.
    async fn read(&self, threads: &Threads) -> Result<Contents, CallError> {
        let (header, coinbase, merkle_path) =
            join3(self.header(threads), self.coinbase(threads), self.merkle_path(threads)).await;
        Ok(Contents { header: header?, coinbase: coinbase?, merkle_path: merkle_path? })
    }

    async fn header(&self, threads: &Threads) -> Result<Header, CallError> {
        any_version!(self, Self(template) => {
            let answer = call!(threads, template.get_block_header_request())?;
            let bytes = answer.get()?.get_result()?;
            bytes.try_into().map(Header::from_bytes).map_err(|_| CallError::Nonsense("a header that is not 80 bytes long"))
        })
    }

    async fn merkle_path(&self, threads: &Threads) -> Result<Vec<Hash>, CallError> {
        any_version!(self, Self(template) => {
            let answer = call!(threads, template.get_coinbase_merkle_path_request())?;
            answer.get()?.get_result()?.iter().map(|node| to_hash(node?)).collect()
        })
    }

    async fn coinbase(&self, threads: &Threads) -> Result<CoinbaseParts, CallError> {
        macro_rules! parts {
            ($template:expr) => {{
                let answer = call!(threads, $template.get_coinbase_tx_request())?;
                let coinbase = answer.get()?.get_result()?;
                let mut outputs = Vec::new();
                let required = coinbase.get_required_outputs()?;
                for output in required.iter() {
                    outputs.extend_from_slice(output?);
                }
                Ok(CoinbaseParts {
                    version: coinbase.get_version(),
                    sequence: coinbase.get_sequence(),
                    script_sig_prefix: coinbase.get_script_sig_prefix()?.to_vec(),
                    value_remaining: to_value(coinbase.get_block_reward_remaining())?,
                    outputs_count: required.len(),
                    outputs,
                    lock_time: coinbase.get_lock_time(),
                })
            }};
        }
        match self {
            Self::V30(template) => {
                let answer = call!(threads, template.get_coinbase_tx_request())?;
                CoinbaseParts::of_dummy(answer.get()?.get_result()?)
            }
            Self::V31(template) => parts!(template),
            Self::Newer(template) => parts!(template),
        }
    }

    /// The whole block, with whatever coinbase it has in the node.
    pub(super) async fn block(&self, threads: &Threads) -> Result<Vec<u8>, CallError> {
        any_version!(self, Self(template) => {
            Ok(call!(threads, template.get_block_request())?.get()?.get_result()?.to_vec())
        })
    }

    /// Hands in a solution. It changes the template in the node: nothing else may be asked of it meanwhile.
    pub(super) async fn submit(
        &self,
        threads: &Threads,
        header: &Header,
        coinbase_tx: &[u8],
    ) -> Result<Submitted, CallError> {
        macro_rules! submit {
            ($request:expr) => {{
                let mut request = $request;
                let mut solution = request.get();
                solution.set_version(header.version);
                solution.set_timestamp(header.time);
                solution.set_nonce(header.nonce);
                solution.set_coinbase(coinbase_tx);
                call!(threads, request)?
            }};
        }
        let without_reason = |accepted| Submitted { accepted, reason: String::new() };
        match self {
            Self::V30(template) => Ok(without_reason(submit!(template.submit_solution_request()).get()?.get_result())),
            Self::V31(template) => Ok(without_reason(submit!(template.submit_solution_request()).get()?.get_result())),
            Self::Newer(template) => {
                let answer = submit!(template.submit_solution_request());
                let answer = answer.get()?;
                Ok(Submitted { accepted: answer.get_result(), reason: answer.get_reason()?.to_string()? })
            }
        }
    }

    /// Whether the node takes whole blocks, too.
    pub(super) fn has_submit_block(&self) -> bool {
        matches!(self, Self::Newer(_))
    }

    /// Lets the node forget the template. Nothing may be under way on it.
    pub(super) async fn destroy(&self, threads: &Threads) -> Result<(), CallError> {
        any_version!(self, Self(template) => call!(threads, template.destroy_request()).map(|_| ()))
    }
}

impl CoinbaseParts {
    /// Version 30 gives a whole coinbase: the height and OP_0 in its scriptSig, an output that takes the whole reward, and after
    /// it those that the block must have.
    fn of_dummy(bytes: &[u8]) -> Result<Self, CallError> {
        const NONSENSE: CallError = CallError::Nonsense("something that is no coinbase");
        let coinbase = Coinbase::parse(bytes).map_err(|_| NONSENSE)?;
        let height = coinbase.height().ok_or(NONSENSE)?;
        let mut outputs = coinbase.transaction().outputs();
        let reward: Output<'_> = outputs.next().ok_or(NONSENSE)?;
        let mut required = Vec::new();
        let mut count = 0;
        for output in outputs {
            output.serialize_into(&mut required);
            count += 1;
        }
        Ok(Self {
            version: coinbase.transaction().version(),
            sequence: coinbase.sequence(),
            script_sig_prefix: height_push(height).to_vec(),
            value_remaining: reward.value,
            outputs_count: count,
            outputs: required,
            lock_time: coinbase.transaction().lock_time(),
        })
    }
}

fn to_hash(bytes: &[u8]) -> Result<Hash, CallError> {
    bytes.try_into().map_err(|_| CallError::Nonsense("a hash that is not 32 bytes long"))
}

fn to_value(satoshis: i64) -> Result<u64, CallError> {
    u64::try_from(satoshis).map_err(|_| CallError::Nonsense("a negative reward"))
}

/// The bytes of a template's transactions, the coinbase left out; shared, since they are large.
pub(super) struct Transactions {
    block: Vec<u8>,
    /// Where each begins and ends in `block`.
    ranges: Vec<(usize, usize)>,
}

impl Transactions {
    /// Those of a template that has none.
    pub(super) fn none() -> Arc<Self> {
        Arc::new(Self { block: Vec::new(), ranges: Vec::new() })
    }

    pub(super) fn of_block(block: Vec<u8>) -> Result<Arc<Self>, CallError> {
        const NONSENSE: CallError = CallError::Nonsense("something that is no block");
        let parsed = sv2_core::bitcoin::Block::parse(&block).map_err(|_| NONSENSE)?;
        let lens: Vec<usize> = parsed.transactions.skip(1).map(|transaction| transaction.as_bytes().len()).collect();
        // They stand one behind the other, up to the end.
        let mut end = block.len().saturating_sub(lens.iter().sum());
        let ranges = lens.into_iter().map(|len| {
            let from = end;
            end += len;
            (from, end)
        });
        let ranges = ranges.collect();
        Ok(Arc::new(Self { block, ranges }))
    }

    pub(super) fn len_in_bytes(&self) -> usize {
        self.block.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> + Clone {
        self.ranges.iter().filter_map(|(from, to)| self.block.get(*from..*to))
    }
}
