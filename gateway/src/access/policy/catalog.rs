//! The actions and condition keys that a bucket policy can name.
//!
//! Follows <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html>, its actions on
//! buckets and objects.

/// How every resource of a bucket policy begins.
pub(super) const BUCKET_ARN: &str = "arn:aws:s3:::";

/// On what an action is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ActionOf {
    Bucket,
    Object,
}

/// An action, in lower case.
#[derive(Debug)]
pub(super) struct CatalogAction {
    pub(super) name: &'static str,
    pub(super) of: ActionOf,
}

macro_rules! actions {
    ($($of:ident: $($name:literal)*;)*) => {
        pub(super) const ACTIONS: &[CatalogAction] = &[
            $($(CatalogAction { name: concat!("s3:", $name), of: ActionOf::$of },)*)*
        ];
    };
}

actions! {
    Bucket:
        "deletebucket" "deletebucketpolicy" "deletebucketwebsite" "getaccelerateconfiguration"
        "getanalyticsconfiguration" "getbucketabac" "getbucketacl" "getbucketcors" "getbucketlocation"
        "getbucketlogging" "getbucketmetadatatableconfiguration" "getbucketnotification"
        "getbucketobjectlockconfiguration" "getbucketownershipcontrols" "getbucketpolicy" "getbucketpolicystatus"
        "getbucketpublicaccessblock" "getbucketrequestpayment" "getbuckettagging" "getbucketversioning"
        "getbucketwebsite" "getencryptionconfiguration" "getintelligenttieringconfiguration"
        "getinventoryconfiguration" "getlifecycleconfiguration" "getmetricsconfiguration"
        "getreplicationconfiguration" "listbucket" "listbucketmultipartuploads" "listbucketversions"
        "putaccelerateconfiguration" "putanalyticsconfiguration" "putbucketabac" "putbucketacl" "putbucketcors"
        "putbucketlogging" "putbucketnotification" "putbucketobjectlockconfiguration" "putbucketownershipcontrols"
        "putbucketpolicy" "putbucketpublicaccessblock" "putbucketrequestpayment" "putbuckettagging"
        "putbucketversioning" "putbucketwebsite" "putencryptionconfiguration" "putintelligenttieringconfiguration"
        "putinventoryconfiguration" "putlifecycleconfiguration" "putmetricsconfiguration"
        "putreplicationconfiguration" "createbucketmetadatatableconfiguration"
        "deletebucketmetadatatableconfiguration" "listtagsforresource" "tagresource" "untagresource";
    Object:
        "abortmultipartupload" "bypassgovernanceretention" "deleteobject" "deleteobjecttagging" "deleteobjectversion"
        "deleteobjectversiontagging" "getobject" "getobjectacl" "getobjectattributes" "getobjectlegalhold"
        "getobjectretention" "getobjecttagging" "getobjecttorrent" "getobjectversion" "getobjectversionacl"
        "getobjectversionattributes" "getobjectversionforreplication" "getobjectversiontagging"
        "getobjectversiontorrent" "initiatereplication" "listmultipartuploadparts" "objectowneroverridetobucketowner"
        "putobject" "putobjectacl" "putobjectlegalhold" "putobjectretention" "putobjecttagging" "putobjectversionacl"
        "putobjectversiontagging" "replicatedelete" "replicateobject" "replicatetags" "restoreobject"
        "updateobjectencryption";
}

const LISTS: &[&str] = &["s3:listbucket", "s3:listbucketversions"];
const READS_OF_OBJECTS: &[&str] = &[
    "s3:deleteobject",
    "s3:deleteobjecttagging",
    "s3:deleteobjectversion",
    "s3:deleteobjectversiontagging",
    "s3:getobject",
    "s3:getobjectacl",
    "s3:getobjectattributes",
    "s3:getobjecttagging",
    "s3:getobjectversion",
    "s3:getobjectversionacl",
    "s3:getobjectversionattributes",
    "s3:getobjectversiontagging",
    "s3:putobjectacl",
    "s3:putobjecttagging",
    "s3:putobjectversionacl",
    "s3:putobjectversiontagging",
    "s3:restoreobject",
];
const TAGGED_WRITES: &[&str] = &["s3:putobject", "s3:putobjecttagging", "s3:putobjectversiontagging"];
const WRITES: &[&str] = &["s3:putobject"];
const GRANTS: &[&str] = &["s3:putobject", "s3:putobjectacl", "s3:putobjectversionacl", "s3:putbucketacl"];
const VERSIONS: &[&str] = &[
    "s3:deleteobjectversion",
    "s3:deleteobjectversiontagging",
    "s3:getobject",
    "s3:getobjectversion",
    "s3:getobjectversionacl",
    "s3:getobjectversionattributes",
    "s3:getobjectversiontagging",
    "s3:putobject",
    "s3:putobjectversionacl",
    "s3:putobjectversiontagging",
];
const LOCKS: &[&str] = &[
    "s3:putobject",
    "s3:putobjectlegalhold",
    "s3:putobjectretention",
    "s3:putbucketobjectlockconfiguration",
    "s3:bypassgovernanceretention",
];
const ANY: &[&str] = &[];

/// The actions that have a key, of those of the service; none means that all have it. `None` for a key that is not one.
pub(super) fn actions_with_key(key: &str) -> Option<&'static [&'static str]> {
    Some(match key.strip_prefix("s3:")? {
        "prefix" | "delimiter" | "max-keys" => LISTS,
        "existingobjecttag" => READS_OF_OBJECTS,
        "requestobjecttag" | "requestobjecttagkeys" => TAGGED_WRITES,
        "x-amz-acl"
        | "x-amz-grant-full-control"
        | "x-amz-grant-read"
        | "x-amz-grant-read-acp"
        | "x-amz-grant-write"
        | "x-amz-grant-write-acp" => GRANTS,
        "x-amz-copy-source"
        | "x-amz-metadata-directive"
        | "x-amz-storage-class"
        | "x-amz-server-side-encryption"
        | "x-amz-server-side-encryption-aws-kms-key-id"
        | "x-amz-server-side-encryption-customer-algorithm"
        | "x-amz-website-redirect-location"
        | "if-match"
        | "if-none-match"
        | "objectcreationoperation" => WRITES,
        "versionid" => VERSIONS,
        "object-lock-mode"
        | "object-lock-retain-until-date"
        | "object-lock-remaining-retention-days"
        | "object-lock-legal-hold" => LOCKS,
        "authtype"
        | "signatureversion"
        | "signatureage"
        | "x-amz-content-sha256"
        | "tlsversion"
        | "resourceaccount"
        | "dataaccesspointaccount"
        | "dataaccesspointarn"
        | "accesspointnetworkorigin"
        | "locationconstraint"
        | "bucketnamespace"
        | "inventoryaccessibleoptionalfields" => ANY,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_of_actions_that_exist() {
        for actions in [LISTS, READS_OF_OBJECTS, TAGGED_WRITES, WRITES, GRANTS, VERSIONS, LOCKS] {
            for action in actions {
                assert!(ACTIONS.iter().any(|known| known.name == *action), "{action}");
            }
        }
    }
}
