//! How alike two pictures are.

use crate::error::{Error, Result};
use crate::metrics::fidelity;
use crate::volume::Volume;

/// How alike two pictures are, over the channels red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Likeness {
    /// `20 log10(255 / RMSE)` over all channels; infinite where nothing differs.
    pub psnr: f64,
    /// Mean of the channels' structural similarity; `None` where a channel of the first has one value only, or the window is larger than the
    /// picture.
    pub ssim: Option<f64>,
}

impl Likeness {
    /// Of two pictures of one size.
    ///
    /// # Errors
    /// [`Error::Options`] when their sizes differ.
    pub fn of(size: [usize; 2], one: &[[u8; 3]], other: &[[u8; 3]]) -> Result<Self> {
        let count = size[0] * size[1];
        if one.len() != count || other.len() != count {
            return Err(Error::Options(format!(
                "pictures of {} and {} pixels are not compared",
                one.len(),
                other.len()
            )));
        }
        let difference = |n: usize| f64::from(one.as_flattened()[n]) - f64::from(other.as_flattened()[n]);
        let square: f64 = (0..3 * count).map(|n| difference(n).powi(2)).sum::<f64>() / (3 * count) as f64;
        let channel = |pixels: &[[u8; 3]], c: usize| {
            Volume::new(pixels.iter().map(|pixel| pixel[c]).collect::<Vec<u8>>(), [size[0], size[1], 1])
        };
        let mut similarities = Vec::new();
        for c in 0..3 {
            similarities.extend(fidelity(&channel(one, c)?, &channel(other, c)?)?.similarity);
        }
        let ssim = (similarities.len() == 3).then(|| similarities.iter().sum::<f64>() / 3.0);
        Ok(Self { psnr: 20.0 * (255.0 / square.sqrt()).log10(), ssim })
    }
}
