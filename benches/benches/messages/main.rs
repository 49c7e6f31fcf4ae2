//! What a message between two processes costs in CPU, both ends together, over TLS on loopback: the
//! transport of `protocol`, a pool of HTTP/1.1 connections, and HTTP/2; and what the kernel alone takes.
//!
//! Not one of criterion's: it asks how much CPU time the whole process takes, not how long a call is.
//! `cargo bench --bench messages` prints a table.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    reason = "a bench may fail, and prints its table"
)]

mod cluster;
mod http;
mod ours;
mod plain;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use rustix::time::{ClockId, clock_gettime};
use tokio::task::JoinSet;
use tokio::time::Instant;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A way to ask.
#[async_trait]
trait Way: Send + Sync {
    /// Sends a head and a body; the answer is empty.
    async fn send(&self, head: Bytes, body: Bytes);

    /// Asks for a body of so many bytes.
    async fn fetch(&self, head: Bytes, len: usize) -> Bytes;
}

/// A kind of work: its name, bytes of a body, whether it is fetched, calls at once, calls in all.
const WORK: [(&str, usize, bool, usize, usize); 5] = [
    ("send 1 MiB", 1 << 20, false, 8, 6000),
    ("fetch 1 MiB", 1 << 20, true, 8, 6000),
    ("send 4 KiB", 4 << 10, false, 64, 150_000),
    ("fetch 4 KiB", 4 << 10, true, 64, 150_000),
    ("send nothing, one at a time", 0, false, 1, 20_000),
];

/// What a question to a drive has as its head, in bytes.
const HEAD: [u8; 200] = [b'h'; 200];

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}

async fn work(way: Arc<dyn Way>, len: usize, fetch: bool, at_once: usize, calls: usize) {
    let mut workers = JoinSet::new();
    for _ in 0..at_once {
        let way = way.clone();
        let body = Bytes::from(vec![7; len]);
        workers.spawn(async move {
            for _ in 0..calls / at_once {
                let head = Bytes::from_static(&HEAD);
                if fetch {
                    assert_eq!(way.fetch(head, len).await.len(), len);
                } else {
                    way.send(head, body.clone()).await;
                }
            }
        });
    }
    while let Some(done) = workers.join_next().await {
        done.unwrap();
    }
}

#[tokio::main]
async fn main() {
    let cluster = cluster::Cluster::new();
    let ways: [(&str, Arc<dyn Way>); 4] = [
        ("ours", Arc::new(ours::Ours::start(&cluster).await)),
        ("HTTP/1.1 pool", Arc::new(http::Http1::start(&cluster).await)),
        ("HTTP/2, 4 connections", Arc::new(http::Http2::start(&cluster).await)),
        ("TCP alone, no TLS", Arc::new(plain::Plain::start().await)),
    ];
    println!("| work | way | CPU-s per GB | CPU-s per 1,000 calls | wall s |\n|---|---|---|---|---|");
    for (name, len, fetch, at_once, calls) in WORK {
        for (way_name, way) in &ways {
            work(way.clone(), len, fetch, at_once, calls / 10).await;
            let (before, start) = (cpu(), Instant::now());
            work(way.clone(), len, fetch, at_once, calls).await;
            let (took, wall) = (cpu() - before, start.elapsed().as_secs_f64());
            #[allow(clippy::cast_precision_loss, reason = "a figure in a table")]
            let (bytes, thousands) = ((len * calls) as f64, calls as f64 / 1000.0);
            let per_gb = if len > 0 { format!("{:.3}", took.as_secs_f64() / bytes * 1e9) } else { "-".to_owned() };
            println!("| {name} | {way_name} | {per_gb} | {:.4} | {wall:.2} |", took.as_secs_f64() / thousands);
        }
    }
}
