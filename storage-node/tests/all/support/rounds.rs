//! What the tests of background duties share: waiting for their rounds, and objects for them to work on.

use std::time::Duration;

use couronne_protocol::shard::Owner;
use couronne_storage_node::node::LocalNode;
use tokio::time::{Instant, sleep};

use super::NodeRig;
use super::blobs::TestBlob;
use super::rows::{bucket_id, change, key};

/// The rest between two rounds of a duty.
pub const OFTEN: Duration = Duration::from_millis(50);

pub fn owner(at: &str) -> Owner {
    Owner { bucket: bucket_id(100), key: key(at) }
}

/// Waits until something is so.
pub async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < Duration::from_secs(60), "never: {what}");
        sleep(OFTEN).await;
    }
}

/// An object of two chunks whose shards are all where they belong.
pub async fn object(rig: &NodeRig, node: &LocalNode, at: &str, seed: u8) -> TestBlob {
    object_of(rig, node, at, seed, 1_300_000).await
}

/// The same, of so many bytes.
pub async fn object_of(rig: &NodeRig, node: &LocalNode, at: &str, seed: u8, len: usize) -> TestBlob {
    let blob = TestBlob::of_len(&owner(at), rig.env.clock.wall_ms(), seed, len);
    blob.write(node, |_, primary| Some(primary)).await;
    change(&rig.env, node, &blob.owner, blob.commit(0)).await.unwrap();
    blob
}
