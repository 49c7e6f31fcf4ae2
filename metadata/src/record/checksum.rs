//! S3's checksum algorithms, computed: over bytes as they come, and over the checksums of parts.
//!
//! Promises: a digest is big-endian and as long as its algorithm's, wherever it was computed.
//! Must not know: what a checksum is compared with, how clients write one.

use std::hash::Hasher as _;

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA512};
use bytes::Bytes;
use crc_fast::CrcAlgorithm;
use md5::{Digest as _, Md5};
use twox_hash::{XxHash64, xxhash3_64, xxhash3_128};

use super::ChecksumAlgorithm;

impl ChecksumAlgorithm {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Crc32,
        Self::Crc32c,
        Self::Crc64Nvme,
        Self::Md5,
        Self::Sha1,
        Self::Sha256,
        Self::Sha512,
        Self::XxHash128,
        Self::XxHash3,
        Self::XxHash64,
    ];

    /// The length of a digest in bytes.
    pub const fn digest_bytes(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme | Self::XxHash64 | Self::XxHash3 => 8,
            Self::Md5 | Self::XxHash128 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// The CRC that it is: the checksum of a whole follows from those of its parts.
    pub const fn crc(self) -> Option<CrcAlgorithm> {
        match self {
            Self::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
            Self::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
            Self::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
            Self::Md5 | Self::Sha1 | Self::Sha256 | Self::Sha512 | Self::XxHash64 | Self::XxHash3 | Self::XxHash128 => {
                None
            }
        }
    }
}

/// The checksum of a stream of bytes.
pub struct ChecksumHasher {
    state: Computation,
    /// The length of the digest in bytes.
    digest_bytes: usize,
}

enum Computation {
    Crc(Box<crc_fast::Digest>),
    Sha(Context),
    Md5(Box<Md5>),
    XxHash64(Box<XxHash64>),
    XxHash3(Box<xxhash3_64::Hasher>),
    XxHash128(Box<xxhash3_128::Hasher>),
}

impl ChecksumHasher {
    /// Of no bytes yet.
    pub fn new(algorithm: ChecksumAlgorithm) -> Self {
        let crc = |crc| Computation::Crc(Box::new(crc_fast::Digest::new(crc)));
        let state = match algorithm {
            ChecksumAlgorithm::Crc32 => crc(CrcAlgorithm::Crc32IsoHdlc),
            ChecksumAlgorithm::Crc32c => crc(CrcAlgorithm::Crc32Iscsi),
            ChecksumAlgorithm::Crc64Nvme => crc(CrcAlgorithm::Crc64Nvme),
            ChecksumAlgorithm::Md5 => Computation::Md5(Box::new(Md5::new())),
            ChecksumAlgorithm::Sha1 => Computation::Sha(Context::new(&SHA1_FOR_LEGACY_USE_ONLY)),
            ChecksumAlgorithm::Sha256 => Computation::Sha(Context::new(&SHA256)),
            ChecksumAlgorithm::Sha512 => Computation::Sha(Context::new(&SHA512)),
            ChecksumAlgorithm::XxHash64 => Computation::XxHash64(Box::new(XxHash64::with_seed(0))),
            ChecksumAlgorithm::XxHash3 => Computation::XxHash3(Box::new(xxhash3_64::Hasher::new())),
            ChecksumAlgorithm::XxHash128 => Computation::XxHash128(Box::new(xxhash3_128::Hasher::new())),
        };
        Self { state, digest_bytes: algorithm.digest_bytes() }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.state {
            Computation::Crc(crc) => crc.update(bytes),
            Computation::Sha(context) => context.update(bytes),
            Computation::Md5(md5) => md5.update(bytes),
            Computation::XxHash64(hasher) => hasher.write(bytes),
            Computation::XxHash3(hasher) => hasher.write(bytes),
            Computation::XxHash128(hasher) => hasher.write(bytes),
        }
    }

    /// The digest.
    pub fn finish(self) -> Bytes {
        match self.state {
            Computation::Crc(crc) => big_endian(crc.finalize(), self.digest_bytes),
            Computation::Sha(context) => Bytes::copy_from_slice(context.finish().as_ref()),
            Computation::Md5(md5) => Bytes::copy_from_slice(&md5.finalize()),
            Computation::XxHash64(hasher) => big_endian(hasher.finish(), self.digest_bytes),
            Computation::XxHash3(hasher) => big_endian(hasher.finish(), self.digest_bytes),
            Computation::XxHash128(hasher) => Bytes::copy_from_slice(&hasher.finish_128().to_be_bytes()),
        }
    }
}

/// The last `len` bytes of a number: a CRC of 32 bits stands in the lower half of it.
pub(crate) fn big_endian(number: u64, len: usize) -> Bytes {
    let bytes = number.to_be_bytes();
    Bytes::copy_from_slice(bytes.get(bytes.len().saturating_sub(len)..).unwrap_or(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check values of the CRC catalogue, of coreutils, and of xxHash's own `xxhsum`.
    #[test]
    fn known_digests() {
        for (algorithm, expected) in [
            (ChecksumAlgorithm::Crc32, "cbf43926"),
            (ChecksumAlgorithm::Crc32c, "e3069283"),
            (ChecksumAlgorithm::Crc64Nvme, "ae8b14860a799888"),
            (ChecksumAlgorithm::Md5, "25f9e794323b453885f5181f1b624d0b"),
            (ChecksumAlgorithm::Sha1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
            (ChecksumAlgorithm::Sha256, "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"),
            (
                ChecksumAlgorithm::Sha512,
                "d9e6762dd1c8eaf6d61b3c6192fc408d4d6d5f1176d0c29169bc24e71c3f274ad27fcd5811b313d681f7e55ec02d73d4\
                 99c95455b6b5bb503acf574fba8ffe85",
            ),
            (ChecksumAlgorithm::XxHash64, "8cb841db40e6ae83"),
            (ChecksumAlgorithm::XxHash3, "72dcb18b67a17dff"),
            (ChecksumAlgorithm::XxHash128, "33119477ede5dcd5e9716427681d5860"),
        ] {
            let mut hasher = ChecksumHasher::new(algorithm);
            hasher.update(b"12345");
            hasher.update(b"6789");
            let digest = hasher.finish();
            let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex, expected, "{algorithm:?}");
            assert_eq!(digest.len(), algorithm.digest_bytes());
        }
    }
}
