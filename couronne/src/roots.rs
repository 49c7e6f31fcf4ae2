//! What a client believes that speaks TLS with a server: certificate authorities of a file or of the system, or one
//! certificate alone.
//!
//! Must not know: what is said.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use thiserror::Error as ThisError;

/// Where systems keep the certificate authorities that they believe, where no variable says it.
const SYSTEM_PATHS: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The variable that names the file, as OpenSSL has it.
const SYSTEM_VARIABLE: &str = "SSL_CERT_FILE";

/// Why nobody can be believed.
#[derive(Debug, ThisError)]
pub(crate) enum RootsError {
    /// A file has no usable certificate.
    #[error("reading certificates of {path}: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The system has none.
    #[error("this system names no certificate authorities: name a file (PEM), or set {SYSTEM_VARIABLE}")]
    NoSystem,
    /// TLS does not take them.
    #[error("taking certificates: {0}")]
    Tls(#[from] Error),
}

/// Believes the certificate authorities of a file (PEM); of none: those of the system.
pub(crate) fn believing(file: Option<&Path>) -> Result<Arc<ClientConfig>, RootsError> {
    let path = file.map_or_else(system, |path| Ok(path.to_owned()))?;
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(certificates(&path)?);
    if added == 0 {
        return Err(RootsError::File { path, reason: "there is none that serves".to_owned() });
    }
    let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// Believes the first certificate of a file (PEM), and nobody else, whatever its names are.
pub(crate) fn believing_one(path: &Path) -> Result<Arc<ClientConfig>, RootsError> {
    let none = || RootsError::File { path: path.to_owned(), reason: "there is none".to_owned() };
    let certificate = certificates(path)?.into_iter().next().ok_or_else(none)?;
    let one = Arc::new(One { certificate, provider: provider() });
    let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    Ok(Arc::new(config.dangerous().with_custom_certificate_verifier(one).with_no_client_auth()))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn system() -> Result<PathBuf, RootsError> {
    let named = std::env::var_os(SYSTEM_VARIABLE).map(PathBuf::from);
    let known = SYSTEM_PATHS.iter().map(PathBuf::from).find(|path| path.exists());
    named.or(known).ok_or(RootsError::NoSystem)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, RootsError> {
    let unusable =
        |error: rustls_pki_types::pem::Error| RootsError::File { path: path.to_owned(), reason: error.to_string() };
    CertificateDer::pem_file_iter(path).map_err(unusable)?.collect::<Result<_, _>>().map_err(unusable)
}

/// Believes one certificate.
#[derive(Debug)]
struct One {
    certificate: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for One {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match *end_entity == self.certificate {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
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
