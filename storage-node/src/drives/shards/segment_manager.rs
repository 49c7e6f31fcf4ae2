//! The segment files of a drive: opening, making, using again, and holding them while they are read.
//!
//! Promises: a segment that someone holds is not reused; a file is only ever opened in the way of its
//! class; at most a bounded number of files is open for reading.
//! Must not know: what records say.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use couronne_base::env::Env;
use couronne_base::mutant;
use couronne_ring::DriveId;
use parking_lot::Mutex;

use super::segment::{self, Class, PAGE_BYTES, SegmentNumber, SegmentPage};
use super::settings::Settings;
use crate::disk::{DIRECT_ALIGN, Disk, DiskFile, is_out_of_files, when_files_are_left};

/// For what a segment is made: duties may use the reserve, new shards may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Shards,
    Duties,
}

/// A segment file that is pinned: as long as this lives, its extent is not used for anything else.
#[derive(Clone)]
pub(super) struct SegmentPin {
    pub(super) number: SegmentNumber,
    pub(super) class: Class,
    file: Arc<dyn DiskFile>,
    _pin: Arc<()>,
}

/// A segment made just now.
pub(super) struct Fresh {
    pub(super) pinned: SegmentPin,
    pub(super) generation: u64,
    pub(super) len: u64,
    /// It was made of what is reserved for duties: no new shard may use it.
    pub(super) reserved: bool,
    /// Bytes from the start on that were written before: a sync over them forces no journal commit.
    pub(super) prepared: u64,
}

/// The segment files.
pub(super) struct SegmentManager {
    disk: Arc<dyn Disk>,
    env: Env,
    drive: DriveId,
    settings: Settings,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    entries: BTreeMap<SegmentNumber, SegmentEntry>,
    next_number: u64,
    /// Files of small segments that nothing refers to, by the number in their name.
    spares: Vec<SegmentNumber>,
    clock: u64,
}

struct SegmentEntry {
    class: Class,
    pin: Arc<()>,
    file: Option<Arc<dyn DiskFile>>,
    used: u64,
}

impl SegmentPin {
    /// Reads `len` bytes from `offset`, rounding outwards as the class demands.
    pub(super) async fn read(&self, offset: u64, len: usize) -> io::Result<bytes::Bytes> {
        if self.class == Class::Small {
            return self.file.read(offset, len).await;
        }
        let skip = usize::try_from(offset % DIRECT_ALIGN as u64).map_err(io::Error::other)?;
        let start = offset.saturating_sub(skip as u64);
        let bytes = self.file.read(start, (skip + len).next_multiple_of(DIRECT_ALIGN)).await?;
        Ok(bytes.slice(skip..skip + len))
    }

    /// The file, to write.
    pub(super) fn file(&self) -> &Arc<dyn DiskFile> {
        &self.file
    }
}

impl SegmentManager {
    pub(super) fn new(disk: Arc<dyn Disk>, env: Env, drive: DriveId, settings: Settings) -> Self {
        Self { disk, env, drive, settings, state: Mutex::default() }
    }

    /// Takes up a segment that is on the disk.
    pub(super) fn add(&self, number: SegmentNumber, class: Class) {
        self.reserve(number);
        let mut state = self.state.lock();
        state.entries.insert(number, SegmentEntry { class, pin: Arc::default(), file: None, used: 0 });
    }

    /// Sees to it that a number is not used again.
    pub(super) fn reserve(&self, number: SegmentNumber) {
        let mut state = self.state.lock();
        state.next_number = state.next_number.max(number.0.saturating_add(1));
    }

    /// Removes a file that is no segment any more.
    pub(super) async fn remove_stray(&self, number: SegmentNumber, class: Class) -> io::Result<()> {
        self.reserve(number);
        self.disk.remove(&segment::path(number, class)).await?;
        self.disk.sync_dir(segment::FOLDER).await
    }

    /// Gives a damaged file that the index does not know another name: it is no segment, and nothing of it is thrown away.
    pub(super) async fn set_aside(&self, number: SegmentNumber, class: Class) -> io::Result<()> {
        let path = segment::path(number, class);
        self.disk.rename(&path, &format!("{path}.damaged")).await?;
        self.disk.sync_dir(segment::FOLDER).await
    }

    /// A segment that is in the table although it has no file, if there is one. The table is read before the folder and
    /// after it: files are made before their segments are in the table, and go after these left it.
    pub(super) async fn find_missing(&self) -> io::Result<Option<SegmentNumber>> {
        let before: Vec<SegmentNumber> = self.state.lock().entries.keys().copied().collect();
        let names = self.disk.list(segment::FOLDER).await?;
        let files: BTreeSet<SegmentNumber> =
            names.iter().filter_map(|name| Some(segment::parse_name(name)?.0)).collect();
        let state = self.state.lock();
        let is_missing = |number: &SegmentNumber| !files.contains(number) && state.entries.contains_key(number);
        Ok(before.into_iter().find(is_missing))
    }

    /// Holds a segment; `None` if there is none of this number (any more).
    pub(super) async fn hold(&self, number: SegmentNumber) -> io::Result<Option<SegmentPin>> {
        let (class, pin) = {
            let mut state = self.state.lock();
            state.clock += 1;
            let now = state.clock;
            let Some(entry) = state.entries.get_mut(&number) else { return Ok(None) };
            entry.used = now;
            if let Some(file) = &entry.file {
                let (class, file, pin) = (entry.class, file.clone(), entry.pin.clone());
                return Ok(Some(SegmentPin { number, class, file, _pin: pin }));
            }
            (entry.class, entry.pin.clone())
        };
        let opened = self.disk.open(&segment::path(number, class), class.access()).await;
        if opened.as_ref().is_err_and(is_out_of_files) {
            self.state.lock().close_oldest(0);
        }
        let file = opened?;
        let mut state = self.state.lock();
        state.close_oldest(self.settings.open_files_max);
        if let Some(entry) = state.entries.get_mut(&number) {
            entry.file = Some(file.clone());
        }
        Ok(Some(SegmentPin { number, class, file, _pin: pin }))
    }

    /// Takes a segment out of the table if nobody holds it; from then on nobody can.
    pub(super) fn take(&self, number: SegmentNumber) -> bool {
        let mut state = self.state.lock();
        match state.entries.get(&number) {
            Some(entry) if Arc::strong_count(&entry.pin) > 1 => false,
            _ => {
                state.entries.remove(&number);
                true
            }
        }
    }

    /// Makes what is on the disk no segment any more, durably: overwrites its page and keeps the file
    /// for another use, or removes it. It must have been taken.
    pub(super) async fn discard(&self, number: SegmentNumber, class: Class, reusable: bool) -> io::Result<()> {
        let path = segment::path(number, class);
        let keep = reusable && class == Class::Small && self.state.lock().spares.len() < self.settings.spare_segments;
        if keep && let Ok(file) = self.disk.open(&path, class.access()).await {
            file.write(0, vec![zeroes(PAGE_BYTES)], true).await?;
            self.state.lock().spares.push(number);
            return Ok(());
        }
        match self.disk.remove(&path).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        when_files_are_left(|| self.disk.sync_dir(segment::FOLDER)).await
    }

    /// Makes a segment of `class`; `StorageFull` if that would eat into what `purpose` must leave.
    pub(super) async fn make(&self, class: Class, purpose: Purpose) -> io::Result<Fresh> {
        let (number, spare) = {
            let mut state = self.state.lock();
            let number = SegmentNumber(state.next_number);
            state.next_number += 1;
            (number, if class == Class::Small { state.spares.pop() } else { None })
        };
        let len = match class {
            Class::Small => self.settings.small_segment_bytes,
            Class::Large => self.settings.large_segment_bytes,
        };
        let path = segment::path(number, class);
        let fresh = u64::from_be_bytes(self.env.random_bytes());
        let generation = if mutant!(ReuseGeneration) { 1 } else { fresh };
        let page = SegmentPage { number, generation, drive: self.drive, class }.encode();
        let (file, len, prepared, reserved) = match spare {
            Some(spare) => {
                let old_path = segment::path(spare, class);
                let opened = self.disk.open(&old_path, class.access()).await;
                if opened.as_ref().is_err_and(is_out_of_files) {
                    self.state.lock().spares.push(spare);
                }
                let file = opened?;
                file.write(0, vec![page], true).await?;
                self.disk.rename(&old_path, &path).await?;
                let len = file.len().await?;
                (file, len, len, false)
            }
            None => {
                let reserved = self.check_room(len, purpose).await?;
                let file = self.disk.create(&path, len, class.access()).await?;
                file.write(0, vec![page], true).await?;
                (file, len, PAGE_BYTES, reserved)
            }
        };
        when_files_are_left(|| self.disk.sync_dir(segment::FOLDER)).await?;
        let pin = Arc::new(());
        // Readers open the file for themselves: a failed sync closes the writer's handle only, and what
        // was acknowledged before can still be read.
        let entry = SegmentEntry { class, pin: pin.clone(), file: None, used: 0 };
        self.state.lock().entries.insert(number, entry);
        Ok(Fresh { pinned: SegmentPin { number, class, file, _pin: pin }, generation, len, reserved, prepared })
    }

    /// Whether a file of `len` bytes has to be made of the reserve.
    async fn check_room(&self, len: u64, purpose: Purpose) -> io::Result<bool> {
        let free = self.disk.space().await?.free;
        let reserved = free < len.saturating_add(self.settings.reserve_bytes);
        match purpose {
            Purpose::Shards if reserved => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(reserved),
        }
    }
}

impl State {
    /// Closes the file that was not read for longest if `most` are open.
    fn close_oldest(&mut self, most: usize) {
        let open = self.entries.values().filter(|entry| entry.file.is_some());
        if open.count() >= most {
            let open = self.entries.values_mut().filter(|entry| entry.file.is_some());
            if let Some(oldest) = open.min_by_key(|entry| entry.used) {
                oldest.file = None;
            }
        }
    }
}

/// `len` zeroes, at most a mebibyte; the memory is shared.
pub(super) fn zeroes(len: u64) -> bytes::Bytes {
    static ZEROES: [u8; 1 << 20] = [0; 1 << 20];
    let len = usize::try_from(len).unwrap_or(usize::MAX).min(ZEROES.len());
    bytes::Bytes::from_static(ZEROES.get(..len).unwrap_or_default())
}
