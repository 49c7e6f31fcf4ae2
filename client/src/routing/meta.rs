//! The meta group as the router knows it: the range that keeps the cluster map, on the replicas that the map names.
//!
//! Promises: each attempt goes by the map as it is then; nothing more is asked once the process stops.
//! Must not know: what the group's rows mean.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use couronne_base::watch;
use couronne_metadata::command::{Command, Expect};
use couronne_metadata::ids::{BucketId, ObjectKey, Ordinal};
use couronne_metadata::query::{Query, SystemRow};
use couronne_protocol::map::SharedMap;
use couronne_protocol::range::QueryRequest;
use parking_lot::Mutex;

use super::attempts::Patience;
use super::system::{read, written};
use super::{BucketView, Destination, KnownRange, Router};
use crate::error::ClientError;

/// The patience of a request to the meta group: little goes on in the cluster while it has no leader, so that it is
/// asked again soon, and overload is no reason to leave a change undone.
const PATIENCE: Patience = Patience {
    budget: Duration::from_secs(10),
    attempt: Duration::from_secs(3),
    pause_max: Duration::from_millis(20),
    outlasts_overload: true,
};

/// The way to the meta group.
pub struct MetaGroup {
    map: Arc<SharedMap>,
    stopping: watch::Receiver<bool>,
    /// The group as it was last asked.
    known: Mutex<Option<Arc<KnownRange>>>,
}

impl MetaGroup {
    /// The group that `map` names, asked until `stopping` says so.
    pub const fn new(map: Arc<SharedMap>, stopping: watch::Receiver<bool>) -> Self {
        Self { map, stopping, known: Mutex::new(None) }
    }

    pub(super) fn is_stopped(&self) -> bool {
        *self.stopping.borrow()
    }

    /// The group as the map has it now. Which replica led it outlasts a change of its replicas.
    pub(super) fn locate(&self) -> Arc<KnownRange> {
        let descriptor = self.map.state().meta_group.descriptor();
        let mut known = self.known.lock();
        match &*known {
            Some(same) if same.descriptor == descriptor => same.clone(),
            earlier => {
                let leader = earlier.as_ref().and_then(|earlier| earlier.leader());
                known.insert(Arc::new(KnownRange::new(descriptor, leader))).clone()
            }
        }
    }
}

impl Router {
    /// A row of the meta group; what was acknowledged before is in the answer.
    pub async fn meta_get(&self, key: &ObjectKey) -> Result<Option<SystemRow>, ClientError> {
        let query = Query::SystemGet { key: key.clone() };
        let request = QueryRequest { bucket: BucketId::SYSTEM, rules_version: None, query };
        self.query_at(self.meta()?, PATIENCE, request).await.and_then(|(answer, _)| read(answer))
    }

    /// Writes or removes a row of the meta group. Returns the row's new version, or `None` if it is not what was
    /// expected.
    pub async fn meta_write(
        &self,
        key: &ObjectKey,
        expect: Expect,
        value: Option<Bytes>,
    ) -> Result<Option<Ordinal>, ClientError> {
        let command = Command::SystemWrite { expect, value };
        written(self.execute_at(self.meta()?, PATIENCE, BucketView::SYSTEM, key, command).await)
    }

    fn meta(&self) -> Result<Destination<'_>, ClientError> {
        let forbidden = || ClientError::Unavailable("this process may not ask the meta group".to_owned());
        self.meta.as_ref().map(Destination::Meta).ok_or_else(forbidden)
    }
}
