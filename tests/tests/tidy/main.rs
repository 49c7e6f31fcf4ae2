//! The tidy test: what the source tree promises a reader.
//!
//! Each rule has its reason: a head comment says what a file must not know; a long file or function
//! hides a second thing; a dependency against the line of the design couples what must be replaceable;
//! a page that names files that are gone misleads.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic, reason = "test code")]
#![allow(clippy::disallowed_methods, reason = "it reads the source tree")]

mod arrows;
mod names;
mod pages;

use couronne_tests::source;

/// Fails with every finding at once.
fn none(rule: &str, findings: Vec<String>) {
    assert!(findings.is_empty(), "{rule}:\n  {}", findings.join("\n  "));
}

#[test]
fn every_file_says_what_it_is() {
    let findings = source::rust_files()
        .iter()
        .filter(|file| !file.lines.first().is_some_and(|line| line.starts_with("//!")))
        .map(|file| file.path.clone())
        .collect();
    none("these files have no head comment (what it is, what it promises, what it must not know)", findings);
}

#[test]
fn no_file_is_longer_than_800_lines_without_its_tests() {
    let findings = source::rust_files()
        .iter()
        .filter(|file| !file.is_test() && file.lines_without_tests().len() > 800)
        .map(|file| format!("{}: {} lines", file.path, file.lines_without_tests().len()))
        .collect();
    none("these files hold more than one thing", findings);
}

#[test]
fn half_of_the_files_have_at_most_200_lines() {
    let mut lengths: Vec<usize> = source::rust_files()
        .iter()
        .filter(|file| !file.is_test())
        .map(|file| file.lines_without_tests().len())
        .collect();
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    assert!(median <= 200, "the median file has {median} lines without its tests");
}

#[test]
fn functions_fit_a_screen() {
    let mut findings = Vec::new();
    for file in source::rust_files().into_iter().filter(|file| !file.is_test()) {
        for function in file.functions() {
            if function.lines > 70 {
                findings
                    .push(format!("{}:{}: {} has {} lines", file.path, function.line, function.name, function.lines));
            }
        }
    }
    none("these functions are longer than 70 lines", findings);
}

#[test]
fn dependencies_run_one_way() {
    // Each crate and those of ours it may depend on.
    let line: [(&str, &[&str]); 13] = [
        ("base", &[]),
        ("ring", &["base"]),
        ("placement", &["base", "ring"]),
        ("metadata", &["base", "ring", "placement"]),
        ("cluster", &["base", "ring", "placement", "metadata"]),
        ("protocol", &["base", "ring", "placement", "metadata", "cluster"]),
        ("client", &["base", "ring", "placement", "metadata", "cluster", "protocol"]),
        ("admin", &[]),
        ("outbound", &["base"]),
        ("storage-node", &["base", "ring", "placement", "metadata", "cluster", "protocol", "client"]),
        ("gateway", &["base", "ring", "placement", "metadata", "cluster", "protocol", "client", "outbound"]),
        (
            "couronne",
            &[
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
            ],
        ),
        (
            "simulation",
            &["base", "ring", "placement", "metadata", "cluster", "protocol", "client", "storage-node", "gateway"],
        ),
    ];
    let mut findings = Vec::new();
    for (name, allowed) in line {
        let manifest: toml::Table = source::read(&format!("{name}/Cargo.toml")).parse().unwrap();
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(dependencies) = manifest.get(table).and_then(toml::Value::as_table) else { continue };
            for ours in dependencies.keys().filter_map(|dependency| dependency.strip_prefix("couronne-")) {
                if ours != name && !allowed.contains(&ours) {
                    findings.push(format!("{name}/Cargo.toml: {table} names couronne-{ours}"));
                }
            }
        }
    }
    none(
        "against base > ring > placement > metadata > cluster > protocol > client > admin > outbound > {storage-node, gateway} > couronne",
        findings,
    );
}

#[test]
fn what_is_shared_by_faces_names_none_of_them() {
    let shared = ["front", "engine", "identity", "access"].map(|folder| format!("gateway/src/{folder}/"));
    let mut findings = Vec::new();
    for file in source::rust_files().iter().filter(|file| shared.iter().any(|folder| file.path.starts_with(folder))) {
        for (at, line) in file.lines.iter().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            let speaks_of_policies = file.path.starts_with("gateway/src/access/");
            let code = if speaks_of_policies { without_words_of_policies(line) } else { line.clone() };
            let mut words = code.split(|c: char| !c.is_alphanumeric() && c != '_');
            if words.any(|word| word == "s3" || word.starts_with("S3")) {
                findings.push(format!("{}:{}: {}", file.path, at + 1, line.trim()));
            }
        }
    }
    none("front, engine, identity and access name nothing of a face", findings);
}

/// A line without IAM's words for the service of objects (`s3:GetObject`, `arn:aws:s3:::b`, `s3.amazonaws.com`): policies
/// are written in them whatever API is asked. Paths of Rust (`s3::error`) stay.
fn without_words_of_policies(line: &str) -> String {
    let line =
        ["arn:aws:s3", "s3.amazonaws.com", "\"s3\""].iter().fold(line.to_owned(), |line, word| line.replace(word, ""));
    let mut parts = line.split("s3:");
    let mut kept = parts.next().unwrap().to_owned();
    for part in parts {
        if part.starts_with(':') {
            kept.push_str("s3:");
        }
        kept.push_str(part);
    }
    kept
}

#[test]
fn words_of_policies_are_told_from_paths() {
    for of_policies in
        ["\"s3:GetObject\"", "concat!(\"s3:\", name)", "\"arn:aws:s3:::b/*\"", "\"logging.s3.amazonaws.com\""]
    {
        assert!(!without_words_of_policies(of_policies).contains("s3"), "{of_policies}");
    }
    for path in ["use crate::s3::error::Code;", "use crate::s3;", "s3::wire::tags"] {
        assert_eq!(without_words_of_policies(path), path);
    }
}

#[test]
fn folders_hold_at_most_15_files() {
    let mut folders = std::collections::BTreeMap::<String, usize>::new();
    for file in &source::rust_files() {
        let (folder, _) = file.path.rsplit_once('/').unwrap_or_default();
        *folders.entry(folder.to_owned()).or_default() += 1;
    }
    let findings = folders.iter().filter(|(_, files)| **files > 15).map(|(folder, files)| format!("{folder}: {files}"));
    none("these folders hold more than one thing", findings.collect());
}

#[test]
fn pure_crates_take_no_time_and_no_randomness() {
    let mut findings = Vec::new();
    for file in source::rust_files() {
        let pure = ["ring/src/", "placement/src/", "metadata/src/", "cluster/src/"];
        if !pure.iter().any(|folder| file.path.starts_with(folder)) {
            continue;
        }
        for (at, line) in file.lines.iter().enumerate() {
            if !line.split("couronne_base::").skip(1).all(names_pure_modules) {
                findings.push(format!("{}:{}: {}", file.path, at + 1, line.trim()));
            }
        }
    }
    none("of base, pure crates take codecs, CRCs, buffers and mutants only", findings);
}

/// Whether what follows `couronne_base::` begins with modules, one or several in braces, that know neither time nor
/// randomness.
fn names_pure_modules(path: &str) -> bool {
    let list = path.strip_prefix('{').and_then(|list| list.split('}').next());
    let modules = list.map_or_else(|| vec![path], |list| list.split(',').collect());
    let is_word = |c: &char| c.is_alphanumeric() || *c == '_';
    let first = |path: &str| path.trim_start().chars().take_while(is_word).collect::<String>();
    modules.into_iter().all(|module| ["codec", "crc", "buffer", "mutant", "fixed"].contains(&first(module).as_str()))
}

#[test]
fn pure_modules_are_told_from_others() {
    for pure in ["codec::{self, Corrupt};", "{crc, mutant};", "mutant;", "crc::of(bytes)"] {
        assert!(names_pure_modules(pure), "{pure}");
    }
    for other in ["env::Env;", "{crc, watch};", "blocking::blocking;", "testing;"] {
        assert!(!names_pure_modules(other), "{other}");
    }
}

#[test]
fn one_folder_imports_openraft() {
    let files: Vec<String> = source::rust_files()
        .iter()
        .filter(|file| !file.path.starts_with("tests/tests/tidy/"))
        .filter(|file| !file.path.starts_with("storage-node/src/consensus/openraft/"))
        .filter(|file| {
            // `self::openraft` and the like is that one folder itself.
            let code = file.lines.iter().filter(|line| !line.trim_start().starts_with("//"));
            code.map(|line| line.replace("self::openraft", "").replace("super::openraft", ""))
                .any(|line| line.contains("openraft::") || line.contains("use openraft"))
        })
        .map(|file| file.path.clone())
        .collect();
    assert!(files.is_empty(), "openraft is imported by {files:?}");
}

#[test]
fn every_lint_exception_says_why() {
    let mut findings = Vec::new();
    for file in source::rust_files().iter().filter(|file| !file.path.starts_with("tests/tests/tidy/")) {
        for (at, line) in file.lines.iter().enumerate() {
            let opens = line.trim_start().starts_with("#[allow(") || line.trim_start().starts_with("#![allow(");
            let end = file.lines[at..].iter().position(|line| line.contains(")]")).unwrap_or(0);
            let says_why = |line: &String| line.contains("reason = ") || line.contains(")] // ");
            if opens && !file.lines[at..=at + end].iter().any(says_why) {
                findings.push(format!("{}:{}", file.path, at + 1));
            }
        }
    }
    none("these exceptions carry no reason", findings);
}
