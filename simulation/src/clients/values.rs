//! Values: bytes that name themselves, so that a content that is read names the write that it comes from.
//!
//! Must not know: the clients that write them.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use couronne_metadata::record::Etag;
use md5::{Digest, Md5};

/// The bytes of one body: no two bodies have the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value {
    /// Its number.
    pub number: u64,
    /// Its length in bytes.
    pub len: u32,
}

/// What an object holds: one body, or those of its parts.
pub type Content = Vec<Value>;

impl Value {
    /// Its bytes: they follow from number and length.
    pub fn bytes(self) -> Bytes {
        let mut bytes = BytesMut::zeroed(usize::try_from(self.len).unwrap_or(usize::MAX));
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.number.to_be_bytes());
        hasher.update(&self.len.to_be_bytes());
        hasher.finalize_xof().fill(&mut bytes);
        bytes.freeze()
    }

    /// Its entity tag as an object or part.
    pub fn etag(self) -> Etag {
        Etag { digest: Md5::digest(self.bytes()).into(), parts: None }
    }
}

/// The entity tag of an object made of these parts.
pub fn etag_of_parts(parts: &[Value]) -> Etag {
    let mut md5 = Md5::new();
    parts.iter().for_each(|part| md5.update(part.etag().digest));
    Etag { digest: md5.finalize().into(), parts: u16::try_from(parts.len()).ok() }
}

/// Every content that was ever sent, by its entity tag.
#[derive(Default)]
pub struct Contents(BTreeMap<([u8; 16], Option<u16>), Content>);

impl Contents {
    /// Notes a content.
    pub fn note(&mut self, etag: Etag, content: Content) {
        self.0.insert((etag.digest, etag.parts), content);
    }

    /// The content of a tag.
    pub fn of(&self, etag: Etag) -> Option<&Content> {
        self.0.get(&(etag.digest, etag.parts))
    }
}

/// The length of a content.
pub fn len(content: &[Value]) -> u64 {
    content.iter().map(|value| u64::from(value.len)).sum()
}

/// The bytes of a stretch of a content.
pub fn slice(content: &[Value], range: Range<u64>) -> Bytes {
    let mut whole = BytesMut::new();
    content.iter().for_each(|value| whole.extend_from_slice(&value.bytes()));
    let bound = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(whole.len());
    let (start, end) = (bound(range.start), bound(range.end));
    whole.freeze().slice(start.min(end)..end)
}
