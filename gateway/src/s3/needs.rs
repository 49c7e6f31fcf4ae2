//! What a request for an operation needs to be allowed: S3's actions, those on versions, and those of what its headers ask
//! for beside.
//!
//! Follows <https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html>.
//! Must not know: who asks.

use std::borrow::Cow;

use super::address::Request;
use super::operation::Operation;
use super::ops::object::deleting;
use super::wire::copy_source::CopySource;
use super::wire::parameters;
use super::wire::values::header_text;
use super::wire::version_text::parse_version;
use crate::access::acl::CannedAcl;
use crate::front::resources::BucketRole;
use crate::front::{Need, NeededOn};

/// The actions on a version that is named, beside those on the current one.
const OF_VERSIONS: [(&str, &str); 7] = [
    ("s3:GetObject", "s3:GetObjectVersion"),
    ("s3:GetObjectAcl", "s3:GetObjectVersionAcl"),
    ("s3:GetObjectAttributes", "s3:GetObjectVersionAttributes"),
    ("s3:GetObjectTagging", "s3:GetObjectVersionTagging"),
    ("s3:PutObjectAcl", "s3:PutObjectVersionAcl"),
    ("s3:PutObjectTagging", "s3:PutObjectVersionTagging"),
    ("s3:DeleteObjectTagging", "s3:DeleteObjectVersionTagging"),
];

/// What headers of a new object ask for.
const OF_NEW_OBJECTS: [(&str, &str); 9] = [
    ("x-amz-tagging", "s3:PutObjectTagging"),
    ("x-amz-acl", "s3:PutObjectAcl"),
    ("x-amz-grant-full-control", "s3:PutObjectAcl"),
    ("x-amz-grant-read", "s3:PutObjectAcl"),
    ("x-amz-grant-read-acp", "s3:PutObjectAcl"),
    ("x-amz-grant-write-acp", "s3:PutObjectAcl"),
    ("x-amz-object-lock-mode", "s3:PutObjectRetention"),
    ("x-amz-object-lock-retain-until-date", "s3:PutObjectRetention"),
    ("x-amz-object-lock-legal-hold", "s3:PutObjectLegalHold"),
];

/// What headers of a new bucket ask for.
const OF_NEW_BUCKETS: [(&str, &str); 9] = [
    ("x-amz-acl", "s3:PutBucketAcl"),
    ("x-amz-grant-full-control", "s3:PutBucketAcl"),
    ("x-amz-grant-read", "s3:PutBucketAcl"),
    ("x-amz-grant-read-acp", "s3:PutBucketAcl"),
    ("x-amz-grant-write", "s3:PutBucketAcl"),
    ("x-amz-grant-write-acp", "s3:PutBucketAcl"),
    ("x-amz-object-ownership", "s3:PutBucketOwnershipControls"),
    ("x-amz-bucket-object-lock-enabled", "s3:PutBucketVersioning"),
    ("x-amz-bucket-object-lock-enabled", "s3:PutBucketObjectLockConfiguration"),
];

/// What the operation needs in the bucket of this role. DeleteObjects needs nothing of a bucket: of each key that it names
/// it is asked then ([`deleting::needs`]). ListBuckets lists what its caller may list.
pub(super) fn of_operation(request: &Request, operation: Operation, role: BucketRole) -> Vec<Need<'_>> {
    let served = operation.served();
    match (role, operation) {
        (_, Operation::DeleteObjects | Operation::ListBuckets) => Vec::new(),
        (
            _,
            Operation::GetAccountPublicAccessBlock
            | Operation::PutAccountPublicAccessBlock
            | Operation::DeleteAccountPublicAccessBlock,
        ) => vec![Need { action: served.action, on: NeededOn::AllBuckets }],
        (BucketRole::Source, _) => of_source(request, served.source_action.unwrap_or(served.action)),
        (BucketRole::Target, Operation::CreateBucket) => {
            let name = request.bucket.as_ref().map_or("", |name| name.as_str());
            let beside = asked_for(request, &OF_NEW_BUCKETS);
            let need = |action| Need { action, on: NeededOn::NewBucket(name) };
            std::iter::once(served.action).chain(beside).map(need).collect()
        }
        (BucketRole::Target, _) => of_target(request, operation),
    }
}

fn of_target(request: &Request, operation: Operation) -> Vec<Need<'_>> {
    let Some(key) = &request.key else {
        return vec![Need { action: operation.served().action, on: NeededOn::Bucket }];
    };
    let key: Cow<'_, str> = key.as_str().into();
    let version = parameters::version(request).ok().flatten();
    let own = on_version(operation.served().action, version.is_some());
    let mut actions = vec![own];
    let mut is_new = false;
    match operation {
        Operation::PutObject | Operation::PostObject | Operation::CopyObject | Operation::CreateMultipartUpload => {
            actions.extend(asked_for(request, &OF_NEW_OBJECTS));
            is_new = true;
        }
        Operation::UploadPart
        | Operation::UploadPartCopy
        | Operation::CompleteMultipartUpload
        | Operation::AbortMultipartUpload
        | Operation::ListParts => is_new = true,
        Operation::DeleteObject => actions = deleting::needs(request, version.is_some()).collect(),
        Operation::PutObjectRetention => actions.extend(deleting::needs(request, false).skip(1)),
        Operation::GetObjectAttributes => actions.push(on_version("s3:GetObject", version.is_some())),
        _ => {}
    }
    let with_full_control = gives_full_control(request);
    actions.dedup();
    let on = |action| {
        if is_new {
            // The list of an object is its owner's to set.
            NeededOn::NewKey { key: key.clone(), with_full_control, for_its_owner: action == "s3:PutObjectAcl" }
        } else {
            NeededOn::Key { key: key.clone(), version }
        }
    };
    actions.into_iter().map(|action| Need { action, on: on(action) }).collect()
}

/// Whether a new object is to be written with full control for the bucket's owner.
fn gives_full_control(request: &Request) -> bool {
    let canned = header_text(&request.headers, "x-amz-acl").ok().flatten();
    canned.and_then(CannedAcl::parse) == Some(CannedAcl::BucketOwnerFullControl)
}

fn of_source<'a>(request: &'a Request, action: &'static str) -> Vec<Need<'a>> {
    let source = header_text(&request.headers, "x-amz-copy-source").ok().flatten();
    let Some(source) = source.and_then(|text| CopySource::parse(text).ok()) else {
        // A handler that copies has read it before.
        return vec![Need { action, on: NeededOn::Bucket }];
    };
    let key = String::from_utf8_lossy(&source.key).into_owned().into();
    // One that is none is refused where the source is opened.
    let version = source.version.as_deref().and_then(parse_version);
    vec![Need { action: on_version(action, source.version.is_some()), on: NeededOn::Key { key, version } }]
}

fn on_version(action: &'static str, has_version: bool) -> &'static str {
    let of_version = OF_VERSIONS.iter().find(|(plain, _)| has_version && *plain == action);
    of_version.map_or(action, |(_, of_version)| of_version)
}

fn asked_for<'a>(request: &'a Request, of: &'a [(&str, &'static str)]) -> impl Iterator<Item = &'static str> + 'a {
    of.iter().filter(|(header, _)| request.headers.contains_key(*header)).map(|(_, action)| *action)
}
