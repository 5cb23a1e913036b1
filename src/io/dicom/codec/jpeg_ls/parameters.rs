//! The parameters of a scan: defaults, presets, and what follows from them (ISO 14495-1, C.2.4.1 and A.2.1).

/// Preset parameters as a stream gives them; 0 stands for the default.
#[derive(Debug, Default)]
pub(super) struct Presets {
    largest: i32,
    thresholds: [i32; 3],
    reset: i32,
}

impl Presets {
    /// Reads an LSE segment.
    pub(super) fn read(&mut self, segment: &[u8]) -> Result<(), String> {
        match segment {
            [1, values @ ..] if values.len() == 10 => {
                let mut values = values.as_chunks().0.iter().map(|b| i32::from(u16::from_be_bytes(*b)));
                let mut next = || values.next().unwrap_or(0);
                self.largest = next();
                self.thresholds = [next(), next(), next()];
                self.reset = next();
                Ok(())
            }
            [1, ..] => Err("preset parameters of a wrong length".into()),
            // Mapping tables: of no effect unless the scan refers to them, which is refused there.
            [2 | 3, ..] => Ok(()),
            [4, ..] => Err("sizes beyond 65535, which is not supported".into()),
            _ => Err("preset parameters of an unknown kind".into()),
        }
    }
}

/// What a scan is decoded with.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Parameters {
    /// MAXVAL.
    pub(super) largest: i32,
    /// NEAR.
    pub(super) near: i32,
    /// T1 to T3: bounds of the classes of gradients.
    pub(super) thresholds: [i32; 3],
    /// RESET: at this many samples a context's sums are halved.
    pub(super) reset: i32,
    /// RANGE: how many values an error has.
    pub(super) range: i32,
    /// qbpp: bits of an error that is coded as it is.
    pub(super) error_bits: u32,
    /// LIMIT: the length of a code word.
    pub(super) limit: u32,
}

impl Parameters {
    pub(super) fn new(precision: u32, near: i32, presets: &Presets) -> Result<Self, String> {
        let most = (1 << precision) - 1;
        let given = |value: i32, default: i32| if value == 0 { default } else { value };
        let largest = given(presets.largest, most);
        if largest > most {
            return Err(format!("a largest value of {largest} in {precision} bits"));
        }
        if near > 255.min(largest / 2) {
            return Err(format!("differences of up to {near} allowed, where the largest value is {largest}"));
        }
        let [d1, d2, d3] = default_thresholds(largest, near);
        let [t1, t2, t3] = presets.thresholds;
        let thresholds = [given(t1, d1), given(t2, d2), given(t3, d3)];
        let reset = given(presets.reset, 64);
        let [t1, t2, t3] = thresholds;
        let ascend = near < t1 && t1 <= t2 && t2 <= t3 && t3 <= largest;
        if !ascend || !(3..=255.max(largest)).contains(&reset) {
            return Err(format!(
                "preset parameters that exclude each other: thresholds {thresholds:?} of {near} to {largest}, reset {reset}"
            ));
        }
        let step = 2 * near + 1;
        let range = (largest + 2 * near) / step + 1;
        let sample_bits = bits_for(largest + 1).max(2);
        Ok(Self {
            largest,
            near,
            thresholds,
            reset,
            range,
            error_bits: bits_for(range),
            limit: 2 * (sample_bits + sample_bits.max(8)),
        })
    }
}

/// The binary logarithm, rounded up.
fn bits_for(values: i32) -> u32 {
    i32::BITS - (values - 1).leading_zeros()
}

/// Thresholds where none are given (C.2.4.1.1.1).
fn default_thresholds(largest: i32, near: i32) -> [i32; 3] {
    let bounded = |value: i32, least: i32| if value > largest || value < least { least } else { value };
    let [low, middle, high] = if largest >= 128 {
        let factor = (largest.min(4095) + 128) / 256;
        [factor + 2 + 3 * near, factor * 4 + 3 + 5 * near, factor * 17 + 4 + 7 * near]
    } else {
        let factor = 256 / (largest + 1);
        [(3 / factor + 3 * near).max(2), (7 / factor + 5 * near).max(3), (21 / factor + 7 * near).max(4)]
    };
    let t1 = bounded(low, near + 1);
    let t2 = bounded(middle, t1);
    [t1, t2, bounded(high, t2)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_those_of_the_table() {
        // Table C.2 for the largest values that it has, and the example of annex H.
        assert_eq!(default_thresholds(255, 0), [3, 7, 21]);
        assert_eq!(default_thresholds(4095, 0), [18, 67, 276]);
        assert_eq!(default_thresholds(65535, 0), [18, 67, 276]);
        assert_eq!(default_thresholds(255, 3), [12, 22, 42]);
        // The least threshold counts after what is allowed was added.
        assert_eq!(default_thresholds(31, 1), [3, 5, 9]);
        assert_eq!(default_thresholds(3, 1), [3, 3, 3]);
        let of = |precision, near| Parameters::new(precision, near, &Presets::default()).unwrap();
        assert_eq!((of(8, 0).range, of(8, 0).error_bits, of(8, 0).limit), (256, 8, 32));
        assert_eq!((of(16, 0).range, of(16, 0).error_bits, of(16, 0).limit), (65536, 16, 64));
        assert_eq!((of(8, 3).range, of(8, 3).error_bits), (38, 6));
        assert_eq!((of(2, 0).range, of(2, 0).limit), (4, 20));
    }

    #[test]
    fn what_excludes_itself_is_refused() {
        let mut presets = Presets::default();
        presets.read(&[1, 0, 200, 0, 3, 0, 7, 0, 21, 0, 32]).unwrap();
        let parameters = Parameters::new(8, 0, &presets).unwrap();
        assert_eq!((parameters.largest, parameters.reset, parameters.range), (200, 32, 201));
        assert!(Parameters::new(7, 0, &presets).unwrap_err().contains("200 in 7 bits"));
        assert!(Parameters::new(8, 3, &presets).unwrap_err().contains("exclude each other"));
        assert!(Parameters::new(8, 101, &Presets { largest: 200, ..Presets::default() }).is_err());
        for damaged in [&[][..], &[1, 0], &[4, 0], &[9]] {
            assert!(Presets::default().read(damaged).is_err());
        }
    }
}
