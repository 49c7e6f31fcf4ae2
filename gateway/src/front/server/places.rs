//! The places of connections, shared fairly among peers.
//!
//! Promises: when places are short, a new connection takes that of a silent one, or that of the busy one that got on
//! least of a peer that has more; else, of its own peer, that of one that has stopped, of a caller that has more than
//! newcomers have: behind a proxy, the sockets of one link do not keep others out. Else it is refused.
//! Must not know: what is spoken on connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use couronne_base::fair::{Claim, Cut, Holder, Patience, Pool, Short};

use crate::front::limits::under_way::{lone, peer_holder};

/// A busy connection has stopped once its client was waited for, for six times this, and moved next to nothing.
const PATIENCE: Duration = Duration::from_millis(500);

/// All places.
pub(super) struct Places {
    pool: Pool,
    peer_max: u64,
}

/// A connection's place. Clones are the same; it is given back with the last of them.
#[derive(Clone)]
pub(super) struct ConnectionPlace(Arc<Held>);

struct Held {
    claim: Arc<Claim>,
    peer: Holder,
    requests: AtomicUsize,
}

/// A request on a connection: as long as it lives, the connection is not silent.
pub(super) struct Busy(ConnectionPlace);

impl Places {
    /// So many, of which one peer may have so many.
    pub(super) fn new(connections_max: usize, peer_max: usize) -> Self {
        let patience = Patience { cut_after: PATIENCE, cuts_own: false, give_up_after: Duration::ZERO };
        Self { pool: Pool::new(connections_max as u64, patience), peer_max: peer_max as u64 }
    }

    /// A place for a connection of this peer, which hears `cut` when it has to give it up.
    pub(super) fn take(&self, peer: SocketAddr, cut: &Cut) -> Result<ConnectionPlace, Short> {
        let peer = peer_holder(peer);
        let holder = lone(&peer);
        let [held, ..] = self.pool.held_by(&holder);
        if held >= self.peer_max {
            return Err(Short::Waited);
        }
        let mut claim = self.pool.claim(&holder, 1, cut);
        claim.take_now(1)?;
        claim.set_idle(true);
        Ok(ConnectionPlace(Arc::new(Held { claim: Arc::new(claim), peer, requests: AtomicUsize::new(0) })))
    }
}

impl ConnectionPlace {
    /// A request begins.
    pub(super) fn begin(&self) -> Busy {
        if self.0.requests.fetch_add(1, Ordering::AcqRel) == 0 {
            self.0.claim.set_idle(false);
            self.0.claim.settle();
        }
        Busy(self.clone())
    }

    /// So many bytes came or went.
    pub(super) fn moved(&self, bytes: usize) {
        self.0.claim.moved(bytes as u64);
    }

    /// What it holds of all places.
    pub(super) fn claim(&self) -> Arc<Claim> {
        Arc::clone(&self.0.claim)
    }

    /// The holder that its requests count for until they are authenticated.
    pub(super) fn peer(&self) -> &Holder {
        &self.0.peer
    }

    /// The word that the place is another's.
    pub(super) fn cut(&self) -> &Cut {
        self.0.claim.cut()
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if self.0.0.requests.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.0.claim.depend();
            self.0.0.claim.set_idle(true);
        }
    }
}
