//! What goes into a template client: its options.

use sv2_core::message::CoinbaseOutputConstraints;
use sv2_core::noise::{Authority, AuthorityPublicKey};
use sv2_core::template::client::ClientOptions;

use super::values::sv2_log;
use crate::options::{Options, sv2_limits, sv2_random};
use crate::{SV2_ERROR_ARGUMENT, SV2_ERROR_KEY, sv2_status, sv2_str};

/// Whom a template client talks to, how it introduces itself, how much it keeps, and how long it waits. A zero means the usual
/// value, which is given with each member. Initialise with SV2_TEMPLATE_CLIENT_OPTIONS_INIT, and set `authority_key`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sv2_template_client_options {
    /// The size of this struct.
    pub struct_size: usize,
    /// The public key, 32 bytes, of the authority that the provider must have a certificate of. NULL is an error unless
    /// `allow_unauthenticated` or `plaintext` is set.
    pub authority_key: *const u8,
    /// Anything but 0: encrypt, but take any provider that answers. Who that is cannot be known then.
    pub allow_unauthenticated: u8,
    /// Anything but 0: no encryption, for a network in which everybody is trusted. There must be no `authority_key` then.
    pub plaintext: u8,
    /// Anything but 0: this device has no clock that knows the date, so do not look at when the certificate is valid.
    pub no_clock: u8,
    /// Anything but 0: the two constraints below are known. Otherwise sv2_template_client_set_constraints says them later.
    pub has_constraints: u8,
    /// SetupConnection.endpoint_port (spec 3.6.1).
    pub endpoint_port: u16,
    /// Sigops of the outputs that will be added to the coinbase, at most (spec 7.1).
    pub coinbase_output_max_additional_sigops: u16,
    /// Serialized bytes of those outputs, at most.
    pub coinbase_output_max_additional_size: u32,
    /// Zero.
    pub reserved: u32,
    /// SetupConnection.endpoint_host: the provider's name or address. This and the strings below are UTF-8, of at most 255
    /// bytes, and are copied.
    pub endpoint_host: sv2_str,
    /// SetupConnection.vendor: who made the program.
    pub vendor: sv2_str,
    /// SetupConnection.hardware_version.
    pub hardware_version: sv2_str,
    /// SetupConnection.firmware: the program and its version.
    pub firmware: sv2_str,
    /// SetupConnection.device_id.
    pub device_id: sv2_str,
    /// How long the provider may take from _connect to SetupConnection.Success, in milliseconds: 30,000.
    pub setup_timeout_ms: u64,
    /// How long it may take from CoinbaseOutputConstraints, or from a tip without a template, to a template that can be mined
    /// on, in milliseconds: 60,000. Constraints that are changed while there is one over this connection have no such deadline.
    pub template_timeout_ms: u64,
    /// How long it may take to answer RequestTransactionData, in milliseconds: 30,000.
    pub transactions_timeout_ms: u64,
    /// How long a template is kept after its tip is gone, in milliseconds: 10,000.
    pub template_lifetime_ms: u64,
    /// How long a solution is kept, to be sent again over the next connection, unless its block is seen as the tip before, in
    /// milliseconds: 600,000.
    pub solution_lifetime_ms: u64,
    /// Most templates that wait for their tip: 16. When another comes, the oldest is forgotten.
    pub max_future_templates: usize,
    /// Most templates that are or were mined on: 128. When another comes, one whose tip is gone is forgotten, or else the oldest;
    /// never the one to mine on.
    pub max_templates: usize,
    /// Most requests for transaction data that wait: 64.
    pub max_pending_requests: usize,
    /// Most solutions that are kept because their blocks were not seen as the tip: 16.
    pub max_pending_solutions: usize,
    /// The bounds of the connection. Here max_output is 1 MiB unless set.
    pub limits: sv2_limits,
    /// The source of randomness.
    pub random: sv2_random,
    /// Where the log goes.
    pub log: sv2_log,
}

// All members are numbers and pointers; zero means: as usual.
unsafe impl Options for sv2_template_client_options {}

impl sv2_template_client_options {
    /// # Safety
    /// The pointers are NULL or valid for what they should point to.
    pub(super) unsafe fn read(&self) -> Result<ClientOptions, sv2_status> {
        let mut options = match unsafe { self.authority()? } {
            Some(authority) => ClientOptions::new(authority),
            None => ClientOptions::plaintext(),
        };
        options.no_clock = self.no_clock != 0;
        options.constraints = (self.has_constraints != 0).then_some(CoinbaseOutputConstraints {
            coinbase_output_max_additional_size: self.coinbase_output_max_additional_size,
            coinbase_output_max_additional_sigops: self.coinbase_output_max_additional_sigops,
        });
        options.endpoint_port = self.endpoint_port;
        let strings = [
            (&mut options.endpoint_host, self.endpoint_host),
            (&mut options.vendor, self.vendor),
            (&mut options.hardware_version, self.hardware_version),
            (&mut options.firmware, self.firmware),
            (&mut options.device_id, self.device_id),
        ];
        for (to, from) in strings {
            let text = std::str::from_utf8(unsafe { from.as_slice() }).map_err(|_| SV2_ERROR_ARGUMENT)?;
            to.push_str(text);
        }
        let set_ms = |to: &mut u64, value: u64| *to = if value == 0 { *to } else { value };
        let set = |to: &mut usize, value: usize| *to = if value == 0 { *to } else { value };
        set_ms(&mut options.setup_timeout_ms, self.setup_timeout_ms);
        set_ms(&mut options.template_timeout_ms, self.template_timeout_ms);
        set_ms(&mut options.transactions_timeout_ms, self.transactions_timeout_ms);
        set_ms(&mut options.template_lifetime_ms, self.template_lifetime_ms);
        set_ms(&mut options.solution_lifetime_ms, self.solution_lifetime_ms);
        set(&mut options.max_future_templates, self.max_future_templates);
        set(&mut options.max_templates, self.max_templates);
        set(&mut options.max_pending_requests, self.max_pending_requests);
        set(&mut options.max_pending_solutions, self.max_pending_solutions);
        options.limits = self.limits.with_usual_output(options.limits.max_output);
        Ok(options)
    }

    /// What the provider must prove; `None` is no encryption, and is never what is meant by leaving something out.
    ///
    /// # Safety
    /// `authority_key` is NULL or readable for 32 bytes.
    unsafe fn authority(&self) -> Result<Option<Authority>, sv2_status> {
        match unsafe { self.authority_key.cast::<[u8; 32]>().as_ref() } {
            Some(_) if self.plaintext != 0 => Err(SV2_ERROR_ARGUMENT),
            Some(key) => {
                let key = AuthorityPublicKey::from_bytes(key).map_err(|_| SV2_ERROR_KEY)?;
                Ok(Some(Authority::Key(key)))
            }
            None if self.plaintext != 0 && self.allow_unauthenticated == 0 => Ok(None),
            None if self.allow_unauthenticated != 0 && self.plaintext == 0 => Ok(Some(Authority::Unauthenticated)),
            None => Err(SV2_ERROR_ARGUMENT),
        }
    }
}
