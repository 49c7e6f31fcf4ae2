//! GetPublicAccessBlock of S3 Control: what of an account's buckets is kept from the public whatever they say.
//!
//! Promises: speaks of the account's setting as of now; an account without one, or whose setting blocks nothing, is told so by
//! an error of its own.
//! Steps: read the account's row.
//! Writes: nothing.

use crate::access::PublicAccessBlock;
use crate::front::resources::NoBucket;
use crate::front::{Authorized, Body, Gateway, Handler, Response};
use crate::s3::address::Request;
use crate::s3::error::{Code, Executed, Result};
use crate::s3::face::S3;
use crate::s3::ops::access::block;

/// It has no parameters.
pub(crate) struct GetAccountPublicAccessBlock;

impl Handler for GetAccountPublicAccessBlock {
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
        let account = gateway.identity.account_by_id(&authorized.caller().account().id).await?;
        let block = PublicAccessBlock::from(account.block);
        if block == PublicAccessBlock::default() {
            return Err(Code::NoSuchPublicAccessBlockConfiguration.into());
        }
        Ok(Response::xml(block::write(block)))
    }
}
