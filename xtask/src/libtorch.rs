//! `cargo xtask torch`: libtorch and NVRTC, which the features `torch` and `cuda` are built and tested with.

use crate::{programs, python_env};
use anyhow::{Context, Result, bail};
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

/// The release that tch belongs to; Cargo.toml pins tch for it. With `LIBTORCH` set, tch does not compare.
const VERSION: &str = "2.11";

/// Where the loader looks for shared libraries.
const LIBRARY_PATH: &str = "LD_LIBRARY_PATH";

/// What is in the cache, or in `LIBTORCH`.
#[derive(Debug)]
pub(crate) struct Libtorch {
    folder: PathBuf,
    /// Folders of shared libraries: its own, of what it is linked to, and NVRTC's.
    libraries: OsString,
    /// With `cuda_fp16.h`.
    nvrtc_include: PathBuf,
}

/// Prints the variables as a shell takes them.
///
/// # Errors
/// As [`Libtorch::set_up`].
pub(crate) fn run(root: &Path) -> Result<()> {
    print!("{}", Libtorch::set_up(root)?.exports()?);
    Ok(())
}

impl Libtorch {
    /// Set up on the first call and kept in the cache; but a `LIBTORCH` that is set is taken.
    ///
    /// # Errors
    /// When this is no system that the wheels are for, they cannot be installed, or `LIBTORCH` has another version.
    pub(crate) fn set_up(root: &Path) -> Result<Self> {
        if set("LIBTORCH_USE_PYTORCH").is_some() {
            bail!("LIBTORCH_USE_PYTORCH makes the build ignore LIBTORCH; unset it");
        }
        if set("CXX").is_none() && !programs::has("c++") {
            bail!("no C++ compiler (c++), which tch is built with; on Debian and Ubuntu, install g++");
        }
        let folder = match set("LIBTORCH") {
            Some(own) => std::path::absolute(own)?,
            None => wheels(root, "libtorch", "543 MB")?.join("torch"),
        };
        let version = version(&folder)?;
        if !is_supported(&version) {
            bail!(
                "LIBTORCH={} is version {version}, and tch needs {VERSION}; unset it to have one set up",
                folder.display()
            );
        }
        let nvrtc = nvrtc(root)?;
        Ok(Self { libraries: libraries(&folder, &nvrtc)?, folder, nvrtc_include: nvrtc.join("include") })
    }

    /// The variables for cargo and what it starts.
    ///
    /// They are the same from one build to the next, or torch-sys would be compiled anew for minutes.
    pub(crate) fn environment(&self) -> Vec<(&'static str, OsString)> {
        vec![
            ("LIBTORCH", self.folder.clone().into_os_string()),
            (LIBRARY_PATH, with_others(self.libraries.clone())),
            ("NEUVOL_NVRTC_INCLUDE", self.nvrtc_include.clone().into_os_string()),
            // Two threads of libtorch on two busy cores are slower than one.
            ("OMP_NUM_THREADS", set("OMP_NUM_THREADS").unwrap_or_else(|| "1".into())),
        ]
    }

    /// The same as lines for a shell.
    fn exports(&self) -> Result<String> {
        let folder = quoted(self.folder.as_os_str())?;
        let libraries = quoted(&self.libraries)?;
        let include = quoted(self.nvrtc_include.as_os_str())?;
        // The shell's own path: cargo has added to the one seen here.
        Ok(format!(
            "export LIBTORCH={folder}\n\
             export {LIBRARY_PATH}={libraries}\"${{{LIBRARY_PATH}:+:${LIBRARY_PATH}}}\"\n\
             export NEUVOL_NVRTC_INCLUDE={include}\n\
             export OMP_NUM_THREADS=\"${{OMP_NUM_THREADS:-1}}\"\n"
        ))
    }
}

/// The variables for cargo and what it starts, of NVRTC alone.
///
/// # Errors
/// When this is no system that its wheel is for, or it cannot be installed.
pub(crate) fn nvrtc_environment(root: &Path) -> Result<[(&'static str, OsString); 2]> {
    let nvrtc = nvrtc(root)?;
    Ok([
        (LIBRARY_PATH, with_others(nvrtc.join("lib").into_os_string())),
        ("NEUVOL_NVRTC_INCLUDE", nvrtc.join("include").into_os_string()),
    ])
}

/// NVRTC's folder, with `lib` and `include`.
fn nvrtc(root: &Path) -> Result<PathBuf> {
    Ok(wheels(root, "nvrtc", "92 MB")?.join("nvidia/cu13"))
}

/// Folders of libraries, before those that are searched anyway.
fn with_others(mut libraries: OsString) -> OsString {
    if let Some(others) = set(LIBRARY_PATH) {
        libraries.push(":");
        libraries.push(others);
    }
    libraries
}

/// The files of `xtask/wheels/NAME.txt`.
fn wheels(root: &Path, name: &str, size: &str) -> Result<PathBuf> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        bail!("{name} is set up on Linux for x86-64 only");
    }
    python_env::files(&root.join("xtask/wheels").join(name).with_extension("txt"), name, size)
}

/// What a libtorch says of itself: an archive in `build-version`, a Python package in `version.py`.
fn version(libtorch: &Path) -> Result<String> {
    let text = fs::read_to_string(libtorch.join("build-version"))
        .or_else(|_| fs::read_to_string(libtorch.join("version.py")))
        .with_context(|| {
            format!("LIBTORCH={} has neither build-version nor version.py", libtorch.display())
        })?;
    let version = match text.lines().find_map(|line| line.strip_prefix("__version__ = ")) {
        Some(quoted) => quoted.trim_matches(['\'', '"']),
        None => text.trim(),
    };
    Ok(version.to_owned())
}

/// Of 2.11, every build (`2.11.0+cpu`).
fn is_supported(version: &str) -> bool {
    version.strip_prefix(VERSION).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '+']))
}

/// The search path of what is started with this libtorch.
fn libraries(libtorch: &Path, nvrtc: &Path) -> Result<OsString> {
    let mut folders = vec![libtorch.join("lib")];
    // Where wheels have what libtorch is linked to; other builds of libtorch bring it in their own folder.
    folders.extend(libtorch.parent().map(|wheels| wheels.join("nvidia/cu13/lib")).filter(|l| l.is_dir()));
    folders.push(nvrtc.join("lib"));
    env::join_paths(folders).context("the path of a library folder")
}

/// A variable that is set to something.
fn set(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

/// In single quotes, as a POSIX shell reads them.
fn quoted(value: &OsStr) -> Result<String> {
    let text = value.to_str().with_context(|| format!("{} is no text", value.display()))?;
    Ok(format!("'{}'", text.replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_2_11_is_supported() {
        for version in ["2.11", "2.11.0", "2.11.1+cpu", "2.11+cu130"] {
            assert!(is_supported(version), "{version}");
        }
        for version in ["2.1", "2.110.0", "2.12.0", "12.11.0", "2.11a", ""] {
            assert!(!is_supported(version), "{version}");
        }
    }

    #[test]
    fn the_version_is_read_from_either_layout() {
        let folder = env::temp_dir().join(format!("neuvol-xtask-libtorch-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let missing = version(&folder).expect_err("no version").to_string();
        assert!(missing.contains("LIBTORCH=") && missing.contains("version.py"), "{missing}");
        let package =
            "from typing import Optional\n\n__all__ = ['__version__']\n__version__ = '2.11.0+cu130'\n";
        fs::write(folder.join("version.py"), package).expect("a file");
        assert_eq!(version(&folder).expect("a version"), "2.11.0+cu130");
        fs::write(folder.join("build-version"), "2.10.0+cpu\n").expect("a file");
        assert_eq!(version(&folder).expect("a version"), "2.10.0+cpu");
        fs::remove_dir_all(&folder).expect("removable");
    }

    #[test]
    #[cfg(unix)]
    fn a_shell_reads_the_variables_and_keeps_its_own() {
        let libtorch = Libtorch {
            folder: "/it's $HOME/torch".into(),
            libraries: libraries(Path::new("/it's $HOME/torch"), Path::new("/nvrtc")).expect("a path"),
            nvrtc_include: "/nvrtc/include".into(),
        };
        let script = libtorch.exports().expect("text")
            + r#"echo "$LIBTORCH|$LD_LIBRARY_PATH|$NEUVOL_NVRTC_INCLUDE|$OMP_NUM_THREADS""#;
        let read = |name: &str, value: &str| {
            let mut shell = std::process::Command::new("sh");
            shell
                .args(["-c", &script])
                .env_remove(LIBRARY_PATH)
                .env_remove("OMP_NUM_THREADS")
                .env(name, value);
            String::from_utf8(shell.output().expect("a shell").stdout).expect("text")
        };
        let start = "/it's $HOME/torch|/it's $HOME/torch/lib:/nvrtc/lib";
        assert_eq!(read("OMP_NUM_THREADS", "4"), format!("{start}|/nvrtc/include|4\n"));
        assert_eq!(read(LIBRARY_PATH, "/own"), format!("{start}:/own|/nvrtc/include|1\n"));
    }

    #[test]
    fn the_libraries_of_wheels_are_found_beside_libtorch() {
        let wheels = env::temp_dir().join(format!("neuvol-xtask-wheels-{}", std::process::id()));
        let folders = |libtorch: &Path| -> Vec<PathBuf> {
            env::split_paths(&libraries(libtorch, Path::new("nvrtc")).expect("a path")).collect()
        };
        let torch = wheels.join("torch");
        assert_eq!(folders(&torch), [torch.join("lib"), "nvrtc/lib".into()]);
        let beside = wheels.join("nvidia/cu13/lib");
        fs::create_dir_all(&beside).expect("a folder");
        assert_eq!(folders(&torch), [torch.join("lib"), beside, "nvrtc/lib".into()]);
        fs::remove_dir_all(&wheels).expect("removable");
    }
}
