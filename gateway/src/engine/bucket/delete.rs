//! The deletion of a bucket.
//!
//! Its steps: (1) the registry row becomes Deleting, under new rules; (2) every range is sealed; one
//! that holds a version or an open upload refuses, and then the registry row becomes Live again, under
//! yet newer rules that are installed everywhere; (3) all sealed: the row of the owner's listing becomes
//! pending, then the registry row Dropping: from here on there is no way back, and the bucket is listed no
//! more; (4) every range drops its rules; (5) the owner's listing loses its row; (6) the registry row goes:
//! the name is free. After a crash between two steps, the next request for the name takes the rest of them.

use couronne_metadata::command::{Expect, Refusal};
use couronne_metadata::record::{BucketEntry, BucketRules, BucketState};

use super::registry::Registered;
use super::rules::RulesStep;
use super::{Bucket, Engine, EngineError, TURNS_MAX};

/// What a sequence that was under way came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resumed {
    /// The bucket is live; it was just created, or another request changed it.
    Live,
    /// The bucket was not empty, and stays.
    NotEmpty,
    /// The bucket is gone.
    Gone,
    /// Another request took the deletion further: look again.
    Changed,
}

impl Engine {
    /// Deletes a bucket; `Refused(BucketNotEmpty)` while it holds versions or open uploads.
    pub async fn delete_bucket(&self, bucket: &Bucket) -> Result<(), EngineError> {
        let name = &bucket.name;
        let mut begun = false;
        for _ in 0..TURNS_MAX {
            let found = self.registered(name).await?.filter(|found| found.entry.id == bucket.entry.id);
            // Gone since we began: it is deleted, whichever request took the last step.
            let Some(mut found) = found else {
                return if begun { Ok(()) } else { Err(Refusal::NoSuchBucket.into()) };
            };
            if found.entry.rules.state == BucketState::Live {
                let deleting = with_state(found.entry, BucketState::Deleting);
                let Some(version) = self.register(name, Expect::Version(found.version), Some(&deleting)).await? else {
                    continue;
                };
                found = Registered { entry: deleting, version };
            }
            begun |= found.entry.rules.state != BucketState::Creating;
            match self.resume(name, found).await? {
                Resumed::Gone => return Ok(()),
                Resumed::NotEmpty => return Err(Refusal::BucketNotEmpty.into()),
                Resumed::Live | Resumed::Changed => {}
            }
        }
        Err(EngineError::BucketBusy)
    }

    /// Takes whatever sequence a registry row is in as far as it goes.
    pub(super) async fn resume(&self, name: &str, found: Registered) -> Result<Resumed, EngineError> {
        match found.entry.rules.state {
            BucketState::Live => Ok(Resumed::Live),
            BucketState::Creating => {
                let live = self.finish_creation(name, found).await?;
                Ok(live.map_or(Resumed::Changed, |_| Resumed::Live))
            }
            BucketState::Deleting => self.seal(name, found).await,
            BucketState::Dropping => self.drop_bucket(name, found).await,
        }
    }

    /// Steps 2 and 3.
    async fn seal(&self, name: &str, found: Registered) -> Result<Resumed, EngineError> {
        let Registered { entry, version } = found;
        match self.in_every_range(name, entry.id, RulesStep::Seal(&entry.rules)).await {
            Ok(()) => {
                self.list_pending_again(name, &entry).await?;
                let dropping =
                    BucketEntry { rules: BucketRules { state: BucketState::Dropping, ..entry.rules.clone() }, ..entry };
                match self.register(name, Expect::Version(version), Some(&dropping)).await? {
                    Some(version) => self.drop_bucket(name, Registered { entry: dropping, version }).await,
                    None => Ok(Resumed::Changed),
                }
            }
            Err(EngineError::Refused(Refusal::BucketNotEmpty)) => {
                let live = with_state(entry, BucketState::Live);
                if self.register(name, Expect::Version(version), Some(&live)).await?.is_none() {
                    return Ok(Resumed::Changed);
                }
                self.install(name, &live).await?;
                Ok(Resumed::NotEmpty)
            }
            // A range has newer rules: someone rolled the deletion back meanwhile.
            Err(EngineError::BucketBusy) => Ok(Resumed::Changed),
            Err(error) => Err(error),
        }
    }

    /// Steps 4 to 6.
    async fn drop_bucket(&self, name: &str, found: Registered) -> Result<Resumed, EngineError> {
        let Registered { entry, version } = found;
        self.in_every_range(name, entry.id, RulesStep::Drop(entry.rules.version)).await?;
        self.unlist(name, &entry).await?;
        let removed = self.register(name, Expect::Version(version), None).await?;
        Ok(if removed.is_some() { Resumed::Gone } else { Resumed::Changed })
    }
}

/// The entry under its next rules, in another state.
fn with_state(entry: BucketEntry, state: BucketState) -> BucketEntry {
    let rules = BucketRules { version: entry.rules.version + 1, state, ..entry.rules };
    BucketEntry { rules, ..entry }
}
