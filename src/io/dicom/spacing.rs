//! Distances between pixels and between slices: what files say, what they do not, and what the caller says instead.

use super::Slice;
use super::attributes::{Attributes, Readable, named};
use crate::error::{Error, Result};
use crate::io::OpenOptions;
use dicom_dictionary_std::tags;
use std::path::Path;

/// Distances that differ by no more than this part are the same, written with fewer digits.
const SAME: f64 = 1e-3;

/// Distance between rows, then between columns, in mm.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum PixelSpacing {
    Declared([f64; 2]),
    /// Nothing is said of the patient; which other attribute has a distance, and what it is, for people.
    Missing(Option<String>),
    /// Something is said that is no distance: the sentence.
    Unusable(String),
}

impl PixelSpacing {
    /// That of a frame.
    pub(super) fn of(attributes: &Attributes) -> Self {
        let tag = tags::PIXEL_SPACING;
        match attributes.grouped(tags::PIXEL_MEASURES_SEQUENCE, tag) {
            Ok(Some(values)) => match values[..] {
                [rows, columns] if rows > 0.0 && columns > 0.0 => Self::Declared([rows, columns]),
                [_, _] => {
                    Self::Unusable(format!("{} is {}, which is not a distance", named(tag), list(&values)))
                }
                _ => Self::Unusable(format!(
                    "{} is {}, which are not two distances",
                    named(tag),
                    list(&values)
                )),
            },
            Ok(None) => Self::Missing(elsewhere(attributes)),
            Err(unreadable) => Self::Unusable(unreadable.to_string()),
        }
    }

    /// The distances, or what stands for them as long as they are not known.
    pub(super) fn or_one(&self) -> [f64; 2] {
        match self {
            Self::Declared(spacing) => *spacing,
            Self::Missing(_) | Self::Unusable(_) => [1.0; 2],
        }
    }
}

/// Distances that are not those in the patient: at the detector, or of a scanned film.
fn elsewhere(attributes: &Attributes) -> Option<String> {
    [tags::IMAGER_PIXEL_SPACING, tags::NOMINAL_SCANNED_PIXEL_SPACING].into_iter().find_map(|tag| {
        let values = attributes.numbers(tag).ok()??;
        Some(format!("{} says {} mm", named(tag), list(&values)))
    })
}

fn list(values: &[f64]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(" x ")
}

/// Distance between slices that the files of a slice declare, in mm.
#[derive(Debug, Clone)]
pub(super) struct Depth {
    /// Spacing Between Slices (0018,0088); below 0 where slices follow each other against the normal.
    pub(super) between: Readable<f64>,
    /// Slice Thickness (0018,0050).
    pub(super) thickness: Readable<f64>,
}

impl Depth {
    pub(super) fn of(attributes: &Attributes) -> Self {
        let number = |tag| attributes.grouped_number(tags::PIXEL_MEASURES_SEQUENCE, tag);
        Self { between: number(tags::SPACING_BETWEEN_SLICES), thickness: number(tags::SLICE_THICKNESS) }
    }

    /// What a lone slice stands for; 1 where nothing usable is said.
    pub(super) fn of_one(&self) -> f64 {
        [&self.between, &self.thickness]
            .into_iter()
            .filter_map(|value| value.as_ref().ok().copied().flatten())
            .map(f64::abs)
            .find(|distance| *distance > 0.0)
            .unwrap_or(1.0)
    }
}

/// Settles what the slices of one volume do not say of the distances in their planes: the caller's word, or 1 mm and a warning; an
/// error where something is said that cannot be used.
pub(super) fn settle(path: &Path, slices: &mut [Slice], options: &OpenOptions) -> Result<()> {
    let Some(first) = slices.first() else { return Ok(()) };
    let found = first.pixel_spacing.clone();
    let asked = options.spacing.map(|[x, y, _]| [y, x]);
    let settled = match (found, asked) {
        (PixelSpacing::Declared(declared), Some(asked)) if !same(declared, asked) => {
            return Err(Error::Options(format!(
                "{}: the file says its pixel spacing itself ({} x {} mm); leave `spacing` out, or give the same",
                path.display(),
                declared[1],
                declared[0]
            )));
        }
        (PixelSpacing::Declared(declared), _) => declared,
        (_, Some(asked)) => asked,
        (PixelSpacing::Missing(hint), None) => {
            let hint =
                hint.map_or(String::new(), |hint| format!(" ({hint}, which is not measured in the patient)"));
            log::warn!(
                "{}: {} is missing{hint}: pixels are taken to lie 1 mm apart; `spacing` says how far they do",
                path.display(),
                named(tags::PIXEL_SPACING)
            );
            [1.0; 2]
        }
        (PixelSpacing::Unusable(why), None) => {
            return Err(Error::format(
                &first.image.path,
                format!("{why}; `spacing` SXxSYxSZ says the distances in mm instead"),
            ));
        }
    };
    for slice in slices {
        slice.pixel_spacing = PixelSpacing::Declared(settled);
    }
    Ok(())
}

fn same(a: [f64; 2], b: [f64; 2]) -> bool {
    a.iter().zip(b).all(|(a, b)| (a - b).abs() <= SAME * a.abs())
}

/// Refuses a distance between slices that the caller says where the slices lie another distance apart.
pub(super) fn check_step(path: &Path, step: f64, options: &OpenOptions) -> Result<()> {
    match options.spacing {
        Some([x, y, z]) if (z - step).abs() > SAME * step => Err(Error::Options(format!(
            "{}: the slices lie {step:.4} mm apart, not {z}; give `spacing` {x}x{y}x{step:.4}",
            path.display()
        ))),
        _ => Ok(()),
    }
}
