//! What a bucket's owner writes of the bucket.

use super::bodies::crc32;
use super::*;

impl S3Server {
    /// Sends a document.
    async fn put_document(&self, target: &str, document: &str) -> Answer {
        let sum = crc32(document.as_bytes());
        self.send(&self.ask("PUT", target).header("x-amz-checksum-crc32", &sum).body(document)).await
    }
}

fn tagging(tags: impl IntoIterator<Item = (String, String)>) -> String {
    let tag = |(key, value)| format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>");
    let tags: String = tags.into_iter().map(tag).collect();
    format!("<Tagging><TagSet>{tags}</TagSet></Tagging>")
}

#[tokio::test]
async fn a_bucket_has_the_tags_that_were_put_last() {
    let server = S3Server::new().await;
    let tags = async || server.send(&server.ask("GET", "/bkt?tagging")).await;
    assert_eq!((tags().await.status, tags().await.code()), (404, "NoSuchTagSet"));
    let numbered = |count: usize| tagging((0..count).map(|number| (format!("k{number:02}"), format!("v{number}"))));
    for count in [50, 1] {
        assert_eq!(server.put_document("/bkt?tagging", &numbered(count)).await.status, 204);
        let answer = tags().await;
        assert_eq!(answer.text().matches("<Tag>").count(), count);
        assert!(answer.text().contains("<Tag><Key>k00</Key><Value>v0</Value></Tag>"), "{answer:?}");
    }
    let twice = tagging([("a".to_owned(), "1".to_owned()), ("a".to_owned(), "2".to_owned())]);
    for (document, code) in [(numbered(51), "BadRequest"), (twice, "InvalidTag"), ("<Tagging/>".into(), "MalformedXML")]
    {
        let refused = server.put_document("/bkt?tagging", &document).await;
        assert_eq!((refused.status, refused.code()), (400, code));
    }
    assert_eq!(tags().await.text().matches("<Tag>").count(), 1, "what was refused changed nothing");
    for _ in 0..2 {
        assert_eq!(server.send(&server.ask("DELETE", "/bkt?tagging")).await.status, 204);
    }
    assert_eq!(tags().await.code(), "NoSuchTagSet");
    server.put("k", "the bucket serves on").await;
}
