//! An open volume for C++: what it is, regions, levels, points, tensors.

use super::engines::engine;
use super::{Failure, ffi, guard, observed, type_named};
use crate::container::Description;
use crate::dlpack;
use crate::metrics::Fidelity;
use crate::sample::{LevelOfDetail, NeuralVolume, OpenOptions, Outside, PointSample, Region, Space};
use crate::volume::{Association, Geometry, SamplesMut};
use std::sync::Arc;

/// An open file, and why it is not on the device that was asked for.
pub struct OpenVolume(pub(super) Arc<NeuralVolume>, pub(super) Option<String>);

pub(super) fn open(
    path: &str,
    choice: ffi::Choice,
    device: &str,
    threads: usize,
    cache_bytes: usize,
) -> Result<Box<OpenVolume>, Failure> {
    guard(|| {
        let (engine, note) = engine(device, threads)?;
        let options = OpenOptions {
            cache_bytes,
            array: choice.array.into_iter().next(),
            component: choice.component.first().copied(),
            time_step: choice.time_step.first().copied(),
            ..OpenOptions::from(engine)
        };
        Ok(Box::new(OpenVolume(Arc::new(NeuralVolume::open_with(path, options)?), note)))
    })
}

impl OpenVolume {
    pub(super) fn device_note(&self) -> Result<String, Failure> {
        guard(|| Ok(self.1.clone().unwrap_or_default()))
    }

    pub(super) fn describe(&self) -> Result<ffi::Description, Failure> {
        guard(|| {
            let info = self.0.info();
            let levels = self.0.levels().into_iter();
            Ok(ffi::Description {
                grid: grid(info, LevelOfDetail { shape: info.shape, stride: [1; 3] }),
                levels: levels
                    .map(|level| ffi::Level { grid: grid(info, level), stride: level.stride })
                    .collect(),
                sample_type: info.sample_type.name().into(),
                name: info.name.clone(),
                unit: info.unit.clone(),
                range: info.range.map_or([f64::NAN; 2], |(low, high)| [low, high]),
                fill_range: fill_range(info),
                file_bytes: self.0.file_bytes(),
                ratio: self.0.ratio(),
                ratio_float32: self.0.ratio_f32(),
                fidelity: fidelity(&info.fidelity()),
                model: self.0.model_summary(),
                writer: info.writer.clone(),
            })
        })
    }

    pub(super) fn evaluated(&self) -> Result<u64, Failure> {
        guard(|| Ok(self.0.evaluated()))
    }

    pub(super) fn read(
        &self,
        region: ffi::Box3,
        sample_type: &str,
        out: &mut [u8],
        observer: &ffi::Observer,
    ) -> Result<(), Failure> {
        guard(|| {
            let mut out = room(sample_type, out)?;
            let ffi::Box3 { start, end, stride } = region;
            observed(observer, |go_on| {
                self.0.read_region_into(Region { start, end }, stride, &mut out, go_on)
            })
        })
    }

    pub(super) fn read_level(
        &self,
        level: usize,
        region: ffi::Box3,
        sample_type: &str,
        out: &mut [u8],
        observer: &ffi::Observer,
    ) -> Result<(), Failure> {
        guard(|| {
            let mut out = room(sample_type, out)?;
            let ffi::Box3 { start, end, stride } = region;
            if stride != 1 {
                let what = "a level of detail is read with all of its samples";
                return Err(Failure(format!("{what}: the region's stride is 1, not {stride}")));
            }
            observed(observer, |go_on| self.0.read_level_into(level, Region { start, end }, &mut out, go_on))
        })
    }

    pub(super) fn read_tensor(
        &self,
        region: ffi::Box3,
        sample_type: &str,
        on_device: bool,
        observer: &ffi::Observer,
    ) -> Result<*mut ffi::DLManagedTensorVersioned, Failure> {
        guard(|| {
            let ffi::Box3 { start, end, stride } = region;
            let region = Region { start, end };
            let sample_type = type_named(sample_type)?;
            let tensor = observed(observer, |go_on| {
                if on_device {
                    return self.region_on_device(region, stride, sample_type, go_on);
                }
                let volume = self.0.read_region_as(region, stride, sample_type, go_on);
                volume.and_then(dlpack::export).map_err(Failure::from)
            })?;
            Ok(tensor.into_raw().cast())
        })
    }

    pub(super) fn sample_tensor(
        &self,
        points: &[f64],
        how: ffi::Points,
        on_device: bool,
    ) -> Result<*mut ffi::DLManagedTensorVersioned, Failure> {
        guard(|| {
            let points = points.as_chunks::<3>().0;
            let (space, outside) = interpretation(&how);
            let tensor = if on_device {
                self.points_on_device(points, space, outside)?
            } else {
                let mut values = vec![0.0; points.len()];
                self.0.values_at(points, space, outside, &mut values)?;
                dlpack::export_values(values, &[points.len()])?
            };
            Ok(tensor.into_raw().cast())
        })
    }

    pub(super) fn probe(
        &self,
        points: &[f64],
        how: ffi::Points,
        values: &mut [f64],
        valid: &mut [u8],
        gradients: &mut [f64],
    ) -> Result<(), Failure> {
        guard(|| {
            let (points, rest) = points.as_chunks::<3>();
            let count = points.len();
            let with_gradients = !gradients.is_empty();
            let rooms = [values.len(), valid.len(), if with_gradients { gradients.len() / 3 } else { count }];
            if !rest.is_empty() || rooms != [count; 3] {
                return Err(Failure(format!("{count} points, but room for {rooms:?} results")));
            }
            let (space, outside) = interpretation(&how);
            // Chunk by chunk: what is kept beside the caller's own memory stays small.
            const CHUNK: usize = 1 << 16;
            let mut samples = vec![PointSample::default(); count.min(CHUNK)];
            for first in (0..count).step_by(CHUNK) {
                let chunk = first..(first + CHUNK).min(count);
                let samples = &mut samples[..chunk.len()];
                if with_gradients {
                    let points = &points[chunk.clone()];
                    if how.smooth {
                        self.0.values_and_smooth_gradients_at(points, space, outside, samples)?;
                    } else {
                        self.0.values_and_gradients_at(points, space, outside, samples)?;
                    }
                    let gradients = &mut gradients.as_chunks_mut::<3>().0[chunk.clone()];
                    gradients.iter_mut().zip(samples.iter()).for_each(|(g, sample)| *g = sample.gradient);
                } else {
                    self.0.probe(&points[chunk.clone()], space, outside, samples)?;
                }
                for (i, sample) in chunk.zip(samples.iter()) {
                    values[i] = sample.value;
                    valid[i] = sample.valid.into();
                }
            }
            Ok(())
        })
    }
}

/// Where the samples of a level lie.
fn grid(info: &Description, level: LevelOfDetail) -> ffi::Grid {
    let Geometry { origin, spacing, direction, frame } = info.geometry;
    ffi::Grid {
        shape: level.shape,
        origin,
        spacing: std::array::from_fn(|a| spacing[a] * level.stride[a] as f64),
        direction: std::array::from_fn(|n| direction[n / 3][n % 3]),
        frame: frame.name().into(),
        cells: info.association != Association::Point,
        flat: match info.association {
            Association::Point => [false; 3],
            Association::Cell { flat } => flat,
        },
    }
}

/// The caller's memory, as samples of a type.
fn room<'a>(sample_type: &str, out: &'a mut [u8]) -> Result<SamplesMut<'a>, Failure> {
    let sample_type = type_named(sample_type)?;
    SamplesMut::from_bytes(sample_type, out)
        .ok_or_else(|| Failure(format!("the memory for the voxels does not hold {sample_type}")))
}

/// Lowest and highest value of masked voxels, as a file says them.
fn fill_range(info: &Description) -> [f64; 2] {
    let value = info.fill_value.unwrap_or(f64::NAN);
    [value, info.fill_limit.unwrap_or(value)]
}

pub(super) fn fidelity(fidelity: &Fidelity) -> ffi::Fidelity {
    let Fidelity { distortion, noise, bias, largest, similarity, bands } = fidelity;
    ffi::Fidelity {
        psnr: distortion.psnr,
        rmse: distortion.rmse,
        max_error: distortion.max_error,
        max_error_voxel: largest.map(Vec::from).unwrap_or_default(),
        bias: *bias,
        noise: noise.unwrap_or(f64::NAN),
        ssim: similarity.unwrap_or(f64::NAN),
        bands: bands
            .iter()
            .map(|errors| ffi::Band {
                name: errors.band.name.into(),
                from: errors.band.from.unwrap_or(f64::NEG_INFINITY),
                below: errors.band.below.unwrap_or(f64::INFINITY),
                share: errors.share,
                bias: errors.bias,
                rmse: errors.rmse,
            })
            .collect(),
    }
}

fn interpretation(how: &ffi::Points) -> (Space, Outside) {
    let space = if how.world { Space::World } else { Space::Index };
    (space, if how.clamp { Outside::Clamp } else { Outside::Value(how.outside) })
}
