//! The task that takes lines from the queue and writes them to the output, many at a time.
//!
//! Promises: lines are written in their order; those that the output does not take are offered again, slower and slower, while
//! the queue keeps what comes; only after [`super::AuditSettings::keep_trying_s`], or at the end of the process, are they
//! given up and counted. What was lost is said in a line of its own, before those that follow.
//! Must not know: what lines say, but for the one that tells of lost ones.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use couronne_base::env::Clock;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::event::lost_line;
use super::output::{AuditOutput, Sink};
use super::queue::{AuditLine, Lines};

/// How long the first line waits for others.
const GATHERING: Duration = Duration::from_millis(50);
/// Lines that are written at once, and their bytes, at most; the last line may go beyond.
const LINES_AT_ONCE: usize = 4_096;
const BYTES_AT_ONCE: usize = 512 << 10;
/// The pauses between attempts: the first, and the longest.
const PAUSE_MIN: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// How long the writer goes on at the end of the process.
const END_WAIT: Duration = Duration::from_secs(5);

/// The task, while it runs. It ends with its [`AuditWriter::close`].
pub struct AuditWriter {
    task: JoinHandle<()>,
    close: watch::Sender<bool>,
}

struct Writing {
    lines: Lines,
    sink: Sink,
    clock: Arc<dyn Clock>,
    keep_trying: Duration,
    closed: watch::Receiver<bool>,
}

impl AuditWriter {
    pub(super) fn start(lines: Lines, output: AuditOutput, clock: Arc<dyn Clock>, keep_trying: Duration) -> Self {
        let (close, closed) = watch::channel(false);
        let writing = Writing { lines, sink: output.into(), clock, keep_trying, closed };
        Self { task: tokio::spawn(writing.run()), close }
    }

    /// Writes what is in the queue and ends. What the output does not take within a few seconds is lost.
    pub async fn close(self) {
        self.close.send_replace(true);
        if timeout(2 * END_WAIT, self.task).await.is_err() {
            tracing::error!("the audit's output takes nothing: its last events are lost");
        }
    }
}

impl Writing {
    async fn run(mut self) {
        let mut batch = Vec::new();
        while self.gather(&mut batch).await {
            let events = batch.len() as u64;
            let unsaid = self.lines.figures.take_unsaid();
            let mut text = BytesMut::new();
            if unsaid > 0 {
                text.extend_from_slice(&lost_line(self.clock.wall_us(), unsaid));
            }
            batch.iter().for_each(|line: &AuditLine| text.extend_from_slice(&line.text));
            if self.write(text.freeze()).await {
                self.lines.figures.note_written(events);
            } else {
                self.lines.figures.put_unsaid(unsaid);
                self.lines.figures.note_lost("output", events);
                tracing::error!(events, "the audit's output does not take its events: they are lost");
            }
            // Only now is their room free.
            batch.clear();
        }
    }

    /// Waits for lines, and a little for those that come soon after. `false`: there are none any more.
    async fn gather(&mut self, batch: &mut Vec<AuditLine>) -> bool {
        let Self { lines: Lines { lines, .. }, closed, .. } = self;
        let first = tokio::select! {
            biased;
            line = lines.recv() => line,
            () = until_closed(closed) => {
                lines.close();
                lines.recv().await
            }
        };
        let Some(first) = first else { return false };
        let mut bytes = first.text.len();
        batch.push(first);
        let gathering = async {
            while batch.len() < LINES_AT_ONCE && bytes < BYTES_AT_ONCE {
                let Some(line) = lines.recv().await else { return };
                bytes = bytes.saturating_add(line.text.len());
                batch.push(line);
            }
        };
        // At the end nothing is waited for.
        let patience = if *closed.borrow() { Duration::ZERO } else { GATHERING };
        let _elapsed = timeout(patience, gathering).await;
        true
    }

    /// Writes lines, however often it takes. `false`: they were given up.
    async fn write(&mut self, mut text: Bytes) -> bool {
        let Self { sink, closed, .. } = self;
        let (mut ends_at, mut pause) = (Instant::now() + self.keep_trying, PAUSE_MIN);
        loop {
            if *closed.borrow() {
                ends_at = ends_at.min(Instant::now() + END_WAIT);
            }
            let patience = ends_at.saturating_duration_since(Instant::now()).max(PAUSE_MIN);
            match timeout(patience, sink.write(&mut text)).await {
                Ok(Ok(())) => return true,
                Ok(Err(error)) => {
                    tracing::warn!(%error, again_in_ms = pause.as_millis(), "the audit's output takes nothing");
                }
                // What of it is written in the end nobody knows.
                Err(_elapsed) => return false,
            }
            if Instant::now() >= ends_at {
                return false;
            }
            let is_open = !*closed.borrow();
            tokio::select! {
                biased;
                () = until_closed(closed), if is_open => {}
                () = sleep(pause) => {}
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

async fn until_closed(closed: &mut watch::Receiver<bool>) {
    drop(closed.wait_for(|closed| *closed).await);
}
