//! Parameters and answers that the operations on sessions share.

use std::ops::RangeInclusive;

use crate::aws::xml::Writer;
use crate::iam::call::{Call, Done};
use crate::iam::error::{Code, QueryError};
use crate::iam::ops::shapes;
use crate::identity::{Account, IssuedSession, SessionPolicies};

/// Managed policies of a session: STS's bound.
const POLICIES_MAX: usize = 10;

/// The policies of a new session; none: it is not narrowed.
pub(super) async fn policies(call: &Call<'_>, account: &Account) -> Done<Option<SessionPolicies>> {
    let arns = call.request.form.list_of("PolicyArns", ".arn")?;
    let document = call.get("Policy");
    if arns.is_empty() && document.is_none() {
        return Ok(None);
    }
    if arns.len() > POLICIES_MAX {
        let message = format!("PolicyArns has more than {POLICIES_MAX} values.");
        return Err(QueryError::new(Code::ValidationError, message).into());
    }
    let mut policies =
        SessionPolicies { documents: document.map(Into::into).into_iter().collect(), managed: Vec::new() };
    for arn in arns {
        policies.managed.push(call.identity.session_policy(account, arn).await?);
    }
    Ok(Some(policies))
}

/// A name of a session, or a source identity: STS's characters, and so many of them.
pub(super) fn name<'a>(
    call: &'a Call<'_>,
    parameter: &str,
    length: RangeInclusive<usize>,
) -> Result<&'a str, QueryError> {
    let value = call.need(parameter)?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
    if length.contains(&value.len()) && value.bytes().all(allowed) {
        return Ok(value);
    }
    let message = format!(
        "1 validation error detected: Value '{value}' at '{parameter}' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*"
    );
    Err(QueryError::new(Code::ValidationError, message))
}

/// Writes the credentials of a session.
pub(super) fn write(call: &Call<'_>, xml: &mut Writer, session: &IssuedSession) {
    call.notes.made_key(&session.key.access_key);
    xml.element("Credentials", |xml| {
        xml.text("AccessKeyId", &session.key.access_key);
        xml.text("SecretAccessKey", &String::from_utf8_lossy(session.key.secret.expose()));
        xml.text("SessionToken", &session.token);
        xml.plain("Expiration", &shapes::date_s(session.expires_s));
    });
    if let Some(percent) = session.packed_percent {
        xml.value("PackedPolicySize", percent);
    }
}
