//! Hashing of bodies: a component fed with blocks, each algorithm run once over each byte.
//!
//! MD5 is most of the work of a PUT; that it is fed from outside lets another implementation (many
//! streams side by side) take its place without the receiving loop knowing.
//! Must not know: where blocks come from.

mod md5;

use aws_lc_rs::digest;
use bytes::Bytes;
use couronne_metadata::record::checksum::ChecksumHasher;
use couronne_metadata::record::{Checksum, ChecksumAlgorithm, ChecksumKind};
use crc_fast::{CrcAlgorithm, Digest as Crc};

use super::body::Expected;
use super::error::{DigestKind, EngineError};
use md5::Md5;

/// Every algorithm sees a block of this size before the next block is touched, so that memory is read
/// once and the cache the other times. Bytes.
const BLOCK_BYTES: usize = 64 << 10;

/// The hashes of one body.
pub(crate) struct BodyHashes {
    md5: Md5,
    crc64: Crc,
    sha256: Option<digest::Context>,
    checksum: Option<(ChecksumAlgorithm, ChecksumHash)>,
    expected: Expected,
}

/// The hash that an asked checksum needs beyond those that are computed anyway.
enum ChecksumHash {
    /// CRC-64/NVME and MD5, computed anyway.
    Shared,
    /// SHA-256, computed as the signed payload's.
    SharedSha256,
    /// Any other.
    Own(ChecksumHasher),
}

/// What the hashes came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BodyDigests {
    pub(crate) md5: [u8; 16],
    pub(crate) crc64: u64,
    pub(crate) checksum: Option<Checksum>,
}

impl BodyHashes {
    pub(crate) fn new(expected: Expected) -> Self {
        let sha256 = expected.sha256.is_some().then(|| digest::Context::new(&digest::SHA256));
        let hash = |algorithm| match algorithm {
            ChecksumAlgorithm::Crc64Nvme | ChecksumAlgorithm::Md5 => ChecksumHash::Shared,
            ChecksumAlgorithm::Sha256 if sha256.is_some() => ChecksumHash::SharedSha256,
            algorithm => ChecksumHash::Own(ChecksumHasher::new(algorithm)),
        };
        let checksum = expected.checksum.as_ref().map(|asked| (asked.algorithm, hash(asked.algorithm)));
        Self { md5: Md5::new(), crc64: Crc::new(CrcAlgorithm::Crc64Nvme), sha256, checksum, expected }
    }

    /// Takes the body's next bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        for block in bytes.chunks(BLOCK_BYTES) {
            self.md5.update(block);
            self.crc64.update(block);
            if let Some(sha256) = &mut self.sha256 {
                sha256.update(block);
            }
            if let Some((_, ChecksumHash::Own(hasher))) = &mut self.checksum {
                hasher.update(block);
            }
        }
    }

    /// Ends the body and compares with all that its sender said; `trailer` is the checksum that came
    /// after it, if one did.
    pub(crate) fn finish(self, trailer: Option<&[u8]>) -> Result<BodyDigests, EngineError> {
        let md5 = self.md5.finish().ok_or(EngineError::SlowDown("no memory for a digest"))?;
        let crc64 = self.crc64.finalize();
        let sha256 = self.sha256.map(|context| Bytes::copy_from_slice(context.finish().as_ref()));
        if self.expected.md5.is_some_and(|expected| expected != md5) {
            return Err(EngineError::Digest(DigestKind::Md5));
        }
        if self.expected.sha256.as_ref().map(|digest| digest.as_slice()) != sha256.as_deref() {
            return Err(EngineError::Digest(DigestKind::SignedSha256));
        }
        let checksum = self.checksum.map(|(algorithm, hash)| {
            let value = match (hash, algorithm) {
                (ChecksumHash::Own(hasher), _) => hasher.finish(),
                (ChecksumHash::SharedSha256, _) => sha256.unwrap_or_default(),
                (ChecksumHash::Shared, ChecksumAlgorithm::Md5) => Bytes::copy_from_slice(&md5),
                (ChecksumHash::Shared, _) => Bytes::copy_from_slice(&crc64.to_be_bytes()),
            };
            Checksum { algorithm, kind: ChecksumKind::FullObject, value }
        });
        if let (Some(checksum), Some(asked)) = (&checksum, &self.expected.checksum) {
            let mut said = asked.value.as_deref().into_iter().chain(trailer);
            if said.any(|said| said != checksum.value.as_ref()) {
                return Err(EngineError::Digest(DigestKind::Checksum(checksum.algorithm)));
            }
        }
        Ok(BodyDigests { md5, crc64, checksum })
    }
}

#[cfg(test)]
mod tests {
    use super::super::body::ExpectedChecksum;
    use super::*;

    fn digests(
        algorithm: ChecksumAlgorithm,
        value: Option<&str>,
        trailer: Option<&str>,
    ) -> Result<BodyDigests, EngineError> {
        let unhex = |text: &str| Bytes::from(hex::decode(text).unwrap());
        let checksum = Some(ExpectedChecksum { algorithm, value: value.map(unhex) });
        let mut hashes = BodyHashes::new(Expected { checksum, ..Expected::default() });
        hashes.update(b"12345");
        hashes.update(b"6789");
        hashes.finish(trailer.map(unhex).as_deref())
    }

    #[test]
    fn known_digests() {
        for (algorithm, value) in [
            (ChecksumAlgorithm::Crc32, "cbf43926"),
            (ChecksumAlgorithm::Crc32c, "e3069283"),
            (ChecksumAlgorithm::Crc64Nvme, "ae8b14860a799888"),
            (ChecksumAlgorithm::Sha1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
            (ChecksumAlgorithm::Sha256, "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"),
            (ChecksumAlgorithm::Md5, "25f9e794323b453885f5181f1b624d0b"),
            (ChecksumAlgorithm::XxHash64, "8cb841db40e6ae83"),
        ] {
            let found = digests(algorithm, Some(value), Some(value)).unwrap();
            assert_eq!(hex::encode(&found.checksum.unwrap().value), value);
            assert_eq!(hex::encode(found.md5), "25f9e794323b453885f5181f1b624d0b");
            assert_eq!(found.crc64, 0xae8b_1486_0a79_9888);
            let mut wrong = hex::decode(value).unwrap();
            wrong[0] ^= 1;
            let wrong = hex::encode(wrong);
            for (header, trailer) in [(Some(wrong.as_str()), None), (None, Some(wrong.as_str()))] {
                assert!(
                    matches!(digests(algorithm, header, trailer), Err(EngineError::Digest(DigestKind::Checksum(found))) if found == algorithm)
                );
            }
        }
    }

    #[test]
    fn content_md5_and_the_signed_sha256_are_compared() {
        let md5: [u8; 16] = hex::decode("25f9e794323b453885f5181f1b624d0b").unwrap().try_into().unwrap();
        let sha: [u8; 32] = hex::decode("15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225")
            .unwrap()
            .try_into()
            .unwrap();
        let finish = |expected: Expected, body: &[u8]| {
            let mut hashes = BodyHashes::new(expected);
            hashes.update(body);
            hashes.finish(None)
        };
        let both = Expected { md5: Some(md5), sha256: Some(sha), checksum: None };
        assert!(finish(both.clone(), b"123456789").is_ok());
        assert!(matches!(finish(both, b"123456780"), Err(EngineError::Digest(DigestKind::Md5))));
        let signed = Expected { sha256: Some(sha), ..Expected::default() };
        assert!(matches!(finish(signed, b""), Err(EngineError::Digest(DigestKind::SignedSha256))));
    }
}
