//! Webhooks that are slow, refuse, or are dead, and the queue before them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use couronne_base::env::system;
use couronne_base::network::Network;
use couronne_outbound::{Outbound, OutboundSettings};
use parking_lot::Mutex;
use prometheus::{Registry, TextEncoder};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

use super::{numbers, order, parsed};
use crate::audit::request::{ArrivedRequest, RequestEnd};
use crate::audit::{Audit, AuditOutput, AuditSettings, AuditWebhook, AuditWriter, Full, OnFull, Record};

/// A server that takes events, slowly: it answers the first request with an error.
struct Receiver {
    taken: Arc<Mutex<Vec<Value>>>,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Receiver {
    fn start(listener: TcpListener, pause: Duration) -> Self {
        let receiver = Self { taken: Arc::default(), heads: Arc::default() };
        let (taken, heads) = (Arc::clone(&receiver.taken), Arc::clone(&receiver.heads));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                let head = String::from_utf8(head).unwrap().to_lowercase();
                let length = head.split_once("content-length: ").unwrap().1.split_once('\r').unwrap().0;
                let mut body = vec![0; length.parse().unwrap()];
                stream.read_exact(&mut body).await.unwrap();
                sleep(pause).await;
                let is_first = heads.lock().is_empty();
                let status = if is_first { "500 Internal Server Error" } else { "204 No Content" };
                if !is_first {
                    taken.lock().extend(parsed(std::str::from_utf8(&body).unwrap()));
                }
                heads.lock().push(head);
                let _ = stream.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").as_bytes()).await;
            }
        });
        receiver
    }

    async fn taken(&self, is_enough: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let began = Instant::now();
        loop {
            let taken = self.taken.lock().clone();
            if is_enough(&taken) {
                return taken;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "{taken:#?}");
            sleep(Duration::from_millis(20)).await;
        }
    }
}

fn start(at: SocketAddr, settings: AuditSettings, registry: &Registry) -> (Audit, AuditWriter) {
    let allow = vec![Network::parse("127.0.0.0/8").unwrap()];
    let client = Outbound::new(OutboundSettings { allow, ..OutboundSettings::default() }, None);
    let url = format!("http://{at}/events").parse().unwrap();
    let webhook = AuditWebhook::new(Arc::new(client), url, Some("Bearer secret".parse().unwrap()));
    Audit::start(settings, AuditOutput::Webhook(webhook), system(), registry).unwrap()
}

fn begin(audit: &Audit, method: &str) -> Record {
    audit.begin(|| ArrivedRequest {
        id: "id".into(),
        received_us: 0,
        peer: "192.0.2.1:7".parse().unwrap(),
        client: None,
        is_secure: false,
        user_agent: None,
        method: method.into(),
        path: "/".into(),
    })
}

fn ended(status: u16) -> RequestEnd {
    RequestEnd { took_us: 0, status: Some(status), code: None, broke_off: false, received_bytes: 0, sent_bytes: 0 }
}

fn lost(registry: &Registry) -> u64 {
    let page = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
    let line = page.lines().find(|line| line.starts_with("couronne_audit_lost_events_total{why=\"full\"}")).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_slow_receiver_that_fails_gets_every_event_in_its_order() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (audit, writer) = start(listener.local_addr().unwrap(), AuditSettings::default(), &Registry::new());
    let receiver = Receiver::start(listener, Duration::from_millis(20));
    for number in 0..500 {
        order(&audit, number);
        if number % 100 == 0 {
            sleep(Duration::from_millis(60)).await;
        }
    }
    writer.close().await;
    let taken = receiver.taken(|taken| taken.len() >= 500).await;
    assert_eq!(numbers(&taken), (0..500).collect::<Vec<_>>());
    assert!(receiver.heads.lock().iter().all(|head| {
        head.starts_with("post /events ")
            && head.contains("authorization: bearer secret\r\n")
            && head.contains("content-type: application/x-ndjson\r\n")
    }));
}

#[tokio::test]
async fn a_dead_receiver_costs_events_that_are_counted_and_said_and_no_more_time_than_a_bound() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (at, registry) = (listener.local_addr().unwrap(), Registry::new());
    drop(listener);
    let settings = AuditSettings { queue_bytes_max: 0, wait_ms: 1, ..AuditSettings::default() };
    let (audit, writer) = start(at, settings, &registry);
    let mut sent = 0;
    while lost(&registry) < 10 {
        // A request that changes something is carried out nevertheless.
        let mut record = begin(&audit, "PUT");
        record.reserve().await.unwrap();
        record.end(ended(200));
        sent += 1;
        assert!(sent < 1_000_000);
    }
    let receiver = Receiver::start(TcpListener::bind(at).await.unwrap(), Duration::ZERO);
    writer.close().await;
    let taken =
        receiver.taken(|taken| taken.iter().filter(|event| event["event"] == "request").count() == sent - 10).await;
    order(&audit, 1);
    assert_eq!(lost(&registry), 11, "what comes after the end is lost, and counted");
    let said: u64 = taken.iter().filter_map(|event| event["lost"].as_u64()).sum();
    assert!(said <= 10, "{said}");
}

#[tokio::test]
async fn what_was_lost_is_said_before_what_follows() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (at, registry) = (listener.local_addr().unwrap(), Registry::new());
    drop(listener);
    let (audit, writer) = start(at, AuditSettings { queue_bytes_max: 0, ..AuditSettings::default() }, &registry);
    // Of what is no change half of the queue is kept free.
    let mut number = 0;
    while lost(&registry) < 3 {
        order(&audit, number);
        number += 1;
    }
    let receiver = Receiver::start(TcpListener::bind(at).await.unwrap(), Duration::ZERO);
    receiver.taken(|taken| numbers(taken).len() == number - 3).await;
    order(&audit, number);
    let taken = receiver.taken(|taken| numbers(taken).contains(&number)).await;
    let (last, before) = taken.split_last().unwrap();
    assert_eq!(numbers(std::slice::from_ref(last)), [number]);
    let said: Vec<&Value> = before.iter().filter(|event| event["event"] == "lost").collect();
    assert_eq!(said.iter().map(|event| event["lost"].as_u64().unwrap()).sum::<u64>(), 3, "{said:?}");
    writer.close().await;
}

#[tokio::test]
async fn changes_are_refused_where_the_settings_say_so_and_denials_leave_room_for_them() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (at, registry) = (listener.local_addr().unwrap(), Registry::new());
    drop(listener);
    let settings =
        AuditSettings { queue_bytes_max: 0, wait_ms: 1, on_full: OnFull::Refuse, ..AuditSettings::default() };
    let (audit, _writer) = start(at, settings, &registry);
    while lost(&registry) == 0 {
        begin(&audit, "GET").end(ended(403));
    }
    let mut first = begin(&audit, "PUT");
    assert_eq!(first.reserve().await, Ok(()), "a flood of denied requests leaves room for a change");
    let mut second = begin(&audit, "PUT");
    assert_eq!(second.reserve().await, Err(Full));
    let page = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
    assert!(page.contains("couronne_audit_refused_requests_total 1\n"), "{page}");
    drop(first);
    assert_eq!(begin(&audit, "PUT").reserve().await, Ok(()), "the room of a request that is gone is free");
}
