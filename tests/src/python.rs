//! The python that has boto3 and aws-cli, and the scripts of these tests.
//!
//! Must not know: what they do.

use std::path::{Path, PathBuf};

/// The python of scripts/test if that has run.
pub fn interpreter() -> PathBuf {
    let aws = std::env::var_os("PATH").unwrap_or_default();
    let beside_aws = std::env::split_paths(&aws).map(|folder| folder.join("aws")).find(|path| path.exists());
    let beside_aws = beside_aws.and_then(|aws| Some(aws.parent()?.join("python"))).filter(|python| python.exists());
    beside_aws.unwrap_or_else(|| PathBuf::from("python3"))
}

/// A script of `tests/scripts`.
pub fn script(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(name).to_string_lossy().into_owned()
}
