//! What a duty says of the time that it will take, compared with what it took.

use std::time::Duration;

use tokio::time::Instant;

/// What was told, and when.
pub struct Told {
    began: Instant,
    said: Vec<(Duration, f64)>,
}

impl Told {
    pub fn begin() -> Self {
        Self { began: Instant::now(), said: Vec::new() }
    }

    /// So many seconds are left, if that is told.
    pub fn note(&mut self, seconds_left: Option<u64>) {
        self.said.extend(seconds_left.map(|left| (self.began.elapsed(), left as f64)));
    }

    /// It has ended now: what was told was right within a factor of two. Whole seconds are told, and the machine
    /// may have been busy with something else.
    pub fn check(&self) {
        let took = self.began.elapsed();
        assert!(self.said.len() > 50, "told only {} times in {took:?}", self.said.len());
        let is_right = |(at, said): &&(Duration, f64)| {
            let right = (took - *at).as_secs_f64();
            *said <= 2.0 * right + 1.0 && right <= 2.0 * said + 2.0
        };
        let right = self.said.iter().filter(is_right).count();
        assert!(right * 10 >= self.said.len() * 9, "{right} of {} times, {took:?}: {:?}", self.said.len(), self.said);
    }
}
