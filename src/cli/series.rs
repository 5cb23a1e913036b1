//! `neuvol series`.

use super::report;
use anyhow::{Result, bail};
use std::path::PathBuf;

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// A folder of DICOM files, searched recursively, or a DICOMDIR.
    folder: PathBuf,
    /// Show whose series they are: name and ID of the patient.
    #[arg(long)]
    patient: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Volumes of a series that are listed as text: more are steps over time, as a rule.
const MOST_VOLUMES: usize = 48;

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    if !arguments.folder.exists() {
        bail!("{}: no such folder", arguments.folder.display());
    }
    let series = neuvol::io::list_series(&arguments.folder, arguments.patient)?;
    if arguments.json {
        let list: Vec<_> = series
            .iter()
            .map(|s| {
                serde_json::json!({
                    "number": s.number,
                    "uid_end": s.id,
                    "modality": s.modality,
                    "description": s.description,
                    "patient": arguments.patient.then_some(&s.patient),
                    "shape": s.shape,
                    "spacing_mm": s.spacing,
                    "bytes": s.bytes,
                    "folder": s.folder,
                    "refused": s.refused,
                    "volumes": s.volumes,
                })
            })
            .collect();
        say!("{:#}", serde_json::Value::from(list));
        return Ok(());
    }
    if series.is_empty() {
        bail!("{}: the folder holds no DICOM image", arguments.folder.display());
    }
    for s in &series {
        let number = if s.number.is_empty() { "-" } else { &s.number };
        say!("series {number}  {}  {}", s.modality, s.description);
        if arguments.patient {
            say!("  patient   {}", s.patient);
        }
        if let Some(why) = &s.refused {
            say!("  refused   {why}");
        }
        if s.shape[2] > 0 {
            let [x, y, z] = s.spacing;
            say!("  volume    {}, {x} x {y} x {z} mm, {}", report::dims(s.shape), report::bytes(s.bytes));
        }
        for (number, volume) in s.volumes.iter().take(MOST_VOLUMES).enumerate() {
            let title = if number == 0 { "volumes" } else { "" };
            say!("  {title:<9} {number}: {volume}");
        }
        if s.volumes.len() > MOST_VOLUMES {
            say!("            and {} more, which --json lists", s.volumes.len() - MOST_VOLUMES);
        }
        say!("  UID       ends in {}", s.id);
        say!("  folder    {}", s.folder.display());
    }
    Ok(())
}
