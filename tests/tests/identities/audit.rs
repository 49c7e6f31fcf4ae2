//! The audit of the built binary, asked by aws-cli and by an operator.

use std::path::Path;

use couronne_tests::clients::Clients;
use couronne_tests::json;
use couronne_tests::server::{Server, ServerShape};
use serde_json::Value;
use tempfile::TempDir;

use super::{said, soon};

/// The events of a file, each line of which is one object.
fn events(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn find<'a>(events: &'a [Value], operation: &str, outcome: &str) -> &'a Value {
    let found = events.iter().find(|event| event["operation"] == operation && event["outcome"] == outcome);
    found.unwrap_or_else(|| panic!("no {operation} that was {outcome} in {events:#?}"))
}

#[test]
fn what_clients_and_operators_did_is_in_the_file() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("audit.log");
    let settings = format!("[audit]\nto = \"file\"\npath = {path:?}\n");
    let mut server = Server::start_with_settings(ServerShape::OneDrive, &settings);
    said(&server.couronne(&["account", "create", "acme"]));
    let ada = json(&server.couronne(&["user", "create", "acme", "ada", "--admin", "--json"]));
    let bob = json(&server.couronne(&["user", "create", "acme", "bob", "--json"]));
    let clients = Clients::of(&server);
    let file = clients.scratch().join("body");
    std::fs::write(&file, "a private content").unwrap();
    let file = file.to_str().unwrap().to_owned();
    let by_ada = clients.with_keys(&ada);
    by_ada.run("aws", &["s3api", "create-bucket", "--bucket", "deeds"]);
    by_ada.run("aws", &["s3api", "put-object", "--bucket", "deeds", "--key", "a \"b\"", "--body", &file]);
    by_ada.run("aws", &["iam", "create-user", "--user-name", "cyd"]);
    let by_bob = Clients::of(&server).with_keys(&bob);
    by_bob.refused("aws", &["s3api", "get-object", "--bucket", "deeds", "--key", "a \"b\"", "/dev/null"]);
    soon("the events are written", || events(&path).iter().any(|event| event["outcome"] == "denied"));
    server.stop();

    let events = events(&path);
    let put = find(&events, "PutObject", "done");
    assert_eq!((&put["what"]["bucket"], &put["what"]["key"]), (&Value::from("deeds"), &Value::from("a \"b\"")));
    assert_eq!((&put["who"]["arn"], &put["who"]["access_key"]), (&ada["arn"], &ada["access_key"]));
    assert!(put["whence"]["user_agent"].as_str().unwrap().contains("aws-cli"), "{put:#}");
    let denied = find(&events, "GetObject", "denied");
    assert_eq!((&denied["who"]["arn"], &denied["decision"]["effect"]), (&bob["arn"], &Value::from("deny")));
    let made = events.iter().filter(|event| event["operation"] == "CreateUser").collect::<Vec<_>>();
    let faces: Vec<_> = made.iter().map(|event| event["face"].as_str().unwrap()).collect();
    assert_eq!(faces, ["admin", "admin", "iam"]);
    assert_eq!(
        (&made[0]["event"], &made[0]["what"]["parameters"]["name"]),
        (&Value::from("order"), &Value::from("ada"))
    );
    assert_eq!((&made[0]["who"]["kind"], &made[0]["status"]), (&Value::from("operator"), &Value::from(201)));
    assert_eq!(made[2]["what"]["parameters"]["UserName"], "cyd");
    let text = std::fs::read_to_string(&path).unwrap();
    for secret in [&ada["secret_key"], &bob["secret_key"]] {
        assert!(!text.contains(secret.as_str().unwrap()) && !text.contains("a private content"));
    }
}
