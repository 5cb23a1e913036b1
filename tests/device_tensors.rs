//! Regions and points that stay in a GPU's memory, as DLPack tensors of it: against what the same engine gives on the host,
//! bit by bit. Without a GPU the host stands for one, as in `cuda.rs`; with one, the same checks run on it too.

#![expect(unsafe_code, reason = "a tensor is a pointer between libraries")]

#[path = "cuda/host.rs"]
mod host;

use dlpark::ffi::{DLDevice, DLDeviceType};
use host::{Host, LARGE, NUMBER, Turns, WITHOUT_SHARED};
use neuvol::dlpack::{DLManagedTensor, DLManagedTensorVersioned, Managed, export_on_device, import};
use neuvol::engine::cpu::Cpu;
use neuvol::engine::cuda::{Cuda, devices};
use neuvol::field::encoding::HashGridShape;
use neuvol::io::Limits;
use neuvol::sample::{DeviceSamples, Outside, Space};
use neuvol::train::{CompressOptions, FitOptions, ModelOptions, Target, compress, fit};
use neuvol::volume::{SampleType, Samples};
use neuvol::{Axis, Error, NeuralVolume, Region, Volume};
use std::ops::ControlFlow;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Every machine that there is, with its number.
fn engines(test: &str) -> Vec<(String, usize, Arc<Cuda>)> {
    let mut engines = Vec::new();
    for (name, turns, shape) in
        [("host", Turns::Backward, LARGE), ("host without shared memory", Turns::Forward, WITHOUT_SHARED)]
    {
        if let Some((engine, _)) = host_engine(test, turns, shape) {
            engines.push((name.to_owned(), NUMBER, engine));
        }
    }
    match devices() {
        Ok(found) => engines.extend(found.into_iter().map(|device| {
            let engine = Cuda::new(device.number, 2).expect("the device can be used");
            (device.name, device.number, Arc::new(engine))
        })),
        Err(why) => eprintln!("SKIPPED {test} on a GPU: {why}"),
    }
    engines
}

/// The host in a GPU's place, and the number of its memories that are not freed.
fn host_engine(
    test: &str,
    turns: Turns,
    shape: neuvol::engine::cuda::launch::MachineShape,
) -> Option<(Arc<Cuda>, Arc<AtomicUsize>)> {
    let Some(kernels) = host::kernels() else {
        eprintln!("SKIPPED {test} on the host: no C++ compiler");
        return None;
    };
    let machine = Host::new(kernels, turns, shape);
    let allocated = machine.allocated();
    Some((Arc::new(Cuda::on(Arc::new(machine), 2).expect("threads")), allocated))
}

const SHAPE: [usize; 3] = [21, 17, 13];

/// Waves from -1 to 1, x fastest.
fn waves() -> impl Iterator<Item = f64> {
    let [nx, ny, nz] = SHAPE;
    (0..nx * ny * nz).map(move |n| {
        let [x, y, z] = [n % nx, n / nx % ny, n / nx / ny].map(|i| i as f64);
        (0.4 * x).sin() * (0.3 * y).cos() * (0.2 * z).cos()
    })
}

/// A file of a small network, trained for as little as possible.
fn fitted(volume: &Volume) -> Vec<u8> {
    let grid = HashGridShape { levels: 3, features: 2, table_size: 256, coarsest: 3.0, finest: 12.0 };
    let mut options = FitOptions::new(ModelOptions::hash_grid(grid, 16, 1));
    (options.epochs, options.batch, options.threads) = (2, 1 << 10, 1);
    fit(volume, &options, |_| ControlFlow::Continue(())).unwrap().compressed.bytes
}

/// Files with a network over volumes of several types, masked and not.
fn files() -> Vec<(&'static str, Vec<u8>)> {
    let mut with_fill = Volume::new(
        waves()
            .enumerate()
            .map(|(n, v)| if n % 31 < 3 { -2000 } else { (900.0 * v) as i16 })
            .collect::<Vec<_>>(),
        SHAPE,
    )
    .unwrap();
    with_fill.fill_value = Some(-2000.0);
    with_fill.geometry.origin = [5.0, -7.0, 11.5];
    with_fill.geometry.spacing = [0.5, 2.0, 1.25];
    let mut not_finite: Vec<f32> = waves().map(|v| v as f32 * 3.7).collect();
    for (n, value) in not_finite.iter_mut().enumerate().skip(400).step_by(7) {
        *value = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY][n % 3];
    }
    let bytes: Vec<u8> = waves().map(|v| (127.5 + 127.5 * v) as u8).collect();
    let doubles: Vec<f64> = waves().map(|v| v * 1e3 + 1e-7).collect();
    let wide: Vec<u32> = waves().map(|v| ((v + 1.0) * 2e9) as u32).collect();
    vec![
        ("int16 with a fill value", fitted(&with_fill)),
        ("float32 with what is no number", fitted(&Volume::new(not_finite, SHAPE).unwrap())),
        ("uint8", fitted(&Volume::new(bytes, SHAPE).unwrap())),
        ("float64", fitted(&Volume::new(doubles, SHAPE).unwrap())),
        ("uint32", fitted(&Volume::new(wide, SHAPE).unwrap())),
    ]
}

fn open(bytes: &[u8], engine: &Arc<Cuda>) -> NeuralVolume {
    NeuralVolume::from_bytes(bytes, "test.nvol", engine.clone()).unwrap()
}

fn region_on_device(
    neural: &NeuralVolume,
    region: Region,
    stride: usize,
    sample_type: SampleType,
) -> neuvol::Result<DeviceSamples> {
    neural.read_region_on_device(region, stride, sample_type, &mut |_| ControlFlow::Continue(()))
}

/// What a consumer of the tensor finds, and whether it is told the truth about where.
fn received(name: &str, number: usize, samples: DeviceSamples) -> Samples {
    let (sample_type, shape, address) = (samples.sample_type(), samples.shape().to_vec(), samples.address());
    let tensor = export_on_device::<DLManagedTensorVersioned>(samples).unwrap();
    {
        let view = tensor.validate_export().unwrap();
        assert_eq!(view.device(), DLDevice::cuda(number as i32));
        assert_eq!(view.shape(), shape.iter().map(|&n| n as i64).collect::<Vec<_>>());
        assert_eq!(view.data_ptr().cast_mut().cast(), address, "no copy");
    }
    let raw = tensor.into_raw();
    if name.starts_with("host") {
        // SAFETY: the tensor is ours; on the host in a GPU's place the memory is the host's.
        unsafe { (*raw).dl_tensor.device = DLDevice::CPU };
    }
    // Millions of points are an axis longer than a volume's.
    let limits = Limits { axis: 1 << 30, ..Limits::default() };
    // SAFETY: a valid tensor of ours, which nobody writes to.
    let volume = unsafe { import(raw, &limits) };
    let samples = volume.unwrap().into_samples();
    assert_eq!(samples.sample_type(), sample_type);
    samples
}

#[track_caller]
fn assert_same(what: &str, ours: &Samples, expected: &Samples) {
    assert_eq!((ours.sample_type(), ours.len()), (expected.sample_type(), expected.len()), "{what}");
    for n in 0..expected.len() {
        let (a, b) = (ours.get(n), expected.get(n));
        assert!(a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan(), "{what}, sample {n}: {a}, not {b}");
    }
}

fn on_the_host(neural: &NeuralVolume, region: Region, stride: usize, sample_type: SampleType) -> Samples {
    let mut samples = Samples::zeros(sample_type, region.shape(stride).unwrap().iter().product());
    let go_on = &mut |_| ControlFlow::Continue(());
    neural.read_region_into(region, stride, &mut samples.as_mut(), go_on).unwrap();
    samples
}

#[test]
fn regions_on_the_device_are_those_of_the_host() {
    let engines = engines("regions_on_the_device_are_those_of_the_host");
    for (kind, bytes) in files() {
        for (name, number, engine) in &engines {
            let neural = open(&bytes, engine);
            for sample_type in SampleType::ALL {
                let what = format!("{kind} as {sample_type} on {name}");
                let whole = Region::whole(SHAPE);
                let samples = region_on_device(&neural, whole, 1, sample_type).unwrap();
                assert_eq!(samples.shape(), [SHAPE[2], SHAPE[1], SHAPE[0]]);
                let ours = received(name, *number, samples);
                assert_same(&what, &ours, &on_the_host(&neural, whole, 1, sample_type));
            }
            let stored = neural.info().sample_type;
            let inner = Region { start: [3, 1, 2], end: [20, 16, 13] };
            for (region, stride) in [(inner, 1), (inner, 3), (Region::slice(SHAPE, Axis::X, 4), 1)] {
                let ours =
                    received(name, *number, region_on_device(&neural, region, stride, stored).unwrap());
                let what = format!("{kind} on {name}, {region:?} by {stride}");
                assert_same(&what, &ours, &on_the_host(&neural, region, stride, stored));
            }
        }
    }
}

#[test]
fn points_on_the_device_are_those_of_the_host() {
    // Between voxels, on voxels, at faces, outside, and none.
    let mut points: Vec<[f64; 3]> = (0..3000)
        .map(|n| [0.37, 0.71, 0.11].map(|step| step * f64::from(n)))
        .map(|p| std::array::from_fn(|a| p[a] % (SHAPE[a] as f64 + 3.0) - 2.0))
        .collect();
    points.extend((0..900).map(|n| [f64::from(n % 21), f64::from(n / 21 % 17), f64::from(n % 13)]));
    points.extend([[f64::NAN, 1.0, 1.0], [20.0 + 5e-4, 2.0, 2.0], [-5e-4, 2.5, 2.0]]);
    let engines = engines("points_on_the_device_are_those_of_the_host");
    for (kind, bytes) in files() {
        for (name, number, engine) in &engines {
            let neural = open(&bytes, engine);
            for (space, outside) in [
                (Space::Index, Outside::Clamp),
                (Space::Index, Outside::Value(-1e9)),
                (Space::World, Outside::Value(f64::NAN)),
            ] {
                let mut expected = vec![0.0; points.len()];
                neural.values_at(&points, space, outside, &mut expected).unwrap();
                let before = neural.evaluated();
                let samples = neural.sample_on_device(&points, space, outside).unwrap();
                assert_eq!(neural.evaluated() - before, points.len() as u64);
                assert_eq!(samples.shape(), [points.len()]);
                let ours = received(name, *number, samples);
                assert_same(&format!("{kind} on {name}, {outside:?}"), &ours, &expected.into());
            }
            let none = neural.sample_on_device(&[], Space::Index, Outside::Clamp).unwrap();
            assert!(none.is_empty());
            let tensor = export_on_device::<DLManagedTensorVersioned>(none).unwrap();
            assert_eq!(tensor.validate_export().unwrap().shape(), [0]);
        }
    }
}

#[test]
fn requests_of_several_slabs_and_chunks_are_whole() {
    // More than the four chunks of 2^20 points that a slab has; the mask goes through both slabs.
    const SHAPE: [usize; 3] = [1024, 1030, 5];
    let samples: Vec<u8> = (0..SHAPE.iter().product())
        .map(|n: usize| {
            let [x, y] = [n % 1024, n / 1024 % 1030];
            if x * y % 1000 < 3 { 7 } else { 10 + (x / 8) as u8 + (y / 16) as u8 }
        })
        .collect();
    let mut volume = Volume::new(samples, SHAPE).unwrap();
    volume.fill_value = Some(7.0);
    let grid = HashGridShape { levels: 2, features: 1, table_size: 256, coarsest: 2.0, finest: 6.0 };
    let mut options = FitOptions::new(ModelOptions::hash_grid(grid, 16, 1));
    (options.epochs, options.batch) = (1, 1 << 18);
    let bytes = fit(&volume, &options, |_| ControlFlow::Continue(())).unwrap().compressed.bytes;
    let points: Vec<[f64; 3]> = (0..1_200_000)
        .map(|n| [f64::from(n % 2001) / 2.0, f64::from(n / 1163), f64::from(n % 9) / 2.0])
        .collect();
    for (name, number, engine) in engines("requests_of_several_slabs_and_chunks_are_whole") {
        // Fibers that meet at barriers are slow.
        if name == "host" {
            continue;
        }
        let neural = open(&bytes, &engine);
        let region = Region::whole(SHAPE);
        let ours = received(&name, number, region_on_device(&neural, region, 1, SampleType::U8).unwrap());
        let expected = on_the_host(&neural, region, 1, SampleType::U8);
        assert!(ours.as_bytes().contains(&7), "there are masked voxels");
        // Not by `assert_same`: five million comparisons by type would take a while.
        assert!(ours == expected, "{name}: the region differs");
        let mut expected = vec![0.0; points.len()];
        neural.values_at(&points, Space::Index, Outside::Clamp, &mut expected).unwrap();
        let samples = neural.sample_on_device(&points, Space::Index, Outside::Clamp).unwrap();
        assert_same(&name, &received(&name, number, samples), &expected.into());
    }
}

#[test]
fn files_without_a_network_are_copied_to_the_device() {
    let mut not_finite: Vec<f32> = waves().map(|v| v as f32).collect();
    not_finite[100] = f32::NAN;
    let lossless = Volume::new(not_finite, SHAPE).unwrap();
    let constant = Volume::new(vec![7i16; SHAPE.iter().product()], SHAPE).unwrap();
    for (volume, target) in [
        (&lossless, Target::Lossless),
        (&lossless, Target::MaxError(0.01)),
        (&lossless, Target::Psnr(40.0)),
        (&constant, Target::Psnr(40.0)),
    ] {
        let options = CompressOptions { target, threads: 1, ..Default::default() };
        let compressed = compress(volume, &options).unwrap();
        for (name, number, engine) in engines("files_without_a_network_are_copied_to_the_device") {
            let neural = open(&compressed.bytes, &engine);
            let region = Region { start: [2, 0, 1], end: [21, 9, 12] };
            for sample_type in [volume.sample_type(), SampleType::F64] {
                let ours =
                    received(&name, number, region_on_device(&neural, region, 2, sample_type).unwrap());
                let what = format!("{target:?} on {name}");
                assert_same(&what, &ours, &on_the_host(&neural, region, 2, sample_type));
            }
            let points = [[0.5, 1.25, 3.0], [4.0, 4.0, 4.0], [-9.0, 0.0, 0.0]];
            let mut expected = vec![0.0; 3];
            neural.values_at(&points, Space::Index, Outside::Value(-3.0), &mut expected).unwrap();
            let samples = neural.sample_on_device(&points, Space::Index, Outside::Value(-3.0)).unwrap();
            assert_same(&format!("{target:?}"), &received(&name, number, samples), &expected.into());
        }
    }
}

#[test]
fn the_deleter_frees_the_devices_memory_once() {
    let test = "the_deleter_frees_the_devices_memory_once";
    let Some((engine, allocated)) = host_engine(test, Turns::Forward, WITHOUT_SHARED) else { return };
    let now = || allocated.load(Ordering::SeqCst);
    let volume = Volume::new(waves().map(|v| v as f32).collect::<Vec<_>>(), SHAPE).unwrap();
    let neural = open(&fitted(&volume), &engine);
    let region = Region::slice(SHAPE, Axis::Z, 5);
    let read = |region| region_on_device(&neural, region, 1, SampleType::F32);

    let samples = read(region).unwrap();
    assert_eq!((now(), samples.device()), (1, NUMBER));
    drop(samples);
    assert_eq!(now(), 0, "samples free their memory");

    // A consumer's way: the raw tensor, and its deleter.
    let raw = export_on_device::<DLManagedTensorVersioned>(read(region).unwrap()).unwrap().into_raw();
    assert_eq!(now(), 1);
    // SAFETY: the tensor is alive, and its deleter has not been called.
    unsafe {
        assert_eq!((*raw).dl_tensor.device.device_type, DLDeviceType::CUDA);
        ((*raw).deleter.unwrap())(raw);
    }
    assert_eq!(now(), 0, "the deleter frees it");

    // A Rust owner's, on another thread; two at a time, in the ABI before 1.0.
    let of_points = neural.sample_on_device(&[[1.5; 3]; 10], Space::Index, Outside::Clamp).unwrap();
    let tensors: [Managed<DLManagedTensor>; 2] =
        [of_points, read(region).unwrap()].map(|samples| export_on_device(samples).unwrap());
    assert_eq!(now(), 2);
    std::thread::spawn(move || drop(tensors)).join().unwrap();
    assert_eq!(now(), 0);

    // What fails leaves nothing behind.
    let stopped = neural.read_region_on_device(region, 1, SampleType::F32, &mut |_| ControlFlow::Break(()));
    assert!(matches!(stopped, Err(Error::Interrupted)), "{stopped:?}");
    let outside = read(Region { start: [0; 3], end: [22, 1, 1] });
    assert!(outside.unwrap_err().to_string().contains("not a region"));
    assert_eq!(now(), 0);

    // The volume may be gone before its tensors.
    let tensor = export_on_device::<DLManagedTensorVersioned>(read(region).unwrap()).unwrap();
    drop(neural);
    drop(engine);
    assert_eq!(now(), 1);
    drop(tensor);
    assert_eq!(now(), 0);
}

#[test]
fn a_volume_that_is_not_on_a_device_says_so() {
    let volume = Volume::new(vec![1u8, 2, 3, 4], [4, 1, 1]).unwrap();
    let options = CompressOptions { target: Target::Lossless, threads: 1, ..Default::default() };
    let compressed = compress(&volume, &options).unwrap();
    let engine = Arc::new(Cpu::new(1).unwrap());
    let neural = NeuralVolume::from_bytes(&compressed.bytes, "test.nvol", engine).unwrap();
    let region = region_on_device(&neural, Region::whole([4, 1, 1]), 1, SampleType::U8);
    let points = neural.sample_on_device(&[[0.0; 3]], Space::Index, Outside::Clamp);
    for error in [region.unwrap_err(), points.unwrap_err()] {
        assert!(matches!(error, Error::Device(_)), "{error:?}");
        let part = "test.nvol: the volume is open on the engine cpu, not on a CUDA device";
        assert!(error.to_string().contains(part), "{error}");
    }
}

/// The example, in a Python that loads us: on a machine without a GPU it says so; on the host PyTorch takes the tensor.
#[test]
fn the_example_hands_a_region_to_torch_or_says_why_not() {
    let test = "the_example_hands_a_region_to_torch_or_says_why_not";
    let Some(python) = std::env::var_os("NEUVOL_PYTHON") else {
        eprintln!("SKIPPED {test}: NEUVOL_PYTHON is not set");
        return;
    };
    // Beside the folder of this test, as in `dlpack.rs`.
    let library = format!("{}neuvol_torch{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let library = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("examples").join(library);
    if !library.exists() {
        eprintln!("SKIPPED {test}: the example neuvol_torch is not built");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("waves.nvol");
    let volume = Volume::new(waves().map(|v| v as f32).collect::<Vec<_>>(), SHAPE).unwrap();
    std::fs::write(&file, fitted(&volume)).unwrap();
    let run = |device: &str, arguments: &[&str]| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/torch/region.py");
        let mut command = Command::new(&python);
        command.arg(script).arg(&file).args(["--device", device]).arg("--library").arg(&library);
        let done = command.args(arguments).output().expect("NEUVOL_PYTHON should run");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (done.status.code(), text(&done.stdout), text(&done.stderr))
    };
    let of_region = ["--start", "1", "2", "3", "--end", "11", "16", "12"];
    let mut on = vec!["cpu"];
    match devices() {
        Ok(_) => on.push("cuda:0"),
        Err(why) => {
            let (code, _, message) = run("cuda:0", &of_region);
            assert_eq!(code, Some(1));
            assert!(message.contains(&format!("no tensor on cuda:0: {why}")), "{message}");
        }
    }
    let (code, _, message) = run("cpu", &["--end", "22", "1", "1"]);
    assert!(code == Some(1) && message.contains("not a region"), "{message}");
    let neural = NeuralVolume::open(&file).unwrap();
    let region = neural.read_region_f32(Region { start: [1, 2, 3], end: [11, 16, 12] }, 1).unwrap();
    let mean = (0..region.len()).map(|n| region.samples().get(n)).sum::<f64>() / region.len() as f64;
    for device in on {
        let (code, printed, message) = run(device, &of_region);
        if message.contains("PyTorch is needed") {
            eprintln!("SKIPPED {test} on {device}: there is no PyTorch");
            continue;
        }
        assert_eq!(code, Some(0), "{message}");
        assert!(printed.contains(&format!("(9, 14, 10) torch.float32 on {device}, not copied")), "{printed}");
        let of_torch = printed.split("mean ").nth(1).and_then(|rest| rest.split(',').next());
        let of_torch: f64 = of_torch.unwrap().parse().unwrap();
        assert!((of_torch - mean).abs() < 1e-4, "{of_torch}, not {mean}");
    }
}
