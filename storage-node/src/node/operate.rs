//! What operators and new members ask of a node.
//!
//! Must not know: which peers may ask.

use bytes::Bytes;
use couronne_cluster::Role;
use couronne_cluster::map::MapNode;
use couronne_cluster::report::CertificateReport;
use couronne_placement::Policy;
use couronne_protocol::join::JoinToken;
use couronne_protocol::net::certificates::{Authority, PrivateKey};
use couronne_ring::{DriveId, NodeId};

use crate::duties::{self, UnrepairedPage, UnrepairedQuery};

use super::{DriveNotes, LocalNode, NodeDrive, NodeError, TokenPlan, TokenRow};

impl LocalNode {
    /// An operator confirms that the wall clock is right: duties that were halted by a leap go on, and the cluster time
    /// catches up with it.
    pub async fn confirm_clock(&self) -> Result<(), NodeError> {
        self.membership.confirm_clock().await
    }

    /// An operator wants everything repaired now: every blob of the ranges led here is looked for.
    pub fn start_repair(&self) {
        self.duties.start_repair();
    }

    /// Which objects of a range lack shards; `None` if the range is not led here, or its rows cannot be read now.
    pub async fn list_unrepaired(&self, query: UnrepairedQuery) -> Option<UnrepairedPage> {
        duties::list(&self.duties, query).await
    }

    /// An operator wants a round of the scrubber now; `false` if one is under way.
    pub fn start_scrub(&self) -> bool {
        self.duties.start_scrub()
    }

    /// Gives this node the name, address, region and zone with which it was started, if the map has others.
    /// Waits for the meta group as long as it takes.
    pub async fn take_place(&self, place: &MapNode) -> Result<(), NodeError> {
        self.membership.take_place(place).await
    }

    /// Signs a certificate for a member that has one; its place, role and key stay as they are.
    pub async fn renew(&self, node: NodeId, role: Role, request: &[u8]) -> Result<Bytes, NodeError> {
        self.membership.renew(node, role, request).await
    }

    /// The certificate of the cluster's authority.
    pub async fn authority_certificate(&self) -> Result<Bytes, NodeError> {
        self.membership.authority_certificate().await
    }

    /// Begins to have another certificate authority take the place of the one that is, unless that is under way. It goes
    /// on by itself, until the map names the new one alone.
    pub async fn rotate_authority(&self) -> Result<(), NodeError> {
        self.membership.rotate_authority().await
    }

    /// Has the map say that this node, which is alone, has another key, which gives this id.
    pub async fn take_key(&self, key: NodeId) -> Result<(), NodeError> {
        self.membership.take_key(key).await
    }

    /// How this process stands to the certificate authorities: its reports say so from now on.
    pub fn note_certificate(&self, certificate: CertificateReport) {
        self.membership.note_certificate(certificate);
    }

    /// Changes the secrets: `change` makes others of those that there are, and may be called several times. Every member
    /// is told by the map.
    pub async fn change_secrets<E: From<NodeError>>(
        &self,
        change: impl FnMut(&Bytes) -> Result<Bytes, E>,
    ) -> Result<(), E> {
        self.membership.change_secrets(change).await
    }

    /// Adds a policy; its number is given here.
    pub async fn create_policy(&self, policy: Policy) -> Result<(), NodeError> {
        self.membership.create_policy(policy).await
    }

    /// Makes the policy of this name the one of new buckets that name none.
    pub async fn set_default_policy(&self, name: &str) -> Result<(), NodeError> {
        self.membership.set_default_policy(name).await
    }

    /// What operators call the drives that were opened.
    pub fn drive_names(&self) -> Vec<(DriveId, String)> {
        self.membership.drive_names()
    }

    /// Which drive each folder holds, and on which file system it is.
    pub async fn noted_drives(&self) -> DriveNotes {
        self.membership.noted_drives().await
    }

    /// Lets go of a drive of this node that does not serve, or that is forced to stop. Returns once nothing
    /// here uses its files: what is still open would write into those that take their place.
    pub async fn release_drive(&self, id: DriveId, is_forced: bool) -> Result<(), NodeError> {
        self.membership.release_drive(id, is_forced).await
    }

    /// Begins a drive anew in an empty folder.
    pub async fn replace_drive(&self, id: DriveId, drive: &NodeDrive) -> Result<(), NodeError> {
        self.membership.replace_drive(id, drive).await
    }

    /// Makes a token with which processes join.
    pub async fn make_token(&self, plan: TokenPlan) -> Result<JoinToken, NodeError> {
        self.membership.make_token(plan).await
    }

    /// The join tokens that are live.
    pub async fn list_tokens(&self) -> Result<Vec<TokenRow>, NodeError> {
        self.membership.list_tokens().await
    }

    /// Revokes a join token: it admits nobody any more. Whether there was one.
    pub async fn revoke_token(&self, id: u64) -> Result<bool, NodeError> {
        self.membership.revoke_token(id).await
    }

    /// Expels a member; whether it was one. Forced: although data is lost or in danger by it.
    pub async fn expel(&self, node: NodeId, is_forced: bool) -> Result<bool, NodeError> {
        self.membership.expel(node, is_forced).await
    }

    /// What the founding node keeps beside the map for gateways, opaque here; `None` if it kept nothing.
    pub async fn secrets(&self) -> Result<Option<Bytes>, NodeError> {
        self.membership.secrets().await
    }

    /// Has these secrets and this authority take the place of those that the cluster keeps, if no key here opens those: they
    /// are sealed by the newest key of the cluster that this node has. Whether it did.
    pub async fn reset_secrets(
        &self,
        secrets: Bytes,
        authority: &Authority,
        key: &PrivateKey,
    ) -> Result<bool, NodeError> {
        self.membership.reset_secrets(secrets, authority, key).await
    }

    /// Keeps the founding node's secrets and the authority, once.
    pub async fn keep_secrets(&self, secrets: Bytes, authority: &Authority, key: &PrivateKey) -> Result<(), NodeError> {
        self.membership.keep_secrets(secrets, authority, key).await
    }
}
