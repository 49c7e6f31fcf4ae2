//! Object locks under clocks that leap: they are judged by the cluster time alone.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use couronne_base::env::Env;
use couronne_metadata::command::{AttributeChange, Command, NewData, Outcome, Precondition, Refusal};
use couronne_metadata::ids::VersionId;
use couronne_metadata::record::{Attributes, BucketRules, BucketState, Etag, Retention, Versioning};
use couronne_placement::PolicyId;
use couronne_protocol::range::{RangeClient, RangeError};
use couronne_protocol::shard::Owner;
use couronne_storage_node::node::{LocalNode, ReadPolicy};

use crate::support::NodeRig;
use crate::support::rows::{bucket_id, change, key};
use crate::support::several::TestCluster;

const DAY_MS: u64 = 86_400_000;
const ELEVEN_YEARS_MS: i64 = 11 * 365 * 86_400_000;

fn owner() -> Owner {
    Owner { bucket: bucket_id(1), key: key("locked") }
}

/// Makes a bucket of versions whose objects may be locked.
async fn make_bucket(env: &Env, node: &LocalNode) {
    let rules = BucketRules {
        version: 1,
        state: BucketState::Live,
        versioning: Versioning::Enabled,
        object_lock: Some(None),
        policy: PolicyId(0),
        account: "account".into(),
        quota: None,
        extra: Vec::new(),
    };
    change(env, node, &owner(), Command::PutRules { name: "b".into(), rules }).await.unwrap();
}

/// Puts a version, retained for so many days if any; its name.
async fn put(env: &Env, node: &LocalNode, days: Option<u64>) -> VersionId {
    let until_ms = |days| env.clock.wall_ms() + days * DAY_MS;
    let retention = days.map(|days| Retention { compliance: true, until_ms: until_ms(days) });
    let command = Command::Put {
        data: NewData::Inline(Bytes::from_static(b"bytes"), 7),
        size: 5,
        etag: Etag { digest: [1; 16], parts: None },
        checksum: None,
        attributes: Attributes { retention, ..Attributes::default() },
        condition: Precondition::default(),
    };
    match change(env, node, &owner(), command).await.unwrap() {
        Outcome::Put { version, .. } => version,
        other => panic!("{other:?}"),
    }
}

async fn delete(env: &Env, node: &LocalNode, version: VersionId) -> Result<Outcome, RangeError> {
    let command = Command::Delete {
        version: Some(version),
        condition: Precondition::default(),
        bypass_governance: true,
        owner: "owner".into(),
    };
    change(env, node, &owner(), command).await
}

/// A locked version can be neither removed nor loosened; what is not locked goes.
async fn assert_held(env: &Env, node: &LocalNode, locked: VersionId) {
    assert_eq!(delete(env, node, locked).await, Err(RangeError::Refused(Refusal::Locked)));
    let lift = AttributeChange::Retention(None);
    let command = Command::UpdateAttributes { version: Some(locked), change: lift, bypass_governance: true };
    assert_eq!(change(env, node, &owner(), command).await, Err(RangeError::Refused(Refusal::Locked)));
    let unlocked = put(env, node, None).await;
    delete(env, node, unlocked).await.unwrap();
}

/// While it runs, and from one start to the next.
#[tokio::test(start_paused = true)]
async fn no_leap_of_a_lone_nodes_clock_opens_a_lock() {
    let mut rig = NodeRig::new(31, "single", 1);
    let node = rig.start().await;
    make_bucket(&rig.env, &node).await;
    let locked = put(&rig.env, &node, Some(1)).await;
    rig.clock.leap_ms(ELEVEN_YEARS_MS);
    assert_held(&rig.env, &node, locked).await;
    rig.crash(node, 1).await;
    let node = rig.start().await;
    assert_held(&rig.env, &node, locked).await;
    assert!(node.status().await.time_lag_ms.abs_diff(ELEVEN_YEARS_MS.unsigned_abs()) < 120_000);

    node.confirm_clock().await.unwrap();
    assert_eq!(node.status().await.time_lag_ms, 0);
    delete(&rig.env, &node, locked).await.unwrap();
    rig.crash(node, 2).await;
    assert!(rig.start().await.status().await.time_lag_ms < 1000, "what was confirmed is kept");
}

/// Time for which the node was off does not count until an operator says so; time for which it ran does.
#[tokio::test(start_paused = true)]
async fn a_lock_runs_out_by_the_time_for_which_the_cluster_ran() {
    let mut rig = NodeRig::new(32, "single", 1);
    let node = rig.start().await;
    make_bucket(&rig.env, &node).await;
    let locked = put(&rig.env, &node, Some(2)).await;
    rig.crash(node, 1).await;
    // The clocks of a machine that is off go on.
    rig.clock.pass(Duration::from_millis(3 * DAY_MS));
    let node = rig.start().await;
    assert_held(&rig.env, &node, locked).await;
    rig.clock.pass(Duration::from_millis(2 * DAY_MS));
    delete(&rig.env, &node, locked).await.unwrap();
}

/// The node whose replica leads the range of the key.
async fn leader_of(cluster: &TestCluster) -> Arc<LocalNode> {
    let position = couronne_cluster::RangeDescriptor::position(owner().bucket, owner().key.as_bytes());
    for _ in 0..600 {
        for node in cluster.running() {
            let ranges = node.local().describe(position.clone(), Bytes::new()).await.unwrap();
            let range = ranges.into_iter().find(|range| range.contains(&position)).unwrap();
            let status = node.status().await.ranges;
            if status.iter().any(|status| status.id == range.id && status.leader.is_some()) {
                return node;
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("nobody leads");
}

/// Setting the clocks of all nodes alike convinces their median, and opens no lock.
#[tokio::test(start_paused = true)]
async fn no_common_leap_of_all_clocks_opens_a_lock() {
    let cluster = TestCluster::start(3300, "replicated:2", 3).await;
    let env = cluster.machines[0].rig.env.clone();
    make_bucket(&env, &*leader_of(&cluster).await).await;
    let locked = put(&env, &*leader_of(&cluster).await, Some(1)).await;
    cluster.machines.iter().for_each(|machine| machine.rig.clock.leap_ms(ELEVEN_YEARS_MS));
    tokio::time::sleep(Duration::from_secs(180)).await;
    assert_held(&env, &*leader_of(&cluster).await, locked).await;
    // A smaller leap is believed by the duties.
    cluster.machines.iter().for_each(|machine| machine.rig.clock.set_offset_ms(3 * 86_400_000));
    tokio::time::sleep(Duration::from_secs(180)).await;
    assert_held(&env, &*leader_of(&cluster).await, locked).await;

    for node in cluster.running() {
        node.confirm_clock().await.unwrap();
    }
    delete(&env, &*leader_of(&cluster).await, locked).await.unwrap();
}

/// By its lease a leader asks nobody; with reads by a quorum it answers nothing that a newer leader could contradict,
/// however fresh its lease looks.
#[tokio::test(start_paused = true)]
async fn with_reads_by_a_quorum_no_lease_answers_a_read() {
    for (policy, is_answered) in [(ReadPolicy::Lease, true), (ReadPolicy::Quorum, false)] {
        let tune = match policy {
            ReadPolicy::Lease => |_: &mut couronne_storage_node::node::NodeSettings| (),
            ReadPolicy::Quorum => |settings: &mut couronne_storage_node::node::NodeSettings| {
                settings.reads = ReadPolicy::Quorum;
            },
        };
        let cluster = TestCluster::start_tuned(3400, "replicated:2", 3, tune).await;
        assert!(cluster.write(&cluster.node(0), "at", "value", [1; 10]).await);
        let leader = cluster.leader_of_system_row("at").await;
        cluster.isolate(leader, true);
        let read = cluster.read_here_at_once(leader, "at").await;
        assert_eq!(read.is_ok(), is_answered, "{policy:?}: {read:?}");
    }
}
