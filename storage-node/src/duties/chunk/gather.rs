//! The bytes of the shards that are to be put: copied from where they are, or rebuilt.
//!
//! Promises: every byte was verified here. What does not verify counts as not there from then on.

use bytes::Bytes;
use couronne_placement::erasure::{Codec, Wanted};
use couronne_protocol::shard::ShardError;
use couronne_ring::DriveId;
use futures_util::future::join_all;

use super::Work;
use super::plan::{Found, Plan};
use crate::duties::error::DutyError;

/// What asking for a shard gave, and the drives that failed on the way.
struct Fetched {
    number: u8,
    payload: Option<Bytes>,
    /// The drive that the bytes are from.
    from: Option<DriveId>,
    wrong: Vec<DriveId>,
    silent: Vec<DriveId>,
}

impl Work<'_> {
    /// The shards that the plan puts, as far as they can be had, by number.
    pub(super) async fn gather(&self, plan: &Plan, found: &mut Found) -> Result<Vec<Option<Bytes>>, DutyError> {
        let geometry = &self.target.geometry;
        let mut shards: Vec<Option<Bytes>> = vec![None; usize::from(geometry.shards())];
        if plan.puts.is_empty() {
            return Ok(shards);
        }
        let wanted: Vec<u8> = plan.puts.iter().map(|(number, _)| *number).collect();
        self.fetch_all(&wanted, &mut shards, found).await;
        let lacks = |shards: &[Option<Bytes>]| {
            wanted.iter().any(|number| shards.get(usize::from(*number)).is_some_and(Option::is_none))
        };
        if !lacks(&shards) {
            return Ok(shards);
        }
        let k = usize::from(geometry.k());
        let mut others: Vec<u8> = (0..geometry.shards()).filter(|number| !wanted.contains(number)).collect();
        loop {
            let short = k.saturating_sub(shards.iter().flatten().count()).min(others.len());
            if short == 0 {
                break;
            }
            let next: Vec<u8> = others.drain(..short).collect();
            self.fetch_all(&next, &mut shards, found).await;
        }
        if shards.iter().flatten().count() >= k {
            let codec = Codec::of(geometry)?;
            codec.reconstruct(&mut shards, Wanted::All)?;
        }
        Ok(shards)
    }

    async fn fetch_all(&self, numbers: &[u8], shards: &mut [Option<Bytes>], found: &mut Found) {
        let fetched = join_all(numbers.iter().map(|number| self.fetch(*number, found))).await;
        for Fetched { number, payload, from, wrong, silent } in fetched {
            found.read.extend(from.map(|drive| (number, drive)));
            wrong.into_iter().for_each(|drive| found.remove(number, drive));
            found.silent.extend(silent);
            if let Some(place) = shards.get_mut(usize::from(number)) {
                *place = payload;
            }
        }
    }

    /// A shard's verified bytes from one of the drives that have it.
    async fn fetch(&self, number: u8, found: &Found) -> Fetched {
        let mut fetched = Fetched { number, payload: None, from: None, wrong: Vec::new(), silent: Vec::new() };
        let id = self.shard(number);
        for drive in found.places.get(usize::from(number)).into_iter().flatten() {
            match self.context.client.get_shard(*drive, id, self.target.geometry).await {
                Ok(payload) => {
                    (fetched.payload, fetched.from) = (Some(payload), Some(*drive));
                    return fetched;
                }
                Err(error @ (ShardError::NotFound | ShardError::Corrupt(_))) => {
                    tracing::warn!(shard = ?id, %drive, %error, "a shard is missing or wrong");
                    fetched.wrong.push(*drive);
                }
                Err(_) => fetched.silent.push(*drive),
            }
        }
        fetched
    }
}
