//! What a module names: the arrows between the modules of a crate, and between those of a folder.
//!
//! Must not know: which arrows are allowed.

use std::collections::{BTreeMap, BTreeSet};

use super::{SourceFile, items};

/// One module of a room names another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrow {
    /// The module that names.
    pub from: String,
    /// The module that is named.
    pub to: String,
    /// Where: the file, and the line in it.
    pub place: String,
}

/// A module that others lie in: a crate, or a folder of one.
#[derive(Debug, PartialEq, Eq)]
pub struct Room {
    crate_name: String,
    /// The names from the crate down to it; none for the crate itself.
    path: Vec<String>,
    /// The modules in it.
    modules: BTreeSet<String>,
    /// What it gives out in its own name, and the module that each comes from.
    given_out: BTreeMap<String, String>,
}

impl Room {
    /// All rooms of a crate, itself the first.
    pub fn all(crate_name: &str, files: &[SourceFile]) -> Vec<Self> {
        let mut modules: BTreeMap<Vec<String>, BTreeSet<String>> = BTreeMap::new();
        let files: Vec<_> = files.iter().filter(|file| file.crate_name() == crate_name).collect();
        for path in files.iter().filter_map(|file| file.module_path()) {
            for depth in 0..path.len() {
                modules.entry(path[..depth].to_vec()).or_default().insert(path[depth].clone());
            }
        }
        let mut rooms = Vec::new();
        for (path, modules) in modules {
            let own = files.iter().filter(|file| file.module_path().as_ref() == Some(&path));
            let given_out = own.flat_map(|file| file.given_out()).filter(|(_, from)| modules.contains(from)).collect();
            rooms.push(Self { crate_name: crate_name.to_owned(), path, modules, given_out });
        }
        rooms
    }

    /// Its folder.
    pub fn folder(&self) -> String {
        let names = [self.crate_name.as_str(), "src"].into_iter().chain(self.path.iter().map(String::as_str));
        names.collect::<Vec<_>>().join("/")
    }

    /// The modules in it.
    pub const fn modules(&self) -> &BTreeSet<String> {
        &self.modules
    }

    /// The arrows between its modules.
    pub fn arrows(&self, files: &[SourceFile]) -> Vec<Arrow> {
        let mut arrows = Vec::new();
        for file in files.iter().filter(|file| file.crate_name() == self.crate_name) {
            let Some(from) = file.module_path().and_then(|path| self.module_of(&path)) else { continue };
            for (line, named) in file.paths_named() {
                let to = self.module_of(&named).filter(|to| *to != from);
                let place = format!("{}:{line}", file.path);
                arrows.extend(to.map(|to| Arrow { from: from.clone(), to, place }));
            }
        }
        arrows.sort();
        arrows.dedup();
        arrows
    }

    /// The module of this room that a path leads into.
    fn module_of(&self, path: &[String]) -> Option<String> {
        let name = path.strip_prefix(self.path.as_slice())?.first()?;
        self.modules.get(name).or_else(|| self.given_out.get(name)).cloned()
    }
}

/// Those of some arrows that lead back to where they come from, directly or by way of others.
pub fn circular(arrows: &[Arrow]) -> Vec<&Arrow> {
    let mut reached: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for arrow in arrows {
        reached.entry(&arrow.from).or_default().insert(&arrow.to);
    }
    loop {
        let further = |to: &&str| reached.get(to).into_iter().flatten().copied().collect::<Vec<_>>();
        let wider: BTreeMap<&str, BTreeSet<&str>> = reached
            .iter()
            .map(|(from, to)| (*from, to.iter().copied().chain(to.iter().flat_map(further)).collect()))
            .collect();
        if wider == reached {
            break;
        }
        reached = wider;
    }
    let leads_back = |arrow: &&Arrow| reached.get(arrow.to.as_str()).is_some_and(|to| to.contains(arrow.from.as_str()));
    arrows.iter().filter(leads_back).collect()
}

impl SourceFile {
    /// The module that the file is, by names from its crate down: `duties`, `reaper` for `node/src/duties/reaper.rs`,
    /// none for the crate's own file.
    pub fn module_path(&self) -> Option<Vec<String>> {
        let (_, path) = self.path.split_once("/src/")?;
        let path = path.trim_end_matches(".rs");
        let path = path.strip_suffix("/mod").unwrap_or(path);
        if matches!(path, "lib" | "main") {
            return Some(Vec::new());
        }
        Some(path.split('/').map(str::to_owned).collect())
    }

    /// What the file names within its crate, by `crate::` or by `super::`, as paths from the crate down, each with the
    /// line in which it does.
    pub fn paths_named(&self) -> Vec<(usize, Vec<String>)> {
        let Some(own) = self.module_path() else { return Vec::new() };
        let modules = self.modules_of_lines();
        let code = self.code();
        let mut named = Vec::new();
        for start in ["crate::", "super::"] {
            for (at, _) in code.match_indices(start) {
                let before = code[..at].chars().next_back();
                if before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '$' | ':')) {
                    continue;
                }
                let line = code[..at].matches('\n').count();
                let mut base =
                    if start == "crate::" { Vec::new() } else { [own.clone(), modules[line].clone()].concat() };
                let mut rest = &code[at..];
                rest = rest.strip_prefix("crate::").unwrap_or(rest);
                while let Some(higher) = rest.strip_prefix("super::") {
                    base.pop();
                    rest = higher;
                }
                named.extend(paths(rest).into_iter().map(|path| (line + 1, [base.clone(), path].concat())));
            }
        }
        named
    }

    /// The text without its comments, line by line.
    fn code(&self) -> String {
        let is_comment = |line: &str| line.trim_start().starts_with("//");
        let lines: Vec<&str> =
            self.lines.iter().map(|line| if is_comment(line) { "" } else { line.as_str() }).collect();
        lines.join("\n")
    }

    /// The modules within the file that each line stands in.
    fn modules_of_lines(&self) -> Vec<Vec<String>> {
        let mut open: Vec<(usize, String)> = Vec::new();
        let mut modules = Vec::new();
        for line in &self.lines {
            modules.push(open.iter().map(|(_, name)| name.clone()).collect());
            let indent = items::indent(line);
            let item = items::without_visibility(line.trim_start());
            match item.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(" {")) {
                Some(name) => open.push((indent, name.to_owned())),
                None if line.trim() == "}" => drop(open.pop_if(|(opened, _)| *opened == indent)),
                None => {}
            }
        }
        modules
    }

    /// The names that the file gives out of modules below it, each with the module.
    fn given_out(&self) -> Vec<(String, String)> {
        let code = self.code();
        let mut given_out = Vec::new();
        for (at, _) in code.match_indices("use ") {
            // All of a line that begins with a visibility: `pub use a::B;`, not `use a::B;`.
            let line = code[..at].rsplit('\n').next().unwrap_or_default();
            if !line.starts_with("pub") || !items::without_visibility(line).is_empty() {
                continue;
            }
            let path = &code[at + "use ".len()..];
            for path in paths(path.strip_prefix("self::").unwrap_or(path)) {
                if let [module, .., name] = path.as_slice() {
                    given_out.push((name.clone(), module.clone()));
                }
            }
        }
        given_out
    }
}

/// The paths that a text begins with: one, or all of a group in braces. A renamed one ends in its new name, a module's
/// own name (`self`) is left out.
fn paths(text: &str) -> Vec<Vec<String>> {
    parse(text).0
}

/// The same, and the text after them.
fn parse(text: &str) -> (Vec<Vec<String>>, &str) {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        let mut all = Vec::new();
        loop {
            rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
            if let Some(after) = rest.strip_prefix('}') {
                return (all, after);
            }
            let (some, after) = parse(rest);
            if after.len() == rest.len() {
                return (all, after);
            }
            all.extend(some);
            rest = after;
        }
    }
    let len = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let (name, rest) = text.split_at(len);
    let own = if matches!(name, "" | "self") { Vec::new() } else { vec![name.to_owned()] };
    if let Some(deeper) = rest.strip_prefix("::") {
        let (paths, rest) = parse(deeper);
        let paths = paths.into_iter().map(|path| [own.clone(), path].concat());
        return (paths.collect(), rest);
    }
    if let Some(renamed) = rest.strip_prefix(" as ") {
        let (paths, rest) = parse(renamed);
        let paths = paths.into_iter().map(|path| [own.clone(), path].concat());
        return (paths.collect(), rest);
    }
    // A glob.
    (vec![own], rest.strip_prefix('*').unwrap_or(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(path: &str, text: &str) -> Vec<(usize, String)> {
        let paths = SourceFile::new(path, text).paths_named();
        paths.into_iter().map(|(line, path)| (line, path.join("::"))).collect()
    }

    fn expected<const N: usize>(paths: [(usize, &str); N]) -> Vec<(usize, String)> {
        paths.map(|(line, path)| (line, path.to_owned())).into()
    }

    #[test]
    fn paths_are_counted_from_the_crate() {
        let text = "use crate::log::DriveLog;\nuse crate::{disk::Disk, drives::{self, Drive as D},\n    node};\n// crate::a\nfn f() { crate::stop::now(); $crate::b; super::super::clock::now(); super::c; }\n";
        let found = named("some-crate/src/duties/reaper.rs", text);
        let paths = [
            (1, "log::DriveLog"),
            (2, "disk::Disk"),
            (2, "drives"),
            (2, "drives::Drive::D"),
            (2, "node"),
            (5, "stop::now"),
            (5, "clock::now"),
            (5, "duties::c"),
        ];
        assert_eq!(found, expected(paths));
        assert_eq!(named("a/src/duties/mod.rs", "use super::log::A;"), expected([(1, "log::A")]));
    }

    #[test]
    fn a_module_within_a_file_is_one_step_more() {
        let text = "use super::a;\n#[cfg(test)]\nmod tests {\n    use super::super::b;\n    mod more {\n        use super::super::super::c;\n    }\n    use super::d;\n}\nuse super::e;\n";
        let paths = [(1, "x::a"), (4, "x::b"), (6, "x::c"), (8, "x::y::d"), (10, "x::e")];
        assert_eq!(named("some/src/x/y.rs", text), expected(paths));
    }

    #[test]
    fn a_name_that_a_room_gives_out_is_its_modules() {
        let files = [
            SourceFile::new(
                "some/src/x/mod.rs",
                "pub mod low;\npub mod high;\npub(crate) use high::{High, deep::Deep};\nuse low::Low;\n",
            ),
            SourceFile::new("some/src/x/low.rs", "use super::High;\n"),
            SourceFile::new("some/src/x/high.rs", "use crate::x::low;\nuse crate::x::Low;\nuse crate::y::A;\n"),
            SourceFile::new("some/src/y.rs", "use crate::x::Deep;\n"),
        ];
        let rooms = Room::all("some", &files);
        let folders: Vec<String> = rooms.iter().map(Room::folder).collect();
        assert_eq!(folders, ["some/src", "some/src/x"]);
        let arrows = |room: &Room| {
            let arrows =
                room.arrows(&files).into_iter().map(|arrow| format!("{} {} {}", arrow.place, arrow.from, arrow.to));
            arrows.collect::<Vec<_>>()
        };
        assert_eq!(arrows(&rooms[1]), ["some/src/x/high.rs:1 high low", "some/src/x/low.rs:1 low high"]);
        assert_eq!(arrows(&rooms[0]), ["some/src/x/high.rs:3 x y", "some/src/y.rs:1 y x"]);
    }

    #[test]
    fn arrows_that_lead_back_are_found() {
        let arrow = |from: &str, to: &str| Arrow { from: from.to_owned(), to: to.to_owned(), place: String::new() };
        let arrows = [arrow("a", "b"), arrow("b", "c"), arrow("c", "a"), arrow("c", "d"), arrow("d", "e")];
        assert_eq!(circular(&arrows), arrows[..3].iter().collect::<Vec<_>>());
        assert!(circular(&arrows[1..2]).is_empty());
        assert!(circular(&arrows[2..]).is_empty());
    }
}
