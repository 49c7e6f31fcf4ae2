//! One worker of the load generator: one connection, one operation after another.
//!
//! Must not know: other workers, but for the counters they share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant;

use super::BenchError;
use super::arguments::{BenchArguments, Workload};
use super::body::Bodies;
use super::client::Client;
use super::measure::Measured;

/// What ends a phase.
#[derive(Clone)]
pub(crate) enum End {
    /// A moment.
    At(Instant),
    /// So many operations among all workers, counted down.
    After(Arc<AtomicU64>),
}

/// What all workers of a run share.
pub(crate) struct Shared {
    /// The flags.
    pub(crate) arguments: BenchArguments,
    /// The next prepared object that the delete workload takes.
    pub(crate) next_deleted: AtomicU64,
}

/// A worker.
pub(crate) struct Worker {
    shared: Arc<Shared>,
    client: Client,
    bodies: Bodies,
    number: u64,
    step: u64,
    page: Option<String>,
    own: Vec<String>,
}

/// What a successful operation moved.
struct Moved {
    bytes: u64,
    keys: u64,
}

impl End {
    /// Whether one more operation may start.
    fn allows_more(&self) -> bool {
        match self {
            Self::At(moment) => Instant::now() < *moment,
            Self::After(left) => {
                left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
            }
        }
    }
}

/// The key of a prepared object.
pub(crate) fn prepared_key(arguments: &BenchArguments, index: u64) -> String {
    format!("{}{}/{index:010}", prepared_prefix(arguments), index % 16)
}

/// The prefix of the prepared objects of one size.
pub(crate) fn prepared_prefix(arguments: &BenchArguments) -> String {
    format!("{}prepared-{}/", arguments.prefix, arguments.size)
}

impl Worker {
    /// Worker `number` of a run.
    pub(crate) fn new(shared: Arc<Shared>, client: Client, bodies: Bodies, number: u64) -> Self {
        Self { shared, client, bodies, number, step: 0, page: None, own: Vec::new() }
    }

    /// Works until the end of the phase; gives the worker back with what it measured.
    pub(crate) async fn run(mut self, end: End) -> (Self, Measured) {
        let mut measured = Measured::default();
        while end.allows_more() {
            let started = Instant::now();
            match self.operation().await {
                Ok(Some(moved)) => measured.success(started.elapsed(), moved.bytes, moved.keys),
                Ok(None) => break,
                Err(error) => measured.failure(error.code()),
            }
        }
        (self, measured)
    }

    /// Puts those of the prepared objects whose index is this worker's.
    pub(crate) async fn prepare(mut self, workers: u64) -> Result<Self, BenchError> {
        let arguments = &self.shared.arguments;
        for index in (self.number..arguments.objects).step_by(usize::try_from(workers).unwrap_or(1)) {
            self.client.put(&prepared_key(arguments, index), self.bodies.next()).await?;
        }
        Ok(self)
    }

    /// One operation of the workload; `None` if there is nothing left to do.
    async fn operation(&mut self) -> Result<Option<Moved>, BenchError> {
        self.step += 1;
        let shared = Arc::clone(&self.shared);
        let (arguments, size) = (&shared.arguments, shared.arguments.size);
        let moved = |bytes| Some(Moved { bytes, keys: 0 });
        match mixed(arguments.workload, self.step) {
            Workload::Put | Workload::Mixed => {
                let key = self.new_key(arguments);
                self.client.put(&key, self.bodies.next()).await?;
                if arguments.workload == Workload::Mixed {
                    self.own.push(key);
                }
                Ok(moved(size))
            }
            Workload::Get => self.client.get(&self.some_key(arguments), size).await.map(|()| moved(size)),
            Workload::Head => self.client.head(&self.some_key(arguments)).await.map(|()| moved(0)),
            Workload::List => self.list(arguments).await.map(Some),
            Workload::Delete if arguments.workload == Workload::Mixed => {
                let key = self.own.pop().unwrap_or_else(|| format!("{}nothing", arguments.prefix));
                self.client.delete(&key).await.map(|()| moved(0))
            }
            Workload::Delete => {
                let index = shared.next_deleted.fetch_add(1, Ordering::Relaxed);
                if index >= arguments.objects {
                    return Ok(None);
                }
                self.client.delete(&prepared_key(arguments, index)).await.map(|()| moved(0))
            }
            Workload::Multipart => {
                let parts = size.div_ceil(arguments.part_size).max(1);
                let key = self.new_key(arguments);
                self.client.multipart(&key, &mut self.bodies, parts).await?;
                Ok(moved(parts * arguments.part_size))
            }
        }
    }

    /// The next page of this worker's walk, from the start again after the last.
    async fn list(&mut self, arguments: &BenchArguments) -> Result<Moved, BenchError> {
        let page = self.client.list(&prepared_prefix(arguments), self.page.as_deref()).await?;
        self.page = page.next;
        Ok(Moved { bytes: 0, keys: u64::try_from(page.keys.len()).unwrap_or(0) })
    }

    /// A key no other worker and no other step has.
    fn new_key(&self, arguments: &BenchArguments) -> String {
        format!("{}new/{}/{:010}", arguments.prefix, self.number, self.step)
    }

    /// One of the prepared keys, spread over all of them.
    fn some_key(&self, arguments: &BenchArguments) -> String {
        let spread = self.step.wrapping_mul(0x9e37_79b9).wrapping_add(self.number.wrapping_mul(0x85eb_ca6b));
        prepared_key(arguments, spread % arguments.objects.max(1))
    }
}

/// What step `step` of a workload does: of 20 mixed steps 9 get, 6 head, 3 put and 2 delete.
fn mixed(workload: Workload, step: u64) -> Workload {
    if workload != Workload::Mixed {
        return workload;
    }
    match step % 20 {
        0 | 7 | 13 => Workload::Put,
        4 | 17 => Workload::Delete,
        1 | 5 | 8 | 11 | 14 | 18 => Workload::Head,
        _ => Workload::Get,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mix_is_what_the_help_says() {
        let steps: Vec<_> = (0..20).map(|step| mixed(Workload::Mixed, step)).collect();
        let count = |workload| steps.iter().filter(|step| **step == workload).count();
        let counts = [Workload::Get, Workload::Head, Workload::Put, Workload::Delete].map(count);
        assert_eq!(counts, [9, 6, 3, 2]);
    }
}
