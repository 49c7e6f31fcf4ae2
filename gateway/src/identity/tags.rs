//! Tags of users, roles and managed policies.

use couronne_metadata::system::identity::{RoleRow, TAGS_MAX, Tag, UserRow};

use super::{Account, Identity, IdentityError};

/// What tags are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tagged<'a> {
    /// The user of this name.
    User(&'a str),
    /// The role of this name.
    Role(&'a str),
    /// The managed policy of this ARN.
    Policy(&'a str),
}

impl Identity {
    /// Sets tags: of a key that is there already the value is another one then.
    pub async fn tag(&self, account: &Account, of: Tagged<'_>, tags: &[Tag]) -> Result<(), IdentityError> {
        check_tags(tags)?;
        self.change_tags(account, of, |all| {
            for tag in tags {
                all.retain(|known| !known.key.eq_ignore_ascii_case(&tag.key));
                all.push(tag.clone());
            }
            check_tags(all)
        })
        .await
    }

    /// Removes the tags of these keys; a key that has none is no error.
    pub async fn untag(&self, account: &Account, of: Tagged<'_>, keys: &[&str]) -> Result<(), IdentityError> {
        self.change_tags(account, of, |all| {
            all.retain(|tag| !keys.iter().any(|key| key.eq_ignore_ascii_case(&tag.key)));
            Ok(())
        })
        .await
    }

    async fn change_tags(
        &self,
        account: &Account,
        of: Tagged<'_>,
        change: impl Fn(&mut Vec<Tag>) -> Result<(), IdentityError>,
    ) -> Result<(), IdentityError> {
        match of {
            Tagged::User(name) => {
                let changed = self.change::<UserRow>(&account.id, name, |row| change(&mut row.tags).map(|()| true));
                changed.await.map(|_| ())
            }
            Tagged::Role(name) => {
                let changed = self.change::<RoleRow>(&account.id, name, |row| change(&mut row.tags).map(|()| true));
                changed.await.map(|_| ())
            }
            Tagged::Policy(arn) => {
                let changed = self.change_policy(account, arn, |row| change(&mut row.tags).map(|()| true));
                changed.await.map(|_| ())
            }
        }
    }
}

/// Whether these may be all tags of something: IAM's limits; no two keys differ in case alone.
pub(super) fn check_tags(tags: &[Tag]) -> Result<(), IdentityError> {
    if tags.len() > TAGS_MAX {
        return Err(IdentityError::Limit { what: "tags", max: TAGS_MAX });
    }
    for (at, Tag { key, value }) in tags.iter().enumerate() {
        if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 {
            return Err(IdentityError::Invalid("a tag has a key of 1 to 128 characters and a value of up to 256"));
        }
        if tags.iter().take(at).any(|other| other.key.eq_ignore_ascii_case(key)) {
            return Err(IdentityError::Invalid("a tag's key is given twice"));
        }
    }
    Ok(())
}
