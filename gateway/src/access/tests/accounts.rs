//! Tables of principals and accounts: what each side has to allow.

use super::*;
use crate::access::policy::StoredPolicy;

const BOB: &str = r#"{"AWS":"arn:aws:iam::111122223333:user/bob"}"#;
const BOB_OF_B: &str = r#"{"AWS":"arn:aws:iam::444455556666:user/bob"}"#;
const ACCOUNT_A: &str = r#"{"AWS":"111122223333"}"#;
const ACCOUNT_B: &str = r#"{"AWS":"arn:aws:iam::444455556666:root"}"#;
const ROLE: &str = r#"{"AWS":"arn:aws:iam::111122223333:role/r"}"#;
const SESSION: &str = r#"{"AWS":"arn:aws:sts::111122223333:assumed-role/r/s"}"#;
const FEDERATED: &str = r#"{"AWS":"arn:aws:sts::111122223333:federated-user/f"}"#;

fn get(principal: Principal<'static>) -> AccessCase {
    AccessCase::new(principal, "s3:GetObject")
}

/// Allows something else.
fn allow_other() -> String {
    policy("Allow", r#""Action":"sqs:*","Resource":"*""#)
}

#[test]
fn in_one_account_either_side_suffices() {
    let bob = || get(user(A, "bob"));
    assert!(!bob().allows());
    assert!(bob().identity(&allow_all()).allows());
    assert!(bob().policy(&allow_to(BOB)).allows());
    assert!(bob().policy(&allow_to("\"*\"")).allows() && bob().policy(&allow_to(r#"{"AWS":"*"}"#)).allows());
    assert!(!bob().policy(&allow_to(ACCOUNT_A)).allows(), "an account that is named has its own policies decide");
    assert!(bob().policy(&allow_to(ACCOUNT_A)).identity(&allow_all()).allows());
    assert!(!get(user(A, "eve")).policy(&allow_to(BOB)).allows());
    assert!(!get(user(B, "bob")).policy(&allow_to(BOB)).identity(&allow_all()).allows(), "bob of another account");
}

#[test]
fn across_accounts_both_sides_are_needed() {
    let bob = || get(user(B, "bob"));
    assert!(!bob().identity(&allow_all()).allows());
    for named in [BOB_OF_B, ACCOUNT_B, "\"*\"", r#"{"CanonicalUser":"canonical-444455556666"}"#] {
        assert!(!bob().policy(&allow_to(named)).allows(), "{named}");
        assert!(bob().policy(&allow_to(named)).identity(&allow_all()).allows(), "{named}");
        assert!(!bob().policy(&allow_to(named)).identity(&allow_all()).boundary(&allow_other()).allows(), "{named}");
        assert!(!bob().policy(&allow_to(named)).identity(&allow_all()).session(&[&allow_other()]).allows(), "{named}");
    }
    assert!(get(root(B)).policy(&allow_to(ACCOUNT_B)).allows() && !get(root(B)).allows());
    assert!(!get(root(C)).policy(&allow_to(ACCOUNT_B)).allows());
}

#[test]
fn an_explicit_denial_wins_wherever_it_stands() {
    let deny = policy("Deny", r#""Action":"s3:GetObject","Resource":"*""#);
    let allowed = || get(user(A, "bob")).identity(&allow_all()).policy(&allow_to(BOB)).boundary(&allow_all());
    assert!(allowed().allows());
    assert!(!allowed().identity(&deny).allows());
    assert!(!allowed().boundary(&deny).allows());
    assert!(!allowed().session(&[&allow_all(), &deny]).allows());
    assert!(!allowed().policy(&deny_to("\"*\"")).allows());
    assert!(!get(root(A)).policy(&deny_to("\"*\"")).allows(), "also for the owner's root");
    let with_service = r#"{"AWS":"111122223333","Service":"x.amazonaws.com"}"#;
    assert!(!allowed().policy(&deny_to(with_service)).allows(), "an account's denial is one for all of it");
}

#[test]
fn what_cannot_be_read_denies() {
    for unreadable in ["", "{}", "null", r#"{"Version":"2012-10-17","Statement":[]}"#, "{\"Version\":\"2030-01-01\"}"] {
        assert_eq!(StoredPolicy::read(unreadable), StoredPolicy::Unreadable);
        let bob = || get(user(A, "bob")).identity(&allow_all());
        assert!(!bob().identity(unreadable).allows());
        assert!(!bob().boundary(unreadable).allows());
        assert!(!bob().session(&[unreadable]).allows());
        assert!(!bob().policy(unreadable).allows());
        assert!(!get(root(A)).policy(unreadable).allows());
    }
}

#[test]
fn a_boundary_limits_identity_policies_and_no_grant_to_the_user() {
    let bob = || get(user(A, "bob")).boundary(&allow_other());
    assert!(!bob().identity(&allow_all()).allows());
    assert!(bob().policy(&allow_to(BOB)).allows());
    assert!(!bob().policy(&allow_to(ACCOUNT_A)).identity(&allow_all()).allows());
    assert!(get(user(A, "bob")).boundary(&allow_all()).identity(&allow_all()).allows());
    assert!(!get(user(A, "bob")).boundary(&allow_all()).allows(), "a boundary allows nothing");
}

#[test]
fn a_grant_to_a_role_is_limited_and_one_to_its_session_is_not() {
    let session = || get(role_session(A, "r", "s"));
    assert!(session().identity(&allow_all()).allows());
    assert!(session().policy(&allow_to(ROLE)).allows());
    for limited in [session().boundary(&allow_other()), session().session(&[&allow_other()])] {
        assert!(!limited.clone().identity(&allow_all()).allows());
        assert!(!limited.clone().policy(&allow_to(ROLE)).allows());
        assert!(limited.clone().policy(&allow_to(SESSION)).allows());
        assert!(limited.clone().policy(&allow_to("\"*\"")).allows());
    }
    assert!(!session().policy(&allow_to(&SESSION.replace("/s", "/t"))).allows());
    assert!(!session().policy(&allow_to(&ROLE.replace("/r", "/q"))).allows());
    assert!(session().session(&[&allow_other(), &allow_all()]).identity(&allow_all()).allows(), "any of them");
    assert!(!session().session(&[]).identity(&allow_all()).allows(), "no policies at all allow nothing");
}

#[test]
fn a_federated_user_needs_session_policies() {
    let federated = || get(federated(A, "f", Some("bob")));
    assert!(!federated().identity(&allow_all()).allows());
    assert!(federated().identity(&allow_all()).session(&[&allow_all()]).allows());
    assert!(!federated().policy(&allow_to(BOB)).allows());
    assert!(federated().policy(&allow_to(BOB)).session(&[&allow_all()]).allows());
    assert!(federated().policy(&allow_to(FEDERATED)).allows());
    let of_root = || get(super::federated(A, "f", None));
    assert!(!of_root().allows() && of_root().session(&[&allow_all()]).allows());
    assert!(!of_root().session(&[&allow_other()]).allows());
}

#[test]
fn the_policies_of_an_access_key_narrow_everything() {
    let narrow = policy("Allow", r#""Action":"s3:GetObject","Resource":"arn:aws:s3:::b/mine/*""#);
    for principal in [user(A, "bob"), root(A)] {
        let ask =
            |key| get(principal).identity(&allow_all()).policy(&allow_to(BOB)).session(&[&narrow]).on("b", Some(key));
        assert!(ask("mine/x").allows() && !ask("yours").allows());
        let policy = AccessCase::new(principal, "s3:PutBucketPolicy").session(&[&narrow]).on("b", None);
        assert!(!policy.allows());
    }
}

#[test]
fn a_policy_cannot_lock_its_owner_out() {
    for action in ["s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"] {
        let ask = |principal| AccessCase::new(principal, action).on("b", None).policy(&deny_to("\"*\""));
        assert!(ask(root(A)).allows(), "{action}");
        assert!(!ask(root(B)).allows() && !ask(user(A, "bob")).identity(&allow_all()).allows(), "{action}");
    }
    assert!(!AccessCase::new(root(A), "s3:GetBucketAcl").on("b", None).policy(&deny_to("\"*\"")).allows());
}

#[test]
fn not_principal_leaves_out_whole_chains() {
    let deny = |named: &str| deny_to(named).replace("\"Principal\"", "\"NotPrincipal\"");
    let bob = |named: &str| get(user(A, "bob")).identity(&allow_all()).policy(&deny(named));
    let both = r#"{"AWS":["arn:aws:iam::111122223333:user/bob","111122223333"]}"#;
    assert!(bob(both).allows() && !bob(BOB).allows() && !bob(ACCOUNT_A).allows());
    assert!(!bob(both).boundary(&allow_all()).allows(), "a boundary leaves nobody out");
    assert!(!get(user(A, "eve")).identity(&allow_all()).policy(&deny(both)).allows());
    let session = |named: &str| get(role_session(A, "r", "s")).identity(&allow_all()).policy(&deny(named));
    let chain = r#"["111122223333","arn:aws:iam::111122223333:role/r","arn:aws:sts::111122223333:assumed-role/r/s"]"#;
    assert!(
        session(&format!(r#"{{"AWS":{chain}}}"#)).allows() && !session(SESSION).allows() && !session(ROLE).allows()
    );
}

#[test]
fn paths_belong_to_names() {
    let of_path = Principal::User(UserRef { path: "/div/team/", ..user_ref(A, "bob") });
    let named = |name: &str| allow_to(&format!(r#"{{"AWS":"arn:aws:iam::111122223333:user/{name}"}}"#));
    assert!(get(of_path).policy(&named("div/team/bob")).allows());
    for other in ["bob", "div/bob", "team/bob", "div/team/bo"] {
        assert!(!get(of_path).policy(&named(other)).allows(), "{other}");
    }
}

#[test]
fn a_service_acts_for_a_resource() {
    let logs = service("logging.s3.amazonaws.com", "arn:aws:s3:::source");
    let conditions = r#""Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:s3:::source"},"StringEquals":{"aws:SourceAccount":"111122223333"}}"#;
    let elements =
        r#""Principal":{"Service":"logging.s3.amazonaws.com"},"Action":"s3:PutObject","Resource":"arn:aws:s3:::b/*","#;
    let policy = policy("Allow", &format!("{elements}{conditions}"));
    let put = |principal| AccessCase::new(principal, "s3:PutObject").policy(&policy);
    assert!(put(logs).allows());
    assert!(!put(service("logging.s3.amazonaws.com", "arn:aws:s3:::other")).allows());
    assert!(!put(service("s3.amazonaws.com", "arn:aws:s3:::source")).allows());
    assert!(!put(root(B)).key_value("aws:SourceArn", &["arn:aws:s3:::source"]).allows());
}

#[test]
fn the_request_cannot_say_what_follows_from_the_principal() {
    let as_admin = policy(
        "Allow",
        r#""Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b/*","Condition":{"StringEquals":{"aws:username":"admin"}}"#,
    );
    let ask = |principal| get(principal).policy(&as_admin).key_value("aws:username", &["admin"]);
    assert!(ask(user(A, "admin")).allows() && !ask(user(A, "bob")).allows() && !ask(Principal::Anonymous).allows());
}

#[test]
fn a_role_is_taken_by_leave_of_its_trust_policy_alone() {
    let take = |principal, trust: &str, identity: &[&str]| {
        let trust = StoredPolicy::read(&policy("Allow", &format!(r#""Principal":{trust},"Action":"sts:AssumeRole""#)));
        let identity: Vec<_> = identity.iter().map(|text| StoredPolicy::read(text)).collect();
        let identity: Vec<_> = identity.iter().map(|policy| AttachedPolicy { name: "", policy }).collect();
        let rights = Rights { identity: &identity, ..Rights::default() };
        let target = TargetFacts::Role { account: account(A), trust: AttachedPolicy { name: "r", policy: &trust } };
        let resource = Resource::Arn("arn:aws:iam::111122223333:role/r");
        let (object, request) = (ObjectFacts::None, &crate::access::context::NoKeys);
        decide(&Question { principal, rights, action: "sts:AssumeRole", resource, target, object, request, now_ms: 0 })
            .is_allow()
    };
    let all = allow_all();
    assert!(take(user(A, "bob"), BOB, &[]) && take(root(A), ACCOUNT_A, &[]));
    assert!(!take(user(A, "bob"), ACCOUNT_A, &[]) && take(user(A, "bob"), ACCOUNT_A, &[&all]));
    assert!(!take(user(A, "bob"), BOB_OF_B, &[&all]) && !take(root(A), BOB, &[]), "not even the owner's root");
    assert!(!take(user(B, "bob"), BOB_OF_B, &[]) && take(user(B, "bob"), BOB_OF_B, &[&all]));
    let vouched = |provider| Principal::WebIdentity { provider };
    let federated = r#"{"Federated":"arn:aws:iam::111122223333:oidc-provider/idp"}"#;
    assert!(take(vouched("arn:aws:iam::111122223333:oidc-provider/idp"), federated, &[]));
    assert!(!take(vouched("arn:aws:iam::111122223333:oidc-provider/other"), federated, &[]));
}
