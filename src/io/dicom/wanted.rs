//! The volume of a series that is wanted, and what is said of it.

use super::colour::Colour;
use super::pixels::PixelReader;
use super::separate::SeparatePart;
use super::slice::Slice;
use super::stack::{self, Stack};
use super::value_map::ValueMap;
use super::{PHOTOMETRIC, attributes, origin};
use crate::error::Result;
use crate::io::rescale::Rescale;
use crate::io::{OpenOptions, component, elements};
use crate::volume::Volume;
use dicom_dictionary_std::uids;
use std::path::Path;

/// One component of one of the volumes.
pub(super) struct WantedVolume {
    slices: Vec<Slice>,
    pub(super) component: usize,
    columns: usize,
    rows: usize,
    label: String,
    /// Which step of how many.
    step: (usize, usize),
}

impl WantedVolume {
    pub(super) fn of(
        path: &Path,
        part: &SeparatePart,
        step: (usize, usize),
        options: &OpenOptions,
    ) -> Result<Self> {
        let mut slices = part.slices.clone();
        if options.stored_values {
            slices.iter_mut().for_each(|slice| slice.values = Ok(ValueMap::Linear(Rescale::NONE)));
        }
        let components = slices.first().map_or(1, |slice| slice.image.components(options).max(1));
        let component = component(path, "each pixel", components, options)?;
        if !options.stored_values {
            for slice in &mut slices {
                if let Some(colours) = slice.image.colour.values(component) {
                    slice.values = Ok(colours);
                }
            }
        }
        let first = stack::first(path, &slices)?;
        let (columns, rows) = (first.area.columns, first.area.rows);
        let size = first.stored_type().size();
        let wanted = Self { component, columns, rows, label: part.label.clone(), step, slices };
        elements::sample_count(path, wanted.shape().map(|n| n as u64), size, &options.limits)?;
        Ok(wanted)
    }

    /// Before it is resampled.
    pub(super) fn shape(&self) -> [usize; 3] {
        [self.columns, self.rows, self.slices.len()]
    }

    /// Whether each frame costs the inflation of all of its file's.
    pub(super) fn is_inflated_at_once(&self) -> bool {
        let is_one = |slice: &Slice| {
            slice.image.frames > 1 && slice.image.transfer_syntax == uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN
        };
        self.slices.iter().any(is_one)
    }

    /// What decodes the slices in the order in which they are here.
    pub(super) fn pixels<'a>(&'a self, path: &Path, options: &'a OpenOptions) -> Result<PixelReader<'a>> {
        PixelReader::new(path, &self.slices, self.component, options)
    }

    /// The slices in their order, and where they lie.
    pub(super) fn measure(&self, path: &Path, options: &OpenOptions) -> Result<Stack> {
        stack::measure(path, self.slices.clone(), options)
    }

    /// Says of a volume, whose padding is masked, what the slices do; `rescale` is the one of all.
    pub(super) fn describe(
        &self,
        volume: &mut Volume,
        stack: &Stack,
        rescale: Option<Rescale>,
        options: &OpenOptions,
    ) {
        let Some(first) = stack.slices.first() else { return };
        let image = &first.image;
        volume.geometry = stack.geometry;
        if let (Some(padding), Some(rescale)) = (image.float_padding, rescale) {
            volume.fill_value = Some(volume.sample_type().nearest(rescale.apply(padding)));
        }
        volume.unit = if options.stored_values { String::new() } else { first.unit().into() };
        volume.name = image.name();
        let mut note = |key: &str, value: String| volume.provenance.insert(key.into(), value);
        note("source format", "DICOM".into());
        note("modality", image.modality.clone());
        note("slices", stack.slices.len().to_string());
        note("source type", format!("{}, {} bits stored", first.stored_type(), image.bits_stored));
        note("transfer syntax", attributes::transfer_syntax_name(&image.transfer_syntax));
        let [between_rows, between_columns] = first.pixel_spacing.or_one();
        note("pixel spacing", format!("{between_rows} {between_columns}"));
        note(PHOTOMETRIC, image.photometric.clone());
        let has_tables = || stack.slices.iter().any(|slice| matches!(slice.values, Ok(ValueMap::Table(_))));
        match rescale {
            Some(rescale) => {
                note("rescale slope", rescale.slope.to_string());
                note("rescale intercept", rescale.intercept.to_string());
            }
            None if image.colour != Colour::Grey => {}
            None if has_tables() => drop(note("rescale", "by a table".into())),
            None => drop(note("rescale", "differs between slices".into())),
        }
        if !self.label.is_empty() {
            note("volume", self.label.clone());
        }
        let (step, count) = self.step;
        if count > 1 {
            note("time step", format!("{} of {count}", step + 1));
        }
        origin::keep(&stack.slices, volume);
    }
}
