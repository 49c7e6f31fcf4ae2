//! What a process that is about to join has decided: which ids its drives will have. A repeat after a lost answer
//! is then the same request, and is admitted as the same member.
//!
//! ```text
//! format_version = 1
//! drives = [["<drive, 32 hexadecimal digits>", <weight>], ...]
//! ```
//! Must not know: how the cluster admits it.

use couronne_ring::DriveId;
use serde::{Deserialize, Serialize};

use super::{DataFolder, DataFolderError, FORMAT_VERSION, check_version};

pub(super) const JOINING: &str = "joining.toml";

/// The drives, with their weights.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Joining {
    pub(crate) drives: Vec<(DriveId, u32)>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JoiningFile {
    format_version: u32,
    drives: Vec<(String, u32)>,
}

impl DataFolder {
    /// What was decided by a try to join that was cut off.
    pub(crate) fn joining(&self) -> Result<Option<Joining>, DataFolderError> {
        let Some(file) = self.read::<JoiningFile>(JOINING)? else { return Ok(None) };
        let path = self.name().join(JOINING);
        check_version(&path, file.format_version)?;
        let drives = file.drives.iter().map(|(id, weight)| Some((DriveId::parse(id)?, *weight)));
        let reason = "a drive's id does not parse".to_owned();
        let drives = drives.collect::<Option<_>>().ok_or(DataFolderError::Damaged { path, reason })?;
        Ok(Some(Joining { drives }))
    }

    /// Keeps what was decided.
    pub(crate) fn keep_joining(&self, joining: &Joining) -> Result<(), DataFolderError> {
        let drives = joining.drives.iter().map(|(id, weight)| (id.to_string(), *weight)).collect();
        self.write(JOINING, &JoiningFile { format_version: FORMAT_VERSION, drives })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_as_its_format_says() {
        let drives = vec![("00000000000000000000000000000007".to_owned(), 40)];
        let golden = "format_version = 1\ndrives = [[\"00000000000000000000000000000007\", 40]]\n";
        assert_eq!(toml::to_string(&JoiningFile { format_version: 1, drives }).unwrap(), golden);
        assert_eq!(toml::from_str::<JoiningFile>(golden).unwrap().drives[0].1, 40);
    }
}
