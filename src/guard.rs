//! Panics that are caught: they become values, and print nothing.
//!
//! Rust calls the process's panic hook before a panic is caught, and the usual hook prints a message and a backtrace. Inside
//! [`guarded`] it is not called; every other panic of the process reaches the hook that was there before.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// How many [`guarded`] calls this thread is in.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    /// Where the last panic inside one of them was.
    static PLACE: Cell<Option<String>> = const { Cell::new(None) };
}

/// A panic that was caught.
#[derive(Debug)]
pub(crate) struct Caught {
    payload: Box<dyn Any + Send>,
    place: Option<String>,
}

impl Caught {
    /// File and line of the panic, where the hook saw it.
    #[cfg_attr(not(feature = "bridge"), allow(dead_code))] // codecs' panics are said to be damage
    pub(crate) fn place(&self) -> Option<&str> {
        self.place.as_deref()
    }
}

impl fmt::Display for Caught {
    /// The panic's message.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| self.payload.downcast_ref::<String>().map(String::as_str));
        f.write_str(text.unwrap_or("a panic without a message"))
    }
}

/// Runs `work` on this thread; a panic inside is caught, and nothing is printed.
///
/// What `work` had under its hands when it panicked may be half done: drop it. Panics on threads that `work` starts are printed
/// as ever.
pub(crate) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, Caught> {
    install_hook();
    let _inside = Inside::enter();
    PLACE.set(None);
    panic::catch_unwind(AssertUnwindSafe(work)).map_err(|payload| Caught { payload, place: PLACE.take() })
}

/// Marks the thread for as long as it lives.
struct Inside;

impl Inside {
    fn enter() -> Self {
        DEPTH.set(DEPTH.get() + 1);
        Self
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}

/// Puts a hook before the process's own, once. A hook that the host sets later replaces it: then panics are printed as that
/// hook sees fit, and are still caught.
fn install_hook() {
    static ONCE: Once = Once::new();
    // A thread that is panicking may not change the hook; the next call will.
    if ONCE.is_completed() || std::thread::panicking() {
        return;
    }
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            // A thread that is ending has no mark any more.
            if DEPTH.try_with(Cell::get).unwrap_or(0) == 0 {
                return before(info);
            }
            let place = info.location().map(|at| format!("{}:{}", at.file(), at.line()));
            let _ = PLACE.try_with(|last| last.set(place));
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_message() {
        assert_eq!(guarded(|| 7).unwrap(), 7);
        let caught = guarded(|| -> u8 { panic!("a word") }).unwrap_err();
        assert_eq!(caught.to_string(), "a word");
        assert!(caught.place().is_some_and(|place| place.starts_with("src/guard.rs:")), "{caught:?}");
        assert_eq!(guarded(|| -> u8 { panic!("{} words", 2) }).unwrap_err().to_string(), "2 words");
        let bare = guarded(|| -> u8 { panic::panic_any(7) }).unwrap_err();
        assert_eq!(bare.to_string(), "a panic without a message");
    }

    #[test]
    fn the_mark_is_taken_away_whatever_happens() {
        let nested = guarded(|| {
            assert!(guarded(|| -> u8 { panic!("inside") }).is_err());
            DEPTH.get()
        });
        assert_eq!((nested.unwrap(), DEPTH.get()), (1, 0));
        assert!(guarded(|| -> u8 { panic!("again") }).is_err());
        assert_eq!(DEPTH.get(), 0);
    }

    /// What a process prints: the only way to see that nothing is said, and that other panics still are.
    #[test]
    fn only_panics_outside_are_printed() {
        const MARK: &str = "NEUVOL_TEST_OF_PANICS";
        if std::env::var_os(MARK).is_some() {
            assert!(guarded(|| -> u8 { panic!("of the inside") }).is_err());
            let beside = std::thread::spawn(|| -> u8 { panic!("of another thread") });
            assert!(guarded(|| beside.join()).unwrap().is_err());
            assert!(panic::catch_unwind(|| -> u8 { panic!("of the outside") }).is_err());
            return;
        }
        let done = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", "guard::tests::only_panics_outside_are_printed"])
            .env(MARK, "1")
            .env("RUST_BACKTRACE", "1")
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{printed}");
        assert!(!printed.contains("of the inside"), "{printed}");
        assert!(printed.contains("of another thread") && printed.contains("of the outside"), "{printed}");
    }
}
