//! The next step by which the members of a group become those that the map wants.
//!
//! Members are exchanged one by one: a new one first learns, and takes the vote of an old one once it has what the
//! others have. Each step is worked out anew from what is committed then, so that it does not matter who took the last
//! one, or whether its answer was lost.
//! Promises: pure; no step leaves a group that has a quorum with fewer voters to spare than before, or with one that
//! has not caught up; where a step can be taken, one is; a change that was left half done is finished first.
//! Must not know: how members are changed, why they are wanted.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use couronne_cluster::map::ReplicaId;
use couronne_ring::DriveId;

use crate::consensus::MemberChange;
use crate::consensus::types::Members;

/// A group as its leader sees it, no change of its members being under way.
pub(super) struct GroupSnapshot<'a> {
    /// The members that are committed.
    pub(super) members: &'a Members,
    /// The replicas that are to be its voters, and their drives.
    pub(super) wanted: &'a BTreeMap<ReplicaId, DriveId>,
    /// The replica that leads.
    pub(super) leader: ReplicaId,
    /// The replicas that answer the leader, itself included.
    pub(super) heard: &'a BTreeSet<ReplicaId>,
    /// Those of them that have what the leader has, but for little.
    pub(super) caught_up: &'a BTreeSet<ReplicaId>,
    /// The wanted replicas whose drives serve.
    pub(super) serving: &'a BTreeSet<ReplicaId>,
}

/// What the leader is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Change the members.
    Change(MemberChange),
    /// Have another replica lead: this one is to go.
    GiveWay(ReplicaId),
}

/// The next step, if any can be taken now.
pub(super) fn next_step(group: &GroupSnapshot<'_>) -> Option<Step> {
    let voters = match &group.members.voters[..] {
        [voters] => voters,
        [_, ..] => return Some(Step::Change(MemberChange::Finish)),
        [] => return None,
    };
    if group.spare(voters) < 0 {
        return None;
    }
    let mut members = group.members.places.keys();
    let is_unwanted = |member: &&ReplicaId| !voters.contains(*member) && !group.wanted.contains_key(*member);
    if let Some(learner) = members.find(is_unwanted) {
        return Some(Step::Change(MemberChange::RemoveLearner(*learner)));
    }
    let mut wanted = group.wanted.iter();
    let is_new =
        |(new, _): &(&ReplicaId, &DriveId)| !group.members.places.contains_key(*new) && group.serving.contains(*new);
    if let Some((learner, drive)) = wanted.find(is_new) {
        return Some(Step::Change(MemberChange::AddLearner(*learner, *drive)));
    }
    group.exchange(voters)
}

impl GroupSnapshot<'_> {
    /// The exchange of one voter for another; of one for none where the group is to be smaller, of none for one where
    /// it is to be larger.
    fn exchange(&self, voters: &BTreeSet<ReplicaId>) -> Option<Step> {
        let is_ready = |new: &&ReplicaId| self.is_ready(**new) && self.members.places.contains_key(*new);
        let joins = self.wanted.keys().filter(|new| !voters.contains(*new)).find(is_ready).copied();
        // The dead go first, the leader last.
        let old = voters.iter().filter(|voter| !self.wanted.contains_key(*voter));
        let leaves = old.copied().min_by_key(|old| (*old == self.leader, self.heard.contains(old), Reverse(*old)));
        if leaves == Some(self.leader) {
            let successor = voters.iter().find(|voter| self.wanted.contains_key(*voter) && self.is_ready(**voter));
            return match (successor, joins) {
                (Some(successor), _) => Some(Step::GiveWay(*successor)),
                (None, Some(_)) => Some(Step::Change(MemberChange::Exchange { joins, leaves: None })),
                (None, None) => None,
            };
        }
        let (joins, leaves) = match (joins, leaves) {
            (None, None) => return None,
            (None, Some(_)) if voters.len() <= self.wanted.len() => return None,
            pair => pair,
        };
        let mut then = voters.clone();
        then.retain(|voter| Some(*voter) != leaves);
        then.extend(joins);
        let is_safe = self.spare(&then) >= self.spare(voters) || then.is_subset(self.heard);
        is_safe.then_some(Step::Change(MemberChange::Exchange { joins, leaves }))
    }

    /// Whether a replica may have the vote, or lead.
    fn is_ready(&self, replica: ReplicaId) -> bool {
        self.heard.contains(&replica) && self.caught_up.contains(&replica)
    }

    /// How many of these voters that answer are more than a quorum needs; below 0 there is none.
    fn spare(&self, voters: &BTreeSet<ReplicaId>) -> i64 {
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        count(voters.intersection(self.heard).count()) - count(voters.len() / 2 + 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A group, and what its leader knows.
    #[derive(Clone, Debug)]
    struct Model {
        members: Members,
        wanted: BTreeMap<ReplicaId, DriveId>,
        leader: ReplicaId,
        heard: BTreeSet<ReplicaId>,
        caught_up: BTreeSet<ReplicaId>,
    }

    fn drive(replica: ReplicaId) -> DriveId {
        DriveId(u128::from(replica.0))
    }

    fn some(ids: impl IntoIterator<Item = u64>) -> BTreeSet<ReplicaId> {
        ids.into_iter().map(ReplicaId).collect()
    }

    fn placed(ids: impl IntoIterator<Item = u64>) -> BTreeMap<ReplicaId, DriveId> {
        some(ids).into_iter().map(|id| (id, drive(id))).collect()
    }

    impl Model {
        /// A group of these voters, which its leader, the first of them, hears if they are in `heard`.
        fn new(voters: &[u64], learners: &[u64], wanted: &[u64], heard: &[u64], caught_up: &[u64]) -> Self {
            let places = placed(voters.iter().chain(learners).copied());
            Self {
                members: Members { voters: vec![some(voters.iter().copied())], places },
                wanted: placed(wanted.iter().copied()),
                leader: ReplicaId(voters[0]),
                heard: some(heard.iter().copied()),
                caught_up: some(caught_up.iter().copied()),
            }
        }

        fn step(&self) -> Option<Step> {
            next_step(&GroupSnapshot {
                members: &self.members,
                wanted: &self.wanted,
                leader: self.leader,
                heard: &self.heard,
                caught_up: &self.caught_up,
                serving: &self.heard,
            })
        }

        fn voters(&self) -> &BTreeSet<ReplicaId> {
            self.members.voters.last().unwrap()
        }

        fn has_quorum(&self) -> bool {
            self.members.voters.iter().all(|set| set.intersection(&self.heard).count() * 2 > set.len())
        }

        fn spare(&self) -> usize {
            let spare =
                |set: &BTreeSet<ReplicaId>| set.intersection(&self.heard).count().saturating_sub(set.len() / 2 + 1);
            self.members.voters.iter().map(spare).min().unwrap()
        }

        /// Takes a step, and leaves it half done if it changes voters.
        fn begin(&mut self, step: &Step) {
            match step {
                Step::GiveWay(to) => self.leader = *to,
                Step::Change(MemberChange::Finish) => {
                    let last = self.voters().clone();
                    self.members.places.retain(|id, _| last.contains(id) || self.wanted.contains_key(id));
                    self.members.voters = vec![last];
                }
                Step::Change(MemberChange::AddLearner(new, place)) => {
                    assert!(self.members.places.insert(*new, *place).is_none());
                }
                Step::Change(MemberChange::RemoveLearner(old)) => {
                    assert!(!self.voters().contains(old));
                    self.members.places.remove(old);
                }
                Step::Change(MemberChange::Exchange { joins, leaves }) => {
                    let mut then = self.voters().clone();
                    leaves.iter().for_each(|old| assert!(then.remove(old)));
                    joins.iter().for_each(|new| assert!(then.insert(*new)));
                    self.members.voters.push(then);
                }
            }
        }
    }

    fn change(joins: Option<u64>, leaves: Option<u64>) -> Option<Step> {
        let (joins, leaves) = (joins.map(ReplicaId), leaves.map(ReplicaId));
        Some(Step::Change(MemberChange::Exchange { joins, leaves }))
    }

    #[test]
    fn a_replaced_drives_replica_comes_back_while_another_is_dead() {
        // 1 is dead for good, 2 was replaced by 12.
        let wanted = [1, 12, 3, 4, 5];
        let mut group = Model::new(&[3, 1, 2, 4, 5], &[], &wanted, &[3, 4, 5, 12], &[3, 4, 5]);
        assert_eq!(group.step(), Some(Step::Change(MemberChange::AddLearner(ReplicaId(12), DriveId(12)))));
        group = Model::new(&[3, 1, 2, 4, 5], &[12], &wanted, &[3, 4, 5, 12], &[3, 4, 5]);
        assert_eq!(group.step(), None, "it has not caught up");
        group.caught_up.insert(ReplicaId(12));
        assert_eq!(group.step(), change(Some(12), Some(2)));
        group.begin(&group.step().unwrap());
        assert_eq!(group.step(), Some(Step::Change(MemberChange::Finish)));
        group.begin(&group.step().unwrap());
        assert_eq!(group.step(), None);
    }

    #[test]
    fn dead_voters_go_one_at_a_time_and_a_group_grows_again() {
        let heard = [2, 3, 4];
        assert_eq!(Model::new(&[2, 3, 4, 1], &[], &[2, 3, 4], &heard, &heard).step(), change(None, Some(1)));
        assert_eq!(Model::new(&[2, 3, 4], &[5], &[2, 3, 4, 5], &[2, 3, 4, 5], &heard).step(), None);
        assert_eq!(
            Model::new(&[2, 3, 4], &[5], &[2, 3, 4, 5], &[2, 3, 4, 5], &[2, 3, 4, 5]).step(),
            change(Some(5), None)
        );
        assert_eq!(Model::new(&[2, 3, 4, 1], &[], &[2, 3, 4], &[2, 3], &[2, 3]).step(), None, "there is no quorum");
    }

    #[test]
    fn a_leader_that_is_to_go_gives_way_first() {
        let group = Model::new(&[1, 2, 3], &[4], &[2, 3, 4], &[1, 2, 3, 4], &[1, 2, 3, 4]);
        assert_eq!(group.step(), Some(Step::GiveWay(ReplicaId(2))));
        let alone = Model::new(&[1], &[4], &[4], &[1, 4], &[1, 4]);
        assert_eq!(alone.step(), change(Some(4), None), "nobody else could lead");
    }

    /// Any group: voters of which some are wanted, some answer and some have caught up; learners too.
    fn groups() -> impl Strategy<Value = Model> {
        let members = prop::collection::btree_map(0..12u64, 0..3u8, 1..9);
        let sets = (any::<[bool; 12]>(), any::<[bool; 12]>(), any::<[bool; 12]>(), 0..5usize);
        (members, sets, any::<prop::sample::Index>()).prop_filter_map(
            "a group has voters, and is to have some",
            |(members, (wanted, heard, caught_up, half), leader)| {
                let are = |said: [bool; 12]| some((0..12).filter(move |id| said[*id as usize]));
                let voters: BTreeSet<ReplicaId> =
                    some(members.iter().filter(|(_, kind)| **kind > 0).map(|(id, _)| *id));
                let wanted: BTreeMap<_, _> = are(wanted).into_iter().take(7).map(|id| (id, drive(id))).collect();
                if voters.is_empty() || wanted.is_empty() {
                    return None;
                }
                let leader = *leader.get(&voters.iter().copied().collect::<Vec<_>>());
                let with = |mut set: BTreeSet<ReplicaId>| {
                    set.insert(leader);
                    set
                };
                let mut sets = vec![voters.clone()];
                if half == 0 && voters.len() > 1 {
                    sets.insert(0, voters.iter().copied().skip(1).chain([ReplicaId(20)]).collect());
                }
                let places = members.keys().copied().chain((sets.len() > 1).then_some(20));
                let members = Members { places: placed(places), voters: sets };
                Some(Model { members, wanted, leader, heard: with(are(heard)), caught_up: with(are(caught_up)) })
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            max_global_rejects: 65_536,
            ..ProptestConfig::with_cases(4096)
        })]

        #[test]
        fn no_step_loses_a_quorum_that_stands(mut group in groups()) {
            for _ in 0..64 {
                let before = group.clone();
                let Some(step) = group.step() else { break };
                group.begin(&step);
                if before.has_quorum() {
                    prop_assert!(group.has_quorum(), "{step:?} of {before:?}");
                    let all_answer = group.voters().is_subset(&group.heard);
                    prop_assert!(group.spare() >= before.spare() || all_answer, "{step:?} of {before:?}");
                }
                let had_votes: BTreeSet<ReplicaId> = before.members.voters.iter().flatten().copied().collect();
                for new in group.voters().difference(&had_votes) {
                    prop_assert!(group.heard.contains(new) && group.caught_up.contains(new), "{step:?} of {before:?}");
                }
                let differ = group.voters().symmetric_difference(before.voters()).count();
                prop_assert!(differ <= 2, "one pair at a time: {step:?} of {before:?}");
            }
        }

        #[test]
        fn a_group_becomes_what_is_wanted_once_that_can_be(mut group in groups()) {
            // Whatever is wanted answers and has caught up, and a quorum of the voters answers.
            group.heard.extend(group.wanted.keys());
            group.caught_up.extend(group.wanted.keys());
            prop_assume!(group.has_quorum());
            for _ in 0..64 {
                let Some(step) = group.step() else { break };
                group.begin(&step);
            }
            let wanted: BTreeSet<ReplicaId> = group.wanted.keys().copied().collect();
            prop_assert_eq!(&group.members.voters, &vec![wanted], "{:?}", &group);
            prop_assert_eq!(&group.members.places, &group.wanted);
        }

        #[test]
        fn new_members_are_enough_to_be_rid_of_one_dead_voter(mut group in groups()) {
            // Others may be dead as well: that keeps no pair from being exchanged.
            let (ready, dead) = (ReplicaId(30), ReplicaId(31));
            group.members.voters.truncate(1);
            group.members.voters[0].insert(dead);
            group.members.places.extend([(ready, drive(ready)), (dead, drive(dead))]);
            group.wanted.insert(ready, drive(ready));
            group.heard.insert(ready);
            group.caught_up.insert(ready);
            prop_assume!(group.has_quorum());
            let dead: Vec<ReplicaId> = group.voters().difference(&group.heard).copied().collect();
            let before = group.voters().clone();
            while *group.voters() == before || group.members.voters.len() > 1 {
                let step = group.step();
                prop_assert!(step.is_some(), "{group:?}");
                group.begin(&step.unwrap());
            }
            let gone = before.difference(group.voters()).next().copied();
            prop_assert!(gone.is_some_and(|gone| dead.contains(&gone)), "{gone:?} went of {dead:?}");
        }
    }
}
