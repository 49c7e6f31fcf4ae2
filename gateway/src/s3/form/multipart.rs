//! `multipart/form-data`, as browsers send forms (RFC 7578, RFC 2046): from pieces of a body to parts.
//!
//! Promises: it is incremental, holds no more than a part's head or a piece of the body, and copies a part's bytes only where
//! a piece may end within a delimiter. Arbitrary bytes make no panic.
//! Must not know: which parts a form of S3's has.

use bytes::{Buf as _, Bytes, BytesMut};
use memchr::memmem::Finder;

/// The longest boundary (RFC 2046, 5.1.1). Bytes.
const BOUNDARY_BYTES_MAX: usize = 70;
/// The longest head of a part. Bytes.
const HEAD_BYTES_MAX: usize = 8 << 10;

/// A body that is no form. It is said what is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) &'static str);

/// What [`Multipart::step`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A part begins.
    Part(PartHead),
    /// Bytes of the part.
    Data(Bytes),
    /// The part ended.
    PartEnd,
    /// The form ended. What follows counts for nothing.
    End,
    /// The input is used up.
    NeedInput,
}

/// What stands above a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PartHead {
    /// The field.
    pub(super) name: String,
    /// The name that the file had, if the part is one.
    pub(super) file_name: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first delimiter.
    Preamble,
    /// Behind a delimiter, on its line.
    AfterDelimiter,
    /// In the head of a part.
    Head,
    /// In the bytes of a part.
    Data,
    /// Behind the last delimiter.
    End,
}

/// Reads a body of parts.
pub(super) struct Multipart {
    /// A line break and the boundary.
    delimiter: Finder<'static>,
    input: Bytes,
    state: State,
}

impl Multipart {
    /// A body whose parts this boundary parts.
    pub(super) fn new(boundary: &str) -> Self {
        // The first delimiter has no line before it.
        Self { input: Bytes::from_static(b"\r\n"), state: State::Preamble, ..Self::within_part(boundary) }
    }

    /// The rest of such a body, from among the bytes of a part on.
    pub(super) fn within_part(boundary: &str) -> Self {
        let delimiter = Finder::new(&format!("\r\n--{boundary}")).into_owned();
        Self { delimiter, input: Bytes::new(), state: State::Data }
    }

    /// The input that was not used.
    pub(super) fn into_rest(self) -> Bytes {
        self.input
    }

    /// Whether the last delimiter came.
    pub(super) fn has_ended(&self) -> bool {
        self.state == State::End
    }

    /// The next piece of the body.
    pub(super) fn push(&mut self, piece: Bytes) {
        if self.input.is_empty() {
            self.input = piece;
            return;
        }
        if piece.is_empty() {
            return;
        }
        let mut both = BytesMut::with_capacity(self.input.len().saturating_add(piece.len()));
        both.extend_from_slice(&self.input);
        both.extend_from_slice(&piece);
        self.input = both.freeze();
    }

    /// Goes on in the input.
    pub(super) fn step(&mut self) -> Result<Step, Malformed> {
        loop {
            match self.state {
                State::Preamble => {
                    if self.up_to_delimiter().is_none() && self.state == State::Preamble {
                        return Ok(Step::NeedInput);
                    }
                }
                State::AfterDelimiter => match self.line_end() {
                    Some(true) => self.state = State::End,
                    Some(false) => self.state = State::Head,
                    None if self.input.len() > HEAD_BYTES_MAX => {
                        return Err(Malformed("a delimiter's line is too long"));
                    }
                    None => return Ok(Step::NeedInput),
                },
                State::Head => return self.head(),
                State::Data => {
                    let data = self.up_to_delimiter();
                    return Ok(match data {
                        Some(data) => Step::Data(data),
                        None if self.state == State::AfterDelimiter => Step::PartEnd,
                        None => Step::NeedInput,
                    });
                }
                State::End => return Ok(Step::End),
            }
        }
    }

    /// The bytes up to the next delimiter, as far as they are here; `None` if there are none, and then the delimiter was
    /// passed if it is here whole.
    fn up_to_delimiter(&mut self) -> Option<Bytes> {
        let at = self.delimiter.find(&self.input);
        if at == Some(0) {
            self.input.advance(self.delimiter.needle().len());
            self.state = State::AfterDelimiter;
            return None;
        }
        let sure = at.unwrap_or_else(|| self.input.len() - self.begun_delimiter());
        Some(self.input.split_to(sure)).filter(|data| !data.is_empty())
    }

    /// How many of the last bytes may be the beginning of a delimiter.
    fn begun_delimiter(&self) -> usize {
        let needle = self.delimiter.needle();
        let longest = self.input.len().min(needle.len() - 1);
        (1..=longest).rev().find(|len| needle.get(..*len).is_some_and(|begun| self.input.ends_with(begun))).unwrap_or(0)
    }

    /// Passes the rest of a delimiter's line: whether it is the last delimiter. `None`: it is not here whole.
    fn line_end(&mut self) -> Option<bool> {
        if self.input.len() < 2 {
            return None;
        }
        if self.input.starts_with(b"--") {
            return Some(true);
        }
        let end = memchr::memmem::find(&self.input, b"\r\n")?;
        self.input.advance(end + 2);
        Some(false)
    }

    fn head(&mut self) -> Result<Step, Malformed> {
        let Some(end) = memchr::memmem::find(&self.input, b"\r\n\r\n") else {
            let is_long = self.input.len() > HEAD_BYTES_MAX;
            return if is_long { Err(Malformed("the head of a part is too long")) } else { Ok(Step::NeedInput) };
        };
        let head = self.input.split_to(end);
        self.input.advance(4);
        self.state = State::Data;
        let head = std::str::from_utf8(&head).map_err(|_| Malformed("the head of a part is not UTF-8"))?;
        PartHead::read(head).map(Step::Part)
    }
}

impl PartHead {
    fn read(head: &str) -> Result<Self, Malformed> {
        let of_name = |line: &str| {
            let (name, value) = line.split_once(':')?;
            name.trim().eq_ignore_ascii_case("content-disposition").then(|| value.trim().to_owned())
        };
        let mut dispositions = head.split("\r\n").filter_map(of_name);
        let (Some(disposition), None) = (dispositions.next(), dispositions.next()) else {
            return Err(Malformed("a part has one Content-Disposition"));
        };
        let (kind, parameters) = disposition.split_once(';').unwrap_or((&disposition, ""));
        if !kind.trim().eq_ignore_ascii_case("form-data") {
            return Err(Malformed("a part is form-data"));
        }
        let (mut name, mut file_name) = (None, None);
        for (parameter, value) in parameters_of(parameters)? {
            let slot = match parameter.to_ascii_lowercase().as_str() {
                "name" => &mut name,
                "filename" => &mut file_name,
                _ => continue,
            };
            if slot.replace(value).is_some() {
                return Err(Malformed("a parameter of Content-Disposition stands twice"));
            }
        }
        Ok(Self { name: name.ok_or(Malformed("a part has no name"))?, file_name })
    }
}

/// The boundary that a `Content-Type` names, if it is that of a form.
pub fn boundary(content_type: &str) -> Option<String> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let parameters = parameters_of(parameters).ok()?;
    let (_, boundary) = parameters.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("boundary"))?;
    let is_plain = boundary.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    (is_plain && (1..=BOUNDARY_BYTES_MAX).contains(&boundary.len())).then_some(boundary)
}

/// Parameters as `name=value; name="value"`. Within quotes `\"` is a quote and `\\` a backslash; any other backslash stays,
/// since browsers sent whole paths.
fn parameters_of(text: &str) -> Result<Vec<(String, String)>, Malformed> {
    const FAULT: Malformed = Malformed("a parameter is malformed");
    let mut found = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=').ok_or(FAULT)?;
        let after = after.trim_start();
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => unquote(quoted).ok_or(FAULT)?,
            None => {
                let (value, _) = after.split_once(';').unwrap_or((after, ""));
                (value.trim().to_owned(), after.get(value.len()..).unwrap_or_default())
            }
        };
        found.push((name.trim().to_owned(), value));
        let after = after.trim_start();
        rest = match after.strip_prefix(';') {
            Some(more) => more.trim(),
            None if after.is_empty() => after,
            None => return Err(FAULT),
        };
    }
    Ok(found)
}

/// The text up to the closing quote, and what follows that.
fn unquote(quoted: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = quoted.char_indices().peekable();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((value, quoted.get(at + 1..)?)),
            '\\' => value.push(chars.next_if(|(_, next)| matches!(next, '"' | '\\')).map_or('\\', |(_, next)| next)),
            char => value.push(char),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// All parts of a body that comes in such pieces.
    fn parts(body: &[u8], boundary: &str, pieces: &[usize]) -> Result<Vec<(PartHead, Vec<u8>)>, Malformed> {
        let mut multipart = Multipart::new(boundary);
        let (mut found, mut body, mut pieces) = (Vec::new(), Bytes::copy_from_slice(body), pieces.iter().cycle());
        loop {
            match multipart.step()? {
                Step::Part(head) => found.push((head, Vec::new())),
                Step::Data(data) => found.last_mut().unwrap().1.extend_from_slice(&data),
                Step::PartEnd => {}
                Step::End => return Ok(found),
                Step::NeedInput if body.is_empty() => return Err(Malformed("ended")),
                Step::NeedInput => {
                    let len = pieces.next().map_or(body.len(), |len| (*len).clamp(1, body.len()));
                    multipart.push(body.split_to(len));
                }
            }
        }
    }

    fn field(name: &str) -> PartHead {
        PartHead { name: name.to_owned(), file_name: None }
    }

    #[test]
    fn a_browsers_form_is_read() {
        let body =
            b"--xyz\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\na/b\r\n--xyz\r\ncontent-disposition: \
                     form-data; name=\"file\"; filename=\"C:\\dir\\\\a \\\"b\\\".txt\"\r\nContent-Type: \
                     text/plain\r\n\r\nline\r\n--xy\r\n--xyz--\r\nwhatever";
        let file = PartHead { name: "file".to_owned(), file_name: Some("C:\\dir\\a \"b\".txt".to_owned()) };
        let expected = vec![(field("key"), b"a/b".to_vec()), (file, b"line\r\n--xy".to_vec())];
        for pieces in [&[1][..], &[2, 3], &[7], &[1000]] {
            assert_eq!(parts(body, "xyz", pieces).unwrap(), expected, "{pieces:?}");
        }
    }

    #[test]
    fn what_is_no_form_is_refused() {
        let long = format!("--b\r\nContent-Disposition: form-data; name=\"{}\"\r\n\r\n", "n".repeat(HEAD_BYTES_MAX));
        for body in [
            "",
            "--b",
            "--b\r\n\r\n\r\nx\r\n--b--",
            "--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--",
            "--b\r\nContent-Disposition: attachment; name=a\r\n\r\nx\r\n--b--",
            "--b\r\nContent-Disposition: form-data; name=a; name=b\r\n\r\nx\r\n--b--",
            "--b\r\nContent-Disposition: form-data; name=\"a\r\n\r\nx\r\n--b--",
            "--b\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n--c--",
            &long,
        ] {
            assert!(parts(body.as_bytes(), "b", &[1000]).is_err(), "{body}");
        }
    }

    #[test]
    fn a_forms_type_names_its_boundary() {
        let named = |boundary: &str| Some(boundary.to_owned());
        assert_eq!(boundary("multipart/form-data; boundary=abc"), named("abc"));
        assert_eq!(boundary("Multipart/Form-Data; charset=utf-8; Boundary=\"a b:c\""), named("a b:c"));
        for wrong in
            ["multipart/form-data", "text/plain; boundary=a", "multipart/form-data; boundary=", "", "a; boundary"]
        {
            assert_eq!(boundary(wrong), None, "{wrong}");
        }
        assert_eq!(boundary(&format!("multipart/form-data; boundary={}", "a".repeat(71))), None);
    }

    proptest! {
        #[test]
        fn what_was_put_into_parts_comes_back(
            values in prop::collection::vec(prop::collection::vec(prop::sample::select(b"\r\n-bx".to_vec()), 0..40), 0..5),
            pieces in prop::collection::vec(1_usize..9, 1..5),
        ) {
            // No value may hold the delimiter, or end what follows it.
            let boundary = "bb0";
            let mut body = Vec::new();
            for (number, value) in values.iter().enumerate() {
                body.extend_from_slice(format!("--{boundary}\r\nContent-Disposition: form-data; name=f{number}\r\n\r\n").as_bytes());
                body.extend_from_slice(value);
                body.extend_from_slice(b"\r\n");
            }
            body.extend_from_slice(format!("--{boundary}--").as_bytes());
            let expected: Vec<_> =
                values.into_iter().enumerate().map(|(number, value)| (field(&format!("f{number}")), value)).collect();
            prop_assert_eq!(parts(&body, boundary, &pieces).unwrap(), expected);
        }

        #[test]
        fn arbitrary_bytes_never_panic(
            body in prop::collection::vec(prop::sample::select(b"\r\n-b:;=\"\\ aContent-Disposition".to_vec()), 0..300),
            pieces in prop::collection::vec(1_usize..50, 1..5),
        ) {
            let _ = parts(&body, "b", &pieces);
            let _ = boundary(&String::from_utf8_lossy(&body));
        }
    }
}
