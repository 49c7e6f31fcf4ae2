//! The source tree as the tidy test reads it: files, their lines, their functions.
//!
//! Must not know: the rules.

use std::path::{Path, PathBuf};

/// A Rust file of the workspace.
pub struct SourceFile {
    /// Its path from the root of the workspace.
    pub path: String,
    /// Its lines.
    pub lines: Vec<String>,
}

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

/// The root of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace").to_owned()
}

/// Reads a file of the workspace.
pub fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("reading {path}: {error}"))
}

/// All Rust files, in order of path.
pub fn rust_files() -> Vec<SourceFile> {
    let mut files = Vec::new();
    for folder in [
        "base",
        "ring",
        "placement",
        "metadata",
        "cluster",
        "protocol",
        "client",
        "admin",
        "storage-node",
        "gateway",
        "couronne",
        "simulation",
        "benches",
        "tests",
    ] {
        collect(&root().join(folder), &mut files);
    }
    files.sort_by(|one, two| one.path.cmp(&two.path));
    files
}

fn collect(folder: &Path, files: &mut Vec<SourceFile>) {
    for entry in std::fs::read_dir(folder).unwrap_or_else(|error| panic!("listing {}: {error}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                collect(&path, files);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let lines = std::fs::read_to_string(&path).unwrap().lines().map(str::to_owned).collect();
            let path = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
            files.push(SourceFile { path, lines });
        }
    }
}

impl SourceFile {
    /// Whether the whole file is tests.
    pub fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("/tests.rs") || self.path.starts_with("benches/benches/")
    }

    /// The lines before the file's own tests.
    pub fn lines_without_tests(&self) -> &[String] {
        let tests = self.lines.iter().position(|line| line.trim() == "#[cfg(test)]");
        // A `#[cfg(test)]` on something in the middle of a file does not end it; on a module it does.
        let end = tests.filter(|at| self.lines.get(at + 1).is_some_and(|line| line.trim_start().starts_with("mod ")));
        &self.lines[..end.unwrap_or(self.lines.len())]
    }

    /// The functions of a file that rustfmt formatted: the closing brace stands where the `fn` line begins.
    pub fn functions(&self) -> Vec<Function> {
        let mut functions = Vec::new();
        for (at, line) in self.lines.iter().enumerate() {
            let Some(name) = function_name(line) else { continue };
            let indent = line.len() - line.trim_start().len();
            let closing = format!("{}}}", " ".repeat(indent));
            let body = self.lines[at..].iter();
            let length = body
                .take_while(|line| !(line.starts_with(&closing) || line.ends_with(';') && closes(line, indent)))
                .count();
            functions.push(Function { name, line: at + 1, lines: length + 1 });
        }
        functions
    }
}

impl SourceFile {
    /// The module at the top of its crate that the file belongs to: `duties` for `node/src/duties/reaper.rs`.
    pub fn top_module(&self) -> Option<&str> {
        let (_, path) = self.path.split_once("/src/")?;
        let top = path.split('/').next()?;
        Some(top.strip_suffix(".rs").unwrap_or(top))
    }

    /// The modules at the top of its crate that the file names, by `crate::` or by enough `super::`, each with the
    /// line in which it does.
    pub fn top_modules_named(&self) -> Vec<(usize, String)> {
        let Some((_, path)) = self.path.split_once("/src/") else { return Vec::new() };
        let depth = path.trim_end_matches("/mod.rs").trim_end_matches(".rs").split('/').count();
        let to_top = ["crate::".to_owned(), "super::".repeat(depth)];
        let is_comment = |line: &&String| line.trim_start().starts_with("//");
        let code: Vec<&str> =
            self.lines.iter().map(|line| if is_comment(&line) { "" } else { line.as_str() }).collect();
        let code = code.join("\n");
        let mut named = Vec::new();
        for prefix in to_top {
            for (at, _) in code.match_indices(&prefix) {
                let before = code[..at].chars().next_back();
                if before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '$' | ':')) {
                    continue;
                }
                let line = code[..at].matches('\n').count() + 1;
                let names = first_names(&code[at + prefix.len()..]);
                named.extend(names.into_iter().filter(|name| name != "super").map(|name| (line, name)));
            }
        }
        named
    }
}

/// The first segment of a path, or of each path of a group in braces.
fn first_names(path: &str) -> Vec<String> {
    let name = |text: &str| text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let Some(group) = path.strip_prefix('{') else { return vec![name(path)] };
    let (mut names, mut nested, mut start) = (Vec::new(), 0u32, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => nested += 1,
            '}' if nested > 0 => nested -= 1,
            ',' | '}' if nested == 0 => {
                names.push(name(&group[start..at]));
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names.retain(|name: &String| !name.is_empty());
    names
}

/// Whether a line ends a declaration without a body, at the indent of its `fn`.
fn closes(line: &str, indent: usize) -> bool {
    let own = line.len() - line.trim_start().len();
    own == indent
}

/// The name a line begins a function with.
fn function_name(line: &str) -> Option<String> {
    let mut rest = line.trim_start();
    for word in ["pub(crate) ", "pub(super) ", "pub ", "const ", "async ", "unsafe "] {
        rest = rest.strip_prefix(word).unwrap_or(rest);
    }
    let name: String = rest.strip_prefix("fn ")?.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    // A function on one line has its brace at the end of that line.
    (!line.trim_end().ends_with('}')).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_measured() {
        let text = "fn one() {}\nimpl A {\n    pub async fn two(\n        a: u8,\n    ) {\n        a;\n    }\n\n    fn three(&self);\n}\nfn four() {\n}\n";
        let file = SourceFile { path: "a.rs".to_owned(), lines: text.lines().map(str::to_owned).collect() };
        let found: Vec<_> = file.functions().into_iter().map(|f| (f.name, f.line, f.lines)).collect();
        let expected = [("two", 3, 5), ("three", 9, 1), ("four", 11, 2)];
        assert_eq!(found, expected.map(|(name, line, lines)| (name.to_owned(), line, lines)));
    }
    #[test]
    fn modules_at_the_top_are_found() {
        let text = "use crate::log::DriveLog;\nuse crate::{disk::Disk, drives::{self, Drive},\n    node};\n// crate::a\nfn f() { crate::stop::now(); $crate::b; super::super::clock::now(); super::c; }\n";
        let path = "some-crate/src/duties/reaper.rs".to_owned();
        let file = SourceFile { path, lines: text.lines().map(str::to_owned).collect() };
        assert_eq!(file.top_module(), Some("duties"));
        let expected = [(1, "log"), (2, "disk"), (2, "drives"), (2, "node"), (5, "stop"), (5, "clock")];
        assert_eq!(file.top_modules_named(), expected.map(|(line, name)| (line, name.to_owned())));
    }
}
