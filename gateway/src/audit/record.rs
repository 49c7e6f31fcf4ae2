//! The record of one request: what is gathered from its first byte to its end, and what then becomes of it.
//!
//! Promises: a request that ends has its event exactly once, whatever ended it. A request that changes something has room for its
//! event before it is carried out, or the audit's settings say that it goes on without.
//! Must not know: faces, how lines are written.

use std::sync::Arc;

use parking_lot::Mutex;

use super::Auditing;
use super::event::Event;
use super::notes::{NotedFacts, Notes, Subject};
use super::queue::{Full, LINE_BYTES_MAX, Room};
use super::request::{ArrivedRequest, RequestEnd};
use super::settings::OnFull;
use crate::identity::Credential;

/// The record of a request. The default is that of a request without an audit.
#[derive(Default)]
pub struct Record(Option<Box<Open>>);

struct Open {
    auditing: Arc<Auditing>,
    seen: ArrivedRequest,
    noted: Arc<Mutex<NotedFacts>>,
    room: Option<Room>,
}

impl Record {
    pub(super) fn new(auditing: Arc<Auditing>, seen: ArrivedRequest) -> Self {
        let noted = NotedFacts { is_wanted: auditing.settings.reads, ..NotedFacts::default() };
        Self(Some(Box::new(Open { auditing, seen, noted: Arc::new(Mutex::new(noted)), room: None })))
    }

    /// Where stages and operation note what the event is to say.
    pub fn notes(&self) -> Notes {
        Notes(self.0.as_ref().map(|open| Arc::clone(&open.noted)))
    }

    /// Notes what the request is about, if there will be an event: of a change, or of anything if reads have events. `changes`
    /// is whether its operation changes something; `None`: it means no operation.
    pub fn describe(&self, changes: Option<bool>, subject: impl FnOnce() -> Subject) {
        let Some(open) = &self.0 else { return };
        open.noted.lock().is_read = changes == Some(false);
        if changes == Some(true) || open.auditing.settings.reads {
            open.noted.lock().is_wanted = true;
            self.describe_failed(subject);
        }
    }

    /// The same of a request that failed, and perhaps was denied.
    pub fn describe_failed(&self, subject: impl FnOnce() -> Subject) {
        let Some(open) = &self.0 else { return };
        let mut noted = open.noted.lock();
        if noted.subject.is_none() {
            noted.subject = Some(subject());
        }
    }

    /// The caller was found.
    pub fn caller(&self, caller: &Arc<Credential>) {
        if let Some(open) = &self.0 {
            open.noted.lock().caller = Some(Arc::clone(caller));
        }
    }

    /// The request's credential could not be verified; it names this access key.
    pub fn unauthenticated(&self, claimed: impl FnOnce() -> Option<Box<str>>) {
        let Some(open) = &self.0 else { return };
        let mut noted = open.noted.lock();
        (noted.is_unauthenticated, noted.claimed) = (true, claimed());
    }

    /// Takes room for the event of a request that changes something. An error: the request is to be refused.
    pub async fn reserve(&mut self) -> Result<(), Full> {
        let Some(open) = &mut self.0 else { return Ok(()) };
        match open.auditing.queue.reserve().await {
            Ok(room) => open.room = Some(room),
            Err(Full) if open.auditing.settings.on_full == OnFull::Refuse => {
                open.auditing.queue.note_refused();
                // It was neither carried out nor denied.
                self.0 = None;
                return Err(Full);
            }
            Err(Full) => {}
        }
        Ok(())
    }

    /// The request ended.
    pub fn end(&mut self, ended: RequestEnd) {
        let Some(open) = self.0.take() else { return };
        let Open { auditing, seen, noted, room } = *open;
        let noted = noted.lock();
        let outcome = outcome(&noted, &ended);
        let is_change = match noted.subject.as_ref().filter(|subject| subject.operation.is_some()) {
            Some(subject) => subject.changes,
            // A request that nobody understood: its method says what it was meant to be.
            None => !noted.is_read && !matches!(&*seen.method, "GET" | "HEAD" | "OPTIONS"),
        };
        if !(is_change || outcome == "denied" || auditing.settings.reads) {
            return;
        }
        let has_objects = !noted.objects.is_empty();
        let event = || Event::of_request(&seen, &noted, &ended, outcome);
        let line = event().line();
        let line = if has_objects || line.len() <= LINE_BYTES_MAX { line } else { event().short_line() };
        let is_known_change = is_change && noted.caller.is_some();
        auditing.queue.append(room, is_known_change, line, || event().short_line());
    }
}

fn outcome(noted: &NotedFacts, ended: &RequestEnd) -> &'static str {
    match ended.status {
        None => "abandoned",
        Some(401 | 403) => "denied",
        Some(400..500) if noted.is_unauthenticated => "denied",
        Some(400..) => "failed",
        Some(_) if ended.code.is_some() => "failed",
        Some(_) if ended.broke_off => "broken-off",
        Some(_) => "done",
    }
}
