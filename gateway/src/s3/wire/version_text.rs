//! How a version is named to S3 clients: `null`, or sixteen hexadecimal digits.

use couronne_metadata::ids::{Ordinal, VersionId};

/// The name of a version.
pub fn version_text(version: VersionId) -> String {
    match version {
        VersionId::Null => "null".to_owned(),
        VersionId::Ordinal(Ordinal(micros)) => format!("{micros:016x}"),
    }
}

/// Reads a name; `None` if no version can have it.
pub fn parse_version(text: &str) -> Option<VersionId> {
    if text == "null" {
        return Some(VersionId::Null);
    }
    let lower_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if text.len() != 16 || !text.bytes().all(lower_hex) {
        return None;
    }
    u64::from_str_radix(text, 16).ok().map(|micros| VersionId::Ordinal(Ordinal(micros)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        for version in [VersionId::Null, VersionId::Ordinal(Ordinal(0)), VersionId::Ordinal(Ordinal(u64::MAX))] {
            assert_eq!(parse_version(&version_text(version)), Some(version));
        }
        for text in ["", "Null", "0", "000000000000000G", "00000000000000FF", "+00000000000000f", "00000000000000000"] {
            assert_eq!(parse_version(text), None, "{text}");
        }
    }
}
