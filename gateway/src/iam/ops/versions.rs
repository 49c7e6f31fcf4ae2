//! Versions of managed policies.

use super::page::{self, Page};
use super::shapes;
use crate::aws::xml::Writer;
use crate::iam::call::{Call, Done};
use crate::identity::{Entity, EntityKind, IdentityError, PolicyRow, PolicyVersion};

fn number(call: &Call<'_>) -> Done<u32> {
    let text = call.need("VersionId")?;
    let number = text.strip_prefix('v').and_then(|number| number.parse().ok());
    number.ok_or_else(|| IdentityError::NoSuch(EntityKind::PolicyVersion).into())
}

fn version(xml: &mut Writer, policy: &Entity<PolicyRow>, version: &PolicyVersion) {
    xml.value("VersionId", format_args!("v{}", version.number));
    xml.value("IsDefaultVersion", version.number == policy.row.default);
    xml.plain("CreateDate", &shapes::date(version.created));
}

/// CreatePolicyVersion.
pub(crate) async fn create(call: &Call<'_>, xml: &mut Writer) -> Done {
    let (arn, document) = (call.need("PolicyArn")?, call.need("PolicyDocument")?);
    let is_default = call.request.form.parsed::<bool>("SetAsDefault")?.unwrap_or(false);
    let number = call.identity.create_policy_version(call.account(), arn, document.into(), is_default).await?;
    xml.element("PolicyVersion", |xml| {
        xml.value("VersionId", format_args!("v{number}"));
        xml.value("IsDefaultVersion", is_default);
        xml.plain("CreateDate", &shapes::date_s(call.now_ms / 1000));
    });
    Ok(())
}

/// GetPolicyVersion.
pub(crate) async fn get(call: &Call<'_>, xml: &mut Writer) -> Done {
    let policy = call.identity.policy(call.account(), call.need("PolicyArn")?).await?;
    let number = number(call)?;
    let found = policy.row.versions.iter().find(|version| version.number == number);
    let found = found.ok_or(IdentityError::NoSuch(EntityKind::PolicyVersion))?;
    xml.element("PolicyVersion", |xml| {
        shapes::document(xml, "Document", &found.document);
        version(xml, &policy, found);
    });
    Ok(())
}

/// ListPolicyVersions: the newest first.
pub(crate) async fn list(call: &Call<'_>, xml: &mut Writer) -> Done {
    let page = Page::of(call)?;
    let policy = call.identity.policy(call.account(), call.need("PolicyArn")?).await?;
    let named = policy.row.versions.iter().rev().map(|version| (format!("{:010}", u32::MAX - version.number), version));
    let (versions, next) = page.take(named.collect(), |(name, _)| name);
    page::write(xml, "Versions", &versions, |xml, (_, one)| version(xml, &policy, one));
    page::write_end(xml, next.as_deref());
    Ok(())
}

/// SetDefaultPolicyVersion.
pub(crate) async fn set_default(call: &Call<'_>, _: &mut Writer) -> Done {
    let (arn, number) = (call.need("PolicyArn")?, number(call)?);
    call.identity.set_default_policy_version(call.account(), arn, number).await?;
    Ok(())
}

/// DeletePolicyVersion.
pub(crate) async fn delete(call: &Call<'_>, _: &mut Writer) -> Done {
    let (arn, number) = (call.need("PolicyArn")?, number(call)?);
    call.identity.delete_policy_version(call.account(), arn, number).await?;
    Ok(())
}
