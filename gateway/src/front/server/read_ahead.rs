//! How much of a connection is read at once: much while there is memory for that, else little.
//!
//! hyper reads into buffers of its own, beside all pools: of a request one waits for its share, one is on its way to it,
//! and one was read after these. They grow as reads fill them, and shrink when reads are small. So the size of reads
//! bounds them, and large reads have a pool.
//!
//! Promises: all connections together have buffers of what the pool has, and [`SMALL_READ_BYTES`] three times each; of what
//! large reads take, a peer has at most as much as it leaves to others.
//! Must not know: what is read.

use std::time::Duration;

use couronne_base::fair::{Claim, Cut, Holder, Patience, Pool};

use crate::front::limits::under_way::lone;

/// One read of a large body, at most: below the 128 KiB of the buffer for it, which hyper doubles when it is filled. Bytes.
pub(super) const LARGE_READ_BYTES: usize = (128 << 10) - 1;
/// One read where there is no memory for large ones: below the 8 KiB of hyper's smallest buffer. Bytes.
pub(super) const SMALL_READ_BYTES: usize = (8 << 10) - 1;
/// How many buffers a connection has at once.
const BUFFERS: usize = 3;
/// After so many small reads in a row hyper's buffers are small: two reads halve them.
const SMALL_READS: u32 = 16;
/// What a client may send of a connection, and of one stream, over HTTP/2 before it is read. Bytes.
const H2_WINDOWS_LARGE: H2Windows = H2Windows { connection: 512 << 10, stream: 256 << 10 };
/// The same where there is no memory for more: no less can be said of a connection.
const H2_WINDOWS_SMALL: H2Windows = H2Windows { connection: 65_535, stream: 32 << 10 };

/// The memory of large reads. Clones are the same.
#[derive(Clone)]
pub(super) struct ReadAhead(Pool);

/// How much a client may send over HTTP/2 before it is read. Bytes.
#[derive(Clone, Copy)]
pub(super) struct H2Windows {
    pub(super) connection: u32,
    pub(super) stream: u32,
}

/// The reads of one connection.
pub(super) struct Reads {
    ahead: ReadAhead,
    peer: Holder,
    /// The memory of large reads, while it makes them.
    large: Option<Claim>,
    small_in_a_row: u32,
}

impl ReadAhead {
    /// Large reads of all connections may take so many bytes.
    pub(super) fn new(bytes_max: u64) -> Self {
        let at_once = Patience { cut_after: Duration::ZERO, cuts_own: false, give_up_after: Duration::ZERO };
        Self(Pool::new(bytes_max, at_once))
    }

    /// The reads of a connection of this peer.
    pub(super) fn reads(&self, peer: &Holder) -> Reads {
        Reads { ahead: self.clone(), peer: lone(peer), large: None, small_in_a_row: 0 }
    }

    /// The windows of a connection over HTTP/2, and the memory that they take as long as the connection lives.
    pub(super) fn windows(&self, peer: &Holder) -> (H2Windows, Option<Claim>) {
        let claim = self.0.claim_spare(&lone(peer), H2_WINDOWS_LARGE.connection.into(), &Cut::default());
        (if claim.is_some() { H2_WINDOWS_LARGE } else { H2_WINDOWS_SMALL }, claim)
    }
}

impl Reads {
    /// How many bytes are read at once.
    pub(super) const fn bytes_max(&self) -> usize {
        if self.large.is_some() { LARGE_READ_BYTES } else { SMALL_READ_BYTES }
    }

    /// So many bytes were read.
    pub(super) fn read(&mut self, bytes: usize) {
        if bytes < SMALL_READ_BYTES {
            self.small_in_a_row = self.small_in_a_row.saturating_add(1);
            if self.small_in_a_row >= SMALL_READS {
                self.large = None;
            }
            return;
        }
        self.small_in_a_row = 0;
        if self.large.is_none() {
            let need = (BUFFERS * LARGE_READ_BYTES) as u64;
            self.large = self.ahead.0.claim_spare(&self.peer, need, &Cut::default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEED: u64 = (BUFFERS * LARGE_READ_BYTES) as u64;

    fn reads(ahead: &ReadAhead, peer: &str) -> Reads {
        ahead.reads(&Holder::new(["unknown", peer]))
    }

    fn is_large(reads: &Reads) -> bool {
        reads.bytes_max() == LARGE_READ_BYTES
    }

    /// However many connections send as fast as they can: large reads have what the pool has, and no peer has all of it.
    #[test]
    fn large_reads_have_a_bound_and_leave_some_to_others() {
        let ahead = ReadAhead::new(10 * NEED);
        let mut many: Vec<_> = (0..1000).map(|_| reads(&ahead, "many")).collect();
        many.iter_mut().for_each(|reads| reads.read(SMALL_READ_BYTES));
        assert_eq!(many.iter().filter(|reads| is_large(reads)).count(), 5);
        let mut other = reads(&ahead, "other");
        other.read(SMALL_READ_BYTES);
        assert!(is_large(&other));
        let all = (0..1000).map(|number| {
            let mut reads = reads(&ahead, &number.to_string());
            reads.read(SMALL_READ_BYTES);
            reads
        });
        let all: Vec<_> = all.collect();
        assert!(all.iter().filter(|reads| is_large(reads)).count() <= 4);
        assert_eq!(ahead.windows(&Holder::new(["unknown", "many"])).0.connection, H2_WINDOWS_SMALL.connection);
    }

    #[test]
    fn a_connection_that_sends_little_gives_its_memory_back() {
        let ahead = ReadAhead::new(2 * NEED);
        let (mut first, mut second) = (reads(&ahead, "peer"), reads(&ahead, "peer"));
        assert!(!is_large(&first), "nothing shows yet that it has much to send");
        first.read(SMALL_READ_BYTES);
        second.read(SMALL_READ_BYTES);
        assert!(is_large(&first) && !is_large(&second));
        (0..SMALL_READS).for_each(|_| first.read(100));
        second.read(SMALL_READ_BYTES);
        assert!(!is_large(&first) && is_large(&second));
    }
}
