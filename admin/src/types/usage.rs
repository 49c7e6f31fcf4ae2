//! What accounts, users and buckets hold, and how much a bucket may.
//!
//! Must not know: how it is counted.

use serde::{Deserialize, Serialize};

/// What is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Holdings {
    /// Current objects.
    pub objects: u64,
    /// Versions of objects that are not current.
    pub noncurrent_versions: u64,
    /// Delete markers.
    pub delete_markers: u64,
    /// Bytes of all versions of objects.
    pub bytes: u64,
    /// Parts of open multipart uploads.
    pub parts: u64,
    /// Bytes of these parts.
    pub part_bytes: u64,
}

/// What is held in one storage class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ClassHoldings {
    /// The name of the storage class.
    pub class: String,
    /// What is held in it. Delete markers are in the class STANDARD.
    #[serde(flatten)]
    pub held: Holdings,
}

/// What an account, a user or a bucket holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Usage {
    /// All of it.
    #[serde(flatten)]
    pub total: Holdings,
    /// The same by storage class; a class in which nothing is held is left out.
    pub classes: Vec<ClassHoldings>,
    /// The quota, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<Quota>,
    /// When the metadata ranges were asked, in milliseconds since 1970: each counts with every write that it acknowledged
    /// before.
    pub asked_ms: u64,
}

/// The most that may be held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// Bytes of all versions of objects, and of the parts of open uploads; unset: no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Versions of objects and parts of open uploads together; unset: no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objects: Option<u64>,
}
