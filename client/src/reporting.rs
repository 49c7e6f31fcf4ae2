//! Reports: every member tells the leader of the meta group how it is, and learns of newer maps from the answer.
//!
//! The leader is found by asking: each answer names it as far as the asked node knows. A node that does not answer,
//! or does not know the leader, is not asked again at once: it may never know, if it does not keep the map.
//! Promises: a member reports for as long as it lives, twice a second; a map of another cluster is never taken.
//! Must not know: what a report says, what follows from a map.

use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use couronne_cluster::map::ClusterMap;
use couronne_cluster::report::{ClockOffset, DriveLogEnd, NodeReport, NodeReportAnswer};
use couronne_protocol::map::{MapSource as _, SharedMap};
use couronne_protocol::transport::{Message, Method, Transport};
use couronne_ring::{DriveId, NodeId};
use tokio::time::{sleep, timeout};

/// The pause between two reports.
pub const REPORT_EVERY: Duration = Duration::from_millis(500);

/// How long an answer to a report may take.
const ANSWER_WAIT: Duration = Duration::from_secs(2);

/// Every so many turns a node is asked that does not keep the map as it is known here: those that do may be gone.
const OTHERS_EVERY: usize = 4;

/// A process that reports.
#[async_trait]
pub trait Member: Send + Sync + 'static {
    /// How it is now.
    fn own_report(&self) -> NodeReport;

    /// Takes a newer map.
    async fn learn(&self, map: ClusterMap);

    /// Takes what the leader says of this process's clock.
    fn hear_of_clock(&self, _: ClockOffset) {}

    /// Takes what the leader says of where logs of others end.
    fn hear_of_log_ends(&self, _: Vec<DriveLogEnd>) {}

    /// Reports without a message if the leader is this very process; whether it is.
    async fn report_here(&self) -> bool {
        false
    }

    /// Whether it reports no more.
    fn is_stopping(&self) -> bool {
        false
    }
}

/// The way of one member's reports.
pub struct Reporter {
    /// The way to other processes; `None`: there are none.
    transport: Option<Arc<dyn Transport>>,
    map: Arc<SharedMap>,
    /// The member, if others could name it as the leader.
    own: Option<NodeId>,
    /// The drive whose replica leads the meta group, as far as it is known.
    leader: Option<DriveId>,
    /// Its own node said so: it is no hint.
    is_confirmed: bool,
    /// The node that was last asked in vain.
    passed_over: Option<NodeId>,
    /// Which of the nodes is asked where the leader is not known.
    turn: usize,
}

/// Reports for as long as the member lives.
pub async fn report<M: Member>(member: Weak<M>, mut reporter: Reporter) {
    loop {
        let Some(member) = member.upgrade() else { return };
        if member.is_stopping() {
            return;
        }
        reporter.report_once(&*member).await;
        drop(member);
        sleep(REPORT_EVERY).await;
    }
}

impl Reporter {
    /// Reports of the member `own` (`None`: a gateway), which knows `map`, go through `transport`.
    pub const fn new(transport: Option<Arc<dyn Transport>>, map: Arc<SharedMap>, own: Option<NodeId>) -> Self {
        Self { transport, map, own, leader: None, is_confirmed: false, passed_over: None, turn: 0 }
    }

    /// Tells the leader of the meta group, or a node that may know it, how the member is, and has the member learn
    /// from the answer.
    pub async fn report_once(&mut self, member: &dyn Member) {
        if member.report_here().await {
            return;
        }
        let (Some(transport), Some(node)) = (self.transport.clone(), self.next_node()) else { return };
        let call = transport.call(node, Method::Report, Message::of(member.own_report().encode()));
        let answer = match timeout(ANSWER_WAIT, call).await {
            Ok(Ok(message)) => NodeReportAnswer::decode(message.head).ok(),
            Ok(Err(error)) => {
                tracing::debug!(%node, %error, "a node report was not taken");
                None
            }
            Err(_) => None,
        };
        self.note(node, answer.as_ref().and_then(|answer| answer.leader));
        let Some(NodeReportAnswer { map, clock, log_ends, .. }) = answer else { return };
        member.hear_of_clock(clock);
        if !map.is_empty() {
            match ClusterMap::decode(map) {
                Ok(newer) if newer.cluster == self.map.state().cluster => member.learn(newer).await,
                Ok(_) => tracing::warn!(%node, "a node sent the map of another cluster"),
                Err(error) => tracing::warn!(%node, %error, "a map that was sent does not decode"),
            }
        }
        member.hear_of_log_ends(log_ends);
    }

    /// The leader, if it is known; else a storage node that keeps the map, and every few turns another one.
    fn next_node(&self) -> Option<NodeId> {
        if let Some(leader) = self.leader.and_then(|drive| self.map.node_of(drive)) {
            return Some(leader);
        }
        let is_other = |node: &NodeId| self.own != Some(*node);
        let map = self.map.state();
        let keeps = |node: &NodeId| map.meta_group.places().any(|(_, drive)| self.map.node_of(drive) == Some(*node));
        let (members, others): (Vec<NodeId>, Vec<NodeId>) =
            self.map.current().storage_nodes().filter(is_other).partition(keeps);
        let round = self.turn / OTHERS_EVERY;
        let is_others_turn = members.is_empty() || self.turn % OTHERS_EVERY == OTHERS_EVERY - 1;
        let (nodes, place) =
            if is_others_turn && !others.is_empty() { (others, round) } else { (members, self.turn - round) };
        let at = |place: usize| nodes.get(place.checked_rem(nodes.len())?).copied();
        // A node that was just asked in vain waits for its next turn.
        at(place).filter(|node| self.passed_over != Some(*node)).or_else(|| at(place + 1))
    }

    /// Takes note of which drive's replica leads, by the node that was asked; `None` if it did not answer or does
    /// not know. A node that was asked on a hint and hints at another is taken not to know, and likewise one that
    /// hints at this member: nodes that are wrong must not keep a report from the leader.
    fn note(&mut self, asked: NodeId, leader: Option<DriveId>) {
        let node = leader.and_then(|drive| self.map.node_of(drive));
        let was_hint = self.leader.is_some() && !self.is_confirmed;
        self.is_confirmed = node == Some(asked);
        let may_follow = self.is_confirmed || (!was_hint && node.is_some() && node != self.own);
        self.leader = leader.filter(|_| may_follow);
        self.passed_over = if may_follow { None } else { Some(asked) };
        if !may_follow {
            self.turn = self.turn.wrapping_add(1);
        }
    }
}
