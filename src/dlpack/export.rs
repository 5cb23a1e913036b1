//! Tensors out: they own our samples, and free them with their deleter.

use super::{Managed, ManagedTensorBase};
use crate::error::{Error, Result};
use crate::volume::{SampleType, Samples, Volume, for_each_type};
use dlpark::ffi::{DLDataType, DLDevice};
use dlpark::metadata::Dynamic;

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

/// [`export`] for values in any shape, slowest axis first: what [`NeuralVolume::sample`](crate::NeuralVolume::sample)
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
    let mut tensor = Dynamic::compact(shape)
        .initialize_as::<M>(Box::new(values))
        .map_err(|e| Error::Options(format!("a tensor of shape {shape:?} cannot be made: {e}")))?;
    tensor.set_data(data).set_dtype(element_of(sample_type)).set_device(DLDevice::CPU);
    // SAFETY: `data` points to as many values of this type as the shape says, in memory that the tensor's own context
    // holds until its deleter runs; nothing else points there. Shape and strides lie in the tensor's allocation.
    #[allow(unsafe_code)]
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
