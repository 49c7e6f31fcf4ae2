//! Sessions: what a token opens, and what ends it.

use super::*;
use couronne_gateway::engine::Settings;
use couronne_gateway::identity::{
    CallerKind, Deletion, IssuedSession, NewRole, NewSession, PolicyTarget, SessionOf, SessionPolicies, TokenFault,
};

fn session(of: SessionOf) -> NewSession {
    NewSession { of, policies: None, tags: Vec::new(), lifetime_s: 900 }
}

async fn issue(identity: &Identity, access_key: &str, new: NewSession) -> IssuedSession {
    identity.issue_session(&*caller(identity, access_key).await, new).ok().unwrap()
}

async fn found(identity: &Identity, session: &IssuedSession) -> Result<Arc<Credential>, TokenFault> {
    identity.session_credential(&session.key.access_key, &session.token).await.unwrap()
}

async fn fault(identity: &Identity, session: &IssuedSession) -> Option<TokenFault> {
    found(identity, session).await.err()
}

async fn role(identity: &Identity, account: &Account, name: &str) -> SessionOf {
    let (path, trust, description, tags) = ("/".into(), TRUST.into(), "".into(), Vec::new());
    let new = NewRole { name: name.into(), path, trust, session_s_max: None, description, tags, boundary: None };
    let role_id = identity.create_role(account, new).await.unwrap().id;
    SessionOf::Role { role_id, name: "run".into(), source_identity: None, provider: None }
}

#[tokio::test(start_paused = true)]
async fn a_token_opens_with_its_own_access_key_under_its_own_secret() {
    let cluster = cluster();
    let here = identity(cluster.engine.clone(), [1; 32]);
    let there = identity(cluster.another_engine(Settings::default()), [1; 32]);
    let account = here.create_account("acme", None).await.unwrap();
    let key = user(&here, &account, "eve", None).await.access_key;
    let (one, other) =
        (issue(&here, &key, session(SessionOf::Own)).await, issue(&here, &key, session(SessionOf::Own)).await);
    let caller = found(&there, &one).await.unwrap();
    assert!(matches!(&caller.caller.kind, CallerKind::User { name, .. } if &**name == "eve"));
    assert_eq!(caller.secret.expose(), one.key.secret.expose());
    assert!(one.key.access_key.starts_with("ASIA") && one.key.access_key != other.key.access_key);
    assert!(!one.token.contains(std::str::from_utf8(one.key.secret.expose()).unwrap()));
    for (access_key, token) in [
        (&*one.key.access_key, &*other.token),
        (&*key, &*one.token),
        (&*one.key.access_key, ""),
        (&*one.key.access_key, &one.token[..one.token.len() - 4]),
        (&*one.key.access_key, "not base 64!"),
    ] {
        let found = there.session_credential(access_key, token).await.unwrap();
        assert_eq!(found.err(), Some(TokenFault::Malformed), "{access_key} {token}");
    }
    assert!(there.credential(&one.key.access_key).await.unwrap().is_none(), "without its token the key is nobody's");
    // A rotation lets the old secret open for a while; with it goes the session.
    there.change_secrets(secrets("ROOTKEY", [2; 32], &[[1; 32]])).ok().unwrap();
    assert_eq!(fault(&there, &one).await, None);
    there.change_secrets(secrets("ROOTKEY", [2; 32], &[])).ok().unwrap();
    assert_eq!(fault(&there, &one).await, Some(TokenFault::Malformed));
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_at_its_time_or_with_its_key_user_and_roles() {
    let cluster = cluster();
    let here = identity(cluster.engine.clone(), [1; 32]);
    let there = identity(cluster.another_engine(Settings::default()), [1; 32]);
    let account = here.create_account("acme", None).await.unwrap();
    let (of_batch, of_other) = (role(&here, &account, "batch").await, role(&here, &account, "other").await);
    let mut sessions = Vec::new();
    for name in ["disabled", "deleted", "gone"] {
        let key = user(&here, &account, name, None).await.access_key;
        for of in [SessionOf::Own, SessionOf::Federated { name: "guest".into() }, of_other.clone()] {
            sessions.push((name, issue(&here, &key, session(of)).await));
        }
        sessions.push(("batch", issue(&here, "ROOTKEY", session(of_batch.clone())).await));
    }
    let first = found(&here, &sessions[3].1).await.unwrap();
    sessions.push(("batch", here.issue_session(&first, session(of_other)).ok().unwrap()));
    let root = issue(&here, "ROOTKEY", session(SessionOf::Own)).await;
    for (name, session) in &sessions {
        assert_eq!(fault(&there, session).await, None, "{name}");
    }
    let keys = here.list_keys(&account, KeyOwner::User("disabled")).await.unwrap();
    here.set_key_active(&account, KeyOwner::Any, &keys[0].access_key, false).await.unwrap();
    let keys = here.list_keys(&account, KeyOwner::User("deleted")).await.unwrap();
    here.delete_key(&account, KeyOwner::Any, &keys[0].access_key).await.unwrap();
    here.delete_user(&account, "gone", Deletion::WithAll).await.unwrap();
    here.delete_role(&account, "batch", Deletion::WithAll).await.unwrap();
    tokio::time::sleep(BOUND).await;
    for (name, session) in &sessions {
        assert_eq!(fault(&there, session).await, Some(TokenFault::Void), "{name}");
    }
    assert_eq!(fault(&there, &root).await, None);
    there.change_secrets(secrets("OTHERROOT", [1; 32], &[])).ok().unwrap();
    assert_eq!(fault(&there, &root).await, Some(TokenFault::Void), "its root credentials were changed");
    assert_eq!(fault(&here, &root).await, None);
    tokio::time::sleep(Duration::from_secs(901)).await;
    assert_eq!(fault(&here, &root).await, Some(TokenFault::Expired));
}

#[tokio::test(start_paused = true)]
async fn what_narrows_and_what_a_key_narrows_stay() {
    let cluster = cluster();
    let identity = identity(cluster.engine.clone(), [1; 32]);
    let account = identity.create_account("acme", None).await.unwrap();
    user(&identity, &account, "eve", None).await;
    identity.create_policy(&account, new_policy("all")).await.unwrap();
    let arn = account.arn("policy", "/", "all");
    identity.attach_policy(&account, PolicyTarget::User("eve"), &arn).await.unwrap();
    let narrow = KeySettings { session_policy: Some(NOTHING.into()), ..Default::default() };
    let narrow = identity.create_key(&account, KeyOwner::User("eve"), None, narrow).await.ok().unwrap();
    let own = issue(&identity, &narrow.access_key, session(SessionOf::Own)).await;
    let own = found(&identity, &own).await.unwrap();
    assert_eq!(own.caller.session.as_ref().unwrap()[0].text.as_ref(), NOTHING, "the key's policy narrows its sessions");
    assert_eq!(own.caller.policies.len(), 1);

    let policies = SessionPolicies {
        documents: vec![NOTHING.into()],
        managed: vec![identity.session_policy(&account, &arn).await.unwrap()],
    };
    let of = role(&identity, &account, "batch").await;
    let issued = issue(&identity, "ROOTKEY", NewSession { policies: Some(policies), ..session(of) }).await;
    assert!(issued.packed_percent.is_some_and(|percent| percent > 0));
    let texts = |session: &Credential| {
        session.caller.session.iter().flatten().map(|one| one.text.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(texts(&found(&identity, &issued).await.unwrap()), [ALLOW, NOTHING]);
    identity.delete_policy(&account, &arn, Deletion::WithAll).await.unwrap();
    assert_eq!(texts(&found(&identity, &issued).await.unwrap()), ["", NOTHING], "a policy that is gone allows nothing");
}
