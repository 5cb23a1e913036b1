// What the kernels that evaluate a field share: FORMAT.md, "The field".
#pragma once

#include <hash_grid.cuh>

enum EncodingKind : u32 { HASH_GRID, IDENTITY, FREQUENCY, TRIANGLE_WAVE, ONE_BLOB };
enum NetworkKind : u32 { MLP, SINE_RESIDUAL };

// The structures that decode.rs fills: the same members in the same order there.

struct Model {
    u32 encoding;
    u32 network;
    // Levels, octaves or bins.
    u32 count;
    // Of an entry of a table, or of an axis.
    u32 features;
    // Of the network: the features in all.
    u32 inputs;
    u32 width;
    // Layers with an activation behind them.
    u32 layers;
    // Weights and biases.
    u32 network_size;
    u64 network_offset;
    Level levels[MAX_LEVELS];
};

struct Points {
    // x, y, z of every point; null for the points of a lattice.
    const float *positions;
    // A lattice's positions along x, then along y, then along z.
    const float *axes;
    u64 shape[3];
    // The first point's number in the lattice.
    u64 first;
    u64 count;
};

struct Results {
    float *values;
    // By x, y, z for every point.
    float *gradients;
};

struct Position {
    float along[3];
};

__device__ inline Position position_of(const Points &points, u64 point) {
    if (points.positions) {
        const float *p = points.positions + 3 * point;
        return {{p[0], p[1], p[2]}};
    }
    const u64 n = points.first + point;
    const u64 row = n / points.shape[0];
    const float *x = points.axes, *y = x + points.shape[0], *z = y + points.shape[1];
    return {{x[n % points.shape[0]], y[row % points.shape[1]], z[row / points.shape[1]]}};
}

// Column 0 is the value, column 1 + a its derivative along axis a.
__device__ inline void store(const Results &results, u64 point, u32 column, float value) {
    if (column == 0) {
        results.values[point] = value;
    } else {
        results.gradients[3 * point + column - 1] = value;
    }
}

// N floats that lie N floats aligned, or 4 where N is 8.
template <int N>
__device__ void load(float *to, const float *from) {
    if constexpr (N % 4 == 0) {
        for (int part = 0; part < N / 4; ++part) {
            const float4 four = reinterpret_cast<const float4 *>(from)[part];
            to[4 * part] = four.x, to[4 * part + 1] = four.y, to[4 * part + 2] = four.z, to[4 * part + 3] = four.w;
        }
    } else if constexpr (N == 2) {
        const float2 two = *reinterpret_cast<const float2 *>(from);
        to[0] = two.x, to[1] = two.y;
    } else {
        static_assert(N == 1, "no such vector");
        to[0] = from[0];
    }
}

// F features of a level of the hash grid: trilinear between the eight corners of the cell around the position. `put(row, column,
// number)` takes every feature, with its derivatives where there are four columns.
template <int F, int COLUMNS, typename Put>
__device__ void encode_level(const Level &level, const float *table, const Position &position, u32 row, Put put) {
    const Cell cell = cell_around(level, position.along);
    float sums[COLUMNS][F] = {};
#pragma unroll
    for (int corner = 0; corner < 8; ++corner) {
        float u[3], slope[3];
        for (int axis = 0; axis < 3; ++axis) {
            const bool upper = corner >> axis & 1;
            u[axis] = upper ? cell.fraction[axis] : 1.0f - cell.fraction[axis];
            slope[axis] = upper ? float(level.cells[axis]) : -float(level.cells[axis]);
        }
        float entry[F], weights[COLUMNS];
        load<F>(entry, table + u64(entry_of(level, cell, corner)) * F);
        weights[0] = u[0] * u[1] * u[2];
        if constexpr (COLUMNS == 4) {
            weights[1] = slope[0] * u[1] * u[2];
            weights[2] = u[0] * slope[1] * u[2];
            weights[3] = u[0] * u[1] * slope[2];
        }
        for (int column = 0; column < COLUMNS; ++column) {
            for (int f = 0; f < F; ++f) {
                sums[column][f] += weights[column] * entry[f];
            }
        }
    }
    for (int column = 0; column < COLUMNS; ++column) {
        for (int f = 0; f < F; ++f) {
            put(row + f, column, sums[column][f]);
        }
    }
}
