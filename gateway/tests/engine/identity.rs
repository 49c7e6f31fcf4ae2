//! Accounts, users and keys: which identity is found, and until when.

use std::time::Duration;

use bytes::Bytes;
use couronne_base::codec;
use couronne_gateway::engine::Settings;
use couronne_gateway::identity::{
    CreateUser, Identity, IdentityError, IdentitySecrets, IdentitySettings, NewKey, RetiringRoot, RootCredentials,
    Secret,
};
use couronne_gateway::testing::{FakeCluster, FakeShape, RangeFault};

use couronne_metadata::system::identity as rows;

use super::support::*;

fn identity(engine: couronne_gateway::engine::Engine, cluster_secret: [u8; 32]) -> Identity {
    Identity::new(engine, secrets("ROOTKEY", cluster_secret, &[]), IdentitySettings::default()).ok().unwrap()
}

fn secrets(root: &str, sealing: [u8; 32], opening: &[[u8; 32]]) -> IdentitySecrets {
    let root = RootCredentials { access_key: root.into(), secret: Secret::new("root-secret") };
    let opening = opening.iter().map(|secret| Secret::new(*secret)).collect();
    IdentitySecrets { root, retiring: None, sealing: Secret::new(sealing), opening }
}

fn user(account: &str, user: &str, admin: bool, key: Option<(&str, &str)>) -> CreateUser {
    let key = key.map(|(access, secret)| NewKey { access_key: access.into(), secret: Secret::new(secret) });
    CreateUser { account: account.into(), user: user.into(), admin, key }
}

#[tokio::test]
async fn root_needs_no_row_and_others_do() {
    let cluster = FakeCluster::new(&FakeShape::default());
    let identity = identity(cluster.engine.clone(), [1; 32]);
    let root = identity.credential("ROOTKEY").await.unwrap().unwrap();
    assert!(root.root && root.admin && root.secret.expose() == b"root-secret" && root.account.len() == 64);
    assert_eq!(identity.account("root").await.unwrap().id, root.account);
    assert!(identity.credential("NOBODY").await.unwrap().is_none());
    assert!(identity.credential("no/body\n").await.unwrap().is_none());

    let account = identity.create_account("acme").await.unwrap();
    assert_eq!(account.id.len(), 64);
    assert!(matches!(identity.create_account("acme").await, Err(IdentityError::Exists("account"))));
    assert!(matches!(identity.create_account("root").await, Err(IdentityError::Exists("account"))));
    assert!(matches!(identity.create_account("a/b").await, Err(IdentityError::Invalid(_))));
    assert_eq!(identity.account("acme").await.unwrap(), account);
    assert_eq!(identity.account_by_id(&account.id).await.unwrap(), account);

    let (made, key) = identity.create_user(user("acme", "eve", true, None)).await.ok().unwrap();
    assert_eq!(made.access_keys, std::slice::from_ref(&key.access_key));
    let found = identity.credential(&key.access_key).await.unwrap().unwrap();
    assert_eq!((&*found.account, &*found.user, found.admin, found.root), (&*account.id, "eve", true, false));
    assert!(found.secret.expose() == key.secret.expose());
    assert_eq!(identity.user("acme", "eve").await.unwrap(), made);
    assert!(matches!(identity.create_user(user("acme", "eve", false, None)).await, Err(IdentityError::Exists("user"))));
    assert!(matches!(identity.create_user(user("none", "eve", false, None)).await, Err(IdentityError::NoSuchAccount)));
}

#[tokio::test]
async fn an_access_key_has_one_owner() {
    let cluster = FakeCluster::new(&FakeShape::default());
    let identity = identity(cluster.engine.clone(), [1; 32]);
    identity.create_account("acme").await.unwrap();
    identity.create_user(user("acme", "eve", false, Some(("CHOSEN", "chosen-secret")))).await.ok().unwrap();
    for taken in ["CHOSEN", "ROOTKEY"] {
        let refused = identity.create_user(user("acme", "bob", false, Some((taken, "other-secret")))).await;
        assert!(matches!(refused, Err(IdentityError::Exists("access key"))));
    }
    assert!(matches!(identity.user("acme", "bob").await, Err(IdentityError::NoSuchUser)));
    let short = identity.create_user(user("acme", "bob", false, Some(("BOB", "short")))).await;
    assert!(matches!(short, Err(IdentityError::Invalid(_))));
    assert!(identity.credential("CHOSEN").await.unwrap().unwrap().secret.expose() == b"chosen-secret");
}

#[tokio::test(start_paused = true)]
async fn a_revoked_key_stops_working_everywhere_within_the_bound() {
    let cluster = FakeCluster::new(&FakeShape::default());
    let here = identity(cluster.engine.clone(), [1; 32]);
    let there = identity(cluster.another_engine(Settings::default()), [1; 32]);
    here.create_account("acme").await.unwrap();
    let (_, first) = here.create_user(user("acme", "eve", false, None)).await.ok().unwrap();
    let second = here.create_key("acme", "eve", None).await.ok().unwrap();
    for key in [&first, &second] {
        assert!(there.credential(&key.access_key).await.unwrap().is_some());
    }
    let anothers = here.delete_key("acme", "bob", &first.access_key).await;
    assert!(matches!(anothers, Err(IdentityError::NoSuchKey)), "a key of another user");
    here.delete_key("acme", "eve", &first.access_key).await.unwrap();
    assert!(here.credential(&first.access_key).await.unwrap().is_none());
    tokio::time::sleep(Duration::from_millis(5_001)).await;
    assert!(there.credential(&first.access_key).await.unwrap().is_none());
    assert!(there.credential(&second.access_key).await.unwrap().is_some());
    assert!(matches!(here.delete_key("acme", "eve", &first.access_key).await, Err(IdentityError::NoSuchKey)));

    here.delete_user("acme", "eve").await.unwrap();
    tokio::time::sleep(Duration::from_millis(5_001)).await;
    assert!(there.credential(&second.access_key).await.unwrap().is_none());
    // The name taken again revives nothing.
    here.create_user(user("acme", "eve", false, None)).await.ok().unwrap();
    assert!(there.credential(&second.access_key).await.unwrap().is_none());
}

#[tokio::test]
async fn accounts_and_users_are_listed_and_an_account_in_use_stays() {
    let cluster = FakeCluster::new(&FakeShape::default());
    let identity = identity(cluster.engine.clone(), [1; 32]);
    for name in ["a", "b", "c"] {
        identity.create_account(name).await.unwrap();
    }
    let (page, more) = identity.list_accounts("", 2).await.unwrap();
    assert_eq!((page.iter().map(|account| &*account.name).collect::<Vec<_>>(), more), (vec!["a", "b"], true));
    let (page, more) = identity.list_accounts("b", 2).await.unwrap();
    assert_eq!((page.len(), more), (1, false));

    identity.create_user(user("a", "eve", false, None)).await.ok().unwrap();
    identity.create_user(user("a", "adam", false, None)).await.ok().unwrap();
    let (users, more) = identity.list_users("a", "", 10).await.unwrap();
    assert_eq!((users.iter().map(|user| &*user.name).collect::<Vec<_>>(), more), (vec!["adam", "eve"], false));
    assert!(matches!(identity.delete_account("a").await, Err(IdentityError::NotEmpty("users"))));
    for name in ["eve", "adam"] {
        identity.delete_user("a", name).await.unwrap();
    }
    let account = identity.account("a").await.unwrap();
    let made = cluster.engine.create_bucket(create("bucket", &account.id)).await.unwrap();
    assert!(matches!(identity.delete_account("a").await, Err(IdentityError::NotEmpty("buckets"))));
    cluster.engine.delete_bucket(&made).await.unwrap();
    identity.delete_account("a").await.unwrap();
    assert!(matches!(identity.account("a").await, Err(IdentityError::NoSuchAccount)));
    assert!(matches!(identity.account_by_id(&account.id).await, Err(IdentityError::NoSuchAccount)));
}

#[tokio::test]
async fn secrets_do_not_open_under_another_cluster_secret() {
    let cluster = FakeCluster::new(&FakeShape::default());
    let right = identity(cluster.engine.clone(), [1; 32]);
    right.create_account("acme").await.unwrap();
    right.create_user(user("acme", "eve", false, Some(("CHOSEN", "chosen-secret")))).await.ok().unwrap();
    let wrong = identity(cluster.engine.clone(), [2; 32]);
    assert!(matches!(wrong.credential("CHOSEN").await, Err(IdentityError::Sealed)));
    let in_rows = cluster.ranges.commands().iter().any(|sent| format!("{sent:?}").contains("chosen-secret"));
    assert!(!in_rows);
}

#[tokio::test]
async fn an_unknown_key_is_not_looked_up_again_at_once() {
    let cluster = FakeCluster::new(&FakeShape::default());
    let identity = identity(cluster.engine.clone(), [1; 32]);
    assert!(identity.credential("NOBODY").await.unwrap().is_none());
    cluster.ranges.fail_after(0, RangeFault::Hangs);
    let again = tokio::time::timeout(Duration::from_secs(1), identity.credential("NOBODY")).await;
    assert!(again.expect("it was looked up").unwrap().is_none());
    cluster.ranges.thaw();
    identity.create_account("acme").await.unwrap();
    identity.create_user(user("acme", "eve", false, Some(("NOBODY", "chosen-secret")))).await.ok().unwrap();
    assert!(identity.credential("NOBODY").await.unwrap().is_some(), "it works as soon as it was made here");
}

#[tokio::test(start_paused = true)]
async fn root_credentials_are_changed_while_requests_run() {
    let cluster = FakeCluster::new(&FakeShape::default());
    let identity = identity(cluster.engine.clone(), [1; 32]);
    let until_ms = identity.create_account("acme").await.unwrap().created.0 / 1000 + 60_000;
    let old = RootCredentials { access_key: "ROOTKEY".into(), secret: Secret::new("root-secret") };
    let retiring = Some(RetiringRoot { root: old, until_ms });
    identity.change_secrets(IdentitySecrets { retiring, ..secrets("NEWROOT", [1; 32], &[]) }).unwrap();
    for key in ["ROOTKEY", "NEWROOT"] {
        assert!(identity.credential(key).await.unwrap().unwrap().root, "{key}");
    }
    let taken = identity.create_user(user("acme", "bob", false, Some(("NEWROOT", "other-secret")))).await;
    assert!(matches!(taken, Err(IdentityError::Exists("access key"))));
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert!(identity.credential("ROOTKEY").await.unwrap().is_none(), "its time is over");
    assert!(identity.credential("NEWROOT").await.unwrap().is_some());
    identity.change_secrets(secrets("THIRD", [1; 32], &[])).unwrap();
    assert!(identity.credential("NEWROOT").await.unwrap().is_none(), "at once");
}

#[tokio::test(start_paused = true)]
async fn what_seals_is_changed_and_every_key_works_all_the_time() {
    let cluster = FakeCluster::new(&FakeShape::default());
    let here = identity(cluster.engine.clone(), [1; 32]);
    let there = identity(cluster.another_engine(Settings::default()), [1; 32]);
    here.create_account("acme").await.unwrap();
    let mut keys = Vec::new();
    for number in 0..5 {
        let (_, key) = here.create_user(user("acme", &format!("user{number}"), false, None)).await.ok().unwrap();
        keys.push(key.access_key);
    }
    let all_work = async |identity: &Identity| {
        for key in &keys {
            // What is in memory says nothing of what is sealed.
            tokio::time::sleep(Duration::from_millis(5_001)).await;
            assert!(identity.credential(key).await.unwrap().is_some(), "{key}");
        }
    };
    // Both know the new secret before anything is sealed with it.
    for identity in [&here, &there] {
        identity.change_secrets(secrets("ROOTKEY", [1; 32], &[[2; 32]])).unwrap();
    }
    here.change_secrets(secrets("ROOTKEY", [2; 32], &[[1; 32]])).unwrap();
    all_work(&there).await;
    assert_eq!(here.seal_anew().await.unwrap(), 5);
    assert_eq!(here.seal_anew().await.unwrap(), 0);
    all_work(&there).await;
    for identity in [&here, &there] {
        identity.change_secrets(secrets("ROOTKEY", [2; 32], &[])).unwrap();
        all_work(identity).await;
    }
    // The old secret opens nothing any more.
    there.change_secrets(secrets("ROOTKEY", [1; 32], &[])).unwrap();
    for key in &keys {
        assert!(matches!(there.credential(key).await, Err(IdentityError::Sealed)));
    }
}

/// Storage nodes take no such rows from a gateway; were they there all the same, no list and no change of secrets fails.
#[tokio::test]
async fn rows_that_do_not_decode_or_open_hide_no_others() {
    let cluster = FakeCluster::new(&FakeShape::default());
    let identity = identity(cluster.engine.clone(), [1; 32]);
    let account = identity.create_account("acme").await.unwrap();
    let (eve, _) = identity.create_user(user("acme", "eve", false, None)).await.ok().unwrap();
    let forge = |at: String, value: Bytes| cluster.ranges.forge(&key(&at), value).unwrap();
    for at in [rows::account("aaa"), rows::user(&account.id, "aaa"), rows::key("AAAKEY")] {
        forge(at, "garbage".into());
    }
    let (user_created, created) = (eve.created, eve.created);
    let (account_id, account_name, user) = (account.id.clone(), account.name.clone(), eve.name.clone());
    let sealed = Bytes::from_static(b"opens nothing");
    let forged = rows::KeyRow { account_id, account_name, user, user_created, created, sealed };
    forge(rows::key("AABKEY"), codec::encode(&forged));
    assert_eq!(identity.list_accounts("", 10).await.unwrap(), (vec![account], false));
    assert_eq!(identity.list_users("acme", "", 10).await.unwrap(), (vec![eve], false));
    identity.change_secrets(secrets("ROOTKEY", [2; 32], &[[1; 32]])).unwrap();
    assert_eq!(identity.seal_anew().await.unwrap(), 1);
    assert_eq!(identity.delete_unopened_keys().await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn keys_whose_secrets_are_lost_are_deleted_and_all_else_stays() {
    let cluster = FakeCluster::new(&FakeShape::default());
    let identity = identity(cluster.engine.clone(), [1; 32]);
    identity.create_account("acme").await.unwrap();
    let (_, lost) = identity.create_user(user("acme", "ada", false, None)).await.ok().unwrap();
    identity.change_secrets(secrets("ROOTKEY", [2; 32], &[])).unwrap();
    let kept = identity.create_key("acme", "ada", None).await.ok().unwrap();
    assert_eq!(identity.delete_unopened_keys().await.unwrap(), 1);
    assert_eq!(identity.delete_unopened_keys().await.unwrap(), 0);
    tokio::time::sleep(Duration::from_millis(5_001)).await;
    assert!(identity.credential(&lost.access_key).await.unwrap().is_none());
    assert!(identity.credential(&kept.access_key).await.unwrap().is_some());
    assert_eq!(identity.seal_anew().await.unwrap(), 0);
}
