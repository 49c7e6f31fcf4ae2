//! Access keys.

use super::page::{self, Page};
use super::shapes;
use crate::aws::xml::Writer;
use crate::iam::call::{Call, Done};
use crate::iam::error::{Code, QueryError};
use crate::identity::{AccessKey, KeySettings};

const fn status(is_active: bool) -> &'static str {
    if is_active { "Active" } else { "Inactive" }
}

/// CreateAccessKey.
pub(crate) async fn create(call: &Call<'_>, xml: &mut Writer) -> Done {
    let user = call.user()?;
    let key = call.identity.create_key(call.account(), call.key_owner()?, None, KeySettings::default()).await?;
    call.notes.made_key(&key.access_key);
    xml.element("AccessKey", |xml| {
        xml.optional("UserName", user);
        xml.text("AccessKeyId", &key.access_key);
        xml.plain("Status", status(true));
        xml.text("SecretAccessKey", &String::from_utf8_lossy(key.secret.expose()));
        xml.plain("CreateDate", &shapes::date_s(call.now_ms / 1000));
    });
    Ok(())
}

/// ListAccessKeys.
pub(crate) async fn list(call: &Call<'_>, xml: &mut Writer) -> Done {
    let (page, user) = (Page::of(call)?, call.user()?);
    let keys = call.identity.list_keys(call.account(), call.key_owner()?).await?;
    let (keys, next) = page.take(keys, |key| &key.access_key);
    page::write(xml, "AccessKeyMetadata", &keys, |xml, key: &AccessKey| {
        xml.optional("UserName", user);
        xml.text("AccessKeyId", &key.access_key);
        xml.plain("Status", status(key.is_active));
        xml.plain("CreateDate", &shapes::date(key.created));
    });
    page::write_end(xml, next.as_deref());
    Ok(())
}

/// UpdateAccessKey.
pub(crate) async fn update(call: &Call<'_>, _: &mut Writer) -> Done {
    let is_active = match call.need("Status")? {
        "Active" => true,
        "Inactive" => false,
        other => return Err(QueryError::new(Code::ValidationError, format!("{other} is no status of a key.")).into()),
    };
    let access_key = call.need("AccessKeyId")?;
    call.identity.set_key_active(call.account(), call.key_owner()?, access_key, is_active).await?;
    Ok(())
}

/// DeleteAccessKey.
pub(crate) async fn delete(call: &Call<'_>, _: &mut Writer) -> Done {
    call.identity.delete_key(call.account(), call.key_owner()?, call.need("AccessKeyId")?).await?;
    Ok(())
}

/// GetAccessKeyLastUsed.
pub(crate) async fn last_used(call: &Call<'_>, xml: &mut Writer) -> Done {
    let access_key = call.need("AccessKeyId")?;
    let user = call.identity.key_owner(call.account(), access_key).await?;
    let used = call.identity.key_last_used(access_key).await?;
    xml.optional("UserName", user.as_deref());
    xml.element("AccessKeyLastUsed", |xml| match &used {
        Some(used) => {
            xml.plain("LastUsedDate", &shapes::date_s(used.used_s));
            xml.text("ServiceName", &used.service);
            xml.text("Region", &used.region);
        }
        None => {
            xml.plain("ServiceName", "N/A");
            xml.plain("Region", "N/A");
        }
    });
    Ok(())
}
