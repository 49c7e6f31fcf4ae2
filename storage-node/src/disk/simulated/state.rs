//! The names and files of a simulated disk, and the faults that are due.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use bytes::Bytes;
use couronne_base::testing::Rng;
use rustix::io::Errno;

use super::Fault;
use super::image::Image;

pub(super) type InodeId = u64;

/// A change of names that takes effect whole or, if it is lost in a crash, not at all.
type NameChange = Vec<(String, Option<InodeId>)>;

#[derive(Clone, Debug)]
pub(super) struct DiskState {
    pub(super) rng: Rng,
    pub(super) capacity: u64,
    pub(super) syncs: u64,
    pub(super) file_system: u64,
    incarnation: u64,
    inodes: BTreeMap<InodeId, Image>,
    next_inode: InodeId,
    names: BTreeMap<String, InodeId>,
    durable_names: BTreeMap<String, InodeId>,
    pending_names: Vec<NameChange>,
    folders: BTreeSet<String>,
    faults: Vec<(Fault, u32)>,
}

impl DiskState {
    pub(super) fn new(seed: u64, capacity: u64) -> Self {
        Self {
            rng: Rng::new(seed),
            capacity,
            syncs: 0,
            file_system: 0,
            incarnation: 0,
            inodes: BTreeMap::new(),
            next_inode: 0,
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            pending_names: Vec::new(),
            folders: BTreeSet::new(),
            faults: Vec::new(),
        }
    }

    pub(super) fn check(&self, incarnation: u64) -> io::Result<()> {
        if incarnation == self.incarnation { Ok(()) } else { Err(io::Error::other("the machine lost power")) }
    }

    pub(super) fn inject(&mut self, fault: Fault, after: u32) {
        self.faults.push((fault, after));
    }

    /// Whether one of these faults is due for the operation at hand.
    fn due(&mut self, kinds: &[Fault]) -> Option<Fault> {
        let mut due = None;
        for (place, (fault, after)) in self.faults.iter_mut().enumerate() {
            if kinds.contains(fault) {
                match after.checked_sub(1) {
                    Some(less) => *after = less,
                    None => due = due.or(Some(place)),
                }
            }
        }
        due.map(|place| self.faults.swap_remove(place).0)
    }

    pub(super) fn used(&self) -> u64 {
        self.inodes.values().map(|image| image.len() as u64).sum()
    }

    fn check_room(&self, more: u64) -> io::Result<()> {
        if self.used().saturating_add(more) > self.capacity { Err(Errno::NOSPC.into()) } else { Ok(()) }
    }

    /// A file or folder is about to be opened.
    pub(super) fn check_files(&mut self) -> io::Result<()> {
        if self.due(&[Fault::OutOfFiles]).is_some() { Err(Errno::MFILE.into()) } else { Ok(()) }
    }

    pub(super) fn create(&mut self, path: &str, len: u64) -> io::Result<InodeId> {
        self.check_files()?;
        let folder = folder_of(path);
        if !folder.is_empty() && !self.folders.contains(folder) {
            return Err(io::ErrorKind::NotFound.into());
        }
        if self.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.check_room(len)?;
        let inode = self.next_inode;
        self.next_inode += 1;
        self.inodes.insert(inode, Image::zeroes(usize::try_from(len).map_err(io::Error::other)?));
        self.rename_all(vec![(path.to_owned(), Some(inode))]);
        Ok(inode)
    }

    pub(super) fn find(&self, path: &str) -> io::Result<InodeId> {
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn list(&self, folder: &str) -> Vec<String> {
        let paths = self.names.keys().chain(&self.folders);
        let mut names: Vec<String> = paths
            .filter(|path| folder_of(path) == folder)
            .filter_map(|path| path.rsplit('/').next().map(str::to_owned))
            .collect();
        names.sort_unstable();
        names
    }

    pub(super) fn create_folder(&mut self, folder: &str) -> io::Result<()> {
        let mut path = folder;
        while !path.is_empty() {
            self.folders.insert(path.to_owned());
            path = folder_of(path);
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &str) -> io::Result<()> {
        self.find(path)?;
        self.rename_all(vec![(path.to_owned(), None)]);
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let inode = self.find(from)?;
        self.rename_all(vec![(from.to_owned(), None), (to.to_owned(), Some(inode))]);
        Ok(())
    }

    fn rename_all(&mut self, change: NameChange) {
        set_names(&mut self.names, &change);
        self.pending_names.push(change);
        self.drop_unnamed();
    }

    pub(super) fn sync_dir(&mut self, folder: &str) -> io::Result<()> {
        self.check_files()?;
        let (synced, pending) = std::mem::take(&mut self.pending_names)
            .into_iter()
            .partition(|change| change.iter().any(|(path, _)| folder_of(path) == folder));
        self.pending_names = pending;
        let synced: Vec<NameChange> = synced;
        synced.iter().for_each(|change| set_names(&mut self.durable_names, change));
        self.drop_unnamed();
        Ok(())
    }

    /// Frees the files that no name, now or after a crash, can reach. Open handles of a removed file
    /// find it gone, which is harsher than a real disk.
    fn drop_unnamed(&mut self) {
        let pending = self.pending_names.iter().flatten().filter_map(|(_, inode)| *inode);
        let reachable: BTreeSet<InodeId> =
            self.names.values().chain(self.durable_names.values()).copied().chain(pending).collect();
        self.inodes.retain(|inode, _| reachable.contains(inode));
    }

    fn image(&mut self, inode: InodeId) -> io::Result<&mut Image> {
        self.inodes.get_mut(&inode).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn len(&mut self, inode: InodeId) -> io::Result<u64> {
        Ok(self.image(inode)?.len() as u64)
    }

    pub(super) fn write(&mut self, inode: InodeId, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut at = usize::try_from(offset).map_err(io::Error::other)?;
        let len = self.image(inode)?.len();
        let end = at.checked_add(bytes.len()).ok_or(io::ErrorKind::InvalidInput)?;
        self.check_room(end.saturating_sub(len) as u64)?;
        let mut bytes = bytes;
        let fault = self.due(&[Fault::FailWrite, Fault::NoSpace, Fault::MisdirectWrite]);
        match fault {
            Some(Fault::MisdirectWrite) => {
                let places = len.saturating_sub(bytes.len()) / super::DIRECT_ALIGN;
                let place = self.rng.below(places as u64 + 1);
                at = usize::try_from(place).map_err(io::Error::other)? * super::DIRECT_ALIGN;
            }
            Some(_) => {
                let part = self.rng.below(bytes.len() as u64 + 1);
                bytes = bytes.get(..usize::try_from(part).unwrap_or(0)).unwrap_or_default();
            }
            None => {}
        }
        self.image(inode)?.write(at, bytes);
        match fault {
            Some(Fault::FailWrite) => Err(Errno::IO.into()),
            Some(Fault::NoSpace) => Err(Errno::NOSPC.into()),
            _ => Ok(()),
        }
    }

    pub(super) fn read(&mut self, inode: InodeId, offset: u64, len: usize) -> io::Result<Bytes> {
        let mut at = usize::try_from(offset).map_err(io::Error::other)?;
        let size = self.image(inode)?.len();
        match self.due(&[Fault::FailRead, Fault::MisdirectRead]) {
            Some(Fault::MisdirectRead) => {
                let places = size.saturating_sub(len) / super::DIRECT_ALIGN;
                let place = self.rng.below(places as u64 + 1);
                at = usize::try_from(place).map_err(io::Error::other)? * super::DIRECT_ALIGN;
            }
            Some(_) => return Err(Errno::IO.into()),
            None => {}
        }
        self.image(inode)?.read(at, len).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    pub(super) fn sync(&mut self, inode: InodeId) -> io::Result<()> {
        self.image(inode)?;
        let fault = self.due(&[Fault::FailSync, Fault::LoseSync]);
        let Self { inodes, rng, syncs, .. } = self;
        let image = inodes.get_mut(&inode).ok_or(io::ErrorKind::NotFound)?;
        match fault {
            Some(Fault::FailSync) => {
                image.sync_some(rng);
                return Err(Errno::IO.into());
            }
            Some(_) => {}
            None => image.sync(),
        }
        *syncs += 1;
        Ok(())
    }

    pub(super) fn flip_bit(&mut self, path: &str, offset: u64, bit: u8) -> io::Result<()> {
        let inode = self.find(path)?;
        let at = usize::try_from(offset).map_err(io::Error::other)?;
        self.inodes.get_mut(&inode).ok_or(io::ErrorKind::NotFound)?.flip(at, bit);
        Ok(())
    }

    pub(super) fn crash(&mut self) -> u64 {
        self.incarnation += 1;
        self.faults.clear();
        for change in std::mem::take(&mut self.pending_names) {
            if self.rng.one_in(2) {
                set_names(&mut self.durable_names, &change);
            }
        }
        self.names = self.durable_names.clone();
        self.drop_unnamed();
        for image in self.inodes.values_mut() {
            image.crash(&mut self.rng);
        }
        self.incarnation
    }
}

fn set_names(names: &mut BTreeMap<String, InodeId>, change: &NameChange) {
    for (path, inode) in change {
        match inode {
            Some(inode) => names.insert(path.clone(), *inode),
            None => names.remove(path),
        };
    }
}

/// What stands before the last `/`; empty for names at the top.
fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}
