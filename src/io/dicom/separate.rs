//! The volumes of a series: slices at one position are of several, told apart by whatever attribute does it.
//!
//! Slices of two volumes are never put into one: what no attribute tells apart is an error.

use super::Slice;
use super::dimension::{self, DIMENSIONS, INSTANCE_NUMBER, Kind, Value};
use super::passes;
use super::stack::{Placed, positions};
use crate::error::{Error, Result};
use crate::io::OpenOptions;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Attributes that together tell volumes apart, at most.
const MOST_TOGETHER: usize = 3;
/// Volumes that a message names.
const NAMED: usize = 24;

/// One of the volumes of a series.
pub(super) struct SeparatePart {
    /// `b-value 1000`; empty for the only volume.
    pub(super) label: String,
    pub(super) slices: Vec<Slice>,
}

/// The volumes of a series.
pub(super) struct Parts {
    pub(super) parts: Vec<SeparatePart>,
    /// True where they are steps of a series over time, or the only one: all of them are wanted unless one is chosen.
    pub(super) over_time: bool,
}

/// A position's slices, of one volume or several.
type Position = Vec<Placed>;

/// The volumes that the slices are of, those chosen with [`OpenOptions::volume`] alone where one is.
pub(super) fn volumes(path: &Path, slices: Vec<Slice>, options: &OpenOptions) -> Result<Parts> {
    let slices = without_copies(path, slices, options)?;
    let Some(choice) = options.volume.as_deref() else { return all(path, slices, options) };
    match choice.parse::<usize>() {
        Ok(index) => {
            let mut found = all(path, slices, options)?;
            if index >= found.parts.len() {
                return Err(Error::Options(format!(
                    "{}: there is no volume {index}; the series holds {}:{}",
                    path.display(),
                    found.parts.len(),
                    list(&found.parts)
                )));
            }
            let parts = vec![found.parts.swap_remove(index)];
            Ok(Parts { parts, over_time: true })
        }
        Err(_) if choice.eq_ignore_ascii_case("all") => {
            Ok(Parts { over_time: true, ..all(path, slices, options)? })
        }
        Err(_) => all(path, chosen(path, slices, choice)?, options),
    }
}

/// The sentence for volumes of which one has to be chosen.
pub(super) fn choose_one(path: &Path, parts: &[SeparatePart]) -> Error {
    Error::Options(format!(
        "{}: the series holds {} volumes; choose one with `volume` NUMBER or NAME=VALUE, or `volume` all:{}",
        path.display(),
        parts.len(),
        list(parts)
    ))
}

fn list(parts: &[SeparatePart]) -> String {
    let mut lines: String = parts
        .iter()
        .take(NAMED)
        .enumerate()
        .map(|(n, part)| format!("\n  {n}: {}, {} slices", part.label, part.slices.len()))
        .collect();
    if parts.len() > NAMED {
        lines.push_str(&format!("\n  and {} more (`neuvol series --json` lists them)", parts.len() - NAMED));
    }
    lines
}

/// Leaves out files that are there twice, where that is allowed.
fn without_copies(path: &Path, slices: Vec<Slice>, options: &OpenOptions) -> Result<Vec<Slice>> {
    let mut seen: BTreeMap<(String, usize, usize, usize), String> = BTreeMap::new();
    let (mut kept, mut copies) = (Vec::with_capacity(slices.len()), Vec::new());
    let mut slices = slices;
    // Which copy is taken must not hang on how a folder lists its files.
    slices.sort_by(|a, b| (&a.image.path, a.frame).cmp(&(&b.image.path, b.frame)));
    for slice in slices {
        let id = slice.image.instance_uid.clone();
        let key = (id, slice.frame, slice.area.left, slice.area.top);
        match seen.get(&key).filter(|_| !key.0.is_empty()) {
            Some(first) => copies.push((first.clone(), slice.file_name())),
            None => {
                seen.insert(key, slice.file_name());
                kept.push(slice);
            }
        }
    }
    let Some((first, second)) = copies.first() else { return Ok(kept) };
    let sentence = format!(
        "the folder holds files twice: {second} has the identity (SOP Instance UID) of {first}, and so do {} of {} slices",
        copies.len(),
        kept.len() + copies.len()
    );
    if !options.allow_duplicates {
        return Err(Error::format(
            path,
            format!("{sentence}; `allow_duplicates` takes the first of each by its name"),
        ));
    }
    log::warn!("{}: {sentence}; the first of each is taken", path.display());
    Ok(kept)
}

/// The slices that `NAME=VALUE,NAME=VALUE` means.
fn chosen(path: &Path, slices: Vec<Slice>, choice: &str) -> Result<Vec<Slice>> {
    let wrong = |what: String| Error::Options(format!("{}: `volume` {choice}: {what}", path.display()));
    let mut slices = slices;
    for condition in choice.split(',') {
        let (name, value) = condition
            .split_once('=')
            .ok_or_else(|| wrong("a number of the list, NAME=VALUE or all is needed".into()))?;
        let index = find(&slices, name).ok_or_else(|| wrong(format!("no slice has a '{}'", name.trim())))?;
        let there: BTreeSet<Value> = slices.iter().filter_map(|s| s.traits.get(index).cloned()).collect();
        slices.retain(|slice| match slice.traits.get(index) {
            Some(own) => own.is_meant_by(value.trim()),
            None => value.trim().eq_ignore_ascii_case(NONE),
        });
        if slices.is_empty() {
            let there: Vec<String> = there.iter().take(NAMED).map(ToString::to_string).collect();
            return Err(wrong(format!("the values of {} are {}", name.trim(), there.join(", "))));
        }
    }
    Ok(slices)
}

/// What stands for a value that is not there.
const NONE: &str = "none";

/// The dimension that a caller names, whole or by its beginning: one that the slices have.
fn find(slices: &[Slice], name: &str) -> Option<usize> {
    let plain = |text: &str| -> String {
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let wanted = plain(name);
    let first = slices.first()?;
    let there = |index: &usize| slices.iter().any(|slice| slice.traits.get(*index).is_some());
    let indices = (0..first.traits.len()).filter(there);
    let named: Vec<(usize, String)> = indices.map(|i| (i, plain(dimension::name(i, &first.image)))).collect();
    let whole = named.iter().find(|(_, name)| *name == wanted);
    whole
        .or_else(|| named.iter().find(|(_, name)| !wanted.is_empty() && name.starts_with(&wanted)))
        .map(|(i, _)| *i)
}

/// All volumes of the slices.
fn all(path: &Path, slices: Vec<Slice>, options: &OpenOptions) -> Result<Parts> {
    let positions = positions(slices)?;
    if positions.iter().all(|p| p.len() == 1) {
        let slices: Vec<Slice> = positions.into_iter().flatten().map(|p| p.slice).collect();
        if let Some(key) = passes::told_apart_by(path, &slices)? {
            return Ok(Parts { parts: grouped(slices, &[key]), over_time: false });
        }
        return Ok(Parts { parts: vec![SeparatePart { label: String::new(), slices }], over_time: true });
    }
    let varying = varying(&positions);
    let by_value: Vec<usize> =
        varying.iter().copied().filter(|&i| dimension::kind(i) != Kind::Order).collect();
    let groups = subsets(&by_value);
    let complete = groups.iter().find(|keys| tells_apart(&positions, keys) == Some(Apart::Complete));
    if let Some(keys) = complete {
        let over_time = keys.iter().all(|&key| dimension::kind(key) != Kind::Contrast);
        return Ok(Parts { parts: grouped(flat(positions), keys), over_time });
    }
    let contrast = by_value.iter().any(|&key| dimension::kind(key) == Kind::Contrast);
    if !contrast && let Some((key, steps)) = by_order(&positions, &varying) {
        return Ok(Parts { parts: ranked(positions, key, steps), over_time: true });
    }
    if let Some(keys) = groups.iter().find(|keys| tells_apart(&positions, keys) == Some(Apart::Incomplete)) {
        let over_time = keys.iter().all(|&key| dimension::kind(key) == Kind::Time);
        return Ok(Parts { parts: grouped(flat(positions), keys), over_time });
    }
    if contrast && let Some(parts) = repeated_contrasts(path, &positions, &by_value, options)? {
        return Ok(Parts { parts, over_time: false });
    }
    first_of_each(path, positions, options)
}

fn flat(positions: Vec<Position>) -> Vec<Slice> {
    positions.into_iter().flatten().map(|p| p.slice).collect()
}

/// The dimensions that differ at some position.
fn varying(positions: &[Position]) -> Vec<usize> {
    let most = positions.iter().flatten().map(|p| p.slice.traits.len()).max().unwrap_or(0);
    let differs = |index: &usize| {
        positions.iter().any(|position| {
            let first = position.first().and_then(|p| p.slice.traits.get(*index));
            position.iter().any(|p| p.slice.traits.get(*index) != first)
        })
    };
    (0..most).filter(differs).collect()
}

/// Sets of one, two, three dimensions, in the order of trust.
fn subsets(keys: &[usize]) -> Vec<Vec<usize>> {
    let mut all: Vec<Vec<usize>> = Vec::new();
    let mut last: Vec<Vec<usize>> = vec![Vec::new()];
    for _ in 0..MOST_TOGETHER {
        last = last
            .iter()
            .flat_map(|set| {
                let behind = keys.iter().filter(|&&key| set.last().is_none_or(|&l| key > l));
                behind.map(|&key| [&set[..], &[key]].concat()).collect::<Vec<_>>()
            })
            .collect();
        all.extend(last.iter().cloned());
    }
    all
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Apart {
    /// Each volume has a slice at every position.
    Complete,
    /// Positions differ between volumes.
    Incomplete,
}

/// A slice's values of some dimensions.
fn values(slice: &Slice, keys: &[usize]) -> Vec<Option<Value>> {
    keys.iter().map(|&key| slice.traits.get(key).cloned()).collect()
}

/// Whether the values of some dimensions tell the slices of each position apart.
fn tells_apart(positions: &[Position], keys: &[usize]) -> Option<Apart> {
    let mut counts: BTreeMap<Vec<Option<Value>>, usize> = BTreeMap::new();
    for position in positions {
        let here: BTreeSet<_> = position.iter().map(|p| values(&p.slice, keys)).collect();
        if here.len() < position.len() {
            return None;
        }
        for key in here {
            *counts.entry(key).or_default() += 1;
        }
    }
    if counts.values().all(|&n| n == positions.len()) {
        return Some(Apart::Complete);
    }
    // A number that changes from slice to slice tells nothing.
    let recurring = counts.values().filter(|&&n| n > 1).count();
    (2 * recurring > counts.len()).then_some(Apart::Incomplete)
}

/// The volumes that the values of some dimensions make, in their order.
fn grouped(slices: Vec<Slice>, keys: &[usize]) -> Vec<SeparatePart> {
    let mut groups: BTreeMap<Vec<Option<Value>>, Vec<Slice>> = BTreeMap::new();
    for slice in slices {
        groups.entry(values(&slice, keys)).or_default().push(slice);
    }
    let keys = [keys, &describing(&groups, keys)].concat();
    let label = |slice: &Slice| {
        let parts: Vec<String> = keys
            .iter()
            .map(|&key| {
                let value = slice.traits.get(key).map_or(NONE.to_owned(), ToString::to_string);
                format!("{} {value}", dimension::name(key, &slice.image))
            })
            .collect();
        parts.join(", ")
    };
    groups
        .into_values()
        .map(|slices| SeparatePart { label: slices.first().map(label).unwrap_or_default(), slices })
        .collect()
}

/// Further dimensions that have one value in each group, and not the same in all: they tell people what the groups are.
fn describing(groups: &BTreeMap<Vec<Option<Value>>, Vec<Slice>>, keys: &[usize]) -> Vec<usize> {
    let most = groups.values().flatten().map(|slice| slice.traits.len()).max().unwrap_or(0);
    let describes = |key: &usize| {
        let mut found: BTreeSet<Option<&Value>> = BTreeSet::new();
        for group in groups.values() {
            let first = group.first().and_then(|slice| slice.traits.get(*key));
            if group.iter().any(|slice| slice.traits.get(*key) != first) {
                return false;
            }
            found.insert(first);
        }
        found.len() > 1
    };
    let told = |key: &usize| dimension::kind(*key) == Kind::Contrast && !keys.contains(key);
    (0..most).filter(told).filter(describes).collect()
}

/// The dimension whose order at each position makes volumes, and how many.
fn by_order(positions: &[Position], varying: &[usize]) -> Option<(usize, usize)> {
    let count = positions.first()?.len();
    if positions.iter().any(|p| p.len() != count) {
        return None;
    }
    // Times that are not the same at every position still have an order.
    let ordering = |key: &&usize| matches!(dimension::kind(**key), Kind::Order | Kind::Time);
    varying.iter().filter(ordering).copied().find(|&key| is_ordered(positions, key)).map(|key| (key, count))
}

/// Whether a dimension's numbers are all there and differ at each position. Instance numbers have to come in blocks
/// besides: volume after volume, or position after position.
fn is_ordered(positions: &[Position], key: usize) -> bool {
    let numbers = |position: &Position| -> Option<Vec<f64>> {
        let number = |p: &Placed| match p.slice.traits.get(key) {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        };
        let mut numbers = position.iter().map(number).collect::<Option<Vec<f64>>>()?;
        numbers.sort_by(f64::total_cmp);
        Some(numbers)
    };
    let Some(numbers) = positions.iter().map(numbers).collect::<Option<Vec<_>>>() else { return false };
    if numbers.iter().any(|n| n.windows(2).any(|pair| pair[0] >= pair[1])) {
        return false;
    }
    let is_instance = DIMENSIONS.get(key).is_some_and(|d| d.name == INSTANCE_NUMBER);
    !is_instance || in_blocks(&numbers)
}

/// Whether sorted numbers of each position come volume after volume, or position after position.
fn in_blocks(numbers: &[Vec<f64>]) -> bool {
    let span = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
    };
    let apart = |mut spans: Vec<(f64, f64)>| {
        spans.sort_by(|a, b| a.0.total_cmp(&b.0));
        spans.windows(2).all(|pair| pair[0].1 < pair[1].0)
    };
    let count = numbers.first().map_or(0, Vec::len);
    let volumes = (0..count).map(|step| span(&mut numbers.iter().filter_map(|n| n.get(step).copied())));
    let positions = numbers.iter().map(|n| span(&mut n.iter().copied()));
    apart(volumes.collect()) || apart(positions.collect())
}

/// The volumes that the order of a dimension at each position makes.
fn ranked(positions: Vec<Position>, key: usize, count: usize) -> Vec<SeparatePart> {
    let mut steps: Vec<Vec<Slice>> = (0..count).map(|_| Vec::new()).collect();
    let mut name = String::new();
    for mut position in positions {
        position.sort_by(|a, b| a.slice.traits.get(key).cmp(&b.slice.traits.get(key)));
        for (step, placed) in steps.iter_mut().zip(position) {
            if name.is_empty() {
                name = dimension::name(key, &placed.slice.image).to_owned();
            }
            step.push(placed.slice);
        }
    }
    let label = |step: usize| format!("step {} by {name}", step + 1);
    steps.into_iter().enumerate().map(|(step, slices)| SeparatePart { label: label(step), slices }).collect()
}

/// Pictures of different contrast that were taken several times each: by contrast first, then by order.
fn repeated_contrasts(
    path: &Path,
    positions: &[Position],
    by_value: &[usize],
    options: &OpenOptions,
) -> Result<Option<Vec<SeparatePart>>> {
    let contrasts: Vec<usize> =
        by_value.iter().copied().filter(|&key| dimension::kind(key) == Kind::Contrast).collect();
    let slices: Vec<Slice> = positions.iter().flatten().map(|p| p.slice.clone()).collect();
    let groups = grouped(slices, &contrasts);
    if groups.len() < 2 {
        return Ok(None);
    }
    let mut parts = Vec::new();
    // What no attribute tells apart within a group is refused there.
    let strict = OpenOptions { allow_duplicates: false, ..options.clone() };
    for SeparatePart { label, slices } in groups {
        match all(path, slices, &strict) {
            Ok(inner) => parts.extend(inner.parts.into_iter().map(|part| SeparatePart {
                label: [label.as_str(), part.label.as_str()].join(", ").trim_end_matches(", ").to_owned(),
                ..part
            })),
            Err(_) => return Ok(None),
        }
    }
    Ok(Some(parts))
}

/// Slices at one position that nothing tells apart: an error, or the first of each.
fn first_of_each(path: &Path, positions: Vec<Position>, options: &OpenOptions) -> Result<Parts> {
    let twice: Vec<&Position> = positions.iter().filter(|p| p.len() > 1).collect();
    let [first, second, ..] = twice.first().map(|p| p.as_slice()).unwrap_or_default() else {
        return Err(Error::unsupported(path, "the slices cannot be told apart"));
    };
    let differing: Vec<&str> = varying(&positions)
        .into_iter()
        .filter(|&key| dimension::kind(key) != Kind::Order)
        .map(|key| dimension::name(key, &first.slice.image))
        .collect();
    let sentence = format!(
        "two slices at the same position, {:.2} mm along the normal: {} and {}, and so at {} of {} positions",
        first.along,
        first.slice.file_name(),
        second.slice.file_name(),
        twice.len(),
        positions.len()
    );
    if !differing.is_empty() {
        return Err(Error::format(
            path,
            format!(
                "{sentence}; they differ in {}, which does not make whole volumes of them: `volume` NAME=VALUE takes those \
                 of one value",
                differing.join(", ")
            ),
        ));
    }
    if !options.allow_duplicates {
        return Err(Error::format(
            path,
            format!(
                "{sentence}; no attribute tells them apart: `allow_duplicates` takes the first of each by its name"
            ),
        ));
    }
    log::warn!(
        "{}: {sentence}; no attribute tells them apart, and the first of each is taken",
        path.display()
    );
    let first_of = |position: Position| {
        position.into_iter().map(|p| p.slice).min_by_key(|s| (s.image.path.clone(), s.frame))
    };
    let slices = positions.into_iter().filter_map(first_of).collect();
    Ok(Parts { parts: vec![SeparatePart { label: String::new(), slices }], over_time: true })
}
