//! The cluster's own certificates: an authority, keys, requests, and what a certificate says.
//!
//! The authority decides whose a certificate is. A request says nothing of that: it is a public key,
//! and the proof that its sender has the private one. So it has a form of our own, and no parser of
//! PKCS #10 stands open to unjoined processes.
//!
//! ```text
//! request = public key: a point on P-256, uncompressed (65) ‖ ECDSA signature with SHA-256 over
//!           "couronne certificate request 2" ‖ the public key ‖ the statement (DER, the rest)
//! ```
//! The statement is what the request is for, which both sides know: nothing for a member that renews its certificate; for
//! one that joins the digest of its join request, challenge and all, so that neither can be used with another.
//! Promises: private keys are wiped when dropped and never shown; names parse strictly; every
//! certificate has one name.
//! Must not know: connections, files.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::digest;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use couronne_ring::NodeId;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, NameConstraints, PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType, SerialNumber,
    SignatureAlgorithm, SigningKey as _,
};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use thiserror::Error;
use time::OffsetDateTime;
use zeroize::{Zeroize as _, Zeroizing};

use super::name::Name;
use couronne_base::env::Env;
use couronne_cluster::Role;

/// How long a member's certificate serves, unless the operator says otherwise.
pub const MEMBER_LIFETIME: Duration = Duration::from_hours(90 * 24);
/// How long the authority's own certificate serves.
pub const AUTHORITY_LIFETIME: Duration = Duration::from_hours(20 * 365 * 24);
/// Certificates serve from a little before they were made: clocks differ.
const BACKDATED: Duration = Duration::from_hours(1);
/// What a request's signature covers before the key: it is of no use elsewhere.
const REQUEST_CONTEXT: &[u8] = b"couronne certificate request 2";
/// A point on P-256, uncompressed, in bytes.
const P256_POINT_BYTES: usize = 65;
/// What stands before the point in a public key on P-256, DER (RFC 5480).
const P256_KEY_HEAD: &[u8] =
    b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";

/// Why a certificate, key or request was refused or not made.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// A key or certificate could not be made or read.
    #[error("handling a certificate: {0}")]
    Rcgen(#[from] rcgen::Error),
    /// It does not parse.
    #[error("the certificate does not parse")]
    Unreadable,
    /// It says nothing about whose it is, or too much, or of another cluster.
    #[error("the certificate names no member of this cluster")]
    NotAMember,
    /// It is of a member that was expelled.
    #[error("the member was expelled")]
    Expelled,
    /// The key is not the certificate's.
    #[error("key and certificate do not belong together")]
    KeyDiffers,
    /// It is of an authority that another one took the place of.
    #[error("the certificate is of an authority that is older than the one of the current certificate")]
    OldAuthority,
    /// The request has another form, or does not prove that the sender has the key.
    #[error("the request is malformed or proves nothing")]
    Request,
    /// An unjoined process gets no certificate.
    #[error("an unjoined process gets no certificate")]
    Unjoined,
    /// The time is out of the range of certificates.
    #[error("the clock is out of range")]
    Time,
    /// TLS does not take the certificate and its key.
    #[error("taking certificate and key: {0}")]
    Tls(#[from] rustls::Error),
    /// The authority's certificate cannot verify others.
    #[error("the authority's certificate does not serve: {0}")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
}

/// A private key, as PKCS #8. Wiped when dropped.
pub struct PrivateKey(Zeroizing<Vec<u8>>);

impl PrivateKey {
    /// A new key, by the randomness of the cryptographic library: it takes no other.
    pub fn generate() -> Result<Self, CertificateError> {
        Ok(Self::of(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?))
    }

    /// Takes a key as [`Self::as_pkcs8`] gave it.
    pub fn from_pkcs8(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The key's bytes; a caller that writes them down keeps them secret.
    pub fn as_pkcs8(&self) -> &[u8] {
        &self.0
    }

    /// A request for a certificate for this key, made for a statement.
    pub fn request(&self, statement: &[u8]) -> Result<Vec<u8>, CertificateError> {
        let mut pair = self.pair()?;
        let point = pair.der_bytes().to_vec();
        let signature = pair.sign(&[REQUEST_CONTEXT, &point, statement].concat());
        pair.zeroize();
        Ok([point, signature?].concat())
    }

    /// The identity of the process that made this key first: [`CertificateRequest::node`] of its requests.
    pub fn node(&self) -> Result<NodeId, CertificateError> {
        let mut pair = self.pair()?;
        let node = node_of_point(pair.der_bytes());
        pair.zeroize();
        node
    }

    fn pair(&self) -> Result<KeyPair, CertificateError> {
        Ok(KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(self.as_pkcs8()), &PKCS_ECDSA_P256_SHA256)?)
    }

    fn of(mut pair: KeyPair) -> Self {
        let key = Self(Zeroizing::new(pair.serialize_der()));
        pair.zeroize();
        key
    }
}

/// A request whose sender has proved that it has the private key: the public key.
pub struct CertificateRequest<'a>(&'a [u8]);

impl<'a> CertificateRequest<'a> {
    /// Takes a request if it proves that its sender has the private key, and made it for this statement.
    pub fn proven(request: &'a [u8], statement: &[u8]) -> Result<Self, CertificateError> {
        let (point, signature) = request.split_at_checked(P256_POINT_BYTES).ok_or(CertificateError::Request)?;
        let signed = [REQUEST_CONTEXT, point, statement].concat();
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point);
        key.verify(&signed, signature).map_err(|_| CertificateError::Request)?;
        Ok(Self(point))
    }

    /// The identity of the member whose key it is: the same key is the same member, whichever node signs and however
    /// often it asks.
    pub fn node(&self) -> Result<NodeId, CertificateError> {
        node_of_point(self.0)
    }
}

impl PublicKeyData for CertificateRequest<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

/// The SHA-256 of an authority's certificate: what a join token carries.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// The fingerprint of a certificate.
    pub fn of(certificate: &[u8]) -> Self {
        let mut bytes = [0; 32];
        for (to, from) in bytes.iter_mut().zip(digest::digest(&digest::SHA256, certificate).as_ref()) {
            *to = *from;
        }
        Self(bytes)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The cluster's own authority: what signs its members' certificates.
pub struct Authority {
    cluster: u128,
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Makes the authority of a new cluster, and its key.
    pub fn create(cluster: u128, env: &Env) -> Result<(Self, PrivateKey), CertificateError> {
        let key = PrivateKey::generate()?;
        let mut params = authority_params(cluster);
        (params.not_before, params.not_after) = serving(env, AUTHORITY_LIFETIME)?;
        params.serial_number = Some(serial(env));
        let pair = key.pair()?;
        let certificate = params.self_signed(&pair)?.der().clone();
        Ok((Self { cluster, certificate, issuer: Issuer::new(params, pair) }, key))
    }

    /// Takes an authority as it was kept.
    pub fn load(cluster: u128, certificate: &[u8], key: &PrivateKey) -> Result<Self, CertificateError> {
        let certificate = CertificateDer::from(certificate.to_vec());
        let pair = key.pair()?;
        let of_certificate = parsed(&certificate)?.subject_public_key_info();
        if of_certificate.as_ref() != pair.subject_public_key_info() {
            return Err(CertificateError::KeyDiffers);
        }
        Ok(Self { cluster, certificate, issuer: Issuer::new(authority_params(cluster), pair) })
    }

    /// Its certificate: no secret.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// Its certificate's fingerprint.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.certificate)
    }

    /// Signs the key of a request as that of a member.
    pub fn sign(
        &self,
        request: &CertificateRequest<'_>,
        node: NodeId,
        role: Role,
        lifetime: Duration,
        env: &Env,
    ) -> Result<Vec<u8>, CertificateError> {
        let name = Name::new(self.cluster, node, role).ok_or(CertificateError::Unjoined)?;
        let mut params = CertificateParams::default();
        (params.not_before, params.not_after) = serving(env, lifetime)?;
        params.serial_number = Some(serial(env));
        params.distinguished_name = common_name(node.to_string());
        params.subject_alt_names = vec![SanType::DnsName(name.to_string().try_into()?)];
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        if role == Role::StorageNode {
            params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        }
        params.use_authority_key_identifier_extension = true;
        Ok(params.signed_by(request, &self.issuer)?.der().to_vec())
    }
}

/// What the authority of a cluster says of itself; the verifier of a member's certificate looks for it.
fn authority_params(cluster: u128) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(format!("couronne {cluster:032x}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::DnsName(Name::domain(cluster))],
        excluded_subtrees: Vec::new(),
    });
    params
}

/// The first 16 bytes of a hash of the public key.
fn node_of_point(point: &[u8]) -> Result<NodeId, CertificateError> {
    let hash = blake3::derive_key("couronne 2026 member of a key", point);
    let (id, _) = hash.split_first_chunk::<16>().ok_or(CertificateError::Request)?;
    Ok(NodeId(u128::from_be_bytes(*id)))
}

/// What the key of a certificate is, as the id that comes from it: [`CertificateRequest::node`] of its requests.
pub(super) fn key_of(certificate: &CertificateDer<'_>) -> Result<NodeId, CertificateError> {
    let key = parsed(certificate)?.subject_public_key_info();
    let point = key.as_ref().strip_prefix(P256_KEY_HEAD).ok_or(CertificateError::NotAMember)?;
    if point.len() == P256_POINT_BYTES { node_of_point(point) } else { Err(CertificateError::NotAMember) }
}

/// The member that a certificate names. Its signature is not looked at here.
pub(super) fn name_of(certificate: &CertificateDer<'_>) -> Result<Name, CertificateError> {
    let certificate = parsed(certificate)?;
    let mut names = certificate.valid_dns_names();
    match (names.next(), names.next()) {
        (Some(name), None) => Name::parse(name).ok_or(CertificateError::NotAMember),
        _ => Err(CertificateError::NotAMember),
    }
}

fn parsed<'a>(certificate: &'a CertificateDer<'_>) -> Result<webpki::EndEntityCert<'a>, CertificateError> {
    webpki::EndEntityCert::try_from(certificate).map_err(|_| CertificateError::Unreadable)
}

fn common_name(text: String) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, text);
    name
}

fn serial(env: &Env) -> SerialNumber {
    SerialNumber::from_slice(&env.random_bytes::<16>())
}

/// From when until when a certificate made now serves.
fn serving(env: &Env, lifetime: Duration) -> Result<(OffsetDateTime, OffsetDateTime), CertificateError> {
    let now = Duration::from_millis(env.clock.wall_ms());
    let at = |since_1970: Duration| {
        let seconds = i64::try_from(since_1970.as_secs()).map_err(|_| CertificateError::Time)?;
        OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| CertificateError::Time)
    };
    Ok((at(now.saturating_sub(BACKDATED))?, at(now.saturating_add(lifetime))?))
}
