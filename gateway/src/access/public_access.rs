//! The public access block of a bucket and of an account.
//!
//! Follows <https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html>.
//! Must not know: what makes a policy or an ACL public.

/// Four settings, each on its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PublicAccessBlock {
    /// Writes that carry a public ACL are refused.
    pub block_public_acls: bool,
    /// What ACLs grant to everybody, or to everybody who signs, does not count.
    pub ignore_public_acls: bool,
    /// A public bucket policy is refused when it is put.
    pub block_public_policy: bool,
    /// A bucket with a public policy serves its owner's account and services only.
    pub restrict_public_buckets: bool,
}

impl PublicAccessBlock {
    /// All four.
    pub const ALL: Self = Self {
        block_public_acls: true,
        ignore_public_acls: true,
        block_public_policy: true,
        restrict_public_buckets: true,
    };

    /// The most restrictive combination: of a bucket's and its account's.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            block_public_acls: self.block_public_acls || other.block_public_acls,
            ignore_public_acls: self.ignore_public_acls || other.ignore_public_acls,
            block_public_policy: self.block_public_policy || other.block_public_policy,
            restrict_public_buckets: self.restrict_public_buckets || other.restrict_public_buckets,
        }
    }
}
