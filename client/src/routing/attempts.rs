//! The attempts of one request: what an error means for the next of them.
//!
//! Promises: two hints are never followed in a row, so that replicas that are wrong about each other do not keep a
//! request from the rest. Once an attempt may have taken effect, only an answer, a refusal or the end of the time ends
//! the search for its outcome.
//! Must not know: what is asked, how ranges are found.

use std::time::Duration;

use couronne_base::env::Env;
use couronne_metadata::command::Refusal;
use couronne_protocol::range::RangeError;
use couronne_ring::DriveId;

use super::table::KnownRange;
use crate::error::ClientError;
use crate::pauses::Pauses;

/// How often an overloaded range is asked before the caller is told so.
const OVERLOADED_ATTEMPTS_MAX: u32 = 3;

/// How patient a request is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Within this time it is answered or given up.
    pub(super) budget: Duration,
    /// How long one attempt may take.
    pub(super) attempt: Duration,
    /// The longest pause between two attempts.
    pub(super) pause_max: Duration,
    /// Whether overload is no reason to give up.
    pub(super) outlasts_overload: bool,
}

/// Whether to pause before the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    AtOnce,
    AfterPause,
}

/// The replica that gave an error.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) known: &'a KnownRange,
    pub(super) replica: DriveId,
}

/// How one request has fared so far.
pub(super) struct Attempts<'a> {
    patience: Patience,
    pauses: Pauses<'a>,
    /// Attempts that followed no hint and got no answer from a leader: walks through the replicas.
    turn: usize,
    /// The replica to ask next, if the last attempt named one.
    named: Option<NamedReplica>,
    /// The last attempt followed a hint.
    followed_hint: bool,
    overloaded: u32,
    stale: u32,
    /// An attempt may have taken effect.
    uncertain: bool,
    /// What the last attempt came to, for the log.
    last: String,
}

/// A replica that is to be asked next, by the reason.
#[derive(Clone, Copy)]
enum NamedReplica {
    /// Another replica said that this one leads.
    Hint(DriveId),
    /// The replica has too much to do just now.
    Overloaded(DriveId),
}

impl<'a> Attempts<'a> {
    pub(super) fn new(env: &'a Env, patience: Patience) -> Self {
        Self {
            patience,
            pauses: Pauses::new(env, patience.budget, patience.pause_max),
            turn: 0,
            named: None,
            followed_hint: false,
            overloaded: 0,
            stale: 0,
            uncertain: false,
            last: "no time for an attempt".to_owned(),
        }
    }

    /// The time that is left, if any is.
    pub(super) fn left(&self) -> Option<Duration> {
        self.pauses.left()
    }

    /// Whether an attempt may have taken effect, or may yet.
    pub(super) const fn uncertain(&self) -> bool {
        self.uncertain
    }

    /// How many attempts that followed no hint were in vain.
    pub(super) const fn turn(&self) -> usize {
        self.turn
    }

    /// Whether every replica of a range was asked in vain, and the next is asked for another time.
    pub(super) fn has_tried_all(&self, known: &KnownRange) -> bool {
        self.turn.is_multiple_of(known.descriptor.replicas.len().max(1))
    }

    /// The replica that the last attempt named, if it is one; the attempt that follows is taken to ask it.
    pub(super) fn take_named(&mut self, replicas: &[DriveId]) -> Option<DriveId> {
        let named = self.named.take();
        self.followed_hint = false;
        let (drive, is_hint) = match named? {
            NamedReplica::Hint(drive) => (drive, true),
            NamedReplica::Overloaded(drive) => (drive, false),
        };
        let is_replica = replicas.contains(&drive);
        self.followed_hint = is_hint && is_replica;
        is_replica.then_some(drive)
    }

    /// Waits before the next attempt.
    pub(super) async fn pause(&mut self) {
        self.pauses.pause().await;
    }

    /// The error that the caller gets when no attempt brought an answer.
    pub(super) fn give_up(self) -> ClientError {
        ClientError::Unavailable(self.last)
    }

    /// What an error means: the caller's answer (`Err`), or how to go on.
    pub(super) fn classify(&mut self, asked: Option<Asked<'_>>, error: RangeError) -> Result<Next, ClientError> {
        self.last = error.to_string();
        if let (Some(Asked { known, replica }), RangeError::Refused(_) | RangeError::StaleRules) = (asked, &error) {
            known.set_leader(Some(replica));
        }
        match error {
            RangeError::Refused(Refusal::DeadlinePassed) => Err(ClientError::Unavailable(self.last.clone())),
            RangeError::Refused(refusal) => Err(ClientError::Refused(refusal)),
            RangeError::StaleRules => Err(ClientError::StaleRules),
            RangeError::Corrupt(what) => Err(ClientError::Corrupt(what)),
            RangeError::Full if !self.uncertain => Err(ClientError::Full),
            RangeError::Full => Ok(self.ask_again(asked)),
            RangeError::Overloaded => self.overloaded(asked),
            RangeError::StaleRange(_) => {
                self.next_turn();
                self.stale += 1;
                // The first time it is plain news; again and again, the cluster is changing meanwhile.
                Ok(if self.stale > 1 { Next::AfterPause } else { Next::AtOnce })
            }
            RangeError::NotLeader(hint) => Ok(asked.map_or(Next::AfterPause, |asked| self.not_leader(asked, hint))),
            RangeError::Unavailable { maybe_done, .. } => {
                self.uncertain |= maybe_done;
                self.next_turn();
                if let Some(Asked { known, .. }) = asked {
                    known.set_leader(None);
                }
                Ok(Next::AfterPause)
            }
        }
    }

    fn not_leader(&mut self, Asked { known, replica }: Asked<'_>, hint: Option<DriveId>) -> Next {
        let hint = hint.filter(|hint| *hint != replica && !self.followed_hint);
        let to_known = hint.filter(|hint| known.has_replica(*hint));
        known.set_leader(to_known);
        self.next_turn();
        // One that is not known here is, once the range was asked for anew.
        self.named = hint.map(NamedReplica::Hint);
        let is_in_vain = hint.is_some() || self.has_tried_all(known);
        if to_known.is_none() && is_in_vain { Next::AfterPause } else { Next::AtOnce }
    }

    fn overloaded(&mut self, asked: Option<Asked<'_>>) -> Result<Next, ClientError> {
        self.overloaded += 1;
        if self.overloaded < OVERLOADED_ATTEMPTS_MAX {
            return Ok(self.ask_again(asked));
        }
        // Once an attempt may have taken effect its outcome is sought as long as there is time.
        if !self.uncertain && !self.patience.outlasts_overload {
            return Err(ClientError::Overloaded("a metadata range has too much queued"));
        }
        self.next_turn();
        Ok(Next::AfterPause)
    }

    fn ask_again(&mut self, asked: Option<Asked<'_>>) -> Next {
        self.named = asked.map(|asked| NamedReplica::Overloaded(asked.replica));
        Next::AfterPause
    }

    const fn next_turn(&mut self) {
        if !self.followed_hint {
            self.turn = self.turn.wrapping_add(1);
        }
    }
}
