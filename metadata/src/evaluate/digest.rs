//! The tag and checksum of a completed upload, computed from those of its parts.

use bytes::Bytes;
use crc_fast::CrcAlgorithm;
use md5::{Digest, Md5};

use crate::command::Refusal;
use crate::record::checksum::{ChecksumHasher, big_endian};
use crate::record::{Checksum, ChecksumAlgorithm, ChecksumKind, Etag, PartRecord};

/// S3's tag of a multipart object: the MD5 of its parts' MD5s, and how many.
pub(super) fn etag(parts: &[PartRecord]) -> Etag {
    let mut md5 = Md5::new();
    for part in parts {
        md5.update(part.etag.digest);
    }
    Etag { digest: md5.finalize().into(), parts: Some(u16::try_from(parts.len()).unwrap_or(u16::MAX)) }
}

/// The checksum asked for when the upload was created; S3's default, the CRC-64/NVME of all bytes, if none
/// was. A part without the one asked for is refused by its number.
pub(super) fn of_upload(
    asked: Option<(ChecksumAlgorithm, ChecksumKind)>,
    parts: &[PartRecord],
) -> Result<Option<Checksum>, Refusal> {
    let Some((algorithm, kind)) = asked else { return Ok(default(parts)) };
    let mut values = Vec::with_capacity(parts.len());
    for part in parts {
        let own = part.checksum.as_ref().filter(|checksum| checksum.algorithm == algorithm);
        values.push((&own.ok_or(Refusal::InvalidPart(part.number))?.value, part.size));
    }
    let value = match (kind, algorithm.crc()) {
        (ChecksumKind::FullObject, Some(crc)) => combine(crc, &values),
        (ChecksumKind::FullObject, None) => return Err(Refusal::BadDigest),
        (ChecksumKind::Composite, _) => composite(algorithm, &values),
    };
    Ok(Some(Checksum { algorithm, kind, value }))
}

/// What every part's own bytes have anyhow, combined.
fn default(parts: &[PartRecord]) -> Option<Checksum> {
    let mut parts = parts.iter();
    let first = parts.next()?.data.crc64();
    let combine = |whole, part: &PartRecord| {
        crc_fast::checksum_combine(CrcAlgorithm::Crc64Nvme, whole, part.data.crc64(), part.size)
    };
    let value = Bytes::copy_from_slice(&parts.fold(first, combine).to_be_bytes());
    Some(Checksum { algorithm: ChecksumAlgorithm::Crc64Nvme, kind: ChecksumKind::FullObject, value })
}

/// The CRC of the concatenation, from the CRCs and lengths of its parts.
fn combine(crc: CrcAlgorithm, parts: &[(&Bytes, u64)]) -> Bytes {
    let mut parts = parts.iter();
    let Some((first, _)) = parts.next() else { return Bytes::new() };
    let whole =
        parts.fold(number(first), |whole, (value, len)| crc_fast::checksum_combine(crc, whole, number(value), *len));
    big_endian(whole, first.len())
}

/// The checksum of the concatenated checksums.
fn composite(algorithm: ChecksumAlgorithm, parts: &[(&Bytes, u64)]) -> Bytes {
    let mut hasher = ChecksumHasher::new(algorithm);
    parts.iter().for_each(|(value, _)| hasher.update(value));
    hasher.finish()
}

fn number(value: &[u8]) -> u64 {
    value.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte))
}
