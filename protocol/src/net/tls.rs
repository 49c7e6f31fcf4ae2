//! TLS of one process: its certificate, and which others it trusts; both change while connections run.
//!
//! Promises: TLS 1.3 only; no session is resumed, so that every connection verifies anew; the peer
//! that is dialled is the one that was meant; a member is known by its key too, so that nobody becomes one by the
//! authority's key. Its certificate's dates say when it is renewed, and not whether it is heard.
//! Must not know: messages.

mod control;
mod handshake;
mod joiner;
mod record_buffer;
mod records;
mod stream;
mod trust;
mod undated;

use std::collections::BTreeMap;
use std::fmt;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use couronne_ring::NodeId;
use rustls::client::{ResolvesClientCert, Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, ServerConfig, SignatureScheme};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};

use super::certificates::{CertificateError, PrivateKey, key_of, name_of};
use super::name::Name;
use crate::transport::Peer;
use couronne_base::env::Clock;
use couronne_base::watch;
use couronne_cluster::Role;
use couronne_cluster::report::CertificateReport;

pub use joiner::Joiner;
pub use trust::{Members, Trust};
use undated::{UndatedClients, UndatedServers, undated};

pub(super) use handshake::{accept, connect};
pub(super) use stream::TlsStream;

/// The protocol that both sides name in the handshake.
const ALPN: &[u8] = b"couronne";

/// What a member of the cluster speaks TLS with.
pub struct Tls {
    name: Name,
    clock: Arc<ProcessTime>,
    current: Arc<Current>,
    trusted: ArcSwap<Trusted>,
    /// How often the certificate was renewed or other authorities or keys were trusted; wakes its watchers when there are
    /// other members, too, for which no connection has to be opened anew.
    changes: watch::Sender<u64>,
}

/// Which peers are trusted, and what TLS is spoken with by that.
#[derive(Clone)]
struct Trusted {
    trust: Trust,
    verifier: Arc<dyn ClientCertVerifier>,
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

impl Tls {
    /// Takes the certificate of the authority that is trusted, and the member's own with its key. Until
    /// [`Self::trust`] is told of a map, any key with a certificate is taken for its member's.
    pub fn new(
        clock: Arc<dyn Clock>,
        authority: &[u8],
        certificate: &[u8],
        key: &PrivateKey,
    ) -> Result<Arc<Self>, CertificateError> {
        let clock = Arc::new(ProcessTime(clock));
        let authorities = BTreeMap::from([(0, Bytes::copy_from_slice(authority))]);
        let trust = Trust { version: 0, authorities, keys: None, members: None };
        let name = name_of(&CertificateDer::from(certificate))?;
        let current = Arc::new(Current(ArcSwap::from_pointee(checked(name, &trust, &clock, certificate, key)?)));
        let trusted = ArcSwap::from_pointee(Trusted::new(trust, &clock, &current)?);
        Ok(Arc::new(Self { name, clock, current, trusted, changes: watch::channel(0).0 }))
    }

    /// Trusts others from now on, by a newer map: connections of those that are trusted no more end. By an older one
    /// nothing changes.
    pub fn trust(&self, trust: Trust) -> Result<(), CertificateError> {
        let known = self.trusted.load();
        if trust.version <= known.trust.version {
            return Ok(());
        }
        if (&trust.authorities, &trust.keys) == (&known.trust.authorities, &known.trust.keys) {
            let has_others = trust.members != known.trust.members;
            self.trusted.store(Arc::new(Trusted { trust, ..Trusted::clone(&known) }));
            self.changes.send_if_modified(|_| has_others);
            return Ok(());
        }
        self.trusted.store(Arc::new(Trusted::new(trust, &self.clock, &self.current)?));
        self.note_change();
        Ok(())
    }

    /// The certificate of the authority that signed a newer certificate of the same member; refused if a peer would not
    /// take it, or if the authority is older than that of the current one.
    pub fn issuer(&self, certificate: &[u8], key: &PrivateKey) -> Result<Bytes, CertificateError> {
        let trusted = self.trusted.load();
        let trust = &trusted.trust;
        let next = checked(self.name, trust, &self.clock, certificate, key)?;
        if trust.number_of(&next) < trust.number_of(&self.current.0.load()) {
            return Err(CertificateError::OldAuthority);
        }
        Ok(issuer_in(&next).map(|issuer| Bytes::copy_from_slice(issuer)).unwrap_or_default())
    }

    /// Takes a newer certificate of the same member. Connections made from now on use it.
    pub fn renew(&self, certificate: &[u8], key: &PrivateKey) -> Result<(), CertificateError> {
        let next = checked(self.name, &self.trusted.load().trust, &self.clock, certificate, key)?;
        self.current.0.store(Arc::new(next));
        self.note_change();
        Ok(())
    }

    fn note_change(&self) {
        self.changes.send_replace(self.generation().wrapping_add(1));
    }

    /// Which authorities are trusted, and which one the current certificate is of.
    pub fn certificate_report(&self) -> CertificateReport {
        let known = self.trusted.load();
        let trusted = known.trust.authorities.keys().next_back().copied().unwrap_or(0);
        CertificateReport { trusted, signed_by: known.trust.number_of(&self.current.0.load()) }
    }

    /// The member that the certificate names.
    pub const fn name(&self) -> Name {
        self.name
    }

    /// Whether the current certificate serves at that time too, by its dates, in milliseconds since 1970. One that will not
    /// for long is to be renewed.
    pub fn serves_at(&self, wall_ms: u64) -> bool {
        let current = self.current.0.load();
        let at = UnixTime::since_unix_epoch(Duration::from_millis(wall_ms));
        current.end_entity_cert().is_ok_and(|certificate| self.trusted.load().verifies(certificate, at))
    }

    /// Whether a peer's certificate is trusted still.
    pub(super) fn trusts(&self, certificate: &CertificateDer<'_>) -> bool {
        let trusted = self.trusted.load();
        let verify = |at| trusted.verifier.verify_client_cert(certificate, &[], at);
        let is_verified = self.clock.current_time().is_some_and(|now| undated(now, verify).is_ok());
        is_verified && self.peer(Some(slice::from_ref(certificate))).is_ok()
    }

    /// Whether a peer is a member, as far as is known: a process that joined a moment ago is not yet.
    pub(super) fn is_member(&self, peer: Peer) -> bool {
        self.trusted.load().trust.is_member(peer.node, peer.role)
    }

    /// Whether a peer was expelled.
    pub(super) fn is_expelled(&self, peer: Peer) -> bool {
        self.trusted.load().trust.is_expelled(peer.node)
    }

    /// Follows the changes of what is trusted, of who is a member and of the own certificate.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// How often the own certificate or what is trusted changed: what was opened before is to be opened anew.
    pub(super) fn generation(&self) -> u64 {
        *self.changes.borrow()
    }

    pub(super) fn client(&self) -> Arc<ClientConfig> {
        self.trusted.load().client.clone()
    }

    pub(super) fn server(&self) -> Arc<ServerConfig> {
        self.trusted.load().server.clone()
    }

    /// What the certificate of a storage node says.
    pub(super) fn server_name(&self, node: NodeId) -> Result<ServerName<'static>, CertificateError> {
        let name = Name::storage_node(self.name.cluster(), node).to_string();
        ServerName::try_from(name).map_err(|_| CertificateError::NotAMember)
    }

    /// The peer at the other end, by the certificates that its handshake verified. Its key has to be the member's: who
    /// has no more than the authority's key is nobody, and so is one that was expelled.
    pub(super) fn peer(&self, certificates: Option<&[CertificateDer<'_>]>) -> Result<Peer, CertificateError> {
        let Some(certificate) = certificates.and_then(<[_]>::first) else {
            return Ok(Peer { node: NodeId(0), role: Role::Unjoined });
        };
        let name = name_of(certificate)?;
        if name.cluster() != self.name.cluster() {
            return Err(CertificateError::NotAMember);
        }
        let trusted = self.trusted.load();
        if trusted.trust.is_expelled(name.node()) {
            return Err(CertificateError::Expelled);
        }
        match &trusted.trust.keys {
            Some(keys) if !keys.takes(name.node(), key_of(certificate)?) => return Err(CertificateError::KeyDiffers),
            _ => {}
        }
        Ok(Peer { node: name.node(), role: name.role() })
    }
}

impl Trusted {
    /// What `trust` comes to, for a process with this certificate.
    fn new(trust: Trust, clock: &Arc<ProcessTime>, current: &Arc<Current>) -> Result<Self, CertificateError> {
        let (provider, roots) = (provider(), trust.roots()?);
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone())
            .allow_unauthenticated()
            .build()?;
        let mut server = ServerConfig::builder_with_details(provider.clone(), clock.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(Arc::new(UndatedClients(verifier.clone())))
            .with_cert_resolver(current.clone());
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        server.enable_secret_extraction = true;
        server.alpn_protocols = vec![ALPN.to_vec()];
        let members = WebPkiServerVerifier::builder_with_provider(roots, provider.clone()).build()?;
        let mut client = ClientConfig::builder_with_details(provider, clock.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(UndatedServers(members)))
            .with_client_cert_resolver(current.clone());
        speak_ours(&mut client);
        Ok(Self { trust, verifier, client: Arc::new(client), server: Arc::new(server) })
    }

    /// Whether a member's certificate is of a trusted authority, and serves at that time.
    fn verifies(&self, certificate: &CertificateDer<'_>, at: UnixTime) -> bool {
        self.verifier.verify_client_cert(certificate, &[], at).is_ok()
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

/// The certificate with its key, if a peer would take them as `name`. The certificate of the authority that signed it
/// goes along: one that joins knows its fingerprint only.
fn checked(
    name: Name,
    trust: &Trust,
    clock: &ProcessTime,
    certificate: &[u8],
    key: &PrivateKey,
) -> Result<CertifiedKey, CertificateError> {
    let certificate = CertificateDer::from(certificate.to_vec());
    if name_of(&certificate)? != name {
        return Err(CertificateError::NotAMember);
    }
    let now = clock.current_time().ok_or(CertificateError::Time)?;
    let issuer = trust.issuer(&certificate, now)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.as_pkcs8()));
    let key = aws_lc_rs::sign::any_ecdsa_type(&key)?;
    let certified = CertifiedKey::new(vec![certificate, issuer], key);
    certified.keys_match().map_err(|_| CertificateError::KeyDiffers)?;
    Ok(certified)
}

/// The certificate of the authority, where it goes along.
fn issuer_in(certified: &CertifiedKey) -> Option<&CertificateDer<'static>> {
    certified.cert.get(1)
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
