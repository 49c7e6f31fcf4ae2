//! Which process may talk to which: certificates of others, impostors, unjoined processes, certificates that ran out.

use std::sync::atomic::Ordering;
use std::time::Duration;

use couronne_cluster::Role;
use couronne_protocol::net::certificates::{CertificateError, CertificateRequest, Fingerprint, PrivateKey};
use couronne_protocol::net::{Joiner, Tls, ask_once};
use couronne_protocol::transport::{CallError, Method, Rejection, Transport as _};
use couronne_ring::NodeId;
use rustls::AlertDescription;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{
    Cluster, RawServer, Running, is_closed, packet, raw_connect, raw_greeted, settings, told, transport_of,
};

const ONE: NodeId = NodeId(1);

fn is_unreachable<T>(answer: &Result<T, CallError>) -> bool {
    matches!(answer, Err(CallError::Unreachable(_)))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_asked_side_learns_who_asks_from_the_certificate() {
    let cluster = Cluster::new(7);
    let server = Running::start(cluster.tls(1, Role::StorageNode)).await;
    for (node, role) in [(2, Role::StorageNode), (u128::MAX, Role::Gateway)] {
        let transport = cluster.transport(node, role, &[(1, &server.address)]);
        let answer = transport.call(ONE, Method::Status, told("who")).await.unwrap();
        assert_eq!(answer.head, format!("{node} {role:?} Status"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_may_not_ask_what_is_not_for_gateways() {
    let cluster = Cluster::new(7);
    let server = Running::start(cluster.tls(1, Role::StorageNode)).await;
    let transport = cluster.transport(2, Role::Gateway, &[(1, &server.address)]);
    for method in Method::ALL {
        let answer = transport.call(ONE, *method, told("echo")).await;
        let expected = if method.may(Role::Gateway) { Ok(told("echo")) } else { Err(Rejection::Forbidden.into()) };
        assert_eq!(answer, expected, "{method:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_clusters_members_are_nobody_here() {
    let (ours, theirs) = (Cluster::new(7), Cluster::new(8));
    let server = Running::start(ours.tls(1, Role::StorageNode)).await;
    let transport = theirs.transport(2, Role::StorageNode, &[(1, &server.address)]);
    assert!(is_unreachable(&transport.call(ONE, Method::Status, told("echo")).await));
    // The same cluster's number, but another authority.
    let other = Cluster::new(7);
    let transport = other.transport(2, Role::StorageNode, &[(1, &server.address)]);
    assert!(is_unreachable(&transport.call(ONE, Method::Status, told("echo")).await));
    assert_eq!(server.service.served.load(Ordering::Relaxed), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_that_is_dialled_is_the_one_that_was_meant() {
    let cluster = Cluster::new(7);
    let server = Running::start(cluster.tls(1, Role::StorageNode)).await;
    let transport = cluster.transport(2, Role::StorageNode, &[(3, &server.address)]);
    assert!(is_unreachable(&transport.call(NodeId(3), Method::Status, told("echo")).await));
    // A gateway's certificate serves nobody, whatever its number.
    let gateway = Running::start(cluster.tls(4, Role::Gateway)).await;
    let transport = cluster.transport(2, Role::StorageNode, &[(4, &gateway.address)]);
    assert!(is_unreachable(&transport.call(NodeId(4), Method::Status, told("echo")).await));
    assert_eq!(server.service.served.load(Ordering::Relaxed), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_renewed_without_a_restart() {
    let cluster = Cluster::new(7);
    let server_tls = cluster.tls(1, Role::StorageNode);
    let server = Running::start(server_tls.clone()).await;
    let addresses = [(1, server.address.as_str())];
    let ask = || async {
        let transport = cluster.transport(2, Role::Gateway, &addresses);
        transport.call(ONE, Method::Status, told("echo")).await
    };
    assert!(ask().await.is_ok());
    let in_days = |days: u64| cluster.env.clock.wall_ms() + days * 24 * 3_600_000;
    assert!(server_tls.serves_at(in_days(89)) && !server_tls.serves_at(in_days(91)));
    cluster.clock.pass(Duration::from_hours(91 * 24));
    assert!(!server_tls.serves_at(in_days(0)));
    let (key, certificate) = cluster.certificate(1, Role::StorageNode);
    server_tls.renew(&certificate, &key).unwrap();
    assert!(ask().await.is_ok(), "without a restart");
    assert!(server_tls.serves_at(in_days(89)) && !server_tls.serves_at(in_days(91)));
    let (key, certificate) = cluster.certificate(3, Role::StorageNode);
    assert!(matches!(server_tls.renew(&certificate, &key), Err(CertificateError::NotAMember)), "of another node");
}

/// Certificates that ran out, and such as were signed while clocks were ahead: those that have them hear each other, and
/// renew them.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificates_dates_keep_no_member_from_being_heard() {
    let (past, today) = (Cluster::new(7), Cluster::new(8));
    today.clock.pass(Duration::from_hours(400 * 24));
    let future = Cluster::new(7);
    future.clock.pass(Duration::from_hours(800 * 24));
    for signer in [past, future] {
        let tls = |node, role| {
            let (key, certificate) = signer.certificate(node, role);
            let tls = Tls::new(today.clock.clone(), signer.authority.certificate(), &certificate, &key).unwrap();
            assert!(!tls.serves_at(today.env.clock.wall_ms()), "it is to be renewed");
            tls
        };
        let server = Running::start(tls(1, Role::StorageNode)).await;
        let client = transport_of(&tls(2, Role::Gateway), &[(1, &server.address)]);
        assert!(client.call(ONE, Method::Status, told("echo")).await.is_ok());
        // It goes on to be heard when it is looked again who is.
        tokio::time::sleep(Duration::from_millis(1200)).await;
        assert!(client.call(ONE, Method::Status, told("echo")).await.is_ok());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unjoined_process_may_only_ask_to_join() {
    let cluster = Cluster::new(7);
    let server = Running::start(cluster.tls(1, Role::StorageNode)).await;
    let joiner = Joiner::new(cluster.clock.clone(), cluster.authority.fingerprint()).unwrap();
    let settings = settings();
    let ask = |method| ask_once(&server.address, &joiner, method, told("who"), &settings);
    for method in Method::ALL {
        let answer = ask(*method).await;
        if matches!(method, Method::Join | Method::Challenge) {
            assert_eq!(answer.unwrap().head, format!("0 Unjoined {}", method.name()));
        } else {
            assert_eq!(answer, Err(Rejection::Forbidden.into()), "{method:?}");
        }
    }
    assert_eq!(server.service.served.load(Ordering::Relaxed), 2);
    let mut raw = raw_greeted(cluster.raw_client(None), 7, 1, &server.address).await;
    raw.write_all(&packet(1, Method::PutShard.number(), 5, b"echo", b"body")).await.unwrap();
    let mut rejection = [0; 20];
    raw.read_exact(&mut rejection).await.unwrap();
    assert_eq!(rejection[..], packet(3, 2, 5, b"", b""), "forbidden");
    // It may be cut off before the last byte has left.
    let _ = raw.write_all(&packet(1, Method::Join.number(), 6, &[b'x'; 70_000], b"")).await;
    assert!(is_closed(&mut raw).await, "what an unjoined process sends is short");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_joins_talks_to_the_pinned_authoritys_storage_nodes_only() {
    let cluster = Cluster::new(7);
    let server = Running::start(cluster.tls(1, Role::StorageNode)).await;
    let gateway = Running::start(cluster.tls(2, Role::Gateway)).await;
    let pinned = Joiner::new(cluster.clock.clone(), cluster.authority.fingerprint()).unwrap();
    let other = Joiner::new(cluster.clock.clone(), Fingerprint([1; 32])).unwrap();
    let impostor = Running::start(Cluster::new(7).tls(1, Role::StorageNode)).await;
    for (joiner, address) in [(&other, &server.address), (&pinned, &gateway.address), (&pinned, &impostor.address)] {
        assert!(is_unreachable(&ask_once(address, joiner, Method::Join, told("echo"), &settings()).await));
    }
    assert!(ask_once(&server.address, &pinned, Method::Join, told("echo"), &settings()).await.is_ok());
    // The certificate of a node that ran out does not serve one that joins either.
    cluster.clock.pass(Duration::from_hours(91 * 24));
    assert!(is_unreachable(&ask_once(&server.address, &pinned, Method::Join, told("echo"), &settings()).await));
}

#[test]
fn the_authority_decides_whose_a_certificate_is() {
    let cluster = Cluster::new(7);
    let lifetime = Duration::from_hours(1);
    let sign = |request: &[u8], role| {
        let request = CertificateRequest::proven(request, b"statement")?;
        cluster.authority.sign(&request, NodeId(5), role, lifetime, &cluster.env)
    };
    let key = PrivateKey::generate().unwrap();
    let request = key.request(b"statement").unwrap();
    assert!(matches!(sign(&request, Role::Unjoined), Err(CertificateError::Unjoined)));
    let certificate = sign(&request, Role::Gateway).unwrap();
    let tls = Tls::new(cluster.clock.clone(), cluster.authority.certificate(), &certificate, &key).unwrap();
    assert_eq!((tls.name().node(), tls.name().role(), tls.name().cluster()), (NodeId(5), Role::Gateway, 7));
    let other = PrivateKey::generate().unwrap().request(b"statement").unwrap();
    for at in 0..request.len() {
        let mut bent = request.clone();
        bent[at] ^= 1;
        assert!(matches!(sign(&bent, Role::Gateway), Err(CertificateError::Request)), "byte {at}");
        assert!(matches!(sign(&request[..at], Role::Gateway), Err(CertificateError::Request)), "{at} bytes");
    }
    let swapped = [&other[..65], &request[65..]].concat();
    assert!(matches!(sign(&swapped, Role::Gateway), Err(CertificateError::Request)), "another's key");
    let renewal = key.request(b"").unwrap();
    assert!(matches!(sign(&renewal, Role::Gateway), Err(CertificateError::Request)), "made for another statement");
    assert!(matches!(sign(&[4; 100_000], Role::Gateway), Err(CertificateError::Request)));
}

/// A key pair of a test, and the node id that comes from it: one key is one node, in any release.
const KEY: &str = "308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420f0e223b65a5d582e0c708bb7\
     cd39735cbabba4f31bf4d6ea218b5c79ebe1876ca14403420004d63c1962b4e39c1583d886827c7adad6dde811692916\
     30f6eca280d0cdb45eaed58ea15a55d7b7500430e8d06a062534672a5b41e233ace8656b32f7cdadd60f";
const NODE_OF_KEY: &str = "dabfdd5c3c317d799d1ef0446a34aee3";

#[test]
fn a_node_is_named_by_its_key_and_nobody_else_can_ask_as_that_node() {
    let digit = |at: usize| u8::from_str_radix(&KEY[at..at + 2], 16).unwrap();
    let key = PrivateKey::from_pkcs8((0..KEY.len()).step_by(2).map(digit).collect());
    let request = key.request(b"").unwrap();
    assert_eq!(key.node().unwrap().to_string(), NODE_OF_KEY);
    let node_of = |request: &[u8]| CertificateRequest::proven(request, b"").and_then(|request| request.node());
    assert_eq!(node_of(&request).unwrap(), key.node().unwrap());
    assert_eq!(node_of(&key.request(b"").unwrap()).unwrap(), key.node().unwrap(), "however often it asks");
    let other = PrivateKey::generate().unwrap();
    assert!(other.node().unwrap() != key.node().unwrap());
    // Another's public key with a signature of one's own: the private key is not there to prove it.
    let claimed = [&request[..65], &other.request(b"").unwrap()[65..]].concat();
    assert!(matches!(node_of(&claimed), Err(CertificateError::Request)));
}

#[test]
fn keys_and_certificates_belong_together() {
    let (cluster, other) = (Cluster::new(7), Cluster::new(7));
    let (key, certificate) = cluster.certificate(1, Role::StorageNode);
    let (wrong, foreign) = other.certificate(1, Role::StorageNode);
    let authority = cluster.authority.certificate();
    let tls = |certificate: &[u8], key: &PrivateKey| Tls::new(cluster.clock.clone(), authority, certificate, key);
    assert!(matches!(tls(&certificate, &wrong), Err(CertificateError::KeyDiffers)));
    assert!(matches!(tls(&foreign, &wrong), Err(CertificateError::Tls(_))), "signed by another authority");
    assert!(tls(authority, &key).is_err(), "the authority's own certificate is no member's");
    assert!(tls(b"nonsense", &key).is_err());
    cluster.clock.pass(Duration::from_hours(91 * 24));
    assert!(tls(&certificate, &key).is_ok(), "whatever its dates");
}

#[test]
fn an_authority_is_kept_and_loaded() {
    let cluster = Cluster::new(7);
    let (authority, key) = couronne_protocol::net::certificates::Authority::create(7, &cluster.env).unwrap();
    let kept = PrivateKey::from_pkcs8(key.as_pkcs8().to_vec());
    let loaded = couronne_protocol::net::certificates::Authority::load(7, authority.certificate(), &kept).unwrap();
    assert_eq!(loaded.fingerprint(), authority.fingerprint());
    let member = PrivateKey::generate().unwrap();
    let request = member.request(b"").unwrap();
    let request = CertificateRequest::proven(&request, b"").unwrap();
    let certificate =
        loaded.sign(&request, NodeId(3), Role::StorageNode, Duration::from_hours(1), &cluster.env).unwrap();
    assert!(Tls::new(cluster.clock.clone(), authority.certificate(), &certificate, &member).is_ok());
    let other = PrivateKey::generate().unwrap();
    let mismatched = couronne_protocol::net::certificates::Authority::load(7, authority.certificate(), &other);
    assert!(matches!(mismatched.map(|_| ()), Err(CertificateError::KeyDiffers)));
}

/// What a peer is told when a handshake ends, by rustls at its end.
fn reason(refused: &std::io::Error) -> Option<&rustls::Error> {
    refused.get_ref().and_then(|error| error.downcast_ref())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_refused_is_told_why() {
    let cluster = Cluster::new(7);
    let foreign = Cluster::new(8);
    let server = Running::start(cluster.tls(1, Role::StorageNode)).await;
    let raw_server = RawServer::start(&foreign, 1).await;
    let config = cluster.raw_client_with(Some(foreign.certificate(2, Role::StorageNode)));
    let unknown = rustls::Error::AlertReceived(AlertDescription::UnknownCA);

    let mut raw = raw_connect(config, 7, 1, &server.address).await;
    let refused = raw.read(&mut [0; 12]).await.unwrap_err();
    assert_eq!(reason(&refused), Some(&unknown));

    let transport = cluster.transport(2, Role::Gateway, &[(1, &raw_server.address)]);
    let (answer, accepted) = tokio::join!(transport.call(ONE, Method::Status, told("echo")), raw_server.accept());
    assert!(is_unreachable(&answer), "{answer:?}");
    assert_eq!(accepted.map(|_| ()).map_err(|refused| reason(&refused).cloned()), Err(Some(unknown)));
}
