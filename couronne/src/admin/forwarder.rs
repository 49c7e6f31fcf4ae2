//! Orders of operators on their way: to any storage node, to all, or to the one that has a drive.
//!
//! Promises: whichever process was asked, the same is done; the actor and its token are told along, and this process adds
//! nothing to what they may do.
//! Must not know: how an order is carried out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use couronne_admin::control::Actor;
use couronne_admin::types::{ApiError, ErrorCode};
use couronne_metadata::ids::RangeId;
use couronne_protocol::map::{MapSource as _, SharedMap};
use couronne_protocol::transport::{Message, Method, Transport};
use couronne_ring::{DriveId, NodeId};
use futures_util::future::join_all;
use tokio::time::timeout;

use super::actions::{AdminActions, Outcome};
use super::messages::{GivenOrder, Order};

/// How long a node may take to carry out an order.
const ANSWER_WAIT: Duration = Duration::from_secs(25);

/// The way of orders from this process.
pub(crate) struct AdminForwarder {
    /// The storage node of this process, if it has one.
    pub(crate) here: Option<Arc<AdminActions>>,
    /// The newest map known here.
    pub(crate) map: Arc<SharedMap>,
    /// The way to other nodes, if there are any.
    pub(crate) transport: Option<Arc<dyn Transport>>,
}

impl AdminForwarder {
    /// Has any storage node carry out an order.
    pub(crate) async fn anywhere(&self, order: Order, actor: &Actor) -> Outcome {
        let order = given(order, actor);
        if let Some(here) = &self.here {
            return here.carry_out(order).await;
        }
        self.first_of(self.map.current().storage_nodes(), &order).await
    }

    /// Has the first of these nodes that can carry out an order.
    async fn first_of(&self, nodes: impl Iterator<Item = NodeId> + Send, order: &GivenOrder) -> Outcome {
        let mut refused = ApiError::new(ErrorCode::Unavailable, "no storage node answers");
        for node in nodes {
            match self.at(node, order.clone()).await {
                // It did nothing: another may.
                Err(why) if why.code == ErrorCode::Unavailable => refused = why,
                answered => return answered,
            }
        }
        Err(refused)
    }

    /// Has any storage node but this one carry out an order.
    pub(crate) async fn elsewhere(&self, than: NodeId, order: Order, actor: &Actor) -> Outcome {
        if self.here.as_ref().is_none_or(|here| here.node.id() != than) {
            return self.anywhere(order, actor).await;
        }
        self.first_of(self.map.current().storage_nodes().filter(|node| *node != than), &given(order, actor)).await
    }

    /// Has every storage node carry out an order: what each answered, by its name.
    pub(crate) async fn everywhere(&self, order: Order, actor: &Actor) -> Vec<(String, Outcome)> {
        let order = given(order, actor);
        let map = self.map.state();
        let nodes = map.storage_nodes().map(|(id, node)| {
            let order = order.clone();
            async move { (node.name.to_string(), self.at(*id, order).await) }
        });
        join_all(nodes).await
    }

    /// Has the node of a drive carry out an order.
    pub(crate) async fn at_drive(&self, drive: DriveId, order: Order, actor: &Actor) -> Outcome {
        let order = given(order, actor);
        let node = self.map.node_of(drive);
        let unknown = || ApiError::new(ErrorCode::NotFound, format!("there is no drive {drive}"));
        self.at(node.ok_or_else(unknown)?, order).await
    }

    /// Has the leader of a range answer a question, whichever of the nodes with a replica that is: those that serve are
    /// asked first. A node that does not answer, or that has just started and knows no tokens yet, stops nothing; it counts
    /// as forbidden only if all say so.
    pub(crate) async fn at_replicas(&self, range: RangeId, order: Order, actor: &Actor) -> Outcome {
        let map = self.map.state();
        let Some(known) = map.range(range) else {
            return Err(ApiError::new(ErrorCode::NotFound, format!("there is no range {}", range.0)));
        };
        let places = known.voter_sets().into_iter().chain([&known.replicas]).flat_map(BTreeMap::values);
        let drives = places.filter_map(|drive| map.drives.get(drive));
        let nodes: BTreeSet<_> = drives.map(|drive| (drive.down_since_ms.is_some(), drive.node)).collect();
        let (order, mut refused) = (given(order, actor), None);
        for (_, node) in nodes {
            match self.at(node, order.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(why) if why.code == ErrorCode::Forbidden => refused = refused.or(Some(why)),
                Err(why) => refused = Some(why),
            }
        }
        Err(refused.unwrap_or_else(|| ApiError::new(ErrorCode::Unavailable, "no storage node has the range")))
    }

    /// The drive whose identity begins so.
    pub(crate) fn drive(&self, text: &str) -> Result<DriveId, ApiError> {
        let map = self.map.state();
        let mut found = map.drives.keys().copied().filter(|drive| drive.to_string().starts_with(text));
        match (found.next(), found.next()) {
            (Some(drive), None) if !text.is_empty() => Ok(drive),
            (Some(_), Some(_)) => Err(ApiError::new(ErrorCode::Conflict, format!("several drives begin with {text}"))),
            _ => Err(ApiError::new(ErrorCode::NotFound, format!("there is no drive {text}"))),
        }
    }

    /// The member of this name, or whose identity begins so. A name may be another member's by now than of one that was
    /// expelled.
    pub(crate) fn node(&self, text: &str) -> Result<NodeId, ApiError> {
        let map = self.map.state();
        let known = map.nodes.keys().chain(map.expelled.keys()).copied().collect::<BTreeSet<_>>();
        let of_name = map.nodes.iter().filter(|(_, node)| &*node.name == text).map(|(id, _)| *id);
        let named = of_name.min_by_key(|id| map.is_expelled(*id));
        let mut found = known.into_iter().filter(|node| node.to_string().starts_with(text));
        match (named, found.next(), found.next()) {
            (Some(node), ..) => Ok(node),
            (None, Some(node), None) if !text.is_empty() => Ok(node),
            (None, Some(_), Some(_)) => {
                Err(ApiError::new(ErrorCode::Conflict, format!("several members begin with {text}")))
            }
            _ => Err(ApiError::new(ErrorCode::NotFound, format!("there is no member {text}"))),
        }
    }

    async fn at(&self, node: NodeId, order: GivenOrder) -> Outcome {
        if let Some(here) = self.here.as_ref().filter(|here| here.node.id() == node) {
            return here.carry_out(order).await;
        }
        let unavailable = |why: &dyn std::fmt::Display| ApiError::new(ErrorCode::Unavailable, why);
        let transport = self.transport.as_ref().ok_or_else(|| unavailable(&"that node is not reachable from here"))?;
        let head = serde_json::to_vec(&order).map_err(|error| unavailable(&error))?;
        let call = transport.call(node, Method::Operate, Message::of(head.into()));
        match timeout(ANSWER_WAIT, call).await {
            Ok(Ok(answer)) => serde_json::from_slice(&answer.head).map_err(|error| unavailable(&error))?,
            // It may have been done, or yet be: nobody else is asked the same.
            Ok(Err(error)) if error.maybe_done() => Err(ApiError::new(ErrorCode::OutcomeUnknown, error)),
            Ok(Err(error)) => Err(unavailable(&error)),
            Err(_) => Err(ApiError::new(ErrorCode::OutcomeUnknown, "the node does not answer in time")),
        }
    }
}

/// An order with its actor, and the token that the actor gave.
fn given(order: Order, actor: &Actor) -> GivenOrder {
    GivenOrder { order, actor: actor.to_string(), token: actor.bearer.0.clone() }
}
