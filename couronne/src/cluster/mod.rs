//! `couronne cluster`: founding, joining, tokens, the map.
//!
//! Must not know: how members serve.

pub(crate) mod founding;
mod init;
mod join;
pub(crate) mod reset;

use couronne_protocol::net::certificates::CertificateError;
use couronne_protocol::transport::CallError;
use couronne_storage_node::node::NodeError;
use thiserror::Error;

use crate::admin::commands::{self, CommandError};
use crate::cli::ClusterCommand;
use crate::folder::DataFolderError;
use crate::policy::TooFewDrives;
use crate::settings::SettingsError;

/// Why a cluster was not founded or joined, or does not answer.
#[derive(Debug, Error)]
pub(crate) enum ClusterError {
    /// The settings were refused.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The data folders were refused.
    #[error(transparent)]
    DataFolder(#[from] DataFolderError),
    /// No cluster was founded.
    #[error(transparent)]
    Founding(#[from] founding::FoundingError),
    /// The drives are another node's.
    #[error(transparent)]
    Drives(#[from] crate::drives::DrivesError),
    /// The drives were refused.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// Keys or certificates could not be made.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The token cannot be read.
    #[error(transparent)]
    Secret(#[from] crate::secret_argument::SecretArgumentError),
    /// The token is none.
    #[error(transparent)]
    Token(#[from] couronne_protocol::join::NotAToken),
    /// The member that the token names does not answer.
    #[error("asking {address}: {error}")]
    Call {
        /// The address of the process that was asked.
        address: String,
        /// What happened.
        error: CallError,
    },
    /// The answer does not parse.
    #[error("the cluster's answer is not what this version expects")]
    Answer,
    /// The cluster said no.
    #[error(transparent)]
    NotAdmitted(#[from] couronne_protocol::join::NotAdmitted),
    /// Secrets are not reset so.
    #[error("{0}")]
    Reset(String),
    /// Its drives could never hold the policy.
    #[error(transparent)]
    TooFewDrives(#[from] TooFewDrives),
    /// A cluster is not made of so few nodes.
    #[error("{0}")]
    TooSmall(String),
    /// The admin listener of a member does not answer, or refuses.
    #[error(transparent)]
    Command(#[from] CommandError),
}

/// Carries out a command.
pub(crate) async fn run(command: ClusterCommand) -> Result<(), ClusterError> {
    match command {
        ClusterCommand::Init(arguments) => init::init(arguments).await,
        ClusterCommand::Join(arguments) => join::join(arguments).await,
        ClusterCommand::Token(command) => Ok(commands::members::token(command).await?),
        ClusterCommand::Status(arguments) => Ok(commands::cluster::status(arguments).await?),
        ClusterCommand::Map(arguments) => Ok(commands::cluster::map(arguments).await?),
    }
}
