//! Networks: from features to the field's value.

mod mlp;

pub use mlp::{Layer, Mlp};
