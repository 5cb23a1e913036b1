//! Sine and cosine that compilers turn into vector code: no table, no branch.

use std::f32::consts::{FRAC_PI_2, PI};

/// `sin(pi r)` for r in `[-1/2, 1/2]`: the first terms of its series, the last coefficient fitted to the interval.
#[inline(always)]
fn sin_pi_core(r: f32) -> f32 {
    let x = r * PI;
    let s = x * x;
    let tail =
        s * (-1.666_666_5e-1 + s * (8.333_331e-3 + s * (-1.984_09e-4 + s * (2.755_73e-6 + s * -2.5e-8))));
    x + x * tail
}

/// `sin(pi r)` and `cos(pi r)`; the integer part of r is dropped exactly, so that large r lose nothing.
#[inline(always)]
pub(super) fn sin_cos_pi(r: f32) -> (f32, f32) {
    let r = r - 2.0 * (r * 0.5).round_ties_even();
    let a = r.abs();
    // sin(pi a) = sin(pi (1 - a)), which brings a into [0, 1/2]; cos(pi a) = sin(pi (1/2 - a)).
    (sin_pi_core(a.min(1.0 - a)).copysign(r), sin_pi_core(0.5 - a))
}

/// `sin(x)` and `cos(x)`: multiples of pi / 2 are taken off in three parts (Cody & Waite 1980), good to 1e-6 up to some
/// thousands.
#[inline(always)]
pub(super) fn sin_cos(x: f32) -> (f32, f32) {
    let turns = (x * (0.5 / PI)).round_ties_even();
    // 2 pi in three parts, the first two with trailing zeros.
    let r = x - turns * 6.281_25;
    let r = r - turns * 1.935_005_2e-3;
    let r = r - turns * 3.019_916e-7;
    let a = r.abs();
    let folded = if a > FRAC_PI_2 { PI - a } else { a };
    (sin_core(folded).copysign(r), sin_core(FRAC_PI_2 - a))
}

/// `sin(x)` for x in `[-pi/2, pi/2]`.
#[inline(always)]
fn sin_core(x: f32) -> f32 {
    let s = x * x;
    let tail =
        s * (-1.666_666_5e-1 + s * (8.333_331e-3 + s * (-1.984_09e-4 + s * (2.755_73e-6 + s * -2.5e-8))));
    x + x * tail
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_are_within_1e6_of_the_exact_ones() {
        for i in -40_000..40_000 {
            let x = i as f32 * 0.0137;
            let (sin, cos) = sin_cos(x);
            let (s, c) = f64::from(x).sin_cos();
            assert!(
                (f64::from(sin) - s).abs() < 1e-6 && (f64::from(cos) - c).abs() < 1e-6,
                "{x}: {sin} {cos}"
            );
            let (sin, cos) = sin_cos_pi(x);
            let (s, c) = (f64::from(x) * std::f64::consts::PI).sin_cos();
            assert!(
                (f64::from(sin) - s).abs() < 1e-6 && (f64::from(cos) - c).abs() < 1e-6,
                "pi {x}: {sin} {cos}"
            );
        }
    }
}
