//! Lifting steps along one axis.
//!
//! Samples with even indices become the low band, those with odd ones the high band. At the ends of the axis, neighbours
//! are mirrored: index -1 is 1, index n is n - 2.

use rayon::prelude::*;

/// The factors of CDF 9/7 (Daubechies and Sweldens 1998, section 7.7), rounded to float32.
const PREDICT_1: f32 = -1.586_134_3;
const UPDATE_1: f32 = -0.052_980_12;
const PREDICT_2: f32 = 0.882_911_1;
const UPDATE_2: f32 = 0.443_506_85;

/// With 1.1496 and its inverse a constant c would become sqrt(2) c in the low band, and the basis be nearly orthonormal. A
/// little less makes the steps of coarser levels a little longer, which was best on every volume tried (benches/README.md).
const LOW: f32 = 1.12;
const HIGH: f32 = 0.86;

/// What a low band's samples of a constant, along one axis, are to be multiplied by to be the constant again.
pub(crate) const INVERSE_GAIN: f32 = 0.725_797;

/// How far a sample of the inverse sees to either side.
pub(super) const REACH: usize = 4;

/// Adds `factor` times both neighbours to every sample of `of`. Sample k of `of` lies between samples `k - back` and
/// `k - back + 1` of `neighbours`.
#[inline]
fn lift_row(of: &mut [f32], neighbours: &[f32], back: usize, factor: f32) {
    let (last, len) = (neighbours.len() - 1, of.len());
    // The first sample's only neighbour, where it has one, counts twice, and so does the last sample's.
    if back == 1 {
        of[0] += factor * (neighbours[0] + neighbours[0]);
    }
    let pairs = (last + back).min(len);
    for (of, pair) in of[back..pairs].iter_mut().zip(neighbours.windows(2)) {
        *of += factor * (pair[0] + pair[1]);
    }
    if pairs < len {
        of[pairs] += factor * (neighbours[last] + neighbours[last]);
    }
}

/// The inverse along a row, whose even samples are `low` and odd ones `high`, into `out`.
pub(super) fn inverse_row(low: &mut [f32], high: &mut [f32], out: &mut [f32]) {
    scale_row(low, 1.0 / LOW);
    scale_row(high, 1.0 / HIGH);
    if !high.is_empty() {
        lift_row(low, high, 1, -UPDATE_2);
        lift_row(high, low, 0, -PREDICT_2);
        lift_row(low, high, 1, -UPDATE_1);
        lift_row(high, low, 0, -PREDICT_1);
    }
    let mut pairs = out.chunks_exact_mut(2);
    for ((pair, &even), &odd) in (&mut pairs).zip(low.iter()).zip(high.iter()) {
        pair[0] = even;
        pair[1] = odd;
    }
    if let ([last], Some(&even)) = (pairs.into_remainder(), low.last()) {
        *last = even;
    }
}

/// The transform along a row: even samples to `low`, odd ones to `high`.
pub(super) fn forward_row(row: &[f32], low: &mut [f32], high: &mut [f32]) {
    for (low, &v) in low.iter_mut().zip(row.iter().step_by(2)) {
        *low = v;
    }
    for (high, &v) in high.iter_mut().zip(row.iter().skip(1).step_by(2)) {
        *high = v;
    }
    if !high.is_empty() {
        lift_row(high, low, 0, PREDICT_1);
        lift_row(low, high, 1, UPDATE_1);
        lift_row(high, low, 0, PREDICT_2);
        lift_row(low, high, 1, UPDATE_2);
    }
    scale_row(low, LOW);
    scale_row(high, HIGH);
}

/// Rows that stand for the samples of an axis: each step does to whole rows what [`lift_row`] does to samples.
struct Rows<'a> {
    even: Vec<&'a mut [f32]>,
    odd: Vec<&'a mut [f32]>,
}

impl<'a> Rows<'a> {
    fn of(data: &'a mut [f32], length: usize) -> Self {
        let (mut even, mut odd) = (Vec::new(), Vec::new());
        for (n, row) in data.chunks_exact_mut(length).enumerate() {
            if n % 2 == 0 { even.push(row) } else { odd.push(row) }
        }
        Self { even, odd }
    }

    /// Lifts the odd rows from the even ones.
    fn predict(&mut self, factor: f32, wide: bool) {
        lift_rows(&mut self.odd, &self.even, 0, factor, wide);
    }

    /// Lifts the even rows from the odd ones.
    fn update(&mut self, factor: f32, wide: bool) {
        lift_rows(&mut self.even, &self.odd, 1, factor, wide);
    }

    /// The same of one odd row.
    fn predict_one(&mut self, k: usize, factor: f32) {
        lift_one(self.odd[k], &self.even, (k, 0), factor);
    }

    /// The same of one even row.
    fn update_one(&mut self, k: usize, factor: f32) {
        lift_one(self.even[k], &self.odd, (k, 1), factor);
    }
}

/// Lifts row `k` from its neighbours, as [`lift_row`] counts them.
fn lift_one(row: &mut [f32], neighbours: &[&mut [f32]], (k, back): (usize, usize), factor: f32) {
    let last = neighbours.len() - 1;
    // Mirrored at both ends.
    let before = if k < back { k } else { (k - back).min(last) };
    let after = if k + 1 - back > last { last } else { k + 1 - back };
    for ((v, &a), &b) in row.iter_mut().zip(&*neighbours[before]).zip(&*neighbours[after]) {
        *v += factor * (a + b);
    }
}

fn lift_rows(of: &mut [&mut [f32]], neighbours: &[&mut [f32]], back: usize, factor: f32, wide: bool) {
    let lift = |(k, row): (usize, &mut &mut [f32])| lift_one(row, neighbours, (k, back), factor);
    if wide {
        of.par_iter_mut().enumerate().for_each(lift);
    } else {
        of.iter_mut().enumerate().for_each(lift);
    }
}

fn scale_row(row: &mut [f32], factor: f32) {
    row.iter_mut().for_each(|v| *v *= factor);
}

/// The transform along an axis whose samples are rows of `length`, in place: even rows become low, odd ones high. On the
/// threads of the pool that this runs on, where it is `wide`.
pub(super) fn forward_rows(data: &mut [f32], length: usize, wide: bool) {
    let mut rows = Rows::of(data, length);
    if !rows.odd.is_empty() {
        rows.predict(PREDICT_1, wide);
        rows.update(UPDATE_1, wide);
        rows.predict(PREDICT_2, wide);
        rows.update(UPDATE_2, wide);
    }
    rows.even.iter_mut().for_each(|row| scale_row(row, LOW));
    rows.odd.iter_mut().for_each(|row| scale_row(row, HIGH));
}

/// The inverse of [`forward_rows`], one step right behind the other: rows that are next to each other stay in the cache.
pub(super) fn inverse_rows(data: &mut [f32], length: usize) {
    let mut rows = Rows::of(data, length);
    let [even, odd] = [rows.even.len(), rows.odd.len()];
    if odd == 0 {
        rows.even.iter_mut().for_each(|row| scale_row(row, 1.0 / LOW));
        return;
    }
    // Each step needs its neighbours behind the step before, and before the step after.
    for k in 0..even + 2 {
        if k < odd {
            scale_row(rows.odd[k], 1.0 / HIGH);
        }
        if k < even {
            scale_row(rows.even[k], 1.0 / LOW);
            rows.update_one(k, -UPDATE_2);
        }
        if (1..=odd).contains(&k) {
            rows.predict_one(k - 1, -PREDICT_2);
        }
        if (1..=even).contains(&k) {
            rows.update_one(k - 1, -UPDATE_1);
        }
        if (2..odd + 2).contains(&k) {
            rows.predict_one(k - 2, -PREDICT_1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_come_back(row in prop::collection::vec(-1.0f32..1.0, 2..70)) {
            let n = row.len();
            let (mut low, mut high) = (vec![0.0; n.div_ceil(2)], vec![0.0; n / 2]);
            forward_row(&row, &mut low, &mut high);
            let mut columns = row.clone();
            forward_rows(&mut columns, 1, false);
            for k in 0..n {
                prop_assert_eq!(columns[k], if k % 2 == 0 { low[k / 2] } else { high[k / 2] });
            }
            let mut back = vec![0.0; n];
            inverse_row(&mut low, &mut high, &mut back);
            inverse_rows(&mut columns, 1);
            prop_assert_eq!(&back, &columns, "a row and a column of rows are one transform");
            for (a, b) in back.iter().zip(&row) {
                prop_assert!((a - b).abs() < 1e-5, "{a} and {b}");
            }
        }
    }

    #[test]
    fn a_constant_and_a_cubic_have_no_high_band() {
        // CDF 9/7 has four vanishing moments on either side.
        for degree in 0..4 {
            let row: Vec<f32> = (0..64).map(|i| (i as f32 / 64.0).powi(degree)).collect();
            let (mut low, mut high) = (vec![0.0; 32], vec![0.0; 32]);
            forward_row(&row, &mut low, &mut high);
            assert!(high[4..28].iter().all(|v| v.abs() < 1e-5), "degree {degree}: {high:?}");
            if degree == 0 {
                let expected = 2f32.sqrt() * LOW / 1.149_604_4;
                assert!(low.iter().all(|v| (v - expected).abs() < 1e-5), "{low:?}");
                assert!((expected * INVERSE_GAIN - 1.0).abs() < 1e-6);
            }
        }
    }
}
