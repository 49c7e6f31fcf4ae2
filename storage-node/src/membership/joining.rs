//! New members: tokens, certificates, and their place in the map.
//!
//! The authority's key and the tokens are rows beside the map, so any storage node can admit a member
//! as long as the map's group answers. A member is named by its key: a repeat of a request whose answer
//! was lost admits the same member again.
//! Promises: without a live token nobody gets a certificate; the token's secret is never kept, only its
//! hash; private keys stay where they were made.
//! Must not know: who carries tokens.

use std::time::Duration;

use bytes::{BufMut, Bytes};
use couronne_base::fixed::{Malformed, Reader, put_string};
use couronne_metadata::command::Expect;
use couronne_protocol::join::{Admission, JoinRequest, JoinToken, NotAdmitted};
use couronne_protocol::map::{MapNode, MapState, StoredDrive};
use couronne_protocol::net::certificates::{Authority, PrivateKey, node_of_request};
use couronne_protocol::transport::Role;
use couronne_ring::{NodeId, RegionName, WEIGHT_MAX, ZoneName};
use zeroize::Zeroizing;

use super::Membership;
use crate::error::NodeError;

const AUTHORITY_KEY: &[u8] = b"authority";
const SECRETS_KEY: &[u8] = b"secrets";
const VERSION: u8 = 1;

/// The longest name of a member, region or zone, in bytes.
const NAME_BYTES_MAX: usize = 63;

/// What the cluster knows of a token.
struct TokenRow {
    hash: [u8; 32],
    role: Role,
    expires_ms: u64,
}

impl TokenRow {
    fn encode(&self) -> Bytes {
        let mut row = vec![VERSION, if self.role == Role::Gateway { 2 } else { 1 }];
        row.put_u64(self.expires_ms);
        row.extend_from_slice(&self.hash);
        row.into()
    }

    fn decode(mut row: Bytes) -> Result<Self, Malformed> {
        let mut reader = Reader::new(&mut row, "token row");
        if reader.u8()? != VERSION {
            return Err(reader.malformed());
        }
        let role = match reader.u8()? {
            1 => Role::StorageNode,
            2 => Role::Gateway,
            _ => return Err(reader.malformed()),
        };
        let expires_ms = reader.u64()?;
        let hash = [reader.u128()?.to_be_bytes(), reader.u128()?.to_be_bytes()].concat();
        let hash = hash.try_into().map_err(|_| reader.malformed())?;
        Ok(Self { hash, role, expires_ms })
    }
}

impl Membership {
    /// Makes a token with which processes of a role can join for a while.
    pub async fn make_token(&self, role: Role, lifetime: Duration) -> Result<JoinToken, NodeError> {
        let authority = self.authority().await?;
        let map = self.map();
        let own = map.nodes.get(&self.id).filter(|node| !node.address.is_empty());
        let own = own.ok_or_else(|| NodeError::Map("this node has no address for peers".to_owned()))?;
        let id = u64::from_be_bytes(self.env.random_bytes());
        let secret = Zeroizing::new(self.env.random_bytes::<16>());
        let lifetime_ms = u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX);
        let expires_ms = self.env.clock.wall_ms().saturating_add(lifetime_ms);
        let row = TokenRow { hash: hash(secret.as_slice()), role, expires_ms };
        if self.map_store.write_row(&token_key(id), Expect::Absent, Some(row.encode())).await?.is_none() {
            return Err(NodeError::Map("the token's number is taken".to_owned()));
        }
        Ok(JoinToken { id, secret, authority: authority.fingerprint().0, address: own.address.to_string() })
    }

    /// Admits a new member, or says why not.
    pub(crate) async fn admit(&self, request: JoinRequest) -> Result<Admission, NotAdmitted> {
        let refused = |error: &dyn std::fmt::Display| NotAdmitted(error.to_string());
        let row = self.map_store.read_row(&token_key(request.id)).await.map_err(|error| refused(&error))?;
        let token = row.and_then(|row| TokenRow::decode(row.value).ok());
        let now_ms = self.env.clock.wall_ms();
        // Hashes are compared: how long that takes says nothing of the secret.
        let is_live = token.is_some_and(|token| {
            token.hash == hash(request.secret.as_slice()) && token.role == request.role && now_ms < token.expires_ms
        });
        if !is_live {
            return Err(NotAdmitted("the token is unknown, for another role, or has run out".to_owned()));
        }
        check_names(&request)?;
        let authority = self.authority().await.map_err(|error| refused(&error))?;
        let node = node_of_request(&request.request).map_err(|error| refused(&error))?;
        let certificate = authority
            .sign(&request.request, node, request.role, self.certificate_lifetime, &self.env)
            .map_err(|error| refused(&error))?;
        let mut why = None;
        let map = self
            .map_store
            .update(|map| {
                why = enter(map, node, &request).err();
                Ok(why.is_none())
            })
            .await
            .map_err(|error| refused(&error))?;
        if let Some(why) = why {
            return Err(NotAdmitted(why));
        }
        tracing::info!(%node, name = request.name, "a member joined");
        let authority = Bytes::copy_from_slice(authority.certificate());
        Ok(Admission { node, certificate: certificate.into(), authority, map: map.encode() })
    }

    /// Signs a member's new key; its place and role stay as they are.
    pub(crate) async fn renew(&self, node: NodeId, role: Role, request: &[u8]) -> Result<Bytes, NodeError> {
        if self.map().nodes.get(&node).is_none_or(|known| known.role != role) {
            return Err(NodeError::Map("this member is not in the map".to_owned()));
        }
        let lifetime = self.certificate_lifetime;
        let signed = self.authority().await?.sign(request, node, role, lifetime, &self.env);
        signed.map(Bytes::from).map_err(|error| NodeError::Map(error.to_string()))
    }

    /// What the founder keeps beside the map for gateways, opaque here; `None` if it kept nothing.
    pub async fn secrets(&self) -> Result<Option<Bytes>, NodeError> {
        Ok(self.map_store.read_row(SECRETS_KEY).await?.map(|row| row.value))
    }

    /// Keeps the founder's secrets and the authority, once.
    pub async fn keep_secrets(&self, secrets: Bytes, authority: &Authority, key: &PrivateKey) -> Result<(), NodeError> {
        let mut row = vec![VERSION];
        put_string(&mut row, authority.certificate());
        put_string(&mut row, key.as_pkcs8());
        // What is there was kept by an earlier try of the same founder.
        self.map_store.write_row(SECRETS_KEY, Expect::Absent, Some(secrets)).await?;
        self.map_store.write_row(AUTHORITY_KEY, Expect::Absent, Some(row.into())).await?;
        Ok(())
    }

    async fn authority(&self) -> Result<Authority, NodeError> {
        let absent = || NodeError::Map("this cluster has no authority".to_owned());
        let mut row = self.map_store.read_row(AUTHORITY_KEY).await?.ok_or_else(absent)?.value;
        let failed = |error: &dyn std::fmt::Display| NodeError::Map(format!("authority: {error}"));
        let mut reader = Reader::new(&mut row, "authority row");
        if reader.u8().map_err(|error| failed(&error))? != VERSION {
            return Err(absent());
        }
        let certificate = reader.string().map_err(|error| failed(&error))?;
        let key = PrivateKey::from_pkcs8(reader.string().map_err(|error| failed(&error))?.to_vec());
        Authority::load(self.map().cluster, &certificate, &key).map_err(|error| failed(&error))
    }
}

/// Gives a member its place in the map; the same member again changes nothing but its address.
fn enter(map: &mut MapState, id: NodeId, request: &JoinRequest) -> Result<(), String> {
    let name = request.name.as_str();
    if map.nodes.iter().any(|(other, node)| *other != id && &*node.name == name) {
        return Err(format!("the name {name} is taken"));
    }
    let is_storage = request.role == Role::StorageNode;
    if is_storage && map.formation.is_none() && !map.nodes.contains_key(&id) {
        return Err("the cluster is formed; its storage nodes are fixed".to_owned());
    }
    let node = MapNode {
        role: request.role,
        name: name.into(),
        address: request.address.as_str().into(),
        region: RegionName(request.region.as_str().into()),
        zone: ZoneName(request.zone.as_str().into()),
    };
    map.nodes.insert(id, node);
    for (drive, weight) in request.drives.iter().filter(|_| is_storage) {
        if map.drives.get(drive).is_some_and(|known| known.node != id) {
            return Err("a drive of it belongs to another node".to_owned());
        }
        map.drives.entry(*drive).or_insert(StoredDrive::new(id, (*weight).clamp(1, WEIGHT_MAX)));
    }
    Ok(())
}

fn check_names(request: &JoinRequest) -> Result<(), NotAdmitted> {
    let is_name = |text: &str| {
        !text.is_empty()
            && text.len() <= NAME_BYTES_MAX
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    };
    if ![&request.name, &request.region, &request.zone].into_iter().all(|text| is_name(text)) {
        let rule = "names of members, regions and zones are 1 to 63 letters, digits, hyphens, underscores and dots";
        return Err(NotAdmitted(rule.to_owned()));
    }
    let is_storage = request.role == Role::StorageNode;
    if is_storage && (request.drives.is_empty() || !request.address.contains(':') || request.address.len() > 300) {
        return Err(NotAdmitted("a storage node has drives, and an address where its peers reach it".to_owned()));
    }
    Ok(())
}

fn token_key(id: u64) -> Vec<u8> {
    format!("token/{id:016x}").into_bytes()
}

fn hash(secret: &[u8]) -> [u8; 32] {
    blake3::derive_key("couronne 2026 join token", secret)
}
