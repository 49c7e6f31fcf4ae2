//! Which permission of which list allows which action.
//!
//! Follows <https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html>, "Mapping of ACL permissions and
//! access policy permissions".

use super::Permission;

/// Of what a list is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AclOf {
    /// A bucket.
    Bucket,
    /// An object.
    Object,
}

/// The list and the permission that allow an action, by its name in lower case without service; `None` where no list
/// can.
pub fn permission_for(action: &str) -> Option<(AclOf, Permission)> {
    Some(match action {
        "listbucket" | "listbucketversions" | "listbucketmultipartuploads" => (AclOf::Bucket, Permission::Read),
        "putobject" => (AclOf::Bucket, Permission::Write),
        // Of the grantees only the one that owns the object may: the decision sees to that.
        "deleteobject" => (AclOf::Bucket, Permission::Write),
        "getbucketacl" => (AclOf::Bucket, Permission::ReadAcp),
        "putbucketacl" => (AclOf::Bucket, Permission::WriteAcp),
        "getobject" | "getobjectversion" => (AclOf::Object, Permission::Read),
        "getobjectacl" | "getobjectversionacl" => (AclOf::Object, Permission::ReadAcp),
        "putobjectacl" | "putobjectversionacl" => (AclOf::Object, Permission::WriteAcp),
        _ => return None,
    })
}
