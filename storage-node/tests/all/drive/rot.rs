//! One flipped bit in a file of a drive's real stores, wherever it is, keeps the drive out of no start.

#![allow(clippy::disallowed_methods, reason = "RocksDB's files are not the drive's")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use couronne_metadata::rocks::RocksSettings;
use couronne_placement::ShardId;
use couronne_protocol::shard::{Owner, ShardDuties};
use couronne_ring::DriveId;
use couronne_storage_node::disk::Space;
use couronne_storage_node::drives::{Identity, ListedShard, Settings, open_folder};
use couronne_storage_node::node::{LocalNode, NodeDrive};
use tempfile::TempDir;

use crate::support::NodeRig;
use crate::support::blobs::TestBlob;
use crate::support::rounds::eventually;
use crate::support::rows::{bucket_id, commit, key, read, write};

const DRIVES: usize = 3;
const ROWS: u64 = 60;

/// The drive whose files rot.
const ROTTEN: usize = 0;

/// Where bits are flipped in files whose names begin or end so: the first of these bytes, and bytes from the end.
const PLACES: [(&str, &[i64]); 6] = [
    (".sst", &[0, 60, 200, 500, -5, -53, -60, -100, -300, -1200]),
    (".blob", &[0, 40, 300, -4]),
    ("MANIFEST-", &[0, 5, 100, -3]),
    ("CURRENT", &[0, 9, 14, -1]),
    ("IDENTITY", &[3]),
    ("OPTIONS-", &[50]),
];

/// A node over folders.
struct FolderNode {
    rig: NodeRig,
    scratch: TempDir,
    node: Option<Arc<LocalNode>>,
    drive: Option<DriveId>,
}

impl FolderNode {
    fn folder(&self) -> PathBuf {
        self.scratch.path().join(format!("drive-{ROTTEN}"))
    }

    async fn drives(&self) -> Vec<NodeDrive> {
        let mut drives = Vec::new();
        for number in 0..DRIVES {
            let folder = self.scratch.path().join(format!("drive-{number}"));
            std::fs::create_dir_all(&folder).unwrap();
            let mut drive = open_folder(&folder, &RocksSettings::default()).await.unwrap();
            let space = Space { total: 1 << 30, free: 1 << 30 };
            let settings = Settings::for_space(space);
            drive.settings = Some(Settings { large_segment_bytes: 4 << 20, small_segment_bytes: 2 << 20, ..settings });
            drives.push(drive);
        }
        drives
    }

    async fn start(&mut self) {
        let drives = self.drives().await;
        if self.drive.is_none() {
            self.rig.found(&drives).await;
        }
        self.drive = Some(Identity::read(&drives[ROTTEN].disk).await.unwrap().drive);
        let node = LocalNode::open(self.rig.env.clone(), drives, self.rig.settings()).await;
        self.node = Some(node.expect("rot in one drive's stores ends no start"));
    }

    fn node(&self) -> &LocalNode {
        self.node.as_ref().unwrap()
    }

    async fn stop(&mut self) {
        // A start makes a log file, and the flusher, whose round is a second, has older ones go: many short starts in a
        // row would leave the log with too many to take more.
        tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
        let node = self.node.take().unwrap();
        node.shutdown().await;
        drop(node);
        // The folders are locked until the last task lets go of them.
        for number in 0..DRIVES {
            let folder = self.scratch.path().join(format!("drive-{number}"));
            eventually("the drive is let go of", async || {
                open_folder(&folder, &RocksSettings::default()).await.is_ok()
            })
            .await;
        }
    }

    async fn shards(&self) -> Vec<ListedShard> {
        self.node().list_shards(self.drive.unwrap(), None, 100).await.unwrap_or_default()
    }

    /// All drives serve, with all rows and shards.
    async fn check(&self, what: &str, shards: &[ShardId]) {
        let node = self.node();
        eventually(&format!("{what}: all drives serve"), async || {
            node.drive_names().len() == DRIVES && node.is_whole()
        })
        .await;
        let listed = async || self.shards().await.iter().map(|listed| listed.shard).eq(shards.iter().copied());
        eventually(&format!("{what}: the shards are known"), listed).await;
        for number in 0..ROWS {
            let row = read(&self.rig.env, node, &format!("key{number}")).await;
            assert_eq!(row.unwrap(), value(number), "{what}");
        }
    }

    /// The newest of the drive's databases.
    fn stores(&self) -> PathBuf {
        let folders = std::fs::read_dir(self.folder()).unwrap().map(|entry| entry.unwrap().path());
        let stores = folders.filter(|path| name(path).starts_with("stores"));
        stores.max_by_key(|path| name(path).rsplit('-').next().unwrap().parse().unwrap_or(0u64)).unwrap()
    }

    fn files(&self, kind: &str) -> Vec<PathBuf> {
        let files = std::fs::read_dir(self.stores()).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<PathBuf> =
            files.filter(|path| name(path).starts_with(kind) || name(path).ends_with(kind)).collect();
        files.sort();
        files
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

/// Some rows stand in files of bodies.
fn value(number: u64) -> String {
    number.to_string().repeat(if number.is_multiple_of(2) { 1000 } else { 20 })
}

/// Flips a bit; whether the file has that byte.
fn flip(path: &Path, place: i64) -> bool {
    let mut bytes = std::fs::read(path).unwrap();
    let at = if place < 0 { bytes.len() as i64 + place } else { place };
    let Some(byte) = usize::try_from(at).ok().and_then(|at| bytes.get_mut(at)) else { return false };
    *byte ^= 0x10;
    std::fs::write(path, bytes).unwrap();
    true
}

/// The others have all rows. Whatever rots, the drive serves again by itself, with its shards: the stores are read
/// around, or begin anew.
#[tokio::test(flavor = "multi_thread")]
async fn no_flipped_bit_of_a_drives_stores_keeps_it_out() {
    let scratch = tempfile::tempdir().unwrap();
    let mut world = FolderNode { rig: NodeRig::new(41, "replicated:2", 0), scratch, node: None, drive: None };
    world.start().await;
    for number in 0..ROWS {
        let (at, id) = (format!("key{number}"), commit(number));
        write(&world.rig.env, world.node(), &at, &value(number), id).await.unwrap();
    }
    let owner = Owner { bucket: bucket_id(1), key: key("some") };
    let blob = TestBlob::of_len(&owner, world.rig.env.clock.wall_ms(), 1, 300_000);
    for shard in blob.shards() {
        let put = blob.put(world.node(), shard, blob.payload(shard).clone());
        world.node().routes().restore_shard(world.drive.unwrap(), put).await.unwrap();
    }
    let shards: Vec<ShardId> = world.shards().await.iter().map(|listed| listed.shard).collect();
    assert_eq!(shards.len(), 6);
    let (mut flipped, mut round) = (0, 0);
    for (kind, places) in PLACES {
        for place in places {
            world.stop().await;
            let files = world.files(kind);
            assert!(!files.is_empty(), "{kind} is there");
            let file = &files[round % files.len()];
            flipped += usize::from(flip(file, *place));
            round += 1;
            world.start().await;
            world.check(&format!("{} at {place}", file.display()), &shards).await;
        }
    }
    assert!(flipped >= 20, "{flipped}");
    world.stop().await;
}
