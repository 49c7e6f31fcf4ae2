//! Panics: a task that panics ends silently in its runtime; here it is a failure of the run.
//!
//! Must not know: what panicked.

use std::cell::RefCell;
use std::panic;
use std::sync::Once;

thread_local! {
    static SEEN: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Notes every panic from now on, by the thread it happens on: a run has one of its own.
pub fn watch() {
    static WATCHING: Once = Once::new();
    WATCHING.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |what| {
            SEEN.with_borrow_mut(|seen| seen.push(what.to_string()));
            before(what);
        }));
    });
    SEEN.take();
}

/// The panics on this thread so far.
pub fn seen() -> Vec<String> {
    SEEN.with_borrow(Clone::clone)
}
