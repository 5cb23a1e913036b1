//! The encodings without parameters: fixed functions of each coordinate.

use crate::field::encoding::{AxisWise, Wave, angular};

/// Features of `t`, a position along one axis, and their derivatives.
fn features(encoding: &AxisWise, t: f32) -> Vec<(f32, f32)> {
    let count = encoding.count();
    match encoding.wave() {
        Wave::Identity => vec![(2.0 * t - 1.0, 2.0)],
        Wave::Frequency => (0..count)
            .flat_map(|octave| {
                // In float64, since pi 2^k t has no room for a fraction in float32 when k is large.
                let omega = f64::from(1u32 << octave) * std::f64::consts::PI;
                let (sin, cos) = (omega * f64::from(t)).sin_cos();
                let (sin, cos) = (sin as f32, cos as f32);
                [(sin, angular(octave) * cos), (cos, -angular(octave) * sin)]
            })
            .collect(),
        Wave::TriangleWave => (0..count)
            .map(|octave| {
                let scale = (1u32 << octave) as f32;
                let phase = scale * t / 2.0;
                let phase = phase - phase.floor();
                let slope = if phase < 0.5 { -2.0 * scale } else { 2.0 * scale };
                (4.0 * (phase - 0.5).abs() - 1.0, slope)
            })
            .collect(),
        Wave::OneBlob => (0..count)
            .map(|bin| {
                let n = count as f32;
                let distance = n * t - bin as f32 - 0.5;
                let value = (-distance * distance / 2.0).exp();
                (value, -distance * n * value)
            })
            .collect(),
    }
}

/// The features at a position: those of x, then of y, then of z.
pub(super) fn encode(encoding: &AxisWise, position: [f32; 3]) -> Vec<f32> {
    position.into_iter().flat_map(|t| features(encoding, t)).map(|(value, _)| value).collect()
}

/// The gradient by the position, given the gradient by each feature.
pub(super) fn by_position(encoding: &AxisWise, position: [f32; 3], of_features: &[f32]) -> [f32; 3] {
    let mut of_axes = of_features.chunks(encoding.features_an_axis());
    position.map(|t| {
        let of_axis = of_axes.next().unwrap_or_default();
        features(encoding, t).iter().zip(of_axis).map(|((_, slope), of_feature)| slope * of_feature).sum()
    })
}
