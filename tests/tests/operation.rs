//! What an operator does with the built binary: first start, accounts, status, metrics, mistakes.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "test code"
)]

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use couronne_tests::clients::Clients;
use couronne_tests::json;
use couronne_tests::server::{ACCESS_KEY, SECRET_KEY, Server, ServerShape, binary, key_of, shown_secret};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

#[test]
fn accounts_users_and_status() {
    let server = Server::start(ServerShape::SixDrives);
    let account = json(&server.couronne(&["account", "create", "university", "--json"]));
    assert_eq!(account["name"], "university");
    let user = json(&server.couronne(&["user", "create", "university", "ada", "--admin", "--json"]));
    let keys = (user["access_key"].as_str().unwrap(), user["secret_key"].as_str().unwrap());
    let listed = json(&server.couronne(&["account", "list", "--json"]));
    assert!(listed.as_array().unwrap().iter().any(|account| account["name"] == "university"));
    let shown = json(&server.couronne(&["account", "show", "university", "--json"]));
    assert_eq!(shown["users"][0]["arn"], user["arn"]);
    let of_ada = json(&server.couronne(&["key", "list", "university", "ada", "--json"]));
    assert_eq!(of_ada[0]["access_key"], keys.0);
    assert!(!shown.to_string().contains(keys.1), "a secret is shown once");

    let ada = Clients::of(&server).with_keys(&user);
    ada.run("aws", &["s3", "mb", "s3://adas-bucket"]);
    Clients::of(&server).run("aws", &["s3", "mb", "s3://roots-bucket"]);
    ada.refused("aws", &["s3", "ls", "s3://roots-bucket"]);
    assert!(!server.couronne(&["account", "delete", "university"]).status.success(), "it is not empty");
    let twice = server.couronne(&["account", "create", "university"]);
    assert!(!twice.status.success() && String::from_utf8_lossy(&twice.stderr).contains("exists"));

    let status = json(&server.couronne(&["status", "--json"]));
    assert_eq!((status["policy"].as_str(), status["drives"].as_array().map(Vec::len)), (Some("ec:4+2"), Some(6)));
    assert!(server.couronne(&["status"]).status.success());
    assert_eq!(json(&server.couronne(&["clock", "confirm", "--json"]))["halted"], Value::Null);
    assert!(!server.log().contains(keys.1) && !server.log().contains(SECRET_KEY), "no secret is logged");
}

#[test]
fn health_metrics_and_the_token() {
    let server = Server::start(ServerShape::OneDrive);
    Clients::of(&server).run("aws", &["s3", "mb", "s3://metrics"]);
    let (status, page) = server.admin_get("/metrics").unwrap();
    assert_eq!(status, 200);
    assert!(page.contains("process_cpu_seconds_total") && page.contains("CreateBucket"), "{page}");
    for path in ["/admin/status", "/admin/accounts", "/admin/nothing"] {
        assert_eq!(server.admin_get(path).unwrap().0, 401, "{path} without the token");
    }
    assert_eq!(server.admin_get("/nothing").unwrap().0, 404);
}

#[test]
fn what_the_first_start_fixed_stays() {
    let mut server = Server::start(ServerShape::SixDrives);
    Clients::of(&server).run("aws", &["s3", "mb", "s3://stays"]);
    assert!(!server.data().join("founding.toml").exists(), "the cluster keeps its authority and secrets");
    let files = ["identity.toml", "operator.toml", "cluster-keys.toml"].map(|name| server.data().join(name));
    for path in files.into_iter().chain([key_of(&server.data())]) {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
    }
    let start = |data: &std::path::Path, flags: &[&str]| {
        let mut command = Command::new(binary());
        command.args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data"]).arg(data);
        let output = command.args(flags).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let refusal = start(&server.data(), &[]);
    assert!(refusal.contains("in use by another server"), "{refusal}");
    server.stop();
    assert!(!server.data().join("server.json").exists(), "a clean stop takes the announcement back");
    let refusal = start(&server.data(), &["--policy", "single"]);
    assert!(refusal.contains("fixed as ec:4+2"), "{refusal}");
    let refusal = start(&server.data(), &["--drives", "7"]);
    assert!(refusal.contains("6 drives"), "{refusal}");
    let empty = tempfile::tempdir().unwrap();
    let refusal = start(empty.path(), &["--drives", "3", "--policy", "ec:4+2"]);
    assert!(refusal.contains("at least 6 drives"), "{refusal}");
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0, "nothing is left");
    server.restart();
    assert!(Clients::of(&server).run("aws", &["s3", "ls"]).contains("stays"));
}

#[test]
fn bench_measures_a_running_server() {
    let server = Server::start(ServerShape::OneDrive);
    let words =
        ["bench", "mixed", "--size", "4KiB", "--objects", "20", "--duration", "0.5", "--warm-up", "0", "--json"];
    let report = json(&server.couronne(&words));
    assert!(report["operations"].as_u64().unwrap() > 0 && report["server"]["cpu_seconds"].as_f64().unwrap() >= 0.0);
    let words = [
        "bench",
        "multipart",
        "--size",
        "10MiB",
        "--part-size",
        "5MiB",
        "--operations",
        "2",
        "--warm-up",
        "0",
        "--json",
    ];
    assert_eq!(json(&server.couronne(&words))["operations"], 2);
    let wrong = ["bench", "put", "--access-key", ACCESS_KEY, "--secret-key", "wrong-secret", "--duration", "0.1"];
    assert!(!server.couronne(&wrong).status.success());
}

/// What a server says on standard output and standard error from its start to its clean end, which it is told to come
/// to as soon as it is announced in its data folder.
fn said_by(command: &mut Command, data: &Path) -> (String, String) {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    ended(child, data)
}

/// The process that is announced in a data folder, once it is.
fn announced(data: &Path) -> Pid {
    let began = Instant::now();
    loop {
        if let Ok(text) = std::fs::read_to_string(data.join("server.json")) {
            let server: Value = serde_json::from_str(&text).unwrap();
            return Pid::from_raw(i32::try_from(server["pid"].as_u64().unwrap()).unwrap()).unwrap();
        }
        assert!(began.elapsed() < Duration::from_secs(60), "it does not start");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Tells a server to end cleanly, also one on a terminal, where `child` is not the server itself; what it said.
fn ended(child: Child, data: &Path) -> (String, String) {
    kill_process(announced(data), Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// A command of the binary that nothing in the environment changes.
fn plain(words: &[&str]) -> Command {
    let mut command = Command::new(binary());
    for name in ["ACCESS_KEY", "SECRET_KEY", "ADMIN", "ADMIN_TOKEN", "LOG"] {
        command.env_remove(format!("COURONNE_{name}"));
    }
    command.args(words);
    command
}

/// The same on a terminal of its own.
fn on_a_terminal(words: &[&str]) -> Command {
    let mut line = vec![format!("exec '{}'", binary().display())];
    line.extend(words.iter().map(|word| format!("'{word}'")));
    let mut command = Command::new("script");
    command.env_remove("COURONNE_ACCESS_KEY").env_remove("COURONNE_SECRET_KEY");
    command.args(["--quiet", "--return", "--command", &line.join(" "), "/dev/null"]);
    command
}

/// The root secret key that a data folder keeps.
fn kept_secret(data: &Path) -> String {
    let secret = shown_secret(data, "secret-key").unwrap();
    assert!(secret.len() == 40 && secret.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{secret}");
    secret
}

/// No library warns of what a start is always like.
fn assert_calm(log: &str) {
    let loud: Vec<&str> = log.lines().filter(|line| !line.contains("  INFO ")).collect();
    assert!(loud.is_empty(), "{loud:#?}");
}

#[test]
fn a_first_start_is_calm_and_shows_the_secret_on_a_terminal_only() {
    for drives in ["1", "6"] {
        let home = tempfile::tempdir().unwrap();
        let start = |data: &Path, command: fn(&[&str]) -> Command| {
            let addresses = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
            let folder = data.to_string_lossy().into_owned();
            let words = [["serve", "--drives", drives, "--data", &folder].as_slice(), &addresses].concat();
            said_by(&mut command(&words), data)
        };
        let (piped, shown) = (home.path().join("piped"), home.path().join("shown"));
        let (out, log) = start(&piped, plain);
        let secret = kept_secret(&piped);
        assert!(!out.contains(&secret) && !log.contains(&secret), "{out}");
        assert!(out.contains(&format!("secrets show secret-key --data '{}'", piped.display())), "{out}");
        let export = out.lines().find(|line| line.contains("export AWS_ENDPOINT_URL=")).unwrap();
        assert_eq!(in_a_shell_after(export), secret, "the line to paste works without the secret in it");
        assert_calm(&log);
        assert!(log.contains(" serving ") && log.contains(" stopped"), "nothing is lost at an orderly stop: {log}");
        let (out, _) = start(&shown, on_a_terminal);
        assert!(out.contains(&format!("secret key  {}", kept_secret(&shown))), "{out}");
        let (again, _) = start(&shown, on_a_terminal);
        assert!(!again.contains(&kept_secret(&shown)), "it is shown once: {again}");
    }
}

/// The secret key that a shell has after such a line.
fn in_a_shell_after(line: &str) -> String {
    let shell = format!("{line}; printf %s \"$AWS_SECRET_ACCESS_KEY\"");
    String::from_utf8(Command::new("sh").args(["-c", &shell]).output().unwrap().stdout).unwrap()
}

#[test]
fn a_folder_named_by_a_flag_wins_over_a_server_named_by_the_environment() {
    let server = Server::start(ServerShape::OneDrive);
    let (data, port) = (server.data(), server.host());
    let mut command = plain(&["account", "list", "--data"]);
    command.arg(&data).env("COURONNE_ADMIN", "127.0.0.1:1").env("COURONNE_ADMIN_TOKEN", "of another server");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut other = plain(&["account", "list"]);
    other.env("COURONNE_ADMIN", "127.0.0.1:1").env("COURONNE_ADMIN_TOKEN", "of another server");
    let refusal = String::from_utf8(other.output().unwrap().stderr).unwrap();
    assert!(refusal.contains("127.0.0.1:1 does not answer"), "{refusal}");
    // A flag of the load generator, too: the folder's own keys are taken, not those of the environment.
    let mut bench = plain(&["bench", "put", "--size", "1", "--duration", "0.1", "--warm-up", "0", "--data"]);
    bench.arg(&data).env("AWS_ACCESS_KEY_ID", "OTHER").env("AWS_SECRET_ACCESS_KEY", "of another server");
    let output = bench.output().unwrap();
    assert!(output.status.success(), "{port}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A port that is free now.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// What a start says that must be refused.
fn refusal(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_port_in_use_names_the_flag_that_changes_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let serve = |s3: &str, admin: &str| {
        refusal(plain(&["serve", "--listen", s3, "--admin-listen", admin, "--data"]).arg(&data))
    };
    for (said, flag, section) in [
        (serve(&taken, "127.0.0.1:0"), "--listen", "[s3]"),
        (serve("127.0.0.1:0", &taken), "--admin-listen", "[admin]"),
    ] {
        assert!(said.contains(&taken) && said.contains(flag) && said.contains(section), "{said}");
    }
    assert!(!data.exists(), "the next start is the first one");
}

/// A member of a cluster of one storage node, to be: its settings, in a folder of its own.
fn member(home: &Path, name: &str, [peers, s3, admin]: [u16; 3]) -> (PathBuf, String) {
    let (data, path) = (home.join(name), home.join(format!("{name}.toml")));
    let listen = |section: &str, port: u16| format!("[{section}]\nlisten = '127.0.0.1:{port}'\n");
    let text = [
        format!("[data]\nfolders = ['{}']\n", data.display()),
        listen("cluster", peers) + &format!("name = '{name}'\n"),
        listen("s3", s3),
        listen("admin", admin),
    ];
    std::fs::write(&path, text.concat()).unwrap();
    (data, path.to_string_lossy().into_owned())
}

#[test]
fn members_of_a_cluster_start_calmly_and_name_the_setting_of_a_port_in_use() {
    let home = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().port();
    let (peers, s3, admin) = (free_port(), free_port(), free_port());
    let (node, config) = member(home.path(), "n1", [peers, 0, admin]);
    let init = ["cluster", "init", "--nodes", "1", "--policy", "single", "--config"];
    let founded = String::from_utf8(plain(&init).arg(&config).output().unwrap().stdout).unwrap();
    let secret = kept_secret(&node);
    assert!(!founded.contains(&secret), "{founded}");
    assert!(founded.contains(&format!("secrets show secret-key --data '{}'", node.display())), "{founded}");
    let (other, other_config) = member(home.path(), "other", [0, 0, 0]);
    let words: Vec<&str> = init.iter().copied().chain([other_config.as_str()]).collect();
    let shown = String::from_utf8(on_a_terminal(&words).output().unwrap().stdout).unwrap();
    assert!(shown.contains(&kept_secret(&other)), "{shown}");

    for (ports, section) in [([taken, 0, admin], "[cluster]"), ([peers, 0, taken], "[admin]")] {
        let (_, config) = member(home.path(), "n1", ports);
        let said = refusal(&mut plain(&["storage-node", "--config", &config]));
        assert!(said.contains(&taken.to_string()) && said.contains(section), "{said}");
    }
    let (_, config) = member(home.path(), "n1", [peers, 0, admin]);
    let running = plain(&["storage-node", "--config", &config]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    announced(&node);
    let token = plain(&["cluster", "token", "create", "--gateway", "--data"]).arg(&node).output().unwrap();
    let token = String::from_utf8(token.stdout).unwrap();
    let (gateway, config) = member(home.path(), "g1", [0, s3, 0]);
    let joined = plain(&["cluster", "join", token.trim(), "--gateway", "--config", &config]).output().unwrap();
    assert!(joined.status.success(), "{}", String::from_utf8_lossy(&joined.stderr));
    for (ports, section) in [([0, taken, 0], "[s3]"), ([0, s3, taken], "[admin]")] {
        let (_, config) = member(home.path(), "g1", ports);
        let said = refusal(&mut plain(&["gateway", "--config", &config]));
        assert!(said.contains(&taken.to_string()) && said.contains(section), "{said}");
    }
    let (_, config) = member(home.path(), "g1", [0, s3, 0]);
    let (_, log) = said_by(&mut plain(&["gateway", "--config", &config]), &gateway);
    assert_calm(&log);
    let (_, log) = ended(running.unwrap(), &node);
    assert_calm(&log);
}

/// How many drives the cluster map has of the node of this name.
fn drives_in_map(data: &Path, node: &str) -> usize {
    let map = plain(&["cluster", "map", "--json", "--data"]).arg(data).output().unwrap();
    let map: serde_json::Value = serde_json::from_slice(&map.stdout).unwrap();
    map["drives"].as_array().unwrap().iter().filter(|drive| drive["node"] == node).count()
}

#[test]
fn a_refused_join_decides_nothing_for_the_next() {
    let home = tempfile::tempdir().unwrap();
    let (node, config) = member(home.path(), "n1", [free_port(), 0, free_port()]);
    let init = ["cluster", "init", "--nodes", "1", "--policy", "single", "--config", &config];
    assert!(plain(&init).output().unwrap().status.success());
    let running = plain(&["storage-node", "--config", &config]).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    announced(&node);
    let token = |more: &[&str]| {
        let token = plain(&["cluster", "token", "create", "--data"]).arg(&node).args(more).output().unwrap();
        String::from_utf8(token.stdout).unwrap().trim().to_owned()
    };
    let join = |config: &str, words: &[&str]| {
        let output = plain(&["cluster", "join", "--config", config]).args(words).output().unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    let (of_node, of_gateway) = (token(&[]), token(&["--gateway"]));

    let (other, config) = member(home.path(), "n2", [free_port(), 0, free_port()]);
    let (joined, said) = join(&config, &[&of_gateway, "--drives", "3"]);
    assert!(!joined && said.contains("not admitted"), "{said}");
    let (joined, said) = join(&config, &[&of_node, "--gateway"]);
    assert!(!joined && said.contains("not admitted"), "{said}");
    assert!(!other.join("joining.toml").exists());
    let (joined, said) = join(&config, &[&of_node, "--drives", "2"]);
    assert!(joined, "{said}");
    let identity: toml::Table = std::fs::read_to_string(other.join("identity.toml")).unwrap().parse().unwrap();
    assert_eq!(identity["membership"]["drives"].as_integer(), Some(2));
    assert_eq!(drives_in_map(&node, "n2"), 2, "no drive of a refused try");
    ended(running.unwrap(), &node);
}

#[test]
fn a_server_whose_admin_token_cannot_be_kept_never_answers() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    std::fs::create_dir_all(data.join("operator.toml")).unwrap();
    let addresses = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    let said = refusal(plain(&["serve", "--data"]).arg(&data).args(addresses));
    assert!(said.contains("operator.toml") && said.contains("folder"), "{said}");
    for name in ["identity.toml", "cluster-keys.toml", "founding.toml", "drive-01"] {
        assert!(!data.join(name).exists(), "{name}: a refused start makes nothing");
    }
}
