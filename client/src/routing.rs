//! The way to ranges: the cached range table, leader hints, and retries until the outcome is known.
//!
//! A command is sent with one commit id and one deadline, however often it is repeated: whichever
//! attempt takes effect, all get its outcome. So nothing is lost by asking again, and the caller
//! learns "done", "refused" or, when the time is up, "unavailable". The range that owns a key is found in
//! the table, the meta group in the map; beyond that both are asked in the same way.
//! Must not know: objects, buckets' names, what rows mean.

mod attempts;
mod meta;
mod system;
mod table;
mod usage;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use couronne_base::env::Env;
use couronne_cluster::RangeDescriptor;
use couronne_metadata::command::{Command, CommandRequest, Outcome, SeenVersion};
use couronne_metadata::ids::{BucketId, CommitId, ObjectKey};
use couronne_metadata::query::{Answer, Query};
use couronne_protocol::range::{QueryRequest, RangeAddress, RangeClient, RangeError};
use couronne_ring::DriveId;
use tokio::time::timeout;

use crate::error::ClientError;
use crate::settings::Settings;
use attempts::{Asked, Attempts, Next, Patience};
pub use meta::MetaGroup;
pub use system::IdentityRow;
pub use table::KnownRange;
use table::RangeTable;
pub use usage::ClassUsage;

/// The longest pause before a range is asked again.
const PAUSE_MAX: Duration = Duration::from_millis(250);

/// The way to all ranges.
pub struct Router {
    ranges: Arc<dyn RangeClient>,
    env: Env,
    command: Patience,
    query: Patience,
    table: RangeTable,
    meta: Option<MetaGroup>,
}

/// A bucket as ranges know it: its id, and the rules version the caller authorized under.
#[derive(Clone, Copy, Debug)]
pub struct BucketView {
    /// The bucket.
    pub id: BucketId,
    /// The version of its rules.
    pub rules_version: u64,
    /// The version of the key that the caller's decision saw, if it hung on one.
    pub seen: Option<SeenVersion>,
}

impl BucketView {
    /// The cluster's own rows.
    pub const SYSTEM: Self = Self { id: BucketId::SYSTEM, rules_version: 0, seen: None };
}

/// Which range a request is for, whatever that range is at the time.
#[derive(Clone, Copy)]
enum Destination<'a> {
    /// The range that owns a position.
    Position(&'a Bytes),
    /// The range that keeps the map.
    Meta(&'a MetaGroup),
}

impl Router {
    pub(crate) fn new(ranges: Arc<dyn RangeClient>, env: Env, settings: &Settings, meta: Option<MetaGroup>) -> Self {
        let patience = |budget_ms| Patience {
            budget: Duration::from_millis(budget_ms),
            attempt: Duration::from_millis(settings.attempt_timeout_ms),
            pause_max: PAUSE_MAX,
            outlasts_overload: false,
        };
        let (command, query) = (patience(settings.command_timeout_ms), patience(settings.query_timeout_ms));
        Self { ranges, env, command, query, table: RangeTable::default(), meta }
    }

    /// Executes a command on the range of its key.
    pub async fn execute(&self, bucket: BucketView, key: &ObjectKey, command: Command) -> Result<Outcome, ClientError> {
        self.execute_located(bucket, key, command).await.map(|(outcome, _)| outcome)
    }

    /// As [`Router::execute`]; says too which range did it.
    pub async fn execute_located(
        &self,
        bucket: BucketView,
        key: &ObjectKey,
        command: Command,
    ) -> Result<(Outcome, Arc<KnownRange>), ClientError> {
        let position = RangeDescriptor::position(bucket.id, key.as_bytes());
        self.execute_at(Destination::Position(&position), self.command, bucket, key, command).await
    }

    /// Asks the range of `key`; says too which range answered.
    pub async fn query(
        &self,
        bucket: BucketView,
        key: &ObjectKey,
        query: Query,
    ) -> Result<(Answer, Arc<KnownRange>), ClientError> {
        let rules_version = (bucket.id != BucketId::SYSTEM).then_some(bucket.rules_version);
        self.query_under(bucket.id, rules_version, key.as_bytes(), query).await
    }

    /// As [`Router::query`], at any position and whatever the rules are (`None`).
    pub async fn query_under(
        &self,
        bucket: BucketId,
        rules_version: Option<u64>,
        key: &[u8],
        query: Query,
    ) -> Result<(Answer, Arc<KnownRange>), ClientError> {
        let position = RangeDescriptor::position(bucket, key);
        let request = QueryRequest { bucket, rules_version, query };
        self.query_at(Destination::Position(&position), self.query, request).await
    }

    /// The range that owns a key, as far as is known here.
    pub async fn range_at(&self, bucket: BucketId, key: &[u8]) -> Result<Arc<KnownRange>, ClientError> {
        let position = RangeDescriptor::position(bucket, key);
        let mut attempts = Attempts::new(&self.env, self.query);
        while attempts.left().is_some() {
            match self.locate(Destination::Position(&position)).await {
                Ok(known) => return Ok(known),
                Err(error) => attempts.classify(None, error)?,
            };
            attempts.pause().await;
        }
        Err(attempts.give_up())
    }

    async fn execute_at(
        &self,
        destination: Destination<'_>,
        patience: Patience,
        bucket: BucketView,
        key: &ObjectKey,
        command: Command,
    ) -> Result<(Outcome, Arc<KnownRange>), ClientError> {
        let now_ms = self.env.clock.wall_ms();
        let request = CommandRequest {
            commit: CommitId::new(now_ms, self.env.random_bytes()),
            deadline_ms: now_ms.saturating_add(u64::try_from(patience.budget.as_millis()).unwrap_or(u64::MAX)),
            bucket: bucket.id,
            rules_version: bucket.rules_version,
            key: key.clone(),
            command,
            seen: bucket.seen,
            is_repeat: false,
        };
        let attempt =
            |address, is_repeat| self.ranges.execute(address, CommandRequest { is_repeat, ..request.clone() });
        self.ask(destination, patience, attempt).await
    }

    async fn query_at(
        &self,
        destination: Destination<'_>,
        patience: Patience,
        request: QueryRequest,
    ) -> Result<(Answer, Arc<KnownRange>), ClientError> {
        self.ask(destination, patience, |address, _| self.ranges.query(address, request.clone())).await
    }

    /// Attempts until there is an answer, a refusal, or no time. Each is told whether one before it went unanswered.
    async fn ask<T, F, A>(
        &self,
        destination: Destination<'_>,
        patience: Patience,
        attempt: F,
    ) -> Result<(T, Arc<KnownRange>), ClientError>
    where
        F: Fn(RangeAddress, bool) -> A,
        A: Future<Output = Result<T, RangeError>>,
    {
        let mut attempts = Attempts::new(&self.env, patience);
        while let Some(left) = attempts.left() {
            let known = match self.locate(destination).await {
                Ok(known) => known,
                Err(error) => {
                    attempts.classify(None, error)?;
                    attempts.pause().await;
                    continue;
                }
            };
            let Some(replica) = self.choose_replica(&known, &mut attempts) else {
                return Err(ClientError::Corrupt("a range without replicas".to_owned()));
            };
            let address = RangeAddress { range: known.descriptor.id, generation: known.descriptor.generation, replica };
            let answered = timeout(left.min(patience.attempt), attempt(address, attempts.uncertain())).await;
            let error = match answered {
                Ok(Ok(answer)) => {
                    known.set_leader(Some(replica));
                    return Ok((answer, known));
                }
                Ok(Err(error)) => error,
                Err(_) => RangeError::Unavailable { reason: "no answer in time".to_owned(), maybe_done: true },
            };
            if let RangeError::StaleRange(ranges) = &error {
                self.correct(destination, &known, ranges);
            }
            let is_elsewhere = matches!(&error, RangeError::NotLeader(Some(hint)) if !known.has_replica(*hint));
            let next = attempts.classify(Some(Asked { known: &known, replica }), error)?;
            if is_elsewhere || (attempts.turn() > 0 && attempts.has_tried_all(&known)) {
                // Its replicas may be others by now.
                self.forget(destination, &known);
            }
            if destination.is_stopped() {
                break;
            }
            if next == Next::AfterPause {
                attempts.pause().await;
            }
        }
        Err(attempts.give_up())
    }

    /// The replica to ask next: one that was said to lead, the leader when last heard of, or the next of all.
    fn choose_replica(&self, known: &KnownRange, attempts: &mut Attempts<'_>) -> Option<DriveId> {
        let replicas = &known.descriptor.replicas;
        if let Some(named) = attempts.take_named(replicas) {
            return Some(named);
        }
        // Which replica led when last heard of; but not for ever, if that has failed.
        if attempts.turn() == 0 {
            let remembered = known.leader().or_else(|| self.ranges.leader_hint(known.descriptor.id));
            if let Some(leader) = remembered.filter(|leader| replicas.contains(leader)) {
                return Some(leader);
            }
        }
        replicas.get(attempts.turn().checked_rem(replicas.len())?).copied()
    }

    async fn locate(&self, destination: Destination<'_>) -> Result<Arc<KnownRange>, RangeError> {
        let position = match destination {
            Destination::Position(position) => position,
            Destination::Meta(meta) => return Ok(meta.locate()),
        };
        if let Some(known) = self.table.find(position) {
            return Ok(known);
        }
        let end: Bytes = [position.as_ref(), &[0]].concat().into();
        let unavailable = |reason: &str| RangeError::Unavailable { reason: reason.to_owned(), maybe_done: false };
        let described = timeout(self.query.attempt, self.ranges.describe(position.clone(), end)).await;
        self.table.learn(described.map_err(|_| unavailable("ranges are not described in time"))??);
        self.table.find(position).ok_or_else(|| unavailable("no range owns the position"))
    }

    /// Has the range be asked for anew. Of the meta group the map alone says where it is.
    fn forget(&self, destination: Destination<'_>, known: &KnownRange) {
        if matches!(destination, Destination::Position(_)) {
            self.table.forget(known);
        }
    }

    /// Learns from a replica that the range is another by now. What the meta group is, the map alone says.
    fn correct(&self, destination: Destination<'_>, known: &KnownRange, ranges: &[RangeDescriptor]) {
        self.forget(destination, known);
        if matches!(destination, Destination::Position(_)) {
            self.table.learn(ranges.to_vec());
        }
    }
}

impl Destination<'_> {
    /// Whether nothing more is to be asked of it.
    fn is_stopped(self) -> bool {
        matches!(self, Self::Meta(meta) if meta.is_stopped())
    }
}

/// The key part of a position, if the position is past the bucket's beginning and not past its end.
pub fn key_within(position: &Bytes, bucket: BucketId) -> Option<Bytes> {
    let key = position.strip_prefix(&bucket.to_bytes())?;
    (!key.is_empty()).then(|| position.slice_ref(key))
}

/// The first key that a range of a bucket may own: its first position there, or the least key there is.
pub fn first_key(start: Option<Bytes>) -> Result<ObjectKey, ClientError> {
    let start = start.unwrap_or(Bytes::from_static(b"\0"));
    ObjectKey::new(start).map_err(|error| ClientError::Corrupt(format!("a range is cut at no key: {error}")))
}

/// A key of the range after this one, if the bucket goes on there: so all ranges of a bucket are gone through.
pub fn key_past(range: &RangeDescriptor, bucket: BucketId) -> Result<Option<ObjectKey>, ClientError> {
    next_key(range, bucket).map(|next| first_key(Some(next))).transpose()
}

/// The first key past a range, if the bucket goes on there.
pub fn next_key(range: &RangeDescriptor, bucket: BucketId) -> Option<Bytes> {
    key_within(&range.end, bucket)
}
