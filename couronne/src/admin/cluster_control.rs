//! Control of the cluster from this process: its status is gathered from all storage nodes, and orders go to
//! whichever can carry them out.
//!
//! Must not know: HTTP.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use couronne_admin::control::{Actor, ClusterControl};
use couronne_admin::types::{
    ApiError, ClockConfirmation, ClusterMap, ClusterStatus, Done, ErrorCode, ExpelRequest, JoinToken, ReplaceRequest,
    RotateRequest, RotatedSecret, SecretName, StoragePolicy, StoragePolicyRequest, TokenDetail, TokenRequest,
    UnrepairedObjects, UnrepairedRequest,
};
use couronne_cluster::map::MAP_RANGE;
use couronne_gateway::identity::Identity;
use couronne_gateway::metrics::Metrics;
use couronne_metadata::ids::RangeId;
use tokio::time::{Instant, timeout};

use super::cluster_status::ClusterStatusSource;
use super::forwarder::AdminForwarder;
use super::health::Health;
use super::identities::refusal;
use super::map::cluster_map;
use super::messages::{Order, UnrepairedOfRange, parsed};
use super::unrepaired::Position;
use super::{durability, metrics};

/// How long the metadata may take to answer when health is asked for.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(2);

/// How long the leader of a range may take to list what lacks shards.
const RANGE_WAIT: Duration = Duration::from_secs(5);

/// After so long no further range is asked for the same answer.
const LIST_WAIT: Duration = Duration::from_secs(15);

/// The cluster as this process reaches it.
pub(super) struct AdminClusterControl {
    /// What reads metadata, to know whether it can be read.
    pub(super) identity: Identity,
    /// What was found of that a moment ago.
    pub(super) health: Health,
    /// What this process counted.
    pub(super) metrics: Arc<Metrics>,
    /// The status of the cluster.
    pub(super) status: Arc<ClusterStatusSource>,
    /// The way of orders.
    pub(super) forwarder: AdminForwarder,
}

impl AdminClusterControl {
    async fn read_metadata(&self) -> Result<(), ApiError> {
        match timeout(HEALTH_TIMEOUT, self.identity.list_accounts("", 1)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(refusal(&error)),
            Err(_) => Err(ApiError::new(ErrorCode::Unavailable, "metadata does not answer")),
        }
    }
}

#[async_trait]
impl ClusterControl for AdminClusterControl {
    async fn check_health(&self) -> Result<(), ApiError> {
        self.health.check(self.read_metadata()).await
    }

    async fn metrics(&self) -> Result<String, ApiError> {
        let counted = self.metrics.render();
        let own = metrics::page(&self.status.own.read().await);
        let failed = |error: prometheus::Error| ApiError::new(ErrorCode::Internal, error);
        Ok(counted.map_err(failed)? + &own.map_err(failed)?)
    }

    async fn status(&self) -> ClusterStatus {
        self.status.read().await
    }

    async fn map(&self) -> ClusterMap {
        cluster_map(&self.forwarder.map.state())
    }

    async fn tokens(&self, actor: &Actor) -> Result<Vec<TokenDetail>, ApiError> {
        parsed(&self.forwarder.anywhere(Order::ListTokens, actor).await?)
    }

    async fn create_token(&self, actor: &Actor, request: TokenRequest) -> Result<JoinToken, ApiError> {
        parsed(&self.forwarder.anywhere(request.into(), actor).await?)
    }

    async fn revoke_token(&self, actor: &Actor, token: String) -> Result<(), ApiError> {
        self.forwarder.anywhere(Order::RevokeToken { token }, actor).await.map(drop)
    }

    async fn expel_node(&self, actor: &Actor, node: String, request: ExpelRequest) -> Result<Done, ApiError> {
        let node = self.forwarder.node(&node)?;
        let order = Order::ExpelNode { node: node.to_string(), force: request.force };
        Ok(Done { message: self.forwarder.elsewhere(node, order, actor).await? })
    }

    async fn rotate_secret(
        &self,
        actor: &Actor,
        secret: String,
        request: RotateRequest,
    ) -> Result<RotatedSecret, ApiError> {
        let named = SecretName::ALL.into_iter().find(|known| known.name() == secret);
        let unknown = || ApiError::new(ErrorCode::NotFound, format!("there is no secret {secret}"));
        let order = Order::RotateSecret { secret: named.ok_or_else(unknown)?, keep_minutes: request.keep_minutes };
        parsed(&self.forwarder.anywhere(order, actor).await?)
    }

    async fn storage_policies(&self) -> Vec<StoragePolicy> {
        durability::policies(&self.forwarder.map.state())
    }

    async fn create_storage_policy(&self, actor: &Actor, request: StoragePolicyRequest) -> Result<Done, ApiError> {
        Ok(Done { message: self.forwarder.anywhere(request.into(), actor).await? })
    }

    async fn set_default_storage_policy(&self, actor: &Actor, name: String) -> Result<Done, ApiError> {
        Ok(Done { message: self.forwarder.anywhere(Order::SetDefaultPolicy { name }, actor).await? })
    }

    async fn replace_drive(&self, actor: &Actor, drive: String, request: ReplaceRequest) -> Result<Done, ApiError> {
        let drive = self.forwarder.drive(&drive)?;
        let order = Order::ReplaceDrive { drive: drive.to_string(), force: request.force };
        Ok(Done { message: self.forwarder.at_drive(drive, order, actor).await? })
    }

    async fn start_repair(&self, actor: &Actor) -> Result<Done, ApiError> {
        self.start(Order::StartRepair, actor).await
    }

    async fn list_unrepaired(&self, actor: &Actor, request: UnrepairedRequest) -> Result<UnrepairedObjects, ApiError> {
        self.list_ranges(actor, request).await
    }

    async fn start_scrub(&self, actor: &Actor) -> Result<Done, ApiError> {
        self.start(Order::StartScrub, actor).await
    }

    async fn confirm_clock(&self, actor: &Actor) -> Result<ClockConfirmation, ApiError> {
        let mut halted = None;
        for (node, outcome) in self.forwarder.everywhere(Order::ConfirmClock, actor).await {
            let was = outcome.map_err(|error| ApiError { message: format!("{node}: {}", error.message), ..error })?;
            halted = halted.or(Some(was).filter(|was| !was.is_empty()));
        }
        tracing::warn!(halted, %actor, "the clock was confirmed");
        Ok(ClockConfirmation { halted })
    }
}

impl AdminClusterControl {
    /// Lists what lacks shards, range after range; an answer is bounded in objects, in rows looked at and in time, and says
    /// where to go on. A range of which no leader answers is named.
    async fn list_ranges(&self, actor: &Actor, request: UnrepairedRequest) -> Result<UnrepairedObjects, ApiError> {
        let malformed = || ApiError::new(ErrorCode::InvalidRequest, "after is not what an earlier answer said");
        let from = request.after.as_deref().map(|text| Position::parse(text).ok_or_else(malformed)).transpose()?;
        let (began, mut listed) = (Instant::now(), UnrepairedObjects::default());
        let limit = request.limit.clamp(1, UnrepairedRequest::LIMIT_MAX);
        let mut ranges: Vec<RangeId> = self.forwarder.map.state().all_ranges().map(|range| range.id).collect();
        ranges.sort_unstable();
        let first = from.map_or(RangeId(0), |from| from.range);
        for range in ranges.into_iter().filter(|range| *range != MAP_RANGE && *range >= first) {
            let left = limit.saturating_sub(u32::try_from(listed.objects.len()).unwrap_or(u32::MAX));
            if left == 0 || began.elapsed() > LIST_WAIT {
                listed.next = Some(Position { range, after: None }.text());
                return Ok(listed);
            }
            let after =
                from.filter(|from| from.range == range).and_then(|from| from.after).map(|blob| blob.to_string());
            let order = Order::ListUnrepaired { range: range.0, after, limit: left, unreadable: request.unreadable };
            match timeout(RANGE_WAIT, self.forwarder.at_replicas(range, order, actor)).await {
                Ok(Ok(said)) => {
                    let of_range: UnrepairedOfRange = parsed(&said)?;
                    listed.objects.extend(of_range.objects);
                    if let Some(next) = of_range.next {
                        listed.next = Some(format!("{}-{next}", range.0));
                        return Ok(listed);
                    }
                }
                Ok(Err(refused)) if refused.code == ErrorCode::Forbidden => return Err(refused),
                Ok(Err(_)) | Err(_) => listed.silent_ranges.push(range.0),
            }
        }
        Ok(listed)
    }

    /// Has every storage node begin something; one that does is enough.
    async fn start(&self, order: Order, actor: &Actor) -> Result<Done, ApiError> {
        let mut said = Vec::new();
        for (node, outcome) in self.forwarder.everywhere(order, actor).await {
            match outcome {
                Ok(done) => said.push((node, done, true)),
                Err(refused) => said.push((node, refused.message, false)),
            }
        }
        let first = said.first().map(|(_, words, _)| words.clone());
        let alike = said.iter().all(|(_, words, done)| *done && first.as_ref() == Some(words));
        let each: Vec<String> = said.iter().map(|(node, words, _)| format!("{node}: {words}")).collect();
        match (said.iter().any(|(_, _, done)| *done), first) {
            (true, Some(first)) if alike => Ok(Done { message: first }),
            (true, _) => Ok(Done { message: each.join("\n") }),
            (false, Some(_)) => Err(ApiError::new(ErrorCode::Unavailable, each.join("; "))),
            (false, None) => Err(ApiError::new(ErrorCode::Unavailable, "no storage node is known")),
        }
    }
}
