//! `couronne node`, `cluster token` and `secret`: which processes are members, which may become one, and by which secrets
//! they go.

use couronne_admin::endpoints as at;
use couronne_admin::types::{ExpelRequest, Node, NodeRole, RotateRequest, TokenRequest};

use zeroize::Zeroizing;

use super::super::render;
use super::{CommandError, ask, find_server, print_json, say_all, say_done};
use crate::cli::{NodeCommand, SecretRotateArguments, SecretShowArguments, TokenCommand};
use crate::folder::{self, OperatorSecrets};
use crate::terminal::say;

/// `couronne node ...`.
pub(crate) async fn node(command: NodeCommand) -> Result<(), CommandError> {
    match command {
        NodeCommand::List(arguments) => {
            let status = ask(&arguments.server).await?;
            if arguments.json {
                return print_json(&status.nodes.iter().chain(&status.gateways).collect::<Vec<&Node>>());
            }
            say_all(&render::nodes(&status));
            Ok(())
        }
        NodeCommand::Expel(arguments) => {
            let request = ExpelRequest { force: arguments.force };
            let call = at::ExpelNode { node: arguments.node };
            say_done(&find_server(&arguments.server)?.send(call, &request).await?, arguments.json)
        }
    }
}

/// `couronne cluster token ...`.
pub(crate) async fn token(command: TokenCommand) -> Result<(), CommandError> {
    match command {
        TokenCommand::Create(arguments) => {
            let role = if arguments.gateway { NodeRole::Gateway } else { NodeRole::StorageNode };
            let request = TokenRequest { role, lifetime_minutes: arguments.minutes, joins_max: arguments.joins };
            let token = find_server(&arguments.server)?.send(at::CreateToken {}, &request).await?;
            if arguments.json {
                return print_json(&token);
            }
            say(&token.token);
        }
        TokenCommand::List(arguments) => {
            let client = find_server(&arguments.server)?;
            let tokens = client.call(at::ListTokens {}).await?;
            if arguments.json {
                return print_json(&tokens);
            }
            let now_ms = client.call(at::GetStatus {}).await?.now_ms;
            say_all(&render::tokens(&tokens, now_ms));
        }
        TokenCommand::Revoke(arguments) => {
            find_server(&arguments.server)?.call(at::RevokeToken { token: arguments.token.clone() }).await?;
            if !arguments.json {
                say(&format!("token {} is revoked", arguments.token));
            }
        }
    }
    Ok(())
}

/// `couronne secrets rotate`.
pub(crate) async fn rotate_secret(arguments: SecretRotateArguments) -> Result<(), CommandError> {
    let request = RotateRequest { keep_minutes: arguments.keep_minutes };
    let call = at::RotateSecret { secret: arguments.secret };
    let rotated = find_server(&arguments.server)?.send(call, &request).await?;
    if arguments.json {
        return print_json(&rotated);
    }
    say(&rotated.message);
    if let (Some(access_key), Some(secret_key)) = (&rotated.access_key, &rotated.secret_key) {
        say(&format!("access key  {access_key}"));
        say(&format!("secret key  {secret_key}"));
    }
    Ok(())
}

/// `couronne secrets show`: prints a secret, and nothing else, for a variable or another command to take.
pub(crate) fn show_secret(arguments: SecretShowArguments) -> Result<(), CommandError> {
    let settings = arguments.folder.settings()?;
    let OperatorSecrets { reading_token, admin_token, root } = folder::operator_secrets_of(&settings.data)?;
    let secret = match arguments.secret.as_str() {
        "access-key" => root.map(|root| Zeroizing::new(root.access_key)),
        "secret-key" => root.map(|root| root.secret_key),
        "admin-token" => admin_token.map(|token| token.0),
        _ => Some(reading_token.0),
    };
    say(&secret.ok_or(CommandError::OfGateway)?);
    Ok(())
}
