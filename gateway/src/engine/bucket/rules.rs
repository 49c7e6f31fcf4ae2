//! Rules: changing them, and bringing them to every range of the bucket.
//!
//! The registry row changes first and decides; a range that has older rules refuses requests made
//! under the new ones until it gets them. A change is done when all ranges have it. After a crash in
//! between, the next request that meets such a range brings it the rules ([`Engine::renew_bucket`]).

use couronne_client::{BucketView, ClientError, first_key, key_past};
use couronne_cluster::RangeDescriptor;
use couronne_metadata::command::{Command, Expect, Refusal};
use couronne_metadata::ids::{BucketId, ObjectKey};
use couronne_metadata::query::{Answer, Query, RulesRow};
use couronne_metadata::record::{BucketEntry, BucketRules, BucketState};

use super::{Bucket, Engine, EngineError, TURNS_MAX};

/// What is done with the rules row of one range.
#[derive(Clone, Copy, Debug)]
pub(super) enum RulesStep<'a> {
    /// Makes the row these rules, unless it has newer ones.
    Install(&'a BucketRules),
    /// Makes the range take no more rows of the bucket, if it has none.
    Seal(&'a BucketRules),
    /// Removes the rules, which have at most this version.
    Drop(u64),
}

impl Engine {
    /// Changes the bucket's rules: `edit` is given the rules as they are now and returns the new ones
    /// (their `version` and `state` are set here). Returns when every range of the bucket has them. `StaleRules` if they are
    /// others already than those that the caller was authorized under.
    pub async fn update_rules<F>(&self, bucket: &Bucket, edit: F) -> Result<Bucket, EngineError>
    where
        F: Fn(&BucketRules) -> Result<BucketRules, EngineError> + Send + Sync,
    {
        let of_rules = |entry: &BucketEntry| Ok(BucketEntry { rules: edit(&entry.rules)?, ..entry.clone() });
        self.update_entry(bucket, of_rules).await
    }

    /// As [`Engine::update_rules`], of rules and documents.
    pub(super) async fn update_entry<F>(&self, bucket: &Bucket, edit: F) -> Result<Bucket, EngineError>
    where
        F: Fn(&BucketEntry) -> Result<BucketEntry, EngineError> + Send + Sync,
    {
        for _ in 0..TURNS_MAX {
            let found = self.registered(&bucket.name).await?.filter(|found| found.entry.id == bucket.entry.id);
            let Some(found) = found else { return Err(Refusal::NoSuchBucket.into()) };
            let current = &found.entry.rules;
            if current.state != BucketState::Live {
                self.resume(&bucket.name, found).await?;
                continue;
            }
            if current.version != bucket.entry.rules.version {
                return Err(EngineError::StaleRules);
            }
            let edited = edit(&found.entry)?;
            let rules = BucketRules { version: current.version + 1, state: BucketState::Live, ..edited.rules };
            let entry = BucketEntry { rules, documents: edited.documents, ..found.entry };
            if self.register(&bucket.name, Expect::Version(found.version), Some(&entry)).await?.is_some() {
                self.install(&bucket.name, &entry).await?;
                return Ok(self.remember(&bucket.name, entry));
            }
        }
        Err(EngineError::BucketBusy)
    }

    /// Brings an entry's rules to every range of its bucket, or newer ones: ranges take only those that the registry has.
    pub(super) async fn install(&self, name: &str, entry: &BucketEntry) -> Result<(), EngineError> {
        let mut rules = entry.rules.clone();
        for _ in 0..TURNS_MAX {
            match self.in_every_range(name, entry.id, RulesStep::Install(&rules)).await {
                Err(EngineError::BucketBusy) => {}
                done => return done,
            }
            let found = self.registered(name).await?.filter(|found| found.entry.id == entry.id);
            match found.map(|found| found.entry.rules) {
                Some(newer) if newer.state == BucketState::Live && newer.version > rules.version => rules = newer,
                _ => break,
            }
        }
        Err(EngineError::BucketBusy)
    }

    /// Takes a step in every range of the bucket of this name, in key order.
    pub(super) async fn in_every_range(
        &self,
        name: &str,
        bucket: BucketId,
        step: RulesStep<'_>,
    ) -> Result<(), EngineError> {
        let mut next = Some(first_key(None)?);
        while let Some(key) = next {
            let range = self.in_range(name, bucket, &key, step).await?;
            next = key_past(&range, bucket)?;
        }
        Ok(())
    }

    /// Takes a step in the range of a key; returns that range.
    async fn in_range(
        &self,
        name: &str,
        bucket: BucketId,
        key: &ObjectKey,
        step: RulesStep<'_>,
    ) -> Result<RangeDescriptor, EngineError> {
        for _ in 0..TURNS_MAX {
            let query = Query::Rules { key: key.clone() };
            let answered = self.router().query_under(bucket, None, key.as_bytes(), query).await;
            let (Answer::Rules(found), known) = answered? else { return Err(EngineError::unexpected("Rules")) };
            let Some(command) = command(name, step, &found)? else { return Ok(known.descriptor.clone()) };
            let view = BucketView { id: bucket, rules_version: version(&found).unwrap_or(0), seen: None };
            match self.router().execute_located(view, key, command).await {
                Ok((_, known)) => return Ok(known.descriptor.clone()),
                // Someone else took a step in this range since its rules were read, or changed the registry row.
                Err(ClientError::StaleRules | ClientError::Refused(Refusal::Conflict | Refusal::NoSuchBucket)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(EngineError::BucketBusy)
    }
}

/// The version of the rules that a range has, if it has any.
fn version(found: &RulesRow) -> Option<u64> {
    match found {
        RulesRow::Present(rules) => Some(rules.version),
        RulesRow::Absent | RulesRow::Dropped => None,
    }
}

/// The command that takes a step in a range that has this; `None` if it is taken already.
fn command(name: &str, step: RulesStep<'_>, found: &RulesRow) -> Result<Option<Command>, EngineError> {
    let (name, version, was_dropped) = (name.into(), version(found), *found == RulesRow::Dropped);
    match step {
        RulesStep::Install(new) if version >= Some(new.version) => Ok(None),
        RulesStep::Install(new) if !was_dropped => Ok(Some(Command::PutRules { name, rules: new.clone() })),
        RulesStep::Seal(new) if version == Some(new.version) => Ok(None),
        RulesStep::Seal(new) if version < Some(new.version) && !was_dropped => {
            Ok(Some(Command::SealBucket { name, rules: new.clone() }))
        }
        RulesStep::Drop(_) if version.is_none() => Ok(None),
        RulesStep::Drop(last) if version <= Some(last) => Ok(Some(Command::DropRules { name })),
        // The rules went on since this sequence began: it is not the one that decides.
        RulesStep::Install(_) | RulesStep::Seal(_) | RulesStep::Drop(_) => Err(EngineError::BucketBusy),
    }
}
