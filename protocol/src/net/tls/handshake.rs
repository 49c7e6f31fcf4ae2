//! Handshakes: by rustls, which gives out the keys once both sides have verified each other.
//!
//! Promises: what a peer may send until then is bounded; one that is refused is told why.
//! Must not know: how long it may take.

use std::io;
use std::sync::Arc;

use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::kernel::KernelConnection;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, UnbufferedConnectionCommon, UnbufferedStatus};
use rustls::{ClientConfig, Error, ExtractedSecrets, ServerConfig};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::stream::{Rekey, TlsStream, invalid};
use crate::net::settings::NetSettings;

/// The most bytes that wait to be understood. A handshake of ours takes 2 KiB.
const INCOMING_BYTES_MAX: usize = 64 << 10;

/// Opens a connection as the one that dialled, to the process that has the certificate of `name`; returns the
/// certificates that it showed too.
pub(in crate::net) async fn connect<S>(
    socket: S,
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    settings: &NetSettings,
) -> io::Result<(TlsStream<S>, Option<Vec<CertificateDer<'static>>>)>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut connection = UnbufferedClientConnection::new(config, name).map_err(invalid)?;
    let mut wire = Wire::new(socket);
    let process = UnbufferedConnectionCommon::<ClientConnectionData>::process_tls_records;
    shake_hands(&mut wire, &mut connection, process).await?;
    let certificates = connection.peer_certificates().map(<[_]>::to_vec);
    let (secrets, rekey) = connection.dangerous_into_kernel_connection().map_err(invalid)?;
    Ok((wire.into_stream(secrets, rekey, settings.records_a_key_max)?, certificates))
}

/// Accepts a connection; returns the certificates of the peer that dialled too, if it showed any.
pub(in crate::net) async fn accept<S>(
    socket: S,
    config: Arc<ServerConfig>,
    settings: &NetSettings,
) -> io::Result<(TlsStream<S>, Option<Vec<CertificateDer<'static>>>)>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut connection = UnbufferedServerConnection::new(config).map_err(invalid)?;
    let mut wire = Wire::new(socket);
    let process = UnbufferedConnectionCommon::<ServerConnectionData>::process_tls_records;
    shake_hands(&mut wire, &mut connection, process).await?;
    let certificates = connection.peer_certificates().map(<[_]>::to_vec);
    let (secrets, rekey) = connection.dangerous_into_kernel_connection().map_err(invalid)?;
    Ok((wire.into_stream(secrets, rekey, settings.records_a_key_max)?, certificates))
}

/// How rustls is shown what came, for either side.
type Process<D> = for<'c, 'i> fn(&'c mut UnbufferedConnectionCommon<D>, &'i mut [u8]) -> UnbufferedStatus<'c, 'i, D>;

/// What a handshake waits for.
enum Next {
    Step,
    Send,
    Receive,
    Nothing,
}

/// The socket, and what passes through it.
struct Wire<S> {
    socket: S,
    /// Received, and not understood yet.
    incoming: Vec<u8>,
    /// What the peer said already when it had finished its part.
    early: Vec<u8>,
    outgoing: Vec<u8>,
}

async fn shake_hands<S, D>(
    wire: &mut Wire<S>,
    connection: &mut UnbufferedConnectionCommon<D>,
    process: Process<D>,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        match wire.step(process, connection) {
            Ok(Next::Step) => {}
            Ok(Next::Send) => wire.send().await?,
            Ok(Next::Receive) => wire.receive().await?,
            Ok(Next::Nothing) => return Ok(()),
            Err(error) => {
                // The alert that says why is next, if there is one.
                while let Ok(Next::Step) = wire.step(process, connection) {}
                // A peer that does not take it learns that the connection is closed.
                let _ = wire.send().await;
                return Err(invalid(error));
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    fn new(socket: S) -> Self {
        let (incoming, early, outgoing) = Default::default();
        Self { socket, incoming, early, outgoing }
    }

    /// Shows rustls what came, and does what it wants.
    fn step<D>(&mut self, process: Process<D>, connection: &mut UnbufferedConnectionCommon<D>) -> Result<Next, Error> {
        let UnbufferedStatus { mut discard, state } = process(connection, &mut self.incoming);
        let next = state.and_then(|state| match state {
            ConnectionState::EncodeTlsData(data) => encode(data, &mut self.outgoing).map(|()| Next::Step),
            ConnectionState::TransmitTlsData(data) => {
                data.done();
                Ok(Next::Send)
            }
            ConnectionState::ReadTraffic(mut data) => {
                while let Some(record) = data.next_record() {
                    let record = record?;
                    discard = discard.saturating_add(record.discard);
                    self.early.extend_from_slice(record.payload);
                }
                Ok(Next::Step)
            }
            ConnectionState::BlockedHandshake => Ok(Next::Receive),
            ConnectionState::WriteTraffic(_) => Ok(Next::Nothing),
            _ => Err(Error::HandshakeNotComplete),
        });
        self.incoming.drain(..discard.min(self.incoming.len()));
        next
    }

    async fn send(&mut self) -> io::Result<()> {
        self.socket.write_all(&self.outgoing).await?;
        self.outgoing.clear();
        self.socket.flush().await
    }

    async fn receive(&mut self) -> io::Result<()> {
        if self.incoming.len() >= INCOMING_BYTES_MAX {
            return Err(io::Error::other("the handshake is too long"));
        }
        match self.socket.read_buf(&mut self.incoming).await? {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the peer closed the connection in the handshake")),
            _ => Ok(()),
        }
    }

    fn into_stream<D>(
        self,
        secrets: ExtractedSecrets,
        rekey: KernelConnection<D>,
        records_a_key_max: u64,
    ) -> io::Result<TlsStream<S>>
    where
        KernelConnection<D>: Rekey + 'static,
    {
        let (left, secrets) = ((self.early.as_slice(), self.incoming.as_slice()), (secrets.tx, secrets.rx));
        TlsStream::new(self.socket, left, secrets, Box::new(rekey), records_a_key_max).map_err(invalid)
    }
}

fn encode<D>(mut data: EncodeTlsData<'_, D>, outgoing: &mut Vec<u8>) -> Result<(), Error> {
    let start = outgoing.len();
    let needed = match data.encode(&mut []) {
        Err(EncodeError::InsufficientSize(size)) => size.required_size,
        Ok(_) | Err(EncodeError::AlreadyEncoded) => 0,
    };
    outgoing.resize(start.saturating_add(needed), 0);
    let encoded = data.encode(outgoing.get_mut(start..).unwrap_or_default());
    encoded.map(|_| ()).map_err(|error| Error::General(error.to_string()))
}
