//! Accounts and what is in them, by the command line: made, shown, changed and taken away again. Tokens of identity
//! providers.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "test code"
)]

mod audit;
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

#[test]
fn versions_boundaries_inline_policies_tags_and_trust_are_changed() {
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
    let narrower = POLICY.replace("s3:*", "s3:GetObject");
    let account = asked(&["account", "create", "acme"]);
    let number = text(&account, "number");
    let other = TRUST.replace(r#""*""#, &format!(r#"{{"AWS":"{number}"}}"#));
    let (narrow, other) = (file("narrow.json", &narrower), file("other.json", &other));
    asked(&["policy", "create", "acme", "rw", &policy]);
    asked(&["user", "create", "acme", "ada"]);
    asked(&["role", "create", "acme", "batch", "--trust", &trust]);

    let made = asked(&["policy", "version", "create", "acme", "rw", &narrow]);
    assert_eq!(
        (text(&made, "version"), &made["default"], text(&made, "document")),
        ("v2", &Value::from(false), &*narrower)
    );
    said(&run(&["policy", "version", "set-default", "acme", "rw", "v2"]));
    assert_eq!(text(&asked(&["policy", "show", "acme", "rw"]), "document"), narrower);
    assert_eq!(text(&asked(&["policy", "version", "show", "acme", "rw", "v1"]), "document"), POLICY);
    assert!(refused(&run(&["policy", "version", "delete", "acme", "rw", "v2"])).contains("policy version"));
    said(&run(&["policy", "version", "delete", "acme", "rw", "v1"]));
    refused(&run(&["policy", "version", "show", "acme", "rw", "v1"]));

    said(&run(&["policy", "bound", "acme", "rw", "--user", "ada"]));
    said(&run(&["policy", "put-inline", "acme", "own", &policy, "--user", "ada"]));
    said(&run(&["user", "tag", "acme", "ada", "team=blue", "floor=2"]));
    said(&run(&["user", "tag", "acme", "ada", "--remove", "floor"]));
    let user = asked(&["user", "show", "acme", "ada"]);
    assert!(text(&user, "boundary").ends_with(":policy/rw"));
    assert_eq!(user["inline_policies"], serde_json::json!(["own"]));
    assert_eq!(user["tags"], serde_json::json!({ "team": "blue" }));
    said(&run(&["policy", "unbound", "acme", "--user", "ada"]));
    said(&run(&["policy", "delete-inline", "acme", "own", "--user", "ada"]));
    let user = asked(&["user", "show", "acme", "ada"]);
    assert!(user.get("boundary").is_none() && user["inline_policies"] == serde_json::json!([]));
    refused(&run(&["policy", "bound", "acme", "rw", "--group", "none"]));

    let role = asked(&["role", "change", "acme", "batch", "--trust", &other, "--session-s-max", "7200"]);
    assert!(text(&role, "trust_policy").contains(number) && role["session_s_max"] == 7200);
    said(&run(&["role", "tag", "acme", "batch", "a=b"]));
    assert_eq!(asked(&["role", "show", "acme", "batch"])["tags"], serde_json::json!({ "a": "b" }));
}

/// All of IAM and STS that boto3 speaks, as an account's root with its own keys.
#[test]
fn boto3_administers_an_account_and_takes_roles() {
    let server = Server::start(ServerShape::OneDrive);
    json(&server.couronne(&["account", "create", "acme", "--json"]));
    let root = json(&server.couronne(&["key", "create", "acme", "--root", "--json"]));
    let clients = Clients::of(&server).with_variables([
        ("ACCOUNT_ACCESS_KEY", text(&root, "access_key")),
        ("ACCOUNT_SECRET_KEY", text(&root, "secret_key")),
    ]);
    assert!(clients.run_script("iam_tour.py", &[]).contains("done"));
}

/// `aws iam` and `aws sts`, then `aws s3` and rclone with the session; the role's deletion ends it.
#[test]
fn aws_cli_makes_a_role_and_works_with_its_session() {
    let server = Server::start(ServerShape::OneDrive);
    json(&server.couronne(&["account", "create", "acme", "--json"]));
    let root = json(&server.couronne(&["key", "create", "acme", "--root", "--json"]));
    let clients = Clients::of(&server).with_keys(&root);
    let aws = |clients: &Clients, words: &[&str]| -> Value {
        serde_json::from_str(&clients.run("aws", &[words, &["--output", "json"]].concat())).unwrap_or_default()
    };
    let user = aws(&clients, &["iam", "create-user", "--user-name", "ada"]);
    let key = aws(&clients, &["iam", "create-access-key", "--user-name", "ada"]);
    let ada = serde_json::json!({
        "access_key": key["AccessKey"]["AccessKeyId"], "secret_key": key["AccessKey"]["SecretAccessKey"],
    });
    let arn = text(&user["User"], "Arn");
    let trust = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"{arn}"}},"Action":"sts:AssumeRole"}}]}}"#
    );
    let role = aws(&clients, &["iam", "create-role", "--role-name", "batch", "--assume-role-policy-document", &trust]);
    let put = ["iam", "put-role-policy", "--role-name", "batch", "--policy-name", "all", "--policy-document", POLICY];
    clients.run("aws", &put);
    let ada = Clients::of(&server).with_keys(&ada);
    let who = aws(&ada, &["sts", "get-caller-identity"]);
    assert_eq!(text(&who, "Arn"), arn);
    let role_arn = text(&role["Role"], "Arn");
    let assume = ["sts", "assume-role", "--role-arn", role_arn, "--role-session-name", "run"];
    let taken = aws(&ada, &assume)["Credentials"].clone();
    let session = serde_json::json!({ "access_key": taken["AccessKeyId"], "secret_key": taken["SecretAccessKey"] });
    let token = text(&taken, "SessionToken");
    let session = Clients::of(&server)
        .with_keys(&session)
        .with_variables([("AWS_SESSION_TOKEN", token), ("RCLONE_CONFIG_TEST_SESSION_TOKEN", token)]);
    std::fs::write(session.scratch().join("file"), b"by a session").unwrap();
    session.run("aws", &["s3", "mb", "s3://sessions"]);
    session.run("aws", &["s3", "cp", "--quiet", "file", "s3://sessions/file"]);
    session.run("rclone", &["copyto", "TEST:sessions/file", "back"]);
    assert_eq!(std::fs::read(session.scratch().join("back")).unwrap(), b"by a session");
    let link = session.run("aws", &["s3", "presign", "s3://sessions/file"]);
    assert_eq!(session.run("curl", &["--silent", "--fail", link.trim()]), "by a session");
    assert!(session.refused("aws", &["iam", "list-users"]).contains("AccessDenied"));

    clients.run("aws", &["iam", "delete-role-policy", "--role-name", "batch", "--policy-name", "all"]);
    clients.run("aws", &["iam", "delete-role", "--role-name", "batch"]);
    soon("the session outlives its role", || !session.attempt("aws", &["s3", "ls", "s3://sessions"]).0);
    session.refused("curl", &["--silent", "--fail", link.trim()]);
    assert!(ada.refused("aws", &assume).contains("AccessDenied"));
}

/// `couronne quota` and `couronne usage`, with aws-cli as the client: filled to the last byte and no further.
#[test]
fn a_bucket_is_filled_to_its_quota_and_usage_is_told() {
    const MIB: usize = 1 << 20;
    let server = Server::start(ServerShape::OneDrive);
    let asked = |words: &[&str]| json(&server.couronne(&[words, &["--json"]].concat()));
    asked(&["account", "create", "acme"]);
    let user = asked(&["user", "create", "acme", "ada", "--admin"]);
    let ada = Clients::of(&server).with_keys(&user);
    let file = |name: &str, bytes: usize| std::fs::write(ada.scratch().join(name), vec![7; bytes]).unwrap();
    for (name, bytes) in [("most", 9 * MIB), ("rest", MIB), ("over", MIB + 1)] {
        file(name, bytes);
    }
    ada.run("aws", &["s3", "mb", "s3://full"]);
    said(&server.couronne(&["quota", "set", "--bucket", "full", "--bytes", "10MiB", "--objects", "9"]));

    // In parts, of which aws-cli makes two.
    ada.run("aws", &["s3", "cp", "--quiet", "most", "s3://full/most"]);
    let put = |from: &'static str| ["s3api", "put-object", "--bucket", "full", "--key", "k", "--body", from];
    assert!(ada.refused("aws", &put("over")).contains("QuotaExceeded"));
    assert!(ada.refused("aws", &["s3api", "head-object", "--bucket", "full", "--key", "k"]).contains("404"));
    ada.run("aws", &put("rest"));
    ada.run("aws", &put("rest"));
    let usage = asked(&["usage", "--bucket", "full"]);
    assert_eq!((&usage["objects"], &usage["bytes"], &usage["parts"]), (&2.into(), &(10 * MIB).into(), &0.into()));
    assert_eq!(usage["quota"], serde_json::json!({ "bytes": 10 * MIB, "objects": 9 }));
    assert_eq!(usage["classes"][0]["class"], "STANDARD");
    for words in [&["usage", "acme"][..], &["usage", "acme", "--user", "ada"]] {
        assert_eq!(asked(words)["bytes"], 10 * MIB, "{words:?}");
    }
    assert!(said(&server.couronne(&["usage"])).contains("acme: 2 objects"));
    assert!(said(&server.couronne(&["quota", "show", "--bucket", "full"])).contains("10485760 bytes and 9 objects"));

    let copy = ["s3api", "copy-object", "--bucket", "full", "--key", "copy", "--copy-source", "full/k"];
    assert!(ada.refused("aws", &copy).contains("QuotaExceeded"));
    ada.run("aws", &["s3", "rm", "--quiet", "s3://full/most"]);
    ada.run("aws", &copy);
    said(&server.couronne(&["quota", "remove", "--bucket", "full"]));
    ada.run("aws", &["s3", "cp", "--quiet", "most", "s3://full/most"]);
    assert_eq!(asked(&["usage", "--bucket", "full"])["bytes"], 11 * MIB);
    ada.run("aws", &["s3", "rb", "--force", "s3://full"]);
    assert_eq!(asked(&["usage", "acme"])["objects"], 0);
    assert!(
        refused(&server.couronne(&["quota", "set", "--bucket", "full", "--objects", "1"])).contains("no such bucket")
    );
}
