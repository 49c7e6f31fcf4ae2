//! What the command line says to its user: the one place that writes to standard output and error.
//!
//! Promises: a closed pipe is no failure.
//! Must not know: what is said.

use std::io::{self, IsTerminal, Write};

/// Writes a line to standard output.
pub(crate) fn say(line: &str) {
    // A reader that went away (`couronne status | head`) has what it wanted.
    let _ = writeln!(io::stdout().lock(), "{line}");
}

/// Whether standard output goes to a person: what must not end in a log or a file may be said.
pub(crate) fn is_private() -> bool {
    io::stdout().is_terminal()
}

/// Writes a line to standard error.
pub(crate) fn complain(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}
