//! Signature version 4 of the requests of the load generator.
//!
//! Promises: just what S3 asks of a header signature; source: AWS General Reference, "Signature
//! Version 4 signing process". It is written apart from the gateway's verifier on purpose: neither
//! can hide an error of the other.
//! Must not know: which requests are made.

use aws_lc_rs::{digest, hmac};
use couronne_base::env::Env;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use zeroize::Zeroizing;

/// What stands for the hash of a body that is not signed.
pub(crate) const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// What stays as it is in a query.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// What stays as it is in a path.
const PATH: &AsciiSet = &QUERY.remove(b'/');

/// Signs for one access key and region.
pub(crate) struct Signer {
    access_key: String,
    secret_key: Zeroizing<String>,
    region: String,
    env: Env,
}

/// A request about to be signed.
pub(crate) struct Unsigned<'a> {
    /// The method.
    pub(crate) method: &'a str,
    /// The host header.
    pub(crate) host: &'a str,
    /// The path, not yet encoded.
    pub(crate) path: &'a str,
    /// The query, names and values not yet encoded, sorted by name.
    pub(crate) query: &'a [(&'a str, &'a str)],
    /// SHA-256 of the body in hexadecimal, or [`UNSIGNED_PAYLOAD`].
    pub(crate) payload_hash: &'a str,
}

/// What the signature adds to a request.
pub(crate) struct Signed {
    /// Path and query, encoded.
    pub(crate) target: String,
    /// The header `x-amz-date`.
    pub(crate) date: String,
    /// The header `authorization`.
    pub(crate) authorization: String,
}

impl Signer {
    /// A signer; `env` tells the time.
    pub(crate) fn new(access_key: String, secret_key: Zeroizing<String>, region: String, env: Env) -> Self {
        Self { access_key, secret_key, region, env }
    }

    /// Signs with the time of now.
    pub(crate) fn sign(&self, request: &Unsigned<'_>) -> Signed {
        let now = i64::try_from(self.env.clock.wall_us()).unwrap_or(0);
        let now = jiff::Timestamp::from_microsecond(now).unwrap_or_default();
        self.sign_at(request, &now.strftime("%Y%m%dT%H%M%SZ").to_string())
    }

    /// Signs with `date`, as `20260131T235959Z`.
    fn sign_at(&self, request: &Unsigned<'_>, date: &str) -> Signed {
        const SIGNED_HEADERS: &str = "host;x-amz-content-sha256;x-amz-date";
        let Unsigned { method, host, path, query, payload_hash } = request;
        let path = utf8_percent_encode(path, PATH).to_string();
        let query: Vec<String> = query
            .iter()
            .map(|(name, value)| format!("{}={}", utf8_percent_encode(name, QUERY), utf8_percent_encode(value, QUERY)))
            .collect();
        let query = query.join("&");
        let canonical = format!(
            "{method}\n{path}\n{query}\nhost:{host}\nx-amz-content-sha256:{payload_hash}\nx-amz-date:{date}\n\n\
             {SIGNED_HEADERS}\n{payload_hash}"
        );
        let day = date.get(..8).unwrap_or(date);
        let scope = format!("{day}/{}/s3/aws4_request", self.region);
        let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", sha256_hex(canonical.as_bytes()));
        let signature = hex::encode(mac(self.key(day).as_ref(), to_sign.as_bytes()));
        let access_key = &self.access_key;
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders={SIGNED_HEADERS}, Signature={signature}"
        );
        let target = if query.is_empty() { path } else { format!("{path}?{query}") };
        Signed { target, date: date.to_owned(), authorization }
    }

    /// The key of a day.
    fn key(&self, day: &str) -> hmac::Tag {
        let secret = Zeroizing::new(format!("AWS4{}", self.secret_key.as_str()));
        let day = mac(secret.as_bytes(), day.as_bytes());
        let region = mac(day.as_ref(), self.region.as_bytes());
        let service = mac(region.as_ref(), b"s3");
        mac(service.as_ref(), b"aws4_request")
    }
}

/// SHA-256 in hexadecimal.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, bytes))
}

/// HMAC-SHA-256.
fn mac(key: &[u8], message: &[u8]) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_documentation() {
        // "Example: GET Object" lists more signed headers; "GET Bucket (List Objects)" has just ours.
        let signer = Signer::new(
            "AKIAIOSFODNN7EXAMPLE".to_owned(),
            Zeroizing::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned()),
            "us-east-1".to_owned(),
            couronne_base::env::system(),
        );
        let request = Unsigned {
            method: "GET",
            host: "examplebucket.s3.amazonaws.com",
            path: "/",
            query: &[("max-keys", "2"), ("prefix", "J")],
            payload_hash: &sha256_hex(b""),
        };
        let signed = signer.sign_at(&request, "20130524T000000Z");
        assert_eq!(signed.target, "/?max-keys=2&prefix=J");
        let signature = "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7";
        assert!(signed.authorization.ends_with(signature), "{}", signed.authorization);
    }
}
