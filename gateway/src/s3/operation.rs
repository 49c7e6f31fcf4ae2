//! The one table of S3's operations: of each its name, how a request means it, and what becomes of it.
//!
//! From an entry come the variant of [`Operation`], the route (`route.rs`), the way to the handler ([`dispatch`]), the
//! IAM action, its rows in `docs/s3-compatibility.md` and `docs/data-path.md`, and its place in the matrix of tests. The
//! list of all operations that S3 defines is `operations.json` (made by `scripts/s3-operations`); a test finds each of
//! them here, once.
//! Must not know: signatures, what an operation does.

use super::face::S3;
use super::ops;
use super::route::Level::{self, Account, Bucket, Object, Resource, Service};
use super::route::Selector::{self, Header, Parameter, Plain, Sub, SubHeader, SubParameter};
use crate::front::face::FaceOperation;
use crate::front::pipeline::{Authenticated, carry_out};
use crate::front::trace::Trace;
use crate::front::{Gateway, Response};
use crate::s3::error::Executed;

/// How a request means an operation.
#[derive(Debug)]
pub struct Entry {
    /// The operation's name as S3 writes it.
    pub name: &'static str,
    /// The method.
    pub method: &'static str,
    /// How deep the path reaches.
    pub level: Level,
    /// What tells it from others of its method and level.
    pub selector: Selector,
}

/// The code that serves an operation.
#[derive(Debug)]
pub struct Served {
    /// The method, level and selector by which a request means the operation.
    pub entry: Entry,
    /// The IAM action that it is in the bucket that the request names.
    pub action: &'static str,
    /// The IAM action that it is in the bucket that it copies from, if it copies.
    pub source_action: Option<&'static str>,
    /// The folder and the file of its handler, below `gateway/src/s3/ops`, without the ending.
    pub file: (&'static str, &'static str),
    /// The verbs of the engine that it calls, as `file::function` below `gateway/src/engine`.
    pub verbs: &'static [&'static str],
}

/// A request that S3 knows and that is answered with 501 `NotImplemented`.
#[derive(Debug)]
pub struct NotServed {
    /// The method, level and selector by which a request means the operation.
    pub entry: Entry,
    /// Why it is not served.
    pub why: &'static str,
}

/// Declares the entries, so that no list can forget one.
macro_rules! operations {
    (
        served {$(
            $name:ident(
                $method:ident, $level:ident, $selector:expr, $action:literal $(+ $source_action:literal)?,
                $folder:ident::$file:ident $(as $handler:ident)?, [$($verb:literal),*]
            );
        )*}
        not_served {$(
            $lacking:ident($lacking_method:ident, $lacking_level:ident, $lacking_selector:expr, $why:ident);
        )*}
    ) => {
        /// An S3 operation that is served. The names are S3's own.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Operation {
            $(#[doc = concat!("`", stringify!($method), "`, ", stringify!($level), ", ", stringify!($selector))] $name,)*
        }

        impl Operation {
            /// All of them, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code that serves the operation.
            pub const fn served(self) -> &'static Served {
                match self {$(
                    Self::$name => &Served {
                        entry: Entry {
                            name: stringify!($name),
                            method: stringify!($method),
                            level: $level,
                            selector: $selector,
                        },
                        action: $action,
                        source_action: source_action!($($source_action)?),
                        file: (stringify!($folder), stringify!($file)),
                        verbs: &[$($verb),*],
                    },
                )*}
            }
        }

        impl NotServed {
            /// All of them, in the order of the table.
            pub const ALL: &'static [Self] = &[$(
                Self {
                    entry: Entry {
                        name: stringify!($lacking),
                        method: stringify!($lacking_method),
                        level: $lacking_level,
                        selector: $lacking_selector,
                    },
                    why: $why,
                },
            )*];
        }

        /// Leads a request to the handler of its operation.
        pub(super) async fn dispatch(
            gateway: &Gateway<S3>,
            authenticated: Authenticated<S3>,
            trace: &mut Trace,
        ) -> Executed<Response> {
            match authenticated.operation() {$(
                Operation::$name => {
                    carry_out::<handler!($folder::$file, $name $($handler)?)>(gateway, authenticated, trace).await
                }
            )*}
        }
    };
}

macro_rules! source_action {
    () => {
        None
    };
    ($action:literal) => {
        Some($action)
    };
}

/// The handler of an operation: of its own name, or of another.
macro_rules! handler {
    ($folder:ident::$file:ident, $name:ident) => {
        ops::$folder::$file::$name
    };
    ($folder:ident::$file:ident, $name:ident $handler:ident) => {
        ops::$folder::$file::$handler
    };
}

impl Operation {
    /// The method, level and selector by which a request means the operation.
    pub const fn entry(self) -> &'static Entry {
        &self.served().entry
    }
}

impl FaceOperation for Operation {
    fn name(self) -> &'static str {
        self.entry().name
    }

    fn changes(self) -> bool {
        !matches!(self.entry().method, "GET" | "HEAD")
    }
}

/// The older forms of operations: the same requests under other names.
pub const OLDER_FORMS: &[(&str, &str)] = &[
    ("GetBucketLifecycle", "GetBucketLifecycleConfiguration"),
    ("GetBucketNotification", "GetBucketNotificationConfiguration"),
    ("PutBucketLifecycle", "PutBucketLifecycleConfiguration"),
    ("PutBucketNotification", "PutBucketNotificationConfiguration"),
];

const COPY_SOURCE: &str = "x-amz-copy-source";

const ACCESS_LOGS: &str = "requests are logged by the gateways, not into buckets";
const ANNOTATIONS: &str = "an object carries metadata and tags, no annotations";
const CORS: &str = "no answers to browsers of other origins yet";
const DIRECTORY_BUCKETS: &str = "there are general purpose buckets only";
const LIST_DIRECTORY_BUCKETS: &str = "there are general purpose buckets only. Clients sign it for the service `s3express`, \
     which is not served at all: 400 `AuthorizationHeaderMalformed`";
const ENCRYPTION: &str = "objects are not encrypted by the server yet";
const EVENTS: &str = "changes are not told to others yet";
const LIFECYCLE: &str = "no rules by age yet";
const METADATA_TABLES: &str = "no tables of metadata";
const OBJECT_LAMBDA: &str = "no functions on the way of an object";
const ONE_CLASS: &str = "objects of all storage classes are stored alike";
const ONE_WAY_IN: &str = "there is one way in";
const PAYMENT: &str = "nobody is billed";
const TAGS_OF_BUCKETS: &str = "policies do not go by the tags of buckets";
const REPLICATION: &str = "no copies to another cluster yet";
const REPORTS: &str = "no reports on buckets; the cluster's metrics are at its admin listener";
const SELECT: &str = "no queries on what is in an object";
const TORRENTS: &str = "no torrents";
const WEBSITES: &str = "no static sites";

// Of what is served: method, depth, selector, IAM action (and that on the source of a copy), the folder and file of the
// handler (and its name, if it is not the operation's), the engine's verbs. Of what is not: why.
operations! {
    served {
        // Object: bytes and what stands with them.
        PutObject(PUT, Object, Plain, "s3:PutObject", object::put_object, ["stage.rs::stage", "object.rs::put_object"]);
        PostObject(POST, Bucket, Plain, "s3:PutObject", object::post_object, ["stage.rs::stage", "object.rs::put_object"]);
        GetObject(GET, Object, Plain, "s3:GetObject", object::get_object, ["open.rs::read", "open.rs::open"]);
        HeadObject(HEAD, Object, Plain, "s3:GetObject", object::head_object, ["open.rs::open"]);
        DeleteObject(DELETE, Object, Plain, "s3:DeleteObject", object::delete_object, ["object.rs::delete"]);
        DeleteObjects(POST, Bucket, Sub("delete"), "s3:DeleteObject", object::delete_objects, ["object.rs::delete"]);
        CopyObject(PUT, Object, Header(COPY_SOURCE),
            "s3:PutObject" + "s3:GetObject", object::copy_object,
            ["open.rs::open", "stage.rs::stage", "object.rs::put_object"]);
        GetObjectAttributes(GET, Object, Sub("attributes"),
            "s3:GetObjectAttributes", object::get_object_attributes, ["open.rs::open"]);
        GetObjectAcl(GET, Object, Sub("acl"), "s3:GetObjectAcl", object::get_object_acl, ["open.rs::open"]);
        PutObjectAcl(PUT, Object, Sub("acl"), "s3:PutObjectAcl", object::put_object_acl, ["open.rs::open"]);
        GetObjectTagging(GET, Object, Sub("tagging"),
            "s3:GetObjectTagging", object::get_object_tagging, ["open.rs::open"]);
        PutObjectTagging(PUT, Object, Sub("tagging"),
            "s3:PutObjectTagging", object::put_object_tagging, ["object.rs::update_attributes"]);
        DeleteObjectTagging(DELETE, Object, Sub("tagging"),
            "s3:DeleteObjectTagging", object::delete_object_tagging, ["object.rs::update_attributes"]);

        // Uploads in parts.
        CreateMultipartUpload(POST, Object, Sub("uploads"),
            "s3:PutObject", multipart::create_multipart_upload, ["upload.rs::create_upload"]);
        UploadPart(PUT, Object, Sub("uploadId"),
            "s3:PutObject", multipart::upload_part, ["upload.rs::upload", "stage.rs::stage", "upload.rs::put_part"]);
        UploadPartCopy(PUT, Object, SubHeader("uploadId", COPY_SOURCE),
            "s3:PutObject" + "s3:GetObject", multipart::upload_part_copy,
            ["upload.rs::upload", "open.rs::open", "stage.rs::stage", "upload.rs::put_part"]);
        CompleteMultipartUpload(POST, Object, Sub("uploadId"),
            "s3:PutObject", multipart::complete_multipart_upload, ["upload.rs::upload", "upload.rs::complete_upload"]);
        AbortMultipartUpload(DELETE, Object, Sub("uploadId"),
            "s3:AbortMultipartUpload", multipart::abort_multipart_upload, ["upload.rs::abort_upload"]);
        ListParts(GET, Object, Sub("uploadId"),
            "s3:ListMultipartUploadParts", multipart::list_parts, ["upload.rs::upload", "upload.rs::list_parts"]);

        // Listings.
        ListBuckets(GET, Service, Plain, "s3:ListAllMyBuckets", listing::list_buckets, ["bucket.rs::list_buckets"]);
        ListObjects(GET, Bucket, Plain, "s3:ListBucket", listing::list_objects, ["list.rs::list"]);
        ListObjectsV2(GET, Bucket, Parameter("list-type", "2"),
            "s3:ListBucket", listing::list_objects_v2, ["list.rs::list"]);
        ListObjectVersions(GET, Bucket, Sub("versions"),
            "s3:ListBucketVersions", listing::list_object_versions, ["list.rs::list_versions"]);
        ListMultipartUploads(GET, Bucket, Sub("uploads"),
            "s3:ListBucketMultipartUploads", listing::list_multipart_uploads, ["list.rs::list_uploads"]);

        // Buckets.
        CreateBucket(PUT, Bucket, Plain, "s3:CreateBucket", bucket::create_bucket, ["bucket/create.rs::create_bucket"]);
        HeadBucket(HEAD, Bucket, Plain, "s3:ListBucket", bucket::head_bucket, []);
        DeleteBucket(DELETE, Bucket, Plain,
            "s3:DeleteBucket", bucket::delete_bucket,
            ["bucket/delete.rs::delete_bucket", "list.rs::list_versions", "list.rs::list_uploads",
             "upload.rs::abort_upload"]);
        GetBucketLocation(GET, Bucket, Sub("location"), "s3:GetBucketLocation", bucket::get_bucket_location, []);

        // Locks on versions.
        GetObjectLockConfiguration(GET, Bucket, Sub("object-lock"),
            "s3:GetBucketObjectLockConfiguration", lock::get_object_lock_configuration, []);
        PutObjectLockConfiguration(PUT, Bucket, Sub("object-lock"),
            "s3:PutBucketObjectLockConfiguration", lock::put_object_lock_configuration,
            ["bucket/rules.rs::update_rules"]);
        GetObjectRetention(GET, Object, Sub("retention"),
            "s3:GetObjectRetention", lock::get_object_retention, ["open.rs::open"]);
        PutObjectRetention(PUT, Object, Sub("retention"),
            "s3:PutObjectRetention", lock::put_object_retention, ["object.rs::update_attributes"]);
        GetObjectLegalHold(GET, Object, Sub("legal-hold"),
            "s3:GetObjectLegalHold", lock::get_object_legal_hold, ["open.rs::open"]);
        PutObjectLegalHold(PUT, Object, Sub("legal-hold"),
            "s3:PutObjectLegalHold", lock::put_object_legal_hold, ["object.rs::update_attributes"]);

        // Who may do what in a bucket.
        GetBucketPolicy(GET, Bucket, Sub("policy"), "s3:GetBucketPolicy", access::get_bucket_policy, []);
        PutBucketPolicy(PUT, Bucket, Sub("policy"),
            "s3:PutBucketPolicy", access::put_bucket_policy, ["bucket/document.rs::put_document"]);
        DeleteBucketPolicy(DELETE, Bucket, Sub("policy"),
            "s3:DeleteBucketPolicy", configuration::delete_document as DeleteDocument,
            ["bucket/document.rs::put_document"]);
        GetBucketPolicyStatus(GET, Bucket, Sub("policyStatus"),
            "s3:GetBucketPolicyStatus", access::get_bucket_policy_status, []);
        GetBucketAcl(GET, Bucket, Sub("acl"), "s3:GetBucketAcl", access::get_bucket_acl, []);
        PutBucketAcl(PUT, Bucket, Sub("acl"),
            "s3:PutBucketAcl", access::put_bucket_acl, ["bucket/document.rs::put_document"]);
        GetBucketOwnershipControls(GET, Bucket, Sub("ownershipControls"),
            "s3:GetBucketOwnershipControls", access::get_bucket_ownership_controls, []);
        PutBucketOwnershipControls(PUT, Bucket, Sub("ownershipControls"),
            "s3:PutBucketOwnershipControls", access::put_bucket_ownership_controls,
            ["bucket/document.rs::put_document"]);
        DeleteBucketOwnershipControls(DELETE, Bucket, Sub("ownershipControls"),
            "s3:PutBucketOwnershipControls", configuration::delete_document as DeleteDocument,
            ["bucket/document.rs::put_document"]);
        GetPublicAccessBlock(GET, Bucket, Sub("publicAccessBlock"),
            "s3:GetBucketPublicAccessBlock", access::get_public_access_block, []);
        PutPublicAccessBlock(PUT, Bucket, Sub("publicAccessBlock"),
            "s3:PutBucketPublicAccessBlock", access::put_public_access_block, ["bucket/document.rs::put_document"]);
        DeletePublicAccessBlock(DELETE, Bucket, Sub("publicAccessBlock"),
            "s3:PutBucketPublicAccessBlock", configuration::delete_document as DeleteDocument,
            ["bucket/document.rs::put_document"]);

        // Configuration of buckets. What no bucket can have yet is told absent, and deleting it is done.
        GetBucketVersioning(GET, Bucket, Sub("versioning"),
            "s3:GetBucketVersioning", configuration::get_bucket_versioning, []);
        PutBucketVersioning(PUT, Bucket, Sub("versioning"),
            "s3:PutBucketVersioning", configuration::put_bucket_versioning, ["bucket/rules.rs::update_rules"]);
        GetBucketAccelerateConfiguration(GET, Bucket, Sub("accelerate"),
            "s3:GetAccelerateConfiguration", configuration::get_absent as GetAbsent, []);
        GetBucketCors(GET, Bucket, Sub("cors"), "s3:GetBucketCORS", configuration::get_absent as GetAbsent, []);
        DeleteBucketCors(DELETE, Bucket, Sub("cors"),
            "s3:PutBucketCORS", configuration::delete_absent as DeleteAbsent, []);
        GetBucketEncryption(GET, Bucket, Sub("encryption"),
            "s3:GetEncryptionConfiguration", configuration::get_absent as GetAbsent, []);
        DeleteBucketEncryption(DELETE, Bucket, Sub("encryption"),
            "s3:PutEncryptionConfiguration", configuration::delete_absent as DeleteAbsent, []);
        GetBucketLifecycleConfiguration(GET, Bucket, Sub("lifecycle"),
            "s3:GetLifecycleConfiguration", configuration::get_absent as GetAbsent, []);
        DeleteBucketLifecycle(DELETE, Bucket, Sub("lifecycle"),
            "s3:PutLifecycleConfiguration", configuration::delete_absent as DeleteAbsent, []);
        GetBucketLogging(GET, Bucket, Sub("logging"),
            "s3:GetBucketLogging", configuration::get_absent as GetAbsent, []);
        GetBucketNotificationConfiguration(GET, Bucket, Sub("notification"),
            "s3:GetBucketNotification", configuration::get_absent as GetAbsent, []);
        GetBucketReplication(GET, Bucket, Sub("replication"),
            "s3:GetReplicationConfiguration", configuration::get_absent as GetAbsent, []);
        DeleteBucketReplication(DELETE, Bucket, Sub("replication"),
            "s3:PutReplicationConfiguration", configuration::delete_absent as DeleteAbsent, []);
        GetBucketRequestPayment(GET, Bucket, Sub("requestPayment"),
            "s3:GetBucketRequestPayment", configuration::get_absent as GetAbsent, []);
        GetBucketTagging(GET, Bucket, Sub("tagging"), "s3:GetBucketTagging", configuration::get_bucket_tagging, []);
        PutBucketTagging(PUT, Bucket, Sub("tagging"),
            "s3:PutBucketTagging", configuration::put_bucket_tagging, ["bucket/document.rs::put_document"]);
        DeleteBucketTagging(DELETE, Bucket, Sub("tagging"),
            "s3:PutBucketTagging", configuration::delete_document as DeleteDocument, ["bucket/document.rs::put_document"]);
        GetBucketWebsite(GET, Bucket, Sub("website"),
            "s3:GetBucketWebsite", configuration::get_absent as GetAbsent, []);
        DeleteBucketWebsite(DELETE, Bucket, Sub("website"),
            "s3:DeleteBucketWebsite", configuration::delete_absent as DeleteAbsent, []);

        // S3 Control, which SDKs ask at the same endpoint.
        GetAccountPublicAccessBlock(GET, Account, Plain,
            "s3:GetAccountPublicAccessBlock", control::get_account_public_access_block, []);
        PutAccountPublicAccessBlock(PUT, Account, Plain,
            "s3:PutAccountPublicAccessBlock", control::put_account_public_access_block, []);
        DeleteAccountPublicAccessBlock(DELETE, Account, Plain,
            "s3:PutAccountPublicAccessBlock", control::delete_account_public_access_block, []);
        ListTagsForResource(GET, Resource, Plain, "s3:ListTagsForResource", control::list_tags_for_resource, []);
        TagResource(POST, Resource, Plain,
            "s3:TagResource", control::tag_resource, ["bucket/document.rs::put_document"]);
        UntagResource(DELETE, Resource, Plain,
            "s3:UntagResource", control::untag_resource, ["bucket/document.rs::put_document"]);
    }

    not_served {
        PutBucketAccelerateConfiguration(PUT, Bucket, Sub("accelerate"), ONE_WAY_IN);
        PutBucketCors(PUT, Bucket, Sub("cors"), CORS);
        PutBucketEncryption(PUT, Bucket, Sub("encryption"), ENCRYPTION);
        PutBucketLifecycleConfiguration(PUT, Bucket, Sub("lifecycle"), LIFECYCLE);
        PutBucketLogging(PUT, Bucket, Sub("logging"), ACCESS_LOGS);
        PutBucketNotificationConfiguration(PUT, Bucket, Sub("notification"), EVENTS);
        PutBucketReplication(PUT, Bucket, Sub("replication"), REPLICATION);
        PutBucketRequestPayment(PUT, Bucket, Sub("requestPayment"), PAYMENT);
        PutBucketWebsite(PUT, Bucket, Sub("website"), WEBSITES);
        GetBucketAbac(GET, Bucket, Sub("abac"), TAGS_OF_BUCKETS);
        PutBucketAbac(PUT, Bucket, Sub("abac"), TAGS_OF_BUCKETS);

        GetBucketAnalyticsConfiguration(GET, Bucket, SubParameter("analytics", "id"), REPORTS);
        ListBucketAnalyticsConfigurations(GET, Bucket, Sub("analytics"), REPORTS);
        PutBucketAnalyticsConfiguration(PUT, Bucket, Sub("analytics"), REPORTS);
        DeleteBucketAnalyticsConfiguration(DELETE, Bucket, Sub("analytics"), REPORTS);
        GetBucketInventoryConfiguration(GET, Bucket, SubParameter("inventory", "id"), REPORTS);
        ListBucketInventoryConfigurations(GET, Bucket, Sub("inventory"), REPORTS);
        PutBucketInventoryConfiguration(PUT, Bucket, Sub("inventory"), REPORTS);
        DeleteBucketInventoryConfiguration(DELETE, Bucket, Sub("inventory"), REPORTS);
        GetBucketMetricsConfiguration(GET, Bucket, SubParameter("metrics", "id"), REPORTS);
        ListBucketMetricsConfigurations(GET, Bucket, Sub("metrics"), REPORTS);
        PutBucketMetricsConfiguration(PUT, Bucket, Sub("metrics"), REPORTS);
        DeleteBucketMetricsConfiguration(DELETE, Bucket, Sub("metrics"), REPORTS);

        GetBucketIntelligentTieringConfiguration(GET, Bucket, SubParameter("intelligent-tiering", "id"), ONE_CLASS);
        ListBucketIntelligentTieringConfigurations(GET, Bucket, Sub("intelligent-tiering"), ONE_CLASS);
        PutBucketIntelligentTieringConfiguration(PUT, Bucket, Sub("intelligent-tiering"), ONE_CLASS);
        DeleteBucketIntelligentTieringConfiguration(DELETE, Bucket, Sub("intelligent-tiering"), ONE_CLASS);
        RestoreObject(POST, Object, Sub("restore"), ONE_CLASS);

        GetBucketMetadataConfiguration(GET, Bucket, Sub("metadataConfiguration"), METADATA_TABLES);
        CreateBucketMetadataConfiguration(POST, Bucket, Sub("metadataConfiguration"), METADATA_TABLES);
        DeleteBucketMetadataConfiguration(DELETE, Bucket, Sub("metadataConfiguration"), METADATA_TABLES);
        GetBucketMetadataTableConfiguration(GET, Bucket, Sub("metadataTable"), METADATA_TABLES);
        CreateBucketMetadataTableConfiguration(POST, Bucket, Sub("metadataTable"), METADATA_TABLES);
        DeleteBucketMetadataTableConfiguration(DELETE, Bucket, Sub("metadataTable"), METADATA_TABLES);
        UpdateBucketMetadataAnnotationTableConfiguration(PUT, Bucket, Sub("metadataAnnotationTable"), METADATA_TABLES);
        UpdateBucketMetadataInventoryTableConfiguration(PUT, Bucket, Sub("metadataInventoryTable"), METADATA_TABLES);
        UpdateBucketMetadataJournalTableConfiguration(PUT, Bucket, Sub("metadataJournalTable"), METADATA_TABLES);
        GetObjectAnnotation(GET, Object, SubParameter("annotation", "annotationName"), ANNOTATIONS);
        ListObjectAnnotations(GET, Object, Sub("annotation"), ANNOTATIONS);
        PutObjectAnnotation(PUT, Object, Sub("annotation"), ANNOTATIONS);
        DeleteObjectAnnotation(DELETE, Object, Sub("annotation"), ANNOTATIONS);

        ListDirectoryBuckets(GET, Service, Parameter("x-id", "ListDirectoryBuckets"), LIST_DIRECTORY_BUCKETS);
        CreateSession(GET, Bucket, Sub("session"), DIRECTORY_BUCKETS);
        RenameObject(PUT, Object, Sub("renameObject"), DIRECTORY_BUCKETS);
        UpdateObjectEncryption(PUT, Object, Sub("encryption"), ENCRYPTION);
        SelectObjectContent(POST, Object, Sub("select"), SELECT);
        GetObjectTorrent(GET, Object, Sub("torrent"), TORRENTS);
        WriteGetObjectResponse(POST, Bucket, Header("x-amz-request-route"), OBJECT_LAMBDA);

        // Not operations of the model, but requests that S3 knows.
        PreflightBucket(OPTIONS, Bucket, Plain, CORS);
        PreflightObject(OPTIONS, Object, Plain, CORS);
    }
}
