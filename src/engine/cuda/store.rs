//! Field values become samples in the device's memory: the arguments of `store.cu`.

use crate::volume::{SampleType, Samples};

/// The kernels for every GPU since Turing, as [`decode::PTX`](super::decode::PTX) has those of the field.
pub const PTX: &str = include_str!("store.ptx");

/// Every kernel of [`PTX`], one a sample type in the order of [`SampleType::ALL`].
pub const KERNELS: [&str; 8] = [
    "store_uint8",
    "store_int8",
    "store_uint16",
    "store_int16",
    "store_uint32",
    "store_int32",
    "store_float32",
    "store_float64",
];

/// What a code says of a value: the mask's codes (1 to 4) are among them, and 0 is a voxel that is not masked.
pub(crate) const AT_A_VOXEL: u8 = 0;
/// A point outside the grid that gets a fixed value.
pub(crate) const OUTSIDE: u8 = 5;
/// The value is left unrounded.
pub(crate) const BETWEEN_VOXELS: u8 = 6;

/// `Storage` of `store.cu`: a kernel's parameter.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Storage {
    low: f64,
    span: f64,
    kind: u32,
    unused: u32,
    constants: [f64; BETWEEN_VOXELS as usize],
}

impl Storage {
    /// From fields over `low` to `low + span` of volumes of the type `stored` to samples of the type `out`; values with
    /// codes from 1 to [`OUTSIDE`] get their `constants`.
    pub(crate) fn new(
        [low, span]: [f64; 2],
        stored: SampleType,
        out: SampleType,
        constants: [f64; OUTSIDE as usize],
    ) -> Self {
        // As samples hold them, so that the kernel has nothing to round.
        let mut held = Samples::zeros(out, 1);
        let mut of_codes = [0.0; BETWEEN_VOXELS as usize];
        for (of_code, constant) in of_codes[1..].iter_mut().zip(constants) {
            held.set(0, constant);
            *of_code = held.get(0);
        }
        let kind = match stored {
            SampleType::F32 => 1,
            SampleType::F64 => 2,
            _ => 0,
        };
        Self { low, span, kind, unused: 0, constants: of_codes }
    }
}

/// A chunk of a request on its way into a machine's memory.
#[derive(Debug, Clone, Copy)]
pub struct StoredChunk<'a> {
    /// The kernel's name.
    pub kernel: &'static str,
    /// Its first parameter.
    pub storage: &'a Storage,
    /// A code a value; `None` where all are 0.
    pub codes: Option<&'a [u8]>,
    /// Where the first sample goes.
    pub address: u64,
    /// Values, and samples.
    pub count: usize,
}

pub(super) fn kernel_of(sample_type: SampleType) -> &'static str {
    // The codes of the types begin at 1.
    KERNELS[sample_type as usize - 1]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::MaskClass;

    #[test]
    fn kernels_are_named_after_their_types() {
        for sample_type in SampleType::ALL {
            assert_eq!(kernel_of(sample_type), format!("store_{}", sample_type.name()));
        }
    }

    #[test]
    fn codes_of_the_mask_are_places_of_constants() {
        let classes =
            [MaskClass::Nan, MaskClass::PositiveInfinity, MaskClass::NegativeInfinity, MaskClass::Fill];
        let constants = [1.0, 2.0, 3.0, 4.4, 300.0];
        let storage = Storage::new([0.0, 1.0], SampleType::F32, SampleType::U8, constants);
        assert_eq!(classes.map(|class| storage.constants[class as usize]), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!((storage.constants[OUTSIDE as usize], storage.kind), (255.0, 1));
    }
}
