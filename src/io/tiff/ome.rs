//! OME-TIFF: the OME-XML in the first page's description says what the pages are.
//!
//! Specification: <https://docs.openmicroscopy.org/ome-model/latest/ome-tiff/specification.html>.

use super::arrangement::{self, Arrangement, Planes, Sizes};
use super::directory::Directories;
use crate::error::{Error, Result};
use crate::io::reading;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// How often a page may be listed.
const MOST_LISTINGS: usize = 16;

pub(super) fn recognises(description: &str) -> bool {
    description.starts_with('<') && description.ends_with("OME>") && description.contains("OME")
}

/// What a `<TiffData>` says: planes from the first ones on, in the dimension order, lie on pages that follow each other.
struct TiffData {
    /// The first page.
    ifd: Option<usize>,
    /// Indices of the first plane along z, channels and time.
    first: [usize; 3],
    count: Option<usize>,
    /// `FileName` and the UUID itself, where the pages are said to be in a certain file.
    file_name: Option<String>,
    uuid: String,
}

/// What the XML says of the only image.
#[derive(Default)]
struct Image {
    attributes: HashMap<String, String>,
    samples_per_pixel: Vec<usize>,
    data: Vec<TiffData>,
}

pub(super) fn arrangement(
    path: &Path,
    xml: &str,
    directories: &Directories,
    given: Option<[f64; 3]>,
) -> Result<Arrangement> {
    let (image, uuid) = read(path, xml)?;
    let text = |name: &str| image.attributes.get(name).map(String::as_str);
    let count = |name: &str| -> Result<usize> {
        let words = text(name).unwrap_or_default();
        words.trim().parse().ok().filter(|&n: &usize| n > 0).ok_or_else(|| {
            Error::format(
                path,
                format!("the OME-XML gives Pixels the {name} '{words}', which is not a count"),
            )
        })
    };
    let first = &directories.pages[0];
    let size = [count("SizeX")?, count("SizeY")?];
    if size != first.size {
        return Err(Error::format(
            path,
            format!(
                "the OME-XML says {} x {} pixels, the first page has {} x {}",
                size[0], size[1], first.size[0], first.size[1]
            ),
        ));
    }
    // A plane has as many channels as a pixel has samples.
    let all_channels = count("SizeC")?;
    let per_plane = image.samples_per_pixel.first().copied().unwrap_or(1);
    if image.samples_per_pixel.iter().any(|&n| n != per_plane)
        || per_plane != first.samples
        || all_channels % per_plane != 0
    {
        return Err(Error::unsupported(
            path,
            format!(
                "the OME-XML says {all_channels} channels of {:?} samples a pixel, the first page has {}",
                image.samples_per_pixel, first.samples
            ),
        ));
    }
    let sizes = Sizes { slices: count("SizeZ")?, channels: all_channels / per_plane, steps: count("SizeT")? };
    if sizes.planes().is_none() {
        return Err(Error::format(path, "the OME-XML says more planes than can be counted"));
    }
    let order = dimension_order(path, text("DimensionOrder").unwrap_or_default())?;
    let (spacing, unit) = spacing(path, &image.attributes, given)?;
    let interval = text("TimeIncrement")
        .map_or(String::new(), |time| format!("{time} {}", text("TimeIncrementUnit").unwrap_or("s")));
    Ok(Arrangement {
        sizes,
        planes: planes(path, &image, &uuid, sizes, order, directories)?,
        spacing,
        unit,
        interval,
        convention: "OME-TIFF",
    })
}

/// Which of z (0), channels (1) and time (2) comes first, second and last.
fn dimension_order(path: &Path, words: &str) -> Result<[usize; 3]> {
    let kinds: Vec<usize> =
        words.strip_prefix("XY").unwrap_or_default().chars().filter_map(|c| "ZCT".find(c)).collect();
    match <[usize; 3]>::try_from(kinds) {
        Ok(order) if words.len() == 5 && (0..3).all(|kind| order.contains(&kind)) => Ok(order),
        _ => {
            Err(Error::format(path, format!("the OME-XML gives Pixels the invalid DimensionOrder '{words}'")))
        }
    }
}

fn spacing(
    path: &Path,
    attributes: &HashMap<String, String>,
    given: Option<[f64; 3]>,
) -> Result<([Option<f64>; 3], String)> {
    let mut distances = [None; 3];
    let mut units = [""; 3];
    for (axis, letter) in ["X", "Y", "Z"].into_iter().enumerate() {
        let name = format!("PhysicalSize{letter}");
        // The schema's default.
        units[axis] = attributes.get(&format!("{name}Unit")).map_or("\u{b5}m", |unit| unit.trim());
        if let Some(words) =
            attributes.get(&name).filter(|_| !["pixel", "reference frame"].contains(&units[axis]))
        {
            distances[axis] = reading::distance(path, &format!("the OME-XML's {name}"), words, given)?;
        }
    }
    arrangement::in_one_unit(path, distances, units)
}

/// Which page each plane lies on.
fn planes(
    path: &Path,
    image: &Image,
    uuid: &str,
    sizes: Sizes,
    order: [usize; 3],
    directories: &Directories,
) -> Result<Planes> {
    let counts = [sizes.slices, sizes.channels, sizes.steps];
    let own_name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let pages = directories.pages.last().map_or(0, |page| page.number + 1);
    let mut listed = BTreeMap::new();
    let mut elsewhere = None;
    // All pages, where nothing is said of them.
    let mut listings = 0usize;
    let all = [TiffData { ifd: None, first: [0; 3], count: None, file_name: None, uuid: String::new() }];
    let data = if image.data.is_empty() { &all[..] } else { &image.data };
    for block in data {
        // A file keeps its UUID when it is renamed.
        let is_here = block.uuid.is_empty() || block.uuid == uuid;
        if let Some(name) = block.file_name.as_deref().filter(|&name| !is_here && name != own_name) {
            elsewhere.get_or_insert_with(|| name.to_owned());
            continue;
        }
        let ifd = block.ifd.unwrap_or(0);
        let count = block.count.unwrap_or(if block.ifd.is_some() { 1 } else { pages });
        if ifd.checked_add(count).is_none_or(|end| end > pages) {
            return Err(Error::format(
                path,
                format!(
                    "the OME-XML puts {count} planes on pages from {} on, but the file has {pages}",
                    ifd + 1
                ),
            ));
        }
        listings = listings.saturating_add(count);
        if listings > MOST_LISTINGS.saturating_mul(pages) {
            return Err(Error::format(path, format!("the OME-XML lists its {pages} pages again and again")));
        }
        let mut at = block.first;
        for number in ifd..ifd + count {
            if (0..3).any(|kind| at[kind] >= counts[kind]) {
                // More pages than planes: what is behind the last plane is not the image's.
                break;
            }
            listed.insert([at[2], at[1], at[0]], number);
            for (n, &kind) in order.iter().enumerate() {
                at[kind] += 1;
                if at[kind] < counts[kind] || n == 2 {
                    break;
                }
                at[kind] = 0;
            }
        }
    }
    Ok(Planes::Listed(listed, elsewhere))
}

/// The only image, and the file's own UUID.
fn read(path: &Path, xml: &str) -> Result<(Image, String)> {
    let damaged = |e: &dyn std::fmt::Display| Error::format(path, format!("the OME-XML is damaged: {e}"));
    let mut reader = Reader::from_str(xml);
    let mut images: Vec<Image> = Vec::new();
    let (mut uuid, mut in_uuid) = (String::new(), false);
    let mut has_root = false;
    loop {
        let event = reader.read_event().map_err(|e| damaged(&e))?;
        match &event {
            Event::Start(tag) | Event::Empty(tag) => {
                let attributes = attributes(tag).map_err(|e| damaged(&e))?;
                let number = |name: &str| -> Result<Option<usize>> {
                    let Some(words) = attributes.get(name) else { return Ok(None) };
                    let number =
                        words.trim().parse().map_err(|_| damaged(&format!("{name} is '{words}'")))?;
                    Ok(Some(number))
                };
                match (tag.local_name().as_ref(), images.last_mut()) {
                    ("OME", _) => {
                        has_root = true;
                        uuid = attributes.get("UUID").cloned().unwrap_or_default();
                    }
                    ("BinaryOnly", _) => {
                        return Err(Error::unsupported(
                            path,
                            format!(
                                "what its pages are is said in another file ('{}'), which is not read; write it as one \
                                 OME-TIFF file, as `bfconvert` does",
                                attributes.get("MetadataFile").map_or("a companion file", String::as_str)
                            ),
                        ));
                    }
                    ("Pixels", _) => images.push(Image { attributes, ..Image::default() }),
                    ("Channel", Some(image)) => {
                        image.samples_per_pixel.push(number("SamplesPerPixel")?.unwrap_or(1).max(1));
                    }
                    ("TiffData", Some(image)) => {
                        let first = |name| Ok::<_, Error>(number(name)?.unwrap_or(0));
                        image.data.push(TiffData {
                            ifd: number("IFD")?,
                            first: [first("FirstZ")?, first("FirstC")?, first("FirstT")?],
                            // The name of before 2008.
                            count: number("PlaneCount")?.or(number("NumPlanes")?),
                            file_name: None,
                            uuid: String::new(),
                        });
                    }
                    ("UUID", Some(image)) => {
                        in_uuid = matches!(event, Event::Start(_));
                        if let Some(block) = image.data.last_mut() {
                            block.file_name = attributes.get("FileName").cloned();
                        }
                    }
                    _ => {}
                }
            }
            Event::Text(text) if in_uuid => {
                if let Some(block) = images.last_mut().and_then(|image| image.data.last_mut()) {
                    block.uuid.push_str(text.trim());
                }
            }
            Event::End(tag) if tag.local_name().as_ref() == "UUID" => in_uuid = false,
            Event::Eof => break,
            _ => {}
        }
    }
    let count = images.len();
    match (images.pop(), images.is_empty() && has_root) {
        (Some(image), true) => Ok((image, uuid)),
        (Some(_), false) if has_root => Err(Error::unsupported(
            path,
            format!(
                "the file holds {count} images (OME-XML); neuvol reads files of one: save one of them alone"
            ),
        )),
        _ => Err(Error::format(path, "the OME-XML describes no image (Pixels)")),
    }
}

/// A tag's attributes by their names without prefix.
fn attributes(tag: &BytesStart) -> Result<HashMap<String, String>, String> {
    let mut all = HashMap::new();
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(|e| e.to_string())?;
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|e| e.to_string())?;
        all.insert(attribute.key.local_name().as_ref().to_owned(), value.into_owned());
    }
    Ok(all)
}
