//! `x-amz-*` headers that a presigner moved into the query, as those of the SDKs for JavaScript, Go and PHP do.
//!
//! Promises: whatever reads a header finds the parameter of its name as if it had been sent as a header; one that cannot be
//! a header, stands twice, or differs from the header of its name is refused. So nothing of that kind is signed and then
//! forgotten. Which headers were sent as such stays known: the signature covers the others as parameters.
//! Must not know: what a header means, signatures.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::error::{Code, Result, S3Error};
use crate::front::RequestHead;

const PREFIX: &str = "x-amz-";

/// The parameters that are the signature's own: no header stands for them.
pub(super) const OF_SIGNATURES: [&str; 6] =
    ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-Signature", "X-Amz-SignedHeaders"];

/// The headers of a request that stand in its query only.
#[derive(Debug, Default)]
pub(super) struct Hoisted(HeaderMap);

impl Hoisted {
    /// Adds the query's `x-amz-*` parameters to the headers of the request.
    pub(super) fn take(head: &mut RequestHead) -> Result<Self> {
        let mut hoisted = HeaderMap::new();
        for (name, value) in head.query.iter() {
            let Some(parsed) = header_name(name)? else { continue };
            let trimmed = value.trim_matches([' ', '\t']);
            let header = HeaderValue::from_bytes(trimmed.as_bytes())
                .map_err(|_| S3Error::invalid_argument("The value cannot stand in a header", name, value))?;
            if head.headers.contains_key(&parsed) {
                refuse_other(&head.headers, &parsed, header.as_bytes(), value)?;
            } else if !OF_SIGNATURES.contains(&name) {
                let earlier = hoisted.try_insert(parsed, header).map_err(|_| Code::RequestHeaderSectionTooLarge)?;
                if earlier.is_some() {
                    return Err(S3Error::invalid_argument("The parameter may be sent once only", name, value));
                }
            }
        }
        for (name, value) in &hoisted {
            head.headers.try_insert(name.clone(), value.clone()).map_err(|_| Code::RequestHeaderSectionTooLarge)?;
        }
        Ok(Self(hoisted))
    }

    /// Whether a header stands in the query only.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

/// The header that a parameter stands for, if its name begins as theirs do.
fn header_name(name: &str) -> Result<Option<HeaderName>> {
    if !name.get(..PREFIX.len()).is_some_and(|head| head.eq_ignore_ascii_case(PREFIX)) {
        return Ok(None);
    }
    let of_signatures = OF_SIGNATURES.iter().find(|own| own.eq_ignore_ascii_case(name));
    if of_signatures.is_some_and(|own| *own != name) {
        let message = format!("{name} is to be written in another case");
        return Err(S3Error::with_message(Code::AuthorizationQueryParametersError, message));
    }
    let parsed = HeaderName::from_bytes(name.as_bytes());
    parsed.map(Some).map_err(|_| S3Error::invalid_argument("The parameter's name is no header's", name, ""))
}

/// Refuses a header that is not the one value of the parameter of its name.
fn refuse_other(headers: &HeaderMap, name: &HeaderName, parameter: &[u8], value: &str) -> Result<()> {
    let mut sent = headers.get_all(name).iter();
    match (sent.next(), sent.next()) {
        (Some(sent), None) if sent.as_bytes().trim_ascii() == parameter => Ok(()),
        _ => Err(S3Error::invalid_argument("The query and the header differ", name.as_str(), value)),
    }
}

#[cfg(test)]
mod tests {
    use http::header::HOST;

    use super::*;
    use crate::front::{Origin, RequestId};

    fn take(target: &str, headers: &[(&'static str, &'static str)]) -> Result<(RequestHead, Hoisted)> {
        let mut request = http::Request::get(target).header(HOST, "h");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let parts = request.body(()).unwrap().into_parts().0;
        let mut head = RequestHead::parse(parts, RequestId::from_random([0; 16]), Origin::default(), 0)?;
        let hoisted = Hoisted::take(&mut head)?;
        Ok((head, hoisted))
    }

    #[test]
    fn a_parameter_is_a_header_of_its_name() {
        let (head, hoisted) = take("/?x-amz-meta-A=1%262%3D3&X-Amz-Tagging=%20k%3Dv%20&x-amz-acl", &[]).unwrap();
        assert_eq!(head.header("x-amz-meta-a").unwrap(), Some("1&2=3"));
        assert_eq!(head.header("x-amz-tagging").unwrap(), Some("k=v"));
        assert_eq!(head.header("x-amz-acl").unwrap(), Some(""));
        assert!(hoisted.contains("x-amz-meta-a") && hoisted.contains("x-amz-acl"));
        let (head, hoisted) = take("/?X-Amz-Date=20130524T000000Z&x-id=a&xx-amz-acl=b&x-am=1", &[]).unwrap();
        assert!(head.headers.len() == 1 && hoisted.0.is_empty());
    }

    #[test]
    fn a_header_that_was_sent_is_the_same_or_refused() {
        let same = take("/?x-amz-acl=private", &[("x-amz-acl", "private")]).unwrap();
        assert!(!same.1.contains("x-amz-acl") && same.0.headers.get_all("x-amz-acl").iter().count() == 1);
        let code = |target: &str, headers: &[(&'static str, &'static str)]| take(target, headers).err().unwrap().code();
        for (target, headers) in [
            ("/?x-amz-acl=private", &[("x-amz-acl", "public-read")][..]),
            ("/?x-amz-acl=private", &[("x-amz-acl", "private"), ("x-amz-acl", "private")]),
            ("/?x-amz-acl=", &[("x-amz-acl", "private")]),
            ("/?X-Amz-Date=20130524T000000Z", &[("x-amz-date", "20130524T000001Z")]),
            ("/?x-amz-acl=private&X-Amz-Acl=private", &[]),
            ("/?x-amz-meta-a=1%0D%0Ax-evil:%202", &[]),
            ("/?x-amz-meta-a%0D%0Ax=1", &[]),
            ("/?x-amz-meta-%C3%A9=1", &[]),
        ] {
            assert_eq!(code(target, headers), Code::InvalidArgument, "{target}");
        }
        assert_eq!(code("/?x-amz-expires=600", &[]), Code::AuthorizationQueryParametersError);
    }
}
