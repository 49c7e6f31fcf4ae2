//! Quotas at a leader: whether what a command adds fits, with all that is on its way.
//!
//! Commands of different keys are evaluated while others are being replicated, so that rows alone do not say what a bucket
//! is about to hold. A command that makes a bucket with a quota grow passes a gate, one at a time: what is on its way is
//! read first, then the rows, so that nothing that is applied in between is missed; if it fits, it counts as on its way
//! until its effect is applied.
//! Promises: a bucket never holds more than its quota through a command that was evaluated under that quota. A leader
//! that is ready has applied all that leaders before it proposed, so it begins with nothing on its way.
//! Must not know: how effects are replicated.

use std::collections::HashMap;
use std::sync::Arc;

use couronne_metadata::command::CommandRequest;
use couronne_metadata::evaluate::Evaluated;
use couronne_metadata::record::quota::Charge;
use couronne_metadata::store::{StoreError, View};
use couronne_metadata::usage::{Growth, Subject};
use parking_lot::Mutex;

use super::RangeStateMachine;

/// How often a command that does not fit is looked at again because something was applied meanwhile, at most.
const TURNS_MAX: u32 = 8;

/// What is on its way in one range.
#[derive(Default)]
pub(crate) struct Quotas {
    gate: tokio::sync::Mutex<()>,
    on_its_way: Arc<Mutex<HashMap<Subject, Charge>>>,
}

/// What a command adds, from its evaluation until its effect is applied or can no longer be.
pub(crate) struct Reservation {
    on_its_way: Arc<Mutex<HashMap<Subject, Charge>>>,
    growth: Growth,
}

impl Quotas {
    /// The same, or a refusal if it does not fit; what fits holds a reservation.
    pub(crate) async fn admit(
        &self,
        machine: &RangeStateMachine,
        request: &Arc<CommandRequest>,
        evaluated: Evaluated,
    ) -> Result<(Evaluated, Option<Reservation>), StoreError> {
        let Evaluated::Propose { growth: Some(growth), .. } = &evaluated else { return Ok((evaluated, None)) };
        let growth = growth.clone();
        let _gate = self.gate.lock().await;
        let mut turn = 0;
        loop {
            turn += 1;
            let on_its_way = self.of(&growth.subject);
            let (command, unchecked) = (Arc::clone(request), evaluated.clone());
            let check = move |view: &dyn View| unchecked.clone().within_quota(view, &command, on_its_way);
            let checked = machine.read(check).await?;
            if matches!(checked, Evaluated::Propose { growth: Some(_), .. }) {
                return Ok((checked, Some(self.reserve(growth))));
            }
            // What was applied since the count was read twice.
            if turn == TURNS_MAX || self.of(&growth.subject) == on_its_way {
                return Ok((checked, None));
            }
        }
    }

    fn of(&self, subject: &Subject) -> Charge {
        self.on_its_way.lock().get(subject).copied().unwrap_or_default()
    }

    fn reserve(&self, growth: Growth) -> Reservation {
        // What frees room does so once it is applied.
        let by = Charge { bytes: growth.by.bytes.max(0), objects: growth.by.objects.max(0) };
        let growth = Growth { by, ..growth };
        let mut on_its_way = self.on_its_way.lock();
        let sum = on_its_way.entry(growth.subject.clone()).or_default();
        *sum = sum.plus(by);
        drop(on_its_way);
        Reservation { on_its_way: Arc::clone(&self.on_its_way), growth }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut on_its_way = self.on_its_way.lock();
        if let Some(sum) = on_its_way.get_mut(&self.growth.subject) {
            let Charge { bytes, objects } = self.growth.by;
            *sum = sum.plus(Charge { bytes: -bytes, objects: -objects });
            if *sum == Charge::default() {
                on_its_way.remove(&self.growth.subject);
            }
        }
    }
}
