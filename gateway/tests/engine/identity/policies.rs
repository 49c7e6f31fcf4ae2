//! Managed and inline policies, boundaries, and what counts of them for a caller.

use couronne_gateway::engine::Settings;
use couronne_gateway::identity::{
    ADMINISTRATOR_ACCESS, Deletion, EntityKind, IdentityError, NewUser, PolicyTarget, managed_policies,
};

use super::*;

const EVE: PolicyTarget<'_> = PolicyTarget::User("eve");

/// An account `acme` with the user `eve`; and her access key.
async fn acme(identity: &Identity) -> (Account, Box<str>) {
    let account = identity.create_account("acme", None).await.unwrap();
    let key = user(identity, &account, "eve", None).await.access_key;
    (account, key)
}

async fn policy(identity: &Identity, account: &Account, name: &str) -> String {
    identity.create_policy(account, new_policy(name)).await.unwrap();
    identity.policy_arn(account, name).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn all_that_a_user_has_counts_everywhere_within_the_bound() {
    let cluster = cluster();
    let here = identity(cluster.engine.clone(), [1; 32]);
    let there = identity(cluster.another_engine(Settings::default()), [1; 32]);
    let (account, key) = acme(&here).await;
    assert!(policies_of(&there, &key).await.is_empty());
    let one = policy(&here, &account, "one").await;
    let two = policy(&here, &account, "two").await;
    here.create_group(&account, "staff", "/").await.unwrap();
    here.attach_policy(&account, EVE, &one).await.unwrap();
    here.attach_policy(&account, EVE, ADMINISTRATOR_ACCESS).await.unwrap();
    here.attach_policy(&account, EVE, &one).await.unwrap();
    here.put_inline_policy(&account, EVE, "own", NOTHING.into()).await.unwrap();
    here.attach_policy(&account, PolicyTarget::Group("staff"), &two).await.unwrap();
    here.put_inline_policy(&account, PolicyTarget::Group("staff"), "of-staff", NOTHING.into()).await.unwrap();
    here.add_member(&account, "staff", "eve").await.unwrap();
    here.set_boundary(&account, EVE, &two).await.unwrap();
    let all = ["own", &one, ADMINISTRATOR_ACCESS, "of-staff", &two];
    assert_eq!(policies_of(&here, &key).await, all, "at once where it was changed");
    tokio::time::sleep(BOUND).await;
    assert_eq!(policies_of(&there, &key).await, all);
    let boundary = caller(&there, &key).await.caller.boundary.clone().unwrap();
    assert_eq!((&*boundary.name, &*boundary.text), (&*two, ALLOW));

    let version = here.create_policy_version(&account, &one, NOTHING.into(), false).await.unwrap();
    tokio::time::sleep(BOUND).await;
    let text = async |identity: &Identity| caller(identity, &key).await.caller.policies[1].text.clone();
    assert_eq!(&*text(&there).await, ALLOW);
    here.set_default_policy_version(&account, &one, version).await.unwrap();
    here.remove_member(&account, "staff", "eve").await.unwrap();
    here.remove_boundary(&account, EVE).await.unwrap();
    here.detach_policy(&account, EVE, ADMINISTRATOR_ACCESS).await.unwrap();
    tokio::time::sleep(BOUND).await;
    assert_eq!(policies_of(&there, &key).await, ["own", &one]);
    assert_eq!(&*text(&there).await, NOTHING);
    assert!(caller(&there, &key).await.caller.boundary.is_none());
}

#[tokio::test]
async fn versions_and_documents_are_bounded() {
    let cluster = cluster();
    let identity = identity(cluster.engine.clone(), [1; 32]);
    let (account, _) = acme(&identity).await;
    let arn = policy(&identity, &account, "one").await;
    let taken = identity.create_policy(&account, new_policy("ONE")).await;
    assert!(matches!(taken, Err(IdentityError::Exists(EntityKind::Policy))));
    for number in 2..=5 {
        assert_eq!(identity.create_policy_version(&account, &arn, ALLOW.into(), number == 3).await.unwrap(), number);
    }
    let sixth = identity.create_policy_version(&account, &arn, ALLOW.into(), false).await;
    assert!(matches!(sixth, Err(IdentityError::Limit { max: 5, .. })));
    let of_default = identity.delete_policy_version(&account, &arn, 3).await;
    assert!(matches!(of_default, Err(IdentityError::InUse { kind: EntityKind::PolicyVersion, .. })));
    identity.delete_policy_version(&account, &arn, 5).await.unwrap();
    let gone = identity.set_default_policy_version(&account, &arn, 5).await;
    assert!(matches!(gone, Err(IdentityError::NoSuch(EntityKind::PolicyVersion))));
    let next = identity.create_policy_version(&account, &arn, ALLOW.into(), false).await.unwrap();
    assert_eq!(next, 6, "no number is given twice");
    let bare = identity.delete_policy(&account, &arn, Deletion::IfBare).await;
    assert!(matches!(bare, Err(IdentityError::InUse { kind: EntityKind::Policy, .. })));

    for malformed in ["", "[]", "{", "3"] {
        let refused = identity.create_policy_version(&account, &arn, malformed.into(), false).await;
        assert!(matches!(refused, Err(IdentityError::MalformedPolicy(_))), "{malformed}");
    }
    let of_length = |length: usize| {
        let named = NOTHING.replacen("{\"Effect", "{\"Sid\":\"SID\",\"Effect", 1);
        named.replacen("SID", &"b".repeat(length + 3 - named.len()), 1) + "  \n"
    };
    let fits = NewPolicy { document: of_length(6_144).into(), ..new_policy("fits") };
    identity.create_policy(&account, fits).await.unwrap();
    let long = NewPolicy { document: of_length(6_145).into(), ..new_policy("long") };
    assert!(matches!(identity.create_policy(&account, long).await, Err(IdentityError::Limit { max: 6_144, .. })));
    identity.put_inline_policy(&account, EVE, "a", of_length(1_024).into()).await.unwrap();
    let second = identity.put_inline_policy(&account, EVE, "b", of_length(1_025).into()).await;
    assert!(matches!(second, Err(IdentityError::Limit { max: 2_048, .. })), "they count together");
    identity.put_inline_policy(&account, EVE, "a", of_length(1_023).into()).await.unwrap();
    identity.put_inline_policy(&account, EVE, "b", of_length(1_025).into()).await.unwrap();
}

#[tokio::test]
async fn ten_policies_are_attached_at_most_and_where_is_listed() {
    let cluster = cluster();
    let identity = identity(cluster.engine.clone(), [1; 32]);
    let (account, _) = acme(&identity).await;
    let mut arns = Vec::new();
    for number in 0..11 {
        arns.push(policy(&identity, &account, &format!("p{number}")).await);
    }
    for arn in &arns[..10] {
        identity.attach_policy(&account, EVE, arn).await.unwrap();
    }
    let full = identity.attach_policy(&account, EVE, &arns[10]).await;
    assert!(matches!(full, Err(IdentityError::Limit { max: 10, .. })));
    assert!(identity.policy_uses(&account, &arns[10]).await.unwrap().is_empty(), "it is attached nowhere");
    identity.create_group(&account, "staff", "/").await.unwrap();
    identity.attach_policy(&account, PolicyTarget::Group("staff"), &arns[0]).await.unwrap();
    identity.set_boundary(&account, EVE, &arns[0]).await.unwrap();
    let uses = identity.policy_uses(&account, &arns[0]).await.unwrap();
    let shown: Vec<_> = uses.iter().map(|used| (used.kind, &*used.name, used.is_attached, used.is_boundary)).collect();
    assert_eq!(shown, [(EntityKind::Group, "staff", true, false), (EntityKind::User, "eve", true, true)]);
    assert!(identity.set_boundary(&account, PolicyTarget::Group("staff"), &arns[0]).await.is_err());

    let bare = identity.delete_policy(&account, &arns[0], Deletion::IfBare).await;
    assert!(matches!(bare, Err(IdentityError::InUse { .. })));
    let bounds = identity.delete_policy(&account, &arns[0], Deletion::WithAll).await;
    assert!(matches!(bounds, Err(IdentityError::InUse { .. })), "its user would have more rights without it");
    identity.remove_boundary(&account, EVE).await.unwrap();
    identity.delete_policy(&account, &arns[0], Deletion::WithAll).await.unwrap();
    let (_, grants) = identity.grants_of(&account, EVE).await.unwrap();
    assert_eq!(grants.attached.len(), 9);
    let absent = identity.detach_policy(&account, EVE, &arns[0]).await;
    assert!(matches!(absent, Err(IdentityError::NoSuch(EntityKind::Policy))));
    let absent = identity.attach_policy(&account, EVE, &arns[0]).await;
    assert!(matches!(absent, Err(IdentityError::NoSuch(EntityKind::Policy))));
}

#[tokio::test]
async fn a_policy_of_a_name_taken_again_is_another_one() {
    let cluster = cluster();
    let identity = identity(cluster.engine.clone(), [1; 32]);
    let (account, key) = acme(&identity).await;
    let arn = policy(&identity, &account, "one").await;
    identity.attach_policy(&account, EVE, &arn).await.unwrap();
    identity.set_boundary(&account, EVE, &arn).await.unwrap();
    // Its row goes as no verb would have it, and the name is taken again.
    let row = identity.policy(&account, &arn).await.unwrap();
    let at = couronne_metadata::system::identity::entity::<couronne_gateway::identity::PolicyRow>(&row.id);
    let expect = couronne_metadata::command::Expect::Any;
    let client = couronne_client::Client::new(cluster.components(), couronne_client::Settings::default());
    client.router().system_write(&super::super::support::key(&at), expect, None).await.unwrap();
    identity.create_policy(&account, new_policy("one")).await.unwrap();
    assert!(policies_of(&identity, &key).await.is_empty());
    let boundary = caller(&identity, &key).await.caller.boundary.clone().unwrap();
    assert_eq!(&*boundary.text, "", "a boundary that is gone allows nothing");
}

#[tokio::test]
async fn aws_policies_are_there_and_stay() {
    let cluster = cluster();
    let identity = identity(cluster.engine.clone(), [1; 32]);
    let (account, key) = acme(&identity).await;
    for policy in managed_policies() {
        let arn = identity.policy_arn(&account, &policy.row.name).await.unwrap();
        assert_eq!(identity.policy(&account, &arn).await.unwrap(), *policy);
        let deleted = identity.delete_policy(&account, &arn, Deletion::WithAll).await;
        assert!(matches!(deleted, Err(IdentityError::Unmodifiable)));
        let changed = identity.create_policy_version(&account, &arn, ALLOW.into(), true).await;
        assert!(matches!(changed, Err(IdentityError::Unmodifiable)));
    }
    let absent = identity.policy(&account, "arn:aws:iam::aws:policy/None").await;
    assert!(matches!(absent, Err(IdentityError::NoSuch(EntityKind::Policy))));
    // Another account's ARN names nothing here.
    let other = identity.create_account("other", None).await.unwrap();
    let of_other = policy(&identity, &other, "one").await;
    policy(&identity, &account, "one").await;
    let foreign = identity.attach_policy(&account, EVE, &of_other).await;
    assert!(matches!(foreign, Err(IdentityError::NoSuch(EntityKind::Policy))));
    let bounded = NewUser { boundary: Some(of_other.into()), ..NewUser::of_name("bob") };
    assert!(identity.create_user(&account, bounded).await.is_err());
    assert!(policies_of(&identity, &key).await.is_empty());
}
