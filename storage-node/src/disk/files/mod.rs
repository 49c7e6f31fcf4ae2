//! The real disk: files under one folder of one file system.
//!
//! Promises: no system call that may block runs on an async thread; those of one disk take a bounded number of threads,
//! however long they hang; the folder is locked against a
//! second process for as long as this disk or a file of it is in use.
//! Must not know: what the files mean.

mod file;

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use rustix::fs::{AtFlags, CWD, Dir, FallocateFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use tokio::sync::Semaphore;

use self::file::{Handle, OpenFile};
use super::{Access, Disk, DiskFile, Space};

const FILE_MODE: Mode = Mode::from_raw_mode(0o600);
const FOLDER_MODE: Mode = Mode::from_raw_mode(0o700);

/// Files under one folder. Paths are resolved from the folder's descriptor, so the folder may be
/// renamed while it is in use.
#[derive(Clone, Debug)]
pub struct FileDisk {
    root: Arc<Root>,
}

/// What a disk and its files share.
#[derive(Debug)]
struct Root {
    folder: OwnedFd,
    /// Reads under way. A drive that is stuck must not take the blocking threads of all others.
    reads: Arc<Semaphore>,
    /// Other calls under way but writes, of which the drive's few writers have one each.
    others: Arc<Semaphore>,
    /// Declared, and so dropped, after the folder: when it is gone, the lock is too.
    in_use: Arc<()>,
}

/// The most reads under way on one disk; more wait.
const READS_AT_ONCE: usize = 64;

/// The most other calls under way on one disk, writes apart; more wait.
const OTHERS_AT_ONCE: usize = 16;

impl FileDisk {
    /// Opens the drive's folder, making it if absent, and locks it. `WouldBlock` if another process
    /// (or another disk of this one) has it.
    pub async fn open(folder: impl AsRef<Path>) -> io::Result<Self> {
        let path = folder.as_ref().to_owned();
        blocking(move || {
            make_folders(&path)?;
            let folder = rustix::fs::open(&path, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
            rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive)?;
            let [reads, others] = [READS_AT_ONCE, OTHERS_AT_ONCE].map(|most| Arc::new(Semaphore::new(most)));
            Ok(Self { root: Arc::new(Root { folder, reads, others, in_use: Arc::default() }) })
        })
        .await
    }

    /// Runs `work` with the folder's descriptor on a thread that may block.
    async fn on<T: Send + 'static>(
        &self,
        work: impl FnOnce(&OwnedFd) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        self.with_root(move |root| work(&root.folder)).await
    }

    /// Runs `work` with what the disk shares on a thread that may block.
    async fn with_root<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Arc<Root>) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let root = self.root.clone();
        let permit = Arc::clone(&root.others).acquire_owned().await.map_err(io::Error::other)?;
        blocking(move || {
            // Given back when the call comes back, not when nobody waits for it any more.
            let _permit = permit;
            work(&root)
        })
        .await
    }
}

/// Runs `work` where blocking is fine. The runtime's pool bounds the threads; callers bound what
/// they have under way.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// A path as ours all are: relative, without `.` or `..`.
fn checked(path: &str) -> io::Result<String> {
    let sound = path.split('/').all(|part| !matches!(part, "" | "." | "..") && !part.contains('\0'));
    if sound { Ok(path.to_owned()) } else { Err(io::Error::new(io::ErrorKind::InvalidInput, "path of another shape")) }
}

/// The folder itself, or one below it.
fn checked_folder(path: &str) -> io::Result<String> {
    if path.is_empty() { Ok(".".to_owned()) } else { checked(path) }
}

/// Makes `path` and what is above it, each name durable.
fn make_folders(path: &Path) -> io::Result<()> {
    match rustix::fs::mkdirat(CWD, path, FOLDER_MODE) {
        Ok(()) => {}
        Err(Errno::EXIST) => return Ok(()),
        Err(Errno::NOENT) => {
            make_folders(parent(path))?;
            match rustix::fs::mkdirat(CWD, path, FOLDER_MODE) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(error) => return Err(error.into()),
    }
    sync_folder(CWD, parent(path))
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn sync_folder(root: impl std::os::fd::AsFd, path: &Path) -> io::Result<()> {
    let folder = rustix::fs::openat(root, path, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    Ok(rustix::fs::fsync(folder)?)
}

/// Opens a file; on a file system without O_DIRECT, through the page cache.
fn open_file(root: &Arc<Root>, path: &str, access: Access, extra: OFlags) -> io::Result<OpenFile> {
    let folder = &root.folder;
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW | extra;
    if access == Access::Direct {
        match rustix::fs::openat(folder, path, flags | OFlags::DIRECT, FILE_MODE) {
            Ok(file) => return Ok(OpenFile::new(file, Access::Direct, root.clone())),
            // An exclusive create that was refused O_DIRECT may have left the file behind.
            Err(Errno::INVAL) if extra.contains(OFlags::EXCL) => {
                let _ = rustix::fs::unlinkat(folder, path, AtFlags::empty());
            }
            Err(Errno::INVAL) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let file = rustix::fs::openat(folder, path, flags, FILE_MODE)?;
    Ok(OpenFile::new(file, Access::Buffered, root.clone()))
}

fn create_file(root: &Arc<Root>, path: &str, len: u64, access: Access) -> io::Result<OpenFile> {
    let file = open_file(root, path, access, OFlags::CREATE | OFlags::EXCL)?;
    let allocated = match len {
        0 => Ok(()),
        // A file system that cannot allocate ahead finds out about a full disk at the write.
        _ => match rustix::fs::fallocate(&file.fd, FallocateFlags::empty(), 0, len) {
            Err(Errno::OPNOTSUPP) => rustix::fs::ftruncate(&file.fd, len),
            other => other,
        },
    };
    if let Err(error) = allocated {
        let _ = rustix::fs::unlinkat(&root.folder, path, AtFlags::empty());
        return Err(error.into());
    }
    Ok(file)
}

fn list_folder(folder: &OwnedFd, path: &str) -> io::Result<Vec<String>> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    let opened = match rustix::fs::openat(folder, path, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(Vec::new()),
        other => other?,
    };
    let mut names = Vec::new();
    for entry in Dir::new(opened)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != "." && name != ".." {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

#[async_trait]
impl Disk for FileDisk {
    async fn create(&self, path: &str, len: u64, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let path = checked(path)?;
        let file = self.with_root(move |root| create_file(root, &path, len, access)).await?;
        Ok(Arc::new(Handle(Arc::new(file))))
    }

    async fn open(&self, path: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let path = checked(path)?;
        let file = self.with_root(move |root| open_file(root, &path, access, OFlags::empty())).await?;
        Ok(Arc::new(Handle(Arc::new(file))))
    }

    async fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let path = checked_folder(folder)?;
        self.on(move |folder| list_folder(folder, &path)).await
    }

    async fn create_folder(&self, folder: &str) -> io::Result<()> {
        let path = checked(folder)?;
        self.on(move |folder| {
            let cuts = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
            let mut above = ".";
            for part in cuts.filter_map(|at| path.get(..at)) {
                match rustix::fs::mkdirat(folder, part, FOLDER_MODE) {
                    Ok(()) | Err(Errno::EXIST) => sync_folder(folder, Path::new(above))?,
                    Err(error) => return Err(error.into()),
                }
                above = part;
            }
            Ok(())
        })
        .await
    }

    async fn remove(&self, path: &str) -> io::Result<()> {
        let path = checked(path)?;
        self.on(move |folder| Ok(rustix::fs::unlinkat(folder, &path, AtFlags::empty())?)).await
    }

    async fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (checked(from)?, checked(to)?);
        self.on(move |folder| Ok(rustix::fs::renameat(folder, &from, folder, &to)?)).await
    }

    async fn sync_dir(&self, folder: &str) -> io::Result<()> {
        let path = checked_folder(folder)?;
        self.on(move |folder| sync_folder(folder, Path::new(&path))).await
    }

    async fn space(&self) -> io::Result<Space> {
        self.on(|folder| {
            let space = rustix::fs::fstatvfs(folder)?;
            let bytes = |blocks: u64| blocks.saturating_mul(space.f_frsize);
            Ok(Space { total: bytes(space.f_blocks), free: bytes(space.f_bavail) })
        })
        .await
    }

    async fn file_system(&self) -> io::Result<u64> {
        self.on(|folder| Ok(rustix::fs::fstatvfs(folder)?.f_fsid)).await
    }

    fn in_use(&self) -> Weak<()> {
        Arc::downgrade(&self.root.in_use)
    }
}
