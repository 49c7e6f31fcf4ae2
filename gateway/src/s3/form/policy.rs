//! The policy of a form: until when it is good, and what its fields may be.
//!
//! Promises: every field that counts has a condition, or the form is refused; a policy that says anything unknown is
//! refused. Follows <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html>.
//! Must not know: signatures.

use std::ops::RangeInclusive;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde_json::Value;

use crate::s3::error::{Code, Result, S3Error};
use crate::s3::fields::Fields;

/// The fields that need no condition.
const UNCONDITIONED: [&str; 5] = ["awsaccesskeyid", "file", "policy", "signature", "x-amz-signature"];
/// How the names of more such fields begin: of those that count for nothing, and of checksums, which can only make the form
/// fail.
const UNCONDITIONED_PREFIXES: [&str; 2] = ["x-ignore-", "x-amz-checksum-"];

/// A form's policy.
#[derive(Debug)]
pub struct PostPolicy {
    expiration_us: i64,
    conditions: Vec<FieldCondition>,
}

/// What a field has to be.
#[derive(Debug)]
struct FieldCondition {
    test: FieldTest,
    /// In lower case.
    field: String,
    /// As it was sent, for the message.
    text: String,
}

#[derive(Debug)]
enum FieldTest {
    Equals(String),
    StartsWith(String),
    /// The file has so many bytes.
    Length(RangeInclusive<u64>),
}

impl PostPolicy {
    /// Reads a policy as the form's field has it.
    pub fn read(field: &str) -> Result<Self> {
        let invalid =
            |what: &str| S3Error::with_message(Code::InvalidPolicyDocument, format!("Invalid Policy: {what}"));
        let not_json = || invalid("Invalid JSON.");
        let bytes = BASE64_STANDARD.decode(field.trim()).map_err(|_| not_json())?;
        let document: Value = serde_json::from_slice(&bytes).map_err(|_| not_json())?;
        let members = document.as_object().ok_or_else(not_json)?;
        if let Some(unknown) = members.keys().find(|name| !matches!(name.as_str(), "expiration" | "conditions")) {
            return Err(invalid(&format!("Unexpected: '{unknown}'.")));
        }
        let expiration = members.get("expiration").ok_or_else(|| invalid("Policy missing expiration."))?;
        let until = expiration.as_str().and_then(read_date);
        let until = until.ok_or_else(|| invalid(&format!("Invalid 'expiration' value: {expiration}")))?;
        let conditions = members.get("conditions").ok_or_else(|| invalid("Policy missing conditions."))?;
        let conditions = conditions.as_array().ok_or_else(|| invalid("Invalid 'conditions' value: must be a List."))?;
        let mut read = Vec::new();
        for condition in conditions {
            read.extend(read_condition(condition).ok_or_else(|| invalid("Invalid Condition."))?);
        }
        Ok(Self { expiration_us: until.as_microsecond(), conditions: read })
    }

    /// Whether the form is what the policy allows at this time, in microseconds since 1970; its file is not known yet.
    pub fn check(&self, fields: &Fields, bucket: &str, now_us: u64) -> Result<()> {
        let denied =
            |what: String| S3Error::with_message(Code::AccessDenied, format!("Invalid according to Policy: {what}"));
        if i64::try_from(now_us).unwrap_or(i64::MAX) >= self.expiration_us {
            return Err(denied("Policy expired.".to_owned()));
        }
        let value = |name: &str| if name == "bucket" { Some(bucket) } else { fields.get(name) };
        for condition in &self.conditions {
            if !condition.holds(value(&condition.field)) {
                return Err(denied(format!("Policy Condition failed: {}", condition.text)));
            }
        }
        let is_covered = |name: &str| {
            UNCONDITIONED.contains(&name)
                || UNCONDITIONED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
                || self.conditions.iter().any(|condition| condition.field == name)
        };
        let extra: Vec<_> =
            fields.iter().map(|(name, _)| name).chain(["bucket"]).filter(|name| !is_covered(name)).collect();
        if extra.is_empty() { Ok(()) } else { Err(denied(format!("Extra input fields: {}", extra.join(", ")))) }
    }

    /// How many bytes the file may have: within all ranges that are named.
    pub fn lengths(&self) -> RangeInclusive<u64> {
        let ranges = self.conditions.iter().filter_map(|condition| match &condition.test {
            FieldTest::Length(range) => Some(range),
            _ => None,
        });
        ranges.fold(0..=u64::MAX, |all, range| *all.start().max(range.start())..=*all.end().min(range.end()))
    }
}

impl FieldCondition {
    fn holds(&self, value: Option<&str>) -> bool {
        match (&self.test, value) {
            (FieldTest::Length(_), _) => true,
            (FieldTest::Equals(expected), Some(value)) => expected == value,
            // Of a list of types each has to.
            (FieldTest::StartsWith(prefix), Some(value)) if self.field == "content-type" => {
                value.split(',').all(|kind| kind.trim_start().starts_with(prefix.as_str()))
            }
            (FieldTest::StartsWith(prefix), Some(value)) => value.starts_with(prefix.as_str()),
            // What may be anything may be missing.
            (FieldTest::StartsWith(prefix), None) => prefix.is_empty(),
            (FieldTest::Equals(_), None) => false,
        }
    }
}

/// `{"acl": "private"}`, `["eq", "$acl", "private"]`, `["starts-with", "$key", "a/"]`, `["content-length-range", 1, 9]`.
fn read_condition(condition: &Value) -> Option<Vec<FieldCondition>> {
    if let Some(members) = condition.as_object() {
        let read = |(name, value): (&String, &Value)| {
            let value = value.as_str()?;
            let text = serde_json::to_string(&["eq", &format!("${name}"), value]).ok()?;
            Some(FieldCondition { test: FieldTest::Equals(value.to_owned()), field: name.to_lowercase(), text })
        };
        return if members.is_empty() { None } else { members.iter().map(read).collect() };
    }
    let [operator, first, second] = condition.as_array()?.as_slice() else { return None };
    let text = condition.to_string();
    let operator = operator.as_str()?.to_ascii_lowercase();
    if operator == "content-length-range" {
        let range = number(first)?..=number(second)?;
        let is_range = range.start() <= range.end();
        return is_range.then(|| vec![FieldCondition { test: FieldTest::Length(range), field: operator, text }]);
    }
    let value = second.as_str()?.to_owned();
    let test = match operator.as_str() {
        "eq" => FieldTest::Equals(value),
        "starts-with" => FieldTest::StartsWith(value),
        _ => return None,
    };
    Some(vec![FieldCondition { test, field: first.as_str()?.strip_prefix('$')?.to_lowercase(), text }])
}

/// `2030-01-01T00:00:00.000Z`, with or without the fraction.
fn read_date(text: &str) -> Option<Timestamp> {
    let has_its_form = text.ends_with('Z') && text.as_bytes().get(10) == Some(&b'T');
    text.parse().ok().filter(|_| has_its_form)
}

/// A number, or the digits of one.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_US: u64 = 1_700_000_000_000_000;

    fn read(document: &str) -> Result<PostPolicy> {
        PostPolicy::read(&BASE64_STANDARD.encode(document))
    }

    fn policy(conditions: &str) -> PostPolicy {
        read(&format!(r#"{{"expiration":"2030-01-01T00:00:00Z","conditions":[{conditions}]}}"#)).unwrap()
    }

    fn check(conditions: &str, fields: &[(&str, &str)]) -> std::result::Result<(), String> {
        let checked = policy(conditions).check(&Fields::of(fields), "bkt", NOW_US);
        checked.map_err(|error| {
            assert_eq!(error.code(), Code::AccessDenied);
            error.message().to_owned()
        })
    }

    #[test]
    fn a_form_is_what_its_policy_says() {
        let conditions = r#"{"BUCKET":"bkt"},["Starts-With","$Key","a/"],["eq","$acl","private"],{"x-amz-meta-m":"1"}"#;
        let right = [
            ("key", "a/b"),
            ("acl", "private"),
            ("x-amz-meta-m", "1"),
            ("x-ignore-z", "2"),
            ("policy", "p"),
            ("x-amz-checksum-crc32", "c"),
        ];
        assert_eq!(check(conditions, &right), Ok(()));
        let failed = |text: &str| Err(format!("Invalid according to Policy: Policy Condition failed: {text}"));
        let other = [("key", "b"), ("acl", "private"), ("x-amz-meta-m", "1")];
        assert_eq!(check(conditions, &other), failed(r#"["Starts-With","$Key","a/"]"#));
        let other = [("key", "a/"), ("acl", "Private"), ("x-amz-meta-m", "1")];
        assert_eq!(check(conditions, &other), failed(r#"["eq","$acl","private"]"#));
        assert_eq!(check(conditions, &[("key", "a/"), ("acl", "private")]), failed(r#"["eq","$x-amz-meta-m","1"]"#));
        let more = [("key", "a/"), ("acl", "private"), ("x-amz-meta-m", "1"), ("x-amz-meta-n", "")];
        let extra = |names: &str| Err(format!("Invalid according to Policy: Extra input fields: {names}"));
        assert_eq!(check(conditions, &more), extra("x-amz-meta-n"));
        assert_eq!(check(r#"["starts-with","$key",""]"#, &[("key", "a")]), extra("bucket"));
        let bucket = r#"{"bucket":"other"}"#;
        assert_eq!(check(bucket, &[]), failed(r#"["eq","$bucket","other"]"#));
    }

    #[test]
    fn each_type_of_a_list_has_to_begin_so() {
        let conditions = r#"{"bucket":"bkt"},["starts-with","$Content-Type","image/"]"#;
        assert_eq!(check(conditions, &[("content-type", "image/png, image/gif")]), Ok(()));
        assert!(check(conditions, &[("content-type", "image/png,text/html")]).is_err());
        assert_eq!(check(r#"{"bucket":"bkt"},["starts-with","$success_action_redirect",""]"#, &[]), Ok(()));
    }

    #[test]
    fn a_policy_ends() {
        let ends = |expiration: &str| {
            let policy =
                read(&format!(r#"{{"expiration":"{expiration}","conditions":[{{"bucket":"bkt"}}]}}"#)).unwrap();
            policy.check(&Fields::of(&[]), "bkt", NOW_US).is_err()
        };
        assert!(ends("2023-11-14T22:13:20.000Z") && !ends("2023-11-14T22:13:20.001Z"));
    }

    #[test]
    fn the_file_has_to_be_within_all_ranges() {
        let lengths = policy(r#"["content-length-range",1,10],["content-length-range","5","20"]"#).lengths();
        assert_eq!(lengths, 5..=10);
        assert_eq!(policy("").lengths(), 0..=u64::MAX);
    }

    #[test]
    fn malformed_policies_are_refused() {
        let with = |rest: &str| format!(r#"{{"expiration":"2030-01-01T00:00:00Z",{rest}}}"#);
        for document in [
            "",
            "[]",
            "{",
            r#"{"conditions":[]}"#,
            r#"{"expiration":"2030-01-01 00:00:00","conditions":[]}"#,
            r#"{"EXPIRATION":"2030-01-01T00:00:00Z","conditions":[]}"#,
            r#"{"expiration":"2030-01-01T00:00:00Z"}"#,
            &with(r#""CONDITIONS":[]"#),
            &with(r#""conditions":{}"#),
            &with(r#""conditions":[{}]"#),
            &with(r#""conditions":[{"acl":1}]"#),
            &with(r#""conditions":[["eq","key","a"]]"#),
            &with(r#""conditions":[["ends-with","$key","a"]]"#),
            &with(r#""conditions":[["eq","$key"]]"#),
            &with(r#""conditions":[["content-length-range",-1,0]]"#),
            &with(r#""conditions":[["content-length-range",2,1]]"#),
            &with(r#""conditions":[["content-length-range",0]]"#),
            &with(r#""conditions":[],"more":1"#),
        ] {
            let error = read(document).map(|_| ()).unwrap_err();
            assert_eq!(
                (error.code(), error.code().status().as_u16()),
                (Code::InvalidPolicyDocument, 400),
                "{document}"
            );
        }
        assert!(PostPolicy::read("!").is_err());
    }
}
