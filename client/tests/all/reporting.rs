//! Reports find their way to the leader of the meta group, and bring newer maps back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use couronne_base::testing::paused;
use couronne_client::{Member, REPORT_EVERY, Reporter, report};
use couronne_cluster::map::ClusterMap;
use couronne_cluster::report::{ClockOffset, NodeReport, NodeReportAnswer};
use couronne_protocol::map::SharedMap;
use couronne_protocol::transport::{CallError, Message, Method, Transport};
use couronne_ring::{DriveId, NodeId};
use parking_lot::Mutex;

use super::support::map;

/// Nodes that answer reports as they are told; those that are not told anything do not answer.
#[derive(Default)]
struct ToldNodes {
    answers: Mutex<BTreeMap<u128, NodeReportAnswer>>,
    asked: Mutex<Vec<u128>>,
}

impl ToldNodes {
    fn tell(&self, node: u128, leader: Option<u128>) {
        self.answers
            .lock()
            .insert(node, NodeReportAnswer { leader: leader.map(DriveId), ..NodeReportAnswer::default() });
    }

    fn asked(&self) -> Vec<u128> {
        std::mem::take(&mut *self.asked.lock())
    }
}

#[async_trait]
impl Transport for ToldNodes {
    async fn call(&self, to: NodeId, method: Method, message: Message) -> Result<Message, CallError> {
        assert_eq!(method, Method::Report);
        assert!(NodeReport::decode(message.head).is_ok());
        self.asked.lock().push(to.0);
        let answer = self.answers.lock().get(&to.0).cloned();
        answer.map(|answer| Message::of(answer.encode())).ok_or(CallError::Unreachable("it is away".to_owned()))
    }
}

/// A member that notes what it learns.
struct Listener {
    map: Arc<SharedMap>,
    learnt: Mutex<Vec<u64>>,
    clock: Mutex<Option<ClockOffset>>,
}

#[async_trait]
impl Member for Listener {
    fn own_report(&self) -> NodeReport {
        NodeReport { map_version: self.map.state().version, ..NodeReport::default() }
    }

    async fn learn(&self, map: ClusterMap) {
        self.learnt.lock().push(map.version);
        let view = map.view();
        self.map.learn(map, view);
    }

    fn hear_of_clock(&self, word: ClockOffset) {
        *self.clock.lock() = Some(word);
    }
}

fn listener(map: &Arc<SharedMap>) -> Listener {
    Listener { map: map.clone(), learnt: Mutex::default(), clock: Mutex::default() }
}

#[test]
fn another_node_is_asked_where_the_asked_one_does_not_know_the_leader() {
    paused().block_on(async {
        let (nodes, map) = (Arc::new(ToldNodes::default()), Arc::new(SharedMap::new(map(5, 3))));
        let member = listener(&map);
        let mut reporter = Reporter::new(Some(nodes.clone()), map, None);
        // Node 1 keeps the map and knows of no leader, node 2 is away.
        nodes.tell(1, None);
        nodes.tell(3, Some(3));
        for _ in 0..4 {
            reporter.report_once(&member).await;
        }
        assert_eq!(nodes.asked(), [1, 2, 3, 3], "the leader is remembered");
        // The leader goes, and with it what was said before; the others do not know yet.
        nodes.answers.lock().remove(&3);
        nodes.tell(2, None);
        for _ in 0..8 {
            reporter.report_once(&member).await;
        }
        let asked = nodes.asked();
        assert_eq!(asked[0], 3);
        assert!(asked.windows(2).all(|pair| pair[0] != pair[1]), "{asked:?}: not the same again at once");
        assert!([1, 2, 3].iter().all(|node| asked[1..].contains(node)), "{asked:?}");
        assert!(asked.contains(&4), "{asked:?}: those that keep the map, by what is known here, may be gone");
    });
}

#[test]
fn a_leader_that_does_not_answer_is_not_asked_again_at_once() {
    paused().block_on(async {
        let (nodes, map) = (Arc::new(ToldNodes::default()), Arc::new(SharedMap::new(map(3, 3))));
        let member = listener(&map);
        let mut reporter = Reporter::new(Some(nodes.clone()), map, None);
        nodes.tell(1, Some(2));
        nodes.tell(3, Some(3));
        for _ in 0..4 {
            reporter.report_once(&member).await;
        }
        assert_eq!(nodes.asked(), [1, 2, 3, 3]);
    });
}

#[test]
fn a_member_does_not_ask_itself() {
    paused().block_on(async {
        let (nodes, map) = (Arc::new(ToldNodes::default()), Arc::new(SharedMap::new(map(3, 3))));
        let member = listener(&map);
        let mut reporter = Reporter::new(Some(nodes.clone()), map, Some(NodeId(1)));
        // The others still name it, which leads no more.
        nodes.tell(2, Some(1));
        nodes.tell(3, Some(1));
        for _ in 0..6 {
            reporter.report_once(&member).await;
        }
        assert_eq!(nodes.asked(), [2, 3, 2, 3, 2, 3]);
    });
}

#[test]
fn nodes_that_are_wrong_about_each_other_do_not_keep_a_report_from_the_leader() {
    paused().block_on(async {
        let (nodes, map) = (Arc::new(ToldNodes::default()), Arc::new(SharedMap::new(map(3, 3))));
        let member = listener(&map);
        let mut reporter = Reporter::new(Some(nodes.clone()), map, None);
        nodes.tell(1, Some(2));
        nodes.tell(2, Some(1));
        nodes.tell(3, Some(3));
        for _ in 0..5 {
            reporter.report_once(&member).await;
        }
        assert_eq!(nodes.asked(), [1, 2, 3, 3, 3]);
        // A leader that was one and names the next is believed.
        nodes.tell(3, Some(2));
        nodes.tell(2, Some(2));
        for _ in 0..3 {
            reporter.report_once(&member).await;
        }
        assert_eq!(nodes.asked(), [3, 2, 2]);
    });
}

#[test]
fn a_hint_on_a_hint_is_not_followed() {
    paused().block_on(async {
        let (nodes, map) = (Arc::new(ToldNodes::default()), Arc::new(SharedMap::new(map(5, 5))));
        let member = listener(&map);
        let mut reporter = Reporter::new(Some(nodes.clone()), map, None);
        nodes.tell(1, Some(2));
        nodes.tell(2, Some(5));
        nodes.tell(3, Some(4));
        nodes.tell(4, Some(4));
        for _ in 0..5 {
            reporter.report_once(&member).await;
        }
        // Node 2, asked on a hint, hints at node 5: the next in turn is asked instead, and its hint is followed again.
        assert_eq!(nodes.asked(), [1, 2, 3, 4, 4]);
    });
}

#[test]
fn a_newer_map_is_learnt_within_a_second_and_that_of_another_cluster_never() {
    paused().block_on(async {
        let (nodes, known) = (Arc::new(ToldNodes::default()), Arc::new(SharedMap::new(map(1, 1))));
        let member = Arc::new(listener(&known));
        let reporter = Reporter::new(Some(nodes.clone()), known.clone(), None);
        let task = tokio::spawn(report(Arc::downgrade(&member), reporter));
        tokio::time::sleep(REPORT_EVERY).await;
        let answer = |cluster, version| {
            let map = ClusterMap { cluster, version, ..map(1, 1) }.encode();
            NodeReportAnswer {
                leader: Some(DriveId(1)),
                map,
                clock: ClockOffset::Ahead(4),
                ..NodeReportAnswer::default()
            }
        };
        nodes.answers.lock().insert(1, answer(8, 9));
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(member.learnt.lock().is_empty());
        assert_eq!(*member.clock.lock(), Some(ClockOffset::Ahead(4)));
        nodes.answers.lock().insert(1, answer(7, 2));
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(member.learnt.lock().first(), Some(&2));
        assert_eq!(known.state().version, 2);
        drop(member);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(task.is_finished(), "it ends with its member");
    });
}
