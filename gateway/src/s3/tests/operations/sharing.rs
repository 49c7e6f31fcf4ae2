//! What a bucket's owner lets others do: policies and lists of buckets and objects, object ownership, public access blocks;
//! and those others: users, other accounts, callers that do not sign.

use tokio::io::AsyncReadExt as _;

use super::bodies::crc32;
use super::client::{Defect, PayloadMode, Place};
use super::*;
use crate::front::tests::Keys;
use crate::identity::NewUser;
use crate::s3::NewBuckets;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Owner,
    Other,
    Nobody,
}

const ALL: [By; 3] = [By::Owner, By::Other, By::Nobody];

impl S3Server {
    /// With an empty bucket that its owner alone may use, where lists would count and nothing is blocked.
    async fn open() -> Self {
        let face = S3 { new_buckets: NewBuckets::Open, ..S3::default() };
        let server = Self::without_bucket(ServerSettings::default(), FrontSettings::default(), face).await;
        assert_eq!(server.send(&server.ask("PUT", "/bkt")).await.status, 200);
        server
    }

    fn ask_by(&self, by: By, method: &str, target: &str) -> Ask {
        let ask = self.ask(method, target);
        let other: Keys = self.world.other.clone();
        match by {
            By::Owner => ask,
            By::Other => Ask { keys: other, ..ask },
            By::Nobody => ask.how(Place::Header, PayloadMode::Unsigned, Defect::Anonymous),
        }
    }

    async fn send_by(&self, by: By, method: &str, target: &str) -> (u16, String) {
        told(&self.send(&self.ask_by(by, method, target)).await)
    }

    async fn document_by(&self, by: By, target: &str, document: &str) -> (u16, String) {
        let ask = self.ask_by(by, "PUT", target).header("x-amz-checksum-crc32", &crc32(document.as_bytes()));
        told(&self.send(&ask.body(document)).await)
    }

    async fn set(&self, target: &str, document: &str) {
        let answer = self.document_by(By::Owner, target, document).await;
        assert!(matches!(answer.0, 200 | 204), "{target} {document}: {answer:?}");
    }

    async fn text_of(&self, target: &str) -> String {
        let answer = self.send(&self.ask("GET", target)).await;
        assert_eq!(answer.status, 200, "{target}: {answer:?}");
        answer.text().to_owned()
    }

    async fn id(&self, account: &str) -> Box<str> {
        self.world.identity.account(account).await.unwrap().id
    }

    async fn number(&self, account: &str) -> Box<str> {
        self.world.identity.account(account).await.unwrap().number
    }
}

fn told(answer: &Answer) -> (u16, String) {
    (answer.status, answer.code().to_owned())
}

fn denied() -> (u16, String) {
    (403, "AccessDenied".to_owned())
}

fn refused(code: &str) -> (u16, String) {
    (400, code.to_owned())
}

fn done(status: u16) -> (u16, String) {
    (status, String::new())
}

fn policy(statements: &[String]) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, statements.join(","))
}

fn statement(effect: &str, principal: &str, actions: &str, resource: &str) -> String {
    format!(
        r#"{{"Effect":"{effect}","Principal":{principal},"Action":"{actions}","Resource":"arn:aws:s3:::{resource}"}}"#
    )
}

fn public(actions: &str, resource: &str) -> String {
    policy(&[statement("Allow", "\"*\"", actions, resource)])
}

fn block(flags: &[&str]) -> String {
    let flags: String = flags.iter().map(|flag| format!("<{flag}>true</{flag}>")).collect();
    format!("<PublicAccessBlockConfiguration>{flags}</PublicAccessBlockConfiguration>")
}

fn ownership(word: &str) -> String {
    format!("<OwnershipControls><Rule><ObjectOwnership>{word}</ObjectOwnership></Rule></OwnershipControls>")
}

fn grants(owner: &str, grants: &[(&str, &str)]) -> String {
    let grant = |(grantee, permission): &(&str, &str)| {
        format!("<Grant><Grantee>{grantee}</Grantee><Permission>{permission}</Permission></Grant>")
    };
    let grants: String = grants.iter().map(grant).collect();
    format!(
        "<AccessControlPolicy><Owner><ID>{owner}</ID></Owner><AccessControlList>{grants}</AccessControlList>\
         </AccessControlPolicy>"
    )
}

#[tokio::test]
async fn a_new_bucket_is_closed_unless_buckets_are_made_open() {
    let closed = S3Server::new().await;
    assert!(closed.text_of("/bkt?ownershipControls").await.contains(">BucketOwnerEnforced<"));
    assert_eq!(closed.text_of("/bkt?publicAccessBlock").await.matches(">true<").count(), 4);
    assert_eq!(closed.send_by(By::Owner, "GET", "/bkt?policy").await, (404, "NoSuchBucketPolicy".to_owned()));
    assert_eq!(closed.document_by(By::Owner, "/bkt?policy", &public("s3:GetObject", "bkt/*")).await, denied());
    let open = S3Server::open().await;
    for (target, code) in [
        ("/bkt?ownershipControls", "OwnershipControlsNotFoundError"),
        ("/bkt?publicAccessBlock", "NoSuchPublicAccessBlockConfiguration"),
        ("/bkt?policyStatus", "NoSuchBucketPolicy"),
    ] {
        assert_eq!(open.send_by(By::Owner, "GET", target).await, (404, code.to_owned()));
    }
    open.set("/bkt?policy", &public("s3:GetObject", "bkt/*")).await;
}

#[tokio::test]
async fn a_bucket_that_is_created_again_has_the_list_that_is_asked_for_then() {
    let server = S3Server::open().await;
    let create = |acl| server.ask("PUT", "/bkt").header("x-amz-acl", acl);
    assert_eq!(told(&server.send(&create("public-read")).await), done(200));
    let list = server.text_of("/bkt?acl").await;
    let (of_all, of_owner) = (list.find("<Permission>READ<").unwrap(), list.find("<Permission>FULL_CONTROL<").unwrap());
    assert!(of_all < of_owner, "groups first: {list}");
    assert_eq!(server.send_by(By::Nobody, "GET", "/bkt").await, done(200));
    assert_eq!(server.send_by(By::Owner, "PUT", "/bkt").await, done(200));
    assert_eq!(server.send_by(By::Nobody, "GET", "/bkt").await, denied());
    assert_eq!(server.send_by(By::Other, "PUT", "/bkt").await, (409, "BucketAlreadyExists".to_owned()));
    server.set("/bkt?publicAccessBlock", &block(&["BlockPublicAcls"])).await;
    assert_eq!(told(&server.send(&create("public-read")).await), denied());
    server.set("/bkt?ownershipControls", &ownership("BucketOwnerEnforced")).await;
    assert_eq!(told(&server.send(&create("public-read")).await), refused("AccessControlListNotSupported"));
    assert_eq!(server.send_by(By::Owner, "PUT", "/bkt").await, done(200));
}

#[tokio::test]
async fn a_bucket_is_not_created_again_where_the_region_is_not_the_first() {
    let regions = vec!["eu-central-9".to_owned(), "us-east-1".to_owned()];
    let face = S3 { regions, new_buckets: NewBuckets::Open, ..S3::default() };
    let server = S3Server::without_bucket(ServerSettings::default(), FrontSettings::default(), face).await;
    assert_eq!(server.send_by(By::Owner, "PUT", "/bkt").await, done(200));
    let again = server.ask("PUT", "/bkt").header("x-amz-acl", "public-read");
    assert_eq!(told(&server.send(&again).await), (409, "BucketAlreadyOwnedByYou".to_owned()));
    assert!(!server.text_of("/bkt?acl").await.contains("AllUsers"));
}

#[tokio::test]
async fn documents_come_back_and_go() {
    let server = S3Server::open().await;
    let own = policy(&[statement("Allow", "{\"AWS\":[\"*\"]}", "s3:Get*", "bkt/*")]);
    server.set("/bkt?policy", &own).await;
    let answer = server.send(&server.ask("GET", "/bkt?policy")).await;
    assert_eq!((answer.header("content-type"), answer.text()), (Some("application/json"), own.as_str()));
    assert!(server.text_of("/bkt?policyStatus").await.contains("<IsPublic>true</IsPublic>"));
    server.set("/bkt?publicAccessBlock", &block(&["BlockPublicAcls", "RestrictPublicBuckets"])).await;
    let shown = server.text_of("/bkt?publicAccessBlock").await;
    assert!(shown.contains("<BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>false<"), "{shown}");
    server.set("/bkt?ownershipControls", &ownership("BucketOwnerPreferred")).await;
    assert!(server.text_of("/bkt?ownershipControls").await.contains(">BucketOwnerPreferred<"));
    for (target, code) in [
        ("/bkt?policy", "NoSuchBucketPolicy"),
        ("/bkt?publicAccessBlock", "NoSuchPublicAccessBlockConfiguration"),
        ("/bkt?ownershipControls", "OwnershipControlsNotFoundError"),
    ] {
        assert_eq!(server.send_by(By::Owner, "DELETE", target).await, done(204));
        assert_eq!(server.send_by(By::Owner, "GET", target).await, (404, code.to_owned()));
    }
    for (target, document, code) in [
        ("/bkt?policy", "{}".to_owned(), "MalformedPolicy"),
        ("/bkt?policy", public("s3:GetObject", "another/*"), "MalformedPolicy"),
        ("/bkt?ownershipControls", ownership("Nobody"), "MalformedXML"),
        ("/bkt?publicAccessBlock", "<Other/>".to_owned(), "MalformedXML"),
    ] {
        assert_eq!(server.document_by(By::Owner, target, &document).await, refused(code), "{document}");
    }
}

#[tokio::test]
async fn a_policy_names_principals_that_are_there() {
    let server = S3Server::new().await;
    let allows =
        |arn: &str| policy(&[statement("Allow", &format!("{{\"AWS\":\"arn:aws:{arn}\"}}"), "s3:GetObject", "bkt/*")]);
    let identity = &server.world.identity;
    let other = identity.account("other").await.unwrap();
    let bob = NewUser { path: "/team/".into(), ..NewUser::of_name("bob") };
    identity.create_user(&other, bob).await.unwrap();
    let number = &other.number;
    for unknown in [
        "iam::111122223333:root".to_owned(),
        format!("iam::{number}:user/team/ann"),
        format!("iam::{number}:user/bob"),
        format!("iam::{number}:role/team/bob"),
        format!("sts::{number}:assumed-role/bob/session"),
    ] {
        let put = server.document_by(By::Owner, "/bkt?policy", &allows(&unknown)).await;
        assert_eq!(put, refused("MalformedPolicy"), "{unknown}");
    }
    for known in ["user/team/bob", "root"] {
        let known = allows(&format!("iam::{number}:{known}"));
        assert_eq!(server.document_by(By::Owner, "/bkt?policy", &known).await, done(204), "{known}");
    }
    assert!(server.text_of("/bkt?policyStatus").await.contains("<IsPublic>false</IsPublic>"));
}

#[tokio::test]
async fn a_policy_opens_a_bucket_to_those_that_it_names_and_no_further() {
    let server = S3Server::new().await;
    server.put("k", "hello").await;
    server.put("shut/k", "hidden").await;
    assert_eq!(server.send_by(By::Other, "GET", "/bkt/k").await, denied());
    let principal = format!("{{\"AWS\":\"{}\"}}", server.number("other").await);
    let statements = [
        statement("Allow", &principal, "s3:*Object", "bkt/*"),
        statement("Allow", &principal, "s3:ListBucket", "bkt"),
        statement("Deny", "\"*\"", "s3:*", "bkt/shut/*"),
    ];
    server.set("/bkt?policy", &policy(&statements)).await;
    assert_eq!(server.send(&server.ask_by(By::Other, "GET", "/bkt/k")).await.body, b"hello");
    assert_eq!(server.send_by(By::Other, "PUT", "/bkt/new").await, done(200));
    assert_eq!(server.send_by(By::Other, "GET", "/bkt").await, done(200));
    assert_eq!(server.send_by(By::Other, "GET", "/bkt/none").await, (404, "NoSuchKey".to_owned()));
    for (method, target) in [("GET", "/bkt/shut/k"), ("GET", "/bkt?policy"), ("GET", "/bkt/k?tagging")] {
        assert_eq!(server.send_by(By::Other, method, target).await, denied(), "{method} {target}");
    }
    assert_eq!(server.send_by(By::Nobody, "GET", "/bkt/k").await, denied());
    assert_eq!(server.send_by(By::Owner, "GET", "/bkt/shut/k").await, denied(), "a denial is for the owner, too");
    assert_eq!(server.send_by(By::Owner, "DELETE", "/bkt?policy").await, done(204));
    assert_eq!(server.send_by(By::Other, "GET", "/bkt/k").await, denied());
    assert_eq!(server.send_by(By::Owner, "GET", "/bkt/shut/k").await, done(200));
}

#[tokio::test]
async fn a_public_policy_serves_those_who_do_not_sign_until_it_is_blocked() {
    let server = S3Server::new().await;
    server.put("k", "hello").await;
    assert_eq!(server.send_by(By::Owner, "DELETE", "/bkt?publicAccessBlock").await, done(204));
    server.set("/bkt?policy", &public("s3:GetObject", "bkt/*")).await;
    for by in ALL {
        assert_eq!(server.send(&server.ask_by(by, "GET", "/bkt/k")).await.body, b"hello", "{by:?}");
    }
    for (method, target) in [("GET", "/bkt/none"), ("PUT", "/bkt/k"), ("GET", "/bkt"), ("DELETE", "/bkt/k")] {
        assert_eq!(server.send_by(By::Nobody, method, target).await, denied(), "{method} {target}");
    }
    assert_eq!(server.send_by(By::Nobody, "GET", "/").await, denied());
    assert_eq!(server.send_by(By::Nobody, "PUT", "/mine").await, denied());
    assert_eq!(server.send_by(By::Nobody, "GET", "/none/k").await, (404, "NoSuchBucket".to_owned()));
    server.set("/bkt?publicAccessBlock", &block(&["RestrictPublicBuckets"])).await;
    assert_eq!(server.send_by(By::Nobody, "GET", "/bkt/k").await, denied());
    assert_eq!(server.send_by(By::Owner, "GET", "/bkt/k").await, done(200));
    server.set("/bkt?publicAccessBlock", &block(&["BlockPublicPolicy"])).await;
    assert_eq!(server.send_by(By::Nobody, "GET", "/bkt/k").await, done(200), "it was put before");
    assert_eq!(server.document_by(By::Owner, "/bkt?policy", &public("s3:GetObject", "bkt/*")).await, denied());
}

#[tokio::test]
async fn the_block_of_an_account_is_one_of_all_its_buckets() {
    let server = S3Server::open().await;
    server.put("k", "hello").await;
    server.set("/bkt?policy", &public("s3:GetObject", "bkt/*")).await;
    assert_eq!(server.send_by(By::Nobody, "GET", "/bkt/k").await, done(200));
    let account = server.world.identity.account("acme").await.unwrap();
    let block = crate::identity::PublicAccessBlock { restrict_public_buckets: true, ..Default::default() };
    server.world.identity.set_account_block(&account, block).await.unwrap();
    assert_eq!(server.send_by(By::Nobody, "GET", "/bkt/k").await, denied());
    assert_eq!(server.send_by(By::Owner, "GET", "/bkt/k").await, done(200));
}

#[tokio::test]
async fn a_document_that_cannot_be_read_denies() {
    let server = S3Server::open().await;
    server.put("k", "hello").await;
    server.set("/bkt?policy", &public("s3:GetObject", "bkt/*")).await;
    for document in [crate::engine::BucketDocument::Policy, crate::engine::BucketDocument::OwnershipControls] {
        let engine = &server.world.cluster.engine;
        let bucket = engine.resolve_bucket_now("bkt").await.unwrap();
        let before = bucket.document(document).cloned();
        engine.put_document(&bucket, document, Some(bytes::Bytes::from_static(b"\xff?"))).await.unwrap();
        for by in ALL {
            assert_eq!(server.send_by(by, "GET", "/bkt/k").await, denied(), "{document:?} {by:?}");
        }
        let bucket = engine.resolve_bucket_now("bkt").await.unwrap();
        engine.put_document(&bucket, document, before).await.unwrap();
        assert_eq!(server.send_by(By::Nobody, "GET", "/bkt/k").await, done(200), "{document:?}");
    }
}

#[tokio::test]
async fn lists_do_not_count_where_the_bucket_owner_owns_all() {
    let server = S3Server::new().await;
    server.put("k", "hello").await;
    let (own, other) = (server.id("acme").await, server.id("other").await);
    let own_grant = format!("<ID>{own}</ID>");
    for target in ["/bkt?acl", "/bkt/k?acl"] {
        let canned = |name: &str| server.ask("PUT", target).header("x-amz-acl", name);
        for name in ["private", "public-read"] {
            assert_eq!(told(&server.send(&canned(name)).await), refused("AccessControlListNotSupported"));
        }
        assert_eq!(server.send(&canned("bucket-owner-full-control")).await.status, 200);
        let theirs = grants(&own, &[(&format!("<ID>{other}</ID>"), "READ")]);
        assert_eq!(
            server.document_by(By::Owner, target, &theirs).await,
            refused("AccessControlListNotSupported"),
            "{target}"
        );
        server.set(target, &grants(&own, &[(&own_grant, "FULL_CONTROL")])).await;
        assert_eq!(server.text_of(target).await.matches("<Grant>").count(), 1);
    }
    let put = |name: &str| server.ask("PUT", "/bkt/new").header("x-amz-acl", name);
    assert_eq!(told(&server.send(&put("public-read")).await), refused("AccessControlListNotSupported"));
    for true_anyway in ["bucket-owner-full-control", "private"] {
        assert_eq!(server.send(&put(true_anyway)).await.status, 200, "{true_anyway}");
    }
    let strict = S3Server::open().await;
    strict.set("/bkt?ownershipControls", &ownership("BucketOwnerEnforced")).await;
    assert_eq!(
        told(&strict.send(&strict.ask("PUT", "/bkt/new").header("x-amz-acl", "private")).await),
        refused("AccessControlListNotSupported"),
        "as on S3"
    );
    let create = |name: &str| server.ask("PUT", "/made").header("x-amz-acl", name);
    assert_eq!(
        told(&server.send(&create("public-read")).await),
        refused("InvalidBucketAclWithObjectOwnership"),
        "its creation would have to say so"
    );
    let preferred = create("public-read").header("x-amz-object-ownership", "BucketOwnerPreferred");
    assert_eq!(told(&server.send(&preferred).await), refused("InvalidBucketAclWithBlockPublicAccessError"));
    assert_eq!(server.send(&create("private")).await.status, 200);
}

#[tokio::test]
async fn a_list_opens_a_bucket_to_its_grantees() {
    let server = S3Server::open().await;
    server.put("k", "hello").await;
    for (canned, lists, writes) in [
        ("private", [true, false, false], [true, false, false]),
        ("public-read", [true, true, true], [true, false, false]),
        ("public-read-write", [true, true, true], [true, true, true]),
        ("authenticated-read", [true, true, false], [true, false, false]),
    ] {
        assert_eq!(server.send(&server.ask("PUT", "/bkt?acl").header("x-amz-acl", canned)).await.status, 200);
        for (by, (lists, writes)) in ALL.into_iter().zip(lists.into_iter().zip(writes)) {
            let expected = |may: bool| if may { done(200) } else { denied() };
            assert_eq!(server.send_by(by, "GET", "/bkt").await, expected(lists), "{canned} {by:?}");
            assert_eq!(server.send_by(by, "PUT", &format!("/bkt/{by:?}")).await, expected(writes), "{canned} {by:?}");
            if by != By::Owner {
                assert_eq!(server.send_by(by, "GET", "/bkt/k").await, denied(), "of objects it says nothing");
                assert_eq!(server.send_by(by, "DELETE", "/bkt/k").await, denied(), "{canned} {by:?}");
            }
        }
    }
    let ids = [server.id("acme").await, server.id("other").await];
    let by_id = format!("id=\"{}\"", ids[1]);
    let ask = server.ask("PUT", "/bkt?acl").header("x-amz-grant-read-acp", &by_id);
    assert_eq!(server.send(&ask).await.status, 200);
    assert_eq!(server.send_by(By::Other, "GET", "/bkt?acl").await, done(200));
    assert_eq!(server.send_by(By::Other, "GET", "/bkt").await, denied());
    let shown = server.text_of("/bkt?acl").await;
    let grantee = format!("xsi:type=\"CanonicalUser\"><ID>{}</ID><DisplayName>other</DisplayName></Grantee>", ids[1]);
    assert!(shown.contains(&format!("{grantee}<Permission>READ_ACP</Permission>")), "{shown}");
    assert!(shown.contains(&format!("<Owner><ID>{}</ID><DisplayName>acme</DisplayName></Owner>", ids[0])), "{shown}");
}

#[tokio::test]
async fn grantees_are_found_by_id_address_and_group_or_refused() {
    let server = S3Server::open().await;
    let identity = &server.world.identity;
    let ann = identity.create_account("ann", Some("Ann@example.com")).await.unwrap();
    for name in ["bob", "eve"] {
        identity.create_account(name, Some("shared@example.com")).await.unwrap();
    }
    let own = server.id("acme").await;
    let email = |address: &str| format!("<EmailAddress>{address}</EmailAddress>");
    server.set("/bkt?acl", &grants(&own, &[(&email("ann@example.com"), "READ")])).await;
    assert!(server.text_of("/bkt?acl").await.contains(&format!("<ID>{}</ID><DisplayName>ann<", ann.id)));
    for (grantee, code) in [
        (email("nobody@example.com"), "UnresolvableGrantByEmailAddress"),
        (email("shared@example.com"), "AmbiguousGrantByEmailAddress"),
        ("<ID>0123</ID>".to_owned(), "InvalidArgument"),
        (format!("<ID>{}</ID>", "0".repeat(64)), "InvalidArgument"),
        ("<URI>http://acs.amazonaws.com/groups/global/Nobody</URI>".to_owned(), "InvalidArgument"),
    ] {
        let document = grants(&own, &[(&grantee, "READ")]);
        assert_eq!(server.document_by(By::Owner, "/bkt?acl", &document).await, refused(code), "{grantee}");
    }
    let of_another = grants(&ann.id, &[(&email("ann@example.com"), "READ")]);
    assert_eq!(server.document_by(By::Owner, "/bkt?acl", &of_another).await, denied());
    let empty = server.ask("PUT", "/bkt?acl");
    assert_eq!(told(&server.send(&empty).await), refused("MissingSecurityHeader"));
    let both = server.ask("PUT", "/bkt?acl").header("x-amz-acl", "private").body("<AccessControlPolicy/>");
    assert_eq!(told(&server.send(&both).await), refused("UnexpectedContent"));
    identity.delete_account("ann").await.unwrap();
    let again = grants(&own, &[(&email("ann@example.com"), "READ")]);
    assert_eq!(
        server.document_by(By::Owner, "/bkt?acl", &again).await,
        refused("UnresolvableGrantByEmailAddress"),
        "the account is gone"
    );
}

#[tokio::test]
async fn a_list_opens_an_object_to_its_grantees() {
    let server = S3Server::open().await;
    let put = server.ask("PUT", "/bkt/k").header("x-amz-acl", "public-read").body("hello");
    assert_eq!(server.send(&put).await.status, 200);
    for by in ALL {
        assert_eq!(server.send(&server.ask_by(by, "GET", "/bkt/k")).await.body, b"hello", "{by:?}");
    }
    assert_eq!(server.send_by(By::Nobody, "GET", "/bkt/k?acl").await, denied());
    let before = server.get("k").await.header("last-modified").unwrap().to_owned();
    let ask = server.ask("PUT", "/bkt/k?acl").header("x-amz-acl", "authenticated-read");
    assert_eq!(server.send(&ask).await.status, 200);
    assert_eq!(server.send_by(By::Nobody, "GET", "/bkt/k").await, denied());
    assert_eq!(server.send_by(By::Other, "GET", "/bkt/k").await, done(200));
    assert_eq!(server.get("k").await.header("last-modified"), Some(before.as_str()));
    let copy = server.ask("PUT", "/bkt/copy").header("x-amz-copy-source", "/bkt/k");
    assert_eq!(server.send(&copy).await.status, 200);
    assert_eq!(server.send_by(By::Other, "GET", "/bkt/copy").await, denied(), "a copy has a list of its own");
    server.set("/bkt?publicAccessBlock", &block(&["IgnorePublicAcls"])).await;
    assert_eq!(server.send_by(By::Other, "GET", "/bkt/k").await, denied());
    assert_eq!(server.text_of("/bkt/k?acl").await.matches("<Grant>").count(), 1, "what counts is shown");
    server.set("/bkt?publicAccessBlock", &block(&["BlockPublicAcls"])).await;
    assert_eq!(server.send_by(By::Other, "GET", "/bkt/k").await, done(200));
    for (target, name) in [("/bkt/k?acl", "public-read"), ("/bkt/x", "public-read"), ("/bkt?acl", "public-read")] {
        let public = server.ask("PUT", target).header("x-amz-acl", name);
        assert_eq!(told(&server.send(&public).await), denied(), "{target}");
    }
    server.set("/bkt?ownershipControls", &ownership("BucketOwnerEnforced")).await;
    assert_eq!(server.send_by(By::Other, "GET", "/bkt/k").await, denied(), "lists do not count any more");
}

/// An upload's list is its object's; and each version has its own.
#[tokio::test]
async fn lists_of_uploads_and_versions_are_their_own() {
    let server = S3Server::open().await;
    let versioned = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    server.set("/bkt?versioning", versioned).await;
    let create = server.ask("POST", "/bkt/m?uploads").header("x-amz-acl", "public-read");
    let created = server.send(&create).await;
    let upload = created.between("<UploadId>", "</UploadId>").to_owned();
    let part = server.send(&server.ask("PUT", &format!("/bkt/m?partNumber=1&uploadId={upload}")).body("part")).await;
    let etag = part.header("etag").unwrap().to_owned();
    let complete = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
    );
    let done_with = server.send(&server.ask("POST", &format!("/bkt/m?uploadId={upload}")).body(&complete)).await;
    assert_eq!(done_with.status, 200, "{done_with:?}");
    let first = done_with.header("x-amz-version-id").unwrap().to_owned();
    assert_eq!(server.send(&server.ask_by(By::Nobody, "GET", "/bkt/m")).await.body, b"part");
    server.put("m", "second").await;
    assert_eq!(server.send_by(By::Nobody, "GET", "/bkt/m").await, denied());
    let of_first = format!("/bkt/m?versionId={first}");
    assert_eq!(server.send(&server.ask_by(By::Nobody, "GET", &of_first)).await.body, b"part");
    let hide = server.ask("PUT", &format!("/bkt/m?acl&versionId={first}")).header("x-amz-acl", "private");
    assert_eq!(server.send(&hide).await.status, 200);
    assert_eq!(server.send_by(By::Nobody, "GET", &of_first).await, denied());
}

#[tokio::test]
async fn an_object_belongs_to_its_writer_or_to_the_bucket_as_its_owner_says() {
    let server = S3Server::open().await;
    let (own, other) = (server.id("acme").await, server.id("other").await);
    assert_eq!(server.send(&server.ask("PUT", "/bkt?acl").header("x-amz-acl", "public-read-write")).await.status, 200);
    let put = |key: &str, acl: &str| {
        let ask = server.ask_by(By::Other, "PUT", &format!("/bkt/{key}")).body("theirs");
        if acl.is_empty() { ask } else { ask.header("x-amz-acl", acl) }
    };
    let owner = async |key: &str| {
        let shown = server.send(&server.ask_by(By::Other, "GET", &format!("/bkt/{key}?acl"))).await;
        let shown =
            if shown.status == 200 { shown } else { server.send(&server.ask("GET", &format!("/bkt/{key}?acl"))).await };
        shown.between("<Owner><ID>", "</ID>").to_owned()
    };
    assert_eq!(server.send(&put("a", "")).await.status, 200);
    assert_eq!(owner("a").await, *other);
    assert_eq!(server.send_by(By::Owner, "GET", "/bkt/a").await, denied(), "it is the writer's");
    assert!(server.text_of("/bkt").await.contains(&format!("<Owner><ID>{other}</ID><DisplayName>other<")));
    assert_eq!(server.send(&put("b", "bucket-owner-full-control")).await.status, 200);
    assert_eq!(owner("b").await, *other);
    assert_eq!(server.send_by(By::Owner, "GET", "/bkt/b").await, done(200));
    server.set("/bkt?ownershipControls", &ownership("BucketOwnerPreferred")).await;
    assert_eq!(server.send(&put("c", "")).await.status, 200);
    assert_eq!(owner("c").await, *other);
    assert_eq!(
        server.send_by(By::Other, "DELETE", "/bkt/c").await,
        done(204),
        "it may write, and the object is its own"
    );
    let enforced = server.document_by(By::Owner, "/bkt?ownershipControls", &ownership("BucketOwnerEnforced")).await;
    assert_eq!(enforced, refused("InvalidBucketAclWithObjectOwnership"));
    assert_eq!(server.send(&server.ask("PUT", "/bkt?acl").header("x-amz-acl", "private")).await.status, 200);
    server.set("/bkt?ownershipControls", &ownership("BucketOwnerEnforced")).await;
    assert_eq!(server.send_by(By::Owner, "GET", "/bkt/a").await, done(200));
    assert_eq!(owner("a").await, *own);
    assert_eq!(server.send_by(By::Other, "GET", "/bkt/a").await, denied());
}

/// With `BucketOwnerPreferred` full control for the bucket's owner gives it the object; the right to say so is the bucket
/// owner's to give.
#[tokio::test]
async fn full_control_gives_the_object_to_a_bucket_owner_that_prefers_so() {
    let server = S3Server::open().await;
    server.set("/bkt?ownershipControls", &ownership("BucketOwnerPreferred")).await;
    let principal = format!("{{\"AWS\":\"{}\"}}", server.number("other").await);
    let put = server.ask_by(By::Other, "PUT", "/bkt/k").header("x-amz-acl", "bucket-owner-full-control");
    server.set("/bkt?policy", &policy(&[statement("Allow", &principal, "s3:PutObject", "bkt/*")])).await;
    assert_eq!(told(&server.send(&put).await), denied());
    server.set("/bkt?policy", &policy(&[statement("Allow", &principal, "s3:PutObject*", "bkt/*")])).await;
    assert_eq!(server.send(&put).await.status, 200);
    let shown = server.text_of("/bkt/k?acl").await;
    assert!(shown.contains(&format!("<Owner><ID>{}</ID>", server.id("acme").await)), "{shown}");
}

#[tokio::test]
async fn a_missing_key_of_a_bucket_with_lists_is_told_to_those_who_may_list() {
    let server = S3Server::open().await;
    for by in [By::Other, By::Nobody] {
        assert_eq!(server.send_by(by, "GET", "/bkt/none").await, denied());
    }
    assert_eq!(server.send(&server.ask("PUT", "/bkt?acl").header("x-amz-acl", "public-read")).await.status, 200);
    for by in [By::Other, By::Nobody] {
        assert_eq!(server.send_by(by, "GET", "/bkt/none").await, (404, "NoSuchKey".to_owned()));
        assert_eq!(server.send_by(by, "DELETE", "/bkt/none").await, denied());
    }
}

#[tokio::test]
async fn a_policy_goes_by_the_tags_of_an_object() {
    let server = S3Server::new().await;
    for (key, tag) in [("open", "class=public"), ("shut", "class=secret"), ("plain", "")] {
        let put = server.ask("PUT", &format!("/bkt/{key}")).header("x-amz-tagging", tag).body(key);
        assert_eq!(server.send(&put).await.status, 200);
    }
    let principal = format!("{{\"AWS\":\"{}\"}}", server.number("other").await);
    let condition = r#","Condition":{"StringEquals":{"s3:ExistingObjectTag/class":"public"}}}"#;
    let allows = statement("Allow", &principal, "s3:GetObject", "bkt/*");
    let allows = [allows.strip_suffix('}').unwrap(), condition].concat();
    server.set("/bkt?policy", &policy(&[allows])).await;
    assert_eq!(server.send(&server.ask_by(By::Other, "GET", "/bkt/open")).await.body, b"open");
    for key in ["shut", "plain", "none"] {
        assert_eq!(server.send_by(By::Other, "GET", &format!("/bkt/{key}")).await, denied(), "{key}");
    }
    let tagging = "<Tagging><TagSet><Tag><Key>class</Key><Value>secret</Value></Tag></TagSet></Tagging>";
    server.set("/bkt/open?tagging", tagging).await;
    assert_eq!(server.send_by(By::Other, "GET", "/bkt/open").await, denied());
}

/// What was allowed of a version is not done to it once it is another: the range says so, and it is decided again.
#[tokio::test]
async fn what_a_policy_allowed_of_an_object_is_decided_again_once_its_tags_are_others() {
    let server = S3Server::new().await;
    let put = server.ask("PUT", "/bkt/k").header("x-amz-tagging", "class=public").body("hello");
    assert_eq!(server.send(&put).await.status, 200);
    let principal = format!("{{\"AWS\":\"{}\"}}", server.number("other").await);
    let condition = r#","Condition":{"StringEquals":{"s3:ExistingObjectTag/class":"public"}}}"#;
    let allows = statement("Allow", &principal, "s3:PutObjectTagging", "bkt/*");
    server.set("/bkt?policy", &policy(&[[allows.strip_suffix('}').unwrap(), condition].concat()])).await;
    let tags =
        |value: &str| format!("<Tagging><TagSet><Tag><Key>class</Key><Value>{value}</Value></Tag></TagSet></Tagging>");
    for (meanwhile, expected) in [(None, done(200)), (Some("secret"), denied())] {
        server.set("/bkt/k?tagging", &tags("public")).await;
        let ask = server.ask_by(By::Other, "PUT", "/bkt/k?tagging").header("expect", "100-continue");
        let document = tags("public");
        let ask = ask.header("x-amz-checksum-crc32", &crc32(document.as_bytes())).body(document);
        let (head, body) = ask.head_and_body();
        let mut connection = wire::open(server.listener.address, &head).await;
        // It is asked for its body once it is authorized.
        let mut continues = [0; b"HTTP/1.1 100 Continue\r\n\r\n".len()];
        connection.read_exact(&mut continues).await.unwrap();
        assert!(continues.starts_with(b"HTTP/1.1 100 "));
        if let Some(value) = meanwhile {
            server.set("/bkt/k?tagging", &tags(value)).await;
        }
        wire::write(&mut connection, &body).await;
        assert_eq!(told(&wire::read(&mut connection).await), expected, "{meanwhile:?}");
        let kept = server.text_of("/bkt/k?tagging").await;
        assert!(kept.contains(meanwhile.unwrap_or("public")), "{kept}");
    }
}

/// A user with no policies of its own may use what a bucket's policy gives it by name.
#[tokio::test]
async fn buckets_are_listed_that_their_caller_may_list() {
    let server = S3Server::new().await;
    assert_eq!(server.send_by(By::Owner, "PUT", "/second").await, done(200));
    let identity = &server.world.identity;
    let account = identity.account("acme").await.unwrap();
    identity.create_user(&account, crate::identity::NewUser::of_name("ann")).await.unwrap();
    let owner = crate::identity::KeyOwner::User("ann");
    let made = identity.create_key(&account, owner, None, crate::identity::KeySettings::default()).await.unwrap();
    let secret = String::from_utf8(made.secret.expose().to_vec()).unwrap();
    let keys = Keys { access_key: made.access_key.to_string(), secret };
    let listed = async || {
        let answer = server.send(&Ask { keys: keys.clone(), ..server.ask("GET", "/") }).await;
        (told(&answer), answer.text().matches("<Name>").count())
    };
    assert_eq!(listed().await, (denied(), 0));
    let principal = format!("{{\"AWS\":\"arn:aws:iam::{}:user/ann\"}}", account.number);
    server.set("/second?policy", &policy(&[statement("Allow", &principal, "s3:ListBucket", "second")])).await;
    assert_eq!(listed().await, (done(200), 1));
    assert_eq!(server.text_of("/").await.matches("<Name>").count(), 2);
}
