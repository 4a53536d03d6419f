//! A regtest chain in libbitcoinkernel: the same validation as Bitcoin Core's, the judge of every block we make.

use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bitcoinkernel::prelude::*;
use bitcoinkernel::{
    Block, BlockValidationResult, BlockValidationStateRef, ChainType, ChainstateManager, Context, Log, LogCategory,
    LogLevel, Logger, ProcessBlockResult, ValidationMode,
};
use tempfile::TempDir;

/// A chain that begins with regtest's genesis block and lives in a temporary directory.
///
/// libbitcoinkernel reads the system's clock: a block more than two hours ahead of it is refused.
pub struct Regtest {
    // Fields are dropped in this order: the chain needs its context, and both the directory.
    chain: ChainstateManager,
    verdict: Arc<Mutex<Option<BlockValidationResult>>>,
    _context: Context,
    _directory: TempDir,
}

impl Regtest {
    /// A chain of height 0.
    ///
    /// # Errors
    /// That the directory or the chain cannot be made.
    pub fn new() -> Result<Regtest, Box<dyn std::error::Error>> {
        listen_to_the_log()?;
        let directory = TempDir::new()?;
        let verdict = Arc::new(Mutex::new(None));
        let heard = Arc::clone(&verdict);
        let context = Context::builder()
            .chain_type(ChainType::Regtest)
            .with_block_checked_validation(move |_: Block, state: BlockValidationStateRef<'_>| {
                if state.mode() != ValidationMode::Valid {
                    *heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(state.result());
                }
            })
            .build()?;
        let path = |name: &str| directory.path().join(name).display().to_string();
        let chain = ChainstateManager::builder(&context, &path("data"), &path("blocks"))?
            .block_tree_db_in_memory(true)
            .chainstate_db_in_memory(true)
            .worker_threads(1)
            .build()?;
        chain.import_blocks()?;
        Ok(Regtest { chain, verdict, _context: context, _directory: directory })
    }

    /// Asks for a verdict on a raw block. It is accepted if it is valid and became the tip.
    ///
    /// # Errors
    /// Why the block was refused.
    pub fn feed(&self, block: &[u8]) -> Result<(), Refused> {
        let log = || LOG.with_borrow_mut(std::mem::take);
        log();
        let refused = |because| Refused { because, log: log() };
        let block = Block::new(block).map_err(|_| refused(Because::NotABlock))?;
        *self.verdict() = None;
        let processed = self.chain.process_block(&block);
        if let Some(reason) = self.verdict().take() {
            return Err(refused(Because::Invalid(reason)));
        }
        match processed {
            ProcessBlockResult::Rejected => Err(refused(Because::Rejected)),
            ProcessBlockResult::Duplicate => Err(refused(Because::Duplicate)),
            ProcessBlockResult::NewBlock if self.tip() != block.hash().to_string() => Err(refused(Because::NotTheTip)),
            ProcessBlockResult::NewBlock => Ok(()),
        }
    }

    /// The height of the tip.
    pub fn height(&self) -> usize {
        usize::try_from(self.chain.active_chain().height()).unwrap_or(0)
    }

    /// The hash of the tip as people print it: reversed, in hex.
    pub fn tip(&self) -> String {
        self.chain.active_chain().tip().block_hash().to_string()
    }

    fn verdict(&self) -> MutexGuard<'_, Option<BlockValidationResult>> {
        self.verdict.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A block that did not become the tip.
pub struct Refused {
    /// The kind of fault.
    pub because: Because,
    /// What libbitcoinkernel logged meanwhile, with its reject reason (`bad-txnmrklroot` and the like).
    pub log: Vec<String>,
}

/// Why a block did not become the tip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Because {
    /// The bytes are not the serialization of a block.
    NotABlock,
    /// It breaks this rule.
    Invalid(BlockValidationResult),
    /// It was not even looked at.
    Rejected,
    /// It is in the chain already.
    Duplicate,
    /// It may be valid, but another branch has at least as much work.
    NotTheTip,
}

impl Refused {
    /// Whether libbitcoinkernel gave this reject reason.
    pub fn says(&self, reason: &str) -> bool {
        self.log.iter().any(|line| line.contains(reason))
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused: {:?}\n{}", self.because, self.log.concat())
    }
}

impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What `unwrap` prints: the log's lines must stay legible.
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Refused {}

thread_local! {
    /// What libbitcoinkernel logged on this thread. It logs on the thread that gave it the block, so that tests running side
    /// by side do not hear each other.
    static LOG: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

struct ToThread;

impl Log for ToThread {
    fn log(&self, message: &str) {
        LOG.with_borrow_mut(|log| log.push(message.to_owned()));
    }
}

/// Connects to the log, which is one for the whole process, the first time it is called.
fn listen_to_the_log() -> Result<(), String> {
    static LISTENING: OnceLock<Result<(), String>> = OnceLock::new();
    LISTENING
        .get_or_init(|| {
            let logger = Logger::new(ToThread).map_err(|error| error.to_string())?;
            logger.enable_category(LogCategory::Validation);
            logger.set_level_category(LogCategory::Validation, LogLevel::Debug);
            // Dropping it would end the connection.
            std::mem::forget(logger);
            Ok(())
        })
        .clone()
}
