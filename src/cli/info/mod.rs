//! `neuvol info`.

mod dataset;

use super::input::NeuralArguments;
use super::slice::{check_png, whole_range};
use super::{Placement, report};
use anyhow::Result;
use neuvol::engine::device::Device;
use neuvol::render::Picture;
use neuvol::sample::LevelOfDetail;
use neuvol::train::Quality;
use neuvol::volume::Association;
use neuvol::{Axis, Description, NeuralVolume, Region, TargetKind};
use std::path::{Path, PathBuf};

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// The .nvol file.
    input: PathBuf,
    #[command(flatten)]
    from: NeuralArguments,
    /// Write a picture, too: the middle slices across x, y and z side by side, of a level of detail that is quick to read (the finest
    /// one of at most 256 samples along each axis), from black at the lowest value to white at the highest.
    #[arg(long, value_name = "FILE.png")]
    preview: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Samples along the longest axis of a preview.
const PREVIEW: usize = 256;

pub(super) fn run(arguments: &Arguments, place: Placement) -> Result<()> {
    arguments.preview.as_deref().map_or(Ok(()), check_png)?;
    // Little or nothing is evaluated: no device is to be started for it, unless it was asked for.
    let device = if place.device == Device::Auto { Device::Cpu } else { place.device };
    let file = arguments.from.open_dataset(&arguments.input, Placement { device }, None)?;
    let chosen = arguments.from.chosen(&file, &arguments.input)?;
    let components =
        |array: usize| chosen.components.clone().unwrap_or(0..file.arrays()[array].components.len());
    let volumes =
        chosen.arrays.clone().map(|array| components(array).len()).sum::<usize>() * chosen.steps.len();
    if volumes > 1 {
        if arguments.preview.is_some() {
            let what = "a preview is of one volume: choose it with --array, --component and --time-step";
            return Err(neuvol::Error::Options(what.into()).into());
        }
        return dataset::print(&file, &chosen, arguments.json);
    }
    let (array, step) = (chosen.arrays.start, chosen.steps.start);
    let neural = file.volume(array, components(array).start, step)?;
    let preview = match &arguments.preview {
        Some(path) => Some((path.as_path(), preview(&neural, path)?)),
        None => None,
    };
    if arguments.json { print_json(&neural, preview) } else { print_text(&neural, preview) }
}

/// Writes the middle slices of a coarse level, and says of which.
fn preview(neural: &NeuralVolume, path: &Path) -> Result<usize> {
    let levels = neural.levels();
    let is_small = |level: &LevelOfDetail| level.shape.iter().all(|&n| n <= PREVIEW);
    let level = levels.iter().position(is_small).unwrap_or(levels.len() - 1);
    let shape = levels[level].shape;
    let middle = |axis: Axis| neural.read_level(level, Region::slice(shape, axis, shape[axis.index()] / 2));
    let slices = Axis::ALL.map(middle).into_iter().collect::<neuvol::Result<Vec<_>>>()?;
    let slices: Vec<_> = slices.iter().zip(Axis::ALL).collect();
    Picture::of_slices(&slices, whole_range(neural.info())).save(path)?;
    Ok(level)
}

fn print_text(neural: &NeuralVolume, preview: Option<(&Path, usize)>) -> Result<()> {
    let info = neural.info();
    let g = &info.geometry;
    let triple = |v: [f64; 3]| format!("{}, {}, {}", v[0], v[1], v[2]);
    let column = |a: usize| [0, 1, 2].map(|row| g.direction[row][a]);
    let cells = if info.association == Association::Point { "" } else { ", cell data" };
    say!("array       {} ({}{cells}){}", info.name, info.sample_type, unit_suffix(&info.unit));
    say!("dims        {}", report::dims(info.shape));
    say!("spacing     {}", triple(g.spacing));
    say!("origin      {} ({})", triple(g.origin), g.frame.name());
    for (a, axis) in ["x", "y", "z"].into_iter().enumerate() {
        say!("{axis} axis      {}", triple(column(a)));
    }
    if let Some((low, high)) = info.range {
        say!("range       {} to {}", report::value(low, &info.unit), report::value(high, &info.unit));
    }
    if let Some(fill) = info.fill_value {
        match info.fill_limit {
            None => say!("fill value  {fill}"),
            Some(limit) => say!("fill values {fill} to {limit}"),
        }
    }
    say!("file        {}", report::bytes(neural.file_bytes()));
    say!("ratio       {}", report::ratios(neural.ratio(), neural.ratio_f32(), info.sample_type.name()));
    for line in report::fidelity(&info.fidelity(), &info.geometry, &info.unit) {
        let (label, text) = line.split_at(report::LABEL);
        say!("{label}  {text}");
    }
    if let Some(focus) = &info.focus {
        for line in report::focus(focus, &info.unit) {
            let (label, text) = line.split_at(report::LABEL);
            say!("{label}  {text}");
        }
    }
    let asked = match info.asked.target {
        TargetKind::Quality => quality(info),
        TargetKind::Psnr => format!("{} dB", info.asked.value),
        TargetKind::Ratio => format!("ratio {}:1", info.asked.value),
        TargetKind::Size => format!("{} bytes", info.asked.value),
        TargetKind::MaxError => {
            format!("errors of at most {}", report::value(info.asked.value, &info.unit))
        }
        TargetKind::Lossless => "every voxel exactly as it was".to_owned(),
        other => format!("{other:?} {}", info.asked.value),
    };
    say!("asked for   {asked}, preset {:?}", info.asked.preset);
    match neural.parameter_count() {
        0 => say!("model       {}", neural.model_summary()),
        parameters => say!("model       {} ({parameters} parameters)", neural.model_summary()),
    }
    let levels: Vec<String> = neural
        .levels()
        .iter()
        .enumerate()
        .map(|(k, level)| format!("{k}: {}", report::dims(level.shape)))
        .collect();
    say!("levels      {}", levels.join(", "));
    if let Some(edge) = neural.range_cells() {
        say!("ranges      of values in cells of {edge} voxels: pictures decode those that show anything");
    }
    if let Some((path, level)) = preview {
        say!("preview     {} (of level {level})", path.display());
    }
    say!("memory      {} once samples were read", report::bytes(neural.memory_bytes() as u64));
    say!("written by  {}", info.writer);
    for (key, value) in &info.provenance {
        say!("source      {key}: {value}");
    }
    Ok(())
}

/// The quality that was asked for, and what it came to.
fn quality(info: &Description) -> String {
    let Some(quality) = Quality::from_number(info.asked.value) else {
        return format!("quality {}", info.asked.value);
    };
    let span = info.range.map_or(0.0, |(low, high)| high - low);
    format!("quality {}, here {:.2} dB", quality.name(), quality.psnr(info.achieved.noise, span))
}

fn unit_suffix(unit: &str) -> String {
    if unit.is_empty() { String::new() } else { format!(" in {unit}") }
}

fn print_json(neural: &NeuralVolume, preview: Option<(&Path, usize)>) -> Result<()> {
    let info = neural.info();
    let mut achieved = serde_json::to_value(&info.achieved)?;
    if let (Some(achieved), serde_json::Value::Object(measured)) =
        (achieved.as_object_mut(), report::fidelity_json(&info.fidelity(), &info.geometry))
    {
        // The file does not say how many voxels are masked.
        achieved.extend(measured.into_iter().filter(|(key, _)| key != "voxels"));
    }
    let json = serde_json::json!({
        "array": info.name,
        "unit": info.unit,
        "dims": info.shape,
        "type": info.sample_type.name(),
        "association": info.association.name(),
        "spacing": info.geometry.spacing,
        "origin": info.geometry.origin,
        "direction": info.geometry.direction,
        "frame": info.geometry.frame.name(),
        "range": info.range,
        "fill_value": info.fill_value.and_then(report::finite),
        "fill_limit": info.fill_limit.and_then(report::finite),
        "file_bytes": neural.file_bytes(),
        "ratio": neural.ratio(),
        "ratio_float32": neural.ratio_f32(),
        "psnr_db": report::finite(info.psnr()),
        "asked": info.asked,
        "achieved": achieved,
        "focus": info.focus.as_ref().map(report::focus_json),
        "writer": info.writer,
        "model": neural.model_summary(),
        "levels": neural.levels().iter().map(|level| {
            serde_json::json!({ "dims": level.shape, "stride": level.stride })
        }).collect::<Vec<_>>(),
        "range_cells": neural.range_cells(),
        "preview": preview.map(|(path, level)| {
            serde_json::json!({ "file": path.display().to_string(), "level": level })
        }),
        "memory_bytes": neural.memory_bytes(),
        "parameters": neural.parameter_count(),
        "provenance": info.provenance,
    });
    say!("{json:#}");
    Ok(())
}
