//! The names of the source tree: one meaning each, the field's words, and errors with types.

use std::collections::BTreeMap;

use couronne_tests::source::{self, SourceFile};

use super::none;

/// The name of a type that a line at the margin defines.
fn defined_type(line: &str) -> Option<&str> {
    let mut rest = line;
    for word in ["pub(crate) ", "pub(super) ", "pub "] {
        rest = rest.strip_prefix(word).unwrap_or(rest);
    }
    let kinds = ["struct ", "enum ", "trait ", "union ", "type "];
    let name = kinds.iter().find_map(|kind| rest.strip_prefix(kind))?;
    name.split(|c: char| !c.is_alphanumeric() && c != '_').next().filter(|name| !name.is_empty())
}

/// The files of the crates themselves, without what is compiled for tests only.
fn sources() -> impl Iterator<Item = SourceFile> {
    source::rust_files().into_iter().filter(|file| file.path.contains("/src/") && !file.is_test())
}

#[test]
fn no_type_name_stands_twice_in_a_crate() {
    let mut types: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for file in sources() {
        let crate_name = file.path.split('/').next().unwrap_or_default().to_owned();
        for name in file.lines_without_tests().iter().filter_map(|line| defined_type(line)) {
            types.entry((crate_name.clone(), name.to_owned())).or_default().push(file.path.clone());
        }
    }
    let twice = types.into_iter().filter(|(_, files)| files.len() > 1);
    none(
        "these names mean two things",
        twice.map(|((_, name), files)| format!("{name}: {}", files.join(", "))).collect(),
    );
}

#[test]
fn no_error_is_a_text() {
    let mut findings = Vec::new();
    // What `tests` holds is scaffolding of tests.
    for file in sources().filter(|file| !file.path.starts_with("tests/")) {
        for (at, line) in file.lines_without_tests().iter().enumerate() {
            if line.contains("Result<") && line.contains(", String>") && !line.contains("BTreeMap") {
                findings.push(format!("{}:{}: {}", file.path, at + 1, line.trim()));
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

/// The words of a line: parts of identifiers in lower case, and whole identifiers as they are.
fn words(line: &str) -> Vec<String> {
    let identifiers = line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
    let mut words = Vec::new();
    for identifier in identifiers {
        words.push(identifier.to_owned());
        words.push(identifier.to_lowercase());
        words.extend(identifier.split('_').map(str::to_lowercase));
    }
    words
}

/// The refused words that a line has, and the phrases, these in any case.
fn refused_in<'a>(line: &str, refused: &'a [(String, String)]) -> Vec<&'a (String, String)> {
    let (words, lower) = (words(line), line.to_lowercase());
    let is_phrase = |wrong: &str| wrong.contains(|c: char| !c.is_alphanumeric() && c != '_');
    let has = |wrong: &String| if is_phrase(wrong) { lower.contains(wrong) } else { words.contains(wrong) };
    refused.iter().filter(|(wrong, _)| has(wrong)).collect()
}

/// Identifiers, comments, log messages, names of metrics, keys of JSON, and pages.
#[test]
fn words_are_the_glossarys() {
    let refused = refused();
    assert!(refused.len() > 10, "the glossary ends with its closed list");
    let sources = sources().map(|file| (file.path, file.lines.join("\n")));
    let mut findings = Vec::new();
    for (path, text) in sources.chain(pages()) {
        for (at, line) in text.lines().enumerate() {
            for (wrong, right) in refused_in(line, &refused) {
                findings.push(format!("{path}:{}: {wrong}, say {right}", at + 1));
            }
        }
    }
    none("these words have another one in the glossary", findings);
}

#[test]
fn words_are_found_in_identifiers() {
    assert!(words("let x = self.hand_over(to);").contains(&"hand_over".to_owned()));
    assert!(words("fn open_twin()").contains(&"twin".to_owned()));
    assert!(!words("between").contains(&"twin".to_owned()));
    let refused = ["couronne_old_name", "the map's group", "stranger"].map(|wrong| (wrong.to_owned(), String::new()));
    for line in [
        "Opts::new(\"couronne_old_name\", \"Help.\")",
        "// The map's group answers.",
        "tracing::warn!(%node, \"a stranger\")",
    ] {
        assert_eq!(refused_in(line, &refused).len(), 1, "{line}");
    }
    assert!(refused_in("Opts::new(\"couronne_name\", \"Estranged.\")", &refused).is_empty());
    assert_eq!(defined_type("pub(crate) struct Name<T> {"), Some("Name"));
    assert_eq!(defined_type("    struct Inner;"), None);
}
