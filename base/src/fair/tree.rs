//! The holders of a pool as a tree: how much each holds at every level, and which of its claims wait or are idle.
//!
//! Promises: a step costs as much as there are levels, and grows with the logarithm of how many holders and claims there are:
//! at every level holders stand in the order in which they are asked for. Must not know: when a claim may be given something,
//! or is cut.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use super::holder::{Holder, LEVELS};
use crate::mutant;

/// A claim of the pool. Those made later are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ClaimId(pub(super) u64);

/// A holder at some level. Those made later are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NodeId(u64);

/// So many of the outermost levels say who calls.
pub(super) const CALLER_LEVELS: usize = 3;

const ROOT: NodeId = NodeId(0);

/// The holders that have claims.
#[derive(Debug)]
pub(super) struct Tree {
    nodes: BTreeMap<NodeId, Node>,
    next: u64,
    grants: u64,
}

/// A holder at a level; at the innermost, a leaf, it has the claims.
#[derive(Debug, Default)]
struct Node {
    parent: Option<NodeId>,
    name: Arc<str>,
    children: BTreeMap<Arc<str>, NodeId>,
    /// The children by what they hold: all of them, those with an idle claim, and, by what they were given last besides, those
    /// with a claim that waits.
    by_held: BTreeSet<(u64, NodeId)>,
    with_idle: BTreeSet<(u64, NodeId)>,
    with_waiting: BTreeSet<(u64, u64, NodeId)>,
    held: u64,
    /// What its claims were given, ever.
    granted: u64,
    /// The number of the last grant to one of its claims.
    last_grant: u64,
    /// How many claims wait, and how many are idle, at and below it.
    waiting_count: usize,
    idle_count: usize,
    claims: BTreeSet<ClaimId>,
    waiting: BTreeSet<ClaimId>,
    /// By when they became idle.
    idle: BTreeSet<(Duration, ClaimId)>,
}

/// By what a holder stands among its like.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Rank {
    held: u64,
    last_grant: u64,
    waits: bool,
    is_idle: bool,
}

impl Node {
    const fn rank(&self) -> Rank {
        let (waits, is_idle) = (self.waiting_count > 0, self.idle_count > 0);
        Rank { held: self.held, last_grant: self.last_grant, waits, is_idle }
    }

    /// A child stands elsewhere among its like from now on; `None` is nowhere.
    fn rank_child(&mut self, child: NodeId, before: Option<Rank>, after: Option<Rank>) {
        if let Some(Rank { held, last_grant, waits, is_idle }) = before {
            self.by_held.remove(&(held, child));
            let _ = is_idle && self.with_idle.remove(&(held, child));
            let _ = waits && self.with_waiting.remove(&(held, last_grant, child));
        }
        if let Some(Rank { held, last_grant, waits, is_idle }) = after {
            self.by_held.insert((held, child));
            let _ = is_idle && self.with_idle.insert((held, child));
            let _ = waits && self.with_waiting.insert((held, last_grant, child));
        }
    }
}

impl Tree {
    pub(super) fn new() -> Self {
        Self { nodes: BTreeMap::from([(ROOT, Node::default())]), next: 1, grants: 0 }
    }

    /// The holder has one claim more.
    pub(super) fn enter(&mut self, holder: &Holder, claim: ClaimId) -> NodeId {
        let leaf = holder.levels().iter().fold(ROOT, |parent, name| self.child(parent, name));
        if let Some(node) = self.nodes.get_mut(&leaf) {
            node.claims.insert(claim);
        }
        leaf
    }

    fn child(&mut self, parent: NodeId, name: &Arc<str>) -> NodeId {
        let known = self.nodes.get(&parent).and_then(|node| node.children.get(name));
        if let Some(child) = known {
            return *child;
        }
        let child = NodeId(self.next);
        self.next += 1;
        // As if it had been given something when it came: nobody who waits is passed by those that come later.
        let node = Node { parent: Some(parent), name: Arc::clone(name), last_grant: self.grants, ..Node::default() };
        let rank = node.rank();
        self.nodes.insert(child, node);
        if let Some(node) = self.nodes.get_mut(&parent) {
            node.children.insert(Arc::clone(name), child);
            node.rank_child(child, None, Some(rank));
        }
        child
    }

    /// The claim, which holds nothing, neither waits nor is idle, is the holder's no more.
    pub(super) fn leave(&mut self, leaf: NodeId, claim: ClaimId) {
        if let Some(node) = self.nodes.get_mut(&leaf) {
            node.claims.remove(&claim);
        }
        let mut id = leaf;
        while let Some(node) = self.nodes.get(&id).filter(|node| node.claims.is_empty() && node.children.is_empty()) {
            let (Some(parent), name, rank) = (node.parent, Arc::clone(&node.name), node.rank()) else { return };
            self.nodes.remove(&id);
            if let Some(node) = self.nodes.get_mut(&parent) {
                node.children.remove(&name);
                node.rank_child(id, Some(rank), None);
            }
            id = parent;
        }
    }

    /// Changes a leaf and all levels above it.
    fn change(&mut self, leaf: NodeId, change: impl Fn(&mut Node)) {
        let mut id = leaf;
        while let Some(node) = self.nodes.get_mut(&id) {
            let before = node.rank();
            change(node);
            let (after, Some(parent)) = (node.rank(), node.parent) else { return };
            if before != after
                && let Some(parent) = self.nodes.get_mut(&parent)
            {
                parent.rank_child(id, Some(before), Some(after));
            }
            id = parent;
        }
    }

    /// The holder holds so much more.
    pub(super) fn add(&mut self, leaf: NodeId, amount: u64) {
        self.change(leaf, |node| node.held = node.held.saturating_add(amount));
    }

    /// The holder holds so much less.
    pub(super) fn subtract(&mut self, leaf: NodeId, amount: u64) {
        self.change(leaf, |node| node.held = node.held.saturating_sub(amount));
    }

    /// A claim of the holder was given so much.
    pub(super) fn granted(&mut self, leaf: NodeId, amount: u64) {
        self.grants += 1;
        let number = self.grants;
        self.change(leaf, |node| {
            node.granted = node.granted.saturating_add(amount);
            node.last_grant = number;
        });
    }

    /// The claim waits, or does so no more.
    pub(super) fn set_waiting(&mut self, leaf: NodeId, claim: ClaimId, is_waiting: bool) {
        let Some(node) = self.nodes.get_mut(&leaf) else { return };
        let is_new = if is_waiting { node.waiting.insert(claim) } else { node.waiting.remove(&claim) };
        if is_new {
            self.change(leaf, |node| count(&mut node.waiting_count, is_waiting));
        }
    }

    /// The claim is idle since then, or is so no more.
    pub(super) fn set_idle(&mut self, leaf: NodeId, claim: ClaimId, since: Duration, is_idle: bool) {
        let Some(node) = self.nodes.get_mut(&leaf) else { return };
        let is_new = if is_idle { node.idle.insert((since, claim)) } else { node.idle.remove(&(since, claim)) };
        if is_new {
            self.change(leaf, |node| count(&mut node.idle_count, is_idle));
        }
    }

    /// What the holder holds at each level, the outermost first.
    pub(super) fn held(&self, leaf: NodeId) -> [u64; LEVELS] {
        let (mut id, mut held) = (Some(leaf), [0; LEVELS]);
        for level in held.iter_mut().rev() {
            let node = id.and_then(|id| self.nodes.get(&id));
            *level = node.map_or(0, |node| node.held);
            id = node.and_then(|node| node.parent);
        }
        held
    }

    /// As [`Tree::held`]: of one that may have no claims.
    pub(super) fn held_by(&self, holder: &Holder) -> [u64; LEVELS] {
        let mut at = self.nodes.get(&ROOT);
        holder.levels().each_ref().map(|name| {
            at = at.and_then(|node| node.children.get(name)).and_then(|id| self.nodes.get(id));
            at.map_or(0, |node| node.held)
        })
    }

    /// What the claims of a leaf were given, ever.
    pub(super) fn granted_to(&self, leaf: NodeId) -> u64 {
        self.nodes.get(&leaf).map_or(0, |node| node.granted)
    }

    pub(super) fn claims(&self, leaf: NodeId) -> impl Iterator<Item = ClaimId> {
        self.nodes.get(&leaf).into_iter().flat_map(|node| node.claims.iter().copied())
    }

    /// The idle claims of a leaf, those that are so for longest first.
    pub(super) fn idle(&self, leaf: NodeId) -> impl Iterator<Item = ClaimId> {
        self.nodes.get(&leaf).into_iter().flat_map(|node| node.idle.iter().map(|(_, claim)| *claim))
    }

    /// The claim that waits whose holder holds least, at every level; of holders that hold as much, of the one that was
    /// given something least lately; of one holder's, the oldest.
    pub(super) fn neediest(&self) -> Option<ClaimId> {
        let mut node = self.nodes.get(&ROOT)?;
        while !node.children.is_empty() {
            let (.., neediest) = node.with_waiting.first()?;
            node = self.nodes.get(neediest)?;
        }
        node.waiting.first().copied()
    }

    /// Goes through the leaves, those whose holder holds most first, at every level; ends with the first thing found.
    ///
    /// Left out are holders that owe `own` nothing: at the level where the two part they hold no more than `own` would
    /// with so much `wanted`. Without such a bound all are looked at.
    pub(super) fn find_largest<T>(
        &self,
        own: NodeId,
        wanted: Option<u64>,
        find: &mut dyn FnMut(NodeId) -> Option<T>,
    ) -> Option<T> {
        let Some(wanted) = wanted else { return self.find_below(ROOT, |node| &node.by_held, find) };
        self.find_owing(ROOT, &self.path(own), wanted, find)
    }

    /// As [`Tree::find_largest`]: all leaves that have an idle claim.
    pub(super) fn find_largest_idle<T>(&self, find: &mut dyn FnMut(NodeId) -> Option<T>) -> Option<T> {
        self.find_below(ROOT, |node| &node.with_idle, find)
    }

    /// `own` is the rest of the path to the holder that is owed.
    fn find_owing<T>(
        &self,
        id: NodeId,
        own: &[NodeId],
        wanted: u64,
        find: &mut dyn FnMut(NodeId) -> Option<T>,
    ) -> Option<T> {
        let (node, (own, below)) = (self.nodes.get(&id)?, own.split_first()?);
        let owes_nothing = self.nodes.get(own)?.held.saturating_add(wanted);
        let owing = (Bound::Excluded((owes_nothing, NodeId(u64::MAX))), Bound::Unbounded);
        let found = largest_first(node.by_held.range(owing))
            .find_map(|(_, child)| self.find_below(*child, |node| &node.by_held, find));
        // The holder that is owed has less than those that owe.
        found.or_else(|| self.find_owing(*own, below, wanted, find))
    }

    /// All leaves below a holder that stand among these children of every holder above them.
    fn find_below<T>(
        &self,
        id: NodeId,
        children: fn(&Node) -> &BTreeSet<(u64, NodeId)>,
        find: &mut dyn FnMut(NodeId) -> Option<T>,
    ) -> Option<T> {
        let node = self.nodes.get(&id)?;
        if node.children.is_empty() {
            return find(id);
        }
        largest_first(children(node).iter()).find_map(|(_, child)| self.find_below(*child, children, find))
    }

    /// Whether two leaves have the same outermost name.
    pub(super) fn have_one_outermost(&self, one: NodeId, other: NodeId) -> bool {
        self.path(one).first() == self.path(other).first()
    }

    /// Whether two leaves have the same names but for the innermost: a caller and where it calls from.
    pub(super) fn are_one_caller(&self, one: NodeId, other: NodeId) -> bool {
        let caller = |leaf| self.path(leaf).into_iter().take(CALLER_LEVELS);
        caller(one).eq(caller(other))
    }

    /// The holders from the outermost level to the leaf.
    fn path(&self, leaf: NodeId) -> Vec<NodeId> {
        let parent = |id: &NodeId| self.nodes.get(id).and_then(|node| node.parent).filter(|parent| *parent != ROOT);
        let mut path: Vec<_> = std::iter::successors(Some(leaf), parent).collect();
        path.reverse();
        path
    }
}

fn largest_first<'a, T: DoubleEndedIterator + 'a>(mut children: T) -> impl Iterator<Item = T::Item> + 'a {
    std::iter::from_fn(move || if mutant!(CutTheSmallest) { children.next() } else { children.next_back() })
}

fn count(count: &mut usize, more: bool) {
    *count = if more { count.saturating_add(1) } else { count.saturating_sub(1) };
}
