//! `cargo xtask test`: every test of the workspace, with its set-up done.

use crate::libtorch::Libtorch;
use crate::results::Results;
use crate::{paraview, python_env};
use anyhow::{Context, Result, bail};
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// In the first line of an example's documentation: it is run, not only built.
const RUNS_ALONE: &str = "runs without arguments";

/// Features that need nothing installed.
const PURE_FEATURES: &str = "neuvol/dlpack";

/// Beside them those that need headers: tested where ParaView is set up, which brings them.
const ALL_FEATURES: &str = "neuvol/dlpack,neuvol/bridge";

/// The tests of the features that need libtorch or NVRTC to be there: a run of their own, since everything else is
/// built without.
const TORCH_TESTS: [&str; 10] = [
    "test",
    "--no-fail-fast",
    "--package=neuvol",
    "--features=torch,dlpack",
    "--test=torch",
    "--test=nvrtc",
    "--test=cuda",
    "--test=device_tensors",
    "--",
    "--show-output",
];

/// What `tests/device_tensors.rs` has Python load: `cargo test` of tests by name builds no libraries.
const TORCH_EXAMPLE: [&str; 4] =
    ["build", "--package=neuvol", "--features=cuda,dlpack", "--example=neuvol_torch"];

/// What the command line asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// Also the tests that take minutes.
    full: bool,
    /// Also those of the feature torch, which needs a large download.
    torch: bool,
    /// Also those of the VTK module and the ParaView plugin.
    paraview: bool,
    /// Further arguments of `cargo test`.
    cargo: Vec<String>,
}

impl Options {
    /// None when help is asked for.
    ///
    /// # Errors
    /// For an argument that is not one of `cargo xtask test`.
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Option<Self>> {
        let mut options = Self::default();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--full" => options.full = true,
                "--with" => {
                    let parts = arguments.next().context("--with needs a list of torch and paraview")?;
                    for part in parts.split(',') {
                        match part {
                            "torch" => options.torch = true,
                            "paraview" => options.paraview = true,
                            other => bail!("unknown part {other:?}; --with takes torch, paraview or both"),
                        }
                    }
                }
                "--" => options.cargo = arguments.by_ref().collect(),
                "--help" | "-h" => return Ok(None),
                other => bail!("unknown argument {other:?}; cargo test's own follow a --"),
            }
        }
        Ok(Some(options))
    }

    /// The arguments of cargo. A passing test's SKIPPED line is shown only when output is asked for.
    fn arguments(&self, with_bridge: bool) -> Vec<String> {
        let mut own = self.cargo.splitn(2, |a| a == "--");
        let of_cargo = own.next().unwrap_or_default();
        let mut arguments: Vec<String> = ["test", "--no-fail-fast"].map(String::from).into();
        // Beside a package's name, cargo would take --workspace.
        if !of_cargo.iter().any(|a| a.starts_with("-p") || a.starts_with("--package")) {
            arguments.push("--workspace".into());
            let features = if with_bridge { ALL_FEATURES } else { PURE_FEATURES };
            arguments.extend(["--features", features].map(String::from));
        }
        arguments.extend(of_cargo.iter().cloned());
        arguments.extend(["--", "--show-output"].map(String::from));
        arguments.extend(own.next().unwrap_or_default().iter().cloned());
        arguments
    }
}

/// Runs the tests and the examples in the repository at `root`, and says at the end what ran and what did not.
///
/// # Errors
/// When something cannot be started, and for a set-up that fails in CI. A failed test is not an error but a code.
pub(crate) fn run(root: &Path, options: &Options) -> Result<ExitCode> {
    let mut not_run = Vec::new();
    let environment = environment(root, options, &mut not_run)?;
    // Arguments for cargo ask for a part of its tests.
    let whole = options.cargo.is_empty();
    let with_paraview = whole && options.paraview && paraview_is_set_up(root, &mut not_run)?;
    let libtorch = if whole && options.torch { libtorch(root, &mut not_run)? } else { None };
    for (asked, what) in [(options.torch, "torch"), (options.paraview, "paraview")] {
        if whole && !asked {
            not_run
                .push(format!("tests of {what}; `cargo xtask test --with {what}` sets it up and runs them"));
        }
    }
    let cargo = || {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(root).envs(environment.iter().map(|(name, value)| (name, value)));
        cargo
    };

    let mut failures = Vec::new();
    let mut results = Results::default();
    if !tests(cargo().args(options.arguments(with_paraview)), &mut results)? {
        failures.push("cargo test".to_owned());
    }
    if let Some(libtorch) = libtorch {
        println!("\nTesting the feature torch");
        if !cargo().args(TORCH_EXAMPLE).status().context("starting cargo")?.success() {
            failures.push("cargo build --example neuvol_torch".to_owned());
        }
        if !tests(cargo().envs(libtorch.environment()).args(TORCH_TESTS), &mut results)? {
            failures.push("cargo test --features torch".to_owned());
        }
    }
    // The programs too: the last ones built are those of the features.
    let build = ["build", "--workspace", "--bins", "--examples", "--features", PURE_FEATURES];
    if !cargo().args(build).status().context("starting cargo")?.success() {
        failures.push("cargo build --bins --examples".to_owned());
    }
    let (alone, with_arguments) = examples(&root.join("examples"))?;
    // What they write goes where it does not lie in the tree.
    let folder = env::temp_dir().join(format!("neuvol-examples-{}", std::process::id()));
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    for name in &alone {
        println!("\nRunning example {name}");
        let mut example = cargo();
        example.current_dir(&folder).arg("run").arg("--quiet").arg("--manifest-path");
        example.arg(root.join("Cargo.toml")).args(["--features", PURE_FEATURES, "--example"]).arg(name);
        if !example.status().context("starting cargo")?.success() {
            failures.push(format!("example {name}"));
        }
    }
    fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;

    if with_paraview {
        let target = set("CARGO_TARGET_DIR").unwrap_or_else(|| root.join("target"));
        let target = std::path::absolute(&target)?;
        println!("\nTesting the VTK module and the ParaView plugin");
        let prefix = target.join("paraview");
        let tested = paraview::install(root, &prefix)
            .and_then(|()| paraview::test(root, &prefix, &target.join("debug/neuvol")));
        match tested {
            Ok((passed, failed)) => {
                results.suites += 1;
                results.passed += passed;
                results.failed += failed;
                if failed > 0 {
                    failures.push("ctest".to_owned());
                }
            }
            // The summary is still to come.
            Err(error) => failures.push(format!("the plugin: {error:#}")),
        }
    }

    let skipping = results.skipping();
    not_run.append(&mut results.skipped);
    if results.ignored > 0 {
        not_run.push(format!("{} tests marked #[ignore]", results.ignored));
    }
    not_run
        .extend(with_arguments.iter().map(|name| format!("example {name}: built only, it needs arguments")));
    println!("\n==== Summary ====");
    let Results { passed, failed, suites, .. } = results;
    println!(
        "tests:    {passed} passed ({skipping} of them skipping something), {failed} failed, in {suites} suites"
    );
    println!("examples: {} run, {} built only", alone.len(), with_arguments.len());
    list("SKIPPED", &not_run);
    list("FAILED", &failures);
    Ok(if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn list(title: &str, lines: &[String]) {
    if !lines.is_empty() {
        println!("{title}:");
    }
    for line in lines {
        println!("  {line}");
    }
}

/// The variables that the tests read. What is missing is told at once, loudly, and again in the summary.
fn environment(
    root: &Path,
    options: &Options,
    not_run: &mut Vec<String>,
) -> Result<Vec<(&'static str, OsString)>> {
    let mut environment = Vec::new();
    let mut missing = |message: String| {
        eprintln!("\n**** SKIPPED: {message} ****\n");
        not_run.push(message);
    };
    // Cargo starts tests in their package's folder: paths relative to ours would not be found there.
    for name in ["NEUVOL_DATA", "CARGO_TARGET_DIR"] {
        if let Some(path) = set(name) {
            let path = std::path::absolute(&path).with_context(|| format!("{name}={}", path.display()))?;
            environment.push((name, path.into_os_string()));
        }
    }
    match set("NEUVOL_DATA") {
        None => missing("tests on real data; set NEUVOL_DATA to the folder of the sample volumes".into()),
        Some(folder) if !folder.is_dir() => bail!("NEUVOL_DATA={}: no such folder", folder.display()),
        Some(_) => {}
    }
    let python = match set("NEUVOL_PYTHON") {
        Some(python) if python.components().count() > 1 => Ok(std::path::absolute(python)?),
        Some(name) => Ok(name),
        None => python_env::interpreter(
            &root.join("tests/python/requirements.txt"),
            "Python packages for the tests",
            "250 MB",
        ),
    };
    match python {
        Ok(python) => environment.push(("NEUVOL_PYTHON", python.into_os_string())),
        Err(error) if set("CI").is_some() => return Err(error),
        Err(error) => missing(format!("tests against Python's readers; {error:#}")),
    }
    if options.full {
        environment.push(("NEUVOL_FULL", "1".into()));
    } else if set("NEUVOL_FULL").is_none() {
        not_run.push("tests over whole series; `cargo xtask test --full` runs them".into());
    }
    Ok(environment)
}

/// Whether the plugin can be built and tested here, found out before anything is built. What is missing is installed in CI, and
/// told elsewhere.
fn paraview_is_set_up(root: &Path, not_run: &mut Vec<String>) -> Result<bool> {
    let missing = paraview::missing();
    if set("CI").is_some() && !(missing.is_empty() && paraview::missing_for_dicom().is_empty()) {
        paraview::install_packages()?;
        return Ok(true);
    }
    let lacking = match missing.as_slice() {
        [] => paraview::lacking(root)?,
        missing => Some(format!("{} missing", missing.join(", "))),
    };
    let Some(lacking) = lacking else { return Ok(true) };
    let message = format!("tests of the ParaView plugin; {lacking}; {}", paraview::hint());
    eprintln!("\n**** SKIPPED: {message} ****\n");
    not_run.push(message);
    Ok(false)
}

/// What the feature `torch` is tested with. When it cannot be had, that is an error in CI, and told elsewhere.
fn libtorch(root: &Path, not_run: &mut Vec<String>) -> Result<Option<Libtorch>> {
    match Libtorch::set_up(root) {
        Ok(libtorch) => Ok(Some(libtorch)),
        Err(error) if set("CI").is_some() => Err(error),
        Err(error) => {
            let message = format!("tests of the feature torch; {error:#}");
            eprintln!("\n**** SKIPPED: {message} ****\n");
            not_run.push(message);
            Ok(None)
        }
    }
}

/// A variable that is set to something.
fn set(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Runs the tests, passes on what they print and adds it up. Returns whether all passed.
fn tests(cargo: &mut Command, results: &mut Results) -> Result<bool> {
    let mut child = cargo.stdout(Stdio::piped()).spawn().context("starting cargo")?;
    let mut output = BufReader::new(child.stdout.take().context("cargo's output")?);
    let mut screen = io::stdout().lock();
    let mut line = Vec::new();
    // Bytes, since a test may print what is no text.
    while output.read_until(b'\n', &mut line)? > 0 {
        screen.write_all(&line)?;
        screen.flush()?;
        results.add(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
    Ok(child.wait()?.success())
}

/// The names of the examples that run without arguments, and of the others.
fn examples(folder: &Path) -> Result<(Vec<String>, Vec<String>)> {
    let mut names = (Vec::new(), Vec::new());
    let Ok(entries) = fs::read_dir(folder) else { return Ok(names) };
    let mut paths = entries.map(|e| Ok(e?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    for path in paths.iter().filter(|p| p.extension().is_some_and(|e| e == "rs")) {
        let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        let alone = text.lines().find(|l| l.starts_with("//!")).is_some_and(|l| l.contains(RUNS_ALONE));
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if alone { &mut names.0 } else { &mut names.1 }.push(name);
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Option<Options>> {
        Options::parse(line.split_whitespace().map(String::from))
    }

    #[test]
    fn arguments_after_each_dashes_go_to_cargo_and_to_the_tests() {
        let options = parsed("--full -- --test engine -- decode").expect("valid").expect("no help");
        assert!(options.full && !options.torch && !options.paraview);
        let expected =
            "test --no-fail-fast --workspace --features neuvol/dlpack --test engine -- --show-output decode";
        assert_eq!(options.arguments(false).join(" "), expected);
        let package = parsed("-- -p xtask").expect("valid").expect("no help");
        assert_eq!(package.arguments(true).join(" "), "test --no-fail-fast -p xtask -- --show-output");
        let all = Options::default().arguments(true).join(" ");
        assert_eq!(
            all,
            "test --no-fail-fast --workspace --features neuvol/dlpack,neuvol/bridge -- --show-output"
        );
    }

    #[test]
    fn unknown_arguments_are_refused_and_help_is_help() {
        assert!(parsed("--ful").unwrap_err().to_string().contains("--ful"));
        assert!(parsed("--with torch,vtk").unwrap_err().to_string().contains("\"vtk\""));
        assert!(parsed("--with").is_err());
        let both = parsed("--with torch,paraview").expect("valid").expect("no help");
        assert!(both.torch && both.paraview && !both.full);
        assert_eq!(parsed("--help").expect("valid"), None);
    }

    #[test]
    fn an_example_is_run_when_its_first_line_says_so() {
        let folder = env::temp_dir().join(format!("neuvol-xtask-examples-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        for (name, text) in [
            ("simple.rs", "//! Compresses a phantom; runs without arguments.\nfn main() {}"),
            ("slice.rs", "//! Prints a slice: slice FILE.\n//! The other one runs without arguments.\n"),
            ("notes.txt", "//! runs without arguments"),
        ] {
            fs::write(folder.join(name), text).expect("a file");
        }
        let found = examples(&folder).expect("readable");
        fs::remove_dir_all(&folder).expect("removable");
        assert_eq!(found, (vec!["simple".to_owned()], vec!["slice".to_owned()]));
    }
}
