//! A place of its own for processes: mounts and networks that are nobody else's, and vanish with it.
//!
//! It is a user and mount namespace, with a network namespace if wanted, kept by a process that sleeps; inside it
//! tests are root. Nothing of this machine is touched: not its interfaces, not its mounts.
//! Must not know: what runs there.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::running::Running;

/// What is done first where networks are made: `ip netns` keeps their names below /run.
const MAKE_NETWORKS: &str = "mount -t tmpfs none /run && mkdir /run/netns && nft list ruleset";

/// The place.
pub struct Namespace {
    _holder: Running,
    pid: String,
    has_networks: bool,
}

impl Namespace {
    /// Makes one; with networks of its own, or with this machine's. An error says why that is not allowed here.
    pub fn open(has_networks: bool) -> Result<Self, String> {
        let (network, begin) = if has_networks { (&["--net"][..], MAKE_NETWORKS) } else { (&[][..], "true") };
        let mut unshare = Command::new("unshare");
        unshare.args(["--user", "--map-root-user", "--mount"]).args(network).args(["sh", "-c"]);
        unshare.arg(format!("{begin} && echo ready && exec sleep infinity"));
        unshare.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut holder = Running::start(&mut unshare);
        let mut line = String::new();
        let stdout = holder.child().stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        if line.trim() != "ready" {
            let mut why = String::new();
            let stderr = holder.child().stderr.take().unwrap();
            BufReader::new(stderr).read_line(&mut why).unwrap();
            return Err(format!("namespaces cannot be used here: {}", why.trim()));
        }
        let pid = holder.child().id().to_string();
        Ok(Self { _holder: holder, pid, has_networks })
    }

    /// Words that, put before a command, have it run here; in a network of that name, if one is given.
    pub fn prefix(&self, network: Option<&str>) -> Vec<String> {
        let words = ["nsenter", "--target", &self.pid, "--user", "--preserve-credentials", "--mount"];
        let words = words.into_iter().chain(self.has_networks.then_some("--net"));
        let mut prefix: Vec<String> = words.map(str::to_owned).collect();
        if let Some(network) = network {
            prefix.extend(["nsenter".to_owned(), format!("--net=/run/netns/{network}")]);
        }
        prefix
    }

    /// Runs a script of the shell here, which must succeed.
    pub fn run(&self, script: &str) {
        self.run_in(None, script).unwrap();
    }

    /// Runs a script of the shell in a network; what it said, if it failed.
    pub fn run_in(&self, network: Option<&str>, script: &str) -> Result<(), String> {
        let mut words = self.prefix(network);
        words.extend(["sh", "-ec", script].map(str::to_owned));
        let output = Command::new(&words[0]).args(&words[1..]).output().unwrap();
        if output.status.success() {
            return Ok(());
        }
        Err(format!("{script}: {}", String::from_utf8_lossy(&output.stderr)))
    }
}
