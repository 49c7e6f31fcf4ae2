//! What accounts, users and buckets hold, and the quotas of buckets, over the gateway's engine.
//!
//! Must not know: HTTP, how it is counted.

use async_trait::async_trait;
use couronne_admin::control::{Actor, UsageControl};
use couronne_admin::types::{ApiError, ClassHoldings, ErrorCode, Holdings, Quota, Usage};
use couronne_base::env::Env;
use couronne_gateway::engine::{Engine, EngineError};
use couronne_gateway::identity::{Identity, IdentityError};
use couronne_metadata::command::Refusal;
use couronne_metadata::record::quota;
use couronne_metadata::usage::{self, Subject};

use super::identities::refusal;

/// How the standard storage class is shown.
const STANDARD: &str = "STANDARD";

/// Usage and quotas of the cluster.
pub(in crate::admin) struct AdminUsageControl {
    pub(in crate::admin) engine: Engine,
    pub(in crate::admin) identity: Identity,
    pub(in crate::admin) env: Env,
}

fn shown(class: &str, held: &usage::Usage) -> ClassHoldings {
    let class = if class.is_empty() { STANDARD } else { class };
    ClassHoldings { class: class.to_owned(), held: holdings(held) }
}

impl AdminUsageControl {
    async fn usage(&self, subject: &Subject, bound: Option<quota::Quota>) -> Result<Usage, ApiError> {
        let asked_ms = self.env.clock.wall_ms();
        let classes = self.engine.usage(subject).await.map_err(|error| refused(&error))?;
        Ok(Usage {
            total: holdings(&usage::Usage::sum(classes.values())),
            classes: classes.iter().map(|(class, held)| shown(class, held)).collect(),
            quota: bound.map(|quota::Quota { bytes, objects }| Quota { bytes, objects }),
            asked_ms,
        })
    }

    async fn set_quota(&self, bucket: &str, quota: Option<Quota>) -> Result<(), ApiError> {
        let bound = quota.map(|Quota { bytes, objects }| quota::Quota { bytes, objects });
        self.engine.set_bucket_quota(bucket, bound).await.map_err(|error| refused(&error))
    }
}

#[async_trait]
impl UsageControl for AdminUsageControl {
    async fn account_usage(&self, account: String) -> Result<Usage, ApiError> {
        let account = self.identity.account(&account).await.map_err(|error| refusal(&error))?;
        self.usage(&Subject::Account(account.id), None).await
    }

    async fn user_usage(&self, account: String, user: String) -> Result<Usage, ApiError> {
        let found = async {
            let account = self.identity.account(&account).await?;
            self.identity.user(&account, &user).await
        };
        let user = found.await.map_err(|error: IdentityError| refusal(&error))?;
        self.usage(&Subject::Principal(user.id), None).await
    }

    async fn bucket_usage(&self, bucket: String) -> Result<Usage, ApiError> {
        let found = self.engine.resolve_bucket_now(&bucket).await.map_err(|error| refused(&error))?;
        self.usage(&Subject::Bucket(found.entry.id), found.entry.rules.quota).await
    }

    async fn set_bucket_quota(&self, actor: &Actor, bucket: String, quota: Quota) -> Result<(), ApiError> {
        if quota == Quota::default() {
            return Err(ApiError::new(ErrorCode::InvalidRequest, "a quota bounds bytes, objects or both"));
        }
        self.set_quota(&bucket, Some(quota)).await?;
        tracing::info!(bucket, ?quota, %actor, "quota set");
        Ok(())
    }

    async fn remove_bucket_quota(&self, actor: &Actor, bucket: String) -> Result<(), ApiError> {
        self.set_quota(&bucket, None).await?;
        tracing::info!(bucket, %actor, "quota removed");
        Ok(())
    }
}

fn holdings(held: &usage::Usage) -> Holdings {
    let count = |value: i64| u64::try_from(value).unwrap_or(0);
    Holdings {
        objects: count(held.objects),
        noncurrent_versions: count(held.noncurrent),
        delete_markers: count(held.markers),
        bytes: count(held.bytes),
        parts: count(held.parts),
        part_bytes: count(held.part_bytes),
    }
}

/// An error of the engine as the API says it.
fn refused(error: &EngineError) -> ApiError {
    let code = match error {
        EngineError::Refused(Refusal::NoSuchBucket) => {
            return ApiError::new(ErrorCode::NotFound, "there is no such bucket");
        }
        EngineError::BucketBusy => ErrorCode::Conflict,
        EngineError::Unavailable(_) | EngineError::SlowDown(_) => ErrorCode::Unavailable,
        _ => ErrorCode::Internal,
    };
    ApiError::new(code, error)
}
