//! `neuvol slice`.

use super::Placement;
use super::input::NeuralArguments;
use anyhow::Result;
use clap::ValueEnum;
use neuvol::render::reformation::{Curve, Plane, Projection};
use neuvol::render::{Picture, Window};
use neuvol::{Axis, Description, NeuralVolume, Region};
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
    #[arg(long, value_enum, default_value_t = AxisName::Z, conflicts_with_all = ["plane", "curve"])]
    axis: AxisName,
    /// Which slice; the middle one when absent.
    #[arg(long, value_name = "N", conflicts_with_all = ["plane", "curve"])]
    index: Option<usize>,
    /// An oblique plane instead: a point of it and its normal, in world coordinates.
    #[arg(long, num_args = 6, value_names = ["PX", "PY", "PZ", "NX", "NY", "NZ"], allow_negative_numbers = true)]
    plane: Option<Vec<f64>>,
    /// How thick the slab around the plane is that a pixel shows, in the world's units.
    #[arg(long, value_name = "LENGTH", default_value_t = 0.0, requires = "plane")]
    thickness: f64,
    /// What a pixel shows of the slab.
    #[arg(long, value_enum, default_value_t = ProjectionName::Mean, requires = "plane")]
    projection: ProjectionName,
    /// Along a curve instead, straightened: a file of its points in world coordinates, x,y,z a line.
    #[arg(long, value_name = "FILE.csv", conflicts_with = "plane")]
    curve: Option<PathBuf>,
    /// How high the picture along a curve is, in the world's units; half of the curve's length when absent.
    #[arg(long, value_name = "LENGTH", requires = "curve")]
    height: Option<f64>,
    /// Up in the picture along a curve.
    #[arg(long, num_args = 3, value_names = ["X", "Y", "Z"], allow_negative_numbers = true, requires = "curve")]
    up: Option<Vec<f64>>,
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

#[derive(ValueEnum, Debug, Clone, Copy)]
enum ProjectionName {
    Mean,
    /// Maximum intensity.
    Mip,
    /// Minimum intensity.
    Minip,
}

impl From<ProjectionName> for Projection {
    fn from(name: ProjectionName) -> Self {
        match name {
            ProjectionName::Mean => Projection::Mean,
            ProjectionName::Mip => Projection::Maximum,
            ProjectionName::Minip => Projection::Minimum,
        }
    }
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
    let window = match arguments.window.as_deref() {
        Some(&[low, high]) => Window { low, high },
        _ => whole_range(info),
    };
    if let Some(picture) = arguments.reformation(&neural, window)? {
        picture.save(&arguments.output)?;
        say!("{}", arguments.output.display());
        return Ok(());
    }
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
    Picture::of_slice(&slice, axis, window).save(&arguments.output)?;
    say!("{}", arguments.output.display());
    Ok(())
}

impl Arguments {
    /// The picture of an oblique plane or along a curve, where one is asked for.
    fn reformation(&self, volume: &NeuralVolume, window: Window) -> Result<Option<Picture>> {
        if let Some(&[px, py, pz, nx, ny, nz]) = self.plane.as_deref() {
            let plane = Plane {
                point: [px, py, pz],
                normal: [nx, ny, nz],
                thickness: self.thickness,
                projection: self.projection.into(),
            };
            return Ok(Some(plane.picture(volume, self.level, window)?));
        }
        let Some(file) = &self.curve else { return Ok(None) };
        let points = Curve::points_of_file(file)?;
        let length =
            |ends: &[[f64; 3]]| (0..3).map(|a| (ends[1][a] - ends[0][a]).powi(2)).sum::<f64>().sqrt();
        let height = self.height.unwrap_or_else(|| points.windows(2).map(length).sum::<f64>() / 2.0);
        let up = match self.up.as_deref() {
            Some(&[x, y, z]) => [x, y, z],
            _ => [0.0, 0.0, 1.0],
        };
        Ok(Some(Curve { points, up, height }.picture(volume, self.level, window)?))
    }
}

/// Pictures are written as PNG: refuses another name before anything is read.
pub(super) fn check_png(path: &Path) -> Result<()> {
    if !path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("png")) {
        let name = path.display();
        anyhow::bail!(neuvol::Error::Options(format!(
            "{name}: pictures are written as PNG; end the name in .png"
        )));
    }
    Ok(())
}

/// From the volume's lowest value, black, to its highest.
pub(super) fn whole_range(info: &Description) -> Window {
    info.range.map_or(Window { low: 0.0, high: 1.0 }, |(low, high)| Window { low, high })
}
