//! From a request to its answer.
//!
//! Promises: a token is asked for once a request is routed, as the row says that it was routed to, and before anything
//! else of the request is looked at; below `/admin/` what is routed nowhere asks for one too. The token that only
//! reads gives no orders. Each order is logged with its actor, and so is each refusal (but for those of wrong tokens that
//! come too fast).
//! Must not know: connections, how a call is carried out.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::ALLOW;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;

use super::AdminTokens;
use super::body::{json, named, read, take, text};
use super::tokens::Opened;
use crate::audit::{OrderAudit, OrderRecord, TakeOrder};
use crate::control::{Actor, ClusterControl, IdentityControl, UsageControl};
use crate::endpoints::{self as at, Access, Call, Endpoint, Route, Unrouted, route};
use crate::types::{ApiError, ErrorCode};

/// What the API works with.
pub struct AdminApi {
    /// The tokens that open `/admin/`.
    pub tokens: Arc<AdminTokens>,
    /// The cluster.
    pub cluster: Arc<dyn ClusterControl>,
    /// Accounts, users and keys.
    pub identities: Arc<dyn IdentityControl>,
    /// Where is told of orders.
    pub audit: Arc<dyn OrderAudit>,
    /// What is held.
    pub usage: Arc<dyn UsageControl>,
}

/// An order on its way: it is told of when this is dropped, so that one is whose operator is gone, too.
struct Order<'a> {
    audit: &'a dyn OrderAudit,
    /// Once it was admitted.
    take: Option<TakeOrder>,
    record: OrderRecord,
}

impl Order<'_> {
    /// It, or the request that might have been one, was refused.
    fn refused(&mut self, is_order: bool, error: &ApiError) {
        (self.record.status, self.record.code) = (Some(error.code.status()), Some(error.code));
        // Of wrong tokens that come too fast each is counted and none is told of. Nor is what could not have been an order.
        let is_denied = matches!(error.code, ErrorCode::Unauthenticated | ErrorCode::Forbidden);
        if self.take.is_none() && (is_denied || is_order && error.code != ErrorCode::TooManyRequests) {
            self.audit.refused(self.record.clone());
        }
    }
}

impl Drop for Order<'_> {
    fn drop(&mut self) {
        if let Some(take) = self.take.take() {
            take(self.record.clone());
        }
    }
}

/// What is known of a request before its token is looked at.
fn record(operation: Option<&'static str>, method: &Method, path: &str, peer: SocketAddr) -> OrderRecord {
    OrderRecord {
        operation,
        credential: "nobody",
        peer,
        method: method.clone(),
        path: path.to_owned(),
        named: Vec::new(),
        status: None,
        code: None,
    }
}

/// What a request gets.
type Answer = Result<Response<Full<Bytes>>, ApiError>;

impl AdminApi {
    /// Answers a request that came from there.
    pub(super) async fn answer(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let (method, path) = (&head.method, head.uri.path());
        let Route { access, name, call } = route(method, path);
        let is_order = access == Access::Orders;
        let mut order = Order { audit: &*self.audit, take: None, record: record(name, method, path, peer) };
        let refused = |error: ApiError, order: &mut Order<'_>| {
            order.refused(is_order, &error);
            refusal(method, path, peer, &error)
        };
        let opened = match (access != Access::Open).then(|| self.tokens.open(&head.headers)).transpose() {
            Ok(opened) => opened,
            Err(error) => return refused(error, &mut order),
        };
        order.record.credential = opened.as_ref().map_or("nobody", |(opened, _)| opened.credential());
        match call {
            Ok(call) => {
                if is_order && !matches!(opened, Some((Opened::Orders, _))) {
                    let error = ApiError::new(ErrorCode::Forbidden, "this token reads, and gives no orders");
                    return refused(error, &mut order);
                }
                let bearer = opened.map(|(_, bearer)| bearer).unwrap_or_default();
                let actor = Actor { credential: order.record.credential, peer, bearer };
                match self.carry_out_told(call, body, &actor, is_order.then_some(&mut order)).await {
                    Ok(answer) => answer,
                    Err(error) => refused(error, &mut order),
                }
            }
            Err(Unrouted::NotFound) => refused(ApiError::new(ErrorCode::NotFound, "there is nothing here"), &mut order),
            Err(Unrouted::MethodNotAllowed(allowed)) => {
                let allowed = allowed.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
                let error = ApiError::new(ErrorCode::MethodNotAllowed, format!("this path takes {allowed}"));
                let mut response = refused(error, &mut order);
                if let Ok(allowed) = HeaderValue::from_str(&allowed) {
                    response.headers_mut().insert(ALLOW, allowed);
                }
                response
            }
        }
    }

    /// Carries out a call; if it is an order, once it was admitted.
    async fn carry_out_told(
        &self,
        call: Call,
        body: Incoming,
        actor: &Actor,
        mut order: Option<&mut Order<'_>>,
    ) -> Answer {
        if let Some(order) = &mut order {
            let OrderRecord { method, path, .. } = &order.record;
            tracing::info!(%actor, %method, path, "an order through the admin API");
            order.take = Some(self.audit.admit().await?);
        }
        let body = take(body).await?;
        if let Some(order) = &mut order {
            order.record.named = named(&body);
        }
        let answer = self.carry_out(call, &body, actor).await?;
        if let Some(order) = order {
            order.record.status = Some(answer.status());
        }
        Ok(answer)
    }

    /// Carries out a call.
    async fn carry_out(&self, call: Call, body: &Bytes, actor: &Actor) -> Answer {
        let cluster = &self.cluster;
        match call {
            Call::GetHealth(_) => {
                cluster.check_health().await?;
                Ok(text(StatusCode::OK, "text/plain", "ok\n".to_owned()))
            }
            Call::GetMetrics(_) => {
                let page = cluster.metrics().await? + &self.tokens.metrics();
                Ok(text(StatusCode::OK, "text/plain; version=0.0.4", page))
            }
            Call::GetStatus(_) => answer::<at::GetStatus>(&cluster.status().await),
            Call::GetMap(_) => answer::<at::GetMap>(&cluster.map().await),
            Call::ListTokens(_) => answer::<at::ListTokens>(&cluster.tokens(actor).await?),
            Call::RevokeToken(at::RevokeToken { token }) => {
                cluster.revoke_token(actor, token).await?;
                answer::<at::RevokeToken>(&())
            }
            Call::ExpelNode(at::ExpelNode { node }) => {
                answer::<at::ExpelNode>(&cluster.expel_node(actor, node, read(body)?).await?)
            }
            Call::CreateToken(_) => answer::<at::CreateToken>(&cluster.create_token(actor, read(body)?).await?),
            Call::RotateSecret(at::RotateSecret { secret }) => {
                answer::<at::RotateSecret>(&cluster.rotate_secret(actor, secret, read(body)?).await?)
            }
            Call::ListStoragePolicies(_) => answer::<at::ListStoragePolicies>(&cluster.storage_policies().await),
            Call::CreateStoragePolicy(_) => {
                answer::<at::CreateStoragePolicy>(&cluster.create_storage_policy(actor, read(body)?).await?)
            }
            Call::SetDefaultStoragePolicy(at::SetDefaultStoragePolicy { name }) => {
                answer::<at::SetDefaultStoragePolicy>(&cluster.set_default_storage_policy(actor, name).await?)
            }
            Call::ReplaceDrive(at::ReplaceDrive { drive }) => {
                answer::<at::ReplaceDrive>(&cluster.replace_drive(actor, drive, read(body)?).await?)
            }
            Call::StartRepair(_) => answer::<at::StartRepair>(&cluster.start_repair(actor).await?),
            Call::ListUnrepaired(_) => {
                answer::<at::ListUnrepaired>(&cluster.list_unrepaired(actor, read(body)?).await?)
            }
            Call::StartScrub(_) => answer::<at::StartScrub>(&cluster.start_scrub(actor).await?),
            Call::ConfirmClock(_) => answer::<at::ConfirmClock>(&cluster.confirm_clock(actor).await?),
            call => self.carry_out_of_identities(call, body, actor).await,
        }
    }

    /// Carries out a call about accounts and what is in them.
    async fn carry_out_of_identities(&self, call: Call, body: &Bytes, actor: &Actor) -> Answer {
        let identities = &self.identities;
        match call {
            Call::ListAccounts(_) => answer::<at::ListAccounts>(&identities.accounts().await?),
            Call::CreateAccount(_) => {
                answer::<at::CreateAccount>(&identities.create_account(actor, read(body)?).await?)
            }
            Call::GetAccount(at::GetAccount { name }) => answer::<at::GetAccount>(&identities.account(name).await?),
            Call::DeleteAccount(at::DeleteAccount { name }) => {
                answer::<at::DeleteAccount>(&identities.delete_account(actor, name).await?)
            }
            Call::CreateUser(at::CreateUser { account }) => {
                answer::<at::CreateUser>(&identities.create_user(actor, account, read(body)?).await?)
            }
            Call::GetUser(at::GetUser { account, user }) => {
                answer::<at::GetUser>(&identities.user(account, user).await?)
            }
            Call::DeleteUser(at::DeleteUser { account, user }) => {
                answer::<at::DeleteUser>(&identities.delete_user(actor, account, user).await?)
            }
            Call::CreateGroup(at::CreateGroup { account }) => {
                answer::<at::CreateGroup>(&identities.create_group(actor, account, read(body)?).await?)
            }
            Call::GetGroup(at::GetGroup { account, group }) => {
                answer::<at::GetGroup>(&identities.group(account, group).await?)
            }
            Call::DeleteGroup(at::DeleteGroup { account, group }) => {
                answer::<at::DeleteGroup>(&identities.delete_group(actor, account, group).await?)
            }
            Call::AddGroupMember(at::AddGroupMember { account, group, user }) => {
                answer::<at::AddGroupMember>(&identities.set_member(actor, account, group, user, true).await?)
            }
            Call::RemoveGroupMember(at::RemoveGroupMember { account, group, user }) => {
                answer::<at::RemoveGroupMember>(&identities.set_member(actor, account, group, user, false).await?)
            }
            Call::CreateRole(at::CreateRole { account }) => {
                answer::<at::CreateRole>(&identities.create_role(actor, account, read(body)?).await?)
            }
            Call::GetRole(at::GetRole { account, role }) => {
                answer::<at::GetRole>(&identities.role(account, role).await?)
            }
            Call::DeleteRole(at::DeleteRole { account, role }) => {
                answer::<at::DeleteRole>(&identities.delete_role(actor, account, role).await?)
            }
            call => self.carry_out_of_keys(call, body, actor).await,
        }
    }

    /// Carries out a call about access keys or policies.
    async fn carry_out_of_keys(&self, call: Call, body: &Bytes, actor: &Actor) -> Answer {
        let identities = &self.identities;
        match call {
            Call::CreateKey(at::CreateKey { account }) => {
                answer::<at::CreateKey>(&identities.create_key(actor, account, read(body)?).await?)
            }
            Call::ChangeKey(at::ChangeKey { account, key }) => {
                answer::<at::ChangeKey>(&identities.change_key(actor, account, key, read(body)?).await?)
            }
            Call::RotateKey(at::RotateKey { account, key }) => {
                answer::<at::RotateKey>(&identities.rotate_key(actor, account, key, read(body)?).await?)
            }
            Call::DeleteKey(at::DeleteKey { account, key }) => {
                answer::<at::DeleteKey>(&identities.delete_key(actor, account, key).await?)
            }
            Call::ListPolicies(at::ListPolicies { account }) => {
                answer::<at::ListPolicies>(&identities.policies(account).await?)
            }
            Call::CreatePolicy(at::CreatePolicy { account }) => {
                answer::<at::CreatePolicy>(&identities.create_policy(actor, account, read(body)?).await?)
            }
            Call::GetPolicy(at::GetPolicy { account, policy }) => {
                answer::<at::GetPolicy>(&identities.policy(account, policy).await?)
            }
            Call::DeletePolicy(at::DeletePolicy { account, policy }) => {
                answer::<at::DeletePolicy>(&identities.delete_policy(actor, account, policy).await?)
            }
            Call::AttachPolicy(at::AttachPolicy { account, policy }) => {
                let holder = read(body)?;
                answer::<at::AttachPolicy>(&identities.set_attached(actor, account, policy, holder, true).await?)
            }
            Call::DetachPolicy(at::DetachPolicy { account, policy }) => {
                let holder = read(body)?;
                answer::<at::DetachPolicy>(&identities.set_attached(actor, account, policy, holder, false).await?)
            }
            call => self.carry_out_changes(call, body, actor).await,
        }
    }
}

impl AdminApi {
    /// Carries out a call that changes what an account has.
    async fn carry_out_changes(&self, call: Call, body: &Bytes, actor: &Actor) -> Answer {
        let identities = &self.identities;
        match call {
            Call::CreatePolicyVersion(at::CreatePolicyVersion { account, policy }) => {
                let made = identities.create_policy_version(actor, account, policy, read(body)?).await?;
                answer::<at::CreatePolicyVersion>(&made)
            }
            Call::GetPolicyVersion(at::GetPolicyVersion { account, policy, version }) => {
                answer::<at::GetPolicyVersion>(&identities.policy_version(account, policy, version).await?)
            }
            Call::SetDefaultPolicyVersion(at::SetDefaultPolicyVersion { account, policy, version }) => {
                identities.set_default_policy_version(actor, account, policy, version).await?;
                answer::<at::SetDefaultPolicyVersion>(&())
            }
            Call::DeletePolicyVersion(at::DeletePolicyVersion { account, policy, version }) => {
                identities.delete_policy_version(actor, account, policy, version).await?;
                answer::<at::DeletePolicyVersion>(&())
            }
            Call::SetBoundary(at::SetBoundary { account }) => {
                answer::<at::SetBoundary>(&identities.set_boundary(actor, account, read(body)?).await?)
            }
            Call::SetInlinePolicy(at::SetInlinePolicy { account }) => {
                answer::<at::SetInlinePolicy>(&identities.set_inline_policy(actor, account, read(body)?).await?)
            }
            Call::ChangeTags(at::ChangeTags { account }) => {
                answer::<at::ChangeTags>(&identities.change_tags(actor, account, read(body)?).await?)
            }
            Call::ChangeRole(at::ChangeRole { account, role }) => {
                answer::<at::ChangeRole>(&identities.change_role(actor, account, role, read(body)?).await?)
            }
            call => self.carry_out_of_usage(call, body, actor).await,
        }
    }

    /// Carries out a call about what is held.
    async fn carry_out_of_usage(&self, call: Call, body: &Bytes, actor: &Actor) -> Answer {
        let usage = &self.usage;
        match call {
            Call::GetAccountUsage(at::GetAccountUsage { account }) => {
                answer::<at::GetAccountUsage>(&usage.account_usage(account).await?)
            }
            Call::GetUserUsage(at::GetUserUsage { account, user }) => {
                answer::<at::GetUserUsage>(&usage.user_usage(account, user).await?)
            }
            Call::GetBucketUsage(at::GetBucketUsage { bucket }) => {
                answer::<at::GetBucketUsage>(&usage.bucket_usage(bucket).await?)
            }
            Call::SetBucketQuota(at::SetBucketQuota { bucket }) => {
                answer::<at::SetBucketQuota>(&usage.set_bucket_quota(actor, bucket, read(body)?).await?)
            }
            Call::RemoveBucketQuota(at::RemoveBucketQuota { bucket }) => {
                answer::<at::RemoveBucketQuota>(&usage.remove_bucket_quota(actor, bucket).await?)
            }
            _ => Err(ApiError::new(ErrorCode::Internal, "no part of the server answers this endpoint")),
        }
    }
}

/// The answer of an endpoint that carried out its call.
fn answer<E: Endpoint>(response: &E::Response) -> Answer {
    let status = StatusCode::from_u16(E::ROW.status);
    Ok(json(status.unwrap_or(StatusCode::OK), response))
}

/// The answer of a call that was not carried out.
fn refusal(method: &Method, path: &str, peer: SocketAddr, error: &ApiError) -> Response<Full<Bytes>> {
    // Those are counted: a log that a guesser can fill tells nothing.
    if error.code != ErrorCode::TooManyRequests {
        tracing::info!(%peer, %method, path, code = ?error.code, %error, "admin request refused");
    }
    json(error.code.status(), error)
}
