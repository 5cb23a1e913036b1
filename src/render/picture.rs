//! Slices as RGB pictures, and PNG files of them.

use crate::atomic;
use crate::error::{Error, Result};
use crate::volume::{Axis, Volume};
use std::path::Path;

/// The values shown as black and as white.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// Black.
    pub low: f64,
    /// White.
    pub high: f64,
}

impl Window {
    /// 0 for black, 1 for white; NaN is black.
    fn share(self, value: f64) -> f64 {
        let share = (value - self.low) / (self.high - self.low);
        if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) }
    }
}

/// An RGB picture, rows from the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    height: usize,
    pixels: Vec<[u8; 3]>,
}

/// Longest side that a pixel of the data is enlarged for.
const COMFORTABLE: f64 = 400.0;

impl Picture {
    /// A slice of one sample across `axis` in grey, pixels square in the world: the other two axes run right and down,
    /// as radiology shows axial slices.
    pub fn of_slice(slice: &Volume, axis: Axis, window: Window) -> Self {
        Self::grey(slice, axis, window, pixel_of(&[(slice, axis)]))
    }

    /// Slices across these axes as [`Self::of_slice`] shows them, side by side at one scale.
    pub fn of_slices(slices: &[(&Volume, Axis)], window: Window) -> Self {
        let pixel = pixel_of(slices);
        let pictures: Vec<Self> =
            slices.iter().map(|(slice, axis)| Self::grey(slice, *axis, window, pixel)).collect();
        Self::beside(&pictures)
    }

    /// Values in grey, row by row from the top; NaN is black.
    pub(super) fn of_values(values: &[f64], [width, height]: [usize; 2], window: Window) -> Self {
        let grey = |value: &f64| [(window.share(*value) * 255.0).round() as u8; 3];
        Self { width, height, pixels: values.iter().map(grey).collect() }
    }

    fn grey(slice: &Volume, axis: Axis, window: Window, pixel: f64) -> Self {
        Self::from_slice(slice, axis, pixel, |index| {
            let grey = (window.share(slice.samples().get(index)) * 255.0).round() as u8;
            [grey; 3]
        })
    }

    /// The difference `decoded - original` of two slices: blue where the decoded value is too low, red where it is too
    /// high, white where it is right; full colour at `full` and beyond.
    ///
    /// # Panics
    /// When the slices' shapes differ.
    pub fn of_error(original: &Volume, decoded: &Volume, axis: Axis, full: f64) -> Self {
        assert_eq!(original.shape(), decoded.shape(), "slices of one shape");
        Self::from_slice(original, axis, pixel_of(&[(original, axis)]), |index| {
            let error = (decoded.samples().get(index) - original.samples().get(index)) / full;
            let fade = 255 - (error.abs().min(1.0) * 255.0).round() as u8;
            if error > 0.0 { [255, fade, fade] } else { [fade, fade, 255] }
        })
    }

    /// With pixels of a size in the world.
    fn from_slice(slice: &Volume, axis: Axis, pixel: f64, colour: impl Fn(usize) -> [u8; 3]) -> Self {
        let [right, down] = axes_of(axis);
        let shape = slice.shape();
        let [width, height] =
            extent_of(slice, axis).map(|extent| ((extent / pixel).round() as usize).clamp(1, 1 << 14));
        let strides = [1, shape[0], shape[0] * shape[1]];
        let nearest = |pixel: usize, pixels: usize, samples: usize| {
            (((pixel as f64 + 0.5) / pixels as f64 * samples as f64) as usize).min(samples - 1)
        };
        let mut pixels = Vec::with_capacity(width * height);
        for row in 0..height {
            for column in 0..width {
                let i = nearest(column, width, shape[right]);
                let j = nearest(row, height, shape[down]);
                pixels.push(colour(i * strides[right] + j * strides[down]));
            }
        }
        Self { width, height, pixels }
    }

    /// Pictures of one height side by side, with a gap between them.
    pub fn beside(pictures: &[Picture]) -> Self {
        const GAP: usize = 6;
        let height = pictures.iter().map(|p| p.height).max().unwrap_or(0);
        let width = pictures.iter().map(|p| p.width + GAP).sum::<usize>().saturating_sub(GAP);
        let mut pixels = vec![[255; 3]; width * height];
        let mut left = 0;
        for picture in pictures {
            for (row, line) in picture.pixels.chunks(picture.width).enumerate() {
                pixels[row * width + left..][..picture.width].copy_from_slice(line);
            }
            left += picture.width + GAP;
        }
        Self { width, height, pixels }
    }

    /// Width and height.
    pub fn size(&self) -> [usize; 2] {
        [self.width, self.height]
    }

    /// Writes a PNG file, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        atomic::write(path, |out| {
            let mut encoder = png::Encoder::new(out, self.width as u32, self.height as u32);
            encoder.set_color(png::ColorType::Rgb);
            let written = encoder
                .write_header()
                .and_then(|mut writer| writer.write_image_data(self.pixels.as_flattened()));
            written.map_err(|e| Error::io(path, std::io::Error::other(e)))
        })
    }
}

/// The axes that run right and down in a slice across one.
fn axes_of(axis: Axis) -> [usize; 2] {
    match axis {
        Axis::X => [1, 2],
        Axis::Y => [0, 2],
        Axis::Z => [0, 1],
    }
}

/// How long a slice is in the world, to the right and down.
fn extent_of(slice: &Volume, axis: Axis) -> [f64; 2] {
    axes_of(axis).map(|a| slice.shape()[a] as f64 * slice.geometry.spacing[a])
}

/// How long a pixel of slices is in the world: the finest spacing, or less where they are small.
fn pixel_of(slices: &[(&Volume, Axis)]) -> f64 {
    let spacings = slices.iter().flat_map(|(slice, axis)| axes_of(*axis).map(|a| slice.geometry.spacing[a]));
    let finest = spacings.fold(f64::INFINITY, f64::min);
    let extents = slices.iter().flat_map(|(slice, axis)| extent_of(slice, *axis));
    let longest = extents.fold(0.0, f64::max) / finest;
    finest / (COMFORTABLE / longest).floor().max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_side_by_side_have_one_scale() {
        let [mut wide, mut small] = [[100, 40, 1], [1, 40, 10]]
            .map(|shape: [usize; 3]| Volume::new(vec![7u8; shape.iter().product()], shape).unwrap());
        [&mut wide, &mut small].into_iter().for_each(|slice| slice.geometry.spacing = [0.5, 0.5, 2.0]);
        let window = Window { low: 0.0, high: 7.0 };
        let both = Picture::of_slices(&[(&wide, Axis::Z), (&small, Axis::X)], window);
        // 50 x 20 beside 20 x 20 at 8 pixels a unit, and a gap; alone the small one would be larger.
        assert_eq!(both.size(), [400 + 6 + 160, 160]);
        assert_eq!((both.pixels[0], both.pixels[405]), ([255; 3], [255; 3]));
        assert_eq!(Picture::of_slice(&small, Axis::X, window).size(), [400, 400]);
    }

    #[test]
    fn slices_keep_their_proportions_and_window() {
        let mut slice = Volume::new(vec![-1000i16, 0, 400, 3000], [2, 1, 2]).unwrap();
        slice.geometry.spacing = [1.0, 1.0, 3.0];
        let picture = Picture::of_slice(&slice, Axis::Y, Window { low: -1000.0, high: 400.0 });
        let [width, height] = picture.size();
        assert_eq!(height, 3 * width);
        assert_eq!(picture.pixels[0], [0; 3]);
        assert_eq!(picture.pixels[width * height - 1], [255; 3]);
        assert_eq!(picture.pixels[width - 1], [182; 3]);
    }

    #[test]
    fn errors_are_red_above_and_blue_below() {
        let original = Volume::new(vec![10u8, 10, 10], [3, 1, 1]).unwrap();
        let decoded = Volume::new(vec![20u8, 10, 0], [3, 1, 1]).unwrap();
        let picture = Picture::of_error(&original, &decoded, Axis::Z, 10.0);
        let width = picture.size()[0];
        assert_eq!(picture.pixels[0], [255, 0, 0]);
        assert_eq!(picture.pixels[width / 2], [255, 255, 255]);
        assert_eq!(picture.pixels[width - 1], [0, 0, 255]);
    }
}
