//! The few S3 requests the load generator makes.
//!
//! Promises: whatever is not a success names its S3 code; a body shorter than asked is no success.
//! Must not know: what is measured.

use bytes::Bytes;

use super::BenchError;
use super::body::Bodies;
use super::connection::{Answer, Connection, HttpCall, Keep};
use super::signing::sha256_hex;

/// S3 requests on one bucket over one connection.
pub(crate) struct Client {
    connection: Connection,
    bucket: String,
    empty_hash: String,
}

/// A page of a listing.
pub(crate) struct Page {
    /// Its keys.
    pub(crate) keys: Vec<String>,
    /// What the next page continues from; `None` on the last.
    pub(crate) next: Option<String>,
}

impl Client {
    /// A client of `bucket`.
    pub(crate) fn new(connection: Connection, bucket: String) -> Self {
        Self { connection, bucket, empty_hash: sha256_hex(b"") }
    }

    /// Makes the bucket; fine if it is ours already.
    pub(crate) async fn create_bucket(&mut self) -> Result<(), BenchError> {
        match self.call("PUT", None, &[], None, Keep::Length).await {
            Err(BenchError::S3 { code, .. }) if code == "BucketAlreadyOwnedByYou" => Ok(()),
            other => other.map(drop),
        }
    }

    /// PUT of an object.
    pub(crate) async fn put(&mut self, key: &str, body: (Bytes, String)) -> Result<(), BenchError> {
        self.call("PUT", Some(key), &[], Some(body), Keep::Length).await.map(drop)
    }

    /// GET of an object that must be `len` bytes long.
    pub(crate) async fn get(&mut self, key: &str, len: u64) -> Result<(), BenchError> {
        let answer = self.call("GET", Some(key), &[], None, Keep::Length).await?;
        if answer.body_len == len { Ok(()) } else { Err(BenchError::ShortBody) }
    }

    /// HEAD of an object.
    pub(crate) async fn head(&mut self, key: &str) -> Result<(), BenchError> {
        self.call("HEAD", Some(key), &[], None, Keep::Length).await.map(drop)
    }

    /// DELETE of an object.
    pub(crate) async fn delete(&mut self, key: &str) -> Result<(), BenchError> {
        self.call("DELETE", Some(key), &[], None, Keep::Length).await.map(drop)
    }

    /// One page of a listing.
    pub(crate) async fn list(&mut self, prefix: &str, from: Option<&str>) -> Result<Page, BenchError> {
        let mut query = vec![("list-type", "2"), ("prefix", prefix)];
        query.extend(from.map(|from| ("continuation-token", from)));
        query.sort_unstable();
        let answer = self.call("GET", None, &query, None, Keep::Bytes).await?;
        let text = String::from_utf8_lossy(&answer.body);
        let keys = elements(&text, "Key").map(unescape).collect();
        let next = elements(&text, "NextContinuationToken").next().map(unescape);
        Ok(Page { keys, next })
    }

    /// A multipart upload of `parts` bodies of `bodies`.
    pub(crate) async fn multipart(&mut self, key: &str, bodies: &mut Bodies, parts: u64) -> Result<(), BenchError> {
        let answer = self.call("POST", Some(key), &[("uploads", "")], None, Keep::Bytes).await?;
        let text = String::from_utf8_lossy(&answer.body);
        let upload = elements(&text, "UploadId").next().map(unescape);
        let upload = upload.ok_or_else(|| BenchError::Endpoint("the answer names no upload id".to_owned()))?;
        let mut document = String::from("<CompleteMultipartUpload>");
        for number in 1..=parts {
            let number = number.to_string();
            let query = [("partNumber", number.as_str()), ("uploadId", upload.as_str())];
            let answer = self.call("PUT", Some(key), &query, Some(bodies.next()), Keep::Length).await?;
            let etag = answer.etag.unwrap_or_default();
            document.push_str(&format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"));
        }
        document.push_str("</CompleteMultipartUpload>");
        let hash = sha256_hex(document.as_bytes());
        let query = [("uploadId", upload.as_str())];
        let answer = self.call("POST", Some(key), &query, Some((document.into(), hash)), Keep::Bytes).await?;
        // Complete may answer 200 and an error in the body.
        let text = String::from_utf8_lossy(&answer.body);
        match elements(&text, "Code").next() {
            Some(code) => Err(BenchError::S3 { code: code.to_owned(), message: text.to_string() }),
            None => Ok(()),
        }
    }

    /// One request on the bucket or on a key of it.
    async fn call(
        &mut self,
        method: &str,
        key: Option<&str>,
        query: &[(&str, &str)],
        body: Option<(Bytes, String)>,
        keep: Keep,
    ) -> Result<Answer, BenchError> {
        let path = match key {
            Some(key) => format!("/{}/{key}", self.bucket),
            None => format!("/{}", self.bucket),
        };
        let (body, payload_hash) = body.unwrap_or_else(|| (Bytes::new(), self.empty_hash.clone()));
        let call = HttpCall { method, path: &path, query, payload_hash: &payload_hash, body };
        let answer = self.connection.call(&call, keep).await?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let code = elements(&text, "Code").next().map_or_else(|| answer.status.as_u16().to_string(), str::to_owned);
        Err(BenchError::S3 { code, message: text })
    }
}

/// The texts of the elements of one name, in order.
fn elements<'a>(text: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let mut rest = text;
    std::iter::from_fn(move || {
        let (_, after) = rest.split_once(open.as_str())?;
        let (element, after) = after.split_once(close.as_str())?;
        rest = after;
        Some(element)
    })
}

/// Text of an XML element as the characters it stands for.
fn unescape(text: &str) -> String {
    let named = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&#34;", "\""), ("&#39;", "'")];
    let text = named.iter().fold(text.to_owned(), |text, (name, character)| text.replace(name, character));
    text.replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_of_a_page() {
        let page = "<R><Contents><Key>a&amp;lt;</Key></Contents><Contents><Key>b</Key></Contents></R>";
        assert_eq!(elements(page, "Key").map(unescape).collect::<Vec<_>>(), ["a&lt;", "b"]);
        assert_eq!(elements(page, "NextContinuationToken").next(), None);
        assert_eq!(elements("<Key>cut off", "Key").next(), None);
    }
}
