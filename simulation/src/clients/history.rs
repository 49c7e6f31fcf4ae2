//! The history: what clients asked of each key, what they were told, and when.
//!
//! A page of a listing is read from a range at one moment, so it is kept as a look at every key it covers.
//! Must not know: how a history is judged.

use std::collections::BTreeMap;
use std::fmt;

use couronne_metadata::ids::VersionId;
use couronne_metadata::record::Etag;

use crate::clients::actions::Condition;

/// A moment: later ones are greater, and no two are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

/// How many moments there are in a millisecond.
const MOMENTS_PER_MS: u64 = 1 << 20;

impl Moment {
    /// The first moment of a millisecond.
    pub const fn at_ms(ms: u64) -> Self {
        Self(ms.saturating_mul(MOMENTS_PER_MS))
    }

    /// Its millisecond.
    pub const fn ms(self) -> u64 {
        self.0 / MOMENTS_PER_MS
    }
}

/// What happened to a key in one moment between an operation's beginning and its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It got an object of this tag; the version, if that was told.
    Put(Etag, Option<VersionId>, Condition),
    /// It lost its object; in a bucket with versions to this marker, if that was told.
    Delete(Option<VersionId>),
    /// A version was removed for good.
    DeleteVersion(VersionId),
    /// This was its object: tag, and the version if that was told.
    Saw(Option<(Etag, Option<VersionId>)>),
    /// It had an object.
    SawAny,
    /// It had no object of this tag.
    SawNot(Etag),
    /// This was that version.
    SawVersion(VersionId, Option<Etag>),
}

impl Step {
    /// Whether it only looks.
    pub const fn is_look(&self) -> bool {
        matches!(self, Self::Saw(_) | Self::SawAny | Self::SawNot(_) | Self::SawVersion(..))
    }
}

/// An operation on a key.
#[derive(Clone, Debug)]
pub struct Record {
    /// When it was asked.
    pub began: Moment,
    /// By when it has happened, if it ever does.
    pub ended: Moment,
    /// What happened.
    pub step: Step,
    /// Whether it surely happened.
    pub is_sure: bool,
    /// The client that asked and the gateway that it asked, for a person.
    pub asked_by: String,
}

/// A key of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The bucket's name.
    pub bucket: &'static str,
    /// The key.
    pub key: &'static str,
}

/// What happened to all keys.
#[derive(Default)]
pub struct History {
    keys: BTreeMap<Place, Vec<Record>>,
    next: u64,
}

impl History {
    /// The next moment, at this time.
    pub fn moment(&mut self, now_ms: u64) -> Moment {
        self.next = self.next.saturating_add(1).max(Moment::at_ms(now_ms).0);
        Moment(self.next)
    }

    /// Adds a record.
    pub fn add(&mut self, place: Place, record: Record) {
        self.keys.entry(place).or_default().push(record);
    }

    /// The records of each key, by their beginnings.
    pub fn by_key(&self) -> impl Iterator<Item = (Place, Vec<&Record>)> {
        self.keys.iter().map(|(place, records)| {
            let mut records: Vec<&Record> = records.iter().collect();
            records.sort_by_key(|record| record.began);
            (*place, records)
        })
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.keys.values().map(Vec::len).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.bucket, self.key)
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sure = if self.is_sure { "" } else { " (perhaps)" };
        write!(f, "{:>8}..{:<8} {}: {}{sure}", self.began.ms(), self.ended.ms(), self.asked_by, self.step)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put(tag, version, condition) => {
                write!(f, "put {} {version:?}", short(tag))?;
                match condition {
                    Condition::Always => Ok(()),
                    Condition::Absent => write!(f, " if absent"),
                    Condition::Matches(tag) => write!(f, " if it was {}", short(tag)),
                }
            }
            Self::Delete(marker) => write!(f, "delete {marker:?}"),
            Self::DeleteVersion(version) => write!(f, "delete version {version:?}"),
            Self::Saw(Some((tag, version))) => write!(f, "saw {} {version:?}", short(tag)),
            Self::Saw(None) => write!(f, "saw nothing"),
            Self::SawAny => write!(f, "saw an object"),
            Self::SawNot(tag) => write!(f, "saw not {}", short(tag)),
            Self::SawVersion(version, tag) => write!(f, "saw version {version:?} {:?}", tag.as_ref().map(short)),
        }
    }
}

/// Enough of a tag to tell it apart.
pub fn short(tag: &Etag) -> String {
    let parts = tag.parts.map(|parts| format!("-{parts}")).unwrap_or_default();
    format!("{}{parts}", hex::encode(tag.digest).chars().take(6).collect::<String>())
}
