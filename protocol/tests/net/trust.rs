//! Which peers a process believes: one certificate authority in another's place while calls go on, and members' own keys.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use couronne_cluster::Role;
use couronne_cluster::map::MemberKeys;
use couronne_cluster::report::CertificateReport;
use couronne_protocol::net::certificates::{CertificateError, CertificateRequest, MEMBER_LIFETIME, PrivateKey};
use couronne_protocol::net::{Members, NetTransport, Tls, Trust};
use couronne_protocol::transport::{Method, Rejection, Transport as _};
use couronne_ring::NodeId;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{
    Cluster, GREETING, Running, is_closed, packet, raw_connect, raw_greeted, told, transport_of, until,
};

const ONE: NodeId = NodeId(1);

/// One method of each class of traffic.
const METHODS: [Method; 3] = [Method::Report, Method::Append, Method::PutShard];

/// What a map of this version says where these authorities have these numbers.
fn trust(version: u64, authorities: &[(u64, &Cluster)]) -> Trust {
    let certificate =
        |(number, cluster): &(u64, &Cluster)| (*number, Bytes::copy_from_slice(cluster.authority.certificate()));
    Trust { version, authorities: authorities.iter().map(certificate).collect(), keys: None, members: None }
}

/// The old authority, and the one that takes its place.
fn two_authorities() -> (Cluster, Cluster) {
    (Cluster::new(7), Cluster::new(7))
}

fn renew(tls: &Tls, authority: &Cluster, node: u128, role: Role) {
    let (key, certificate) = authority.certificate(node, role);
    tls.renew(&certificate, &key).unwrap();
}

async fn is_heard(transport: &NetTransport) -> bool {
    transport.call(ONE, Method::Report, told("echo")).await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_an_authority_signed_is_heard_once_it_is_trusted_no_more() {
    let (old, new) = two_authorities();
    let server_tls = old.tls(1, Role::StorageNode);
    let server = Running::start(server_tls.clone()).await;
    // It stays with the old authority, whose key an attacker may have as well.
    let left_tls = old.tls(2, Role::StorageNode);
    let left = transport_of(&left_tls, &[(1, &server.address)]);
    let mut held = raw_greeted(old.raw_client(Some((3, Role::StorageNode))), 7, 1, &server.address).await;
    assert!(is_heard(&left).await);
    for tls in [&server_tls, &left_tls] {
        tls.trust(trust(2, &[(1, &old), (2, &new)])).unwrap();
    }
    assert!(is_heard(&left).await);
    renew(&server_tls, &new, 1, Role::StorageNode);
    assert!(is_heard(&left).await);
    let call = tokio::spawn({
        let left = left.clone();
        async move { left.call(ONE, Method::Report, told("wait")).await }
    });
    until("the call is under way", || server.service.waiting.load(Ordering::Relaxed) == 1).await;
    server_tls.trust(trust(3, &[(2, &new)])).unwrap();
    until_unheard(&left, "on the connection that it has").await;
    server.service.gate.add_permits(1);
    assert!(call.await.unwrap().is_ok(), "what was asked before is answered");
    assert!(is_closed(&mut held).await);
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!is_heard(&left).await, "on a new connection");
    }
    let served = server.service.served.load(Ordering::Relaxed);
    // One that believes everybody, and has the old authority's certificate.
    let shown = old.raw_client(Some((4, Role::StorageNode)));
    assert!(raw_dial(shown, &new, &server.address).await.is_none());
    assert_eq!(server.service.served.load(Ordering::Relaxed), served);
}

async fn until_unheard(transport: &NetTransport, how: &str) {
    for _ in 0..100 {
        if !is_heard(transport).await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it is heard {how}");
}

/// Shows a server a certificate of one cluster's authority, while believing another's; whether it greets.
async fn raw_dial(shown: rustls::ClientConfig, believed: &Cluster, address: &str) -> Option<()> {
    let mut config = believed.raw_client(None);
    config.client_auth_cert_resolver = shown.client_auth_cert_resolver;
    let mut stream = raw_connect(config, 7, 1, address).await;
    stream.write_all(GREETING).await.ok()?;
    stream.read_exact(&mut [0; 12]).await.ok().map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_is_changed_and_no_call_fails() {
    let (old, new) = two_authorities();
    let (server_tls, client_tls) = (old.tls(1, Role::StorageNode), old.tls(2, Role::StorageNode));
    let server = Running::start(server_tls.clone()).await;
    let transport = transport_of(&client_tls, &[(1, &server.address)]);
    let (is_over, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let calls = METHODS.map(|method| {
        let (transport, is_over, count) = (transport.clone(), is_over.clone(), count.clone());
        tokio::spawn(async move {
            while !is_over.load(Ordering::Relaxed) {
                transport.call(ONE, method, told("echo")).await.unwrap();
                count.fetch_add(1, Ordering::Relaxed);
            }
        })
    });
    let steps: [&dyn Fn(); 6] = [
        &|| server_tls.trust(trust(2, &[(1, &old), (2, &new)])).unwrap(),
        &|| client_tls.trust(trust(2, &[(1, &old), (2, &new)])).unwrap(),
        &|| renew(&server_tls, &new, 1, Role::StorageNode),
        &|| renew(&client_tls, &new, 2, Role::StorageNode),
        &|| server_tls.trust(trust(3, &[(2, &new)])).unwrap(),
        &|| client_tls.trust(trust(3, &[(2, &new)])).unwrap(),
    ];
    for step in steps {
        let before = count.load(Ordering::Relaxed);
        until("calls go on", || count.load(Ordering::Relaxed) > before + 20).await;
        step();
    }
    let before = count.load(Ordering::Relaxed);
    until("calls go on", || count.load(Ordering::Relaxed) > before + 20).await;
    is_over.store(true, Ordering::Relaxed);
    for call in calls {
        call.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_says_how_it_stands_to_the_authorities() {
    let (old, new) = two_authorities();
    let tls = old.tls(2, Role::Gateway);
    let says = |trusted, signed_by| assert_eq!(tls.certificate_report(), CertificateReport { trusted, signed_by });
    tls.trust(trust(5, &[(3, &old)])).unwrap();
    says(3, 3);
    tls.trust(trust(6, &[(3, &old), (4, &new)])).unwrap();
    says(4, 3);
    tls.trust(trust(5, &[(3, &old)])).unwrap();
    says(4, 3);
    let (key, certificate) = new.certificate(2, Role::Gateway);
    assert_eq!(tls.issuer(&certificate, &key).unwrap(), new.authority.certificate());
    says(4, 3);
    tls.renew(&certificate, &key).unwrap();
    says(4, 4);
    let (key, certificate) = old.certificate(2, Role::Gateway);
    assert!(matches!(tls.issuer(&certificate, &key), Err(CertificateError::OldAuthority)), "it goes back to none");
    tls.trust(trust(7, &[(3, &old)])).unwrap();
    says(3, 0);
    assert!(!tls.serves_at(old.env.clock.wall_ms()));
}

/// A certificate that the authority signed for a member, with a key.
fn signed(cluster: &Cluster, node: NodeId, role: Role, key: &PrivateKey) -> Vec<u8> {
    let request = key.request(b"").unwrap();
    let request = CertificateRequest::proven(&request, b"").unwrap();
    cluster.authority.sign(&request, node, role, MEMBER_LIFETIME, &cluster.env).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_authoritys_key_makes_nobody_a_member_that_there_is() {
    let cluster = Cluster::new(7);
    let (server_key, member_key, stolen) =
        (PrivateKey::generate().unwrap(), PrivateKey::generate().unwrap(), PrivateKey::generate().unwrap());
    let (server_id, member_id) = (server_key.node().unwrap(), member_key.node().unwrap());
    let tls = |node: NodeId, key: &PrivateKey| {
        let certificate = signed(&cluster, node, Role::StorageNode, key);
        Tls::new(cluster.clock.clone(), cluster.authority.certificate(), &certificate, key).unwrap()
    };
    let with_keys = |version, keys: &[(NodeId, &PrivateKey)]| {
        let mut known = MemberKeys::default();
        for (node, key) in keys {
            known.take(*node, key.node().unwrap());
        }
        Trust { keys: Some(known), ..trust(version, &[(1, &cluster)]) }
    };
    let server_tls = tls(server_id, &server_key);
    server_tls.trust(with_keys(1, &[])).unwrap();
    let server = Running::start(server_tls.clone()).await;
    let ask = async |tls: &Arc<Tls>| {
        let transport = transport_of(tls, &[(server_id.0, &server.address)]);
        transport.call(server_id, Method::Report, told("echo")).await.is_ok()
    };
    assert!(ask(&tls(member_id, &member_key)).await);
    assert!(!ask(&tls(member_id, &stolen)).await, "as a member");
    // A member that lost its key and took another: the map says so.
    server_tls.trust(with_keys(2, &[(member_id, &stolen)])).unwrap();
    assert!(ask(&tls(member_id, &stolen)).await);
    assert!(!ask(&tls(member_id, &member_key)).await);

    // As a storage node that others ask.
    let impostor = Running::start(tls(server_id, &stolen)).await;
    let transport = {
        let member = tls(member_id, &member_key);
        member.trust(with_keys(1, &[])).unwrap();
        transport_of(&member, &[(server_id.0, &impostor.address)])
    };
    assert!(transport.call(server_id, Method::Report, told("echo")).await.is_err());
    assert_eq!(impostor.service.served.load(Ordering::Relaxed), 0, "it is told nothing");
}

/// What a map of this version says where these are the members, and these were expelled.
fn trust_in(cluster: &Cluster, version: u64, members: &[(u128, Role)], expelled: &[u128]) -> Trust {
    let members = Members {
        roles: members.iter().map(|(node, role)| (NodeId(*node), *role)).collect(),
        expelled: expelled.iter().copied().map(NodeId).collect(),
    };
    Trust { members: Some(members), ..trust(version, &[(1, cluster)]) }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expelled_member_is_not_greeted_and_its_connections_end() {
    let cluster = Cluster::new(7);
    let tls = cluster.tls(1, Role::StorageNode);
    let both = [(2, Role::Gateway), (3, Role::Gateway)];
    tls.trust(trust_in(&cluster, 1, &both, &[])).unwrap();
    let server = Running::start(tls.clone()).await;
    let [expelled, other] = [2, 3].map(|node| cluster.transport(node, Role::Gateway, &[(1, &server.address)]));
    assert!(is_heard(&expelled).await && is_heard(&other).await);
    let mut held = raw_greeted(cluster.raw_client(Some((2, Role::Gateway))), 7, 1, &server.address).await;
    // A body that never comes.
    let half = packet(1, Method::PutShard.number(), 1, b"echo", &[0; 1000]);
    held.write_all(&half[..100]).await.unwrap();
    let call = tokio::spawn({
        let other = other.clone();
        async move { other.call(ONE, Method::Report, told("wait")).await }
    });
    until("the call of another is under way", || server.service.waiting.load(Ordering::Relaxed) == 1).await;

    tls.trust(trust_in(&cluster, 2, &both[1..], &[2])).unwrap();
    assert!(is_closed(&mut held).await);
    until_unheard(&expelled, "on the connection that it has").await;
    let shown = cluster.raw_client(Some((2, Role::Gateway)));
    assert!(raw_dial(shown, &cluster, &server.address).await.is_none(), "it is not greeted");
    server.service.gate.add_permits(1);
    assert!(call.await.unwrap().is_ok(), "the connections of others stay");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_no_member_yet_is_refused_without_its_bytes_and_heard_once_it_is() {
    let cluster = Cluster::new(7);
    let tls = cluster.tls(1, Role::StorageNode);
    tls.trust(trust_in(&cluster, 1, &[], &[])).unwrap();
    let server = Running::start(tls.clone()).await;
    let transport = cluster.transport(2, Role::Gateway, &[(1, &server.address)]);
    let mut raw = raw_greeted(cluster.raw_client(Some((3, Role::Gateway))), 7, 1, &server.address).await;
    raw.write_all(&packet(1, Method::PutShard.number(), 1, b"echo", &[0; 1000])[..20]).await.unwrap();
    let mut refused = [0; 20];
    raw.read_exact(&mut refused).await.unwrap();
    assert_eq!(refused[..], packet(3, 2, 1, b"", b""), "forbidden, before the body came");
    assert_eq!(transport.call(ONE, Method::Report, told("echo")).await, Err(Rejection::Forbidden.into()));
    assert_eq!(server.service.served.load(Ordering::Relaxed), 0);

    tls.trust(trust_in(&cluster, 2, &[(2, Role::Gateway)], &[])).unwrap();
    for _ in 0..500 {
        if is_heard(&transport).await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it is a member, and never heard");
}
