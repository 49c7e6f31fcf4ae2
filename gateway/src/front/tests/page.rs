//! Pages of the documentation that tables of operations write.
#![allow(clippy::disallowed_methods, reason = "reads and writes the pages of the source tree")]

/// Compares a page with what stands in the tree, or writes it there.
pub(crate) fn check(path: &str, page: impl FnOnce(&str) -> String) {
    let file = format!("{}/../{path}", env!("CARGO_MANIFEST_DIR"));
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    let page = page(&found);
    if std::env::var_os("COURONNE_WRITE_DOCS").is_some() {
        std::fs::write(&file, page).unwrap();
        return;
    }
    let command = "COURONNE_WRITE_DOCS=1 cargo nextest run --release -p couronne-gateway documents";
    assert!(found == page, "{path} is not what the table says; `{command}` writes it");
}
