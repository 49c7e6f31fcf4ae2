//! S3 Control: the public access block of an account, and tags of buckets by their ARNs.

use super::client::{Defect, PayloadMode, Place};
use super::*;
use crate::front::tests::Keys;

const BLOCK: &str = "/v20180820/configuration/publicAccessBlock";
const TAGS: &str = "/v20180820/tags/arn%3Aaws%3As3%3A%3A%3Abkt";
const ALL_BLOCKED: &str = "<PublicAccessBlockConfiguration xmlns=\"http://awss3control.amazonaws.com/doc/2018-08-20/\">\
    <BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls>\
    <BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets>\
    </PublicAccessBlockConfiguration>";

impl S3Server {
    /// A request of the owner's about its own account.
    async fn control(&self, method: &str, target: &str) -> Ask {
        let number = self.world.identity.account("acme").await.unwrap().number;
        self.ask(method, target).header("x-amz-account-id", &number)
    }

    async fn told(&self, ask: &Ask) -> (u16, String) {
        let answer = self.send(ask).await;
        (answer.status, answer.code().to_owned())
    }

    async fn tags(&self) -> String {
        let answer = self.send(&self.control("GET", TAGS).await).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.between("<Tags>", "</Tags>").to_owned()
    }

    async fn tag(&self, tags: &[(&str, &str)]) -> (u16, String) {
        let tags: String = tags.iter().map(|(key, value)| tag(key, value)).collect();
        let document = format!("<TagResourceRequest><Tags>{tags}</Tags></TagResourceRequest>");
        self.told(&self.control("POST", TAGS).await.body(document)).await
    }
}

fn tag(key: &str, value: &str) -> String {
    format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>")
}

fn by(keys: &Keys, ask: Ask) -> Ask {
    Ask { keys: keys.clone(), ..ask }
}

fn denied() -> (u16, String) {
    (403, "AccessDenied".to_owned())
}

#[tokio::test]
async fn an_account_blocks_what_is_public() {
    let server = S3Server::new().await;
    assert_eq!(server.told(&server.ask("DELETE", "/bkt?publicAccessBlock")).await.0, 204);
    let none = (404, "NoSuchPublicAccessBlockConfiguration".to_owned());
    assert_eq!(server.told(&server.control("GET", BLOCK).await).await, none);
    assert_eq!(server.told(&server.control("PUT", BLOCK).await.body(ALL_BLOCKED)).await, (200, String::new()));
    let shown = server.send(&server.control("GET", BLOCK).await).await;
    assert_eq!(shown.text().matches(">true<").count(), 4, "{shown:?}");
    let stored = server.world.identity.account("acme").await.unwrap().block;
    assert!(stored.block_public_policy && stored.restrict_public_buckets, "{stored:?}");
    let other = server.world.identity.account("other").await.unwrap().block;
    assert!(!other.block_public_policy, "it is the one account's");
    assert_eq!(server.told(&server.control("PUT", BLOCK).await.body("<All/>")).await, (400, "MalformedXML".to_owned()));
    assert_eq!(server.told(&server.control("DELETE", BLOCK).await).await, (204, String::new()));
    assert_eq!(server.told(&server.control("GET", BLOCK).await).await, none);
    assert!(!server.world.identity.account("acme").await.unwrap().block.block_public_policy);
}

#[tokio::test]
async fn an_accounts_block_is_its_own_affair() {
    let server = S3Server::new().await;
    for (method, body) in [("GET", ""), ("PUT", ALL_BLOCKED), ("DELETE", "")] {
        let ask = server.control(method, BLOCK).await.body(body);
        assert_eq!(server.told(&by(&server.world.other, ask.clone())).await, denied(), "{method}");
        let unsigned = ask.clone().how(Place::Header, PayloadMode::Unsigned, Defect::Anonymous);
        assert_eq!(server.told(&unsigned).await, denied(), "{method}");
        let mut unnamed = ask;
        unnamed.headers.clear();
        assert_eq!(server.told(&unnamed).await, (400, "InvalidRequest".to_owned()), "{method}");
    }
    assert!(!server.world.identity.account("other").await.unwrap().block.block_public_policy);
    assert!(!server.world.identity.account("acme").await.unwrap().block.block_public_policy);
}

#[tokio::test]
async fn a_buckets_tags_are_given_and_taken_one_by_one() {
    let server = S3Server::new().await;
    assert_eq!(server.tags().await, "");
    let done = (204, String::new());
    assert_eq!(server.tag(&[("b", "1"), ("a", "1")]).await, done);
    assert_eq!(server.tag(&[("b", "2"), ("c", "3")]).await, done);
    let three = format!("{}{}{}", tag("a", "1"), tag("b", "2"), tag("c", "3"));
    assert_eq!(server.tags().await, three);
    let shown = server.send(&server.ask("GET", "/bkt?tagging")).await;
    assert!(shown.text().contains(&three), "they are those of GetBucketTagging: {shown:?}");
    let many: Vec<String> = (0..48).map(|number| format!("k{number}")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|key| (key.as_str(), "")).collect();
    assert_eq!(server.tag(&many).await, (400, "BadRequest".to_owned()), "51 are too many");
    assert_eq!(server.tag(&[("aws:a", "")]).await, (400, "InvalidTag".to_owned()));
    assert_eq!(server.tags().await, three);
    for (keys, left) in [("tagKeys=a&tagKeys=c&tagKeys=none", tag("b", "2")), ("tagKeys=b", String::new())] {
        assert_eq!(server.told(&server.control("DELETE", &format!("{TAGS}?{keys}")).await).await, done);
        assert_eq!(server.tags().await, left);
    }
    assert_eq!(server.send(&server.ask("GET", "/bkt?tagging")).await.code(), "NoSuchTagSet");
}

#[tokio::test]
async fn a_buckets_tags_are_its_owners() {
    let server = S3Server::new().await;
    assert_eq!(server.tag(&[("a", "1")]).await.0, 204);
    let wrong = server.ask("GET", TAGS).header("x-amz-account-id", "111122223333");
    assert_eq!(server.told(&wrong).await, denied());
    for method in ["GET", "POST", "DELETE"] {
        let theirs = by(&server.world.other, server.control(method, TAGS).await);
        assert_eq!(server.told(&theirs).await, denied(), "{method}");
    }
    let none = server.control("GET", "/v20180820/tags/arn%3Aaws%3As3%3A%3A%3Anone").await;
    assert_eq!(server.told(&none).await, (404, "NoSuchBucket".to_owned()));
    assert_eq!(server.tags().await, tag("a", "1"));
}

#[tokio::test]
async fn what_else_is_s3_controls_is_no_bucket() {
    let server = S3Server::new().await;
    let not_served = (501, "NotImplemented".to_owned());
    for target in [
        "/v20180820/jobs",
        "/v20180820/tags/arn%3Aaws%3As3%3Aus-east-1%3A111122223333%3Astorage-lens-group%2Fa",
        "/v20180820/",
    ] {
        for method in ["GET", "PUT", "POST", "DELETE"] {
            assert_eq!(server.told(&server.ask(method, target)).await, not_served, "{method} {target}");
        }
    }
    assert_eq!(server.told(&server.ask("PUT", BLOCK.trim_end_matches("Block"))).await, not_served);
    assert_eq!(server.told(&server.ask("POST", BLOCK)).await, (405, "MethodNotAllowed".to_owned()));
    assert_eq!(server.told(&server.ask("PUT", "/v20180820")).await, (400, "InvalidBucketName".to_owned()));
}
