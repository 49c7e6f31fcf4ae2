//! `admin/openapi.json` is the generated document, and every answer of the server is what it says.

use http::Method;
use serde_json::{Value, json};

use super::fake::Fake;
use super::openapi::document;
use super::schema::findings;
use super::server::Running;
use crate::types::{ApiError, ErrorCode};

/// Set, the test writes the file instead of comparing it.
const WRITE: &str = "COURONNE_WRITE_OPENAPI";

/// A body for each operation that takes one.
fn body_of(operation: &str) -> Option<Value> {
    Some(match operation {
        "create_token" => json!({ "role": "storage-node", "lifetime_minutes": 60 }),
        "rotate_secret" => json!({ "keep_minutes": 5 }),
        "expel_node" => json!({ "force": true }),
        "create_key" => json!({ "user": "ada", "expires_ms": 9, "access_key": "KEY", "secret_key": "SECRETSECRET" }),
        "create_storage_policy" => json!({ "name": "copies", "redundancy": "replicated:3", "survive_zone_loss": true }),
        "replace_drive" => json!({ "force": true }),
        "list_unrepaired" => json!({ "after": "2-00", "unreadable": true, "limit": 9 }),
        "create_account" => json!({ "name": "university", "email": "office@example.com" }),
        "create_group" => json!({ "name": "staff", "path": "/a/", "policies": ["ReadOnlyAccess"] }),
        "create_role" => json!({ "name": "batch", "trust_policy": "{}", "session_s_max": 3600, "description": "d" }),
        "create_policy_version" => json!({ "document": "{}", "default": true }),
        "set_boundary" => json!({ "of": { "kind": "user", "name": "ada" }, "policy": "read" }),
        "set_inline_policy" => json!({ "of": { "kind": "group", "name": "staff" }, "name": "p", "document": "{}" }),
        "change_tags" => json!({ "of": { "kind": "role", "name": "batch" }, "set": { "a": "b" }, "remove": ["c"] }),
        "change_role" => json!({ "trust_policy": "{}", "session_s_max": 3600, "description": "d" }),
        "set_bucket_quota" => json!({ "bytes": 5, "objects": 6 }),
        "change_key" => json!({ "active": false }),
        "rotate_key" => json!({ "keep_minutes": 5 }),
        "create_policy" => json!({ "name": "read", "document": "{}", "description": "d" }),
        "attach_policy" | "detach_policy" => json!({ "kind": "user", "name": "ada" }),
        "create_user" => {
            json!({ "name": "ada", "admin": true, "policies": ["read"], "access_key": "KEY", "secret_key": "SECRETSECRET" })
        }
        _ => return None,
    })
}

/// Each operation of the document: its method, path and description there.
fn operations(document: &Value) -> Vec<(Method, String, Value)> {
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            operations.push((method, path.clone(), operation.clone()));
        }
    }
    operations
}

/// A path with something in the place of each parameter.
fn filled(path: &str) -> String {
    path.split('/').map(|segment| if segment.starts_with('{') { "x" } else { segment }).collect::<Vec<_>>().join("/")
}

#[test]
fn the_committed_document_is_the_generated_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
    let generated = document();
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(path, serde_json::to_string_pretty(&generated).unwrap() + "\n").unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    let committed: Value = serde_json::from_str(&committed).unwrap_or_default();
    assert!(committed == generated, "run `{WRITE}=1 cargo nextest run --release -p couronne-admin document`");
}

#[tokio::test]
async fn every_operation_is_answered_as_the_document_says() {
    let (document, server) = (document(), Running::start(Fake::default()).await);
    for (method, path, operation) in operations(&document) {
        let body = body_of(operation["operationId"].as_str().unwrap());
        let wanted = operation.pointer("/requestBody/content/application~1json/schema");
        assert_eq!(body.is_some(), wanted.is_some(), "{method} {path}: a body");
        if let (Some(schema), Some(body)) = (wanted, &body) {
            assert_eq!(findings(&document, schema, body), [""; 0], "{method} {path}");
        }
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let answer = server.ask(&method, &filled(&path), Some("token"), body).await;
        let said = &operation["responses"][answer.status.as_str()];
        assert!(answer.status.is_success() && said.is_object(), "{method} {path}: {}", answer.status);
        match (said.pointer("/content/application~1json/schema"), said.pointer("/content/text~1plain")) {
            (Some(schema), _) => assert_eq!(findings(&document, schema, &answer.json()), [""; 0], "{method} {path}"),
            (None, Some(_)) => assert!(answer.content_type.starts_with("text/plain"), "{method} {path}"),
            (None, None) => assert!(answer.body.is_empty(), "{method} {path}"),
        }
    }
}

#[tokio::test]
async fn every_refusal_is_answered_as_the_document_says() {
    let (document, server) = (document(), Running::start(Fake::default()).await);
    let error = json!({ "$ref": "#/components/schemas/ApiError" });
    for (method, path, operation) in operations(&document) {
        let answer = server.ask(&method, &filled(&path), None, String::new()).await;
        if operation["security"] == json!([]) {
            assert!(answer.status.is_success(), "{method} {path}: {}", answer.status);
            continue;
        }
        assert_eq!(answer.refused(), ErrorCode::Unauthenticated, "{method} {path}");
        assert_eq!(findings(&document, &error, &answer.json()), [""; 0]);
        assert!(operation["responses"]["401"].is_object(), "{method} {path}");
        let reads = method == Method::GET;
        assert_eq!(operation["responses"]["403"].is_object(), !reads, "{method} {path}");
        assert_eq!(operation["security"].as_array().unwrap().len(), if reads { 2 } else { 1 }, "{method} {path}");
        if operation["requestBody"].is_object() {
            let answer = server.ask(&method, &filled(&path), Some("token"), r#"{"more":1}"#.to_owned()).await;
            assert_eq!(answer.refused(), ErrorCode::InvalidRequest, "{method} {path}: an unknown field");
            let answer = server.ask(&method, &filled(&path), Some("token"), " ".repeat((64 << 10) + 1)).await;
            assert_eq!(answer.refused(), ErrorCode::BodyTooLarge, "{method} {path}");
        }
    }
    let codes = [ErrorCode::InvalidRequest, ErrorCode::Conflict, ErrorCode::Unavailable, ErrorCode::OutcomeUnknown];
    for code in codes {
        let refusal = ApiError::new(code, "not today");
        let server = Running::start(Fake { refusal: Some(refusal.clone()) }).await;
        let answer = server.ask(&Method::POST, "/admin/repair/start", Some("token"), String::new()).await;
        assert_eq!((answer.refused(), answer.json()), (code, serde_json::to_value(&refusal).unwrap()));
        assert_eq!(findings(&document, &error, &answer.json()), [""; 0]);
    }
}
