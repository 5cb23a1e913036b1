//! Section STEP: a volume of a series over time, whose latent grid is coded by that of the step before.

use super::Description;
use super::bytes::Fields;
use crate::latents::{Before, LatentReader, LatentStreams};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The description is that of the step before, but for the range.
const SAME_DESCRIPTION: u8 = 1;
/// The perceptron is that of the step before.
const SAME_PERCEPTRON: u8 = 2;

/// What a volume's file leaves to that of the step before.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Following {
    /// Everything that its description says but the range, the quality and these pairs of the provenance, where that is so.
    pub(crate) same_description: Option<BTreeMap<String, String>>,
    pub(crate) same_perceptron: bool,
}

/// The step before: what a volume's file is read by that follows it.
#[derive(Clone)]
pub(crate) struct StepBefore {
    pub(crate) description: Arc<Description>,
    pub(crate) reader: Arc<LatentReader>,
}

impl Following {
    /// What a volume leaves to the step before.
    #[cfg(feature = "train")]
    pub(crate) fn of(description: &Description, before: &Description, latents: &LatentStreams) -> Self {
        Self {
            same_description: description.differences_to(before),
            same_perceptron: latents.has_perceptron_of_before(),
        }
    }

    pub(super) fn section(&self, range: Option<(f64, f64)>) -> Vec<u8> {
        let is_same = self.same_description.is_some();
        let flags = [(is_same, SAME_DESCRIPTION), (self.same_perceptron, SAME_PERCEPTRON)];
        let mut out = vec![flags.iter().filter(|(is, _)| *is).map(|(_, flag)| flag).sum()];
        if is_same {
            let (low, high) = range.unwrap_or_default();
            out.extend([low, high].iter().flat_map(|number| number.to_le_bytes()));
        }
        out
    }

    /// Reads the section, and the description where it is the same.
    pub(super) fn parse(section: &[u8], before: &Description) -> Result<(Self, Option<Description>), String> {
        let mut fields = Fields::new(section);
        let flags = fields.u8("flags")?;
        let is_same = flags & SAME_DESCRIPTION != 0;
        let description = match is_same {
            false => None,
            true => {
                let [low, high] = fields.f64s("range")?;
                Some(before.with_range((low, high))?)
            }
        };
        fields.end()?;
        let same_perceptron = flags & SAME_PERCEPTRON != 0;
        Ok((Self { same_description: is_same.then(BTreeMap::new), same_perceptron }, description))
    }

    /// Tells a latent grid what it is coded by.
    pub(super) fn attach(
        &self,
        latents: &mut LatentStreams,
        description: &Description,
        before: &StepBefore,
    ) -> Result<(), String> {
        let span = |of: &Description| of.range.map_or(0.0, |(low, high)| high - low);
        let spans = [span(&before.description), span(description)];
        let other = before.reader.streams();
        if before.description.shape != description.shape {
            return Err("the step before has another shape".into());
        }
        if self.same_perceptron {
            if other.perceptron.is_none() || latents.perceptron.is_some() {
                return Err(
                    "it has the perceptron of the step before, and that has none, or it has one itself"
                        .into(),
                );
            }
            latents.check_perceptron(description.shape)?;
            latents.perceptron.clone_from(&other.perceptron);
        }
        let before = Before::new(before.reader.clone(), spans, latents.step);
        latents.before = Some(Before { same_perceptron: self.same_perceptron, ..before });
        Ok(())
    }
}
