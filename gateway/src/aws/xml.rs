//! XML out: a plain writer.
//!
//! Promises: whatever stands in a name or a value is escaped.
//! Must not know: which documents there are.

use std::fmt::Write as _;

/// A document being written.
#[derive(Default)]
pub struct Writer(String);

impl Writer {
    /// Writes a document with this root in a namespace.
    pub fn in_namespace(root: &str, namespace: &str, body: impl FnOnce(&mut Self)) -> String {
        Self::with_root(root, &format!(" xmlns=\"{namespace}\""), body)
    }

    /// Writes a document with this root and no namespace, as errors are.
    pub fn plain_document(root: &str, body: impl FnOnce(&mut Self)) -> String {
        Self::with_root(root, "", body)
    }

    fn with_root(root: &str, attributes: &str, body: impl FnOnce(&mut Self)) -> String {
        let mut writer = Self(String::with_capacity(512));
        writer.0.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        writer.nest(root, attributes, body);
        writer.0
    }

    /// Writes elements without a root: to stand in a document later ([`Writer::fragment`]).
    pub const fn new() -> Self {
        Self(String::new())
    }

    /// Whether nothing was written.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes elements that were written elsewhere.
    pub fn fragment(&mut self, other: &Self) {
        self.0.push_str(&other.0);
    }

    /// Makes room for so many bytes more, so that a long document is not copied as it grows.
    pub fn reserve(&mut self, bytes: usize) {
        self.0.reserve(bytes);
    }

    /// Writes an element with children.
    pub fn element(&mut self, name: &str, body: impl FnOnce(&mut Self)) {
        self.nest(name, "", body);
    }

    /// Writes an element with attributes (`attributes` begins with a space and is trusted) and children.
    pub fn nest(&mut self, name: &str, attributes: &str, body: impl FnOnce(&mut Self)) {
        self.0.push('<');
        self.0.push_str(name);
        self.0.push_str(attributes);
        self.0.push('>');
        body(self);
        self.0.push_str("</");
        self.0.push_str(name);
        self.0.push('>');
    }

    /// Writes an element that holds text.
    pub fn text(&mut self, name: &str, text: &str) {
        self.nest(name, "", |writer| writer.content(text));
    }

    /// Writes an element that holds text known to have no special characters.
    pub fn plain(&mut self, name: &str, text: &str) {
        self.nest(name, "", |writer| writer.0.push_str(text));
    }

    /// Writes an element that holds a number or another value without special characters.
    pub fn value(&mut self, name: &str, value: impl std::fmt::Display) {
        // Writing to a string does not fail.
        self.nest(name, "", |writer| _ = write!(writer.0, "{value}"));
    }

    /// Writes an element that holds text, if there is any.
    pub fn optional(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    /// Writes text: what XML would read otherwise is escaped, and what stands between is copied in one piece.
    pub fn content(&mut self, text: &str) {
        let mut rest = text;
        while let Some((plain, from)) = rest.bytes().position(is_special).and_then(|at| rest.split_at_checked(at)) {
            self.0.push_str(plain);
            let mut characters = from.chars();
            if let Some(character) = characters.next() {
                self.character(character);
            }
            rest = characters.as_str();
        }
        self.0.push_str(rest);
    }

    /// Control characters have no form in XML 1.0; as S3 does, we write them as references, which is why
    /// clients ask for `encoding-type=url`. A carriage return would otherwise be read as a line feed.
    fn character(&mut self, character: char) {
        match character {
            '&' => self.0.push_str("&amp;"),
            '<' => self.0.push_str("&lt;"),
            '>' => self.0.push_str("&gt;"),
            '"' => self.0.push_str("&quot;"),
            '\n' | '\t' => self.0.push(character),
            '\u{fffe}' | '\u{ffff}' => self.0.push_str(&format!("&#x{:x};", u32::from(character))),
            _ if character.is_ascii_control() => self.0.push_str(&format!("&#x{:x};", u32::from(character))),
            _ => self.0.push(character),
        }
    }
}

/// Whether a character that begins with this byte may have to be escaped. All are ASCII but U+FFFE and
/// U+FFFF, which begin with EF.
const fn is_special(byte: u8) -> bool {
    matches!(byte, b'&' | b'<' | b'>' | b'"' | 0..=0x1f | 0x7f | 0xef)
}
