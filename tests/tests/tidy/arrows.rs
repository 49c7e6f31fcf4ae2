//! Which way the arrows between modules point: within a crate from the higher to the lower, within a folder never round.

use couronne_tests::source;
use couronne_tests::source::modules::{Arrow, Room, circular};

use super::none;

/// The modules of a crate, the lowest first: each may name those before it and itself.
const FOLDERS: [(&str, &[&str]); 14] = [
    (
        "base",
        &[
            "blocking", "buffer", "codec", "crc", "env", "fixed", "mutant", "network", "fair", "seal", "watch",
            "testing",
        ],
    ),
    (
        "ring",
        &[
            "ids",
            "drive",
            "domain",
            "ring",
            "difference",
            "report",
            "encoding",
            "tree",
            "assignment",
            "exchange",
            "economy",
            "builder",
        ],
    ),
    (
        "placement",
        &["birth", "blob", "geometry", "frame", "spread", "erasure", "policy", "place", "quorum", "replicas", "value"],
    ),
    (
        "metadata",
        &[
            "ids",
            "record",
            "key",
            "store",
            "usage",
            "memory",
            "rocks",
            "watermarks",
            "store_scrub",
            "latch",
            "command",
            "query",
            "effect",
            "marks",
            "encoding",
            "system",
            "answer",
            "evaluate",
            "apply",
        ],
    ),
    (
        "cluster",
        &["descriptor", "drive_state", "role", "error", "map", "report", "heard_log_ends", "changes", "encoding"],
    ),
    ("protocol", &["join", "range", "shard", "transport", "net", "wire", "map", "remote"]),
    (
        "client",
        &["error", "settings", "slow_drives", "pauses", "reporting", "routing", "client", "read", "write", "testing"],
    ),
    ("admin", &["types", "audit", "control", "endpoints", "client", "server", "tests"]),
    ("outbound", &["reach", "error", "target", "resolve", "connect", "client", "tests"]),
    (
        "storage-node",
        &[
            "error",
            "stop",
            "rounds",
            "clock",
            "cluster_time",
            "surroundings",
            "disk",
            "log",
            "drives",
            "consensus",
            "replicas",
            "membership",
            "duties",
            "node",
        ],
    ),
    (
        "gateway",
        &[
            "json", "engine", "access", "metrics", "identity", "guarded", "audit", "testing", "front", "aws", "s3",
            "swift", "iam", "console",
        ],
    ),
    (
        "couronne",
        &[
            "allocator",
            "terminal",
            "secret_argument",
            "admin_address",
            "roots",
            "policy",
            "settings",
            "logs",
            "folder",
            "drives",
            "bench",
            "cli",
            "admin",
            "cluster",
            "serve",
        ],
    ),
    ("simulation", &["trace", "world", "clients", "judge", "faults", "run"]),
    (
        "tests",
        &[
            "source",
            "running",
            "bytes_of",
            "python",
            "aws",
            "cut_off",
            "hanging",
            "server",
            "namespace",
            "cluster",
            "clients",
            "load",
        ],
    ),
];

/// Arrows within a folder that close a circle and stay for now: the folder, the module that names, the one that is named,
/// and why they are tied. The list is closed: what can be untied leaves it, and nothing joins it.
const TIED: [(&str, &str, &str, &str); 12] = [
    ("gateway/src/engine", "body", "error", "an error of a body may be the engine's, and the other way round"),
    ("gateway/src/front", "body", "face", "a body is taken off its framing by its face's decoder"),
    ("gateway/src/front", "face", "pipeline", "a face is given the request that the pipeline authenticated"),
    ("gateway/src/front", "handler", "authorize", "a handler is given the proof that names it"),
    ("gateway/src/s3", "address", "route", "the depth of a path is a column of the routes"),
    ("gateway/src/s3", "face", "auth", "the face's type stands beside what it implements"),
    ("gateway/src/s3", "face", "body", "the face's type stands beside what it implements"),
    ("gateway/src/s3", "face", "needs", "the face's type stands beside what it implements"),
    ("gateway/src/s3", "face", "operation", "the face's type stands beside what it implements"),
    ("gateway/src/s3", "face", "route", "the face's type stands beside what it implements"),
    ("gateway/src/s3", "operation", "route", "the columns of the table stand with the search in it"),
    ("storage-node/src/duties", "repairer", "scrubber", "repair that an operator starts looks as the scrubber does"),
];

#[test]
fn within_a_crate_no_arrow_points_back() {
    let files = source::rust_files();
    let mut findings = Vec::new();
    for (name, order) in FOLDERS {
        let place = |module: &str| order.iter().position(|known| *known == module);
        let Some(room) = Room::all(name, &files).into_iter().next() else { continue };
        let unknown = room.modules().iter().filter(|module| place(module).is_none());
        findings.extend(unknown.map(|module| format!("{}: {module} stands at no place in the order", room.folder())));
        let back = room.arrows(&files).into_iter().filter(|arrow| place(&arrow.to) > place(&arrow.from));
        findings.extend(back.map(|arrow| format!("{}: {} names {}", arrow.place, arrow.from, arrow.to)));
    }
    none("these modules name one that stands above them", findings);
}

#[test]
fn within_a_folder_no_arrows_close_a_circle() {
    let files = source::rust_files();
    let (mut findings, mut ties) = (Vec::new(), 0);
    for room in FOLDERS.iter().flat_map(|(name, _)| Room::all(name, &files)) {
        let (folder, mut arrows) = (room.folder(), room.arrows(&files));
        // Of all places where a module names another, the first.
        arrows.dedup_by(|next, first| (&next.from, &next.to) == (&first.from, &first.to));
        let is_tied = |arrow: &Arrow| {
            TIED.iter().any(|(of, from, to, _)| *of == folder && *from == arrow.from && *to == arrow.to)
        };
        let (tied, free): (Vec<Arrow>, Vec<Arrow>) = arrows.into_iter().partition(is_tied);
        let back = circular(&free);
        findings.extend(back.iter().map(|arrow| format!("{}: {} names {}", arrow.place, arrow.from, arrow.to)));
        ties += tied.len();
        for arrow in tied {
            let with: Vec<Arrow> = free.iter().chain([&arrow]).cloned().collect();
            if !circular(&with).contains(&&arrow) {
                findings.push(format!("{}: {} may name {} without an exception", arrow.place, arrow.from, arrow.to));
            }
        }
    }
    none("these modules of one folder name each other, directly or by way of others", findings);
    assert_eq!(ties, TIED.len(), "each exception is for an arrow that is there");
}
