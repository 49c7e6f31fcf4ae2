//! A minimum-cost flow by successive shortest paths: slow, simple, exact.

use std::collections::VecDeque;

/// A network; edges stand in pairs, each followed by its reverse.
#[derive(Default)]
pub(crate) struct Flow {
    edges: Vec<Edge>,
    leaving: Vec<Vec<usize>>,
}

struct Edge {
    to: usize,
    room: i64,
    cost: i64,
}

impl Flow {
    /// Adds a vertex.
    pub(crate) fn vertex(&mut self) -> usize {
        self.leaving.push(Vec::new());
        self.leaving.len() - 1
    }

    /// Adds an edge.
    pub(crate) fn edge(&mut self, from: usize, to: usize, room: i64, cost: i64) {
        for (from, to, room, cost) in [(from, to, room, cost), (to, from, 0, -cost)] {
            self.leaving[from].push(self.edges.len());
            self.edges.push(Edge { to, room, cost });
        }
    }

    /// Sends as much as possible as cheaply as possible; returns the amount and its cost.
    pub(crate) fn cheapest(&mut self, source: usize, sink: usize) -> (i64, i64) {
        let (mut amount, mut total) = (0, 0);
        while let Some((cost, path)) = self.shortest(source, sink) {
            let room = path.iter().map(|edge| self.edges[*edge].room).min().unwrap();
            for edge in path {
                self.edges[edge].room -= room;
                self.edges[edge ^ 1].room += room;
            }
            amount += room;
            total += room * cost;
        }
        (amount, total)
    }

    fn shortest(&self, source: usize, sink: usize) -> Option<(i64, Vec<usize>)> {
        let mut cost = vec![i64::MAX; self.leaving.len()];
        let mut by = vec![None; self.leaving.len()];
        let mut queued = vec![false; self.leaving.len()];
        let mut queue = VecDeque::from([source]);
        cost[source] = 0;
        while let Some(at) = queue.pop_front() {
            queued[at] = false;
            for edge in &self.leaving[at] {
                let Edge { to, room, cost: step } = self.edges[*edge];
                if room > 0 && cost[at] + step < cost[to] {
                    cost[to] = cost[at] + step;
                    by[to] = Some(*edge);
                    if !std::mem::replace(&mut queued[to], true) {
                        queue.push_back(to);
                    }
                }
            }
        }
        by[sink]?;
        let path = std::iter::successors(by[sink], |edge| by[self.edges[*edge ^ 1].to]).collect();
        Some((cost[sink], path))
    }
}
