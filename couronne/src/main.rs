//! The one binary: command line, settings, and the wiring of every role in one process.
//!
//! Promises: a command that failed says why in one line on standard error. It exits with 2 if it makes no sense as it
//! was given, and with 1 if it was refused or went wrong. (Flags that do not parse are clap's: 2, with a hint.)
//! Must not know: S3, drives; it joins the parts that do.

mod admin;
mod admin_address;
mod allocator;
mod bench;
mod cli;
mod cluster;
mod drives;
mod folder;
mod logs;
mod policy;
mod roots;
mod secret_argument;
mod serve;
mod settings;
mod terminal;

use std::process::ExitCode;

use clap::Parser;

use crate::admin::commands::CommandError;
use crate::cli::{Command, CommandLine, SecretCommand};
use crate::cluster::ClusterError;
use crate::settings::SettingsError;

fn main() -> ExitCode {
    match run(CommandLine::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::complain(&format!("couronne: {error}"));
            ExitCode::from(exit_code(&*error))
        }
    }
}

/// What a command that failed exits with: 2 if no server could carry it out as it was given.
fn exit_code(error: &(dyn std::error::Error + 'static)) -> u8 {
    let of_command = |error: &CommandError| {
        matches!(error, CommandError::Variable(_) | CommandError::NoToken | CommandError::Settings(_))
    };
    let is_senseless = error.is::<SettingsError>()
        || error.downcast_ref().is_some_and(of_command)
        || error.downcast_ref().is_some_and(|error| match error {
            ClusterError::Settings(_) | ClusterError::Token(_) => true,
            ClusterError::Command(error) => of_command(error),
            _ => false,
        });
    if is_senseless { 2 } else { 1 }
}

/// Carries out a command.
fn run(command: Command) -> Result<(), Box<dyn std::error::Error>> {
    match command {
        Command::Serve(arguments) => serve::run(arguments.settings()?)?,
        Command::StorageNode(arguments) => serve::run_storage_node(arguments.settings()?)?,
        Command::Gateway(arguments) => serve::run_gateway(arguments.settings()?)?,
        Command::Cluster(command) => client_runtime()?.block_on(cluster::run(command))?,
        Command::Bench(arguments) => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(bench::run(*arguments))?;
        }
        Command::Reference => terminal::say(settings::reference::page().trim_end()),
        Command::Status(arguments) => client_runtime()?.block_on(admin::commands::cluster::status(arguments))?,
        Command::Node(command) => client_runtime()?.block_on(admin::commands::members::node(command))?,
        Command::Drive(command) => client_runtime()?.block_on(admin::commands::cluster::drive(command))?,
        Command::StoragePolicy(command) => {
            client_runtime()?.block_on(admin::commands::cluster::storage_policy(command))?
        }
        Command::Repair(command) => client_runtime()?.block_on(admin::commands::cluster::repair(command))?,
        Command::Scrub(command) => client_runtime()?.block_on(admin::commands::cluster::scrub(command))?,
        Command::Account(command) => client_runtime()?.block_on(admin::commands::identity::account(command))?,
        Command::Clock(command) => client_runtime()?.block_on(admin::commands::identity::clock(command))?,
        Command::Secret(SecretCommand::Rotate(arguments)) => {
            client_runtime()?.block_on(admin::commands::members::rotate_secret(arguments))?;
        }
        Command::Secret(SecretCommand::Show(arguments)) => admin::commands::members::show_secret(arguments)?,
        Command::Secret(SecretCommand::Reset(arguments)) => cluster::reset::reset(arguments)?,
        Command::Group(command) => client_runtime()?.block_on(admin::commands::identity::group(command))?,
        Command::Role(command) => client_runtime()?.block_on(admin::commands::identity::role(command))?,
        Command::Usage(arguments) => client_runtime()?.block_on(admin::commands::usage::usage(arguments))?,
        Command::Quota(command) => client_runtime()?.block_on(admin::commands::usage::quota(command))?,
        Command::Key(command) => client_runtime()?.block_on(admin::commands::keys::key(command))?,
        Command::Policy(command) => client_runtime()?.block_on(admin::commands::keys::policy(command))?,
        Command::User(command) => client_runtime()?.block_on(admin::commands::identity::user(command))?,
    }
    Ok(())
}

/// A runtime for a command that asks one question.
fn client_runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "the test writes a settings file")]
mod tests {
    use super::*;
    use crate::settings::Settings;

    #[test]
    fn what_makes_no_sense_is_told_from_what_is_refused() {
        let code = |line: &[&str]| match run(CommandLine::parse_from([&["couronne"], line].concat()).command) {
            Ok(()) => 0,
            Err(error) => {
                assert_eq!(error.to_string().lines().count(), 1, "{error}");
                exit_code(&*error)
            }
        };
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name).display().to_string();
        let (data, config) = (path("data"), path("config.toml"));
        std::fs::write(&config, "[s3]\n\ncolour = 'red'\n").unwrap();
        assert_eq!(code(&["serve", "--data", &data, "--policy", "foo"]), 2);
        assert_eq!(code(&["serve", "--data", &data, "--drives", "0"]), 2);
        assert_eq!(code(&["gateway", "--config", &config]), 2);
        assert_eq!(code(&["cluster", "init", "--nodes", "6", "--data", &data, "--policy", "foo"]), 2);
        assert_eq!(code(&["cluster", "join", "nonsense", "--data", &data]), 2);
        assert_eq!(code(&["cluster", "init", "--nodes", "2", "--data", &data, "--policy", "ec:4+2"]), 1);
        assert_eq!(code(&["status", "--data", &data]), 1, "no server runs there");
        assert!(!home.path().join("data").exists());
        let error = Settings::load(Some(config.as_ref())).unwrap_err().to_string();
        assert!(error.contains("config.toml, line 3: unknown field `colour`"), "{error}");
    }
}
