//! `couronne secrets reset`: a node whose key is lost gets new secrets, and keeps its drives with all objects and metadata.
//!
//! The process must not run. What the lost key sealed is given up: the node gets another key pair, and its cluster another
//! authority, other root credentials and tokens and another key, which it keeps at its next start; users' secret keys are
//! lost. Of a cluster of several, every storage node is reset with what the first of them wrote into a bundle, since none
//! takes the certificates of another authority.
//! Promises: cut off anywhere it is done again by the same command; nothing on a drive is touched.
//! Must not know: how a cluster keeps its secrets.

use couronne_base::env;
use couronne_cluster::Role;
use couronne_protocol::net::certificates::{CertificateRequest, PrivateKey};
use couronne_storage_node::node::ClusterKey;

use super::ClusterError;
use crate::cli::SecretResetArguments;
use crate::folder::{Bundle, DataFolder, MemberFile};
use crate::terminal::say;

/// Resets the secrets of a node.
pub(crate) fn reset(arguments: SecretResetArguments) -> Result<(), ClusterError> {
    let SecretResetArguments { folder, write_bundle, read_bundle, force } = arguments;
    let (settings, env) = (folder.settings()?, env::system());
    let (folder, was) = DataFolder::open_to_reset(&settings.data)?;
    if was.membership.role != Role::StorageNode {
        let why = "a gateway keeps nothing that is worth it: empty its data folder, and have it join as a new one";
        return Err(ClusterError::Reset(why.to_owned()));
    }
    let is_alone = folder.map()?.is_none_or(|map| map.storage_nodes().count() <= 1);
    if !is_alone && write_bundle.is_none() && read_bundle.is_none() {
        let why = "its cluster has other storage nodes, which have to be reset alike: name a file with --write-bundle for \
                   the first, and with --read-bundle for each other one";
        return Err(ClusterError::Reset(why.to_owned()));
    }
    let has_keys = !is_alone || folder.cluster_keys().is_ok_and(|keys| !keys.is_empty());
    if was.is_opened && has_keys && read_bundle.is_none() && !force {
        let why = "the node's key opens its secrets: nothing is lost, and `couronne secrets rotate` changes them; --force \
                   gives them up all the same";
        return Err(ClusterError::Reset(why.to_owned()));
    }
    let cluster = was.membership.cluster;
    let bundle = match &read_bundle {
        Some(path) => Bundle::read(path, cluster)?,
        None => Bundle::make(cluster, ClusterKey::new(&env), &env)?,
    };
    if let Some(path) = &write_bundle {
        bundle.write(path)?;
    }
    folder.forget_sealed()?;
    folder.keep_cluster_keys(std::slice::from_ref(&bundle.cluster_key))?;
    if read_bundle.is_none() {
        folder.keep_founding(&bundle.founding)?;
    }
    let (key, role) = (PrivateKey::generate()?, Role::StorageNode);
    let request = key.request(b"")?;
    let proven = CertificateRequest::proven(&request, b"")?;
    let (authority, lifetime) = (&bundle.founding.authority, settings.cluster.certificate_lifetime());
    let certificate = authority.sign(&proven, was.node, role, lifetime, &env)?;
    let authority = authority.certificate().to_vec();
    let membership = MemberFile { certificate, authority, is_reset: true, ..was.membership };
    folder.renew_unopened(was.node, was.revision, key, membership)?;
    say(&format!("the secrets of node {} are new ones from its next start on; its drives are untouched", was.node));
    if let Some(path) = write_bundle {
        let path = path.display();
        say(&format!(
            "reset each other storage node with --read-bundle {path}, then delete that file: it is the cluster"
        ));
    }
    say("users' secret keys are lost: make new ones with `couronne key create`; gateways join as new ones");
    Ok(())
}
