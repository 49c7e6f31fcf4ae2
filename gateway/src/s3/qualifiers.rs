//! Query parameters that say which version or part is meant, and the operations that read them.
//!
//! Promises: an operation that does not read one refuses it, so that nobody takes a request for one of a version or a part
//! that it is not.
//! Must not know: what the values mean, how a request leads to an operation.

use super::operation::Operation::{self, *};

/// The parameters.
const QUALIFIERS: [&str; 3] = ["partNumber", "select-type", "versionId"];

/// Whether an operation reads a parameter.
const fn reads(operation: Operation, qualifier: &str) -> bool {
    match qualifier.as_bytes() {
        b"versionId" => matches!(
            operation,
            GetObject
                | HeadObject
                | DeleteObject
                | GetObjectAttributes
                | GetObjectAcl
                | PutObjectAcl
                | GetObjectTagging
                | PutObjectTagging
                | DeleteObjectTagging
                | GetObjectRetention
                | PutObjectRetention
                | GetObjectLegalHold
                | PutObjectLegalHold
        ),
        b"partNumber" => matches!(operation, GetObject | HeadObject | UploadPart | UploadPartCopy),
        _ => false,
    }
}

/// The parameter that a request has and its operation does not read, if there is one.
pub(super) fn unread<'q>(
    operation: Operation,
    query: impl Iterator<Item = (&'q str, &'q str)>,
) -> Option<&'static str> {
    let mut names = query.map(|(name, _)| name);
    names.find_map(|name| QUALIFIERS.into_iter().find(|known| *known == name && !reads(operation, name)))
}
