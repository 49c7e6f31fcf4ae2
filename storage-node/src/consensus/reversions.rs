//! Replicas that lack what they had acknowledged: a leader finds them, the node has their drives begin anew.
//!
//! Such a replica was put back to an earlier state, and may have given another vote since. The library would send it
//! the same entries for ever; its leader sends it nothing any more.
//! Must not know: how a leader finds them, what follows.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;

use super::types::ReplicaId;

/// Replicas found by the leaders of this process. Clones are the same.
#[derive(Clone, Default)]
pub struct Reversions(Arc<Mutex<BTreeSet<ReplicaId>>>);

impl Reversions {
    /// Notes a replica; again, if what follows could not be done yet.
    pub(crate) fn note(&self, replica: ReplicaId) {
        self.0.lock().insert(replica);
    }

    /// The replicas noted since this was called last.
    pub fn take(&self) -> BTreeSet<ReplicaId> {
        std::mem::take(&mut *self.0.lock())
    }
}
