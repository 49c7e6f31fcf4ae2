//! Load by real clients, with a record of what was acknowledged.

use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;

use crate::bytes_of;
use crate::clients::Clients;
use crate::python;
use crate::running::Running;

/// Puts, overwrites and deletions in a bucket, until it is told to finish.
pub struct Load {
    process: Running,
    record: PathBuf,
    stop: PathBuf,
}

impl Load {
    /// Begins. What an earlier load recorded of the bucket is gone on with.
    pub fn start(clients: &Clients, bucket: &str) -> Self {
        let place = |name: &str| clients.scratch().join(format!("{name}-{bucket}"));
        let (record, stop) = (place("record"), place("stop"));
        let _ = std::fs::remove_file(&stop);
        let mut command = clients.command(&python::interpreter().to_string_lossy());
        command.arg(python::script("load.py")).args(["run", bucket]).arg(&record).arg(&stop);
        let process = Running::start(command.stdout(Stdio::null()).stderr(Stdio::null()));
        Self { process, record, stop }
    }

    /// Finishes; the record of what was acknowledged.
    pub fn finish(mut self) -> String {
        bytes_of::write(&self.stop, b"");
        assert!(self.process.end().success());
        self.record.to_string_lossy().into_owned()
    }
}

/// Compares what was acknowledged with what `clients` find, byte for byte. How much was acknowledged.
pub fn verify(clients: &Clients, bucket: &str, record: &str) -> u64 {
    let verified = clients.run_script("load.py", &["verify", bucket, record]);
    let counts: Value = serde_json::from_str(&verified).unwrap();
    counts["acknowledged"].as_u64().unwrap()
}
