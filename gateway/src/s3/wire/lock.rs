//! Object lock in S3's words: retention, legal hold, a bucket's default; as headers and as documents.
//!
//! Promises: what is read here is kept by the range, which alone decides what a lock forbids.
//! Must not know: clocks; whether a date lies ahead is asked of the caller.

use bytes::Bytes;
use couronne_metadata::record::{Attributes, BucketRules, Retention};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::s3::error::{Code, Result, S3Error};
use crate::s3::wire::dates::{iso_date_ms, parse_date};
use crate::s3::wire::values::{header_text, header_value};
use crate::s3::wire::xml::{Element, Writer};

const MODE: HeaderName = HeaderName::from_static("x-amz-object-lock-mode");
const RETAIN_UNTIL: HeaderName = HeaderName::from_static("x-amz-object-lock-retain-until-date");
const LEGAL_HOLD: HeaderName = HeaderName::from_static("x-amz-object-lock-legal-hold");

const DAY_MS: u64 = 86_400_000;
const YEAR_DAYS: u64 = 365;
const DAYS_MAX: u64 = 36_500;
const YEARS_MAX: u64 = 100;

/// The field of a bucket's further configuration that says its default retention was given in years.
const IN_YEARS: u16 = 64;

const fn mode_name(compliance: bool) -> &'static str {
    if compliance { "COMPLIANCE" } else { "GOVERNANCE" }
}

fn parse_mode(text: &str) -> Option<bool> {
    match text {
        "COMPLIANCE" => Some(true),
        "GOVERNANCE" => Some(false),
        _ => None,
    }
}

fn until_ms(text: &str, now_ms: u64) -> Result<u64> {
    let invalid = || S3Error::invalid_argument("The retain until date is not a date.", RETAIN_UNTIL.as_str(), text);
    let until_ms = parse_date(text).and_then(|seconds| seconds.checked_mul(1000)).ok_or_else(invalid)?;
    if until_ms <= now_ms {
        let message = "The retain until date must be in the future!";
        return Err(S3Error::invalid_argument(message, RETAIN_UNTIL.as_str(), text));
    }
    Ok(until_ms)
}

/// Refuses a lock of a kind that is not served.
pub fn refuse_unserved(headers: &HeaderMap) -> Result<()> {
    let known = [MODE, RETAIN_UNTIL, LEGAL_HOLD];
    let asks = |name: &&HeaderName| name.as_str().starts_with("x-amz-object-lock-") && !known.contains(name);
    headers.keys().find(asks).map_or(Ok(()), |name| Err(S3Error::not_implemented(name.as_str())))
}

/// The lock that a write's headers ask for: retention, and whether there is to be a legal hold if they say so.
pub fn of_headers(headers: &HeaderMap, now_ms: u64) -> Result<(Option<Retention>, Option<bool>)> {
    let mode = header_text(headers, MODE.as_str())?;
    let until = header_text(headers, RETAIN_UNTIL.as_str())?;
    let retention = match (mode, until) {
        (None, None) => None,
        (Some(mode), Some(until)) => {
            let unknown = || S3Error::invalid_argument("Unknown wormMode directive.", MODE.as_str(), mode);
            let compliance = parse_mode(mode).ok_or_else(unknown)?;
            Some(Retention { compliance, until_ms: until_ms(until, now_ms)? })
        }
        _ => {
            let message = "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied";
            return Err(S3Error::with_message(Code::InvalidArgument, message));
        }
    };
    let hold = match header_text(headers, LEGAL_HOLD.as_str())? {
        None => None,
        Some("OFF") => Some(false),
        Some("ON") => Some(true),
        Some(other) => {
            let message = "Legal Hold must be either of 'ON' or 'OFF'";
            return Err(S3Error::invalid_argument(message, LEGAL_HOLD.as_str(), other));
        }
    };
    Ok((retention, hold))
}

/// Adds an object's lock to a response's headers.
pub fn into_headers(attributes: &Attributes, headers: &mut HeaderMap) {
    if let Some(retention) = attributes.retention {
        headers.insert(MODE, HeaderValue::from_static(mode_name(retention.compliance)));
        headers.insert(RETAIN_UNTIL, header_value(&iso_date_ms(retention.until_ms)));
    }
    if let Some(hold) = legal_hold(attributes) {
        headers.insert(LEGAL_HOLD, HeaderValue::from_static(hold_name(hold)));
    }
}

/// Whether an object is under a legal hold; `None` if none was ever set or lifted.
pub fn legal_hold(attributes: &Attributes) -> Option<bool> {
    (attributes.legal_hold || attributes.legal_hold_said).then_some(attributes.legal_hold)
}

const fn hold_name(hold: bool) -> &'static str {
    if hold { "ON" } else { "OFF" }
}

/// Reads the `Retention` document; an empty one lifts the retention.
pub fn read_retention(document: &Element, now_ms: u64) -> Result<Option<Retention>> {
    match (document.child_text("Mode"), document.child_text("RetainUntilDate")) {
        (None, None) => Ok(None),
        (Some(mode), Some(until)) => {
            let compliance = parse_mode(mode.trim()).ok_or(Code::MalformedXML)?;
            Ok(Some(Retention { compliance, until_ms: until_ms(until, now_ms)? }))
        }
        _ => Err(Code::MalformedXML.into()),
    }
}

/// Writes the `Retention` document.
pub fn retention_document(retention: Retention) -> String {
    Writer::document("Retention", |xml| {
        xml.text("Mode", mode_name(retention.compliance));
        xml.text("RetainUntilDate", &iso_date_ms(retention.until_ms));
    })
}

/// Reads the `LegalHold` document.
pub fn read_legal_hold(document: &Element) -> Result<bool> {
    match document.child_text("Status").map(str::trim) {
        Some("ON") => Ok(true),
        Some("OFF") => Ok(false),
        _ => Err(Code::MalformedXML.into()),
    }
}

/// Writes the `LegalHold` document.
pub fn legal_hold_document(hold: bool) -> String {
    Writer::document("LegalHold", |xml| xml.text("Status", hold_name(hold)))
}

/// A bucket's default retention, as its owner gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DefaultRetention {
    compliance: bool,
    in_years: bool,
    count: u64,
}

/// Reads the `ObjectLockConfiguration` document: the default retention, if there is to be one.
pub fn read_configuration(document: &Element) -> Result<Option<DefaultRetention>> {
    if document.child_text("ObjectLockEnabled").is_some_and(|text| text.trim() != "Enabled") {
        return Err(Code::MalformedXML.into());
    }
    let Some(rule) = document.child("Rule") else { return Ok(None) };
    let default = rule.child("DefaultRetention").ok_or(Code::MalformedXML)?;
    let compliance = default.child_text("Mode").and_then(|text| parse_mode(text.trim())).ok_or(Code::MalformedXML)?;
    let (in_years, text, most) = match (default.child_text("Days"), default.child_text("Years")) {
        (Some(days), None) => (false, days, DAYS_MAX),
        (None, Some(years)) => (true, years, YEARS_MAX),
        _ => return Err(Code::MalformedXML.into()),
    };
    let count: i64 = text.trim().parse().map_err(|_| Code::MalformedXML)?;
    let count = u64::try_from(count).ok().filter(|count| (1..=most).contains(count));
    Ok(Some(DefaultRetention { compliance, in_years, count: count.ok_or(Code::InvalidRetentionPeriod)? }))
}

impl DefaultRetention {
    const fn length_ms(self) -> u64 {
        let days = if self.in_years { self.count.saturating_mul(YEAR_DAYS) } else { self.count };
        days.saturating_mul(DAY_MS)
    }

    /// What a bucket's rules say.
    fn of_rules(rules: &BucketRules) -> Option<Self> {
        let (compliance, length_ms) = rules.object_lock.flatten()?;
        let in_years = rules.extra.iter().any(|(field, _)| *field == IN_YEARS);
        let days = length_ms / DAY_MS;
        Some(Self { compliance, in_years, count: if in_years { days / YEAR_DAYS } else { days } })
    }
}

/// The rules of a bucket under lock with this default.
#[must_use]
pub fn with_lock(rules: &BucketRules, default: Option<DefaultRetention>) -> BucketRules {
    let mut rules = rules.clone();
    rules.object_lock = Some(default.map(|default| (default.compliance, default.length_ms())));
    rules.extra.retain(|(field, _)| *field != IN_YEARS);
    if default.is_some_and(|default| default.in_years) {
        rules.extra.push((IN_YEARS, Bytes::new()));
    }
    rules
}

/// Writes the `ObjectLockConfiguration` document of a bucket under lock.
pub fn configuration_document(rules: &BucketRules) -> String {
    Writer::document("ObjectLockConfiguration", |xml| {
        xml.text("ObjectLockEnabled", "Enabled");
        if let Some(default) = DefaultRetention::of_rules(rules) {
            xml.element("Rule", |xml| {
                xml.element("DefaultRetention", |xml| {
                    xml.text("Mode", mode_name(default.compliance));
                    xml.value(if default.in_years { "Years" } else { "Days" }, default.count);
                });
            });
        }
    })
}

/// Refuses what needs a lock on a bucket without one.
pub fn need(rules: &BucketRules) -> Result<()> {
    match rules.object_lock {
        Some(_) => Ok(()),
        None => Err(missing()),
    }
}

/// Refuses a write that asks for a lock in a bucket without one, before its body is received.
pub fn check(attributes: &Attributes, rules: &BucketRules) -> Result<()> {
    if attributes.ask_for_lock() { need(rules) } else { Ok(()) }
}

/// What S3 says of a lock on a bucket without one.
fn missing() -> S3Error {
    S3Error::with_message(Code::InvalidRequest, "Bucket is missing Object Lock Configuration")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::s3::wire::xml;
    use couronne_metadata::record::{BucketState, Versioning};
    use couronne_placement::PolicyId;

    fn rules() -> BucketRules {
        BucketRules {
            version: 1,
            state: BucketState::Live,
            versioning: Versioning::Enabled,
            object_lock: None,
            policy: PolicyId(0),
            account: "account".into(),
            quota: None,
            extra: Vec::new(),
        }
    }

    fn read(rule: &str) -> Result<Option<DefaultRetention>> {
        let root = "ObjectLockConfiguration";
        let document = format!("<{root}><ObjectLockEnabled>Enabled</ObjectLockEnabled>{rule}</{root}>");
        read_configuration(&xml::read(document.as_bytes(), root)?)
    }

    fn rule(children: &str) -> String {
        format!("<Rule><DefaultRetention>{children}</DefaultRetention></Rule>")
    }

    #[test]
    fn a_default_comes_back_as_it_was_given() {
        for children in ["<Mode>GOVERNANCE</Mode><Days>365</Days>", "<Mode>COMPLIANCE</Mode><Years>1</Years>"] {
            let default = read(&rule(children)).unwrap();
            let locked = with_lock(
                &with_lock(&rules(), read(&rule("<Mode>GOVERNANCE</Mode><Years>2</Years>")).unwrap()),
                default,
            );
            assert_eq!(locked.object_lock.flatten().unwrap().1, 365 * DAY_MS);
            assert!(configuration_document(&locked).contains(children), "{children}");
        }
        assert_eq!(read("").unwrap(), None);
        assert!(!configuration_document(&with_lock(&rules(), None)).contains("Rule"));
    }

    #[test]
    fn bad_configurations_are_refused() {
        for (children, code) in [
            ("<Mode>GOVERNANCE</Mode><Days>0</Days>", Code::InvalidRetentionPeriod),
            ("<Mode>GOVERNANCE</Mode><Years>-1</Years>", Code::InvalidRetentionPeriod),
            ("<Mode>GOVERNANCE</Mode><Days>36501</Days>", Code::InvalidRetentionPeriod),
            ("<Mode>GOVERNANCE</Mode><Days>1</Days><Years>1</Years>", Code::MalformedXML),
            ("<Mode>governance</Mode><Days>1</Days>", Code::MalformedXML),
            ("<Days>1</Days>", Code::MalformedXML),
            ("<Mode>GOVERNANCE</Mode>", Code::MalformedXML),
            ("<Mode>GOVERNANCE</Mode><Days>x</Days>", Code::MalformedXML),
        ] {
            assert_eq!(read(&rule(children)).unwrap_err().code(), code, "{children}");
        }
    }

    #[test]
    fn locks_are_read_from_headers() {
        let headers = |mode: Option<&'static str>, until: Option<&'static str>, hold: Option<&'static str>| {
            let pairs = [(MODE, mode), (RETAIN_UNTIL, until), (LEGAL_HOLD, hold)];
            let present = pairs.into_iter().filter_map(|(name, value)| Some((name, HeaderValue::from_static(value?))));
            of_headers(&present.collect(), 1_000_000)
        };
        assert_eq!(headers(None, None, None).unwrap(), (None, None));
        let retention = Retention { compliance: true, until_ms: 784_111_777_000 };
        let read = headers(Some("COMPLIANCE"), Some("1994-11-06T08:49:37.000Z"), Some("ON")).unwrap();
        assert_eq!(read, (Some(retention), Some(true)));
        for (mode, until, hold) in [
            (Some("COMPLIANCE"), None, None),
            (None, Some("1994-11-06T08:49:37Z"), None),
            (Some("x"), Some("1994-11-06T08:49:37Z"), None),
            (Some("GOVERNANCE"), Some("1970-01-01T00:00:01Z"), None),
            (Some("GOVERNANCE"), Some("soon"), None),
            (None, None, Some("on")),
        ] {
            assert_eq!(headers(mode, until, hold).unwrap_err().code(), Code::InvalidArgument);
        }
    }
}
