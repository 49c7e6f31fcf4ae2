//! S3's names for checksums: header, XML element, algorithm, type; digests as base64.
//!
//! Must not know: how a checksum is computed or compared.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use couronne_metadata::record::{BlobRef, Checksum, ChecksumAlgorithm, ChecksumKind, Content, Data, ObjectRecord};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::s3::error::{Code, Result, S3Error};
use crate::s3::wire::values::{header_text, header_value};
use crate::s3::wire::xml::{Element, Writer};

/// The header that tells what a checksum covers.
pub const TYPE: HeaderName = HeaderName::from_static("x-amz-checksum-type");

/// All algorithms.
pub const ALGORITHMS: [ChecksumAlgorithm; 5] = [
    ChecksumAlgorithm::Crc32,
    ChecksumAlgorithm::Crc32c,
    ChecksumAlgorithm::Crc64Nvme,
    ChecksumAlgorithm::Sha1,
    ChecksumAlgorithm::Sha256,
];

/// The algorithm as `x-amz-checksum-algorithm` and listings name it.
pub const fn name(algorithm: ChecksumAlgorithm) -> &'static str {
    match algorithm {
        ChecksumAlgorithm::Crc32 => "CRC32",
        ChecksumAlgorithm::Crc32c => "CRC32C",
        ChecksumAlgorithm::Crc64Nvme => "CRC64NVME",
        ChecksumAlgorithm::Sha1 => "SHA1",
        ChecksumAlgorithm::Sha256 => "SHA256",
    }
}

/// The header that carries a checksum of this algorithm.
pub const fn header(algorithm: ChecksumAlgorithm) -> HeaderName {
    HeaderName::from_static(match algorithm {
        ChecksumAlgorithm::Crc32 => "x-amz-checksum-crc32",
        ChecksumAlgorithm::Crc32c => "x-amz-checksum-crc32c",
        ChecksumAlgorithm::Crc64Nvme => "x-amz-checksum-crc64nvme",
        ChecksumAlgorithm::Sha1 => "x-amz-checksum-sha1",
        ChecksumAlgorithm::Sha256 => "x-amz-checksum-sha256",
    })
}

/// The XML element that carries a checksum of this algorithm.
pub const fn element(algorithm: ChecksumAlgorithm) -> &'static str {
    match algorithm {
        ChecksumAlgorithm::Crc32 => "ChecksumCRC32",
        ChecksumAlgorithm::Crc32c => "ChecksumCRC32C",
        ChecksumAlgorithm::Crc64Nvme => "ChecksumCRC64NVME",
        ChecksumAlgorithm::Sha1 => "ChecksumSHA1",
        ChecksumAlgorithm::Sha256 => "ChecksumSHA256",
    }
}

/// The kind as `x-amz-checksum-type` names it.
pub const fn kind_name(kind: ChecksumKind) -> &'static str {
    match kind {
        ChecksumKind::FullObject => "FULL_OBJECT",
        ChecksumKind::Composite => "COMPOSITE",
    }
}

/// The length of a digest in bytes.
const fn digest_bytes(algorithm: ChecksumAlgorithm) -> usize {
    match algorithm {
        ChecksumAlgorithm::Crc32 | ChecksumAlgorithm::Crc32c => 4,
        ChecksumAlgorithm::Crc64Nvme => 8,
        ChecksumAlgorithm::Sha1 => 20,
        ChecksumAlgorithm::Sha256 => 32,
    }
}

/// Reads an algorithm's name.
pub fn parse_algorithm(text: &str) -> Result<ChecksumAlgorithm> {
    ALGORITHMS.into_iter().find(|algorithm| text.eq_ignore_ascii_case(name(*algorithm))).ok_or_else(|| {
        S3Error::with_message(Code::InvalidRequest, "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]")
    })
}

/// Reads a digest of a part or of a whole object; a composite one may carry its `-N`.
pub fn parse_digest(algorithm: ChecksumAlgorithm, text: &str) -> Option<Bytes> {
    let digest = text.split_once('-').map_or(text, |(digest, _)| digest);
    STANDARD.decode(digest).ok().filter(|digest| digest.len() == digest_bytes(algorithm)).map(Bytes::from)
}

/// A digest as clients see it; that of a whole object of parts shows how many, if it is composite.
fn digest_text(checksum: &Checksum, parts: Option<u16>) -> String {
    let digest = STANDARD.encode(&checksum.value);
    match (checksum.kind, parts) {
        (ChecksumKind::Composite, Some(parts)) => format!("{digest}-{parts}"),
        _ => digest,
    }
}

/// The checksum that an object shows: its own, or the CRC-64/NVME that every whole object has. An object
/// made of parts that carry none has none.
pub fn of_record(record: &ObjectRecord) -> Option<Checksum> {
    record.checksum.clone().or_else(|| match &record.content {
        Content::Whole(Data::Inline { crc64, .. } | Data::Blob(BlobRef { crc64, .. })) => Some(of_crc64(*crc64)),
        Content::Parts { .. } => None,
    })
}

/// The checksum of bytes whose sender named none: S3's default since 2025.
pub fn of_crc64(crc64: u64) -> Checksum {
    Checksum {
        algorithm: ChecksumAlgorithm::Crc64Nvme,
        kind: ChecksumKind::FullObject,
        value: Bytes::copy_from_slice(&crc64.to_be_bytes()),
    }
}

/// Writes a checksum and its type as elements; `parts` as in the object's tag.
pub fn write(xml: &mut Writer, checksum: Option<&Checksum>, parts: Option<u16>) {
    if let Some(checksum) = checksum {
        xml.text(element(checksum.algorithm), &digest_text(checksum, parts));
        xml.text("ChecksumType", kind_name(checksum.kind));
    }
}

/// Writes a part's checksum as an element.
pub fn write_part(xml: &mut Writer, checksum: Option<&Checksum>) {
    if let Some(checksum) = checksum {
        xml.text(element(checksum.algorithm), &STANDARD.encode(&checksum.value));
    }
}

/// Writes which checksum an object carries, as listings do.
pub fn write_algorithm(xml: &mut Writer, record: &ObjectRecord) {
    write_asked(xml, of_record(record).map(|checksum| (checksum.algorithm, checksum.kind)));
}

/// Writes which checksum an upload asks for.
pub fn write_asked(xml: &mut Writer, asked: Option<(ChecksumAlgorithm, ChecksumKind)>) {
    if let Some((algorithm, kind)) = asked {
        xml.value("ChecksumAlgorithm", name(algorithm));
        xml.value("ChecksumType", kind_name(kind));
    }
}

/// Adds a checksum and its type to a response's headers; `parts` as in the object's tag.
pub fn into_headers(checksum: Option<&Checksum>, parts: Option<u16>, headers: &mut HeaderMap) {
    if let Some(checksum) = checksum {
        headers.insert(header(checksum.algorithm), header_value(&digest_text(checksum, parts)));
        headers.insert(TYPE, HeaderValue::from_static(kind_name(checksum.kind)));
    }
}

/// The checksum among an element's children. More than one, or one that is no digest of its algorithm,
/// is refused.
pub fn of_element(parent: &Element) -> Result<Option<(ChecksumAlgorithm, Bytes)>> {
    let found =
        ALGORITHMS.into_iter().filter_map(|algorithm| Some((algorithm, parent.child_text(element(algorithm))?)));
    one(found)
}

/// The checksum among the `x-amz-checksum-*` headers, by the same rules.
pub fn of_headers(headers: &HeaderMap) -> Result<Option<(ChecksumAlgorithm, Bytes)>> {
    let mut found = Vec::new();
    for algorithm in ALGORITHMS {
        if let Some(text) = header_text(headers, header(algorithm).as_str())? {
            found.push((algorithm, text));
        }
    }
    one(found.into_iter())
}

fn one<'t>(
    mut found: impl Iterator<Item = (ChecksumAlgorithm, &'t str)>,
) -> Result<Option<(ChecksumAlgorithm, Bytes)>> {
    let Some((algorithm, text)) = found.next() else { return Ok(None) };
    if found.next().is_some() {
        return Err(S3Error::with_message(
            Code::InvalidRequest,
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
        ));
    }
    let invalid =
        || S3Error::with_message(Code::BadDigest, format!("Value for {} header is invalid.", header(algorithm)));
    parse_digest(algorithm, text).map(|digest| Some((algorithm, digest))).ok_or_else(invalid)
}

/// Adds a part's checksum to a response's headers.
pub fn part_into_headers(checksum: &Checksum, headers: &mut HeaderMap) {
    headers.insert(header(checksum.algorithm), header_value(&STANDARD.encode(&checksum.value)));
}

/// What a multipart upload's parts and object are to carry, from `x-amz-checksum-algorithm` and
/// `x-amz-checksum-type`; the default type is S3's for the algorithm.
pub fn of_upload(headers: &HeaderMap) -> Result<Option<(ChecksumAlgorithm, ChecksumKind)>> {
    let algorithm = header_text(headers, "x-amz-checksum-algorithm")?.map(parse_algorithm).transpose()?;
    let kind = match header_text(headers, "x-amz-checksum-type")? {
        None => None,
        Some(text) if text.eq_ignore_ascii_case("FULL_OBJECT") => Some(ChecksumKind::FullObject),
        Some(text) if text.eq_ignore_ascii_case("COMPOSITE") => Some(ChecksumKind::Composite),
        Some(_) => {
            return Err(S3Error::with_message(
                Code::InvalidRequest,
                "Value for x-amz-checksum-type header is invalid.",
            ));
        }
    };
    let Some(algorithm) = algorithm else {
        return match kind {
            None => Ok(None),
            Some(_) => Err(S3Error::with_message(
                Code::InvalidRequest,
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
            )),
        };
    };
    let fallback = match algorithm {
        ChecksumAlgorithm::Crc64Nvme => ChecksumKind::FullObject,
        _ => ChecksumKind::Composite,
    };
    let kind = kind.unwrap_or(fallback);
    let refused = match algorithm {
        ChecksumAlgorithm::Crc64Nvme => ChecksumKind::Composite,
        ChecksumAlgorithm::Sha1 | ChecksumAlgorithm::Sha256 => ChecksumKind::FullObject,
        ChecksumAlgorithm::Crc32 | ChecksumAlgorithm::Crc32c => return Ok(Some((algorithm, kind))),
    };
    if kind == refused {
        let message = format!(
            "The {} checksum type cannot be used with the {} checksum algorithm.",
            kind_name(kind),
            name(algorithm).to_lowercase()
        );
        return Err(S3Error::with_message(Code::InvalidRequest, message));
    }
    Ok(Some((algorithm, kind)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::s3::wire::xml;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn digests_are_read_and_written() {
        let (algorithm, digest) = of_headers(&headers(&[("x-amz-checksum-crc32", "DUoRhQ==")])).unwrap().unwrap();
        assert_eq!((algorithm, &digest[..]), (ChecksumAlgorithm::Crc32, &[0x0d, 0x4a, 0x11, 0x85][..]));
        let composite = Checksum { algorithm, kind: ChecksumKind::Composite, value: digest };
        assert_eq!(digest_text(&composite, Some(3)), "DUoRhQ==-3");
        assert_eq!(parse_digest(algorithm, "DUoRhQ==-3"), Some(composite.value));
        let part = xml::read(b"<Part><ChecksumCRC32>DUoRhQ==</ChecksumCRC32></Part>", "Part").unwrap();
        assert_eq!(of_element(&part).unwrap().unwrap().0, ChecksumAlgorithm::Crc32);
    }

    #[test]
    fn bad_digests_are_refused() {
        for (pairs, code) in [
            (&[("x-amz-checksum-crc32", "bad")][..], Code::BadDigest),
            (&[("x-amz-checksum-sha256", "DUoRhQ==")], Code::BadDigest),
            (&[("x-amz-checksum-crc32", "DUoRhQ=="), ("x-amz-checksum-crc32c", "DUoRhQ==")], Code::InvalidRequest),
        ] {
            assert_eq!(of_headers(&headers(pairs)).unwrap_err().code(), code, "{pairs:?}");
        }
    }

    #[test]
    fn uploads_have_s3s_default_kinds() {
        let asked = |algorithm: &str, kind: Option<&str>| {
            let mut map = headers(&[("x-amz-checksum-algorithm", algorithm)]);
            kind.map(|kind| map.insert(TYPE, kind.parse().unwrap()));
            of_upload(&map).map(|asked| asked.unwrap().1).map_err(|error| error.code())
        };
        assert_eq!(asked("CRC32", None), Ok(ChecksumKind::Composite));
        assert_eq!(asked("crc32c", Some("FULL_OBJECT")), Ok(ChecksumKind::FullObject));
        assert_eq!(asked("CRC64NVME", None), Ok(ChecksumKind::FullObject));
        assert_eq!(asked("CRC64NVME", Some("COMPOSITE")), Err(Code::InvalidRequest));
        assert_eq!(asked("SHA256", Some("FULL_OBJECT")), Err(Code::InvalidRequest));
        assert_eq!(asked("MD5", None), Err(Code::InvalidRequest));
        assert_eq!(
            of_upload(&headers(&[("x-amz-checksum-type", "COMPOSITE")])).unwrap_err().code(),
            Code::InvalidRequest
        );
        assert_eq!(of_upload(&HeaderMap::new()).unwrap(), None);
    }
}
