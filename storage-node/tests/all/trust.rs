//! Who is a member, and for how long: joining by tokens, roles for life, members that are expelled.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use couronne_base::seal::sealed_by;
use couronne_cluster::map::{ClusterMap, CommittedMembers, MapNode};
use couronne_cluster::report::{CertificateReport, GroupReport, NodeReport};
use couronne_cluster::{DriveState, MapError, Role};
use couronne_metadata::ids::{BucketId, RangeId};
use couronne_metadata::query::{Answer, Query};
use couronne_protocol::join::{JoinRequest, JoinToken, NotAdmitted};
use couronne_protocol::map::MapSource;
use couronne_protocol::net::certificates::PrivateKey;
use couronne_protocol::range::{QueryRequest, RangeAddress, RangeClient};
use couronne_protocol::remote::RemoteRanges;
use couronne_protocol::transport::{CallError, Message, Method, Peer, Rejection, Service};
use couronne_ring::{DriveId, NodeId};
use couronne_storage_node::node::{NodeError, TOKEN_LIFETIME_MAX, TokenPlan};

use crate::support::rows::{commit, key};
use crate::support::several::{TestCluster, place, plan};

fn gateway(name: &str) -> MapNode {
    MapNode { role: Role::Gateway, name: name.into(), address: "".into(), ..place(0) }
}

/// Asks a node for the row of the authority, as a peer that says it has this role; whether it is given.
async fn is_given_the_authority(cluster: &TestCluster, peer: Peer) -> bool {
    raw_row(cluster, peer, "authority").await.is_some()
}

/// A row beside the map as the meta group keeps it, if a peer is given it.
async fn raw_row(cluster: &TestCluster, peer: Peer, name: &str) -> Option<Bytes> {
    let node = cluster.node(0);
    let transport = cluster.transport_of(peer);
    let ranges = RemoteRanges::new(transport, Arc::clone(node.shared_map()) as Arc<dyn MapSource>);
    let map = node.map();
    for replica in map.meta_group.replicas.values() {
        let address =
            RangeAddress { range: map.meta_group.id, generation: map.meta_group.generation, replica: *replica };
        let query = Query::SystemGet { key: key(name) };
        let query = QueryRequest { bucket: BucketId::SYSTEM, rules_version: None, query };
        if let Ok(Answer::SystemGet(row)) = ranges.query(address, query).await {
            return row.map(|row| row.value);
        }
    }
    None
}

#[tokio::test(start_paused = true)]
async fn a_gateway_never_becomes_a_storage_node() {
    let cluster = TestCluster::start(31, "ec:2+1", 3).await;
    let node = cluster.node(0);
    let (of_gateway, of_node) =
        (node.make_token(plan(Role::Gateway)).await.unwrap(), node.make_token(plan(Role::StorageNode)).await.unwrap());
    let own = PrivateKey::generate().unwrap();
    let request = cluster.request(gateway("g1"), &of_gateway, Vec::new(), &own).await;
    let id = cluster.ask_to_join(0, &request).await.unwrap().node;
    cluster.until("the gateway is known", || node.map().is_member(id, Role::Gateway)).await;
    let before = node.map();
    let turned = cluster.request(place(9), &of_node, vec![(DriveId(77), 1)], &own).await;
    let refused = cluster.ask_to_join(0, &turned).await;
    assert_eq!(refused, Err(NotAdmitted(MapError::OtherRole.to_string())));
    assert_eq!(*node.map(), *before, "a refused join changes nothing");
    let joined = node.list_tokens().await.unwrap().into_iter().map(|token| (token.id, token.joined.len()));
    let joined = joined.filter(|(id, _)| [of_gateway.id, of_node.id].contains(id)).collect::<BTreeMap<_, _>>();
    assert_eq!(joined, BTreeMap::from([(of_gateway.id, 1), (of_node.id, 0)]), "nor a token");
    assert!(!is_given_the_authority(&cluster, Peer { node: id, role: Role::StorageNode }).await);
    assert!(
        is_given_the_authority(&cluster, Peer { node: node.id(), role: Role::StorageNode }).await,
        "a storage node is"
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_said_once_to_join_is_of_no_use_again_nor_elsewhere() {
    let cluster = TestCluster::start(32, "ec:2+1", 3).await;
    let token = cluster.node(0).make_token(plan(Role::Gateway)).await.unwrap();
    let own = PrivateKey::generate().unwrap();
    let request = cluster.request(gateway("g1"), &token, Vec::new(), &own).await;
    let refused = |answer: Result<_, NotAdmitted>| answer.map(drop).unwrap_err().0;
    // Whatever is altered was not signed for.
    let named = JoinRequest { name: "g2".to_owned(), ..request.clone() };
    let challenged = cluster.request(gateway("g1"), &token, Vec::new(), &own).await.challenge;
    for altered in [named, JoinRequest { challenge: challenged, ..request.clone() }] {
        assert!(refused(cluster.ask_to_join(0, &altered).await).contains("proves nothing"));
    }
    assert!(refused(cluster.ask_to_join(1, &request).await).contains("try again"), "another node's challenge");
    let first = cluster.ask_to_join(0, &request).await.unwrap();
    assert!(refused(cluster.ask_to_join(0, &request).await).contains("try again"), "a replay");
    // The process itself, whose answer was lost, asks anew.
    let again = cluster.request(gateway("g1"), &token, Vec::new(), &own).await;
    assert_eq!(cluster.ask_to_join(0, &again).await.unwrap().node, first.node);
    let late = cluster.request(gateway("g1"), &token, Vec::new(), &own).await;
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert!(refused(cluster.ask_to_join(0, &late).await).contains("try again"), "too late");
}

#[tokio::test(start_paused = true)]
async fn a_token_admits_so_many_for_so_long_and_none_once_it_is_revoked() {
    let cluster = TestCluster::start(33, "ec:2+1", 3).await;
    let node = cluster.node(0);
    for (lifetime, joins_max) in [(TOKEN_LIFETIME_MAX * 2, 1), (Duration::MAX, 1), (Duration::from_secs(60), 0)] {
        let plan = TokenPlan { role: Role::Gateway, lifetime, joins_max };
        assert!(matches!(node.make_token(plan).await.map(drop), Err(NodeError::Token(_))));
    }
    let token = node.make_token(TokenPlan { joins_max: 2, ..plan(Role::Gateway) }).await.unwrap();
    let join = async |name: &str, key: &PrivateKey| {
        let request = cluster.request(gateway(name), &token, Vec::new(), key).await;
        cluster.ask_to_join(0, &request).await.map(drop)
    };
    let keys = [(); 3].map(|()| PrivateKey::generate().unwrap());
    join("n1", &keys[0]).await.expect_err("the name is taken");
    join("g1", &keys[0]).await.unwrap();
    join("g1", &keys[0]).await.expect("the same member again takes no place");
    join("g2", &keys[1]).await.expect("the refused join took no place either");
    let refused = join("g3", &keys[2]).await.unwrap_err();
    assert!(refused.0.contains("as many as it may"), "{refused}");
    let live = node.list_tokens().await.unwrap();
    let live = live.iter().find(|live| live.id == token.id).unwrap();
    assert_eq!((live.joins_max, live.joined.len()), (2, 2));

    let token = node.make_token(plan(Role::Gateway)).await.unwrap();
    assert_eq!(cluster.node(1).revoke_token(token.id).await.ok(), Some(true));
    assert_eq!(cluster.node(2).revoke_token(token.id).await.ok(), Some(false));
    let request = cluster.request(gateway("g3"), &token, Vec::new(), &keys[2]).await;
    assert!(cluster.ask_to_join(0, &request).await.is_err(), "it was revoked");

    let token = node.make_token(plan(Role::Gateway)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(601)).await;
    let request = cluster.request(gateway("g3"), &token, Vec::new(), &keys[2]).await;
    assert!(cluster.ask_to_join(0, &request).await.is_err(), "it has run out");
    assert!(node.list_tokens().await.unwrap().is_empty(), "nor is it kept");
}

/// A storage node that lies of a group of which it has no replica would have the map take its word for who is needed.
#[tokio::test(start_paused = true)]
async fn what_a_node_says_of_a_group_without_a_replica_of_its_own_counts_for_nothing() {
    let cluster = TestCluster::start(36, "ec:2+1", 5).await;
    let of_group = |map: &ClusterMap, range: RangeId| map.range(range).and_then(|range| range.members.clone());
    let map = cluster.node(0).map();
    let places = map.ranges.iter().flat_map(|range| cluster.machines.iter().map(move |machine| (machine.id, range.id)));
    let (outsider, range) = places.into_iter().find(|(node, range)| !map.has_replica(*node, *range)).unwrap();
    cluster.until("the group is known", || of_group(&cluster.node(0).map(), range).is_some()).await;
    let known = of_group(&cluster.node(0).map(), range).unwrap();
    let own: DriveId = map.drives_of(outsider).next().unwrap();
    let voters = BTreeMap::from([(*known.voters.keys().next().unwrap(), own)]);
    let members = CommittedMembers { index: known.index + 1000, voters, ..known.clone() };
    let report = NodeReport {
        map_version: map.version,
        drives: vec![(own, DriveState::WRITABLE)],
        leads: vec![range],
        groups: vec![GroupReport { range, members }],
        ..NodeReport::default()
    };
    // To every node, for long enough that the leader of the meta group looks at it.
    let from = Peer { node: outsider, role: Role::StorageNode };
    for _ in 0..40 {
        for node in cluster.running() {
            node.service().serve(from, Method::Report, Message::of(report.encode())).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(of_group(&cluster.node(0).map(), range), Some(known));
}

#[tokio::test(start_paused = true)]
async fn an_expelled_gateway_is_refused_by_every_member_within_a_second() {
    let cluster = TestCluster::start(34, "ec:2+1", 3).await;
    let own = PrivateKey::generate().unwrap();
    let token = cluster.node(0).make_token(plan(Role::Gateway)).await.unwrap();
    let request = cluster.request(gateway("g1"), &token, Vec::new(), &own).await;
    let gateway = cluster.ask_to_join(0, &request).await.unwrap().node;
    let transport = cluster.transport_of(Peer { node: gateway, role: Role::Gateway });
    cluster.until("all know it", || cluster.running().all(|node| node.map().is_member(gateway, Role::Gateway))).await;
    let renewal = own.request(b"").unwrap();
    assert!(cluster.node(1).renew(gateway, Role::Gateway, &renewal).await.is_ok());
    let another = PrivateKey::generate().unwrap().request(b"").unwrap();
    assert!(cluster.node(1).renew(gateway, Role::Gateway, &another).await.is_err(), "with another key");
    let asked =
        async |number: usize| transport.call(cluster.machines[number].id, Method::Describe, Message::default()).await;
    for number in 0..3 {
        assert_ne!(asked(number).await, Err(CallError::Rejected(Rejection::Forbidden)));
    }
    assert_eq!(cluster.node(1).expel(gateway, false).await.ok(), Some(true));
    tokio::time::sleep(Duration::from_secs(1)).await;
    for number in 0..3 {
        assert_eq!(asked(number).await, Err(CallError::Rejected(Rejection::Forbidden)), "node {number}");
        assert!(cluster.node(number).renew(gateway, Role::Gateway, &renewal).await.is_err());
    }
    assert_eq!(cluster.node(0).expel(gateway, false).await.ok(), Some(false), "a repeat");
    assert!(matches!(cluster.node(0).expel(NodeId(99), false).await, Err(NodeError::Change(MapError::UnknownMember))));
}

/// Has the process of a machine do what a rotation asks of it, as far as its map says.
fn do_part(cluster: &TestCluster, number: usize) {
    let (node, map) = (cluster.node(number), cluster.node(number).map());
    node.note_certificate(CertificateReport { trusted: map.authorities.newest(), signed_by: map.authorities.signing });
}

/// Whether a process that made its request with this token is admitted.
async fn admits(cluster: &TestCluster, name: &str, token: &JoinToken) -> Result<(), NotAdmitted> {
    let request = cluster.request(gateway(name), token, Vec::new(), &PrivateKey::generate().unwrap()).await;
    cluster.ask_to_join(0, &request).await.map(drop)
}

#[tokio::test(start_paused = true)]
async fn the_authority_is_changed_once_every_member_did_its_part_and_any_node_dies_meanwhile() {
    let mut cluster = TestCluster::start(37, "ec:4+2", 6).await;
    let authorities = |cluster: &TestCluster| {
        let map = cluster.node(0).map();
        (map.authorities.signing, map.authorities.trusted.keys().copied().collect::<Vec<_>>())
    };
    let first = cluster.node(0).authority_certificate().await.unwrap();
    let before = cluster.node(1).make_token(TokenPlan { joins_max: 9, ..plan(Role::Gateway) }).await.unwrap();
    assert_eq!(authorities(&cluster), (1, vec![1]));
    // Ordered twice at once, it begins once; one machine is off all the time.
    cluster.crash(5, 1).await;
    let (one, two) = (cluster.node(1), cluster.node(2));
    let ordered = tokio::join!(one.rotate_authority(), two.rotate_authority());
    assert!(ordered.0.is_ok() && ordered.1.is_ok());
    cluster.until("all know", || cluster.running().all(|node| node.map().authorities.is_rotating())).await;
    (0..5).for_each(|number| do_part(&cluster, number));
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(authorities(&cluster), (1, vec![1, 2]), "the one that is off does not believe the new one");
    assert!(first == cluster.node(3).authority_certificate().await.unwrap());
    cluster.start_node(5).await;
    for number in 0..6 {
        do_part(&cluster, number);
    }
    cluster.until("the new one signs", || authorities(&cluster) == (2, vec![1, 2])).await;
    cluster.until("all know", || cluster.running().all(|node| node.map().authorities.signing == 2)).await;
    let second = cluster.node(3).authority_certificate().await.unwrap();
    assert!(first != second);
    let storage_node = Peer { node: cluster.machines[0].id, role: Role::StorageNode };
    let both = raw_row(&cluster, storage_node, "authority").await.unwrap().len();
    let refused = admits(&cluster, "g2", &before).await.unwrap_err();
    assert!(refused.0.contains("before the cluster's certificate authority was changed"), "{refused}");

    // The leaders of the meta group die, one after the other; a process says anew how it stands when it is back.
    for number in 0..3 {
        cluster.crash(number, 2).await;
        cluster.start_node(number).await;
    }
    (0..5).for_each(|number| do_part(&cluster, number));
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(authorities(&cluster), (2, vec![1, 2]), "one has the old one's certificate");
    do_part(&cluster, 5);
    cluster.until("the old one is gone", || authorities(&cluster) == (2, vec![2])).await;
    assert!(second == cluster.node(4).authority_certificate().await.unwrap());
    let after = cluster.node(0).make_token(plan(Role::Gateway)).await.unwrap();
    admits(&cluster, "g3", &after).await.unwrap();
    // The old one's key is kept nowhere: the row is as long as that of one.
    assert!(raw_row(&cluster, storage_node, "authority").await.unwrap().len() * 3 < both * 2);
}

#[tokio::test(start_paused = true)]
async fn an_expelled_storage_node_is_nobody_and_the_others_go_on() {
    let mut cluster = TestCluster::start(35, "ec:4+2", 6).await;
    let write = async |cluster: &TestCluster, number: usize, row: u64| {
        cluster.write(&cluster.node(number), "row", &row.to_string(), commit(row)).await
    };
    assert!(write(&cluster, 0, 1).await);
    assert!(matches!(cluster.node(2).expel(cluster.machines[2].id, true).await, Err(NodeError::Place(_))), "itself");
    let expelled = Peer { node: cluster.machines[2].id, role: Role::StorageNode };
    assert!(is_given_the_authority(&cluster, expelled).await);
    assert_eq!(cluster.node(1).expel(expelled.node, false).await.ok(), Some(true));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!is_given_the_authority(&cluster, expelled).await);
    for number in [0, 1, 3, 4, 5] {
        let node = cluster.node(number);
        let answer = node.service().serve(expelled, Method::Report, Message::of(Bytes::new())).await;
        assert_eq!(answer, Err(Rejection::Forbidden), "node {number}");
        assert!(node.shared_map().address_of(expelled.node).is_none(), "nor is it asked");
    }
    // It runs on, and is down for all that.
    tokio::time::sleep(Duration::from_secs(10)).await;
    let map = cluster.node(0).map();
    assert!(map.drives_of(expelled.node).all(|drive| map.drives[&drive].state() == DriveState::DOWN));
    for (row, number) in [0, 1, 3, 4, 5].into_iter().enumerate() {
        assert!(write(&cluster, number, 10 + row as u64).await);
    }
    assert!(!write(&cluster, 2, 99).await, "through it nothing is written");
    // Another one may die: the group of what is left is a majority still.
    cluster.crash(4, 1).await;
    assert!(write(&cluster, 0, 100).await);
    tokio::time::sleep(Duration::from_secs(10)).await;
    let refused = cluster.node(0).expel(cluster.machines[1].id, false).await;
    assert!(matches!(refused, Err(NodeError::Change(_))), "{refused:?}");
}

/// The rows beside the map that are sealed.
const SEALED_ROWS: [&str; 3] = ["authority", "secrets", "tokens"];

#[tokio::test(start_paused = true)]
async fn what_an_expelled_storage_node_knew_opens_nothing_that_is_kept() {
    let mut cluster = TestCluster::start(36, "ec:4+2", 6).await;
    let own = Peer { node: cluster.machines[0].id, role: Role::StorageNode };
    let old = cluster.node(0).map().cluster_key.newest.unwrap();
    for name in SEALED_ROWS {
        let row = raw_row(&cluster, own, name).await.unwrap();
        assert_eq!(sealed_by(&row), Some(old), "{name}");
        assert!(!row.windows(7).any(|window| window == b"secrets"), "{name}");
    }
    for number in 0..6 {
        assert_eq!(cluster.machines[number].rig.cluster_keys.names(), [old], "node {number} was given it");
    }
    // One is away, another is expelled.
    cluster.crash(5, 1).await;
    let expelled = Peer { node: cluster.machines[2].id, role: Role::StorageNode };
    assert_eq!(cluster.node(1).expel(expelled.node, true).await.ok(), Some(true));
    let is_other = |number| {
        let state = cluster.node(number).map().cluster_key;
        state.newest != Some(old) && !state.is_changing()
    };
    cluster.until("the key is another", || [0, 1, 3, 4].into_iter().all(is_other)).await;
    let new = cluster.node(0).map().cluster_key.newest.unwrap();
    for name in SEALED_ROWS {
        assert_eq!(sealed_by(&raw_row(&cluster, own, name).await.unwrap()), Some(new), "{name}");
    }
    for number in [0, 1, 3, 4] {
        let keys = cluster.machines[number].rig.cluster_keys.clone();
        cluster.until("the old key is dropped", || keys.names() == [new]).await;
    }
    // The one that was away asks for it; the expelled one is told nothing.
    cluster.start_node(5).await;
    let keys = cluster.machines[5].rig.cluster_keys.clone();
    cluster.until("it has the new key alone", || keys.names() == [new]).await;
    assert_eq!(&cluster.node(5).secrets().await.unwrap().unwrap()[..], b"secrets");
    assert_eq!(cluster.machines[2].rig.cluster_keys.names(), [old]);
    for number in [0, 1, 3, 4, 5] {
        let answer = cluster.node(number).service().serve(expelled, Method::ClusterKeys, Message::default()).await;
        assert_eq!(answer, Err(Rejection::Forbidden), "node {number}");
    }
    // Tokens go on, and a node that joins is given the new key.
    let token = cluster.token().await;
    let late = cluster.join_without_start(900, "ec:4+2", 7, &token).await;
    assert_eq!(cluster.machines[late].rig.cluster_keys.names(), [new]);
}

#[tokio::test(start_paused = true)]
async fn a_gateway_is_given_no_key_of_the_cluster() {
    let cluster = TestCluster::start(37, "ec:2+1", 3).await;
    let own = PrivateKey::generate().unwrap();
    let token = cluster.node(0).make_token(plan(Role::Gateway)).await.unwrap();
    let request = cluster.request(gateway("g1"), &token, Vec::new(), &own).await;
    let admission = cluster.ask_to_join(0, &request).await.unwrap();
    assert!(admission.cluster_keys.is_empty());
    let name = cluster.node(0).map().cluster_key.newest.unwrap();
    assert_eq!(cluster.machines[1].rig.cluster_keys.names(), [name], "a storage node is");
    let of_gateway = Peer { node: admission.node, role: Role::Gateway };
    for name in SEALED_ROWS {
        assert_eq!(raw_row(&cluster, of_gateway, name).await, None, "{name}");
    }
    assert!(!Method::ClusterKeys.may(Role::Gateway) && !Method::ClusterKeys.may(Role::Unjoined));
}
