//! Where the running process listens, and where its key is: what `couronne status` and other commands find in its data
//! folder.
//!
//! Promises: it stands there only while the process serves, or after the process was killed.
//! Must not know: what listens there.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::sealed::{NodeKey, OperatorSecrets, read_operator_secrets};
use super::{DataFolder, DataFolderError, files, write_everywhere};
use crate::settings::{AdminSettings, DataSettings};

pub(super) const SERVER: &str = "server.json";

/// What `server.json` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunningServer {
    /// The address of the S3 listener, if the process has one.
    pub(crate) s3: Option<SocketAddr>,
    /// Whether the S3 listener speaks TLS.
    pub(crate) tls: bool,
    /// The address of the listener for storage nodes and gateways, if the process has one.
    pub(crate) peers: Option<SocketAddr>,
    /// The address of the admin listener.
    pub(crate) admin: SocketAddr,
    /// The file (PEM) with the certificate of the admin listener, if that speaks TLS.
    pub(crate) admin_certificate: Option<PathBuf>,
    /// The process id.
    pub(crate) pid: u32,
    /// The file of the node's key, if it is in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) node_key: Option<PathBuf>,
}

impl DataFolder {
    /// What is told of this process, which listens there; its admin listener by these settings.
    pub(crate) fn running(
        &self,
        (s3, tls): (Option<SocketAddr>, bool),
        peers: Option<SocketAddr>,
        (admin, settings): (SocketAddr, &AdminSettings),
    ) -> RunningServer {
        let certificate = settings.tls_cert_path.as_ref();
        let admin_certificate = certificate.map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone()));
        RunningServer {
            s3,
            tls,
            peers,
            admin,
            admin_certificate,
            pid: std::process::id(),
            node_key: self.node_key.path(),
        }
    }

    /// Tells other processes where this one listens.
    pub(crate) fn announce(&self, server: &RunningServer) -> Result<(), DataFolderError> {
        write_everywhere(&self.folders, SERVER, &serde_json::to_string(server).unwrap_or_default())
    }

    /// Takes the announcement back, at the end of a clean shutdown.
    pub(crate) fn withdraw(&self) {
        if let Err(error) = self.remove(SERVER) {
            tracing::warn!(%error, "removing the file that says where this process listens");
        }
    }
}

/// Where the process of a data folder listens.
pub(crate) fn running_server(folder: &Path) -> Result<RunningServer, DataFolderError> {
    announced(folder)?.ok_or_else(|| DataFolderError::NotRunning(folder.to_owned()))
}

/// What the data folders of these settings keep for the operator, whether their process runs or not.
pub(crate) fn operator_secrets_of(settings: &DataSettings) -> Result<OperatorSecrets, DataFolderError> {
    let folder = settings.folders.first().cloned().unwrap_or_default();
    let told = announced(&folder)?.and_then(|server| server.node_key);
    let key = NodeKey::of_running(settings, told)?;
    read_operator_secrets(&key, &settings.folders)?.ok_or(DataFolderError::NothingKept(folder))
}

fn announced(folder: &Path) -> Result<Option<RunningServer>, DataFolderError> {
    let path = folder.join(SERVER);
    let text = files::read(&path).map_err(DataFolderError::io("reading", &path))?;
    let damaged = |error: serde_json::Error| DataFolderError::Damaged { path: path.clone(), reason: error.to_string() };
    text.map(|text| serde_json::from_str(&text)).transpose().map_err(damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_as_its_format_says() {
        let server = RunningServer {
            s3: Some("127.0.0.1:9000".parse().unwrap()),
            tls: false,
            peers: None,
            admin: "127.0.0.1:9001".parse().unwrap(),
            admin_certificate: Some("/etc/admin.pem".into()),
            pid: 7,
            node_key: Some("/etc/n1.key".into()),
        };
        let golden = r#"{"s3":"127.0.0.1:9000","tls":false,"peers":null,"admin":"127.0.0.1:9001","admin_certificate":"/etc/admin.pem","pid":7,"node_key":"/etc/n1.key"}"#;
        assert_eq!(serde_json::to_string(&server).unwrap(), golden);
        assert_eq!(serde_json::from_str::<RunningServer>(golden).unwrap(), server);
    }
}
