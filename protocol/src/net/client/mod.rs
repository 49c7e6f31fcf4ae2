//! The asking half: connections to peers, and the choice among them.
//!
//! Promises: what is urgent has a connection of its own, log entries another, and bulk a few, of
//! which a call takes the one with the fewest bytes under way; sizes are checked before anything leaves. After a change of
//! the own certificate or of what is trusted the next call opens a new connection; those under way end on the old one.
//! Must not know: what messages mean.

mod calls;
mod dial;
mod slot;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use couronne_ring::NodeId;
use parking_lot::RwLock;
use rustls_pki_types::CertificateDer;

use self::calls::Link;
use self::dial::{Connection, dial};
use self::slot::ConnectionSlot;
use super::settings::NetSettings;
use super::tls::{Joiner, Tls};
use crate::transport::{
    BODY_BYTES_MAX, CallError, HEAD_BYTES_MAX, Message, Method, Rejection, TrafficClass, Transport,
};

/// Why a node is not asked: the map does not say where it is, or that it was expelled.
const UNKNOWN_ADDRESS: &str = "its address is not known";

/// Where processes listen.
pub trait Addresses: Send + Sync + 'static {
    /// The address of a node, as `host:port`.
    fn address(&self, node: NodeId) -> Option<String>;

    /// Whether a node may be asked at all, on a connection that is open too.
    fn serves(&self, node: NodeId) -> bool {
        self.address(node).is_some()
    }
}

/// The way to other processes over TLS. Those that are dialled are storage nodes: nobody else serves.
pub struct NetTransport {
    dialer: Arc<Dialer>,
    peers: RwLock<BTreeMap<NodeId, Arc<PeerConnections>>>,
}

/// What opening a connection takes.
struct Dialer {
    tls: Arc<Tls>,
    addresses: Arc<dyn Addresses>,
    settings: NetSettings,
}

/// The places for connections to one peer.
struct PeerConnections {
    control: Arc<ConnectionSlot>,
    log: Arc<ConnectionSlot>,
    data: Vec<Arc<ConnectionSlot>>,
}

impl NetTransport {
    /// Asks as the member that `tls` has the certificate of.
    pub fn new(tls: Arc<Tls>, addresses: Arc<dyn Addresses>, settings: NetSettings) -> Arc<Self> {
        let dialer = Arc::new(Dialer { tls, addresses, settings });
        Arc::new(Self { dialer, peers: RwLock::default() })
    }

    fn peer(&self, node: NodeId) -> Arc<PeerConnections> {
        if let Some(peer) = self.peers.read().get(&node) {
            return peer.clone();
        }
        let settings = &self.dialer.settings;
        self.peers.write().entry(node).or_insert_with(|| Arc::new(PeerConnections::new(node, settings))).clone()
    }
}

#[async_trait]
impl Transport for NetTransport {
    async fn call(&self, to: NodeId, method: Method, message: Message) -> Result<Message, CallError> {
        let bytes = checked_len(&message)?;
        if !self.dialer.addresses.serves(to) {
            return Err(CallError::unreachable(UNKNOWN_ADDRESS));
        }
        let peer = self.peer(to);
        let slot = peer.slot(method.class());
        let _load = slot.load(bytes);
        slot.link(&self.dialer).await?.call(method, message).await
    }
}

/// Asks a storage node whose address is all that is known of it, on a connection for this one call.
pub async fn ask_once(
    address: &str,
    tls: &Joiner,
    method: Method,
    message: Message,
    settings: &NetSettings,
) -> Result<Message, CallError> {
    checked_len(&message)?;
    let name = Joiner::server_name().map_err(CallError::unreachable)?;
    let (link, mut connection) = dial(address, tls.client(), name, |_| Ok(()), settings).await?;
    let mut asked = std::pin::pin!(link.call(method, message));
    let answer = tokio::select! {
        answer = &mut asked => Some(answer),
        _ = connection.run(settings) => None,
    };
    // With the connection's end the call has ended too, perhaps with an answer.
    let answer = match answer {
        Some(answer) => answer,
        None => asked.await,
    };
    connection.close().await;
    answer
}

/// The message's length in bytes, if it may travel.
fn checked_len(message: &Message) -> Result<usize, CallError> {
    if message.head.len() > HEAD_BYTES_MAX || message.body.len() > BODY_BYTES_MAX {
        return Err(CallError::Rejected(Rejection::Malformed));
    }
    Ok(message.head.len().saturating_add(message.body.len()))
}

impl Dialer {
    async fn dial(&self, node: NodeId) -> Result<(Link, Connection), CallError> {
        let address = self.addresses.address(node).ok_or_else(|| CallError::unreachable(UNKNOWN_ADDRESS))?;
        let name = self.tls.server_name(node).map_err(CallError::unreachable)?;
        // The handshake has seen to the name.
        let check = |certificates: Option<&[CertificateDer<'_>]>| self.tls.peer(certificates).map(drop);
        dial(&address, self.tls.client(), name, check, &self.settings).await
    }
}

impl PeerConnections {
    fn new(node: NodeId, settings: &NetSettings) -> Self {
        let slot = |backoff_ms| ConnectionSlot::new(node, backoff_ms, settings.backoff_ms_max);
        // Elections wait for nothing: the time after a failure does not grow.
        let control = ConnectionSlot::new(node, settings.backoff_control_ms, settings.backoff_control_ms);
        let data = (0..settings.data_connections.max(1)).map(|_| slot(settings.backoff_ms)).collect();
        Self { control, log: slot(settings.backoff_ms), data }
    }

    fn slot(&self, class: TrafficClass) -> &Arc<ConnectionSlot> {
        match class {
            TrafficClass::Control => &self.control,
            TrafficClass::Log => &self.log,
            TrafficClass::Data => self.data.iter().min_by_key(|slot| slot.rank()).unwrap_or(&self.log),
        }
    }
}
