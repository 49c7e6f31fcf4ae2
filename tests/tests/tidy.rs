//! The tidy test: what the source tree promises a reader.
//!
//! Each rule has its reason: a head comment says what a file must not know; a long file or function
//! hides a second thing; a dependency against the line of the design couples what must be replaceable;
//! a page that names files that are gone misleads.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic, reason = "test code")]

use couronne_gateway::s3::operation::Operation;
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
    let line: [(&str, &[&str]); 10] = [
        ("base", &[]),
        ("ring", &["base"]),
        ("placement", &["base", "ring"]),
        ("metadata", &["base", "ring", "placement"]),
        ("protocol", &["base", "ring", "placement", "metadata"]),
        ("client", &["base", "ring", "placement", "metadata", "protocol"]),
        ("storage-node", &["base", "ring", "placement", "metadata", "protocol", "client"]),
        ("gateway", &["base", "ring", "placement", "metadata", "protocol", "client"]),
        ("couronne", &["base", "ring", "placement", "metadata", "protocol", "client", "storage-node", "gateway"]),
        ("simulation", &["base", "ring", "placement", "metadata", "protocol", "client", "storage-node", "gateway"]),
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
        "against base > ring > placement > metadata > protocol > client > {storage-node, gateway} > couronne",
        findings,
    );
}

/// The modules of a crate, the lowest first: each may name those before it and itself.
const FOLDERS: [(&str, &[&str]); 1] = [(
    "storage-node",
    &[
        "error",
        "stop",
        "rounds",
        "clock",
        "surroundings",
        "disk",
        "log",
        "drives",
        "consensus",
        "replicas",
        "membership",
        "duties",
        "node",
    ],
)];

#[test]
fn within_a_crate_no_arrow_points_back() {
    let files = source::rust_files();
    let mut findings = Vec::new();
    for (name, order) in FOLDERS {
        let place = |module: &str| order.iter().position(|known| *known == module);
        let sources = format!("{name}/src/");
        for file in files.iter().filter(|file| file.path.starts_with(&sources)) {
            let Some(top) = file.top_module().filter(|top| !matches!(*top, "lib" | "main")) else { continue };
            let Some(own) = place(top) else {
                findings.push(format!("{}: {top} stands at no place in the order", file.path));
                continue;
            };
            let back = file.top_modules_named().into_iter().filter(|(_, named)| place(named) > Some(own));
            findings.extend(back.map(|(line, named)| format!("{}:{line}: {top} names {named}", file.path)));
        }
    }
    none("these modules name one that stands above them", findings);
}

#[test]
fn pure_crates_take_no_time_and_no_chance() {
    let mut findings = Vec::new();
    for file in source::rust_files() {
        let pure = ["ring/src/", "placement/src/", "metadata/src/", "cluster/src/"];
        if !pure.iter().any(|folder| file.path.starts_with(folder)) {
            continue;
        }
        for (at, line) in file.lines.iter().enumerate() {
            for component in ["env", "blocking", "watch"] {
                if line.contains(&format!("couronne_base::{component}")) {
                    findings.push(format!("{}:{}: {}", file.path, at + 1, line.trim()));
                }
            }
        }
    }
    none("of base, pure crates take codecs, CRCs, buffers and mutants only", findings);
}

#[test]
fn one_folder_imports_openraft() {
    let files: Vec<String> = source::rust_files()
        .iter()
        .filter(|file| file.path != "tests/tests/tidy.rs")
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
    for file in source::rust_files().iter().filter(|file| file.path != "tests/tests/tidy.rs") {
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

#[test]
fn documents_name_real_files() {
    let mut findings = Vec::new();
    for document in ["README.md", "ARCHITECTURE.md", "docs/data-path.md", "docs/benchmarks.md"] {
        for name in code_spans(&source::read(document)) {
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
fn the_data_path_names_real_functions() {
    let mut findings = Vec::new();
    for name in code_spans(&source::read("docs/data-path.md")) {
        let Some((path, function)) = name.split_once("::") else { continue };
        if !path.ends_with(".rs") || !source::root().join(path).exists() {
            continue;
        }
        let function = function.rsplit("::").next().unwrap_or(function).trim_end_matches("()");
        let text = source::read(path);
        let is_there = ["fn ", "struct ", "enum ", "trait ", "const "]
            .iter()
            .any(|keyword| text.contains(&format!("{keyword}{function}")));
        if !is_there {
            findings.push(name);
        }
    }
    none("docs/data-path.md names what is not in those files", findings);
}

#[test]
fn every_operation_has_its_row_in_the_data_path() {
    let page = source::read("docs/data-path.md");
    let missing = |name: &&str| !page.contains(&format!("| {name} |"));
    let names = Operation::ALL.iter().map(|operation| operation.name());
    none("docs/data-path.md has no row (| Operation | ...) for", names.filter(missing).map(str::to_owned).collect());
}

/// What stands between backticks.
fn code_spans(text: &str) -> Vec<String> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()).collect()
}
