//! Errors that say that the process or the machine is out of open files, or the disk out of space.
//!
//! Nothing is wrong with the disk then, and a moment later there may be some again. The server keeps the descriptors of
//! drives apart from those of sockets, and a drive keeps space in reserve, so that it does not come to that; if it does all
//! the same, it costs time and no drive.
//! Must not know: who used them up.

use std::io;
use std::time::Duration;

use rustix::io::Errno;

/// How long is waited between two tries.
pub(crate) const PAUSE: Duration = Duration::from_millis(100);

/// Whether an error says that the process, or the machine, is out of open files.
pub(crate) fn is_out_of_files(error: &io::Error) -> bool {
    let Some(number) = error.raw_os_error() else { return false };
    [Errno::MFILE, Errno::NFILE].iter().any(|errno| errno.raw_os_error() == number)
}

/// Whether an error says that no space is left.
pub(crate) fn is_out_of_space(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::StorageFull
}

/// Does what may need a descriptor, again and again while there is none. For what must not fail by that.
pub(crate) async fn when_files_are_left<T, F: Future<Output = io::Result<T>>>(
    work: impl FnMut() -> F,
) -> io::Result<T> {
    wait_out(is_out_of_files, work).await
}

/// Does what needs space, again and again while there is none and it is wanted. What fails must leave nothing behind.
pub(crate) async fn when_there_is_room<T, F: Future<Output = io::Result<T>>>(
    is_wanted: impl Fn() -> bool,
    work: impl FnMut() -> F,
) -> io::Result<T> {
    wait_out(|error| is_out_of_space(error) && is_wanted(), work).await
}

async fn wait_out<T, F: Future<Output = io::Result<T>>>(
    is_waited_out: impl Fn(&io::Error) -> bool,
    mut work: impl FnMut() -> F,
) -> io::Result<T> {
    let mut is_told = false;
    loop {
        match work().await {
            Err(error) if is_waited_out(&error) => {
                if !std::mem::replace(&mut is_told, true) {
                    tracing::error!(%error, "a drive waits for open files, or for space");
                }
                tokio::time::sleep(PAUSE).await;
            }
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_want_of_descriptors_or_of_space_is_waited_out() {
        for (errno, files, space) in [
            (Errno::MFILE, true, false),
            (Errno::NFILE, true, false),
            (Errno::NOSPC, false, true),
            (Errno::IO, false, false),
        ] {
            assert_eq!(is_out_of_files(&errno.into()), files, "{errno}");
            assert_eq!(is_out_of_space(&errno.into()), space, "{errno}");
        }
        assert!(!is_out_of_files(&io::Error::other("EMFILE")));
        assert!(!is_out_of_space(&io::Error::other("ENOSPC")));
    }
}
