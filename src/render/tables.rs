//! A transfer function as rays read it: what a stretch of a ray, between two values, absorbs and emits.

use super::transfer::TransferFunction;

/// Stretches that the range of values is divided into.
const ENTRIES: usize = 4096;
/// Opacity that counts as all: its extinction would be infinite.
const MOST_OPACITY: f64 = 0.9999;
/// Values as rays have them: 16 bits.
pub(crate) const MOST: f32 = 65535.0;

/// Extinction and colours over the values of a volume, as the 16 bits that it is sampled in.
pub(super) struct Tables {
    /// Extinction by length, at the ends of the stretches, and the colour there.
    ends: Vec<[f32; 4]>,
    /// The integral of extinction over the values from the lowest on, and of extinction times colour.
    integrals: Vec<[f64; 4]>,
    /// Of spans of 2^n entries, the largest extinction.
    largest: Vec<Vec<f32>>,
}

/// What a stretch of a ray absorbs by length, and the colour that it has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stretch {
    pub(super) extinction: f32,
    pub(super) colour: [f32; 3],
}

impl Tables {
    /// Over values from `low` to `high`; `unit` is the length in which a ray loses the opacity.
    pub(super) fn new(function: &TransferFunction, [low, high]: [f64; 2], unit: f64) -> Self {
        let value = |n: f64| low + n / ENTRIES as f64 * (high - low);
        let extinction = |value: f64| -> f64 {
            let opacity = f64::from(function.opacity(value)).min(MOST_OPACITY);
            -(-opacity).ln_1p() / unit
        };
        let ends: Vec<[f32; 4]> = (0..=ENTRIES)
            .map(|n| {
                let [r, g, b] = function.colour(value(n as f64));
                [extinction(value(n as f64)) as f32, r, g, b]
            })
            .collect();
        let mut integrals = vec![[0.0; 4]];
        let mut sum = [0.0; 4];
        for pair in ends.windows(2) {
            let [a, b] = [0, 1].map(|n| f64::from(pair[n][0]));
            sum[0] += (a + b) / 2.0;
            for c in 1..4 {
                sum[c] += (a * f64::from(pair[0][c]) + b * f64::from(pair[1][c])) / 2.0;
            }
            integrals.push(sum);
        }
        let mut largest = vec![ends.windows(2).map(|pair| pair[0][0].max(pair[1][0])).collect::<Vec<f32>>()];
        while largest[largest.len() - 1].len() > 1 << (largest.len() - 1) {
            let (last, span) = (&largest[largest.len() - 1], 1 << (largest.len() - 1));
            let next = (0..last.len() - span).map(|n| last[n].max(last[n + span])).collect();
            largest.push(next);
        }
        Self { ends, integrals, largest }
    }

    /// Where a value is among the entries.
    #[inline(always)]
    fn place(value: f32) -> f32 {
        value * (ENTRIES as f32 / MOST)
    }

    /// Between two values, as if the ray went evenly from one to the other.
    #[inline(always)]
    pub(super) fn stretch(&self, from: f32, to: f32) -> Stretch {
        let [a, b] = [Self::place(from), Self::place(to)];
        if (a - b).abs() < 1.0 {
            return self.at(0.5 * (a + b));
        }
        let (low, high) = (self.integral(a.min(b)), self.integral(a.max(b)));
        let extinction = high[0] - low[0];
        if extinction <= 0.0 {
            return Stretch { extinction: 0.0, colour: [0.0; 3] };
        }
        let colour = [1, 2, 3].map(|c| ((high[c] - low[c]) / extinction) as f32);
        Stretch { extinction: (extinction / f64::from((a - b).abs())) as f32, colour }
    }

    /// At a place among the entries.
    #[inline(always)]
    fn at(&self, place: f32) -> Stretch {
        let n = (place as usize).min(ENTRIES - 1);
        let share = place - n as f32;
        let (low, high) = (self.ends[n], self.ends[n + 1]);
        let [extinction, r, g, b] = std::array::from_fn(|c| low[c] + share * (high[c] - low[c]));
        Stretch { extinction, colour: [r, g, b] }
    }

    #[inline(always)]
    fn integral(&self, place: f32) -> [f64; 4] {
        let n = (place as usize).min(ENTRIES - 1);
        let share = f64::from(place - n as f32);
        let (low, high) = (&self.integrals[n], &self.integrals[n + 1]);
        std::array::from_fn(|c| low[c] + share * (high[c] - low[c]))
    }

    /// The colour of a value.
    pub(super) fn colour(&self, value: f32) -> [f32; 3] {
        self.at(Self::place(value)).colour
    }

    /// Whether any value from `low` to `high` absorbs anything.
    pub(super) fn is_seen(&self, low: u16, high: u16) -> bool {
        let first = (Self::place(f32::from(low)) as usize).min(ENTRIES - 1);
        // Rounding may put a ray's value an entry further.
        let first = first.saturating_sub(1);
        let last = (Self::place(f32::from(high)) as usize + 1).min(ENTRIES - 1);
        let count = last + 1 - first;
        let span = count.ilog2() as usize;
        let of_span = &self.largest[span];
        of_span[first].max(of_span[last + 1 - (1 << span)]) > 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables(opacities: Vec<(f64, f32)>) -> Tables {
        let function =
            TransferFunction::new(vec![(0.0, [0.0, 0.5, 1.0]), (100.0, [1.0, 0.5, 0.0])], opacities);
        Tables::new(&function.unwrap(), [0.0, 100.0], 2.0)
    }

    #[test]
    fn a_stretch_is_the_mean_of_what_it_goes_through() {
        let tables = tables(vec![(0.0, 0.0), (50.0, 0.5), (50.0, 0.1), (100.0, 0.9)]);
        let value = |share: f64| (share * 65535.0) as f32;
        let mean = |from: f64, to: f64| {
            let steps = 20000;
            let each = (0..steps).map(|n| {
                f64::from(
                    tables
                        .stretch(
                            value(from + (to - from) * (n as f64 + 0.5) / steps as f64),
                            value(from + (to - from) * (n as f64 + 0.5) / steps as f64),
                        )
                        .extinction,
                )
            });
            each.sum::<f64>() / steps as f64
        };
        for (from, to) in [(0.1, 0.4), (0.9, 0.2), (0.45, 0.55), (0.2, 0.2003)] {
            let found = f64::from(tables.stretch(value(from), value(to)).extinction);
            assert!((found - mean(from, to)).abs() < 2e-3 * found, "{from} {to}: {found} {}", mean(from, to));
        }
        // Of an opacity of 0.49 by twice the unit, and the colour there.
        let found = tables.stretch(value(0.49), value(0.49));
        assert!((f64::from(found.extinction) + 0.51f64.ln() / 2.0).abs() < 1e-4);
        assert!((found.colour[0] - 0.49).abs() < 1e-3 && (found.colour[1] - 0.5).abs() < 1e-6);
    }

    #[test]
    fn what_is_seen_is_known_of_every_span() {
        let tables = tables(vec![(30.0, 0.0), (40.0, 0.5), (41.0, 0.5), (42.0, 0.0)]);
        let sixteen = |value: f64| (value / 100.0 * 65535.0) as u16;
        for (low, high, expected) in [
            (0.0, 29.9, false),
            (0.0, 31.0, true),
            (42.1, 100.0, false),
            (35.0, 35.0, true),
            (0.0, 100.0, true),
        ] {
            assert_eq!(tables.is_seen(sixteen(low), sixteen(high)), expected, "{low} {high}");
        }
        assert!(tables.stretch(0.0, 65535.0).extinction > 0.0);
        assert_eq!(tables.stretch(0.0, 0.29 * 65535.0).extinction, 0.0);
    }
}
