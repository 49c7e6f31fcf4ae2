//! Repair rows on their way into a range, cut into commands.
//!
//! A page of blobs may hold every part of an upload, and each row repeats its key. Promises: whatever keys clients
//! choose, each command's effect is far below what a log entry holds.
//! Must not know: which blobs are degraded.

use couronne_base::codec;
use couronne_base::mutant;

use crate::command::Command;
use crate::effect::FIELD_BYTES;
use crate::record::RepairRecord;

/// A command takes no further row once its rows have this many bytes.
const MARK_BYTES: u64 = 1 << 20;

/// About what the key of a repair row takes: its kind and a blob id.
const ROW_KEY_BYTES: u64 = 33;

/// The commands that leave these rows, in the order of the rows.
pub fn mark_degraded(rows: Vec<RepairRecord>) -> Vec<Command> {
    let (mut commands, mut bytes) = (Vec::new(), u64::MAX);
    for row in rows {
        bytes = bytes.saturating_add(bytes_of(&row));
        match commands.last_mut() {
            Some(Command::MarkDegraded { blobs }) if bytes <= MARK_BYTES || mutant!(MarkPageAtOnce) => blobs.push(row),
            _ => {
                bytes = bytes_of(&row);
                commands.push(Command::MarkDegraded { blobs: vec![row] });
            }
        }
    }
    commands
}

fn bytes_of(row: &RepairRecord) -> u64 {
    u64::try_from(codec::encode(row).len()).unwrap_or(u64::MAX).saturating_add(ROW_KEY_BYTES + FIELD_BYTES)
}
