//! Access control lists where they are disabled: the bucket's owner has full control of everything in
//! it, and nobody else has any. S3 calls this `BucketOwnerEnforced`.
//!
//! Promises: a list that says just that is accepted, since it is true; any other is refused, so that no
//! client believes it has shared or hidden something.

use http::HeaderMap;

use crate::s3::error::{Code, Result, S3Error};
use crate::s3::wire::values::header_text;
use crate::s3::wire::xml::{self, Element};

/// The canned lists that grant nobody but the owner anything.
const OWNER_ONLY: [&str; 2] = ["private", "bucket-owner-full-control"];
/// The other canned lists that S3 knows.
const OTHERS: [&str; 6] = [
    "public-read",
    "public-read-write",
    "authenticated-read",
    "aws-exec-read",
    "bucket-owner-read",
    "log-delivery-write",
];

/// Checks the headers of a write. A list that grants anybody else anything is refused with `refusal`.
/// Answers whether there was a canned list.
pub fn check_headers(headers: &HeaderMap, refusal: Code) -> Result<bool> {
    if headers.keys().any(|name| name.as_str().starts_with("x-amz-grant-")) {
        return Err(refusal.into());
    }
    match header_text(headers, "x-amz-acl")? {
        None => Ok(false),
        Some(canned) if OWNER_ONLY.contains(&canned) => Ok(true),
        Some(canned) if OTHERS.contains(&canned) => Err(refusal.into()),
        Some(unknown) => Err(S3Error::invalid_argument("The canned ACL is not known.", "x-amz-acl", unknown)),
    }
}

/// Checks an `AccessControlPolicy` document: its grants give full control to this owner alone.
pub fn check_document(document: &[u8], owner: &str) -> Result<()> {
    let document = xml::read_list(document, "AccessControlPolicy", "Grant").map_err(|_| Code::MalformedACLError)?;
    let list = document.child("AccessControlList").ok_or(Code::MalformedACLError)?;
    let to_owner = |grant: &Element| {
        let grantee = grant.child("Grantee").and_then(|grantee| grantee.child_text("ID"));
        grantee == Some(owner) && grant.child_text("Permission") == Some("FULL_CONTROL")
    };
    match list.children() {
        [grant] if to_owner(grant) => Ok(()),
        _ => Err(Code::AccessControlListNotSupported.into()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn canned(name: &'static str) -> std::result::Result<bool, Code> {
        let headers = [(http::HeaderName::from_static("x-amz-acl"), http::HeaderValue::from_static(name))];
        check_headers(&headers.into_iter().collect(), Code::AccessControlListNotSupported).map_err(|error| error.code())
    }

    #[test]
    fn only_lists_that_are_true_are_accepted() {
        assert_eq!(canned("private"), Ok(true));
        assert_eq!(canned("bucket-owner-full-control"), Ok(true));
        assert_eq!(canned("public-read"), Err(Code::AccessControlListNotSupported));
        assert_eq!(canned("public-ready"), Err(Code::InvalidArgument));
        let policy = |grants: &str| {
            let root = "AccessControlPolicy";
            let text = format!("<{root}><AccessControlList>{grants}</AccessControlList></{root}>");
            check_document(text.as_bytes(), "me").map_err(|error| error.code())
        };
        let grant = |id: &str, permission: &str| {
            format!("<Grant><Grantee><ID>{id}</ID></Grantee><Permission>{permission}</Permission></Grant>")
        };
        assert_eq!(policy(&grant("me", "FULL_CONTROL")), Ok(()));
        assert_eq!(policy(&grant("me", "READ")), Err(Code::AccessControlListNotSupported));
        assert_eq!(policy(&grant("you", "FULL_CONTROL")), Err(Code::AccessControlListNotSupported));
        let both = grant("me", "FULL_CONTROL") + &grant("you", "READ");
        assert_eq!(policy(&both), Err(Code::AccessControlListNotSupported));
        assert_eq!(policy(""), Err(Code::AccessControlListNotSupported));
        assert_eq!(policy("<Grant>"), Err(Code::MalformedACLError));
    }
}
