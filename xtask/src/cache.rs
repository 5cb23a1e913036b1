//! The folder for what is set up once and kept outside the tree.

use anyhow::{Context, Result};
use std::env;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Written last, so that an interrupted set-up is done again.
const MARKER: &str = "installed";

/// `$NEUVOL_CACHE`, else `$XDG_CACHE_HOME/neuvol`, else `~/.cache/neuvol`; absolute. `.ci/run` has the same rule.
fn folder() -> Result<PathBuf> {
    let variable = |name| env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let folder = match (variable("NEUVOL_CACHE"), variable("XDG_CACHE_HOME")) {
        (Some(own), _) => own,
        (None, Some(users)) => users.join("neuvol"),
        (None, None) => env::home_dir()
            .context("no home folder: set NEUVOL_CACHE to a folder for caches")?
            .join(".cache/neuvol"),
    };
    std::path::absolute(&folder).with_context(|| format!("the cache folder {}", folder.display()))
}

/// A folder of the cache, filled by `set_up` on the first call and kept while it is `usable`. Its name has the hash of
/// `recipe`, what it is filled by: another recipe has another folder.
///
/// # Errors
/// When the cache cannot be written, and those of `set_up`.
pub(crate) fn once(
    name: &str,
    recipe: &[u8],
    usable: impl FnOnce(&Path) -> bool,
    set_up: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    once_below(&folder()?, name, recipe, usable, set_up)
}

fn once_below(
    cache: &Path,
    name: &str,
    recipe: &[u8],
    usable: impl FnOnce(&Path) -> bool,
    set_up: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    fs::create_dir_all(cache).with_context(|| format!("creating {}", cache.display()))?;
    let folder = cache.join(format!("{name}-{:016x}", fnv1a(recipe)));

    // Two runs at a time would fill one folder.
    let lock = folder.with_extension("lock");
    let lock = File::create(&lock).with_context(|| format!("creating {}", lock.display()))?;
    lock.lock().context("waiting for another run's set-up")?;
    if folder.join(MARKER).exists() && usable(&folder) {
        return Ok(folder);
    }
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("removing the unfinished {}", folder.display()));
        }
        _ => {}
    }
    set_up(&folder)?;
    fs::write(folder.join(MARKER), recipe)
        .with_context(|| format!("marking {} as done", folder.display()))?;
    Ok(folder)
}

/// FNV-1a, 64 bits: a name for the content, the same from every build of this program.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;

    #[test]
    fn the_hash_is_fnv1a() {
        // Test vectors of the algorithm's authors.
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn a_folder_is_filled_once_and_again_after_a_failure() {
        let cache = env::temp_dir().join(format!("neuvol-xtask-cache-{}", std::process::id()));
        let mut fillings = 0;
        let mut once = |recipe: &str, usable: bool, fails: bool| {
            let folder = once_below(
                &cache,
                "things",
                recipe.as_bytes(),
                |_| usable,
                |folder| {
                    fillings += 1;
                    // Fails where something of an earlier filling is left.
                    fs::create_dir(folder)?;
                    if fails { bail!("no network") } else { Ok(()) }
                },
            );
            (folder, fillings)
        };
        assert_eq!(once("a", true, true).0.expect_err("fails").to_string(), "no network");
        let (first, fillings) = once("a", true, false);
        assert_eq!(fillings, 2, "an unfinished folder is not taken");
        let (second, fillings) = once("a", true, false);
        assert_eq!(fillings, 2, "a finished one is");
        assert_eq!(first.expect("filled"), second.expect("filled"));
        assert_eq!(once("a", false, false).1, 3, "one that went bad is filled again");
        assert_eq!(once("b", true, false).1, 4, "another recipe has another folder");
        fs::remove_dir_all(&cache).expect("removable");
    }
}
