//! `couronne cluster join`: a process asks a cluster to be one of it.
//!
//! It makes its key pair and the ids of its drives and keeps them, then asks; so a repeat after a lost answer
//! is of the same process, and is admitted as the same member. A refusal ends that: what was decided is forgotten, unless an
//! earlier try may have been admitted.
//! Promises: the private key never leaves this machine; the answer counts only if it comes from the cluster of the
//! token and names this process. Must not know: how the cluster decides.

use bytes::Bytes;
use couronne_base::env::{self, Env};
use couronne_cluster::Role;
use couronne_cluster::map::{ClusterMap, MapNode};
use couronne_protocol::join::{Admission, JoinRequest, JoinToken, decode_answer};
use couronne_protocol::net::certificates::Fingerprint;
use couronne_protocol::net::{Joiner, Name, NetSettings, Tls, ask_once};
use couronne_protocol::transport::{Message, Method};
use couronne_storage_node::node::{ClusterKey, DriveNotes, Membership, NodeDrive};

use super::ClusterError;
use crate::cli::ClusterJoinArguments;
use crate::drives;
use crate::folder::{DataFolder, Identity, Joining, MemberFile};
use crate::terminal::say;

/// Joins a cluster.
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
    drives::refuse_used(&folder).await?;
    let drives: Vec<NodeDrive> = match role {
        Role::StorageNode => drives::open(&folder.drive_folders()?, &DriveNotes::default()).await?,
        _ => Vec::new(),
    };
    let (identity, joining, is_new) = decide(&folder, role, &drives, &env).await?;
    let place = MapNode { role, ..settings.place(address) };
    let admission = match ask(&token, place, &identity, &joining, &env).await {
        Err(error @ ClusterError::NotAdmitted(_)) if is_new => {
            folder.forget_joining()?;
            return Err(error);
        }
        admission => admission?,
    };
    let state = ClusterMap::decode(admission.map.clone()).map_err(|_| ClusterError::Answer)?;
    check(&admission, &token, &identity, Name::new(state.cluster, identity.node, role), &env)?;
    let cluster = state.cluster;
    match role {
        Role::StorageNode => {
            let keys = admission.cluster_keys.iter().map(|key| ClusterKey::from_bytes(key));
            folder.keep_cluster_keys(&keys.collect::<Option<Vec<_>>>().ok_or(ClusterError::Answer)?)?;
            Membership::prepare_drives(&env, &drives, &joining.drives, identity.node, state).await?;
        }
        _ => folder.keep_map(&state)?,
    }
    let count = u16::try_from(joining.drives.len()).unwrap_or(u16::MAX);
    let (certificate, authority) = (admission.certificate.to_vec(), admission.authority.to_vec());
    let data_folders = folder.folder_count();
    folder.become_member(
        identity,
        MemberFile { cluster, role, drives: count, data_folders, certificate, authority, is_reset: false },
    )?;
    say(&format!("joined cluster {cluster:032x} in {}; next: {next}", folder.names()));
    Ok(())
}

/// Who asks to be what, with which drives; whether that was decided now. What an earlier try decided is kept if it asked
/// for the same; if it asked for another role it may be a member of that role, so another key pair is taken.
async fn decide(
    folder: &DataFolder,
    role: Role,
    drives: &[NodeDrive],
    env: &Env,
) -> Result<(Identity, Joining, bool), ClusterError> {
    let before = folder.joining()?;
    let identity = match &before {
        Some(before) if before.role != role => {
            folder.forget_identity()?;
            Identity::new()?
        }
        _ => folder.identity_or_new()?,
    };
    let is_same = |before: &Joining| before.role == role && before.drives.len() == drives.len();
    let (joining, is_new) = match before.filter(is_same) {
        Some(before) => (before, false),
        None => (Joining { role, drives: Membership::plan_drives(env, drives).await? }, true),
    };
    folder.keep_identity(&identity)?;
    folder.keep_joining(&joining)?;
    Ok((identity, joining, is_new))
}

/// Asks the member that the token names: for a challenge, then for admission.
async fn ask(
    token: &JoinToken,
    place: MapNode,
    identity: &Identity,
    joining: &Joining,
    env: &Env,
) -> Result<Admission, ClusterError> {
    let joiner = Joiner::new(env.clock.clone(), Fingerprint(token.authority))?;
    let settings = NetSettings::default();
    let ask = async |method, head: Bytes| {
        let answer = ask_once(&token.address, &joiner, method, Message::of(head), &settings).await;
        answer.map(|answer| answer.head).map_err(|error| ClusterError::Call { address: token.address.clone(), error })
    };
    let challenge = ask(Method::Challenge, Bytes::new()).await?;
    let request = request(token, place, identity, joining, challenge)?;
    let answer = ask(Method::Join, request.encode()).await?;
    Ok(decode_answer(answer).map_err(|_| ClusterError::Answer)??)
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
    challenge: Bytes,
) -> Result<JoinRequest, ClusterError> {
    let mut request = JoinRequest {
        id: token.id,
        secret: token.secret.clone(),
        role: place.role,
        request: Bytes::new(),
        name: place.name.to_string(),
        address: place.address.to_string(),
        region: place.region.0.to_string(),
        zone: place.zone.0.to_string(),
        drives: joining.drives.clone(),
        challenge,
    };
    request.request = identity.key.request(&request.statement())?.into();
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::DataSettings;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_try_is_repeated_as_it_was_and_another_one_is_decided_anew() {
        let (home, env) = (tempfile::tempdir().unwrap(), env::system());
        let folders = vec![home.path().to_owned()];
        let data = DataSettings { folders, drives: Some(3), ..DataSettings::default() }.with_test_key();
        let folder = DataFolder::open(&data).unwrap();
        let three = drives::open(&folder.drive_folders().unwrap(), &DriveNotes::default()).await.unwrap();
        let (two, none) = (three.get(..2).unwrap(), three.get(..0).unwrap());
        let decide = async |role: Role, drives: &[NodeDrive]| {
            let (identity, joining, is_new) = decide(&folder, role, drives, &env).await.unwrap();
            assert_eq!((joining.role, joining.drives.len()), (role, drives.len()));
            assert_eq!(folder.joining().unwrap().as_ref(), Some(&joining));
            assert_eq!(folder.identity().unwrap().unwrap().node, identity.node);
            (identity.node, joining, is_new)
        };
        let mut nodes = Vec::new();
        for (role, drives, same_node) in [
            (Role::StorageNode, three.as_slice(), false),
            (Role::StorageNode, two, true),
            // The node may be a member of the other role by now.
            (Role::Gateway, none, false),
            (Role::StorageNode, two, false),
        ] {
            let (node, joining, is_new) = decide(role, drives).await;
            assert!(is_new);
            assert_eq!(nodes.last() == Some(&node), same_node, "{role:?}");
            nodes.push(node);
            assert_eq!(decide(role, drives).await, (node, joining, false), "a repeat is the same request");
        }
        folder.forget_joining().unwrap();
        let (node, _, is_new) = decide(Role::Gateway, none).await;
        assert!(is_new && nodes.last() == Some(&node), "a refusal ended what was decided, and a key is a key");
    }
}
