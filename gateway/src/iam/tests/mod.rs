//! The query APIs as clients see them: a server in this process over a cluster in memory, spoken to in raw bytes that an
//! independent signer signed.

mod audit;
mod decided;
mod documents;
mod signed;
mod web;

use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;

use super::{Iam, is_meant};
use crate::front::server::ServerSettings;
use crate::front::tests::wire::Answer;
use crate::front::tests::{Keys, Listener, World, listen, wire};
use crate::front::{ByHead, FrontSettings};
use crate::identity::{ADMINISTRATOR_ACCESS, Account, KeyOwner, KeySettings, NewUser, PolicyTarget};
use crate::s3::S3;

const ALLOW_ALL: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
const TRUST_ALL: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":["sts:AssumeRole","sts:AssumeRoleWithWebIdentity"]}]}"#;

/// A listener of both faces.
struct IamServer {
    world: World,
    listener: Listener,
}

/// A request to be signed and sent.
#[derive(Clone)]
struct QueryAsk {
    method: &'static str,
    service: &'static str,
    form: Vec<(String, String)>,
    keys: Keys,
    token: Option<String>,
    headers: Vec<(&'static str, String)>,
    /// Seconds since 1970.
    at_s: u64,
}

impl QueryAsk {
    fn with(mut self, name: &str, value: &str) -> Self {
        self.form.push((name.to_owned(), value.to_owned()));
        self
    }

    fn of(mut self, keys: &Keys) -> Self {
        self.keys = keys.clone();
        self
    }

    fn encoded(&self) -> String {
        let encode = |text: &str| crate::aws::sigv4::canonical::encode(text.as_bytes(), false);
        self.form
            .iter()
            .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
            .collect::<Vec<_>>()
            .join("&")
    }

    fn wire(&self) -> Vec<u8> {
        let body = if self.method == "POST" { self.encoded() } else { String::new() };
        let target = if self.method == "POST" { "/".to_owned() } else { format!("/?{}", self.encoded()) };
        let mut headers = vec![("host", "localhost".to_owned())];
        headers.extend(self.headers.clone());
        let Keys { access_key, secret } = &self.keys;
        let credentials = Credentials::new(access_key, secret, self.token.clone(), None, "test").into();
        let parameters = v4::SigningParams::builder()
            .identity(&credentials)
            .region("eu-central-1")
            .name(self.service)
            .time(UNIX_EPOCH + Duration::from_secs(self.at_s))
            .settings(SigningSettings::default())
            .build()
            .unwrap()
            .into();
        let url = format!("http://localhost{target}");
        let pairs = headers.iter().map(|(name, value)| (*name, value.as_str()));
        let signable = SignableRequest::new(self.method, &url, pairs, SignableBody::Bytes(body.as_bytes())).unwrap();
        let (instructions, _) = sign(signable, &parameters).unwrap().into_parts();
        let mut head = format!("{} {target} HTTP/1.1\r\n", self.method);
        let signed = instructions.headers().map(|(name, value)| (name, value.to_owned()));
        for (name, value) in headers.iter().map(|(name, value)| (*name, value.clone())).chain(signed) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
        head.into_bytes()
    }
}

impl IamServer {
    async fn new() -> Self {
        Self::of(World::new().await).await
    }

    async fn of(world: World) -> Self {
        let faces = ByHead {
            is_first: is_meant,
            first: world.gateway(Iam, FrontSettings::default()),
            others: world.gateway(S3::default(), FrontSettings::default()),
        };
        let listener = listen(faces, ServerSettings::default(), None).await;
        Self { world, listener }
    }

    async fn account(&self) -> Account {
        self.world.identity.account("acme").await.unwrap()
    }

    /// A request of an administrator of the account.
    fn ask(&self, service: &'static str, action: &str) -> QueryAsk {
        QueryAsk {
            method: "POST",
            service,
            form: vec![("Action".to_owned(), action.to_owned())],
            keys: self.world.owner.clone(),
            token: None,
            headers: vec![("content-type", "application/x-www-form-urlencoded".to_owned())],
            at_s: self.world.cluster.env.clock.wall_ms() / 1000,
        }
    }

    async fn send(&self, ask: &QueryAsk) -> Answer {
        wire::exchange(self.listener.address, &ask.wire()).await
    }

    /// A user of the account without any policies.
    async fn user(&self, name: &str) -> Keys {
        let (identity, account) = (&self.world.identity, self.account().await);
        identity.create_user(&account, NewUser::of_name(name)).await.unwrap();
        let key = identity.create_key(&account, KeyOwner::User(name), None, KeySettings::default()).await.ok().unwrap();
        let secret = String::from_utf8(key.secret.expose().to_vec()).unwrap();
        Keys { access_key: key.access_key.to_string(), secret }
    }
}

impl Answer {
    /// Status and code.
    fn error(&self) -> (u16, &str) {
        (self.status, self.between("<Code>", "</Code>"))
    }
}
