//! The commands of operators: each asks the running server, and prints what it says.
//!
//! Must not know: how the server knows, or does it.

pub(crate) mod cluster;
pub(crate) mod identity;
pub(crate) mod members;

use couronne_admin::client::{AdminClient, ClientError};
use couronne_admin::endpoints::GetStatus;
use couronne_admin::types::{ClusterStatus, Done};
use thiserror::Error;

use crate::cli::{BadAdminVariable, ServerArguments, ServerChoice};
use crate::folder::{self, DataFolderError};
use crate::secret_argument::SecretArgumentError;
use crate::settings::{DataSettings, SettingsError};
use crate::terminal::say;

/// Why a command could not be carried out.
#[derive(Debug, Error)]
pub(crate) enum CommandError {
    /// There is no server to talk to.
    #[error(transparent)]
    DataFolder(#[from] DataFolderError),
    /// COURONNE_ADMIN is no address.
    #[error(transparent)]
    Variable(#[from] BadAdminVariable),
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
    /// The settings were refused.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The server does not answer, or refuses.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// Finds the server that the flags mean.
pub(crate) fn find_server(arguments: &ServerArguments) -> Result<AdminClient, CommandError> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    match arguments.choice(variable)? {
        ServerChoice::Address { address, token } => {
            Ok(AdminClient::new(address, token.ok_or(CommandError::NoToken)?.read()?))
        }
        ServerChoice::Folder { folder, token } => {
            let server = folder::running_server(&folder)?;
            let settings = DataSettings { folders: vec![folder], ..DataSettings::default() };
            let token = match token {
                Some(token) => token.read()?,
                None => folder::operator_secrets_of(&settings)?.token(),
            };
            Ok(AdminClient::new(server.admin, token))
        }
    }
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
