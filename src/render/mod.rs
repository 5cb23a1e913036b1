//! Pictures of volumes.

mod picture;

pub use picture::{Picture, Window};
