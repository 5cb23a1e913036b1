//! A scan: samples row by row, predicted from their neighbours, or in runs (ISO 14495-1, annex A).

use super::bits::Bits;
use super::context::{REGULAR, Regular, RunEnd};
use super::parameters::Parameters;

/// J: the binary logarithms of the lengths of a run's parts.
const RUN_BITS: [u32; 32] =
    [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// Decodes `columns` x `rows` pixels of `count` samples each, which follow each other sample by sample or else row by row; there
/// is a restart marker behind each `interval` rows but the last. The samples of a pixel are beside each other.
pub(super) fn decode(
    parameters: &Parameters,
    data: &[u8],
    [columns, rows]: [usize; 2],
    (count, by_sample): (usize, bool),
    interval: usize,
) -> Result<Vec<u16>, String> {
    let mut samples = Vec::with_capacity(columns * rows * count);
    let mut bits = Bits::new(data);
    let mut state = State::new(parameters);
    // Rows with a sample before the first and one behind the last.
    let mut lines = vec![Line::new(columns); count];
    for y in 0..rows {
        if y > 0 && y % interval == 0 {
            bits.restart(y / interval - 1)?;
            state = State::new(parameters);
            lines = vec![Line::new(columns); count];
        }
        lines.iter_mut().for_each(Line::advance);
        if by_sample {
            state.pixels(&mut bits, &mut lines)?;
        } else {
            for line in &mut lines {
                // The statistics are of all components, how runs go on is of each (B.3).
                state.run_index = line.run_index;
                state.row(&mut bits, &mut line.above, &mut line.row)?;
                line.run_index = state.run_index;
            }
        }
        // No sample is above 65535.
        for x in 1..=columns {
            samples.extend(lines.iter().map(|line| line.row[x] as u16));
        }
    }
    Ok(samples)
}

/// A component's row and the one above.
#[derive(Clone)]
struct Line {
    above: Vec<i32>,
    row: Vec<i32>,
    /// RUNindex, where rows of components come by turns.
    run_index: usize,
}

impl Line {
    fn new(columns: usize) -> Self {
        Self { above: vec![0; columns + 2], row: vec![0; columns + 2], run_index: 0 }
    }

    fn advance(&mut self) {
        std::mem::swap(&mut self.above, &mut self.row);
    }

    /// Sets what lies beyond the ends of the rows (A.2.1).
    fn set_borders(&mut self) {
        let columns = self.row.len() - 2;
        self.above[columns + 1] = self.above[columns];
        self.row[0] = self.above[1];
    }

    fn around(&self, x: usize) -> Around {
        Around { a: self.row[x - 1], b: self.above[x], c: self.above[x - 1], d: self.above[x + 1] }
    }
}

/// The samples around one: Ra on the left, Rb above, Rc and Rd beside that.
#[derive(Clone, Copy)]
struct Around {
    a: i32,
    b: i32,
    c: i32,
    d: i32,
}

struct State<'a> {
    parameters: &'a Parameters,
    regular: Vec<Regular>,
    /// Where the samples on the left and above differ, and where they are alike.
    run_ends: [RunEnd; 2],
    /// RUNindex.
    run_index: usize,
}

impl<'a> State<'a> {
    fn new(parameters: &'a Parameters) -> Self {
        Self {
            parameters,
            regular: vec![Regular::new(parameters); REGULAR],
            run_ends: [false, true].map(|alike| RunEnd::new(parameters, alike)),
            run_index: 0,
        }
    }

    /// Decodes a row between its two borders.
    fn row(&mut self, bits: &mut Bits, above: &mut [i32], row: &mut [i32]) -> Result<(), String> {
        let columns = row.len() - 2;
        // Beyond the right end lies what is above the last sample; before the left end what is above the first (A.2.1).
        above[columns + 1] = above[columns];
        row[0] = above[1];
        let mut x = 1;
        while x <= columns {
            let around = Around { a: row[x - 1], b: above[x], c: above[x - 1], d: above[x + 1] };
            let Around { a, b, c, d } = around;
            let classes = [d - b, b - c, c - a].map(|gradient| self.class(gradient));
            if classes == [0; 3] {
                x += self.run(bits, above, row, x)?;
                continue;
            }
            row[x] = self.sample(bits, around, classes)?;
            x += 1;
        }
        Ok(())
    }

    /// Decodes a row of pixels whose samples come by turns: a run goes on while all components do (B.2).
    fn pixels(&mut self, bits: &mut Bits, lines: &mut [Line]) -> Result<(), String> {
        lines.iter_mut().for_each(Line::set_borders);
        let columns = lines.first().map_or(0, |line| line.row.len() - 2);
        let mut x = 1;
        while x <= columns {
            let classes_of = |state: &Self, line: &Line| {
                let Around { a, b, c, d } = line.around(x);
                [d - b, b - c, c - a].map(|gradient| state.class(gradient))
            };
            if lines.iter().all(|line| classes_of(self, line) == [0; 3]) {
                x += self.run_of_pixels(bits, lines, x)?;
                continue;
            }
            for line in lines.iter_mut() {
                let classes = classes_of(self, line);
                line.row[x] = self.sample(bits, line.around(x), classes)?;
            }
            x += 1;
        }
        Ok(())
    }

    /// A run of pixels from `x` on, and the pixel that ends it unless the row does; how many pixels that is.
    fn run_of_pixels(&mut self, bits: &mut Bits, lines: &mut [Line], x: usize) -> Result<usize, String> {
        let parameters = self.parameters;
        let left = lines.first().map_or(0, |line| line.row.len() - 1 - x);
        let (length, part_bits) = self.run_length(bits, left)?;
        for line in lines.iter_mut() {
            let value = line.row[x - 1];
            line.row[x..x + length].fill(value);
        }
        let Some(part_bits) = part_bits else { return Ok(length) };
        let end = x + length;
        for line in lines.iter_mut() {
            // Whether the neighbours are alike is not looked at.
            let (value, above) = (line.row[end - 1], line.above[end]);
            let sign = if value > above { -1 } else { 1 };
            let error = self.run_end(bits, false, part_bits)?;
            line.row[end] = reconstructed(above, sign * error, parameters);
        }
        self.run_index = self.run_index.saturating_sub(1);
        Ok(length + 1)
    }

    /// The class of a gradient, -4 to 4 (A.3.3).
    fn class(&self, gradient: i32) -> i32 {
        let [t1, t2, t3] = self.parameters.thresholds;
        let size = gradient.abs();
        // Without branches, whose outcome nobody can foresee.
        let class = [size > self.parameters.near, size >= t1, size >= t2, size >= t3]
            .map(i32::from)
            .iter()
            .sum::<i32>();
        class * gradient.signum()
    }

    /// A sample outside runs (A.4 to A.6).
    fn sample(
        &mut self,
        bits: &mut Bits,
        Around { a, b, c, .. }: Around,
        classes: [i32; 3],
    ) -> Result<i32, String> {
        let parameters = self.parameters;
        let number = classes.iter().fold(0, |number, class| 9 * number + class);
        // Where components come by turns, one may be flat among others that are not.
        let sign = if number < 0 { -1 } else { 1 };
        // At most 4 * 91, one less than there are.
        let context = &mut self.regular[number.unsigned_abs() as usize];
        let edge = if c >= a.max(b) {
            a.min(b)
        } else if c <= a.min(b) {
            a.max(b)
        } else {
            a + b - c
        };
        let predicted = (edge + sign * context.correction).clamp(0, parameters.largest);
        let k = context.golomb_bits();
        let mapped = checked(bits.golomb(k, parameters.limit, parameters.error_bits)?, parameters)?;
        let error = context.error(mapped, k, parameters.near);
        context.update(error, parameters);
        Ok(reconstructed(predicted, sign * error, parameters))
    }

    /// A run from `x` on, and the sample that ends it unless the row does; how many samples that is (A.7).
    fn run(&mut self, bits: &mut Bits, above: &[i32], row: &mut [i32], x: usize) -> Result<usize, String> {
        let parameters = self.parameters;
        let left = row.len() - 1 - x;
        let value = row[x - 1];
        let (length, part_bits) = self.run_length(bits, left)?;
        row[x..x + length].fill(value);
        let Some(part_bits) = part_bits else { return Ok(length) };
        let end = x + length;
        let above = above[end];
        let alike = (value - above).abs() <= parameters.near;
        let (predicted, sign) = if alike { (value, 1) } else { (above, (above - value).signum()) };
        let error = self.run_end(bits, alike, part_bits)?;
        row[end] = reconstructed(predicted, sign * error, parameters);
        self.run_index = self.run_index.saturating_sub(1);
        Ok(length + 1)
    }

    /// How long a run is, at most `left`, and J where something ends it before the row does (A.7.1).
    fn run_length(&mut self, bits: &mut Bits, left: usize) -> Result<(usize, Option<u32>), String> {
        let mut length = 0;
        while bits.read(1)? == 1 {
            let part = 1 << RUN_BITS[self.run_index];
            length += part;
            if length <= left && self.run_index < RUN_BITS.len() - 1 {
                self.run_index += 1;
            }
            if length >= left {
                return Ok((left, None));
            }
        }
        let part_bits = RUN_BITS[self.run_index];
        length += bits.read(part_bits)? as usize;
        if length >= left {
            return Err("a run beyond its row".into());
        }
        Ok((length, Some(part_bits)))
    }

    /// The error of a sample that ends a run (A.7.2).
    fn run_end(&mut self, bits: &mut Bits, alike: bool, part_bits: u32) -> Result<i32, String> {
        let parameters = self.parameters;
        let context = &mut self.run_ends[usize::from(alike)];
        let k = context.golomb_bits();
        let limit = parameters.limit - part_bits - 1;
        let mapped = checked(bits.golomb(k, limit, parameters.error_bits)?, parameters)?;
        let error = context.error(mapped, k);
        context.update(error, mapped, parameters);
        Ok(error)
    }
}

/// No error that was encoded is mapped beyond this; a larger one would grow the statistics without bound.
fn checked(mapped: i32, parameters: &Parameters) -> Result<i32, String> {
    if mapped > parameters.range + 1 { Err("an error beyond any sample".into()) } else { Ok(mapped) }
}

/// A prediction with its error, which is one modulo the range (A.4.5, backwards).
fn reconstructed(predicted: i32, error: i32, parameters: &Parameters) -> i32 {
    let &Parameters { near, largest, range, .. } = parameters;
    let step = 2 * near + 1;
    let mut sample = predicted + error * step;
    if sample < -near {
        sample += range * step;
    } else if sample > largest + near {
        sample -= range * step;
    }
    sample.clamp(0, largest)
}
