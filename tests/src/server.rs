//! A server of the built binary, on loopback, with free ports and a data folder of its own.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::cut_off;
use crate::hanging::HangingFolder;

/// The root access key of every test server.
pub const ACCESS_KEY: &str = "TESTROOTACCESSKEY000";
/// The root secret key of every test server.
pub const SECRET_KEY: &str = "testrootsecretkeytestrootsecretkey000000";

/// How long a start may take on a busy machine. (That a start takes 2 s at most is a benchmark's matter.)
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a clean shutdown may take.
const STOP_TIMEOUT: Duration = Duration::from_secs(40);
/// How much of a log is shown when a test fails, in bytes.
const LOG_TAIL_BYTES: usize = 16 << 10;

/// How a server keeps its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerShape {
    /// One drive, policy `single`.
    OneDrive,
    /// Six drives, policy `ec:4+2`.
    SixDrives,
}

impl ServerShape {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::OneDrive, Self::SixDrives];

    /// The flags of `couronne serve`.
    pub const fn flags(self) -> &'static [&'static str] {
        match self {
            Self::OneDrive => &[],
            Self::SixDrives => &["--drives", "6", "--policy", "ec:4+2"],
        }
    }
}

/// A server; ended when dropped.
pub struct Server {
    /// The folders of drives that can hang; they go before the folder that they are in.
    hanging: BTreeMap<u32, HangingFolder>,
    home: TempDir,
    flags: Vec<String>,
    wrapper: Vec<String>,
    /// The certificate that clients are to trust, if it speaks TLS.
    certificate: Option<PathBuf>,
    /// Its admin listener speaks TLS.
    has_admin_tls: bool,
    child: Option<Child>,
    s3: SocketAddr,
    admin: SocketAddr,
}

impl Server {
    /// Starts a server on a new data folder.
    pub fn start(shape: ServerShape) -> Self {
        Self::start_with(shape.flags(), &[])
    }

    /// Starts a server with flags of its own; `wrapper` is a command that ends by executing its arguments,
    /// with `{data}` for the data folder.
    pub fn start_with(flags: &[&str], wrapper: &[&str]) -> Self {
        let mut server = Self::prepare(flags, wrapper);
        server.restart();
        server
    }

    /// Starts a server on a new data folder, with these settings.
    pub fn start_with_settings(shape: ServerShape, settings: &str) -> Self {
        let mut server = Self::prepare(shape.flags(), &[]);
        let path = server.home.path().join("settings.toml");
        std::fs::write(&path, settings).unwrap();
        server.flags.extend(["--config".to_owned(), path.to_string_lossy().into_owned()]);
        server.restart();
        server
    }

    /// A server with a new data folder, which was not started yet.
    pub fn prepared(shape: ServerShape) -> Self {
        Self::prepare(shape.flags(), &[])
    }

    /// Starts a server that speaks TLS, under a certificate that it signed itself.
    pub fn start_tls(shape: ServerShape) -> Self {
        let mut server = Self::prepare(shape.flags(), &[]);
        let (certificate, key) = server.make_certificate(&[]);
        for (flag, path) in [("--tls-cert", &certificate), ("--tls-key", &key)] {
            server.flags.extend([flag.to_owned(), path.to_string_lossy().into_owned()]);
        }
        server.certificate = Some(certificate);
        server.restart();
        server
    }

    /// Starts a server whose admin listener speaks TLS, under a certificate that it signed itself, which is returned.
    pub fn start_admin_tls(shape: ServerShape) -> (Self, PathBuf) {
        let mut server = Self::prepare(shape.flags(), &[]);
        // What is no authority may be believed by itself, too.
        let (certificate, key) = server.make_certificate(&["-addext", "basicConstraints=critical,CA:FALSE"]);
        let settings = server.home.path().join("settings.toml");
        let text = format!("[admin]\ntls_cert_path = {certificate:?}\ntls_key_path = {key:?}\n");
        std::fs::write(&settings, text).unwrap();
        server.flags.extend(["--config".to_owned(), settings.to_string_lossy().into_owned()]);
        server.has_admin_tls = true;
        server.restart();
        (server, certificate)
    }

    /// Makes a certificate for loopback, signed by itself, and its key.
    fn make_certificate(&self, further: &[&str]) -> (PathBuf, PathBuf) {
        let (certificate, key) = (self.home.path().join("certificate.pem"), self.home.path().join("key.pem"));
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
        openssl.args(["-days", "2", "-subj", "/CN=couronne", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]);
        let made = openssl.args(further).arg("-keyout").arg(&key).arg("-out").arg(&certificate).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        (certificate, key)
    }

    /// Starts a server on a new data folder, of whose drives one can hang.
    pub fn start_with_hanging_drive(flags: &[&str], number: u32) -> Self {
        let mut server = Self::prepare(flags, &[]);
        server.mount(number);
        server.restart();
        server
    }

    /// Mounts the folder of a drive that can hang, with what it held before.
    pub fn mount(&mut self, number: u32) {
        let behind = self.home.path().join(format!("behind-{number:02}"));
        let folder = HangingFolder::mount(&self.drive(number), &behind).unwrap();
        self.hanging.insert(number, folder);
    }

    /// Leaves an empty folder in the place of a drive that can hang.
    pub fn unmount(&mut self, number: u32) {
        drop(self.hanging.remove(&number));
    }

    /// Has every call to a drive hang, or come back.
    pub fn set_hang(&self, number: u32, hangs: bool) {
        self.hanging[&number].set_hang(hangs);
    }

    /// What `couronne status` says.
    pub fn status(&self) -> Value {
        crate::json(&self.couronne(&["status", "--json"]))
    }

    fn prepare(flags: &[&str], wrapper: &[&str]) -> Self {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let (home, flags, wrapper) = (tempfile::tempdir().unwrap(), owned(flags), owned(wrapper));
        let hanging = BTreeMap::new();
        Self {
            hanging,
            home,
            flags,
            wrapper,
            certificate: None,
            has_admin_tls: false,
            child: None,
            s3: nowhere,
            admin: nowhere,
        }
    }

    /// Starts it again on the same data folder, after [`Server::kill`] or [`Server::stop`].
    pub fn restart(&mut self) {
        self.child = Some(self.spawn());
        self.wait_until_ready();
    }

    /// Starts it, and ends it at once when its data folder holds so many files and folders; false if it served, or
    /// ended by itself, before it had so many.
    pub fn restart_cut_off(&mut self, entries: usize) -> bool {
        let (mut child, data) = (self.spawn(), self.data());
        let pid = child.id();
        cut_off::at_entry(&mut child, &data, entries, || announced(&data, pid).is_some())
    }

    fn spawn(&self) -> Child {
        assert!(self.child.is_none(), "it is running");
        std::fs::create_dir_all(self.data()).unwrap();
        let data = self.data().to_string_lossy().into_owned();
        let mut words: Vec<String> = self.wrapper.iter().map(|word| word.replace("{data}", &data)).collect();
        words.push(binary().to_string_lossy().into_owned());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data"]);
        command.arg(self.data()).args(&self.flags);
        command.env("COURONNE_ACCESS_KEY", ACCESS_KEY).env("COURONNE_SECRET_KEY", SECRET_KEY);
        let append = |path: PathBuf| File::options().create(true).append(true).open(path).unwrap();
        command.stdin(Stdio::null());
        command.stdout(append(self.home.path().join("server.out"))).stderr(append(self.log_path()));
        command.spawn().unwrap()
    }

    /// The running process.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it is running").id()
    }

    /// The most memory that the process has had, in bytes.
    pub fn memory_peak(&self) -> u64 {
        memory_peak(self.pid())
    }

    /// The processor time that the process has used, in steps of a hundredth of a second.
    pub fn cpu_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        // Behind the name, which may hold anything: the state, then numbers; the 12th and 13th are user and system time.
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let ticks = fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum::<u64>();
        Duration::from_millis(ticks * 10)
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// The folder of a drive, counted from 1.
    pub fn drive(&self, number: u32) -> PathBuf {
        self.data().join(format!("drive-{number:02}"))
    }

    /// A folder that lives as long as the server, for what clients keep.
    pub fn scratch(&self) -> PathBuf {
        let scratch = self.home.path().join("scratch");
        std::fs::create_dir_all(&scratch).unwrap();
        scratch
    }

    /// Host and port of the S3 listener.
    pub fn host(&self) -> String {
        self.s3.to_string()
    }

    /// The URL of the S3 listener.
    pub fn endpoint(&self) -> String {
        let scheme = if self.certificate.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.s3)
    }

    /// The certificate that clients are to trust, if it speaks TLS.
    pub fn certificate(&self) -> Option<&Path> {
        self.certificate.as_deref()
    }

    /// The address of the admin listener.
    pub const fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// The whole log so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.log_path()).unwrap_or_default()).into_owned()
    }

    /// Runs another command of the binary against this server.
    pub fn couronne(&self, arguments: &[&str]) -> Output {
        Command::new(binary()).args(arguments).arg("--data").arg(self.data()).output().unwrap()
    }

    /// GET on the admin listener: status and body.
    pub fn admin_get(&self, path: &str) -> std::io::Result<(u16, String)> {
        admin_get(self.admin, path)
    }

    /// Ends it at once, as a power cut would end a process.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it is running");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Ends it cleanly (SIGTERM) and waits for it.
    pub fn stop(&mut self) {
        self.terminate();
        self.await_end();
    }

    /// Tells it to end cleanly (SIGTERM).
    pub fn terminate(&self) {
        kill_process(Pid::from_child(self.child.as_ref().expect("it is running")), Signal::TERM).unwrap();
    }

    /// Waits until it has ended cleanly.
    pub fn await_end(&mut self) {
        let mut child = self.child.take().expect("it is running");
        let started = Instant::now();
        while started.elapsed() < STOP_TIMEOUT {
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success(), "a clean shutdown ends with {status}\n{}", self.log_tail());
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        panic!("it did not stop within {STOP_TIMEOUT:?}\n{}", self.log_tail());
    }

    fn wait_until_ready(&mut self) {
        let pid = self.pid();
        let started = Instant::now();
        while started.elapsed() < START_TIMEOUT {
            if let Some(status) = self.child.as_mut().unwrap().try_wait().unwrap() {
                self.child = None;
                panic!("it ended with {status} instead of starting\n{}", self.log_tail());
            }
            if let Some((s3, admin)) = announced(&self.data(), pid) {
                (self.s3, self.admin) = (s3, admin);
                let is_ready = match self.has_admin_tls {
                    true => self.couronne(&["status"]).status.success(),
                    false => self.admin_get("/health").is_ok_and(|(status, _)| status == 200),
                };
                if is_ready {
                    return;
                }
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("it was not ready within {START_TIMEOUT:?}\n{}", self.log_tail());
    }

    fn log_path(&self) -> PathBuf {
        self.home.path().join("server.log")
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let mut from = log.len().saturating_sub(LOG_TAIL_BYTES);
        while !log.is_char_boundary(from) {
            from += 1;
        }
        format!("the end of the server's log:\n{}", &log[from..])
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A process whose calls hang does not end.
        self.hanging.values().for_each(|folder| folder.set_hang(false));
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!("{}", self.log_tail());
        }
    }
}

/// GET on an admin listener: status and body.
pub fn admin_get(admin: SocketAddr, path: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(admin)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
    Ok((status, body))
}

/// The most memory that a process has had, in bytes.
pub(crate) fn memory_peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()).unwrap();
    peak.parse::<u64>().unwrap() << 10
}

/// The addresses that process `pid` announced in a data folder.
fn announced(data: &Path, pid: u32) -> Option<(SocketAddr, SocketAddr)> {
    let text = std::fs::read_to_string(data.join("server.json")).ok()?;
    let server: Value = serde_json::from_str(&text).ok()?;
    let address = |name: &str| server[name].as_str()?.parse().ok();
    (server["pid"] == pid).then_some((address("s3")?, address("admin")?))
}

/// A secret that a data folder keeps for its operator, if it does.
pub fn shown_secret(data: &Path, secret: &str) -> Option<String> {
    let output = Command::new(binary()).args(["secrets", "show", secret, "--data"]).arg(data).output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

/// The file of the key of a node, beside its data folder.
pub fn key_of(data: &Path) -> PathBuf {
    data.with_file_name(format!("{}.key", data.file_name().unwrap().display()))
}

/// The built binary: beside the folder of the running test, or where COURONNE_BIN says.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("COURONNE_BIN") {
        return path.into();
    }
    let test = std::env::current_exe().unwrap();
    let path = test.parent().and_then(Path::parent).unwrap().join("couronne");
    assert!(path.exists(), "{} is missing: run `cargo build --release -p couronne`, or scripts/test", path.display());
    path
}
