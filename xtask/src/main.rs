//! `cargo xtask`: set-up and test commands of this repository.

mod cache;
mod libtorch;
mod paraview;
mod programs;
mod ptx;
mod python_env;
mod rd;
mod results;
mod test;

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const HELP: &str = "\
Usage: cargo xtask COMMAND

Commands:
  test [OPTIONS] [-- ARGS]  set up the Python readers that tests compare with (250 MB), run the tests, build the examples
                            and run those that need no arguments
                              --with LIST  also the tests of torch (libtorch, a download of 635 MB) or of paraview (the
                                           VTK module and the plugin), or of both: torch,paraview
                              --full       also the tests over whole series (sets NEUVOL_FULL=1; minutes)
                              ARGS         passed to cargo test, e.g. -- --test engine
  paraview [--prefix DIR]   build the VTK module and the ParaView plugin, install them below DIR (target/paraview when
                            absent), and print the PV_PLUGIN_PATH to set as the last line
  torch                     set up libtorch and NVRTC, and print the variables to build and run --features torch with:
                            eval \"$(cargo xtask torch)\"
  peers                     set up a Python with SPERR, SZ3 and ZFP, and print its path:
                            neuvol study table2 --python \"$(cargo xtask peers)\" ...
  rd [OPTIONS]              measure rate and distortion beside SPERR, SZ3, ZFP and tthresh; minutes to hours. Writes
                            benches/results/DATE-VERSION-COMMIT.md, .json and pictures; what this commit measured
                            before on the same machine and day is kept there. A list may be empty.
                              --volumes NAME...  volumes of the folder, raw files with a header in JSON beside them
                              --targets DB...    PSNR targets [34 40 46 52]
                              --presets NAME...  our presets [fast balanced]
                              --bounds P%...     largest errors, of the range [1% 0.1%]
                              --data DIR         the folder [$NEUVOL_DATA]; its folder volumes counts too
                              --report JSON      measure nothing: write the report of these results again
  ptx                       set up NVRTC, and make the GPU code that the library carries anew of its kernels
  help                      print this

Environment:
  NEUVOL_DATA     folder of the sample volumes; without it the tests on real data are skipped
  NEUVOL_PYTHON   interpreter with tests/python/requirements.txt installed; without it one is set up in the cache
  LIBTORCH        a libtorch 2.11; without it one for the CPU is set up in the cache
  NEUVOL_CACHE    the cache folder; without it $XDG_CACHE_HOME/neuvol or ~/.cache/neuvol
  ParaView_DIR    where the plugin's build finds ParaView, when CMake does not by itself
  CI              when set, a Python environment, a libtorch or a ParaView that cannot be set up is an error, not a skip;
                  as root, ParaView's packages are installed";

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        None | Some("help" | "--help" | "-h") => println!("{HELP}"),
        Some("test") => {
            let Some(options) = test::Options::parse(arguments)? else {
                println!("{HELP}");
                return Ok(ExitCode::SUCCESS);
            };
            return test::run(&root()?, &options);
        }
        Some("paraview") => match paraview::Options::parse(arguments)? {
            Some(options) => paraview::run(&root()?, &options)?,
            None => println!("{HELP}"),
        },
        Some("torch") => match arguments.next().as_deref() {
            None => libtorch::run(&root()?)?,
            Some("--help" | "-h") => println!("{HELP}"),
            Some(other) => bail!("unknown argument {other:?}; `cargo xtask torch` takes none"),
        },
        Some("peers") => match arguments.next().as_deref() {
            None => println!("{}", python_env::with_peers(&root()?)?.display()),
            Some("--help" | "-h") => println!("{HELP}"),
            Some(other) => bail!("unknown argument {other:?}; `cargo xtask peers` takes none"),
        },
        Some("rd") => match rd::Options::parse(arguments)? {
            Some(options) => rd::run(&root()?, &options)?,
            None => println!("{HELP}"),
        },
        Some("ptx") => match arguments.next().as_deref() {
            None => ptx::run(&root()?)?,
            Some("--help" | "-h") => println!("{HELP}"),
            Some(other) => bail!("unknown argument {other:?}; `cargo xtask ptx` takes none"),
        },
        Some(other) => bail!("there is no command {other:?}; `cargo xtask help` lists them"),
    }
    Ok(ExitCode::SUCCESS)
}

/// The repository's root.
fn root() -> Result<PathBuf> {
    // Cargo's at run time, not at build time: checkouts may share a target folder.
    let xtask = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let root = xtask.as_deref().and_then(Path::parent);
    Ok(root.context("start this through `cargo xtask`")?.to_path_buf())
}
