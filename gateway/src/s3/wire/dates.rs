//! Dates as S3 writes and reads them.
//!
//! Must not know: clocks. Every time comes from a row or a header.

use couronne_metadata::ids::Ordinal;
use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::fmt::temporal::DateTimePrinter;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

const HTTP_DATE: &str = "%a, %d %b %Y %H:%M:%S GMT";

/// Writes ISO 8601 with milliseconds, without reading a format for each of a listing's dates.
const MILLISECONDS: DateTimePrinter = DateTimePrinter::new().precision(Some(3));

const SECONDS: DateTimePrinter = DateTimePrinter::new().precision(Some(0));

/// An ordinal as an HTTP date with whole seconds: `Mon, 12 Oct 2009 17:50:30 GMT`.
pub fn http_date(at: Ordinal) -> String {
    timestamp(at).strftime(HTTP_DATE).to_string()
}

/// An ordinal as ISO 8601 with milliseconds, as in listings: `2009-10-12T17:50:30.000Z`.
pub fn iso_date(at: Ordinal) -> String {
    MILLISECONDS.timestamp_to_string(&timestamp(at))
}

/// Milliseconds since 1970 as ISO 8601.
pub fn iso_date_ms(at_ms: u64) -> String {
    iso_date(Ordinal(at_ms.saturating_mul(1000)))
}

/// Seconds since 1970 as ISO 8601, as errors have it: `2009-10-12T17:50:30Z`.
pub fn iso_date_s(at_s: i64) -> String {
    SECONDS.timestamp_to_string(&Timestamp::from_second(at_s).unwrap_or(Timestamp::MAX))
}

/// The seconds since 1970 that clients see of an ordinal.
pub const fn seconds(at: Ordinal) -> u64 {
    at.0 / 1_000_000
}

fn timestamp(at: Ordinal) -> Timestamp {
    i64::try_from(at.0).ok().and_then(|us| Timestamp::from_microsecond(us).ok()).unwrap_or(Timestamp::MAX)
}

/// Reads an HTTP date in any of its three forms (RFC 9110, 5.6.7), or an ISO 8601 date; seconds since 1970.
pub fn parse_date(text: &str) -> Option<u64> {
    let text = text.trim();
    let seconds = [HTTP_DATE, "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"]
        .iter()
        .find_map(|format| strtime::parse(format, text).ok()?.to_datetime().ok())
        .and_then(in_utc)
        .map(|zoned| zoned.timestamp().as_second())
        .or_else(|| text.parse::<Timestamp>().ok().map(Timestamp::as_second))?;
    u64::try_from(seconds).ok()
}

fn in_utc(datetime: DateTime) -> Option<Zoned> {
    datetime.to_zoned(TimeZone::UTC).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_s3_writes_them() {
        let at = Ordinal(1_255_369_830_123_456);
        assert_eq!(http_date(at), "Mon, 12 Oct 2009 17:50:30 GMT");
        assert_eq!(iso_date(at), "2009-10-12T17:50:30.123Z");
        assert_eq!(iso_date(Ordinal(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(iso_date_s(1_255_369_830), "2009-10-12T17:50:30Z");
        assert!(!iso_date_s(i64::MAX).is_empty());
        assert!(!http_date(Ordinal(u64::MAX)).is_empty());
    }

    #[test]
    fn dates_are_read_in_every_form() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "1994-11-06T08:49:37Z",
            "1994-11-06T08:49:37.000Z",
        ] {
            assert_eq!(parse_date(text), Some(784_111_777), "{text}");
        }
        for text in ["", "yesterday", "Sun, 06 Nov 1994", "1960-01-01T00:00:00Z", "99999999999999"] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }
}
