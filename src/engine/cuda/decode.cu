// A field's values at points, and its derivatives by the position: FORMAT.md, "The field". decode.rs launches it, and
// `cargo xtask ptx` makes decode.ptx of it.
//
// Everything is evaluated with COLUMNS numbers for one: the value alone (1), or the value and its derivatives by x, y, z
// (4), which go forward through the network beside it. A product by weights treats all of them alike; only biases and
// activations tell the value from its derivatives.
//
// Two ways through a network:
// - A block of threads takes a tile of THREADS columns through a perceptron 16, 32 or 64 wide. Weights and activations are
//   in shared memory, and a layer is a product of matrices that each thread has an 8 by WIDTH / 8 part of.
// - A thread takes a point through any network. Its activations are in global memory.

#include <field.cuh>

// Threads of a block, and columns of a tile. The launch has to agree.
constexpr u32 THREADS = 128;

// ---- Encodings.

// A feature that depends on one axis alone.
template <int COLUMNS, typename Put>
__device__ void put_along(u32 axis, u32 row, float value, float slope, Put put) {
    put(row, 0, value);
    if constexpr (COLUMNS == 4) {
        for (u32 other = 0; other < 3; ++other) {
            put(row, 1 + other, other == axis ? slope : 0.0f);
        }
    }
}

// Function k of an axis.
template <int COLUMNS, typename Put>
__device__ void encode_axis(const Model &model, float t, u32 axis, u32 k, Put put) {
    const u32 row = axis * model.features;
    switch (model.encoding) {
    case IDENTITY:
        put_along<COLUMNS>(axis, row, 2.0f * t - 1.0f, 2.0f, put);
        break;
    case FREQUENCY: {
        // 2^k t is exact, and sincospi takes whole periods off exactly.
        const float octave = float(1u << k), omega = 3.14159265358979f * octave;
        float sine, cosine;
        sincospif(octave * t, &sine, &cosine);
        put_along<COLUMNS>(axis, row + 2 * k, sine, omega * cosine, put);
        put_along<COLUMNS>(axis, row + 2 * k + 1, cosine, -omega * sine, put);
        break;
    }
    case TRIANGLE_WAVE: {
        const float octave = float(1u << k), half = octave * t / 2.0f, phase = half - floorf(half);
        const float slope = phase < 0.5f ? -2.0f * octave : 2.0f * octave;
        put_along<COLUMNS>(axis, row + k, 4.0f * fabsf(phase - 0.5f) - 1.0f, slope, put);
        break;
    }
    default: {
        const float n = float(model.count), distance = __fmul_rn(n, t) - float(k) - 0.5f;
        const float value = expf(-distance * distance / 2.0f);
        put_along<COLUMNS>(axis, row + k, value, -distance * n * value, put);
    }
    }
}

// One of `parts` threads that encode a position together.
template <int COLUMNS, typename Put>
__device__ void encode(const Model &model, const float *parameters, const Position &position, u32 part, u32 parts,
                       Put put) {
    if (model.encoding != HASH_GRID) {
        for (u32 n = part; n < 3 * model.count; n += parts) {
            const u32 axis = n / model.count;
            const float t = axis == 0 ? position.along[0] : axis == 1 ? position.along[1] : position.along[2];
            encode_axis<COLUMNS>(model, t, axis, n % model.count, put);
        }
        return;
    }
    for (u32 l = part; l < model.count; l += parts) {
        const Level &level = model.levels[l];
        const float *table = parameters + level.offset;
        const u32 row = l * model.features;
        switch (model.features) {
        case 1:
            encode_level<1, COLUMNS>(level, table, position, row, put);
            break;
        case 2:
            encode_level<2, COLUMNS>(level, table, position, row, put);
            break;
        case 4:
            encode_level<4, COLUMNS>(level, table, position, row, put);
            break;
        default:
            encode_level<8, COLUMNS>(level, table, position, row, put);
        }
    }
}

// ---- A tile through a perceptron of fixed width. Activations are h[input][column]; columns of one kind (the values, the
// derivatives by x, ...) lie together, a point each.

// h becomes relu(W^T h + b). A thread has OUTPUTS outputs of 8 columns: runs of RUN columns, loaded at once, so chosen that
// it has all columns of its points, and that neighbouring threads read neighbouring runs.
template <int WIDTH, int COLUMNS>
__device__ void hidden_layer(float *h, const float *weights, u32 inputs) {
    constexpr int OUTPUTS = WIDTH / 8;
    constexpr int RUN = COLUMNS == 1 ? 4 : 2, RUNS = 8 / RUN;
    constexpr u32 STRIDE = THREADS / RUNS;
    const u32 column = threadIdx.x % 16 * RUN, output = threadIdx.x / 16 * OUTPUTS;
    const float *biases = weights + inputs * WIDTH;
    float sums[OUTPUTS][8];
    for (int o = 0; o < OUTPUTS; ++o) {
        for (int c = 0; c < 8; ++c) {
            sums[o][c] = COLUMNS == 1 || c < RUN ? biases[output + o] : 0.0f;
        }
    }
#pragma unroll 4
    for (u32 i = 0; i < inputs; ++i) {
        float of_columns[8], of_outputs[OUTPUTS];
        for (int run = 0; run < RUNS; ++run) {
            load<RUN>(of_columns + run * RUN, h + i * THREADS + run * STRIDE + column);
        }
        load<OUTPUTS>(of_outputs, weights + i * WIDTH + output);
        for (int o = 0; o < OUTPUTS; ++o) {
            for (int c = 0; c < 8; ++c) {
                sums[o][c] += of_outputs[o] * of_columns[c];
            }
        }
    }
    // Nobody writes before everybody has read.
    __syncthreads();
    for (int o = 0; o < OUTPUTS; ++o) {
        for (int c = 0; c < 8; ++c) {
            // Of four columns, run 0 has the values, and those that are cut off take their derivatives with them.
            const bool is_on = sums[o][COLUMNS == 1 ? c : c % RUN] > 0.0f;
            h[(output + o) * THREADS + c / RUN * STRIDE + column + c % RUN] = is_on ? sums[o][c] : 0.0f;
        }
    }
    __syncthreads();
}

extern __shared__ float4 shared[];

template <int WIDTH, int COLUMNS>
__device__ void evaluate_tiles(const Model &model, const Points &points, const float *parameters, const Results &results,
                               float *) {
    constexpr u32 TILE = THREADS / COLUMNS;
    float *weights = reinterpret_cast<float *>(shared);
    float *h = weights + (model.network_size + 3) / 4 * 4;
    for (u32 i = threadIdx.x; i < model.network_size; i += THREADS) {
        weights[i] = parameters[model.network_offset + i];
    }
    const u32 place = threadIdx.x % TILE, kind = threadIdx.x / TILE;
    for (u64 first = u64(blockIdx.x) * TILE; first < points.count; first += u64(gridDim.x) * TILE) {
        const u64 point = first + place;
        const bool is_point = point < points.count;
        // Behind the last point threads repeat it: they are needed at every barrier.
        const Position position = position_of(points, is_point ? point : points.count - 1);
        encode<COLUMNS>(model, parameters, position, kind, COLUMNS, [&](u32 row, u32 column, float number) {
            h[row * THREADS + column * TILE + place] = number;
        });
        __syncthreads();
        const float *layer = weights;
        hidden_layer<WIDTH, COLUMNS>(h, layer, model.inputs);
        layer += (model.inputs + 1) * WIDTH;
        for (u32 l = 1; l < model.layers; ++l) {
            hidden_layer<WIDTH, COLUMNS>(h, layer, WIDTH);
            layer += (WIDTH + 1) * WIDTH;
        }
        // The output: a column a thread.
        float sum = kind == 0 ? layer[WIDTH] : 0.0f;
        for (int i = 0; i < WIDTH; ++i) {
            sum += layer[i] * h[i * THREADS + threadIdx.x];
        }
        if (is_point) {
            store(results, point, kind, sum);
        }
        // The next tile's features come where this one's last activations are.
        __syncthreads();
    }
}

// ---- A point through any network. Activations are rows in global memory; a thread has one place in each.

struct Rows {
    float *first;
    // From a number to the next of the same thread.
    u64 stride;

    __device__ float &at(u32 row, u32 column, u32 columns) const { return first[(row * columns + column) * stride]; }
};

// A function of its own: with it in every loop, the PTX would be three times as long.
__device__ __noinline__ void sine_and_cosine(float a, float *sine, float *cosine) { sincosf(a, sine, cosine); }

enum class Activation { RELU, SINE, MEAN_WITH_SINE };

// One layer with its activation; MEAN_WITH_SINE is of the sine and what `to` held.
template <Activation ACTIVATION, int COLUMNS>
__device__ void any_layer(const Rows &from, const Rows &to, const float *weights, u32 inputs, u32 outputs) {
    constexpr u32 TOGETHER = 8;
    const float *biases = weights + inputs * outputs;
    for (u32 first = 0; first < outputs; first += TOGETHER) {
        const u32 count = min(TOGETHER, outputs - first);
        float sums[TOGETHER][COLUMNS] = {};
        for (u32 o = 0; o < TOGETHER; ++o) {
            sums[o][0] = o < count ? biases[first + o] : 0.0f;
        }
#pragma unroll 1
        for (u32 i = 0; i < inputs; ++i) {
            float h[COLUMNS];
            for (int column = 0; column < COLUMNS; ++column) {
                h[column] = from.at(i, column, COLUMNS);
            }
            for (u32 o = 0; o < TOGETHER; ++o) {
                const float weight = o < count ? weights[i * outputs + first + o] : 0.0f;
                for (int column = 0; column < COLUMNS; ++column) {
                    sums[o][column] += weight * h[column];
                }
            }
        }
        for (u32 o = 0; o < TOGETHER && o < count; ++o) {
            float activated = fmaxf(sums[o][0], 0.0f), slope = sums[o][0] > 0.0f ? 1.0f : 0.0f;
            if constexpr (ACTIVATION != Activation::RELU) {
                sine_and_cosine(sums[o][0], &activated, &slope);
            }
            for (int column = 0; column < COLUMNS; ++column) {
                float &result = to.at(first + o, column, COLUMNS);
                const float number = column == 0 ? activated : slope * sums[o][column];
                if constexpr (ACTIVATION == Activation::MEAN_WITH_SINE) {
                    result = (result + number) / 2.0f;
                } else {
                    result = number;
                }
            }
        }
    }
}

template <int COLUMNS>
__device__ void evaluate_points(const Model &model, const Points &points, const float *parameters, const Results &results,
                                float *scratch) {
    const u64 threads = u64(gridDim.x) * THREADS, thread = u64(blockIdx.x) * THREADS + threadIdx.x;
    const u32 rows = max(model.inputs, model.width), width = model.width;
    const Rows upper = {scratch + thread, threads}, lower = {upper.first + u64(rows) * COLUMNS * threads, threads};
    for (u64 point = thread; point < points.count; point += threads) {
        Rows h = upper, other = lower;
        encode<COLUMNS>(model, parameters, position_of(points, point), 0, 1,
                        [&](u32 row, u32 column, float number) { h.at(row, column, COLUMNS) = number; });
        const float *layer = parameters + model.network_offset;
        u32 inputs = model.inputs;
        const auto pass = [&] {
            layer += (inputs + 1) * width;
            inputs = width;
        };
        const auto exchange = [&] {
            const Rows kept = h;
            h = other;
            other = kept;
        };
        if (model.network == MLP) {
            for (u32 l = 0; l < model.layers; ++l) {
                any_layer<Activation::RELU, COLUMNS>(h, other, layer, inputs, width);
                exchange();
                pass();
            }
        } else {
            any_layer<Activation::SINE, COLUMNS>(h, other, layer, inputs, width);
            exchange();
            pass();
            for (u32 l = 1; l < model.layers; l += 2) {
                any_layer<Activation::SINE, COLUMNS>(h, other, layer, inputs, width);
                pass();
                any_layer<Activation::MEAN_WITH_SINE, COLUMNS>(other, h, layer, inputs, width);
                pass();
            }
        }
        for (int column = 0; column < COLUMNS; ++column) {
            float sum = column == 0 ? layer[width] : 0.0f;
            for (u32 i = 0; i < width; ++i) {
                sum += layer[i] * h.at(i, column, COLUMNS);
            }
            store(results, point, column, sum);
        }
    }
}

// ---- What is launched. Every kernel has the same parameters; those for tiles need no scratch and are given none.

#define KERNEL(NAME, EVALUATE)                                                                                            \
    extern "C" __global__ void __launch_bounds__(THREADS)                                                                 \
        NAME(const __grid_constant__ Model model, const __grid_constant__ Points points, const float *parameters,         \
             const __grid_constant__ Results results, float *scratch) {                                                   \
        EVALUATE(model, points, parameters, results, scratch);                                                            \
    }

KERNEL(values_16, (evaluate_tiles<16, 1>))
KERNEL(values_32, (evaluate_tiles<32, 1>))
KERNEL(values_64, (evaluate_tiles<64, 1>))
KERNEL(values_any, evaluate_points<1>)
KERNEL(gradients_16, (evaluate_tiles<16, 4>))
KERNEL(gradients_32, (evaluate_tiles<32, 4>))
KERNEL(gradients_64, (evaluate_tiles<64, 4>))
KERNEL(gradients_any, evaluate_points<4>)

#undef KERNEL
