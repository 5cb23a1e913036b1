//! Time steps: the slices of several volumes at the same positions, told apart.

use super::Slice;
use super::slice::Moment;
use super::stack::{Placed, positions};
use crate::error::{Error, Result};
use crate::io::OpenOptions;
use std::path::Path;

/// Numbers that are the same at every position; the later ones are clock times, which only order a position's slices.
const SAME_EVERYWHERE: usize = 4;

/// The volumes of a series, and what told them apart; one, and nothing, when no two slices are at one position.
pub(super) fn steps(
    path: &Path,
    slices: Vec<Slice>,
    options: &OpenOptions,
) -> Result<(Vec<Vec<Slice>>, Option<&'static str>)> {
    let mut positions = positions(slices)?;
    let count = positions.first().map_or(0, Vec::len);
    if positions.iter().all(|p| p.len() == 1) {
        return Ok((vec![positions.into_iter().flatten().map(|p| p.slice).collect()], None));
    }
    let copies = positions.iter().any(|position| {
        let mut ids: Vec<_> =
            position.iter().map(|p| (p.slice.image.instance_uid.as_str(), p.slice.frame)).collect();
        ids.sort_unstable();
        ids.windows(2).any(|pair| pair[0] == pair[1])
    });
    let even = !copies && positions.iter().all(|p| p.len() == count);
    let told_apart = (0..Moment::NAMES.len()).find(|&key| even && tells_apart(&positions, key));
    if let Some(key) = told_apart {
        let mut steps: Vec<Vec<Slice>> = (0..count).map(|_| Vec::new()).collect();
        for position in &mut positions {
            position.sort_by(|a, b| moment(a, key).total_cmp(&moment(b, key)));
            for (step, placed) in steps.iter_mut().zip(position.drain(..)) {
                step.push(placed.slice);
            }
        }
        return Ok((steps, Some(Moment::NAMES[key])));
    }
    let twice: Vec<&Vec<Placed>> = positions.iter().filter(|p| p.len() > 1).collect();
    let [first, second, ..] = twice.first().map(|p| p.as_slice()).unwrap_or_default() else {
        return Err(Error::unsupported(path, "the slices cannot be told apart"));
    };
    let why =
        if copies { "the folder holds files twice" } else { "no number tells them apart as time steps" };
    let sentence = format!(
        "two slices at the same position, {:.2} mm along the normal: {} and {}, and so at {} of {} positions; {why}",
        first.along,
        first.slice.file_name(),
        second.slice.file_name(),
        twice.len(),
        positions.len()
    );
    if !options.allow_duplicates {
        return Err(Error::format(
            path,
            format!("{sentence}: --allow-duplicates takes the first of each by its name"),
        ));
    }
    log::warn!("{}: {sentence}; the first of each is taken", path.display());
    let first_of = |position: Vec<Placed>| {
        position.into_iter().map(|p| p.slice).min_by_key(|s| (s.image.path.clone(), s.frame))
    };
    Ok((vec![positions.into_iter().filter_map(first_of).collect()], None))
}

/// Whether the numbers of each position are all there, different from each other, and where they should be, the same as
/// at the first position.
fn tells_apart(positions: &[Vec<Placed>], key: usize) -> bool {
    let sorted = |position: &Vec<Placed>| {
        let mut moments: Vec<f64> = position.iter().map(|p| moment(p, key)).collect();
        moments.sort_by(f64::total_cmp);
        moments
    };
    let Some(first) = positions.first().map(sorted) else { return false };
    positions.iter().map(sorted).all(|moments| {
        moments.iter().all(|m| !m.is_nan())
            && moments.windows(2).all(|pair| pair[0] < pair[1])
            && (key >= SAME_EVERYWHERE || moments == first)
    })
}

fn moment(placed: &Placed, key: usize) -> f64 {
    placed.slice.moment.0.get(key).copied().flatten().unwrap_or(f64::NAN)
}
