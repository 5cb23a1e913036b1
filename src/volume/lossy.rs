//! The lossy compressions that a volume's values went through: once lossy, always lossy (PS3.3, C.7.6.1.1.5).

use super::Volume;
use std::collections::BTreeMap;
use std::fmt;

/// Key of the provenance: the compressions, first one first, as `ISO_10918_1 10:1, NEUVOL 42.5:1`.
const KEY: &str = "lossy compression";
/// Stands for a method that is not known.
const UNKNOWN: &str = "unknown";

/// One of the lossy compressions that values went through.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LossyStep {
    /// The method: a term of Lossy Image Compression Method (0028,2114), or [`LossyStep::NEUVOL`]; none when unknown.
    pub method: Option<String>,
    /// How many times smaller the compressed file was; none when unknown.
    pub ratio: Option<f64>,
}

impl LossyStep {
    /// The method of a `.nvol` file.
    pub const NEUVOL: &str = "NEUVOL";

    /// A step of a text such as `ISO_10918_1 10:1`.
    fn parse(text: &str) -> Self {
        let mut words = text.split_whitespace();
        let method = words.next().filter(|method| *method != UNKNOWN && is_code(method));
        let ratio = words.next().and_then(|ratio| ratio.strip_suffix(":1")?.parse().ok());
        Self { method: method.map(str::to_owned), ratio: ratio.filter(|r: &f64| r.is_finite() && *r > 0.0) }
    }
}

/// Whether a text is a code string (PS3.5, section 6.2).
pub(crate) fn is_code(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == ' ' || c == '_';
    !text.is_empty() && text.len() <= 16 && text.chars().all(allowed)
}

impl fmt::Display for LossyStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.method.as_deref().unwrap_or(UNKNOWN))?;
        match self.ratio {
            Some(ratio) => write!(f, " {ratio}:1"),
            None => Ok(()),
        }
    }
}

impl Volume {
    /// The lossy compressions that the values went through, first one first; empty when none is known.
    pub fn lossy_steps(&self) -> Vec<LossyStep> {
        steps_of(&self.provenance)
    }

    /// Notes that the values went through another lossy compression, in [`Self::provenance`].
    pub fn add_lossy_step(&mut self, step: &LossyStep) {
        add_step(&mut self.provenance, step);
    }
}

/// The compressions that a provenance names, first one first.
pub(super) fn steps_of(provenance: &BTreeMap<String, String>) -> Vec<LossyStep> {
    match provenance.get(KEY) {
        Some(steps) => steps.split(',').map(LossyStep::parse).collect(),
        None => Vec::new(),
    }
}

/// Notes another one.
pub(super) fn add_step(provenance: &mut BTreeMap<String, String>, step: &LossyStep) {
    let steps = match provenance.get(KEY) {
        Some(earlier) => format!("{earlier}, {step}"),
        None => step.to_string(),
    };
    provenance.insert(KEY.into(), steps);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_kept_in_their_order() {
        let mut volume = Volume::new(vec![0u8], [1; 3]).unwrap();
        assert!(volume.lossy_steps().is_empty());
        let steps = [
            LossyStep { method: Some("ISO_10918_1".into()), ratio: Some(10.25) },
            LossyStep { method: None, ratio: Some(3.0) },
            LossyStep { method: Some(LossyStep::NEUVOL.into()), ratio: None },
            LossyStep::default(),
        ];
        steps.iter().for_each(|step| volume.add_lossy_step(step));
        assert_eq!(volume.provenance[KEY], "ISO_10918_1 10.25:1, unknown 3:1, NEUVOL, unknown");
        assert_eq!(volume.lossy_steps(), steps);
    }

    #[test]
    fn a_mark_that_is_not_understood_is_still_a_mark() {
        let mut volume = Volume::new(vec![0u8], [1; 3]).unwrap();
        for text in ["", "yes", "ISO 10:0", "x -1:1"] {
            volume.provenance.insert(KEY.into(), text.into());
            let steps = volume.lossy_steps();
            assert!(steps.len() == 1 && steps[0].ratio.is_none(), "{text}: {steps:?}");
        }
    }
}
