//! What a token claims, and whether it holds here and now.
//!
//! Must not know: signatures.

use std::collections::BTreeMap;

use super::Provider;
use super::error::TokenError;
use crate::json::{self, Json};

/// How far the provider's clock may be off, in seconds.
const LEEWAY_S: f64 = 60.0;

/// The longest `sub`, in bytes: STS's bound of `SubjectFromWebIdentityToken`.
const SUBJECT_BYTES_MAX: usize = 255;

/// What a token claims. Times are seconds since 1970.
#[derive(Clone, Debug, PartialEq)]
pub struct Claims {
    /// The provider (`iss`).
    pub issuer: Box<str>,
    /// The user, by a name that is unique at the provider (`sub`).
    pub subject: Box<str>,
    /// The audiences (`aud`).
    pub audiences: Vec<String>,
    /// The client that it was issued to (`azp`).
    pub authorized_party: Option<Box<str>>,
    /// How the user was authenticated (`amr`).
    pub methods: Vec<String>,
    /// When it ends (`exp`).
    pub expires: f64,
    /// Before when it does not hold (`nbf`).
    not_before: Option<f64>,
    /// When it was issued (`iat`).
    issued: Option<f64>,
    /// All claims that are texts, numbers, truth values, or lists of them: each as texts.
    values: BTreeMap<String, Vec<String>>,
}

impl Claims {
    /// Reads the payload of a token. A claim that stands twice, or that is not of its type, refuses it: what is not
    /// understood is not taken for absent.
    pub(super) fn read(payload: &str) -> Result<Self, TokenError> {
        let Some(Json::Object(members)) = json::parse(payload) else {
            return Err(TokenError::Invalid("The token's claims are not a JSON object"));
        };
        let mut claims: BTreeMap<String, Json> = members.into_iter().collect();
        let values = claims.iter().filter_map(|(name, value)| Some((name.clone(), texts(value)?))).collect();
        let text = |value: Option<Json>, error| match value {
            None => Ok(None),
            Some(Json::Text(text)) => Ok(Some(Box::from(text))),
            Some(_) => Err(TokenError::Invalid(error)),
        };
        let time = |value: Option<Json>| value.as_ref().map(numeric_date).transpose();
        let missing = |error| move || TokenError::Invalid(error);
        let subject: Option<Box<str>> = text(claims.remove("sub"), "The claim sub is not a text")?;
        let subject = subject.ok_or_else(missing("Missing a required claim: sub"))?;
        if subject.is_empty() || subject.len() > SUBJECT_BYTES_MAX {
            return Err(TokenError::Invalid("The claim sub has not 1 to 255 characters"));
        }
        let issuer = text(claims.remove("iss"), "The claim iss is not a text")?;
        Ok(Self {
            issuer: issuer.ok_or_else(missing("Missing a required claim: iss"))?,
            subject,
            audiences: list(claims.remove("aud"), "The claim aud is not a text or a list of texts")?,
            authorized_party: text(claims.remove("azp"), "The claim azp is not a text")?,
            methods: list(claims.remove("amr"), "The claim amr is not a list of texts")?,
            expires: time(claims.remove("exp"))?.ok_or_else(missing("Missing a required claim: exp"))?,
            not_before: time(claims.remove("nbf"))?,
            issued: time(claims.remove("iat"))?,
            values,
        })
    }

    /// Refuses claims that are another provider's, for none of its client ids, or not of now (seconds since 1970).
    pub(super) fn check(&self, provider: &Provider, now_s: u64) -> Result<(), TokenError> {
        if self.issuer != provider.issuer {
            return Err(TokenError::Invalid("The token is not of the provider"));
        }
        let is_for = |audience: &str| provider.client_ids.iter().any(|client_id| &**client_id == audience);
        if !self.audience().iter().any(|audience| is_for(audience)) {
            return Err(TokenError::Invalid("Incorrect token audience"));
        }
        // A clock beyond 2^53 seconds is none.
        #[allow(clippy::cast_precision_loss, reason = "seconds since 1970")]
        let now = now_s as f64;
        if now >= self.expires + LEEWAY_S {
            return Err(TokenError::Expired);
        }
        if self.not_before.is_some_and(|time| time > now + LEEWAY_S) {
            return Err(TokenError::RejectedClaim("The token is not valid yet (nbf)"));
        }
        if self.issued.is_some_and(|time| time > now + LEEWAY_S) {
            return Err(TokenError::RejectedClaim("The token was issued in the future (iat)"));
        }
        Ok(())
    }

    /// For which client it is: `azp` where that is set, else `aud`, as STS has it.
    pub fn audience(&self) -> &[String] {
        let party = self.authorized_party.as_ref().and_then(|_| self.values.get("azp"));
        party.map_or(&self.audiences, Vec::as_slice)
    }

    /// The keys that conditions of trust policies may name, and their values: `issuer:claim`, the issuer without its scheme.
    /// As STS has it, `aud` is the client that the token was issued to (`azp`) where it says so, and `oaud` is what it has as `aud`.
    ///
    /// Follows "Available keys for AWS OIDC federation" of
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html>.
    pub fn condition_keys(&self) -> BTreeMap<String, Vec<String>> {
        let issuer = self.issuer.split_once("://").map_or(&*self.issuer, |(_, rest)| rest);
        let mut values = self.values.clone();
        values.insert("aud".to_owned(), self.audience().to_vec());
        // A token's own `oaud` would pass for its `aud`.
        values.insert("oaud".to_owned(), self.audiences.clone());
        values.into_iter().map(|(name, values)| (format!("{issuer}:{name}"), values)).collect()
    }
}

/// A claim as texts, if it is one text, number or truth value, or a list of them.
fn texts(value: &Json) -> Option<Vec<String>> {
    let one = |value: &Json| match value {
        Json::Text(text) | Json::Number(text) => Some(text.clone()),
        Json::Bool(value) => Some(value.to_string()),
        Json::Null | Json::List(_) | Json::Object(_) => None,
    };
    match value {
        Json::List(values) => values.iter().map(one).collect(),
        value => Some(vec![one(value)?]),
    }
}

/// A claim that is a text or a list of texts; none is the empty list.
fn list(value: Option<Json>, error: &'static str) -> Result<Vec<String>, TokenError> {
    let one = |value: Json| match value {
        Json::Text(text) => Ok(text),
        _ => Err(TokenError::Invalid(error)),
    };
    match value {
        None => Ok(Vec::new()),
        Some(Json::List(values)) => values.into_iter().map(one).collect(),
        Some(value) => Ok(vec![one(value)?]),
    }
}

/// A time (RFC 7519, section 2): a number of seconds since 1970, perhaps with a fraction.
fn numeric_date(value: &Json) -> Result<f64, TokenError> {
    let Json::Number(number) = value else { return Err(TokenError::Invalid("A time of the token is not a number")) };
    let time = number.parse().ok().filter(|time: &f64| time.is_finite() && *time >= 0.0);
    time.ok_or(TokenError::Invalid("A time of the token is none"))
}
