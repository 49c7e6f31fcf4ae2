//! What an operator orders: carried out at a storage node, whichever process was asked.
//!
//! Promises: an order that was carried out already is no error; one that is refused changed nothing.
//! Must not know: who asked, how an order travels.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use couronne_placement::{Redundancy, RedundancyError};
use couronne_protocol::transport::Role;
use couronne_ring::{DriveId, FailureDomain};
use couronne_storage_node::node::{LocalNode, NodeError, empty_folder, is_in_use};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::messages::{CreatePolicyMessage, MakeTokenMessage};
use crate::serve::parts;

/// What an operator orders.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub(crate) enum Order {
    /// A new policy.
    CreatePolicy(CreatePolicyMessage),
    /// The policy of new buckets that name none.
    SetDefaultPolicy {
        /// Its name.
        name: String,
    },
    /// Begin a drive of this node anew.
    ReplaceDrive {
        /// Its identity, hexadecimal.
        drive: String,
        /// Although it serves.
        force: bool,
    },
    /// Look for every blob of the ranges led here.
    StartRepair,
    /// Begin a round of the scrubber over the drives here.
    StartScrub,
    /// A token with which others join.
    MakeToken(MakeTokenMessage),
    /// The clock of this node is right.
    ConfirmClock,
}

/// Why an order was refused.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Refused {
    /// As HTTP says it.
    pub(crate) status: u16,
    /// In words.
    pub(crate) why: String,
}

/// What became of an order: words for a person, or for [`Order::MakeToken`] the token.
pub(crate) type Outcome = Result<String, Refused>;

/// A storage node as an operator orders it about.
pub(crate) struct Orders {
    /// The node.
    pub(crate) node: Arc<LocalNode>,
    /// The folders of its drives, as its settings name them.
    pub(crate) folders: Vec<PathBuf>,
}

impl Refused {
    /// A refusal.
    pub(crate) fn new(status: StatusCode, why: impl ToString) -> Self {
        Self { status: status.as_u16(), why: why.to_string() }
    }
}

impl From<NodeError> for Refused {
    fn from(error: NodeError) -> Self {
        let status = match error {
            NodeError::Map(_) | NodeError::Io(_) | NodeError::Replica(_) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::CONFLICT,
        };
        Self::new(status, error)
    }
}

impl Orders {
    /// Carries out an order here.
    pub(crate) async fn carry_out(&self, order: Order) -> Outcome {
        tracing::info!(?order, "an operator's order");
        match order {
            Order::CreatePolicy(message) => self.create_policy(message).await,
            Order::SetDefaultPolicy { name } => {
                self.node.set_default_policy(&name).await?;
                Ok(format!("new buckets have policy {name}"))
            }
            Order::ReplaceDrive { drive, force } => self.replace_drive(&drive, force).await,
            Order::StartRepair => {
                self.node.start_repair();
                Ok("every blob is looked for".to_owned())
            }
            Order::StartScrub => {
                let begins = self.node.start_scrub();
                Ok(if begins { "a round begins" } else { "a round is under way" }.to_owned())
            }
            Order::MakeToken(MakeTokenMessage { gateway, minutes }) => {
                let role = if gateway { Role::Gateway } else { Role::StorageNode };
                let token = self.node.make_token(role, Duration::from_secs(u64::from(minutes) * 60)).await;
                let unavailable = |error| Refused::new(StatusCode::SERVICE_UNAVAILABLE, error);
                Ok(token.map_err(unavailable)?.text().to_string())
            }
            Order::ConfirmClock => {
                let halted = self.node.status().await.duties.halted;
                self.node.confirm_clock().await;
                Ok(halted.unwrap_or_default())
            }
        }
    }

    async fn create_policy(&self, message: CreatePolicyMessage) -> Outcome {
        let malformed = |error: RedundancyError| Refused::new(StatusCode::BAD_REQUEST, error);
        let redundancy: Redundancy = message.redundancy.parse().map_err(malformed)?;
        let mut policy = parts::policy(redundancy);
        policy.name = message.name.as_str().into();
        policy.survives = message.survive_zone_loss.then_some(FailureDomain::Zone);
        self.node.create_policy(policy).await?;
        Ok(format!("policy {} made: {redundancy}", message.name))
    }

    /// Begins a drive anew in its folder, once nothing holds the old one's files any more.
    async fn replace_drive(&self, drive: &str, is_forced: bool) -> Outcome {
        let id = DriveId::parse(drive).ok_or_else(|| Refused::new(StatusCode::BAD_REQUEST, "no drive's identity"))?;
        let folder = self.folder_of(id).await?;
        let in_use = is_in_use(&folder).await?;
        if in_use && !is_forced {
            let why = format!("{} holds a drive's files: put an empty drive in its place first", folder.display());
            return Err(Refused::new(StatusCode::CONFLICT, why));
        }
        self.node.release_drive(id, is_forced).await?;
        if in_use {
            empty_folder(folder.clone()).await?;
        }
        let opened = parts::drive(&folder, self.folders.len()).await?;
        self.node.replace_drive(id, &opened).await?;
        Ok(format!("drive {id} begins anew in {}; repair refills it", folder.display()))
    }

    /// The folder of a drive: where it was opened, or else the first of the settings that no drive has.
    async fn folder_of(&self, id: DriveId) -> Result<PathBuf, Refused> {
        let names = self.node.drive_names();
        if let Some((_, name)) = names.iter().find(|(drive, _)| *drive == id) {
            return Ok(PathBuf::from(name));
        }
        for folder in &self.folders {
            let is_taken = names.iter().any(|(_, name)| *name == folder.display().to_string());
            if !is_taken && !is_in_use(folder).await? {
                return Ok(folder.clone());
            }
        }
        Err(Refused::new(StatusCode::CONFLICT, "the node's settings name no empty folder for it"))
    }
}
