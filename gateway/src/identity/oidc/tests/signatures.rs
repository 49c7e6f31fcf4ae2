//! Which signatures are taken, and which never.

use super::super::TokenError;
use super::provider::{KEYS, OTHERS, PAIRS, base64, configuration, set};
use super::{CLAIMS, Fixture};

#[tokio::test]
async fn every_algorithm_of_the_list_is_verified() {
    let fixture = Fixture::new();
    for algorithm in ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA", "Ed25519"] {
        let claims = fixture.verify(&PAIRS.token(algorithm, CLAIMS)).await.unwrap();
        assert_eq!(&*claims.subject, "user-1", "{algorithm}");
        for forged in [OTHERS.token(algorithm, CLAIMS), altered(&PAIRS.token(algorithm, CLAIMS))] {
            assert!(matches!(fixture.verify(&forged).await, Err(TokenError::Invalid(_))), "{algorithm}");
        }
    }
}

/// The same token with another user.
fn altered(token: &str) -> String {
    let parts: Vec<&str> = token.split('.').collect();
    [parts[0], &base64(CLAIMS.replace("user-1", "user-2").as_bytes()), parts[2]].join(".")
}

#[tokio::test]
async fn no_algorithm_of_another_key_is_taken() {
    let fixture = Fixture::new();
    for (algorithm, header) in [
        ("none", r#"{"alg":"none"}"#),
        ("none", r#"{"alg":"None","kid":"rsa"}"#),
        ("none", r#"{"alg":"","kid":"rsa"}"#),
        ("none", r#"{"kid":"rsa"}"#),
        ("none", r#"{"alg":"RS256","kid":"rsa"}"#),
        // The public key as a shared secret.
        ("HS256", r#"{"alg":"HS256","kid":"rsa"}"#),
        ("HS256 by DER", r#"{"alg":"HS256","kid":"rsa"}"#),
        ("HS256", r#"{"alg":"RS256","kid":"rsa"}"#),
        // Names that differ in case, and lists.
        ("RS256", r#"{"alg":"rs256","kid":"rsa"}"#),
        ("RS256", r#"{"alg":["RS256"],"kid":"rsa"}"#),
        // The signature of one algorithm under the name of another.
        ("RS256", r#"{"alg":"PS256","kid":"rsa"}"#),
        ("RS256", r#"{"alg":"RS384","kid":"rsa"}"#),
        ("ES256", r#"{"alg":"ES384","kid":"p256"}"#),
        // Keys of another kind, of nobody, and none where there are several.
        ("RS256", r#"{"alg":"RS256","kid":"p256"}"#),
        ("ES256", r#"{"alg":"ES256","kid":"p384"}"#),
        ("RS256", r#"{"alg":"RS256","kid":"unknown"}"#),
        ("RS256", r#"{"alg":"RS256","kid":7}"#),
        ("RS256", r#"{"alg":"RS256","kid":null}"#),
        // Extensions that have to be understood.
        ("RS256", r#"{"alg":"RS256","kid":"rsa","crit":["b64"],"b64":false}"#),
        ("RS256", r#"{"alg":"RS256","kid":"rsa","crit":[]}"#),
        // Two readings.
        ("RS256", r#"{"alg":"RS256","alg":"none","kid":"rsa"}"#),
        ("RS256", r#"{"alg":"RS256","kid":"rsa","kid":"p256"}"#),
        ("RS256", r#"["RS256"]"#),
    ] {
        let found = fixture.verify(&PAIRS.token_with(algorithm, header, CLAIMS)).await;
        assert!(matches!(found, Err(TokenError::Invalid(_))), "{algorithm} {header}: {found:?}");
    }
}

#[tokio::test]
async fn keys_in_the_token_itself_count_for_nothing() {
    let fixture = Fixture::new();
    let own = OTHERS.rsa_key("");
    for member in ["\"jwk\":", "\"jku\":\"https://evil.example/keys\",\"jwk\":"] {
        let header = format!(r#"{{"alg":"RS256","kid":"rsa",{member}{own}}}"#);
        let found = fixture.verify(&OTHERS.token_with("RS256", &header, CLAIMS)).await;
        assert!(matches!(found, Err(TokenError::Invalid(_))), "{found:?}");
    }
}

#[tokio::test]
async fn a_key_is_for_what_it_says() {
    let token = PAIRS.token("RS256", CLAIMS);
    for (more, is_taken) in [
        (r#","kid":"rsa""#, true),
        (r#","kid":"rsa","use":"sig","alg":"RS256","key_ops":["verify"],"unknown":[1]"#, true),
        (r#","kid":"rsa","use":"enc""#, false),
        (r#","kid":"rsa","alg":"RS512""#, false),
        (r#","kid":"rsa","alg":"RSA-OAEP""#, false),
        (r#","kid":"rsa","key_ops":["encrypt"]"#, false),
        (r#","kid":"rsa","key_ops":"verify""#, false),
        (r#","kid":"rsa","use":7"#, false),
        (r#","kid":"rsa","crv":"P-256""#, false),
    ] {
        let found = Fixture::with_keys(&[PAIRS.rsa_key(more)]).verify(&token).await;
        assert_eq!(found.is_ok(), is_taken, "{more}: {found:?}");
    }
}

#[tokio::test]
async fn a_token_without_a_key_id_is_of_the_only_key_that_fits() {
    let token = PAIRS.token_with("RS256", r#"{"alg":"RS256"}"#, CLAIMS);
    let (key, other) = (PAIRS.rsa_key(""), OTHERS.rsa_key(""));
    assert!(Fixture::with_keys(std::slice::from_ref(&key)).verify(&token).await.is_ok());
    assert!(Fixture::new().verify(&token).await.is_ok(), "the others are of other kinds");
    let two = Fixture::with_keys(&[key, other.clone()]).verify(&token).await;
    assert_eq!(two, Err(TokenError::Invalid("The token does not say by which of the provider's keys it is signed")));
    assert!(Fixture::with_keys(&[other]).verify(&token).await.is_err());
}

#[tokio::test]
async fn keys_that_are_none_hide_no_other() {
    let strange = [
        r#"{"kty":"oct","k":"AAAA","kid":"rsa"}"#,
        r#"{"kty":"RSA","n":"AQAB","e":"AQAB","kid":"rsa"}"#,
        r#"{"kty":"RSA","n":"!","e":"AQAB","kid":"rsa"}"#,
        r#"{"kty":"RSA","n":"","e":"","kid":"rsa"}"#,
        r#"{"kty":"EC","crv":"P-256","x":"AA","y":"AA","kid":"rsa"}"#,
        r#"{"kty":"EC","crv":"P-521","x":"AA","y":"AA","kid":"rsa"}"#,
        r#"{"kty":"AKP","alg":"ML-DSA-44","pub":"AA","kid":"rsa"}"#,
        r#"{"kid":"rsa"}"#,
        "7",
        "null",
    ];
    let mut keys: Vec<String> = strange.map(str::to_owned).to_vec();
    let token = PAIRS.token("RS256", CLAIMS);
    assert!(matches!(Fixture::with_keys(&keys).verify(&token).await, Err(TokenError::Invalid(_))));
    keys.push(PAIRS.rsa_key(r#","kid":"rsa""#));
    assert!(Fixture::with_keys(&keys).verify(&token).await.is_ok());
}

#[tokio::test]
async fn a_provider_speaks_for_itself_alone() {
    let token = PAIRS.token("RS256", CLAIMS);
    for document in [
        configuration("https://idp.example/", KEYS),
        configuration("https://IDP.example", KEYS),
        configuration("http://idp.example", KEYS),
        configuration("https://other.example", KEYS),
        configuration("https://idp.example", "http://idp.example/keys"),
        configuration("https://idp.example", "https://idp.example/nothing"),
        r#"{"issuer":"https://idp.example"}"#.to_owned(),
        r#"{"issuer":"https://other.example","issuer":"https://idp.example","jwks_uri":"https://idp.example/keys"}"#
            .to_owned(),
        String::new(),
        "[]".to_owned(),
    ] {
        let fixture = Fixture::configured(&document);
        // In clear it would be had, but for the rule.
        fixture.web.publish("http://idp.example/keys", PAIRS.published());
        assert_eq!(fixture.verify(&token).await, Err(TokenError::Communication), "{document}");
    }
    for keys in ["", "{}", r#"{"keys":{}}"#, "[]", "\u{1}"] {
        let fixture = Fixture::new();
        fixture.web.publish(KEYS, keys);
        assert_eq!(fixture.verify(&token).await, Err(TokenError::Communication), "{keys}");
    }
    let fixture = Fixture::new();
    fixture.web.publish(KEYS, vec![0xff, 0xfe]);
    assert_eq!(fixture.verify(&token).await, Err(TokenError::Communication));
}

#[tokio::test]
async fn what_is_no_token_is_refused() {
    let fixture = Fixture::new();
    let good = PAIRS.token("ES256", CLAIMS);
    let parts: Vec<&str> = good.split('.').collect();
    let long = PAIRS.token("ES256", &CLAIMS.replace("user-1", &"x".repeat(20_000)));
    for token in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        good.replace('.', ""),
        format!("{good}."),
        format!("{good}="),
        format!(" {good}"),
        format!("{good}\n"),
        [parts[0], parts[1]].join("."),
        [parts[0], parts[1], ""].join("."),
        [parts[0], parts[1], parts[2], parts[2], parts[2]].join("."),
        [&base64(&[0xff]), parts[1], parts[2]].join("."),
        [&base64(b"{}"), parts[1], parts[2]].join("."),
        long,
    ] {
        assert!(matches!(fixture.verify(&token).await, Err(TokenError::Invalid(_))), "{token}");
    }
    assert!(fixture.verify(&good).await.is_ok());
}

proptest::proptest! {
    #[test]
    fn arbitrary_tokens_never_panic(token in "\\PC{0,200}") {
        proptest::prop_assert!(super::super::unverified_issuer(&token).is_err());
    }

    #[test]
    fn near_tokens_never_panic_and_are_never_taken(
        header in "\\{\"alg\":\"(RS256|ES256|EdDSA|none|HS256)\"(,\"kid\":\"(rsa|p256|x)\")?(,\"crit\":\\[\\])?\\}",
        payload in "\\PC{0,64}",
        signature: Vec<u8>,
    ) {
        let token = [base64(header.as_bytes()), base64(payload.as_bytes()), base64(&signature)].join(".");
        let found = couronne_base::testing::paused().block_on(async { Fixture::new().verify(&token).await });
        proptest::prop_assert!(matches!(found, Err(TokenError::Invalid(_))), "{:?}", found);
    }

    #[test]
    fn arbitrary_sets_of_keys_never_panic(member in "(n|e|x|y|kty|crv|use|alg|kid)", value in "\\PC{0,40}") {
        let value = serde_json::to_string(&value).unwrap();
        let key = format!(r#"{{"{member}":{value},"kid2":"rsa"}}"#);
        let document = set(&[key, PAIRS.rsa_key(r#","kid":"rsa""#)]);
        let fixture = Fixture::new();
        fixture.web.publish(KEYS, document);
        let token = PAIRS.token("RS256", CLAIMS);
        proptest::prop_assert!(couronne_base::testing::paused().block_on(fixture.verify(&token)).is_ok());
    }
}
