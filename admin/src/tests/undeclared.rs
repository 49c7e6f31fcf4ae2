//! A refusal with a code that its endpoint does not declare is told all the same: what the control says is not lost.

use http::{Method, StatusCode};

use super::fake::Fake;
use super::schema::findings;
use super::server::Running;
use crate::endpoints::{Endpoint as _, ListAccounts};
use crate::types::{ApiError, ErrorCode};

#[tokio::test]
async fn a_code_that_the_endpoint_does_not_declare_is_told() {
    let code = ErrorCode::Conflict;
    assert!(!ListAccounts::ROW.errors.contains(&code), "it is declared: take another one");
    let refusal = ApiError::new(code, "not now");
    let server = Running::start(Fake { refusal: Some(refusal.clone()) }).await;
    let answer = server.ask(&Method::GET, "/admin/accounts", Some("token"), String::new()).await;
    assert_eq!((answer.status, answer.refused()), (StatusCode::CONFLICT, code));
    assert_eq!(answer.json(), serde_json::to_value(&refusal).unwrap());
    let error = serde_json::json!({ "$ref": "#/components/schemas/ApiError" });
    assert_eq!(findings(&super::openapi::document(), &error, &answer.json()), [""; 0]);
}
