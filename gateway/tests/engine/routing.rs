//! Ranges that lose requests and answers, or have other rules: what becomes of a write.

use couronne_base::testing::paused;
use couronne_gateway::engine::{BytesBody, DeleteObjectRequest, EngineError, PutObjectRequest};
use couronne_gateway::testing::{FakeCluster, FakeShape, RangeFault};
use couronne_metadata::command::{Command, CommandRequest, Refusal};
use couronne_metadata::record::BucketRules;
use couronne_protocol::range::RangeError;
use proptest::prelude::*;

use super::support::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn a_command_takes_effect_once_whatever_is_lost(faults in proptest::collection::vec(proptest::sample::select(RangeFault::RETRIED), 0..3), seed: u64) {
        paused().block_on(async {
            let cluster = FakeCluster::new(&FakeShape { seed, ..FakeShape::default() });
            let bucket = bucket(&cluster.engine, "bucket").await;
            let body = bytes(seed, 2000);
            let staged = cluster.engine.stage(&bucket, &key("k"), &mut Pieces::cut(&body, 500, None)).await.unwrap();
            cluster.ranges.fail_next(faults);
            // If a repeat were another command, `If-None-Match: *` would refuse it.
            let put = PutObjectRequest { condition: if_absent(), ..PutObjectRequest::default() };
            let written = cluster.engine.put_object(&bucket, &staged, put).await.unwrap();
            let handle = cluster.engine.open(&bucket, &key("k"), None).await.unwrap();
            prop_assert_eq!(handle.record().ordinal, written.ordinal);
            prop_assert_eq!(read(&handle, 0..2000).await.unwrap(), body);
            let puts: Vec<_> = cluster.ranges.commands().into_iter().filter(|sent| matches!(sent.command, Command::Put { .. })).collect();
            prop_assert!(puts.windows(2).all(|pair| pair[0].commit == pair[1].commit));
            Ok(())
        })?;
    }
}

/// Only what may arrive yet makes the next attempt a repeat: its refusal costs a row.
#[test]
fn an_attempt_that_comes_late_gets_what_its_repeat_was_refused() {
    paused().block_on(async {
        let cluster = FakeCluster::new(&FakeShape::default());
        let (engine, bucket) = (&cluster.engine, bucket(&cluster.engine, "bucket").await);
        put(engine, &bucket, "k", &bytes(1, 10)).await.unwrap();
        let is_attempt =
            |sent: &CommandRequest| matches!(&sent.command, Command::Put { condition, .. } if *condition == if_absent());
        let refused = async |faults: &[RangeFault]| {
            let staged = engine.stage(&bucket, &key("k"), &mut BytesBody::new(bytes(2, 20))).await.unwrap();
            cluster.ranges.fail_next(faults.iter().copied());
            let put = PutObjectRequest { condition: if_absent(), ..PutObjectRequest::default() };
            let refused = engine.put_object(&bucket, &staged, put).await;
            assert!(matches!(refused, Err(EngineError::Refused(Refusal::PreconditionFailed))), "{refused:?}");
            cluster.ranges.commands().into_iter().rfind(is_attempt).unwrap()
        };
        let rows = cluster.ranges.rows();
        assert!(!refused(&[RangeFault::NoLeader, RangeFault::Overloaded]).await.is_repeat);
        assert_eq!(cluster.ranges.rows(), rows);
        let repeat = refused(&[RangeFault::LosesRequest]).await;
        assert!(repeat.is_repeat);

        engine.delete(&bucket, &key("k"), DeleteObjectRequest::default()).await.unwrap();
        let late = cluster.ranges.arrive(CommandRequest { is_repeat: false, ..repeat }).await;
        assert_eq!(late, Err(RangeError::Refused(Refusal::PreconditionFailed)));
        assert!(
            matches!(get(engine, &bucket, "k").await, Err(EngineError::Refused(Refusal::NoSuchKey))),
            "it is deleted"
        );
    });
}

#[test]
fn an_outcome_that_cannot_be_learnt_is_unavailable_and_nothing_is_abandoned() {
    paused().block_on(async {
        let cluster = FakeCluster::new(&FakeShape::default());
        let bucket = bucket(&cluster.engine, "bucket").await;
        let body = bytes(1, 200_000);
        let staged = cluster.engine.stage(&bucket, &key("k"), &mut Pieces::cut(&body, 500, None)).await.unwrap();
        cluster.ranges.fail_next(std::iter::repeat_n(RangeFault::LosesAnswer, 1000));
        let unknown = cluster.engine.put_object(&bucket, &staged, PutObjectRequest::default()).await;
        assert!(matches!(unknown, Err(EngineError::Unavailable(_))), "{unknown:?}");
        drop(staged);
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        assert!(!cluster.ranges.commands().iter().any(|sent| matches!(sent.command, Command::Abandon { .. })));
    });
}

#[test]
fn stale_rules_cost_no_second_body() {
    paused().block_on(async {
        let cluster = FakeCluster::new(&FakeShape::default());
        let bucket = bucket(&cluster.engine, "bucket").await;
        let body = bytes(1, 200_000);
        let staged = cluster.engine.stage(&bucket, &key("k"), &mut Pieces::cut(&body, 500, None)).await.unwrap();
        // Another gateway changes the rules meanwhile.
        let other = cluster.another_engine(couronne_gateway::engine::Settings::default());
        let seen = other.resolve_bucket("bucket").await.unwrap();
        let edit = |rules: &BucketRules| {
            Ok(BucketRules { versioning: couronne_metadata::record::Versioning::Enabled, ..rules.clone() })
        };
        other.update_rules(&seen, edit).await.unwrap();
        let stale = cluster.engine.put_object(&bucket, &staged, PutObjectRequest::default()).await;
        assert!(matches!(stale, Err(EngineError::StaleRules)), "{stale:?}");
        let renewed = cluster.engine.renew_bucket(&bucket).await.unwrap();
        let written = cluster.engine.put_object(&renewed, &staged, PutObjectRequest::default()).await.unwrap();
        assert!(matches!(written.version, couronne_metadata::ids::VersionId::Ordinal(_)));
        assert_eq!(get(&cluster.engine, &renewed, "k").await.unwrap(), body);
        let old = get(&cluster.engine, &bucket, "k").await;
        assert!(matches!(old, Err(EngineError::StaleRules)), "{old:?}");
        let _ = Refusal::NoSuchBucket;
    });
}
