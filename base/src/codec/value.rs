//! The encodings of numbers, bytes, text, pairs, lists and maps.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use zeroize::{Zeroize, Zeroizing};

use super::table::{self, Slot};
use super::{Corrupt, Field, Input, Value, Writer};

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

impl Value for Arc<str> {
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

impl<T: Value> Value for Arc<T> {
    fn write(&self, out: &mut Writer) {
        (**self).write(out);
    }

    fn read(input: Input<'_>) -> Result<Self, Corrupt> {
        T::read(input).map(Self::new)
    }
}

/// A secret, as the bytes that it is: they are cleared where it is kept, not in the message.
impl<T: Value + Zeroize> Value for Zeroizing<T> {
    fn write(&self, out: &mut Writer) {
        (**self).write(out);
    }

    fn read(input: Input<'_>) -> Result<Self, Corrupt> {
        T::read(input).map(Self::new)
    }
}

/// 16 bytes, big-endian: numbers this wide are identities.
impl Value for u128 {
    fn write(&self, out: &mut Writer) {
        out.raw(&self.to_be_bytes());
    }

    fn read(input: Input<'_>) -> Result<Self, Corrupt> {
        input.array().map(Self::from_be_bytes)
    }
}

/// `1 the value` or `2 the error`.
impl<T: Value, E: Value> Value for Result<T, E> {
    fn write(&self, out: &mut Writer) {
        match self {
            Ok(value) => value.put(1, out),
            Err(error) => error.put(2, out),
        }
    }

    fn read(mut input: Input<'_>) -> Result<Self, Corrupt> {
        match input.next_field()? {
            Some((1, value)) => T::read(value).map(Ok),
            Some((2, error)) => E::read(error).map(Err),
            _ => Err(Corrupt("neither a value nor an error")),
        }
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

/// A list of pairs, ascending by key; one key twice is refused.
impl<K: Value + Ord, V: Value> Field for BTreeMap<K, V> {
    type Partial = Self;

    fn put(&self, number: u16, out: &mut Writer) {
        for (key, value) in self {
            out.field(number, |out| {
                table::put(key, 1, out);
                table::put(value, 2, out);
            });
        }
    }

    fn take(partial: &mut Self::Partial, input: Input<'_>) -> Result<(), Corrupt> {
        let (key, value) = <(K, V)>::read(input)?;
        match partial.insert(key, value) {
            None => Ok(()),
            Some(_) => Err(Corrupt("one key twice")),
        }
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
