//! What a start finds amiss with drives: those that it leaves out, those that forgot their past, and why each.
//!
//! An operator reads the last line alone. So a start that is refused names every drive in it, with what is wrong there.
//! Must not know: how a drive is looked at, what follows.

use std::collections::BTreeMap;
use std::fmt::Display;

use couronne_cluster::MapError;
use couronne_cluster::map::ClusterMap;
use couronne_ring::DriveId;

use crate::error::NodeError;

/// Drives that are left out, and why each.
#[derive(Default)]
pub(crate) struct OmittedDrives(Vec<String>);

impl OmittedDrives {
    /// Takes note of a drive that is left out, and tells of it: others may go on.
    pub(crate) fn note(&mut self, name: &str, why: &dyn Display) {
        tracing::error!(name, %why, "drive is left out");
        self.note_silently(name, why);
    }

    /// Takes note of a drive that is no use to a start that is refused.
    pub(crate) fn note_silently(&mut self, name: &str, why: &dyn Display) {
        let why = why.to_string();
        self.0.push(if why.contains(name) { why } else { format!("{name}: {why}") });
    }

    /// Whether no drive is left out.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The drives, as an operator is told where none is left.
    pub(crate) fn told(&self) -> String {
        if self.0.is_empty() { "none is there".to_owned() } else { self.0.join("; ") }
    }
}

/// Drives that forgot their past, each with what operators call it and how that is known.
#[derive(Clone, Debug, Default)]
pub(crate) struct ForgetfulDrives(BTreeMap<DriveId, String>);

impl ForgetfulDrives {
    /// Takes note of a drive. What was known of it first counts.
    pub(crate) fn note(&mut self, drive: DriveId, name: &str, why: &dyn Display) {
        self.0.entry(drive).or_insert_with(|| format!("{name} ({why})"));
    }

    /// Whether a drive is among them.
    pub(crate) fn contains(&self, drive: DriveId) -> bool {
        self.0.contains_key(&drive)
    }

    /// The drives.
    pub(crate) fn ids<C: FromIterator<DriveId>>(&self) -> C {
        self.0.keys().copied().collect()
    }

    /// Refuses to go on where a range would be left without a majority of its voters.
    pub(crate) fn check_survivors(&self, map: &ClusterMap) -> Result<(), NodeError> {
        couronne_cluster::changes::check_survivors(map, &self.ids()).map_err(|error| self.refusal(error))
    }

    /// The refusal of a change of the map, with what operators call the drives that forgot their past.
    pub(crate) fn refusal(&self, error: MapError) -> NodeError {
        let MapError::TooManyForgot { range, drives, replaced } = error else { return error.into() };
        let unnamed = drives.iter().filter(|drive| !self.contains(**drive));
        let unnamed = unnamed.map(|drive| format!("drive {drive} (the cluster map knows of a later state of it)"));
        let mut told: Vec<String> = self.0.values().cloned().chain(unnamed).collect();
        if replaced > 0 {
            told.push(format!(
                "and {replaced} more of its voters were on drives that began anew and are not refilled yet"
            ));
        }
        NodeError::TooManyForgot { range: range.0, drives: told.join(", ") }
    }
}
