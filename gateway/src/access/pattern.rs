//! Patterns with `*` (any run of characters, also none) and `?` (one character).
//!
//! Promises: no backtracking. Each run between two `*` is put at the first place where it fits, which is right since a
//! later place could only leave less text to the runs after it. The cost is linear in the text where no `?` stands in the
//! pattern, and at most text times pattern where one does.
//! Must not know: what is matched.

/// A piece of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece<T> {
    /// These characters.
    Text(T),
    /// `?`.
    AnyChar,
    /// `*`.
    AnyRun,
}

/// The pieces of a pattern without variables.
pub(super) fn parse(pattern: &str) -> Vec<Piece<Box<str>>> {
    let (mut pieces, mut text) = (Vec::new(), String::new());
    for c in pattern.chars() {
        match c {
            '*' => push(&mut pieces, &mut text, Piece::AnyRun),
            '?' => push(&mut pieces, &mut text, Piece::AnyChar),
            c => text.push(c),
        }
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text.into()));
    }
    pieces
}

fn push(pieces: &mut Vec<Piece<Box<str>>>, text: &mut String, next: Piece<Box<str>>) {
    if !text.is_empty() {
        pieces.push(Piece::Text(std::mem::take(text).into()));
    }
    pieces.push(next);
}

/// Whether the pattern is `*` alone.
pub(super) const fn is_everything<T>(pieces: &[Piece<T>]) -> bool {
    matches!(pieces, [Piece::AnyRun])
}

/// Whether all of the text fits the pattern.
pub(super) fn matches<T: AsRef<str>>(pieces: &[Piece<T>], text: &str) -> bool {
    // Most patterns are one of these.
    match pieces {
        [] => return text.is_empty(),
        [Piece::Text(all)] => return all.as_ref() == text,
        [Piece::Text(start), Piece::AnyRun] => return text.starts_with(start.as_ref()),
        _ => {}
    }
    let mut runs = pieces.split(|piece| matches!(piece, Piece::AnyRun));
    let Some(mut rest) = runs.next().and_then(|first| strip_start(first, text)) else { return false };
    let Some(last) = runs.next_back() else { return rest.is_empty() };
    for run in runs {
        match strip_first(run, rest) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    ends_with(last, rest)
}

fn strip_start<'a, T: AsRef<str>>(run: &[Piece<T>], text: &'a str) -> Option<&'a str> {
    run.iter().try_fold(text, |rest, piece| match piece {
        Piece::Text(text) => rest.strip_prefix(text.as_ref()),
        _ => skip_char(rest),
    })
}

/// What follows the first place where the run fits.
fn strip_first<'a, T: AsRef<str>>(run: &[Piece<T>], mut text: &'a str) -> Option<&'a str> {
    loop {
        if let Some(Piece::Text(first)) = run.first() {
            text = text.get(text.find(first.as_ref())?..)?;
        }
        if let Some(rest) = strip_start(run, text) {
            return Some(rest);
        }
        text = skip_char(text)?;
    }
}

fn ends_with<T: AsRef<str>>(run: &[Piece<T>], text: &str) -> bool {
    let stripped = run.iter().rev().try_fold(text, |rest, piece| match piece {
        Piece::Text(text) => rest.strip_suffix(text.as_ref()),
        _ => {
            let mut chars = rest.chars();
            chars.next_back().map(|_| chars.as_str())
        }
    });
    stripped.is_some()
}

fn skip_char(text: &str) -> Option<&str> {
    let mut chars = text.chars();
    chars.next().map(|_| chars.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The plain meaning, with backtracking.
    fn meaning(pattern: &[char], text: &[char]) -> bool {
        match (pattern, text) {
            ([], text) => text.is_empty(),
            (['*', rest @ ..], text) => (0..=text.len()).any(|skip| meaning(rest, &text[skip..])),
            (['?', rest @ ..], [_, text @ ..]) => meaning(rest, text),
            ([c, rest @ ..], [d, text @ ..]) => c == d && meaning(rest, text),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn matching_is_its_plain_meaning(pattern in "[abé*?]{0,8}", text in "[abé]{0,8}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(matches(&parse(&pattern), &text), meaning(&chars(&pattern), &chars(&text)));
        }
    }

    #[test]
    fn a_pattern_made_to_backtrack_ends() {
        let pattern = parse(&("a*".repeat(5_000) + "b"));
        assert!(!matches(&pattern, &"a".repeat(20_000)));
        let pattern = parse(&("*?a".repeat(500) + "b"));
        assert!(!matches(&pattern, &"a".repeat(1_024)));
    }
}
