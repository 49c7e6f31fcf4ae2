//! Changing the cluster's secrets, as an operator orders it, while everything runs.
//!
//! The secrets are one row beside the map. After a change the map says so, and each process has itself told them again:
//! within two seconds all of them go by the new ones. What seals users' keys is changed in steps, each known everywhere
//! before the next: the new key opens beside the old; it seals, and the old one opens; every row is sealed anew; the old
//! one goes. What was cut off between two steps the next order goes on with. The certificate authority is changed by the
//! leader of the meta group, step by step as members are ready; an order begins that and looks on.
//! Must not know: how a secret is used.

use std::time::Duration;

use bytes::Bytes;
use couronne_admin::types::{ApiError, ErrorCode, RotatedSecret, SecretName};
use couronne_base::env;
use couronne_gateway::identity::Identity;
use couronne_storage_node::node::{LocalNode, NodeError};
use thiserror::Error;
use tokio::time::{Instant, sleep};
use zeroize::Zeroizing;

use super::cluster_status::ClusterStatusSource;
use crate::folder::credentials::Credentials;
use crate::folder::secret::SecretText;
use crate::folder::secrets::{RetiringCredentials, Secrets, random_secret};

/// The longest that old root credentials are taken beside new ones, in minutes.
const KEEP_MINUTES_MAX: u32 = 24 * 60;

/// How long a change takes at most until every process that serves goes by it: a report, its answer, and the reading of
/// the secrets.
const KNOWN_AFTER: Duration = Duration::from_secs(3);

/// How long an order to change the certificate authority looks on: less than its answer is waited for.
const AUTHORITY_WAIT: Duration = Duration::from_secs(15);

/// How often it looks.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Why a secret was not changed.
#[derive(Debug, Error)]
pub(super) enum RotationError {
    /// The node did not change it.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// What was ordered makes no sense, or cannot be done now.
    #[error(transparent)]
    Refused(#[from] ApiError),
}

/// What changes secrets, at a storage node.
pub(super) struct Rotation<'a> {
    /// The node.
    pub(super) node: &'a LocalNode,
    /// Users' keys, once the node knows the secrets.
    pub(super) identity: Option<&'a Identity>,
    /// How the whole cluster is.
    pub(super) status: &'a ClusterStatusSource,
}

impl Rotation<'_> {
    /// Has another secret take the place of one.
    pub(super) async fn rotate(&self, secret: SecretName, keep_minutes: u32) -> Result<RotatedSecret, RotationError> {
        let node = self.node;
        match secret {
            SecretName::Root => rotate_root(node, keep_minutes).await,
            SecretName::AdminToken => {
                let token = random_secret(&env::system());
                change(node, |secrets| secrets.admin_token = token.clone()).await?;
                // The next command reads the new token, and every process is to know it by then.
                sleep(KNOWN_AFTER).await;
                Ok(done(
                    "the admin token is another, and so is the one that reads: `couronne secrets show` prints them",
                ))
            }
            SecretName::SealingKey => {
                let unready = || ApiError::new(ErrorCode::Unavailable, "the cluster's secrets are not known here yet");
                let count = rotate_sealing_key(node, self.identity.ok_or_else(unready)?).await?;
                Ok(done(&format!("what seals users' keys is another: {count} keys were sealed anew")))
            }
            SecretName::Authority => self.rotate_authority().await,
        }
    }

    /// Begins to change the certificate authority, or looks on while that is under way: it goes on by itself.
    async fn rotate_authority(&self) -> Result<RotatedSecret, RotationError> {
        self.node.rotate_authority().await?;
        let began = Instant::now();
        while self.node.map().authorities.is_rotating() {
            if began.elapsed() >= AUTHORITY_WAIT {
                let waits_for = self.status.read().await.authority_waits_for.unwrap_or_default();
                let message = format!(
                    "the certificate authority is being changed, and the old one counts as well until these members have \
                     done their part: {}. It goes on by itself; bring back those that are away, or expel them (`couronne \
                     node expel`), and look at `couronne status`",
                    waits_for.join(", ")
                );
                return Ok(RotatedSecret { waits_for, ..done(&message) });
            }
            sleep(LOOK_AGAIN).await;
        }
        // Until every process that serves knows.
        sleep(KNOWN_AFTER).await;
        Ok(done(
            "the certificate authority is another, and nothing that the old one signed is heard; join tokens that were \
                 made before are void",
        ))
    }
}

async fn rotate_root(node: &LocalNode, keep_minutes: u32) -> Result<RotatedSecret, RotationError> {
    if keep_minutes > KEEP_MINUTES_MAX {
        let why = format!("old root credentials are kept for {KEEP_MINUTES_MAX} minutes at most");
        return Err(ApiError::new(ErrorCode::InvalidRequest, why).into());
    }
    let env = env::system();
    let (new, now_ms) = (Credentials::generate(&env), env.clock.wall_ms());
    let until_ms = now_ms.saturating_add(u64::from(keep_minutes) * 60_000);
    change(node, |secrets| {
        secrets.retiring = (keep_minutes > 0).then(|| RetiringCredentials { until_ms, root: secrets.root() });
        (secrets.access_key, secrets.secret_key) = (new.access_key.clone(), new.secret_key.clone());
    })
    .await?;
    let message = match keep_minutes {
        0 => "the root credentials are others, and those that were are refused".to_owned(),
        minutes => format!("the root credentials are others; those that were are taken for {minutes} minutes"),
    };
    let (access_key, secret_key) = (Some(new.access_key), Some(new.secret_key.to_string()));
    Ok(RotatedSecret { access_key, secret_key, ..done(&message) })
}

/// Changes what seals users' secret keys; how many were sealed anew.
async fn rotate_sealing_key(node: &LocalNode, identity: &Identity) -> Result<u64, RotationError> {
    let failed = |error| RotationError::from(ApiError::new(ErrorCode::Unavailable, error));
    // One that was cut off left two keys: nothing is to be sealed under the one that goes.
    identity.seal_anew().await.map_err(failed)?;
    let new = random_secret(&env::system());
    let with_opening = |text: &Zeroizing<String>| Some(SecretText(text.clone()));
    change(node, |secrets| secrets.opening_secret = with_opening(&new)).await?;
    sleep(KNOWN_AFTER).await;
    change(node, |secrets| {
        secrets.opening_secret = with_opening(&secrets.sealing_secret);
        secrets.sealing_secret = new.clone();
    })
    .await?;
    sleep(KNOWN_AFTER).await;
    let count = identity.seal_anew().await.map_err(failed)?;
    change(node, |secrets| secrets.opening_secret = None).await?;
    Ok(count)
}

async fn change(node: &LocalNode, mut change: impl FnMut(&mut Secrets)) -> Result<(), RotationError> {
    let unusable = || ApiError::new(ErrorCode::Internal, "the cluster's secrets are unusable");
    let changed = |kept: &Bytes| -> Result<Bytes, RotationError> {
        let mut secrets = Secrets::parse(kept).ok_or_else(unusable)?;
        change(&mut secrets);
        Ok(secrets.bytes())
    };
    node.change_secrets(changed).await
}

fn done(message: &str) -> RotatedSecret {
    RotatedSecret { message: message.to_owned(), access_key: None, secret_key: None, waits_for: Vec::new() }
}
