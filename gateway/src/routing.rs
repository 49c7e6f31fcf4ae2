//! The way to ranges: the cached range table, leader hints, and retries until the outcome is known.
//!
//! A command is sent with one commit id and one deadline, however often it is repeated: whichever
//! attempt takes effect, all get its outcome. So nothing is lost by asking again, and the caller
//! learns "done", "refused" or, when the time is up, "unavailable".
//! Must not know: objects, buckets' names, HTTP.

mod system;
mod table;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use couronne_base::env::Env;
use couronne_cluster::RangeDescriptor;
use couronne_metadata::command::{Command, Envelope, Outcome, Refusal};
use couronne_metadata::ids::{BucketId, CommitId, ObjectKey};
use couronne_metadata::query::{Answer, Query};
use couronne_protocol::range::{QueryEnvelope, RangeAddress, RangeClient, RangeError};
use couronne_ring::DriveId;
use tokio::time::{sleep, timeout};

use crate::engine::EngineError;
use table::{KnownRange, RangeTable};

/// The first pause before a range is asked again; it doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_millis(250);
/// How often an overloaded range is asked before the caller is told to slow down.
const OVERLOADED_ATTEMPTS_MAX: u32 = 3;

/// The bounds of routing, all in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RoutingSettings {
    pub(crate) command_timeout_ms: u64,
    pub(crate) query_timeout_ms: u64,
    pub(crate) attempt_timeout_ms: u64,
}

/// The way to all ranges.
pub(crate) struct Router {
    ranges: Arc<dyn RangeClient>,
    env: Env,
    settings: RoutingSettings,
    table: RangeTable,
}

/// A bucket as ranges know it: its id, and the rules version the caller authorized under.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BucketView {
    pub(crate) id: BucketId,
    pub(crate) rules_version: u64,
}

impl BucketView {
    /// The cluster's own rows.
    pub(crate) const SYSTEM: Self = Self { id: BucketId::SYSTEM, rules_version: 0 };
}

impl Router {
    pub(crate) fn new(ranges: Arc<dyn RangeClient>, env: Env, settings: RoutingSettings) -> Self {
        Self { ranges, env, settings, table: RangeTable::default() }
    }

    /// Executes a command on the range of its key.
    pub(crate) async fn execute(
        &self,
        bucket: BucketView,
        key: &ObjectKey,
        command: Command,
    ) -> Result<Outcome, EngineError> {
        self.execute_located(bucket, key, command).await.map(|(outcome, _)| outcome)
    }

    /// As [`Router::execute`]; says too which range did it.
    pub(crate) async fn execute_located(
        &self,
        bucket: BucketView,
        key: &ObjectKey,
        command: Command,
    ) -> Result<(Outcome, Arc<KnownRange>), EngineError> {
        let now_ms = self.env.clock.wall_ms();
        let envelope = Envelope {
            commit: CommitId::new(now_ms, self.env.random_bytes()),
            deadline_ms: now_ms.saturating_add(self.settings.command_timeout_ms),
            bucket: bucket.id,
            rules_version: bucket.rules_version,
            key: key.clone(),
            command,
            is_repeat: false,
        };
        let position = RangeDescriptor::position(bucket.id, key.as_bytes());
        let budget = Duration::from_millis(self.settings.command_timeout_ms);
        let attempt = |address, is_repeat| self.ranges.execute(address, Envelope { is_repeat, ..envelope.clone() });
        self.ask(&position, budget, attempt).await
    }

    /// Asks the range of `key`; says too which range answered.
    pub(crate) async fn query(
        &self,
        bucket: BucketView,
        key: &ObjectKey,
        query: Query,
    ) -> Result<(Answer, Arc<KnownRange>), EngineError> {
        let rules_version = (bucket.id != BucketId::SYSTEM).then_some(bucket.rules_version);
        self.query_under(bucket.id, rules_version, key.as_bytes(), query).await
    }

    /// As [`Router::query`], at any position and whatever the rules are (`None`).
    pub(crate) async fn query_under(
        &self,
        bucket: BucketId,
        rules_version: Option<u64>,
        key: &[u8],
        query: Query,
    ) -> Result<(Answer, Arc<KnownRange>), EngineError> {
        let envelope = QueryEnvelope { bucket, rules_version, query };
        let position = RangeDescriptor::position(bucket, key);
        let budget = Duration::from_millis(self.settings.query_timeout_ms);
        self.ask(&position, budget, |address, _| self.ranges.query(address, envelope.clone())).await
    }

    /// The range that owns a key, as far as is known here.
    pub(crate) async fn range_at(&self, bucket: BucketId, key: &[u8]) -> Result<Arc<KnownRange>, EngineError> {
        let position = RangeDescriptor::position(bucket, key);
        let mut course = Course::new(&self.env, Duration::from_millis(self.settings.query_timeout_ms));
        while course.left().is_some() {
            match self.range_of(&position).await {
                Ok(known) => return Ok(known),
                Err(error) => self.judge(None, error, &mut course)?,
            };
            course.pause().await;
        }
        Err(EngineError::Unavailable(course.last))
    }

    /// Attempts until there is an answer, a refusal, or no time. Each is told whether one before it went unanswered.
    async fn ask<T, F, A>(
        &self,
        position: &Bytes,
        budget: Duration,
        attempt: F,
    ) -> Result<(T, Arc<KnownRange>), EngineError>
    where
        F: Fn(RangeAddress, bool) -> A,
        A: Future<Output = Result<T, RangeError>>,
    {
        let mut course = Course::new(&self.env, budget);
        while let Some(left) = course.left() {
            let known = match self.range_of(position).await {
                Ok(known) => known,
                Err(error) => {
                    self.judge(None, error, &mut course)?;
                    course.pause().await;
                    continue;
                }
            };
            let Some(replica) = self.choose_replica(&known, &mut course) else {
                return Err(EngineError::Corrupt("a range without replicas".to_owned()));
            };
            let address = RangeAddress { range: known.descriptor.id, generation: known.descriptor.generation, replica };
            let within = left.min(Duration::from_millis(self.settings.attempt_timeout_ms));
            let error = match timeout(within, attempt(address, course.uncertain)).await {
                Ok(Ok(answer)) => {
                    known.set_leader(Some(replica));
                    return Ok((answer, known));
                }
                Ok(Err(error)) => error,
                Err(_) => RangeError::Unavailable { reason: "no answer in time".to_owned(), maybe_done: true },
            };
            if self.judge(Some((&known, replica)), error, &mut course)? == Next::AfterPause {
                course.pause().await;
            }
        }
        Err(EngineError::Unavailable(course.last))
    }

    /// What an error means: the caller's answer (`Err`), or how to go on.
    fn judge(
        &self,
        asked: Option<(&KnownRange, DriveId)>,
        error: RangeError,
        course: &mut Course,
    ) -> Result<Next, EngineError> {
        course.last = error.to_string();
        match error {
            RangeError::Refused(Refusal::DeadlinePassed) => Err(EngineError::Unavailable(course.last.clone())),
            RangeError::Refused(refusal) => Err(EngineError::Refused(refusal)),
            RangeError::StaleRules => Err(EngineError::StaleRules),
            RangeError::Corrupt(what) => Err(EngineError::Corrupt(what)),
            RangeError::Full if !course.uncertain => Err(EngineError::Full),
            RangeError::Full => Ok(Next::AfterPause),
            RangeError::StaleRange(ranges) => {
                if let Some((known, _)) = asked {
                    self.table.forget(known);
                }
                self.table.learn(ranges);
                course.turn += 1;
                // The first time it is plain news; again and again, the cluster is changing under us.
                Ok(if course.turn > 1 { Next::AfterPause } else { Next::AtOnce })
            }
            RangeError::NotLeader(hint) => {
                let Some((known, replica)) = asked else { return Ok(Next::AfterPause) };
                let fresh = hint.filter(|hint| *hint != replica && course.hint != Some(*hint));
                known.set_leader(fresh);
                course.hint = fresh;
                course.turn += 1;
                let tried_all = (course.turn as usize).is_multiple_of(known.descriptor.replicas.len().max(1));
                Ok(if fresh.is_none() && tried_all { Next::AfterPause } else { Next::AtOnce })
            }
            RangeError::Overloaded => {
                course.overloaded += 1;
                // Once an attempt may have taken effect its outcome is sought as long as there is time.
                if course.overloaded >= OVERLOADED_ATTEMPTS_MAX && !course.uncertain {
                    return Err(EngineError::SlowDown("a metadata range has too much queued"));
                }
                Ok(Next::AfterPause)
            }
            RangeError::Unavailable { maybe_done, .. } => {
                course.uncertain |= maybe_done;
                course.turn += 1;
                course.hint = None;
                if let Some((known, _)) = asked {
                    known.set_leader(None);
                }
                Ok(Next::AfterPause)
            }
        }
    }

    fn choose_replica(&self, known: &KnownRange, course: &mut Course) -> Option<DriveId> {
        let replicas = &known.descriptor.replicas;
        let is_replica = |drive: &DriveId| replicas.contains(drive);
        if let Some(hint) = course.hint.filter(is_replica) {
            return Some(hint);
        }
        // Who led when last heard of; but not for ever, if that has failed.
        if course.turn == 0 {
            let hinted = known.leader().or_else(|| self.ranges.leader_hint(known.descriptor.id));
            if let Some(leader) = hinted.filter(is_replica) {
                return Some(leader);
            }
        }
        replicas.get((course.turn as usize).checked_rem(replicas.len())?).copied()
    }

    async fn range_of(&self, position: &Bytes) -> Result<Arc<KnownRange>, RangeError> {
        if let Some(known) = self.table.find(position) {
            return Ok(known);
        }
        let end: Bytes = [position.as_ref(), &[0]].concat().into();
        let within = Duration::from_millis(self.settings.attempt_timeout_ms);
        let unavailable = |reason: &str| RangeError::Unavailable { reason: reason.to_owned(), maybe_done: false };
        let described = timeout(within, self.ranges.describe(position.clone(), end)).await;
        self.table.learn(described.map_err(|_| unavailable("ranges are not described in time"))??);
        self.table.find(position).ok_or_else(|| unavailable("no range owns the position"))
    }
}

/// The key part of a position, if the position is past the bucket's beginning and not past its end.
pub(crate) fn key_within(position: &Bytes, bucket: BucketId) -> Option<Bytes> {
    let key = position.strip_prefix(&bucket.to_bytes())?;
    (!key.is_empty()).then(|| position.slice_ref(key))
}

/// The first key past a range, if the bucket goes on there.
pub(crate) fn next_key(range: &RangeDescriptor, bucket: BucketId) -> Option<Bytes> {
    key_within(&range.end, bucket)
}

/// Whether to pause before the next attempt.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    AtOnce,
    AfterPause,
}

/// How one request has fared so far.
struct Course<'a> {
    env: &'a Env,
    end: Duration,
    pause: Duration,
    /// Attempts that got no answer from a leader: walks through the replicas.
    turn: u32,
    /// Who is said to lead.
    hint: Option<DriveId>,
    overloaded: u32,
    /// An attempt may have taken effect.
    uncertain: bool,
    /// What the last attempt said, for the log.
    last: String,
}

impl<'a> Course<'a> {
    fn new(env: &'a Env, budget: Duration) -> Self {
        let end = env.clock.steady().saturating_add(budget);
        let last = "no time for an attempt".to_owned();
        Self { env, end, pause: PAUSE_MIN, turn: 0, hint: None, overloaded: 0, uncertain: false, last }
    }

    fn left(&self) -> Option<Duration> {
        self.end.checked_sub(self.env.clock.steady()).filter(|left| !left.is_zero())
    }

    /// Waits a random part of a time that doubles, so that gateways do not come back in step.
    async fn pause(&mut self) {
        let [chance] = self.env.random_bytes::<1>();
        let pause = self.pause / 2 + self.pause * u32::from(chance) / 512;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        sleep(pause.min(self.left().unwrap_or_default())).await;
    }
}
