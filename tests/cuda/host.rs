//! The host in a GPU's place: the kernels compiled as C++, and what launches them.

use neuvol::Result;
use neuvol::engine::cuda::decode::{DeviceModel, Launch};
use neuvol::engine::cuda::machine::{Loaded, Machine, MachineShape, Points};
use std::ffi::{CString, c_char, c_int};
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

pub(super) type LaunchFunction = unsafe extern "C" fn(
    *const c_char,
    u32,
    usize,
    bool,
    *const DeviceModel,
    *const HostPoints,
    *const f32,
    *const HostResults,
    *mut f32,
) -> c_int;

/// `Points` of `decode.cu`.
#[repr(C)]
pub(super) struct HostPoints {
    positions: *const f32,
    axes: *const f32,
    shape: [u64; 3],
    first: u64,
    count: u64,
}

/// `Results` of `decode.cu`.
#[repr(C)]
pub(super) struct HostResults {
    values: *mut f32,
    gradients: *mut f32,
}

/// The kernels as a library of the host. `None`, when there is no compiler.
pub(super) fn kernels() -> Option<LaunchFunction> {
    static LIBRARY: OnceLock<Option<libloading::Library>> = OnceLock::new();
    let library = LIBRARY.get_or_init(|| {
        let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".into());
        if Command::new(&compiler).arg("--version").output().is_err() {
            return None;
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = tempfile::tempdir().expect("a folder");
        let library = folder.path().join("kernels.so");
        let kernels = root.join("src/engine/cuda/decode.cu");
        let status = Command::new(compiler)
            .args(["-std=c++17", "-O2", "-shared", "-fPIC"])
            // As the product that a kernel asks to be rounded by itself needs it.
            .arg("-ffp-contract=off")
            // An access that is not aligned, an overflow: the test ends there.
            .args(["-fsanitize=undefined", "-fsanitize-undefined-trap-on-error"])
            .arg(format!("-DDECODE_CU=\"{}\"", kernels.display()))
            .arg(root.join("tests/cuda/host.cpp"))
            .arg("-o")
            .arg(&library)
            .status()
            .expect("the compiler starts");
        assert!(status.success(), "the kernels do not compile as C++");
        // SAFETY: its initialisers are those of C++'s own library.
        Some(unsafe { libloading::Library::new(library) }.expect("the library is loaded"))
    });
    // SAFETY: the function's type is that of `host.cpp`.
    library.as_ref().map(|library| *unsafe { library.get(b"launch") }.expect("the function is there"))
}

/// The order in which a block's threads take their turns between barriers.
#[derive(Clone, Copy)]
pub(super) enum Turns {
    Forward,
    Backward,
}

pub(super) struct Host {
    pub(super) launch: LaunchFunction,
    pub(super) turns: Turns,
    pub(super) shape: MachineShape,
}

struct HostField {
    launch: LaunchFunction,
    turns: Turns,
    /// Aligned as a GPU's memory is.
    parameters: Vec<[f32; 8]>,
}

impl Machine for Host {
    fn shape(&self) -> MachineShape {
        self.shape
    }
    fn load(&self, parameters: &[f32]) -> Result<Box<dyn Loaded>> {
        let mut aligned = vec![[f32::NAN; 8]; parameters.len().div_ceil(8) + 1];
        let shift = aligned.as_ptr().addr() % 16;
        assert_eq!(shift, 0, "the host's allocator aligns to 16 bytes");
        aligned.as_flattened_mut()[..parameters.len()].copy_from_slice(parameters);
        Ok(Box::new(HostField { launch: self.launch, turns: self.turns, parameters: aligned }))
    }
}

impl Loaded for HostField {
    fn run(
        &self,
        launch: &Launch,
        model: &DeviceModel,
        points: Points<'_>,
        values: &mut [f32],
        gradients: &mut [[f32; 3]],
    ) -> Result<()> {
        let count = values.len() as u64;
        let points = match points {
            Points::Scattered(positions) => {
                assert_eq!(positions.len(), values.len());
                let positions = positions.as_ptr().cast();
                HostPoints { positions, axes: std::ptr::null(), shape: [1; 3], first: 0, count }
            }
            Points::Lattice { axes, shape, first } => {
                assert!(first + count <= shape.iter().product());
                HostPoints { positions: std::ptr::null(), axes: axes.as_ptr(), shape, first, count }
            }
        };
        assert!(gradients.is_empty() || gradients.len() == values.len());
        assert_eq!(gradients.is_empty(), launch.kernel.starts_with("values"));
        // What the kernel leaves out is seen.
        values.fill(f32::NAN);
        gradients.fill([f32::NAN; 3]);
        let results = HostResults { values: values.as_mut_ptr(), gradients: gradients.as_mut_ptr().cast() };
        const BEHIND: usize = 16;
        let mut scratch = vec![f32::NAN; launch.scratch + BEHIND];
        let name = CString::new(launch.kernel).expect("a name");
        // SAFETY: the structures are those of the kernels, and what they point to is as long as they say.
        let code = unsafe {
            (self.launch)(
                name.as_ptr(),
                launch.blocks,
                launch.shared_bytes,
                matches!(self.turns, Turns::Backward),
                model,
                &points,
                self.parameters.as_ptr().cast(),
                &results,
                scratch.as_mut_ptr(),
            )
        };
        assert_eq!(code, 0, "{launch:?} failed, as host.cpp says");
        assert!(scratch[launch.scratch..].iter().all(|n| n.is_nan()), "{launch:?} wrote behind its scratch");
        Ok(())
    }
}

/// A Hopper GPU's, but with one multiprocessor, so that blocks have more than one tile to do.
pub(super) const LARGE: MachineShape = MachineShape { multiprocessors: 1, shared_bytes: 227 << 10 };
/// With it every network takes the way that any network can.
pub(super) const WITHOUT_SHARED: MachineShape = MachineShape { multiprocessors: 2, shared_bytes: 0 };
