//! The screens as they are: a healthy cluster, one with a node away, one in danger, and a lone server.

use super::{drives, nodes, status};
use couronne_admin::types::{
    ClusterStatus, DegradedChunks, Doubt, DoubtKind, Drive, DriveState, Durability, Node, NodeRole, Range, RangeFacts,
    Repair, Safety, Scrub, ScrubDrive, StoragePolicyPromise,
};

const GIB: u64 = 1 << 30;

fn drive(number: u64) -> Drive {
    Drive {
        id: format!("{number:08x}{:024x}", 0),
        node: format!("n{number}"),
        region: "region".to_owned(),
        zone: format!("zone{}", (number - 1) / 2),
        state: DriveState::Writable,
        folder: Some(format!("/data/n{number}")),
        total_bytes: 10 * GIB,
        free_bytes: (10 - number) * GIB,
        ..Drive::default()
    }
}

fn node(number: u64) -> Node {
    Node {
        name: format!("n{number}"),
        id: format!("{number:032x}"),
        role: NodeRole::StorageNode,
        region: "region".to_owned(),
        zone: format!("zone{}", (number - 1) / 2),
        address: format!("127.0.0.1:{number}"),
        answers: true,
        version: Some("0.1.0".to_owned()),
        report_age_ms: Some(300),
        clock_offset_ms: Some(-2),
        drives: 1,
        ..Node::default()
    }
}

fn range(number: u64) -> Range {
    let replicas: Vec<String> = (1..=5).map(|number| drive(number).id).collect();
    Range {
        range: number,
        voters: replicas.clone(),
        wanted: replicas.len(),
        serving: replicas.clone(),
        leader: replicas.get(number as usize).cloned(),
        replicas,
        settled: true,
        facts: Some(RangeFacts { swept_version: 51, ..RangeFacts::default() }),
        silent_since_ms: None,
    }
}

/// Everything is known to be safe.
fn safe() -> Safety {
    Safety {
        all_safe: true,
        loss_version: 50,
        swept_version: Some(51),
        repair_rows: Some(0),
        shards_scrubbed_ms: Some(2_800_000),
        shards_looked_for_ms: Some(1_000_000),
        stores_scrubbed_ms: Some(9_000_000),
        scrub_cycle_s: 15 * 86_400,
        doubts: Vec::new(),
    }
}

/// What is in doubt of some nodes, drives or ranges, for a thousand seconds.
fn doubted(status: &ClusterStatus, doubts: &[(DoubtKind, &[&str])]) -> ClusterStatus {
    let doubt = |(kind, of): &(DoubtKind, &[&str])| Doubt {
        kind: *kind,
        of: of.iter().map(|name| (*name).to_owned()).collect(),
        since_ms: Some(9_000_000),
    };
    let doubts = doubts.iter().map(doubt).collect();
    let safety = Safety { all_safe: false, doubts, ..status.durability.safety.clone() };
    ClusterStatus { durability: Durability { safety, ..status.durability.clone() }, ..status.clone() }
}

/// Six nodes in three zones; nothing is amiss.
fn healthy() -> ClusterStatus {
    ClusterStatus {
        version: "0.1.0".to_owned(),
        now_ms: 10_000_000,
        durability: Durability { survives: 2, promised: 2, safety: safe(), ..Durability::default() },
        promise: StoragePolicyPromise {
            policy: "ec:4+2".to_owned(),
            nodes: 6,
            zones: 3,
            drives_survived: 2,
            nodes_survived: 2,
            zones_survived: 1,
            zones_not_survived: Vec::new(),
        },
        nodes: (1..=6).map(node).collect(),
        gateways: vec![Node { drives: 0, role: NodeRole::Gateway, name: "g1".to_owned(), ..node(7) }],
        drives: (1..=6).map(drive).collect(),
        ranges: (1..=4).map(range).collect(),
        scrub: Scrub { ended_ms: Some(2_800_000), ..Scrub::default() },
        ..ClusterStatus::default()
    }
}

fn shown(message: &ClusterStatus) -> String {
    status(message).join("\n")
}

#[test]
fn a_healthy_cluster() {
    assert_eq!(
        status(&healthy()),
        [
            "all safe: 2 losses are survived",
            "  known: looked through to map version 51 for losses, the newest at 50; nothing to repair; all voters of 4 groups serve",
            "  scrubbed: shards 2 h ago, their places 2 h ago, replicas 16 min ago; again within 15 days",
            "",
            "policy    ec:4+2 over 6 nodes: any 2 drives or nodes; any 1 of 3 zones",
            "zones",
            "  zone0  2 of 2 nodes up  [###.................]  15 % of 20 GiB",
            "  zone1  2 of 2 nodes up  [#######.............]  35 % of 20 GiB",
            "  zone2  2 of 2 nodes up  [###########.........]  55 % of 20 GiB",
            "nodes",
            "  n1  zone0  up  [##..................]  10 % of 10 GiB",
            "  n2  zone0  up  [####................]  20 % of 10 GiB  leads 1",
            "  n3  zone1  up  [######..............]  30 % of 10 GiB  leads 1",
            "  n4  zone1  up  [########............]  40 % of 10 GiB  leads 1",
            "  n5  zone2  up  [##########..........]  50 % of 10 GiB  leads 1",
            "  n6  zone2  up  [############........]  60 % of 10 GiB",
            "  g1  zone3  up  gateway",
            "drives",
            "  00000001  n1  writable  [##..................]  10 % of 10 GiB  /data/n1",
            "  00000002  n2  writable  [####................]  20 % of 10 GiB  /data/n2",
            "  00000003  n3  writable  [######..............]  30 % of 10 GiB  /data/n3",
            "  00000004  n4  writable  [########............]  40 % of 10 GiB  /data/n4",
            "  00000005  n5  writable  [##########..........]  50 % of 10 GiB  /data/n5",
            "  00000006  n6  writable  [############........]  60 % of 10 GiB  /data/n6",
            "repair    nothing to do",
            "scrub     last round ended 2 h ago; nothing found",
            "ranges    4 of 4 led: n2 1, n3 1, n4 1, n5 1",
            "versions  0.1.0",
        ]
    );
}

#[test]
fn a_cluster_that_repairs() {
    let mut message = healthy();
    message.durability = Durability { survives: 1, chunks: 120, degraded_chunks: 120, ..message.durability };
    let id = drive(4).id;
    message = doubted(
        &message,
        &[
            (DoubtKind::NodesSilent, &["n4"]),
            (DoubtKind::DrivesAway, &[&id]),
            (DoubtKind::RangesUnswept, &["2", "3"]),
            (DoubtKind::Unrepaired, &["1"]),
        ],
    );
    message.durability.safety.repair_rows = Some(13);
    message.nodes[3] = Node { answers: false, version: None, down_since_ms: Some(9_300_000), ..node(4) };
    message.drives[3] = Drive {
        state: DriveState::Lost,
        down_reason: Some("its node does not answer".to_owned()),
        down_since_ms: Some(9_300_000),
        folder: None,
        total_bytes: 0,
        free_bytes: 0,
        ..drive(4)
    };
    message.nodes[1].clock_offset_ms = Some(7_300);
    message.nodes[1].version = Some("0.2.0".to_owned());
    message.repair = Repair {
        pending: 13,
        pending_chunks: 120,
        done_chunks: 400,
        elapsed_s: 50,
        bytes_per_second: 50 << 20,
        remaining_s: Some(150),
        parked: 1,
        degraded: vec![DegradedChunks { survives: 1, blobs: 12, chunks: 120 }],
        listed: 12,
        ..Repair::default()
    };
    let reading = |number| ScrubDrive {
        drive: drive(number).id,
        node: format!("n{number}"),
        read_bytes: GIB,
        total_bytes: 4 * GIB,
    };
    message.scrub = Scrub {
        running: true,
        drives: vec![reading(1), reading(2)],
        bytes_per_second: 32 << 20,
        elapsed_s: 128,
        remaining_s: Some(192),
        found: 2,
        healed: 2,
        ..message.scrub
    };
    assert_eq!(
        status(&message),
        [
            "1 more loss is survived as far as is known; degraded: 120 chunks",
            "  degraded: 120 chunks of 12 blobs survive 1 more loss",
            "  not known: node n4 does not answer, for 16 min",
            "  not safe: drive 00000004 does not serve, for 16 min",
            "  not known: ranges 2, 3 were not looked through for the loss at map version 50 yet, for 16 min",
            "  not safe: 13 blobs are repaired or wait for a drive, 1 of them not looked at yet, for 16 min",
            "",
            "policy    ec:4+2 over 6 nodes: any 2 drives or nodes; any 1 of 3 zones",
            "zones",
            "  zone0  2 of 2 nodes up  [###.................]  15 % of 20 GiB",
            "  zone1  1 of 2 nodes up  [######..............]  30 % of 10 GiB",
            "  zone2  2 of 2 nodes up  [###########.........]  55 % of 20 GiB",
            "nodes",
            "  n1  zone0  up               [##..................]  10 % of 10 GiB",
            "  n2  zone0  up               [####................]  20 % of 10 GiB  leads 1",
            "  n3  zone1  up               [######..............]  30 % of 10 GiB  leads 1",
            "  n4  zone1  down for 11 min  not known                               leads 1",
            "  n5  zone2  up               [##########..........]  50 % of 10 GiB  leads 1",
            "  n6  zone2  up               [############........]  60 % of 10 GiB",
            "  g1  zone3  up               gateway",
            "drives",
            "  00000001  n1  writable         [##..................]  10 % of 10 GiB  /data/n1",
            "  00000002  n2  writable         [####................]  20 % of 10 GiB  /data/n2",
            "  00000003  n3  writable         [######..............]  30 % of 10 GiB  /data/n3",
            "  00000004  n4  lost for 11 min  not known",
            "  00000005  n5  writable         [##########..........]  50 % of 10 GiB  /data/n5",
            "  00000006  n6  writable         [############........]  60 % of 10 GiB  /data/n6",
            "repair    [#####...............]  25 %  120 chunks pending, 50 MiB/s, about 2 min left; 1 blob waits for a drive",
            "scrub     [########............]  40 %  2 GiB of 8 GiB read, 32 MiB/s, about 3 min left; last round ended 2 h ago; found 2, healed 2, orphans deleted 0",
            "ranges    4 of 4 led: n2 1, n3 1, n4 1, n5 1",
            "clocks    n2 7 s ahead and leads nothing",
            "versions  differ: n1 0.1.0, n2 0.2.0, n3 0.1.0, n5 0.1.0, n6 0.1.0, g1 0.1.0",
        ]
    );
}

#[test]
fn a_cluster_in_danger() {
    let mut message = healthy();
    message.durability = Durability {
        survives: 0,
        chunks: 7,
        degraded_chunks: 19,
        drives_away: 1,
        leaderless: vec![4],
        ranges: 2,
        ..message.durability
    };
    message.repair.degraded =
        vec![DegradedChunks { survives: 0, blobs: 1, chunks: 7 }, DegradedChunks { survives: 1, blobs: 2, chunks: 12 }];
    message.ranges[3].leader = None;
    message.ranges[3].serving.truncate(2);
    message.halted = Some("the wall clock leapt forward by 9 days".to_owned());
    let first: Vec<String> = status(&message).into_iter().take(5).collect();
    assert_eq!(
        first,
        [
            "one more loss would cost data: 7 chunks",
            "  no leader: range 4; their keys can be neither read nor written",
            "  degraded: 7 chunks of 1 blob survive no more loss",
            "  degraded: 12 chunks of 2 blobs survive 1 more loss",
            "  away: 1 drive whose shards are not made up for yet",
        ]
    );
    assert!(shown(&message).contains("3 of 4 led: n2 1, n3 1, n4 1; without a leader: range 4; 3 replicas away"));
    assert!(shown(&message).contains("couronne clock confirm"));
}

/// Of five voters that it ought to have a group has three, of which one is away.
#[test]
fn a_smaller_group_says_what_it_survives() {
    let mut message = healthy();
    message.durability = Durability { survives: 0, ranges: 2, smaller_ranges: 2, ..message.durability };
    message.ranges.push(range(0));
    for (at, serving) in [(2, 3), (4, 2)] {
        message.ranges[at].replicas.truncate(3);
        message.ranges[at].voters.truncate(3);
        message.ranges[at].serving.truncate(serving);
    }
    message.ranges[2].voters.push(drive(4).id);
    let lines = status(&message);
    assert_eq!(lines[0], "one more loss would cost data: 2 metadata ranges");
    let said = "  metadata: 2 ranges have fewer than 5 voters; the meta group has 3: 0 more losses are survived";
    assert!(lines.contains(&said.to_owned()), "{lines:#?}");
}

#[test]
fn a_cluster_time_that_lags_is_shown() {
    let lagging = |time_lag_ms| shown(&ClusterStatus { time_lag_ms, ..healthy() });
    assert!(!lagging(60_000).contains("locks"), "the next note of it is not due yet");
    let line =
        "locks     hold 3 days longer: so far the cluster time lags. Once all clocks are right: couronne clock confirm";
    assert!(lagging(3 * 86_400_000).contains(line), "{}", lagging(3 * 86_400_000));
}

#[test]
fn members_that_the_change_of_the_authority_waits_for_are_shown() {
    let waiting = |names: Option<&[&str]>| {
        let names = names.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        shown(&ClusterStatus { authority_waits_for: names, ..healthy() })
    };
    assert!(!waiting(None).contains("authority") && !waiting(Some(&[])).contains("authority"));
    assert!(waiting(Some(&["g1", "n2"])).contains("authority is being changed, and waits for g1, n2: bring back"));
}

#[test]
fn first_lines() {
    let first = |durability| status(&ClusterStatus { durability, ..healthy() }).remove(0);
    let whole = Durability { survives: 2, promised: 2, safety: safe(), ..Durability::default() };
    assert_eq!(first(Durability { survives: 1, promised: 1, ..whole.clone() }), "all safe: 1 loss is survived");
    let awaited = Durability { awaited_nodes: 1, ..whole.clone() };
    assert_eq!(first(awaited), "not begun: 1 storage node is to join yet");
    let awaited = Durability { awaited_voters: 2, ..whole.clone() };
    assert_eq!(first(awaited), "not begun: 2 drives are to vote in the meta group yet; until then nothing is taken");
    let one_copy = Durability { survives: 0, promised: 0, ..whole.clone() };
    assert_eq!(first(one_copy), "any loss costs data: the policy keeps one copy");
    let away = Durability { survives: 0, drives_away: 2, ..whole.clone() };
    assert_eq!(first(away), "one more loss would cost data: chunks with shards on drives that are away");
    let gone = Durability { survives: -1, chunks: 1, degraded_chunks: 1, ..whole.clone() };
    let said = "OUT OF REACH: 1 chunk, of which too little is left although all drives serve";
    assert_eq!(first(gone.clone()), said);
    let mut away = ClusterStatus { durability: gone, ..healthy() };
    away.drives[0].down_reason = Some("its node does not answer".to_owned());
    assert_eq!(status(&away).remove(0), "OUT OF REACH: 1 chunk; bring back what is away");
    let metadata = Durability { survives: 0, ranges: 3, ..whole };
    assert_eq!(first(metadata), "one more loss would cost data: 3 metadata ranges");
}

/// What was counted before the last drives went away is no more than what is known.
#[test]
fn what_was_not_counted_since_is_not_promised() {
    let durability =
        |survives| Durability { survives, promised: 2, drives_away: 2, safety: safe(), ..Durability::default() };
    let first = |survives, spoil: &dyn Fn(&mut ClusterStatus)| {
        let mut known = ClusterStatus { durability: durability(survives), ..healthy() };
        known.durability.safety.all_safe = false;
        spoil(&mut known);
        status(&known).remove(0)
    };
    let doubt = |kind: DoubtKind| {
        move |known: &mut ClusterStatus| {
            known.durability.safety.doubts = vec![Doubt { kind, of: vec!["1".to_owned()], since_ms: None }];
        }
    };
    let away = "chunks with shards on drives that are away";
    assert_eq!(first(0, &|_| ()), format!("one more loss would cost data: {away}"));
    let as_far = format!("one more loss would cost data as far as is known: {away}");
    assert_eq!(first(0, &doubt(DoubtKind::RangesUnlisted)), as_far);
    assert_eq!(first(0, &doubt(DoubtKind::RangesUnswept)), as_far);
    assert_eq!(first(0, &doubt(DoubtKind::RangesSilent)), as_far);
    assert_eq!(first(0, &|known| known.nodes[0].answers = false), as_far, "the map does not know it yet");
    let more = format!("1 more loss is survived as far as is known; degraded: {away}");
    assert_eq!(first(1, &doubt(DoubtKind::RangesUnlisted)), more);
}

/// A cluster that was just formed is not broken: it was not looked at yet.
#[test]
fn a_cluster_that_was_never_scrubbed() {
    let ids: Vec<String> = (1..=6).map(|number| drive(number).id).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let ranges: &[&str] = &["1", "2", "3", "4"];
    let new = doubted(
        &healthy(),
        &[
            (DoubtKind::ShardsUnscrubbed, &ids),
            (DoubtKind::ShardsNotLookedFor, ranges),
            (DoubtKind::StoresUnscrubbed, &["0", "1"]),
        ],
    );
    let first: Vec<String> = status(&new).into_iter().take(4).collect();
    assert_eq!(
        first,
        [
            "no loss is known: 2 losses are survived; not yet scrubbed, for 16 min",
            "  not yet scrubbed: shards on drives 00000001, 00000002, 00000003, 00000004, 00000005, 00000006, for 16 min",
            "  not yet scrubbed: places of the shards of ranges 1, 2, 3, 4, for 16 min",
            "  not yet scrubbed: replicas of the meta group and range 1, for 16 min",
        ]
    );
    let mut late = new;
    late.drives.iter_mut().for_each(|drive| drive.scrubbed_ms = Some(1));
    let facts = RangeFacts { looked_ms: Some(1), stores_scrubbed_ms: Some(1), ..RangeFacts::default() };
    late.ranges.iter_mut().for_each(|range| range.facts = Some(facts));
    assert_eq!(status(&late)[0], "no loss is known: 2 losses are survived; not scrubbed within the cycle, for 16 min");
}

/// Whatever is in doubt, the first line does not say that all is safe, and a line says what it is and since when.
#[test]
fn doubts_are_said() {
    let said = |kind, of: &[&str]| {
        let lines = status(&doubted(&healthy(), &[(kind, of)]));
        assert!(!lines[0].starts_with("all safe"), "{lines:#?}");
        (lines[0].clone(), lines[1].clone())
    };
    let texts = |first: &str, second: &str| {
        (format!("not all safe: 2 losses are survived as far as is known; {first}"), format!("  {second}, for 16 min"))
    };
    assert_eq!(
        said(DoubtKind::RangesSilent, &["4"]),
        texts("not known how ranges are", "not known: no leader says how range 4 is")
    );
    assert_eq!(
        said(DoubtKind::GroupsNotWhole, &["0"]),
        texts("metadata lacks voters", "not safe: the meta group has not all voters, or one does not serve")
    );
    assert_eq!(
        said(DoubtKind::NodesBehind, &["n1", "n2"]),
        texts("nodes do not know the newest loss yet", "not known: nodes n1, n2 do not know the newest loss yet")
    );
    assert_eq!(said(DoubtKind::Unrepaired, &[]), texts("not all is repaired", "not safe: repair has something to do"));
}

#[test]
fn promises() {
    let promise = |nodes, zones, survived: [usize; 3], not: &[&str]| {
        super::promise(&StoragePolicyPromise {
            policy: "p".to_owned(),
            nodes,
            zones,
            drives_survived: survived[0],
            nodes_survived: survived[1],
            zones_survived: survived[2],
            zones_not_survived: not.iter().map(|zone| (*zone).to_owned()).collect(),
        })
    };
    assert_eq!(promise(1, 1, [2, 0, 0], &[]), "p: any 2 drives");
    assert_eq!(promise(3, 1, [2, 1, 0], &[]), "p over 3 nodes: any 2 drives, any 1 node; one zone, not survivable");
    assert_eq!(
        promise(2, 2, [1, 0, 0], &["a"]),
        "p over 2 nodes: any 1 drive, but no node; zones: 1 of 2 not survivable (a)"
    );
    assert_eq!(promise(6, 3, [2, 2, 1], &[]), "p over 6 nodes: any 2 drives or nodes; any 1 of 3 zones");
    assert_eq!(promise(6, 3, [0, 0, 0], &[]), "p: no loss is survived");
    assert_eq!(promise(0, 0, [0, 0, 0], &[]), "p: no drives yet");
}

#[test]
fn a_lone_server() {
    let mut message = healthy();
    (message.nodes, message.gateways) = (vec![node(1)], Vec::new());
    message.drives.truncate(2);
    message.drives.iter_mut().for_each(|drive| drive.node = "n1".to_owned());
    message.promise =
        StoragePolicyPromise { nodes: 1, zones: 1, nodes_survived: 0, zones_survived: 0, ..message.promise };
    assert_eq!(
        status(&message),
        [
            "all safe: 2 losses are survived",
            "  known: looked through to map version 51 for losses, the newest at 50; nothing to repair; all voters of 4 groups serve",
            "  scrubbed: shards 2 h ago, their places 2 h ago, replicas 16 min ago; again within 15 days",
            "",
            "policy    ec:4+2: any 2 drives",
            "drives",
            "  00000001  n1  writable  [##..................]  10 % of 10 GiB  /data/n1",
            "  00000002  n1  writable  [####................]  20 % of 10 GiB  /data/n2",
            "repair    nothing to do",
            "scrub     last round ended 2 h ago; nothing found",
            "ranges    4 of 4 led",
            "versions  0.1.0",
        ]
    );
}

#[test]
fn lists() {
    let mut message = healthy();
    message.nodes.truncate(2);
    message.drives.truncate(2);
    assert_eq!(
        nodes(&message),
        [
            "n1  storage-node  region/zone0  127.0.0.1:1  0.1.0  up  reported 0 s ago  clock -2 ms  1 drive  00000000000000000000000000000001",
            "n2  storage-node  region/zone0  127.0.0.1:2  0.1.0  up  reported 0 s ago  clock -2 ms  1 drive  00000000000000000000000000000002",
            "g1  gateway       region/zone3  127.0.0.1:7  0.1.0  up  reported 0 s ago  clock -2 ms           00000000000000000000000000000007",
        ]
    );
    assert_eq!(
        drives(&message),
        [
            "00000001000000000000000000000000  n1  zone0  writable  [##..................]  10 % of 10 GiB  /data/n1",
            "00000002000000000000000000000000  n2  zone0  writable  [####................]  20 % of 10 GiB  /data/n2",
        ]
    );
}

/// No bar claims to know what is not known.
#[test]
fn work_that_cannot_be_timed_yet() {
    let mut message = healthy();
    message.repair = Repair { pending: 1, pending_chunks: 9, elapsed_s: 5, ..Repair::default() };
    message.scrub = Scrub { running: true, elapsed_s: 5, ..Scrub::default() };
    let shown = shown(&message);
    assert!(shown.contains("repair    9 chunks pending, 0 B/s\n"), "{shown}");
    assert!(shown.contains("scrub     0 B of 0 B read, 0 B/s; no round finished yet; nothing found\n"), "{shown}");
}
