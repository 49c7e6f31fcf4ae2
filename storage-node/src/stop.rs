//! Whether a node stops: one signal for all of its parts and tasks.

use couronne_base::watch;

/// The signal; it is given once.
pub(crate) struct StopSignal(watch::Sender<bool>);

/// The signal as a task waits for it. It does not keep the node alive.
#[derive(Clone)]
pub(crate) struct Stopped(watch::Receiver<bool>);

impl StopSignal {
    pub(crate) fn new() -> Self {
        Self(watch::channel(false).0)
    }

    /// Has everything of the node end.
    pub(crate) fn stop(&self) {
        self.0.send_replace(true);
    }

    /// Whether the node stops.
    pub(crate) fn is_stopping(&self) -> bool {
        *self.0.borrow()
    }

    /// The signal as a value to be watched.
    pub(crate) fn receiver(&self) -> watch::Receiver<bool> {
        self.0.subscribe()
    }

    /// The signal for a task.
    pub(crate) fn watch(&self) -> Stopped {
        Stopped(self.receiver())
    }
}

impl Stopped {
    /// Resolves when the node stops, or is gone.
    pub(crate) async fn wait(&mut self) {
        // An error means that the node is gone.
        let _ = self.0.wait_for(|stopping| *stopping).await;
    }
}
