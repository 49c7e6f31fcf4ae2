//! Forms: an object that a browser uploads by `POST`, with what the request says of it in fields before the file.
//!
//! A form is read up to its file. Its fields are then the request: those that are headers of PutObject become its headers
//! ([`Fields::headers`]), and the file its body ([`file::FilePart`]).
//!
//! Promises: what stands before the file is small and bounded; a field stands once; the file is not held.
//! Follows <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html>.
//! Must not know: what is done with an object.

pub(super) mod file;
mod multipart;
pub(super) mod policy;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::address::Request;
use super::error::{Code, Executed, Result, S3Error};
use super::face::S3;
use crate::engine::{BodyError, BodySource as _};
use crate::front::Body;
use multipart::{Malformed, Multipart, PartHead, Step};

/// What the fields before the file may have together, names and values. Bytes.
const FIELDS_BYTES_MAX: usize = 20 << 10;
/// Fields of a form.
const FIELDS_MAX: usize = 200;
/// In a field it stands for the name of the file.
const FILE_NAME: &str = "${filename}";

/// The fields of a form that stand before its file, by their names in lower case.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// The value of a field; its name in lower case.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The names of all fields.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// The headers that a PutObject of the same would have.
    pub(super) fn headers(&self) -> Result<HeaderMap> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.0 {
            let header = match name.as_str() {
                "acl" => "x-amz-acl",
                "cache-control" | "content-type" | "content-disposition" | "content-encoding" | "expires" => name,
                of_signature if OF_SIGNATURES.contains(&of_signature) => continue,
                name if name.starts_with("x-amz-") => name,
                _ => continue,
            };
            let invalid = || S3Error::invalid_argument("The field cannot be a header.", name, value);
            let header = HeaderName::try_from(header).map_err(|_| invalid())?;
            headers.append(header, HeaderValue::from_bytes(value.as_bytes()).map_err(|_| invalid())?);
        }
        Ok(headers)
    }

    #[cfg(test)]
    pub(super) fn of(fields: &[(&str, &str)]) -> Self {
        Self(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    fn insert(&mut self, name: String, value: String) -> Result<()> {
        let name = name.to_lowercase();
        if self.get(&name).is_some() {
            return Err(S3Error::invalid_argument("A field of a form may stand once.", &name, &value));
        }
        self.0.push((name, value));
        let bytes = self.0.iter().map(|(name, value)| name.len().saturating_add(value.len())).sum::<usize>();
        if bytes > FIELDS_BYTES_MAX || self.0.len() > FIELDS_MAX {
            return Err(Code::MaxPostPreDataLengthExceededError.into());
        }
        Ok(())
    }

    /// Puts the file's name where fields ask for it: what follows its last slash or backslash.
    fn name_file(&mut self, file_name: &str) {
        let name = file_name.rsplit(['/', '\\']).next().unwrap_or_default();
        for (field, value) in &mut self.0 {
            if !OF_SIGNATURES.contains(&field.as_str()) && value.contains(FILE_NAME) {
                *value = value.replace(FILE_NAME, name);
            }
        }
    }
}

/// The fields by which a form is signed.
const OF_SIGNATURES: [&str; 7] = [
    "awsaccesskeyid",
    "policy",
    "signature",
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-signature",
];

/// Reads a form up to the bytes of its file, which follow.
pub(super) async fn read(request: &Request, body: &mut Body<S3>) -> Executed<(Fields, Multipart)> {
    let content_type = request.header(http::header::CONTENT_TYPE)?.unwrap_or_default();
    let Some(boundary) = multipart::boundary(content_type) else {
        let condition = "Bucket POST must be of the enclosure-type multipart/form-data";
        return Err(S3Error::new(Code::PreconditionFailed).detail("Condition", condition).into());
    };
    let mut multipart = Multipart::new(&boundary);
    let mut fields = Fields::default();
    let mut field: Option<(PartHead, Vec<u8>)> = None;
    loop {
        match multipart.step().map_err(malformed)? {
            Step::Part(head) if head.name.eq_ignore_ascii_case("file") => {
                fields.name_file(head.file_name.as_deref().unwrap_or_default());
                return Ok((fields, multipart));
            }
            Step::Part(head) => field = Some((head, Vec::new())),
            Step::Data(data) => {
                let Some((_, value)) = &mut field else { continue };
                if value.len().saturating_add(data.len()) > FIELDS_BYTES_MAX {
                    return Err(Code::MaxPostPreDataLengthExceededError.into());
                }
                value.extend_from_slice(&data);
            }
            Step::PartEnd => {
                let Some((head, value)) = field.take() else { continue };
                let value = String::from_utf8(value);
                let value = value.map_err(|_| malformed(Malformed("a field is not UTF-8")))?;
                fields.insert(head.name, value)?;
            }
            Step::End => {
                let message = "POST requires exactly one file upload per request.";
                return Err(S3Error::invalid_argument(message, "file", "0").into());
            }
            Step::NeedInput => match body.next().await.map_err(crate::engine::EngineError::from)? {
                Some(piece) => multipart.push(piece),
                None => return Err(crate::engine::EngineError::from(BodyError::Incomplete).into()),
            },
        }
    }
}

fn malformed(Malformed(what): Malformed) -> S3Error {
    S3Error::new(Code::MalformedPOSTRequest).detail("Reason", what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_headers_of_an_object() {
        let mut fields = Fields::default();
        for (name, value) in [
            ("Key", "a/${filename}"),
            ("ACL", "private"),
            ("Content-Type", "text/plain"),
            ("x-amz-meta-Name", "${filename}"),
            ("x-amz-credential", "${filename}"),
            ("policy", "${filename}"),
            ("other", "${filename}"),
        ] {
            fields.insert(name.to_owned(), value.to_owned()).unwrap();
        }
        assert!(fields.insert("KEY".to_owned(), "b".to_owned()).is_err(), "a field stands once");
        fields.name_file("C:\\dir\\cat.png");
        assert_eq!(fields.get("key"), Some("a/cat.png"));
        assert_eq!(fields.get("policy"), Some("${filename}"), "what is signed stays");
        let headers = fields.headers().unwrap();
        let mut said: Vec<_> =
            headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        said.sort_unstable();
        assert_eq!(said, [("content-type", "text/plain"), ("x-amz-acl", "private"), ("x-amz-meta-name", "cat.png")]);
    }

    #[test]
    fn what_is_no_header_is_refused() {
        for (name, value) in [("x-amz-meta-a", "a\r\nb: c"), ("x-amz-meta-a b", "c"), ("x-amz-\u{fc}", "c")] {
            assert_eq!(Fields::of(&[(name, value)]).headers().unwrap_err().code(), Code::InvalidArgument, "{name}");
        }
    }

    #[test]
    fn fields_are_bounded() {
        let mut fields = Fields::default();
        let value = "v".repeat(FIELDS_BYTES_MAX / 4);
        let full = (0..5).map(|number| fields.insert(number.to_string(), value.clone())).find_map(Result::err).unwrap();
        assert_eq!(full.code(), Code::MaxPostPreDataLengthExceededError);
        let mut fields = Fields::default();
        let full = (0..).map(|number: usize| fields.insert(number.to_string(), String::new())).find_map(Result::err);
        assert_eq!((full.unwrap().code(), fields.0.len()), (Code::MaxPostPreDataLengthExceededError, FIELDS_MAX + 1));
    }
}
