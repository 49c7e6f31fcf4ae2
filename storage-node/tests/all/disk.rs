//! One model for both disks: what `FileDisk` does, `SimulatedDisk` does; and what the fake does
//! besides, when it is told to fail.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use couronne_storage_node::disk::files::FileDisk;
use couronne_storage_node::disk::simulated::{Fault, SECTOR_BYTES, SimulatedDisk};
use couronne_storage_node::disk::{Access, Disk, DiskFile};
use proptest::prelude::*;

const UNIT: usize = 4096;

#[derive(Clone, Debug)]
enum DiskStep {
    Create { name: u8, units: usize },
    Remove { name: u8 },
    Rename { from: u8, to: u8 },
    Write { name: u8, unit: usize, sizes: Vec<usize>, byte: u8, sync: bool },
    Read { name: u8, unit: usize, units: usize },
    Reopen { name: u8 },
    SyncDir,
}

fn step() -> impl Strategy<Value = DiskStep> {
    let name = || 0u8..3;
    prop_oneof![
        2 => (name(), 0usize..8).prop_map(|(name, units)| DiskStep::Create { name, units }),
        1 => name().prop_map(|name| DiskStep::Remove { name }),
        1 => (name(), name()).prop_map(|(from, to)| DiskStep::Rename { from, to }),
        4 => (name(), 0usize..8, proptest::collection::vec(1usize..3, 0..3), any::<u8>(), any::<bool>())
            .prop_map(|(name, unit, sizes, byte, sync)| DiskStep::Write { name, unit, sizes, byte, sync }),
        4 => (name(), 0usize..8, 0usize..4).prop_map(|(name, unit, units)| DiskStep::Read { name, unit, units }),
        1 => name().prop_map(|name| DiskStep::Reopen { name }),
        1 => Just(DiskStep::SyncDir),
    ]
}

fn path(name: u8) -> String {
    format!("a/b/{name}")
}

/// Runs the steps on a disk and on plain vectors, and compares after each.
async fn check(disk: &dyn Disk, access: Access, steps: &[DiskStep]) {
    disk.create_folder("a/b").await.unwrap();
    let mut model: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
    let mut open: BTreeMap<u8, Arc<dyn DiskFile>> = BTreeMap::new();
    for step in steps.iter().cloned() {
        match step {
            DiskStep::Create { name, units } => match disk.create(&path(name), (units * UNIT) as u64, access).await {
                Ok(file) => {
                    assert!(model.insert(name, vec![0; units * UNIT]).is_none(), "created over a file");
                    open.insert(name, file);
                }
                Err(_) => assert!(model.contains_key(&name)),
            },
            DiskStep::Remove { name } => {
                assert_eq!(disk.remove(&path(name)).await.is_ok(), model.remove(&name).is_some());
                open.remove(&name);
            }
            DiskStep::Rename { from, to } if from != to => {
                assert_eq!(disk.rename(&path(from), &path(to)).await.is_ok(), model.contains_key(&from));
                if let Some(bytes) = model.remove(&from) {
                    model.insert(to, bytes);
                    let file = open.remove(&from).unwrap();
                    open.insert(to, file);
                }
            }
            DiskStep::Rename { .. } => {}
            DiskStep::Write { name, unit, sizes, byte, sync } => {
                let Some(bytes) = model.get_mut(&name) else { continue };
                let buffers: Vec<Bytes> = sizes.iter().map(|units| vec![byte; units * UNIT].into()).collect();
                let flat = buffers.concat();
                open[&name].write((unit * UNIT) as u64, buffers, sync).await.unwrap();
                let end = unit * UNIT + flat.len();
                if !flat.is_empty() {
                    bytes.resize(bytes.len().max(end), 0);
                    bytes[unit * UNIT..end].copy_from_slice(&flat);
                }
            }
            DiskStep::Read { name, unit, units } => {
                let Some(bytes) = model.get(&name) else { continue };
                let read = open[&name].read((unit * UNIT) as u64, units * UNIT).await;
                if units > 0 {
                    let expected = bytes.get(unit * UNIT..(unit + units) * UNIT);
                    assert_eq!(read.ok().as_deref(), expected, "{name} {unit} {units}");
                }
            }
            DiskStep::Reopen { name } => match disk.open(&path(name), access).await {
                Ok(file) => drop(open.insert(name, file)),
                Err(_) => assert!(!model.contains_key(&name)),
            },
            DiskStep::SyncDir => disk.sync_dir("a/b").await.unwrap(),
        }
        let names: Vec<String> = model.keys().map(u8::to_string).collect();
        assert_eq!(disk.list("a/b").await.unwrap(), names);
        for (name, bytes) in &model {
            assert_eq!(open[name].len().await.unwrap(), bytes.len() as u64);
        }
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn files_behave_as_the_model(steps in proptest::collection::vec(step(), 0..40), direct: bool) {
        let access = if direct { Access::Direct } else { Access::Buffered };
        let folder = tempfile::tempdir().unwrap();
        block_on(async { check(&FileDisk::open(folder.path()).await.unwrap(), access, &steps).await });
    }

    #[test]
    fn the_fake_behaves_as_the_model(steps in proptest::collection::vec(step(), 0..40), direct: bool, seed: u64) {
        let access = if direct { Access::Direct } else { Access::Buffered };
        block_on(check(&SimulatedDisk::new(seed, 1 << 30), access, &steps));
    }

    /// After a crash each sector holds a version that was written since the last sync, or the synced
    /// one; and what was synced last is there.
    #[test]
    fn a_crash_keeps_what_was_synced(
        writes in proptest::collection::vec((0usize..4, 1u8.., any::<bool>()), 1..12),
        seed: u64,
    ) {
        block_on(async {
            let disk = SimulatedDisk::new(seed, 1 << 30);
            let file = disk.create("f", 4 * UNIT as u64, Access::Direct).await.unwrap();
            disk.sync_dir("").await.unwrap();
            file.sync().await.unwrap();
            let mut allowed = vec![vec![0u8]; 4];
            for (unit, byte, sync) in writes {
                file.write((unit * UNIT) as u64, vec![vec![byte; UNIT].into()], sync).await.unwrap();
                allowed[unit].push(byte);
                if sync {
                    allowed.iter_mut().for_each(|versions| drop(versions.drain(..versions.len() - 1)));
                }
            }
            let after = disk.crash();
            assert!(file.read(0, UNIT).await.is_err(), "a handle outlived the crash");
            let file = after.open("f", Access::Direct).await.unwrap();
            let bytes = file.read(0, 4 * UNIT).await.unwrap();
            for (unit, sectors) in bytes.chunks(UNIT).enumerate() {
                for sector in sectors.chunks(SECTOR_BYTES) {
                    assert!(sector.iter().all(|byte| *byte == sector[0]), "a torn sector");
                    assert!(allowed[unit].contains(&sector[0]));
                }
            }
        });
    }
}

#[test]
fn two_disks_never_share_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    block_on(async {
        let disk = FileDisk::open(folder.path().join("x/y")).await.unwrap();
        let file = disk.create("f", 0, Access::Buffered).await.unwrap();
        drop(disk);
        assert!(FileDisk::open(folder.path().join("x/y")).await.is_err(), "a file in use keeps the lock");
        drop(file);
        assert!(FileDisk::open(folder.path().join("x/y")).await.is_ok());
    });
}

#[test]
fn paths_that_leave_the_folder_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    block_on(async {
        let disk = FileDisk::open(folder.path()).await.unwrap();
        for path in ["../x", "/etc/passwd", "a//b", "", "a/.."] {
            assert!(disk.create(path, 0, Access::Buffered).await.is_err(), "{path}");
        }
    });
}

#[test]
fn direct_io_off_its_alignment_is_refused_by_both() {
    let folder = tempfile::tempdir().unwrap();
    block_on(async {
        let disks: [Arc<dyn Disk>; 2] =
            [Arc::new(FileDisk::open(folder.path()).await.unwrap()), Arc::new(SimulatedDisk::new(1, 1 << 20))];
        for disk in disks {
            let file = disk.create("f", 8192, Access::Direct).await.unwrap();
            assert!(file.write(1, vec![vec![0; UNIT].into()], false).await.is_err());
            assert!(file.write(0, vec![vec![0; 100].into()], false).await.is_err());
            assert!(file.read(0, 100).await.is_err());
            file.write(0, vec![vec![1; 100].into(), vec![2; UNIT - 100].into()], true).await.unwrap();
        }
    });
}

#[test]
fn a_failed_sync_closes_the_file_for_good() {
    block_on(async {
        let disk = SimulatedDisk::new(7, 1 << 20);
        let file = disk.create("f", UNIT as u64, Access::Direct).await.unwrap();
        disk.inject(Fault::FailSync, 0);
        assert!(file.write(0, vec![vec![1; UNIT].into()], true).await.is_err());
        assert!(file.sync().await.is_err());
        assert!(file.write(0, vec![vec![1; UNIT].into()], false).await.is_err());
        assert!(file.read(0, UNIT).await.is_err());
        assert!(disk.open("f", Access::Direct).await.unwrap().read(0, UNIT).await.is_ok());
    });
}

#[test]
fn a_lost_sync_says_yes_and_loses() {
    let lost = (0..20u64).filter(|seed| {
        block_on(async {
            let disk = SimulatedDisk::new(*seed, 1 << 20);
            let file = disk.create("f", UNIT as u64, Access::Direct).await.unwrap();
            disk.sync_dir("").await.unwrap();
            file.sync().await.unwrap();
            disk.inject(Fault::LoseSync, 0);
            file.write(0, vec![vec![1; UNIT].into()], true).await.unwrap();
            let file = disk.crash().open("f", Access::Direct).await.unwrap();
            file.read(0, UNIT).await.unwrap() != vec![1; UNIT]
        })
    });
    assert!(lost.count() > 10);
}

#[test]
fn a_full_disk_refuses_and_a_name_unsynced_may_be_lost() {
    block_on(async {
        let disk = SimulatedDisk::new(3, 3 * UNIT as u64);
        disk.create("a", 2 * UNIT as u64, Access::Buffered).await.unwrap();
        let refused = disk.create("b", 2 * UNIT as u64, Access::Buffered).await.err().unwrap();
        assert_eq!(refused.kind(), std::io::ErrorKind::StorageFull);
        disk.sync_dir("").await.unwrap();
        let mut kept = 0;
        let mut disk = disk;
        for _ in 0..20 {
            let _ = disk.create("b", 0, Access::Buffered).await;
            disk = disk.crash();
            kept += usize::from(disk.list("").await.unwrap().contains(&"b".to_owned()));
            let _ = disk.remove("b").await;
            disk.sync_dir("").await.unwrap();
        }
        assert!((1..20).contains(&kept), "{kept}");
    });
}
