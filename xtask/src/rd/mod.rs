//! `cargo xtask rd`: rate and distortion of our presets and of other compressors.

mod bjontegaard;
mod measure;
mod printed;
mod report;
mod results;
mod volumes;

use crate::python_env;
use anyhow::{Context, Result, bail};
use measure::Bench;
use report::Report;
use results::{Bound, Header, Results};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use volumes::RawVolume;

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Options {
    volumes: Vec<String>,
    /// In dB.
    targets: Vec<f64>,
    presets: Vec<String>,
    bounds: Vec<Bound>,
    /// `NEUVOL_DATA` when absent.
    data: Option<PathBuf>,
    /// Results to write the report of again, instead of measuring.
    report: Option<PathBuf>,
}

/// CT, simulations rough and smooth, one volume with a fill value.
const VOLUMES: [&str; 7] = [
    "tooth",
    "engine",
    "richtmyer_meshkov_ppm_t0020",
    "wmag91_f32",
    "isabel_velmag_t30_f32",
    "mitgcm_deepconv_t_f32",
    "cmip_tos_f32",
];

impl Default for Options {
    fn default() -> Self {
        let own = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect();
        Self {
            volumes: own(&VOLUMES),
            targets: vec![34.0, 40.0, 46.0, 52.0],
            presets: own(&["fast", "balanced"]),
            bounds: vec![Bound { percent: 1.0 }, Bound { percent: 0.1 }],
            data: None,
            report: None,
        }
    }
}

impl Options {
    /// None when help is asked for. An option's values are all that follows up to the next option.
    ///
    /// # Errors
    /// For an argument that is not one of `cargo xtask rd`.
    pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Option<Self>> {
        let mut options = Self::default();
        let mut arguments = arguments.peekable();
        while let Some(name) = arguments.next() {
            let mut values = Vec::new();
            while let Some(value) = arguments.next_if(|a| !a.starts_with("--")) {
                values.push(value);
            }
            match name.as_str() {
                "--volumes" => options.volumes = values,
                "--presets" => options.presets = values,
                "--targets" => {
                    let number = |v: &String| v.parse().with_context(|| format!("{v:?} is no PSNR in dB"));
                    options.targets = values.iter().map(number).collect::<Result<_>>()?;
                }
                "--bounds" => {
                    options.bounds = values.iter().map(|v| Bound::parse(v)).collect::<Result<_>>()?
                }
                "--data" => match values.as_slice() {
                    [folder] => options.data = Some(folder.into()),
                    _ => bail!("--data takes one folder"),
                },
                "--report" => match values.as_slice() {
                    [json] => options.report = Some(json.into()),
                    _ => bail!("--report takes one JSON file"),
                },
                "--help" | "-h" => return Ok(None),
                other => bail!("unknown argument {other:?}; `cargo xtask help` lists those of rd"),
            }
        }
        Ok(Some(options))
    }
}

/// Builds the command, measures and writes the report; after every volume, so that an interrupted run leaves what it has.
///
/// # Errors
/// When a volume is not there, something cannot be built, started or written, or the peers' script fails. A target that we
/// cannot meet is a line of the report.
pub(crate) fn run(root: &Path, options: &Options) -> Result<()> {
    let bench = || Bench::new(build(root)?, python_env::with_peers(root)?, root.join("benches/peers.py"));
    if let Some(json) = &options.report {
        let (results, bench) = (Results::read(json)?, bench()?);
        let report = Report { results: &results, folder: json.parent().unwrap_or(Path::new("")) };
        return report.write(|json, picture| bench.draw(json, picture));
    }
    let data = options.data.clone().or_else(|| env::var_os("NEUVOL_DATA").map(PathBuf::from));
    let data = data.context("set NEUVOL_DATA to the folder of the volumes, or give --data DIR")?;
    let volumes: Vec<RawVolume> =
        options.volumes.iter().map(|name| RawVolume::find(&data, name)).collect::<Result<_>>()?;
    let bench = bench()?;
    let header = Header::of_this_run(root, &bench)?;

    let folder = root.join("benches/results");
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    let stem = header.stem();
    let mut results = Results::read_or_new(&folder.join(format!("{stem}.json")), header)?;
    for volume in &volumes {
        bench.measure(volume, options, &mut results)?;
        results.write(&folder.join(format!("{stem}.json")))?;
        let report = Report { results: &results, folder: &folder };
        report.write(|json, picture| bench.draw(json, picture))?;
    }
    println!("{}", folder.join(format!("{stem}.md")).display());
    Ok(())
}

/// The release build of the command.
fn build(root: &Path) -> Result<PathBuf> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root).args(["build", "--release", "--package", "neuvol", "--bin", "neuvol"]);
    if !cargo.status().context("starting cargo")?.success() {
        bail!("the release build failed (its messages are above)");
    }
    let target = env::var_os("CARGO_TARGET_DIR").filter(|v| !v.is_empty()).map(PathBuf::from);
    let name = format!("release/neuvol{}", env::consts::EXE_SUFFIX);
    Ok(root.join(target.unwrap_or_else(|| "target".into())).join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Option<Options>> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn lists_end_at_the_next_option_and_may_be_empty() {
        let options = parse("--volumes tooth engine --targets --bounds 1% 0.25% --data /d").unwrap().unwrap();
        let wanted = Options {
            volumes: vec!["tooth".into(), "engine".into()],
            targets: vec![],
            bounds: vec![Bound { percent: 1.0 }, Bound { percent: 0.25 }],
            data: Some("/d".into()),
            ..Options::default()
        };
        assert_eq!(options, wanted);
        assert_eq!(parse("--help").unwrap(), None);
        for wrong in ["--bounds 1", "--bounds 0%", "--targets x", "--data", "tooth"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
