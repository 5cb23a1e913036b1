//! One group of rounded parameters as a stream: FORMAT.md, section PARM.
//!
//! An integer q is coded as the exponent of |q| + 1 in unary, the bits below its leading one, and the sign. The models
//! of a feature's exponent are chosen by how large its neighbours are: the features of the same entry that are already
//! known, and the same feature of the entries before it along x, y and z where the group is a lattice.

use super::{BitModel, RangeDecoder, RangeEncoder};
use crate::field::{GroupKind, ParameterGroup};

/// Exponents are below this: |q| is exact in f32.
const MAX_EXPONENT: usize = 24;
/// The largest magnitude that is coded.
pub(crate) const MAX_INTEGER: i32 = (1 << MAX_EXPONENT) - 2;
/// Neighbourhood classes.
const CONTEXTS: usize = 8;
/// Exponents whose bits below the leading one have models; larger ones' lower bits are nearly uniform.
const MODELLED: usize = 4;

struct Models {
    exponent: [[[BitModel; MAX_EXPONENT]; CONTEXTS]; 4],
    mantissa: [[BitModel; 1 << MODELLED]; MODELLED + 1],
    sign: BitModel,
}

impl Models {
    fn new() -> Self {
        Self {
            exponent: [[[BitModel::new(); MAX_EXPONENT]; CONTEXTS]; 4],
            mantissa: [[BitModel::new(); 1 << MODELLED]; MODELLED + 1],
            sign: BitModel::new(),
        }
    }
}

/// Where the models of value `index` are: by what stands before it in its entry, and by its neighbours.
fn context(group: &ParameterGroup, values: &[i32], index: usize) -> (usize, usize) {
    if group.kind != GroupKind::Features {
        return (0, 0);
    }
    let row = group.row;
    let (entry, feature) = (index / row, index % row);
    let magnitude = |i: usize| values[i].unsigned_abs().min(1 << 20);
    let in_entry = match feature {
        0 => 0,
        // Mean magnitude of the entry so far: none, below one, one and more.
        f => {
            let sum: u32 = (index - f..index).map(magnitude).sum();
            if sum == 0 {
                1
            } else if sum < f as u32 {
                2
            } else {
                3
            }
        }
    };
    let [nx, ny, _] = group.lattice;
    let plane = nx * ny;
    let mut sum = 0;
    let mut neighbours = 0;
    let mut look = |exists: bool, distance: usize| {
        if exists {
            sum += magnitude(index - distance * row);
            neighbours += 1;
        }
    };
    look(entry % nx > 0, 1);
    look(entry / nx % ny > 0, nx);
    look(entry >= plane, plane);
    // Twice the mean magnitude, so that "one of two is one" is a class of its own.
    let twice_mean = if neighbours == 0 { 0 } else { (2 * sum).div_ceil(neighbours) };
    let class = match twice_mean {
        0..=3 => twice_mean,
        4..=5 => 4,
        6..=9 => 5,
        10..=19 => 6,
        _ => 7,
    };
    (in_entry, class as usize)
}

/// The stream of a group's integers.
pub(crate) fn encode_group(group: &ParameterGroup, values: &[i32]) -> Vec<u8> {
    let mut models = Models::new();
    let mut coder = RangeEncoder::new();
    for (index, &value) in values.iter().enumerate() {
        let (in_entry, class) = context(group, values, index);
        let shifted = value.unsigned_abs() + 1;
        let exponent = shifted.ilog2() as usize;
        assert!(exponent < MAX_EXPONENT, "a rounded parameter fits 24 bits");
        let ladder = &mut models.exponent[in_entry][class];
        for (e, model) in ladder.iter_mut().enumerate().take(exponent + 1) {
            model.encode(&mut coder, e < exponent);
        }
        let below = shifted - (1 << exponent);
        if exponent <= MODELLED {
            let mut node = 1;
            for bit in (0..exponent).rev() {
                let set = below >> bit & 1 == 1;
                models.mantissa[exponent][node].encode(&mut coder, set);
                node = node << 1 | usize::from(set);
            }
        } else {
            coder.encode_raw(below, exponent as u32);
        }
        if value != 0 {
            models.sign.encode(&mut coder, value < 0);
        }
    }
    coder.finish()
}

/// The integers of a group's stream; the error says what is wrong.
pub(crate) fn decode_group(group: &ParameterGroup, stream: &[u8]) -> Result<Vec<i32>, String> {
    let mut models = Models::new();
    let mut coder = RangeDecoder::new(stream);
    let mut values = vec![0i32; group.range.len()];
    for index in 0..values.len() {
        let (in_entry, class) = context(group, &values, index);
        let ladder = &mut models.exponent[in_entry][class];
        let mut exponent = 0;
        while ladder[exponent].decode(&mut coder) {
            exponent += 1;
            if exponent == MAX_EXPONENT {
                return Err(format!("parameter {index} of a group is out of range"));
            }
        }
        let below = if exponent <= MODELLED {
            let mut node = 1;
            for _ in 0..exponent {
                node = node << 1 | usize::from(models.mantissa[exponent][node].decode(&mut coder));
            }
            node as u32 - (1 << exponent)
        } else {
            coder.decode_raw(exponent as u32)
        };
        let magnitude = ((1u32 << exponent) + below - 1) as i32;
        let negative = magnitude != 0 && models.sign.decode(&mut coder);
        values[index] = if negative { -magnitude } else { magnitude };
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn group(kind: GroupKind, row: usize, lattice: [usize; 3]) -> ParameterGroup {
        ParameterGroup { range: 10..10 + row * lattice.iter().product::<usize>(), kind, row, lattice }
    }

    proptest! {
        #[test]
        fn groups_come_back(
            values in prop::collection::vec(prop_oneof![4 => -2i32..3, 1 => -8_000_000i32..8_000_000], 240),
            kind in prop_oneof![Just(GroupKind::Features), Just(GroupKind::Weights)],
        ) {
            let group = group(kind, 4, [5, 4, 3]);
            prop_assert_eq!(decode_group(&group, &encode_group(&group, &values)).unwrap(), values);
        }

        #[test]
        fn hostile_streams_end(stream in prop::collection::vec(any::<u8>(), 0..200)) {
            let group = group(GroupKind::Features, 2, [20, 5, 2]);
            let _ = decode_group(&group, &stream);
        }
    }

    #[test]
    fn zeros_cost_next_to_nothing() {
        let group = group(GroupKind::Features, 4, [32, 32, 16]);
        assert!(encode_group(&group, &vec![0; 65536]).len() < 80);
    }
}
