//! The commands of operators: each asks the running server, and prints what it says.
//!
//! Must not know: how the server knows, or does it.

mod changes;
pub(crate) mod cluster;
pub(crate) mod identity;
pub(crate) mod keys;
pub(crate) mod members;
pub(crate) mod usage;

use couronne_admin::client::{AdminClient, ClientError, ClientTls};
use couronne_admin::endpoints::GetStatus;
use couronne_admin::types::{ClusterStatus, Done};
use rustls_pki_types::ServerName;
use thiserror::Error;

use crate::admin_address::NoAdminAddress;
use crate::cli::{ServerArguments, ServerChoice};
use crate::folder::{self, DataFolderError};
use crate::roots::{self, RootsError};
use crate::secret_argument::SecretArgumentError;
use crate::settings::{DataSettings, SettingsError};
use crate::terminal::say;

/// Why a command could not be carried out.
#[derive(Debug, Error)]
pub(crate) enum CommandError {
    /// There is no server to talk to.
    #[error(transparent)]
    DataFolder(#[from] DataFolderError),
    /// What is named is no address.
    #[error(transparent)]
    Variable(#[from] NoAdminAddress),
    /// No certificate authority can be believed.
    #[error(transparent)]
    Roots(#[from] RootsError),
    /// A secret that the command names cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretArgumentError),
    /// An admin address without a token.
    #[error(
        "an admin address takes a token as well: set COURONNE_ADMIN_TOKEN to what `couronne secrets show admin-token` prints at a storage node"
    )]
    NoToken,
    /// A gateway's data folder has neither.
    #[error("a gateway keeps the token that reads alone: ask at a storage node")]
    OfGateway,
    /// A document that the command names cannot be read.
    #[error("reading {0}: {1}")]
    Document(String, std::io::Error),
    /// The settings were refused.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The server does not answer, or refuses.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// Reads a document that a flag names.
fn document(path: &std::path::Path) -> Result<String, CommandError> {
    #[allow(clippy::disallowed_methods, reason = "an operator's file, read by a command before it does anything")]
    let read = std::fs::read_to_string(path);
    read.map_err(|error| CommandError::Document(path.display().to_string(), error))
}

/// Finds the server that the flags mean.
pub(crate) fn find_server(arguments: &ServerArguments) -> Result<AdminClient, CommandError> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    match arguments.choice(variable)? {
        ServerChoice::Address { address, authorities, token } => {
            let token = token.ok_or(CommandError::NoToken)?.read()?;
            let tls = if address.is_tls {
                let name = name_of(address.host())?;
                Some(ClientTls { config: roots::believing(authorities.as_deref())?, name })
            } else {
                None
            };
            Ok(AdminClient::new(address.host_and_port, tls, token))
        }
        ServerChoice::Folder { folder, token } => {
            let server = folder::running_server(&folder)?;
            let settings = DataSettings { folders: vec![folder], ..DataSettings::default() };
            let token = match token {
                Some(token) => token.read()?,
                None => folder::operator_secrets_of(&settings)?.token(),
            };
            let tls = match &server.admin_certificate {
                // Who may read the folder is told which certificate it is: its names do not matter.
                Some(path) => Some(ClientTls {
                    config: roots::believing_one(path)?,
                    name: name_of(&server.admin.ip().to_string())?,
                }),
                None => None,
            };
            Ok(AdminClient::new(server.admin.to_string(), tls, token))
        }
    }
}

/// The name that a server's certificate is to have.
fn name_of(host: &str) -> Result<ServerName<'static>, CommandError> {
    ServerName::try_from(host.to_owned()).map_err(|_| CommandError::Variable(NoAdminAddress))
}

/// Prints a message as JSON.
fn print_json(message: &impl serde::Serialize) -> Result<(), CommandError> {
    say(&serde_json::to_string_pretty(message).map_err(ClientError::Answer)?);
    Ok(())
}

fn say_all(lines: &[String]) {
    lines.iter().for_each(|line| say(line));
}

/// How the cluster is, as a server says.
async fn ask(server: &ServerArguments) -> Result<ClusterStatus, CommandError> {
    Ok(find_server(server)?.call(GetStatus {}).await?)
}

/// Prints what was done.
fn say_done(done: &Done, as_json: bool) -> Result<(), CommandError> {
    if as_json {
        return print_json(done);
    }
    say(&done.message);
    Ok(())
}
