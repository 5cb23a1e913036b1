//! Lists of files: ParaView's `.pvd` and `.series` (a time series), VTK's `.vtm` (blocks, of which one may be an image).
//!
//! Formats: "ParaView Data (PVD) File Format" and "JSON based new meta file format for series"
//! (<https://www.paraview.org/Wiki/ParaView>), "VTK XML Formats".

use super::contents::Contents;
use super::located::FoundSource;
use super::{BYTE_ORDER_MARK, OpenOptions, detached};
use crate::error::{Error, Result};
use crate::volume::Volume;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Lists that name lists go no deeper than this.
const DEEPEST_LIST: usize = 4;
/// A longer list than this is refused.
const LONGEST_BYTES: u64 = 1 << 26;
/// Blocks that a message names.
const MOST_NAMES: usize = 8;
/// What blocks that are images are called.
const IMAGES: [&str; 4] = [".vti", ".pvti", ".vtr", ".vtk"];

/// Whether a file's first bytes, without a byte order mark, are those of a list in XML.
pub(super) fn recognises(start: &[u8]) -> bool {
    let text = String::from_utf8_lossy(start);
    let Some((_, tag)) = text.split_once("<VTKFile") else { return false };
    let tag = tag.split('>').next().unwrap_or_default();
    ["Collection", "vtkMultiBlockDataSet", "vtkPartitionedDataSet", "vtkPartitionedDataSetCollection"]
        .iter()
        .any(|kind| tag.contains(&format!("\"{kind}\"")) || tag.contains(&format!("'{kind}'")))
}

/// A volume over time that a list names.
#[derive(Debug, PartialEq)]
struct Step {
    file: String,
    /// Empty where the list does not say it.
    time: String,
}

/// The file to read, with the options that are left for it, and what a list said of it.
struct Listed {
    path: PathBuf,
    options: OpenOptions,
    /// How many volumes over time the list names.
    steps: usize,
    /// "2 of 5, at 0.25", where there are several.
    step: Option<String>,
    /// When each of the steps is, where the list says it of all.
    times: Option<Vec<f64>>,
    /// What a list of blocks holds beside the image, in a sentence.
    left_out: Option<String>,
}

/// Reads the only file that a list names, or that of the chosen time step.
pub(super) fn open(path: &Path, options: &OpenOptions) -> Result<Volume> {
    let listed = find(path, options)?;
    if let Some(left_out) = &listed.left_out {
        log::warn!("{left_out}");
    }
    let mut volume = super::open(&listed.path, &listed.options)?;
    if let Some(step) = listed.step {
        volume.provenance.insert("time step".into(), step);
    }
    Ok(volume)
}

/// What reads that file box by box, where it can be.
pub(super) fn find_source(path: &Path, options: &OpenOptions) -> Result<Option<FoundSource>> {
    let listed = find(path, options)?;
    let found = super::find_source(&listed.path, &listed.options)?;
    Ok(found.map(|found| found.of_list(listed.step, listed.left_out)))
}

/// The only file that a list names, or that of the chosen time step; lists in it are gone through.
fn find(path: &Path, options: &OpenOptions) -> Result<Listed> {
    let mut listed = Listed {
        path: path.to_owned(),
        options: options.clone(),
        steps: 1,
        step: None,
        times: None,
        left_out: None,
    };
    for _ in 0..DEEPEST_LIST {
        let (steps, left_out) = steps(&listed.path)?;
        listed.left_out = left_out.or(listed.left_out);
        // A list of one file says when that is; one of several counts, wherever among lists it stands.
        if steps.len() > 1 || listed.steps == 1 {
            listed.steps = steps.len().max(1);
            let times: Vec<f64> = steps.iter().map_while(|step| step.time.trim().parse().ok()).collect();
            if times.len() == steps.len() || steps.len() > 1 {
                listed.times = Some(times).filter(|times| times.len() == steps.len());
            }
        }
        let chosen = match steps.len() {
            0 | 1 => 0,
            count => super::time_step(&listed.path, count, &listed.options)?,
        };
        let Some(step) = steps.get(chosen) else {
            return Err(Error::format(&listed.path, "the list names no file"));
        };
        if steps.len() > 1 {
            let time = if step.time.is_empty() { String::new() } else { format!(", at {}", step.time) };
            listed.step = Some(format!("{} of {}{time}", chosen + 1, steps.len()));
            listed.options.time_step = None;
        }
        // Windows' separators, as VTK reads them.
        let name = step.file.replace('\\', "/");
        listed.path = detached::file_of(&listed.path, &name, listed.options.allow_outside)?;
        if super::format_of(&listed.path, &listed.options)? != super::Format::List {
            return Ok(listed);
        }
    }
    Err(Error::unsupported(path, format!("lists name lists more than {DEEPEST_LIST} deep")))
}

/// What the first file holds, over the steps that the list names, or else over its own.
pub(super) fn contents(path: &Path, options: &OpenOptions) -> Result<Contents> {
    let first = find(path, &OpenOptions { time_step: Some(0), ..options.clone() })?;
    let format = super::format_of(&first.path, &first.options)?;
    let options = OpenOptions { time_step: None, ..first.options };
    super::refuse_what_does_not_apply(&first.path, format, &options)?;
    let contents = super::contents_of(&first.path, format, &options)?;
    match first.steps {
        1 if contents.steps > 1 => Ok(contents),
        steps => Ok(Contents { steps, times: first.times.or(contents.times), ..contents }),
    }
}

/// What a list names, in the order of time; and what else it holds, in a sentence.
type Steps = (Vec<Step>, Option<String>);

fn steps(path: &Path) -> Result<Steps> {
    let bytes = std::fs::metadata(path).map_err(|e| Error::io(path, e))?.len();
    if bytes > LONGEST_BYTES {
        return Err(Error::unsupported(
            path,
            format!("a list of {bytes} bytes is too long to be one of files"),
        ));
    }
    let text = std::fs::read(path).map_err(|e| Error::io(path, e))?;
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&text);
    let text =
        std::str::from_utf8(text).map_err(|e| Error::format(path, format!("the list is no UTF-8: {e}")))?;
    let start = text.trim_start();
    if start.starts_with('{') { Ok((series(path, start)?, None)) } else { xml(path, start) }
}

#[derive(Deserialize)]
struct Series {
    files: Vec<SeriesFile>,
}

#[derive(Deserialize)]
struct SeriesFile {
    name: String,
    #[serde(default)]
    time: Option<serde_json::Value>,
}

/// JSON: `{"file-series-version": "1.0", "files": [{"name": "a.vti", "time": 0.5}, ...]}`.
fn series(path: &Path, text: &str) -> Result<Vec<Step>> {
    let Series { files } = serde_json::from_str(text)
        .map_err(|e| Error::format(path, format!("not a list of files as ParaView writes it: {e}")))?;
    let steps = files.into_iter().enumerate().map(|(index, SeriesFile { name, time })| {
        let time = match time {
            // Where it is not said, ParaView counts.
            None => index.to_string(),
            Some(serde_json::Value::String(words)) => words,
            Some(other) => other.to_string(),
        };
        Step { file: name, time }
    });
    in_order(path, steps.collect())
}

/// Steps by their times, of which each is there once.
fn in_order(path: &Path, steps: Vec<Step>) -> Result<Vec<Step>> {
    let mut timed = Vec::with_capacity(steps.len());
    for step in steps {
        let words = step.time.trim();
        let time: f64 = if words.is_empty() { Ok(0.0) } else { words.parse() }
            .ok()
            .filter(|time: &f64| time.is_finite())
            .ok_or_else(|| {
                Error::format(
                    path,
                    format!("the list gives '{}' the time '{words}', which is not a number", step.file),
                )
            })?;
        timed.push((time, step));
    }
    timed.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    if let Some(pair) = timed.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(Error::unsupported(
            path,
            format!(
                "the list names several files for the time {}, '{}' and '{}': parts are not put together; name one of them",
                pair[0].0, pair[0].1.file, pair[1].1.file
            ),
        ));
    }
    Ok(timed.into_iter().map(|(_, step)| step).collect())
}

/// `<DataSet>` elements, of a collection by their times, or as blocks.
fn xml(path: &Path, text: &str) -> Result<Steps> {
    let damaged = |e: &dyn std::fmt::Display| Error::format(path, format!("the XML is damaged: {e}"));
    let mut reader = Reader::from_str(text);
    let mut kind = String::new();
    let mut steps = Vec::new();
    let mut depth = 0u64;
    loop {
        let event = reader.read_event().map_err(|e| damaged(&e))?;
        match &event {
            Event::Start(tag) | Event::Empty(tag) => {
                depth += u64::from(matches!(event, Event::Start(_)));
                let attribute = |name: &str| attribute(tag, name).map_err(|e| damaged(&e));
                match tag.local_name().as_ref() {
                    "VTKFile" => kind = attribute("type")?.unwrap_or_default(),
                    // Blocks without a file are empty.
                    "DataSet" => {
                        if let Some(file) = attribute("file")? {
                            steps.push(Step { file, time: attribute("timestep")?.unwrap_or_default() });
                        }
                    }
                    _ => {}
                }
            }
            Event::End(_) => depth = depth.saturating_sub(1),
            Event::Eof if depth > 0 => return Err(damaged(&"it ends inside an element")),
            Event::Eof => break,
            _ => {}
        }
    }
    if kind == "Collection" { Ok((in_order(path, steps)?, None)) } else { only_image(path, steps) }
}

/// The only block that is an image.
fn only_image(path: &Path, blocks: Vec<Step>) -> Result<Steps> {
    let is_image = |step: &Step| {
        let name = step.file.to_ascii_lowercase();
        IMAGES.iter().any(|end| name.ends_with(end))
    };
    let names = |blocks: &[Step]| {
        let names: Vec<&str> = blocks.iter().take(MOST_NAMES).map(|step| step.file.as_str()).collect();
        if blocks.len() > MOST_NAMES { format!("{}, ...", names.join(", ")) } else { names.join(", ") }
    };
    let (images, others): (Vec<Step>, Vec<Step>) = blocks.into_iter().partition(is_image);
    match images.len() {
        1 => {
            let left_out =
                || format!("{}: blocks that are not images left out: {}", path.display(), names(&others));
            let left_out = (!others.is_empty()).then(left_out);
            Ok((images, left_out))
        }
        0 => Err(Error::unsupported(
            path,
            format!(
                "none of its {} blocks is an image ({}); resample one to an image first",
                others.len(),
                names(&others)
            ),
        )),
        count => Err(Error::Options(format!(
            "{}: {count} of its blocks are images, which are not put together; name one of them: {}",
            path.display(),
            names(&images)
        ))),
    }
}

fn attribute(tag: &BytesStart, name: &str) -> Result<Option<String>, String> {
    let attribute = tag.try_get_attribute(name).map_err(|e| e.to_string())?;
    let value = attribute.map(|a| a.normalized_value(XmlVersion::Implicit1_0).map(|v| v.into_owned()));
    value.transpose().map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with images of one number each.
    fn folder_of(names: &[(&str, u8)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, value) in names {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let text = format!(
                "<?xml version=\"1.0\"?><VTKFile type=\"ImageData\"><ImageData WholeExtent=\"0 1 0 0 0 0\"><Piece \
                 Extent=\"0 1 0 0 0 0\"><PointData><DataArray type=\"UInt8\" Name=\"a\" format=\"ascii\">{value} {value}\
                 </DataArray></PointData></Piece></ImageData></VTKFile>"
            );
            std::fs::write(path, text).unwrap();
        }
        folder
    }

    fn write(folder: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn read(path: &Path, step: Option<usize>) -> Result<Volume> {
        crate::io::open(path, &OpenOptions { time_step: step, ..OpenOptions::default() })
    }

    fn collection(data_sets: &[(&str, &str)]) -> String {
        let data_sets: String = data_sets
            .iter()
            .map(|(time, file)| {
                format!("<DataSet timestep=\"{time}\" group=\"\" part=\"0\" file=\"{file}\"/>")
            })
            .collect();
        format!(
            "<?xml version=\"1.0\"?>\n<VTKFile type=\"Collection\" version=\"0.1\"><Collection>{data_sets}</Collection></VTKFile>"
        )
    }

    fn refused(path: &Path, words: &str) {
        let message = read(path, None).unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
    }

    #[test]
    fn a_collection_is_a_time_series() {
        let folder = folder_of(&[("a.vti", 1), ("b.vti", 2), ("sub/c.vti", 3)]);
        // By time, wherever they stand.
        let steps = [("0.5", "b.vti"), ("0", "a.vti"), ("10", "sub\\c.vti")];
        let path = write(&folder, "run.pvd", &format!("\u{feff}{}", collection(&steps)));
        assert_eq!(crate::io::time_steps(&path, &OpenOptions::default()).unwrap(), 3);
        for step in 0..3 {
            let volume = read(&path, Some(step)).unwrap();
            assert_eq!(volume.samples().get(0), step as f64 + 1.0);
        }
        assert_eq!(read(&path, Some(1)).unwrap().provenance["time step"], "2 of 3, at 0.5");
        refused(&path, "choose one with `time_step` 0 to 2");
        assert!(read(&path, Some(3)).unwrap_err().to_string().contains("no time step 3"));
        // One is no series.
        let one = write(&folder, "one.pvd", &collection(&[("7", "b.vti")]));
        assert_eq!(read(&one, None).unwrap().samples().get(0), 2.0);

        for (name, steps, words) in [
            (
                "parts.pvd",
                &[("0", "a.vti"), ("0", "b.vti")][..],
                "several files for the time 0, 'a.vti' and 'b.vti'",
            ),
            ("comma.pvd", &[("0,5", "a.vti")], "the time '0,5', which is not a number"),
            ("gone.pvd", &[("0", "gone.vti")], "the file 'gone.vti' that it names cannot be read"),
            ("out.pvd", &[("0", "../a.vti")], "outside its folder"),
            ("none.pvd", &[], "names no file"),
            ("self.pvd", &[("0", "self.pvd")], "more than 4 deep"),
        ] {
            refused(&write(&folder, name, &collection(steps)), words);
        }
        let whole = collection(&steps);
        refused(&write(&folder, "cut.pvd", &whole[..whole.len() - 20]), "damaged");
    }

    #[test]
    fn a_series_file_is_a_time_series() {
        let folder = folder_of(&[("a.vti", 1), ("b.vti", 2)]);
        let text = r#"{"file-series-version": "1.0", "files": [{"name": "b.vti", "time": 2.5}, {"name": "a.vti", "time": 1}]}"#;
        let path = write(&folder, "run.vti.series", text);
        assert_eq!(crate::io::time_steps(&path, &OpenOptions::default()).unwrap(), 2);
        assert_eq!(read(&path, Some(1)).unwrap().samples().get(0), 2.0);
        assert_eq!(read(&path, Some(1)).unwrap().provenance["time step"], "2 of 2, at 2.5");
        let untimed = write(&folder, "a.series", r#"{"files": [{"name": "b.vti"}, {"name": "a.vti"}]}"#);
        assert_eq!(read(&untimed, Some(0)).unwrap().samples().get(0), 2.0);
        refused(&write(&folder, "b.series", r#"{"files": ["a.vti"]}"#), "not a list of files");
        refused(
            &write(&folder, "c.series", r#"{"files": [{"name": "a.vti", "time": "x"}]}"#),
            "'x', which is not a number",
        );
    }

    #[test]
    fn the_only_image_of_blocks_is_read() {
        let folder = folder_of(&[("m/a.vti", 1), ("m/b.vti", 2)]);
        let blocks = |files: &[&str]| {
            let files: String = files
                .iter()
                .map(|file| format!("<Block><DataSet index=\"0\" file=\"{file}\"/></Block>"))
                .collect();
            format!(
                "<?xml version=\"1.0\"?><VTKFile type='vtkMultiBlockDataSet'><vtkMultiBlockDataSet>{files}\
                 <DataSet index=\"9\"/></vtkMultiBlockDataSet></VTKFile>"
            )
        };
        let one = write(&folder, "one.vtm", &blocks(&["m/mesh.vtu", "m/b.vti"]));
        assert_eq!(read(&one, None).unwrap().samples().get(0), 2.0);
        refused(
            &write(&folder, "two.vtm", &blocks(&["m/a.vti", "m/b.vti"])),
            "name one of them: m/a.vti, m/b.vti",
        );
        refused(&write(&folder, "none.vtm", &blocks(&["m/mesh.vtu"])), "none of its 1 blocks is an image");
        // Blocks at each time.
        let steps = [("0", "one.vtm"), ("1", "m/a.vti")];
        let path = write(&folder, "run.pvd", &collection(&steps));
        assert_eq!([0, 1].map(|n| read(&path, Some(n)).unwrap().samples().get(0)), [2.0, 1.0]);
    }
}
