//! The real clients, set up for a test server and for nothing else on this machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::aws;
use crate::cluster::Cluster;
use crate::python;
use crate::server::{ACCESS_KEY, SECRET_KEY, Server};

/// Clients of one S3 endpoint.
pub struct Clients {
    host: String,
    scratch: PathBuf,
    certificate: Option<PathBuf>,
    /// The access key and the secret key that they sign with.
    keys: [String; 2],
    /// Words before every command.
    prefix: Vec<String>,
    /// Further variables of every command.
    variables: Vec<(String, String)>,
}

impl Clients {
    /// Clients of `server`; what they keep lies in its scratch folder.
    pub fn of(server: &Server) -> Self {
        let certificate = server.certificate().map(Path::to_path_buf);
        Self {
            host: server.host(),
            scratch: server.scratch(),
            certificate,
            keys: root_keys(),
            prefix: Vec::new(),
            variables: Vec::new(),
        }
    }

    /// Clients of a gateway of `cluster`.
    pub fn of_gateway(cluster: &Cluster, name: &str) -> Self {
        let (host, prefix) = (cluster.host(name), cluster.client_prefix());
        Self { host, scratch: cluster.scratch(), certificate: None, keys: root_keys(), prefix, variables: Vec::new() }
    }

    /// The same, of a user: `keys` are what the command that made them says.
    pub fn with_keys(self, keys: &Value) -> Self {
        Self { keys: ["access_key", "secret_key"].map(|name| keys[name].as_str().unwrap().to_owned()), ..self }
    }

    /// The same, whose commands have these variables besides.
    pub fn with_variables<'v>(self, variables: impl IntoIterator<Item = (&'v str, &'v str)>) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { variables, ..self }
    }

    /// Where they keep what they keep.
    pub fn scratch(&self) -> &Path {
        &self.scratch
    }

    fn endpoint(&self) -> String {
        let scheme = if self.certificate.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.host)
    }

    /// A command with an environment of its own: the keys and the endpoint, no proxies, no settings of the user.
    pub fn command(&self, program: &str) -> Command {
        let endpoint = self.endpoint();
        let mut words = self.prefix.iter().map(String::as_str).chain([program]);
        let mut command = Command::new(words.next().unwrap());
        command.args(words).env_clear();
        for kept in ["PATH", "LANG", "LC_ALL", "TMPDIR"] {
            if let Some(value) = std::env::var_os(kept) {
                command.env(kept, value);
            }
        }
        command.current_dir(&self.scratch).env("HOME", &self.scratch).env("PYTHONUTF8", "1");
        let [access_key, secret_key] = &self.keys;
        command.env("AWS_ACCESS_KEY_ID", access_key).env("AWS_SECRET_ACCESS_KEY", secret_key);
        command.env("AWS_DEFAULT_REGION", "us-east-1").env("AWS_ENDPOINT_URL", &endpoint);
        command.env("AWS_EC2_METADATA_DISABLED", "true");
        if let Some(certificate) = &self.certificate {
            command.env("AWS_CA_BUNDLE", certificate).env("CURL_CA_BUNDLE", certificate);
        }
        // Left alone, aws-cli 1 signs links of us-east-1 with signature version 2; the test alters a link of version 4.
        let settings = self.scratch.join("aws-config");
        std::fs::write(&settings, "[default]\ns3 =\n    signature_version = s3v4\n").unwrap();
        command.env("AWS_CONFIG_FILE", settings);
        command.env("RESTIC_PASSWORD", "test").env("RESTIC_REPOSITORY", format!("s3:{endpoint}/restic/repository"));
        command.env("RESTIC_CACHE_DIR", self.scratch.join("restic-cache"));
        for (name, value) in [
            ("TYPE", "s3"),
            ("PROVIDER", "Other"),
            ("ENDPOINT", &endpoint),
            ("ACCESS_KEY_ID", access_key),
            ("SECRET_ACCESS_KEY", secret_key),
            ("FORCE_PATH_STYLE", "true"),
        ] {
            command.env(format!("RCLONE_CONFIG_TEST_{name}"), value);
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a program that must succeed; its standard output.
    pub fn run(&self, program: &str, arguments: &[&str]) -> String {
        let (succeeded, out, err) = self.attempt(program, arguments);
        assert!(succeeded, "{program} {} failed:\n{out}\n{err}", arguments.join(" "));
        out
    }

    /// Runs a program that must fail; what it said.
    pub fn refused(&self, program: &str, arguments: &[&str]) -> String {
        let (succeeded, out, err) = self.attempt(program, arguments);
        assert!(!succeeded, "{program} {} succeeded:\n{out}\n{err}", arguments.join(" "));
        format!("{out}\n{err}")
    }

    /// Runs a program: whether it succeeded, its standard output, its standard error.
    pub fn attempt(&self, program: &str, arguments: &[&str]) -> (bool, String, String) {
        let mut command = self.command(program);
        command.args(arguments);
        if program == "aws"
            && self.prefix.is_empty()
            && let Some(end) = aws::attempt(&command)
        {
            return end;
        }
        let output = command.output();
        let output = output.unwrap_or_else(|error| panic!("running {program}: {error}; scripts/test installs it"));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    }

    /// Runs a script of `tests/scripts` that must succeed.
    pub fn run_script(&self, name: &str, arguments: &[&str]) -> String {
        let script = python::script(name);
        let arguments: Vec<&str> = [script.as_str()].into_iter().chain(arguments.iter().copied()).collect();
        self.run(&python::interpreter().to_string_lossy(), &arguments)
    }

    /// s3cmd with the flags that take the place of its settings file.
    pub fn s3cmd(&self, arguments: &[&str]) -> String {
        let host = &self.host;
        let [access_key, secret_key] = &self.keys;
        let (access_key, secret_key) = (format!("--access_key={access_key}"), format!("--secret_key={secret_key}"));
        let (host, host_bucket) = (format!("--host={host}"), format!("--host-bucket={host}"));
        let flags = ["-c", "/dev/null", "--no-ssl", &host, &host_bucket, &access_key, &secret_key];
        let arguments: Vec<&str> = flags.into_iter().chain(arguments.iter().copied()).collect();
        self.run("s3cmd", &arguments)
    }
}

fn root_keys() -> [String; 2] {
    [ACCESS_KEY, SECRET_KEY].map(str::to_owned)
}
