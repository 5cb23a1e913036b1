//! A chest that never was: ellipsoids of tissue, vessels that branch through the lungs, ribs, a spine, noise.

use neuvol::Volume;
use neuvol::volume::{Frame, Geometry};

const SHAPE: [usize; 3] = [176, 152, 56];
const SPACING: [f64; 3] = [1.9, 1.9, 4.5];
/// Standard deviation of the noise in HU: that of a good scan.
const NOISE_HU: f64 = 9.0;

/// Tissue in Hounsfield units.
mod hounsfield {
    pub(super) const AIR: f64 = -1000.0;
    pub(super) const LUNG: f64 = -840.0;
    pub(super) const FAT: f64 = -95.0;
    pub(super) const MUSCLE: f64 = 45.0;
    pub(super) const BLOOD: f64 = 160.0;
    pub(super) const MARROW: f64 = 180.0;
    pub(super) const BONE: f64 = 720.0;
    pub(super) const TABLE: f64 = -180.0;
}

/// The phantom, in millimetres of the patient's frame, scanned obliquely.
pub(super) fn chest() -> Volume {
    let mut noise = Noise(0x5EED);
    let mut values = Vec::with_capacity(SHAPE.iter().product());
    for k in 0..SHAPE[2] {
        for j in 0..SHAPE[1] {
            for i in 0..SHAPE[0] {
                let at = |index: usize, axis: usize| {
                    (index as f64 - (SHAPE[axis] - 1) as f64 / 2.0) * SPACING[axis]
                };
                let hu = tissue([at(i, 0), at(j, 1), at(k, 2)]) + NOISE_HU * noise.normal();
                values.push(hu.round().clamp(-1024.0, 3071.0) as i16);
            }
        }
    }
    let mut volume = Volume::new(values, SHAPE).expect("one value a voxel");
    volume.geometry = Geometry {
        origin: [-160.5, -142.25, 310.75],
        spacing: SPACING,
        direction: oblique(0.14, 0.09),
        frame: Frame::Lps,
    };
    volume.name = "ct".into();
    volume.unit = "HU".into();
    volume
}

/// A turn about z, then a tilt about x: every element of the matrix is in use.
fn oblique(turn: f64, tilt: f64) -> [[f64; 3]; 3] {
    let ((st, ct), (sx, cx)) = (turn.sin_cos(), tilt.sin_cos());
    [[ct, -st, 0.0], [cx * st, cx * ct, -sx], [sx * st, sx * ct, cx]]
}

/// The tissue at a point, in mm from the centre: x left, y to the back, z up.
fn tissue([x, y, z]: [f64; 3]) -> f64 {
    use hounsfield::*;
    let body = ellipse(x, y, 150.0, 105.0);
    if body > 1.0 {
        let table = (118.0..124.0).contains(&(y - 0.0006 * x * x)) && x.abs() < 140.0;
        return if table { TABLE } else { AIR };
    }
    if body > 0.86 {
        return FAT;
    }
    // The spine: a body of bone around marrow, and the canal behind it.
    let vertebra = ellipse(x, y - 62.0, 21.0, 17.0);
    let disc = (z / 26.0).rem_euclid(1.0) < 0.2;
    if vertebra < 1.0 {
        return if disc {
            MUSCLE + 40.0
        } else if vertebra > 0.72 {
            BONE
        } else {
            MARROW
        };
    }
    if ellipse(x, y - 86.0, 8.0, 6.0) < 1.0 {
        return 15.0;
    }
    // Ribs: rings that slant down towards the front.
    let ring = (0.80..0.86).contains(&body);
    let slant = (z + 0.35 * y) / 24.0;
    if ring && slant.rem_euclid(1.0) < 0.42 {
        return BONE - 150.0;
    }
    let heart = ellipsoid([x - 22.0, y + 22.0, z + 30.0], [52.0, 44.0, 62.0]);
    if heart < 1.0 {
        return if heart < 0.62 { BLOOD } else { MUSCLE };
    }
    if ellipse(x + 8.0, y - 30.0, 13.0, 13.0) < 1.0 {
        return BLOOD; // the aorta
    }
    for side in [-1.0, 1.0] {
        let lung = ellipsoid([x - side * 72.0, y - 4.0, z - 8.0], [58.0, 74.0, 150.0]);
        if lung < 1.0 {
            return if vessel(side * x - 30.0, y, z) { MUSCLE } else { LUNG + 60.0 * (y / 74.0) };
        }
    }
    MUSCLE
}

/// Vessels that run outwards from the hilum, thinner the farther they are.
fn vessel(outwards: f64, y: f64, z: f64) -> bool {
    let radius = (5.0 - 0.045 * outwards.abs()).max(0.8);
    (0..7).any(|n| {
        let angle = f64::from(n) * 0.9 + 0.4;
        let wave = 9.0 * (outwards / (14.0 + f64::from(n))).sin();
        let centre_y = 0.55 * outwards * angle.cos() + wave;
        let centre_z = 0.8 * outwards * angle.sin() - 10.0;
        (y - centre_y).hypot(z - centre_z) < radius
    })
}

fn ellipse(x: f64, y: f64, a: f64, b: f64) -> f64 {
    (x / a).powi(2) + (y / b).powi(2)
}

fn ellipsoid(p: [f64; 3], radii: [f64; 3]) -> f64 {
    (0..3).map(|a| (p[a] / radii[a]).powi(2)).sum()
}

/// Normally distributed numbers: the sum of twelve uniform ones (Irwin-Hall), less its mean.
struct Noise(u64);

impl Noise {
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }

    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}
