//! PostObject: writes the file of a form as an object.
//!
//! Promises: what PutObject promises ([`super::put_object`]), of the file that the form ends with; a file that is longer or
//! shorter than the form's policy allows, or a form that does not end, leaves the key as it was.
//! Steps: those of PutObject, which needs the same to be allowed. The form's fields were read before, as the request.
//! Writes: what PutObject does.
//! Acknowledged: when `engine.put_object` has returned `Ok`.
//! After a crash: as of PutObject.

use http::header::LOCATION;
use http::{StatusCode, Uri};

use super::put_object::{self, PutObject};
use crate::aws::sigv4::canonical::encode;
use crate::engine::Written;
use crate::front::resources::InBucket;
use crate::front::{Authorized, Body, BodyUse, Gateway, Handler, Response};
use crate::s3::address::Request;
use crate::s3::error::{Code, Executed, Result, S3Error};
use crate::s3::face::S3;
use crate::s3::fields::Fields;
use crate::s3::ops::location;
use crate::s3::wire::etag::quoted_etag;
use crate::s3::wire::values::header_value;
use crate::s3::wire::xml::Writer;

/// Its parameters.
pub(crate) struct PostObject {
    put: PutObject,
    action: SuccessAction,
}

/// What a form asks to be told when it is done.
#[derive(Debug, PartialEq, Eq)]
enum SuccessAction {
    /// This status, without a body.
    Status(StatusCode),
    /// 201, with a document.
    Document,
    /// To go on here.
    Redirect(Uri),
}

impl AsRef<PutObject> for PostObject {
    fn as_ref(&self) -> &PutObject {
        &self.put
    }
}

impl Handler for PostObject {
    type Face = S3;
    type Resources = InBucket;
    const BODY: BodyUse = BodyUse::Read { checksum_covers_body: true };

    fn parse(request: &Request) -> Result<Self> {
        let Some(form) = &request.form else {
            let condition = "Bucket POST must be of the enclosure-type multipart/form-data";
            return Err(S3Error::new(Code::PreconditionFailed).detail("Condition", condition));
        };
        Ok(Self { put: PutObject::parse(request)?, action: SuccessAction::of(&form.fields) })
    }

    fn resources(&self, request: &Request) -> Result<InBucket> {
        request.in_bucket()
    }

    async fn execute(
        mut authorized: Authorized<Self>,
        gateway: &Gateway<S3>,
        body: &mut Body<S3>,
    ) -> Executed<Response> {
        let written = put_object::write(&mut authorized, gateway, body).await?;
        Ok(authorized.operation().action.response(authorized.request(), &written)?)
    }
}

impl SuccessAction {
    /// As on S3, a place that is no URL counts as none, and a status that is none of the three as 204.
    fn of(fields: &Fields) -> Self {
        if let Some(place) = fields.get("success_action_redirect").and_then(web_page) {
            return Self::Redirect(place);
        }
        match fields.get("success_action_status") {
            Some("200") => Self::Status(StatusCode::OK),
            Some("201") => Self::Document,
            _ => Self::Status(StatusCode::NO_CONTENT),
        }
    }

    fn response(&self, request: &Request, written: &Written) -> Result<Response> {
        let (bucket, key) = (request.need_bucket()?.as_str(), request.need_key()?.as_str());
        let (location, etag) = (location::of_object(request)?, quoted_etag(&written.etag));
        Ok(match self {
            Self::Status(status) => put_object::answer(*status, written).header(LOCATION, header_value(&location)),
            Self::Document => {
                let mut response = put_object::answer(StatusCode::CREATED, written);
                response.headers.extend(Response::xml(String::new()).headers);
                response.body = document(&location, bucket, key, &etag).into();
                response.header(LOCATION, header_value(&location))
            }
            Self::Redirect(place) => {
                let told = [("bucket", bucket), ("key", key), ("etag", &etag)];
                let told = told.map(|(name, value)| format!("{name}={}", encode(value.as_bytes(), false))).join("&");
                let joint = if place.query().is_some() { '&' } else { '?' };
                let response = put_object::answer(StatusCode::SEE_OTHER, written);
                response.header(LOCATION, header_value(&format!("{place}{joint}{told}")))
            }
        })
    }
}

/// A page of the web, by its whole URL. What follows a `#` is left out.
fn web_page(text: &str) -> Option<Uri> {
    let place: Uri = text.parse().ok()?;
    let is_web = matches!(place.scheme_str(), Some("http" | "https"));
    (is_web && place.host().is_some_and(|host| !host.is_empty())).then_some(place)
}

fn document(location: &str, bucket: &str, key: &str, etag: &str) -> String {
    Writer::plain_document("PostResponse", |xml| {
        xml.text("Location", location);
        xml.text("Bucket", bucket);
        xml.text("Key", key);
        xml.text("ETag", etag);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_says_what_it_is_answered() {
        let of = |status: &str, redirect: &str| {
            SuccessAction::of(&Fields::of(&[("success_action_status", status), ("success_action_redirect", redirect)]))
        };
        assert_eq!(of("200", ""), SuccessAction::Status(StatusCode::OK));
        assert_eq!(of("201", "/done"), SuccessAction::Document);
        for (status, redirect) in [("204", "ftp://h/"), ("404", "h/done"), ("", "http://"), ("301", "https://h/a b")] {
            assert_eq!(of(status, redirect), SuccessAction::Status(StatusCode::NO_CONTENT), "{status} {redirect}");
        }
        assert_eq!(of("201", "https://h:1/a?b=c#d"), SuccessAction::Redirect("https://h:1/a?b=c".parse().unwrap()));
    }
}
