//! Opening a connection: TCP, TLS, greeting, all within one time.

use std::io;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::calls::{Calls, Link};
use crate::net::certificates::CertificateError;
use crate::net::link::{self, End, Outgoing, Progress};
use crate::net::settings::NetSettings;
use crate::net::tls::{TlsStream, connect};
use crate::transport::CallError;

/// A connection that was opened and greeted, and the calls on it.
pub(super) struct Connection {
    stream: TlsStream<TcpStream>,
    progress: Arc<Progress>,
    calls: Arc<Calls>,
    queue: (mpsc::WeakUnboundedSender<Outgoing>, mpsc::UnboundedReceiver<Outgoing>),
}

/// Opens a connection to the process that has the certificate of `name`, if `check` takes the certificates that it shows.
pub(super) async fn dial(
    address: &str,
    tls: Arc<ClientConfig>,
    name: ServerName<'static>,
    check: impl FnOnce(Option<&[CertificateDer<'_>]>) -> Result<(), CertificateError>,
    settings: &NetSettings,
) -> Result<(Link, Connection), CallError> {
    let opening = async {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        let (mut stream, certificates) = connect(socket, tls, name, settings).await?;
        check(certificates.as_deref()).map_err(io::Error::other)?;
        link::greet(&mut stream).await?;
        Ok::<_, End>(stream)
    };
    let opened = timeout(settings.connect_timeout(), opening).await;
    let stream = opened.map_err(|_| CallError::unreachable("connecting took too long"))?;
    let stream = stream.map_err(CallError::unreachable)?;
    let (sender, receiver) = mpsc::unbounded_channel();
    let (calls, progress) = (Calls::new(settings), stream.progress());
    let queue = (sender.downgrade(), receiver);
    Ok((Link::new(calls.clone(), sender), Connection { stream, progress, calls, queue }))
}

impl Connection {
    /// Drives the connection until it ends; all its calls have ended then.
    pub(super) async fn run(&mut self, settings: &NetSettings) -> End {
        let queue = (self.queue.0.clone(), &mut self.queue.1);
        let end = link::drive(&mut self.stream, self.calls.as_ref(), &self.progress, queue, settings).await;
        self.calls.end(&end.to_string());
        end
    }

    /// Takes leave.
    pub(super) async fn close(mut self) {
        link::say_goodbye(&mut self.stream).await;
    }
}
