//! A rendered picture, in floats.

use super::renderer::Statistics;

/// A rendered picture: rows from the top.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// Width and height in pixels.
    pub size: [usize; 2],
    /// Red, green, blue, multiplied by alpha, and alpha.
    pub rgba: Vec<[f32; 4]>,
    /// Depth from 0 at the near plane to 1 at the far one, as OpenGL has it, where a ray lost half of its light, found its largest value or its
    /// surface; 1 where nothing is.
    pub depth: Vec<f32>,
    /// The level of detail that was rendered. A still picture shows level 0, the volume itself.
    pub level: usize,
    /// What it cost.
    pub statistics: Statistics,
}

impl Image {
    /// Over a background of one colour.
    pub fn over(&self, background: [f32; 3]) -> Vec<[u8; 3]> {
        let pixel = |[r, g, b, a]: &[f32; 4]| {
            let [red, green, blue] = background.map(|part| part * (1.0 - a));
            [r + red, g + green, b + blue].map(eight_bits)
        };
        self.rgba.iter().map(pixel).collect()
    }

    /// With straight alpha: colours divided by it once, in floats.
    pub fn straight(&self) -> Vec<[u8; 4]> {
        let pixel = |&[r, g, b, a]: &[f32; 4]| {
            let by = if a > 0.0 { 1.0 / a } else { 0.0 };
            [r * by, g * by, b * by, a].map(eight_bits)
        };
        self.rgba.iter().map(pixel).collect()
    }
}

fn eight_bits(part: f32) -> u8 {
    (part.clamp(0.0, 1.0) * 255.0 + 0.5) as u8
}
