//! Entity tags as text: 32 hexadecimal digits, a multipart object's with a dash and its part count.

use couronne_metadata::record::Etag;

/// A tag without quotes.
pub fn etag_text(etag: &Etag) -> String {
    let mut digits = [0; 32];
    // As long as a digest's digits, so it does not fail; a listing writes a thousand, `hex::encode` is slow.
    _ = hex::encode_to_slice(etag.digest, &mut digits);
    let digest = String::from_utf8_lossy(&digits);
    match etag.parts {
        Some(parts) => format!("{digest}-{parts}"),
        None => digest.into_owned(),
    }
}

/// A tag in quotes, as headers and documents carry it.
pub fn quoted_etag(etag: &Etag) -> String {
    ["\"", &etag_text(etag), "\""].concat()
}

/// Reads a tag with or without quotes; `None` if no object can have it.
pub fn parse_etag(text: &str) -> Option<Etag> {
    let text = text.trim();
    let text = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    let (digest, parts) = match text.split_once('-') {
        Some((digest, parts)) => (digest, Some(parts.parse().ok()?)),
        None => (text, None),
    };
    let digest = <[u8; 16]>::try_from(hex::decode(digest).ok()?).ok()?;
    Some(Etag { digest, parts })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_go_both_ways() {
        let digest = [0x5d, 0x41, 0x40, 0x2a, 0xbc, 0x4b, 0x2a, 0x76, 0xb9, 0x71, 0x9d, 0x91, 0x10, 0x17, 0xc5, 0x92];
        let whole = Etag { digest, parts: None };
        let parts = Etag { digest, parts: Some(12) };
        assert_eq!(quoted_etag(&whole), "\"5d41402abc4b2a76b9719d911017c592\"");
        assert_eq!(etag_text(&parts), "5d41402abc4b2a76b9719d911017c592-12");
        for etag in [whole, parts] {
            assert_eq!(parse_etag(&etag_text(&etag)), Some(etag));
            assert_eq!(parse_etag(&quoted_etag(&etag)), Some(etag));
        }
        assert_eq!(parse_etag("5D41402ABC4B2A76B9719D911017C592"), Some(whole));
        for text in ["", "\"", "\"\"", "ABCORZ", "5d41402abc4b2a76b9719d911017c592-", "5d41-1", "-3"] {
            assert_eq!(parse_etag(text), None, "{text}");
        }
    }
}
