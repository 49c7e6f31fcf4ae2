//! Which claims hold.

use std::time::Duration;

use super::super::{TokenError, unverified_issuer};
use super::provider::PAIRS;
use super::{CLAIMS, Fixture};

/// The claims with one of them changed, added, or left out (`value` is empty).
fn with(name: &str, value: &str) -> String {
    let mut claims: serde_json::Map<String, serde_json::Value> = serde_json::from_str(CLAIMS).unwrap();
    claims.remove(name);
    let text = serde_json::to_string(&claims).unwrap();
    if value.is_empty() { text } else { text.replacen('{', &format!("{{\"{name}\":{value},"), 1) }
}

#[tokio::test]
async fn claims_that_do_not_hold_are_refused() {
    let fixture = Fixture::new();
    for (name, value) in [
        ("iss", "\"https://other.example\""),
        ("iss", "\"https://idp.example/\""),
        ("iss", "\"idp.example\""),
        ("iss", "[\"https://idp.example\"]"),
        ("iss", ""),
        ("sub", "\"\""),
        ("sub", "7"),
        ("sub", "null"),
        ("sub", ""),
        ("aud", "\"client-2\""),
        ("aud", "\"CLIENT-1\""),
        ("aud", "[]"),
        ("aud", "[\"client-2\",\"client-3\"]"),
        ("aud", "{\"client-1\":true}"),
        ("aud", "[[\"client-1\"]]"),
        ("aud", ""),
        ("azp", "\"client-2\""),
        ("azp", "[\"client-1\"]"),
        ("azp", "null"),
        ("amr", "[7]"),
        ("exp", ""),
        ("exp", "null"),
        ("exp", "\"1800000600\""),
        ("exp", "[1800000600]"),
        ("exp", "true"),
        ("exp", "1e999"),
        ("exp", "-1"),
        ("nbf", "\"never\""),
        ("nbf", "-1"),
        ("iat", "\"never\""),
        ("iat", "{}"),
    ] {
        let found = fixture.claimed(&with(name, value)).await;
        assert!(matches!(found, Err(TokenError::Invalid(_))), "{name}: {value}: {found:?}");
    }
    let long = format!("\"{}\"", "x".repeat(256));
    assert!(fixture.claimed(&with("sub", &long)).await.is_err());
    for twice in [
        CLAIMS.replacen('{', r#"{"sub":"user-0","#, 1),
        CLAIMS.replacen('{', r#"{"\u0073ub":"user-0","#, 1),
        CLAIMS.replacen('{', r#"{"exp":9999999999,"#, 1),
    ] {
        assert!(matches!(fixture.claimed(&twice).await, Err(TokenError::Invalid(_))), "{twice}");
    }
    for other in ["[]", "7", "null", "", "\"text\"", "{", &"[".repeat(2_000)] {
        assert!(matches!(fixture.claimed(other).await, Err(TokenError::Invalid(_))), "{other}");
    }
}

#[tokio::test]
async fn times_have_a_leeway_of_a_minute() {
    // The clock says 1800000000.
    let fixture = Fixture::new();
    for (name, value, expected) in [
        ("exp", "1800000000", Ok(())),
        ("exp", "1799999941", Ok(())),
        ("exp", "1799999940.5", Ok(())),
        ("exp", "1799999940", Err(TokenError::Expired)),
        ("exp", "0", Err(TokenError::Expired)),
        ("exp", "1e300", Ok(())),
        ("nbf", "1800000060", Ok(())),
        ("nbf", "1800000061", Err(TokenError::RejectedClaim("The token is not valid yet (nbf)"))),
        ("nbf", "1e300", Err(TokenError::RejectedClaim("The token is not valid yet (nbf)"))),
        ("iat", "1800000060", Ok(())),
        ("iat", "1800000061", Err(TokenError::RejectedClaim("The token was issued in the future (iat)"))),
        ("iat", "", Ok(())),
    ] {
        let found = fixture.claimed(&with(name, value)).await.map(|_| ());
        assert_eq!(found, expected, "{name}: {value}");
    }
    fixture.clock.pass(Duration::from_secs(660));
    assert_eq!(fixture.claimed(CLAIMS).await, Err(TokenError::Expired));
}

#[tokio::test]
async fn the_audience_is_the_client_that_the_token_was_issued_to() {
    let fixture = Fixture::new();
    assert!(fixture.claimed(&with("aud", r#"["other","client-0"]"#)).await.is_ok());
    // STS takes `azp` for the audience where it is set.
    let payload = with("azp", "\"client-0\"").replace("client-1", "someone-else");
    let claims = fixture.claimed(&payload).await.unwrap();
    assert_eq!(claims.authorized_party.as_deref(), Some("client-0"));
    let keys = claims.condition_keys();
    assert_eq!(keys["idp.example:aud"], ["client-0"]);
    assert_eq!(keys["idp.example:oaud"], ["someone-else"]);
}

#[tokio::test]
async fn conditions_see_what_is_a_text_and_nothing_that_passes_for_another() {
    let more = r#""email":"a@b.c","email_verified":true,"level":3,"amr":["pwd","otp"],"groups":["g1","g2"],
        "oaud":"client-0","deep":{"sub":"root"},"mixed":["a",{"b":1}],"none":null,"#;
    let claims = Fixture::new().claimed(&CLAIMS.replacen('{', &format!("{{{more}"), 1)).await.unwrap();
    assert_eq!(claims.methods, ["pwd", "otp"]);
    let keys = claims.condition_keys();
    let expected = [
        ("amr", vec!["pwd", "otp"]),
        ("aud", vec!["client-1"]),
        ("email", vec!["a@b.c"]),
        ("email_verified", vec!["true"]),
        ("exp", vec!["1800000600"]),
        ("groups", vec!["g1", "g2"]),
        ("iat", vec!["1800000000"]),
        ("iss", vec!["https://idp.example"]),
        ("level", vec!["3"]),
        ("oaud", vec!["client-1"]),
        ("sub", vec!["user-1"]),
    ];
    let found: Vec<(&str, Vec<&str>)> =
        keys.iter().map(|(key, values)| (key.as_str(), values.iter().map(String::as_str).collect())).collect();
    let expected = expected.map(|(name, values)| (format!("idp.example:{name}"), values));
    assert_eq!(found, expected.iter().map(|(key, values)| (key.as_str(), values.clone())).collect::<Vec<_>>());
}

#[test]
fn the_issuer_can_be_read_before_anything_is_verified() {
    assert_eq!(&*unverified_issuer(&PAIRS.token("ES256", CLAIMS)).unwrap(), "https://idp.example");
    assert!(unverified_issuer(&PAIRS.token("ES256", &with("iss", ""))).is_err());
}
