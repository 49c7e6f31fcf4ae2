//! Which objects of a range led here lack shards, as the API shows them, and where a list of them goes on.
//!
//! Must not know: who asks, other ranges.

use std::collections::BTreeMap;

use couronne_admin::types::{ApiError, ErrorCode, UnrepairedObject, UnrepairedRequest};
use couronne_gateway::identity::Identity;
use couronne_gateway::s3::wire::version_text::version_text;
use couronne_metadata::ids::RangeId;
use couronne_metadata::query::UnrepairedBlob;
use couronne_metadata::record::NamedBy;
use couronne_placement::BlobId;
use couronne_storage_node::duties;
use couronne_storage_node::node::LocalNode;

use super::messages::UnrepairedOfRange;

/// Where a list goes on: `RANGE`, or `RANGE-BLOB` behind a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) range: RangeId,
    pub(super) after: Option<BlobId>,
}

impl Position {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (range, after) = match text.split_once('-') {
            Some((range, blob)) => (range, Some(parse_blob(blob)?)),
            None => (text, None),
        };
        Some(Self { range: RangeId(range.parse().ok()?), after })
    }

    pub(super) fn text(self) -> String {
        self.after.map_or_else(|| self.range.0.to_string(), |blob| format!("{}-{blob}", self.range.0))
    }
}

fn parse_blob(text: &str) -> Option<BlobId> {
    hex::decode(text).ok()?.try_into().ok().map(BlobId::from_bytes)
}

/// What an order asks of a range.
pub(super) struct OfRange {
    pub(super) range: u64,
    pub(super) after: Option<String>,
    pub(super) limit: u32,
    pub(super) is_unreadable_only: bool,
}

/// Lists objects of a range that is led here.
pub(super) async fn list_here(
    node: &LocalNode,
    identity: Option<&Identity>,
    OfRange { range, after, limit, is_unreadable_only }: OfRange,
) -> Result<UnrepairedOfRange, ApiError> {
    let malformed = || ApiError::new(ErrorCode::InvalidRequest, "no blob's identity");
    let after = after.map(|text| parse_blob(&text).ok_or_else(malformed)).transpose()?;
    let limit = usize::try_from(limit.min(UnrepairedRequest::LIMIT_MAX)).unwrap_or(1);
    let query = duties::UnrepairedQuery { range: RangeId(range), after, limit, is_unreadable_only };
    let not_here = || ApiError::new(ErrorCode::Unavailable, format!("range {range} is not led here"));
    let (found, next) = node.list_unrepaired(query).await.ok_or_else(not_here)?;
    let (mut objects, mut names) = (Vec::with_capacity(found.len()), BTreeMap::new());
    for object in found {
        let account = name_of(identity, object.account.as_deref(), &mut names).await;
        objects.push(shown(range, object, account));
    }
    Ok(UnrepairedOfRange { objects, next: next.map(|blob| blob.to_string()) })
}

/// The name of an account; each is asked for once.
async fn name_of(
    identity: Option<&Identity>,
    account: Option<&str>,
    names: &mut BTreeMap<String, Option<String>>,
) -> Option<String> {
    let (identity, account) = (identity?, account?);
    if let Some(name) = names.get(account) {
        return name.clone();
    }
    let name = identity.account_by_id(account).await.ok().map(|account| account.name.to_string());
    names.insert(account.to_owned(), name.clone());
    name
}

/// An object as the API shows it.
fn shown(range: u64, object: duties::UnrepairedObject, account: Option<String>) -> UnrepairedObject {
    let UnrepairedBlob { row, by, version, bucket_name } = object.blob;
    let (upload, part) = match by {
        NamedBy::Version(_) => (None, None),
        NamedBy::Part { upload, number } => (Some(upload.to_string()), Some(number.get())),
    };
    UnrepairedObject {
        bucket: bucket_name.map(Into::into),
        bucket_id: row.bucket.to_string(),
        account,
        account_id: object.account.map(Into::into),
        key: row.key.as_str().to_owned(),
        version: version.map(version_text),
        upload,
        part,
        bytes: row.blob.len,
        missing: object.missing,
        shards: row.blob.geometry.shards(),
        needed: row.blob.geometry.k(),
        readable: !object.is_unreadable,
        looked_for: object.is_looked_at,
        since_ms: row.since_ms,
        blob: row.blob.id.to_string(),
        range,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_go_both_ways() {
        let blob = BlobId::from_bytes([0xa7; 32]);
        for position in [Position { range: RangeId(7), after: None }, Position { range: RangeId(0), after: Some(blob) }]
        {
            assert_eq!(Position::parse(&position.text()), Some(position));
        }
        for text in ["", "x", "1-", "1-a7", "1-x", "-1", "1-1-1"] {
            assert_eq!(Position::parse(text), None, "{text}");
        }
    }
}
