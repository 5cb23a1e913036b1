//! A block of integers as a stream, none lost: FORMAT.md, section INTS.
//!
//! Every number is predicted from those before it by an adaptive linear filter (normalised least mean squares; Widrow &
//! Hoff 1960, Nagumo & Noda 1967) in integer arithmetic, and what the prediction is off by is coded with models chosen by
//! how far off it was nearby.

use super::{BitModel, RangeDecoder, RangeEncoder};

/// The neighbours that a number is predicted from, as steps back along x, y, z; all come before it.
const NEIGHBOURS: [[isize; 3]; 16] = [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
    [1, 1, 0],
    [-1, 1, 0],
    [1, 0, 1],
    [-1, 0, 1],
    [0, 1, 1],
    [0, -1, 1],
    [2, 0, 0],
    [0, 2, 0],
    [0, 0, 2],
    [1, 1, 1],
    [-1, 1, 1],
    [1, -1, 1],
    [-1, -1, 1],
];
/// The filter's weights to begin with: planes are predicted exactly.
const FIRST_WEIGHTS: [i32; 16] = {
    const ONE: i32 = 1 << WEIGHT_BITS;
    let mut weights = [0; 16];
    weights[0] = ONE * 5 / 8;
    weights[1] = ONE * 5 / 8;
    weights[2] = ONE * 5 / 8;
    weights[3] = -ONE * 5 / 16;
    weights[5] = -ONE * 5 / 16;
    weights[7] = -ONE * 5 / 16;
    weights[12] = ONE / 16;
    weights
};
/// Bits behind the point of a weight.
const WEIGHT_BITS: u32 = 16;
/// Weights stay below this, so that sums fit.
const MOST_WEIGHT: i32 = 1 << 19;
/// Differences are shifted down to about these bits before they meet weights.
const DIFFERENCE_BITS: u32 = 18;
/// The filter's rate is 2^-RATE of a full correction.
const RATE: u32 = 7;

/// Classes of how far off predictions were nearby.
const CLASSES: usize = 28;
/// Parts that what rounding a prediction took off is told apart by: the rest says which way the number is off, if it is.
const FRACTIONS: usize = 8;
/// Half as many sizes of it, with and without neighbours that differ.
const SURENESS: usize = FRACTIONS;
/// Largest exponent: magnitudes are below 2^64.
const EXPONENTS: usize = 65;
/// Exponents whose highest bits below the leading one have models.
const MODELLED: usize = 3;

struct Models {
    exponent: Vec<[[BitModel; EXPONENTS]; SURENESS]>,
    mantissa: Vec<[[BitModel; 1 << MODELLED]; EXPONENTS]>,
    sign: [[BitModel; 9]; FRACTIONS],
}

impl Models {
    fn new() -> Self {
        let new = BitModel::new();
        Self {
            exponent: vec![[[new; EXPONENTS]; SURENESS]; CLASSES],
            mantissa: vec![[[new; 1 << MODELLED]; EXPONENTS]; CLASSES.div_ceil(4)],
            sign: [[new; 9]; FRACTIONS],
        }
    }
}

/// What the numbers before one say of it.
struct Context {
    prediction: i64,
    class: usize,
    /// How near the prediction was to the number that it was rounded to, and whether the nearest three numbers differ.
    sureness: usize,
    /// Where between two numbers the prediction was.
    fraction: usize,
    sign: usize,
    differences: [i32; 16],
}

/// The state that encoder and decoder share.
struct Filter<'a> {
    shape: [usize; 3],
    /// Numbers that are left out, by position: they count as predicted.
    skip: Option<&'a [u8]>,
    numbers: Vec<i64>,
    /// What each prediction was off by.
    residuals: Vec<i64>,
    weights: [i32; 16],
    /// Differences are shifted down by this.
    shift: u32,
    /// Steps in memory to each neighbour.
    steps: [isize; 16],
    /// What stands for a number outside the block before the first one.
    origin: i64,
}

impl<'a> Filter<'a> {
    fn new(shape: [usize; 3], skip: Option<&'a [u8]>, origin: i64, shift: u32) -> Self {
        let len = shape.iter().product();
        let [nx, ny, _] = shape.map(|n| n as isize);
        let steps = NEIGHBOURS.map(|[x, y, z]| x + nx * (y + ny * z));
        Self {
            shape,
            skip,
            numbers: vec![origin; len],
            residuals: vec![0; len],
            weights: FIRST_WEIGHTS,
            shift,
            steps,
            origin,
        }
    }

    /// The number at a neighbour, or at the nearest one that is in the block.
    #[inline(always)]
    fn neighbours(&self, [x, y, z]: [usize; 3], at: usize) -> [i64; 16] {
        let [nx, ny, _] = self.shape;
        if x >= 2 && x + 1 < nx && y >= 2 && y + 1 < ny && z >= 2 {
            return self.steps.map(|step| self.numbers[at - step as usize]);
        }
        let fallback = if x > 0 {
            self.numbers[at - 1]
        } else if y > 0 {
            self.numbers[at - nx]
        } else if z > 0 {
            self.numbers[at - nx * ny]
        } else {
            self.origin
        };
        std::array::from_fn(|n| {
            let [dx, dy, dz] = NEIGHBOURS[n];
            let inside = x as isize >= dx
                && x as isize - dx < nx as isize
                && y as isize >= dy
                && y as isize - dy < ny as isize
                && z as isize >= dz;
            if inside { self.numbers[(at as isize - self.steps[n]) as usize] } else { fallback }
        })
    }

    #[inline(always)]
    fn residual(&self, inside: bool, at: usize, step: usize) -> i64 {
        if inside { self.residuals[at - step] } else { 0 }
    }

    #[inline(always)]
    fn context(&self, place: [usize; 3], at: usize) -> Context {
        let near = self.neighbours(place, at);
        let base = near[0];
        let differences =
            near.map(|n| (n.wrapping_sub(base) >> self.shift).clamp(-(1 << 24), 1 << 24) as i32);
        let sum = (0..16).map(|n| i64::from(differences[n]) * i64::from(self.weights[n])).sum::<i64>();
        let halves_up = sum + (1 << (WEIGHT_BITS - 1));
        let rounded = halves_up >> WEIGHT_BITS;
        // 0 to 7: from a number and a half below to one above; 3 and 4 are next to the number itself.
        let fraction = (halves_up >> (WEIGHT_BITS - 3) & 7) as usize;
        let distance = if fraction < 4 { 3 - fraction } else { fraction - 4 };
        let prediction = base.wrapping_add(rounded.wrapping_shl(self.shift));
        let [x, y, z] = place;
        let [nx, ny, _] = self.shape;
        let left = self.residual(x > 0, at, 1);
        let above = self.residual(y > 0, at, nx);
        let behind = self.residual(z > 0, at, nx * ny);
        let diagonal = self.residual(x > 0 && y > 0, at, nx + 1);
        let across = self.residual(x + 1 < nx && y > 0, at, nx.wrapping_sub(1));
        let below = self.residual(y + 1 < ny && z > 0, at, (nx * ny).wrapping_sub(nx));
        let size = |r: i64| r.unsigned_abs().min(1 << 56);
        let energy =
            3 * size(left) + 3 * size(above) + 3 * size(behind) + size(diagonal) + size(across) + size(below);
        Context {
            prediction,
            class: class(energy),
            sureness: 2 * distance + usize::from(near[0] != near[1] || near[1] != near[2]),
            fraction,
            sign: 3 * (1 + left.signum()) as usize + (1 + above.signum()) as usize,
            differences,
        }
    }

    /// Takes the number at a place in, and corrects the weights.
    #[inline(always)]
    fn learn(&mut self, at: usize, number: i64, context: &Context) {
        let residual = number.wrapping_sub(context.prediction);
        self.numbers[at] = number;
        self.residuals[at] = residual;
        let error = (residual >> self.shift).clamp(-(1 << 20), 1 << 20);
        if error == 0 {
            return;
        }
        let power = context.differences.iter().map(|&d| i64::from(d) * i64::from(d)).sum::<i64>();
        // A correction of the whole error would be error * difference / power; the constant damps it where all is flat.
        let gain = (error << (WEIGHT_BITS + 12)) / ((power + 32) << RATE);
        for (weight, &difference) in self.weights.iter_mut().zip(&context.differences) {
            let change = (gain * i64::from(difference)) >> 12;
            *weight = (i64::from(*weight) + change).clamp(i64::from(-MOST_WEIGHT), MOST_WEIGHT.into()) as i32;
        }
    }

    fn is_left_out(&self, at: usize) -> bool {
        self.skip.is_some_and(|skip| skip[at] != 0)
    }
}

/// Classes grow by about a half from one to the next.
#[inline(always)]
fn class(energy: u64) -> usize {
    if energy == 0 {
        return 0;
    }
    let log = energy.ilog2() as usize;
    // The bit below the leading one halves an octave.
    let half = if log == 0 { 0 } else { (energy >> (log - 1) & 1) as usize };
    (1 + 2 * log + half).min(CLASSES - 1)
}

fn places(shape: [usize; 3]) -> impl Iterator<Item = [usize; 3]> {
    (0..shape[2]).flat_map(move |z| (0..shape[1]).flat_map(move |y| (0..shape[0]).map(move |x| [x, y, z])))
}

/// Bytes of a stream's head: the least number, and by how much differences are shifted.
const HEAD: usize = 9;

/// The stream of a block of numbers, x fastest; those whose `skip` is not 0 are left out. A block of one number is its
/// head.
pub(crate) fn encode_integers(numbers: &[i64], shape: [usize; 3], skip: Option<&[u8]>) -> Vec<u8> {
    let coded = |at: &usize| skip.is_none_or(|skip| skip[*at] == 0);
    let kept = || (0..numbers.len()).filter(coded).map(|at| numbers[at]);
    let (least, most) = (kept().min().unwrap_or(0), kept().max().unwrap_or(0));
    let range = most.wrapping_sub(least) as u64;
    let bits = 64 - range.leading_zeros();
    let shift = bits.saturating_sub(DIFFERENCE_BITS);
    let mut stream = least.to_le_bytes().to_vec();
    stream.push(if range == 0 { ONE_NUMBER } else { shift as u8 });
    if range == 0 {
        return stream;
    }
    let mut filter = Filter::new(shape, skip, least, shift);
    let mut models = Models::new();
    let mut coder = RangeEncoder::new();
    for (at, place) in places(shape).enumerate() {
        let context = filter.context(place, at);
        if filter.is_left_out(at) {
            filter.numbers[at] = context.prediction;
            continue;
        }
        let number = numbers[at];
        let residual = number.wrapping_sub(context.prediction);
        // Up to 2^63, so that one more fits.
        let shifted = residual.unsigned_abs() + 1;
        let exponent = shifted.ilog2() as usize;
        let ladder = &mut models.exponent[context.class][context.sureness];
        for (e, model) in ladder.iter_mut().enumerate().take(exponent + 1) {
            model.encode(&mut coder, e < exponent);
        }
        let below = shifted - (1 << exponent);
        let modelled = exponent.min(MODELLED);
        let tree = &mut models.mantissa[context.class / 4][exponent];
        let mut node = 1;
        for bit in (exponent - modelled..exponent).rev() {
            let set = below >> bit & 1 == 1;
            tree[node].encode(&mut coder, set);
            node = node << 1 | usize::from(set);
        }
        encode_raw(&mut coder, below, exponent - modelled);
        if residual != 0 {
            models.sign[context.fraction][context.sign].encode(&mut coder, residual < 0);
        }
        filter.learn(at, number, &context);
    }
    stream.extend(coder.finish());
    stream
}

/// In the place of a shift: every number is the least one.
const ONE_NUMBER: u8 = 255;

/// The numbers of a stream; those left out are what the filter makes of their neighbours. The error says what is wrong.
pub(crate) fn decode_integers(
    stream: &[u8],
    shape: [usize; 3],
    skip: Option<&[u8]>,
) -> Result<Vec<i64>, String> {
    let (head, rest) = stream.split_at_checked(HEAD).ok_or("a block's stream is too short")?;
    let (least, shift) = (i64::from_le_bytes(head[..8].try_into().unwrap_or_default()), head[8]);
    if shift == ONE_NUMBER {
        return Ok(vec![least; shape.iter().product()]);
    }
    if u32::from(shift) > 64 - DIFFERENCE_BITS {
        return Err(format!("a block's differences are shifted by {shift}"));
    }
    let mut filter = Filter::new(shape, skip, least, shift.into());
    let mut models = Models::new();
    let mut coder = RangeDecoder::new(rest);
    for (at, place) in places(shape).enumerate() {
        let context = filter.context(place, at);
        if filter.is_left_out(at) {
            filter.numbers[at] = context.prediction;
            continue;
        }
        let ladder = &mut models.exponent[context.class][context.sureness];
        let mut exponent = 0;
        while ladder[exponent].decode(&mut coder) {
            exponent += 1;
            if exponent == EXPONENTS - 1 {
                return Err(format!("number {at} of a block is out of range"));
            }
        }
        let modelled = exponent.min(MODELLED);
        let tree = &mut models.mantissa[context.class / 4][exponent];
        let mut node = 1;
        for _ in 0..modelled {
            node = node << 1 | usize::from(tree[node].decode(&mut coder));
        }
        let high = (node as u64 - (1 << modelled)) << (exponent - modelled);
        let below = high | decode_raw(&mut coder, exponent - modelled);
        let magnitude = ((1u64 << exponent) + below - 1) as i64;
        let negative = magnitude != 0 && models.sign[context.fraction][context.sign].decode(&mut coder);
        let residual = if negative { magnitude.wrapping_neg() } else { magnitude };
        filter.learn(at, context.prediction.wrapping_add(residual), &context);
    }
    Ok(filter.numbers)
}

/// The range coder takes 32 bits at a time at most.
fn encode_raw(coder: &mut RangeEncoder, value: u64, bits: usize) {
    if bits > 31 {
        coder.encode_raw((value >> 31) as u32, bits as u32 - 31);
    }
    coder.encode_raw((value & 0x7FFF_FFFF) as u32, bits.min(31) as u32);
}

fn decode_raw(coder: &mut RangeDecoder<'_>, bits: usize) -> u64 {
    let high = if bits > 31 { u64::from(coder.decode_raw(bits as u32 - 31)) << 31 } else { 0 };
    high | u64::from(coder.decode_raw(bits.min(31) as u32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_come_back(
            shape in [1usize..12, 1usize..10, 1usize..8],
            bits in 0u32..64,
            seed in any::<u64>(),
            masked in any::<bool>(),
        ) {
            let len = shape.iter().product::<usize>();
            let mut state = seed | 1;
            let mut next = || { state ^= state << 13; state ^= state >> 7; state ^= state << 17; state };
            let numbers: Vec<i64> = (0..len).map(|_| next() as i64 >> bits).collect();
            let skip: Vec<u8> = (0..len).map(|_| u8::from(next() % 5 == 0)).collect();
            let skip = masked.then_some(skip.as_slice());
            let back = decode_integers(&encode_integers(&numbers, shape, skip), shape, skip).unwrap();
            for at in 0..len {
                prop_assert!(skip.is_some_and(|s| s[at] != 0) || back[at] == numbers[at]);
            }
        }

        #[test]
        fn hostile_streams_end(stream in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_integers(&stream, [7, 5, 3], None);
        }
    }

    #[test]
    fn ends_of_the_range_come_back() {
        let numbers = [i64::MIN, i64::MAX, 0, -1, i64::MAX, i64::MIN, 1, i64::MIN];
        assert_eq!(
            decode_integers(&encode_integers(&numbers, [2, 2, 2], None), [2, 2, 2], None).unwrap(),
            numbers
        );
    }

    #[test]
    fn a_ramp_and_a_constant_cost_next_to_nothing() {
        let shape = [32, 32, 32];
        let ramp: Vec<i64> = (0..32768).map(|i| 3 * (i % 32) - 2 * (i / 32 % 32) + 5 * (i / 1024)).collect();
        assert!(
            encode_integers(&ramp, shape, None).len() < 400,
            "{}",
            encode_integers(&ramp, shape, None).len()
        );
        assert_eq!(encode_integers(&vec![7; 32768], shape, None).len(), HEAD);
    }
}
