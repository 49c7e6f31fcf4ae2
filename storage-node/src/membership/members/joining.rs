//! New members: tokens, certificates, and their place in the map.
//!
//! The authority's key and the tokens are sealed rows beside the map, so any storage node can admit a member
//! as long as the meta group answers. A storage node is given the cluster's key with its admission, a gateway is not. A member is named by its key: one that asks again, for the answer to its request
//! was lost, is admitted as the same member.
//! Promises: without a live token that has a place left nobody gets a certificate; a request that was made once is of no
//! use to anybody else, nor later; one that is refused changes nothing; private keys stay where they were made.
//! Must not know: how tokens reach a new process.

use std::time::Duration;

use bytes::Bytes;
use couronne_cluster::Role;
use couronne_cluster::changes;
use couronne_cluster::map::{ClusterMap, MapNode};
use couronne_protocol::join::{Admission, JoinRequest, JoinToken, NotAdmitted};
use couronne_protocol::net::certificates::{Authority, CertificateRequest, PrivateKey};
use couronne_ring::{RegionName, ZoneName};
use tokio::time::sleep;
use zeroize::Zeroizing;

use super::authority::check_signing;
use super::sealed_rows::{SECRETS_KEY, SealedRow, TOKENS_KEY};
use super::tokens::{self, TokenPlan, TokenRow, TokenStore};
use crate::error::NodeError;
use crate::membership::Membership;

/// The pause before a name and address that were not taken are given again.
const PLACE_AGAIN: Duration = Duration::from_millis(200);

/// Why a token admits nobody.
const NO_TOKEN: &str = "the token is unknown, for another role, was revoked, has run out, has admitted as many as it may, \
                        or was made before the cluster's certificate authority was changed";

impl Membership {
    /// Makes a token with which processes join.
    pub async fn make_token(&self, plan: TokenPlan) -> Result<JoinToken, NodeError> {
        plan.check()?;
        let map = self.map();
        let own = map.nodes.get(&self.id).filter(|node| !node.address.is_empty());
        let alone = "this server runs alone, and nobody can reach it to join: stop it, and start its folder with \
                     `couronne storage-node`";
        let own = own.ok_or_else(|| NodeError::Place(alone.to_owned()))?;
        let (number, authority) = self.authority().await?;
        let id = u64::from_be_bytes(self.env.random_bytes());
        let secret = Zeroizing::new(self.env.random_bytes::<16>());
        let TokenPlan { role, lifetime, joins_max } = plan;
        let lifetime_ms = u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX);
        let expires_ms = self.env.clock.wall_ms().saturating_add(lifetime_ms);
        let hash = tokens::hash(secret.as_slice());
        let joined = Vec::new();
        self.tokens().add(&TokenRow { id, hash, role, expires_ms, joins_max, joined, authority: number }).await?;
        Ok(JoinToken { id, secret, authority: authority.fingerprint().0, address: own.address.to_string() })
    }

    /// The tokens that are live.
    pub async fn list_tokens(&self) -> Result<Vec<TokenRow>, NodeError> {
        self.tokens().list().await
    }

    /// Revokes a token: it admits nobody any more. Whether there was one.
    pub async fn revoke_token(&self, id: u64) -> Result<bool, NodeError> {
        self.tokens().revoke(id).await
    }

    fn tokens(&self) -> TokenStore<'_> {
        TokenStore { rows: self, now_ms: self.env.clock.wall_ms(), signing: self.map().authorities.signing }
    }

    /// What a process that joins has to sign along.
    pub(crate) fn challenge(&self) -> Bytes {
        self.challenges.give()
    }

    /// Admits a new member, or says why not. Where it is refused nothing is changed.
    pub(crate) async fn admit(&self, request: JoinRequest) -> Result<Admission, NotAdmitted> {
        let refused = |error: &dyn std::fmt::Display| NotAdmitted(error.to_string());
        let proven =
            CertificateRequest::proven(&request.request, &request.statement()).map_err(|error| refused(&error))?;
        let node = proven.node().map_err(|error| refused(&error))?;
        let place = MapNode {
            role: request.role,
            name: request.name.as_str().into(),
            address: request.address.as_str().into(),
            region: RegionName(request.region.as_str().into()),
            zone: ZoneName(request.zone.as_str().into()),
        };
        let token = (request.id, &tokens::hash(request.secret.as_slice()));
        let took_place = self.tokens().take_place(token, request.role, node).await.map_err(|error| refused(&error))?;
        let took_place = took_place.ok_or_else(|| NotAdmitted(NO_TOKEN.to_owned()))?;
        let admitted = async {
            // Only now: what an unjoined process says takes no place among the challenges that were used.
            if !self.challenges.take(&request.challenge) {
                return Err(NotAdmitted("the request to join is too old, or was made before: try again".to_owned()));
            }
            let (number, authority) = self.authority().await.map_err(|error| refused(&error))?;
            let certificate = authority.sign(&proven, node, request.role, self.certificate_lifetime, &self.env);
            let certificate = certificate.map_err(|error| refused(&error))?;
            let join = |map: &mut ClusterMap| {
                check_signing(map, number)?;
                changes::join(map, node, place.clone(), &request.drives).map(|()| true)
            };
            let map = self.map_store.update(join).await.map_err(|error| refused(&error))?;
            let authority = Bytes::copy_from_slice(authority.certificate());
            let keys = match request.role {
                Role::StorageNode => self.cluster_keys.named_by(map.cluster_key),
                Role::Gateway | Role::Unjoined => Vec::new(),
            };
            let cluster_keys = keys.iter().map(|key| Bytes::copy_from_slice(key.expose())).collect();
            Ok(Admission { node, certificate: certificate.into(), authority, map: map.encode(), cluster_keys })
        };
        let admitted = admitted.await;
        match &admitted {
            Ok(_) => tracing::info!(%node, name = request.name, "a member joined"),
            Err(_) if took_place => {
                if let Err(error) = self.tokens().give_back(request.id, node).await {
                    tracing::warn!(%error, "a token has a place less than it might");
                }
            }
            Err(_) => {}
        }
        admitted
    }

    /// What the founding node keeps beside the map for gateways, opaque here; `None` if it kept nothing.
    pub async fn secrets(&self) -> Result<Option<Bytes>, NodeError> {
        Ok(self.read_sealed(SECRETS_KEY).await?.value)
    }

    /// Keeps the founding node's secrets and the authority, once.
    pub async fn keep_secrets(&self, secrets: Bytes, authority: &Authority, key: &PrivateKey) -> Result<(), NodeError> {
        // A row that is there was kept by the same founding node, which was cut off.
        let read = self.read_sealed(SECRETS_KEY).await?;
        if read.value.is_none() {
            self.write_sealed(SECRETS_KEY, &read, &secrets).await?;
        }
        self.keep_authority(authority, key).await
    }

    /// Has these secrets and this authority take the place of those that the cluster keeps, if no key here opens those.
    /// Whether it did. The secrets come last: as long as they do not open all is done again.
    pub(crate) async fn reset_secrets(
        &self,
        secrets: Bytes,
        authority: &Authority,
        key: &PrivateKey,
    ) -> Result<bool, NodeError> {
        match self.read_sealed(SECRETS_KEY).await {
            Ok(SealedRow { value: None, .. }) | Err(NodeError::NoClusterKey) => {}
            found => return found.map(|_| false),
        }
        let name = self.cluster_keys.names().last().copied().ok_or(NodeError::NoClusterKey)?;
        self.overwrite_sealed(name, TOKENS_KEY, &[]).await?;
        self.reset_authority(authority, key, name).await?;
        self.overwrite_sealed(name, SECRETS_KEY, &secrets).await?;
        self.announce_secrets().await?;
        Ok(true)
    }

    /// Changes the secrets: `change` makes others of those that there are, and may be called several times. Every member
    /// is told by the map.
    pub async fn change_secrets<E: From<NodeError>>(
        &self,
        mut change: impl FnMut(&Bytes) -> Result<Bytes, E>,
    ) -> Result<(), E> {
        loop {
            let absent = || NodeError::Map("this cluster has no secrets".to_owned());
            let read = self.read_sealed(SECRETS_KEY).await?;
            let secrets = change(read.value.as_ref().ok_or_else(absent)?)?;
            if self.write_sealed(SECRETS_KEY, &read, &secrets).await? {
                break;
            }
        }
        Ok(self.announce_secrets().await?)
    }

    /// Has every member be told the secrets again.
    async fn announce_secrets(&self) -> Result<(), NodeError> {
        let announce = |map: &mut ClusterMap| {
            map.announce_secrets();
            Ok(true)
        };
        self.map_store.update(announce).await.map(drop)
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
}
