//! Passes over one region whose slices lie between each other: they look like one stack, and are two.

use super::Slice;
use super::dimension::{self, Kind, Value};
use super::stack::{axes, positions};
use crate::error::Result;
use std::collections::BTreeMap;
use std::path::Path;

/// Slices nearer to each other than this part of their thickness overlap.
const OVERLAP: f64 = 0.99;

/// The attribute that tells passes apart whose slices lie between each other; none for one stack.
///
/// Slices of one acquisition may be taken in two passes, every other one in each, so as not to disturb their neighbours: then
/// they lie as far apart as they are thick, and are one stack. Slices that overlap were measured twice.
///
/// # Errors
/// When the slices have no common axes.
pub(super) fn told_apart_by(path: &Path, slices: &[Slice]) -> Result<Option<usize>> {
    if slices.len() < 4 || axes(slices)?.is_none() {
        return Ok(None);
    }
    let placed: Vec<_> = positions(slices.to_vec())?.into_iter().flatten().collect();
    let most = placed.iter().map(|p| p.slice.traits.len()).max().unwrap_or(0);
    for key in (0..most).filter(|&key| matches!(dimension::kind(key), Kind::Repetition | Kind::Contrast)) {
        let mut groups: BTreeMap<Option<Value>, (usize, usize, usize)> = BTreeMap::new();
        for (at, p) in placed.iter().enumerate() {
            let (_, last, count) = groups.entry(p.slice.traits.get(key).cloned()).or_insert((at, at, 0));
            (*last, *count) = (at, *count + 1);
        }
        let alternate = groups.len() > 1
            && groups.values().all(|(first, last, count)| *count > 1 && last - first + 1 > *count);
        if !alternate {
            continue;
        }
        let nearest = placed.windows(2).map(|w| w[1].along - w[0].along).fold(f64::INFINITY, f64::min);
        let thickness = placed.first().and_then(|p| p.slice.depth.thickness.clone().ok().flatten());
        if thickness.is_none_or(|thickness| nearest < OVERLAP * thickness) {
            return Ok(Some(key));
        }
        log::info!(
            "{}: slices of {} {} lie between each other, as far apart as they are thick: one stack",
            path.display(),
            groups.len(),
            placed.first().map_or("", |p| dimension::name(key, &p.slice.image))
        );
    }
    Ok(None)
}
