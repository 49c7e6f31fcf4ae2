//! The registry: one row per bucket name in the system bucket, which decides what the name means.
//!
//! ```text
//! bucket/<name>    BucketEntry
//! ```
//!
//! The range of a row looks at the row before ([`may_follow`]). What a command of a gateway needs beside that lies in
//! other ranges, and the storage node that carries the command out reads it there first: the row, for a change of a
//! bucket's rules ([`Premise::of`]); and the rules in every range of the bucket, for a step of its row
//! ([`Premise::holds`]):
//!
//! ```text
//! command                       the row of the name                    every range of the bucket
//! PutRules                      Creating or Live, with these rules
//! SealBucket                    Deleting, with these rules
//! DropRules                     Dropping
//! row becomes Creating                                                 never had rules of that id
//! row becomes Dropping                                                 is sealed under the row's rules
//! row goes                      Dropping, and of the version expected  has none any more
//! ```
//!
//! Between that look and the command other commands may happen; none of them makes the premise untrue for what the command
//! can then still do. The rules of a range and those of a row only rise, so late rules meet newer ones or a dropped
//! bucket; a range that is sealed takes other rules only once the row is Live again, and then the row cannot become
//! Dropping; a row that is Dropping stays so until it goes; and the id of a bucket belongs to one row alone
//! ([`BucketId::is_of`]).
//!
//! Promises: a row follows from the one before by a step of the life of a bucket: whichever gateway writes it, a bucket
//! keeps its id, its account, its policy and its object lock, its rules rise by one with each change of them or of its
//! documents, and its name is free only once the
//! bucket was dropped in every range, which it is only if every range was empty. A range's rules are those that the row
//! has or had.
//! Must not know: how rows and rules of other ranges are read.

use bytes::Bytes;
use couronne_base::codec;

use crate::command::{Command, CommandRequest, Expect, Refusal};
use crate::ids::{BucketId, KeyError, ObjectKey};
use crate::query::{RulesRow, SystemRow};
use crate::record::{BucketEntry, BucketRules, BucketState};

/// What the keys of registry rows begin with.
const PREFIX: &str = "bucket/";

/// The key of the registry row of a name; an error for a name that none can have.
pub fn key_of(name: &str) -> Result<ObjectKey, KeyError> {
    ObjectKey::new(format!("{PREFIX}{name}"))
}

/// The name that a row of the system bucket is the registry row of, if it is one.
pub fn name_in(key: &ObjectKey) -> Option<&str> {
    key.as_str().strip_prefix(PREFIX)
}

/// Whether a row of a name may take the place of another; `None` is no row.
pub fn may_follow(name: &str, old: Option<&Bytes>, new: Option<&Bytes>) -> bool {
    let decoded = |row: Option<&Bytes>| row.map(codec::decode::<BucketEntry>).transpose();
    match (decoded(old), decoded(new)) {
        (Ok(old), Ok(new)) => follows(name, old.as_ref(), new.as_ref()),
        _ => false,
    }
}

fn follows(name: &str, old: Option<&BucketEntry>, new: Option<&BucketEntry>) -> bool {
    match (old, new) {
        (_, Some(new)) if !is_sound(new) => false,
        (None, None) => true,
        (None, Some(new)) => new.id.is_of(name) && new.rules.state == BucketState::Creating && new.rules.version == 1,
        (Some(old), None) => old.rules.state == BucketState::Dropping,
        (Some(old), Some(new)) => {
            let keeps = (old.id, &old.account, old.created, old.rules.policy)
                == (new.id, &new.account, new.created, new.rules.policy);
            let follow = match (old.rules.state, new.rules.state) {
                // Ranges have the rules by then.
                (BucketState::Creating, BucketState::Live) | (BucketState::Deleting, BucketState::Dropping) => {
                    new.rules == in_state(&old.rules, new.rules.state) && new.documents == old.documents
                }
                (BucketState::Live, BucketState::Live | BucketState::Deleting)
                | (BucketState::Deleting, BucketState::Live) => {
                    let keeps_lock = old.rules.object_lock.is_none() || new.rules.object_lock.is_some();
                    keeps_lock && old.rules.version.checked_add(1) == Some(new.rules.version)
                }
                _ => false,
            };
            keeps && follow
        }
    }
}

/// Ranges have the bucket's account in its rules.
fn is_sound(entry: &BucketEntry) -> bool {
    entry.account == entry.rules.account
        && entry.documents.iter().map(|(_, document)| document.len()).sum::<usize>() <= BucketEntry::DOCUMENTS_BYTES_MAX
}

fn in_state(rules: &BucketRules, state: BucketState) -> BucketRules {
    BucketRules { state, ..rules.clone() }
}

/// What must be true in every range of a bucket before a gateway may take a step of its registry row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Premise {
    bucket: BucketId,
    ranges: Ranges,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Ranges {
    /// They never had rules of that id.
    NeverHadRules,
    /// They have these rules: each was empty, and takes no rows.
    Have(BucketRules),
    /// They have no rules any more.
    HaveNone,
}

impl Premise {
    /// The registry row without which [`Premise::of`] cannot tell; `None` if it needs none. Refused if the command names
    /// what can be no bucket's name.
    pub fn row(request: &CommandRequest) -> Result<Option<ObjectKey>, Refusal> {
        match &request.command {
            Command::PutRules { name, .. } | Command::SealBucket { name, .. } | Command::DropRules { name } => {
                key_of(name).map(Some).map_err(|_| Refusal::Conflict)
            }
            Command::SystemWrite { value: None, .. } if name_in(&request.key).is_some() => {
                Ok(Some(request.key.clone()))
            }
            _ => Ok(None),
        }
    }

    /// What the ranges of the bucket have to say, if they are to be asked, for a command that [`Premise::row`] found this
    /// row for. Refused if the row speaks against the command: `Conflict`, at which a gateway looks again.
    pub fn of(request: &CommandRequest, row: Option<&SystemRow>) -> Result<Option<Self>, Refusal> {
        let entry = row.and_then(|row| codec::decode::<BucketEntry>(&row.value).ok());
        match &request.command {
            Command::SystemWrite { expect, value } if name_in(&request.key).is_some() => match value {
                // Of another value its range says that it is no step.
                Some(value) => Ok(codec::decode(value).ok().and_then(|entry| Self::of_row(&entry))),
                None => {
                    let is_expected = row.is_some_and(|row| *expect == Expect::Version(row.version));
                    let dropping = entry.filter(|entry| entry.rules.state == BucketState::Dropping && is_expected);
                    let bucket = dropping.ok_or(Refusal::Conflict)?.id;
                    Ok(Some(Self { bucket, ranges: Ranges::HaveNone }))
                }
            },
            Command::PutRules { .. } | Command::SealBucket { .. } | Command::DropRules { .. } => {
                let entry = entry.filter(|entry| entry.id == request.bucket);
                let is_allowed = entry.is_some_and(|entry| allows(&entry.rules, &request.command));
                if is_allowed { Ok(None) } else { Err(Refusal::Conflict) }
            }
            _ => Ok(None),
        }
    }

    fn of_row(new: &BucketEntry) -> Option<Self> {
        let ranges = match new.rules.state {
            BucketState::Creating => Ranges::NeverHadRules,
            BucketState::Dropping => Ranges::Have(in_state(&new.rules, BucketState::Deleting)),
            BucketState::Live | BucketState::Deleting => return None,
        };
        Some(Self { bucket: new.id, ranges })
    }

    /// The bucket whose ranges are to be asked.
    pub const fn bucket(&self) -> BucketId {
        self.bucket
    }

    /// Whether it is true in a range that has this.
    pub fn holds(&self, found: &RulesRow) -> bool {
        match (&self.ranges, found) {
            (Ranges::NeverHadRules, RulesRow::Absent) => true,
            (Ranges::Have(wanted), RulesRow::Present(found)) => found == wanted,
            (Ranges::HaveNone, RulesRow::Absent | RulesRow::Dropped) => true,
            _ => false,
        }
    }
}

/// Whether a row with these rules allows a change of the rules of a range.
fn allows(of_row: &BucketRules, command: &Command) -> bool {
    match command {
        Command::PutRules { rules, .. } => {
            matches!(of_row.state, BucketState::Creating | BucketState::Live)
                && *rules == in_state(of_row, BucketState::Live)
        }
        Command::SealBucket { rules, .. } => of_row.state == BucketState::Deleting && rules == of_row,
        Command::DropRules { .. } => of_row.state == BucketState::Dropping,
        _ => false,
    }
}
