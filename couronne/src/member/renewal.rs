//! A member's certificate is renewed long before it runs out.
//!
//! Promises: a new key each time, made here; the new certificate is kept only after it was found usable, and
//! a process that dies between the two starts with the old one. What fails is tried again and again, for a
//! third of the certificate's life.
//! Must not know: what the member does.

use std::sync::Arc;
use std::time::Duration;

use couronne_base::env::Env;
use couronne_client::storage_nodes;
use couronne_protocol::map::SharedMap;
use couronne_protocol::net::Tls;
use couronne_protocol::net::certificates::PrivateKey;
use couronne_protocol::transport::{Message, Method, Role, Transport};
use tokio::time::{sleep, timeout};

use super::MemberFolder;

/// How often the certificate is looked at, unless it is short-lived.
const LOOK_EVERY: Duration = Duration::from_secs(3600);

/// A short-lived one is looked at so often in its life.
const LOOKS: u32 = 60;

/// It is renewed when this part of its life is left: a third.
const AHEAD: u32 = 3;

/// How long a storage node may take to sign.
const SIGN_WAIT: Duration = Duration::from_secs(10);

/// What renewing takes.
pub(crate) struct Renewal {
    /// This member's role.
    pub(crate) role: Role,
    /// Where it is kept.
    pub(crate) folder: Arc<MemberFolder>,
    /// What serves with it.
    pub(crate) tls: Arc<Tls>,
    /// Who signs.
    pub(crate) map: Arc<SharedMap>,
    /// The way to them.
    pub(crate) transport: Arc<dyn Transport>,
    /// Time.
    pub(crate) env: Env,
    /// How long a certificate lasts.
    pub(crate) lifetime: Duration,
}

impl Renewal {
    /// Looks after the certificate for as long as the process runs.
    pub(crate) async fn run(self) {
        let ahead_ms = u64::try_from((self.lifetime / AHEAD).as_millis()).unwrap_or(u64::MAX);
        let look_every = LOOK_EVERY.min(self.lifetime / LOOKS);
        loop {
            let then_ms = self.env.clock.wall_ms().saturating_add(ahead_ms);
            if !self.tls.serves_at(then_ms) {
                match self.renew().await {
                    Ok(()) => tracing::info!("the certificate was renewed"),
                    Err(error) => tracing::error!(error, "the certificate was not renewed"),
                }
            }
            sleep(look_every).await;
        }
    }

    async fn renew(&self) -> Result<(), String> {
        let key = PrivateKey::generate().map_err(|error| error.to_string())?;
        let request = key.request().map_err(|error| error.to_string())?;
        let mut why = "the map names no storage node".to_owned();
        for node in storage_nodes(&self.map.state()) {
            let call = self.transport.call(node, Method::Renew, Message::of(request.clone().into()));
            let certificate = match timeout(SIGN_WAIT, call).await {
                Ok(Ok(answer)) => answer.head,
                Ok(Err(error)) => {
                    why = error.to_string();
                    continue;
                }
                Err(_) => continue,
            };
            let mut member = self.folder.member(self.role).map_err(|error| error.to_string())?;
            member.certificate = certificate.to_vec();
            member.key = key;
            // What the new one is worth is seen before the old one is overwritten.
            self.tls.renew(&member.certificate, &member.key).map_err(|error| error.to_string())?;
            return self.folder.keep(&member).map_err(|error| error.to_string());
        }
        Err(why)
    }
}
