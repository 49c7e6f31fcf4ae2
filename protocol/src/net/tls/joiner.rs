//! TLS of one that wants to join: it has no certificate, and knows of the cluster's authority only
//! the fingerprint that its join token carries.

use std::fmt;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::{CertificateError as Refused, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::{ProcessTime, provider, speak_ours};
use crate::net::certificates::{CertificateError, Fingerprint, name_of};
use couronne_base::env::Clock;
use couronne_cluster::Role;

/// What an unjoined process speaks TLS with. It talks to storage nodes of the pinned authority only.
pub struct Joiner {
    client: Arc<ClientConfig>,
}

impl Joiner {
    /// Trusts the authority whose certificate has this fingerprint.
    pub fn new(clock: Arc<dyn Clock>, authority: Fingerprint) -> Result<Self, CertificateError> {
        let provider = provider();
        let pinned = Pinned { authority, provider: provider.clone() };
        let mut client = ClientConfig::builder_with_details(provider, Arc::new(ProcessTime(clock)))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(pinned))
            .with_no_client_auth();
        speak_ours(&mut client);
        Ok(Self { client: Arc::new(client) })
    }

    pub(in crate::net) fn client(&self) -> Arc<ClientConfig> {
        self.client.clone()
    }

    /// The name asked for does not matter: that of the certificate is verified as it stands.
    pub(in crate::net) fn server_name() -> Result<ServerName<'static>, CertificateError> {
        ServerName::try_from("couronne.internal").map_err(|_| CertificateError::NotAMember)
    }
}

/// Verifies that a server has a storage node's certificate of the pinned authority.
struct Pinned {
    authority: Fingerprint,
    provider: Arc<CryptoProvider>,
}

impl fmt::Debug for Pinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pinned({:?})", self.authority)
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let authority = intermediates
            .iter()
            .find(|certificate| Fingerprint::of(certificate) == self.authority)
            .ok_or(Error::InvalidCertificate(Refused::UnknownIssuer))?;
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone().into_owned())?;
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), self.provider.clone())
            .build()
            .map_err(|error| Error::General(error.to_string()))?;
        let unnamed = || Error::InvalidCertificate(Refused::NotValidForName);
        let name = name_of(end_entity).map_err(|_| unnamed())?;
        if name.role() != Role::StorageNode {
            return Err(unnamed());
        }
        let name = ServerName::try_from(name.to_string()).map_err(|_| unnamed())?;
        verifier.verify_server_cert(end_entity, &[], &name, &[], now)
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is not spoken here".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
