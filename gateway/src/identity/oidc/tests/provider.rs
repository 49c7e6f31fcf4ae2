//! A provider with keys of every kind, and tokens that it signs.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384,
    RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use couronne_base::testing::TestClock;
use parking_lot::Mutex;

use super::super::{Claims, Documents, Provider, TokenError, Verifier};

/// The provider's URL.
pub(crate) const ISSUER: &str = "https://idp.example";
const CONFIGURATION: &str = "https://idp.example/.well-known/openid-configuration";
pub(crate) const KEYS: &str = "https://idp.example/keys";

/// Key pairs, made once: RSA takes its time.
pub(crate) struct Pairs {
    pub(crate) rsa: RsaKeyPair,
    p256: EcdsaKeyPair,
    p384: EcdsaKeyPair,
    ed25519: Ed25519KeyPair,
}

impl Pairs {
    pub(crate) fn new() -> Self {
        let ecdsa = |algorithm: &'static EcdsaSigningAlgorithm| EcdsaKeyPair::generate(algorithm).unwrap();
        Self {
            rsa: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
            p256: ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING),
            p384: ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING),
            ed25519: Ed25519KeyPair::generate().unwrap(),
        }
    }

    /// The keys as the provider publishes them; each is called by its kind.
    pub(crate) fn published(&self) -> String {
        let point = |kind: &str, curve: &str, point: &[u8]| {
            let (x, y) = point[1..].split_at(point.len() / 2);
            format!(r#"{{"kid":"{kind}","kty":"EC","crv":"{curve}","x":"{}","y":"{}"}}"#, base64(x), base64(y))
        };
        let keys = [
            self.rsa_key(r#","kid":"rsa","use":"sig""#),
            point("p256", "P-256", self.p256.public_key().as_ref()),
            point("p384", "P-384", self.p384.public_key().as_ref()),
            format!(
                r#"{{"kid":"ed25519","kty":"OKP","crv":"Ed25519","x":"{}"}}"#,
                base64(self.ed25519.public_key().as_ref())
            ),
        ];
        set(&keys)
    }

    /// The RSA key, with more members.
    pub(crate) fn rsa_key(&self, more: &str) -> String {
        let (n, e) = self.modulus();
        format!(r#"{{"kty":"RSA","n":"{}","e":"{}"{more}}}"#, base64(&n), base64(&e))
    }

    /// Modulus and exponent: an `RSAPublicKey` of DER (RFC 8017, appendix A.1.1) of 2048 bits has them at fixed places.
    fn modulus(&self) -> (Vec<u8>, Vec<u8>) {
        let der = self.rsa.public_key().as_ref();
        (der[9..265].to_vec(), der[267..270].to_vec())
    }

    /// A token under an algorithm, with the key of its kind.
    pub(crate) fn token(&self, algorithm: &str, payload: &str) -> String {
        let kid = match algorithm {
            "ES256" => "p256",
            "ES384" => "p384",
            "EdDSA" | "Ed25519" => "ed25519",
            _ => "rsa",
        };
        self.token_with(algorithm, &format!(r#"{{"alg":"{algorithm}","kid":"{kid}"}}"#), payload)
    }

    /// A token with any header.
    pub(crate) fn token_with(&self, algorithm: &str, header: &str, payload: &str) -> String {
        let signed = format!("{}.{}", base64(header.as_bytes()), base64(payload.as_bytes()));
        let signature = self.signature(algorithm, signed.as_bytes());
        format!("{signed}.{}", base64(&signature))
    }

    fn signature(&self, algorithm: &str, signed: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        let rsa = |encoding: &'static dyn RsaEncoding| {
            let mut signature = vec![0; self.rsa.public_modulus_len()];
            self.rsa.sign(encoding, &random, signed, &mut signature).unwrap();
            signature
        };
        let ecdsa = |pair: &EcdsaKeyPair| pair.sign(&random, signed).unwrap().as_ref().to_vec();
        match algorithm {
            "RS256" => rsa(&RSA_PKCS1_SHA256),
            "RS384" => rsa(&RSA_PKCS1_SHA384),
            "RS512" => rsa(&RSA_PKCS1_SHA512),
            "PS256" => rsa(&RSA_PSS_SHA256),
            "PS384" => rsa(&RSA_PSS_SHA384),
            "PS512" => rsa(&RSA_PSS_SHA512),
            "ES256" => ecdsa(&self.p256),
            "ES384" => ecdsa(&self.p384),
            "EdDSA" | "Ed25519" => self.ed25519.sign(signed).as_ref().to_vec(),
            // With the public key as the shared secret, in the forms that an attacker can come by.
            "HS256" => hmac(&self.modulus().0, signed),
            "HS256 by DER" => {
                let der = aws_lc_rs::encoding::AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(
                    self.rsa.public_key(),
                );
                hmac(der.unwrap().as_ref(), signed)
            }
            "none" => Vec::new(),
            other => panic!("{other}"),
        }
    }
}

fn hmac(secret: &[u8], signed: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed).as_ref().to_vec()
}

/// The key pairs of the provider.
pub(crate) static PAIRS: LazyLock<Pairs> = LazyLock::new(Pairs::new);
/// Those of somebody else.
pub(crate) static OTHERS: LazyLock<Pairs> = LazyLock::new(Pairs::new);

pub(crate) fn base64(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// A set of keys.
pub(crate) fn set(keys: &[String]) -> String {
    format!(r#"{{"keys":[{}]}}"#, keys.join(","))
}

/// Documents by their URLs, and how often each was fetched.
#[derive(Default)]
pub(crate) struct Web {
    pub(crate) documents: Mutex<BTreeMap<String, Vec<u8>>>,
    pub(crate) fetched: AtomicUsize,
    /// Held by a test: nothing is fetched meanwhile.
    pub(crate) stopped: tokio::sync::Mutex<()>,
}

impl Web {
    pub(crate) fn publish(&self, url: &str, document: impl Into<Vec<u8>>) {
        self.documents.lock().insert(url.to_owned(), document.into());
    }

    pub(crate) fn fetches(&self) -> usize {
        self.fetched.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Documents for Web {
    async fn fetch(&self, _: &str, url: &str) -> Result<Bytes, Box<dyn Error + Send + Sync>> {
        self.fetched.fetch_add(1, Ordering::SeqCst);
        let _going = self.stopped.lock().await;
        let found = self.documents.lock().get(url).cloned();
        found.map(Bytes::from).ok_or_else(|| "nothing is there".into())
    }
}

/// A verifier, and the provider that it verifies tokens of.
pub(crate) struct Fixture {
    pub(crate) web: Arc<Web>,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) provider: Provider,
    pub(crate) verifier: Verifier,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let (web, clock) = (Arc::new(Web::default()), Arc::new(TestClock::still()));
        web.publish(CONFIGURATION, configuration(ISSUER, KEYS));
        web.publish(KEYS, PAIRS.published());
        let client_ids = vec!["client-0".into(), "client-1".into()];
        let provider = Provider { account: "account".into(), issuer: ISSUER.into(), client_ids };
        let verifier = Verifier::new(web.clone(), clock.clone());
        Self { web, clock, provider, verifier }
    }

    /// The same, whose provider publishes this as its configuration.
    pub(crate) fn configured(document: &str) -> Self {
        let fixture = Self::new();
        fixture.web.publish(CONFIGURATION, document);
        fixture
    }

    /// The same, whose provider publishes these keys.
    pub(crate) fn with_keys(keys: &[String]) -> Self {
        let fixture = Self::new();
        fixture.web.publish(KEYS, set(keys));
        fixture
    }

    pub(crate) async fn verify(&self, token: &str) -> Result<Claims, TokenError> {
        self.verifier.verify(&self.provider, token).await
    }

    /// What comes of a payload that the provider signed.
    pub(crate) async fn claimed(&self, payload: &str) -> Result<Claims, TokenError> {
        self.verify(&PAIRS.token("ES256", payload)).await
    }
}

pub(crate) fn configuration(issuer: &str, keys: &str) -> String {
    format!(r#"{{"issuer":"{issuer}","jwks_uri":"{keys}","response_types_supported":["id_token"]}}"#)
}
