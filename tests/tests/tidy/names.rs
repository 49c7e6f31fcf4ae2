//! The names of the source tree: one meaning each, the field's words, and errors with types.

use std::collections::BTreeMap;

use couronne_tests::source::items::defined_type;
use couronne_tests::source::words::said;
use couronne_tests::source::{self, SourceFile};

use super::none;

/// The files of the crates themselves, without what is compiled for tests only.
fn sources() -> impl Iterator<Item = SourceFile> {
    source::rust_files().into_iter().filter(|file| file.path.contains("/src/") && !file.is_test())
}

/// What is compiled as one: a crate with its own tests, or a crate of tests.
fn unit(file: &SourceFile) -> &str {
    let Some((of, rest)) = file.path.split_once("/tests/").filter(|(of, _)| !of.contains("/src")) else {
        return file.crate_name();
    };
    let top = rest.find('/').unwrap_or(rest.len());
    &file.path[..of.len() + "/tests/".len() + top]
}

#[test]
fn no_type_name_stands_twice_in_a_crate() {
    let mut types: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for file in source::rust_files() {
        for name in file.lines_without_tests().into_iter().filter_map(|(_, line)| defined_type(line)) {
            types.entry((unit(&file).to_owned(), name.to_owned())).or_default().push(file.path.clone());
        }
    }
    let twice = types.into_iter().filter(|(_, files)| files.len() > 1);
    none(
        "these names mean two things",
        twice.map(|((_, name), files)| format!("{name}: {}", files.join(", "))).collect(),
    );
}

#[test]
fn units_are_what_is_compiled_as_one() {
    for (path, expected) in [
        ("gateway/src/front/tests/toy.rs", "gateway"),
        ("gateway/src/front/error.rs", "gateway"),
        ("protocol/tests/wire.rs", "protocol/tests/wire.rs"),
        ("storage-node/tests/all/drive/world.rs", "storage-node/tests/all"),
        ("tests/tests/tidy/main.rs", "tests/tests/tidy"),
        ("tests/src/server.rs", "tests"),
    ] {
        assert_eq!(unit(&SourceFile::new(path, "")), expected);
    }
}

#[test]
fn no_error_is_a_text() {
    let mut findings = Vec::new();
    // What `tests` holds is scaffolding of tests.
    for file in sources().filter(|file| !file.path.starts_with("tests/")) {
        for (at, line) in file.lines_without_tests() {
            if line.contains("Result<") && line.contains(", String>") && !line.contains("BTreeMap") {
                findings.push(format!("{}:{at}: {}", file.path, line.trim()));
            }
        }
    }
    none("these errors have no type", findings);
}

#[test]
fn choices_of_the_simulated_are_biased() {
    let simulated = ["base/", "client/", "cluster/", "gateway/", "simulation/", "storage-node/"];
    let mut findings = Vec::new();
    for file in sources().filter(|file| simulated.iter().any(|folder| file.path.starts_with(folder))) {
        for (at, line) in file.lines.iter().enumerate().filter(|(_, line)| line.contains("select! {")) {
            if file.lines.get(at + 1).is_none_or(|next| next.trim() != "biased;") {
                findings.push(format!("{}:{}: {}", file.path, at + 1, line.trim()));
            }
        }
    }
    none("these leave it open which branch goes first, so that a seed gives two runs", findings);
}

/// The line of the glossary's head before the closed list.
const CLOSED_LIST: &str = "## Words that are refused";

/// The closed list at the end of the glossary: words and phrases that the field has another one for.
fn refused() -> Vec<(String, String)> {
    let glossary = source::read("docs/glossary.md");
    let list = glossary.split_once(CLOSED_LIST).unwrap().1;
    let lines = list.lines().filter_map(|line| line.split_once(" -> "));
    lines.map(|(wrong, right)| (wrong.to_owned(), right.to_owned())).collect()
}

/// The pages, and what is run beside the binary; of the glossary what comes before its closed list.
fn pages() -> Vec<(String, String)> {
    let read = |path: String| {
        let page = source::read(&path);
        let page = page.split_once(CLOSED_LIST).map_or(page.as_str(), |(terms, _)| terms).to_owned();
        (path, page)
    };
    let mut pages: Vec<_> = ["README.md", "ARCHITECTURE.md"].map(|path| read(path.to_owned())).into();
    for folder in ["docs", "docs/decisions", "docs/internals", "scripts", "benches", "tests/scripts"] {
        for entry in std::fs::read_dir(source::root().join(folder)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if entry.path().is_file() && !name.ends_with(".toml") {
                pages.push(read(format!("{folder}/{name}")));
            }
        }
    }
    pages
}

/// The file that has to write refused words: that which looks for them.
const LOOKS_FOR_THEM: &str = "tests/src/source/words.rs";

/// Identifiers, comments, log messages, names of metrics, keys of JSON, and pages; tests as well.
#[test]
fn words_are_the_glossarys() {
    let refused = refused();
    assert!(refused.len() > 10, "the glossary ends with its closed list");
    let sources = source::rust_files().into_iter();
    let sources = sources.map(|file| (file.path, file.lines.join("\n")));
    let mut findings = Vec::new();
    let is_read = |(path, _): &(String, String)| path != LOOKS_FOR_THEM;
    for (path, text) in sources.chain(pages()).filter(is_read) {
        for (at, line) in text.lines().enumerate() {
            for (wrong, right) in said(line, &refused) {
                findings.push(format!("{path}:{}: {wrong}, say {right}", at + 1));
            }
        }
    }
    none("these words have another one in the glossary", findings);
}
