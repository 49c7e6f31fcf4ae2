//! The tables in which records, choices and their field numbers are written down.
//!
//! A table is the format: its numbers are never changed or given again. A field is absent, one or
//! many as its type says (`Option`, plain, `Vec`). Crates above write the tables of their own
//! messages with the same macros.

use super::{Corrupt, Field, Input, Writer};

/// A field of a record while the record is read.
pub struct Slot<T: Field>(T::Partial);

impl<T: Field> Slot<T> {
    /// Nothing read yet.
    #[allow(clippy::new_without_default, reason = "only the tables make one")]
    pub fn new() -> Self {
        Self(T::Partial::default())
    }

    /// Takes one occurrence.
    pub fn take(&mut self, input: Input<'_>) -> Result<(), Corrupt> {
        T::take(&mut self.0, input)
    }

    /// The field, now that the record was read.
    pub fn finish(self) -> Result<T, Corrupt> {
        T::finish(self.0)
    }
}

/// Writes one field; a function, so that tables need not name the field's type.
pub fn put<T: Field>(field: &T, number: u16, out: &mut Writer) {
    field.put(number, out);
}

/// `record! { Type { number name, ... } }` or, with a place for unknown fields,
/// `record! { Type { number name, ... ; name } }`.
#[macro_export]
macro_rules! codec_record {
    ($type:ty { $($number:literal $name:ident),* $(,)? $(; $kept:ident)? }) => {
        impl $crate::codec::Value for $type {
            fn write(&self, out: &mut $crate::codec::Writer) {
                $( $crate::codec::table::put(&self.$name, $number, out); )*
                $( for (number, value) in &self.$kept { out.field(*number, |out| out.raw(value)); } )?
            }

            fn read(mut input: $crate::codec::Input<'_>) -> Result<Self, $crate::codec::Corrupt> {
                $( let mut $name = $crate::codec::table::Slot::new(); )*
                $( let mut $kept = Vec::new(); )?
                while let Some((number, value)) = input.next_field()? {
                    match number {
                        $( $number => $name.take(value)?, )*
                        _ => { $( $kept.push((number, value.shared())); )? }
                    }
                }
                Ok(Self { $( $name: $name.finish()?, )* $( $kept )? })
            }
        }
    };
}

/// `choice! { Type { number Variant, number Variant(number name, ...), number Variant { number name, ... }, ... } }`.
/// An unknown variant is refused: nothing may guess what it meant.
#[macro_export]
macro_rules! codec_choice {
    ($type:ty { $(
        $tag:literal $variant:ident $(( $($tn:literal $tname:ident),* $(,)? ))? $({ $($sn:literal $sname:ident),* $(,)? })?
    ),* $(,)? }) => {
        impl $crate::codec::Value for $type {
            fn write(&self, out: &mut $crate::codec::Writer) {
                match self {
                    $( Self::$variant $(( $($tname),* ))? $({ $($sname),* })? => out.field($tag, |_out| {
                        $( $( $crate::codec::table::put($tname, $tn, _out); )* )?
                        $( $( $crate::codec::table::put($sname, $sn, _out); )* )?
                    }), )*
                }
            }

            fn read(mut input: $crate::codec::Input<'_>) -> Result<Self, $crate::codec::Corrupt> {
                let Some((tag, mut input)) = input.next_field()? else {
                    return Err($crate::codec::Corrupt("empty choice"));
                };
                match tag {
                    $( $tag => {
                        $( $( let mut $tname = $crate::codec::table::Slot::new(); )* )?
                        $( $( let mut $sname = $crate::codec::table::Slot::new(); )* )?
                        while let Some((_number, _value)) = input.next_field()? {
                            $( match _number { $( $tn => $tname.take(_value)?, )* _ => {} } )?
                            $( match _number { $( $sn => $sname.take(_value)?, )* _ => {} } )?
                        }
                        Ok(Self::$variant $(( $($tname.finish()?),* ))? $({ $($sname: $sname.finish()?),* })?)
                    } )*
                    _ => Err($crate::codec::Corrupt("unknown variant")),
                }
            }
        }
    };
}

/// `newtype! { Type ... }`: tuple structs of one field, encoded as that field.
#[macro_export]
macro_rules! codec_newtype {
    ($($type:ident)*) => { $(
        impl $crate::codec::Value for $type {
            fn write(&self, out: &mut $crate::codec::Writer) {
                $crate::codec::Value::write(&self.0, out);
            }

            fn read(input: $crate::codec::Input<'_>) -> Result<Self, $crate::codec::Corrupt> {
                $crate::codec::Value::read(input).map(Self)
            }
        }
    )* };
}

/// `identity! { Type ... }`: types with `to_bytes` and `from_bytes`, encoded as those bytes.
#[macro_export]
macro_rules! codec_identity {
    ($($type:ident)*) => { $(
        impl $crate::codec::Value for $type {
            fn write(&self, out: &mut $crate::codec::Writer) {
                out.raw(&self.to_bytes());
            }

            fn read(input: $crate::codec::Input<'_>) -> Result<Self, $crate::codec::Corrupt> {
                Ok(Self::from_bytes(input.array()?))
            }
        }
    )* };
}

pub use crate::{codec_choice as choice, codec_identity as identity, codec_newtype as newtype, codec_record as record};
