//! The encodings of numbers, bytes, text, identities, pairs and lists.

use bytes::Bytes;
use couronne_placement::{BlobId, Geometry, PolicyId};

use super::table::Slot;
use super::{Corrupt, Field, Input, Value, Writer};
use crate::ids::{BucketId, CommitId, ObjectKey, Ordinal, PartNumber, UploadId, VersionId};

macro_rules! unsigned {
    ($($type:ty)*) => { $(
        impl Value for $type {
            fn write(&self, out: &mut Writer) {
                out.varint(u64::from(*self));
            }

            fn read(input: Input<'_>) -> Result<Self, Corrupt> {
                Self::try_from(input.number()?).map_err(|_| Corrupt("number out of range"))
            }
        }
    )* };
}

unsigned! { u8 u16 u32 u64 }

/// Zigzag: small magnitudes are short, whatever their sign.
impl Value for i64 {
    fn write(&self, out: &mut Writer) {
        out.varint(((self << 1) ^ (self >> 63)).cast_unsigned());
    }

    fn read(input: Input<'_>) -> Result<Self, Corrupt> {
        let number = input.number()?;
        Ok((number >> 1).cast_signed() ^ -((number & 1).cast_signed()))
    }
}

impl Value for Bytes {
    fn write(&self, out: &mut Writer) {
        out.raw(self);
    }

    fn read(input: Input<'_>) -> Result<Self, Corrupt> {
        Ok(input.shared())
    }
}

impl Value for Box<str> {
    fn write(&self, out: &mut Writer) {
        out.raw(self.as_bytes());
    }

    fn read(input: Input<'_>) -> Result<Self, Corrupt> {
        std::str::from_utf8(input.bytes()).map(Self::from).map_err(|_| Corrupt("text is not UTF-8"))
    }
}

impl Value for String {
    fn write(&self, out: &mut Writer) {
        out.raw(self.as_bytes());
    }

    fn read(input: Input<'_>) -> Result<Self, Corrupt> {
        std::str::from_utf8(input.bytes()).map(Self::from).map_err(|_| Corrupt("text is not UTF-8"))
    }
}

impl<const N: usize> Value for [u8; N] {
    fn write(&self, out: &mut Writer) {
        out.raw(self);
    }

    fn read(input: Input<'_>) -> Result<Self, Corrupt> {
        input.array()
    }
}

impl<T: Value> Value for Box<T> {
    fn write(&self, out: &mut Writer) {
        (**self).write(out);
    }

    fn read(input: Input<'_>) -> Result<Self, Corrupt> {
        T::read(input).map(Self::new)
    }
}

macro_rules! identity {
    ($($type:ty)*) => { $(
        impl Value for $type {
            fn write(&self, out: &mut Writer) {
                out.raw(&self.to_bytes());
            }

            fn read(input: Input<'_>) -> Result<Self, Corrupt> {
                Ok(Self::from_bytes(input.array()?))
            }
        }
    )* };
}

identity! { BlobId BucketId CommitId UploadId }

impl Value for ObjectKey {
    fn write(&self, out: &mut Writer) {
        out.raw(self.as_bytes());
    }

    fn read(input: Input<'_>) -> Result<Self, Corrupt> {
        Self::new(input.shared()).map_err(|_| Corrupt("not an object key"))
    }
}

impl Value for Ordinal {
    fn write(&self, out: &mut Writer) {
        out.varint(self.0);
    }

    fn read(input: Input<'_>) -> Result<Self, Corrupt> {
        input.number().map(Self)
    }
}

impl Value for PolicyId {
    fn write(&self, out: &mut Writer) {
        self.0.write(out);
    }

    fn read(input: Input<'_>) -> Result<Self, Corrupt> {
        u16::read(input).map(Self)
    }
}

impl Value for PartNumber {
    fn write(&self, out: &mut Writer) {
        self.get().write(out);
    }

    fn read(input: Input<'_>) -> Result<Self, Corrupt> {
        Self::new(u16::read(input)?).ok_or(Corrupt("part number out of range"))
    }
}

/// No bytes is the `null` version, else the ordinal.
impl Value for VersionId {
    fn write(&self, out: &mut Writer) {
        if let Self::Ordinal(ordinal) = self {
            ordinal.write(out);
        }
    }

    fn read(input: Input<'_>) -> Result<Self, Corrupt> {
        if input.bytes().is_empty() { Ok(Self::Null) } else { Ordinal::read(input).map(Self::Ordinal) }
    }
}

/// `k`, `m`, then the chunk size in bytes as four bytes, big-endian.
impl Value for Geometry {
    fn write(&self, out: &mut Writer) {
        out.raw(&[self.k(), self.m()]);
        out.raw(&self.chunk_bytes().to_be_bytes());
    }

    fn read(input: Input<'_>) -> Result<Self, Corrupt> {
        let [k, m, c0, c1, c2, c3] = input.array()?;
        Self::new(k, m, u32::from_be_bytes([c0, c1, c2, c3])).map_err(|_| Corrupt("geometry out of range"))
    }
}

impl<A: Field, B: Field> Value for (A, B) {
    fn write(&self, out: &mut Writer) {
        self.0.put(1, out);
        self.1.put(2, out);
    }

    fn read(mut input: Input<'_>) -> Result<Self, Corrupt> {
        let (mut a, mut b) = (Slot::<A>::new(), Slot::<B>::new());
        while let Some((number, value)) = input.next_field()? {
            match number {
                1 => a.take(value)?,
                2 => b.take(value)?,
                _ => {}
            }
        }
        Ok((a.finish()?, b.finish()?))
    }
}

impl<A: Field, B: Field, C: Field> Value for (A, B, C) {
    fn write(&self, out: &mut Writer) {
        self.0.put(1, out);
        self.1.put(2, out);
        self.2.put(3, out);
    }

    fn read(mut input: Input<'_>) -> Result<Self, Corrupt> {
        let (mut a, mut b, mut c) = (Slot::<A>::new(), Slot::<B>::new(), Slot::<C>::new());
        while let Some((number, value)) = input.next_field()? {
            match number {
                1 => a.take(value)?,
                2 => b.take(value)?,
                3 => c.take(value)?,
                _ => {}
            }
        }
        Ok((a.finish()?, b.finish()?, c.finish()?))
    }
}

impl<T: Value> Field for T {
    type Partial = Option<T>;

    fn put(&self, number: u16, out: &mut Writer) {
        out.field(number, |out| self.write(out));
    }

    fn take(partial: &mut Self::Partial, input: Input<'_>) -> Result<(), Corrupt> {
        *partial = Some(T::read(input)?);
        Ok(())
    }

    fn finish(partial: Self::Partial) -> Result<Self, Corrupt> {
        partial.ok_or(Corrupt("missing field"))
    }
}

impl<T: Value> Field for Option<T> {
    type Partial = Self;

    fn put(&self, number: u16, out: &mut Writer) {
        if let Some(value) = self {
            value.put(number, out);
        }
    }

    fn take(partial: &mut Self::Partial, input: Input<'_>) -> Result<(), Corrupt> {
        *partial = Some(T::read(input)?);
        Ok(())
    }

    fn finish(partial: Self::Partial) -> Result<Self, Corrupt> {
        Ok(partial)
    }
}

impl<T: Value> Field for Vec<T> {
    type Partial = Self;

    fn put(&self, number: u16, out: &mut Writer) {
        for value in self {
            value.put(number, out);
        }
    }

    fn take(partial: &mut Self::Partial, input: Input<'_>) -> Result<(), Corrupt> {
        partial.push(T::read(input)?);
        Ok(())
    }

    fn finish(partial: Self::Partial) -> Result<Self, Corrupt> {
        Ok(partial)
    }
}

/// Written only if true.
impl Field for bool {
    type Partial = Self;

    fn put(&self, number: u16, out: &mut Writer) {
        if *self {
            out.field(number, |_| {});
        }
    }

    fn take(partial: &mut Self::Partial, _: Input<'_>) -> Result<(), Corrupt> {
        *partial = true;
        Ok(())
    }

    fn finish(partial: Self::Partial) -> Result<Self, Corrupt> {
        Ok(partial)
    }
}
