//! OpenID Connect providers.

use super::page;
use super::shapes;
use crate::aws::xml::Writer;
use crate::iam::call::{Call, Done};
use crate::identity::{EntityKind, IdentityError, NewOidcProvider};

/// The address, without its scheme, of the provider that the request names.
fn name<'a>(call: &'a Call<'_>) -> Done<&'a str> {
    let arn = call.need("OpenIDConnectProviderArn")?;
    let name = arn.strip_prefix(call.account().arn("oidc-provider", "/", "").as_str());
    name.ok_or_else(|| IdentityError::NoSuch(EntityKind::OidcProvider).into())
}

fn texts(values: Vec<&str>) -> Vec<Box<str>> {
    values.into_iter().map(Into::into).collect()
}

/// CreateOpenIDConnectProvider.
pub(crate) async fn create(call: &Call<'_>, xml: &mut Writer) -> Done {
    let form = &call.request.form;
    let new = NewOidcProvider {
        url: call.need("Url")?.into(),
        client_ids: texts(form.list("ClientIDList")?),
        thumbprints: texts(form.list("ThumbprintList")?),
        tags: form.tags()?,
    };
    let name = call.identity.create_oidc_provider(call.account(), new).await?;
    xml.text("OpenIDConnectProviderArn", &call.account().arn("oidc-provider", "/", &name));
    Ok(())
}

/// GetOpenIDConnectProvider.
pub(crate) async fn get(call: &Call<'_>, xml: &mut Writer) -> Done {
    let name = name(call)?;
    let provider = call.identity.oidc_provider(call.account(), name).await?;
    xml.text("Url", name);
    xml.element("ClientIDList", |xml| provider.client_ids.iter().for_each(|id| xml.text("member", id)));
    xml.element("ThumbprintList", |xml| provider.thumbprints.iter().for_each(|print| xml.text("member", print)));
    xml.plain("CreateDate", &shapes::date(provider.created));
    shapes::tags(xml, &provider.tags);
    Ok(())
}

/// ListOpenIDConnectProviders.
pub(crate) async fn list(call: &Call<'_>, xml: &mut Writer) -> Done {
    let names = call.identity.list_oidc_providers(call.account()).await?;
    page::write(xml, "OpenIDConnectProviderList", &names, |xml, name| {
        xml.text("Arn", &call.account().arn("oidc-provider", "/", name));
    });
    Ok(())
}

/// DeleteOpenIDConnectProvider.
pub(crate) async fn delete(call: &Call<'_>, _: &mut Writer) -> Done {
    Ok(call.identity.delete_oidc_provider(call.account(), name(call)?).await?)
}

/// UpdateOpenIDConnectProviderThumbprint.
pub(crate) async fn update_thumbprints(call: &Call<'_>, _: &mut Writer) -> Done {
    let prints = texts(call.request.form.list("ThumbprintList")?);
    let change = |row: &mut crate::identity::OidcProviderRow| row.thumbprints.clone_from(&prints);
    Ok(call.identity.change_oidc_provider(call.account(), name(call)?, change).await?)
}

/// AddClientIDToOpenIDConnectProvider.
pub(crate) async fn add_client_id(call: &Call<'_>, _: &mut Writer) -> Done {
    let id = call.need("ClientID")?;
    let change = |row: &mut crate::identity::OidcProviderRow| {
        if !row.client_ids.iter().any(|known| **known == *id) {
            row.client_ids.push(id.into());
        }
    };
    Ok(call.identity.change_oidc_provider(call.account(), name(call)?, change).await?)
}

/// RemoveClientIDFromOpenIDConnectProvider.
pub(crate) async fn remove_client_id(call: &Call<'_>, _: &mut Writer) -> Done {
    let id = call.need("ClientID")?;
    let change = |row: &mut crate::identity::OidcProviderRow| row.client_ids.retain(|known| **known != *id);
    Ok(call.identity.change_oidc_provider(call.account(), name(call)?, change).await?)
}
