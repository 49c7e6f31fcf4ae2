//! An order of an operator as an event.
//!
//! Must not know: the API that orders come through.

use std::net::SocketAddr;

use super::Audit;
use super::event::{Event, EventPrincipal, Http, What, Whence};
use super::queue::{Full, Room};
use super::settings::OnFull;
use super::text::Bounded;

/// Paths and names that operators sent. Bytes.
const TEXT_BYTES_MAX: usize = 512;

/// An order that was given, or refused.
#[derive(Clone, Copy, Debug)]
pub struct AuditOrder<'a> {
    /// What was ordered, by the name of the endpoint; `None`: there is none.
    pub operation: Option<&'a str>,
    /// With what the order was given.
    pub credential: &'a str,
    /// The address that it came from.
    pub peer: SocketAddr,
    /// The method.
    pub method: &'a str,
    /// The path, which names what the order is on.
    pub path: &'a str,
    /// What its body names: names and values.
    pub named: &'a [(&'static str, Box<str>)],
    /// The status of the answer; `None`: the operator was gone before there was one.
    pub status: Option<u16>,
    /// The code of the refusal.
    pub code: Option<&'a str>,
    /// How long it took. Microseconds.
    pub took_us: u64,
}

/// Room for the event of an order that is about to be carried out.
pub struct OrderRoom(Option<Room>);

impl Audit {
    /// Takes room for the event of an order. An error: the order is to be refused.
    pub async fn admit_order(&self) -> Result<OrderRoom, Full> {
        let Some(auditing) = &self.0 else { return Ok(OrderRoom(None)) };
        match auditing.queue.reserve().await {
            Ok(room) => Ok(OrderRoom(Some(room))),
            Err(Full) if auditing.settings.on_full == OnFull::Refuse => {
                auditing.queue.note_refused();
                Err(Full)
            }
            Err(Full) => Ok(OrderRoom(None)),
        }
    }

    /// An order ended; `room` is that which it took before.
    pub fn order(&self, room: Option<OrderRoom>, order: &AuditOrder<'_>) {
        let Some(auditing) = &self.0 else { return };
        let bounded = |text| Bounded::new(text, TEXT_BYTES_MAX);
        let id = hex::encode_upper(auditing.env.random_bytes::<8>());
        let ended_us = auditing.env.clock.wall_us();
        let event = Event {
            id: Some(&id),
            took_us: Some(order.took_us),
            face: Some("admin"),
            operation: order.operation.map(bounded),
            kind: Some(match (order.operation, order.method) {
                (None, _) => "unknown",
                (Some(_), "GET") => "read",
                (Some(_), _) => "change",
            }),
            outcome: Some(match order.status {
                None => "abandoned",
                Some(401 | 403) => "denied",
                Some(400..) => "failed",
                Some(_) => "done",
            }),
            status: order.status,
            code: order.code,
            who: Some(EventPrincipal {
                kind: "operator",
                credential: Some(order.credential),
                ..EventPrincipal::default()
            }),
            what: Some(What::of_order(bounded(order.path), order.named)),
            whence: Some(Whence { peer: order.peer, client: Some(order.peer.ip()), is_secure: None, user_agent: None }),
            http: Some(Http { method: bounded(order.method), path: None }),
            ..Event::new("order", ended_us.saturating_sub(order.took_us))
        };
        let is_change = room.is_some();
        let line = event.line();
        auditing.queue.append(room.and_then(|OrderRoom(room)| room), is_change, line, || event.short_line());
    }
}
