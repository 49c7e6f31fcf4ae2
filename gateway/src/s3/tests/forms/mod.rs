//! Forms (`PostObject`), as browsers send them and as they do not.

mod answers;
mod files;
mod policies;
mod signatures;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use couronne_metadata::command::CommandRequest;

use super::client::{Defect, PayloadMode, Place, mac, signing_key};
use super::*;
use crate::front::tests::Keys;
use crate::s3::NewBuckets;

/// How a form is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signing {
    V4,
    V2,
    None,
}

const VERSIONS: [Signing; 2] = [Signing::V4, Signing::V2];

/// A form to be signed and sent.
#[derive(Clone)]
struct FormAsk {
    target: String,
    /// In the head, beside what HTTP needs.
    headers: Vec<(String, String)>,
    fields: Vec<(String, String)>,
    file_name: String,
    file: Vec<u8>,
    /// What follows the file, from its delimiter on.
    end: String,
    boundary: String,
    signing: Signing,
    keys: Keys,
    now_us: u64,
    /// When the policy expires, in seconds from now.
    expires_s: i64,
    /// The policy's conditions; unset: that all is as it is.
    conditions: Option<String>,
    /// The policy, where it is no such document.
    policy: Option<String>,
    /// Fields that are changed once they are signed; an empty one goes.
    changed: Vec<(String, String)>,
}

impl FormAsk {
    fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    fn file(mut self, file: impl AsRef<[u8]>) -> Self {
        self.file = file.as_ref().to_vec();
        self
    }

    fn sign(mut self, signing: Signing) -> Self {
        self.signing = signing;
        self
    }

    fn conditions(mut self, conditions: &str) -> Self {
        self.conditions = Some(conditions.to_owned());
        self
    }

    fn changed(mut self, name: &str, value: &str) -> Self {
        self.changed.push((name.to_owned(), value.to_owned()));
        self
    }

    fn time(&self, from_now_s: i64) -> jiff::Timestamp {
        jiff::Timestamp::from_second(i64::try_from(self.now_us / 1_000_000).unwrap() + from_now_s).unwrap()
    }

    /// The policy's document, of these fields.
    fn policy(&self, fields: &[(String, String)]) -> String {
        let eq = |(name, value): &(String, String)| serde_json::to_string(&["eq", &format!("${name}"), value]).unwrap();
        let as_it_is = || {
            let covered = fields.iter().filter(|(name, _)| !name.starts_with("x-ignore-") && name != "AWSAccessKeyId");
            let bucket = r#"{"bucket":"bkt"}"#.to_owned();
            covered.map(eq).chain([bucket]).collect::<Vec<_>>().join(",")
        };
        let conditions = self.conditions.clone().unwrap_or_else(as_it_is);
        let expiration = self.time(self.expires_s).strftime("%Y-%m-%dT%H:%M:%S.000Z");
        let document = format!(r#"{{"expiration":"{expiration}","conditions":[{conditions}]}}"#);
        self.policy.clone().unwrap_or(document)
    }

    fn signed_fields(&self) -> Vec<(String, String)> {
        let mut fields = self.fields.clone();
        let mut add = |name: &str, value: String| fields.push((name.to_owned(), value));
        let at = self.time(0).strftime("%Y%m%dT%H%M%SZ").to_string();
        match self.signing {
            Signing::None => return fields,
            Signing::V2 => add("AWSAccessKeyId", self.keys.access_key.clone()),
            Signing::V4 => {
                add("X-Amz-Algorithm", "AWS4-HMAC-SHA256".to_owned());
                add("X-Amz-Credential", format!("{}/{}/us-east-1/s3/aws4_request", self.keys.access_key, &at[..8]));
                add("X-Amz-Date", at.clone());
            }
        }
        let policy = BASE64_STANDARD.encode(self.policy(&fields));
        let signature = match self.signing {
            Signing::V4 => ("X-Amz-Signature", mac(&signing_key(&self.keys.secret, &at[..8], "us-east-1"), &policy)),
            _ => {
                let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, self.keys.secret.as_bytes());
                ("Signature", BASE64_STANDARD.encode(hmac::sign(&key, policy.as_bytes())))
            }
        };
        fields.extend([("Policy".to_owned(), policy), (signature.0.to_owned(), signature.1)]);
        fields
    }

    fn body(&self) -> Vec<u8> {
        let mut fields = self.signed_fields();
        for (name, value) in &self.changed {
            fields.retain(|(own, _)| own != name);
            if !value.is_empty() {
                fields.push((name.clone(), value.clone()));
            }
        }
        let boundary = &self.boundary;
        let mut body = Vec::new();
        for (name, value) in &fields {
            let part = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
            body.extend(part.into_bytes());
        }
        let head = format!("Content-Disposition: form-data; name=\"file\"; filename=\"{}\"", self.file_name);
        body.extend(format!("--{boundary}\r\n{head}\r\nContent-Type: image/gif\r\n\r\n").into_bytes());
        [&body, self.file.as_slice(), self.end.as_bytes()].concat()
    }

    fn head(&self, framing: &str) -> Vec<u8> {
        let mut head = format!("POST {} HTTP/1.1\r\nhost: localhost\r\n", self.target);
        head.push_str(&format!("content-type: multipart/form-data; boundary={}\r\n", self.boundary));
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("{framing}\r\n\r\n"));
        head.into_bytes()
    }

    fn wire(&self) -> Vec<u8> {
        let body = self.body();
        [self.head(&format!("content-length: {}", body.len())), body].concat()
    }

    /// In HTTP chunks of these sizes in turn.
    fn in_chunks(&self, sizes: &[usize]) -> Vec<u8> {
        let mut wire = self.head("transfer-encoding: chunked");
        let (body, mut at) = (self.body(), 0);
        for size in sizes.iter().cycle().take_while(|size| **size > 0) {
            let chunk = &body[at..body.len().min(at + size)];
            wire.extend([format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
            at += chunk.len();
            if chunk.is_empty() {
                break;
            }
        }
        wire
    }
}

impl S3Server {
    /// With an empty bucket that its owner alone may use, where lists would count and nothing is blocked.
    async fn with_open_bucket() -> Self {
        let face = S3 { new_buckets: NewBuckets::Open, ..S3::default() };
        let server = Self::without_bucket(ServerSettings::default(), FrontSettings::default(), face).await;
        assert_eq!(server.send(&server.ask("PUT", "/bkt")).await.status, 200);
        server
    }

    /// A form of the owner's for a key.
    fn form(&self, key: &str) -> FormAsk {
        let form = FormAsk {
            target: "/bkt".to_owned(),
            headers: Vec::new(),
            fields: Vec::new(),
            file_name: "cat.gif".to_owned(),
            file: b"meow".to_vec(),
            end: "\r\n--bndry--\r\n".to_owned(),
            boundary: "bndry".to_owned(),
            signing: Signing::V4,
            keys: self.world.owner.clone(),
            now_us: self.world.cluster.env.clock.wall_us(),
            expires_s: 600,
            conditions: None,
            policy: None,
            changed: Vec::new(),
        };
        form.field("key", key)
    }

    async fn post(&self, form: &FormAsk) -> Answer {
        self.send_raw(&form.wire()).await
    }

    /// Posts a form and expects it refused, and nothing changed.
    async fn refuses(&self, form: &FormAsk, status: u16, code: &str) -> String {
        let before = self.changes();
        let answer = self.post(form).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{answer:?}");
        assert_eq!(self.changes(), before, "something was changed: {answer:?}");
        answer.between("<Message>", "</Message>").to_owned()
    }

    /// How much was committed so far; that a key was used is noted in any case.
    fn changes(&self) -> usize {
        let is_note = |sent: &CommandRequest| sent.key.as_str().starts_with("key-used/");
        self.world.cluster.ranges.commands().iter().filter(|sent| !is_note(sent)).count()
    }
}
