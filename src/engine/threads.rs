//! The threads that an engine's work runs on.

use crate::error::{Error, Result};
use std::sync::Arc;

/// A pool of threads: the one that the whole process shares, or one of its own.
#[derive(Debug, Clone)]
pub(crate) struct Threads(Option<Arc<rayon::ThreadPool>>);

impl Threads {
    /// `count` threads of an engine's own, which end with the last engine that has them; with 0, those that the process
    /// shares: rayon's global pool, on which readers work, too, and which has a thread a core unless the program set it
    /// up otherwise.
    ///
    /// # Errors
    /// [`Error::Options`] when the operating system gives no threads.
    pub(crate) fn new(count: usize) -> Result<Self> {
        let failed = |what: &dyn std::fmt::Display| Error::Options(format!("cannot start {what}"));
        if count == 0 {
            // That there is one already is no failure; it has no source then.
            return match rayon::ThreadPoolBuilder::new().build_global() {
                Err(e) if std::error::Error::source(&e).is_some() => {
                    Err(failed(&format_args!("threads: {e}")))
                }
                _ => Ok(Self(None)),
            };
        }
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(count)
            .thread_name(|i| format!("neuvol-{i}"))
            .build()
            .map_err(|e| failed(&format_args!("{count} threads: {e}")))?;
        Ok(Self(Some(Arc::new(pool))))
    }

    /// How many they are.
    pub(crate) fn count(&self) -> usize {
        self.0.as_ref().map_or_else(rayon::current_num_threads, |pool| pool.current_num_threads())
    }

    /// Runs work on the threads: what it does through rayon uses them and no others. Work that comes from a thread of
    /// another pool stays there when these are the shared ones.
    pub(crate) fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match &self.0 {
            Some(pool) => pool.install(work),
            None => rayon::scope(|_| work()),
        }
    }
}
