//! GetCallerIdentity, GetSessionToken, GetFederationToken.

use super::parameters::{name, policies, write};
use crate::aws::xml::Writer;
use crate::iam::call::{Call, Done, Settled};
use crate::iam::error::{Code, QueryError};
use crate::iam::target::CallTarget;
use crate::identity::{CallerKind, NewSession, SessionOf};

/// How long a session may last. Seconds.
const LEAST_S: u64 = 900;
const MOST_S: u64 = 129_600;
const DEFAULT_S: u64 = 43_200;
/// That of an account's root.
const ROOT_S: u64 = 3_600;

fn lifetime_s(call: &Call<'_>) -> Result<u64, QueryError> {
    let asked = call.request.form.between("DurationSeconds", LEAST_S, MOST_S)?.unwrap_or(DEFAULT_S);
    Ok(if call.caller().kind == CallerKind::Root { asked.min(ROOT_S) } else { asked })
}

/// GetCallerIdentity: no policy takes it from anybody.
pub(crate) async fn caller_identity(call: &Call<'_>, xml: &mut Writer) -> Done {
    let caller = call.caller();
    xml.text("Arn", &caller.arn());
    xml.text("UserId", &caller.user_id());
    xml.text("Account", &caller.account.number);
    Ok(())
}

/// GetSessionToken: a policy may deny it, and none has to allow it.
pub(crate) async fn session_token(call: &Call<'_>, xml: &mut Writer) -> Done {
    let target = CallTarget::of_arn("*");
    let facts = crate::access::TargetFacts::Account(call.caller().account_ref());
    match call.decide("sts:GetSessionToken", &target, facts) {
        Settled::Allowed => {}
        Settled::NotAllowed => call.notes.allowed_after_all("sts:GetSessionToken", "no policy denies it"),
        Settled::Forbidden => return Err(call.denied("sts:GetSessionToken", &target.told).into()),
    }
    let new = NewSession { of: SessionOf::Own, policies: None, tags: Vec::new(), lifetime_s: lifetime_s(call)? };
    write(call, xml, &call.identity.issue_session(call.credential, new)?);
    Ok(())
}

/// GetFederationToken.
pub(crate) async fn federation_token(call: &Call<'_>, xml: &mut Writer) -> Done {
    let (account, name) = (call.account(), name(call, "Name", 2..=32)?);
    let arn = format!("arn:aws:sts::{}:federated-user/{name}", account.number);
    call.permit("sts:GetFederationToken", &CallTarget::of_arn(&*arn))?;
    let tags = call.request.form.tags()?;
    if !tags.is_empty() {
        call.permit("sts:TagSession", &CallTarget::of_arn(&*arn))?;
    }
    // Two narrowings of one session would have to hold both.
    if call.caller().session.is_some() {
        let message = "An access key with a policy of its own cannot make sessions of federated users";
        return Err(QueryError::new(Code::AccessDenied, message).into());
    }
    let of = SessionOf::Federated { name: name.into() };
    let new = NewSession { of, policies: policies(call, account).await?, tags, lifetime_s: lifetime_s(call)? };
    write(call, xml, &call.identity.issue_session(call.credential, new)?);
    xml.element("FederatedUser", |xml| {
        xml.text("FederatedUserId", &format!("{}:{name}", account.number));
        xml.text("Arn", &arn);
    });
    Ok(())
}
