//! The process's engines: one a device and number of threads.

use super::Failure;
use crate::engine::Engine;
use crate::engine::cpu::Cpu;
use crate::engine::device::Device;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Threads to use when `asked` is 0: the machine's cores, shared among the MPI ranks that run on it.
pub(super) fn threads(asked: usize) -> usize {
    if asked > 0 {
        return asked;
    }
    let number = |name: &str| {
        let value = std::env::var(name).ok()?;
        let digits = value.trim().split(|c: char| !c.is_ascii_digit()).next()?;
        digits.parse::<usize>().ok()
    };
    // Open MPI; MPICH and Intel MPI; Slurm's own launcher ("4" or "4(x2)").
    let ranks = ["OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS", "SLURM_STEP_TASKS_PER_NODE"];
    let ranks = ranks.into_iter().find_map(number).unwrap_or(1).max(1);
    // A launcher that bound this rank to cores of its own has shared them out already.
    let ours = std::thread::available_parallelism().map_or(1, usize::from);
    ours.min(online_cores().unwrap_or(ours) / ranks).max(1)
}

/// The machine's cores, whichever of them this process may use; `None` where the system does not say.
fn online_cores() -> Option<usize> {
    let list = std::fs::read_to_string("/sys/devices/system/cpu/online").ok()?;
    core_count(list.trim())
}

/// Number of cores in a list like `0-3,8`.
fn core_count(list: &str) -> Option<usize> {
    let ranges = list.split(',').map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        (last.parse::<usize>().ok()? + 1).checked_sub(first.parse().ok()?)
    });
    ranges.sum()
}

/// An engine, and why it is not on the device that was asked for.
pub(super) type Chosen = (Arc<dyn Engine>, Option<String>);

/// The process's engine of a device and so many threads: all its volumes share one pool.
pub(super) fn engine(device: &str, asked: usize) -> Result<Chosen, Failure> {
    let device: Device = device.parse().map_err(|what| Failure(format!("the device {device:?}: {what}")))?;
    let threads = threads(asked);
    let mut engines = engines();
    let engines = engines.get_or_insert_default();
    if let Some(chosen) = engines.chosen.get(&(device, threads)) {
        return Ok(chosen.clone());
    }
    let chosen = device.engine_or_cpu(engines.cpu(threads)?)?;
    engines.chosen.insert((device, threads), chosen.clone());
    Ok(chosen)
}

/// The process's engine on the CPU with so many threads, 0 as [`threads`] says: what compresses shares them, too.
pub(super) fn cpu(asked: usize) -> Result<Cpu, Failure> {
    Ok(engines().get_or_insert_default().cpu(threads(asked))?)
}

fn engines() -> MutexGuard<'static, Option<Engines>> {
    static ENGINES: Mutex<Option<Engines>> = Mutex::new(None);
    ENGINES.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Default)]
struct Engines {
    /// By their threads.
    cpus: HashMap<usize, Cpu>,
    chosen: HashMap<(Device, usize), Chosen>,
}

impl Engines {
    fn cpu(&mut self, threads: usize) -> crate::Result<Cpu> {
        match self.cpus.entry(threads) {
            Entry::Occupied(cpu) => Ok(cpu.get().clone()),
            Entry::Vacant(place) => Ok(place.insert(Cpu::new(threads)?).clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_counted() {
        assert_eq!(core_count("0-15"), Some(16));
        assert_eq!(core_count("0-3,8,10-11"), Some(7));
        assert_eq!(core_count("0"), Some(1));
        assert_eq!(core_count("none"), None);
    }
}
