//! A cluster of the built binary on loopback: storage nodes n1, n2, ... and gateways g1, g2, ..., each a
//! process that tests kill, pause, and start again.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::server::{ACCESS_KEY, SECRET_KEY, admin_get, binary};

/// How long a cluster may take to form, and anything else to come true, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);
/// So long repair has nothing to do before it counts as done.
const SETTLED_FOR: Duration = Duration::from_secs(3);
/// How much of each log is shown when a test fails, in bytes.
const LOG_TAIL_BYTES: usize = 6 << 10;

/// What a cluster is made of.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
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
}

impl Default for Shape {
    fn default() -> Self {
        Self { nodes: 6, drives: 1, gateways: 2, policy: "ec:4+2", repair_grace_s: 3600 }
    }
}

/// A cluster; its processes end when it is dropped.
pub struct Cluster {
    home: TempDir,
    members: BTreeMap<String, Member>,
}

struct Member {
    ports: [u16; 3],
    child: Option<Child>,
}

impl Cluster {
    /// Founds a cluster, has everyone join, and waits until its gateways serve.
    pub fn start(shape: Shape) -> Self {
        let mut cluster = Self { home: tempfile::tempdir().unwrap(), members: BTreeMap::new() };
        let nodes: Vec<String> = (1..=shape.nodes).map(|number| format!("n{number}")).collect();
        let gateways: Vec<String> = (1..=shape.gateways).map(|number| format!("g{number}")).collect();
        nodes.iter().chain(&gateways).for_each(|name| cluster.settle(name, shape));
        let founder = nodes.first().unwrap();
        let count = shape.nodes.to_string();
        cluster.run(&["cluster", "init", "--policy", shape.policy, "--nodes", &count], founder);
        cluster.start_member(founder);
        let token = cluster.token(founder, &[]);
        for node in &nodes[1..] {
            cluster.run(&["cluster", "join", &token], node);
            cluster.start_member(node);
        }
        let token = cluster.token(founder, &["--gateway"]);
        for gateway in &gateways {
            cluster.run(&["cluster", "join", &token, "--gateway"], gateway);
            cluster.start_member(gateway);
        }
        gateways.iter().for_each(|gateway| cluster.wait_until_healthy(gateway));
        cluster
    }

    /// Starts a member again.
    pub fn start_member(&mut self, name: &str) {
        let role = if name.starts_with('g') { "gateway" } else { "storage-node" };
        let mut command = Command::new(binary());
        command.arg(role).arg("--config").arg(self.settings_path(name)).stdin(Stdio::null());
        let append = |path: PathBuf| File::options().create(true).append(true).open(path).unwrap();
        let log = self.home.path().join(format!("{name}.log"));
        command.stdout(append(self.home.path().join(format!("{name}.out")))).stderr(append(log));
        let member = self.members.get_mut(name).unwrap();
        assert!(member.child.is_none(), "{name} is running");
        member.child = Some(command.spawn().unwrap());
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

    /// Empties the drives of a node that does not run.
    pub fn wipe(&self, name: &str) {
        assert!(self.members[name].child.is_none(), "{name} is running");
        for entry in std::fs::read_dir(self.data(name)).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().to_string_lossy().starts_with("drive-") {
                std::fs::remove_dir_all(path).unwrap();
            }
        }
    }

    /// Host and port of a gateway's S3 listener.
    pub fn host(&self, gateway: &str) -> String {
        format!("127.0.0.1:{}", self.members[gateway].ports[1])
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

    /// What `couronne status` says, asked of a member that runs.
    pub fn status(&self, of: &str) -> Value {
        let output = self.couronne(&["status", "--json"], of);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Waits until something of the cluster's status comes true.
    pub fn wait_for_status(&self, of: &str, what: &str, is_true: impl Fn(&Value) -> bool) {
        self.wait_for(what, || {
            let output = self.couronne(&["status", "--json"], of);
            output.status.success() && serde_json::from_slice(&output.stdout).is_ok_and(|status| is_true(&status))
        });
    }

    /// Waits until all nodes answer, all drives serve, and repair has had nothing left to do for a while:
    /// what was written with nodes missing survives two others only from then on.
    pub fn wait_until_repaired(&self, of: &str) {
        let began = Instant::now();
        let mut settled_since: Option<Instant> = None;
        while settled_since.is_none_or(|since| since.elapsed() < SETTLED_FOR) {
            assert!(began.elapsed() < PATIENCE, "repair never ends: {}", self.status(of)["repair"]);
            let status = self.status(of);
            let all = |list: &str, is_well: fn(&Value) -> bool| status[list].as_array().unwrap().iter().all(is_well);
            let is_settled = status["repair"]["pending"] == 0
                && all("nodes", |node| node["answers"] == true)
                && all("drives", |drive| drive["down"].is_null());
            settled_since = is_settled.then(|| settled_since.unwrap_or_else(Instant::now));
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until a gateway can read metadata.
    pub fn wait_until_healthy(&self, gateway: &str) {
        let admin = SocketAddr::from(([127, 0, 0, 1], self.members[gateway].ports[2]));
        self.wait_for(&format!("{gateway} serves"), || {
            admin_get(admin, "/health").is_ok_and(|(status, _)| status == 200)
        });
    }

    fn wait_for(&self, what: &str, mut is_true: impl FnMut() -> bool) {
        let began = Instant::now();
        while !is_true() {
            assert!(began.elapsed() < PATIENCE, "never came true: {what}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Runs a command of the binary with a member's settings; it must succeed.
    fn run(&self, arguments: &[&str], name: &str) {
        let mut command = Command::new(binary());
        command.args(arguments).arg("--config").arg(self.settings_path(name));
        command.env("COURONNE_ACCESS_KEY", ACCESS_KEY).env("COURONNE_SECRET_KEY", SECRET_KEY);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Runs a command of the binary against a member.
    fn couronne(&self, arguments: &[&str], of: &str) -> Output {
        Command::new(binary()).args(arguments).arg("--data").arg(self.data(of)).output().unwrap()
    }

    fn token(&self, of: &str, flags: &[&str]) -> String {
        let arguments: Vec<&str> = ["cluster", "token"].into_iter().chain(flags.iter().copied()).collect();
        let mut token = String::new();
        self.wait_for("the founder makes tokens", || {
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
    fn settle(&mut self, name: &str, shape: Shape) {
        let ports = free_ports();
        let data = self.data(name);
        let [peers, s3, admin] = ports;
        let settings = format!(
            "[data]\nfolders = [{data:?}]\ndrives = {drives}\n\
             [cluster]\nname = \"{name}\"\nlisten = \"127.0.0.1:{peers}\"\n\
             [s3]\nlisten = \"127.0.0.1:{s3}\"\n[admin]\nlisten = \"127.0.0.1:{admin}\"\n\
             [storage]\nrepair_grace_s = {grace}\n",
            drives = shape.drives,
            grace = shape.repair_grace_s
        );
        std::fs::write(self.settings_path(name), settings).unwrap();
        self.members.insert(name.to_owned(), Member { ports, child: None });
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
