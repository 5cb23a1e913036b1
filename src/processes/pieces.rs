//! The parts of a volume that processes hold, and those that they need.

use super::{Group, Shares};
use crate::error::{Error, Result};
use crate::volume::{Samples, Source, VolumeHeader};
use crate::wavelet::Window;
use std::collections::{BTreeSet, HashMap};

/// Voxels along the edge of the bricks in which samples are passed on and kept.
const EDGE: usize = 32;
/// Bricks that a process is sent at a time.
const AT_ONCE: usize = 1024;
/// Bytes of a box on its way: its ends.
const BOX_BYTES: usize = 48;

/// A box of a volume that a process holds.
#[derive(Debug, Clone)]
pub struct Piece {
    /// The first sample, in the whole volume.
    pub start: [usize; 3],
    /// Samples along x, y, z.
    pub size: [usize; 3],
    /// The samples, x fastest, in the volume's type.
    pub samples: Samples,
}

impl Piece {
    fn window(&self) -> Window {
        Window { start: self.start, end: std::array::from_fn(|a| self.start[a] + self.size[a]) }
    }
}

/// What two boxes share.
fn common(one: Window, other: Window) -> Option<Window> {
    let start: [usize; 3] = std::array::from_fn(|a| one.start[a].max(other.start[a]));
    let end: [usize; 3] = std::array::from_fn(|a| one.end[a].min(other.end[a]));
    (0..3).all(|a| start[a] < end[a]).then_some(Window { start, end })
}

fn contains(outer: Window, inner: Window) -> bool {
    common(outer, inner) == Some(inner)
}

/// Copies the samples of `part` from a box of a volume into another one; both have it.
fn copy(from: (&[u8], Window), to: (&mut [u8], Window), part: Window, size: usize) {
    let at = |window: Window, y: usize, z: usize| {
        let [nx, ny, _] = window.shape();
        size * (part.start[0] - window.start[0] + nx * (y - window.start[1] + ny * (z - window.start[2])))
    };
    let run = size * (part.end[0] - part.start[0]);
    for z in part.start[2]..part.end[2] {
        for y in part.start[1]..part.end[1] {
            let (source, target) = (at(from.1, y, z), at(to.1, y, z));
            to.0[target..target + run].copy_from_slice(&from.0[source..source + run]);
        }
    }
}

/// Boxes of a volume, and their numbers, x fastest.
struct Bricks {
    shape: [usize; 3],
}

impl Bricks {
    fn counts(&self) -> [usize; 3] {
        self.shape.map(|n| n.div_ceil(EDGE))
    }

    fn window(&self, brick: usize) -> Window {
        let [nx, ny, _] = self.counts();
        let start = [brick % nx, brick / nx % ny, brick / nx / ny].map(|n| n * EDGE);
        Window { start, end: std::array::from_fn(|a| (start[a] + EDGE).min(self.shape[a])) }
    }

    fn meeting(&self, window: Window) -> impl Iterator<Item = usize> {
        let [nx, ny, _] = self.counts();
        let range = move |a: usize| window.start[a] / EDGE..window.end[a].div_ceil(EDGE);
        range(2).flat_map(move |z| range(1).flat_map(move |y| range(0).map(move |x| x + nx * (y + ny * z))))
    }
}

/// The samples that a process needs for its share of the blocks.
pub(crate) struct SharedVolume {
    header: VolumeHeader,
    /// The volume of a process that is alone and holds it in one piece.
    whole: Option<Piece>,
    bricks: HashMap<usize, Samples>,
}

impl SharedVolume {
    /// Gives every process the samples of its blocks, of `edge` voxels, and of `margin` voxels around them. Where pieces overlap, those
    /// of the process with the lowest rank count.
    ///
    /// # Errors
    /// [`Error::Options`] when a process' piece lies outside or has other samples than it says, or a voxel is in no piece; what another
    /// process failed with.
    pub(crate) fn gather(
        header: VolumeHeader,
        pieces: Vec<Piece>,
        (shares, edge, margin): (Shares, usize, usize),
        group: &Group<'_>,
    ) -> Result<Self> {
        pieces.iter().try_for_each(|piece| check(piece, &header))?;
        if group.size() == 1
            && let Some(piece) = pieces.iter().position(|piece| piece.size == header.shape)
        {
            let whole = pieces.into_iter().nth(piece);
            return Ok(Self { header, whole, bricks: HashMap::new() });
        }
        let held = held(&pieces, group)?;
        let bricks = Bricks { shape: header.shape };
        let needed: Vec<Vec<usize>> = (0..group.size())
            .map(|rank| {
                let windows = shares.of(rank).map(|block| around(header.shape, block, edge, margin));
                let needed: BTreeSet<usize> = windows.flat_map(|window| bricks.meeting(window)).collect();
                needed.into_iter().collect()
            })
            .collect();
        let mut found = Self { header, whole: None, bricks: HashMap::new() };
        let of_sample = found.header.sample_type.size();
        let rounds = needed.iter().map(|bricks| bricks.len().div_ceil(AT_ONCE)).max().unwrap_or(0);
        for round in 0..rounds {
            let of_round = |rank: usize| needed[rank].chunks(AT_ONCE).nth(round).unwrap_or_default();
            let mut messages = vec![Vec::new(); group.size()];
            for (to, message) in messages.iter_mut().enumerate() {
                for (piece, part) in
                    of_round(to).iter().flat_map(|&brick| sent(&held, group.rank(), bricks.window(brick)))
                {
                    let begin = message.len();
                    message.resize(begin + of_sample * part.len(), 0);
                    let piece = &pieces[piece];
                    copy(
                        (piece.samples.as_bytes(), piece.window()),
                        (&mut message[begin..], part),
                        part,
                        of_sample,
                    );
                }
            }
            let received = group.exchange(messages)?;
            let mut rests: Vec<&[u8]> = received.iter().map(Vec::as_slice).collect();
            for &brick in of_round(group.rank()) {
                let samples = found.assemble(bricks.window(brick), &held, &mut rests)?;
                found.bricks.insert(brick, samples);
            }
        }
        Ok(found)
    }

    /// A brick, of what came from all processes.
    fn assemble(&self, window: Window, held: &[Vec<Window>], rests: &mut [&[u8]]) -> Result<Samples> {
        let of_sample = self.header.sample_type.size();
        let mut samples = Samples::zeros(self.header.sample_type, window.len());
        let mut is_there = vec![0u8; window.len()];
        // The lowest rank's is the last.
        for (rank, rest) in rests.iter_mut().enumerate().rev() {
            for (_, part) in sent(held, rank, window) {
                let bytes = rest.split_off(..of_sample * part.len()).ok_or_else(|| {
                    let what = "it sent fewer samples than it holds; it runs another program".into();
                    Error::Process { rank, what }
                })?;
                copy((bytes, part), (samples.as_bytes_mut(), window), part, of_sample);
                copy((&vec![1; part.len()], part), (&mut is_there, window), part, 1);
            }
        }
        let Some(missing) = is_there.iter().position(|&there| there == 0) else { return Ok(samples) };
        let [nx, ny, _] = window.shape();
        let at = [missing % nx, missing / nx % ny, missing / nx / ny];
        let at: [usize; 3] = std::array::from_fn(|a| window.start[a] + at[a]);
        Err(Error::Options(format!(
            "no process holds voxel {at:?} of a volume of {:?} voxels: the pieces have to fill it",
            self.header.shape
        )))
    }
}

/// A block and what is around it.
fn around(shape: [usize; 3], block: usize, edge: usize, margin: usize) -> Window {
    let [nx, ny, _] = shape.map(|n| n.div_ceil(edge));
    let start = [block % nx, block / nx % ny, block / nx / ny].map(|n| n * edge);
    Window {
        start: start.map(|n| n.saturating_sub(margin)),
        end: std::array::from_fn(|a| (start[a] + edge + margin).min(shape[a])),
    }
}

fn check(piece: &Piece, header: &VolumeHeader) -> Result<()> {
    let fits =
        (0..3).all(|a| piece.start[a].checked_add(piece.size[a]).is_some_and(|end| end <= header.shape[a]));
    let count = piece.size.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
    if !fits || count != Some(piece.samples.len()) || piece.samples.sample_type() != header.sample_type {
        return Err(Error::Options(format!(
            "a piece of {} samples of {} at {:?}, of {:?} voxels, is no part of a volume of {:?} voxels of {}",
            piece.samples.len(),
            piece.samples.sample_type(),
            piece.start,
            piece.size,
            header.shape,
            header.sample_type
        )));
    }
    Ok(())
}

/// The boxes of all processes' pieces, by rank.
fn held(pieces: &[Piece], group: &Group<'_>) -> Result<Vec<Vec<Window>>> {
    let ends = |piece: &Piece| [piece.window().start, piece.window().end].concat();
    let own: Vec<u8> = pieces.iter().flat_map(ends).flat_map(|n| (n as u64).to_le_bytes()).collect();
    let boxes = |bytes: Vec<u8>| {
        let (boxes, _) = bytes.as_chunks::<BOX_BYTES>();
        let number =
            |bytes: &[u8], n: usize| u64::from_le_bytes(std::array::from_fn(|b| bytes[8 * n + b])) as usize;
        let ends = |bytes: &[u8; BOX_BYTES]| Window {
            start: std::array::from_fn(|a| number(bytes, a)),
            end: std::array::from_fn(|a| number(bytes, 3 + a)),
        };
        boxes.iter().map(ends).collect()
    };
    Ok(group.all_gather(own)?.into_iter().map(boxes).collect())
}

/// What a process sends of a box: the piece, and the part of it. Nothing that a process of lower rank has, too.
fn sent(held: &[Vec<Window>], rank: usize, window: Window) -> impl Iterator<Item = (usize, Window)> {
    let (before, own) = (&held[..rank], &held[rank]);
    own.iter().enumerate().filter_map(move |(n, &piece)| {
        let part = common(piece, window)?;
        let is_sent = before.iter().flatten().chain(&own[..n]).any(|&other| contains(other, part));
        (!is_sent).then_some((n, part))
    })
}

impl Source for SharedVolume {
    fn header(&self) -> VolumeHeader {
        self.header.clone()
    }

    fn read(&self, start: [usize; 3], size: [usize; 3]) -> Result<Samples> {
        let (bricks, sample_type) = (Bricks { shape: self.header.shape }, self.header.sample_type);
        let window = Window { start, end: std::array::from_fn(|a| start[a] + size[a]) };
        let mut samples = Samples::zeros(sample_type, window.len());
        if let Some(whole) = &self.whole {
            let from = (whole.samples.as_bytes(), whole.window());
            copy(from, (samples.as_bytes_mut(), window), window, sample_type.size());
            return Ok(samples);
        }
        for brick in bricks.meeting(window) {
            let own = bricks.window(brick);
            let found = self.bricks.get(&brick).ok_or_else(|| {
                Error::Options(format!("the voxels from {start:?} on are another process' to read"))
            })?;
            let part = common(own, window).expect("they meet");
            copy((found.as_bytes(), own), (samples.as_bytes_mut(), window), part, sample_type.size());
        }
        Ok(samples)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_of_bricks_are_found_and_copied() {
        let bricks = Bricks { shape: [70, 33, 64] };
        assert_eq!(bricks.counts(), [3, 2, 2]);
        let window = Window { start: [31, 0, 32], end: [65, 1, 33] };
        assert_eq!(bricks.meeting(window).collect::<Vec<_>>(), [6, 7, 8]);
        assert_eq!(bricks.window(11), Window { start: [64, 32, 32], end: [70, 33, 64] });
        let from: Vec<u8> = (0..60).collect();
        let (outer, inner) =
            (Window { start: [1, 2, 3], end: [4, 6, 8] }, Window { start: [2, 4, 5], end: [3, 6, 7] });
        let mut to = vec![0; 4];
        copy((&from, outer), (&mut to, inner), inner, 1);
        assert_eq!(to, [1 + 3 * (2 + 4 * 2), 1 + 3 * (3 + 4 * 2), 1 + 3 * (2 + 4 * 3), 1 + 3 * (3 + 4 * 3)]);
    }
}
