//! Compression of volumes that are read box by box.

use super::Placement;
use super::compress::HowArguments;
use super::progress::Bar;
use super::{interrupt, report};
use anyhow::Result;
use neuvol::Volume;
use neuvol::io::FoundSource;
use neuvol::train::{CompressOptions, CompressedSource, MOST_VOXELS_IN_MEMORY, compress_source};
use neuvol::volume::{MaskClass, Source};
use std::path::Path;
use std::time::Instant;

/// Slices that are read at a time to find the range.
const SLICES: usize = 8;

/// A source that is open.
pub(super) struct Opened {
    pub(super) source: Box<dyn Source>,
    /// Bytes of the temporary file that it was unpacked to; 0 where there is no such file.
    temporary_bytes: u64,
}

impl Opened {
    /// What is too large to be compressed in memory, of an input that can be read box by box; a temporary file lies beside
    /// `output`. `None` for other inputs.
    pub(super) fn of_large(found: Option<FoundSource>, output: &Path) -> Result<Option<Self>> {
        let Some(found) = found.filter(|found| found.voxels() > MOST_VOXELS_IN_MEMORY) else {
            return Ok(None);
        };
        let temporary_bytes = found.temporary_bytes();
        Ok(Some(Self { source: found.open(folder_of(output))?, temporary_bytes }))
    }
}

impl From<Volume> for Opened {
    fn from(volume: Volume) -> Self {
        Self { source: Box::new(volume), temporary_bytes: 0 }
    }
}

/// The folder that an output lies in, and temporary files with it.
pub(super) fn folder_of(output: &Path) -> &Path {
    output.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The library's options for a source.
pub(super) fn options(how: &HowArguments, source: &dyn Source, place: Placement) -> Result<CompressOptions> {
    how.options_for(source.header().shape, || range(source), place)
}

/// Compresses into a file behind a progress bar.
pub(super) fn compress(
    source: &dyn Source,
    output: &Path,
    options: &CompressOptions,
    memory: u64,
) -> Result<CompressedSource> {
    let bar = Bar::new();
    Ok(compress_source(source, output, options, memory, |progress| bar.show(progress))?)
}

/// Compresses the only volume of a file, whose opening began at `start`; the report as JSON.
pub(super) fn compress_one(
    from: Opened,
    how: &HowArguments,
    output: &Path,
    (memory, place): (u64, Placement),
    (start, quiet): (Instant, bool),
) -> Result<serde_json::Value> {
    let Opened { source, temporary_bytes } = from;
    let header = source.header();
    let options = options(how, source.as_ref(), place)?;
    let compressed = compress(source.as_ref(), output, &options, memory)?;
    let CompressedSource { file_bytes, ref fidelity, ratio, ratio_f32, ref model, .. } = compressed;
    let seconds = start.elapsed().as_secs_f64();
    if !quiet {
        let sample_type = header.sample_type.name();
        say!("{}", output.display());
        let stored = report::bytes(header.stored_bytes());
        say!("  volume    {} {sample_type}, {stored}", report::dims(header.shape));
        if temporary_bytes > 0 {
            let folder = folder_of(output).display();
            say!("  unpacked  {}, to a temporary file in {folder}", report::bytes(temporary_bytes));
        }
        say!("  file      {}", report::bytes(file_bytes));
        say!("  ratio     {}", report::ratios(ratio, ratio_f32, sample_type));
        for line in report::fidelity(fidelity, &header.geometry, &header.unit) {
            say!("  {line}");
        }
        say!("  model     {model}");
        say!("  time      {seconds:.1} s reading and compressing");
    }
    Ok(serde_json::json!({
        "output": output,
        "file_bytes": file_bytes,
        "temporary_bytes": temporary_bytes,
        "ratio": ratio,
        "ratio_float32": ratio_f32,
        "model": model,
        "achieved": report::fidelity_json(fidelity, &header.geometry),
        "seconds": { "all": seconds },
    }))
}

/// Smallest and largest measurement.
fn range(source: &dyn Source) -> Result<Option<(f64, f64)>> {
    let header = source.header();
    let fill = header.fill_range();
    let mut range: Option<(f64, f64)> = None;
    for z in (0..header.shape[2]).step_by(SLICES) {
        interrupt::check()?;
        let depth = SLICES.min(header.shape[2] - z);
        let samples = source.read([0, 0, z], [header.shape[0], header.shape[1], depth])?;
        for value in (0..samples.len()).map(|i| samples.get(i)).filter(|&v| MaskClass::of(v, fill).is_none())
        {
            let (low, high) = range.unwrap_or((value, value));
            range = Some((low.min(value), high.max(value)));
        }
    }
    Ok(range)
}
