//! What an operator does with the built binary: first start, accounts, status, metrics, mistakes.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "test code"
)]

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use couronne_tests::clients::Clients;
use couronne_tests::json;
use couronne_tests::server::{ACCESS_KEY, SECRET_KEY, Server, Shape, binary};
use serde_json::Value;

#[test]
fn accounts_users_and_status() {
    let server = Server::start(Shape::SixDrives);
    let account = json(&server.couronne(&["account", "create", "university", "--json"]));
    assert_eq!(account["name"], "university");
    let user = json(&server.couronne(&["user", "create", "university", "ada", "--admin", "--json"]));
    let keys = (user["access_key"].as_str().unwrap(), user["secret_key"].as_str().unwrap());
    let listed = json(&server.couronne(&["account", "list", "--json"]));
    assert!(listed.as_array().unwrap().iter().any(|account| account["name"] == "university"));
    let shown = json(&server.couronne(&["account", "show", "university", "--json"]));
    assert_eq!(shown["users"][0]["access_keys"][0], keys.0);
    assert!(!shown.to_string().contains(keys.1), "a secret is shown once");

    let clients = Clients::of(&server);
    let ada = |arguments: &[&str]| {
        let mut command = clients.command("aws");
        command.env("AWS_ACCESS_KEY_ID", keys.0).env("AWS_SECRET_ACCESS_KEY", keys.1).args(arguments);
        command.output().unwrap()
    };
    assert!(ada(&["s3", "mb", "s3://adas-bucket"]).status.success());
    clients.run("aws", &["s3", "mb", "s3://roots-bucket"]);
    assert!(!ada(&["s3", "ls", "s3://roots-bucket"]).status.success(), "another account's bucket");
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
    let server = Server::start(Shape::OneDrive);
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
    let mut server = Server::start(Shape::SixDrives);
    Clients::of(&server).run("aws", &["s3", "mb", "s3://stays"]);
    assert!(!server.data().join("founding.toml").exists(), "the cluster keeps its authority and secrets");
    for name in ["identity.toml", "credentials.toml", "admin.token"] {
        let mode = std::fs::metadata(server.data().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
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
    server.restart();
    assert!(Clients::of(&server).run("aws", &["s3", "ls"]).contains("stays"));
}

#[test]
fn bench_measures_a_running_server() {
    let server = Server::start(Shape::OneDrive);
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
