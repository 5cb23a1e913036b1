//! Compression for C++: what it hands over becomes a volume, what is achieved goes back.

use super::engines::{cpu, engine};
use super::messages::heard;
use super::{Failure, OpenVolume, ffi, guard, observed, type_named};
use crate::dlpack;
use crate::io::Limits;
use crate::io::elements::{self, ByteOrder, StoredType};
use crate::sample::NeuralVolume;
use crate::train::{self, CompressOptions, Preset, Progress, Quality, Stage, Target};
use crate::volume::{Association, Frame, Geometry, Samples, Volume};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// A compressed volume that is not yet a file, and what was said meanwhile.
pub struct CompressedVolume {
    compressed: train::Compressed,
    warnings: Vec<String>,
}

/// A volume that came as a tensor, before it is compressed.
pub struct ImportedVolume(Volume);

pub(super) fn compress(
    samples: &[u8],
    sample_type: &str,
    labels: ffi::Labels,
    request: ffi::Request,
    observer: &ffi::Observer,
) -> Result<Box<CompressedVolume>, Failure> {
    guard(|| {
        let (volume, warnings) = volume_of(samples, (0, 1), sample_type, &labels)?;
        compressed(&volume, request, warnings, observer)
    })
}

/// A component, counted from 0, of an array of so many, whose samples lie one behind the other in each voxel; and what is to be
/// said of it.
pub(super) fn volume_of(
    samples: &[u8],
    component: (usize, usize),
    sample_type: &str,
    labels: &ffi::Labels,
) -> Result<(Volume, Vec<String>), Failure> {
    let (volume, mut warnings) = heard(|| -> Result<Volume, Failure> {
        let voxels = labels.grid.shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
        let samples = samples_of(samples, component, sample_type, voxels.unwrap_or(usize::MAX))?;
        let mut volume = Volume::new(samples, labels.grid.shape)?;
        volume.provenance.insert("source".into(), "VTK image data".into());
        label(&mut volume, labels)?;
        Ok(volume)
    });
    let volume = volume?;
    if volume.sample_type().name() != sample_type {
        let kept = volume.sample_type();
        warnings.push(format!(
            "the samples of '{}' are {sample_type}; all of them fit into {kept}, and that is the type in which the file \
             keeps them and readers give them back",
            volume.name
        ));
    }
    Ok((volume, warnings))
}

/// # Safety
/// As for [`dlpack::import`].
pub(super) unsafe fn import_tensor(
    tensor: *mut ffi::DLManagedTensorVersioned,
) -> Result<Box<ImportedVolume>, Failure> {
    guard(|| {
        let tensor = tensor.cast::<dlpack::DLManagedTensorVersioned>();
        // SAFETY: the caller's guarantee, which `neuvol.h` asks for.
        let volume = unsafe { dlpack::import(tensor, &Limits::default()) }?;
        Ok(Box::new(ImportedVolume(volume)))
    })
}

pub(super) fn compress_imported(
    imported: Box<ImportedVolume>,
    labels: ffi::Labels,
    request: ffi::Request,
    observer: &ffi::Observer,
) -> Result<Box<CompressedVolume>, Failure> {
    guard(|| {
        let mut volume = imported.0;
        label(&mut volume, &labels)?;
        compressed(&volume, request, Vec::new(), observer)
    })
}

/// Says of the samples where they lie and what they are.
pub(super) fn label(volume: &mut Volume, labels: &ffi::Labels) -> Result<(), Failure> {
    let ffi::Labels { grid, name, unit, fill_range } = labels;
    let frame = Frame::from_name(&grid.frame).ok_or_else(|| {
        let [unknown, lps] = [Frame::Unknown, Frame::Lps].map(Frame::name);
        Failure(format!("the frame '{}' is unknown: '{lps}' or '{unknown}'", grid.frame))
    })?;
    let shape = volume.shape();
    if (0..3).any(|a| grid.cells && grid.flat[a] && shape[a] > 1) {
        return Err(Failure(format!("a grid of {shape:?} cells is not flat along an axis of several cells")));
    }
    volume.geometry = Geometry {
        origin: grid.origin,
        spacing: grid.spacing,
        direction: std::array::from_fn(|row| std::array::from_fn(|a| grid.direction[3 * row + a])),
        frame,
    };
    volume.association = if grid.cells { Association::Cell { flat: grid.flat } } else { Association::Point };
    if !name.is_empty() {
        volume.name = name.clone();
    }
    volume.unit = unit.clone();
    let [fill, limit] =
        fill_range.map(|value| (!value.is_nan()).then(|| volume.sample_type().nearest(value)));
    volume.fill_value = fill;
    volume.fill_limit = limit.filter(|_| fill.is_some() && limit != fill);
    Ok(())
}

/// Compresses to what the request asks for; `warnings` are those so far.
fn compressed(
    volume: &Volume,
    request: ffi::Request,
    mut warnings: Vec<String>,
    observer: &ffi::Observer,
) -> Result<Box<CompressedVolume>, Failure> {
    let options = options_of(&request)?;
    let engine = options.device.training_engine_beside(cpu(request.threads)?)?;
    let (compressed, said) =
        watched(observer, |observe| train::compress_on(engine, volume, &options, observe))?;
    warnings.extend(said);
    Ok(Box::new(CompressedVolume { compressed, warnings }))
}

/// Does a compression under observation, and gives what was said meanwhile.
pub(super) fn watched<T>(
    observer: &ffi::Observer,
    work: impl FnOnce(&mut dyn FnMut(&Progress) -> ControlFlow<()>) -> crate::Result<T>,
) -> Result<(T, Vec<String>), Failure> {
    let mut fraction = 0.0;
    let (done, said) = heard(|| {
        observed(observer, |go_on| {
            work(&mut |progress| {
                fraction = fraction_done(progress, fraction);
                go_on(fraction)
            })
        })
    });
    Ok((done?, said))
}

/// What a request asks for.
pub(super) fn options_of(request: &ffi::Request) -> Result<CompressOptions, Failure> {
    let target = match request.target {
        ffi::TargetKind::Preview => Target::Quality(Quality::Preview),
        ffi::TargetKind::Standard => Target::Quality(Quality::Standard),
        ffi::TargetKind::Fine => Target::Quality(Quality::Fine),
        ffi::TargetKind::Psnr => Target::Psnr(request.target_value),
        ffi::TargetKind::Ratio => Target::Ratio(request.target_value),
        ffi::TargetKind::Size => Target::Size(request.target_value.max(0.0) as u64),
        ffi::TargetKind::MaxError => Target::MaxError(request.target_value),
        ffi::TargetKind::Lossless => Target::Lossless,
        _ => return Err(Failure("this target is unknown".into())),
    };
    let preset = match request.preset.as_str() {
        "fast" => Preset::Fast,
        "balanced" => Preset::Balanced,
        "best" => Preset::Best,
        other => return Err(Failure(format!("the preset {other:?} is unknown: fast, balanced, best"))),
    };
    Ok(CompressOptions { target, preset, seed: request.seed, ..Default::default() })
}

/// What was achieved.
pub(super) fn outcome(compressed: &train::Compressed, warnings: Vec<String>) -> ffi::Outcome {
    let train::Compressed { bytes, fidelity, ratio, ratio_f32, model, .. } = compressed;
    ffi::Outcome {
        file_bytes: bytes.len() as u64,
        ratio: *ratio,
        ratio_float32: *ratio_f32,
        fidelity: super::fidelity(fidelity),
        model: model.clone(),
        warnings,
    }
}

impl CompressedVolume {
    pub(super) fn save(&self, path: &str) -> Result<(), Failure> {
        guard(|| Ok(self.compressed.save(path)?))
    }

    pub(super) fn outcome(&self) -> Result<ffi::Outcome, Failure> {
        guard(|| Ok(outcome(&self.compressed, self.warnings.clone())))
    }

    pub(super) fn open_again(
        &self,
        device: &str,
        threads: usize,
        cache_bytes: usize,
    ) -> Result<Box<OpenVolume>, Failure> {
        guard(|| {
            let (engine, note) = engine(device, threads)?;
            let volume = NeuralVolume::from_bytes(&self.compressed.bytes, "the compressed volume", engine)?;
            Ok(Box::new(OpenVolume(Arc::new(volume.with_cache(cache_bytes)), note)))
        })
    }
}

/// One bar for the whole: the first run is most of the work, corrections move the rest. Never falls.
fn fraction_done(progress: &Progress, before: f64) -> f64 {
    let of_stage = progress.step as f64 / progress.steps.max(1) as f64;
    let now = match progress.stage {
        Stage::Training => 0.7 * of_stage,
        Stage::Coding => 0.8 * of_stage,
        Stage::Correcting => before + 0.1 * (1.0 - before) * of_stage,
        Stage::Reading | Stage::Measuring => before,
    };
    now.max(before).min(0.99)
}

/// Copies a component's samples out of the caller's memory; 64-bit integers are narrowed where their values fit.
fn samples_of(
    bytes: &[u8],
    (component, components): (usize, usize),
    sample_type: &str,
    voxels: usize,
) -> Result<Samples, Failure> {
    let wide = matches!(sample_type, "int64" | "uint64");
    let size = if wide { 8 } else { type_named(sample_type)?.size() };
    let count = voxels.checked_mul(components);
    if count.and_then(|count| count.checked_mul(size)) != Some(bytes.len()) || component >= components {
        let of = if components > 1 { format!(" of {components} components") } else { String::new() };
        return Err(Failure(format!("{} bytes are not {voxels} samples of {sample_type}{of}", bytes.len())));
    }
    let gathered: Vec<u8>;
    let bytes = if components == 1 {
        bytes
    } else {
        let tuples = bytes.chunks_exact(size * components);
        gathered = tuples.flat_map(|tuple| &tuple[size * component..][..size]).copied().collect();
        &gathered
    };
    let stored = match sample_type {
        "int64" => StoredType::I64,
        "uint64" => StoredType::U64,
        name => StoredType::Kept(type_named(name)?),
    };
    let image = Path::new("the image");
    Ok(elements::read_samples(image, &mut &bytes[..], stored, ByteOrder::NATIVE, voxels)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::Samples;

    #[test]
    fn wide_integers_are_narrowed_or_refused() {
        let bytes = |values: &[i64]| values.iter().flat_map(|v| v.to_ne_bytes()).collect::<Vec<u8>>();
        let narrowed = samples_of(&bytes(&[-3, 70_000]), (0, 1), "int64", 2).expect("they fit");
        assert_eq!(narrowed, Samples::I32(vec![-3, 70_000]));
        let large = i64::from(u32::MAX);
        assert_eq!(
            samples_of(&bytes(&[0, large]), (0, 1), "uint64", 2).expect("fit"),
            Samples::U32(vec![0, u32::MAX])
        );
        let failure = samples_of(&bytes(&[0, large + 1]), (0, 1), "int64", 2).expect_err("too large");
        assert!(failure.to_string().contains("4294967296"), "{failure}");
        assert!(samples_of(&[0; 3], (0, 1), "int16", 2).is_err(), "too few bytes");
        assert!(samples_of(&[0; 8], (0, 1), "complex64", 1).is_err(), "no such type");
    }

    #[test]
    fn a_component_is_gathered() {
        let bytes: Vec<u8> = [1i16, 10, 100, 2, 20, 200].iter().flat_map(|v| v.to_ne_bytes()).collect();
        let of = |component, components, voxels| samples_of(&bytes, (component, components), "int16", voxels);
        assert_eq!(of(1, 3, 2).expect("it is there"), Samples::I16(vec![10, 20]));
        assert_eq!(of(2, 3, 2).expect("it is there"), Samples::I16(vec![100, 200]));
        assert_eq!(of(0, 2, 3).expect("it is there"), Samples::I16(vec![1, 100, 20]));
        let failure = of(0, 3, 3).expect_err("too few bytes");
        assert_eq!(failure.to_string(), "12 bytes are not 3 samples of int16 of 3 components");
        assert!(of(3, 3, 2).is_err(), "no such component");
    }
}
