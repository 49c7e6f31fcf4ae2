//! The file of a form, as the body that it would be of a PutObject.
//!
//! Promises: it ends well only at the delimiter that ends the part; it is never longer than it may be.
//! Must not know: what is done with it.

use std::ops::RangeInclusive;

use async_trait::async_trait;
use bytes::Bytes;

use super::multipart::{Malformed, Multipart, Step};
use crate::engine::{BodyError, BodySource, Expected};
use crate::front::Body;
use crate::s3::error::{Code, Result, S3Error};
use crate::s3::face::S3;

/// The file, from its first byte on.
pub(in crate::s3) struct FilePart<'b> {
    body: &'b mut Body<S3>,
    multipart: Multipart,
    expected: Expected,
    /// How many bytes it may have.
    lengths: RangeInclusive<u64>,
    /// How many came.
    taken: u64,
}

impl<'b> FilePart<'b> {
    /// The file whose bytes are next in a form, with what the fields say of it.
    pub(in crate::s3) const fn new(
        body: &'b mut Body<S3>,
        multipart: Multipart,
        expected: Expected,
        lengths: RangeInclusive<u64>,
    ) -> Self {
        Self { body, multipart, expected, lengths, taken: 0 }
    }

    /// After its end: whether it has as many bytes as it has to.
    pub(in crate::s3) fn check_length(&self) -> Result<()> {
        if self.taken >= *self.lengths.start() {
            return Ok(());
        }
        Err(S3Error::new(Code::EntityTooSmall)
            .detail("ProposedSize", self.taken.to_string())
            .detail("MinSizeAllowed", self.lengths.start().to_string()))
    }
}

#[async_trait]
impl BodySource for FilePart<'_> {
    fn length(&self) -> Option<u64> {
        None
    }

    fn expected(&self) -> Expected {
        self.expected.clone()
    }

    async fn next(&mut self) -> std::result::Result<Option<Bytes>, BodyError> {
        loop {
            match self.multipart.step().map_err(|Malformed(what)| BodyError::Malformed(what))? {
                Step::Data(data) => {
                    self.taken = self.taken.saturating_add(data.len() as u64);
                    if !(..=*self.lengths.end()).contains(&self.taken) {
                        return Err(BodyError::TooLarge { bytes_max: *self.lengths.end() });
                    }
                    return Ok(Some(data));
                }
                Step::NeedInput => match self.body.next().await? {
                    Some(piece) => self.multipart.push(piece),
                    None => return Err(BodyError::Incomplete),
                },
                Step::PartEnd | Step::Part(_) | Step::End => return Ok(None),
            }
        }
    }
}
