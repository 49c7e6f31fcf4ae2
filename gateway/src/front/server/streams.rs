//! The tasks of HTTP/2 streams, each with the progress of its request beside it.
//!
//! A client whose window is shut and that answers pings keeps its connection for ever; the stream that it does not
//! read is reset alone, the others go on. Must not know: requests.

use couronne_base::fair::Cut;
use hyper::rt::Executor;

use super::progress::{Bounds, Progress};

tokio::task_local! {
    static OF_STREAM: Progress;
}

/// Runs the tasks of a connection's streams.
#[derive(Clone, Copy)]
pub(super) struct Streams {
    pub(super) bounds: Bounds,
}

impl Streams {
    /// The progress of the stream that this task is.
    pub(super) fn progress() -> Progress {
        OF_STREAM.try_with(Progress::clone).unwrap_or_else(|_| Progress::new(Cut::default()))
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let (progress, bounds) = (Progress::new(Cut::default()), self.bounds);
        let beside = progress.clone();
        tokio::spawn(OF_STREAM.scope(progress, async move {
            tokio::select! {
                biased;
                () = stream => {}
                // Dropped, the stream is reset.
                () = beside.given_up(bounds) => tracing::debug!("a stream is cut"),
            }
        }));
    }
}
