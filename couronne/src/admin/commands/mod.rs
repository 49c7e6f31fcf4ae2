//! The commands of operators: each asks the running server, and prints what it says.
//!
//! Must not know: how the server knows, or does it.

pub(crate) mod cluster;
pub(crate) mod identity;

use couronne_admin::client::{AdminClient, ClientError};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::cli::ServerArguments;
use crate::data_folder::{self, DataFolderError};
use crate::terminal::say;

/// Why a command could not be carried out.
#[derive(Debug, Error)]
pub(crate) enum CommandError {
    /// There is no server to talk to.
    #[error(transparent)]
    DataFolder(#[from] DataFolderError),
    /// COURONNE_ADMIN without a token.
    #[error("an admin address takes a token as well: set COURONNE_ADMIN_TOKEN to the text of DIR/admin.token")]
    NoToken,
    /// The server does not answer, or refuses.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// Finds the server that the flags mean.
pub(crate) fn find_server(arguments: &ServerArguments) -> Result<AdminClient, CommandError> {
    if let Some(address) = arguments.admin_address {
        let token = arguments.admin_token.clone().ok_or(CommandError::NoToken)?;
        return Ok(AdminClient::new(address, Zeroizing::new(token)));
    }
    let (server, token) = data_folder::running_server(&arguments.data)?;
    Ok(AdminClient::new(server.admin, token))
}

/// Prints a message as JSON.
fn print_json(message: &impl serde::Serialize) -> Result<(), CommandError> {
    say(&serde_json::to_string_pretty(message).map_err(ClientError::Answer)?);
    Ok(())
}

fn say_all(lines: &[String]) {
    lines.iter().for_each(|line| say(line));
}
