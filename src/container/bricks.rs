//! Section BRIK: the brick table and what bricks hold beside the field. Today that is the mask.

use super::brick_grid::{BRICK_EDGE, BrickGrid, check_edge};
use super::bytes::Fields;
use super::sections::StoredSection;
use crate::codec::{BitModel, RangeDecoder, RangeEncoder};
use crate::storage::{Fault, Streams};
use crate::volume::MaskClass;

/// A brick's mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Brick {
    /// Every voxel has this code; 0: all are measurements.
    Uniform(u8),
    /// The stream of this number.
    Mixed(usize),
}

/// A brick's mask, coded.
pub(crate) enum MaskBrick {
    Uniform(u8),
    Stream(Vec<u8>),
}

impl MaskBrick {
    /// Of one code a voxel, x fastest.
    pub(crate) fn encode(codes: &[u8], size: [usize; 3]) -> Self {
        match codes.iter().all(|&c| c == codes[0]) {
            true => MaskBrick::Uniform(codes[0]),
            false => MaskBrick::Stream(encode_brick(codes, size)),
        }
    }

    /// Appends it, for another process.
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        match self {
            MaskBrick::Uniform(code) => out.extend([u32::MAX.to_le_bytes().as_slice(), &[*code]].concat()),
            MaskBrick::Stream(stream) => {
                out.extend((stream.len() as u32).to_le_bytes());
                out.extend(stream);
            }
        }
    }

    /// Takes what [`Self::put`] appended from the front; `None` where no brick is there.
    pub(crate) fn take(bytes: &mut &[u8]) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length);
        let (brick, rest) = match length {
            u32::MAX => rest.split_first().map(|(&code, rest)| (MaskBrick::Uniform(code), rest))?,
            length => rest
                .split_at_checked(length as usize)
                .map(|(stream, rest)| (MaskBrick::Stream(stream.to_vec()), rest))?,
        };
        *bytes = rest;
        Some(brick)
    }
}

/// Bricks of a mask, as they are coded.
#[derive(Default)]
pub(crate) struct CodedMask {
    bricks: Vec<Brick>,
    streams: Vec<Vec<u8>>,
}

impl CodedMask {
    /// The next brick.
    pub(crate) fn push(&mut self, brick: MaskBrick) {
        self.bricks.push(match brick {
            MaskBrick::Uniform(code) => Brick::Uniform(code),
            MaskBrick::Stream(stream) => {
                self.streams.push(stream);
                Brick::Mixed(self.streams.len() - 1)
            }
        });
    }

    /// The mask of a volume of `shape`, all of whose bricks are there.
    pub(crate) fn finish(self, shape: [usize; 3]) -> MaskBricks {
        let grid = BrickGrid::new(shape);
        MaskBricks { grid, bricks: self.bricks, streams: Streams::new(self.streams) }
    }
}

/// The mask of a volume, brick by brick, x fastest.
#[derive(Clone)]
pub(crate) struct MaskBricks {
    grid: BrickGrid,
    bricks: Vec<Brick>,
    streams: Streams,
}

impl MaskBricks {
    /// Codes a mask of one code a voxel.
    pub(crate) fn encode(codes: &[u8], shape: [usize; 3]) -> Self {
        let grid = BrickGrid::new(shape);
        let mut coded = CodedMask::default();
        for brick in 0..grid.len() {
            let of_brick: Vec<u8> = grid.rows(brick).flat_map(|row| codes[row].iter().copied()).collect();
            coded.push(MaskBrick::encode(&of_brick, grid.bounds(brick).1));
        }
        coded.finish(shape)
    }

    /// The bricks that meet the box from `start` to `end` (exclusive) and have masked voxels.
    pub(crate) fn meeting(&self, start: [usize; 3], end: [usize; 3]) -> Vec<usize> {
        let mut found = self.grid.meeting(start, end);
        found.retain(|&brick| self.bricks[brick] != Brick::Uniform(0));
        found
    }

    /// The brick that a voxel is in.
    pub(crate) fn containing(&self, voxel: [usize; 3]) -> usize {
        self.grid.containing(voxel)
    }

    /// A brick's first voxel and size.
    pub(crate) fn bounds(&self, brick: usize) -> ([usize; 3], [usize; 3]) {
        self.grid.bounds(brick)
    }

    /// The code of all of a brick's voxels, where they have one.
    pub(crate) fn uniform(&self, brick: usize) -> Option<u8> {
        match self.bricks[brick] {
            Brick::Uniform(code) => Some(code),
            Brick::Mixed(_) => None,
        }
    }

    /// A brick's codes, x fastest.
    ///
    /// # Errors
    /// When its stream cannot be read, or holds what no encoder writes.
    pub(crate) fn decode(&self, brick: usize) -> Result<Vec<u8>, Fault> {
        let (_, size) = self.bounds(brick);
        match self.bricks[brick] {
            Brick::Uniform(code) => Ok(vec![code; size.iter().product()]),
            Brick::Mixed(stream) => Ok(decode_brick(&self.streams.read(stream)?, size)?),
        }
    }

    pub(crate) fn streams(&self) -> &Streams {
        &self.streams
    }

    /// The brick of each stream.
    pub(crate) fn with_streams(&self) -> Vec<usize> {
        let is_mixed = |&brick: &usize| matches!(self.bricks[brick], Brick::Mixed(_));
        (0..self.bricks.len()).filter(is_mixed).collect()
    }

    /// What of the section is no stream.
    pub(super) fn section(&self) -> Vec<u8> {
        let mut out = (BRICK_EDGE as u16).to_le_bytes().to_vec();
        out.extend(self.bricks.iter().map(|brick| match brick {
            Brick::Uniform(code) => *code,
            Brick::Mixed(_) => MIXED,
        }));
        out
    }

    pub(super) fn parse(section: StoredSection<'_>, shape: [usize; 3]) -> Result<Self, String> {
        let mut fields = Fields::new(section.bytes);
        check_edge(&mut fields)?;
        let grid = BrickGrid::new(shape);
        let mut mixed = 0;
        let kinds = fields.bytes(grid.len(), "the brick table")?;
        let bricks = kinds.iter().map(|&kind| match kind {
            MIXED => {
                mixed += 1;
                Ok(Brick::Mixed(mixed - 1))
            }
            code if code == 0 || MaskClass::from_code(code).is_some() => Ok(Brick::Uniform(code)),
            code => Err(format!("brick kind {code} is unknown")),
        });
        let bricks = bricks.collect::<Result<_, String>>()?;
        let streams = section.streams(fields.rest(), mixed)?;
        Ok(Self { grid, bricks, streams })
    }
}

/// The brick table's kind of a brick with a stream.
const MIXED: u8 = 255;

/// Models of a brick's stream: whether a voxel is masked, by its six causal neighbours; whether its class is that of
/// the last masked voxel; and the class where it is not.
struct Models {
    masked: [BitModel; 64],
    same: BitModel,
    class: [BitModel; 4],
}

impl Models {
    fn new() -> Self {
        Self { masked: [BitModel::new(); 64], same: BitModel::new(), class: [BitModel::new(); 4] }
    }
}

/// One bit a causal neighbour: masked or not; outside the brick: not.
fn context(codes: &[u8], size: [usize; 3], [x, y, z]: [usize; 3]) -> usize {
    const NEIGHBOURS: [[usize; 3]; 6] = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1]];
    NEIGHBOURS.iter().enumerate().fold(0, |context, (bit, &[dx, dy, dz])| {
        let inside = x >= dx && y >= dy && z >= dz;
        let masked = inside && codes[x - dx + size[0] * (y - dy + size[1] * (z - dz))] != 0;
        context | usize::from(masked) << bit
    })
}

fn voxels(size: [usize; 3]) -> impl Iterator<Item = [usize; 3]> {
    (0..size[2]).flat_map(move |z| (0..size[1]).flat_map(move |y| (0..size[0]).map(move |x| [x, y, z])))
}

fn encode_brick(codes: &[u8], size: [usize; 3]) -> Vec<u8> {
    let mut models = Models::new();
    let mut coder = RangeEncoder::new();
    let mut last = MaskClass::Nan as u8;
    for (i, voxel) in voxels(size).enumerate() {
        let code = codes[i];
        models.masked[context(codes, size, voxel)].encode(&mut coder, code != 0);
        if code != 0 {
            models.same.encode(&mut coder, code != last);
            if code != last {
                let (high, low) = ((code - 1) >> 1 & 1, (code - 1) & 1);
                models.class[1].encode(&mut coder, high == 1);
                models.class[2 + usize::from(high)].encode(&mut coder, low == 1);
                last = code;
            }
        }
    }
    coder.finish()
}

fn decode_brick(stream: &[u8], size: [usize; 3]) -> Result<Vec<u8>, String> {
    let mut models = Models::new();
    let mut coder = RangeDecoder::new(stream);
    let mut codes = vec![0; size.iter().product()];
    let mut last = MaskClass::Nan as u8;
    for (i, voxel) in voxels(size).enumerate() {
        if models.masked[context(&codes, size, voxel)].decode(&mut coder) {
            if models.same.decode(&mut coder) {
                let high = models.class[1].decode(&mut coder);
                let low = models.class[2 + usize::from(high)].decode(&mut coder);
                last = 1 + (u8::from(high) << 1 | u8::from(low));
            }
            MaskClass::from_code(last).ok_or_else(|| format!("mask class {last} is unknown"))?;
            codes[i] = last;
        }
    }
    Ok(codes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn masks_come_back(
            shape in [1usize..90, 1usize..70, 1usize..6],
            seed in any::<u32>(),
        ) {
            let count = shape.iter().product::<usize>();
            let mut state = seed | 1;
            let codes: Vec<u8> = (0..count).map(|_| {
                state ^= state << 13; state ^= state >> 17; state ^= state << 5;
                if state % 3 == 0 { (state >> 8) as u8 % 5 } else { 0 }
            }).collect();
            let bricks = MaskBricks::encode(&codes, shape);
            let bricks = crate::container::sections::read_back(bricks.section(), &bricks.streams, |section| {
                MaskBricks::parse(section, shape)
            })
            .unwrap();
            let mut back = vec![0; count];
            for brick in bricks.meeting([0; 3], shape) {
                let (start, size) = bricks.bounds(brick);
                for (voxel, code) in voxels(size).zip(bricks.decode(brick).unwrap()) {
                    let [x, y, z] = [0, 1, 2].map(|a| start[a] + voxel[a]);
                    prop_assert_eq!(bricks.containing([x, y, z]), brick);
                    back[x + shape[0] * (y + shape[1] * z)] = code;
                }
            }
            prop_assert_eq!(&back, &codes);
        }
    }

    #[test]
    fn a_half_space_costs_little() {
        let shape = [64, 64, 64];
        let codes: Vec<u8> = (0..64 * 64 * 64).map(|i| if i % 64 < 20 { 4 } else { 0 }).collect();
        assert!(MaskBricks::encode(&codes, shape).streams.bytes() < 600);
    }
}
