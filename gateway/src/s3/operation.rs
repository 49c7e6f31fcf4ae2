//! Which S3 operation a request means: the routing table.
//!
//! A request's method, the depth of its path (service, bucket, object), its sub-resource and a few
//! headers decide; nothing else does. The table names every operation that S3 defines. One that is not
//! served here, or a sub-resource that nobody knows, is [`Route::Lacking`] and answers 501
//! `NotImplemented`: a `PUT ?policy` must never be taken for the creation of a bucket.
//! Must not know: signatures, the engine, bodies.

use http::{HeaderMap, Method};

/// Declares the served operations with their S3 names, so that no list can forget one.
macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// An S3 operation that is served. The names are S3's own.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Operation {
            $($(#[$doc])* $name,)*
        }

        impl Operation {
            /// All of them, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The operation's name as S3 writes it: span name, metric label, access decision.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }
    };
}

operations! {
    /// `GET /`
    ListBuckets,
    /// `PUT /bucket`
    CreateBucket,
    /// `HEAD /bucket`
    HeadBucket,
    /// `DELETE /bucket`
    DeleteBucket,
    /// `GET /bucket?location`
    GetBucketLocation,
    /// `GET /bucket?versioning`
    GetBucketVersioning,
    /// `PUT /bucket?versioning`
    PutBucketVersioning,
    /// `GET /bucket?acl`
    GetBucketAcl,
    /// `PUT /bucket?acl`
    PutBucketAcl,
    /// `GET /bucket?ownershipControls`
    GetBucketOwnershipControls,
    /// `GET /bucket?object-lock`
    GetObjectLockConfiguration,
    /// `PUT /bucket?object-lock`
    PutObjectLockConfiguration,
    /// `GET /bucket?policy`, `?tagging`, ...: a configuration that no bucket has yet
    GetAbsentConfiguration,
    /// `DELETE /bucket?policy`, `?tagging`, ...: the same
    DeleteAbsentConfiguration,
    /// `GET /bucket`
    ListObjects,
    /// `GET /bucket?list-type=2`
    ListObjectsV2,
    /// `GET /bucket?versions`
    ListObjectVersions,
    /// `GET /bucket?uploads`
    ListMultipartUploads,
    /// `POST /bucket?delete`
    DeleteObjects,
    /// `PUT /bucket/key`
    PutObject,
    /// `GET /bucket/key`
    GetObject,
    /// `HEAD /bucket/key`
    HeadObject,
    /// `DELETE /bucket/key`
    DeleteObject,
    /// `PUT /bucket/key` with `x-amz-copy-source`
    CopyObject,
    /// `GET /bucket/key?attributes`
    GetObjectAttributes,
    /// `GET /bucket/key?acl`
    GetObjectAcl,
    /// `PUT /bucket/key?acl`
    PutObjectAcl,
    /// `GET /bucket/key?tagging`
    GetObjectTagging,
    /// `PUT /bucket/key?tagging`
    PutObjectTagging,
    /// `DELETE /bucket/key?tagging`
    DeleteObjectTagging,
    /// `GET /bucket/key?retention`
    GetObjectRetention,
    /// `PUT /bucket/key?retention`
    PutObjectRetention,
    /// `GET /bucket/key?legal-hold`
    GetObjectLegalHold,
    /// `PUT /bucket/key?legal-hold`
    PutObjectLegalHold,
    /// `POST /bucket/key?uploads`
    CreateMultipartUpload,
    /// `PUT /bucket/key?partNumber=N&uploadId=U`
    UploadPart,
    /// `PUT /bucket/key?partNumber=N&uploadId=U` with `x-amz-copy-source`
    UploadPartCopy,
    /// `POST /bucket/key?uploadId=U`
    CompleteMultipartUpload,
    /// `DELETE /bucket/key?uploadId=U`
    AbortMultipartUpload,
    /// `GET /bucket/key?uploadId=U`
    ListParts,
}

/// How deep a request's path reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// `/`
    Service,
    /// `/bucket`
    Bucket,
    /// `/bucket/key`
    Object,
}

/// Where a request leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// To an operation.
    Serve(Operation),
    /// To something that S3 defines, or may define one day, and that is not served: 501.
    Lacking(&'static str),
    /// To a resource that has no such method: 405.
    NotAllowed,
    /// To two sub-resources at once: 400 `InvalidArgument`.
    Conflicting,
}

/// What tells the rows of one method and level apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Selector {
    /// No sub-resource.
    Plain,
    /// No sub-resource, and this query parameter has this value.
    Parameter(&'static str, &'static str),
    /// No sub-resource, and this header is present.
    Header(&'static str),
    /// This sub-resource.
    Sub(&'static str),
    /// This sub-resource, and this header is present.
    SubHeader(&'static str, &'static str),
}

struct Row(&'static str, Level, Selector, Route);

use Level::{Bucket, Object, Service};
use Operation as Op;
use Route::{Lacking, Serve};
use Selector::{Header, Parameter, Plain, Sub, SubHeader};

const COPY_SOURCE: &str = "x-amz-copy-source";

/// The table. Of the rows that match, the first wins.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    Row("GET", Service, Plain, Serve(Op::ListBuckets)),

    Row("PUT", Bucket, Plain, Serve(Op::CreateBucket)),
    Row("HEAD", Bucket, Plain, Serve(Op::HeadBucket)),
    Row("DELETE", Bucket, Plain, Serve(Op::DeleteBucket)),
    Row("POST", Bucket, Plain, Lacking("PostObject")),
    Row("OPTIONS", Bucket, Plain, Lacking("PreflightRequest")),
    Row("GET", Bucket, Parameter("list-type", "2"), Serve(Op::ListObjectsV2)),
    Row("GET", Bucket, Plain, Serve(Op::ListObjects)),
    Row("GET", Bucket, Sub("versions"), Serve(Op::ListObjectVersions)),
    Row("GET", Bucket, Sub("uploads"), Serve(Op::ListMultipartUploads)),
    Row("POST", Bucket, Sub("delete"), Serve(Op::DeleteObjects)),
    Row("GET", Bucket, Sub("location"), Serve(Op::GetBucketLocation)),
    Row("GET", Bucket, Sub("versioning"), Serve(Op::GetBucketVersioning)),
    Row("PUT", Bucket, Sub("versioning"), Serve(Op::PutBucketVersioning)),
    Row("GET", Bucket, Sub("acl"), Serve(Op::GetBucketAcl)),
    Row("PUT", Bucket, Sub("acl"), Serve(Op::PutBucketAcl)),
    Row("GET", Bucket, Sub("abac"), Lacking("GetBucketAbac")),
    Row("PUT", Bucket, Sub("abac"), Lacking("PutBucketAbac")),
    Row("GET", Bucket, Sub("accelerate"), Serve(Op::GetAbsentConfiguration)),
    Row("PUT", Bucket, Sub("accelerate"), Lacking("PutBucketAccelerateConfiguration")),
    Row("GET", Bucket, Sub("analytics"), Lacking("GetBucketAnalyticsConfiguration")),
    Row("PUT", Bucket, Sub("analytics"), Lacking("PutBucketAnalyticsConfiguration")),
    Row("DELETE", Bucket, Sub("analytics"), Lacking("DeleteBucketAnalyticsConfiguration")),
    Row("GET", Bucket, Sub("cors"), Serve(Op::GetAbsentConfiguration)),
    Row("PUT", Bucket, Sub("cors"), Lacking("PutBucketCors")),
    Row("DELETE", Bucket, Sub("cors"), Serve(Op::DeleteAbsentConfiguration)),
    Row("GET", Bucket, Sub("encryption"), Serve(Op::GetAbsentConfiguration)),
    Row("PUT", Bucket, Sub("encryption"), Lacking("PutBucketEncryption")),
    Row("DELETE", Bucket, Sub("encryption"), Serve(Op::DeleteAbsentConfiguration)),
    Row("GET", Bucket, Sub("intelligent-tiering"), Lacking("GetBucketIntelligentTieringConfiguration")),
    Row("PUT", Bucket, Sub("intelligent-tiering"), Lacking("PutBucketIntelligentTieringConfiguration")),
    Row("DELETE", Bucket, Sub("intelligent-tiering"), Lacking("DeleteBucketIntelligentTieringConfiguration")),
    Row("GET", Bucket, Sub("inventory"), Lacking("GetBucketInventoryConfiguration")),
    Row("PUT", Bucket, Sub("inventory"), Lacking("PutBucketInventoryConfiguration")),
    Row("DELETE", Bucket, Sub("inventory"), Lacking("DeleteBucketInventoryConfiguration")),
    Row("GET", Bucket, Sub("lifecycle"), Serve(Op::GetAbsentConfiguration)),
    Row("PUT", Bucket, Sub("lifecycle"), Lacking("PutBucketLifecycleConfiguration")),
    Row("DELETE", Bucket, Sub("lifecycle"), Serve(Op::DeleteAbsentConfiguration)),
    Row("GET", Bucket, Sub("logging"), Serve(Op::GetAbsentConfiguration)),
    Row("PUT", Bucket, Sub("logging"), Lacking("PutBucketLogging")),
    Row("GET", Bucket, Sub("metadataConfiguration"), Lacking("GetBucketMetadataConfiguration")),
    Row("POST", Bucket, Sub("metadataConfiguration"), Lacking("CreateBucketMetadataConfiguration")),
    Row("DELETE", Bucket, Sub("metadataConfiguration"), Lacking("DeleteBucketMetadataConfiguration")),
    Row("PUT", Bucket, Sub("metadataInventoryTable"), Lacking("UpdateBucketMetadataInventoryTableConfiguration")),
    Row("PUT", Bucket, Sub("metadataJournalTable"), Lacking("UpdateBucketMetadataJournalTableConfiguration")),
    Row("GET", Bucket, Sub("metadataTable"), Lacking("GetBucketMetadataTableConfiguration")),
    Row("POST", Bucket, Sub("metadataTable"), Lacking("CreateBucketMetadataTableConfiguration")),
    Row("DELETE", Bucket, Sub("metadataTable"), Lacking("DeleteBucketMetadataTableConfiguration")),
    Row("GET", Bucket, Sub("metrics"), Lacking("GetBucketMetricsConfiguration")),
    Row("PUT", Bucket, Sub("metrics"), Lacking("PutBucketMetricsConfiguration")),
    Row("DELETE", Bucket, Sub("metrics"), Lacking("DeleteBucketMetricsConfiguration")),
    Row("GET", Bucket, Sub("notification"), Serve(Op::GetAbsentConfiguration)),
    Row("PUT", Bucket, Sub("notification"), Lacking("PutBucketNotificationConfiguration")),
    Row("GET", Bucket, Sub("object-lock"), Serve(Op::GetObjectLockConfiguration)),
    Row("PUT", Bucket, Sub("object-lock"), Serve(Op::PutObjectLockConfiguration)),
    Row("GET", Bucket, Sub("ownershipControls"), Serve(Op::GetBucketOwnershipControls)),
    Row("PUT", Bucket, Sub("ownershipControls"), Lacking("PutBucketOwnershipControls")),
    Row("DELETE", Bucket, Sub("ownershipControls"), Lacking("DeleteBucketOwnershipControls")),
    Row("GET", Bucket, Sub("policy"), Serve(Op::GetAbsentConfiguration)),
    Row("PUT", Bucket, Sub("policy"), Lacking("PutBucketPolicy")),
    Row("DELETE", Bucket, Sub("policy"), Serve(Op::DeleteAbsentConfiguration)),
    Row("GET", Bucket, Sub("policyStatus"), Serve(Op::GetAbsentConfiguration)),
    Row("GET", Bucket, Sub("publicAccessBlock"), Serve(Op::GetAbsentConfiguration)),
    Row("PUT", Bucket, Sub("publicAccessBlock"), Lacking("PutPublicAccessBlock")),
    Row("DELETE", Bucket, Sub("publicAccessBlock"), Serve(Op::DeleteAbsentConfiguration)),
    Row("GET", Bucket, Sub("replication"), Serve(Op::GetAbsentConfiguration)),
    Row("PUT", Bucket, Sub("replication"), Lacking("PutBucketReplication")),
    Row("DELETE", Bucket, Sub("replication"), Serve(Op::DeleteAbsentConfiguration)),
    Row("GET", Bucket, Sub("requestPayment"), Serve(Op::GetAbsentConfiguration)),
    Row("PUT", Bucket, Sub("requestPayment"), Lacking("PutBucketRequestPayment")),
    Row("GET", Bucket, Sub("session"), Lacking("CreateSession")),
    Row("GET", Bucket, Sub("tagging"), Serve(Op::GetAbsentConfiguration)),
    Row("PUT", Bucket, Sub("tagging"), Lacking("PutBucketTagging")),
    Row("DELETE", Bucket, Sub("tagging"), Serve(Op::DeleteAbsentConfiguration)),
    Row("GET", Bucket, Sub("website"), Serve(Op::GetAbsentConfiguration)),
    Row("PUT", Bucket, Sub("website"), Lacking("PutBucketWebsite")),
    Row("DELETE", Bucket, Sub("website"), Serve(Op::DeleteAbsentConfiguration)),

    Row("PUT", Object, Header(COPY_SOURCE), Serve(Op::CopyObject)),
    Row("PUT", Object, Plain, Serve(Op::PutObject)),
    Row("GET", Object, Plain, Serve(Op::GetObject)),
    Row("HEAD", Object, Plain, Serve(Op::HeadObject)),
    Row("DELETE", Object, Plain, Serve(Op::DeleteObject)),
    Row("OPTIONS", Object, Plain, Lacking("PreflightRequest")),
    Row("POST", Object, Sub("uploads"), Serve(Op::CreateMultipartUpload)),
    Row("PUT", Object, SubHeader("uploadId", COPY_SOURCE), Serve(Op::UploadPartCopy)),
    Row("PUT", Object, Sub("uploadId"), Serve(Op::UploadPart)),
    Row("POST", Object, Sub("uploadId"), Serve(Op::CompleteMultipartUpload)),
    Row("DELETE", Object, Sub("uploadId"), Serve(Op::AbortMultipartUpload)),
    Row("GET", Object, Sub("uploadId"), Serve(Op::ListParts)),
    Row("GET", Object, Sub("attributes"), Serve(Op::GetObjectAttributes)),
    Row("GET", Object, Sub("acl"), Serve(Op::GetObjectAcl)),
    Row("PUT", Object, Sub("acl"), Serve(Op::PutObjectAcl)),
    Row("PUT", Object, Sub("encryption"), Lacking("UpdateObjectEncryption")),
    Row("GET", Object, Sub("legal-hold"), Serve(Op::GetObjectLegalHold)),
    Row("PUT", Object, Sub("legal-hold"), Serve(Op::PutObjectLegalHold)),
    Row("PUT", Object, Sub("renameObject"), Lacking("RenameObject")),
    Row("POST", Object, Sub("restore"), Lacking("RestoreObject")),
    Row("GET", Object, Sub("retention"), Serve(Op::GetObjectRetention)),
    Row("PUT", Object, Sub("retention"), Serve(Op::PutObjectRetention)),
    Row("POST", Object, Sub("select"), Lacking("SelectObjectContent")),
    Row("GET", Object, Sub("tagging"), Serve(Op::GetObjectTagging)),
    Row("PUT", Object, Sub("tagging"), Serve(Op::PutObjectTagging)),
    Row("DELETE", Object, Sub("tagging"), Serve(Op::DeleteObjectTagging)),
    Row("GET", Object, Sub("torrent"), Lacking("GetObjectTorrent")),
];

/// Query parameters that may stand empty without being a sub-resource.
const PARAMETERS: &[&str] = &[
    "allow-unordered",
    "continuation-token",
    "delimiter",
    "encoding-type",
    "fetch-owner",
    "key-marker",
    "list-type",
    "marker",
    "max-buckets",
    "max-keys",
    "max-parts",
    "max-uploads",
    "part-number-marker",
    "partNumber",
    "prefix",
    "bucket-region",
    "start-after",
    "upload-id-marker",
    "version-id-marker",
    "versionId",
    "x-id",
];

/// Finds the operation of a request.
///
/// `query` holds the decoded names and values; a name without `=` has an empty value.
pub fn route<'q>(
    method: &Method,
    level: Level,
    query: impl Iterator<Item = (&'q str, &'q str)> + Clone,
    headers: &HeaderMap,
) -> Route {
    let mut subs = query.clone().filter(|(name, value)| is_sub_resource(level, name, value)).map(|(name, _)| name);
    let sub = subs.next();
    if subs.next().is_some() {
        return Route::Conflicting;
    }
    if let Some(name) = sub
        && !is_known_sub(level, name)
    {
        return Lacking("UnknownSubResource");
    }
    ROWS.iter()
        .filter(|Row(row_method, row_level, ..)| *row_method == method.as_str() && *row_level == level)
        .find(|Row(_, _, selector, _)| match *selector {
            Plain => sub.is_none(),
            Parameter(name, value) => sub.is_none() && query.clone().any(|pair| pair == (name, value)),
            Header(name) => sub.is_none() && headers.contains_key(name),
            Sub(name) => sub == Some(name),
            SubHeader(name, header) => sub == Some(name) && headers.contains_key(header),
        })
        .map_or(Route::NotAllowed, |Row(.., route)| *route)
}

fn is_known_sub(level: Level, name: &str) -> bool {
    ROWS.iter().any(|Row(_, row_level, selector, _)| {
        *row_level == level && matches!(*selector, Sub(sub) | SubHeader(sub, _) if sub == name)
    })
}

/// A name in the table is a sub-resource whatever its value. Any other that stands without a value could
/// be one that S3 has and the table has not: it must not fall through to the plain operation.
fn is_sub_resource(level: Level, name: &str, value: &str) -> bool {
    if is_known_sub(level, name) {
        return true;
    }
    let signing = name.get(..6).is_some_and(|head| head.eq_ignore_ascii_case("x-amz-"));
    value.is_empty() && !signing && !name.starts_with("response-") && !PARAMETERS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &str, level: Level, query: &str, expect: Route) {
        check_with(method, level, query, &HeaderMap::new(), expect);
    }

    fn check_with(method: &str, level: Level, query: &str, headers: &HeaderMap, expect: Route) {
        let method = Method::from_bytes(method.as_bytes()).unwrap_or_default();
        let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|p| p.split_once('=').unwrap_or((p, "")));
        assert_eq!(route(&method, level, pairs, headers), expect, "{method} {level:?} {query}");
    }

    #[test]
    fn plain_requests_reach_their_operation() {
        check("GET", Service, "", Serve(Op::ListBuckets));
        check("GET", Service, "x-id=ListBuckets&max-buckets=5", Serve(Op::ListBuckets));
        check("GET", Bucket, "prefix=&delimiter=/&marker", Serve(Op::ListObjects));
        check("GET", Bucket, "list-type=2&prefix=", Serve(Op::ListObjectsV2));
        check("PUT", Object, "X-Amz-Signature=&X-Amz-Expires=5", Serve(Op::PutObject));
        check("GET", Object, "response-content-type=&versionId=null&unheard-of=1", Serve(Op::GetObject));
        check("PUT", Object, "partNumber=1&uploadId=u", Serve(Op::UploadPart));
        check("POST", Object, "uploads", Serve(Op::CreateMultipartUpload));
        check("POST", Object, "uploads=", Serve(Op::CreateMultipartUpload));
    }

    #[test]
    fn the_copy_source_header_tells_copies_from_writes() {
        let mut headers = HeaderMap::new();
        headers.insert(COPY_SOURCE, http::HeaderValue::from_static("a/b"));
        check_with("PUT", Object, "", &headers, Serve(Op::CopyObject));
        check_with("PUT", Object, "partNumber=1&uploadId=u", &headers, Serve(Op::UploadPartCopy));
        check_with("PUT", Object, "acl", &headers, Serve(Op::PutObjectAcl));
    }

    #[test]
    fn what_is_not_served_never_falls_through_to_the_plain_operation() {
        check("PUT", Bucket, "policy", Lacking("PutBucketPolicy"));
        check("PUT", Bucket, "policy=x", Lacking("PutBucketPolicy"));
        check("PUT", Bucket, "brand-new", Lacking("UnknownSubResource"));
        check("DELETE", Object, "brand-new=", Lacking("UnknownSubResource"));
        check("POST", Object, "restore&versionId=v", Lacking("RestoreObject"));
        check("GET", Bucket, "analytics&id=1", Lacking("GetBucketAnalyticsConfiguration"));
        check("DELETE", Bucket, "location", Route::NotAllowed);
        check("POST", Object, "", Route::NotAllowed);
        check("PUT", Service, "", Route::NotAllowed);
        check("GET", Bucket, "acl&policy", Route::Conflicting);
    }

    #[test]
    fn every_operation_is_reached_by_a_row() {
        for operation in Operation::ALL {
            assert!(ROWS.iter().any(|Row(.., route)| *route == Serve(*operation)), "{}", operation.name());
        }
    }
}
