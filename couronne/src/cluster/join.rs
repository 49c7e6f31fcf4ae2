//! `couronne cluster join`: a process asks a cluster to be one of it.
//!
//! It makes its key and the ids of its drives and keeps them, then asks; so a repeat after a lost answer
//! is the same request, and is admitted as the same member.
//! Promises: the private key never leaves this machine. Must not know: who decides.

use couronne_protocol::join::{Admission, JoinRequest, JoinToken, decode_answer};
use couronne_protocol::map::MapState;
use couronne_protocol::net::certificates::{Fingerprint, PrivateKey};
use couronne_protocol::net::{Joiner, NetSettings, ask_once};
use couronne_protocol::transport::{Message, Method, Role};
use couronne_storage_node::node::{Membership, NodeDrive};

use super::{ClusterError, folder_names};
use crate::cli::ClusterJoinArguments;
use crate::member::{Joining, Member, MemberError, MemberFolder};
use crate::serve::parts;
use crate::settings::Settings;
use crate::terminal::say;
use couronne_base::env;

/// Joins it.
pub(super) async fn join(arguments: ClusterJoinArguments) -> Result<(), ClusterError> {
    let settings = Settings::of_file(&arguments.config)?;
    let token = JoinToken::parse(&arguments.token)?;
    let role = if arguments.gateway { Role::Gateway } else { Role::StorageNode };
    let env = env::system();
    let folder = MemberFolder::open(&settings.data.folders)?;
    if folder.has_member()? {
        return Err(MemberError::Member(folder.name()).into());
    }
    let drives: Vec<NodeDrive> = match role {
        Role::StorageNode => parts::drives(&settings.data.drive_folders()).await?,
        _ => Vec::new(),
    };
    let joining = match folder.joining()? {
        Some(joining) => joining,
        None => {
            let drives = Membership::plan_drives(&env, &drives).await?;
            let joining = Joining { key: PrivateKey::generate()?, drives };
            folder.keep_joining(&joining)?;
            joining
        }
    };
    let request = request(&settings, &token, role, &joining)?;
    let joiner = Joiner::new(env.clock.clone(), Fingerprint(token.authority))?;
    let message = Message::of(request.encode());
    let answer = ask_once(&token.address, &joiner, Method::Join, message, &NetSettings::default()).await;
    let answer = answer.map_err(|error| ClusterError::Call { address: token.address.clone(), error })?;
    let admission = decode_answer(answer.head).map_err(|_| ClusterError::Answer)??;
    let Admission { node, certificate, authority, map } = admission;
    if Fingerprint::of(&authority) != Fingerprint(token.authority) {
        return Err(ClusterError::Answer);
    }
    let state = MapState::decode(map.clone()).map_err(|_| ClusterError::Answer)?;
    let cluster = state.cluster;
    match role {
        Role::StorageNode => Membership::settle(&env, &drives, &joining.drives, node, state).await?,
        _ => folder.keep_map(&map)?,
    }
    let (certificate, authority) = (certificate.to_vec(), authority.to_vec());
    folder.keep(&Member { cluster, node, role, certificate, authority, key: joining.key })?;
    let next = if arguments.gateway { "couronne gateway" } else { "couronne storage-node" };
    say(&format!("joined cluster {cluster:032x} in {}; next: {next}", folder_names(&settings.data.folders)));
    Ok(())
}

fn request(settings: &Settings, token: &JoinToken, role: Role, joining: &Joining) -> Result<JoinRequest, ClusterError> {
    let cluster = &settings.cluster;
    Ok(JoinRequest {
        id: token.id,
        secret: token.secret.clone(),
        role,
        request: joining.key.request()?.into(),
        name: cluster.name.clone(),
        address: if role == Role::StorageNode { cluster.address() } else { String::new() },
        region: cluster.region.clone(),
        zone: cluster.zone.clone(),
        drives: joining.drives.clone(),
    })
}
