//! S3 Control: what SDKs ask of accounts, and of buckets by their ARNs.
//!
//! A request names in a header the account that it believes to ask about. Follows
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_AWS_S3_Control.html>.

pub(crate) mod delete_account_public_access_block;
pub(crate) mod get_account_public_access_block;
pub(crate) mod list_tags_for_resource;
pub(crate) mod put_account_public_access_block;
pub(crate) mod tag_resource;
pub(crate) mod untag_resource;

use crate::access::arn::AccountNumber;
use crate::engine::Bucket;
use crate::front::resources::InBucket;
use crate::front::{Authorized, Gateway, Handler};
use crate::s3::address::Request;
use crate::s3::error::{Code, Executed, Result, S3Error};
use crate::s3::face::S3;
use crate::s3::wire::tags::Tags;

const ACCOUNT: &str = "x-amz-account-id";

/// Refuses a request that names no account, or another than the one of this number.
fn check_account(request: &Request, number: Option<AccountNumber>) -> Result<()> {
    let named = request.header(ACCOUNT)?.ok_or_else(|| {
        S3Error::with_message(Code::InvalidRequest, "Missing required header for this request: x-amz-account-id")
    })?;
    let is_named = number.is_some() && AccountNumber::parse(named) == number;
    if is_named { Ok(()) } else { Err(Code::AccessDenied.into()) }
}

/// The same for a request of what is the caller's own account's.
fn check_own_account<H: Handler<Face = S3>>(authorized: &Authorized<H>) -> Result<()> {
    if authorized.caller().caller.is_anonymous() {
        return Err(Code::AccessDenied.into());
    }
    check_account(authorized.request(), AccountNumber::parse(&authorized.caller().account().number))
}

/// The same for a request of what is the bucket's owner's.
async fn check_owner<H>(gateway: &Gateway<S3>, authorized: &Authorized<H>) -> Executed<()>
where
    H: Handler<Face = S3, Resources = InBucket>,
{
    let bucket = authorized.guarded(gateway, authorized.resources()).await?;
    Ok(check_account(authorized.request(), Some(bucket.owner().number))?)
}

/// The tags of a bucket; none if it has no document of them.
fn tags_of(bucket: &Bucket) -> Executed<Tags> {
    Ok(bucket.tags()?.unwrap_or_default())
}
