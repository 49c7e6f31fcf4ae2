//! The proposer of a range: everything evaluated while the last entry was on its way becomes one entry.
//!
//! Promises: latches are held until the effect is applied, or until its outcome can no longer be
//! learnt here (leadership is lost), whether or not anyone still waits for the answer; the queue is bounded.
//! Must not know: what effects do.

use std::sync::Arc;

use bytes::Bytes;
use couronne_metadata::effect::EFFECT_BYTES_MAX;
use tokio::sync::{mpsc, oneshot};

use super::latches::LatchGuard;
use super::quotas::Reservation;
use super::state_machine::encode_effects;
use crate::consensus::{Consensus, ProposeError};
use crate::log::ENTRY_BYTES_MAX;

/// Proposals waiting at one range; more are refused as overload.
const QUEUE_MAX: usize = 1024;

/// An entry takes no further effect once it has this many bytes.
const ENTRY_BYTES: usize = 1 << 20;

/// An effect is an entry with a few bytes about it.
const _: () = assert!(EFFECT_BYTES_MAX + 1024 <= ENTRY_BYTES_MAX);

/// An evaluated command on its way.
pub(crate) struct Proposal {
    /// The leadership it was evaluated under.
    pub(crate) term: u64,
    /// Its effect, encoded.
    pub(crate) effect: Bytes,
    /// Held until it is applied.
    pub(crate) latches: Vec<LatchGuard>,
    /// Held as long.
    pub(crate) reservation: Option<Reservation>,
    /// Takes the result.
    pub(crate) answer: oneshot::Sender<Result<(), ProposeError>>,
}

/// The way to a range's proposer.
#[derive(Clone)]
pub(crate) struct Proposer {
    queue: mpsc::Sender<Proposal>,
}

impl Proposer {
    /// Starts the proposer of a replica; it ends when the last handle is dropped.
    pub(crate) fn start(consensus: Arc<dyn Consensus>) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE_MAX);
        tokio::spawn(run(consensus, waiting));
        Self { queue }
    }

    /// Queues a proposal, unless the queue is full; whether it did.
    pub(crate) fn submit(&self, proposal: Proposal) -> bool {
        self.queue.try_send(proposal).is_ok()
    }
}

/// Whether an effect can be proposed at all.
pub(crate) const fn fits(effect: &Bytes) -> bool {
    effect.len() < EFFECT_BYTES_MAX
}

async fn run(consensus: Arc<dyn Consensus>, mut waiting: mpsc::Receiver<Proposal>) {
    let mut held_over = None;
    loop {
        let first = match held_over.take() {
            Some(first) => first,
            None => match waiting.recv().await {
                Some(first) => first,
                None => return,
            },
        };
        let (term, mut bytes) = (first.term, first.effect.len());
        let mut batch = vec![first];
        while let Ok(next) = waiting.try_recv() {
            let fits = next.term == term && bytes.saturating_add(next.effect.len()) <= ENTRY_BYTES;
            if !fits {
                held_over = Some(next);
                break;
            }
            bytes = bytes.saturating_add(next.effect.len());
            batch.push(next);
        }
        let payload = encode_effects(batch.iter().map(|proposal| &proposal.effect));
        let result = consensus.propose(term, payload).await;
        for Proposal { latches, reservation, answer, .. } in batch {
            drop((reservation, latches));
            // The caller may have given up; the outcome stands in the range.
            drop(answer.send(result.clone()));
        }
    }
}
