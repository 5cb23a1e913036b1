//! TIFF stacks as tifffile writes and reads them: OME-XML, ImageJ's hyperstacks, its own shapes; tiles, predictors, types.

use super::*;

/// Writes a file for every form and says, for each volume of it, which one it is and what should be read.
const SCRIPT: &str = r#"
import hashlib, json, sys
import numpy as np, tifffile
folder = sys.argv[1] + "/"
random = np.random.default_rng(7)
expected = []

def write(name, values, axes, spacing=None, **options):
    """`values` by the letters of `axes`, which end in YX or, for samples beside each other, in YXS."""
    tifffile.imwrite(folder + name, values, **{"photometric": "minisblack", **options})
    letters = [letter for letter in axes]
    order = [letters.index(letter) for letter in "TCZYX" if letter in letters]
    if "S" in letters:
        order.insert(1 if "T" in letters else 0, letters.index("S"))
    values = values.transpose(order)
    for letter, at in (("T", 0), ("C", 1), ("Z", 2)):
        if letter not in letters and not (letter == "C" and "S" in letters):
            values = np.expand_dims(values, at)
    for step in range(values.shape[0]):
        for channel in range(values.shape[1]):
            bytes = np.ascontiguousarray(values[step, channel], dtype="<f8").tobytes()
            expected.append({
                "file": name,
                "step": step if values.shape[0] > 1 else None,
                "component": channel if values.shape[1] > 1 else None,
                "shape": list(values.shape[:1:-1]),
                "sha256": hashlib.sha256(bytes).hexdigest(),
                "spacing": spacing,
            })

def made(shape, kind="uint16"):
    kind = np.dtype(kind)
    if kind.kind == "f":
        return random.normal(size=shape).astype(kind)
    return random.integers(max(np.iinfo(kind).min, -2**31), min(np.iinfo(kind).max, 2**31 - 1), size=shape).astype(kind)

for axes in ["CZYX", "ZCYX", "TZYX", "TCZYX", "TZCYX", "CTYX", "ZYX"]:
    sizes = {"T": 2, "C": 3, "Z": 4, "Y": 5, "X": 6}
    shape = [sizes[letter] for letter in axes]
    physical = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.6, "PhysicalSizeZ": 2.0}
    write(f"{axes}.ome.tif", made(shape), axes, [0.5, 0.6, 2.0], metadata={"axes": axes, **physical})
    write(f"{axes}.shaped.tif", made(shape, "int16"), axes, metadata={"axes": axes})
for axes in ["TZCYX", "ZCYX", "TZYX", "TYX", "ZYX", "CYX"]:
    sizes = {"T": 2, "C": 3, "Z": 4, "Y": 5, "X": 6}
    shape = [sizes[letter] for letter in axes]
    spacing = [0.5, 0.25, 2.5] if "Z" in axes else None
    metadata = {"axes": axes, "unit": "um", "spacing": 2.5}
    write(f"{axes}.ij.tif", made(shape), axes, spacing, imagej=True, metadata=metadata, resolution=(2.0, 4.0))
    write(f"{axes}.one.tif", made(shape, "float32"), axes, imagej=True, metadata={"axes": axes}, truncate=True)
write("one.tif", made((4, 5, 6), ">i4"), "ZYX", truncate=True, byteorder=">")
for kind in ["uint8", "int8", "uint16", "int16", "uint32", "int32", "int64", "float16", "float32", "float64"]:
    write(f"{kind}.tif", made((2, 40, 50), kind), "ZYX")
    write(f"{kind}.white.tif", made((2, 40, 50), kind), "ZYX", photometric="miniswhite")
    write(f"{kind}.big.tif", made((2, 40, 50), kind), "ZYX", bigtiff=True, byteorder=">")
    predictor = kind != "int64"
    write(f"{kind}.tile.tif", made((2, 40, 50), kind), "ZYX", tile=(16, 32), compression="zlib", predictor=predictor)
    write(f"{kind}.strip.tif", made((2, 40, 50), kind), "ZYX", rowsperstrip=7, compression="lzw", predictor=predictor, byteorder=">")
write("planes.tif", made((3, 4, 40, 50), "uint8"), "ZCYX", planarconfig="separate", metadata=None)
write("samples.tif", made((3, 40, 50, 2), "uint8"), "ZYXS", planarconfig="contig", metadata=None)
with tifffile.TiffWriter(folder + "pyramid.ome.tif") as file:
    values = made((4, 64, 64), "uint8")
    file.write(values, subifds=1, metadata={"axes": "ZYX"}, tile=(16, 16))
    file.write(values[:, ::2, ::2], subfiletype=1, tile=(16, 16))
    bytes = np.ascontiguousarray(values, dtype="<f8").tobytes()
    expected.append({"file": "pyramid.ome.tif", "step": None, "component": None, "shape": [64, 64, 4],
                     "sha256": hashlib.sha256(bytes).hexdigest(), "spacing": None})
tifffile.imwrite(folder + "cmyk.tif", made((40, 50, 4), "uint8"), photometric="separated")
tifffile.imwrite(folder + "volumetric.tif", made((16, 40, 50), "uint8"), volumetric=True, tile=(16, 16, 16))
tifffile.imwrite(folder + "zstd.tif", made((40, 50), "uint8"), compression="zstd")
json.dump(expected, open(folder + "expected.json", "w"))
"#;

#[test]
fn stacks_that_tifffile_writes() {
    let Some(python) = environment("NEUVOL_PYTHON", "stacks_that_tifffile_writes") else { return };
    let folder = tempfile::tempdir().unwrap();
    run_python(&python, SCRIPT, folder.path());
    let expected: Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("expected.json")).unwrap()).unwrap();
    let expected = expected.as_array().unwrap();
    assert!(expected.len() > 140, "{}", expected.len());
    for volume in expected {
        let name = volume["file"].as_str().unwrap();
        let number = |key: &str| volume[key].as_u64().map(|n| n as usize);
        let options = OpenOptions {
            time_step: number("step"),
            component: number("component"),
            ..OpenOptions::default()
        };
        let found = io::open(folder.path().join(name), &options).unwrap();
        assert_eq!(numbers(&volume["shape"]), found.shape().map(|n| n as f64), "{name}");
        assert_eq!(digest(found.samples()), volume["sha256"].as_str().unwrap(), "{name}: {volume}");
        if !volume["spacing"].is_null() {
            assert_eq!(numbers(&volume["spacing"]), found.geometry.spacing, "{name}");
        }
    }
    for (name, words) in [
        ("cmyk.tif", "colours (CMYK)"),
        ("volumetric.tif", "16 slices deep"),
        ("zstd.tif", "Zstandard"),
        ("ZCYX.ome.tif", "`component` 0 to 2"),
        ("TZYX.ome.tif", "`time_step` 0 to 1"),
        ("TYX.ij.tif", "`time_step` 0 to 1"),
    ] {
        let message = io::open(folder.path().join(name), &OpenOptions::default()).unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
    }
}
