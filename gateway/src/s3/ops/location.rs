//! Where an object is, as answers tell it.
//!
//! Must not know: operations.

use crate::s3::address::Request;
use crate::s3::error::Result;
use crate::s3::wire::values::NameEncoding;

/// The URL of the object that a request names, by the host that its client asked.
pub(super) fn of_object(request: &Request) -> Result<String> {
    let scheme = if request.origin.is_secure { "https" } else { "http" };
    let key = NameEncoding::Url.encode(request.need_key()?.as_bytes()).into_owned();
    let bucket = request.need_bucket()?.as_str();
    let path =
        if request.is_virtual_host { key } else { format!("{}/{key}", NameEncoding::Url.encode(bucket.as_bytes())) };
    Ok(format!("{scheme}://{}/{path}", request.host))
}
