//! `couronne storage-node`: drives and replicas of a cluster, served to its peers and gateways.
//!
//! Start: member, drives (with the map from the cluster, if all were emptied), the node's first half, the
//! doors for peers (its replicas are needed for the meta group to answer), then the node's second half,
//! the cluster's secrets if it is the founding node, and the admin listener. Stop: the node makes others lead what it
//! leads, the doors close, calls under way finish, the node flushes.
//! Must not know: S3.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use couronne_base::env::Env;
use couronne_cluster::Role;
use couronne_protocol::map::SharedMap;
use couronne_protocol::net::{self, NetSettings, NetTransport, Tls};
use couronne_protocol::transport::{Message, Method, Peer, Rejection, Service};
use couronne_ring::NodeId;
use couronne_storage_node::node::{Connect, DriveNotes, LocalNode, Membership, NodeDrive, NodeService, NodeSettings};
use futures_util::FutureExt as _;
use tokio::sync::watch;

use super::descriptors::Descriptors;
use super::operators::Operators;
use super::renewal::{Renewal, tls_of};
use super::traffic::Traffic;
use super::{ServeError, audit, end, gateway_of, kept_map, listen, parts, secrets, signals};
use crate::admin::messages::GivenOrder;
use crate::admin::{AdminActions, StatusSource};
use crate::drives;
use crate::folder::secrets::Secrets;
use crate::folder::{DataFolder, Member};
use crate::settings::Settings;
use crate::terminal::say;
use couronne_base::env;

/// Start, serve, stop.
pub(super) async fn serve(settings: Settings) -> Result<(), ServeError> {
    let descriptors = Descriptors::raise();
    let env = env::system();
    let folder = Arc::new(DataFolder::open(&settings.data)?);
    if !folder.has_member()? {
        drives::refuse_used(&folder).await?;
    }
    let member = folder.member(Role::StorageNode)?;
    let tls = tls_of(&member, folder.map()?.as_ref(), &env)?;
    let (folders, notes) = (folder.drive_folders()?, folder.drive_notes()?);
    let drives = drives::open(&folders, &notes).await?;
    let connections_max = descriptors.connections(drives.len(), NetSettings::default().connections_max);
    folder.check_owner(Membership::owner(&drives, Some(member.node)).await?, &member)?;
    let (peers, peer_address) = listen(settings.cluster.listen, "`listen` in [cluster] of the settings file").await?;
    let (admin_listener, admin) = listen(settings.admin.listen, "`listen` in [admin] of the settings file").await?;
    let admin_tls = parts::admin_tls(&settings.admin)?;

    prepare_drives_again(&env, &folder, &member, &tls, (&drives, &notes)).await?;
    let traffic = Traffic::new(Arc::clone(&env.clock))?;
    let connect: Connect = {
        let (tls, traffic) = (Arc::clone(&tls), traffic.clone());
        Box::new(move |_: NodeId, map: Arc<SharedMap>| {
            traffic.transport(NetTransport::new(tls, map, NetSettings::default()))
        })
    };
    let node_settings = parts::node_settings(&settings, &folder, false)?;
    let node_settings = NodeSettings { node: Some(member.node), noted: notes, ..node_settings };
    let node = LocalNode::prepare(env.clone(), drives, node_settings, Some(connect)).await?;
    let (stop, stopped) = watch::channel(false);
    let closing = |mut stopped: watch::Receiver<bool>| async move { drop(stopped.wait_for(|stop| *stop).await) };
    let own = StatusSource::new(Arc::clone(&node), env.clone(), peer_address);
    let operators = Operators::new(&node, &folder, folders, own);
    tokio::spawn(renewal(&folder, &member, &node, &env, &settings)?.run(Arc::clone(&tls)));
    let (status, actions) = (Arc::clone(&operators.own), Arc::clone(&operators.actions));
    let service = MemberService { node: node.service(), status, actions };
    let of_peers = NetSettings { connections_max, ..NetSettings::default() };
    let serving = net::serve(peers, tls, traffic.service(Arc::new(service)), of_peers, closing(stopped.clone()));
    let peers_task = tokio::spawn(serving);
    let mut signal = std::pin::pin!(signals::stop().map_err(ServeError::Runtime)?);
    tokio::select! {
        begun = node.begin() => begun?,
        () = &mut signal => return Ok(()),
    }
    folder.keep_drive_notes(&node.noted_drives().await)?;
    // It may be another one than when it joined.
    let address = settings.cluster.advertise.clone().unwrap_or_else(|| peer_address.to_string());
    node.take_place(&settings.place(address)).await?;
    let secrets_version = node.map().secrets_version;
    let secrets = secrets::of_cluster(&folder, &member, &node).await?;
    let keeping = tokio::spawn(kept_map::follow(Arc::clone(&folder), Arc::clone(node.shared_map())));

    let (gateway, audit_writer) = gateway_of(&node, &secrets.shared(), &settings, &env)?;
    secrets::end_reset(&folder, &gateway.identity).await?;
    traffic.register(gateway.metrics.registry())?;
    let api = operators.open(&folder, &secrets, &gateway)?;
    tokio::spawn(secrets::follow(Arc::clone(&node), operators, Arc::clone(&folder), secrets_version));
    folder.announce(&folder.running((None, false), Some(peer_address), (admin, &settings.admin)))?;
    let admin_task = tokio::spawn(couronne_admin::server::serve(admin_listener, api, admin_tls, stopped));
    say(&format!("Couronne {}: storage node {} on {peer_address}", env!("CARGO_PKG_VERSION"), settings.cluster.name));
    tracing::info!(%peer_address, %admin, node = %node.id(), "serving");
    until_told(signal, &node).await?;

    tracing::info!("stopping");
    keeping.abort();
    node.leave().await;
    stop.send_replace(true);
    let flush = node.shutdown().then(|()| audit::close(audit_writer));
    end([peers_task, admin_task], flush, &folder).await;
    Ok(())
}

/// Waits for the signal to stop. Where another process is the node meanwhile, this one ends without a word to the others.
async fn until_told(signal: impl Future<Output = ()>, node: &LocalNode) -> Result<(), ServeError> {
    tokio::select! {
        () = signal => Ok(()),
        drive = node.superseded() => Err(ServeError::Superseded(drive)),
    }
}

/// What looks after the node's certificate, and which peers it trusts.
fn renewal(
    folder: &Arc<DataFolder>,
    member: &Member,
    node: &Arc<LocalNode>,
    env: &Env,
    settings: &Settings,
) -> Result<Renewal, ServeError> {
    Ok(Renewal {
        role: Role::StorageNode,
        member: member.membership.clone(),
        folder: Arc::clone(folder),
        map: Arc::clone(node.shared_map()),
        transport: Some(Arc::clone(node.transport().ok_or(ServeError::Cluster("transport"))?)),
        node: Arc::downgrade(node),
        env: env.clone(),
        lifetime: settings.cluster.certificate_lifetime(),
    })
}

/// Gets the map again if no drive has it any more: from the cluster, or from beside the drives.
async fn prepare_drives_again(
    env: &Env,
    folder: &DataFolder,
    member: &Member,
    tls: &Arc<Tls>,
    (drives, notes): (&[NodeDrive], &DriveNotes),
) -> Result<(), ServeError> {
    let Some(known) = folder.map()? else { return Ok(()) };
    let map = Arc::new(SharedMap::new(known.clone()));
    let transport = NetTransport::new(Arc::clone(tls), map, NetSettings::default());
    Ok(Membership::prepare_drives_again(env, drives, member.node, &known, Some(&*transport), notes).await?)
}

/// What peers ask of this process: its node, how the process is, and what an operator orders.
struct MemberService {
    node: NodeService,
    status: Arc<StatusSource>,
    actions: Arc<AdminActions>,
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
                let order: GivenOrder = serde_json::from_slice(&message.head).map_err(|_| Rejection::Malformed)?;
                serde_json::to_vec(&self.actions.carry_out(order).await)
            }
            // What gateways are given is not all that the cluster keeps.
            Method::Secrets => {
                let kept = self.node.admit(from)?.secrets().await.ok().flatten();
                let kept = kept.and_then(|kept| Secrets::parse(&kept)).ok_or(Rejection::NotServing)?;
                return Ok(Message::of(Bytes::copy_from_slice(kept.shared().text().as_bytes())));
            }
            method => return self.node.serve(from, method, message).await,
        };
        said.map(|said| Message::of(said.into())).map_err(|_| Rejection::NotServing)
    }
}
