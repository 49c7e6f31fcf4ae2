//! The scrub of stores: the leader of each range has its replicas compare all their rows, piece by piece.
//!
//! A command names a piece; every replica that applies it takes a digest of the piece as it was right behind that entry
//! (`replicas::state_machine`), and the leader asks each for it. How far the comparison is stands in a row of the range
//! ([`StoreScrub`]), so another leader goes on with it.
//! Promises: once a cycle all rows of all voters are read from the medium with their checksums, at a bounded rate; a
//! voter that has other rows than most begins anew, one at a time; where no majority tells what the rows are, that is
//! said loudly and nothing is changed. A comparison counts only if all voters were found alike in every piece.
//! Must not know: what rows mean, how a replica begins anew.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use couronne_base::mutant;
use couronne_metadata::command::Command;
use couronne_metadata::store_scrub::{StoreComparison, StoreScrub};
use couronne_ring::DriveId;
use futures_util::future::join_all;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::super::error::DutyError;
use super::super::rate_limiter::RateLimiter;
use super::super::settings::DutySettings;
use super::super::{Duty, DutyContext, count, execute, some_key};
use super::verdict::{Answers, StoreVerdict};
use crate::consensus::RowsDigest;
use crate::consensus::types::{Members, ReplicaId};
use crate::replicas::{RangeServer, RenewReplicas, RowsPiece};

/// How often is looked whether a range's comparison is due.
const LOOK: Duration = Duration::from_secs(30);

/// A comparison that did not find all voters alike is repeated after this part of the cycle.
const AGAIN: u32 = 8;

/// How long the replicas may take to read a piece.
const PIECE_WAIT: Duration = Duration::from_secs(60);

/// How often they are asked whether they have.
const PIECE_POLL: Duration = Duration::from_millis(50);

/// So often a piece is compared while a voter says nothing of it.
const TRIES: usize = 3;

/// The scrubber of stores.
pub(crate) struct StoreScrubber {
    started: Arc<Notify>,
    /// Whether an operator wants a comparison of every range now.
    is_wanted: bool,
}

impl StoreScrubber {
    pub(in crate::duties) fn of(context: &DutyContext) -> Self {
        Self { started: Arc::clone(&context.store_scrub_started), is_wanted: false }
    }
}

#[async_trait]
impl Duty for StoreScrubber {
    const NAME: &'static str = "store scrubber";

    /// Ranges compared.
    type Status = u64;

    fn status(context: &DutyContext) -> u64 {
        context.counters().stores_compared
    }

    /// A whole cycle.
    fn interval(settings: &DutySettings) -> Duration {
        settings.scrub_interval
    }

    fn rest(&self, context: &DutyContext) -> Duration {
        Self::interval(&context.settings).min(LOOK)
    }

    async fn woken(&mut self) {
        self.started.notified().await;
        self.is_wanted = true;
    }

    async fn round(&mut self, context: &DutyContext) {
        let is_wanted = std::mem::take(&mut self.is_wanted);
        let pace = RateLimiter::new(context.settings.scrub_bytes_per_second);
        for leader in context.replicas.all_leaders() {
            let scrub = leader.state_machine().scrub();
            let is_due = is_wanted || scrub.under_way.is_some() || is_due(context, &scrub);
            if !is_due || !leader.is_ready() || context.clock.differs().is_some() {
                continue;
            }
            if let Err(error) = compare(context, &leader, scrub, &pace).await {
                tracing::warn!(range = leader.descriptor().id.0, %error, "comparing replicas goes on later");
            }
        }
    }
}

/// Whether a cycle has passed since the last comparison, or the part of it after which a failed one is repeated.
fn is_due(context: &DutyContext, scrub: &StoreScrub) -> bool {
    let Some(tried_ms) = scrub.tried_ms else { return true };
    let cycle = context.settings.scrub_interval;
    let rest = if scrub.ended_ms == scrub.tried_ms { cycle } else { cycle / AGAIN };
    context.env.clock.wall_ms().saturating_sub(tried_ms) >= u64::try_from(rest.as_millis()).unwrap_or(u64::MAX)
}

/// Compares all rows, from where an earlier leader left it, if one did.
async fn compare(
    context: &DutyContext,
    leader: &RangeServer,
    mut scrub: StoreScrub,
    pace: &RateLimiter,
) -> Result<(), DutyError> {
    let mut under_way = match scrub.under_way.take() {
        Some(under_way) => under_way,
        None => StoreComparison {
            piece: Bytes::new(),
            voters: voters(leader).map(|replica| replica.0).collect(),
            is_full: true,
            is_unresolved: false,
        },
    };
    loop {
        let named = StoreScrub { under_way: Some(under_way.clone()), ..scrub.clone() };
        let (piece, answers) = read_piece(context, leader, named, pace).await?;
        let verdict = StoreVerdict::of(&answers);
        act(context, leader, &verdict, &under_way.piece).await?;
        if !matches!(piece.digest, RowsDigest::Of(_)) && !verdict.is_unresolved {
            return Err(DutyError::WrongRows);
        }
        under_way.is_full &=
            verdict.is_alike && answers.keys().map(|replica| replica.0).eq(under_way.voters.iter().copied());
        under_way.is_unresolved |= verdict.is_unresolved;
        // What nobody can read does not say where the next piece begins: that ends the comparison.
        let Some(next) = piece.next else { break };
        under_way.piece = next;
    }
    let now_ms = context.env.clock.wall_ms();
    let is_alike = under_way.is_full && !under_way.is_unresolved;
    scrub.tried_ms = Some(now_ms);
    scrub.ended_ms = if is_alike { Some(now_ms) } else { scrub.ended_ms };
    scrub.unresolved_ms = under_way.is_unresolved.then_some(now_ms);
    count(&context.counters.stores_compared, u64::from(is_alike));
    say(context, leader, scrub).await
}

/// The voters that a quorum has committed, in order.
fn voters(leader: &RangeServer) -> impl Iterator<Item = ReplicaId> {
    let members = leader.consensus().committed_members().map_or_else(Members::default, |(_, members)| members);
    members.voters.into_iter().flatten().collect::<BTreeSet<_>>().into_iter()
}

async fn say(context: &DutyContext, leader: &RangeServer, scrub: StoreScrub) -> Result<(), DutyError> {
    let key = some_key(leader.descriptor()).ok_or(DutyError::NoKey)?;
    execute(context, leader, key, Command::ScrubStores { scrub }).await?;
    Ok(())
}

/// Has all voters read a piece behind one entry: what this leader read, and what each says. A voter that ought to
/// answer and does not is given some tries.
async fn read_piece(
    context: &DutyContext,
    leader: &RangeServer,
    named: StoreScrub,
    pace: &RateLimiter,
) -> Result<(RowsPiece, Answers), DutyError> {
    let start = named.under_way.as_ref().map(|under_way| under_way.piece.clone()).unwrap_or_default();
    let mut tries = 0;
    loop {
        say(context, leader, named.clone()).await?;
        let piece =
            leader.state_machine().piece().filter(|piece| piece.start == start).ok_or(DutyError::WrongAnswer)?;
        let members = leader.consensus().members();
        let asked = voters(leader).map(|voter| {
            let drive = members.places.get(&voter).copied();
            async move {
                let said = match drive {
                    Some(drive) => await_digest(leader, voter, drive, piece.index).await,
                    None => None,
                };
                (voter, said)
            }
        });
        let answers: Answers = join_all(asked).await.into_iter().collect();
        let piece =
            leader.state_machine().piece().filter(|own| own.index == piece.index).ok_or(DutyError::WrongAnswer)?;
        pace.take(piece.bytes.saturating_mul(u64::try_from(answers.len()).unwrap_or(1))).await;
        tries += 1;
        let is_silent = |(voter, said): (&ReplicaId, &Option<RowsDigest>)| {
            let is_up = members.places.get(voter).is_some_and(|drive| context.drive_snapshot().up.contains(drive));
            is_up && matches!(said, None | Some(RowsDigest::Pending | RowsDigest::Unknown))
        };
        if tries == TRIES || !answers.iter().any(is_silent) {
            return Ok((piece, answers));
        }
    }
}

/// What a voter read of the piece that an entry names, once it has.
async fn await_digest(leader: &RangeServer, voter: ReplicaId, drive: DriveId, index: u64) -> Option<RowsDigest> {
    let until = Instant::now() + PIECE_WAIT;
    loop {
        let said = leader.consensus().digest_of(voter, drive, index).await;
        if said != Some(RowsDigest::Pending) || Instant::now() >= until {
            return said;
        }
        sleep(PIECE_POLL).await;
    }
}

/// Does what follows from the comparison of a piece.
async fn act(
    context: &DutyContext,
    leader: &RangeServer,
    verdict: &StoreVerdict,
    piece: &Bytes,
) -> Result<(), DutyError> {
    let range = leader.descriptor().id;
    if verdict.is_unresolved {
        count(&context.counters.rows_unresolved, 1);
        tracing::error!(
            range = range.0,
            ?piece,
            "rows of a range differ or cannot be read, and no majority tells what they are"
        );
    }
    if verdict.wrong.contains(&leader.replica()) {
        count(&context.counters.replicas_differing, 1);
        leader.state_machine().note_rot("most of the other replicas have other rows");
        return Err(DutyError::WrongRows);
    }
    for wrong in verdict.wrong.iter().filter(|_| !mutant!(KeepDifferingReplica)) {
        count(&context.counters.replicas_differing, 1);
        tracing::error!(range = range.0, replica = %wrong, ?piece, "a replica has other rows than most");
        let voters = voters(leader).collect();
        match context.map_store.renew_one(range, *wrong, &voters).await {
            Ok(true) => tracing::warn!(range = range.0, replica = %wrong, "a replica with wrong rows begins anew"),
            Ok(false) => tracing::warn!(range = range.0, replica = %wrong, "a replica with wrong rows waits"),
            Err(error) => tracing::warn!(range = range.0, replica = %wrong, %error, "a replica with wrong rows waits"),
        }
    }
    Ok(())
}
