//! What the tests over a whole node share: a node over simulated drives, its rows, its blobs.
#![allow(unreachable_pub, reason = "for the other modules")]

pub mod blobs;
pub mod eta_check;
pub mod rounds;
pub mod rows;
pub mod several;

use std::sync::Arc;

use couronne_base::env::Env;
use couronne_base::testing::{self, TestClock};
use couronne_cluster::Role;
use couronne_cluster::map::{Bootstrap, MapNode};
use couronne_metadata::evaluate;
use couronne_placement::{Policy, PolicyId};
use couronne_protocol::net::certificates::MEMBER_LIFETIME;
use couronne_ring::{DriveId, NodeId, RegionName, ZoneName};
use couronne_storage_node::consensus::ConsensusSettings;
use couronne_storage_node::disk::simulated::SimulatedDisk;
use couronne_storage_node::disk::{Disk, Space};
use couronne_storage_node::drives::{Identity, Settings as DriveSettings};
use couronne_storage_node::duties::DutySettings;
use couronne_storage_node::node::{
    ClusterKeys, DriveNotes, LocalNode, Membership, MemoryStores, NodeDrive, NodeSettings, ReadPolicy, Reopen,
};

/// A drive that outlives the nodes that use it.
#[derive(Clone)]
pub struct TestDrive {
    pub disk: SimulatedDisk,
    pub stores: MemoryStores,
}

impl TestDrive {
    /// The drive as a node is given it.
    fn for_node(&self, name: String) -> NodeDrive {
        let (drive, its_name) = (self.clone(), name.clone());
        let reopen = Reopen::by(move || {
            drive.stores.reopen();
            let again = drive.for_node(its_name.clone());
            Box::pin(async move { Ok(again) })
        });
        NodeDrive {
            name,
            disk: Arc::new(self.disk.clone()),
            stores: Arc::new(self.stores.clone()),
            reopen: Some(reopen),
            settings: Some(DriveSettings {
                large_segment_bytes: 4 << 20,
                small_segment_bytes: 2 << 20,
                ..DriveSettings::for_space(Space { total: 1 << 30, free: 1 << 30 })
            }),
        }
    }
}

/// A machine: its drives, its clock, and how a node is started on them.
pub struct NodeRig {
    pub env: Env,
    pub clock: Arc<TestClock>,
    pub drives: Vec<TestDrive>,
    /// The background duties of the next start.
    pub duties: DutySettings,
    /// The evaluation of the next start.
    pub evaluation: evaluate::Settings,
    pub policy: &'static str,
    /// What is noted of the drives for the next start.
    pub noted: DriveNotes,
    /// The node that founds a cluster here.
    pub node: NodeId,
    /// The keys of the cluster that the node has.
    pub cluster_keys: ClusterKeys,
}

impl NodeRig {
    pub fn new(seed: u64, policy: &'static str, drives: u64) -> Self {
        let (env, clock) = testing::env(seed);
        let drive =
            |number| TestDrive { disk: SimulatedDisk::new(seed + number, 1 << 30), stores: MemoryStores::default() };
        let drives = (0..drives).map(drive).collect();
        let (duties, evaluation) = (DutySettings::default(), evaluate::Settings::default());
        let (noted, cluster_keys) = (DriveNotes::default(), ClusterKeys::default());
        Self { env, clock, drives, duties, evaluation, policy, noted, node: NodeId(1), cluster_keys }
    }

    pub async fn start(&self) -> Arc<LocalNode> {
        self.start_with(|_| true).await
    }

    /// Starts with some of the drives only.
    pub async fn start_with(&self, here: impl Fn(usize) -> bool) -> Arc<LocalNode> {
        let (drives, settings) = (self.node_drives(here), self.settings());
        if Membership::owner(&drives, None).await.unwrap().is_none() {
            self.found(&drives).await;
        }
        LocalNode::open(self.env.clone(), drives, settings).await.unwrap()
    }

    /// Founds a cluster of one node with these drives.
    pub async fn found(&self, drives: &[NodeDrive]) {
        let place = MapNode {
            role: Role::StorageNode,
            name: "alone".into(),
            address: "".into(),
            region: RegionName("region".into()),
            zone: ZoneName("zone".into()),
        };
        let (cluster, bootstrap) = (7, Bootstrap { nodes: 1, ranges: 3 });
        let planned = Membership::plan_drives(&self.env, drives).await.unwrap();
        let founding_node = (cluster, self.node, place);
        Membership::found(&self.env, drives, &planned, founding_node, &self.policy(), bootstrap).await.unwrap();
    }

    /// The drives as a node is given them.
    pub fn node_drives(&self, here: impl Fn(usize) -> bool) -> Vec<NodeDrive> {
        let drives = self.drives.iter().enumerate().filter(|(number, _)| here(*number));
        drives.map(|(number, drive)| drive.for_node(format!("drive {number}"))).collect()
    }

    /// The policy with which a cluster is founded here.
    pub fn policy(&self) -> Policy {
        Policy {
            id: PolicyId(0),
            name: "standard".into(),
            redundancy: self.policy.parse().unwrap(),
            chunk_bytes: 1 << 20,
            inline_bytes_max: 16 << 10,
            copies_bytes_max: 128 << 10,
            survives: None,
        }
    }

    /// The settings of the next start.
    pub fn settings(&self) -> NodeSettings {
        NodeSettings {
            redundancy: Some(self.policy.parse().unwrap()),
            consensus: ConsensusSettings::default(),
            evaluation: self.evaluation.clone(),
            reads: ReadPolicy::default(),
            duties: self.duties.clone(),
            certificate_lifetime: MEMBER_LIFETIME,
            node: None,
            noted: self.noted.clone(),
            cluster_keys: self.cluster_keys.clone(),
        }
    }

    /// Kills the process and loses what a power loss may lose.
    pub async fn crash(&mut self, node: Arc<LocalNode>, seed: u64) {
        node.abandon().await;
        drop(node);
        for (number, drive) in (0..).zip(&mut self.drives) {
            drive.disk = drive.disk.crash();
            drive.stores = drive.stores.crash(seed * 31 + number);
        }
    }

    /// The identity of one of the drives.
    pub async fn id_of(&self, number: usize) -> DriveId {
        let disk: Arc<dyn Disk> = Arc::new(self.drives[number].disk.clone());
        Identity::read(&disk).await.unwrap().drive
    }

    /// Which of the drives has that identity.
    pub async fn number_of(&self, wanted: DriveId) -> usize {
        for number in 0..self.drives.len() {
            if self.id_of(number).await == wanted {
                return number;
            }
        }
        panic!("no such drive");
    }

    /// Snapshots of all drives as they are now.
    pub fn backup(&self, seed: u64) -> Vec<TestDrive> {
        let backup = |drive: &TestDrive| TestDrive { disk: drive.disk.backup(), stores: drive.stores.backup(seed) };
        self.drives.iter().map(backup).collect()
    }

    /// Removes the segments of a drive, and nothing else.
    pub async fn remove_segments(&self, number: usize) {
        let disk = &self.drives[number].disk;
        for name in disk.list("segments").await.unwrap() {
            disk.remove(&format!("segments/{name}")).await.unwrap();
        }
        disk.sync_dir("segments").await.unwrap();
    }

    /// Puts an empty drive in the place of one.
    pub fn wipe(&mut self, number: usize) {
        self.drives[number] =
            TestDrive { disk: SimulatedDisk::new(99 + number as u64, 1 << 30), stores: MemoryStores::default() };
    }
}
