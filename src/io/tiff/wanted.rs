//! The planes of one volume out of a stack, decoded a few at a time.

use super::arrangement::PlanePlace;
use super::directory::{Element, Photometric};
use super::{LARGEST_RATIO, PagePart, PageStack};
use crate::error::{Error, Result};
use crate::io::elements::{self, StoredType, WideRange};
use crate::io::located::{FoundSource, Temporary};
use crate::io::progress::Counter;
use crate::io::reading::Reading;
use crate::io::{OpenOptions, component, folder, say_what_is_narrowed, time_step};
use crate::volume::{SampleType, Samples, Volume, VolumeHeader};
use rayon::prelude::*;
use std::path::Path;
use tiff::decoder::DecodingResult;

/// Decoded pages on their way to a temporary file have no more bytes than this together, unless one has. In tests they are small.
const BATCH_BYTES: usize = if cfg!(test) { 100 } else { 1 << 25 };

/// One sample of each pixel of the planes of a volume.
pub(super) struct WantedPlanes {
    pub(super) stack: PageStack,
    pub(super) shape: [usize; 3],
    /// Which part each plane is in, and where.
    planes: Vec<(usize, PlanePlace)>,
    step: usize,
    sample: usize,
    /// Of a decoded page.
    page_bytes: usize,
}

impl WantedPlanes {
    /// Those that the options choose.
    pub(super) fn of(path: &Path, options: &OpenOptions) -> Result<Self> {
        let stack = PageStack::of(path, options)?;
        let step = time_step(path, stack.steps, options)?;
        let component = component(path, "the stack", stack.channels * stack.samples, options)?;
        let [channel, sample] = [component / stack.samples, component % stack.samples];
        let slices = stack.parts.iter().map(|part| part.arrangement.sizes.slices).sum();
        let shape = [stack.size[0], stack.size[1], slices];
        elements::sample_count(path, shape.map(|n| n as u64), stack.element.size(), &options.limits)?;
        let plane = shape[0] * shape[1];
        let page = &stack.parts[0].directories.pages[0];
        let page_bytes = (plane * page.element(path)?.size()).saturating_mul(page.samples);
        let file_bytes =
            stack.parts.iter().fold(0u64, |sum, part| sum.saturating_add(part.directories.file_bytes));
        let expected = (page_bytes as u64).saturating_mul(slices as u64);
        elements::check_file_holds(path, expected / LARGEST_RATIO, file_bytes, false)?;
        let mut planes = Vec::with_capacity(slices);
        for (n, part) in stack.parts.iter().enumerate() {
            for slice in 0..part.arrangement.sizes.slices {
                let place = part.arrangement.place(&part.path, &part.directories, [slice, channel, step])?;
                planes.push((n, place));
            }
        }
        Ok(Self { stack, shape, planes, step, sample, page_bytes })
    }

    /// Decodes the planes and passes them on in their order, with the number of samples that they should have; `None` says that one
    /// has others. Those that wait for their turn have no more than `batch_bytes` together, or are one.
    pub(super) fn decode(
        &self,
        options: &OpenOptions,
        batch_bytes: usize,
        each: &mut dyn FnMut(DecodingResult, usize) -> Option<Result<()>>,
    ) -> Result<()> {
        let counter = Counter::new(options, self.planes.len());
        let plane = self.shape[0] * self.shape[1];
        let batch = (batch_bytes / self.page_bytes.max(1)).clamp(1, 4 * rayon::current_num_threads());
        let part = |n: usize| -> &PagePart { &self.stack.parts[n] };
        for planes in self.planes.chunks(batch) {
            let decoded: Vec<DecodingResult> = planes
                .par_iter()
                .map(|(n, place)| part(*n).read(*place, &self.stack, self.sample))
                .collect::<Result<_>>()?;
            for ((n, _), samples) in planes.iter().zip(decoded) {
                each(samples, plane).ok_or_else(|| {
                    Error::format(&part(*n).path, "a page holds other samples than its header says")
                })??;
                counter.advance()?;
            }
        }
        Ok(())
    }

    /// Says of a volume what the files do.
    pub(super) fn describe(&self, volume: &mut Volume) {
        let Self { stack, step, .. } = self;
        volume.geometry.spacing = stack.spacing.map(|distance| distance.unwrap_or(1.0));
        // Without a distance between slices: that between columns, as most viewers show it.
        if let (None, Some(x)) = (stack.spacing[2], stack.spacing[0]) {
            volume.geometry.spacing[2] = x;
        }
        let mut note = |key: &str, value: &str| {
            if !value.is_empty() {
                volume.provenance.insert(key.into(), value.into());
            }
        };
        let first = &stack.parts[0];
        note("source format", first.arrangement.convention);
        note("source type", stack.element.name());
        note("spacing unit", &first.arrangement.unit);
        note("time between steps", &first.arrangement.interval);
        if stack.steps > 1 {
            note("time step", &format!("{} of {}", step + 1, stack.steps));
        }
        match first.directories.pages[0].photometric {
            Photometric::MinIsWhite => note("photometric interpretation", "MinIsWhite"),
            Photometric::Palette if stack.has_palette => note("photometric interpretation", "Palette"),
            _ => {}
        }
    }
}

/// What reads the planes out of a temporary file.
pub(in crate::io) fn find_source(path: &Path, options: &OpenOptions) -> Result<FoundSource> {
    let wanted = WantedPlanes::of(path, options)?;
    let unpacked = match wanted.stack.element {
        Element::Half => SampleType::F32,
        Element::Stored(StoredType::Kept(sample_type)) => sample_type,
        Element::Stored(StoredType::I64 | StoredType::U64) => SampleType::I32,
    };
    let mut described = Volume::new(Samples::zeros(unpacked, 1), [1; 3])?;
    wanted.describe(&mut described);
    let declares_spacing = wanted.stack.spacing.map(|distance| distance.is_some());
    let described = Reading { volume: described, declares_spacing }.volume_with(path, options.spacing)?;
    let shape = wanted.shape;
    let header = VolumeHeader { shape, ..VolumeHeader::of(&described) };
    let (path, options) = (path.to_owned(), options.clone());
    Ok(FoundSource::unpacked(shape, unpacked, move |to: &Path| {
        if path.is_dir() {
            folder::say_what_is_left_out(&path);
        }
        wanted.stack.say_what_is_left_out(&path);
        let mut temporary = Temporary::create(to, &path, shape, unpacked)?;
        let mut wide = WideRange::EMPTY;
        wanted.decode(&options, BATCH_BYTES, &mut |decoded, plane| {
            let samples = match decoded {
                DecodingResult::I64(values) => {
                    Samples::U32(values.into_iter().map(|value| wide.half(value.into())).collect())
                }
                DecodingResult::U64(values) => {
                    Samples::U32(values.into_iter().map(|value| wide.half(value.into())).collect())
                }
                decoded => super::samples(decoded)?,
            };
            let is_wide = matches!(wanted.stack.element, Element::Stored(StoredType::I64 | StoredType::U64));
            let expected = if is_wide { SampleType::U32 } else { unpacked };
            (samples.len() == plane && samples.sample_type() == expected).then(|| temporary.append(&samples))
        })?;
        let sample_type = match wanted.stack.element {
            Element::Stored(stored @ (StoredType::I64 | StoredType::U64)) => {
                let sample_type = wide.sample_type(&path)?;
                say_what_is_narrowed(&path, stored.name(), sample_type);
                sample_type
            }
            _ => unpacked,
        };
        temporary.source(sample_type, header)
    }))
}
