//! The file of a form, as the body that it would be of a PutObject.
//!
//! Promises: it ends well only where the whole form does; it has as many bytes as it may have. What follows the file in the
//! form counts for nothing, is bounded, and is no other file.
//! Must not know: what is done with the file.

use std::ops::RangeInclusive;

use bytes::Bytes;

use super::multipart::{Malformed, Multipart, Step};
use crate::engine::BodyError;
use crate::front::face::DecoderStep;

/// What may follow the file in its form. Bytes.
const REST_BYTES_MAX: usize = 20 << 10;

/// Takes a file out of its form, from the file's first byte on.
pub struct FilePart {
    multipart: Multipart,
    /// How many bytes it may have.
    lengths: RangeInclusive<u64>,
    /// How many bytes of it came.
    taken: u64,
    /// How many bytes came since it ended; `None`: it has not.
    rest: Option<usize>,
}

impl FilePart {
    /// The file whose bytes are next in a form whose parts this boundary parts.
    pub fn new(boundary: &str, lengths: RangeInclusive<u64>) -> Self {
        Self { multipart: Multipart::within_part(boundary), lengths, taken: 0, rest: None }
    }

    /// As a decoder's.
    pub fn step(&mut self, input: &mut Bytes) -> Result<DecoderStep, BodyError> {
        if let Some(rest) = &mut self.rest {
            *rest = rest.saturating_add(input.len());
            if *rest > REST_BYTES_MAX {
                return Err(BodyError::Form("too much follows the file"));
            }
        }
        self.multipart.push(std::mem::take(input));
        loop {
            match self.multipart.step().map_err(|Malformed(what)| BodyError::Form(what))? {
                Step::Data(data) if self.rest.is_none() => {
                    self.taken = self.taken.saturating_add(data.len() as u64);
                    if self.taken > *self.lengths.end() {
                        return Err(BodyError::TooLarge { bytes_max: *self.lengths.end() });
                    }
                    return Ok(DecoderStep::Data(data));
                }
                Step::PartEnd => self.rest = self.rest.or(Some(0)),
                Step::Part(head) if head.name.eq_ignore_ascii_case("file") => {
                    return Err(BodyError::Form("a form has one file"));
                }
                Step::Part(_) | Step::Data(_) => {}
                Step::NeedInput => return Ok(DecoderStep::NeedInput),
                Step::End => return Ok(DecoderStep::End),
            }
        }
    }

    /// The form's bytes ended: whether the form did, and whether the file has as many bytes as it has to.
    pub fn finish(&self) -> Result<(), BodyError> {
        if !self.multipart.has_ended() {
            return Err(BodyError::Form("the form does not end"));
        }
        if self.taken < *self.lengths.start() {
            return Err(BodyError::TooSmall { bytes: self.taken, bytes_min: *self.lengths.start() });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The file of a form that comes in such pieces, from its first byte on.
    fn read(form: &str, piece: usize, lengths: RangeInclusive<u64>) -> Result<Vec<u8>, BodyError> {
        let mut part = FilePart::new("b", lengths);
        let mut file = Vec::new();
        for piece in form.as_bytes().chunks(piece) {
            let mut input = Bytes::copy_from_slice(piece);
            while let DecoderStep::Data(data) = part.step(&mut input)? {
                file.extend_from_slice(&data);
            }
        }
        part.finish().map(|()| file)
    }

    fn is_malformed(form: &str) -> bool {
        [1, 2, 5, 100_000].iter().all(|piece| matches!(read(form, *piece, 0..=99), Err(BodyError::Form(_))))
    }

    #[test]
    fn a_file_ends_where_its_form_does() {
        let more = "\r\n--b\r\nContent-Disposition: form-data; name=submit\r\n\r\nUpload\r\n--b--\r\n";
        for piece in [1, 2, 3, 7, 1000] {
            assert_eq!(read("line\r\n--\r\n--b--\r\n", piece, 0..=9).unwrap(), b"line\r\n--");
            assert_eq!(read("\r\n--b--", piece, 0..=9).unwrap(), b"");
            assert_eq!(read(&format!("x{more}"), piece, 0..=9).unwrap(), b"x", "what follows counts for nothing");
        }
        for form in ["", "line", "line\r\n--b", "line\r\n--b-", "line\r\n--b\r\n", "line\r\n--c--"] {
            assert!(is_malformed(form), "{form}");
        }
    }

    #[test]
    fn what_follows_is_no_other_file_and_bounded() {
        let part = |name: &str, value: &str| {
            format!("x\r\n--b\r\nContent-Disposition: form-data; name={name}\r\n\r\n{value}\r\n--b--")
        };
        assert!(is_malformed(&part("File", "y")));
        let long = "y".repeat(REST_BYTES_MAX + 1000);
        assert!(matches!(read(&part("y", &long), 1000, 0..=9), Err(BodyError::Form(_))));
        let epilogue = format!("x\r\n--b--\r\n{long}");
        assert!(matches!(read(&epilogue, 1000, 0..=9), Err(BodyError::Form(_))));
    }

    #[test]
    fn a_file_has_as_many_bytes_as_it_may() {
        let of = |len: usize| read(&format!("{}\r\n--b--", "x".repeat(len)), 2, 3..=5);
        assert!(matches!(of(2), Err(BodyError::TooSmall { bytes: 2, bytes_min: 3 })));
        assert!(matches!(of(6), Err(BodyError::TooLarge { bytes_max: 5 })));
        assert_eq!((of(3).unwrap(), of(5).unwrap()), (b"xxx".to_vec(), b"xxxxx".to_vec()));
    }
}
