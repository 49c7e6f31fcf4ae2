//! How often a provider is asked, and how long its keys count.

use std::sync::Arc;
use std::time::Duration;

use super::super::key_sets::{FRESH, LIFE, PAUSE, PROVIDERS_MAX};
use super::super::{Provider, TokenError};
use super::provider::{KEYS, OTHERS, PAIRS};
use super::{CLAIMS, Fixture};

/// What one look at a provider fetches: its configuration and its keys.
const LOOK: usize = 2;

/// A token that does not end within the test.
fn lasting() -> String {
    CLAIMS.replace("1800000600", "1900000000")
}

/// Until the tasks that were spawned have run.
async fn quiet() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn keys_are_fetched_once_for_many_tokens() {
    let fixture = Fixture::new();
    for _ in 0..10 {
        fixture.claimed(CLAIMS).await.unwrap();
    }
    assert_eq!(fixture.web.fetches(), LOOK);
}

#[tokio::test]
async fn forged_tokens_make_nobody_ask_the_provider_again_and_again() {
    let fixture = Fixture::new();
    let forged =
        |number: usize| OTHERS.token_with("RS256", &format!(r#"{{"alg":"RS256","kid":"unknown-{number}"}}"#), CLAIMS);
    for number in 0..50 {
        assert!(fixture.verify(&forged(number)).await.is_err());
    }
    assert_eq!(fixture.web.fetches(), LOOK);
    fixture.clock.pass(PAUSE);
    for number in 50..100 {
        assert!(fixture.verify(&forged(number)).await.is_err());
    }
    assert_eq!(fixture.web.fetches(), 2 * LOOK);
}

#[tokio::test]
async fn a_provider_that_is_away_is_asked_once_in_a_while() {
    let fixture = Fixture::new();
    fixture.web.documents.lock().clear();
    for _ in 0..20 {
        assert_eq!(fixture.claimed(CLAIMS).await, Err(TokenError::Communication));
    }
    assert_eq!(fixture.web.fetches(), 1);
    fixture.clock.pass(PAUSE);
    fixture.claimed(CLAIMS).await.unwrap_err();
    assert_eq!(fixture.web.fetches(), 2);
}

#[tokio::test]
async fn a_key_that_is_new_is_found_and_one_that_is_gone_counts_no_more() {
    let fixture = Fixture::new();
    let (old, new) =
        (PAIRS.token("ES256", CLAIMS), OTHERS.token_with("ES256", r#"{"alg":"ES256","kid":"new"}"#, CLAIMS));
    fixture.verify(&old).await.unwrap();
    fixture.web.publish(KEYS, OTHERS.published().replace("\"p256\"", "\"new\""));
    assert!(fixture.verify(&new).await.is_err(), "it was asked just now");
    fixture.clock.pass(PAUSE);
    fixture.verify(&new).await.unwrap();
    assert!(matches!(fixture.verify(&old).await, Err(TokenError::Invalid(_))));
}

#[tokio::test]
async fn keys_are_renewed_behind_the_requests_and_outlast_an_absence() {
    let fixture = Fixture::new();
    fixture.claimed(&lasting()).await.unwrap();
    fixture.clock.pass(FRESH);
    let stopped = fixture.web.stopped.lock().await;
    for _ in 0..5 {
        fixture.claimed(&lasting()).await.unwrap();
        quiet().await;
    }
    assert_eq!(fixture.web.fetches(), LOOK + 1, "one asks, and nobody waits for it");
    drop(stopped);
    quiet().await;
    assert_eq!(fixture.web.fetches(), 2 * LOOK);
    fixture.web.documents.lock().clear();
    fixture.clock.pass(LIFE - Duration::from_secs(1));
    fixture.claimed(&lasting()).await.unwrap();
    quiet().await;
    fixture.clock.pass(Duration::from_secs(1));
    assert_eq!(fixture.claimed(&lasting()).await, Err(TokenError::Communication), "they are too old");
}

#[tokio::test]
async fn many_wait_for_one_and_one_that_goes_away_does_not_have_it_asked_again() {
    let fixture = Arc::new(Fixture::new());
    let stopped = fixture.web.stopped.lock().await;
    let mut first = tokio::task::JoinSet::new();
    let gone = Arc::clone(&fixture);
    first.spawn(async move { gone.claimed(CLAIMS).await });
    quiet().await;
    first.shutdown().await;
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let fixture = Arc::clone(&fixture);
        waiting.spawn(async move { fixture.claimed(CLAIMS).await });
    }
    quiet().await;
    assert_eq!(fixture.web.fetches(), 1);
    drop(stopped);
    while let Some(verified) = waiting.join_next().await {
        verified.unwrap().unwrap();
    }
    assert_eq!(fixture.web.fetches(), LOOK);
}

#[tokio::test]
async fn the_providers_that_were_needed_last_are_kept() {
    let fixture = Fixture::new();
    fixture.claimed(CLAIMS).await.unwrap();
    let fetched = fixture.web.fetches();
    for number in 0..PROVIDERS_MAX + 10 {
        fixture.clock.pass(Duration::from_micros(1));
        let issuer = format!("https://idp-{number}.example").into();
        let other = Provider { issuer, ..fixture.provider.clone() };
        fixture.verifier.verify(&other, &PAIRS.token("ES256", CLAIMS)).await.unwrap_err();
        fixture.claimed(CLAIMS).await.unwrap();
    }
    assert_eq!(fixture.verifier.key_sets.len(), PROVIDERS_MAX);
    assert_eq!(fixture.web.fetches(), fetched + PROVIDERS_MAX + 10, "none but the new ones are asked");
}
