//! `couronne storage-node`: drives and replicas of a cluster, served to its peers and gateways.
//!
//! Start: member, drives (with the map from the cluster, if all were emptied), the node's first half, the
//! doors for peers (its replicas are needed for the map's group to answer), then the node's second half,
//! the founder's secrets if it is the first, and the admin listener. Stop: the node makes others lead what it
//! leads, the doors close, calls under way finish, the node flushes.
//! Must not know: S3.

use std::sync::Arc;

use async_trait::async_trait;
use couronne_base::env::Env;
use couronne_gateway::engine::Components;
use couronne_gateway::pipeline::Gateway;
use couronne_protocol::map::{MapState, SharedMap};
use couronne_protocol::net::certificates::{Authority, PrivateKey};
use couronne_protocol::net::{self, NetSettings, NetTransport, Tls};
use couronne_protocol::transport::{Message, Method, Peer, Rejection, Role, Service};
use couronne_ring::NodeId;
use couronne_storage_node::node::{Connect, LocalNode, Membership, NodeDrive, NodeService};
use tokio::sync::watch;

use super::traffic::Traffic;
use super::{ServeError, end, listen, parts, signals};
use crate::admin;
use crate::admin::api::Api;
use crate::admin::gather::Gatherer;
use crate::admin::operator::Operator;
use crate::admin::orders::{Order, Orders};
use crate::admin::status::StatusSource;
use crate::data_folder::RunningServer;
use crate::member::renewal::Renewal;
use crate::member::secrets::Secrets;
use crate::member::{Member, MemberFolder, decoded};
use crate::settings::Settings;
use crate::terminal::say;
use couronne_base::env;

/// Start, serve, stop.
pub(super) async fn serve(settings: Settings) -> Result<(), ServeError> {
    let env = env::system();
    let folder = Arc::new(MemberFolder::open(&settings.data.folders)?);
    let member = folder.member(Role::StorageNode)?;
    let tls = Tls::new(Arc::clone(&env.clock), &member.authority, &member.certificate, &member.key)?;
    let drives = parts::drives(&settings.data.drive_folders()).await?;
    let (peers, peer_address) = listen(settings.cluster.listen).await?;
    let (admin_listener, admin) = listen(settings.admin.listen).await?;

    settle_again(&env, &folder, &member, &tls, &drives).await?;
    let traffic = Traffic::new(Arc::clone(&env.clock))?;
    let connect: Connect = {
        let (tls, traffic) = (Arc::clone(&tls), traffic.clone());
        Box::new(move |_: NodeId, map: Arc<SharedMap>| {
            traffic.transport(NetTransport::new(tls, map, NetSettings::default()))
        })
    };
    let node_settings = parts::node_settings(&settings, None, false);
    let node = LocalNode::prepare(env.clone(), drives, node_settings, Some(connect)).await?;
    let (stop, stopped) = watch::channel(false);
    let closing = |mut stopped: watch::Receiver<bool>| async move { drop(stopped.wait_for(|stop| *stop).await) };
    let own = Arc::new(StatusSource::new(Arc::clone(&node), env.clone(), peer_address));
    tokio::spawn(renewal(&folder, &tls, &node, &env, &settings)?.run());
    let orders = Arc::new(Orders { node: Arc::clone(&node), folders: settings.data.drive_folders() });
    let service = MemberService { node: node.service(), status: Arc::clone(&own), orders: Arc::clone(&orders) };
    let serving =
        net::serve(peers, tls, traffic.service(Arc::new(service)), NetSettings::default(), closing(stopped.clone()));
    let peers_task = tokio::spawn(serving);
    let signal = signals::stop().map_err(ServeError::Runtime)?;
    let mut signal = std::pin::pin!(signal);
    tokio::select! {
        begun = node.begin() => begun?,
        () = &mut signal => return Ok(()),
    }
    let secrets = secrets(&folder, &member, &node).await?;
    let keeping = tokio::spawn(keep_map(Arc::clone(&folder), Arc::clone(node.shared_map())));

    let routes = Arc::clone(node.routes());
    let components = Components { shards: routes.clone(), ranges: routes, map: node.clone(), env: env.clone() };
    let gateway = parts::gateway(components, secrets.for_gateway()?, &settings)?;
    traffic.register(gateway.metrics.registry())?;
    let api = api(&secrets, &gateway, own, orders);
    let admin_task = tokio::spawn(admin::server::serve(admin_listener, api, stopped));
    let server = RunningServer { s3: peer_address, tls: true, admin, pid: std::process::id() };
    folder.announce(&server, &secrets.admin_token)?;
    say(&format!("Couronne {}: storage node {} on {peer_address}", env!("CARGO_PKG_VERSION"), settings.cluster.name));
    tracing::info!(%peer_address, %admin, node = %node.id(), "serving");
    signal.await;

    tracing::info!("stopping");
    keeping.abort();
    node.leave().await;
    stop.send_replace(true);
    end([peers_task, admin_task], node.shutdown(), &folder).await;
    Ok(())
}

/// What looks after the node's certificate.
fn renewal(
    folder: &Arc<MemberFolder>,
    tls: &Arc<Tls>,
    node: &Arc<LocalNode>,
    env: &Env,
    settings: &Settings,
) -> Result<Renewal, ServeError> {
    Ok(Renewal {
        role: Role::StorageNode,
        folder: Arc::clone(folder),
        tls: Arc::clone(tls),
        map: Arc::clone(node.shared_map()),
        transport: Arc::clone(node.transport().ok_or(ServeError::Cluster("transport"))?),
        env: env.clone(),
        lifetime: settings.cluster.certificate_lifetime(),
    })
}

/// The admin API: that of the whole cluster, asked at this node.
fn api(secrets: &Secrets, gateway: &Gateway, own: Arc<StatusSource>, orders: Arc<Orders>) -> Arc<Api> {
    let (id, map) = (orders.node.id(), Arc::clone(orders.node.shared_map()));
    let transport = orders.node.transport().cloned();
    Arc::new(Api {
        token: secrets.admin_token.clone(),
        identity: gateway.identity.clone(),
        metrics: Arc::clone(&gateway.metrics),
        status: Gatherer { own, id: Some(id), map: Arc::clone(&map), transport: transport.clone() },
        operator: Operator { here: Some(orders), map, transport },
    })
}

/// Gets the map from the cluster if no drive has it any more.
async fn settle_again(
    env: &Env,
    folder: &MemberFolder,
    member: &Member,
    tls: &Arc<Tls>,
    drives: &[NodeDrive],
) -> Result<(), ServeError> {
    let Some(known) = folder.map()?.and_then(|map| MapState::decode(map.into()).ok()) else { return Ok(()) };
    let map = Arc::new(SharedMap::new(known.clone()));
    let transport = NetTransport::new(Arc::clone(tls), map, NetSettings::default());
    Ok(Membership::settle_again(env, drives, member.node, &known, &*transport).await?)
}

/// Keeps a copy of the map beside the drives, so that a node that lost them all finds its cluster again.
async fn keep_map(folder: Arc<MemberFolder>, map: Arc<SharedMap>) {
    let mut versions = map.follow();
    loop {
        let (folder, state) = (Arc::clone(&folder), map.state());
        match tokio::task::spawn_blocking(move || folder.keep_map(&state.encode())).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the newest map could not be kept"),
            Err(_) => return,
        }
        if versions.changed().await.is_err() {
            return;
        }
    }
}

/// What peers ask of this process: its node, how the process is, and what an operator orders.
struct MemberService {
    node: NodeService,
    status: Arc<StatusSource>,
    orders: Arc<Orders>,
}

#[async_trait]
impl Service for MemberService {
    async fn serve(&self, from: Peer, method: Method, message: Message) -> Result<Message, Rejection> {
        let said = match method {
            Method::Status => {
                self.node.admit(from)?;
                serde_json::to_vec(&self.status.read().await)
            }
            Method::Operate => {
                self.node.admit(from)?;
                let order: Order = serde_json::from_slice(&message.head).map_err(|_| Rejection::Malformed)?;
                serde_json::to_vec(&self.orders.carry_out(order).await)
            }
            method => return self.node.serve(from, method, message).await,
        };
        said.map(|said| Message::of(said.into())).map_err(|_| Rejection::NotServing)
    }
}

/// The cluster's secrets; the founder has the cluster keep them first.
async fn secrets(folder: &MemberFolder, member: &Member, node: &LocalNode) -> Result<Secrets, ServeError> {
    if let Some(founding) = folder.founding()? {
        let key = decoded(&founding.authority_key).ok_or(ServeError::Cluster("authority"))?;
        let key = PrivateKey::from_pkcs8(key);
        let authority = Authority::load(member.cluster, &member.authority, &key)?;
        node.keep_secrets(founding.secrets.as_bytes().to_vec().into(), &authority, &key).await?;
        folder.forget_founding()?;
    }
    let kept = node.secrets().await?;
    kept.and_then(|kept| Secrets::parse(&kept)).ok_or(ServeError::Cluster("secrets"))
}
