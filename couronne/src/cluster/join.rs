//! `couronne cluster join`: a process asks a cluster to be one of it.
//!
//! It makes its key pair and the ids of its drives and keeps them, then asks; so a repeat after a lost answer
//! is the same request, and is admitted as the same member.
//! Promises: the private key never leaves this machine; the answer counts only if it comes from the cluster of the
//! token and names this process. Must not know: who decides.

use couronne_base::env::{self, Env};
use couronne_cluster::Role;
use couronne_cluster::map::{ClusterMap, MapNode};
use couronne_protocol::join::{Admission, JoinRequest, JoinToken, decode_answer};
use couronne_protocol::net::certificates::Fingerprint;
use couronne_protocol::net::{Joiner, Name, NetSettings, Tls, ask_once};
use couronne_protocol::transport::{Message, Method};
use couronne_storage_node::node::{Membership, NodeDrive};

use super::ClusterError;
use crate::cli::ClusterJoinArguments;
use crate::folder::{DataFolder, Identity, Joining, MemberFile};
use crate::serve::parts;
use crate::terminal::say;

/// Joins it.
pub(super) async fn join(arguments: ClusterJoinArguments) -> Result<(), ClusterError> {
    let settings = arguments.folder.settings()?;
    let token = JoinToken::parse(&arguments.token.read()?)?;
    let (role, address, next) = match arguments.gateway {
        true => (Role::Gateway, String::new(), "couronne gateway"),
        false => (Role::StorageNode, settings.cluster.address(), "couronne storage-node"),
    };
    let env = env::system();
    let folder = DataFolder::open(&settings.data)?;
    folder.refuse_member()?;
    let identity = folder.make_identity()?;
    let drives: Vec<NodeDrive> = match role {
        Role::StorageNode => parts::drives(&folder.drive_folders()?).await?,
        _ => Vec::new(),
    };
    let joining = match folder.joining()? {
        Some(joining) => joining,
        None => {
            let joining = Joining { drives: Membership::plan_drives(&env, &drives).await? };
            folder.keep_joining(&joining)?;
            joining
        }
    };
    let place = MapNode { role, ..settings.place(address) };
    let admission = ask(&token, &request(&token, place, &identity, &joining)?, &env).await?;
    let state = ClusterMap::decode(admission.map.clone()).map_err(|_| ClusterError::Answer)?;
    check(&admission, &token, &identity, Name::new(state.cluster, identity.node, role), &env)?;
    let cluster = state.cluster;
    match role {
        Role::StorageNode => Membership::prepare_drives(&env, &drives, &joining.drives, identity.node, state).await?,
        _ => folder.keep_map(&state.to_file())?,
    }
    let count = if role == Role::StorageNode { folder.drive_count()? } else { 0 };
    let (certificate, authority) = (admission.certificate.to_vec(), admission.authority.to_vec());
    folder.become_member(identity, MemberFile { cluster, role, drives: count, certificate, authority })?;
    say(&format!("joined cluster {cluster:032x} in {}; next: {next}", folder.names()));
    Ok(())
}

async fn ask(token: &JoinToken, request: &JoinRequest, env: &Env) -> Result<Admission, ClusterError> {
    let joiner = Joiner::new(env.clock.clone(), Fingerprint(token.authority))?;
    let message = Message::of(request.encode());
    let answer = ask_once(&token.address, &joiner, Method::Join, message, &NetSettings::default()).await;
    let answer = answer.map_err(|error| ClusterError::Call { address: token.address.clone(), error })?;
    Ok(decode_answer(answer.head).map_err(|_| ClusterError::Answer)??)
}

/// Refuses an answer of another cluster's authority, or that makes another member of this process than its key does.
fn check(
    admission: &Admission,
    token: &JoinToken,
    identity: &Identity,
    name: Option<Name>,
    env: &Env,
) -> Result<(), ClusterError> {
    let Admission { node, certificate, authority, .. } = admission;
    let tls = Tls::new(env.clock.clone(), authority, certificate, &identity.key)?;
    let is_ours = Fingerprint::of(authority) == Fingerprint(token.authority)
        && *node == identity.node
        && Some(tls.name()) == name;
    if is_ours { Ok(()) } else { Err(ClusterError::Answer) }
}

fn request(
    token: &JoinToken,
    place: MapNode,
    identity: &Identity,
    joining: &Joining,
) -> Result<JoinRequest, ClusterError> {
    Ok(JoinRequest {
        id: token.id,
        secret: token.secret.clone(),
        role: place.role,
        request: identity.key.request()?.into(),
        name: place.name.to_string(),
        address: place.address.to_string(),
        region: place.region.0.to_string(),
        zone: place.zone.0.to_string(),
        drives: joining.drives.clone(),
    })
}
