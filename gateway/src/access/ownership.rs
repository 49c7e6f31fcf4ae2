//! Whose an object is that somebody writes, and what becomes of ACLs: S3's Object Ownership.
//!
//! Follows <https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html>.

/// The setting of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectOwnership {
    /// The bucket's owner owns every object, and ACLs do not count.
    BucketOwnerEnforced,
    /// The bucket's owner owns new objects that are written with the canned ACL `bucket-owner-full-control`.
    BucketOwnerPreferred,
    /// The account that writes an object owns it.
    ObjectWriter,
}

impl ObjectOwnership {
    const ALL: [Self; 3] = [Self::BucketOwnerEnforced, Self::BucketOwnerPreferred, Self::ObjectWriter];

    /// The name as requests write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BucketOwnerEnforced => "BucketOwnerEnforced",
            Self::BucketOwnerPreferred => "BucketOwnerPreferred",
            Self::ObjectWriter => "ObjectWriter",
        }
    }

    /// The setting of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|ownership| ownership.name() == name)
    }

    /// Whether ACLs grant anything.
    pub const fn acls_count(self) -> bool {
        !matches!(self, Self::BucketOwnerEnforced)
    }

    /// Whether the bucket's owner, and not the writer, owns an object that is written now.
    pub const fn gives_to_bucket_owner(self, with_full_control_for_bucket_owner: bool) -> bool {
        match self {
            Self::BucketOwnerEnforced => true,
            Self::BucketOwnerPreferred => with_full_control_for_bucket_owner,
            Self::ObjectWriter => false,
        }
    }
}
