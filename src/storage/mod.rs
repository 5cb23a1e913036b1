//! Where a file's bytes come from, and the streams in it.

mod read_at;
mod streams;
mod whole;
mod window;

pub use read_at::ReadAt;
pub(crate) use streams::{Fault, StreamMeasures, StreamSpool, Streams};
pub(crate) use whole::{put_whole, put_wide_whole, take_whole};
pub(crate) use window::ByteWindow;
