//! Log lines: to standard error, as text or JSON, filtered as the settings say.
//!
//! Promises: nothing is logged before `start` and everything after it; a wrong filter stops the start.
//! Must not know: what is logged.

use std::io;

use tracing_subscriber::EnvFilter;

use crate::settings::{LogFormat, LogSettings};

/// The variable that overrides the filter.
pub(crate) const FILTER_VARIABLE: &str = "COURONNE_LOG";

/// Starts logging for the whole process.
pub(crate) fn start(settings: &LogSettings) -> Result<(), String> {
    let filter = std::env::var(FILTER_VARIABLE).unwrap_or_else(|_| settings.filter.clone());
    let filter =
        EnvFilter::try_new(&filter).map_err(|error| format!("the log filter `{filter}` is unusable: {error}"))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(false);
    let started = match settings.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| format!("starting the log: {error}"))
}
