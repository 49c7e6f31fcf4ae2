//! Errors that say that the process, or the machine, is out of open files.
//!
//! Nothing is wrong with the disk then, and a moment later there may be some again. The server keeps the descriptors of
//! drives apart from those of sockets, so that it does not come to that; if it does all the same, it costs time and no
//! drive.
//! Must not know: who used them up.

use std::io;
use std::time::Duration;

use rustix::io::Errno;

/// How long is waited between two tries.
const PAUSE: Duration = Duration::from_millis(100);

/// Whether an error says that the process, or the machine, is out of open files.
pub(crate) fn is_out_of_files(error: &io::Error) -> bool {
    let Some(number) = error.raw_os_error() else { return false };
    [Errno::MFILE, Errno::NFILE].iter().any(|errno| errno.raw_os_error() == number)
}

/// Does what may need a descriptor, again and again while there is none. For what must not fail by that.
pub(crate) async fn when_files_are_left<T, F: Future<Output = io::Result<T>>>(
    mut work: impl FnMut() -> F,
) -> io::Result<T> {
    let mut is_told = false;
    loop {
        match work().await {
            Err(error) if is_out_of_files(&error) => {
                if !std::mem::replace(&mut is_told, true) {
                    tracing::error!(%error, "the process is out of open files: a drive waits");
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
    fn only_the_want_of_descriptors_is_waited_out() {
        for (errno, expected) in [(Errno::MFILE, true), (Errno::NFILE, true), (Errno::IO, false), (Errno::NOSPC, false)]
        {
            assert_eq!(is_out_of_files(&errno.into()), expected, "{errno}");
        }
        assert!(!is_out_of_files(&io::Error::other("EMFILE")));
    }
}
