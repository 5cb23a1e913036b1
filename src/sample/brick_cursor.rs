//! Voxels and cells of a volume whose samples come in bricks, one place near the other.

use super::ValueScale;
use super::bricks::{BrickReader, DecodedPart};
use super::cell::Cell;
use super::mask::{MaskCursor, MaskReader};
use super::point::Place;
use crate::storage::Fault;
use crate::volume::Samples;

/// Bricks that meet in a corner, or chunks of them.
const MOST_HELD: usize = 8;

/// Looks voxels up, and keeps hold of the bricks of the last ones: a cell between voxels meets eight at most.
pub(super) struct BrickCursor<'a> {
    bricks: &'a BrickReader,
    mask: Option<&'a MaskReader>,
    /// What turns a latent grid's values into samples.
    scale: Option<ValueScale>,
    held: Vec<DecodedPart>,
}

impl<'a> BrickCursor<'a> {
    pub(super) fn new(bricks: &'a BrickReader, mask: Option<&'a MaskReader>) -> Self {
        Self { bricks, mask, scale: bricks.value_scale(), held: Vec::new() }
    }

    /// What is decoded for a voxel, held.
    #[inline]
    fn hold(&mut self, voxel: [usize; 3]) -> Result<&DecodedPart, Fault> {
        let held = match self.held.iter().position(|held| held.is_asked_for(voxel)) {
            Some(held) => held,
            None => {
                if self.held.len() == MOST_HELD {
                    self.held.remove(0);
                }
                self.held.push(self.bricks.part(voxel, self.mask)?);
                self.held.len() - 1
            }
        };
        Ok(&self.held[held])
    }

    /// What bricks hold of a voxel that is a corner of the cell at `lower`.
    fn stored(&mut self, voxel: [usize; 3], lower: [usize; 3]) -> Result<f64, Fault> {
        // Of a latent grid, what the lowest corner is in has all of them.
        let held = self.hold(if self.scale.is_some() { lower } else { voxel })?;
        Ok(held.samples.get(held.place(voxel)))
    }

    /// The field at a cell's corners, unrounded: between voxels it is as smooth as it is stored. A masked voxel
    /// counts as the nearest one that is not masked.
    #[inline]
    pub(super) fn corners(
        &mut self,
        cell: &Cell,
        place: &Place,
        mask: Option<&mut MaskCursor<'_>>,
    ) -> Result<[f64; 8], Fault> {
        match (self.scale, mask) {
            (Some(scale), None) => {
                let held = self.hold(cell.lower)?;
                let lower = held.place(cell.lower);
                let [x, y, z] = cell.next;
                let [y, z] = [y * held.size[0], z * held.size[0] * held.size[1]];
                let offsets = [0, x, y, x + y, z, x + z, y + z, x + y + z];
                let Samples::F32(samples) = &*held.samples else {
                    return Err("a latent grid's samples are float32".into());
                };
                let mut corners = [0.0; 8];
                for (corner, offset) in corners.iter_mut().zip(offsets) {
                    *corner = scale.value(samples[lower + offset]);
                }
                Ok(corners)
            }
            (scale, mut mask) => {
                let mut corners = [0.0; 8];
                for (corner, voxel) in corners.iter_mut().zip(cell.corners()) {
                    let is_masked = match mask.as_deref_mut() {
                        Some(mask) => mask.code_at(voxel)? != 0,
                        None => false,
                    };
                    let voxel = if is_masked { place.nearest() } else { voxel };
                    let stored = self.stored(voxel, cell.lower)?;
                    *corner = scale.map_or(stored, |scale| scale.value(stored as f32));
                }
                Ok(corners)
            }
        }
    }

    /// The sample of a voxel that is a corner of the cell at `lower`.
    pub(super) fn voxel(&mut self, voxel: [usize; 3], lower: [usize; 3]) -> Result<f64, Fault> {
        let stored = self.stored(voxel, lower)?;
        Ok(self.scale.map_or(stored, |scale| scale.voxel_value(stored as f32)))
    }
}
