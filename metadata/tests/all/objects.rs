//! Objects, versions and conditions: what each command leaves, case by case.

use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::support::{Range, delete, etag, list_all, put};
use bytes::Bytes;
use couronne_metadata::answer::answer;
use couronne_metadata::command::{
    AttributeChange, Command, CommandRequest, EtagSet, Outcome, Precondition, Refusal, SeenVersion,
};
use couronne_metadata::ids::VersionId;
use couronne_metadata::query::{Answer, Entry, ListQuery, Query};
use couronne_metadata::record::{VersionRecord, Versioning};
use couronne_metadata::store::{Cursor, Row, Store, StoreError, View};

fn body(range: &Range, key: &str, version: Option<VersionId>) -> Option<String> {
    let (_, payload) = range.get(key, version)?;
    payload.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
}

fn version_of(outcome: &Outcome) -> VersionId {
    match outcome {
        Outcome::Put { version, .. } => *version,
        Outcome::Deleted { marker: Some(version), .. } => *version,
        other => panic!("{other:?}"),
    }
}

/// How many rows there are.
fn rows(range: &Range) -> usize {
    let view = range.store.view();
    let mut cursor = view.scan(Bound::Unbounded, Bound::Unbounded, false);
    std::iter::from_fn(|| cursor.next().unwrap()).count()
}

#[test]
fn unversioned_put_get_overwrite_delete() {
    let mut range = Range::new(Versioning::Off);
    range.put("k", "one").unwrap();
    assert_eq!(body(&range, "k", None).as_deref(), Some("one"));
    range.put("k", "three").unwrap();
    assert_eq!(body(&range, "k", None).as_deref(), Some("three"));
    assert_eq!((range.usage().objects, range.usage().bytes), (1, 5));
    range.delete("k", None).unwrap();
    assert_eq!(range.get("k", None), None);
    assert_eq!(range.usage(), Default::default());
    assert_eq!(range.delete("k", None), Ok(Outcome::Deleted { removed: None, marker: None }));
}

#[test]
fn last_modified_never_falls_though_the_clock_does() {
    let mut range = Range::new(Versioning::Off);
    let Outcome::Put { ordinal: first, .. } = range.put("k", "one").unwrap() else { panic!() };
    range.delete("k", None).unwrap();
    range.now_us -= 1_000_000;
    let Outcome::Put { ordinal: second, .. } = range.put("k", "two").unwrap() else { panic!() };
    assert!(second > first);
}

#[test]
fn versions_are_kept_hidden_and_promoted() {
    let mut range = Range::new(Versioning::Off);
    range.put("k", "null").unwrap();
    range.change_rules(|rules| rules.versioning = Versioning::Enabled);
    let first = version_of(&range.put("k", "first").unwrap());
    let second = version_of(&range.put("k", "second").unwrap());
    let marker = version_of(&range.delete("k", None).unwrap());
    assert!(matches!(range.get("k", None), Some((VersionRecord::DeleteMarker { .. }, None))));
    assert_eq!(body(&range, "k", Some(VersionId::Null)).as_deref(), Some("null"));
    assert_eq!((range.usage().objects, range.usage().noncurrent, range.usage().bytes), (0, 3, 15));
    assert_eq!(range.usage().markers, 1);
    range.delete("k", Some(marker)).unwrap();
    assert_eq!(body(&range, "k", None).as_deref(), Some("second"));
    range.delete("k", Some(second)).unwrap();
    assert_eq!(body(&range, "k", None).as_deref(), Some("first"));
    range.delete("k", Some(first)).unwrap();
    assert_eq!(body(&range, "k", None).as_deref(), Some("null"));
    range.delete("k", Some(VersionId::Null)).unwrap();
    assert_eq!(range.get("k", None), None);
    assert_eq!(range.usage(), Default::default());
}

#[test]
fn suspended_writes_replace_the_null_version_only() {
    let mut range = Range::new(Versioning::Enabled);
    let kept = version_of(&range.put("k", "kept").unwrap());
    range.change_rules(|rules| rules.versioning = Versioning::Suspended);
    range.put("k", "null one").unwrap();
    range.put("k", "null two").unwrap();
    assert_eq!(range.usage().noncurrent, 1);
    range.change_rules(|rules| rules.versioning = Versioning::Enabled);
    range.put("k", "later").unwrap();
    assert_eq!(body(&range, "k", Some(VersionId::Null)).as_deref(), Some("null two"));
    range.change_rules(|rules| rules.versioning = Versioning::Suspended);
    let marker = version_of(&range.delete("k", None).unwrap());
    assert_eq!(marker, VersionId::Null);
    assert!(matches!(range.get("k", Some(VersionId::Null)), Some((VersionRecord::DeleteMarker { .. }, _))));
    assert_eq!(body(&range, "k", Some(kept)).as_deref(), Some("kept"));
    range.put("k", "null three").unwrap();
    assert_eq!(body(&range, "k", None).as_deref(), Some("null three"));
    assert_eq!((range.usage().objects, range.usage().noncurrent), (1, 2));
}

#[test]
fn conditions_hold_as_s3_says() {
    let any = || Precondition { if_match: Some(EtagSet::Any), ..Precondition::default() };
    let absent = || Precondition { if_none_match: Some(EtagSet::Any), ..Precondition::default() };
    let tag = |body| Precondition { if_match: Some(EtagSet::Tags(vec![etag(body)])), ..Precondition::default() };
    for versioning in [Versioning::Off, Versioning::Enabled] {
        let mut range = Range::new(versioning);
        assert_eq!(range.run("k", put("one", any())), Err(Refusal::NoSuchKey));
        assert_eq!(range.run("k", delete(None, any())), Err(Refusal::NoSuchKey));
        range.run("k", put("one", absent())).unwrap();
        assert_eq!(range.run("k", put("two", absent())), Err(Refusal::PreconditionFailed));
        assert_eq!(range.run("k", put("two", tag("other"))), Err(Refusal::PreconditionFailed));
        range.run("k", put("two", tag("one"))).unwrap();
        assert_eq!(range.run("k", delete(None, tag("one"))), Err(Refusal::PreconditionFailed));
        range.run("k", delete(None, tag("two"))).unwrap();
        assert_eq!(range.run("k", put("three", any())), Err(Refusal::NoSuchKey));
        assert_eq!(range.run("k", delete(None, any())), Err(Refusal::NoSuchKey));
        range.run("k", put("three", absent())).unwrap();
    }
}

#[test]
fn a_repeat_gets_the_first_result_even_past_its_deadline() {
    let mut range = Range::new(Versioning::Enabled);
    let request = range.request("k", put("one", Precondition::default()));
    let first = range.execute(&request).unwrap();
    range.put("k", "two").unwrap();
    range.now_us += 3_600_000_000;
    assert_eq!(range.execute(&request), Ok(first));
    assert_eq!(body(&range, "k", None).as_deref(), Some("two"));
    let mut late = request.clone();
    late.commit = crate::support::commit_id(range.now_us / 1000, 1 << 40);
    assert_eq!(range.execute(&late), Err(Refusal::DeadlinePassed));
}

#[test]
fn a_delete_that_found_nothing_deletes_nothing_when_it_is_repeated() {
    for versioning in [Versioning::Off, Versioning::Enabled, Versioning::Suspended] {
        let mut range = Range::new(versioning);
        let request = range.request("k", delete(None, Precondition::default()));
        let first = range.execute(&request);
        range.put("k", "newer").unwrap();
        assert_eq!(range.execute(&request), first, "{versioning:?}");
        assert_eq!(body(&range, "k", None).as_deref(), Some("newer"), "{versioning:?}");
    }
}

#[test]
fn what_was_refused_to_a_repeat_is_refused_to_the_late_first_attempt() {
    let mut range = Range::new(Versioning::Off);
    let absent = Precondition { if_none_match: Some(EtagSet::Any), ..Precondition::default() };
    let late = range.request("k", put("late", absent));
    range.put("k", "other").unwrap();
    let before = rows(&range);
    assert_eq!(range.execute(&late), Err(Refusal::PreconditionFailed));
    assert_eq!(rows(&range), before, "what nobody may hear again is not kept");
    let repeat = CommandRequest { is_repeat: true, ..late.clone() };
    assert_eq!(range.execute(&repeat), Err(Refusal::PreconditionFailed));
    assert_eq!(rows(&range), before + 1);
    range.delete("k", None).unwrap();
    assert_eq!(range.execute(&late), Err(Refusal::PreconditionFailed));
    assert_eq!(body(&range, "k", None), None);
}

#[test]
fn listing_rolls_up_and_goes_on() {
    let mut range = Range::new(Versioning::Off);
    for key in ["a", "b/1", "b/2", "b/3", "c", "d//x", "e"] {
        range.put(key, "x").unwrap();
    }
    let page = |list: ListQuery| match range.query(&Query::List(list)) {
        Answer::List(page) => {
            let names: Vec<String> = page.entries.iter().map(name).collect();
            (names.join(" "), page.truncated)
        }
        other => panic!("{other:?}"),
    };
    let slash = || ListQuery { delimiter: "/".into(), ..list_all() };
    assert_eq!(page(slash()), ("a b/* c d/* e".to_owned(), false));
    assert_eq!(page(ListQuery { limit: 2, ..slash() }), ("a b/*".to_owned(), true));
    assert_eq!(page(ListQuery { after: "b/".into(), ..slash() }), ("c d/* e".to_owned(), false));
    assert_eq!(page(ListQuery { after: "b/1".into(), ..slash() }), ("c d/* e".to_owned(), false));
    assert_eq!(page(ListQuery { after: "b/1".into(), ..list_all() }), ("b/2 b/3 c d//x e".to_owned(), false));
    assert_eq!(page(ListQuery { reverse: true, ..slash() }), ("e d/* c b/* a".to_owned(), false));
    assert_eq!(page(ListQuery { reverse: true, after: "b/2".into(), ..slash() }), ("a".to_owned(), false));
    assert_eq!(page(ListQuery { prefix: "b/".into(), ..slash() }), ("b/1 b/2 b/3".to_owned(), false));
    assert_eq!(page(ListQuery { before: "c".into(), ..slash() }), ("a b/*".to_owned(), false));
    assert_eq!(page(ListQuery { limit: 0, ..slash() }), (String::new(), false));
    assert_eq!(page(ListQuery { delimiter: "//".into(), ..list_all() }).0, "a b/1 b/2 b/3 c d//* e");
}

fn name<T>(entry: &Entry<T>) -> String {
    match entry {
        Entry::Row(key, _) => key.as_str().to_owned(),
        Entry::CommonPrefix(prefix) => format!("{}*", String::from_utf8_lossy(prefix)),
    }
}

#[test]
fn keys_with_zero_bytes_sort_and_come_back() {
    let mut range = Range::new(Versioning::Off);
    let keys = ["a", "a\0", "a\0\0b", "a\0b", "a\u{1}", "ab"];
    for key in keys.iter().rev() {
        range.put(key, key).unwrap();
    }
    let Answer::List(page) = range.query(&Query::List(list_all())) else { panic!() };
    let listed: Vec<String> = page.entries.iter().map(name).collect();
    assert_eq!(listed, keys);
    for key in keys {
        assert_eq!(body(&range, key, None).as_deref(), Some(key));
    }
}

/// Tools empty a bucket so: a page, its deletions, the next page.
#[test]
fn versions_deleted_between_pages_hide_none_of_the_rest() {
    for from in [Versioning::Off, Versioning::Enabled] {
        let mut range = Range::new(from);
        for at in 0..6 {
            if at == 2 {
                range.change_rules(|rules| rules.versioning = Versioning::Enabled);
            }
            range.put("k", "x").unwrap();
            range.put("l", "x").unwrap();
        }
        range.delete("k", None).unwrap();
        let (mut list, mut after_version) = (ListQuery { limit: 1, ..list_all() }, None);
        loop {
            let query = Query::ListVersions { list: list.clone(), after_version };
            let Answer::ListVersions(page) = range.query(&query) else { panic!() };
            for entry in &page.entries {
                let Entry::Row(key, (record, _)) = entry else { panic!() };
                range.delete(key.as_str(), Some(record.version())).unwrap();
                (list.after, after_version) = (key.as_bytes().clone(), Some(record.version()));
            }
            if !page.truncated {
                break;
            }
        }
        assert_eq!(range.usage(), Default::default());
    }
}

/// A page's cost does not grow with what lies under its common prefixes.
#[test]
fn a_page_walks_past_common_prefixes() {
    let mut range = Range::new(Versioning::Off);
    for folder in 0..20 {
        for file in 0..50 {
            range.put(&format!("{folder:02}/{file:02}"), "x").unwrap();
        }
    }
    let counted = Counted { view: range.store.view(), rows: AtomicU64::new(0) };
    let list = ListQuery { delimiter: "/".into(), limit: 10, ..list_all() };
    let Ok(Answer::List(page)) = answer(&counted, range.bucket, None, &Query::List(list), range.now_us) else {
        panic!()
    };
    assert_eq!((page.entries.len(), page.truncated), (10, true));
    assert_eq!(counted.rows.load(Ordering::Relaxed), 11);
}

/// A view that counts the rows its cursors give.
struct Counted<'v> {
    view: Box<dyn View + 'v>,
    rows: AtomicU64,
}

struct CountedCursor<'v> {
    cursor: Box<dyn Cursor + 'v>,
    rows: &'v AtomicU64,
}

impl View for Counted<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.view.get(key)
    }

    fn scan<'a>(&'a self, start: Bound<&[u8]>, end: Bound<&[u8]>, reverse: bool) -> Box<dyn Cursor + 'a> {
        Box::new(CountedCursor { cursor: self.view.scan(start, end, reverse), rows: &self.rows })
    }
}

impl Cursor for CountedCursor<'_> {
    fn next(&mut self) -> Result<Option<Row>, StoreError> {
        self.rows.fetch_add(1, Ordering::Relaxed);
        self.cursor.next()
    }

    fn seek(&mut self, key: &[u8]) -> Result<(), StoreError> {
        self.cursor.seek(key)
    }
}

/// A command that was allowed because of what stood with a version acts on that version, as it was then, or on none.
#[test]
fn what_was_allowed_of_one_version_is_not_done_to_another() {
    let mut range = Range::new(Versioning::Enabled);
    let first = version_of(&range.put("k", "one").unwrap());
    let seen = |range: &Range, version| {
        let found = range.get("k", version).map(|(record, _)| match record {
            VersionRecord::Object(object) => (object.ordinal, object.attributes.revision),
            VersionRecord::DeleteMarker { .. } => panic!(),
        });
        Some(SeenVersion { version, found })
    };
    let tags = |value: &str| Command::UpdateAttributes {
        version: Some(first),
        change: AttributeChange::Tags(vec![("class".into(), value.into())]),
        bypass_governance: false,
    };
    let run = |range: &mut Range, command, seen| {
        let request = CommandRequest { seen, ..range.request("k", command) };
        range.execute(&request)
    };
    let of_first = seen(&range, Some(first));
    let of_current = seen(&range, None);
    run(&mut range, tags("public"), of_first).unwrap();
    // The tags are others by now.
    assert_eq!(run(&mut range, tags("secret"), of_first), Err(Refusal::StaleRules));
    assert_eq!(run(&mut range, delete(None, Precondition::default()), of_current), Err(Refusal::StaleRules));
    let acl = Command::UpdateAttributes {
        version: Some(first),
        change: AttributeChange::Acl(Some(Bytes::from_static(b"list"))),
        bypass_governance: false,
    };
    let of_first = seen(&range, Some(first));
    run(&mut range, acl, of_first).unwrap();
    assert_eq!(run(&mut range, tags("secret"), of_first), Err(Refusal::StaleRules));
    // Another version is the current one by now, and the first is what it was.
    let (of_first, of_current) = (seen(&range, Some(first)), seen(&range, None));
    range.put("k", "two").unwrap();
    assert_eq!(run(&mut range, delete(None, Precondition::default()), of_current), Err(Refusal::StaleRules));
    run(&mut range, delete(Some(first), Precondition::default()), of_first).unwrap();
    // What was not there is.
    let nothing = Some(SeenVersion { version: Some(first), found: None });
    assert_eq!(run(&mut range, delete(Some(first), Precondition::default()), of_first), Err(Refusal::StaleRules));
    run(&mut range, delete(Some(first), Precondition::default()), nothing).unwrap();
}
