//! Ranges in memory: the real evaluation, application and answers, one command at a time; what gateways may do of it
//! depends on registry and ranges as it does at storage nodes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use couronne_base::codec;
use couronne_base::env::Clock;
use couronne_cluster::RangeDescriptor;
use couronne_metadata::answer::{QueryRefusal, answer};
use couronne_metadata::apply::apply;
use couronne_metadata::command::{CommandRequest, Outcome, Refusal};
use couronne_metadata::evaluate::registry::Premise;
use couronne_metadata::evaluate::{Evaluated, evaluate};
use couronne_metadata::ids::{BucketId, Generation, ObjectKey, Ordinal, RangeId};
use couronne_metadata::key::{RowKind, of_key};
use couronne_metadata::memory::MemoryStore;
use couronne_metadata::query::{Answer, Query, SystemRow};
use couronne_metadata::record::quota::Charge;
use couronne_metadata::store::{Batch, Store, StoreError};
use couronne_protocol::range::{QueryRequest, RangeAddress, RangeClient, RangeError};
use couronne_ring::DriveId;
use parking_lot::Mutex;

use crate::routing::{first_key, key_past};

/// What goes wrong with the next command or query of any range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeFault {
    /// The command does not arrive.
    LosesRequest,
    /// The command takes effect, and its answer is lost.
    LosesAnswer,
    /// Too much is queued.
    Overloaded,
    /// Nobody leads just now.
    NoLeader,
    /// There is never an answer.
    Hangs,
}

impl RangeFault {
    /// The faults that a client overcomes by asking again, whether the command took effect or not.
    pub const RETRIED: &'static [Self] = &[Self::LosesRequest, Self::LosesAnswer, Self::NoLeader, Self::Hangs];
}

/// Ranges in memory.
pub struct FakeRanges {
    ranges: Mutex<Vec<FakeRange>>,
    faults: Mutex<VecDeque<RangeFault>>,
    /// After so many answers, this happens to everything.
    lasting: Mutex<Option<(usize, RangeFault)>>,
    clock: Arc<dyn Clock>,
    commands: Mutex<Vec<CommandRequest>>,
    queries: AtomicUsize,
}

struct FakeRange {
    descriptor: RangeDescriptor,
    store: MemoryStore,
    leader: DriveId,
}

impl FakeRanges {
    /// `count` ranges that cut the keyspace evenly, each with a replica on every drive.
    pub fn new(count: u16, drives: &[DriveId], clock: Arc<dyn Clock>) -> Self {
        // The residency class fills the first two bytes of a bucket id; random ones begin with the third.
        let cut = |number: u16| {
            let at = u32::from(number) * 0x1_0000 / u32::from(count.max(1));
            let [.., high, low] = at.to_be_bytes();
            if number == 0 { Bytes::new() } else { Bytes::copy_from_slice(&[0, 0, high, low]) }
        };
        let range = |number: u16| FakeRange {
            descriptor: RangeDescriptor {
                id: RangeId(u64::from(number) + 1),
                generation: Generation(1),
                start: cut(number),
                end: if number + 1 >= count { Bytes::new() } else { cut(number + 1) },
                replicas: drives.to_vec(),
            },
            store: MemoryStore::new(),
            leader: leader(drives, number.into()),
        };
        let ranges = (0..count.max(1)).map(range).collect();
        Self {
            ranges: Mutex::new(ranges),
            faults: Mutex::default(),
            lasting: Mutex::default(),
            clock,
            commands: Mutex::default(),
            queries: AtomicUsize::new(0),
        }
    }

    /// What goes wrong next, in order.
    pub fn fail_next(&self, faults: impl IntoIterator<Item = RangeFault>) {
        self.faults.lock().extend(faults);
    }

    /// What happens to everything after so many more answers, until [`FakeRanges::thaw`].
    pub fn fail_after(&self, answers: usize, fault: RangeFault) {
        *self.lasting.lock() = Some((answers, fault));
    }

    /// Ends what [`FakeRanges::fail_after`] began.
    pub fn thaw(&self) {
        *self.lasting.lock() = None;
    }

    /// Gives every range another leader.
    pub fn move_leaders(&self) {
        for range in self.ranges.lock().iter_mut() {
            let replicas = &range.descriptor.replicas;
            let at = replicas.iter().position(|replica| *replica == range.leader).unwrap_or(0);
            range.leader = leader(replicas, at + 1);
        }
    }

    /// Cuts the range of a bucket's key in two. The bucket must have no rows yet but its rules.
    pub fn cut(&self, bucket: BucketId, key: &[u8]) {
        let position = RangeDescriptor::position(bucket, key);
        let mut ranges = self.ranges.lock();
        let next_id = RangeId(ranges.iter().map(|range| range.descriptor.id.0).max().unwrap_or(0) + 1);
        let Some(range) = ranges.iter_mut().find(|range| range.descriptor.contains(&position)) else { return };
        let mut upper = range.descriptor.clone();
        (upper.id, upper.start) = (next_id, position.clone());
        range.descriptor.end = position;
        range.descriptor.generation.0 += 1;
        let store = copy(&range.store);
        let leader = range.leader;
        ranges.push(FakeRange { descriptor: upper, store, leader });
        ranges.sort_by(|a, b| a.descriptor.start.cmp(&b.descriptor.start));
    }

    /// Has a command arrive at the leader of its range.
    pub async fn arrive(&self, request: CommandRequest) -> Result<Outcome, RangeError> {
        let position = RangeDescriptor::position(request.bucket, request.key.as_bytes());
        let address = self.ranges.lock().iter().find(|range| range.descriptor.contains(&position)).map(|range| {
            let RangeDescriptor { id, generation, .. } = range.descriptor;
            RangeAddress { range: id, generation, replica: range.leader }
        });
        self.execute(address.ok_or(RangeError::StaleRange(Vec::new()))?, request).await
    }

    /// Writes a row of the cluster's own as no command does: what gateways may write is not asked.
    pub fn forge(&self, key: &ObjectKey, value: Bytes) -> Result<(), StoreError> {
        let (bucket, ranges) = (BucketId::SYSTEM, self.ranges.lock());
        let position = RangeDescriptor::position(bucket, key.as_bytes());
        let mut batch = Batch::default();
        let row = SystemRow { version: Ordinal(1), value };
        batch.put(of_key(RowKind::System, bucket, key), codec::encode(&row));
        let range = ranges.iter().find(|range| range.descriptor.contains(&position));
        range.map_or(Ok(()), |range| range.store.apply(&batch))
    }

    /// The commands that arrived, repeats included.
    pub fn commands(&self) -> Vec<CommandRequest> {
        self.commands.lock().clone()
    }

    /// How many queries arrived, repeats included.
    pub fn queries(&self) -> usize {
        self.queries.load(Ordering::Relaxed)
    }

    /// The rows of all ranges.
    pub fn rows(&self) -> usize {
        self.ranges.lock().iter().map(|range| range.store.rows()).sum()
    }

    fn fault(&self) -> Option<RangeFault> {
        if let Some((left, fault)) = &mut *self.lasting.lock() {
            if *left == 0 {
                return Some(*fault);
            }
            *left -= 1;
        }
        self.faults.lock().pop_front()
    }

    /// Runs `work` on the range of a position, if the address means it.
    fn at<T>(
        &self,
        address: RangeAddress,
        position: &[u8],
        work: impl FnOnce(&FakeRange) -> Result<T, RangeError>,
    ) -> Result<T, RangeError> {
        let ranges = self.ranges.lock();
        let range = ranges.iter().find(|range| range.descriptor.contains(position));
        let meant = range
            .filter(|range| range.descriptor.id == address.range && range.descriptor.generation == address.generation);
        match meant {
            None => Err(RangeError::StaleRange(range.map(|range| range.descriptor.clone()).into_iter().collect())),
            Some(range) if range.leader != address.replica => Err(RangeError::NotLeader(Some(range.leader))),
            Some(range) => work(range),
        }
    }

    /// What a storage node reads of other ranges before it carries a command out.
    fn check_registry(&self, request: &CommandRequest) -> Result<(), RangeError> {
        let ranges = self.ranges.lock();
        let ask = |range: &FakeRange, bucket, query| {
            answer(&*range.store.view(), bucket, None, &query, self.clock.wall_us()).map_err(refusal)
        };
        let row = match Premise::row(request)? {
            None => None,
            Some(key) => {
                let position = RangeDescriptor::position(BucketId::SYSTEM, key.as_bytes());
                let range = ranges.iter().find(|range| range.descriptor.contains(&position));
                let range = range.ok_or_else(|| unavailable(false))?;
                match ask(range, BucketId::SYSTEM, Query::SystemGet { key })? {
                    Answer::SystemGet(row) => row,
                    _ => return Err(unavailable(false)),
                }
            }
        };
        let Some(premise) = Premise::of(request, row.as_ref())? else { return Ok(()) };
        let bucket = premise.bucket();
        let mut next = first_key(None).ok();
        while let Some(key) = next {
            let position = RangeDescriptor::position(bucket, key.as_bytes());
            let range = ranges.iter().find(|range| range.descriptor.contains(&position));
            let range = range.ok_or_else(|| unavailable(false))?;
            match ask(range, bucket, Query::Rules { key })? {
                Answer::Rules(found) if premise.holds(&found) => {}
                _ => return Err(RangeError::Refused(Refusal::Conflict)),
            }
            next = key_past(&range.descriptor, bucket).unwrap_or_default();
        }
        Ok(())
    }

    fn run(&self, range: &FakeRange, request: &CommandRequest) -> Result<Outcome, RangeError> {
        let view = range.store.view();
        let evaluated = evaluate(&*view, request, self.clock.wall_us());
        let admitted = evaluated.and_then(|evaluated| evaluated.within_quota(&*view, request, Charge::default()));
        match admitted.map_err(store_error)? {
            Evaluated::Settled(settled) => settled.map_err(RangeError::from),
            Evaluated::Propose { effect, outcome, .. } => {
                let batch = apply(&*view, &[effect]).map_err(store_error)?;
                range.store.apply(&batch).map_err(store_error)?;
                outcome.map_err(RangeError::from)
            }
        }
    }
}

#[async_trait]
impl RangeClient for FakeRanges {
    async fn describe(&self, start: Bytes, end: Bytes) -> Result<Vec<RangeDescriptor>, RangeError> {
        let ranges = self.ranges.lock();
        let meets = |range: &RangeDescriptor| {
            (end.is_empty() || range.start < end) && (range.end.is_empty() || range.end > start)
        };
        Ok(ranges.iter().map(|range| range.descriptor.clone()).filter(meets).collect())
    }

    async fn execute(&self, address: RangeAddress, request: CommandRequest) -> Result<Outcome, RangeError> {
        tokio::task::yield_now().await;
        let fault = self.fault();
        match fault {
            Some(RangeFault::LosesRequest) => return Err(unavailable(true)),
            Some(RangeFault::Overloaded) => return Err(RangeError::Overloaded),
            Some(RangeFault::NoLeader) => return Err(RangeError::NotLeader(None)),
            Some(RangeFault::Hangs) => return std::future::pending().await,
            Some(RangeFault::LosesAnswer) | None => {}
        }
        let position = RangeDescriptor::position(request.bucket, request.key.as_bytes());
        self.commands.lock().push(request.clone());
        let done = self.at(address, &position, |_| Ok(())).and_then(|()| self.check_registry(&request));
        let done = done.and_then(|()| self.at(address, &position, |range| self.run(range, &request)));
        if fault == Some(RangeFault::LosesAnswer) { Err(unavailable(true)) } else { done }
    }

    async fn query(&self, address: RangeAddress, query: QueryRequest) -> Result<Answer, RangeError> {
        self.queries.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
        match self.fault() {
            Some(RangeFault::Overloaded) => return Err(RangeError::Overloaded),
            Some(RangeFault::NoLeader) => return Err(RangeError::NotLeader(None)),
            Some(RangeFault::Hangs) => return std::future::pending().await,
            Some(RangeFault::LosesRequest | RangeFault::LosesAnswer) => return Err(unavailable(false)),
            None => {}
        }
        let key = query.query.key();
        let ask = |range: &FakeRange| {
            let view = range.store.view();
            let answered = answer(&*view, query.bucket, query.rules_version, &query.query, self.clock.wall_us());
            answered.map_err(refusal)
        };
        match key {
            Some(key) => self.at(address, &RangeDescriptor::position(query.bucket, key.as_bytes()), ask),
            None => {
                // A listing names no key: the address alone says which range is meant.
                let ranges = self.ranges.lock();
                let range = ranges.iter().find(|range| range.descriptor.id == address.range);
                match range {
                    Some(range) if range.descriptor.generation == address.generation => {
                        if range.leader == address.replica { ask(range) } else { Err(RangeError::NotLeader(None)) }
                    }
                    other => {
                        Err(RangeError::StaleRange(other.map(|range| range.descriptor.clone()).into_iter().collect()))
                    }
                }
            }
        }
    }
}

fn leader(drives: &[DriveId], number: usize) -> DriveId {
    let at = number.checked_rem(drives.len()).unwrap_or(0);
    drives.get(at).copied().unwrap_or(DriveId(0))
}

fn copy(store: &MemoryStore) -> MemoryStore {
    let copied = MemoryStore::new();
    let mut batch = Batch::default();
    {
        let view = store.view();
        let mut cursor = view.scan(std::ops::Bound::Unbounded, std::ops::Bound::Unbounded, false);
        while let Ok(Some((key, value))) = cursor.next() {
            batch.put(key, value);
        }
    }
    // A store in memory does not fail.
    let _ = copied.apply(&batch);
    copied
}

fn unavailable(maybe_done: bool) -> RangeError {
    RangeError::Unavailable { reason: "it was told to be".to_owned(), maybe_done }
}

fn refusal(refusal: QueryRefusal) -> RangeError {
    match refusal {
        QueryRefusal::Stale => RangeError::StaleRules,
        QueryRefusal::NoSuchBucket => RangeError::Refused(Refusal::NoSuchBucket),
        QueryRefusal::Store(error) => store_error(error),
    }
}

fn store_error(error: StoreError) -> RangeError {
    RangeError::Corrupt(error.to_string())
}
