//! Root credentials and sealed secrets: how they are changed, and rows that are not as they should be.

use std::time::Duration;

use bytes::Bytes;
use couronne_base::codec;
use couronne_gateway::engine::Settings;
use couronne_gateway::identity::{EntityKind, IdentityError, NewUser, RetiringRoot, RootCredentials, UserRow};
use couronne_metadata::system::identity as rows;

use super::super::support::key;
use super::*;

#[tokio::test]
async fn secrets_do_not_open_under_another_cluster_secret() {
    let cluster = cluster();
    let right = identity(cluster.engine.clone(), [1; 32]);
    let account = right.create_account("acme", None).await.unwrap();
    user(&right, &account, "eve", Some("CHOSEN")).await;
    let wrong = identity(cluster.engine.clone(), [2; 32]);
    assert!(matches!(wrong.credential("CHOSEN").await, Err(IdentityError::Sealed)));
    let in_rows = cluster.ranges.commands().iter().any(|sent| format!("{sent:?}").contains("chosen-secret"));
    assert!(!in_rows);
}

#[tokio::test(start_paused = true)]
async fn root_credentials_are_changed_while_requests_run() {
    let cluster = cluster();
    let identity = identity(cluster.engine.clone(), [1; 32]);
    let account = identity.create_account("acme", None).await.unwrap();
    let until_ms = account.created.0 / 1000 + 60_000;
    let old = RootCredentials { access_key: "ROOTKEY".into(), secret: Secret::new("root-secret") };
    let retiring = Some(RetiringRoot { root: old, until_ms });
    identity.change_secrets(IdentitySecrets { retiring, ..secrets("NEWROOT", [1; 32], &[]) }).unwrap();
    for key in ["ROOTKEY", "NEWROOT"] {
        assert_eq!(caller(&identity, key).await.account().name, "root".into(), "{key}");
    }
    identity.create_user(&account, NewUser::of_name("bob")).await.unwrap();
    let taken = another_key(&identity, &account, "bob", Some("NEWROOT")).await;
    assert!(matches!(taken, Err(IdentityError::Exists(EntityKind::AccessKey))));
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert!(identity.credential("ROOTKEY").await.unwrap().is_none(), "its time is over");
    assert!(identity.credential("NEWROOT").await.unwrap().is_some());
    identity.change_secrets(secrets("THIRD", [1; 32], &[])).unwrap();
    assert!(identity.credential("NEWROOT").await.unwrap().is_none(), "at once");
}

#[tokio::test(start_paused = true)]
async fn what_seals_is_changed_and_every_key_works_all_the_time() {
    let cluster = cluster();
    let here = identity(cluster.engine.clone(), [1; 32]);
    let there = identity(cluster.another_engine(Settings::default()), [1; 32]);
    let account = here.create_account("acme", None).await.unwrap();
    let mut keys = Vec::new();
    for number in 0..5 {
        keys.push(user(&here, &account, &format!("user{number}"), None).await.access_key);
    }
    let all_work = async |identity: &Identity| {
        for key in &keys {
            // What is in memory says nothing of what is sealed.
            tokio::time::sleep(BOUND).await;
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
    let cluster = cluster();
    let identity = identity(cluster.engine.clone(), [1; 32]);
    let account = identity.create_account("acme", None).await.unwrap();
    user(&identity, &account, "eve", None).await;
    let eve = identity.user(&account, "eve").await.unwrap();
    let forge = |at: String, value: Bytes| cluster.ranges.forge(&key(&at), value).unwrap();
    let broken = "AIDAAAAAAAAAAAAAAAAA";
    for at in [
        rows::name::<rows::AccountRow>("", "aaa"),
        rows::name::<UserRow>(&account.id, "aaa"),
        rows::entity::<UserRow>(broken),
        rows::key("AAAKEY"),
    ] {
        forge(at, "garbage".into());
    }
    forge(rows::name::<UserRow>(&account.id, "aab"), codec::encode(&Box::<str>::from(broken)));
    let forged = rows::KeyRow {
        account_id: account.id.clone(),
        owner: eve.id.clone(),
        is_active: true,
        expires_s: None,
        session_policy: None,
        description: "".into(),
        created: eve.row.created,
        sealed: Bytes::from_static(b"opens nothing"),
    };
    forge(rows::key("AABKEY"), codec::encode(&forged));
    assert_eq!(identity.list_accounts("", 10).await.unwrap().entries, std::slice::from_ref(&account));
    assert_eq!(identity.list_users(&account, "/", "", 10).await.unwrap().entries, [eve]);
    identity.change_secrets(secrets("ROOTKEY", [2; 32], &[[1; 32]])).unwrap();
    assert_eq!(identity.seal_anew().await.unwrap(), 1);
    assert_eq!(identity.delete_unopened_keys().await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn keys_whose_secrets_are_lost_are_deleted_and_all_else_stays() {
    let cluster = cluster();
    let identity = identity(cluster.engine.clone(), [1; 32]);
    let account = identity.create_account("acme", None).await.unwrap();
    let lost = user(&identity, &account, "ada", None).await;
    identity.change_secrets(secrets("ROOTKEY", [2; 32], &[])).unwrap();
    let kept = another_key(&identity, &account, "ada", None).await.ok().unwrap();
    assert_eq!(identity.delete_unopened_keys().await.unwrap(), 1);
    assert_eq!(identity.delete_unopened_keys().await.unwrap(), 0);
    tokio::time::sleep(BOUND).await;
    assert!(identity.credential(&lost.access_key).await.unwrap().is_none());
    assert!(identity.credential(&kept.access_key).await.unwrap().is_some());
    assert_eq!(identity.seal_anew().await.unwrap(), 0);
}
