//! How benches time, and what those that are programs of Python say where they cannot measure.

#[path = "../benches/timing/mod.rs"]
mod timing;

use std::process::Command;
use timing::{RUNS, timed};

#[test]
fn a_first_run_is_not_counted_and_the_median_is_within_the_range() {
    let mut runs = 0;
    let [median, least, most] = timed(|| runs += 1);
    assert_eq!(runs, RUNS + 1);
    assert!(least <= median && median <= most, "{median} of {least}..{most}");
}

/// A PyTorch that finds no GPU; the script asks it before it does anything else.
const TORCH: &str = "
class nn:
    Module = object

class version:
    cuda = None

class cuda:
    @staticmethod
    def is_available():
        return False

class device:
    def __init__(self, name):
        self.type, _, index = name.partition(':')
        self.index = int(index) if index else None

__version__ = 'of the test'
";

#[test]
fn the_pytorch_baseline_measures_no_gpu_that_is_not_there() {
    let Some(python) = std::env::var_os("NEUVOL_PYTHON") else {
        eprintln!("SKIPPED the_pytorch_baseline_measures_no_gpu_that_is_not_there: NEUVOL_PYTHON is not set");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("torch.py"), TORCH).unwrap();
    for (device, part) in [
        ("cuda", "not measured: no CUDA device"),
        ("cuda:1", "not measured: no CUDA device"),
        ("metal", "cpu, cuda or cuda:N is needed"),
    ] {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/pytorch_baseline.py");
        let mut command = Command::new(&python);
        command.env("PYTHONPATH", folder.path()).arg(script).args(["--device", device]);
        let done = command.output().expect("NEUVOL_PYTHON should run");
        let message = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(1), "{message}");
        assert!(
            message.starts_with(part) || message.contains(&format!("--device {device}: {part}")),
            "{message}"
        );
    }
}
