//! The memory of buffers, as the process counts it, against the budgets: a process of its own, for the count is the
//! process's.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that panics is a test that fails"
)]
#![allow(dead_code, reason = "the tests of the engine need more of what they share")]

#[path = "engine/support.rs"]
mod support;

use bytes::Bytes;
use couronne_base::buffer::buffers_bytes;
use couronne_client::Settings as ClientSettings;
use couronne_gateway::engine::{BodyError, BodySource, Expected, Settings};
use couronne_gateway::testing::{FakeCluster, FakeShape};
use tokio::task::JoinSet;

use support::{bucket, bytes, get, key, put};

const MIB: usize = 1 << 20;
const BUDGET: usize = 12 * MIB;
const UPLOADS: usize = 100;

/// A body of a gigabyte, of which so much comes, in pieces; then nothing, for ever.
struct Stopping {
    left: usize,
}

#[async_trait::async_trait]
impl BodySource for Stopping {
    fn length(&self) -> Option<u64> {
        Some(1 << 30)
    }

    fn expected(&self) -> Expected {
        Expected::default()
    }

    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        let piece = self.left.min(64 << 10);
        self.left -= piece;
        if piece == 0 {
            std::future::pending::<()>().await;
        }
        Ok(Some(Bytes::from(vec![b'x'; piece])))
    }
}

/// However many uploads there are, and whether they stop after a byte or go on for as long as there is memory: their
/// buffers take at most twice the budget and a quarter of it, and what is received before it is worth a share.
#[tokio::test(flavor = "multi_thread")]
async fn buffers_of_uploads_that_stop_are_bounded_by_the_budget() {
    let client =
        ClientSettings { write_buffer_bytes_max: BUDGET as u64, buffer_cut_ms: 50, ..ClientSettings::default() };
    let settings = Settings { client, ..Settings::default() };
    let cluster = FakeCluster::with_settings(&FakeShape::default(), settings);
    let bucket = bucket(&cluster.engine, "bucket").await;
    for sent in [1, 64 << 10, 200 << 10, 3 * MIB] {
        let before = buffers_bytes();
        let mut uploads = JoinSet::new();
        for number in 0..UPLOADS {
            let (engine, bucket) = (cluster.engine.clone(), bucket.clone());
            uploads.spawn(async move {
                let mut body = Stopping { left: sent };
                engine.stage(&bucket, &key(&number.to_string()), &mut body).await.map(|_| ())
            });
        }
        let mut peak = 0;
        for _ in 0..200 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            peak = peak.max(buffers_bytes().saturating_sub(before));
        }
        let bound = BUDGET * 2 + BUDGET / 4 + UPLOADS * (64 << 10);
        assert!(peak <= bound, "{UPLOADS} uploads of {sent} bytes have buffers of {} MiB", peak / MIB);
        uploads.shutdown().await;
    }
    // One that is alone has its buffer at once, and all comes back.
    let alone = bytes(1, 9 * MIB);
    put(&cluster.engine, &bucket, "alone", &alone).await.unwrap();
    assert_eq!(get(&cluster.engine, &bucket, "alone").await.unwrap(), alone);
}
