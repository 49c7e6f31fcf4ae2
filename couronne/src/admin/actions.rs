//! Orders of operators, carried out at a storage node.
//!
//! Promises: no order is carried out without the operator's own token, whichever process passed it on; one that was carried
//! out already is no error; one that is refused changed nothing. Each is logged with its actor. Must not know: the process that was asked, how an order travels.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use couronne_admin::server::{AdminTokens, Opened};
use couronne_admin::types::{ApiError, ErrorCode, JoinToken, NodeRole, TokenDetail};
use couronne_cluster::Role;
use couronne_gateway::identity::Identity;
use couronne_placement::{Redundancy, RedundancyError};
use couronne_ring::{DriveId, FailureDomain, NodeId};
use couronne_storage_node::node::{
    DriveNotes, LocalNode, NodeError, TokenPlan, TokenRow, check_makeable, empty_folder, is_in_use,
};
use serde::Serialize;
use thiserror::Error;

use super::cluster_status::ClusterStatusSource;
use super::map::role;
use super::messages::{GivenOrder, Order};
use super::rotation::{Rotation, RotationError};
use super::unrepaired::OfRange;
use super::{spare, unrepaired};
use crate::folder::DataFolder;
use crate::{drives, policy};

/// What became of an order: words for a person, or JSON where something was made or found.
pub(crate) type Outcome = Result<String, ApiError>;

/// A storage node as an operator orders it about.
pub(crate) struct AdminActions {
    /// The node.
    pub(crate) node: Arc<LocalNode>,
    /// Where is noted which drive each folder holds.
    pub(crate) folder: Arc<DataFolder>,
    /// The folders of its drives, as its settings name them.
    pub(crate) folders: Vec<PathBuf>,
    /// The tokens of operators.
    pub(crate) tokens: Arc<AdminTokens>,
    /// How the whole cluster is.
    pub(crate) status: Arc<ClusterStatusSource>,
    /// Accounts, users and keys; unset until the cluster's secrets are known here.
    pub(crate) identity: OnceLock<Identity>,
}

/// Why an order was not carried out here.
#[derive(Debug, Error)]
enum ActionError {
    /// The node refused, or failed.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// What was ordered makes no sense, or is not allowed as things stand.
    #[error(transparent)]
    Refused(#[from] ApiError),
}

impl From<RotationError> for ActionError {
    fn from(error: RotationError) -> Self {
        match error {
            RotationError::Node(error) => Self::Node(error),
            RotationError::Refused(refused) => Self::Refused(refused),
        }
    }
}

impl From<ActionError> for ApiError {
    fn from(error: ActionError) -> Self {
        match error {
            ActionError::Refused(refused) => refused,
            ActionError::Node(error @ (NodeError::Map(_) | NodeError::Io(_) | NodeError::Replica(_))) => {
                Self::new(ErrorCode::Unavailable, error)
            }
            ActionError::Node(error) => Self::new(ErrorCode::Conflict, error),
        }
    }
}

impl AdminActions {
    /// Carries out an order here.
    pub(crate) async fn carry_out(&self, GivenOrder { order, actor, token }: GivenOrder) -> Outcome {
        match self.tokens.opened_by(token.as_bytes()) {
            Some(Opened::Orders) => {}
            Some(Opened::Reading) if order.only_reads() => {}
            _ => {
                tracing::warn!(?order, actor, "an order came without the token that it takes");
                return Err(ApiError::new(ErrorCode::Forbidden, "the order came without the token that it takes"));
            }
        }
        tracing::info!(?order, actor, "carrying out an operator's order");
        Ok(self.perform(order).await?)
    }

    async fn perform(&self, order: Order) -> Result<String, ActionError> {
        match order {
            Order::CreatePolicy { name, redundancy, survive_zone_loss } => {
                self.create_policy(&name, &redundancy, survive_zone_loss).await
            }
            Order::SetDefaultPolicy { name } => {
                self.node.set_default_policy(&name).await?;
                Ok(format!("new buckets have policy {name}"))
            }
            Order::ReplaceDrive { drive, force } => self.replace_drive(&drive, force).await,
            Order::StartRepair => {
                self.node.start_repair();
                Ok("every blob is looked for".to_owned())
            }
            Order::ListUnrepaired { range, after, limit, unreadable: is_unreadable_only } => {
                let of_range = OfRange { range, after, limit, is_unreadable_only };
                json(&unrepaired::list_here(&self.node, self.identity.get(), of_range).await?)
            }
            Order::StartScrub => {
                let begins = self.node.start_scrub();
                Ok(if begins { "a round begins" } else { "a round is under way" }.to_owned())
            }
            Order::CreateToken { role, lifetime_minutes, joins_max } => {
                let role = match role {
                    NodeRole::Gateway => Role::Gateway,
                    NodeRole::StorageNode => Role::StorageNode,
                };
                let lifetime = Duration::from_secs(u64::from(lifetime_minutes) * 60);
                let token = self.node.make_token(TokenPlan { role, lifetime, joins_max }).await?;
                json(&JoinToken { id: format!("{:016x}", token.id), token: token.text().to_string() })
            }
            Order::ListTokens => {
                let tokens = self.node.list_tokens().await?;
                json(&tokens.iter().map(shown_token).collect::<Vec<_>>())
            }
            Order::RevokeToken { token } => {
                let unknown = || ApiError::new(ErrorCode::NotFound, format!("there is no join token {token}"));
                let id = u64::from_str_radix(&token, 16).map_err(|_| unknown())?;
                match self.node.revoke_token(id).await? {
                    true => Ok(String::new()),
                    false => Err(unknown().into()),
                }
            }
            Order::RotateSecret { secret, keep_minutes } => {
                let rotation = Rotation { node: &self.node, identity: self.identity.get(), status: &self.status };
                json(&rotation.rotate(secret, keep_minutes).await?)
            }
            Order::ExpelNode { node, force } => self.expel(&node, force).await,
            Order::ConfirmClock => {
                let halted = self.node.status().await.duties.halted;
                self.node.confirm_clock().await?;
                Ok(halted.unwrap_or_default())
            }
        }
    }

    /// Expels a member. Where a storage node is not expelled by force the cluster must be able to do without its drives.
    async fn expel(&self, node: &str, is_forced: bool) -> Result<String, ActionError> {
        let id = NodeId::parse(node).ok_or_else(|| ApiError::new(ErrorCode::InvalidRequest, "no member's identity"))?;
        let map = self.node.map();
        let name = map.name_of(id);
        if !is_forced && map.is_member(id, Role::StorageNode) {
            let own_name = map.nodes.get(&id).map(|node| node.name.to_string()).unwrap_or_default();
            spare::check(&self.status.read().await, |drive| drive.node == own_name)?;
        }
        Ok(match self.node.expel(id, is_forced).await? {
            true => format!("{name} is expelled: within a second no member hears it any more"),
            false => format!("{name} was expelled before"),
        })
    }

    async fn create_policy(
        &self,
        name: &str,
        redundancy: &str,
        survive_zone_loss: bool,
    ) -> Result<String, ActionError> {
        let malformed = |error: RedundancyError| ApiError::new(ErrorCode::InvalidRequest, error);
        let redundancy: Redundancy = redundancy.parse().map_err(malformed)?;
        let mut policy = policy::of(redundancy);
        policy.name = name.into();
        policy.survives = survive_zone_loss.then_some(FailureDomain::Zone);
        self.node.create_policy(policy).await?;
        Ok(format!("policy {name} made: {redundancy}"))
    }

    /// Begins a drive anew in its folder, once nothing holds the old one's files any more.
    async fn replace_drive(&self, drive: &str, is_forced: bool) -> Result<String, ActionError> {
        let id =
            DriveId::parse(drive).ok_or_else(|| ApiError::new(ErrorCode::InvalidRequest, "no drive's identity"))?;
        let folder = self.folder_of(id).await?;
        check_makeable(&folder, &self.drive_notes()?).await?;
        let in_use = is_in_use(&folder).await?;
        if is_forced {
            spare::check(&self.status.read().await, |other| other.id == id.to_string())?;
        }
        if in_use && !is_forced {
            let why = format!("{} holds a drive's files: put an empty drive in its place first", folder.display());
            return Err(ApiError::new(ErrorCode::Conflict, why).into());
        }
        self.node.release_drive(id, is_forced).await?;
        if in_use {
            empty_folder(folder.clone()).await?;
        }
        let opened = drives::open_one(&folder, self.folders.len()).await?;
        self.node.replace_drive(id, &opened).await?;
        // The data folder's own files may have been on the disk that died.
        let kept = self.folder.restore().and(self.folder.keep_drive_notes(&self.node.noted_drives().await));
        kept.map_err(|error| ApiError::new(ErrorCode::Unavailable, error))?;
        Ok(format!("drive {id} begins anew in {}; repair refills it", folder.display()))
    }

    fn drive_notes(&self) -> Result<DriveNotes, ActionError> {
        Ok(self.folder.drive_notes().map_err(|error| ApiError::new(ErrorCode::Unavailable, error))?)
    }

    /// The folder of a drive: where it was opened, else the one that is noted for it, else the first of the settings that
    /// no drive has and that is noted for none.
    async fn folder_of(&self, id: DriveId) -> Result<PathBuf, ActionError> {
        let names = self.node.drive_names();
        if let Some((_, name)) = names.iter().find(|(drive, _)| *drive == id) {
            return Ok(PathBuf::from(name));
        }
        let notes = self.drive_notes()?;
        let of_id = |folder: &PathBuf| notes.by_name.get(&folder.display().to_string()).map(|noted| noted.drive == id);
        let (noted, others): (Vec<_>, Vec<_>) = self.folders.iter().partition(|folder| of_id(folder) == Some(true));
        let unnoted = others.into_iter().filter(|folder| of_id(folder).is_none());
        for folder in noted.into_iter().chain(unnoted) {
            let is_taken = names.iter().any(|(_, name)| *name == folder.display().to_string());
            if !is_taken && !is_in_use(folder).await? {
                return Ok(folder.clone());
            }
        }
        Err(ApiError::new(ErrorCode::Conflict, "the node's settings name no empty folder for it").into())
    }
}

/// What an order found, as text.
fn json(found: &impl Serialize) -> Result<String, ActionError> {
    serde_json::to_string(found).map_err(|error| ApiError::new(ErrorCode::Internal, error).into())
}

/// A join token as the API shows it.
fn shown_token(token: &TokenRow) -> TokenDetail {
    TokenDetail {
        id: format!("{:016x}", token.id),
        role: role(token.role),
        expires_ms: token.expires_ms,
        joins_max: token.joins_max,
        joined: token.joined.iter().map(ToString::to_string).collect(),
    }
}
