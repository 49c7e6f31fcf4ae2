//! The values of conditions that are no text: numbers, dates, networks.
//!
//! Promises: exact arithmetic; whatever is not wholly a value is none.

use std::net::IpAddr;

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

/// A network: an address, or a prefix of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    address: IpAddr,
    prefix: u32,
}

impl Network {
    /// Reads `203.0.113.0/24`, or an address, which is a network of its own.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().ok()?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => bits,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok()?,
            Some(_) => return None,
        };
        (prefix <= bits).then_some(Self { address, prefix })
    }

    /// Whether the address lies in it. An IPv4 address that is written as one of IPv6 is one of IPv4.
    pub(super) fn contains(&self, address: &str) -> bool {
        let Ok(address) = address.parse::<IpAddr>() else { return false };
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let differing = network.to_bits() ^ address.to_bits();
                differing.checked_shr(32 - self.prefix).unwrap_or(0) == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let differing = network.to_bits() ^ address.to_bits();
                differing.checked_shr(128 - self.prefix).unwrap_or(0) == 0
            }
            _ => false,
        }
    }

    /// Whether it is so broad that S3 takes it for everybody: broader than /8, of IPv6 than /32.
    pub(super) const fn is_broad(&self) -> bool {
        self.prefix < if self.address.is_ipv4() { 8 } else { 32 }
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

    #[test]
    fn networks_hold_their_addresses() {
        let holds = |network: &str, address: &str| Network::parse(network).unwrap().contains(address);
        assert!(holds("203.0.113.0/24", "203.0.113.255") && !holds("203.0.113.0/24", "203.0.114.0"));
        assert!(holds("203.0.113.7", "203.0.113.7") && !holds("203.0.113.7", "203.0.113.6"));
        assert!(holds("0.0.0.0/0", "8.8.8.8") && !holds("0.0.0.0/0", "2001:db8::1"));
        assert!(holds("::/0", "2001:db8::1") && holds("2001:DB8:1234:5678::/64", "2001:db8:1234:5678::9"));
        assert!(!holds("2001:db8::/32", "2001:db9::1"));
        assert!(holds("10.0.0.0/8", "::ffff:10.1.2.3"), "the same address in the other form");
        for wrong in ["", "1.2.3", "1.2.3.4/33", "::/129", "1.2.3.4/", "1.2.3.4/+8", "1.2.3.4/8/8", "*"] {
            assert_eq!(Network::parse(wrong), None, "{wrong}");
        }
    }
}
