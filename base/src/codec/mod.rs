//! The field codec: records as numbered fields with lengths, for disks and wires.
//!
//! ```text
//! row    = version byte (1) ‖ value
//! value  = field*                          of a record
//!        | field                           of a choice: the field's number is the variant
//!        | varint | bytes                  of a number, of bytes or text
//! field  = number (varint) ‖ length (varint) ‖ value (length bytes)
//! ```
//! An optional field that is absent is not written, nor is a false flag; a list is its field repeated.
//! A reader skips fields it does not know, or keeps them where the record has a place for them, so
//! that a newer release may add fields. A choice's unknown variant, or a missing field, is refused.
//!
//! Promises: bytes of any origin give a value or [`Corrupt`]; no panic, and no memory beyond a small
//! multiple of the input. Nested values nest as deep as the types do, never as deep as the input says.
//! Must not know: what the records mean.

pub mod table;
mod value;

use bytes::Bytes;
use thiserror::Error;

/// The first byte of every encoded row and message: the version of this encoding.
const VERSION: u8 = 1;

/// Bytes that do not decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("bytes do not decode: {0}")]
pub struct Corrupt(pub &'static str);

/// Encodes a whole row or message.
pub fn encode<T: Value>(value: &T) -> Bytes {
    encode_about(value, 256)
}

/// Encodes a whole row or message of about this many bytes.
pub fn encode_about<T: Value>(value: &T, bytes: usize) -> Bytes {
    let mut out = Writer { bytes: Vec::with_capacity(bytes) };
    out.bytes.push(VERSION);
    value.write(&mut out);
    out.bytes.into()
}

/// Decodes a whole row or message. Byte strings in the result share the memory of `bytes`.
pub fn decode<T: Value>(bytes: &Bytes) -> Result<T, Corrupt> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => T::read(Input { whole: bytes, bytes: rest }),
        Some(_) => Err(Corrupt("unknown version of the encoding")),
        None => Err(Corrupt("no bytes")),
    }
}

/// What has an encoding of its own. Its length is known from outside: from the field or row it fills.
pub trait Value: Sized {
    /// Appends the value's bytes.
    fn write(&self, out: &mut Writer);

    /// Takes the value that fills the input.
    fn read(input: Input<'_>) -> Result<Self, Corrupt>;
}

/// What may stand in a record: a value, an optional value, a list of values, a flag.
pub trait Field: Sized {
    /// What has been read of it so far.
    type Partial: Default;

    /// Appends it as field `number`, or not at all.
    fn put(&self, number: u16, out: &mut Writer);

    /// Takes one occurrence.
    fn take(partial: &mut Self::Partial, input: Input<'_>) -> Result<(), Corrupt>;

    /// Called when all fields of the record were read.
    fn finish(partial: Self::Partial) -> Result<Self, Corrupt>;
}

/// Bytes being written.
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Appends bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends a number, seven bits a byte, the lowest first.
    pub fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }

    /// Appends a field whose value `write` appends.
    pub fn field(&mut self, number: u16, write: impl FnOnce(&mut Self)) {
        self.varint(u64::from(number));
        let at = self.bytes.len();
        self.bytes.push(0);
        write(self);
        let len = self.bytes.len() - at - 1;
        match u8::try_from(len) {
            Ok(short) if short < 0x80 => {
                if let Some(byte) = self.bytes.get_mut(at) {
                    *byte = short;
                }
            }
            _ => self.lengthen(at, len),
        }
    }

    /// Puts a length of several bytes where one byte was kept free. Seldom, so it may move bytes.
    fn lengthen(&mut self, at: usize, len: usize) {
        let mut length = Self { bytes: Vec::with_capacity(10) };
        length.varint(len as u64);
        let longer = length.bytes.len() - 1;
        let end = self.bytes.len();
        self.bytes.resize(end + longer, 0);
        self.bytes.copy_within(at + 1..end, at + 1 + longer);
        if let Some(place) = self.bytes.get_mut(at..=at + longer) {
            place.copy_from_slice(&length.bytes);
        }
    }
}

/// Bytes being read; slices of them can be kept without a copy.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    whole: &'a Bytes,
    bytes: &'a [u8],
}

impl<'a> Input<'a> {
    /// The bytes themselves.
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The bytes, kept alive by what they were read from.
    pub fn shared(&self) -> Bytes {
        self.whole.slice_ref(self.bytes)
    }

    /// Exactly `N` bytes.
    pub fn array<const N: usize>(&self) -> Result<[u8; N], Corrupt> {
        self.bytes.try_into().map_err(|_| Corrupt("wrong length of a fixed value"))
    }

    /// The number that fills the input.
    pub fn number(mut self) -> Result<u64, Corrupt> {
        let number = self.varint()?;
        if self.bytes.is_empty() { Ok(number) } else { Err(Corrupt("bytes after a number")) }
    }

    /// The next field, or `None` at the end.
    pub fn next_field(&mut self) -> Result<Option<(u16, Self)>, Corrupt> {
        if self.bytes.is_empty() {
            return Ok(None);
        }
        let number = u16::try_from(self.varint()?).map_err(|_| Corrupt("field number too large"))?;
        let len = usize::try_from(self.varint()?).map_err(|_| Corrupt("field too long"))?;
        let (value, rest) = self.bytes.split_at_checked(len).ok_or(Corrupt("field longer than its record"))?;
        self.bytes = rest;
        Ok(Some((number, Self { whole: self.whole, bytes: value })))
    }

    fn varint(&mut self) -> Result<u64, Corrupt> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.bytes.split_first().ok_or(Corrupt("number cut off"))?;
            self.bytes = rest;
            let low = u64::from(byte & 0x7f);
            if shift == 63 && low > 1 {
                break;
            }
            number |= low << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Corrupt("number too large"))
    }
}
