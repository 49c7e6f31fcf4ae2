//! A gateway dies between any two rows of a verb: nobody gets more than the verb gives, and the verb can be done again.
//!
//! After so many answers of ranges there are no more, as for a gateway that is dead; then another one goes on.

use couronne_gateway::identity::{Deletion, EntityKind, IdentityError, KeyOwner, NewUser, PolicyTarget};
use couronne_gateway::testing::RangeFault;

use super::*;

/// The most answers that a verb here takes.
const STEPS_MAX: usize = 60;

/// An account with the user `eve` of the group `staff`, a key of hers, and a policy `one`.
struct Acme {
    account: Account,
    key: Box<str>,
    arn: String,
}

async fn acme(identity: &Identity) -> Acme {
    let account = identity.create_account("acme", None).await.unwrap();
    let key = user(identity, &account, "eve", None).await.access_key;
    identity.create_group(&account, "staff", "/").await.unwrap();
    identity.put_inline_policy(&account, PolicyTarget::Group("staff"), "of-staff", ALLOW.into()).await.unwrap();
    identity.create_policy(&account, new_policy("one")).await.unwrap();
    let arn = identity.policy_arn(&account, "one").await.unwrap();
    Acme { account, key, arn }
}

/// Runs a verb that dies after each number of answers, on a cluster of its own each time; `after` looks at what it left.
async fn die_at_each_step(
    prepare: impl AsyncFn(&Identity, &Acme),
    verb: impl AsyncFn(&Identity, &Acme) -> Result<(), IdentityError>,
    after: impl AsyncFn(&Identity, &Acme),
) {
    for fault in [RangeFault::LosesRequest, RangeFault::LosesAnswer] {
        for step in 0.. {
            assert!(step < STEPS_MAX, "it never ends");
            let cluster = cluster();
            let first = identity(cluster.engine.clone(), [1; 32]);
            let acme = acme(&first).await;
            prepare(&first, &acme).await;
            cluster.ranges.fail_after(step, fault);
            let done = verb(&first, &acme).await;
            cluster.ranges.thaw();
            let second = identity(cluster.another_engine(Default::default()), [1; 32]);
            after(&second, &acme).await;
            if done.is_ok() {
                break;
            }
        }
    }
}

/// That it was done, or had been.
fn done_or(done: Result<(), IdentityError>, is_as_well: impl Fn(&IdentityError) -> bool) {
    if let Err(error) = done {
        assert!(is_as_well(&error), "{error}");
    }
}

async fn nothing(_: &Identity, _: &Acme) {}

#[tokio::test(start_paused = true)]
async fn making_a_user() {
    let verb = async |identity: &Identity, acme: &Acme| {
        identity.create_user(&acme.account, NewUser::of_name("bob")).await.map(|_| ())
    };
    die_at_each_step(nothing, &verb, async |identity, acme| {
        done_or(verb(identity, acme).await, |error| matches!(error, IdentityError::Exists(EntityKind::User)));
        let users = identity.list_users(&acme.account, "/", "", 10).await.unwrap().entries;
        assert_eq!(users.iter().map(|user| &*user.row.name).collect::<Vec<_>>(), ["bob", "eve"]);
        identity.delete_user(&acme.account, "bob", Deletion::IfBare).await.unwrap();
        verb(identity, acme).await.unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn making_and_deleting_an_account() {
    let make = async |identity: &Identity, _: &Acme| identity.create_account("other", None).await.map(|_| ());
    die_at_each_step(nothing, &make, async |identity, acme| {
        done_or(make(identity, acme).await, |error| matches!(error, IdentityError::Exists(EntityKind::Account)));
        let account = identity.account("other").await.unwrap();
        assert_eq!(identity.account_by_number(&account.number).await.unwrap(), account);
    })
    .await;
    let prepare = async |identity: &Identity, _: &Acme| {
        let other = identity.create_account("other", None).await.unwrap();
        let key = NewKey { access_key: "OFROOT".into(), secret: Secret::new("chosen-secret") };
        identity.create_key(&other, KeyOwner::Root, Some(key), Default::default()).await.ok().unwrap();
    };
    let delete = async |identity: &Identity, _: &Acme| identity.delete_account("other").await;
    die_at_each_step(&prepare, &delete, async |identity, acme| {
        let is_there = identity.account("other").await.is_ok();
        assert_eq!(identity.credential("OFROOT").await.unwrap().is_some(), is_there);
        done_or(delete(identity, acme).await, |error| matches!(error, IdentityError::NoSuch(EntityKind::Account)));
        let again = identity.create_account("other", None).await.unwrap();
        assert!(identity.credential("OFROOT").await.unwrap().is_none(), "nothing is revived");
        let key = NewKey { access_key: "OFROOT".into(), secret: Secret::new("chosen-secret") };
        identity.create_key(&again, KeyOwner::Root, Some(key), Default::default()).await.ok().unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn renaming_a_user() {
    let verb = async |identity: &Identity, acme: &Acme| {
        identity.update_user(&acme.account, "eve", Some("eva"), None).await.map(|_| ())
    };
    die_at_each_step(nothing, &verb, async |identity, acme| {
        let account = &acme.account;
        let found = [identity.user(account, "eve").await.is_ok(), identity.user(account, "eva").await.is_ok()];
        assert!(found[0] != found[1], "it has one name: {found:?}");
        assert_eq!(identity.list_users(account, "/", "", 10).await.unwrap().entries.len(), 1);
        let name = caller(identity, &acme.key).await.caller.name().to_owned();
        assert_eq!(name == "eva", found[1]);
        done_or(verb(identity, acme).await, |error| matches!(error, IdentityError::NoSuch(EntityKind::User)));
        identity.create_user(account, NewUser::of_name("eve")).await.unwrap();
        assert_eq!(caller(identity, &acme.key).await.caller.name(), "eva");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn deleting_a_user() {
    let prepare = async |identity: &Identity, acme: &Acme| {
        identity.add_member(&acme.account, "staff", "eve").await.unwrap();
        identity.attach_policy(&acme.account, PolicyTarget::User("eve"), &acme.arn).await.unwrap();
    };
    let verb =
        async |identity: &Identity, acme: &Acme| identity.delete_user(&acme.account, "eve", Deletion::WithAll).await;
    die_at_each_step(&prepare, &verb, async |identity, acme| {
        let is_there = identity.user(&acme.account, "eve").await.is_ok();
        assert_eq!(identity.credential(&acme.key).await.unwrap().is_some(), is_there);
        let members = identity.members(&acme.account, "staff", "", 10).await.unwrap().entries;
        let uses = identity.policy_uses(&acme.account, &acme.arn).await.unwrap();
        assert_eq!((members.len(), uses.len()), (usize::from(is_there), usize::from(is_there)));
        done_or(verb(identity, acme).await, |error| matches!(error, IdentityError::NoSuch(EntityKind::User)));
        identity.delete_policy(&acme.account, &acme.arn, Deletion::IfBare).await.unwrap();
        identity.delete_group(&acme.account, "staff", Deletion::WithAll).await.unwrap();
        identity.create_user(&acme.account, NewUser::of_name("eve")).await.unwrap();
        assert!(identity.credential(&acme.key).await.unwrap().is_none(), "nothing is revived");
        let key = another_key(identity, &acme.account, "eve", Some(&acme.key)).await.ok().unwrap();
        assert!(policies_of(identity, &key.access_key).await.is_empty());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn joining_and_leaving_a_group() {
    let join = async |identity: &Identity, acme: &Acme| identity.add_member(&acme.account, "staff", "eve").await;
    let look = async |identity: &Identity, acme: &Acme| {
        let is_member = !policies_of(identity, &acme.key).await.is_empty();
        let members = identity.members(&acme.account, "staff", "", 10).await.unwrap().entries;
        assert_eq!(members.len(), usize::from(is_member), "a member is listed");
        is_member
    };
    die_at_each_step(nothing, &join, async |identity, acme| {
        look(identity, acme).await;
        join(identity, acme).await.unwrap();
        assert!(look(identity, acme).await);
        identity.remove_member(&acme.account, "staff", "eve").await.unwrap();
        identity.delete_group(&acme.account, "staff", Deletion::WithAll).await.unwrap();
    })
    .await;
    let prepare = async |identity: &Identity, acme: &Acme| join(identity, acme).await.unwrap();
    let leave = async |identity: &Identity, acme: &Acme| identity.remove_member(&acme.account, "staff", "eve").await;
    die_at_each_step(&prepare, &leave, async |identity, acme| {
        look(identity, acme).await;
        leave(identity, acme).await.unwrap();
        assert!(!look(identity, acme).await);
    })
    .await;
    let delete =
        async |identity: &Identity, acme: &Acme| identity.delete_group(&acme.account, "staff", Deletion::WithAll).await;
    die_at_each_step(&prepare, &delete, async |identity, acme| {
        let is_there = identity.group(&acme.account, "staff").await.is_ok();
        assert_eq!(!policies_of(identity, &acme.key).await.is_empty(), is_there);
        done_or(delete(identity, acme).await, |error| matches!(error, IdentityError::NoSuch(EntityKind::Group)));
        identity.create_group(&acme.account, "staff", "/").await.unwrap();
        identity.put_inline_policy(&acme.account, PolicyTarget::Group("staff"), "again", ALLOW.into()).await.unwrap();
        assert!(policies_of(identity, &acme.key).await.is_empty(), "another group of that name");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn attaching_and_detaching_a_policy() {
    let eve = PolicyTarget::User("eve");
    let attach = async |identity: &Identity, acme: &Acme| identity.attach_policy(&acme.account, eve, &acme.arn).await;
    let look = async |identity: &Identity, acme: &Acme| {
        let is_attached = !policies_of(identity, &acme.key).await.is_empty();
        let uses = identity.policy_uses(&acme.account, &acme.arn).await.unwrap();
        assert_eq!(uses.len(), usize::from(is_attached), "where it is attached is listed");
        let bare = identity.delete_policy(&acme.account, &acme.arn, Deletion::IfBare).await;
        assert_eq!(bare.is_err(), is_attached);
        is_attached
    };
    die_at_each_step(nothing, &attach, async |identity, acme| {
        if look(identity, acme).await {
            attach(identity, acme).await.unwrap();
            identity.detach_policy(&acme.account, eve, &acme.arn).await.unwrap();
        }
    })
    .await;
    let prepare = async |identity: &Identity, acme: &Acme| attach(identity, acme).await.unwrap();
    let detach = async |identity: &Identity, acme: &Acme| identity.detach_policy(&acme.account, eve, &acme.arn).await;
    die_at_each_step(&prepare, &detach, async |identity, acme| {
        if look(identity, acme).await {
            detach(identity, acme).await.unwrap();
        }
    })
    .await;
    let delete = async |identity: &Identity, acme: &Acme| {
        identity.delete_policy(&acme.account, &acme.arn, Deletion::WithAll).await
    };
    die_at_each_step(&prepare, &delete, async |identity, acme| {
        done_or(delete(identity, acme).await, |error| matches!(error, IdentityError::NoSuch(EntityKind::Policy)));
        identity.create_policy(&acme.account, new_policy("one")).await.unwrap();
        assert!(policies_of(identity, &acme.key).await.is_empty(), "another policy of that name");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn making_rotating_and_deleting_a_key() {
    let make = async |identity: &Identity, acme: &Acme| {
        another_key(identity, &acme.account, "eve", Some("CHOSEN")).await.map(|_| ())
    };
    let listed = async |identity: &Identity, acme: &Acme, key: &str| {
        let keys = identity.list_keys(&acme.account, KeyOwner::User("eve")).await.unwrap();
        keys.iter().any(|listed| *listed.access_key == *key)
    };
    die_at_each_step(nothing, &make, async |identity, acme| {
        let works = identity.credential("CHOSEN").await.unwrap().is_some();
        assert_eq!(listed(identity, acme, "CHOSEN").await, works, "what works can be found to be revoked");
        done_or(make(identity, acme).await, |error| matches!(error, IdentityError::Exists(EntityKind::AccessKey)));
        identity.delete_key(&acme.account, KeyOwner::Any, "CHOSEN").await.unwrap();
    })
    .await;
    let rotate = async |identity: &Identity, acme: &Acme| {
        identity.rotate_key(&acme.account, KeyOwner::Any, &acme.key, 0).await.map(|_| ())
    };
    die_at_each_step(nothing, &rotate, async |identity, acme| {
        let keys = identity.list_keys(&acme.account, KeyOwner::User("eve")).await.unwrap();
        assert!(!keys.is_empty(), "there is always one that works");
        for key in &keys {
            caller(identity, &key.access_key).await;
        }
    })
    .await;
    let delete =
        async |identity: &Identity, acme: &Acme| identity.delete_key(&acme.account, KeyOwner::Any, &acme.key).await;
    die_at_each_step(nothing, &delete, async |identity, acme| {
        let works = identity.credential(&acme.key).await.unwrap().is_some();
        assert_eq!(listed(identity, acme, &acme.key).await, works);
        done_or(delete(identity, acme).await, |error| matches!(error, IdentityError::NoSuch(EntityKind::AccessKey)));
        identity.delete_user(&acme.account, "eve", Deletion::WithAll).await.unwrap();
    })
    .await;
}
