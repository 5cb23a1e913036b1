//! Arrays as tifffile describes them: JSON with a `shape`, sometimes with `axes`, sometimes `"truncated": true` where one
//! directory stands for all planes, which follow each other.

use super::arrangement::{self, Arrangement, Planes, Sizes};
use super::directory::Directories;
use crate::error::{Error, Result};
use serde::Deserialize;
use std::path::Path;

#[derive(Deserialize)]
struct Description {
    shape: Vec<usize>,
    #[serde(default)]
    axes: Option<String>,
    #[serde(default)]
    truncated: bool,
}

/// `None` for a description of another kind.
pub(super) fn arrangement(
    path: &Path,
    description: &str,
    directories: &Directories,
) -> Result<Option<Arrangement>> {
    if !description.starts_with('{') {
        return Ok(None);
    }
    let Ok(Description { shape, axes, truncated }) = serde_json::from_str(description) else {
        return Ok(None);
    };
    let first = &directories.pages[0];
    let [width, height] = first.size;
    let samples = first.samples;
    // The axes of a page, of which the last ones of the array are.
    let of_page: Vec<usize> =
        [vec![height, width, samples], vec![samples, height, width], vec![height, width]]
            .into_iter()
            .find(|page| (page.len() == 2) == (samples == 1) && shape.ends_with(page))
            .unwrap_or_default();
    let described = || {
        let axes = axes.as_ref().map_or(String::new(), |axes| format!(" ({axes})"));
        format!("an array of {shape:?}{axes}")
    };
    if of_page.is_empty() {
        return match truncated {
            true => Err(Error::format(
                path,
                format!("its description says {}, but its page is {}", described(), first.described()),
            )),
            false => Ok(None),
        };
    }
    let outer = &shape[..shape.len() - of_page.len()];
    let letters: Vec<char> = match &axes {
        Some(axes) if axes.chars().count() == shape.len() => axes.chars().take(outer.len()).collect(),
        _ => vec!['Q'; outer.len()],
    };
    let planes = outer.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
    let pages = directories.pages.len();
    if planes.is_none_or(|planes| planes == 0 || planes != pages && !(truncated && pages == 1)) {
        return Err(Error::format(
            path,
            format!(
                "its description says {}, but the file holds {pages} pages; save one array a file",
                described()
            ),
        ));
    }
    let planes = planes.unwrap_or(pages);

    let mut sizes = [1usize; 3];
    let mut strides = [0usize; 3];
    // Axes of no name: the last one is z, one before it time, as in `.npy`, where these are not named elsewhere.
    let nameless = |letter: char| !matches!(letter, 'Z' | 'C' | 'T');
    let mut free: Vec<usize> =
        [0, 2].into_iter().filter(|&kind| !letters.contains(&['Z', 'C', 'T'][kind])).collect();
    free.reverse();
    let mut stride = planes;
    let mut axes_left: Vec<(char, usize, usize)> = Vec::new();
    for (&letter, &size) in letters.iter().zip(outer) {
        stride = stride.checked_div(size).unwrap_or(0);
        if size != 1 {
            axes_left.push((letter, size, stride));
        }
    }
    let count_nameless = axes_left.iter().filter(|(letter, ..)| nameless(*letter)).count();
    let mut nameless_kinds = match (count_nameless, free.as_slice()) {
        (0, _) => Vec::new(),
        (n, free) if n <= free.len() => free[free.len() - n..].to_vec(),
        _ => {
            return Err(Error::unsupported(
                path,
                format!("its description says {}; only slices, channels and time are supported: save a part of it", described()),
            ));
        }
    }
    .into_iter();
    for (letter, size, stride) in axes_left {
        let kind = match letter {
            'Z' => Some(0),
            'C' => Some(1),
            'T' => Some(2),
            _ => nameless_kinds.next(),
        };
        if let Some(kind) = kind {
            sizes[kind] = size;
            strides[kind] = stride;
        }
    }
    if sizes.iter().try_fold(1usize, |product, &n| product.checked_mul(n)) != Some(planes) {
        return Err(Error::format(
            path,
            format!("its description says {}, which names an axis twice", described()),
        ));
    }
    let [slices, channels, steps] = sizes;
    let planes = match planes > pages {
        true => arrangement::following(path, directories, strides, planes)?,
        false => Planes::Pages(strides),
    };
    Ok(Some(Arrangement { sizes: Sizes { slices, channels, steps }, planes, ..Arrangement::plain(pages) }))
}
