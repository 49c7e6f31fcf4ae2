//! Where the running process listens: what `couronne status` and other commands find in its data folder.
//!
//! Promises: it stands there only while the process serves, or after the process was killed.
//! Must not know: what listens there.

use std::net::SocketAddr;
use std::path::Path;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{DataFolder, DataFolderError, files, write_everywhere};

pub(super) const SERVER: &str = "server.json";
pub(super) const TOKEN: &str = "admin.token";
/// The token that gives no orders.
const READING_TOKEN: &str = "admin-reading.token";

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
    /// The process id.
    pub(crate) pid: u32,
}

impl DataFolder {
    /// Keeps the tokens of the admin listener for its operator; a gateway knows only the one that reads.
    pub(crate) fn keep_tokens(&self, admin_token: Option<&str>, reading_token: &str) -> Result<(), DataFolderError> {
        match admin_token {
            Some(admin_token) => write_everywhere(&self.folders, TOKEN, admin_token)?,
            None => self.remove(TOKEN)?,
        }
        write_everywhere(&self.folders, READING_TOKEN, reading_token)
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

/// Where the process of a data folder listens, and the token of its admin listener: the one that gives orders, if the
/// folder has it.
pub(crate) fn running_server(folder: &Path) -> Result<(RunningServer, Zeroizing<String>), DataFolderError> {
    let read = |name: &str| {
        let path = folder.join(name);
        let text = files::read(&path).map_err(DataFolderError::io("reading", &path))?;
        Ok::<_, DataFolderError>(text.map(Zeroizing::new))
    };
    let absent = || DataFolderError::NotRunning(folder.to_owned());
    let server = serde_json::from_str(&read(SERVER)?.ok_or_else(absent)?)
        .map_err(|error| DataFolderError::Damaged { path: folder.join(SERVER), reason: error.to_string() })?;
    let token = match read(TOKEN)? {
        Some(token) => token,
        None => read(READING_TOKEN)?.ok_or_else(absent)?,
    };
    Ok((server, Zeroizing::new(token.trim().to_owned())))
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
            pid: 7,
        };
        let golden = r#"{"s3":"127.0.0.1:9000","tls":false,"peers":null,"admin":"127.0.0.1:9001","pid":7}"#;
        assert_eq!(serde_json::to_string(&server).unwrap(), golden);
        assert_eq!(serde_json::from_str::<RunningServer>(golden).unwrap(), server);
    }
}
