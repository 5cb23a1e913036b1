//! Exchanges that every process comes to, also one that failed.

use super::Communicator;
use crate::error::{Error, Result};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// What the first byte of a message says of its sender.
const WORKS: u8 = 0;
const FAILED: u8 = 1;
const INTERRUPTED: u8 = 2;

/// The processes that make a file, as one of them sees them.
pub(crate) struct Group<'c> {
    /// `None` for a process by itself.
    communicator: Option<&'c dyn Communicator>,
    /// All processes know of a failure, and none waits.
    is_over: Cell<bool>,
}

impl<'c> Group<'c> {
    /// A process by itself.
    pub(crate) fn alone() -> Self {
        Self { communicator: None, is_over: Cell::new(false) }
    }

    pub(crate) fn of(communicator: &'c dyn Communicator) -> Self {
        let communicator = (communicator.size() > 1).then_some(communicator);
        Self { communicator, is_over: Cell::new(false) }
    }

    pub(crate) fn rank(&self) -> usize {
        self.communicator.map_or(0, Communicator::rank)
    }

    pub(crate) fn size(&self) -> usize {
        self.communicator.map_or(1, Communicator::size)
    }

    /// The process that writes the file.
    pub(crate) fn is_first(&self) -> bool {
        self.rank() == 0
    }

    /// Gives every process the bytes of all, by rank.
    ///
    /// # Errors
    /// What another process failed with; when one cannot be reached.
    pub(crate) fn all_gather(&self, bytes: Vec<u8>) -> Result<Vec<Vec<u8>>> {
        let Some(communicator) = self.communicator else { return Ok(vec![bytes]) };
        let mut message = vec![WORKS];
        message.extend(bytes);
        self.gather_messages(communicator, &message)
    }

    /// Makes sure that all processes want the same.
    ///
    /// # Errors
    /// [`Error::Options`] when they do not; as for [`Self::all_gather`].
    pub(crate) fn agree(&self, wanted: &str) -> Result<()> {
        let all = self.all_gather(wanted.as_bytes().to_vec())?;
        let Some(other) = all.iter().position(|other| *other != all[0]) else { return Ok(()) };
        let [first, other] = [0, other].map(|rank| (rank, String::from_utf8_lossy(&all[rank])));
        Err(Error::Options(format!(
            "the processes want different things: process {} {}, process {} {}",
            first.0, first.1, other.0, other.1
        )))
    }

    /// Sends every process its bytes, by rank, and gives what each sent to this one.
    ///
    /// # Errors
    /// As for [`Self::all_gather`].
    pub(crate) fn exchange(&self, bytes: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>> {
        let Some(communicator) = self.communicator else { return Ok(bytes) };
        self.gather_messages(communicator, &[WORKS])?;
        communicator.exchange(bytes).inspect_err(|_| self.is_over.set(true))
    }

    fn gather_messages(&self, communicator: &dyn Communicator, message: &[u8]) -> Result<Vec<Vec<u8>>> {
        let mut found = communicator.all_gather(message).inspect_err(|_| self.is_over.set(true))?;
        for (rank, message) in found.iter_mut().enumerate() {
            if message.first() == Some(&WORKS) {
                message.remove(0);
                continue;
            }
            self.is_over.set(true);
            return Err(match message.split_first() {
                Some((&INTERRUPTED, _)) => Error::Interrupted,
                Some((_, text)) => Error::Process { rank, what: String::from_utf8_lossy(text).into_owned() },
                None => Error::Process { rank, what: "it sent nothing".into() },
            });
        }
        Ok(found)
    }

    /// Does a process' work, and waits for that of the others. When one of them fails, all do.
    ///
    /// # Errors
    /// What the work says, or what another process failed with.
    pub(crate) fn run<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let done = catch_unwind(AssertUnwindSafe(work));
        let Some(communicator) = self.communicator else {
            return done.unwrap_or_else(|panic| resume_unwind(panic));
        };
        let failure = match &done {
            Ok(Ok(_)) => {
                self.gather_messages(communicator, &[WORKS])?;
                return done.unwrap_or_else(|panic| resume_unwind(panic));
            }
            Ok(Err(Error::Interrupted)) => vec![INTERRUPTED],
            Ok(Err(error)) => [&[FAILED], error.to_string().as_bytes()].concat(),
            Err(_) => [&[FAILED], &b"it panicked; this is a bug, please report it"[..]].concat(),
        };
        if !self.is_over.get() {
            // The others hear of it where they wait; what they say back changes nothing.
            let _ = communicator.all_gather(&failure);
        }
        done.unwrap_or_else(|panic| resume_unwind(panic))
    }
}
