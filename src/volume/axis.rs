//! The axes of a grid.

/// An axis of a grid; x is fastest in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Axis {
    /// The first one: columns of a slice.
    X,
    /// The second one: rows of a slice.
    Y,
    /// The third one: slices.
    Z,
}

impl Axis {
    /// All three, in order.
    pub const ALL: [Axis; 3] = [Axis::X, Axis::Y, Axis::Z];

    /// 0, 1 or 2: its place in shapes and spacings.
    pub fn index(self) -> usize {
        self as usize
    }
}
