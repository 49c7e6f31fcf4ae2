//! When to stop.
//!
//! Must not know: what stops.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// Ready at the first SIGTERM or SIGINT; from the call on neither ends the process by itself.
pub(super) fn stop() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
