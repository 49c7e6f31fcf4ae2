//! aws-chunked framing: chunks with or without signatures, then perhaps trailers.
//!
//! ```text
//! 10000;chunk-signature=<64 hex>\r\n <65536 bytes> \r\n ... 0;chunk-signature=<64 hex>\r\n
//! x-amz-checksum-crc32c:<base64>\r\n x-amz-trailer-signature:<64 hex>\r\n \r\n
//! ```
//!
//! Promises: incremental, without copying data; lines, trailers and their number are bounded; each call
//! makes progress or asks for more, so nothing can make it loop. The bytes given out are a chunk's own
//! only once the chunk ended well: the reader must not commit before [`Decoder::finish`] said so. As on S3 only the last
//! chunk is small: each costs a line, and an HMAC if it is signed.
//! Must not know: HTTP, what the bytes are for.
//!
//! Source: "Signature Calculations for the Authorization Header: Transferring Payload in Multiple Chunks"
//! and "Trailing checksums", Amazon S3 API Reference.

use aws_lc_rs::digest;
use bytes::{Buf as _, Bytes};

use super::payload::ChunkSignatures;
use crate::aws::sigv4::claim::parse_signature;
use crate::engine::BodyError;
use crate::front::face::DecoderStep;

/// The longest line: a chunk's size with its signature, or a trailer. Bytes.
const LINE_BYTES_MAX: usize = 1024;
const TRAILERS_MAX: usize = 8;
/// The smallest chunk that another may follow. Bytes.
const CHUNK_BYTES_MIN: u64 = 8192;
const TRAILER_SIGNATURE: &str = "x-amz-trailer-signature";

enum FramingState {
    /// In the line that begins a chunk.
    Size,
    /// In a chunk's data.
    Data { left: u64 },
    /// In the line end after a chunk's data.
    DataEnd,
    /// In the lines after the last chunk.
    Trailers,
    /// Behind the last line.
    Ended,
}

/// Takes the framing off a payload.
pub(crate) struct Decoder {
    state: FramingState,
    line: Vec<u8>,
    /// Bytes of payload still to come, by what the sender said.
    left: u64,
    /// Chunks with data so far.
    chunks: u64,
    /// The size of the last of them, if none may follow it. Bytes.
    short: Option<u64>,
    signatures: Option<Box<ChunkSignatures>>,
    chunk: Option<OpenChunk>,
    trailers_allowed: bool,
    trailers: Vec<(String, String)>,
    trailer_signature: Option<[u8; 32]>,
    empty_line_passed: bool,
}

/// A chunk whose signature is yet to be checked.
struct OpenChunk {
    signature: [u8; 32],
    sha256: digest::Context,
}

impl Decoder {
    /// For a payload of `length` bytes once decoded.
    pub(crate) const fn new(length: u64, signatures: Option<Box<ChunkSignatures>>, trailers_allowed: bool) -> Self {
        Self {
            state: FramingState::Size,
            line: Vec::new(),
            left: length,
            chunks: 0,
            short: None,
            signatures,
            chunk: None,
            trailers_allowed,
            trailers: Vec::new(),
            trailer_signature: None,
            empty_line_passed: false,
        }
    }

    /// Goes on in the input, taking from its front what it used.
    pub(crate) fn step(&mut self, input: &mut Bytes) -> Result<DecoderStep, BodyError> {
        loop {
            match self.state {
                FramingState::Ended if input.is_empty() => return Ok(DecoderStep::End),
                FramingState::Ended => return Err(BodyError::Malformed("bytes follow the last chunk")),
                FramingState::Data { left } => {
                    if input.is_empty() {
                        return Ok(DecoderStep::NeedInput);
                    }
                    let take = usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
                    return self.data(input.split_to(take), left).map(DecoderStep::Data);
                }
                FramingState::Size | FramingState::DataEnd | FramingState::Trailers => {
                    if !self.fill_line(input)? {
                        return Ok(DecoderStep::NeedInput);
                    }
                    let line = std::mem::take(&mut self.line);
                    self.end_of_line(&line)?;
                }
            }
        }
    }

    /// The input ended: whether it ended where it may, with all bytes there and every signature right.
    pub(crate) fn finish(&mut self) -> Result<(), BodyError> {
        // Some senders leave out the empty line after the last chunk if no trailers follow.
        let ended = match self.state {
            FramingState::Ended => true,
            FramingState::Trailers => self.line.is_empty() && self.trailers.is_empty(),
            FramingState::Size | FramingState::Data { .. } | FramingState::DataEnd => false,
        };
        if ended && self.left == 0 { Ok(()) } else { Err(BodyError::Incomplete) }
    }

    /// The trailers, names in lower case; complete once [`Decoder::finish`] is happy.
    pub(crate) fn trailers(&self) -> &[(String, String)] {
        &self.trailers
    }

    /// Moves input into the line until it is whole; whether it is.
    fn fill_line(&mut self, input: &mut Bytes) -> Result<bool, BodyError> {
        let (take, whole) = match input.iter().position(|byte| *byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (input.len(), false),
        };
        if self.line.len() + take > LINE_BYTES_MAX {
            return Err(BodyError::Malformed("a line of the chunk framing is too long"));
        }
        self.line.extend(input.iter().take(take));
        input.advance(take);
        Ok(whole)
    }

    fn end_of_line(&mut self, line: &[u8]) -> Result<(), BodyError> {
        match self.state {
            FramingState::Size => self.size_line(line.strip_suffix(b"\r\n")),
            FramingState::DataEnd if line == b"\r\n" => {
                self.state = FramingState::Size;
                Ok(())
            }
            FramingState::DataEnd => Err(BodyError::Malformed("a chunk is longer than its size")),
            FramingState::Trailers => self.trailer_line(line),
            FramingState::Data { .. } | FramingState::Ended => Ok(()),
        }
    }

    fn size_line(&mut self, line: Option<&[u8]>) -> Result<(), BodyError> {
        const MALFORMED: BodyError = BodyError::Malformed("a chunk's size line is malformed");
        let line = line.and_then(|line| std::str::from_utf8(line).ok()).ok_or(MALFORMED)?;
        let (size, extension) = line.split_once(';').map_or((line, None), |(size, rest)| (size, Some(rest)));
        let digits = (1..=16).contains(&size.len()) && size.bytes().all(|byte| byte.is_ascii_hexdigit());
        let size = u64::from_str_radix(size, 16).ok().filter(|_| digits).ok_or(MALFORMED)?;
        let signature =
            extension.map(|text| text.strip_prefix("chunk-signature=").and_then(parse_signature).ok_or(MALFORMED));
        self.chunk = match (&self.signatures, signature.transpose()?) {
            (Some(_), Some(signature)) => Some(OpenChunk { signature, sha256: digest::Context::new(&digest::SHA256) }),
            (Some(_), None) => return Err(BodyError::Signature),
            (None, _) => None,
        };
        self.left = self.left.checked_sub(size).ok_or(BodyError::TooLong)?;
        if size > 0 {
            return self.begin_data(size);
        }
        self.state = FramingState::Trailers;
        self.end_of_chunk()
    }

    fn begin_data(&mut self, size: u64) -> Result<(), BodyError> {
        self.chunks = self.chunks.saturating_add(1);
        if let Some(bytes) = self.short {
            return Err(BodyError::ShortChunk { number: self.chunks, bytes });
        }
        self.short = Some(size).filter(|size| *size < CHUNK_BYTES_MIN);
        self.state = FramingState::Data { left: size };
        Ok(())
    }

    fn data(&mut self, data: Bytes, left: u64) -> Result<Bytes, BodyError> {
        if let Some(chunk) = &mut self.chunk {
            chunk.sha256.update(&data);
        }
        let left = left.saturating_sub(data.len() as u64);
        self.state = if left == 0 { FramingState::DataEnd } else { FramingState::Data { left } };
        if left == 0 {
            self.end_of_chunk()?;
        }
        Ok(data)
    }

    fn end_of_chunk(&mut self) -> Result<(), BodyError> {
        if let (Some(signatures), Some(chunk)) = (&mut self.signatures, self.chunk.take()) {
            if !signatures.signer.verify_chunk(&signatures.previous, &chunk.sha256.finish(), &chunk.signature) {
                return Err(BodyError::Signature);
            }
            signatures.previous = chunk.signature;
        }
        Ok(())
    }

    fn trailer_line(&mut self, line: &[u8]) -> Result<(), BodyError> {
        let text = std::str::from_utf8(line).map_err(|_| BodyError::Trailer)?.trim_ascii();
        if text.is_empty() {
            return self.end_of_trailers();
        }
        let (name, value) = text.split_once(':').ok_or(BodyError::Trailer)?;
        let (name, value) = (name.to_ascii_lowercase(), value.trim_ascii());
        if !self.trailers_allowed || self.trailer_signature.is_some() || self.trailers.len() == TRAILERS_MAX {
            return Err(BodyError::Trailer);
        }
        if name == TRAILER_SIGNATURE {
            self.trailer_signature = Some(parse_signature(value).ok_or(BodyError::Signature)?);
        } else {
            self.trailers.push((name, value.to_owned()));
        }
        Ok(())
    }

    fn end_of_trailers(&mut self) -> Result<(), BodyError> {
        if let Some(signatures) = &self.signatures
            && !self.trailers.is_empty()
        {
            let Some(signature) = self.trailer_signature else {
                // AWS's own examples have an empty line before the signature. One.
                return if std::mem::replace(&mut self.empty_line_passed, true) {
                    Err(BodyError::Signature)
                } else {
                    Ok(())
                };
            };
            let signed: String = self.trailers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
            let sha256 = digest::digest(&digest::SHA256, signed.as_bytes());
            if !signatures.signer.verify_trailer(&signatures.previous, &sha256, &signature) {
                return Err(BodyError::Signature);
            }
        }
        self.state = FramingState::Ended;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Decoded = (Vec<u8>, Vec<(String, String)>);

    /// Decodes input that arrives in pieces of the given size.
    fn decode(wire: &[u8], length: u64, trailers: bool, piece: usize) -> Result<Decoded, BodyError> {
        let mut decoder = Decoder::new(length, None, trailers);
        let mut payload = Vec::new();
        for piece in wire.chunks(piece) {
            let mut input = Bytes::copy_from_slice(piece);
            while let DecoderStep::Data(data) = decoder.step(&mut input)? {
                payload.extend_from_slice(&data);
            }
        }
        decoder.finish()?;
        Ok((payload, decoder.trailers().to_vec()))
    }

    fn check(wire: &str, length: u64, payload: &str, trailers: &[(&str, &str)]) {
        for piece in [1, 2, 3, 7, 1000] {
            let (found, found_trailers) = decode(wire.as_bytes(), length, true, piece).unwrap();
            assert_eq!(found, payload.as_bytes(), "{wire:?}");
            let expected: Vec<_> = trailers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            assert_eq!(found_trailers, expected, "{wire:?}");
        }
    }

    #[test]
    fn well_formed_bodies_are_decoded() {
        check("5\r\nhello\r\n0\r\n\r\n", 5, "hello", &[]);
        let long = "x".repeat(8192);
        check(&format!("2000\r\n{long}\r\n1\r\n!\r\n0\r\n\r\n"), 8193, &(long + "!"), &[]);
        check("0\r\n\r\n", 0, "", &[]);
        check("0\r\n", 0, "", &[]);
        check("2\r\n\r\n\r\n0\r\n\r\n", 2, "\r\n", &[]);
        check(
            "3\r\nabc\r\n0\r\nX-Amz-Checksum-CRC32: NSRBwg== \r\n\r\n",
            3,
            "abc",
            &[("x-amz-checksum-crc32", "NSRBwg==")],
        );
        check("00a\r\n0123456789\r\n0\r\nx-a:b\n\r\n", 10, "0123456789", &[("x-a", "b")]);
    }

    #[test]
    fn malformed_bodies_are_refused() {
        let error = |wire: &[u8], length| format!("{:?}", decode(wire, length, true, 3).unwrap_err());
        assert_eq!(error(b"", 0), "Incomplete");
        assert_eq!(error(b"5\r\nhel", 5), "Incomplete");
        assert_eq!(error(b"5\r\nhello\r\n", 5), "Incomplete");
        assert_eq!(error(b"5\r\nhello\r\n0", 5), "Incomplete");
        assert_eq!(error(b"5\r\nhello\r\n0\r\n\r\n", 6), "Incomplete");
        assert_eq!(error(b"5\r\nhello\r\n0\r\nx-a:b", 5), "Incomplete");
        assert_eq!(error(b"5\r\nhello\r\n0\r\nx-a:b\r\n", 5), "Incomplete");
        assert_eq!(error(b"5\r\nhello\r\n0\r\n\r\n", 4), "TooLong");
        assert_eq!(error(b"ffffffffffffffff\r\n", 4), "TooLong");
        assert!(error(b"10000000000000000\r\n", 4).starts_with("Malformed"));
        assert!(error(b"+5\r\nhello\r\n0\r\n\r\n", 5).starts_with("Malformed"));
        assert!(error(b"5\nhello\r\n0\r\n\r\n", 5).starts_with("Malformed"));
        assert!(error(b"\r\n", 5).starts_with("Malformed"));
        assert!(error(b"5\r\nhello!\r\n0\r\n\r\n", 5).starts_with("Malformed"));
        assert!(error(b"5;x=y\r\nhello\r\n0\r\n\r\n", 5).starts_with("Malformed"));
        assert!(error(b"0\r\n\r\nmore", 0).starts_with("Malformed"));
        assert!(error(&[b'0'; 5000], 5).starts_with("Malformed"));
        assert_eq!(error(b"0\r\nno colon\r\n\r\n", 0), "Trailer");
        assert!(decode(b"0\r\nx-a:b\r\n\r\n", 0, false, 100).is_err());
        let many = format!("0\r\n{}\r\n", "x-a:b\r\n".repeat(TRAILERS_MAX + 1));
        assert_eq!(error(many.as_bytes(), 0), "Trailer");
    }

    #[test]
    fn only_the_last_chunk_may_be_small() {
        let error = |sizes: &[usize]| {
            let chunks = sizes.iter().map(|size| format!("{size:x}\r\n{}\r\n", "x".repeat(*size)));
            let wire = chunks.collect::<String>() + "0\r\n\r\n";
            let length = sizes.iter().sum::<usize>() as u64;
            decode(wire.as_bytes(), length, true, 1000).err().map(|error| format!("{error:?}"))
        };
        assert_eq!(error(&[8192, 8192, 1]), None);
        assert_eq!(error(&[8191]), None);
        assert_eq!(error(&[8191, 1]).as_deref(), Some("ShortChunk { number: 2, bytes: 8191 }"));
        assert_eq!(error(&[9000, 1, 9000]).as_deref(), Some("ShortChunk { number: 3, bytes: 1 }"));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(wire in proptest::collection::vec(any::<u8>(), 0..300), piece in 1usize..50) {
            let _ = decode(&wire, 100, true, piece);
        }

        #[test]
        fn near_misses_never_panic(wire in "([0-9a-f]{1,3}\r?\n?[a-z]{0,9}\r?\n?(;chunk-signature=)?){0,6}", piece in 1usize..50) {
            let _ = decode(wire.as_bytes(), 100, true, piece);
        }

        #[test]
        fn what_was_framed_comes_back(
            sizes in proptest::collection::vec(8192usize..8200, 0..4),
            last in proptest::collection::vec(any::<u8>(), 1..400),
            piece in 1usize..900,
        ) {
            let mut wire = Vec::new();
            let mut chunks: Vec<Vec<u8>> = sizes.iter().map(|size| vec![last[0]; *size]).collect();
            chunks.push(last);
            for chunk in &chunks {
                wire.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                wire.extend_from_slice(chunk);
                wire.extend_from_slice(b"\r\n");
            }
            wire.extend_from_slice(b"0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n");
            let payload = chunks.concat();
            let (found, trailers) = decode(&wire, payload.len() as u64, true, piece).unwrap();
            prop_assert_eq!(found, payload.clone());
            prop_assert_eq!(trailers.len(), 1);
            let short = decode(wire.get(..wire.len() - 3).unwrap(), payload.len() as u64, true, piece);
            prop_assert!(matches!(short, Err(BodyError::Incomplete)));
        }
    }
}
