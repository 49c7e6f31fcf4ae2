//! Gathering enough of a chunk: data shards first, then parity, then wherever else shards may be.
//!
//! The rounds: (1) the frames wanted of the data shards, from their primaries; (2) once one of these
//! fails, or is late, the frames still missing from all other shards; (3) once all have answered and
//! there are still too few, every shard that is missing from the drives it may have been handed to.
//! The first `k` shards that cover what is missing decide. (4) if some drives could not be asked, all of it once more.
//! Must not know: rows, bodies.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use couronne_placement::erasure::{Codec, Wanted};
use couronne_placement::{Placement, place};
use couronne_protocol::shard::{Owner, ShardError};
use couronne_ring::{DriveId, Ring};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::time::sleep;

use super::chunk::{ChunkRead, FrameRange, Span};
use super::fetch::ShardFetcher;
use super::shard::{Frames, Slice};
use crate::client::Client;
use crate::error::ClientError;

/// One chunk being read.
struct ChunkReader<'a> {
    fetcher: &'a ShardFetcher<'a>,
    read: &'a ChunkRead,
    ring: &'a Ring,
    placement: Placement,
    spans: Vec<Span>,
    /// What is known of each shard, by number.
    shards: Vec<Shard>,
    /// The frames that rounds 2 and 3 ask for: all that round 1 still missed when they began.
    fallback: Option<FrameRange>,
    round: Round,
    /// Round 2 began because something was late.
    hedged: bool,
}

#[derive(Default)]
struct Shard {
    /// What has come of it: what round 1 wanted, and what later rounds did.
    frames: Vec<Frames>,
    asked: bool,
    failed: bool,
    /// A drive could not be asked: the shard may be there yet.
    unreachable: bool,
}

/// An answer about one shard.
struct Answer {
    number: u8,
    frames: Result<Frames, ShardError>,
}

type Pending<'a> = FuturesUnordered<BoxFuture<'a, Answer>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    Data,
    Parity,
    Search,
}

impl Client {
    /// Fetches, verifies and, if need be, decodes the range of a chunk that belongs to `owner`; slices in order.
    ///
    /// While too few of its shards can be reached, it is attempted anew, by the newest map, for a bounded time.
    pub async fn read_chunk(&self, read: &ChunkRead, owner: &Owner) -> Result<Vec<Slice>, ClientError> {
        let mut pauses = self.chunk_pauses();
        loop {
            let attempt = self.attempt_chunk(read, owner).await;
            let Err(ClientError::Unavailable(reason)) = &attempt else { return attempt };
            if pauses.left().is_none() {
                return attempt;
            }
            tracing::debug!(%reason, "reading a chunk again");
            pauses.pause().await;
        }
    }

    async fn attempt_chunk(&self, read: &ChunkRead, owner: &Owner) -> Result<Vec<Slice>, ClientError> {
        let map = self.map().current();
        let unplaced = |what: &dyn std::fmt::Display| ClientError::Unavailable(format!("reading a chunk: {what}"));
        let ring = map.rings.get(&read.blob.policy).ok_or_else(|| unplaced(&"the policy has no ring"))?;
        let placed = place(ring, read.id(), &read.blob.geometry).map_err(|error| unplaced(&error))?;
        let placement = placed.made_up_for(ring, &map.gone);
        let fetcher = ShardFetcher { client: self, map: &map, read, owner };
        ChunkReader::new(&fetcher, read, ring, placement).run().await
    }
}

impl<'a> ChunkReader<'a> {
    fn new(fetcher: &'a ShardFetcher<'a>, read: &'a ChunkRead, ring: &'a Ring, placement: Placement) -> Self {
        let shards = placement.primaries.iter().map(|_| Shard::default()).collect();
        let (spans, fallback, round, hedged) = (read.spans(), None, Round::Data, false);
        Self { fetcher, read, ring, placement, spans, shards, fallback, round, hedged }
    }

    /// The range's bytes, in order, in few slices.
    async fn run(mut self) -> Result<Vec<Slice>, ClientError> {
        let mut pending = Pending::new();
        for span in self.spans.clone() {
            self.ask_primary(span.number, span.frames(), &pending);
        }
        let hedge = sleep(Duration::from_millis(self.fetcher.client.settings.hedge_delay_ms));
        tokio::pin!(hedge);
        loop {
            if let Some(slices) = self.assemble()? {
                self.note_late();
                return Ok(slices);
            }
            if pending.is_empty() {
                self.next_round(&pending)?;
                continue;
            }
            // In this order: what is done first must not be random.
            let failed = tokio::select! {
                biased;
                Some(answer) = pending.next() => self.take(answer),
                () = &mut hedge, if self.round == Round::Data => {
                    self.hedged = true;
                    true
                }
            };
            if failed && self.round == Round::Data {
                self.next_round(&pending)?;
            }
        }
    }

    fn next_round(&mut self, pending: &Pending<'a>) -> Result<(), ClientError> {
        self.round = match self.round {
            Round::Data => Round::Parity,
            Round::Parity => Round::Search,
            Round::Search => return Err(self.too_few()),
        };
        let missing = match (self.fallback, self.missing()) {
            (Some(fallback), _) | (None, Some(fallback)) => fallback,
            (None, None) => return Ok(()),
        };
        self.fallback = Some(missing);
        let searched = if self.round == Round::Search { self.searched() } else { Vec::new() };
        for (number, drive) in (0u8..).zip(self.placement.primaries.clone()) {
            let Some(shard) = self.shards.get(usize::from(number)) else { continue };
            let covered = shard.frames.iter().any(|frames| frames.range.covers(missing));
            let answered = !shard.frames.is_empty();
            match self.round {
                _ if covered => {}
                // The primary has it, but came too late with other frames to be asked for these.
                Round::Search if answered => self.ask_primary(number, missing, pending),
                Round::Search => self.search(number, missing, drive, &searched, pending),
                // Shards that were asked for are awaited or have failed, unless they gave other frames.
                _ if shard.asked && !answered => {}
                _ => self.ask_primary(number, missing, pending),
            }
        }
        Ok(())
    }

    fn ask_primary(&mut self, number: u8, frames: FrameRange, pending: &Pending<'a>) {
        let Some(shard) = self.shards.get_mut(usize::from(number)) else { return };
        let Some(drive) = self.placement.primaries.get(usize::from(number)).copied() else { return };
        shard.asked = true;
        let fetcher = self.fetcher;
        pending
            .push(Box::pin(async move { Answer { number, frames: fetcher.at_primary(number, frames, drive).await } }));
    }

    /// The drives where shards may be that are not on their primaries.
    fn searched(&self) -> Vec<DriveId> {
        let states = &self.fetcher.map.drives;
        let away = states.iter().filter(|(_, drive)| !drive.state.is_up()).map(|(id, _)| *id);
        self.placement.searched(self.ring, &away.collect::<Vec<_>>())
    }

    fn search(&self, number: u8, frames: FrameRange, primary: DriveId, searched: &[DriveId], pending: &Pending<'a>) {
        let elsewhere = searched.iter().copied().filter(|drive| *drive != primary);
        // The primary comes last: it may have been passed over as a slow drive.
        let drives: Arc<[DriveId]> = elsewhere.chain([primary]).collect();
        let fetcher = self.fetcher;
        pending.push(Box::pin(async move { Answer { number, frames: fetcher.at_any(number, frames, &drives).await } }));
    }

    /// Remembers the drives whose data shards had not come when others had been asked in their place.
    fn note_late(&self) {
        if !self.hedged {
            return;
        }
        let client = self.fetcher.client;
        for number in self.spans.iter().map(|span| usize::from(span.number)) {
            let (Some(shard), Some(drive)) = (self.shards.get(number), self.placement.primaries.get(number)) else {
                continue;
            };
            if !shard.failed && shard.frames.is_empty() {
                client.slow_drives.late(*drive, client.now());
            }
        }
    }

    /// Keeps an answer; says whether it was a failure.
    fn take(&mut self, answer: Answer) -> bool {
        let Some(shard) = self.shards.get_mut(usize::from(answer.number)) else { return true };
        match answer.frames {
            Ok(frames) => {
                shard.frames.push(frames);
                false
            }
            Err(error) => {
                shard.failed = true;
                shard.unreachable |= matches!(error, ShardError::Down(_) | ShardError::Overloaded);
                true
            }
        }
    }

    /// The frames that hold the spans which have not come.
    fn missing(&self) -> Option<FrameRange> {
        let missing = self.spans.iter().filter(|span| self.direct(span).is_none());
        missing.map(Span::frames).reduce(FrameRange::union)
    }

    /// A span's bytes from its own shard.
    fn direct(&self, span: &Span) -> Option<Slice> {
        self.shards.get(usize::from(span.number))?.frames.iter().find_map(|frames| frames.slice(span))
    }

    /// The range, if what has come is enough.
    fn assemble(&self) -> Result<Option<Vec<Slice>>, ClientError> {
        let direct: Option<Vec<Slice>> = self.spans.iter().map(|span| self.direct(span)).collect();
        if direct.is_some() {
            return Ok(direct);
        }
        let Some(fallback) = self.fallback else { return Ok(None) };
        let shard_len = self.read.layout.shard_len;
        let cut = |shard: &Shard| shard.frames.iter().find_map(|frames| frames.cut(fallback, shard_len));
        let mut stripe: Vec<Option<Bytes>> = self.shards.iter().map(cut).collect();
        if stripe.iter().flatten().count() < usize::from(self.read.blob.geometry.k()) {
            return Ok(None);
        }
        let failed = |error| ClientError::Corrupt(format!("decoding a chunk: {error}"));
        let codec = Codec::of(&self.read.blob.geometry).map_err(failed)?;
        codec.reconstruct(&mut stripe, Wanted::Data).map_err(failed)?;
        let decoded = |span: &Span| {
            let bytes = stripe.get(usize::from(span.number))?.clone()?;
            Frames { range: fallback, bytes, crc64: None }.slice(span)
        };
        let slices: Option<Vec<Slice>> =
            self.spans.iter().map(|span| self.direct(span).or_else(|| decoded(span))).collect();
        slices.map(Some).ok_or_else(|| ClientError::Corrupt("a decoded chunk is too short".to_owned()))
    }

    fn too_few(&self) -> ClientError {
        let k = usize::from(self.read.blob.geometry.k());
        let found = self.shards.iter().filter(|shard| !shard.frames.is_empty()).count();
        let perhaps = self.shards.iter().filter(|shard| !shard.frames.is_empty() || shard.unreachable).count();
        let what = format!("{found} of the {k} shards needed of {:?} were found", self.read.id());
        if perhaps >= k { ClientError::Unavailable(what) } else { ClientError::Unreadable(what) }
    }
}
