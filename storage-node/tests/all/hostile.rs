//! What a compromised gateway can do to what others have: nothing. It has a gateway's certificate, knows every blob's id
//! and which commands were sent, and forges checksums, which are made without a key.

mod buckets;
mod rows;

use std::sync::Arc;

use crate::support::blobs::TestBlob;
use crate::support::rounds::{OFTEN, owner};
use crate::support::rows::{change, execute, execute_through, request, rules};
use crate::support::several::TestCluster;
use bytes::Bytes;
use couronne_base::env::Env;
use couronne_metadata::command::{AttributeChange, Command, CommandRequest, NewData, Outcome, Precondition};
use couronne_metadata::ids::{PartNumber, UploadId, VersionId};
use couronne_metadata::record::{Attributes, BucketRules, BucketState, Etag, Retention, Versioning};
use couronne_placement::{BlobId, Geometry};
use couronne_protocol::map::MapSource;
use couronne_protocol::range::RangeError;
use couronne_protocol::remote::{RemoteRanges, RemoteShards};
use couronne_protocol::shard::{Owner, PutShard, ShardClient, ShardDuties, ShardError};
use couronne_storage_node::node::LocalNode;
use tokio::time::{Instant, sleep};

const DAY_MS: u64 = 86_400_000;

/// The gateway that means ill.
struct Hostile {
    env: Env,
    node: Arc<LocalNode>,
    ranges: RemoteRanges,
    shards: RemoteShards,
}

impl Hostile {
    async fn join(cluster: &TestCluster) -> Self {
        let (gateway, transport) = cluster.join_gateway("hostile").await;
        let node = cluster.node(0);
        cluster.until("it is known", || cluster.running().all(|node| node.map().nodes.contains_key(&gateway))).await;
        let map = Arc::clone(node.shared_map()) as Arc<dyn MapSource>;
        let ranges = RemoteRanges::new(Arc::clone(&transport), Arc::clone(&map));
        Self { env: cluster.machines[0].rig.env.clone(), ranges, shards: RemoteShards::new(transport, map), node }
    }

    async fn send(&self, request: CommandRequest) -> Result<Outcome, RangeError> {
        execute_through(&self.env, &self.node, &self.ranges, request).await
    }

    async fn command(&self, owner: &Owner, command: Command) -> Result<Outcome, RangeError> {
        self.send(request(&self.env, owner, command)).await
    }

    async fn refused(&self, owner: &Owner, command: Command) {
        let answer = self.command(owner, command.clone()).await;
        assert!(matches!(answer, Err(RangeError::Refused(_))), "{command:?}: {answer:?}");
    }
}

fn delete(version: Option<VersionId>) -> Command {
    let condition = Precondition::default();
    Command::Delete { version, condition, bypass_governance: true, owner: "hostile".into() }
}

fn part(upload: UploadId, blob: &TestBlob) -> Command {
    let (number, etag) = (PartNumber::new(1).unwrap(), Etag { digest: [1; 16], parts: None });
    let data = NewData::Blob(blob.named.clone(), 0, None);
    Command::PutPart { upload, number, data, size: blob.named.len, etag, checksum: None }
}

fn create(upload: UploadId) -> Command {
    Command::CreateUpload { upload, attributes: Attributes::default(), initiator: "me".into(), checksum: None }
}

/// A cluster whose reaper reaps at once what is due, and a bucket with versions and locks.
async fn cluster(seed: u64) -> TestCluster {
    let cluster = TestCluster::start_tuned(seed, "ec:4+2", 6, |settings| {
        settings.evaluation.reap_delay_ms = 3_600_000;
        settings.duties.reap_interval = OFTEN;
    })
    .await;
    let locking = BucketRules { versioning: Versioning::Enabled, object_lock: Some(None), ..rules() };
    let (node, env) = (cluster.node(1), cluster.machines[0].rig.env.clone());
    change(&env, &node, &owner("any"), Command::PutRules { name: "b".into(), rules: locking }).await.unwrap();
    cluster
}

/// An object as an honest gateway writes it; the command that did, and the version.
async fn honest(
    hostile: &Hostile,
    at: &str,
    seed: u8,
    attributes: Attributes,
) -> (TestBlob, CommandRequest, VersionId) {
    let blob = TestBlob::new(&owner(at), hostile.env.clock.wall_ms(), seed);
    blob.write(&hostile.node, |_, primary| Some(primary)).await;
    let Command::Put { data, size, etag, checksum, condition, .. } = blob.commit(0) else { panic!() };
    let put = Command::Put { data, size, etag, checksum, condition, attributes };
    let request = request(&hostile.env, &blob.owner, put);
    match execute(&hostile.env, &hostile.node, request.clone()).await {
        Ok(Outcome::Put { version, .. }) => (blob, request, version),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_hostile_gateway_takes_nothing_that_others_have() {
    let cluster = cluster(31).await;
    let hostile = Hostile::join(&cluster).await;
    let retention = Some(Retention { compliance: true, until_ms: hostile.env.clock.wall_ms() + 400 * DAY_MS });
    let locked = Attributes { retention, ..Attributes::default() };
    let (plain, put, _) = honest(&hostile, "plain", 1, Attributes::default()).await;
    let (locked, put_locked, version) = honest(&hostile, "locked", 2, locked).await;
    let own = owner("its own");
    let mut upload = 0;

    for (victim, put) in [(&plain, &put), (&locked, &put_locked)] {
        for at in [&victim.owner, &own] {
            hostile.refused(at, Command::Abandon { blob: victim.named.clone() }).await;
            hostile.refused(at, victim.commit(0)).await;
            upload += 1;
            let upload = UploadId::new(hostile.env.clock.wall_ms(), [upload; 10]);
            hostile.command(at, create(upload)).await.unwrap();
            hostile.refused(at, part(upload, victim)).await;
            hostile.command(at, Command::AbortUpload { upload }).await.unwrap();
        }
        // What an honest gateway sent, once more.
        assert!(hostile.send(put.clone()).await.is_ok(), "it gets the first answer, and changes nothing");
        let late = CommandRequest { deadline_ms: u64::MAX, is_repeat: true, ..put.clone() };
        assert!(hostile.send(late).await.is_ok());
    }
    hostile.refused(&locked.owner, delete(Some(version))).await;
    let unlock = |change| Command::UpdateAttributes { version: Some(version), change, bypass_governance: true };
    hostile.refused(&locked.owner, unlock(AttributeChange::Retention(None))).await;
    hostile.refused(&locked.owner, unlock(AttributeChange::All(Box::default()))).await;
    let gone = BucketRules { version: 2, state: BucketState::Deleting, ..rules() };
    hostile.refused(&own, Command::PutRules { name: "b".into(), rules: gone.clone() }).await;
    hostile.refused(&own, Command::SealBucket { name: "b".into(), rules: gone }).await;
    hostile.refused(&own, Command::DropRules { name: "b".into() }).await;

    // A plain deletion of a locked key hides it, and an upload may be written beside it: neither takes the version.
    hostile.command(&locked.owner, delete(None)).await.unwrap();
    // What it owns goes, so the reaper does work.
    let (mine, ..) = honest(&hostile, "its own", 3, Attributes::default()).await;
    hostile.command(&own, delete(Some(VersionId::Null))).await.unwrap();
    let version = hostile.command(&own, mine.commit(0)).await;
    assert!(
        matches!(version, Err(RangeError::Refused(_))),
        "a blob is named once, its owner does not matter: {version:?}"
    );
    let (second, ..) = honest(&hostile, "its own", 4, Attributes::default()).await;
    let answer = hostile.command(&own, Command::Abandon { blob: second.named.clone() }).await;
    assert!(matches!(answer, Err(RangeError::Refused(_))), "not even its own: {answer:?}");
    let given_up = TestBlob::new(&own, hostile.env.clock.wall_ms(), 5);
    given_up.write(&hostile.node, |_, primary| Some(primary)).await;
    hostile.command(&own, Command::Abandon { blob: given_up.named.clone() }).await.unwrap();
    hostile.refused(&own, given_up.commit(0)).await;

    for machine in &cluster.machines {
        machine.rig.clock.leap_ms(2 * 3_600_000);
    }
    let began = Instant::now();
    while given_up.copies(&hostile.node).await > 0 {
        assert!(began.elapsed().as_secs() < 60, "what was given up is reaped");
        sleep(OFTEN).await;
    }
    sleep(100 * OFTEN).await;
    for blob in [&plain, &locked, &mine, &second] {
        assert!(blob.is_whole(&hostile.node).await, "{:?} was acknowledged", blob.owner);
    }
}

/// Chunks of a byte would keep the repairer and the scrubber busy for years.
#[tokio::test(start_paused = true)]
async fn a_hostile_gateway_names_no_blob_that_is_cut_as_no_policy_says() {
    let cluster = cluster(33).await;
    let hostile = Hostile::join(&cluster).await;
    let (own, upload) = (owner("its own"), UploadId::new(hostile.env.clock.wall_ms(), [1; 10]));
    hostile.command(&own, create(upload)).await.unwrap();
    let cut = |seed: u8, (k, m, chunk_bytes)| {
        let mut blob = TestBlob::new(&own, hostile.env.clock.wall_ms(), seed);
        blob.named.geometry = Geometry::new(k, m, chunk_bytes).unwrap();
        blob
    };
    for (seed, shape) in (1..).zip([(2, 1, 1), (4, 2, 1), (4, 1, 1 << 20), (1, 0, 1 << 20)]) {
        let blob = cut(seed, shape);
        hostile.refused(&own, blob.commit(0)).await;
        hostile.refused(&own, part(upload, &blob)).await;
        hostile.refused(&own, Command::Abandon { blob: blob.named.clone() }).await;
    }
    hostile.command(&own, cut(8, (4, 2, 1 << 20)).commit(2)).await.unwrap();
    hostile.command(&own, cut(9, (1, 2, 1 << 20)).commit(0)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_hostile_gateway_changes_no_shard_and_no_drive_takes_what_is_out_of_its_time() {
    let cluster = cluster(32).await;
    let hostile = Hostile::join(&cluster).await;
    let (victim, ..) = honest(&hostile, "victim", 1, Attributes::default()).await;
    let (node, shards) = (&hostile.node, &hostile.shards);
    for shard in victim.shards() {
        let (drive, sound) = (victim.primary(node, shard), victim.payload(shard).clone());
        let forged: Bytes = sound.iter().map(|byte| byte ^ 0x55).collect::<Vec<u8>>().into();
        let put = |payload| victim.put(node, shard, payload);
        assert_eq!(shards.put_shard(drive, put(sound.clone())).await, Ok(()), "a repeat is harmless");
        assert_eq!(shards.put_shard(drive, put(forged)).await, Err(ShardError::Conflict));
        assert_eq!(shards.put_shard(drive, put(sound.slice(1..))).await, Err(ShardError::Conflict));
        let foreign = PutShard { owner: owner("its own"), ..put(sound.clone()) };
        assert!(matches!(shards.put_shard(drive, foreign).await, Err(ShardError::Refused(_))));
        assert!(shards.delete_shard(drive, shard, &victim.owner).await.is_err());
        assert!(shards.delete_blob(drive, victim.named.id, &victim.owner).await.is_err());
        assert!(shards.restore_shard(drive, put(sound)).await.is_err());
    }
    assert!(victim.is_whole(node).await);

    // A shard that is missing is put back by repair alone, once its blob is a day old.
    let now_ms = hostile.env.clock.wall_ms();
    for (age_ms, is_taken) in [(DAY_MS - 60_000, true), (DAY_MS + 60_000, false)] {
        let blob = TestBlob::new(&owner("old"), now_ms - age_ms, u8::from(is_taken));
        let shard = blob.shards().next().unwrap();
        let put = || blob.put(node, shard, blob.payload(shard).clone());
        let drive = blob.primary(node, shard);
        assert_eq!(shards.put_shard(drive, put()).await.is_ok(), is_taken);
        assert_eq!(node.routes().restore_shard(drive, put()).await, Ok(()));
        hostile.refused(&blob.owner, blob.commit(0)).await;
    }
    let foreign: BlobId = TestBlob::new(&owner("other"), now_ms, 9).named.id;
    let drive = *node.current().drives.keys().next().unwrap();
    let answer = node.routes().delete_blob(drive, foreign, &victim.owner).await;
    assert!(matches!(answer, Err(ShardError::Refused(_))), "a duty too says whose it deletes: {answer:?}");
}
