//! Wavelet coefficients as a stream: zero or not, sign and magnitude, each decision with a probability mixed from what
//! the coefficients around it, the next coarser level and the bands of the same level say. FORMAT.md, section LATG.
//!
//! Encoder and decoder go the same way; what chooses the integers is in `rate_distortion.rs`.

use super::RangeDecoder;
use super::magnitudes::{CELL, MARGIN, Magnitudes, quantised};
use super::mixer::{Mixed, Mixer, Probabilities};
use super::reference::{Contexts, Reference, ReferenceModels, Second, Seen, Upon, of_cell};

/// A box of one band, and what is known of it before its first coefficient.
pub(crate) struct CodeBlock<'a> {
    pub(crate) shape: [usize; 3],
    /// Axes that the band is the high part of, a bit each.
    pub(crate) orientation: usize,
    /// Levels that are finer.
    pub(crate) level: usize,
    /// The same place in the next coarser level's band of this orientation, and the axes along which it has half as
    /// many coefficients.
    pub(crate) parent: Option<(&'a Magnitudes, [bool; 3])>,
    /// Sums of magnitudes of this level's bands that came before.
    pub(crate) siblings: &'a Magnitudes,
    /// What another grid has here, where the stream is coded by it.
    pub(crate) reference: Option<&'a Reference>,
}

/// Decisions go to a stream or come from one.
pub(crate) trait Decisions {
    /// The decision: `wanted` where it is to be written, else what was read.
    fn decide(&mut self, wanted: bool, probability_of_zero: u32) -> bool;
    /// True when a cell shall have coefficients other than 0, which `probability_of_zero` says how likely it has not.
    fn cell(&mut self, cell: [usize; 3], probability_of_zero: u32) -> bool;
    /// The number wanted at a place, which is 0 with `probability_of_zero`; `magnitude` gives the bits that a magnitude
    /// above 0 takes beside that.
    fn number(
        &mut self,
        at: usize,
        probability_of_zero: u32,
        reference: i32,
        magnitude: impl Fn(u32) -> f32,
    ) -> i32;
}

const ZERO_MODELS: usize = 7;
const MAGNITUDE_MODELS: usize = 4;
const CELL_MODELS: usize = 4;
const SIGN_MODELS: usize = 4;
/// Largest exponent of a magnitude.
const EXPONENTS: usize = 31;
/// Exponents told apart by contexts.
const STEPS: usize = 12;
/// Levels told apart by contexts.
const LEVELS: usize = 3;

/// What is learned along a stream.
#[derive(Clone)]
pub(crate) struct CoefficientModels {
    cell: [Probabilities; CELL_MODELS],
    cell_mixer: Mixer<CELL_MODELS>,
    zero: [Probabilities; ZERO_MODELS],
    zero_mixer: Mixer<ZERO_MODELS>,
    exponent: [Probabilities; MAGNITUDE_MODELS],
    exponent_mixer: Mixer<MAGNITUDE_MODELS>,
    mantissa: Probabilities,
    mantissa_mixer: Mixer<1>,
    sign: [Probabilities; SIGN_MODELS],
    sign_mixer: Mixer<SIGN_MODELS>,
    /// Where the stream is coded by another grid.
    reference: Option<Box<ReferenceModels>>,
}

/// What a coefficient's neighbourhood says.
struct Neighbourhood {
    near: u32,
    parent: u32,
    siblings: u32,
    zero: [usize; ZERO_MODELS],
    zero_set: usize,
    parent_here: u32,
    seen: Option<Seen>,
}

impl CoefficientModels {
    pub(crate) fn new() -> Self {
        Self {
            cell: [8 * 12 * 3, 12 * 4 * 4, 16 * LEVELS * 8, 12 * 12].map(Probabilities::new),
            cell_mixer: Mixer::new(LEVELS),
            zero: [14 * 8 * 3, 27 * 3 * 8, 10 * 10 * 8, 24 * LEVELS, 6 * 8 * 6, 27 * 5 * 3, 6 * 6 * 8]
                .map(Probabilities::new),
            zero_mixer: Mixer::new(3 * 4 * 2),
            exponent: [STEPS * 16, STEPS * 16 * 3, STEPS * 12 * LEVELS, STEPS * 16].map(Probabilities::new),
            exponent_mixer: Mixer::new(STEPS),
            mantissa: Probabilities::new(EXPONENTS * 8),
            mantissa_mixer: Mixer::new(1),
            sign: [27 * 8, 81 * 8, 81 * 8, 81 * 8].map(Probabilities::new),
            sign_mixer: Mixer::new(8),
            reference: None,
        }
    }

    /// Of streams that are coded by another grid.
    pub(crate) fn by_reference() -> Self {
        Self { reference: Some(Box::new(ReferenceModels::new())), ..Self::new() }
    }

    /// Codes a part: writes the magnitudes and signed numbers (x fastest) that `decisions` wants or reads.
    pub(crate) fn code<D: Decisions>(
        &mut self,
        part: &CodeBlock<'_>,
        decisions: &mut D,
    ) -> (Magnitudes, Vec<i32>) {
        let shape = part.shape;
        // One layout for the part, its siblings and its signs.
        let mut magnitudes = Magnitudes::new(part.siblings.shape);
        let mut signs = vec![0i8; magnitudes.values.len()];
        let mut numbers = vec![0; shape.iter().product()];
        let cells = shape.map(|n| n.div_ceil(CELL));
        let flags = self.cells(part, cells, decisions);
        let steps = magnitudes.steps();
        let flag_steps = flags.steps();
        for z in 0..shape[2] {
            for y in 0..shape[1] {
                for cell_x in 0..cells[0] {
                    let flag = flags.index([cell_x, y / CELL, z / CELL]);
                    if flags.values[flag] == 0 {
                        continue;
                    }
                    for x in cell_x * CELL..((cell_x + 1) * CELL).min(shape[0]) {
                        let index = magnitudes.index([x, y, z]);
                        // At a cell's far faces: is there anything beyond?
                        let beyond: [usize; 3] = std::array::from_fn(|a| {
                            let ends = [x, y, z][a] % CELL == CELL - 1;
                            if ends { 1 + usize::from(flags.values[flag + flag_steps[a]] != 0) } else { 0 }
                        });
                        let around = self.neighbourhood(part, &magnitudes, index, [x, y, z], steps, beyond);
                        let at = x + shape[0] * (y + shape[1] * z);
                        let number = self.number(part, &signs, index, steps, &around, at, decisions);
                        if number != 0 {
                            numbers[at] = number;
                            magnitudes.values[index] = number.unsigned_abs().min(255) as u8;
                            signs[index] = number.signum() as i8;
                        }
                    }
                }
            }
        }
        magnitudes.shape = part.siblings.shape;
        (magnitudes, numbers)
    }

    /// Which cells have anything but zeros.
    fn cells<D: Decisions>(
        &mut self,
        part: &CodeBlock<'_>,
        cells: [usize; 3],
        decisions: &mut D,
    ) -> Magnitudes {
        let mut flags = Magnitudes::new(cells);
        let [_, sy, sz] = flags.steps();
        for z in 0..cells[2] {
            for y in 0..cells[1] {
                for x in 0..cells[0] {
                    let index = flags.index([x, y, z]);
                    let flag = |back: usize| u32::from(flags.values[index - back]);
                    let faces = [flag(1), flag(sy), flag(sz)];
                    let pattern = (faces[0] + 2 * faces[1] + 4 * faces[2]) as usize;
                    let edges = flag(1 + sy)
                        + flag(1 + sz)
                        + flag(sy + sz)
                        + flag(sy - 1)
                        + flag(sz - 1)
                        + flag(sz - sy);
                    let (inner, outer) = part.parent_of_cell([x, y, z]);
                    let siblings = part.siblings_of_cell([x, y, z]);
                    let faces = faces.iter().sum::<u32>() as usize;
                    let (high, level) = (part.high_axes(), part.level_class());
                    let contexts = [
                        (pattern * 12 + quantised(inner, 11)) * 3 + high,
                        (quantised(siblings, 11) * 4 + faces) * 4 + (edges as usize).min(3),
                        ((faces * 4 + (edges as usize).min(3)) * LEVELS + level) * 8 + part.orientation,
                        quantised(inner, 11) * 12 + quantised(outer, 11),
                    ];
                    let probabilities = std::array::from_fn(|n| self.cell[n].at(contexts[n]));
                    let mixed = self.cell_mixer.mix(probabilities, level);
                    let seen =
                        part.reference.map(|reference| of_cell(reference.cell([x, y, z]), faces, inner));
                    let second = self.second(|models| &models.cell, seen, &mixed);
                    let p = Upon::probability_of_zero(second.as_ref(), &mixed);
                    let wanted = decisions.cell([x, y, z], p);
                    let bit = decisions.decide(wanted, p);
                    learn(&mut self.cell, &mut self.cell_mixer, contexts, &mixed, bit);
                    self.learn_second(|models| &mut models.cell, second, bit);
                    flags.values[index] = bit.into();
                }
            }
        }
        flags
    }

    #[inline(always)]
    fn neighbourhood(
        &self,
        part: &CodeBlock<'_>,
        magnitudes: &Magnitudes,
        index: usize,
        at: [usize; 3],
        steps: [usize; 3],
        beyond: [usize; 3],
    ) -> Neighbourhood {
        let [_, sy, sz] = steps;
        let m = |back: usize| u32::from(magnitudes.values[index - back]);
        let (a, b, c) = (m(1), m(sy), m(sz));
        let faces = a + b + c;
        let edges = m(1 + sy) + m(sy - 1) + m(1 + sz) + m(sz - 1) + m(sy + sz) + m(sz - sy);
        let far = m(2) + m(2 * sy) + m(2 * sz);
        let near = 2 * faces + edges;
        let siblings = part.siblings.around(index, steps);
        let sibling = u32::from(part.siblings.values[index]);
        let (parent, parent_here) = match part.parent {
            Some((parent, halved)) => {
                let place: [usize; 3] = std::array::from_fn(|a| if halved[a] { at[a] / 2 } else { at[a] });
                let index = parent.index(place);
                (parent.around(index, parent.steps()), u32::from(parent.values[index]))
            }
            None => (0, 0),
        };
        let (high, level) = (part.high_axes(), part.level_class());
        let three = |n: u32| n.min(2) as usize;
        let zero = [
            (quantised(near, 13) * 8 + quantised(parent, 7)) * 3 + high,
            ((three(a) * 9 + three(b) * 3 + three(c)) * 3 + three(parent_here)) * 8 + part.orientation,
            (quantised(siblings, 9) * 10 + quantised(parent, 9)) * 8 + part.orientation,
            quantised(4 * near + 2 * far + 2 * parent + 3 * siblings, 23) * LEVELS + level,
            (quantised(far, 5) * 8 + quantised(edges, 7)) * 6 + quantised(faces, 5),
            ((beyond[0] * 9 + beyond[1] * 3 + beyond[2]) * 5 + quantised(near, 4)) * 3 + three(parent_here),
            (quantised(sibling, 5) * 6 + quantised(parent_here, 5)) * 8 + quantised(near, 7),
        ];
        let zero_set = (high * 4 + quantised(near, 3)) * 2 + usize::from(part.parent.is_some());
        let place = || at[0] + part.shape[0] * (at[1] + part.shape[1] * at[2]);
        let seen = part.reference.map(|reference| reference.at(place(), index, steps));
        Neighbourhood { near, parent, siblings, zero, zero_set, parent_here, seen }
    }

    /// Codes one coefficient.
    #[expect(clippy::too_many_arguments, reason = "the state of one pass over a part")]
    fn number<D: Decisions>(
        &mut self,
        part: &CodeBlock<'_>,
        signs: &[i8],
        index: usize,
        [_, sy, sz]: [usize; 3],
        around: &Neighbourhood,
        at: usize,
        decisions: &mut D,
    ) -> i32 {
        let probabilities = std::array::from_fn(|n| self.zero[n].at(around.zero[n]));
        let mixed = self.zero_mixer.mix(probabilities, around.zero_set);
        let seen = around.seen.map(|seen| seen.zero(around.near, around.parent_here, part.high_axes()));
        let second = self.second(|models| &models.zero, seen, &mixed);
        let p = Upon::probability_of_zero(second.as_ref(), &mixed);
        let reference = around.seen.map_or(0, |seen| seen.number);
        let wanted = decisions.number(at, p, reference, |m| self.bits_of(part, around, m));
        let other = decisions.decide(wanted != 0, p);
        learn(&mut self.zero, &mut self.zero_mixer, around.zero, &mixed, other);
        self.learn_second(|models| &mut models.zero, second, other);
        if !other {
            return 0;
        }
        let sign = |back: usize| (signs[index - back] + 1) as usize;
        let four = |backs: [usize; 4]| backs.iter().fold(0, |context, &back| 3 * context + sign(back)) * 8;
        let contexts = [
            (sign(1) * 9 + sign(sy) * 3 + sign(sz)) * 8,
            four([1, 2, sy, 2 * sy]),
            four([1 + sy, sy - 1, 1 + sz, sz - 1]),
            four([sz, 2 * sz, sy + sz, sz - sy]),
        ]
        .map(|context| context + part.orientation);
        let probabilities = std::array::from_fn(|n| self.sign[n].at(contexts[n]));
        let mixed = self.sign_mixer.mix(probabilities, part.orientation);
        let neighbours = sign(1) * 9 + sign(sy) * 3 + sign(sz);
        let seen = around.seen.map(|seen| seen.sign(neighbours, part.orientation));
        let second = self.second(|models| &models.sign, seen, &mixed);
        let p = Upon::probability_of_zero(second.as_ref(), &mixed);
        let negative = decisions.decide(wanted < 0, p);
        learn(&mut self.sign, &mut self.sign_mixer, contexts, &mixed, negative);
        self.learn_second(|models| &mut models.sign, second, negative);
        let magnitude = self.magnitude(part, around, wanted.unsigned_abs(), decisions);
        if negative { -(magnitude as i32) } else { magnitude as i32 }
    }

    fn exponent_contexts(
        &self,
        part: &CodeBlock<'_>,
        around: &Neighbourhood,
        step: usize,
    ) -> [usize; MAGNITUDE_MODELS] {
        let step = step.min(STEPS - 1);
        let (high, level) = (part.high_axes(), part.level_class());
        [
            step * 16 + quantised(around.near, 15),
            (step * 16 + quantised(around.parent, 15)) * 3 + high,
            (step * 12 + quantised(around.siblings, 11)) * LEVELS + level,
            step * 16 + quantised(around.near + around.parent + around.siblings, 19).max(4) - 4,
        ]
    }

    fn mix_exponent(&self, contexts: [usize; MAGNITUDE_MODELS], step: usize) -> Mixed<MAGNITUDE_MODELS> {
        let probabilities = std::array::from_fn(|n| self.exponent[n].at(contexts[n]));
        self.exponent_mixer.mix(probabilities, step.min(STEPS - 1))
    }

    /// Mixes a decision once more, where the stream is coded by another grid.
    fn second<const N: usize>(
        &self,
        of: impl Fn(&ReferenceModels) -> &Second,
        seen: Option<Contexts>,
        first: &Mixed<N>,
    ) -> Option<Upon> {
        let (models, seen) = self.reference.as_ref().zip(seen)?;
        Some(of(models).upon(first, seen))
    }

    fn learn_second(
        &mut self,
        of: impl Fn(&mut ReferenceModels) -> &mut Second,
        second: Option<Upon>,
        bit: bool,
    ) {
        if let (Some(models), Some(second)) = (&mut self.reference, second) {
            of(models).learn(&second, bit);
        }
    }

    /// The bits that a magnitude and its sign will take, about.
    fn bits_of(&self, part: &CodeBlock<'_>, around: &Neighbourhood, magnitude: u32) -> f32 {
        let exponent = magnitude.ilog2() as usize;
        let mut sum = 1.0 + exponent as f32;
        for step in 0..=exponent {
            let mixed = self.mix_exponent(self.exponent_contexts(part, around, step), step);
            let seen = around.seen.map(|seen| seen.exponent(step, around.near));
            let second = self.second(|models| &models.exponent, seen, &mixed);
            let p = Upon::probability_of_zero(second.as_ref(), &mixed);
            sum += bits(if step < exponent { 65536 - p } else { p });
        }
        sum
    }

    /// Codes a magnitude above 0: its exponent step by step, then the bits behind the leading one.
    fn magnitude<D: Decisions>(
        &mut self,
        part: &CodeBlock<'_>,
        around: &Neighbourhood,
        wanted: u32,
        decisions: &mut D,
    ) -> u32 {
        let wanted = wanted.max(1);
        let mut exponent = 0;
        while exponent + 1 < EXPONENTS {
            let contexts = self.exponent_contexts(part, around, exponent);
            let mixed = self.mix_exponent(contexts, exponent);
            let seen = around.seen.map(|seen| seen.exponent(exponent, around.near));
            let second = self.second(|models| &models.exponent, seen, &mixed);
            let p = Upon::probability_of_zero(second.as_ref(), &mixed);
            let more = decisions.decide(wanted.ilog2() as usize > exponent, p);
            learn(&mut self.exponent, &mut self.exponent_mixer, contexts, &mixed, more);
            self.learn_second(|models| &mut models.exponent, second, more);
            if !more {
                break;
            }
            exponent += 1;
        }
        let mut magnitude = 1u32;
        for bit in (0..exponent).rev() {
            // The highest two bits have models of their own, the others share one an exponent.
            let context = match exponent - bit {
                1 => 0,
                2 => 1 + (magnitude & 1) as usize,
                _ => 3,
            };
            let context = exponent * 8 + context * 2 + usize::from(u64::from(around.near) > 4u64 << exponent);
            let mixed = self.mantissa_mixer.mix([self.mantissa.at(context)], 0);
            let seen = around.seen.map(|seen| seen.mantissa(exponent, bit, magnitude));
            let second = self.second(|models| &models.mantissa, seen, &mixed);
            let p = Upon::probability_of_zero(second.as_ref(), &mixed);
            let set = decisions.decide(wanted >> bit & 1 == 1, p);
            self.mantissa_mixer.learn(&mixed, set);
            self.mantissa.learn(context, set);
            self.learn_second(|models| &mut models.mantissa, second, set);
            magnitude = magnitude << 1 | u32::from(set);
        }
        magnitude
    }
}

impl CodeBlock<'_> {
    /// Axes that the band is the high part of, less one.
    fn high_axes(&self) -> usize {
        self.orientation.count_ones().max(1) as usize - 1
    }

    /// The level, as far as contexts tell levels apart.
    fn level_class(&self) -> usize {
        self.level.min(LEVELS - 1)
    }

    /// Sums of the parent's magnitudes where a cell is, and around that.
    fn parent_of_cell(&self, cell: [usize; 3]) -> (u32, u32) {
        let Some((parent, halved)) = self.parent else { return (0, 0) };
        let bounds = |a: usize| {
            let (start, end) = (cell[a] * CELL, (cell[a] * CELL + CELL).min(self.shape[a]));
            if halved[a] { (start / 2, end.div_ceil(2)) } else { (start, end) }
        };
        let [(x0, x1), (y0, y1), (z0, z1)] = [bounds(0), bounds(1), bounds(2)];
        let [_, sy, sz] = parent.steps();
        let sum = |ring: usize| {
            let mut sum = 0;
            for z in z0 + MARGIN - ring..(z1 + MARGIN + ring).min(parent.shape[2] + 2 * MARGIN) {
                for y in y0 + MARGIN - ring..(y1 + MARGIN + ring).min(parent.shape[1] + 2 * MARGIN) {
                    let (from, to) =
                        (x0 + MARGIN - ring, (x1 + MARGIN + ring).min(parent.shape[0] + 2 * MARGIN));
                    let row = &parent.values[sy * y + sz * z..];
                    sum += row[from..to].iter().map(|&m| u32::from(m)).sum::<u32>();
                }
            }
            sum
        };
        let inner = sum(0);
        (inner, sum(1) - inner)
    }

    fn siblings_of_cell(&self, cell: [usize; 3]) -> u32 {
        let end = |a: usize| (cell[a] * CELL + CELL).min(self.siblings.shape[a]);
        let mut sum = 0;
        for z in cell[2] * CELL..end(2) {
            for y in cell[1] * CELL..end(1) {
                let row = self.siblings.index([cell[0] * CELL, y, z]);
                let row = &self.siblings.values[row..row + end(0) - cell[0] * CELL];
                sum += row.iter().map(|&m| u32::from(m)).sum::<u32>();
            }
        }
        sum
    }
}

fn learn<const N: usize>(
    probabilities: &mut [Probabilities; N],
    mixer: &mut Mixer<N>,
    contexts: [usize; N],
    mixed: &Mixed<N>,
    bit: bool,
) {
    mixer.learn(mixed, bit);
    for (probabilities, context) in probabilities.iter_mut().zip(contexts) {
        probabilities.learn(context, bit);
    }
}

/// The bits that a decision of this probability (in units of 2^-16) takes, about.
pub(super) fn bits(probability: u32) -> f32 {
    16.0 - (probability as f32).log2()
}

/// Reads coefficients.
impl Decisions for RangeDecoder<'_> {
    fn decide(&mut self, _: bool, probability_of_zero: u32) -> bool {
        self.decode(probability_of_zero)
    }

    fn cell(&mut self, _: [usize; 3], _: u32) -> bool {
        false
    }

    fn number(&mut self, _: usize, _: u32, _: i32, _: impl Fn(u32) -> f32) -> i32 {
        0
    }
}

impl<D: Decisions> Decisions for &mut D {
    fn decide(&mut self, wanted: bool, probability_of_zero: u32) -> bool {
        D::decide(self, wanted, probability_of_zero)
    }

    fn cell(&mut self, cell: [usize; 3], probability_of_zero: u32) -> bool {
        D::cell(self, cell, probability_of_zero)
    }

    fn number(
        &mut self,
        at: usize,
        probability_of_zero: u32,
        reference: i32,
        magnitude: impl Fn(u32) -> f32,
    ) -> i32 {
        D::number(self, at, probability_of_zero, reference, magnitude)
    }
}
