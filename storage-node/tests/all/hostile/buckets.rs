//! What a compromised gateway can do to a bucket's registry row and rules: nothing that its clients could not.

use super::{Hostile, cluster, honest};
use crate::support::rounds::owner;
use crate::support::rows::{BUCKET_NAME, ask, execute, key, request, rules};
use couronne_base::codec;
use couronne_metadata::command::{Command, CommandRequest, Expect, Outcome, Refusal};
use couronne_metadata::evaluate::registry;
use couronne_metadata::ids::{BucketId, Ordinal};
use couronne_metadata::query::{Answer, Query, RulesRow, SystemRow};
use couronne_metadata::record::{Attributes, BucketEntry, BucketRules, BucketState, Versioning};
use couronne_placement::ResidencyClass;
use couronne_protocol::range::RangeError;
use couronne_protocol::shard::Owner;

const CONFLICT: Result<Outcome, RangeError> = Err(RangeError::Refused(Refusal::Conflict));

/// A bucket of this name, as its registry row has it.
#[derive(Clone)]
struct Bucket {
    name: &'static str,
    id: BucketId,
    rules: BucketRules,
}

impl Bucket {
    fn entry(&self, version: u64, state: BucketState) -> BucketEntry {
        let rules = BucketRules { version, state, ..self.rules.clone() };
        BucketEntry { id: self.id, account: "account".into(), created: Ordinal(1), rules, documents: Vec::new() }
    }

    fn row(&self) -> Owner {
        Owner { bucket: BucketId::SYSTEM, key: registry::key_of(self.name).unwrap() }
    }

    fn any_key(&self) -> Owner {
        Owner { bucket: self.id, key: key("any") }
    }

    fn put(&self, version: u64) -> Command {
        Command::PutRules { name: self.name.into(), rules: self.entry(version, BucketState::Live).rules }
    }

    fn seal(&self, version: u64) -> Command {
        Command::SealBucket { name: self.name.into(), rules: self.entry(version, BucketState::Deleting).rules }
    }

    fn drop(&self) -> Command {
        Command::DropRules { name: self.name.into() }
    }
}

fn write(entry: Option<&BucketEntry>) -> Command {
    Command::SystemWrite { expect: Expect::Any, value: entry.map(codec::encode) }
}

impl Hostile {
    /// Has the registry row say this, by a storage node's own word.
    async fn register(&self, bucket: &Bucket, version: u64, state: BucketState) {
        let request = request(&self.env, &bucket.row(), write(Some(&bucket.entry(version, state))));
        execute(&self.env, &self.node, request).await.unwrap();
    }

    async fn row(&self, bucket: &Bucket) -> Option<SystemRow> {
        let query = Query::SystemGet { key: bucket.row().key };
        match ask(&self.env, &self.node, &bucket.row(), query).await {
            Answer::SystemGet(row) => row,
            other => panic!("{other:?}"),
        }
    }

    async fn state(&self, bucket: &Bucket) -> Option<BucketState> {
        let row = self.row(bucket).await?;
        Some(codec::decode::<BucketEntry>(&row.value).unwrap().rules.state)
    }

    async fn found(&self, bucket: &Bucket) -> RulesRow {
        match ask(&self.env, &self.node, &bucket.any_key(), Query::Rules { key: key("any") }).await {
            Answer::Rules(found) => found,
            other => panic!("{other:?}"),
        }
    }

    /// Changes the rules that a range has of these.
    async fn change_rules(&self, bucket: &Bucket, command: Command) -> Result<Outcome, RangeError> {
        let known = if let RulesRow::Present(rules) = self.found(bucket).await { rules.version } else { 0 };
        let request = request(&self.env, &bucket.any_key(), command);
        self.send(CommandRequest { rules_version: known, ..request }).await
    }

    async fn change_row(&self, bucket: &Bucket, command: Command) -> Result<Outcome, RangeError> {
        self.command(&bucket.row(), command).await
    }

    /// Removes the row as an honest gateway does, if it is as it was read.
    async fn remove_row(&self, bucket: &Bucket) -> Result<Outcome, RangeError> {
        let expect = self.row(bucket).await.map_or(Expect::Absent, |row| Expect::Version(row.version));
        self.change_row(bucket, Command::SystemWrite { expect, value: None }).await
    }
}

/// The bucket that the tests' cluster has, with a registry row that says that it is live.
async fn registered(hostile: &Hostile) -> Bucket {
    let rules = BucketRules { versioning: Versioning::Enabled, object_lock: Some(None), ..rules() };
    let bucket = Bucket { name: BUCKET_NAME, id: owner("any").bucket, rules };
    for state in [BucketState::Creating, BucketState::Live] {
        hostile.register(&bucket, 1, state).await;
    }
    bucket
}

#[tokio::test(start_paused = true)]
async fn a_hostile_gateway_makes_no_bucket_unreadable() {
    let cluster = cluster(41).await;
    let hostile = Hostile::join(&cluster).await;
    let bucket = registered(&hostile).await;
    for version in [2, 3, u64::MAX] {
        assert_eq!(hostile.change_rules(&bucket, bucket.put(version)).await, CONFLICT, "the row has version 1");
        assert_eq!(hostile.change_rules(&bucket, bucket.seal(version)).await, CONFLICT);
    }
    // Rows of its own under other names do not help it, nor names that none has.
    let own = Bucket { name: "own", id: BucketId::new(ResidencyClass(0), [100, 1, 1, 1], "own"), ..bucket.clone() };
    hostile.change_row(&own, write(Some(&own.entry(1, BucketState::Creating)))).await.unwrap();
    hostile.change_row(&own, write(Some(&own.entry(1, BucketState::Live)))).await.unwrap();
    hostile.change_row(&own, write(Some(&own.entry(2, BucketState::Live)))).await.unwrap();
    let forged = Bucket { name: "forged", ..bucket.clone() };
    let answer = hostile.change_row(&forged, write(Some(&forged.entry(1, BucketState::Creating)))).await;
    assert!(matches!(answer, Err(RangeError::Refused(_))), "the id is of another name: {answer:?}");
    for name in ["own", "forged", "nothing", "", &"long".repeat(400)] {
        let rules = bucket.entry(2, BucketState::Live).rules;
        assert_eq!(hostile.change_rules(&bucket, Command::PutRules { name: name.into(), rules }).await, CONFLICT);
        assert_eq!(hostile.change_rules(&bucket, Command::DropRules { name: name.into() }).await, CONFLICT);
    }
    // The row goes on, and other rules than those that it has are refused.
    hostile.change_row(&bucket, write(Some(&bucket.entry(2, BucketState::Live)))).await.unwrap();
    let other = BucketRules { versioning: Versioning::Suspended, ..bucket.rules.clone() };
    let unlike = Bucket { rules: other, ..bucket.clone() };
    assert_eq!(hostile.change_rules(&bucket, unlike.put(2)).await, CONFLICT);
    hostile.change_rules(&bucket, bucket.put(2)).await.unwrap();
    assert_eq!(hostile.found(&bucket).await, RulesRow::Present(bucket.entry(2, BucketState::Live).rules));
}

#[tokio::test(start_paused = true)]
async fn a_hostile_gateway_walks_no_bucket_that_is_not_empty_to_its_end() {
    let cluster = cluster(42).await;
    let hostile = Hostile::join(&cluster).await;
    let bucket = registered(&hostile).await;
    let (object, ..) = honest(&hostile, "object", 1, Attributes::default()).await;

    hostile.change_row(&bucket, write(Some(&bucket.entry(2, BucketState::Deleting)))).await.unwrap();
    assert_eq!(
        hostile.change_rules(&bucket, bucket.seal(2)).await,
        Err(RangeError::Refused(Refusal::BucketNotEmpty)),
        "a range that holds an object is not sealed"
    );
    let dropping = bucket.entry(2, BucketState::Dropping);
    assert_eq!(hostile.change_row(&bucket, write(Some(&dropping))).await, CONFLICT, "the range is not sealed");
    assert_eq!(hostile.change_rules(&bucket, bucket.drop()).await, CONFLICT);
    assert_eq!(hostile.remove_row(&bucket).await, CONFLICT);
    assert_eq!(hostile.change_row(&bucket, write(None)).await, CONFLICT);
    let another = Bucket { id: BucketId::new(ResidencyClass(0), [1; 4], BUCKET_NAME), ..bucket.clone() };
    let answer = hostile.change_row(&another, write(Some(&another.entry(1, BucketState::Creating)))).await;
    assert!(matches!(answer, Err(RangeError::Refused(_))), "the name is taken: {answer:?}");

    // The next gateway that is asked for the bucket takes the deletion back, and clients read what they wrote.
    hostile.change_row(&bucket, write(Some(&bucket.entry(3, BucketState::Live)))).await.unwrap();
    hostile.change_rules(&bucket, bucket.put(3)).await.unwrap();
    let read = Query::Get { key: object.owner.key.clone(), version: None };
    assert!(matches!(ask(&hostile.env, &hostile.node, &object.owner, read).await, Answer::Get(Some(_))));
    assert!(object.is_whole(&hostile.node).await);
}

/// Honest gateways use the same way, and repeat what was not answered; others do so at the same time.
#[tokio::test(start_paused = true)]
async fn a_bucket_lives_and_goes_by_the_word_of_gateways_each_of_which_says_it_twice() {
    let cluster = cluster(43).await;
    let gateway = Hostile::join(&cluster).await;
    let id = BucketId::new(ResidencyClass(0), [200, 2, 2, 2], "mine");
    let bucket = Bucket { name: "mine", id, rules: rules() };
    let row = |version, state| write(Some(&bucket.entry(version, state)));
    let steps = [
        (true, row(1, BucketState::Creating)),
        (false, bucket.put(1)),
        (true, row(1, BucketState::Live)),
        (true, row(2, BucketState::Deleting)),
        (false, bucket.seal(2)),
        (true, row(2, BucketState::Dropping)),
        (false, bucket.drop()),
    ];
    for (is_row, command) in steps {
        let at = if is_row { bucket.row() } else { bucket.any_key() };
        let known = if let RulesRow::Present(rules) = gateway.found(&bucket).await { rules.version } else { 0 };
        let sent = CommandRequest { rules_version: known, ..request(&gateway.env, &at, command.clone()) };
        let first = gateway.send(sent.clone()).await;
        assert!(first.is_ok(), "{command:?}: {first:?}");
        let again = gateway.send(CommandRequest { is_repeat: true, ..sent }).await;
        // The answer to the first, or one at which a gateway looks again.
        assert!(again == first || again == CONFLICT, "{command:?}: {again:?}");
    }
    assert_eq!(gateway.found(&bucket).await, RulesRow::Dropped);
    gateway.remove_row(&bucket).await.unwrap();
    assert_eq!(gateway.state(&bucket).await, None);

    // The name is free for another bucket, not for the same once more: its ranges take it no more.
    assert_eq!(gateway.change_row(&bucket, row(1, BucketState::Creating)).await, CONFLICT);
    assert_eq!(gateway.change_rules(&bucket, bucket.put(1)).await, CONFLICT);
    let another = Bucket { id: BucketId::new(ResidencyClass(0), [7; 4], "mine"), ..bucket.clone() };
    gateway.change_row(&another, write(Some(&another.entry(1, BucketState::Creating)))).await.unwrap();
    assert_eq!(gateway.state(&another).await, Some(BucketState::Creating));
}
