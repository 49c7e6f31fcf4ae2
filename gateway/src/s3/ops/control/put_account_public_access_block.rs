//! PutPublicAccessBlock of S3 Control: sets what of an account's buckets is kept from the public whatever they say.
//!
//! Promises: when it answers 200 every gateway goes by it within the bound of all changes of identities.
//! Steps: 1. the document; 2. the account's row (`identity.set_account_block`).
//! Writes: the account's row; no chunks.
//! Acknowledged: when `identity.set_account_block` has returned `Ok`.
//! After a crash: nothing is half done.

use crate::front::resources::NoBucket;
use crate::front::{Authorized, Body, BodyUse, Gateway, Handler, Response};
use crate::s3::address::Request;
use crate::s3::error::{Executed, Result};
use crate::s3::face::S3;
use crate::s3::ops::access::block;
use crate::s3::wire::xml;

/// Its parameters are all in the document.
pub(crate) struct PutAccountPublicAccessBlock;

impl Handler for PutAccountPublicAccessBlock {
    type Face = S3;
    type Resources = NoBucket;
    const BODY: BodyUse = BodyUse::Read { checksum_covers_body: true };

    fn parse(_: &Request) -> Result<Self> {
        Ok(Self)
    }

    fn resources(&self, _: &Request) -> Result<NoBucket> {
        Ok(NoBucket)
    }

    async fn execute(authorized: Authorized<Self>, gateway: &Gateway<S3>, body: &mut Body<S3>) -> Executed<Response> {
        super::check_own_account(&authorized)?;
        let block = block::read(&body.document(xml::document_bytes::WORDS_MAX).await?)?;
        gateway.identity.set_account_block(authorized.caller().account(), block.into()).await?;
        Ok(Response::ok())
    }
}
