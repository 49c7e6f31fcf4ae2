//! S3's names for checksums: header, XML element, algorithm, type; digests as base64.
//!
//! Must not know: how a checksum is computed or compared.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use couronne_metadata::record::{Checksum, ChecksumAlgorithm, ChecksumKind, Content, ObjectRecord};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::s3::error::{Code, Result, S3Error};
use crate::s3::wire::values::{header_text, header_value};
use crate::s3::wire::xml::{Element, Writer};

/// The header that tells what a checksum covers.
pub const TYPE: HeaderName = HeaderName::from_static("x-amz-checksum-type");
/// How the headers begin that carry a checksum.
const PREFIX: &str = "x-amz-checksum-";
/// The headers that begin so and say something else of checksums.
const NO_DIGESTS: [&str; 3] = ["x-amz-checksum-algorithm", "x-amz-checksum-mode", "x-amz-checksum-type"];

/// An algorithm's name, header and XML element.
const fn names(algorithm: ChecksumAlgorithm) -> (&'static str, &'static str, &'static str) {
    match algorithm {
        ChecksumAlgorithm::Crc32 => ("CRC32", "x-amz-checksum-crc32", "ChecksumCRC32"),
        ChecksumAlgorithm::Crc32c => ("CRC32C", "x-amz-checksum-crc32c", "ChecksumCRC32C"),
        ChecksumAlgorithm::Crc64Nvme => ("CRC64NVME", "x-amz-checksum-crc64nvme", "ChecksumCRC64NVME"),
        ChecksumAlgorithm::Md5 => ("MD5", "x-amz-checksum-md5", "ChecksumMD5"),
        ChecksumAlgorithm::Sha1 => ("SHA1", "x-amz-checksum-sha1", "ChecksumSHA1"),
        ChecksumAlgorithm::Sha256 => ("SHA256", "x-amz-checksum-sha256", "ChecksumSHA256"),
        ChecksumAlgorithm::Sha512 => ("SHA512", "x-amz-checksum-sha512", "ChecksumSHA512"),
        ChecksumAlgorithm::XxHash128 => ("XXHASH128", "x-amz-checksum-xxhash128", "ChecksumXXHASH128"),
        ChecksumAlgorithm::XxHash3 => ("XXHASH3", "x-amz-checksum-xxhash3", "ChecksumXXHASH3"),
        ChecksumAlgorithm::XxHash64 => ("XXHASH64", "x-amz-checksum-xxhash64", "ChecksumXXHASH64"),
    }
}

/// The algorithm as `x-amz-checksum-algorithm` and listings name it.
pub const fn name(algorithm: ChecksumAlgorithm) -> &'static str {
    names(algorithm).0
}

/// The header that carries a checksum of this algorithm.
pub const fn header(algorithm: ChecksumAlgorithm) -> HeaderName {
    HeaderName::from_static(names(algorithm).1)
}

/// The XML element that carries a checksum of this algorithm.
const fn element(algorithm: ChecksumAlgorithm) -> &'static str {
    names(algorithm).2
}

/// The kind as `x-amz-checksum-type` names it.
pub const fn kind_name(kind: ChecksumKind) -> &'static str {
    match kind {
        ChecksumKind::FullObject => "FULL_OBJECT",
        ChecksumKind::Composite => "COMPOSITE",
    }
}

/// Reads an algorithm's name.
pub fn parse_algorithm(text: &str) -> Result<ChecksumAlgorithm> {
    ChecksumAlgorithm::ALL.into_iter().find(|algorithm| text.eq_ignore_ascii_case(name(*algorithm))).ok_or_else(|| {
        let valid = ChecksumAlgorithm::ALL.map(name).join(", ");
        let message = format!(
            "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [{valid}]"
        );
        S3Error::with_message(Code::InvalidRequest, message)
    })
}

/// Reads what an upload's checksums cover, if that is said.
pub fn parse_kind(headers: &HeaderMap) -> Result<Option<ChecksumKind>> {
    let Some(text) = header_text(headers, TYPE.as_str())? else { return Ok(None) };
    let kind = [ChecksumKind::FullObject, ChecksumKind::Composite]
        .into_iter()
        .find(|kind| text.eq_ignore_ascii_case(kind_name(*kind)));
    kind.map(Some).ok_or_else(|| invalid_header(&TYPE))
}

fn invalid_header(name: &HeaderName) -> S3Error {
    S3Error::with_message(Code::InvalidRequest, format!("Value for {name} header is invalid."))
}

/// Reads a digest.
pub fn parse_digest(algorithm: ChecksumAlgorithm, text: &str) -> Option<Bytes> {
    STANDARD.decode(text).ok().filter(|digest| digest.len() == algorithm.digest_bytes()).map(Bytes::from)
}

/// `BadDigest`: the checksum of this algorithm is not that of what came.
pub fn mismatch(algorithm: ChecksumAlgorithm) -> S3Error {
    let message = format!("The {} you specified did not match the calculated checksum.", name(algorithm));
    S3Error::with_message(Code::BadDigest, message)
}

/// `InvalidRequest`: an upload asked for checksums of one algorithm and is given one of another, or none.
pub fn other_algorithm(asked: ChecksumAlgorithm, given: Option<ChecksumAlgorithm>) -> S3Error {
    let [asked, given] =
        [Some(asked), given].map(|algorithm| algorithm.map_or("null".to_owned(), |a| name(a).to_lowercase()));
    let message =
        format!("Checksum Type mismatch occurred, expected checksum Type: {asked}, actual checksum Type: {given}");
    S3Error::with_message(Code::InvalidRequest, message)
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
        Content::Whole(data) => Some(of_crc64(data.crc64())),
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
    let invalid = || {
        let message = "Invalid Base64 or multiple checksums present in request";
        S3Error::with_message(Code::InvalidArgument, message)
    };
    let all = ChecksumAlgorithm::ALL.into_iter();
    let mut found = all.filter_map(|algorithm| Some((algorithm, parent.child_text(element(algorithm))?)));
    let Some((algorithm, text)) = found.next() else { return Ok(None) };
    if found.next().is_some() {
        return Err(invalid());
    }
    parse_digest(algorithm, text.trim()).map(|digest| Some((algorithm, digest))).ok_or_else(invalid)
}

/// The checksum among the `x-amz-checksum-*` headers, by the same rules. One of an algorithm that S3 does not have is
/// refused: it would go unverified.
pub fn of_headers(headers: &HeaderMap) -> Result<Option<(ChecksumAlgorithm, Bytes)>> {
    let Some((algorithm, text)) = text_of_headers(headers)? else { return Ok(None) };
    let digest = parse_digest(algorithm, text).ok_or_else(|| invalid_header(&header(algorithm)))?;
    Ok(Some((algorithm, digest)))
}

/// Whether the sender of a body gives a digest of it: in a header, or in a trailer to come.
pub fn has_digest(headers: &HeaderMap) -> Result<bool> {
    let has_other = headers.contains_key("content-md5") || headers.contains_key("x-amz-trailer");
    Ok(of_headers(headers)?.is_some() || has_other)
}

/// The checksum of an object of parts, as a client believes it to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectChecksum {
    /// Its algorithm.
    pub algorithm: ChecksumAlgorithm,
    /// The digest.
    pub value: Bytes,
    /// Of how many parts it is composed, if the client says so.
    pub parts: Option<usize>,
}

/// The checksum of the object that an upload becomes, among the same headers: that of a composite one says of how many
/// parts it is, as `digest-N`.
pub fn of_object(headers: &HeaderMap) -> Result<Option<ObjectChecksum>> {
    let Some((algorithm, text)) = text_of_headers(headers)? else { return Ok(None) };
    let invalid = || invalid_header(&header(algorithm));
    let (digest, parts) = text.split_once('-').map_or((text, None), |(digest, parts)| (digest, Some(parts)));
    let parts = parts.map(|parts| parts.parse().map_err(|_| invalid())).transpose()?;
    let value = parse_digest(algorithm, digest).ok_or_else(invalid)?;
    Ok(Some(ObjectChecksum { algorithm, value, parts }))
}

fn text_of_headers(headers: &HeaderMap) -> Result<Option<(ChecksumAlgorithm, &str)>> {
    let mut found = None;
    for name in headers.keys() {
        if !name.as_str().starts_with(PREFIX) || NO_DIGESTS.contains(&name.as_str()) {
            continue;
        }
        let algorithm = ChecksumAlgorithm::ALL.into_iter().find(|algorithm| header(*algorithm) == *name);
        let algorithm = algorithm.ok_or_else(|| {
            let message = "The algorithm type you specified in x-amz-checksum- header is invalid.";
            S3Error::with_message(Code::InvalidRequest, message)
        })?;
        let text = header_text(headers, name.as_str())?.unwrap_or_default();
        if found.replace((algorithm, text.trim())).is_some() {
            return Err(several());
        }
    }
    Ok(found)
}

/// `InvalidRequest`: a body has one checksum.
pub fn several() -> S3Error {
    S3Error::with_message(
        Code::InvalidRequest,
        "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
    )
}

/// Adds a part's checksum to a response's headers.
pub fn part_into_headers(checksum: &Checksum, headers: &mut HeaderMap) {
    headers.insert(header(checksum.algorithm), header_value(&STANDARD.encode(&checksum.value)));
}

/// What a multipart upload's parts and object are to carry, from `x-amz-checksum-algorithm` and
/// `x-amz-checksum-type`; the default type is S3's for the algorithm.
pub fn of_upload(headers: &HeaderMap) -> Result<Option<(ChecksumAlgorithm, ChecksumKind)>> {
    let algorithm = header_text(headers, "x-amz-checksum-algorithm")?.map(parse_algorithm).transpose()?;
    let kind = parse_kind(headers)?;
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
    let refused = match algorithm.crc() {
        // A digest of the whole does not follow from those of its parts.
        None => ChecksumKind::FullObject,
        Some(_) if algorithm == ChecksumAlgorithm::Crc64Nvme => ChecksumKind::Composite,
        Some(_) => return Ok(Some((algorithm, kind))),
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
        let whole = of_object(&headers(&[("x-amz-checksum-crc32", "DUoRhQ==-3")])).unwrap().unwrap();
        assert_eq!((whole.value, whole.parts), (composite.value, Some(3)));
        let part = xml::read(b"<Part><ChecksumCRC32>DUoRhQ==</ChecksumCRC32></Part>", "Part").unwrap();
        assert_eq!(of_element(&part).unwrap().unwrap().0, ChecksumAlgorithm::Crc32);
    }

    #[test]
    fn bad_digests_are_refused() {
        for pairs in [
            &[("x-amz-checksum-crc32", "bad")][..],
            &[("x-amz-checksum-sha256", "DUoRhQ==")],
            &[("x-amz-checksum-crc32", "DUoRhQ==-3")],
            &[("x-amz-checksum-crc32", "DUoRhQ=="), ("x-amz-checksum-crc32c", "DUoRhQ==")],
            &[("x-amz-checksum-blake3", "DUoRhQ==")],
        ] {
            assert_eq!(of_headers(&headers(pairs)).unwrap_err().code(), Code::InvalidRequest, "{pairs:?}");
        }
        assert_eq!(of_headers(&headers(&[("x-amz-checksum-mode", "ENABLED")])).unwrap(), None);
        for children in ["<ChecksumCRC32>bad</ChecksumCRC32>", "<ChecksumMD5></ChecksumMD5>"] {
            let part = xml::read(format!("<Part>{children}</Part>").as_bytes(), "Part").unwrap();
            assert_eq!(of_element(&part).unwrap_err().code(), Code::InvalidArgument, "{children}");
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
        for algorithm in ["MD5", "SHA512", "XXHASH64", "XXHASH3", "XXHASH128"] {
            assert_eq!(asked(algorithm, None), Ok(ChecksumKind::Composite), "{algorithm}");
            assert_eq!(asked(algorithm, Some("FULL_OBJECT")), Err(Code::InvalidRequest), "{algorithm}");
        }
        assert_eq!(asked("BLAKE3", None), Err(Code::InvalidRequest));
        assert_eq!(
            of_upload(&headers(&[("x-amz-checksum-type", "COMPOSITE")])).unwrap_err().code(),
            Code::InvalidRequest
        );
        assert_eq!(of_upload(&HeaderMap::new()).unwrap(), None);
    }
}
