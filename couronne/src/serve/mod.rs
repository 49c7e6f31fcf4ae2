//! `couronne serve`: every role in one process. The roles of a cluster stand beside: [`storage_node`], [`gateway`].
//!
//! Start: settings, data folder (locked), both listeners bound, the node with its drives, the gateway
//! over it, then the doors open and the address is announced. Stop (SIGTERM, SIGINT): the doors close,
//! requests under way finish, the node flushes, the announcement goes. A kill at any moment skips all
//! of the stop, and the next start is the same start.
//! Promises: nothing is served before the node has recovered.
//! Must not know: what is served.

mod audit;
mod descriptors;
mod gateway;
mod kept_map;
mod lone;
mod operators;
mod parts;
mod recovery;
mod renewal;
mod secrets;
mod signals;
mod storage_node;
#[cfg(test)]
mod tests;
mod traffic;
mod welcome;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use couronne_gateway::audit::{AuditFileError, AuditWriter};
use couronne_gateway::engine::Components;
use couronne_gateway::front::Gateway;
use couronne_gateway::front::server::{self, TlsError};
use couronne_gateway::identity::IdentityError;
use couronne_gateway::s3::S3;
use couronne_protocol::net::certificates::CertificateError;
use couronne_storage_node::node::{LocalNode, NodeError};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::descriptors::Descriptors;
use self::lone::Lone;
use self::operators::Operators;

use crate::admin::StatusSource;
use crate::cluster::founding::FoundingError;
use crate::drives::DrivesError;
use crate::folder::secrets::SharedSecrets;
use crate::folder::{DataFolder, DataFolderError};
use crate::logs::{self, LogError};
use crate::policy::TooFewDrives;
use crate::roots::RootsError;
use crate::settings::{Settings, SettingsError};
use couronne_base::env::{self, Env};

/// Why a server did not start, or did not stop well.
#[derive(Debug, Error)]
pub(crate) enum ServeError {
    /// Logging cannot begin.
    #[error(transparent)]
    Logs(#[from] LogError),
    /// The runtime cannot begin, or a signal cannot be awaited.
    #[error("starting threads: {0}")]
    Runtime(io::Error),
    /// The data folder was refused.
    #[error(transparent)]
    DataFolder(#[from] DataFolderError),
    /// An address is taken or not ours.
    #[error("listening on {address}: {source}; {chosen_by} sets the address")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The flag, if there is one, and the settings that choose the address.
        chosen_by: &'static str,
        /// What went wrong.
        source: io::Error,
    },
    /// The certificate or its key cannot be read.
    #[error("reading {path}: {source}")]
    TlsFile {
        /// The file.
        path: std::path::PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// The certificate or its key is unusable.
    #[error("the certificate in {chain} and the key in {key} cannot be used: {source}")]
    Tls {
        /// The file of the certificate.
        chain: std::path::PathBuf,
        /// The file of its key.
        key: std::path::PathBuf,
        /// What is wrong with them.
        source: TlsError,
    },
    /// The drives are another node's.
    #[error(transparent)]
    Drives(#[from] DrivesError),
    /// The node did not start.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The first start founded no cluster.
    #[error(transparent)]
    Founding(#[from] FoundingError),
    /// The certificate authorities by which servers elsewhere are judged cannot be used.
    #[error("{0} (outbound.certificate_authorities)")]
    Authorities(#[from] RootsError),
    /// The audit's file cannot be written.
    #[error("the audit: {0} (audit.path)")]
    AuditFile(#[from] AuditFileError),
    /// The audit's webhook cannot be asked as it should.
    #[error("reading {path}: {why} (audit.authorization_file)")]
    AuditAuthorization {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The settings make no sense.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The drives are too few for the policy.
    #[error(transparent)]
    TooFewDrives(#[from] TooFewDrives),
    /// Its certificates cannot be used.
    #[error("{0}; the certificate stands in identity.toml: if that is damaged, put a sound copy of it back")]
    Certificate(#[from] CertificateError),
    /// A lone server has no usable certificate and gets none.
    #[error("renewing the certificate: {0}")]
    Renewal(#[from] renewal::RenewalError),
    /// Another process runs as this node.
    #[error(
        "drive {0} was started by another process since: it runs with a copy of this node's folders, and is the node from \
         then on. Remove one of the two copies before you start this one again"
    )]
    Superseded(String),
    /// What the cluster keeps for its members is unusable.
    #[error("the cluster gives no usable {0}")]
    Cluster(&'static str),
    /// Identities cannot be kept.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Metrics cannot be kept.
    #[error("making metrics: {0}")]
    Metrics(String),
}

/// Runs a server until it is told to stop.
pub(crate) fn run(settings: Settings) -> Result<(), ServeError> {
    run_role(&settings.clone(), serve(settings))
}

/// Runs a storage node of a cluster until it is told to stop.
pub(crate) fn run_storage_node(settings: Settings) -> Result<(), ServeError> {
    run_role(&settings.clone(), storage_node::serve(settings))
}

/// Runs a gateway of a cluster until it is told to stop.
pub(crate) fn run_gateway(settings: Settings) -> Result<(), ServeError> {
    run_role(&settings.clone(), gateway::serve(settings))
}

/// Threads that wait for media, at most. Each is made when it is needed.
const BLOCKING_THREADS_MAX: usize = 4096;

/// How long the threads that still work are waited for at the end.
const THREADS_END_WAIT: Duration = Duration::from_secs(5);

fn run_role(settings: &Settings, role: impl Future<Output = Result<(), ServeError>>) -> Result<(), ServeError> {
    let _log = logs::start(&settings.logs)?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = settings.process.worker_threads {
        runtime.worker_threads(usize::from(threads.max(1)));
    }
    // Each drive has a bounded number of calls that wait for its medium; so many drives may hang at once.
    runtime.max_blocking_threads(BLOCKING_THREADS_MAX);
    let runtime = runtime.enable_all().thread_name("couronne").build().map_err(ServeError::Runtime)?;
    let served = runtime.block_on(role);
    // A thread whose call hangs is not waited for.
    runtime.shutdown_timeout(THREADS_END_WAIT);
    served
}

/// Start, serve, stop.
async fn serve(settings: Settings) -> Result<(), ServeError> {
    let descriptors = Descriptors::raise();
    let env = env::system();
    // The listeners first: a first start whose port is taken leaves nothing behind, and the next one is the first again.
    let (s3_listener, s3) = listen(settings.s3.listen, "--listen, or `listen` in [s3] of the settings file,").await?;
    let chosen_by = "--admin-listen, or `listen` in [admin] of the settings file,";
    let (admin_listener, admin) = listen(settings.admin.listen, chosen_by).await?;
    let folder = Arc::new(DataFolder::open(&settings.data)?);
    let (tls, admin_tls) = (parts::tls(&settings.s3)?, parts::admin_tls(&settings.admin)?);
    let data = Lone::start(folder, &settings, &env).await?;
    let node = Arc::clone(&data.node);
    let (gateway, audit_writer) = gateway_of(&node, &data.secrets.shared(), &settings, &env)?;
    secrets::end_reset(&data.folder, &gateway.identity).await?;
    let operators =
        Operators::new(&node, &data.folder, data.drives.clone(), StatusSource::new(Arc::clone(&node), env, s3));
    let api = operators.open(&data.folder, &data.secrets, &gateway)?;
    tokio::spawn(secrets::follow(Arc::clone(&node), operators, Arc::clone(&data.folder), data.secrets_version));

    let stop = signals::stop().map_err(ServeError::Runtime)?;
    let server = data.folder.running((Some(s3), tls.is_some()), None, (admin, &settings.admin));
    // The admin listener stays open until requests are finished: an operator that watches sees the end.
    let (admin_stop, admin_stopped) = watch::channel(false);
    data.folder.announce(&server)?;
    let admin_task = tokio::spawn(couronne_admin::server::serve(admin_listener, api, admin_tls, admin_stopped));
    welcome::print(&data, s3, &server);
    tracing::info!(%s3, %admin, policy = %data.redundancy, drives = data.drives.len(), "serving");
    let served = parts::server_settings(&settings, descriptors, data.drives.len())?;
    server::serve(s3_listener, parts::faces(gateway), served, tls, stop).await;

    tracing::info!("stopping");
    node.shutdown().await;
    admin_stop.send_replace(true);
    if let Err(error) = admin_task.await {
        tracing::warn!(%error, "the admin listener ended badly");
    }
    audit::close(audit_writer).await;
    data.folder.withdraw();
    tracing::info!("stopped");
    Ok(())
}

/// The gateway over the node of this process, and through it over its cluster; what writes its audit.
fn gateway_of(
    node: &Arc<LocalNode>,
    secrets: &SharedSecrets,
    settings: &Settings,
    env: &Env,
) -> Result<(Arc<Gateway<S3>>, Option<AuditWriter>), ServeError> {
    let routes = Arc::clone(node.routes());
    let components = Components { shards: routes.clone(), ranges: routes, map: node.clone(), env: env.clone() };
    parts::gateway(components, secrets, settings)
}

/// The end of a cluster's process, once its doors were told to close: what is under way there finishes,
/// then the rest flushes, and the process is no longer announced.
async fn end(doors: impl IntoIterator<Item = JoinHandle<()>>, flush: impl Future<Output = ()>, folder: &DataFolder) {
    for door in doors {
        if let Err(error) = door.await {
            tracing::warn!(%error, "a listener ended badly");
        }
    }
    flush.await;
    folder.withdraw();
    tracing::info!("stopped");
}

/// A listener and the address it got. `chosen_by` tells an operator how to choose another address.
async fn listen(address: SocketAddr, chosen_by: &'static str) -> Result<(TcpListener, SocketAddr), ServeError> {
    let refused = |source| ServeError::Listen { address, chosen_by, source };
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    Ok((listener, address))
}
