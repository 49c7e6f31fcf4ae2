//! Reading what a caller is made of: the owner of a key, and policies with those of groups.
//!
//! A user's groups and managed policies are read at once, then the managed policies of the groups.
//! Must not know: what a policy says, where a credential stands.

use std::collections::BTreeMap;
use std::sync::Arc;

use couronne_metadata::system::identity::{
    self as at, AccountRow, AttachedPolicy, Grants, GroupRow, KeyRow, PolicyRow, UserRow,
};
use futures_util::future::try_join_all;

use super::PolicyDocument;
use crate::identity::entity::Kind;
use crate::identity::rows::Basis;
use crate::identity::{Account, Identity, IdentityError, managed};

/// The policies of a user or role: all that grants and denies, and the permission boundary.
type Policies = (Vec<PolicyDocument>, Option<PolicyDocument>);

impl Identity {
    /// The account of a key, and its user unless it is the account's root's; `None`: one of them is gone.
    pub(in crate::identity) async fn read_owner(
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

    /// All policies of a user or role of these groups.
    pub(in crate::identity) async fn read_policies(
        &self,
        own: &Grants,
        groups: &[Box<str>],
        account_id: &str,
        basis: &mut Basis,
    ) -> Result<Policies, IdentityError> {
        let mut of_groups = Basis::default();
        let named = own.attached.iter().chain(&own.boundary);
        let read_groups = self.read_all::<GroupRow>(groups.iter().map(|id| &**id), &mut of_groups);
        let policies = self.read_all::<PolicyRow>(named.filter_map(to_read), basis);
        let (rows, mut policies) = tokio::try_join!(read_groups, policies)?;
        basis.add(&of_groups);
        let of_account = |group: &&Arc<GroupRow>| *group.account_id == *account_id;
        let groups: Vec<_> = groups.iter().filter_map(|id| rows.get(&**id)).filter(of_account).collect();
        let theirs = groups.iter().flat_map(|group| &group.grants.attached);
        let missing: Vec<_> = theirs.filter_map(to_read).filter(|id| !policies.contains_key(*id)).collect();
        policies.extend(self.read_all::<PolicyRow>(missing.into_iter(), basis).await?);
        let grants = std::iter::once(own).chain(groups.iter().map(|group| &group.grants));
        let boundary = own.boundary.as_ref().map(|boundary| document_or_none(boundary, &policies));
        Ok((grants.flat_map(|grants| documents(grants, &policies)).collect(), boundary))
    }

    /// The documents of managed policies; of one that is gone an empty one, which allows nothing.
    pub(in crate::identity) async fn read_managed(
        &self,
        named: &[AttachedPolicy],
        basis: &mut Basis,
    ) -> Result<Vec<PolicyDocument>, IdentityError> {
        let policies = self.read_all::<PolicyRow>(named.iter().filter_map(to_read), basis).await?;
        Ok(named.iter().map(|policy| document_or_none(policy, &policies)).collect())
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

/// The same; of a policy that is gone an empty one: it allows nothing.
fn document_or_none(policy: &AttachedPolicy, policies: &BTreeMap<&str, Arc<PolicyRow>>) -> PolicyDocument {
    document(policy, policies).unwrap_or_else(|| PolicyDocument::new(policy.arn.clone(), "".into()))
}
