//! Checksums one after another, eight bytes each.
//!
//! As numbered fields each would cost ten to twelve bytes and a decoding of its own.

use couronne_base::codec::{Corrupt, Input, Value, Writer};

/// Checksums in order.
pub(super) struct Packed(pub(super) Vec<u64>);

/// Eight bytes each, big-endian.
impl Value for Packed {
    fn write(&self, out: &mut Writer) {
        for checksum in &self.0 {
            out.raw(&checksum.to_be_bytes());
        }
    }

    fn read(input: Input<'_>) -> Result<Self, Corrupt> {
        let (checksums, rest) = input.bytes().as_chunks::<8>();
        if !rest.is_empty() {
            return Err(Corrupt("checksum cut off"));
        }
        Ok(Self(checksums.iter().map(|checksum| u64::from_be_bytes(*checksum)).collect()))
    }
}
