//! Fixed-width integers and byte strings, written and read back with every step checked.
//!
//! For layouts that are fixed for speed: records of a log, messages of consensus, rows written with every batch. A
//! record that may gain fields takes the field codec of [`crate::codec`].
//! Promises: reading hostile bytes ends in [`Malformed`], never in a panic or a large allocation.
//! Must not know: what the fields mean.

use bytes::{Buf, BufMut, Bytes};
use thiserror::Error;

/// Bytes that are not what the format says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("malformed {0}")]
pub struct Malformed(pub &'static str);

/// Reads fields off the front of a buffer.
pub struct Reader<'a> {
    bytes: &'a mut Bytes,
    what: &'static str,
}

impl<'a> Reader<'a> {
    /// Reads from `bytes`, advancing it; `what` names the record in errors.
    pub const fn new(bytes: &'a mut Bytes, what: &'static str) -> Self {
        Self { bytes, what }
    }

    fn need(&self, len: usize) -> Result<(), Malformed> {
        if self.bytes.remaining() < len { Err(Malformed(self.what)) } else { Ok(()) }
    }

    /// The error of this record.
    pub const fn malformed(&self) -> Malformed {
        Malformed(self.what)
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        self.need(1)?;
        Ok(self.bytes.get_u8())
    }

    /// A flag: one byte, 0 or 1.
    pub fn flag(&mut self) -> Result<bool, Malformed> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.malformed()),
        }
    }

    /// Two bytes, big-endian.
    pub fn u16(&mut self) -> Result<u16, Malformed> {
        self.need(2)?;
        Ok(self.bytes.get_u16())
    }

    /// Four bytes, big-endian.
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        self.need(4)?;
        Ok(self.bytes.get_u32())
    }

    /// Eight bytes, big-endian.
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        self.need(8)?;
        Ok(self.bytes.get_u64())
    }

    /// Sixteen bytes, big-endian.
    pub fn u128(&mut self) -> Result<u128, Malformed> {
        self.need(16)?;
        Ok(self.bytes.get_u128())
    }

    /// A length (4 bytes) and so many bytes, shared with the buffer read from.
    pub fn string(&mut self) -> Result<Bytes, Malformed> {
        let len = usize::try_from(self.u32()?).map_err(|_| self.malformed())?;
        self.need(len)?;
        Ok(self.bytes.split_to(len))
    }

    /// A length and so many bytes of UTF-8.
    pub fn text(&mut self) -> Result<String, Malformed> {
        String::from_utf8(self.string()?.to_vec()).map_err(|_| self.malformed())
    }

    /// A count (4 bytes), refused when it exceeds what the rest could hold at `each` bytes.
    pub fn count(&mut self, each: usize) -> Result<usize, Malformed> {
        let count = usize::try_from(self.u32()?).map_err(|_| self.malformed())?;
        self.need(count.checked_mul(each).ok_or(self.malformed())?)?;
        Ok(count)
    }

    /// Whether all was read.
    pub fn is_empty(&self) -> bool {
        !self.bytes.has_remaining()
    }
}

/// Writes a length (4 bytes) and the bytes. Callers bound their strings far below 4 GiB; a longer one
/// is cut, which the reader's checksum or structure then refuses.
pub fn put_string(to: &mut Vec<u8>, bytes: &[u8]) {
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    to.put_u32(len);
    to.extend_from_slice(bytes);
}

/// Writes a count (4 bytes) of what follows.
pub fn put_count(to: &mut Vec<u8>, count: usize) {
    to.put_u32(u32::try_from(count).unwrap_or(u32::MAX));
}
