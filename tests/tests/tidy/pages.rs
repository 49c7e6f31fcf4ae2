//! What the pages say of the code: files, functions, fields, settings and types that they name are there.
//!
//! Decisions are left out: they tell what was.

use std::collections::BTreeSet;

use couronne_gateway::s3::operation::Operation;
use couronne_tests::source::{self, items};

use super::none;

#[test]
fn documents_name_real_files() {
    let mut findings = Vec::new();
    for document in documents() {
        for name in code_spans(&source::read(&document)) {
            let path = name.split("::").next().unwrap_or_default();
            let is_path = path.contains('/') && path.ends_with(".rs");
            if is_path && !path.contains('*') && !source::root().join(path).exists() {
                findings.push(format!("{document}: {name}"));
            }
        }
    }
    none("these files do not exist", findings);
}

#[test]
fn documents_name_real_functions() {
    let mut findings = Vec::new();
    for document in documents() {
        for name in code_spans(&source::read(&document)) {
            let Some((path, item)) = name.split_once("::") else { continue };
            if !path.ends_with(".rs") || !source::root().join(path).exists() {
                continue;
            }
            let item = item.rsplit("::").next().unwrap_or(item).trim_end_matches("()");
            if !items::defines(&source::read(path), item) {
                findings.push(format!("{document}: {name}"));
            }
        }
    }
    none("these pages name what is not in those files", findings);
}

#[test]
fn documents_name_real_fields() {
    let mut findings = Vec::new();
    for document in documents() {
        for (file, field) in fields_named(&source::read(&document)) {
            let path = file.split("::").next().unwrap_or_default();
            if source::root().join(path).exists() && !has_word(&without_comments(&source::read(path)), &field) {
                findings.push(format!("{document}: `{field}` in `{file}`"));
            }
        }
    }
    none("these pages name fields, settings or variants that are not in those files", findings);
}

/// A word with an underscore is a name of the code, of a setting, of a metric or of a key of JSON.
#[test]
fn documents_name_what_the_code_has() {
    let mut known: BTreeSet<String> = BTreeSet::new();
    for file in source::rust_files() {
        known.extend(file.lines.iter().flat_map(|line| identifiers(line)));
    }
    for script in ["scripts/lib.sh", "scripts/cluster", "admin/openapi.json", "clippy.toml", "Cargo.toml"] {
        known.extend(identifiers(&source::read(script)));
    }
    let mut findings = Vec::new();
    for document in documents() {
        for name in code_spans(&source::read(&document)) {
            let is_name =
                name.contains('_') && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
            if is_name && !known.contains(&name) {
                findings.push(format!("{document}: {name}"));
            }
        }
    }
    none("these pages name what no source file has", findings);
}

#[test]
fn the_glossarys_types_are_where_it_says() {
    let mut findings = Vec::new();
    for line in source::read("docs/glossary.md").lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [term, _, places] = cells.as_slice() else { continue };
        let is_type = term.starts_with(|c: char| c.is_uppercase()) && term.chars().all(char::is_alphanumeric);
        let files = code_spans(places).into_iter().filter_map(|span| span.split("::").next().map(str::to_owned));
        let texts = files.filter(|path| source::root().join(path).exists()).map(|path| source::read(&path));
        let is_variant =
            |line: &str| line.trim_start().strip_prefix(term).is_some_and(|rest| rest.starts_with([',', '(', ' ']));
        let is_there = |text: String| items::defines(&text, term) || text.lines().any(is_variant);
        if is_type && !texts.into_iter().any(is_there) {
            findings.push(line.to_owned());
        }
    }
    none("these types are not in the files that the glossary names", findings);
}

#[test]
fn every_operation_has_its_row_in_the_data_path() {
    let page = source::read("docs/data-path.md");
    let missing = |name: &&str| !page.contains(&format!("| {name} |"));
    let names = Operation::ALL.iter().map(|operation| operation.entry().name);
    none("docs/data-path.md has no row (| Operation | ...) for", names.filter(missing).map(str::to_owned).collect());
}

/// The pages that tell where things are.
fn documents() -> Vec<String> {
    let mut pages = vec!["README.md".to_owned(), "ARCHITECTURE.md".to_owned()];
    for folder in ["docs", "docs/internals"] {
        for entry in std::fs::read_dir(source::root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path.strip_prefix(source::root()).unwrap().to_string_lossy().into_owned());
            }
        }
    }
    pages.sort();
    pages
}

/// What stands between backticks.
fn code_spans(text: &str) -> Vec<String> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// The files and the names that a page says are in them: by "`name`, `other` in `file`" or "of `file`"; by ", as above";
/// in the column of a table whose head says "fields of `file`".
fn fields_named(page: &str) -> Vec<(String, String)> {
    let (mut found, mut last_file) = (Vec::new(), None);
    let mut of_column: Option<(usize, String)> = None;
    for line in page.lines() {
        if !line.starts_with('|') {
            of_column = None;
        }
        for (column, cell) in line.split('|').enumerate() {
            let of_cell = of_column.as_ref().filter(|(of, _)| *of == column).map(|(_, file)| file.clone());
            named_in_cell(cell, of_cell.as_ref(), &mut last_file, &mut found);
            if line.starts_with('|') && cell.contains("(fields of `") {
                of_column = last_file.clone().map(|file| (column, file));
            }
        }
    }
    found
}

/// The same of one cell, or of a line that is in no table.
fn named_in_cell(
    cell: &str,
    of_cell: Option<&String>,
    last_file: &mut Option<String>,
    found: &mut Vec<(String, String)>,
) {
    let parts: Vec<&str> = cell.split('`').collect();
    let mut names: Vec<String> = Vec::new();
    // Odd parts are spans; the part after each says what it has to do with the next.
    for pair in parts.get(1..).unwrap_or_default().chunks(2) {
        let (span, after) = (pair[0], pair.get(1).copied().unwrap_or_default());
        if span.contains(".rs") {
            *last_file = Some(span.to_owned());
            found.extend(names.drain(..).map(|name| (span.to_owned(), name)));
        } else if is_name(span) {
            names.push(span.to_owned());
        }
        let owner = if after.starts_with(", as above") { last_file.as_ref() } else { of_cell };
        match (after, owner) {
            (" in " | " of " | ", ", _) => {}
            (_, Some(file)) => found.extend(names.drain(..).map(|name| (file.clone(), name))),
            _ => names.clear(),
        }
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn without_comments(text: &str) -> String {
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn has_word(text: &str, word: &str) -> bool {
    text.lines().any(|line| identifiers(line).iter().any(|found| found == word))
}

fn identifiers(line: &str) -> Vec<String> {
    let words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

#[test]
fn names_are_found_in_pages() {
    let page = "A `lease` is `one`, `two` in `a/b.rs::Settings`; `other`, as above, and `shell` alone.\n\
                | value | constant (fields of `c.rs::S`) |\n|---|---|\n| 1, 2 | `small`, `large` | a `word` |\n";
    let expected = [
        ("a/b.rs::Settings", "one"),
        ("a/b.rs::Settings", "two"),
        ("a/b.rs::Settings", "other"),
        ("c.rs::S", "small"),
        ("c.rs::S", "large"),
    ];
    assert_eq!(fields_named(page), expected.map(|(file, name)| (file.to_owned(), name.to_owned())));
    assert!(items::defines("pub(super) const fn ask<T>(", "ask") && !items::defines("fn asking()", "ask"));
    assert!(has_word("    pub size: u64,", "size") && !has_word("    pub sizes: u64,", "size"));
}
