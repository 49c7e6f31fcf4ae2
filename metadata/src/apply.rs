//! Applying effects: the same on every replica.
//!
//! The batch is a function of the view's counters and watermarks and of the effects, in order; no clock,
//! no randomness, no term. The caller adds its own rows (the applied index) to the same batch.

use std::collections::BTreeMap;

use crate::effect::{Effect, RemovedRows};
use crate::ids::BucketId;
use crate::key::{self, RowKind};
use crate::record::Usage;
use crate::store::{Batch, StoreError, View};
use crate::watermarks::Watermarks;
use couronne_base::codec;

/// The batch that the effects of one or more log entries make, given the rows before them.
///
/// Effects applied together were evaluated under latches held until they are applied, so none reads
/// or writes what another writes, but for counters and watermarks, which are summed and merged here.
pub fn apply(view: &dyn View, effects: &[Effect]) -> Result<Batch, StoreError> {
    let mut batch = Batch { writes: Vec::with_capacity(effects.iter().map(|effect| effect.writes.len() + 1).sum()) };
    let mut usage: BTreeMap<BucketId, Usage> = BTreeMap::new();
    let mut watermarks: Option<Watermarks> = None;
    for effect in effects {
        batch.writes.extend_from_slice(&effect.writes);
        effect.removed.iter().flat_map(RemovedRows::keys).for_each(|key| batch.delete(key));
        for change in &effect.usage {
            usage.entry(change.bucket).or_default().add(change.delta);
        }
        if let Some(raised) = effect.watermarks {
            watermarks = Some(watermarks.unwrap_or_default().merge(raised));
        }
    }
    for (bucket, delta) in usage {
        if delta == Usage::default() {
            continue;
        }
        let mut sum = Usage::load(view, bucket)?;
        sum.add(delta);
        batch.put(key::of_bucket(RowKind::Counters, bucket), codec::encode(&sum));
    }
    if let Some(raised) = watermarks {
        batch.put(Watermarks::row(), codec::encode(&Watermarks::load(view)?.merge(raised)));
    }
    Ok(batch)
}

impl Usage {
    /// What the range holds of a bucket as the view has it.
    pub fn load(view: &dyn View, bucket: BucketId) -> Result<Self, StoreError> {
        match view.get(&key::of_bucket(RowKind::Counters, bucket))? {
            Some(bytes) => Ok(codec::decode(&bytes)?),
            None => Ok(Self::default()),
        }
    }

    /// Adds a delta.
    pub fn add(&mut self, delta: Self) {
        self.objects = self.objects.saturating_add(delta.objects);
        self.noncurrent = self.noncurrent.saturating_add(delta.noncurrent);
        self.bytes = self.bytes.saturating_add(delta.bytes);
        self.upload_bytes = self.upload_bytes.saturating_add(delta.upload_bytes);
    }
}
