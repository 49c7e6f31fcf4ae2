//! The admin API: from a request to its answer.
//!
//! Promises: the token is compared in constant time, before anything else below `/admin/` is looked at.
//! Must not know: connections.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use bytes::Bytes;
use couronne_gateway::engine::EngineError;
use couronne_gateway::identity::{Account, CreateUser, Identity, IdentityError, NewKey, Secret, User};
use couronne_gateway::metrics::Metrics;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::cluster::map_message;
use super::figures;
use super::gather::Gatherer;
use super::messages::{
    AccountDetailMessage, AccountMessage, ClockMessage, CreateAccountMessage, CreateUserMessage, DoneMessage,
    ErrorMessage, NewUserMessage, ReplaceMessage, TokenMessage, UserMessage,
};
use super::operator::Operator;
use super::orders::{Order, Outcome, Refused};
use super::outlook;
use crate::folder::credentials::Credentials;

/// The largest body of a request, in bytes.
const BODY_BYTES_MAX: usize = 64 << 10;
/// Accounts or users fetched at a time.
const PAGE: u32 = 1000;
/// How long the metadata may take to answer `/health`.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(2);

/// What the API works with.
pub(crate) struct Api {
    /// The token that opens `/admin/`.
    pub(crate) token: Zeroizing<String>,
    /// Accounts, users and keys.
    pub(crate) identity: Identity,
    /// The numbers of `/metrics`.
    pub(crate) metrics: Arc<Metrics>,
    /// The status.
    pub(crate) status: Gatherer,
    /// The way of orders.
    pub(crate) operator: Operator,
}

/// A refusal: its status and why.
struct Refusal(StatusCode, String);

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        let status = StatusCode::from_u16(refused.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self(status, refused.why)
    }
}

/// What a request gets.
type Answer = Result<Response<Full<Bytes>>, Refusal>;

impl Api {
    /// Answers a request.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let answer = match (&method, path.as_str()) {
            (&Method::GET, "/health") => self.health().await,
            (&Method::GET, "/metrics") => self.metrics().await,
            (_, path) if path.starts_with("/admin/") => self.admin(request).await,
            _ => Err(not_found()),
        };
        answer.unwrap_or_else(|Refusal(status, error)| {
            tracing::info!(%method, path, status = status.as_u16(), error, "admin request refused");
            json(status, &ErrorMessage { error })
        })
    }

    /// Whether metadata can be read: what every request needs.
    async fn health(&self) -> Answer {
        match tokio::time::timeout(HEALTH_TIMEOUT, self.identity.list_accounts("", 1)).await {
            Ok(Ok(_)) => Ok(text(StatusCode::OK, "text/plain", "ok\n".to_owned())),
            Ok(Err(error)) => Err(refusal(&error)),
            Err(_) => Err(Refusal(StatusCode::SERVICE_UNAVAILABLE, "metadata does not answer".to_owned())),
        }
    }

    /// The metrics page: what was counted, and how this process is now.
    async fn metrics(&self) -> Answer {
        let counted = self.metrics.render();
        let own = figures::page(&self.status.own.read().await);
        let failed = |error: prometheus::Error| Refusal(StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
        let page = counted.map_err(failed)? + &own.map_err(failed)?;
        Ok(text(StatusCode::OK, "text/plain; version=0.0.4", page))
    }

    /// Whatever needs the token.
    async fn admin(&self, request: Request<Incoming>) -> Answer {
        let given = request.headers().get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        if given.is_none_or(|given| verify_slices_are_equal(given, self.token.as_bytes()).is_err()) {
            return Err(Refusal(StatusCode::UNAUTHORIZED, "the admin token is missing or wrong".to_owned()));
        }
        let path = request.uri().path().to_owned();
        let segments: Option<Vec<String>> = path
            .split('/')
            .skip(2)
            .map(|segment| percent_decode_str(segment).decode_utf8().ok().map(Into::into))
            .collect();
        let segments = segments.ok_or_else(not_found)?;
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match (request.method().clone(), segments.as_slice()) {
            (Method::GET, ["status"]) => Ok(json(StatusCode::OK, &self.status.read().await)),
            (Method::GET, ["cluster", "map"]) => Ok(json(StatusCode::OK, &map_message(&self.operator.map.state()))),
            (Method::POST, ["cluster", "tokens"]) => {
                let token = self.operator.anywhere(Order::MakeToken(read(request).await?)).await?;
                Ok(json(StatusCode::CREATED, &TokenMessage { token }))
            }
            (Method::GET, ["policies"]) => Ok(json(StatusCode::OK, &outlook::policies(&self.operator.map.state()))),
            (Method::POST, ["policies"]) => {
                done(self.operator.anywhere(Order::CreatePolicy(read(request).await?)).await)
            }
            (Method::POST, ["policies", name, "default"]) => {
                let name = (*name).to_owned();
                done(self.operator.anywhere(Order::SetDefaultPolicy { name }).await)
            }
            (Method::POST, ["drives", drive, "replace"]) => {
                let ReplaceMessage { force } = read(request).await?;
                let drive = self.operator.drive(drive)?;
                let order = Order::ReplaceDrive { drive: drive.to_string(), force };
                done(self.operator.at_drive(drive, order).await)
            }
            (Method::POST, ["repair", "start"]) => self.start(Order::StartRepair).await,
            (Method::POST, ["scrub", "start"]) => self.start(Order::StartScrub).await,
            (Method::POST, ["clock", "confirm"]) => self.confirm_clock().await,
            (Method::GET, ["accounts"]) => self.list_accounts().await,
            (Method::POST, ["accounts"]) => self.create_account(read(request).await?).await,
            (Method::GET, ["accounts", name]) => self.show_account(name).await,
            (Method::DELETE, ["accounts", name]) => {
                self.identity.delete_account(name).await.map_err(|error| refusal(&error))?;
                Ok(text(StatusCode::NO_CONTENT, "application/json", String::new()))
            }
            (Method::POST, ["accounts", name, "users"]) => self.create_user(name, read(request).await?).await,
            _ => Err(not_found()),
        }
    }

    /// Has every node begin something.
    async fn start(&self, order: Order) -> Answer {
        let mut said = Vec::new();
        for (node, outcome) in self.operator.everywhere(order).await {
            match outcome {
                Ok(done) => said.push((node, done, true)),
                Err(refused) => said.push((node, refused.why, false)),
            }
        }
        let Some((_, first, _)) = said.first() else { return Err(not_found()) };
        let alike = said.iter().all(|(_, words, done)| *done && words == first);
        let each: Vec<String> = said.iter().map(|(node, words, _)| format!("{node}: {words}")).collect();
        match said.iter().any(|(_, _, done)| *done) {
            true if alike => done(Ok(first.clone())),
            true => done(Ok(each.join("\n"))),
            false => Err(Refusal(StatusCode::SERVICE_UNAVAILABLE, each.join("; "))),
        }
    }

    /// The operator says that the clock is right, of every node.
    async fn confirm_clock(&self) -> Answer {
        let mut halted = None;
        for (node, outcome) in self.operator.everywhere(Order::ConfirmClock).await {
            let was = outcome
                .map_err(|refused| Refusal::from(Refused { why: format!("{node}: {}", refused.why), ..refused }))?;
            halted = halted.or(Some(was).filter(|was| !was.is_empty()));
        }
        tracing::warn!(halted, "the clock was confirmed");
        Ok(json(StatusCode::OK, &ClockMessage { halted }))
    }

    /// All accounts.
    async fn list_accounts(&self) -> Answer {
        let mut accounts: Vec<Account> = Vec::new();
        loop {
            let after = accounts.last().map_or("", |account| account.name.as_ref()).to_owned();
            let page = self.identity.list_accounts(&after, PAGE).await;
            let (page, more) = page.map_err(|error| refusal(&error))?;
            accounts.extend(page);
            if !more {
                break;
            }
        }
        Ok(json(StatusCode::OK, &accounts.iter().map(account_message).collect::<Vec<_>>()))
    }

    /// A new account.
    async fn create_account(&self, message: CreateAccountMessage) -> Answer {
        let account = self.identity.create_account(&message.name).await.map_err(|error| refusal(&error))?;
        tracing::info!(account = %account.name, "account created");
        Ok(json(StatusCode::CREATED, &account_message(&account)))
    }

    /// An account and its users.
    async fn show_account(&self, name: &str) -> Answer {
        let account = self.identity.account(name).await.map_err(|error| refusal(&error))?;
        let mut users: Vec<User> = Vec::new();
        loop {
            let after = users.last().map_or("", |user| user.name.as_ref()).to_owned();
            let page = self.identity.list_users(name, &after, PAGE).await;
            let (page, more) = page.map_err(|error| refusal(&error))?;
            users.extend(page);
            if !more {
                break;
            }
        }
        let users = users.iter().map(user_message).collect();
        Ok(json(StatusCode::OK, &AccountDetailMessage { account: account_message(&account), users }))
    }

    /// A new user with its first key.
    async fn create_user(&self, account: &str, message: CreateUserMessage) -> Answer {
        let key = Credentials::chosen(message.access_key, message.secret_key)
            .map_err(|error| Refusal(StatusCode::BAD_REQUEST, error.to_string()))?
            .map(|chosen| NewKey {
                access_key: chosen.access_key.into(),
                secret: Secret::new(chosen.secret_key.as_bytes()),
            });
        let create = CreateUser { account: account.into(), user: message.name.into(), admin: message.admin, key };
        let (user, key) = self.identity.create_user(create).await.map_err(|error| refusal(&error))?;
        let account = self.identity.account(account).await.map_err(|error| refusal(&error))?;
        tracing::info!(account = %account.name, user = %user.name, admin = user.admin, "user created");
        let message = NewUserMessage {
            account: account.name.into(),
            account_id: account.id.into(),
            user: user.name.into(),
            admin: user.admin,
            access_key: key.access_key.into(),
            secret_key: String::from_utf8_lossy(key.secret.expose()).into_owned(),
        };
        Ok(json(StatusCode::CREATED, &message))
    }
}

/// The answer to an order.
fn done(outcome: Outcome) -> Answer {
    Ok(json(StatusCode::OK, &DoneMessage { done: outcome? }))
}

/// Reads a request's JSON.
async fn read<T: DeserializeOwned>(request: Request<Incoming>) -> Result<T, Refusal> {
    let body = Limited::new(request.into_body(), BODY_BYTES_MAX).collect().await;
    let body = body.map_err(|error| Refusal(StatusCode::BAD_REQUEST, format!("reading the body: {error}")))?;
    // The position is enough: the error's own words may quote a secret.
    serde_json::from_slice(&body.to_bytes()).map_err(|error| {
        Refusal(StatusCode::BAD_REQUEST, format!("the body is not the JSON expected (column {})", error.column()))
    })
}

/// A JSON answer.
fn json(status: StatusCode, message: &impl Serialize) -> Response<Full<Bytes>> {
    match serde_json::to_string(message) {
        Ok(body) => text(status, "application/json", body),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", error.to_string()),
    }
}

/// An answer.
fn text(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    response
}

/// There is nothing there.
fn not_found() -> Refusal {
    Refusal(StatusCode::NOT_FOUND, "there is nothing here".to_owned())
}

/// The status of an identity error.
fn refusal(error: &IdentityError) -> Refusal {
    let status = match error {
        IdentityError::NoSuchAccount | IdentityError::NoSuchUser | IdentityError::NoSuchKey => StatusCode::NOT_FOUND,
        IdentityError::Exists(_) | IdentityError::NotEmpty(_) => StatusCode::CONFLICT,
        IdentityError::Invalid(_) => StatusCode::BAD_REQUEST,
        IdentityError::Engine(EngineError::Unavailable(_)) => StatusCode::SERVICE_UNAVAILABLE,
        IdentityError::Sealed | IdentityError::Engine(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    Refusal(status, error.to_string())
}

/// An account as JSON says it.
fn account_message(account: &Account) -> AccountMessage {
    AccountMessage { name: account.name.to_string(), id: account.id.to_string(), created_ms: account.created.0 / 1000 }
}

/// A user as JSON says it.
fn user_message(user: &User) -> UserMessage {
    let access_keys = user.access_keys.iter().map(ToString::to_string).collect();
    UserMessage { name: user.name.to_string(), admin: user.admin, access_keys }
}
