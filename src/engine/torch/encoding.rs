//! The encodings as tensor operations. All are differentiable, by the parameters and by the position.

use crate::field::Encoding;
use crate::field::encoding::{AxisWise, HashGrid, Level, PRIMES, Wave};
use std::f64::consts::PI;
use tch::{Kind, TchError, Tensor};

/// Features `[n, width]` in the parameters' kind, of float32 positions `[n, 3]`; `parameters` is the field's, flat.
pub(super) fn encode(
    encoding: &Encoding,
    parameters: &Tensor,
    positions: &Tensor,
) -> Result<Tensor, TchError> {
    match encoding {
        Encoding::HashGrid(grid) => hash_grid(grid, parameters, positions),
        Encoding::AxisWise(axis_wise) => self::axis_wise(axis_wise, positions)?.f_to_kind(parameters.kind()),
    }
}

fn hash_grid(grid: &HashGrid, parameters: &Tensor, positions: &Tensor) -> Result<Tensor, TchError> {
    let features = grid.features() as i64;
    let levels = grid.levels().iter().map(|level| {
        let (entries, weights) = corners(level, positions)?;
        let values = level.entries as i64 * features;
        let table = parameters.f_narrow(0, level.offset as i64, values)?.f_view([-1, features])?;
        let of_corners = table.f_index_select(0, &entries.f_reshape([-1])?)?.f_view([-1, 8, features])?;
        let weights = weights.f_to_kind(parameters.kind())?.f_unsqueeze(-1)?;
        of_corners.f_mul(&weights)?.f_sum_dim_intlist([1i64].as_slice(), false, parameters.kind())
    });
    Tensor::f_cat(&levels.collect::<Result<Vec<_>, _>>()?, 1)
}

/// Table entries (int64) and trilinear weights (float32) of the eight corners of every position's cell, `[n, 8]`.
fn corners(level: &Level, positions: &Tensor) -> Result<(Tensor, Tensor), TchError> {
    let multipliers: [i64; 3] = if level.dense {
        let [nx, ny, _] = level.vertices().map(|n| n as i64);
        [1, nx, nx * ny]
    } else {
        PRIMES.map(i64::from)
    };
    // Each axis: the scaled vertex and its weight, for the lower and the upper one.
    let mut along = Vec::with_capacity(3);
    for (axis, multiplier) in multipliers.into_iter().enumerate() {
        let cells = i64::from(level.resolution[axis]);
        let scaled = positions.f_select(1, axis as i64)?.f_mul_scalar(cells as f64)?;
        let cell = scaled.f_floor()?.f_clamp(0.0, (cells - 1).max(0) as f64)?.f_detach()?;
        let fraction = scaled.f_sub(&cell)?;
        let lower = cell.f_to_kind(Kind::Int64)?;
        let upper = lower.f_add_scalar(1)?.f_clamp_max(cells)?;
        let vertex = |v: &Tensor| v.f_mul_scalar(multiplier);
        let below = fraction.f_neg()?.f_add_scalar(1.0)?;
        along.push([(vertex(&lower)?, below), (vertex(&upper)?, fraction)]);
    }
    let (mut entries, mut weights) = (Vec::with_capacity(8), Vec::with_capacity(8));
    for corner in 0..8usize {
        let [x, y, z] = [0, 1, 2].map(|axis| &along[axis][corner >> axis & 1]);
        weights.push(x.1.f_mul(&y.1)?.f_mul(&z.1)?);
        entries.push(if level.dense {
            x.0.f_add(&y.0)?.f_add(&z.0)?
        } else {
            // A product of a vertex and a prime has 53 bits at most; the hash is of its low 32.
            x.0.f_bitwise_xor_tensor(&y.0)?
                .f_bitwise_xor_tensor(&z.0)?
                .f_bitwise_and(level.entries as i64 - 1)?
        });
    }
    Ok((Tensor::f_stack(&entries, 1)?, Tensor::f_stack(&weights, 1)?))
}

fn axis_wise(encoding: &AxisWise, positions: &Tensor) -> Result<Tensor, TchError> {
    let count = encoding.count() as i64;
    let n = positions.size()[0];
    // [n, 3, 1], for functions along the last axis.
    let t = positions.f_unsqueeze(-1)?;
    let numbers = Tensor::f_arange(count, (Kind::Float, positions.device()))?;
    let functions = match encoding.wave() {
        Wave::Identity => t.f_mul_scalar(2.0)?.f_sub_scalar(1.0)?,
        Wave::Frequency => {
            // Whole turns are taken off before pi comes in: they are exact, and sines of large numbers are not.
            let turns = t.f_mul(&numbers.f_exp2()?)?;
            let whole = turns.f_mul_scalar(0.5)?.f_round()?.f_mul_scalar(2.0)?;
            let angle = turns.f_sub(&whole)?.f_mul_scalar(PI)?;
            Tensor::f_stack(&[angle.f_sin()?, angle.f_cos()?], -1)?
        }
        Wave::TriangleWave => {
            let phase = t.f_mul(&numbers.f_exp2()?)?.f_mul_scalar(0.5)?;
            let fraction = phase.f_sub(&phase.f_floor()?)?;
            fraction.f_sub_scalar(0.5)?.f_abs()?.f_mul_scalar(4.0)?.f_sub_scalar(1.0)?
        }
        Wave::OneBlob => {
            let distance = t.f_mul_scalar(count as f64)?.f_sub(&numbers)?.f_sub_scalar(0.5)?;
            distance.f_square()?.f_mul_scalar(-0.5)?.f_exp()?
        }
    };
    functions.f_reshape([n, -1])
}
