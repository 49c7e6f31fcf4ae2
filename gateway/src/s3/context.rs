//! The values that a request has for the condition keys of policies.
//!
//! Follows <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html>, its condition keys.
//! Must not know: what policies ask.

use super::address::Request;
use super::wire::tags;
use super::wire::values::header_text;
use crate::access::context::{ConditionContext, KeyValues};
use crate::access::key::ConditionKey;

/// The keys whose value is that of a header.
const HEADERS: [(&str, &str); 17] = [
    ("aws:referer", "referer"),
    ("aws:useragent", "user-agent"),
    ("s3:object-lock-legal-hold", "x-amz-object-lock-legal-hold"),
    ("s3:object-lock-mode", "x-amz-object-lock-mode"),
    ("s3:object-lock-retain-until-date", "x-amz-object-lock-retain-until-date"),
    ("s3:x-amz-acl", "x-amz-acl"),
    ("s3:x-amz-content-sha256", "x-amz-content-sha256"),
    ("s3:x-amz-copy-source", "x-amz-copy-source"),
    ("s3:x-amz-grant-full-control", "x-amz-grant-full-control"),
    ("s3:x-amz-grant-read", "x-amz-grant-read"),
    ("s3:x-amz-grant-read-acp", "x-amz-grant-read-acp"),
    ("s3:x-amz-grant-write", "x-amz-grant-write"),
    ("s3:x-amz-grant-write-acp", "x-amz-grant-write-acp"),
    ("s3:x-amz-metadata-directive", "x-amz-metadata-directive"),
    ("s3:x-amz-object-ownership", "x-amz-object-ownership"),
    ("s3:x-amz-storage-class", "x-amz-storage-class"),
    ("s3:x-amz-website-redirect-location", "x-amz-website-redirect-location"),
];

/// The keys whose value is that of a query parameter.
const PARAMETERS: [(&str, &str); 4] = [
    ("s3:delimiter", "delimiter"),
    ("s3:max-keys", "max-keys"),
    ("s3:prefix", "prefix"),
    ("s3:versionid", "versionId"),
];

impl ConditionContext for Request {
    fn values(&self, key: &ConditionKey) -> Option<KeyValues<'_>> {
        let of = |table: &[(&str, &'static str)]| table.iter().find(|(name, _)| *name == key.name()).map(|(_, of)| *of);
        if let Some(header) = of(&HEADERS) {
            return header_text(&self.headers, header).ok().flatten().map(KeyValues::one);
        }
        if let Some(parameter) = of(&PARAMETERS) {
            return self.query.get(parameter).map(KeyValues::one);
        }
        if let Some(value) = self.origin.value(key.name()) {
            return Some(KeyValues::one(value));
        }
        match key.name() {
            "s3:authtype" => Some(KeyValues::one(auth_type(self))),
            "s3:signatureversion" => {
                Some(KeyValues::one(if is_of_version_2(self) { "AWS" } else { "AWS4-HMAC-SHA256" }))
            }
            "s3:requestobjecttag" => {
                let tags = new_tags(self)?;
                tags.into_iter()
                    .find(|(name, _)| Some(&**name) == key.tag())
                    .map(|(_, value)| KeyValues::one(value.into_string()))
            }
            "s3:requestobjecttagkeys" => {
                let names = new_tags(self)?.into_iter().map(|(name, _)| name.into_string().into());
                Some(KeyValues::Many(names.collect()))
            }
            _ => None,
        }
    }
}

fn auth_type(request: &Request) -> &'static str {
    match &request.form {
        Some(_) => "POST",
        None if request.query.has("X-Amz-Signature") || is_of_version_2(request) => "REST-QUERY-STRING",
        None => "REST-HEADER",
    }
}

fn is_of_version_2(request: &Request) -> bool {
    match &request.form {
        Some(form) => form.fields.get("signature").is_some() && form.fields.get("x-amz-signature").is_none(),
        None => request.query.has("Signature") && request.query.has("AWSAccessKeyId"),
    }
}

fn new_tags(request: &Request) -> Option<tags::Tags> {
    tags::parse_header(header_text(&request.headers, "x-amz-tagging").ok()??).ok()
}
