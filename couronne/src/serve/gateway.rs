//! `couronne gateway`: S3 over a cluster's storage nodes. It keeps nothing but its identity.
//!
//! Start: member, the last known map, the way to the nodes; then what the cluster tells it (the newest
//! map, its secrets), for which it waits; then the doors open. While it runs it follows the map.
//! Promises: killed at any moment it leaves nothing to clean up.
//! Must not know: drives.

use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use couronne_admin::server::AdminTokens;
use couronne_base::env::Env;
use couronne_client::{Member, Reporter, report};
use couronne_cluster::Role;
use couronne_cluster::map::ClusterMap;
use couronne_cluster::report::NodeReport;
use couronne_gateway::engine::Components;
use couronne_gateway::front::server;
use couronne_gateway::identity::Identity;
use couronne_protocol::map::{MapSource as _, SharedMap};
use couronne_protocol::net::{NetSettings, NetTransport, Tls};
use couronne_protocol::remote::{RemoteRanges, RemoteShards};
use couronne_protocol::transport::{Message, Method, Transport};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::descriptors::Descriptors;
use super::renewal::{Renewal, tls_of};
use super::traffic::Traffic;
use super::{ServeError, audit, end, listen, parts, signals};
use crate::admin::{self, AdminForwarder, ClusterStatusSource, LastHeard, StatusSource};
use crate::folder::DataFolder;
use crate::folder::secrets::SharedSecrets;
use crate::settings::Settings;
use crate::terminal::say;
use couronne_base::env;

/// How long a storage node may take to answer.
const ANSWER_WAIT: Duration = Duration::from_secs(2);

/// The pause after no storage node answered.
const RETRY_PAUSE: Duration = Duration::from_millis(300);

/// How long storage nodes may give no secrets before that is worth a warning: processes that are started together are
/// ready one after the other, and a cluster that forms gives none until it has begun.
const CALM_FOR: Duration = Duration::from_secs(10);

/// The way to the cluster's storage nodes.
struct Cluster {
    transport: Arc<dyn Transport>,
    map: Arc<SharedMap>,
    folder: Arc<DataFolder>,
    tls: Arc<Tls>,
    env: Env,
}

/// Start, serve, stop.
pub(super) async fn serve(settings: Settings) -> Result<(), ServeError> {
    let descriptors = Descriptors::raise();
    let env = env::system();
    let folder = Arc::new(DataFolder::open(&settings.data)?);
    let member = folder.member(Role::Gateway)?;
    let map = Arc::new(SharedMap::new(folder.gateway_map()?));
    let tls = tls_of(&member, Some(&map.state()), &env)?;
    let traffic = Traffic::new(Arc::clone(&env.clock))?;
    let transport = traffic.transport(NetTransport::new(tls.clone(), map.clone(), NetSettings::default()));
    let (s3_listener, s3) = listen(settings.s3.listen, "`listen` in [s3] of the settings file").await?;
    let (admin_listener, admin) = listen(settings.admin.listen, "`listen` in [admin] of the settings file").await?;
    let (s3_tls, admin_tls) = (parts::tls(&settings.s3)?, parts::admin_tls(&settings.admin)?);

    let renewal = Renewal {
        role: Role::Gateway,
        member: member.membership,
        folder: Arc::clone(&folder),
        map: map.clone(),
        transport: Some(Arc::clone(&transport)),
        node: Weak::new(),
        env: env.clone(),
        lifetime: settings.cluster.certificate_lifetime(),
    };
    tokio::spawn(renewal.run(Arc::clone(&tls)));
    let cluster = Arc::new(Cluster { transport, map, folder, tls, env: env.clone() });
    let signal = signals::stop().map_err(ServeError::Runtime)?;
    let mut signal = std::pin::pin!(signal);
    let (secrets, secrets_version) = tokio::select! {
        secrets = cluster.secrets() => secrets,
        () = &mut signal => return Ok(()),
    };
    let (transport, map) = (Arc::clone(&cluster.transport), Arc::clone(&cluster.map));
    let components = Components {
        shards: Arc::new(RemoteShards::new(Arc::clone(&transport), map.clone())),
        ranges: Arc::new(RemoteRanges::new(transport, map.clone())),
        map: map.clone(),
        env: env.clone(),
    };
    let (gateway, audit_writer) = parts::gateway(components, &secrets, &settings)?;
    traffic.register(gateway.metrics.registry())?;
    let digests = secrets.token_digests().ok_or(ServeError::Cluster("admin token"))?;
    let status = Arc::new(ClusterStatusSource {
        own: Arc::new(StatusSource::of_gateway(Arc::clone(&map), env, s3)),
        id: None,
        map: Arc::clone(&map),
        transport: Some(Arc::clone(&cluster.transport)),
        heard: LastHeard::default(),
    });
    let forwarder = AdminForwarder { here: None, map, transport: Some(Arc::clone(&cluster.transport)) };
    let tokens = Arc::new(AdminTokens::new(Some(digests)));
    tokio::spawn(follow_secrets(Arc::clone(&cluster), gateway.identity.clone(), Arc::clone(&tokens), secrets_version));
    let api = admin::api(tokens, &gateway, status, forwarder);
    let (stop, stopped) = watch::channel(false);
    let following = tokio::spawn(report(Arc::downgrade(&cluster), cluster.reporter()));
    let server = cluster.folder.running((Some(s3), s3_tls.is_some()), None, (admin, &settings.admin));
    cluster.folder.keep_reading_token(&secrets.reading_token)?;
    cluster.folder.announce(&server)?;
    let admin_task = tokio::spawn(couronne_admin::server::serve(admin_listener, api, admin_tls, stopped.clone()));
    say(&format!("Couronne {}: gateway {} on {s3}", env!("CARGO_PKG_VERSION"), settings.cluster.name));
    tracing::info!(%s3, %admin, "serving");
    let served = parts::server_settings(&settings, descriptors, 0)?;
    server::serve(s3_listener, parts::faces(gateway), served, s3_tls, signal).await;

    tracing::info!("stopping");
    following.abort();
    stop.send_replace(true);
    end([admin_task], audit::close(audit_writer), &cluster.folder).await;
    Ok(())
}

impl Cluster {
    /// The cluster's secrets, as soon as a node gives them, and the version of the map that counts them, which may be an
    /// older one.
    async fn secrets(&self) -> (SharedSecrets, u64) {
        let mut reporter = self.reporter();
        let began = Instant::now();
        loop {
            reporter.report_once(self).await;
            let version = self.map.state().secrets_version;
            for node in self.map.current().storage_nodes() {
                let call = self.transport.call(node, Method::Secrets, Message::default());
                let is_early = began.elapsed() < CALM_FOR;
                match timeout(ANSWER_WAIT, call).await {
                    Ok(Ok(message)) => match SharedSecrets::parse(&message.head) {
                        Some(secrets) => return (secrets, version),
                        None => tracing::warn!(%node, "a node's answer does not parse"),
                    },
                    Ok(Err(error)) if is_early => tracing::info!(%node, %error, "a node does not give the secrets yet"),
                    Err(_) if is_early => tracing::info!(%node, "a node does not answer yet"),
                    Ok(Err(error)) => tracing::warn!(%node, %error, "a node does not give the secrets"),
                    Err(_) => tracing::warn!(%node, "a node does not answer"),
                }
            }
            sleep(RETRY_PAUSE).await;
        }
    }

    /// The way of the gateway's reports.
    fn reporter(&self) -> Reporter {
        Reporter::new(Some(Arc::clone(&self.transport)), Arc::clone(&self.map), None)
    }
}

/// Follows the cluster's secrets for as long as the process runs: whenever the map says that they were changed they are
/// asked for again, and count from then on.
async fn follow_secrets(cluster: Arc<Cluster>, identity: Identity, tokens: Arc<AdminTokens>, mut known: u64) {
    let mut versions = cluster.map.follow();
    loop {
        if cluster.map.state().secrets_version != known {
            let (secrets, version) = cluster.secrets().await;
            known = version;
            let (Some(identities), Some(digests)) = (secrets.identities(), secrets.token_digests()) else {
                tracing::error!("the cluster's new secrets are unusable");
                continue;
            };
            tokens.change(digests);
            if let Err(error) = identity.change_secrets(identities) {
                tracing::error!(%error, "the cluster's new secrets are unusable");
            }
            if let Err(error) = cluster.folder.keep_reading_token(&secrets.reading_token) {
                tracing::warn!(%error, "the token that reads could not be kept");
            }
        } else if versions.changed().await.is_err() {
            return;
        }
    }
}

#[async_trait]
impl Member for Cluster {
    fn own_report(&self) -> NodeReport {
        NodeReport {
            map_version: self.map.state().version,
            build: env!("CARGO_PKG_VERSION").to_owned(),
            wall_ms: Some(self.env.clock.wall_ms()),
            certificate: Some(self.tls.certificate_report()),
            ..NodeReport::default()
        }
    }

    async fn learn(&self, map: ClusterMap) {
        let view = map.view();
        if self.map.learn(map.clone(), view)
            && let Err(error) = self.folder.keep_map(&map)
        {
            tracing::warn!(%error, "the newest map could not be kept");
        }
    }
}
