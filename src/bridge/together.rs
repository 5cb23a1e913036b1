//! Files that several processes make together, for C++.

use super::compress::{label, options_of, watched};
use super::engines::threads;
use super::{Failure, ffi, guard, type_named};
use crate::Error;
use crate::train::{self, Communicator, CompressOptions, Part, Piece};
use crate::volume::{SampleType, Samples, Volume, VolumeHeader};
use cxx::{CxxVector, UniquePtr};

/// What a process holds of a volume; or why it cannot be used.
pub struct NewShare(Result<Vec<Piece>, Failure>);

pub(super) fn new_share() -> Box<NewShare> {
    Box::new(NewShare(Ok(Vec::new())))
}

impl NewShare {
    pub(super) fn add(&mut self, bytes: &[u8], sample_type: &str, start: &[usize; 3], shape: &[usize; 3]) {
        let Ok(pieces) = &mut self.0 else { return };
        match guard(|| piece(bytes, sample_type, *start, *shape)) {
            Ok(piece) => pieces.push(piece),
            Err(failure) => self.0 = Err(failure),
        }
    }
}

/// A type that is kept as it is: what narrows others would have to know the values of all processes.
fn kept(sample_type: &str) -> Result<SampleType, Failure> {
    match sample_type {
        "int64" | "uint64" => Err(Failure(format!(
            "samples of {sample_type} cannot be compressed box by box: cast them to 32 bits first (vtkImageCast), or to float64"
        ))),
        name => type_named(name),
    }
}

fn piece(bytes: &[u8], sample_type: &str, start: [usize; 3], size: [usize; 3]) -> Result<Piece, Failure> {
    let sample_type = kept(sample_type)?;
    let voxels = size.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
    if voxels.and_then(|n| n.checked_mul(sample_type.size())) != Some(bytes.len()) {
        return Err(Failure(format!("{} bytes are not {size:?} samples of {sample_type}", bytes.len())));
    }
    let mut samples = Samples::zeros(sample_type, voxels.unwrap_or_default());
    samples.as_bytes_mut().copy_from_slice(bytes);
    Ok(Piece { start, size, samples })
}

/// C++'s processes.
struct Messages<'a>(&'a ffi::Messenger);

impl Messages<'_> {
    /// What C++ threw, or bytes that are cut as it says.
    fn received(
        found: Result<UniquePtr<CxxVector<u8>>, cxx::Exception>,
        lengths: &[u64],
    ) -> crate::Result<Vec<Vec<u8>>> {
        let bytes =
            found.map_err(|e| Error::Options(format!("the processes cannot reach each other: {e}")))?;
        let mut rest = bytes.as_ref().map_or(&[][..], CxxVector::as_slice);
        let mut cut = |&length: &u64| Some(rest.split_off(..usize::try_from(length).ok()?)?.to_vec());
        let cut: Option<Vec<Vec<u8>>> = lengths.iter().map(&mut cut).collect();
        cut.ok_or_else(|| Error::Options("the processes' messages are cut off".into()))
    }
}

impl Communicator for Messages<'_> {
    fn rank(&self) -> usize {
        self.0.rank()
    }

    fn size(&self) -> usize {
        self.0.size()
    }

    fn all_gather(&self, bytes: &[u8]) -> crate::Result<Vec<Vec<u8>>> {
        let mut lengths = Vec::new();
        let found = self.0.all_gather(bytes, &mut lengths);
        Self::received(found, &lengths)
    }

    fn exchange(&self, bytes: Vec<Vec<u8>>) -> crate::Result<Vec<Vec<u8>>> {
        let to: Vec<u64> = bytes.iter().map(|bytes| bytes.len() as u64).collect();
        let mut lengths = Vec::new();
        let found = self.0.exchange(&bytes.concat(), &to, &mut lengths);
        Self::received(found, &lengths)
    }
}

pub(super) fn compress_together(
    share: Box<NewShare>,
    path: &str,
    sample_type: &str,
    labels: ffi::Labels,
    request: ffi::Request,
    messenger: &ffi::Messenger,
    observer: &ffi::Observer,
) -> Result<ffi::Outcome, Failure> {
    guard(|| {
        // A failure goes the way of all errors: to every process.
        let part = part(share.0, sample_type, &labels, &request).map_err(|failure| Error::Options(failure.0));
        let memory = part.as_ref().map_or(0, |part| train::least_memory(&part.header));
        let (done, warnings) = watched(observer, |observe| {
            train::compress_together(&Messages(messenger), part, path, memory, observe)
        })?;
        let train::CompressedSource { file_bytes, fidelity, ratio, ratio_f32, model, .. } = done;
        let fidelity = super::fidelity(&fidelity);
        Ok(ffi::Outcome { file_bytes, ratio, ratio_float32: ratio_f32, fidelity, model, warnings })
    })
}

fn part(
    pieces: Result<Vec<Piece>, Failure>,
    sample_type: &str,
    labels: &ffi::Labels,
    request: &ffi::Request,
) -> Result<Part, Failure> {
    let options = CompressOptions { threads: threads(request.threads), ..options_of(request)? };
    let ffi::Grid { shape, cells, flat, .. } = &labels.grid;
    if (0..3).any(|a| *cells && flat[a] && shape[a] > 1) {
        return Err(Failure(format!("a grid of {shape:?} cells is not flat along an axis of several cells")));
    }
    // A stand-in for the whole, to be described.
    let mut volume = Volume::new(Samples::zeros(kept(sample_type)?, 1), [1; 3])?;
    volume.provenance.insert("source".into(), "VTK image data".into());
    label(&mut volume, labels)?;
    let header = VolumeHeader { shape: *shape, ..VolumeHeader::of(&volume) };
    Ok(Part { header, pieces: pieces?, options })
}
