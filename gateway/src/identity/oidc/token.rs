//! A token as it is written: a JWS in its compact form (RFC 7515, section 7.1).
//!
//! Must not know: what is claimed, keys.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::algorithm::Algorithm;
use super::error::TokenError;
use crate::json::{self, Json};

/// The longest token: STS's bound of `WebIdentityToken`, in bytes.
const TOKEN_BYTES_MAX: usize = 20_000;

/// A token whose signature is still to be verified.
pub(super) struct SignedToken<'a> {
    algorithm: Algorithm,
    key_id: Option<String>,
    /// What is signed: header and payload as they are written.
    signed: &'a str,
    signature: Vec<u8>,
    payload: String,
}

const MALFORMED: TokenError = TokenError::Invalid("The token is not a signed JSON web token");

impl<'a> SignedToken<'a> {
    /// Reads a token. A header that asks for something this version does not know (`crit`) refuses it.
    pub(super) fn parse(token: &'a str) -> Result<Self, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Invalid("The token is longer than 20000 characters"));
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(MALFORMED)?;
        let (header, payload) = signed.split_once('.').ok_or(MALFORMED)?;
        let (header, payload, signature) = (text(header)?, text(payload)?, decoded(signature)?);
        let header = json::parse(&header).ok_or(MALFORMED)?;
        if !header.is_object() {
            return Err(MALFORMED);
        }
        if header.member("crit").is_some() {
            return Err(TokenError::Invalid("The token's header has a critical extension"));
        }
        let algorithm = header.member("alg").and_then(Json::text).and_then(Algorithm::named);
        let algorithm =
            algorithm.ok_or(TokenError::Invalid("The token is signed with an algorithm that is not taken"))?;
        let key_id = match header.member("kid") {
            None => None,
            Some(Json::Text(key_id)) => Some(key_id.clone()),
            Some(_) => return Err(MALFORMED),
        };
        Ok(Self { algorithm, key_id, signed, signature, payload })
    }

    pub(super) const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key that it says it is signed with.
    pub(super) fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    pub(super) fn signed(&self) -> &[u8] {
        self.signed.as_bytes()
    }

    pub(super) fn signature(&self) -> &[u8] {
        &self.signature
    }

    pub(super) fn payload(&self) -> &str {
        &self.payload
    }
}

fn decoded(part: &str) -> Result<Vec<u8>, TokenError> {
    BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_invalid| MALFORMED)
}

fn text(part: &str) -> Result<String, TokenError> {
    String::from_utf8(decoded(part)?).map_err(|_invalid| MALFORMED)
}
