//! A list in the headers of a request: a canned one by name, or grants.
//!
//! Must not know: which accounts there are.

use http::{HeaderMap, HeaderName};

use super::document::group_of;
use super::{AskedAcl, AskedGrant, AskedGrantee};
use crate::access::acl::{CannedAcl, GRANTS_MAX, Permission};
use crate::s3::error::{Code, Result, S3Error};
use crate::s3::wire::values::header_text;

const CANNED: &str = "x-amz-acl";
const PREFIX: &str = "x-amz-grant-";
const GRANTS: [(&str, Permission); 5] = [
    ("x-amz-grant-full-control", Permission::FullControl),
    ("x-amz-grant-read", Permission::Read),
    ("x-amz-grant-read-acp", Permission::ReadAcp),
    ("x-amz-grant-write", Permission::Write),
    ("x-amz-grant-write-acp", Permission::WriteAcp),
];

/// Reads the list that the headers give, if they give one.
pub fn of_headers(headers: &HeaderMap) -> Result<Option<AskedAcl>> {
    let canned = match header_text(headers, CANNED)? {
        None => None,
        Some(name) => {
            Some(CannedAcl::parse(name).ok_or_else(|| S3Error::invalid_argument("Invalid canned ACL", CANNED, name))?)
        }
    };
    let unknown = |name: &&str| name.starts_with(PREFIX) && !GRANTS.iter().any(|(known, _)| known == name);
    if let Some(name) = headers.keys().map(HeaderName::as_str).find(unknown) {
        return Err(S3Error::not_implemented(name));
    }
    let mut grants = Vec::new();
    for (name, permission) in GRANTS {
        if let Some(text) = header_text(headers, name)? {
            read_grantees(name, text, permission, &mut grants)?;
        }
    }
    match (canned, grants.is_empty()) {
        (Some(_), false) => {
            let message = "Specifying both Canned ACLs and Header Grants is not allowed";
            Err(S3Error::with_message(Code::InvalidRequest, message))
        }
        (Some(canned), true) => Ok(Some(AskedAcl::Canned(canned))),
        (None, false) => Ok(Some(AskedAcl::Grants(grants))),
        (None, true) => Ok(None),
    }
}

/// `id="...", emailAddress="...", uri="..."`, each as often as wanted; the quotes may be left out.
fn read_grantees(header: &'static str, text: &str, permission: Permission, grants: &mut Vec<AskedGrant>) -> Result<()> {
    let invalid = |message: &'static str| S3Error::invalid_argument(message, header, text);
    for grantee in text.split(',') {
        let (kind, value) = grantee.trim().split_once('=').ok_or_else(|| invalid("Argument format not recognized"))?;
        let value = value.trim().trim_matches('"');
        let grantee = match kind.trim().to_ascii_lowercase().as_str() {
            "id" => AskedGrantee::Id(value.into()),
            "emailaddress" => AskedGrantee::Email(value.into()),
            "uri" => AskedGrantee::Group(group_of(value).ok_or_else(|| invalid("Invalid group uri"))?),
            _ => return Err(invalid("Argument format not recognized")),
        };
        if grants.len() >= GRANTS_MAX {
            return Err(Code::MalformedACLError.into());
        }
        grants.push(AskedGrant { grantee, permission });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::access::acl::GranteeGroup;

    fn read(pairs: &[(&'static str, &'static str)]) -> std::result::Result<Option<AskedAcl>, Code> {
        let headers = pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        of_headers(&headers.collect()).map_err(|error| error.code())
    }

    fn grant(grantee: AskedGrantee, permission: Permission) -> AskedGrant {
        AskedGrant { grantee, permission }
    }

    #[test]
    fn a_list_is_canned_or_stands_grant_by_grant() {
        assert_eq!(read(&[("x-amz-acl", "public-read")]), Ok(Some(AskedAcl::Canned(CannedAcl::PublicRead))));
        assert_eq!(read(&[]), Ok(None));
        let read_by = "id=\"a\", emailAddress=b@c , uri=\"http://acs.amazonaws.com/groups/global/AllUsers\"";
        let expected = vec![
            grant(AskedGrantee::Id("x".into()), Permission::FullControl),
            grant(AskedGrantee::Id("a".into()), Permission::Read),
            grant(AskedGrantee::Email("b@c".into()), Permission::Read),
            grant(AskedGrantee::Group(GranteeGroup::AllUsers), Permission::Read),
        ];
        let both = [("x-amz-grant-read", read_by), ("x-amz-grant-full-control", "id=x")];
        assert_eq!(read(&both), Ok(Some(AskedAcl::Grants(expected))));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (pairs, code) in [
            (&[("x-amz-acl", "public-ready")][..], Code::InvalidArgument),
            (&[("x-amz-grant-read", "a")], Code::InvalidArgument),
            (&[("x-amz-grant-read", "uid=a")], Code::InvalidArgument),
            (&[("x-amz-grant-read", "uri=http://a")], Code::InvalidArgument),
            (&[("x-amz-grant-delete", "id=a")], Code::NotImplemented),
            (&[("x-amz-acl", "private"), ("x-amz-grant-read", "id=a")], Code::InvalidRequest),
        ] {
            assert_eq!(read(pairs), Err(code), "{pairs:?}");
        }
    }
}
