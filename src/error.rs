//! Errors, sorted by whose fault they are.

use std::path::{Path, PathBuf};

/// What can go wrong in neuvol. The message says what was wrong, where, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused to read or write a file.
    #[error("{path}: {reason}", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said. The message has it, so it is not also the error's source: whoever prints
        /// a chain of sources would say it twice.
        reason: std::io::Error,
    },
    /// The input file breaks its format's rules: truncated, corrupt, inconsistent.
    #[error("{path}: {what}", path = path.display())]
    Format {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong and where (byte, slice, header field).
        what: String,
    },
    /// The input is valid, but neuvol does not handle it.
    #[error("{path}: {what}", path = path.display())]
    Unsupported {
        /// The file or folder.
        path: PathBuf,
        /// What is not supported and what to do instead.
        what: String,
    },
    /// The caller's options contradict each other or the data.
    #[error("{0}")]
    Options(String),
    /// A device (a GPU, its driver) is missing or failed; the text says what it reported.
    #[error("{0}")]
    Device(String),
    /// What was asked for, or what a file claims, takes more memory than there is or than the limits allow.
    #[error("{what}")]
    TooLarge {
        /// Bytes that it would take.
        bytes: u64,
        /// What would take them, and what to do.
        what: String,
    },
    /// A quality or size target that this volume cannot meet.
    #[error("{what}")]
    Target {
        /// What was asked for, in the target's measure: dB of a quality or PSNR, bytes of a ratio or size, the largest error.
        asked: f64,
        /// The best that was found, in the same measure; `None` where nothing was found.
        best: Option<f64>,
        /// What was asked for, and the best that was found.
        what: String,
    },
    /// A section of a `.nvol` file is damaged.
    #[error("{path}: section {section}: {what}", path = path.display())]
    Section {
        /// The file.
        path: PathBuf,
        /// The section's four-letter name, or `file header`.
        section: String,
        /// What is wrong with it.
        what: String,
    },
    /// Another process of those that make a file together failed; the file is not written.
    #[error("process {rank} failed: {what}")]
    Process {
        /// Which one.
        rank: usize,
        /// What it said.
        what: String,
    },
    /// The caller asked to stop; nothing was written.
    #[error("interrupted; nothing was written")]
    Interrupted,
}

/// `Result` with neuvol's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn io(path: &Path, reason: std::io::Error) -> Self {
        Error::Io { path: path.to_owned(), reason }
    }

    /// A temporary file, which has no name, cannot be read or written.
    pub(crate) fn temporary(reason: std::io::Error) -> Self {
        Error::io(Path::new("the temporary file"), reason)
    }

    /// The same error of a file that lies in `to` once it is done, and in `from` until then.
    pub(crate) fn moved(mut self, from: &Path, to: &Path) -> Self {
        match &mut self {
            Error::Io { path, reason } => {
                if let Ok(inside) = path.strip_prefix(from) {
                    *path = to.join(inside);
                }
                // The reason may name a folder.
                let text = reason.to_string();
                let (from, to) = (from.display().to_string(), to.display().to_string());
                if text.contains(&from) {
                    *reason = std::io::Error::new(reason.kind(), text.replace(&from, &to));
                }
            }
            Error::Format { path, .. } | Error::Unsupported { path, .. } | Error::Section { path, .. } => {
                if let Ok(inside) = path.strip_prefix(from) {
                    *path = to.join(inside);
                }
            }
            Error::Options(_)
            | Error::Device(_)
            | Error::Target { .. }
            | Error::TooLarge { .. }
            | Error::Process { .. }
            | Error::Interrupted => {}
        }
        self
    }
    pub(crate) fn format(path: &Path, what: impl Into<String>) -> Self {
        Error::Format { path: path.to_owned(), what: what.into() }
    }
    pub(crate) fn unsupported(path: &Path, what: impl Into<String>) -> Self {
        Error::Unsupported { path: path.to_owned(), what: what.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_said_once() {
        let refused = std::fs::read("nothere.nii").map_err(|e| Error::io(Path::new("nothere.nii"), e));
        let error = anyhow::Error::from(refused.unwrap_err());
        let message = format!("{error:#}");
        assert!(message.starts_with("nothere.nii: "), "{message}");
        assert_eq!(message, error.to_string());
        assert_eq!(message.matches("os error").count(), 1, "{message}");
    }
}
