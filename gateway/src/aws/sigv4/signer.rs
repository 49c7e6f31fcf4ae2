//! Signature Version 4: the signing key, the strings to sign, the comparison.
//!
//! Promises: signatures are compared in constant time.
//! Must not know: HTTP.

use aws_lc_rs::{digest, hmac};

use super::{ALGORITHM, Scope};
use crate::identity::{Credential, Secret};

/// SHA-256 of nothing, in hexadecimal.
const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A signing key with the time and scope it is good for.
#[derive(Clone)]
pub struct Signer {
    key: hmac::Key,
    /// Time and scope as they stand in each string to sign.
    context: String,
}

fn signing_key(secret: &Secret, scope: &Scope) -> hmac::Key {
    let mut first = zeroize::Zeroizing::new(b"AWS4".to_vec());
    first.extend_from_slice(secret.expose());
    let mut key = hmac::Key::new(hmac::HMAC_SHA256, &first);
    for step in [&scope.date, &scope.region, &scope.service, "aws4_request"] {
        key = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, step.as_bytes()).as_ref());
    }
    key
}

impl Signer {
    /// The signer of a caller's request of this scope and time.
    pub fn of(caller: &Credential, scope: &Scope, signed_at: &str) -> Self {
        let text = scope.text();
        let key = caller.derived.key_for(&text, || signing_key(&caller.secret, scope));
        Self { key, context: format!("{signed_at}\n{text}") }
    }

    /// The string to sign of a canonical request.
    pub fn string_to_sign(&self, canonical: &[u8]) -> String {
        format!("{ALGORITHM}\n{}\n{}", self.context, hex::encode(digest::digest(&digest::SHA256, canonical)))
    }

    /// Whether this is the signature of a chunk with this digest that follows the one signed `previous`.
    pub fn verify_chunk(&self, previous: &[u8; 32], chunk: &digest::Digest, signature: &[u8; 32]) -> bool {
        let (previous, chunk) = (hex::encode(previous), hex::encode(chunk));
        let text = format!("{ALGORITHM}-PAYLOAD\n{}\n{previous}\n{EMPTY_SHA256}\n{chunk}", self.context);
        self.verify(&text, signature)
    }

    /// Whether this is the signature of trailers with this digest that follow the chunk signed `previous`.
    pub fn verify_trailer(&self, previous: &[u8; 32], trailers: &digest::Digest, signature: &[u8; 32]) -> bool {
        let (previous, trailers) = (hex::encode(previous), hex::encode(trailers));
        self.verify(&format!("{ALGORITHM}-TRAILER\n{}\n{previous}\n{trailers}", self.context), signature)
    }

    /// Whether this is the signature of a string.
    pub fn verify(&self, text: &str, signature: &[u8; 32]) -> bool {
        hmac::verify(&self.key, text.as_bytes(), signature).is_ok()
    }
}
