//! Losses one after another, for as long as they are asked for: gateways are killed, drives wiped or put back to what
//! they held before, each as soon as the cluster says that it is whole again. Nothing that was acknowledged may be
//! lost, and after each round any two nodes may be away.
//!
//! `scripts/campaign` runs it for an hour; among the tests it runs a few rounds. COURONNE_CAMPAIGN_S says for how long,
//! COURONNE_CAMPAIGN_SEED who is struck; processes and load take their own time, so that no two runs are alike.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use couronne_base::testing::Rng;
use couronne_tests::bytes_of;
use couronne_tests::clients::Clients;
use couronne_tests::cluster::{Cluster, ClusterShape};
use couronne_tests::load::{self, Load};

/// The gateways.
const GATEWAYS: [&str; 3] = ["g1", "g2", "g3"];
/// The storage nodes.
const NODES: [&str; 6] = ["n1", "n2", "n3", "n4", "n5", "n6"];
/// For how long there is load before a strike, and after it.
const LOAD: Duration = Duration::from_secs(2);
/// For how long rounds begin, in seconds, if nothing is said.
const USUALLY_S: u64 = 20;

/// What becomes of a drive.
#[derive(Clone, Copy, Debug)]
enum Strike {
    /// It is empty.
    Wipe,
    /// It is as it was in an earlier round, and so is all else in the node's folder.
    Restore,
    /// It is as it was in an earlier round; what lies beside it is not.
    RestoreDriveAlone,
    /// Its node dies and starts again.
    Kill,
}

/// A cluster, and what its nodes held earlier.
struct Campaign {
    cluster: Cluster,
    rng: Rng,
    /// Copies of nodes' folders, made in earlier rounds.
    copies: BTreeMap<&'static str, PathBuf>,
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

impl Campaign {
    /// Two of several, in any order.
    fn two_of(&mut self, names: &[&'static str]) -> [&'static str; 2] {
        let first = self.rng.below(names.len() as u64) as usize;
        let second = (first + 1 + self.rng.below(names.len() as u64 - 1) as usize) % names.len();
        [names[first], names[second]]
    }

    /// One round: load through one gateway while the two others die and a drive is struck; then all comes back.
    fn round(&mut self, bucket: &str) {
        let gone = self.two_of(&GATEWAYS);
        let stays = GATEWAYS.into_iter().find(|name| !gone.contains(name)).unwrap();
        let victim = *self.rng.pick(&NODES).unwrap();
        let strike = *self.rng.pick(&[Strike::Wipe, Strike::Restore, Strike::RestoreDriveAlone, Strike::Kill]).unwrap();
        eprintln!("{bucket}: {gone:?} die, {victim} suffers {strike:?}");

        let clients = Clients::of_gateway(&self.cluster, stays);
        clients.run("aws", &["s3", "mb", &format!("s3://{bucket}")]);
        let load = Load::start(&clients, bucket);
        std::thread::sleep(LOAD);
        gone.into_iter().for_each(|gateway| self.cluster.kill(gateway));
        self.strike(victim, strike);
        std::thread::sleep(LOAD);
        let record = load.finish();
        for gateway in gone {
            self.cluster.start_member(gateway);
            self.cluster.wait_until_healthy(gateway);
        }
        self.wait_until_whole();
        self.verify_without_two(bucket, &record, gone[0]);
        self.keep_copy();
    }

    fn strike(&mut self, victim: &'static str, strike: Strike) {
        let (data, drive) = (self.cluster.data(victim), self.cluster.data(victim).join("drive-01"));
        self.cluster.kill(victim);
        match (strike, self.copies.get(victim)) {
            (Strike::Wipe, _) => self.cluster.wipe(victim),
            (Strike::Restore, Some(earlier)) => bytes_of::copy(earlier, &data),
            (Strike::RestoreDriveAlone, Some(earlier)) => bytes_of::copy(&earlier.join("drive-01"), &drive),
            (Strike::Kill, _) | (_, None) => {}
        }
        self.cluster.start_member(victim);
    }

    fn wait_until_whole(&self) {
        self.cluster.wait_until_all_serve(NODES[0]);
        self.cluster.wait_until_repaired(NODES[0]);
    }

    /// Reads back all that was acknowledged while two nodes are away.
    fn verify_without_two(&mut self, bucket: &str, record: &str, gateway: &str) {
        let away = self.two_of(&NODES);
        eprintln!("{bucket}: read back without {away:?}");
        away.into_iter().for_each(|node| self.cluster.kill(node));
        load::verify(&Clients::of_gateway(&self.cluster, gateway), bucket, record);
        away.into_iter().for_each(|node| self.cluster.start_member(node));
        self.wait_until_whole();
    }

    /// Keeps a copy of what a node holds, as it stopped or as it ran.
    fn keep_copy(&mut self) {
        let name = *self.rng.pick(&NODES).unwrap();
        let to = self.cluster.scratch().join(format!("copy-of-{name}"));
        if self.rng.one_in(2) {
            self.cluster.pause(name);
            bytes_of::copy(&self.cluster.data(name), &to);
            self.cluster.resume(name);
        } else {
            self.cluster.stop(name);
            bytes_of::copy(&self.cluster.data(name), &to);
            self.cluster.start_member(name);
        }
        self.copies.insert(name, to);
        self.wait_until_whole();
    }
}

#[test]
fn losses_one_after_another_cost_nothing() {
    let lasts = Duration::from_secs(number("COURONNE_CAMPAIGN_S").unwrap_or(USUALLY_S));
    let seed = number("COURONNE_CAMPAIGN_SEED")
        .unwrap_or_else(|| SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs()));
    eprintln!("seed {seed}");
    let shape = ClusterShape { gateways: 3, repair_grace_s: 3, ..ClusterShape::default() };
    let mut campaign = Campaign { cluster: Cluster::start(shape), rng: Rng::new(seed), copies: BTreeMap::new() };
    let began = Instant::now();
    for round in 1.. {
        if began.elapsed() > lasts {
            break;
        }
        campaign.round(&format!("round-{round}"));
    }
    let clients = Clients::of_gateway(&campaign.cluster, GATEWAYS[0]);
    for bucket in clients.run("aws", &["s3", "ls"]).lines().filter_map(|line| line.split_whitespace().last()) {
        let record = campaign.cluster.scratch().join(format!("record-{bucket}"));
        load::verify(&clients, bucket, &record.to_string_lossy());
    }
}
