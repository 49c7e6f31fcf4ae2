//! How much a bucket may hold: setting that, and asking before a body is taken.
//!
//! The quota stands in the bucket's rules, so every range has it once it is set, and the range alone decides, when a write
//! is committed. Asking before spares the bytes of what will not fit.
//! Must not know: who may set a quota.

use couronne_client::{first_key, key_past};
use couronne_metadata::command::Refusal;
use couronne_metadata::ids::{ObjectKey, PartNumber, UploadId, VersionId};
use couronne_metadata::query::{Answer, Query};
use couronne_metadata::record::quota::{Charge, Quota};
use couronne_metadata::record::{BucketRules, VersionRecord, Versioning};
use couronne_metadata::usage::{Subject, Usage};

use super::{Bucket, Engine, EngineError, TURNS_MAX};

/// What bytes that are about to come will be.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) enum BytesFor {
    /// An object.
    Object,
    /// A part of an open upload.
    Part(UploadId, PartNumber),
}

impl Engine {
    /// Sets or removes the quota of a bucket. When this returns, every range of the bucket goes by it.
    pub async fn set_bucket_quota(&self, name: &str, quota: Option<Quota>) -> Result<(), EngineError> {
        for _ in 0..TURNS_MAX {
            let bucket = self.resolve_bucket_now(name).await?;
            // Each range counts by itself what it holds.
            let (id, first) = (bucket.entry.id, first_key(None)?);
            let query = Query::Rules { key: first.clone() };
            let (_, range) = self.router().query_under(id, None, first.as_bytes(), query).await?;
            if quota.is_some() && key_past(&range.descriptor, id)?.is_some() {
                return Err(EngineError::Unavailable("the bucket lies in several ranges".to_owned()));
            }
            let edit = |rules: &BucketRules| Ok(BucketRules { quota, ..rules.clone() });
            match self.update_rules(&bucket, edit).await {
                Err(EngineError::StaleRules) => {}
                done => return done.map(|_| ()),
            }
        }
        Err(EngineError::BucketBusy)
    }

    /// Refuses so many bytes for which the bucket's quota leaves no room now, by what they would take the place of.
    pub(in crate::engine) async fn check_room(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        bytes: Option<u64>,
        bytes_for: BytesFor,
    ) -> Result<(), EngineError> {
        let Some(quota) = bucket.entry.rules.quota else { return Ok(()) };
        let by = Charge { bytes: i64::try_from(bytes.unwrap_or(0)).unwrap_or(i64::MAX), objects: 1 };
        let held = self.router().usage(&Subject::Bucket(bucket.entry.id)).await?;
        let held = Charge::from(Usage::sum(held.values()));
        if quota.admits(held, by) {
            return Ok(());
        }
        match self.replaced(bucket, key, bytes_for).await {
            Ok(replaced) if quota.admits(held, replaced.plus(by)) => Ok(()),
            Ok(_) => Err(Refusal::QuotaExceeded.into()),
            // The commit is renewed, and decides.
            Err(EngineError::StaleRules) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// What goes for what comes, as a negative charge.
    async fn replaced(&self, bucket: &Bucket, key: &ObjectKey, bytes_for: BytesFor) -> Result<Charge, EngineError> {
        let size = match bytes_for {
            BytesFor::Object if bucket.entry.rules.versioning == Versioning::Enabled => None,
            BytesFor::Object => {
                let query = Query::Get { key: key.clone(), version: Some(VersionId::Null) };
                let Answer::Get(found) = self.query(bucket, key, query).await? else {
                    return Err(EngineError::unexpected("Get"));
                };
                match found {
                    Some((VersionRecord::Object(object), _)) => Some(object.size),
                    _ => None,
                }
            }
            BytesFor::Part(upload, number) => {
                let (key, after) = (key.clone(), number.get().saturating_sub(1));
                let query = Query::Parts { key: key.clone(), upload, after, limit: 1 };
                let Answer::Parts(found) = self.query(bucket, &key, query).await? else {
                    return Err(EngineError::unexpected("Parts"));
                };
                let parts = found.map(|(parts, _)| parts).unwrap_or_default();
                parts.first().filter(|part| part.number == number).map(|part| part.size)
            }
        };
        let gone = |size| Charge { bytes: -i64::try_from(size).unwrap_or(i64::MAX), objects: -1 };
        Ok(size.map_or_else(Charge::default, gone))
    }
}
