//! Conditional requests: what a read checks against the object it opened, and what a write asks the
//! range to compare before it commits.
//!
//! Promises: a write's condition is never checked here, only carried: the compare-and-swap happens at
//! the range, under the key's latch.

use couronne_metadata::command::{EtagSet, Precondition};
use couronne_metadata::record::ObjectRecord;
use http::HeaderMap;
use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};

use crate::s3::error::{Code, Result, S3Error};
use crate::s3::wire::dates::{parse_date, seconds};
use crate::s3::wire::etag::{parse_etag, quoted_etag};
use crate::s3::wire::values::{header_text, header_value};

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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use couronne_metadata::ids::{CommitId, Ordinal, VersionId};
    use couronne_metadata::record::{Attributes, Content, Data, Etag};
    use http::HeaderName;

    const ETAG: &str = "\"5d41402abc4b2a76b9719d911017c592\"";
    const OTHER: &str = "\"00000000000000000000000000000000\"";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const AT: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    fn record() -> ObjectRecord {
        ObjectRecord {
            ordinal: Ordinal(784_111_777_999_999),
            version: VersionId::Null,
            commit: CommitId::from_bytes([0; 16]),
            etag: parse_etag(ETAG).unwrap(),
            size: 5,
            content: Content::Whole(Data::Inline { len: 5, crc64: 0 }),
            attributes: Attributes::default(),
            checksum: None,
        }
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    fn check(pairs: &[(&'static str, &str)], expect: Option<Code>) {
        let outcome = ReadConditions::of_read(&headers(pairs)).unwrap().check(&record());
        assert_eq!(outcome.err().map(|error| error.code()), expect, "{pairs:?}");
    }

    #[test]
    fn reads_follow_the_order_of_rfc_9110() {
        check(&[], None);
        check(&[("if-match", ETAG)], None);
        check(&[("if-match", "*")], None);
        check(&[("if-match", "5d41402abc4b2a76b9719d911017c592")], None);
        check(&[("if-match", "\"ABCORZ\"")], Some(Code::PreconditionFailed));
        check(&[("if-match", &format!("W/{ETAG}"))], Some(Code::PreconditionFailed));
        check(&[("if-match", &format!("{OTHER}, {ETAG}"))], None);
        check(&[("if-none-match", ETAG)], Some(Code::NotModified));
        check(&[("if-none-match", &format!("W/{ETAG}"))], Some(Code::NotModified));
        check(&[("if-none-match", "*")], Some(Code::NotModified));
        check(&[("if-none-match", "ABCORZ")], None);
        check(&[("if-modified-since", BEFORE)], None);
        check(&[("if-modified-since", AT)], Some(Code::NotModified));
        check(&[("if-modified-since", "nonsense")], None);
        check(&[("if-unmodified-since", BEFORE)], Some(Code::PreconditionFailed));
        check(&[("if-unmodified-since", AT)], None);
        // A tag that matches outweighs a date that does not, and the other way about.
        check(&[("if-match", ETAG), ("if-unmodified-since", BEFORE)], None);
        check(&[("if-none-match", ETAG), ("if-modified-since", BEFORE)], Some(Code::NotModified));
        check(&[("if-none-match", OTHER), ("if-modified-since", AT)], None);
    }

    #[test]
    fn the_source_of_a_copy_is_never_not_modified() {
        let headers = headers(&[("x-amz-copy-source-if-none-match", ETAG)]);
        let outcome = ReadConditions::of_copy_source(&headers).unwrap().check_source(&record());
        assert_eq!(outcome.unwrap_err().code(), Code::PreconditionFailed);
    }

    #[test]
    fn writes_carry_their_conditions() {
        let etag = record().etag;
        let condition = write_condition(&headers(&[("if-match", ETAG), ("if-none-match", "*")])).unwrap();
        assert_eq!(condition.if_match, Some(EtagSet::Tags(vec![etag])));
        assert_eq!(condition.if_none_match, Some(EtagSet::Any));
        // A tag that no object has must not make the write unconditional.
        let condition = write_condition(&headers(&[("if-match", "badetag")])).unwrap();
        assert_eq!(condition.if_match, Some(EtagSet::Tags(Vec::<Etag>::new())));
        let condition =
            delete_condition(&headers(&[("x-amz-if-match-last-modified-time", AT), ("x-amz-if-match-size", "5")]));
        let condition = condition.unwrap();
        assert_eq!((condition.if_last_modified_s, condition.if_size), (Some(784_111_777), Some(5)));
        assert!(delete_condition(&headers(&[("x-amz-if-match-size", "many")])).is_err());
        assert!(entry_condition(None, Some("yesterday"), None).is_err());
    }

    #[test]
    fn a_repeated_condition_is_refused() {
        let mut twice = headers(&[("if-none-match", ETAG)]);
        twice.append("if-none-match", "*".parse().unwrap());
        assert!(write_condition(&twice).is_err());
    }

    #[test]
    fn if_range_is_a_tag_or_a_date() {
        assert!(if_range_holds(ETAG, &record()) && if_range_holds(AT, &record()));
        assert!(!if_range_holds(OTHER, &record()) && !if_range_holds(BEFORE, &record()));
    }
}
