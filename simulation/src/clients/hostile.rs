//! A gateway that means ill: it knows an object's blob, and tries to be rid of it, to name it elsewhere, and to write
//! over its shards. What it may do to objects as any client may is not tried.
//!
//! Must not know: what has to come of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use couronne_cluster::RangeDescriptor;
use couronne_gateway::engine::{BytesBody, Engine, EngineError, PutObjectRequest};
use couronne_metadata::command::{Command, CommandRequest, NewData, Outcome, Precondition};
use couronne_metadata::ids::{BucketId, CommitId, ObjectKey, VersionId};
use couronne_metadata::record::{Attributes, BlobRef, Content, Data, Etag, Versioning};
use couronne_placement::frame;
use couronne_placement::{ChunkId, ShardId, place};
use couronne_protocol::map::MapSource;
use couronne_protocol::range::{RangeAddress, RangeClient, RangeError};
use couronne_protocol::remote::{RemoteRanges, RemoteShards};
use couronne_protocol::shard::{GetShard, Owner, PutShard, ShardClient};
use couronne_protocol::transport::Transport;
use couronne_storage_node::node::LocalNode;
use tokio::time::sleep;

use crate::clients::actions::make_bucket;
use crate::clients::values::Value;

/// The buckets of those that it attacks; they lie in any ranges.
const BUCKETS: [&str; 3] = ["prey0", "prey1", "prey2"];
const KEY: &str = "prey";

/// How often a command is sent until a leader takes it, and the rest in between.
const TURNS_MAX: usize = 100;
const REST: Duration = Duration::from_millis(50);

/// An object that others have, and where else its blob might be named.
#[derive(Clone)]
pub struct Prey {
    blob: BlobRef,
    owner: Owner,
    rules_version: u64,
    others: Vec<(Owner, u64)>,
}

impl Prey {
    /// Writes the object as a client does.
    pub async fn lay(engine: &Engine, value: Value) -> Option<Self> {
        let mut owners = Vec::new();
        for name in BUCKETS {
            make_bucket(engine, name, Versioning::Enabled).await.ok()?;
            let entry = engine.resolve_bucket(name).await.ok()?.entry;
            owners.push((Owner { bucket: entry.id, key: ObjectKey::new(KEY).ok()? }, entry.rules.version));
        }
        let (owner, rules_version) = owners.first().cloned()?;
        let bucket = engine.resolve_bucket(BUCKETS[0]).await.ok()?;
        let staged = engine.stage(&bucket, &owner.key, &mut BytesBody::new(value.bytes())).await.ok()?;
        engine.put_object(&bucket, &staged, PutObjectRequest::default()).await.ok()?;
        let object = engine.open(&bucket, &owner.key, None).await.ok()?;
        let Content::Whole(Data::Blob(blob)) = object.record().content.clone() else { return None };
        let sibling = Owner { key: ObjectKey::new("sibling").ok()?, ..owner.clone() };
        owners.push((sibling, rules_version));
        Some(Self { blob, owner, rules_version, others: owners.split_off(1) })
    }

    /// Reads the object as a client does.
    pub async fn read(&self, engine: &Engine) -> Result<Bytes, EngineError> {
        let bucket = engine.resolve_bucket(BUCKETS[0]).await?;
        let object = engine.open(&bucket, &self.owner.key, None).await?;
        let mut reader = object.read(0..object.record().size).await?;
        let mut bytes = BytesMut::new();
        while let Some(piece) = reader.next().await? {
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes.freeze())
    }
}

/// The gateway, with a way to ranges and drives.
pub struct Attack {
    ranges: RemoteRanges,
    shards: RemoteShards,
    /// Whose map it knows.
    node: Arc<LocalNode>,
    now_ms: u64,
    sent: u64,
}

impl Attack {
    /// A gateway whose messages go through `transport`, at a time in milliseconds since 1970.
    pub fn new(transport: Arc<dyn Transport>, node: Arc<LocalNode>, now_ms: u64) -> Self {
        let map = Arc::clone(node.shared_map()) as Arc<dyn MapSource>;
        let ranges = RemoteRanges::new(Arc::clone(&transport), Arc::clone(&map));
        Self { ranges, shards: RemoteShards::new(transport, map), node, now_ms, sent: 0 }
    }

    /// Does its worst.
    pub async fn on(mut self, prey: &Prey) {
        self.write_over(prey).await;
        let own = (prey.owner.clone(), prey.rules_version);
        for (owner, rules_version) in std::iter::once(&own).chain(&prey.others) {
            let named = self.send(owner, *rules_version, put(&prey.blob)).await;
            // What it could name it may also delete.
            if let Ok(Outcome::Put { version, .. }) = named {
                drop(self.send(owner, *rules_version, delete(version)).await);
            }
            drop(self.send(owner, *rules_version, Command::Abandon { blob: prey.blob.clone() }).await);
        }
    }

    async fn send(&mut self, owner: &Owner, rules_version: u64, command: Command) -> Result<Outcome, RangeError> {
        self.sent += 1;
        let mut random = [0; 10];
        random.iter_mut().zip(self.sent.to_be_bytes()).for_each(|(to, byte)| *to = byte);
        let request = CommandRequest {
            commit: CommitId::new(self.now_ms, random),
            deadline_ms: self.now_ms + 60_000,
            bucket: owner.bucket,
            rules_version,
            key: owner.key.clone(),
            command,
            seen: None,
            is_repeat: false,
        };
        let mut answer = Err(RangeError::NotLeader(None));
        for turn in 0..TURNS_MAX {
            let Some(address) = self.address(owner.bucket, &owner.key, turn) else { return answer };
            answer = self.ranges.execute(address, request.clone()).await;
            match &answer {
                Err(RangeError::NotLeader(_) | RangeError::Overloaded | RangeError::Unavailable { .. }) => {
                    sleep(REST).await;
                }
                _ => return answer,
            }
        }
        answer
    }

    /// A replica of a key's range, another at each turn.
    fn address(&self, bucket: BucketId, key: &ObjectKey, turn: usize) -> Option<RangeAddress> {
        let (map, position) = (self.node.map(), RangeDescriptor::position(bucket, key.as_bytes()));
        let range = map.ranges.iter().rfind(|range| range.start <= position)?;
        let replicas: Vec<_> = range.replicas.values().copied().collect();
        let replica = *replicas.get(turn.checked_rem(replicas.len())?)?;
        Some(RangeAddress { range: range.id, generation: range.generation, replica })
    }

    /// Writes other bytes, with checksums that are right, in the place of every shard.
    async fn write_over(&self, prey: &Prey) {
        let (view, blob) = (self.node.current(), &prey.blob);
        let Some(ring) = view.rings.get(&blob.policy) else { return };
        let count = u32::try_from(blob.geometry.chunks(blob.len)).unwrap_or(u32::MAX);
        for chunk in (0..count).map(|index| ChunkId { blob: blob.id, index }) {
            let Ok(placement) = place(ring, chunk, &blob.geometry) else { return };
            for (number, drive) in (0..).zip(placement.primaries) {
                let shard = ShardId { chunk, number };
                let whole = GetShard { shard, first_frame: 0, frames: u32::MAX };
                let Ok(read) = self.shards.get_shard(drive, whole).await else { continue };
                let payload: Bytes = read.payload.iter().map(|byte| byte ^ 0x55).collect::<Vec<u8>>().into();
                let forged = PutShard {
                    shard,
                    owner: prey.owner.clone(),
                    geometry: blob.geometry,
                    policy: blob.policy,
                    class: prey.owner.bucket.class(),
                    epoch: ring.epoch(),
                    frames: frame::seal(shard, blob.geometry, &payload),
                    payload,
                };
                drop(self.shards.put_shard(drive, forged).await);
            }
        }
    }
}

fn put(blob: &BlobRef) -> Command {
    Command::Put {
        data: NewData::Blob(blob.clone(), 0, None),
        size: blob.len,
        etag: Etag { digest: [1; 16], parts: None },
        checksum: None,
        attributes: Attributes::default(),
        condition: Precondition::default(),
    }
}

fn delete(version: VersionId) -> Command {
    let condition = Precondition::default();
    Command::Delete { version: Some(version), condition, bypass_governance: true, owner: "hostile".into() }
}
