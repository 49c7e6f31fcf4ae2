//! What these tests share: a map, replicas that answer as they are told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use couronne_client::testing::{FakeShape, FakeStorage};
use couronne_client::{Client, MetaGroup, Settings};
use couronne_cluster::map::{
    Authorities, ClusterKeyState, ClusterMap, MAP_RANGE, MapNode, MapRange, MemberKeys, ReplicaId, StoredDrive,
};
use couronne_cluster::{RangeDescriptor, Role};
use couronne_metadata::command::{CommandRequest, Outcome};
use couronne_metadata::ids::{Generation, ObjectKey, Ordinal, RangeId};
use couronne_metadata::query::Answer;
use couronne_placement::PolicyId;
use couronne_protocol::map::SharedMap;
use couronne_protocol::range::{QueryRequest, RangeAddress, RangeClient, RangeError};
use couronne_ring::{DriveId, NodeId, RegionName, ZoneName};
use parking_lot::Mutex;

pub(crate) fn key(text: &str) -> ObjectKey {
    ObjectKey::new(text.to_owned()).unwrap()
}

/// A map of storage nodes, each with the drive of its number, of which the first `voters` are the meta group.
pub(crate) fn map(nodes: u8, voters: u8) -> ClusterMap {
    let node = |number: u8| {
        let (region, zone) = (RegionName("r".into()), ZoneName("z".into()));
        let known = MapNode { role: Role::StorageNode, name: "n".into(), address: "a".into(), region, zone };
        (NodeId(number.into()), known)
    };
    let drive = |number: u8| (DriveId(number.into()), StoredDrive::new(NodeId(number.into()), 1));
    ClusterMap {
        version: 1,
        cluster: 7,
        bootstrap: None,
        nodes: (1..=nodes).map(node).collect(),
        drives: (1..=nodes).map(drive).collect(),
        policies: BTreeMap::new(),
        default_policy: PolicyId(0),
        meta_group: MapRange {
            id: MAP_RANGE,
            generation: Generation(3),
            start: Bytes::new(),
            end: Bytes::new(),
            replicas: (1..=voters).map(|number| (ReplicaId(number.into()), DriveId(number.into()))).collect(),
            leaving: BTreeMap::new(),
            members: None,
            initial_voters: BTreeMap::new(),
        },
        ranges: Vec::new(),
        expelled: BTreeMap::new(),
        authorities: Authorities::default(),
        keys: MemberKeys::default(),
        secrets_version: 1,
        cluster_key: ClusterKeyState::default(),
        next_replica: 100,
        time_ms: 0,
    }
}

/// What a replica does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Says {
    /// It leads.
    Leads,
    /// It says that another one leads.
    Points(u8),
    /// It knows of no leader.
    Nothing,
    /// It does not answer.
    Silent,
    /// It has too much to do.
    Overloaded,
}

/// One range that owns everything, whose replicas answer as they are told; and the meta group on the same drives.
pub(crate) struct ToldReplicas {
    says: Mutex<Vec<Says>>,
    /// The drives on which replicas are described to be; unset: all.
    placed: Mutex<Option<Vec<u8>>>,
    asked: Mutex<Vec<(RangeAddress, Option<CommandRequest>)>>,
}

impl ToldReplicas {
    /// The replicas on drives 1, 2, ...
    pub(crate) fn new(says: &[Says]) -> Arc<Self> {
        Arc::new(Self { says: Mutex::new(says.to_vec()), placed: Mutex::default(), asked: Mutex::default() })
    }

    /// On which drives replicas are described to be from here on.
    pub(crate) fn place(&self, drives: &[u8]) {
        *self.placed.lock() = Some(drives.to_vec());
    }

    /// What a replica does from here on.
    pub(crate) fn tell(&self, drive: u8, says: Says) {
        self.says.lock()[usize::from(drive) - 1] = says;
    }

    /// The drives whose replicas were asked, in order.
    pub(crate) fn asked(&self) -> Vec<u128> {
        self.asked.lock().iter().map(|(address, _)| address.replica.0).collect()
    }

    /// The addresses that were asked.
    pub(crate) fn addresses(&self) -> Vec<RangeAddress> {
        self.asked.lock().iter().map(|(address, _)| *address).collect()
    }

    /// The commands that were sent.
    pub(crate) fn commands(&self) -> Vec<CommandRequest> {
        self.asked.lock().iter().filter_map(|(_, request)| request.clone()).collect()
    }

    async fn answer(&self, address: RangeAddress, request: Option<CommandRequest>) -> Result<(), RangeError> {
        self.asked.lock().push((address, request));
        assert!(self.asked.lock().len() < 20_000, "replicas are asked without a pause");
        let says = self.says.lock()[usize::try_from(address.replica.0).unwrap() - 1];
        match says {
            Says::Leads => Ok(()),
            Says::Points(drive) => Err(RangeError::NotLeader(Some(DriveId(drive.into())))),
            Says::Nothing => Err(RangeError::NotLeader(None)),
            Says::Silent => std::future::pending().await,
            Says::Overloaded => Err(RangeError::Overloaded),
        }
    }
}

#[async_trait]
impl RangeClient for ToldReplicas {
    async fn describe(&self, _: Bytes, _: Bytes) -> Result<Vec<RangeDescriptor>, RangeError> {
        let all = || (1..=u8::try_from(self.says.lock().len()).unwrap()).collect();
        let placed: Vec<u8> = self.placed.lock().clone().unwrap_or_else(all);
        let replicas = placed.into_iter().map(|number| DriveId(number.into())).collect();
        let (start, end) = (Bytes::new(), Bytes::new());
        Ok(vec![RangeDescriptor { id: RangeId(1), generation: Generation(1), start, end, replicas }])
    }

    async fn execute(&self, address: RangeAddress, request: CommandRequest) -> Result<Outcome, RangeError> {
        self.answer(address, Some(request)).await.map(|()| Outcome::Done { ordinal: Ordinal(5) })
    }

    async fn query(&self, address: RangeAddress, _: QueryRequest) -> Result<Answer, RangeError> {
        self.answer(address, None).await.map(|()| Answer::SystemGet(None))
    }
}

/// A client of such replicas, of which all keep the map, and what makes it stop.
pub(crate) fn client_of(replicas: &Arc<ToldReplicas>) -> (Client, couronne_base::watch::Sender<bool>) {
    let count = u8::try_from(replicas.says.lock().len()).unwrap();
    let storage = FakeStorage::new(&FakeShape::default());
    let components = couronne_client::Components { ranges: replicas.clone(), ..storage.components() };
    let (stopping, stopped) = couronne_base::watch::channel(false);
    let meta = MetaGroup::new(Arc::new(SharedMap::new(map(count, count))), stopped);
    (Client::with_meta(components, Settings::default(), meta), stopping)
}

/// How long `work` takes by Tokio's clock, and what it comes to.
pub(crate) async fn timed<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let began = tokio::time::Instant::now();
    let done = work.await;
    (done, began.elapsed())
}
