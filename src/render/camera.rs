//! Cameras, and the views that rays are cast for.

use super::matrix::{Matrix, cross, dot, inverse, length, minus, product, unit};
use crate::error::{Error, Result};
use crate::volume::{Association, Geometry};

/// What a camera sees of the world at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Projection {
    /// As eyes see, with the angle of the picture's height in degrees.
    Perspective {
        /// From its lower to its upper edge.
        view_angle: f64,
    },
    /// Without foreshortening.
    Parallel {
        /// Half of the picture's height in the world's units.
        scale: f64,
    },
}

/// A camera in the world, with VTK's meaning of every number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Camera {
    /// Where it is.
    pub position: [f64; 3],
    /// What it looks at.
    pub focal_point: [f64; 3],
    /// What is up in the picture, more or less.
    pub view_up: [f64; 3],
    /// How it sees.
    pub projection: Projection,
}

/// A picture to be made: which world point lands where in it, and how many pixels it has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// From the world to clip space as OpenGL has it: right, up and, away from the viewer, depth, each from -1 to 1 once divided by the
    /// fourth coordinate.
    pub world_to_clip: Matrix,
    /// Width and height in pixels.
    pub size: [usize; 2],
}

/// The angle of a picture's height that cameras begin with, in degrees, as VTK has it.
const VIEW_ANGLE: f64 = 30.0;
/// What is left free around a volume.
const MARGIN: f64 = 1.05;

impl Camera {
    /// A camera that sees all of a volume from a direction in a picture of an aspect (its width by its height): `azimuth` degrees to the left
    /// of its front, `elevation` above. The front of a volume in a patient's frame is the patient's, with the head up; of others it is what
    /// lies towards -y, with +z up.
    pub fn around(bounds: &Bounds, azimuth: f64, elevation: f64, aspect: f64) -> Self {
        let (a, e) = (azimuth.to_radians(), elevation.to_radians());
        // In both frames the front is towards -y, and up is +z. A patient's left is +x, on the right of a picture from the front.
        let direction = [a.sin() * e.cos(), -a.cos() * e.cos(), e.sin()];
        let up = [-a.sin() * e.sin(), a.cos() * e.sin(), e.cos()];
        let right = cross(up, direction);
        let slope = (VIEW_ANGLE / 2.0).to_radians().tan();
        let distance = bounds.corners.iter().map(|&corner| {
            let from_centre = minus(corner, bounds.centre);
            let beside = dot(from_centre, up).abs().max(dot(from_centre, right).abs() / aspect);
            MARGIN * beside / slope + dot(from_centre, direction)
        });
        Self {
            position: bounds.centre,
            focal_point: bounds.centre,
            view_up: up,
            projection: Projection::Perspective { view_angle: VIEW_ANGLE },
        }
        .moved(direction, distance.fold(0.0, f64::max))
    }

    /// At a distance from what it looks at, in a direction of length 1 from there.
    fn moved(self, direction: [f64; 3], distance: f64) -> Self {
        let position = std::array::from_fn(|n| self.focal_point[n] + distance * direction[n]);
        Self { position, ..self }
    }

    /// How far it is from what it looks at.
    pub fn distance(&self) -> f64 {
        length(minus(self.position, self.focal_point))
    }

    /// The same at another distance.
    #[must_use]
    pub fn at_distance(self, distance: f64) -> Self {
        let direction = unit(minus(self.position, self.focal_point)).unwrap_or([0.0, -1.0, 0.0]);
        self.moved(direction, distance)
    }

    /// Without perspective, with what it looks at as large as before.
    #[must_use]
    pub fn parallel(self) -> Self {
        let projection = match self.projection {
            Projection::Perspective { view_angle } => {
                Projection::Parallel { scale: self.distance() * (view_angle / 2.0).to_radians().tan() }
            }
            parallel => parallel,
        };
        Self { projection, ..self }
    }

    /// With everything so many times as large.
    #[must_use]
    pub fn zoomed(self, factor: f64) -> Self {
        let projection = match self.projection {
            Projection::Perspective { view_angle } => {
                let half = (view_angle / 2.0).to_radians().tan() / factor;
                Projection::Perspective { view_angle: 2.0 * half.atan().to_degrees() }
            }
            Projection::Parallel { scale } => Projection::Parallel { scale: scale / factor },
        };
        Self { projection, ..self }
    }

    /// The view of a picture of so many pixels: near and far planes lie around the volume, or half a hundredth of it before a camera
    /// inside.
    ///
    /// # Errors
    /// [`Error::Options`] where the camera looks nowhere.
    pub fn view(&self, bounds: &Bounds, size: [usize; 2]) -> Result<View> {
        let bad = |what: &str| Error::Options(format!("the camera {what}"));
        let forward = minus(self.focal_point, self.position);
        let forward = unit(forward).ok_or_else(|| bad("is where it looks at"))?;
        let right = cross(forward, self.view_up);
        let right = unit(right).ok_or_else(|| bad("looks along its own up"))?;
        let up = cross(right, forward);
        if size.contains(&0) {
            return Err(Error::Options("a picture has one pixel at least".into()));
        }
        let to_centre = dot(minus(bounds.centre, self.position), forward);
        let radius = bounds.radius.max(f64::MIN_POSITIVE);
        let row = |axis: [f64; 3]| [axis[0], axis[1], axis[2], -dot(axis, self.position)];
        let world_to_eye = [row(right), row(up), row(forward.map(|x| -x)), [0.0, 0.0, 0.0, 1.0]];
        let aspect = size[0] as f64 / size[1] as f64;
        let eye_to_clip = match self.projection {
            Projection::Perspective { view_angle } => {
                if !(view_angle > 0.0 && view_angle < 180.0) {
                    return Err(bad("has a view angle that is not between 0 and 180 degrees"));
                }
                let far = (to_centre + 1.01 * radius).max(radius * 0.01);
                let near = (to_centre - 1.01 * radius).max(far * 0.0005);
                let f = 1.0 / (view_angle.to_radians() / 2.0).tan();
                [
                    [f / aspect, 0.0, 0.0, 0.0],
                    [0.0, f, 0.0, 0.0],
                    [0.0, 0.0, (far + near) / (near - far), 2.0 * far * near / (near - far)],
                    [0.0, 0.0, -1.0, 0.0],
                ]
            }
            Projection::Parallel { scale } => {
                if !(scale > 0.0 && scale.is_finite()) {
                    return Err(bad("has a parallel scale that is not above 0"));
                }
                let (near, far) = (to_centre - 1.01 * radius, to_centre + 1.01 * radius);
                [
                    [1.0 / (scale * aspect), 0.0, 0.0, 0.0],
                    [0.0, 1.0 / scale, 0.0, 0.0],
                    [0.0, 0.0, -2.0 / (far - near), -(far + near) / (far - near)],
                    [0.0, 0.0, 0.0, 1.0],
                ]
            }
        };
        let view = View { world_to_clip: product(&eye_to_clip, &world_to_eye), size };
        inverse(&view.world_to_clip).map(|_| view).ok_or_else(|| bad("sees nothing that can be computed"))
    }
}

/// Where a volume is in the world.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Its corners.
    pub corners: [[f64; 3]; 8],
    /// Its centre.
    pub centre: [f64; 3],
    /// From there to the corner that is farthest.
    pub radius: f64,
}

impl Bounds {
    /// Around a grid, whose samples are of points or of cells.
    pub fn of(shape: [usize; 3], geometry: &Geometry, association: Association) -> Self {
        let [low, high] = index_box(shape, association);
        let centre = geometry.index_to_world(std::array::from_fn(|a| (low[a] + high[a]) / 2.0));
        let corner = |n: usize| std::array::from_fn(|a| if n >> a & 1 == 1 { high[a] } else { low[a] });
        let corners = std::array::from_fn(|n| geometry.index_to_world(corner(n)));
        let distances = corners.iter().map(|&corner| length(minus(corner, centre)));
        let radius = distances.fold(0.0, f64::max);
        Self { corners, centre, radius }
    }
}

/// From where to where a field is shown, in voxels: between the centres of the outermost ones where they are of points; cells, and an axis
/// of one voxel, are shown as wide as they are.
pub(crate) fn index_box(shape: [usize; 3], association: Association) -> [[f64; 3]; 2] {
    let beyond = association.margin();
    let margin = |a: usize| if shape[a] == 1 { 0.5 } else { beyond[a] };
    [std::array::from_fn(|a| -margin(a)), std::array::from_fn(|a| (shape[a] - 1) as f64 + margin(a))]
}
