//! Identities of the index. Newtypes with fixed byte forms; none of them can be written by a client.

use std::fmt;

use bytes::Bytes;
use couronne_placement::{Binding, BlobId, ResidencyClass, birth};
use thiserror::Error;

/// The longest object key, in bytes of UTF-8 (S3 and ours).
pub const KEY_BYTES_MAX: usize = 1024;

/// A bucket's identity: its residency class (2 bytes, big-endian), 4 random bytes, and a digest (10 bytes) that binds
/// these to the one name whose registry row may give the id. So the rules of a bucket follow one row, whichever gateway
/// says which. Never reused; the name may be.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BucketId([u8; 16]);

impl BucketId {
    /// The bucket that holds the cluster's own rows: accounts, users, keys, bucket names.
    /// No registry row names it, so no client request resolves to it.
    pub const SYSTEM: Self = Self([0; 16]);

    /// Makes the id of a new bucket of this name.
    pub fn new(class: ResidencyClass, random: [u8; 4], name: &str) -> Self {
        let ([c0, c1], [r0, r1, r2, r3]) = (class.0.to_be_bytes(), random);
        Self::bind([c0, c1, r0, r1, r2, r3], name)
    }

    fn bind(head: [u8; 6], name: &str) -> Self {
        let digest = Binding::to(&head, name.as_bytes()).to_bytes();
        let mut bytes = [0; 16];
        for (to, from) in bytes.iter_mut().zip(head.into_iter().chain(digest)) {
            *to = from;
        }
        Self(bytes)
    }

    /// Whether a bucket of this name may have the id.
    pub fn is_of(self, name: &str) -> bool {
        let [c0, c1, r0, r1, r2, r3, ..] = self.0;
        self == Self::bind([c0, c1, r0, r1, r2, r3], name)
    }

    /// Takes an id as it stands on a disk or a wire.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The id as it stands on a disk or a wire.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// The residency class the bucket was born in.
    pub const fn class(self) -> ResidencyClass {
        ResidencyClass(u16::from_be_bytes([self.0[0], self.0[1]]))
    }
}

/// An object's key: 1 to 1,024 bytes of UTF-8. Parsed once, at the gateway's door; authorization and
/// storage see this same value.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey(Bytes);

/// Why a key was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// No bytes at all.
    #[error("a key has at least one byte")]
    Empty,
    /// Over [`KEY_BYTES_MAX`].
    #[error("a key has at most 1024 bytes")]
    TooLong,
    /// Not UTF-8.
    #[error("a key is UTF-8")]
    NotUtf8,
}

impl ObjectKey {
    /// Checks and takes a key.
    pub fn new(bytes: impl Into<Bytes>) -> Result<Self, KeyError> {
        let bytes = bytes.into();
        if bytes.is_empty() {
            return Err(KeyError::Empty);
        }
        if bytes.len() > KEY_BYTES_MAX {
            return Err(KeyError::TooLong);
        }
        if std::str::from_utf8(&bytes).is_err() {
            return Err(KeyError::NotUtf8);
        }
        Ok(Self(bytes))
    }

    /// The key's bytes.
    pub const fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// The key as text (it was checked when made).
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// The identity of one command: a repeat of the same id gets the first result.
/// The first 6 bytes are its birth time in milliseconds, so that old ones can be forgotten in order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitId([u8; 16]);

/// The identity of a multipart upload. Opaque and unguessable to clients.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UploadId([u8; 16]);

macro_rules! sixteen_bytes {
    ($name:ident) => {
        impl $name {
            /// Takes an id as it stands on a disk or a wire.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The id as it stands on a disk or a wire.
            pub const fn to_bytes(self) -> [u8; 16] {
                self.0
            }
        }
    };
}

macro_rules! hex_display {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", u128::from_be_bytes(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

sixteen_bytes!(CommitId);
sixteen_bytes!(UploadId);
hex_display!(BucketId);
hex_display!(CommitId);
hex_display!(UploadId);

impl CommitId {
    /// Makes a commit id born at `birth_ms` (milliseconds since 1970).
    pub fn new(birth_ms: u64, random: [u8; 10]) -> Self {
        Self(birth::id(birth_ms, random))
    }

    /// When the command was born, in milliseconds since 1970.
    pub fn birth_ms(self) -> u64 {
        birth::birth_ms(&self.0)
    }
}

impl UploadId {
    /// Makes an upload id born at `birth_ms` (milliseconds since 1970).
    pub fn new(birth_ms: u64, random: [u8; 10]) -> Self {
        Self(birth::id(birth_ms, random))
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectKey({:?})", self.as_str())
    }
}

/// What binds a blob to this bucket and key: nobody else may name it.
pub fn binding(bucket: BucketId, key: &ObjectKey) -> Binding {
    Binding::to(&bucket.to_bytes(), key.as_bytes())
}

/// Whether a blob's id says that it belongs to this bucket and key.
pub fn is_bound(blob: BlobId, bucket: BucketId, key: &ObjectKey) -> bool {
    blob.is_bound_to(binding(bucket, key))
}

/// A range's number, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RangeId(pub u64);

/// How often a range's interval or bucket rules changed; requests carry it, a mismatch is `Stale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Generation(pub u64);

/// A version's place in time within its key: microseconds since 1970, strictly rising per key.
/// Last-Modified and X-Timestamp derive from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ordinal(pub u64);

/// Which version of a key: the `null` version, or the one with an ordinal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VersionId {
    /// The version written while versioning was off or suspended.
    Null,
    /// A version written while versioning was on.
    Ordinal(Ordinal),
}

/// The number of a part, 1 to 10,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartNumber(u16);

impl PartNumber {
    /// The largest part number.
    pub const MAX: u16 = 10_000;

    /// Checks and takes a part number.
    pub const fn new(number: u16) -> Option<Self> {
        if number >= 1 && number <= Self::MAX { Some(Self(number)) } else { None }
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }
}
