//! Making one chunk as good as it can be with the drives that serve now.
//!
//! The steps: ask where its shards are (asking for no frames costs no read), plan, fetch or rebuild what
//! is to be put, put it, and delete the copies that are no longer needed; again while that changes the plan.
//! Promises: only verified bytes are rebuilt from or copied; a copy off its primary is deleted only
//! after the primary has read the shard back where it lies; never fewer shards are alive than before.
//! Must not know: the duty that asks.

mod gather;
mod plan;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use couronne_base::mutant;
use couronne_placement::frame;
use couronne_placement::{ChunkId, Geometry, Placement, PolicyId, ShardId, place};
use couronne_protocol::map::MapSource;
use couronne_protocol::shard::{GetShard, Owner, PutShard, ShardClient, ShardDuties, ShardError};
use couronne_ring::{DriveId, Ring};
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use tokio::time::timeout;

use super::DutyContext;
use super::snapshot::DriveSnapshot;
use crate::duties::error::DutyError;
use plan::{Found, Plan, plan};

/// How often a plan is carried out before what is left is left to the next look.
const ROUNDS: usize = 4;

/// Questions about one chunk at a time.
const QUESTIONS: usize = 32;

/// How long a drive may take to answer a question without bytes.
const LOOK_WAIT: Duration = Duration::from_secs(5);

/// How long a drive may take to verify or delete a shard.
const DRIVE_WAIT: Duration = Duration::from_secs(30);

/// What became of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    /// How many more losses it survives; below zero it cannot be read now.
    pub(super) survives: i16,
    /// How many of its shards are nowhere.
    pub(super) missing: u8,
    /// All its shards are on their primaries, and nowhere else as far as was looked. A drive that is gone for good is made
    /// up for by another.
    pub(super) whole: bool,
    /// Something could be better with the drives that serve now, or is not known.
    pub(super) better: bool,
    /// Bytes of shards that were put.
    pub(super) bytes: u64,
    /// How many shards their primaries read back.
    pub(super) shards_read: u64,
}

/// Which bytes to repair.
pub(super) struct Target<'a> {
    pub(super) owner: &'a Owner,
    pub(super) chunk: ChunkId,
    pub(super) geometry: Geometry,
    pub(super) policy: PolicyId,
    /// A shard on a drive that is there but wrong.
    pub(super) wrong: Option<(DriveId, u8)>,
    /// Whether copies are looked for of shards that are on their primaries, too.
    pub(super) strays: bool,
    /// Whether it counts as whole only once every shard was read on its primary. Without that a primary's word that it has
    /// the shard is enough.
    pub(super) is_read_back: bool,
}

/// A chunk being worked on.
struct Work<'a> {
    context: &'a DutyContext,
    snapshot: &'a DriveSnapshot,
    target: &'a Target<'a>,
    ring: Arc<Ring>,
    placement: Placement,
}

/// Makes a chunk as good as it can be.
pub(super) async fn repair(
    context: &DutyContext,
    snapshot: &DriveSnapshot,
    target: &Target<'_>,
) -> Result<Chunk, DutyError> {
    let map = context.map.current();
    let ring = map.rings.get(&target.policy).cloned().ok_or(DutyError::NoPolicy)?;
    let placed = place(&ring, target.chunk, &target.geometry)?;
    let placement = placed.made_up_for(&ring, &map.gone);
    let is_as_safe = placement.is_as_safe_as(&placed, &ring);
    let work = Work { context, snapshot, target, ring, placement };
    let mut found = work.look().await;
    let (mut bytes, mut shards_read) = (0, 0);
    for _ in 0..ROUNDS {
        let plan = work.plan(&found);
        let put = work.carry_out(&plan, &mut found).await?;
        bytes += put;
        if plan == work.plan(&found) {
            let unread = work.unread(&found);
            if unread.is_empty() {
                break;
            }
            shards_read += work.read_back(unread, &mut found).await;
        }
    }
    let better = !work.plan(&found).is_empty() || !found.silent.is_empty() || !work.unread(&found).is_empty();
    let survives = found.survives(&work.ring, &placed, target.geometry.k());
    // What makes up for drives that are gone may be too little for what the policy promises.
    let whole = !better && is_as_safe && found.is_whole(&work.placement);
    let missing = target.geometry.shards().saturating_sub(u8::try_from(found.alive()).unwrap_or(u8::MAX));
    Ok(Chunk { survives, missing, whole, better, bytes, shards_read })
}

/// The geometry that a drive's shard of the chunk names: its row is not at hand. The drives of the
/// chunk's partition are asked first.
pub(super) async fn geometry_of(
    context: &DutyContext,
    snapshot: &DriveSnapshot,
    chunk: ChunkId,
    width: u8,
) -> Option<Geometry> {
    for number in 0..width {
        let request = GetShard { shard: ShardId { chunk, number }, first_frame: 0, frames: 0 };
        let asked = stream::iter(snapshot.up.iter().copied())
            .map(|drive| timeout(LOOK_WAIT, context.routes.get_shard(drive, request)))
            .buffer_unordered(QUESTIONS);
        let answers: Vec<_> = asked.collect().await;
        let found = answers.into_iter().find_map(|answer| answer.ok()?.ok());
        if let Some(found) = found {
            return Some(found.geometry);
        }
    }
    None
}

impl Work<'_> {
    fn plan(&self, found: &Found) -> Plan {
        plan(&self.ring, &self.placement, self.snapshot, found, self.target.geometry.k())
    }

    fn shard(&self, number: u8) -> ShardId {
        ShardId { chunk: self.target.chunk, number }
    }

    fn numbers(&self) -> impl Iterator<Item = (u8, DriveId)> + '_ {
        (0u8..).zip(self.placement.primaries.iter().copied())
    }

    /// Where the shards are: first on their primaries, then those that are missing (or all, if strays
    /// matter) on the other drives in the order of handoffs.
    async fn look(&self) -> Found {
        let places = self.placement.primaries.iter().map(|_| BTreeSet::new()).collect();
        let mut found = Found { places, ..Found::default() };
        let primaries = self.numbers().filter(|(_, drive)| self.snapshot.up.contains(drive));
        self.ask_for(primaries.collect(), &mut found).await;
        let wanted: Vec<(u8, DriveId)> = self
            .numbers()
            .zip(&found.places)
            .filter(|(_, places)| self.target.strays || places.is_empty())
            .map(|(shard, _)| shard)
            .collect();
        if wanted.is_empty() {
            return found;
        }
        let mut searched = self.placement.searched(&self.ring, &self.snapshot.away(&self.ring));
        searched.retain(|drive| self.snapshot.up.contains(drive) && !found.silent.contains(drive));
        let elsewhere = wanted.into_iter().flat_map(|(number, primary)| {
            searched.iter().filter(move |drive| **drive != primary).map(move |drive| (number, *drive))
        });
        self.ask_for(elsewhere.collect(), &mut found).await;
        found
    }

    async fn ask_for(&self, questions: Vec<(u8, DriveId)>, found: &mut Found) {
        let ask = |(number, drive): (u8, DriveId)| async move {
            let request = GetShard { shard: self.shard(number), first_frame: 0, frames: 0 };
            (number, drive, timeout(LOOK_WAIT, self.context.routes.get_shard(drive, request)).await)
        };
        let mut answers = stream::iter(questions).map(ask).buffer_unordered(QUESTIONS);
        while let Some((number, drive, answer)) = answers.next().await {
            match answer {
                Ok(Ok(frames)) if frames.geometry != self.target.geometry => {
                    tracing::warn!(shard = ?self.shard(number), %drive, "a shard is of another geometry than its row");
                }
                Ok(Ok(_)) if self.target.wrong == Some((drive, number)) => {}
                Ok(Ok(_)) => found.add(number, drive),
                Ok(Err(ShardError::NotFound | ShardError::Corrupt(_))) => {}
                Ok(Err(_)) | Err(_) => drop(found.silent.insert(drive)),
            }
        }
    }

    /// Carries a plan out as far as it goes, and notes in `found` what came of it; how many bytes were put.
    async fn carry_out(&self, plan: &Plan, found: &mut Found) -> Result<u64, DutyError> {
        // Only what moves bytes waits for its turn.
        let turn = if plan.puts.is_empty() { None } else { Some(self.context.moving.acquire().await) };
        let shards = self.gather(plan, found).await?;
        let puts = plan.puts.iter().filter_map(|(number, drive)| {
            let payload = shards.get(usize::from(*number))?.clone()?;
            Some(async move { (*number, *drive, payload.len() as u64, self.put(*number, *drive, payload).await) })
        });
        let mut bytes = 0;
        for (number, drive, len, put) in join_all(puts).await {
            match put {
                Ok(()) => {
                    found.add(number, drive);
                    bytes += len;
                }
                Err(error @ (ShardError::Down(_) | ShardError::Overloaded)) => {
                    tracing::debug!(shard = ?self.shard(number), %drive, %error, "shard is put later");
                    found.silent.insert(drive);
                }
                Err(error) => {
                    tracing::warn!(shard = ?self.shard(number), %drive, %error, "shard could not be put");
                    found.refusing.insert(drive);
                }
            }
        }
        drop(turn);
        self.drop_strays(plan, found).await;
        Ok(bytes)
    }

    async fn put(&self, number: u8, drive: DriveId, payload: Bytes) -> Result<(), ShardError> {
        let Target { owner, geometry, policy, .. } = self.target;
        let id = self.shard(number);
        let frames = frame::seal(id, *geometry, &payload);
        let request = || PutShard {
            shard: id,
            owner: (*owner).clone(),
            geometry: *geometry,
            policy: *policy,
            class: owner.bucket.class(),
            epoch: self.placement.epoch,
            frames: frames.clone(),
            payload: payload.clone(),
        };
        self.context.client.offer(drive, || self.context.routes.restore_shard(drive, request())).await
    }

    /// The shards of a chunk that is whole as far as its primaries say, and that were not read there yet.
    fn unread(&self, found: &Found) -> Vec<(u8, DriveId)> {
        if !self.target.is_read_back || !found.silent.is_empty() || !found.is_whole(&self.placement) {
            return Vec::new();
        }
        self.numbers().filter(|shard| !found.read.contains(shard)).collect()
    }

    /// Has primaries read their shards where they lie; how many were sound. One that is not sound counts as not
    /// there from then on.
    async fn read_back(&self, unread: Vec<(u8, DriveId)>, found: &mut Found) -> u64 {
        let _turn = self.context.moving.acquire().await;
        let reading = unread.into_iter().map(|(number, drive)| async move {
            let verifying = self.context.routes.verify_shard(drive, self.shard(number));
            (number, drive, timeout(DRIVE_WAIT, verifying).await)
        });
        let mut sound = 0;
        for (number, drive, verified) in join_all(reading).await {
            match verified {
                Ok(Ok(())) => {
                    found.read.insert((number, drive));
                    sound += 1;
                }
                Ok(Err(error @ (ShardError::NotFound | ShardError::Corrupt(_)))) => {
                    tracing::warn!(shard = ?self.shard(number), %drive, %error, "a shard is missing or wrong");
                    found.remove(number, drive);
                }
                Ok(Err(_)) | Err(_) => drop(found.silent.insert(drive)),
            }
        }
        sound
    }

    /// Deletes copies off their primaries, once these have read the shard back.
    async fn drop_strays(&self, plan: &Plan, found: &mut Found) {
        for (number, stray) in &plan.strays {
            let Some(primary) = self.placement.primaries.get(usize::from(*number)) else { continue };
            let verified = timeout(DRIVE_WAIT, self.context.routes.verify_shard(*primary, self.shard(*number))).await;
            match verified {
                Ok(Ok(())) => {}
                _ if mutant!(DropHandoffEarly) => {}
                Ok(Err(ShardError::NotFound | ShardError::Corrupt(_))) => {
                    found.remove(*number, *primary);
                    continue;
                }
                Ok(Err(_)) | Err(_) => {
                    found.silent.insert(*primary);
                    continue;
                }
            }
            let deleting = self.context.routes.delete_shard(*stray, self.shard(*number), self.target.owner);
            match timeout(DRIVE_WAIT, deleting).await {
                Ok(Ok(_)) => found.remove(*number, *stray),
                Ok(Err(error)) => {
                    tracing::debug!(drive = %stray, %error, "stray shard stays");
                    found.silent.insert(*stray);
                }
                Err(_) => drop(found.silent.insert(*stray)),
            }
        }
    }
}
