//! A member trusts the peers that the newest map says, and its certificate is renewed: long before it runs out, and at once when
//! another authority signs. That of a lone server is, too: it may become a cluster's first node at its next start.
//!
//! Promises: the member's key stays; the new certificate is kept only after it was found usable, and
//! a process that dies between the two starts with the old one. What fails is tried again and again, for a
//! third of the certificate's life.
//! Must not know: what the member does.

use std::sync::{Arc, Weak};
use std::time::Duration;

use couronne_base::env::Env;
use couronne_cluster::Role;
use couronne_cluster::map::ClusterMap;
use couronne_protocol::map::{MapSource as _, SharedMap};
use couronne_protocol::net::certificates::CertificateError;
use couronne_protocol::net::{Tls, Trust};
use couronne_protocol::transport::{CallError, Message, Method, Transport};
use couronne_ring::NodeId;
use couronne_storage_node::node::{LocalNode, NodeError};
use thiserror::Error;
use tokio::time::{sleep, timeout};

use crate::folder::{DataFolder, DataFolderError, Member, MemberFile};

/// How often the certificate is looked at, unless it is short-lived.
const LOOK_EVERY: Duration = Duration::from_secs(3600);

/// A short-lived one is looked at so often in its life.
const LOOKS: u32 = 60;

/// The pause after it was not renewed although another authority signs.
const RENEW_AGAIN: Duration = Duration::from_secs(1);

/// It is renewed when this part of its life is left: a third.
const AHEAD: u32 = 3;

/// How long a storage node may take to sign.
const SIGN_WAIT: Duration = Duration::from_secs(10);

/// Why a certificate was not renewed.
#[derive(Debug, Error)]
pub(crate) enum RenewalError {
    /// The data folder cannot be read or written.
    #[error(transparent)]
    DataFolder(#[from] DataFolderError),
    /// The key is unreadable, or the certificate is unusable.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The node of this process did not sign.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// A storage node did not sign.
    #[error("asking {node}: {error}")]
    Call {
        /// The node.
        node: NodeId,
        /// What happened.
        error: CallError,
    },
    /// No storage node answered.
    #[error("no storage node of the map answers")]
    Unanswered,
    /// The node of this process has ended.
    #[error("the node has ended")]
    Ended,
}

/// What a member's certificate and its trust in others take.
pub(super) struct Renewal {
    /// This member's role.
    pub(super) role: Role,
    /// The member, as it was at the start.
    pub(super) member: MemberFile,
    /// Where the certificate is kept.
    pub(super) folder: Arc<DataFolder>,
    /// The newest map known here: it says which authorities are trusted, and which one signs.
    pub(super) map: Arc<SharedMap>,
    /// The way to the storage nodes, which sign; `None`: the node of this process is alone, and signs.
    pub(super) transport: Option<Arc<dyn Transport>>,
    /// The node of this process, if it has one.
    pub(super) node: Weak<LocalNode>,
    /// Time.
    pub(super) env: Env,
    /// How long a certificate lasts.
    pub(super) lifetime: Duration,
}

impl Renewal {
    /// Looks after the certificate with which `tls` serves, and after what `tls` trusts, for as long as the process runs.
    pub(super) async fn run(mut self, tls: Arc<Tls>) {
        let ahead_ms = u64::try_from((self.lifetime / AHEAD).as_millis()).unwrap_or(u64::MAX);
        let mut versions = self.map.follow();
        loop {
            let map = self.map.state();
            let mut look_after = LOOK_EVERY.min(self.lifetime / LOOKS);
            if let Err(error) = self.follow(&tls, &map) {
                tracing::error!(%error, "the peers that the cluster trusts are not trusted yet");
                look_after = look_after.min(RENEW_AGAIN);
            }
            let then_ms = self.env.clock.wall_ms().saturating_add(ahead_ms);
            // Until the map names the authority of a reset there is nobody who signs.
            let counts = self.member.goes_by(&map);
            let is_old = || counts && tls.certificate_report().signed_by < map.authorities.signing;
            let is_unknown = counts && !map.keys.knows(tls.name().node());
            if is_unknown || is_old() || !tls.serves_at(then_ms) {
                match self.renew(&tls).await {
                    Ok(()) => tracing::info!("the certificate was renewed"),
                    Err(error) => tracing::error!(%error, "the certificate was not renewed"),
                }
                // A node that had an older map may have signed with the old authority.
                if is_unknown || is_old() {
                    look_after = look_after.min(RENEW_AGAIN);
                }
            }
            if counts && let Some(node) = self.node.upgrade() {
                node.note_certificate(tls.certificate_report());
            }
            tokio::select! {
                () = sleep(look_after) => {}
                changed = versions.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Has TLS trust the peers that a map says to trust, unless it is from before the secrets were reset. That mark goes once
    /// the map is kept that names the authority of the reset.
    fn follow(&mut self, tls: &Tls, map: &ClusterMap) -> Result<(), RenewalError> {
        if !self.member.goes_by(map) {
            return Ok(());
        }
        if self.member.is_reset {
            self.folder.keep_map(map)?;
            self.folder.end_reset()?;
            self.member.is_reset = false;
        }
        Ok(trust(tls, map)?)
    }

    /// What the member serves with; a certificate that has run out is renewed first. Only a lone node can do that.
    pub(super) async fn begin(&self) -> Result<Arc<Tls>, RenewalError> {
        let member = self.folder.member(self.role)?;
        match tls_of(&member, None, &self.env) {
            Ok(tls) if tls.serves_at(self.env.clock.wall_ms()) => Ok(tls),
            judged => {
                let error = judged.err().map(tracing::field::display);
                tracing::warn!(error, "the certificate is not usable or has run out: it is renewed");
                let key = member.key;
                let (certificate, node) = (self.sign(key.request(b"")?).await?, self.node.upgrade());
                let authority = node.ok_or(RenewalError::Ended)?.authority_certificate().await?;
                // What the new one is worth is seen before the old one is overwritten.
                let tls = Tls::new(Arc::clone(&self.env.clock), &authority, &certificate, &key)?;
                self.folder.renew(certificate, authority.to_vec())?;
                Ok(tls)
            }
        }
    }

    async fn renew(&self, tls: &Tls) -> Result<(), RenewalError> {
        let key = self.folder.member(self.role)?.key;
        let certificate = self.sign(key.request(b"")?).await?;
        // What the new one is worth is seen before the old one is overwritten; and it is kept before anybody is told, by
        // a process that finds at its next start that it trusts the authority.
        let authority = tls.issuer(&certificate, &key)?;
        self.folder.keep_map(&self.map.state())?;
        self.folder.renew(certificate.clone(), authority.to_vec())?;
        Ok(tls.renew(&certificate, &key)?)
    }

    async fn sign(&self, request: Vec<u8>) -> Result<Vec<u8>, RenewalError> {
        let Some(transport) = &self.transport else {
            let node = self.node.upgrade().ok_or(RenewalError::Ended)?;
            return Ok(node.renew(node.id(), self.role, &request).await?.to_vec());
        };
        let mut why = RenewalError::Unanswered;
        for node in self.map.current().storage_nodes() {
            let call = transport.call(node, Method::Renew, Message::of(request.clone().into()));
            match timeout(SIGN_WAIT, call).await {
                Ok(Ok(answer)) => return Ok(answer.head.to_vec()),
                Ok(Err(error)) => why = RenewalError::Call { node, error },
                Err(_) => {}
            }
        }
        Err(why)
    }
}

/// What a member speaks TLS with. It trusts the peers that a map says to trust.
pub(super) fn tls_of(member: &Member, map: Option<&ClusterMap>, env: &Env) -> Result<Arc<Tls>, CertificateError> {
    let MemberFile { authority, certificate, .. } = &member.membership;
    let tls = Tls::new(Arc::clone(&env.clock), authority, certificate, &member.key)?;
    map.filter(|map| member.membership.goes_by(map)).map_or(Ok(()), |map| trust(&tls, map))?;
    Ok(tls)
}

/// Has TLS trust the peers that a map says to trust.
fn trust(tls: &Tls, map: &ClusterMap) -> Result<(), CertificateError> {
    Trust::of(map).map_or(Ok(()), |trust| tls.trust(trust))
}
