//! Child processes that end with their test.
//!
//! Must not know: what they run.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Output};

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
