//! What is known of a CUDA device.

/// A CUDA device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CudaDevice {
    /// Its number, from 0.
    pub number: usize,
    /// As its maker calls it.
    pub name: String,
    /// Its memory.
    pub memory_bytes: usize,
    /// Compute capability, major and minor.
    pub capability: (u32, u32),
    /// The CUDA version of the driver, major and minor.
    pub driver: (u32, u32),
    /// Why it cannot be used; `None` when it can.
    pub problem: Option<String>,
}
