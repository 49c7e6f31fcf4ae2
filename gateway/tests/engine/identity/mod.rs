//! Accounts and what is in them: which caller is found, until when, and what a crash leaves.

mod changes;
mod crashes;
mod credentials;
mod entities;
mod policies;
mod secrets;
mod sessions;

use std::sync::Arc;
use std::time::Duration;

use couronne_gateway::engine::Engine;
use couronne_gateway::identity::{
    Account, Credential, Identity, IdentityError, IdentitySecrets, IdentitySettings, KeyOwner, KeySettings, NewKey,
    NewPolicy, NewUser, RootCredentials, Secret,
};
use couronne_gateway::testing::{FakeCluster, FakeShape};

/// A little more than what a revocation may take.
const BOUND: Duration = Duration::from_millis(5_001);

/// A policy that allows nothing.
const NOTHING: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}"#;
/// Anybody may assume a role that says so.
const TRUST: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}]}"#;
const ALLOW: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

fn cluster() -> FakeCluster {
    FakeCluster::new(&FakeShape::default())
}

fn identity(engine: Engine, cluster_secret: [u8; 32]) -> Identity {
    Identity::new(engine, secrets("ROOTKEY", cluster_secret, &[]), IdentitySettings::default()).ok().unwrap()
}

fn secrets(root: &str, sealing: [u8; 32], opening: &[[u8; 32]]) -> IdentitySecrets {
    let root = RootCredentials { access_key: root.into(), secret: Secret::new("root-secret") };
    let opening = opening.iter().map(|secret| Secret::new(*secret)).collect();
    IdentitySecrets { root, retiring: None, sealing: Secret::new(sealing), opening }
}

/// A user with a key, random or of this name.
async fn user(identity: &Identity, account: &Account, name: &str, key: Option<&str>) -> NewKey {
    identity.create_user(account, NewUser::of_name(name)).await.unwrap();
    another_key(identity, account, name, key).await.ok().unwrap()
}

async fn another_key(
    identity: &Identity,
    account: &Account,
    name: &str,
    key: Option<&str>,
) -> Result<NewKey, IdentityError> {
    let key = key.map(|key| NewKey { access_key: key.into(), secret: Secret::new("chosen-secret") });
    identity.create_key(account, KeyOwner::User(name), key, KeySettings::default()).await
}

fn new_policy(name: &str) -> NewPolicy {
    let (path, description, document) = ("/".into(), "".into(), ALLOW.into());
    NewPolicy { name: name.into(), path, description, document, tags: Vec::new() }
}

/// The caller of an access key; it has one.
async fn caller(identity: &Identity, access_key: &str) -> Arc<Credential> {
    identity.credential(access_key).await.unwrap().unwrap()
}

/// The names of the policies that count for an access key.
async fn policies_of(identity: &Identity, access_key: &str) -> Vec<String> {
    caller(identity, access_key).await.caller.policies.iter().map(|policy| policy.name.to_string()).collect()
}
