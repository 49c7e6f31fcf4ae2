//! A member's certificate is renewed long before it runs out, that of a lone server too: it may become a cluster's
//! first node at its next start.
//!
//! Promises: a new key each time, made here; the new certificate is kept only after it was found usable, and
//! a process that dies between the two starts with the old one. What fails is tried again and again, for a
//! third of the certificate's life.
//! Must not know: what the member does.

use std::sync::{Arc, Weak};
use std::time::Duration;

use couronne_base::env::Env;
use couronne_cluster::Role;
use couronne_protocol::map::{MapSource as _, SharedMap};
use couronne_protocol::net::Tls;
use couronne_protocol::net::certificates::{CertificateError, PrivateKey};
use couronne_protocol::transport::{CallError, Message, Method, Transport};
use couronne_ring::NodeId;
use couronne_storage_node::node::{LocalNode, NodeError};
use thiserror::Error;
use tokio::time::{sleep, timeout};

use crate::folder::{DataFolder, DataFolderError};

/// How often the certificate is looked at, unless it is short-lived.
const LOOK_EVERY: Duration = Duration::from_secs(3600);

/// A short-lived one is looked at so often in its life.
const LOOKS: u32 = 60;

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
    /// The key cannot be made, or the certificate is unusable.
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

/// What signs the certificates of a member.
pub(super) enum CertificateSigner {
    /// The storage nodes of the map.
    Peers {
        /// The map.
        map: Arc<SharedMap>,
        /// The way to the storage nodes.
        transport: Arc<dyn Transport>,
    },
    /// The node of this process, which is alone.
    Own(Weak<LocalNode>),
}

/// What renewing takes.
pub(super) struct Renewal {
    /// This member's role.
    pub(super) role: Role,
    /// Where the certificate is kept.
    pub(super) folder: Arc<DataFolder>,
    /// What signs.
    pub(super) signer: CertificateSigner,
    /// Time.
    pub(super) env: Env,
    /// How long a certificate lasts.
    pub(super) lifetime: Duration,
}

impl Renewal {
    /// Looks after the certificate with which `tls` serves, for as long as the process runs.
    pub(super) async fn run(self, tls: Arc<Tls>) {
        let ahead_ms = u64::try_from((self.lifetime / AHEAD).as_millis()).unwrap_or(u64::MAX);
        let look_every = LOOK_EVERY.min(self.lifetime / LOOKS);
        loop {
            let then_ms = self.env.clock.wall_ms().saturating_add(ahead_ms);
            if !tls.serves_at(then_ms) {
                match self.renew(Some(&tls)).await {
                    Ok(()) => tracing::info!("the certificate was renewed"),
                    Err(error) => tracing::error!(%error, "the certificate was not renewed"),
                }
            }
            sleep(look_every).await;
        }
    }

    /// What the member serves with; a certificate that has run out is renewed first. Only a lone node can do that.
    pub(super) async fn begin(&self) -> Result<Arc<Tls>, RenewalError> {
        let tls = || -> Result<Arc<Tls>, RenewalError> {
            let member = self.folder.member(self.role)?;
            let (authority, certificate) = (&member.membership.authority, &member.membership.certificate);
            Ok(Tls::new(Arc::clone(&self.env.clock), authority, certificate, &member.key)?)
        };
        match tls() {
            Err(RenewalError::Certificate(error)) => {
                tracing::warn!(%error, "the certificate is not usable any more: it is renewed");
                self.renew(None).await?;
                tls()
            }
            tls => tls,
        }
    }

    async fn renew(&self, tls: Option<&Tls>) -> Result<(), RenewalError> {
        let key = PrivateKey::generate()?;
        let certificate = self.sign(key.request(b"")?).await?;
        // What the new one is worth is seen before the old one is overwritten.
        match tls {
            Some(tls) => tls.renew(&certificate, &key)?,
            None => {
                let authority = self.folder.member(self.role)?.membership.authority;
                Tls::new(Arc::clone(&self.env.clock), &authority, &certificate, &key).map(drop)?;
            }
        }
        Ok(self.folder.renew(key, certificate)?)
    }

    async fn sign(&self, request: Vec<u8>) -> Result<Vec<u8>, RenewalError> {
        let (map, transport) = match &self.signer {
            CertificateSigner::Peers { map, transport } => (map, transport),
            CertificateSigner::Own(node) => {
                let node = node.upgrade().ok_or(RenewalError::Ended)?;
                return Ok(node.renew(node.id(), self.role, &request).await?.to_vec());
            }
        };
        let mut why = RenewalError::Unanswered;
        for node in map.current().storage_nodes() {
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
