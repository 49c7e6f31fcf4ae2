//! What a duty says of the time that it will take, compared with what it took.

use std::time::Duration;

use tokio::time::Instant;

/// What was told.
pub struct EtaCheck {
    began: Instant,
    said: Vec<SaidAt>,
}

/// When, and how many seconds have passed and are left, as was told.
#[derive(Debug)]
struct SaidAt {
    at: Duration,
    passed: f64,
    left: f64,
}

impl EtaCheck {
    pub fn begin() -> Self {
        Self { began: Instant::now(), said: Vec::new() }
    }

    /// So many seconds have passed, and so many are left if that is told.
    pub fn note(&mut self, passed: u64, left: Option<u64>) {
        let at = self.began.elapsed();
        self.said.extend(left.map(|left| SaidAt { at, passed: passed as f64, left: left as f64 }));
    }

    /// It has ended now: what was told to be left, and the share of the time that had passed by that, were right
    /// within a factor of two. Whole seconds are told, and the machine may have been busy with something else.
    pub fn check(&self) {
        let took = self.began.elapsed();
        assert!(self.said.len() > 50, "told only {} times in {took:?}", self.said.len());
        let is_near = |said: f64, right: f64| said <= 2.0 * right + 1.0 && right <= 2.0 * said + 2.0;
        let is_right = |said: &&SaidAt| {
            let share = said.passed / (said.passed + said.left).max(1.0);
            is_near(said.left, (took - said.at).as_secs_f64())
                && is_near(share * took.as_secs_f64(), said.at.as_secs_f64())
        };
        let right = self.said.iter().filter(is_right).count();
        assert!(right * 10 >= self.said.len() * 9, "{right} of {} times, {took:?}: {:?}", self.said.len(), self.said);
    }
}
