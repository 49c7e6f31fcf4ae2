//! The `AccessControlPolicy` document, read and written.
//!
//! Must not know: which accounts there are.

use super::{AskedGrant, AskedGrantee};
use crate::access::acl::{AccessControlList, GRANTS_MAX, Grantee, GranteeGroup, Permission};
use crate::s3::error::{Code, Executed, Result, S3Error};
use crate::s3::ops::owner::Owners;
use crate::s3::wire::xml::{self, Element, Writer};

const SCHEMA: &str = "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"";
const GROUPS: [(GranteeGroup, &str); 3] = [
    (GranteeGroup::AllUsers, "http://acs.amazonaws.com/groups/global/AllUsers"),
    (GranteeGroup::AuthenticatedUsers, "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"),
    (GranteeGroup::LogDelivery, "http://acs.amazonaws.com/groups/s3/LogDelivery"),
];
const PERMISSIONS: [(Permission, &str); 5] = [
    (Permission::FullControl, "FULL_CONTROL"),
    (Permission::Read, "READ"),
    (Permission::ReadAcp, "READ_ACP"),
    (Permission::Write, "WRITE"),
    (Permission::WriteAcp, "WRITE_ACP"),
];

/// The group of this name.
pub(super) fn group_of(uri: &str) -> Option<GranteeGroup> {
    GROUPS.iter().find(|(_, known)| *known == uri).map(|(group, _)| *group)
}

/// Reads a document: the canonical id of the owner that it names, and its grants.
pub fn read(document: &[u8]) -> Result<(Box<str>, Vec<AskedGrant>)> {
    let document = xml::read_list(document, "AccessControlPolicy", "Grant").map_err(|_| Code::MalformedACLError)?;
    let owner = document.child("Owner").and_then(|owner| owner.child_text("ID")).ok_or(Code::MalformedACLError)?;
    let list = document.child("AccessControlList").ok_or(Code::MalformedACLError)?;
    if list.children().len() > GRANTS_MAX || list.children().iter().any(|child| child.name() != "Grant") {
        return Err(Code::MalformedACLError.into());
    }
    let grants = list.children().iter().map(read_grant).collect::<Result<_>>()?;
    Ok((owner.into(), grants))
}

fn read_grant(grant: &Element) -> Result<AskedGrant> {
    let grantee = grant.child("Grantee").ok_or(Code::MalformedACLError)?;
    let named = ["ID", "EmailAddress", "URI"].map(|name| grantee.child_text(name).map(str::trim));
    let grantee = match named {
        [Some(id), None, None] => AskedGrantee::Id(id.into()),
        [None, Some(email), None] => AskedGrantee::Email(email.into()),
        [None, None, Some(uri)] => AskedGrantee::Group(
            group_of(uri).ok_or_else(|| S3Error::invalid_argument("Invalid group uri", "Group/URI", uri))?,
        ),
        _ => return Err(Code::MalformedACLError.into()),
    };
    let permission = grant.child_text("Permission").map(str::trim).ok_or(Code::MalformedACLError)?;
    let known = PERMISSIONS.iter().find(|(_, name)| *name == permission).map(|(known, _)| *known);
    Ok(AskedGrant { grantee, permission: known.ok_or(Code::MalformedACLError)? })
}

/// Writes the document of a list: what groups may before what accounts may.
pub async fn write(list: &AccessControlList, owners: &mut Owners<'_>) -> Executed<String> {
    let ids = list.grants.iter().filter_map(|grant| match &grant.grantee {
        Grantee::Account(id) => Some(&**id),
        Grantee::Group(_) => None,
    });
    for id in ids.chain([&*list.owner]) {
        owners.find(id).await?;
    }
    let owners = &*owners;
    let (of_groups, of_accounts): (Vec<_>, Vec<_>) =
        list.grants.iter().partition(|grant| matches!(grant.grantee, Grantee::Group(_)));
    Ok(Writer::document("AccessControlPolicy", |xml| {
        owners.of(&list.owner).write(xml, "Owner");
        xml.element("AccessControlList", |xml| {
            for grant in of_groups.into_iter().chain(of_accounts) {
                xml.element("Grant", |xml| {
                    write_grantee(xml, &grant.grantee, owners);
                    let name = PERMISSIONS.iter().find(|(permission, _)| *permission == grant.permission);
                    xml.text("Permission", name.map_or("", |(_, name)| name));
                });
            }
        });
    }))
}

fn write_grantee(xml: &mut Writer, grantee: &Grantee, owners: &Owners<'_>) {
    match grantee {
        Grantee::Account(id) => {
            let attributes = format!(" {SCHEMA} xsi:type=\"CanonicalUser\"");
            xml.nest("Grantee", &attributes, |xml| owners.of(id).write_children(xml));
        }
        Grantee::Group(group) => {
            let uri = GROUPS.iter().find(|(known, _)| known == group).map_or("", |(_, uri)| uri);
            xml.nest("Grantee", &format!(" {SCHEMA} xsi:type=\"Group\""), |xml| xml.text("URI", uri));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn policy(grants: &str) -> std::result::Result<usize, Code> {
        let owner = "<Owner><ID>me</ID></Owner>";
        let text = format!(
            "<AccessControlPolicy>{owner}<AccessControlList>{grants}</AccessControlList></AccessControlPolicy>"
        );
        read(text.as_bytes()).map(|(_, grants)| grants.len()).map_err(|error| error.code())
    }

    #[test]
    fn grants_are_read_or_refused() {
        let grant = |grantee: &str, permission: &str| {
            format!("<Grant><Grantee>{grantee}</Grantee><Permission>{permission}</Permission></Grant>")
        };
        let (id, email) = ("<ID>a</ID><DisplayName>x</DisplayName>", "<EmailAddress>a@b</EmailAddress>");
        let group = "<URI>http://acs.amazonaws.com/groups/global/AllUsers</URI>";
        assert_eq!(policy(&[id, email, group].map(|grantee| grant(grantee, "READ_ACP")).concat()), Ok(3));
        assert_eq!(policy(""), Ok(0));
        for (grants, code) in [
            (grant(id, "DELETE"), Code::MalformedACLError),
            (grant("<DisplayName>x</DisplayName>", "READ"), Code::MalformedACLError),
            (grant(&format!("{id}{email}"), "READ"), Code::MalformedACLError),
            (grant("<URI>http://a</URI>", "READ"), Code::InvalidArgument),
            (grant(id, "READ").repeat(101), Code::MalformedACLError),
            ("<Other/>".to_owned(), Code::MalformedACLError),
            ("<Grant>".to_owned(), Code::MalformedACLError),
        ] {
            assert_eq!(policy(&grants), Err(code), "{grants}");
        }
        let without_owner = b"<AccessControlPolicy><AccessControlList/></AccessControlPolicy>";
        assert_eq!(read(without_owner).unwrap_err().code(), Code::MalformedACLError);
    }
}
