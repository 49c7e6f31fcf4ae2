//! The items of a file that rustfmt formatted: functions with their length, types by name.
//!
//! Must not know: the rules.

use super::SourceFile;

/// A function and how many lines it has, from its signature to its closing brace.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Its first line, counted from 1.
    pub line: usize,
    /// Its length in lines.
    pub lines: usize,
}

impl SourceFile {
    /// The functions that have more than one line: the closing brace stands where the `fn` line begins.
    pub fn functions(&self) -> Vec<Function> {
        let mut functions = Vec::new();
        for (at, line) in self.lines.iter().enumerate() {
            // A function on one line has its brace at the end of that line.
            let Some(name) = function_name(line).filter(|_| !line.trim_end().ends_with('}')) else { continue };
            let own = indent(line);
            let closing = format!("{}}}", " ".repeat(own));
            // A declaration without a body ends in a semicolon.
            let ends = |line: &&String| !(line.starts_with(&closing) || line.ends_with(';') && indent(line) == own);
            let length = self.lines[at..].iter().take_while(ends).count();
            functions.push(Function { name: name.to_owned(), line: at + 1, lines: length + 1 });
        }
        functions
    }
}

/// How far a line is indented, in bytes.
pub fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// What follows the visibility of an item: `pub`, or `pub` with what it is limited to.
pub fn without_visibility(item: &str) -> &str {
    if let Some(limited) = item.strip_prefix("pub(") {
        return limited.split_once(") ").map_or(item, |(_, rest)| rest);
    }
    item.strip_prefix("pub ").unwrap_or(item)
}

/// The identifier that a text begins with.
fn identifier(text: &str) -> Option<&str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').next().filter(|name| !name.is_empty())
}

/// The name of the function that a line begins.
pub fn function_name(line: &str) -> Option<&str> {
    let mut rest = without_visibility(line.trim_start());
    for word in ["default ", "const ", "async ", "unsafe ", "extern \"C\" "] {
        rest = rest.strip_prefix(word).unwrap_or(rest);
    }
    rest.strip_prefix("fn ").and_then(identifier)
}

/// The name of the type that a line begins, at whatever indent.
pub fn type_name(line: &str) -> Option<&str> {
    let mut rest = without_visibility(line.trim_start());
    rest = rest.strip_prefix("unsafe ").unwrap_or(rest);
    ["struct ", "enum ", "trait ", "union ", "type "]
        .iter()
        .find_map(|kind| rest.strip_prefix(kind))
        .and_then(identifier)
}

/// The name of the type that a line at the margin begins: one inside a function or an `impl` is no type of the module.
pub fn defined_type(line: &str) -> Option<&str> {
    type_name(line).filter(|_| indent(line) == 0)
}

/// The name of the constant that a line begins.
fn constant_name(line: &str) -> Option<&str> {
    let rest = without_visibility(line.trim_start());
    let name = ["const ", "static "].iter().find_map(|kind| rest.strip_prefix(kind)).and_then(identifier)?;
    (!matches!(name, "fn" | "async" | "unsafe")).then_some(name)
}

/// Whether a text defines an item of exactly this name: a function, a type, a constant.
pub fn defines(text: &str, name: &str) -> bool {
    let begins = |line: &str| [function_name(line), type_name(line), constant_name(line)].contains(&Some(name));
    text.lines().any(begins)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_measured() {
        let text = "fn one() {}\nimpl A {\n    pub async fn two(\n        a: u8,\n    ) {\n        a;\n    }\n\n    fn three(&self);\n}\nfn four() {\n}\n";
        let found: Vec<_> =
            SourceFile::new("a.rs", text).functions().into_iter().map(|f| (f.name, f.line, f.lines)).collect();
        let expected = [("two", 3, 5), ("three", 9, 1), ("four", 11, 2)];
        assert_eq!(found, expected.map(|(name, line, lines)| (name.to_owned(), line, lines)));
    }

    #[test]
    fn items_of_any_visibility_are_named() {
        for before in ["", "pub ", "pub(crate) ", "pub(super) ", "pub(in crate::engine) ", "    pub(in super::super) "]
        {
            assert_eq!(function_name(&format!("{before}const unsafe fn put<T>(")), Some("put"), "{before}");
            assert_eq!(type_name(&format!("{before}struct Name<T> {{")), Some("Name"), "{before}");
        }
        assert_eq!(defined_type("pub(in crate::net) struct Budget {"), Some("Budget"));
        assert_eq!(defined_type("    struct Inner;"), None);
        assert_eq!(function_name("let put = fn_of();"), None);
        assert_eq!(type_name("// struct Name"), None);
    }

    #[test]
    fn names_are_compared_whole() {
        let text = "pub fn put_shard() {}\n    const FRAME_LEN: u8 = 1;\npub(crate) enum Kind {\n";
        for name in ["put_shard", "FRAME_LEN", "Kind"] {
            assert!(defines(text, name), "{name}");
        }
        for name in ["put", "FRAME", "Kin", "shard", "fn"] {
            assert!(!defines(text, name), "{name}");
        }
        assert!(!defines("pub const fn put() {}", "fn"));
    }
}
