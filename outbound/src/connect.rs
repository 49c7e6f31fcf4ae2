//! Connecting to where a URL leads, if that may be reached.
//!
//! One address of a name that is refused refuses the name: which of its addresses is reached must not be luck, and a name
//! that means both an inner and an outer address is an error of its owner or an attack.
//!
//! Promises: what is connected to is an address that was judged; the name is resolved once.
//! Must not know: HTTP.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::error::OutboundError;
use crate::reach::Reach;
use crate::resolve::Resolve;
use crate::target::{Host, Target};

/// Addresses of a name that are tried; more are judged, and left alone.
const TRIED_MAX: usize = 8;

/// A connection, in clear or not.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Connects.
pub(crate) struct Connector {
    pub(crate) reach: Reach,
    pub(crate) resolver: Arc<dyn Resolve>,
    /// How servers are judged; `None`: not at all, so that TLS cannot be spoken.
    pub(crate) tls: Option<TlsConnector>,
    /// How long one address may take to accept a connection.
    pub(crate) connect_time_max: Duration,
}

impl Connector {
    /// A connection to where the URL leads.
    pub(crate) async fn connect(&self, target: &Target) -> Result<Box<dyn Stream>, OutboundError> {
        let addresses = self.addresses(target).await?;
        let stream = self.open(target, &addresses).await?;
        if !target.is_tls {
            return Ok(Box::new(stream));
        }
        let tls = self.tls.as_ref().ok_or(OutboundError::NoAuthorities)?;
        let refused = |source| OutboundError::Tls { host: target.host(), source };
        let name = server_name(&target.host).map_err(refused)?;
        Ok(Box::new(tls.connect(name, stream).await.map_err(refused)?))
    }

    /// The addresses of the host, all of which may be reached.
    async fn addresses(&self, target: &Target) -> Result<Vec<IpAddr>, OutboundError> {
        let addresses = match &target.host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => {
                let resolved = self.resolver.resolve(name).await;
                resolved.map_err(|source| OutboundError::Resolve { host: name.clone(), source })?
            }
        };
        for address in &addresses {
            let check = self.reach.check(*address, !target.is_tls);
            check.map_err(|refused| OutboundError::Refused { host: target.host(), refused })?;
        }
        Ok(addresses)
    }

    /// A connection to the first address that accepts one.
    async fn open(&self, target: &Target, addresses: &[IpAddr]) -> Result<TcpStream, OutboundError> {
        let mut last = None;
        for address in addresses.iter().take(TRIED_MAX) {
            let connecting = TcpStream::connect(SocketAddr::new(*address, target.port));
            match timeout(self.connect_time_max, connecting).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = Some(error),
                Err(_) => last = Some(io::ErrorKind::TimedOut.into()),
            }
        }
        Err(match last {
            Some(source) => OutboundError::Connect { host: target.host(), source },
            None => OutboundError::NoAddress(target.host()),
        })
    }
}

/// How TLS is spoken, and servers judged. HTTP/1.1 alone is spoken.
pub(crate) fn tls(config: &ClientConfig) -> TlsConnector {
    let mut config = config.clone();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    TlsConnector::from(Arc::new(config))
}

/// The name that a server's certificate has to have.
fn server_name(host: &Host) -> io::Result<ServerName<'static>> {
    match host {
        Host::Address(address) => Ok(ServerName::IpAddress((*address).into())),
        // A dot at the end is the resolver's, and is in no certificate.
        Host::Name(name) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            ServerName::try_from(name.to_owned()).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
        }
    }
}
