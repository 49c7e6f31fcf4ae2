//! Forms: an object that a browser uploads by `POST`, with what the request says of it in fields before the file.
//!
//! A form is read up to its file ([`read`]). Its fields are then the request: those that are headers of PutObject become its
//! headers ([`headers::of_fields`]), and the file its body ([`file::FilePart`]).
//!
//! Promises: what stands before the file is small and bounded, and nothing of it is the file's.
//! Follows <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html>.
//! Must not know: what is done with an object.

pub mod file;
pub mod headers;
mod multipart;
pub mod policy;

pub use multipart::boundary;

use super::error::{Code, Result, S3Error};
use super::fields::{FIELDS_BYTES_MAX, Fields, PostForm};
use crate::engine::BodyError;
use crate::front::{Body, Face, Rejection};
use multipart::{Malformed, Multipart, PartHead, Step};

/// What may come before the file, with the heads of parts and all else that is no field. Bytes.
const OPENING_BYTES_MAX: usize = 64 << 10;

/// Reads a form up to the bytes of its file, which are the body's.
pub async fn read<F: Face>(boundary: String, body: &mut Body<F>) -> Result<PostForm> {
    let mut multipart = Multipart::new(&boundary);
    let mut fields = Fields::default();
    let mut field: Option<(PartHead, Vec<u8>)> = None;
    let mut taken = 0_usize;
    loop {
        match multipart.step().map_err(|Malformed(what)| BodyError::Form(what))? {
            Step::Part(head) if head.name.eq_ignore_ascii_case("file") => {
                fields.name_file(head.file_name.as_deref().unwrap_or_default())?;
                body.give_back(multipart.into_rest());
                return Ok(PostForm { fields, boundary });
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
                fields.insert(&head.name, value.map_err(|_| BodyError::Form("a field is not UTF-8"))?)?;
            }
            Step::End => {
                let message = "POST requires exactly one file upload per request.";
                return Err(S3Error::invalid_argument(message, "file", "0"));
            }
            Step::NeedInput if taken > OPENING_BYTES_MAX => {
                return Err(Code::MaxPostPreDataLengthExceededError.into());
            }
            Step::NeedInput => {
                let piece = body.opening().await.map_err(|error| Rejection::Engine(error.into()))?;
                let piece = piece.ok_or(BodyError::Incomplete)?;
                taken = taken.saturating_add(piece.len());
                multipart.push(piece);
            }
        }
    }
}
