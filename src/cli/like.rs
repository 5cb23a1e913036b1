//! `--like`: the series whose study a derived DICOM series goes into.

use anyhow::Result;
use neuvol::Error;
use neuvol::io::{OriginalSeries, SaveOptions, SeriesDescription};
use neuvol::volume::Source;
use std::path::{Path, PathBuf};

/// Where a DICOM series that is written belongs.
#[derive(clap::Args, Debug)]
pub(super) struct LikeArguments {
    /// DICOM output: write the new series into the study of this one (a folder, a DICOMDIR or one file): same patient and
    /// study, series number + 1000. The frame of reference is copied only if the volume occupies the same position in space.
    /// Without --like no patient data are written.
    #[arg(long, value_name = "SERIES", help_heading = "DICOM output")]
    like: Option<PathBuf>,
    /// Which series of --like's folder: its number or the end of its UID, as `neuvol series` lists them.
    #[arg(long, value_name = "SERIES", requires = "like", help_heading = "DICOM output")]
    like_series: Option<String>,
}

impl LikeArguments {
    /// Refuses an output that could not be written, and reads the series that it is to be like: before the work.
    pub(super) fn read(&self, output: &Path) -> Result<Option<OriginalSeries>> {
        neuvol::io::check_output(output)?;
        let Some(like) = &self.like else { return Ok(None) };
        if !neuvol::io::is_series(output) {
            return Err(Error::Options(format!(
                "{}: only a DICOM series can be like another one: end the output's name in /, or leave --like out",
                output.display()
            ))
            .into());
        }
        let read = OriginalSeries::read(like, self.like_series.as_deref()).map_err(|error| match error {
            // The reader's words are of a series that is read.
            Error::Options(what) => Error::Options(what.replace("`series`", "`like_series`")),
            other => other,
        });
        Ok(Some(read?))
    }
}

/// Writes a volume slab by slab; a DICOM series goes beside `original`, where there is one.
pub(super) fn save(
    source: &dyn Source,
    output: &Path,
    original: Option<&OriginalSeries>,
    options: &SaveOptions,
) -> Result<()> {
    match original {
        Some(original) => {
            let series = SeriesDescription::derived_from(&source.header(), Some(original.clone()));
            neuvol::io::write_series_of(source, output, &series, options)?;
        }
        None => neuvol::io::save_source(source, output, options)?,
    }
    Ok(())
}
