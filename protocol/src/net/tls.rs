//! TLS of one process: its certificate, which can be renewed while connections run, and how it
//! verifies others.
//!
//! Promises: TLS 1.3 only; no session is resumed, so that every connection verifies anew; the peer
//! that is dialled is the one that was meant; the time is the process's own clock.
//! Must not know: messages.

mod control;
mod handshake;
mod joiner;
mod record_buffer;
mod records;
mod stream;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use couronne_ring::NodeId;
use rustls::client::{ResolvesClientCert, Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, RootCertStore, ServerConfig, SignatureScheme};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};

use super::certificates::{CertificateError, PrivateKey, name_of};
use super::name::Name;
use crate::transport::Peer;
use couronne_base::env::Clock;
use couronne_cluster::Role;

pub use joiner::Joiner;

pub(super) use handshake::{accept, connect};
pub(super) use stream::TlsStream;

/// The protocol that both sides name in the handshake.
const ALPN: &[u8] = b"couronne";

/// What a member of the cluster speaks TLS with.
pub struct Tls {
    name: Name,
    authority: CertificateDer<'static>,
    verifier: Arc<dyn ClientCertVerifier>,
    clock: Arc<ProcessTime>,
    current: Arc<Current>,
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

impl Tls {
    /// Takes the authority's certificate, and the member's own with its key.
    pub fn new(
        clock: Arc<dyn Clock>,
        authority: &[u8],
        certificate: &[u8],
        key: &PrivateKey,
    ) -> Result<Arc<Self>, CertificateError> {
        let (provider, clock) = (provider(), Arc::new(ProcessTime(clock)));
        let authority = CertificateDer::from(authority.to_vec());
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone())?;
        let roots = Arc::new(roots);
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone())
            .allow_unauthenticated()
            .build()?;
        let name = name_of(&CertificateDer::from(certificate))?;
        let first = checked(name, &authority, verifier.as_ref(), &clock, certificate, key)?;
        let current = Arc::new(Current(ArcSwap::from_pointee(first)));
        let mut server = ServerConfig::builder_with_details(provider.clone(), clock.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(verifier.clone())
            .with_cert_resolver(current.clone());
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        server.enable_secret_extraction = true;
        server.alpn_protocols = vec![ALPN.to_vec()];
        let members = WebPkiServerVerifier::builder_with_provider(roots, provider.clone()).build()?;
        let mut client = ClientConfig::builder_with_details(provider, clock.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_webpki_verifier(members)
            .with_client_cert_resolver(current.clone());
        speak_ours(&mut client);
        let (client, server) = (Arc::new(client), Arc::new(server));
        Ok(Arc::new(Self { name, authority, verifier, clock, current, client, server }))
    }

    /// Takes a newer certificate of the same member. Connections made from now on use it.
    pub fn renew(&self, certificate: &[u8], key: &PrivateKey) -> Result<(), CertificateError> {
        let next = checked(self.name, &self.authority, self.verifier.as_ref(), &self.clock, certificate, key)?;
        self.current.0.store(Arc::new(next));
        Ok(())
    }

    /// The member that the certificate names.
    pub const fn name(&self) -> Name {
        self.name
    }

    /// Whether the current certificate serves at that time too, in milliseconds since 1970. One that
    /// will not for long is to be renewed.
    pub fn serves_at(&self, wall_ms: u64) -> bool {
        let current = self.current.0.load();
        let at = UnixTime::since_unix_epoch(Duration::from_millis(wall_ms));
        let certificate = current.end_entity_cert();
        certificate.is_ok_and(|certificate| self.verifier.verify_client_cert(certificate, &[], at).is_ok())
    }

    pub(super) fn client(&self) -> Arc<ClientConfig> {
        self.client.clone()
    }

    pub(super) fn server(&self) -> Arc<ServerConfig> {
        self.server.clone()
    }

    /// What the certificate of a storage node says.
    pub(super) fn server_name(&self, node: NodeId) -> Result<ServerName<'static>, CertificateError> {
        let name = Name::storage_node(self.name.cluster(), node).to_string();
        ServerName::try_from(name).map_err(|_| CertificateError::NotAMember)
    }

    /// The peer at the other end, by the certificates that its handshake verified.
    pub(super) fn peer(&self, certificates: Option<&[CertificateDer<'_>]>) -> Result<Peer, CertificateError> {
        let Some(certificate) = certificates.and_then(<[_]>::first) else {
            return Ok(Peer { node: NodeId(0), role: Role::Unjoined });
        };
        let name = name_of(certificate)?;
        if name.cluster() != self.name.cluster() {
            return Err(CertificateError::NotAMember);
        }
        Ok(Peer { node: name.node(), role: name.role() })
    }
}

/// What both kinds of client say and do not do.
fn speak_ours(client: &mut ClientConfig) {
    client.resumption = Resumption::disabled();
    client.alpn_protocols = vec![ALPN.to_vec()];
    // It would tell the node's name to every eavesdropper, and servers have one certificate only.
    client.enable_sni = false;
    client.enable_secret_extraction = true;
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// The certificate with its key, if a peer would take them as `name` now. The authority's own
/// certificate goes along: one that joins knows its fingerprint only.
fn checked(
    name: Name,
    authority: &CertificateDer<'static>,
    verifier: &dyn ClientCertVerifier,
    clock: &ProcessTime,
    certificate: &[u8],
    key: &PrivateKey,
) -> Result<CertifiedKey, CertificateError> {
    let certificate = CertificateDer::from(certificate.to_vec());
    if name_of(&certificate)? != name {
        return Err(CertificateError::NotAMember);
    }
    let now = clock.current_time().ok_or(CertificateError::Time)?;
    verifier.verify_client_cert(&certificate, &[], now)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.as_pkcs8()));
    let key = aws_lc_rs::sign::any_ecdsa_type(&key)?;
    let certified = CertifiedKey::new(vec![certificate, authority.clone()], key);
    certified.keys_match().map_err(|_| CertificateError::KeyDiffers)?;
    Ok(certified)
}

/// The certificate in use.
struct Current(ArcSwap<CertifiedKey>);

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Current")
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl ResolvesClientCert for Current {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// The process's own clock, as TLS asks for it.
struct ProcessTime(Arc<dyn Clock>);

impl fmt::Debug for ProcessTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProcessTime")
    }
}

impl TimeProvider for ProcessTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_millis(self.0.wall_ms())))
    }
}
