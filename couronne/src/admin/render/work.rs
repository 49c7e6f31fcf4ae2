//! How repair and scrubbing get on.

use super::text::{Table, bar, bytes, duration, many, since};
use couronne_admin::types::{ClusterStatus, Repair, Scrub, ScrubDrive};

/// Repair in one line, while so many drives are away.
pub(super) fn repair_line(repair: &Repair, drives_away: u64) -> String {
    let waiting = match (repair.parked, drives_away) {
        (0, 0) => String::new(),
        (0, away) => format!("; waits for {}", many(away, "drive", "drives")),
        (parked, _) => format!("; {} for a drive", many(parked, "blob waits", "blobs wait")),
    };
    if repair.pending == 0 {
        return format!("nothing to do{waiting}");
    }
    if repair.pending_chunks == 0 {
        return format!("looking: {} blobs and ranges may be better{waiting}", repair.pending);
    }
    let (bar, left) = time(repair.elapsed_s, repair.remaining_s);
    let rate = bytes(repair.bytes_per_second);
    format!("{bar}{} pending, {rate}/s{left}{waiting}", many(repair.pending_chunks, "chunk", "chunks"))
}

/// How far work is, by the time that it takes, and how long it still does; neither if that cannot be told. Chunks
/// differ too much in size, and their bytes in how long they are held up, to say it by these.
fn time(passed: u64, left: Option<u64>) -> (String, String) {
    let told =
        |left| (format!("{}  ", bar(passed, passed.saturating_add(left))), format!(", about {} left", duration(left)));
    left.map_or_else(Default::default, told)
}

/// `couronne repair status`.
pub(crate) fn repair(status: &ClusterStatus) -> Vec<String> {
    let repair = &status.repair;
    let mut lines = vec![
        repair_line(repair, status.durability.drives_away),
        format!(
            "  could be better now: {} (blobs, ranges), {}",
            repair.pending,
            many(repair.pending_chunks, "chunk", "chunks")
        ),
        format!("  wait for a drive: {}", many(repair.parked, "blob", "blobs")),
        format!("  rebuilt since the nodes started: {}", bytes(repair.rebuilt_bytes)),
    ];
    for level in &repair.degraded {
        lines.push(format!("  survive {} more: {} chunks of {} blobs", level.survives, level.chunks, level.blobs));
    }
    lines
}

/// The scrubber in one line.
pub(super) fn scrub_line(scrub: &Scrub, now_ms: u64) -> String {
    let found = match (scrub.found, scrub.orphans) {
        (0, 0) => "nothing found".to_owned(),
        (found, orphans) => format!("found {found}, healed {}, orphans deleted {orphans}", scrub.healed),
    };
    let last = match scrub.ended_ms {
        Some(ended_ms) => format!("last round ended {} ago", since(ended_ms, now_ms)),
        None => "no round finished yet".to_owned(),
    };
    if !scrub.running {
        return format!("{last}; {found}");
    }
    let sum = |read: fn(&ScrubDrive) -> u64| scrub.drives.iter().map(read).sum::<u64>();
    let (read, total) = (sum(|drive| drive.read_bytes), sum(|drive| drive.total_bytes));
    let (bar, left) = time(scrub.elapsed_s, scrub.remaining_s);
    let rate = bytes(scrub.bytes_per_second);
    format!("{bar}{} of {} read, {rate}/s{left}; {last}; {found}", bytes(read), bytes(total))
}

/// `couronne scrub status`.
pub(crate) fn scrub_drives(scrub: &Scrub, now_ms: u64) -> Vec<String> {
    let mut lines = vec![scrub_line(scrub, now_ms)];
    let mut table = Table::default();
    for drive in &scrub.drives {
        let of = format!("of {}", bytes(drive.total_bytes));
        table.row([drive.drive.clone(), drive.node.clone(), bar(drive.read_bytes, drive.total_bytes), of]);
    }
    if !scrub.drives.is_empty() {
        lines.extend(table.under("shards read, by drive"));
    }
    let of = scrub.total_chunks.map_or_else(String::new, |total| format!(" of {total}"));
    lines.push(format!("chunks looked for: {}{of}", scrub.looked_chunks));
    lines
}
