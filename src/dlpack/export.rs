//! Tensors out: they own our samples, and free them with their deleter.

use super::{Managed, ManagedTensorBase};
use crate::error::{Error, Result};
#[cfg(feature = "cuda")]
use crate::sample::DeviceSamples;
use crate::volume::{SampleType, Samples, Volume, for_each_type};
use dlpark::OpaqueContext;
use dlpark::ffi::{DLDataType, DLDevice};
use dlpark::metadata::Dynamic;
use std::ffi::c_void;

/// A volume's samples as a CPU tensor of shape (z, y, x) in C order, without a copy: the tensor owns them, and its
/// deleter, or dropping what is returned, frees them. Whoever has the tensor may write to it. Geometry, name, unit and
/// fill value have no place in a tensor.
///
/// `M` is [`DLManagedTensorVersioned`](super::DLManagedTensorVersioned), or
/// [`DLManagedTensor`](super::DLManagedTensor) for consumers that know DLPack before 1.0 alone.
///
/// # Errors
/// None in practice: those of [`export_values`] cannot occur for a volume.
pub fn export<M: ManagedTensorBase>(volume: Volume) -> Result<Managed<M>> {
    let [nx, ny, nz] = volume.shape();
    export_values(volume.into_samples(), &[nz, ny, nx])
}

/// [`export`] for values in any shape, slowest axis first: what [`NeuralVolume::values_at`](crate::NeuralVolume::values_at)
/// gave for `n` points is a tensor of shape `[n]`.
///
/// # Errors
/// [`Error::Options`] when the number of values is not the product of `shape`.
pub fn export_values<M: ManagedTensorBase>(
    values: impl Into<Samples>,
    shape: &[usize],
) -> Result<Managed<M>> {
    let mut values = values.into();
    let count = shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
    if count != Some(values.len()) {
        return Err(Error::Options(format!(
            "{} values do not make a tensor of shape {shape:?}",
            values.len()
        )));
    }
    let sample_type = values.sample_type();
    // Moving the vector into its box leaves its values where they are.
    let data = for_each_type!(&mut values, values => values.as_mut_ptr().cast());
    let place = TensorPlace { data, device: DLDevice::CPU, sample_type };
    // SAFETY: `data` points to as many values of this type as the shape says, in memory that the box holds; nothing else
    // points there.
    #[allow(unsafe_code)]
    unsafe {
        tensor(Box::new(values), place, shape)
    }
}

/// Samples in the memory of a CUDA device as a tensor of that device, without a copy: the tensor owns them, and its deleter,
/// or dropping what is returned, frees them, on whatever thread, when the device's work that was started before is done. What
/// [`NeuralVolume::read_region_on_device`](crate::NeuralVolume::read_region_on_device) gave has the shape (z, y, x), what
/// [`NeuralVolume::sample_on_device`](crate::NeuralVolume::sample_on_device) gave for `n` points `[n]`.
///
/// The samples are complete: a consumer has to wait for no stream.
///
/// # Errors
/// [`Error::Options`] when DLPack cannot express the device's number or the shape, which do not occur.
#[cfg(feature = "cuda")]
pub fn export_on_device<M: ManagedTensorBase>(samples: DeviceSamples) -> Result<Managed<M>> {
    let number = samples.device();
    let device = i32::try_from(number)
        .map_err(|_| Error::Options(format!("DLPack has no device of the number {number}")))?;
    let place = TensorPlace {
        data: samples.address(),
        device: DLDevice::cuda(device),
        sample_type: samples.sample_type(),
    };
    let shape = samples.shape().to_vec();
    // SAFETY: the address is that of as many samples of this type as the shape says, in memory of the device that the box
    // holds; nothing else points there.
    #[allow(unsafe_code)]
    unsafe {
        tensor(Box::new(samples), place, &shape)
    }
}

/// Where a tensor's values are.
struct TensorPlace {
    data: *mut c_void,
    device: DLDevice,
    sample_type: SampleType,
}

/// A compact tensor that owns `owner`.
///
/// # Safety
/// At the place there are as many values as `shape` says, until `owner` is dropped, and nothing else points to them.
#[allow(unsafe_code)]
unsafe fn tensor<M: ManagedTensorBase>(
    owner: impl OpaqueContext,
    place: TensorPlace,
    shape: &[usize],
) -> Result<Managed<M>> {
    let mut tensor = Dynamic::compact(shape)
        .initialize_as::<M>(owner)
        .map_err(|e| Error::Options(format!("a tensor of shape {shape:?} cannot be made: {e}")))?;
    tensor.set_data(place.data).set_dtype(element_of(place.sample_type)).set_device(place.device);
    // SAFETY: the caller's guarantee; shape and strides lie in the tensor's allocation.
    Ok(unsafe { tensor.finish() })
}

fn element_of(sample_type: SampleType) -> DLDataType {
    match sample_type {
        SampleType::U8 => DLDataType::U8,
        SampleType::I8 => DLDataType::I8,
        SampleType::U16 => DLDataType::U16,
        SampleType::I16 => DLDataType::I16,
        SampleType::U32 => DLDataType::U32,
        SampleType::I32 => DLDataType::I32,
        SampleType::F32 => DLDataType::F32,
        SampleType::F64 => DLDataType::F64,
    }
}
