//! Work that holds its thread for long: a scan of many rows, a flush.
//!
//! A server does it on a thread of its own, so that the tasks beside it go on. On a runtime of one
//! thread there is none to keep free, and a second one would leave it open what comes first: there it
//! is done at once, and a simulation stays repeatable.
//! Must not know: what the work is.

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::{JoinError, spawn_blocking};

/// Whether the runtime at hand has one thread.
pub fn is_on_one_thread() -> bool {
    Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread
}

/// Does the work; an error says that it panicked, or that the runtime ends.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, JoinError> {
    if is_on_one_thread() { Ok(work()) } else { spawn_blocking(work).await }
}
