//! From a request to its answer.
//!
//! Promises: the token is asked for once a request is routed, by the row that it was routed to, and before anything
//! else of the request is looked at. Below `/admin/` whatever is routed nowhere asks for it too.
//! Must not know: connections, how a call is carried out.

use std::sync::Arc;

use bytes::Bytes;
use http::header::ALLOW;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;

use super::AdminToken;
use super::body::{json, read, text};
use crate::control::{ClusterControl, IdentityControl};
use crate::endpoints::{self as at, Access, Call, Endpoint, Route, Unrouted, route};
use crate::types::{ApiError, ErrorCode};

/// What the API works with.
pub struct AdminApi {
    /// The token that opens `/admin/`.
    pub token: AdminToken,
    /// The cluster.
    pub cluster: Arc<dyn ClusterControl>,
    /// Accounts, users and keys.
    pub identities: Arc<dyn IdentityControl>,
}

/// What a request gets.
type Answer = Result<Response<Full<Bytes>>, ApiError>;

impl AdminApi {
    /// Answers a request.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let (method, path) = (&head.method, head.uri.path());
        let Route { access, call } = route(method, path);
        if access != Access::Open && !self.token.opens(&head.headers) {
            let error = ApiError::new(ErrorCode::Unauthenticated, "the admin token is missing or wrong");
            return refusal(method, path, &error);
        }
        match call {
            Ok(call) => self.carry_out(call, body).await.unwrap_or_else(|error| refusal(method, path, &error)),
            Err(Unrouted::NotFound) => {
                refusal(method, path, &ApiError::new(ErrorCode::NotFound, "there is nothing here"))
            }
            Err(Unrouted::MethodNotAllowed(allowed)) => {
                let allowed = allowed.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
                let message = format!("this path takes {allowed}");
                let mut response = refusal(method, path, &ApiError::new(ErrorCode::MethodNotAllowed, message));
                if let Ok(allowed) = HeaderValue::from_str(&allowed) {
                    response.headers_mut().insert(ALLOW, allowed);
                }
                response
            }
        }
    }

    /// Carries out a call.
    async fn carry_out(&self, call: Call, body: Incoming) -> Answer {
        let (cluster, identities) = (&self.cluster, &self.identities);
        match call {
            Call::GetHealth(_) => {
                cluster.check_health().await?;
                Ok(text(StatusCode::OK, "text/plain", "ok\n".to_owned()))
            }
            Call::GetMetrics(_) => Ok(text(StatusCode::OK, "text/plain; version=0.0.4", cluster.metrics().await?)),
            Call::GetStatus(_) => answer::<at::GetStatus>(&cluster.status().await),
            Call::GetMap(_) => answer::<at::GetMap>(&cluster.map().await),
            Call::CreateToken(_) => answer::<at::CreateToken>(&cluster.create_token(read(body).await?).await?),
            Call::ListPolicies(_) => answer::<at::ListPolicies>(&cluster.policies().await),
            Call::CreatePolicy(_) => answer::<at::CreatePolicy>(&cluster.create_policy(read(body).await?).await?),
            Call::SetDefaultPolicy(at::SetDefaultPolicy { name }) => {
                answer::<at::SetDefaultPolicy>(&cluster.set_default_policy(name).await?)
            }
            Call::ReplaceDrive(at::ReplaceDrive { drive }) => {
                answer::<at::ReplaceDrive>(&cluster.replace_drive(drive, read(body).await?).await?)
            }
            Call::StartRepair(_) => answer::<at::StartRepair>(&cluster.start_repair().await?),
            Call::StartScrub(_) => answer::<at::StartScrub>(&cluster.start_scrub().await?),
            Call::ConfirmClock(_) => answer::<at::ConfirmClock>(&cluster.confirm_clock().await?),
            Call::ListAccounts(_) => answer::<at::ListAccounts>(&identities.accounts().await?),
            Call::CreateAccount(_) => answer::<at::CreateAccount>(&identities.create_account(read(body).await?).await?),
            Call::GetAccount(at::GetAccount { name }) => answer::<at::GetAccount>(&identities.account(name).await?),
            Call::DeleteAccount(at::DeleteAccount { name }) => {
                identities.delete_account(name).await?;
                answer::<at::DeleteAccount>(&())
            }
            Call::CreateUser(at::CreateUser { account }) => {
                answer::<at::CreateUser>(&identities.create_user(account, read(body).await?).await?)
            }
        }
    }
}

/// The answer of an endpoint that carried out its call.
fn answer<E: Endpoint>(response: &E::Response) -> Answer {
    let status = StatusCode::from_u16(E::ROW.status);
    Ok(json(status.unwrap_or(StatusCode::OK), response))
}

/// The answer of a call that was not carried out.
fn refusal(method: &Method, path: &str, error: &ApiError) -> Response<Full<Bytes>> {
    tracing::info!(%method, path, code = ?error.code, %error, "admin request refused");
    json(error.code.status(), error)
}
