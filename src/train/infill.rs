//! Values for masked voxels that cost the least: smooth, and continuous with the measurements around them.

/// Sweeps of relaxation at each resolution.
const SWEEPS: usize = 6;

/// Gives every value that is not `known` one that is smooth between those that are: from coarse grids to fine ones, each
/// time relaxed towards the mean of the neighbours. Nothing known gives zeros.
pub(super) fn infill(values: &mut [f32], known: &[bool], shape: [usize; 3]) {
    let unknown: Vec<usize> = (0..known.len()).filter(|&at| !known[at]).collect();
    if unknown.is_empty() {
        return;
    }
    if known.len() == 1 || unknown.len() == known.len() {
        unknown.iter().for_each(|&at| values[at] = 0.0);
        return;
    }
    let [nx, ny, _] = shape;
    let coarse_shape = shape.map(|n| n.div_ceil(2));
    let cell = |at: usize| {
        let [x, y, z] = [at % nx, at / nx % ny, at / nx / ny].map(|n| n / 2);
        x + coarse_shape[0] * (y + coarse_shape[1] * z)
    };
    let mut sums = vec![(0.0f32, 0u32); coarse_shape.iter().product()];
    for at in (0..known.len()).filter(|&at| known[at]) {
        let (sum, count) = &mut sums[cell(at)];
        (*sum, *count) = (*sum + values[at], *count + 1);
    }
    let mut coarse: Vec<f32> = sums.iter().map(|(sum, count)| sum / (*count).max(1) as f32).collect();
    let coarse_known: Vec<bool> = sums.iter().map(|(_, count)| *count > 0).collect();
    drop(sums);
    infill(&mut coarse, &coarse_known, coarse_shape);
    unknown.iter().for_each(|&at| values[at] = coarse[cell(at)]);
    let steps = [1, nx, nx * ny];
    for _ in 0..SWEEPS {
        for &at in &unknown {
            let place = [at % nx, at / nx % ny, at / nx / ny];
            let (mut sum, mut count) = (0.0, 0.0f32);
            for a in 0..3 {
                if place[a] > 0 {
                    (sum, count) = (sum + values[at - steps[a]], count + 1.0);
                }
                if place[a] + 1 < shape[a] {
                    (sum, count) = (sum + values[at + steps[a]], count + 1.0);
                }
            }
            values[at] = sum / count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plane_with_a_hole_is_nearly_a_plane_again() {
        let shape = [20, 18, 16];
        let plane = |at: usize| (at % 20) as f32 * 0.02 + (at / 20 % 18) as f32 * 0.01;
        let known: Vec<bool> = (0..20 * 18 * 16)
            .map(|at| ![at % 20, at / 20 % 18, at / 360].iter().all(|n| (5..11).contains(n)))
            .collect();
        let mut values: Vec<f32> =
            (0..known.len()).map(|at| if known[at] { plane(at) } else { 1e20 }).collect();
        infill(&mut values, &known, shape);
        for at in 0..values.len() {
            let off = (values[at] - plane(at)).abs();
            assert!(if known[at] { off == 0.0 } else { off < 0.02 }, "{off} at {at}");
        }
    }

    #[test]
    fn corners_and_nothing_known_end() {
        let mut values = vec![7.0, 9.0, 9.0, 9.0, 9.0];
        infill(&mut values, &[true, false, false, false, false], [5, 1, 1]);
        assert!(values.iter().all(|v| (v - 7.0).abs() < 1e-5), "{values:?}");
        infill(&mut values, &[false; 5], [1, 5, 1]);
        assert_eq!(values, [0.0; 5]);
    }
}
