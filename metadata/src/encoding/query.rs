//! The field numbers of queries and their answers.

use crate::query::{Answer, Entry, ListQuery, Ownership, Page, Query, RulesRow, UnrepairedBlob};
use couronne_base::codec::table::{choice, record};
use couronne_base::codec::{Corrupt, Field, Input, Value, Writer};

record! { ListQuery { 1 prefix, 2 delimiter, 3 after, 4 before, 5 reverse, 6 limit } }

choice! { Query {
    1 Get { 1 key, 2 version },
    2 List(1 list),
    3 ListVersions { 1 list, 2 after_version },
    4 ListUploads { 1 list, 2 after_upload },
    5 Upload { 1 key, 2 upload },
    6 Parts { 1 key, 2 upload, 3 after, 4 limit },
    7 PartPayload { 1 key, 2 upload, 3 number },
    8 Rules { 1 key },
    9 Usage { 1 key, 2 subject },
    10 SystemGet { 1 key },
    11 SystemScan { 1 prefix, 2 after, 3 limit },
    12 OwnsBlob { 1 key, 2 blob },
    13 Reap { 1 now_ms, 2 limit },
    14 Repair { 1 after, 2 limit },
    15 Blobs { 1 after, 2 limit },
    16 Facts,
    20 Unrepaired { 1 after, 2 limit },
    21 Identity { 1 key },
} }

record! { UnrepairedBlob { 1 row, 2 by, 3 version, 4 bucket_name } }
choice! { RulesRow { 1 Absent, 2 Present(1 rules), 3 Dropped } }
choice! { Ownership { 1 Owned, 2 Disowned, 3 Unknown, 4 Dropped } }

choice! { Answer {
    1 Get(1 found),
    2 List(1 page),
    3 ListVersions(1 page),
    4 ListUploads(1 page),
    5 Upload(1 found),
    6 Parts(1 found),
    7 PartPayload(1 found),
    8 Rules(1 found),
    9 Usage(1 classes),
    10 SystemGet(1 found),
    11 SystemScan(1 rows, 2 more),
    12 OwnsBlob(1 ownership),
    13 Reap(1 rows),
    14 Repair(1 rows),
    15 Blobs(1 rows, 2 next),
    16 Facts(1 facts),
    20 Unrepaired(1 rows, 2 next),
    21 Identity(1 changes, 2 found),
} }

/// `1 entries, 2 truncated`.
impl<T: Field> Value for Page<T> {
    fn write(&self, out: &mut Writer) {
        self.entries.put(1, out);
        self.truncated.put(2, out);
    }

    fn read(input: Input<'_>) -> Result<Self, Corrupt> {
        let (entries, truncated) = Value::read(input)?;
        Ok(Self { entries, truncated })
    }
}

/// `1 a row (1 key, 2 record) | 2 a common prefix`.
impl<T: Field> Value for Entry<T> {
    fn write(&self, out: &mut Writer) {
        match self {
            Self::Row(key, row) => out.field(1, |out| {
                key.put(1, out);
                row.put(2, out);
            }),
            Self::CommonPrefix(prefix) => prefix.put(2, out),
        }
    }

    fn read(mut input: Input<'_>) -> Result<Self, Corrupt> {
        match input.next_field()? {
            Some((1, row)) => Value::read(row).map(|(key, row)| Self::Row(key, row)),
            Some((2, prefix)) => Ok(Self::CommonPrefix(prefix.shared())),
            _ => Err(Corrupt("unknown variant")),
        }
    }
}
