//! From an access key to its caller: the rows that it takes, and their memory.
//!
//! The key's row first; then its user and account at once; then the user's groups and managed policies at once; then the
//! managed policies of the groups. What they make is one value in memory that counts as long as all of them do.
//! A key that nobody has is remembered for a short while ([`super::lookups`]): one that another process made a moment
//! ago works after that.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use couronne_metadata::ids::Ordinal;
use couronne_metadata::system::identity::{
    self as at, AccountRow, AttachedPolicy, Grants, GroupRow, KeyRow, PolicyRow, UserRow,
};
use futures_util::future::try_join_all;

use super::LastDerived;
use crate::engine::EngineError;
use crate::identity::entity::Kind;
use crate::identity::principal::{CallerIdentity, CallerKind, PolicyDocument};
use crate::identity::rows::Basis;
use crate::identity::seal::SealedFor;
use crate::identity::{Account, Identity, IdentityError, Secret, managed, names};

/// The identity that a request comes from, with what its signature is verified by.
pub struct Credential {
    /// The access key.
    pub access_key: Box<str>,
    /// Its secret key.
    pub secret: Secret,
    /// The caller.
    pub caller: CallerIdentity,
    /// Where it comes from.
    pub source: CredentialSource,
    /// The key that its secret was last made into, to verify signatures.
    pub derived: LastDerived,
    /// When its use was last noted, in seconds since 1970.
    pub(in crate::identity) noted_s: AtomicU64,
}

/// Where a credential comes from: by this it is fetched again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialSource {
    /// None: the request is not signed.
    Nobody,
    /// The secrets of the cluster: its root credentials.
    ClusterRoot,
    /// The row of an access key that was created then; microseconds since 1970.
    AccessKey(Ordinal),
}

/// A credential in memory.
struct KnownCredential {
    credential: Arc<Credential>,
    expires_s: Option<u64>,
}

impl Credential {
    /// A credential of these values.
    pub fn new(access_key: Box<str>, secret: Secret, caller: CallerIdentity, source: CredentialSource) -> Self {
        let (derived, noted_s) = (LastDerived::default(), AtomicU64::new(0));
        Self { access_key, secret, caller, source, derived, noted_s }
    }

    /// The account that the caller acts for.
    pub const fn account(&self) -> &Account {
        &self.caller.account
    }
}

impl Identity {
    /// The identity of a request that is not signed.
    pub fn anonymous(&self) -> Arc<Credential> {
        self.anonymous.clone()
    }

    /// The identity that an access key belongs to; `None` if there is none, or none that may be used now. Perhaps from
    /// memory, as it was at most [`crate::identity::IdentitySettings::credential_cache_ms`] ago.
    pub async fn credential(&self, access_key: &str) -> Result<Option<Arc<Credential>>, IdentityError> {
        let clock = &self.engine.env().clock;
        if let Some(root) = self.secrets.load().root_of(access_key, clock.wall_ms()) {
            return Ok(Some(root));
        }
        if let Some(known) = self.rows.recall::<KnownCredential>(access_key) {
            return Ok(self.usable(&known));
        }
        let now = clock.steady();
        if names::check_access_key(access_key).is_err() || self.lookups.is_unknown(access_key, now) {
            return Ok(None);
        }
        let lookup = self.lookups.begin(now).await.map_err(EngineError::from)?;
        if let Some((known, _)) = self.rows.find::<KnownCredential>(access_key).await? {
            return Ok(self.usable(&known));
        }
        let mut basis = Basis::default();
        let Some(known) = self.read_credential(access_key, &mut basis).await? else {
            self.lookups.remember(access_key, &lookup);
            return Ok(None);
        };
        let (known, bytes) = (Arc::new(known), std::mem::size_of::<Credential>());
        self.rows.keep(access_key, known.clone(), basis, bytes);
        Ok(self.usable(&known))
    }

    /// A credential as it is now; `None` if it may be used no more, or the access key is another's by now.
    pub async fn credential_again(&self, before: &Credential) -> Result<Option<Arc<Credential>>, IdentityError> {
        if before.source == CredentialSource::Nobody {
            return Ok(Some(self.anonymous()));
        }
        let again = self.credential(&before.access_key).await?;
        Ok(again.filter(|again| again.source == before.source && again.account().id == before.account().id))
    }

    /// How long a credential is gone by without being fetched again.
    pub const fn credential_age_max(&self) -> Duration {
        self.age_max
    }

    fn usable(&self, known: &KnownCredential) -> Option<Arc<Credential>> {
        let now_s = self.engine.env().clock.wall_ms() / 1000;
        known.expires_s.is_none_or(|expires_s| now_s < expires_s).then(|| known.credential.clone())
    }

    async fn read_credential(
        &self,
        access_key: &str,
        basis: &mut Basis,
    ) -> Result<Option<KnownCredential>, IdentityError> {
        let Some(key) = self.rows.read::<KeyRow>(at::key(access_key), basis).await?.filter(|key| key.is_active) else {
            return Ok(None);
        };
        let Some((account, user)) = self.read_owner(&key, basis).await? else { return Ok(None) };
        let secret = self.secrets.load().sealer.open(SealedFor::of(&key, access_key), &key.sealed)?;
        let session = key.session_policy.clone().map(|text| PolicyDocument::new("".into(), text));
        let mut caller =
            CallerIdentity { account, kind: CallerKind::Root, policies: Vec::new(), boundary: None, session };
        if let Some(user) = user {
            self.read_policies(&user, &mut caller, basis).await?;
            let UserRow { name, path, tags, .. } = (*user).clone();
            let tags = tags.into_iter().map(|tag| (tag.key, tag.value)).collect();
            caller.kind = CallerKind::User { id: key.owner.clone(), name, path, tags };
        }
        let source = CredentialSource::AccessKey(key.created);
        let credential = Arc::new(Credential::new(access_key.into(), secret, caller, source));
        Ok(Some(KnownCredential { credential, expires_s: key.expires_s }))
    }

    /// The account of a key, and its user unless it is the account's root's; `None`: one of them is gone.
    async fn read_owner(
        &self,
        key: &KeyRow,
        basis: &mut Basis,
    ) -> Result<Option<(Account, Option<Arc<UserRow>>)>, IdentityError> {
        let mut of_account = Basis::default();
        let account = self.rows.read::<AccountRow>(at::entity::<AccountRow>(&key.account_id), &mut of_account);
        let user = async {
            if key.is_of_root() {
                return Ok(None);
            }
            self.rows.read::<UserRow>(at::entity::<UserRow>(&key.owner), basis).await
        };
        let (account, user) = tokio::try_join!(account, user)?;
        basis.add(&of_account);
        let Some(account) = self.account_of(&key.account_id, account.as_deref()) else { return Ok(None) };
        let user = user.filter(|user| user.account_id == key.account_id);
        Ok((user.is_some() || key.is_of_root()).then_some((account, user)))
    }

    /// All policies of a user.
    async fn read_policies(
        &self,
        user: &UserRow,
        caller: &mut CallerIdentity,
        basis: &mut Basis,
    ) -> Result<(), IdentityError> {
        let mut of_groups = Basis::default();
        let own = user.grants.attached.iter().chain(&user.grants.boundary);
        let groups = self.read_all::<GroupRow>(user.groups.iter().map(|id| &**id), &mut of_groups);
        let policies = self.read_all::<PolicyRow>(own.filter_map(to_read), basis);
        let (groups, mut policies) = tokio::try_join!(groups, policies)?;
        basis.add(&of_groups);
        let of_account = |group: &&Arc<GroupRow>| group.account_id == user.account_id;
        let groups: Vec<_> = user.groups.iter().filter_map(|id| groups.get(&**id)).filter(of_account).collect();
        let theirs = groups.iter().flat_map(|group| &group.grants.attached);
        let missing: Vec<_> = theirs.filter_map(to_read).filter(|id| !policies.contains_key(*id)).collect();
        policies.extend(self.read_all::<PolicyRow>(missing.into_iter(), basis).await?);
        let grants = std::iter::once(&user.grants).chain(groups.iter().map(|group| &group.grants));
        caller.policies = grants.flat_map(|grants| documents(grants, &policies)).collect();
        caller.boundary = user.grants.boundary.as_ref().map(|boundary| {
            let gone = || PolicyDocument::new(boundary.arn.clone(), "".into());
            document(boundary, &policies).unwrap_or_else(gone)
        });
        Ok(())
    }

    /// The rows of these ids that there are, all at once.
    async fn read_all<'a, T: Kind>(
        &self,
        ids: impl Iterator<Item = &'a str>,
        basis: &mut Basis,
    ) -> Result<BTreeMap<&'a str, Arc<T>>, IdentityError> {
        let read = ids.map(|id| async move {
            let mut basis = Basis::default();
            let row = self.rows.read::<T>(at::entity::<T>(id), &mut basis).await?;
            Ok::<_, IdentityError>((id, row, basis))
        });
        let mut rows = BTreeMap::new();
        for (id, row, of_row) in try_join_all(read).await? {
            basis.add(&of_row);
            rows.extend(row.map(|row| (id, row)));
        }
        Ok(rows)
    }
}

/// The id of a policy that is kept in a row.
fn to_read(policy: &AttachedPolicy) -> Option<&str> {
    (!managed::is_managed(&policy.arn)).then_some(&*policy.id)
}

fn documents(grants: &Grants, policies: &BTreeMap<&str, Arc<PolicyRow>>) -> Vec<PolicyDocument> {
    let inline = grants.inline.iter();
    let inline = inline.map(|policy| PolicyDocument::new(policy.name.clone(), policy.document.clone()));
    inline.chain(grants.attached.iter().filter_map(|policy| document(policy, policies))).collect()
}

/// The document of a managed policy that counts; `None`: the policy is gone.
fn document(policy: &AttachedPolicy, policies: &BTreeMap<&str, Arc<PolicyRow>>) -> Option<PolicyDocument> {
    let of_aws = managed::of_arn(&policy.arn).map(|policy| &policy.row);
    let row = of_aws.or_else(|| policies.get(&*policy.id).map(|row| &**row))?;
    let text = row.default_version()?.document.clone();
    Some(PolicyDocument::new(policy.arn.clone(), text))
}
