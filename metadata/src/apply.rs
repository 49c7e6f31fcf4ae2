//! Applying effects: the same on every replica.
//!
//! The batch is a function of the view's counters and watermarks and of the effects, in order; no clock,
//! no randomness, no term. The caller adds its own rows (the applied index) to the same batch.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::effect::{Effect, RemovedRows};
use crate::key::{self, RowKind};
use crate::record::{RangeFacts, RangeMarks};
use crate::store::{Batch, StoreError, View, Write};
use crate::system;
use crate::usage::Usage;
use crate::watermarks::Watermarks;
use couronne_base::codec;

/// The batch that the effects of one or more log entries make, given the rows before them.
///
/// Effects applied together were evaluated under latches held until they are applied, so none reads
/// or writes what another writes, but for counters and watermarks, which are summed and merged here. Which effects are
/// applied together differs from replica to replica, and must make no difference: counters of nothing are no row.
pub fn apply(view: &dyn View, effects: &[Effect]) -> Result<Batch, StoreError> {
    let mut batch = Batch { writes: Vec::with_capacity(effects.iter().map(|effect| effect.writes.len() + 1).sum()) };
    let mut counted: BTreeMap<Bytes, Usage> = BTreeMap::new();
    let mut watermarks: Option<Watermarks> = None;
    let mut identity_changes: u64 = 0;
    let mut repair_rows = RepairCounter { view, known: BTreeMap::new(), delta: 0 };
    for effect in effects {
        repair_rows.follow(effect)?;
        identity_changes += effect.writes.iter().map(|write| u64::from(is_of_identity(write))).sum::<u64>();
        batch.writes.extend_from_slice(&effect.writes);
        effect.removed.iter().flat_map(RemovedRows::keys).for_each(|key| batch.delete(key));
        for change in &effect.usage {
            counted.entry(change.row()).or_default().add(change.delta);
        }
        if let Some(raised) = effect.watermarks {
            watermarks = Some(watermarks.unwrap_or_default().merge(raised));
        }
    }
    for (row, delta) in counted {
        let mut sum: Usage = view.get(&row)?.map(|bytes| codec::decode(&bytes)).transpose()?.unwrap_or_default();
        sum.add(delta);
        if sum == Usage::default() { batch.delete(row) } else { batch.put(row, codec::encode(&sum)) }
    }
    if repair_rows.delta != 0 {
        let count = RangeFacts::load(view)?.repair_rows.saturating_add_signed(repair_rows.delta);
        let row = RangeFacts::repair_count_row();
        if count == 0 { batch.delete(row) } else { batch.put(row, codec::encode(&count)) }
    }
    if identity_changes != 0 {
        let changes = system::identity_changes(view)?.saturating_add(identity_changes);
        batch.put(system::identity_changes_row(), codec::encode(&changes));
    }
    if let Some(raised) = watermarks {
        batch.put(Watermarks::row(), codec::encode(&Watermarks::load(view)?.merge(raised)));
    }
    Ok(batch)
}

/// Counts repair rows as they come and go. Duties and the reaper write them under latches of other keys: which of them
/// are there only the rows themselves say.
struct RepairCounter<'a> {
    view: &'a dyn View,
    /// Which rows are there after the effects so far, of those that they change.
    known: BTreeMap<Bytes, bool>,
    delta: i64,
}

impl RepairCounter<'_> {
    fn follow(&mut self, effect: &Effect) -> Result<(), StoreError> {
        for write in &effect.writes {
            match write {
                Write::Put { key, .. } => self.change(key, true)?,
                Write::Delete { key } => self.change(key, false)?,
                // Repair rows are never removed by an interval.
                Write::DeleteRange { .. } => {}
            }
        }
        for removed in effect.removed.iter().filter(|removed| is_repair(&removed.prefix)) {
            removed.keys().try_for_each(|key| self.change(&key, false))?;
        }
        Ok(())
    }

    fn change(&mut self, key: &Bytes, is_put: bool) -> Result<(), StoreError> {
        if !is_repair(key) {
            return Ok(());
        }
        let was_there = match self.known.insert(key.clone(), is_put) {
            Some(was_there) => was_there,
            None => self.view.get(key)?.is_some(),
        };
        self.delta += i64::from(is_put) - i64::from(was_there);
        Ok(())
    }
}

/// Whether a write is of a row of identities that gateways follow. Such rows are written one by one.
fn is_of_identity(write: &Write) -> bool {
    match write {
        Write::Put { key, .. } | Write::Delete { key } => {
            key::of_system(key).is_some_and(system::identity::is_followed)
        }
        Write::DeleteRange { .. } => false,
    }
}

fn is_repair(key: &[u8]) -> bool {
    key.first() == Some(&(RowKind::Repair as u8))
}

impl RangeMarks {
    /// The key of the row of marks.
    pub(crate) fn row() -> Bytes {
        key::of_range(RowKind::Marks, &[])
    }

    /// The marks as the view has them.
    pub(crate) fn load(view: &dyn View) -> Result<Self, StoreError> {
        Ok(view.get(&Self::row())?.map(|bytes| codec::decode(&bytes)).transpose()?.unwrap_or_default())
    }
}

impl RangeFacts {
    /// The key of the row that counts the repair rows.
    pub(crate) fn repair_count_row() -> Bytes {
        key::of_range(RowKind::RepairCount, &[])
    }

    /// What the range knows of itself as the view has it.
    pub(crate) fn load(view: &dyn View) -> Result<Self, StoreError> {
        let count = view.get(&Self::repair_count_row())?.map(|bytes| codec::decode(&bytes)).transpose()?;
        Ok(Self { marks: RangeMarks::load(view)?, repair_rows: count.unwrap_or(0) })
    }
}
