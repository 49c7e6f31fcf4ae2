//! A folder whose disk hangs when a test says so: a file system (FUSE) that passes every call on to another folder, and
//! while it hangs answers none, those under way included. No call fails.
//!
//! Must not know: what is kept in the folder.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, SystemTime};

use fuser::{
    BackgroundSession, BsdFileFlags, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation,
    INodeNo, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty,
    ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};
use rustix::fs::FallocateFlags;

/// The kernel is to remember nothing: what it knows by itself would not hang.
const REMEMBERED_FOR: Duration = Duration::ZERO;

/// A folder whose disk can hang. It comes back, and is no more, when this is dropped.
pub struct HangingFolder {
    gate: Arc<Gate>,
    session: Option<BackgroundSession>,
}

impl HangingFolder {
    /// Makes `folder` show what is in `behind`; both are made if they are not there.
    pub fn mount(folder: &Path, behind: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        std::fs::create_dir_all(behind)?;
        let gate = Arc::<Gate>::default();
        let passing = PassThrough {
            gate: Arc::clone(&gate),
            paths: Mutex::new(BTreeMap::from([(INodeNo::ROOT.0, behind.to_owned())])),
            files: Mutex::default(),
            next: AtomicU64::new(1),
        };
        let session = fuser::spawn_mount(passing, folder, &Config::default())?;
        Ok(Self { gate, session: Some(session) })
    }

    /// Has every call hang, or come back.
    pub fn set_hang(&self, hangs: bool) {
        self.gate.set(hangs);
    }
}

impl Drop for HangingFolder {
    fn drop(&mut self) {
        self.gate.set(false);
        if let Some(session) = self.session.take()
            && let Err(error) = session.umount_and_join()
        {
            eprintln!("the folder stays mounted: {error}");
        }
    }
}

/// What calls wait for.
#[derive(Default)]
struct Gate {
    hangs: Mutex<bool>,
    changed: Condvar,
}

impl Gate {
    fn set(&self, hangs: bool) {
        *self.hangs.lock().unwrap() = hangs;
        self.changed.notify_all();
    }

    fn pass(&self) {
        drop(self.changed.wait_while(self.hangs.lock().unwrap(), |hangs| *hangs).unwrap());
    }
}

/// The file system. It has one thread: while one call hangs, all do.
struct PassThrough {
    gate: Arc<Gate>,
    /// Where the file or folder of each number is.
    paths: Mutex<BTreeMap<u64, PathBuf>>,
    files: Mutex<BTreeMap<u64, Arc<File>>>,
    next: AtomicU64,
}

impl PassThrough {
    fn path(&self, inode: INodeNo) -> Result<PathBuf, Errno> {
        self.gate.pass();
        self.paths.lock().unwrap().get(&inode.0).cloned().ok_or(Errno::ENOENT)
    }

    fn file(&self, handle: FileHandle) -> Result<Arc<File>, Errno> {
        self.gate.pass();
        self.files.lock().unwrap().get(&handle.0).cloned().ok_or(Errno::EBADF)
    }

    fn keep(&self, file: File) -> FileHandle {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.files.lock().unwrap().insert(number, Arc::new(file));
        FileHandle(number)
    }

    fn enter(&self, path: PathBuf) -> Result<FileAttr, Errno> {
        let attributes = attributes(&std::fs::symlink_metadata(&path)?);
        self.paths.lock().unwrap().insert(attributes.ino.0, path);
        Ok(attributes)
    }

    fn attributes_of(&self, inode: INodeNo, handle: Option<FileHandle>) -> Result<FileAttr, Errno> {
        let path = self.path(inode)?;
        if let Some(handle) = handle {
            return Ok(attributes(&self.file(handle)?.metadata()?));
        }
        match std::fs::symlink_metadata(path) {
            Ok(found) => Ok(FileAttr { ino: inode, ..attributes(&found) }),
            // It was removed, and is open still.
            Err(error) => {
                let files = self.files.lock().unwrap();
                let open = files.values().filter_map(|file| file.metadata().ok()).map(|found| attributes(&found));
                open.into_iter().find(|found| found.ino == inode).ok_or(error.into())
            }
        }
    }

    fn rename_paths(&self, from: &Path, to: &Path) {
        for path in self.paths.lock().unwrap().values_mut() {
            if let Ok(rest) = path.strip_prefix(from) {
                *path = if rest.as_os_str().is_empty() { to.to_owned() } else { to.join(rest) };
            }
        }
    }
}

fn attributes(found: &Metadata) -> FileAttr {
    let time = |time: io::Result<SystemTime>| time.unwrap_or(SystemTime::UNIX_EPOCH);
    FileAttr {
        // The root has the first number.
        ino: INodeNo(found.ino() + 1),
        size: found.len(),
        blocks: found.blocks(),
        atime: time(found.accessed()),
        mtime: time(found.modified()),
        ctime: time(found.modified()),
        crtime: SystemTime::UNIX_EPOCH,
        kind: FileType::from_std(found.file_type()).unwrap_or(FileType::RegularFile),
        perm: u16::try_from(found.permissions().mode() & 0o7777).unwrap(),
        nlink: u32::try_from(found.nlink()).unwrap(),
        uid: found.uid(),
        gid: found.gid(),
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}

/// Answers with a value, or with the error.
macro_rules! answer {
    ($reply:ident, $result:expr, |$value:pat_param| $ok:expr) => {{
        let attempt = || -> Result<_, Errno> { $result };
        match attempt() {
            Ok($value) => $ok,
            Err(error) => $reply.error(error),
        }
    }};
}

impl Filesystem for PassThrough {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        answer!(reply, self.enter(self.path(parent)?.join(name)), |found| reply.entry(
            &REMEMBERED_FOR,
            &found,
            Generation(0)
        ));
    }

    fn getattr(&self, _: &Request, inode: INodeNo, handle: Option<FileHandle>, reply: ReplyAttr) {
        answer!(reply, self.attributes_of(inode, handle), |found| reply.attr(&REMEMBERED_FOR, &found));
    }

    fn setattr(
        &self,
        _: &Request,
        inode: INodeNo,
        mode: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        handle: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let set = || {
            let path = self.path(inode)?;
            if let Some(size) = size {
                match handle {
                    Some(handle) => self.file(handle)?.set_len(size)?,
                    None => OpenOptions::new().write(true).open(&path)?.set_len(size)?,
                }
            }
            if let Some(mode) = mode {
                std::fs::set_permissions(&path, PermissionsExt::from_mode(mode))?;
            }
            self.attributes_of(inode, handle)
        };
        answer!(reply, set(), |found| reply.attr(&REMEMBERED_FOR, &found));
    }

    fn mkdir(&self, _: &Request, parent: INodeNo, name: &OsStr, mode: u32, _: u32, reply: ReplyEntry) {
        let make = || {
            let path = self.path(parent)?.join(name);
            std::fs::DirBuilder::new().mode(mode).create(&path)?;
            self.enter(path)
        };
        answer!(reply, make(), |made| reply.entry(&REMEMBERED_FOR, &made, Generation(0)));
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer!(reply, Ok(std::fs::remove_file(self.path(parent)?.join(name))?), |()| reply.ok());
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer!(reply, Ok(std::fs::remove_dir(self.path(parent)?.join(name))?), |()| reply.ok());
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        to_parent: INodeNo,
        to_name: &OsStr,
        _: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let rename = || {
            let (from, to) = (self.path(parent)?.join(name), self.path(to_parent)?.join(to_name));
            std::fs::rename(&from, &to)?;
            self.rename_paths(&from, &to);
            Ok(())
        };
        answer!(reply, rename(), |()| reply.ok());
    }

    fn open(&self, _: &Request, inode: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        let open = || Ok(self.keep(OpenOptions::new().read(true).write(true).open(self.path(inode)?)?));
        answer!(reply, open(), |handle| reply.opened(handle, FopenFlags::empty()));
    }

    fn create(&self, _: &Request, parent: INodeNo, name: &OsStr, mode: u32, _: u32, flags: i32, reply: ReplyCreate) {
        let create = || {
            let path = self.path(parent)?.join(name);
            let flags = rustix::fs::OFlags::from_bits_truncate(u32::try_from(flags).unwrap_or(0));
            let mut options = OpenOptions::new();
            options.read(true).write(true).mode(mode).truncate(flags.contains(rustix::fs::OFlags::TRUNC));
            let is_new = flags.contains(rustix::fs::OFlags::EXCL);
            let file = if is_new { options.create_new(true) } else { options.create(true) }.open(&path)?;
            Ok((self.keep(file), self.enter(path)?))
        };
        answer!(reply, create(), |(handle, made)| {
            reply.created(&REMEMBERED_FOR, &made, Generation(0), handle, FopenFlags::empty());
        });
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let read = || {
            let (file, mut bytes, mut len) = (self.file(handle)?, vec![0; size as usize], 0);
            while len < bytes.len() {
                match file.read_at(&mut bytes[len..], offset + len as u64)? {
                    0 => break,
                    more => len += more,
                }
            }
            bytes.truncate(len);
            Ok(bytes)
        };
        answer!(reply, read(), |bytes| reply.data(&bytes));
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let written = u32::try_from(data.len()).unwrap();
        answer!(reply, Ok(self.file(handle)?.write_all_at(data, offset)?), |()| reply.written(written));
    }

    fn flush(&self, _: &Request, _: INodeNo, handle: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        answer!(reply, self.file(handle), |_| reply.ok());
    }

    fn release(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.gate.pass();
        self.files.lock().unwrap().remove(&handle.0);
        reply.ok();
    }

    fn fsync(&self, _: &Request, _: INodeNo, handle: FileHandle, _: bool, reply: ReplyEmpty) {
        answer!(reply, Ok(self.file(handle)?.sync_data()?), |()| reply.ok());
    }

    fn readdir(&self, _: &Request, inode: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let list = || {
            let mut entries: Vec<_> = std::fs::read_dir(self.path(inode)?)?.collect::<io::Result<_>>()?;
            entries.sort_by_key(std::fs::DirEntry::file_name);
            Ok(entries)
        };
        answer!(reply, list(), |entries| {
            for (place, entry) in (1u64..).zip(entries).filter(|(place, _)| *place > offset) {
                let found = entry.metadata().map(|found| attributes(&found));
                let is_full = found.is_ok_and(|found| reply.add(found.ino, place, found.kind, entry.file_name()));
                if is_full {
                    break;
                }
            }
            reply.ok();
        });
    }

    fn fsyncdir(&self, _: &Request, inode: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        answer!(reply, Ok(File::open(self.path(inode)?)?.sync_all()?), |()| reply.ok());
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let space = || Ok(rustix::fs::statvfs(self.path(INodeNo::ROOT)?).map_err(io::Error::from)?);
        answer!(reply, space(), |s| {
            let size = u32::try_from(s.f_frsize).unwrap();
            reply.statfs(s.f_blocks, s.f_bfree, s.f_bavail, s.f_files, s.f_ffree, size, 255, size);
        });
    }

    fn fallocate(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        let allocate = || {
            let flags = FallocateFlags::from_bits_truncate(u32::try_from(mode).unwrap_or(0));
            Ok(rustix::fs::fallocate(&*self.file(handle)?, flags, offset, length).map_err(io::Error::from)?)
        };
        answer!(reply, allocate(), |()| reply.ok());
    }
}
