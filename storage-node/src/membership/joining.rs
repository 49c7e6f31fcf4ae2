//! New members: tokens, certificates, and their place in the map.
//!
//! The authority's key and the tokens are rows beside the map, so any storage node can admit a member
//! as long as the meta group answers. A member is named by its key: a repeat of a request whose answer
//! was lost admits the same member again.
//! Promises: without a live token nobody gets a certificate; the token's secret is never kept, only its
//! hash; private keys stay where they were made.
//! Must not know: how tokens reach a new process.

use std::time::Duration;

use bytes::Bytes;
use couronne_base::codec;
use couronne_base::codec::table::record;
use couronne_cluster::Role;
use couronne_cluster::changes;
use couronne_cluster::map::MapNode;
use couronne_metadata::command::Expect;
use couronne_protocol::join::{Admission, JoinRequest, JoinToken, NotAdmitted};
use couronne_protocol::net::certificates::{Authority, PrivateKey, node_of_request};
use couronne_ring::{NodeId, RegionName, ZoneName};
use tokio::time::sleep;
use zeroize::Zeroizing;

use super::Membership;
use crate::error::NodeError;

/// The pause before a name and address that were not taken are given again.
const PLACE_AGAIN: Duration = Duration::from_millis(200);

const AUTHORITY_KEY: &[u8] = b"authority";
const SECRETS_KEY: &[u8] = b"secrets";

/// What the cluster keeps of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
struct TokenRow {
    /// The hash of the token's secret.
    hash: [u8; 32],
    /// The role of the members that join with it.
    role: Role,
    /// Wall clock from which on the token admits nobody, in milliseconds since 1970.
    expires_ms: u64,
}

/// The cluster's certificate authority. A secret: no `Debug`.
struct AuthorityRow {
    /// The authority's own certificate, DER.
    certificate: Bytes,
    /// Its private key, PKCS #8.
    key: Bytes,
}

record! { TokenRow { 1 hash, 2 role, 3 expires_ms } }
record! { AuthorityRow { 1 certificate, 2 key } }

impl Membership {
    /// Makes a token with which processes of a role can join for a while.
    pub async fn make_token(&self, role: Role, lifetime: Duration) -> Result<JoinToken, NodeError> {
        let map = self.map();
        let own = map.nodes.get(&self.id).filter(|node| !node.address.is_empty());
        let alone = "this server runs alone, and nobody can reach it to join: stop it, and start its folder with \
                     `couronne storage-node`";
        let own = own.ok_or_else(|| NodeError::Place(alone.to_owned()))?;
        let authority = self.authority().await?;
        let id = u64::from_be_bytes(self.env.random_bytes());
        let secret = Zeroizing::new(self.env.random_bytes::<16>());
        let lifetime_ms = u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX);
        let expires_ms = self.env.clock.wall_ms().saturating_add(lifetime_ms);
        let row = TokenRow { hash: hash(secret.as_slice()), role, expires_ms };
        if self.map_store.write_row(&token_key(id), Expect::Absent, Some(codec::encode(&row))).await?.is_none() {
            return Err(NodeError::Map("the token's number is taken".to_owned()));
        }
        Ok(JoinToken { id, secret, authority: authority.fingerprint().0, address: own.address.to_string() })
    }

    /// Admits a new member, or says why not.
    pub(crate) async fn admit(&self, request: JoinRequest) -> Result<Admission, NotAdmitted> {
        let refused = |error: &dyn std::fmt::Display| NotAdmitted(error.to_string());
        let row = self.map_store.read_row(&token_key(request.id)).await.map_err(|error| refused(&error))?;
        let token = row.and_then(|row| codec::decode::<TokenRow>(&row.value).ok());
        let now_ms = self.env.clock.wall_ms();
        // Hashes are compared: how long that takes says nothing of the secret.
        let is_live = token.is_some_and(|token| {
            token.hash == hash(request.secret.as_slice()) && token.role == request.role && now_ms < token.expires_ms
        });
        if !is_live {
            return Err(NotAdmitted("the token is unknown, for another role, or has run out".to_owned()));
        }
        let authority = self.authority().await.map_err(|error| refused(&error))?;
        let node = node_of_request(&request.request).map_err(|error| refused(&error))?;
        let certificate = authority
            .sign(&request.request, node, request.role, self.certificate_lifetime, &self.env)
            .map_err(|error| refused(&error))?;
        let place = MapNode {
            role: request.role,
            name: request.name.as_str().into(),
            address: request.address.as_str().into(),
            region: RegionName(request.region.as_str().into()),
            zone: ZoneName(request.zone.as_str().into()),
        };
        let joined =
            self.map_store.update(|map| changes::join(map, node, place.clone(), &request.drives).map(|()| true));
        let map = joined.await.map_err(|error| refused(&error))?;
        tracing::info!(%node, name = request.name, "a member joined");
        let authority = Bytes::copy_from_slice(authority.certificate());
        Ok(Admission { node, certificate: certificate.into(), authority, map: map.encode() })
    }

    /// Signs a member's new key; its place and role stay as they are.
    pub async fn renew(&self, node: NodeId, role: Role, request: &[u8]) -> Result<Bytes, NodeError> {
        if self.map().nodes.get(&node).is_none_or(|known| known.role != role) {
            return Err(NodeError::Map("this member is not in the map".to_owned()));
        }
        let lifetime = self.certificate_lifetime;
        let signed = self.authority().await?.sign(request, node, role, lifetime, &self.env);
        signed.map(Bytes::from).map_err(|error| NodeError::Map(error.to_string()))
    }

    /// The certificate of the cluster's authority.
    pub async fn authority_certificate(&self) -> Result<Bytes, NodeError> {
        Ok(Bytes::copy_from_slice(self.authority().await?.certificate()))
    }

    /// What the founding node keeps beside the map for gateways, opaque here; `None` if it kept nothing.
    pub async fn secrets(&self) -> Result<Option<Bytes>, NodeError> {
        Ok(self.map_store.read_row(SECRETS_KEY).await?.map(|row| row.value))
    }

    /// Keeps the founding node's secrets and the authority, once.
    pub async fn keep_secrets(&self, secrets: Bytes, authority: &Authority, key: &PrivateKey) -> Result<(), NodeError> {
        let row = AuthorityRow {
            certificate: Bytes::copy_from_slice(authority.certificate()),
            key: Bytes::copy_from_slice(key.as_pkcs8()),
        };
        // Rows that are there were kept by the same founding node, which was cut off.
        self.map_store.write_row(SECRETS_KEY, Expect::Absent, Some(secrets)).await?;
        self.map_store.write_row(AUTHORITY_KEY, Expect::Absent, Some(codec::encode(&row))).await?;
        Ok(())
    }

    /// Keeps other secrets in the place of those that there are.
    pub async fn change_secrets(&self, secrets: Bytes) -> Result<(), NodeError> {
        let absent = || NodeError::Map("this cluster has no secrets".to_owned());
        let version = self.map_store.read_row(SECRETS_KEY).await?.ok_or_else(absent)?.version;
        let written = self.map_store.write_row(SECRETS_KEY, Expect::Version(version), Some(secrets)).await?;
        written.map(drop).ok_or_else(|| NodeError::Map("the secrets were changed at the same time".to_owned()))
    }

    /// Gives this node the name, address, region and zone with which it was started, if the map has others.
    /// Waits for the meta group as long as it takes.
    pub async fn take_place(&self, place: &MapNode) -> Result<(), NodeError> {
        if self.map().nodes.get(&self.id) == Some(place) {
            return Ok(());
        }
        loop {
            let moved = self.map_store.update(|map| {
                changes::relocate(map, self.id, place)?;
                Ok(true)
            });
            match moved.await {
                Err(NodeError::Map(reason)) if !self.is_alone() && !self.stop.is_stopping() => {
                    tracing::warn!(reason, "the cluster map does not take this node's name and address yet");
                    sleep(PLACE_AGAIN).await;
                }
                moved => return moved.map(drop),
            }
        }
    }

    async fn authority(&self) -> Result<Authority, NodeError> {
        let absent = || NodeError::Map("this cluster has no authority".to_owned());
        let row = self.map_store.read_row(AUTHORITY_KEY).await?.ok_or_else(absent)?.value;
        let failed = |error: &dyn std::fmt::Display| NodeError::Map(format!("authority: {error}"));
        let row: AuthorityRow = codec::decode(&row).map_err(|error| failed(&error))?;
        let key = PrivateKey::from_pkcs8(row.key.to_vec());
        Authority::load(self.map().cluster, &row.certificate, &key).map_err(|error| failed(&error))
    }
}

fn token_key(id: u64) -> Vec<u8> {
    format!("token/{id:016x}").into_bytes()
}

fn hash(secret: &[u8]) -> [u8; 32] {
    blake3::derive_key("couronne 2026 join token", secret)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The bytes of the rows on disks: a change of these numbers is another format.
    #[test]
    fn rows_are_encoded_as_fixed() {
        let token = TokenRow { hash: [7; 32], role: Role::Gateway, expires_ms: 300 };
        let row = codec::encode(&token);
        assert_eq!(row, [&[1, 1, 32][..], &[7; 32], &[2, 1, 2, 3, 2, 0xac, 2]].concat());
        assert_eq!(codec::decode(&row), Ok(token));
        let authority =
            AuthorityRow { certificate: Bytes::from_static(b"certificate"), key: Bytes::from_static(b"key") };
        let row = codec::encode(&authority);
        assert_eq!(row, b"\x01\x01\x0bcertificate\x02\x03key"[..]);
        let again: AuthorityRow = codec::decode(&row).unwrap();
        assert_eq!((again.certificate, again.key), (authority.certificate, authority.key));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn rows_come_back_and_a_row_cut_off_does_not(hash: [u8; 32], gateway: bool, expires_ms: u64) {
            let role = if gateway { Role::Gateway } else { Role::StorageNode };
            let token = TokenRow { hash, role, expires_ms };
            let row = codec::encode(&token);
            for len in 0..row.len() {
                prop_assert!(codec::decode::<TokenRow>(&row.slice(..len)).is_err());
            }
            prop_assert_eq!(codec::decode(&row), Ok(token));
        }
    }
}
