//! The words of a text: those of prose, and those that identifiers are put together from.
//!
//! Must not know: which words are refused.

use std::collections::BTreeSet;

/// The words of a line in lower case: identifiers whole, and the parts that underscores and capitals make of them;
/// and identifiers as they are.
fn words(line: &str) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    for identifier in line.split(|c: char| !is_of_word(c)).filter(|word| !word.is_empty()) {
        words.insert(identifier.to_owned());
        words.insert(identifier.to_lowercase());
        // `hand_over` stands in `hand_over_all`, and in `HandOver`: all runs of parts.
        let parts: Vec<String> = identifier.split('_').flat_map(humps).collect();
        for from in 0..parts.len() {
            words.extend((from + 1..=parts.len()).map(|to| parts[from..to].join("_")));
        }
    }
    words
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The parts of `CamelCase`, in lower case; a run of capitals is one part, whose last capital begins the next.
fn humps(identifier: &str) -> Vec<String> {
    let letters: Vec<char> = identifier.chars().collect();
    let mut humps: Vec<String> = Vec::new();
    for (at, letter) in letters.iter().enumerate() {
        let after_small = at > 0 && !letters[at - 1].is_uppercase();
        let before_small = letters.get(at + 1).is_some_and(|next| next.is_lowercase());
        if at == 0 || letter.is_uppercase() && (after_small || before_small) {
            humps.push(String::new());
        }
        if let Some(hump) = humps.last_mut() {
            hump.extend(letter.to_lowercase());
        }
    }
    humps
}

/// Those of some words and phrases that a line has, each with what stands beside it. A word is had alone or as a part of an
/// identifier, in any case; one with a capital is the name of a type, and means that alone. A phrase is had in any case.
pub fn said<'a, T>(line: &str, of: &'a [(String, T)]) -> impl Iterator<Item = &'a (String, T)> {
    let (words, line) = (words(line), line.to_lowercase());
    let is_phrase = |wrong: &str| !wrong.chars().all(is_of_word);
    of.iter().filter(move |(wrong, _)| if is_phrase(wrong) { line.contains(wrong) } else { words.contains(wrong) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(line: &str, wrong: &str) -> bool {
        said(line, &[(wrong.to_owned(), ())]).next().is_some()
    }

    #[test]
    fn words_are_found_in_identifiers() {
        for (line, word) in [
            ("let x = self.hand_over(to);", "hand_over"),
            ("self.hand_over_all()", "hand_over"),
            ("struct HandOver;", "hand_over"),
            ("fn open_twin()", "twin"),
            ("struct MapKeeper {", "keeper"),
            ("DriveLedger::new()", "ledger"),
            ("const LEDGER_MAX: u8", "ledger"),
            ("let tlsLedger = 1", "ledger"),
            ("TLSLedger", "ledger"),
            ("tracing::warn!(%node, \"a Stranger\")", "stranger"),
            ("// The map's group answers.", "the map's group"),
            ("enum Doomed {", "Doomed"),
            ("Opts::new(\"couronne_old_name\", \"Help.\")", "couronne_old_name"),
        ] {
            assert!(says(line, word), "{line}: {word}");
        }
    }

    #[test]
    fn other_words_are_left_alone() {
        for (line, word) in [
            ("between", "twin"),
            ("housekeeper", "keeper"),
            ("fn doomed()", "Doomed"),
            ("ShardFetcher", "Fetcher"),
            ("immortal", "mortal"),
        ] {
            assert!(!says(line, word), "{line}: {word}");
        }
    }

    #[test]
    fn camel_case_is_split() {
        assert_eq!(humps("MapKeeper"), ["map", "keeper"]);
        assert_eq!(humps("TLSLedger2Old"), ["tls", "ledger2", "old"]);
        assert_eq!(humps("twin"), ["twin"]);
        assert!(humps("").is_empty());
    }
}
