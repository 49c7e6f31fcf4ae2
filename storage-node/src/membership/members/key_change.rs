//! How the cluster's key gives way to another one, and how a storage node gets those that it lacks.
//!
//! ```text
//! the map says that one is due  >  made here  >  most storage nodes keep it  >  the map names it  >  every row is sealed by
//! it  >  the map names no other  >  each node drops the others
//! ```
//! Each step can be cut off, and be gone on with by any storage node that leads the meta group. A node gives away only what
//! its own map names: the map that names a key was made after the member had been expelled for which the key was made.
//! Promises: no row is sealed by a key that fewer than most storage nodes keep, nor by one that another node made; one that was
//! expelled is given none that seals afterwards.
//! Must not know: what the rows say.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use couronne_base::codec;
use couronne_base::codec::table::record;
use couronne_base::seal::KeyName;
use couronne_cluster::map::ClusterMap;
use couronne_protocol::transport::{Message, Method};
use couronne_ring::NodeId;
use futures_util::future::join_all;
use tokio::time::timeout;

use super::cluster_keys::ClusterKey;
use super::sealed_rows::SEALED_ROWS;
use crate::error::NodeError;
use crate::membership::Membership;
use crate::rounds::Rounds;

/// How long a node may take to keep a key, or to give those that it has.
const ANSWER_WAIT: Duration = Duration::from_secs(5);

/// How often is looked whether there is anything to do.
const ROUND: Duration = Duration::from_secs(1);

/// Keys on their way between storage nodes. Secrets: no `Debug`.
struct KeysMessage {
    keys: Vec<Bytes>,
}

record! { KeysMessage { 1 keys } }

impl KeysMessage {
    fn of(keys: &[ClusterKey]) -> Bytes {
        codec::encode(&Self { keys: keys.iter().map(|key| Bytes::copy_from_slice(key.expose())).collect() })
    }

    fn parse(bytes: &Bytes) -> Option<Vec<ClusterKey>> {
        codec::decode::<Self>(bytes).ok()?.keys.iter().map(|key| ClusterKey::from_bytes(key)).collect()
    }
}

/// A key that was made here and that the map does not name yet.
pub(in crate::membership) struct MadeKey {
    key: ClusterKey,
    /// How many members were expelled when it was made: one that was expelled later may have it.
    expelled: usize,
}

/// Looks after the cluster's key at a storage node.
pub(in crate::membership) struct KeyRounds;

#[async_trait]
impl Rounds for KeyRounds {
    type Of = Membership;

    fn rest(&self, _: &Membership) -> Duration {
        ROUND
    }

    async fn round(&mut self, membership: &Arc<Membership>) -> bool {
        if let Err(error) = membership.look_after_cluster_key().await {
            tracing::warn!(%error, "the cluster's key is looked after later");
        }
        true
    }
}

impl Membership {
    /// Goes on with a change where the meta group is led; fetches what the map names, and drops what it does not.
    async fn look_after_cluster_key(&self) -> Result<(), NodeError> {
        let state = self.map().cluster_key;
        if state.is_changing() && self.leads_map() {
            return self.change_cluster_key().await;
        }
        let Some(newest) = state.newest else { return Ok(()) };
        if self.cluster_keys.find(newest).is_none() && !self.is_alone() {
            self.fetch_cluster_keys().await?;
        }
        if !state.is_changing() && self.cluster_keys.find(newest).is_some() {
            self.cluster_keys.drop_unnamed(state)?;
        }
        Ok(())
    }

    /// Changes the cluster's key until no other one is due, and no older one seals a row.
    pub(super) async fn change_cluster_key(&self) -> Result<(), NodeError> {
        loop {
            let state = self.map().cluster_key;
            match state.newest {
                Some(newest) if state.older.is_some() => self.seal_rows_by(newest).await?,
                _ if state.is_due() => self.choose_cluster_key().await?,
                _ => return Ok(()),
            }
        }
    }

    /// The name of the key that seals; one is made if nothing was sealed yet.
    pub(super) async fn first_cluster_key(&self) -> Result<KeyName, NodeError> {
        if self.map().cluster_key.newest.is_none() {
            self.change_cluster_key().await?;
        }
        self.map().cluster_key.newest.ok_or(NodeError::NoClusterKey)
    }

    /// Makes a key, has most storage nodes keep it, and has the map name it.
    async fn choose_cluster_key(&self) -> Result<(), NodeError> {
        let map = self.map();
        let (key, expelled) = (self.made_key(&map), map.expelled.len());
        let unusable = || NodeError::Map("the cluster's key is unusable".to_owned());
        let name = key.name().ok_or_else(unusable)?;
        self.cluster_keys.add(key.clone(), map.cluster_key)?;
        let others = self.other_storage_nodes(&map);
        let taken = self.tell_storage_nodes(&others, KeysMessage::of(&[key])).await.len();
        if (taken + 1) * 2 <= others.len() + 1 {
            let others = others.len();
            return Err(NodeError::Map(format!("{taken} of {others} other storage nodes took the cluster's new key")));
        }
        let update = |map: &mut ClusterMap| Ok(map.take_cluster_key(name, expelled));
        self.map_store.update(update).await?;
        Ok(())
    }

    /// The key that was made here, unless one was expelled since then that may have it; else a new one.
    fn made_key(&self, map: &ClusterMap) -> ClusterKey {
        let (expelled, mut made) = (map.expelled.len(), self.made_key.lock());
        let is_named = |key: &ClusterKey| key.name().is_none_or(|name| map.cluster_key.names(name));
        let usable = made.take().filter(|made| made.expelled == expelled && !is_named(&made.key));
        let usable = usable.unwrap_or_else(|| MadeKey { key: ClusterKey::new(&self.env), expelled });
        made.insert(usable).key.clone()
    }

    /// Seals every row by the key of this name that it does not seal yet, and has the map say so. A row that is not there is
    /// written, too: else one that an older key seals could still come.
    async fn seal_rows_by(&self, newest: KeyName) -> Result<(), NodeError> {
        if self.cluster_keys.find(newest).is_none() {
            self.fetch_cluster_keys().await?;
        }
        for row in SEALED_ROWS {
            loop {
                let read = self.read_sealed(row).await?;
                let is_done = read.key == Some(newest)
                    || self.write_sealed_by(newest, row, read.expect, &read.value.unwrap_or_default()).await?;
                if is_done {
                    break;
                }
            }
        }
        let update = |map: &mut ClusterMap| Ok(map.retire_older_cluster_key(newest));
        self.map_store.update(update).await?;
        tracing::info!("the cluster has another key, and all its secrets are sealed by it");
        Ok(())
    }

    /// Keeps the keys that another storage node gives, and gives those that the map names.
    pub(crate) fn exchange_cluster_keys(&self, message: &Bytes) -> Result<Bytes, NodeError> {
        let state = self.map().cluster_key;
        let malformed = || NodeError::Map("keys of the cluster do not parse".to_owned());
        for key in KeysMessage::parse(message).ok_or_else(malformed)? {
            self.cluster_keys.add(key, state)?;
        }
        Ok(KeysMessage::of(&self.cluster_keys.named_by(state)))
    }

    /// Asks the other storage nodes for the keys that their maps name.
    pub(super) async fn fetch_cluster_keys(&self) -> Result<(), NodeError> {
        let map = self.map();
        for answer in self.tell_storage_nodes(&self.other_storage_nodes(&map), KeysMessage::of(&[])).await {
            for key in KeysMessage::parse(&answer).unwrap_or_default() {
                self.cluster_keys.add(key, map.cluster_key)?;
            }
        }
        Ok(())
    }

    fn other_storage_nodes(&self, map: &ClusterMap) -> Vec<NodeId> {
        map.storage_nodes().map(|(id, _)| *id).filter(|id| *id != self.id).collect()
    }

    /// Tells nodes keys; what those answer that kept them.
    async fn tell_storage_nodes(&self, nodes: &[NodeId], keys: Bytes) -> Vec<Bytes> {
        let Some(transport) = &self.transport else { return Vec::new() };
        let asked = nodes.iter().map(|node| {
            let call = transport.call(*node, Method::ClusterKeys, Message::of(keys.clone()));
            async move { Some(timeout(ANSWER_WAIT, call).await.ok()?.ok()?.head) }
        });
        join_all(asked).await.into_iter().flatten().collect()
    }
}
