//! The real aws-cli, loaded once for all commands of a test: most of what a command costs is otherwise the loading.
//!
//! Must not know: what the commands do.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

use serde_json::{Map, Value, json};

use crate::python;
use crate::running::Running;

/// The loaded aws-cli of this test process, once it ran a command.
static LOADED: Mutex<Option<Aws>> = Mutex::new(None);

/// A process in which aws-cli is loaded; it ends with its standard input.
struct Aws {
    _process: Running,
    commands: ChildStdin,
    ends: BufReader<ChildStdout>,
}

/// Runs a command `aws` to its end: whether it succeeded, its standard output, its standard error. Of the variables
/// it has those that `command` names. None, and nothing was run, while another thread has it run something.
pub(crate) fn attempt(command: &Command) -> Option<(bool, String, String)> {
    let mut loaded = LOADED.try_lock().ok()?;
    let end = loaded.get_or_insert_with(Aws::load).run(command);
    let text = |name: &str| end[name].as_str().unwrap().to_owned();
    Some((end["status"] == 0, text("out"), text("err")))
}

impl Aws {
    fn load() -> Self {
        let mut command = Command::new(python::interpreter());
        command.arg(python::script("aws.py")).env("PYTHONUTF8", "1");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = Running::start(&mut command);
        let (commands, ends) = (process.child().stdin.take().unwrap(), process.child().stdout.take().unwrap());
        Self { _process: process, commands, ends: BufReader::new(ends) }
    }

    fn run(&mut self, command: &Command) -> Value {
        let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy()).collect();
        let text = |value: &std::ffi::OsStr| Value::from(value.to_string_lossy());
        let variables =
            command.get_envs().filter_map(|(name, value)| Some((name.to_string_lossy().into(), text(value?))));
        let order = json!({
            "arguments": arguments,
            "environment": variables.collect::<Map<_, _>>(),
            "folder": command.get_current_dir().unwrap().to_string_lossy(),
        });
        let mut end = String::new();
        let answered = writeln!(self.commands, "{order}").and_then(|()| self.ends.read_line(&mut end));
        assert!(answered.is_ok_and(|bytes| bytes > 0), "aws-cli cannot be loaded; scripts/test installs it");
        serde_json::from_str(&end).unwrap()
    }
}
