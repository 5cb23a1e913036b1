//! `neuvol slice`.

use super::Placement;
use super::input::NeuralArguments;
use anyhow::Result;
use clap::ValueEnum;
use neuvol::render::{Picture, Window};
use neuvol::{Axis, Description, Region};
use std::path::{Path, PathBuf};

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// The .nvol file.
    input: PathBuf,
    #[command(flatten)]
    from: NeuralArguments,
    /// The PNG file to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The axis that the slice is across.
    #[arg(long, value_enum, default_value_t = AxisName::Z)]
    axis: AxisName,
    /// Which slice; the middle one when absent.
    #[arg(long, value_name = "N")]
    index: Option<usize>,
    /// A coarser level of detail, which is faster to read: 1 has half as many samples along each axis, 2 a quarter. The slice is the
    /// nearest one before --index.
    #[arg(long, value_name = "K", default_value_t = 0)]
    level: usize,
    /// Values shown as black and white, for example -1000 400; the volume's range when absent.
    #[arg(long, num_args = 2, value_names = ["LOW", "HIGH"], allow_negative_numbers = true)]
    window: Option<Vec<f64>>,
}

#[derive(ValueEnum, Debug, Clone, Copy)]
enum AxisName {
    X,
    Y,
    Z,
}

impl From<AxisName> for Axis {
    fn from(name: AxisName) -> Self {
        match name {
            AxisName::X => Axis::X,
            AxisName::Y => Axis::Y,
            AxisName::Z => Axis::Z,
        }
    }
}

pub(super) fn run(arguments: &Arguments, place: Placement) -> Result<()> {
    check_png(&arguments.output)?;
    let neural = arguments.from.open(&arguments.input, place)?;
    let info = neural.info();
    let axis = Axis::from(arguments.axis);
    let count = info.shape[axis.index()];
    let index = arguments.index.unwrap_or(count / 2);
    if index >= count {
        anyhow::bail!(neuvol::Error::Options(format!(
            "slice {index} is outside the volume: {:?} has slices 0 to {}",
            arguments.axis,
            count - 1
        )));
    }
    let (shape, stride) = neural
        .levels()
        .get(arguments.level)
        .map_or((info.shape, [1; 3]), |level| (level.shape, level.stride));
    let of_level = Region::slice(shape, axis, index / stride[axis.index()]);
    let slice = neural.read_level(arguments.level, of_level)?;
    let window = match arguments.window.as_deref() {
        Some(&[low, high]) => Window { low, high },
        _ => whole_range(info),
    };
    Picture::of_slice(&slice, axis, window).save(&arguments.output)?;
    say!("{}", arguments.output.display());
    Ok(())
}

/// Pictures are written as PNG: refuses another name before anything is read.
pub(super) fn check_png(path: &Path) -> Result<()> {
    if !path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("png")) {
        let name = path.display();
        anyhow::bail!(neuvol::Error::Options(format!(
            "{name}: slices are written as PNG; end the name in .png"
        )));
    }
    Ok(())
}

/// From the volume's lowest value, black, to its highest.
pub(super) fn whole_range(info: &Description) -> Window {
    info.range.map_or(Window { low: 0.0, high: 1.0 }, |(low, high)| Window { low, high })
}
