//! Accounts, users, groups and roles: their names, lists and ends.

use couronne_gateway::identity::{
    Deletion, EntityKind, IdentityError, KeyOwner, NewRole, NewUser, PolicyTarget, PublicAccessBlock, RoleChange, Tag,
    Tagged,
};

use super::super::support::create;
use super::*;

fn names<T>(page: &[T], name: impl Fn(&T) -> &str) -> Vec<String> {
    page.iter().map(|entry| name(entry).to_owned()).collect()
}

fn new_role(name: &str) -> NewRole {
    NewRole {
        name: name.into(),
        path: "/".into(),
        trust: TRUST.into(),
        session_s_max: None,
        description: "".into(),
        tags: Vec::new(),
        boundary: None,
    }
}

#[tokio::test]
async fn accounts_are_found_by_name_id_and_number() {
    let cluster = cluster();
    let identity = identity(cluster.engine.clone(), [1; 32]);
    let account = identity.create_account("acme", Some("office@example.com")).await.unwrap();
    assert_eq!((account.id.len(), account.number.len()), (64, 12));
    assert_eq!(identity.account("acme").await.unwrap(), account);
    assert_eq!(identity.account_by_id(&account.id).await.unwrap(), account);
    assert_eq!(identity.account_by_number(&account.number).await.unwrap(), account);
    for taken in ["acme", "ACME", "root", "Root"] {
        let refused = identity.create_account(taken, None).await;
        assert!(matches!(refused, Err(IdentityError::Exists(EntityKind::Account))), "{taken}");
    }
    for bad in ["a/b", "", "a:b"] {
        assert!(matches!(identity.create_account(bad, None).await, Err(IdentityError::Invalid(_))));
    }
    assert!(matches!(identity.create_account("b", Some("nobody")).await, Err(IdentityError::Invalid(_))));
    assert_eq!(&*identity.account("ACME").await.unwrap().name, "acme");

    let block = PublicAccessBlock { block_public_acls: true, ..PublicAccessBlock::default() };
    let root = identity.account("root").await.unwrap();
    for account in [&account, &root] {
        identity.set_account_block(account, block).await.unwrap();
        let found = identity.account_by_id(&account.id).await.unwrap();
        assert_eq!((found.block, &found.name), (block, &account.name));
    }
}

#[tokio::test]
async fn accounts_and_users_are_listed_and_an_account_in_use_stays() {
    let cluster = cluster();
    let identity = identity(cluster.engine.clone(), [1; 32]);
    for name in ["a", "B", "c"] {
        identity.create_account(name, None).await.unwrap();
    }
    let page = identity.list_accounts("", 2).await.unwrap();
    assert_eq!(names(&page.entries, |account| &account.name), ["a", "B"]);
    let page = identity.list_accounts(&page.next.unwrap(), 2).await.unwrap();
    assert_eq!((names(&page.entries, |account| &account.name), page.next), (vec!["c".to_owned()], None));

    let account = identity.account("a").await.unwrap();
    for name in ["eve", "Adam"] {
        user(&identity, &account, name, None).await;
    }
    let in_team = NewUser { path: "/team/".into(), ..NewUser::of_name("zoe") };
    identity.create_user(&account, in_team).await.unwrap();
    let page = identity.list_users(&account, "/", "", 10).await.unwrap();
    assert_eq!(names(&page.entries, |user| &user.row.name), ["Adam", "eve", "zoe"]);
    let page = identity.list_users(&account, "/team/", "", 10).await.unwrap();
    assert_eq!(names(&page.entries, |user| &user.row.name), ["zoe"]);
    let taken = identity.create_user(&account, NewUser::of_name("EVE")).await;
    assert!(matches!(taken, Err(IdentityError::Exists(EntityKind::User))));
    assert_eq!(&*identity.user(&account, "EVE").await.unwrap().row.name, "eve");

    identity.create_group(&account, "staff", "/").await.unwrap();
    identity.create_role(&account, new_role("batch")).await.unwrap();
    let policy = identity.create_policy(&account, new_policy("all")).await.unwrap();
    let bucket = cluster.engine.create_bucket(create("bucket", &account.id)).await.unwrap();
    identity.create_key(&account, KeyOwner::Root, None, Default::default()).await.ok().unwrap();
    let left = async || match identity.delete_account("a").await {
        Err(IdentityError::InUse { left, .. }) => left,
        _ => "nothing".to_owned(),
    };
    assert_eq!(left().await, "users, groups, roles, policies, buckets");
    for name in ["eve", "Adam", "zoe"] {
        identity.delete_user(&account, name, Deletion::WithAll).await.unwrap();
    }
    identity.delete_group(&account, "staff", Deletion::IfBare).await.unwrap();
    identity.delete_role(&account, "batch", Deletion::IfBare).await.unwrap();
    assert_eq!(left().await, "policies, buckets");
    let arn = account.arn("policy", &policy.row.path, &policy.row.name);
    identity.delete_policy(&account, &arn, Deletion::IfBare).await.unwrap();
    cluster.engine.delete_bucket(&bucket).await.unwrap();
    let key = &identity.list_keys(&account, KeyOwner::Root).await.unwrap()[0].access_key;
    identity.delete_account("a").await.unwrap();
    assert!(identity.credential(key).await.unwrap().is_none(), "keys of its root go with it");
    assert!(matches!(identity.account("a").await, Err(IdentityError::NoSuch(EntityKind::Account))));
    assert!(identity.account_by_id(&account.id).await.is_err());
    assert!(identity.account_by_number(&account.number).await.is_err());
}

#[tokio::test]
async fn a_renamed_user_keeps_its_keys_groups_and_policies() {
    let cluster = cluster();
    let identity = identity(cluster.engine.clone(), [1; 32]);
    let account = identity.create_account("acme", None).await.unwrap();
    let key = user(&identity, &account, "eve", None).await.access_key;
    user(&identity, &account, "bob", None).await;
    identity.create_group(&account, "staff", "/").await.unwrap();
    identity.add_member(&account, "staff", "eve").await.unwrap();
    identity.put_inline_policy(&account, PolicyTarget::Group("staff"), "of-staff", ALLOW.into()).await.unwrap();
    let taken = identity.update_user(&account, "eve", Some("BOB"), None).await;
    assert!(matches!(taken, Err(IdentityError::Exists(EntityKind::User))));

    let renamed = identity.update_user(&account, "eve", Some("Eva"), Some("/team/")).await.unwrap();
    assert!(matches!(identity.user(&account, "eve").await, Err(IdentityError::NoSuch(EntityKind::User))));
    assert_eq!(identity.user(&account, "Eva").await.unwrap(), renamed);
    identity.update_group(&account, "staff", Some("Staff"), None).await.unwrap();
    let found = caller(&identity, &key).await;
    assert_eq!(found.caller.arn(), format!("arn:aws:iam::{}:user/team/Eva", account.number));
    assert_eq!(policies_of(&identity, &key).await, ["of-staff"]);
    let members = identity.members(&account, "Staff", "", 10).await.unwrap().entries;
    assert_eq!(names(&members, |user| &user.row.name), ["Eva"]);
    identity.create_user(&account, NewUser::of_name("eve")).await.unwrap();
    assert_eq!(caller(&identity, &key).await.caller.name(), "Eva", "the old name is another user");
}

#[tokio::test]
async fn what_is_in_use_is_deleted_only_with_all_it_has() {
    let cluster = cluster();
    let identity = identity(cluster.engine.clone(), [1; 32]);
    let account = identity.create_account("acme", None).await.unwrap();
    let left = |deleted: Result<(), IdentityError>| match deleted {
        Err(IdentityError::InUse { left, .. }) => left,
        _ => "nothing".to_owned(),
    };
    let key = user(&identity, &account, "eve", None).await.access_key;
    identity.create_group(&account, "staff", "/").await.unwrap();
    identity.add_member(&account, "staff", "eve").await.unwrap();
    assert_eq!(left(identity.delete_user(&account, "eve", Deletion::IfBare).await), "access keys");
    assert_eq!(left(identity.delete_group(&account, "staff", Deletion::IfBare).await), "users");
    identity.delete_key(&account, KeyOwner::Any, &key).await.unwrap();
    assert_eq!(left(identity.delete_user(&account, "eve", Deletion::IfBare).await), "groups");
    identity.delete_group(&account, "staff", Deletion::WithAll).await.unwrap();
    assert!(identity.groups_of(&account, "eve").await.unwrap().is_empty());
    assert!(identity.user(&account, "eve").await.unwrap().row.groups.is_empty());
    identity.put_inline_policy(&account, PolicyTarget::User("eve"), "own", ALLOW.into()).await.unwrap();
    assert_eq!(left(identity.delete_user(&account, "eve", Deletion::IfBare).await), "policies");
    identity.delete_inline_policy(&account, PolicyTarget::User("eve"), "own").await.unwrap();
    identity.delete_user(&account, "eve", Deletion::IfBare).await.unwrap();
}

#[tokio::test]
async fn a_user_is_in_ten_groups_at_most_and_groups_that_are_gone_do_not_count() {
    let cluster = cluster();
    let identity = identity(cluster.engine.clone(), [1; 32]);
    let account = identity.create_account("acme", None).await.unwrap();
    user(&identity, &account, "eve", None).await;
    for number in 0..=10 {
        identity.create_group(&account, &format!("g{number}"), "/").await.unwrap();
    }
    for number in 0..10 {
        identity.add_member(&account, &format!("g{number}"), "eve").await.unwrap();
    }
    let full = identity.add_member(&account, "g10", "eve").await;
    assert!(matches!(full, Err(IdentityError::Limit { max: 10, .. })));
    identity.add_member(&account, "g3", "eve").await.unwrap();
    identity.remove_member(&account, "g3", "eve").await.unwrap();
    identity.remove_member(&account, "g3", "eve").await.unwrap();
    identity.add_member(&account, "g10", "eve").await.unwrap();
    let groups = identity.groups_of(&account, "eve").await.unwrap();
    assert_eq!(groups.len(), 10);
    assert!(groups.iter().all(|group| &*group.row.name != "g3"));
}

#[tokio::test]
async fn roles_and_tags_are_changed() {
    let cluster = cluster();
    let identity = identity(cluster.engine.clone(), [1; 32]);
    let account = identity.create_account("acme", None).await.unwrap();
    let malformed = identity.create_role(&account, NewRole { trust: "no".into(), ..new_role("batch") }).await;
    assert!(matches!(malformed, Err(IdentityError::MalformedPolicy(_))));
    let short = identity.create_role(&account, NewRole { session_s_max: Some(60), ..new_role("batch") }).await;
    assert!(matches!(short, Err(IdentityError::Invalid(_))));
    identity.create_role(&account, new_role("batch")).await.unwrap();
    let change = RoleChange { session_s_max: Some(7_200), description: Some("nightly".into()), trust: None };
    identity.update_role(&account, "batch", &change).await.unwrap();
    let role = identity.role(&account, "batch").await.unwrap().row;
    assert_eq!((role.session_s_max, &*role.description, &*role.trust), (7_200, "nightly", TRUST));

    let tag = |key: &str, value: &str| Tag { key: key.into(), value: value.into() };
    let of = Tagged::Role("batch");
    identity.tag(&account, of, &[tag("team", "one"), tag("cost", "")]).await.unwrap();
    identity.tag(&account, of, &[tag("TEAM", "two")]).await.unwrap();
    identity.untag(&account, of, &["Cost", "none"]).await.unwrap();
    assert_eq!(identity.role(&account, "batch").await.unwrap().row.tags, [tag("TEAM", "two")]);
    let many: Vec<_> = (0..50).map(|number| tag(&number.to_string(), "")).collect();
    assert!(matches!(identity.tag(&account, of, &many).await, Err(IdentityError::Limit { max: 50, .. })));
    assert!(matches!(identity.tag(&account, of, &[tag("", "")]).await, Err(IdentityError::Invalid(_))));
}
