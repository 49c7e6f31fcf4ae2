//! From an access key to its caller.

use std::time::Duration;

use couronne_gateway::engine::{EngineError, Settings};
use couronne_gateway::identity::{
    CallerKind, EntityKind, Identity, IdentityError, IdentitySettings, KeyOwner, KeySettings, NewUser,
};
use couronne_gateway::testing::RangeFault;

use super::*;

#[tokio::test]
async fn root_needs_no_row_and_others_do() {
    let cluster = cluster();
    let identity = identity(cluster.engine.clone(), [1; 32]);
    let root = caller(&identity, "ROOTKEY").await;
    assert!(root.caller.kind == CallerKind::Root && root.secret.expose() == b"root-secret");
    assert_eq!(identity.account("root").await.unwrap(), *root.account());
    assert_eq!(identity.account_by_number(&root.account().number).await.unwrap(), *root.account());
    assert!(identity.credential("NOBODY").await.unwrap().is_none());
    assert!(identity.credential("no/body\n").await.unwrap().is_none());

    let account = identity.create_account("acme", None).await.unwrap();
    let key = user(&identity, &account, "eve", None).await;
    let found = caller(&identity, &key.access_key).await;
    assert_eq!(*found.account(), account);
    assert_eq!(found.caller.arn(), format!("arn:aws:iam::{}:user/eve", account.number));
    assert!(found.secret.expose() == key.secret.expose() && found.caller.policies.is_empty());
    let of_root = identity.create_key(&account, KeyOwner::Root, None, KeySettings::default()).await.ok().unwrap();
    let found = caller(&identity, &of_root.access_key).await;
    assert_eq!(found.caller.arn(), format!("arn:aws:iam::{}:root", account.number));
    assert_eq!(*found.account(), account);
}

#[tokio::test]
async fn an_access_key_has_one_owner() {
    let cluster = cluster();
    let identity = identity(cluster.engine.clone(), [1; 32]);
    let account = identity.create_account("acme", None).await.unwrap();
    user(&identity, &account, "eve", Some("CHOSEN")).await;
    identity.create_user(&account, NewUser::of_name("bob")).await.unwrap();
    for taken in ["CHOSEN", "ROOTKEY"] {
        let refused = another_key(&identity, &account, "bob", Some(taken)).await;
        assert!(matches!(refused, Err(IdentityError::Exists(EntityKind::AccessKey))));
    }
    let short = another_key(&identity, &account, "bob", Some("B")).await;
    assert!(matches!(short, Err(IdentityError::Invalid(_))));
    let of_bob = identity.delete_key(&account, KeyOwner::User("bob"), "CHOSEN").await;
    assert!(matches!(of_bob, Err(IdentityError::NoSuch(EntityKind::AccessKey))));
    let other = identity.create_account("other", None).await.unwrap();
    let of_other = identity.delete_key(&other, KeyOwner::Any, "CHOSEN").await;
    assert!(matches!(of_other, Err(IdentityError::NoSuch(EntityKind::AccessKey))));
    assert_eq!(caller(&identity, "CHOSEN").await.caller.name(), "eve");
    identity.delete_key(&account, KeyOwner::Any, "CHOSEN").await.unwrap();
    assert!(identity.credential("CHOSEN").await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_key_is_disabled_enabled_rotated_and_runs_out() {
    let cluster = cluster();
    let identity = identity(cluster.engine.clone(), [1; 32]);
    let account = identity.create_account("acme", None).await.unwrap();
    let key = user(&identity, &account, "eve", None).await.access_key;
    identity.set_key_active(&account, KeyOwner::User("eve"), &key, false).await.unwrap();
    assert!(identity.credential(&key).await.unwrap().is_none());
    assert!(!identity.list_keys(&account, KeyOwner::User("eve")).await.unwrap()[0].is_active);
    identity.set_key_active(&account, KeyOwner::User("eve"), &key, true).await.unwrap();
    caller(&identity, &key).await;

    let second = identity.rotate_key(&account, KeyOwner::Any, &key, 60).await.ok().unwrap().access_key;
    caller(&identity, &key).await;
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert!(identity.credential(&key).await.unwrap().is_none(), "its time is over");
    let third = identity.rotate_key(&account, KeyOwner::Any, &second, 0).await.ok().unwrap().access_key;
    assert!(identity.credential(&second).await.unwrap().is_none());
    caller(&identity, &third).await;

    let narrow =
        KeySettings { session_policy: Some(NOTHING.into()), description: "backup".into(), ..Default::default() };
    let narrow = identity.create_key(&account, KeyOwner::User("eve"), None, narrow).await.ok().unwrap();
    let narrower = identity.rotate_key(&account, KeyOwner::Any, &narrow.access_key, 0).await.ok().unwrap();
    let session = caller(&identity, &narrower.access_key).await.caller.session.clone();
    assert_eq!(&*session.unwrap()[0].text, NOTHING, "it stays as narrow");
    let keys = identity.list_keys(&account, KeyOwner::User("eve")).await.unwrap();
    let described = keys.iter().find(|key| key.access_key == narrower.access_key).unwrap();
    assert_eq!(&*described.description, "backup");
}

#[tokio::test(start_paused = true)]
async fn a_revoked_key_stops_working_everywhere_within_the_bound() {
    let cluster = cluster();
    let here = identity(cluster.engine.clone(), [1; 32]);
    let there = identity(cluster.another_engine(Settings::default()), [1; 32]);
    let account = here.create_account("acme", None).await.unwrap();
    let first = user(&here, &account, "eve", None).await.access_key;
    let second = another_key(&here, &account, "eve", None).await.ok().unwrap().access_key;
    for key in [&first, &second] {
        caller(&there, key).await;
    }
    here.delete_key(&account, KeyOwner::User("eve"), &first).await.unwrap();
    assert!(here.credential(&first).await.unwrap().is_none(), "at once where it was deleted");
    tokio::time::sleep(BOUND).await;
    assert!(there.credential(&first).await.unwrap().is_none());
    caller(&there, &second).await;
    let again = here.delete_key(&account, KeyOwner::User("eve"), &first).await;
    assert!(matches!(again, Err(IdentityError::NoSuch(EntityKind::AccessKey))));

    here.delete_user(&account, "eve", couronne_gateway::identity::Deletion::WithAll).await.unwrap();
    tokio::time::sleep(BOUND).await;
    assert!(there.credential(&second).await.unwrap().is_none());
    // The name taken again revives nothing.
    user(&here, &account, "eve", None).await;
    tokio::time::sleep(BOUND).await;
    assert!(there.credential(&second).await.unwrap().is_none());
}

/// Requests that come all the time: they are never refused too early, and the key is refused within the bound.
#[tokio::test(start_paused = true)]
async fn a_gateway_that_is_used_all_the_time_hears_of_changes() {
    let cluster = cluster();
    let here = identity(cluster.engine.clone(), [1; 32]);
    let there = identity(cluster.another_engine(Settings::default()), [1; 32]);
    let account = here.create_account("acme", None).await.unwrap();
    let key = user(&here, &account, "eve", None).await.access_key;
    for _ in 0..200 {
        caller(&there, &key).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    here.delete_key(&account, KeyOwner::Any, &key).await.unwrap();
    let deleted = tokio::time::Instant::now();
    while there.credential(&key).await.unwrap().is_some() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(deleted.elapsed() < BOUND);
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_is_cut_off_serves_for_the_bound_and_then_nobody() {
    let cluster = cluster();
    let identity = identity(cluster.engine.clone(), [1; 32]);
    let account = identity.create_account("acme", None).await.unwrap();
    let key = user(&identity, &account, "eve", None).await.access_key;
    caller(&identity, &key).await;
    let began = tokio::time::Instant::now();
    cluster.ranges.fail_after(0, RangeFault::Hangs);
    while began.elapsed() < Duration::from_millis(4_900) {
        caller(&identity, &key).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    for _ in 0..3 {
        let refused = identity.credential(&key).await;
        assert!(matches!(refused, Err(IdentityError::Engine(EngineError::Unavailable(_)))));
    }
    assert!(identity.credential("ROOTKEY").await.unwrap().is_some(), "that takes no row");
    cluster.ranges.thaw();
    caller(&identity, &key).await;
}

#[tokio::test]
async fn an_unknown_key_is_not_looked_up_again_at_once() {
    let cluster = cluster();
    let identity = identity(cluster.engine.clone(), [1; 32]);
    assert!(identity.credential("NOBODY").await.unwrap().is_none());
    cluster.ranges.fail_after(0, RangeFault::Hangs);
    let again = tokio::time::timeout(Duration::from_secs(1), identity.credential("NOBODY")).await;
    assert!(again.expect("it was looked up").unwrap().is_none());
    cluster.ranges.thaw();
    let account = identity.create_account("acme", None).await.unwrap();
    user(&identity, &account, "eve", Some("NOBODY")).await;
    assert!(identity.credential("NOBODY").await.unwrap().is_some(), "it works as soon as it was made here");
}

/// However many users there are: a start reads nothing, a first request a handful of rows, and a second one none.
#[tokio::test(start_paused = true)]
async fn what_is_read_does_not_grow_with_the_number_of_users() {
    let cluster = cluster();
    let maker = identity(cluster.engine.clone(), [1; 32]);
    let mut keys = Vec::new();
    for number in 0..20 {
        let account = maker.create_account(&format!("account{number}"), None).await.unwrap();
        for name in ["ada", "bob", "eve"] {
            keys.push(user(&maker, &account, name, None).await.access_key);
        }
    }
    let before = cluster.ranges.queries();
    let settings = IdentitySettings { cache_entries_max: 20, ..IdentitySettings::default() };
    let identity =
        Identity::new(cluster.another_engine(Settings::default()), secrets("ROOTKEY", [1; 32], &[]), settings);
    let identity = identity.ok().unwrap();
    assert_eq!(cluster.ranges.queries(), before, "a start reads nothing");
    for key in &keys {
        let before = cluster.ranges.queries();
        caller(&identity, key).await;
        let read = cluster.ranges.queries() - before;
        assert!((2..=3).contains(&read), "key, user and account, unless the account was read: {read}");
        caller(&identity, key).await;
        assert_eq!(cluster.ranges.queries() - before, read);
    }
    // What is kept is bounded: the first is read again.
    let before = cluster.ranges.queries();
    caller(&identity, &keys[0]).await;
    assert!(cluster.ranges.queries() > before);
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    let idle = cluster.ranges.queries();
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert_eq!(cluster.ranges.queries(), idle, "an idle gateway asks nothing");
}

#[tokio::test(start_paused = true)]
async fn the_last_use_of_a_key_is_noted_once_in_a_while_and_of_that_key_alone() {
    let cluster = cluster();
    let identity = identity(cluster.engine.clone(), [1; 32]);
    let account = identity.create_account("acme", None).await.unwrap();
    user(&identity, &account, "eve", Some("CHOSEN")).await;
    assert_eq!(identity.key_last_used("CHOSEN").await.unwrap(), None);
    for _ in 0..100 {
        identity.note_use(&caller(&identity, "CHOSEN").await, "s3", "here");
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    let noted = cluster.ranges.commands();
    let noted = noted.iter().filter(|sent| sent.key.as_str().starts_with("key-used/")).count();
    assert_eq!(noted, 2, "in a thousand seconds");
    let used = identity.key_last_used("CHOSEN").await.unwrap().unwrap();
    assert_eq!((&*used.service, &*used.region), ("s3", "here"));
    identity.delete_key(&account, KeyOwner::Any, "CHOSEN").await.unwrap();
    another_key(&identity, &account, "eve", Some("CHOSEN")).await.ok().unwrap();
    assert_eq!(identity.key_last_used("CHOSEN").await.unwrap(), None, "another key of that name");
}
