//! DLPack: values through every type and layout, lifetimes counted, hostile tensors, and NumPy on the other side.
#![allow(unsafe_code)] // producers and consumers as foreign code is one; an allocator that counts

use dlpark::ffi::{DLDataType, DLDataTypeCode, DLDevice, DLDeviceType, DLPackVersion, DLTensor};
use dlpark::{DlpackElement, DlpackFlags};
use neuvol::dlpack::{DLManagedTensor, DLManagedTensorVersioned, ManagedTensorBase};
use neuvol::dlpack::{export, export_values, import};
use neuvol::io::Limits;
use neuvol::volume::Samples;
use neuvol::{Error, Result, Volume};
use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::c_void;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};

/// A size that nothing else allocates: a prime, in float32.
const WATCHED: usize = 4 * 1_000_003;
/// Allocations of that size that are not freed.
static ALIVE: AtomicIsize = AtomicIsize::new(0);

struct Watching;

// SAFETY: the system's allocator; nothing but a number is added.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() == WATCHED {
            ALIVE.fetch_add(1, Ordering::SeqCst);
        }
        // SAFETY: the caller's guarantee.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        if layout.size() == WATCHED {
            ALIVE.fetch_sub(1, Ordering::SeqCst);
        }
        // SAFETY: the caller's guarantee.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watching = Watching;

/// A tensor as a foreign library makes it, to be spoilt by tests: its deleter frees it and counts.
struct Producer {
    /// Bytes of the elements.
    data: Vec<u8>,
    shape: Vec<i64>,
    strides: Vec<i64>,
    deleted: Arc<AtomicUsize>,
}

/// Frees the tensor and what it points to.
unsafe extern "C" fn delete<M: ManagedTensorBase>(tensor: *mut M) {
    // SAFETY: `Producer::tensor` made both boxes, and a deleter is called once.
    let (tensor, producer) =
        unsafe { (Box::from_raw(tensor), Box::from_raw((*tensor).manager_ctx().cast::<Producer>())) };
    producer.deleted.fetch_add(1, Ordering::SeqCst);
    drop(tensor);
}

impl Producer {
    /// Elements in C order.
    fn new<T: bytemuck::NoUninit>(values: &[T], shape: &[i64]) -> Self {
        let strides = (0..shape.len()).map(|axis| shape[axis + 1..].iter().product()).collect();
        let data = bytemuck::cast_slice(values).to_vec();
        Self { data, shape: shape.to_vec(), strides, deleted: Arc::default() }
    }

    fn strides(mut self, strides: &[i64]) -> Self {
        self.strides = strides.to_vec();
        self
    }

    /// The tensor, changed by `spoil`, and the number of its deleter's calls.
    fn tensor<M: ManagedTensorBase>(
        self,
        element: DLDataType,
        spoil: impl FnOnce(&mut M),
    ) -> (*mut M, Arc<AtomicUsize>) {
        let deleted = Arc::clone(&self.deleted);
        let mut producer = Box::new(self);
        let tensor = DLTensor {
            data: producer.data.as_mut_ptr().cast(),
            device: DLDevice::CPU,
            ndim: producer.shape.len() as i32,
            dtype: element,
            shape: producer.shape.as_mut_ptr(),
            strides: producer.strides.as_mut_ptr(),
            byte_offset: 0,
        };
        let context = Box::into_raw(producer).cast::<c_void>();
        let mut managed = Box::new(M::from_parts(tensor, context, Some(delete::<M>)));
        spoil(&mut managed);
        (Box::into_raw(managed), deleted)
    }

    /// What becomes of it in a volume; the deleter has been called once.
    fn read(self, element: DLDataType) -> Result<Volume> {
        self.read_spoilt::<DLManagedTensorVersioned>(element, |_| ())
    }

    fn read_spoilt<M: ManagedTensorBase>(
        self,
        element: DLDataType,
        spoil: impl FnOnce(&mut M),
    ) -> Result<Volume> {
        let (tensor, deleted) = self.tensor(element, spoil);
        assert_eq!(deleted.load(Ordering::SeqCst), 0);
        // SAFETY: a tensor of ours; what is spoilt is to be found before anything is read.
        let volume = unsafe { import(tensor, &Limits::default()) };
        assert_eq!(deleted.load(Ordering::SeqCst), 1, "the deleter is called once: {volume:?}");
        volume
    }
}

/// (z, y, x) of 2 x 3 x 4 to a volume and back, in both ABIs.
fn round_trip<T: DlpackElement + bytemuck::NoUninit + PartialEq + std::fmt::Debug>(values: [T; 24])
where
    Samples: From<Vec<T>>,
{
    let expected = Volume::new(values.to_vec(), [4, 3, 2]).unwrap().into_samples();
    let volume = Producer::new(&values, &[2, 3, 4]).read(T::DTYPE).unwrap();
    assert_eq!((volume.shape(), volume.samples()), ([4, 3, 2], &expected));
    let legacy = Producer::new(&values, &[2, 3, 4]).read_spoilt::<DLManagedTensor>(T::DTYPE, |_| ()).unwrap();
    assert_eq!(legacy, volume);

    let tensor = export::<DLManagedTensorVersioned>(volume).unwrap();
    assert_eq!((tensor.version().major, tensor.flags()), (1, DlpackFlags::empty()));
    let view = tensor.validate_export().unwrap();
    assert_eq!((view.shape(), view.strides()), (&[2i64, 3, 4][..], Some(&[12i64, 4, 1][..])));
    assert_eq!((view.dtype(), view.device(), view.byte_offset()), (T::DTYPE, DLDevice::CPU, 0));
    // SAFETY: the tensor is alive.
    assert_eq!(unsafe { view.cpu_slice::<T>() }.unwrap(), values);
    let tensor = export::<DLManagedTensor>(legacy).unwrap();
    // SAFETY: the tensor is alive.
    assert_eq!(unsafe { tensor.validate_export().unwrap().cpu_slice::<T>() }.unwrap(), values);
}

#[test]
fn every_sample_type_goes_in_and_out_unchanged() {
    round_trip(std::array::from_fn::<u8, 24, _>(|i| 255 - i as u8));
    round_trip(std::array::from_fn::<i8, 24, _>(|i| i8::MIN + i as i8));
    round_trip(std::array::from_fn::<u16, 24, _>(|i| u16::MAX - i as u16));
    round_trip(std::array::from_fn::<i16, 24, _>(|i| i16::MIN + i as i16));
    round_trip(std::array::from_fn::<u32, 24, _>(|i| u32::MAX - i as u32));
    round_trip(std::array::from_fn::<i32, 24, _>(|i| i32::MIN + i as i32));
    round_trip(std::array::from_fn::<f32, 24, _>(|i| (i as f32).sqrt() - 1e30));
    round_trip(std::array::from_fn::<f64, 24, _>(|i| (i as f64).sqrt() - 1e300));
}

#[test]
fn wide_integers_are_narrowed_or_refused() {
    let volume = Producer::new(&[-5i64, 70_000], &[2]).read(DLDataType::I64).unwrap();
    assert_eq!(volume.samples(), &Samples::I32(vec![-5, 70_000]));
    let volume = Producer::new(&[0u64, 4_000_000_000], &[2]).read(DLDataType::U64).unwrap();
    assert_eq!(volume.samples(), &Samples::U32(vec![0, 4_000_000_000]));
    let error = Producer::new(&[0u64, u64::MAX], &[2]).read(DLDataType::U64).unwrap_err();
    assert!(error.to_string().contains("0 to 18446744073709551615 do not fit 32 bits"), "{error}");
}

#[test]
fn narrow_floats_are_widened() {
    // 1, -2, the smallest subnormal, the largest number, minus infinity.
    let half = Producer::new(&[0x3c00u16, 0xc000, 1, 0x7bff, 0xfc00], &[5]);
    let expected = vec![1.0, -2.0, 2f32.powi(-24), 65504.0, f32::NEG_INFINITY];
    assert_eq!(half.read(DLDataType::F16).unwrap().samples(), &Samples::F32(expected));
    let brain = Producer::new(&[0x3f80u16, 0xc040], &[2]);
    assert_eq!(brain.read(DLDataType::BF16).unwrap().samples(), &Samples::F32(vec![1.0, -3.0]));
}

#[test]
fn any_strides_are_copied_in_the_axes_order() {
    let values: [u16; 24] = std::array::from_fn(|i| i as u16);
    let read = |producer: Producer| match producer.read(DLDataType::U16).unwrap().into_samples() {
        Samples::U16(values) => values,
        other => panic!("{other:?}"),
    };
    // Fortran order: the first axis is the fastest in memory, x (the last) is the slowest.
    let transposed = read(Producer::new(&values, &[4, 3, 2]).strides(&[1, 4, 12]));
    let expected =
        (0..24).map(|i| [i % 2, i / 2 % 3, i / 6]).map(|[x, y, z]| x * 12 + y * 4 + z).collect::<Vec<_>>();
    assert_eq!(transposed, expected);
    // Every second x of every row.
    let thinned = read(Producer::new(&values, &[2, 3, 2]).strides(&[12, 4, 2]));
    assert_eq!(thinned, [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22]);
    // A part of each row: rows are contiguous, the whole is not.
    let cut = read(Producer::new(&values, &[2, 3, 3]).strides(&[12, 4, 1]));
    assert_eq!(cut, [0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 16, 17, 18, 20, 21, 22]);
    // One slice for all.
    let broadcast = read(Producer::new(&values, &[2, 1, 3]).strides(&[0, 4, 1]));
    assert_eq!(broadcast, [0, 1, 2, 0, 1, 2]);
    // An axis of one sample may declare any stride.
    let odd = read(Producer::new(&values, &[1, 2, 2]).strides(&[i64::MIN, 2, 1]));
    assert_eq!(odd, [0, 1, 2, 3]);
    // Backwards, from an element in the middle on: both axes.
    let backwards = Producer::new(&values, &[2, 3]).strides(&[-4, -1]);
    let backwards = backwards
        .read_spoilt::<DLManagedTensor>(DLDataType::U16, |tensor| tensor.dl_tensor.byte_offset = 2 * 10)
        .unwrap();
    assert_eq!(backwards.shape(), [3, 2, 1]);
    assert_eq!(backwards.samples(), &Samples::U16(vec![10, 9, 8, 6, 5, 4]));
}

#[test]
fn missing_axes_are_the_slow_ones_and_bytes_need_no_alignment() {
    let values: [u8; 25] = std::array::from_fn(|i| i as u8);
    let row = Producer::new(&values, &[25]).read(DLDataType::U8).unwrap();
    assert_eq!(row.shape(), [25, 1, 1]);
    let plane = Producer::new(&values, &[5, 5]).read(DLDataType::U8).unwrap();
    assert_eq!((plane.shape(), plane.samples().get(7)), ([5, 5, 1], 7.0));
    // float32 from the first odd byte on; strides null, which a legacy tensor may leave them.
    let volume = Producer::new(&values, &[3, 2]).read_spoilt::<DLManagedTensor>(DLDataType::F32, |tensor| {
        tensor.dl_tensor.byte_offset = 1;
        tensor.dl_tensor.strides = std::ptr::null_mut();
    });
    let expected = (0..6).map(|i| f32::from_ne_bytes(std::array::from_fn(|n| 4 * i + n as u8 + 1))).collect();
    let volume = volume.unwrap();
    assert_eq!((volume.shape(), volume.samples()), ([2, 3, 1], &Samples::F32(expected)));
    assert_eq!(volume.provenance["source"], "DLPack tensor");
}

/// Spoilt, refused with this in the sentence, and deleted once.
fn refused(what: &str, element: DLDataType, spoil: impl FnOnce(&mut DLManagedTensorVersioned)) -> Error {
    let error = Producer::new(&[0u8; 192], &[2, 3, 4]).read_spoilt(element, spoil).expect_err(what);
    assert!(error.to_string().starts_with("DLPack tensor: "), "{error}");
    assert!(error.to_string().contains(what), "{error} does not say {what:?}");
    error
}

#[test]
fn hostile_tensors_are_refused_with_a_sentence_and_given_back() {
    let set = |change: fn(&mut DLTensor)| {
        move |tensor: &mut DLManagedTensorVersioned| change(&mut tensor.dl_tensor)
    };
    /// Of the shape or the strides.
    fn put(numbers: *mut i64, axis: usize, value: i64) {
        // SAFETY: the producer's three numbers.
        unsafe { *numbers.add(axis) = value };
    }
    let u8s = DLDataType::U8;
    refused("data pointer is null", u8s, set(|t| t.data = std::ptr::null_mut()));
    refused("shape pointer is null", u8s, set(|t| t.shape = std::ptr::null_mut()));
    refused("requires explicit strides", u8s, set(|t| t.strides = std::ptr::null_mut()));
    refused("dimension 1 is negative: -3", u8s, set(|t| put(t.shape, 1, -3)));
    refused("axis of the 4 x 0 x 2 grid is empty", u8s, set(|t| put(t.shape, 1, 0)));
    refused("overflows", u8s, set(|t| put(t.shape, 0, i64::MAX)));
    refused("longer than the limit", u8s, set(|t| put(t.shape, 0, 1 << 30)));
    let huge = |t: &mut DLTensor| (0..3).for_each(|axis| put(t.shape, axis, 1 << 20));
    refused("exceeds the limit of 274877906944 bytes", u8s, set(huge));
    refused("leave the address space", u8s, set(|t| put(t.strides, 0, i64::MAX)));
    refused("leave the address space", u8s, set(|t| put(t.strides, 2, i64::MIN)));
    refused("overflows address space", u8s, set(|t| t.byte_offset = u64::MAX));
    // A rank that would have its shape read far beyond what is there.
    refused("2147483647 axes", u8s, set(|t| t.ndim = i32::MAX));
    refused("-1 axes", u8s, set(|t| t.ndim = -1));
    refused("0 axes", u8s, set(|t| t.ndim = 0));
    refused("4 axes", u8s, set(|t| t.ndim = 4));
    refused("expected 1, got 2", u8s, |tensor| tensor.version = DLPackVersion { major: 2, minor: 0 });

    let scalar = DLDataType::scalar;
    refused("floats of 32 bits in 4 lanes", DLDataType::new(DLDataTypeCode::FLOAT, 32, 4), |_| ());
    refused("lane count", DLDataType::new(DLDataTypeCode::FLOAT, 32, 0), |_| ());
    refused("bit width", scalar(DLDataTypeCode::INT, 0), |_| ());
    refused("unsigned integers of 7 bits", scalar(DLDataTypeCode::UINT, 7), |_| ());
    refused("floats of 128 bits", scalar(DLDataTypeCode::FLOAT, 128), |_| ());
    refused("booleans of 8 bits", DLDataType::BOOL, |_| ());
    refused("complex numbers of 64 bits", DLDataType::C64, |_| ());
    refused("type code 99", scalar(DLDataTypeCode(99), 8), |_| ());

    let cuda = refused("lies on a CUDA device (3)", u8s, set(|t| t.device = DLDevice::cuda(3)));
    assert!(matches!(cuda, Error::Unsupported { .. }), "{cuda:?}");
    refused("DLPack's type 8", u8s, set(|t| t.device = DLDevice::metal(0)));
    refused("DLPack's type 4000000000", u8s, set(|t| t.device.device_type = DLDeviceType(4_000_000_000)));
    // SAFETY: null is asked about.
    let null = unsafe { import::<DLManagedTensor>(std::ptr::null_mut(), &Limits::default()) }.unwrap_err();
    assert!(null.to_string().contains("null"), "{null}");
}

#[test]
fn pinned_memory_is_the_hosts_and_no_deleter_is_no_call() {
    let read = |spoil: fn(&mut DLManagedTensorVersioned)| {
        Producer::new(&[7u8, 8], &[2]).read_spoilt(DLDataType::U8, spoil).unwrap()
    };
    let pinned = read(|tensor| tensor.dl_tensor.device.device_type = DLDeviceType::CUDAHOST);
    assert_eq!(pinned.samples(), &Samples::U8(vec![7, 8]));
    let read_only = read(|tensor| tensor.flags = DlpackFlags::READ_ONLY);
    assert_eq!(read_only.samples(), &Samples::U8(vec![7, 8]));

    let producer = Producer::new(&[7u8, 8], &[2]);
    let (tensor, deleted) = producer.tensor::<DLManagedTensorVersioned>(DLDataType::U8, |t| t.deleter = None);
    // SAFETY: a valid tensor, which stays its producer's.
    let volume = unsafe { import(tensor, &Limits::default()) }.unwrap();
    assert_eq!((volume.len(), deleted.load(Ordering::SeqCst)), (2, 0));
    // SAFETY: not deleted yet.
    unsafe { delete(tensor) };
}

#[test]
fn an_exported_tensor_owns_the_very_memory_and_frees_it_once() {
    let values: Vec<f32> = (0..WATCHED / 4).map(|i| i as f32).collect();
    let place = values.as_ptr();
    assert_eq!(ALIVE.load(Ordering::SeqCst), 1);
    let volume = Volume::new(values, [1_000_003, 1, 1]).unwrap();
    let raw = export::<DLManagedTensorVersioned>(volume).unwrap().into_raw();
    // SAFETY: the tensor is alive, its deleter has not been called.
    unsafe {
        assert_eq!((*raw).dl_tensor.data.cast_const().cast(), place, "no copy");
        assert_eq!(*(*raw).dl_tensor.data.cast::<f32>().add(1_000_002), 1_000_002.0);
        assert_eq!(ALIVE.load(Ordering::SeqCst), 1);
        ((*raw).deleter.unwrap())(raw);
    }
    assert_eq!(ALIVE.load(Ordering::SeqCst), 0, "the deleter freed it");

    // Sampled values, dropped by a Rust owner, on another thread.
    let values = vec![0.5f32; 1_000_003];
    let place = values.as_ptr();
    let tensor = export_values::<DLManagedTensor>(values, &[1_000_003]).unwrap();
    assert_eq!(tensor.validate_export().unwrap().data_ptr().cast(), place);
    assert_eq!(ALIVE.load(Ordering::SeqCst), 1);
    std::thread::spawn(move || drop(tensor)).join().unwrap();
    assert_eq!(ALIVE.load(Ordering::SeqCst), 0);

    // What is refused is freed too.
    let error = export_values::<DLManagedTensor>(vec![0f32; 1_000_003], &[2, 500_001]).err().unwrap();
    assert_eq!(error.to_string(), "1000003 values do not make a tensor of shape [2, 500001]");
    assert!(export_values::<DLManagedTensor>(vec![0u8; 4], &[usize::MAX, 2]).is_err());
    assert_eq!(ALIVE.load(Ordering::SeqCst), 0);
}

/// NumPy's tensors through `import` and `export` and back into NumPy, in a Python that loads us.
#[test]
fn numpy_gets_back_what_it_gave() {
    let Some(python) = std::env::var_os("NEUVOL_PYTHON") else {
        eprintln!("SKIPPED numpy_gets_back_what_it_gave: NEUVOL_PYTHON is not set");
        return;
    };
    // Beside the folder of this test: cargo test builds the examples, unless it is asked for this test alone.
    let library = format!("{}dlpack_library{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let test = std::env::current_exe().unwrap();
    let library = test.ancestors().nth(2).unwrap().join("examples").join(library);
    if !library.exists() {
        eprintln!("SKIPPED numpy_gets_back_what_it_gave: the example dlpack_library is not built");
        return;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/dlpack_numpy.py");
    let done = Command::new(python).arg(script).arg(library).status().expect("NEUVOL_PYTHON should run");
    assert!(done.success(), "the script failed; its message is above");
}
