//! The series in a folder, and the slices of one of them.

use super::found::{self, Found};
use super::image::Image;
use super::{Slice, dicomdir, separate, stack, syntax};
use crate::error::{Error, Result};
use crate::io::{OpenOptions, folder};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Folders nested deeper than this are taken for a mistake.
const DEEPEST_FOLDER: usize = 32;

/// A series of a folder.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// The end of the Series Instance UID: enough to tell the folder's series apart, too little to find a patient by.
    pub id: String,
    /// Series Number (0020,0011).
    pub number: String,
    /// Modality (0008,0060): `CT`, `MR`, ...
    pub modality: String,
    /// Series Description (0008,103E), free text.
    pub description: String,
    /// Name and ID of the patient; empty unless asked for.
    pub patient: String,
    /// Columns, rows, slices (of all time steps together).
    pub shape: [usize; 3],
    /// Distance between columns and rows in mm, and what the first slice says of the distance between slices.
    pub spacing: [f64; 3],
    /// Bytes of the pixels as they are stored.
    pub bytes: u64,
    /// The folder of the first slice.
    pub folder: PathBuf,
    /// Why the series cannot be read, where that is known from its headers.
    pub refused: Option<String>,
    /// The volumes of a series that holds several: what tells each from the others (`b-value 1000`).
    /// [`OpenOptions::volume`] takes their numbers, counted from 0, or what they say.
    pub volumes: Vec<String>,
}

/// The series under a folder (searched recursively) or in a DICOMDIR, by number; who the patient is only when asked.
///
/// A damaged file is left out with a warning.
///
/// # Errors
/// [`Error::Io`] when the folder cannot be read.
pub fn list_series(path: &Path, with_patient: bool) -> Result<Vec<Series>> {
    let stacks = Stacks::read(path, &OpenOptions::default(), leave_out)?.0;
    let mut series: Vec<Series> = stacks.iter().map(SeriesStack::summary).collect();
    for (series, stack) in series.iter_mut().zip(&stacks) {
        if with_patient {
            series.patient = stack.slices.first().map(|s| s.image.patient.clone()).unwrap_or_default();
        }
        series.volumes = stack.volumes(path);
    }
    series.sort_by_key(|s| (s.number.parse::<u64>().unwrap_or(u64::MAX), s.id.clone()));
    Ok(series)
}

/// What becomes of a damaged file where others are wanted.
fn leave_out(damaged: Error) -> Result<Found> {
    log::warn!("left out: {damaged}");
    Ok(Found::NoImage)
}

/// The slices of a series under `path`, unsorted; never empty. `wanted` is its number or the end of its UID.
pub(super) fn find(path: &Path, options: &OpenOptions) -> Result<Vec<Slice>> {
    if path.is_file() && !dicomdir::is_one(path, &options.limits) {
        return match found::read(path, options)? {
            Found::Image(slices) => {
                say_notes(&slices);
                Ok(slices)
            }
            Found::Refused { why, .. } => Err(why),
            Found::NoImage | Found::Foreign => Err(Error::unsupported(path, "a DICOM file without an image")),
        };
    }
    // A damaged file may belong to any series; with one chosen, a slice that it was would be missing there.
    let stacks = match &options.series {
        Some(_) => Stacks::read(path, options, leave_out),
        None => Stacks::read(path, options, Err),
    };
    let slices = stacks?.choose(path, options)?;
    say_notes(&slices);
    Ok(slices)
}

/// Says once of each kind what was read though it is not as the standard has it.
fn say_notes(slices: &[Slice]) {
    let mut files: BTreeMap<&str, Vec<&Path>> = BTreeMap::new();
    for slice in slices.iter().filter(|slice| slice.frame == 0) {
        for note in &slice.image.notes {
            files.entry(note).or_default().push(&slice.image.path);
        }
    }
    for (note, paths) in files {
        let more = match paths.len() {
            0 | 1 => String::new(),
            all => format!(" (and of {} more files)", all - 1),
        };
        let first = paths.first().map(|path| path.display().to_string()).unwrap_or_default();
        log::warn!("{first}: {note}{more}");
    }
}

/// Says which files of a folder are no part of any series.
fn say_left_out(folder: &Path, [one, several]: [&str; 2], files: &[&Path]) {
    const NAMED: usize = 4;
    if files.is_empty() {
        return;
    }
    let names: Vec<String> = files
        .iter()
        .take(NAMED)
        .map(|file| file.strip_prefix(folder).unwrap_or(file).display().to_string())
        .collect();
    let more = if files.len() > NAMED { format!(" and {} more", files.len() - NAMED) } else { String::new() };
    let count = files.len();
    let what = if count == 1 { one } else { several };
    log::warn!("{}: left out {count} {what}: {}{more}", folder.display(), names.join(", "));
}

/// The files of one series.
#[derive(Default)]
struct SeriesStack {
    uid: String,
    slices: Vec<Slice>,
    refused: Vec<Error>,
}

struct Stacks(Vec<SeriesStack>);

impl Stacks {
    /// `damaged` says what becomes of a file that cannot be read.
    fn read(
        path: &Path,
        options: &OpenOptions,
        damaged: impl Fn(Error) -> Result<Found> + Sync,
    ) -> Result<Self> {
        let limits = &options.limits;
        let mut files = Vec::new();
        if path.is_file() {
            if !is_dicom(path)? {
                return Err(Error::unsupported(path, "not a DICOM file"));
            }
            files = match dicomdir::is_one(path, limits) {
                true => dicomdir::files(path, limits)?,
                false => vec![path.to_owned()],
            };
        } else {
            walk(path, 0, &mut files)?;
        }
        if files.len() > limits.slices {
            return Err(Error::unsupported(
                path,
                format!(
                    "{} files exceed the limit of {}; name the series' own folder, or raise Limits::slices",
                    files.len(),
                    limits.slices
                ),
            ));
        }
        let found = files.par_iter().map(|file| {
            let found = is_dicom(file)
                .and_then(|is| if is { found::read(file, options) } else { Ok(Found::Foreign) });
            found.or_else(&damaged)
        });
        let mut stacks: BTreeMap<String, SeriesStack> = BTreeMap::new();
        let (mut foreign, mut without_image): (Vec<&Path>, Vec<&Path>) = Default::default();
        for (found, file) in found.collect::<Result<Vec<_>>>()?.into_iter().zip(&files) {
            let uid = match &found {
                Found::Image(slices) => {
                    slices.first().map(|s| s.image.series_uid.clone()).unwrap_or_default()
                }
                Found::Refused { series_uid, .. } => series_uid.clone(),
                Found::NoImage => {
                    without_image.push(file);
                    continue;
                }
                Found::Foreign => {
                    foreign.push(file);
                    continue;
                }
            };
            let stack =
                stacks.entry(uid.clone()).or_insert_with(|| SeriesStack { uid, ..SeriesStack::default() });
            match found {
                Found::Image(slices) => stack.slices.extend(slices),
                Found::Refused { why, .. } => stack.refused.push(why),
                Found::NoImage | Found::Foreign => {}
            }
        }
        foreign.retain(|file| !folder::is_a_view(file));
        if !stacks.is_empty() {
            say_left_out(
                path,
                ["file of DICOM without an image", "files of DICOM without an image"],
                &without_image,
            );
            say_left_out(path, ["file that is not DICOM", "files that are not DICOM"], &foreign);
        }
        Ok(Self(stacks.into_values().collect()))
    }

    /// The series that is wanted; else the only one with more than one image, or else the only image. An image that
    /// cannot be read counts: a compressed series must not give way to the localizer beside it.
    fn choose(self, path: &Path, options: &OpenOptions) -> Result<Vec<Slice>> {
        let wanted = options.series.as_deref();
        let stacks = self.0;
        let all = stacks.len();
        let mut candidates: Vec<SeriesStack> = match wanted {
            Some(wanted) => stacks.into_iter().filter(|s| s.is_called(wanted)).collect(),
            None => {
                let (made, images): (Vec<_>, Vec<_>) =
                    stacks.into_iter().partition(SeriesStack::is_made_of_images);
                let stacks = if images.is_empty() { made } else { say_made_of_images(path, &made, images) };
                let (larger, single): (Vec<_>, Vec<_>) = stacks.into_iter().partition(|s| s.images() > 1);
                if !larger.is_empty() && !single.is_empty() {
                    log::warn!("{}: {} series of a single image left out", path.display(), single.len());
                }
                if larger.is_empty() { single } else { larger }
            }
        };
        match (candidates.pop(), candidates.is_empty()) {
            (None, _) if all == 0 => Err(super::stack::no_image(path)),
            (None, _) => Err(Error::Options(format!(
                "{}: none of its {all} series has the number or the UID ending {}; `neuvol series` lists them",
                path.display(),
                wanted.unwrap_or_default()
            ))),
            // A series of which a part cannot be read is not read in part, unless the caller says so.
            (Some(mut one), true) => match one.refused.pop() {
                Some(why) if options.largest_group && one.slices.len() > one.refused.len() + 1 => {
                    log::warn!("left out {} of {} images: {why}", one.refused.len() + 1, one.images() + 1);
                    Ok(one.slices)
                }
                Some(why) if !one.slices.is_empty() => Err(with_way_on(why, one.slices.len())),
                Some(why) => Err(why),
                None => Ok(one.slices),
            },
            (Some(one), false) => {
                candidates.push(one);
                let mut lines: Vec<String> = candidates.iter().map(SeriesStack::line).collect();
                lines.sort();
                Err(Error::Options(format!(
                    "{}: the folder holds {} series; choose one with `series` NUMBER or the end of its UID:\n{}",
                    path.display(),
                    candidates.len(),
                    lines.join("\n")
                )))
            }
        }
    }
}

/// The series of images, where there are others that were made of them.
fn say_made_of_images(path: &Path, made: &[SeriesStack], images: Vec<SeriesStack>) -> Vec<SeriesStack> {
    if !made.is_empty() {
        let what = "series of segmentations or parametric maps left out; `series` takes one";
        log::warn!("{}: {} {what}", path.display(), made.len());
    }
    images
}

impl SeriesStack {
    /// Whether it holds segmentations or parametric maps alone.
    fn is_made_of_images(&self) -> bool {
        self.refused.is_empty() && self.slices.iter().all(|slice| slice.image.is_made_of_images())
    }

    /// Images, those that cannot be read included.
    fn images(&self) -> usize {
        self.slices.len() + self.refused.len()
    }

    fn is_called(&self, wanted: &str) -> bool {
        let number = self.slices.first().map_or("", |s| s.image.series_number.as_str());
        (!number.is_empty() && number == wanted)
            || (wanted.len() >= LEAST_ID_LENGTH && self.uid.ends_with(wanted))
    }

    fn summary(&self) -> Series {
        let first = self.slices.first();
        let text = |of: fn(&Image) -> &String| first.map(|s| of(&s.image)).cloned().unwrap_or_default();
        let shape = first.map_or([0; 3], |s| [s.area.columns, s.area.rows, self.slices.len()]);
        let bytes = |s: &Slice| (s.area.columns * s.area.rows * s.stored_type().size()) as u64;
        let pixels: u64 = self.slices.iter().map(bytes).sum();
        Series {
            id: self.uid.chars().skip(self.uid.chars().count().saturating_sub(ID_LENGTH)).collect(),
            number: text(|s| &s.series_number),
            modality: text(|s| &s.modality),
            description: text(|s| &s.series_description),
            patient: String::new(),
            shape,
            spacing: first.map_or([0.0; 3], |s| {
                let [between_rows, between_columns] = s.pixel_spacing.or_one();
                [between_columns, between_rows, s.depth.of_one()]
            }),
            bytes: pixels,
            folder: first.and_then(|s| s.image.path.parent()).map(Path::to_path_buf).unwrap_or_default(),
            refused: self.refused.first().map(ToString::to_string),
            volumes: Vec::new(),
        }
    }

    /// What its volumes are called, where it holds several.
    fn volumes(&self, path: &Path) -> Vec<String> {
        if self.slices.first().is_some_and(|slice| slice.image.segmentation.is_some()) {
            return Vec::new();
        }
        // A list does not complain: what cannot be read says so when it is opened.
        let options = OpenOptions { allow_duplicates: true, largest_group: true, ..OpenOptions::default() };
        let alike = stack::largest_group(self.slices.clone()).0;
        let parts = separate::volumes(path, alike, &options).map(|found| found.parts).unwrap_or_default();
        let several = parts.len() > 1;
        parts.into_iter().filter(|_| several).map(|part| part.label).collect()
    }

    /// A line that tells a series from the others and the patient from nobody.
    fn line(&self) -> String {
        let Series { number, modality, id, folder, refused, .. } = self.summary();
        let images = self.images();
        match refused {
            Some(why) => format!(
                "  series {number}, {modality}, {images} images, UID ending in {id}, cannot be read: {why}"
            ),
            None => format!(
                "  series {number}, {modality}, {images} slices, UID ending in {id}, in {}",
                folder.display()
            ),
        }
    }
}

/// An image that cannot be read, among others that can.
fn with_way_on(why: Error, others: usize) -> Error {
    let way_on = format!("; `largest_group` leaves it out and takes the {others} others");
    match why {
        Error::Unsupported { path, what } => Error::Unsupported { path, what: what + &way_on },
        other => other,
    }
}

/// Characters of a UID's end that are shown: enough to tell a folder's series apart.
const ID_LENGTH: usize = 16;
/// And that a caller has to give at least.
const LEAST_ID_LENGTH: usize = 8;

fn walk(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<()> {
    if depth > DEEPEST_FOLDER {
        return Err(Error::unsupported(folder, "folders are nested too deeply"));
    }
    for entry in std::fs::read_dir(folder).map_err(|e| Error::io(folder, e))? {
        let entry = entry.map_err(|e| Error::io(folder, e))?;
        let kind = entry.file_type().map_err(|e| Error::io(&entry.path(), e))?;
        // Linked files are read; linked folders are not entered, for they may lead back here.
        if kind.is_dir() {
            walk(&entry.path(), depth + 1, files)?;
        } else if entry.path().is_file() && !dicomdir::has_this_name(&entry.path()) {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// Whether a DICOM file lies in a folder or further below.
pub(crate) fn lies_below(folder: &Path) -> Result<bool> {
    let mut files = Vec::new();
    walk(folder, 0, &mut files)?;
    // One that cannot be read cannot be taken.
    Ok(files.iter().any(|file| is_dicom(file).unwrap_or(false)))
}

/// Bytes that tell whether a file is DICOM: enough for a few elements where there is no prefix.
const SIGNATURE_BYTES: u64 = 4096;

fn is_dicom(path: &Path) -> Result<bool> {
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    let mut start = Vec::with_capacity(SIGNATURE_BYTES as usize);
    file.take(SIGNATURE_BYTES).read_to_end(&mut start).map_err(|e| Error::io(path, e))?;
    Ok(syntax::start(&start).is_some())
}
