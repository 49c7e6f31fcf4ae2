//! What a process that is about to join has decided: what it will be, and which ids its drives will have. A repeat after
//! a lost answer is then the same request, and is admitted as the same member. A join that asks for something else
//! decides anew.
//!
//! ```text
//! format_version = 1
//! role = "storage-node" or "gateway"
//! drives = [["<drive, 32 hexadecimal digits>", <weight>], ...]
//! ```
//! Must not know: how the cluster admits it.

use std::path::Path;

use couronne_cluster::Role;
use couronne_ring::DriveId;
use serde::{Deserialize, Serialize};

use super::role_names::{parse_role, role_name};
use super::{DataFolder, DataFolderError, FORMAT_VERSION, check_version, damaged, first_sound};

pub(super) const JOINING: &str = "joining.toml";

/// What it will be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Joining {
    pub(crate) role: Role,
    /// Its drives, with their weights; a gateway has none.
    pub(crate) drives: Vec<(DriveId, u32)>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JoiningFile {
    format_version: u32,
    role: String,
    drives: Vec<(String, u32)>,
}

impl DataFolder {
    /// What was decided by a try to join that was cut off.
    pub(crate) fn joining(&self) -> Result<Option<Joining>, DataFolderError> {
        first_sound(&self.folders, JOINING, parse).map_err(|error| match error {
            DataFolderError::Damaged { path, reason } => {
                let then = "remove the file, and the join decides anew";
                DataFolderError::Damaged { path, reason: format!("{reason}; {then}") }
            }
            error => error,
        })
    }

    /// Keeps what was decided.
    pub(crate) fn keep_joining(&self, joining: &Joining) -> Result<(), DataFolderError> {
        let drives = joining.drives.iter().map(|(id, weight)| (id.to_string(), *weight)).collect();
        let role = role_name(joining.role).to_owned();
        self.write(JOINING, &JoiningFile { format_version: FORMAT_VERSION, role, drives })
    }

    /// Nothing is decided any more: the cluster said no.
    pub(crate) fn forget_joining(&self) -> Result<(), DataFolderError> {
        self.remove(JOINING)
    }
}

/// What a file means.
fn parse(path: &Path, text: &str) -> Result<Joining, DataFolderError> {
    let file: JoiningFile = toml::from_str(text).map_err(|error| damaged(path, &error))?;
    check_version(path, file.format_version)?;
    let drives = file.drives.iter().map(|(id, weight)| Some((DriveId::parse(id)?, *weight)));
    let parsed = parse_role(&file.role).zip(drives.collect());
    let reason = || "the role or a drive's id does not parse".to_owned();
    let (role, drives) = parsed.ok_or_else(|| DataFolderError::Damaged { path: path.to_owned(), reason: reason() })?;
    Ok(Joining { role, drives })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_as_its_format_says() {
        let drives = vec![("00000000000000000000000000000007".to_owned(), 40)];
        let role = "storage-node".to_owned();
        let golden =
            "format_version = 1\nrole = \"storage-node\"\ndrives = [[\"00000000000000000000000000000007\", 40]]\n";
        assert_eq!(toml::to_string(&JoiningFile { format_version: 1, role, drives }).unwrap(), golden);
        let drives = vec![(DriveId(7), 40)];
        assert_eq!(parse(Path::new(JOINING), golden).unwrap(), Joining { role: Role::StorageNode, drives });
    }
}
