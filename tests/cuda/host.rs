//! The host in a GPU's place: the kernels compiled as C++, and what launches them.

use neuvol::Result;
use neuvol::engine::cuda::launch::{DeviceModel, Launch, MachineShape};
use neuvol::engine::cuda::machine::{Loaded, Machine, Memory, Points};
use neuvol::engine::cuda::store::{Storage, StoredChunk};
use std::ffi::{CString, c_char, c_int, c_void};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

type LaunchFunction = unsafe extern "C" fn(
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

type StoreFunction = unsafe extern "C" fn(
    *const c_char,
    u32,
    u32,
    *const Storage,
    *const f32,
    *const u8,
    *mut c_void,
    u64,
) -> c_int;

/// The kernels.
#[derive(Clone, Copy)]
pub(super) struct Kernels {
    launch: LaunchFunction,
    store: StoreFunction,
}

/// `Points` of `decode.cu`.
#[repr(C)]
struct HostPoints {
    positions: *const f32,
    axes: *const f32,
    shape: [u64; 3],
    first: u64,
    count: u64,
}

/// `Results` of `decode.cu`.
#[repr(C)]
struct HostResults {
    values: *mut f32,
    gradients: *mut f32,
}

/// The kernels as a library of the host. `None`, when there is no compiler.
pub(super) fn kernels() -> Option<Kernels> {
    static LIBRARY: OnceLock<Option<libloading::Library>> = OnceLock::new();
    let library = LIBRARY.get_or_init(|| {
        let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".into());
        if Command::new(&compiler).arg("--version").output().is_err() {
            return None;
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = tempfile::tempdir().expect("a folder");
        let library = folder.path().join("kernels.so");
        let kernels = root.join("src/engine/cuda");
        let status = Command::new(compiler)
            .args(["-std=c++17", "-O2", "-shared", "-fPIC"])
            // As the product that a kernel asks to be rounded by itself needs it.
            .arg("-ffp-contract=off")
            // An access that is not aligned, an overflow: the test ends there.
            .args(["-fsanitize=undefined", "-fsanitize-undefined-trap-on-error"])
            .arg(format!("-DDECODE_CU=\"{}\"", kernels.join("decode.cu").display()))
            .arg("-I")
            .arg(root.join("tests/cuda/include"))
            .arg(format!("-DSTORE_CU=\"{}\"", kernels.join("store.cu").display()))
            // Fortified, a jump to another stack is an error.
            .arg("-U_FORTIFY_SOURCE")
            .arg("-I")
            .arg(&kernels)
            .arg(root.join("tests/cuda/block.cpp"))
            .arg(root.join("tests/cuda/host.cpp"))
            .arg(root.join("tests/cuda/tensor_decode.cpp"))
            .arg(root.join("tests/cuda/store.cpp"))
            .arg("-o")
            .arg(&library)
            .status()
            .expect("the compiler starts");
        assert!(status.success(), "the kernels do not compile as C++");
        // SAFETY: its initialisers are those of C++'s own library.
        Some(unsafe { libloading::Library::new(library) }.expect("the library is loaded"))
    });
    library.as_ref().map(|library| Kernels {
        // SAFETY: the function's type is that of `host.cpp`.
        launch: *unsafe { library.get(b"launch") }.expect("the function is there"),
        // SAFETY: the function's type is that of `store.cpp`.
        store: *unsafe { library.get(b"launch_store") }.expect("the function is there"),
    })
}

/// The order in which a block's threads take their turns between barriers.
#[derive(Clone, Copy)]
pub(super) enum Turns {
    Forward,
    Backward,
}

pub(super) struct Host {
    kernels: Kernels,
    turns: Turns,
    shape: MachineShape,
    allocated: Arc<AtomicUsize>,
}

/// What DLPack is told of the host in a GPU's place: no number that something else would have.
pub(super) const NUMBER: usize = 3;

impl Host {
    pub(super) fn new(kernels: Kernels, turns: Turns, shape: MachineShape) -> Self {
        Self { kernels, turns, shape, allocated: Arc::default() }
    }

    /// The number of memories that were allocated and are not freed.
    #[allow(dead_code)] // not by every test
    pub(super) fn allocated(&self) -> Arc<AtomicUsize> {
        self.allocated.clone()
    }
}

/// Memory that counts, with bytes behind it that nobody may write to.
struct HostMemory {
    /// Aligned as a GPU's memory is.
    memory: *mut [[u64; 2]],
    bytes: usize,
    allocated: Arc<AtomicUsize>,
}

/// What is in memory that nobody has written.
const UNWRITTEN: u8 = 0xa5;

// SAFETY: the memory belongs to whoever has this, as a box's does.
unsafe impl Send for HostMemory {}
// SAFETY: as above.
unsafe impl Sync for HostMemory {}

impl Memory for HostMemory {
    fn address(&self) -> u64 {
        self.memory.cast::<u8>().expose_provenance() as u64
    }
    fn fill(&mut self, bytes: &[u8]) -> Result<()> {
        assert!(bytes.len() <= self.bytes);
        // SAFETY: there is room, and nobody else has the memory.
        unsafe { self.memory.cast::<u8>().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        Ok(())
    }
}

impl Drop for HostMemory {
    fn drop(&mut self) {
        // SAFETY: `allocate` made the box, and this is the one place that frees it.
        let memory = unsafe { Box::from_raw(self.memory) };
        let behind = &bytemuck::cast_slice::<[u64; 2], u8>(&memory)[self.bytes..];
        assert!(behind.iter().all(|byte| *byte == UNWRITTEN), "something wrote behind the samples");
        self.allocated.fetch_sub(1, Ordering::SeqCst);
    }
}

struct HostField {
    kernels: Kernels,
    turns: Turns,
    /// Aligned as a GPU's memory is.
    parameters: Vec<[f32; 8]>,
}

impl Machine for Host {
    fn shape(&self) -> MachineShape {
        self.shape
    }
    fn number(&self) -> usize {
        NUMBER
    }
    fn allocate(&self, bytes: usize) -> Result<Box<dyn Memory>> {
        let unwritten = [u64::from_ne_bytes([UNWRITTEN; 8]); 2];
        let memory = Box::into_raw(vec![unwritten; bytes / 16 + 2].into_boxed_slice());
        self.allocated.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(HostMemory { memory, bytes, allocated: self.allocated.clone() }))
    }
    fn load(&self, parameters: &[f32]) -> Result<Box<dyn Loaded>> {
        let mut aligned = vec![[f32::NAN; 8]; parameters.len().div_ceil(8) + 1];
        let shift = aligned.as_ptr().addr() % 16;
        assert_eq!(shift, 0, "the host's allocator aligns to 16 bytes");
        aligned.as_flattened_mut()[..parameters.len()].copy_from_slice(parameters);
        Ok(Box::new(HostField { kernels: self.kernels, turns: self.turns, parameters: aligned }))
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
        assert_ne!(gradients.is_empty(), launch.kernel.starts_with("gradients"));
        // What the kernel leaves out is seen.
        values.fill(f32::NAN);
        gradients.fill([f32::NAN; 3]);
        let results = HostResults { values: values.as_mut_ptr(), gradients: gradients.as_mut_ptr().cast() };
        const BEHIND: usize = 16;
        let mut scratch = vec![f32::NAN; launch.scratch + BEHIND];
        let name = CString::new(launch.kernel).expect("a name");
        // SAFETY: the structures are those of the kernels, and what they point to is as long as they say.
        let code = unsafe {
            (self.kernels.launch)(
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

    fn store(
        &self,
        launch: &Launch,
        model: &DeviceModel,
        points: Points<'_>,
        chunk: &StoredChunk<'_>,
    ) -> Result<()> {
        let mut values = vec![0.0; chunk.count];
        self.run(launch, model, points, &mut values, &mut [])?;
        assert!(chunk.codes.is_none_or(|codes| codes.len() == chunk.count));
        let name = CString::new(chunk.kernel).expect("a name");
        // Fewer blocks than samples, so that threads have more than one to do.
        const BLOCKS: u32 = 3;
        const THREADS: u32 = 32;
        // SAFETY: the structure is that of the kernels; values and codes are as many as they are told, and as many samples
        // have room at the address.
        let code = unsafe {
            (self.kernels.store)(
                name.as_ptr(),
                BLOCKS,
                THREADS,
                chunk.storage,
                values.as_ptr(),
                chunk.codes.map_or(std::ptr::null(), <[u8]>::as_ptr),
                std::ptr::with_exposed_provenance_mut(chunk.address as usize),
                chunk.count as u64,
            )
        };
        assert_eq!(code, 0, "there is no kernel {}", chunk.kernel);
        Ok(())
    }
}

/// A Turing GPU's with a Hopper's shared memory, but one multiprocessor, so that blocks have more than one tile to do.
pub(super) const LARGE: MachineShape =
    MachineShape { multiprocessors: 1, shared_bytes: 227 << 10, tensor_cores: false };
/// With tensor cores.
#[allow(dead_code)] // not by every test
pub(super) const TENSOR_CORES: MachineShape = MachineShape { tensor_cores: true, ..LARGE };
/// With it every network takes the way that any network can.
pub(super) const WITHOUT_SHARED: MachineShape =
    MachineShape { multiprocessors: 2, shared_bytes: 0, tensor_cores: true };
