//! The pages that the table of operations writes: `docs/s3-compatibility.md`, and the operations of `docs/data-path.md`.
//!
//! `COURONNE_WRITE_DOCS=1 cargo nextest run --release -p couronne-gateway documents` writes them anew.
use std::fmt::Write as _;

use super::model::{Listed, Model, model};
use crate::front::tests::page::check;
use crate::s3::operation::{Entry, NotServed, OLDER_FORMS, Operation, Served};
use crate::s3::route::Level;

/// What there is to know of forms.
const FORMS: &str = "; uploads by HTML form, signed in their fields with version 4 or 2, or not signed. What stands before the \
     file has at most 20 KiB of names and values (400 `MaxPostPreDataLengthExceededError`); fields after it count for nothing; \
     a field `x-amz-checksum-*` needs no condition, as it can only make the form fail; \
     a form that ends before its last delimiter is refused (400 `MalformedPOSTRequest`). `success_action_redirect` leads to \
     `http` and `https` only, without what follows a `#`";
const OPERATIONS_BEGIN: &str = "<!-- operations: written from gateway/src/s3/operation.rs -->\n";
const OPERATIONS_END: &str = "<!-- end of operations -->\n";

fn served(name: &str) -> Option<&'static Served> {
    Operation::ALL.iter().map(|operation| operation.served()).find(|served| served.entry.name == name)
}

fn lacking(name: &str) -> Option<&'static NotServed> {
    NotServed::ALL.iter().find(|lacking| lacking.entry.name == name)
}

/// Whether it is about a configuration that no bucket can have.
fn is_absent(served: &Served) -> bool {
    served.file.1.ends_with("_absent")
}

fn actions(served: &Served) -> String {
    match served.source_action {
        None => format!("`{}`", served.action),
        Some(source) => format!("`{}`; on the source `{source}`", served.action),
    }
}

fn file(served: &Served) -> String {
    let (folder, file) = served.file;
    format!("`gateway/src/s3/ops/{folder}/{file}.rs`")
}

fn compatibility_row(listed: &Listed) -> String {
    let Listed { name, method, uri, .. } = listed;
    let entry = listed.entry_name();
    let older = if entry == name { String::new() } else { format!("; the older form of {entry}") };
    match (served(entry), lacking(entry)) {
        (Some(served), None) => {
            let absent = if is_absent(served) { ": no bucket has one" } else { "" };
            format!("| {name} | `{method} {uri}` | served{absent}{older} | {} |", actions(served))
        }
        (None, Some(lacking)) => format!("| {name} | `{method} {uri}` | no: 501, {}{older} | |", lacking.why),
        _ => panic!("{name} has not one entry"),
    }
}

fn compatibility_page() -> String {
    let Model { botocore, operations } = model();
    let found: Vec<&Served> = operations.iter().filter_map(|listed| served(listed.entry_name())).collect();
    let (count, absent) = (found.len(), found.iter().filter(|served| is_absent(served)).count());
    let mut page = format!(
        "# What is served of S3\n\n\
         This page is written from the table of operations (`gateway/src/s3/operation.rs`) and the list of all operations \
         that S3\ndefines, as botocore {botocore} has it (`gateway/src/s3/operations.json`, made anew by \
         `scripts/s3-operations`); a test compares.\n\n\
         Of {} operations {count} are served; {absent} of these are about configurations that no bucket can have yet: they\n\
         tell so, or delete nothing. Every other answers `501 NotImplemented` to a request that is signed for\nthe service `s3`, and changes nothing. So does \
         a write to a sub-resource that the table does not name: a `PUT ?something` is never\ntaken for the creation of a bucket.\n\n\
         | operation | request | served | IAM action |\n|---|---|---|---|\n",
        operations.len()
    );
    for listed in &operations {
        writeln!(page, "{}", compatibility_row(listed)).unwrap();
    }
    page.push_str("\n## Besides\n\n| request | served |\n|---|---|\n");
    let is_listed = |name: &str| operations.iter().any(|listed| listed.name == name);
    for served in Operation::ALL.iter().map(|operation| operation.served()) {
        if !is_listed(served.entry.name) {
            let more = if served.entry.name == "PostObject" { FORMS } else { "" };
            writeln!(page, "| {} | served: {}{more} |", place(&served.entry), actions(served)).unwrap();
        }
    }
    for NotServed { entry, why } in NotServed::ALL.iter().filter(|lacking| !is_listed(lacking.entry.name)) {
        writeln!(page, "| {} | no: 501, {why} |", place(entry)).unwrap();
    }
    page.push_str(
        "| signatures | version 4 in the header and in the query (presigned URLs), payloads signed, unsigned or \
         aws-chunked, with or without trailers; version 2 in presigned URLs only \
         ([why](decisions/0004-presigned-version-2.md)) |\n\
         | headers `x-amz-*` in the query, where presigners move them | as if sent as headers; 400 if the header is sent \
         too and differs |\n\
         | bodies | at most 5 GiB a request (400 `EntityTooLarge`); of aws-chunked every chunk but the last has at least \
         8 KiB (403 `InvalidChunkSizeError`). Over HTTP/1 a request that needs one says how long it is, or sends it \
         `chunked` (else 411 `MissingContentLength`); no other coding of HTTP's own is taken (501 `NotImplemented`) |\n\
         | documents | XML in UTF-8, without a document type, in which what may stand once stands once (else 400 \
         `MalformedXML`) |\n\
         | targets | printable ASCII without `#`; all else percent-encoded (else 400 `InvalidURI`) |\n\
         | `Expect` | `100-continue`, in any case; whatever else it says counts for nothing, as on S3 |\n\
         | a sub-resource that S3 does not have | of a GET or HEAD ignored, as on S3; of a write 501 `NotImplemented`: one \
         that S3 may have by then must not be taken for a plain write |\n\
         | a sub-resource in the wrong place (`GET /bucket/key?versions`) | 400 `InvalidRequest` |\n\
         | presigned URLs | valid for 604,800 seconds at most (else 400 `AuthorizationQueryParametersError`, as of any \
         parameter that is missing or malformed; 403 `AccessDenied` once expired) |\n\
         | temporary credentials (`x-amz-security-token`) | in the header, in the query of URLs, and in forms, of version 4 \
         ([iam.md](iam.md)); of version 2: 400 `InvalidToken` |\n\
         | ACLs | count where object ownership says so: in a new bucket they do not (`BucketOwnerEnforced`; \
         `[s3] new_buckets` of [configuration.md](configuration.md)). Where they do not count, one that says what is true \
         anyway, full control for the bucket's owner, is accepted, any other refused (400 `AccessControlListNotSupported`); \
         `private` is taken with new objects of the bucket's own account unless `new_buckets` is `open`, for clients that \
         send it by themselves (rclone 1.60). \
         Grants to groups are shown before those to accounts |\n\
         | conditional writes | PUT, completions and copies: `If-None-Match: *`, or `If-Match` with tags; deletions: `If-Match`, \
         with `*` too, and date and size. Any other condition on a write, or two: 501 `NotImplemented` |\n\
         | checksums | CRC32, CRC32C, CRC64NVME, MD5, SHA1, SHA256, SHA512, XXHASH64, XXHASH3, XXHASH128, in headers, trailers, \
         parts, copies and attributes; any other: 400 `InvalidRequest`. `FULL_OBJECT` is for the CRCs; what is `COMPOSITE` \
         needs the checksum of each part. An `x-amz-sdk-checksum-algorithm` that stands alone: 400, but in the query of a \
         presigned URL, where the checksum is computed and kept |\n\
         | storage classes | all names of S3's are taken and shown; objects of all are stored alike and can be read at once. A \
         copy is `STANDARD` unless its request says otherwise |\n\
         | object lock | served; `x-amz-object-lock-event-hold` and whatever else begins so: 501 `NotImplemented` |\n\
         | versions | served |\n\
         | S3 Control | what stands above, at the same endpoint, of the account that `x-amz-account-id` names, which may stand \
         before the host, too; no bucket may be called `v20180820`. All else below `/v20180820/`: 501 `NotImplemented`. An \
         account's block that blocks nothing is told as none |\n",
    );
    page.push_str(DIFFERENCES);
    page
}

/// Where sources differ on what S3 does, and what was chosen.
const DIFFERENCES: &str = "
## Where the sources differ

Amazon's documents win over public test suites and over other stores. The suite of ceph/s3-tests is right but for these:

| request | here, as on S3 | the suite |
|---|---|---|
| `X-Amz-Expires` negative, over a week, or no number | 400 `AuthorizationQueryParametersError` | 403 |
| `partNumber` beyond the last part | 416 `InvalidPartNumber` | 400 `InvalidPart` |
| `x-amz-copy-source-range` beyond the end of its source | 400 `InvalidArgument` | `InvalidRange` |
| `Expect`, `Authorization` or `Content-Length` taken away before the SDK signs and sends | (the SDK sets it again: the tests see no error) | an error |
| GetBucketPolicyStatus of a bucket without a policy | 404 `NoSuchBucketPolicy` | whether its ACL is public |
| PutBucketPolicy that names an account that is not there, or `s3:PutObject` on a bucket | 400 `MalformedPolicy` | taken |
| a policy that allows `s3:PutObject` to those who send certain tags | sending tags takes `s3:PutObjectTagging`, too | it does not |
| GetObject by the bucket's owner, where the condition of a bucket policy that allows it does not hold | the owner's own rights allow it | denied |
| HeadObject of no object, by a caller that may list some prefixes | 403: `s3:prefix` is a key of requests that list | 404 below these |
| CreateBucket of one's own bucket | in `us-east-1` 200, and its ACL is as the request says; elsewhere 409 `BucketAlreadyOwnedByYou` | 409 `BucketAlreadyExists` |
| more than 10 tags of an object | 400 `BadRequest` | `InvalidTag` |
| PUT with `If-None-Match` and a tag, or `If-Match: *` | 501 `NotImplemented` | carried out |

Parts of an object are counted: of parts 3, 5 and 9 `partNumber` 1, 2 and 3 read them, as a client expects that has learnt
of three. The suites of other stores differ on this, and Amazon's documents say nothing of gaps; where a checksum is
composed of the parts' S3 allows none.
";

/// An operation that SDKs do not have.
fn place(entry: &Entry) -> String {
    let on = match entry.level {
        Level::Account => "`/v20180820/configuration/publicAccessBlock`, S3 Control".to_owned(),
        Level::Resource => "`/v20180820/tags/arn:aws:s3:::{Bucket}`, S3 Control".to_owned(),
        level => {
            let level = format!("{level:?}").to_lowercase();
            format!("{} {level}", article(&level))
        }
    };
    format!("{} (`{}` on {on})", entry.name, entry.method)
}

fn article(noun: &str) -> &'static str {
    if noun.starts_with('o') { "an" } else { "a" }
}

fn operations_table() -> String {
    let mut table = "| operation | IAM action | file | verbs of the engine |\n|---|---|---|---|\n".to_owned();
    for served in Operation::ALL.iter().map(|operation| operation.served()) {
        let verbs: Vec<String> = served.verbs.iter().map(|verb| format!("`gateway/src/engine/{verb}`")).collect();
        let verbs = match (verbs.is_empty(), served.entry.level) {
            (false, _) => verbs.join(", "),
            (true, Level::Account) => "none: it is of the account's row".to_owned(),
            (true, _) => "the resolved bucket is the answer".to_owned(),
        };
        writeln!(table, "| {} | {} | {} | {verbs} |", served.entry.name, actions(served), file(served)).unwrap();
    }
    table
}

#[test]
fn the_page_of_compatibility_is_what_the_table_says() {
    check("docs/s3-compatibility.md", |_| compatibility_page());
}

#[test]
fn the_operations_of_the_data_path_are_what_the_table_says() {
    check("docs/data-path.md", |found| {
        let (before, rest) = found.split_once(OPERATIONS_BEGIN).expect("where the operations begin");
        let (_, after) = rest.split_once(OPERATIONS_END).expect("where the operations end");
        format!("{before}{OPERATIONS_BEGIN}\n{}\n{OPERATIONS_END}{after}", operations_table())
    });
}

#[test]
fn older_forms_lead_to_entries() {
    for (older, entry) in OLDER_FORMS {
        assert!(served(entry).is_some() || lacking(entry).is_some(), "{older}");
        assert!(served(older).is_none() && lacking(older).is_none(), "{older}");
    }
}
