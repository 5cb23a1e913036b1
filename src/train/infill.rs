//! Values for masked voxels that cost the least: smooth, and continuous with the measurements around them.

use rayon::prelude::*;

/// Sweeps of relaxation at each resolution: one leaves the steps of the coarser grid, and more than these did not make
/// files smaller.
const SWEEPS: usize = 4;

/// Gives every value whose code is not 0 one that is smooth between those whose code is: from coarse grids to fine ones,
/// each time relaxed towards the mean of the neighbours. Nothing known gives zeros. On the threads of the pool that this
/// runs on; their number does not change the result.
pub(super) fn infill(values: &mut [f32], codes: &[u8], shape: [usize; 3]) {
    let known = codes.par_iter().filter(|&&code| code == 0).count();
    if known == codes.len() {
        return;
    }
    if known == 0 || codes.len() == 1 {
        (values.iter_mut().zip(codes)).filter(|(_, code)| **code != 0).for_each(|(value, _)| *value = 0.0);
        return;
    }
    let shape = with_planes(shape);
    let (mut coarse, coarse_codes) = halved(values, codes, shape);
    let coarse_shape = shape.map(|n| n.div_ceil(2));
    infill(&mut coarse, &coarse_codes, coarse_shape);
    drop(coarse_codes);
    let [nx, ny, _] = shape;
    values.par_chunks_mut(nx).zip(codes.par_chunks(nx)).enumerate().for_each(|(row, (values, codes))| {
        let [y, z] = [row % ny / 2, row / ny / 2];
        let coarse = &coarse[coarse_shape[0] * (y + coarse_shape[1] * z)..];
        for (x, (value, _)) in values.iter_mut().zip(codes).enumerate().filter(|(_, (_, code))| **code != 0) {
            *value = coarse[x / 2];
        }
    });
    drop(coarse);
    relax(values, codes, shape);
}

/// The same grid with its extent along y last where it has a single plane, so that there are planes to share out.
fn with_planes(shape: [usize; 3]) -> [usize; 3] {
    let mut axes: Vec<usize> = shape.into_iter().filter(|&n| n > 1).collect();
    if axes.len() == 2 {
        axes.insert(1, 1);
    }
    std::array::from_fn(|a| axes.get(a).copied().unwrap_or(1))
}

/// The grid of half as many values along each axis: the means of what is known, and codes.
fn halved(values: &[f32], codes: &[u8], shape: [usize; 3]) -> (Vec<f32>, Vec<u8>) {
    let [nx, ny, nz] = shape;
    let [cx, cy, cz] = shape.map(|n| n.div_ceil(2));
    let mut means = vec![0.0; cx * cy * cz];
    let mut coarse_codes = vec![0; means.len()];
    let rows = means.par_chunks_mut(cx).zip(coarse_codes.par_chunks_mut(cx)).enumerate();
    rows.for_each_init(
        || vec![0u8; cx],
        |counts, (row, (means, coarse_codes))| {
            counts.fill(0);
            let [y, z] = [2 * (row % cy), 2 * (row / cy)];
            for (y, z) in [(y, z), (y + 1, z), (y, z + 1), (y + 1, z + 1)] {
                if y < ny && z < nz {
                    let start = nx * (y + ny * z);
                    for x in (0..nx).filter(|x| codes[start + x] == 0) {
                        means[x / 2] += values[start + x];
                        counts[x / 2] += 1;
                    }
                }
            }
            for ((mean, code), &count) in means.iter_mut().zip(coarse_codes).zip(&*counts) {
                *mean /= f32::from(count.max(1));
                *code = u8::from(count == 0);
            }
        },
    );
    (means, coarse_codes)
}

/// Moves what is not known towards the mean of its neighbours, in place: every other plane at a time, so that the planes
/// beside one stand still while it is swept.
fn relax(values: &mut [f32], codes: &[u8], shape: [usize; 3]) {
    let [nx, ny, _] = shape;
    let (mut even, mut odd) = (Vec::new(), Vec::new());
    for (z, plane) in values.chunks_mut(nx * ny).enumerate() {
        if z % 2 == 0 { even.push(plane) } else { odd.push(plane) }
    }
    for _ in 0..SWEEPS {
        for parity in 0..2 {
            let (moving, still) = if parity == 0 { (&mut even, &odd) } else { (&mut odd, &even) };
            moving.par_iter_mut().enumerate().for_each_init(
                || vec![0.0; nx],
                |sums, (n, plane)| {
                    let codes = &codes[(2 * n + parity) * nx * ny..][..nx * ny];
                    let below = (n + parity).checked_sub(1).map(|n| &*still[n]);
                    let beside = [below, still.get(n + parity).map(|plane| &**plane)];
                    relax_plane(plane, codes, nx, beside, sums);
                },
            );
        }
    }
}

/// One sweep over a plane, from its first voxel to its last, between the planes `beside` it. `sums` is room for a row.
fn relax_plane(plane: &mut [f32], codes: &[u8], nx: usize, beside: [Option<&[f32]>; 2], sums: &mut [f32]) {
    for start in (0..plane.len()).step_by(nx) {
        let codes = &codes[start..start + nx];
        if codes.iter().all(|&code| code == 0) {
            continue;
        }
        let (before, rest) = plane.split_at_mut(start);
        let (row, after) = rest.split_at_mut(nx);
        sums.fill(0.0);
        let mut rows = 0.0;
        let within = [start.checked_sub(nx).map(|above| &before[above..]), after.get(..nx)];
        let across = beside.map(|plane| plane.map(|plane| &plane[start..start + nx]));
        for other in within.into_iter().chain(across).flatten() {
            rows += 1.0;
            sums.iter_mut().zip(other).for_each(|(sum, value)| *sum += value);
        }
        // The shares of a neighbour's value in the mean, at an end of the row and inside.
        let [at_end, inside] = [1.0, 2.0].map(|in_row: f32| 1.0 / (rows + in_row));
        let mut left = 0.0;
        for x in 0..nx {
            if codes[x] != 0 {
                let share = if x == 0 || x + 1 == nx { at_end } else { inside };
                let right = row.get(x + 1).copied().unwrap_or(0.0);
                row[x] = (sums[x] + right + left) * share;
            }
            left = row[x];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Codes of a volume where what `is_known` says is known.
    fn codes(len: usize, is_known: impl Fn(usize) -> bool) -> Vec<u8> {
        (0..len).map(|at| u8::from(!is_known(at))).collect()
    }

    #[test]
    fn a_plane_with_a_hole_is_nearly_a_plane_again() {
        let shape = [20, 18, 16];
        let plane = |at: usize| (at % 20) as f32 * 0.02 + (at / 20 % 18) as f32 * 0.01;
        let codes =
            codes(20 * 18 * 16, |at| ![at % 20, at / 20 % 18, at / 360].iter().all(|n| (5..11).contains(n)));
        let mut values: Vec<f32> =
            (0..codes.len()).map(|at| if codes[at] == 0 { plane(at) } else { 1e20 }).collect();
        infill(&mut values, &codes, shape);
        for at in 0..values.len() {
            let off = (values[at] - plane(at)).abs();
            assert!(if codes[at] == 0 { off == 0.0 } else { off < 0.02 }, "{off} at {at}");
        }
    }

    #[test]
    fn corners_and_nothing_known_end() {
        for shape in [[5, 1, 1], [1, 5, 1], [1, 1, 5]] {
            let mut values = vec![7.0, 9.0, 9.0, 9.0, 9.0];
            infill(&mut values, &[0, 1, 2, 3, 4], shape);
            assert!(values.iter().all(|v| (v - 7.0).abs() < 1e-5), "{values:?}");
            infill(&mut values, &[1; 5], shape);
            assert_eq!(values, [0.0; 5]);
        }
    }

    #[test]
    fn threads_and_axes_of_one_sample_change_nothing() {
        let len = 12 * 9 * 7;
        let codes = codes(len, |at| at % 11 == 3);
        let filled = |threads, shape| {
            let mut values: Vec<f32> = (0..len).map(|at| (at * at % 101) as f32).collect();
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| infill(&mut values, &codes, shape));
            values.into_iter().map(f32::to_bits).collect::<Vec<u32>>()
        };
        for shape in [[12, 9, 7], [108, 7, 1], [1, 108, 7], [108, 1, 7], [len, 1, 1]] {
            assert_eq!(filled(1, shape), filled(4, shape), "{shape:?}");
        }
        assert_eq!(filled(1, [108, 7, 1]), filled(4, [1, 108, 7]));
    }
}
