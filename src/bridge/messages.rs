//! What the library logs while it works for C++: there a record of `log` would reach nobody.

use log::{LevelFilter, Log, Metadata, Record};
use std::cell::RefCell;
use std::sync::Once;

thread_local! {
    /// The warnings of each call that this thread is in, the innermost last.
    static HEARD: RefCell<Vec<Vec<String>>> = const { RefCell::new(Vec::new()) };
}

/// Runs `work` on this thread, and returns the warnings and errors that were logged meanwhile. A program that has a logger of
/// its own gets its records there, and none here.
pub(super) fn heard<T>(work: impl FnOnce() -> T) -> (T, Vec<String>) {
    install();
    HEARD.with_borrow_mut(|calls| calls.push(Vec::new()));
    // What is heard in a call that panics goes with it.
    let call = Call;
    let done = work();
    let said = HEARD.with_borrow_mut(|calls| calls.last_mut().map(std::mem::take));
    drop(call);
    (done, said.unwrap_or_default())
}

/// Ends the innermost call.
struct Call;

impl Drop for Call {
    fn drop(&mut self) {
        HEARD.with_borrow_mut(Vec::pop);
    }
}

/// The logger of a process that has none.
struct Collector;

impl Log for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            // A thread that is ending hears nothing any more.
            let _ = HEARD.try_with(|calls| {
                if let Some(said) = calls.borrow_mut().last_mut() {
                    said.push(record.args().to_string());
                }
            });
        }
    }

    fn flush(&self) {}
}

fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if log::set_logger(&Collector).is_ok() {
            log::set_max_level(LevelFilter::Warn);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_hears_its_own_warnings() {
        let ((inner, outer_value), outer) = heard(|| {
            log::warn!("before");
            let inner = heard(|| log::error!("{} inside", 2)).1;
            log::info!("not this");
            log::warn!("behind");
            (inner, 7)
        });
        assert_eq!((inner, outer_value), (vec!["2 inside".to_owned()], 7));
        assert_eq!(outer, ["before", "behind"]);
        let panicked = std::panic::catch_unwind(|| heard(|| panic!("a panic on purpose")));
        assert!(panicked.is_err());
        assert!(HEARD.with_borrow(Vec::is_empty), "nothing is left of the call");
        log::warn!("heard by nobody");
    }
}
