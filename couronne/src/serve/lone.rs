//! The lone server's cluster of one: founded at the first start, opened at each, in the same files as any member's.
//!
//! Promises: nothing that its folder was made with is changed by a later start. Must not know: listeners.

use std::path::PathBuf;
use std::sync::Arc;

use couronne_base::env::Env;
use couronne_cluster::Role;
use couronne_placement::Redundancy;
use couronne_storage_node::node::{DriveNotes, LocalNode, Membership, NodeDrive, NodeSettings};

use super::renewal::Renewal;
use super::{ServeError, kept_map, parts, recovery, secrets};
use crate::cluster::founding::{self, Plan};
use crate::folder::credentials;
use crate::folder::secrets::Secrets;
use crate::folder::{DataFolder, DataFolderError, Member};
use crate::settings::Settings;
use crate::{drives, policy};

/// A lone server's node and what it serves with.
pub(super) struct Lone {
    pub(super) folder: Arc<DataFolder>,
    pub(super) node: Arc<LocalNode>,
    pub(super) secrets: Secrets,
    /// The version of the secrets, as the map counts them.
    pub(super) secrets_version: u64,
    /// The folder of each drive.
    pub(super) drives: Vec<PathBuf>,
    /// The redundancy of the default policy.
    pub(super) redundancy: Redundancy,
    /// Whether this start founded the cluster.
    pub(super) is_new: bool,
}

impl Lone {
    /// Starts the node, and looks after its certificate.
    pub(super) async fn start(folder: Arc<DataFolder>, settings: &Settings, env: &Env) -> Result<Self, ServeError> {
        let preset = credentials::preset().map_err(DataFolderError::from)?;
        let (begun, opened) = open(&folder, settings, env).await?;
        let is_new = matches!(begun, Begun::Founded(_));
        let (known, noted) = (begun.member().map(|member| member.node), folder.drive_notes()?);
        let node_settings = parts::node_settings(settings, &folder, true)?;
        let node_settings = NodeSettings { node: known, noted, ..node_settings };
        let node = LocalNode::open(env.clone(), opened, node_settings).await?;
        // No peer can reach it.
        node.take_place(&settings.place(String::new())).await?;
        let member = match begun {
            Begun::Founded(member) | Begun::Opened(member) => member,
            Begun::IdentityLost => {
                recovery::recover(&folder, &node, settings.cluster.certificate_lifetime(), env).await?
            }
        };
        folder.keep_drive_notes(&node.noted_drives().await)?;
        tokio::spawn(kept_map::follow(Arc::clone(&folder), Arc::clone(node.shared_map())));
        let secrets_version = node.map().secrets_version;
        let secrets = secrets::of_lone(&folder, &member, &node, preset).await?;
        let renewal = Renewal {
            role: Role::StorageNode,
            member: member.membership,
            folder: Arc::clone(&folder),
            map: Arc::clone(node.shared_map()),
            transport: None,
            node: Arc::downgrade(&node),
            env: env.clone(),
            lifetime: settings.cluster.certificate_lifetime(),
        };
        let tls = renewal.begin().await?;
        tokio::spawn(renewal.run(tls));
        let (drives, redundancy) = (folder.drive_folders()?, node.map().redundancy());
        let redundancy = redundancy.ok_or(ServeError::Cluster("policy"))?;
        Ok(Self { folder, node, secrets, secrets_version, drives, redundancy, is_new })
    }
}

/// How a start begins.
enum Begun {
    /// With a cluster of this server alone, founded now.
    Founded(Member),
    /// With the member that the data folders say.
    Opened(Member),
    /// With drives that were in use here, while the data folders do not say by which node.
    IdentityLost,
}

impl Begun {
    /// The member, if the data folders say which.
    const fn member(&self) -> Option<&Member> {
        match self {
            Self::Founded(member) | Self::Opened(member) => Some(member),
            Self::IdentityLost => None,
        }
    }
}

/// The member of this folder and its drives; founds a cluster of it alone at the first start. Where that is refused
/// nothing was made or written.
async fn open(folder: &DataFolder, settings: &Settings, env: &Env) -> Result<(Begun, Vec<NodeDrive>), ServeError> {
    if folder.has_member()? {
        let member = folder.member(Role::StorageNode)?;
        let folders = folder.drive_folders()?;
        drives::require_any(&folders).await?;
        let drives = drives::open(&folders, &folder.drive_notes()?).await?;
        folder.check_owner(Membership::owner(&drives, Some(member.node)).await?, &member)?;
        if let Some(known) = folder.map()? {
            let notes = folder.drive_notes()?;
            Membership::prepare_drives_again(env, &drives, member.node, &known, None, &notes).await?;
        }
        return Ok((Begun::Opened(member), drives));
    }
    if let Some(owner) = drives::owner(folder).await?.filter(|owner| owner.is_used) {
        let folders = recovery::drive_folders(folder, &owner)?;
        return Ok((Begun::IdentityLost, drives::open(&folders, &DriveNotes::default()).await?));
    }
    let count = folder.drive_count()?;
    let asked = settings.data.redundancy()?;
    let redundancy = asked.unwrap_or_else(|| policy::default_redundancy(count));
    policy::check(redundancy, count)?;
    let plan = Plan { redundancy, nodes: 1, place: settings.place(String::new()) };
    let drives = founding::found(folder, settings, plan, env).await?;
    Ok((Begun::Founded(folder.member(Role::StorageNode)?), drives))
}
