//! What inputs of several arrays, components and steps are listed as, and that each part is read.

use super::*;
use crate::volume::Samples;

fn write(folder: &tempfile::TempDir, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn volumes(path: &Path) -> Volumes {
    Volumes::open(path, &OpenOptions::default()).unwrap()
}

/// Name and components of each array, with the components' names.
fn listed(volumes: &Volumes) -> Vec<(String, usize, Vec<String>)> {
    let each = |array: &InputArray| (array.name.clone(), array.components, array.component_names.clone());
    volumes.arrays().iter().map(each).collect()
}

fn array(name: &str, components: usize, names: &[&str]) -> (String, usize, Vec<String>) {
    (name.into(), components, names.iter().map(|name| (*name).into()).collect())
}

fn message<T>(result: Result<T>) -> String {
    result.err().expect("it should be refused").to_string()
}

/// An image of two points and one cell, at a time.
fn image(time: f64, add: i32) -> String {
    let numbers =
        |numbers: &[i32]| numbers.iter().map(|n| (n + add).to_string()).collect::<Vec<_>>().join(" ");
    let data = |kind: &str, name: &str, more: &str, values: &[i32]| {
        format!(
            "<DataArray type=\"{kind}\" Name=\"{name}\" format=\"ascii\" {more}>{}</DataArray>",
            numbers(values)
        )
    };
    let names = "NumberOfComponents=\"3\" ComponentName0=\"u\" ComponentName1=\"v\" ComponentName2=\"w\"";
    let point = [
        data("Float32", "velocity", names, &[1, 2, 3, 4, 5, 6]),
        data("Int16", "p", "", &[7, 8]),
        data("UInt8", "vtkGhostType", "", &[0, 0]),
        data("String", "text", "", &[0, 0]),
        data("Int16", "stress", "NumberOfComponents=\"10\"", &[0; 20]),
    ];
    let cells = [data("Int32", "q", "", &[9]), data("Int32", "text", "", &[10])];
    format!(
        "<?xml version=\"1.0\"?><VTKFile type=\"ImageData\"><ImageData WholeExtent=\"0 1 0 0 0 0\"><FieldData><DataArray \
         type=\"Float64\" Name=\"TimeValue\" NumberOfTuples=\"1\" format=\"ascii\">{time}</DataArray></FieldData><Piece \
         Extent=\"0 1 0 0 0 0\"><PointData>{}</PointData><CellData>{}</CellData></Piece></ImageData></VTKFile>",
        point.concat(),
        cells.concat()
    )
}

#[test]
fn arrays_of_a_vtk_image_are_listed_and_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(&folder, "a.vti", image(0.25, 0));
    let all = volumes(&path);
    let expected = [array("velocity", 3, &["u", "v", "w"]), array("p", 1, &[]), array("stress", 10, &[])];
    assert_eq!(listed(&all), expected);
    assert_eq!((all.len(), all.times()), (1, Some(vec![0.25])));
    // As before: the scalar one.
    assert_eq!(*all.read(0).unwrap().samples(), Samples::I16(vec![7, 8]));
    let part = all.read_part(0, 2, 0).unwrap();
    assert_eq!((part.name.as_str(), part.samples()), ("velocity", &Samples::F32(vec![3.0, 6.0])));
    let part = all.read_part(1, 0, 0).unwrap();
    assert_eq!((part.name.as_str(), part.samples()), ("p", &Samples::I16(vec![7, 8])));
    assert!(part.provenance[crate::io::OTHER_ARRAYS].contains("q (cells)"));

    let words = "array 'stress' has 10 components, and at most 9 are read one by one; choose one with `component` 0 to 9";
    assert!(message(all.check_parts()).contains(words));
    assert!(message(all.read_part(2, 0, 0)).contains(words));
    assert!(message(all.read_part(3, 0, 0)).contains("there is no array 3; it holds 3"));
    assert!(message(all.read_part(0, 3, 0)).contains("array 'velocity' has no component 3"));
    assert!(message(all.read_part(0, 0, 1)).contains("no time step 1"));
}

#[test]
fn what_is_chosen_is_all_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(&folder, "a.vti", image(0.0, 0));
    let of = |array: Option<&str>, component: Option<usize>| {
        Volumes::open(
            &path,
            &OpenOptions { array: array.map(Into::into), component, ..OpenOptions::default() },
        )
    };
    assert_eq!(listed(&of(Some("p"), None).unwrap()), [array("p", 1, &[])]);
    assert_eq!(listed(&of(Some("velocity"), None).unwrap()), [array("velocity", 3, &["u", "v", "w"])]);
    for chosen in [Some("velocity"), None] {
        let one = of(chosen, Some(1)).unwrap();
        assert_eq!(listed(&one), [array("velocity", 1, &["v"])]);
        assert_eq!(*one.read_part(0, 0, 0).unwrap().samples(), Samples::F32(vec![2.0, 5.0]));
        assert_eq!(one.read_part(0, 0, 0).unwrap().name, "velocity");
    }
    let tenth = of(Some("stress"), Some(9)).unwrap();
    tenth.check_parts().unwrap();
    assert_eq!(tenth.read_part(0, 0, 0).unwrap().samples().len(), 2);
    // Numbers of the cells that are called like a string of the points.
    let text = of(Some("text"), None).unwrap();
    assert_eq!(*text.read_part(0, 0, 0).unwrap().samples(), Samples::I32(vec![10]));
    assert!(message(of(Some("velocity"), Some(3))).contains("array 'velocity' has no component 3"));
    assert!(message(of(Some("rho"), None)).contains("no array is named 'rho'"));
}

#[test]
fn a_list_has_the_arrays_of_its_files_and_their_times() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder, "a.vti", image(99.0, 0));
    write(&folder, "b.vti", image(99.0, 10));
    let list = |files: &[(&str, &str)]| {
        let files: String = files
            .iter()
            .map(|(time, file)| format!("<DataSet timestep=\"{time}\" part=\"0\" file=\"{file}\"/>"))
            .collect();
        format!(
            "<?xml version=\"1.0\"?><VTKFile type=\"Collection\"><Collection>{files}</Collection></VTKFile>"
        )
    };
    let path = write(&folder, "run.pvd", list(&[("1.5", "b.vti"), ("0.5", "a.vti")]));
    let all = volumes(&path);
    assert_eq!((all.len(), all.times()), (2, Some(vec![0.5, 1.5])));
    assert_eq!(all.arrays().len(), 3);
    let part = all.read_part(0, 1, 1).unwrap();
    assert_eq!(*part.samples(), Samples::F32(vec![12.0, 15.0]));
    assert_eq!((part.name.as_str(), part.provenance["time step"].as_str()), ("velocity", "2 of 2, at 1.5"));
    // A list's choices are its files'.
    let options = OpenOptions { array: Some("p".into()), ..OpenOptions::default() };
    assert_eq!(listed(&Volumes::open(&path, &options).unwrap()), [array("p", 1, &[])]);
    assert_eq!(
        *crate::io::open(&path, &OpenOptions { time_step: Some(1), ..options }).unwrap().samples(),
        Samples::I16(vec![17, 18])
    );
    let one = write(&folder, "one.pvd", list(&[("7", "b.vti")]));
    assert_eq!(volumes(&one).times(), Some(vec![7.0]));
    let untimed = write(&folder, "a.series", r#"{"files": [{"name": "b.vti"}, {"name": "a.vti"}]}"#);
    assert_eq!(volumes(&untimed).times(), Some(vec![0.0, 1.0]));
    let blocks = "<VTKFile type=\"vtkMultiBlockDataSet\"><a><DataSet file=\"a.vti\"/></a></VTKFile>";
    assert_eq!(volumes(&write(&folder, "a.vtm", blocks)).times(), Some(vec![99.0]));
}

#[test]
fn a_parallel_image_has_the_arrays_of_its_pieces() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder, "a.vti", image(3.0, 0));
    let text = "<VTKFile type=\"PImageData\"><PImageData WholeExtent=\"0 1 0 0 0 0\"><PPointData Scalars=\"p\"/><Piece \
                Extent=\"0 1 0 0 0 0\" Source=\"a.vti\"/></PImageData></VTKFile>";
    let all = volumes(&write(&folder, "a.pvti", text));
    assert_eq!((all.arrays().len(), all.times()), (3, Some(vec![3.0])));
    assert_eq!(*all.read_part(0, 0, 0).unwrap().samples(), Samples::F32(vec![1.0, 4.0]));
}

#[test]
fn arrays_of_a_legacy_file_are_listed_and_read() {
    let folder = tempfile::tempdir().unwrap();
    let text = "# vtk DataFile Version 5.1\nt\nASCII\nDATASET STRUCTURED_POINTS\nDIMENSIONS 2 1 1\nORIGIN 0 0 0\n\
        SPACING 1 1 1\nFIELD FieldData 1\nTimeValue 1 1 double\n2.5\nPOINT_DATA 2\nSCALARS t float 1\nLOOKUP_TABLE default\n\
        1 2\nVECTORS u short\n3 4 5 6 7 8\nMETADATA\nCOMPONENT_NAMES\nx\ny%20axis\nz\n\nCOLOR_SCALARS c 1\n0.5 1\n\
        CELL_DATA 1\nSCALARS q float 1\nLOOKUP_TABLE default\n9\n";
    let all = volumes(&write(&folder, "a.vtk", text));
    assert_eq!(listed(&all), [array("t", 1, &[]), array("u", 3, &["x", "y axis", "z"])]);
    assert_eq!(all.times(), Some(vec![2.5]));
    let part = all.read_part(1, 1, 0).unwrap();
    assert_eq!((part.name.as_str(), part.samples()), ("u", &Samples::I16(vec![4, 7])));
}

/// A NIfTI-1 file of uint8 with these extents, a sample more each voxel.
fn nifti(dim: &[u16], units: u8, interval: f32, offset: f32) -> Vec<u8> {
    let mut bytes = vec![0u8; 352];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(0, &348i32.to_le_bytes());
    put(40, &(dim.len() as u16).to_le_bytes());
    for (axis, n) in dim.iter().enumerate() {
        put(42 + 2 * axis, &n.to_le_bytes());
        put(80 + 4 * axis, &1f32.to_le_bytes());
    }
    put(70, &2i16.to_le_bytes());
    put(92, &interval.to_le_bytes());
    put(108, &352f32.to_le_bytes());
    put(123, &[units]);
    put(136, &offset.to_le_bytes());
    put(344, b"n+1\0");
    bytes.extend(0..dim.iter().product::<u16>() as u8);
    bytes
}

#[test]
fn a_fourth_axis_of_nifti_is_in_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let all = volumes(&write(&folder, "a.nii", nifti(&[2, 1, 1, 3, 2], 2 | 16, 500.0, 250.0)));
    assert_eq!((all.len(), all.times()), (3, Some(vec![0.25, 0.75, 1.25])));
    assert_eq!(listed(&all), [array("scalars", 2, &[])]);
    // Components follow all steps.
    assert_eq!(*all.read_part(0, 1, 2).unwrap().samples(), Samples::U8(vec![10, 11]));
    for (units, interval, times) in
        [(8, 2.0, Some(vec![0.0, 2.0])), (0, 2.0, None), (8, 0.0, None), (32, 2.0, None)]
    {
        let path = write(&folder, "b.nii", nifti(&[2, 1, 1, 2], units, interval, 0.0));
        assert_eq!(volumes(&path).times(), times, "{units}");
    }
}

#[test]
fn times_of_other_formats() {
    let folder = tempfile::tempdir().unwrap();
    let mha = b"NDims = 4\nDimSize = 1 1 1 2\nElementSpacing = 1 1 1 0.5\nOffset = 0 0 0 3\nElementNumberOfChannels = 2\n\
        ElementType = MET_UCHAR\nElementDataFile = LOCAL\n\x01\x02\x03\x04";
    let all = volumes(&write(&folder, "a.mha", mha));
    assert_eq!((listed(&all), all.times()), (vec![array("scalars", 2, &[])], Some(vec![3.0, 3.5])));
    assert_eq!(*all.read_part(0, 1, 1).unwrap().samples(), Samples::U8(vec![4]));
    let nrrd = |kind: &str, more: &str| {
        format!(
            "NRRD0004\ntype: uint8\ndimension: 5\nsizes: 2 1 1 1 2\nkinds: vector domain domain domain {kind}\n{more}\
             encoding: ascii\n\n1 2 3 4\n"
        )
    };
    for (kind, more, times) in [
        (
            "time",
            "spacings: nan 1 1 1 40\naxis mins: nan 0 0 0 10\nunits: \"\" \"\" \"\" \"\" \"ms\"\n",
            Some(vec![0.01, 0.05]),
        ),
        ("time", "spacings: nan 1 1 1 2\n", Some(vec![0.0, 2.0])),
        ("time", "spacings: nan 1 1 1 2\nunits: \"\" \"\" \"\" \"\" \"beats\"\n", None),
        ("list", "spacings: nan 1 1 1 2\n", None),
        ("time", "", None),
    ] {
        let all = volumes(&write(&folder, "a.nrrd", nrrd(kind, more)));
        assert_eq!((all.len(), all.times()), (2, times), "{kind} {more}");
        assert_eq!(*all.read_part(0, 1, 1).unwrap().samples(), Samples::U8(vec![4]));
    }
    let npy = b"{'descr': '|u1', 'fortran_order': False, 'shape': (2, 1, 1, 3), }\n";
    let bytes =
        [b"\x93NUMPY\x01\0", &(npy.len() as u16).to_le_bytes()[..], npy, &[1, 2, 3, 4, 5, 6]].concat();
    let all = volumes(&write(&folder, "a.npy", bytes));
    assert_eq!((all.len(), all.times(), listed(&all)), (2, None, vec![array("scalars", 1, &[])]));
    assert_eq!(*all.read_part(0, 0, 1).unwrap().samples(), Samples::U8(vec![4, 5, 6]));
}
