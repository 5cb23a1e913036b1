//! Cell data: the association is kept in the file, and points are in the grid up to the cells' faces.

mod frame;

use neuvol::engine::cpu::Cpu;
use neuvol::sample::{Outside, PointSample, Space};
use neuvol::train::{Architecture, CompressOptions, Preset, Representation, Target, compress};
use neuvol::volume::{Association, Geometry};
use neuvol::{NeuralVolume, Region, Result, Volume};
use std::sync::Arc;

const SHAPE: [usize; 3] = [9, 8, 7];
const CELLS: Association = Association::Cell { flat: [false; 3] };

/// `x + 10 y + 100 z`.
fn ramp(shape: [usize; 3], association: Association) -> Volume {
    let [nx, ny, _] = shape;
    let at = |i: usize| (i % nx + 10 * (i / nx % ny) + 100 * (i / nx / ny)) as f32;
    let mut volume = Volume::new((0..shape.iter().product()).map(at).collect::<Vec<_>>(), shape).unwrap();
    volume.geometry = Geometry { origin: [5.0, 6.0, 7.0], spacing: [2.0, 3.0, 4.0], ..Geometry::default() };
    volume.association = association;
    volume
}

fn bytes(volume: &Volume, representation: Representation, target: Target) -> Vec<u8> {
    let options = CompressOptions {
        target,
        representation,
        preset: Preset::Fast,
        threads: 1,
        ..CompressOptions::default()
    };
    compress(volume, &options).unwrap().bytes
}

fn lossless(volume: &Volume) -> Vec<u8> {
    bytes(volume, Representation::Smallest, Target::Lossless)
}

fn open(bytes: &[u8]) -> Result<NeuralVolume> {
    NeuralVolume::from_bytes(bytes, "test.nvol", Arc::new(Cpu::new(1).unwrap()))
}

#[test]
fn the_association_is_kept_for_a_byte() {
    let points = lossless(&ramp(SHAPE, Association::Point));
    let cells = lossless(&ramp(SHAPE, CELLS));
    assert_eq!(cells.len(), points.len() + 1);
    assert_eq!(open(&points).unwrap().info().association, Association::Point);
    let file = open(&cells).unwrap();
    assert_eq!(file.info().association, CELLS);
    assert_eq!(file.info().geometry.origin, [5.0, 6.0, 7.0], "the first centre");
    // A part of it, too: its grid begins half a coarse cell before its first centre.
    let region = Region { start: [2, 0, 0], end: [9, 8, 7] };
    let part = file.read_region(region, 2).unwrap();
    assert_eq!((part.association, part.shape()), (CELLS, [4, 4, 4]));
    assert_eq!(part.association.points(part.shape()), [5, 5, 5]);
    assert_eq!(part.geometry.origin, [9.0, 6.0, 7.0]);
    assert_eq!(part.association.first_point(&part.geometry), [7.0, 3.0, 3.0]);
}

#[test]
fn one_layer_is_flat_or_thick() {
    for flat in [false, true] {
        let association = Association::Cell { flat: [false, false, flat] };
        let file = lossless(&ramp([9, 8, 1], association));
        assert_eq!(open(&file).unwrap().info().association, association);
    }
    // A flat axis of several samples is refused: found by its byte, behind flags, shape, range, origin and spacing.
    let mut file = lossless(&ramp(SHAPE, CELLS));
    let name = file.windows(7).position(|bytes| bytes == b"scalars").unwrap();
    let flat = (name - 2..name).find(|&at| file[at] == 0).unwrap();
    file[flat] = 4;
    frame::mend(&mut file);
    let error = open(&file).err().expect("a damaged file").to_string();
    assert!(error.contains("VOLM"), "{error}");
}

#[test]
fn points_are_in_the_grid_up_to_the_cells_faces() {
    let at = [
        [0.0, 0.0, 0.0],
        // Half a cell beyond the outermost centres, and a corner.
        [-0.5, 3.0, 2.0],
        [8.5, 7.5, 6.5],
        [-0.51, 3.0, 2.0],
        [4.0, 7.52, 2.0],
    ];
    let expected = [0.0, 230.0, 678.0];
    for representation in [Representation::Smallest, Representation::Network(Architecture::default())] {
        let is_exact = representation == Representation::Smallest;
        let target = if is_exact { Target::Lossless } else { Target::Psnr(30.0) };
        let file = open(&bytes(&ramp(SHAPE, CELLS), representation, target)).unwrap();
        let mut found = [PointSample::default(); 5];
        file.values_and_gradients_at(&at, Space::Index, Outside::Value(-1.0), &mut found).unwrap();
        assert_eq!(found.map(|s| s.valid), [true, true, true, false, false]);
        assert_eq!([found[3].value, found[4].value], [-1.0; 2]);
        for (sample, expected) in found.iter().zip(expected) {
            let off = (sample.value - expected).abs();
            assert!(off <= if is_exact { 0.0 } else { 60.0 }, "{} not {expected}", sample.value);
        }
        // Beyond the centres the value is held, and so the slope across the face is 0.
        assert_eq!(found[1].gradient[0], 0.0);
        if is_exact {
            assert_eq!(found[1].gradient, [0.0, 10.0, 100.0]);
            assert_eq!(found[0].gradient, [1.0, 10.0, 100.0]);
        }
        assert_eq!(found[2].gradient, [0.0; 3]);
    }
    // Points' grids end at their outermost points, and so do flat ones.
    let points = open(&lossless(&ramp(SHAPE, Association::Point))).unwrap();
    let flat = open(&lossless(&ramp([9, 8, 1], Association::Cell { flat: [false, false, true] }))).unwrap();
    for (file, at) in [(points, [-0.5, 3.0, 2.0]), (flat, [3.0, 3.0, 0.5])] {
        let mut found = [PointSample::default()];
        file.probe(&[at], Space::Index, Outside::Clamp, &mut found).unwrap();
        assert!(!found[0].valid);
    }
}
