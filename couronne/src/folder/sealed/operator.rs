//! What a data folder keeps for its operator, sealed: the root credentials and the tokens of the admin listener, as the
//! cluster has them. What counts is what the cluster keeps.
//!
//! ```text
//! reading_token = "<the token that gives no orders>"
//! admin_token = "<the token of the admin listener>"          of a storage node alone
//! [root]                                                     likewise
//! access_key, secret_key
//! ```
//! Must not know: what they open.

use std::path::{Path, PathBuf};

use couronne_admin::server::reading_token;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::super::credentials::Credentials;
use super::super::secret::SecretText;
use super::super::secrets::Secrets;
use super::super::{DataFolder, DataFolderError, damaged};
use super::{NodeKey, read_sealed};

pub(in super::super) const OPERATOR: &str = "operator.toml";

/// What is kept for the operator. A secret: no `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OperatorSecrets {
    /// The token that gives no orders.
    pub(crate) reading_token: SecretText,
    /// The token that gives orders; a gateway has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) admin_token: Option<SecretText>,
    /// The root credentials; a gateway keeps none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) root: Option<Credentials>,
}

impl OperatorSecrets {
    /// The token that opens most of the admin listener.
    pub(crate) fn token(self) -> Zeroizing<String> {
        self.admin_token.unwrap_or(self.reading_token).0
    }
}

impl DataFolder {
    /// The command that shows the operator one of these secrets.
    pub(crate) fn show_command(&self, secret: &str) -> String {
        let quoted = |path: &Path| format!("'{}'", path.display().to_string().replace('\'', "'\\''"));
        let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("couronne"));
        let folders: String = self.folders.iter().map(|folder| format!(" --data {}", quoted(folder))).collect();
        format!("{} secrets show {secret}{folders}", quoted(&program))
    }

    /// Keeps what a storage node's operator is to find.
    pub(crate) fn keep_for_operator(&self, secrets: &Secrets) -> Result<(), DataFolderError> {
        let (root, admin_token) = (Some(secrets.root()), Some(SecretText(secrets.admin_token.clone())));
        let reading_token = SecretText(reading_token(&secrets.admin_token));
        self.write_sealed(OPERATOR, &OperatorSecrets { reading_token, admin_token, root })
    }

    /// Keeps what a gateway's operator is to find.
    pub(crate) fn keep_reading_token(&self, token: &Zeroizing<String>) -> Result<(), DataFolderError> {
        let reading_token = SecretText(token.clone());
        self.write_sealed(OPERATOR, &OperatorSecrets { reading_token, admin_token: None, root: None })
    }
}

/// What these data folders keep for the operator, whether their process runs or not.
pub(in super::super) fn read_operator_secrets(
    key: &NodeKey,
    folders: &[PathBuf],
) -> Result<Option<OperatorSecrets>, DataFolderError> {
    let parse = |path: &Path, text: &str| toml::from_str(text).map_err(|error| damaged(path, &error));
    read_sealed(key, folders, OPERATOR, parse)
}
