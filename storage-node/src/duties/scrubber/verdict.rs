//! What follows from what the voters of a range read of one piece of their rows, all behind the same entry.
//!
//! Promises: pure; a replica is said to be wrong only if most of the voters read something else, and the same.
//! Must not know: how they are asked.

use std::collections::{BTreeMap, BTreeSet};

use crate::consensus::RowsDigest;
use crate::consensus::types::ReplicaId;

/// What each voter said of a piece; `None`: nothing.
pub(super) type Answers = BTreeMap<ReplicaId, Option<RowsDigest>>;

/// What follows from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct StoreVerdict {
    /// Whether all voters read the same.
    pub(super) is_alike: bool,
    /// The voters whose rows are not what most have.
    pub(super) wrong: BTreeSet<ReplicaId>,
    /// Whether rows differ, or nobody can read them, and no majority tells what they are.
    pub(super) is_unresolved: bool,
}

impl StoreVerdict {
    pub(super) fn of(answers: &Answers) -> Self {
        let digest = |answer: &Option<RowsDigest>| match answer {
            Some(RowsDigest::Of(digest)) => Some(*digest),
            _ => None,
        };
        let mut counts: BTreeMap<[u8; 32], usize> = BTreeMap::new();
        for found in answers.values().filter_map(digest) {
            *counts.entry(found).or_default() += 1;
        }
        let most = counts.iter().find(|(_, count)| **count * 2 > answers.len()).map(|(digest, _)| *digest);
        let Some(most) = most else {
            let is_unreadable = answers.values().all(|answer| *answer == Some(RowsDigest::Unreadable));
            let is_unresolved = counts.len() > 1 || (is_unreadable && !answers.is_empty());
            return Self { is_unresolved, ..Self::default() };
        };
        let differs = |(_, answer): &(&ReplicaId, &Option<RowsDigest>)| digest(answer).is_some_and(|own| own != most);
        Self {
            is_alike: answers.values().all(|answer| digest(answer) == Some(most)),
            wrong: answers.iter().filter(differs).map(|(replica, _)| *replica).collect(),
            is_unresolved: false,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

    use proptest::prelude::*;

    use super::*;

    fn verdict(said: &str) -> StoreVerdict {
        let answer = |letter| match letter {
            '-' => None,
            '.' => Some(RowsDigest::Pending),
            '?' => Some(RowsDigest::Unknown),
            '!' => Some(RowsDigest::Unreadable),
            letter => Some(RowsDigest::Of([u8::try_from(letter).unwrap(); 32])),
        };
        StoreVerdict::of(&(1..).map(ReplicaId).zip(said.chars().map(answer)).collect())
    }

    fn wrong(said: &str) -> Vec<u64> {
        verdict(said).wrong.into_iter().map(|replica| replica.0).collect()
    }

    #[test]
    fn what_most_have_counts() {
        for said in ["a", "aa", "aaaaa"] {
            assert_eq!(verdict(said), StoreVerdict { is_alike: true, ..StoreVerdict::default() }, "{said}");
        }
        assert_eq!((wrong("baaaa"), wrong("aab"), wrong("acbaa")), (vec![1], vec![3], vec![2, 3]));
        assert!(["baaaa", "aa-", "aa?", "aa.", "aa!"].iter().all(|said| !verdict(said).is_alike));
        assert_eq!(
            (wrong("aa-b?"), wrong("aa-aab")),
            (vec![], vec![6]),
            "most of all voters, not of those that answer"
        );
    }

    #[test]
    fn where_no_majority_tells_it_is_said_and_none_is_called_wrong() {
        for said in ["ab", "abc", "a!b", "ab-", "!", "!!!", "aabb"] {
            assert_eq!(verdict(said), StoreVerdict { is_unresolved: true, ..StoreVerdict::default() }, "{said}");
        }
        for said in ["", "-", "a-", "a!", "!-", "a--", "a!!"] {
            assert_eq!(verdict(said), StoreVerdict::default(), "{said}");
        }
    }

    proptest! {
        /// Most voters are sound, whatever the others say: none of the sound is called wrong, each that read other rows is.
        #[test]
        fn a_sound_majority_is_believed(sound in 1usize..6, others in proptest::collection::vec("[abc!?.-]", 0..5)) {
            prop_assume!(sound > others.len());
            let said = "a".repeat(sound) + &others.concat();
            let differing: Vec<u64> =
                (1..).zip(said.chars()).filter(|(_, letter)| "bc".contains(*letter)).map(|(number, _)| number).collect();
            let verdict = verdict(&said);
            prop_assert_eq!(verdict.is_alike, said.chars().all(|letter| letter == 'a'));
            prop_assert!(!verdict.is_unresolved);
            prop_assert_eq!(verdict.wrong.into_iter().map(|replica| replica.0).collect::<Vec<_>>(), differing);
        }
    }
}
