//! How a process becomes a member: what its token says, what the process asks, what it is given.
//!
//! ```text
//! token   = "couronne1-" | base64 (URL alphabet) of: id u64 | secret 16 bytes | authority's fingerprint 32 bytes | address
//! request = 1 id | 2 secret | 3 role | 4 certificate request | 5 name | 6 address | 7 region | 8 zone
//!         | 9 { 1 drive | 2 weight }* | 10 challenge
//! answer  = 1 { 1 node | 2 certificate | 3 authority's certificate | 4 map | 5 cluster key* } of an admission
//!         | 2 reason of a refusal
//! ```
//! Request and answer are records of the field codec: a later release may say more. A token's layout is fixed, because
//! a person carries it and each byte makes it longer; another layout gets another prefix.
//! A process that joins asks for a challenge first. Its certificate request is signed for the digest of all the rest of
//! the join request, the challenge included ([`JoinRequest::statement`]): what was sent once is of no use again, and no
//! part of it in another request.
//! Promises: a token names the authority, so that a process that joins knows that it talks to the cluster that
//! made the token, before it says the secret. Must not know: which processes may join.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use couronne_base::codec::table::{newtype, record};
use couronne_base::codec::{self, Corrupt};
use couronne_cluster::Role;
use couronne_ring::{DriveId, NodeId};
use thiserror::Error;
use zeroize::Zeroizing;

const PREFIX: &str = "couronne1-";

/// Drives of one node, at most.
const DRIVES_MAX: usize = 1024;

/// What an operator carries from the cluster to a new member. A secret: no `Debug`.
#[derive(Clone)]
pub struct JoinToken {
    /// Which token it is.
    pub id: u64,
    /// Proves that the cluster made it.
    pub secret: Zeroizing<[u8; 16]>,
    /// The SHA-256 of the authority's certificate.
    pub authority: [u8; 32],
    /// A member that is asked, as `host:port`.
    pub address: String,
}

/// The text is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("this is not a join token of this version; it is printed by `couronne cluster token create`")]
pub struct NotAToken;

impl JoinToken {
    /// The token as it is printed and pasted.
    pub fn text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new(self.id.to_be_bytes().to_vec());
        bytes.extend_from_slice(self.secret.as_slice());
        bytes.extend_from_slice(&self.authority);
        bytes.extend_from_slice(self.address.as_bytes());
        Zeroizing::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes.as_slice())))
    }

    /// Reads a token.
    pub fn parse(text: &str) -> Result<Self, NotAToken> {
        let encoded = text.trim().strip_prefix(PREFIX).ok_or(NotAToken)?;
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(encoded).map_err(|_| NotAToken)?);
        let (id, rest) = bytes.split_first_chunk::<8>().ok_or(NotAToken)?;
        let (secret, rest) = rest.split_first_chunk::<16>().ok_or(NotAToken)?;
        let (authority, address) = rest.split_first_chunk::<32>().ok_or(NotAToken)?;
        let address = std::str::from_utf8(address).map_err(|_| NotAToken)?.to_owned();
        if !address.contains(':') {
            return Err(NotAToken);
        }
        Ok(Self { id: u64::from_be_bytes(*id), secret: Zeroizing::new(*secret), authority: *authority, address })
    }
}

/// What a process that wants to join says. Has a secret: no `Debug`.
#[derive(Clone)]
pub struct JoinRequest {
    /// Its token.
    pub id: u64,
    /// The token's secret.
    pub secret: Zeroizing<[u8; 16]>,
    /// The role that it wants.
    pub role: Role,
    /// A request for a certificate, for a key that only it has, made for [`Self::statement`].
    pub request: Bytes,
    /// What operators call it.
    pub name: String,
    /// Where its peers will reach it; empty for a gateway.
    pub address: String,
    /// Its region.
    pub region: String,
    /// Its zone.
    pub zone: String,
    /// Its drives, with their weights.
    pub drives: Vec<(DriveId, u32)>,
    /// The challenge that it was given.
    pub challenge: Bytes,
}

/// What a new member is given.
#[derive(Clone, PartialEq, Eq)]
pub struct Admission {
    /// The new member's identity.
    pub node: NodeId,
    /// Its certificate.
    pub certificate: Bytes,
    /// The authority's certificate.
    pub authority: Bytes,
    /// The map, with the new member in it.
    pub map: Bytes,
    /// The keys of the cluster: for a storage node alone.
    pub cluster_keys: Vec<Bytes>,
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "admission of {}", self.node)
    }
}

/// Why a process was not admitted, in words.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("not admitted: {0}")]
pub struct NotAdmitted(pub String);

record! { JoinRequest { 1 id, 2 secret, 3 role, 4 request, 5 name, 6 address, 7 region, 8 zone, 9 drives, 10 challenge } }
record! { Admission { 1 node, 2 certificate, 3 authority, 4 map, 5 cluster_keys } }
newtype! { NotAdmitted }

impl JoinRequest {
    /// What the certificate request is signed for: the digest of the rest.
    pub fn statement(&self) -> [u8; 32] {
        let rest = Self { request: Bytes::new(), ..self.clone() };
        blake3::derive_key("couronne 2026 join request", &rest.encode())
    }

    /// The request's bytes.
    pub fn encode(&self) -> Bytes {
        codec::encode(self)
    }

    /// The request of these bytes.
    pub fn decode(bytes: Bytes) -> Result<Self, Corrupt> {
        let request: Self = codec::decode(&bytes)?;
        if request.drives.len() <= DRIVES_MAX { Ok(request) } else { Err(Corrupt("too many drives of one node")) }
    }
}

/// The bytes of an answer.
pub fn encode_answer(answer: &Result<Admission, NotAdmitted>) -> Bytes {
    codec::encode(answer)
}

/// The answer of these bytes.
pub fn decode_answer(bytes: Bytes) -> Result<Result<Admission, NotAdmitted>, Corrupt> {
    codec::decode(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_back_from_its_text_and_nothing_else_does() {
        let token = JoinToken {
            id: 7,
            secret: Zeroizing::new([3; 16]),
            authority: [9; 32],
            address: "127.0.0.1:9100".to_owned(),
        };
        let text = token.text();
        let again = JoinToken::parse(&format!(" {}\n", text.as_str())).ok().unwrap();
        assert_eq!((again.id, *again.secret, again.authority, again.address), (7, [3; 16], [9; 32], token.address));
        for text in ["", "couronne1-", "couronne2-AAAA", &text[..60]] {
            assert!(JoinToken::parse(text).is_err());
        }
    }
}
