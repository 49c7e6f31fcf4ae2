//! Conditional requests: what a read checks against the object it opened, and what a write asks the
//! range to compare before it commits.
//!
//! Promises: a write's condition is never checked here, only carried: the compare-and-swap happens at
//! the range, under the key's latch.

use couronne_metadata::command::{EtagSet, Precondition};
use couronne_metadata::record::ObjectRecord;
use http::HeaderMap;

use crate::s3::error::{Code, Result, S3Error};
use crate::s3::wire::dates::{parse_date, seconds};
use crate::s3::wire::etag::parse_etag;
use crate::s3::wire::values::header_text;

/// The conditions of a read, or of the source of a copy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadConditions {
    if_match: Option<EtagSet>,
    if_none_match: Option<EtagSet>,
    if_modified_since_s: Option<u64>,
    if_unmodified_since_s: Option<u64>,
}

/// A condition that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failed {
    Match,
    UnmodifiedSince,
    NoneMatch,
    ModifiedSince,
}

impl Failed {
    /// The header of the condition as S3 names it in errors.
    const fn header(self) -> &'static str {
        match self {
            Self::Match => "If-Match",
            Self::UnmodifiedSince => "If-Unmodified-Since",
            Self::NoneMatch => "If-None-Match",
            Self::ModifiedSince => "If-Modified-Since",
        }
    }
}

/// How the headers begin that are conditions on the source of a copy.
const OF_SOURCE: &str = "x-amz-copy-source-";

impl ReadConditions {
    /// The conditions of a GET or HEAD that came at this time (microseconds since 1970). A date that does not parse, or
    /// lies ahead where only past ones make sense, is ignored (RFC 9110, 13.1.3).
    pub fn of_read(headers: &HeaderMap, now_us: u64) -> Result<Self> {
        Self::from_names(headers, "", now_us)
    }

    /// The conditions on the source of a copy.
    pub fn of_copy_source(headers: &HeaderMap, now_us: u64) -> Result<Self> {
        Self::from_names(headers, OF_SOURCE, now_us)
    }

    fn from_names(headers: &HeaderMap, prefix: &str, now_us: u64) -> Result<Self> {
        let names = ["if-match", "if-none-match", "if-modified-since", "if-unmodified-since"];
        let [matches, none_match, modified, unmodified] =
            names.map(|name| header_text(headers, &format!("{prefix}{name}")));
        let is_past = |since: &u64| *since <= now_us / 1_000_000;
        Ok(Self {
            if_match: matches?.map(|text| tags(text, false)),
            if_none_match: none_match?.map(|text| tags(text, true)),
            if_modified_since_s: modified?.and_then(parse_date).filter(is_past),
            if_unmodified_since_s: unmodified?.and_then(parse_date),
        })
    }

    /// Whether the object may be read: else `PreconditionFailed` or `NotModified`.
    pub fn check(&self, record: &ObjectRecord) -> Result<()> {
        match self.failed(record) {
            None => Ok(()),
            Some(Failed::NoneMatch | Failed::ModifiedSince) => Err(Code::NotModified.into()),
            Some(failed) => Err(failed_condition(failed.header())),
        }
    }

    /// As [`Self::check`] for the source of a copy, where nothing is cached: every failure is
    /// `PreconditionFailed`.
    pub fn check_source(&self, record: &ObjectRecord) -> Result<()> {
        match self.failed(record) {
            None => Ok(()),
            Some(failed) => Err(failed_condition(&format!("{OF_SOURCE}{}", failed.header()))),
        }
    }

    /// The order is RFC 9110's (13.2.2), which is also S3's.
    fn failed(&self, record: &ObjectRecord) -> Option<Failed> {
        let modified_s = seconds(record.ordinal);
        let (matched, of_match) = match &self.if_match {
            Some(set) => (contains(set, record), Failed::Match),
            None => (self.if_unmodified_since_s.is_none_or(|since| modified_s <= since), Failed::UnmodifiedSince),
        };
        let (fresh, of_fresh) = match &self.if_none_match {
            Some(set) => (!contains(set, record), Failed::NoneMatch),
            None => (self.if_modified_since_s.is_none_or(|since| modified_s > since), Failed::ModifiedSince),
        };
        (!matched).then_some(of_match).or((!fresh).then_some(of_fresh))
    }
}

fn failed_condition(header: &str) -> S3Error {
    S3Error::new(Code::PreconditionFailed).detail("Condition", header)
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

/// The conditions of a write: PutObject, CompleteMultipartUpload, the destination of CopyObject. As on S3 there is one:
/// that the object has this tag, or that there is none. Others are refused, for a client that believes in them would lose
/// data.
pub fn write_condition(headers: &HeaderMap) -> Result<Precondition> {
    let if_match = header_text(headers, "if-match")?;
    let if_none_match = header_text(headers, "if-none-match")?;
    refuse_dates(headers)?;
    let is_any = |text: &str| text.trim() == "*";
    match (if_match, if_none_match) {
        (Some(_), Some(_)) => {
            Err(unserved("If-Match,If-None-Match", "Multiple conditional request headers present in the request"))
        }
        (Some(text), None) if is_any(text) => {
            Err(unserved("If-Match", "We don't accept the provided value of If-Match header for this API"))
        }
        (None, Some(text)) if !is_any(text) => {
            Err(unserved("If-None-Match", "We don't accept the provided value of If-None-Match header for this API"))
        }
        (if_match, if_none_match) => Ok(Precondition {
            if_match: if_match.map(|text| tags(text, false)),
            if_none_match: if_none_match.map(|text| tags(text, true)),
            ..Precondition::default()
        }),
    }
}

/// `NotImplemented`: a condition that writes do not take.
fn unserved(header: &str, why: &str) -> S3Error {
    S3Error::new(Code::NotImplemented).detail("Header", header).detail("additionalMessage", why)
}

fn refuse_dates(headers: &HeaderMap) -> Result<()> {
    match ["If-Modified-Since", "If-Unmodified-Since"].into_iter().find(|name| headers.contains_key(*name)) {
        Some(name) => Err(S3Error::new(Code::NotImplemented).detail("Header", name)),
        None => Ok(()),
    }
}

/// The conditions of DeleteObject.
pub fn delete_condition(headers: &HeaderMap) -> Result<Precondition> {
    let if_last_modified_s =
        header_text(headers, "x-amz-if-match-last-modified-time")?.map(condition_date).transpose()?;
    let if_size = header_text(headers, "x-amz-if-match-size")?.map(condition_size).transpose()?;
    let if_match = header_text(headers, "if-match")?.map(|text| tags(text, false));
    refuse_dates(headers)?;
    if headers.contains_key("if-none-match") {
        return Err(S3Error::new(Code::NotImplemented).detail("Header", "If-None-Match"));
    }
    Ok(Precondition { if_match, if_none_match: None, if_last_modified_s, if_size })
}

/// Names the condition of a write in the error that says it did not hold. Of several that a deletion has, the first: the
/// range does not say which it was.
#[must_use]
pub fn name_failed(condition: &Precondition, error: S3Error) -> S3Error {
    let Precondition { if_match, if_none_match, if_last_modified_s, if_size } = condition;
    let header = [
        (if_match.is_some(), "If-Match"),
        (if_none_match.is_some(), "If-None-Match"),
        (if_last_modified_s.is_some(), "x-amz-if-match-last-modified-time"),
        (if_size.is_some(), "x-amz-if-match-size"),
    ];
    match (error.code(), header.into_iter().find(|(asked, _)| *asked)) {
        (Code::PreconditionFailed, Some((_, header))) => error.detail("Condition", header),
        _ => error,
    }
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
    const AHEAD: &str = "Sun, 06 Nov 1994 08:50:01 GMT";
    /// Just before `AHEAD`.
    const NOW_US: u64 = 784_111_800_999_999;

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
        let outcome = ReadConditions::of_read(&headers(pairs), NOW_US).unwrap().check(&record());
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
        check(&[("if-modified-since", AHEAD)], None);
        check(&[("if-unmodified-since", AHEAD)], None);
        check(&[("if-unmodified-since", BEFORE)], Some(Code::PreconditionFailed));
        check(&[("if-unmodified-since", AT)], None);
        // A tag that matches outweighs a date that does not, and the other way about.
        check(&[("if-match", ETAG), ("if-unmodified-since", BEFORE)], None);
        check(&[("if-none-match", ETAG), ("if-modified-since", BEFORE)], Some(Code::NotModified));
        check(&[("if-none-match", OTHER), ("if-modified-since", AT)], None);
    }

    #[test]
    fn the_source_of_a_copy_is_never_not_modified() {
        let code = |name: &'static str, value: &str| {
            let conditions = ReadConditions::of_copy_source(&headers(&[(name, value)]), NOW_US).unwrap();
            conditions.check_source(&record()).err().map(|error| error.code())
        };
        assert_eq!(code("x-amz-copy-source-if-none-match", ETAG), Some(Code::PreconditionFailed));
        assert_eq!(code("x-amz-copy-source-if-modified-since", AT), Some(Code::PreconditionFailed));
        assert_eq!(code("x-amz-copy-source-if-modified-since", AHEAD), None);
    }

    #[test]
    fn writes_carry_their_conditions() {
        let etag = record().etag;
        let condition = write_condition(&headers(&[("if-match", ETAG)])).unwrap();
        assert_eq!((condition.if_match, condition.if_none_match), (Some(EtagSet::Tags(vec![etag])), None));
        let condition = write_condition(&headers(&[("if-none-match", "*")])).unwrap();
        assert_eq!((condition.if_match, condition.if_none_match), (None, Some(EtagSet::Any)));
        // A tag that no object has must not make the write unconditional.
        let condition = write_condition(&headers(&[("if-match", "badetag")])).unwrap();
        assert_eq!(condition.if_match, Some(EtagSet::Tags(Vec::<Etag>::new())));
        let condition =
            delete_condition(&headers(&[("x-amz-if-match-last-modified-time", AT), ("x-amz-if-match-size", "5")]));
        let condition = condition.unwrap();
        assert_eq!((condition.if_last_modified_s, condition.if_size), (Some(784_111_777), Some(5)));
        assert_eq!(delete_condition(&headers(&[("if-match", "*")])).unwrap().if_match, Some(EtagSet::Any));
        assert!(delete_condition(&headers(&[("x-amz-if-match-size", "many")])).is_err());
        assert!(entry_condition(None, Some("yesterday"), None).is_err());
    }

    #[test]
    fn conditions_that_writes_do_not_take_are_refused() {
        for pairs in [
            &[("if-match", "*")][..],
            &[("if-none-match", ETAG)],
            &[("if-match", ETAG), ("if-none-match", "*")],
            &[("if-unmodified-since", AT)],
            &[("if-modified-since", AT)],
        ] {
            assert_eq!(write_condition(&headers(pairs)).unwrap_err().code(), Code::NotImplemented, "{pairs:?}");
        }
        for pairs in [&[("if-none-match", "*")], &[("if-unmodified-since", AT)]] {
            assert_eq!(delete_condition(&headers(pairs)).unwrap_err().code(), Code::NotImplemented, "{pairs:?}");
        }
    }

    #[test]
    fn a_repeated_condition_is_refused() {
        let mut twice = headers(&[("if-none-match", "*")]);
        twice.append("if-none-match", "*".parse().unwrap());
        assert!(write_condition(&twice).is_err());
    }

    #[test]
    fn if_range_is_a_tag_or_a_date() {
        assert!(if_range_holds(ETAG, &record()) && if_range_holds(AT, &record()));
        assert!(!if_range_holds(OTHER, &record()) && !if_range_holds(BEFORE, &record()));
    }
}
