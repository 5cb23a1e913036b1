//! `neuvol render`.

use super::input::{InputArguments, is_neural};
use super::{Placement, interrupt};
use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use neuvol::Error;
use neuvol::render::{
    Bounds, Camera, Image, Likeness, Mode, Pixels, Preset, Projection, Rendered, Renderer, Scene, Shading,
    TransferFunction, View,
};
use serde_json::Value;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// A .nvol file, or a volume in any format that can be read.
    input: PathBuf,
    #[command(flatten)]
    from: InputArguments,
    /// The PNG file to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Width and height in pixels.
    #[arg(long, value_name = "WxH", value_parser = parse_size, default_value = "1024x1024")]
    size: [usize; 2],
    /// From where: front, back, left, right, top, bottom, or degrees to the left of the front and above it, as 30,20. The front of a scan is
    /// the patient's; of other volumes it is towards -y, with z up.
    #[arg(long, value_name = "VIEW", value_parser = parse_view, allow_hyphen_values = true, default_value = "30,15")]
    view: [f64; 2],
    /// Turn the whole volume larger (above 1) or smaller.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    zoom: f64,
    /// No perspective.
    #[arg(long)]
    parallel: bool,
    /// A camera in world coordinates, instead of --view: JSON with position, focal_point, view_up (three numbers each) and view_angle in
    /// degrees or parallel_scale, as VTK means them; or the name of a file that has it.
    #[arg(long, value_name = "JSON", conflicts_with_all = ["view", "zoom", "parallel", "orbit"])]
    camera: Option<String>,
    /// Colours and opacities for CT by Hounsfield units. Without it, and without --tf, they are chosen from the data.
    #[arg(long, value_enum, value_name = "NAME")]
    preset: Option<PresetName>,
    /// Colours and opacities that ParaView's Color Map Editor exported as JSON.
    #[arg(long, value_name = "FILE", conflicts_with = "preset")]
    tf: Option<PathBuf>,
    /// Maximum intensity projection: each pixel shows the largest value on its ray, from black to white unless --preset or --tf say otherwise.
    #[arg(long, conflicts_with = "iso")]
    mip: bool,
    /// The surface on which the volume has this value, opaque.
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true)]
    iso: Option<f64>,
    /// Values shown as black and white in a maximum intensity projection; the volume's range when absent.
    #[arg(long, num_args = 2, value_names = ["LOW", "HIGH"], allow_negative_numbers = true, requires = "mip")]
    window: Option<Vec<f64>>,
    /// Light from the camera, which is there by default but for maximum intensity.
    #[arg(long, overrides_with = "no_shade")]
    shade: bool,
    /// Colours as they are, without light.
    #[arg(long)]
    no_shade: bool,
    /// A coarser level of detail, which is faster: 1 has half as many samples along each axis, 2 a quarter.
    #[arg(long, value_name = "K", default_value_t = 0)]
    level: usize,
    /// Distance between the samples of a ray in the world; a voxel when absent.
    #[arg(long, value_name = "LENGTH")]
    step: Option<f64>,
    /// The length in the world in which a ray loses an opacity; a voxel's diagonal when absent.
    #[arg(long, value_name = "LENGTH")]
    unit_distance: Option<f64>,
    /// Show a part only: from one place to another along x, y, z, in voxels; integers are voxels' centres.
    #[arg(long, num_args = 6, value_names = ["X0", "X1", "Y0", "Y1", "Z0", "Z1"])]
    clip_box: Option<Vec<f64>>,
    /// Show one side of a plane only: a point of it in the world, and the direction in which it is shown. Can be given several times.
    #[arg(long, num_args = 6, value_names = ["PX", "PY", "PZ", "NX", "NY", "NZ"], allow_negative_numbers = true)]
    clip_plane: Vec<f64>,
    /// The colour behind: red,green,blue from 0 to 1.
    #[arg(long, value_name = "R,G,B", value_parser = parse_colour, default_value = "0,0,0")]
    background: [f32; 3],
    /// Nothing behind: a PNG with (straight) alpha.
    #[arg(long, conflicts_with = "background")]
    transparent: bool,
    /// Turn around the volume in so many pictures, written as an animated PNG.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=3600))]
    orbit: Option<u32>,
    /// Write the depths, from 0 at the near plane to 1 where nothing is, as an array of float32.
    #[arg(long, value_name = "FILE.npy", conflicts_with = "orbit")]
    depth: Option<PathBuf>,
    /// Render this volume in the same way, too, and print how alike the pictures are; the options of the input say what of it.
    #[arg(long, value_name = "ORIGINAL", conflicts_with = "orbit")]
    against: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(ValueEnum, Debug, Clone, Copy)]
enum PresetName {
    Bone,
    SoftTissue,
    Lung,
    Angiography,
}

impl From<PresetName> for Preset {
    fn from(name: PresetName) -> Self {
        match name {
            PresetName::Bone => Preset::Bone,
            PresetName::SoftTissue => Preset::SoftTissue,
            PresetName::Lung => Preset::Lung,
            PresetName::Angiography => Preset::Angiography,
        }
    }
}

pub(super) fn run(arguments: &Arguments, place: Placement) -> Result<()> {
    super::slice::check_png(&arguments.output)?;
    interrupt::listen();
    let renderer = Renderer::new(arguments.open(&arguments.input, place)?);
    // One picture comes back to no block.
    let renderer = if arguments.orbit.is_some() { renderer } else { renderer.with_cache(0) };
    let scene = arguments.scene(&renderer)?;
    let bounds = renderer.bounds();
    let began = Instant::now();
    let frames = arguments.orbit.unwrap_or(1);
    let mut pixels = match arguments.transparent {
        true => Pixels::WithAlpha(Vec::new()),
        false => Pixels::Opaque(Vec::new()),
    };
    let mut first = None;
    for frame in 0..frames {
        let turned = f64::from(frame) * 360.0 / f64::from(frames);
        let image = render(&renderer, &arguments.view(&bounds, turned)?, &scene)?;
        match &mut pixels {
            Pixels::WithAlpha(frames) => frames.push(image.straight()),
            Pixels::Opaque(frames) => frames.push(image.over(arguments.background)),
        }
        first.get_or_insert(image);
    }
    let seconds = began.elapsed().as_secs_f64();
    interrupt::check()?;
    // A turn takes six seconds.
    pixels.save(&arguments.output, arguments.size, 6.0 / f64::from(frames))?;
    let first = &first.context("a picture was rendered")?;
    if let Some(path) = &arguments.depth {
        first.save_depth(path)?;
    }
    let likeness = match &arguments.against {
        Some(original) => {
            let original = Renderer::new(arguments.open(original, place)?);
            // What is chosen by the data is chosen by the input's, for both.
            let other =
                render(&original, &arguments.view(&bounds, 0.0)?, &Scene { level: 0, ..scene.clone() })?;
            Some(Likeness::of(
                first.size,
                &first.over(arguments.background),
                &other.over(arguments.background),
            )?)
        }
        None => None,
    };
    if arguments.json {
        let statistics = first.statistics;
        say!(
            "{:#}",
            serde_json::json!({
                "output": arguments.output, "size": first.size, "level": first.level, "seconds": seconds, "frames": frames,
                "blocks": statistics.blocks, "blocks_marched": statistics.marched, "blocks_decoded": statistics.decoded,
                "psnr": likeness.map(|l| l.psnr), "ssim": likeness.and_then(|l| l.ssim),
            })
        );
        return Ok(());
    }
    say!("{}", arguments.output.display());
    let [width, height] = first.size;
    let (blocks, marched) = (first.statistics.blocks, first.statistics.marched);
    let of_level = if first.level > 0 { format!(" at level {}", first.level) } else { String::new() };
    say!("  {width}x{height} pixels{of_level} in {seconds:.2} s; {marched} of {blocks} blocks were needed");
    if let Some(likeness) = likeness {
        let ssim = likeness.ssim.map_or_else(String::new, |ssim| format!(", SSIM {ssim:.4}"));
        say!("  against the original: PSNR {:.2} dB{ssim}", likeness.psnr);
    }
    Ok(())
}

fn render(renderer: &Renderer, view: &View, scene: &Scene) -> Result<Image> {
    let mut observe = |_| if interrupt::asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    Ok(renderer.render(view, scene, None, &mut observe)?)
}

impl Arguments {
    fn open(&self, path: &Path, place: Placement) -> Result<Arc<dyn Rendered>> {
        Ok(match is_neural(path) {
            true => Arc::new(self.from.for_neural().open(path, place)?),
            false => Arc::new(self.from.open(path)?),
        })
    }

    fn scene(&self, renderer: &Renderer) -> Result<Scene> {
        let (low, high) = renderer.source().range().unwrap_or((0.0, 1.0));
        let mut scene = match (&self.preset, &self.tf, self.mip) {
            (Some(preset), ..) => Scene::new(Preset::from(*preset).transfer_function()),
            (None, Some(path), _) => {
                let json = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
                let function = TransferFunction::from_paraview(&json);
                Scene::new(function.with_context(|| path.display().to_string())?)
            }
            (None, None, true) => {
                let (low, high) = match self.window.as_deref() {
                    Some(&[low, high]) if low < high && (high - low).is_finite() => (low, high),
                    Some(_) => bail!(Error::Options("a window is LOW HIGH, the lower value first".into())),
                    None => (low, high),
                };
                Scene::new(TransferFunction::grey(low, high))
            }
            (None, None, false) => renderer.default_scene()?,
        };
        scene.mode = match (self.mip, self.iso) {
            (true, _) => Mode::MaximumIntensity,
            (false, Some(value)) => Mode::Isosurface(value),
            (false, None) => Mode::Composite,
        };
        scene.shading = match self.no_shade || (self.mip && !self.shade) {
            true => None,
            // Brighter than VTK's.
            false => Some(Shading { ambient: 0.3, ..Shading::default() }),
        };
        scene.level = self.level;
        scene.step = self.step;
        scene.unit_distance = self.unit_distance;
        scene.clip_box = self.clip_box.as_deref().and_then(|numbers| match *numbers {
            [x0, x1, y0, y1, z0, z1] => Some([[x0, y0, z0], [x1, y1, z1]]),
            _ => None,
        });
        let plane = |numbers: &[f64]| {
            let [point, normal] =
                [0, 3].map(|first| [numbers[first], numbers[first + 1], numbers[first + 2]]);
            let offset = -(0..3).map(|a| point[a] * normal[a]).sum::<f64>();
            [normal[0], normal[1], normal[2], offset]
        };
        scene.clip_planes = self.clip_plane.chunks_exact(6).map(plane).collect();
        Ok(scene)
    }

    fn view(&self, bounds: &Bounds, turned: f64) -> Result<View> {
        let camera = match &self.camera {
            Some(json) => parse_camera(json)?,
            None => {
                if !(self.zoom > 0.0 && self.zoom.is_finite()) {
                    bail!(Error::Options(format!("a zoom of {} is not above 0", self.zoom)));
                }
                let aspect = self.size[0] as f64 / self.size[1] as f64;
                let around =
                    |turned: f64| Camera::around(bounds, self.view[0] + turned, self.view[1], aspect);
                // One distance for a whole turn.
                let turns = (0..self.orbit.map_or(0, |_| 36)).map(|n| around(f64::from(n) * 10.0).distance());
                let camera = around(turned);
                let camera = camera.at_distance(turns.fold(camera.distance(), f64::max));
                if self.parallel { camera.parallel() } else { camera }.zoomed(self.zoom)
            }
        };
        Ok(camera.view(bounds, self.size)?)
    }
}

/// A camera as JSON, or in a file.
fn parse_camera(json: &str) -> Result<Camera> {
    let bad = |what: String| Error::Options(format!("--camera {what}"));
    let text = match json.trim_start().starts_with('{') {
        true => json.to_owned(),
        false => std::fs::read_to_string(json).with_context(|| json.to_owned())?,
    };
    let parsed: Value = serde_json::from_str(&text).map_err(|e| bad(format!("is no JSON: {e}")))?;
    let vector = |name: &str| -> std::result::Result<[f64; 3], Error> {
        let list = parsed.get(name).and_then(Value::as_array);
        let numbers = list.and_then(|list| list.iter().map(Value::as_f64).collect::<Option<Vec<f64>>>());
        match numbers.as_deref() {
            Some(&[x, y, z]) => Ok([x, y, z]),
            _ => Err(bad(format!("has no \"{name}\" of three numbers"))),
        }
    };
    let number = |name: &str| parsed.get(name).and_then(Value::as_f64);
    let projection = match (number("parallel_scale"), number("view_angle")) {
        (Some(scale), _) => Projection::Parallel { scale },
        (None, angle) => Projection::Perspective { view_angle: angle.unwrap_or(30.0) },
    };
    Ok(Camera {
        position: vector("position")?,
        focal_point: vector("focal_point")?,
        view_up: vector("view_up")?,
        projection,
    })
}

fn parse_size(text: &str) -> std::result::Result<[usize; 2], String> {
    let sides: Option<Vec<usize>> = text.split('x').map(|side| side.parse().ok()).collect();
    match sides.as_deref() {
        Some(&[width, height]) if (1..=16384).contains(&width) && (1..=16384).contains(&height) => {
            Ok([width, height])
        }
        _ => Err("a size is WIDTHxHEIGHT, 1 to 16384 pixels each".into()),
    }
}

fn parse_view(text: &str) -> std::result::Result<[f64; 2], String> {
    let named = match text {
        "front" => Some([0.0, 0.0]),
        "back" => Some([180.0, 0.0]),
        "left" => Some([90.0, 0.0]),
        "right" => Some([-90.0, 0.0]),
        "top" => Some([0.0, 90.0]),
        "bottom" => Some([0.0, -90.0]),
        _ => None,
    };
    let numbers: Option<Vec<f64>> = text.split(',').map(|part| part.trim().parse().ok()).collect();
    match (named, numbers.as_deref()) {
        (Some(named), _) => Ok(named),
        (None, Some(&[azimuth, elevation])) if azimuth.is_finite() && elevation.is_finite() => {
            Ok([azimuth, elevation])
        }
        _ => Err("a view is front, back, left, right, top, bottom, or AZIMUTH,ELEVATION in degrees".into()),
    }
}

fn parse_colour(text: &str) -> std::result::Result<[f32; 3], String> {
    let parts: Option<Vec<f32>> = text.split(',').map(|part| part.trim().parse().ok()).collect();
    match parts.as_deref() {
        Some(&[r, g, b]) if [r, g, b].iter().all(|part| (0.0..=1.0).contains(part)) => Ok([r, g, b]),
        _ => Err("a colour is RED,GREEN,BLUE, from 0 to 1 each".into()),
    }
}
