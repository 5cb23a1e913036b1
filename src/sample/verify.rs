//! Whether every byte of a file is as it was written.

use super::{NeuralVolume, Region};
use crate::error::Result;
use crate::storage::{Fault, Streams};

/// Streams that are read at a time.
const AT_ONCE: usize = 256;

/// What [`NeuralVolume::verify`] found.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Verification {
    /// Streams that were read.
    pub streams: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Those that are not as they were written.
    pub damaged: Vec<Damage>,
}

/// A stream that is not as it was written. Everything outside of it can still be read.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Damage {
    /// The section's four-letter name.
    pub section: &'static str,
    /// The stream, and what is wrong with it.
    pub what: String,
    /// The finest level of detail that is damaged: 0 for the voxels themselves, 1 for the grid of half as many along each axis.
    /// Coarser ones can be read.
    pub level: usize,
    /// The voxels whose values depend on the stream, but for the few around them that a wavelet reaches.
    pub region: Region,
}

impl NeuralVolume {
    /// Reads the whole file and compares the checksum of every stream. Header and index were checked when the file was opened.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) when the file cannot be read. Damage is no error, but a part of what is found.
    pub fn verify(&self) -> Result<Verification> {
        let mut found = Verification::default();
        let whole = Region::whole(self.description.shape);
        if let Some(model) = &self.model {
            let name = |group| (format!("parameter group {group}"), 0, whole);
            self.check("MODL", model.streams(), name, &mut found)?;
        }
        if let Some(bricks) = &self.bricks {
            if let Some(latents) = bricks.latents() {
                let name = |stream| match latents.grid.block_of(stream) {
                    Some(block) => (latents.name_of(block), latents.grid.first_level(block.tier), {
                        let voxels = latents.voxels_of(block);
                        Region { start: voxels.start, end: voxels.end }
                    }),
                    None => ("the root".to_owned(), latents.grid.first_level(latents.grid.tiers()), whole),
                };
                self.check("LATG", &latents.streams, name, &mut found)?;
            }
            if let Some(integers) = bricks.integers() {
                let name = |brick| brick_name(integers.grid().bounds(brick), brick);
                self.check("INTS", integers.streams(), name, &mut found)?;
            }
        }
        if let Some(mask) = &self.mask {
            let (streams, bricks) = mask.bricks().streams();
            let name = |stream: usize| brick_name(mask.bricks().bounds(bricks[stream]), bricks[stream]);
            self.check("BRIK", streams, name, &mut found)?;
        }
        Ok(found)
    }

    fn check(
        &self,
        section: &'static str,
        streams: &Streams,
        name: impl Fn(usize) -> (String, usize, Region),
        found: &mut Verification,
    ) -> Result<()> {
        let numbers: Vec<usize> = (0..streams.len()).collect();
        for numbers in numbers.chunks(AT_ONCE) {
            let read = streams.read_each(numbers, |stream, bytes| {
                if let Err(Fault::Damaged(what)) = bytes {
                    let (part, level, region) = name(stream);
                    found.damaged.push(Damage { section, what: format!("{part}: {what}"), level, region });
                }
            });
            read.map_err(|fault| self.fault(section, fault))?;
        }
        found.streams += streams.len();
        found.bytes += streams.bytes() as u64;
        Ok(())
    }
}

fn brick_name((start, size): ([usize; 3], [usize; 3]), brick: usize) -> (String, usize, Region) {
    let region = Region { start, end: std::array::from_fn(|a| start[a] + size[a]) };
    let ends: Vec<String> = (0..3).map(|a| format!("{} to {}", region.start[a], region.end[a] - 1)).collect();
    (format!("brick {brick} (voxels {})", ends.join(", ")), 0, region)
}
