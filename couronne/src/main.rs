//! The one binary: command line, settings, and the wiring of every role in one process.
//!
//! Promises: a command that failed says why on standard error and exits with 1.
//! Must not know: S3, drives; it joins the parts that do.

mod admin;
mod allocator;
mod bench;
mod cli;
mod cluster;
mod folder;
mod logs;
mod secret_argument;
mod serve;
mod settings;
mod terminal;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Command, CommandLine};

fn main() -> ExitCode {
    match run(CommandLine::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::complain(&format!("couronne: {error}"));
            ExitCode::FAILURE
        }
    }
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
        Command::Node(command) => client_runtime()?.block_on(admin::commands::cluster::node(command))?,
        Command::Drive(command) => client_runtime()?.block_on(admin::commands::cluster::drive(command))?,
        Command::Policy(command) => client_runtime()?.block_on(admin::commands::cluster::policy(command))?,
        Command::Repair(command) => client_runtime()?.block_on(admin::commands::cluster::repair(command))?,
        Command::Scrub(command) => client_runtime()?.block_on(admin::commands::cluster::scrub(command))?,
        Command::Account(command) => client_runtime()?.block_on(admin::commands::identity::account(command))?,
        Command::Clock(command) => client_runtime()?.block_on(admin::commands::identity::clock(command))?,
        Command::User(command) => client_runtime()?.block_on(admin::commands::identity::user(command))?,
    }
    Ok(())
}

/// A runtime for a command that asks one question.
fn client_runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}
