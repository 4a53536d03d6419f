//! What comes out of a template client: events.

use std::ffi::c_char;

use sv2_core::template::SubmittedSolution;
use sv2_core::template::client::{Event, Tip, TransactionData, TransactionDataError};

use crate::message::Lists;
use crate::text::ErrorText;
use crate::{
    sv2_bytes, sv2_request_transaction_data_success, sv2_set_new_prev_hash_template, sv2_str, sv2_submit_solution,
    sv2_u256,
};

/// The provider has accepted the connection. What waited is on its way: constraints, solutions.
pub const SV2_TEMPLATE_CLIENT_EVENT_READY: u32 = 1;
/// A template came: sv2_template_client_template shows it. See `as.new_template`.
pub const SV2_TEMPLATE_CLIENT_EVENT_NEW_TEMPLATE: u32 = 2;
/// A new best block: mine on the template it names, which waited for it, at once. Templates on the block before can be solved for
/// template_lifetime_ms more. See `as.new_tip`.
pub const SV2_TEMPLATE_CLIENT_EVENT_NEW_TIP: u32 = 3;
/// A new best block, but the template it names was not sent: what is mined on is stale, and there is nothing else until a template
/// comes that is not a future one, or the next tip. If neither comes within template_timeout_ms, the connection is closed. See
/// `as.new_tip`.
pub const SV2_TEMPLATE_CLIENT_EVENT_TIP_WITHOUT_TEMPLATE: u32 = 4;
/// A template is forgotten: its tip is gone for too long, or never came, or there are too many. See `as.template_expired`.
pub const SV2_TEMPLATE_CLIENT_EVENT_TEMPLATE_EXPIRED: u32 = 5;
/// What sv2_template_client_request_transaction_data asked for. See `as.transaction_data`.
pub const SV2_TEMPLATE_CLIENT_EVENT_TRANSACTION_DATA: u32 = 6;
/// The transactions of a template cannot be had. See `as.transaction_data_error`.
pub const SV2_TEMPLATE_CLIENT_EVENT_TRANSACTION_DATA_ERROR: u32 = 7;
/// A solution is given up: its block was not seen as the tip within solution_lifetime_ms, or there are too many of them. Whoever can
/// reach the network in another way should send the block there, unless it may have arrived. See `as.solution_lost`.
pub const SV2_TEMPLATE_CLIENT_EVENT_SOLUTION_LOST: u32 = 8;
/// There are bytes in sv2_template_client_output: write them, and say so with sv2_template_client_sent; if that leaves more, the
/// event comes again. If the socket takes none now, go on when it can be written.
pub const SV2_TEMPLATE_CLIENT_EVENT_WRITABLE: u32 = 9;
/// Close the socket; the client has forgotten the connection. See `as.close`. Take it out before sv2_template_client_connect, which
/// leaves of it only a line in the log.
pub const SV2_TEMPLATE_CLIENT_EVENT_CLOSE: u32 = 10;

/// The provider refused, with an error code.
pub const SV2_TRANSACTION_DATA_REFUSED: u32 = 1;
/// It did not answer in time.
pub const SV2_TRANSACTION_DATA_TIMEOUT: u32 = 2;
/// The connection was lost before the answer came.
pub const SV2_TRANSACTION_DATA_CONNECTION_LOST: u32 = 3;

/// A template that came.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_template_arrival {
    /// The template.
    pub template_id: u64,
    /// 1 if it waits for its tip; 0 if it is the one to mine on from now on.
    pub future_template: u8,
    /// Zero.
    pub reserved: [u8; 7],
}

/// Why the transactions of a template cannot be had.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_transaction_data_error {
    /// The template.
    pub template_id: u64,
    /// One of SV2_TRANSACTION_DATA_*.
    pub cause: u32,
    /// Zero.
    pub reserved: u32,
    /// If it was refused, what the provider says, escaped: "template-id-not-found" or "stale-template-id" (spec 7.6); else empty.
    pub error_code: sv2_str,
}

/// A solution that is given up.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_lost_solution {
    /// The solution.
    pub solution: sv2_submit_solution,
    /// 0: the provider does not have it, for nothing of it was written to a socket. 1: it was written, but the provider never
    /// announced its block as the tip. It may have been lost on the way, or have arrived and lost against another block, or be in
    /// the chain below a tip that was announced first.
    pub may_have_arrived: u8,
    /// Zero.
    pub reserved: [u8; 7],
}

/// Why the connection is to be closed.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_template_client_close {
    /// A sentence without its full stop, NUL-terminated. What comes from the provider in it is escaped.
    pub reason: *const c_char,
    /// 1 if the next connection may fare better. 0 if something must be changed first, here or at the provider: it is not who it
    /// should be, its certificate has expired, or it does not serve what is asked for.
    pub may_retry: u8,
    /// Zero.
    pub reserved: [u8; 7],
}

/// One field for every type of event.
#[repr(C)]
#[derive(Clone, Copy)]
pub union sv2_template_client_event_as {
    /// If type is SV2_TEMPLATE_CLIENT_EVENT_NEW_TEMPLATE.
    pub new_template: sv2_template_arrival,
    /// If type is SV2_TEMPLATE_CLIENT_EVENT_NEW_TIP or SV2_TEMPLATE_CLIENT_EVENT_TIP_WITHOUT_TEMPLATE.
    pub new_tip: sv2_set_new_prev_hash_template,
    /// If type is SV2_TEMPLATE_CLIENT_EVENT_TEMPLATE_EXPIRED: the template.
    pub template_expired: u64,
    /// If type is SV2_TEMPLATE_CLIENT_EVENT_TRANSACTION_DATA.
    pub transaction_data: sv2_request_transaction_data_success,
    /// If type is SV2_TEMPLATE_CLIENT_EVENT_TRANSACTION_DATA_ERROR.
    pub transaction_data_error: sv2_transaction_data_error,
    /// If type is SV2_TEMPLATE_CLIENT_EVENT_SOLUTION_LOST.
    pub solution_lost: sv2_lost_solution,
    /// If type is SV2_TEMPLATE_CLIENT_EVENT_CLOSE.
    pub close: sv2_template_client_close,
    /// Room for events of later versions.
    pub reserved: [u64; 32],
}

/// Something the host must do, or may want to know. What it points to lives until the client's next
/// sv2_template_client_next_event. Ignore types you do not know.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_template_client_event {
    /// One of SV2_TEMPLATE_CLIENT_EVENT_*.
    pub r#type: u32,
    /// Zero.
    pub reserved: u32,
    /// What belongs to the type.
    pub r#as: sv2_template_client_event_as,
}

/// What the last event points to.
#[derive(Default)]
pub(super) struct ClientLent {
    data: Option<TransactionData>,
    lists: Lists,
    coinbase_tx: Vec<u8>,
    text: ErrorText,
    error_code: String,
}

impl ClientLent {
    /// The event for C; `None` for a line of the log, which goes another way.
    pub(super) fn event(&mut self, event: Event) -> Option<sv2_template_client_event> {
        use sv2_template_client_event_as as As;
        // An answer may be large: it is not kept longer than it must.
        self.data = None;
        self.lists.release();
        let nothing = As { reserved: [0; 32] };
        let (r#type, fields) = match event {
            Event::Ready => (SV2_TEMPLATE_CLIENT_EVENT_READY, nothing),
            Event::NewTemplate { template_id, future } => {
                let new_template =
                    sv2_template_arrival { template_id, future_template: future.into(), reserved: [0; 7] };
                (SV2_TEMPLATE_CLIENT_EVENT_NEW_TEMPLATE, As { new_template })
            }
            Event::NewTip { template_id, tip } => {
                (SV2_TEMPLATE_CLIENT_EVENT_NEW_TIP, As { new_tip: tip_of(template_id, &tip) })
            }
            Event::TipWithoutTemplate { template_id, tip } => {
                (SV2_TEMPLATE_CLIENT_EVENT_TIP_WITHOUT_TEMPLATE, As { new_tip: tip_of(template_id, &tip) })
            }
            Event::TemplateExpired { template_id } => {
                (SV2_TEMPLATE_CLIENT_EVENT_TEMPLATE_EXPIRED, As { template_expired: template_id })
            }
            Event::TransactionData(data) => {
                (SV2_TEMPLATE_CLIENT_EVENT_TRANSACTION_DATA, As { transaction_data: self.data(data) })
            }
            Event::TransactionDataError { template_id, error } => {
                let transaction_data_error = self.data_error(template_id, error);
                (SV2_TEMPLATE_CLIENT_EVENT_TRANSACTION_DATA_ERROR, As { transaction_data_error })
            }
            Event::SolutionLost { solution, may_have_arrived } => {
                let (solution, may_have_arrived) = (self.solution(solution), may_have_arrived.into());
                let solution_lost = sv2_lost_solution { solution, may_have_arrived, reserved: [0; 7] };
                (SV2_TEMPLATE_CLIENT_EVENT_SOLUTION_LOST, As { solution_lost })
            }
            Event::Writable => (SV2_TEMPLATE_CLIENT_EVENT_WRITABLE, nothing),
            Event::Close { reason } => {
                let may_retry = reason.may_retry().into();
                self.text.set(reason);
                let close = sv2_template_client_close { reason: self.text.as_ptr(), may_retry, reserved: [0; 7] };
                (SV2_TEMPLATE_CLIENT_EVENT_CLOSE, As { close })
            }
            Event::Log { .. } => return None,
        };
        Some(sv2_template_client_event { r#type, reserved: 0, r#as: fields })
    }

    fn data(&mut self, data: TransactionData) -> sv2_request_transaction_data_success {
        let data = self.data.insert(data);
        sv2_request_transaction_data_success {
            template_id: data.template_id,
            excess_data: sv2_bytes::borrow(data.excess_data()),
            transaction_list: self.lists.bytes(data.transactions()),
        }
    }

    fn data_error(&mut self, template_id: u64, error: TransactionDataError) -> sv2_transaction_data_error {
        let (cause, error_code) = match error {
            TransactionDataError::Refused(error_code) => (SV2_TRANSACTION_DATA_REFUSED, error_code),
            TransactionDataError::Timeout => (SV2_TRANSACTION_DATA_TIMEOUT, String::new()),
            TransactionDataError::ConnectionLost => (SV2_TRANSACTION_DATA_CONNECTION_LOST, String::new()),
        };
        self.error_code = error_code;
        let error_code = sv2_str::borrow(self.error_code.as_bytes());
        sv2_transaction_data_error { template_id, cause, reserved: 0, error_code }
    }

    fn solution(&mut self, solution: SubmittedSolution) -> sv2_submit_solution {
        self.coinbase_tx = solution.coinbase_tx;
        sv2_submit_solution {
            template_id: solution.template_id,
            version: solution.version,
            header_timestamp: solution.header_timestamp,
            header_nonce: solution.header_nonce,
            coinbase_tx: sv2_bytes::borrow(&self.coinbase_tx),
        }
    }
}

pub(super) fn tip_of(template_id: u64, tip: &Tip) -> sv2_set_new_prev_hash_template {
    sv2_set_new_prev_hash_template {
        template_id,
        prev_hash: sv2_u256 { bytes: tip.prev_hash },
        header_timestamp: tip.header_timestamp,
        nbits: tip.nbits,
        target: sv2_u256 { bytes: tip.target.0 },
    }
}
