//! How lists, object ownership and public access blocks are written down where they are kept.
//!
//! Must not know: where that is.

use couronne_base::codec::table::{choice, record};

use super::acl::{AccessControlList, Grant, Grantee, GranteeGroup, Permission};
use super::ownership::ObjectOwnership;
use super::public_access::PublicAccessBlock;

record! { AccessControlList { 1 owner, 2 grants } }
record! { Grant { 1 grantee, 2 permission } }
choice! { Grantee { 1 Account(1 id), 2 Group(1 group) } }
choice! { GranteeGroup { 1 AllUsers, 2 AuthenticatedUsers, 3 LogDelivery } }
choice! { Permission { 1 Read, 2 Write, 3 ReadAcp, 4 WriteAcp, 5 FullControl } }
choice! { ObjectOwnership { 1 BucketOwnerEnforced, 2 BucketOwnerPreferred, 3 ObjectWriter } }
record! { PublicAccessBlock {
    1 block_public_acls, 2 ignore_public_acls, 3 block_public_policy, 4 restrict_public_buckets
} }

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::acl::{AclOf, CannedAcl};
    use couronne_base::codec::{decode, encode};

    #[test]
    fn what_was_written_is_read_again() {
        for canned in CannedAcl::ALL {
            let list = canned.grants(AclOf::Bucket, "me", "them");
            assert_eq!(decode::<AccessControlList>(&encode(&list)), Ok(list));
        }
        for ownership in ["BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"] {
            let ownership = ObjectOwnership::parse(ownership).unwrap();
            assert_eq!(decode::<ObjectOwnership>(&encode(&ownership)), Ok(ownership));
        }
        let block = PublicAccessBlock { ignore_public_acls: true, ..PublicAccessBlock::default() };
        for block in [block, PublicAccessBlock::ALL, PublicAccessBlock::default()] {
            assert_eq!(decode::<PublicAccessBlock>(&encode(&block)), Ok(block));
        }
        assert!(decode::<AccessControlList>(&bytes::Bytes::from_static(b"\xff")).is_err());
    }
}
