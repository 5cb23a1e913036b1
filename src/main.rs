//! The `neuvol` command.
fn main() {}
