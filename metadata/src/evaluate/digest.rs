//! The tag and checksum of a completed upload, computed from those of its parts.

use aws_lc_rs::digest::{Algorithm, Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use bytes::Bytes;
use crc_fast::CrcAlgorithm;
use md5::{Digest, Md5};

use crate::command::Refusal;
use crate::record::{BlobRef, Checksum, ChecksumAlgorithm, ChecksumKind, Data, Etag, PartRecord};

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
    let value = match (kind, crc(algorithm)) {
        (ChecksumKind::FullObject, Some(crc)) => combine(crc, &values),
        (ChecksumKind::FullObject, None) => return Err(Refusal::BadDigest),
        (ChecksumKind::Composite, _) => composite(algorithm, &values),
    };
    Ok(Some(Checksum { algorithm, kind, value }))
}

/// What every part's own bytes have anyhow, combined.
fn default(parts: &[PartRecord]) -> Option<Checksum> {
    let crc64 = |part: &PartRecord| match &part.data {
        Data::Inline { crc64, .. } | Data::Blob(BlobRef { crc64, .. }) => *crc64,
    };
    let mut parts = parts.iter();
    let first = crc64(parts.next()?);
    let combine =
        |whole, part: &PartRecord| crc_fast::checksum_combine(CrcAlgorithm::Crc64Nvme, whole, crc64(part), part.size);
    let value = Bytes::copy_from_slice(&parts.fold(first, combine).to_be_bytes());
    Some(Checksum { algorithm: ChecksumAlgorithm::Crc64Nvme, kind: ChecksumKind::FullObject, value })
}

const fn crc(algorithm: ChecksumAlgorithm) -> Option<CrcAlgorithm> {
    match algorithm {
        ChecksumAlgorithm::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
        ChecksumAlgorithm::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
        ChecksumAlgorithm::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
        ChecksumAlgorithm::Sha1 | ChecksumAlgorithm::Sha256 => None,
    }
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
    match (algorithm, crc(algorithm)) {
        (_, Some(crc)) => {
            let mut digest = crc_fast::Digest::new(crc);
            parts.iter().for_each(|(value, _)| digest.update(value));
            big_endian(digest.finalize(), if algorithm == ChecksumAlgorithm::Crc64Nvme { 8 } else { 4 })
        }
        (ChecksumAlgorithm::Sha1, None) => sha(&SHA1_FOR_LEGACY_USE_ONLY, parts),
        (_, None) => sha(&SHA256, parts),
    }
}

fn sha(algorithm: &'static Algorithm, parts: &[(&Bytes, u64)]) -> Bytes {
    let mut context = Context::new(algorithm);
    parts.iter().for_each(|(value, _)| context.update(value));
    Bytes::copy_from_slice(context.finish().as_ref())
}

fn number(value: &[u8]) -> u64 {
    value.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

fn big_endian(number: u64, len: usize) -> Bytes {
    let bytes = number.to_be_bytes();
    Bytes::copy_from_slice(bytes.get(bytes.len().saturating_sub(len)..).unwrap_or(&bytes))
}
