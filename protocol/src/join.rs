//! How a process becomes a member: what its token says, what it asks, what it is given.
//!
//! ```text
//! token   = "couronne1-" | base64 (URL alphabet) of: id u64 | secret 16 bytes | authority's fingerprint 32 bytes | address
//! request = version 1 u8 | id u64 | secret | role u8 | certificate request | name | address | region | zone
//!           | drives: count { drive u128 | weight u32 }
//! answer  = version 1 u8 | 1 u8 | node u128 | certificate | authority's certificate | map
//!         | version 1 u8 | 0 u8 | reason
//! ```
//! Promises: a token names the authority, so that whoever joins knows that it talks to the cluster that
//! made the token, before it says the secret. Must not know: who may join.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::{BufMut, Bytes};
use couronne_ring::{DriveId, NodeId};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::transport::Role;
use couronne_base::fixed::{Malformed, Reader, put_count, put_string};

const PREFIX: &str = "couronne1-";
const VERSION: u8 = 1;

/// Drives of one node, at most.
const DRIVES_MAX: usize = 1024;

/// The longest name of a member, region or zone, in bytes.
const NAME_BYTES_MAX: usize = 63;

/// Whether a text can be the name of a member, a region or a zone.
pub fn is_member_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= NAME_BYTES_MAX
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

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
#[error("this is not a join token of this version; it is printed by `couronne cluster token`")]
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
pub struct JoinRequest {
    /// Its token.
    pub id: u64,
    /// The token's secret.
    pub secret: Zeroizing<[u8; 16]>,
    /// What it wants to be.
    pub role: Role,
    /// A request for a certificate, for a key that only it has.
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
}

/// What a new member is given.
#[derive(Clone, PartialEq, Eq)]
pub struct Admission {
    /// Who it is from now on.
    pub node: NodeId,
    /// Its certificate.
    pub certificate: Bytes,
    /// The authority's.
    pub authority: Bytes,
    /// The map, with the new member in it.
    pub map: Bytes,
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

impl JoinRequest {
    /// The request's bytes.
    pub fn encode(&self) -> Bytes {
        let mut out = vec![VERSION];
        out.put_u64(self.id);
        out.extend_from_slice(self.secret.as_slice());
        out.put_u8(role_number(self.role));
        put_string(&mut out, &self.request);
        for text in [&self.name, &self.address, &self.region, &self.zone] {
            put_string(&mut out, text.as_bytes());
        }
        put_count(&mut out, self.drives.len());
        for (drive, weight) in &self.drives {
            out.put_u128(drive.0);
            out.put_u32(*weight);
        }
        out.into()
    }

    /// The request of these bytes.
    pub fn decode(mut bytes: Bytes) -> Result<Self, Malformed> {
        let mut reader = Reader::new(&mut bytes, "join request");
        if reader.u8()? != VERSION {
            return Err(reader.malformed());
        }
        let id = reader.u64()?;
        let secret = Zeroizing::new(reader.u128()?.to_be_bytes());
        let role = match reader.u8()? {
            1 => Role::StorageNode,
            2 => Role::Gateway,
            _ => return Err(reader.malformed()),
        };
        let request = reader.string()?;
        let (name, address) = (reader.text()?, reader.text()?);
        let (region, zone) = (reader.text()?, reader.text()?);
        let count = reader.count(20)?;
        if count > DRIVES_MAX {
            return Err(reader.malformed());
        }
        let drives = (0..count).map(|_| Ok((DriveId(reader.u128()?), reader.u32()?)));
        let drives = drives.collect::<Result<_, Malformed>>()?;
        Ok(Self { id, secret, role, request, name, address, region, zone, drives })
    }
}

/// The bytes of an answer.
pub fn encode_answer(answer: &Result<Admission, NotAdmitted>) -> Bytes {
    let mut out = vec![VERSION, u8::from(answer.is_ok())];
    match answer {
        Ok(Admission { node, certificate, authority, map }) => {
            out.put_u128(node.0);
            [certificate, authority, map].into_iter().for_each(|bytes| put_string(&mut out, bytes));
        }
        Err(NotAdmitted(reason)) => put_string(&mut out, reason.as_bytes()),
    }
    out.into()
}

/// The answer of these bytes.
pub fn decode_answer(mut bytes: Bytes) -> Result<Result<Admission, NotAdmitted>, Malformed> {
    let mut reader = Reader::new(&mut bytes, "answer to a join request");
    if reader.u8()? != VERSION {
        return Err(reader.malformed());
    }
    if !reader.flag()? {
        return Ok(Err(NotAdmitted(reader.text()?)));
    }
    let node = NodeId(reader.u128()?);
    let (certificate, authority, map) = (reader.string()?, reader.string()?, reader.string()?);
    Ok(Ok(Admission { node, certificate, authority, map }))
}

const fn role_number(role: Role) -> u8 {
    match role {
        Role::StorageNode => 1,
        Role::Gateway => 2,
        Role::Stranger => 0,
    }
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

    #[test]
    fn requests_and_answers_come_back_and_no_prefix_does() {
        let request = JoinRequest {
            id: 1,
            secret: Zeroizing::new([2; 16]),
            role: Role::StorageNode,
            request: Bytes::from_static(b"request"),
            name: "n1".to_owned(),
            address: "127.0.0.1:1".to_owned(),
            region: "r".to_owned(),
            zone: "z".to_owned(),
            drives: vec![(DriveId(5), 100)],
        };
        let bytes = request.encode();
        assert_eq!(JoinRequest::decode(bytes.clone()).ok().unwrap().encode(), bytes);
        for len in 0..bytes.len() {
            assert!(JoinRequest::decode(bytes.slice(..len)).is_err());
        }
        let admission = Admission {
            node: NodeId(4),
            certificate: Bytes::from_static(b"certificate"),
            authority: Bytes::from_static(b"authority"),
            map: Bytes::from_static(b"map"),
        };
        for answer in [Ok(admission), Err(NotAdmitted("no".to_owned()))] {
            assert_eq!(decode_answer(encode_answer(&answer)), Ok(answer));
        }
    }
}
