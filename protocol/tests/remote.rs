//! Remote drives and ranges over a transport within the process: what is asked arrives, what fails
//! is told as what it is, what a gateway may not do is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use couronne_cluster::map::{MapDrive, MapView};
use couronne_cluster::{DriveState, RangeDescriptor, Role};
use couronne_metadata::command::{Command, CommandRequest, Outcome};
use couronne_metadata::ids::{BucketId, CommitId, Generation, ObjectKey, Ordinal, RangeId};
use couronne_metadata::query::{Answer, Query};
use couronne_metadata::store_scrub::StoreScrub;
use couronne_placement::{BlobId, ChunkId, Geometry, PolicyId, ResidencyClass, ShardId};
use couronne_protocol::map::MapSource;
use couronne_protocol::range::{QueryRequest, RangeAddress, RangeClient, RangeError};
use couronne_protocol::remote::{RemoteRanges, RemoteShards, answer};
use couronne_protocol::shard::{GetShard, Owner, PutShard, ShardClient, ShardDuties, ShardError, ShardFrames};
use couronne_protocol::transport::{CallError, Message, Method, Peer, Rejection, Transport};
use couronne_ring::{DriveId, Epoch, NodeId, RegionName, ZoneName};

const SHARD: ShardId = ShardId { chunk: ChunkId { blob: BlobId::from_bytes([1; BlobId::BYTES]), index: 2 }, number: 3 };
const BLOB: BlobId = BlobId::from_bytes([1; BlobId::BYTES]);

/// A node that writes down what it is asked.
#[derive(Default)]
struct Node {
    asked: Mutex<Vec<String>>,
    fails: Mutex<Option<ShardError>>,
}

impl Node {
    fn note(&self, what: impl std::fmt::Debug) -> Result<(), ShardError> {
        self.asked.lock().unwrap().push(format!("{what:?}"));
        self.fails.lock().unwrap().clone().map_or(Ok(()), Err)
    }
}

#[async_trait]
impl ShardClient for Node {
    async fn put_shard(&self, drive: DriveId, request: PutShard) -> Result<(), ShardError> {
        self.note((drive, request))
    }

    async fn get_shard(&self, drive: DriveId, request: GetShard) -> Result<ShardFrames, ShardError> {
        self.note((drive, request))?;
        let payload = Bytes::from_static(b"frames");
        Ok(ShardFrames { geometry: geometry(), shard_len: 6, checksums: vec![7], payload })
    }

    async fn report(&self, drive: DriveId, shard: ShardId, owner: Owner) {
        let _ = self.note((drive, shard, owner));
    }
}

#[async_trait]
impl ShardDuties for Node {
    async fn restore_shard(&self, drive: DriveId, request: PutShard) -> Result<(), ShardError> {
        self.note(("restore", drive, request))
    }

    async fn delete_shard(&self, drive: DriveId, shard: ShardId, owner: &Owner) -> Result<bool, ShardError> {
        self.note((drive, shard, owner)).map(|()| true)
    }

    async fn delete_blob(&self, drive: DriveId, blob: BlobId, owner: &Owner) -> Result<u64, ShardError> {
        self.note((drive, blob, owner)).map(|()| 6)
    }

    async fn verify_shard(&self, drive: DriveId, shard: ShardId) -> Result<(), ShardError> {
        self.note((drive, shard))
    }
}

#[async_trait]
impl RangeClient for Node {
    async fn describe(&self, start: Bytes, end: Bytes) -> Result<Vec<RangeDescriptor>, RangeError> {
        let _ = self.note((&start, &end));
        Ok(vec![RangeDescriptor { id: RangeId(1), generation: Generation(2), start, end, replicas: vec![DriveId(11)] }])
    }

    async fn execute(&self, address: RangeAddress, request: CommandRequest) -> Result<Outcome, RangeError> {
        let _ = self.note((address, request));
        Ok(Outcome::Done { ordinal: Ordinal(5) })
    }

    async fn query(&self, address: RangeAddress, query: QueryRequest) -> Result<Answer, RangeError> {
        let _ = self.note((address, query));
        Err(RangeError::NotLeader(Some(DriveId(21))))
    }
}

/// Three nodes, 1 to 3, with drives 11, 21 and 31; calls to some of them fail.
struct World {
    role: Role,
    nodes: BTreeMap<NodeId, Node>,
    broken: Mutex<BTreeMap<NodeId, CallError>>,
    away: Mutex<BTreeSet<DriveId>>,
    asked: Mutex<Vec<NodeId>>,
}

impl World {
    fn new(role: Role) -> Arc<Self> {
        let nodes = [1, 2, 3].map(|node| (NodeId(node), Node::default())).into();
        let (broken, away, asked) = Default::default();
        Arc::new(Self { role, nodes, broken, away, asked })
    }

    fn shards(self: &Arc<Self>) -> RemoteShards {
        RemoteShards::new(self.clone(), self.clone())
    }

    fn ranges(self: &Arc<Self>) -> RemoteRanges {
        RemoteRanges::new(self.clone(), self.clone())
    }

    fn breaks(&self, node: u128, error: CallError) {
        self.broken.lock().unwrap().insert(NodeId(node), error);
    }

    fn last_asked(&self, node: u128) -> String {
        self.nodes[&NodeId(node)].asked.lock().unwrap().last().cloned().unwrap_or_default()
    }
}

#[async_trait]
impl Transport for World {
    async fn call(&self, to: NodeId, method: Method, message: Message) -> Result<Message, CallError> {
        self.asked.lock().unwrap().push(to);
        if let Some(error) = self.broken.lock().unwrap().get(&to) {
            return Err(error.clone());
        }
        if !method.may(self.role) {
            return Err(Rejection::Forbidden.into());
        }
        let from = Peer { node: NodeId(77), role: self.role };
        Ok(answer(&self.nodes[&to], from, method, message).await?)
    }
}

impl MapSource for World {
    fn current(&self) -> Arc<MapView> {
        let away = self.away.lock().unwrap();
        let drive = |drive: DriveId, node| MapDrive {
            node,
            zone: ZoneName("z".into()),
            region: RegionName("r".into()),
            state: if away.contains(&drive) { DriveState::DOWN } else { DriveState::WRITABLE },
        };
        let drives = [(11, 1), (21, 2), (31, 3)].map(|(id, node)| (DriveId(id), drive(DriveId(id), NodeId(node))));
        Arc::new(MapView {
            version: 1,
            cluster: 9,
            drives: drives.into(),
            gone: Vec::new(),
            policies: BTreeMap::new(),
            rings: BTreeMap::new(),
            default_policy: PolicyId(0),
        })
    }
}

fn geometry() -> Geometry {
    Geometry::new(4, 2, 1 << 20).unwrap()
}

fn owner() -> Owner {
    Owner { bucket: BucketId::from_bytes([7; 16]), key: ObjectKey::new("key").unwrap() }
}

fn put() -> PutShard {
    PutShard {
        shard: SHARD,
        owner: owner(),
        geometry: geometry(),
        policy: PolicyId(1),
        class: ResidencyClass(0),
        epoch: Epoch(4),
        frames: vec![1, 2],
        payload: Bytes::from_static(b"payload"),
    }
}

fn address(replica: u128) -> RangeAddress {
    RangeAddress { range: RangeId(1), generation: Generation(2), replica: DriveId(replica) }
}

fn request(command: Command) -> CommandRequest {
    CommandRequest {
        commit: CommitId::from_bytes([2; 16]),
        deadline_ms: 1,
        bucket: BucketId::SYSTEM,
        rules_version: 0,
        key: ObjectKey::new("key").unwrap(),
        command,
        seen: None,
        is_repeat: false,
    }
}

#[tokio::test]
async fn what_is_asked_of_a_drive_arrives_at_its_node() {
    let world = World::new(Role::StorageNode);
    let shards = world.shards();
    shards.put_shard(DriveId(21), put()).await.unwrap();
    assert_eq!(world.last_asked(2), format!("{:?}", (DriveId(21), put())));
    let get = GetShard { shard: SHARD, first_frame: 1, frames: 2 };
    let frames = shards.get_shard(DriveId(31), get).await.unwrap();
    assert_eq!((&frames.payload[..], frames.checksums), (&b"frames"[..], vec![7]));
    assert_eq!(world.last_asked(3), format!("{:?}", (DriveId(31), get)));
    shards.report(DriveId(11), SHARD, owner()).await;
    assert_eq!(world.last_asked(1), format!("{:?}", (DriveId(11), SHARD, owner())));
    assert!(shards.delete_shard(DriveId(11), SHARD, &owner()).await.unwrap());
    assert_eq!(world.last_asked(1), format!("{:?}", (DriveId(11), SHARD, owner())));
    assert_eq!(shards.delete_blob(DriveId(11), BLOB, &owner()).await.unwrap(), 6);
    assert_eq!(world.last_asked(1), format!("{:?}", (DriveId(11), BLOB, owner())));
    shards.restore_shard(DriveId(11), put()).await.unwrap();
    assert_eq!(world.last_asked(1), format!("{:?}", ("restore", DriveId(11), put())));
    shards.verify_shard(DriveId(11), SHARD).await.unwrap();
    assert_eq!(world.last_asked(1), format!("{:?}", (DriveId(11), SHARD)));
}

#[tokio::test]
async fn a_drives_error_is_told_as_it_was() {
    let world = World::new(Role::Gateway);
    for error in [
        ShardError::NotFound,
        ShardError::StaleEpoch(Epoch(9)),
        ShardError::Full,
        ShardError::Corrupt("why".to_owned()),
        ShardError::Refused("why".to_owned()),
        ShardError::Overloaded,
        ShardError::Down("why".to_owned()),
    ] {
        *world.nodes[&NodeId(1)].fails.lock().unwrap() = Some(error.clone());
        assert_eq!(world.shards().put_shard(DriveId(11), put()).await, Err(error));
    }
}

#[tokio::test]
async fn a_failed_call_is_an_error_of_the_drive() {
    let world = World::new(Role::Gateway);
    let shards = world.shards();
    for error in [CallError::Unreachable("x".to_owned()), CallError::Lost("x".to_owned()), Rejection::NotServing.into()]
    {
        world.breaks(1, error);
        assert!(matches!(shards.put_shard(DriveId(11), put()).await, Err(ShardError::Down(_))));
    }
    world.breaks(1, Rejection::Overloaded.into());
    assert_eq!(shards.put_shard(DriveId(11), put()).await, Err(ShardError::Overloaded));
    assert!(matches!(shards.put_shard(DriveId(99), put()).await, Err(ShardError::Down(_))));
}

#[tokio::test]
async fn a_failed_call_to_a_range_says_whether_it_may_have_been_done() {
    let world = World::new(Role::Gateway);
    let ranges = world.ranges();
    assert!(ranges.execute(address(11), request(Command::DropRules { name: "b".into() })).await.is_ok());
    let cases: [(CallError, bool); 4] = [
        (CallError::Unreachable("x".to_owned()), false),
        (CallError::Lost("x".to_owned()), true),
        (Rejection::NotServing.into(), false),
        (Rejection::Malformed.into(), false),
    ];
    for (error, expected) in cases {
        world.breaks(1, error);
        match ranges.execute(address(11), request(Command::DropRules { name: "b".into() })).await {
            Err(RangeError::Unavailable { maybe_done, .. }) => assert_eq!(maybe_done, expected),
            other => panic!("{other:?}"),
        }
    }
    world.breaks(1, Rejection::Overloaded.into());
    assert_eq!(
        ranges.execute(address(11), request(Command::DropRules { name: "b".into() })).await,
        Err(RangeError::Overloaded)
    );
    assert!(matches!(
        ranges.execute(address(99), request(Command::DropRules { name: "b".into() })).await,
        Err(RangeError::Unavailable { maybe_done: false, .. })
    ));
}

#[tokio::test]
async fn a_query_reaches_the_replica_and_its_error_comes_back() {
    let world = World::new(Role::Gateway);
    let query = QueryRequest {
        bucket: BucketId::SYSTEM,
        rules_version: None,
        query: Query::OwnsBlob { key: ObjectKey::new("key").unwrap(), blob: BLOB },
    };
    let answer = world.ranges().query(address(31), query.clone()).await;
    assert_eq!(answer, Err(RangeError::NotLeader(Some(DriveId(21)))));
    assert_eq!(world.last_asked(3), format!("{:?}", (address(31), query)));
}

#[tokio::test]
async fn ranges_are_learnt_from_any_node_that_is_up() {
    let world = World::new(Role::Gateway);
    let ranges = world.ranges();
    let describe = || ranges.describe(Bytes::from_static(b"a"), Bytes::from_static(b"b"));
    assert_eq!(describe().await.unwrap()[0].start, "a");
    world.away.lock().unwrap().insert(DriveId(11));
    world.breaks(2, CallError::Unreachable("x".to_owned()));
    world.asked.lock().unwrap().clear();
    assert_eq!(describe().await.unwrap()[0].end, "b");
    assert_eq!(*world.asked.lock().unwrap(), [NodeId(2), NodeId(3)], "one that is up, then another");
    world.asked.lock().unwrap().clear();
    assert!(describe().await.is_ok());
    assert_eq!(*world.asked.lock().unwrap(), [NodeId(3)], "the one that failed is not the first any more");
    world.breaks(3, CallError::Lost("x".to_owned()));
    assert!(describe().await.is_ok(), "one that is said to be away is better than none");
    world.breaks(1, CallError::Lost("x".to_owned()));
    assert!(matches!(describe().await, Err(RangeError::Unavailable { .. })));
}

#[tokio::test]
async fn duties_are_for_storage_nodes() {
    let duties = [
        Command::Reaped { row: Bytes::from_static(b"row") },
        Command::Repaired { blob: BLOB },
        Command::MarkDegraded { blobs: Vec::new() },
        Command::BeginSweep { map_version: 1 },
        Command::EndSweep { map_version: 7 },
        Command::EndLook { ended_ms: 7 },
        Command::ScrubStores { scrub: StoreScrub::default() },
        Command::AdvanceHorizon { horizon_ms: 1 },
        Command::ExpireDedupEntries { before_ms: 1 },
    ];
    for (role, allowed) in [(Role::StorageNode, true), (Role::Gateway, false)] {
        let world = World::new(role);
        for command in duties.clone() {
            let done = world.ranges().execute(address(11), request(command)).await;
            assert_eq!(done.is_ok(), allowed, "{done:?}");
        }
        let shards = world.shards();
        assert_eq!(shards.delete_shard(DriveId(11), SHARD, &owner()).await.is_ok(), allowed);
        assert_eq!(shards.delete_blob(DriveId(11), BLOB, &owner()).await.is_ok(), allowed);
        assert_eq!(shards.restore_shard(DriveId(11), put()).await.is_ok(), allowed);
        assert_eq!(world.nodes[&NodeId(1)].asked.lock().unwrap().is_empty(), !allowed, "refused before it is tried");
    }
}

#[tokio::test]
async fn other_methods_and_malformed_messages_are_rejected() {
    let node = Node::default();
    let from = Peer { node: NodeId(1), role: Role::StorageNode };
    for method in Method::ALL {
        let message = Message::of(Bytes::from_static(b"\x01nonsense"));
        assert_eq!(answer(&node, from, *method, message).await, Err(Rejection::Malformed), "{method:?}");
    }
    assert!(node.asked.lock().unwrap().is_empty());
}
