//! `couronne cluster init`: this storage node founds a cluster.
//!
//! It makes the cluster's authority, its own certificate, the secrets that gateways work with, its drives'
//! identities and the first map. The member file comes last and decides: what died before it is begun anew.
//! A policy that so many nodes with as many drives as this one can never hold is refused.
//! Must not know: how the cluster is formed later.

use couronne_placement::Redundancy;
use couronne_protocol::map::{Formation, MapNode};
use couronne_protocol::net::certificates::{Authority, PrivateKey, node_of_request};
use couronne_protocol::transport::Role;
use couronne_ring::{RegionName, ZoneName};
use couronne_storage_node::node::Membership;

use super::{ClusterError, folder_names};
use crate::cli::ClusterInitArguments;
use crate::data_folder;
use crate::member::secrets::Secrets;
use crate::member::{Founding, Member, MemberError, MemberFolder, encoded};
use crate::serve::parts;
use crate::settings::Settings;
use crate::terminal::say;
use couronne_base::env;

/// Founds it.
pub(super) async fn init(arguments: ClusterInitArguments) -> Result<(), ClusterError> {
    let settings = Settings::of_file(&arguments.config)?;
    let redundancy: Redundancy = arguments.policy.parse()?;
    let needed = u16::from(redundancy.losses()) + 1;
    if arguments.nodes < needed {
        let why = format!("{redundancy} survives {} nodes only with {needed} nodes or more", redundancy.losses());
        return Err(ClusterError::TooSmall(why));
    }
    let drives = u16::try_from(settings.data.drive_folders().len()).unwrap_or(u16::MAX);
    data_folder::policy::check(redundancy, arguments.nodes.saturating_mul(drives))?;
    let env = env::system();
    let folder = MemberFolder::open(&settings.data.folders)?;
    if folder.has_member()? {
        return Err(MemberError::Member(folder.name()).into());
    }
    let cluster = u128::from_be_bytes(env.random_bytes());
    let (authority, authority_key) = Authority::create(cluster, &env)?;
    let key = PrivateKey::generate()?;
    let request = key.request()?;
    let node = node_of_request(&request)?;
    let lifetime = settings.cluster.certificate_lifetime();
    let certificate = authority.sign(&request, node, Role::StorageNode, lifetime, &env)?;
    let secrets = Secrets::make(&env)?;
    folder.keep_founding(&Founding { authority_key: encoded(authority_key.as_pkcs8()), secrets: secrets.text() })?;

    let drives = parts::drives(&settings.data.drive_folders()).await?;
    let planned = Membership::plan_drives(&env, &drives).await?;
    let map_node = MapNode {
        role: Role::StorageNode,
        name: settings.cluster.name.as_str().into(),
        address: settings.cluster.address().as_str().into(),
        region: RegionName(settings.cluster.region.as_str().into()),
        zone: ZoneName(settings.cluster.zone.as_str().into()),
    };
    let formation = Formation { nodes: arguments.nodes, ranges: settings.storage.metadata_ranges };
    let policy = parts::policy(redundancy);
    Membership::found(&env, &drives, &planned, (cluster, node, map_node), &policy, formation).await?;
    let authority = authority.certificate().to_vec();
    folder.keep(&Member { cluster, node, role: Role::StorageNode, certificate, authority, key })?;
    say(&format!("cluster {cluster:032x} founded in {}", folder_names(&settings.data.folders)));
    say(&format!("  root access key  {}", secrets.access_key));
    say(&format!("  root secret key  {}  (shown only now)", secrets.secret_key.as_str()));
    say(&format!("  it begins when {} storage nodes have joined; next: couronne storage-node", arguments.nodes));
    Ok(())
}
