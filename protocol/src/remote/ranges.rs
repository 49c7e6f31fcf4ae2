//! Ranges whose replicas live in other processes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use couronne_cluster::RangeDescriptor;
use couronne_metadata::command::{CommandRequest, Outcome};
use couronne_metadata::query::Answer;
use couronne_ring::NodeId;

use super::{Reach, Unanswered};
use crate::map::MapSource;
use crate::range::{QueryRequest, RangeAddress, RangeClient, RangeError};
use crate::transport::Transport;
use crate::wire::{Describe, Execute, Query};

/// Ranges wherever they are, by the map.
pub struct RemoteRanges {
    reach: Reach,
    /// The node that is asked first for ranges; it moves on when one fails.
    first: AtomicUsize,
}

impl RemoteRanges {
    /// Reaches the replicas on the drives of `map` through `transport`.
    pub fn new(transport: Arc<dyn Transport>, map: Arc<dyn MapSource>) -> Self {
        Self { reach: Reach { transport, map }, first: AtomicUsize::new(0) }
    }

    /// All storage nodes, those with a drive that serves before the others; which of them is the first changes.
    fn nodes(&self) -> Vec<NodeId> {
        let (mut nodes, others) = self.reach.map.current().serving_and_other_nodes();
        let first = self.first.load(Ordering::Relaxed).checked_rem(nodes.len());
        nodes.rotate_left(first.unwrap_or(0));
        nodes.extend(others);
        nodes
    }
}

impl From<Unanswered> for RangeError {
    fn from(unanswered: Unanswered) -> Self {
        if unanswered.is_overload() {
            return Self::Overloaded;
        }
        Self::Unavailable { reason: unanswered.reason(), maybe_done: unanswered.maybe_done() }
    }
}

#[async_trait]
impl RangeClient for RemoteRanges {
    async fn describe(&self, start: Bytes, end: Bytes) -> Result<Vec<RangeDescriptor>, RangeError> {
        let mut error =
            RangeError::Unavailable { reason: "the map knows no storage node".to_owned(), maybe_done: false };
        for node in self.nodes() {
            let ask = Describe { start: start.clone(), end: end.clone() };
            match self.reach.ask(node, ask).await {
                Ok(Ok(found)) => return Ok(found.ranges),
                Ok(Err(failed)) => error = failed,
                Err(unanswered) => error = unanswered.into(),
            }
            self.first.fetch_add(1, Ordering::Relaxed);
        }
        Err(error)
    }

    async fn execute(&self, address: RangeAddress, request: CommandRequest) -> Result<Outcome, RangeError> {
        self.reach.ask_drive(address.replica, Execute { address, request }).await?
    }

    async fn query(&self, address: RangeAddress, query: QueryRequest) -> Result<Answer, RangeError> {
        self.reach.ask_drive(address.replica, Query { address, query }).await?
    }
}
