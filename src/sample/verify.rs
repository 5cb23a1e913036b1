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
    /// The coarsest level of detail that depends on the stream, as [`NeuralVolume::levels`] counts them. Finer ones do, too; coarser
    /// ones can be read. `None` where no value depends on it.
    pub coarsest_level: Option<usize>,
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
        let last = self.levels().len() - 1;
        if let Some(model) = &self.model {
            let name = |group| (format!("parameter group {group}"), Some(last), whole);
            self.check("MODL", model.streams(), name, &mut found)?;
        }
        if let Some(bricks) = &self.bricks {
            if let Some(latents) = bricks.latents() {
                let name = |stream| match latents.grid.block_of(stream) {
                    Some(block) => {
                        let voxels = latents.voxels_of(block);
                        let coarsest = latents.grid.first_level(block.tier + 1).saturating_sub(1);
                        (
                            latents.name_of(block),
                            Some(coarsest),
                            Region { start: voxels.start, end: voxels.end },
                        )
                    }
                    None => ("the root".to_owned(), Some(last), whole),
                };
                self.check("LATG", &latents.streams, name, &mut found)?;
            }
            if let Some(integers) = bricks.integers() {
                // Coarser levels of a corrected latent grid are the grid's own.
                let coarsest = if bricks.latents().is_some() { 0 } else { last };
                let name = |brick| of_brick(integers.grid().bounds(brick), brick, coarsest);
                self.check(bricks.section(), integers.streams(), name, &mut found)?;
            }
        }
        if let Some(mask) = &self.mask {
            let mask = mask.bricks();
            let bricks = mask.with_streams();
            let name = |stream: usize| of_brick(mask.bounds(bricks[stream]), bricks[stream], last);
            self.check("BRIK", mask.streams(), name, &mut found)?;
        }
        if let Some(ranges) = &self.ranges {
            // No value depends on them.
            let name = |part| (format!("ranges of cells, part {part}"), None, whole);
            self.check("RANG", ranges.streams(), name, &mut found)?;
        }
        Ok(found)
    }

    fn check(
        &self,
        section: &'static str,
        streams: &Streams,
        name: impl Fn(usize) -> (String, Option<usize>, Region),
        found: &mut Verification,
    ) -> Result<()> {
        let numbers: Vec<usize> = (0..streams.len()).collect();
        for numbers in numbers.chunks(AT_ONCE) {
            let read = streams.read_each(numbers, |stream, bytes| {
                if let Err(Fault::Damaged(what)) = bytes {
                    let (part, coarsest_level, region) = name(stream);
                    let what = format!("{part}: {what}");
                    found.damaged.push(Damage { section, what, coarsest_level, region });
                }
            });
            read.map_err(|fault| self.fault(section, fault))?;
        }
        found.streams += streams.len();
        found.bytes += streams.bytes() as u64;
        Ok(())
    }
}

fn of_brick(
    (start, size): ([usize; 3], [usize; 3]),
    brick: usize,
    coarsest_level: usize,
) -> (String, Option<usize>, Region) {
    let region = Region { start, end: std::array::from_fn(|a| start[a] + size[a]) };
    let ends: Vec<String> = (0..3).map(|a| format!("{} to {}", region.start[a], region.end[a] - 1)).collect();
    (format!("brick {brick} (voxels {})", ends.join(", ")), Some(coarsest_level), region)
}
