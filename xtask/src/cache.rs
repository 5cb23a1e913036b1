//! The folder for what is set up once and kept outside the tree.

use anyhow::{Context, Result};
use std::env;
use std::path::PathBuf;

/// `$NEUVOL_CACHE`, else `$XDG_CACHE_HOME/neuvol`, else `~/.cache/neuvol`; absolute. `.ci/run` has the same rule.
pub(crate) fn folder() -> Result<PathBuf> {
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
