//! How much memory a compression may take.

use anyhow::Result;
use neuvol::{Error, Volume};

/// Where the system does not say how much there is.
const USUAL: u64 = 4 << 30;
/// Bytes a voxel that a compression in memory takes at its height beside the samples, about.
const BYTES_A_VOXEL: u64 = 6;

/// Half of the machine's memory.
pub(super) fn half_of_the_machines() -> u64 {
    // proc(5): "MemTotal: 16384256 kB".
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kilobytes.map_or(USUAL, |kilobytes| kilobytes * 512)
}

/// Refuses a volume that is compressed in memory and takes more than is allowed.
pub(super) fn check(volume: &Volume, memory: u64) -> Result<()> {
    let needed = volume.stored_bytes() + BYTES_A_VOXEL * volume.len() as u64;
    if needed <= memory {
        return Ok(());
    }
    let what = format!("compressing this volume takes about {needed} bytes of memory; give --memory as much");
    Err(Error::TooLarge { bytes: needed, what }.into())
}
