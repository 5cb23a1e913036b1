//! What is measured of a finished file, beyond the error that the search goes by.

use super::candidate::open_own;
use super::compressed::Compressed;
use super::ranges::{self, RangesMeter};
use super::tissues::Shift;
use crate::container::{Achieved, BRICK_EDGE, Contents, StepBefore};
use crate::engine::{Install, TrainingEngine};
use crate::error::Result;
use crate::metrics::{Bands, Fidelity, FidelityMeter, Planes, noise_of};
use crate::sample::{NeuralVolume, Region};
use crate::storage::Fault;
use crate::volume::{Mask, Volume};
use std::sync::Arc;

/// Bands of errors take at most the inverse of this of a file that follows another step.
const MOST_OF_BANDS: usize = 16;
/// Voxels that are decoded at a time, about.
const SLAB: usize = 1 << 20;

/// The volume that files are measured against.
pub(super) struct Original<'a> {
    pub(super) volume: &'a Volume,
    pub(super) mask: Option<&'a Mask>,
    pub(super) range: Option<(f64, f64)>,
    /// Its own noise.
    pub(super) noise: Option<f64>,
    bands: Bands,
    /// The step that files may follow.
    before: Option<&'a StepBefore>,
}

impl<'a> Original<'a> {
    /// Looks at the volume on the engine's threads.
    pub(super) fn new(
        volume: &'a Volume,
        mask: Option<&'a Mask>,
        range: Option<(f64, f64)>,
        engine: &dyn TrainingEngine,
    ) -> Self {
        let (noise, bands) =
            engine.install(|| (noise_of(volume, mask, range), Bands::of_measurements(volume, mask, range)));
        Self { volume, mask, range, noise, bands, before: None }
    }

    /// The same for files that may follow another step of a series.
    pub(super) fn with_before(self, before: Option<&'a StepBefore>) -> Self {
        Self { before, ..self }
    }

    /// What a file says of the original before anything is measured.
    pub(super) fn described(&self) -> Achieved {
        Achieved { noise: self.noise, band_limits: self.bands.clone(), ..Achieved::default() }
    }

    /// Measures a file with the shipped decoder in all that [`Fidelity`] has, and writes it into the file, with the ranges of its cells
    /// where these take little, and the file has no more than `most_bytes`.
    pub(super) fn appraise(
        &self,
        file: Compressed,
        engine: Arc<dyn TrainingEngine>,
        most_bytes: Option<u64>,
    ) -> Result<Compressed> {
        let mut ranges = RangesMeter::new(self.volume.shape(), self.range);
        if file.distortion.max_error == 0.0 {
            // Nothing is left to measure, and the file says so.
            let fidelity =
                Fidelity { noise: self.noise, similarity: Some(1.0), ..Fidelity::of(file.distortion) };
            if let Some(ranges) = &mut ranges {
                let (shape, samples) = (self.volume.shape(), self.volume.samples());
                engine.install(|| ranges.add([0; 3], shape, samples, self.mask.map(Mask::codes)));
            }
            return self.with_ranges(Compressed { fidelity, ..file }, ranges, most_bytes);
        }
        let neural = open_own(&file.bytes, self.before, engine.clone())?;
        let meter = FidelityMeter::new(self.volume.shape(), self.range, self.bands.clone());
        let fidelity = self.measured(&neural, meter, ranges.as_mut(), engine.as_ref())?;
        // The search's own numbers stay: in other chunks sums differ in their last digits.
        let fidelity = Fidelity { distortion: file.distortion, ..fidelity };
        let mut description = neural.info().clone();
        description.achieved = description.achieved.with(&fidelity);
        // The steps of a series may be a few hundred bytes, of which bands would be a large part.
        let with_bands = self.before.is_none()
            || most_bytes.is_some()
            || MOST_OF_BANDS * self.bands.bytes() < file.bytes.len();
        description.achieved.band_limits = if with_bands { self.bands.clone() } else { Bands::None };
        if neural.is_described_by_before() {
            description.writer.clear();
        }
        let mut file = Compressed { fidelity, ..file };
        Contents::replace_achieved(&mut file.bytes, &description);
        self.with_ranges(file, ranges, most_bytes)
    }

    fn with_ranges(
        &self,
        file: Compressed,
        ranges: Option<RangesMeter>,
        most_bytes: Option<u64>,
    ) -> Result<Compressed> {
        let room = ranges::room(file.bytes.len() as u64, most_bytes);
        let Some(ranges) = ranges.and_then(|ranges| ranges.within(room)) else { return Ok(file) };
        let mut bytes = file.bytes;
        Contents::insert_ranges(&mut bytes, &ranges).map_err(|e| Fault::Unread(e).of_own())?;
        Ok(Compressed {
            ratio: self.volume.stored_bytes() as f64 / bytes.len() as f64,
            ratio_f32: 4.0 * self.volume.len() as f64 / bytes.len() as f64,
            bytes,
            ..file
        })
    }

    /// What is to be added to the tissues of a CT so that this file has them where they are in the mean.
    pub(super) fn shift(&self, file: &Compressed, engine: Arc<dyn TrainingEngine>) -> Result<Option<Shift>> {
        if self.bands != Bands::Tissues || self.noise.is_none() {
            return Ok(None);
        }
        let neural = open_own(&file.bytes, self.before, engine.clone())?;
        let meter = FidelityMeter::new(self.volume.shape(), self.range, self.bands.clone()).by_own_value();
        Ok(Shift::against(&self.measured(&neural, meter, None, engine.as_ref())?))
    }

    /// Decodes in slabs of a multiple of a brick's slices: the whole is never held twice.
    fn measured(
        &self,
        neural: &NeuralVolume,
        mut meter: FidelityMeter,
        mut ranges: Option<&mut RangesMeter>,
        engine: &dyn TrainingEngine,
    ) -> Result<Fidelity> {
        let [nx, ny, nz] = self.volume.shape();
        let original = Planes::of(self.volume, self.mask);
        let depth = SLAB.div_ceil(nx * ny).next_multiple_of(BRICK_EDGE);
        for z in (0..nz).step_by(depth) {
            let slab = Region { start: [0, 0, z], end: [nx, ny, nz.min(z + depth)] };
            let decoded = neural.read_region(slab, 1)?;
            engine.install(|| meter.add(original, z, decoded.samples()));
            if let Some(ranges) = &mut ranges {
                let (start, size) = (slab.start, decoded.shape());
                let codes = self.mask.map(|mask| &mask.codes()[nx * ny * z..][..decoded.len()]);
                engine.install(|| ranges.add(start, size, decoded.samples(), codes));
            }
        }
        Ok(meter.fidelity(self.noise))
    }
}
