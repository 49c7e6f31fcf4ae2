//! The owner of a bucket and of all that is in it, as documents show it.

use crate::engine::Bucket;
use crate::front::Gateway;
use crate::identity::Credential;
use crate::s3::error::Result;
use crate::s3::face::S3;
use crate::s3::wire::xml::Writer;

/// An account as clients see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its canonical id.
    pub id: Box<str>,
    /// Its name.
    pub name: Box<str>,
}

impl Owner {
    /// The caller's own account.
    pub fn of_caller(caller: &Credential) -> Self {
        Self { id: caller.account().id.clone(), name: caller.account().name.clone() }
    }

    /// The account that owns a bucket.
    pub async fn of_bucket(gateway: &Gateway<S3>, caller: &Credential, bucket: &Bucket) -> Result<Self> {
        if bucket.entry.account == caller.account().id {
            return Ok(Self::of_caller(caller));
        }
        let account = gateway.identity.account_by_id(&bucket.entry.account).await?;
        Ok(Self { id: account.id, name: account.name })
    }

    /// Writes it as an element of this name.
    pub fn write(&self, xml: &mut Writer, element: &str) {
        xml.element(element, |xml| self.write_children(xml));
    }

    /// Writes the account that opened an upload: the owner, or another canonical id.
    pub fn write_initiator(&self, xml: &mut Writer, initiator: &str) {
        xml.element("Initiator", |xml| {
            xml.text("ID", initiator);
            if *initiator == *self.id {
                xml.text("DisplayName", &self.name);
            }
        });
    }

    fn write_children(&self, xml: &mut Writer) {
        xml.text("ID", &self.id);
        xml.text("DisplayName", &self.name);
    }

    /// The document that says: the owner has full control, and nobody else has any.
    pub fn access_control_policy(&self) -> String {
        Writer::document("AccessControlPolicy", |xml| {
            self.write(xml, "Owner");
            xml.element("AccessControlList", |xml| {
                xml.element("Grant", |xml| {
                    let grantee = " xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"CanonicalUser\"";
                    xml.nest("Grantee", grantee, |xml| self.write_children(xml));
                    xml.text("Permission", "FULL_CONTROL");
                });
            });
        })
    }
}
