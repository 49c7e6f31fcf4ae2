//! What S3 accepts as the name of a new bucket.

/// Whether a bucket may be created under this name (S3's rules for general purpose buckets: 3 to 63
/// lower-case letters, digits, hyphens and periods, each label beginning and ending with a letter or a
/// digit, no address of four numbers, none of the reserved prefixes and suffixes).
pub fn is_valid(name: &str) -> bool {
    let length = (3..=63).contains(&name.len());
    let alphabet = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.');
    let labels = name.split('.').all(|label| {
        let alphanumeric = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
        alphanumeric(label.bytes().next()) && alphanumeric(label.bytes().next_back())
    });
    // Of S3 Control's paths this one is the first part.
    let reserved = name == "v20180820"
        || ["xn--", "sthree-", "amzn-s3-demo-"].iter().any(|prefix| name.starts_with(prefix))
        || ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"].iter().any(|suffix| name.ends_with(suffix));
    length && alphabet && labels && !reserved && !is_address(name)
}

fn is_address(name: &str) -> bool {
    name.parse::<std::net::Ipv4Addr>().is_ok()
        || name.split('.').count() == 4 && name.split('.').all(|label| label.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_s3s_rules() {
        for name in ["abc", "a.b-c.d", "1.2.3", "a--b", &"a".repeat(63), "123"] {
            assert!(is_valid(name), "{name}");
        }
        for name in [
            "",
            "ab",
            &"a".repeat(64),
            "Abc",
            "a_b",
            "-ab",
            "ab-",
            ".ab",
            "ab.",
            "a..b",
            "a.-b",
            "a-.b",
            "192.168.5.4",
            "999.1.1.1",
            "xn--abc",
            "abc-s3alias",
            "a b",
            "a/b",
            "\u{e4}bc",
            "sthree-abc",
            "v20180820",
        ] {
            assert!(!is_valid(name), "{name}");
        }
    }
}
