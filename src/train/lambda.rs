//! The rate-distortion multiplier.

/// What bits cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Lambda {
    /// In mean squared error (of values scaled to 0..1) for a bit a voxel.
    pub(super) value: f64,
    /// In units of the first lambda.
    pub(super) relative: f64,
}

impl Lambda {
    /// Of bits that cost nothing.
    pub(super) const FREE: Self = Self { value: 0.0, relative: 1.0 };
}
