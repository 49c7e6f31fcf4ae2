//! The values of conditions that are no text: numbers and dates.
//!
//! Promises: exact arithmetic; whatever is not wholly a value is none.

use jiff::Timestamp;
use jiff::civil;

/// Digits after the point that count.
const SCALE_DIGITS: usize = 9;

/// A decimal number in billionths.
pub(super) fn number(text: &str) -> Option<i128> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !are_digits(whole) || !are_digits(fraction) || whole.len() > 20 || fraction.len() > SCALE_DIGITS {
        return None;
    }
    format!("{whole}{fraction:0<SCALE_DIGITS$}").parse::<i128>().ok().map(|number| sign * number)
}

/// A date, in nanoseconds since 1970: a W3C form of ISO 8601, or seconds since 1970. Four digits are a year.
pub(super) fn date(text: &str) -> Option<i128> {
    let day = |text: &str| {
        let date: civil::Date = text.parse().ok()?;
        Some(date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_nanosecond())
    };
    let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    match text.len() {
        4 if is_plain(text) => day(&format!("{text}-01-01")),
        7 if is_plain(text) && text.contains('-') => day(&format!("{text}-01")),
        10 if is_plain(text) && text.contains('-') => day(text),
        _ => number(text).or_else(|| Some(text.parse::<Timestamp>().ok()?.as_nanosecond())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_exact() {
        assert_eq!(number("10"), Some(10_000_000_000));
        assert_eq!(number("-1.25"), Some(-1_250_000_000));
        assert!(number("9007199254740993") > number("9007199254740992"));
        for wrong in ["", "-", ".", "1.", ".5", "1e3", "+1", "0x1", " 1", "1 ", "1.0000000001", "NaN", "١"] {
            assert_eq!(number(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn dates_have_many_forms() {
        let same = ["2020-01-01T00:00:00Z", "2020-01-01T01:00:00+01:00", "2020-01-01", "2020-01", "2020", "1577836800"];
        for text in same {
            assert_eq!(date(text), Some(1_577_836_800_000_000_000), "{text}");
        }
        assert_eq!(date("2020-01-01T00:00:00.5Z"), Some(1_577_836_800_500_000_000));
        assert_eq!(date("2020-01-01T00:00Z"), date("2020-01-01"));
        for wrong in ["", "sdf", "234-13", "2020-13-01", "2020-01-01T00:00:00", "2016-12-13T2:00:00Z", "tomorrow"] {
            assert_eq!(date(wrong), None, "{wrong}");
        }
    }
}
