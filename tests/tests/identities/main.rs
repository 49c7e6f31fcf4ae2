//! Accounts and what is in them, by the command line: made, shown, changed and taken away again. Tokens of identity
//! providers.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "test code"
)]

mod oidc;

use std::process::Output;
use std::time::{Duration, Instant};

use couronne_tests::clients::Clients;
use couronne_tests::json;
use couronne_tests::server::{Server, ServerShape};
use serde_json::Value;

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}

/// Waits for what a gateway learns within its bound.
fn soon(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;
const TRUST: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}]}"#;

#[test]
fn all_that_an_account_has_is_made_shown_and_deleted() {
    let server = Server::start(ServerShape::OneDrive);
    let run = |words: &[&str]| server.couronne(words);
    let asked = |words: &[&str]| json(&run(&[words, &["--json"]].concat()));
    let clients = Clients::of(&server);
    let file = |name: &str, text: &str| {
        let path = clients.scratch().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (policy, trust) = (file("policy.json", POLICY), file("trust.json", TRUST));

    let account = asked(&["account", "create", "acme", "--email", "office@example.com"]);
    let number = text(&account, "number");
    assert!(number.len() == 12 && text(&account, "id").len() == 64 && text(&account, "email") == "office@example.com");
    assert!(said(&run(&["account", "list"])).contains(number));
    let made = asked(&["policy", "create", "acme", "everything", &policy, "--description", "for the test"]);
    assert_eq!(text(&made, "arn"), format!("arn:aws:iam::{number}:policy/everything"));
    assert!(refused(&run(&["policy", "create", "acme", "bad", &file("bad.json", "[]")])).contains("malformed"));
    assert!(said(&run(&["policy", "list", "acme"])).contains("arn:aws:iam::aws:policy/AdministratorAccess"));

    let user = asked(&["user", "create", "acme", "ada", "--policy", "everything", "--policy", "ReadOnlyAccess"]);
    let attached = [text(&made, "arn"), "arn:aws:iam::aws:policy/ReadOnlyAccess"];
    assert_eq!(user["policies"], serde_json::json!(attached));
    assert_eq!(text(&user, "account_number"), number);
    assert!(refused(&run(&["user", "create", "acme", "bob", "--policy", "none"])).contains("no such policy"));
    refused(&run(&["user", "show", "acme", "bob"]));
    said(&run(&["group", "create", "acme", "staff", "--policy", "AmazonS3ReadOnlyAccess"]));
    said(&run(&["group", "add-user", "acme", "staff", "ada"]));
    said(&run(&["policy", "attach", "acme", "everything", "--group", "staff"]));
    assert_eq!(asked(&["group", "show", "acme", "staff"])["users"], serde_json::json!(["ada"]));
    let shown = asked(&["user", "show", "acme", "ada"]);
    assert_eq!((&shown["groups"][0], shown["policies"].as_array().unwrap().len()), (&Value::from("staff"), 2));
    let role = asked(&["role", "create", "acme", "batch", "--trust", &trust, "--session-s-max", "7200"]);
    assert_eq!((text(&role, "trust_policy"), &role["session_s_max"]), (TRUST, &Value::from(7200)));
    let holders = asked(&["policy", "show", "acme", "everything"])["attached_to"].clone();
    let wanted = serde_json::json!([{ "kind": "group", "name": "staff" }, { "kind": "user", "name": "ada" }]);
    assert_eq!(holders, wanted);

    keys_are_taken_away_and_given_back(&server, &user);

    let left = refused(&run(&["account", "delete", "acme"]));
    assert!(left.contains("users, groups, roles, policies"), "{left}");
    said(&run(&["policy", "detach", "acme", "everything", "--user", "ada"]));
    said(&run(&["group", "remove-user", "acme", "staff", "ada"]));
    for (what, name) in [("user", "ada"), ("group", "staff"), ("role", "batch"), ("policy", "everything")] {
        assert!(said(&run(&[what, "list", "acme"])).contains(name), "{what}");
        said(&run(&[what, "delete", "acme", name]));
        refused(&run(&[what, "show", "acme", name]));
    }
    said(&run(&["account", "delete", "acme"]));
    refused(&run(&["account", "show", "acme"]));
}

fn keys_are_taken_away_and_given_back(server: &Server, user: &Value) {
    let run = |words: &[&str]| said(&server.couronne(words));
    let asked = |words: &[&str]| json(&server.couronne(&[words, &["--json"]].concat()));
    let serves = |keys: &Value| Clients::of(server).with_keys(keys).attempt("aws", &["s3", "ls"]).0;
    let key = text(user, "access_key");
    assert!(serves(user));
    run(&["key", "disable", "acme", key]);
    assert!(!serves(user));
    run(&["key", "enable", "acme", key]);
    assert!(serves(user));
    soon("its use is noted", || asked(&["key", "list", "acme", "ada"])[0]["used_ms"].is_u64());
    let second = asked(&["key", "rotate", "acme", key, "--keep-minutes", "5"]);
    assert!(serves(user) && serves(&second));
    run(&["key", "delete", "acme", key]);
    assert!(!serves(user) && serves(&second));
    let root = asked(&["key", "create", "acme", "--root", "--description", "of the office"]);
    assert!(serves(&root));
    assert_eq!(asked(&["key", "list", "acme", "--root"])[0]["description"], "of the office");
}
