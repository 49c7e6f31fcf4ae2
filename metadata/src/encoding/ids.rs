//! The encodings of identities and numbers of rows.

use couronne_base::codec::table::{identity, newtype};
use couronne_base::codec::{Corrupt, Input, Value, Writer};

use crate::ids::{BucketId, CommitId, Generation, ObjectKey, Ordinal, PartNumber, RangeId, UploadId, VersionId};

identity! { BucketId CommitId UploadId }
newtype! { Generation Ordinal RangeId }

impl Value for ObjectKey {
    fn write(&self, out: &mut Writer) {
        out.raw(self.as_bytes());
    }

    fn read(input: Input<'_>) -> Result<Self, Corrupt> {
        Self::new(input.shared()).map_err(|_| Corrupt("not an object key"))
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
