//! The bytes of one simulated file: what is read now, what a crash surely keeps, and the versions of
//! each sector in between.

use std::collections::BTreeMap;

use bytes::Bytes;
use couronne_base::testing::Rng;

/// What a disk writes whole or not at all, in bytes.
pub const SECTOR_BYTES: usize = 512;

/// One file's bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct Image {
    current: Vec<u8>,
    durable: Vec<u8>,
    /// For each sector written since the last sync, its versions, oldest first.
    pending: BTreeMap<usize, Vec<Bytes>>,
}

impl Image {
    pub(super) fn zeroes(len: usize) -> Self {
        Self { current: vec![0; len], ..Self::default() }
    }

    pub(super) const fn len(&self) -> usize {
        self.current.len()
    }

    pub(super) fn read(&self, offset: usize, len: usize) -> Option<Bytes> {
        self.current.get(offset..offset.checked_add(len)?).map(Bytes::copy_from_slice)
    }

    /// Writes what is visible now; on a crash each touched sector may have it or not.
    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let end = offset + bytes.len();
        if self.current.len() < end {
            self.current.resize(end, 0);
        }
        if let Some(target) = self.current.get_mut(offset..end) {
            target.copy_from_slice(bytes);
        }
        let sectors = offset / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES);
        for sector in sectors {
            let start = sector * SECTOR_BYTES;
            let stop = (start + SECTOR_BYTES).min(self.current.len());
            if let Some(version) = self.current.get(start..stop) {
                self.pending.entry(sector).or_default().push(Bytes::copy_from_slice(version));
            }
        }
    }

    /// Makes everything durable.
    pub(super) fn sync(&mut self) {
        self.durable.resize(self.current.len(), 0);
        for (sector, versions) in std::mem::take(&mut self.pending) {
            if let Some(newest) = versions.last() {
                keep(&mut self.durable, sector, newest);
            }
        }
    }

    /// Makes some versions of some sectors durable and forgets that the others are not.
    pub(super) fn sync_some(&mut self, rng: &mut Rng) {
        if rng.one_in(2) {
            self.durable.resize(self.current.len(), 0);
        }
        for (sector, versions) in std::mem::take(&mut self.pending) {
            let kept = rng.below(versions.len() as u64 + 1);
            let version = usize::try_from(kept).ok().and_then(|kept| kept.checked_sub(1));
            if let Some(version) = version.and_then(|at| versions.get(at)) {
                keep(&mut self.durable, sector, version);
            }
        }
    }

    /// What a crash leaves.
    pub(super) fn crash(&mut self, rng: &mut Rng) {
        self.sync_some(rng);
        self.current = self.durable.clone();
    }

    /// Flips a bit in every version there is.
    pub(super) fn flip(&mut self, offset: usize, bit: u8) {
        let mask = 1u8 << (bit % 8);
        for bytes in [&mut self.current, &mut self.durable] {
            if let Some(byte) = bytes.get_mut(offset) {
                *byte ^= mask;
            }
        }
    }
}

fn keep(durable: &mut Vec<u8>, sector: usize, version: &[u8]) {
    let start = sector * SECTOR_BYTES;
    let end = start + version.len();
    if durable.len() < end {
        durable.resize(end, 0);
    }
    if let Some(target) = durable.get_mut(start..end) {
        target.copy_from_slice(version);
    }
}
