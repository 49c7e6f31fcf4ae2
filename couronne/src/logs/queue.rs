//! The way of log lines to standard error: collected in memory, written many at a time by a thread of their own.
//!
//! ```text
//! a request's task --append--> [lines in memory, 4 MiB at most] --a thread, every 20 ms--> standard error
//! ```
//!
//! A line of the access log costs a request a copy instead of a system call. A line waits for others at most
//! [`GATHERING`]; a warning or an error is written at once, and all before it.
//! Promises: lines are whole and in their order; a write has whole lines, and as long as a line fits, no more than a
//! pipe takes in one piece, so that processes may share a pipe. At an orderly stop everything is written. A process that
//! is killed loses the lines of the last [`GATHERING`]; what a client was told never hangs on them.
//! Where the reader is too slow, lines are dropped and counted, and the log says how many, rather than that requests
//! wait: a log that nobody reads must not stop the service. Warnings and errors have room of their own.
//! Must not know: what is logged.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// How long a line may wait for others to be written with it.
const GATHERING: Duration = Duration::from_millis(20);
/// How many bytes of lines may wait; a warning or an error may wait behind as many again.
const WAITING_BYTES_MAX: usize = 4 << 20;
/// Bytes that a pipe takes in one piece, though other processes write to it too (PIPE_BUF of Linux).
const PIECE_BYTES_MAX: usize = 4096;
/// How long a stop waits for a reader of the log that takes nothing.
const STOP_WAIT: Duration = Duration::from_secs(5);

/// The thread that writes, until this is dropped.
pub(super) struct Lines {
    queue: Arc<Queue>,
}

/// The way into the queue.
pub(super) struct Inlet(Arc<Queue>);

/// Where lines wait.
struct Queue {
    waiting: Mutex<Waiting>,
    /// There is something to write, or to write at once.
    filled: Condvar,
    /// The thread has written everything and ended.
    ended: Condvar,
}

#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    /// Lines that found no room since the log last said so.
    dropped: u64,
    /// Whether the lines are written without waiting for others.
    is_urgent: bool,
    is_stopping: bool,
    has_ended: bool,
}

impl Lines {
    /// Starts the thread.
    pub(super) fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        let queue = Queue { waiting: Mutex::default(), filled: Condvar::new(), ended: Condvar::new() };
        let queue = Arc::new(queue);
        let of_thread = Arc::clone(&queue);
        std::thread::Builder::new().name("log".to_owned()).spawn(move || of_thread.write_to(out))?;
        Ok(Self { queue })
    }

    /// Where lines are put.
    pub(super) fn inlet(&self) -> Inlet {
        Inlet(Arc::clone(&self.queue))
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        let mut waiting = self.queue.waiting.lock();
        waiting.is_stopping = true;
        self.queue.filled.notify_one();
        self.queue.ended.wait_while_for(&mut waiting, |waiting| !waiting.has_ended, STOP_WAIT);
    }
}

impl Queue {
    /// Takes a line, or counts it where there is no room.
    fn append(&self, line: &[u8], is_urgent: bool) {
        let mut waiting = self.waiting.lock();
        let limit = if is_urgent { 2 * WAITING_BYTES_MAX } else { WAITING_BYTES_MAX };
        if waiting.lines.len().saturating_add(line.len()) > limit {
            waiting.dropped = waiting.dropped.saturating_add(1);
            return;
        }
        // The thread sleeps only while nothing waits, or until the time of what waits has come.
        let wakes = waiting.lines.is_empty() || (is_urgent && !waiting.is_urgent);
        waiting.lines.extend_from_slice(line);
        waiting.is_urgent |= is_urgent;
        drop(waiting);
        if wakes {
            self.filled.notify_one();
        }
    }

    /// Writes what is put here, until the stop.
    fn write_to(&self, mut out: impl Write) {
        let mut lines = Vec::new();
        loop {
            let (dropped, is_last) = self.take(&mut lines);
            for piece in pieces(&lines) {
                // There is nowhere to say that the log cannot be written.
                let _ = out.write_all(piece);
            }
            if dropped > 0 {
                let _ = out.write_all(
                    format!("{dropped} log lines were dropped: they are not taken fast enough\n").as_bytes(),
                );
            }
            if is_last {
                break;
            }
            lines.clear();
            lines.shrink_to(WAITING_BYTES_MAX / 16);
        }
        self.waiting.lock().has_ended = true;
        self.ended.notify_all();
    }

    /// Waits for lines, and for those that come soon after them; takes them all, with the number of those that were
    /// dropped meanwhile and whether these are the last.
    fn take(&self, lines: &mut Vec<u8>) -> (u64, bool) {
        let mut waiting = self.waiting.lock();
        self.filled.wait_while(&mut waiting, |waiting| waiting.lines.is_empty() && !waiting.is_stopping);
        self.filled.wait_while_for(&mut waiting, |waiting| !waiting.is_urgent && !waiting.is_stopping, GATHERING);
        std::mem::swap(&mut waiting.lines, lines);
        waiting.is_urgent = false;
        (std::mem::take(&mut waiting.dropped), waiting.is_stopping)
    }
}

/// Lines in pieces that a pipe takes whole; a line longer than that is a piece of its own.
fn pieces(mut lines: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let end = match lines.get(..PIECE_BYTES_MAX) {
            None => lines.len(),
            Some(most) => {
                let last = most.iter().rposition(|byte| *byte == b'\n');
                let end = last.or_else(|| lines.iter().position(|byte| *byte == b'\n'));
                end.map_or(lines.len(), |end| end.saturating_add(1))
            }
        };
        let (piece, rest) = lines.split_at_checked(end)?;
        lines = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

/// One line on its way into the queue.
pub(super) struct Line<'a> {
    queue: &'a Queue,
    is_urgent: bool,
}

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.queue.append(line, self.is_urgent);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Inlet {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { queue: &self.0, is_urgent: true }
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Line<'a> {
        Line { queue: &self.0, is_urgent: *meta.level() <= Level::WARN }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use tokio::time::Instant;

    /// A reader that takes a write only when it is told to, and says what it took.
    struct Reader {
        may: Option<mpsc::Receiver<()>>,
        taken: Arc<Mutex<Vec<Vec<u8>>>>,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if let Some(may) = &self.may {
                let _ = may.recv();
            }
            self.taken.lock().push(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn start(may: Option<mpsc::Receiver<()>>) -> (Lines, Arc<Mutex<Vec<Vec<u8>>>>) {
        let taken = Arc::new(Mutex::default());
        let lines = Lines::start(Reader { may, taken: Arc::clone(&taken) }).unwrap();
        (lines, taken)
    }

    #[test]
    fn a_stop_loses_nothing_and_keeps_the_order() {
        let (lines, taken) = start(None);
        let queue = lines.inlet().0;
        let expected: Vec<u8> = (0..5000).flat_map(|number| format!("line {number}\n").into_bytes()).collect();
        for line in expected.split_inclusive(|byte| *byte == b'\n') {
            queue.append(line, false);
        }
        drop(lines);
        assert!(taken.lock().concat() == expected);
        for piece in taken.lock().iter() {
            assert!(piece.ends_with(b"\n") && piece.len() <= PIECE_BYTES_MAX);
        }
    }

    #[test]
    fn lines_of_several_threads_are_whole() {
        let (lines, taken) = start(None);
        std::thread::scope(|scope| {
            for number in 0..4_u8 {
                let queue = lines.inlet().0;
                scope.spawn(move || {
                    let line = [vec![b'a' + number; 100 + usize::from(number)], vec![b'\n']].concat();
                    (0..500).for_each(|_| queue.append(&line, false));
                });
            }
        });
        drop(lines);
        let all = taken.lock().concat();
        assert_eq!(all.iter().filter(|byte| **byte == b'\n').count(), 2000);
        for line in all.split_inclusive(|byte| *byte == b'\n') {
            assert_eq!(line.len(), 101 + usize::from(line[0] - b'a'));
            assert!(line[..line.len() - 1].iter().all(|byte| *byte == line[0]));
        }
    }

    #[test]
    fn an_error_is_written_at_once_with_all_before_it() {
        let (lines, taken) = start(None);
        let queue = lines.inlet().0;
        let began = Instant::now();
        queue.append(b"a request\n", false);
        queue.append(b"an error\n", true);
        while taken.lock().concat() != b"a request\nan error\n" {
            assert!(began.elapsed() < Duration::from_secs(10), "it is never written");
            std::thread::yield_now();
        }
        drop(lines);
    }

    #[test]
    fn a_reader_that_takes_nothing_costs_lines_and_not_time() {
        let (allow, may) = mpsc::channel();
        let (lines, taken) = start(Some(may));
        let queue = lines.inlet().0;
        let line = [vec![b'x'; 1023], vec![b'\n']].concat();
        let began = Instant::now();
        // Some may be on their way out; as many as wait then have room, and no more.
        let count = 4 * WAITING_BYTES_MAX / line.len();
        (0..count).for_each(|_| queue.append(&line, false));
        queue.append(b"an error\n", true);
        assert!(began.elapsed() < Duration::from_secs(5));
        drop(allow);
        drop(lines);
        let all = String::from_utf8(taken.lock().concat()).unwrap();
        let kept = all.lines().filter(|line| line.starts_with('x')).count();
        assert!(kept <= 3 * WAITING_BYTES_MAX / line.len(), "{kept} lines waited");
        assert!(all.contains("an error\n"));
        let said: usize = all
            .lines()
            .filter_map(|line| {
                line.strip_suffix(" log lines were dropped: they are not taken fast enough")?.parse::<usize>().ok()
            })
            .sum();
        assert_eq!(kept + said, count, "every line is either there or counted");
    }

    #[test]
    fn a_long_line_is_a_piece_of_its_own() {
        let long = [vec![b'y'; 2 * PIECE_BYTES_MAX], vec![b'\n']].concat();
        let lines = [b"short\n".as_slice(), &long, b"short\n"].concat();
        let found: Vec<&[u8]> = pieces(&lines).collect();
        assert_eq!(found, [b"short\n".as_slice(), &long, b"short\n"]);
        assert_eq!(pieces(b"").count(), 0);
    }
}
