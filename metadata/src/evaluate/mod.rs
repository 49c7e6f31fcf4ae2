//! Evaluating a command: from what the rows say now to the rows it leaves.
//!
//! Runs at the leader only, under the command's latches and against applied rows. Whatever the
//! leader decides is in the effect; replicas repeat nothing of it.
//! Must not know: consensus, replicas, the caller.

mod blob;
mod complete;
mod condition;
mod delete;
mod digest;
mod duty;
mod lock;
mod put;
pub mod registry;
mod rules;
mod system;
mod update;
mod upload;
mod version;

use crate::command::{Command, CommandRequest, Outcome, Refusal};
use crate::effect::Effect;
use crate::ids::{BucketId, Ordinal};
use crate::key::{self, RowKind};
use crate::record::quota::{Charge, Quota};
use crate::record::{BucketRules, BucketState};
use crate::store::{StoreError, View, Write};
use crate::usage::{self, Growth, Subject, Tally};
use crate::watermarks::Watermarks;
use couronne_base::codec::{self, Corrupt, Value};
use couronne_base::mutant;
use version::Found;

/// A blob that was born longer ago than this (milliseconds) is not committed: drives take shards of a blob from gateways
/// for a day, and by then it is named or never will be.
pub const COMMIT_AGE_MS_MAX: u64 = 23 * 3_600_000;

/// The longest blob, in bytes: the largest body that S3 takes at once. Objects of many parts have many blobs.
pub const BLOB_BYTES_MAX: u64 = 5 << 30;

/// What an operator may tune of evaluation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long a dropped blob is kept for readers that began before, in milliseconds.
    pub reap_delay_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { reap_delay_ms: 3_600_000 }
    }
}

/// What became of a command.
#[derive(Clone, Debug, PartialEq)]
pub enum Evaluated {
    /// To be proposed; once applied, the outcome is the answer.
    Propose {
        /// The rows it leaves.
        effect: Effect,
        /// The answer.
        outcome: Result<Outcome, Refusal>,
        /// What is added to the bucket, if that has a quota: it must fit ([`Evaluated::within_quota`]).
        growth: Option<Growth>,
    },
    /// Nothing to propose: the outcome that was kept, or an answer that no attempt before may contradict yet.
    Settled(Result<Outcome, Refusal>),
}

/// The times by which a command is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The leader's wall clock, in microseconds since 1970: ordinals and deadlines go by it.
    pub wall_us: u64,
    /// The cluster time, in milliseconds since 1970: by it alone locks are judged.
    pub cluster_ms: u64,
}

impl Now {
    /// The times where the cluster time is that of the wall clock.
    pub const fn of_wall(wall_us: u64) -> Self {
        Self { wall_us, cluster_ms: wall_us / 1000 }
    }
}

/// Evaluates a command at `now_us` (microseconds since 1970, by the leader's clock and the cluster's), with default
/// settings.
pub fn evaluate(view: &dyn View, request: &CommandRequest, now_us: u64) -> Result<Evaluated, StoreError> {
    evaluate_with(view, request, Now::of_wall(now_us), &Settings::default())
}

/// Evaluates a command. The caller holds [`CommandRequest::latches`], and the view has everything proposed
/// under latches that overlap them.
///
/// What a repeat is answered is kept, whatever it is: an attempt before it went unanswered and may arrive late, and
/// must not do what the gateway was told was not done. A command past its deadline needs no row, for its attempts stay
/// refused; a duty's outcome is never kept.
pub fn evaluate_with(
    view: &dyn View,
    request: &CommandRequest,
    now: Now,
    settings: &Settings,
) -> Result<Evaluated, StoreError> {
    if let Some(outcome) = view.get(&key::of_commit(request.commit))?
        && !mutant!(RepeatExecutesAgain)
    {
        return Ok(Evaluated::Settled(codec::decode(&outcome)?));
    }
    let watermarks = Watermarks::load(view)?;
    let Now { wall_us: now_us, cluster_ms } = now;
    let is_late = now_us / 1000 > request.deadline_ms && !mutant!(AcceptPastDeadline);
    if is_late || watermarks.forgot(request.commit) {
        return Ok(Evaluated::Settled(Err(Refusal::DeadlinePassed)));
    }
    let mut evaluation = Evaluation {
        view,
        request,
        now_us,
        cluster_ms,
        settings,
        watermarks,
        effect: Effect::default(),
        tally: Tally::default(),
        account: "".into(),
        quota: None,
    };
    let unchanged = match evaluation.run() {
        Ok(outcome) => {
            let (outcome, growth) = (Ok(outcome), evaluation.growth());
            return Ok(Evaluated::Propose { effect: evaluation.finish(&outcome), outcome, growth });
        }
        Err(Stop::Settled(outcome)) => Ok(outcome),
        Err(Stop::Refused(refusal)) => Err(refusal),
        Err(Stop::Store(error)) => return Err(error),
    };
    Ok(unchanged_by(request, unchanged))
}

/// What became of a command that changes nothing: to a repeat it leaves its outcome, and nothing of what it was about to do.
fn unchanged_by(request: &CommandRequest, outcome: Result<Outcome, Refusal>) -> Evaluated {
    let is_kept = request.is_repeat && !request.command.is_duty() && !mutant!(ForgetRefusals);
    if !is_kept {
        return Evaluated::Settled(outcome);
    }
    let row = Write::Put { key: key::of_commit(request.commit), value: codec::encode(&outcome) };
    let effect = Effect { writes: vec![row], ..Effect::default() };
    Evaluated::Propose { effect, outcome, growth: None }
}

impl Evaluated {
    /// The same, unless it makes its bucket hold more than the bucket's quota: then it is refused. `on_its_way` is what
    /// commands add that are evaluated and not applied in the view yet.
    pub fn within_quota(
        self,
        view: &dyn View,
        request: &CommandRequest,
        on_its_way: Charge,
    ) -> Result<Self, StoreError> {
        let Self::Propose { growth: Some(growth), .. } = &self else { return Ok(self) };
        let fits = growth.fits(&usage::load(view, &growth.subject)?, on_its_way);
        Ok(if fits { self } else { unchanged_by(request, Err(Refusal::QuotaExceeded)) })
    }
}

/// Why an evaluation ends before it has an effect.
enum Stop {
    /// There is nothing to do; this is the answer.
    Settled(Outcome),
    Refused(Refusal),
    Store(StoreError),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Corrupt> for Stop {
    fn from(corrupt: Corrupt) -> Self {
        Self::Store(corrupt.into())
    }
}

/// One command being evaluated, and the effect so far.
struct Evaluation<'a> {
    view: &'a dyn View,
    request: &'a CommandRequest,
    /// By the leader's wall clock.
    now_us: u64,
    /// The cluster time, by which locks are judged.
    cluster_ms: u64,
    settings: &'a Settings,
    watermarks: Watermarks,
    effect: Effect,
    /// What is added to counters.
    tally: Tally,
    /// The canonical id of the account that owns the bucket; empty where nothing is counted.
    account: Box<str>,
    /// The bucket's quota.
    quota: Option<Quota>,
}

impl Evaluation<'_> {
    fn run(&mut self) -> Result<Outcome, Stop> {
        let request = self.request;
        if request.command.needs_rules() {
            let rules = self.live_rules()?;
            self.account.clone_from(&rules.account);
            self.quota = rules.quota;
            self.check_seen()?;
            return self.run_in_bucket(&rules, &request.command);
        }
        match &request.command {
            Command::PutRules { name, rules } => self.put_rules(name, rules),
            Command::SealBucket { rules, .. } => self.seal_bucket(rules),
            Command::DropRules { .. } => self.drop_rules(),
            Command::SystemWrite { expect, value } => self.system_write(*expect, value.as_ref()),
            Command::Abandon { blob } => self.abandon(blob),
            Command::Reaped { row } => self.reaped(row),
            Command::Repaired { blob } => self.repaired(*blob),
            Command::MarkDegraded { blobs } => self.mark_degraded(blobs),
            Command::BeginSweep { map_version } => self.begin_sweep(*map_version),
            Command::EndSweep { map_version } => self.end_sweep(*map_version),
            Command::EndLook { ended_ms } => self.end_look(*ended_ms),
            Command::ScrubStores { scrub } => self.scrub_stores(scrub),
            Command::AdvanceHorizon { horizon_ms } => self.advance_horizon(*horizon_ms),
            Command::ExpireDedupEntries { before_ms } => self.expire_dedup_entries(*before_ms),
            other => {
                let rules = self.live_rules()?;
                self.run_in_bucket(&rules, other)
            }
        }
    }

    fn run_in_bucket(&mut self, rules: &BucketRules, command: &Command) -> Result<Outcome, Stop> {
        match command {
            Command::Put { data, size, etag, checksum, attributes, condition } => {
                self.put_object(rules, put::NewObject { data, size: *size, etag, checksum, attributes, condition })
            }
            Command::Delete { version: None, condition, owner, .. } => self.delete_current(rules, condition, owner),
            Command::Delete { version: Some(version), condition, bypass_governance, .. } => {
                self.delete_version(*version, condition, *bypass_governance)
            }
            Command::UpdateAttributes { version, change, bypass_governance } => {
                self.update_attributes(rules, *version, change, *bypass_governance)
            }
            Command::CreateUpload { upload, attributes, initiator, checksum } => {
                self.create_upload(rules, *upload, attributes, initiator, *checksum)
            }
            Command::PutPart { upload, number, data, size, etag, checksum } => {
                self.put_part(*upload, upload::NewPart { number: *number, data, size: *size, etag, checksum })
            }
            Command::CompleteUpload { upload, parts, checksum, size, part_bytes_min, condition } => {
                let said = complete::Said { parts, checksum: checksum.as_ref(), size: *size };
                self.complete_upload(rules, *upload, &said, *part_bytes_min, condition)
            }
            Command::AbortUpload { upload } => self.abort_upload(*upload),
            _ => Err(Refusal::NoSuchBucket.into()),
        }
    }

    /// The bucket's rules, if they are live and those that the gateway authorized under.
    fn live_rules(&self) -> Result<BucketRules, Stop> {
        let rules = self.rules()?.ok_or(Refusal::NoSuchBucket)?;
        if rules.version != self.request.rules_version {
            return Err(Refusal::StaleRules.into());
        }
        if rules.state != BucketState::Live {
            return Err(Refusal::NoSuchBucket.into());
        }
        Ok(rules)
    }

    /// What was allowed of a version is done to that one, or not at all: the gateway has to decide again.
    fn check_seen(&self) -> Result<(), Stop> {
        let Some(seen) = self.request.seen else { return Ok(()) };
        let found = match seen.version {
            Some(version) => self.find(version)?.and_then(Found::into_object),
            None => self.current()?,
        };
        if seen.is(found.as_deref()) { Ok(()) } else { Err(Refusal::StaleRules.into()) }
    }

    fn rules(&self) -> Result<Option<BucketRules>, Stop> {
        self.load(&key::of_bucket(RowKind::Rules, self.request.bucket))
    }

    /// What the command adds to its bucket, if that has a quota.
    fn growth(&self) -> Option<Growth> {
        self.quota.and_then(|quota| Growth::of(Subject::Bucket(self.bucket()), self.tally.of_bucket(), quota))
    }

    /// Closes the effect with what every command leaves.
    fn finish(mut self, outcome: &Result<Outcome, Refusal>) -> Effect {
        self.effect.usage = std::mem::take(&mut self.tally).deltas(self.request.bucket, &self.account);
        if !self.request.command.is_duty() {
            self.put_row(key::of_commit(self.request.commit), outcome);
        }
        self.effect
    }

    fn bucket(&self) -> BucketId {
        self.request.bucket
    }

    const fn now_ms(&self) -> u64 {
        self.now_us / 1000
    }

    /// The ordinal of a new version of a key whose newest has `newest`.
    fn next_ordinal(&self, newest: Option<Ordinal>) -> Ordinal {
        if mutant!(OrdinalFromClockAlone) {
            return Ordinal(self.now_us);
        }
        let above = newest.unwrap_or(self.watermarks.ordinal_floor).max(self.watermarks.ordinal_floor);
        Ordinal(self.now_us.max(above.0.saturating_add(1)))
    }

    fn raise_watermarks(&mut self, watermarks: Watermarks) {
        self.effect.watermarks = Some(self.effect.watermarks.unwrap_or_default().merge(watermarks));
    }

    /// The version of this ordinal goes for good and was its key's newest.
    fn raise_floor(&mut self, removed: Ordinal) {
        self.raise_watermarks(Watermarks { ordinal_floor: removed, ..Watermarks::default() });
    }

    fn load<T: Value>(&self, row: &[u8]) -> Result<Option<T>, Stop> {
        match self.view.get(row)? {
            Some(bytes) => Ok(Some(codec::decode(&bytes)?)),
            None => Ok(None),
        }
    }

    fn exists(&self, row: &[u8]) -> Result<bool, Stop> {
        Ok(self.view.get(row)?.is_some())
    }

    fn put_row<T: Value>(&mut self, row: bytes::Bytes, value: &T) {
        self.effect.writes.push(Write::Put { key: row, value: codec::encode(value) });
    }

    fn delete_row(&mut self, row: bytes::Bytes) {
        self.effect.writes.push(Write::Delete { key: row });
    }

    fn delete_rows(&mut self, start: bytes::Bytes, end: bytes::Bytes) {
        self.effect.writes.push(Write::DeleteRange { start, end });
    }
}
