//! Fields and batches that the engines are compared on.

use neuvol::engine::Batch;
use neuvol::field::encoding::{AxisWise, HashGrid, HashGridShape, Wave};
use neuvol::field::{Encoding, Field, Model, NetworkKind};

/// A small generator, so that the tests do not depend on the one they test.
pub(crate) struct Lcg(pub(crate) u64);

impl Lcg {
    pub(crate) fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 40) as f32 / (1u64 << 24) as f32
    }
}

/// A field of every kind there is, by name: each encoding behind each network.
pub(crate) fn every_kind() -> Vec<(String, Field)> {
    let shape = HashGridShape { levels: 4, features: 2, table_size: 256, coarsest: 3.0, finest: 17.0 };
    let encodings = [
        Encoding::HashGrid(HashGrid::new(shape, [40, 31, 23])),
        Encoding::AxisWise(AxisWise::usual(Wave::Identity)),
        Encoding::AxisWise(AxisWise::new(Wave::Frequency, 6).unwrap()),
        Encoding::AxisWise(AxisWise::new(Wave::TriangleWave, 5).unwrap()),
        Encoding::AxisWise(AxisWise::new(Wave::OneBlob, 20).unwrap()),
    ];
    let networks =
        [(NetworkKind::Mlp, 32, 3), (NetworkKind::SineResidual, 21, 3), (NetworkKind::SineResidual, 16, 1)];
    let mut random = Lcg(2718);
    let mut fields = Vec::new();
    for encoding in encodings {
        for (kind, width, hidden) in networks {
            let model = Model::with(kind, encoding.clone(), width, hidden);
            let parameters = (0..model.parameter_count()).map(|_| (random.next() - 0.5) * 0.6).collect();
            fields.push((model.describe(), Field { model, parameters }));
        }
    }
    fields
}

/// Samples with random targets; the fourth has none.
pub(crate) fn batch(samples: usize) -> Batch {
    let mut random = Lcg(42);
    let positions = (0..samples).map(|_| [random.next(), random.next(), random.next()]).collect();
    let mut targets: Vec<f32> = (0..samples).map(|_| random.next()).collect();
    if samples > 3 {
        targets[3] = f32::NAN;
    }
    Batch { positions, targets }
}
