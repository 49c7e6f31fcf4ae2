//! XML in and out: a bounded reader for clients' documents; of ours, those in S3's namespace.
//!
//! Promises: reading takes time and memory linear in the document, which is bounded in bytes, elements, depth and
//! attributes; a document type, an entity that is not predefined and anything after the root are refused, so nothing
//! is ever expanded or fetched. Nothing has two readings: an element stands once among its siblings, unless the
//! document is a list of it, and a document that says it is not UTF-8 is refused, for it would be read as something
//! else than was meant.
//! Must not know: which documents there are.

use std::collections::HashSet;

use quick_xml::Reader;
use quick_xml::events::{BytesDecl, BytesStart, Event};
use thiserror::Error;

pub use crate::aws::xml::Writer;

/// The largest document of any kind, in bytes.
const XML_BYTES_MAX: usize = document_bytes::DELETE_MAX;

/// How long a document of each kind may be, in bytes: what S3 lets it say, with room for white space and namespaces.
pub mod document_bytes {
    /// A word or two: a retention, a legal hold, versioning, a bucket's location.
    pub const WORDS_MAX: usize = 4 << 10;
    /// A default retention rule.
    pub const LOCK_CONFIGURATION_MAX: usize = 8 << 10;
    /// 100 grants.
    pub const ACL_MAX: usize = 64 << 10;
    /// A bucket policy, which has 20 KiB at most that are no white space.
    pub const POLICY_MAX: usize = 128 << 10;
    /// 10 tags of 128 and 256 characters, each of up to four bytes or escaped.
    pub const TAGGING_MAX: usize = 64 << 10;
    /// 10,000 parts with SHA-256 checksums.
    pub const COMPLETE_MAX: usize = 4 << 20;
    /// 1,000 keys of 1,024 bytes with every byte escaped, and their versions.
    pub const DELETE_MAX: usize = 8 << 20;
}
const ELEMENTS_MAX: usize = 100_000;
const DEPTH_MAX: usize = 16;
const ATTRIBUTES_MAX: usize = 16;

/// Why a document was refused. To a client all of these are `MalformedXML`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum XmlError {
    /// Not well-formed, not UTF-8, or something that no request document holds.
    #[error("the document is not well-formed")]
    Malformed,
    /// It declares another encoding than UTF-8.
    #[error("the document is not UTF-8")]
    Encoding,
    /// An element that may stand once stands twice.
    #[error("an element stands twice")]
    Twice,
    /// A bound on size, depth, elements or attributes was passed.
    #[error("the document is too large")]
    TooLarge,
    /// A document type declaration.
    #[error("a document type is not accepted")]
    DocType,
}

/// An element as read: its local name, its own text with the entities resolved, its children in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    name: String,
    text: String,
    children: Vec<Element>,
}

impl Element {
    /// The name without its namespace prefix.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its text; the white space between children does not count as text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// All children.
    pub fn children(&self) -> &[Self] {
        &self.children
    }

    /// The child of this name; of a list's items the first.
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the child of this name.
    pub fn child_text(&self, name: &str) -> Option<&str> {
        self.child(name).map(Self::text)
    }
}

/// Reads a document whose root has this name, and in which no element has two children of one name.
pub fn read(document: &[u8], root: &str) -> Result<Element, XmlError> {
    read_tree(document, root, Tree::default())
}

/// Reads a document whose root has this name, and in which only elements of the name `item` stand beside others of
/// their name.
pub fn read_list(document: &[u8], root: &str, item: &'static str) -> Result<Element, XmlError> {
    read_tree(document, root, Tree { item: Some(item), ..Tree::default() })
}

fn read_tree(document: &[u8], root: &str, mut tree: Tree) -> Result<Element, XmlError> {
    if document.len() > XML_BYTES_MAX {
        return Err(XmlError::TooLarge);
    }
    let text = std::str::from_utf8(document).map_err(|_| XmlError::Malformed)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_end_names = true;
    loop {
        match reader.read_event().map_err(|_| XmlError::Malformed)? {
            Event::Start(start) => tree.open(&start)?,
            Event::Empty(start) => {
                tree.open(&start)?;
                tree.close()?;
            }
            Event::End(_) => tree.close()?,
            Event::Text(text) => tree.text(&text.xml10_content().map_err(|_| XmlError::Malformed)?)?,
            Event::CData(data) => tree.text(&data.decode().map_err(|_| XmlError::Malformed)?)?,
            Event::GeneralRef(reference) => {
                let resolved = match reference.resolve_char_ref().map_err(|_| XmlError::Malformed)? {
                    Some(character) => character,
                    None => predefined_entity(&reference).ok_or(XmlError::Malformed)?,
                };
                tree.text(resolved.encode_utf8(&mut [0; 4]))?;
            }
            Event::DocType(_) => return Err(XmlError::DocType),
            Event::Decl(declaration) => check_encoding(&declaration)?,
            Event::PI(_) | Event::Comment(_) => {}
            Event::Eof => break,
        }
    }
    tree.root.filter(|element| element.name == root && tree.open.is_empty()).ok_or(XmlError::Malformed)
}

fn check_encoding(declaration: &BytesDecl<'_>) -> Result<(), XmlError> {
    match declaration.encoding() {
        None => Ok(()),
        Some(Ok(encoding)) if encoding.eq_ignore_ascii_case(b"utf-8") => Ok(()),
        Some(Ok(_)) => Err(XmlError::Encoding),
        Some(Err(_)) => Err(XmlError::Malformed),
    }
}

fn predefined_entity(name: &[u8]) -> Option<char> {
    Some(match name {
        b"amp" => '&',
        b"lt" => '<',
        b"gt" => '>',
        b"apos" => '\'',
        b"quot" => '"',
        _ => return None,
    })
}

/// The tree under construction: the elements that are open, outermost first, and the finished root.
#[derive(Default)]
struct Tree {
    open: Vec<Element>,
    root: Option<Element>,
    elements: usize,
    /// The name that may stand more than once among siblings.
    item: Option<&'static str>,
}

impl Tree {
    fn open(&mut self, start: &BytesStart<'_>) -> Result<(), XmlError> {
        self.elements += 1;
        if self.elements > ELEMENTS_MAX || self.open.len() >= DEPTH_MAX {
            return Err(XmlError::TooLarge);
        }
        if self.root.is_some() {
            return Err(XmlError::Malformed);
        }
        // Each is compared with those before it, of which there are few.
        for (number, attribute) in start.attributes().enumerate() {
            if number >= ATTRIBUTES_MAX {
                return Err(XmlError::TooLarge);
            }
            attribute.map_err(|_| XmlError::Malformed)?;
        }
        let name = std::str::from_utf8(start.local_name().into_inner()).map_err(|_| XmlError::Malformed)?.to_owned();
        self.open.push(Element { name, ..Element::default() });
        Ok(())
    }

    fn close(&mut self) -> Result<(), XmlError> {
        let mut element = self.open.pop().ok_or(XmlError::Malformed)?;
        if !element.children.is_empty() && element.text.trim().is_empty() {
            element.text.clear();
        }
        let mut names = HashSet::new();
        let mut singles = element.children.iter().map(Element::name).filter(|name| Some(*name) != self.item);
        if !singles.all(|name| names.insert(name)) {
            return Err(XmlError::Twice);
        }
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), XmlError> {
        match self.open.last_mut() {
            Some(element) => element.text.push_str(text),
            None if text.trim().is_empty() => {}
            None => return Err(XmlError::Malformed),
        }
        Ok(())
    }
}

/// The namespace of S3's documents.
pub const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// Documents in S3's namespace.
impl Writer {
    /// Writes a document with this root in S3's namespace.
    pub fn document(root: &str, body: impl FnOnce(&mut Self)) -> String {
        Self::in_namespace(root, NAMESPACE, body)
    }

    /// Writes a document whose root in S3's namespace holds text only.
    pub fn document_of_text(root: &str, text: &str) -> String {
        Self::document(root, |writer| writer.content(text))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_document_is_read_whole() {
        let document = b"<?xml version='1.0'?>\n<d:Delete xmlns:d='x'>\n <Object><Key>a&amp;b&#x20ac;<![CDATA[<c>]]></Key></Object>\n \
            <!-- c --><Quiet>true</Quiet><Empty/></d:Delete>\n";
        let root = read(document, "Delete").unwrap();
        assert_eq!(root.child("Object").unwrap().child_text("Key"), Some("a&b\u{20ac}<c>"));
        assert_eq!(root.child_text("Quiet"), Some("true"));
        assert_eq!(root.child_text("Empty"), Some(""));
        assert_eq!(root.text(), "");
        assert_eq!(root.children().len(), 3);
    }

    #[test]
    fn white_space_in_a_leaf_is_kept() {
        assert_eq!(read(b"<K>  </K>", "K").unwrap().text(), "  ");
        assert_eq!(read(b"<K> a </K>", "K").unwrap().text(), " a ");
    }

    #[test]
    fn hostile_documents_are_refused() {
        for (document, error) in [
            (&b""[..], XmlError::Malformed),
            (b"<a>", XmlError::Malformed),
            (b"<a></b>", XmlError::Malformed),
            (b"<a></a><a></a>", XmlError::Malformed),
            (b"x<a></a>", XmlError::Malformed),
            (b"<a>&bomb;</a>", XmlError::Malformed),
            (b"<a>\xff</a>", XmlError::Malformed),
            (b"<b></b>", XmlError::Malformed),
            (b"<a b='' b=''></a>", XmlError::Malformed),
            (b"<a b=c></a>", XmlError::Malformed),
            (b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>", XmlError::DocType),
            (b"<!DOCTYPE a><a></a>", XmlError::DocType),
            (b"<a><!DOCTYPE a></a>", XmlError::DocType),
        ] {
            assert_eq!(read(document, "a"), Err(error), "{}", String::from_utf8_lossy(document));
        }
        let deep = "<a>".repeat(1000) + &"</a>".repeat(1000);
        assert_eq!(read(deep.as_bytes(), "a"), Err(XmlError::TooLarge));
        let wide = "<a>".to_owned() + &"<b/>".repeat(ELEMENTS_MAX) + "</a>";
        assert_eq!(read_list(wide.as_bytes(), "a", "b"), Err(XmlError::TooLarge));
        let attributes: String = (0..1_000_000).map(|i| format!(" a{i}=''")).collect();
        assert_eq!(read(format!("<a{attributes}/>").as_bytes(), "a"), Err(XmlError::TooLarge));
        assert_eq!(read(&vec![b' '; XML_BYTES_MAX + 1], "a"), Err(XmlError::TooLarge));
    }

    #[test]
    fn an_element_stands_once_unless_it_is_an_item() {
        let list = b"<l><i><k>1</k></i><i><k>2</k></i><q/></l>";
        assert_eq!(read_list(list, "l", "i").unwrap().children().len(), 3);
        assert_eq!(read(list, "l"), Err(XmlError::Twice));
        for twice in [
            "<l><i><k>1</k><k>1</k></i></l>",
            "<l><i><k/><k/></i></l>",
            "<l><i/><q/><i/><q/></l>",
            "<l xmlns:n='x'><q/><n:q/></l>",
            "<l><set><i/></set><set><i/></set></l>",
            "<l><i><a/><b/><c><d/><d/></c></i></l>",
        ] {
            assert_eq!(read_list(twice.as_bytes(), "l", "i"), Err(XmlError::Twice), "{twice}");
        }
        // Of very many names each is compared with few.
        let many: String = (0..ELEMENTS_MAX - 1).map(|number| format!("<e{number}/>")).collect();
        assert!(read(format!("<l>{many}</l>").as_bytes(), "l").is_ok());
    }

    #[test]
    fn a_document_is_utf_8_and_does_not_say_otherwise() {
        for (declared, expected) in [
            ("version='1.0'", true),
            ("version='1.0' encoding='UTF-8'", true),
            ("version=\"1.0\" encoding=\"utf-8\" standalone=\"yes\"", true),
            ("version='1.0' encoding='UTF-16'", false),
            ("version='1.0' encoding='ISO-8859-1'", false),
            ("version='1.0' encoding='windows-1252'", false),
            ("version='1.0' encoding='UTF-7'", false),
            ("version='1.0' encoding=''", false),
        ] {
            let document = format!("<?xml {declared}?><a>\u{fc}</a>");
            assert_eq!(read(document.as_bytes(), "a").is_ok(), expected, "{declared}");
            let marked = format!("\u{feff}{document}");
            assert_eq!(read(marked.as_bytes(), "a").is_ok(), expected, "{declared}");
        }
        for big_endian in [true, false] {
            let units = "\u{feff}<?xml version='1.0' encoding='UTF-16'?><a>b</a>".encode_utf16();
            let bytes = |unit: u16| if big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() };
            let document: Vec<u8> = units.flat_map(bytes).collect();
            assert_eq!(read(&document, "a"), Err(XmlError::Malformed));
            assert_eq!(read(&document[2..], "a"), Err(XmlError::Malformed));
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let text = "a&<>\"' \u{1}\r\u{7f}\u{20ac}\u{ff21}\u{ffee}";
        let written = Writer::document("R", |w| w.element("C", |w| w.text("Key", text)));
        assert!(written.contains("&#x1;&#xd;&#x7f;"), "{written}");
        let root = read(written.as_bytes(), "R").unwrap();
        assert_eq!(root.child("C").unwrap().child_text("Key"), Some(text));
    }
}
