//! Buckets: names, creation and deletion by several gateways at once, broken off anywhere.

use couronne_base::testing::paused;
use couronne_gateway::engine::{BucketDocument, Engine, EngineError, ListBucketsRequest, Settings};
use couronne_gateway::testing::{FakeCluster, FakeShape, RangeFault};
use couronne_metadata::command::Refusal;
use couronne_metadata::system::owned;
use proptest::prelude::*;

use super::support::*;

fn list(account: &str, prefix: &str, after: &str, limit: u32) -> ListBucketsRequest {
    ListBucketsRequest { account: account.into(), prefix: prefix.into(), after: after.into(), limit }
}

async fn names(engine: &Engine, account: &str) -> Vec<String> {
    let page = engine.list_buckets(list(account, "", "", 1000)).await.unwrap();
    page.buckets.iter().map(|bucket| bucket.name.to_string()).collect()
}

fn no_such_bucket<T>(result: &Result<T, EngineError>) -> bool {
    matches!(result, Err(EngineError::Refused(Refusal::NoSuchBucket)))
}

#[tokio::test]
async fn a_name_means_one_bucket() {
    let cluster = FakeCluster::new(&FakeShape::default());
    let engine = &cluster.engine;
    assert!(no_such_bucket(&engine.resolve_bucket("b").await));
    let made = engine.create_bucket(create("b", "alice")).await.unwrap();
    assert!(matches!(engine.create_bucket(create("b", "alice")).await, Err(EngineError::BucketAlreadyOwnedByYou)));
    assert!(matches!(engine.create_bucket(create("b", "bob")).await, Err(EngineError::BucketAlreadyExists)));
    let other = cluster.another_engine(Settings::default());
    assert_eq!(other.resolve_bucket("b").await.unwrap().entry.id, made.entry.id);
    assert_eq!(names(engine, "alice").await, ["b"]);
    assert!(names(engine, "bob").await.is_empty());
    engine.delete_bucket(&made).await.unwrap();
    assert!(no_such_bucket(&engine.resolve_bucket("b").await));
    assert!(no_such_bucket(&engine.delete_bucket(&made).await));
    assert!(names(engine, "alice").await.is_empty());
    let again = engine.create_bucket(create("b", "bob")).await.unwrap();
    assert_ne!(again.entry.id, made.entry.id);
}

/// Storage nodes take no such row from a gateway; were one there all the same, it would hide no bucket.
#[tokio::test]
async fn a_row_that_does_not_decode_hides_no_bucket() {
    let cluster = FakeCluster::new(&FakeShape::default());
    let engine = &cluster.engine;
    for name in ["a", "c"] {
        engine.create_bucket(create(name, "alice")).await.unwrap();
    }
    for name in ["b", "c", "d"] {
        cluster.ranges.forge(&key(&owned::key_of("alice", name)), "garbage".into()).unwrap();
    }
    assert_eq!(names(engine, "alice").await, ["a"]);
    let page = engine.list_buckets(list("alice", "", "", 1)).await.unwrap();
    assert_eq!((page.buckets.len(), page.truncated), (1, true));
    // A bucket of such a name is made, and deleted, as any.
    let made = engine.create_bucket(create("b", "alice")).await.unwrap();
    assert_eq!(names(engine, "alice").await, ["a", "b"]);
    engine.delete_bucket(&made).await.unwrap();
    let hidden = engine.resolve_bucket("c").await.unwrap();
    engine.delete_bucket(&hidden).await.unwrap();
    assert_eq!(names(engine, "alice").await, ["a"]);
}

/// A gateway that decided by an older document is told so, in every range and when it writes another.
#[tokio::test]
async fn a_document_is_known_everywhere_once_it_is_written() {
    let cluster = FakeCluster::new(&FakeShape::default());
    let (engine, old) = (&cluster.engine, bucket(&cluster.engine, "b").await);
    cluster.ranges.cut(old.entry.id, b"m");
    let other = cluster.another_engine(Settings::default());
    let seen = other.resolve_bucket("b").await.unwrap();
    let (policy, tags) = (BucketDocument::Policy, BucketDocument::Tags);
    other.put_document(&seen, policy, Some("{}".into())).await.unwrap();
    for at in ["a", "x"] {
        let stale = put(engine, &old, at, &bytes(1, 10)).await;
        assert!(matches!(stale, Err(EngineError::StaleRules)), "{at}: {stale:?}");
    }
    let stale = engine.put_document(&old, tags, Some("t".into())).await;
    assert!(matches!(stale, Err(EngineError::StaleRules)), "{stale:?}");
    let renewed = engine.renew_bucket(&old).await.unwrap();
    assert_eq!((renewed.document(policy), renewed.document(tags)), (Some(&"{}".into()), None));
    put(engine, &renewed, "x", &bytes(1, 10)).await.unwrap();

    engine.put_document(&renewed, tags, Some("t".into())).await.unwrap();
    let both = engine.resolve_bucket("b").await.unwrap();
    assert_eq!((both.document(policy), both.document(tags)), (Some(&"{}".into()), Some(&"t".into())));
    engine.put_document(&both, policy, None).await.unwrap();
    let left = other.resolve_bucket_now("b").await.unwrap();
    assert_eq!((left.document(policy), left.document(tags)), (None, Some(&"t".into())));
    let version = left.entry.rules.version;
    other.put_document(&left, policy, None).await.unwrap();
    assert_eq!(other.resolve_bucket_now("b").await.unwrap().entry.rules.version, version, "it is gone already");
}

#[tokio::test]
async fn a_bucket_that_holds_anything_lives_on() {
    let cluster = FakeCluster::new(&FakeShape::default());
    let (engine, home) = (&cluster.engine, bucket(&cluster.engine, "b").await);
    cluster.ranges.cut(home.entry.id, b"m");
    put(engine, &home, "x", &bytes(1, 10)).await.unwrap();
    let refused = engine.delete_bucket(&home).await;
    assert!(matches!(refused, Err(EngineError::Refused(Refusal::BucketNotEmpty))), "{refused:?}");
    let renewed = engine.resolve_bucket("b").await.unwrap();
    assert_eq!(renewed.entry.id, home.entry.id);
    assert_eq!(get(engine, &renewed, "x").await.unwrap(), bytes(1, 10));
    put(engine, &renewed, "a", &bytes(2, 10)).await.unwrap();
    for at in ["a", "x"] {
        engine.delete(&renewed, &key(at), couronne_gateway::engine::DeleteObjectRequest::default()).await.unwrap();
    }
    engine.delete_bucket(&renewed).await.unwrap();
    assert!(no_such_bucket(&engine.resolve_bucket("b").await));
}

#[tokio::test]
async fn another_gateway_learns_that_a_bucket_is_gone_or_another() {
    let cluster = FakeCluster::new(&FakeShape::default());
    let other = cluster.another_engine(Settings::default());
    let made = bucket(&cluster.engine, "b").await;
    let seen = other.resolve_bucket("b").await.unwrap();
    cluster.engine.delete_bucket(&made).await.unwrap();
    assert!(matches!(get(&other, &seen, "k").await, Err(EngineError::StaleRules)));
    assert!(no_such_bucket(&other.renew_bucket(&seen).await));
    let again = bucket(&cluster.engine, "b").await;
    assert!(matches!(put(&other, &seen, "k", &bytes(1, 10)).await, Err(EngineError::StaleRules)));
    assert_eq!(other.renew_bucket(&seen).await.unwrap().entry.id, again.entry.id);
}

#[tokio::test]
async fn buckets_are_listed_in_pages() {
    let cluster = FakeCluster::new(&FakeShape::default());
    let engine = &cluster.engine;
    for number in 0..7 {
        bucket(engine, &format!("p{number}")).await;
    }
    bucket(engine, "q").await;
    engine.create_bucket(create("p-of-bob", "bob")).await.unwrap();
    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let page = engine.list_buckets(list("alice", "p", &after, 3)).await.unwrap();
        seen.extend(page.buckets.iter().map(|bucket| bucket.name.to_string()));
        after = seen.last().unwrap().clone();
        if !page.truncated {
            break;
        }
        assert_eq!(page.buckets.len(), 3);
    }
    assert_eq!(seen, ["p0", "p1", "p2", "p3", "p4", "p5", "p6"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]
    /// A gateway dies anywhere in a creation or deletion; another one goes on.
    #[test]
    fn broken_off_sequences_are_taken_further(answered in 0usize..14, deleting: bool, then in 0u8..4, seed: u64) {
        paused().block_on(async {
            let cluster = FakeCluster::new(&FakeShape { seed, ..FakeShape::default() });
            let crashing = cluster.another_engine(Settings::default());
            let sequence = async {
                if deleting {
                    let made = bucket(&cluster.engine, "b").await;
                    cluster.ranges.cut(made.entry.id, b"m");
                    freeze_after(&cluster, answered);
                    crashing.delete_bucket(&made).await
                } else {
                    freeze_after(&cluster, answered);
                    crashing.create_bucket(create("b", "alice")).await.map(|_| ())
                }
            };
            let finished = tokio::time::timeout(std::time::Duration::from_secs(2), sequence).await;
            cluster.ranges.thaw();
            let engine = &cluster.engine;
            let exists = match then {
                0 => {
                    let made = engine.create_bucket(create("b", "alice")).await;
                    prop_assert!(matches!(made, Ok(_) | Err(EngineError::BucketAlreadyOwnedByYou)), "{:?}", made);
                    true
                }
                1 => match engine.resolve_bucket_now("b").await {
                    Ok(found) => {
                        put(engine, &found, "k", &bytes(1, 10)).await.unwrap();
                        true
                    }
                    Err(error) => {
                        prop_assert!(no_such_bucket::<()>(&Err(error)));
                        false
                    }
                },
                2 => {
                    if let Ok(found) = engine.resolve_bucket_now("b").await {
                        engine.delete_bucket(&found).await.unwrap();
                    }
                    false
                }
                _ => {
                    let other = engine.create_bucket(create("b", "bob")).await;
                    prop_assert!(matches!(other, Ok(_) | Err(EngineError::BucketAlreadyExists)), "{:?}", other);
                    prop_assert_eq!(names(engine, "bob").await.len(), usize::from(other.is_ok()));
                    true
                }
            };
            if matches!(finished, Ok(Ok(()))) && then == 1 {
                prop_assert_eq!(exists, !deleting);
            }
            prop_assert_eq!(engine.resolve_bucket_now("b").await.is_ok(), exists);
            if then != 3 {
                prop_assert_eq!(names(engine, "alice").await.len(), usize::from(exists));
            }
            Ok(())
        })?;
    }

    /// Creators, deleters and writers at once: a caller that was told "done" was told the truth.
    #[test]
    fn gateways_race(seed: u64, turns in proptest::collection::vec(0u8..3, 2..10)) {
        paused().block_on(async {
            let cluster = FakeCluster::new(&FakeShape { seed, ..FakeShape::default() });
            let tasks: Vec<_> = turns.iter().enumerate().map(|(number, turn)| {
                let (engine, turn) = (cluster.another_engine(Settings::default()), *turn);
                tokio::spawn(async move {
                    for _ in 0..number { tokio::task::yield_now().await; }
                    match turn {
                        0 => { let _ = engine.create_bucket(create("b", "alice")).await; None }
                        1 => {
                            if let Ok(found) = engine.resolve_bucket("b").await {
                                let _ = engine.delete_bucket(&found).await;
                            }
                            None
                        }
                        _ => {
                            let found = engine.resolve_bucket("b").await.ok()?;
                            put(&engine, &found, &format!("k{number}"), &bytes(1, 10)).await.ok()?;
                            Some((number, found.entry.id))
                        }
                    }
                })
            }).collect();
            let mut acknowledged = Vec::new();
            for task in tasks {
                acknowledged.extend(task.await.unwrap());
            }
            let engine = &cluster.engine;
            let now = engine.resolve_bucket_now("b").await;
            // An object that was acknowledged keeps its bucket alive.
            for (number, id) in acknowledged {
                let found = now.as_ref().unwrap();
                prop_assert_eq!(found.entry.id, id);
                let at = format!("k{number}");
                let mut bucket = found.clone();
                let got = loop {
                    match get(engine, &bucket, &at).await {
                        Err(EngineError::StaleRules) => bucket = engine.renew_bucket(&bucket).await.unwrap(),
                        other => break other,
                    }
                };
                prop_assert_eq!(got.unwrap(), bytes(1, 10));
            }
            prop_assert_eq!(names(engine, "alice").await.len(), usize::from(now.is_ok()));
            Ok(())
        })?;
    }
}

/// What a gateway is asked to do with the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Create,
    Delete,
    List,
}

impl Turn {
    async fn take(self, engine: &Engine) {
        match self {
            Self::Create => drop(engine.create_bucket(create("b", "alice")).await),
            Self::Delete => {
                if let Ok(found) = engine.resolve_bucket("b").await {
                    let _ = engine.delete_bucket(&found).await;
                }
            }
            Self::List => drop(engine.list_buckets(list("alice", "", "", 1000)).await),
        }
    }
}

/// Lets a gateway take so many steps of a turn, each at most one question to a range. Whether the turn is over.
async fn take_steps(turn: &mut std::pin::Pin<Box<impl Future<Output = ()>>>, steps: usize) -> bool {
    for _ in 0..steps {
        if std::future::poll_fn(|context| std::task::Poll::Ready(turn.as_mut().poll(context).is_ready())).await {
            return true;
        }
    }
    false
}

/// One gateway begins with the name, stalls after any step while another one takes its turns, and goes on or dies.
/// A gateway before it may have died after any step of its own. Then the account's listing is what the names say.
#[test]
fn no_gateway_that_stalls_makes_a_bucket_vanish_from_a_listing_or_haunt_it() {
    use Turn::{Create, Delete, List};
    let mut cases = 0;
    for begun in [None, Some(Create), Some(Delete)] {
        for died_after in (0..60).step_by(3) {
            let mut is_over = false;
            for stalled in [Create, Delete, List] {
                for others in [&[Create, Delete][..], &[Delete, Create], &[Delete, Create, Delete], &[List, Delete]] {
                    for goes_on in [true, false] {
                        is_over = stalls_anywhere((begun, died_after), stalled, others, goes_on, &mut cases);
                    }
                }
            }
            if is_over {
                break;
            }
        }
    }
    assert!(cases > 1000, "{cases}");
}

/// Tries each step at which the gateway may stall. Whether the turn of the gateway before was over.
fn stalls_anywhere(
    (begun, died_after): (Option<Turn>, usize),
    stalled: Turn,
    others: &[Turn],
    goes_on: bool,
    cases: &mut u32,
) -> bool {
    for steps in 0.. {
        let (was_over, is_over) = paused().block_on(async {
            let cluster = FakeCluster::new(&FakeShape::default());
            let [first, one, other] = [(); 3].map(|()| cluster.another_engine(Settings::default()));
            if begun != Some(Turn::Create) {
                bucket(&first, "b").await;
            }
            let was_over = match begun {
                Some(begun) => take_steps(&mut Box::pin(begun.take(&first)), died_after).await,
                None => true,
            };
            let mut turn = Box::pin(stalled.take(&one));
            let is_over = take_steps(&mut turn, steps).await;
            for turn in others {
                turn.take(&other).await;
            }
            if goes_on && !is_over {
                turn.await;
            }
            let told = format!("{begun:?} {died_after}, {stalled:?} {steps}, {others:?}, goes on: {goes_on}");
            let found = cluster.engine.resolve_bucket_now("b").await.ok().map(|found| found.entry.created);
            let page = cluster.engine.list_buckets(list("alice", "", "", 1000)).await.unwrap();
            let listed: Vec<_> = page.buckets.iter().map(|bucket| bucket.created).collect();
            assert_eq!(listed, Vec::from_iter(found), "{told}");
            (was_over, is_over)
        });
        *cases += 1;
        if is_over {
            return was_over;
        }
    }
    unreachable!("a turn has an end")
}

/// A bucket whose deletion is decided is not listed, though the gateway died that decided it; a page is as long as was
/// asked also where rows of buckets that are gone stand between.
#[test]
fn what_a_dead_gateway_left_is_not_listed_and_shortens_no_page() {
    paused().block_on(async {
        let cluster = FakeCluster::new(&FakeShape::default());
        let (engine, dying) = (&cluster.engine, cluster.another_engine(Settings::default()));
        for name in ["a", "b", "c", "d"] {
            bucket(engine, name).await;
        }
        let found = engine.resolve_bucket("b").await.unwrap();
        let mut deletion = Box::pin(async { drop(dying.delete_bucket(&found).await) });
        let mut unlisted = None;
        for step in 0..60 {
            let is_over = take_steps(&mut deletion, 1).await;
            let is_listed = names(engine, "alice").await == ["a", "b", "c", "d"];
            assert!(is_listed || names(engine, "alice").await == ["a", "c", "d"]);
            assert!(unlisted.is_none() || !is_listed, "it does not come back");
            let page = engine.list_buckets(list("alice", "", "", 3)).await.unwrap();
            assert_eq!((page.buckets.len(), page.truncated), (3, is_listed), "step {step}");
            unlisted = unlisted.or((!is_listed).then_some(step));
            if is_over {
                break;
            }
        }
        let unlisted = unlisted.expect("it was deleted");
        assert!(unlisted > 0);
    });
}

/// After so many more answers from ranges there are no more: the gateway is as good as dead.
fn freeze_after(cluster: &FakeCluster, answers: usize) {
    cluster.ranges.fail_after(answers, RangeFault::Hangs);
}
