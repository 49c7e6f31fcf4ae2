//! The creation of a bucket.
//!
//! Its steps: (1) a registry row in state Creating claims the name; (2) every range of the bucket gets
//! its rules; (3) the owner's listing gets its row, pending; (4) the registry row becomes Live: from here on
//! it exists; (5) the listing's row is confirmed, if no listing has done so. After a crash between two steps, the next request for the name takes the rest of them.

use couronne_metadata::command::Expect;
use couronne_metadata::ids::{BucketId, Ordinal};
use couronne_metadata::record::{BucketEntry, BucketRules, BucketState};
use couronne_placement::{PolicyId, ResidencyClass};

use super::registry::Registered;
use super::{Bucket, CreateBucketRequest, Engine, EngineError, TURNS_MAX};

impl Engine {
    /// Creates a bucket. `BucketAlreadyOwnedByYou` or `BucketAlreadyExists` if the name is taken.
    pub async fn create_bucket(&self, create: CreateBucketRequest) -> Result<Bucket, EngineError> {
        let entry = self.new_entry(&create)?;
        for _ in 0..TURNS_MAX {
            match self.registered(&create.name).await? {
                None => {
                    let Some(version) = self.register(&create.name, Expect::Absent, Some(&entry)).await? else {
                        continue;
                    };
                    let claimed = Registered { entry: entry.clone(), version };
                    if let Some(bucket) = self.finish_creation(&create.name, claimed).await? {
                        return Ok(bucket);
                    }
                }
                // Someone helped us after we claimed the name.
                Some(found) if found.entry.id == entry.id && found.entry.rules.state == BucketState::Live => {
                    return Ok(self.remember(&create.name, found.entry));
                }
                Some(found) if found.entry.rules.state == BucketState::Live => {
                    let own = found.entry.account == create.account;
                    let (yours, another) = (EngineError::BucketAlreadyOwnedByYou, EngineError::BucketAlreadyExists);
                    return Err(if own { yours } else { another });
                }
                Some(found) => self.resume(&create.name, found).await.map(|_| ())?,
            }
        }
        Err(EngineError::BucketBusy)
    }

    /// Steps 2 to 5. `None`: someone else changed the registry row meanwhile.
    pub(super) async fn finish_creation(&self, name: &str, claimed: Registered) -> Result<Option<Bucket>, EngineError> {
        let Registered { mut entry, version } = claimed;
        entry.rules.state = BucketState::Live;
        self.install(name, &entry).await?;
        let Some(listing) = self.list_pending(name, &entry).await? else { return Ok(None) };
        if self.register(name, Expect::Version(version), Some(&entry)).await?.is_none() {
            return Ok(None);
        }
        self.confirm_listed(name, &entry, listing).await?;
        Ok(Some(self.remember(name, entry)))
    }

    fn new_entry(&self, create: &CreateBucketRequest) -> Result<BucketEntry, EngineError> {
        let rules = BucketRules {
            version: 1,
            state: BucketState::Creating,
            versioning: create.versioning,
            object_lock: create.object_lock,
            policy: self.policy_named(create.policy.as_deref())?,
            account: create.account.clone(),
            quota: None,
            extra: Vec::new(),
        };
        Ok(BucketEntry {
            id: BucketId::new(ResidencyClass::default(), self.env().random_bytes(), &create.name),
            account: create.account.clone(),
            created: Ordinal(self.env().clock.wall_us()),
            rules,
            documents: create.documents.iter().map(|(of, text)| (of.number(), text.clone())).collect(),
        })
    }

    fn policy_named(&self, name: Option<&str>) -> Result<PolicyId, EngineError> {
        let map = self.shared.client.map().current();
        let Some(name) = name else { return Ok(map.default_policy) };
        let named = map.policies.values().find(|policy| policy.name.as_ref() == name);
        named.map(|policy| policy.id).ok_or(EngineError::NoSuchPolicy)
    }
}
