//! The answer that tells an S3 error: status, headers, and the XML body.
//!
//! Must not know: where in the gateway an error arose.

use http::HeaderValue;
use http::header::CONTENT_TYPE;

use super::error::{Code, S3Error, host_id};
use super::wire::xml::Writer;
use crate::front::{FaceError, RequestId, Response};

impl FaceError for S3Error {
    fn code_name(&self) -> &'static str {
        self.code().name()
    }

    /// Status, headers, and the XML body unless the status allows none. For HEAD the server leaves the body out.
    fn into_response(self, resource: &str, id: RequestId) -> Response {
        let mut response = Response::new(self.code().status());
        if self.code() != Code::NotModified {
            let body = document(&self, resource, id);
            response.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
            response.body = body.into();
        }
        response.headers.extend(self.into_headers());
        response
    }
}

fn document(error: &S3Error, resource: &str, id: RequestId) -> String {
    Writer::plain_document("Error", |xml| {
        xml.text("Code", error.code().name());
        xml.text("Message", error.message());
        for (element, value) in error.details() {
            xml.text(element, value);
        }
        xml.text("Resource", resource);
        xml.text("RequestId", &id.to_string());
        xml.text("HostId", &host_id(id));
    })
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::front::response::ResponseBody;

    #[test]
    fn bodies_escape_what_clients_sent() {
        let id = RequestId::from_random([7; 16]);
        let error = S3Error::new(Code::NoSuchKey).detail("Key", "a<b>&\u{1}\"c");
        let response = error.into_response("/b/a<b", id);
        assert_eq!(response.status, StatusCode::NOT_FOUND);
        let ResponseBody::Bytes(bytes) = response.body else { panic!("a body") };
        let text = std::str::from_utf8(&bytes).unwrap();
        assert!(text.contains("<Code>NoSuchKey</Code><Message>The specified key does not exist.</Message>"), "{text}");
        assert!(text.contains("<Key>a&lt;b&gt;&amp;&#x1;&quot;c</Key><Resource>/b/a&lt;b</Resource>"), "{text}");
    }

    #[test]
    fn not_modified_has_no_body() {
        let response = S3Error::new(Code::NotModified).into_response("/", RequestId::from_random([0; 16]));
        assert!(matches!(response.body, ResponseBody::Empty));
    }
}
