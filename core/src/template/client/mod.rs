//! The client's side of the Template Distribution Protocol: see [`TemplateClient`].

mod events;
mod link;
mod messages;
mod options;
mod requests;
mod solutions;
mod store;
mod work;

use alloc::boxed::Box;
use core::fmt;

use super::{ConstraintKey, SubmittedSolution};
use crate::message::{CoinbaseOutputConstraints, Payload, SubmitSolution};
use crate::noise::HandshakeError;
use crate::wire::EncodeError;
use crate::{Random, Time};

use events::Events;
pub use events::{CloseReason, Event, TransactionDataError};
use link::Link;
pub use options::ClientOptions;
use requests::Requests;
use solutions::{GivenUp, Solutions};
use store::Store;
pub use work::{ReceivedTemplate, Tip, TransactionData};

/// How long after anything happened the connection gives back buffers that are not in use, in milliseconds.
const SWEEP_INTERVAL_MS: u64 = 10_000;

/// Gets templates from one provider and gives it solutions (spec 7): what a pool or a job declarator client needs.
///
/// **The loop.** The host hands in what happens: bytes from its socket, its own wishes, the passing of time. After each input it
/// takes all events with [`TemplateClient::next_event`] and does what they say; for [`Event::Writable`] it writes
/// [`TemplateClient::output`] to the socket until that is empty or the socket takes no more. Inputs are allowed in between. The
/// engine calls nobody back, never blocks, and reads no clock: it wants to be called again at
/// [`TemplateClient::next_deadline`].
///
/// ```text
///   socket: connect, receive, sent, disconnected ─▶ ┌────────────────┐ ─▶ Writable, Close
///     host: set_constraints, submit_solution,       │ TemplateClient │ ─▶ Ready, NewTemplate, NewTip, TemplateExpired,
///           request_transaction_data             ─▶ │                │    TransactionData, SolutionLost
///    timer: tick                                 ─▶ └────────────────┘ ─▶ next_deadline
/// ```
///
/// **Templates.** A future template waits for SetNewPrevHash, which activates it; any other is on the present tip and is the one
/// to mine on at once. Templates on a tip that is gone can be solved for
/// [`ClientOptions::template_lifetime_ms`] more. [`ReceivedTemplate::coinbase`] makes a coinbase,
/// [`ReceivedTemplate::merkle_root`] and [`Tip::header`] the header to hash.
///
/// **Solutions** go out at once. SubmitSolution has no answer, and a socket takes bytes for minutes after the path is dead; so each
/// is kept until a SetNewPrevHash names its block, and is sent again over each next connection until then. The provider may get
/// it twice, and must be the same provider. [`Event::SolutionLost`] says when one is given up unconfirmed.
///
/// **Failover.** A client has one provider. A host that has several makes as many clients, keeps them all connected, and takes
/// its work from one that [`TemplateClient::is_serving`]. After a loss it connects the same client again: templates stay, so that
/// what is found meanwhile can be submitted. A provider that is connected but says nothing is found out by the deadlines of
/// [`ClientOptions`], and by [`TemplateClient::last_heard`].
///
/// **Bounds.** What a provider does costs a bounded amount of memory, set by [`ClientOptions`]. Messages that are unknown or
/// that nobody waits for are ignored; one that is malformed closes the connection.
pub struct TemplateClient {
    options: ClientOptions,
    random: Box<dyn Random + Send>,
    link: Option<Link>,
    store: Store,
    requests: Requests,
    solutions: Solutions,
    events: Events,
    sweep_at: Option<u64>,
    last_heard: Option<Time>,
    /// When the last input came.
    now: Time,
}

/// An input that was not accepted. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientError {
    /// There is no connection, or the engine has closed it.
    NotConnected,
    /// There is a connection already.
    AlreadyConnected,
    /// The handshake cannot be begun.
    Handshake(HandshakeError),
    /// [`TemplateClient::sent`] says more than [`TemplateClient::output`] gave.
    NotInOutput,
    /// So many bytes of outputs do not fit into a block.
    ConstraintsTooLarge {
        /// coinbase_output_max_additional_size.
        max_additional_size: u32,
    },
    /// There is no such template: it was not sent, or is forgotten.
    UnknownTemplate,
    /// There are [`ClientOptions::max_pending_requests`].
    TooManyRequests,
    /// A string of the options or a coinbase does not fit into its message.
    Encode(EncodeError),
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConnected => f.write_str("there is no connection"),
            Self::AlreadyConnected => f.write_str("there is a connection already"),
            Self::Handshake(error) => error.fmt(f),
            Self::NotInOutput => f.write_str("more was sent than there was to send"),
            Self::ConstraintsTooLarge { max_additional_size } => {
                write!(f, "{max_additional_size} bytes of coinbase outputs do not fit into a block")
            }
            Self::UnknownTemplate => f.write_str("there is no such template"),
            Self::TooManyRequests => f.write_str("too many requests for transaction data are waiting"),
            Self::Encode(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ClientError {}

/// Where a solution is after [`TemplateClient::submit_solution`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Submission {
    /// In [`TemplateClient::output`], to be written at once.
    Sent,
    /// Kept until the provider is connected and set up, or the socket has taken what is before it.
    Kept,
}

impl TemplateClient {
    /// A client without a connection.
    ///
    /// # Errors
    /// `Encode` if a string of the options has more than 255 bytes, `ConstraintsTooLarge` for the constraints.
    pub fn new(options: ClientOptions, random: Box<dyn Random + Send>) -> Result<Self, ClientError> {
        options.setup().encoded_len().map_err(ClientError::Encode)?;
        options.constraints.as_ref().map_or(Ok(()), check_constraints)?;
        Ok(Self {
            options,
            random,
            link: None,
            store: Store::default(),
            requests: Requests::default(),
            solutions: Solutions::default(),
            events: Events::default(),
            sweep_at: None,
            last_heard: None,
            now: Time::default(),
        })
    }

    // --------------------------------------------------------------------------------------------------------- socket

    /// The socket is connected to the provider: the handshake begins. What is left of an earlier connection stays: templates,
    /// until a tip is announced, and solutions that are not known to have arrived. Take all events of it before: an
    /// [`Event::Close`] that still waits would hit the new connection, so it becomes an [`Event::Log`] with its reason, and what
    /// [`CloseReason::may_retry`] said is gone.
    ///
    /// # Errors
    /// `AlreadyConnected`, or `Handshake` if there is no randomness.
    pub fn connect(&mut self, now: Time) -> Result<(), ClientError> {
        if self.link.is_some() {
            return Err(ClientError::AlreadyConnected);
        }
        let link = Link::new(&self.options, now, &mut *self.random).map_err(ClientError::Handshake)?;
        self.events.cancel_close();
        self.pass(now);
        self.link = Some(link);
        self.pump();
        Ok(())
    }

    /// The socket is closed, or could not be connected. Also right, and without effect, after [`Event::Close`].
    pub fn disconnected(&mut self, now: Time) {
        self.pass(now);
        self.lose_link();
    }

    /// Bytes came from the provider. They are decrypted where they are; what is left in `bytes` has no meaning.
    ///
    /// # Errors
    /// `NotConnected`. What is wrong with the bytes leads to an [`Event::Close`].
    pub fn receive(&mut self, bytes: &mut [u8], now: Time) -> Result<(), ClientError> {
        if self.link.is_none() {
            return Err(ClientError::NotConnected);
        }
        self.pass(now);
        self.sweep_later();
        if !bytes.is_empty() {
            self.last_heard = Some(now);
        }
        let mut bytes = bytes;
        while let Some(link) = &mut self.link {
            match link.next_message(&mut bytes, self.requests.asked(), now, &mut *self.random) {
                Ok(Some(message)) => self.handle(message),
                Ok(None) => break,
                Err(reason) => self.close(reason),
            }
        }
        self.pump();
        Ok(())
    }

    /// Bytes to write to the socket, contiguous and in order. Empty if there are none.
    #[must_use]
    pub fn output(&mut self) -> &[u8] {
        self.link.as_mut().map_or(&[], |link| link.connection.output())
    }

    /// The first `n` bytes of [`TemplateClient::output`] were written. If more are left, an [`Event::Writable`] says so again.
    /// A socket that takes nothing says nothing here, or 0, which leads to no event: the host waits until it takes bytes.
    ///
    /// # Errors
    /// `NotConnected` or `NotInOutput`.
    pub fn sent(&mut self, n: usize, now: Time) -> Result<(), ClientError> {
        let link = self.link.as_mut().ok_or(ClientError::NotConnected)?;
        if !link.connection.sent(n) {
            return Err(ClientError::NotInOutput);
        }
        if n > 0 {
            self.solutions.written();
        }
        self.pass(now);
        self.sweep_later();
        if n > 0 {
            self.pump();
        }
        Ok(())
    }

    // ----------------------------------------------------------------------------------------------------------- host

    /// What templates must leave free (spec 7.1): `max_additional_size` serialized bytes of coinbase outputs with at most
    /// `max_additional_sigops` sigops. At any time; the provider is told once it is set up, and again after each change.
    /// Templates that are there already were made for what was said before, and so may be those that are on their way.
    ///
    /// # Errors
    /// `ConstraintsTooLarge`.
    pub fn set_constraints(
        &mut self,
        max_additional_size: u32,
        max_additional_sigops: u16,
        now: Time,
    ) -> Result<(), ClientError> {
        let constraints = CoinbaseOutputConstraints {
            coinbase_output_max_additional_size: max_additional_size,
            coinbase_output_max_additional_sigops: max_additional_sigops,
        };
        check_constraints(&constraints)?;
        self.pass(now);
        self.options.constraints = Some(constraints);
        self.pump();
        Ok(())
    }

    /// Asks for the transactions of a template (spec 7.4): [`Event::TransactionData`] or [`Event::TransactionDataError`] comes.
    /// One request is sent after the other, so that one answer at most is in memory. A template that is waited for is not asked
    /// about twice.
    ///
    /// # Errors
    /// `NotConnected`, `UnknownTemplate` or `TooManyRequests`.
    pub fn request_transaction_data(&mut self, template_id: u64, now: Time) -> Result<(), ClientError> {
        if self.link.is_none() {
            return Err(ClientError::NotConnected);
        }
        if self.store.get(template_id).is_none() {
            return Err(ClientError::UnknownTemplate);
        }
        let is_waited_for = self.requests.contains(template_id);
        if !is_waited_for && self.requests.len() >= self.options.max_pending_requests {
            return Err(ClientError::TooManyRequests);
        }
        self.pass(now);
        if !is_waited_for {
            self.requests.push(template_id);
        }
        self.pump();
        Ok(())
    }

    /// A hash meets the target (spec 7.7): sends the solution, or keeps it for the next connection to this provider. Also for a
    /// template that is forgotten here: the provider judges. `coinbase_tx` is whole, with its BIP 141 fields.
    ///
    /// If [`ClientOptions::max_pending_solutions`] are kept already, the oldest that was written, or else the oldest, is given
    /// up, see [`Event::SolutionLost`].
    ///
    /// # Errors
    /// `Encode` if `coinbase_tx` has more than 65,535 bytes: then nothing is sent or kept.
    pub fn submit_solution(&mut self, solution: &SubmitSolution<'_>, now: Time) -> Result<Submission, ClientError> {
        solution.encoded_len().map_err(ClientError::Encode)?;
        self.pass(now);
        let template = self.store.get(solution.template_id);
        let block_hash = template.and_then(|template| {
            let merkle_root = template.merkle_root(solution.coinbase_tx).ok()?;
            let SubmitSolution { version, header_timestamp, header_nonce, .. } = *solution;
            Some(template.tip?.header(version, merkle_root, header_timestamp, header_nonce).hash())
        });
        let given_up_at = now.monotonic_ms.saturating_add(self.options.solution_lifetime_ms);
        self.solutions.keep(SubmittedSolution::from(*solution), block_hash, given_up_at);
        self.pump();
        let submission = if self.solutions.next_waiting().is_none() { Submission::Sent } else { Submission::Kept };
        while let Some(removed) = self.solutions.remove_surplus(self.options.max_pending_solutions) {
            self.give_up_solution(removed);
        }
        Ok(submission)
    }

    // ----------------------------------------------------------------------------------------------------------- time

    /// Time has passed.
    pub fn tick(&mut self, now: Time) {
        self.pass(now);
        if self.sweep_at.is_some_and(|at| at <= now.monotonic_ms) {
            self.sweep_at = None;
        }
        if let Some(reason) = self.link.as_mut().and_then(|link| link.overdue(now)) {
            self.close(reason);
        }
        self.pump();
    }

    /// When [`TemplateClient::tick`] is to be called, in monotonic milliseconds; not at all if `None`.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        let link = self.link.as_ref().and_then(Link::deadline);
        let own = [self.store.next_expiry(), self.solutions.next_deadline(), self.requests.deadline(), self.sweep_at];
        own.into_iter().chain([link]).flatten().min()
    }

    // --------------------------------------------------------------------------------------------------------- events

    /// What the host must do next, until there is nothing.
    #[must_use]
    pub fn next_event(&mut self) -> Option<Event> {
        let event = self.events.next();
        match &event {
            Some(Event::Writable) => {
                if let Some(link) = &mut self.link {
                    link.writable = false;
                }
            }
            Some(Event::TransactionData(_)) => {
                self.requests.note_taken();
                self.pump();
            }
            _ => {}
        }
        event
    }

    // ---------------------------------------------------------------------------------------------------------- state

    /// A template that is not forgotten yet.
    #[must_use]
    pub fn template(&self, template_id: u64) -> Option<&ReceivedTemplate> {
        self.store.get(template_id)
    }

    /// The template to mine on: the last one on the tip. After a loss of the connection it stays, and gets old.
    #[must_use]
    pub fn active_template(&self) -> Option<&ReceivedTemplate> {
        self.store.active()
    }

    /// The tip that the provider announced last.
    #[must_use]
    pub fn tip(&self) -> Option<&Tip> {
        self.store.tip()
    }

    /// Whether there is a connection, set up or not.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.link.is_some()
    }

    /// Whether the provider has accepted the connection.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.link.as_ref().is_some_and(Link::is_set_up)
    }

    /// Whether the provider proved to be who it should be.
    #[must_use]
    pub fn is_authenticated(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.connection.is_authenticated())
    }

    /// Whether there is work from this provider: it is set up, was told the constraints, and has sent over this connection the
    /// tip and a template on it.
    #[must_use]
    pub fn is_serving(&self) -> bool {
        let is_fed = |link: &Link| link.is_set_up() && link.has_tip && link.constraints.is_some();
        self.link.as_ref().is_some_and(is_fed) && self.store.active().is_some()
    }

    /// When bytes last came from the provider, over this or an earlier connection.
    #[must_use]
    pub fn last_heard(&self) -> Option<Time> {
        self.last_heard
    }

    /// How many solutions are kept: written or not, their blocks were not seen as the tip.
    #[must_use]
    pub fn pending_solutions(&self) -> usize {
        self.solutions.len()
    }

    // -------------------------------------------------------------------------------------------------------- helpers

    /// Time has passed, as every input says.
    fn pass(&mut self, now: Time) {
        self.now = now;
        while let Some(template_id) = self.store.remove_expired(now.monotonic_ms) {
            self.forget_template(Some(template_id));
        }
        while let Some(removed) = self.solutions.remove_expired(now.monotonic_ms) {
            self.give_up_solution(removed);
        }
        if self.requests.deadline().is_some_and(|deadline| deadline <= now.monotonic_ms) {
            if let Some(template_id) = self.requests.remove() {
                self.events.push(Event::TransactionDataError { template_id, error: TransactionDataError::Timeout });
            }
        }
    }

    fn sweep_later(&mut self) {
        self.sweep_at.get_or_insert(self.now.monotonic_ms.saturating_add(SWEEP_INTERVAL_MS));
    }

    fn give_up_solution(&mut self, GivenUp { solution, may_have_arrived }: GivenUp) {
        self.events.push(Event::SolutionLost { solution, may_have_arrived });
    }

    fn close(&mut self, reason: CloseReason) {
        self.lose_link();
        self.events.push(Event::Close { reason });
    }

    /// There is no connection any more: nothing will be answered, and nothing that waits for a tip will get it.
    fn lose_link(&mut self) {
        if self.link.take().is_none() {
            return;
        }
        self.events.cancel_writable();
        self.solutions.connection_lost();
        while let Some(template_id) = self.requests.remove() {
            let error = TransactionDataError::ConnectionLost;
            self.events.push(Event::TransactionDataError { template_id, error });
        }
        while let Some(template_id) = self.store.remove_future() {
            self.forget_template(Some(template_id));
        }
    }
}

impl fmt::Debug for TemplateClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TemplateClient")
            .field("phase", &self.link.as_ref().map(|link| link.phase))
            .field("tip", &self.store.tip())
            .field("active", &self.store.active().map(|template| template.template_id))
            .field("solutions", &self.solutions.len())
            .finish_non_exhaustive()
    }
}

fn check_constraints(constraints: &CoinbaseOutputConstraints) -> Result<(), ClientError> {
    let CoinbaseOutputConstraints {
        coinbase_output_max_additional_size: max_additional_size,
        coinbase_output_max_additional_sigops: max_additional_sigops,
    } = *constraints;
    match ConstraintKey::new(max_additional_size, max_additional_sigops) {
        Some(_) => Ok(()),
        None => Err(ClientError::ConstraintsTooLarge { max_additional_size }),
    }
}
