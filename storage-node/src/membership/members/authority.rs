//! The cluster's certificate authority: its key, the certificates that it signs, and another authority in its place.
//!
//! Authorities stand in one row beside the map, by number; the map says which numbers count. A rotation that was cut off
//! anywhere goes on: an authority that the map does not name yet is taken by the next order, and the leader of the meta group
//! takes the steps that follow (`cluster/src/changes/authority/follow.rs`).
//! Promises: only members get certificates, each for its own key, which it has for life.
//! Must not know: how members come to trust an authority.

use std::sync::Arc;

use bytes::Bytes;
use couronne_base::codec;
use couronne_base::codec::table::record;
use couronne_base::seal::KeyName;
use couronne_cluster::changes::{self, AuthorityStep};
use couronne_cluster::map::{Authorities, ClusterMap};
use couronne_cluster::report::CertificateReport;
use couronne_cluster::{MapError, Role};
use couronne_protocol::net::certificates::{Authority, CertificateRequest, PrivateKey};
use couronne_ring::NodeId;

use super::sealed_rows::AUTHORITY_KEY;
use crate::error::NodeError;
use crate::membership::Membership;

/// Why nothing is signed before the founding node gave the cluster its authority.
const NO_AUTHORITY: &str = "this cluster has no certificate authority yet";

/// A certificate authority. A secret: no `Debug`.
#[derive(Clone)]
struct KeptAuthority {
    number: u64,
    /// The authority's own certificate, DER.
    certificate: Bytes,
    /// Its private key, PKCS #8.
    key: Bytes,
}

/// Those that count, and one that is to. A secret: no `Debug`.
#[derive(Default)]
struct KeptAuthorities {
    authorities: Vec<KeptAuthority>,
}

record! { KeptAuthority { 1 number, 2 certificate, 3 key } }
record! { KeptAuthorities { 1 authorities } }

impl KeptAuthority {
    fn of(number: u64, authority: &Authority, key: &PrivateKey) -> Self {
        let (certificate, key) = (authority.certificate(), key.as_pkcs8());
        Self { number, certificate: Bytes::copy_from_slice(certificate), key: Bytes::copy_from_slice(key) }
    }
}

impl KeptAuthorities {
    fn parse(row: Option<&Bytes>) -> Result<Self, NodeError> {
        row.map_or_else(|| Ok(Self::default()), |row| codec::decode(row).map_err(|error| failed(&error)))
    }

    fn find(&self, number: u64) -> Option<&KeptAuthority> {
        self.authorities.iter().find(|kept| kept.number == number)
    }

    /// Drops those that count no more.
    fn drop_older(&mut self, known: &Authorities) {
        let counts = |kept: &KeptAuthority| known.trusted.contains_key(&kept.number) || known.newest() < kept.number;
        self.authorities.retain(counts);
    }
}

impl Membership {
    /// The authority that signs, and its number.
    pub(super) async fn authority(&self) -> Result<(u64, Authority), NodeError> {
        let kept = self.read_authorities().await?;
        let (number, cluster) = (self.map().authorities.signing, self.map().cluster);
        let kept = kept.find(number).ok_or_else(|| NodeError::Map(NO_AUTHORITY.to_owned()))?;
        let key = PrivateKey::from_pkcs8(kept.key.to_vec());
        let authority = Authority::load(cluster, &kept.certificate, &key);
        Ok((number, authority.map_err(|error| failed(&error))?))
    }

    /// Has the cluster keep the authority that it was founded with, once.
    pub(super) async fn keep_authority(&self, authority: &Authority, key: &PrivateKey) -> Result<(), NodeError> {
        let first = self.kept_authority(1, || Ok(KeptAuthority::of(1, authority, key))).await?;
        let keep = |map: &mut ClusterMap| Ok(changes::keep_authority(map, &first.certificate));
        self.map_store.update(keep).await.map(drop)
    }

    /// Begins to have another authority take the place of the one that is, unless that is under way.
    pub async fn rotate_authority(&self) -> Result<(), NodeError> {
        let map = self.newest_map().await?;
        let authorities = &map.authorities;
        if authorities.is_rotating() {
            return Ok(());
        }
        if authorities.trusted.is_empty() {
            return Err(NodeError::Map(NO_AUTHORITY.to_owned()));
        }
        let (number, cluster) = (authorities.newest().saturating_add(1), map.cluster);
        let make = || {
            let (authority, key) = Authority::create(cluster, &self.env).map_err(|error| failed(&error))?;
            Ok(KeptAuthority::of(number, &authority, &key))
        };
        let next = self.kept_authority(number, make).await?;
        tracing::warn!(number, "another certificate authority is to take the place of the one that is");
        let begin = |map: &mut ClusterMap| Ok(changes::begin_rotation(map, number, &next.certificate));
        self.map_store.update(begin).await.map(drop)
    }

    /// Takes note of the step that a rotation made. The key of an authority that is believed no more is forgotten.
    pub(crate) async fn end_step(&self, step: AuthorityStep) {
        match step {
            AuthorityStep::Signs(number) => tracing::warn!(number, "the new certificate authority signs from now on"),
            AuthorityStep::Alone(number) => {
                tracing::warn!(number, "the old certificate authority is trusted no more");
                if let Err(error) = self.change_authorities(|_| Ok(())).await {
                    tracing::warn!(%error, "the key of the old certificate authority is forgotten by the next rotation");
                }
            }
        }
    }

    /// Has this authority alone count, and the storage nodes' keys be unknown, for all that was sealed beside the map is lost
    /// but to the cluster's key of this name. It may be done again.
    pub(super) async fn reset_authority(
        &self,
        authority: &Authority,
        key: &PrivateKey,
        cluster_key: KeyName,
    ) -> Result<(), NodeError> {
        let certificate = Bytes::copy_from_slice(authority.certificate());
        let number = changes::reset_number(&*self.newest_map().await?, &certificate);
        let kept = KeptAuthorities { authorities: vec![KeptAuthority::of(number, authority, key)] };
        self.overwrite_sealed(cluster_key, AUTHORITY_KEY, &codec::encode(&kept)).await?;
        let reset = |map: &mut ClusterMap| {
            changes::reset_trust(map, number, &certificate, cluster_key);
            Ok(true)
        };
        self.map_store.update(reset).await.map(drop)
    }

    /// Signs a certificate for a member that has one; its place, role and key stay as they are. A key that is unknown is the
    /// member's from now on.
    pub async fn renew(&self, node: NodeId, role: Role, request: &[u8]) -> Result<Bytes, NodeError> {
        let mut map = self.map();
        if !map.is_member(node, role) {
            return Err(NodeError::Map("this member is not in the map".to_owned()));
        }
        let proven = CertificateRequest::proven(request, b"").map_err(|error| failed(&error))?;
        let key = proven.node().map_err(|error| failed(&error))?;
        if !map.keys.knows(node) {
            let take = |map: &mut ClusterMap| Ok(!map.keys.knows(node) && map.keys.take(node, key));
            map = self.map_store.update(take).await?;
        }
        if !map.keys.takes(node, key) {
            return Err(NodeError::Map("a member has its key for life, and this is another one".to_owned()));
        }
        let (_, authority) = self.authority().await?;
        let signed = authority.sign(&proven, node, role, self.certificate_lifetime, &self.env);
        signed.map(Bytes::from).map_err(|error| failed(&error))
    }

    /// The certificate of the authority that signs.
    pub async fn authority_certificate(&self) -> Result<Bytes, NodeError> {
        Ok(Bytes::copy_from_slice(self.authority().await?.1.certificate()))
    }

    /// Has the map say that this node has another key, which gives this id. Only a node that is alone can lose its key and
    /// go on: nobody else has to be convinced.
    pub async fn take_key(&self, key: NodeId) -> Result<(), NodeError> {
        if !self.is_alone() {
            return Err(NodeError::Place("a member of several has its key for life".to_owned()));
        }
        self.map_store.update(|map| Ok(map.keys.take(self.id, key))).await.map(drop)
    }

    /// How this process stands to the authorities: its reports say so from now on.
    pub fn note_certificate(&self, certificate: CertificateReport) {
        *self.certificate.lock() = Some(certificate);
    }

    /// The map as the meta group has it.
    async fn newest_map(&self) -> Result<Arc<ClusterMap>, NodeError> {
        self.map_store.update(|_| Ok(false)).await
    }

    async fn read_authorities(&self) -> Result<KeptAuthorities, NodeError> {
        KeptAuthorities::parse(self.read_sealed(AUTHORITY_KEY).await?.value.as_ref())
    }

    /// The authority of this number: what was kept by an order that was cut off, or by another at the same time, else what
    /// `make` makes.
    async fn kept_authority(
        &self,
        number: u64,
        make: impl FnOnce() -> Result<KeptAuthority, NodeError>,
    ) -> Result<KeptAuthority, NodeError> {
        let made = match self.read_authorities().await?.find(number) {
            Some(kept) => return Ok(kept.clone()),
            None => make()?,
        };
        let add = |kept: &mut KeptAuthorities| {
            if let Some(kept) = kept.find(number) {
                return Ok(kept.clone());
            }
            kept.authorities.push(made.clone());
            Ok(made.clone())
        };
        self.change_authorities(add).await
    }

    /// Changes the row; `change` may be called several times. Authorities that count no more go with it.
    async fn change_authorities<T>(
        &self,
        mut change: impl FnMut(&mut KeptAuthorities) -> Result<T, NodeError>,
    ) -> Result<T, NodeError> {
        loop {
            let read = self.read_sealed(AUTHORITY_KEY).await?;
            let mut kept = KeptAuthorities::parse(read.value.as_ref())?;
            let changed = change(&mut kept)?;
            kept.drop_older(&self.map().authorities);
            if self.write_sealed(AUTHORITY_KEY, &read, &codec::encode(&kept)).await? {
                return Ok(changed);
            }
        }
    }
}

/// Refuses to have a member join with a certificate of an authority that does not sign any more.
pub(super) fn check_signing(map: &ClusterMap, number: u64) -> Result<(), MapError> {
    if map.authorities.signing == number { Ok(()) } else { Err(MapError::OldAuthority) }
}

fn failed(error: &dyn std::fmt::Display) -> NodeError {
    NodeError::Map(format!("certificate authority: {error}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn kept(number: u64) -> KeptAuthority {
        let (certificate, key) = (Bytes::from_static(b"certificate"), Bytes::from_static(b"key"));
        KeptAuthority { number, certificate, key }
    }

    /// The bytes of the row on disks: a change of these numbers is another format.
    #[test]
    fn the_row_is_encoded_as_fixed() {
        let row = codec::encode(&KeptAuthorities { authorities: vec![kept(1)] });
        assert_eq!(row, b"\x01\x01\x15\x01\x01\x01\x02\x0bcertificate\x03\x03key"[..]);
        let again = KeptAuthorities::parse(Some(&row)).unwrap();
        assert!(
            again.find(1).is_some_and(|found| (&found.certificate, &found.key) == (&kept(1).certificate, &kept(1).key))
        );
        assert!(again.find(2).is_none());
    }

    #[test]
    fn what_counts_no_more_is_dropped_and_what_is_to_count_stays() {
        let mut all = KeptAuthorities { authorities: (1..=4).map(kept).collect() };
        let trusted = BTreeMap::from([(2, Bytes::new()), (3, Bytes::new())]);
        all.drop_older(&Authorities { trusted, signing: 2 });
        assert_eq!(all.authorities.iter().map(|kept| kept.number).collect::<Vec<_>>(), [2, 3, 4]);
        all.drop_older(&Authorities::default());
        assert_eq!(all.authorities.len(), 3, "the map names none yet");
    }
}
