//! What the engine alone costs, without sockets and disks: CPU time of puts and gets over twins in memory.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement may fail, and prints")]

use std::time::Duration;

use bytes::Bytes;
use couronne_gateway::engine::{BodyError, BodySource, CreateBucketRequest, Expected, PutObjectRequest, Settings};
use couronne_gateway::testing::{FakeCluster, FakeShape};
use couronne_metadata::ids::ObjectKey;
use couronne_metadata::record::Versioning;

/// A body in pieces, as a connection gives it.
struct Pieces {
    len: u64,
    expected: Expected,
    /// Last piece first.
    pieces: Vec<Bytes>,
}

#[async_trait::async_trait]
impl BodySource for Pieces {
    fn length(&self) -> Option<u64> {
        Some(self.len)
    }

    fn expected(&self) -> Expected {
        self.expected.clone()
    }

    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        tokio::task::yield_now().await;
        Ok(self.pieces.pop())
    }
}

fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap(), u32::try_from(time.tv_nsec).unwrap())
}

async fn cost(name: &str, len: usize, rounds: usize, signed: bool) {
    let cluster = FakeCluster::with_settings(&FakeShape::default(), Settings::default());
    let home = cluster.engine.create_bucket(CreateBucketRequest {
        name: "bucket".into(),
        account: "alice".into(),
        policy: None,
        versioning: Versioning::Off,
        object_lock: None,
        documents: Vec::new(),
    });
    let home = home.await.unwrap();
    let key = ObjectKey::new("k").unwrap();
    let body: Bytes = (0..len).map(|at| at.wrapping_mul(0x9e37_79b9).to_be_bytes()[5]).collect::<Vec<u8>>().into();
    let sha: Vec<u8> = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &body).as_ref().to_vec();
    let (mut put_cpu, mut get_cpu) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..rounds {
        let before = cpu();
        let expected = Expected { sha256: signed.then(|| sha.clone().try_into().unwrap()), ..Expected::default() };
        let pieces = body.chunks(256 << 10).map(|piece| body.slice_ref(piece)).rev().collect();
        let mut source = Pieces { len: len as u64, expected, pieces };
        let staged = cluster.engine.stage(&home, &key, &mut source).await.unwrap();
        cluster.engine.put_object(&home, &staged, PutObjectRequest::default()).await.unwrap();
        let between = cpu();
        let handle = cluster.engine.open(&home, &key, None).await.unwrap();
        let mut reader = handle.read(0..len as u64).await.unwrap();
        while let Some(bytes) = reader.next().await.unwrap() {
            std::hint::black_box(bytes);
        }
        put_cpu += between - before;
        get_cpu += cpu() - between;
        for drive in cluster.drives.ids() {
            cluster.drives.wipe(drive);
        }
    }
    let bytes = (len * rounds) as f64;
    let per_gb = |cpu: Duration| cpu.as_secs_f64() / bytes * 1e9;
    let per_thousand = |cpu: Duration| cpu.as_secs_f64() / rounds as f64 * 1e3;
    println!(
        "{name}: PUT {:.2} s/GB ({:.3} s per 1,000), GET {:.3} s/GB ({:.3} s per 1,000)",
        per_gb(put_cpu),
        per_thousand(put_cpu),
        per_gb(get_cpu),
        per_thousand(get_cpu)
    );
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        cost("16 MiB signed", 16 << 20, 60, true).await;
        cost("16 MiB unsigned", 16 << 20, 60, false).await;
        cost("1 MiB signed", 1 << 20, 400, true).await;
        cost("100 KiB", 100 << 10, 1000, false).await;
        cost("4 KiB inline", 4 << 10, 20_000, false).await;
    });
}
