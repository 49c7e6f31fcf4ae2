//! The source tree as the tidy test reads it: files, their lines, their items, and the modules they name.
//!
//! Must not know: the rules.

pub mod items;
pub mod modules;
pub mod words;

use std::path::{Path, PathBuf};

/// A Rust file of the workspace.
pub struct SourceFile {
    /// Its path from the root of the workspace.
    pub path: String,
    /// Its lines.
    pub lines: Vec<String>,
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
        "outbound",
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
            let text = std::fs::read_to_string(&path).unwrap();
            files.push(SourceFile::new(&path.strip_prefix(root()).unwrap().to_string_lossy(), &text));
        }
    }
}

impl SourceFile {
    /// A file of this text.
    pub fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), lines: text.lines().map(str::to_owned).collect() }
    }

    /// The crate that the file belongs to.
    pub fn crate_name(&self) -> &str {
        self.path.split('/').next().unwrap_or_default()
    }

    /// Whether the whole file is tests.
    pub fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("/tests.rs") || self.path.starts_with("benches/benches/")
    }

    /// The lines outside the file's own tests, each with its number: all but the modules under `#[cfg(test)]` whose
    /// text stands here. One that is only declared has its text in a file of its own, and hides nothing of this one.
    pub fn lines_without_tests(&self) -> Vec<(usize, &str)> {
        let mut kept = Vec::new();
        let mut at = 0;
        while at < self.lines.len() {
            let end = self.end_of_tests(at);
            if end.is_none() {
                kept.push((at + 1, self.lines[at].as_str()));
            }
            at = end.unwrap_or(at + 1);
        }
        kept
    }

    /// Where a module of tests that begins in a line ends: the line after it.
    fn end_of_tests(&self, at: usize) -> Option<usize> {
        let line = &self.lines[at];
        if line.trim() != "#[cfg(test)]" {
            return None;
        }
        let is_attribute = |line: &&String| line.trim_start().starts_with("#[");
        let head = at + self.lines[at..].iter().take_while(is_attribute).count();
        let opens = self.lines.get(head).filter(|line| line.ends_with('{'));
        opens.filter(|line| items::without_visibility(line.trim_start()).starts_with("mod "))?;
        let closing = format!("{}}}", &line[..items::indent(line)]);
        let body = self.lines[head..].iter().position(|line| *line == closing);
        Some(body.map_or(self.lines.len(), |length| head + length + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn without_tests(text: &str) -> Vec<usize> {
        SourceFile::new("a.rs", text).lines_without_tests().into_iter().map(|(line, _)| line).collect()
    }

    #[test]
    fn a_module_of_tests_is_left_out() {
        assert_eq!(without_tests("fn a() {\n}\n#[cfg(test)]\nmod tests {\n    fn b() {\n    }\n}\n"), [1, 2]);
        assert_eq!(without_tests("#[cfg(test)]\n#[allow(a)]\npub(crate) mod tests {\n}\nfn a() {}\n"), [5]);
    }

    #[test]
    fn what_follows_a_declaration_of_tests_is_kept() {
        assert_eq!(without_tests("#[cfg(test)]\nmod tests;\nfn a() {}\n"), [1, 2, 3]);
        assert_eq!(without_tests("#[cfg(test)]\nuse a::b;\nfn a() {}\n"), [1, 2, 3]);
        assert_eq!(without_tests("#[cfg(test)]\nfn modest() {\n}\n"), [1, 2, 3]);
    }

    #[test]
    fn files_of_tests_are_told_from_others() {
        for test in ["a/tests/all/main.rs", "a/src/b/tests.rs", "a/src/tests/mod.rs", "tests/tests/lone.rs"] {
            assert!(SourceFile::new(test, "").is_test(), "{test}");
        }
        for other in ["tests/src/source.rs", "a/src/testing/mod.rs"] {
            assert!(!SourceFile::new(other, "").is_test(), "{other}");
        }
    }
}
