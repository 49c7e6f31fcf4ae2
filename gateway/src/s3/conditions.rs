//! Conditional requests: what a read checks against the object it opened, and what a write asks the
//! range to compare before it commits.
//!
//! Promises: a write's condition is never checked here, only carried: the compare-and-swap happens at
//! the range, under the key's latch.

use couronne_metadata::command::{EtagSet, Precondition};
use couronne_metadata::record::ObjectRecord;
use http::HeaderMap;
use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};

use super::dates::{parse_date, seconds};
use super::error::{Code, Result, S3Error};
use super::etag::{parse_etag, quoted_etag};
use super::values::{header_text, header_value};

/// The conditions of a read, or of the source of a copy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadConditions {
    if_match: Option<EtagSet>,
    if_none_match: Option<EtagSet>,
    if_modified_since_s: Option<u64>,
    if_unmodified_since_s: Option<u64>,
}

impl ReadConditions {
    /// The conditions of a GET or HEAD. A date that does not parse is ignored (RFC 9110, 13.1.3).
    pub fn of_read(headers: &HeaderMap) -> Result<Self> {
        Self::from_names(
            headers,
            [IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE].map(|h| h.to_string()),
        )
    }

    /// The conditions on the source of a copy.
    pub fn of_copy_source(headers: &HeaderMap) -> Result<Self> {
        let names = ["if-match", "if-none-match", "if-modified-since", "if-unmodified-since"];
        Self::from_names(headers, names.map(|name| format!("x-amz-copy-source-{name}")))
    }

    fn from_names(headers: &HeaderMap, names: [String; 4]) -> Result<Self> {
        let [matches, none_match, modified, unmodified] = names.each_ref().map(|name| header_text(headers, name));
        Ok(Self {
            if_match: matches?.map(|text| tags(text, false)),
            if_none_match: none_match?.map(|text| tags(text, true)),
            if_modified_since_s: modified?.and_then(parse_date),
            if_unmodified_since_s: unmodified?.and_then(parse_date),
        })
    }

    /// Whether the object may be read: else `PreconditionFailed`, or `NotModified` with the headers a
    /// cache needs. The order is RFC 9110's (13.2.2), which is also S3's.
    pub fn check(&self, record: &ObjectRecord) -> Result<()> {
        let modified_s = seconds(record.ordinal);
        let matched = match &self.if_match {
            Some(set) => contains(set, record),
            None => self.if_unmodified_since_s.is_none_or(|since| modified_s <= since),
        };
        if !matched {
            let condition = if self.if_match.is_some() { "If-Match" } else { "If-Unmodified-Since" };
            return Err(S3Error::new(Code::PreconditionFailed).detail("Condition", condition));
        }
        let fresh = match &self.if_none_match {
            Some(set) => !contains(set, record),
            None => self.if_modified_since_s.is_none_or(|since| modified_s > since),
        };
        if fresh { Ok(()) } else { Err(not_modified(record)) }
    }

    /// As [`Self::check`] for the source of a copy, where nothing is cached: every failure is
    /// `PreconditionFailed`.
    pub fn check_source(&self, record: &ObjectRecord) -> Result<()> {
        self.check(record).map_err(|error| match error.code() {
            Code::NotModified => S3Error::new(Code::PreconditionFailed),
            _ => error,
        })
    }
}

fn not_modified(record: &ObjectRecord) -> S3Error {
    S3Error::new(Code::NotModified)
        .header(http::header::ETAG, header_value(&quoted_etag(&record.etag)))
        .header(http::header::LAST_MODIFIED, header_value(&super::dates::http_date(record.ordinal)))
}

fn contains(set: &EtagSet, record: &ObjectRecord) -> bool {
    match set {
        EtagSet::Any => true,
        EtagSet::Tags(tags) => tags.contains(&record.etag),
    }
}

/// Whether `If-Range` lets a range be sent: its tag or date is the object's.
pub fn if_range_holds(text: &str, record: &ObjectRecord) -> bool {
    match parse_etag(text) {
        Some(etag) => etag == record.etag,
        None => parse_date(text).is_some_and(|date| date == seconds(record.ordinal)),
    }
}

/// A list of tags. One that no object can have (or a weak one where strong comparison is asked) stands
/// for no object, so it is left out: the condition stays, and cannot be met by it.
fn tags(text: &str, weak: bool) -> EtagSet {
    if text.trim() == "*" {
        return EtagSet::Any;
    }
    let strong = |tag: &str| match tag.trim().strip_prefix("W/") {
        Some(tag) if weak => parse_etag(tag),
        Some(_) => None,
        None => parse_etag(tag),
    };
    EtagSet::Tags(text.split(',').filter_map(strong).collect())
}

/// The conditions of a write: PutObject, CompleteMultipartUpload, the destination of CopyObject.
pub fn write_condition(headers: &HeaderMap) -> Result<Precondition> {
    Ok(Precondition {
        if_match: header_text(headers, "if-match")?.map(|text| tags(text, false)),
        if_none_match: header_text(headers, "if-none-match")?.map(|text| tags(text, true)),
        ..Precondition::default()
    })
}

/// The conditions of DeleteObject.
pub fn delete_condition(headers: &HeaderMap) -> Result<Precondition> {
    let if_last_modified_s =
        header_text(headers, "x-amz-if-match-last-modified-time")?.map(condition_date).transpose()?;
    let if_size = header_text(headers, "x-amz-if-match-size")?.map(condition_size).transpose()?;
    let if_match = header_text(headers, "if-match")?.map(|text| tags(text, false));
    Ok(Precondition { if_match, if_none_match: None, if_last_modified_s, if_size })
}

/// The conditions of one entry of DeleteObjects.
pub fn entry_condition(etag: Option<&str>, last_modified: Option<&str>, size: Option<&str>) -> Result<Precondition> {
    Ok(Precondition {
        if_match: etag.map(|text| tags(text, false)),
        if_none_match: None,
        if_last_modified_s: last_modified.map(condition_date).transpose()?,
        if_size: size.map(condition_size).transpose()?,
    })
}

fn condition_date(text: &str) -> Result<u64> {
    parse_date(text)
        .ok_or_else(|| S3Error::invalid_argument("The date does not parse.", "x-amz-if-match-last-modified-time", text))
}

fn condition_size(text: &str) -> Result<u64> {
    text.parse().map_err(|_| S3Error::invalid_argument("The size is not a number.", "x-amz-if-match-size", text))
}
