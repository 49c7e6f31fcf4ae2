//! Load by real clients, with a record of what was acknowledged; child processes that end with their test.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use serde_json::Value;

use crate::bytes_of;
use crate::clients::Clients;

/// A child process that is ended when dropped, so that a failed test leaves nothing running.
pub struct Running(Child);

impl Running {
    /// Starts a process.
    pub fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    /// The process.
    pub const fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    /// Waits for its end; what it wrote to its standard output, if that was piped.
    pub fn output(&mut self) -> Output {
        let mut stdout = Vec::new();
        self.0.stdout.take().unwrap().read_to_end(&mut stdout).unwrap();
        Output { status: self.end(), stdout, stderr: Vec::new() }
    }

    /// Waits for its end.
    pub fn end(&mut self) -> ExitStatus {
        self.0.wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

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
        let mut command = clients.command(&Clients::python().to_string_lossy());
        command.arg(Clients::script("load.py")).args(["run", bucket]).arg(&record).arg(&stop);
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
