//! AssumeRole and AssumeRoleWithWebIdentity: a session of a role, for callers that its trust policy lets take it.
//!
//! A role that is not there is denied as one that may not be taken. A session that a role's session takes lasts an hour at
//! most, as on AWS.

use super::parameters::{name, policies, write};
use crate::access::TargetFacts;
use crate::access::arn::{self, AccountNumber};
use crate::access::policy::StoredPolicy;
use crate::access::principal::AccountRef;
use crate::aws::xml::Writer;
use crate::iam::call::{Call, Done, Fault};
use crate::iam::error::{Code, QueryError};
use crate::iam::target::CallTarget;
use crate::identity::{Account, CallerKind, Entity, IdentityError, NewSession, RoleRow, SessionOf, Tag};

/// How long a session may last at least, and if it is not said. Seconds.
const LEAST_S: u64 = 900;
const MOST_S: u64 = 43_200;
const DEFAULT_S: u64 = 3_600;

/// A role that is to be taken.
struct Role {
    account: Account,
    role: Entity<RoleRow>,
}

/// AssumeRole.
pub(crate) async fn assume_role(call: &Call<'_>, xml: &mut Writer) -> Done {
    const ACTION: &str = "sts:AssumeRole";
    let arn = call.need("RoleArn")?;
    let denied = || Fault::from(call.denied(ACTION, arn));
    if call.caller().kind == CallerKind::Root {
        return Err(QueryError::new(Code::AccessDenied, "Roles may not be assumed by root accounts.").into());
    }
    let role = find(call, arn).await?.ok_or_else(denied)?;
    let tags = call.request.form.tags()?;
    let source_identity = source_identity(call)?;
    let mut actions = vec![ACTION];
    actions.extend((!tags.is_empty()).then_some("sts:TagSession"));
    actions.extend(call.get("SourceIdentity").map(|_| "sts:SetSourceIdentity"));
    for action in actions {
        if !role.may_be_taken(call, action, arn) {
            return Err(call.denied(action, arn).into());
        }
    }
    issue(call, xml, &role, tags, (source_identity, None)).await
}

/// AssumeRoleWithWebIdentity: the caller is the user of the provider that vouches for it.
pub(crate) async fn with_web_identity(call: &Call<'_>, xml: &mut Writer) -> Done {
    const ACTION: &str = "sts:AssumeRoleWithWebIdentity";
    let arn = call.need("RoleArn")?;
    let CallerKind::WebIdentity { provider, claims } = &call.caller().kind else {
        return Err(QueryError::new(
            Code::InvalidIdentityToken,
            "The request is signed, and no provider vouches for it",
        )
        .into());
    };
    let found = find(call, arn).await?.filter(|role| role.may_be_taken(call, ACTION, arn));
    let role =
        found.ok_or_else(|| QueryError::new(Code::AccessDenied, format!("Not authorized to perform {ACTION}")))?;
    issue(call, xml, &role, Vec::new(), (None, Some(provider.clone()))).await?;
    xml.text("SubjectFromWebIdentityToken", &claims.subject);
    xml.text("Audience", claims.audience().first().map_or("", String::as_str));
    xml.text("Provider", provider);
    Ok(())
}

/// The role of an ARN; `None`: there is none.
async fn find(call: &Call<'_>, role_arn: &str) -> Done<Option<Role>> {
    let Some(["arn", "aws", "iam", "", number, resource]) = arn::split(role_arn) else {
        return Err(QueryError::new(Code::ValidationError, format!("{role_arn} is invalid")).into());
    };
    let Some(name) = resource.strip_prefix("role/").and_then(|rest| rest.rsplit('/').next()) else {
        return Err(QueryError::new(Code::ValidationError, format!("{role_arn} is invalid")).into());
    };
    let absent = |error| match error {
        IdentityError::NoSuch(_) => Ok(None),
        error => Err(Fault::Identity(error)),
    };
    let account = match call.identity.account_by_number(number).await {
        Ok(account) => account,
        Err(error) => return absent(error),
    };
    match call.identity.role(&account, name).await {
        // The path is part of the ARN.
        Ok(role) if account.arn("role", &role.row.path, &role.row.name) == role_arn => Ok(Some(Role { account, role })),
        Ok(_) => Ok(None),
        Err(error) => absent(error),
    }
}

impl Role {
    /// Whether trust policy and the caller's own policies let it be taken.
    fn may_be_taken(&self, call: &Call<'_>, action: &str, arn: &str) -> bool {
        let number = AccountNumber::parse(&self.account.number).unwrap_or(AccountNumber::UNASSIGNED);
        let account = AccountRef { number, canonical: &self.account.id };
        let trust = StoredPolicy::read(&self.role.row.trust);
        let trust = crate::access::AttachedPolicy { name: arn, policy: &trust };
        let target = CallTarget { tags: self.role.row.tags.clone(), ..CallTarget::of_arn(arn) };
        call.decide(action, &target, TargetFacts::Role { account, trust }).is_allow()
    }

    /// How long a session of it lasts. Seconds.
    fn lifetime_s(&self, call: &Call<'_>) -> Result<u64, QueryError> {
        let asked = call.request.form.between("DurationSeconds", LEAST_S, MOST_S)?.unwrap_or(DEFAULT_S);
        let is_chained = matches!(call.caller().kind, CallerKind::RoleSession { .. });
        let (most, why) = match is_chained {
            true => (DEFAULT_S, "the 1 hour session limit for roles assumed by role chaining"),
            false => (u64::from(self.role.row.session_s_max), "the MaxSessionDuration set for this role"),
        };
        if asked > most {
            let message = format!("The requested DurationSeconds exceeds {why}.");
            return Err(QueryError::new(Code::ValidationError, message));
        }
        Ok(asked)
    }
}

/// The source identity that the session has: the one that is asked for, which may not be another than that of the session
/// that asks.
fn source_identity(call: &Call<'_>) -> Result<Option<Box<str>>, QueryError> {
    let known = match &call.caller().kind {
        CallerKind::RoleSession { source_identity, .. } => source_identity.clone(),
        _ => None,
    };
    if call.get("SourceIdentity").is_none() {
        return Ok(known);
    }
    let asked = name(call, "SourceIdentity", 2..=64)?;
    match known {
        Some(known) if *known != *asked => {
            Err(QueryError::new(Code::AccessDenied, "The source identity of a session cannot be changed"))
        }
        _ => Ok(Some(asked.into())),
    }
}

/// Makes the session, and writes it. `vouched` are its source identity and the provider that vouches for it.
async fn issue(
    call: &Call<'_>,
    xml: &mut Writer,
    role: &Role,
    tags: Vec<Tag>,
    vouched: (Option<Box<str>>, Option<Box<str>>),
) -> Done {
    let session_name = name(call, "RoleSessionName", 2..=64)?;
    let lifetime_s = role.lifetime_s(call)?;
    let (source_identity, provider) = vouched;
    let policies = policies(call, &role.account).await?;
    let (role_id, name) = (role.role.id.clone(), session_name.into());
    let of = SessionOf::Role { role_id, name, source_identity: source_identity.clone(), provider };
    let session = call.identity.issue_session(call.credential, NewSession { of, policies, tags, lifetime_s })?;
    write(call, xml, &session);
    xml.element("AssumedRoleUser", |xml| {
        let (number, name) = (&role.account.number, &role.role.row.name);
        xml.text("AssumedRoleId", &format!("{}:{session_name}", role.role.id));
        xml.text("Arn", &format!("arn:aws:sts::{number}:assumed-role/{name}/{session_name}"));
    });
    xml.optional("SourceIdentity", source_identity.as_deref());
    Ok(())
}
