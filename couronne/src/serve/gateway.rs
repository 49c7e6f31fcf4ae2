//! `couronne gateway`: S3 over a cluster's storage nodes. It keeps nothing but who it is.
//!
//! Start: member, the last known map, the way to the nodes; then what the cluster tells it (the newest
//! map, its secrets), for which it waits; then the doors open. While it runs it follows the map.
//! Promises: killed at any moment it leaves nothing to clean up.
//! Must not know: drives.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use couronne_base::env::Env;
use couronne_gateway::engine::Components;
use couronne_gateway::server;
use couronne_protocol::map::{MapState, SharedMap};
use couronne_protocol::net::{NetSettings, NetTransport, Tls};
use couronne_protocol::remote::{RemoteRanges, RemoteShards};
use couronne_protocol::report::{Report, ReportAnswer};
use couronne_protocol::transport::{Message, Method, Role, Transport};
use couronne_ring::{DriveId, NodeId};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::renewal::{CertificateSigner, Renewal};
use super::traffic::Traffic;
use super::{ServeError, end, listen, parts, signals};
use crate::admin;
use crate::admin::api::Api;
use crate::admin::gather::Gatherer;
use crate::admin::operator::Operator;
use crate::admin::status::StatusSource;
use crate::folder::secrets::Secrets;
use crate::folder::{DataFolder, RunningServer};
use crate::settings::Settings;
use crate::terminal::say;
use couronne_base::env;

/// How often the gateway reports, and learns of newer maps.
const REPORT_EVERY: Duration = Duration::from_millis(500);

/// How long a storage node may take to answer.
const ANSWER_WAIT: Duration = Duration::from_secs(2);

/// The pause after no storage node answered.
const RETRY_PAUSE: Duration = Duration::from_millis(300);

/// The way to the cluster's storage nodes.
struct Cluster {
    transport: Arc<dyn Transport>,
    map: Arc<SharedMap>,
    folder: Arc<DataFolder>,
    env: Env,
}

/// Whom to report to: the leader of the map's group, as far as it is known.
#[derive(Default)]
struct Asked {
    leader: Option<DriveId>,
    /// Which of the nodes is asked where it is not known.
    turn: usize,
}

impl Asked {
    /// Takes note of who leads, by the node that was asked; `None` if it did not answer or does not know. Then
    /// another one is asked: it may never know, if it does not keep the map.
    const fn note(&mut self, leader: Option<DriveId>) {
        self.leader = leader;
        if leader.is_none() {
            self.turn = self.turn.wrapping_add(1);
        }
    }
}

/// Start, serve, stop.
pub(super) async fn serve(settings: Settings) -> Result<(), ServeError> {
    let env = env::system();
    let folder = Arc::new(DataFolder::open(&settings.data)?);
    let member = folder.member(Role::Gateway)?;
    let known = folder.map()?.and_then(|map| MapState::decode(map.into()).ok());
    let map = Arc::new(SharedMap::new(known.ok_or(ServeError::Cluster("map"))?));
    let (authority, certificate) = (&member.membership.authority, &member.membership.certificate);
    let tls = Tls::new(Arc::clone(&env.clock), authority, certificate, &member.key)?;
    let traffic = Traffic::new(Arc::clone(&env.clock))?;
    let transport = traffic.transport(NetTransport::new(tls.clone(), map.clone(), NetSettings::default()));
    let (s3_listener, s3) = listen(settings.s3.listen).await?;
    let (admin_listener, admin) = listen(settings.admin.listen).await?;
    let s3_tls = parts::tls(&settings.s3)?;

    let renewal = Renewal {
        role: Role::Gateway,
        folder: Arc::clone(&folder),
        signer: CertificateSigner::Peers { map: map.clone(), transport: Arc::clone(&transport) },
        env: env.clone(),
        lifetime: settings.cluster.certificate_lifetime(),
    };
    tokio::spawn(renewal.run(tls));
    let cluster = Arc::new(Cluster { transport, map, folder, env: env.clone() });
    let signal = signals::stop().map_err(ServeError::Runtime)?;
    let mut signal = std::pin::pin!(signal);
    let secrets = tokio::select! {
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
    let gateway = parts::gateway(components, secrets.for_gateway()?, &settings)?;
    traffic.register(gateway.metrics.registry())?;
    let api = Arc::new(Api {
        token: secrets.admin_token.clone(),
        identity: gateway.identity.clone(),
        metrics: Arc::clone(&gateway.metrics),
        status: Gatherer {
            own: Arc::new(StatusSource::of_gateway(Arc::clone(&map), env, s3)),
            id: None,
            map: Arc::clone(&map),
            transport: Some(Arc::clone(&cluster.transport)),
        },
        operator: Operator { here: None, map, transport: Some(Arc::clone(&cluster.transport)) },
    });
    let (stop, stopped) = watch::channel(false);
    let admin_task = tokio::spawn(admin::server::serve(admin_listener, api, stopped.clone()));
    let following = tokio::spawn(follow(Arc::clone(&cluster)));
    let server = RunningServer { s3: Some(s3), tls: s3_tls.is_some(), peers: None, admin, pid: std::process::id() };
    cluster.folder.announce(&server, &secrets.admin_token)?;
    say(&format!("Couronne {}: gateway {} on {s3}", env!("CARGO_PKG_VERSION"), settings.cluster.name));
    tracing::info!(%s3, %admin, "serving");
    server::serve(s3_listener, gateway, parts::server_settings(&settings), s3_tls, signal).await;

    tracing::info!("stopping");
    following.abort();
    stop.send_replace(true);
    end([admin_task], ready(()), &cluster.folder).await;
    Ok(())
}

/// Follows the map for as long as the gateway runs.
async fn follow(cluster: Arc<Cluster>) {
    let mut asked = Asked::default();
    loop {
        cluster.report(&mut asked).await;
        sleep(REPORT_EVERY).await;
    }
}

impl Cluster {
    /// The storage nodes, those with a drive that serves first.
    fn nodes(&self) -> Vec<NodeId> {
        let map = self.map.state();
        let is_up = |id: &NodeId| map.drives.values().any(|drive| drive.node == *id && drive.down_since_ms.is_none());
        let mut nodes: Vec<NodeId> = map.storage_nodes().map(|(id, _)| *id).collect();
        nodes.sort_by_key(|id| !is_up(id));
        nodes
    }

    /// The cluster's secrets, as soon as a node gives them.
    async fn secrets(&self) -> Secrets {
        let mut asked = Asked::default();
        loop {
            self.report(&mut asked).await;
            for node in self.nodes() {
                let call = self.transport.call(node, Method::Secrets, Message::default());
                match timeout(ANSWER_WAIT, call).await {
                    Ok(Ok(message)) => match Secrets::parse(&message.head) {
                        Some(secrets) => return secrets,
                        None => tracing::warn!(%node, "a node's answer does not parse"),
                    },
                    Ok(Err(error)) => tracing::warn!(%node, %error, "a node does not give the secrets"),
                    Err(_) => tracing::warn!(%node, "a node does not answer"),
                }
            }
            sleep(RETRY_PAUSE).await;
        }
    }

    /// Tells the leader of the map's group that the gateway lives, and takes a newer map from it; another
    /// node each time one does not answer, or does not know who leads.
    async fn report(&self, asked: &mut Asked) {
        let nodes = self.nodes();
        let leader = asked.leader.take().and_then(|drive| self.map.node_of(drive));
        let any = asked.turn.checked_rem(nodes.len()).and_then(|place| nodes.get(place).copied());
        let Some(node) = leader.or(any) else { return };
        let report = Report {
            map_version: self.map.state().version,
            build: env!("CARGO_PKG_VERSION").to_owned(),
            wall_ms: self.env.clock.wall_ms(),
            ..Report::default()
        };
        let call = self.transport.call(node, Method::Report, Message::of(report.encode()));
        let answer = match timeout(ANSWER_WAIT, call).await {
            Ok(Ok(message)) => ReportAnswer::decode(message.head).ok(),
            Ok(Err(_)) | Err(_) => None,
        };
        asked.note(answer.as_ref().and_then(|answer| answer.leader));
        if let Some(ReportAnswer { map, .. }) = answer.filter(|answer| !answer.map.is_empty()) {
            self.learn(&map);
        }
    }

    fn learn(&self, map: &Bytes) {
        let Ok(state) = MapState::decode(map.clone()) else { return };
        if state.cluster != self.map.state().cluster {
            return;
        }
        let view = state.view();
        if self.map.learn(state, view)
            && let Err(error) = self.folder.keep_map(map)
        {
            tracing::warn!(%error, "the newest map could not be kept");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_not_know_the_leader_is_not_asked_again_and_again() {
        let mut asked = Asked::default();
        asked.note(None);
        assert_eq!((asked.leader, asked.turn), (None, 1));
        asked.note(Some(DriveId(7)));
        assert_eq!((asked.leader, asked.turn), (Some(DriveId(7)), 1));
        asked.note(None);
        assert_eq!((asked.leader, asked.turn), (None, 2), "what was said before holds no more");
    }
}
