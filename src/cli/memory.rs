//! How much memory a command may take.

use super::input::parse_size;
use super::progress::PartsBar;
use anyhow::Result;
use neuvol::io::{FoundSource, SaveOptions};
use neuvol::train::MOST_VOXELS_IN_MEMORY;
use neuvol::volume::VolumeHeader;
use neuvol::{Error, Volume};

/// Where the system does not say how much there is.
const USUAL: u64 = 4 << 30;
/// Bytes a voxel that a compression in memory takes at its height beside the samples, about.
const BYTES_A_VOXEL: u64 = 6;

/// What a command that goes through volumes slab by slab may take.
#[derive(clap::Args, Debug, Clone)]
pub(super) struct MemoryArguments {
    /// Memory to stay within, about (k, M and G stand for thousands, millions and billions); half of the machine's when absent.
    /// Larger volumes are gone through in slabs of up to 128 slices, of one at least.
    #[arg(long, value_name = "BYTES", value_parser = parse_size)]
    memory: Option<u64>,
}

impl MemoryArguments {
    fn bytes(&self) -> u64 {
        self.memory.unwrap_or_else(half_of_the_machines)
    }

    /// What slabs may take: a half is for what the samples are decoded from and coded to.
    pub(super) fn slab_bytes(&self) -> u64 {
        self.bytes() / 4
    }

    /// What decoded blocks of a `.nvol` file may take in each of so many volumes.
    pub(super) fn block_bytes(&self, volumes: usize) -> u64 {
        self.bytes() / 4 / volumes.max(1) as u64
    }

    /// Whether so many volumes like this one are better not read whole.
    pub(super) fn is_too_large(&self, header: &VolumeHeader, volumes: u64) -> bool {
        self.are_too_many(header.voxels(), header.stored_bytes(), volumes)
    }

    /// The same of a volume that nothing was read of but its header.
    pub(super) fn is_too_large_to_open(&self, found: &FoundSource, volumes: u64) -> bool {
        self.are_too_many(found.voxels(), found.stored_bytes(), volumes)
    }

    fn are_too_many(&self, voxels: u64, stored_bytes: u64, volumes: u64) -> bool {
        voxels > MOST_VOXELS_IN_MEMORY || stored_bytes.saturating_mul(volumes) > self.bytes() / 2
    }

    /// How a volume is written, behind a progress bar.
    pub(super) fn save_options(&self, bar: &PartsBar) -> SaveOptions {
        SaveOptions { slab_bytes: self.slab_bytes(), progress: Some(bar.observer()) }
    }
}

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
