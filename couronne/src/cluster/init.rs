//! `couronne cluster init`: this storage node founds a cluster that waits for others.
//!
//! A policy that so many nodes with as many drives as this one can never hold is refused.
//! Must not know: how the cluster is bootstrapped later.

use couronne_base::env;
use couronne_placement::Redundancy;

use super::ClusterError;
use super::founding::{Plan, found};
use crate::cli::ClusterInitArguments;
use crate::folder::DataFolder;
use crate::policy;
use crate::terminal::{is_private, say};

/// The redundancy of the default policy if neither flag nor setting names one.
const REDUNDANCY: Redundancy = Redundancy::Erasure { k: 4, m: 2 };

/// Founds a cluster.
pub(super) async fn init(arguments: ClusterInitArguments) -> Result<(), ClusterError> {
    let nodes = arguments.nodes;
    let settings = arguments.settings()?;
    let redundancy = settings.data.redundancy()?.unwrap_or(REDUNDANCY);
    let needed = u16::from(redundancy.losses()) + 1;
    if nodes < needed {
        let why = format!("{redundancy} survives {} nodes only with {needed} nodes or more", redundancy.losses());
        return Err(ClusterError::TooSmall(why));
    }
    let env = env::system();
    let folder = DataFolder::open(&settings.data)?;
    policy::check(redundancy, nodes.saturating_mul(folder.drive_count()?))?;
    let plan = Plan { redundancy, nodes, place: settings.place(settings.cluster.address()) };
    found(&folder, &settings, plan, &env).await?;
    announce(&folder, nodes)
}

/// Says what was founded, and what comes next.
fn announce(folder: &DataFolder, nodes: u16) -> Result<(), ClusterError> {
    let Some(founding) = folder.founding()? else { return Ok(()) };
    say(&format!("cluster {:032x} founded in {}", founding.cluster, folder.names()));
    say(&format!("  root access key  {}", founding.secrets.access_key));
    let show = folder.show_command("secret-key");
    if is_private() {
        let secret_key = founding.secrets.secret_key.as_str();
        say(&format!("  root secret key  {secret_key}  (shown only now; later: {show})"));
    } else {
        say(&format!("  root secret key  {show}"));
    }
    say(&format!("  it begins when {nodes} storage nodes have joined; next: couronne storage-node"));
    Ok(())
}
