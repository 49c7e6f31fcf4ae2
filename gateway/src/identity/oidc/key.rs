//! The keys that a provider publishes (RFC 7517).
//!
//! A set may hold keys of kinds that are not known here, or for other uses: they are passed over.
//! Must not know: where sets come from.

use aws_lc_rs::signature::{RsaPublicKeyComponents, UnparsedPublicKey};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::algorithm::{Algorithm, Scheme};
use super::error::TokenError;
use super::token::SignedToken;
use crate::json::{self, Json};

/// Keys of a set, at most; more are passed over.
const KEYS_MAX: usize = 64;
/// The largest RSA modulus, in bytes (8192 bits), and the largest exponent.
const MODULUS_BYTES_MAX: usize = 1024;
const EXPONENT_BYTES_MAX: usize = 8;

/// The keys of a provider.
pub(super) struct KeySet(Vec<Key>);

/// A key that verifies signatures.
struct Key {
    id: Option<String>,
    /// The only algorithm that it is for, if it says so.
    algorithm: Option<String>,
    material: Material,
}

/// What a key is made of.
enum Material {
    Rsa(RsaPublicKeyComponents<Vec<u8>>),
    /// Of a curve, by its name: the point as a verifier takes it.
    Point(&'static str, Vec<u8>),
}

impl KeySet {
    /// Reads a set; `None` if it is none.
    pub(super) fn parse(document: &str) -> Option<Self> {
        let document = json::parse(document)?;
        let Json::List(keys) = document.member("keys")? else { return None };
        Some(Self(keys.iter().filter_map(Key::read).take(KEYS_MAX).collect()))
    }

    /// Whether there is a key for a token that names this one, or none.
    pub(super) fn has(&self, key_id: Option<&str>) -> bool {
        key_id.is_none() || self.0.iter().any(|key| key.id.as_deref() == key_id)
    }

    /// Whether a key of the set signed the token. One that names no key is taken if only one key of the set can have
    /// signed it (OpenID Connect Core 1.0, section 10.1).
    pub(super) fn verify(&self, token: &SignedToken<'_>) -> Result<bool, TokenError> {
        let is_named = |key: &&Key| token.key_id().is_none() || key.id.as_deref() == token.key_id();
        let mut fitting = self.0.iter().filter(is_named).filter(|key| key.fits(token.algorithm())).peekable();
        if fitting.peek().is_none() {
            return Err(TokenError::Invalid("The provider has no key that the token can be signed with"));
        }
        if token.key_id().is_none() && fitting.clone().nth(1).is_some() {
            return Err(TokenError::Invalid("The token does not say by which of the provider's keys it is signed"));
        }
        Ok(fitting.any(|key| key.verifies(token)))
    }
}

impl Key {
    fn read(key: &Json) -> Option<Self> {
        let text = |name| key.member(name).and_then(Json::text);
        let optional_text = |name| match key.member(name) {
            None => Some(None),
            Some(value) => value.text().map(Some),
        };
        let is_of_signatures = optional_text("use")?.is_none_or(|purpose| purpose == "sig");
        let verifies =
            |uses: &Json| matches!(uses, Json::List(uses) if uses.iter().any(|u| u.text() == Some("verify")));
        if !is_of_signatures || !key.member("key_ops").is_none_or(verifies) {
            return None;
        }
        let bytes = |name| BASE64_URL_SAFE_NO_PAD.decode(text(name)?).ok();
        let material = match (text("kty")?, text("crv")) {
            ("RSA", None) => Material::Rsa(RsaPublicKeyComponents {
                n: unsigned(&bytes("n")?, MODULUS_BYTES_MAX)?,
                e: unsigned(&bytes("e")?, EXPONENT_BYTES_MAX)?,
            }),
            ("EC", Some("P-256")) => Material::Point("P-256", uncompressed(&bytes("x")?, &bytes("y")?, 32)?),
            ("EC", Some("P-384")) => Material::Point("P-384", uncompressed(&bytes("x")?, &bytes("y")?, 48)?),
            ("OKP", Some("Ed25519")) => Material::Point("Ed25519", bytes("x").filter(|x| x.len() == 32)?),
            _ => return None,
        };
        let id = optional_text("kid")?.map(str::to_owned);
        Some(Self { id, algorithm: optional_text("alg")?.map(str::to_owned), material })
    }

    /// Whether signatures of this algorithm may be verified with it.
    fn fits(&self, algorithm: Algorithm) -> bool {
        let is_for = self.algorithm.as_deref().is_none_or(|only| only == algorithm.name);
        is_for
            && match (&self.material, algorithm.scheme) {
                (Material::Rsa(_), Scheme::Rsa(_)) => true,
                (Material::Point(curve, _), Scheme::Curve(of, _)) => *curve == of,
                _ => false,
            }
    }

    /// Whether it signed the token, whose algorithm it fits.
    fn verifies(&self, token: &SignedToken<'_>) -> bool {
        let (signed, signature) = (token.signed(), token.signature());
        match (&self.material, token.algorithm().scheme) {
            (Material::Rsa(key), Scheme::Rsa(parameters)) => key.verify(parameters, signed, signature).is_ok(),
            (Material::Point(_, point), Scheme::Curve(_, algorithm)) => {
                UnparsedPublicKey::new(algorithm, point).verify(signed, signature).is_ok()
            }
            _ => false,
        }
    }
}

/// A number without the zeros before it, which some providers write and RFC 7518 (section 2) forbids.
fn unsigned(bytes: &[u8], bytes_max: usize) -> Option<Vec<u8>> {
    let first = bytes.iter().position(|byte| *byte != 0)?;
    bytes.get(first..).filter(|number| number.len() <= bytes_max).map(<[u8]>::to_vec)
}

/// A point of a curve as SEC 1 writes it (section 2.3.3). Each coordinate has its full length (RFC 7518, section 6.2.1.2).
fn uncompressed(x: &[u8], y: &[u8], len: usize) -> Option<Vec<u8>> {
    (x.len() == len && y.len() == len).then(|| [&[4], x, y].concat())
}
