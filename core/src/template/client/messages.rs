//! What the engine does about each message of the provider, and what it sends.

use super::TemplateClient;
use super::events::{CloseReason, Event, TransactionDataError};
use super::link::{Incoming, Link, Phase};
use super::work::{ReceivedTemplate, Tip};
use crate::connection::SendError;
use crate::message::{RequestTransactionData, shape};
use crate::template::{Level, PROTOCOL_VERSION};

impl TemplateClient {
    pub(super) fn handle(&mut self, message: Incoming) {
        match message {
            Incoming::SetupSuccess { used_version } => self.take_setup_success(used_version),
            Incoming::SetupError { flags, error_code } => self.take_setup_error(flags, error_code),
            Incoming::NewTemplate { future, template } => self.take_template(future, *template),
            Incoming::SetNewPrevHash { template_id, tip } => self.take_tip(template_id, tip),
            Incoming::TransactionData(data) => {
                self.requests.note_delivered();
                self.events.push(Event::TransactionData(data));
            }
            Incoming::UnaskedTransactionData { template_id } => {
                let text = format_args!("transactions of template {template_id}, which nobody waits for, are ignored");
                self.events.log(Level::Warning, text);
            }
            Incoming::TransactionDataError { template_id, error_code } => {
                if self.requests.note_refused(template_id) {
                    let error = TransactionDataError::Refused(error_code);
                    self.events.push(Event::TransactionDataError { template_id, error });
                } else {
                    let text = format_args!("{error_code} for template {template_id}, which nobody waits for");
                    self.events.log(Level::Warning, text);
                }
            }
            Incoming::Unknown { tag, len } => {
                let name = shape(tag).map_or("unknown", |shape| shape.name);
                let text = format_args!("message 0x{tag:02x} ({name}) of {len} bytes is ignored");
                self.events.log(Level::Debug, text);
            }
        }
    }

    // ---------------------------------------------------------------------------------------------------------- setup

    fn take_setup_success(&mut self, used_version: u16) {
        let Some(link) = &mut self.link else { return };
        if link.is_set_up() {
            let text = format_args!("a second SetupConnection.Success is ignored");
            return self.events.log(Level::Warning, text);
        }
        if used_version != PROTOCOL_VERSION {
            return self.close(CloseReason::VersionNotOffered(used_version));
        }
        link.phase = Phase::SetUp;
        self.events.push(Event::Ready);
    }

    fn take_setup_error(&mut self, flags: u32, error_code: alloc::string::String) {
        if self.is_ready() {
            let text = format_args!("SetupConnection.Error ({error_code}) after its Success is ignored");
            return self.events.log(Level::Warning, text);
        }
        self.close(CloseReason::SetupRefused { flags, error_code });
    }

    // ------------------------------------------------------------------------------------------------------ templates

    fn take_template(&mut self, future: bool, template: ReceivedTemplate) {
        let Some(link) = &mut self.link else { return };
        let template_id = template.template_id;
        if let Some(last) = link.last_template_id.filter(|last| *last >= template_id) {
            let text = format_args!("template ids must increase, but {template_id} comes after {last}");
            self.events.log(Level::Warning, text);
        }
        link.last_template_id = link.last_template_id.max(Some(template_id));
        // "The job relates to the last sent SetNewPrevHash message on the channel" (spec 7.2): there must be one.
        let is_early = !future && !link.has_tip;
        if is_early {
            let text = format_args!("template {template_id} is for a tip that was not announced: it waits for it");
            self.events.log(Level::Warning, text);
        }
        let future = future || is_early;
        if !future {
            link.template_deadline = None;
        }
        if !(future && self.store.renew(&template)) {
            // A provider that was restarted may begin with the same ids again.
            let replaced = self.store.remove(template_id);
            self.forget_template(replaced);
            if future {
                self.store.insert_future(template);
            } else {
                self.store.insert_active(template);
            }
        }
        self.forget_surplus();
        self.events.push(Event::NewTemplate { template_id, future });
    }

    fn take_tip(&mut self, template_id: u64, tip: Tip) {
        let expires_at = self.now.monotonic_ms.saturating_add(self.options.template_lifetime_ms);
        let deadline = self.now.monotonic_ms.saturating_add(self.options.template_timeout_ms);
        let Some(link) = &mut self.link else { return };
        link.has_tip = true;
        if let Some(solved) = self.solutions.confirm(&tip.prev_hash) {
            let text = format_args!("the block found on template {solved} is the tip");
            self.events.log(Level::Info, text);
        }
        if self.store.set_tip(template_id, tip, expires_at) {
            link.template_deadline = None;
            self.events.push(Event::NewTip { template_id, tip });
        } else {
            // The server must have sent it before (spec 7.3). What it says of the tip is no less true.
            link.template_deadline.get_or_insert(deadline);
            let text = format_args!("the new tip is for template {template_id}, which was not sent");
            self.events.log(Level::Warning, text);
            self.events.push(Event::TipWithoutTemplate { template_id, tip });
        }
        // "The future templates that were being kept in memory can be discarded" (spec 7.3); those that came after the one in
        // use may be meant for the tip after.
        while let Some(id) = self.store.remove_future_before(template_id) {
            self.forget_template(Some(id));
        }
        self.forget_surplus();
    }

    fn forget_surplus(&mut self) {
        while let Some(id) = self.store.remove_surplus(self.options.max_future_templates, self.options.max_templates) {
            self.forget_template(Some(id));
        }
    }

    /// A template was taken out of the store.
    pub(super) fn forget_template(&mut self, template_id: Option<u64>) {
        if let Some(template_id) = template_id {
            self.events.push(Event::TemplateExpired { template_id });
        }
    }

    // -------------------------------------------------------------------------------------------------------- sending

    /// Sends what waits and can be sent now, and says that there is something to write.
    pub(super) fn pump(&mut self) {
        match self.send_waiting() {
            // What does not fit now is tried again when the socket has taken something.
            Ok(()) | Err(SendError::OutputFull) => {}
            // All messages were found to be encodable when they were made.
            Err(SendError::Failed | SendError::Frame(_)) => {
                let error = self.link.as_ref().and_then(|link| link.connection.error());
                if let Some(error) = error {
                    return self.close(CloseReason::Connection(error));
                }
            }
        }
        let Some(link) = &mut self.link else { return };
        if !link.writable && link.connection.output_len() > 0 {
            link.writable = true;
            self.events.push(Event::Writable);
        }
    }

    fn send_waiting(&mut self) -> Result<(), SendError> {
        let Some(Link { connection, phase, constraints, template_deadline, has_tip, .. }) = &mut self.link else {
            return Ok(());
        };
        let now_ms = self.now.monotonic_ms;
        if let Phase::Handshake { deadline } = *phase {
            if connection.is_established() {
                connection.send(&self.options.setup())?;
                *phase = Phase::Setup { deadline };
            }
        }
        if *phase != Phase::SetUp {
            return Ok(());
        }
        // "The client MUST immediately send a CoinbaseOutputConstraints message" (spec 7): nothing comes before.
        if let Some(wanted) = self.options.constraints.filter(|wanted| Some(*wanted) != *constraints) {
            connection.send(&wanted)?;
            *constraints = Some(wanted);
            // Only of the first is it said that the server MUST reply immediately (spec 7): who is serving may take its time.
            let is_served = *has_tip && self.store.active().is_some();
            *template_deadline = (!is_served).then(|| now_ms.saturating_add(self.options.template_timeout_ms));
        }
        while let Some(solution) = self.solutions.next_waiting() {
            connection.send(&solution.message())?;
            self.solutions.queued();
        }
        if let Some(template_id) = self.requests.next_to_ask() {
            connection.send(&RequestTransactionData { template_id })?;
            self.requests.note_asked(now_ms.saturating_add(self.options.transactions_timeout_ms));
        }
        Ok(())
    }
}
