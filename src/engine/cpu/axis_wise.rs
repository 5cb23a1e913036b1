//! The encodings without parameters, on tiles of samples and on lattices.

use super::sine::sin_cos_pi;
use crate::engine::Lattice;
use crate::field::encoding::{AxisWise, Wave, angular};

/// Distance, in bins, from which on a blob is below 2e-8 and taken as 0.
const BLOB_REACH: f32 = 6.0;

/// Features of `t`, a position along one axis.
#[inline(always)]
fn features(encoding: &AxisWise, t: f32, out: &mut [f32]) {
    match encoding.wave() {
        Wave::Identity => out[0] = 2.0 * t - 1.0,
        Wave::Frequency => {
            for (octave, pair) in out.chunks_exact_mut(2).enumerate() {
                (pair[0], pair[1]) = sin_cos_pi((1u32 << octave) as f32 * t);
            }
        }
        Wave::TriangleWave => {
            for (octave, out) in out.iter_mut().enumerate() {
                let phase = (1u32 << octave) as f32 * t * 0.5;
                *out = 4.0 * (phase - phase.floor() - 0.5).abs() - 1.0;
            }
        }
        Wave::OneBlob => {
            let centre = out.len() as f32 * t - 0.5;
            out.fill(0.0);
            let first = (centre - BLOB_REACH).max(0.0) as usize;
            let end = ((centre + BLOB_REACH).max(0.0) as usize + 1).min(out.len());
            for (bin, out) in out.iter_mut().enumerate().take(end).skip(first) {
                let distance = centre - bin as f32;
                *out = (-0.5 * distance * distance).exp();
            }
        }
    }
}

/// The derivative by `t` of what the features are weighted with `of_features`.
#[inline(always)]
fn slope(encoding: &AxisWise, t: f32, of_features: &[f32]) -> f32 {
    match encoding.wave() {
        Wave::Identity => 2.0 * of_features[0],
        Wave::Frequency => {
            let octaves = of_features.chunks_exact(2).enumerate();
            let terms = octaves.map(|(octave, of)| {
                let (sin, cos) = sin_cos_pi((1u32 << octave) as f32 * t);
                angular(octave) * (of[0] * cos - of[1] * sin)
            });
            terms.sum()
        }
        Wave::TriangleWave => {
            let terms = of_features.iter().enumerate().map(|(octave, of)| {
                let scale = (1u32 << octave) as f32;
                let phase = scale * t * 0.5;
                if phase - phase.floor() < 0.5 { -2.0 * scale * of } else { 2.0 * scale * of }
            });
            terms.sum()
        }
        Wave::OneBlob => {
            let bins = of_features.len() as f32;
            let terms = of_features.iter().enumerate().map(|(bin, of)| {
                let distance = bins * t - bin as f32 - 0.5;
                -distance * bins * (-0.5 * distance * distance).exp() * of
            });
            terms.sum()
        }
    }
}

/// Features of up to a tile of positions, `[sample][stride]`.
#[inline(always)]
pub(super) fn encode(encoding: &AxisWise, positions: &[[f32; 3]], out: &mut [f32], stride: usize) {
    let an_axis = encoding.features_an_axis();
    for (position, out) in positions.iter().zip(out.chunks_exact_mut(stride)) {
        for (t, out) in position.iter().zip(out.chunks_exact_mut(an_axis)) {
            features(encoding, *t, out);
        }
    }
}

/// The gradient by the positions.
#[inline(always)]
pub(super) fn by_position(
    encoding: &AxisWise,
    positions: &[[f32; 3]],
    of_features: &[f32],
    stride: usize,
    out: &mut [[f32; 3]],
) {
    let an_axis = encoding.features_an_axis();
    for ((position, of), out) in positions.iter().zip(of_features.chunks_exact(stride)).zip(out) {
        for axis in 0..3 {
            out[axis] = slope(encoding, position[axis], &of[axis * an_axis..(axis + 1) * an_axis]);
        }
    }
}

/// The features of every point of a lattice's axes: a lattice needs no more.
pub(super) struct LatticeFeatures {
    an_axis: usize,
    axes: [Vec<f32>; 3],
}

impl LatticeFeatures {
    pub(super) fn new(encoding: &AxisWise, lattice: &Lattice) -> Self {
        let an_axis = encoding.features_an_axis();
        let axes = [0, 1, 2].map(|axis| {
            let mut table = vec![0.0; lattice.axes[axis].len() * an_axis];
            for (t, out) in lattice.axes[axis].iter().zip(table.chunks_exact_mut(an_axis)) {
                features(encoding, *t, out);
            }
            table
        });
        Self { an_axis, axes }
    }

    /// Room that a row needs: the features of y and z.
    pub(super) fn row_len(&self) -> usize {
        2 * self.an_axis
    }

    pub(super) fn begin_row(&self, (iy, iz): (usize, usize), row: &mut [f32]) {
        let (y, z) = row.split_at_mut(self.an_axis);
        y.copy_from_slice(&self.axes[1][iy * self.an_axis..][..self.an_axis]);
        z.copy_from_slice(&self.axes[2][iz * self.an_axis..][..self.an_axis]);
    }

    #[inline(always)]
    pub(super) fn encode_row(
        &self,
        row: &[f32],
        (from, count): (usize, usize),
        out: &mut [f32],
        stride: usize,
    ) {
        let n = self.an_axis;
        let xs = self.axes[0][from * n..(from + count) * n].chunks_exact(n);
        for (x, out) in xs.zip(out.chunks_mut(stride)) {
            out[..n].copy_from_slice(x);
            out[n..3 * n].copy_from_slice(&row[..2 * n]);
        }
    }
}
