//! What a process says of itself as Prometheus text: its drives, the ranges that it leads, repair, scrubbing, node
//! reports. Every process says its own; sums over them are the cluster's. Node reports are known to the process that
//! leads the meta group.
//!
//! Must not know: how the numbers are served.

use couronne_admin::types::{RangeFacts, ScrubDrive};
use couronne_cluster::map::MAP_RANGE;
use prometheus::core::Collector;
use prometheus::{Encoder, Error, IntGaugeVec, Opts, Registry, TextEncoder};

use super::messages::{DriveMessage, StatusMessage};

/// The metrics of one moment.
struct MetricsPage(Registry);

/// The page of a process.
pub(super) fn page(status: &StatusMessage) -> Result<String, Error> {
    let page = MetricsPage(Registry::new());
    page.drives(&status.drives)?;
    page.repair(status)?;
    page.scrub(status)?;
    page.cluster(status)?;
    page.safety(status)?;
    let mut text = Vec::new();
    TextEncoder::new().encode(&page.0.gather(), &mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

impl MetricsPage {
    /// A gauge by labels.
    fn gauge<const N: usize>(
        &self,
        (name, help): (&str, &str),
        labels: [&str; N],
        values: impl IntoIterator<Item = ([String; N], u64)>,
    ) -> Result<(), Error> {
        let gauge = IntGaugeVec::new(Opts::new(name, help), &labels)?;
        for (labels, value) in values {
            let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
            gauge.with_label_values(&labels).set(i64::try_from(value).unwrap_or(i64::MAX));
        }
        self.0.register(Box::new(gauge) as Box<dyn Collector>)
    }

    fn one(&self, name: &str, help: &str, value: u64) -> Result<(), Error> {
        self.gauge((name, help), [], [([], value)])
    }

    fn seconds_left(&self, name: &str, left: Option<u64>) -> Result<(), Error> {
        let help = "Seconds until it is done, while that is known; the cluster's is the largest.";
        self.gauge((name, help), [], left.map(|left| ([], left)))
    }

    fn drives(&self, drives: &[DriveMessage]) -> Result<(), Error> {
        let space = |part: &'static str, read: fn(&DriveMessage) -> u64| {
            drives.iter().map(move |drive| ([drive.id.clone(), part.to_owned()], read(drive)))
        };
        let values = space("total", |drive| drive.total_bytes)
            .chain(space("free", |drive| drive.free_bytes))
            .chain(space("live", |drive| drive.live_bytes))
            .chain(space("dead", |drive| drive.dead_bytes))
            .chain(space("log", |drive| drive.log_bytes));
        self.gauge(
            ("couronne_drive_bytes", "Space of the drives of this process, by part."),
            ["drive", "part"],
            values,
        )?;
        let up = drives.iter().map(|drive| ([drive.id.clone()], u64::from(drive.down_reason.is_none())));
        self.gauge(("couronne_drive_up", "1: the drive is up; 0: it is down or lost."), ["drive"], up)?;
        let slow = drives.iter().map(|drive| ([drive.id.clone()], u64::from(drive.slow)));
        let name = ("couronne_drive_slow", "1: calls to the drive do not come back in time; it is left out.");
        self.gauge(name, ["drive"], slow)?;
        let full = drives.iter().map(|drive| ([drive.id.clone()], u64::from(drive.full)));
        self.gauge(("couronne_drive_full", "1: the drive is full and takes no new shards."), ["drive"], full)
    }

    fn repair(&self, status: &StatusMessage) -> Result<(), Error> {
        let repair = &status.repair;
        self.one(
            "couronne_repair_pending",
            "Blobs and ranges that repair may make better with the drives that are up.",
            repair.pending,
        )?;
        self.one("couronne_repair_pending_chunks", "Chunks of these blobs.", repair.pending_chunks)?;
        self.one(
            "couronne_repair_parked",
            "Blobs that repair cannot make better until a drive is up again.",
            repair.parked,
        )?;
        self.one("couronne_repair_rebuilt_bytes", "Bytes of shards rebuilt since the start.", repair.rebuilt_bytes)?;
        self.one(
            "couronne_repair_bytes_per_second",
            "Bytes of shards rebuilt in a second, of late.",
            repair.bytes_per_second,
        )?;
        self.seconds_left("couronne_repair_seconds_left", repair.remaining_s)?;
        let degraded = repair.degraded.iter().map(|level| ([level.survives.to_string()], level.chunks));
        let name =
            ("couronne_degraded_chunks", "Chunks by how many more losses they survive; below 0: none can be read.");
        self.gauge(name, ["survives"], degraded)
    }

    fn scrub(&self, status: &StatusMessage) -> Result<(), Error> {
        let scrub = &status.scrub;
        let part = |part: &'static str, read: fn(&ScrubDrive) -> u64| {
            scrub.drives.iter().map(move |drive| ([drive.drive.clone(), part.to_owned()], read(drive)))
        };
        let values = part("read", |drive| drive.read_bytes).chain(part("total", |drive| drive.total_bytes));
        self.gauge(
            ("couronne_scrub_bytes", "Bytes of a drive in the scrubber's round, by part."),
            ["drive", "part"],
            values,
        )?;
        self.one("couronne_scrub_running", "1: a round of the scrubber is under way.", u64::from(scrub.running))?;
        self.one(
            "couronne_scrub_bytes_per_second",
            "Bytes that the scrubber reads in a second.",
            scrub.bytes_per_second,
        )?;
        self.one(
            "couronne_scrub_ended_seconds",
            "When the last round of the scrubber ended, in seconds since 1970; 0: none has.",
            scrub.ended_ms.unwrap_or(0) / 1000,
        )?;
        self.seconds_left("couronne_scrub_seconds_left", scrub.remaining_s)?;
        self.one(
            "couronne_scrub_found",
            "Shards that the scrubber found missing or wrong since the start.",
            scrub.found,
        )?;
        self.one(
            "couronne_scrub_healed",
            "Chunks of which the scrubber had shards put back since the start.",
            scrub.healed,
        )
    }

    /// What has to hold for all to be safe, of the drives here and of the ranges led here.
    fn safety(&self, status: &StatusMessage) -> Result<(), Error> {
        self.one(
            "couronne_loss_version",
            "Map version that first knew the newest loss of what a drive held; 0: none.",
            status.loss_version,
        )?;
        let of_ranges = |value: fn(&RangeFacts) -> u64| {
            let said = status.ranges.iter().filter_map(|range| Some((range.range, range.facts?)));
            said.map(move |(range, facts)| ([range.to_string()], value(&facts)))
        };
        let of_data = |value| of_ranges(value).filter(|([range], _)| *range != MAP_RANGE.0.to_string());
        let name =
            ("couronne_range_swept_version", "Map version up to whose losses a range's blobs were looked through.");
        self.gauge(name, ["range"], of_data(|facts| facts.swept_version))?;
        let name = ("couronne_range_repair_rows", "Blobs of a range that are repaired or wait for a drive.");
        self.gauge(name, ["range"], of_data(|facts| facts.repair_rows))?;
        let name = (
            "couronne_range_looked_for_seconds",
            "When all shards of a range's blobs were last looked for, in seconds since 1970; 0: never.",
        );
        self.gauge(name, ["range"], of_data(|facts| facts.looked_ms.unwrap_or(0) / 1000))?;
        let name = (
            "couronne_range_stores_scrubbed_seconds",
            "When a range's replicas were last compared, in seconds since 1970; 0: never.",
        );
        self.gauge(name, ["range"], of_ranges(|facts| facts.stores_scrubbed_ms.unwrap_or(0) / 1000))?;
        let drives = status.drives.iter().map(|drive| ([drive.id.clone()], drive.scrubbed_ms.unwrap_or(0) / 1000));
        let name =
            ("couronne_drive_scrubbed_seconds", "When a drive was last read through, in seconds since 1970; 0: never.");
        self.gauge(name, ["drive"], drives)?;
        self.one(
            "couronne_scrub_cycle_seconds",
            "Within how long each drive is read through, shards are looked for and replicas compared once.",
            status.scrub.cycle_s,
        )
    }

    fn cluster(&self, status: &StatusMessage) -> Result<(), Error> {
        let work = status.background.iter().map(|(name, count)| ([name.clone()], *count));
        self.gauge(("couronne_background", "What the duties did since the start, by kind."), ["kind"], work)?;
        self.one(
            "couronne_cluster_time_lag_milliseconds",
            "How far the cluster time is behind this process's clock: for so much longer object locks hold.",
            status.time_lag_ms,
        )?;
        let led = status.ranges.iter().filter(|range| range.leader.is_some()).count();
        self.one(
            "couronne_ranges_led",
            "Metadata ranges that this process leads.",
            u64::try_from(led).unwrap_or(u64::MAX),
        )?;
        if status.members.is_empty() {
            return Ok(());
        }
        self.one(
            "couronne_ranges_leaderless",
            "Metadata ranges without a leader, by the node reports.",
            status.leaderless,
        )?;
        let ages = status.members.iter().map(|member| ([member.id.clone()], member.report_age_ms));
        let name = ("couronne_node_report_age_milliseconds", "How long ago a member sent its last node report.");
        self.gauge(name, ["node"], ages)
    }
}
