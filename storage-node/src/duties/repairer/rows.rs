//! The repair rows of a range: which are to be looked at, and repairing their blobs.
//!
//! Promises: a row goes only when every shard of every chunk was read and verified on its primary, or when nothing
//! names its blob any more; one that is as good as can be stays and costs nothing while the drives
//! stand as they do. Must not know: how a chunk is repaired.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use couronne_base::mutant;
use couronne_metadata::command::Command;
use couronne_metadata::query::{Answer, Ownership, Query};
use couronne_metadata::record::RepairRecord;
use couronne_placement::{BlobId, ChunkId};
use couronne_protocol::shard::Owner;
use futures_util::stream::{self, StreamExt};

use super::super::chunk::{self, Chunk, Target};
use super::super::error::DutyError;
use super::super::eta::WorkEstimate;
use super::super::progress::{Degraded, Parked, RangeProgress, survives};
use super::super::{DutyContext, ask, ask_about, count, execute};
use super::RepairContext;
use crate::replicas::RangeServer;

/// RepairRows listed at a time.
const ROWS: u32 = 500;

/// Blobs worked on at a time, and chunks of one of them.
const BLOBS_AT_A_TIME: usize = 8;
const CHUNKS_AT_A_TIME: usize = 4;

/// After so many chunks of a blob the row is looked at again, whether it is still there to be repaired.
const CHUNKS_A_TURN: usize = 64;

/// A row that is as good as can be is looked at again after so long, whatever the drives do.
const PARKED_FOR: Duration = Duration::from_secs(1800);

/// The same while every drive serves: then it waits for none, but what was to be put was not taken, as
/// by a drive that was full.
const PARKED_BRIEFLY: Duration = Duration::from_secs(300);

/// RepairRows of a range whose state is kept; further ones are looked at in every round.
const PARKED_MAX: usize = 200_000;

/// What it costs to ask where a chunk's shards are and to do away with a row, in bytes that could be moved
/// instead.
const LOOK_BYTES: u64 = 1 << 20;

/// What asking where a chunk's shards are takes of the repair rate, if none of them is there, in bytes.
const LOOK_PACED_BYTES: u64 = 64 << 10;

/// A range that is led here, in one round.
pub(super) struct RepairRows<'a> {
    pub(super) context: &'a DutyContext,
    pub(super) leader: &'a RangeServer,
    pub(super) pass: &'a RepairContext,
}

impl RepairRows<'_> {
    fn progress<T>(&self, with: impl FnOnce(&mut RangeProgress) -> T) -> T {
        self.context.repair.range(self.leader.descriptor().id, with)
    }

    async fn page(&self, after: Option<BlobId>) -> Result<Vec<RepairRecord>, DutyError> {
        let answer = ask(self.leader, Query::Repair { after, limit: ROWS }).await?;
        let Answer::Repair(rows) = answer else { return Err(DutyError::WrongAnswer) };
        Ok(rows)
    }

    /// Goes through the rows and counts those that are to be looked at; the numbers of missing shards
    /// that they name.
    pub(super) async fn list(&self) -> Result<BTreeSet<u8>, DutyError> {
        let now = self.context.env.clock.steady();
        let mut known = self.progress(|range| {
            if range.snapshot.as_ref() != Some(&self.pass.snapshot) {
                range.parked.clear();
            }
            range.parked.clone()
        });
        let all_serve = self.context.map.state().drives.keys().all(|drive| self.pass.snapshot.up.contains(drive));
        let parked_for = if all_serve { PARKED_BRIEFLY } else { PARKED_FOR };
        known.retain(|_, parked| now.saturating_sub(parked.since) < parked_for);
        let (mut parked, mut levels) = (BTreeMap::new(), BTreeSet::new());
        let (mut pending, mut left) = (BTreeMap::<i16, Degraded>::new(), WorkEstimate::default());
        let mut after = None;
        loop {
            let rows = self.page(after).await?;
            let Some(last) = rows.last() else { break };
            after = Some(last.blob.id);
            for row in rows {
                if let Some(known) = known.remove(&row.blob.id) {
                    parked.insert(row.blob.id, known);
                    continue;
                }
                levels.insert(row.missing);
                let level = pending.entry(survives(&row)).or_default();
                level.blobs += 1;
                level.chunks = level.chunks.saturating_add(row.blob.geometry.chunks(row.blob.len));
                left = left + blob_work(&row);
            }
        }
        self.progress(|range| {
            range.snapshot = Some(Arc::clone(&self.pass.snapshot));
            range.parked = parked;
            (range.pending, range.left) = (pending, left);
        });
        Ok(levels)
    }

    /// Repairs the blobs of which so many shards are missing, until the drives stand otherwise.
    pub(super) async fn repair(&self, missing: u8) -> Result<(), DutyError> {
        let (mut after, mut failed) = (None, None);
        loop {
            let rows = self.page(after).await?;
            let Some(last) = rows.last() else { return failed.map_or(Ok(()), Err) };
            after = Some(last.blob.id);
            let is_pending =
                |row: &RepairRecord| row.missing == missing && !self.progress(|r| r.parked.contains_key(&row.blob.id));
            let rows: Vec<RepairRecord> = rows.into_iter().filter(is_pending).collect();
            let repairing = rows.into_iter().map(|row| async move {
                if self.pass.holds(self.context) { self.repair_blob(&row).await } else { Ok(()) }
            });
            // One blob's trouble is not the others'.
            let repaired: Vec<Result<(), DutyError>> =
                stream::iter(repairing).buffer_unordered(BLOBS_AT_A_TIME).collect().await;
            failed = repaired.into_iter().find_map(Result::err).or(failed);
            if !self.pass.holds(self.context) {
                return Ok(());
            }
        }
    }

    async fn repair_blob(&self, row: &RepairRecord) -> Result<(), DutyError> {
        let owner = Owner { bucket: row.bucket, key: row.key.clone() };
        let chunks = stream::iter(0..row.blob.geometry.chunks(row.blob.len))
            .map(|index| self.repair_chunk(row, &owner, index))
            .buffer_unordered(CHUNKS_AT_A_TIME);
        let (mut whole, mut better, mut worst, mut missing) = (true, false, i16::MAX, 0);
        let mut chunks = std::pin::pin!(chunks.enumerate());
        while let Some((looked, chunk)) = chunks.next().await {
            let chunk = chunk?;
            if looked % CHUNKS_A_TURN == 0 {
                if !self.pass.holds(self.context) {
                    return Ok(());
                }
                if !self.is_named(row).await? {
                    return self.drop_row(row).await;
                }
            }
            whole &= chunk.whole;
            better |= chunk.better;
            worst = worst.min(chunk.survives);
            missing = missing.max(chunk.missing);
        }
        // Of what was dropped too little may be left to be repaired.
        if whole || mutant!(DropRepairRowEarly) || (worst < 0 && !self.is_named(row).await?) {
            return self.drop_row(row).await;
        }
        if better {
            // It counts as pending until the next round.
            return Ok(());
        }
        self.raise_missing(row, worst).await?;
        let parked = Parked {
            survives: worst,
            missing,
            is_degraded: worst < i16::from(row.blob.geometry.m()),
            chunks: row.blob.geometry.chunks(row.blob.len),
            since: self.context.env.clock.steady(),
        };
        self.progress(|range| {
            if range.parked.len() < PARKED_MAX && range.snapshot.as_ref() == Some(&self.pass.snapshot) {
                range.parked.insert(row.blob.id, parked);
                range.settle(row);
            }
        });
        Ok(())
    }

    /// Has the row name as many missing shards as its worst chunk was found to lack, if these are more: the next leader, and
    /// the next round, know then how endangered the blob is.
    async fn raise_missing(&self, row: &RepairRecord, survives: i16) -> Result<(), DutyError> {
        let missing = u8::try_from(i16::from(row.blob.geometry.m()).saturating_sub(survives)).unwrap_or(u8::MAX);
        if missing <= row.missing {
            return Ok(());
        }
        if survives < 0 {
            let RepairRecord { blob, bucket, key, .. } = row;
            tracing::error!(blob = %blob.id, ?bucket, ?key, lacks = -survives, "too few shards of a blob are left to read it");
        }
        super::mark(self.context, self.leader, vec![RepairRecord { missing, found: missing, ..row.clone() }]).await
    }

    async fn is_named(&self, row: &RepairRecord) -> Result<bool, DutyError> {
        let query = Query::OwnsBlob { key: row.key.clone(), blob: row.blob.id };
        let answer = ask_about(self.leader, row.bucket, query).await?;
        Ok(answer == Answer::OwnsBlob(Ownership::Owned))
    }

    async fn repair_chunk(&self, row: &RepairRecord, owner: &Owner, index: u64) -> Result<Chunk, DutyError> {
        let (context, counters) = (self.context, &self.context.counters);
        let (work, shard_len) = (chunk_work(row, index), shard_len(row, index));
        let index = u32::try_from(index)?;
        let chunk = ChunkId { blob: row.blob.id, index };
        let (geometry, policy) = (row.blob.geometry, row.blob.policy);
        let target =
            Target { owner, chunk, geometry, policy, wrong: None, strays: true, is_read_back: !mutant!(DropRowUnread) };
        let chunk = chunk::repair(context, &self.pass.snapshot, &target).await?;
        count(&counters.chunks_repaired, u64::from(chunk.bytes > 0));
        count(&counters.chunks_unrepaired, u64::from(!chunk.whole));
        context.repair.chunk_done(context.env.clock.steady(), self.leader.descriptor().id, work, chunk.bytes);
        // What was moved was rebuilt from shards that are read anyway; what was only read back is paced, too.
        let looked = chunk.shards_read.saturating_mul(shard_len).max(LOOK_PACED_BYTES);
        context.repair_rate.take(if chunk.bytes > 0 { chunk.bytes } else { looked }).await;
        Ok(chunk)
    }

    async fn drop_row(&self, row: &RepairRecord) -> Result<(), DutyError> {
        let (owner, blob) = ((row.bucket, row.key.clone()), row.blob.id);
        let repaired = execute(self.context, self.leader, owner, Command::Repaired { blob }).await;
        repaired?;
        self.progress(|range| range.settle(row));
        Ok(())
    }
}

/// What it takes to repair a blob.
fn blob_work(row: &RepairRecord) -> WorkEstimate {
    let chunks = row.blob.geometry.chunks(row.blob.len);
    let Some(last) = chunks.checked_sub(1) else { return WorkEstimate::default() };
    chunk_work(row, 0).times(last) + chunk_work(row, last)
}

/// The same of one of its chunks, if it lacks as many shards as the row says.
fn chunk_work(row: &RepairRecord, index: u64) -> WorkEstimate {
    let (geometry, shard_len) = (&row.blob.geometry, shard_len(row, index));
    let puts = u64::from(row.missing) * shard_len;
    WorkEstimate { items: 1, cost: LOOK_BYTES + u64::from(geometry.k()) * shard_len + puts, paced: puts }
}

/// How long each shard of one of its chunks is, in bytes.
fn shard_len(row: &RepairRecord, index: u64) -> u64 {
    let layout = u32::try_from(index).ok().and_then(|index| row.blob.geometry.chunk(row.blob.len, index));
    layout.map_or(0, |layout| u64::from(layout.shard_len))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

    use couronne_metadata::ids::{BucketId, ObjectKey};
    use couronne_metadata::record::BlobRef;
    use couronne_placement::{Binding, Geometry, PolicyId};

    use super::*;

    #[test]
    fn a_blob_costs_what_its_chunks_do() {
        const MIB: u64 = 1 << 20;
        let geometry = Geometry::new(4, 2, 16 << 20).unwrap();
        for len in [0, 1, 16 * MIB - 1, 16 * MIB, 16 * MIB + 1, 50 * MIB] {
            let blob = BlobRef {
                id: BlobId::new(0, [0; 10], Binding::to(b"bucket", b"key")),
                len,
                policy: PolicyId(0),
                geometry,
                crc64: 0,
            };
            let row = RepairRecord::new(blob, BucketId::SYSTEM, ObjectKey::new("key").unwrap(), 2);
            let chunks = (0..geometry.chunks(len)).map(|index| chunk_work(&row, index));
            assert_eq!(blob_work(&row), chunks.fold(WorkEstimate::default(), |sum, chunk| sum + chunk), "{len}");
            if len == 16 * MIB {
                assert_eq!(blob_work(&row), WorkEstimate { items: 1, cost: 25 * MIB, paced: 8 * MIB });
            }
        }
    }
}
