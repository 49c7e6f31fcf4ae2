//! What the engine alone costs, without sockets and disks. Run by hand:
//! `cargo test --release -p couronne-gateway --test engine -- --ignored --nocapture cost`.

use std::time::Duration;

use bytes::Bytes;
use couronne_gateway::engine::{Expected, PutObject, Settings};
use couronne_gateway::testing::{TwinCluster, TwinShape};

use super::support::*;

fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap(), u32::try_from(time.tv_nsec).unwrap())
}

#[allow(clippy::print_stdout, reason = "it is run by hand, for its figures")]
async fn cost(name: &str, len: usize, rounds: usize, signed: bool) {
    let cluster = TwinCluster::with_settings(&TwinShape::default(), Settings::default());
    let home = bucket(&cluster.engine, "bucket").await;
    let body: Bytes = bytes(1, len);
    let sha: Vec<u8> = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &body).as_ref().to_vec();
    let (mut put_cpu, mut get_cpu) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..rounds {
        let before = cpu();
        let mut source = Pieces::cut(&body, 256 << 10, Some(len as u64));
        source.expected = Expected { sha256: signed.then(|| sha.clone().try_into().unwrap()), ..Expected::default() };
        let staged = cluster.engine.stage(&home, &key("k"), &mut source).await.unwrap();
        cluster.engine.put_object(&home, &staged, PutObject::default()).await.unwrap();
        let between = cpu();
        let handle = cluster.engine.open(&home, &key("k"), None).await.unwrap();
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn cost_of_the_engine() {
    cost("16 MiB signed", 16 << 20, 60, true).await;
    cost("16 MiB unsigned", 16 << 20, 60, false).await;
    cost("1 MiB signed", 1 << 20, 400, true).await;
    cost("100 KiB", 100 << 10, 1000, false).await;
    cost("4 KiB inline", 4 << 10, 20_000, false).await;
}
