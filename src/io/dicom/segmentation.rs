//! Segmentations (PS3.3, A.51 and C.8.20): frames of one segment each, or of the labels of all. Where a segment is empty there
//! need not be a frame.

use super::attributes::Attributes;
use super::image::Image;
use super::pixels::PixelReader;
use super::slice::Slice;
use super::stack::{self, SAME_MM, axes};
use super::{PHOTOMETRIC, attributes};
use crate::error::{Error, Result};
use crate::io::affine::{self, dot, norm};
use crate::io::contents::{Contents, InputArray};
use crate::io::{OTHER_ARRAYS, OpenOptions, component, elements};
use crate::volume::{Frame, Geometry, Sample, Samples, Volume, for_each_type};
use dicom_dictionary_std::{tags, uids};
use std::path::Path;
use std::sync::Arc;

/// A grid of more planes than this is no grid of the frames that there are.
const MOST_PLANES: usize = 1 << 14;
/// Frames may lie beside the planes of their grid by this part of a step: positions are rounded when written.
const OFF: f64 = 0.02;
/// And beside each other by this much, in mm.
const ASIDE_MM: f64 = 0.01;

/// What pixels stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Whether they belong to the segment.
    Binary,
    /// How much of them does, or how probable it is.
    Fractional,
    /// To which segment they belong.
    Labels,
}

/// What a segmentation says of itself.
#[derive(Debug)]
pub(super) struct Header {
    kind: Kind,
    /// The number that stands for all of a pixel.
    maximum: Option<f64>,
    /// Number and label of each segment.
    segments: Vec<(u32, String)>,
    /// The value of pixels where there is no frame.
    background: f64,
}

impl Header {
    /// That of a file; none where it is no segmentation.
    pub(super) fn of(path: &Path, whole: &Attributes) -> Result<Option<Self>> {
        let class = whole.text(tags::SOP_CLASS_UID);
        let is_labels = class == uids::LABEL_MAP_SEGMENTATION_STORAGE;
        let said = whole.text(tags::SEGMENTATION_TYPE);
        let is_one = is_labels
            || class == uids::SEGMENTATION_STORAGE
            || whole.text(tags::MODALITY) == "SEG" && !said.is_empty();
        if !is_one {
            return Ok(None);
        }
        let kind = match said.as_str() {
            "BINARY" => Kind::Binary,
            "FRACTIONAL" => Kind::Fractional,
            "LABELMAP" => Kind::Labels,
            "" if is_labels => Kind::Labels,
            other => {
                let what = format!("a segmentation of the type '{other}' is not supported");
                return Err(Error::unsupported(path, what));
            }
        };
        let number = |tag| whole.number(tag).map_err(|e| e.of(path));
        let mut segments = Vec::new();
        for item in whole.items(tags::SEGMENT_SEQUENCE) {
            let number = item.integer(tags::SEGMENT_NUMBER).map_err(|e| e.of(path))?;
            if let Some(number) = number.and_then(|number| u32::try_from(number).ok()) {
                segments.push((number, item.text(tags::SEGMENT_LABEL)));
            }
        }
        let padding = if kind == Kind::Labels { number(tags::PIXEL_PADDING_VALUE)? } else { None };
        Ok(Some(Self {
            kind,
            maximum: number(tags::MAXIMUM_FRACTIONAL_VALUE)?.filter(|_| kind == Kind::Fractional),
            segments,
            background: padding.unwrap_or(0.0),
        }))
    }
}

/// One array: a segment, or the labels of all.
struct Segment {
    name: String,
    number: Option<u32>,
    /// Its frames, each with its plane of the grid.
    frames: Vec<(usize, Slice)>,
}

/// The segments of a series on one grid.
pub(super) struct Segmentation {
    segments: Vec<Segment>,
    /// One of the frames.
    first: Slice,
    geometry: Geometry,
    planes: usize,
}

impl Segmentation {
    /// That of frames which are alike; none where they are no segmentation's.
    pub(super) fn of(path: &Path, slices: &[Slice], options: &OpenOptions) -> Result<Option<Self>> {
        let Some(first) = slices.first().filter(|slice| slice.image.segmentation.is_some()) else {
            return Ok(None);
        };
        if options.volume.is_some() {
            let what = "a segmentation holds segments, not volumes; choose one with `array`";
            return Err(Error::Options(format!("{}: {what}", path.display())));
        }
        let Grid { geometry, planes, of_frames } = Grid::of(path, slices, options)?;
        let mut segments: Vec<(usize, Segment)> = Vec::new();
        let mut images: Vec<&Arc<Image>> = Vec::new();
        for (slice, plane) in slices.iter().zip(of_frames) {
            let Some(header) = &slice.image.segmentation else {
                return Err(Error::format(
                    &slice.image.path,
                    "not a segmentation as the others of the series",
                ));
            };
            let at = images.iter().position(|other| Arc::ptr_eq(other, &slice.image)).unwrap_or_else(|| {
                let at = images.len();
                images.push(&slice.image);
                // Segments without a frame are empty.
                match header.kind {
                    Kind::Labels => segments.push((at, Segment::new(slice.image.name(), None))),
                    _ => segments.extend(
                        header
                            .segments
                            .iter()
                            .map(|(number, label)| (at, Segment::new(label.clone(), Some(*number)))),
                    ),
                }
                at
            });
            let number = if header.kind == Kind::Labels { None } else { slice.segment };
            let found = segments.iter_mut().find(|(of, segment)| *of == at && segment.number == number);
            let Some((_, segment)) = found else {
                let number = number.map_or("none".into(), |number| number.to_string());
                let what = format!("{} is of segment {number}, which is not described", slice.file_name());
                return Err(Error::format(&slice.image.path, what));
            };
            if segment.frames.iter().any(|(other, _)| *other == plane) {
                let what = format!("{} has the position of another frame of its segment", slice.file_name());
                return Err(Error::unsupported(&slice.image.path, what));
            }
            segment.frames.push((plane, slice.clone()));
        }
        let mut segments: Vec<Segment> = segments.into_iter().map(|(_, segment)| segment).collect();
        name_apart(&mut segments);
        Ok(Some(Self { segments, first: first.clone(), geometry, planes }))
    }

    /// The arrays: the segments, or that of the labels.
    pub(super) fn contents(&self, path: &Path, options: &OpenOptions) -> Result<Contents> {
        let chosen = match options.array {
            Some(_) => vec![self.chosen(path, options)?],
            None => self.segments.iter().collect(),
        };
        let arrays = chosen.into_iter().map(|segment| InputArray::new(segment.name.clone(), 1)).collect();
        Ok(Contents { steps: 1, times: None, arrays, named: true })
    }

    /// The segment of a name, or else of a number; the first where none is asked for.
    fn chosen(&self, path: &Path, options: &OpenOptions) -> Result<&Segment> {
        let names = || self.segments.iter().map(|segment| format!("'{}'", segment.name)).collect::<Vec<_>>();
        let Some(name) = &options.array else {
            return self.segments.first().ok_or_else(|| Error::unsupported(path, "no segment is described"));
        };
        let number = name.parse().ok();
        let by_name = self.segments.iter().find(|segment| segment.name == *name);
        by_name.or_else(|| self.segments.iter().find(|s| number.is_some() && s.number == number)).ok_or_else(
            || {
                let all = names().join(", ");
                Error::Options(format!("{}: no segment is called '{name}'; it has {all}", path.display()))
            },
        )
    }

    /// Reads one of them.
    pub(super) fn read(&self, path: &Path, options: &OpenOptions) -> Result<Volume> {
        let segment = self.chosen(path, options)?;
        let image = &self.first.image;
        let Some(header) = &image.segmentation else { return Err(stack::no_image(path)) };
        component(path, "each pixel", 1, options)?;
        let shape = [image.columns, image.rows, self.planes];
        let sample_type = image.stored_type();
        let count =
            elements::sample_count(path, shape.map(|n| n as u64), sample_type.size(), &options.limits)?;
        let mut samples = Samples::zeros(sample_type, count);
        if header.background != 0.0 {
            for_each_type!(&mut samples, values => values.fill(Sample::from_f64(header.background)));
        }
        let (planes, slices): (Vec<usize>, Vec<Slice>) = segment.frames.iter().cloned().unzip();
        if !slices.is_empty() {
            let frames = PixelReader::new(path, &slices, 0, options)?.decode()?.samples;
            let pixels = image.columns * image.rows;
            for (frame, plane) in planes.into_iter().enumerate() {
                samples.as_mut().copy_from(plane * pixels, &frames, frame * pixels, pixels);
            }
        }
        let mut volume = Volume::new(samples, shape)?;
        volume.geometry = self.geometry;
        volume.name = segment.name.clone();
        let mut note = |key: &str, value: String| volume.provenance.insert(key.into(), value);
        note("source format", "DICOM".into());
        note("modality", image.modality.clone());
        note("slices", segment.frames.len().to_string());
        note("source type", format!("{sample_type}, {} bits stored", image.bits_stored));
        note("transfer syntax", attributes::transfer_syntax_name(&image.transfer_syntax));
        note(PHOTOMETRIC, image.photometric.clone());
        let kind = match header.kind {
            Kind::Binary => "binary",
            Kind::Fractional => "fractional",
            Kind::Labels => "label map",
        };
        note("segmentation", kind.into());
        if let Some(maximum) = header.maximum {
            note("maximum fractional value", maximum.to_string());
        }
        if let Some(number) = segment.number {
            note("segment number", number.to_string());
        }
        let others = self.segments.iter().filter(|other| !std::ptr::eq(*other, segment));
        let others: Vec<&str> = others.map(|other| other.name.as_str()).collect();
        if !others.is_empty() {
            note(OTHER_ARRAYS, others.join(", "));
        }
        Ok(volume)
    }
}

impl Segment {
    fn new(name: String, number: Option<u32>) -> Self {
        Self { name, number, frames: Vec::new() }
    }
}

/// Gives those a name of their own that have none, or one that others have.
fn name_apart(segments: &mut [Segment]) {
    let labels: Vec<String> = segments.iter().map(|segment| segment.name.clone()).collect();
    for (at, segment) in segments.iter_mut().enumerate() {
        let number = segment.number.map_or(at + 1, |number| number as usize);
        if segment.name.is_empty() {
            segment.name = format!("segment {number}");
        } else if labels.iter().filter(|label| **label == segment.name).count() > 1 {
            segment.name = format!("{} {number}", segment.name);
        }
    }
    // Of several files each may have such a number.
    for at in 1..segments.len() {
        let (before, rest) = segments.split_at_mut(at);
        let Some(segment) = rest.first_mut() else { continue };
        if before.iter().any(|other| other.name == segment.name) {
            segment.name = format!("{} ({})", segment.name, at + 1);
        }
    }
}

/// The planes that frames lie on.
struct Grid {
    geometry: Geometry,
    planes: usize,
    /// Which plane each frame lies on.
    of_frames: Vec<usize>,
}

impl Grid {
    fn of(path: &Path, slices: &[Slice], options: &OpenOptions) -> Result<Self> {
        let first = stack::first(path, slices)?;
        let [between_rows, between_columns] = first.pixel_spacing.or_one();
        let depth = options.spacing.map_or(first.depth.of_one(), |[.., z]| z);
        let Some([row, column, normal]) = axes(slices)? else {
            let spacing = [between_columns, between_rows, depth];
            let geometry = Geometry { spacing, ..Geometry::default() };
            return Ok(Self { geometry, planes: 1, of_frames: vec![0] });
        };
        let mut placed = Vec::with_capacity(slices.len());
        for slice in slices {
            let position = slice.position.ok_or_else(|| stack::without_position(slice))?;
            placed.push((dot(position, normal), position));
        }
        let lowest = placed.iter().min_by(|a, b| a.0.total_cmp(&b.0)).copied();
        let Some((start, origin)) = lowest else { return Err(stack::no_image(path)) };
        for ((along, position), slice) in placed.iter().zip(slices) {
            let aside = norm(std::array::from_fn(|a| position[a] - origin[a] - (along - start) * normal[a]));
            if aside > ASIDE_MM + 1e-3 * (along - start) {
                let what = format!(
                    "lies {aside:.2} mm beside the first one: tiles and leaning stacks are not supported"
                );
                return Err(Error::unsupported(&slice.image.path, format!("{} {what}", slice.file_name())));
            }
        }
        let heights: Vec<f64> = placed.iter().map(|(along, _)| along - start).collect();
        let (step, planes) = even_step(path, &heights, first, depth)?;
        let of_frames = heights.iter().map(|height| (height / step).round() as usize).collect();
        let shape = [first.area.columns, first.area.rows, planes];
        let steps =
            [row.map(|v| v * between_columns), column.map(|v| v * between_rows), normal.map(|v| v * step)];
        let mut geometry = affine::geometry(path, steps, origin, Frame::Lps, shape)?;
        geometry.spacing = [between_columns, between_rows, step];
        Ok(Self { geometry, planes, of_frames })
    }
}

/// The distance between planes on which all frames lie, and how many planes there are: by what the frames say, or else by the
/// two that are nearest to each other.
fn even_step(path: &Path, heights: &[f64], first: &Slice, depth: f64) -> Result<(f64, usize)> {
    let mut sorted = heights.to_vec();
    sorted.sort_by(f64::total_cmp);
    let top = sorted.last().copied().unwrap_or(0.0);
    if top < SAME_MM {
        return Ok((depth, 1));
    }
    let gaps = sorted.windows(2).map(|pair| pair[1] - pair[0]).filter(|gap| *gap >= SAME_MM);
    let nearest = gaps.fold(top, f64::min);
    let said = first.depth.between.as_ref().ok().copied().flatten().map(f64::abs);
    for step in said.into_iter().chain([nearest]).filter(|step| *step >= SAME_MM) {
        let planes = (top / step).round();
        // As the outermost frames have it.
        let even = top / planes.max(1.0);
        let is_on_one =
            |height: &f64| ((height / even) - (height / even).round()).abs() <= OFF.max(ASIDE_MM / even);
        if planes >= 1.0 && sorted.iter().all(is_on_one) {
            if planes + 1.0 > MOST_PLANES as f64 {
                let what = format!("its frames lie on {} planes, of at most {MOST_PLANES}", planes + 1.0);
                return Err(Error::unsupported(path, what));
            }
            return Ok((even, planes as usize + 1));
        }
    }
    Err(Error::unsupported(
        path,
        format!(
            "its frames lie on planes that are not the same distance apart: the nearest are {nearest:.3} mm apart, all span {top:.3} mm"
        ),
    ))
}
