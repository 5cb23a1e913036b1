//! One file, made by several processes.

use super::{CompressedSource, Run, Task, check};
use crate::error::Result;
use crate::latents::{BLOCK_EDGE, MARGIN};
use crate::processes::{Communicator, Group, Piece, SharedVolume, Shares};
use crate::train::options::CompressOptions;
use crate::train::progress::{Progress, Reporter};
use crate::volume::VolumeHeader;
use std::ops::ControlFlow;
use std::path::Path;

/// What a process brings to a file that several make.
#[derive(Debug, Clone)]
pub struct Part {
    /// The whole volume's, the same on every process.
    pub header: VolumeHeader,
    /// What the process holds of it. The pieces of all processes fill the volume; where they overlap, those of the lowest rank count.
    pub pieces: Vec<Piece>,
    /// The same on every process, but for `threads`.
    pub options: CompressOptions,
}

/// Compresses a volume whose samples several processes hold: all of them call this. Each codes and measures its share of the blocks,
/// whoever had their samples; the process of rank 0 writes the file, and every process is told what was achieved. An error in place of
/// a part ends the work of all.
///
/// The file is the one that [`compress_source`](super::compress_source) makes of the whole, whatever the number of processes. A process
/// holds its pieces, the samples of its share and `memory_bytes` beside these.
///
/// # Errors
/// As for [`compress_source`](super::compress_source); [`Error::Options`](crate::Error::Options) when the pieces do not fill the volume,
/// or the processes want different things; [`Error::Process`](crate::Error::Process) with what another process failed with. When one
/// fails, all do, and an existing file is untouched.
pub fn compress_together(
    communicator: &dyn Communicator,
    part: Result<Part>,
    path: impl AsRef<Path>,
    memory_bytes: u64,
    mut observe: impl FnMut(&Progress) -> ControlFlow<()>,
) -> Result<CompressedSource> {
    let group = &Group::of(communicator);
    let mut run = Run { reporter: Reporter::new(&mut observe, 0, 1), group };
    group.run(|| {
        let Part { header, pieces, options } = part?;
        let wanted = CompressOptions { threads: 0, ..options.clone() };
        group.agree(&format!("{header:?} {wanted:?}"))?;
        check(&header, &options, memory_bytes)?;
        let blocks = header.shape.iter().map(|n| n.div_ceil(BLOCK_EDGE)).product();
        let shares = Shares::new(blocks, group.size());
        let volume = SharedVolume::gather(header, pieces, (shares, BLOCK_EDGE, MARGIN), group)?;
        Task { source: &volume, path: path.as_ref(), options: &options, memory_bytes }.compress(&mut run)
    })
}
