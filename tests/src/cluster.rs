//! A cluster of the built binary: storage nodes n1, n2, ... and gateways g1, g2, ..., each a process that tests
//! kill, pause, and start again. All are on loopback, or each is in a network of its own that can be cut.

mod world;

use std::collections::BTreeMap;
use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use self::world::{Network, World};
use crate::hanging::HangingFolder;
use crate::server::{ACCESS_KEY, SECRET_KEY, Server, admin_get, binary, key_of, memory_peak, shown_secret};
use crate::{bytes_of, cut_off};

/// How long a cluster may take to form, and anything else to come true, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);
/// How often it is looked whether something came true.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// So long a status has to take nothing for amiss before repair counts as done: readers may report what they found later.
const SETTLED_FOR: Duration = Duration::from_secs(1);
/// A round of scrubbing is begun again after so long.
const SCRUB_AGAIN: Duration = Duration::from_secs(15);
/// The first storage node.
const FOUNDING_NODE: &str = "n1";
/// How much of each log is shown when a test fails, in bytes.
const LOG_TAIL_BYTES: usize = 6 << 10;

/// What a cluster is made of.
#[derive(Clone, Copy, Debug)]
pub struct ClusterShape {
    /// Storage nodes.
    pub nodes: u16,
    /// Drives of each.
    pub drives: u16,
    /// Gateways.
    pub gateways: u16,
    /// The default policy.
    pub policy: &'static str,
    /// How long a drive may be away before its shards are rebuilt elsewhere, in seconds.
    pub repair_grace_s: u64,
    /// How long members' certificates last, in seconds.
    pub certificate_s: u64,
    /// In how many zones the nodes are, taking turns.
    pub zones: u16,
    /// Each member is in a network of its own, so that the ways between them can be cut.
    pub is_apart: bool,
    /// Each drive is a small file system of its own, of so many MiB; one drive a node then.
    pub drive_mib: Option<u32>,
    /// Nodes whose first drive can hang.
    pub hanging: &'static [&'static str],
    /// Further sections of everyone's settings.
    pub settings: &'static str,
}

impl Default for ClusterShape {
    fn default() -> Self {
        Self {
            nodes: 6,
            drives: 1,
            gateways: 2,
            policy: "ec:4+2",
            repair_grace_s: 3600,
            certificate_s: 90 * 86_400,
            zones: 1,
            is_apart: false,
            drive_mib: None,
            hanging: &[],
            settings: "",
        }
    }
}

/// A cluster; its processes end when it is dropped.
pub struct Cluster {
    /// The folders of drives that can hang; they go before the folder that they are in.
    hanging: BTreeMap<String, HangingFolder>,
    home: TempDir,
    world: World,
    members: BTreeMap<String, Member>,
}

struct Member {
    network: Network,
    ports: [u16; 3],
    child: Option<Child>,
}

impl Cluster {
    /// Founds a cluster, has everyone join, and waits until its gateways serve.
    pub fn start(shape: ClusterShape) -> Self {
        Self::try_start(shape).unwrap()
    }

    /// The same; an error says why this machine does not allow networks or file systems of one's own. It is
    /// printed, so that nobody takes the test for one that passed.
    pub fn try_start(shape: ClusterShape) -> Result<Self, String> {
        let mut cluster = Self::try_found(shape)?;
        cluster.gather(shape);
        Ok(cluster)
    }

    /// Founds a cluster, and starts nothing.
    pub fn try_found(shape: ClusterShape) -> Result<Self, String> {
        let cluster = Self::prepare(shape)?;
        let count = shape.nodes.to_string();
        cluster.run(&["cluster", "init", "--policy", shape.policy, "--nodes", &count], FOUNDING_NODE);
        Ok(cluster)
    }

    /// Founds a cluster that all have joined, and of which all run but one node.
    pub fn start_without(shape: ClusterShape, absent: &str) -> Self {
        let mut cluster = Self::try_found(shape).unwrap();
        cluster.join_all(shape, Some(absent));
        cluster
    }

    /// Founds a cluster with a node that is ended at once while it does so: when its folder holds as many files and
    /// folders as `cuts` says, one after another. Then all join.
    pub fn start_after_cuts(shape: ClusterShape, cuts: impl Iterator<Item = usize>) -> Self {
        let mut cluster = Self::prepare(shape).unwrap();
        let (count, data) = (shape.nodes.to_string(), cluster.data(FOUNDING_NODE));
        let init = ["cluster", "init", "--policy", shape.policy, "--nodes", &count];
        for entries in cuts {
            let mut child = cluster.member_command(&init, FOUNDING_NODE).stdout(Stdio::null()).spawn().unwrap();
            if !cut_off::at_entry(&mut child, &data, entries, || false) {
                break;
            }
        }
        // Refused if nothing but its last words was cut off.
        cluster.member_command(&init, FOUNDING_NODE).output().unwrap();
        cluster.gather(shape);
        cluster
    }

    /// Makes a cluster whose first node is what a lone server, which was stopped, left in its data folder.
    pub fn of_lone(server: &Server, shape: ClusterShape) -> Self {
        let mut cluster = Self::prepare(shape).unwrap();
        std::fs::rename(server.data(), cluster.data(FOUNDING_NODE)).unwrap();
        std::fs::rename(key_of(&server.data()), key_of(&cluster.data(FOUNDING_NODE))).unwrap();
        cluster.gather(shape);
        cluster
    }

    /// Gives everyone a place and settings.
    fn prepare(shape: ClusterShape) -> Result<Self, String> {
        let world = World::make(shape).inspect_err(|why| eprintln!("NOT RUN: {why}"))?;
        let (home, hanging) = (tempfile::tempdir().unwrap(), BTreeMap::new());
        let mut cluster = Self { hanging, home, world, members: BTreeMap::new() };
        nodes(shape).chain(gateways(shape)).for_each(|name| cluster.settle(&name, shape));
        for name in shape.hanging {
            let (drive, behind) =
                (cluster.data(name).join("drive-01"), cluster.home.path().join(format!("behind-{name}")));
            cluster.hanging.insert((*name).to_owned(), HangingFolder::mount(&drive, &behind).unwrap());
        }
        Ok(cluster)
    }

    /// Has everyone join a cluster that was founded, and waits until its gateways serve.
    pub fn gather(&mut self, shape: ClusterShape) {
        self.join_all(shape, None);
        gateways(shape).for_each(|gateway| self.wait_until_healthy(&gateway));
    }

    /// Starts the founding node, and has all others join it and start, but for one that is absent.
    fn join_all(&mut self, shape: ClusterShape, absent: Option<&str>) {
        self.start_member(FOUNDING_NODE);
        let token = self.token(FOUNDING_NODE, &["--joins", "100"]);
        for node in nodes(shape).skip(1) {
            self.run(&["cluster", "join", &token], &node);
            if Some(&*node) != absent {
                self.start_member(&node);
            }
        }
        gateways(shape).for_each(|gateway| self.join_gateway(&gateway));
    }

    /// Has a gateway join with a token of the founding node, and starts it.
    pub fn join_gateway(&mut self, gateway: &str) {
        let token = self.token(FOUNDING_NODE, &["--gateway"]);
        self.run(&["cluster", "join", &token, "--gateway"], gateway);
        self.start_member(gateway);
    }

    /// Starts a member again.
    pub fn start_member(&mut self, name: &str) {
        let role = if name.starts_with('g') { "gateway" } else { "storage-node" };
        let mut command = self.command(name);
        command.arg(role).arg("--config").arg(self.settings_path(name)).stdin(Stdio::null());
        let append = |path: PathBuf| File::options().create(true).append(true).open(path).unwrap();
        let log = self.home.path().join(format!("{name}.log"));
        command.stdout(append(self.home.path().join(format!("{name}.out")))).stderr(append(log));
        let member = self.members.get_mut(name).unwrap();
        assert!(member.child.is_none(), "{name} is running");
        member.child = Some(command.spawn().unwrap());
    }

    /// Starts another process with a copy of a member's folder, which has a name of its own here; all are on loopback.
    pub fn start_copy(&mut self, name: &str, copy: &str) {
        // The key that seals its secrets lies beside the folder.
        std::fs::copy(key_of(&self.data(name)), key_of(&self.data(copy))).unwrap();
        let settings = std::fs::read_to_string(self.settings_path(name)).unwrap();
        let (original, ports) = (self.members[name].ports, free_ports());
        let settings = settings.replace(&format!("{:?}", self.data(name)), &format!("{:?}", self.data(copy)));
        let moved = original.iter().zip(&ports);
        let settings =
            moved.fold(settings, |text, (from, to)| text.replace(&format!(":{from}\""), &format!(":{to}\"")));
        std::fs::write(self.settings_path(copy), settings).unwrap();
        let network = self.world.network(copy, self.members.len());
        self.members.insert(copy.to_owned(), Member { network, ports, child: None });
        self.start_member(copy);
    }

    /// Waits until a member ends by itself; what it said last.
    pub fn wait_until_ended(&mut self, name: &str) -> String {
        let mut child = self.members.get_mut(name).unwrap().child.take().expect("it is running");
        self.wait_for(&format!("{name} ends"), || child.try_wait().unwrap().is_some());
        self.log_tail(name)
    }

    /// Ends a member at once, as a power cut would end a process.
    pub fn kill(&mut self, name: &str) {
        let mut child = self.members.get_mut(name).unwrap().child.take().expect("it is running");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Ends a member cleanly (SIGTERM) and waits for it.
    pub fn stop(&mut self, name: &str) {
        self.signal(name, Signal::TERM);
        let mut child = self.members.get_mut(name).unwrap().child.take().expect("it is running");
        let began = Instant::now();
        while child.try_wait().unwrap().is_none() {
            assert!(began.elapsed() < PATIENCE, "{name} did not stop\n{}", self.log_tail(name));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Stops a member's every thread (SIGSTOP): it is there, and says nothing.
    pub fn pause(&self, name: &str) {
        self.signal(name, Signal::STOP);
    }

    /// Lets a paused member go on.
    pub fn resume(&self, name: &str) {
        self.signal(name, Signal::CONT);
    }

    /// Has every call to a node's first drive hang, or come back.
    pub fn set_hang(&self, name: &str, hangs: bool) {
        self.hanging[name].set_hang(hangs);
    }

    /// Empties the drives of a node, whether it runs or not.
    pub fn wipe(&self, name: &str) {
        for entry in std::fs::read_dir(self.data(name)).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().to_string_lossy().starts_with("drive-") {
                bytes_of::remove(&path);
            }
        }
    }

    /// Fills a small drive until so few MiB are left.
    pub fn fill(&self, name: &str, left_mib: u32) {
        self.world.fill(&self.data(name).join("drive-01"), left_mib);
    }

    /// Takes away what a small drive was filled with.
    pub fn unfill(&self, name: &str) {
        self.world.unfill(&self.data(name).join("drive-01"));
    }

    /// Loses every message from some members to others, silently, until [`Cluster::heal`].
    pub fn block(&self, from: &[&str], to: &[&str]) {
        let networks = |names: &[&str]| names.iter().map(|name| &self.members[*name].network).collect::<Vec<_>>();
        self.world.block(&networks(from), &networks(to));
    }

    /// The same in both directions.
    pub fn part(&self, some: &[&str], others: &[&str]) {
        self.block(some, others);
        self.block(others, some);
    }

    /// Mends all ways.
    pub fn heal(&self) {
        self.members.values().for_each(|member| self.world.heal(&member.network));
    }

    /// Words that, put before a client's command, have it reach the gateways.
    pub fn client_prefix(&self) -> Vec<String> {
        self.world.client_prefix(&self.scratch())
    }

    /// The most memory that a member's process has had, in bytes.
    pub fn memory_peak(&self, name: &str) -> u64 {
        memory_peak(self.members[name].child.as_ref().expect("it is running").id())
    }

    /// Host and port of a gateway's S3 listener.
    pub fn host(&self, gateway: &str) -> String {
        let member = &self.members[gateway];
        format!("{}:{}", member.network.host, member.ports[1])
    }

    /// A folder that lives as long as the cluster, for what clients keep.
    pub fn scratch(&self) -> PathBuf {
        let scratch = self.home.path().join("scratch");
        std::fs::create_dir_all(&scratch).unwrap();
        scratch
    }

    /// The data folder of a member.
    pub fn data(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// The identity of a member, with its certificate, as it stands in its folder now.
    pub fn identity_file(&self, name: &str) -> String {
        std::fs::read_to_string(self.data(name).join("identity.toml")).unwrap()
    }

    /// A command of the binary with a member's settings, which does not run.
    pub fn couronne_on(&self, arguments: &[&str], name: &str) -> Output {
        self.command(name).args(arguments).arg("--config").arg(self.settings_path(name)).output().unwrap()
    }

    /// A command of the binary with these words alone, where a member lives.
    pub fn couronne_alone(&self, arguments: &[&str], name: &str) -> Output {
        self.command(name).args(arguments).output().unwrap()
    }

    /// What `couronne status` says, asked of a member that runs.
    pub fn status(&self, of: &str) -> Value {
        let output = self.couronne(&["status", "--json"], of);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The metrics of a member.
    pub fn metrics(&self, of: &str) -> String {
        let admin = SocketAddr::from(([127, 0, 0, 1], self.members[of].ports[2]));
        admin_get(admin, "/metrics").unwrap().1
    }

    /// Waits until something of the cluster's status comes true.
    pub fn wait_for_status(&self, of: &str, what: &str, mut is_true: impl FnMut(&Value) -> bool) {
        let began = Instant::now();
        loop {
            let output = self.couronne(&["status", "--json"], of);
            let status: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
            if output.status.success() && is_true(&status) {
                return;
            }
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(began.elapsed() < PATIENCE, "never came true: {what}: {said}{status}");
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Waits until the status has known of no danger and nothing left to repair for a while: what was written with nodes
    /// missing survives two others only from then on.
    pub fn wait_until_repaired(&self, of: &str) {
        let mut settled_since: Option<Instant> = None;
        self.wait_for_status(of, "repair ends, and nothing is amiss", |status| {
            let is_settled = status["repair"]["pending"] == 0 && dangers(status).is_empty();
            settled_since = is_settled.then(|| settled_since.unwrap_or_else(Instant::now));
            settled_since.is_some_and(|since| since.elapsed() >= SETTLED_FOR)
        });
    }

    /// Waits until all nodes answer, and all replicas of all ranges serve.
    pub fn wait_until_all_serve(&self, of: &str) {
        self.wait_for_status(of, "all nodes answer and all replicas serve", |status| {
            let count = |range: &Value, list: &str| range[list].as_array().map_or(0, Vec::len);
            let is_whole = |range: &Value| range["wanted"] == count(range, "serving");
            status["nodes"].as_array().unwrap().iter().all(|node| node["answers"] == true)
                && status["ranges"].as_array().unwrap().iter().all(is_whole)
        });
    }

    /// Waits until every replica that a range is to have votes and serves, but for those of nodes that are dead; and
    /// repair has nothing left to do.
    pub fn wait_until_voters_serve(&self, of: &str, dead: &[&str]) {
        self.wait_for_status(of, "all replicas vote and serve", |status| {
            let is_dead = |drive: &Value| {
                let drives = status["drives"].as_array().unwrap();
                drives.iter().any(|known| known["id"] == *drive && dead.iter().any(|name| known["node"] == *name))
            };
            let is_whole = |range: &Value| {
                let serving = range["serving"].as_array().unwrap();
                range["replicas"].as_array().unwrap().iter().all(|drive| serving.contains(drive) || is_dead(drive))
            };
            status["ranges"].as_array().unwrap().iter().all(is_whole) && status["repair"]["pending"] == 0
        });
    }

    /// Has everything scrubbed until the status takes all for safe.
    pub fn scrub_until_safe(&self, of: &str) {
        self.scrub_until(of, "all is scrubbed and safe", |status| status["durability"]["safety"]["all_safe"] == true);
    }

    /// Has everything scrubbed until something is true of the status; what a round leaves out, because a drive was slow or
    /// a replica began anew, the next one does.
    pub fn scrub_until(&self, of: &str, what: &str, mut is_true: impl FnMut(&Value) -> bool) {
        let mut began: Option<Instant> = None;
        self.wait_for_status(of, what, |status| {
            if began.is_none_or(|began| began.elapsed() > SCRUB_AGAIN) {
                let output = self.couronne(&["scrub", "start"], of);
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                began = Some(Instant::now());
            }
            is_true(status)
        });
    }

    /// A secret that a member's data folder keeps for its operator.
    pub fn shown_secret(&self, of: &str, secret: &str) -> String {
        shown_secret(&self.data(of), secret).expect("it is kept")
    }

    /// Waits until a gateway can read metadata.
    pub fn wait_until_healthy(&self, gateway: &str) {
        self.wait_for(&format!("{gateway} serves"), || self.is_healthy(gateway));
    }

    /// Whether a gateway can read metadata.
    pub fn is_healthy(&self, gateway: &str) -> bool {
        let member = &self.members[gateway];
        let admin = SocketAddr::from(([127, 0, 0, 1], member.ports[2]));
        match member.network.name {
            None => admin_get(admin, "/health").is_ok_and(|(status, _)| status == 200),
            Some(_) => self.world.answers(&member.network, &format!("http://{admin}/health")),
        }
    }

    /// Waits until something is true.
    pub fn wait_for(&self, what: &str, mut is_true: impl FnMut() -> bool) {
        let began = Instant::now();
        while !is_true() {
            assert!(began.elapsed() < PATIENCE, "never came true: {what}");
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Runs a command of the binary with a member's settings; it must succeed.
    fn run(&self, arguments: &[&str], name: &str) {
        let output = self.member_command(arguments, name).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// A command of the binary with a member's settings.
    fn member_command(&self, arguments: &[&str], name: &str) -> Command {
        let mut command = self.command(name);
        command.args(arguments).arg("--config").arg(self.settings_path(name));
        command.env("COURONNE_ACCESS_KEY", ACCESS_KEY).env("COURONNE_SECRET_KEY", SECRET_KEY);
        command
    }

    /// Runs a command of the binary against a member. A gateway's folder has no token that gives orders: the operator
    /// has it from a storage node.
    pub fn couronne(&self, arguments: &[&str], of: &str) -> Output {
        let mut command = self.command(of);
        command.args(arguments).arg("--data").arg(self.data(of));
        if of.starts_with('g') && arguments.first() != Some(&"cluster") {
            command.arg("--admin-token").arg(self.shown_secret(FOUNDING_NODE, "admin-token"));
        }
        command.output().unwrap()
    }

    /// The same, with a token that is given.
    pub fn couronne_by(&self, arguments: &[&str], of: &str, token: &str) -> Output {
        let mut command = self.command(of);
        command.args(arguments).arg("--data").arg(self.data(of)).args(["--admin-token", token]).output().unwrap()
    }

    /// The same, found by the address and the token of its admin listener.
    pub fn couronne_at(&self, arguments: &[&str], of: &str) -> Output {
        let mut command = self.command(of);
        let token = self.shown_secret(FOUNDING_NODE, "admin-token");
        command.env("COURONNE_ADMIN", format!("127.0.0.1:{}", self.members[of].ports[2]));
        command.env("COURONNE_ADMIN_TOKEN", token.trim()).args(arguments).output().unwrap()
    }

    /// The binary, where a member lives.
    fn command(&self, name: &str) -> Command {
        self.world.command(&self.members[name].network, &binary())
    }

    fn token(&self, of: &str, flags: &[&str]) -> String {
        let arguments: Vec<&str> = ["cluster", "token", "create"].into_iter().chain(flags.iter().copied()).collect();
        let mut token = String::new();
        self.wait_for("the founding node makes tokens", || {
            let output = self.couronne(&arguments, of);
            token = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            output.status.success()
        });
        token
    }

    fn settings_path(&self, name: &str) -> PathBuf {
        self.home.path().join(format!("{name}.toml"))
    }

    /// Gives a member its ports and its settings.
    fn settle(&mut self, name: &str, shape: ClusterShape) {
        let ports = free_ports();
        let (data, network) = (self.data(name), self.world.network(name, self.members.len()));
        let [peers, s3, admin] = ports;
        let settings = format!(
            "[data]\nfolders = [{data:?}]\n{drives}\
             [cluster]\nname = \"{name}\"\nlisten = \"{host}:{peers}\"\nzone = \"z{zone}\"\n\
             certificate_lifetime_s = {certificate}\n\
             [s3]\nlisten = \"{host}:{s3}\"\n[admin]\nlisten = \"127.0.0.1:{admin}\"\n\
             [storage]\nrepair_grace_s = {grace}\n{further}",
            drives = if shape.drives > 1 { format!("drives = {}\n", shape.drives) } else { String::new() },
            host = network.host,
            zone = self.members.len() % usize::from(shape.zones),
            grace = shape.repair_grace_s,
            certificate = shape.certificate_s,
            further = shape.settings,
        );
        std::fs::write(self.settings_path(name), settings).unwrap();
        if let Some(mib) = shape.drive_mib.filter(|_| !name.starts_with('g')) {
            self.world.mount(&data.join("drive-01"), mib);
        }
        self.members.insert(name.to_owned(), Member { network, ports, child: None });
    }

    fn signal(&self, name: &str, signal: Signal) {
        let child = self.members[name].child.as_ref().expect("it is running");
        kill_process(Pid::from_child(child), signal).unwrap();
    }

    fn log_tail(&self, name: &str) -> String {
        let bytes = std::fs::read(self.home.path().join(format!("{name}.log"))).unwrap_or_default();
        let from = bytes.len().saturating_sub(LOG_TAIL_BYTES);
        format!("the end of {name}'s log:\n{}", String::from_utf8_lossy(&bytes[from..]))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // A process whose calls hang does not end.
        self.hanging.values().for_each(|folder| folder.set_hang(false));
        for member in self.members.values_mut() {
            if let Some(mut child) = member.child.take() {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
        if std::thread::panicking() {
            for name in self.members.keys() {
                eprintln!("{}", self.log_tail(name));
            }
        }
    }
}

/// What a status is in doubt about, by kinds.
pub fn doubts(status: &Value) -> Vec<&str> {
    let doubts = status["durability"]["safety"]["doubts"].as_array().unwrap();
    doubts.iter().map(|doubt| doubt["kind"].as_str().unwrap()).collect()
}

/// The same, without what only time and scrubs can settle.
pub fn dangers(status: &Value) -> Vec<&str> {
    let is_of_scrub = |kind: &&str| kind.ends_with("unscrubbed") || *kind == "shards_not_looked_for";
    doubts(status).into_iter().filter(|kind| !is_of_scrub(kind)).collect()
}

fn nodes(shape: ClusterShape) -> impl Iterator<Item = String> {
    (1..=shape.nodes).map(|number| format!("n{number}"))
}

fn gateways(shape: ClusterShape) -> impl Iterator<Item = String> {
    (1..=shape.gateways).map(|number| format!("g{number}"))
}

/// Three ports that were free a moment ago. They are below those that the kernel gives to clients.
fn free_ports() -> [u16; 3] {
    use std::sync::atomic::{AtomicU16, Ordering};
    // Each test is a process of its own: they begin at different places.
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let begin = u16::try_from(std::process::id() % 120).unwrap() * 100;
    let mut ports = [0; 3];
    for port in &mut ports {
        *port = loop {
            let candidate = 20_000 + (begin + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
            if TcpListener::bind(("127.0.0.1", candidate)).is_ok() {
                break candidate;
            }
        };
    }
    ports
}
