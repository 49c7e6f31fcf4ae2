//! DeletePublicAccessBlock of S3 Control: an account's buckets are again as public as they say.
//!
//! Promises: when it answers 204 every gateway goes by it within the bound of all changes of identities. Deleting what is not
//! there is done.
//! Steps: the account's row (`identity.set_account_block`).
//! Writes: the account's row; no chunks.
//! Acknowledged: when `identity.set_account_block` has returned `Ok`.
//! After a crash: nothing is half done.

use crate::front::resources::NoBucket;
use crate::front::{Authorized, Body, Gateway, Handler, Response};
use crate::identity::PublicAccessBlock;
use crate::s3::address::Request;
use crate::s3::error::{Executed, Result};
use crate::s3::face::S3;

/// It has no parameters.
pub(crate) struct DeleteAccountPublicAccessBlock;

impl Handler for DeleteAccountPublicAccessBlock {
    type Face = S3;
    type Resources = NoBucket;

    fn parse(_: &Request) -> Result<Self> {
        Ok(Self)
    }

    fn resources(&self, _: &Request) -> Result<NoBucket> {
        Ok(NoBucket)
    }

    async fn execute(authorized: Authorized<Self>, gateway: &Gateway<S3>, _: &mut Body<S3>) -> Executed<Response> {
        super::check_own_account(&authorized)?;
        let account = authorized.caller().account();
        gateway.identity.set_account_block(account, PublicAccessBlock::default()).await?;
        Ok(Response::no_content())
    }
}
