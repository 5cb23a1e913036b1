// A field's values at points, on tensor cores: a hash grid of 2 or 4 features before a perceptron 32 or 64 wide, in float32.
// tensor_decode.rs launches it, and `cargo xtask ptx` makes tensor_decode.ptx of it.
//
// A warp takes 32 points, four rows of a product to a lane, from position to value in its registers. The order of a product's
// terms is free, and two choices of it leave nothing to be passed on between lanes: the four lanes of a row encode a level each
// (levels place, place + 4, ...), whose features are what the first product wants of that lane; and what a lane has of a layer's
// outputs is what the next product wants of it, with the weights' rows in that order. The weights lie in shared memory as the
// lanes want them, in two parts each (float_matrices.cuh).

#include <field.cuh>
#include <float_matrices.cuh>

constexpr u32 THREADS = 128;
constexpr u32 WARPS = THREADS / 32;
constexpr u32 ROWS = 4;
constexpr u32 EVERY_LANE = ~0u;

extern __shared__ float4 shared[];

// A block's shared memory; tensor_decode.rs asks for as much.
template <int WIDTH, int F>
struct Network {
    // Products that a layer's outputs take, and those behind the first layer its inputs.
    static constexpr u32 ACROSS = WIDTH / 8;
    static constexpr u32 A_GROUP = F / 2;

    u32 groups, layers;
    // For every input product and output product of a layer, what each lane has of the weights: both numbers' high parts, then
    // their low ones.
    float4 *weights;
    // Of every layer, then of the output: its weights, and its bias.
    float *biases;
    Level *levels;

    __device__ Network(const Model &model) : groups((model.count + 3) / 4), layers(model.layers) {
        weights = shared;
        biases = reinterpret_cast<float *>(weights + first_product(layers) * ACROSS * 32);
        levels = reinterpret_cast<Level *>(biases + (layers + 1) * WIDTH + 8);
    }

    // Input products before a layer.
    __device__ u32 first_product(u32 layer) const { return layer == 0 ? 0 : groups * A_GROUP + (layer - 1) * ACROSS; }

    __device__ Fragment<2> fragment(u32 product, u32 output) const {
        const float4 four = weights[(product * ACROSS + output) * 32 + threadIdx.x % 32];
        return {{four.x, four.y}, {four.z, four.w}};
    }
};

template <int WIDTH, int F>
__device__ void load_network(const Network<WIDTH, F> &to, const Model &model, const float *network) {
    constexpr u32 ACROSS = Network<WIDTH, F>::ACROSS, A_GROUP = Network<WIDTH, F>::A_GROUP;
    for (u32 layer = 0; layer < to.layers; ++layer) {
        const u32 inputs = layer == 0 ? model.inputs : WIDTH;
        const u32 first = to.first_product(layer), products = to.first_product(layer + 1) - first;
        for (u32 n = threadIdx.x; n < products * ACROSS * 32; n += THREADS) {
            const u32 product = n / 32 / ACROSS, group = n % 32 / 4, place = n % 4;
            const u32 output = n / 32 % ACROSS * 8 + group;
            // Of two inputs that follow one another. Levels that are not there have no weight.
            const u32 input = layer == 0 ? (product / A_GROUP * 4 + place) * F + product % A_GROUP * 2 : product * 8 + place * 2;
            const bool is_input = input < inputs;
            const Split upper = split(is_input ? network[input * WIDTH + output] : 0.0f);
            const Split lower = split(is_input ? network[(input + 1) * WIDTH + output] : 0.0f);
            to.weights[first * ACROSS * 32 + n] = {upper.high, lower.high, upper.low, lower.low};
        }
        network += inputs * WIDTH;
        for (u32 n = threadIdx.x; n < WIDTH; n += THREADS) {
            to.biases[layer * WIDTH + n] = network[n];
        }
        network += WIDTH;
    }
    for (u32 n = threadIdx.x; n < WIDTH + 1; n += THREADS) {
        to.biases[to.layers * WIDTH + n] = network[n];
    }
    for (u32 n = threadIdx.x; n < model.count; n += THREADS) {
        to.levels[n] = model.levels[n];
    }
}

// Sums of a layer's outputs for two times 16 rows: of rows group, group + 8, group + 16, group + 24 those that a lane has.
template <int WIDTH>
struct Sums {
    float of[2][WIDTH / 8][4];

    __device__ explicit Sums(const float *biases) {
        for (int n = 0; n < WIDTH / 8; ++n) {
            const float *pair = biases + n * 8 + threadIdx.x % 4 * 2;
            for (int m = 0; m < 2; ++m) {
                of[m][n][0] = of[m][n][2] = pair[0];
                of[m][n][1] = of[m][n][3] = pair[1];
            }
        }
    }
};

__device__ inline Fragment<4> fragment(float a, float b, float c, float d) {
    const Split of[4] = {split(a), split(b), split(c), split(d)};
    return {{of[0].high, of[1].high, of[2].high, of[3].high}, {of[0].low, of[1].low, of[2].low, of[3].low}};
}

// The features of four rows' positions through the first layer.
template <int WIDTH, int F>
__device__ void first_layer(const Network<WIDTH, F> &network, u32 count, const float *parameters,
                            const Position (&positions)[ROWS], Sums<WIDTH> &sums) {
    for (u32 group = 0; group < network.groups; ++group) {
        const Level level = network.levels[min(group * 4 + threadIdx.x % 4, count - 1)];
        float features[ROWS][F];
#pragma unroll
        for (int row = 0; row < ROWS; ++row) {
            encode_level<F, 1>(level, parameters + level.offset, positions[row], 0,
                               [&](u32 f, u32, float feature) { features[row][f] = feature; });
        }
        // The lanes of a row were at levels of their own.
        __syncwarp();
#pragma unroll
        for (int j = 0; j < F / 2; ++j) {
            Fragment<4> of_rows[2];
            for (int m = 0; m < 2; ++m) {
                const float(&upper)[F] = features[2 * m], (&lower)[F] = features[2 * m + 1];
                of_rows[m] = fragment(upper[2 * j], lower[2 * j], upper[2 * j + 1], lower[2 * j + 1]);
            }
#pragma unroll
            for (int n = 0; n < WIDTH / 8; ++n) {
                const Fragment<2> weights = network.fragment(group * (F / 2) + j, n);
                multiply(sums.of[0][n], of_rows[0], weights);
                multiply(sums.of[1][n], of_rows[1], weights);
            }
        }
    }
}

template <int WIDTH, int F>
__device__ void next_layer(const Network<WIDTH, F> &network, u32 layer, Sums<WIDTH> &sums) {
    const Sums<WIDTH> before = sums;
    sums = Sums<WIDTH>(network.biases + layer * WIDTH);
    const u32 first = network.first_product(layer);
#pragma unroll
    for (int k = 0; k < WIDTH / 8; ++k) {
        Fragment<4> of_rows[2];
        for (int m = 0; m < 2; ++m) {
            const float(&c)[4] = before.of[m][k];
            of_rows[m] = fragment(fmaxf(c[0], 0.0f), fmaxf(c[2], 0.0f), fmaxf(c[1], 0.0f), fmaxf(c[3], 0.0f));
        }
#pragma unroll
        for (int n = 0; n < WIDTH / 8; ++n) {
            const Fragment<2> weights = network.fragment(first + k, n);
            multiply(sums.of[0][n], of_rows[0], weights);
            multiply(sums.of[1][n], of_rows[1], weights);
        }
    }
}

// The value of row group + 8 place.
template <int WIDTH, int F>
__device__ float output(const Network<WIDTH, F> &network, const Sums<WIDTH> &sums) {
    const float *weights = network.biases + network.layers * WIDTH;
    const u32 place = threadIdx.x % 4;
    float own = 0.0f;
    for (u32 row = 0; row < ROWS; ++row) {
        float sum = 0.0f;
        for (int n = 0; n < WIDTH / 8; ++n) {
            for (int i = 0; i < 2; ++i) {
                sum += fmaxf(sums.of[row / 2][n][row % 2 * 2 + i], 0.0f) * weights[n * 8 + place * 2 + i];
            }
        }
        sum += __shfl_xor_sync(EVERY_LANE, sum, 1);
        sum += __shfl_xor_sync(EVERY_LANE, sum, 2);
        own = row == place ? sum : own;
    }
    return own + weights[WIDTH];
}

template <int WIDTH, int F>
__device__ void evaluate(const Model &model, const Points &points, const float *parameters, float *values) {
    const Network<WIDTH, F> network(model);
    load_network(network, model, parameters + model.network_offset);
    __syncthreads();
    const u32 lane = threadIdx.x % 32, group = lane / 4, place = lane % 4;
    for (u64 first = (u64(blockIdx.x) * WARPS + threadIdx.x / 32) * 32; first < points.count;
         first += u64(gridDim.x) * THREADS) {
        // Behind the last point lanes repeat it: they are needed in every product.
        const Position own = position_of(points, first + lane < points.count ? first + lane : points.count - 1);
        Position positions[ROWS];
        for (u32 row = 0; row < ROWS; ++row) {
            for (int axis = 0; axis < 3; ++axis) {
                positions[row].along[axis] = __shfl_sync(EVERY_LANE, own.along[axis], int(group + 8 * row));
            }
        }
        Sums<WIDTH> sums(network.biases);
        first_layer(network, model.count, parameters, positions, sums);
        for (u32 layer = 1; layer < network.layers; ++layer) {
            next_layer(network, layer, sums);
        }
        const float value = output(network, sums);
        const u64 point = first + group + 8 * place;
        if (point < points.count) {
            values[point] = value;
        }
    }
}

// The parameters of decode.cu's kernels; no scratch is needed or given. The bounds are a block's threads, and for the widest the
// blocks that a multiprocessor is to have room for: they spill some 30 registers for it, once every 32 points.
#define KERNEL(NAME, WIDTH, F, ...)                                                                                       \
    extern "C" __global__ void __launch_bounds__(__VA_ARGS__)                                                             \
        NAME(const __grid_constant__ Model model, const __grid_constant__ Points points, const float *parameters,         \
             const __grid_constant__ Results results, float *) {                                                          \
        evaluate<WIDTH, F>(model, points, parameters, results.values);                                                    \
    }

KERNEL(tensor_values_32x2, 32, 2, THREADS)
KERNEL(tensor_values_32x4, 32, 4, THREADS)
KERNEL(tensor_values_64x2, 64, 2, THREADS, 3)
KERNEL(tensor_values_64x4, 64, 4, THREADS, 3)

#undef KERNEL
