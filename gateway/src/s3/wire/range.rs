//! Byte ranges: the `Range` header of reads and the stricter one of part copies.
//!
//! Must not know: where bytes are.

use std::ops::Range;

/// What a `Range` header asks for, before the object's size is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeSpec {
    /// From a first to a last byte, both included.
    Closed(u64, u64),
    /// From a first byte to the end.
    From(u64),
    /// The last so many bytes.
    Suffix(u64),
}

impl RangeSpec {
    /// Reads `bytes=...`. A header that is malformed or asks for several ranges is `None`: S3, as
    /// RFC 9110 (14.2) allows, then sends the whole object.
    pub fn parse(header: &str) -> Option<Self> {
        let (first, last) = header.trim().strip_prefix("bytes=")?.split_once('-')?;
        match (first, last) {
            ("", suffix) => Some(Self::Suffix(number(suffix)?)),
            (first, "") => Some(Self::From(number(first)?)),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::Closed(first, last))
            }
        }
    }

    /// Whether it asks for the last bytes of an object that has none: these are all there are, which is no range.
    pub const fn is_all_of(self, size: u64) -> bool {
        matches!(self, Self::Suffix(1..)) && size == 0
    }

    /// The bytes it means in an object of `size` bytes; `None` if there are none (416 `InvalidRange`).
    pub fn resolve(self, size: u64) -> Option<Range<u64>> {
        let range = match self {
            Self::Closed(first, last) => first..last.saturating_add(1).min(size),
            Self::From(first) => first..size,
            Self::Suffix(count) => size.saturating_sub(count)..size,
        };
        (range.start < range.end).then_some(range)
    }
}

/// Digits only: `u64::from_str` would also take a plus sign.
fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: &str, size: u64, expect: Option<Option<Range<u64>>>) {
        assert_eq!(RangeSpec::parse(header).map(|spec| spec.resolve(size)), expect, "{header} of {size}");
    }

    #[test]
    fn ranges_resolve_against_the_size() {
        check("bytes=0-0", 10, Some(Some(0..1)));
        check("bytes=4-7", 10, Some(Some(4..8)));
        check("bytes=4-700", 10, Some(Some(4..10)));
        check("bytes=4-", 10, Some(Some(4..10)));
        check("bytes=-3", 10, Some(Some(7..10)));
        check("bytes=-30", 10, Some(Some(0..10)));
        check("bytes=10-", 10, Some(None));
        check("bytes=10-12", 10, Some(None));
        check("bytes=-0", 10, Some(None));
        check("bytes=0-", 0, Some(None));
        check("bytes=0-18446744073709551615", 10, Some(Some(0..10)));
    }

    #[test]
    fn malformed_ranges_are_ignored() {
        for header in
            ["", "bytes", "bytes=", "bytes=-", "bytes=5-4", "bytes=a-b", "bytes=+1-2", "bytes=0-1,3-4", "octets=0-1"]
        {
            check(header, 10, None);
        }
        check("bytes=0-99999999999999999999999", 10, None);
    }
}
