//! Ranges that move, split, lose requests and answers.

use std::time::Duration;

use bytes::Bytes;
use couronne_base::testing::paused;
use couronne_client::testing::{FakeShape, FakeStorage, RangeFault};
use couronne_client::{Client, ClientError, Settings};
use couronne_metadata::command::{CommandRequest, Expect, Refusal};
use couronne_metadata::ids::BucketId;
use couronne_protocol::range::RangeError;
use proptest::prelude::*;

use super::support::{key, timed};

fn storage(seed: u64) -> (FakeStorage, Client) {
    let storage = FakeStorage::new(&FakeShape { seed, ..FakeShape::default() });
    let client = Client::new(storage.components(), Settings::default());
    (storage, client)
}

fn value(text: &'static str) -> Option<Bytes> {
    Some(Bytes::from_static(text.as_bytes()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn a_command_takes_effect_once_whatever_is_lost(faults in proptest::collection::vec(proptest::sample::select(RangeFault::RETRIED), 0..3), seed: u64) {
        paused().block_on(async {
            let (storage, client) = storage(seed);
            storage.ranges.fail_next(faults);
            // If a repeat were another command, it would find the row that the first one wrote.
            let written = client.router().system_write(&key("k"), Expect::Absent, value("v")).await.unwrap();
            let row = client.router().system_get(&key("k")).await.unwrap().unwrap();
            prop_assert_eq!(Some(row.version), written);
            let commands = storage.ranges.commands();
            prop_assert!(commands.windows(2).all(|pair| pair[0].commit == pair[1].commit));
            Ok(())
        })?;
    }
}

/// Only what may arrive yet makes the next attempt a repeat: its refusal costs a row.
#[test]
fn an_attempt_that_comes_late_gets_what_its_repeat_was_refused() {
    paused().block_on(async {
        let (storage, client) = storage(1);
        let router = client.router();
        router.system_write(&key("k"), Expect::Absent, value("v")).await.unwrap();
        let refused = async |faults: &[RangeFault]| {
            storage.ranges.fail_next(faults.iter().copied());
            assert_eq!(router.system_write(&key("k"), Expect::Absent, value("w")).await.unwrap(), None);
            storage.ranges.commands().pop().unwrap()
        };
        let rows = storage.ranges.rows();
        assert!(!refused(&[RangeFault::NoLeader, RangeFault::Overloaded]).await.is_repeat);
        assert_eq!(storage.ranges.rows(), rows);
        let repeat = refused(&[RangeFault::LosesRequest]).await;
        assert!(repeat.is_repeat);

        router.system_write(&key("k"), Expect::Any, None).await.unwrap();
        let late = storage.ranges.arrive(CommandRequest { is_repeat: false, ..repeat }).await;
        assert_eq!(late, Err(RangeError::Refused(Refusal::Conflict)));
        assert_eq!(router.system_get(&key("k")).await.unwrap(), None, "it is removed");
    });
}

#[test]
fn an_outcome_that_cannot_be_learnt_is_unavailable_when_the_time_is_up() {
    paused().block_on(async {
        let (storage, client) = storage(1);
        storage.ranges.fail_next(std::iter::repeat_n(RangeFault::LosesAnswer, 1000));
        let write_key = key("k");
        let (unknown, took) = timed(client.router().system_write(&write_key, Expect::Any, value("v"))).await;
        assert!(matches!(unknown, Err(ClientError::Unavailable(_))), "{unknown:?}");
        assert!(took.abs_diff(Duration::from_secs(15)) < Duration::from_secs(1), "{took:?}");
    });
}

#[test]
fn leaders_move_and_ranges_split_under_a_client() {
    paused().block_on(async {
        let (storage, client) = storage(1);
        let router = client.router();
        let put =
            async |at: &'static str| router.system_write(&key(at), Expect::Absent, value(at)).await.unwrap().unwrap();
        let mut versions = vec![("a", put("a").await)];
        storage.ranges.move_leaders();
        versions.push(("b", put("b").await));
        storage.ranges.cut(BucketId::SYSTEM, b"m");
        versions.push(("x", put("x").await));
        storage.ranges.move_leaders();
        for (at, version) in versions {
            assert_eq!(router.system_get(&key(at)).await.unwrap().unwrap().version, version);
        }
    });
}

#[test]
fn overload_is_passed_on_soon() {
    paused().block_on(async {
        let (storage, client) = storage(1);
        storage.ranges.fail_next(std::iter::repeat_n(RangeFault::Overloaded, 100));
        let write_key = key("k");
        let (slowed, took) = timed(client.router().system_write(&write_key, Expect::Any, value("v"))).await;
        assert!(matches!(slowed, Err(ClientError::Overloaded(_))), "{slowed:?}");
        assert!(took < Duration::from_secs(2), "{took:?}");
    });
}
