//! Colours as components.

/// What the components of colours are called: those of RGB, or of RGB with an opacity.
pub(crate) const RGBA: [&str; 4] = ["R", "G", "B", "A"];

/// The parts of complex numbers.
pub(crate) const COMPLEX: [&str; 2] = ["real", "imaginary"];

/// RGB out of a luminance and two colour differences of full range (ITU-T T.871, section 7; PS3.3, C.7.6.3.1.2,
/// `YBR_FULL`), all of so many bits: the differences are 0 at half of the range.
pub(crate) fn rgb_of_ybr([y, cb, cr]: [u32; 3], bits: u32) -> [u32; 3] {
    let half = f64::from(1u32 << (bits - 1));
    let most = 2.0 * half - 1.0;
    let (y, cb, cr) = (f64::from(y), f64::from(cb) - half, f64::from(cr) - half);
    let (red, green, blue) = (0.299, 0.587, 0.114);
    let rgb = [
        y + 2.0 * (1.0 - red) * cr,
        y - (2.0 * blue * (1.0 - blue) * cb + 2.0 * red * (1.0 - red) * cr) / green,
        y + 2.0 * (1.0 - blue) * cb,
    ];
    rgb.map(|value| (value + 0.5).floor().clamp(0.0, most) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_of_known_luminance() {
        for (ybr, rgb) in [
            ([0, 128, 128], [0, 0, 0]),
            ([255, 128, 128], [255, 255, 255]),
            ([76, 85, 255], [254, 0, 0]),
            ([150, 44, 21], [0, 255, 1]),
            ([29, 255, 107], [0, 0, 254]),
            ([100, 128, 228], [240, 29, 100]),
        ] {
            assert_eq!(rgb_of_ybr(ybr, 8), rgb, "{ybr:?}");
        }
        assert_eq!(rgb_of_ybr([4095, 2048, 2048], 12), [4095; 3]);
        assert_eq!(rgb_of_ybr([65535, 65535, 32768], 16), [65535, 54259, 65535]);
    }
}
