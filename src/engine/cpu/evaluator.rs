//! Evaluation: scattered points and lattices.

use super::Cpu;
use super::encoding::{LatticeEncoder, TileEncoder};
use super::network::{backward, forward};
use super::packed::PackedNetwork;
use super::tile::{TILE, TileBuffers, padded};
use crate::engine::{Evaluator, Lattice};
use crate::error::Result;
use crate::field::{Field, Model};
use crate::simd::{Kernel, Simd};
use rayon::prelude::*;
use std::sync::Mutex;

/// Fewer points than this are not worth waking threads for.
const PARALLEL_FROM: usize = 4 * TILE;
/// Points that one task takes.
const TASK: usize = 16 * TILE;

pub(super) struct CpuEvaluator {
    engine: Cpu,
    field: Field,
    network: PackedNetwork,
    /// Tile memory, handed from call to call: a single point must not pay for an allocation.
    scratch: Mutex<Vec<Scratch>>,
}

struct Scratch {
    tile: TileBuffers,
    encoder: TileEncoder,
}

impl CpuEvaluator {
    pub(super) fn new(engine: Cpu, field: &Field) -> Self {
        let mut network = PackedNetwork::new(field.model.network);
        network.pack(&field.parameters[field.model.network_offset()..]);
        Self { engine, field: field.clone(), network, scratch: Mutex::default() }
    }

    fn with_scratch<R>(&self, work: impl FnOnce(&mut Scratch) -> R) -> R {
        let idle = self.scratch.lock().ok().and_then(|mut idle| idle.pop());
        let mut scratch = idle.unwrap_or_else(|| Scratch {
            tile: TileBuffers::new(&self.field.model.network, false),
            encoder: TileEncoder::new(&self.field.model.encoding),
        });
        let result = work(&mut scratch);
        if let Ok(mut idle) = self.scratch.lock() {
            idle.push(scratch);
        }
        result
    }

    fn points_here(&self, positions: &[[f32; 3]], out: &mut [f32]) {
        self.with_scratch(|scratch| {
            self.engine.isa.run(Points { evaluator: self, scratch, positions, out });
        });
    }
}

impl Evaluator for CpuEvaluator {
    fn points(&self, positions: &[[f32; 3]], out: &mut [f32]) -> Result<()> {
        assert_eq!(positions.len(), out.len(), "one value a position");
        if positions.len() < PARALLEL_FROM {
            self.points_here(positions, out);
            return Ok(());
        }
        self.engine.threads.install(|| {
            let tasks = positions.par_chunks(TASK).zip(out.par_chunks_mut(TASK));
            tasks.for_each(|(positions, out)| self.points_here(positions, out));
        });
        Ok(())
    }

    fn lattice(&self, lattice: &Lattice, out: &mut [f32]) -> Result<()> {
        assert_eq!(lattice.len(), out.len(), "one value a lattice point");
        if out.is_empty() {
            return Ok(());
        }
        let plan = LatticeEncoder::new(&self.field.model.encoding, lattice);
        let nx = lattice.axes[0].len();
        let rows = |first_row: usize, out: &mut [f32]| {
            self.with_scratch(|scratch| {
                let row_buffer = vec![0.0; plan.row_len(&self.field.model.encoding)];
                let plan = &plan;
                let kernel = Rows { evaluator: self, scratch, plan, lattice, first_row, row_buffer, out };
                self.engine.isa.run(kernel);
            });
        };
        let rows_a_task = TASK.div_ceil(nx);
        if out.len() < PARALLEL_FROM {
            rows(0, out);
            return Ok(());
        }
        self.engine.threads.install(|| {
            let tasks = out.par_chunks_mut(rows_a_task * nx).enumerate();
            tasks.for_each(|(task, out)| rows(task * rows_a_task, out));
        });
        Ok(())
    }

    fn gradients(&self, positions: &[[f32; 3]], out: &mut [f32], gradients: &mut [[f32; 3]]) -> Result<()> {
        assert_eq!(positions.len(), out.len(), "one value a position");
        assert_eq!(positions.len(), gradients.len(), "one gradient a position");
        let here = |positions: &[[f32; 3]], out: &mut [f32], gradients: &mut [[f32; 3]]| {
            let mut tile = TileBuffers::new(&self.field.model.network, true);
            self.with_scratch(|Scratch { encoder, .. }| {
                let tile = &mut tile;
                self.engine.isa.run(Slopes { evaluator: self, tile, encoder, positions, out, gradients });
            });
        };
        if positions.len() < PARALLEL_FROM {
            here(positions, out, gradients);
            return Ok(());
        }
        self.engine.threads.install(|| {
            let outputs = out.par_chunks_mut(TASK).zip(gradients.par_chunks_mut(TASK));
            let tasks = positions.par_chunks(TASK).zip(outputs);
            tasks.for_each(|(positions, (out, gradients))| here(positions, out, gradients));
        });
        Ok(())
    }

    fn bytes(&self) -> usize {
        4 * self.field.parameters.len() + self.network.bytes()
    }
}

/// Scattered points on one thread.
struct Points<'a> {
    evaluator: &'a CpuEvaluator,
    scratch: &'a mut Scratch,
    positions: &'a [[f32; 3]],
    out: &'a mut [f32],
}

impl Kernel for Points<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Model { encoding, network } = &self.evaluator.field.model;
        let Scratch { tile, encoder } = self.scratch;
        let stride = padded(network.inputs());
        for (positions, out) in self.positions.chunks(TILE).zip(self.out.chunks_mut(TILE)) {
            let features = tile.features.as_mut_slice();
            encoder.encode::<S>(encoding, &self.evaluator.field.parameters, positions, features, stride);
            forward::<S>(&self.evaluator.network, tile, positions.len());
            out.copy_from_slice(&tile.outputs[..positions.len()]);
        }
    }
}

/// Values and gradients of scattered points on one thread.
struct Slopes<'a> {
    evaluator: &'a CpuEvaluator,
    tile: &'a mut TileBuffers,
    encoder: &'a mut TileEncoder,
    positions: &'a [[f32; 3]],
    out: &'a mut [f32],
    gradients: &'a mut [[f32; 3]],
}

impl Kernel for Slopes<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self) {
        let Model { encoding, network } = &self.evaluator.field.model;
        let parameters = &self.evaluator.field.parameters;
        let packed = &self.evaluator.network;
        let Self { tile, encoder, .. } = self;
        let stride = padded(network.inputs());
        tile.of_outputs.fill(1.0);
        let outputs = self.out.chunks_mut(TILE).zip(self.gradients.chunks_mut(TILE));
        for (positions, (out, gradients)) in self.positions.chunks(TILE).zip(outputs) {
            encoder.encode::<S>(encoding, parameters, positions, tile.features.as_mut_slice(), stride);
            forward::<S>(packed, tile, positions.len());
            out.copy_from_slice(&tile.outputs[..positions.len()]);
            backward::<S>(packed, tile, positions.len(), None);
            encoder.by_position::<S>(encoding, parameters, tile.of_features.as_slice(), stride, gradients);
        }
    }
}

/// Consecutive rows of a lattice on one thread; tiles run on across the ends of rows.
struct Rows<'a> {
    evaluator: &'a CpuEvaluator,
    scratch: &'a mut Scratch,
    plan: &'a LatticeEncoder,
    lattice: &'a Lattice,
    first_row: usize,
    row_buffer: Vec<f32>,
    out: &'a mut [f32],
}

impl Kernel for Rows<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(mut self) {
        let Model { encoding, network } = &self.evaluator.field.model;
        let tile = &mut self.scratch.tile;
        let stride = padded(network.inputs());
        let [nx, ny, _] = [0, 1, 2].map(|a| self.lattice.axes[a].len());
        let (mut filled, mut written) = (0, 0);
        for row in self.first_row..self.first_row + self.out.len() / nx {
            let parameters = &self.evaluator.field.parameters;
            self.plan.begin_row::<S>(encoding, parameters, (row % ny, row / ny), &mut self.row_buffer);
            let mut x = 0;
            while x < nx {
                let count = (nx - x).min(TILE - filled);
                let features = &mut tile.features.as_mut_slice()[filled * stride..];
                self.plan.encode_row::<S>(encoding, &self.row_buffer, (x, count), features, stride);
                (x, filled) = (x + count, filled + count);
                if filled == TILE {
                    forward::<S>(&self.evaluator.network, tile, filled);
                    self.out[written..written + filled].copy_from_slice(&tile.outputs);
                    (written, filled) = (written + filled, 0);
                }
            }
        }
        if filled > 0 {
            forward::<S>(&self.evaluator.network, tile, filled);
            self.out[written..written + filled].copy_from_slice(&tile.outputs[..filled]);
        }
    }
}
