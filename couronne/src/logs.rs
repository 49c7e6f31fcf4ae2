//! Log lines: to standard error, as text or JSON, filtered as the settings say.
//!
//! Promises: nothing is logged before `start` and everything after it; a wrong filter stops the start; a task that logs
//! waits neither for a disk nor for the reader of a pipe ([`queue`]).
//! Must not know: what is logged.

mod queue;
mod text;

use std::io;

use couronne_base::env;
use thiserror::Error;
use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use self::queue::Lines;
use self::text::{Text, WallTime};
use crate::settings::{LogFormat, LogSettings};

/// The variable that overrides the filter.
pub(crate) const FILTER_VARIABLE: &str = "COURONNE_LOG";

/// Why logging could not begin.
#[derive(Debug, Error)]
pub(crate) enum LogError {
    /// The filter does not parse.
    #[error("the log filter `{filter}` is unusable: {source}")]
    Filter {
        /// The filter.
        filter: String,
        /// What is wrong with the filter.
        source: ParseError,
    },
    /// The thread that writes the log cannot begin.
    #[error("starting the log's thread: {0}")]
    Thread(#[from] io::Error),
    /// The process logs already.
    #[error("starting the log: {0}")]
    Twice(#[from] TryInitError),
}

/// The process's log. When it is dropped, what was logged before is written.
pub(crate) struct Log {
    _lines: Lines,
}

/// Starts logging for the whole process, until the [`Log`] is dropped.
pub(crate) fn start(settings: &LogSettings) -> Result<Log, LogError> {
    let filter = std::env::var(FILTER_VARIABLE).unwrap_or_else(|_| settings.filter.clone());
    let targets: Targets = filter.parse().map_err(|source| LogError::Filter { filter, source })?;
    let lines = Lines::start(io::stderr())?;
    let (filtered, clock) = (tracing_subscriber::registry().with(targets), env::system().clock);
    let layer = layer().with_writer(lines.inlet()).with_ansi(false);
    match settings.format {
        LogFormat::Text => filtered.with(layer.event_format(Text::new(clock))).try_init()?,
        LogFormat::Json => {
            filtered.with(layer.json().flatten_event(true).with_timer(WallTime::new(clock))).try_init()?;
        }
    }
    Ok(Log { _lines: lines })
}
