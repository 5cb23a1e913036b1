//! Pictures of volumes: slices, and direct volume rendering straight from the compressed form.
//!
//! A [`Renderer`] marches rays through an open `.nvol` file (or a volume in memory) block by block, front to back: what is outside the picture is
//! never decoded, and hardly anything that is hidden. A picture is a function of file, camera, transfer function and step alone; threads, tiles and
//! blocks change no bit of it.

mod block;
mod camera;
mod compare;
mod frame;
mod image;
#[cfg(feature = "cli")]
mod image_files;
mod interactive;
mod known;
mod march;
mod matrix;
#[cfg(feature = "cli")]
mod picture;
mod ray;
#[cfg(feature = "cli")]
pub mod reformation;
mod renderer;
mod source;
mod tables;
mod tiles;
mod transfer;

pub use camera::{Bounds, Camera, Projection, View};
pub use compare::Likeness;
pub use image::Image;
#[cfg(feature = "cli")]
pub use image_files::Pixels;
pub use known::KnownRanges;
pub use matrix::Matrix;
#[cfg(feature = "cli")]
pub use picture::{Picture, Window};
pub use renderer::{Observe, Renderer, Statistics};
pub(crate) use source::{BoxSamples, sixteen_bits};
pub use source::{Boxes, Rendered};
pub(crate) use tables::MOST;
pub use transfer::{Preset, TransferFunction};

use crate::sample::Region;

/// How a ray's samples become a pixel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mode {
    /// Every stretch of a ray emits and absorbs.
    Composite,
    /// The colour and the opacity of the largest value.
    MaximumIntensity,
    /// The first surface on which the field has a value, opaque.
    Isosurface(f64),
}

/// Light of a lamp at the camera (Blinn and Phong), with VTK's meaning and defaults.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shading {
    /// Share of a colour that is there without light.
    pub ambient: f32,
    /// Share that a side turned to the camera adds.
    pub diffuse: f32,
    /// White that it adds.
    pub specular: f32,
    /// How narrow the white is.
    pub power: f32,
}

impl Default for Shading {
    fn default() -> Self {
        Self { ambient: 0.1, diffuse: 0.7, specular: 0.2, power: 10.0 }
    }
}

/// What a picture shows of a volume, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// Colours and opacities.
    pub transfer: TransferFunction,
    /// How samples become pixels.
    pub mode: Mode,
    /// Light; none where colours are shown as they are.
    pub shading: Option<Shading>,
    /// The level of detail that is rendered: 0 is the volume itself.
    pub level: usize,
    /// Distance between a ray's samples in the world; by default no more than a voxel of the level along any axis. At most 8 voxels.
    pub step: Option<f64>,
    /// The length in the world in which a ray loses an opacity; by default a voxel's diagonal as ParaView takes it, the volume's diagonal
    /// by the cube root of the number of its cells.
    pub unit_distance: Option<f64>,
    /// What is shown, in voxels: the lowest and the highest corner.
    pub clip_box: Option<[[f64; 3]; 2]>,
    /// The blocks that are rendered, by voxels: those that begin in this box. Pictures of parts are composited in the order that the camera sees
    /// them in ([`Renderer::parts`]); their samples are those of the whole picture.
    pub part: Option<Region>,
    /// Half-spaces of the world that are shown: `a x + b y + c z + d >= 0`.
    pub clip_planes: Vec<[f64; 4]>,
}

impl Scene {
    /// A shaded composite of the volume itself.
    pub fn new(transfer: TransferFunction) -> Self {
        Self {
            transfer,
            mode: Mode::Composite,
            shading: Some(Shading::default()),
            level: 0,
            step: None,
            unit_distance: None,
            clip_box: None,
            part: None,
            clip_planes: Vec::new(),
        }
    }
}
