//! The S3 operations: one file each, and the table that leads to them.
//!
//! Every file's head says what the operation promises, its steps in order, the rows and chunks it
//! writes, where it may be acknowledged, and what cleans up after a crash between two steps.
//! Must not know: signatures, how anything is stored.

mod abort_multipart_upload;
mod complete_multipart_upload;
mod copy_object;
mod create_bucket;
mod create_multipart_upload;
mod delete_absent_configuration;
mod delete_bucket;
mod delete_object;
mod delete_object_tagging;
mod delete_objects;
mod get_absent_configuration;
mod get_bucket_acl;
mod get_bucket_location;
mod get_bucket_ownership_controls;
mod get_bucket_versioning;
mod get_object;
mod get_object_acl;
mod get_object_attributes;
mod get_object_legal_hold;
mod get_object_lock_configuration;
mod get_object_retention;
mod get_object_tagging;
mod head_bucket;
mod head_object;
mod list_buckets;
mod list_multipart_uploads;
mod list_object_versions;
mod list_objects;
mod list_objects_v2;
mod list_parts;
mod of_version;
mod put_bucket_acl;
mod put_bucket_versioning;
mod put_object;
mod put_object_acl;
mod put_object_legal_hold;
mod put_object_lock_configuration;
mod put_object_retention;
mod put_object_tagging;
mod upload_part;
mod upload_part_copy;

use crate::auth::Authenticated;
use crate::metrics::Trace;
use crate::pipeline::{Gateway, carry_out};
use crate::response::Response;
use crate::s3::error::Result;
use crate::s3::operation::Operation;

/// Carries out the operation that a request was found to mean.
pub async fn dispatch(
    operation: Operation,
    gateway: &Gateway,
    authenticated: Authenticated,
    trace: &mut Trace,
) -> Result<Response> {
    macro_rules! table {
        ($($name:ident => $module:ident,)*) => {
            match operation {
                $(Operation::$name => carry_out::<$module::$name>(gateway, authenticated, trace).await,)*
            }
        };
    }
    table! {
        AbortMultipartUpload => abort_multipart_upload,
        CompleteMultipartUpload => complete_multipart_upload,
        CopyObject => copy_object,
        CreateBucket => create_bucket,
        CreateMultipartUpload => create_multipart_upload,
        DeleteAbsentConfiguration => delete_absent_configuration,
        DeleteBucket => delete_bucket,
        DeleteObject => delete_object,
        DeleteObjectTagging => delete_object_tagging,
        DeleteObjects => delete_objects,
        GetAbsentConfiguration => get_absent_configuration,
        GetBucketAcl => get_bucket_acl,
        GetBucketLocation => get_bucket_location,
        GetBucketOwnershipControls => get_bucket_ownership_controls,
        GetBucketVersioning => get_bucket_versioning,
        GetObject => get_object,
        GetObjectAcl => get_object_acl,
        GetObjectAttributes => get_object_attributes,
        GetObjectLegalHold => get_object_legal_hold,
        GetObjectLockConfiguration => get_object_lock_configuration,
        GetObjectRetention => get_object_retention,
        GetObjectTagging => get_object_tagging,
        HeadBucket => head_bucket,
        HeadObject => head_object,
        ListBuckets => list_buckets,
        ListMultipartUploads => list_multipart_uploads,
        ListObjectVersions => list_object_versions,
        ListObjects => list_objects,
        ListObjectsV2 => list_objects_v2,
        ListParts => list_parts,
        PutBucketAcl => put_bucket_acl,
        PutBucketVersioning => put_bucket_versioning,
        PutObject => put_object,
        PutObjectAcl => put_object_acl,
        PutObjectLegalHold => put_object_legal_hold,
        PutObjectLockConfiguration => put_object_lock_configuration,
        PutObjectRetention => put_object_retention,
        PutObjectTagging => put_object_tagging,
        UploadPart => upload_part,
        UploadPartCopy => upload_part_copy,
    }
}
