//! `cargo xtask paraview`: the VTK module and the ParaView plugin, built and installed; and their tests.

use crate::programs;
use anyhow::{Context, Result, bail};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What the build and its tests start.
const PROGRAMS: [&str; 8] =
    ["c++", "cmake", "ninja", "paraview", "pvpython", "pvbatch", "mpiexec", "xvfb-run"];

/// What else tests start where it is installed: they check and convert DICOM files with it.
const DICOM_PROGRAMS: [&str; 3] = ["dciodvfy", "dcentvfy", "dcm2niix"];

/// Debian's and Ubuntu's packages of all that.
const PACKAGES: [&str; 24] = [
    "g++",
    "cmake",
    "ninja-build",
    "paraview",
    "paraview-dev",
    "python3-paraview",
    "python3-numpy",
    "libopenmpi-dev",
    "openmpi-bin",
    "mpi-default-bin",
    "xvfb",
    "xauth",
    "libqt5svg5",
    "python3-dev",
    "libexpat1-dev",
    "liblzma-dev",
    "zlib1g-dev",
    "libpng-dev",
    "libgl-dev",
    "libglew-dev",
    "libx11-dev",
    "libgl1-mesa-dri",
    "dicom3tools",
    "dcm2niix",
];

/// What the command line asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    prefix: Option<PathBuf>,
}

impl Options {
    /// None when help is asked for.
    ///
    /// # Errors
    /// For an argument that is not one of `cargo xtask paraview`.
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Option<Self>> {
        let mut options = Self::default();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--prefix" => {
                    options.prefix = Some(arguments.next().context("--prefix needs a folder")?.into())
                }
                "--help" | "-h" => return Ok(None),
                other => bail!("unknown argument {other:?}; `cargo xtask help` lists them"),
            }
        }
        Ok(Some(options))
    }
}

/// Builds and installs; the last line says where ParaView finds the plugin.
///
/// # Errors
/// When something is missing or does not build.
pub(crate) fn run(root: &Path, options: &Options) -> Result<()> {
    let prefix = match &options.prefix {
        Some(prefix) => std::path::absolute(prefix)?,
        None => target(root)?.join("paraview"),
    };
    install(root, &prefix)?;
    println!("PV_PLUGIN_PATH={}", prefix.display());
    Ok(())
}

/// What of [`PROGRAMS`] this machine lacks.
pub(crate) fn missing() -> Vec<&'static str> {
    PROGRAMS.into_iter().filter(|program| !programs::has(program)).collect()
}

/// What of [`DICOM_PROGRAMS`] this machine lacks.
pub(crate) fn missing_for_dicom() -> Vec<&'static str> {
    DICOM_PROGRAMS.into_iter().filter(|program| !programs::has(program)).collect()
}

/// What to type where something is missing.
pub(crate) fn hint() -> String {
    format!("on Debian and Ubuntu: apt-get install --no-install-recommends {}", PACKAGES.join(" "))
}

/// Installs the packages, where that can be done without asking anyone.
///
/// # Errors
/// When this is not Debian, not root, or the packages cannot be had.
pub(crate) fn install_packages() -> Result<()> {
    println!("Installing ParaView, what its plugins are built with, and DICOM tools (once, about 300 MB)");
    for arguments in
        [&["update"][..], &[&["install", "-y", "--no-install-recommends"], &PACKAGES[..]].concat()]
    {
        let mut apt = Command::new("apt-get");
        apt.args(["-q", "-q"]).args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
        let done = apt.stdout(Stdio::null()).status().context("starting apt-get")?;
        if !done.success() {
            bail!("apt-get {} failed (its message is above)", arguments[0]);
        }
    }
    Ok(())
}

/// CMake's look at this machine for the plugin's build, and the build's folder.
fn configuration(root: &Path) -> Result<(Command, PathBuf)> {
    let target = target(root)?;
    let source = root.join("plugin");
    let build = target.join("paraview-build");
    forget_another_checkout(&build, &source)?;
    let mut configure = Command::new("cmake");
    configure.arg("-S").arg(&source).arg("-B").arg(&build).arg("-DCMAKE_BUILD_TYPE=Release");
    configure.arg(format!("-DNEUVOL_CARGO_TARGET_DIR={}", target.display()));
    if !missing().contains(&"ninja") {
        configure.args(["-G", "Ninja"]);
    }
    Ok((configure, build))
}

/// Why the plugin cannot be built here although all programs are there: ParaView's headers, or what those ask for (OpenGL, GLEW,
/// expat, ...), as CMake says it.
///
/// # Errors
/// When CMake cannot be started.
pub(crate) fn lacking(root: &Path) -> Result<Option<String>> {
    let (mut configure, _) = configuration(root)?;
    let output = configure.stdin(Stdio::null()).output().context("starting cmake")?;
    if output.status.success() {
        return Ok(None);
    }
    Ok(Some(reason(&String::from_utf8_lossy(&output.stderr))))
}

/// What CMake did not find, of all that it says.
fn reason(text: &str) -> String {
    let words = ["Could NOT find", "Could not find", "provided by", "required package"];
    let mut lines: Vec<&str> =
        text.lines().map(str::trim).filter(|line| words.iter().any(|word| line.contains(word))).collect();
    lines.dedup();
    match lines.as_slice() {
        [] => "CMake cannot set up its build (`cargo xtask paraview` shows why)".to_owned(),
        lines => format!("CMake says: {}", lines[..lines.len().min(3)].join(" ")),
    }
}

/// Builds the plugin and installs it below `prefix`.
///
/// # Errors
/// When something is missing or does not build.
pub(crate) fn install(root: &Path, prefix: &Path) -> Result<()> {
    let needed: Vec<&str> = missing().into_iter().filter(|p| ["c++", "cmake"].contains(p)).collect();
    if !needed.is_empty() {
        bail!("{} is needed and not installed; {}", needed.join(" and "), hint());
    }
    let (mut configure, build) = configuration(root)?;
    step(&mut configure)
        .with_context(|| format!("is ParaView 5.11 or later, with headers, here? {}", hint()))?;
    step(Command::new("cmake").arg("--build").arg(&build).args(["--parallel"]))?;
    step(Command::new("cmake").arg("--install").arg(&build).arg("--strip").arg("--prefix").arg(prefix))
}

/// Runs the tests of ctest against what [`install`] installed. Returns how many passed and failed.
///
/// # Errors
/// When they cannot be built or started.
pub(crate) fn test(root: &Path, prefix: &Path, neuvol: &Path) -> Result<(usize, usize)> {
    let target = target(root)?;
    let cache =
        fs::read_to_string(target.join("paraview-build/CMakeCache.txt")).context("the plugin's build")?;
    let paraview = cache.lines().find_map(|line| line.strip_prefix("ParaView_DIR:PATH="));
    let vtk = Path::new(paraview.context("ParaView_DIR in the plugin's build")?).join("vtk");
    let source = root.join("tests");
    let build = target.join("paraview-tests");
    forget_another_checkout(&build, &source)?;
    let mut configure = Command::new("cmake");
    configure.arg("-S").arg(&source).arg("-B").arg(&build);
    configure.arg(format!("-DCMAKE_PREFIX_PATH={}", prefix.display()));
    configure.arg(format!("-DVTK_DIR={}", vtk.display()));
    configure.arg(format!("-DNEUVOL_PREFIX={}", prefix.display()));
    configure.arg(format!("-DNEUVOL_COMMAND={}", neuvol.display()));
    step(&mut configure)?;
    step(Command::new("cmake").arg("--build").arg(&build).args(["--parallel"]))?;
    let mut ctest = Command::new("ctest");
    ctest.arg("--test-dir").arg(&build).args(["--output-on-failure", "--timeout", "300"]);
    ctest.stdin(Stdio::null()).stdout(Stdio::piped());
    let output = ctest.spawn().context("starting ctest")?.wait_with_output().context("waiting for ctest")?;
    let text = String::from_utf8_lossy(&output.stdout);
    print!("{text}");
    let (passed, failed) = counts(&text).context("ctest printed no result")?;
    if !output.status.success() && failed == 0 {
        bail!("ctest failed");
    }
    Ok((passed, failed))
}

/// Removes a build folder that was configured from sources elsewhere: cargo's target folder may be shared by several
/// checkouts, but CMake refuses a build folder that is not its source's own.
fn forget_another_checkout(build: &Path, source: &Path) -> Result<()> {
    let Ok(cache) = fs::read_to_string(build.join("CMakeCache.txt")) else {
        return Ok(());
    };
    let configured = cache.lines().find_map(|line| line.strip_prefix("CMAKE_HOME_DIRECTORY:INTERNAL="));
    let same = configured.is_some_and(|configured| {
        matches!((fs::canonicalize(configured), fs::canonicalize(source)), (Ok(a), Ok(b)) if a == b)
    });
    if !same {
        fs::remove_dir_all(build)
            .with_context(|| format!("removing the old build in {}", build.display()))?;
    }
    Ok(())
}

/// Passed and failed of ctest's `83% tests passed, 2 tests failed out of 12`.
fn counts(text: &str) -> Option<(usize, usize)> {
    let line = text.lines().rev().find(|line| line.contains("tests passed, "))?;
    let numbers: Vec<usize> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    match numbers[..] {
        [failed, all] => Some((all.checked_sub(failed)?, failed)),
        _ => None,
    }
}

/// Where cargo builds.
fn target(root: &Path) -> Result<PathBuf> {
    let set = env::var_os("CARGO_TARGET_DIR").filter(|v| !v.is_empty());
    Ok(std::path::absolute(set.map_or_else(|| root.join("target"), PathBuf::from))?)
}

fn step(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let first = command.get_args().next().map(|a| a.to_string_lossy().into_owned()).unwrap_or_default();
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("starting {name}"))?;
    if !status.success() {
        bail!("{name} {first} failed (its message is above)");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ctests_counts_are_read() {
        let text = "...\n83% tests passed, 2 tests failed out of 12\n\nTotal Test time (real) =  42.00 sec\n";
        assert_eq!(counts(text), Some((10, 2)));
        assert_eq!(counts("100% tests passed, 0 tests failed out of 7"), Some((7, 0)));
        assert_eq!(counts("No tests were found!!!"), None);
    }

    #[test]
    fn only_another_checkouts_build_is_forgotten() {
        let folder = env!("CARGO_MANIFEST_DIR");
        let build = std::env::temp_dir().join(format!("neuvol-xtask-{}", std::process::id()));
        let configured_from = |source: &str| {
            fs::create_dir_all(&build).expect("a folder");
            let cache = format!("CMAKE_GENERATOR:INTERNAL=Ninja\nCMAKE_HOME_DIRECTORY:INTERNAL={source}\n");
            fs::write(build.join("CMakeCache.txt"), cache).expect("a file");
            forget_another_checkout(&build, Path::new(folder)).expect("no error");
            let kept = build.exists();
            forget_another_checkout(&build, Path::new(folder)).expect("no error");
            let _ = fs::remove_dir_all(&build);
            kept
        };
        assert!(configured_from(folder));
        assert!(!configured_from("/nonexistent/checkout/plugin"));
        assert!(!configured_from(&format!("{folder}/src")));
    }

    #[test]
    fn a_prefix_is_a_folder() {
        let parse = |line: &str| Options::parse(line.split_whitespace().map(String::from));
        let options = parse("--prefix /opt/neuvol").expect("valid").expect("no help");
        assert_eq!(options.prefix, Some(PathBuf::from("/opt/neuvol")));
        assert!(parse("--prefix").is_err() && parse("--prefx x").is_err());
        assert_eq!(parse("-h").expect("valid"), None);
    }
}
