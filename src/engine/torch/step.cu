// What a training step does that is slow as tensor operations: drawing voxels, the hash grid forward and backward, Adam.
// step.rs launches it, and `cargo xtask ptx` makes step.ptx of it.

#include <gradient.cuh>

constexpr u32 MAX_GROUPS = 192;

// The structures that step.rs fills: the same members in the same order there.

// train/sampler.rs has the formula.
struct Permutation {
    u64 factors[4];
    u64 offsets[4];
};

struct Draw {
    u64 shape[3];
    u64 voxels;
    u64 mask;
    u64 shift;
    // Samples already drawn in the first of the two epochs.
    u64 first;
    u64 count;
    Permutation epochs[2];
};

struct Group {
    // One past the group's last parameter.
    u32 end;
    float learning_rate;
    // 0 for none, a step above 0, or -1 for half precision.
    float rounding;
    float rate_gradient;
};

struct Update {
    u32 parameters;
    u32 groups;
    // What the gradients are divided by.
    float loss_scale;
    // 1 - beta^t of both moments.
    float corrections[2];
    u32 unused;
    Group of[MAX_GROUPS];
};

__device__ inline u64 thread_number() { return u64(blockIdx.x) * blockDim.x + threadIdx.x; }

__device__ inline float position_on_axis(u64 index, u64 samples) {
    return samples <= 1 ? 0.0f : float(double(index) / double(samples - 1));
}

// The voxel of a sample of those that are drawn.
__device__ inline u64 voxel_of(const Draw &draw, u64 sample) {
    const u64 sequence = draw.first + sample;
    const bool next = sequence >= draw.voxels;
    const Permutation &permutation = draw.epochs[next];
    u64 voxel = next ? sequence - draw.voxels : sequence;
    do {
        for (u32 round = 0; round < 4; ++round) {
            voxel = (voxel * permutation.factors[round] + permutation.offsets[round]) & draw.mask;
            voxel ^= voxel >> draw.shift;
        }
    } while (voxel >= draw.voxels);
    return voxel;
}

__device__ inline void put_position(const Draw &draw, u64 voxel, float *to) {
    const u64 row = voxel / draw.shape[0];
    to[0] = position_on_axis(voxel % draw.shape[0], draw.shape[0]);
    to[1] = position_on_axis(row % draw.shape[1], draw.shape[1]);
    to[2] = position_on_axis(row / draw.shape[1], draw.shape[2]);
}

// Positions and targets of samples `first..first + count` of the sequence of epochs; NaN where a voxel is masked.
extern "C" __global__ void draw_batch(Draw draw, const float *values, float *positions, float *targets) {
    const u64 sample = thread_number();
    if (sample < draw.count) {
        const u64 voxel = voxel_of(draw, sample);
        put_position(draw, voxel, positions + 3 * sample);
        targets[sample] = values[voxel];
    }
}

// Positions alone, where the targets come from the host.
extern "C" __global__ void draw_positions(Draw draw, float *positions) {
    const u64 sample = thread_number();
    if (sample < draw.count) {
        put_position(draw, voxel_of(draw, sample), positions + 3 * sample);
    }
}

__device__ inline float as_float(float value) { return value; }
__device__ inline float as_float(__half value) { return __half2float(value); }
__device__ inline void put(float *to, float value) { *to = value; }
__device__ inline void put(__half *to, float value) { *to = __float2half_rn(value); }

// A thread is a sample on a level; neighbouring threads are samples on the same level, whose table they share.
template <typename T>
__device__ void encode(const Grid &grid, u64 samples, const float *positions, const T *parameters, T *features) {
    const u64 number = thread_number();
    const u64 sample = number % samples, level_number = number / samples;
    if (level_number >= grid.levels) {
        return;
    }
    const Level &level = grid.of[level_number];
    const u32 n = grid.features;
    float sums[8] = {};
    visit_corners(level, positions + 3 * sample, [&](u32 entry, float weight) {
        const T *values = parameters + level.offset + u64(entry) * n;
#pragma unroll
        for (u32 f = 0; f < 8; ++f) {
            sums[f] += f < n ? weight * as_float(values[f]) : 0.0f;
        }
    });
#pragma unroll
    for (u32 f = 0; f < 8 && f < n; ++f) {
        put(features + (sample * grid.levels + level_number) * n + f, sums[f]);
    }
}

extern "C" __global__ void encode_float(Grid grid, u64 samples, const float *positions, const float *parameters,
                                        float *features) {
    encode(grid, samples, positions, parameters, features);
}

extern "C" __global__ void encode_half(Grid grid, u64 samples, const float *positions, const __half *parameters,
                                       __half *features) {
    encode(grid, samples, positions, parameters, features);
}

// Adds the gradient by every table value.
template <typename T, typename Sum>
__device__ void scatter(const Grid &grid, u64 samples, const float *positions, const T *of_features, Sum *gradient) {
    const u64 number = thread_number();
    const u64 sample = number % samples, level_number = number / samples;
    if (level_number >= grid.levels) {
        return;
    }
    const Level &level = grid.of[level_number];
    const u32 n = grid.features;
    const T *of = of_features + (sample * grid.levels + level_number) * n;
    visit_corners(level, positions + 3 * sample, [&](u32 entry, float weight) {
        Sum *values = gradient + level.offset + u64(entry) * n;
        for (u32 f = 0; f < n; ++f) {
            const float product = weight * as_float(of[f]);
            // What overflowed in half precision moves nothing.
            if (product != 0.0f && isfinite(product)) {
                add(values + f, product);
            }
        }
    });
}

extern "C" __global__ void scatter_float(Grid grid, u64 samples, const float *positions, const float *of_features,
                                         float *gradient) {
    scatter(grid, samples, positions, of_features, gradient);
}

extern "C" __global__ void scatter_half(Grid grid, u64 samples, const float *positions, const __half *of_features,
                                        float *gradient) {
    scatter(grid, samples, positions, of_features, gradient);
}

extern "C" __global__ void scatter_float_fixed(Grid grid, u64 samples, const float *positions,
                                               const float *of_features, u64 *gradient) {
    scatter(grid, samples, positions, of_features, gradient);
}

extern "C" __global__ void scatter_half_fixed(Grid grid, u64 samples, const float *positions,
                                              const __half *of_features, u64 *gradient) {
    scatter(grid, samples, positions, of_features, gradient);
}

extern "C" __global__ void fixed_to_float(u64 count, const u64 *fixed, float *values) {
    const u64 i = thread_number();
    if (i < count) {
        values[i] = float(double((long long)fixed[i]) / FIXED_ONE);
    }
}

__device__ inline float rounded(float value, float rounding) {
    if (rounding > 0.0f) {
        return rintf(value / rounding) * rounding;
    }
    if (rounding < 0.0f) {
        return __half2float(__float2half_rn(fminf(fmaxf(value, -65504.0f), 65504.0f)));
    }
    return value;
}

// Adam on every parameter (Kingma & Ba 2015, algorithm 1); then the masters are rounded, into float32 and, where there is
// one, into a half-precision copy.
extern "C" __global__ void adam(Update update, const float *gradient, float *masters, float *first, float *second,
                                float *parameters, __half *halves) {
    constexpr float BETA1 = 0.9f, BETA2 = 0.99f, EPSILON = 1e-15f;
    const u64 p = thread_number();
    if (p >= update.parameters) {
        return;
    }
    u32 low = 0, high = update.groups - 1;
    while (low < high) {
        const u32 middle = (low + high) / 2;
        if (p < update.of[middle].end) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    const Group group = update.of[low];
    const float master = masters[p];
    const float sign = master > 0.0f ? 1.0f : master < 0.0f ? -1.0f : 0.0f;
    float g = gradient[p] / update.loss_scale;
    g = (isfinite(g) ? g : 0.0f) + group.rate_gradient * sign;
    const float mean = first[p] = BETA1 * first[p] + (1.0f - BETA1) * g;
    const float square = second[p] = BETA2 * second[p] + (1.0f - BETA2) * g * g;
    const float step = mean / update.corrections[0] / (sqrtf(square / update.corrections[1]) + EPSILON);
    const float moved = master - group.learning_rate * step;
    masters[p] = moved;
    const float stored = rounded(moved, group.rounding);
    parameters[p] = stored;
    if (halves) {
        halves[p] = __float2half_rn(stored);
    }
}
