//! From an access key and a token to the caller: the token opened, and the rows that it names read.
//!
//! Promises: a token that no secret of the cluster sealed reads no row. A session in memory is found by its very token only.
//! Must not know: who may have a session.

use std::sync::Arc;

use couronne_base::codec;
use couronne_metadata::system::identity::{self as at, AccountRow, KeyRow, RoleRow, Tag, UserRow};

use super::token::{self, SessionClaims, SessionOf, SessionPolicies};
use crate::identity::callers::{CallerIdentity, CallerKind, PolicyDocument, TokenFacts};
use crate::identity::rows::Basis;
use crate::identity::{
    Account, Credential, CredentialSource, Identity, IdentityError, Maker, MakerKey, Secret, SessionToken, names,
};

/// Why a token makes no caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenFault {
    /// It is none of this cluster's for this access key, or what sealed it was changed since.
    Malformed,
    /// Its time is over.
    Expired,
    /// What made it is gone: an access key, a user or a role.
    Void,
}

/// A session in memory.
struct KnownSession {
    credential: Arc<Credential>,
    token: SessionToken,
}

/// The owner of the access key that made a session.
struct MakerOwner {
    account: Account,
    /// The user with its id; none: the account's root.
    user: Option<(Box<str>, Arc<UserRow>)>,
    /// The policy of the access key, which narrows what its owner may do.
    policy: Option<Arc<str>>,
    /// From when on the access key may not be used.
    expires_s: Option<u64>,
}

impl Identity {
    /// The caller of a session, by its access key and token; perhaps from memory, as [`Identity::credential`].
    pub async fn session_credential(
        &self,
        access_key: &str,
        token: &str,
    ) -> Result<Result<Arc<Credential>, TokenFault>, IdentityError> {
        if names::check_access_key(access_key).is_err() {
            return Ok(Err(TokenFault::Malformed));
        }
        let name = format!("session {access_key}");
        if let Some(known) = self.rows.recall::<KnownSession>(&name).filter(|known| *known.token == *token) {
            return Ok(self.usable_session(&known.credential));
        }
        let Some(claims) = self.open_token(access_key, token) else { return Ok(Err(TokenFault::Malformed)) };
        let mut basis = Basis::default();
        let Some(caller) = self.read_session(&claims, &mut basis).await? else { return Ok(Err(TokenFault::Void)) };
        let token = SessionToken::new(token);
        let source = CredentialSource::Session(token.clone());
        let secret = Secret::new(claims.secret.as_bytes());
        let credential = Arc::new(Credential::new(access_key.into(), secret, caller, source));
        let bytes = std::mem::size_of::<Credential>() + token.len();
        self.rows.keep(&name, Arc::new(KnownSession { credential: credential.clone(), token }), basis, bytes);
        Ok(self.usable_session(&credential))
    }

    fn open_token(&self, access_key: &str, token: &str) -> Option<SessionClaims> {
        let sealed = token::sealed(token)?;
        let opened = self.secrets.load().tokens.open_about(&[access_key.as_bytes()], &sealed).ok()?;
        codec::decode(&opened.to_vec().into()).ok()
    }

    /// The session, if it counts now: what memory holds does not end with the clock.
    fn usable_session(&self, credential: &Arc<Credential>) -> Result<Arc<Credential>, TokenFault> {
        let now_ms = self.engine.env().clock.wall_ms();
        let token = credential.caller.token.as_ref().ok_or(TokenFault::Void)?;
        if token.expires_s <= now_ms / 1000 {
            return Err(TokenFault::Expired);
        }
        match &token.maker.key {
            Some(MakerKey { access_key, created: None })
                if self.secrets.load().root_of(access_key, now_ms).is_none() =>
            {
                Err(TokenFault::Void)
            }
            _ => Ok(credential.clone()),
        }
    }

    async fn read_session(
        &self,
        claims: &SessionClaims,
        basis: &mut Basis,
    ) -> Result<Option<CallerIdentity>, IdentityError> {
        let SessionClaims { of, maker, policies, tags, issued_ms, expires_s, .. } = claims;
        let owner = match &maker.key {
            Some(key) => match self.read_maker_key(key, basis).await? {
                Some(owner) => Some(owner),
                None => return Ok(None),
            },
            None => None,
        };
        for role in &maker.roles {
            if self.read_role(role, basis).await?.is_none() {
                return Ok(None);
            }
        }
        let key_expires_s = owner.as_ref().and_then(|owner| owner.expires_s).unwrap_or(u64::MAX);
        let token =
            TokenFacts { issued_ms: *issued_ms, expires_s: key_expires_s.min(*expires_s), maker: Maker::clone(maker) };
        let caller = match (of, owner) {
            (SessionOf::Role { .. }, _) => self.read_role_session(of, tags, basis).await?,
            (SessionOf::Own, Some(owner)) => Some(self.read_own(owner, basis).await?),
            (SessionOf::Federated { name }, Some(owner)) => {
                let mut caller = self.read_own(owner, basis).await?;
                let federator = Some(Box::new(caller.kind)).filter(|kind| **kind != CallerKind::Root);
                caller.kind = CallerKind::FederatedUser { name: name.clone(), federator, tags: pairs(tags) };
                Some(caller)
            }
            (SessionOf::Own | SessionOf::Federated { .. }, None) => None,
        };
        let Some(mut caller) = caller else { return Ok(None) };
        if let Some(policies) = policies {
            caller.session = Some(self.read_session_policies(policies, basis).await?);
        }
        caller.token = Some(token);
        Ok(Some(caller))
    }

    async fn read_session_policies(
        &self,
        policies: &SessionPolicies,
        basis: &mut Basis,
    ) -> Result<Vec<PolicyDocument>, IdentityError> {
        let SessionPolicies { documents, managed } = policies;
        let mut read = self.read_managed(managed, basis).await?;
        read.extend(documents.iter().map(|text| PolicyDocument::new("".into(), text.clone())));
        Ok(read)
    }

    /// The owner of the access key that made a session; `None`: the key, or its owner, is none any more.
    async fn read_maker_key(&self, key: &MakerKey, basis: &mut Basis) -> Result<Option<MakerOwner>, IdentityError> {
        let MakerKey { access_key, created } = key;
        let Some(created) = created else {
            let root = self.secrets.load().root_of(access_key, self.engine.env().clock.wall_ms());
            let Some(root) = root else { return Ok(None) };
            // Read for what memory rests on: a change of the account's own row ends what was made of it.
            let row = self.rows.read::<AccountRow>(at::entity::<AccountRow>(&root.account().id), basis).await?;
            let account = self.account_of(&root.account().id, row.as_deref());
            return Ok(account.map(|account| MakerOwner { account, user: None, policy: None, expires_s: None }));
        };
        let row = self.rows.read::<KeyRow>(at::key(access_key), basis).await?;
        let Some(row) = row.filter(|row| row.is_active && row.created == *created) else { return Ok(None) };
        let Some((account, user)) = self.read_owner(&row, basis).await? else { return Ok(None) };
        let user = user.map(|user| (row.owner.clone(), user));
        Ok(Some(MakerOwner { account, user, policy: row.session_policy.clone(), expires_s: row.expires_s }))
    }

    /// The caller that the owner of an access key is.
    async fn read_own(&self, owner: MakerOwner, basis: &mut Basis) -> Result<CallerIdentity, IdentityError> {
        let MakerOwner { account, user, policy, .. } = owner;
        let account_id = account.id.clone();
        let session = policy.map(|text| vec![PolicyDocument::new("".into(), text)]);
        let mut caller = CallerIdentity { session, ..CallerIdentity::of_root(account) };
        if let Some((id, user)) = user {
            let read = self.read_policies(&user.grants, &user.groups, &account_id, basis).await?;
            (caller.policies, caller.boundary) = read;
            caller.kind = CallerKind::of_user(id, &user);
        }
        Ok(caller)
    }

    async fn read_role_session(
        &self,
        of: &SessionOf,
        own_tags: &[Tag],
        basis: &mut Basis,
    ) -> Result<Option<CallerIdentity>, IdentityError> {
        let SessionOf::Role { role_id, name, source_identity, provider } = of else { return Ok(None) };
        let Some(role) = self.read_role(role_id, basis).await? else { return Ok(None) };
        let row = self.rows.read::<AccountRow>(at::entity::<AccountRow>(&role.account_id), basis).await?;
        let Some(account) = self.account_of(&role.account_id, row.as_deref()) else { return Ok(None) };
        let (policies, boundary) = self.read_policies(&role.grants, &[], &role.account_id, basis).await?;
        let mut tags = pairs(own_tags);
        let of_role = role.tags.iter().filter(|tag| !own_tags.iter().any(|own| own.key.eq_ignore_ascii_case(&tag.key)));
        tags.extend(of_role.map(|tag| (tag.key.clone(), tag.value.clone())));
        let kind = CallerKind::RoleSession {
            role_id: role_id.clone(),
            role: role.name.clone(),
            path: role.path.clone(),
            session: name.clone(),
            source_identity: source_identity.clone(),
            provider: provider.clone(),
            tags,
        };
        Ok(Some(CallerIdentity { account, kind, policies, boundary, session: None, token: None }))
    }

    async fn read_role(&self, id: &str, basis: &mut Basis) -> Result<Option<Arc<RoleRow>>, IdentityError> {
        self.rows.read::<RoleRow>(at::entity::<RoleRow>(id), basis).await
    }
}

fn pairs(tags: &[Tag]) -> Vec<(Box<str>, Box<str>)> {
    tags.iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect()
}
