//! Listings over several ranges are those of one sorted map.

use std::collections::BTreeSet;

use bytes::Bytes;
use couronne_gateway::testing::{FakeCluster, FakeShape};
use couronne_metadata::query::{Entry, ListQuery};
use proptest::prelude::*;

use super::support::*;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Listed {
    Key(String),
    Prefix(String),
}

/// All entries, as a single sorted list would give them.
fn model(keys: &BTreeSet<String>, list: &ListQuery) -> Vec<Listed> {
    let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    let (prefix, delimiter, after, before) =
        (text(&list.prefix), text(&list.delimiter), text(&list.after), text(&list.before));
    let mut entries: Vec<Listed> = Vec::new();
    for key in keys {
        if !key.starts_with(&prefix) || (!before.is_empty() && *key >= before) {
            continue;
        }
        let rolled = (!delimiter.is_empty())
            .then(|| key[prefix.len()..].find(&delimiter))
            .flatten()
            .map(|at| key[..prefix.len() + at + delimiter.len()].to_owned());
        let entry = match rolled {
            Some(rolled) if rolled <= after => continue,
            Some(rolled) => Listed::Prefix(rolled),
            None if *key <= after => continue,
            None => Listed::Key(key.clone()),
        };
        if entries.last() != Some(&entry) {
            entries.push(entry);
        }
    }
    if list.reverse {
        entries.reverse();
    }
    entries
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn pages_over_ranges_are_one_listing(
        keys in proptest::collection::btree_set("[a-c/]{1,5}", 0..40),
        cuts in proptest::collection::btree_set("[a-c/]{1,3}", 0..4),
        prefix in prop_oneof![Just(String::new()), "[a-c]", "[a-c]/"],
        delimiter in prop_oneof![Just(""), Just("/")],
        limit in 1u32..7, seed: u64, reverse: bool,
    ) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let cluster = FakeCluster::new(&FakeShape { seed, ..FakeShape::default() });
            let bucket = bucket(&cluster.engine, "bucket").await;
            for cut in &cuts {
                cluster.ranges.cut(bucket.entry.id, cut.as_bytes());
            }
            for key in &keys {
                put(&cluster.engine, &bucket, key, &bytes(1, 3)).await.unwrap();
            }
            let mut list = ListQuery {
                prefix: prefix.clone().into(),
                delimiter: Bytes::from_static(delimiter.as_bytes()),
                after: Bytes::new(),
                before: Bytes::new(),
                reverse,
                limit,
            };
            let expected = model(&keys, &list);
            let mut found = Vec::new();
            loop {
                let page = cluster.engine.list(&bucket, list.clone()).await.unwrap();
                prop_assert!(page.entries.len() <= limit as usize);
                for entry in &page.entries {
                    let (listed, name) = match entry {
                        Entry::Row(key, record) => {
                            prop_assert_eq!(record.size, 3);
                            (Listed::Key(key.as_str().to_owned()), key.as_bytes().clone())
                        }
                        Entry::CommonPrefix(prefix) => {
                            (Listed::Prefix(String::from_utf8(prefix.to_vec()).unwrap()), prefix.clone())
                        }
                    };
                    found.push(listed);
                    list.after = name;
                }
                if !page.truncated {
                    break;
                }
                prop_assert!(!page.entries.is_empty());
                prop_assert!(found.len() < expected.len(), "more is announced than there is");
            }
            prop_assert_eq!(found, expected);
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn a_page_of_nothing_is_legal() {
    let cluster = FakeCluster::new(&FakeShape::default());
    let bucket = bucket(&cluster.engine, "bucket").await;
    put(&cluster.engine, &bucket, "k", &bytes(1, 3)).await.unwrap();
    let list = ListQuery {
        prefix: Bytes::new(),
        delimiter: Bytes::new(),
        after: Bytes::new(),
        before: Bytes::new(),
        reverse: false,
        limit: 0,
    };
    let page = cluster.engine.list(&bucket, list).await.unwrap();
    assert!(page.entries.is_empty() && !page.truncated);
}
