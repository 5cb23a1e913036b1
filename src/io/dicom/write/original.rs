//! The series that a derived one goes beside: what is known of it, and which of its images lie where a slice lies.

use super::copied::{self, element};
use crate::error::{Error, Result};
use crate::io::affine::{cross, dot, norm};
use crate::io::dicom::Slice;
use crate::io::dicom::attributes::Attributes;
use crate::io::dicom::file::File;
use crate::io::dicom::{series, stack};
use crate::io::{Limits, OpenOptions};
use crate::volume::{Frame, Geometry, VolumeHeader};
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::mem::InMemElement;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// Largest difference between direction cosines that count as parallel.
const PARALLEL: f64 = 1e-3;
/// Slices may lie this part of their distance off an image, and this far in any case, in mm.
const OFF: f64 = 0.01;
const OFF_MM: f64 = 0.01;

/// A series whose study a derived series is put into: attributes of its patient, study and images, and where these lie.
#[derive(Clone)]
pub struct OriginalSeries {
    pub(super) path: PathBuf,
    pub(super) modality: String,
    /// Series Number (0020,0011).
    pub(super) number: Option<i64>,
    /// Series Description (0008,103E), in the bytes of its character set.
    pub(super) description: Vec<u8>,
    /// The name of its character set; empty for ASCII.
    pub(super) character_set: String,
    pub(super) frame_of_reference: FrameOfReference,
    pub(super) patient_and_study: Vec<InMemElement>,
    pub(super) equipment: Vec<InMemElement>,
    /// What contributed to the images already.
    pub(super) contributors: Option<InMemElement>,
    /// Of the acquisition, what all images agree on.
    common: BTreeMap<Tag, InMemElement>,
    images: Vec<OriginalImage>,
}

/// What a series says of the space that it lies in.
#[derive(Clone)]
pub(super) enum FrameOfReference {
    /// Its UID, and what its origin is.
    One(Box<[InMemElement; 2]>),
    /// The images do not agree.
    Several,
    /// Images that lie nowhere in a patient.
    Unknown,
}

/// An image of a series, or a frame of one.
#[derive(Clone)]
pub(super) struct OriginalImage {
    pub(super) class: String,
    pub(super) instance: String,
    /// From 1, where the instance has several.
    pub(super) frame: Option<usize>,
    /// Of the acquisition, what the images do not agree on.
    own: BTreeMap<Tag, InMemElement>,
    plane: Option<Plane>,
}

/// Where an image lies.
#[derive(Clone, Copy)]
struct Plane {
    /// Along a row, along a column, and across both: unit vectors.
    axes: [[f64; 3]; 3],
    corners: [[f64; 3]; 4],
}

/// Its attributes are a patient's: none are shown.
impl fmt::Debug for OriginalSeries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OriginalSeries of {} images", self.images.len())
    }
}

impl OriginalSeries {
    /// Reads the headers of a series: in a folder (searched recursively), of a DICOMDIR, or a file alone. `series` is its
    /// number or the end of its UID, needed where there are several.
    ///
    /// # Errors
    /// As for [`crate::io::open`]; [`Error::Options`] when there are several series and none is chosen,
    /// [`Error::Format`] when the series says of no study that it belongs to it.
    pub fn read(path: &Path, series: Option<&str>) -> Result<Self> {
        let options = OpenOptions { series: series.map(str::to_owned), ..OpenOptions::default() };
        let slices = series::find(path, &options)?;
        let first = File::open(&stack::first(path, &slices)?.image.path, &Limits::default())?;
        let attributes = Attributes::of(&first);
        if attributes.text(tags::STUDY_INSTANCE_UID).is_empty() {
            return Err(Error::format(
                &stack::first(path, &slices)?.image.path,
                "the image has no Study Instance UID (0020,000D): there is no study that a derived series could join",
            ));
        }
        let of_first = |tags: &[Tag]| tags.iter().filter_map(|tag| element(&first, *tag)).collect();
        let images = images(&slices, &options.limits)?;
        let has_frame = |image: &OriginalImage| image.own.contains_key(&tags::FRAME_OF_REFERENCE_UID);
        let has_frame = images.iter().any(has_frame);
        let mut common = common(&images);
        let [frame, indicator] = copied::FRAME_OF_REFERENCE.map(|tag| common.remove(&tag));
        let indicator = indicator.unwrap_or_else(|| {
            DataElement::new(tags::POSITION_REFERENCE_INDICATOR, VR::LO, PrimitiveValue::Empty)
        });
        Ok(Self {
            path: path.to_owned(),
            modality: attributes.text(tags::MODALITY),
            number: attributes.integer(tags::SERIES_NUMBER).ok().flatten(),
            description: element(&first, tags::SERIES_DESCRIPTION)
                .and_then(|element| element.to_bytes().ok().map(|bytes| bytes.trim_ascii_end().to_vec()))
                .unwrap_or_default(),
            character_set: attributes.text(tags::SPECIFIC_CHARACTER_SET),
            frame_of_reference: match frame {
                Some(frame) => FrameOfReference::One(Box::new([frame, indicator])),
                None if has_frame => FrameOfReference::Several,
                None => FrameOfReference::Unknown,
            },
            patient_and_study: of_first(&copied::PATIENT_AND_STUDY),
            equipment: of_first(&copied::EQUIPMENT),
            contributors: element(&first, tags::CONTRIBUTING_EQUIPMENT_SEQUENCE),
            images: images
                .into_iter()
                .map(|mut image| {
                    image.own.retain(|tag, _| !common.contains_key(tag));
                    image
                })
                .collect(),
            common,
        })
    }

    /// An attribute of the acquisition as it holds for a slice of which `images` are the original: what they, or all
    /// images of the series, agree on.
    pub(super) fn acquisition<'a>(
        &'a self,
        tag: Tag,
        images: &[&'a OriginalImage],
    ) -> Option<&'a InMemElement> {
        self.common.get(&tag).or_else(|| {
            let own = images.first()?.own.get(&tag)?;
            images.iter().all(|image| image.own.get(&tag) == Some(own)).then_some(own)
        })
    }

    /// The images that lie in the plane of slice `k` of a volume.
    pub(super) fn at(&self, geometry: &Geometry, k: usize) -> Vec<&OriginalImage> {
        self.images
            .iter()
            .filter(|i| i.off(geometry, k).is_some_and(|mm| mm.abs() <= most_off(geometry)))
            .collect()
    }

    /// The images at the two planes nearest to a slice, before and behind it, that it was interpolated from.
    pub(super) fn around(&self, geometry: &Geometry, k: usize) -> Vec<&OriginalImage> {
        let off = |image: &&OriginalImage| image.off(geometry, k);
        let nearest = |behind: bool| {
            let on_this_side = |image: &&OriginalImage| off(image).is_some_and(|mm| (mm > 0.0) == behind);
            let distance = |image: &&OriginalImage| off(image).map_or(f64::INFINITY, f64::abs);
            self.images.iter().filter(on_this_side).min_by(|a, b| distance(a).total_cmp(&distance(b)))
        };
        match (nearest(false), nearest(true)) {
            (Some(before), Some(behind)) => vec![before, behind],
            _ => Vec::new(),
        }
    }

    /// Whether a volume lies where the series does: its rows and columns along axes of the images, and within them; or
    /// around them, for a series of a few images.
    pub(super) fn holds(&self, volume: &VolumeHeader) -> bool {
        let geometry = &volume.geometry;
        let Some(axes) = self.images.iter().find_map(|image| image.plane).map(|plane| plane.axes) else {
            return false;
        };
        let along_one = |axis: usize| {
            let direction = geometry.direction.map(|row| row[axis]);
            axes.iter().any(|axis| (dot(*axis, direction).abs() - 1.0).abs() < PARALLEL)
        };
        let planes = self.images.iter().filter_map(|image| image.plane);
        let ours = extent(axes, planes.flat_map(|plane| plane.corners));
        let [nx, ny, nz] = volume.shape.map(|n| (n - 1) as f64);
        let corners = (0..8).map(|corner| {
            let at = |bit: usize, last: f64| if corner >> bit & 1 == 1 { last } else { 0.0 };
            geometry.index_to_world([at(0, nx), at(1, ny), at(2, nz)])
        });
        let theirs = extent(axes, corners);
        // Grids that lie between voxels, or reach half a voxel further, are in the same place.
        let margin = geometry.spacing.into_iter().fold(0.0, f64::max);
        let within = |inner: &[[f64; 2]; 3], outer: &[[f64; 2]; 3]| {
            inner.iter().zip(outer).all(|(i, o)| i[0] >= o[0] - margin && i[1] <= o[1] + margin)
        };
        geometry.frame == Frame::Lps
            && along_one(0)
            && along_one(1)
            && (within(&theirs, &ours) || within(&ours, &theirs))
    }
}

/// From where to where points reach along each axis.
fn extent(axes: [[f64; 3]; 3], points: impl Iterator<Item = [f64; 3]>) -> [[f64; 2]; 3] {
    points.fold([[f64::INFINITY, f64::NEG_INFINITY]; 3], |extent, point| {
        std::array::from_fn(|a| {
            let along = dot(axes[a], point);
            [extent[a][0].min(along), extent[a][1].max(along)]
        })
    })
}

fn most_off(geometry: &Geometry) -> f64 {
    (OFF * geometry.spacing[2]).max(OFF_MM)
}

impl OriginalImage {
    /// How far the image lies behind the plane of a slice, in mm; none when they are not parallel.
    fn off(&self, geometry: &Geometry, k: usize) -> Option<f64> {
        let plane = self.plane?;
        let [row, column] = [0, 1].map(|axis| geometry.direction.map(|row| row[axis]));
        let normal = cross(row, column);
        let parallel = (dot(normal, plane.axes[2]).abs() - 1.0).abs() < PARALLEL * PARALLEL;
        let origin = geometry.index_to_world([0.0, 0.0, k as f64]);
        (geometry.frame == Frame::Lps && parallel)
            .then(|| dot(normal, plane.corners[0]) - dot(normal, origin))
    }
}

impl Plane {
    fn of(slice: &Slice) -> Option<Self> {
        let ([row, column], position) = (slice.orientation?, slice.position?);
        let normal = cross(row, column);
        if (norm(normal) - 1.0).abs() > PARALLEL {
            return None;
        }
        let last = |count: usize, spacing: f64| count.saturating_sub(1) as f64 * spacing;
        let [between_rows, between_columns] = slice.pixel_spacing.or_one();
        let along_row = last(slice.area.columns, between_columns);
        let along_column = last(slice.area.rows, between_rows);
        let corners = [[0.0, 0.0], [along_row, 0.0], [0.0, along_column], [along_row, along_column]]
            .map(|[x, y]| std::array::from_fn(|a| position[a] + x * row[a] + y * column[a]));
        Some(Self { axes: [row, column, normal], corners })
    }
}

/// The images of a series, each with all that it says of its acquisition.
fn images(slices: &[Slice], limits: &Limits) -> Result<Vec<OriginalImage>> {
    let mut files: BTreeMap<&Path, Vec<&Slice>> = BTreeMap::new();
    for slice in slices {
        files.entry(&slice.image.path).or_default().push(slice);
    }
    let mut images = Vec::new();
    for (path, slices) in files {
        let file = File::open(path, limits)?;
        let attributes = Attributes::of(&file);
        let [class, instance] = [tags::SOP_CLASS_UID, tags::SOP_INSTANCE_UID].map(|tag| attributes.text(tag));
        let all = copied::ACQUISITION.iter().chain(&copied::CT).chain(&copied::MR);
        let all = all.chain(&copied::FRAME_OF_REFERENCE);
        let own: BTreeMap<Tag, InMemElement> =
            all.filter_map(|tag| Some((*tag, element(&file, *tag)?))).collect();
        images.extend(slices.into_iter().map(|slice| OriginalImage {
            class: class.clone(),
            instance: instance.clone(),
            frame: (slice.image.frames > 1).then_some(slice.frame + 1),
            own: own.clone(),
            plane: Plane::of(slice),
        }));
    }
    Ok(images)
}

/// What all images say, and say alike.
fn common(images: &[OriginalImage]) -> BTreeMap<Tag, InMemElement> {
    let Some(first) = images.first() else { return BTreeMap::new() };
    let mut common = first.own.clone();
    common.retain(|tag, element| images.iter().all(|image| image.own.get(tag) == Some(element)));
    common
}
