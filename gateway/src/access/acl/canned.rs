//! Canned ACLs: named lists, made into grants.
//!
//! Follows <https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#canned-acl>.

use super::{AccessControlList, AclOf, Grant, Grantee, GranteeGroup, Permission};

/// The canonical id of the account that `aws-exec-read` grants reading to. It is nobody's here.
const EXEC_READER: &str = "6aa5a366c34c1cbe25dc49211496e913e0351eb0e8c37aa3477e40942ec6b97c";

macro_rules! canned {
    ($($name:ident $text:literal,)*) => {
        /// The name of a list.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum CannedAcl {
            $(#[doc = concat!("`", $text, "`")] $name,)*
        }

        impl CannedAcl {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name as requests write it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

canned! {
    Private "private",
    PublicRead "public-read",
    PublicReadWrite "public-read-write",
    AuthenticatedRead "authenticated-read",
    AwsExecRead "aws-exec-read",
    BucketOwnerRead "bucket-owner-read",
    BucketOwnerFullControl "bucket-owner-full-control",
    LogDeliveryWrite "log-delivery-write",
}

impl CannedAcl {
    /// The list of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|canned| canned.name() == name).copied()
    }

    /// Its grants, on a bucket or an object of `owner`. Both owners are canonical ids. What does not apply to a bucket is
    /// ignored there.
    pub fn grants(self, of: AclOf, owner: &str, bucket_owner: &str) -> AccessControlList {
        let account = |id: &str| Grantee::Account(id.into());
        let (all, authenticated) = (GranteeGroup::AllUsers, GranteeGroup::AuthenticatedUsers);
        let logs = || Grantee::Group(GranteeGroup::LogDelivery);
        let more = match (self, of) {
            (Self::PublicRead, _) => vec![(Grantee::Group(all), Permission::Read)],
            (Self::PublicReadWrite, _) => {
                vec![(Grantee::Group(all), Permission::Read), (Grantee::Group(all), Permission::Write)]
            }
            (Self::AuthenticatedRead, _) => vec![(Grantee::Group(authenticated), Permission::Read)],
            (Self::AwsExecRead, _) => vec![(account(EXEC_READER), Permission::Read)],
            (Self::BucketOwnerRead, AclOf::Object) if owner != bucket_owner => {
                vec![(account(bucket_owner), Permission::Read)]
            }
            (Self::BucketOwnerFullControl, AclOf::Object) if owner != bucket_owner => {
                vec![(account(bucket_owner), Permission::FullControl)]
            }
            (Self::LogDeliveryWrite, AclOf::Bucket) => {
                vec![(logs(), Permission::Write), (logs(), Permission::ReadAcp)]
            }
            _ => Vec::new(),
        };
        let grants = std::iter::once((account(owner), Permission::FullControl)).chain(more);
        let grants = grants.map(|(grantee, permission)| Grant { grantee, permission }).collect();
        AccessControlList { owner: owner.into(), grants }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(canned: &str, of: AclOf) -> String {
        let list = CannedAcl::parse(canned).unwrap().grants(of, "me", "them");
        let grants = list.grants.iter().map(|grant| match &grant.grantee {
            Grantee::Account(id) if &**id == EXEC_READER => format!("exec:{:?}", grant.permission),
            Grantee::Account(id) => format!("{id}:{:?}", grant.permission),
            Grantee::Group(group) => format!("{group:?}:{:?}", grant.permission),
        });
        grants.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn each_name_has_its_grants() {
        for (canned, of, expected) in [
            ("private", AclOf::Bucket, "me:FullControl"),
            ("public-read", AclOf::Object, "me:FullControl AllUsers:Read"),
            ("public-read-write", AclOf::Bucket, "me:FullControl AllUsers:Read AllUsers:Write"),
            ("authenticated-read", AclOf::Bucket, "me:FullControl AuthenticatedUsers:Read"),
            ("aws-exec-read", AclOf::Object, "me:FullControl exec:Read"),
            ("bucket-owner-read", AclOf::Object, "me:FullControl them:Read"),
            ("bucket-owner-read", AclOf::Bucket, "me:FullControl"),
            ("bucket-owner-full-control", AclOf::Object, "me:FullControl them:FullControl"),
            ("bucket-owner-full-control", AclOf::Bucket, "me:FullControl"),
            ("log-delivery-write", AclOf::Bucket, "me:FullControl LogDelivery:Write LogDelivery:ReadAcp"),
            ("log-delivery-write", AclOf::Object, "me:FullControl"),
        ] {
            assert_eq!(shown(canned, of), expected, "{canned} on {of:?}");
        }
        assert_eq!(CannedAcl::parse("Private"), None);
        let own = CannedAcl::BucketOwnerFullControl.grants(AclOf::Object, "me", "me");
        assert_eq!(own.grants.len(), 1, "an owner is granted everything once");
    }

    #[test]
    fn lists_are_public_by_their_groups() {
        let public: Vec<_> = CannedAcl::ALL
            .iter()
            .filter(|canned| canned.grants(AclOf::Bucket, "me", "me").is_public())
            .map(|canned| canned.name())
            .collect();
        assert_eq!(public, ["public-read", "public-read-write", "authenticated-read"]);
        let list = CannedAcl::PublicReadWrite.grants(AclOf::Bucket, "me", "me");
        assert_eq!(list.without_public_grants(), CannedAcl::Private.grants(AclOf::Bucket, "me", "me"));
    }
}
