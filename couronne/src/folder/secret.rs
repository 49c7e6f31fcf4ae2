//! How a secret goes into a control file and out of it: as a string, wiped from memory when dropped.
//!
//! For `#[serde(with = "...")]`. Must not know: which secret it is.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

/// Writes the secret.
pub(crate) fn serialize<S: Serializer>(secret: &Zeroizing<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret)
}

/// Reads the secret.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Zeroizing<String>, D::Error> {
    String::deserialize(deserializer).map(Zeroizing::new)
}

/// A secret of which there may be none. No `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct SecretText(#[serde(with = "super::secret")] pub(crate) Zeroizing<String>);
