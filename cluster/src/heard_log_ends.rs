//! What a member heard of where the logs of drives end: newer than the map, which is told about once a minute.
//!
//! Promises: one end a drive of the map at most; an end rises only, within one start of its drive. What one answer tells
//! is bounded, whatever the number of drives.
//! Must not know: how messages travel, what follows from an end.

use std::collections::BTreeMap;
use std::time::Duration;

use couronne_ring::DriveId;

use crate::map::ClusterMap;
use crate::report::DriveLogEnd;

/// For so long an end that rose is told: several answers, for each may be lost.
const NEWS_FOR: Duration = Duration::from_secs(2);

/// The most ends of one answer, about 10 KiB. With more drives that write at once, each answer tells of others of them.
pub const NEWS_MAX: usize = 256;

/// The ends that were heard. Times are those of any steady clock, the same throughout.
#[derive(Clone, Debug, Default)]
pub struct HeardLogEnds {
    ends: BTreeMap<DriveId, HeardEnd>,
}

/// The newest end of a drive, and when it was heard first.
#[derive(Clone, Copy, Debug)]
struct HeardEnd {
    said: DriveLogEnd,
    at: Duration,
}

impl HeardLogEnds {
    /// Takes ends that were said. Of a drive that the map does not have, or of another start than the map's, nothing is
    /// taken.
    pub fn hear(&mut self, map: &ClusterMap, said: impl IntoIterator<Item = DriveLogEnd>, now: Duration) {
        for said in said {
            let is_current = map.drives.get(&said.drive).is_some_and(|drive| drive.start == said.start);
            let known = self.of(said.drive).filter(|known| known.start == said.start);
            if is_current && known.is_none_or(|known| known.end < said.end) {
                self.ends.insert(said.drive, HeardEnd { said, at: now });
            }
        }
    }

    /// The newest end of a drive.
    pub fn of(&self, drive: DriveId) -> Option<DriveLogEnd> {
        self.ends.get(&drive).map(|heard| heard.said)
    }

    /// The ends that rose within the last two seconds: [`NEWS_MAX`] of them at most, beginning with the one that
    /// `turn` falls on.
    pub fn news(&self, now: Duration, turn: u64) -> Vec<DriveLogEnd> {
        let is_new = |heard: &&HeardEnd| now.saturating_sub(heard.at) < NEWS_FOR;
        let mut news: Vec<DriveLogEnd> = self.ends.values().filter(is_new).map(|heard| heard.said).collect();
        if news.len() > NEWS_MAX {
            let first = u64::try_from(news.len()).ok().and_then(|len| usize::try_from(turn % len).ok());
            news.rotate_left(first.unwrap_or(0));
            news.truncate(NEWS_MAX);
        }
        news
    }
}
