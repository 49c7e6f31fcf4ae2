//! What policies of users, groups and access keys allow and deny, through the whole of S3.

use std::time::Duration;

use couronne_base::fair::Holder;
use couronne_base::network::Network;
use tokio::io::AsyncWriteExt as _;

use super::bodies::crc32;
use super::wire::open;
use super::*;
use crate::front::tests::Keys;
use crate::identity::{Account, KeyOwner, KeySettings, NewUser, PolicyTarget};

/// A user `ann` of the account that owns the bucket, with a key.
struct Ann<'a> {
    server: &'a S3Server,
    account: Account,
    keys: Keys,
}

impl<'a> Ann<'a> {
    async fn new(server: &'a S3Server) -> Self {
        let identity = &server.world.identity;
        let account = identity.account("acme").await.unwrap();
        identity.create_user(&account, NewUser::of_name("ann")).await.unwrap();
        let keys = key(server, &account, KeySettings::default()).await;
        Self { server, account, keys }
    }

    async fn put_policy(&self, statements: &str) {
        let document = policy(statements);
        let identity = &self.server.world.identity;
        identity.put_inline_policy(&self.account, PolicyTarget::User("ann"), "own", document.into()).await.unwrap();
    }

    fn ask(&self, method: &str, target: &str) -> Ask {
        Ask { keys: self.keys.clone(), ..self.server.ask(method, target) }
    }

    async fn send(&self, method: &str, target: &str) -> (u16, String) {
        self.answer(&self.ask(method, target)).await
    }

    async fn answer(&self, ask: &Ask) -> (u16, String) {
        let answer = self.server.send(ask).await;
        (answer.status, answer.code().to_owned())
    }
}

async fn key(server: &S3Server, account: &Account, settings: KeySettings) -> Keys {
    let made = server.world.identity.create_key(account, KeyOwner::User("ann"), None, settings).await.unwrap();
    let secret = String::from_utf8(made.secret.expose().to_vec()).unwrap();
    Keys { access_key: made.access_key.to_string(), secret }
}

fn policy(statements: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#)
}

fn statement(effect: &str, action: &str, resource: &str) -> String {
    format!(r#"{{"Effect":"{effect}","Action":"{action}","Resource":"{resource}"}}"#)
}

fn allow(action: &str, resource: &str) -> String {
    statement("Allow", action, &format!("arn:aws:s3:::{resource}"))
}

fn denied() -> (u16, String) {
    (403, "AccessDenied".to_owned())
}

fn done(status: u16) -> (u16, String) {
    (status, String::new())
}

#[tokio::test]
async fn a_user_without_policies_may_do_nothing() {
    let server = S3Server::new().await;
    server.put("k", "hello").await;
    let ann = Ann::new(&server).await;
    for (method, target) in [
        ("GET", "/"),
        ("PUT", "/new"),
        ("GET", "/bkt"),
        ("GET", "/bkt?versioning"),
        ("GET", "/bkt/k"),
        ("GET", "/bkt/none"),
        ("PUT", "/bkt/k"),
        ("DELETE", "/bkt/k"),
        ("POST", "/bkt/k?uploads"),
    ] {
        assert_eq!(ann.send(method, target).await, denied(), "{method} {target}");
    }
    assert_eq!(ann.send("HEAD", "/bkt").await.0, 403);
    assert_eq!(server.get("k").await.body, b"hello");
}

#[tokio::test]
async fn a_policy_allows_what_it_names_and_no_more() {
    let server = S3Server::new().await;
    for key in ["open/a", "shut/a"] {
        server.put(key, "hello").await;
    }
    let ann = Ann::new(&server).await;
    ann.put_policy(&allow("s3:*Object", "bkt/open/*")).await;
    assert_eq!(ann.send("GET", "/bkt/open/a").await, done(200));
    assert_eq!(ann.send("PUT", "/bkt/open/b").await, done(200));
    assert_eq!(ann.send("DELETE", "/bkt/open/b").await, done(204));
    for (method, target) in
        [("GET", "/bkt/shut/a"), ("PUT", "/bkt/shut/b"), ("GET", "/bkt"), ("GET", "/bkt/open/a?tagging"), ("GET", "/")]
    {
        assert_eq!(ann.send(method, target).await, denied(), "{method} {target}");
    }
    // What a header asks for is an action of its own.
    let tagged = ann.ask("PUT", "/bkt/open/b").header("x-amz-tagging", "a=b");
    assert_eq!(ann.answer(&tagged).await, denied());
    let copy = |source| ann.ask("PUT", "/bkt/open/c").header("x-amz-copy-source", source);
    assert_eq!(ann.answer(&copy("/bkt/shut/a")).await, denied());
    assert_eq!(ann.answer(&copy("/bkt/open/a")).await, done(200));
    // A version has actions of its own.
    assert_eq!(ann.send("GET", "/bkt/open/a?versionId=null").await, denied());
    ann.put_policy(&allow("s3:GetObjectVersion", "bkt/open/*")).await;
    assert_eq!(ann.send("GET", "/bkt/open/a?versionId=null").await, done(200));
    assert_eq!(ann.send("GET", "/bkt/open/a").await, denied());
}

/// The tests ask from 127.0.0.1, without TLS.
#[tokio::test]
async fn a_policy_asks_whence_a_request_comes() {
    const BY_PROXY: [(&str, &str); 2] = [("x-forwarded-for", "203.0.113.9"), ("x-forwarded-proto", "https")];
    let only_from = |network: &str| {
        let condition = format!(
            r#""Condition":{{"IpAddress":{{"aws:SourceIp":"{network}"}},"Bool":{{"aws:SecureTransport":"{}"}}}}"#,
            network != "127.0.0.0/8"
        );
        allow("s3:GetObject", "bkt/*").replace('}', &format!(",{condition}}}"))
    };
    for (trusted, from_itself, from_client) in [("127.0.0.0/8", 403, 200), ("10.0.0.0/8", 200, 403)] {
        let settings =
            ServerSettings { trusted_proxies: vec![Network::parse(trusted).unwrap()], ..ServerSettings::default() };
        let server = S3Server::without_bucket(settings, FrontSettings::default(), S3::default()).await;
        server.world.bucket("bkt", "acme").await;
        server.put("k", "hello").await;
        let ann = Ann::new(&server).await;
        let mut by_proxy = ann.ask("GET", "/bkt/k");
        for (name, value) in BY_PROXY {
            by_proxy = by_proxy.header(name, value);
        }
        ann.put_policy(&only_from("127.0.0.0/8")).await;
        assert_eq!(ann.answer(&by_proxy).await.0, from_itself, "{trusted}");
        assert_eq!(ann.send("GET", "/bkt/k").await, done(200), "{trusted}");
        ann.put_policy(&only_from("203.0.113.0/24")).await;
        assert_eq!(ann.answer(&by_proxy).await.0, from_client, "{trusted}");
        assert_eq!(ann.send("GET", "/bkt/k").await, denied(), "{trusted}");
    }
}

#[tokio::test]
async fn a_caller_that_may_not_list_is_not_told_what_is_missing() {
    let server = S3Server::new().await;
    server.put("k", "hello").await;
    let ann = Ann::new(&server).await;
    ann.put_policy(&allow("s3:GetObject*", "bkt/*")).await;
    for target in ["/bkt/none", "/bkt/none?tagging", "/bkt/none?versionId=null"] {
        assert_eq!(ann.send("GET", target).await, denied(), "{target}");
    }
    assert_eq!(ann.send("HEAD", "/bkt/none").await.0, 403);
    let both = [allow("s3:GetObject*", "bkt/*"), allow("s3:ListBucket", "bkt")].join(",");
    ann.put_policy(&both).await;
    assert_eq!(ann.send("GET", "/bkt/none").await, (404, "NoSuchKey".to_owned()));
    assert_eq!(ann.send("HEAD", "/bkt/none").await.0, 404);
}

#[tokio::test]
async fn each_key_of_a_batch_is_asked_for_by_itself() {
    let server = S3Server::new().await;
    for key in ["open/a", "shut/a"] {
        server.put(key, "hello").await;
    }
    let ann = Ann::new(&server).await;
    ann.put_policy(&allow("s3:DeleteObject", "bkt/open/*")).await;
    let object = |key: &str| format!("<Object><Key>{key}</Key></Object>");
    let document = format!("<Delete>{}{}</Delete>", object("open/a"), object("shut/a"));
    let ask = ann.ask("POST", "/bkt?delete").header("x-amz-checksum-crc32", &crc32(document.as_bytes()));
    let answer = server.send(&ask.body(&document)).await;
    assert_eq!(answer.status, 200);
    assert!(answer.text().contains("<Deleted><Key>open/a</Key></Deleted>"), "{}", answer.text());
    assert!(answer.text().contains("<Error><Key>shut/a</Key><Code>AccessDenied</Code>"), "{}", answer.text());
    assert_eq!(server.get("open/a").await.status, 404);
    assert_eq!(server.get("shut/a").await.body, b"hello");
}

#[tokio::test]
async fn a_denial_wins_and_groups_and_conditions_count() {
    let server = S3Server::new().await;
    let ann = Ann::new(&server).await;
    let identity = &server.world.identity;
    identity.create_group(&ann.account, "writers", "/").await.unwrap();
    identity.add_member(&ann.account, "writers", "ann").await.unwrap();
    let writes = policy(&allow("s3:PutObject", "bkt/*"));
    identity.put_inline_policy(&ann.account, PolicyTarget::Group("writers"), "writes", writes.into()).await.unwrap();
    assert_eq!(ann.send("PUT", "/bkt/a").await, done(200));
    ann.put_policy(&statement("Deny", "s3:PutObject", "arn:aws:s3:::bkt/kept/*")).await;
    assert_eq!(ann.send("PUT", "/bkt/a").await, done(200));
    assert_eq!(ann.send("PUT", "/bkt/kept/a").await, denied());
    let listing = r#"{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::bkt",
        "Condition":{"StringLike":{"s3:prefix":"home/${aws:username}/*"}}}"#;
    ann.put_policy(listing).await;
    assert_eq!(ann.send("GET", "/bkt?list-type=2&prefix=home%2Fann%2Fx").await, done(200));
    for target in ["/bkt?list-type=2&prefix=home%2Fbob%2Fx", "/bkt?list-type=2"] {
        assert_eq!(ann.send("GET", target).await, denied(), "{target}");
    }
}

#[tokio::test]
async fn a_policy_of_a_key_narrows_and_gives_nothing() {
    let server = S3Server::new().await;
    for key in ["open/a", "shut/a"] {
        server.put(key, "hello").await;
    }
    let mut ann = Ann::new(&server).await;
    ann.put_policy(&allow("s3:GetObject", "bkt/*")).await;
    let session = policy(&[allow("s3:GetObject", "bkt/open/*"), allow("s3:PutObject", "bkt/*")].join(","));
    let settings = KeySettings { session_policy: Some(session.into()), ..KeySettings::default() };
    ann.keys = key(&server, &ann.account, settings).await;
    assert_eq!(ann.send("GET", "/bkt/open/a").await, done(200));
    assert_eq!(ann.send("GET", "/bkt/shut/a").await, denied());
    assert_eq!(ann.send("PUT", "/bkt/open/b").await, denied(), "the user may not");
}

/// A batch of deletions is read before it is known that each is denied: meanwhile the bucket's account answers for nothing.
#[tokio::test]
async fn a_batch_in_anothers_bucket_counts_for_its_caller() {
    let world = World::new().await;
    world.bucket("bkt", "acme").await;
    let gateway = world.gateway(S3::default(), FrontSettings::default());
    let documents = gateway.documents.clone();
    let listener = listen(gateway, ServerSettings::default(), None).await;
    let server = S3Server { world, listener, http2: None };
    let ask = server.ask("POST", "/bkt?delete").header("x-amz-checksum-crc32", "AAAAAA==").body(vec![b'<'; 2_000_000]);
    let (head, body) = Ask { keys: server.world.other.clone(), ..ask }.head_and_body();
    let mut connection = open(server.listener.address, &head).await;
    connection.write_all(&body[..1_000_000]).await.unwrap();
    let identity = &server.world.identity;
    let [owner, caller] = [identity.account("acme").await.unwrap().id, identity.account("other").await.unwrap().id];
    let held = |account: &str| documents.held_by(&Holder::new([account]))[0];
    for _ in 0..200 {
        if held(&caller) > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(held(&caller) > 0 && held(&owner) == 0, "{} {}", held(&caller), held(&owner));
}
