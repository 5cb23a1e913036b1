//! What stored parameters are rounded to.

use crate::field::{GroupKind, Rounding};

/// What the stored parameters are rounded to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Roundings {
    pub(super) features: Rounding,
    pub(super) weights: Rounding,
    pub(super) biases: Rounding,
}

impl Roundings {
    pub(super) fn of(&self, kind: GroupKind) -> Rounding {
        match kind {
            GroupKind::Features => self.features,
            GroupKind::Weights => self.weights,
            GroupKind::Biases => self.biases,
        }
    }
}
