//! Attempts that arrive late, after a repeat of theirs was answered: they get the same answer, and what was
//! acknowledged since stays. Each test is one order of events.

use crate::support::{BEGIN_US, Range, blob, delete, put, put_blob, upload_id};
use couronne_metadata::command::{Command, CommandRequest, Outcome, Precondition, Refusal};
use couronne_metadata::evaluate::{Evaluated, evaluate};
use couronne_metadata::key::{self, RowKind};
use couronne_metadata::query::{Answer, Query};
use couronne_metadata::record::{
    Attributes, BucketRules, BucketState, Content, Data, ReapTarget, VersionRecord, Versioning,
};
use couronne_metadata::store::Store;
use couronne_placement::BlobId;

const NOW_MS: u64 = BEGIN_US / 1000;

fn repeat_of(request: &CommandRequest) -> CommandRequest {
    CommandRequest { is_repeat: true, ..request.clone() }
}

/// The blob of the current version of a key.
fn named(range: &Range, key: &str) -> Option<BlobId> {
    match range.get(key, None)?.0 {
        VersionRecord::Object(object) => match object.content {
            Content::Whole(Data::Blob(blob)) => Some(blob.id),
            other => panic!("{other:?}"),
        },
        marker @ VersionRecord::DeleteMarker { .. } => panic!("{marker:?}"),
    }
}

fn pending_delete(range: &Range) -> Vec<BlobId> {
    let Answer::Reap(due) = range.query(&Query::Reap { now_ms: u64::MAX, limit: 100 }) else { panic!("wrong answer") };
    let blob = |target| if let ReapTarget::Blob(blob) = target { Some(blob.id) } else { None };
    due.into_iter().filter_map(|(_, record, _)| blob(record.target)).collect()
}

/// A request made under rules that the range does not have yet, for the gateway was told of them first.
fn under_next_rules(range: &mut Range, key: &str, command: Command) -> CommandRequest {
    let request = range.request(key, command);
    CommandRequest { rules_version: range.rules.version + 1, ..request }
}

#[test]
fn a_late_put_that_was_called_stale_drops_nothing_that_was_committed_since() {
    for versioning in [Versioning::Off, Versioning::Enabled] {
        let mut range = Range::new(versioning);
        let staged = blob("k", NOW_MS, 1, 1 << 20);
        // Attempt 1 waits at a leader that is cut off. Attempt 2 meets a range that lacks the newest rules.
        let late = under_next_rules(&mut range, "k", put_blob(staged.clone(), 0));
        assert_eq!(range.execute(&repeat_of(&late)), Err(Refusal::StaleRules));
        // The gateway brings the rules and commits what it staged under a new commit id.
        range.change_rules(|_| {});
        range.run("k", put_blob(staged.clone(), 0)).unwrap();
        // The leader of attempt 1 leads again.
        assert_eq!(range.execute(&late), Err(Refusal::StaleRules), "{versioning:?}");
        assert_eq!(named(&range, "k"), Some(staged.id));
        assert_eq!(pending_delete(&range), [], "the blob is named: its bytes stay");
    }
}

#[test]
fn a_late_command_that_was_called_stale_undoes_nothing_that_was_acknowledged_since() {
    let commands = [
        delete(None, Precondition::default()),
        put("late", Precondition::default()),
        put_blob(blob("k", NOW_MS, 1, 1 << 20), 0),
    ];
    for command in commands {
        let mut range = Range::new(Versioning::Off);
        let late = under_next_rules(&mut range, "k", command.clone());
        assert_eq!(range.execute(&repeat_of(&late)), Err(Refusal::StaleRules));
        range.change_rules(|_| {});
        range.run("k", command).unwrap();
        let other = blob("k", NOW_MS, 2, 1 << 20);
        range.run("k", put_blob(other.clone(), 0)).unwrap();
        assert_eq!(range.execute(&late), Err(Refusal::StaleRules));
        assert_eq!(named(&range, "k"), Some(other.id), "{:?}", late.command);
    }
}

#[test]
fn late_rules_that_another_gateway_had_brought_do_not_bring_a_deleted_bucket_back() {
    let mut range = Range::new(Versioning::Off);
    let first = BucketRules { version: 1, ..range.rules.clone() };
    let late = CommandRequest {
        rules_version: 0,
        ..range.request("any", Command::PutRules { name: "b".into(), rules: first })
    };
    assert!(matches!(range.execute(&repeat_of(&late)), Ok(Outcome::Done { .. })), "they are there already");
    let deleting = BucketRules { version: 2, state: BucketState::Deleting, ..range.rules.clone() };
    range.run("any", Command::SealBucket { name: "b".into(), rules: deleting }).unwrap();
    range.run("any", Command::DropRules { name: "b".into() }).unwrap();
    range.execute(&late).unwrap();
    assert_eq!(range.store.view().get(&key::of_bucket(RowKind::Rules, range.bucket)).unwrap(), None);
}

/// Whatever a repeat is answered, its late first attempt is answered too; and a repeat costs a row, no other attempt.
#[test]
fn every_answer_to_a_repeat_is_kept() {
    let mut range = Range::new(Versioning::Off);
    let rules = range.rules.clone();
    let upload = upload_id(1);
    let create =
        Command::CreateUpload { upload, attributes: Attributes::default(), initiator: "me".into(), checksum: None };
    range.run("u", create).unwrap();
    let mut requests = vec![
        range.request("k", Command::AbortUpload { upload: upload_id(2) }),
        range.request("k", delete(Some(couronne_metadata::ids::VersionId::Null), Precondition::default())),
        range.request("any", Command::PutRules { name: "b".into(), rules: rules.clone() }),
        range.request(
            "any",
            Command::SealBucket { name: "b".into(), rules: BucketRules { state: BucketState::Deleting, ..rules } },
        ),
        range.request("any", Command::DropRules { name: "b".into() }),
        range.request("k", Command::Abandon { blob: blob("k", NOW_MS, 7, 9) }),
    ];
    requests.push(under_next_rules(&mut range, "k", delete(None, Precondition::default())));
    for request in requests {
        let answer = range.execute(&repeat_of(&request));
        let kept = evaluate(&*range.store.view(), &request, range.now_us + 1_000_000).unwrap();
        assert_eq!(kept, Evaluated::Settled(answer), "{:?}", request.command);
        assert!(range.store.view().get(&key::of_commit(request.commit)).unwrap().is_some(), "{:?}", request.command);
    }
}

#[test]
fn a_repeat_of_a_duty_leaves_no_row() {
    let mut range = Range::new(Versioning::Off);
    let duty = range.request("any", Command::Repaired { blob: blob("k", NOW_MS, 1, 9).id });
    let answered = evaluate(&*range.store.view(), &repeat_of(&duty), range.now_us).unwrap();
    assert!(matches!(answered, Evaluated::Settled(Ok(_))), "{answered:?}");
}
