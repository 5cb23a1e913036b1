//! Volumes in: a tensor's samples are copied, and the tensor is given back to its producer.
#![allow(unsafe_code)] // reads memory that others own

use super::{Managed, ManagedTensorBase};
#[cfg(feature = "cuda")]
use crate::engine::cuda;
use crate::error::{Error, Result};
use crate::io::Limits;
use crate::io::elements::{Narrow, StoredType, sample_count};
use crate::volume::{SampleType, Samples, Volume, for_each_type};
use bytemuck::AnyBitPattern;
use dlpark::TensorRef;
use dlpark::ffi::{DLDataType, DLDataTypeCode, DLDevice, DLDeviceType};
#[cfg(any(feature = "cuda", test))]
use std::ops::Range;
use std::path::Path;

/// A volume from a tensor of one to three axes in the memory of the host or of a CUDA device, the last of them x; missing axes have one sample. The
/// samples are copied, whatever the strides. Types are those that volumes hold; 64-bit integers are narrowed where their
/// values fit 32 bits, and 16-bit floats (both kinds) widened to float32. The geometry is the unit one.
///
/// `tensor` belongs to this function: its deleter has been called once when it returns, with success or without.
///
/// # Errors
/// [`Error::Format`] when the tensor contradicts itself (null, negative, overflowing), [`Error::Unsupported`] when it is
/// of another type, has more axes, lies on a device that cannot be reached (a CUDA device can with the feature `cuda`), or
/// exceeds `limits`; [`Error::Options`] when there is not enough memory; [`Error::Device`] when a device fails.
///
/// # Safety
/// `tensor` is null or points to an initialized managed tensor that the caller owns, with a deleter that may be called
/// and does not unwind. What its shape, strides and data point to can be read, as far as shape and strides reach, and
/// nobody writes there meanwhile.
pub unsafe fn import<M: ManagedTensorBase>(tensor: *mut M, limits: &Limits) -> Result<Volume> {
    // SAFETY: the caller's guarantee. From here on the deleter runs where `managed` ends, whatever happens.
    let managed = unsafe { Managed::from_raw(tensor) }.map_err(|e| malformed(e.to_string()))?;
    // The rank comes first: shape and strides are read as far as it says.
    // SAFETY: as above.
    let axes = unsafe { managed.tensor() }.ndim;
    if !(1..=3).contains(&axes) {
        return Err(unsupported(format!(
            "{axes} axes are not those of a volume, which are z, y, x; reshape it, or take a part of it"
        )));
    }
    let tensor = managed.validate().map_err(|e| malformed(e.to_string()))?;
    let element = Element::of(tensor.dtype())?;
    let memory = Memory::of(tensor.device())?;
    // SAFETY: the caller says so; `managed` outlives the view.
    let view = unsafe { View::of(&tensor, element, limits) }?;
    let samples = match memory {
        Memory::Host => view.samples(element)?,
        #[cfg(feature = "cuda")]
        Memory::Cuda(device) => {
            // SAFETY: the caller's guarantee, of the device's memory.
            let copy = |address, out: &mut [u8]| unsafe { cuda::copy_to_host(device, address, out) };
            view.copied(copy, |view| view.samples(element))?
        }
    };
    let mut volume = Volume::new(samples, view.shape)?;
    volume.provenance.insert("source".into(), "DLPack tensor".into());
    Ok(volume)
}

/// For messages, where a file has its path.
fn name() -> &'static Path {
    Path::new("DLPack tensor")
}

fn malformed(what: String) -> Error {
    Error::format(name(), what)
}

fn unsupported(what: String) -> Error {
    Error::unsupported(name(), what)
}

/// Where a tensor's samples are.
enum Memory {
    /// Where the CPU reads them.
    Host,
    /// On a CUDA device, by its number.
    #[cfg(feature = "cuda")]
    Cuda(usize),
}

impl Memory {
    /// Refuses memory that nothing here can read.
    fn of(device: DLDevice) -> Result<Self> {
        match device.device_type {
            DLDeviceType::CPU | DLDeviceType::CUDAHOST | DLDeviceType::ROCMHOST => Ok(Memory::Host),
            DLDeviceType::CUDA | DLDeviceType::CUDAMANAGED => {
                Self::of_cuda(device.device_id).map_err(|why| {
                    unsupported(format!(
                        "the tensor lies on a CUDA device ({}), and {why}; copy it to the host first (in PyTorch .cpu(), \
                         in CuPy .get())",
                        device.device_id
                    ))
                })
            }
            DLDeviceType(other) => Err(unsupported(format!(
                "the tensor lies on a device of DLPack's type {other}; copy it to the host first"
            ))),
        }
    }

    #[cfg(feature = "cuda")]
    fn of_cuda(number: i32) -> Result<Self, String> {
        let count = cuda::count().map_err(|e| e.to_string())?;
        let number = usize::try_from(number).ok().filter(|number| *number < count);
        number.map(Memory::Cuda).ok_or_else(|| format!("the driver finds {count} here"))
    }

    #[cfg(not(feature = "cuda"))]
    fn of_cuda(_number: i32) -> Result<Self, String> {
        Err("this neuvol was built without CUDA (Cargo's feature cuda)".into())
    }
}

/// What a tensor's elements are.
#[derive(Debug, Clone, Copy)]
enum Element {
    Stored(StoredType),
    /// IEEE 754 binary16.
    F16,
    /// The upper half of a binary32.
    Bf16,
}

impl Element {
    fn of(element: DLDataType) -> Result<Self> {
        let DLDataType { code, bits, lanes } = element;
        let kept = |sample_type| Ok(Element::Stored(StoredType::Kept(sample_type)));
        match (code, bits, lanes) {
            (DLDataTypeCode::UINT, 8, 1) => kept(SampleType::U8),
            (DLDataTypeCode::INT, 8, 1) => kept(SampleType::I8),
            (DLDataTypeCode::UINT, 16, 1) => kept(SampleType::U16),
            (DLDataTypeCode::INT, 16, 1) => kept(SampleType::I16),
            (DLDataTypeCode::UINT, 32, 1) => kept(SampleType::U32),
            (DLDataTypeCode::INT, 32, 1) => kept(SampleType::I32),
            (DLDataTypeCode::FLOAT, 32, 1) => kept(SampleType::F32),
            (DLDataTypeCode::FLOAT, 64, 1) => kept(SampleType::F64),
            (DLDataTypeCode::INT, 64, 1) => Ok(Element::Stored(StoredType::I64)),
            (DLDataTypeCode::UINT, 64, 1) => Ok(Element::Stored(StoredType::U64)),
            (DLDataTypeCode::FLOAT, 16, 1) => Ok(Element::F16),
            (DLDataTypeCode::BFLOAT, 16, 1) => Ok(Element::Bf16),
            _ => Err(unsupported(format!(
                "elements of {} of {bits} bits in {lanes} lanes are not samples of a volume; convert them to one of its \
                 types (integers and floats, a lane each)",
                kind(code)
            ))),
        }
    }

    fn size(self) -> usize {
        match self {
            Element::Stored(stored) => stored.size(),
            Element::F16 | Element::Bf16 => 2,
        }
    }
}

fn kind(code: DLDataTypeCode) -> String {
    match code {
        DLDataTypeCode::INT => "signed integers".into(),
        DLDataTypeCode::UINT => "unsigned integers".into(),
        DLDataTypeCode::FLOAT => "floats".into(),
        DLDataTypeCode::BFLOAT => "bfloats".into(),
        DLDataTypeCode::COMPLEX => "complex numbers".into(),
        DLDataTypeCode::BOOL => "booleans".into(),
        DLDataTypeCode(other) => format!("DLPack's type code {other}"),
    }
}

/// Where samples lie: voxel (i, j, k) is at `first + i * strides[0] + j * strides[1] + k * strides[2]`, and can be read
/// there while the view is used.
struct View {
    first: *const u8,
    /// Along x, y, z.
    shape: [usize; 3],
    /// Bytes from a sample to the next along x, y, z.
    strides: [isize; 3],
    count: usize,
    /// The addresses that the samples lie between.
    #[cfg(any(feature = "cuda", test))]
    addresses: Range<usize>,
}

impl View {
    /// Checks that no sample's address leaves the address space; more than that a tensor does not say.
    ///
    /// # Safety
    /// The data can be read as far as shape and strides reach, and nobody writes there, while the view is used.
    unsafe fn of(tensor: &TensorRef<'_>, element: Element, limits: &Limits) -> Result<Self> {
        let (mut shape, mut strides) = ([1u64; 3], [0i64; 3]);
        let declared = tensor.strides_or_compact().map_err(|e| malformed(e.to_string()))?;
        for (axis, (&n, &stride)) in tensor.shape().iter().zip(declared.iter()).rev().enumerate().take(3) {
            shape[axis] = n.try_into().map_err(|_| malformed(format!("an axis has {n} samples")))?;
            // An axis of one sample may declare any stride: it is never taken.
            strides[axis] = if n == 1 { 0 } else { stride };
        }
        let size = element.size();
        let count = sample_count(name(), shape, size, limits)?;
        // SAFETY: the first element can be read, as all can.
        let first = unsafe { tensor.offset_bytes_ptr() }.map_err(|e| malformed(e.to_string()))?;
        let (mut low, mut high) = (first.addr() as i128, first.addr() as i128 + size as i128);
        for (&n, &stride) in shape.iter().zip(&strides) {
            let reach = i128::from(n - 1) * i128::from(stride) * size as i128;
            low += reach.min(0);
            high += reach.max(0);
        }
        if low < 1 || high > isize::MAX as i128 {
            return Err(malformed(format!("strides of {declared:?} elements leave the address space")));
        }
        // What the addresses bound, fits.
        let strides = strides.map(|stride| stride as isize * size as isize);
        Ok(Self {
            first,
            shape: shape.map(|n| n as usize),
            strides,
            count,
            #[cfg(any(feature = "cuda", test))]
            addresses: low as usize..high as usize,
        })
    }

    /// What `work` makes of the same view of a copy in the host's memory: `copy` fills memory from an address on.
    #[cfg(any(feature = "cuda", test))]
    fn copied<T>(
        &self,
        copy: impl FnOnce(u64, &mut [u8]) -> Result<()>,
        work: impl FnOnce(&View) -> Result<T>,
    ) -> Result<T> {
        let mut copied: Vec<u8> = Vec::new();
        copied.try_reserve_exact(self.addresses.len()).map_err(|_| self.too_large())?;
        copied.resize(self.addresses.len(), 0);
        copy(self.addresses.start as u64, &mut copied)?;
        let first = copied[self.first.addr() - self.addresses.start..].as_ptr();
        let Self { shape, strides, count, .. } = *self;
        work(&View { first, shape, strides, count, addresses: 0..0 })
    }

    /// The samples in a type that volumes hold.
    fn samples(&self, element: Element) -> Result<Samples> {
        match element {
            Element::Stored(StoredType::Kept(sample_type)) => {
                let mut samples =
                    Samples::try_zeros(sample_type, self.count).ok_or_else(|| self.too_large())?;
                for_each_type!(&mut samples, values => self.copy_to(values));
                Ok(samples)
            }
            Element::Stored(StoredType::I64) => {
                let mut narrow = Narrow::new(self.memory()?);
                self.for_each(|value: i64| narrow.push(value.into()));
                narrow.finish(name())
            }
            Element::Stored(StoredType::U64) => {
                let mut narrow = Narrow::new(self.memory()?);
                self.for_each(|value: u64| narrow.push(value.into()));
                narrow.finish(name())
            }
            Element::F16 => {
                let mut values: Vec<f32> = self.memory()?;
                self.for_each(|bits| values.push(half::f16::from_bits(bits).to_f32()));
                Ok(values.into())
            }
            Element::Bf16 => {
                let mut values: Vec<f32> = self.memory()?;
                self.for_each(|bits| values.push(half::bf16::from_bits(bits).to_f32()));
                Ok(values.into())
            }
        }
    }

    /// Room for a value a voxel: one element that is broadcast claims any number of them.
    fn memory<T>(&self) -> Result<Vec<T>> {
        let mut values = Vec::new();
        values.try_reserve_exact(self.count).map_err(|_| self.too_large())?;
        Ok(values)
    }

    fn too_large(&self) -> Error {
        Error::TooLarge {
            // No element is wider.
            bytes: (self.count as u64).saturating_mul(size_of::<f64>() as u64),
            what: format!("{}: {} voxels do not fit into memory", name().display(), self.count),
        }
    }

    /// The first voxels of the rows along x.
    fn rows(&self) -> impl Iterator<Item = *const u8> {
        let ([_, ny, nz], [_, along_y, along_z]) = (self.shape, self.strides);
        let row = move |y, z| self.first.wrapping_offset(y as isize * along_y + z as isize * along_z);
        (0..nz).flat_map(move |z| (0..ny).map(move |y| row(y, z)))
    }

    /// Every element, x fastest. `E` is the type that the view was made for.
    fn for_each<E: AnyBitPattern>(&self, mut take: impl FnMut(E)) {
        for row in self.rows() {
            for x in 0..self.shape[0] {
                let voxel = row.wrapping_offset(x as isize * self.strides[0]).cast::<E>();
                // SAFETY: a voxel of the view, which can be read; any bits are a value, and no alignment is asked for.
                take(unsafe { voxel.read_unaligned() });
            }
        }
    }

    /// [`Self::for_each`] into memory, row by row where x is contiguous.
    fn copy_to<E: AnyBitPattern>(&self, out: &mut [E]) {
        if self.strides[0] != size_of::<E>() as isize {
            let mut places = out.iter_mut();
            return self.for_each(|value| {
                if let Some(place) = places.next() {
                    *place = value;
                }
            });
        }
        for (row, out) in self.rows().zip(out.chunks_exact_mut(self.shape[0])) {
            // SAFETY: a row of the view has as many elements as `out`, one after the other; any bits are a value, and
            // memory of ours is not the producer's.
            unsafe { std::ptr::copy_nonoverlapping(row, out.as_mut_ptr().cast(), size_of_val(out)) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copied_view_reads_the_same() {
        let memory: Vec<u16> = (0..60).collect();
        // Backward along x, every second row along y, in the middle of the memory.
        let first = memory[34..].as_ptr().cast::<u8>();
        let start = memory.as_ptr().addr();
        let view = View {
            first,
            shape: [5, 3, 2],
            strides: [-2, 16, -48],
            count: 30,
            addresses: start + 2 * 6..start + 2 * 51,
        };
        let element = Element::Stored(StoredType::Kept(SampleType::U16));
        let copy = |address: u64, out: &mut [u8]| {
            let from = bytemuck::cast_slice::<u16, u8>(&memory);
            let at = address as usize - start;
            out.copy_from_slice(&from[at..at + out.len()]);
            Ok(())
        };
        let copied = view.copied(copy, |view| view.samples(element)).unwrap();
        assert_eq!(copied, view.samples(element).unwrap());
        assert_eq!(copied.get(0), 34.0);
        assert_eq!(copied.get(29), (34 - 4 + 2 * 8 - 24) as f64);
    }
}
