//! What the audit says of requests to IAM and STS.

use serde_json::{Value, json};

use super::*;
use crate::audit::AuditSettings;
use crate::audit::tests::Audited;

async fn start(reads: bool) -> (IamServer, Audited) {
    let mut world = World::new().await;
    let audited = Audited::start(AuditSettings { reads, ..AuditSettings::default() }, world.cluster.env.clone());
    world.audit = audited.audit.clone();
    (IamServer::of(world).await, audited)
}

#[tokio::test]
async fn what_changes_identities_is_said_and_no_secret() {
    let (server, audited) = start(false).await;
    let number = server.account().await.number;
    let keyless = server.user("poor").await;
    let asks = [
        server.ask("iam", "CreateUser").with("UserName", "ada").with("Path", "/staff/"),
        server.ask("iam", "GetUser").with("UserName", "ada"),
        server
            .ask("iam", "PutUserPolicy")
            .with("UserName", "ada")
            .with("PolicyName", "all")
            .with("PolicyDocument", ALLOW_ALL),
        server.ask("iam", "CreateAccessKey").with("UserName", "ada"),
        server.ask("iam", "DeleteUser").with("UserName", "ada").of(&keyless),
        server.ask("iam", "DeleteUser").with("UserName", "nobody"),
        server.ask("iam", "NoSuchThing"),
    ];
    let (mut made, mut secret) = (String::new(), String::new());
    for ask in &asks {
        let answer = server.send(ask).await;
        if answer.text().contains("<SecretAccessKey>") {
            made = answer.between("<AccessKeyId>", "</AccessKeyId>").to_owned();
            secret = answer.between("<SecretAccessKey>", "</SecretAccessKey>").to_owned();
        }
    }
    audited.events(6).await;
    let (events, text) = audited.end().await;
    let said: Vec<_> = events.iter().map(|event| [&event["operation"], &event["outcome"], &event["code"]]).collect();
    let none = &Value::Null;
    let (create, put, key, delete) =
        (json!("CreateUser"), json!("PutUserPolicy"), json!("CreateAccessKey"), json!("DeleteUser"));
    let (done, denied, failed) = (json!("done"), json!("denied"), json!("failed"));
    assert_eq!(
        said,
        [
            [&create, &done, none],
            [&put, &done, none],
            [&key, &done, none],
            [&delete, &denied, &json!("AccessDenied")],
            [&delete, &failed, &json!("NoSuchEntity")],
            [none, &failed, &json!("InvalidAction")],
        ]
    );
    let [created, put, key, denied, ..] = events.as_slice() else { panic!("{events:#?}") };
    assert_eq!((&created["face"], &created["action"]), (&json!("iam"), &json!("iam:CreateUser")));
    assert_eq!(created["what"]["parameters"], json!({ "Path": "/staff/", "UserName": "ada" }));
    assert_eq!(created["what"]["resource"], json!(format!("arn:aws:iam::{number}:user/staff/ada")));
    assert_eq!(created["decision"]["effect"], "allow");
    assert_eq!(put["what"]["parameters"], json!({ "PolicyName": "all", "UserName": "ada" }));
    assert_eq!(key["what"]["made_access_key"], json!(made));
    assert_eq!(denied["decision"]["effect"], "deny");
    assert_eq!(denied["who"]["arn"], json!(format!("arn:aws:iam::{number}:user/poor")));
    assert!(!secret.is_empty() && !text.contains(&secret) && !text.contains("Statement"), "{text}");
}

#[tokio::test]
async fn a_session_is_told_with_what_made_it() {
    let (server, audited) = start(true).await;
    let number = server.account().await.number;
    let make = server.ask("iam", "CreateRole").with("RoleName", "batch").with("AssumeRolePolicyDocument", TRUST_ALL);
    assert_eq!(server.send(&make).await.status, 200);
    let role = format!("arn:aws:iam::{number}:role/batch");
    let assume = server.ask("sts", "AssumeRole").with("RoleArn", &role).with("RoleSessionName", "night");
    let answer = server.send(&assume).await;
    let between = |name: &str| answer.between(&format!("<{name}>"), &format!("</{name}>")).to_owned();
    let keys = Keys { access_key: between("AccessKeyId"), secret: between("SecretAccessKey") };
    let token = between("SessionToken");
    let mut whoami = server.ask("sts", "GetCallerIdentity").of(&keys);
    whoami.token = Some(token.clone());
    assert_eq!(server.send(&whoami).await.status, 200);
    whoami.keys.secret.push('x');
    assert_eq!(server.send(&whoami).await.status, 403);
    audited.events(4).await;
    let (events, text) = audited.end().await;
    let [_, assumed, asked, forged] = events.as_slice() else { panic!("{events:#?}") };
    assert_eq!((&assumed["face"], &assumed["kind"]), (&json!("sts"), &json!("change")));
    assert_eq!(assumed["what"]["made_access_key"], json!(keys.access_key));
    assert_eq!((&assumed["what"]["resource"], &assumed["decision"]["effect"]), (&json!(role), &json!("allow")));
    let arn = format!("arn:aws:sts::{number}:assumed-role/batch/night");
    assert_eq!((&asked["who"]["kind"], &asked["who"]["arn"]), (&json!("role-session"), &json!(arn)));
    assert_eq!(asked["who"]["session"]["name"], "night");
    assert_eq!(asked["who"]["session"]["issued_by"], json!(server.world.owner.access_key));
    assert_eq!((&forged["outcome"], &forged["who"]["kind"]), (&json!("denied"), &json!("unknown")));
    assert_eq!(forged["who"]["claimed_access_key"], json!(keys.access_key));
    assert!(!text.contains(&token) && !text.contains(&keys.secret));
}
