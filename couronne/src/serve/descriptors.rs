//! The open files of the process: raised at the start to what the system allows, and shared out.
//!
//! What the drives may need is set apart, and so is a part for all else; what is left bounds the connections of clients
//! and peers, with those that have given their places up and are about to end. So no number of sockets can leave a drive
//! without a file.
//! Must not know: what listeners and drives do with them.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What a drive opens at most: its cached segments and those that are read or written beyond them, its store's files,
/// those of its log, and its folder.
const OF_DRIVE: u64 = 256 + 128 + 320 + 64;
/// For all else: the admin listener, connections to other nodes, logs, the runtime.
const OF_ALL_ELSE: u64 = 256;
/// Beside so many connections there may be one more that has given its place up (`couronne_base::fair`).
const CONNECTIONS_OF_ONE_ENDING: u64 = 4;
/// Connections that there are at least.
const CONNECTIONS_MIN: u64 = 64;

/// How many files the process may open.
#[derive(Clone, Copy, Debug)]
pub(super) struct Descriptors {
    limit: u64,
}

impl Descriptors {
    /// Raises the limit to what the system allows this process.
    pub(super) fn raise() -> Self {
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
        if let Err(error) = &raised {
            tracing::warn!(%error, ?current, ?maximum, "the limit of open files cannot be raised");
        }
        let limit = if raised.is_ok() { maximum } else { current };
        Self { limit: limit.unwrap_or(u64::MAX) }
    }

    /// How many connections a listener of a process with so many drives may have, at most as many as are wanted.
    pub(super) fn connections(self, drives: usize, wanted: usize) -> usize {
        let set_apart = OF_DRIVE.saturating_mul(drives as u64).saturating_add(OF_ALL_ELSE);
        let left = self.limit.saturating_sub(set_apart);
        let left = (left - left / (CONNECTIONS_OF_ONE_ENDING + 1)).max(CONNECTIONS_MIN);
        let connections = usize::try_from(left).map_or(wanted, |left| left.min(wanted));
        if connections < wanted {
            let limit = self.limit;
            tracing::warn!(limit, set_apart, connections, wanted, "the limit of open files leaves fewer connections");
        }
        connections
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_drives_need_is_set_apart() {
        let of = |limit, drives| Descriptors { limit }.connections(drives, 10_000);
        assert_eq!(of(u64::MAX, 100), 10_000);
        assert_eq!(of(20_000, 8), 10_000);
        let connections = of(4096, 4);
        assert_eq!(connections, 615);
        assert!(connections + connections / 4 <= 4096 - 4 * 768 - 256, "with those that are about to end");
        assert_eq!(of(1024, 1), 64, "a few there always are");
    }

    #[test]
    fn the_limit_is_raised() {
        let Descriptors { limit } = Descriptors::raise();
        assert_eq!(getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX), limit);
    }
}
