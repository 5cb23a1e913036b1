//! The command with inputs of several arrays, components and time steps: one file of all of them, and back.

mod command;

use command::{neuvol, refused, told};
use neuvol::io::ArrayVolumes;
use neuvol::{ArrayInfo, NeuralDataset, Region, Volume};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::process::Output;

const SHAPE: [usize; 3] = [40, 30, 12];
const TIMES: [f64; 3] = [0.0, 0.5, 2.0];

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_str(&told(output)).unwrap()
}

fn wave(component: usize, step: usize) -> Volume {
    let value = |i: usize| {
        let [x, y, z] = [i % SHAPE[0], i / SHAPE[0] % SHAPE[1], i / (SHAPE[0] * SHAPE[1])].map(|n| n as f64);
        ((0.1 * x + TIMES[step]).sin() * (0.2 * y).cos() + 0.1 * z * component as f64) as f32
    };
    let mut volume =
        Volume::new((0..SHAPE.iter().product()).map(value).collect::<Vec<f32>>(), SHAPE).unwrap();
    volume.geometry.spacing = [0.5, 1.0, 2.0];
    volume
}

fn arrays(step: usize) -> [ArrayVolumes; 2] {
    let names = ["u", "v", "w"].map(str::to_owned).to_vec();
    [
        ArrayVolumes {
            name: "p".into(),
            component_names: vec![String::new()],
            components: vec![wave(0, step)],
        },
        ArrayVolumes {
            name: "velocity".into(),
            component_names: names,
            components: (1..4).map(|component| wave(component, step)).collect(),
        },
    ]
}

/// Three steps of a pressure and a velocity, listed with their times.
fn series(folder: &Path) {
    let mut list = String::from("<?xml version=\"1.0\"?><VTKFile type=\"Collection\"><Collection>");
    for (step, time) in TIMES.iter().enumerate() {
        neuvol::io::save_arrays(&arrays(step), folder.join(format!("f{step}.vti"))).unwrap();
        list += &format!("<DataSet timestep=\"{time}\" file=\"f{step}.vti\"/>");
    }
    std::fs::write(folder.join("flow.pvd"), list + "</Collection></VTKFile>").unwrap();
}

fn largest_difference(a: &Volume, b: &Volume) -> f64 {
    (0..a.len()).map(|i| (a.samples().get(i) - b.samples().get(i)).abs()).fold(0.0, f64::max)
}

#[test]
fn a_series_of_several_arrays_becomes_one_file_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    series(folder);
    let how = ["--max-error", "0.01", "--preset", "fast"];
    let report = json(&neuvol(folder, &[&["compress", "flow.pvd", "--json"], &how[..]].concat()));
    assert_eq!(report["volumes"].as_array().unwrap().len(), 12);
    assert_eq!(report["times"], serde_json::json!(TIMES));
    let file = NeuralDataset::open(folder.join("flow.nvol")).unwrap();
    assert_eq!(report["file_bytes"].as_u64(), Some(file.file_bytes()));
    let component_names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let info =
        |name: &str, names: &[&str]| ArrayInfo { name: name.into(), components: component_names(names) };
    assert_eq!(file.arrays(), [info("p", &[""]), info("velocity", &["u", "v", "w"])]);
    assert_eq!(file.times(), Some(&TIMES[..]));
    for step in 0..3 {
        for (array, component, original) in [(0, 0, 0), (1, 0, 1), (1, 2, 3)] {
            let neural = file.volume(array, component, step).unwrap();
            assert!(!neural.info().provenance.contains_key(neuvol::io::OTHER_ARRAYS));
            let decoded = neural.read_region(Region::whole(SHAPE), 1).unwrap();
            assert!(
                largest_difference(&decoded, &wave(original, step)) <= 0.01,
                "{array} {component} {step}"
            );
            assert_eq!(decoded.geometry.spacing, [0.5, 1.0, 2.0]);
        }
    }
    assert!(told(&neuvol(folder, &["verify", "flow.nvol"])).contains("as it was written"));

    told(&neuvol(folder, &["decompress", "flow.nvol", "-o", "back.vti"]));
    for step in 0..3 {
        let read = |array: &str, component| {
            let options = neuvol::io::OpenOptions {
                array: Some(array.into()),
                component: Some(component),
                ..Default::default()
            };
            neuvol::io::open(folder.join(format!("back_{step:04}.vti")), &options).unwrap()
        };
        assert!(largest_difference(&read("p", 0), &wave(0, step)) <= 0.01);
        assert!(largest_difference(&read("velocity", 1), &wave(2, step)) <= 0.01);
    }
    let one = ["decompress", "flow.nvol", "--array", "velocity", "--component", "2", "--time-step", "1"];
    told(&neuvol(folder, &[&one[..], &["-o", "w.npy"]].concat()));
    let w = neuvol::io::open(folder.join("w.npy"), &Default::default()).unwrap();
    assert!(largest_difference(&w, &wave(3, 1)) <= 0.01);

    let compared = ["compare", "flow.pvd", "flow.nvol", "--array", "velocity", "--component", "1"];
    let compared = json(&neuvol(folder, &[&compared[..], &["--time-step", "2", "--json"]].concat()));
    assert!(compared["max_error"].as_f64().unwrap() <= 0.01, "{compared}");
    let value = ["sample", "flow.nvol", "3", "4", "5", "--array", "p", "--time-step", "2", "--json"];
    let value = json(&neuvol(folder, &value))["values"][0].as_f64().unwrap();
    let original = wave(0, 2).samples().get(3 + 40 * (4 + 30 * 5));
    assert!((value - original).abs() <= 0.01, "{value} {original}");
}

#[test]
fn what_is_not_chosen_is_listed_and_what_has_no_place_is_refused_before_the_work() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    series(folder);
    told(&neuvol(folder, &["compress", "flow.pvd", "--psnr", "30", "--preset", "fast"]));
    let listed = told(&neuvol(folder, &["info", "flow.nvol"]));
    for part in ["p (float32)", "velocity (float32), 3 components: u, v, w", "time steps  3, at 0 to 2"] {
        assert!(listed.contains(part), "{part}: {listed}");
    }
    let json = json(&neuvol(folder, &["info", "flow.nvol", "--json"]));
    assert_eq!(json["arrays"][1]["components"], serde_json::json!(["u", "v", "w"]));
    let one = ["info", "flow.nvol", "--array", "velocity", "--component", "1", "--time-step", "0"];
    assert!(told(&neuvol(folder, &one)).contains("dims        40 x 30 x 12"));
    for (arguments, expected) in [
        (&["slice", "flow.nvol", "-o", "a.png"][..], "arrays 'p', 'velocity'; choose one with --array"),
        (
            &["slice", "flow.nvol", "-o", "a.png", "--array", "velocity", "--time-step", "0"],
            "0 (u), 1 (v), 2 (w); choose one with --component",
        ),
        (&["slice", "flow.nvol", "-o", "a.png", "--array", "p"], "3 time steps; choose one with --time-step"),
        (&["info", "flow.nvol", "--array", "q"], "there is no array 'q'"),
        (&["info", "flow.nvol", "--time-step", "3"], "there is no time step 3"),
        (&["decompress", "flow.nvol", "-o", "a.nii"], "only a .vti file has a place for several arrays"),
    ] {
        let told = refused(&neuvol(folder, arguments));
        assert!(told.contains(expected), "{expected}: {told}");
    }
}

#[test]
fn a_size_is_that_of_the_whole_file() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    series(folder);
    let how = ["compress", "f0.vti", "--size", "8k", "--preset", "fast", "--json"];
    let report = json(&neuvol(folder, &how));
    let bytes = report["file_bytes"].as_u64().unwrap();
    assert!((7700..=8000).contains(&bytes), "{bytes}");
    assert_eq!(bytes, std::fs::metadata(folder.join("f0.nvol")).unwrap().len());
    let told = refused(&neuvol(folder, &["compress", "f0.vti", "--size", "90"]));
    assert!(told.contains("too few for 4 volumes"), "{told}");
}

#[test]
fn a_failure_in_the_midst_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    series(folder);
    std::fs::write(folder.join("f2.vti"), "nothing").unwrap();
    let told = refused(&neuvol(folder, &["compress", "flow.pvd", "--psnr", "30", "--preset", "fast"]));
    assert!(told.contains("f2.vti"), "{told}");
    let names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), 4, "{names:?}");
}

/// A file whose samples are holes, so that it takes no room: a pressure and a velocity of bytes, each of more voxels than are
/// compressed in memory.
fn large_and_empty(path: &Path) {
    const LARGE: [u64; 3] = [513, 512, 512];
    let [x, y, z] = LARGE.map(|n| n - 1);
    let voxels = LARGE.iter().product::<u64>();
    let header = format!(
        "<?xml version=\"1.0\"?>\n<VTKFile type=\"ImageData\" version=\"1.0\" byte_order=\"LittleEndian\" header_type=\"UInt64\">\
         <ImageData WholeExtent=\"0 {x} 0 {y} 0 {z}\" Origin=\"0 0 0\" Spacing=\"1 1 1\">\
         <Piece Extent=\"0 {x} 0 {y} 0 {z}\"><PointData>\
         <DataArray type=\"UInt8\" Name=\"p\" format=\"appended\" offset=\"0\"/>\
         <DataArray type=\"UInt8\" Name=\"velocity\" NumberOfComponents=\"2\" format=\"appended\" offset=\"{}\"/>\
         </PointData></Piece></ImageData><AppendedData encoding=\"raw\">_",
        8 + voxels
    );
    let mut file = std::fs::File::create(path).unwrap();
    for (bytes, part) in [
        (0, header.into_bytes()),
        (0, voxels.to_le_bytes().into()),
        (voxels, (2 * voxels).to_le_bytes().into()),
    ] {
        file.seek(SeekFrom::Current(bytes as i64)).unwrap();
        file.write_all(&part).unwrap();
    }
    file.seek(SeekFrom::Current(2 * voxels as i64)).unwrap();
    file.write_all(b"</AppendedData></VTKFile>").unwrap();
}

#[test]
fn volumes_beyond_memory_are_read_box_by_box_into_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    large_and_empty(&folder.join("large.vti"));
    // Of each array or component 134 MB, which 450 MB would not do for in memory.
    let compress = ["compress", "large.vti", "--lossless", "--memory", "450M", "--json"];
    let report = json(&neuvol(folder, &compress));
    assert_eq!(report["volumes"].as_array().unwrap().len(), 3, "{report}");
    assert_eq!(report["volumes"][2]["component"], 1);
    let file = NeuralDataset::open(folder.join("large.nvol")).unwrap();
    let last = file.volume(1, 1, 0).unwrap();
    assert_eq!(last.info().name, "velocity");
    assert_eq!(last.info().provenance.get("other arrays"), None);
    let corner = Region { start: [500, 510, 510], end: [513, 512, 512] };
    let samples = last.read_region(corner, 1).unwrap();
    assert!((0..samples.len()).all(|i| samples.samples().get(i) == 0.0));
    let names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
}
